//! Typed columns: rows gathered into batches for the lake, and read back column by column.
//!
//! Every column may have missing values.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanBuilder, Date32Builder, Float64Builder, Int64Builder,
    RecordBatch, StringBuilder,
};
use arrow::datatypes::{
    DataType, Date32Type, Field, Float64Type, Int32Type, Int64Type, Schema, SchemaRef,
};
use arrow::error::ArrowError;
use foldhash::fast::RandomState;

use crate::dataset::ColumnType;
use crate::dataset::value::{Value, from_days};

/// Rows of a batch.
pub(crate) const BATCH: usize = 65_536;

/// The code of a missing text.
pub(crate) const MISSING: u32 = u32::MAX;

/// A column in memory.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Column {
    Integer(Vec<Option<i64>>),
    /// NaN where missing, which never leaves this crate.
    Decimal(Vec<f64>),
    Text {
        levels: Vec<String>,
        codes: Vec<u32>,
    },
    /// Days since 1970-01-01.
    Date(Vec<Option<i32>>),
    Boolean(Vec<Option<bool>>),
}

/// The columns of a dataset as the lake declares them.
pub(crate) fn schema(columns: &[(String, ColumnType)]) -> SchemaRef {
    let field = |(name, kind): &(String, ColumnType)| {
        let kind = match kind {
            ColumnType::Integer => DataType::Int64,
            ColumnType::Decimal => DataType::Float64,
            ColumnType::Text => DataType::Utf8,
            ColumnType::Date => DataType::Date32,
            ColumnType::Boolean => DataType::Boolean,
        };
        Field::new(name, kind, true)
    };
    Arc::new(Schema::new(columns.iter().map(field).collect::<Vec<_>>()))
}

/// Rows on their way into a batch.
pub(crate) struct Gather {
    schema: SchemaRef,
    columns: Vec<Builder>,
    rows: usize,
}

enum Builder {
    Integer(Int64Builder),
    Decimal(Float64Builder),
    Text(StringBuilder),
    Date(Date32Builder),
    Boolean(BooleanBuilder),
}

impl Gather {
    /// Nothing yet, of these columns.
    pub(crate) fn new(schema: SchemaRef) -> Gather {
        let builder = |field: &Arc<Field>| match field.data_type() {
            DataType::Int64 => Builder::Integer(Int64Builder::new()),
            DataType::Float64 => Builder::Decimal(Float64Builder::new()),
            DataType::Date32 => Builder::Date(Date32Builder::new()),
            DataType::Boolean => Builder::Boolean(BooleanBuilder::new()),
            _ => Builder::Text(StringBuilder::new()),
        };
        let columns = schema.fields().iter().map(builder).collect();
        Gather { schema, columns, rows: 0 }
    }

    /// Adds a row: a value for each column, of its type. A batch when one is full.
    pub(crate) fn add(&mut self, row: &[Value]) -> Result<Option<RecordBatch>, ArrowError> {
        for (column, value) in self.columns.iter_mut().zip(row) {
            column.push(value)?;
        }
        self.rows += 1;
        if self.rows == BATCH { self.take() } else { Ok(None) }
    }

    /// The rows that are left, when there are any.
    pub(crate) fn take(&mut self) -> Result<Option<RecordBatch>, ArrowError> {
        if self.rows == 0 {
            return Ok(None);
        }
        self.rows = 0;
        let columns = self.columns.iter_mut().map(Builder::finish).collect();
        RecordBatch::try_new(self.schema.clone(), columns).map(Some)
    }
}

impl Builder {
    fn push(&mut self, value: &Value) -> Result<(), ArrowError> {
        match (self, value) {
            (Builder::Integer(column), Value::Integer(value)) => column.append_value(*value),
            (Builder::Integer(column), Value::Missing) => column.append_null(),
            (Builder::Decimal(column), Value::Decimal(value)) => column.append_value(*value),
            (Builder::Decimal(column), Value::Missing) => column.append_null(),
            (Builder::Text(column), Value::Text(value)) => column.append_value(value),
            (Builder::Text(column), Value::Missing) => column.append_null(),
            (Builder::Date(column), Value::Date(value)) => column.append_value(*value),
            (Builder::Date(column), Value::Missing) => column.append_null(),
            (Builder::Boolean(column), Value::Boolean(value)) => column.append_value(*value),
            (Builder::Boolean(column), Value::Missing) => column.append_null(),
            _ => return Err(ArrowError::SchemaError("a value of another type".to_owned())),
        }
        Ok(())
    }

    fn finish(&mut self) -> ArrayRef {
        match self {
            Builder::Integer(column) => Arc::new(column.finish()),
            Builder::Decimal(column) => Arc::new(column.finish()),
            Builder::Text(column) => Arc::new(column.finish()),
            Builder::Date(column) => Arc::new(column.finish()),
            Builder::Boolean(column) => Arc::new(column.finish()),
        }
    }
}

/// Columns being put together from batches.
pub(crate) struct Building(Vec<Part>);

enum Part {
    Done(Column),
    Text { levels: Levels, codes: Vec<u32> },
}

/// Texts as codes, in the order they were first met.
#[derive(Default)]
struct Levels {
    places: HashMap<String, u32, RandomState>,
    texts: Vec<String>,
}

impl Levels {
    fn code(&mut self, text: &str) -> u32 {
        if let Some(code) = self.places.get(text) {
            return *code;
        }
        let code = self.texts.len() as u32;
        self.texts.push(text.to_owned());
        self.places.insert(text.to_owned(), code);
        code
    }
}

impl Building {
    /// Empty columns of these types.
    pub(crate) fn of(schema: &Schema) -> Building {
        let part = |field: &Arc<Field>| match field.data_type() {
            DataType::Int64 => Part::Done(Column::Integer(vec![])),
            DataType::Float64 => Part::Done(Column::Decimal(vec![])),
            DataType::Date32 => Part::Done(Column::Date(vec![])),
            DataType::Boolean => Part::Done(Column::Boolean(vec![])),
            _ => Part::Text { levels: Levels::default(), codes: vec![] },
        };
        Building(schema.fields().iter().map(part).collect())
    }

    /// Adds the rows of a batch.
    pub(crate) fn add(&mut self, batch: &RecordBatch) -> Result<(), ArrowError> {
        for (part, array) in self.0.iter_mut().zip(batch.columns()) {
            part.add(array)
                .ok_or_else(|| ArrowError::SchemaError("a column of another type".to_owned()))?;
        }
        Ok(())
    }

    /// The columns, in their order.
    pub(crate) fn end(self) -> Vec<Column> {
        let column = |part| match part {
            Part::Done(column) => column,
            Part::Text { levels, codes } => Column::Text { levels: levels.texts, codes },
        };
        self.0.into_iter().map(column).collect()
    }
}

impl Part {
    fn add(&mut self, array: &ArrayRef) -> Option<()> {
        match self {
            // Most columns have no gap, and are copied much faster then.
            Part::Done(Column::Integer(all)) => match array.as_primitive_opt::<Int64Type>()? {
                whole if whole.null_count() == 0 => {
                    all.extend(whole.values().iter().map(|value| Some(*value)));
                }
                gapped => all.extend(gapped.iter()),
            },
            Part::Done(Column::Decimal(all)) => match array.as_primitive_opt::<Float64Type>()? {
                whole if whole.null_count() == 0 => all.extend_from_slice(whole.values()),
                gapped => all.extend(gapped.iter().map(|value| value.unwrap_or(f64::NAN))),
            },
            Part::Done(Column::Date(all)) => {
                all.extend(array.as_primitive_opt::<Date32Type>()?.iter());
            }
            Part::Done(Column::Boolean(all)) => all.extend(array.as_boolean_opt()?.iter()),
            Part::Done(Column::Text { .. }) => return None,
            Part::Text { levels, codes } => match array.as_any_dictionary_opt() {
                Some(coded) => {
                    // A text is looked up once a batch, in the order rows have them.
                    let texts = coded.values().as_string_opt::<i32>()?;
                    let places = coded.keys().as_primitive_opt::<Int32Type>()?;
                    let mut known = vec![MISSING; texts.len()];
                    codes.extend(places.iter().map(|place| {
                        let place = place.map_or(usize::MAX, |place| place as usize);
                        match known.get_mut(place) {
                            Some(code) if *code == MISSING && texts.is_valid(place) => {
                                *code = levels.code(texts.value(place));
                                *code
                            }
                            Some(code) => *code,
                            None => MISSING,
                        }
                    }));
                }
                None => {
                    let texts = array.as_string_opt::<i32>()?.iter();
                    codes.extend(texts.map(|text| text.map_or(MISSING, |text| levels.code(text))));
                }
            },
        }
        Some(())
    }
}

impl Column {
    /// Number of rows.
    pub(crate) fn len(&self) -> usize {
        match self {
            Column::Integer(values) => values.len(),
            Column::Decimal(values) => values.len(),
            Column::Text { codes, .. } => codes.len(),
            Column::Date(values) => values.len(),
            Column::Boolean(values) => values.len(),
        }
    }

    /// The value of a row as a text; `None` when it is missing.
    pub(crate) fn text(&self, row: usize) -> Option<String> {
        match self {
            Column::Integer(values) => values[row].map(|value| value.to_string()),
            Column::Decimal(values) => {
                Some(values[row]).filter(|value| !value.is_nan()).map(|value| value.to_string())
            }
            Column::Text { levels, codes } => levels.get(codes[row] as usize).cloned(),
            Column::Date(values) => values[row].map(|days| from_days(days).to_string()),
            Column::Boolean(values) => values[row].map(|value| value.to_string()),
        }
    }

    /// The value of a row as JSON; null when it is missing.
    pub(crate) fn json(&self, row: usize) -> serde_json::Value {
        match self {
            Column::Integer(values) => values[row].into(),
            Column::Decimal(values) => Some(values[row]).filter(|value| !value.is_nan()).into(),
            Column::Boolean(values) => values[row].into(),
            Column::Text { .. } | Column::Date(_) => self.text(row).into(),
        }
    }

    /// The column's values as numbers, NaN where missing; `None` for texts. Days count from 1970.
    pub(crate) fn numbers(&self) -> Option<Cow<'_, [f64]>> {
        Some(match self {
            Column::Integer(values) => {
                values.iter().map(|value| value.map_or(f64::NAN, |value| value as f64)).collect()
            }
            Column::Decimal(values) => Cow::Borrowed(values),
            Column::Date(values) => {
                values.iter().map(|value| value.map_or(f64::NAN, f64::from)).collect()
            }
            Column::Boolean(values) => {
                let number = |value: bool| f64::from(u8::from(value));
                values.iter().map(|value| value.map_or(f64::NAN, number)).collect()
            }
            Column::Text { .. } => return None,
        })
    }

    /// The column as levels and codes: what it is for texts, the texts of its values otherwise.
    pub(crate) fn factor(&self) -> (Cow<'_, [String]>, Cow<'_, [u32]>) {
        if let Column::Text { levels, codes } = self {
            return (Cow::Borrowed(levels), Cow::Borrowed(codes));
        }
        fn encode<K: Eq + std::hash::Hash + Copy>(
            keys: impl Iterator<Item = Option<K>>,
            text: impl Fn(usize) -> Option<String>,
        ) -> (Vec<String>, Vec<u32>) {
            let mut places: HashMap<K, u32, RandomState> = HashMap::default();
            let (mut levels, mut codes) = (vec![], vec![]);
            for (row, key) in keys.enumerate() {
                let Some(key) = key else {
                    codes.push(MISSING);
                    continue;
                };
                let code = *places.entry(key).or_insert_with(|| {
                    levels.push(text(row).unwrap_or_default());
                    levels.len() as u32 - 1
                });
                codes.push(code);
            }
            (levels, codes)
        }
        let text = |row: usize| self.text(row);
        let (levels, codes) = match self {
            Column::Integer(values) => encode(values.iter().copied(), text),
            Column::Decimal(values) => {
                let key = |value: &f64| Some(value.to_bits()).filter(|_| !value.is_nan());
                encode(values.iter().map(key), text)
            }
            Column::Date(values) => encode(values.iter().copied(), text),
            Column::Boolean(values) => encode(values.iter().copied(), text),
            Column::Text { .. } => (vec![], vec![]),
        };
        (Cow::Owned(levels), Cow::Owned(codes))
    }

    /// The rows for which `keep` holds.
    pub(crate) fn only(self, keep: &[bool]) -> Column {
        fn kept<T>(values: Vec<T>, keep: &[bool]) -> Vec<T> {
            values
                .into_iter()
                .zip(keep)
                .filter(|(_, keep)| **keep)
                .map(|(value, _)| value)
                .collect()
        }
        match self {
            Column::Integer(values) => Column::Integer(kept(values, keep)),
            Column::Decimal(values) => Column::Decimal(kept(values, keep)),
            Column::Date(values) => Column::Date(kept(values, keep)),
            Column::Boolean(values) => Column::Boolean(kept(values, keep)),
            Column::Text { levels, codes } => Column::Text { levels, codes: kept(codes, keep) },
        }
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::{DictionaryArray, Int32Array, StringArray};

    use super::*;

    #[test]
    fn columns_come_back_with_their_types_and_gaps() {
        let columns = [
            ("n", ColumnType::Integer),
            ("x", ColumnType::Decimal),
            ("t", ColumnType::Text),
            ("d", ColumnType::Date),
            ("b", ColumnType::Boolean),
        ];
        let columns = columns.map(|(name, kind)| (name.to_owned(), kind));
        let schema = schema(&columns);
        let (mut gather, mut building) = (Gather::new(schema.clone()), Building::of(&schema));
        let rows = BATCH + 3;
        let mut batches = 0;
        for row in 0..rows {
            let value = |value| if row % 3 == 1 { Value::Missing } else { value };
            let row = [
                value(Value::Integer(row as i64 - 5)),
                value(Value::Decimal(row as f64 / 4.0)),
                value(Value::Text(["a", "车"][row % 2].to_owned())),
                value(Value::Date(row as i32)),
                value(Value::Boolean(row % 2 == 0)),
            ];
            if let Some(batch) = gather.add(&row).unwrap() {
                building.add(&batch).unwrap();
                batches += 1;
            }
        }
        let rest = gather.take().unwrap().unwrap();
        building.add(&rest).unwrap();
        assert_eq!((batches, rest.num_rows(), gather.take().unwrap()), (1, 3, None));
        let read = building.end();
        for column in &read {
            assert_eq!((column.len(), column.text(1)), (rows, None));
        }
        let texts = |row: usize| read.iter().map(|c| c.text(row).unwrap()).collect::<Vec<_>>();
        assert_eq!(texts(0), ["-5", "0", "a", "1970-01-01", "true"]);
        let last = rows - 2;
        assert_eq!(texts(last)[..2], [(last as i64 - 5).to_string(), "16384.25".to_owned()]);
        assert_eq!(read[1].numbers().unwrap()[2], 0.5);
        let (levels, codes) = read[4].factor();
        assert_eq!((levels.len(), codes[1]), (2, MISSING));
        let only = read[0].clone().only(&[true; BATCH + 3]);
        assert_eq!(only, read[0]);
    }

    #[test]
    fn texts_of_dictionaries_are_the_same_texts() {
        let plain = [Some("b"), None, Some("a"), Some("b"), Some("c")];
        let places = Int32Array::from(vec![Some(1), Some(0), Some(2), Some(1), Some(4)]);
        // A text that no row has, and one that is missing by its place.
        let texts = StringArray::from(vec![None, Some("b"), Some("a"), Some("unused"), Some("c")]);
        let coded = DictionaryArray::new(places, Arc::new(texts));
        let column = |array: ArrayRef| {
            let schema = Schema::new(vec![Field::new("t", array.data_type().clone(), true)]);
            let batch = RecordBatch::try_new(Arc::new(schema.clone()), vec![array]).unwrap();
            let mut building = Building::of(&schema);
            building.add(&batch).unwrap();
            building.add(&batch).unwrap();
            building.end()
        };
        let read = column(Arc::new(coded));
        assert_eq!(read, column(Arc::new(StringArray::from(plain.to_vec()))));
        let Column::Text { levels, codes } = &read[0] else { panic!("it is no text") };
        assert_eq!(
            (levels.as_slice(), codes[1]),
            (&["b", "a", "c"].map(String::from)[..], MISSING)
        );
    }
}

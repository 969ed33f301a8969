//! Rows of Parquet files, batch by batch.

use std::borrow::Cow;
use std::fmt::Display;

use arrow::array::{
    Array, ArrayRef, AsArray, BinaryArray, BooleanArray, Float64Array, Int64Array, StringArray,
    UInt64Array,
};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type, Int64Type, TimeUnit, UInt64Type};
use parquet::arrow::arrow_reader::{ArrowReaderOptions, ParquetRecordBatchReaderBuilder};

use super::{Line, ReadError, Visit, bounded, is_missing, names, number};
use crate::dataset::about::About;
use crate::dataset::value::{Cell, from_days};
use crate::file::FileReader;

/// Rows that are decoded at once.
const BATCH: usize = 8_192;
const DAY_S: i64 = 86_400;
/// From the year 1 to 9999, in days since 1970-01-01.
const CALENDAR: std::ops::RangeInclusive<i64> = -719_162..=2_932_896;

pub(super) fn read(
    file: FileReader,
    about: &About,
    visit: &mut Visit<'_>,
) -> Result<Vec<String>, ReadError> {
    let unreadable = |error: &dyn Display| {
        ReadError::Unreadable(format!("the file is no Parquet that can be read: {error}"))
    };
    // The types of the file are enough; those of the program that wrote it are left aside.
    let how = ArrowReaderOptions::new().with_skip_arrow_metadata(true);
    let builder = ParquetRecordBatchReaderBuilder::try_new_with_options(file, how);
    let builder = builder.map_err(|error| unreadable(&error))?;
    let fields = builder.parquet_schema().root_schema().get_fields();
    if let Some(field) = fields.iter().find(|field| !field.is_primitive()) {
        let detail = format!("column {} is nested; keep plain columns", field.name());
        return Err(ReadError::Unreadable(detail));
    }
    let names = names(fields.iter().map(|field| field.name().to_owned()).collect())?;
    let reader = builder.with_batch_size(BATCH).build().map_err(|error| unreadable(&error))?;
    let mut count = 0;
    for batch in reader {
        let batch = batch.map_err(|error| unreadable(&error))?;
        let columns: Vec<Cells> = batch.columns().iter().map(Cells::of).collect();
        let mut cells = Vec::with_capacity(columns.len());
        for row in 0..batch.num_rows() {
            count += 1;
            bounded(count)?;
            cells.clear();
            cells.extend(columns.iter().map(|column| column.cell(row, about)));
            visit(count, &names, Line::Cells(&cells))?;
        }
    }
    Ok(names)
}

/// A column of a batch.
enum Cells {
    Boolean(BooleanArray),
    Integer(Int64Array),
    Large(UInt64Array),
    Decimal(Float64Array),
    Text(StringArray),
    Bytes(BinaryArray),
    /// Since 1970-01-01 in UTC, so many to a day.
    Date(Int64Array, i64),
    Unknown,
}

impl Cells {
    fn of(array: &ArrayRef) -> Cells {
        let as_type = |kind: &DataType| cast(array, kind).ok();
        let found = match array.data_type() {
            DataType::Boolean => array.as_boolean_opt().cloned().map(Cells::Boolean),
            DataType::UInt64 => array.as_primitive_opt::<UInt64Type>().cloned().map(Cells::Large),
            kind if kind.is_integer() => whole(array).map(Cells::Integer),
            kind if kind.is_floating() => as_type(&DataType::Float64)
                .and_then(|array| array.as_primitive_opt::<Float64Type>().cloned())
                .map(Cells::Decimal),
            DataType::Binary => array.as_binary_opt::<i32>().cloned().map(Cells::Bytes),
            DataType::Date32 => whole(array).map(|all| Cells::Date(all, 1)),
            DataType::Timestamp(unit, _) => {
                let in_second = match unit {
                    TimeUnit::Second => 1,
                    TimeUnit::Millisecond => 1_000,
                    TimeUnit::Microsecond => 1_000_000,
                    TimeUnit::Nanosecond => 1_000_000_000,
                };
                whole(array).map(|all| Cells::Date(all, in_second * DAY_S))
            }
            // Amounts of fixed digits among them: as texts they lose none.
            _ => as_type(&DataType::Utf8)
                .and_then(|array| array.as_string_opt::<i32>().cloned())
                .map(Cells::Text),
        };
        found.unwrap_or(Cells::Unknown)
    }

    fn cell<'a>(&'a self, row: usize, about: &About) -> Cell<'a> {
        let text = |text: &'a str| match is_missing(text, about) {
            true => Cell::Missing,
            false => Cell::Text(Cow::Borrowed(text)),
        };
        match self {
            Cells::Boolean(all) if all.is_valid(row) => Cell::Boolean(all.value(row)),
            Cells::Integer(all) if all.is_valid(row) => Cell::Integer(all.value(row)),
            Cells::Large(all) if all.is_valid(row) => {
                let value = i64::try_from(all.value(row));
                value.map_or(Cell::Broken("is larger than 64 bits"), Cell::Integer)
            }
            Cells::Decimal(all) if all.is_valid(row) => number(all.value(row)),
            Cells::Text(all) if all.is_valid(row) => text(all.value(row)),
            Cells::Bytes(all) if all.is_valid(row) => {
                let value = str::from_utf8(all.value(row));
                value.map_or(Cell::Broken("is no text"), text)
            }
            Cells::Date(all, in_day) if all.is_valid(row) => {
                let day = all.value(row).div_euclid(*in_day);
                let known = i32::try_from(day).ok().filter(|_| CALENDAR.contains(&day));
                known.map_or(Cell::Broken("is no instant"), |day| Cell::Date(from_days(day)))
            }
            Cells::Unknown => Cell::Broken("is of no kind that can be read"),
            _ => Cell::Missing,
        }
    }
}

/// Numbers, days and instants as they are kept.
fn whole(array: &ArrayRef) -> Option<Int64Array> {
    cast(array, &DataType::Int64).ok()?.as_primitive_opt::<Int64Type>().cloned()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{
        Date32Array, Decimal128Array, Float32Array, Int8Array, TimestampMillisecondArray,
    };
    use jiff::civil::date;

    use super::*;

    fn cells(array: ArrayRef) -> Vec<Cell<'static>> {
        let (rows, cells) = (array.len(), Cells::of(&array));
        let owned = |cell| match cell {
            Cell::Text(text) => Cell::Text(Cow::Owned(Cow::into_owned(text))),
            Cell::Missing => Cell::Missing,
            Cell::Integer(value) => Cell::Integer(value),
            Cell::Decimal(value) => Cell::Decimal(value),
            Cell::Boolean(value) => Cell::Boolean(value),
            Cell::Date(value) => Cell::Date(value),
            Cell::Broken(why) => Cell::Broken(why),
        };
        (0..rows).map(|row| owned(cells.cell(row, &About::default()))).collect()
    }

    #[test]
    fn every_type_of_a_column_is_a_kind_of_cell() {
        let none = Cell::Missing;
        let large = UInt64Array::from(vec![Some(7), Some(u64::MAX), None]);
        let wanted = vec![Cell::Integer(7), Cell::Broken("is larger than 64 bits"), none.clone()];
        assert_eq!(cells(Arc::new(large)), wanted);
        let small = Int8Array::from(vec![Some(-7), None]);
        assert_eq!(cells(Arc::new(small)), [Cell::Integer(-7), none.clone()]);
        let short = Float32Array::from(vec![Some(0.5), Some(f32::NAN), None]);
        assert_eq!(cells(Arc::new(short)), [Cell::Decimal(0.5), none.clone(), none.clone()]);
        let amounts = Decimal128Array::from(vec![Some(1_250), None]).with_precision_and_scale(9, 2);
        let amount = Cell::Text("12.50".into());
        assert_eq!(cells(Arc::new(amounts.unwrap())), [amount, none.clone()]);
        let bytes = BinaryArray::from_opt_vec(vec![Some("车".as_bytes()), Some(b"\xff"), None]);
        let wanted = [Cell::Text("车".into()), Cell::Broken("is no text"), none.clone()];
        assert_eq!(cells(Arc::new(bytes)), wanted);
        let truth = BooleanArray::from(vec![Some(true), None]);
        assert_eq!(cells(Arc::new(truth)), [Cell::Boolean(true), none]);
    }

    #[test]
    fn days_and_instants_beyond_the_calendar_are_no_days() {
        let days = Date32Array::from(vec![Some(-1), Some(i32::MAX), None]);
        let wanted = [Cell::Date(date(1969, 12, 31)), Cell::Broken("is no instant"), Cell::Missing];
        assert_eq!(cells(Arc::new(days)), wanted);
        let instants = [Some(-1), Some(i64::MAX), None];
        let instants = TimestampMillisecondArray::from(instants.to_vec()).with_timezone("UTC");
        assert_eq!(cells(Arc::new(instants)), wanted);
    }
}

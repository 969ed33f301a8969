//! Parquet with logical types: `decimal(18, 2)` for amounts, `decimal(18, 5)` for ratios,
//! timestamps in microseconds UTC, dates, UTF-8 strings. Compressed with Snappy, in row groups of
//! at most [`GROUP`] rows, which bounds what a writer and a reader hold at once.

use std::sync::Arc;

use jiff::civil::{Date, date};
use kernel::money::half_up;
use parquet::basic::{Compression, LogicalType, Repetition, TimeUnit, Type as Stored};
use parquet::data_type::{BoolType, ByteArray, ByteArrayType, DataType, Int32Type, Int64Type};
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedColumnWriter, SerializedFileWriter};
use parquet::schema::types::Type;
use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;

use crate::export::cut::{Cutter, Written};
use crate::export::encode::EncodeError;
use crate::export::table::{Cell, Column, ColumnType, Row};

/// Most rows of a row group.
pub(crate) const GROUP: usize = 10_000;

/// Digits of a decimal that a 64-bit number holds for sure.
const PRECISION: i32 = 18;
/// Decimals of a ratio.
const RATIO_SCALE: u32 = 5;

/// A Parquet file being written.
pub(crate) struct ParquetFile {
    columns: &'static [Column],
    writer: SerializedFileWriter<Cutter>,
    /// The row group under way, column by column.
    group: Vec<Values>,
    rows: usize,
}

/// The values of one column, without the empty ones.
enum Values {
    Text(Vec<ByteArray>, Vec<i16>),
    Long(Vec<i64>, Vec<i16>),
    Short(Vec<i32>, Vec<i16>),
    Flag(Vec<bool>, Vec<i16>),
}

impl ParquetFile {
    /// A file of `columns`, without rows.
    pub(crate) fn new(columns: &'static [Column]) -> Result<ParquetFile, EncodeError> {
        let fields = columns.iter().map(|column| field(column).map(Arc::new));
        let fields = fields.collect::<Result<Vec<_>, _>>()?;
        let schema = Type::group_type_builder("export").with_fields(fields).build()?;
        let properties = WriterProperties::builder()
            .set_compression(Compression::SNAPPY)
            .set_created_by("commonwheel".to_owned())
            .build();
        let writer =
            SerializedFileWriter::new(Cutter::default(), Arc::new(schema), Arc::new(properties))?;
        let group = columns.iter().map(|column| Values::of(column.kind)).collect();
        Ok(ParquetFile { columns, writer, group, rows: 0 })
    }

    /// Adds rows; answers the pieces that are finished.
    pub(crate) fn add(&mut self, rows: &[Row]) -> Result<Vec<Vec<u8>>, EncodeError> {
        for row in rows {
            if row.len() != self.columns.len() {
                return Err(EncodeError::Misfit("count"));
            }
            for ((column, values), cell) in self.columns.iter().zip(&mut self.group).zip(row) {
                values.push(column, cell).ok_or(EncodeError::Misfit(column.name))?;
            }
            self.rows += 1;
            if self.rows == GROUP {
                self.write_group()?;
            }
        }
        Ok(self.writer.inner_mut().take())
    }

    /// Ends the file.
    pub(crate) fn end(mut self) -> Result<Written, EncodeError> {
        if self.rows > 0 {
            self.write_group()?;
        }
        Ok(self.writer.into_inner()?.end())
    }

    fn write_group(&mut self) -> Result<(), EncodeError> {
        let mut group = self.writer.next_row_group()?;
        for (column, values) in self.columns.iter().zip(&mut self.group) {
            let values = std::mem::replace(values, Values::of(column.kind));
            let mut writer = group.next_column()?.ok_or(EncodeError::Misfit(column.name))?;
            match &values {
                Values::Text(texts, levels) => {
                    write::<ByteArrayType>(&mut writer, texts, levels, column)?;
                }
                Values::Long(numbers, levels) => {
                    write::<Int64Type>(&mut writer, numbers, levels, column)?;
                }
                Values::Short(numbers, levels) => {
                    write::<Int32Type>(&mut writer, numbers, levels, column)?;
                }
                Values::Flag(flags, levels) => {
                    write::<BoolType>(&mut writer, flags, levels, column)?;
                }
            }
            writer.close()?;
        }
        group.close()?;
        self.rows = 0;
        Ok(())
    }
}

fn write<T: DataType>(
    writer: &mut SerializedColumnWriter<'_>,
    values: &[T::T],
    levels: &[i16],
    column: &Column,
) -> Result<(), EncodeError> {
    let levels = (!column.needed).then_some(levels);
    writer.typed::<T>().write_batch(values, levels, None)?;
    Ok(())
}

impl Values {
    fn of(kind: ColumnType) -> Values {
        match kind {
            ColumnType::Text => Values::Text(Vec::new(), Vec::new()),
            ColumnType::Amount | ColumnType::Ratio | ColumnType::Instant | ColumnType::Whole => {
                Values::Long(Vec::new(), Vec::new())
            }
            ColumnType::Day => Values::Short(Vec::new(), Vec::new()),
            ColumnType::Flag => Values::Flag(Vec::new(), Vec::new()),
        }
    }

    /// `None` when the cell does not fit the column.
    fn push(&mut self, column: &Column, cell: &Cell) -> Option<()> {
        let (Values::Text(_, levels)
        | Values::Long(_, levels)
        | Values::Short(_, levels)
        | Values::Flag(_, levels)) = self;
        if *cell == Cell::Empty {
            levels.push(0);
            return (!column.needed).then_some(());
        }
        levels.push(1);
        match (self, column.kind, cell) {
            (Values::Text(texts, _), ColumnType::Text, Cell::Text(text)) => {
                texts.push(text.as_str().into());
            }
            (Values::Long(numbers, _), ColumnType::Amount, Cell::Amount(fen)) => {
                numbers.push(fen.0);
            }
            (Values::Long(numbers, _), ColumnType::Ratio, Cell::Ratio(ratio)) => {
                numbers.push(unscaled(*ratio)?);
            }
            (Values::Long(numbers, _), ColumnType::Instant, Cell::Instant(at)) => {
                numbers.push(at.as_microsecond());
            }
            (Values::Long(numbers, _), ColumnType::Whole, Cell::Whole(number)) => {
                numbers.push(*number);
            }
            (Values::Short(days, _), ColumnType::Day, Cell::Day(day)) => {
                days.push(days_since_1970(*day)?);
            }
            (Values::Flag(flags, _), ColumnType::Flag, Cell::Flag(flag)) => flags.push(*flag),
            _ => return None,
        }
        Some(())
    }
}

fn field(column: &Column) -> Result<Type, EncodeError> {
    let two = |scale| Some(LogicalType::decimal(scale, PRECISION));
    let (stored, logical) = match column.kind {
        ColumnType::Text => (Stored::BYTE_ARRAY, Some(LogicalType::String)),
        ColumnType::Amount => (Stored::INT64, two(2)),
        ColumnType::Ratio => (Stored::INT64, two(i32::try_from(RATIO_SCALE).unwrap_or(5))),
        ColumnType::Instant => {
            (Stored::INT64, Some(LogicalType::timestamp(true, TimeUnit::MICROS)))
        }
        ColumnType::Day => (Stored::INT32, Some(LogicalType::Date)),
        ColumnType::Whole => (Stored::INT64, Some(LogicalType::integer(64, true))),
        ColumnType::Flag => (Stored::BOOLEAN, None),
    };
    let repetition = if column.needed { Repetition::REQUIRED } else { Repetition::OPTIONAL };
    let mut builder = Type::primitive_type_builder(column.name, stored)
        .with_repetition(repetition)
        .with_logical_type(logical.clone());
    if let Some(LogicalType::Decimal(decimal)) = logical {
        builder = builder.with_precision(decimal.precision).with_scale(decimal.scale);
    }
    Ok(builder.build()?)
}

/// The ratio in units of its last decimal; `None` when it has more decimals or does not fit.
fn unscaled(ratio: Decimal) -> Option<i64> {
    let rounded = half_up(ratio, RATIO_SCALE);
    let units = rounded.checked_mul(Decimal::from(10_i64.pow(RATIO_SCALE)))?;
    if rounded == ratio { units.to_i64() } else { None }
}

fn days_since_1970(day: Date) -> Option<i32> {
    i32::try_from(kernel::time::days_between(date(1970, 1, 1), day)).ok()
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use kernel::Fen;
    use parquet::file::reader::{FileReader, SerializedFileReader};
    use parquet::record::Field;

    use super::*;
    use crate::export::table::{needed, optional};

    const COLUMNS: &[Column] = &[
        needed("code", ColumnType::Text),
        optional("premium", ColumnType::Amount),
        optional("ratio", ColumnType::Ratio),
        needed("at", ColumnType::Instant),
        optional("day", ColumnType::Day),
        needed("times", ColumnType::Whole),
        needed("short", ColumnType::Flag),
    ];

    fn row(number: i64) -> Row {
        vec![
            format!("01-{number}").into(),
            Fen(-66_550 + number).into(),
            Decimal::new(4, 2).into(),
            "2025-03-01T02:00:00.000001Z".parse::<jiff::Timestamp>().unwrap().into(),
            date(1970, 1, 3).into(),
            number.into(),
            (number % 2 == 0).into(),
        ]
    }

    fn read(written: Written) -> SerializedFileReader<Bytes> {
        SerializedFileReader::new(Bytes::from(written.pieces.concat())).unwrap()
    }

    #[test]
    fn a_file_reads_back_with_its_types() {
        let mut file = ParquetFile::new(COLUMNS).unwrap();
        let mut empty = row(1);
        for at in [1, 2, 4] {
            empty[at] = Cell::Empty;
        }
        file.add(&[row(0), empty]).unwrap();
        let reader = read(file.end().unwrap());
        let rows: Vec<_> = reader.get_row_iter(None).unwrap().map(Result::unwrap).collect();
        let fields: Vec<Vec<String>> = rows
            .iter()
            .map(|row| row.get_column_iter().map(|(_, field)| field.to_string()).collect())
            .collect();
        let instant = rows[0].get_column_iter().nth(3).unwrap().1.clone();
        assert_eq!(instant, Field::TimestampMicros(1_740_794_400_000_001));
        assert_eq!(fields[0][..3], ["\"01-0\"", "-665.50", "0.04000"]);
        assert_eq!(fields[0][4..], ["1970-01-03", "0", "true"]);
        assert_eq!((&*fields[1][1], &*fields[1][2], &*fields[1][4]), ("null", "null", "null"));
        let schema = reader.metadata().file_metadata().schema_descr();
        let logical = |at: usize| schema.column(at).logical_type_ref().cloned();
        assert_eq!(logical(1), Some(LogicalType::decimal(2, 18)));
        assert_eq!(logical(3), Some(LogicalType::timestamp(true, TimeUnit::MICROS)));
    }

    #[test]
    fn row_groups_are_bounded() {
        let mut file = ParquetFile::new(COLUMNS).unwrap();
        let rows: Vec<Row> = (0..25_000).map(row).collect();
        for page in rows.chunks(1_000) {
            file.add(page).unwrap();
        }
        let reader = read(file.end().unwrap());
        let groups = reader.metadata().row_groups().iter();
        assert_eq!(
            groups.map(|group| group.num_rows()).collect::<Vec<_>>(),
            [10_000, 10_000, 5_000]
        );
        let last = reader.get_row_iter(None).unwrap().last().unwrap().unwrap();
        let code = last.get_column_iter().next().unwrap().1.to_string();
        assert_eq!(code, "\"01-24999\"");
    }

    #[test]
    fn a_cell_of_another_kind_is_refused() {
        let mut file = ParquetFile::new(COLUMNS).unwrap();
        let mut wrong = row(1);
        wrong[1] = "665.00".into();
        assert!(matches!(file.add(&[wrong]), Err(EncodeError::Misfit("premium"))));
        let mut none = row(1);
        none[0] = Cell::Empty;
        let mut file = ParquetFile::new(COLUMNS).unwrap();
        assert!(matches!(file.add(&[none]), Err(EncodeError::Misfit("code"))));
    }
}

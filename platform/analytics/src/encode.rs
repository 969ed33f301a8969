//! Rows as other programs read them: an Arrow stream, Parquet or CSV, encoded batch by batch.
//!
//! A text or a Parquet file that broke off can be told from a whole one in two of the three: the
//! stream lacks its end mark, Parquet its footer. For CSV the way it travels has to tell.

use std::collections::HashMap;
use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};

use arrow::array::{ArrayRef, RecordBatch};
use arrow::compute::cast;
use arrow::csv;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::error::ArrowError;
use arrow::ipc::writer::StreamWriter;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use parquet::arrow::ArrowWriter;
use parquet::basic::Compression;
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use serde_json::Value;

/// Bytes that are gathered before a group of rows of a Parquet file is closed.
const GROUP_BYTES: usize = 16 << 20;

/// How rows are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// The Arrow IPC stream.
    ArrowStream,
    /// A Parquet file, compressed with Snappy.
    Parquet,
    /// Comma-separated values in UTF-8, names in the first line, instants as RFC 3339.
    Csv,
}

impl Format {
    /// All of them.
    pub const ALL: [Format; 3] = [Format::ArrowStream, Format::Parquet, Format::Csv];

    /// Its media type.
    pub const fn media_type(self) -> &'static str {
        match self {
            Format::ArrowStream => "application/vnd.apache.arrow.stream",
            Format::Parquet => "application/vnd.apache.parquet",
            Format::Csv => "text/csv",
        }
    }

    /// How names of its files end.
    pub const fn extension(self) -> &'static str {
        match self {
            Format::ArrowStream => "arrows",
            Format::Parquet => "parquet",
            Format::Csv => "csv",
        }
    }
}

/// Why rows cannot be written so.
#[derive(Debug, thiserror::Error)]
pub enum EncodeError {
    /// The format has no way to write a column.
    #[error("{0}")]
    Arrow(#[from] ArrowError),
    /// Parquet has none.
    #[error("{0}")]
    Parquet(#[from] ParquetError),
}

/// Writes batches of one schema.
pub struct Encoder {
    writer: Writer,
    schema: SchemaRef,
    sink: Sink,
}

enum Writer {
    Arrow(Box<StreamWriter<Sink>>),
    Parquet(Box<ArrowWriter<Sink>>),
    Csv(Box<csv::Writer<Sink>>),
}

/// Where a writer puts its bytes, and from where they are taken as they come.
#[derive(Clone, Default)]
struct Sink(Arc<Mutex<Vec<u8>>>);

impl Sink {
    fn take(&self) -> Vec<u8> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl std::fmt::Debug for Encoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Encoder").field("schema", &self.schema).finish_non_exhaustive()
    }
}

impl Encoder {
    /// A writer of batches of `schema`. `notes` travel with the schema, where the format has a place
    /// for them.
    pub fn new(
        format: Format,
        schema: &Schema,
        notes: HashMap<String, String>,
    ) -> Result<Encoder, EncodeError> {
        let plain = schema.fields().iter().map(|field| {
            let kind = plain(field.data_type());
            Arc::new(Field::new(field.name(), kind, field.is_nullable()))
        });
        let schema = Arc::new(Schema::new_with_metadata(plain.collect::<Vec<_>>(), notes));
        let sink = Sink::default();
        let writer = match format {
            Format::ArrowStream => {
                Writer::Arrow(Box::new(StreamWriter::try_new(sink.clone(), &schema)?))
            }
            Format::Parquet => {
                let properties = WriterProperties::builder()
                    .set_compression(Compression::SNAPPY)
                    .set_created_by("commonwheel".to_owned())
                    .build();
                let writer = ArrowWriter::try_new(sink.clone(), schema.clone(), Some(properties))?;
                Writer::Parquet(Box::new(writer))
            }
            Format::Csv => {
                let mut writer = csv::WriterBuilder::new().with_header(true).build(sink.clone());
                // The names stand there even when no row follows.
                writer.write(&RecordBatch::new_empty(schema.clone()))?;
                Writer::Csv(Box::new(writer))
            }
        };
        Ok(Encoder { writer, schema, sink })
    }

    /// Writes a batch; answers what is ready to be sent, which may be nothing.
    pub fn write(&mut self, batch: &RecordBatch) -> Result<Vec<u8>, EncodeError> {
        let columns = batch.columns().iter().zip(self.schema.fields());
        let columns: Vec<ArrayRef> = columns
            .map(|(column, field)| {
                if column.data_type() == field.data_type() {
                    Ok(column.clone())
                } else {
                    cast(column, field.data_type())
                }
            })
            .collect::<Result<_, _>>()?;
        let rows = arrow::array::RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        let batch = RecordBatch::try_new_with_options(self.schema.clone(), columns, &rows)?;
        match &mut self.writer {
            Writer::Arrow(writer) => writer.write(&batch)?,
            Writer::Parquet(writer) => {
                writer.write(&batch)?;
                if writer.in_progress_size() > GROUP_BYTES {
                    writer.flush()?;
                }
            }
            Writer::Csv(writer) => writer.write(&batch)?,
        }
        Ok(self.sink.take())
    }

    /// Writes what ends a whole answer.
    pub fn finish(self) -> Result<Vec<u8>, EncodeError> {
        let Encoder { writer, sink, .. } = self;
        match writer {
            Writer::Arrow(mut writer) => writer.finish()?,
            Writer::Parquet(writer) => drop(writer.close()?),
            Writer::Csv(writer) => drop(writer.into_inner()),
        }
        Ok(sink.take())
    }
}

/// The kind of column that every reader knows: the engine's own ways to keep texts are not.
fn plain(kind: &DataType) -> DataType {
    match kind {
        DataType::Utf8View => DataType::Utf8,
        DataType::BinaryView => DataType::Binary,
        DataType::Dictionary(_, of) => plain(of),
        other => other.clone(),
    }
}

/// The rows of a batch as JSON, values in the order of the columns. Whole numbers and numbers are
/// numbers; what is no finite number, amounts with decimals, days and instants are texts.
pub fn json_rows(batch: &RecordBatch) -> Result<Vec<Vec<Value>>, ArrowError> {
    let options = FormatOptions::default();
    let columns: Vec<ArrayFormatter<'_>> = batch
        .columns()
        .iter()
        .map(|column| ArrayFormatter::try_new(column, &options))
        .collect::<Result<_, _>>()?;
    let value = |row: usize, at: usize| {
        let column = batch.column(at);
        if column.is_null(row) || *column.data_type() == DataType::Null {
            return Value::Null;
        }
        let text = columns[at].value(row).to_string();
        let kind = column.data_type();
        let parsed = match kind {
            DataType::Boolean => Some(Value::Bool(text == "true")),
            kind if kind.is_integer() || kind.is_floating() => {
                serde_json::from_str(&text).ok().filter(Value::is_number)
            }
            _ => None,
        };
        parsed.unwrap_or(Value::String(text))
    };
    let rows = 0..batch.num_rows();
    Ok(rows.map(|row| (0..batch.num_columns()).map(|at| value(row, at)).collect()).collect())
}

#[cfg(test)]
mod tests {
    use arrow::array::{
        Decimal128Array, Float64Array, Int64Array, StringViewArray, TimestampMicrosecondArray,
    };
    use arrow::ipc::reader::StreamReader;
    use bytes::Bytes;
    use parquet::arrow::arrow_reader::ParquetRecordBatchReader;
    use serde_json::json;

    use super::*;

    fn batch() -> RecordBatch {
        let at = TimestampMicrosecondArray::from(vec![Some(1_735_689_600_000_000), None]);
        let columns: Vec<(&str, ArrayRef)> = vec![
            ("n", Arc::new(Int64Array::from(vec![Some(9_007_199_254_740_993), None]))),
            ("x", Arc::new(Float64Array::from(vec![0.5, f64::NAN]))),
            ("text", Arc::new(StringViewArray::from(vec!["a \"b\", 保单", ""]))),
            ("at", Arc::new(at.with_timezone("+00:00"))),
            (
                "yuan",
                Arc::new(
                    Decimal128Array::from(vec![12_345, -5])
                        .with_precision_and_scale(20, 2)
                        .unwrap(),
                ),
            ),
        ];
        RecordBatch::try_from_iter(columns).unwrap()
    }

    fn encoded(format: Format, batches: &[RecordBatch]) -> Vec<u8> {
        let notes = HashMap::from([("revision".to_owned(), "3".to_owned())]);
        let mut encoder = Encoder::new(format, &batch().schema(), notes).unwrap();
        let mut bytes = Vec::new();
        for batch in batches {
            bytes.extend(encoder.write(batch).unwrap());
        }
        bytes.extend(encoder.finish().unwrap());
        bytes
    }

    #[test]
    fn every_format_reads_back() {
        let batches = [batch(), batch()];
        let stream = encoded(Format::ArrowStream, &batches);
        let reader = StreamReader::try_new(&*stream, None).unwrap();
        assert_eq!(reader.schema().metadata()["revision"], "3");
        let read: Vec<RecordBatch> = reader.map(Result::unwrap).collect();
        assert_eq!(read.len(), 2);
        assert_eq!(read[0].column(2).data_type(), &DataType::Utf8);
        assert_eq!(json_rows(&read[1]).unwrap(), json_rows(&batch()).unwrap());

        let parquet = Bytes::from(encoded(Format::Parquet, &batches));
        let read: Vec<RecordBatch> =
            ParquetRecordBatchReader::try_new(parquet, 100).unwrap().map(Result::unwrap).collect();
        assert_eq!(read.iter().map(RecordBatch::num_rows).sum::<usize>(), 4);
        assert_eq!(json_rows(&read[0]).unwrap()[..2], json_rows(&batch()).unwrap());

        let csv = String::from_utf8(encoded(Format::Csv, &batches[..1])).unwrap();
        let lines: Vec<&str> = csv.lines().collect();
        assert_eq!(lines[0], "n,x,text,at,yuan");
        let first = "9007199254740993,0.5,\"a \"\"b\"\", 保单\",2025-01-01T00:00:00Z,123.45";
        assert_eq!(lines[1], first);
        assert_eq!(lines.len(), 3);
    }

    #[test]
    fn an_answer_without_rows_has_columns() {
        let csv = String::from_utf8(encoded(Format::Csv, &[])).unwrap();
        assert_eq!(csv, "n,x,text,at,yuan\n");
        let stream = encoded(Format::ArrowStream, &[]);
        assert_eq!(StreamReader::try_new(&*stream, None).unwrap().schema().fields().len(), 5);
        let parquet = Bytes::from(encoded(Format::Parquet, &[]));
        assert_eq!(ParquetRecordBatchReader::try_new(parquet, 1).unwrap().count(), 0);
    }

    #[test]
    fn json_keeps_what_is_exact_and_names_what_is_no_number() {
        let rows = json_rows(&batch()).unwrap();
        let first = [
            json!(9_007_199_254_740_993_i64),
            json!(0.5),
            json!("a \"b\", 保单"),
            json!("2025-01-01T00:00:00Z"),
            json!("123.45"),
        ];
        assert_eq!(rows[0], first);
        assert_eq!(rows[1], [json!(null), json!("NaN"), json!(""), json!(null), json!("-0.05")]);
    }
}

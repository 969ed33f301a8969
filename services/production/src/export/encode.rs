//! Rows into the bytes of a file. Computes only: run it off the threads that wait.

use crate::export::Format;
use crate::export::csv_file::CsvFile;
use crate::export::cut::Written;
use crate::export::parquet_file::ParquetFile;
use crate::export::table::{Column, Row};

/// Why rows cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum EncodeError {
    /// A reader made a row its columns do not describe.
    #[error("a row does not fit column {0}")]
    Misfit(&'static str),
    /// The CSV writer refused.
    #[error("rows cannot be written as CSV")]
    Csv(#[source] csv::Error),
    /// The Parquet writer refused.
    #[error("rows cannot be written as Parquet")]
    Parquet(#[source] parquet::errors::ParquetError),
}

impl From<csv::Error> for EncodeError {
    fn from(error: csv::Error) -> EncodeError {
        EncodeError::Csv(error)
    }
}

impl From<parquet::errors::ParquetError> for EncodeError {
    fn from(error: parquet::errors::ParquetError) -> EncodeError {
        EncodeError::Parquet(error)
    }
}

/// A file being written.
pub(crate) enum Encoder {
    Csv(CsvFile),
    Parquet(Box<ParquetFile>),
}

impl Encoder {
    /// An empty file of `columns`.
    pub(crate) fn new(format: Format, columns: &'static [Column]) -> Result<Encoder, EncodeError> {
        Ok(match format {
            Format::Csv => Encoder::Csv(CsvFile::new(columns)?),
            Format::Parquet => Encoder::Parquet(Box::new(ParquetFile::new(columns)?)),
        })
    }

    /// Adds rows; answers the pieces that are finished.
    pub(crate) fn add(&mut self, rows: &[Row]) -> Result<Vec<Vec<u8>>, EncodeError> {
        match self {
            Encoder::Csv(file) => file.add(rows),
            Encoder::Parquet(file) => file.add(rows),
        }
    }

    /// Ends the file.
    pub(crate) fn end(self) -> Result<Written, EncodeError> {
        match self {
            Encoder::Csv(file) => Ok(file.end()),
            Encoder::Parquet(file) => file.end(),
        }
    }
}

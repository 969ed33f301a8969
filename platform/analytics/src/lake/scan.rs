//! Reading a table as a stream of batches.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use arrow::array::{RecordBatch, RecordBatchOptions, new_null_array};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use futures::{Stream, StreamExt};
use object_store::path::Path;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions};
use parquet::arrow::async_reader::ParquetRecordBatchStreamBuilder;
use parquet::errors::ParquetError;
use tokio::runtime::Handle;
use tokio::sync::mpsc;

use crate::lake::file::StoredFile;
use crate::lake::manifest::{FileEntry, TableEntry};
use crate::lake::store::{Place, missing};
use crate::lake::{Dataset, Fault, LakeError, Month};

/// Rows of a batch unless the reader asks for another number.
const BATCH: usize = 8_192;
/// Batches decoded ahead of a reader.
const AHEAD: usize = 2;

/// What to read of a table: by default every column and row.
///
/// Files come in the order of month and region, those of one month and region in the order they
/// were committed, and rows as they were written: the same version is always read in the same
/// order.
#[derive(Clone)]
pub struct Scan {
    pub(crate) dataset: Dataset,
    pub(crate) table: Arc<Schema>,
    /// Places of the columns asked for.
    pub(crate) columns: Vec<usize>,
    pub(crate) files: Vec<FileEntry>,
    pub(crate) batch_rows: usize,
    /// The first so many rows of every file alone.
    pub(crate) head: Option<usize>,
}

impl fmt::Debug for Scan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scan").field("rows", &self.rows()).finish_non_exhaustive()
    }
}

impl Scan {
    pub(crate) fn over(dataset: Dataset, table: &TableEntry) -> Scan {
        Scan {
            dataset,
            table: Arc::new(table.schema.clone()),
            columns: (0..table.schema.fields().len()).collect(),
            files: table.files.clone(),
            batch_rows: BATCH,
            head: None,
        }
    }

    /// Every column of the files given.
    pub(crate) fn of_files(dataset: Dataset, table: &TableEntry, files: Vec<FileEntry>) -> Scan {
        Scan { files, ..Scan::over(dataset, table) }
    }

    /// These columns alone, in this order.
    pub fn columns<S: AsRef<str>>(mut self, names: &[S]) -> Result<Scan, LakeError> {
        let places = names.iter().map(|name| {
            let name = name.as_ref();
            self.table.index_of(name).map_err(|_| LakeError::NoColumn {
                table: self.dataset.title(),
                column: name.to_owned(),
            })
        });
        self.columns = places.collect::<Result<_, _>>()?;
        Ok(self)
    }

    /// Files of these months alone, both included; rows without a month are left out.
    ///
    /// A table that is not parted by month has none.
    pub fn months(mut self, from: Month, to: Month) -> Scan {
        self.files.retain(|file| file.month.is_some_and(|month| from <= month && month <= to));
        self
    }

    /// Files of these regions alone; rows without a region are left out.
    pub fn regions<S: AsRef<str>>(mut self, regions: &[S]) -> Scan {
        self.files.retain(|file| {
            file.region
                .as_ref()
                .is_some_and(|of| regions.iter().any(|region| region.as_ref() == of))
        });
        self
    }

    /// Some of its files, read the same way.
    pub(crate) fn with(&self, files: Vec<FileEntry>) -> Scan {
        Scan {
            dataset: self.dataset.clone(),
            table: self.table.clone(),
            columns: self.columns.clone(),
            files,
            batch_rows: self.batch_rows,
            head: self.head,
        }
    }

    /// Of every file the first so many rows alone; all of them for `None`.
    #[cfg(feature = "engine")]
    pub(crate) fn head(mut self, rows: Option<usize>) -> Scan {
        self.head = rows;
        self
    }

    /// At most so many rows a batch.
    pub fn batch_rows(mut self, rows: usize) -> Scan {
        self.batch_rows = rows.max(1);
        self
    }

    /// The type a column of texts has in a table that is read with its few values as a dictionary.
    pub(crate) fn dictionary() -> DataType {
        DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8))
    }

    /// The columns of the batches.
    pub fn schema(&self) -> SchemaRef {
        let fields = self.columns.iter().map(|at| self.table.fields()[*at].clone());
        Arc::new(Schema::new(fields.collect::<Vec<_>>()))
    }

    /// How many rows there are.
    pub fn rows(&self) -> u64 {
        self.files.iter().map(|file| file.rows).sum()
    }

    /// The rows, decoded on a thread of its own, a little ahead of the reader.
    ///
    /// Must be called within a Tokio runtime. Every file's length and number of rows are compared
    /// with what was committed; the stream ends with the first error.
    pub fn batches(self) -> Batches {
        Batches { runtime: Handle::current(), state: State::Waiting(Box::new(self)) }
    }

    /// The same rows as up to `parts` streams of about as many rows, to be read side by side: one
    /// after the other they are [`Scan::batches`].
    pub fn split(self, parts: usize) -> Vec<Batches> {
        let mut files = self.files.iter().cloned();
        let part = |count| self.with(files.by_ref().take(count).collect()).batches();
        self.shares(parts).into_iter().map(part).collect()
    }

    /// How many files, in their order, make up to `parts` parts of about as many rows.
    pub(crate) fn shares(&self, parts: usize) -> Vec<usize> {
        let share = self.rows().div_ceil(parts.max(1) as u64).max(1);
        let mut counts: Vec<usize> = Vec::new();
        let mut held = share;
        for file in &self.files {
            if held >= share {
                counts.push(0);
                held = 0;
            }
            held += file.rows;
            if let Some(count) = counts.last_mut() {
                *count += 1;
            }
        }
        counts
    }
}

/// Batches of a table. Dropped, it stops reading.
pub struct Batches {
    runtime: Handle,
    state: State,
}

enum State {
    /// Nobody has asked for a batch yet.
    Waiting(Box<Scan>),
    Running(mpsc::Receiver<Result<RecordBatch, LakeError>>),
}

impl Batches {
    /// The next batch, for a thread that may block; never to be called by a task.
    pub fn next_blocking(&mut self) -> Option<Result<RecordBatch, LakeError>> {
        self.running().blocking_recv()
    }

    fn running(&mut self) -> &mut mpsc::Receiver<Result<RecordBatch, LakeError>> {
        if let State::Waiting(scan) = &self.state {
            let (sender, receiver) = mpsc::channel(AHEAD);
            let (scan, runtime) = (scan.clone(), self.runtime.clone());
            self.runtime.spawn_blocking(move || runtime.block_on(read(*scan, sender)));
            self.state = State::Running(receiver);
        }
        match &mut self.state {
            State::Running(receiver) => receiver,
            State::Waiting(_) => unreachable!("set above"),
        }
    }
}

impl Stream for Batches {
    type Item = Result<RecordBatch, LakeError>;

    fn poll_next(mut self: Pin<&mut Self>, ctx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.running().poll_recv(ctx)
    }
}

async fn read(scan: Scan, sender: mpsc::Sender<Result<RecordBatch, LakeError>>) {
    for file in &scan.files {
        if let Err(error) = read_file(&scan, file, &sender).await {
            // Nobody who listens is no loss.
            sender.send(Err(error)).await.ok();
            return;
        }
        if sender.is_closed() {
            return;
        }
    }
}

async fn read_file(
    scan: &Scan,
    file: &FileEntry,
    sender: &mpsc::Sender<Result<RecordBatch, LakeError>>,
) -> Result<(), LakeError> {
    let path = scan.dataset.file_path(&file.path);
    let place = &scan.dataset.place;
    let wanted = scan.schema();
    let builder = open(place, file, &path, &wanted).await?;
    let inside = builder.parquet_schema().root_schema().get_fields();
    let places = inside
        .iter()
        .enumerate()
        .filter(|(_, field)| wanted.field_with_name(field.name()).is_ok())
        .map(|(at, _)| at);
    let mask = ProjectionMask::roots(builder.parquet_schema(), places);
    let mut builder = builder.with_projection(mask).with_batch_size(scan.batch_rows);
    if let Some(rows) = scan.head {
        builder = builder.with_limit(rows);
    }
    let mut stream = builder.build().map_err(|error| unreadable(&path, error))?;
    let mut rows = 0;
    while let Some(batch) = stream.next().await {
        let batch = batch.map_err(|error| unreadable(&path, error))?;
        rows += batch.num_rows() as u64;
        let batch = completed(&wanted, &batch).map_err(|error| LakeError::Corrupt {
            path: path.to_string(),
            fault: Fault::Unreadable(error.to_string()),
        })?;
        if sender.send(Ok(batch)).await.is_err() {
            return Ok(());
        }
    }
    let wanted = scan.head.map_or(file.rows, |head| file.rows.min(head as u64));
    check_rows(&path, wanted, rows)
}

/// Opens a file of a manifest and compares its length and its number of rows. Texts are read as the
/// columns asked for say: one by one, or as places in a dictionary.
async fn open(
    place: &Place,
    file: &FileEntry,
    path: &Path,
    wanted: &Schema,
) -> Result<ParquetRecordBatchStreamBuilder<StoredFile>, LakeError> {
    let found = place.length(path).await?;
    if found != file.bytes {
        let fault = Fault::Bytes { declared: file.bytes, found };
        return Err(LakeError::Corrupt { path: path.to_string(), fault });
    }
    let mut reader =
        StoredFile { store: place.store.clone(), path: path.clone(), bytes: file.bytes };
    let metadata = ArrowReaderMetadata::load_async(&mut reader, ArrowReaderOptions::new()).await;
    let metadata = metadata.map_err(|error| unreadable(path, error))?;
    let rows = metadata.metadata().file_metadata().num_rows();
    check_rows(path, file.rows, u64::try_from(rows).unwrap_or_default())?;
    let metadata = match coded(metadata.schema(), wanted) {
        None => metadata,
        Some(schema) => {
            let how = ArrowReaderOptions::new().with_schema(Arc::new(schema));
            ArrowReaderMetadata::try_new(metadata.metadata().clone(), how)
                .map_err(|error| unreadable(path, error))?
        }
    };
    Ok(ParquetRecordBatchStreamBuilder::new_with_metadata(reader, metadata))
}

/// The columns of a file with the dictionaries that are asked for, if any.
fn coded(inside: &Schema, wanted: &Schema) -> Option<Schema> {
    let is_coded = |field: &Field| {
        let asked = wanted.field_with_name(field.name()).map(Field::data_type);
        field.data_type() == &DataType::Utf8
            && asked.is_ok_and(|asked| *asked == Scan::dictionary())
    };
    if !inside.fields().iter().any(|field| is_coded(field)) {
        return None;
    }
    let fields = inside.fields().iter().map(|field| match is_coded(field) {
        true => Arc::new(field.as_ref().clone().with_data_type(Scan::dictionary())),
        false => field.clone(),
    });
    Some(Schema::new(fields.collect::<Vec<_>>()))
}

fn check_rows(path: &Path, declared: u64, found: u64) -> Result<(), LakeError> {
    if found == declared {
        return Ok(());
    }
    let fault = Fault::Rows { declared, found };
    Err(LakeError::Corrupt { path: path.to_string(), fault })
}

/// The batch under the columns asked for; those the file was written without are null.
fn completed(
    wanted: &SchemaRef,
    batch: &RecordBatch,
) -> Result<RecordBatch, arrow::error::ArrowError> {
    let columns = wanted.fields().iter().map(|field| match batch.column_by_name(field.name()) {
        Some(column) => column.clone(),
        None => new_null_array(field.data_type(), batch.num_rows()),
    });
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    RecordBatch::try_new_with_options(wanted.clone(), columns.collect(), &options)
}

/// Tells a file that is no Parquet from a store that failed.
fn unreadable(path: &Path, error: ParquetError) -> LakeError {
    if let ParquetError::External(source) = error {
        return match source.downcast::<object_store::Error>() {
            Ok(error) if matches!(*error, object_store::Error::NotFound { .. }) => missing(path),
            Ok(error) => LakeError::Store(*error),
            Err(other) => {
                let fault = Fault::Unreadable(other.to_string());
                LakeError::Corrupt { path: path.to_string(), fault }
            }
        };
    }
    LakeError::Corrupt { path: path.to_string(), fault: Fault::Unreadable(error.to_string()) }
}

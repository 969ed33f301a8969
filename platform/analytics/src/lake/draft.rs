//! A version in the making: tables declared, rows written, committed whole or not at all.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow::array::RecordBatch;
use arrow::datatypes::{Schema, SchemaRef};
use bytes::Bytes;
use jiff::Timestamp;
use object_store::ObjectStoreExt;
use parquet::arrow::ArrowWriter;
use parquet::basic::Compression;
use parquet::file::properties::WriterProperties;
use sha2::{Digest, Sha256};

use crate::lake::bounds::{Bounds, Widening};
use crate::lake::manifest::{FileEntry, Manifest, TableEntry};
use crate::lake::partition::{self, Key};
use crate::lake::store::Created;
use crate::lake::{Dataset, LakeError, TableName, Version};

/// Rows of a row group: what a reader decodes at once.
const GROUP: usize = 131_072;
/// A file with so many rows is ended.
const FILE_ROWS: u64 = 1_048_576;
/// Open files together hold so much; then the largest is ended.
const HELD: usize = 96 << 20;
/// A draft older than this is not committed: the sweep may have taken its files
/// ([`Dataset::sweep`] leaves what is younger than a day).
pub(crate) const LONGEST: Duration = Duration::from_secs(12 * 3600);

/// A table as declared.
#[derive(Clone, Debug, PartialEq)]
pub struct TableSpec {
    /// Its columns.
    pub schema: SchemaRef,
    /// The column (a day, or an instant in microseconds) whose month in China parts its files.
    pub month_of: Option<String>,
    /// The column (text) whose value parts its files.
    pub region_of: Option<String>,
}

impl TableSpec {
    /// A table whose files are not parted: rows are read in the order they were written.
    pub fn plain(schema: SchemaRef) -> TableSpec {
        TableSpec { schema, month_of: None, region_of: None }
    }

    /// A table whose files are parted by month and region.
    pub fn parted(schema: SchemaRef, month_of: &str, region_of: &str) -> TableSpec {
        TableSpec {
            schema,
            month_of: Some(month_of.to_owned()),
            region_of: Some(region_of.to_owned()),
        }
    }
}

/// A version that is being written. Dropped without a commit it leaves only files nobody names.
pub struct Draft {
    dataset: Dataset,
    /// What it will be; `number` is still that of the parent.
    manifest: Manifest,
    begun: Instant,
    /// Taken while they are worked on; gone for good when that fails.
    open: Option<Files>,
}

type Files = BTreeMap<(TableName, Key), OpenFile>;

/// A file that still takes rows.
struct OpenFile {
    writer: ArrowWriter<Vec<u8>>,
    rows: u64,
    widening: Widening,
}

/// A file that takes no more, not stored yet.
struct Encoded {
    table: TableName,
    key: Key,
    content: Bytes,
    sha256: String,
    rows: u64,
    bounds: BTreeMap<String, Bounds>,
}

impl Draft {
    pub(crate) fn new(dataset: Dataset, manifest: Manifest) -> Draft {
        Draft { dataset, manifest, begun: Instant::now(), open: Some(BTreeMap::new()) }
    }

    /// Number of the version it builds on, 0 for none.
    pub fn parent(&self) -> u64 {
        self.manifest.number
    }

    /// Declares a table, or widens one by nullable columns at its end.
    pub fn declare(&mut self, table: &TableName, spec: &TableSpec) -> Result<(), LakeError> {
        let columns = |why: String| LakeError::Columns { table: table.to_string(), why };
        check_parting(spec).map_err(columns)?;
        let schema = plain(&spec.schema);
        match self.manifest.tables.get_mut(table) {
            None => {
                let entry = TableEntry {
                    schema,
                    month_of: spec.month_of.clone(),
                    region_of: spec.region_of.clone(),
                    files: Vec::new(),
                };
                self.manifest.tables.insert(table.clone(), entry);
            }
            Some(known) => {
                if (&known.month_of, &known.region_of) != (&spec.month_of, &spec.region_of) {
                    return Err(columns("its files are parted otherwise".to_owned()));
                }
                check_widening(&known.schema, &schema).map_err(columns)?;
                known.schema = schema;
            }
        }
        Ok(())
    }

    /// Takes all rows out of a table: the version holds what is written from here on.
    pub async fn clear(&mut self, table: &TableName) -> Result<(), LakeError> {
        let entry = self.manifest.tables.get_mut(table);
        entry.ok_or_else(|| LakeError::NoTable(table.to_string()))?.files.clear();
        let open = self.open.as_mut().ok_or(LakeError::Lost)?;
        open.retain(|(of, _), _| of != table);
        Ok(())
    }

    /// Takes a table out of the version.
    pub fn remove(&mut self, table: &TableName) {
        self.manifest.tables.remove(table);
        if let Some(open) = &mut self.open {
            open.retain(|(of, _), _| of != table);
        }
    }

    /// Adds rows to a table; their columns are those declared, in order.
    pub async fn write(&mut self, table: &TableName, batch: RecordBatch) -> Result<(), LakeError> {
        let entry = self.manifest.tables.get(table);
        let entry = entry.ok_or_else(|| LakeError::NoTable(table.to_string()))?;
        let batch = fitted(table, &entry.schema, batch)?;
        if batch.num_rows() == 0 {
            return Ok(());
        }
        // Without its files, which parting does not need.
        let entry = TableEntry { files: Vec::new(), ..bare(entry) };
        let open = self.open.take().ok_or(LakeError::Lost)?;
        let table = table.clone();
        let encoding = tokio::task::spawn_blocking(move || add(open, &table, &entry, batch));
        let (open, full) = encoding.await.map_err(|_| LakeError::Lost)??;
        self.keep(full).await?;
        // Not before: a draft that lost rows must not be committed.
        self.open = Some(open);
        Ok(())
    }

    /// Notes how far a source has been read.
    pub fn watermark(&mut self, source: &str, cursor: impl Into<String>) {
        self.manifest.watermarks.insert(source.to_owned(), cursor.into());
    }

    /// Notes something about where the rows came from, such as the digest of an imported file.
    pub fn note(&mut self, key: &str, text: impl Into<String>) {
        self.manifest.notes.insert(key.to_owned(), text.into());
    }

    /// Makes it the next version.
    ///
    /// [`LakeError::Conflict`] when somebody else built on the same parent first; nothing of this
    /// draft is seen then.
    pub async fn commit(mut self, now: Timestamp) -> Result<Version, LakeError> {
        self.flush().await?;
        let Draft { dataset, mut manifest, begun, .. } = self;
        if begun.elapsed() > LONGEST {
            return Err(LakeError::Stale(dataset.title()));
        }
        manifest.number += 1;
        manifest.committed_at = manifest.committed_at.max(now);
        manifest.draft = dataset.place.ids.next(now);
        for table in manifest.tables.values_mut() {
            table.files.sort_by(|a, b| (a.month, &a.region).cmp(&(b.month, &b.region)));
        }
        let (content, sha256) = manifest.write()?;
        let path = dataset.manifest_path(manifest.number);
        let staging = format!("{}.json", manifest.draft);
        let staging = dataset.folder.clone().join("staging").join(staging);
        match dataset.place.create(&path, &staging, content.into()).await? {
            Created::Theirs => {
                Err(LakeError::Conflict { dataset: dataset.title(), number: manifest.number })
            }
            Created::Ours => {
                let version = Version::new(dataset.clone(), manifest, sha256);
                dataset.place.remember(&dataset.title(), &version);
                Ok(version)
            }
        }
    }

    /// Gives the draft up and removes what it has stored so far.
    pub async fn discard(self) {
        let added = self.manifest.number + 1;
        for file in self.manifest.tables.values().flat_map(|table| &table.files) {
            if file.added_in == added {
                let path = self.dataset.file_path(&file.path);
                // What stays is swept.
                self.dataset.place.store.delete(&path).await.ok();
            }
        }
    }

    /// Takes files out of a table.
    pub(crate) fn retain_files(&mut self, table: &TableName, keep: impl FnMut(&FileEntry) -> bool) {
        if let Some(entry) = self.manifest.tables.get_mut(table) {
            entry.files.retain(keep);
        }
    }

    /// Files of a table that are stored.
    pub(crate) fn files(&self, table: &TableName) -> usize {
        self.manifest.tables.get(table).map_or(0, |entry| entry.files.len())
    }

    /// Ends and stores every open file.
    pub(crate) async fn flush(&mut self) -> Result<(), LakeError> {
        for (place, file) in self.open.take().ok_or(LakeError::Lost)? {
            let encoded = tokio::task::spawn_blocking(move || end(place, file));
            let encoded = encoded.await.map_err(|_| LakeError::Lost)??;
            self.keep(vec![encoded]).await?;
        }
        self.open = Some(BTreeMap::new());
        Ok(())
    }

    /// Stores files that are full.
    async fn keep(&mut self, encoded: Vec<Encoded>) -> Result<(), LakeError> {
        for Encoded { table, key, content, sha256, rows, bounds } in encoded {
            let number = self.manifest.number + 1;
            let Some(entry) = self.manifest.tables.get_mut(&table) else { continue };
            // The instant in the name is of no use: identifiers need only differ.
            let name = self.dataset.place.ids.next(Timestamp::UNIX_EPOCH);
            let path = format!("data/{table}/{}{}.parquet", key.folders(entry), name.simple());
            let bytes = content.len() as u64;
            self.dataset.place.put(&self.dataset.file_path(&path), content).await?;
            entry.files.push(FileEntry {
                path,
                month: key.month,
                region: key.region,
                rows,
                bytes,
                sha256,
                added_in: number,
                bounds,
            });
        }
        Ok(())
    }
}

/// The entry without the list of its files.
fn bare(entry: &TableEntry) -> TableEntry {
    TableEntry {
        schema: entry.schema.clone(),
        month_of: entry.month_of.clone(),
        region_of: entry.region_of.clone(),
        files: Vec::new(),
    }
}

/// Adds rows to the open files and ends those that are full.
fn add(
    mut open: Files,
    table: &TableName,
    entry: &TableEntry,
    batch: RecordBatch,
) -> Result<(Files, Vec<Encoded>), LakeError> {
    let schema = Arc::new(entry.schema.clone());
    let mut full = Vec::new();
    for (key, rows) in partition::part(entry, batch)? {
        let place = (table.clone(), key);
        let mut file = match open.remove(&place) {
            Some(file) => file,
            None => OpenFile::new(schema.clone())?,
        };
        file.writer.write(&rows)?;
        file.widening.add(&rows);
        file.rows += rows.num_rows() as u64;
        if file.rows >= FILE_ROWS {
            full.push(end(place, file)?);
        } else {
            open.insert(place, file);
        }
    }
    let mut held: usize = open.values().map(OpenFile::held).sum();
    while held > HELD {
        let largest =
            open.iter().max_by_key(|(_, file)| file.held()).map(|(place, _)| place.clone());
        let Some((place, file)) = largest.and_then(|place| open.remove_entry(&place)) else {
            break;
        };
        held = held.saturating_sub(file.held());
        full.push(end(place, file)?);
    }
    Ok((open, full))
}

fn end((table, key): (TableName, Key), file: OpenFile) -> Result<Encoded, LakeError> {
    let content = Bytes::from(file.writer.into_inner()?);
    let sha256 = hex::encode(Sha256::digest(&content));
    Ok(Encoded { table, key, content, sha256, rows: file.rows, bounds: file.widening.end() })
}

impl OpenFile {
    fn new(schema: SchemaRef) -> Result<OpenFile, LakeError> {
        let properties = WriterProperties::builder()
            .set_compression(Compression::SNAPPY)
            .set_max_row_group_row_count(Some(GROUP))
            .set_created_by("commonwheel".to_owned())
            .build();
        let writer = ArrowWriter::try_new(Vec::new(), schema, Some(properties))?;
        Ok(OpenFile { writer, rows: 0, widening: Widening::default() })
    }

    fn held(&self) -> usize {
        self.writer.memory_size() + self.writer.bytes_written()
    }
}

/// The columns without notes of whoever made them, which would make equal tables differ.
fn plain(schema: &Schema) -> Schema {
    let fields = schema.fields().iter().map(|field| {
        arrow::datatypes::Field::new(field.name(), field.data_type().clone(), field.is_nullable())
    });
    Schema::new(fields.collect::<Vec<_>>())
}

fn check_parting(spec: &TableSpec) -> Result<(), String> {
    let mut names: Vec<&str> =
        spec.schema.fields().iter().map(|field| field.name().as_str()).collect();
    names.sort_unstable();
    if let Some(twice) = names.windows(2).find(|pair| pair[0] == pair[1]) {
        return Err(format!("two columns are called {}", twice[0]));
    }
    let kind = |name: &String| {
        let field = spec.schema.field_with_name(name);
        field
            .map(|field| field.data_type().clone())
            .map_err(|_| format!("there is no column {name}"))
    };
    if let Some(name) = &spec.month_of
        && !partition::is_month_column(&kind(name)?)
    {
        return Err(format!("{name} is neither a day nor an instant in microseconds"));
    }
    if let Some(name) = &spec.region_of
        && !partition::is_region_column(&kind(name)?)
    {
        return Err(format!("{name} is no text"));
    }
    Ok(())
}

fn check_widening(known: &Schema, wanted: &Schema) -> Result<(), String> {
    let same = known.fields().iter().zip(wanted.fields()).find(|(known, wanted)| known != wanted);
    if let Some((known, wanted)) = same {
        return Err(format!("column {known:?} cannot become {wanted:?}"));
    }
    if wanted.fields().len() < known.fields().len() {
        return Err("columns are never taken away".to_owned());
    }
    let added = &wanted.fields()[known.fields().len()..];
    match added.iter().find(|field| !field.is_nullable()) {
        Some(field) => Err(format!("column {} is new and must be nullable", field.name())),
        None => Ok(()),
    }
}

/// The batch under the declared columns.
fn fitted(
    table: &TableName,
    schema: &Schema,
    batch: RecordBatch,
) -> Result<RecordBatch, LakeError> {
    let columns = |why: String| LakeError::Columns { table: table.to_string(), why };
    let (found, declared) = (batch.schema(), schema.fields());
    if found.fields().len() != declared.len() {
        return Err(columns(format!("{} instead of {}", found.fields().len(), declared.len())));
    }
    for (found, declared) in found.fields().iter().zip(declared) {
        if found.name() != declared.name() || found.data_type() != declared.data_type() {
            let why = format!(
                "{} {} instead of {} {}",
                found.name(),
                found.data_type(),
                declared.name(),
                declared.data_type()
            );
            return Err(columns(why));
        }
    }
    RecordBatch::try_new(Arc::new(schema.clone()), batch.columns().to_vec())
        .map_err(|error| columns(error.to_string()))
}

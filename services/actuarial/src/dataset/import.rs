//! Importing: an uploaded file becomes typed columns, and a list of what did not fit.

use std::sync::Arc;

use analytics::lake::{Draft, LakeError, TableName, TableSpec};
use arrow::array::RecordBatch;
use arrow::error::ArrowError;
use csv::WriterBuilder;
use jiff::Timestamp;
use pg::Scope;
use sha2::{Digest, Sha256};
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;

use crate::Actuarial;
use crate::dataset::about::{About, Format, Mapping};
use crate::dataset::infer::{Range, Seen, short};
use crate::dataset::rows::{self, Line, ReadError};
use crate::dataset::table::{self, Gather};
use crate::dataset::value::{Cell, Value};
use crate::dataset::{ColumnProfile, ColumnType, Role};
use crate::error::ActuarialError;
use crate::file::{BlockingWriter, FileReader, FileWriter, Written};
use crate::job::{self, Attempt, Watch, Watched};
use crate::store::dataset::{self as store, Imported, TakenImport};
use crate::store::file;

/// The table of the lake that holds the rows of a version.
pub(crate) const TABLE: &str = "rows";

/// Most faults that are listed one by one.
const MOST_FAULTS: u64 = 100_000;

/// Why an import came to nothing.
enum Fault {
    /// In a sentence for whoever uploaded the file.
    Unreadable(String),
    /// Somebody wants it to end.
    Stopped,
    /// Ours.
    Ours(ActuarialError),
}

/// What an import made.
struct Made {
    /// Rows in the lake, not committed yet.
    data: Draft,
    errors: Option<Written>,
    rows: u64,
    rejected: u64,
    faults: u64,
    columns: Vec<ColumnProfile>,
    digest: [u8; 32],
}

/// A column that is kept, and where it stands in the file.
struct Wanted {
    place: usize,
    source: String,
    name: String,
    kind: ColumnType,
    inferred: ColumnType,
    role: Option<Role>,
}

impl Actuarial {
    /// Works on the import that has been due longest; `None` when none is due. Ends early when `stop`
    /// is cancelled.
    pub async fn work_on_import(&self, stop: &CancellationToken) -> Option<Attempt> {
        let now = self.spine.now();
        let taken = match store::take(self.spine.db(), now, job::held_from(now)).await {
            Ok(taken) => taken?,
            Err(error) => {
                let error = base_http::problem::Chain(&error);
                tracing::warn!(%error, "cannot look for imports; later");
                return None;
            }
        };
        let dataset = taken.dataset;
        match self.attempt_import(&taken, stop).await {
            Ok(attempt) => Some(attempt),
            Err(error) => {
                let chain = base_http::problem::Chain(&error).to_string();
                tracing::error!(dataset.id = %dataset, error = chain, "dataset {dataset} is not imported");
                if let Err(error) = self.retry_import(&taken, self.spine.now()).await {
                    let error = base_http::problem::Chain(&error);
                    tracing::warn!(dataset.id = %dataset, %error, "an import is left behind");
                }
                Some(Attempt::Later)
            }
        }
    }

    pub(crate) async fn attempt_import(
        &self,
        taken: &TakenImport,
        stop: &CancellationToken,
    ) -> Result<Attempt, ActuarialError> {
        if taken.failures >= job::MOST_FAILURES {
            let why =
                "the servers that worked on it ended; the operator finds the reason in the logs";
            return self.end_badly(taken, why).await;
        }
        let mut tx = self.spine.db().begin(Scope::of(taken.tenant)).await?;
        let id = taken.dataset.to_string();
        let record = store::find(&mut tx, taken.tenant, &id, Some(taken.version)).await?;
        drop(tx);
        let upload = record.upload.ok_or(ActuarialError::Corrupt("upload"))?;
        let length = u64::try_from(record.source_bytes).unwrap_or(0);
        let source = self.files.reader(taken.tenant, upload, length);
        let at = place(taken);
        let data = self.lake_dataset(taken.tenant, &at)?.draft_on(None);
        let errors = self.files.begin(taken.tenant).await?;
        let error_file = errors.file();
        let watch = Arc::new(Watch::default());
        let work =
            Work { about: record.about, source, watch: watch.clone(), runtime: Handle::current() };
        let made = self.watched(taken, watch, stop, move || work.make(data, errors)).await;
        let outcome = match made {
            Ok(Watched::Ended(Ok(made))) => self.settle_import(taken, at, made, upload).await,
            Ok(Watched::Ended(Err(Fault::Unreadable(why)))) => self.end_badly(taken, &why).await,
            Ok(Watched::Ended(Err(Fault::Ours(error)))) => Err(error),
            Ok(Watched::Ended(Err(Fault::Stopped)) | Watched::Stopped) => {
                self.give_back(taken).await
            }
            Ok(Watched::Lost) => Ok(Attempt::Lost),
            Err(error) => Err(error),
        };
        // Stays when the version names it.
        self.files.discard(taken.tenant, error_file).await;
        outcome
    }

    async fn settle_import(
        &self,
        taken: &TakenImport,
        at: String,
        made: Made,
        upload: crate::file::FileId,
    ) -> Result<Attempt, ActuarialError> {
        let now = self.spine.now();
        made.data.commit(now).await?;
        let whole = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
        let imported = Imported {
            at: at.clone(),
            errors: made.errors.map(|errors| errors.file),
            rows: whole(made.rows),
            rejected: whole(made.rejected),
            faults: whole(made.faults),
            columns: made.columns,
            digest: made.digest,
        };
        let mut tx = self.spine.db().begin(Scope::of(taken.tenant)).await?;
        if !store::finish(&mut tx, taken, &imported, now).await? {
            drop(tx);
            self.erase(taken.tenant, &at).await;
            return Ok(Attempt::Lost);
        }
        if let Some(errors) = imported.errors {
            file::keep(&mut tx, taken.tenant, errors).await?;
        }
        file::drop(&mut tx, taken.tenant, upload).await?;
        tx.commit().await?;
        let (dataset, rows) = (taken.dataset, made.rows);
        tracing::info!(dataset.id = %dataset, dataset.rows = rows, dataset.rejected = made.rejected,
            "imported dataset {dataset} of {rows} rows");
        Ok(Attempt::Done)
    }

    async fn end_badly(&self, taken: &TakenImport, why: &str) -> Result<Attempt, ActuarialError> {
        let mut tx = self.spine.db().begin(Scope::of(taken.tenant)).await?;
        let id = taken.dataset.to_string();
        let record = store::find(&mut tx, taken.tenant, &id, Some(taken.version)).await?;
        let ours = store::fail(&mut tx, taken, why, self.spine.now()).await?;
        if let Some(upload) = record.upload.filter(|_| ours) {
            file::drop(&mut tx, taken.tenant, upload).await?;
        }
        tx.commit().await?;
        Ok(if ours { Attempt::Failed } else { Attempt::Lost })
    }

    async fn retry_import(
        &self,
        taken: &TakenImport,
        now: Timestamp,
    ) -> Result<(), ActuarialError> {
        let failures = taken.failures + 1;
        let Some(due_at) = job::again(now, failures) else {
            let why = "the file could not be imported; the operator finds the reason in the logs";
            return self.end_badly(taken, why).await.map(drop);
        };
        self.leave(taken, failures, due_at).await
    }
}

/// Where an attempt keeps its rows in the lake: no two attempts write to one place.
fn place(taken: &TakenImport) -> String {
    format!("d{}_v{}_{}", taken.dataset.0.simple(), taken.version, taken.attempt)
}

/// The reading of one file, on a thread that may block.
struct Work {
    about: About,
    source: FileReader,
    watch: Arc<Watch>,
    runtime: Handle,
}

impl Work {
    fn make(mut self, data: Draft, errors: FileWriter) -> Result<Made, Fault> {
        let format = match self.about.format {
            Some(format) => format,
            None => rows::format(&mut self.source)?,
        };
        self.watch.stage("looking at the columns", 0);
        let (names, seen, total) = self.look(format)?;
        let wanted = wanted(&self.about, &names, &seen)?;
        self.watch.stage("keeping the rows", 40);
        self.keep(format, data, errors, &wanted, &seen, total)
    }

    /// The first reading: names, what is in the columns, how many rows.
    fn look(&self, format: Format) -> Result<(Vec<String>, Vec<Seen>, u64), Fault> {
        let mut seen: Vec<Seen> = Vec::new();
        let mut total = 0;
        let names = rows::read(&self.source, format, &self.about, &mut |row, names, line| {
            self.breathe(row)?;
            total = row;
            seen.resize_with(names.len(), Seen::default);
            if let Line::Cells(cells) = line {
                seen.iter_mut().zip(cells).for_each(|(seen, cell)| seen.look(row, cell));
            }
            let percent = self.source.seen().saturating_mul(40) / self.source.length().max(1);
            self.watch.at(percent);
            Ok(())
        })?;
        seen.resize_with(names.len(), Seen::default);
        Ok((names, seen, total))
    }

    /// The second reading: rows into columns, and what does not fit into the list of faults.
    fn keep(
        &self,
        format: Format,
        mut data: Draft,
        errors: FileWriter,
        wanted: &[Wanted],
        seen: &[Seen],
        total: u64,
    ) -> Result<Made, Fault> {
        let schema: Vec<(String, ColumnType)> =
            wanted.iter().map(|column| (column.name.clone(), column.kind)).collect();
        let table = TableName::parse(TABLE)?;
        let columns = table::schema(&schema);
        data.declare(&table, &TableSpec::plain(columns.clone()))?;
        let mut gather = Gather::new(columns);
        let mut faults = Faults::new(BlockingWriter::new(errors, self.runtime.clone()))?;
        let mut digest = Content::of(&schema);
        let mut ranges: Vec<Range> = wanted.iter().map(|_| Range::default()).collect();
        let (mut kept, mut rejected) = (0, 0);
        let mut ours = None;
        let read = rows::read(&self.source, format, &self.about, &mut |row, names, line| {
            self.breathe(row)?;
            self.watch.at(40 + row.saturating_mul(59) / total.max(1));
            let cells = match line {
                Line::Cells(cells) => cells,
                Line::Width(found) => {
                    rejected += 1;
                    let reason = format!("has {found} cells for {} columns", names.len());
                    faults.add(row, "", "", &reason).map_err(|error| stopped(&mut ours, error))?;
                    return Ok(());
                }
            };
            let mut values = Vec::with_capacity(wanted.len());
            for column in wanted {
                let cell = cells.get(column.place).unwrap_or(&Cell::Missing);
                match cell.read(column.kind) {
                    Ok(value) => values.push(value),
                    Err(reason) => {
                        let text = short(&cell.text());
                        faults
                            .add(row, &column.source, &text, reason)
                            .map_err(|error| stopped(&mut ours, error))?;
                    }
                }
            }
            if values.len() < wanted.len() {
                rejected += 1;
                return Ok(());
            }
            kept += 1;
            ranges.iter_mut().zip(&values).for_each(|(range, value)| range.look(value));
            digest.add(&values);
            let full = gather.add(&values).map_err(|error| stopped(&mut ours, error.into()))?;
            self.write(&mut data, &table, full).map_err(|error| stopped(&mut ours, error))
        });
        if let Some(fault) = ours {
            return Err(fault);
        }
        read?;
        if kept == 0 {
            let detail = match rejected {
                0 => "the file has no row below its header".to_owned(),
                _ => format!("none of {rejected} rows can be kept: {}", faults.first),
            };
            return Err(Fault::Unreadable(detail));
        }
        self.write(&mut data, &table, gather.take()?)?;
        let listed = faults.count;
        let errors = if listed > 0 { Some(faults.end()?) } else { None };
        let columns = wanted.iter().zip(&ranges).map(|(column, range)| {
            let seen = &seen[column.place];
            let (distinct, levels) = seen.levels();
            let (least, most) = range.texts(column.kind);
            ColumnProfile {
                name: column.name.clone(),
                source: column.source.clone(),
                kind: column.kind,
                inferred: column.inferred,
                role: column.role,
                missing: seen.missing,
                distinct,
                levels,
                least,
                most,
                nearly: seen.nearly().filter(|_| column.kind == ColumnType::Text),
            }
        });
        Ok(Made {
            data,
            errors,
            rows: kept,
            rejected,
            faults: listed,
            columns: columns.collect(),
            digest: digest.end(),
        })
    }

    fn write(
        &self,
        data: &mut Draft,
        table: &TableName,
        batch: Option<RecordBatch>,
    ) -> Result<(), Fault> {
        let Some(batch) = batch else { return Ok(()) };
        Ok(self.runtime.block_on(data.write(table, batch))?)
    }

    /// Looks now and then whether to go on.
    fn breathe(&self, row: u64) -> Result<(), ReadError> {
        if row.is_multiple_of(1_024) {
            self.watch.rows(row);
            if self.watch.is_stopped() {
                return Err(ReadError::Stopped);
            }
        }
        Ok(())
    }
}

/// Which columns are kept under which names and types.
fn wanted(about: &About, names: &[String], seen: &[Seen]) -> Result<Vec<Wanted>, Fault> {
    let absent: Vec<&str> = about
        .columns
        .iter()
        .filter(|mapping| !names.contains(&mapping.source))
        .map(|mapping| &*mapping.source)
        .collect();
    if !absent.is_empty() {
        let detail = format!(
            "the file has no column {}; it has {}",
            absent.join(", "),
            names.iter().map(String::as_str).collect::<Vec<_>>().join(", ")
        );
        return Err(Fault::Unreadable(detail));
    }
    let mut wanted: Vec<Wanted> = Vec::new();
    for (place, (name, seen)) in names.iter().zip(seen).enumerate() {
        let mapping = about.columns.iter().find(|mapping| mapping.source == *name);
        let ignored = mapping.is_some_and(|mapping| mapping.role == Some(Role::Ignored));
        if ignored || (mapping.is_none() && about.only_named) {
            continue;
        }
        let inferred = seen.inferred();
        let plain = Mapping { source: name.clone(), name: name.clone(), kind: None, role: None };
        let mapping = mapping.unwrap_or(&plain);
        if wanted.iter().any(|other| other.name == mapping.name) {
            let detail = format!("two columns would be called {}; rename one", mapping.name);
            return Err(Fault::Unreadable(detail));
        }
        wanted.push(Wanted {
            place,
            source: name.clone(),
            name: mapping.name.clone(),
            kind: mapping.kind.unwrap_or(inferred),
            inferred,
            role: mapping.role,
        });
    }
    if wanted.is_empty() {
        return Err(Fault::Unreadable("no column is kept".to_owned()));
    }
    Ok(wanted)
}

/// What did not fit, as a CSV.
struct Faults {
    writer: csv::Writer<BlockingWriter>,
    count: u64,
    first: String,
}

impl Faults {
    fn new(out: BlockingWriter) -> Result<Faults, Fault> {
        let mut writer = WriterBuilder::new().from_writer(out);
        writer.write_record(["row", "column", "text", "reason"])?;
        Ok(Faults { writer, count: 0, first: String::new() })
    }

    fn add(&mut self, row: u64, column: &str, text: &str, reason: &str) -> Result<(), Fault> {
        if self.count == 0 {
            self.first = match column {
                "" => format!("row {row} {reason}"),
                column => format!("{column} of row {row} {reason}: {text:?}"),
            };
        }
        self.count += 1;
        if self.count <= MOST_FAULTS {
            self.writer.write_record([&row.to_string(), column, &harmless(text), reason])?;
        }
        Ok(())
    }

    fn end(self) -> Result<Written, Fault> {
        let out =
            self.writer.into_inner().map_err(|_| ActuarialError::Corrupt("list of faults"))?;
        Ok(out.end()?)
    }
}

/// A text no spreadsheet executes.
fn harmless(text: &str) -> String {
    let begins = text.trim_start().starts_with(['=', '+', '-', '@', '＝', '＋', '－', '＠']);
    if begins { format!("'{text}") } else { text.to_owned() }
}

/// The digest of what a version says, whatever file it is kept in.
struct Content {
    digest: Sha256,
    /// A row as bytes: the digest takes them faster at once than one by one.
    row: Vec<u8>,
}

impl Content {
    fn of(schema: &[(String, ColumnType)]) -> Content {
        let mut digest = Sha256::new();
        for (name, kind) in schema {
            digest.update((name.len() as u64).to_le_bytes());
            digest.update(name);
            digest.update(kind.name());
        }
        Content { digest, row: Vec::new() }
    }

    fn add(&mut self, row: &[Value]) {
        self.row.clear();
        for value in row {
            match value {
                Value::Missing => self.row.push(0),
                Value::Integer(value) => {
                    self.row.push(1);
                    self.row.extend(value.to_le_bytes());
                }
                Value::Decimal(value) => {
                    self.row.push(2);
                    self.row.extend(value.to_bits().to_le_bytes());
                }
                Value::Text(text) => {
                    self.row.push(3);
                    self.row.extend((text.len() as u64).to_le_bytes());
                    self.row.extend(text.bytes());
                }
                Value::Date(days) => {
                    self.row.push(4);
                    self.row.extend(days.to_le_bytes());
                }
                Value::Boolean(value) => self.row.extend([5, u8::from(*value)]),
            }
        }
        self.digest.update(&self.row);
    }

    fn end(self) -> [u8; 32] {
        self.digest.finalize().into()
    }
}

/// Keeps the fault and ends the reading.
fn stopped(ours: &mut Option<Fault>, fault: Fault) -> ReadError {
    *ours = Some(fault);
    ReadError::Stopped
}

impl From<ReadError> for Fault {
    fn from(error: ReadError) -> Fault {
        match error {
            ReadError::Unreadable(detail) => Fault::Unreadable(detail),
            ReadError::Stopped => Fault::Stopped,
            ReadError::Kept(_) => Fault::Ours(ActuarialError::Corrupt("upload")),
        }
    }
}

impl From<ActuarialError> for Fault {
    fn from(error: ActuarialError) -> Fault {
        Fault::Ours(error)
    }
}

impl From<LakeError> for Fault {
    fn from(error: LakeError) -> Fault {
        Fault::Ours(error.into())
    }
}

impl From<ArrowError> for Fault {
    fn from(error: ArrowError) -> Fault {
        Fault::Ours(LakeError::from(error).into())
    }
}

impl From<csv::Error> for Fault {
    fn from(error: csv::Error) -> Fault {
        tracing::warn!(%error, "a list of faults cannot be kept");
        Fault::Ours(ActuarialError::Corrupt("list of faults"))
    }
}

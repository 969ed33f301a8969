//! Datasets and their versions.

use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use kernel::TenantId;
use pg::{Db, Tx};
use uuid::Uuid;

use crate::dataset::about::About;
use crate::dataset::{ColumnProfile, DatasetId};
use crate::error::ActuarialError;
use crate::file::FileId;
use crate::job::{Progress, Taken};
use crate::store::file;

/// A version of a dataset as stored.
#[derive(Clone, Debug)]
pub struct VersionRecord {
    /// Whose.
    pub tenant: TenantId,
    /// Of which dataset.
    pub dataset: DatasetId,
    /// The dataset's name.
    pub name: String,
    /// 1 and on.
    pub version: i32,
    /// Who imported it.
    pub client: String,
    /// What it is, for people.
    pub title: Option<String>,
    /// How its file is read.
    pub about: About,
    /// What the file was called.
    pub source_name: Option<String>,
    /// Its length.
    pub source_bytes: i64,
    /// Its SHA-256.
    pub source_digest: [u8; 32],
    /// When the import was asked for.
    pub requested_at: Timestamp,
    /// Where it stands.
    pub stage: VersionStage,
    /// When the first attempt began.
    pub started_at: Option<Timestamp>,
    /// 0 to 100.
    pub percent: i16,
    /// Rows read so far.
    pub rows_read: i64,
    /// What was uploaded, until it is imported.
    pub upload: Option<FileId>,
}

/// Where an import stands.
#[derive(Clone, Debug)]
pub enum VersionStage {
    /// Waits for a server.
    Queued,
    /// A server works on it.
    Running,
    /// It can be read.
    Done {
        /// What it consists of.
        data: Imported,
        /// When it was finished.
        at: Timestamp,
    },
    /// It came to nothing.
    Failed {
        /// Why, in a sentence for the caller.
        why: String,
        /// When that was settled.
        at: Timestamp,
    },
    /// Somebody called it off, or threw the data away.
    Cancelled {
        /// When.
        at: Timestamp,
    },
}

/// What an import made.
#[derive(Clone, Debug)]
pub struct Imported {
    /// Where the rows are in the lake.
    pub at: String,
    /// The rows that were left out, when there are any.
    pub errors: Option<FileId>,
    /// Rows that are kept.
    pub rows: i64,
    /// Rows that were left out.
    pub rejected: i64,
    /// What was wrong with them in all.
    pub faults: i64,
    /// The columns.
    pub columns: Vec<ColumnProfile>,
    /// SHA-256 over names, types and values.
    pub digest: [u8; 32],
}

/// An import a server has taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TakenImport {
    pub(crate) tenant: TenantId,
    pub(crate) dataset: DatasetId,
    pub(crate) version: i32,
    pub(crate) attempt: i32,
    pub(crate) failures: i32,
}

impl Taken for TakenImport {
    fn tenant(&self) -> TenantId {
        self.tenant
    }

    fn failures(&self) -> i32 {
        self.failures
    }

    async fn advance(
        &self,
        tx: &mut Tx,
        progress: Progress,
        until: Timestamp,
    ) -> Result<bool, ActuarialError> {
        let ours = sqlx::query!(
            r#"update actuarial.dataset_version set percent = $5, rows_read = $6, due_at = $7
               where tenant_id = $1 and dataset_id = $2 and version = $3 and state = 'running'
                 and attempt = $4"#,
            self.tenant.0,
            self.dataset.0,
            self.version,
            self.attempt,
            progress.percent,
            progress.rows,
            until.to_sqlx() as _
        );
        Ok(ours.execute(tx.conn()).await?.rows_affected() == 1)
    }

    async fn give_back(
        &self,
        tx: &mut Tx,
        failures: i32,
        due_at: Timestamp,
    ) -> Result<(), ActuarialError> {
        sqlx::query!(
            r#"update actuarial.dataset_version set state = 'queued', failures = $5, due_at = $6
               where tenant_id = $1 and dataset_id = $2 and version = $3 and state = 'running'
                 and attempt = $4"#,
            self.tenant.0,
            self.dataset.0,
            self.version,
            self.attempt,
            failures,
            due_at.to_sqlx() as _
        )
        .execute(tx.conn())
        .await?;
        Ok(())
    }
}

/// Versions of the tenant `$1` with the names of their datasets, where the rest holds too.
macro_rules! versions {
    ($rest:literal $($arguments:tt)*) => {
        sqlx::query_as!(
            VersionRow,
            r#"select v.tenant_id, v.dataset_id, d.name, v.version, v.client, v.title, v.about,
               v.source_name, v.source_bytes, v.source_digest, v.requested_at, v.state, v.percent,
               v.rows_read, v.upload_file, v.data_at, v.error_file, v.row_count,
               v.rejected_count, v.error_count, v.columns, v.digest, v.started_at, v.ended_at,
               v.failure
               from actuarial.dataset_version v join actuarial.dataset d using (tenant_id, dataset_id)
               where v.tenant_id = $1 "# + $rest $($arguments)*
        )
    };
}

/// The number of the next version under a name, and its dataset: `fresh` when the name is new. Others
/// who ask for the same name wait until the transaction ends.
pub(crate) async fn next_version(
    tx: &mut Tx,
    tenant: TenantId,
    fresh: DatasetId,
    name: &str,
    now: Timestamp,
) -> Result<(DatasetId, i32), ActuarialError> {
    let row = sqlx::query!(
        r#"insert into actuarial.dataset as known (tenant_id, dataset_id, name, versions, created_at)
           values ($1, $2, $3, 1, $4)
           on conflict (tenant_id, name) do update set versions = known.versions + 1
           returning dataset_id, versions"#,
        tenant.0,
        fresh.0,
        name,
        now.to_sqlx() as _
    )
    .fetch_one(tx.conn())
    .await?;
    Ok((DatasetId(row.dataset_id), row.versions))
}

/// Writes a new version, queued.
pub(crate) async fn insert(tx: &mut Tx, record: &VersionRecord) -> Result<(), ActuarialError> {
    let about =
        serde_json::to_value(&record.about).map_err(|_| ActuarialError::Corrupt("import"))?;
    sqlx::query!(
        r#"insert into actuarial.dataset_version
               (tenant_id, dataset_id, version, client, title, about, source_name, source_bytes,
                source_digest, requested_at, due_at, upload_file)
           values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $10, $11)"#,
        record.tenant.0,
        record.dataset.0,
        record.version,
        record.client,
        record.title,
        about,
        record.source_name,
        record.source_bytes,
        record.source_digest.as_slice(),
        record.requested_at.to_sqlx() as _,
        record.upload.map(|file| file.0)
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// An own version; the latest that is done, else the latest, when `version` is `None`.
pub(crate) async fn find(
    tx: &mut Tx,
    tenant: TenantId,
    dataset: &str,
    version: Option<i32>,
) -> Result<VersionRecord, ActuarialError> {
    let id = Uuid::try_parse(dataset).ok();
    let row = versions!(
        "and (d.name = $2 or d.dataset_id = $3)
         and ($4::integer is null or v.version = $4)
         order by v.state = 'done' desc, v.version desc limit 1",
        tenant.0,
        dataset,
        id,
        version
    );
    let missing = || match version {
        Some(version) => ActuarialError::not_found("version", format!("{version} of {dataset}")),
        None => ActuarialError::not_found("dataset", dataset),
    };
    row.fetch_optional(tx.conn()).await?.ok_or_else(missing)?.try_into()
}

/// The versions of an own dataset, latest first; all datasets when `dataset` is `None`.
pub(crate) async fn list(
    tx: &mut Tx,
    tenant: TenantId,
    dataset: Option<DatasetId>,
    after: Option<(Timestamp, Uuid, i32)>,
    limit: i64,
) -> Result<Vec<VersionRecord>, ActuarialError> {
    let rows = versions!(
        "and ($2::uuid is null or v.dataset_id = $2)
         and ($3::timestamptz is null or (v.requested_at, v.dataset_id, v.version) < ($3, $4, $5))
         order by v.requested_at desc, v.dataset_id desc, v.version desc
         limit $6",
        tenant.0,
        dataset.map(|dataset| dataset.0),
        after.map(|after| after.0.to_sqlx()) as _,
        after.map(|after| after.1),
        after.map(|after| after.2),
        limit
    );
    rows.fetch_all(tx.conn()).await?.into_iter().map(VersionRecord::try_from).collect()
}

/// Where a version's rows are in the lake.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    /// Name of the dataset.
    pub(crate) name: String,
    /// 1 and on.
    pub(crate) version: i32,
    /// The dataset of the lake.
    pub(crate) at: String,
}

/// Where the rows of all own versions are that can be read, in the order of names and versions.
pub(crate) async fn places(tx: &mut Tx, tenant: TenantId) -> Result<Vec<Place>, ActuarialError> {
    let places = sqlx::query_as!(
        Place,
        r#"select d.name, v.version, v.data_at as "at!"
           from actuarial.dataset_version v join actuarial.dataset d using (tenant_id, dataset_id)
           where v.tenant_id = $1 and v.state = 'done'
           order by d.name, v.version"#,
        tenant.0
    );
    Ok(places.fetch_all(tx.conn()).await?)
}

/// Own imports and runs that are queued or running. Others who ask the same wait until the
/// transaction ends, so that nobody slips past a limit.
pub(crate) async fn under_way(tx: &mut Tx, tenant: TenantId) -> Result<i64, ActuarialError> {
    sqlx::query!(
        "select pg_advisory_xact_lock(hashtextextended('actuarial.job ' || $1::text, 0))",
        tenant.0.to_string()
    )
    .execute(tx.conn())
    .await?;
    let count = sqlx::query_scalar!(
        r#"select (select count(*) from actuarial.dataset_version
                   where tenant_id = $1 and state in ('queued', 'running'))
                + (select count(*) from actuarial.run
                   where tenant_id = $1 and state in ('queued', 'running')) as "count!""#,
        tenant.0
    );
    Ok(count.fetch_one(tx.conn()).await?)
}

/// Takes the import that has been due longest, of whatever tenant, until `until`.
pub(crate) async fn take(
    db: &Db,
    now: Timestamp,
    until: Timestamp,
) -> Result<Option<TakenImport>, ActuarialError> {
    let row = sqlx::query!(
        r#"select tenant_id as "tenant_id!", dataset_id as "dataset_id!", version as "version!",
                  attempt as "attempt!", failures as "failures!"
           from actuarial.take_import($1, $2)"#,
        now.to_sqlx() as _,
        until.to_sqlx() as _
    );
    Ok(row.fetch_optional(db.pool()).await?.map(|row| TakenImport {
        tenant: TenantId(row.tenant_id),
        dataset: DatasetId(row.dataset_id),
        version: row.version,
        attempt: row.attempt,
        failures: row.failures,
    }))
}

/// Takes a new version for who wrote it, until `until`.
pub(crate) async fn hold(
    tx: &mut Tx,
    record: &VersionRecord,
    until: Timestamp,
) -> Result<TakenImport, ActuarialError> {
    sqlx::query!(
        r#"update actuarial.dataset_version
           set state = 'running', attempt = 1, due_at = $4, started_at = requested_at
           where tenant_id = $1 and dataset_id = $2 and version = $3 and state = 'queued'"#,
        record.tenant.0,
        record.dataset.0,
        record.version,
        until.to_sqlx() as _
    )
    .execute(tx.conn())
    .await?;
    let VersionRecord { tenant, dataset, version, .. } = *record;
    Ok(TakenImport { tenant, dataset, version, attempt: 1, failures: 0 })
}

/// Ends an import. `false` when it is not `taken`'s any more.
pub(crate) async fn finish(
    tx: &mut Tx,
    taken: &TakenImport,
    imported: &Imported,
    now: Timestamp,
) -> Result<bool, ActuarialError> {
    let columns =
        serde_json::to_value(&imported.columns).map_err(|_| ActuarialError::Corrupt("columns"))?;
    let ours = sqlx::query!(
        r#"update actuarial.dataset_version
           set state = 'done', percent = 100, upload_file = null, data_at = $5, error_file = $6,
               row_count = $7, rejected_count = $8, error_count = $9, columns = $10, digest = $11,
               ended_at = $12, rows_read = $7::bigint + $8::bigint
           where tenant_id = $1 and dataset_id = $2 and version = $3 and state = 'running'
             and attempt = $4"#,
        taken.tenant.0,
        taken.dataset.0,
        taken.version,
        taken.attempt,
        imported.at,
        imported.errors.map(|file| file.0),
        imported.rows,
        imported.rejected,
        imported.faults,
        columns,
        imported.digest.as_slice(),
        now.to_sqlx() as _
    );
    Ok(ours.execute(tx.conn()).await?.rows_affected() == 1)
}

/// Ends an import that came to nothing. `false` when it is not `taken`'s any more.
pub(crate) async fn fail(
    tx: &mut Tx,
    taken: &TakenImport,
    why: &str,
    now: Timestamp,
) -> Result<bool, ActuarialError> {
    let ours = sqlx::query!(
        r#"update actuarial.dataset_version
           set state = 'failed', failure = $5, ended_at = $6, upload_file = null
           where tenant_id = $1 and dataset_id = $2 and version = $3 and state = 'running'
             and attempt = $4"#,
        taken.tenant.0,
        taken.dataset.0,
        taken.version,
        taken.attempt,
        why,
        now.to_sqlx() as _
    );
    Ok(ours.execute(tx.conn()).await?.rows_affected() == 1)
}

/// Calls an own import off, or throws its data away; one that failed or was called off stays as it
/// is. Its files are left to the sweep.
pub(crate) async fn cancel(
    tx: &mut Tx,
    tenant: TenantId,
    dataset: DatasetId,
    version: i32,
    now: Timestamp,
) -> Result<(), ActuarialError> {
    let files = sqlx::query!(
        r#"select upload_file, error_file from actuarial.dataset_version
           where tenant_id = $1 and dataset_id = $2 and version = $3
             and state in ('queued', 'running', 'done')
           for update"#,
        tenant.0,
        dataset.0,
        version
    );
    let Some(files) = files.fetch_optional(tx.conn()).await? else { return Ok(()) };
    for named in [files.upload_file, files.error_file].into_iter().flatten() {
        file::drop(tx, tenant, FileId(named)).await?;
    }
    sqlx::query!(
        r#"update actuarial.dataset_version
           set state = 'cancelled', ended_at = $4, upload_file = null, data_at = null,
               error_file = null
           where tenant_id = $1 and dataset_id = $2 and version = $3"#,
        tenant.0,
        dataset.0,
        version,
        now.to_sqlx() as _
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

struct VersionRow {
    tenant_id: Uuid,
    dataset_id: Uuid,
    name: String,
    version: i32,
    client: String,
    title: Option<String>,
    about: serde_json::Value,
    source_name: Option<String>,
    source_bytes: i64,
    source_digest: Vec<u8>,
    requested_at: jiff_sqlx::Timestamp,
    state: String,
    percent: i16,
    rows_read: i64,
    upload_file: Option<Uuid>,
    data_at: Option<String>,
    error_file: Option<Uuid>,
    row_count: Option<i64>,
    rejected_count: Option<i64>,
    error_count: Option<i64>,
    columns: Option<serde_json::Value>,
    digest: Option<Vec<u8>>,
    started_at: Option<jiff_sqlx::Timestamp>,
    ended_at: Option<jiff_sqlx::Timestamp>,
    failure: Option<String>,
}

impl TryFrom<VersionRow> for VersionRecord {
    type Error = ActuarialError;

    fn try_from(row: VersionRow) -> Result<VersionRecord, ActuarialError> {
        let corrupt = || ActuarialError::Corrupt("dataset version");
        let ended_at = row.ended_at.map(|at| at.to_jiff());
        let stage = match (row.state.as_str(), ended_at, row.failure) {
            ("queued", None, None) => VersionStage::Queued,
            ("running", None, None) => VersionStage::Running,
            ("done", Some(at), None) => {
                let columns = row.columns.ok_or_else(corrupt)?;
                let data = Imported {
                    at: row.data_at.ok_or_else(corrupt)?,
                    errors: row.error_file.map(FileId),
                    rows: row.row_count.ok_or_else(corrupt)?,
                    rejected: row.rejected_count.ok_or_else(corrupt)?,
                    faults: row.error_count.ok_or_else(corrupt)?,
                    columns: serde_json::from_value(columns).map_err(|_| corrupt())?,
                    digest: row.digest.and_then(|it| it.try_into().ok()).ok_or_else(corrupt)?,
                };
                VersionStage::Done { data, at }
            }
            ("failed", Some(at), Some(why)) => VersionStage::Failed { why, at },
            ("cancelled", Some(at), None) => VersionStage::Cancelled { at },
            _ => return Err(corrupt()),
        };
        Ok(VersionRecord {
            tenant: TenantId(row.tenant_id),
            dataset: DatasetId(row.dataset_id),
            name: row.name,
            version: row.version,
            client: row.client,
            title: row.title,
            about: serde_json::from_value(row.about).map_err(|_| corrupt())?,
            source_name: row.source_name,
            source_bytes: row.source_bytes,
            source_digest: row.source_digest.try_into().map_err(|_| corrupt())?,
            requested_at: row.requested_at.to_jiff(),
            stage,
            started_at: row.started_at.map(|at| at.to_jiff()),
            percent: row.percent,
            rows_read: row.rows_read,
            upload: row.upload_file.map(FileId),
        })
    }
}

//! Exports, the pieces of their files, and who had them sent.

use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use kernel::TenantId;
use pg::{Db, Tx};
use production_core::history::PolicyClass;
use production_core::region::Region;
use uuid::Uuid;

use crate::error::ProductionError;
use crate::export::{ExportId, ExportKind, Format, Selection};
use crate::lookup::Shown;

/// An export as stored.
#[derive(Clone, Debug)]
pub struct ExportRecord {
    /// Names it.
    pub export: ExportId,
    /// Who asked for it.
    pub client: String,
    /// What is exported.
    pub kind: ExportKind,
    /// Into which file.
    pub format: Format,
    /// Which rows.
    pub selection: Selection,
    /// Whether persons are shown whole.
    pub shown: Shown,
    /// Why, as stated.
    pub purpose: Option<String>,
    /// When it was asked for.
    pub requested_at: Timestamp,
    /// Where it stands.
    pub stage: ExportStage,
    /// When the first attempt began.
    pub started_at: Option<Timestamp>,
    /// How far it is.
    pub progress: Progress,
}

/// Where an export stands. That a file runs out is told by the clock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExportStage {
    /// Waits for a server.
    Queued,
    /// A server works on it.
    Running,
    /// The file can be had until it runs out.
    Done {
        /// SHA-256 of the file.
        digest: [u8; 32],
        /// When it was finished.
        at: Timestamp,
        /// First instant at which it cannot be had any more.
        expires_at: Timestamp,
    },
    /// It could not be made.
    Failed {
        /// Why, in a sentence for the caller.
        why: String,
        /// When that was settled.
        at: Timestamp,
    },
    /// Somebody called it off, or threw the file away.
    Cancelled {
        /// When.
        at: Timestamp,
    },
}

/// How far an export is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Rows there were when it began; `None` when nobody counted them.
    pub rows_estimated: Option<i64>,
    /// Rows that are read.
    pub rows_done: i64,
    /// Bytes of the pieces that are kept.
    pub bytes: i64,
    /// Pieces that are kept.
    pub pieces: i32,
}

/// An export a server has taken. A later attempt shuts out an earlier one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Taken {
    /// Whose.
    pub tenant: TenantId,
    /// Which.
    pub export: ExportId,
    /// Which attempt this is.
    pub attempt: i32,
    /// How many attempts failed before.
    pub failures: i32,
}

/// Writes a new export, queued.
pub async fn insert(tx: &mut Tx, record: &ExportRecord) -> Result<(), ProductionError> {
    let selection = &record.selection;
    sqlx::query!(
        r#"insert into production.export
               (tenant_id, export_id, client, kind, format, from_at, to_at, as_of, region, class,
                shown, purpose, requested_at, due_at)
           values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $13)"#,
        selection.tenant.0,
        record.export.0,
        record.client,
        record.kind.name(),
        record.format.name(),
        selection.from.to_sqlx() as _,
        selection.to.map(|to| to.to_sqlx()) as _,
        selection.as_of.to_sqlx() as _,
        selection.region.map(|region| region.code()),
        selection.class.map(|class| class.name()),
        shown_name(record.shown),
        record.purpose,
        record.requested_at.to_sqlx() as _
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Own exports that are queued or running. Others who ask the same wait until the transaction ends,
/// so that nobody slips past a limit.
pub async fn under_way(tx: &mut Tx, tenant: TenantId) -> Result<i64, ProductionError> {
    sqlx::query!(
        "select pg_advisory_xact_lock(hashtextextended('production.export ' || $1::text, 0))",
        tenant.0.to_string()
    )
    .execute(tx.conn())
    .await?;
    let count = sqlx::query_scalar!(
        r#"select count(*) as "count!" from production.export
           where tenant_id = $1 and state in ('queued', 'running')"#,
        tenant.0
    );
    Ok(count.fetch_one(tx.conn()).await?)
}

/// An own export.
pub async fn find(
    tx: &mut Tx,
    tenant: TenantId,
    export: ExportId,
) -> Result<ExportRecord, ProductionError> {
    let row = sqlx::query_as!(
        ExportRow,
        r#"select tenant_id, export_id, client, kind, format, from_at, to_at, as_of, region, class,
                  shown, purpose, requested_at, state, rows_estimated, rows_done, bytes, pieces,
                  digest, started_at, ended_at, expires_at, failure
           from production.export where tenant_id = $1 and export_id = $2"#,
        tenant.0,
        export.0
    );
    let row = row.fetch_optional(tx.conn()).await?;
    row.ok_or_else(|| ProductionError::not_found("export", export))?.try_into()
}

/// Own exports, latest first, behind the one given.
pub async fn list(
    tx: &mut Tx,
    tenant: TenantId,
    after: Option<(Timestamp, Uuid)>,
    limit: i64,
) -> Result<Vec<ExportRecord>, ProductionError> {
    let (after_at, after_id) = after.unzip();
    let rows = sqlx::query_as!(
        ExportRow,
        r#"select tenant_id, export_id, client, kind, format, from_at, to_at, as_of, region, class,
                  shown, purpose, requested_at, state, rows_estimated, rows_done, bytes, pieces,
                  digest, started_at, ended_at, expires_at, failure
           from production.export
           where tenant_id = $1
             and ($2::timestamptz is null or (requested_at, export_id) < ($2, $3))
           order by requested_at desc, export_id desc
           limit $4"#,
        tenant.0,
        after_at.map(|at| at.to_sqlx()) as _,
        after_id,
        limit
    );
    rows.fetch_all(tx.conn()).await?.into_iter().map(ExportRecord::try_from).collect()
}

/// Takes the export that has been due longest, of whatever tenant, until `until`.
pub async fn take(
    db: &Db,
    now: Timestamp,
    until: Timestamp,
) -> Result<Option<Taken>, ProductionError> {
    let row = sqlx::query!(
        r#"select tenant_id as "tenant_id!", export_id as "export_id!", attempt as "attempt!",
                  failures as "failures!"
           from production.take_export($1, $2)"#,
        now.to_sqlx() as _,
        until.to_sqlx() as _
    );
    Ok(row.fetch_optional(db.pool()).await?.map(|row| Taken {
        tenant: TenantId(row.tenant_id),
        export: ExportId(row.export_id),
        attempt: row.attempt,
        failures: row.failures,
    }))
}

/// Throws away what earlier attempts kept, and notes how many rows there are. `false` when the
/// export is not `taken`'s any more.
pub async fn begin(
    tx: &mut Tx,
    taken: &Taken,
    rows_estimated: Option<i64>,
) -> Result<bool, ProductionError> {
    let ours = sqlx::query!(
        r#"update production.export set rows_estimated = $4
           where tenant_id = $1 and export_id = $2 and state = 'running' and attempt = $3"#,
        taken.tenant.0,
        taken.export.0,
        taken.attempt,
        rows_estimated
    );
    if ours.execute(tx.conn()).await?.rows_affected() == 0 {
        return Ok(false);
    }
    sqlx::query!(
        "delete from production.export_chunk where tenant_id = $1 and export_id = $2",
        taken.tenant.0,
        taken.export.0
    )
    .execute(tx.conn())
    .await?;
    Ok(true)
}

/// Notes how far an export is and holds it until `until`. `false` when it is not `taken`'s any
/// more: then nothing may be written to it.
pub async fn advance(
    tx: &mut Tx,
    taken: &Taken,
    progress: &Progress,
    until: Timestamp,
) -> Result<bool, ProductionError> {
    let ours = sqlx::query!(
        r#"update production.export set rows_done = $4, bytes = $5, pieces = $6, due_at = $7
           where tenant_id = $1 and export_id = $2 and state = 'running' and attempt = $3"#,
        taken.tenant.0,
        taken.export.0,
        taken.attempt,
        progress.rows_done,
        progress.bytes,
        progress.pieces,
        until.to_sqlx() as _
    );
    Ok(ours.execute(tx.conn()).await?.rows_affected() == 1)
}

/// Keeps sealed pieces, numbered from `first` on. Only after [`advance`] held the export in the
/// same transaction.
pub async fn keep(
    tx: &mut Tx,
    taken: &Taken,
    first: i32,
    sealed: &[Vec<u8>],
) -> Result<(), ProductionError> {
    for (number, piece) in (first..).zip(sealed) {
        // One at a time: a statement of many pieces would hold all of them once more.
        sqlx::query!(
            r#"insert into production.export_chunk (tenant_id, export_id, piece, sealed)
               values ($1, $2, $3, $4)"#,
            taken.tenant.0,
            taken.export.0,
            number,
            piece
        )
        .execute(tx.conn())
        .await?;
    }
    Ok(())
}

/// Ends an export whose last piece is kept.
pub async fn finish(
    tx: &mut Tx,
    taken: &Taken,
    digest: &[u8; 32],
    now: Timestamp,
    expires_at: Timestamp,
) -> Result<(), ProductionError> {
    sqlx::query!(
        r#"update production.export
           set state = 'done', digest = $4, ended_at = $5, expires_at = $6
           where tenant_id = $1 and export_id = $2 and state = 'running' and attempt = $3"#,
        taken.tenant.0,
        taken.export.0,
        taken.attempt,
        digest.as_slice(),
        now.to_sqlx() as _,
        expires_at.to_sqlx() as _
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Gives an export back, to be taken again from `due_at` on.
pub async fn give_back(
    tx: &mut Tx,
    taken: &Taken,
    failures: i32,
    due_at: Timestamp,
) -> Result<(), ProductionError> {
    sqlx::query!(
        r#"update production.export set state = 'queued', failures = $4, due_at = $5
           where tenant_id = $1 and export_id = $2 and state = 'running' and attempt = $3"#,
        taken.tenant.0,
        taken.export.0,
        taken.attempt,
        failures,
        due_at.to_sqlx() as _
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Ends an export that cannot be made.
pub async fn fail(
    tx: &mut Tx,
    taken: &Taken,
    why: &str,
    now: Timestamp,
) -> Result<(), ProductionError> {
    sqlx::query!(
        r#"update production.export set state = 'failed', failure = $4, ended_at = $5
           where tenant_id = $1 and export_id = $2 and state = 'running' and attempt = $3"#,
        taken.tenant.0,
        taken.export.0,
        taken.attempt,
        why,
        now.to_sqlx() as _
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Calls an own export off, or throws its file away; one that failed or was called off stays as it
/// is.
pub async fn cancel(
    tx: &mut Tx,
    tenant: TenantId,
    export: ExportId,
    now: Timestamp,
) -> Result<(), ProductionError> {
    let ended = sqlx::query!(
        r#"update production.export set state = 'cancelled', ended_at = $3, swept = true
           where tenant_id = $1 and export_id = $2 and state in ('queued', 'running', 'done')"#,
        tenant.0,
        export.0,
        now.to_sqlx() as _
    );
    if ended.execute(tx.conn()).await?.rows_affected() == 1 {
        sqlx::query!(
            "delete from production.export_chunk where tenant_id = $1 and export_id = $2",
            tenant.0,
            export.0
        )
        .execute(tx.conn())
        .await?;
    }
    Ok(())
}

/// A sealed piece of an own file; `None` when it is gone.
pub async fn piece(
    tx: &mut Tx,
    tenant: TenantId,
    export: ExportId,
    number: i32,
) -> Result<Option<Vec<u8>>, ProductionError> {
    let sealed = sqlx::query_scalar!(
        r#"select sealed from production.export_chunk
           where tenant_id = $1 and export_id = $2 and piece = $3"#,
        tenant.0,
        export.0,
        number
    );
    Ok(sealed.fetch_optional(tx.conn()).await?)
}

/// Bytes of a file that are about to be sent.
#[derive(Clone, Debug)]
pub struct DownloadRecord {
    /// Whose.
    pub tenant: TenantId,
    /// Of which export.
    pub export: ExportId,
    /// The call, as in the evidence.
    pub call_id: Uuid,
    /// To whom.
    pub client: String,
    /// Why, as stated.
    pub purpose: Option<String>,
    /// The first byte.
    pub first_byte: i64,
    /// How many.
    pub bytes: i64,
    /// When.
    pub began_at: Timestamp,
}

/// Notes a download.
pub async fn insert_download(
    tx: &mut Tx,
    download: &DownloadRecord,
) -> Result<(), ProductionError> {
    sqlx::query!(
        r#"insert into production.export_download
               (tenant_id, export_id, call_id, client, purpose, first_byte, bytes, began_at)
           values ($1, $2, $3, $4, $5, $6, $7, $8)"#,
        download.tenant.0,
        download.export.0,
        download.call_id,
        download.client,
        download.purpose,
        download.first_byte,
        download.bytes,
        download.began_at.to_sqlx() as _
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Removes the files of up to `most` exports that came to nothing or ran out; answers how many.
pub async fn sweep(db: &Db, now: Timestamp, most: i32) -> Result<i64, ProductionError> {
    let swept = sqlx::query_scalar!(
        r#"select production.sweep_exports($1, $2) as "swept!""#,
        now.to_sqlx() as _,
        most
    );
    Ok(swept.fetch_one(db.pool()).await?)
}

/// Makes everything this transaction reads one snapshot, and lets it write nothing. Before its
/// first statement. Its statements may take longer than a call's, and so may what lies between
/// them; lists with filters are planned for their values.
pub async fn hold_snapshot(tx: &mut Tx) -> Result<(), ProductionError> {
    let hold = "set transaction isolation level repeatable read, read only; \
                set local statement_timeout = '60s'; \
                set local idle_in_transaction_session_timeout = '60s'; \
                set local plan_cache_mode = force_custom_plan";
    sqlx::raw_sql(hold).execute(tx.conn()).await?;
    Ok(())
}

const fn shown_name(shown: Shown) -> &'static str {
    match shown {
        Shown::Masked => "masked",
        Shown::Whole => "whole",
    }
}

struct ExportRow {
    tenant_id: Uuid,
    export_id: Uuid,
    client: String,
    kind: String,
    format: String,
    from_at: jiff_sqlx::Timestamp,
    to_at: Option<jiff_sqlx::Timestamp>,
    as_of: jiff_sqlx::Timestamp,
    region: Option<String>,
    class: Option<String>,
    shown: String,
    purpose: Option<String>,
    requested_at: jiff_sqlx::Timestamp,
    state: String,
    rows_estimated: Option<i64>,
    rows_done: i64,
    bytes: i64,
    pieces: i32,
    digest: Option<Vec<u8>>,
    started_at: Option<jiff_sqlx::Timestamp>,
    ended_at: Option<jiff_sqlx::Timestamp>,
    expires_at: Option<jiff_sqlx::Timestamp>,
    failure: Option<String>,
}

impl TryFrom<ExportRow> for ExportRecord {
    type Error = ProductionError;

    fn try_from(row: ExportRow) -> Result<ExportRecord, ProductionError> {
        let corrupt = || ProductionError::Corrupt("export");
        let ended_at = row.ended_at.map(|at| at.to_jiff());
        let stage = match (row.state.as_str(), ended_at, row.failure) {
            ("queued", None, None) => ExportStage::Queued,
            ("running", None, None) => ExportStage::Running,
            ("done", Some(at), None) => ExportStage::Done {
                digest: row.digest.and_then(|it| it.try_into().ok()).ok_or_else(corrupt)?,
                at,
                expires_at: row.expires_at.ok_or_else(corrupt)?.to_jiff(),
            },
            ("failed", Some(at), Some(why)) => ExportStage::Failed { why, at },
            ("cancelled", Some(at), None) => ExportStage::Cancelled { at },
            _ => return Err(corrupt()),
        };
        let region = row.region.map(|code| Region::parse(&code)).transpose();
        let class = row.class.map(|name| PolicyClass::parse(&name)).transpose();
        Ok(ExportRecord {
            export: ExportId(row.export_id),
            client: row.client,
            kind: ExportKind::parse(&row.kind).ok_or_else(corrupt)?,
            format: Format::parse(&row.format).ok_or_else(corrupt)?,
            selection: Selection {
                tenant: TenantId(row.tenant_id),
                from: row.from_at.to_jiff(),
                to: row.to_at.map(|to| to.to_jiff()),
                as_of: row.as_of.to_jiff(),
                region: region.map_err(|_| corrupt())?,
                class: class.map_err(|_| corrupt())?,
            },
            shown: match row.shown.as_str() {
                "masked" => Shown::Masked,
                "whole" => Shown::Whole,
                _ => return Err(corrupt()),
            },
            purpose: row.purpose,
            requested_at: row.requested_at.to_jiff(),
            stage,
            started_at: row.started_at.map(|at| at.to_jiff()),
            progress: Progress {
                rows_estimated: row.rows_estimated,
                rows_done: row.rows_done,
                bytes: row.bytes,
                pieces: row.pieces,
            },
        })
    }
}

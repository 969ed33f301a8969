//! Runs.

use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use kernel::TenantId;
use pg::{Db, Tx};
use serde_json::Value;
use uuid::Uuid;

use crate::dataset::DatasetId;
use crate::error::ActuarialError;
use crate::file::FileId;
use crate::job::{Progress, Taken};
use crate::method::Method;
use crate::run::RunId;

/// A run as stored.
#[derive(Clone, Debug)]
pub struct RunRecord {
    /// Whose.
    pub tenant: TenantId,
    /// Which.
    pub run: RunId,
    /// Who asked for it.
    pub client: String,
    /// What it is, for people.
    pub label: Option<String>,
    /// The method.
    pub method: Method,
    /// Its parameters, as asked for.
    pub parameters: Value,
    /// What it reads.
    pub dataset: DatasetId,
    /// The dataset's name.
    pub dataset_name: String,
    /// Of which version.
    pub version: i32,
    /// The code that computes.
    pub code_version: String,
    /// Where draws start.
    pub seed: i64,
    /// SHA-256 over everything the result rests on.
    pub input_digest: [u8; 32],
    /// When it was asked for.
    pub requested_at: Timestamp,
    /// Where it stands.
    pub stage: RunStage,
    /// When the first attempt began.
    pub started_at: Option<Timestamp>,
    /// 0 to 100.
    pub percent: i16,
    /// What is being done, in a word or two.
    pub doing: String,
}

/// Where a run stands.
#[derive(Clone, Debug)]
pub enum RunStage {
    /// Waits for a server.
    Queued,
    /// A server works on it.
    Running,
    /// It has a result.
    Done {
        /// Where the result is.
        result: FileId,
        /// SHA-256 of its bytes.
        digest: [u8; 32],
        /// The figures to look at first.
        figures: Value,
        /// When it was finished.
        at: Timestamp,
    },
    /// It came to nothing.
    Failed {
        /// The problem document.
        why: Value,
        /// When that was settled.
        at: Timestamp,
    },
    /// Somebody called it off.
    Cancelled {
        /// When.
        at: Timestamp,
    },
}

/// A run a server has taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TakenRun {
    pub(crate) tenant: TenantId,
    pub(crate) run: RunId,
    pub(crate) attempt: i32,
    pub(crate) failures: i32,
}

impl Taken for TakenRun {
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
            r#"update actuarial.run set percent = $4, stage = $5, due_at = $6
               where tenant_id = $1 and run_id = $2 and state = 'running' and attempt = $3"#,
            self.tenant.0,
            self.run.0,
            self.attempt,
            progress.percent,
            progress.stage,
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
            r#"update actuarial.run set state = 'queued', stage = 'queued', failures = $4, due_at = $5
               where tenant_id = $1 and run_id = $2 and state = 'running' and attempt = $3"#,
            self.tenant.0,
            self.run.0,
            self.attempt,
            failures,
            due_at.to_sqlx() as _
        )
        .execute(tx.conn())
        .await?;
        Ok(())
    }
}

/// Runs of the tenant `$1` with the names of their datasets, where the rest holds too.
macro_rules! runs {
    ($rest:literal $($arguments:tt)*) => {
        sqlx::query_as!(
            RunRow,
            r#"select r.tenant_id, r.run_id, r.client, r.label, r.method, r.parameters, r.dataset_id,
               d.name as dataset_name, r.version, r.code_version, r.seed, r.input_digest,
               r.requested_at, r.state, r.percent, r.stage, r.result_file, r.result_digest,
               r.figures, r.started_at, r.ended_at, r.failure
               from actuarial.run r join actuarial.dataset d using (tenant_id, dataset_id)
               where r.tenant_id = $1 "# + $rest $($arguments)*
        )
    };
}

/// Writes a new run, queued.
pub(crate) async fn insert(tx: &mut Tx, record: &RunRecord) -> Result<(), ActuarialError> {
    sqlx::query!(
        r#"insert into actuarial.run
               (tenant_id, run_id, client, label, method, parameters, dataset_id, version,
                code_version, seed, input_digest, requested_at, due_at)
           values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $12)"#,
        record.tenant.0,
        record.run.0,
        record.client,
        record.label,
        record.method.name(),
        record.parameters,
        record.dataset.0,
        record.version,
        record.code_version,
        record.seed,
        record.input_digest.as_slice(),
        record.requested_at.to_sqlx() as _
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// An own run.
pub(crate) async fn find(
    tx: &mut Tx,
    tenant: TenantId,
    run: RunId,
) -> Result<RunRecord, ActuarialError> {
    let row = runs!("and r.run_id = $2", tenant.0, run.0);
    let row = row.fetch_optional(tx.conn()).await?;
    row.ok_or_else(|| ActuarialError::not_found("run", run))?.try_into()
}

/// Own runs, latest first, behind the one given; of one method or dataset where asked for.
pub(crate) async fn list(
    tx: &mut Tx,
    tenant: TenantId,
    method: Option<Method>,
    dataset: Option<&str>,
    after: Option<(Timestamp, Uuid)>,
    limit: i64,
) -> Result<Vec<RunRecord>, ActuarialError> {
    let (after_at, after_id) = after.unzip();
    let id = dataset.and_then(|dataset| Uuid::try_parse(dataset).ok());
    let rows = runs!(
        "and ($2::text is null or r.method = $2)
         and ($3::text is null or d.name = $3 or d.dataset_id = $4)
         and ($5::timestamptz is null or (r.requested_at, r.run_id) < ($5, $6))
         order by r.requested_at desc, r.run_id desc
         limit $7",
        tenant.0,
        method.map(Method::name),
        dataset,
        id,
        after_at.map(|at| at.to_sqlx()) as _,
        after_id,
        limit
    );
    rows.fetch_all(tx.conn()).await?.into_iter().map(RunRecord::try_from).collect()
}

/// Takes the run that has been due longest, of whatever tenant, until `until`.
pub(crate) async fn take(
    db: &Db,
    now: Timestamp,
    until: Timestamp,
) -> Result<Option<TakenRun>, ActuarialError> {
    let row = sqlx::query!(
        r#"select tenant_id as "tenant_id!", run_id as "run_id!", attempt as "attempt!",
                  failures as "failures!"
           from actuarial.take_run($1, $2)"#,
        now.to_sqlx() as _,
        until.to_sqlx() as _
    );
    Ok(row.fetch_optional(db.pool()).await?.map(|row| TakenRun {
        tenant: TenantId(row.tenant_id),
        run: RunId(row.run_id),
        attempt: row.attempt,
        failures: row.failures,
    }))
}

/// Ends a run with its result. `false` when it is not `taken`'s any more.
pub(crate) async fn finish(
    tx: &mut Tx,
    taken: &TakenRun,
    result: FileId,
    digest: &[u8; 32],
    figures: &Value,
    now: Timestamp,
) -> Result<bool, ActuarialError> {
    let ours = sqlx::query!(
        r#"update actuarial.run
           set state = 'done', percent = 100, stage = 'done', result_file = $4, result_digest = $5,
               figures = $6, ended_at = $7
           where tenant_id = $1 and run_id = $2 and state = 'running' and attempt = $3"#,
        taken.tenant.0,
        taken.run.0,
        taken.attempt,
        result.0,
        digest.as_slice(),
        figures,
        now.to_sqlx() as _
    );
    Ok(ours.execute(tx.conn()).await?.rows_affected() == 1)
}

/// Ends a run that came to nothing. `false` when it is not `taken`'s any more.
pub(crate) async fn fail(
    tx: &mut Tx,
    taken: &TakenRun,
    why: &Value,
    now: Timestamp,
) -> Result<bool, ActuarialError> {
    let ours = sqlx::query!(
        r#"update actuarial.run
           set state = 'failed', stage = 'failed', failure = $4, ended_at = $5
           where tenant_id = $1 and run_id = $2 and state = 'running' and attempt = $3"#,
        taken.tenant.0,
        taken.run.0,
        taken.attempt,
        why,
        now.to_sqlx() as _
    );
    Ok(ours.execute(tx.conn()).await?.rows_affected() == 1)
}

/// Calls an own run off; one that has ended stays as it is.
pub(crate) async fn cancel(
    tx: &mut Tx,
    tenant: TenantId,
    run: RunId,
    now: Timestamp,
) -> Result<(), ActuarialError> {
    sqlx::query!(
        r#"update actuarial.run set state = 'cancelled', stage = 'cancelled', ended_at = $3
           where tenant_id = $1 and run_id = $2 and state in ('queued', 'running')"#,
        tenant.0,
        run.0,
        now.to_sqlx() as _
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

struct RunRow {
    tenant_id: Uuid,
    run_id: Uuid,
    client: String,
    label: Option<String>,
    method: String,
    parameters: Value,
    dataset_id: Uuid,
    dataset_name: String,
    version: i32,
    code_version: String,
    seed: i64,
    input_digest: Vec<u8>,
    requested_at: jiff_sqlx::Timestamp,
    state: String,
    percent: i16,
    stage: String,
    result_file: Option<Uuid>,
    result_digest: Option<Vec<u8>>,
    figures: Option<Value>,
    started_at: Option<jiff_sqlx::Timestamp>,
    ended_at: Option<jiff_sqlx::Timestamp>,
    failure: Option<Value>,
}

impl TryFrom<RunRow> for RunRecord {
    type Error = ActuarialError;

    fn try_from(row: RunRow) -> Result<RunRecord, ActuarialError> {
        let corrupt = || ActuarialError::Corrupt("run");
        let ended_at = row.ended_at.map(|at| at.to_jiff());
        let stage = match (row.state.as_str(), ended_at, row.failure) {
            ("queued", None, None) => RunStage::Queued,
            ("running", None, None) => RunStage::Running,
            ("done", Some(at), None) => RunStage::Done {
                result: FileId(row.result_file.ok_or_else(corrupt)?),
                digest: row.result_digest.and_then(|it| it.try_into().ok()).ok_or_else(corrupt)?,
                figures: row.figures.ok_or_else(corrupt)?,
                at,
            },
            ("failed", Some(at), Some(why)) => RunStage::Failed { why, at },
            ("cancelled", Some(at), None) => RunStage::Cancelled { at },
            _ => return Err(corrupt()),
        };
        Ok(RunRecord {
            tenant: TenantId(row.tenant_id),
            run: RunId(row.run_id),
            client: row.client,
            label: row.label,
            method: Method::parse(&row.method).ok_or_else(corrupt)?,
            parameters: row.parameters,
            dataset: DatasetId(row.dataset_id),
            dataset_name: row.dataset_name,
            version: row.version,
            code_version: row.code_version,
            seed: row.seed,
            input_digest: row.input_digest.try_into().map_err(|_| corrupt())?,
            requested_at: row.requested_at.to_jiff(),
            stage,
            started_at: row.started_at.map(|at| at.to_jiff()),
            percent: row.percent,
            doing: row.stage,
        })
    }
}

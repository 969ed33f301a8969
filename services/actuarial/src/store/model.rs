//! Models.

use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use kernel::TenantId;
use pg::{Db, Tx};
use serde_json::Value;
use uuid::Uuid;

use crate::error::ActuarialError;
use crate::model::{Bounds, ModelId, Reach};
use crate::run::RunId;

/// What models are for; there is one purpose so far.
pub(crate) const PURPOSE: &str = "fraudScore";

/// A model as stored.
#[derive(Clone, Debug)]
pub struct ModelRecord {
    /// Whose.
    pub tenant: TenantId,
    /// Which.
    pub model: ModelId,
    /// Whose claims it scores.
    pub reach: Reach,
    /// Counted within its scope.
    pub version: i32,
    /// What it is, for people.
    pub title: Option<String>,
    /// The run that learnt it.
    pub run: RunId,
    /// SHA-256 of the scorer.
    pub scorer_digest: [u8; 32],
    /// Where its bands begin.
    pub bounds: Bounds,
    /// How it did beside the model in force.
    pub comparison: Option<Value>,
    /// Where it stands.
    pub state: ModelState,
    /// Who proposed it.
    pub proposed_by: String,
    /// When.
    pub proposed_at: Timestamp,
    /// Who approved or rejected it.
    pub decided_by: Option<String>,
    /// When.
    pub decided_at: Option<Timestamp>,
    /// Who replaced or withdrew it.
    pub ended_by: Option<String>,
    /// When.
    pub ended_at: Option<Timestamp>,
    /// Why it was rejected or withdrawn.
    pub reason: Option<String>,
}

/// Where a model stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ModelState {
    /// Waits for another person.
    Proposed,
    /// Scores claims.
    InForce,
    /// Came to nothing. Final.
    Rejected,
    /// A later version is in force. Final.
    Replaced,
    /// Somebody took it back. Final.
    Withdrawn,
}

/// A model that scores claims, and where it is.
#[derive(Clone, Debug)]
pub(crate) struct InForce {
    pub(crate) tenant: TenantId,
    pub(crate) model: ModelId,
    pub(crate) reach: Reach,
    pub(crate) version: i32,
    pub(crate) run: RunId,
    pub(crate) scorer_digest: [u8; 32],
    pub(crate) bounds: Bounds,
}

impl ModelState {
    const ALL: [ModelState; 5] = [
        ModelState::Proposed,
        ModelState::InForce,
        ModelState::Rejected,
        ModelState::Replaced,
        ModelState::Withdrawn,
    ];

    /// The word used in messages and storage.
    pub const fn name(self) -> &'static str {
        match self {
            ModelState::Proposed => "proposed",
            ModelState::InForce => "inForce",
            ModelState::Rejected => "rejected",
            ModelState::Replaced => "replaced",
            ModelState::Withdrawn => "withdrawn",
        }
    }

    /// The state of that word.
    pub fn parse(name: &str) -> Option<ModelState> {
        ModelState::ALL.into_iter().find(|state| state.name() == name)
    }
}

/// Models of the tenant `$1`, where the rest holds too.
macro_rules! models {
    ($rest:literal $($arguments:tt)*) => {
        sqlx::query_as!(
            ModelRow,
            r#"select tenant_id, model_id, scope, version, title, run_id, scorer_digest, review_ppm,
               high_ppm, comparison, state, proposed_by, proposed_at, decided_by, decided_at,
               ended_by, ended_at, reason
               from actuarial.model where tenant_id = $1 "# + $rest $($arguments)*
        )
    };
}

/// The version the next proposal of a scope gets. Holds the scope's row of the tenant until the end: the
/// key that is unique refuses the second of two at once, which starts over.
pub(crate) async fn next_version(
    tx: &mut Tx,
    tenant: TenantId,
    reach: Reach,
) -> Result<i32, ActuarialError> {
    let next = sqlx::query_scalar!(
        r#"select coalesce(max(version), 0) + 1 as "next!" from actuarial.model
           where tenant_id = $1 and purpose = $2 and scope = $3"#,
        tenant.0,
        PURPOSE,
        reach.name()
    );
    Ok(next.fetch_one(tx.conn()).await?)
}

/// Writes a proposal.
pub(crate) async fn insert(tx: &mut Tx, record: &ModelRecord) -> Result<(), ActuarialError> {
    sqlx::query!(
        r#"insert into actuarial.model
               (tenant_id, model_id, purpose, scope, version, title, run_id, scorer_digest,
                review_ppm, high_ppm, comparison, proposed_by, proposed_at)
           values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)"#,
        record.tenant.0,
        record.model.0,
        PURPOSE,
        record.reach.name(),
        record.version,
        record.title,
        record.run.0,
        record.scorer_digest.as_slice(),
        i32::try_from(record.bounds.review_ppm).unwrap_or(i32::MAX),
        i32::try_from(record.bounds.high_ppm).unwrap_or(i32::MAX),
        record.comparison,
        record.proposed_by,
        record.proposed_at.to_sqlx() as _
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// An own model.
pub(crate) async fn find(
    tx: &mut Tx,
    tenant: TenantId,
    model: ModelId,
) -> Result<ModelRecord, ActuarialError> {
    let row = models!("and model_id = $2", tenant.0, model.0);
    let row = row.fetch_optional(tx.conn()).await?;
    row.ok_or_else(|| ActuarialError::not_found("model", model))?.try_into()
}

/// An own model, held until the transaction ends.
pub(crate) async fn lock(
    tx: &mut Tx,
    tenant: TenantId,
    model: ModelId,
) -> Result<ModelRecord, ActuarialError> {
    let row = models!("and model_id = $2 for update", tenant.0, model.0);
    let row = row.fetch_optional(tx.conn()).await?;
    row.ok_or_else(|| ActuarialError::not_found("model", model))?.try_into()
}

/// The own model that is in force, held until the transaction ends.
pub(crate) async fn lock_in_force(
    tx: &mut Tx,
    tenant: TenantId,
    reach: Reach,
) -> Result<Option<ModelRecord>, ActuarialError> {
    let row = models!(
        "and purpose = $2 and scope = $3 and state = 'inForce' for update",
        tenant.0,
        PURPOSE,
        reach.name()
    );
    row.fetch_optional(tx.conn()).await?.map(ModelRecord::try_from).transpose()
}

/// Own models, latest first, behind the one given; in one state where asked for.
pub(crate) async fn list(
    tx: &mut Tx,
    tenant: TenantId,
    state: Option<ModelState>,
    after: Option<(Timestamp, Uuid)>,
    limit: i64,
) -> Result<Vec<ModelRecord>, ActuarialError> {
    let (after_at, after_id) = after.unzip();
    let rows = models!(
        "and ($2::text is null or state = $2)
         and ($3::timestamptz is null or (proposed_at, model_id) < ($3, $4))
         order by proposed_at desc, model_id desc
         limit $5",
        tenant.0,
        state.map(ModelState::name),
        after_at.map(|at| at.to_sqlx()) as _,
        after_id,
        limit
    );
    rows.fetch_all(tx.conn()).await?.into_iter().map(ModelRecord::try_from).collect()
}

/// Brings a model to where it stands.
pub(crate) async fn update(tx: &mut Tx, record: &ModelRecord) -> Result<(), ActuarialError> {
    sqlx::query!(
        r#"update actuarial.model
           set state = $3, decided_by = $4, decided_at = $5, ended_by = $6, ended_at = $7, reason = $8
           where tenant_id = $1 and model_id = $2"#,
        record.tenant.0,
        record.model.0,
        record.state.name(),
        record.decided_by,
        record.decided_at.map(|at| at.to_sqlx()) as _,
        record.ended_by,
        record.ended_at.map(|at| at.to_sqlx()) as _,
        record.reason
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// The models that score claims, of every tenant.
pub(crate) async fn in_force(db: &Db) -> Result<Vec<InForce>, ActuarialError> {
    let rows = sqlx::query!(
        r#"select tenant_id as "tenant_id!", model_id as "model_id!", scope as "scope!",
                  version as "version!", run_id as "run_id!", scorer_digest as "scorer_digest!",
                  review_ppm as "review_ppm!", high_ppm as "high_ppm!"
           from actuarial.models_in_force($1)"#,
        PURPOSE
    );
    let corrupt = || ActuarialError::Corrupt("model");
    let rows = rows.fetch_all(db.pool()).await?.into_iter().map(|row| {
        Ok(InForce {
            tenant: TenantId(row.tenant_id),
            model: ModelId(row.model_id),
            reach: Reach::parse(&row.scope).ok_or_else(corrupt)?,
            version: row.version,
            run: RunId(row.run_id),
            scorer_digest: row.scorer_digest.try_into().map_err(|_| corrupt())?,
            bounds: bounds(row.review_ppm, row.high_ppm).ok_or_else(corrupt)?,
        })
    });
    rows.collect()
}

fn bounds(review: i32, high: i32) -> Option<Bounds> {
    Bounds::new(u32::try_from(review).ok()?, u32::try_from(high).ok()?)
}

struct ModelRow {
    tenant_id: Uuid,
    model_id: Uuid,
    scope: String,
    version: i32,
    title: Option<String>,
    run_id: Uuid,
    scorer_digest: Vec<u8>,
    review_ppm: i32,
    high_ppm: i32,
    comparison: Option<Value>,
    state: String,
    proposed_by: String,
    proposed_at: jiff_sqlx::Timestamp,
    decided_by: Option<String>,
    decided_at: Option<jiff_sqlx::Timestamp>,
    ended_by: Option<String>,
    ended_at: Option<jiff_sqlx::Timestamp>,
    reason: Option<String>,
}

impl TryFrom<ModelRow> for ModelRecord {
    type Error = ActuarialError;

    fn try_from(row: ModelRow) -> Result<ModelRecord, ActuarialError> {
        let corrupt = || ActuarialError::Corrupt("model");
        Ok(ModelRecord {
            tenant: TenantId(row.tenant_id),
            model: ModelId(row.model_id),
            reach: Reach::parse(&row.scope).ok_or_else(corrupt)?,
            version: row.version,
            title: row.title,
            run: RunId(row.run_id),
            scorer_digest: row.scorer_digest.try_into().map_err(|_| corrupt())?,
            bounds: bounds(row.review_ppm, row.high_ppm).ok_or_else(corrupt)?,
            comparison: row.comparison,
            state: ModelState::parse(&row.state).ok_or_else(corrupt)?,
            proposed_by: row.proposed_by,
            proposed_at: row.proposed_at.to_jiff(),
            decided_by: row.decided_by,
            decided_at: row.decided_at.map(|at| at.to_jiff()),
            ended_by: row.ended_by,
            ended_at: row.ended_at.map(|at| at.to_jiff()),
            reason: row.reason,
        })
    }
}

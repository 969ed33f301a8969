//! SQL of flat rates and of the simulations they rest on.

use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use kernel::{Fen, TenantId};
use pg::Tx;
use production_core::cover::Cover;
use uuid::Uuid;

use super::stored_decision;
use crate::error::ClearingError;
use crate::settlement::decision::{Decision, Person};
use crate::settlement::flat_rule::{Change, FlatRule, FlatTerms};

/// A simulation as it was made.
#[derive(Clone, Debug)]
pub(in crate::settlement) struct SimulationRow {
    /// Names it.
    pub(in crate::settlement) simulation_id: Uuid,
    /// `000000` for the nation.
    pub(in crate::settlement) region: String,
    /// Over which time.
    pub(in crate::settlement) span: (Timestamp, Timestamp),
    /// Of which covers.
    pub(in crate::settlement) covers: Vec<Cover>,
    /// Largest item.
    pub(in crate::settlement) ceiling: Fen,
    /// The amount used.
    pub(in crate::settlement) module: Fen,
    /// The answer, JSON.
    pub(in crate::settlement) result: String,
    /// Who made it.
    pub(in crate::settlement) made_by: Person,
    /// When.
    pub(in crate::settlement) made_at: Timestamp,
}

/// Keeps a simulation.
pub(in crate::settlement) async fn insert_simulation(
    tx: &mut Tx,
    row: &SimulationRow,
) -> Result<(), ClearingError> {
    sqlx::query!(
        "insert into clearing.flat_rate_simulation
             (simulation_id, region, from_at, to_at, covers, ceiling_fen, module_fen, result,
              made_tenant, made_by, made_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8::text::json, $9, $10, $11)",
        row.simulation_id,
        row.region,
        row.span.0.to_sqlx() as _,
        row.span.1.to_sqlx() as _,
        &codes(&row.covers),
        row.ceiling.0,
        row.module.0,
        row.result,
        row.made_by.tenant.0,
        row.made_by.client,
        row.made_at.to_sqlx() as _
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// A simulation by its id.
pub(in crate::settlement) async fn find_simulation(
    tx: &mut Tx,
    simulation_id: Uuid,
) -> Result<Option<SimulationRow>, ClearingError> {
    let found = sqlx::query!(
        r#"select region, from_at as "from_at: jiff_sqlx::Timestamp",
                  to_at as "to_at: jiff_sqlx::Timestamp", covers, ceiling_fen, module_fen,
                  result::text as "result!", made_tenant, made_by,
                  made_at as "made_at: jiff_sqlx::Timestamp"
           from clearing.flat_rate_simulation where simulation_id = $1"#,
        simulation_id
    );
    let Some(row) = found.fetch_optional(tx.conn()).await? else { return Ok(None) };
    Ok(Some(SimulationRow {
        simulation_id,
        region: row.region,
        span: (row.from_at.to_jiff(), row.to_at.to_jiff()),
        covers: covers(&row.covers)?,
        ceiling: Fen(row.ceiling_fen),
        module: Fen(row.module_fen),
        result: row.result,
        made_by: Person { tenant: TenantId(row.made_tenant), client: row.made_by },
        made_at: row.made_at.to_jiff(),
    }))
}

/// A row of `clearing.flat_rate`.
struct RuleRow {
    region: String,
    version: i32,
    since: jiff_sqlx::Timestamp,
    covers: Option<Vec<String>>,
    ceiling_fen: Option<i64>,
    module_fen: Option<i64>,
    simulation_id: Option<Uuid>,
    reason: String,
    proposed_tenant: Uuid,
    proposed_by: String,
    proposed_at: jiff_sqlx::Timestamp,
    decision: Option<String>,
    decided_tenant: Option<Uuid>,
    decided_by: Option<String>,
    decided_at: Option<jiff_sqlx::Timestamp>,
    decided_reason: Option<String>,
}

impl TryFrom<RuleRow> for FlatRule {
    type Error = ClearingError;

    fn try_from(row: RuleRow) -> Result<FlatRule, ClearingError> {
        let corrupt = || ClearingError::Corrupt("flat rate");
        let change = match (row.covers, row.ceiling_fen, row.module_fen, row.simulation_id) {
            (Some(listed), Some(ceiling), Some(module), Some(simulation)) => {
                Change::Adopt(FlatTerms {
                    covers: covers(&listed)?,
                    ceiling: Fen(ceiling),
                    module: Fen(module),
                    simulation,
                })
            }
            (None, None, None, None) => Change::End,
            _ => return Err(corrupt()),
        };
        let decided = (row.decision, row.decided_tenant, row.decided_by, row.decided_at);
        let decision = stored_decision(decided, row.decided_reason).ok_or_else(corrupt)?;
        Ok(FlatRule {
            region: row.region,
            version: row.version,
            change,
            since: row.since.to_jiff(),
            reason: row.reason,
            proposed_by: Person { tenant: TenantId(row.proposed_tenant), client: row.proposed_by },
            proposed_at: row.proposed_at.to_jiff(),
            decision,
        })
    }
}

/// Every version there is, of these regions or of all, by region and version.
pub(in crate::settlement) async fn rules(
    tx: &mut Tx,
    regions: Option<&[String]>,
) -> Result<Vec<FlatRule>, ClearingError> {
    let rows = sqlx::query_as!(
        RuleRow,
        r#"select region, version, since as "since: _", covers, ceiling_fen, module_fen,
                  simulation_id, reason, proposed_tenant, proposed_by,
                  proposed_at as "proposed_at: _", decision, decided_tenant, decided_by,
                  decided_at as "decided_at: _", decided_reason
           from clearing.flat_rate
           where $1::text[] is null or region = any ($1)
           order by region, version"#,
        regions as _
    );
    rows.fetch_all(tx.conn()).await?.into_iter().map(FlatRule::try_from).collect()
}

/// Holds a region's versions until the transaction ends.
pub(in crate::settlement) async fn lock_region(
    tx: &mut Tx,
    region: &str,
) -> Result<(), ClearingError> {
    sqlx::query!(
        "select pg_advisory_xact_lock(hashtextextended('clearing.flat_rate ' || $1::text, 0))",
        region
    )
    .fetch_one(tx.conn())
    .await?;
    Ok(())
}

/// Keeps a proposed version.
pub(in crate::settlement) async fn insert_rule(
    tx: &mut Tx,
    rule: &FlatRule,
) -> Result<(), ClearingError> {
    let (change, terms) = match &rule.change {
        Change::Adopt(terms) => ("adopt", Some(terms)),
        Change::End => ("end", None),
    };
    let listed = terms.map(|terms| codes(&terms.covers));
    sqlx::query!(
        "insert into clearing.flat_rate
             (region, version, change, since, covers, ceiling_fen, module_fen, simulation_id, reason,
              proposed_tenant, proposed_by, proposed_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)",
        rule.region,
        rule.version,
        change,
        rule.since.to_sqlx() as _,
        listed.as_deref(),
        terms.map(|terms| terms.ceiling.0),
        terms.map(|terms| terms.module.0),
        terms.map(|terms| terms.simulation),
        rule.reason,
        rule.proposed_by.tenant.0,
        rule.proposed_by.client,
        rule.proposed_at.to_sqlx() as _
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Keeps what was said of a version.
pub(in crate::settlement) async fn decide_rule(
    tx: &mut Tx,
    (region, version): (&str, i32),
    decision: &Decision,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "update clearing.flat_rate
         set decision = $3, decided_tenant = $4, decided_by = $5, decided_at = $6, decided_reason = $7
         where region = $1 and version = $2 and decision is null",
        region,
        version,
        decision.verdict.code(),
        decision.by.tenant.0,
        decision.by.client,
        decision.at.to_sqlx() as _,
        decision.reason
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

fn codes(covers: &[Cover]) -> Vec<String> {
    covers.iter().map(|cover| cover.code().to_owned()).collect()
}

fn covers(codes: &[String]) -> Result<Vec<Cover>, ClearingError> {
    let read = codes.iter().map(|code| Cover::parse(code));
    read.collect::<Result<_, _>>().map_err(|_| ClearingError::Corrupt("flat rate"))
}

//! SQL of net debit caps.

use std::collections::BTreeMap;

use clearing_ledger::CycleId;
use jiff_sqlx::ToSqlx;
use kernel::{Fen, TenantId};
use pg::Tx;
use uuid::Uuid;

use super::stored_decision;
use crate::error::ClearingError;
use crate::settlement::cap::NetDebitCap;
use crate::settlement::decision::{Decision, Person};

struct CapRow {
    participant: Uuid,
    insurer: String,
    region: String,
    version: i32,
    cap_fen: Option<i64>,
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

impl TryFrom<CapRow> for NetDebitCap {
    type Error = ClearingError;

    fn try_from(row: CapRow) -> Result<NetDebitCap, ClearingError> {
        let corrupt = || ClearingError::Corrupt("net debit cap");
        let decided = (row.decision, row.decided_tenant, row.decided_by, row.decided_at);
        let decision = stored_decision(decided, row.decided_reason).ok_or_else(corrupt)?;
        Ok(NetDebitCap {
            participant: TenantId(row.participant),
            insurer: row.insurer,
            region: row.region,
            version: row.version,
            cap: row.cap_fen.map(Fen),
            reason: row.reason,
            proposed_by: Person { tenant: TenantId(row.proposed_tenant), client: row.proposed_by },
            proposed_at: row.proposed_at.to_jiff(),
            decision,
        })
    }
}

/// Every version of an insurer, of a region or of all, by region and version.
pub(in crate::settlement) async fn versions(
    tx: &mut Tx,
    participant: TenantId,
    region: Option<&str>,
) -> Result<Vec<NetDebitCap>, ClearingError> {
    let rows = sqlx::query_as!(
        CapRow,
        r#"select participant, insurer, region, version, cap_fen, reason, proposed_tenant,
                  proposed_by, proposed_at as "proposed_at: _", decision, decided_tenant,
                  decided_by, decided_at as "decided_at: _", decided_reason
           from clearing.net_debit_cap
           where participant = $1 and ($2::text is null or region = $2)
           order by region, version"#,
        participant.0,
        region
    );
    rows.fetch_all(tx.conn()).await?.into_iter().map(NetDebitCap::try_from).collect()
}

/// Holds the versions of an insurer and a region until the transaction ends.
pub(in crate::settlement) async fn lock(
    tx: &mut Tx,
    participant: TenantId,
    region: &str,
) -> Result<(), ClearingError> {
    let lock = super::lock_named(&format!("clearing.net_debit_cap/{participant}/{region}"));
    sqlx::query!("select pg_advisory_xact_lock($1)", lock).fetch_one(tx.conn()).await?;
    Ok(())
}

/// Keeps a proposed version.
pub(in crate::settlement) async fn insert(
    tx: &mut Tx,
    cap: &NetDebitCap,
) -> Result<(), ClearingError> {
    sqlx::query!(
        "insert into clearing.net_debit_cap
             (participant, insurer, region, version, cap_fen, reason, proposed_tenant, proposed_by,
              proposed_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        cap.participant.0,
        cap.insurer,
        cap.region,
        cap.version,
        cap.cap.map(|cap| cap.0),
        cap.reason,
        cap.proposed_by.tenant.0,
        cap.proposed_by.client,
        cap.proposed_at.to_sqlx() as _
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Keeps what was said of a version.
pub(in crate::settlement) async fn decide(
    tx: &mut Tx,
    cap: &NetDebitCap,
    decision: &Decision,
) -> Result<(), ClearingError> {
    sqlx::query!(
        "update clearing.net_debit_cap
         set decision = $4, decided_tenant = $5, decided_by = $6, decided_at = $7,
             decided_reason = $8
         where participant = $1 and region = $2 and version = $3 and decision is null",
        cap.participant.0,
        cap.region,
        cap.version,
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

/// The caps in force of these positions; those without one are left out.
pub(in crate::settlement) async fn of_positions(
    tx: &mut Tx,
    positions: &[(TenantId, CycleId)],
) -> Result<BTreeMap<(TenantId, CycleId), Fen>, ClearingError> {
    let (participants, cycles): (Vec<Uuid>, Vec<Uuid>) =
        positions.iter().map(|(participant, cycle)| (participant.0, cycle.0)).unzip();
    let rows = sqlx::query!(
        r#"select p.participant as "participant!", p.cycle_id as "cycle_id!",
                  held.cap_fen as "cap_fen!"
           from unnest($1::uuid[], $2::uuid[]) p (participant, cycle_id)
           join clearing.cycle c on c.cycle_id = p.cycle_id
           cross join lateral (
               select cap_fen from clearing.net_debit_cap n
               where n.participant = p.participant and n.region = c.region
                 and n.decision = 'confirm'
               order by version desc limit 1) held
           where held.cap_fen is not null"#,
        &participants,
        &cycles
    );
    let rows = rows.fetch_all(tx.conn()).await?.into_iter();
    let caps =
        rows.map(|row| ((TenantId(row.participant), CycleId(row.cycle_id)), Fen(row.cap_fen)));
    Ok(caps.collect())
}

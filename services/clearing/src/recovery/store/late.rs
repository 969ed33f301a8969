//! SQL of who is late: codes whose wait is over and nobody was told, taken and noted as told at once.

use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use pg::Tx;

use super::{RecoveryRow, StoredRecovery};
use crate::error::ClearingError;

/// Codes whose wait is over at `now` and of which nobody was told, longest over first; told from this
/// transaction on. Those another holds are left to it.
pub(in crate::recovery) async fn take_overdue(
    tx: &mut Tx,
    now: Timestamp,
    limit: i64,
) -> Result<Vec<RecoveryRow>, ClearingError> {
    let rows = sqlx::query_as!(
        StoredRecovery,
        r#"with late as materialized (
               select slot, recovery_code from clearing.recovery
               where due_at <= $1 and overdue_told_of is distinct from due_at
               order by due_at limit $2 for update skip locked)
           update clearing.recovery r set overdue_told_of = r.due_at
           from late where r.slot = late.slot and r.recovery_code = late.recovery_code
           returning r.recovery_code, r.recovering_tenant, r.recovering_insurer, r.liable_tenant,
                     r.liable_insurer, r.region, r.claim_code, r.liable_confirm_code,
                     r.recover_from, r.accident_at, r.locked_at, r.facts::text as "facts!",
                     r.life::text as "life!", r.derivation::text as "derivation", r.steps,
                     r.due_at, r.escalated_at"#,
        now.to_sqlx() as _,
        limit
    );
    rows.fetch_all(tx.conn()).await?.into_iter().map(RecoveryRow::try_from).collect()
}

/// The same of waits that are escalated.
pub(in crate::recovery) async fn take_escalated(
    tx: &mut Tx,
    now: Timestamp,
    limit: i64,
) -> Result<Vec<RecoveryRow>, ClearingError> {
    let rows = sqlx::query_as!(
        StoredRecovery,
        r#"with late as materialized (
               select slot, recovery_code from clearing.recovery
               where escalated_at <= $1 and escalated_told_of is distinct from due_at
               order by escalated_at limit $2 for update skip locked)
           update clearing.recovery r set escalated_told_of = r.due_at
           from late where r.slot = late.slot and r.recovery_code = late.recovery_code
           returning r.recovery_code, r.recovering_tenant, r.recovering_insurer, r.liable_tenant,
                     r.liable_insurer, r.region, r.claim_code, r.liable_confirm_code,
                     r.recover_from, r.accident_at, r.locked_at, r.facts::text as "facts!",
                     r.life::text as "life!", r.derivation::text as "derivation", r.steps,
                     r.due_at, r.escalated_at"#,
        now.to_sqlx() as _,
        limit
    );
    rows.fetch_all(tx.conn()).await?.into_iter().map(RecoveryRow::try_from).collect()
}

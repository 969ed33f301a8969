//! Passed checks of identity. Insert-only.

use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use kernel::TenantId;
use pg::Tx;
use production_core::number::PlatformNumber;

use crate::error::ProductionError;

/// A check an insurer says was passed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PassedCheck {
    /// `realName`, `smsCode` or `payment`.
    pub kind: String,
    /// Number it is known under where it was made.
    pub reference: String,
}

/// Writes the checks passed for an own quote.
pub async fn insert(
    tx: &mut Tx,
    query_no: PlatformNumber,
    tenant: TenantId,
    checks: &[PassedCheck],
    now: Timestamp,
) -> Result<(), ProductionError> {
    if checks.is_empty() {
        return Ok(());
    }
    let kinds: Vec<String> = checks.iter().map(|check| check.kind.clone()).collect();
    let references: Vec<String> = checks.iter().map(|check| check.reference.clone()).collect();
    sqlx::query!(
        r#"insert into production.identity_check
               (slot, query_no, kind, tenant_id, reference, recorded_at)
           select $1, $2, kind, $3, reference, $6
           from unnest($4::text[], $5::text[]) as passed (kind, reference)"#,
        i32::from(query_no.slot().0),
        query_no.to_string(),
        tenant.0,
        &kinds,
        &references,
        now.to_sqlx() as _
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// The checks passed for an own quote.
pub async fn find(
    tx: &mut Tx,
    query_no: PlatformNumber,
) -> Result<Vec<PassedCheck>, ProductionError> {
    let found = sqlx::query_as!(
        PassedCheck,
        r#"select kind, reference from production.identity_check
           where slot = $1 and query_no = $2 order by kind"#,
        i32::from(query_no.slot().0),
        query_no.to_string()
    );
    Ok(found.fetch_all(tx.conn()).await?)
}

//! SQL of the ways accidents are settled.

use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use kernel::TenantId;
use pg::Tx;

use crate::error::ClearingError;

/// Takes a way for a vehicle around a time; whether nobody goes the other way.
pub(in crate::recovery) async fn take_route(
    tx: &mut Tx,
    vehicle: [u8; 16],
    (from, to): (Timestamp, Timestamp),
    route: &str,
    (holder, tenant): (&str, TenantId),
    now: Timestamp,
) -> Result<bool, ClearingError> {
    let taken = sqlx::query!(
        r#"insert into clearing.accident_route (vehicle, around, route, holder, tenant_id, taken_at)
           values ($1, tstzrange($2, $3, '[)'), $4, $5, $6, $7)
           on conflict do nothing"#,
        vehicle.as_slice(),
        from.to_sqlx() as _,
        to.to_sqlx() as _,
        route,
        holder,
        tenant.0,
        now.to_sqlx() as _
    );
    Ok(taken.execute(tx.conn()).await?.rows_affected() == 1)
}

/// Gives back the ways a holder took.
pub(in crate::recovery) async fn release_routes(
    tx: &mut Tx,
    holder: &str,
    now: Timestamp,
) -> Result<(), ClearingError> {
    sqlx::query!(
        r#"update clearing.accident_route set released_at = $2
           where holder = $1 and released_at is null"#,
        holder,
        now.to_sqlx() as _
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

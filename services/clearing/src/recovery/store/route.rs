//! SQL of the ways accidents are settled.

use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use pg::Tx;
use production_core::mark::VehicleMark;
use production_core::number::PlatformNumber;

use crate::error::ClearingError;
use crate::recovery::route::{Taken, Way};

/// Takes a way for every mark at once, as far as nobody goes another. Answers which marks are its
/// holder's now, and whether each was not before.
pub(in crate::recovery) async fn take_way(
    tx: &mut Tx,
    way: &Way<'_>,
    (from, to): (Timestamp, Timestamp),
    now: Timestamp,
) -> Result<Vec<(Vec<u8>, bool)>, ClearingError> {
    let taken = sqlx::query!(
        r#"with held as (
               select vehicle from clearing.accident_route
               where holder = $6 and route = $4 and payer is not distinct from $5
                 and released_at is null and vehicle = any ($1)),
           taken as (
               insert into clearing.accident_route
                   (vehicle, around, route, payer, holder, tenant_id, taken_at)
               select mark, tstzrange($2, $3, '[)'), $4, $5, $6, $7, $8
               from unnest($1::bytea[]) mark
               where mark not in (select vehicle from held)
               order by mark
               on conflict do nothing
               returning vehicle)
           select vehicle as "vehicle!", false as "fresh!" from held
           union all
           select vehicle, true from taken"#,
        &bytes(way.marks),
        from.to_sqlx() as _,
        to.to_sqlx() as _,
        way.route.name(),
        way.payer.map(|payer| payer.to_string()),
        way.holder,
        way.tenant.0,
        now.to_sqlx() as _
    );
    let rows = taken.fetch_all(tx.conn()).await?;
    Ok(rows.into_iter().map(|row| (row.vehicle, row.fresh)).collect())
}

/// Who goes another way than `way`.
pub(in crate::recovery) async fn other_way(
    tx: &mut Tx,
    way: &Way<'_>,
    (from, to): (Timestamp, Timestamp),
) -> Result<Option<Taken>, ClearingError> {
    let found = sqlx::query!(
        r#"select route as "route!", holder as "holder!"
           from clearing.other_ways($1, tstzrange($2, $3, '[)'), $4, $5)
           limit 1"#,
        &bytes(way.marks),
        from.to_sqlx() as _,
        to.to_sqlx() as _,
        way.route.name(),
        way.payer.map(|payer| payer.to_string())
    );
    let Some(row) = found.fetch_optional(tx.conn()).await? else { return Ok(None) };
    let corrupt = || ClearingError::Corrupt("way of an accident");
    let route = crate::recovery::route::Route::parse(&row.route).ok_or_else(corrupt)?;
    let number = PlatformNumber::parse(&row.holder).map_err(|_| corrupt())?;
    Ok(Some(Taken { route, number }))
}

/// Gives back what a holder took of these marks on a way.
pub(in crate::recovery) async fn release_marks(
    tx: &mut Tx,
    (holder, route): (&str, &str),
    marks: &[Vec<u8>],
    now: Timestamp,
) -> Result<(), ClearingError> {
    sqlx::query!(
        r#"update clearing.accident_route set released_at = $4
           where holder = $1 and route = $2 and vehicle = any ($3) and released_at is null"#,
        holder,
        route,
        marks,
        now.to_sqlx() as _
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Gives back what a holder took on a way of any other mark than these.
pub(in crate::recovery) async fn keep_marks(
    tx: &mut Tx,
    (holder, route): (&str, &str),
    marks: &[VehicleMark],
    now: Timestamp,
) -> Result<(), ClearingError> {
    sqlx::query!(
        r#"update clearing.accident_route set released_at = $4
           where holder = $1 and route = $2 and vehicle <> all ($3) and released_at is null"#,
        holder,
        route,
        &bytes(marks),
        now.to_sqlx() as _
    )
    .execute(tx.conn())
    .await?;
    Ok(())
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

fn bytes(marks: &[VehicleMark]) -> Vec<Vec<u8>> {
    marks.iter().map(|mark| mark.bytes().to_vec()).collect()
}

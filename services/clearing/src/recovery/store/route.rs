//! SQL of the ways accidents are settled.

use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use pg::Tx;
use production_core::mark::VehicleMark;
use production_core::number::PlatformNumber;

use crate::error::ClearingError;
use crate::recovery::route::{Taken, Way};

/// Takes ways of different holders for every mark at once, as far as nobody goes another. Answers for
/// each which marks are its holder's now, and whether each was not before.
pub(in crate::recovery) async fn take_ways(
    tx: &mut Tx,
    ways: &[Way<'_>],
    around: &[(Timestamp, Timestamp)],
    now: Timestamp,
) -> Result<Vec<Vec<(Vec<u8>, bool)>>, ClearingError> {
    let mut taken: Vec<Vec<(Vec<u8>, bool)>> = vec![Vec::new(); ways.len()];
    let (mut places, mut vehicles, mut from, mut to) = (vec![], vec![], vec![], vec![]);
    let (mut routes, mut payers, mut holders, mut tenants) = (vec![], vec![], vec![], vec![]);
    for ((place, way), around) in (0i32..).zip(ways).zip(around) {
        for mark in way.marks {
            places.push(place);
            vehicles.push(mark.bytes().to_vec());
            from.push(around.0.to_sqlx());
            to.push(around.1.to_sqlx());
            routes.push(way.route.name().to_owned());
            payers.push(way.payer.map(|payer| payer.to_string()));
            holders.push(way.holder.to_owned());
            tenants.push(way.tenant.0);
        }
    }
    if places.is_empty() {
        return Ok(taken);
    }
    let rows = sqlx::query!(
        r#"with asked as (
               select * from unnest($1::integer[], $2::bytea[], $3::timestamptz[], $4::timestamptz[],
                                    $5::text[], $6::text[], $7::text[], $8::uuid[])
                   as asked (place, vehicle, from_at, to_at, route, payer, holder, tenant_id)),
           held as (
               select asked.place, asked.vehicle
               from asked cross join lateral (
                   select from clearing.accident_route way
                   where way.holder = asked.holder and way.route = asked.route
                     and way.payer is not distinct from asked.payer and way.vehicle = asked.vehicle
                     and way.released_at is null
                   limit 1) way),
           taken as (
               insert into clearing.accident_route
                   (vehicle, around, route, payer, holder, tenant_id, taken_at)
               select vehicle, tstzrange(from_at, to_at, '[)'), route, payer, holder, tenant_id, $9
               from asked
               where (place, vehicle) not in (select place, vehicle from held)
               order by vehicle, place
               on conflict do nothing
               returning vehicle, holder)
           select place as "place!", vehicle as "vehicle!", false as "fresh!" from held
           union all
           select asked.place, taken.vehicle, true
           from taken join asked on asked.holder = taken.holder and asked.vehicle = taken.vehicle"#,
        &places,
        &vehicles,
        &from as _,
        &to as _,
        &routes,
        &payers as _,
        &holders,
        &tenants,
        now.to_sqlx() as _
    );
    for row in rows.fetch_all(tx.conn()).await? {
        if let Some(taken) = usize::try_from(row.place).ok().and_then(|place| taken.get_mut(place))
        {
            taken.push((row.vehicle, row.fresh));
        }
    }
    Ok(taken)
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

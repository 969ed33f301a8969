//! SQL of cycles, and the locks on their scopes.

use std::collections::{BTreeMap, BTreeSet};

use clearing_ledger::CycleId;
use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use kernel::TenantId;
use pg::Tx;
use production_core::cover::Cover;
use uuid::Uuid;

use super::lock_named;
use super::scheme::SchemeRow;
use crate::error::ClearingError;
use crate::settlement::cycle::Cycle;

/// A row of `clearing.cycle` with the scheme it was opened under.
struct CycleRow {
    cycle_id: Uuid,
    cover: String,
    cycle_number: i32,
    opened_at: jiff_sqlx::Timestamp,
    due_at: Option<jiff_sqlx::Timestamp>,
    closed_at: Option<jiff_sqlx::Timestamp>,
    stated_at: Option<jiff_sqlx::Timestamp>,
    funds_ordered_at: Option<jiff_sqlx::Timestamp>,
    settled_at: Option<jiff_sqlx::Timestamp>,
    reconciled_at: Option<jiff_sqlx::Timestamp>,
    rest_days: Vec<jiff_sqlx::Date>,
    region: String,
    since: jiff_sqlx::Timestamp,
    division: String,
    period: String,
    confirm_days: i32,
    funds_days: i32,
    on_silence: String,
    on_failure: String,
    proposed: bool,
    set_by: String,
}

/// Cycles with the scheme they were opened under, where the rest of the statement holds too.
macro_rules! cycles {
    ($rest:literal $($arguments:tt)*) => {
        sqlx::query_as!(
            CycleRow,
            r#"select cycle_id, cover, cycle_number, opened_at as "opened_at: _",
               due_at as "due_at: _", closed_at as "closed_at: _", stated_at as "stated_at: _",
               funds_ordered_at as "funds_ordered_at: _", settled_at as "settled_at: _",
               reconciled_at as "reconciled_at: _", rest_days as "rest_days: _", region, since as "since: _", division,
               period, confirm_days, funds_days, on_silence, on_failure, proposed, set_by
               from clearing.cycle
               join clearing.scheme using (region)
               where since = scheme_since "# + $rest $($arguments)*
        )
    };
}

impl TryFrom<CycleRow> for Cycle {
    type Error = ClearingError;

    fn try_from(row: CycleRow) -> Result<Cycle, ClearingError> {
        let at = |at: Option<jiff_sqlx::Timestamp>| at.map(jiff_sqlx::Timestamp::to_jiff);
        let scheme = SchemeRow {
            region: row.region.clone(),
            since: row.since,
            division: row.division,
            period: row.period,
            confirm_days: row.confirm_days,
            funds_days: row.funds_days,
            on_silence: row.on_silence,
            on_failure: row.on_failure,
            proposed: row.proposed,
            set_by: row.set_by,
        };
        Ok(Cycle {
            id: CycleId(row.cycle_id),
            region: row.region,
            cover: row.cover,
            number: row.cycle_number,
            opened_at: row.opened_at.to_jiff(),
            due_at: at(row.due_at),
            closed_at: at(row.closed_at),
            stated_at: at(row.stated_at),
            funds_ordered_at: at(row.funds_ordered_at),
            settled_at: at(row.settled_at),
            reconciled_at: at(row.reconciled_at),
            rest_days: row.rest_days.into_iter().map(jiff_sqlx::Date::to_jiff).collect(),
            scheme: scheme.try_into()?,
        })
    }
}

fn lock_of(region: &str, cover: &str) -> i64 {
    lock_named(&format!("clearing.cycle/{region}/{cover}"))
}

/// Keeps cycles of these scopes from being closed until the transaction ends.
pub(in crate::settlement) async fn lock_scopes_shared(
    tx: &mut Tx,
    scopes: &BTreeSet<(&str, &str)>,
) -> Result<(), sqlx::Error> {
    let mut locks: Vec<i64> = scopes.iter().map(|(region, cover)| lock_of(region, cover)).collect();
    locks.sort_unstable();
    sqlx::query!(
        "select pg_advisory_xact_lock_shared(scope) from unnest($1::bigint[]) scope",
        &locks
    )
    .fetch_all(tx.conn())
    .await?;
    Ok(())
}

/// Waits until nobody posts to the scope and makes everybody wait, until the transaction ends.
pub(in crate::settlement) async fn lock_scope_alone(
    tx: &mut Tx,
    region: &str,
    cover: &str,
) -> Result<(), sqlx::Error> {
    sqlx::query!("select pg_advisory_xact_lock($1)", lock_of(region, cover))
        .fetch_one(tx.conn())
        .await?;
    Ok(())
}

/// The same for every scope a region may have.
pub(in crate::settlement) async fn lock_region_alone(
    tx: &mut Tx,
    region: &str,
) -> Result<(), sqlx::Error> {
    let covers = Cover::ALL.iter().map(|cover| cover.code()).chain([""]);
    let mut locks: Vec<i64> = covers.map(|cover| lock_of(region, cover)).collect();
    locks.sort_unstable();
    sqlx::query!("select pg_advisory_xact_lock(scope) from unnest($1::bigint[]) scope", &locks)
        .fetch_all(tx.conn())
        .await?;
    Ok(())
}

/// Open cycles of a region, or of all, by region and cover.
pub(in crate::settlement) async fn open_of(
    tx: &mut Tx,
    region: Option<&str>,
) -> Result<Vec<Cycle>, ClearingError> {
    let rows = cycles!(
        "and closed_at is null and ($1::text is null or region = $1)
         order by region, cover",
        region
    );
    rows.fetch_all(tx.conn()).await?.into_iter().map(Cycle::try_from).collect()
}

/// The open cycle of each of these scopes that has one, by region and cover.
pub(in crate::settlement) async fn open_cycles(
    tx: &mut Tx,
    scopes: &BTreeSet<(&str, &str)>,
) -> Result<BTreeMap<(String, String), CycleId>, sqlx::Error> {
    let (regions, covers): (Vec<String>, Vec<String>) =
        scopes.iter().map(|&(region, cover)| (region.to_owned(), cover.to_owned())).unzip();
    let rows = sqlx::query!(
        "select cycle_id, region, cover from clearing.cycle
         where closed_at is null
           and (region, cover) in (select * from unnest($1::text[], $2::text[]))",
        &regions,
        &covers
    );
    let rows = rows.fetch_all(tx.conn()).await?;
    Ok(rows.into_iter().map(|row| ((row.region, row.cover), CycleId(row.cycle_id))).collect())
}

/// Opens a cycle unless its scope has an open one; it gets the number after the last.
pub(in crate::settlement) async fn insert_cycle(
    tx: &mut Tx,
    cycle: &Cycle,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "insert into clearing.cycle
             (cycle_id, region, cover, cycle_number, scheme_since, opened_at, due_at)
         select $1, $2, $3, coalesce(max(cycle_number), 0) + 1, $4, $5, $6
         from clearing.cycle where region = $2 and cover = $3
         on conflict do nothing",
        cycle.id.0,
        cycle.region,
        cycle.cover,
        cycle.scheme.since.to_sqlx() as _,
        cycle.opened_at.to_sqlx() as _,
        cycle.due_at.map(ToSqlx::to_sqlx) as _
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// A cycle by its id.
pub(in crate::settlement) async fn cycle(
    tx: &mut Tx,
    cycle: CycleId,
) -> Result<Option<Cycle>, ClearingError> {
    let row = cycles!("and cycle_id = $1", cycle.0);
    row.fetch_optional(tx.conn()).await?.map(Cycle::try_from).transpose()
}

/// Lets no item into a cycle any more. The caller holds its scope alone.
pub(in crate::settlement) async fn set_closed(
    tx: &mut Tx,
    cycle: CycleId,
    at: Timestamp,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "update clearing.cycle set closed_at = $2 where cycle_id = $1",
        cycle.0,
        at.to_sqlx() as _
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// A cycle by its id; holds its row until the transaction ends.
pub(in crate::settlement) async fn lock_cycle(
    tx: &mut Tx,
    cycle: CycleId,
) -> Result<Cycle, ClearingError> {
    let row = cycles!(
        "and cycle_id = $1
         for update of cycle",
        cycle.0
    );
    let found = row.fetch_optional(tx.conn()).await?.map(Cycle::try_from).transpose()?;
    found.ok_or_else(|| ClearingError::not_found("cycle", cycle))
}

/// Cycles that were opened before `before`, the latest first; of `participant` when one is named.
pub(in crate::settlement) async fn cycles(
    tx: &mut Tx,
    participant: Option<TenantId>,
    before: CycleId,
    limit: i64,
) -> Result<Vec<Cycle>, ClearingError> {
    let rows = cycles!(
        "and cycle_id < $1
         and ($2::uuid is null
              or exists (select from clearing.account
                         where account.cycle_id = cycle.cycle_id and account.participant = $2))
         order by cycle_id desc limit $3",
        before.0,
        participant.map(|participant| participant.0),
        limit
    );
    rows.fetch_all(tx.conn()).await?.into_iter().map(Cycle::try_from).collect()
}

/// Cycles that are not settled: open ones that are due at `now`, and all that are closed.
pub(in crate::settlement) async fn under_way(
    tx: &mut Tx,
    now: Timestamp,
) -> Result<Vec<Cycle>, ClearingError> {
    let rows = cycles!(
        "and settled_at is null
         and (closed_at is not null or due_at <= $1)
         order by cycle_id",
        now.to_sqlx() as _
    );
    rows.fetch_all(tx.conn()).await?.into_iter().map(Cycle::try_from).collect()
}

/// Cycles whose money is not all where it belongs: settled or not.
pub(in crate::settlement) async fn unreconciled(tx: &mut Tx) -> Result<Vec<Cycle>, ClearingError> {
    let rows = cycles!(
        "and closed_at is not null and reconciled_at is null
         order by cycle_id"
    );
    rows.fetch_all(tx.conn()).await?.into_iter().map(Cycle::try_from).collect()
}

/// Notes that the statements were sent.
pub(in crate::settlement) async fn set_stated(
    tx: &mut Tx,
    cycle: &Cycle,
    at: Timestamp,
) -> Result<(), sqlx::Error> {
    let rest_days: Vec<_> = cycle.rest_days.iter().map(|day| day.to_sqlx()).collect();
    sqlx::query!(
        "update clearing.cycle set stated_at = $2, rest_days = $3
         where cycle_id = $1 and stated_at is null",
        cycle.id.0,
        at.to_sqlx() as _,
        &rest_days as _
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Notes that money was ordered; the first time counts.
pub(in crate::settlement) async fn set_funds_ordered(
    tx: &mut Tx,
    cycle: CycleId,
    at: Timestamp,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "update clearing.cycle set funds_ordered_at = coalesce(funds_ordered_at, $2) where cycle_id = $1",
        cycle.0,
        at.to_sqlx() as _
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Notes that every position is zero.
pub(in crate::settlement) async fn set_settled(
    tx: &mut Tx,
    cycle: CycleId,
    at: Timestamp,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "update clearing.cycle set settled_at = coalesce(settled_at, $2) where cycle_id = $1",
        cycle.0,
        at.to_sqlx() as _
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Notes that every order of money ended.
pub(in crate::settlement) async fn set_reconciled(
    tx: &mut Tx,
    cycle: CycleId,
    at: Timestamp,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "update clearing.cycle set reconciled_at = coalesce(reconciled_at, $2) where cycle_id = $1",
        cycle.0,
        at.to_sqlx() as _
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

//! SQL of settlement: schemes, cycles and items; statements, departures and funds lie below.

pub(super) mod departure;
pub(super) mod funds;
pub(super) mod statement;

use std::collections::{BTreeMap, BTreeSet};

use clearing_ledger::CycleId;
use crypto::sha256;
use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use kernel::{Fen, TenantId};
use pg::Tx;
use production_core::cover::Cover;
use uuid::Uuid;

use super::cycle::Cycle;
use super::flat_rate::Past;
use super::item::{Item, ItemDraft, ItemKind, Origin};
use super::netting::Pair;
use super::scheme::{Division, OnFailure, OnSilence, Period, Scheme};
use super::standing::{DepartureCause, Facts, ItemStanding, stage};
use crate::error::ClearingError;

/// A row of `clearing.scheme`.
struct SchemeRow {
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

impl TryFrom<SchemeRow> for Scheme {
    type Error = ClearingError;

    fn try_from(row: SchemeRow) -> Result<Scheme, ClearingError> {
        let corrupt = |_| ClearingError::Corrupt("scheme");
        Ok(Scheme {
            region: row.region,
            since: row.since.to_jiff(),
            division: Division::parse(&row.division).map_err(corrupt)?,
            period: Period::parse(&row.period).map_err(corrupt)?,
            confirm_days: row.confirm_days,
            funds_days: row.funds_days,
            on_silence: OnSilence::parse(&row.on_silence).map_err(corrupt)?,
            on_failure: OnFailure::parse(&row.on_failure).map_err(corrupt)?,
            proposed: row.proposed,
            set_by: row.set_by,
        })
    }
}

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
            scheme: scheme.try_into()?,
        })
    }
}

/// A row of `clearing.item`.
struct ItemRow {
    item_id: Uuid,
    cycle_id: Uuid,
    kind: String,
    reference: String,
    payer: Uuid,
    payer_insurer: String,
    payee: Uuid,
    payee_insurer: String,
    cover: String,
    region: String,
    amount_fen: i64,
    claim_codes: Vec<String>,
    reverses: Option<Uuid>,
    again: Option<Uuid>,
    posted_at: jiff_sqlx::Timestamp,
}

impl TryFrom<ItemRow> for Item {
    type Error = ClearingError;

    fn try_from(row: ItemRow) -> Result<Item, ClearingError> {
        let corrupt = |_| ClearingError::Corrupt("item");
        let origin = match (row.reverses, row.again) {
            (None, None) => Origin::New,
            (Some(item), None) => Origin::Reverses(item),
            (None, Some(item)) => Origin::Again(item),
            (Some(_), Some(_)) => return Err(ClearingError::Corrupt("item")),
        };
        Ok(Item {
            draft: ItemDraft {
                item_id: row.item_id,
                kind: ItemKind::parse(&row.kind).map_err(corrupt)?,
                reference: row.reference,
                payer: TenantId(row.payer),
                payer_insurer: row.payer_insurer,
                payee: TenantId(row.payee),
                payee_insurer: row.payee_insurer,
                cover: Cover::parse(&row.cover).map_err(corrupt)?,
                region: row.region,
                amount: Fen(row.amount_fen),
                claim_codes: row.claim_codes,
            },
            origin,
            cycle: CycleId(row.cycle_id),
            posted_at: row.posted_at.to_jiff(),
        })
    }
}

/// Advisory locks are numbers: the first quarter of the digest of a name.
fn lock_named(name: &str) -> i64 {
    let mut first = [0; 8];
    first.copy_from_slice(&sha256(name.as_bytes()).0[..8]);
    i64::from_be_bytes(first)
}

fn lock_of(region: &str, cover: &str) -> i64 {
    lock_named(&format!("clearing.cycle/{region}/{cover}"))
}

/// Keeps cycles of these scopes from being closed until the transaction ends.
pub(super) async fn lock_scopes_shared(
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
pub(super) async fn lock_scope_alone(
    tx: &mut Tx,
    region: &str,
    cover: &str,
) -> Result<(), sqlx::Error> {
    sqlx::query!("select pg_advisory_xact_lock($1)", lock_of(region, cover))
        .fetch_one(tx.conn())
        .await?;
    Ok(())
}

/// The scheme of each of `regions` in force at an instant; a region may have none.
pub(super) async fn schemes_at(
    tx: &mut Tx,
    regions: impl Iterator<Item = &str>,
    at: Timestamp,
) -> Result<Vec<Scheme>, ClearingError> {
    let regions: Vec<String> = regions.map(str::to_owned).collect();
    let rows = sqlx::query_as!(
        SchemeRow,
        r#"select distinct on (region) region, since as "since: _", division, period, confirm_days,
                  funds_days, on_silence, on_failure, proposed, set_by
           from clearing.scheme where region = any($1) and since <= $2
           order by region, since desc"#,
        &regions,
        at.to_sqlx() as _
    );
    rows.fetch_all(tx.conn()).await?.into_iter().map(Scheme::try_from).collect()
}

/// The scheme of a region in force at an instant.
pub(super) async fn scheme_at(
    tx: &mut Tx,
    region: &str,
    at: Timestamp,
) -> Result<Option<Scheme>, ClearingError> {
    Ok(schemes_at(tx, std::iter::once(region), at).await?.pop())
}

/// The open cycle of each of these scopes that has one, by region and cover.
pub(super) async fn open_cycles(
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
pub(super) async fn insert_cycle(tx: &mut Tx, cycle: &Cycle) -> Result<(), sqlx::Error> {
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
pub(super) async fn cycle(tx: &mut Tx, cycle: CycleId) -> Result<Option<Cycle>, ClearingError> {
    let row = sqlx::query_as!(
        CycleRow,
        r#"select cycle_id, cover, cycle_number, opened_at as "opened_at: _",
                  due_at as "due_at: _", closed_at as "closed_at: _", stated_at as "stated_at: _",
                  funds_ordered_at as "funds_ordered_at: _", settled_at as "settled_at: _",
                  reconciled_at as "reconciled_at: _", region, since as "since: _", division,
                  period, confirm_days, funds_days, on_silence, on_failure, proposed, set_by
           from clearing.cycle
           join clearing.scheme using (region)
           where cycle_id = $1 and since = scheme_since"#,
        cycle.0
    );
    row.fetch_optional(tx.conn()).await?.map(Cycle::try_from).transpose()
}

/// Lets no item into a cycle any more. The caller holds its scope alone.
pub(super) async fn set_closed(
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

/// Items by their ids, in no order.
pub(super) async fn items(tx: &mut Tx, items: &[Uuid]) -> Result<Vec<Item>, ClearingError> {
    let rows = sqlx::query_as!(
        ItemRow,
        r#"select item_id, cycle_id, kind, reference, payer, payer_insurer, payee, payee_insurer,
                  cover, region, amount_fen, claim_codes, reverses, again,
                  posted_at as "posted_at: _"
           from clearing.item where item_id = any($1)"#,
        items
    );
    rows.fetch_all(tx.conn()).await?.into_iter().map(Item::try_from).collect()
}

/// Writes new items, in order.
pub(super) async fn insert_items(tx: &mut Tx, items: &[Item]) -> Result<(), sqlx::Error> {
    let text = |of: fn(&Item) -> &str| items.iter().map(|item| of(item).to_owned()).collect();
    let ids = |of: fn(&Item) -> Uuid| -> Vec<Uuid> { items.iter().map(of).collect() };
    let kinds: Vec<String> = text(|item| item.draft.kind.code());
    let references: Vec<String> = text(|item| &item.draft.reference);
    let payer_insurers: Vec<String> = text(|item| &item.draft.payer_insurer);
    let payee_insurers: Vec<String> = text(|item| &item.draft.payee_insurer);
    let covers: Vec<String> = text(|item| item.draft.cover.code());
    let regions: Vec<String> = text(|item| &item.draft.region);
    let amounts: Vec<i64> = items.iter().map(|item| item.draft.amount.0).collect();
    // Lists of different lengths do not fit an array of arrays: they travel as JSON.
    let claims: Vec<String> = items.iter().map(|item| json_list(&item.draft.claim_codes)).collect();
    let origin = |of: fn(Origin) -> Option<Uuid>| -> Vec<Option<Uuid>> {
        items.iter().map(|item| of(item.origin)).collect()
    };
    let reverses = origin(|origin| match origin {
        Origin::Reverses(item) => Some(item),
        Origin::New | Origin::Again(_) => None,
    });
    let again = origin(|origin| match origin {
        Origin::Again(item) => Some(item),
        Origin::New | Origin::Reverses(_) => None,
    });
    let posted_at: Vec<_> = items.iter().map(|item| item.posted_at.to_sqlx()).collect();
    sqlx::query!(
        "insert into clearing.item
             (item_id, cycle_id, kind, reference, payer, payer_insurer, payee, payee_insurer, cover,
              region, amount_fen, claim_codes, reverses, again, posted_at)
         select item_id, cycle_id, kind, reference, payer, payer_insurer, payee, payee_insurer,
                cover, region, amount_fen,
                array(select json_array_elements_text(claim_codes::json)), reverses, again,
                posted_at
         from unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::uuid[], $6::text[],
                     $7::uuid[], $8::text[], $9::text[], $10::text[], $11::bigint[], $12::text[],
                     $13::uuid[], $14::uuid[], $15::timestamptz[]) with ordinality as posted
             (item_id, cycle_id, kind, reference, payer, payer_insurer, payee, payee_insurer, cover,
              region, amount_fen, claim_codes, reverses, again, posted_at, place)
         order by place",
        &ids(|item| item.draft.item_id),
        &ids(|item| item.cycle.0),
        &kinds,
        &references,
        &ids(|item| item.draft.payer.0),
        &payer_insurers,
        &ids(|item| item.draft.payee.0),
        &payee_insurers,
        &covers,
        &regions,
        &amounts,
        &claims,
        &reverses as _,
        &again as _,
        &posted_at as _
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

fn json_list(list: &[String]) -> String {
    // A list of strings always serialises.
    serde_json::to_string(list).unwrap_or_default()
}

/// What new items between two insurers under one cover come to.
struct PairSum<'a> {
    first: &'a Item,
    items: i64,
    amount: i64,
}

/// Adds items to what their pairs come to, in the order of the pairs.
pub(super) async fn add_to_pairs(tx: &mut Tx, items: &[Item]) -> Result<(), ClearingError> {
    let mut sums: BTreeMap<_, PairSum<'_>> = BTreeMap::new();
    for item in items {
        let draft = &item.draft;
        let sum = sums
            .entry((item.cycle, draft.payer, draft.payee, draft.cover))
            .or_insert(PairSum { first: item, items: 0, amount: 0 });
        sum.items += 1;
        let more = sum.amount.checked_add(draft.amount.0);
        sum.amount = more.ok_or(ClearingError::Corrupt("sum of items"))?;
    }
    let of =
        |key: fn(&Item) -> Uuid| -> Vec<Uuid> { sums.values().map(|sum| key(sum.first)).collect() };
    let text = |of: fn(&Item) -> &str| -> Vec<String> {
        sums.values().map(|sum| of(sum.first).to_owned()).collect()
    };
    sqlx::query!(
        "insert into clearing.pair as pair
             (cycle_id, payer, payee, cover, payer_insurer, payee_insurer, items, amount_fen)
         select * from unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::text[], $5::text[],
                              $6::text[], $7::bigint[], $8::bigint[])
         on conflict (cycle_id, payer, payee, cover) do update
         set items = pair.items + excluded.items, amount_fen = pair.amount_fen + excluded.amount_fen",
        &of(|item| item.cycle.0),
        &of(|item| item.draft.payer.0),
        &of(|item| item.draft.payee.0),
        &text(|item| item.draft.cover.code()),
        &text(|item| &item.draft.payer_insurer),
        &text(|item| &item.draft.payee_insurer),
        &sums.values().map(|sum| sum.items).collect::<Vec<i64>>(),
        &sums.values().map(|sum| sum.amount).collect::<Vec<i64>>()
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Where items stand, in no order: for each the last that was put in again for it.
pub(super) async fn standings(
    tx: &mut Tx,
    items: &[Uuid],
) -> Result<Vec<ItemStanding>, ClearingError> {
    let rows = sqlx::query!(
        r#"with recursive line as (
               select item_id as asked, item_id, 0 as step
               from clearing.item where item_id = any($1)
               union all
               select line.asked, item.item_id, line.step + 1
               from line join clearing.item on item.again = line.item_id
           ),
           last as (select distinct on (asked) asked, item_id from line order by asked, step desc)
           select asked as "asked!", item.item_id, item.cycle_id, item.amount_fen,
                  cycle.closed_at is not null as "closed!",
                  cycle.stated_at is not null as "stated!",
                  cycle.funds_ordered_at is not null as "funds_ordered!",
                  cycle.settled_at is not null as "settled!",
                  departure.cause as "cause?",
                  coalesce((select sum(taken_back.amount_fen) from clearing.item taken_back
                            where taken_back.reverses = item.item_id), 0)::bigint as "reversed!",
                  -- A participant sees its own statement alone: then the other's is not known.
                  (select count(*) from clearing.confirmation
                   where confirmation.cycle_id = item.cycle_id
                     and confirmation.participant in (item.payer, item.payee)
                     and confirmation.revision = (
                         select max(revision) from clearing.statement
                         where statement.cycle_id = confirmation.cycle_id
                           and statement.participant = confirmation.participant)) = 2
                      as "both_confirmed!"
           from last
           join clearing.item using (item_id)
           join clearing.cycle using (cycle_id)
           left join clearing.departure using (item_id)"#,
        items
    );
    let standings = rows.fetch_all(tx.conn()).await?.into_iter().map(|row| {
        let cause = row.cause.as_deref().map(DepartureCause::parse).transpose();
        let left = cause.map_err(|_| ClearingError::Corrupt("departure"))?;
        let facts = Facts {
            left,
            reversed_whole: row.reversed == row.amount_fen,
            closed: row.closed,
            stated: row.stated,
            both_confirmed: row.both_confirmed,
            funds_ordered: row.funds_ordered,
            settled: row.settled,
        };
        Ok(ItemStanding {
            item_id: row.asked,
            current: row.item_id,
            cycle: CycleId(row.cycle_id),
            stage: stage(facts),
            reversed: Fen(row.reversed),
        })
    });
    standings.collect()
}

/// A cycle by its id; holds its row until the transaction ends.
pub(super) async fn lock_cycle(tx: &mut Tx, cycle: CycleId) -> Result<Cycle, ClearingError> {
    let row = sqlx::query_as!(
        CycleRow,
        r#"select cycle_id, cover, cycle_number, opened_at as "opened_at: _",
                  due_at as "due_at: _", closed_at as "closed_at: _", stated_at as "stated_at: _",
                  funds_ordered_at as "funds_ordered_at: _", settled_at as "settled_at: _",
                  reconciled_at as "reconciled_at: _", region, since as "since: _", division,
                  period, confirm_days, funds_days, on_silence, on_failure, proposed, set_by
           from clearing.cycle
           join clearing.scheme using (region)
           where cycle_id = $1 and since = scheme_since
           for update of cycle"#,
        cycle.0
    );
    let found = row.fetch_optional(tx.conn()).await?.map(Cycle::try_from).transpose()?;
    found.ok_or_else(|| ClearingError::not_found("cycle", cycle))
}

/// Cycles that were opened before `before`, the latest first; of `participant` when one is named.
pub(super) async fn cycles(
    tx: &mut Tx,
    participant: Option<TenantId>,
    before: CycleId,
    limit: i64,
) -> Result<Vec<Cycle>, ClearingError> {
    let rows = sqlx::query_as!(
        CycleRow,
        r#"select cycle_id, cover, cycle_number, opened_at as "opened_at: _",
                  due_at as "due_at: _", closed_at as "closed_at: _", stated_at as "stated_at: _",
                  funds_ordered_at as "funds_ordered_at: _", settled_at as "settled_at: _",
                  reconciled_at as "reconciled_at: _", region, since as "since: _", division,
                  period, confirm_days, funds_days, on_silence, on_failure, proposed, set_by
           from clearing.cycle
           join clearing.scheme using (region)
           where since = scheme_since and cycle_id < $1
             and ($2::uuid is null
                  or exists (select from clearing.account
                             where account.cycle_id = cycle.cycle_id
                               and account.participant = $2))
           order by cycle_id desc limit $3"#,
        before.0,
        participant.map(|participant| participant.0),
        limit
    );
    rows.fetch_all(tx.conn()).await?.into_iter().map(Cycle::try_from).collect()
}

/// Cycles that are not settled: open ones that are due at `now`, and all that are closed.
pub(super) async fn under_way(tx: &mut Tx, now: Timestamp) -> Result<Vec<Cycle>, ClearingError> {
    let rows = sqlx::query_as!(
        CycleRow,
        r#"select cycle_id, cover, cycle_number, opened_at as "opened_at: _",
                  due_at as "due_at: _", closed_at as "closed_at: _", stated_at as "stated_at: _",
                  funds_ordered_at as "funds_ordered_at: _", settled_at as "settled_at: _",
                  reconciled_at as "reconciled_at: _", region, since as "since: _", division,
                  period, confirm_days, funds_days, on_silence, on_failure, proposed, set_by
           from clearing.cycle
           join clearing.scheme using (region)
           where since = scheme_since and settled_at is null
             and (closed_at is not null or due_at <= $1)
           order by cycle_id"#,
        now.to_sqlx() as _
    );
    rows.fetch_all(tx.conn()).await?.into_iter().map(Cycle::try_from).collect()
}

/// Cycles whose money is not all where it belongs: settled or not.
pub(super) async fn unreconciled(tx: &mut Tx) -> Result<Vec<Cycle>, ClearingError> {
    let rows = sqlx::query_as!(
        CycleRow,
        r#"select cycle_id, cover, cycle_number, opened_at as "opened_at: _",
                  due_at as "due_at: _", closed_at as "closed_at: _", stated_at as "stated_at: _",
                  funds_ordered_at as "funds_ordered_at: _", settled_at as "settled_at: _",
                  reconciled_at as "reconciled_at: _", region, since as "since: _", division,
                  period, confirm_days, funds_days, on_silence, on_failure, proposed, set_by
           from clearing.cycle
           join clearing.scheme using (region)
           where since = scheme_since and closed_at is not null and reconciled_at is null
           order by cycle_id"#
    );
    rows.fetch_all(tx.conn()).await?.into_iter().map(Cycle::try_from).collect()
}

/// Every scheme there is or was, by region, the latest first.
pub(super) async fn schemes(tx: &mut Tx) -> Result<Vec<Scheme>, ClearingError> {
    let rows = sqlx::query_as!(
        SchemeRow,
        r#"select region, since as "since: _", division, period, confirm_days, funds_days,
                  on_silence, on_failure, proposed, set_by
           from clearing.scheme order by region, since desc"#
    );
    rows.fetch_all(tx.conn()).await?.into_iter().map(Scheme::try_from).collect()
}

/// Adds a scheme; it holds for cycles that open from its instant on.
pub(super) async fn insert_scheme(tx: &mut Tx, scheme: &Scheme) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "insert into clearing.scheme
             (region, since, division, period, confirm_days, funds_days, on_silence, on_failure,
              proposed, set_by)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
        scheme.region,
        scheme.since.to_sqlx() as _,
        scheme.division.code(),
        scheme.period.code(),
        scheme.confirm_days,
        scheme.funds_days,
        scheme.on_silence.code(),
        scheme.on_failure.code(),
        scheme.proposed,
        scheme.set_by
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// The pairs of a cycle that the transaction may see.
pub(super) async fn pairs(tx: &mut Tx, cycle: CycleId) -> Result<Vec<Pair>, ClearingError> {
    let rows = sqlx::query!(
        "select payer, payer_insurer, payee, payee_insurer, cover, items, amount_fen
         from clearing.pair where cycle_id = $1 order by payer, payee, cover",
        cycle.0
    );
    let rows = rows.fetch_all(tx.conn()).await?.into_iter().map(|row| {
        Ok(Pair {
            payer: TenantId(row.payer),
            payer_insurer: row.payer_insurer,
            payee: TenantId(row.payee),
            payee_insurer: row.payee_insurer,
            cover: Cover::parse(&row.cover).map_err(|_| ClearingError::Corrupt("pair"))?,
            items: row.items,
            amount: Fen(row.amount_fen),
        })
    });
    rows.collect()
}

/// The tenant of an insurer that ever owed or was owed something.
pub(super) async fn tenant_of(tx: &mut Tx, insurer: &str) -> Result<Option<TenantId>, sqlx::Error> {
    let found = sqlx::query_scalar!(
        r#"select payer as "tenant!" from clearing.pair where payer_insurer = $1
           union select payee from clearing.pair where payee_insurer = $1 limit 1"#,
        insurer
    );
    Ok(found.fetch_optional(tx.conn()).await?.map(TenantId))
}

/// Which items of a cycle are wanted.
#[derive(Clone, Debug)]
pub(super) struct Wanted<'a> {
    pub(super) cycle: CycleId,
    /// Whose; both sides count.
    pub(super) participant: TenantId,
    /// The code of the other side.
    pub(super) counterparty: Option<&'a str>,
    pub(super) cover: Option<&'a str>,
    /// Posted later than this place.
    pub(super) after: i64,
    pub(super) limit: i64,
}

/// Items of a participant in a cycle with their places, in the order they were posted.
pub(super) async fn items_of(
    tx: &mut Tx,
    wanted: &Wanted<'_>,
) -> Result<Vec<(i64, Item)>, ClearingError> {
    let rows = sqlx::query!(
        r#"select item, item_id, cycle_id, kind, reference, payer, payer_insurer, payee,
                  payee_insurer, cover, region, amount_fen, claim_codes, reverses, again,
                  posted_at as "posted_at: jiff_sqlx::Timestamp"
           from clearing.item
           where cycle_id = $1 and $3 < item and ($4::text is null or cover = $4)
             and ((payer = $2 and ($5::text is null or payee_insurer = $5))
                  or (payee = $2 and ($5::text is null or payer_insurer = $5)))
           order by item limit $6"#,
        wanted.cycle.0,
        wanted.participant.0,
        wanted.after,
        wanted.cover,
        wanted.counterparty,
        wanted.limit
    );
    let rows = rows.fetch_all(tx.conn()).await?.into_iter().map(|row| {
        let item = ItemRow {
            item_id: row.item_id,
            cycle_id: row.cycle_id,
            kind: row.kind,
            reference: row.reference,
            payer: row.payer,
            payer_insurer: row.payer_insurer,
            payee: row.payee,
            payee_insurer: row.payee_insurer,
            cover: row.cover,
            region: row.region,
            amount_fen: row.amount_fen,
            claim_codes: row.claim_codes,
            reverses: row.reverses,
            again: row.again,
            posted_at: row.posted_at,
        };
        Ok((row.item, item.try_into()?))
    });
    rows.collect()
}

/// Notes that the statements were sent.
pub(super) async fn set_stated(
    tx: &mut Tx,
    cycle: CycleId,
    at: Timestamp,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "update clearing.cycle set stated_at = coalesce(stated_at, $2) where cycle_id = $1",
        cycle.0,
        at.to_sqlx() as _
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Notes that money was ordered; the first time counts.
pub(super) async fn set_funds_ordered(
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
pub(super) async fn set_settled(
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
pub(super) async fn set_reconciled(
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

/// What items posted in a time came to between insurers, those up to `ceiling` apart; without items
/// that left their cycle, were taken back, or take something back.
pub(super) async fn past(
    tx: &mut Tx,
    (from, to): (Timestamp, Timestamp),
    covers: &[Cover],
    ceiling: Fen,
) -> Result<Vec<Past>, sqlx::Error> {
    let covers: Vec<String> = covers.iter().map(|cover| cover.code().to_owned()).collect();
    let rows = sqlx::query!(
        r#"select payer, payer_insurer, payee, payee_insurer,
                  count(*) filter (where amount_fen <= $4) as "small_items!",
                  coalesce(sum(amount_fen) filter (where amount_fen <= $4), 0)::bigint as "small!",
                  count(*) filter (where $4 < amount_fen) as "large_items!",
                  coalesce(sum(amount_fen) filter (where $4 < amount_fen), 0)::bigint as "large!"
           from clearing.item
           where $1 <= posted_at and posted_at < $2 and cover = any($3)
             and kind in ('recovery', 'arbitration')
             and not exists (select from clearing.departure gone where gone.item_id = item.item_id)
             and not exists (select from clearing.item back where back.reverses = item.item_id)
           group by payer, payer_insurer, payee, payee_insurer"#,
        from.to_sqlx() as _,
        to.to_sqlx() as _,
        &covers,
        ceiling.0
    );
    let rows = rows.fetch_all(tx.conn()).await?.into_iter().map(|row| Past {
        payer: TenantId(row.payer),
        payer_insurer: row.payer_insurer,
        payee: TenantId(row.payee),
        payee_insurer: row.payee_insurer,
        small_items: row.small_items,
        small: Fen(row.small),
        large_items: row.large_items,
        large: Fen(row.large),
    });
    Ok(rows.collect())
}

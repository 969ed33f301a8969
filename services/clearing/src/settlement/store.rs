//! SQL of settlement: items and pairs; schemes, cycles, statements, departures and funds lie below.

pub(super) mod cap;
pub(super) mod cycle;
pub(super) mod departure;
pub(super) mod flat_rate;
pub(super) mod funds;
pub(super) mod scheme;
pub(super) mod statement;

use std::collections::BTreeMap;

use clearing_ledger::CycleId;
use crypto::sha256;
use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use kernel::{Fen, TenantId};
use pg::Tx;
use production_core::cover::Cover;
use uuid::Uuid;

use super::decision::{Decision, Person, Verdict};
use super::flat_rate::Past;
use super::item::{Item, ItemDraft, ItemKind, Origin};
use super::netting::Pair;
use super::standing::{DepartureCause, Facts, ItemStanding, stage};
use crate::error::ClearingError;

/// What was said of a version: how, of which body, by whom and when, all of them or none, and why.
/// `None` when the columns contradict each other.
fn stored_decision(
    decided: (Option<String>, Option<Uuid>, Option<String>, Option<jiff_sqlx::Timestamp>),
    reason: Option<String>,
) -> Option<Option<Decision>> {
    match decided {
        (Some(verdict), Some(tenant), Some(client), Some(at)) => Some(Some(Decision {
            verdict: Verdict::parse(&verdict).ok()?,
            by: Person { tenant: TenantId(tenant), client },
            at: at.to_jiff(),
            reason,
        })),
        (None, None, None, None) => Some(None),
        _ => None,
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

/// What items posted in a time, of a region or of all, came to between insurers, those up to
/// `ceiling` apart; without items that left their cycle, were taken back, or take something back.
pub(super) async fn past(
    tx: &mut Tx,
    (from, to): (Timestamp, Timestamp),
    covers: &[Cover],
    region: Option<&str>,
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
             and ($5::text is null or region = $5)
             and kind in ('recovery', 'arbitration')
             and not exists (select from clearing.departure gone where gone.item_id = item.item_id)
             and not exists (select from clearing.item back where back.reverses = item.item_id)
           group by payer, payer_insurer, payee, payee_insurer"#,
        from.to_sqlx() as _,
        to.to_sqlx() as _,
        &covers,
        ceiling.0,
        region
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

//! SQL of items that leave their cycle and items that are taken back.

use std::collections::BTreeSet;

use clearing_ledger::CycleId;
use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use kernel::{Fen, TenantId};
use pg::Tx;
use uuid::Uuid;

use crate::error::ClearingError;
use crate::settlement::departure::Departure;
use crate::settlement::item::Item;
use crate::settlement::standing::DepartureCause;

/// Which of `items` left their cycle, and why.
pub(in crate::settlement) async fn of_items(
    tx: &mut Tx,
    items: &BTreeSet<Uuid>,
) -> Result<Vec<Departure>, ClearingError> {
    let items: Vec<Uuid> = items.iter().copied().collect();
    let rows = sqlx::query!(
        "select item_id, cause, participant, reason, note
         from clearing.departure where item_id = any($1)",
        &items
    );
    let rows = rows.fetch_all(tx.conn()).await?.into_iter().map(|row| {
        Ok(Departure {
            item: row.item_id,
            cause: DepartureCause::parse(&row.cause)
                .map_err(|_| ClearingError::Corrupt("departure"))?,
            participant: TenantId(row.participant),
            reason: row.reason,
            note: row.note,
        })
    });
    rows.collect()
}

/// Notes that items left.
pub(in crate::settlement) async fn insert(
    tx: &mut Tx,
    cycle: CycleId,
    departures: &[Departure],
    at: Timestamp,
) -> Result<(), sqlx::Error> {
    let items: Vec<Uuid> = departures.iter().map(|departure| departure.item).collect();
    let participants: Vec<Uuid> = departures.iter().map(|one| one.participant.0).collect();
    let text = |of: fn(&Departure) -> &str| -> Vec<String> {
        departures.iter().map(|departure| of(departure).to_owned()).collect()
    };
    sqlx::query!(
        "insert into clearing.departure
             (item_id, cycle_id, cause, participant, reason, note, left_at)
         select item_id, $1, cause, participant, reason, note, $2
         from unnest($3::uuid[], $4::text[], $5::uuid[], $6::text[], $7::text[])
             as gone (item_id, cause, participant, reason, note)",
        cycle.0,
        at.to_sqlx() as _,
        &items,
        &text(|departure| departure.cause.code()),
        &participants,
        &text(|departure| &departure.reason),
        &text(|departure| &departure.note)
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Notes that everything of a participant that is still in a cycle left it because it failed.
pub(in crate::settlement) async fn insert_all_of(
    tx: &mut Tx,
    cycle: CycleId,
    participant: TenantId,
    note: &str,
    at: Timestamp,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "insert into clearing.departure
             (item_id, cycle_id, cause, participant, reason, note, left_at)
         select item_id, cycle_id, 'unwound', $2, 'failure', $3, $4
         from clearing.item
         where cycle_id = $1 and (payer = $2 or payee = $2)
           and not exists (select from clearing.departure gone where gone.item_id = item.item_id)",
        cycle.0,
        participant.0,
        note,
        at.to_sqlx() as _
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Takes items out of what their pairs come to.
pub(in crate::settlement) async fn take_from_pairs(
    tx: &mut Tx,
    items: &[Item],
) -> Result<(), sqlx::Error> {
    let ids: Vec<Uuid> = items.iter().map(|item| item.draft.item_id).collect();
    sqlx::query!(
        "update clearing.pair
         set items = pair.items - gone.items, amount_fen = pair.amount_fen - gone.amount_fen
         from (select cycle_id, payer, payee, cover, count(*) as items,
                      sum(amount_fen)::bigint as amount_fen
               from clearing.item where item_id = any($1)
               group by cycle_id, payer, payee, cover) gone
         where pair.cycle_id = gone.cycle_id and pair.payer = gone.payer
           and pair.payee = gone.payee and pair.cover = gone.cover",
        &ids
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Leaves nothing in the pairs of a participant.
pub(in crate::settlement) async fn empty_pairs_of(
    tx: &mut Tx,
    cycle: CycleId,
    participant: TenantId,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "update clearing.pair set items = 0, amount_fen = 0
         where cycle_id = $1 and (payer = $2 or payee = $2)",
        cycle.0,
        participant.0
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Makes others that take back this item wait until the transaction ends. Items have no row lock:
/// nobody may update them.
pub(in crate::settlement) async fn lock_item(tx: &mut Tx, item: Uuid) -> Result<(), sqlx::Error> {
    let lock = super::lock_named(&format!("clearing.item/{item}"));
    sqlx::query!("select pg_advisory_xact_lock($1)", lock).fetch_one(tx.conn()).await?;
    Ok(())
}

/// How much of an item later items took back.
pub(in crate::settlement) async fn reversed(tx: &mut Tx, item: Uuid) -> Result<Fen, sqlx::Error> {
    let sum = sqlx::query_scalar!(
        r#"select coalesce(sum(amount_fen), 0)::bigint as "sum!"
           from clearing.item where reverses = $1"#,
        item
    );
    Ok(Fen(sum.fetch_one(tx.conn()).await?))
}

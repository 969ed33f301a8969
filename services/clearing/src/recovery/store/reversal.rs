//! SQL of what was taken back of agreed amounts, and what claims know of it.

use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use kernel::{Fen, TenantId};
use pg::Tx;
use uuid::Uuid;

use super::{UntoldItem, from, number};
use crate::error::ClearingError;

/// An item that takes an agreed amount back, or part of it, and of which the claim does not know.
#[derive(Clone, Debug)]
pub(in crate::recovery) struct Reversal {
    /// Names it.
    pub(in crate::recovery) reversal_id: Uuid,
    /// How much it takes back.
    pub(in crate::recovery) amount: Fen,
    /// Counted from 1 among all that take back of the same.
    pub(in crate::recovery) number: i32,
    /// What those before it took back.
    pub(in crate::recovery) before: Fen,
    /// The agreed amount.
    pub(in crate::recovery) of: UntoldItem,
    /// Whether the claim was told that it came.
    pub(in crate::recovery) is_told: bool,
}

/// Everything that was taken back and that no claim knows of, in the order it was posted.
pub(in crate::recovery) async fn unknown(tx: &mut Tx) -> Result<Vec<Reversal>, ClearingError> {
    let rows = sqlx::query!(
        r#"with recursive back as (
               select r.item_id as reversal_id, r.amount_fen, r.item as place,
                      r.reverses as current, r.reverses as item_id
               from clearing.item r
               where r.reverses is not null
                 and not exists (select from clearing.recovery_reversal known
                                 where known.reversal_id = r.item_id)
               union all
               -- What was taken back may have been put in again for what was agreed.
               select back.reversal_id, back.amount_fen, back.place, back.current, item.again
               from back join clearing.item on item.item_id = back.item_id
               where item.again is not null
           )
           select back.reversal_id as "reversal_id!", back.amount_fen as "amount_fen!",
                  (select count(*) from clearing.item e
                   where e.reverses = back.current and e.item <= back.place)::int as "number!",
                  coalesce((select sum(e.amount_fen) from clearing.item e
                            where e.reverses = back.current and e.item < back.place), 0)::bigint
                      as "before_fen!",
                  i.item_id, i.recovery_code, i.round, i.amount_fen as of_fen, i.settles_fen,
                  i.tells_fen, i.told_at is not null as "is_told!", r.recovering_tenant,
                  r.claim_code, r.recover_from
           from back
           join clearing.recovery_item i on i.item_id = back.item_id
           join clearing.recovery r using (slot, recovery_code)
           order by back.place"#
    );
    let rows = rows.fetch_all(tx.conn()).await?.into_iter().map(|row| {
        Ok(Reversal {
            reversal_id: row.reversal_id,
            amount: Fen(row.amount_fen),
            number: row.number,
            before: Fen(row.before_fen),
            of: UntoldItem {
                item_id: row.item_id,
                code: number(&row.recovery_code)?,
                round: row.round,
                amount: Fen(row.of_fen),
                settles: row.settles_fen.map(Fen),
                tells: row.tells_fen.map(Fen),
                recovering_tenant: TenantId(row.recovering_tenant),
                claim_no: number(&row.claim_code)?,
                from: from(&row.recover_from)?,
            },
            is_told: row.is_told,
        })
    });
    rows.collect()
}

/// Decides what a claim is told that came; whether nobody had decided it before.
pub(in crate::recovery) async fn decide(
    tx: &mut Tx,
    item_id: Uuid,
    tells: Fen,
) -> Result<bool, ClearingError> {
    let done = sqlx::query!(
        "update clearing.recovery_item set tells_fen = $2
         where item_id = $1 and tells_fen is null and told_at is null",
        item_id,
        tells.0
    );
    Ok(done.execute(tx.conn()).await?.rows_affected() == 1)
}

/// Notes that the claim of an agreed amount knows of what takes it back.
pub(in crate::recovery) async fn know(
    tx: &mut Tx,
    reversal_id: Uuid,
    item_id: Uuid,
    now: Timestamp,
) -> Result<(), ClearingError> {
    sqlx::query!(
        "insert into clearing.recovery_reversal (reversal_id, item_id, told_at)
         values ($1, $2, $3) on conflict (reversal_id) do nothing",
        reversal_id,
        item_id,
        now.to_sqlx() as _
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

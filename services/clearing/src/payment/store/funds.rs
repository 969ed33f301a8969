//! SQL of what cycles call for.

use clearing_ledger::CycleId;
use kernel::{Fen, TenantId};
use pg::Tx;

use crate::error::ClearingError;
use crate::payment::funds::Wanted;
use crate::payment::order::{Direction, OrderId};

/// Open orders of funds that have no payment order and of which nothing moved otherwise, oldest
/// first, of participants that registered a bank account.
pub async fn wanted_funds(tx: &mut Tx, most: i64) -> Result<Vec<Wanted>, ClearingError> {
    let rows = sqlx::query!(
        "select f.order_id, f.cycle_id, f.participant, f.direction, f.amount_fen
         from clearing.funds_order f
         where f.ended_at is null and f.arrived_fen = 0
           and exists (select from clearing.payment_account a where a.participant = f.participant)
           and not exists (select from clearing.payment_order o where o.order_id = f.order_id)
         order by f.ordered_at, f.order_id limit $1",
        most
    );
    let rows = rows.fetch_all(tx.conn()).await?.into_iter();
    rows.map(|row| {
        let direction = Direction::parse(&row.direction);
        Ok(Wanted {
            order: OrderId(row.order_id),
            cycle: CycleId(row.cycle_id),
            participant: TenantId(row.participant),
            direction: direction.map_err(|_| ClearingError::Corrupt("order of funds"))?,
            amount: Fen(row.amount_fen),
        })
    })
    .collect()
}

//! SQL of orders of funds and of failures to pay.

use clearing_ledger::CycleId;
use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use kernel::{Fen, TenantId};
use pg::Tx;
use uuid::Uuid;

use crate::error::ClearingError;
use crate::settlement::funds::{Direction, FundsOrder, FundsOutcome, Remedy};

/// Every order of a cycle, in the order they were made.
pub(in crate::settlement) async fn of_cycle(
    tx: &mut Tx,
    cycle: CycleId,
) -> Result<Vec<FundsOrder>, ClearingError> {
    let rows = sqlx::query!(
        r#"select order_id, participant, direction, amount_fen, arrived_fen,
                  ordered_at as "ordered_at: jiff_sqlx::Timestamp",
                  due_at as "due_at: jiff_sqlx::Timestamp", outcome
           from clearing.funds_order where cycle_id = $1 order by ordered_at, order_id"#,
        cycle.0
    );
    let corrupt = |_| ClearingError::Corrupt("order of funds");
    let orders = rows.fetch_all(tx.conn()).await?.into_iter().map(|row| {
        Ok(FundsOrder {
            order_id: row.order_id,
            cycle,
            participant: TenantId(row.participant),
            direction: Direction::parse(&row.direction).map_err(corrupt)?,
            amount: Fen(row.amount_fen),
            arrived: Fen(row.arrived_fen),
            ordered_at: row.ordered_at.to_jiff(),
            due_at: row.due_at.to_jiff(),
            outcome: row
                .outcome
                .map(|outcome| FundsOutcome::parse(&outcome))
                .transpose()
                .map_err(corrupt)?,
        })
    });
    orders.collect()
}

/// Keeps new orders.
pub(in crate::settlement) async fn insert(
    tx: &mut Tx,
    orders: &[FundsOrder],
) -> Result<(), sqlx::Error> {
    let ids = |of: fn(&FundsOrder) -> Uuid| -> Vec<Uuid> { orders.iter().map(of).collect() };
    let directions: Vec<String> =
        orders.iter().map(|order| order.direction.code().to_owned()).collect();
    let amounts: Vec<i64> = orders.iter().map(|order| order.amount.0).collect();
    let times = |of: fn(&FundsOrder) -> Timestamp| -> Vec<_> {
        orders.iter().map(|order| of(order).to_sqlx()).collect::<Vec<_>>()
    };
    sqlx::query!(
        "insert into clearing.funds_order
             (order_id, cycle_id, participant, direction, amount_fen, arrived_fen, ordered_at,
              due_at)
         select order_id, cycle_id, participant, direction, amount_fen, 0, ordered_at, due_at
         from unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::text[], $5::bigint[],
                     $6::timestamptz[], $7::timestamptz[])
             as ordered (order_id, cycle_id, participant, direction, amount_fen, ordered_at, due_at)",
        &ids(|order| order.order_id),
        &ids(|order| order.cycle.0),
        &ids(|order| order.participant.0),
        &directions,
        &amounts,
        &times(|order| order.ordered_at) as _,
        &times(|order| order.due_at) as _
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Notes how much of an order moved.
pub(in crate::settlement) async fn set_arrived(
    tx: &mut Tx,
    order: Uuid,
    arrived: Fen,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "update clearing.funds_order set arrived_fen = $2 where order_id = $1",
        order,
        arrived.0
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Ends an order.
pub(in crate::settlement) async fn end(
    tx: &mut Tx,
    order: Uuid,
    outcome: FundsOutcome,
    at: Timestamp,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "update clearing.funds_order set ended_at = $3, outcome = $2 where order_id = $1",
        order,
        outcome.code(),
        at.to_sqlx() as _
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Notes that a participant did not pay, and what was done.
pub(in crate::settlement) async fn insert_failure(
    tx: &mut Tx,
    (cycle, participant): (CycleId, TenantId),
    owed: Fen,
    remedy: Remedy,
    (note, client): (&str, &str),
    at: Timestamp,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "insert into clearing.failure
             (cycle_id, participant, owed_fen, remedy, note, client, failed_at)
         values ($1, $2, $3, $4, $5, $6, $7)",
        cycle.0,
        participant.0,
        owed.0,
        remedy.code(),
        note,
        client,
        at.to_sqlx() as _
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

//! SQL of what orders about one thing move together.

use kernel::{Fen, TenantId};
use pg::Tx;
use production_core::number::PlatformNumber;

use crate::error::ClearingError;
use crate::payment::order::OrderId;

/// Refunds of an endorsement and what of each went back and stayed there, the first ordered first.
pub async fn settled_back(
    tx: &mut Tx,
    participant: TenantId,
    amend_code: &str,
) -> Result<Vec<(OrderId, Fen)>, ClearingError> {
    let rows = sqlx::query!(
        r#"select order_id, settled_fen - returned_fen as "net_fen!"
           from clearing.payment_order
           where amend_code = $2 and participant = $1 and returned_fen < settled_fen
           order by ordered_at, order_id"#,
        participant.0,
        amend_code
    );
    let rows = rows.fetch_all(tx.conn()).await?.into_iter();
    Ok(rows.map(|row| (OrderId(row.order_id), Fen(row.net_fen))).collect())
}

/// The orders that collected all they were to for quotes and endorsements with these codes.
pub async fn collections(tx: &mut Tx, codes: &[String]) -> Result<Vec<OrderId>, ClearingError> {
    let found = sqlx::query_scalar!(
        "select order_id from clearing.payment_order
         where purpose = 'premium' and about = any ($1) and stage = 'settled'",
        codes
    );
    Ok(found.fetch_all(tx.conn()).await?.into_iter().map(OrderId).collect())
}

/// What recoveries of an advance collect, under way or done, less what went back; `but` is left out.
pub async fn recovered(tx: &mut Tx, advance: OrderId, but: OrderId) -> Result<Fen, ClearingError> {
    moving(tx, ("advance", "collect"), &advance.to_string(), but).await
}

/// What is paid out for a claim, under way or done, less what came back; `but` is left out.
pub async fn paid_for(
    tx: &mut Tx,
    claim_no: PlatformNumber,
    but: OrderId,
) -> Result<Fen, ClearingError> {
    moving(tx, ("claim_payment", "pay_out"), &claim_no.to_string(), but).await
}

/// What orders of one purpose and direction about one thing move.
async fn moving(
    tx: &mut Tx,
    (purpose, direction): (&str, &str),
    about: &str,
    but: OrderId,
) -> Result<Fen, ClearingError> {
    let sum = sqlx::query_scalar!(
        r#"select coalesce(sum(case when stage in ('rejected', 'returned')
                                    then settled_fen - returned_fen else amount_fen end), 0)::int8
                      as "sum!"
           from clearing.payment_order
           where purpose = $1 and direction = $2 and about = $3 and order_id <> $4"#,
        purpose,
        direction,
        about,
        but.0
    );
    Ok(Fen(sum.fetch_one(tx.conn()).await?))
}

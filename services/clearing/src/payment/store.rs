//! SQL of payments: orders here, and beside them whose their money is, what was heard of them, what
//! those about one thing move together, what cycles call for, and the accounts of participants.

mod account;
mod funds;
mod moved;
mod report;
mod share;

use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use kernel::{Fen, TenantId};
use pg::Tx;
use uuid::Uuid;

use super::order::{Direction, OrderId, Stage};
use crate::error::ClearingError;

pub use account::{insert_registered_account, registered_account};
pub use funds::wanted_funds;
pub use moved::{collections, paid_for, recovered, settled_back};
pub use report::{Kept, insert_report, is_heard, reports, said_by_operator};
pub use share::{given_back, insert_shares, refunded, shares};

/// A stored order.
#[derive(Clone, Debug)]
pub struct Order {
    /// Names it.
    pub id: OrderId,
    /// Who ordered it.
    pub participant: TenantId,
    /// Which way.
    pub direction: Direction,
    /// What for, as a code.
    pub purpose: String,
    /// Which cycle, claim, quote, endorsement, order, advance or remittance.
    pub about: String,
    /// Endorsement that gives the money of a refund back.
    pub amend_code: Option<String>,
    /// How much.
    pub amount: Fen,
    /// What stands on the statement.
    pub reference: String,
    /// The other side, sealed.
    pub payee_sealed: Vec<u8>,
    /// The other side, for views.
    pub payee_masked: String,
    /// Of what was ordered.
    pub body_digest: Vec<u8>,
    /// When.
    pub ordered_at: Timestamp,
    /// Where it stands.
    pub stage: Stage,
    /// The bank's number.
    pub bank_ref: Option<String>,
    /// When it first left for the bank.
    pub sent_at: Option<Timestamp>,
    /// When it last moved.
    pub moved_at: Timestamp,
    /// How often the bank was asked since.
    pub attempts: i32,
}

impl Order {
    /// What moved and did not come back.
    pub fn net(&self) -> Fen {
        Fen(self.stage.settled(self.amount).0 - self.stage.returned().0)
    }
}

struct OrderRow {
    order_id: Uuid,
    participant: Uuid,
    direction: String,
    purpose: String,
    about: String,
    amend_code: Option<String>,
    amount_fen: i64,
    reference: String,
    payee_sealed: Vec<u8>,
    payee_masked: String,
    body_digest: Vec<u8>,
    ordered_at: jiff_sqlx::Timestamp,
    stage: String,
    settled_fen: i64,
    returned_fen: i64,
    reason: Option<String>,
    bank_ref: Option<String>,
    sent_at: Option<jiff_sqlx::Timestamp>,
    moved_at: jiff_sqlx::Timestamp,
    attempts: i32,
}

impl TryFrom<OrderRow> for Order {
    type Error = ClearingError;

    fn try_from(row: OrderRow) -> Result<Order, ClearingError> {
        let corrupt = || ClearingError::Corrupt("payment order");
        let (settled, returned) = (Fen(row.settled_fen), Fen(row.returned_fen));
        let stage = match (row.stage.as_str(), row.reason) {
            ("ordered", None) => Stage::Ordered,
            ("sent", None) => Stage::Sent,
            ("accepted", None) => Stage::Accepted,
            ("partly_settled", None) => Stage::PartlySettled { settled },
            ("settled", None) => Stage::Settled,
            ("rejected", Some(reason)) => Stage::Rejected { settled, reason },
            ("returned", Some(reason)) => Stage::Returned { settled, returned, reason },
            _ => return Err(corrupt()),
        };
        Ok(Order {
            id: OrderId(row.order_id),
            participant: TenantId(row.participant),
            direction: Direction::parse(&row.direction).map_err(|_| corrupt())?,
            purpose: row.purpose,
            about: row.about,
            amend_code: row.amend_code,
            amount: Fen(row.amount_fen),
            reference: row.reference,
            payee_sealed: row.payee_sealed,
            payee_masked: row.payee_masked,
            body_digest: row.body_digest,
            ordered_at: row.ordered_at.to_jiff(),
            stage,
            bank_ref: row.bank_ref,
            sent_at: row.sent_at.map(|at| at.to_jiff()),
            moved_at: row.moved_at.to_jiff(),
            attempts: row.attempts,
        })
    }
}

/// Orders, where the rest of the statement holds.
macro_rules! orders {
    ($rest:literal $($arguments:tt)*) => {
        sqlx::query_as!(
            OrderRow,
            r#"select order_id, participant, direction, purpose, about, amend_code, amount_fen,
               reference, payee_sealed, payee_masked, body_digest, ordered_at as "ordered_at: _",
               stage, settled_fen, returned_fen, reason, bank_ref, sent_at as "sent_at: _",
               moved_at as "moved_at: _", attempts
               from clearing.payment_order "# + $rest
            $($arguments)*
        )
    };
}

/// An order, its row held until the transaction ends.
pub async fn lock(tx: &mut Tx, order: OrderId) -> Result<Option<Order>, ClearingError> {
    let row = orders!("where order_id = $1 for update", order.0);
    row.fetch_optional(tx.conn()).await?.map(Order::try_from).transpose()
}

/// An order.
pub async fn find(tx: &mut Tx, order: OrderId) -> Result<Option<Order>, ClearingError> {
    let row = orders!("where order_id = $1", order.0);
    row.fetch_optional(tx.conn()).await?.map(Order::try_from).transpose()
}

/// Orders of a participant, oldest first, after a place in that order.
pub async fn list(
    tx: &mut Tx,
    participant: TenantId,
    after: Option<(Timestamp, OrderId)>,
    limit: i64,
) -> Result<Vec<Order>, ClearingError> {
    let (at, id) = after.unzip();
    let rows = orders!(
        "where participant = $1
         and ($2::timestamptz is null or (ordered_at, order_id) > ($2, $3))
         order by ordered_at, order_id limit $4",
        participant.0,
        at.map(|at| at.to_sqlx()) as _,
        id.map(|id: OrderId| id.0) as _,
        limit
    );
    rows.fetch_all(tx.conn()).await?.into_iter().map(Order::try_from).collect()
}

/// Orders under way that have not moved since `before`, longest first.
pub async fn stuck(
    tx: &mut Tx,
    before: Timestamp,
    limit: i64,
) -> Result<Vec<Order>, ClearingError> {
    let rows = orders!(
        "where due_at is not null and moved_at < $1
         order by moved_at, order_id limit $2",
        before.to_sqlx() as _,
        limit
    );
    rows.fetch_all(tx.conn()).await?.into_iter().map(Order::try_from).collect()
}

/// Collections, and refunds of endorsements, that are settled and of which whoever keeps the policies
/// has not been told, oldest first.
pub async fn untold(tx: &mut Tx, most: i64) -> Result<Vec<Order>, ClearingError> {
    let rows =
        orders!("where told_at is null and stage = 'settled' order by moved_at limit $1", most);
    rows.fetch_all(tx.conn()).await?.into_iter().map(Order::try_from).collect()
}

/// Writes a new order. [`pg::failure::constraint`] names `payment_order_pkey` when it is there.
pub async fn insert(tx: &mut Tx, order: &Order, is_told: bool) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "insert into clearing.payment_order
             (order_id, participant, direction, purpose, about, amend_code, amount_fen, reference,
              payee_sealed, payee_masked, body_digest, ordered_at, stage, settled_fen,
              returned_fen, moved_at, due_at, told_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, 'ordered', 0, 0, $12, $12,
                 $13)",
        order.id.0,
        order.participant.0,
        order.direction.code(),
        order.purpose,
        order.about,
        order.amend_code,
        order.amount.0,
        order.reference,
        order.payee_sealed,
        order.payee_masked,
        order.body_digest,
        order.ordered_at.to_sqlx() as _,
        is_told.then(|| order.ordered_at.to_sqlx()) as _
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Holds orders until the transaction ends, in the order of their ids.
pub async fn hold(tx: &mut Tx, orders: &[OrderId]) -> Result<(), ClearingError> {
    let orders: Vec<Uuid> = orders.iter().map(|order| order.0).collect();
    sqlx::query_scalar!(
        "select order_id from clearing.payment_order where order_id = any ($1)
         order by order_id for update",
        &orders
    )
    .fetch_all(tx.conn())
    .await?;
    Ok(())
}

/// Takes up to `most` orders that are due until `lease`; those never sent count as sent from now
/// on, for after this nobody can say that the bank does not have them.
pub async fn take_due(
    tx: &mut Tx,
    now: Timestamp,
    lease: Timestamp,
    most: i64,
) -> Result<Vec<OrderId>, ClearingError> {
    let rows = sqlx::query_scalar!(
        "with due as (
             select order_id from clearing.payment_order
             where due_at <= $1 order by due_at limit $3 for update skip locked)
         update clearing.payment_order o
         set due_at = $2, attempts = attempts + 1, sent_at = coalesce(sent_at, $1),
             moved_at = case stage when 'ordered' then $1 else moved_at end,
             stage = case stage when 'ordered' then 'sent' else stage end
         from due where o.order_id = due.order_id
         returning o.order_id",
        now.to_sqlx() as _,
        lease.to_sqlx() as _,
        most
    );
    Ok(rows.fetch_all(tx.conn()).await?.into_iter().map(OrderId).collect())
}

/// Looks at an order again later.
pub async fn put_off(tx: &mut Tx, order: OrderId, until: Timestamp) -> Result<(), ClearingError> {
    sqlx::query!(
        "update clearing.payment_order set due_at = $2 where order_id = $1 and due_at is not null",
        order.0,
        until.to_sqlx() as _
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Writes where an order stands now.
pub async fn save(
    tx: &mut Tx,
    order: &Order,
    due_at: Option<Timestamp>,
) -> Result<(), ClearingError> {
    sqlx::query!(
        "update clearing.payment_order
         set stage = $2, settled_fen = $3, returned_fen = $4, reason = $5, bank_ref = $6,
             moved_at = $7, due_at = $8, attempts = 0, sent_at = coalesce(sent_at, $7)
         where order_id = $1",
        order.id.0,
        order.stage.code(),
        order.stage.settled(order.amount).0,
        order.stage.returned().0,
        order.stage.reason(),
        order.bank_ref,
        order.moved_at.to_sqlx() as _,
        due_at.map(|at| at.to_sqlx()) as _
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Whoever waited for an order has been told.
pub async fn set_told(tx: &mut Tx, order: OrderId, now: Timestamp) -> Result<(), ClearingError> {
    sqlx::query!(
        "update clearing.payment_order set told_at = $2 where order_id = $1 and told_at is null",
        order.0,
        now.to_sqlx() as _
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

//! SQL of payments.

use clearing_ledger::{AccountId, CycleId};
use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use kernel::{Fen, TenantId};
use pg::Tx;
use production_core::number::PlatformNumber;
use uuid::Uuid;

use super::Source;
use super::funds::Wanted;
use super::order::{Direction, OrderId, Report, Share, ShareOf, Stage, Word};
use super::payee::SealedAccount;
use crate::error::ClearingError;

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

/// The account a participant registered last.
pub async fn registered_account(
    tx: &mut Tx,
    participant: TenantId,
) -> Result<Option<SealedAccount>, ClearingError> {
    let row = sqlx::query!(
        "select account_sealed, account_masked from clearing.payment_account
         where participant = $1 order by change desc limit 1",
        participant.0
    );
    let row = row.fetch_optional(tx.conn()).await?;
    Ok(row.map(|row| SealedAccount {
        sealed: row.account_sealed,
        masked: row.account_masked,
        digest: [0; 32],
    }))
}

/// Registers an account; it is the one that counts from now on.
pub async fn insert_registered_account(
    tx: &mut Tx,
    participant: TenantId,
    account: &SealedAccount,
    by: &str,
    now: Timestamp,
) -> Result<(), ClearingError> {
    sqlx::query!(
        "insert into clearing.payment_account
             (participant, account_sealed, account_masked, registered_by, registered_at)
         values ($1, $2, $3, $4, $5)",
        participant.0,
        account.sealed,
        account.masked,
        by,
        now.to_sqlx() as _
    )
    .execute(tx.conn())
    .await?;
    Ok(())
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

/// Writes whose the money of an order is.
pub async fn insert_shares(
    tx: &mut Tx,
    order: OrderId,
    shares: &[(Share, AccountId)],
) -> Result<(), ClearingError> {
    let places: Vec<i16> = (0..).take(shares.len()).collect();
    let owners: Vec<Uuid> = shares.iter().map(|(share, _)| share.owner.0).collect();
    let kinds: Vec<String> = shares.iter().map(|(share, _)| share.of.code().to_owned()).collect();
    let accounts: Vec<Uuid> = shares.iter().map(|(_, account)| account.0).collect();
    let amounts: Vec<i64> = shares.iter().map(|(share, _)| share.amount.0).collect();
    sqlx::query!(
        "insert into clearing.payment_share
             (order_id, place, owner, share_of, account_id, amount_fen)
         select $1, * from unnest($2::int2[], $3::uuid[], $4::text[], $5::uuid[], $6::int8[])",
        order.0,
        &places,
        &owners,
        &kinds,
        &accounts,
        &amounts
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Whose the money of an order is, in the order in which it is served.
pub async fn shares(tx: &mut Tx, order: OrderId) -> Result<Vec<(Share, AccountId)>, ClearingError> {
    let rows = sqlx::query!(
        "select owner, share_of, account_id, amount_fen from clearing.payment_share
         where order_id = $1 order by place",
        order.0
    );
    let rows = rows.fetch_all(tx.conn()).await?.into_iter();
    rows.map(|row| {
        let of = ShareOf::parse(&row.share_of);
        let of = of.map_err(|_| ClearingError::Corrupt("payment share"))?;
        let share = Share { owner: TenantId(row.owner), of, amount: Fen(row.amount_fen) };
        Ok((share, AccountId(row.account_id)))
    })
    .collect()
}

/// An order, its row held until the transaction ends.
pub async fn lock(tx: &mut Tx, order: OrderId) -> Result<Option<Order>, ClearingError> {
    let row = sqlx::query_as!(
        OrderRow,
        r#"select order_id, participant, direction, purpose, about, amend_code, amount_fen,
                  reference, payee_sealed, payee_masked, body_digest,
                  ordered_at as "ordered_at: _", stage, settled_fen, returned_fen, reason, bank_ref, sent_at as "sent_at: _",
                  moved_at as "moved_at: _", attempts
           from clearing.payment_order where order_id = $1 for update"#,
        order.0
    );
    row.fetch_optional(tx.conn()).await?.map(Order::try_from).transpose()
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

/// An order.
pub async fn find(tx: &mut Tx, order: OrderId) -> Result<Option<Order>, ClearingError> {
    let row = sqlx::query_as!(
        OrderRow,
        r#"select order_id, participant, direction, purpose, about, amend_code, amount_fen,
                  reference, payee_sealed, payee_masked, body_digest,
                  ordered_at as "ordered_at: _", stage, settled_fen, returned_fen, reason, bank_ref, sent_at as "sent_at: _",
                  moved_at as "moved_at: _", attempts
           from clearing.payment_order where order_id = $1"#,
        order.0
    );
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
    let rows = sqlx::query_as!(
        OrderRow,
        r#"select order_id, participant, direction, purpose, about, amend_code, amount_fen,
                  reference, payee_sealed, payee_masked, body_digest,
                  ordered_at as "ordered_at: _", stage, settled_fen, returned_fen, reason, bank_ref, sent_at as "sent_at: _",
                  moved_at as "moved_at: _", attempts
           from clearing.payment_order
           where participant = $1
             and ($2::timestamptz is null or (ordered_at, order_id) > ($2, $3))
           order by ordered_at, order_id limit $4"#,
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
    let rows = sqlx::query_as!(
        OrderRow,
        r#"select order_id, participant, direction, purpose, about, amend_code, amount_fen,
                  reference, payee_sealed, payee_masked, body_digest,
                  ordered_at as "ordered_at: _", stage, settled_fen, returned_fen, reason, bank_ref, sent_at as "sent_at: _",
                  moved_at as "moved_at: _", attempts
           from clearing.payment_order
           where due_at is not null and moved_at < $1
           order by moved_at, order_id limit $2"#,
        before.to_sqlx() as _,
        limit
    );
    rows.fetch_all(tx.conn()).await?.into_iter().map(Order::try_from).collect()
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

/// Whether a word was heard before under its own name.
pub async fn is_heard(
    tx: &mut Tx,
    order: OrderId,
    source: Source,
    notice_id: &str,
) -> Result<bool, ClearingError> {
    let found = sqlx::query_scalar!(
        r#"select exists (select from clearing.payment_report
                          where order_id = $1 and source = $2 and notice_id = $3) as "found!""#,
        order.0,
        source.code(),
        notice_id
    );
    Ok(found.fetch_one(tx.conn()).await?)
}

/// What the operator said of an order in all, where that could be true.
pub async fn said_by_operator(tx: &mut Tx, order: OrderId) -> Result<Fen, ClearingError> {
    let most = sqlx::query_scalar!(
        r#"select coalesce(max(settled_fen), 0) as "most!" from clearing.payment_report
           where order_id = $1 and source = 'operator' and contradicts is null"#,
        order.0
    );
    Ok(Fen(most.fetch_one(tx.conn()).await?))
}

/// Keeps a word of the bank.
pub async fn insert_report(
    tx: &mut Tx,
    order: OrderId,
    (source, notice_id): (Source, &str),
    report: &Report,
    contradicts: Option<&'static str>,
    now: Timestamp,
) -> Result<(), ClearingError> {
    let (word, settled, returned, reason) = match &report.word {
        Word::Accepted => ("accepted", Fen::ZERO, Fen::ZERO, None),
        Word::Settled { total } => ("settled", *total, Fen::ZERO, None),
        Word::Rejected { settled, reason } => ("rejected", *settled, Fen::ZERO, Some(reason)),
        Word::Returned { settled, returned, reason } => {
            ("returned", *settled, *returned, Some(reason))
        }
    };
    sqlx::query!(
        "insert into clearing.payment_report
             (order_id, source, notice_id, word, settled_fen, returned_fen, reason, bank_ref,
              said_at, heard_at, contradicts)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
        order.0,
        source.code(),
        notice_id,
        word,
        settled.0,
        returned.0,
        reason,
        report.bank_ref,
        report.at.to_sqlx() as _,
        now.to_sqlx() as _,
        contradicts
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// A word that was kept.
#[derive(Clone, Debug)]
pub struct Kept {
    /// `answer`, `notice`, `statement` or `operator`.
    pub source: String,
    /// `accepted`, `settled`, `rejected` or `returned`.
    pub word: String,
    /// In all.
    pub settled: Fen,
    /// In all.
    pub returned: Fen,
    /// The bank's reason.
    pub reason: Option<String>,
    /// When it was heard.
    pub heard_at: Timestamp,
    /// Why it could not be true.
    pub contradicts: Option<String>,
}

/// The words heard of an order, in order.
pub async fn reports(tx: &mut Tx, order: OrderId) -> Result<Vec<Kept>, ClearingError> {
    let rows = sqlx::query!(
        r#"select source, word, settled_fen, returned_fen, reason,
                  heard_at as "heard_at: jiff_sqlx::Timestamp", contradicts
           from clearing.payment_report where order_id = $1 order by heard limit 200"#,
        order.0
    );
    let rows = rows.fetch_all(tx.conn()).await?.into_iter();
    Ok(rows
        .map(|row| Kept {
            source: row.source,
            word: row.word,
            settled: Fen(row.settled_fen),
            returned: Fen(row.returned_fen),
            reason: row.reason,
            heard_at: row.heard_at.to_jiff(),
            contradicts: row.contradicts,
        })
        .collect())
}

/// Collections, and refunds of endorsements, that are settled and of which whoever keeps the policies
/// has not been told, oldest first.
pub async fn untold(tx: &mut Tx, most: i64) -> Result<Vec<Order>, ClearingError> {
    let rows = sqlx::query_as!(
        OrderRow,
        r#"select order_id, participant, direction, purpose, about, amend_code, amount_fen,
                  reference, payee_sealed, payee_masked, body_digest,
                  ordered_at as "ordered_at: _", stage, settled_fen, returned_fen, reason, bank_ref, sent_at as "sent_at: _",
                  moved_at as "moved_at: _", attempts
           from clearing.payment_order
           where told_at is null and stage = 'settled' order by moved_at limit $1"#,
        most
    );
    rows.fetch_all(tx.conn()).await?.into_iter().map(Order::try_from).collect()
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

/// What refunds of a collection take from each kind of share, under way or done; those that came to
/// nothing or came back in full are left out.
pub async fn refunded(tx: &mut Tx, of: OrderId) -> Result<Vec<(ShareOf, Fen)>, ClearingError> {
    let rows = sqlx::query!(
        r#"select s.share_of, sum(s.amount_fen)::int8 as "amount_fen!"
           from clearing.payment_order o
           join clearing.payment_share s on s.order_id = o.order_id
           where o.purpose = 'refund' and o.about = $1
             and not (o.stage = 'rejected' and o.settled_fen = 0)
             and not (o.stage = 'returned' and o.returned_fen = o.amount_fen)
           group by s.share_of"#,
        of.to_string()
    );
    let rows = rows.fetch_all(tx.conn()).await?.into_iter();
    rows.map(|row| by_share(&row.share_of, row.amount_fen)).collect()
}

/// What refunds of an endorsement take from each kind of share, as [`refunded`] counts.
pub async fn given_back(
    tx: &mut Tx,
    (participant, amend_code): (TenantId, &str),
) -> Result<Vec<(ShareOf, Fen)>, ClearingError> {
    let rows = sqlx::query!(
        r#"select s.share_of, sum(s.amount_fen)::int8 as "amount_fen!"
           from clearing.payment_order o
           join clearing.payment_share s on s.order_id = o.order_id
           where o.amend_code = $2 and o.participant = $1
             and not (o.stage = 'rejected' and o.settled_fen = 0)
             and not (o.stage = 'returned' and o.returned_fen = o.amount_fen)
           group by s.share_of"#,
        participant.0,
        amend_code
    );
    let rows = rows.fetch_all(tx.conn()).await?.into_iter();
    rows.map(|row| by_share(&row.share_of, row.amount_fen)).collect()
}

fn by_share(of: &str, amount_fen: i64) -> Result<(ShareOf, Fen), ClearingError> {
    let of = ShareOf::parse(of).map_err(|_| ClearingError::Corrupt("payment share"))?;
    Ok((of, Fen(amount_fen)))
}

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

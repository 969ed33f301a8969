//! SQL of what each of the three books says: lines of insurers' files, the bank's balances, and our
//! account with the bank.

use std::collections::BTreeMap;

use clearing_ledger::Purpose;
use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp};
use jiff_sqlx::ToSqlx;
use kernel::{Fen, TenantId};
use pg::Tx;
use uuid::Uuid;

use super::span;
use crate::error::ClearingError;
use crate::payment::order::OrderId;
use crate::payment::reconcile::{Balances, Theirs};
use crate::settlement::account_of;
use crate::{HOUSE, ledger};

/// Keeps an insurer's file.
pub(in crate::payment::reconcile) async fn insert_file(
    tx: &mut Tx,
    file_id: Uuid,
    (participant, from, to): (TenantId, Date, Date),
    lines: &[Theirs],
    now: Timestamp,
) -> Result<(), ClearingError> {
    sqlx::query!(
        "insert into clearing.insurer_file (file_id, participant, from_day, to_day, filed_at)
         values ($1, $2, $3, $4, $5)",
        file_id,
        participant.0,
        from.to_sqlx() as _,
        to.to_sqlx() as _,
        now.to_sqlx() as _
    )
    .execute(tx.conn())
    .await?;
    let written: Vec<String> = lines.iter().map(|line| line.order.clone()).collect();
    let orders: Vec<Option<Uuid>> = lines
        .iter()
        .map(|line| OrderId::parse_end_to_end(&line.order).map(|order| order.0))
        .collect();
    let amounts: Vec<i64> = lines.iter().map(|line| line.amount.0).collect();
    sqlx::query!(
        "insert into clearing.insurer_line (file_id, line, written, order_id, amount_fen)
         select $1, l.line::int, l.written, l.order_id, l.amount_fen
         from unnest($2::text[], $3::uuid[], $4::int8[])
              with ordinality as l (written, order_id, amount_fen, line)",
        file_id,
        &written,
        &orders as &[Option<Uuid>],
        &amounts
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// What the latest file of its insurer about the day an order last moved says of the order; one that
/// the file lacks is left out.
pub(in crate::payment::reconcile) async fn of_insurers(
    tx: &mut Tx,
    orders: &[OrderId],
) -> Result<BTreeMap<OrderId, Fen>, ClearingError> {
    let orders: Vec<Uuid> = orders.iter().map(|order| order.0).collect();
    let rows = sqlx::query!(
        r#"select o.order_id, sum(l.amount_fen)::bigint as "amount_fen!"
           from clearing.payment_order o
           cross join lateral (
               select file_id from clearing.insurer_file f
               where f.participant = o.participant
                 and (o.moved_at at time zone 'Asia/Shanghai')::date between f.from_day and f.to_day
               order by f.filed_at desc, f.file_id desc limit 1) latest
           join clearing.insurer_line l on l.file_id = latest.file_id and l.order_id = o.order_id
           where o.order_id = any ($1)
           group by o.order_id"#,
        &orders
    );
    let rows = rows.fetch_all(tx.conn()).await?.into_iter();
    Ok(rows.map(|row| (OrderId(row.order_id), Fen(row.amount_fen))).collect())
}

/// What our account with the bank stands at for the end of `day`, by the bank's days: what we booked
/// until then, and what we booked later of lines the bank had booked by then.
pub(in crate::payment::reconcile) async fn ours_on(
    tx: &mut Tx,
    day: Date,
) -> Result<Fen, ClearingError> {
    let bank = account_of(HOUSE, Purpose::Bank, None);
    let (_, next) = span(day).ok_or(ClearingError::Corrupt("day"))?;
    // Entries are kept to the microsecond.
    let end = next.checked_sub(SignedDuration::from_micros(1)).unwrap_or(next);
    let then = ledger::balance_at(tx, bank, end).await?;
    let then = then.map_or(0, |balance| -balance.net_credit());
    let later = sqlx::query_scalar!(
        r#"with later as (
               select reference, reason, debit_account_id = $1 as comes_in, amount_fen
               from clearing.transfer
               where (debit_account_id = $1 or credit_account_id = $1) and $2 <= recorded_at
                 and reason in ('payment.settled', 'payment.returned', 'payment.returned_elsewhere',
                                'payment.suspended', 'payment.unsuspended')
                 and kind in ('post', 'post_reserved', 'correct')
           ),
           -- Of an order, so much of what was booked later as the bank's lines until that day say.
           moved as (
               select reference::uuid as order_id,
                      coalesce(sum(amount_fen) filter (where reason = 'payment.settled'), 0) as settled,
                      coalesce(sum(amount_fen) filter (where reason <> 'payment.settled'), 0) as returned
               from later where reason not in ('payment.suspended', 'payment.unsuspended')
               group by reference
           ),
           line as (
               select l.order_id, l.amount_fen from clearing.bank_line l
               join moved on moved.order_id = l.order_id
               where l.booked_on <= $3
               union all
               select e.order_id, l.amount_fen from clearing.bank_line_end e
               join moved on moved.order_id = e.order_id
               join clearing.bank_line l on l.entry_ref = e.entry_ref
               where e.manner = 'heard' and l.booked_on <= $3
           ),
           said as (
               select o.order_id, case o.direction when 'collect' then 1 else -1 end as way,
                      coalesce(sum(abs(line.amount_fen))
                               filter (where (0 < line.amount_fen) = (o.direction = 'collect')), 0)
                          as settled,
                      coalesce(sum(abs(line.amount_fen))
                               filter (where (0 < line.amount_fen) <> (o.direction = 'collect')), 0)
                          as returned
               from line join clearing.payment_order o on o.order_id = line.order_id
               group by o.order_id
           )
           select (
               coalesce((
                   select sum(said.way
                              * (greatest(0, least(o.settled_fen, said.settled)
                                             - (o.settled_fen - moved.settled))
                                 - greatest(0, least(o.returned_fen, said.returned)
                                               - (o.returned_fen - moved.returned))))
                   from said
                   join moved on moved.order_id = said.order_id
                   join clearing.payment_order o on o.order_id = said.order_id), 0)
               + coalesce((
                   select sum(case when later.comes_in then later.amount_fen else -later.amount_fen end)
                   from later join clearing.bank_line l on l.entry_ref = later.reference
                   where later.reason in ('payment.suspended', 'payment.unsuspended')
                     and l.booked_on <= $3), 0)
           )::bigint as "later!""#,
        bank.0,
        next.to_sqlx() as _,
        day.to_sqlx() as _
    );
    let later = later.fetch_one(tx.conn()).await?;
    let sum = i64::try_from(then).ok().and_then(|then| then.checked_add(later));
    sum.map(Fen).ok_or(ClearingError::Corrupt("account with the bank"))
}

/// What lines of `day` come to that are not among `entry_refs`.
pub(in crate::payment::reconcile) async fn others_of(
    tx: &mut Tx,
    day: Date,
    entry_refs: &[String],
) -> Result<Fen, ClearingError> {
    let sum = sqlx::query_scalar!(
        r#"select coalesce(sum(amount_fen), 0)::bigint as "sum!" from clearing.bank_line
           where booked_on = $1 and entry_ref <> all ($2)"#,
        day.to_sqlx() as _,
        entry_refs
    );
    Ok(Fen(sum.fetch_one(tx.conn()).await?))
}

/// What was held against a statement's balances, opening and closing, when it was taken first; `None`
/// when it was not.
pub(in crate::payment::reconcile) async fn held_against(
    tx: &mut Tx,
    balances: &Balances,
) -> Result<Option<(Fen, Fen)>, ClearingError> {
    let row = sqlx::query!(
        "select ours_opening_fen, ours_closing_fen from clearing.bank_statement
         where statement_id = $1 and day = $2 and opening_fen is not distinct from $3
           and closing_fen is not distinct from $4",
        balances.statement,
        balances.day.to_sqlx() as _,
        balances.opening.map(|sum| sum.0),
        balances.closing.map(|sum| sum.0)
    );
    let row = row.fetch_optional(tx.conn()).await?;
    Ok(row.map(|row| (Fen(row.ours_opening_fen), Fen(row.ours_closing_fen))))
}

/// Keeps a statement's balances with what is held against them.
pub(in crate::payment::reconcile) async fn insert_balances(
    tx: &mut Tx,
    balances: &Balances,
    (opening, closing): (Fen, Fen),
    now: Timestamp,
) -> Result<(), ClearingError> {
    sqlx::query!(
        "insert into clearing.bank_statement
             (statement_id, day, opening_fen, closing_fen, ours_opening_fen, ours_closing_fen,
              taken_at)
         values ($1, $2, $3, $4, $5, $6, $7)
         on conflict do nothing",
        balances.statement,
        balances.day.to_sqlx() as _,
        balances.opening.map(|sum| sum.0),
        balances.closing.map(|sum| sum.0),
        opening.0,
        closing.0,
        now.to_sqlx() as _
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

//! SQL of remittance.

use clearing_ledger::AccountId;
use jiff::Timestamp;
use jiff::civil::Date;
use jiff_sqlx::ToSqlx;
use kernel::{Fen, TenantId};
use pg::Tx;
use uuid::Uuid;

use super::{Payee, Remitted};
use crate::error::ClearingError;
use crate::ledger::Cursor;
use crate::payment::order::{OrderId, ShareOf};
use crate::settlement::Period;

/// A payee, registered or not.
#[derive(Clone, Debug)]
pub(super) struct KnownPayee {
    pub(super) payee: Payee,
    pub(super) registered: Option<Registered>,
    pub(super) due_on: Option<Date>,
}

/// What the operator registered of a payee.
#[derive(Clone, Debug)]
pub(super) struct Registered {
    pub(super) name: String,
    pub(super) period: Period,
    pub(super) keeper: TenantId,
}

/// A remittance as it was made.
#[derive(Clone, Debug)]
pub(super) struct Remittance {
    pub(super) id: Uuid,
    pub(super) payee: Payee,
    pub(super) payee_name: String,
    pub(super) through: Date,
    pub(super) last: Cursor,
    pub(super) lines: Fen,
    pub(super) remitted: Remitted,
    pub(super) run_by: String,
    pub(super) run_at: Timestamp,
}

/// A source payment of a remittance.
#[derive(Clone, Debug)]
pub(super) struct Source {
    pub(super) order: OrderId,
    pub(super) purpose: String,
    pub(super) about: String,
    pub(super) amount: Fen,
}

struct PayeeRow {
    share_of: String,
    code: String,
    name: Option<String>,
    period: Option<String>,
    keeper: Option<Uuid>,
    due_on: Option<jiff_sqlx::Date>,
}

impl TryFrom<PayeeRow> for KnownPayee {
    type Error = ClearingError;

    fn try_from(row: PayeeRow) -> Result<KnownPayee, ClearingError> {
        let corrupt = || ClearingError::Corrupt("payee");
        let registered = match (row.name, row.period, row.keeper) {
            (None, None, None) => None,
            (Some(name), Some(period), Some(keeper)) => Some(Registered {
                name,
                period: Period::parse(&period).map_err(|_| corrupt())?,
                keeper: TenantId(keeper),
            }),
            _ => return Err(corrupt()),
        };
        Ok(KnownPayee {
            payee: payee(&row.share_of, &row.code)?,
            registered,
            due_on: row.due_on.map(jiff_sqlx::Date::to_jiff),
        })
    }
}

fn payee(share_of: &str, code: &str) -> Result<Payee, ClearingError> {
    let of = ShareOf::parse(share_of).ok();
    of.and_then(|of| Payee::of(of, code)).ok_or(ClearingError::Corrupt("payee"))
}

/// Notes payees that are not there yet. The transaction works for the clearing house.
pub(in crate::payment) async fn note(tx: &mut Tx, payees: &[Payee]) -> Result<(), ClearingError> {
    let ids: Vec<Uuid> = payees.iter().map(|payee| payee.owner().0).collect();
    let shares: Vec<String> = payees.iter().map(|payee| payee.share().code().to_owned()).collect();
    let codes: Vec<String> = payees.iter().map(|payee| payee.code().to_owned()).collect();
    sqlx::query!(
        "insert into clearing.payee (payee_id, share_of, code)
         select * from unnest($1::uuid[], $2::text[], $3::text[])
         on conflict do nothing",
        &ids,
        &shares,
        &codes
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Writes what is registered of a payee that was noted.
pub(super) async fn register(
    tx: &mut Tx,
    payee: &Payee,
    registered: &Registered,
    due_on: Option<Date>,
) -> Result<(), ClearingError> {
    sqlx::query!(
        "update clearing.payee set name = $2, period = $3, keeper = $4, due_on = $5
         where payee_id = $1",
        payee.owner().0,
        registered.name,
        registered.period.code(),
        registered.keeper.0,
        due_on.map(|day| day.to_sqlx()) as _
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// The day from which the next remittance of a payee is made.
pub(super) async fn set_due(
    tx: &mut Tx,
    payee: &Payee,
    due_on: Option<Date>,
) -> Result<(), ClearingError> {
    sqlx::query!(
        "update clearing.payee set due_on = $2 where payee_id = $1",
        payee.owner().0,
        due_on.map(|day| day.to_sqlx()) as _
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// A payee, its row held until the transaction ends: whoever remits to it does so alone.
pub(super) async fn lock_payee(
    tx: &mut Tx,
    payee: &Payee,
) -> Result<Option<KnownPayee>, ClearingError> {
    let row = sqlx::query_as!(
        PayeeRow,
        r#"select share_of, code, name, period, keeper, due_on as "due_on: _"
           from clearing.payee where payee_id = $1 for no key update"#,
        payee.owner().0
    );
    row.fetch_optional(tx.conn()).await?.map(KnownPayee::try_from).transpose()
}

/// Payees, by share and code, after a place in that order.
pub(super) async fn payees(
    tx: &mut Tx,
    after: Option<&Payee>,
    limit: i64,
) -> Result<Vec<KnownPayee>, ClearingError> {
    let rows = sqlx::query_as!(
        PayeeRow,
        r#"select share_of, code, name, period, keeper, due_on as "due_on: _"
           from clearing.payee
           where $1::text is null or (share_of, code) > ($1, $2)
           order by share_of, code limit $3"#,
        after.map(|payee| payee.share().code()),
        after.map(Payee::code),
        limit
    );
    rows.fetch_all(tx.conn()).await?.into_iter().map(KnownPayee::try_from).collect()
}

/// Payees whose next remittance is to be made on `today`, longest waiting first.
pub(super) async fn due(
    tx: &mut Tx,
    today: Date,
    most: i64,
) -> Result<Vec<KnownPayee>, ClearingError> {
    let rows = sqlx::query_as!(
        PayeeRow,
        r#"select share_of, code, name, period, keeper, due_on as "due_on: _"
           from clearing.payee where due_on <= $1 order by due_on, payee_id limit $2"#,
        today.to_sqlx() as _,
        most
    );
    rows.fetch_all(tx.conn()).await?.into_iter().map(KnownPayee::try_from).collect()
}

struct RemittanceRow {
    remittance_id: Uuid,
    share_of: String,
    code: String,
    name: Option<String>,
    through: jiff_sqlx::Date,
    last_at: jiff_sqlx::Timestamp,
    last_entry: i64,
    opening_fen: i64,
    lines_fen: i64,
    amount_fen: i64,
    carried_fen: i64,
    run_by: String,
    run_at: jiff_sqlx::Timestamp,
}

impl TryFrom<RemittanceRow> for Remittance {
    type Error = ClearingError;

    fn try_from(row: RemittanceRow) -> Result<Remittance, ClearingError> {
        Ok(Remittance {
            id: row.remittance_id,
            payee: payee(&row.share_of, &row.code)?,
            payee_name: row.name.unwrap_or_default(),
            through: row.through.to_jiff(),
            last: Cursor { recorded_at: row.last_at.to_jiff(), entry: row.last_entry },
            lines: Fen(row.lines_fen),
            remitted: Remitted {
                opening: Fen(row.opening_fen),
                amount: Fen(row.amount_fen),
                carried: Fen(row.carried_fen),
            },
            run_by: row.run_by,
            run_at: row.run_at.to_jiff(),
        })
    }
}

/// Remittances with their payees, where the rest of the statement holds.
macro_rules! remittances {
    ($rest:literal $($arguments:tt)*) => {
        sqlx::query_as!(
            RemittanceRow,
            r#"select remittance_id, share_of, code, name, through as "through: _",
               last_at as "last_at: _", last_entry, opening_fen, lines_fen, amount_fen,
               carried_fen, run_by, run_at as "run_at: _"
               from clearing.remittance join clearing.payee using (payee_id) "# + $rest
            $($arguments)*
        )
    };
}

/// The latest remittance to a payee.
pub(super) async fn latest(
    tx: &mut Tx,
    payee: &Payee,
) -> Result<Option<Remittance>, ClearingError> {
    let row = remittances!("where payee_id = $1 order by through desc limit 1", payee.owner().0);
    row.fetch_optional(tx.conn()).await?.map(Remittance::try_from).transpose()
}

/// The remittance to a payee for a day.
pub(super) async fn of_day(
    tx: &mut Tx,
    payee: &Payee,
    through: Date,
) -> Result<Option<Remittance>, ClearingError> {
    let row = remittances!(
        "where payee_id = $1 and through = $2",
        payee.owner().0,
        through.to_sqlx() as _
    );
    row.fetch_optional(tx.conn()).await?.map(Remittance::try_from).transpose()
}

/// A remittance.
pub(super) async fn find(tx: &mut Tx, id: Uuid) -> Result<Option<Remittance>, ClearingError> {
    let row = remittances!("where remittance_id = $1", id);
    row.fetch_optional(tx.conn()).await?.map(Remittance::try_from).transpose()
}

/// Remittances, the last made first, before a place in that order.
pub(super) async fn list(
    tx: &mut Tx,
    before: Option<Uuid>,
    limit: i64,
) -> Result<Vec<Remittance>, ClearingError> {
    let rows = remittances!(
        "where $1::uuid is null or remittance_id < $1 order by remittance_id desc limit $2",
        before,
        limit
    );
    rows.fetch_all(tx.conn()).await?.into_iter().map(Remittance::try_from).collect()
}

/// Writes a remittance.
pub(super) async fn insert(tx: &mut Tx, remittance: &Remittance) -> Result<(), ClearingError> {
    sqlx::query!(
        "insert into clearing.remittance
             (remittance_id, payee_id, through, last_at, last_entry, opening_fen, lines_fen,
              amount_fen, carried_fen, run_by, run_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
        remittance.id,
        remittance.payee.owner().0,
        remittance.through.to_sqlx() as _,
        remittance.last.recorded_at.to_sqlx() as _,
        remittance.last.entry,
        remittance.remitted.opening.0,
        remittance.lines.0,
        remittance.remitted.amount.0,
        remittance.remitted.carried.0,
        remittance.run_by,
        remittance.run_at.to_sqlx() as _
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Writes the source payments of a remittance.
pub(super) async fn insert_lines(
    tx: &mut Tx,
    remittance: &Remittance,
    lines: &[(OrderId, Fen)],
) -> Result<(), ClearingError> {
    let orders: Vec<Uuid> = lines.iter().map(|(order, _)| order.0).collect();
    let amounts: Vec<i64> = lines.iter().map(|(_, amount)| amount.0).collect();
    sqlx::query!(
        "insert into clearing.remittance_line (remittance_id, order_id, share_of, amount_fen)
         select $1, line.order_id, $2, line.amount_fen
         from unnest($3::uuid[], $4::int8[]) as line (order_id, amount_fen)",
        remittance.id,
        remittance.payee.share().code(),
        &orders,
        &amounts
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// What payments other than remittances booked on an account after `last`: of each, before `end` and
/// since. The account is held.
pub(super) async fn booked(
    tx: &mut Tx,
    account: AccountId,
    last: Cursor,
    end: Timestamp,
) -> Result<Vec<(OrderId, Fen, Fen)>, ClearingError> {
    let rows = sqlx::query!(
        r#"select o.order_id as "order_id?",
                  coalesce(sum(leg.moved) filter (where leg.recorded_at < $4), 0)::int8 as "lines!",
                  coalesce(sum(leg.moved) filter (where leg.recorded_at >= $4), 0)::int8 as "later!"
           from (select recorded_at, kind, reference, -amount_fen as moved
                 from clearing.transfer
                 where debit_account_id = $1 and (recorded_at, entry) > ($2, $3)
                 union all
                 select recorded_at, kind, reference, amount_fen
                 from clearing.transfer
                 where credit_account_id = $1 and (recorded_at, entry) > ($2, $3)) leg
           left join clearing.payment_order o
               on o.order_id = case when leg.reference ~ '^[0-9a-f]{32}$' then leg.reference::uuid end
           where leg.kind in ('post', 'post_reserved', 'correct')
             and o.purpose is distinct from 'remittance'
           group by o.order_id
           order by o.order_id"#,
        account.0,
        last.recorded_at.to_sqlx() as _,
        last.entry,
        end.to_sqlx() as _
    );
    let rows = rows.fetch_all(tx.conn()).await?.into_iter();
    rows.map(|row| {
        // Whatever moves a payee's money is a payment and bears its name.
        let order = row.order_id.ok_or(ClearingError::Corrupt("booking of a payee"))?;
        Ok((OrderId(order), Fen(row.lines), Fen(row.later)))
    })
    .collect()
}

/// The last booking on an account before an instant.
pub(super) async fn last_before(
    tx: &mut Tx,
    account: AccountId,
    end: Timestamp,
) -> Result<Option<Cursor>, ClearingError> {
    let row = sqlx::query!(
        r#"select recorded_at as "recorded_at!: jiff_sqlx::Timestamp", entry as "entry!"
           from ((select recorded_at, entry from clearing.transfer
                  where debit_account_id = $1 and recorded_at < $2
                  order by recorded_at desc, entry desc limit 1)
                 union all
                 (select recorded_at, entry from clearing.transfer
                  where credit_account_id = $1 and recorded_at < $2
                  order by recorded_at desc, entry desc limit 1)) both_sides
           order by recorded_at desc, entry desc limit 1"#,
        account.0,
        end.to_sqlx() as _
    );
    let row = row.fetch_optional(tx.conn()).await?;
    Ok(row.map(|row| Cursor { recorded_at: row.recorded_at.to_jiff(), entry: row.entry }))
}

/// What remittances to a payee have reserved.
pub(super) async fn under_way(tx: &mut Tx, payee: &Payee) -> Result<Fen, ClearingError> {
    let sum = sqlx::query_scalar!(
        r#"select coalesce(sum(amount_fen - settled_fen), 0)::int8 as "sum!"
           from clearing.payment_order
           where purpose = 'remittance' and due_at is not null and about in (
               select remittance_id::text from clearing.remittance where payee_id = $1)"#,
        payee.owner().0
    );
    Ok(Fen(sum.fetch_one(tx.conn()).await?))
}

/// Source payments of a remittance by their ids, after one of them.
pub(super) async fn sources(
    tx: &mut Tx,
    remittance: Uuid,
    after: Option<Uuid>,
    limit: i64,
) -> Result<Vec<Source>, ClearingError> {
    let rows = sqlx::query!(
        r#"select l.order_id, o.purpose, o.about, l.amount_fen
           from clearing.remittance_line l join clearing.payment_order o using (order_id)
           where l.remittance_id = $1 and ($2::uuid is null or l.order_id > $2)
           order by l.order_id limit $3"#,
        remittance,
        after,
        limit
    );
    let rows = rows.fetch_all(tx.conn()).await?.into_iter();
    Ok(rows
        .map(|row| Source {
            order: OrderId(row.order_id),
            purpose: row.purpose,
            about: row.about,
            amount: Fen(row.amount_fen),
        })
        .collect())
}

/// The remittances that hold a payment: which share of it, in which, how much.
pub(in crate::payment) async fn of_order(
    tx: &mut Tx,
    order: OrderId,
) -> Result<Vec<(ShareOf, Uuid, Fen)>, ClearingError> {
    let rows = sqlx::query!(
        "select share_of, remittance_id, amount_fen from clearing.remittance_line
         where order_id = $1 order by remittance_id",
        order.0
    );
    let rows = rows.fetch_all(tx.conn()).await?.into_iter();
    rows.map(|row| {
        let of = ShareOf::parse(&row.share_of);
        let of = of.map_err(|_| ClearingError::Corrupt("remittance line"))?;
        Ok((of, row.remittance_id, Fen(row.amount_fen)))
    })
    .collect()
}

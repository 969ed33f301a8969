//! Accounts, balances and statements, for whoever the transaction was opened for: a participant
//! sees its own accounts, [`super::scope`] sees all.

use std::collections::HashMap;
use std::fmt;
use std::str::FromStr;

use clearing_ledger::{Account, AccountId, Balance, CycleId, Entry, Record, TransferId};
use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use kernel::{Fen, TenantId};
use pg::Tx;

use super::LedgerError;
use super::store::{self, AccountRow};

/// A place in the statement of an account; what is read after it is later. Its text is
/// `<microseconds>-<entry>`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cursor {
    pub(crate) recorded_at: Timestamp,
    pub(crate) entry: i64,
}

/// Not a cursor a statement gave out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this is no cursor of a statement")]
pub struct CursorError;

impl Cursor {
    /// Before everything recorded at `at` or later.
    pub fn before(at: Timestamp) -> Cursor {
        Cursor { recorded_at: at, entry: 0 }
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.recorded_at.as_microsecond(), self.entry)
    }
}

impl FromStr for Cursor {
    type Err = CursorError;

    fn from_str(text: &str) -> Result<Cursor, CursorError> {
        let (at, entry) = text.rsplit_once('-').ok_or(CursorError)?;
        let at = at.parse().map_err(|_| CursorError)?;
        Ok(Cursor {
            recorded_at: Timestamp::from_microsecond(at).map_err(|_| CursorError)?,
            entry: entry.parse().map_err(|_| CursorError)?,
        })
    }
}

/// Which side of a transfer an account was on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// 借.
    Debit,
    /// 贷.
    Credit,
}

/// One transfer in the statement of an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// What was done.
    pub entry: Entry,
    /// On which side the account was.
    pub side: Side,
    /// Where the account stood afterwards.
    pub after: Balance,
}

/// Part of the statement of an account (对账单).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    /// Oldest first.
    pub lines: Vec<Line>,
    /// Where to read on; `None` when this was the end.
    pub next: Option<Cursor>,
}

/// An account as it stands; `None` when there is none or the caller may not see it.
pub async fn account(tx: &mut Tx, id: AccountId) -> Result<Option<Account>, LedgerError> {
    let row = sqlx::query_as!(
        AccountRow,
        r#"select account_id, participant, purpose, currency, cycle_id, net_debit_cap_fen,
                  net_credit_cap_fen, debits_posted_fen, credits_posted_fen, debits_pending_fen,
                  credits_pending_fen, moved_at as "moved_at: _"
           from clearing.account where account_id = $1"#,
        id.0
    );
    row.fetch_optional(tx.conn()).await?.map(Account::try_from).transpose()
}

/// The accounts of a participant that the caller may see, by purpose, currency and cycle.
pub async fn accounts_of(tx: &mut Tx, participant: TenantId) -> Result<Vec<Account>, LedgerError> {
    let rows = sqlx::query_as!(
        AccountRow,
        r#"select account_id, participant, purpose, currency, cycle_id, net_debit_cap_fen,
                  net_credit_cap_fen, debits_posted_fen, credits_posted_fen, debits_pending_fen,
                  credits_pending_fen, moved_at as "moved_at: _"
           from clearing.account where participant = $1
           order by purpose, currency, cycle_id"#,
        participant.0
    );
    rows.fetch_all(tx.conn()).await?.into_iter().map(Account::try_from).collect()
}

/// The accounts of a settlement cycle that the caller may see, by id.
pub async fn accounts_of_cycle(tx: &mut Tx, cycle: CycleId) -> Result<Vec<Account>, LedgerError> {
    let rows = sqlx::query_as!(
        AccountRow,
        r#"select account_id, participant, purpose, currency, cycle_id, net_debit_cap_fen,
                  net_credit_cap_fen, debits_posted_fen, credits_posted_fen, debits_pending_fen,
                  credits_pending_fen, moved_at as "moved_at: _"
           from clearing.account where cycle_id = $1 order by account_id"#,
        cycle.0
    );
    rows.fetch_all(tx.conn()).await?.into_iter().map(Account::try_from).collect()
}

/// What became of a transfer's id; `None` when nothing did or the caller may not see it.
pub async fn record(tx: &mut Tx, id: TransferId) -> Result<Option<Record>, LedgerError> {
    Ok(store::records(tx, [id]).await?.pop())
}

/// Where an account stood at an instant, what was recorded at that instant included. `None` before
/// it was opened. A reservation that was due and not yet written off still counts as pending.
pub async fn balance_at(
    tx: &mut Tx,
    account: AccountId,
    at: Timestamp,
) -> Result<Option<Balance>, LedgerError> {
    let row = sqlx::query!(
        r#"select coalesce(last.debits_posted, 0) as "debits_posted!",
                  coalesce(last.credits_posted, 0) as "credits_posted!",
                  coalesce(last.debits_pending, 0) as "debits_pending!",
                  coalesce(last.credits_pending, 0) as "credits_pending!"
           from clearing.account a
           left join lateral (
               select * from (
                   (select recorded_at, entry, debit_debits_posted_fen as debits_posted,
                           debit_credits_posted_fen as credits_posted,
                           debit_debits_pending_fen as debits_pending,
                           debit_credits_pending_fen as credits_pending
                    from clearing.transfer
                    where debit_account_id = $1 and recorded_at <= $2
                    order by recorded_at desc, entry desc limit 1)
                   union all
                   (select recorded_at, entry, credit_debits_posted_fen,
                           credit_credits_posted_fen, credit_debits_pending_fen,
                           credit_credits_pending_fen
                    from clearing.transfer
                    where credit_account_id = $1 and recorded_at <= $2
                    order by recorded_at desc, entry desc limit 1)
               ) both_sides
               order by recorded_at desc, entry desc limit 1
           ) last on true
           where a.account_id = $1 and a.opened_at <= $2"#,
        account.0,
        at.to_sqlx() as _
    );
    Ok(row.fetch_optional(tx.conn()).await?.map(|row| Balance {
        debits_posted: Fen(row.debits_posted),
        credits_posted: Fen(row.credits_posted),
        debits_pending: Fen(row.debits_pending),
        credits_pending: Fen(row.credits_pending),
    }))
}

/// Up to `limit` transfers of an account after `after`, from the first one without it.
///
/// What is recorded later comes later in the order, so a statement read to its end and read on
/// from its cursor misses nothing.
pub async fn statement(
    tx: &mut Tx,
    account: AccountId,
    after: Option<Cursor>,
    limit: u16,
) -> Result<Statement, LedgerError> {
    let after = after.unwrap_or(Cursor::before(Timestamp::UNIX_EPOCH));
    let rows = sqlx::query!(
        r#"select entry as "entry!", transfer_id as "transfer_id!", recorded_at as "recorded_at!: jiff_sqlx::Timestamp"
           from (
               (select entry, transfer_id, recorded_at from clearing.transfer
                where debit_account_id = $1 and ($2, $3) < (recorded_at, entry)
                order by recorded_at, entry limit $4)
               union all
               (select entry, transfer_id, recorded_at from clearing.transfer
                where credit_account_id = $1 and ($2, $3) < (recorded_at, entry)
                order by recorded_at, entry limit $4)
           ) both_sides
           order by recorded_at, entry limit $4"#,
        account.0,
        after.recorded_at.to_sqlx() as _,
        after.entry,
        i64::from(limit)
    );
    let rows = rows.fetch_all(tx.conn()).await?;
    let full = rows.len() == usize::from(limit);
    let last = rows
        .last()
        .filter(|_| full)
        .map(|row| Cursor { recorded_at: row.recorded_at.to_jiff(), entry: row.entry });
    let ids: Vec<TransferId> = rows.iter().map(|row| TransferId(row.transfer_id)).collect();
    let mut records: HashMap<TransferId, Record> =
        store::records(tx, ids.clone()).await?.into_iter().map(|r| (r.id(), r)).collect();
    let mut lines = Vec::with_capacity(ids.len());
    for id in ids {
        let Some(Record::Entry(entry)) = records.remove(&id) else {
            return Err(LedgerError::Corrupt);
        };
        let (side, after) = match entry.debit == account {
            true => (Side::Debit, entry.debit_after),
            false => (Side::Credit, entry.credit_after),
        };
        lines.push(Line { entry, side, after });
    }
    Ok(Statement { lines, next: last })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_read_back_as_it_was_given_out() {
        for (at, entry) in [(0, 0), (1_740_794_400_000_000, 7), (-5, i64::MAX)] {
            let recorded_at = Timestamp::from_microsecond(at).unwrap();
            let cursor = Cursor { recorded_at, entry };
            assert_eq!(cursor.to_string().parse(), Ok(cursor));
        }
        for text in ["", "-", "1", "x-1", "1-x"] {
            assert_eq!(text.parse::<Cursor>(), Err(CursorError), "{text:?}");
        }
    }
}

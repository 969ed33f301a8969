//! SQL of accounts: opened, locked, moved and limited.

use std::collections::BTreeSet;

use clearing_ledger::{Account, AccountId, Balance, CycleId, Limits, NewAccount};
use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use kernel::Fen;
use pg::Tx;
use uuid::Uuid;

use super::row::AccountRow;
use crate::ledger::LedgerError;

/// Reads accounts and holds their rows, in the order of their ids, until the transaction ends.
pub(in crate::ledger) async fn lock_accounts(
    tx: &mut Tx,
    accounts: &BTreeSet<AccountId>,
) -> Result<Vec<Account>, LedgerError> {
    let accounts: Vec<Uuid> = accounts.iter().map(|id| id.0).collect();
    let rows = sqlx::query_as!(
        AccountRow,
        r#"select account_id, participant, purpose, currency, cycle_id, net_debit_cap_fen,
                  net_credit_cap_fen, debits_posted_fen, credits_posted_fen, debits_pending_fen,
                  credits_pending_fen, moved_at as "moved_at: _"
           from clearing.account
           where account_id = any($1)
           order by account_id
           for update"#,
        &accounts
    );
    rows.fetch_all(tx.conn()).await?.into_iter().map(Account::try_from).collect()
}

/// Writes where locked accounts stand now.
pub(in crate::ledger) async fn update_accounts(
    tx: &mut Tx,
    accounts: &[Account],
) -> Result<(), sqlx::Error> {
    if accounts.is_empty() {
        return Ok(());
    }
    let ids: Vec<Uuid> = accounts.iter().map(|account| account.id.0).collect();
    let of = |counter: fn(&Balance) -> Fen| -> Vec<i64> {
        accounts.iter().map(|account| counter(&account.balance).0).collect()
    };
    let moved_at: Vec<_> = accounts.iter().map(|account| account.moved_at.to_sqlx()).collect();
    sqlx::query!(
        "update clearing.account
         set debits_posted_fen = moved.debits_posted, credits_posted_fen = moved.credits_posted,
             debits_pending_fen = moved.debits_pending, credits_pending_fen = moved.credits_pending,
             moved_at = moved.moved_at
         from unnest($1::uuid[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[],
                     $6::timestamptz[])
             as moved (account_id, debits_posted, credits_posted, debits_pending,
                       credits_pending, moved_at)
         where account.account_id = moved.account_id",
        &ids,
        &of(|balance| balance.debits_posted),
        &of(|balance| balance.credits_posted),
        &of(|balance| balance.debits_pending),
        &of(|balance| balance.credits_pending),
        &moved_at as _
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// The account of an id, and the one of the same participant, purpose, currency and cycle.
pub(in crate::ledger) async fn find_to_open(
    tx: &mut Tx,
    wanted: &NewAccount,
) -> Result<Vec<Account>, LedgerError> {
    let rows = sqlx::query_as!(
        AccountRow,
        r#"select account_id, participant, purpose, currency, cycle_id, net_debit_cap_fen,
                  net_credit_cap_fen, debits_posted_fen, credits_posted_fen, debits_pending_fen,
                  credits_pending_fen, moved_at as "moved_at: _"
           from clearing.account
           where account_id = $1
              or (participant = $2 and purpose = $3 and currency = $4
                  and cycle_id is not distinct from $5)"#,
        wanted.id.0,
        wanted.participant.0,
        wanted.purpose.code(),
        wanted.currency.as_str(),
        wanted.cycle.map(|cycle| cycle.0)
    );
    rows.fetch_all(tx.conn()).await?.into_iter().map(Account::try_from).collect()
}

/// Which of `accounts` there are. Locks nothing.
pub(in crate::ledger) async fn known_accounts(
    tx: &mut Tx,
    accounts: &BTreeSet<AccountId>,
) -> Result<BTreeSet<AccountId>, LedgerError> {
    let accounts: Vec<Uuid> = accounts.iter().map(|id| id.0).collect();
    let found = sqlx::query_scalar!(
        "select account_id from clearing.account where account_id = any($1)",
        &accounts
    );
    Ok(found.fetch_all(tx.conn()).await?.into_iter().map(AccountId).collect())
}

/// Writes a new account unless it is there; whether it was written.
pub(in crate::ledger) async fn insert_account(
    tx: &mut Tx,
    account: &Account,
) -> Result<bool, sqlx::Error> {
    let written = sqlx::query!(
        "insert into clearing.account
             (account_id, participant, purpose, currency, cycle_id, net_debit_cap_fen,
              net_credit_cap_fen, debits_posted_fen, credits_posted_fen, debits_pending_fen,
              credits_pending_fen, opened_at, moved_at)
         values ($1, $2, $3, $4, $5, $6, $7, 0, 0, 0, 0, $8, $8)
         on conflict do nothing",
        account.id.0,
        account.participant.0,
        account.purpose.code(),
        account.currency.as_str(),
        account.cycle.map(|cycle| cycle.0),
        account.limits.net_debit_cap.map(|cap| cap.0),
        account.limits.net_credit_cap.map(|cap| cap.0),
        account.moved_at.to_sqlx() as _
    )
    .execute(tx.conn())
    .await?;
    Ok(written.rows_affected() == 1)
}

/// Sets the caps of a locked account.
pub(in crate::ledger) async fn update_limits(
    tx: &mut Tx,
    account: AccountId,
    limits: Limits,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "update clearing.account set net_debit_cap_fen = $2, net_credit_cap_fen = $3
         where account_id = $1",
        account.0,
        limits.net_debit_cap.map(|cap| cap.0),
        limits.net_credit_cap.map(|cap| cap.0)
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Notes the caps an account has from an instant on.
pub(in crate::ledger) async fn insert_limits(
    tx: &mut Tx,
    account: AccountId,
    limits: Limits,
    since: Timestamp,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "insert into clearing.account_limit
             (account_id, since, net_debit_cap_fen, net_credit_cap_fen)
         values ($1, $2, $3, $4)",
        account.0,
        since.to_sqlx() as _,
        limits.net_debit_cap.map(|cap| cap.0),
        limits.net_credit_cap.map(|cap| cap.0)
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Takes the net debit caps off the accounts of a cycle and notes it.
pub(in crate::ledger) async fn lift_debit_caps(
    tx: &mut Tx,
    cycle: CycleId,
    since: Timestamp,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "with lifted as (
             update clearing.account set net_debit_cap_fen = null
             where cycle_id = $1 and net_debit_cap_fen is not null
             returning account_id, net_credit_cap_fen)
         insert into clearing.account_limit
             (account_id, since, net_debit_cap_fen, net_credit_cap_fen)
         select account_id, $2, null, net_credit_cap_fen from lifted",
        cycle.0,
        since.to_sqlx() as _
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

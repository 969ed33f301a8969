//! Opening accounts and setting how far they may go.

use std::collections::{BTreeMap, BTreeSet};

use clearing_ledger::{Account, AccountId, CycleId, Limits, NewAccount, OpenRefusal, open};
use jiff::Timestamp;
use pg::{Command, Tx, failure};

use super::LedgerError;
use super::store;

/// Why an account was not opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The ledger's rules.
    #[error("cannot open the account")]
    Refused(#[from] OpenRefusal),
    /// The ledger did not answer.
    #[error("the account was not opened")]
    Ledger(#[from] LedgerError),
}

impl From<sqlx::Error> for OpenError {
    fn from(error: sqlx::Error) -> OpenError {
        OpenError::Ledger(error.into())
    }
}

/// Opens an account or finds it.
pub(super) struct OpenAccount {
    pub(super) account: NewAccount,
    pub(super) now: Timestamp,
}

impl Command for OpenAccount {
    const NAME: &'static str = "ledger.open";
    type Out = Account;
    type Error = OpenError;

    async fn apply(&self, tx: &mut Tx) -> Result<Account, OpenError> {
        let found = store::find_to_open(tx, &self.account).await?;
        let by_id = found.iter().find(|account| account.id == self.account.id);
        let by_purpose = found.iter().find(|account| account.id != self.account.id);
        let account = open(&self.account, by_id, by_purpose, self.now)?;
        if by_id.is_none() {
            if !store::insert_account(tx, &account).await? {
                // Whoever opened it meanwhile is found the next time.
                return Err(failure::start_over().into());
            }
            store::insert_limits(tx, account.id, account.limits, self.now).await?;
        }
        Ok(account)
    }
}

/// Opens the accounts of `wanted` that are not there yet, in the caller's transaction, whose scope
/// holds the house; unlike [`OpenAccount`] it takes the ids for granted, because they are made from
/// what the accounts are for.
pub async fn open_all(
    tx: &mut Tx,
    wanted: &[NewAccount],
    now: Timestamp,
) -> Result<(), LedgerError> {
    let ids: BTreeSet<AccountId> = wanted.iter().map(|account| account.id).collect();
    let known = store::known_accounts(tx, &ids).await?;
    for wanted in wanted.iter().filter(|account| !known.contains(&account.id)) {
        let Ok(account) = open(wanted, None, None, now) else { continue };
        // Who opens it at the same time is waited for, and has opened the same.
        if store::insert_account(tx, &account).await? {
            store::insert_limits(tx, account.id, account.limits, now).await?;
        }
    }
    Ok(())
}

/// Those of `wanted` that are not there yet. Locks nothing.
pub(crate) async fn unopened(
    tx: &mut Tx,
    mut wanted: Vec<NewAccount>,
) -> Result<Vec<NewAccount>, LedgerError> {
    let ids: BTreeSet<AccountId> = wanted.iter().map(|account| account.id).collect();
    let known = store::known_accounts(tx, &ids).await?;
    wanted.retain(|account| !known.contains(&account.id));
    Ok(wanted)
}

/// Sets the caps of those accounts that are there, in the caller's transaction, whose scope holds the
/// house. What came about before stands.
pub(crate) async fn limit(
    tx: &mut Tx,
    limits: &BTreeMap<AccountId, Limits>,
    now: Timestamp,
) -> Result<(), LedgerError> {
    let ids: BTreeSet<AccountId> = limits.keys().copied().collect();
    for account in store::lock_accounts(tx, &ids).await? {
        let Some(&wanted) = limits.get(&account.id) else { continue };
        if account.limits != wanted {
            store::update_limits(tx, account.id, wanted).await?;
            store::insert_limits(tx, account.id, wanted, now).await?;
        }
    }
    Ok(())
}

/// Takes the net debit caps off the accounts of a cycle, in the caller's transaction, whose scope holds
/// the house and in which nobody else moves their money.
pub(crate) async fn lift_debit_caps(
    tx: &mut Tx,
    cycle: CycleId,
    now: Timestamp,
) -> Result<(), LedgerError> {
    Ok(store::lift_debit_caps(tx, cycle, now).await?)
}

/// Accounts, held until the transaction ends: nobody else moves their money meanwhile. Locked in the
/// order of their ids, as everybody does.
pub async fn hold(
    tx: &mut Tx,
    accounts: &BTreeSet<AccountId>,
) -> Result<Vec<Account>, LedgerError> {
    store::lock_accounts(tx, accounts).await
}

/// Sets the caps of an account.
pub(super) struct SetLimits {
    pub(super) account: AccountId,
    pub(super) limits: Limits,
    pub(super) now: Timestamp,
}

impl Command for SetLimits {
    const NAME: &'static str = "ledger.set_limits";
    type Out = ();
    type Error = LedgerError;

    async fn apply(&self, tx: &mut Tx) -> Result<(), LedgerError> {
        let found = store::known_accounts(tx, &BTreeSet::from([self.account])).await?;
        if found.is_empty() {
            return Err(LedgerError::UnknownAccount(self.account));
        }
        limit(tx, &BTreeMap::from([(self.account, self.limits)]), self.now).await
    }
}

//! A ledger on a database of its own, and short ways to write accounts.

use std::sync::Arc;

use clearing::ledger::{LANES, Ledger};
use clearing_ledger::{Chain, Currency, Limits, NewAccount, Outcome, Purpose, Transfer};
use kernel::{Clock, Ids, SetClock, TenantId};
use pg::Db;
use testkit::TestDb;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use uuid::Uuid;

pub(crate) use crate::words::*;

/// A ledger, its clock and its database. The lanes end with it.
pub(crate) struct Fixture {
    pub(crate) ledger: Ledger,
    pub(crate) clock: Arc<SetClock>,
    pub(crate) test: TestDb,
    _stop: tokio_util::sync::DropGuard,
}

impl Fixture {
    /// With accounts `1..=accounts` in yuan, without limits.
    pub(crate) async fn with(accounts: u128) -> Fixture {
        let test = testkit::database(&[&clearing::MIGRATIONS]).await;
        let clock = testkit::clock();
        let (ledger, stop) = ledger(test.db.clone(), clock.clone(), testkit::ids());
        for number in 1..=accounts {
            ledger.open(account(number)).await.unwrap();
        }
        Fixture { ledger, clock, test, _stop: stop.drop_guard() }
    }

    /// Submits a transfer by itself.
    pub(crate) async fn one(&self, transfer: Transfer) -> Outcome {
        self.ledger.submit_chain(Chain::one(transfer)).await.unwrap().remove(0)
    }

    /// Debits posted, credits posted, debits pending, credits pending of an account.
    pub(crate) async fn counters(&self, number: u128) -> [i64; 4] {
        let mut tx = self.test.db.begin(clearing::ledger::scope([])).await.unwrap();
        let account = clearing::ledger::account(&mut tx, account_id(number)).await.unwrap();
        numbers(&account.unwrap().balance)
    }

    pub(crate) async fn assert_whole(&self) {
        assert_whole(&self.ledger).await;
    }
}

/// Every balance, worked out anew, is what is stored, and debits are credits.
pub(crate) async fn assert_whole(ledger: &Ledger) {
    let proof = ledger.prove().await.unwrap();
    assert!(proof.holds(), "{proof:?}");
}

pub(crate) fn ledger(db: Db, clock: Arc<dyn Clock>, ids: Arc<Ids>) -> (Ledger, CancellationToken) {
    let (tracker, stop) = (TaskTracker::new(), CancellationToken::new());
    (Ledger::start(db, clock, ids, LANES, &tracker, &stop), stop)
}

pub(crate) fn participant(number: u128) -> TenantId {
    TenantId(Uuid::from_u128(1_000 + number))
}

pub(crate) fn account(number: u128) -> NewAccount {
    NewAccount {
        id: account_id(number),
        participant: participant(number),
        purpose: Purpose::Position,
        currency: Currency::CNY,
        cycle: None,
        limits: Limits::default(),
    }
}

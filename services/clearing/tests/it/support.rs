//! A ledger on a database of its own, and short ways to write accounts and transfers.

use std::sync::Arc;

use clearing::ledger::{LANES, Ledger};
use clearing_ledger::{
    AccountId, Action, Amount, Chain, Currency, Limits, Movement, NewAccount, Outcome, Purpose,
    Reason, Reference, Timeout, Transfer, TransferId,
};
use kernel::{Clock, Fen, Ids, SetClock, TenantId};
use pg::Db;
use testkit::TestDb;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use uuid::Uuid;

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
        let balance = account.unwrap().balance;
        [
            balance.debits_posted.0,
            balance.credits_posted.0,
            balance.debits_pending.0,
            balance.credits_pending.0,
        ]
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

pub(crate) fn account_id(number: u128) -> AccountId {
    AccountId(Uuid::from_u128(number))
}

pub(crate) fn participant(number: u128) -> TenantId {
    TenantId(Uuid::from_u128(1_000 + number))
}

pub(crate) fn id(number: u128) -> TransferId {
    TransferId(Uuid::from_u128(number))
}

pub(crate) fn account(number: u128) -> NewAccount {
    NewAccount {
        id: account_id(number),
        participant: participant(number),
        purpose: Purpose::Position,
        currency: Currency::CNY,
        limits: Limits::default(),
    }
}

pub(crate) fn movement(debit: u128, credit: u128, amount: i64) -> Movement {
    Movement {
        debit: account_id(debit),
        credit: account_id(credit),
        amount: Fen(amount),
        currency: Currency::CNY,
    }
}

pub(crate) fn transfer(number: u128, action: Action) -> Transfer {
    let (reason, reference) = (Reason::parse("test").unwrap(), Reference::default());
    Transfer { id: id(number), action, reason, reference }
}

pub(crate) fn post(number: u128, debit: u128, credit: u128, amount: i64) -> Transfer {
    transfer(number, Action::Post(movement(debit, credit, amount)))
}

pub(crate) fn reserve(
    number: u128,
    debit: u128,
    credit: u128,
    amount: i64,
    timeout: u32,
) -> Transfer {
    let movement = movement(debit, credit, amount);
    transfer(number, Action::Reserve { movement, timeout: Timeout::seconds(timeout) })
}

pub(crate) fn post_reserved(number: u128, reservation: u128, amount: Amount) -> Transfer {
    transfer(number, Action::PostReserved { reservation: id(reservation), amount })
}

pub(crate) fn void(number: u128, reservation: u128) -> Transfer {
    transfer(number, Action::Void { reservation: id(reservation) })
}

pub(crate) fn correct(number: u128, original: u128, amount: Amount) -> Transfer {
    transfer(number, Action::Correct { original: id(original), amount })
}

pub(crate) fn part(amount: i64) -> Amount {
    Amount::Part(Fen(amount))
}

//! Short ways to write accounts and transfers.

use clearing_ledger::{
    Account, AccountId, Action, Amount, Balance, Book, Chain, Currency, Limits, Movement, Outcome,
    Purpose, Reason, Reference, Timeout, Transfer, TransferId,
};
use jiff::{SignedDuration, Timestamp};
use kernel::{Fen, Ids, TenantId};
use uuid::Uuid;

pub(crate) fn account_id(number: u128) -> AccountId {
    AccountId(Uuid::from_u128(number))
}

pub(crate) fn id(number: u128) -> TransferId {
    TransferId(Uuid::from_u128(number))
}

/// Seconds after the epoch.
pub(crate) fn at(seconds: i64) -> Timestamp {
    Timestamp::UNIX_EPOCH + SignedDuration::from_secs(seconds)
}

/// An account in yuan without limits.
pub(crate) fn account(number: u128) -> Account {
    Account {
        id: account_id(number),
        participant: TenantId(Uuid::from_u128(number)),
        purpose: Purpose::Position,
        currency: Currency::CNY,
        limits: Limits::default(),
        balance: Balance::default(),
        moved_at: Timestamp::UNIX_EPOCH,
    }
}

pub(crate) fn capped(number: u128, net_debit: Option<i64>, net_credit: Option<i64>) -> Account {
    let limits = Limits { net_debit_cap: net_debit.map(Fen), net_credit_cap: net_credit.map(Fen) };
    Account { limits, ..account(number) }
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

/// A book that knows `accounts`, with its time at zero.
pub(crate) fn book(accounts: impl IntoIterator<Item = Account>) -> Book {
    let mut book = Book::default();
    accounts.into_iter().for_each(|account| book.load_account(account));
    book
}

/// Moves the book's time.
pub(crate) fn advance(book: &mut Book, seconds: i64, ids: &Ids) {
    book.advance(at(seconds), ids);
}

/// Submits a transfer by itself.
pub(crate) fn submit(book: &mut Book, transfer: Transfer) -> Outcome {
    book.submit(&Chain::one(transfer)).remove(0)
}

/// Debits posted, credits posted, debits pending, credits pending of an account.
pub(crate) fn counters(book: &Book, number: u128) -> [i64; 4] {
    numbers(&book.account(account_id(number)).unwrap().balance)
}

pub(crate) fn numbers(balance: &Balance) -> [i64; 4] {
    let Balance { debits_posted, credits_posted, debits_pending, credits_pending } = balance;
    [debits_posted.0, credits_posted.0, debits_pending.0, credits_pending.0]
}

//! Short ways to write accounts and drive a book.

use clearing_ledger::{
    Account, Balance, Book, Chain, Currency, Limits, Outcome, Purpose, Transfer,
};
use jiff::{SignedDuration, Timestamp};
use kernel::{Fen, Ids, TenantId};
use uuid::Uuid;

pub(crate) use crate::words::*;

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
        cycle: None,
        limits: Limits::default(),
        balance: Balance::default(),
        moved_at: Timestamp::UNIX_EPOCH,
    }
}

pub(crate) fn capped(number: u128, net_debit: Option<i64>, net_credit: Option<i64>) -> Account {
    let limits = Limits { net_debit_cap: net_debit.map(Fen), net_credit_cap: net_credit.map(Fen) };
    Account { limits, ..account(number) }
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

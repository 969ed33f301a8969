//! A set of chains in one transaction: load, lock, load what may have moved, judge, write.

use std::collections::BTreeSet;

use clearing_ledger::{AccountId, Book, Chain, Outcome, Record, TransferId};
use jiff::Timestamp;
use kernel::Ids;
use pg::{Tx, failure};

use super::LedgerError;
use super::store::{self, Due};

/// Judges `chains` in order and writes what becomes of them, in the caller's transaction; one list
/// of outcomes per chain. The transaction must be opened for [`super::scope`] and ends soon: its
/// accounts are locked until then. `ids` names expiries.
///
/// Fails with an error that asks to start over ([`pg::failure::is_retryable`]) when another
/// transaction took one of the ids at the same time.
pub async fn settle(
    tx: &mut Tx,
    chains: &[Chain],
    now: Timestamp,
    ids: &Ids,
) -> Result<Vec<Vec<Outcome>>, LedgerError> {
    let asked = || chains.iter().flat_map(Chain::transfers);
    let targets = asked().filter_map(|asked| asked.action.target());
    let named: BTreeSet<TransferId> = targets.chain(asked().map(|asked| asked.id)).collect();
    // What a record says never changes, so records are read before their accounts are locked.
    let mut records = store::records(tx, named).await?;
    let mut accounts: BTreeSet<AccountId> = asked()
        .filter_map(|asked| asked.action.movement())
        .flat_map(|movement| [movement.debit, movement.credit])
        .collect();
    accounts.extend(records.iter().flat_map(sides));
    let due = store::due_on(tx, &accounts, now).await?;
    load_due(tx, &due, &mut records, &mut accounts).await?;
    let mut book = load(tx, records, &accounts).await?;
    book.advance(now, ids);
    let outcomes = chains.iter().map(|chain| book.submit(chain)).collect();
    write(tx, book).await?;
    Ok(outcomes)
}

/// Expires up to `most` reservations that are due; how many were due.
pub(super) async fn sweep(
    tx: &mut Tx,
    most: u16,
    now: Timestamp,
    ids: &Ids,
) -> Result<usize, LedgerError> {
    let due = store::due(tx, most, now).await?;
    let (mut records, mut accounts) = (Vec::new(), BTreeSet::new());
    load_due(tx, &due, &mut records, &mut accounts).await?;
    let mut book = load(tx, records, &accounts).await?;
    book.advance(now, ids);
    write(tx, book).await?;
    Ok(due.len())
}

/// Adds the reservations of `due` and the accounts at both of their ends, so that these are locked
/// in order with the others.
async fn load_due(
    tx: &mut Tx,
    due: &[Due],
    records: &mut Vec<Record>,
    accounts: &mut BTreeSet<AccountId>,
) -> Result<(), LedgerError> {
    accounts.extend(due.iter().flat_map(|due| [due.debit, due.credit]));
    let known: BTreeSet<TransferId> = records.iter().map(Record::id).collect();
    let missing = due.iter().map(|due| due.reservation).filter(|id| !known.contains(id));
    records.extend(store::records(tx, missing).await?);
    Ok(())
}

/// Locks the accounts and puts everything in a book.
async fn load(
    tx: &mut Tx,
    records: Vec<Record>,
    accounts: &BTreeSet<AccountId>,
) -> Result<Book, LedgerError> {
    let mut book = Book::default();
    for account in store::lock_accounts(tx, accounts).await? {
        book.load_account(account);
    }
    // Only now: how a reservation ended may have changed until its accounts were locked.
    let entries = records.iter().filter(|record| matches!(record, Record::Entry(_)));
    let pursued = store::pursued(tx, entries.map(Record::id)).await?;
    for record in records {
        book.load_record(record);
    }
    for (target, kind, amount) in pursued {
        if kind.ends_a_reservation() {
            book.load_end(target, kind);
        } else {
            book.load_corrected(target, amount);
        }
    }
    Ok(book)
}

async fn write(tx: &mut Tx, book: Book) -> Result<(), LedgerError> {
    let at = book.at();
    let changes = book.changes();
    if changes.records.is_empty() {
        return Ok(());
    }
    store::insert_records(tx, &changes.records, at).await.map_err(collision)?;
    store::insert_open_reservations(tx, &changes.records).await?;
    store::delete_open_reservations(tx, &changes.records).await?;
    store::update_accounts(tx, &changes.accounts).await?;
    Ok(())
}

/// Another transaction was judging the same id on other accounts: start over and find its record.
fn collision(error: sqlx::Error) -> sqlx::Error {
    match failure::constraint(&error) {
        Some("transfer_pkey" | "transfer_ends_reservation_once") => failure::start_over(),
        _ => error,
    }
}

fn sides(record: &Record) -> impl Iterator<Item = AccountId> + use<> {
    let sides = match record {
        Record::Entry(entry) => Some([entry.debit, entry.credit]),
        Record::Failure(_) => None,
    };
    sides.into_iter().flatten()
}

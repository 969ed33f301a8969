//! What survives a crash: accounts and records, loaded into a book only as far as the book asks
//! for, and changed only by a commit.

use std::collections::{BTreeMap, BTreeSet};

use clearing_ledger::{Account, AccountId, Book, Chain, Changes, Entry, Kind, Record, TransferId};
use jiff::Timestamp;
use kernel::{Fen, Ids};

#[derive(Debug, Default)]
pub(crate) struct Disk {
    pub(crate) accounts: BTreeMap<AccountId, Account>,
    pub(crate) records: BTreeMap<TransferId, Record>,
    /// Ids in the order they were written.
    pub(crate) order: Vec<TransferId>,
}

impl Disk {
    /// A book for `chains` at `now`, loaded as its documentation asks.
    pub(crate) fn load(&self, chains: &[Chain], now: Timestamp, ids: &Ids) -> Book {
        let asked = || chains.iter().flat_map(|chain| chain.transfers());
        let targets: BTreeSet<TransferId> =
            asked().filter_map(|asked| asked.action.target()).collect();
        let mut records = targets;
        records.extend(asked().map(|asked| asked.id));
        let mut accounts: BTreeSet<AccountId> = asked()
            .filter_map(|asked| asked.action.movement())
            .flat_map(|movement| [movement.debit, movement.credit])
            .collect();
        accounts.extend(records.iter().filter_map(|id| self.entry(*id)).flat_map(sides));
        let due = self.due(now).filter(|entry| sides(entry).iter().any(|id| accounts.contains(id)));
        let due: Vec<&Entry> = due.collect();
        accounts.extend(due.iter().flat_map(|entry| sides(entry)));
        records.extend(due.iter().map(|entry| entry.id));
        self.book(&accounts, &records, now, ids)
    }

    /// A book in which what is due is expired, `most` at a time.
    pub(crate) fn sweep(&self, most: usize, now: Timestamp, ids: &Ids) -> Book {
        let due: Vec<&Entry> = self.due(now).take(most).collect();
        let accounts = due.iter().flat_map(|entry| sides(entry)).collect();
        let records = due.iter().map(|entry| entry.id).collect();
        self.book(&accounts, &records, now, ids)
    }

    pub(crate) fn commit(&mut self, changes: Changes) {
        for account in changes.accounts {
            self.accounts.insert(account.id, account);
        }
        for record in changes.records {
            let id = record.id();
            self.order.push(id);
            assert!(self.records.insert(id, record).is_none(), "{id:?} was judged twice");
        }
    }

    pub(crate) fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.order.iter().filter_map(|id| self.entry(*id))
    }

    fn book(
        &self,
        accounts: &BTreeSet<AccountId>,
        records: &BTreeSet<TransferId>,
        now: Timestamp,
        ids: &Ids,
    ) -> Book {
        let mut book = Book::default();
        for account in accounts.iter().filter_map(|id| self.accounts.get(id)) {
            book.load_account(account.clone());
        }
        for record in records.iter().filter_map(|id| self.records.get(id)) {
            book.load_record(record.clone());
        }
        for id in records {
            match self.end(*id) {
                Some(kind) => book.load_end(*id, kind),
                None => book.load_corrected(*id, self.corrected(*id)),
            }
        }
        book.advance(now, ids);
        book
    }

    fn entry(&self, id: TransferId) -> Option<&Entry> {
        match self.records.get(&id) {
            Some(Record::Entry(entry)) => Some(entry),
            _ => None,
        }
    }

    fn due(&self, now: Timestamp) -> impl Iterator<Item = &Entry> {
        self.entries().filter(move |entry| {
            entry.expires_at.is_some_and(|until| until <= now) && self.end(entry.id).is_none()
        })
    }

    fn end(&self, reservation: TransferId) -> Option<Kind> {
        self.entries()
            .find(|entry| entry.target == Some(reservation) && entry.kind.ends_a_reservation())
            .map(|entry| entry.kind)
    }

    fn corrected(&self, original: TransferId) -> Fen {
        let corrections = self
            .entries()
            .filter(|entry| entry.target == Some(original) && entry.kind == Kind::Correct);
        Fen(corrections.map(|entry| entry.amount.0).sum())
    }
}

fn sides(entry: &Entry) -> [AccountId; 2] {
    [entry.debit, entry.credit]
}

//! The book: accounts and records as far as a batch needs them, and the one place money moves.

use std::collections::{BTreeSet, HashMap};

use jiff::{SignedDuration, Timestamp};
use kernel::{Fen, Ids};

use crate::account::{Account, AccountId, Balance, Currency, is_reserved};
use crate::chain::{Chain, Link};
use crate::record::{Entry, Failure, Kind, Outcome, Receipt, Record, digest};
use crate::refusal::Refusal;
use crate::transfer::{Action, Amount, Movement, Timeout, Transfer, TransferId};

/// Accounts and records, loaded as far as needed, and what was judged on them.
///
/// Whoever submits a chain has loaded, as they are while nobody else can move these accounts: the
/// records under its ids and of its targets, the accounts of its movements and its targets, how
/// its targets ended or how much of them is corrected, and the reservations on these accounts that
/// are due. What is not loaded does not exist for the book.
///
/// Load, [`advance`](Book::advance) the time once, submit, then write down the
/// [`changes`](Book::changes).
#[derive(Clone, Debug, Default)]
pub struct Book {
    at: Timestamp,
    accounts: HashMap<AccountId, Account>,
    records: HashMap<TransferId, Record>,
    /// How reservations ended.
    ends: HashMap<TransferId, Kind>,
    /// How much of a transfer is corrected.
    corrected: HashMap<TransferId, Fen>,
    /// Open reservations by the instant they expire.
    open: BTreeSet<(Timestamp, TransferId)>,
    /// Ids judged here, in order.
    judged: Vec<TransferId>,
}

/// What a batch changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// New records, in the order they came about.
    pub records: Vec<Record>,
    /// Accounts that moved, as they are now, in the order of their ids.
    pub accounts: Vec<Account>,
}

/// A transfer that may be done.
struct Plan {
    kind: Kind,
    debit: AccountId,
    credit: AccountId,
    amount: Fen,
    currency: Currency,
    part: bool,
    target: Option<TransferId>,
    timeout: Option<Timeout>,
    debit_after: Balance,
    credit_after: Balance,
}

/// Undoes one member of a chain.
struct Undo {
    id: TransferId,
    debit_before: Account,
    credit_before: Account,
}

/// What is known of an id when a transfer comes in.
enum Known {
    Nothing,
    Same(Outcome),
    Wrong(Refusal),
}

impl Book {
    /// Knows `account` from now on.
    pub fn load_account(&mut self, account: Account) {
        self.accounts.insert(account.id, account);
    }

    /// Knows what became of an id. A reservation is open until [`Book::load_end`] says otherwise.
    pub fn load_record(&mut self, record: Record) {
        if let Record::Entry(entry) = &record {
            self.note_open(entry);
        }
        self.records.insert(record.id(), record);
    }

    /// Knows how a loaded reservation ended.
    pub fn load_end(&mut self, reservation: TransferId, how: Kind) {
        self.close(reservation, how);
    }

    /// Knows how much of a transfer is corrected.
    pub fn load_corrected(&mut self, original: TransferId, amount: Fen) {
        self.corrected.insert(original, amount);
    }

    /// Moves the book's time to `now`, or to the last movement of a loaded account if that is
    /// later (another server's clock may be ahead), and expires what is due. `ids` names the
    /// expiries.
    pub fn advance(&mut self, now: Timestamp, ids: &Ids) {
        let moved = self.accounts.values().map(|account| account.moved_at).max();
        self.at = self.at.max(now).max(moved.unwrap_or(now));
        while let Some(&(expires_at, id)) = self.open.first()
            && expires_at <= self.at
        {
            self.open.remove(&(expires_at, id));
            self.expire(id, ids);
        }
    }

    /// The instant at which everything submitted now is judged and recorded.
    pub fn at(&self) -> Timestamp {
        self.at
    }

    /// An account as it stands.
    pub fn account(&self, id: AccountId) -> Option<&Account> {
        self.accounts.get(&id)
    }

    /// What became of an id.
    pub fn record(&self, id: TransferId) -> Option<&Record> {
        self.records.get(&id)
    }

    /// Judges a chain and does it, or refuses it. One answer per member, in order.
    pub fn submit(&mut self, chain: &Chain) -> Vec<Outcome> {
        let members =
            || chain.transfers().iter().enumerate().map(|(at, asked)| (asked, chain.link(at)));
        let known: Vec<Known> = members().map(|(asked, link)| self.known(asked, link)).collect();
        if known.iter().all(|known| matches!(known, Known::Nothing)) {
            return self.submit_new(chain);
        }
        // Known in part: the chain as it stands was never done and never will be.
        let whole = known.iter().all(|known| matches!(known, Known::Same(_)));
        let mut outcomes = Vec::with_capacity(known.len());
        for ((asked, link), known) in members().zip(known) {
            outcomes.push(match known {
                Known::Same(Ok(_)) if !whole => Err(Refusal::Linked),
                Known::Same(outcome) => outcome,
                Known::Wrong(refusal) => Err(refusal),
                Known::Nothing => {
                    self.fail(asked, link, Refusal::Linked);
                    Err(Refusal::Linked)
                }
            });
        }
        outcomes
    }

    /// What is to be written down.
    pub fn changes(mut self) -> Changes {
        let records: Vec<Record> =
            self.judged.iter().filter_map(|id| self.records.remove(id)).collect();
        let moved: BTreeSet<AccountId> = records
            .iter()
            .filter_map(|record| match record {
                Record::Entry(entry) => Some([entry.debit, entry.credit]),
                Record::Failure(_) => None,
            })
            .flatten()
            .collect();
        let accounts = moved.iter().filter_map(|id| self.accounts.remove(id)).collect();
        Changes { records, accounts }
    }

    fn known(&self, asked: &Transfer, link: Option<Link>) -> Known {
        if is_reserved(asked.id.0) {
            return Known::Wrong(Refusal::IdReserved);
        }
        match self.records.get(&asked.id) {
            None => Known::Nothing,
            Some(Record::Entry(entry)) => match entry.difference(asked, link) {
                None => Known::Same(Ok(entry.receipt())),
                Some(field) => Known::Wrong(Refusal::id_taken(field)),
            },
            Some(Record::Failure(failure)) if failure.digest == digest(asked, link) => {
                Known::Same(Err(failure.refusal))
            }
            Some(Record::Failure(_)) => Known::Wrong(Refusal::IdFailed),
        }
    }

    fn submit_new(&mut self, chain: &Chain) -> Vec<Outcome> {
        let mut outcomes = Vec::with_capacity(chain.transfers().len());
        let mut done: Vec<Undo> = Vec::new();
        for (at, asked) in chain.transfers().iter().enumerate() {
            match self.judge(asked) {
                Ok(plan) => {
                    let (undo, receipt) = self.carry_out(plan, asked, chain.link(at));
                    done.extend(undo);
                    outcomes.push(Ok(receipt));
                }
                Err(refusal) => {
                    done.into_iter().rev().for_each(|undo| self.undo(undo));
                    return self.refuse(chain, at, refusal);
                }
            }
        }
        outcomes
    }

    /// Refuses a chain because of the member at `fault`.
    fn refuse(&mut self, chain: &Chain, fault: usize, refusal: Refusal) -> Vec<Outcome> {
        let mut outcomes = Vec::with_capacity(chain.transfers().len());
        for (at, asked) in chain.transfers().iter().enumerate() {
            let refusal = if at == fault { refusal } else { Refusal::Linked };
            self.fail(asked, chain.link(at), refusal);
            outcomes.push(Err(refusal));
        }
        outcomes
    }

    fn fail(&mut self, asked: &Transfer, link: Option<Link>, refusal: Refusal) {
        let digest = digest(asked, link);
        let failure = Failure { id: asked.id, digest, refusal, recorded_at: self.at };
        self.records.insert(asked.id, Record::Failure(failure));
        self.judged.push(asked.id);
    }

    fn judge(&self, asked: &Transfer) -> Result<Plan, Refusal> {
        match &asked.action {
            Action::Post(movement) => self.judge_movement(movement, Kind::Post, None),
            Action::Reserve { movement, timeout } => {
                self.judge_movement(movement, Kind::Reserve, *timeout)
            }
            Action::PostReserved { reservation, amount } => {
                self.judge_end(*reservation, Kind::PostReserved, *amount)
            }
            Action::Void { reservation } => self.judge_end(*reservation, Kind::Void, Amount::All),
            Action::Correct { original, amount } => self.judge_correction(*original, *amount),
        }
    }

    fn judge_movement(
        &self,
        movement: &Movement,
        kind: Kind,
        timeout: Option<Timeout>,
    ) -> Result<Plan, Refusal> {
        let &Movement { debit, credit, amount, currency } = movement;
        check(Fen::ZERO < amount, Refusal::AmountNotPositive)?;
        check(debit != credit, Refusal::SameAccount)?;
        let debited = self.accounts.get(&debit).ok_or(Refusal::DebitAccountUnknown)?;
        let credited = self.accounts.get(&credit).ok_or(Refusal::CreditAccountUnknown)?;
        check(debited.currency == credited.currency, Refusal::CurrenciesDiffer)?;
        check(debited.currency == currency, Refusal::CurrencyWrong)?;
        let pending = if kind == Kind::Reserve { amount.0 } else { 0 };
        let posted = amount.0 - pending;
        let (debit_after, credit_after) = moved(debited, credited, pending, posted)?;
        Ok(Plan {
            kind,
            debit,
            credit,
            amount,
            currency,
            part: false,
            target: None,
            timeout,
            debit_after,
            credit_after,
        })
    }

    fn judge_end(&self, target: TransferId, kind: Kind, amount: Amount) -> Result<Plan, Refusal> {
        check(is_positive(amount), Refusal::AmountNotPositive)?;
        let reserved = self.entry(target)?;
        check(reserved.kind == Kind::Reserve, Refusal::TargetNotReservation)?;
        match self.ends.get(&target) {
            Some(Kind::PostReserved) => return Err(Refusal::ReservationPosted),
            Some(Kind::Void) => return Err(Refusal::ReservationVoided),
            Some(_) => return Err(Refusal::ReservationExpired),
            None => {}
        }
        let taken = match amount {
            Amount::All => reserved.amount,
            Amount::Part(part) => part,
        };
        check(taken <= reserved.amount, Refusal::ExceedsReservation)?;
        self.plan_end(reserved, kind, taken, matches!(amount, Amount::Part(_)))
    }

    fn plan_end(
        &self,
        reserved: &Entry,
        kind: Kind,
        amount: Fen,
        part: bool,
    ) -> Result<Plan, Refusal> {
        let debited = self.accounts.get(&reserved.debit).ok_or(Refusal::DebitAccountUnknown)?;
        let credited = self.accounts.get(&reserved.credit).ok_or(Refusal::CreditAccountUnknown)?;
        let pending = -reserved.amount.0;
        let posted = if kind.posts() { amount.0 } else { 0 };
        let (debit_after, credit_after) = moved(debited, credited, pending, posted)?;
        Ok(Plan {
            kind,
            debit: reserved.debit,
            credit: reserved.credit,
            amount,
            currency: reserved.currency,
            part,
            target: Some(reserved.id),
            timeout: None,
            debit_after,
            credit_after,
        })
    }

    fn judge_correction(&self, target: TransferId, amount: Amount) -> Result<Plan, Refusal> {
        check(is_positive(amount), Refusal::AmountNotPositive)?;
        let original = self.entry(target)?;
        check(original.kind.posts(), Refusal::TargetNotPosted)?;
        let corrected = self.corrected.get(&target).copied().unwrap_or(Fen::ZERO);
        let left = Fen(original.amount.0 - corrected.0); // corrections never exceed their original
        let amount_back = match amount {
            Amount::All => left,
            Amount::Part(part) => part,
        };
        let fits = Fen::ZERO < amount_back && amount_back <= left;
        check(fits, Refusal::ExceedsOriginal)?;
        let (debit, credit) = (original.credit, original.debit);
        let debited = self.accounts.get(&debit).ok_or(Refusal::DebitAccountUnknown)?;
        let credited = self.accounts.get(&credit).ok_or(Refusal::CreditAccountUnknown)?;
        let (debit_after, credit_after) = moved(debited, credited, 0, amount_back.0)?;
        Ok(Plan {
            kind: Kind::Correct,
            debit,
            credit,
            amount: amount_back,
            currency: original.currency,
            part: matches!(amount, Amount::Part(_)),
            target: Some(target),
            timeout: None,
            debit_after,
            credit_after,
        })
    }

    fn entry(&self, id: TransferId) -> Result<&Entry, Refusal> {
        match self.records.get(&id) {
            Some(Record::Entry(entry)) => Ok(entry),
            Some(Record::Failure(_)) | None => Err(Refusal::TargetUnknown),
        }
    }

    fn carry_out(
        &mut self,
        plan: Plan,
        asked: &Transfer,
        link: Option<Link>,
    ) -> (Option<Undo>, Receipt) {
        let entry = Entry {
            id: asked.id,
            kind: plan.kind,
            debit: plan.debit,
            credit: plan.credit,
            amount: plan.amount,
            currency: plan.currency,
            part: plan.part,
            target: plan.target,
            timeout: plan.timeout,
            expires_at: plan.timeout.and_then(|timeout| expiry(self.at, timeout)),
            reason: asked.reason.clone(),
            reference: asked.reference.clone(),
            link,
            recorded_at: self.at,
            debit_after: plan.debit_after,
            credit_after: plan.credit_after,
        };
        let receipt = entry.receipt();
        (self.write(entry), receipt)
    }

    fn expire(&mut self, id: TransferId, ids: &Ids) {
        let Ok(reserved) = self.entry(id).cloned() else { return };
        // Releasing cannot be refused; an account that was not loaded is not this batch's to move.
        let Ok(plan) = self.plan_end(&reserved, Kind::Expire, reserved.amount, false) else {
            return;
        };
        let by_ledger = Transfer {
            id: TransferId(ids.next(self.at)),
            action: Action::Void { reservation: id },
            reason: reserved.reason,
            reference: reserved.reference,
        };
        self.carry_out(plan, &by_ledger, None);
    }

    fn write(&mut self, entry: Entry) -> Option<Undo> {
        let debit_before = self.settle(entry.debit, entry.debit_after);
        let credit_before = self.settle(entry.credit, entry.credit_after);
        self.note_open(&entry);
        match entry.target {
            Some(target) if entry.kind == Kind::Correct => {
                self.corrected.entry(target).or_default().0 += entry.amount.0;
            }
            Some(target) => self.close(target, entry.kind),
            None => {}
        }
        let id = entry.id;
        self.judged.push(id);
        self.records.insert(id, Record::Entry(entry));
        Some(Undo { id, debit_before: debit_before?, credit_before: credit_before? })
    }

    /// Sets where an account stands; what it was before.
    fn settle(&mut self, id: AccountId, balance: Balance) -> Option<Account> {
        let account = self.accounts.get_mut(&id)?;
        let before = account.clone();
        account.balance = balance;
        account.moved_at = self.at;
        Some(before)
    }

    /// Takes back the latest entry.
    fn undo(&mut self, undo: Undo) {
        self.accounts.insert(undo.credit_before.id, undo.credit_before);
        self.accounts.insert(undo.debit_before.id, undo.debit_before);
        self.judged.pop();
        let Some(Record::Entry(entry)) = self.records.remove(&undo.id) else { return };
        if let Some(expires_at) = entry.expires_at {
            self.open.remove(&(expires_at, entry.id));
        }
        let Some(target) = entry.target else { return };
        if entry.kind == Kind::Correct {
            self.corrected.entry(target).or_default().0 -= entry.amount.0;
        } else {
            self.ends.remove(&target);
            if let Ok(reserved) = self.entry(target).cloned() {
                self.note_open(&reserved);
            }
        }
    }

    fn note_open(&mut self, entry: &Entry) {
        if let Some(expires_at) = entry.expires_at {
            self.open.insert((expires_at, entry.id));
        }
    }

    fn close(&mut self, reservation: TransferId, how: Kind) {
        self.ends.insert(reservation, how);
        if let Ok(&Entry { expires_at: Some(expires_at), .. }) = self.entry(reservation) {
            self.open.remove(&(expires_at, reservation));
        }
    }
}

/// Where two accounts stand after a movement. What is taken off pending is there: it was reserved.
fn moved(
    debited: &Account,
    credited: &Account,
    pending: i64,
    posted: i64,
) -> Result<(Balance, Balance), Refusal> {
    let (mut debit, mut credit) = (debited.balance, credited.balance);
    let grown = |so_far: Fen, reserved: Fen| {
        let grown = i128::from(so_far.0)
            + i128::from(reserved.0)
            + i128::from(pending)
            + i128::from(posted);
        grown <= i128::from(i64::MAX)
    };
    check(grown(debit.debits_posted, debit.debits_pending), Refusal::DebitsOverflow)?;
    check(grown(credit.credits_posted, credit.credits_pending), Refusal::CreditsOverflow)?;
    debit.debits_pending.0 += pending;
    debit.debits_posted.0 += posted;
    credit.credits_pending.0 += pending;
    credit.credits_posted.0 += posted;
    // A cap is held against what would take the account further; the end of a reservation never
    // does.
    if 0 < pending + posted {
        let within =
            |exposure: i128, cap: Option<Fen>| cap.is_none_or(|cap| exposure <= cap.0.into());
        check(within(debit.debit_exposure(), debited.limits.net_debit_cap), Refusal::NetDebitCap)?;
        let cap = credited.limits.net_credit_cap;
        check(within(credit.credit_exposure(), cap), Refusal::NetCreditCap)?;
    }
    Ok((debit, credit))
}

/// `None` past the end of representable time, which is as good as never.
fn expiry(at: Timestamp, timeout: Timeout) -> Option<Timestamp> {
    at.checked_add(SignedDuration::from_secs(timeout.as_seconds().into())).ok()
}

fn is_positive(amount: Amount) -> bool {
    match amount {
        Amount::All => true,
        Amount::Part(part) => Fen::ZERO < part,
    }
}

fn check(holds: bool, otherwise: Refusal) -> Result<(), Refusal> {
    if holds { Ok(()) } else { Err(otherwise) }
}

//! What was judged, as it is kept: never changed, never removed.

use jiff::Timestamp;
use kernel::Fen;
use sha2::{Digest, Sha256};

use crate::account::{AccountId, Balance, Currency};
use crate::chain::Link;
use crate::refusal::{Field, Refusal};
use crate::transfer::{Action, Amount, Reason, Reference, Timeout, Transfer, TransferId};

/// What a transfer did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Moved money at once.
    Post,
    /// Reserved it.
    Reserve,
    /// Posted a reservation.
    PostReserved,
    /// Released a reservation.
    Void,
    /// Released a reservation whose time was up. Written by the ledger itself.
    Expire,
    /// Moved money back.
    Correct,
}

impl Kind {
    /// All of them.
    pub const ALL: [Kind; 6] =
        [Kind::Post, Kind::Reserve, Kind::PostReserved, Kind::Void, Kind::Expire, Kind::Correct];

    /// The word it is stored as.
    pub const fn code(self) -> &'static str {
        match self {
            Kind::Post => "post",
            Kind::Reserve => "reserve",
            Kind::PostReserved => "post_reserved",
            Kind::Void => "void",
            Kind::Expire => "expire",
            Kind::Correct => "correct",
        }
    }

    /// Reads the word; `None` for any other.
    pub fn parse(code: &str) -> Option<Kind> {
        Kind::ALL.into_iter().find(|kind| kind.code() == code)
    }

    /// Whether it ends a reservation.
    pub const fn ends_a_reservation(self) -> bool {
        matches!(self, Kind::PostReserved | Kind::Void | Kind::Expire)
    }

    /// Whether it moved money, rather than reserving or releasing it.
    pub const fn posts(self) -> bool {
        matches!(self, Kind::Post | Kind::PostReserved | Kind::Correct)
    }

    pub(crate) const fn of(action: &Action) -> Kind {
        match action {
            Action::Post(_) => Kind::Post,
            Action::Reserve { .. } => Kind::Reserve,
            Action::PostReserved { .. } => Kind::PostReserved,
            Action::Void { .. } => Kind::Void,
            Action::Correct { .. } => Kind::Correct,
        }
    }
}

/// A transfer that was done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Made by the client; by the ledger for an expiry.
    pub id: TransferId,
    /// What it did.
    pub kind: Kind,
    /// The account debited.
    pub debit: AccountId,
    /// The account credited.
    pub credit: AccountId,
    /// Posted, reserved, or released.
    pub amount: Fen,
    /// Of what.
    pub currency: Currency,
    /// Whether the client named the amount of a reservation or an original, rather than all.
    pub part: bool,
    /// The reservation it ended or the transfer it corrected.
    pub target: Option<TransferId>,
    /// Of a reservation.
    pub timeout: Option<Timeout>,
    /// Of a reservation: the first instant at which it is no longer open.
    pub expires_at: Option<Timestamp>,
    /// The kind of business.
    pub reason: Reason,
    /// The business.
    pub reference: Reference,
    /// Its place in a chain.
    pub link: Option<Link>,
    /// When it was done.
    pub recorded_at: Timestamp,
    /// Where the debited account stood afterwards.
    pub debit_after: Balance,
    /// Where the credited account stood afterwards.
    pub credit_after: Balance,
}

/// A transfer that was refused: its id stays refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Made by the client.
    pub id: TransferId,
    /// Of the body that was refused: the same body gets the same answer.
    pub digest: [u8; 32],
    /// The answer.
    pub refusal: Refusal,
    /// When it was given.
    pub recorded_at: Timestamp,
}

/// What became of an id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Record {
    /// It was done.
    Entry(Entry),
    /// It was refused.
    Failure(Failure),
}

/// The answer to a transfer that was done; the same each time it is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// Posted, reserved, or released.
    pub amount: Fen,
    /// When.
    pub recorded_at: Timestamp,
    /// Of a reservation: the first instant at which it is no longer open.
    pub expires_at: Option<Timestamp>,
    /// Where the debited account stood afterwards.
    pub debit_after: Balance,
    /// Where the credited account stood afterwards.
    pub credit_after: Balance,
}

/// The answer to a transfer.
pub type Outcome = Result<Receipt, Refusal>;

impl Record {
    /// The id it stands under.
    pub fn id(&self) -> TransferId {
        match self {
            Record::Entry(entry) => entry.id,
            Record::Failure(failure) => failure.id,
        }
    }
}

impl Entry {
    /// The answer.
    pub fn receipt(&self) -> Receipt {
        Receipt {
            amount: self.amount,
            recorded_at: self.recorded_at,
            expires_at: self.expires_at,
            debit_after: self.debit_after,
            credit_after: self.credit_after,
        }
    }

    /// The first field in which `asked` differs from what was done under the same id.
    pub(crate) fn difference(&self, asked: &Transfer, link: Option<Link>) -> Option<Field> {
        let movement = asked.action.movement();
        let amount = match &asked.action {
            Action::Post(movement) | Action::Reserve { movement, .. } => {
                movement.amount == self.amount
            }
            Action::PostReserved { amount, .. } | Action::Correct { amount, .. } => match amount {
                Amount::All => !self.part,
                Amount::Part(part) => self.part && *part == self.amount,
            },
            Action::Void { .. } => true,
        };
        let timeout = match &asked.action {
            Action::Reserve { timeout, .. } => *timeout,
            _ => None,
        };
        let same = [
            (Field::Kind, Kind::of(&asked.action) == self.kind),
            (Field::Target, asked.action.target() == self.target),
            (Field::DebitAccount, movement.is_none_or(|movement| movement.debit == self.debit)),
            (Field::CreditAccount, movement.is_none_or(|movement| movement.credit == self.credit)),
            (Field::Amount, amount),
            (Field::Currency, movement.is_none_or(|movement| movement.currency == self.currency)),
            (Field::Timeout, timeout == self.timeout),
            (Field::Reason, asked.reason == self.reason),
            (Field::Reference, asked.reference == self.reference),
            (Field::Chain, link == self.link),
        ];
        same.into_iter().find_map(|(field, same)| (!same).then_some(field))
    }
}

/// SHA-256 over a body and its place in a chain. The layout is in stored rows and never changes:
/// each part has a fixed length or its length before it.
pub(crate) fn digest(transfer: &Transfer, link: Option<Link>) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update(Kind::of(&transfer.action).code());
    if let Some(movement) = transfer.action.movement() {
        hash.update(b":m");
        hash.update(movement.debit.0.as_bytes());
        hash.update(movement.credit.0.as_bytes());
        hash.update(movement.amount.0.to_be_bytes());
        hash.update(movement.currency.as_str());
    }
    if let Some(target) = transfer.action.target() {
        hash.update(b":t");
        hash.update(target.0.as_bytes());
    }
    match &transfer.action {
        Action::Reserve { timeout, .. } => {
            hash.update(timeout.map_or(0, Timeout::as_seconds).to_be_bytes());
        }
        Action::PostReserved { amount, .. } | Action::Correct { amount, .. } => match amount {
            Amount::All => hash.update(b":a"),
            Amount::Part(part) => {
                hash.update(b":p");
                hash.update(part.0.to_be_bytes());
            }
        },
        Action::Post(_) | Action::Void { .. } => {}
    }
    for word in [transfer.reason.as_str(), transfer.reference.as_str()] {
        hash.update([u8::try_from(word.len()).unwrap_or(u8::MAX)]); // at most 64
        hash.update(word);
    }
    if let Some(link) = link {
        hash.update(link.chain.0.as_bytes());
        hash.update(link.index.to_be_bytes());
        hash.update(link.size.to_be_bytes());
    }
    hash.finalize().into()
}

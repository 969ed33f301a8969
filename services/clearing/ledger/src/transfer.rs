//! Transfers as a client asks for them.

use std::fmt;
use std::num::NonZeroU32;

use kernel::Fen;

use crate::account::{AccountId, Currency};

kernel::id_type! {
    /// Names one transfer. Made by the client and never used for anything else.
    pub TransferId
}

/// One transfer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transfer {
    /// Made by the client.
    pub id: TransferId,
    /// What it does.
    pub action: Action,
    /// What kind of business it serves, for example `recovery.settled`.
    pub reason: Reason,
    /// The business it serves: a platform number, a statement's number. Empty when there is none.
    pub reference: Reference,
}

/// What a transfer does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Moves money at once (过账).
    Post(Movement),
    /// Reserves money (冻结) until it is posted or voided, or the timeout has passed since it was
    /// recorded. Without a timeout it stays reserved.
    Reserve {
        /// What is reserved.
        movement: Movement,
        /// How long.
        timeout: Option<Timeout>,
    },
    /// Posts a reservation; what is not posted of it is released.
    PostReserved {
        /// The reservation.
        reservation: TransferId,
        /// How much of it.
        amount: Amount,
    },
    /// Releases a reservation (解冻).
    Void {
        /// The reservation.
        reservation: TransferId,
    },
    /// Moves back what a transfer posted (冲销): its accounts change sides. A transfer may be
    /// corrected in parts, never by more than it posted; a correction may be corrected too.
    Correct {
        /// The transfer that was wrong.
        original: TransferId,
        /// How much of it; `All` is what is not corrected yet.
        amount: Amount,
    },
}

/// Money from one account to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Movement {
    /// The account debited (借).
    pub debit: AccountId,
    /// The account credited (贷).
    pub credit: AccountId,
    /// How much.
    pub amount: Fen,
    /// Of what: both accounts must hold it.
    pub currency: Currency,
}

/// How much of an earlier transfer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Amount {
    /// All there is.
    All,
    /// So much.
    Part(Fen),
}

/// How long a reservation stays open, in whole seconds from its recording.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeout(pub NonZeroU32);

impl Timeout {
    /// `None` for zero.
    pub fn seconds(seconds: u32) -> Option<Timeout> {
        NonZeroU32::new(seconds).map(Timeout)
    }

    /// Whole seconds.
    pub fn as_seconds(self) -> u32 {
        self.0.get()
    }
}

/// Why a text is no reason or reference.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what} {found:?} is not {rule}")]
pub struct WordError {
    what: &'static str,
    rule: &'static str,
    found: String,
}

/// What kind of business a transfer serves: 1 to 40 of `a-z`, `0-9`, `_` and `.`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Reason(String);

impl Reason {
    /// Reads it as written.
    pub fn parse(raw: &str) -> Result<Reason, WordError> {
        let allowed =
            |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_.".contains(&byte);
        if (1..=40).contains(&raw.len()) && raw.bytes().all(allowed) {
            Ok(Reason(raw.to_owned()))
        } else {
            Err(WordError {
                what: "reason",
                rule: "1 to 40 of a-z, 0-9, _ and .",
                found: raw.chars().take(60).collect(),
            })
        }
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The business a transfer serves: up to 64 printable ASCII characters without spaces. Never a
/// person's data.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Reference(String);

impl Reference {
    /// Reads it as written.
    pub fn parse(raw: &str) -> Result<Reference, WordError> {
        if raw.len() <= 64 && raw.bytes().all(|byte| byte.is_ascii_graphic()) {
            Ok(Reference(raw.to_owned()))
        } else {
            Err(WordError {
                what: "reference",
                rule: "up to 64 printable characters without spaces",
                found: raw.chars().take(60).collect(),
            })
        }
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Action {
    /// The accounts and money it names itself.
    pub fn movement(&self) -> Option<&Movement> {
        match self {
            Action::Post(movement) | Action::Reserve { movement, .. } => Some(movement),
            Action::PostReserved { .. } | Action::Void { .. } | Action::Correct { .. } => None,
        }
    }

    /// The transfer it ends or corrects.
    pub fn target(&self) -> Option<TransferId> {
        match self {
            Action::Post(_) | Action::Reserve { .. } => None,
            Action::PostReserved { reservation: target, .. }
            | Action::Void { reservation: target }
            | Action::Correct { original: target, .. } => Some(*target),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_and_references_are_plain_words() {
        for raw in ["a", "recovery.settled", "fee_2025"] {
            assert_eq!(Reason::parse(raw).unwrap().as_str(), raw);
        }
        for raw in ["", "Recovery", "a b", "追偿", &"a".repeat(41)] {
            assert!(Reason::parse(raw).is_err(), "{raw:?}");
        }
        for raw in ["", "02PICC11002", "A-1/7"] {
            assert_eq!(Reference::parse(raw).unwrap().as_str(), raw);
        }
        for raw in [" ", "a\n", "号", &"a".repeat(65)] {
            assert!(Reference::parse(raw).is_err(), "{raw:?}");
        }
    }
}

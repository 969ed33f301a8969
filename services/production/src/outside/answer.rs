//! What an outside system answered, when, and what stands in for an answer that did not come.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

/// One of the outside systems.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Source {
    /// Traffic police (交管).
    Police,
    /// Vehicle model library (车型库).
    Models,
    /// Tax authority (税务).
    Tax,
}

impl Source {
    /// Its name in metrics, logs and stored answers.
    pub const fn name(self) -> &'static str {
        match self {
            Source::Police => "police",
            Source::Models => "models",
            Source::Tax => "tax",
        }
    }
}

/// A question whose answer is worth keeping.
pub trait Question: Clone + PartialEq {
    /// Whether an answer to `self` also answers `later`.
    fn answers(&self, later: &Self) -> bool {
        self == later
    }
}

/// A dated answer, as the store keeps it with the vehicle. Those of police and tax authority name
/// people: they are sealed before they are stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Snapshot<Asked, Found> {
    /// When it was answered.
    pub at: Timestamp,
    /// What was asked.
    pub asked: Asked,
    /// What was answered.
    pub found: Found,
}

impl<Asked, Found> Snapshot<Asked, Found> {
    /// Whether it is younger than `limit`. One from the future is of no age at all.
    pub fn is_within(&self, limit: SignedDuration, now: Timestamp) -> bool {
        let age = now.duration_since(self.at);
        !age.is_negative() && age < limit
    }
}

/// What is known of one source for one call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer<S> {
    /// The call does not need it.
    NotAsked,
    /// Answered just now: to be kept.
    Asked(S),
    /// A fresh snapshot saved the call.
    Kept(S),
    /// No answer; an older snapshot stands in, with a notice.
    Stale {
        /// The older snapshot.
        snapshot: S,
        /// Kind of failure, as in [`base_http::outbound::OutboundError::kind`].
        why: &'static str,
    },
    /// No answer and no snapshot; something is assumed, with a notice.
    Unavailable {
        /// Kind of failure, as in [`base_http::outbound::OutboundError::kind`].
        why: &'static str,
    },
}

impl<S> Answer<S> {
    /// What there is to work with, fresh or stale.
    pub fn known(&self) -> Option<&S> {
        match self {
            Answer::Asked(snapshot) | Answer::Kept(snapshot) | Answer::Stale { snapshot, .. } => {
                Some(snapshot)
            }
            Answer::NotAsked | Answer::Unavailable { .. } => None,
        }
    }

    /// What was answered just now and ought to be kept.
    pub fn to_keep(&self) -> Option<&S> {
        match self {
            Answer::Asked(snapshot) => Some(snapshot),
            Answer::NotAsked
            | Answer::Kept(_)
            | Answer::Stale { .. }
            | Answer::Unavailable { .. } => None,
        }
    }

    /// Whether something was assumed that has to be asked again before a confirmation.
    pub fn is_assumed(&self) -> bool {
        matches!(self, Answer::Stale { .. } | Answer::Unavailable { .. })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_snapshot_ages_and_one_from_the_future_is_not_fresh() {
        let at = Timestamp::from_second(1_000_000).unwrap();
        let snapshot = Snapshot { at, asked: (), found: () };
        let day = SignedDuration::from_hours(24);
        let cases = [
            (SignedDuration::ZERO, true),
            (SignedDuration::from_hours(23), true),
            (day, false),
            (SignedDuration::from_secs(-1), false),
        ];
        for (later, fresh) in cases {
            assert_eq!(snapshot.is_within(day, at + later), fresh, "{later}");
        }
    }
}

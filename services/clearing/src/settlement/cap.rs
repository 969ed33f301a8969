//! Net debit caps (净借记限额), pure: how much an insurer may owe in one position of a region's cycles,
//! who may decide that, and which version holds.
//!
//! One person proposes a version, another confirms or rejects it. The latest that was confirmed holds;
//! none is confirmed behind a later one. What came about before a cap was lowered stands.

use jiff::Timestamp;
use kernel::{Fen, TenantId};

use super::decision::{Decision, Person, Verdict, is_confirmed};

/// A version of an insurer's cap in the cycles of a region.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NetDebitCap {
    /// Whose.
    pub participant: TenantId,
    /// By its code.
    pub insurer: String,
    /// Of the cycles: a region of the platform, or `000000`.
    pub region: String,
    /// Counted from 1 for an insurer and a region.
    pub version: i32,
    /// Most it may owe in a position; `None` for no cap.
    pub cap: Option<Fen>,
    /// Why.
    pub reason: String,
    /// Who proposed it.
    pub proposed_by: Person,
    /// When.
    pub proposed_at: Timestamp,
    /// What was said of it, once somebody did.
    pub decision: Option<Decision>,
}

/// Why a decision is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CapRefusal {
    /// Four eyes.
    #[error("whoever proposed a cap cannot decide it")]
    SamePerson,
    /// Once is enough.
    #[error("it is decided already")]
    Decided,
    /// It would undo what was decided later.
    #[error("a later version was confirmed: propose the cap anew")]
    Superseded,
}

impl NetDebitCap {
    /// The version decided by another person, or why not; `all` has every version beside it.
    pub fn decide(
        &self,
        decision: Decision,
        all: &[NetDebitCap],
    ) -> Result<NetDebitCap, CapRefusal> {
        if self.decision.is_some() {
            return Err(CapRefusal::Decided);
        }
        if decision.by == self.proposed_by {
            return Err(CapRefusal::SamePerson);
        }
        let later = in_force(all, &self.region).is_some_and(|holds| self.version < holds.version);
        if decision.verdict == Verdict::Confirm && later {
            return Err(CapRefusal::Superseded);
        }
        Ok(NetDebitCap { decision: Some(decision), ..self.clone() })
    }

    /// Where it stands among all versions.
    pub fn standing(&self, all: &[NetDebitCap]) -> &'static str {
        match self.decision.as_ref().map(|decision| decision.verdict) {
            None => "proposed",
            Some(Verdict::Reject) => "rejected",
            Some(Verdict::Confirm) => match in_force(all, &self.region) {
                Some(holds) if holds.version == self.version => "in_force",
                _ => "superseded",
            },
        }
    }
}

/// The version that holds in a region, of one insurer's; `None` while none was confirmed.
pub fn in_force<'a>(all: &'a [NetDebitCap], region: &str) -> Option<&'a NetDebitCap> {
    let confirmed = all.iter().filter(|cap| cap.region == region && is_confirmed(&cap.decision));
    confirmed.max_by_key(|cap| cap.version)
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn person(client: &str) -> Person {
        Person { tenant: TenantId(Uuid::from_u128(9)), client: client.into() }
    }

    fn decision(verdict: Verdict, client: &str) -> Decision {
        Decision { verdict, by: person(client), at: Timestamp::UNIX_EPOCH, reason: None }
    }

    fn version(version: i32) -> NetDebitCap {
        NetDebitCap {
            participant: TenantId(Uuid::from_u128(1)),
            insurer: "PICC".into(),
            region: "320000".into(),
            version,
            cap: Some(Fen(100)),
            reason: "x".into(),
            proposed_by: person("maker"),
            proposed_at: Timestamp::UNIX_EPOCH,
            decision: None,
        }
    }

    #[test]
    fn a_cap_takes_two_people_and_the_latest_confirmed_holds() {
        use Verdict::{Confirm, Reject};
        let alone = version(1).decide(decision(Confirm, "maker"), &[]);
        assert_eq!(alone, Err(CapRefusal::SamePerson));
        let first = version(1).decide(decision(Confirm, "checker"), &[]).unwrap();
        let again = first.decide(decision(Reject, "checker"), &[]);
        assert_eq!(again, Err(CapRefusal::Decided));
        let third = version(3).decide(decision(Confirm, "checker"), &[]).unwrap();
        let fourth = version(4).decide(decision(Reject, "checker"), &[]).unwrap();
        let all = [first, version(2), third, fourth];
        let behind = version(2).decide(decision(Confirm, "checker"), &all);
        assert_eq!(behind, Err(CapRefusal::Superseded));
        assert!(version(2).decide(decision(Reject, "checker"), &all).is_ok());
        let standings = all.each_ref().map(|cap| cap.standing(&all));
        assert_eq!(standings, ["superseded", "proposed", "in_force", "rejected"]);
        assert_eq!(in_force(&all, "110000"), None);
    }
}

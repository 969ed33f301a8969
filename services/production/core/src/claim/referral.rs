//! 调查: a claim referred to the insurer's investigators, and what they found.
//!
//! ```text
//! open -> assigned -> concluded;   concluded -> open again when there is new evidence
//! ```
//!
//! A claim has one referral. It is opened by a score, a rule or a person; what is learnt while it is
//! not concluded is added to it, and new evidence after a conclusion opens it again as another round.
//! What was concluded in each round stays, and the latest is the label scores learn from.

use jiff::Timestamp;
use kernel::Fen;
use serde::{Deserialize, Serialize};

use crate::coded_enum;

/// Where a referral stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReferralStage {
    /// Waits for somebody.
    Open,
    /// Somebody looks into it.
    Assigned {
        /// Who.
        to: String,
        /// Since when.
        at: Timestamp,
    },
    /// It was looked into.
    Concluded(Conclusion),
}

/// What was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conclusion {
    /// What it is.
    pub finding: Finding,
    /// What the insurer need not pay, or got back.
    pub saved: Fen,
    /// How it was done; at least one of a confirmed fraud.
    pub schemes: Vec<Scheme>,
    /// In words; names nobody.
    pub note: Option<String>,
    /// Who concluded.
    pub by: String,
    /// When.
    pub at: Timestamp,
}

/// What an investigation found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub enum Finding {
    /// 确认欺诈.
    Confirmed,
    /// 疑点未证实: something is odd, and nothing is proven.
    Unconfirmed,
    /// 排除欺诈.
    Clean,
}

coded_enum! {
    /// How a fraud was done. Our own list: no official one is public.
    pub enum Scheme ("fraud scheme") {
        Staged = "staged", "摆放现场", "staged accident";
        OtherDriver = "otherDriver", "顶包", "another driver than told";
        InsuredAfter = "insuredAfter", "先出险后投保", "insured after the accident";
        Inflated = "inflated", "扩大损失", "inflated loss";
        Twice = "twice", "重复索赔", "claimed twice";
        Forged = "forged", "虚假单证", "forged documents";
        FalseInjury = "falseInjury", "虚假人伤", "false injury";
        Repairer = "repairer", "修理厂骗赔", "repairer's fraud";
        Ring = "ring", "团伙欺诈", "ring";
        Other = "other", "其他", "other";
    }
}

/// Why a referral does not go on like that.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReferralError {
    /// The stage does not allow it.
    #[error("cannot {action} a referral that is {stage}")]
    WrongStage {
        /// What was asked.
        action: &'static str,
        /// Where it stands.
        stage: &'static str,
    },
    /// A confirmed fraud without a scheme.
    #[error("a confirmed fraud names at least one scheme")]
    NoScheme,
    /// Money saved where nothing was found.
    #[error("a claim that is clean saved nothing")]
    SavedNothing,
    /// A negative amount.
    #[error("what was saved is not negative")]
    Negative,
}

impl Finding {
    /// Every finding.
    pub const ALL: [Finding; 3] = [Finding::Confirmed, Finding::Unconfirmed, Finding::Clean];

    /// The word of messages, storage and training sets.
    pub const fn name(self) -> &'static str {
        match self {
            Finding::Confirmed => "confirmed",
            Finding::Unconfirmed => "unconfirmed",
            Finding::Clean => "clean",
        }
    }

    /// The finding of that word.
    pub fn parse(name: &str) -> Option<Finding> {
        Finding::ALL.into_iter().find(|finding| finding.name() == name)
    }
}

impl Conclusion {
    /// A conclusion that says what its finding needs.
    pub fn check(self) -> Result<Conclusion, ReferralError> {
        if self.saved.0 < 0 {
            return Err(ReferralError::Negative);
        }
        match self.finding {
            Finding::Confirmed if self.schemes.is_empty() => Err(ReferralError::NoScheme),
            Finding::Clean if self.saved.0 > 0 => Err(ReferralError::SavedNothing),
            _ => Ok(self),
        }
    }
}

impl ReferralStage {
    /// The word of messages and storage.
    pub const fn name(&self) -> &'static str {
        match self {
            ReferralStage::Open => "open",
            ReferralStage::Assigned { .. } => "assigned",
            ReferralStage::Concluded(_) => "concluded",
        }
    }

    /// Gives it to somebody, or to somebody else.
    pub fn assign(self, to: String, now: Timestamp) -> Result<ReferralStage, ReferralError> {
        match self {
            ReferralStage::Open | ReferralStage::Assigned { .. } => {
                Ok(ReferralStage::Assigned { to, at: now })
            }
            ReferralStage::Concluded(_) => {
                Err(ReferralError::WrongStage { action: "assign", stage: "concluded" })
            }
        }
    }

    /// Ends the round. Somebody must have looked into it.
    pub fn conclude(self, found: Conclusion) -> Result<ReferralStage, ReferralError> {
        match self {
            ReferralStage::Assigned { .. } => Ok(ReferralStage::Concluded(found.check()?)),
            other => Err(ReferralError::WrongStage { action: "conclude", stage: other.name() }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(finding: Finding, saved: i64, schemes: &[Scheme]) -> Conclusion {
        Conclusion {
            finding,
            saved: Fen(saved),
            schemes: schemes.to_vec(),
            note: None,
            by: "investigator".to_owned(),
            at: Timestamp::UNIX_EPOCH,
        }
    }

    #[test]
    fn only_what_somebody_looks_into_is_concluded() {
        let now = Timestamp::UNIX_EPOCH;
        let clean = || found(Finding::Clean, 0, &[]);
        let early = ReferralStage::Open.conclude(clean()).unwrap_err();
        assert_eq!(early.to_string(), "cannot conclude a referral that is open");
        let assigned = ReferralStage::Open.assign("a".to_owned(), now).unwrap();
        let passed_on = assigned.assign("b".to_owned(), now).unwrap();
        assert_eq!(passed_on, ReferralStage::Assigned { to: "b".to_owned(), at: now });
        let over = passed_on.conclude(clean()).unwrap();
        assert!(over.clone().assign("c".to_owned(), now).is_err());
        assert!(over.conclude(clean()).is_err());
    }

    #[test]
    fn a_conclusion_says_what_its_finding_needs() {
        let check = |finding, saved, schemes: &[Scheme]| found(finding, saved, schemes).check();
        assert_eq!(check(Finding::Confirmed, 5, &[]), Err(ReferralError::NoScheme));
        assert!(check(Finding::Confirmed, 0, &[Scheme::Staged]).is_ok());
        assert_eq!(check(Finding::Clean, 1, &[]), Err(ReferralError::SavedNothing));
        assert!(check(Finding::Unconfirmed, 1, &[]).is_ok());
        assert_eq!(check(Finding::Unconfirmed, -1, &[]), Err(ReferralError::Negative));
    }
}

//! Disputes (争议): a customer disputes, through an insurer that quoted the vehicle, that a claim counts
//! as it does; the insurer that filed the claim decides.
//!
//! ```text
//! Open{until} -> Upheld | Rejected     by the insurer that filed the claim
//!             -> Withdrawn             by the insurer that opened it
//! ```
//!
//! An answer that comes too late is an answer still: being overdue is shown and closes nothing. Every
//! other stage is final; a customer who has more to say opens another dispute.

use std::collections::BTreeSet;

use jiff::Timestamp;
use jiff::civil::Date;
use kernel::calendar::end_of_working_days;
use serde::{Deserialize, Serialize};

use super::{Case, CorrectFacts};
use crate::code::UnknownCode;

/// Working days the insurer that filed the claim has to answer, where no parameter says otherwise. A
/// proposal: no rule of the market that sets one is public.
pub const ANSWER_WORKING_DAYS: u16 = 5;

/// What is said to be wrong about a claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "openapi", schema(as = DisputeGround))]
#[serde(rename_all = "snake_case")]
pub enum Ground {
    /// Another vehicle was in the accident.
    NotMyVehicle,
    /// The driver of the vehicle bears no fault.
    NotAtFault,
    /// Nothing was paid.
    NothingPaid,
    /// Another amount was paid.
    WrongAmount,
    /// It happened, or was closed or paid, at another time.
    WrongDate,
    /// Something else; the statement says what.
    Other,
}

impl Ground {
    /// Every ground.
    pub const ALL: [Ground; 6] = [
        Ground::NotMyVehicle,
        Ground::NotAtFault,
        Ground::NothingPaid,
        Ground::WrongAmount,
        Ground::WrongDate,
        Ground::Other,
    ];

    /// The word of storage and messages.
    pub const fn name(self) -> &'static str {
        match self {
            Ground::NotMyVehicle => "not_my_vehicle",
            Ground::NotAtFault => "not_at_fault",
            Ground::NothingPaid => "nothing_paid",
            Ground::WrongAmount => "wrong_amount",
            Ground::WrongDate => "wrong_date",
            Ground::Other => "other",
        }
    }

    /// The ground of that word.
    pub fn parse(name: &str) -> Result<Ground, UnknownCode> {
        let found = Ground::ALL.into_iter().find(|ground| ground.name() == name);
        found.ok_or_else(|| UnknownCode::new("ground of a dispute", name))
    }
}

/// What an upheld dispute puts right. Says at least one of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Correction {
    counts: Option<bool>,
    at_fault: Option<bool>,
}

impl Correction {
    /// `None` when neither is said.
    pub fn new(counts: Option<bool>, at_fault: Option<bool>) -> Option<Correction> {
        (counts.is_some() || at_fault.is_some()).then_some(Correction { counts, at_fault })
    }

    /// Whether the claim counts towards the discount after all.
    pub fn counts(self) -> Option<bool> {
        self.counts
    }

    /// Whether the insured driver bears fault after all.
    pub fn at_fault(self) -> Option<bool> {
        self.at_fault
    }

    /// The step of the claim. What an earlier correction of the same closing said and this one does
    /// not speak of stays.
    pub fn facts(self, case: &Case, dispute_no: String, at: Timestamp) -> CorrectFacts {
        let earlier = case.correction.as_ref();
        CorrectFacts {
            at,
            dispute_no,
            counts: self.counts.or(earlier.and_then(|one| one.counts)),
            at_fault: self.at_fault.or(earlier.and_then(|one| one.at_fault)),
        }
    }
}

/// Who acts on a dispute. An insurer that disputes a claim of its own is both sides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sides {
    /// It opened the dispute.
    pub opened: bool,
    /// It filed the claim, and answers.
    pub answers: bool,
}

/// Where a dispute stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DisputeStage {
    /// Waits for an answer.
    Open {
        /// First instant at which the answer is too late.
        until: Timestamp,
    },
    /// The claim was put right.
    Upheld {
        /// When.
        at: Timestamp,
        /// How.
        correction: Correction,
        /// In words, where the insurer said more.
        reason: Option<String>,
    },
    /// The claim stands as it is.
    Rejected {
        /// When.
        at: Timestamp,
        /// Why.
        reason: String,
    },
    /// Given up by who opened it.
    Withdrawn {
        /// When.
        at: Timestamp,
    },
}

/// Why a dispute does not move.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DisputeError {
    /// The other side's business.
    #[error("only the insurer that {} may {action}", if *answers { "filed the claim" } else { "opened the dispute" })]
    WrongSide {
        /// What was tried.
        action: &'static str,
        /// Whether it is for the insurer that filed the claim.
        answers: bool,
    },
    /// It is over.
    #[error("cannot {action} a dispute that is {stage}")]
    WrongStage {
        /// What was tried.
        action: &'static str,
        /// Where the dispute stands.
        stage: &'static str,
    },
}

impl DisputeStage {
    /// A dispute opened at `at`: the answer is due at 24:00 in China of the last of so many working
    /// days, the day of opening not counted. Saturdays, Sundays and `rest_days` are no working days.
    pub fn opened(at: Timestamp, working_days: u16, rest_days: &BTreeSet<Date>) -> DisputeStage {
        let until = end_of_working_days(at, working_days, rest_days);
        DisputeStage::Open { until }
    }

    /// The word of storage and messages.
    pub const fn name(&self) -> &'static str {
        match self {
            DisputeStage::Open { .. } => "open",
            DisputeStage::Upheld { .. } => "upheld",
            DisputeStage::Rejected { .. } => "rejected",
            DisputeStage::Withdrawn { .. } => "withdrawn",
        }
    }

    /// When it ended.
    pub const fn decided_at(&self) -> Option<Timestamp> {
        match self {
            DisputeStage::Open { .. } => None,
            DisputeStage::Upheld { at, .. }
            | DisputeStage::Rejected { at, .. }
            | DisputeStage::Withdrawn { at } => Some(*at),
        }
    }

    /// Whether it waits for an answer longer than it should.
    pub fn is_overdue(&self, now: Timestamp) -> bool {
        matches!(self, DisputeStage::Open { until } if *until <= now)
    }

    /// The claim is wrong, and this is what is right.
    pub fn uphold(
        self,
        by: Sides,
        correction: Correction,
        reason: Option<String>,
        now: Timestamp,
    ) -> Result<DisputeStage, DisputeError> {
        self.decided_by(by, "uphold")?;
        Ok(DisputeStage::Upheld { at: now, correction, reason })
    }

    /// The claim is right as it is.
    pub fn reject(
        self,
        by: Sides,
        reason: String,
        now: Timestamp,
    ) -> Result<DisputeStage, DisputeError> {
        self.decided_by(by, "reject")?;
        Ok(DisputeStage::Rejected { at: now, reason })
    }

    /// Gives the dispute up.
    pub fn withdraw(self, by: Sides, now: Timestamp) -> Result<DisputeStage, DisputeError> {
        const ACTION: &str = "withdraw";
        if !by.opened {
            return Err(DisputeError::WrongSide { action: ACTION, answers: false });
        }
        self.still_open(ACTION)?;
        Ok(DisputeStage::Withdrawn { at: now })
    }

    fn decided_by(&self, by: Sides, action: &'static str) -> Result<(), DisputeError> {
        if !by.answers {
            return Err(DisputeError::WrongSide { action, answers: true });
        }
        self.still_open(action)
    }

    fn still_open(&self, action: &'static str) -> Result<(), DisputeError> {
        match self {
            DisputeStage::Open { .. } => Ok(()),
            over => Err(DisputeError::WrongStage { action, stage: over.name() }),
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;
    use kernel::time;

    use super::*;

    const OPENER: Sides = Sides { opened: true, answers: false };
    const OWNER: Sides = Sides { opened: false, answers: true };

    /// Wall-clock time in China.
    fn at(day: Date, hour: i8) -> Timestamp {
        time::instant_of(day.at(hour, 0, 0, 0)).unwrap()
    }

    fn open() -> DisputeStage {
        DisputeStage::opened(at(date(2026, 3, 2), 12), 5, &BTreeSet::new())
    }

    fn counts_not() -> Correction {
        Correction::new(Some(false), None).unwrap()
    }

    #[test]
    fn an_answer_is_due_at_the_end_of_the_last_working_day() {
        let due = |opened: Date, hour, days, rest: &[Date]| {
            let rest = rest.iter().copied().collect();
            match DisputeStage::opened(at(opened, hour), days, &rest) {
                DisputeStage::Open { until } => time::wall_time(until).date(),
                other => panic!("{other:?}"),
            }
        };
        // 2 March 2026 is a Monday. The answer is due before the day named begins.
        assert_eq!(due(date(2026, 3, 2), 12, 5, &[]), date(2026, 3, 10));
        assert_eq!(due(date(2026, 3, 2), 23, 1, &[]), date(2026, 3, 4));
        assert_eq!(due(date(2026, 3, 6), 9, 1, &[]), date(2026, 3, 10));
        assert_eq!(due(date(2026, 3, 7), 9, 1, &[]), date(2026, 3, 10));
        // 4 to 6 April 2026: 清明, of which only the Monday is a day of the week.
        assert_eq!(due(date(2026, 4, 3), 9, 1, &[date(2026, 4, 6)]), date(2026, 4, 8));
        assert_eq!(due(date(2026, 3, 2), 12, 0, &[]), date(2026, 3, 3));
    }

    #[test]
    fn each_side_has_its_own_ways_out_and_each_is_final() {
        let now = at(date(2026, 3, 3), 12);
        let moves = |stage: &DisputeStage, by: Sides| {
            [
                stage.clone().uphold(by, counts_not(), None, now),
                stage.clone().reject(by, "所述不实".to_owned(), now),
                stage.clone().withdraw(by, now),
            ]
            .map(|moved| moved.map(|stage| stage.name()))
        };
        let wrong_side = |action, answers| Err(DisputeError::WrongSide { action, answers });
        assert_eq!(
            moves(&open(), OPENER),
            [wrong_side("uphold", true), wrong_side("reject", true), Ok("withdrawn")]
        );
        assert_eq!(
            moves(&open(), OWNER),
            [Ok("upheld"), Ok("rejected"), wrong_side("withdraw", false)]
        );
        let both = Sides { opened: true, answers: true };
        let ends = [
            open().uphold(OWNER, counts_not(), None, now).unwrap(),
            open().reject(OWNER, "所述不实".to_owned(), now).unwrap(),
            open().withdraw(OPENER, now).unwrap(),
        ];
        for end in ends {
            let stage = end.name();
            let over = |action| Err(DisputeError::WrongStage { action, stage });
            assert_eq!(moves(&end, both), [over("uphold"), over("reject"), over("withdraw")]);
            assert_eq!(end.decided_at(), Some(now));
        }
    }

    #[test]
    fn an_overdue_dispute_can_still_be_answered() {
        let late = at(date(2026, 3, 10), 0);
        assert!(!open().is_overdue(at(date(2026, 3, 9), 23)));
        assert!(open().is_overdue(late));
        let answered = open().uphold(OWNER, counts_not(), None, late).unwrap();
        assert!(!answered.is_overdue(late));
    }

    #[test]
    fn a_correction_says_something() {
        assert_eq!(Correction::new(None, None), None);
        assert_eq!(Correction::new(None, Some(true)).unwrap().at_fault(), Some(true));
    }
}

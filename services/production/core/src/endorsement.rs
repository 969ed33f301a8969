//! The life of an endorsement, and the order endorsements of one policy keep.
//!
//! ```text
//! Queried -> PreConfirmed -> (Paid) -> Confirmed -> in effect by the clock
//!    |            |            |
//!    +------------+------------+--> Cancelled (by the caller, or by the clock)
//! ```
//!
//! Endorsements are numbered without gaps and one at a time is open. A correction reaches back to
//! the beginning of cover; everything else takes effect from its day on, and never before it was
//! confirmed.

use jiff::{SignedDuration, Timestamp};
use kernel::{Fen, time};
use serde::{Deserialize, Serialize};

use crate::coded_enum;
use crate::policy::{PolicyError, PolicyFacts, not_past};
use crate::quote::{Cancelled, Payment};
use crate::rule::RuleId;

coded_enum! {
    /// What an endorsement does (批改类型). The codes are the platform's.
    pub enum Kind ("endorsement kind") {
        Correction = "01", "更正", "correction, back to the beginning of cover";
        Change = "02", "变更", "change of fact";
        Transfer = "03", "过户", "transfer of ownership";
        PlateRegistration = "04", "上牌", "first plate of a new car";
        CoverChange = "05", "险种保额变更", "covers added, removed or changed";
        Suspend = "06", "停驶", "vehicle taken off the road";
        Resume = "07", "复驶", "vehicle back on the road";
        TaxCancel = "08", "退税", "vehicle tax cancelled";
        Surrender = "09", "退保", "surrender";
        Revoke = "10", "撤单", "revocation before cover begins";
    }
}

impl Kind {
    /// Whether it may take effect before it was made.
    pub const fn is_retroactive(self) -> bool {
        matches!(self, Kind::Correction)
    }

    /// Whether it may change the premium.
    pub const fn bears_premium(self) -> bool {
        matches!(
            self,
            Kind::Correction
                | Kind::Change
                | Kind::Transfer
                | Kind::CoverChange
                | Kind::Surrender
                | Kind::Revoke
        )
    }
}

/// What the customer pays more, or gets back when negative.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Difference {
    /// Premium.
    pub premium: Fen,
    /// Vehicle tax.
    pub tax: Fen,
}

impl Difference {
    /// Premium and tax together; negative is a refund. `None` on overflow.
    pub fn total(&self) -> Option<Fen> {
        self.premium.plus(self.tax)
    }
}

/// An endorsement asked for and priced.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Terms {
    /// What it does.
    pub kind: Kind,
    /// Its number among the policy's endorsements, from 1.
    pub endorse_times: u32,
    /// From when it holds.
    pub effective: Timestamp,
    /// What it costs or returns.
    pub difference: Difference,
}

/// Where an endorsement stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stage {
    /// 批改查询: priced, the amend query code is good until then.
    Queried {
        /// What was priced.
        terms: Terms,
        /// First instant at which the code is no longer good.
        until: Timestamp,
    },
    /// 批改预确认: frozen, money is awaited if any is owed.
    PreConfirmed {
        /// What was frozen.
        terms: Terms,
        /// First instant at which the freeze no longer holds.
        until: Timestamp,
    },
    /// The money is registered.
    Paid {
        /// What was frozen.
        terms: Terms,
        /// What was received.
        payment: Payment,
        /// First instant at which the confirm comes too late.
        until: Timestamp,
    },
    /// 批改确认: part of the policy; in effect from `terms.effective`.
    Confirmed {
        /// As frozen, except that nothing but a correction takes effect before `at`.
        terms: Terms,
        /// What was received, if anything was owed.
        payment: Option<Payment>,
        /// When.
        at: Timestamp,
    },
    /// Not made: given up, or not confirmed in time.
    Cancelled {
        /// When.
        at: Timestamp,
        /// By whom.
        by: Cancelled,
        /// Money that was registered and must go back.
        refund: Option<Payment>,
    },
}

/// Why an endorsement is not made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EndorsementError {
    /// The stage does not allow it.
    #[error("cannot {action} an endorsement that is {stage}")]
    WrongStage {
        /// What was tried.
        action: &'static str,
        /// Where it stands.
        stage: &'static str,
    },
    /// The amend query code ended, or the freeze did.
    #[error("amend query code expired at {0}; query again")]
    Expired(Timestamp),
    /// The code was used up.
    #[error("amend query code has already been confirmed")]
    Used,
    /// Another endorsement of the policy is open.
    #[error("another endorsement of this policy is open; confirm or cancel it first")]
    AnotherOpen,
    /// The numbering has a gap or repeats.
    #[error("endorsement is numbered {found}; the next of this policy is {expected}")]
    OutOfOrder {
        /// The number sent.
        found: u32,
        /// The number due.
        expected: u32,
    },
    /// The day it was priced for has passed.
    #[error("{0} has passed, and the amounts with it; query again")]
    EffectivePassed(Timestamp),
    /// Money is owed and none was registered.
    #[error("cannot confirm before {payable} is registered as paid")]
    Unpaid {
        /// What the customer owes.
        payable: Fen,
    },
    /// Nothing is owed, or something else.
    #[error("payment of {paid} differs from the {payable} owed")]
    WrongPayment {
        /// What was registered.
        paid: Fen,
        /// What is owed; negative is a refund.
        payable: Fen,
    },
    /// The confirm does not echo the pre-confirm.
    #[error("amounts differ from the pre-confirm; echo them unchanged or query again")]
    Echo,
    /// Amounts that cannot be added up.
    #[error("amounts exceed what can be added up")]
    Overflow,
    /// The policy does not allow it.
    #[error(transparent)]
    Policy(#[from] PolicyError),
}

impl EndorsementError {
    /// The rule that was broken; `None` where it is the order of steps alone.
    pub fn rule(&self) -> Option<RuleId> {
        match self {
            EndorsementError::Expired(_)
            | EndorsementError::Used
            | EndorsementError::AnotherOpen
            | EndorsementError::EffectivePassed(_) => Some(RuleId::S12),
            EndorsementError::OutOfOrder { .. } => Some(RuleId::S11),
            EndorsementError::Echo => Some(RuleId::S10),
            EndorsementError::Policy(error) => error.rule(),
            _ => None,
        }
    }
}

/// Checks that an endorsement may be opened on `policy` now; says its number.
///
/// `open` tells whether another endorsement of the policy is open at `now`; `numbered` is the
/// number the caller gave, if any.
pub fn may_open(
    policy: &PolicyFacts,
    open: bool,
    kind: Kind,
    effective: Timestamp,
    numbered: Option<u32>,
    now: Timestamp,
) -> Result<u32, EndorsementError> {
    let expected = policy.endorse_times + 1;
    if open {
        return Err(EndorsementError::AnotherOpen);
    }
    if let Some(found) = numbered.filter(|&found| found != expected) {
        return Err(EndorsementError::OutOfOrder { found, expected });
    }
    match kind {
        Kind::Surrender | Kind::Revoke => policy.alive("end", now)?,
        Kind::Resume => policy.alive("resume", now)?,
        _ => {
            policy.alive("endorse", now)?;
            policy.inside(effective)?;
        }
    }
    if !kind.is_retroactive() {
        not_past(effective, now)?;
    }
    Ok(expected)
}

impl Stage {
    /// A priced endorsement whose code is good until `until`.
    pub fn queried(terms: Terms, until: Timestamp) -> Stage {
        Stage::Queried { terms, until }
    }

    /// The word for storage and messages.
    pub const fn name(&self) -> &'static str {
        match self {
            Stage::Queried { .. } => "queried",
            Stage::PreConfirmed { .. } => "pre_confirmed",
            Stage::Paid { .. } => "paid",
            Stage::Confirmed { .. } => "confirmed",
            Stage::Cancelled { .. } => "cancelled",
        }
    }

    /// Where the endorsement stands at `now`.
    pub fn at(self, now: Timestamp) -> Stage {
        let lapsed = |at, refund| Stage::Cancelled { at, by: Cancelled::ByTimeout, refund };
        match self {
            Stage::Queried { until, .. } | Stage::PreConfirmed { until, .. } if until <= now => {
                lapsed(until, None)
            }
            Stage::Paid { until, payment, .. } if until <= now => lapsed(until, Some(payment)),
            stands => stands,
        }
    }

    /// Whether it keeps others of the same policy from being opened at `now`.
    pub fn is_open(&self, now: Timestamp) -> bool {
        match self {
            Stage::Queried { until, .. }
            | Stage::PreConfirmed { until, .. }
            | Stage::Paid { until, .. } => now < *until,
            Stage::Confirmed { .. } | Stage::Cancelled { .. } => false,
        }
    }

    /// Whether it is confirmed and its day has come (AMEND_EFFECTIVE).
    pub fn is_effective(&self, now: Timestamp) -> bool {
        matches!(self, Stage::Confirmed { terms, .. } if terms.effective <= now)
    }

    /// Freezes the terms for `hold`, but never beyond the life of the amend query code.
    pub fn pre_confirm(
        self,
        hold: SignedDuration,
        now: Timestamp,
    ) -> Result<Stage, EndorsementError> {
        match self.at(now) {
            Stage::Queried { terms, until } => {
                terms.difference.total().ok_or(EndorsementError::Overflow)?;
                let held = now.checked_add(hold).unwrap_or(until);
                Ok(Stage::PreConfirmed { terms, until: until.min(held) })
            }
            other => Err(other.refuse("pre-confirm")),
        }
    }

    /// Registers the money owed: exactly the difference, and only when there is one to pay.
    pub fn pay(self, payment: Payment, now: Timestamp) -> Result<Stage, EndorsementError> {
        match self.at(now) {
            Stage::PreConfirmed { terms, until } => {
                let payable = terms.difference.total().ok_or(EndorsementError::Overflow)?;
                if payable <= Fen::ZERO || payment.amount != payable {
                    return Err(EndorsementError::WrongPayment { paid: payment.amount, payable });
                }
                Ok(Stage::Paid { terms, payment, until })
            }
            other => Err(other.refuse("register a payment for")),
        }
    }

    /// Makes the endorsement part of the policy. `echo` must equal the frozen difference.
    ///
    /// What is not a correction takes effect at `now` at the earliest; when its day has passed the
    /// amounts are stale and it must be queried again.
    pub fn confirm(self, echo: Difference, now: Timestamp) -> Result<Stage, EndorsementError> {
        let (terms, payment) = match self.at(now) {
            Stage::Paid { terms, payment, .. } => (terms, Some(payment)),
            Stage::PreConfirmed { terms, .. } => {
                let payable = terms.difference.total().ok_or(EndorsementError::Overflow)?;
                if payable > Fen::ZERO {
                    return Err(EndorsementError::Unpaid { payable });
                }
                (terms, None)
            }
            other => return Err(other.refuse("confirm")),
        };
        if terms.difference != echo {
            return Err(EndorsementError::Echo);
        }
        let effective = if terms.kind.is_retroactive() {
            terms.effective
        } else if time::day_of(terms.effective) < time::day_of(now) {
            return Err(EndorsementError::EffectivePassed(terms.effective));
        } else {
            terms.effective.max(now)
        };
        Ok(Stage::Confirmed { terms: Terms { effective, ..terms }, payment, at: now })
    }

    /// Gives the endorsement up before it is confirmed; registered money must go back.
    pub fn cancel(self, now: Timestamp) -> Result<Stage, EndorsementError> {
        let cancelled = |refund| Stage::Cancelled { at: now, by: Cancelled::ByCaller, refund };
        match self.at(now) {
            Stage::Queried { .. } | Stage::PreConfirmed { .. } => Ok(cancelled(None)),
            Stage::Paid { payment, .. } => Ok(cancelled(Some(payment))),
            other => Err(other.refuse("cancel")),
        }
    }

    fn refuse(&self, action: &'static str) -> EndorsementError {
        match self {
            Stage::Cancelled { at, by: Cancelled::ByTimeout, .. } => EndorsementError::Expired(*at),
            Stage::Confirmed { .. } => EndorsementError::Used,
            other => EndorsementError::WrongStage { action, stage: other.name() },
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;
    use kernel::Period;

    use super::*;
    use crate::history::PolicyClass;

    const HOLD: SignedDuration = SignedDuration::from_hours(2);

    fn day(year: i16, month: i8, day: i8) -> Timestamp {
        time::start_of(date(year, month, day)).unwrap()
    }

    fn policy() -> PolicyFacts {
        let period = Period::new(day(2025, 3, 1), day(2026, 3, 1)).unwrap();
        let mut facts = PolicyFacts::confirmed(PolicyClass::Commercial, period, true);
        facts.endorse_times = 2;
        facts
    }

    fn hours(at: Timestamp, hours: i64) -> Timestamp {
        at.checked_add(SignedDuration::from_hours(hours)).unwrap()
    }

    fn terms(kind: Kind, premium: i64) -> Terms {
        Terms {
            kind,
            endorse_times: 3,
            effective: day(2025, 6, 1),
            difference: Difference { premium: Fen(premium), tax: Fen::ZERO },
        }
    }

    fn frozen(kind: Kind, premium: i64) -> Stage {
        Stage::queried(terms(kind, premium), day(2025, 6, 4))
            .pre_confirm(SignedDuration::from_hours(72), day(2025, 6, 1))
            .unwrap()
    }

    #[test]
    fn endorsements_are_numbered_without_gaps_and_one_at_a_time() {
        let now = day(2025, 5, 1);
        let open = |open, numbered| {
            may_open(&policy(), open, Kind::Change, day(2025, 6, 1), numbered, now)
        };
        assert_eq!(open(false, Some(3)), Ok(3));
        assert_eq!(open(false, None), Ok(3));
        assert_eq!(open(true, Some(3)).unwrap_err().rule(), Some(RuleId::S12));
        for numbered in [2, 4] {
            assert_eq!(open(false, Some(numbered)).unwrap_err().rule(), Some(RuleId::S11));
        }
    }

    #[test]
    fn only_a_correction_reaches_back() {
        let now = day(2025, 5, 1);
        let open = |kind, effective| may_open(&policy(), false, kind, effective, None, now);
        assert!(open(Kind::Correction, day(2025, 3, 1)).is_ok());
        assert!(open(Kind::CoverChange, day(2025, 4, 30)).is_err());
        assert!(open(Kind::CoverChange, day(2025, 5, 1)).is_ok());
        for outside in [day(2025, 2, 28), day(2026, 3, 1)] {
            let refused = open(Kind::Correction, outside).unwrap_err();
            assert_eq!(refused.rule(), Some(RuleId::S11));
        }
    }

    #[test]
    fn more_premium_is_paid_before_the_confirm_and_less_is_not() {
        let now = day(2025, 6, 1);
        let more = || frozen(Kind::CoverChange, 5_000);
        let echo = Difference { premium: Fen(5_000), tax: Fen::ZERO };
        assert_eq!(
            more().confirm(echo, now),
            Err(EndorsementError::Unpaid { payable: Fen(5_000) })
        );
        let payment = Payment { amount: Fen(5_000), reference: "1".into(), paid_at: now };
        assert!(more().pay(payment.clone(), now).unwrap().confirm(echo, now).is_ok());
        let less = frozen(Kind::CoverChange, -5_000);
        assert!(less.clone().pay(payment, now).is_err());
        assert!(less.confirm(Difference { premium: Fen(-5_000), tax: Fen::ZERO }, now).is_ok());
    }

    #[test]
    fn the_confirm_echoes_the_frozen_difference() {
        let refused = frozen(Kind::Change, 0)
            .confirm(Difference { premium: Fen(-1), tax: Fen::ZERO }, day(2025, 6, 1))
            .unwrap_err();
        assert_eq!(refused.rule(), Some(RuleId::S10));
    }

    #[test]
    fn nothing_but_a_correction_takes_effect_before_it_is_confirmed() {
        let late = hours(day(2025, 6, 1), 9);
        let effective = |kind| match frozen(kind, 0).confirm(Difference::default(), late).unwrap() {
            Stage::Confirmed { terms, .. } => terms.effective,
            other => panic!("{other:?}"),
        };
        assert_eq!(effective(Kind::CoverChange), late);
        assert_eq!(effective(Kind::Correction), day(2025, 6, 1));
        let next_day = frozen(Kind::CoverChange, 0)
            .confirm(Difference::default(), day(2025, 6, 2))
            .unwrap_err();
        assert_eq!(next_day, EndorsementError::EffectivePassed(day(2025, 6, 1)));
    }

    #[test]
    fn an_open_endorsement_lapses_by_the_clock() {
        let queried = Stage::queried(terms(Kind::Change, 0), day(2025, 6, 2));
        assert!(queried.is_open(day(2025, 6, 1)) && !queried.is_open(day(2025, 6, 2)));
        let refused = queried.pre_confirm(HOLD, day(2025, 6, 2)).unwrap_err();
        assert_eq!(refused.rule(), Some(RuleId::S12));
    }

    #[test]
    fn a_confirmed_endorsement_waits_for_its_day_and_cannot_be_cancelled() {
        let now = hours(day(2025, 5, 31), 12);
        let stage = Stage::queried(terms(Kind::Change, 0), day(2025, 6, 4))
            .pre_confirm(HOLD, now)
            .unwrap()
            .confirm(Difference::default(), now)
            .unwrap();
        assert!(!stage.is_effective(now) && stage.is_effective(day(2025, 6, 1)));
        assert_eq!(stage.cancel(now), Err(EndorsementError::Used));
    }
}

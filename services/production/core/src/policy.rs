//! The life of a policy after its confirm code: what happened to it, and what that makes it now.
//!
//! A policy's state is never stored. [`PolicyFacts`] hold what happened; [`PolicyFacts::state_at`]
//! says what that means at an instant, so cover begins, rests and ends without a job touching
//! rows. Transitions consume the facts and return new ones. How much is refunded is rating's to
//! say; when, and whether at all, is said here.

use jiff::{Timestamp, ToSpan};
use kernel::{Period, time};
use serde::{Deserialize, Serialize};

use crate::coded_enum;
use crate::history::PolicyClass;
use crate::rule::RuleId;

/// What a policy is at an instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum PolicyState {
    /// 已确认, cover not begun.
    Confirmed,
    /// 有效.
    InForce,
    /// 停驶: cover rests, the days are kept.
    Suspended,
    /// 到期.
    Expired,
    /// 撤单: taken back before it began.
    Revoked,
    /// 退保.
    Surrendered,
    /// 终止: total loss paid, or the vehicle deregistered.
    Terminated,
}

impl PolicyState {
    /// The word in error texts.
    pub const fn name(self) -> &'static str {
        match self {
            PolicyState::Confirmed => "confirmed",
            PolicyState::InForce => "in force",
            PolicyState::Suspended => "suspended",
            PolicyState::Expired => "expired",
            PolicyState::Revoked => "revoked",
            PolicyState::Surrendered => "surrendered",
            PolicyState::Terminated => "terminated",
        }
    }

    /// Whether endorsements are possible.
    pub const fn is_alive(self) -> bool {
        matches!(self, PolicyState::Confirmed | PolicyState::InForce | PolicyState::Suspended)
    }
}

coded_enum! {
    /// Why a policy is surrendered (退保原因).
    ///
    /// Compulsory cover: 交强险条例 art. 16 allows 01 to 03; 04 and 05 are the platform's own
    /// reasons. The codes are the platform's.
    pub enum SurrenderReason ("surrender reason") {
        Deregistered = "01", "被保险机动车被依法注销登记", "vehicle deregistered";
        OffTheRoad = "02", "被保险机动车办理停驶", "vehicle taken off the road";
        Lost = "03", "被保险机动车经公安机关证实丢失", "vehicle lost, proven by the police";
        Duplicate = "04", "重复投保", "duplicate compulsory cover";
        NonDisclosure = "05", "投保人未履行如实告知义务", "rescinded for non-disclosure (art. 14)";
        Voluntary = "99", "投保人申请", "the policyholder's wish";
    }
}

impl SurrenderReason {
    /// Whether the reason ends a policy of `class`: any does for commercial cover.
    pub const fn ends(self, class: PolicyClass) -> bool {
        match class {
            PolicyClass::Commercial => true,
            PolicyClass::Compulsory => !matches!(self, SurrenderReason::Voluntary),
        }
    }
}

/// How a policy ended before its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "kind")]
pub enum Ending {
    /// Taken back before cover began: refunded in full.
    Revoked {
        /// When.
        at: Timestamp,
    },
    /// Surrendered: refunded for the days left.
    Surrendered {
        /// First instant without cover.
        at: Timestamp,
        /// Why.
        reason: SurrenderReason,
    },
    /// Ended by a total loss or the vehicle's deregistration: nothing is refunded.
    Terminated {
        /// First instant without cover.
        at: Timestamp,
    },
}

impl Ending {
    /// First instant without cover.
    pub const fn at(self) -> Timestamp {
        match self {
            Ending::Revoked { at } | Ending::Surrendered { at, .. } | Ending::Terminated { at } => {
                at
            }
        }
    }
}

/// A time off the road.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Suspension {
    /// Cover rests from here.
    pub from: Timestamp,
    /// Cover is back from here; `None` until the vehicle is put back on the road.
    pub to: Option<Timestamp>,
}

/// What happened to a policy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PolicyFacts {
    /// Product line.
    pub class: PolicyClass,
    /// Cover as last endorsed: its end has been pushed back by past suspensions.
    pub period: Period,
    /// Times off the road, in order; only the last may still be open.
    #[serde(default)]
    pub suspensions: Vec<Suspension>,
    /// How it ended before its time.
    #[serde(default)]
    pub ending: Option<Ending>,
    /// When the vehicle last changed hands under it.
    #[serde(default)]
    pub transferred_at: Option<Timestamp>,
    /// Whether the vehicle has a plate.
    pub plated: bool,
    /// Endorsements confirmed so far (EndorseTimes).
    #[serde(default)]
    pub endorse_times: u32,
}

/// Why a policy does not move.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    /// The state does not allow it.
    #[error("cannot {action} a policy that is {}", state.name())]
    WrongState {
        /// What was tried.
        action: &'static str,
        /// What the policy is.
        state: PolicyState,
    },
    /// Cover has begun: it can be surrendered, not taken back.
    #[error("cannot revoke a policy whose cover began at {0}; surrender it")]
    Begun(Timestamp),
    /// The law does not let compulsory cover end for this reason.
    #[error(
        "compulsory cover cannot be surrendered for reason {} ({}); it ends only for deregistration, suspension, loss or a platform reason",
        .0.code(), .0.name_en()
    )]
    Reason(SurrenderReason),
    /// The date lies outside the period of cover.
    #[error("{at} lies outside the period of cover, {} to {}", period.from(), period.to())]
    OutsidePeriod {
        /// The date.
        at: Timestamp,
        /// The period.
        period: Period,
    },
    /// A change of fact cannot reach into the past.
    #[error("{at} lies before today; a change takes effect today or later")]
    Past {
        /// The date.
        at: Timestamp,
    },
    /// The vehicle would be back on the road before a day has passed.
    #[error("cannot resume at {at}, less than a day after the suspension of {from}")]
    TooSoon {
        /// Asked for.
        at: Timestamp,
        /// The suspension's begin.
        from: Timestamp,
    },
    /// The vehicle has a plate already.
    #[error("vehicle already has a plate; correct or change it instead")]
    Plated,
    /// The end would leave the calendar.
    #[error("end of cover leaves the calendar")]
    Calendar,
}

impl PolicyError {
    /// The rule that was broken; `None` where it is the order of events alone.
    pub fn rule(&self) -> Option<RuleId> {
        match self {
            PolicyError::Reason(_) | PolicyError::Begun(_) => Some(RuleId::L33),
            PolicyError::OutsidePeriod { .. } => Some(RuleId::S11),
            PolicyError::TooSoon { .. } => Some(RuleId::L34),
            _ => None,
        }
    }
}

impl PolicyFacts {
    /// A policy as confirmed.
    pub fn confirmed(class: PolicyClass, period: Period, plated: bool) -> PolicyFacts {
        PolicyFacts {
            class,
            period,
            suspensions: Vec::new(),
            ending: None,
            transferred_at: None,
            plated,
            endorse_times: 0,
        }
    }

    /// What the policy is at `now`.
    ///
    /// While a suspension is open the days left are kept, so the policy does not expire.
    pub fn state_at(&self, now: Timestamp) -> PolicyState {
        match self.ending.filter(|ending| ending.at() <= now) {
            Some(Ending::Revoked { .. }) => return PolicyState::Revoked,
            Some(Ending::Surrendered { .. }) => return PolicyState::Surrendered,
            Some(Ending::Terminated { .. }) => return PolicyState::Terminated,
            None => {}
        }
        let rests = |rest: &Suspension| rest.from <= now && rest.to.is_none_or(|to| now < to);
        if self.suspensions.iter().any(rests) {
            PolicyState::Suspended
        } else if now < self.period.from() {
            PolicyState::Confirmed
        } else if now < self.period.to() {
            PolicyState::InForce
        } else {
            PolicyState::Expired
        }
    }

    /// Whether the vehicle is covered at `at`.
    pub fn covers(&self, at: Timestamp) -> bool {
        self.state_at(at) == PolicyState::InForce
    }

    /// Takes the policy back before cover begins: refunded in full.
    pub fn revoke(self, now: Timestamp) -> Result<PolicyFacts, PolicyError> {
        match self.state_at(now) {
            _ if self.ending.is_some() => Err(self.refuse("revoke", now)),
            PolicyState::Confirmed => {
                Ok(PolicyFacts { ending: Some(Ending::Revoked { at: now }), ..self })
            }
            PolicyState::InForce | PolicyState::Suspended => {
                Err(PolicyError::Begun(self.period.from()))
            }
            _ => Err(self.refuse("revoke", now)),
        }
    }

    /// Ends cover at `effective`: today or later, before the end of the period.
    pub fn surrender(
        self,
        reason: SurrenderReason,
        effective: Timestamp,
        now: Timestamp,
    ) -> Result<PolicyFacts, PolicyError> {
        self.alive("surrender", now)?;
        if !reason.ends(self.class) {
            return Err(PolicyError::Reason(reason));
        }
        not_past(effective, now)?;
        // A suspended policy may be given up after its nominal end: its days are still kept.
        if self.state_at(now) != PolicyState::Suspended && effective >= self.period.to() {
            return Err(PolicyError::OutsidePeriod { at: effective, period: self.period });
        }
        Ok(PolicyFacts { ending: Some(Ending::Surrendered { at: effective, reason }), ..self })
    }

    /// Ends cover at `at` because the insured thing is gone.
    pub fn terminate(self, at: Timestamp, now: Timestamp) -> Result<PolicyFacts, PolicyError> {
        self.alive("terminate", now)?;
        self.inside(at)?;
        Ok(PolicyFacts { ending: Some(Ending::Terminated { at }), ..self })
    }

    /// Takes the vehicle off the road from `from`: today or later, inside the period (停驶).
    pub fn suspend(self, from: Timestamp, now: Timestamp) -> Result<PolicyFacts, PolicyError> {
        self.alive("suspend", now)?;
        if self.open_suspension().is_some() {
            return Err(PolicyError::WrongState {
                action: "suspend",
                state: PolicyState::Suspended,
            });
        }
        not_past(from, now)?;
        self.inside(from)?;
        let mut suspensions = self.suspensions;
        suspensions.push(Suspension { from, to: None });
        Ok(PolicyFacts { suspensions, ..self })
    }

    /// Puts the vehicle back on the road at `at`; the end of cover moves back by the days off.
    ///
    /// Days are calendar days in China, so that the hour of the end stays (复驶).
    pub fn resume(self, at: Timestamp, now: Timestamp) -> Result<PolicyFacts, PolicyError> {
        self.alive("resume", now)?;
        let Some(from) = self.open_suspension() else {
            return Err(self.refuse("resume", now));
        };
        not_past(at, now)?;
        let days = time::days_between(time::day_of(from), time::day_of(at));
        if days < 1 {
            return Err(PolicyError::TooSoon { at, from });
        }
        let end = time::wall_time(self.period.to()).checked_add(days.days()).ok();
        let period = end
            .and_then(time::instant_of)
            .and_then(|to| Period::new(self.period.from(), to))
            .ok_or(PolicyError::Calendar)?;
        let mut suspensions = self.suspensions;
        if let Some(last) = suspensions.last_mut() {
            last.to = Some(at);
        }
        Ok(PolicyFacts { period, suspensions, ..self })
    }

    /// Records that the vehicle changed hands (过户); the no-claim history of the old owner stops.
    pub fn transfer(
        self,
        effective: Timestamp,
        now: Timestamp,
    ) -> Result<PolicyFacts, PolicyError> {
        self.alive("transfer", now)?;
        self.inside(effective)?;
        Ok(PolicyFacts { transferred_at: Some(effective), ..self })
    }

    /// Records the first plate of a car insured without one (上牌).
    pub fn register_plate(self, now: Timestamp) -> Result<PolicyFacts, PolicyError> {
        self.alive("register a plate on", now)?;
        if self.plated {
            return Err(PolicyError::Plated);
        }
        Ok(PolicyFacts { plated: true, ..self })
    }

    /// Days the vehicle was off the road, over all closed suspensions.
    pub fn days_suspended(&self) -> i64 {
        let days = |rest: &Suspension| {
            rest.to.map_or(0, |to| time::days_between(time::day_of(rest.from), time::day_of(to)))
        };
        self.suspensions.iter().map(days).sum()
    }

    fn open_suspension(&self) -> Option<Timestamp> {
        self.suspensions.last().filter(|rest| rest.to.is_none()).map(|rest| rest.from)
    }

    /// Ok while endorsements are possible; an ending already agreed closes the policy to others.
    pub(crate) fn alive(&self, action: &'static str, now: Timestamp) -> Result<(), PolicyError> {
        if self.ending.is_none() && self.state_at(now).is_alive() {
            Ok(())
        } else {
            Err(self.refuse(action, now))
        }
    }

    pub(crate) fn inside(&self, at: Timestamp) -> Result<(), PolicyError> {
        if self.period.contains(at) {
            Ok(())
        } else {
            Err(PolicyError::OutsidePeriod { at, period: self.period })
        }
    }

    fn refuse(&self, action: &'static str, now: Timestamp) -> PolicyError {
        let state = match self.ending {
            Some(Ending::Revoked { .. }) => PolicyState::Revoked,
            Some(Ending::Surrendered { .. }) => PolicyState::Surrendered,
            Some(Ending::Terminated { .. }) => PolicyState::Terminated,
            None => self.state_at(now),
        };
        PolicyError::WrongState { action, state }
    }
}

/// Ok from the beginning of today in China on: endorsements are written by the day.
pub(crate) fn not_past(at: Timestamp, now: Timestamp) -> Result<(), PolicyError> {
    if time::day_of(now) <= time::day_of(at) { Ok(()) } else { Err(PolicyError::Past { at }) }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;
    use proptest::collection::vec;
    use proptest::prelude::{prop_assert_eq, proptest};

    use super::*;

    fn day(year: i16, month: i8, day: i8) -> Timestamp {
        time::start_of(date(year, month, day)).unwrap()
    }

    fn year_of_cover(class: PolicyClass) -> PolicyFacts {
        let period = Period::new(day(2025, 3, 1), day(2026, 3, 1)).unwrap();
        PolicyFacts::confirmed(class, period, false)
    }

    #[test]
    fn time_alone_moves_a_policy() {
        let policy = year_of_cover(PolicyClass::Compulsory);
        let states = [day(2025, 2, 28), day(2025, 3, 1), day(2026, 2, 28), day(2026, 3, 1)]
            .map(|now| policy.state_at(now));
        use PolicyState::{Confirmed, Expired, InForce};
        assert_eq!(states, [Confirmed, InForce, InForce, Expired]);
    }

    #[test]
    fn a_policy_is_revoked_only_before_it_begins() {
        let policy = year_of_cover(PolicyClass::Compulsory);
        let revoked = policy.clone().revoke(day(2025, 2, 20)).unwrap();
        assert_eq!(revoked.state_at(day(2025, 6, 1)), PolicyState::Revoked);
        assert!(!revoked.covers(day(2025, 6, 1)));
        let late = policy.revoke(day(2025, 3, 1)).unwrap_err();
        assert_eq!(
            (late.clone(), late.rule()),
            (PolicyError::Begun(day(2025, 3, 1)), Some(RuleId::L33))
        );
        assert!(revoked.revoke(day(2025, 2, 21)).is_err());
    }

    #[test]
    fn compulsory_cover_ends_only_for_the_reasons_of_the_law() {
        for &reason in SurrenderReason::ALL {
            let end = |class| {
                year_of_cover(class).surrender(reason, day(2025, 6, 9), day(2025, 6, 9)).is_ok()
            };
            assert_eq!(end(PolicyClass::Compulsory), reason != SurrenderReason::Voluntary);
            assert!(end(PolicyClass::Commercial));
        }
        let refused = year_of_cover(PolicyClass::Compulsory)
            .surrender(SurrenderReason::Voluntary, day(2025, 6, 9), day(2025, 6, 9))
            .unwrap_err();
        assert_eq!(refused.rule(), Some(RuleId::L33));
    }

    #[test]
    fn surrender_ends_cover_on_its_day() {
        let now = day(2025, 6, 1);
        let policy = year_of_cover(PolicyClass::Commercial)
            .surrender(SurrenderReason::Voluntary, day(2025, 6, 9), now)
            .unwrap();
        assert!(policy.covers(day(2025, 6, 8)) && !policy.covers(day(2025, 6, 9)));
        assert_eq!(policy.state_at(day(2025, 6, 9)), PolicyState::Surrendered);
        assert!(
            policy.suspend(day(2025, 6, 2), now).is_err(),
            "an agreed ending closes the policy"
        );
        let past = year_of_cover(PolicyClass::Commercial).surrender(
            SurrenderReason::Voluntary,
            day(2025, 5, 31),
            now,
        );
        assert_eq!(past, Err(PolicyError::Past { at: day(2025, 5, 31) }));
        let after = year_of_cover(PolicyClass::Commercial).surrender(
            SurrenderReason::Voluntary,
            day(2026, 3, 1),
            now,
        );
        assert_eq!(after.unwrap_err().rule(), Some(RuleId::S11));
    }

    #[test]
    fn resuming_moves_the_end_back_by_the_days_off_the_road() {
        let off = year_of_cover(PolicyClass::Compulsory)
            .suspend(day(2025, 5, 1), day(2025, 4, 20))
            .unwrap();
        assert_eq!(off.state_at(day(2025, 4, 30)), PolicyState::InForce);
        assert_eq!(off.state_at(day(2025, 5, 1)), PolicyState::Suspended);
        assert_eq!(off.state_at(day(2027, 1, 1)), PolicyState::Suspended, "its days are kept");
        let back = off.clone().resume(day(2025, 7, 10), day(2025, 7, 10)).unwrap();
        assert_eq!(back.days_suspended(), 70);
        assert_eq!(back.period.to(), day(2026, 5, 10));
        assert_eq!(back.state_at(day(2025, 6, 1)), PolicyState::Suspended, "as it was then");
        assert_eq!(back.state_at(day(2026, 5, 9)), PolicyState::InForce);
        assert!(back.resume(day(2025, 8, 1), day(2025, 8, 1)).is_err());
        let soon = off.resume(day(2025, 5, 1), day(2025, 4, 25)).unwrap_err();
        assert_eq!(soon.rule(), Some(RuleId::L34));
    }

    #[test]
    fn a_suspension_lies_inside_the_period_and_stands_alone() {
        let policy = year_of_cover(PolicyClass::Compulsory);
        let outside = policy.clone().suspend(day(2026, 3, 1), day(2025, 4, 20)).unwrap_err();
        assert!(matches!(outside, PolicyError::OutsidePeriod { .. }));
        let once = policy.suspend(day(2025, 5, 1), day(2025, 4, 20)).unwrap();
        assert!(once.suspend(day(2025, 6, 1), day(2025, 4, 20)).is_err());
    }

    #[test]
    fn a_first_plate_comes_once() {
        let now = day(2025, 4, 1);
        let plated = year_of_cover(PolicyClass::Compulsory).register_plate(now).unwrap();
        assert_eq!(plated.register_plate(now), Err(PolicyError::Plated));
    }

    #[test]
    fn nothing_moves_a_policy_that_is_over() {
        let now = day(2026, 4, 1);
        let over = || year_of_cover(PolicyClass::Commercial);
        let refused = [
            over().revoke(now),
            over().surrender(SurrenderReason::Voluntary, now, now),
            over().suspend(now, now),
            over().resume(now, now),
            over().transfer(now, now),
            over().register_plate(now),
            over().terminate(now, now),
        ];
        for result in refused {
            let state = PolicyState::Expired;
            assert!(
                matches!(result, Err(PolicyError::WrongState { state: found, .. }) if found == state),
                "{result:?}"
            );
        }
        let gone = year_of_cover(PolicyClass::Commercial)
            .terminate(day(2025, 5, 1), day(2025, 5, 20))
            .unwrap();
        assert_eq!(gone.state_at(day(2025, 5, 20)), PolicyState::Terminated);
    }

    proptest! {
        #[test]
        fn days_off_the_road_are_never_lost(rests in vec((0i64..40, 1i64..60), 0..4)) {
            let mut policy = year_of_cover(PolicyClass::Compulsory);
            let insured = policy.period.days();
            let mut now = policy.period.from();
            let later = |at: Timestamp, days: i64| {
                at.checked_add(jiff::SignedDuration::from_hours(24 * days)).unwrap()
            };
            for (drive, rest) in rests {
                now = later(now, drive);
                policy = policy.suspend(now, now).unwrap();
                now = later(now, rest);
                policy = policy.resume(now, now).unwrap();
            }
            prop_assert_eq!(policy.period.days() - policy.days_suspended(), insured);
            prop_assert_eq!(policy.state_at(policy.period.to()), PolicyState::Expired);
        }
    }
}

//! How long each step of a recovery may take, and what follows when it takes longer. Pure.
//!
//! The industry's rules (实务规程) are not public. Days are parameters per region; those here are from
//! memory, on the scale of 15 working days, and marked so wherever they are shown.

use std::collections::BTreeSet;

use jiff::Timestamp;
use jiff::civil::Date;
use kernel::calendar::end_of_working_days;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::review::{Life, Side, Stage};

/// A step somebody is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum Duty {
    /// The recovering side starts what it locked.
    Start,
    /// A side answers what the other stands by.
    Answer,
    /// The operator appoints arbitrators.
    Appoint,
    /// The arbitrators decide.
    Award,
}

impl Duty {
    /// Every duty.
    pub const ALL: [Duty; 4] = [Duty::Start, Duty::Answer, Duty::Appoint, Duty::Award];

    /// The parameter that says how many working days it may take.
    pub const fn parameter(self) -> &'static str {
        match self {
            Duty::Start => "recovery_start_days",
            Duty::Answer => "recovery_answer_days",
            Duty::Appoint => "recovery_appoint_days",
            Duty::Award => "recovery_award_days",
        }
    }

    /// Working days while nobody set the parameter: from memory.
    pub const fn days_from_memory(self) -> u16 {
        match self {
            Duty::Start | Duty::Award => 15,
            Duty::Answer => 10,
            Duty::Appoint => 5,
        }
    }
}

/// How far a wait has gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum Escalation {
    /// There is time.
    None,
    /// Time is over: listed for both sides, and the other side may ask for arbitration unheard.
    Overdue,
    /// As much time again is over: listed for the operator.
    Escalated,
}

/// What is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Clock {
    /// For what.
    pub duty: Duty,
    /// For whom.
    pub of: Side,
    /// Since when; that day in China does not count.
    pub from: Timestamp,
}

/// Who is waited for and since when; `None` while nobody is.
pub fn running(life: &Life) -> Option<Clock> {
    match &life.stage {
        Stage::Locked => Some(Clock { duty: Duty::Start, of: Side::Recovering, from: life.since }),
        Stage::Open(open) => {
            Some(Clock { duty: Duty::Answer, of: open.waits_for, from: open.since })
        }
        Stage::Arbitration { arbitration, .. } => Some(match arbitration.appointed_at {
            None => Clock { duty: Duty::Appoint, of: Side::Operator, from: arbitration.asked_at },
            Some(at) => Clock { duty: Duty::Award, of: Side::Operator, from: at },
        }),
        Stage::Ended | Stage::Void { .. } => None,
    }
}

impl Clock {
    /// First instant that is too late, and the one from which it is escalated.
    ///
    /// Monday to Friday are working days, but for `rest_days`. A weekend worked in exchange for a
    /// holiday (调休) does not count, which makes nobody late too early.
    pub fn due(&self, working_days: u16, rest_days: &BTreeSet<Date>) -> (Timestamp, Timestamp) {
        let due = end_of_working_days(self.from, working_days, rest_days);
        (due, end_of_working_days(self.from, working_days.saturating_mul(2), rest_days))
    }
}

/// How far a wait has gone that is due, and escalated, at these instants.
pub fn escalation((due, escalated): (Timestamp, Timestamp), now: Timestamp) -> Escalation {
    match now {
        now if escalated <= now => Escalation::Escalated,
        now if due <= now => Escalation::Overdue,
        _ => Escalation::None,
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;
    use uuid::Uuid;

    use super::super::review::{Act, By};
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn a_wait_is_over_at_the_end_of_its_last_working_day_and_escalated_after_as_many_again() {
        // 2 March 2026 is a Monday.
        let clock =
            Clock { duty: Duty::Answer, of: Side::Liable, from: at("2026-03-02T10:00:00+08:00") };
        let due = clock.due(10, &BTreeSet::new());
        let expected = (at("2026-03-17T00:00:00+08:00"), at("2026-03-31T00:00:00+08:00"));
        assert_eq!(due, expected);
        let rows = [
            ("2026-03-16T23:59:59+08:00", Escalation::None),
            ("2026-03-17T00:00:00+08:00", Escalation::Overdue),
            ("2026-03-30T23:59:59+08:00", Escalation::Overdue),
            ("2026-03-31T00:00:00+08:00", Escalation::Escalated),
        ];
        for (now, expected) in rows {
            assert_eq!(escalation(due, at(now)), expected, "{now}");
        }
    }

    #[test]
    fn holidays_are_taken_off_a_wait() {
        // National Day 2026: Thursday 1 to Thursday 8 October. 28 September is a Monday; ten working
        // days after it are 29, 30, 9, 12 to 16, 19 and 20.
        let clock =
            Clock { duty: Duty::Answer, of: Side::Liable, from: at("2026-09-28T10:00:00+08:00") };
        let holidays: BTreeSet<Date> = (1..=8).map(|day| date(2026, 10, day)).collect();
        let expected = (at("2026-10-21T00:00:00+08:00"), at("2026-11-04T00:00:00+08:00"));
        assert_eq!(clock.due(10, &holidays), expected);
        assert_eq!(clock.due(10, &BTreeSet::new()).0, at("2026-10-13T00:00:00+08:00"));
    }

    #[test]
    fn each_stage_waits_for_somebody_until_it_ends() {
        let now = at("2026-03-02T10:00:00+08:00");
        let of = |life: &Life| running(life).map(|clock| (clock.duty, clock.of));
        let by = |side| By { side, now, overdue: false, item_id: Uuid::nil() };
        let sides = ["PICC", "PAIC"];
        let hundred = kernel::Fen(10_000);
        let locked = Life::locked(now);
        assert_eq!(of(&locked), Some((Duty::Start, Side::Recovering)));
        let start = Act::Start { amount: hundred, computed: hundred };
        let open = locked.accept(&start, by(Side::Recovering), sides).unwrap();
        assert_eq!(of(&open), Some((Duty::Answer, Side::Liable)));
        let late = By { overdue: true, ..by(Side::Recovering) };
        let ask = Act::AskArbitration { grounds: "逾期未答复".to_owned() };
        let asked = open.accept(&ask, late, sides).unwrap();
        assert_eq!(of(&asked), Some((Duty::Appoint, Side::Operator)));
        let state = Act::State { amount: hundred, cuts: vec![], opinion: None };
        let ended = asked.accept(&state, by(Side::Liable), sides).unwrap();
        assert_eq!(of(&ended), None);
    }
}

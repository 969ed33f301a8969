//! What days of cover an endorsement is charged for. Days off the road cost nothing and are made
//! up at the end, so a year of cover is charged as a year however long it took.

use jiff::{Timestamp, ToSpan};
use kernel::{Period, time};
use production_core::policy::{PolicyFacts, Suspension};

/// A period in which every day is a day of cover, and an instant in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Charged {
    /// As long as the cover paid for; ends with the policy.
    pub(crate) period: Period,
    /// So far before its end as there are days of cover left.
    pub(crate) at: Timestamp,
}

/// The period of `facts` with its days off the road taken out, seen from `at`.
///
/// While a vehicle is off the road no day of cover is used, so the days left are those left when
/// it went.
pub(crate) fn charged(facts: &PolicyFacts, at: Timestamp) -> Option<Charged> {
    let open = facts.suspensions.last().filter(|rest| rest.to.is_none()).map(|rest| rest.from);
    let at = open.map_or(at, |from| at.min(from));
    let suspended = facts.days_suspended();
    if suspended == 0 {
        return Some(Charged { period: facts.period, at });
    }
    let ahead: i64 = facts.suspensions.iter().map(|rest| days_after(rest, at)).sum();
    let from = later(facts.period.from(), suspended)?;
    let period = Period::new(from, facts.period.to())?;
    Some(Charged { period, at: later(at, ahead)? })
}

/// Days of a past rest that lie after `at`.
fn days_after(rest: &Suspension, at: Timestamp) -> i64 {
    let Some(to) = rest.to else { return 0 };
    let from = rest.from.max(at);
    if from < to { time::days_between(time::day_of(from), time::day_of(to)) } else { 0 }
}

/// The same hour some calendar days later, in China.
fn later(at: Timestamp, days: i64) -> Option<Timestamp> {
    time::wall_time(at).checked_add(days.days()).ok().and_then(time::instant_of)
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;
    use kernel::Fen;
    use production_core::history::PolicyClass;
    use production_rating::{Cancellation, compulsory_refund, premium_change};

    use super::*;

    fn day(year: i16, month: i8, day: i8) -> Timestamp {
        time::start_of(date(year, month, day)).unwrap()
    }

    fn year_of_cover() -> PolicyFacts {
        let period = Period::new(day(2025, 3, 1), day(2026, 3, 1)).unwrap();
        PolicyFacts::confirmed(PolicyClass::Compulsory, period, true)
    }

    /// Off the road from 2025-05-01 to 2025-07-10: 70 days, so cover ends on 2026-05-10.
    fn back_on_the_road() -> PolicyFacts {
        let off = year_of_cover().suspend(day(2025, 5, 1), day(2025, 4, 20)).unwrap();
        off.resume(day(2025, 7, 10), day(2025, 7, 10)).unwrap()
    }

    fn days(facts: &PolicyFacts, at: Timestamp) -> (i64, i64) {
        let charged = charged(facts, at).unwrap();
        let left = time::days_between(time::day_of(charged.at), time::day_of(charged.period.to()));
        (left, charged.period.days())
    }

    #[test]
    fn days_off_the_road_are_not_charged() {
        let table = [
            (year_of_cover(), day(2025, 6, 9), (265, 365)),
            (back_on_the_road(), day(2025, 3, 1), (365, 365)),
            // A tenth of April uses 40 days of cover, whatever rested later.
            (back_on_the_road(), day(2025, 4, 10), (325, 365)),
            (back_on_the_road(), day(2025, 5, 1), (304, 365)),
            (back_on_the_road(), day(2025, 7, 10), (304, 365)),
            (back_on_the_road(), day(2026, 5, 9), (1, 365)),
        ];
        for (facts, at, expected) in table {
            assert_eq!(days(&facts, at), expected, "{at}");
        }
    }

    #[test]
    fn the_days_left_stand_still_while_the_vehicle_is_off_the_road() {
        let off = year_of_cover().suspend(day(2025, 5, 1), day(2025, 4, 20)).unwrap();
        for at in [day(2025, 5, 1), day(2025, 9, 1), day(2027, 1, 1)] {
            assert_eq!(days(&off, at), (304, 365), "{at}");
        }
        assert_eq!(days(&off, day(2025, 4, 30)), (305, 365));
    }

    #[test]
    fn a_change_and_a_refund_count_the_same_days() {
        let charged = charged(&back_on_the_road(), day(2025, 7, 10)).unwrap();
        let change = premium_change(Fen(0), Fen(36_500), charged.period, charged.at);
        let refund = compulsory_refund(Cancellation {
            premium: Fen(36_500),
            period: charged.period,
            suspended_days: 0,
            at: charged.at,
        });
        assert_eq!((change.amount, refund.refund), (Fen(30_400), Fen(30_400)));
    }
}

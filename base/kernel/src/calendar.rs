//! Days of rest, and periods that end on none.
//!
//! A period of days does not count the day it starts from and ends when its last day ends in China,
//! at 24:00 (民法典 art. 201 and 203). A last day that is a day of rest (法定休假日) is followed to the
//! next that is not. Saturdays and Sundays are days of rest by themselves; which public holidays are,
//! is told by whoever asks. A weekend worked in exchange for a holiday (调休) counts as rest, which
//! makes nobody late too early.

use std::collections::BTreeSet;

use jiff::civil::{Date, Weekday};
use jiff::{Timestamp, ToSpan};

use crate::time;

/// Whether `day` is a Saturday, a Sunday or one of `rest_days`.
pub fn is_rest(day: Date, rest_days: &BTreeSet<Date>) -> bool {
    matches!(day.weekday(), Weekday::Saturday | Weekday::Sunday) || rest_days.contains(&day)
}

/// 24:00 in China of the day that lies `days` calendar days after the day of `at`, or of the next day
/// that is no day of rest.
pub fn end_of_days(at: Timestamp, days: impl Into<i64>, rest_days: &BTreeSet<Date>) -> Timestamp {
    let mut last = time::day_of(at).saturating_add(days.into().days());
    while is_rest(last, rest_days) && last < Date::MAX {
        last = last.saturating_add(1.day());
    }
    end_of(last)
}

/// 24:00 in China of the last of so many days of no rest after the day of `at`.
pub fn end_of_working_days(at: Timestamp, days: u16, rest_days: &BTreeSet<Date>) -> Timestamp {
    let mut last = time::day_of(at);
    let mut left = days;
    while 0 < left && last < Date::MAX {
        last = last.saturating_add(1.day());
        if !is_rest(last, rest_days) {
            left -= 1;
        }
    }
    end_of(last)
}

/// Midnight exists on every day of the zone; only the last day of the calendar has none after it.
fn end_of(day: Date) -> Timestamp {
    day.tomorrow().ok().and_then(time::start_of).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    /// National Day 2026: Thursday 1 to Thursday 8 October; the 9th is a Friday.
    fn national_day() -> BTreeSet<Date> {
        (1..=8).map(|day| date(2026, 10, day)).collect()
    }

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn a_period_that_would_end_on_a_day_of_rest_ends_with_the_next_working_day() {
        let cases = [
            // Monday 21 September and 5 days: Saturday 26th, so Monday 28th.
            ("2026-09-21T10:00:00+08:00", 5, "2026-09-29T00:00:00+08:00"),
            // To the last second of the day before the holidays.
            ("2026-09-21T23:59:59+08:00", 9, "2026-10-01T00:00:00+08:00"),
            // Thursday 1 October is the first holiday, the 9th the next working day.
            ("2026-09-21T10:00:00+08:00", 10, "2026-10-10T00:00:00+08:00"),
            ("2026-09-21T10:00:00+08:00", 17, "2026-10-10T00:00:00+08:00"),
            // Friday 9th itself, and Saturday 10th, which goes to Monday 12th.
            ("2026-09-21T10:00:00+08:00", 18, "2026-10-10T00:00:00+08:00"),
            ("2026-09-21T10:00:00+08:00", 19, "2026-10-13T00:00:00+08:00"),
        ];
        for (from, days, expected) in cases {
            let end = end_of_days(at(from), days, &national_day());
            assert_eq!(end, at(expected), "{from} and {days} days");
        }
        // Without the list the 1st is a Thursday like any other.
        let plain = end_of_days(at("2026-09-21T02:00:00Z"), 10, &BTreeSet::new());
        assert_eq!(plain, at("2026-10-02T00:00:00+08:00"));
    }

    #[test]
    fn days_of_rest_are_no_working_days() {
        let cases = [
            // Monday 28 September: the 29th, the 30th, then the 9th.
            ("2026-09-28T10:00:00+08:00", 3, "2026-10-10T00:00:00+08:00"),
            // From a holiday, and from a Saturday.
            ("2026-10-03T10:00:00+08:00", 1, "2026-10-10T00:00:00+08:00"),
            ("2026-10-10T10:00:00+08:00", 1, "2026-10-13T00:00:00+08:00"),
            // None: the day itself.
            ("2026-09-28T10:00:00+08:00", 0, "2026-09-29T00:00:00+08:00"),
        ];
        for (from, days, expected) in cases {
            let end = end_of_working_days(at(from), days, &national_day());
            assert_eq!(end, at(expected), "{from} and {days} working days");
        }
    }

    #[test]
    fn a_period_that_begins_at_the_end_of_the_calendar_has_an_end() {
        let rest_days = [Date::MAX].into();
        assert_eq!(end_of_days(Timestamp::MAX, 5, &rest_days), Timestamp::MAX);
        assert_eq!(end_of_working_days(Timestamp::MAX, 5, &rest_days), Timestamp::MAX);
    }
}

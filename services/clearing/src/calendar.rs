//! Days of rest, and periods that end on none. Pure but for where the days are listed.

use std::collections::BTreeSet;

use jiff::civil::{Date, Weekday};
use jiff::{Timestamp, ToSpan};
use kernel::time;
use tenancy::Parameters;

use crate::HOUSE;

/// The parameter that lists public holidays (法定节假日) of a region, or of all: days and spans of
/// them, parted by commas, as `2026-10-01..2026-10-08, 2027-01-01`.
const REST_DAYS: &str = "rest_days";

/// Public holidays of a region as they are listed at `now`.
pub(crate) fn listed(parameters: &Parameters, region: &str, now: Timestamp) -> BTreeSet<Date> {
    let text = parameters.text(REST_DAYS, HOUSE, region, now).unwrap_or_default();
    let (rest_days, unread) = rest_days(&text);
    if !unread.is_empty() {
        tracing::warn!(parameter = REST_DAYS, ?unread, "days of rest cannot be read");
    }
    rest_days
}

/// Reads [`REST_DAYS`]. What is no day or span, runs backwards or is longer than a year is left out
/// and returned beside the days.
pub(crate) fn rest_days(text: &str) -> (BTreeSet<Date>, Vec<&str>) {
    let (mut days, mut unread) = (BTreeSet::new(), Vec::new());
    for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
        let (first, last) = part.split_once("..").unwrap_or((part, part));
        let span = first.trim().parse::<Date>().ok().zip(last.trim().parse::<Date>().ok());
        let length = span.map(|(first, last)| time::days_between(first, last));
        match span.filter(|_| length.is_some_and(|length| (0..366).contains(&length))) {
            Some((first, last)) => {
                days.extend(first.series(1.day()).take_while(|day| *day <= last));
            }
            None => unread.push(part),
        }
    }
    (days, unread)
}

/// Whether a message may name `day`: 1900 to 2199, as F09 has it. PostgreSQL keeps no day before
/// 4714 BC, so one that goes into a statement unlooked at fails there.
pub(crate) fn is_nameable(day: Date) -> bool {
    (1900..2200).contains(&day.year())
}

/// 24:00 in China of the day that lies `days` calendar days after the day of `at`, or of the next
/// working day when that one is a Saturday, a Sunday or one of `rest_days` (民法典 art. 203).
///
/// A weekend worked in exchange for a holiday (调休) counts as rest, which makes nobody late too
/// early.
pub(crate) fn end_of_days(at: Timestamp, days: i32, rest_days: &BTreeSet<Date>) -> Timestamp {
    let mut last = time::day_of(at).saturating_add(i64::from(days).days());
    while is_rest(last, rest_days) && last < Date::MAX {
        last = last.saturating_add(1.day());
    }
    time::start_of(last.saturating_add(1.day())).unwrap_or(Timestamp::MAX)
}

fn is_rest(day: Date, rest_days: &BTreeSet<Date>) -> bool {
    matches!(day.weekday(), Weekday::Saturday | Weekday::Sunday) || rest_days.contains(&day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_names_days_of_the_years_1900_to_2199() {
        use jiff::civil::date;
        let days = [date(-9000, 1, 1), date(1899, 12, 31), date(1900, 1, 1), date(2199, 12, 31)];
        assert_eq!(days.map(is_nameable), [false, false, true, true]);
        assert!(!is_nameable(date(2200, 1, 1)));
    }

    #[test]
    fn days_of_rest_are_read_one_by_one_and_what_cannot_be_read_is_named() {
        let (days, unread) = rest_days(" 2027-01-01, 2026-10-01 .. 2026-10-02,,");
        let days: Vec<String> = days.iter().map(Date::to_string).collect();
        assert_eq!(
            (days, unread),
            (["2026-10-01", "2026-10-02", "2027-01-01"].map(String::from).to_vec(), vec![])
        );
        let (days, unread) =
            rest_days("soon,2026-10-08..2026-10-01,2026-01-01..2027-01-02,2026-05-01");
        assert_eq!(days.len(), 1);
        assert_eq!(unread, ["soon", "2026-10-08..2026-10-01", "2026-01-01..2027-01-02"]);
    }

    #[test]
    fn a_period_that_would_end_on_a_day_of_rest_ends_with_the_next_working_day() {
        // National Day 2026 is Thursday 1 to Thursday 8 October; the 9th is a Friday.
        let (holidays, _) = rest_days("2026-10-01..2026-10-08");
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
        for (at, days, expected) in cases {
            let end = end_of_days(at.parse().unwrap(), days, &holidays);
            assert_eq!(end, expected.parse().unwrap(), "{at} and {days} days");
        }
        // Without the list the 1st is a Thursday like any other.
        let plain = end_of_days("2026-09-21T02:00:00Z".parse().unwrap(), 10, &BTreeSet::new());
        assert_eq!(plain, "2026-10-02T00:00:00+08:00".parse().unwrap());
    }
}

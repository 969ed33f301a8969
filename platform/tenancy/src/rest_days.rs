//! Days of rest: the public holidays (法定节假日) that the operator lists, of a region or of all.
//!
//! Which days are rest is law, not an agreement: a list that is set late still tells of its days, and
//! one that follows takes none of those back that had begun under it. So what ended in time is in
//! time for ever, whatever is listed afterwards.

use std::collections::BTreeSet;
use std::ops::Bound::{Excluded, Unbounded};
use std::sync::Arc;

use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp, ToSpan};
use kernel::time;

/// The parameter that lists public holidays of a region, or of all: days and spans of them, parted by
/// commas, as `2026-10-01..2026-10-08, 2027-01-01`. A region that has a list is spared the one of all.
pub const REST_DAYS: &str = "rest_days";

/// A value of [`REST_DAYS`].
#[derive(Debug)]
struct List {
    region: Option<Arc<str>>,
    from: Timestamp,
    to: Option<Timestamp>,
    days: BTreeSet<Date>,
}

impl List {
    fn holds(&self, at: Timestamp) -> bool {
        self.from <= at && self.to.is_none_or(|to| at < to)
    }
}

/// Every list there was, is, and is to be.
#[derive(Debug, Default)]
pub(crate) struct Lists {
    lists: Vec<List>,
    /// What could not be read of them.
    pub(crate) unread: Vec<String>,
}

impl Lists {
    /// Adds a list of a region, or of all, in force from an instant up to another.
    pub(crate) fn add(
        &mut self,
        region: Option<Arc<str>>,
        text: &str,
        from: Timestamp,
        to: Option<Timestamp>,
    ) {
        let (days, unread) = read(text);
        self.unread.extend(unread.into_iter().map(str::to_owned));
        self.lists.push(List { region, from, to, days });
    }

    /// Days of rest of a region as they are known at an instant. A day to come is one when the list in
    /// force then names it, a day that has begun when any list did that was in force since it began.
    pub(crate) fn known(&self, region: &str, known_at: Timestamp) -> BTreeSet<Date> {
        let turns = self.lists.iter().flat_map(|list| [Some(list.from), list.to]).flatten();
        let turns: BTreeSet<Timestamp> = turns.filter(|turn| *turn <= known_at).collect();
        let mut days = BTreeSet::new();
        for turn in &turns {
            let Some(list) = self.in_force(region, *turn) else { continue };
            match turns.range((Excluded(turn), Unbounded)).next() {
                None => days.extend(&list.days),
                // Of a list that was followed by another, those that had begun by then.
                Some(next) => days.extend(list.days.range(..=day_before(*next))),
            }
        }
        days
    }

    fn in_force(&self, region: &str, at: Timestamp) -> Option<&List> {
        let of = |wanted: Option<&str>| {
            self.lists.iter().find(|list| list.region.as_deref() == wanted && list.holds(at))
        };
        of(Some(region)).or_else(|| of(None))
    }
}

/// The day in China of the last moment before `at`.
fn day_before(at: Timestamp) -> Date {
    time::day_of(at.saturating_sub(SignedDuration::from_nanos(1)).unwrap_or(at))
}

/// Reads a list. What is no day or span, runs backwards or is longer than a year is left out and
/// returned beside the days.
pub(crate) fn read(text: &str) -> (BTreeSet<Date>, Vec<&str>) {
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

#[cfg(test)]
mod tests {
    use super::*;

    const NATIONAL_DAY: &str = "2026-10-01..2026-10-08";

    fn texts(days: &BTreeSet<Date>) -> Vec<String> {
        days.iter().map(Date::to_string).collect()
    }

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn lists(lists: &[(Option<&str>, &str, &str, Option<&str>)]) -> Lists {
        let mut all = Lists::default();
        for (region, text, from, to) in lists {
            all.add(region.map(Arc::from), text, at(from), to.map(at));
        }
        all
    }

    #[test]
    fn days_of_rest_are_read_one_by_one_and_what_cannot_be_read_is_named() {
        let (days, unread) = read(" 2027-01-01, 2026-10-01 .. 2026-10-02,,");
        let expected = ["2026-10-01", "2026-10-02", "2027-01-01"];
        assert_eq!((texts(&days), unread), (expected.map(String::from).to_vec(), vec![]));
        let (days, unread) = read("soon,2026-10-08..2026-10-01,2026-01-01..2027-01-02,2026-05-01");
        assert_eq!(days.len(), 1);
        assert_eq!(unread, ["soon", "2026-10-08..2026-10-01", "2026-01-01..2027-01-02"]);
    }

    #[test]
    fn a_region_with_a_list_of_its_own_has_no_other() {
        let since = "2026-01-01T00:00:00+08:00";
        let all = lists(&[
            (None, NATIONAL_DAY, since, None),
            // Invented.
            (Some("450000"), "2026-04-20..2026-04-23", since, None),
        ]);
        let known = |region| all.known(region, at("2026-02-01T00:00:00+08:00")).len();
        assert_eq!((known("320000"), known("450000")), (8, 4));
        assert!(all.known("320000", at("2025-12-31T23:59:59+08:00")).is_empty());
    }

    #[test]
    fn a_day_that_has_begun_stays_a_day_of_rest_and_one_to_come_does_not() {
        // The list of 2027 takes the place of that of 2026 in the middle of the holidays.
        let (turn, next) = ("2026-10-05T09:00:00+08:00", "2027-01-01");
        let all = lists(&[
            (None, NATIONAL_DAY, "2026-01-01T00:00:00+08:00", Some(turn)),
            (None, next, turn, None),
        ]);
        let whole = all.known("320000", at("2026-10-05T08:59:59+08:00"));
        assert_eq!(whole.len(), 8);
        let known = texts(&all.known("320000", at(turn)));
        let begun = ["2026-10-01", "2026-10-02", "2026-10-03", "2026-10-04", "2026-10-05"];
        assert_eq!(known[..5], begun);
        assert_eq!(known[5..], [next]);
    }

    #[test]
    fn a_list_that_is_followed_at_midnight_tells_of_the_days_before() {
        let midnight = "2026-10-05T00:00:00+08:00";
        let all = lists(&[
            (None, NATIONAL_DAY, "2026-01-01T00:00:00+08:00", Some(midnight)),
            (None, "2027-01-01", midnight, None),
        ]);
        let known = texts(&all.known("320000", at("2026-12-01T00:00:00+08:00")));
        assert_eq!(known, ["2026-10-01", "2026-10-02", "2026-10-03", "2026-10-04", "2027-01-01"]);
    }

    #[test]
    fn a_list_that_comes_late_tells_of_days_that_are_over() {
        let all = lists(&[(None, NATIONAL_DAY, "2026-10-20T00:00:00+08:00", None)]);
        assert!(all.known("320000", at("2026-10-19T23:59:59+08:00")).is_empty());
        assert_eq!(all.known("320000", at("2026-10-20T00:00:00+08:00")).len(), 8);
    }
}

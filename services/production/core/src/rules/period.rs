//! Rules about periods of cover: L01, L02, L32.

use jiff::{SignedDuration, Timestamp, ToSpan};
use kernel::{Period, time};

use crate::rule::{Findings, RuleId};

/// Whether compulsory cover is written for a year or for one of the reasons of a shorter term.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Term {
    /// A full year.
    Annual,
    /// Shorter, for a reason of 交强险条例 art. 20.
    Short,
}

/// How far before and after now cover may begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// Cover may begin this long before now; zero where nothing is back-dated.
    pub back: SignedDuration,
    /// Cover may begin at most this many days after today.
    pub ahead_days: i64,
}

impl Window {
    /// Nothing back-dated, ninety days ahead.
    pub const STANDARD: Window = Window { back: SignedDuration::ZERO, ahead_days: 90 };
}

/// L01: cover begins between now (less what may be back-dated) and the last day of the window.
///
/// The hour that is running counts as now: cover is written by the hour (即时生效).
pub fn start(start: Timestamp, window: Window, now: Timestamp, at: &str, found: &mut Findings) {
    let hour = time::wall_time(now).with().minute(0).second(0).subsec_nanosecond(0).build();
    let hour = hour.ok().and_then(time::instant_of).unwrap_or(now);
    let earliest = hour.checked_sub(window.back).unwrap_or(hour);
    let last = time::day_of(now).checked_add(window.ahead_days.days());
    let Ok(last) = last else { return };
    if start < earliest || time::day_of(start) > last {
        let message = format!(
            "cover starts at {}; it may start from {} to the end of {last}",
            time::wall_time(start),
            time::wall_time(earliest),
        );
        found.add(RuleId::L01, at, message);
    }
}

/// L02: compulsory cover lasts one year to the hour, or less with a reason of the law.
pub fn compulsory(period: Period, term: Term, at: &str, found: &mut Findings) {
    let begin = time::wall_time(period.from());
    let year = begin.checked_add(1.year()).ok().and_then(time::instant_of);
    let fits = match (term, year) {
        (_, None) => false,
        // 29 February plus a year is 28 February: a day short, yet a year by the calendar.
        (Term::Annual, Some(year)) => period.to() == year,
        (Term::Short, Some(year)) => period.to() <= year,
    };
    if !fits {
        let message = match (term, year) {
            (Term::Annual, Some(year)) => format!(
                "compulsory cover from {begin} ends at {}; send that, or the reason for a short term",
                time::wall_time(year)
            ),
            _ => "short-term compulsory cover lasts at most 12 months".to_owned(),
        };
        found.add(RuleId::L02, at, message);
    }
}

/// Commercial cover lasts at most a year; the rule of the compulsory line serves for both (L02).
pub fn commercial(period: Period, at: &str, found: &mut Findings) {
    let year = time::wall_time(period.from()).checked_add(1.year()).ok();
    if year.and_then(time::instant_of).is_none_or(|year| period.to() > year) {
        found.add(RuleId::L02, at, "commercial cover lasts at most one year");
    }
}

/// L32: a confirm comes before the query code expires, and before cover starts unless the rule of
/// `window` lets compulsory cover be back-dated.
pub fn confirm(
    code_until: Timestamp,
    start: Timestamp,
    window: Window,
    now: Timestamp,
    at: &str,
    found: &mut Findings,
) {
    if code_until <= now {
        let message = format!("query code expired at {}; quote again", time::wall_time(code_until));
        found.add(RuleId::L32, at, message);
    }
    // A quote for the running hour may be confirmed within that hour.
    let hour = SignedDuration::from_hours(1);
    let latest = start.checked_add(window.back.max(hour)).unwrap_or(start);
    if latest <= now {
        let message = format!(
            "cover was to start at {} and is confirmed after that; quote again with a later start",
            time::wall_time(start)
        );
        found.add(RuleId::L32, at, message);
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::{DateTime, datetime};

    use super::*;
    use crate::rules::probe::broken;

    fn instant(time: DateTime) -> Timestamp {
        time::instant_of(time).unwrap()
    }

    fn period(from: DateTime, to: DateTime) -> Period {
        Period::new(instant(from), instant(to)).unwrap()
    }

    #[test]
    fn l01_cover_starts_within_ninety_days() {
        let now = instant(datetime(2025, 3, 1, 10, 23, 0, 0));
        let judge = |at| broken(|found| start(instant(at), Window::STANDARD, now, "", found));
        for good in [
            datetime(2025, 3, 1, 10, 0, 0, 0),
            datetime(2025, 3, 2, 0, 0, 0, 0),
            datetime(2025, 5, 30, 23, 0, 0, 0),
        ] {
            assert!(judge(good).is_empty(), "{good}");
        }
        for bad in [datetime(2025, 3, 1, 9, 0, 0, 0), datetime(2025, 5, 31, 0, 0, 0, 0)] {
            assert_eq!(judge(bad), ["L01"], "{bad}");
        }
        let back = Window { back: SignedDuration::from_hours(48), ..Window::STANDARD };
        let earlier = instant(datetime(2025, 2, 27, 12, 0, 0, 0));
        assert!(broken(|found| start(earlier, back, now, "", found)).is_empty());
    }

    #[test]
    fn l02_compulsory_cover_lasts_a_year_or_has_a_reason() {
        let from = datetime(2025, 3, 1, 8, 0, 0, 0);
        let judge = |to, term| broken(|found| compulsory(period(from, to), term, "", found));
        let year = datetime(2026, 3, 1, 8, 0, 0, 0);
        assert!(judge(year, Term::Annual).is_empty());
        assert_eq!(judge(datetime(2026, 3, 1, 9, 0, 0, 0), Term::Annual), ["L02"]);
        let short = datetime(2025, 7, 1, 8, 0, 0, 0);
        assert_eq!(judge(short, Term::Annual), ["L02"]);
        assert!(judge(short, Term::Short).is_empty());
        assert_eq!(judge(datetime(2026, 3, 2, 0, 0, 0, 0), Term::Short), ["L02"]);
        let leap = period(datetime(2024, 2, 29, 0, 0, 0, 0), datetime(2025, 2, 28, 0, 0, 0, 0));
        assert!(broken(|found| compulsory(leap, Term::Annual, "", found)).is_empty());
        assert_eq!(broken(|found| commercial(period(from, short), "", found)), [""; 0]);
        let long = period(from, datetime(2026, 3, 1, 9, 0, 0, 0));
        assert_eq!(broken(|found| commercial(long, "", found)), ["L02"]);
    }

    #[test]
    fn l32_a_confirm_comes_in_time() {
        let now = instant(datetime(2025, 3, 1, 10, 23, 0, 0));
        let judge = |until, from| {
            broken(|found| {
                confirm(instant(until), instant(from), Window::STANDARD, now, "", found);
            })
        };
        let (later, tomorrow) =
            (datetime(2025, 3, 1, 11, 0, 0, 0), datetime(2025, 3, 2, 0, 0, 0, 0));
        assert!(judge(later, tomorrow).is_empty());
        assert!(judge(later, datetime(2025, 3, 1, 10, 0, 0, 0)).is_empty(), "the running hour");
        assert_eq!(judge(datetime(2025, 3, 1, 10, 23, 0, 0), tomorrow), ["L32"]);
        assert_eq!(judge(later, datetime(2025, 3, 1, 9, 0, 0, 0)), ["L32"]);
    }
}

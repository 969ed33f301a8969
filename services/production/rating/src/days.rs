//! The dates a rating turns on, and months between days.

use jiff::civil::{Date, DateTime};
use jiff::{Span, ToSpan};
use kernel::Period;
use kernel::time::{day_of, wall_time};
use rust_decimal::Decimal;

use crate::input::RatingInput;
use crate::tariff::KeyDate;

/// The days that choose tariff rows for one policy.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Days {
    pub(crate) quote: Date,
    pub(crate) issue: Date,
    pub(crate) start: Date,
}

impl Days {
    pub(crate) fn of(input: &RatingInput, period: Period) -> Days {
        let (quote, start) = (day_of(input.quoted_at), day_of(period.from()));
        Days { quote, issue: input.issued_on, start }
    }

    /// The day a table or row is keyed by; accident tables look at the first day of cover.
    pub(crate) fn by(self, key: KeyDate) -> Date {
        match key {
            KeyDate::Quote => self.quote,
            KeyDate::Issue => self.issue,
            KeyDate::Start | KeyDate::Accident | KeyDate::Row | KeyDate::None => self.start,
        }
    }
}

/// `day` plus whole months; the last day of the month when that has no such day.
pub(crate) fn plus_months(day: Date, months: i64) -> Date {
    day.saturating_add(span_months(months))
}

fn span_months(months: i64) -> Span {
    Span::new().try_months(months).unwrap_or_else(|_| 0.months())
}

/// Months of the period, a begun month counting whole: 12 for a year.
pub(crate) fn months_begun(period: Period) -> i64 {
    let (from, to) = (wall_time(period.from()), wall_time(period.to()));
    let mut months = i64::from(to.year() - from.year()) * 12 + i64::from(to.month() - from.month());
    while at_month(from, months) < to {
        months += 1;
    }
    while months > 1 && at_month(from, months - 1) >= to {
        months -= 1;
    }
    months
}

fn at_month(from: DateTime, months: i64) -> DateTime {
    from.saturating_add(span_months(months))
}

/// Whole months from `from` to `to`; none when `to` is earlier.
pub(crate) fn months_full(from: Date, to: Date) -> i64 {
    let mut months = i64::from(to.year() - from.year()) * 12 + i64::from(to.month() - from.month());
    if plus_months(from, months) > to {
        months -= 1;
    }
    months.max(0)
}

/// Whether the period is one year from an hour to the same hour.
pub(crate) fn is_one_year(period: Period) -> bool {
    at_month(wall_time(period.from()), 12) == wall_time(period.to())
}

/// The period as a share of the year beginning with it, by days; 1 for a whole year.
pub(crate) fn share_of_year(period: Period) -> Option<(i64, i64)> {
    let from = wall_time(period.from());
    let year = kernel::time::days_between(from.date(), at_month(from, 12).date());
    let days = period.days();
    (!is_one_year(period)).then_some((days, year))
}

/// `(part, whole)` as a number.
pub(crate) fn ratio((part, whole): (i64, i64)) -> Decimal {
    Decimal::from(part) / Decimal::from(whole.max(1))
}

//! Civil time in China and half-open periods.
//!
//! An instant is a `jiff::Timestamp`; a day or an hour of cover is civil time in Asia/Shanghai
//! (UTC+8, no daylight saving since 1991). This module is where the two meet.

use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

/// Asia/Shanghai, from the bundled time zone database.
pub fn shanghai() -> TimeZone {
    static ZONE: std::sync::OnceLock<TimeZone> = std::sync::OnceLock::new();
    ZONE.get_or_init(|| {
        TimeZone::get("Asia/Shanghai").unwrap_or(TimeZone::fixed(jiff::tz::offset(8)))
    })
    .clone()
}

/// The day `at` falls on in China.
pub fn day_of(at: Timestamp) -> Date {
    at.to_zoned(shanghai()).date()
}

/// The wall-clock time of `at` in China.
pub fn wall_time(at: Timestamp) -> DateTime {
    at.to_zoned(shanghai()).datetime()
}

/// The first instant of `day` in China. `None` outside the supported range of years.
pub fn start_of(day: Date) -> Option<Timestamp> {
    instant_of(day.at(0, 0, 0, 0))
}

/// The instant a wall clock in China shows `time`. `None` outside the supported range of years.
pub fn instant_of(time: DateTime) -> Option<Timestamp> {
    time.to_zoned(shanghai()).ok().map(|zoned| zoned.timestamp())
}

/// From an instant up to, and without, a later one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Period {
    from: Timestamp,
    to: Timestamp,
}

impl Period {
    /// `None` unless `from` is before `to`.
    pub fn new(from: Timestamp, to: Timestamp) -> Option<Period> {
        (from < to).then_some(Period { from, to })
    }

    /// First instant inside.
    pub fn from(self) -> Timestamp {
        self.from
    }

    /// First instant after.
    pub fn to(self) -> Timestamp {
        self.to
    }

    /// Whether `at` lies inside.
    pub fn contains(self, at: Timestamp) -> bool {
        self.from <= at && at < self.to
    }

    /// Whether the two share an instant.
    pub fn overlaps(self, other: Period) -> bool {
        self.from < other.to && other.from < self.to
    }

    /// Calendar days in China from the day of `from` to the day of `to`: 365 or 366 for a year.
    pub fn days(self) -> i64 {
        days_between(day_of(self.from), day_of(self.to))
    }
}

/// Days from `from` to `to`, negative when `to` is earlier.
pub fn days_between(from: Date, to: Date) -> i64 {
    // Dates are within ±9999 years, so a span in days always fits.
    from.until(to).map_or(0, |span| i64::from(span.get_days()))
}

#[cfg(feature = "openapi")]
impl utoipa::PartialSchema for Period {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
        let instant = || {
            utoipa::openapi::ObjectBuilder::new().schema_type(utoipa::openapi::Type::String).format(
                Some(utoipa::openapi::SchemaFormat::KnownFormat(
                    utoipa::openapi::KnownFormat::DateTime,
                )),
            )
        };
        utoipa::openapi::ObjectBuilder::new()
            .property("from", instant())
            .property("to", instant())
            .required("from")
            .required("to")
            .description(Some("Half-open: from the first instant up to, and without, the second."))
            .into()
    }
}

#[cfg(feature = "openapi")]
impl utoipa::ToSchema for Period {}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    #[test]
    fn a_day_of_cover_begins_at_midnight_in_china() {
        let start = start_of(date(2025, 3, 1)).unwrap();
        assert_eq!(start.to_string(), "2025-02-28T16:00:00Z");
        assert_eq!(day_of(start), date(2025, 3, 1));
    }

    #[test]
    fn periods_that_touch_do_not_overlap() {
        let at = |day| start_of(date(2025, 1, day)).unwrap();
        let first = Period::new(at(1), at(2)).unwrap();
        let second = Period::new(at(2), at(3)).unwrap();
        assert!(!first.overlaps(second) && !first.contains(at(2)) && second.contains(at(2)));
        assert_eq!(Period::new(at(2), at(2)), None);
    }

    #[test]
    fn a_leap_year_of_cover_has_366_days() {
        let year =
            Period::new(start_of(date(2023, 9, 1)).unwrap(), start_of(date(2024, 9, 1)).unwrap());
        assert_eq!(year.unwrap().days(), 366);
    }
}

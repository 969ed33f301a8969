//! Civil time in China and half-open periods.
//!
//! An instant is a `jiff::Timestamp`; a day or an hour of cover is civil time in Asia/Shanghai
//! (UTC+8, no daylight saving since 1991). This module is where the two meet.

use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use jiff::fmt::temporal::DateTimePrinter;
use jiff::tz::{Offset, TimeZone};
use serde::{Deserialize, Serialize, Serializer};

/// Asia/Shanghai, from the bundled time zone database.
pub fn shanghai() -> TimeZone {
    static ZONE: std::sync::OnceLock<TimeZone> = std::sync::OnceLock::new();
    ZONE.get_or_init(|| {
        TimeZone::get("Asia/Shanghai").unwrap_or(TimeZone::fixed(jiff::tz::offset(8)))
    })
    .clone()
}

/// Clocks in China were changed for the last time (IANA time zone database). Since then the offset is
/// known without a look at the database, which every quote would make for each of its dates.
const LAST_CHANGE: Timestamp = Timestamp::constant(684_867_600, 0);
/// The same on the clock, an hour after the one it was changed to.
const LAST_CHANGE_ENDS: DateTime = DateTime::constant(1991, 9, 15, 2, 0, 0, 0);
const OFFSET: Offset = Offset::constant(8);

/// The day `at` falls on in China.
pub fn day_of(at: Timestamp) -> Date {
    wall_time(at).date()
}

/// The wall-clock time of `at` in China.
pub fn wall_time(at: Timestamp) -> DateTime {
    match LAST_CHANGE <= at {
        true => OFFSET.to_datetime(at),
        false => at.to_zoned(shanghai()).datetime(),
    }
}

/// The first instant of `day` in China. `None` outside the supported range of years.
pub fn start_of(day: Date) -> Option<Timestamp> {
    instant_of(day.at(0, 0, 0, 0))
}

/// The instant a wall clock in China shows `time`. `None` outside the supported range of years.
pub fn instant_of(time: DateTime) -> Option<Timestamp> {
    match LAST_CHANGE_ENDS <= time {
        true => OFFSET.to_timestamp(time).ok(),
        false => time.to_zoned(shanghai()).ok().map(|zoned| zoned.timestamp()),
    }
}

/// From an instant up to, and without, a later one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Period {
    #[serde(serialize_with = "in_one_piece")]
    from: Timestamp,
    #[serde(serialize_with = "in_one_piece")]
    to: Timestamp,
}

/// An instant as [`Timestamp`] serialises itself, but handed over as one text: an answer holds dozens of
/// periods, and what is formatted straight into JSON is looked through for marks to escape piece by piece.
fn in_one_piece<S: Serializer>(instant: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    const PRINTER: DateTimePrinter = DateTimePrinter::new();
    let mut text = String::with_capacity("2026-01-01T00:00:00.000000000Z".len());
    PRINTER.print_timestamp(instant, &mut text).map_err(serde::ser::Error::custom)?;
    serializer.serialize_str(&text)
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
    fn periods_name_their_instants_as_timestamps_name_themselves() {
        for nanoseconds in [0, 1, 1_230_000_000, 1_700_000_000_123_456_789, -1, -86_400_000_000_001]
        {
            let from = Timestamp::from_nanosecond(nanoseconds).unwrap();
            let to = from + jiff::SignedDuration::from_hours(1);
            let period = Period::new(from, to).unwrap();
            let written = serde_json::to_value(period).unwrap();
            assert_eq!(written, serde_json::json!({ "from": from, "to": to }));
            assert_eq!(serde_json::from_value::<Period>(written).unwrap(), period);
        }
    }

    #[test]
    fn a_day_of_cover_begins_at_midnight_in_china() {
        let start = start_of(date(2025, 3, 1)).unwrap();
        assert_eq!(start.to_string(), "2025-02-28T16:00:00Z");
        assert_eq!(day_of(start), date(2025, 3, 1));
    }

    #[test]
    fn clocks_show_what_the_time_zone_database_says() {
        let zone = TimeZone::get("Asia/Shanghai").unwrap();
        let last = zone.preceding(Timestamp::MAX).next().unwrap();
        assert_eq!(last.timestamp(), LAST_CHANGE);
        assert_eq!(last.offset(), OFFSET);
        let hours = |at: Timestamp| {
            (-30..30).map(move |hours| at + jiff::SignedDuration::from_mins(30 * hours))
        };
        let days = [
            "1919-04-12T16:00:00Z",
            "1986-05-03T18:00:00Z",
            "1991-09-14T17:00:00Z",
            "2000-02-29T15:59:59Z",
            "2026-11-27T16:00:00Z",
        ];
        for at in days.iter().flat_map(|day| hours(day.parse().unwrap())) {
            let zoned = at.to_zoned(zone.clone());
            assert_eq!(wall_time(at), zoned.datetime(), "{at}");
            assert_eq!(day_of(at), zoned.date(), "{at}");
            let back = zoned.datetime().to_zoned(zone.clone()).unwrap().timestamp();
            assert_eq!(instant_of(zoned.datetime()), Some(back), "{at}");
        }
        assert_eq!(
            instant_of(DateTime::MAX),
            DateTime::MAX.to_zoned(zone.clone()).ok().map(|at| at.timestamp())
        );
        assert_eq!(
            instant_of(DateTime::MIN),
            DateTime::MIN.to_zoned(zone).ok().map(|at| at.timestamp())
        );
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

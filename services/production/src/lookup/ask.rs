//! Reading the parameters of a look-up. Every one that cannot be read is a clear 400.

use base_http::Problem;
use base_http::paging::{Page, Paged, bad};
use jiff::{SignedDuration, Timestamp};
use kernel::time;
use production_core::frame::{FrameForm, FrameNo};
use production_core::rule::Findings;
use production_core::rules::format::{self, Edge};
use utoipa::ToSchema;

/// When something is looked at: what was known then, and where things stood then.
#[derive(Clone, Copy, Debug)]
pub(crate) struct View {
    /// The instant asked for; `None` is now, with everything that is known.
    pub(crate) as_of: Option<Timestamp>,
    /// The same, or the present.
    pub(crate) at: Timestamp,
}

impl View {
    /// Reads `asOf`; the future is not known yet.
    pub(crate) fn read(as_of: Option<&str>, now: Timestamp) -> Result<View, Problem> {
        let as_of = instant("asOf", as_of)?;
        if as_of.is_some_and(|at| now < at) {
            return Err(bad("asOf", "lies in the future, which is not known yet"));
        }
        Ok(View { as_of, at: as_of.unwrap_or(now) })
    }
}

/// An instant (RFC 3339 or `yyyyMMddHHmm`), or a day, which means its first instant in China.
pub(crate) fn instant(name: &str, raw: Option<&str>) -> Result<Option<Timestamp>, Problem> {
    let Some(raw) = raw.map(str::trim).filter(|raw| !raw.is_empty()) else { return Ok(None) };
    // The plus of an offset arrives as a blank when nobody escaped it.
    let raw = raw.replace(' ', "+");
    let mut found = Findings::new();
    let read = match raw.len() {
        8 => format::day(&raw, name, &mut found).and_then(time::start_of),
        10 if raw.contains('-') => format::day(&raw, name, &mut found).and_then(time::start_of),
        _ => format::instant(&raw, Edge::Start, name, &mut found),
    };
    read.map(Some).ok_or_else(|| bad(name, "send an RFC 3339 instant or a day, yyyy-MM-dd"))
}

/// A frame number of either form.
pub(crate) fn frame(name: &str, raw: &str) -> Result<FrameNo, Problem> {
    FrameNo::parse(raw, FrameForm::VinOnly)
        .or_else(|_| FrameNo::parse(raw, FrameForm::ShortAllowed))
        .map_err(|error| bad(name, error.to_string()))
}

/// A plate as it is written in searches: upper case, without blanks, dots or dashes.
pub(crate) fn plate(raw: &str) -> String {
    raw.chars()
        .filter(|c| !c.is_whitespace() && !"·.-".contains(*c))
        .collect::<String>()
        .to_uppercase()
}

/// Where a page begins: after the row with this instant and number.
pub(crate) fn cursor(after: Option<&str>) -> Result<Option<(Timestamp, String)>, Problem> {
    let Some(after) = after else { return Ok(None) };
    let read = after.split_once('.').and_then(|(micros, number)| {
        let at = Timestamp::from_microsecond(micros.parse().ok()?).ok()?;
        Some((at, number.to_owned()))
    });
    read.map(Some).ok_or_else(|| bad("after", "is not the next of an earlier page"))
}

/// The cursor behind a row.
pub(crate) fn behind(at: Timestamp, number: impl std::fmt::Display) -> String {
    format!("{}.{number}", at.as_microsecond())
}

/// Most rows a [`Sieve`] looks at for one page.
const MOST_LOOKED_AT: usize = 5_000;

/// Fills a page from rows of which some are left out by what no statement can tell.
pub(crate) struct Sieve<T> {
    limit: usize,
    looked_at: usize,
    last: Option<(Timestamp, String)>,
    items: Vec<T>,
}

impl<T: ToSchema> Sieve<T> {
    /// For an empty page.
    pub(crate) fn of(page: &Page) -> Result<Sieve<T>, Problem> {
        let limit = usize::try_from(page.limit()?).unwrap_or(usize::MAX);
        Ok(Sieve { limit, looked_at: 0, last: None, items: Vec::new() })
    }

    /// Whether the next row is for the next page.
    pub(crate) fn is_full(&self) -> bool {
        self.items.len() == self.limit || self.looked_at == MOST_LOOKED_AT
    }

    /// Takes what a row gives; `None` leaves it out.
    pub(crate) fn look(&mut self, at: Timestamp, number: impl std::fmt::Display, item: Option<T>) {
        self.last = Some((at, number.to_string()));
        self.looked_at += 1;
        self.items.extend(item);
    }

    /// The row looked at last.
    pub(crate) fn last(&self) -> Option<(Timestamp, String)> {
        self.last.clone()
    }

    /// The page; `more` when rows are left for the next one.
    pub(crate) fn paged(self, more: bool) -> Paged<T> {
        let last = self.last.filter(|_| more);
        Paged { items: self.items, next: last.map(|(at, number)| behind(at, number)) }
    }
}

/// `at` less so many days.
pub(crate) fn days_before(at: Timestamp, days: i64) -> Timestamp {
    at.checked_sub(SignedDuration::from_hours(24 * days)).unwrap_or(Timestamp::MIN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instant_may_be_a_day_or_a_moment_with_an_unescaped_offset() {
        let read = |raw| instant("asOf", Some(raw)).map(|at| at.unwrap().to_string()).ok();
        assert_eq!(read("2025-03-01").as_deref(), Some("2025-02-28T16:00:00Z"));
        assert_eq!(read("20250301").as_deref(), Some("2025-02-28T16:00:00Z"));
        assert_eq!(read("2025030110").as_deref(), Some("2025-03-01T02:00:00Z"));
        assert_eq!(read("2025-03-01T10:00:00 08:00").as_deref(), Some("2025-03-01T02:00:00Z"));
        assert_eq!(read("yesterday"), None);
        assert!(instant("asOf", None).is_ok_and(|at| at.is_none()));
    }

    #[test]
    fn a_cursor_leads_back_to_its_row() {
        let at = Timestamp::from_microsecond(1_740_794_400_123_456).unwrap();
        let read = cursor(Some(&behind(at, "01X"))).unwrap();
        assert_eq!(read, Some((at, "01X".to_owned())));
        for broken in ["", "01X", "x.01X", "999999999999999999999.1"] {
            assert!(cursor(Some(broken)).is_err(), "{broken}");
        }
    }

    #[test]
    fn a_plate_is_found_however_it_is_written() {
        assert_eq!(plate("苏a·12 345"), "苏A12345");
    }
}

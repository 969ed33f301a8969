//! Quarters of civil time in China.

use std::fmt;
use std::str::FromStr;

use jiff::civil::{Date, date};
use serde::{Deserialize, Serialize};

/// A quarter; its text is `2025-Q1`. Publications are of quarters and of nothing that overlaps
/// one, so that no two of them can be subtracted from each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Quarter {
    year: i16,
    /// 1 to 4.
    number: i8,
}

/// Not a quarter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a quarter is written 2025-Q1")]
pub struct QuarterError;

impl Quarter {
    /// The quarter a day lies in.
    pub fn of(day: Date) -> Quarter {
        Quarter { year: day.year(), number: (day.month() - 1) / 3 + 1 }
    }

    /// Its year.
    pub fn year(self) -> i16 {
        self.year
    }

    /// 1 to 4.
    pub fn number(self) -> i8 {
        self.number
    }

    /// Its first day.
    pub fn first_day(self) -> Date {
        date(self.year, self.number * 3 - 2, 1)
    }

    /// The first day after it; `None` at the end of the calendar.
    pub fn end(self) -> Option<Date> {
        match self.number {
            4 => Date::new(self.year + 1, 1, 1).ok(),
            number => Some(date(self.year, number * 3 + 1, 1)),
        }
    }
}

impl fmt::Display for Quarter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-Q{}", self.year, self.number)
    }
}

impl FromStr for Quarter {
    type Err = QuarterError;

    fn from_str(text: &str) -> Result<Quarter, QuarterError> {
        let (year, number) = text.split_once("-Q").ok_or(QuarterError)?;
        let digits = |text: &str, length: usize| {
            text.len() == length && text.bytes().all(|byte| byte.is_ascii_digit())
        };
        if !digits(year, 4) || !digits(number, 1) {
            return Err(QuarterError);
        }
        let year = year.parse().map_err(|_| QuarterError)?;
        match number.parse().map_err(|_| QuarterError)? {
            number @ 1..=4 => Ok(Quarter { year, number }),
            _ => Err(QuarterError),
        }
    }
}

impl TryFrom<String> for Quarter {
    type Error = QuarterError;

    fn try_from(text: String) -> Result<Quarter, QuarterError> {
        text.parse()
    }
}

impl From<Quarter> for String {
    fn from(quarter: Quarter) -> String {
        quarter.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quarter_has_three_months() {
        let quarter: Quarter = "2025-Q4".parse().unwrap();
        assert_eq!(quarter.first_day(), date(2025, 10, 1));
        assert_eq!(quarter.end(), Some(date(2026, 1, 1)));
        let quarters =
            [1, 3, 4, 6, 7, 9, 10, 12].map(|month| Quarter::of(date(2025, month, 30)).number());
        assert_eq!(quarters, [1, 1, 2, 2, 3, 3, 4, 4]);
        for bad in ["2025-Q0", "2025-Q5", "2025Q1", "25-Q1", "2025-Q+1", "2025-q1", ""] {
            assert_eq!(bad.parse::<Quarter>(), Err(QuarterError), "{bad:?}");
        }
    }
}

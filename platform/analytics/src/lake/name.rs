//! Names: whose a dataset is, what it and its tables are called, which month a file is of.

use std::fmt;
use std::str::FromStr;

use jiff::civil::Date;
use kernel::TenantId;
use serde::{Deserialize, Serialize};

use crate::lake::LakeError;

/// Whose a dataset is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Owner {
    /// The platform's: what all insurers recorded.
    Operator,
    /// One tenant's own.
    Tenant(TenantId),
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Owner::Operator => f.write_str("operator"),
            Owner::Tenant(tenant) => write!(f, "tenant/{tenant}"),
        }
    }
}

macro_rules! name_type {
    ($(#[$meta:meta])* $name:ident) => {
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// A lower-case letter, then up to 62 of `a-z`, `0-9` and `_`.
            pub fn parse(raw: &str) -> Result<$name, LakeError> {
                if is_name(raw) { Ok($name(raw.to_owned())) } else { Err(LakeError::Name(raw.to_owned())) }
            }

            /// Its text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl TryFrom<String> for $name {
            type Error = LakeError;

            fn try_from(raw: String) -> Result<$name, LakeError> {
                $name::parse(&raw)
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> String {
                name.0
            }
        }
    };
}

name_type! {
    /// Names a dataset among those of its owner.
    DatasetName
}

name_type! {
    /// Names a table among those of its dataset.
    TableName
}

fn is_name(raw: &str) -> bool {
    raw.len() <= 63
        && raw.starts_with(|first: char| first.is_ascii_lowercase())
        && raw.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
}

/// A month of civil time in China; its text is `2025-03`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Month {
    year: i16,
    month: i8,
}

/// Not a month.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a month is written 2025-03")]
pub struct MonthError;

impl Month {
    /// The month a day lies in.
    pub fn of(day: Date) -> Month {
        Month { year: day.year(), month: day.month() }
    }

    /// Its first day.
    pub fn first_day(self) -> Date {
        jiff::civil::date(self.year, self.month, 1)
    }

    /// The month after it; `None` at the end of the calendar.
    pub fn next(self) -> Option<Month> {
        match self.month {
            12 if self.year < 9999 => Some(Month { year: self.year + 1, month: 1 }),
            12 => None,
            month => Some(Month { year: self.year, month: month + 1 }),
        }
    }
}

impl fmt::Display for Month {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}", self.year, self.month)
    }
}

impl FromStr for Month {
    type Err = MonthError;

    fn from_str(text: &str) -> Result<Month, MonthError> {
        let day: Date = format!("{text}-01").parse().map_err(|_| MonthError)?;
        let month = Month::of(day);
        (month.to_string() == text).then_some(month).ok_or(MonthError)
    }
}

impl TryFrom<String> for Month {
    type Error = MonthError;

    fn try_from(text: String) -> Result<Month, MonthError> {
        text.parse()
    }
}

impl From<Month> for String {
    fn from(month: Month) -> String {
        month.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_can_be_part_of_a_path_and_of_a_query() {
        for good in ["a", "policy", "p2_x", &"a".repeat(63)] {
            assert_eq!(TableName::parse(good).unwrap().as_str(), good);
        }
        for bad in ["", "A", "2a", "_a", "a-b", "a/b", "..", "保单", "a b", &"a".repeat(64)] {
            assert!(DatasetName::parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn months_are_read_as_written_and_follow_each_other() {
        let month: Month = "2024-12".parse().unwrap();
        assert_eq!(month.next().unwrap().to_string(), "2025-01");
        assert_eq!(month.first_day(), jiff::civil::date(2024, 12, 1));
        for bad in ["2024-13", "2024-1", "202412", "2024-12-01", ""] {
            assert_eq!(bad.parse::<Month>(), Err(MonthError), "{bad:?}");
        }
    }
}

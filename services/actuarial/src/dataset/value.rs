//! Cells as they come and values as they are kept. Pure.

use std::borrow::Cow;

use jiff::civil::{Date, date};

use crate::dataset::ColumnType;

/// A cell as a file holds it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Cell<'a> {
    Missing,
    Text(Cow<'a, str>),
    Integer(i64),
    Decimal(f64),
    Boolean(bool),
    Date(Date),
    /// Something no column can hold, and what it is.
    Broken(&'static str),
}

/// A value of a column.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    Missing,
    Integer(i64),
    Decimal(f64),
    Text(String),
    /// Days since 1970-01-01.
    Date(i32),
    Boolean(bool),
}

/// Largest whole number up to which every one is a double.
const EXACT: f64 = 9_007_199_254_740_992.0;

impl Cell<'_> {
    /// The cell as a value of the type, or why it is none.
    pub(crate) fn read(&self, kind: ColumnType) -> Result<Value, &'static str> {
        if let Cell::Broken(why) = self {
            return Err(why);
        }
        if *self == Cell::Missing {
            return Ok(Value::Missing);
        }
        match kind {
            ColumnType::Text => Ok(Value::Text(self.text())),
            ColumnType::Integer => self.integer().map(Value::Integer).ok_or("is no whole number"),
            ColumnType::Decimal => self.decimal().map(Value::Decimal).ok_or("is no number"),
            ColumnType::Date => self.date().map(Value::Date).ok_or("is no day such as 2024-12-31"),
            ColumnType::Boolean => {
                self.boolean().map(Value::Boolean).ok_or("is neither true nor false")
            }
        }
    }

    /// The cell as a text.
    pub(crate) fn text(&self) -> String {
        match self {
            Cell::Missing | Cell::Broken(_) => String::new(),
            Cell::Text(text) => text.trim().to_owned(),
            Cell::Integer(value) => value.to_string(),
            Cell::Decimal(value) => value.to_string(),
            Cell::Boolean(value) => value.to_string(),
            Cell::Date(value) => value.to_string(),
        }
    }

    fn integer(&self) -> Option<i64> {
        match self {
            Cell::Integer(value) => Some(*value),
            Cell::Decimal(value) if value.fract() == 0.0 && value.abs() <= EXACT => {
                Some(*value as i64)
            }
            Cell::Boolean(value) => Some(i64::from(*value)),
            Cell::Text(text) => integer(text.trim()),
            _ => None,
        }
    }

    fn decimal(&self) -> Option<f64> {
        match self {
            Cell::Integer(value) => Some(*value as f64),
            Cell::Decimal(value) => Some(*value).filter(|value| value.is_finite()),
            Cell::Boolean(value) => Some(f64::from(u8::from(*value))),
            Cell::Text(text) => decimal(text.trim()),
            _ => None,
        }
    }

    fn date(&self) -> Option<i32> {
        match self {
            Cell::Date(day) => Some(days(*day)),
            Cell::Integer(value) => packed(&value.to_string()).map(days),
            Cell::Text(text) => {
                let text = text.trim();
                day(text).or_else(|| packed(text)).map(days)
            }
            _ => None,
        }
    }

    fn boolean(&self) -> Option<bool> {
        match self {
            Cell::Boolean(value) => Some(*value),
            Cell::Integer(value @ (0 | 1)) => Some(*value == 1),
            Cell::Decimal(value) if *value == 0.0 || *value == 1.0 => Some(*value == 1.0),
            Cell::Text(text) => match &*text.trim().to_lowercase() {
                "true" | "yes" | "y" | "t" | "1" | "是" => Some(true),
                "false" | "no" | "n" | "f" | "0" | "否" => Some(false),
                _ => None,
            },
            _ => None,
        }
    }

    /// Whether the cell speaks for a type by itself: a code with a leading zero is no number, and
    /// zeros and ones are no truth values, unless somebody says so.
    pub(crate) fn suggests(&self, kind: ColumnType) -> bool {
        match (self, kind) {
            (Cell::Missing, _) | (_, ColumnType::Text) => true,
            (Cell::Broken(_), _) => false,
            (Cell::Text(text), ColumnType::Integer) => {
                !padded(text.trim()) && self.integer().is_some()
            }
            (Cell::Text(text), ColumnType::Decimal) => {
                !padded(text.trim()) && self.decimal().is_some()
            }
            (Cell::Text(text), ColumnType::Date) => day(text.trim()).is_some(),
            (Cell::Text(text), ColumnType::Boolean) => {
                matches!(&*text.trim().to_lowercase(), "true" | "false" | "是" | "否")
            }
            (Cell::Integer(_), ColumnType::Integer | ColumnType::Decimal)
            | (Cell::Decimal(_), ColumnType::Decimal)
            | (Cell::Boolean(_), ColumnType::Boolean)
            | (Cell::Date(_), ColumnType::Date) => true,
            (Cell::Decimal(_), ColumnType::Integer) => self.integer().is_some(),
            _ => false,
        }
    }
}

fn padded(text: &str) -> bool {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text).as_bytes();
    digits.len() > 1 && digits[0] == b'0' && digits[1].is_ascii_digit()
}

fn integer(text: &str) -> Option<i64> {
    text.parse().ok().or_else(|| ungrouped(text)?.parse().ok())
}

fn decimal(text: &str) -> Option<f64> {
    let begins = |c: char| c.is_ascii_digit() || "+-.".contains(c);
    // "inf" and "nan" parse, and are no amounts.
    let plain = text.starts_with(begins) && !text.contains(['i', 'n', 'I', 'N']);
    let value = plain.then(|| text.parse().ok()).flatten();
    let value = value.or_else(|| ungrouped(text)?.parse().ok());
    value.filter(|value: &f64| value.is_finite())
}

/// `1,234,567.8` without the commas.
fn ungrouped(text: &str) -> Option<String> {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let whole = unsigned.split('.').next()?;
    let mut groups = whole.split(',');
    let first = groups.next()?;
    let digits = |group: &str| group.bytes().all(|byte| byte.is_ascii_digit());
    let mut rest = groups.peekable();
    rest.peek()?;
    let grouped = (1..=3).contains(&first.len())
        && digits(first)
        && rest.all(|group| group.len() == 3 && digits(group));
    grouped.then(|| text.replace(',', ""))
}

/// `2024-12-31` or `2024/1/9`, perhaps with a time behind it.
fn day(text: &str) -> Option<Date> {
    let text = text.split([' ', 'T']).next()?;
    let mut parts = text.split(['-', '/']);
    let (year, month, day) = (parts.next()?, parts.next()?, parts.next()?);
    let whole = parts.next().is_none() && year.len() == 4;
    let short = |part: &str| (1..=2).contains(&part.len());
    if !whole || !short(month) || !short(day) {
        return None;
    }
    Date::new(year.parse().ok()?, month.parse().ok()?, day.parse().ok()?).ok()
}

/// `20241231`.
fn packed(text: &str) -> Option<Date> {
    if text.len() != 8 || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    Date::new(text[..4].parse().ok()?, text[4..6].parse().ok()?, text[6..].parse().ok()?).ok()
}

/// Days since 1970-01-01.
pub(crate) fn days(day: Date) -> i32 {
    i32::try_from(kernel::time::days_between(date(1970, 1, 1), day)).unwrap_or(0)
}

/// The day so many days after 1970-01-01; that day itself beyond the calendar.
pub(crate) fn from_days(days: i32) -> Date {
    let start = date(1970, 1, 1);
    start.checked_add(jiff::Span::new().try_days(days).unwrap_or_default()).unwrap_or(start)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Cell<'_> {
        Cell::Text(Cow::Borrowed(text))
    }

    #[test]
    fn texts_are_read_as_their_type_or_refused() {
        use ColumnType::{Boolean, Date, Decimal, Integer};
        let cases = [
            (" 12 ", Integer, Ok(Value::Integer(12))),
            ("-1,234", Integer, Ok(Value::Integer(-1234))),
            ("1.5", Integer, Err("is no whole number")),
            ("1e3", Decimal, Ok(Value::Decimal(1000.0))),
            (".5", Decimal, Ok(Value::Decimal(0.5))),
            ("1,234.5", Decimal, Ok(Value::Decimal(1234.5))),
            ("12,34", Decimal, Err("is no number")),
            ("inf", Decimal, Err("is no number")),
            ("-inf", Decimal, Err("is no number")),
            ("1e999", Decimal, Err("is no number")),
            ("2024/1/9", Date, Ok(Value::Date(19_731))),
            ("2024-02-30", Date, Err("is no day such as 2024-12-31")),
            ("19700102", Date, Ok(Value::Date(1))),
            ("1970-01-02 10:00:00", Date, Ok(Value::Date(1))),
            ("是", Boolean, Ok(Value::Boolean(true))),
            ("maybe", Boolean, Err("is neither true nor false")),
        ];
        for (raw, kind, wanted) in cases {
            assert_eq!(text(raw).read(kind), wanted, "{raw}");
        }
        assert_eq!(from_days(19_731), date(2024, 1, 9));
    }

    #[test]
    fn codes_are_no_numbers_unless_somebody_says_so() {
        assert!(!text("007").suggests(ColumnType::Integer));
        assert_eq!(text("007").read(ColumnType::Integer), Ok(Value::Integer(7)));
        assert!(text("0.07").suggests(ColumnType::Decimal));
        assert!(!text("20241231").suggests(ColumnType::Date));
        assert!(!text("1").suggests(ColumnType::Boolean));
        assert!(Cell::Decimal(5.0).suggests(ColumnType::Integer));
        assert!(!Cell::Decimal(5.5).suggests(ColumnType::Integer));
    }
}

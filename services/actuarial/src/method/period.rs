//! Periods as portfolios name them: years, quarters, months, days. Pure.

use std::fmt;

/// A period that begins with a month.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Period {
    /// Months since the year 0.
    pub(crate) month: i32,
    /// Its length in months, as far as its name tells.
    pub(crate) months: u32,
}

impl Period {
    /// Reads `2024`, `2024Q1`, `2024-Q1`, `202401`, `2024-01`, `2024/01` or a day, which is taken for
    /// its month.
    pub(crate) fn parse(text: &str) -> Option<Period> {
        let text = text.trim();
        // Whole years of data frames with gaps come as 2024.0.
        let text = text.strip_suffix(".0").unwrap_or(text);
        let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        let head = text.get(..4).filter(|year| digits(year))?;
        let year: i32 = head.parse().ok().filter(|year| (1_500..3_000).contains(year))?;
        let rest = &text[4..];
        if rest.is_empty() {
            return Some(Period { month: year * 12, months: 12 });
        }
        let rest = rest.strip_prefix(['-', '/']).unwrap_or(rest);
        if let Some(quarter) = rest.strip_prefix(['Q', 'q']) {
            let quarter: i32 = quarter.parse().ok().filter(|quarter| (1..=4).contains(quarter))?;
            return Some(Period { month: year * 12 + 3 * (quarter - 1), months: 3 });
        }
        let month = rest.split(['-', '/', ' ', 'T']).next()?;
        let month = match month.len() {
            // 20240131 without marks.
            4 if digits(rest) => &month[..2],
            1 | 2 => month,
            _ => return None,
        };
        let month: i32 = month.parse().ok().filter(|month| (1..=12).contains(month))?;
        Some(Period { month: year * 12 + month - 1, months: 1 })
    }

    /// The period of so many months that begins with the month.
    pub(crate) fn beginning(month: i32, months: u32) -> Period {
        Period { month, months }
    }
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month) = (self.month.div_euclid(12), self.month.rem_euclid(12));
        match self.months {
            12 if month == 0 => write!(f, "{year}"),
            3 if month % 3 == 0 => write!(f, "{year}Q{}", month / 3 + 1),
            _ => write!(f, "{year}-{:02}", month + 1),
        }
    }
}

/// The largest length that all distances between months are multiples of; `None` when there are none.
pub(crate) fn common_step(months: &[i32]) -> Option<u32> {
    let first = *months.first()?;
    let step = months.iter().fold(0, |step, month| gcd(step, month.abs_diff(first)));
    (step > 0).then_some(step)
}

fn gcd(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { gcd(b, a % b) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_periods_are_read_and_written() {
        let cases = [
            ("1981", 1981 * 12, 12, "1981"),
            ("1981.0", 1981 * 12, 12, "1981"),
            ("1995-01", 1995 * 12, 1, "1995-01"),
            ("199512", 1995 * 12 + 11, 1, "1995-12"),
            ("2024Q3", 2024 * 12 + 6, 3, "2024Q3"),
            ("2024-q4", 2024 * 12 + 9, 3, "2024Q4"),
            ("2024/2/29", 2024 * 12 + 1, 1, "2024-02"),
            ("20240229", 2024 * 12 + 1, 1, "2024-02"),
            ("2024-12-31 10:00:00", 2024 * 12 + 11, 1, "2024-12"),
        ];
        for (text, month, months, written) in cases {
            let period = Period::parse(text).unwrap();
            assert_eq!(period, Period { month, months }, "{text}");
            assert_eq!(period.to_string(), written);
        }
        for text in ["", "12", "2024Q5", "2024-13", "last year", "99999", "2024x"] {
            assert_eq!(Period::parse(text), None, "{text}");
        }
    }

    #[test]
    fn the_step_of_quarters_is_three() {
        assert_eq!(common_step(&[3, 9, 6, 3]), Some(3));
        assert_eq!(common_step(&[7, 7]), None);
        assert_eq!(common_step(&[]), None);
    }
}

//! Which bytes of a file a request asks for (RFC 9110, section 14). Pure.

/// What is to be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// All of it, with status 200.
    Whole,
    /// From the first to the last byte, both included, with status 206.
    Part {
        /// First byte.
        first: u64,
        /// Last byte.
        last: u64,
    },
    /// Nothing that exists: status 416.
    Outside,
}

/// Reads `Range` and `If-Range` against a file of `length` bytes with the strong tag `etag`,
/// quotes included.
///
/// A range of another representation, of another unit, of several parts or that cannot be read is
/// no range: the whole is sent, as the standard allows for each of them.
pub fn wanted(range: Option<&str>, if_range: Option<&str>, etag: &str, length: u64) -> Wanted {
    let Some(range) = range else { return Wanted::Whole };
    // A weak tag or a date never equals a strong tag, as it must not.
    if if_range.is_some_and(|tag| tag.trim() != etag) {
        return Wanted::Whole;
    }
    read(range, length).unwrap_or(Wanted::Whole)
}

fn read(range: &str, length: u64) -> Option<Wanted> {
    let (unit, set) = range.split_once('=')?;
    if !unit.trim().eq_ignore_ascii_case("bytes") {
        return None;
    }
    let (first, last) = set.trim().split_once('-')?;
    let number = |text: &str| -> Option<Option<u64>> {
        match text {
            "" => Some(None),
            digits if digits.bytes().all(|byte| byte.is_ascii_digit()) => {
                // More digits than fit is beyond any file.
                Some(Some(digits.parse().unwrap_or(u64::MAX)))
            }
            _ => None,
        }
    };
    let (first, last) = (number(first)?, number(last)?);
    match (first, last) {
        (Some(first), Some(last)) if last < first => None,
        (Some(first), _) if first >= length => Some(Wanted::Outside),
        (Some(first), last) => {
            let last = last.unwrap_or(u64::MAX).min(length - 1);
            Some(Wanted::Part { first, last })
        }
        (None, Some(0)) => Some(Wanted::Outside),
        (None, Some(_)) if length == 0 => Some(Wanted::Outside),
        (None, Some(count)) => {
            Some(Wanted::Part { first: length.saturating_sub(count), last: length - 1 })
        }
        (None, None) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TAG: &str = "\"abc\"";

    fn part(first: u64, last: u64) -> Wanted {
        Wanted::Part { first, last }
    }

    #[test]
    fn ranges_are_read_as_the_standard_says() {
        let cases = [
            ("bytes=0-", part(0, 99)),
            ("bytes=40-", part(40, 99)),
            ("bytes=0-0", part(0, 0)),
            ("bytes=10-19", part(10, 19)),
            ("bytes=90-1000", part(90, 99)),
            ("bytes=-5", part(95, 99)),
            ("bytes=-1000", part(0, 99)),
            ("Bytes=99-", part(99, 99)),
            ("bytes=100-", Wanted::Outside),
            ("bytes=99999999999999999999999-", Wanted::Outside),
            ("bytes=-0", Wanted::Outside),
            ("bytes=5-4", Wanted::Whole),
            ("bytes=0-1,5-6", Wanted::Whole),
            ("bytes=-", Wanted::Whole),
            ("bytes=a-b", Wanted::Whole),
            ("lines=0-5", Wanted::Whole),
            ("bytes", Wanted::Whole),
        ];
        for (range, expected) in cases {
            assert_eq!(wanted(Some(range), None, TAG, 100), expected, "{range}");
        }
        assert_eq!(wanted(None, None, TAG, 100), Wanted::Whole);
        assert_eq!(wanted(Some("bytes=-5"), None, TAG, 0), Wanted::Outside);
    }

    #[test]
    fn a_range_of_another_file_is_answered_with_the_whole() {
        let asked = |tag| wanted(Some("bytes=10-"), Some(tag), TAG, 100);
        assert_eq!(asked(TAG), part(10, 99));
        for other in ["\"abd\"", "W/\"abc\"", "Mon, 02 Mar 2026 02:00:00 GMT", "abc"] {
            assert_eq!(asked(other), Wanted::Whole, "{other}");
        }
    }
}

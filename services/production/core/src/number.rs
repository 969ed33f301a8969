//! Platform numbers: thirty characters that name a record and find its shard.
//!
//! ```text
//! 02 PAIC 5100 26 41237 000000012345 7
//! |  |    |    |  |     |            check digit
//! |  |    |    |  |     sequence, 12 digits
//! |  |    |    |  slot of the vehicle's chain, 00000-65535
//! |  |    |    year of issue, two digits
//! |  |    first four digits of the area code
//! |  insurer
//! kind: 01 query, 02 confirm, 03 amend query, 04 amend confirm, 05 claim, 06 closing check,
//!       07 recovery, 08 dispute
//! ```
//!
//! The check digit is Damm's (H. M. Damm, 2004) over the numeric rendering in which every digit
//! stands for itself and every insurer letter for two (A = 10 … Z = 35). One digit among 26
//! letters cannot catch everything, so the guarantee is: any single wrong digit, any two
//! neighbouring digits swapped, and any letter mistaken for one that shares a digit of its
//! rendering; other letter errors are caught nine times in ten here and the rest by the insurer
//! table.

use std::fmt;

use serde::{Deserialize, Serialize, Serializer};

use crate::coded_enum;
use crate::frame::Slot;
use crate::insurer::InsurerCode;
use crate::region::Region;

coded_enum! {
    /// What a platform number names.
    pub enum NumberKind ("number kind") {
        Query = "01", "投保查询码", "quote query code";
        Confirm = "02", "投保确认码", "confirm code";
        AmendQuery = "03", "批改查询码", "amend query code";
        AmendConfirm = "04", "批改确认码", "amend confirm code";
        Claim = "05", "理赔编号", "claim code";
        ClosingCheck = "06", "结案校验码", "closing check code";
        Recovery = "07", "结算码", "recovery code";
        Dispute = "08", "争议编号", "dispute number";
    }
}

/// A number the platform issued, taken apart. Reads and writes as its thirty characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(try_from = "String")]
pub struct PlatformNumber {
    kind: NumberKind,
    insurer: InsurerCode,
    area4: u16,
    year: u8,
    slot: Slot,
    sequence: u64,
}

/// Why a text is not the platform number it should be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NumberError {
    /// Not thirty characters.
    #[error("platform number has {0} characters instead of 30")]
    Length(usize),
    /// Not two digits, four letters, twenty-four digits.
    #[error(
        "platform number has {found:?} at position {position}; expected 2 digits, 4 letters A-Z, 24 digits"
    )]
    Character {
        /// The odd character.
        found: char,
        /// Counted from 1.
        position: usize,
    },
    /// The first two digits name no kind.
    #[error("platform number begins with {0:?}; expected 01 to 08")]
    UnknownKind(String),
    /// Another kind than the message calls for.
    #[error("platform number is a {} ({found}); expected a {} ({wanted})", found.name_en(), wanted.name_en())]
    WrongKind {
        /// The kind in the number.
        found: NumberKind,
        /// The kind the message calls for.
        wanted: NumberKind,
    },
    /// Another insurer's number.
    #[error("platform number belongs to insurer {found}, not to {caller}")]
    WrongInsurer {
        /// The insurer in the number.
        found: InsurerCode,
        /// The insurer that sent it.
        caller: InsurerCode,
    },
    /// The four area digits lie in none of the 36 regions.
    #[error("platform number names area {0:?}, which lies in none of the 36 regions")]
    UnknownArea(String),
    /// The five slot digits exceed 65535.
    #[error("platform number names slot {0}; the highest is 65535")]
    Slot(u32),
    /// The last digit disagrees with the rest: a typing error.
    #[error("platform number ends in {found}; its check digit should be {expected}")]
    CheckDigit {
        /// The last digit.
        found: char,
        /// What the rest demands.
        expected: char,
    },
}

impl PlatformNumber {
    /// Highest sequence that fits twelve digits.
    pub const MAX_SEQUENCE: u64 = 999_999_999_999;

    /// Puts a number together; of `year` the last two digits remain.
    ///
    /// `None` when `sequence` exceeds [`PlatformNumber::MAX_SEQUENCE`].
    pub fn new(
        kind: NumberKind,
        insurer: InsurerCode,
        region: Region,
        year: i16,
        slot: Slot,
        sequence: u64,
    ) -> Option<PlatformNumber> {
        let year = u8::try_from(year.rem_euclid(100)).ok()?;
        (sequence <= PlatformNumber::MAX_SEQUENCE).then_some(PlatformNumber {
            kind,
            insurer,
            area4: region.area4(),
            year,
            slot,
            sequence,
        })
    }

    /// Reads thirty characters; blanks around them are forgiven.
    pub fn parse(raw: &str) -> Result<PlatformNumber, NumberError> {
        let text = raw.trim();
        let bytes = match <&[u8; 30]>::try_from(text.as_bytes()) {
            Ok(bytes) if bytes.iter().enumerate().all(|(at, byte)| fits(at, *byte)) => bytes,
            _ => return Err(misshapen(text)),
        };
        // From here on the text is ASCII of the right shape, so slices and digits cannot fail.
        let digits = |range: std::ops::Range<usize>| {
            bytes[range].iter().fold(0, |number, digit| 10 * number + u64::from(digit - b'0'))
        };
        let kind = NumberKind::parse(&text[..2])
            .map_err(|_| NumberError::UnknownKind(text[..2].to_owned()))?;
        let insurer = InsurerCode::parse(&text[2..6])
            .map_err(|_| NumberError::Character { found: '?', position: 3 })?;
        Region::of_area4(&text[6..10])
            .ok_or_else(|| NumberError::UnknownArea(text[6..10].to_owned()))?;
        let slot = digits(12..17);
        let slot = u16::try_from(slot)
            .map_err(|_| NumberError::Slot(u32::try_from(slot).unwrap_or(u32::MAX)))?;
        let expected = char::from(b'0' + check_digit(&bytes[..29]));
        let found = char::from(bytes[29]);
        if found != expected {
            return Err(NumberError::CheckDigit { found, expected });
        }
        Ok(PlatformNumber {
            kind,
            insurer,
            area4: u16::try_from(digits(6..10)).unwrap_or(0),
            year: u8::try_from(digits(10..12)).unwrap_or(0),
            slot: Slot(slot),
            sequence: digits(17..29),
        })
    }

    /// Itself when it is of the kind the message calls for.
    pub fn of_kind(self, wanted: NumberKind) -> Result<PlatformNumber, NumberError> {
        if self.kind == wanted {
            Ok(self)
        } else {
            Err(NumberError::WrongKind { found: self.kind, wanted })
        }
    }

    /// Itself when `caller` is the insurer inside.
    pub fn of_insurer(self, caller: InsurerCode) -> Result<PlatformNumber, NumberError> {
        if self.insurer == caller {
            Ok(self)
        } else {
            Err(NumberError::WrongInsurer { found: self.insurer, caller })
        }
    }

    /// What it names.
    pub fn kind(self) -> NumberKind {
        self.kind
    }

    /// The insurer it was issued to.
    pub fn insurer(self) -> InsurerCode {
        self.insurer
    }

    /// First four digits of the area code.
    pub fn area4(self) -> u16 {
        self.area4
    }

    /// The thirty characters. Without the formatting machinery: an answer names several numbers.
    fn text(self) -> [u8; 30] {
        let mut text = [b'0'; 30];
        text[..2].copy_from_slice(self.kind.code().as_bytes());
        text[2..6].copy_from_slice(self.insurer.as_str().as_bytes());
        write_digits(&mut text[6..10], self.area4.into());
        write_digits(&mut text[10..12], self.year.into());
        write_digits(&mut text[12..17], self.slot.0.into());
        write_digits(&mut text[17..29], self.sequence);
        text[29] = b'0' + check_digit(&text[..29]);
        text
    }

    /// The region its area lies in.
    pub fn area(self) -> Region {
        // Both ways in check the area, so the fallback is never reached.
        Region::of_area4(&format!("{:04}", self.area4)).unwrap_or(Region::Beijing)
    }

    /// Year of issue, two digits.
    pub fn year(self) -> u8 {
        self.year
    }

    /// Slot of the vehicle's chain: where the record lies.
    pub fn slot(self) -> Slot {
        self.slot
    }

    /// Counts within the platform, unique per kind.
    pub fn sequence(self) -> u64 {
        self.sequence
    }
}

/// Whether a number has such a character at this place.
fn fits(at: usize, byte: u8) -> bool {
    match at {
        2..6 => byte.is_ascii_uppercase(),
        _ => byte.is_ascii_digit(),
    }
}

/// What is wrong with the shape of a text that has another than a number's.
fn misshapen(text: &str) -> NumberError {
    let length = text.chars().count();
    let odd = |&(at, found): &(usize, char)| !u8::try_from(found).is_ok_and(|byte| fits(at, byte));
    match text.chars().enumerate().find(odd) {
        Some((at, found)) if length == 30 => NumberError::Character { found, position: at + 1 },
        _ => NumberError::Length(length),
    }
}

/// Fills `place` with the last digits of `number`.
fn write_digits(place: &mut [u8], mut number: u64) {
    for digit in place.iter_mut().rev() {
        *digit = b'0' + u8::try_from(number % 10).unwrap_or_default();
        number /= 10;
    }
}

/// Damm's check digit over the ASCII digits and capital letters of `body`.
fn check_digit(body: &[u8]) -> u8 {
    // The totally anti-symmetric quasigroup of Damm's thesis.
    const TABLE: [[u8; 10]; 10] = [
        [0, 3, 1, 7, 5, 9, 8, 6, 4, 2],
        [7, 0, 9, 2, 1, 5, 4, 8, 6, 3],
        [4, 2, 0, 6, 8, 7, 1, 3, 5, 9],
        [1, 7, 5, 0, 9, 8, 3, 4, 2, 6],
        [6, 1, 2, 3, 0, 4, 5, 9, 7, 8],
        [3, 6, 7, 4, 2, 0, 9, 5, 8, 1],
        [5, 8, 6, 9, 7, 2, 0, 1, 3, 4],
        [8, 9, 4, 5, 3, 6, 2, 0, 1, 7],
        [9, 4, 3, 8, 6, 1, 7, 2, 0, 5],
        [2, 5, 8, 1, 4, 3, 6, 7, 9, 0],
    ];
    let step = |interim: u8, digit: u8| TABLE[usize::from(interim)][usize::from(digit)];
    body.iter().fold(0, |interim, &byte| match byte {
        b'0'..=b'9' => step(interim, byte - b'0'),
        letter => {
            let value = letter.saturating_sub(b'A').min(25) + 10;
            step(step(interim, value / 10), value % 10)
        }
    })
}

impl fmt::Display for PlatformNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.text();
        // Digits and capital letters only.
        f.write_str(std::str::from_utf8(&text).unwrap_or_default())
    }
}

impl Serialize for PlatformNumber {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // Digits and capital letters only.
        serializer.serialize_str(std::str::from_utf8(&self.text()).unwrap_or_default())
    }
}

impl From<PlatformNumber> for String {
    fn from(number: PlatformNumber) -> String {
        number.to_string()
    }
}

impl TryFrom<String> for PlatformNumber {
    type Error = NumberError;

    fn try_from(text: String) -> Result<PlatformNumber, NumberError> {
        PlatformNumber::parse(&text)
    }
}

impl std::str::FromStr for PlatformNumber {
    type Err = NumberError;

    fn from_str(text: &str) -> Result<PlatformNumber, NumberError> {
        PlatformNumber::parse(text)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{Strategy, prop_assert, prop_assert_eq, proptest};
    use proptest::sample::select;

    use super::*;

    fn any_number() -> impl Strategy<Value = PlatformNumber> {
        let insurers = select(vec!["PICC", "PAIC", "CPIC", "ZZZZ", "AAAA"]);
        (
            select(NumberKind::ALL),
            insurers,
            select(Region::ALL),
            2000i16..2100,
            0u16..=u16::MAX,
            0..=PlatformNumber::MAX_SEQUENCE,
        )
            .prop_map(|(kind, insurer, region, year, slot, sequence)| {
                let insurer = InsurerCode::parse(insurer).unwrap();
                PlatformNumber::new(kind, insurer, region, year, Slot(slot), sequence).unwrap()
            })
    }

    fn sample() -> PlatformNumber {
        let insurer = InsurerCode::parse("PAIC").unwrap();
        PlatformNumber::new(
            NumberKind::Confirm,
            insurer,
            Region::Sichuan,
            2026,
            Slot(41_237),
            12_345,
        )
        .unwrap()
    }

    #[test]
    fn a_number_tells_its_parts() {
        let text = sample().to_string();
        assert!(text.starts_with("02PAIC51002641237000000012345") && text.len() == 30, "{text}");
        let read = PlatformNumber::parse(&text).unwrap();
        assert_eq!(read, sample());
        assert_eq!((read.area(), read.year(), read.slot()), (Region::Sichuan, 26, Slot(41_237)));
    }

    #[test]
    fn damm_of_the_published_example_is_four() {
        assert_eq!(check_digit(b"572"), 4);
    }

    #[test]
    fn a_bad_number_says_what_is_wrong() {
        let good = sample().to_string();
        let with = |at: usize, piece: &str| {
            let mut text = good.clone();
            text.replace_range(at..at + piece.len(), piece);
            PlatformNumber::parse(&text)
        };
        assert_eq!(PlatformNumber::parse("02PAIC"), Err(NumberError::Length(6)));
        assert_eq!(with(3, "1"), Err(NumberError::Character { found: '1', position: 4 }));
        assert_eq!(with(0, "09"), Err(NumberError::UnknownKind("09".into())));
        assert_eq!(with(6, "8100"), Err(NumberError::UnknownArea("8100".into())));
        assert_eq!(with(12, "65536"), Err(NumberError::Slot(65_536)));
        assert!(matches!(with(28, "6"), Err(NumberError::CheckDigit { .. })));
        assert!(matches!(
            sample().of_kind(NumberKind::Query),
            Err(NumberError::WrongKind { found: NumberKind::Confirm, .. })
        ));
        let other = InsurerCode::parse("PICC").unwrap();
        assert!(matches!(sample().of_insurer(other), Err(NumberError::WrongInsurer { .. })));
    }

    proptest! {
        #[test]
        fn numbers_read_back(number in any_number()) {
            prop_assert_eq!(PlatformNumber::parse(&number.to_string()), Ok(number));
        }

        #[test]
        fn one_wrong_digit_is_caught(number in any_number(), at in 6usize..30, shift in 1u8..10) {
            let mut text = number.to_string().into_bytes();
            text[at] = b'0' + (text[at] - b'0' + shift) % 10;
            prop_assert!(PlatformNumber::parse(std::str::from_utf8(&text).unwrap()).is_err());
        }

        #[test]
        fn swapped_neighbours_are_caught(number in any_number(), at in 6usize..29) {
            let mut text = number.to_string().into_bytes();
            if text[at] != text[at + 1] {
                text.swap(at, at + 1);
                prop_assert!(PlatformNumber::parse(std::str::from_utf8(&text).unwrap()).is_err());
            }
        }

        #[test]
        fn no_text_breaks_the_reader(text in "\\PC{0,40}") {
            let _ = PlatformNumber::parse(&text);
        }
    }
}

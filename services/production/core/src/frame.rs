//! Frame numbers: the VIN, and the shorter numbers of old and some imported vehicles.
//!
//! The normalised frame number is the key of the vehicle's chain; its hash is the chain's
//! [`Slot`]. The check digit is judged, never required: some makers do not use it.

use std::fmt;

use serde::{Deserialize, Serialize, Serializer};
use sha2::{Digest, Sha256};

/// A normalised frame number (车架号): a 17-character VIN, or a shorter number of 5 to 16.
///
/// Upper case, without blanks around it. A VIN is of 0-9 and A-Z without I, O, Q (GB 16735);
/// a shorter number is of 0-9, A-Z and `-`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(try_from = "String")]
pub struct FrameNo(String);

/// Which frame numbers a message may carry (RACK_NO_FLAG).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum FrameForm {
    /// Only a full VIN.
    VinOnly,
    /// A shorter number of an old or imported vehicle is expected and allowed.
    ShortAllowed,
}

/// Why a text is not a frame number.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// A character no VIN has.
    #[error("frame number contains {0:?}; a VIN has 0-9 and A-Z without I, O, Q")]
    Character(char),
    /// Not 17 characters and not flagged as an older, shorter number.
    #[error(
        "frame number has {0} characters; a VIN has 17, set the short-frame flag for an old or imported vehicle"
    )]
    Length(usize),
    /// Flagged as short, yet not 5 to 16 characters.
    #[error("frame number has {0} characters; a short one has 5 to 16")]
    ShortLength(usize),
}

/// Verdict on position 9 of a VIN.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CheckDigit {
    /// As the other sixteen demand.
    Right,
    /// Something else than `expected`.
    Wrong {
        /// What the other sixteen demand.
        expected: char,
    },
    /// A shorter number has none.
    NotApplicable,
}

/// The vehicle chain's place among 65,536: a stable hash of the frame number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Slot(pub u16);

impl FrameNo {
    /// Reads a frame number; blanks around it and lower case are forgiven.
    ///
    /// Under [`FrameForm::ShortAllowed`] a full VIN is still read as a VIN.
    pub fn parse(raw: &str, form: FrameForm) -> Result<FrameNo, FrameError> {
        let frame = raw.trim().to_ascii_uppercase();
        let length = frame.chars().count();
        if form == FrameForm::ShortAllowed && length != 17 {
            let odd = frame.chars().find(|&c| !c.is_ascii_alphanumeric() && c != '-');
            return match odd {
                Some(found) => Err(FrameError::Character(found)),
                None if (5..=16).contains(&length) => Ok(FrameNo(frame)),
                None => Err(FrameError::ShortLength(length)),
            };
        }
        match frame.chars().find(|&c| !c.is_ascii_alphanumeric() || "IOQ".contains(c)) {
            Some(found) => Err(FrameError::Character(found)),
            None if length == 17 => Ok(FrameNo(frame)),
            None => Err(FrameError::Length(length)),
        }
    }

    /// The normalised text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether this is a full VIN.
    pub fn is_vin(&self) -> bool {
        self.0.len() == 17
    }

    /// Judges the check digit by GB 16735 (the rule of 49 CFR 565).
    pub fn check_digit(&self) -> CheckDigit {
        if !self.is_vin() {
            return CheckDigit::NotApplicable;
        }
        const WEIGHTS: [u32; 17] = [8, 7, 6, 5, 4, 3, 2, 10, 0, 9, 8, 7, 6, 5, 4, 3, 2];
        let sum: u32 = self.0.bytes().zip(WEIGHTS).map(|(byte, weight)| value(byte) * weight).sum();
        let expected =
            if sum % 11 == 10 { 'X' } else { char::from_digit(sum % 11, 10).unwrap_or('0') };
        if self.0.as_bytes()[8] == expected as u8 {
            CheckDigit::Right
        } else {
            CheckDigit::Wrong { expected }
        }
    }

    /// The chain's slot: the first two bytes of SHA-256 over the normalised text, big-endian.
    pub fn slot(&self) -> Slot {
        let [high, low, ..] = self.digest();
        Slot(u16::from_be_bytes([high, low]))
    }

    /// Names the vehicle where its frame number need not stand: the first 16 bytes of SHA-256
    /// over the normalised text. Whoever knows the frame number can tell it, nobody can read it
    /// back without trying them all; it is a name, not a secret.
    pub fn digest(&self) -> [u8; 16] {
        let digest = Sha256::digest(self.0.as_bytes());
        std::array::from_fn(|at| digest[at])
    }

    /// For the eyes of outsiders: the last six characters, the rest starred.
    pub fn masked(&self) -> String {
        let hidden = self.0.len().saturating_sub(6);
        format!("{}{}", "*".repeat(hidden), &self.0[hidden..])
    }
}

/// What a VIN character counts in the check sum; letters I, O, Q never occur.
fn value(byte: u8) -> u32 {
    match byte {
        b'0'..=b'9' => u32::from(byte - b'0'),
        b'A'..=b'H' => u32::from(byte - b'A') + 1,
        b'J'..=b'R' => u32::from(byte - b'J') + 1,
        b'S'..=b'Z' => u32::from(byte - b'S') + 2,
        _ => 0,
    }
}

impl fmt::Display for FrameNo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for FrameNo {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl From<FrameNo> for String {
    fn from(frame: FrameNo) -> String {
        frame.0
    }
}

impl TryFrom<String> for FrameNo {
    type Error = FrameError;

    /// Reads a stored frame number, short or full: the flag was judged when it was taken in.
    fn try_from(text: String) -> Result<FrameNo, FrameError> {
        FrameNo::parse(&text, FrameForm::ShortAllowed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vin(text: &str) -> FrameNo {
        FrameNo::parse(text, FrameForm::VinOnly).unwrap()
    }

    #[test]
    fn check_digits_are_judged() {
        for right in
            ["1M8GDM9AXKP042788", "11111111111111111", "LSVAM4187C2184847", "5YJ3E1EAXHF000316"]
        {
            assert_eq!(vin(right).check_digit(), CheckDigit::Right, "{right}");
        }
        for (wrong, expected) in [("LFV2A21K6A3000001", '8'), ("LBEHDAEB58Y039475", '7')] {
            assert_eq!(vin(wrong).check_digit(), CheckDigit::Wrong { expected }, "{wrong}");
        }
        let short = FrameNo::parse("BJ212-0931", FrameForm::ShortAllowed).unwrap();
        assert_eq!(short.check_digit(), CheckDigit::NotApplicable);
    }

    #[test]
    fn a_frame_number_is_normalised() {
        assert_eq!(vin(" lsvam4187c2184847 ").as_str(), "LSVAM4187C2184847");
    }

    #[test]
    fn a_short_number_needs_its_flag() {
        let only = |raw| FrameNo::parse(raw, FrameForm::VinOnly);
        let short = |raw| FrameNo::parse(raw, FrameForm::ShortAllowed);
        assert_eq!(only("BJ2120931"), Err(FrameError::Length(9)));
        assert!(short("BJ2120931").is_ok() && short("LSVAM4187C2184847").is_ok());
        assert_eq!(short("BJ21"), Err(FrameError::ShortLength(4)));
        assert_eq!(short("BJ 2120931"), Err(FrameError::Character(' ')));
        assert_eq!(only("LSVAM4187C218484O"), Err(FrameError::Character('O')));
        assert_eq!(only("LSVAM4187C218484七"), Err(FrameError::Character('七')));
        assert_eq!(short("LSVAM4187C218484I"), Err(FrameError::Character('I')));
    }

    #[test]
    fn slots_are_stable_forever() {
        // SHA-256("LSVAM4187C2184847") begins with these two bytes; numbers in use depend on it.
        assert_eq!(vin("LSVAM4187C2184847").slot(), vin("lsvam4187c2184847").slot());
        assert_eq!(vin("LSVAM4187C2184847").slot(), Slot(0x0678));
    }

    #[test]
    fn digests_are_stable_forever() {
        // `printf LSVAM4187C2184847 | sha256sum`; what was looked at years ago is found by it.
        let expected = "06784bae5d4c7839f4acfda4dee1e45c";
        let digest = vin("lsvam4187c2184847").digest();
        let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, expected);
    }

    #[test]
    fn outsiders_see_the_last_six() {
        assert_eq!(vin("LSVAM4187C2184847").masked(), "***********184847");
    }

    #[test]
    fn stored_frames_read_back() {
        let frame: FrameNo = serde_json::from_str(r#""BJ2120931""#).unwrap();
        assert_eq!(serde_json::to_string(&frame).unwrap(), r#""BJ2120931""#);
        assert!(serde_json::from_str::<FrameNo>(r#""BJ""#).is_err());
    }
}

//! What makes a vehicle of two insurers' messages the same one, without telling which it is.
//!
//! One insurer knows the frame number, another saw the plate: a vehicle has a mark of each, and any mark
//! in common makes it the same. A mark is a name, not a secret: whoever knows the number can tell it,
//! nobody can read it back without trying them all.

use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::frame::FrameNo;
use crate::plate::Plate;

/// A digest that names a vehicle. Written as 32 hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct VehicleMark([u8; 16]);

/// Why a text is no mark.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a vehicle's mark is 32 hexadecimal digits")]
pub struct NoMark;

impl VehicleMark {
    /// The mark of a frame number: [`FrameNo::digest`].
    pub fn of_frame(frame: &FrameNo) -> VehicleMark {
        VehicleMark(frame.digest())
    }

    /// The mark of a plate of its type.
    pub fn of_plate(plate: &Plate) -> VehicleMark {
        VehicleMark::of_text(&format!("plate:{}:{}", plate.kind().code(), plate.number()))
    }

    /// The mark of whatever is written behind a word that says what it is.
    pub fn of_text(text: &str) -> VehicleMark {
        let digest = Sha256::digest(text.as_bytes());
        VehicleMark(std::array::from_fn(|at| digest[at]))
    }

    /// Whatever is known of a vehicle, as marks.
    pub fn of(frame: Option<&FrameNo>, plate: Option<&Plate>) -> Vec<VehicleMark> {
        let frame = frame.map(VehicleMark::of_frame);
        frame.into_iter().chain(plate.map(VehicleMark::of_plate)).collect()
    }

    /// Its bytes.
    pub fn bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl fmt::Display for VehicleMark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl From<VehicleMark> for String {
    fn from(mark: VehicleMark) -> String {
        mark.to_string()
    }
}

impl TryFrom<String> for VehicleMark {
    type Error = NoMark;

    fn try_from(text: String) -> Result<VehicleMark, NoMark> {
        let digits = text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        let read = u128::from_str_radix(&text, 16).ok().filter(|_| digits);
        read.map(|read| VehicleMark(read.to_be_bytes())).ok_or(NoMark)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plate::PlateKind;

    fn plate(number: &str, kind: PlateKind) -> VehicleMark {
        VehicleMark::of_plate(&Plate::parse(number, kind).unwrap())
    }

    #[test]
    fn one_plate_written_differently_is_one_mark_and_one_of_another_type_is_not() {
        let small = plate("苏A12345", PlateKind::Small);
        assert_eq!(small, plate("苏a·12345", PlateKind::Small));
        assert_ne!(small, plate("苏A12345", PlateKind::Large));
    }

    #[test]
    fn a_mark_is_read_as_it_is_written() {
        let mark = plate("苏A12345", PlateKind::Small);
        let written = serde_json::to_string(&mark).unwrap();
        assert_eq!(written.len(), 34);
        assert_eq!(serde_json::from_str::<VehicleMark>(&written).unwrap(), mark);
        for text in ["\"\"", "\"+0000000000000000000000000000000\"", "\"00\""] {
            assert!(serde_json::from_str::<VehicleMark>(text).is_err(), "{text}");
        }
    }
}

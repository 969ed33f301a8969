//! What a case can be recognised by in other insurers' cases, without telling who is meant.
//!
//! Frame numbers, plates and organisation codes are facts about things; phones, driving licences and
//! certificates are personal. All of them are kept as digests keyed for the market, so that two
//! insurers meet at the same mark and nobody reads a person from the table.

use crypto::IndexKey;
use production_core::frame::FrameNo;
use production_core::plate::Plate;

use crate::error::ProductionError;
use crate::store::claim_mark::MarkRow;

/// Sort of a mark.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MarkKind {
    /// A frame number.
    Frame,
    /// A plate.
    Plate,
    /// A telephone number.
    Phone,
    /// A driving licence.
    Driver,
    /// A repairer, by organisation code.
    Repairer,
    /// An injured or dead person, by certificate number.
    Injured,
    /// The police's number of an accident.
    Police,
}

impl MarkKind {
    /// Every kind.
    pub const ALL: [MarkKind; 7] = [
        MarkKind::Frame,
        MarkKind::Plate,
        MarkKind::Phone,
        MarkKind::Driver,
        MarkKind::Repairer,
        MarkKind::Injured,
        MarkKind::Police,
    ];

    /// The word of storage and answers.
    pub const fn name(self) -> &'static str {
        match self {
            MarkKind::Frame => "frame",
            MarkKind::Plate => "plate",
            MarkKind::Phone => "phone",
            MarkKind::Driver => "driver",
            MarkKind::Repairer => "repairer",
            MarkKind::Injured => "injured",
            MarkKind::Police => "police",
        }
    }

    /// The kind of that word.
    pub fn parse(name: &str) -> Result<MarkKind, ProductionError> {
        let found = MarkKind::ALL.into_iter().find(|kind| kind.name() == name);
        found.ok_or(ProductionError::Corrupt("claim mark"))
    }
}

/// A mark as read from a message: normalised, not yet digested.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    /// What it is.
    pub kind: MarkKind,
    value: String,
    /// Of the insured vehicle's side.
    pub own: bool,
    /// JSON pointer of the element of the message that says it; `None` where no message does.
    pub pointer: Option<String>,
}

impl Mark {
    /// A mark of `value`; `None` when nothing of it is left after normalising.
    ///
    /// Upper case, without blanks, dots and dashes; telephones without the country's code.
    pub fn of(kind: MarkKind, value: &str, own: bool) -> Option<Mark> {
        let mut value: String = value
            .chars()
            .filter(|c| !c.is_whitespace() && !"·.-()（）".contains(*c))
            .collect::<String>()
            .to_uppercase();
        if kind == MarkKind::Phone {
            let national = value.strip_prefix("+86").or_else(|| value.strip_prefix("0086"));
            value = national.unwrap_or(&value).to_owned();
        }
        (!value.is_empty()).then_some(Mark { kind, value, own, pointer: None })
    }

    /// The same mark, said by this element of the message.
    pub fn said_at(self, pointer: impl Into<String>) -> Mark {
        Mark { pointer: Some(pointer.into()), ..self }
    }

    /// What is stored: a keyed digest, the same for every insurer.
    pub fn digest(&self, key: &IndexKey) -> Vec<u8> {
        key.index(self.kind.purpose(), self.value.as_bytes()).0.to_vec()
    }

    /// The mark by its digest.
    pub(crate) fn digested(&self, key: &IndexKey) -> MarkRow {
        MarkRow {
            kind: self.kind,
            mark: self.digest(key),
            own: self.own,
            pointer: self.pointer.clone(),
        }
    }
}

/// What every case of a vehicle carries: a report says it by its policy.
pub(crate) fn of_vehicle(frame: &FrameNo, plate: Option<&Plate>) -> impl Iterator<Item = Mark> {
    let frame = Mark::of(MarkKind::Frame, frame.as_str(), true);
    let plate = plate.and_then(|plate| Mark::of(MarkKind::Plate, plate.number(), true));
    frame.into_iter().chain(plate).map(|mark| mark.said_at("/confirmCode"))
}

impl MarkKind {
    /// Marks of different kinds never meet, even when their texts are equal.
    const fn purpose(self) -> &'static str {
        match self {
            MarkKind::Frame => "production.claim.frame",
            MarkKind::Plate => "production.claim.plate",
            MarkKind::Phone => "production.claim.phone",
            MarkKind::Driver => "production.claim.driver",
            MarkKind::Repairer => "production.claim.repairer",
            MarkKind::Injured => "production.claim.injured",
            MarkKind::Police => "production.claim.police",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_thing_written_differently_is_one_mark() {
        let same = |kind, one, other| Mark::of(kind, one, true) == Mark::of(kind, other, true);
        assert!(same(MarkKind::Plate, "苏A·12345", "苏a12345"));
        assert!(same(MarkKind::Phone, "+86 138-1234-5678", "13812345678"));
        assert!(!same(MarkKind::Frame, "LSVAM4187C2184847", "LSVAM4187C2184848"));
        assert_eq!(Mark::of(MarkKind::Phone, " - ", true), None);
    }
}

//! Reads the messages of a claim into types that cannot be wrong, naming every fault at once.

mod adjustment;
mod assessment;
mod ending;
mod report;
mod survey;

use jiff::Timestamp;
use kernel::Fen;
use production_core::claim::{HandledBy, Step, StepFacts};
use production_core::code::UnknownCode;
use production_core::frame::{FrameForm, FrameNo};
use production_core::insurer::InsurerCode;
use production_core::number::{NumberKind, PlatformNumber};
use production_core::plate::{Plate, PlateKind};
use production_core::rule::{Findings, RuleId};
use production_core::rules::claim::{self as rules, OPINION};
use production_core::rules::format::{self, Edge, Sign};
use production_core::rules::message;
use rust_decimal::Decimal;
use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::claim::mark::{Mark, MarkKind};
use crate::claim::wire::{DriverBody, OfficerBody};

/// The three names of a case (rule S13).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CaseRef {
    /// Confirm code of the policy.
    pub confirm_no: PlatformNumber,
    /// The insurer's number of the report.
    pub report_no: String,
    /// The insurer's number of the policy, when sent.
    pub policy_no: Option<String>,
}

/// A part with its price, to be held against the model library (rule L53).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PricedPart {
    /// JSON pointer of it.
    pub pointer: String,
    /// Model code of the vehicle, when told.
    pub model_code: Option<String>,
    /// The maker's code.
    pub oem_code: String,
    /// Price of one.
    pub price: Fen,
}

/// A message of a claim, read.
#[derive(Clone, Debug)]
pub struct ReadStep {
    /// Whose case.
    pub case: CaseRef,
    /// The insurer's number of this piece of work.
    pub business_no: String,
    /// What guards, clocks and discounts depend on.
    pub facts: StepFacts,
    /// What the case can be recognised by in others.
    pub marks: Vec<Mark>,
    /// Parts with prices.
    pub parts: Vec<PricedPart>,
    /// Frame numbers told of vehicles called the insured one, with their pointers (rule L42).
    pub own_frames: Vec<(String, FrameNo)>,
    /// Where the rows of an adjustment lie in the message.
    pub row_places: RowPlaces,
    /// The whole message as it is kept: JSON of the body without absent fields.
    pub message: Vec<u8>,
}

/// Where the rows of an adjustment lie in its message. Rules number rows over all adjustments of the
/// message.
#[derive(Clone, Debug, Default)]
pub struct RowPlaces {
    pub(super) covers: Vec<String>,
    pub(super) recoveries: Vec<String>,
}

impl RowPlaces {
    /// The pointer into the message for one of the rules'; `None` for one that points there already.
    pub fn of(&self, pointer: &str) -> Option<String> {
        for (list, places) in [("/covers", &self.covers), ("/recoveries", &self.recoveries)] {
            let Some(rest) = pointer.strip_prefix(list) else { continue };
            let Some(row) = rest.strip_prefix('/') else {
                return Some("/adjustments".to_owned());
            };
            let (number, field) = row.find('/').map_or((row, ""), |at| row.split_at(at));
            let place = places.get(number.parse::<usize>().ok()?)?;
            return Some(format!("{place}{field}"));
        }
        None
    }
}

impl ReadStep {
    /// SHA-256 of the message as read: two uploads with one digest are one message, however they
    /// were written.
    pub fn digest(&self) -> [u8; 32] {
        Sha256::digest(&self.message).into()
    }

    /// Which message it is.
    pub fn step(&self) -> Step {
        self.facts.step()
    }

    /// Whether the police know the accident under a number told, or handled it.
    pub fn asks_the_police(&self) -> bool {
        self.police_question().is_some()
    }

    /// What the police are asked: the number told with a report or a survey; a report without one
    /// that they handled, by vehicle and time.
    pub(super) fn police_question(&self) -> Option<PoliceQuestion<'_>> {
        match &self.facts {
            StepFacts::Notify(facts) => match &facts.police_accident_no {
                Some(number) => Some(PoliceQuestion::Number(number)),
                None => matches!(facts.handled_by, Some(HandledBy::Police | HandledBy::Simplified))
                    .then_some(PoliceQuestion::Around(facts.accident_at)),
            },
            StepFacts::Survey(facts) => {
                facts.police_accident_no.as_deref().map(PoliceQuestion::Number)
            }
            _ => None,
        }
    }
}

/// How the police are asked about an accident.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PoliceQuestion<'a> {
    /// By their number.
    Number(&'a str),
    /// By the insured vehicle, around an instant.
    Around(Timestamp),
}

/// A body that can be read as a step.
pub trait StepBody: Serialize {
    /// Reads it. Warnings stay in `found`; `None` when an error does.
    fn read(&self, insurer: InsurerCode, found: &mut Findings) -> Option<ReadStep>;
}

/// A vehicle as a message tells it, as far as others may know it.
#[derive(Default)]
pub(super) struct ToldVehicle<'a> {
    pub(super) plate: Option<&'a Plate>,
    pub(super) frame: Option<&'a FrameNo>,
    pub(super) driver: Option<&'a DriverBody>,
    /// The insured one.
    pub(super) own: bool,
}

/// What the readers of one message share.
pub(super) struct Reader<'a> {
    pub(super) found: &'a mut Findings,
    pub(super) marks: Vec<Mark>,
    pub(super) parts: Vec<PricedPart>,
    pub(super) own_frames: Vec<(String, FrameNo)>,
    pub(super) row_places: RowPlaces,
}

impl<'a> Reader<'a> {
    pub(super) fn of(found: &'a mut Findings) -> Reader<'a> {
        Reader {
            found,
            marks: Vec::new(),
            parts: Vec::new(),
            own_frames: Vec::new(),
            row_places: RowPlaces::default(),
        }
    }

    /// Puts the read message together, unless something rejects it.
    pub(super) fn finish(
        self,
        case: Option<CaseRef>,
        business_no: Option<String>,
        facts: Option<StepFacts>,
        body: &impl Serialize,
    ) -> Option<ReadStep> {
        if self.found.rejects() {
            return None;
        }
        Some(ReadStep {
            case: case?,
            business_no: business_no?,
            facts: facts?,
            marks: self.marks,
            parts: self.parts,
            own_frames: self.own_frames,
            row_places: self.row_places,
            // A plain struct of texts, numbers and lists, which always serialises.
            message: serde_json::to_vec(body).unwrap_or_default(),
        })
    }

    /// The three names of the case.
    pub(super) fn case(
        &mut self,
        insurer: InsurerCode,
        confirm_code: Option<&String>,
        report_no: Option<&String>,
        policy_no: Option<&String>,
    ) -> Option<CaseRef> {
        let report_no = self.number(report_no, "/reportNo");
        let raw = message::required(confirm_code.map(String::as_str), "/confirmCode", self.found);
        let confirm_no = raw.and_then(|raw| {
            format::platform_number(
                raw,
                NumberKind::Confirm,
                Some(insurer),
                "/confirmCode",
                self.found,
            )
        });
        Some(CaseRef {
            confirm_no: confirm_no?,
            report_no: report_no?,
            policy_no: policy_no.map(|raw| raw.trim().to_owned()).filter(|raw| !raw.is_empty()),
        })
    }

    /// A number the insurer gives: present, of at most 64 characters.
    pub(super) fn number(&mut self, raw: Option<&String>, at: &str) -> Option<String> {
        let text = message::required(raw.map(String::as_str), at, self.found)?;
        if text.chars().count() > 64 {
            self.found.add(
                RuleId::S02,
                at,
                "number has more than 64 characters; send a shorter one",
            );
            return None;
        }
        Some(text.to_owned())
    }

    pub(super) fn text(&mut self, raw: Option<&String>, most: usize, at: &str) {
        if let Some(raw) = raw {
            rules::text(raw, most, at, self.found);
        }
    }

    /// A text that must be there.
    pub(super) fn reason(&mut self, raw: Option<&String>, at: &str) -> Option<String> {
        self.text(raw, OPINION, at);
        message::required(raw.map(String::as_str), at, self.found).map(str::to_owned)
    }

    pub(super) fn instant(&mut self, raw: Option<&String>, at: &str) -> Option<Timestamp> {
        let raw = message::required(raw.map(String::as_str), at, self.found)?;
        format::instant(raw, Edge::Start, at, self.found)
    }

    pub(super) fn maybe_instant(&mut self, raw: Option<&String>, at: &str) -> Option<Timestamp> {
        let raw = raw.map(|raw| raw.trim()).filter(|raw| !raw.is_empty())?;
        format::instant(raw, Edge::Start, at, self.found)
    }

    pub(super) fn money(&mut self, raw: Option<&String>, at: &str) -> Option<Fen> {
        let raw = message::required(raw.map(String::as_str), at, self.found)?;
        format::money(raw, Sign::Unsigned, at, self.found)
    }

    pub(super) fn signed_money(&mut self, raw: Option<&String>, at: &str) -> Option<Fen> {
        let raw = message::required(raw.map(String::as_str), at, self.found)?;
        format::money(raw, Sign::Signed, at, self.found)
    }

    /// An amount that is zero when nothing is said.
    pub(super) fn maybe_money(&mut self, raw: Option<&String>, at: &str) -> Fen {
        raw.and_then(|raw| format::money(raw, Sign::Unsigned, at, self.found)).unwrap_or(Fen::ZERO)
    }

    pub(super) fn decimal(&mut self, raw: Option<&String>, at: &str) -> Option<Decimal> {
        let raw = raw?;
        let read = raw.trim().parse().ok();
        if read.is_none() {
            self.found.add(RuleId::F10, at, "is no decimal number; send for example 70 or 1.5");
        }
        read
    }

    /// A code of a list that must be there.
    pub(super) fn code<T>(
        &mut self,
        raw: Option<&String>,
        rule: RuleId,
        parse: fn(&str) -> Result<T, UnknownCode>,
        at: &str,
    ) -> Option<T> {
        message::required(raw.map(String::as_str), at, self.found)?;
        self.maybe_code(raw, rule, parse, at)
    }

    pub(super) fn maybe_code<T>(
        &mut self,
        raw: Option<&String>,
        rule: RuleId,
        parse: fn(&str) -> Result<T, UnknownCode>,
        at: &str,
    ) -> Option<T> {
        let raw = raw.map(|raw| raw.trim()).filter(|raw| !raw.is_empty())?;
        parse(raw).map_err(|error| self.found.reject(rule, at, error.to_string())).ok()
    }

    /// A plate and its kind, where both are told.
    pub(super) fn plate(
        &mut self,
        plate: Option<&String>,
        kind: Option<&String>,
        at: &str,
    ) -> Option<Plate> {
        let raw = plate.map(|raw| raw.trim()).filter(|raw| !raw.is_empty())?;
        let kind_at = format!("{at}/plateKind");
        let kind = message::required(kind.map(String::as_str), &kind_at, self.found)?;
        let kind: PlateKind = format::plate_kind(kind, &kind_at, self.found)?;
        let read = Plate::parse(raw, kind);
        read.map_err(|error| {
            self.found.add(RuleId::F16, format!("{at}/plate"), error.to_string());
        })
        .ok()
    }

    pub(super) fn frame(&mut self, raw: Option<&String>, at: &str) -> Option<FrameNo> {
        let raw = raw.map(|raw| raw.trim()).filter(|raw| !raw.is_empty())?;
        format::frame_no(raw, FrameForm::ShortAllowed, at, self.found)
    }

    /// Notes a plate, a frame number and a driver others may know as well, of the vehicle at `at`.
    pub(super) fn mark_vehicle(&mut self, at: &str, vehicle: &ToldVehicle<'_>) {
        let own = vehicle.own;
        if let Some(plate) = vehicle.plate {
            self.mark(MarkKind::Plate, plate.number(), own, format!("{at}/plate"));
        }
        if let Some(frame) = vehicle.frame {
            self.mark(MarkKind::Frame, frame.as_str(), own, format!("{at}/frameNo"));
        }
        if let Some(driver) = vehicle.driver {
            let (licence_no, phone) = (driver.licence_no.as_ref(), driver.phone.as_ref());
            self.maybe_mark(MarkKind::Driver, licence_no, own, format!("{at}/driver/licenceNo"));
            self.maybe_mark(MarkKind::Phone, phone, own, format!("{at}/driver/phone"));
        }
    }

    pub(super) fn maybe_mark(
        &mut self,
        kind: MarkKind,
        value: Option<&String>,
        own: bool,
        at: impl Into<String>,
    ) {
        if let Some(value) = value {
            self.mark(kind, value, own, at);
        }
    }

    pub(super) fn mark(&mut self, kind: MarkKind, value: &str, own: bool, at: impl Into<String>) {
        self.marks.extend(Mark::of(kind, value, own).map(|mark| mark.said_at(at)));
    }

    pub(super) fn officer(&mut self, officer: Option<&OfficerBody>, at: &str) {
        let empty = OfficerBody::default();
        let officer = officer.unwrap_or(&empty);
        rules::officer(
            officer.name.as_deref(),
            officer.code.as_deref(),
            officer.certificate_no.as_deref(),
            at,
            self.found,
        );
    }
}

/// `1` is the insured side, `2` another.
pub(super) fn own_side(reader: &mut Reader<'_>, raw: Option<&String>, at: &str) -> Option<bool> {
    match message::required(raw.map(String::as_str), at, reader.found)? {
        "1" => Some(true),
        "2" => Some(false),
        other => {
            let message =
                format!("{other:?} is no side; send 1 for the insured side, 2 for another");
            reader.found.reject(RuleId::S02, at, message);
            None
        }
    }
}

/// Items of a list are numbered, each once.
pub(super) fn item(
    reader: &mut Reader<'_>,
    item: Option<u16>,
    seen: &mut Vec<u16>,
    at: &str,
) -> Option<u16> {
    let at = format!("{at}/item");
    match item {
        None | Some(0) => {
            reader.found.add(RuleId::S02, at, "number the items of a list from 1");
            None
        }
        Some(item) if seen.contains(&item) => {
            reader.found.add(
                RuleId::S17,
                at,
                format!("item {item} is there twice; number each once"),
            );
            None
        }
        Some(item) => {
            seen.push(item);
            Some(item)
        }
    }
}

/// The list as it was sent, or none.
pub(super) fn listed<T>(list: &Option<Vec<T>>) -> &[T] {
    list.as_deref().unwrap_or_default()
}

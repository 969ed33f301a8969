//! Reads 报案, 立案 and 未决估损.

use production_core::claim::{
    Cause, CompulsoryClaimKind, EstimateFacts, HandledBy, Liability, NotifyFacts, RegisterFacts,
    StepFacts,
};
use production_core::insurer::InsurerCode;
use production_core::region::Region;
use production_core::rule::{Findings, RuleId};
use production_core::rules::claim::{self as rules, Coordinates, DESCRIPTION, PLACE};
use production_core::rules::format;

use super::{ReadStep, Reader, StepBody, ToldVehicle, listed};
use crate::claim::mark::MarkKind;
use crate::claim::wire::{EstimateBody, NotifyBody, RegisterBody};

/// What may be lost.
const LOSS_KINDS: [&str; 6] = ["vehicle", "property", "person", "theft", "glass", "other"];

impl StepBody for NotifyBody {
    fn read(&self, insurer: InsurerCode, found: &mut Findings) -> Option<ReadStep> {
        let mut reader = Reader::of(found);
        let case = reader.case(
            insurer,
            self.confirm_code.as_ref(),
            self.report_no.as_ref(),
            self.policy_no.as_ref(),
        );
        let accident_at = reader.instant(self.accident_at.as_ref(), "/accidentAt");
        let reported_at = reader.instant(self.reported_at.as_ref(), "/reportedAt");
        let district = district(&mut reader, self.district.as_ref());
        reader.text(self.place.as_ref(), PLACE, "/place");
        reader.reason_of(self.description.as_ref());
        self.where_on_a_map(&mut reader);
        let cause = reader.maybe_code(self.cause.as_ref(), RuleId::S02, Cause::parse, "/cause");
        let handled_by = handled_by(&mut reader, self.handled_by.as_ref());
        let liability =
            reader.maybe_code(self.liability.as_ref(), RuleId::F28, Liability::parse, "/liability");
        let own_plate = reader.plate(self.plate.as_ref(), self.plate_kind.as_ref(), "");
        let told = ToldVehicle {
            plate: own_plate.as_ref(),
            frame: None,
            driver: self.driver.as_ref(),
            own: true,
        };
        reader.mark_vehicle("", &told);
        for (place, phone) in listed(&self.reporter_phones).iter().enumerate() {
            format_phone(phone, &mut reader);
            reader.mark(MarkKind::Phone, phone, true, format!("/reporterPhones/{place}"));
        }
        let accident_no = self.police_accident_no.as_ref();
        reader.maybe_mark(MarkKind::Police, accident_no, false, "/policeAccidentNo");
        for (place, kind) in listed(&self.loss_kinds).iter().enumerate() {
            if !LOSS_KINDS.contains(&kind.as_str()) {
                let message =
                    format!("{kind:?} is no kind of loss; send {}", LOSS_KINDS.join(", "));
                reader.found.add(RuleId::S02, format!("/lossKinds/{place}"), message);
            }
        }
        let third_plates = self.third_vehicles(&mut reader);
        let subrogation = self.subrogation.unwrap_or(false);
        self.liable_parties(&mut reader, subrogation);
        let facts = match (accident_at, reported_at) {
            (Some(accident_at), Some(reported_at)) => Some(StepFacts::Notify(NotifyFacts {
                accident_at,
                reported_at,
                district,
                liability,
                handled_by,
                cause,
                subrogation,
                mutual: self.mutual.unwrap_or(false),
                injury: self.injury.unwrap_or(false),
                third_plates,
                stolen: self.stolen.unwrap_or(false),
                police_accident_no: self.police_accident_no.clone(),
            })),
            _ => None,
        };
        let business_no = case.as_ref().map(|case| case.report_no.clone());
        reader.finish(case, business_no, facts, self)
    }
}

impl NotifyBody {
    fn where_on_a_map(&self, reader: &mut Reader<'_>) {
        if let Some(point) = &self.coordinates {
            let sent = Coordinates {
                longitude: point.longitude.as_deref(),
                latitude: point.latitude.as_deref(),
                system: point.system.as_deref(),
                address_version: point.address_version.as_deref(),
            };
            rules::coordinates(sent, "/coordinates", reader.found);
        }
    }

    fn third_vehicles(&self, reader: &mut Reader<'_>) -> Vec<production_core::plate::Plate> {
        let mut plates = Vec::new();
        for (place, vehicle) in listed(&self.third_vehicles).iter().enumerate() {
            let at = format!("/thirdVehicles/{place}");
            let plate = reader.plate(vehicle.plate.as_ref(), vehicle.plate_kind.as_ref(), &at);
            let frame = reader.frame(vehicle.frame_no.as_ref(), &format!("{at}/frameNo"));
            let told = ToldVehicle {
                plate: plate.as_ref(),
                frame: frame.as_ref(),
                driver: vehicle.driver.as_ref(),
                own: false,
            };
            reader.mark_vehicle(&at, &told);
            plates.extend(plate);
        }
        plates
    }

    /// S18: liable parties go with subrogation, and one of them can be told.
    fn liable_parties(&self, reader: &mut Reader<'_>, subrogation: bool) {
        let parties = listed(&self.liable_parties);
        if parties.is_empty() {
            return;
        }
        if !subrogation {
            let message = "liable parties go with subrogation; set subrogation or leave them out";
            reader.found.add(RuleId::S18, "/liableParties", message);
        }
        let mut told = false;
        for (place, party) in parties.iter().enumerate() {
            let at = format!("/liableParties/{place}");
            let plate = reader.plate(party.plate.as_ref(), party.plate_kind.as_ref(), &at);
            let frame = reader.frame(party.frame_no.as_ref(), &format!("{at}/frameNo"));
            let engine = party.engine_no.as_deref().is_some_and(|no| !no.trim().is_empty());
            told |= plate.is_some() || frame.is_some() || engine;
            let party =
                ToldVehicle { plate: plate.as_ref(), frame: frame.as_ref(), ..Default::default() };
            reader.mark_vehicle(&at, &party);
        }
        if !told {
            let message = "at least one liable party must be told by plate, frame or engine number";
            reader.found.add(RuleId::S18, "/liableParties", message);
        }
    }
}

impl Reader<'_> {
    fn reason_of(&mut self, description: Option<&String>) {
        self.text(description, DESCRIPTION, "/description");
        production_core::rules::message::required(
            description.map(String::as_str),
            "/description",
            self.found,
        );
    }
}

/// Mobile or landline: what is neither is told (F25) and taken.
fn format_phone(phone: &str, reader: &mut Reader<'_>) {
    let at = "/reporterPhones";
    let mut tried = Findings::new();
    if phone.trim().starts_with('0') {
        format::landline(phone, at, &mut tried);
    } else {
        format::mobile(phone, &[], at, &mut tried);
    }
    reader.found.extend(tried.as_slice().iter().cloned());
}

/// A six-digit area of the place, of one of the 36 regions.
fn district(reader: &mut Reader<'_>, raw: Option<&String>) -> Option<String> {
    let raw = raw.map(|raw| raw.trim()).filter(|raw| !raw.is_empty())?;
    let _: Region = format::area(raw, "/district", reader.found)?;
    Some(raw.to_owned())
}

pub(super) fn handled_by(reader: &mut Reader<'_>, raw: Option<&String>) -> Option<HandledBy> {
    // 14 to 17 are variants of the court, which nothing here tells apart.
    let raw = raw.map(|raw| match raw.trim() {
        "15" | "16" | "17" => "14".to_owned(),
        raw => raw.to_owned(),
    });
    reader.maybe_code(raw.as_ref(), RuleId::S02, HandledBy::parse, "/handledBy")
}

impl StepBody for RegisterBody {
    fn read(&self, insurer: InsurerCode, found: &mut Findings) -> Option<ReadStep> {
        let mut reader = Reader::of(found);
        let case = reader.case(insurer, self.confirm_code.as_ref(), self.report_no.as_ref(), None);
        let business_no = reader.number(self.business_no.as_ref(), "/businessNo");
        let at = reader.instant(self.registered_at.as_ref(), "/registeredAt");
        let estimate = reader.money(self.estimate.as_ref(), "/estimate");
        let kind =
            reader.maybe_code(self.kind.as_ref(), RuleId::S02, CompulsoryClaimKind::parse, "/kind");
        let facts = match (at, estimate, &business_no) {
            (Some(at), Some(estimate), Some(number)) => Some(StepFacts::Register(RegisterFacts {
                at,
                registration_no: number.clone(),
                estimate,
                kind,
                subrogation: self.subrogation.unwrap_or(false),
            })),
            _ => None,
        };
        reader.finish(case, business_no, facts, self)
    }
}

impl StepBody for EstimateBody {
    fn read(&self, insurer: InsurerCode, found: &mut Findings) -> Option<ReadStep> {
        let mut reader = Reader::of(found);
        let case = reader.case(insurer, self.confirm_code.as_ref(), self.report_no.as_ref(), None);
        let business_no = reader.number(self.business_no.as_ref(), "/businessNo");
        let at = reader.instant(self.estimated_at.as_ref(), "/estimatedAt");
        let outstanding = reader.money(self.outstanding.as_ref(), "/outstanding");
        let facts = at
            .zip(outstanding)
            .map(|(at, outstanding)| StepFacts::Estimate(EstimateFacts { at, outstanding }));
        reader.finish(case, business_no, facts, self)
    }
}

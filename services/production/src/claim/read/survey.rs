//! Reads 查勘 and 单证.

use jiff::Timestamp;
use kernel::Fen;
use production_core::claim::{
    Cause, DocumentsFacts, Liability, LiabilityDocument, OtherVehicle, PersonHarm, StepFacts,
    SurveyFacts,
};
use production_core::insurer::InsurerCode;
use production_core::mark::VehicleMark;
use production_core::rule::{Findings, RuleId};
use production_core::rules::claim::{OPINION, PLACE};

use super::report::handled_by;
use super::{ReadStep, Reader, StepBody, ToldVehicle, item, listed, own_side};
use crate::claim::mark::MarkKind;
use crate::claim::wire::{DocumentsBody, SurveyBody};

/// What the lists of a survey add up to.
#[derive(Default)]
struct Seen {
    vehicles: u32,
    third: u32,
    others: Vec<OtherVehicle>,
    persons: u32,
    ended_at: Option<Timestamp>,
    estimates: Vec<Fen>,
}

impl StepBody for SurveyBody {
    fn read(&self, insurer: InsurerCode, found: &mut Findings) -> Option<ReadStep> {
        let mut reader = Reader::of(found);
        let case = reader.case(insurer, self.confirm_code.as_ref(), self.report_no.as_ref(), None);
        let business_no = reader.number(self.business_no.as_ref(), "/businessNo");
        let liability =
            reader.code(self.liability.as_ref(), RuleId::F28, Liability::parse, "/liability");
        let liability_document = reader.maybe_code(
            self.liability_document.as_ref(),
            RuleId::S02,
            LiabilityDocument::parse,
            "/liabilityDocument",
        );
        let handled_by = handled_by(&mut reader, self.handled_by.as_ref());
        let cause = reader.maybe_code(self.cause.as_ref(), RuleId::S02, Cause::parse, "/cause");
        reader.text(self.opinion.as_ref(), OPINION, "/opinion");
        let accident_no = self.police_accident_no.as_ref();
        reader.maybe_mark(MarkKind::Police, accident_no, false, "/policeAccidentNo");
        let mut seen = Seen::default();
        self.vehicles(&mut reader, &mut seen);
        self.persons(&mut reader, &mut seen);
        self.properties(&mut reader, &mut seen);
        let at = match &self.surveyed_at {
            None => seen.ended_at,
            told => reader.maybe_instant(told.as_ref(), "/surveyedAt"),
        };
        if at.is_none() && !reader.found.rejects() {
            let message = "say when the survey ended, or when that of each vehicle did";
            reader.found.add(RuleId::S02, "/surveyedAt", message);
        }
        let facts = match (at, liability, Fen::sum(seen.estimates)) {
            (Some(at), Some(liability), Some(estimate)) => Some(StepFacts::Survey(SurveyFacts {
                at,
                liability,
                liability_document,
                handled_by,
                cause,
                single_vehicle: self.single_vehicle.unwrap_or(false),
                injury: self.injury.unwrap_or(false) || seen.persons > 0,
                property: self.property.unwrap_or(false) || !listed(&self.properties).is_empty(),
                mutual: self.mutual.unwrap_or(false),
                vehicles: seen.vehicles,
                third_vehicles: seen.third,
                persons: seen.persons,
                estimate,
                police_accident_no: self.police_accident_no.clone(),
                vehicles_at: None,
                others: seen.others,
            })),
            _ => None,
        };
        reader.finish(case, business_no, facts, self)
    }
}

impl SurveyBody {
    fn vehicles(&self, reader: &mut Reader<'_>, seen: &mut Seen) {
        let mut items = Vec::new();
        for (place, vehicle) in listed(&self.vehicles).iter().enumerate() {
            let at = format!("/vehicles/{place}");
            let item = item(reader, vehicle.item, &mut items, &at);
            let own = own_side(reader, vehicle.property.as_ref(), &format!("{at}/property"));
            let plate = reader.plate(vehicle.plate.as_ref(), vehicle.plate_kind.as_ref(), &at);
            let frame_at = format!("{at}/frameNo");
            let frame = reader.frame(vehicle.frame_no.as_ref(), &frame_at);
            reader.officer(vehicle.surveyor.as_ref(), &format!("{at}/surveyor"));
            reader.text(vehicle.place.as_ref(), PLACE, &format!("{at}/place"));
            reader.maybe_instant(vehicle.started_at.as_ref(), &format!("{at}/startedAt"));
            let ended = reader.maybe_instant(vehicle.ended_at.as_ref(), &format!("{at}/endedAt"));
            seen.ended_at = seen.ended_at.max(ended);
            let estimate = reader.maybe_money(vehicle.estimate.as_ref(), &format!("{at}/estimate"));
            seen.estimates.push(estimate);
            seen.vehicles += 1;
            let own = own.unwrap_or(false);
            seen.third += u32::from(!own);
            let told = ToldVehicle {
                plate: plate.as_ref(),
                frame: frame.as_ref(),
                driver: vehicle.driver.as_ref(),
                own,
            };
            reader.mark_vehicle(&at, &told);
            let marks = VehicleMark::of(frame.as_ref(), plate.as_ref());
            if let Some(item) = item.filter(|_| !own && !marks.is_empty()) {
                seen.others.push(OtherVehicle { item, marks });
            }
            if let Some(frame) = frame.filter(|_| own) {
                reader.own_frames.push((frame_at, frame));
            }
        }
    }

    fn persons(&self, reader: &mut Reader<'_>, seen: &mut Seen) {
        let mut items = Vec::new();
        for (place, person) in listed(&self.persons).iter().enumerate() {
            let at = format!("/persons/{place}");
            item(reader, person.item, &mut items, &at);
            let own = own_side(reader, person.property.as_ref(), &format!("{at}/property"));
            reader.code(
                person.harm.as_ref(),
                RuleId::S16,
                PersonHarm::parse,
                &format!("{at}/harm"),
            );
            let estimate = reader.maybe_money(person.estimate.as_ref(), &format!("{at}/estimate"));
            seen.estimates.push(estimate);
            seen.persons += 1;
            let own = own.unwrap_or(false);
            let certificate_at = format!("{at}/certificateNo");
            let certificate = person.certificate_no.as_ref();
            reader.maybe_mark(MarkKind::Injured, certificate, own, certificate_at);
        }
    }

    fn properties(&self, reader: &mut Reader<'_>, seen: &mut Seen) {
        let mut items = Vec::new();
        for (place, property) in listed(&self.properties).iter().enumerate() {
            let at = format!("/properties/{place}");
            item(reader, property.item, &mut items, &at);
            let estimate =
                reader.maybe_money(property.estimate.as_ref(), &format!("{at}/estimate"));
            seen.estimates.push(estimate);
        }
    }
}

impl StepBody for DocumentsBody {
    fn read(&self, insurer: InsurerCode, found: &mut Findings) -> Option<ReadStep> {
        let mut reader = Reader::of(found);
        let case = reader.case(insurer, self.confirm_code.as_ref(), self.report_no.as_ref(), None);
        let business_no = reader.number(self.business_no.as_ref(), "/businessNo");
        let complete_at = reader.instant(self.complete_at.as_ref(), "/completeAt");
        let listed_at = reader.maybe_instant(self.listed_at.as_ref(), "/listedAt");
        let documents = listed(&self.documents);
        if documents.is_empty() {
            let message = "name at least one document that was handed in";
            reader.found.add(RuleId::S02, "/documents", message);
        }
        let mut kinds = Vec::with_capacity(documents.len());
        for (place, document) in documents.iter().enumerate() {
            match document.kind {
                Some(kind) => kinds.push(kind),
                None => {
                    let at = format!("/documents/{place}/kind");
                    reader.found.add(RuleId::S02, at, "say what class the document is of");
                }
            }
        }
        kinds.sort_unstable();
        kinds.dedup();
        let facts = complete_at.map(|complete_at| {
            StepFacts::Documents(DocumentsFacts { complete_at, listed_at, kinds })
        });
        reader.finish(case, business_no, facts, self)
    }
}

//! Reads 定核损.

use jiff::Timestamp;
use kernel::Fen;
use production_core::claim::{
    AssessFacts, LossPerson, LossProperty, LossVehicle, PersonHarm, StepFacts,
};
use production_core::insurer::InsurerCode;
use production_core::mark::VehicleMark;
use production_core::rule::{Findings, RuleId};
use production_core::rules::claim::{self as rules, PartRow};

use super::{PricedPart, ReadStep, Reader, StepBody, ToldVehicle, item, listed, own_side};
use crate::claim::mark::MarkKind;
use crate::claim::wire::{AssessBody, AssessPersonBody, AssessVehicleBody};

impl StepBody for AssessBody {
    fn read(&self, insurer: InsurerCode, found: &mut Findings) -> Option<ReadStep> {
        let mut reader = Reader::of(found);
        let case = reader.case(insurer, self.confirm_code.as_ref(), self.report_no.as_ref(), None);
        let business_no = reader.number(self.business_no.as_ref(), "/businessNo");
        let mut last = None;
        let vehicles = self.vehicles(&mut reader, &mut last);
        let properties = self.properties(&mut reader, &mut last);
        let persons = self.persons(&mut reader);
        let at = match &self.approved_at {
            None => last,
            told => reader.maybe_instant(told.as_ref(), "/approvedAt"),
        };
        if at.is_none() && !reader.found.rejects() {
            let message = "say when the assessment was approved";
            reader.found.add(RuleId::S02, "/approvedAt", message);
        }
        if vehicles.is_empty() && properties.is_empty() && persons.is_empty() {
            let message = "an assessment has at least one vehicle, property or person";
            reader.found.add(RuleId::S02, "", message);
        }
        let facts =
            at.map(|at| StepFacts::Assess(AssessFacts { at, vehicles, properties, persons }));
        reader.finish(case, business_no, facts, self)
    }
}

impl AssessBody {
    fn vehicles(&self, reader: &mut Reader<'_>, last: &mut Option<Timestamp>) -> Vec<LossVehicle> {
        let mut items = Vec::new();
        let mut read = Vec::new();
        for (place, vehicle) in listed(&self.vehicles).iter().enumerate() {
            let at = format!("/vehicles/{place}");
            let item = item(reader, vehicle.item, &mut items, &at);
            let own = own_side(reader, vehicle.property.as_ref(), &format!("{at}/property"));
            let plate = reader.plate(vehicle.plate.as_ref(), vehicle.plate_kind.as_ref(), &at);
            let frame_at = format!("{at}/frameNo");
            let frame = reader.frame(vehicle.frame_no.as_ref(), &frame_at);
            reader.officer(vehicle.assessor.as_ref(), &format!("{at}/assessor"));
            reader.officer(vehicle.approver.as_ref(), &format!("{at}/approver"));
            reader.maybe_instant(vehicle.assessed_at.as_ref(), &format!("{at}/assessedAt"));
            let approved =
                reader.maybe_instant(vehicle.approved_at.as_ref(), &format!("{at}/approvedAt"));
            *last = (*last).max(approved);
            parts(reader, vehicle, &at);
            let loss = reader.money(vehicle.loss.as_ref(), &format!("{at}/loss"));
            let salvage = reader.maybe_money(vehicle.salvage.as_ref(), &format!("{at}/salvage"));
            let residual = reader.maybe_money(vehicle.residual.as_ref(), &format!("{at}/residual"));
            let told = ToldVehicle {
                plate: plate.as_ref(),
                frame: frame.as_ref(),
                driver: None,
                own: own.unwrap_or(false),
            };
            reader.mark_vehicle(&at, &told);
            let marks = VehicleMark::of(frame.as_ref(), plate.as_ref());
            let repairer = vehicle.repairer.as_ref().and_then(|repairer| repairer.code.as_ref());
            let repairer_at = format!("{at}/repairer/code");
            reader.maybe_mark(MarkKind::Repairer, repairer, own.unwrap_or(false), repairer_at);
            if let Some(frame) = frame.filter(|_| own == Some(true)) {
                reader.own_frames.push((frame_at, frame));
            }
            let total_loss = vehicle.total_loss.unwrap_or(false);
            // L46: a wreck is taken off a total loss of the insured vehicle and of nothing else.
            if residual > Fen::ZERO && !(total_loss && own == Some(true)) {
                let message = "a residual value goes with a total loss of the insured vehicle";
                reader.found.add(RuleId::L46, format!("{at}/residual"), message);
            }
            if let (Some(item), Some(own), Some(loss)) = (item, own, loss) {
                read.push(LossVehicle {
                    item,
                    own,
                    loss,
                    salvage,
                    total_loss,
                    residual,
                    no_third_party: vehicle.no_third_party.unwrap_or(false),
                    marks,
                });
            }
        }
        read
    }

    fn properties(
        &self,
        reader: &mut Reader<'_>,
        last: &mut Option<Timestamp>,
    ) -> Vec<LossProperty> {
        let mut items = Vec::new();
        let mut read = Vec::new();
        for (place, property) in listed(&self.properties).iter().enumerate() {
            let at = format!("/properties/{place}");
            let item = item(reader, property.item, &mut items, &at);
            reader.officer(property.assessor.as_ref(), &format!("{at}/assessor"));
            reader.officer(property.approver.as_ref(), &format!("{at}/approver"));
            let approved =
                reader.maybe_instant(property.approved_at.as_ref(), &format!("{at}/approvedAt"));
            *last = (*last).max(approved);
            let loss = reader.money(property.loss.as_ref(), &format!("{at}/loss"));
            read.extend(item.zip(loss).map(|(item, loss)| LossProperty { item, loss }));
        }
        read
    }

    fn persons(&self, reader: &mut Reader<'_>) -> Vec<LossPerson> {
        let mut items = Vec::new();
        let mut read = Vec::new();
        for (place, person) in listed(&self.persons).iter().enumerate() {
            let at = format!("/persons/{place}");
            let item = item(reader, person.item, &mut items, &at);
            let own = own_side(reader, person.property.as_ref(), &format!("{at}/property"));
            reader.officer(person.assessor.as_ref(), &format!("{at}/assessor"));
            reader.officer(person.approver.as_ref(), &format!("{at}/approver"));
            let harm = reader.code(
                person.harm.as_ref(),
                RuleId::S16,
                PersonHarm::parse,
                &format!("{at}/harm"),
            );
            let died = reader.maybe_instant(person.died_at.as_ref(), &format!("{at}/diedAt"));
            reader.maybe_instant(person.admitted_at.as_ref(), &format!("{at}/admittedAt"));
            let [death_disability, medical] = fees(reader, person, &at);
            if let Some(harm) = harm {
                let injury = person.injury_kind.as_deref();
                let count = listed(&person.fees).len();
                rules::person(harm, died.is_some(), injury, count, &at, reader.found);
            }
            let certificate = person.certificate_no.as_ref();
            let certificate_at = format!("{at}/certificateNo");
            reader.maybe_mark(MarkKind::Injured, certificate, own.unwrap_or(false), certificate_at);
            if let (Some(item), Some(own), Some(harm)) = (item, own, harm) {
                read.push(LossPerson { item, own, harm, death_disability, medical });
            }
        }
        read
    }
}

/// S15 over parts and labour; the parts are kept to be held against the model library.
fn parts(reader: &mut Reader<'_>, vehicle: &AssessVehicleBody, at: &str) {
    let mut rows = Vec::new();
    for (place, part) in listed(&vehicle.parts).iter().enumerate() {
        let at = format!("{at}/parts/{place}");
        let price = reader.signed_money(part.price.as_ref(), &format!("{at}/price"));
        let hours = reader.decimal(part.hours.as_ref(), &format!("{at}/hours"));
        let Some(price) = price else { continue };
        rows.push(PartRow { count: part.count.unwrap_or(0), price, hours });
        if let Some(oem_code) = part.oem_code.as_deref().map(str::trim).filter(|c| !c.is_empty()) {
            reader.parts.push(PricedPart {
                pointer: at,
                model_code: vehicle.model_code.clone(),
                oem_code: oem_code.to_owned(),
                price,
            });
        }
    }
    let told = |reader: &mut Reader<'_>, raw: &Option<String>, field: &str| {
        raw.is_some().then(|| reader.maybe_money(raw.as_ref(), &format!("{at}/{field}")))
    };
    let parts_total = told(reader, &vehicle.parts_total, "partsTotal");
    rules::parts(&rows, parts_total, at, reader.found);
    let mut amounts = Vec::new();
    for (place, labour) in listed(&vehicle.labour).iter().enumerate() {
        let at = format!("{at}/labour/{place}/amount");
        amounts.extend(reader.money(labour.amount.as_ref(), &at));
    }
    let labour_total = told(reader, &vehicle.labour_total, "labourTotal");
    rules::labour(&amounts, labour_total, at, reader.found);
}

/// The fees of a person: for death and disability, and medical.
fn fees(reader: &mut Reader<'_>, person: &AssessPersonBody, at: &str) -> [Fen; 2] {
    let mut sums = [Fen::ZERO; 2];
    for (place, fee) in listed(&person.fees).iter().enumerate() {
        let at = format!("{at}/fees/{place}");
        let sum = match fee.kind.as_deref() {
            Some("deathDisability") => &mut sums[0],
            Some("medical") => &mut sums[1],
            _ => {
                let message = "say deathDisability or medical";
                reader.found.add(RuleId::S16, format!("{at}/kind"), message);
                continue;
            }
        };
        let Some(amount) = reader.money(fee.amount.as_ref(), &format!("{at}/amount")) else {
            continue;
        };
        match sum.plus(amount) {
            Some(more) => *sum = more,
            None => reader.found.add(RuleId::F10, at, "fees exceed what can be added up"),
        }
    }
    sums
}

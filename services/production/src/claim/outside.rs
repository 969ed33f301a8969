//! What outside systems say of a claim step: the police of the accident, the model library of parts.
//!
//! Asked before any transaction, side by side, each within its budget. Neither can stop a claim: what
//! was not answered is a notice.

use std::collections::BTreeMap;

use base_http::Notice;
use jiff::SignedDuration;
use kernel::Period;
use production_core::claim::StepFacts;
use production_core::frame::FrameNo;
use production_core::plate::Plate;
use rust_decimal::Decimal;

use crate::claim::answer::{HintView, PoliceAccidentView, PolicePartyView};
use crate::claim::hint::{self, Windows};
use crate::claim::read::{PoliceQuestion, PricedPart, ReadStep};
use crate::outside::{Accident, AccidentAnswer, AccidentQuestion, Outside};

/// How far from the time told the police may have recorded the accident.
const AROUND: SignedDuration = SignedDuration::from_hours(6);

/// The insured vehicle.
pub(super) struct InsuredVehicle {
    pub(super) frame: FrameNo,
    pub(super) plate: Option<Plate>,
}

/// What was found.
#[derive(Default)]
pub(super) struct Found {
    pub(super) hints: Vec<HintView>,
    pub(super) notices: Vec<Notice>,
    pub(super) police: Option<PoliceAccidentView>,
}

/// Asks what the step gives reason to ask.
pub(super) async fn look(
    outside: &Outside,
    read: &ReadStep,
    insured: Option<&InsuredVehicle>,
    windows: &Windows,
) -> Found {
    let (mut found, priced) =
        tokio::join!(accident(outside, read, insured), parts(outside, &read.parts, windows));
    found.hints.extend(priced.hints);
    found.notices.extend(priced.notices);
    found
}

async fn accident(outside: &Outside, read: &ReadStep, insured: Option<&InsuredVehicle>) -> Found {
    let (Some(question), Some(insured)) = (read.police_question(), insured) else {
        return Found::default();
    };
    let question = match question {
        PoliceQuestion::Number(number) => Some(AccidentQuestion::Number(number.to_owned())),
        PoliceQuestion::Around(at) => insured.plate.clone().and_then(|plate| {
            let (from, to) = (at.checked_sub(AROUND).ok()?, at.checked_add(AROUND).ok()?);
            Some(AccidentQuestion::Of { plate, during: Period::new(from, to)? })
        }),
    };
    let Some(question) = question else { return Found::default() };
    let answer = outside.accident(&question).await;
    let mut found = Found { notices: answer.notice().into_iter().collect(), ..Found::default() };
    // Several of one vehicle in a few hours: which is meant is for a person to say (N2133).
    let AccidentAnswer::Found(accidents) = &answer else { return found };
    let [accident] = accidents.as_slice() else { return found };
    let own = accident.party(insured.plate.as_ref(), &insured.frame);
    let police = own.map(|party| party.duty);
    let told = match &read.facts {
        StepFacts::Notify(facts) => facts.liability,
        StepFacts::Survey(facts) => Some(facts.liability),
        _ => None,
    };
    if let (Some(told), Some(police)) = (told, police) {
        found.hints.extend(hint::other_liability(told, police));
    }
    found.police = Some(view(accident, insured));
    found
}

fn view(accident: &Accident, insured: &InsuredVehicle) -> PoliceAccidentView {
    let own = accident.party(insured.plate.as_ref(), &insured.frame);
    let statement = accident.statement.as_ref();
    PoliceAccidentView {
        accident_no: accident.accident_no.clone(),
        at: accident.at,
        place: accident.place.clone(),
        statement_no: statement.map(|statement| statement.number.clone()),
        stated_on: statement.map(|statement| statement.issued_on),
        injured: accident.injured,
        dead: accident.dead,
        parties: accident
            .parties
            .iter()
            .map(|party| {
                let own = own.is_some_and(|own| std::ptr::eq(own, party));
                let plate = party.plate.as_ref();
                PolicePartyView {
                    own,
                    plate: plate.map(|plate| match own {
                        true => plate.number().to_owned(),
                        false => plate.masked(),
                    }),
                    liability: party.duty.code().to_owned(),
                    share_pct: party
                        .proportion
                        .map(|share| (share * Decimal::ONE_HUNDRED).normalize()),
                }
            })
            .collect(),
    }
}

/// L53 over the parts of an assessment, model by model.
async fn parts(outside: &Outside, parts: &[PricedPart], windows: &Windows) -> Found {
    let mut by_model: BTreeMap<Option<&str>, Vec<&PricedPart>> = BTreeMap::new();
    for part in parts {
        by_model.entry(part.model_code.as_deref()).or_default().push(part);
    }
    let mut found = Found::default();
    for (model, parts) in by_model {
        let codes: Vec<String> = parts.iter().map(|part| part.oem_code.clone()).collect();
        let prices = outside.part_prices(model, &codes).await;
        found.notices.extend(prices.notice());
        found.hints.extend(parts.iter().filter_map(|part| {
            let reference = prices.of(&part.oem_code)?;
            hint::dear_part(part, reference.price, windows)
        }));
    }
    found
}

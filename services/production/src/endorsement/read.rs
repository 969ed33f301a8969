//! Reads an endorsement message onto the policy it changes, naming every fault at once.

use jiff::Timestamp;
use jiff::civil::Date;
use kernel::time;
use production_core::endorsement::Kind;
use production_core::frame::FrameNo;
use production_core::history::PolicyClass;
use production_core::party::{Party, Role};
use production_core::plate::Plate;
use production_core::policy::SurrenderReason;
use production_core::rule::{Findings, RuleId};
use production_core::rules::format::{self, Edge};
use production_core::rules::{covers, vehicle};
use production_core::vehicle::VehicleFacts;
use production_rating::{Declared, RatingInput};

use crate::endorsement::plan::Standing;
use crate::endorsement::wire::EndorsementBody;
use crate::quote::wire::{PartyBody, VehicleBody};
use crate::quote::{Parties, VehicleIdentity, read};

/// What an endorsement is to do, ready to be priced.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) kind: Kind,
    /// The number the caller gave, if any.
    pub(crate) endorse_times: Option<u32>,
    pub(crate) effective: Timestamp,
    pub(crate) reason: String,
    /// Why the policy ends, for a surrender.
    pub(crate) ending: Option<SurrenderReason>,
    /// Day the vehicle was lost, when its tax goes back (T03).
    pub(crate) tax_lost_on: Option<Date>,
    /// As it is to be. Its owner index is still that of the present owner.
    pub(crate) identity: VehicleIdentity,
    /// As it is to be.
    pub(crate) input: RatingInput,
    /// As they are to be; `None` when nobody changes.
    pub(crate) parties: Option<Parties>,
}

impl Asked {
    /// Nothing but the kind: the policy's own facts.
    pub(crate) fn nothing(
        kind: Kind,
        effective: Timestamp,
        reason: String,
        standing: &Standing,
    ) -> Asked {
        Asked {
            kind,
            endorse_times: None,
            effective,
            reason,
            ending: None,
            tax_lost_on: None,
            identity: standing.identity.clone(),
            input: Asked::undeclared(&standing.input),
            parties: None,
        }
    }

    /// A stored input without what the insurer declared: that was compared when it was quoted.
    pub(crate) fn undeclared(input: &RatingInput) -> RatingInput {
        RatingInput { declared: Declared::default(), ..input.clone() }
    }
}

/// Reads the whole message. Warnings stay in `found`; `None` when an error does.
pub(crate) fn message(
    body: &EndorsementBody,
    standing: &Standing,
    now: Timestamp,
    found: &mut Findings,
) -> Option<Asked> {
    let kind = kind(body, standing, found);
    let endorse_times = match body.endorse_times {
        Some(times) => Some(times),
        None => read::missing("/endorseTimes", found),
    };
    let reason = reason(&body.reason, found);
    let effective = match body.effective_at.as_deref() {
        Some(raw) => format::instant(raw, Edge::Start, "/effectiveAt", found),
        None => kind.map(|kind| usual_effect(kind, standing, now)),
    };
    let (kind, reason, effective) = (kind?, reason?, effective?);
    misplaced(kind, body, found);
    let mut asked = Asked::nothing(kind, effective, reason, standing);
    asked.endorse_times = endorse_times;
    if let Some(changes) = &body.vehicle {
        read_vehicle(changes, kind, standing, &mut asked, found);
    }
    if kind == Kind::PlateRegistration && asked.identity.plate.is_none() {
        read::missing::<Plate>("/vehicle/plate", found);
    }
    asked.parties = read_parties(body, kind, standing, found);
    if kind == Kind::Transfer {
        asked.input.transferred_on = Some(time::day_of(effective));
    }
    read_covers(body, kind, &mut asked, found);
    read_tax(body, kind, &mut asked, found);
    let must_change = matches!(kind, Kind::Correction | Kind::Change) && !found.rejects();
    if must_change && !changes_something(&asked, standing) {
        found.add(RuleId::S02, "", "nothing changes; send what is to be different");
    }
    (!found.rejects()).then_some(asked)
}

/// Why, in words that may be printed.
pub(crate) fn reason(raw: &Option<String>, found: &mut Findings) -> Option<String> {
    let reason = read::text(raw, "/reason", found)?;
    if reason.chars().count() > 500 {
        found.add(RuleId::S02, "/reason", "a reason has at most 500 characters");
    }
    Some(reason.to_owned())
}

fn kind(body: &EndorsementBody, standing: &Standing, found: &mut Findings) -> Option<Kind> {
    let raw = read::text(&body.kind, "/kind", found)?;
    let class = standing.policy.facts.class;
    let refusal = match Kind::parse(raw) {
        Ok(Kind::Surrender) => (RuleId::S12, "a surrender goes to the policy's /surrender"),
        Ok(Kind::Revoke) => (RuleId::S12, "a revocation goes to the policy's /revoke"),
        Ok(Kind::CoverChange) if class == PolicyClass::Compulsory => {
            (RuleId::S03, "compulsory cover is one cover with the limits of the law")
        }
        Ok(Kind::TaxCancel) if class == PolicyClass::Commercial => {
            (RuleId::L27, "vehicle tax is withheld with the compulsory policy; endorse that one")
        }
        Ok(kind) => return Some(kind),
        Err(_) => (RuleId::S02, "kind is none of 01 to 08"),
    };
    found.add(refusal.0, "/kind", refusal.1);
    None
}

/// When an endorsement takes effect if its message does not say.
fn usual_effect(kind: Kind, standing: &Standing, now: Timestamp) -> Timestamp {
    let begins = standing.policy.facts.period.from();
    if kind.is_retroactive() { begins } else { now.max(begins) }
}

/// Refuses what the kind does not change, rather than drop it in silence.
fn misplaced(kind: Kind, body: &EndorsementBody, found: &mut Findings) {
    use Kind::{Change, Correction, CoverChange, PlateRegistration, TaxCancel, Transfer};
    let facts = matches!(kind, Correction | Change | Transfer);
    let covers = kind == CoverChange;
    let table = [
        ("/vehicle", body.vehicle.is_some(), facts || kind == PlateRegistration),
        ("/owner", body.owner.is_some(), facts),
        ("/applicant", body.applicant.is_some(), facts),
        ("/insured", body.insured.is_some(), facts),
        ("/drivers", body.drivers.is_some(), facts),
        ("/covers", body.covers.is_some(), covers),
        ("/autonomousCoefficient", body.autonomous_coefficient.is_some(), covers),
        ("/hullDeductible", body.hull_deductible.is_some(), covers),
        ("/tax", body.tax.is_some(), matches!(kind, Correction | TaxCancel)),
        ("/taxLostOn", body.tax_lost_on.is_some(), kind == TaxCancel),
    ];
    for (at, sent, fits) in table {
        if sent && !fits {
            let text = format!("{} ({}) does not change this", kind.name_en(), kind.code());
            found.add(RuleId::S02, at, text);
        }
    }
}

fn read_vehicle(
    changes: &VehicleBody,
    kind: Kind,
    standing: &Standing,
    asked: &mut Asked,
    found: &mut Findings,
) {
    let present = stated(&standing.policy.frame, &standing.identity, &standing.input.vehicle);
    let mut wanted = overlaid(present, changes);
    if kind == Kind::PlateRegistration {
        wanted.new_vehicle = Some(false);
    }
    let Some((frame, identity, facts)) = read::read_vehicle(&wanted, found) else { return };
    if frame != standing.policy.frame {
        let text = "the frame number is the vehicle's place on the chain and cannot be endorsed; \
                    end this policy and insure the right vehicle";
        found.add(RuleId::S09, "/vehicle/frameNo", text);
    }
    if kind == Kind::Change && identity.plate.is_some() && standing.identity.plate.is_none() {
        let text = "the first plate of a new car is registered with kind 04";
        found.add(RuleId::S02, "/vehicle/plate", text);
    }
    asked.identity.plate = identity.plate;
    if kind == Kind::PlateRegistration {
        // What the premium rests on stays as it was rated.
        let rest = VehicleFacts {
            new_vehicle: facts.new_vehicle,
            first_registered_on: facts.first_registered_on,
            ..standing.input.vehicle.clone()
        };
        if facts != rest || identity.engine_no != standing.identity.engine_no {
            let text = "a plate registration sends plate, plateKind and firstRegisteredOn; other \
                        facts go with kind 01 or 02";
            found.add(RuleId::S02, "/vehicle", text);
        }
        return;
    }
    asked.identity.engine_no = identity.engine_no;
    if facts.model_code != standing.input.vehicle.model_code
        && let Some(commercial) = &mut asked.input.commercial
    {
        // The library answered for another model.
        commercial.model_pure_risk = None;
    }
    if let Some(commercial) = &asked.input.commercial {
        let lines = &[PolicyClass::Commercial];
        covers::all(&commercial.covers, lines, facts.is_new_energy(), "/covers", found);
    }
    let starts_on = time::day_of(standing.policy.facts.period.from());
    vehicle::dates(&facts, starts_on, "/vehicle", found);
    asked.input.vehicle = facts;
}

/// The vehicle of a policy as a message would state it.
fn stated(frame: &FrameNo, identity: &VehicleIdentity, facts: &VehicleFacts) -> VehicleBody {
    let day = |day: Option<Date>| day.map(|day| day.to_string());
    let number = |number: Option<rust_decimal::Decimal>| number.map(|number| number.to_string());
    VehicleBody {
        frame_no: Some(frame.as_str().to_owned()),
        short_frame: Some(frame.as_str().len() < 17),
        engine_no: Some(identity.engine_no.clone()),
        plate: identity.plate.as_ref().map(|plate| plate.number().to_owned()),
        plate_kind: identity.plate.as_ref().map(|plate| plate.kind().code().to_owned()),
        category: Some(facts.category.code().to_owned()),
        usage: Some(facts.usage.code().to_owned()),
        fuel: Some(facts.fuel.code().to_owned()),
        plug_in: Some(facts.plug_in),
        seats: Some(facts.seats),
        tonnage_t: number(facts.tonnage_t),
        curb_weight_kg: number(facts.curb_weight_kg),
        displacement_cc: facts.displacement_cc,
        power_kw: number(facts.power_kw),
        made_on: day(facts.made_on),
        first_registered_on: day(facts.first_registered_on),
        invoiced_on: day(facts.invoiced_on),
        new_vehicle: Some(facts.new_vehicle),
        new_price: facts.new_price.map(|price| price.to_string()),
        model_code: facts.model_code.clone(),
        imported: Some(facts.imported),
        energy_saving_listed: Some(facts.energy_saving_listed),
        ecdemic: Some(facts.ecdemic.code().to_owned()),
        side_car: Some(facts.side_car),
        usage_reason: None,
        transferred: None,
        transferred_on: None,
    }
}

/// `present` with every field that `changes` sends.
fn overlaid(present: VehicleBody, changes: &VehicleBody) -> VehicleBody {
    macro_rules! fields {
        ($($field:ident)*) => {
            VehicleBody { $($field: changes.$field.clone().or(present.$field),)* }
        };
    }
    fields!(frame_no short_frame engine_no plate plate_kind category usage fuel plug_in seats
        tonnage_t curb_weight_kg displacement_cc power_kw made_on first_registered_on invoiced_on
        new_vehicle new_price model_code imported energy_saving_listed ecdemic side_car
        usage_reason transferred transferred_on)
}

fn read_parties(
    body: &EndorsementBody,
    kind: Kind,
    standing: &Standing,
    found: &mut Findings,
) -> Option<Parties> {
    let mut read_one = |sent: &Option<PartyBody>, role: Role| -> Option<Party> {
        read::read_party(sent.as_ref()?, role, &format!("/{}", role.name()), true, found)
    };
    let owner = read_one(&body.owner, Role::Owner);
    let applicant = read_one(&body.applicant, Role::Applicant);
    let insured = read_one(&body.insured, Role::Insured);
    let drivers: Option<Vec<Party>> = body.drivers.as_ref().map(|rows| {
        let rows = rows.iter().enumerate();
        rows.filter_map(|(index, row)| {
            read::read_party(row, Role::Driver, &format!("/drivers/{index}"), true, found)
        })
        .collect()
    });
    let present = &standing.parties;
    let wanted = Parties {
        owner: owner.unwrap_or_else(|| present.owner.clone()),
        applicant: applicant.unwrap_or_else(|| present.applicant.clone()),
        insured: insured.unwrap_or_else(|| present.insured.clone()),
        drivers: drivers.unwrap_or_else(|| present.drivers.clone()),
    };
    let same_owner = wanted.owner_mark() == present.owner_mark();
    if kind == Kind::Transfer && body.owner.is_none() {
        read::missing::<Party>("/owner", found);
    } else if kind == Kind::Transfer && same_owner {
        found.add(RuleId::S05, "/owner", "the vehicle belongs to this owner already");
    } else if kind == Kind::Change && !same_owner {
        let text = "another owner is a transfer; send kind 03, or 01 if the owner was wrong";
        found.add(RuleId::S05, "/owner", text);
    }
    (wanted != *present).then_some(wanted)
}

fn read_covers(body: &EndorsementBody, kind: Kind, asked: &mut Asked, found: &mut Findings) {
    if kind != Kind::CoverChange {
        return;
    }
    let new_energy = asked.input.vehicle.is_new_energy();
    let Some(commercial) = &mut asked.input.commercial else {
        found.add(RuleId::S03, "/kind", "the policy was rated without commercial covers");
        return;
    };
    match &body.covers {
        Some(rows) => {
            commercial.covers = rows
                .iter()
                .enumerate()
                .filter_map(|(index, row)| {
                    read::read_cover(row, &format!("/covers/{index}"), found)
                })
                .collect();
            let lines = &[PolicyClass::Commercial];
            covers::all(&commercial.covers, lines, new_energy, "/covers", found);
        }
        None if body.autonomous_coefficient.is_none() && body.hull_deductible.is_none() => {
            read::missing::<()>("/covers", found);
        }
        None => {}
    }
    let at = "/autonomousCoefficient";
    if let Some(value) = read::decimal(&body.autonomous_coefficient, RuleId::F11, at, found) {
        format::coefficient(value, at, found);
        commercial.autonomous = value;
    }
    if body.hull_deductible.is_some() {
        commercial.hull_deductible = read::amount(&body.hull_deductible, "/hullDeductible", found);
    }
}

fn read_tax(body: &EndorsementBody, kind: Kind, asked: &mut Asked, found: &mut Findings) {
    asked.tax_lost_on = read::date(&body.tax_lost_on, "/taxLostOn", found);
    if let Some(tax) = &body.tax {
        asked.input.tax = Some(read::read_tax(tax, found));
    }
    if kind == Kind::TaxCancel && body.tax.is_some() == body.tax_lost_on.is_some() {
        let text = "a tax is cancelled by evidence in tax, or from a day in taxLostOn; send one";
        found.add(RuleId::L27, "/tax", text);
    }
}

fn changes_something(asked: &Asked, standing: &Standing) -> bool {
    let present = Asked::undeclared(&standing.input);
    asked.parties.is_some() || asked.identity != standing.identity || asked.input != present
}

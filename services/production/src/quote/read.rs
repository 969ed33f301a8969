//! Reads a quote message into types that cannot be wrong, naming every fault at once.

use base_http::{FieldError, Notice};
use jiff::{Timestamp, ToSpan};
use kernel::{Fen, Period, time};
use production_core::cover::{Cover, CoverRequest, Part};
use production_core::frame::{FrameForm, FrameNo};
use production_core::history::PolicyClass;
use production_core::party::{Holder, Party, Role};
use production_core::region::Region;
use production_core::rule::{Finding, Findings, RuleId};
use production_core::rules::format::{self, Edge, Sign};
use production_core::rules::{covers, vehicle};
use production_core::vehicle::{EcdemicFlag, Family, VehicleFacts};
use production_rating::{
    CommercialInput, CompulsoryInput, Declared, NoFloatReason, ShortTermReason, TaxDerate,
    TaxInput, TaxItem, TaxReceipt,
};
use rust_decimal::Decimal;
use serde::Deserialize;
use serde::de::value::{Error as ValueError, StrDeserializer};

use crate::quote::wire::{
    CommercialBody, CompulsoryBody, CoverBody, DeclaredBody, PartyBody, QuoteBody, TaxBody,
    VehicleBody,
};
use crate::quote::{Parties, VehicleIdentity};

/// A quote message that can be rated once history and outside answers are there.
#[derive(Clone, Debug)]
pub struct QuoteRequest {
    /// Region of the policy.
    pub region: Region,
    /// The vehicle's number on the chain.
    pub frame: FrameNo,
    /// Plate, engine and what else tells the vehicle from others.
    pub identity: VehicleIdentity,
    /// What rating needs to know of it.
    pub facts: VehicleFacts,
    /// Why its use differs from the police registration.
    pub usage_reason: Option<String>,
    /// The message says it changed hands.
    pub transferred: bool,
    /// When, if it says so.
    pub transferred_on: Option<jiff::civil::Date>,
    /// Owner, applicant, insured, drivers.
    pub parties: Parties,
    /// Compulsory cover, when asked for.
    pub compulsory: Option<CompulsoryInput>,
    /// Commercial cover, when asked for.
    pub commercial: Option<CommercialInput>,
    /// Vehicle tax.
    pub tax: TaxInput,
    /// What the insurer computed itself.
    pub declared: Declared,
}

/// Reads the whole message. Warnings stay in `found`; `None` when an error does.
pub fn message(
    body: &QuoteBody,
    own_region: Option<Region>,
    found: &mut Findings,
) -> Option<QuoteRequest> {
    let region = match &body.region {
        Some(code) => format::area(code, "/region", found),
        None => {
            if own_region.is_none() {
                missing::<Region>("/region", found);
            }
            own_region
        }
    };
    let read_vehicle = match &body.vehicle {
        Some(vehicle) => read_vehicle(vehicle, found),
        None => missing("/vehicle", found),
    };
    let parties = read_parties(body, found);
    if body.compulsory.is_none() && body.commercial.is_none() {
        let text = "no cover is asked for; send compulsory, commercial or both";
        found.add(RuleId::S03, "", text);
    }
    let compulsory = body.compulsory.as_ref().map(|body| read_compulsory(body, found));
    let commercial = body.commercial.as_ref().map(|body| read_commercial(body, found));
    let tax = body.tax.as_ref().map_or_else(TaxInput::default, |tax| read_tax(tax, found));
    let declared =
        body.declared.as_ref().map_or_else(Declared::default, |body| read_declared(body, found));
    let (frame, identity, facts) = read_vehicle?;
    let compulsory = compulsory.map_or(Some(None), |read| read.map(Some));
    let commercial = commercial.map_or(Some(None), |read| read.map(Some));
    if let Some(Some(commercial)) = &commercial {
        covers::all(
            &commercial.covers,
            &[PolicyClass::Commercial],
            facts.is_new_energy(),
            "/commercial/covers",
            found,
        );
    }
    if compulsory.as_ref().is_some_and(Option::is_some) {
        vehicle::trailer(&facts, &[Cover::Compulsory], "/vehicle", found);
    }
    let wire = body.vehicle.as_ref()?;
    let transferred_on = date(&wire.transferred_on, "/vehicle/transferredOn", found);
    if found.rejects() {
        return None;
    }
    Some(QuoteRequest {
        region: region?,
        frame,
        identity,
        facts,
        usage_reason: wire.usage_reason.clone().filter(|reason| !reason.trim().is_empty()),
        transferred: wire.transferred.unwrap_or(false),
        transferred_on,
        parties: parties?,
        compulsory: compulsory?,
        commercial: commercial?,
        tax,
        declared,
    })
}

/// JSON pointers to the fields below one place, written into one text: most fields are right, and
/// nobody reads theirs.
struct Pointer {
    text: String,
    place: usize,
}

impl Pointer {
    fn below(place: &str) -> Pointer {
        let mut text = String::with_capacity(place.len() + 24);
        text.push_str(place);
        Pointer { text, place: place.len() }
    }

    /// The pointer to a field.
    fn to(&mut self, field: &str) -> &str {
        self.text.truncate(self.place);
        self.text.push('/');
        self.text.push_str(field);
        &self.text
    }
}

/// Findings as errors of a problem document.
pub fn errors(findings: Vec<Finding>) -> Vec<FieldError> {
    findings
        .into_iter()
        .map(|finding| FieldError {
            pointer: finding.pointer,
            rule: Some(finding.rule.code().into()),
            detail: finding.message,
        })
        .collect()
}

/// Findings as notices of an answer.
pub fn notices(findings: Vec<Finding>) -> Vec<Notice> {
    findings
        .into_iter()
        .map(|finding| Notice {
            code: "N2000".into(),
            rule: Some(finding.rule.code().into()),
            pointer: Some(finding.pointer),
            detail: finding.message,
        })
        .collect()
}

pub(crate) fn missing<T>(at: &str, found: &mut Findings) -> Option<T> {
    found.add(RuleId::S02, at, "this field is mandatory; send it");
    None
}

/// A mandatory text: there, not blank, without control characters or markup.
pub(crate) fn text<'a>(
    value: &'a Option<String>,
    at: &str,
    found: &mut Findings,
) -> Option<&'a str> {
    match value.as_deref().map(str::trim).filter(|text| !text.is_empty()) {
        Some(text) => {
            format::text(text, at, found);
            Some(text)
        }
        None => missing(at, found),
    }
}

pub(crate) fn date(
    value: &Option<String>,
    at: &str,
    found: &mut Findings,
) -> Option<jiff::civil::Date> {
    value.as_deref().filter(|text| !text.is_empty()).and_then(|text| format::day(text, at, found))
}

pub(crate) fn amount(value: &Option<String>, at: &str, found: &mut Findings) -> Option<Fen> {
    value.as_deref().and_then(|text| format::money(text, Sign::Unsigned, at, found))
}

pub(crate) fn decimal(
    value: &Option<String>,
    rule: RuleId,
    at: &str,
    found: &mut Findings,
) -> Option<Decimal> {
    let text = value.as_deref()?;
    let plain = text.len() <= 20 && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    let read = if plain { text.parse::<Decimal>().ok() } else { None };
    if read.is_none() {
        let cut: String = text.chars().take(40).collect();
        found.add(rule, at, format!("{cut:?} is not a decimal number such as 0.85"));
    }
    read
}

/// A word of a published list, read the way it is stored.
pub(crate) fn word<'a, T: Deserialize<'a>>(
    text: &'a str,
    rule: RuleId,
    at: &str,
    found: &mut Findings,
) -> Option<T> {
    match T::deserialize(StrDeserializer::<ValueError>::new(text)) {
        Ok(value) => Some(value),
        Err(error) => {
            found.add(rule, at, error.to_string());
            None
        }
    }
}

pub(crate) fn read_vehicle(
    body: &VehicleBody,
    found: &mut Findings,
) -> Option<(FrameNo, VehicleIdentity, VehicleFacts)> {
    let new_vehicle = body.new_vehicle.unwrap_or(false);
    let form = if body.short_frame.unwrap_or(false) {
        FrameForm::ShortAllowed
    } else {
        FrameForm::VinOnly
    };
    let frame = text(&body.frame_no, "/vehicle/frameNo", found)
        .and_then(|raw| format::frame_no(raw, form, "/vehicle/frameNo", found));
    let engine_no = text(&body.engine_no, "/vehicle/engineNo", found)
        .map(|raw| format::engine_no(raw, "/vehicle/engineNo", found));
    let kind = body
        .plate_kind
        .as_deref()
        .filter(|kind| !kind.is_empty())
        .and_then(|kind| format::plate_kind(kind, "/vehicle/plateKind", found));
    let plate = format::plate(body.plate.as_deref(), kind, new_vehicle, "/vehicle/plate", found);
    let category = text(&body.category, "/vehicle/category", found)
        .and_then(|code| format::category(code, "/vehicle/category", found));
    let usage = text(&body.usage, "/vehicle/usage", found)
        .and_then(|code| format::usage(code, "/vehicle/usage", found));
    let fuel = text(&body.fuel, "/vehicle/fuel", found)
        .and_then(|code| format::fuel(code, "/vehicle/fuel", found));
    let seats = match (body.seats, category.map(|category| category.family())) {
        (Some(seats), _) => Some(seats),
        // Only what carries people must say how many.
        (None, Some(Family::Trailer)) => Some(0),
        (None, _) => missing("/vehicle/seats", found),
    };
    let ecdemic = match body.ecdemic.as_deref() {
        None => Some(EcdemicFlag::Local),
        Some(code) => word(code, RuleId::L28, "/vehicle/ecdemic", found),
    };
    let mut decimals = |value: &Option<String>, at: &str| decimal(value, RuleId::F21, at, found);
    let tonnage_t = decimals(&body.tonnage_t, "/vehicle/tonnageT");
    let curb_weight_kg = decimals(&body.curb_weight_kg, "/vehicle/curbWeightKg");
    let power_kw = decimals(&body.power_kw, "/vehicle/powerKw");
    let made_on = date(&body.made_on, "/vehicle/madeOn", found);
    let first_registered_on = date(&body.first_registered_on, "/vehicle/firstRegisteredOn", found);
    let invoiced_on = date(&body.invoiced_on, "/vehicle/invoicedOn", found);
    let new_price = amount(&body.new_price, "/vehicle/newPrice", found);
    let (category, usage, fuel) = (category?, usage?, fuel?);
    let facts = VehicleFacts {
        plug_in: body.plug_in.unwrap_or(false),
        tonnage_t,
        curb_weight_kg,
        displacement_cc: body.displacement_cc,
        power_kw,
        made_on,
        first_registered_on,
        invoiced_on,
        new_vehicle,
        new_price,
        model_code: body.model_code.clone().filter(|code| !code.trim().is_empty()),
        imported: body.imported.unwrap_or(false),
        energy_saving_listed: body.energy_saving_listed.unwrap_or(false),
        ecdemic: ecdemic?,
        side_car: body.side_car.unwrap_or(false),
        ..VehicleFacts::new(category, usage, fuel, seats?)
    };
    vehicle::measures(&facts, "/vehicle", found);
    vehicle::category(&facts, "/vehicle", found);
    vehicle::usage(&facts, "/vehicle", found);
    let identity = VehicleIdentity { plate, engine_no: engine_no?, owner_index: String::new() };
    Some((frame?, identity, facts))
}

fn read_parties(body: &QuoteBody, found: &mut Findings) -> Option<Parties> {
    let mut required = |party: &Option<PartyBody>, role: Role| match party {
        Some(party) => read_party(party, role, &format!("/{}", role.name()), true, found),
        None => {
            let text = format!("{} is mandatory; send name and certificate", role.name());
            found.add(RuleId::S05, format!("/{}", role.name()), text);
            None
        }
    };
    let owner = required(&body.owner, Role::Owner);
    let applicant = required(&body.applicant, Role::Applicant);
    let insured = required(&body.insured, Role::Insured);
    let rows = body.drivers.as_deref().unwrap_or_default();
    if rows.len() != usize::from(body.driver_count.unwrap_or(0)) {
        let text = format!(
            "{} drivers are named but driverCount is {}; make them agree",
            rows.len(),
            body.driver_count.unwrap_or(0)
        );
        found.add(RuleId::S05, "/drivers", text);
    }
    let drivers: Vec<Party> = rows
        .iter()
        .enumerate()
        .filter_map(|(index, row)| {
            read_party(row, Role::Driver, &format!("/drivers/{index}"), true, found)
        })
        .collect();
    Some(Parties { owner: owner?, applicant: applicant?, insured: insured?, drivers })
}

pub(crate) fn read_party(
    body: &PartyBody,
    role: Role,
    at: &str,
    certified: bool,
    found: &mut Findings,
) -> Option<Party> {
    let mut pointer = Pointer::below(at);
    let holder = match body.holder.as_deref() {
        None => Holder::Person,
        Some(word_) => word(word_, RuleId::F23, pointer.to("holder"), found)?,
    };
    let name = text(&body.name, pointer.to("name"), found)?.to_owned();
    format::name(&name, holder, pointer.to("name"), found);
    let mobile = body
        .mobile
        .as_deref()
        .filter(|mobile| !mobile.is_empty())
        .and_then(|mobile| format::mobile(mobile, &[], pointer.to("mobile"), found));
    let certificate = match (&body.certificate_kind, &body.certificate_no) {
        (Some(kind), Some(number)) => read_certificate(kind, number, holder, at, found),
        (None, None) if !certified => None,
        _ => {
            let text = format!(
                "{} needs a certificate; send certificateKind and certificateNo",
                role.name()
            );
            found.add(RuleId::S05, at, text);
            None
        }
    };
    Some(Party { role, holder, name, certificate, mobile })
}

/// Reads a certificate; its pointers name the flat fields of the message.
fn read_certificate(
    kind: &str,
    number: &str,
    holder: Holder,
    at: &str,
    found: &mut Findings,
) -> Option<production_core::party::Certificate> {
    let mut own = Findings::new();
    let read = format::certificate(kind, number, holder, at, &mut own);
    let (errors, warnings) = own.split();
    found.extend(errors.into_iter().chain(warnings).map(|finding| {
        let pointer = finding
            .pointer
            .replace(&format!("{at}/kind"), &format!("{at}/certificateKind"))
            .replace(&format!("{at}/number"), &format!("{at}/certificateNo"));
        Finding { pointer, ..finding }
    }));
    read
}

fn read_compulsory(body: &CompulsoryBody, found: &mut Findings) -> Option<CompulsoryInput> {
    let period = read_period(&body.start, &body.end, "/compulsory", found);
    let short_term: Option<Option<ShortTermReason>> = match body.short_term.as_deref() {
        None => Some(None),
        Some(reason) => word(reason, RuleId::L02, "/compulsory/shortTerm", found).map(Some),
    };
    let no_float: Vec<NoFloatReason> = body
        .no_float
        .iter()
        .flatten()
        .enumerate()
        .filter_map(|(index, code)| {
            word(code, RuleId::L08, &format!("/compulsory/noFloat/{index}"), found)
        })
        .collect();
    Some(CompulsoryInput { period: period?, short_term: short_term?, no_float })
}

fn read_commercial(body: &CommercialBody, found: &mut Findings) -> Option<CommercialInput> {
    let period = read_period(&body.start, &body.end, "/commercial", found);
    let autonomous = match &body.autonomous_coefficient {
        None => missing("/commercial/autonomousCoefficient", found),
        some => decimal(some, RuleId::F11, "/commercial/autonomousCoefficient", found),
    };
    if let Some(value) = autonomous {
        format::coefficient(value, "/commercial/autonomousCoefficient", found);
    }
    let expense_ratio =
        decimal(&body.expense_ratio, RuleId::F11, "/commercial/expenseRatio", found);
    if let Some(value) = expense_ratio {
        format::rate(value, "/commercial/expenseRatio", found);
    }
    let hull_deductible = amount(&body.hull_deductible, "/commercial/hullDeductible", found);
    let rows = body.covers.as_deref().unwrap_or_default();
    let covers: Vec<CoverRequest> = rows
        .iter()
        .enumerate()
        .filter_map(|(index, row)| read_cover(row, &format!("/commercial/covers/{index}"), found))
        .collect();
    Some(CommercialInput {
        period: period?,
        covers,
        autonomous: autonomous?,
        expense_ratio,
        hull_deductible,
        model_pure_risk: None,
    })
}

pub(crate) fn read_cover(body: &CoverBody, at: &str, found: &mut Findings) -> Option<CoverRequest> {
    let mut pointer = Pointer::below(at);
    let cover = text(&body.coverage_code, pointer.to("coverageCode"), found)
        .and_then(|code| format::cover(code, pointer.to("coverageCode"), found));
    let part: Option<Option<Part>> = match body.part.as_deref() {
        None => Some(None),
        Some(part) => word(part, RuleId::F26, pointer.to("part"), found).map(Some),
    };
    let linked = match body.linked.as_deref() {
        None => Some(None),
        Some(code) => format::cover(code, pointer.to("linked"), found).map(Some),
    };
    let limit = amount(&body.limit_amount, pointer.to("limitAmount"), found);
    let agreed_value = amount(&body.agreed_value, pointer.to("agreedValue"), found);
    let daily = amount(&body.daily, pointer.to("daily"), found);
    Some(CoverRequest {
        cover: cover?,
        part: part?,
        limit,
        seats: body.seats,
        deductible_pct: body.deductible_pct,
        agreed_value,
        days: body.days,
        daily,
        linked: linked?,
        times: body.times,
    })
}

pub(crate) fn read_tax(body: &TaxBody, found: &mut Findings) -> TaxInput {
    let item: Option<TaxItem> =
        body.item.as_deref().and_then(|item| word(item, RuleId::L27, "/tax/item", found));
    let said = |value: &Option<String>| value.clone().filter(|text| !text.trim().is_empty());
    let evidence = |what: &str, at: &str, found: &mut Findings| {
        let text = format!("{what} needs its number and the authority that issued it");
        found.add(RuleId::L27, at, text);
    };
    let paid = match (said(&body.receipt_no), said(&body.authority), body.receipt_year) {
        (Some(number), Some(authority), Some(year)) => Some(TaxReceipt {
            number,
            authority,
            year,
            variant: body.paid_variant.unwrap_or(false),
        }),
        (None, _, None) => None,
        _ => {
            evidence("a paid year", "/tax/receiptNo", found);
            None
        }
    };
    let derate = match (said(&body.derate_code), said(&body.derate_document), said(&body.authority))
    {
        (Some(code), Some(document), Some(authority)) => {
            Some(TaxDerate { code, document, authority })
        }
        (None, None, _) => None,
        _ => {
            evidence("an exemption or reduction", "/tax/derateCode", found);
            None
        }
    };
    TaxInput {
        item,
        paid,
        derate,
        unpaid_years: body.unpaid_years.clone().unwrap_or_default(),
        refused: body.refused.unwrap_or(false),
    }
}

fn read_declared(body: &DeclaredBody, found: &mut Findings) -> Declared {
    let compulsory_base = amount(&body.compulsory_base, "/declared/compulsoryBase", found);
    let compulsory_premium = amount(&body.compulsory_premium, "/declared/compulsoryPremium", found);
    let tax = amount(&body.tax, "/declared/tax", found);
    let commercial_premium = amount(&body.commercial_premium, "/declared/commercialPremium", found);
    Declared {
        compulsory_base,
        compulsory_premium,
        accident_code: body.accident_code.clone(),
        tax,
        ncd: decimal(&body.ncd, RuleId::F11, "/declared/ncd", found),
        violation: decimal(&body.violation, RuleId::F11, "/declared/violation", found),
        commercial_premium,
    }
}

/// A period of cover; a year to the hour when no end is sent.
fn read_period(
    start: &Option<String>,
    end: &Option<String>,
    at: &str,
    found: &mut Findings,
) -> Option<Period> {
    let mut pointer = Pointer::below(at);
    let from = text(start, pointer.to("start"), found)
        .and_then(|raw| format::instant(raw, Edge::Start, pointer.to("start"), found))?;
    let to = match end.as_deref() {
        Some(raw) => format::instant(raw, Edge::End, pointer.to("end"), found)?,
        None => a_year_after(from)?,
    };
    let period = Period::new(from, to);
    if period.is_none() {
        found.add(RuleId::F09, pointer.to("end"), "the end is not after the start");
    }
    period
}

/// The same hour of the same day a year later, in China; 28 February after a 29th.
pub(crate) fn a_year_after(from: Timestamp) -> Option<Timestamp> {
    time::wall_time(from).checked_add(1.year()).ok().and_then(time::instant_of)
}

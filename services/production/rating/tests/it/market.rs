//! A small market to rate in: the committed bundle, vehicles, histories.

use std::path::Path;
use std::sync::LazyLock;

use jiff::Timestamp;
use jiff::civil::{Date, date};
use kernel::time::start_of;
use kernel::{Fen, Period};
use production_core::cover::{Cover, CoverRequest, Part};
use production_core::frame::Slot;
use production_core::history::{
    ClaimRecord, PolicyClass, PriorPolicy, VehicleHistory, Violation, ViolationKind,
};
use production_core::insurer::InsurerCode;
use production_core::number::{NumberKind, PlatformNumber};
use production_core::region::Region;
use production_core::vehicle::{Category, Fuel, Usage, VehicleFacts};
use production_rating::{
    CommercialInput, CompulsoryInput, Declared, Rating, RatingInput, RatingRefusal, Tariff, rate,
};
use rust_decimal::Decimal;

pub(crate) const TARIFFS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../tariffs");

pub(crate) static TARIFF: LazyLock<Tariff> = LazyLock::new(|| {
    Tariff::load_dir(Path::new(TARIFFS)).unwrap_or_else(|errors| {
        let list: Vec<String> = errors.iter().map(ToString::to_string).collect();
        panic!("the committed tariffs do not load:\n{}", list.join("\n"))
    })
});

pub(crate) fn at(day: Date) -> Timestamp {
    start_of(day).unwrap()
}

pub(crate) fn period(from: Date, to: Date) -> Period {
    Period::new(at(from), at(to)).unwrap()
}

pub(crate) fn year_from(from: Date) -> Period {
    period(from, from.saturating_add(jiff::Span::new().years(1)))
}

pub(crate) fn decimal(text: &str) -> Decimal {
    text.parse().unwrap()
}

pub(crate) fn yuan(text: &str) -> Fen {
    text.parse().unwrap()
}

pub(crate) fn family_car() -> VehicleFacts {
    let (category, usage) = (Category::BusUnder6, Usage::PrivateFamily);
    let mut car = VehicleFacts::new(category, usage, Fuel::Petrol, 5);
    car.displacement_cc = Some(1_598);
    car.first_registered_on = Some(date(2020, 3, 1));
    car.new_price = Some(yuan("150000"));
    car
}

/// A quote on 2025-02-20 for cover from 2025-03-01; nothing asked for yet.
pub(crate) fn quote(region: Region, vehicle: VehicleFacts) -> RatingInput {
    RatingInput {
        region,
        vehicle,
        quoted_at: at(date(2025, 2, 20)),
        issued_on: date(2025, 2, 20),
        transferred_on: None,
        compulsory: None,
        commercial: None,
        tax: None,
        history: VehicleHistory::default(),
        declared: Declared::default(),
    }
}

pub(crate) fn with_compulsory(mut input: RatingInput) -> RatingInput {
    let period = year_from(date(2025, 3, 1));
    input.compulsory = Some(CompulsoryInput { period, short_term: None, no_float: Vec::new() });
    input
}

pub(crate) fn with_covers(mut input: RatingInput, covers: Vec<CoverRequest>) -> RatingInput {
    input.commercial = Some(CommercialInput {
        period: year_from(date(2025, 3, 1)),
        covers,
        autonomous: Decimal::ONE,
        expense_ratio: None,
        hull_deductible: None,
        model_pure_risk: None,
    });
    input
}

pub(crate) fn rated(input: &RatingInput) -> Rating {
    rate(&TARIFF, input).unwrap_or_else(|refusals| panic!("{refusals:#?}"))
}

/// Rules and pointers of the refusals.
pub(crate) fn refused(input: &RatingInput) -> Vec<(&'static str, String)> {
    let refusals = rate(&TARIFF, input).expect_err("the input is refused");
    refusals.into_iter().map(|RatingRefusal { rule, pointer, .. }| (rule, pointer)).collect()
}

pub(crate) fn insurer(code: &str) -> InsurerCode {
    InsurerCode::parse(code).unwrap()
}

/// A one-year policy from `from`, quoted and issued ten days before.
pub(crate) fn policy(class: PolicyClass, from: Date) -> PriorPolicy {
    let before = from.saturating_sub(jiff::Span::new().days(10));
    let sequence = u64::try_from(at(from).as_second()).unwrap() % 1_000_000;
    let insurer = insurer("PICC");
    let confirm_no = PlatformNumber::new(
        NumberKind::Confirm,
        insurer,
        Region::Beijing,
        from.year(),
        Slot(7),
        sequence,
    );
    PriorPolicy {
        confirm_no: confirm_no.unwrap(),
        insurer,
        class,
        period: year_from(from),
        issued_at: at(before),
        quoted_at: at(before),
        short_term: false,
        transferred_at: None,
        ended_early: None,
    }
}

/// `years` whole policy years, one after the other, the last ending on 2025-03-01.
pub(crate) fn years(class: PolicyClass, years: i16) -> Vec<PriorPolicy> {
    (1..=years).map(|back| policy(class, date(2025 - back, 3, 1))).collect()
}

/// An at-fault claim paid and closed on `day`.
pub(crate) fn claim(class: PolicyClass, code: &str, day: Date) -> ClaimRecord {
    ClaimRecord {
        claim_code: code.to_owned(),
        insurer: insurer("PICC"),
        class,
        accident_at: at(day.saturating_sub(jiff::Span::new().days(30))),
        closed_at: Some(at(day)),
        paid_at: Some(at(day)),
        first_settled_at: None,
        paid: yuan("3000"),
        at_fault: true,
        death: false,
        counts: true,
        fully_recovered: false,
        stolen_at_the_time: false,
    }
}

pub(crate) fn violation(kind: ViolationKind, day: Date) -> Violation {
    Violation { violation_id: None, kind, at: at(day), decided_at: Some(at(day)) }
}

pub(crate) fn liability(limit: &str) -> CoverRequest {
    CoverRequest::of(Cover::ThirdParty).limit(yuan(limit))
}

pub(crate) fn occupants(part: Part, limit: &str) -> CoverRequest {
    CoverRequest::of(Cover::Occupants).part(part).limit(yuan(limit))
}

//! Commercial premiums over the committed (synthetic) tables: covers, factors, refusals.

use jiff::civil::date;
use kernel::Fen;
use production_core::cover::{Cover, CoverRequest, Part};
use production_core::history::{PolicyClass, ViolationKind};
use production_core::region::Region;
use production_core::vehicle::{Category, Fuel, Usage};
use production_rating::{CommercialRating, RatingInput};

use crate::market::{
    at, decimal, family_car, liability, occupants, period, quote, rated, refused, violation,
    with_covers, year_from, years, yuan,
};

fn asked(covers: Vec<CoverRequest>) -> RatingInput {
    with_covers(quote(Region::Jiangsu, family_car()), covers)
}

fn commercial(input: &RatingInput) -> CommercialRating {
    rated(input).commercial.unwrap()
}

fn hull() -> CoverRequest {
    CoverRequest::of(Cover::Hull)
}

/// Pure risk premiums in the order asked for.
fn pures(covers: Vec<CoverRequest>) -> Vec<Fen> {
    commercial(&asked(covers)).covers.iter().map(|cover| cover.pure_risk).collect()
}

#[test]
fn liability_is_tabled_to_one_million_and_computed_above() {
    let limits = ["100000", "1000000", "1500000", "2000000", "5000000"];
    let expected = ["586.95", "1284.40", "1409.63", "1528.44", "2106.42"];
    for (limit, pure) in limits.into_iter().zip(expected) {
        assert_eq!(pures(vec![liability(limit)]), [yuan(pure)], "{limit}");
    }
    for limit in ["120000", "1200000", "10500000"] {
        let refusals = refused(&asked(vec![liability(limit)]));
        assert_eq!(refusals, [("L16", "/commercial/covers/0/limit".to_owned())], "{limit}");
    }
}

#[test]
fn own_damage_depends_on_age_and_agreed_value() {
    // Registered 2020-03: 60 months at 0.6 percent by the start.
    let rating = commercial(&asked(vec![hull()]));
    assert_eq!(rating.actual_value, Some(yuan("96000.00")));
    // Age 2 to 6: 363.35 + 150,000 × 0.8645 percent.
    assert_eq!(rating.covers[0].pure_risk, yuan("1660.10"));
    let mut more = hull();
    more.agreed_value = Some(yuan("106000"));
    assert_eq!(pures(vec![more.clone()]), [yuan("1669.10")]);
    more.agreed_value = Some(yuan("86000"));
    assert_eq!(pures(vec![more.clone()]), [yuan("1651.10")]);
    more.agreed_value = Some(yuan("20000"));
    let rating = rated(&asked(vec![more]));
    assert!(rating.notices.iter().any(|notice| notice.code == "L18"));
}

#[test]
fn the_model_library_and_a_deductible_move_own_damage() {
    let mut input = asked(vec![hull()]);
    let commercial_input = input.commercial.as_mut().unwrap();
    commercial_input.model_pure_risk = Some(yuan("1357.50"));
    assert_eq!(commercial(&input).covers[0].pure_risk, yuan("1357.50"));
    input.commercial.as_mut().unwrap().hull_deductible = Some(yuan("1000"));
    assert_eq!(commercial(&input).covers[0].pure_risk, yuan("1181.03"));
    input.commercial.as_mut().unwrap().hull_deductible = Some(yuan("1234"));
    assert_eq!(refused(&input), [("F27", "/commercial/hullDeductible".to_owned())]);
}

#[test]
fn occupants_pay_by_limit_and_seat() {
    let covers = vec![occupants(Part::Driver, "10000"), occupants(Part::Passenger, "10000")];
    assert_eq!(pures(covers), [yuan("27.30"), yuan("70.20")]);
    let mut crowd = occupants(Part::Passenger, "10000");
    crowd.seats = Some(5);
    assert_eq!(refused(&asked(vec![crowd])), [("L21", "/commercial/covers/0/seats".to_owned())]);
}

#[test]
fn factors_multiply_and_the_premium_is_the_sum_of_its_covers() {
    let mut input = asked(vec![liability("1000000"), occupants(Part::Driver, "10000")]);
    input.history.policies = years(PolicyClass::Commercial, 3);
    input.commercial.as_mut().unwrap().autonomous = decimal("0.85");
    let rating = commercial(&input);
    // 1284.40 / 0.75 = 1712.53; × 0.6 × 0.85 = 873.39. 27.30 / 0.75 = 36.40; × 0.51 = 18.56.
    assert_eq!(rating.benchmark, yuan("1748.93"));
    let premiums: Vec<Fen> = rating.covers.iter().map(|cover| cover.premium).collect();
    assert_eq!(premiums, [yuan("873.39"), yuan("18.56")]);
    assert_eq!(rating.premium, yuan("891.95"));
    input.declared.commercial_premium = Some(yuan("891.96"));
    rated(&input);
    input.declared.commercial_premium = Some(yuan("891.97"));
    input.declared.ncd = Some(decimal("0.7"));
    input.declared.violation = Some(decimal("1.05"));
    let rules: Vec<&str> = refused(&input).into_iter().map(|(rule, _)| rule).collect();
    assert_eq!(rules, ["L15", "L12", "L14"]);
}

#[test]
fn every_additional_cover_is_priced() {
    let of = CoverRequest::of;
    let mut repair = of(Cover::RepairPeriod);
    (repair.days, repair.daily) = (Some(30), Some(yuan("200")));
    let mut service = of(Cover::ValueAdded);
    service.times = Some(2);
    let covers = vec![
        hull(),
        liability("1000000"),
        occupants(Part::Passenger, "20000"),
        of(Cover::Wheel).limit(yuan("5000")),
        of(Cover::AddedEquipment).limit(yuan("10000")),
        of(Cover::Scratch).limit(yuan("5000")),
        repair,
        of(Cover::EngineWaterExclusion),
        of(Cover::Cargo).limit(yuan("50000")),
        of(Cover::MentalDistress).limit(yuan("20000")).linked(Cover::ThirdParty),
        of(Cover::HolidayDoubling),
        of(Cover::NonMedicare).limit(yuan("20000")).linked(Cover::Occupants).part(Part::Passenger),
        service,
    ];
    let expected = [
        "1660.10", "1284.40", "140.40", "162.50", "91.65", "552.50", "195.00", "-83.01", "455.00",
        "104.00", "77.06", "24.00", "26.00",
    ];
    assert_eq!(pures(covers), expected.map(yuan));
}

#[test]
fn new_energy_clauses_are_for_new_energy_vehicles() {
    let mut car = family_car();
    car.fuel = Fuel::Electric;
    car.displacement_cc = None;
    let of = CoverRequest::of;
    let covers = vec![
        of(Cover::NevHull),
        of(Cover::NevThirdParty).limit(yuan("2000000")),
        of(Cover::NevOccupants).part(Part::Driver).limit(yuan("10000")),
        of(Cover::GridFailure),
        of(Cover::ChargingPileDamage).limit(yuan("10000")),
        of(Cover::ChargingPileLiability).limit(yuan("200000")),
        of(Cover::DriverAssistSoftware).limit(yuan("10000")),
        of(Cover::FireDoubling),
    ];
    let input = with_covers(quote(Region::Jiangsu, car), covers);
    let rating = commercial(&input);
    // A battery car of 150,000 loses 0.77 percent a month: 60 months leave 53.8 percent.
    assert_eq!(rating.actual_value, Some(yuan("80700.00")));
    let pures: Vec<Fen> = rating.covers.iter().map(|cover| cover.pure_risk).collect();
    let expected = ["1660.10", "1528.44", "27.30", "16.60", "65.00", "65.00", "65.00", "30.57"];
    assert_eq!(pures, expected.map(yuan));
    let mut wrong = input.clone();
    wrong.vehicle = family_car();
    let rules = refused(&wrong);
    assert!(rules.iter().all(|(rule, _)| *rule == "L19") && rules.len() == 8, "{rules:?}");
    let mut fuel_clause = input;
    fuel_clause.commercial.as_mut().unwrap().covers = vec![hull()];
    assert_eq!(refused(&fuel_clause)[0].0, "L19");
}

#[test]
fn an_absolute_deductible_takes_its_share_off_the_main_cover() {
    let mut deductible = CoverRequest::of(Cover::AbsoluteDeductible).linked(Cover::ThirdParty);
    deductible.deductible_pct = Some(10);
    let rating = commercial(&asked(vec![liability("1000000"), deductible.clone()]));
    assert_eq!(rating.covers[1].premium, yuan("-171.25"));
    assert_eq!(rating.premium, yuan("1541.28"));
    deductible.deductible_pct = Some(12);
    let refusals = refused(&asked(vec![liability("1000000"), deductible.clone()]));
    assert_eq!(refusals, [("L17", "/commercial/covers/1/deductiblePct".to_owned())]);
    deductible.linked = Some(Cover::Hull);
    let refusals = refused(&asked(vec![liability("1000000"), deductible]));
    assert_eq!(refusals[0], ("L17", "/commercial/covers/1/cover".to_owned()));
}

#[test]
fn covers_that_may_not_stand_together_are_all_named() {
    let covers = vec![
        CoverRequest::of(Cover::Wheel).limit(yuan("5000")),
        liability("1000000"),
        liability("500000"),
        CoverRequest::of(Cover::Compulsory),
        CoverRequest::of(Cover::GridFailure),
    ];
    let rules: Vec<(&str, String)> = refused(&asked(covers));
    let pointer = |at: usize| format!("/commercial/covers/{at}/cover");
    let expected = [
        ("L17", pointer(0)),
        ("S04", pointer(2)),
        ("S03", pointer(3)),
        ("L19", pointer(4)),
        ("L17", pointer(4)),
    ];
    assert_eq!(rules, expected);
}

#[test]
fn coefficients_keep_to_the_range_of_their_day_and_fuel() {
    let with = |fuel, day, coefficient: &str| {
        let mut input = asked(vec![liability("1000000")]);
        input.vehicle.fuel = fuel;
        if fuel == Fuel::Electric {
            input.commercial.as_mut().unwrap().covers[0].cover = Cover::NevThirdParty;
        }
        input.quoted_at = at(day);
        input.issued_on = day;
        let commercial = input.commercial.as_mut().unwrap();
        commercial.autonomous = decimal(coefficient);
        commercial.period = year_from(day);
        production_rating::rate(&crate::market::TARIFF, &input).map(drop).map_err(|refusals| {
            refusals.into_iter().map(|refusal| refusal.rule).collect::<Vec<_>>()
        })
    };
    let outside = Err(vec!["L13"]);
    assert_eq!(with(Fuel::Petrol, date(2023, 5, 31), "0.64"), outside);
    assert_eq!(with(Fuel::Petrol, date(2023, 6, 1), "0.64"), Ok(()));
    assert_eq!(with(Fuel::Petrol, date(2023, 6, 1), "1.51"), outside);
    assert_eq!(with(Fuel::Electric, date(2025, 9, 29), "0.60"), outside);
    assert_eq!(with(Fuel::Electric, date(2025, 9, 30), "0.60"), Ok(()));
    assert_eq!(with(Fuel::Electric, date(2025, 9, 30), "0.54"), outside);
}

#[test]
fn an_expense_ratio_keeps_below_its_cap() {
    let mut input = asked(vec![liability("1000000")]);
    input.commercial.as_mut().unwrap().expense_ratio = Some(decimal("0.26"));
    assert_eq!(refused(&input), [("L11", "/commercial/expenseRatio".to_owned())]);
    input.commercial.as_mut().unwrap().expense_ratio = Some(decimal("0.20"));
    assert_eq!(commercial(&input).premium, yuan("1605.50"));
}

#[test]
fn violations_raise_the_premium_where_the_police_are_linked() {
    let with = |region, kinds: &[(ViolationKind, usize)]| {
        let mut input = asked(vec![liability("1000000")]);
        input.region = region;
        let events = kinds.iter().flat_map(|&(kind, count)| {
            std::iter::repeat_n(violation(kind, date(2024, 10, 1)), count)
        });
        input.history.violations = Some(events.collect());
        commercial(&input).violation.normalize().to_string()
    };
    use ViolationKind as Kind;
    assert_eq!(with(Region::Beijing, &[(Kind::RedLight, 2)]), "1");
    assert_eq!(with(Region::Beijing, &[(Kind::RedLight, 3)]), "1.05");
    assert_eq!(with(Region::Beijing, &[(Kind::RedLight, 9)]), "1.15");
    assert_eq!(
        with(Region::Beijing, &[(Kind::SpeedingUnder50, 4), (Kind::SpeedingFrom50, 1)]),
        "1.25"
    );
    assert_eq!(with(Region::Jiangsu, &[(Kind::RedLight, 9)]), "1");
    let mut silent = asked(vec![liability("1000000")]);
    silent.region = Region::Beijing;
    let rating = rated(&silent);
    assert!(rating.notices.iter().any(|notice| notice.code == "VIOLATIONS_UNKNOWN"));
}

#[test]
fn a_shorter_period_pays_by_days() {
    let mut input = asked(vec![liability("1000000")]);
    input.commercial.as_mut().unwrap().period = period(date(2025, 3, 1), date(2025, 5, 13));
    assert_eq!(commercial(&input).premium, yuan("342.51"));
    input.commercial.as_mut().unwrap().period = period(date(2025, 3, 1), date(2026, 3, 2));
    assert_eq!(refused(&input), [("L15", "/commercial/period".to_owned())]);
}

#[test]
fn before_the_reform_there_is_no_table() {
    let mut input = asked(vec![liability("1000000")]);
    input.quoted_at = at(date(2019, 2, 20));
    input.issued_on = date(2019, 2, 20);
    input.commercial.as_mut().unwrap().period = year_from(date(2019, 3, 1));
    assert!(refused(&input).iter().all(|(rule, _)| *rule == "TARIFF"));
}

#[test]
fn every_class_sells_liability_and_own_damage() {
    let classes = [
        (Category::Bus10To20, Usage::PrivateFamily, 12),
        (Category::Bus36AndOver, Usage::Coach, 45),
        (Category::Truck10AndOver, Usage::NonCommercialTruck, 3),
        (Category::Special3, Usage::Commercial, 3),
        (Category::ThreeWheeler, Usage::NonCommercialTruck, 1),
        (Category::Trailer10AndOver, Usage::CommercialTrailer, 1),
        (Category::Motorcycle50To250, Usage::NonCommercial, 2),
        (Category::HaulTractorTo14, Usage::HaulTractor, 1),
        (Category::BusUnder6, Usage::RideHailing, 5),
    ];
    for (category, usage, seats) in classes {
        let mut input = asked(vec![hull(), liability("500000")]);
        (input.vehicle.category, input.vehicle.usage) = (category, usage);
        input.vehicle.seats = seats;
        input.vehicle.fuel = Fuel::Diesel;
        let premium = commercial(&input).premium;
        assert!(premium > Fen::ZERO, "{category} {usage}: {premium}");
    }
}

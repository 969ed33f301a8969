//! Compulsory premiums: the worked examples and the rules of the float.

use jiff::civil::date;
use kernel::Fen;
use production_core::adjustment::compulsory::{CompulsoryLimits, FeeType};
use production_core::history::{ClaimRecord, PolicyClass, ViolationKind};
use production_core::region::Region;
use production_core::vehicle::{Category, Fuel, Usage, VehicleFacts};
use production_rating::{
    CompulsoryRating, FloatVerdict, NoFloatReason, RatingInput, ShortTermReason,
};

use crate::market::{
    TARIFF, at, claim, decimal, family_car, period, policy, quote, rated, refused, violation,
    with_compulsory, years, yuan,
};

const CI: PolicyClass = PolicyClass::Compulsory;

type Change<'a> = &'a dyn Fn(&mut RatingInput);

fn compulsory(input: &RatingInput) -> CompulsoryRating {
    rated(input).compulsory.unwrap()
}

fn renewal(region: Region, vehicle: VehicleFacts, insured_years: i16) -> RatingInput {
    let mut input = with_compulsory(quote(region, vehicle));
    input.history.policies = years(CI, insured_years);
    input
}

fn bus(category: Category, usage: Usage, seats: u16) -> VehicleFacts {
    let mut bus = VehicleFacts::new(category, usage, Fuel::Diesel, seats);
    bus.displacement_cc = Some(2_400);
    bus
}

#[test]
fn the_worked_examples_come_out_to_the_fen() {
    let enterprise = || bus(Category::BusUnder6, Usage::Enterprise, 5);
    // CI-1 Jiangsu (E), CI-2 Hainan (A), CI-3 Guangxi (B): three clean years.
    let ci1 = renewal(Region::Jiangsu, family_car(), 3);
    let ci2 = renewal(Region::Hainan, family_car(), 3);
    let ci3 = renewal(Region::Guangxi, family_car(), 3);
    // CI-4 Tianjin (D): enterprise, 6 to 10 seats, two clean years.
    let ci4 = renewal(Region::Tianjin, bus(Category::Bus6To10, Usage::Enterprise, 7), 2);
    // CI-5 Shanxi (C): taxi, a fatal accident last year.
    let mut ci5 = renewal(Region::Shanxi, bus(Category::BusUnder6, Usage::TaxiRental, 5), 3);
    ci5.history.claims = vec![claim(CI, "fatal", date(2024, 9, 1))];
    ci5.history.claims[0].death = true;
    // CI-6 Shandong (E): enterprise, two accidents last year.
    let mut ci6 = renewal(Region::Shandong, enterprise(), 3);
    let paid = [date(2024, 5, 1), date(2024, 11, 1)];
    ci6.history.claims = paid.map(|day| claim(CI, &day.to_string(), day)).to_vec();
    // CI-7 Beijing (D): one clean year, one drunk drive; CI-8: three of them, capped.
    let mut ci7 = renewal(Region::Beijing, family_car(), 1);
    let drunk = || violation(ViolationKind::DrunkDriving, date(2024, 8, 8));
    ci7.history.violations = Some(vec![drunk()]);
    let mut ci8 = ci7.clone();
    ci8.history.violations = Some(vec![drunk(), drunk(), drunk()]);
    // CI-9: four months, new.
    let mut ci9 = with_compulsory(quote(Region::Jiangsu, family_car()));
    let asked = ci9.compulsory.as_mut().unwrap();
    asked.period = period(date(2025, 3, 1), date(2025, 7, 1));
    asked.short_term = Some(ShortTermReason::NearScrapping);
    let cases = [
        (ci1, "665.00", Some("E3")),
        (ci2, "475.00", Some("A3")),
        (ci3, "522.50", Some("B3")),
        (ci4, "847.50", Some("D2")),
        (ci5, "2340.00", Some("C6")),
        (ci6, "1100.00", Some("E5")),
        (ci7, "1049.75", Some("D1")),
        (ci8, "1292.00", Some("D1")),
        (ci9, "380.00", None),
    ];
    for (at, (input, premium, code)) in cases.into_iter().enumerate() {
        let rating = compulsory(&input);
        assert_eq!(rating.premium, yuan(premium), "CI-{}: {rating:#?}", at + 1);
        assert_eq!(rating.accident.code.as_deref(), code, "CI-{}", at + 1);
    }
}

#[test]
fn six_seats_fall_into_the_class_from_six() {
    let six = bus(Category::Bus6To10, Usage::PrivateFamily, 6);
    assert_eq!(compulsory(&renewal(Region::Jiangsu, six, 0)).base, yuan("1100"));
    let contradiction = bus(Category::BusUnder6, Usage::PrivateFamily, 6);
    let refusals = refused(&renewal(Region::Jiangsu, contradiction, 0));
    assert_eq!(refusals, [("L21", "/vehicle/seats".to_owned())]);
}

/// A vehicle of a row of the base table: its smallest figures, of one of its categories and uses.
fn of_row(cell: impl Fn(&str) -> String, category: Category, usage: Usage) -> VehicleFacts {
    let above = |column: &str| cell(column).parse::<u32>().map_or(0, |bound| bound + 1);
    let seats = category.seats().map_or(2, |(least, _)| least);
    let mut vehicle = VehicleFacts::new(category, usage, Fuel::Diesel, seats);
    vehicle.tonnage_t =
        Some(cell("tonnes_min")).filter(|cell| !cell.is_empty()).map(|t| decimal(&t));
    vehicle.curb_weight_kg = Some(decimal("4495"));
    vehicle.displacement_cc = Some(match cell("group_en").as_str() {
        "motorcycle" => above("displacement_cc_min_excl").max(50),
        _ => 2_400,
    });
    let power = [cell("power_kw_max_incl"), cell("power_kw_min_excl")];
    vehicle.power_kw = match power {
        [most, _] if !most.is_empty() => Some(decimal(&most)),
        [_, least] if !least.is_empty() => Some(decimal(&least) + decimal("0.1")),
        _ => None,
    };
    vehicle
}

#[test]
fn every_class_of_the_base_table_rates_or_says_why_not() {
    let path = format!("{}/compulsory_base_premium.csv", crate::market::TARIFFS);
    let mut reader = csv::Reader::from_path(path).unwrap();
    let columns = reader.headers().unwrap().clone();
    let place = |column: &str| columns.iter().position(|name| name == column).unwrap();
    let mut judged = 0;
    for row in reader.records() {
        let row = row.unwrap();
        let cell = |column: &str| row[place(column)].to_owned();
        let uses: Vec<Usage> = match cell("use_codes").as_str() {
            "" => Usage::ALL.to_vec(),
            codes => codes.split('|').map(|code| Usage::parse(code).unwrap()).collect(),
        };
        let premium = cell("base_premium_cny");
        let expected = match cell("rule").as_str() {
            "fixed" => Ok(premium.as_str()),
            "not_insurable" => Err("L04"),
            // Rated by the regional table of tractors, of which none is public.
            _ => Err("TARIFF"),
        };
        let categories = cell("vehicle_category_codes");
        let categories = categories.split('|').map(|code| Category::parse(code).unwrap());
        for (category, &usage) in
            categories.flat_map(|one| uses.iter().map(move |use_| (one, use_)))
        {
            let input = renewal(Region::Jiangsu, of_row(cell, category, usage), 0);
            let told = format!("row {}: {category} {usage}", cell("seq"));
            match expected {
                Ok(base) => {
                    let rating = compulsory(&input);
                    assert_eq!(rating.base, yuan(base), "{told}");
                    assert_eq!(rating.rate_key, cell("rate_key"), "{told}");
                }
                Err(rule) => assert_eq!(refused(&input)[0].0, rule, "{told}"),
            }
            judged += 1;
        }
    }
    // Every row, most for several uses or categories.
    assert!(45 <= judged, "{judged}");
}

#[test]
fn a_use_the_base_table_does_not_hold_for_a_category_is_refused() {
    let coach = renewal(Region::Jiangsu, bus(Category::BusUnder6, Usage::Coach, 5), 0);
    assert_eq!(refused(&coach)[0].0, "L05");
    // Rated as a taxi until the table knows it.
    let hailed = renewal(Region::Jiangsu, bus(Category::BusUnder6, Usage::RideHailing, 5), 0);
    assert_eq!(compulsory(&hailed).base, yuan("1800"));
}

#[test]
fn the_scheme_before_the_reform_is_one_for_all_regions() {
    let mut input = with_compulsory(quote(Region::Hainan, family_car()));
    input.quoted_at = at(date(2019, 2, 20));
    input.issued_on = date(2019, 2, 20);
    let start = date(2019, 3, 1);
    input.compulsory.as_mut().unwrap().period = crate::market::year_from(start);
    input.history.policies = vec![policy(CI, date(2018, 3, 1))];
    let rating = compulsory(&input);
    assert_eq!((rating.premium, rating.accident.code.as_deref()), (yuan("855.00"), Some("A1")));
    assert_eq!(rating.limits.at_fault.death_disability, yuan("110000"));
}

#[test]
fn reasons_not_to_float_silence_discount_or_both() {
    use NoFloatReason as Reason;
    let clean = || renewal(Region::Jiangsu, family_car(), 2);
    let changed = |change: &dyn Fn(&mut RatingInput)| {
        let mut input = clean();
        change(&mut input);
        let rating = compulsory(&input);
        (rating.no_float, rating.premium)
    };
    let full = yuan("950");
    let cases: [(Change<'_>, Vec<Reason>, Fen); 9] = [
        (&|_| {}, vec![], yuan("760")),
        (&|input| input.transferred_on = Some(date(2025, 1, 5)), vec![Reason::Transferred], full),
        (&|input| input.history.policies.clear(), vec![Reason::NoPreviousPolicy], full),
        (
            &|input| input.history.policies[0].short_term = true,
            vec![Reason::PreviousShortTerm],
            full,
        ),
        (
            &|input| input.history.policies[0].transferred_at = Some(at(date(2024, 7, 1))),
            vec![Reason::PreviousTransferred],
            full,
        ),
        (
            &|input| input.history.policies = vec![policy(CI, date(2023, 8, 15))],
            vec![Reason::LapseOverSixMonths],
            full,
        ),
        (
            &|input| input.history.policies = vec![policy(CI, date(2023, 10, 15))],
            vec![Reason::LapseThreeToSixMonths],
            full,
        ),
        (
            &|input| input.history.policies[0].ended_early = Some(at(date(2024, 12, 15))),
            vec![Reason::NoWholeYear],
            full,
        ),
        (
            &|input| {
                input.compulsory.as_mut().unwrap().no_float = vec![Reason::AmountFactorNotApplied]
            },
            vec![Reason::AmountFactorNotApplied],
            yuan("760"),
        ),
    ];
    for (change, reasons, premium) in cases {
        assert_eq!(changed(change), (reasons.clone(), premium), "{reasons:?}");
    }
    for reason in [Reason::OtherInsurer, Reason::LoanPolicy, Reason::EndorsedNotRerated] {
        let told = changed(&|input| input.compulsory.as_mut().unwrap().no_float = vec![reason]);
        assert_eq!(told, (vec![reason], full));
    }
    let mut new = clean();
    new.history.policies.clear();
    new.vehicle.new_vehicle = true;
    new.vehicle.first_registered_on = None;
    assert_eq!(compulsory(&new).no_float, [Reason::NoWholeYear]);
}

#[test]
fn a_lapse_of_some_months_bars_the_discount_but_not_the_surcharge() {
    let mut input = renewal(Region::Jiangsu, family_car(), 0);
    input.history.policies = vec![policy(CI, date(2023, 10, 15))];
    let days = [date(2024, 2, 1), date(2024, 4, 1)];
    input.history.claims = days.map(|day| claim(CI, &day.to_string(), day)).to_vec();
    assert_eq!(compulsory(&input).premium, yuan("1045.00"));
}

#[test]
fn only_paid_at_fault_claims_of_the_window_float() {
    let day = date(2024, 9, 1);
    let with = |change: &dyn Fn(&mut production_core::history::ClaimRecord)| {
        let mut input = renewal(Region::Jiangsu, family_car(), 3);
        let mut record = claim(CI, "c", day);
        change(&mut record);
        input.history.claims = vec![record];
        compulsory(&input).accident.code.map(|code| code.into_owned())
    };
    let e3 = Some("E3".to_owned());
    assert_eq!(with(&|_| {}), Some("E4".to_owned()));
    assert_eq!(with(&|record| record.at_fault = false), e3);
    assert_eq!(with(&|record| record.stolen_at_the_time = true), e3);
    assert_eq!(with(&|record| record.paid = Fen::ZERO), e3);
    assert_eq!(with(&|record| record.class = PolicyClass::Commercial), e3);
    // Paid on the issue day of this policy: next year's.
    assert_eq!(with(&|record| record.paid_at = Some(at(date(2025, 2, 20)))), e3);
    // Paid in the window before: this year is clean, but the streak is one year.
    let earlier = |record: &mut production_core::history::ClaimRecord| {
        record.paid_at = Some(at(date(2023, 9, 1)));
    };
    assert_eq!(with(&earlier), Some("E1".to_owned()));
    // Still open: no float this year.
    let open = |record: &mut production_core::history::ClaimRecord| {
        (record.paid_at, record.closed_at) = (None, None);
    };
    assert_eq!(with(&open), None);
}

#[test]
fn every_claim_is_listed_with_its_verdict() {
    use FloatVerdict as Verdict;
    type ClaimChange = fn(&mut ClaimRecord);
    let changes: [(&str, ClaimChange, Verdict); 14] = [
        ("a counted", |_| {}, Verdict::Counted),
        ("b no fault", |it| it.at_fault = false, Verdict::NoFault),
        ("c stolen", |it| it.stolen_at_the_time = true, Verdict::Stolen),
        ("d marked", |it| it.counts = false, Verdict::MarkedNotCounting),
        ("e open", |it| (it.paid_at, it.closed_at) = (None, None), Verdict::Open),
        ("f zero", |it| it.paid = Fen::ZERO, Verdict::NothingPaid),
        ("g never paid", |it| it.paid_at = None, Verdict::NothingPaid),
        ("h issue day", |it| it.paid_at = Some(at(date(2025, 2, 20))), Verdict::PaidAfterIssue),
        // The year before does not matter beside an accident of the last.
        ("i older", |it| it.paid_at = Some(at(date(2023, 9, 1))), Verdict::BeforeLookBack),
        ("j ancient", |it| it.paid_at = Some(at(date(2019, 9, 1))), Verdict::BeforeLookBack),
        // Paid again in the window, but first before it.
        (
            "k first paid",
            |it| it.first_settled_at = Some(at(date(2023, 9, 1))),
            Verdict::BeforeLookBack,
        ),
        ("l same accident", |it| it.accident_at = at(date(2024, 1, 1)), Verdict::SameAccident),
        ("m paid, not closed", |it| it.closed_at = None, Verdict::Counted),
        ("n zero", |it| (it.paid, it.counts) = (Fen::ZERO, false), Verdict::NothingPaid),
    ];
    let mut input = renewal(Region::Jiangsu, family_car(), 3);
    for (code, change, _) in &changes {
        let mut record = claim(CI, code, date(2024, 9, 1));
        // One accident each, so that none stands for another, but the first for "l".
        let day = i32::try_from(input.history.claims.len()).unwrap();
        let accident = date(2024, 1, 1).saturating_add(jiff::Span::new().days(day));
        record.accident_at = at(accident);
        change(&mut record);
        input.history.claims.push(record);
    }
    input.history.claims.push(claim(PolicyClass::Commercial, "z", date(2024, 9, 1)));
    input.history.claims.reverse();
    let rating = compulsory(&input);
    let found: Vec<(&str, Verdict)> =
        rating.claims.iter().map(|claim| (claim.claim_code.as_str(), claim.verdict)).collect();
    let expected = changes.map(|(code, _, verdict)| (code, verdict));
    assert_eq!(found, expected);
    assert_eq!(rating.accident.code.as_deref(), Some("E5"));
    input.transferred_on = Some(date(2024, 12, 1));
    let silenced = compulsory(&input);
    assert!(silenced.claims.iter().all(|claim| claim.verdict == Verdict::NotFloating));
    assert_eq!(silenced.claims.len(), changes.len());
}

#[test]
fn claims_of_the_former_owner_do_not_float() {
    // Sold on 2023-09-01, new policy from 2024-03-01; the old accident is paid in its year.
    let mut input = renewal(Region::Jiangsu, family_car(), 2);
    input.history.policies[1].transferred_at = Some(at(date(2023, 9, 1)));
    let mut record = claim(CI, "c", date(2024, 6, 1));
    record.accident_at = at(date(2023, 8, 31));
    input.history.claims = vec![record];
    let rating = compulsory(&input);
    assert_eq!(rating.claims[0].verdict, FloatVerdict::BeforeTransfer);
    assert_eq!(rating.accident.code.as_deref(), Some("E1"));
}

#[test]
fn a_rating_without_claims_is_stored_as_before() {
    let rating = compulsory(&renewal(Region::Jiangsu, family_car(), 1));
    let text = serde_json::to_string(&rating).unwrap();
    assert!(!text.contains("claims"), "{text}");
    assert_eq!(serde_json::from_str::<CompulsoryRating>(&text).unwrap(), rating);
}

#[test]
fn an_accident_counts_once_though_its_claims_are_paid_in_two_years() {
    let mut input = renewal(Region::Jiangsu, family_car(), 2);
    let one = claim(CI, "a", date(2023, 9, 1));
    let mut other = claim(CI, "b", date(2024, 9, 1));
    other.accident_at = one.accident_at;
    input.history.claims = vec![other, one];
    let rating = compulsory(&input);
    let verdicts: Vec<FloatVerdict> = rating.claims.iter().map(|claim| claim.verdict).collect();
    assert_eq!(verdicts, [FloatVerdict::Counted, FloatVerdict::SameAccident]);
    // The accident is of the year before; the last year is clean.
    assert_eq!(rating.accident.code.as_deref(), Some("E1"));
}

#[test]
fn policies_side_by_side_are_one_year() {
    let mut input = renewal(Region::Jiangsu, family_car(), 1);
    let mut duplicate = policy(CI, date(2024, 3, 1));
    duplicate.issued_at = at(date(2024, 2, 25));
    duplicate.ended_early = Some(at(date(2024, 4, 1)));
    input.history.policies.push(duplicate);
    for _ in 0..2 {
        let rating = compulsory(&input);
        assert_eq!(
            (rating.no_float.as_slice(), rating.accident.code.as_deref()),
            (&[][..], Some("E1"))
        );
        input.history.policies.reverse();
    }
}

#[test]
fn limits_are_handed_to_adjustment_as_they_are() {
    let limits = CompulsoryLimits::from(TARIFF.limits(date(2020, 9, 19)).unwrap());
    let amounts = FeeType::ALL.iter().map(|&fee| limits.of(fee).to_string());
    let expected = ["180000.00", "18000.00", "2000.00", "18000.00", "1800.00", "100.00"];
    assert_eq!(amounts.collect::<Vec<_>>(), expected);
}

#[test]
fn two_claims_of_one_accident_are_one_accident() {
    let mut input = renewal(Region::Jiangsu, family_car(), 1);
    let one = claim(CI, "a", date(2024, 9, 1));
    let mut other = one.clone();
    other.claim_code = "b".to_owned();
    other.insurer = crate::market::insurer("PAIC");
    input.history.claims = vec![one, other];
    assert_eq!(compulsory(&input).accident.code.as_deref(), Some("E4"));
}

#[test]
fn short_term_cover_pays_by_begun_months_and_gets_no_discount() {
    let with = |to, reason, claims: usize| {
        let mut input = renewal(Region::Jiangsu, family_car(), 3);
        let asked = input.compulsory.as_mut().unwrap();
        asked.period = period(date(2025, 3, 1), to);
        asked.short_term = Some(reason);
        let days = [date(2024, 5, 1), date(2024, 11, 1)];
        let claims = days.iter().take(claims);
        input.history.claims = claims.map(|day| claim(CI, &day.to_string(), *day)).collect();
        compulsory(&input).premium
    };
    use ShortTermReason as Reason;
    assert_eq!(with(date(2025, 3, 2), Reason::NearScrapping, 0), yuan("95.00"));
    assert_eq!(with(date(2025, 7, 2), Reason::NearScrapping, 0), yuan("475.00"));
    assert_eq!(with(date(2025, 7, 1), Reason::Regulator, 2), yuan("418.00"));
    assert_eq!(with(date(2025, 7, 1), Reason::TemporaryRoadUse, 2), yuan("380.00"));
}

#[test]
fn a_period_that_is_no_year_needs_a_reason() {
    let mut input = renewal(Region::Jiangsu, family_car(), 0);
    input.compulsory.as_mut().unwrap().period = period(date(2025, 3, 1), date(2025, 7, 1));
    assert_eq!(refused(&input), [("L02", "/compulsory/period".to_owned())]);
}

#[test]
fn drink_driving_before_the_rule_or_undecided_does_not_count() {
    let mut input = renewal(Region::Beijing, family_car(), 1);
    let mut pending = violation(ViolationKind::DrunkDriving, date(2024, 8, 8));
    pending.decided_at = None;
    let mut ancient = violation(ViolationKind::DrinkDriving, date(2024, 8, 8));
    ancient.at = at(date(2010, 2, 28));
    input.history.violations = Some(vec![pending, ancient]);
    assert_eq!(compulsory(&input).premium, yuan("807.50"));
    let drink = violation(ViolationKind::DrinkDriving, date(2024, 8, 8));
    input.history.violations = Some(vec![drink]);
    assert_eq!(compulsory(&input).violation.rate, decimal("0.15"));
}

#[test]
fn the_fund_gets_its_share_of_the_premium() {
    let rating = compulsory(&renewal(Region::Jiangsu, family_car(), 0));
    assert_eq!((rating.fund_rate, rating.fund_amount), (decimal("0.01"), yuan("9.50")));
}

#[test]
fn limits_follow_the_day_of_the_accident() {
    let of = |day| TARIFF.limits(day).map(|limits| limits.at_fault.death_disability);
    assert_eq!(of(date(2020, 9, 18)), Some(yuan("110000")));
    assert_eq!(of(date(2020, 9, 19)), Some(yuan("180000")));
    assert_eq!(of(date(2006, 6, 30)), None);
    let now = TARIFF.limits(date(2025, 1, 1)).unwrap().no_fault;
    assert_eq!(
        [now.death_disability, now.medical, now.property],
        ["18000", "1800", "100"].map(yuan)
    );
}

#[test]
fn declared_figures_must_agree() {
    let mut input = renewal(Region::Jiangsu, family_car(), 3);
    input.declared.compulsory_base = Some(yuan("1000"));
    input.declared.compulsory_premium = Some(yuan("665.01"));
    input.declared.accident_code = Some("E2".to_owned());
    input.declared.tax = Some(yuan("300"));
    let pointer = |field: &str| format!("/declared/{field}");
    let expected = [
        ("L05", pointer("compulsoryBase")),
        ("L06", pointer("compulsoryPremium")),
        ("L07", pointer("accidentCode")),
    ];
    assert_eq!(refused(&input), expected);
    input.declared = Default::default();
    input.history.policies.clear();
    input.declared.accident_code = Some("E3".to_owned());
    assert_eq!(refused(&input), [("L08", pointer("accidentCode"))]);
}

#[test]
fn a_discount_claimed_for_short_term_cover_is_told_as_such() {
    let mut input = renewal(Region::Jiangsu, family_car(), 3);
    let asked = input.compulsory.as_mut().unwrap();
    asked.period = period(date(2025, 3, 1), date(2025, 7, 1));
    asked.short_term = Some(ShortTermReason::NearScrapping);
    input.declared.accident_code = Some("E3".to_owned());
    assert_eq!(refused(&input), [("L10", "/declared/accidentCode".to_owned())]);
    input.declared.accident_code = None;
    assert_eq!(compulsory(&input).premium, yuan("380.00"));
}

#[test]
fn the_trace_names_rows_and_roundings() {
    let rating = compulsory(&renewal(Region::Jiangsu, family_car(), 3));
    let base = rating.trace.step("basePremium").unwrap();
    let row = base.row.as_ref().unwrap();
    assert_eq!((row.file.as_str(), row.line), ("compulsory_base_premium.csv", 2));
    let float = rating.trace.step("accidentFloat").unwrap();
    assert_eq!(float.reason.as_deref(), Some("E3"));
    let premium = rating.trace.step("premium").unwrap();
    assert_eq!(premium.rounded.as_deref(), Some("fen"));
    let text = serde_json::to_string(&rating).unwrap();
    assert!(
        text.contains(r#""rateKey":"fam_lt6""#) && text.contains(r#""amount":"665.00""#),
        "{text}"
    );
    assert_eq!(serde_json::from_str::<CompulsoryRating>(&text).unwrap(), rating);
}

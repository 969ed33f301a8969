//! Vehicle tax: the worked examples and rules T01-T18.

use jiff::civil::date;
use kernel::Fen;
use production_core::region::Region;
use production_core::vehicle::{Category, Fuel, Usage, VehicleFacts};
use production_rating::{
    RatingInput, ShortTermReason, TaxCondition, TaxDerate, TaxInput, TaxItem, TaxRating,
    TaxReceipt, tax_change,
};

use crate::market::{
    at, decimal, family_car, period, quote, rated, refused, with_compulsory, with_covers,
    year_from, yuan,
};

fn tax(input: &RatingInput) -> TaxRating {
    rated(input).tax.unwrap()
}

fn plain(region: Region, vehicle: VehicleFacts) -> RatingInput {
    with_compulsory(quote(region, vehicle))
}

fn truck(category: Category, usage: Usage, curb_weight_kg: &str) -> VehicleFacts {
    let mut truck = VehicleFacts::new(category, usage, Fuel::Diesel, 2);
    truck.curb_weight_kg = Some(decimal(curb_weight_kg));
    truck.first_registered_on = Some(date(2020, 3, 1));
    truck
}

fn bought_in_august(mut vehicle: VehicleFacts, region: Region) -> RatingInput {
    vehicle.new_vehicle = true;
    vehicle.first_registered_on = None;
    vehicle.invoiced_on = Some(date(2025, 8, 15));
    let mut input = plain(region, vehicle);
    input.quoted_at = at(date(2025, 8, 18));
    input.issued_on = date(2025, 8, 18);
    input.compulsory.as_mut().unwrap().period = year_from(date(2025, 8, 19));
    input
}

#[test]
fn the_worked_examples_come_out_to_the_fen() {
    let beijing = tax(&bought_in_august(family_car(), Region::Beijing));
    assert_eq!((beijing.total, beijing.current.months), (yuan("175.00"), 5));

    let truck_weight = truck(Category::Truck2To5, Usage::CommercialTruck, "4495");
    assert_eq!(tax(&plain(Region::Beijing, truck_weight)).total, yuan("431.52"));

    let trailer = truck(Category::Trailer5To10, Usage::CommercialTrailer, "9300");
    let mut trailer = quote(Region::Tianjin, trailer);
    trailer.tax = Some(TaxInput::default());
    let liability =
        production_core::cover::CoverRequest::of(production_core::cover::Cover::ThirdParty);
    let trailer = with_covers(trailer, vec![liability.limit(yuan("500000"))]);
    assert_eq!(tax(&trailer).total, yuan("446.40"));

    // Shandong: 360 for 1.0 to 1.6 litres.
    let mut saving = family_car();
    saving.energy_saving_listed = true;
    let saving = tax(&bought_in_august(saving, Region::Shandong));
    assert_eq!((saving.total, saving.condition), (yuan("75.00"), TaxCondition::Reduced));

    let mut two_litres = family_car();
    two_litres.displacement_cc = Some(1_998);
    let mut short = plain(Region::Beijing, two_litres);
    let asked = short.compulsory.as_mut().unwrap();
    asked.period = period(date(2025, 3, 15), date(2025, 6, 20));
    asked.short_term = Some(ShortTermReason::NearScrapping);
    let short = tax(&short);
    assert_eq!((short.current.annual, short.total), (yuan("480"), yuan("160.00")));

    let mut late = plain(Region::Beijing, family_car());
    late.quoted_at = at(date(2026, 3, 20));
    late.issued_on = date(2026, 3, 20);
    late.compulsory.as_mut().unwrap().period = year_from(date(2026, 3, 21));
    late.tax = Some(TaxInput { unpaid_years: vec![2025], ..TaxInput::default() });
    let late = tax(&late);
    assert_eq!(late.condition, TaxCondition::Arrears);
    assert_eq!((late.arrears[0].late_days, late.late_fee), (79, yuan("16.59")));
    assert_eq!(late.total, yuan("856.59"));
}

#[test]
fn a_band_ends_with_its_upper_edge() {
    let of = |cc| {
        let mut car = family_car();
        car.displacement_cc = Some(cc);
        tax(&plain(Region::Jiangsu, car)).total
    };
    let taxes = [1_000, 1_001, 1_600, 1_601, 4_000, 4_001].map(of);
    assert_eq!(taxes, ["120", "300", "300", "360", "2400", "3600"].map(yuan));
}

#[test]
fn what_the_law_does_not_tax_costs_nothing() {
    let mut electric = family_car();
    electric.fuel = Fuel::Electric;
    electric.displacement_cc = None;
    let mut visitor = plain(Region::Jiangsu, family_car());
    let asked = visitor.compulsory.as_mut().unwrap();
    asked.period = period(date(2025, 3, 1), date(2025, 3, 20));
    asked.short_term = Some(ShortTermReason::TemporaryEntry);
    let cases = [(plain(Region::Jiangsu, electric), "T09"), (visitor, "T18")];
    for (input, rule) in cases {
        let tax = tax(&input);
        assert_eq!((tax.total, tax.condition), (Fen::ZERO, TaxCondition::Exempt));
        assert_eq!(tax.trace.step("notTaxable").unwrap().reason.as_deref(), Some(rule));
    }
}

#[test]
fn plug_in_and_electric_work_vehicles_are_exempt() {
    let mut plug_in = family_car();
    plug_in.fuel = Fuel::Hybrid;
    plug_in.plug_in = true;
    let mut van = truck(Category::TruckUnder2, Usage::NonCommercialTruck, "1800");
    van.fuel = Fuel::Electric;
    for vehicle in [plug_in, van] {
        let tax = tax(&plain(Region::Jiangsu, vehicle));
        assert_eq!((tax.total, tax.condition), (Fen::ZERO, TaxCondition::Exempt));
        assert_eq!(tax.trace.step("reduction").unwrap().reason.as_deref(), Some("T08"));
    }
}

#[test]
fn proof_of_payment_or_exemption_must_be_whole() {
    let receipt = TaxReceipt {
        number: "3322".into(),
        authority: "国家税务总局南京市税务局".into(),
        year: 2025,
        variant: false,
    };
    let mut input = plain(Region::Jiangsu, family_car());
    let with = |paid: TaxReceipt| Some(TaxInput { paid: Some(paid), ..TaxInput::default() });
    input.tax = with(receipt.clone());
    let paid = tax(&input);
    assert_eq!((paid.condition, paid.total), (TaxCondition::Paid, Fen::ZERO));
    input.tax = with(TaxReceipt { variant: true, ..receipt.clone() });
    assert_eq!(tax(&input).condition, TaxCondition::PaidVariant);
    input.tax = with(TaxReceipt { number: " ".into(), year: 2024, ..receipt });
    let pointers = ["/tax/paid", "/tax/paid/year"].map(|pointer| ("L27", pointer.to_owned()));
    assert_eq!(refused(&input), pointers);

    let derate = |code: &str, document: &str| {
        let (code, document) = (code.to_owned(), document.to_owned());
        let authority = "南京市税务局".to_owned();
        let derate = Some(TaxDerate { code, document, authority });
        Some(TaxInput { derate, ..TaxInput::default() })
    };
    input.tax = derate("military_police", "A1");
    assert_eq!(tax(&input).condition, TaxCondition::Exempt);
    input.tax = derate("disaster", "A1");
    assert_eq!(tax(&input).total, yuan("150.00"));
    input.tax = derate("friendship", "");
    let pointers = ["/tax/derate", "/tax/derate/code"].map(|pointer| ("L27", pointer.to_owned()));
    assert_eq!(refused(&input), pointers);
}

#[test]
fn a_refused_tax_is_shown_but_not_collected() {
    let mut input = plain(Region::Jiangsu, family_car());
    input.tax = Some(TaxInput { refused: true, ..TaxInput::default() });
    let tax = tax(&input);
    assert_eq!(tax.condition, TaxCondition::Refused);
    assert_eq!((tax.current.due, tax.total), (yuan("300.00"), Fen::ZERO));
}

#[test]
fn arrears_are_charged_by_the_table_of_their_year() {
    let mut car = family_car();
    car.first_registered_on = Some(date(2016, 7, 1));
    car.displacement_cc = Some(1_998);
    let mut input = plain(Region::Guangdong, car);
    input.tax =
        Some(TaxInput { unpaid_years: vec![2018, 2016, 2017, 2015], ..TaxInput::default() });
    let tax = tax(&input);
    let arrears: Vec<(i16, u8, Fen)> =
        tax.arrears.iter().map(|year| (year.year, year.months, year.due)).collect();
    // Not yet bought in 2015, half of 2016, the dearer table up to 2017.
    let expected = [(2016, 6, yuan("210")), (2017, 12, yuan("420")), (2018, 12, yuan("360"))];
    assert_eq!(arrears, expected);
    let sum = Fen::sum(tax.arrears.iter().map(|year| year.late_fee)).unwrap();
    assert_eq!((tax.late_fee, tax.current.due), (sum, yuan("360")));
}

#[test]
fn an_unconfirmed_table_is_told() {
    let input = plain(Region::Tibet, truck(Category::Truck2To5, Usage::CommercialTruck, "3000"));
    let rating = rated(&input);
    assert_eq!(rating.tax.unwrap().total, yuan("48.00"));
    assert!(rating.notices.iter().any(|notice| notice.code == "TAX_PLACEHOLDER"));
}

#[test]
fn missing_facts_are_asked_for() {
    let mut car = family_car();
    car.displacement_cc = None;
    assert_eq!(
        refused(&plain(Region::Jiangsu, car)),
        [("L27", "/vehicle/displacementCc".to_owned())]
    );
    let mut unweighed = truck(Category::Truck2To5, Usage::CommercialTruck, "1");
    unweighed.curb_weight_kg = None;
    assert_eq!(
        refused(&plain(Region::Jiangsu, unweighed)),
        [("L27", "/vehicle/curbWeightKg".to_owned())]
    );
}

#[test]
fn the_caller_may_name_the_item_and_the_change_is_a_difference() {
    let vehicle = truck(Category::Special2, Usage::NonCommercial, "10000");
    let mut input = plain(Region::Jiangxi, vehicle);
    let special = tax(&input);
    assert_eq!((special.item, special.total), (Some(TaxItem::SpecialWorkVehicle), yuan("600")));
    input.tax = Some(TaxInput { item: Some(TaxItem::Truck), ..TaxInput::default() });
    let change = tax_change(&special, &tax(&input));
    assert_eq!((change.amount, change.formula.as_str()), (yuan("200"), "800.00 − 600.00 = 200.00"));
}

#[test]
fn tax_conditions_are_those_of_the_list() {
    let path = format!("{}/platform_code_lists.csv", crate::market::TARIFFS);
    let mut reader = csv::Reader::from_path(path).unwrap();
    let rows = reader.records().map(Result::unwrap).filter(|row| &row[0] == "tax_condition");
    let mut listed: Vec<String> = rows.map(|row| row[1].to_owned()).collect();
    use TaxCondition as Condition;
    let ours = [
        Condition::Normal,
        Condition::NormalOld,
        Condition::Reduced,
        Condition::Exempt,
        Condition::Paid,
        Condition::PaidVariant,
        Condition::Refused,
        Condition::Arrears,
    ];
    let mut written: Vec<String> = ours
        .map(|condition| serde_json::to_value(condition).unwrap().as_str().unwrap().to_owned())
        .to_vec();
    written.sort();
    listed.sort();
    assert_eq!(written, listed);
}

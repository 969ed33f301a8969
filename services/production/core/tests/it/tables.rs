use std::collections::{BTreeMap, BTreeSet};

use production_core::cover::{AppliesTo, Cover, CoverClass};
use production_core::history::ReinsureFlag;
use production_core::party::{CertificateKind, Holder};
use production_core::plate::PlateKind;
use production_core::region::Region;
use production_core::rule::Severity;
use production_core::rules::catalogue;
use production_core::vehicle::{Category, EcdemicFlag, Family, Fuel, PoliceStatus, Usage};

type Row = BTreeMap<String, String>;

/// The rows of `tariffs/<file>`, by column name.
fn rows(file: &str) -> Option<Vec<Row>> {
    let text = super::text_of(&format!("../../../tariffs/{file}"))?;
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    Some(reader.deserialize().collect::<Result<_, _>>().expect("tariff tables are well-formed CSV"))
}

/// Code to Chinese name, of rows that pass.
fn names(rows: &[Row], code: &str, name: &str) -> BTreeMap<String, String> {
    rows.iter().map(|row| (row[code].clone(), row[name].clone())).collect()
}

macro_rules! assert_list {
    ($type:ident, $published:expr) => {
        let known: BTreeMap<String, String> = $type::ALL
            .iter()
            .map(|item| (item.code().to_owned(), item.name_zh().to_owned()))
            .collect();
        assert_eq!(known, $published, stringify!($type));
    };
}

#[test]
fn regions_are_those_of_the_table() {
    let Some(rows) = rows("province_codes.csv") else { return };
    let covered: Vec<Row> =
        rows.into_iter().filter(|row| row["level_cn"] != "not covered by the platform").collect();
    let covered: Vec<Row> =
        covered.into_iter().filter(|row| !row["plate_prefix"].is_empty()).collect();
    assert_list!(Region, names(&covered, "code", "name_cn"));
    for row in &covered {
        let region = Region::parse(&row["code"]).unwrap();
        assert_eq!(region.plate_prefixes().join("|"), row["plate_prefix"]);
        assert_eq!(region.is_separately_planned(), row["separate_plan_city"] == "true");
        assert!(region.province().code().starts_with(&row["gb2260_prefix"]));
    }
}

#[test]
fn vehicle_categories_are_those_of_the_table() {
    let Some(rows) = rows("vehicle_class_codes.csv") else { return };
    assert_list!(Category, names(&rows, "code", "name_cn"));
    for row in &rows {
        let category = Category::parse(&row["code"]).unwrap();
        let family = match category.family() {
            Family::Bus => "bus",
            Family::Truck => "truck",
            Family::Trailer => "trailer",
            Family::Special => "special",
            Family::Motorcycle => "motorcycle",
            Family::Tractor => "tractor",
        };
        assert_eq!(family, row["family"], "{category}");
        let bound = |column: &str| row[column].parse::<u16>().ok();
        for (band, from, to, least) in [
            (category.seats(), "seats_min", "seats_max_excl", 1),
            (category.tonnes(), "tonnes_min", "tonnes_max_excl", 0),
        ] {
            let published = match (bound(from), bound(to)) {
                (None, None) => None,
                (from, to) => Some((from.unwrap_or(least), to.unwrap_or(u16::MAX))),
            };
            assert_eq!(band, published, "{category}");
        }
    }
}

#[test]
fn uses_are_those_of_the_table() {
    let Some(rows) = rows("usage_codes.csv") else { return };
    assert_list!(Usage, names(&rows, "code", "name_cn"));
    for row in &rows {
        let usage = Usage::parse(&row["code"]).unwrap();
        assert_eq!(usage.is_commercial(), row["commercial"].parse().ok(), "{usage}");
    }
}

#[test]
fn plate_types_are_those_of_the_table() {
    let Some(rows) = rows("plate_types.csv") else { return };
    assert_list!(PlateKind, names(&rows, "code", "name_cn"));
}

#[test]
fn certificates_are_those_of_the_table() {
    let Some(rows) = rows("certificate_types.csv") else { return };
    assert_list!(CertificateKind, names(&rows, "code", "name_cn"));
    for row in &rows {
        let kind = CertificateKind::parse(&row["code"]).unwrap();
        let holder = match kind.holder() {
            Some(Holder::Person) => "person",
            Some(Holder::Organisation) => "organisation",
            None => "any",
        };
        assert_eq!(holder, row["holder"], "{kind}");
    }
}

#[test]
fn smaller_lists_are_those_of_the_table() {
    let Some(rows) = rows("platform_code_lists.csv") else { return };
    let list = |name: &str| {
        let rows: Vec<Row> = rows.iter().filter(|row| row["list"] == name).cloned().collect();
        names(&rows, "code", "meaning_cn")
    };
    assert_list!(Fuel, list("fuel_type"));
    assert_list!(PoliceStatus, list("police_vehicle_status"));
    assert_list!(EcdemicFlag, list("ecdemic_flag"));
    assert_list!(ReinsureFlag, list("reinsure_flag"));
}

#[test]
fn covers_are_the_compulsory_one_and_the_model_clauses() {
    let Some(rows) = rows("coverage_codes.csv") else { return };
    let ours = |row: &&Row| row["code_system"] == "MODEL_CLAUSE" || row["code"] == "A02";
    let rows: Vec<Row> = rows.iter().filter(ours).cloned().collect();
    assert_list!(Cover, names(&rows, "code", "name_cn"));
    for row in &rows {
        let cover = Cover::parse(&row["code"]).unwrap();
        let class = match cover.class() {
            CoverClass::Compulsory => "compulsory",
            CoverClass::Main => "main",
            CoverClass::Additional => "additional",
        };
        assert_eq!(class, row["category"], "{cover}");
        let applies = match row["applies_to"].as_str() {
            "fuel" => AppliesTo::Fuel,
            "nev" => AppliesTo::NewEnergy,
            _ => AppliesTo::All,
        };
        assert_eq!(cover.applies_to(), applies, "{cover}");
    }
}

#[test]
fn rules_carry_the_ids_and_severities_of_the_table() {
    let Some(rows) = rows("validation_rules.csv") else { return };
    let published: BTreeMap<&str, (&str, &str)> = rows
        .iter()
        .map(|row| (row["rule_id"].as_str(), (row["severity"].as_str(), row["rule_en"].as_str())))
        .collect();
    for rule in catalogue() {
        let severity = match rule.severity {
            Severity::Error => "E",
            Severity::Warning => "W",
        };
        assert_eq!(published.get(rule.id.code()), Some(&(severity, rule.text)), "{}", rule.id);
    }
    let ours: BTreeSet<&str> = catalogue().iter().map(|rule| rule.id.code()).collect();
    let elsewhere = |id: &str| {
        let number: u8 = id[1..].parse().unwrap();
        match &id[..1] {
            "F" => number >= 28,
            "S" => number >= 13,
            _ => number >= 40,
        }
    };
    let missing: Vec<&&str> =
        published.keys().filter(|id| !ours.contains(*id) && !elsewhere(id)).collect();
    assert!(missing.is_empty(), "rules about underwriting without a check: {missing:?}");
}

//! Bundles with mistakes: every one named by file, line and column, and nothing loaded.

use std::collections::BTreeMap;
use std::path::Path;

use jiff::civil::date;
use production_core::region::Region;
use production_rating::{Parameter, Tariff, TariffError};

use crate::market::{TARIFF, TARIFFS, decimal, yuan};

fn files() -> BTreeMap<String, Vec<u8>> {
    Tariff::read_files(Path::new(TARIFFS)).unwrap()
}

/// Errors after replacing the first `old` of a file by `new`.
fn edited(file: &str, old: &str, new: &str) -> Vec<TariffError> {
    let mut files = files();
    let text = String::from_utf8(files[file].clone()).unwrap();
    assert!(text.contains(old), "{file} does not contain {old:?}");
    files.insert(file.to_owned(), text.replacen(old, new, 1).into_bytes());
    Tariff::from_files(files).expect_err("the bundle is refused")
}

#[track_caller]
fn names(errors: &[TariffError], file: &str, line: Option<u32>, column: Option<&str>, says: &str) {
    let found = errors.iter().any(|error| {
        error.file == file
            && error.line == line
            && error.column.as_deref() == column
            && error.to_string().contains(says)
    });
    let list: Vec<String> = errors.iter().map(ToString::to_string).collect();
    assert!(found, "no error in {file} line {line:?} column {column:?} says {says:?}:\n{list:#?}");
}

#[test]
fn unreadable_values_name_their_cell() {
    let file = "compulsory_base_premium.csv";
    let errors = edited(file, ",950,fixed,", ",9x50,fixed,");
    names(&errors, file, Some(2), Some("base_premium_cny"), "is not an amount in yuan");
    assert_eq!(errors.len(), 1);
    assert_eq!(
        errors[0].to_string(),
        "compulsory_base_premium.csv, line 2, column base_premium_cny: \"9x50\" is not an amount \
         in yuan; write yuan with at most two decimals"
    );
    let errors = edited(file, "2008-02-01", "2008-02-30");
    names(&errors, file, Some(2), Some("effective_from"), "is not a date");
    let errors = edited("depreciation.csv", "0.006", "0,006");
    names(&errors, "depreciation.csv", Some(2), None, "fields");
}

#[test]
fn unknown_codes_name_their_cell() {
    let errors = edited("compulsory_regions.csv", "110000,", "110001,");
    names(&errors, "compulsory_regions.csv", Some(3), Some("regions"), "not a region");
    let errors = edited("compulsory_base_premium.csv", ",210,11,", ",210,19,");
    let file = "compulsory_base_premium.csv";
    names(&errors, file, Some(2), Some("vehicle_category_codes"), "\"19\" is not a known code");
    let errors = edited("compulsory_regions.csv", "北京市,Beijing,D", "北京市,Beijing,F");
    names(&errors, "compulsory_regions.csv", Some(3), Some("scheme"), "not a known scheme");
    let errors = edited("additional_covers.csv", "X02", "X99");
    names(&errors, "additional_covers.csv", Some(2), Some("code"), "not an additional cover");
    let errors = edited("pricing_parameters.csv", "fund_share", "fun_share");
    names(&errors, "pricing_parameters.csv", Some(19), Some("parameter"), "not a known code");
}

#[test]
fn overlaps_gaps_and_duplicates_are_found() {
    let file = "compulsory_limits.csv";
    let errors = edited(file, "2008-01-31", "2008-02-01");
    names(&errors, file, Some(4), Some("effective_from"), "overlaps that of line 2");
    let file = "compulsory_short_period.csv";
    let errors = edited(file, "\n3,4,40", "\n3.5,4,40");
    names(&errors, file, Some(5), Some("months_from"), "leave a gap from 3 (line 4) to 3.5");
    let errors = edited(file, "\n3,4,40", "\n2,4,40");
    names(&errors, file, Some(5), Some("months_from"), "overlaps that of line 4");
    let file = "vehicle_tax.csv";
    let errors = edited(file, "PC7,4.0,,", "PC7,4.0,9.0,");
    names(&errors, file, Some(8), Some("displacement_l_max_incl"), "gap above 9");
    let file = "ncd_levels.csv";
    let errors = edited(file, "NAT2020,-3", "NAT2020,-4");
    names(&errors, file, Some(3), Some("scheme"), "is already on line 2");
    let file = "pricing_parameters.csv";
    let errors = edited(file, "2023-05-31", "2023-06-01");
    names(&errors, file, Some(3), Some("effective_from"), "overlaps that of line 2");
}

#[test]
fn contradictions_between_tables_are_found() {
    let errors = edited("vehicle_tax.csv", ",300,2012", ",30,2012");
    names(&errors, "vehicle_tax.csv", Some(2), Some("annual_tax_cny"), "statutory range");
    let errors = edited("compulsory_limits.csv", ",60000,", ",60001,");
    names(&errors, "compulsory_limits.csv", Some(2), Some("total_cny"), "not the sum");
    let errors = edited("ncd_schemes.csv", "NAT2020,", "NAT2021,");
    names(&errors, "ncd_schemes.csv", Some(2), Some("scheme"), "no level 0");
    let file = "commercial_classes.csv";
    let errors = edited(file, "220,12", "220,11|12");
    names(&errors, file, Some(4), Some("vehicle_category_codes"), "already classed on line 3");
}

#[test]
fn missing_columns_files_and_provenance_are_found() {
    let errors = edited("compulsory_float.csv", "float_pct", "float_percent");
    names(&errors, "compulsory_float.csv", Some(1), Some("float_pct"), "the column is missing");
    let errors = edited("ncd_schemes.csv", ",false\n", ",no\n");
    names(&errors, "ncd_schemes.csv", Some(2), Some("from_memory"), "not a known code");

    let mut without = files();
    without.remove("vehicle_tax.csv");
    without.insert("stray.csv".to_owned(), b"a\n".to_vec());
    let errors = Tariff::from_files(without).unwrap_err();
    names(&errors, "vehicle_tax.csv", None, None, "the bundle lacks it");
    names(&errors, "stray.csv", None, None, "does not list");

    let errors = edited("manifest.toml", "kind = \"scratch\"", "kind = \"scrach\"");
    assert!(errors[0].file == "manifest.toml" && errors[0].line.is_some(), "{errors:?}");
    let mut latin = files();
    latin.insert("hull_deductible.csv".to_owned(), vec![b'a', b'\n', 0xff]);
    let errors = Tariff::from_files(latin).unwrap_err();
    names(&errors, "hull_deductible.csv", Some(2), None, "not readable");
    assert!(Tariff::from_files(BTreeMap::new()).is_err());
}

#[test]
fn all_mistakes_are_told_at_once() {
    let mut files = files();
    for (file, old, new) in [
        ("compulsory_limits.csv", "8000", "8OOO"),
        ("depreciation.csv", "combustion", "steam"),
        ("vehicle_tax_due.csv", ",12,31", ",13,31"),
    ] {
        let text = String::from_utf8(files[file].clone()).unwrap().replacen(old, new, 1);
        files.insert(file.to_owned(), text.into_bytes());
    }
    let errors = Tariff::from_files(files).unwrap_err();
    names(&errors, "compulsory_limits.csv", Some(2), Some("medical_cny"), "not an amount");
    names(&errors, "depreciation.csv", Some(2), Some("powertrain"), "not a known code");
    names(&errors, "vehicle_tax_due.csv", Some(2), Some("due_day"), "not a day of the year");
}

#[test]
fn a_bundle_has_a_version_and_a_digest_of_its_contents() {
    let crlf = files()
        .into_iter()
        .map(|(name, bytes)| {
            let text = String::from_utf8(bytes).unwrap().replace('\n', "\r\n");
            (name, text.into_bytes())
        })
        .collect();
    let same = Tariff::from_files(crlf).unwrap().published_as("2025-03");
    assert_eq!((same.version(), same.digest()), ("2025-03", TARIFF.digest()));
    assert_eq!(TARIFF.version(), "unpublished");
    assert_eq!(TARIFF.digest().len(), 64);
}

#[test]
fn a_diff_names_rows_and_cells() {
    let mut changed = files();
    let file = "vehicle_tax.csv".to_owned();
    let text = String::from_utf8(changed[&file].clone()).unwrap();
    changed.insert(file.clone(), text.replacen(",300,2012", ",240,2012", 1).into_bytes());
    let file = "hull_deductible.csv".to_owned();
    let text = String::from_utf8(changed[&file].clone()).unwrap();
    let kept: Vec<&str> = text.lines().filter(|line| !line.starts_with("2000,")).collect();
    changed.insert(file, (kept.join("\n") + "\n").into_bytes());
    let changed = Tariff::from_files(changed).unwrap();
    let changes = Tariff::diff(&TARIFF, &changed);
    assert_eq!(changes.len(), 2);
    assert_eq!((changes[0].old_line, changes[0].new_line), (Some(6), None));
    let cell = &changes[1].cells[0];
    let told = (cell.column.as_str(), cell.old.as_str(), cell.new.as_str());
    assert_eq!(told, ("annual_tax_cny", "300", "240"));
    assert!(Tariff::diff(&TARIFF, &TARIFF).is_empty());
}

#[test]
fn rows_from_memory_and_synthetic_ones_are_listed() {
    let rows = TARIFF.unconfirmed();
    let synthetic = rows.iter().filter(|row| row.synthetic);
    assert!(synthetic.clone().any(|row| row.file == "commercial_pure_risk_SYNTHETIC.csv"));
    assert!(rows.iter().any(|row| row.file == "ncd_schemes.csv" && row.from_memory));
    assert!(rows.iter().all(|row| row.line > 1 && !row.source.is_empty()));
}

#[test]
fn parameters_are_found_by_region_fuel_and_day() {
    let of = |parameter, region, day| TARIFF.parameter(parameter, region, false, day);
    let sichuan = of(Parameter::ChannelCoefficient, Region::Sichuan, date(2019, 1, 1)).unwrap();
    assert_eq!(sichuan.min, Some(decimal("0.65")));
    let elsewhere = of(Parameter::ChannelCoefficient, Region::Hunan, date(2019, 1, 1)).unwrap();
    assert_eq!(elsewhere.min, Some(decimal("0.75")));
    assert_eq!(of(Parameter::ChannelCoefficient, Region::Hunan, date(2021, 1, 1)), None);
    let window = of(Parameter::QuoteWindowDays, Region::Hunan, date(2025, 1, 1)).unwrap();
    assert_eq!(window.value, Some(decimal("90")));
    assert_eq!(yuan("1").yuan(), decimal("1.00"));
}

//! Proposed relativities in a bundle: what begins, what ends, and what no tariff takes.

use std::collections::BTreeMap;
use std::path::Path;

use jiff::civil::{Date, date};
use kernel::Fen;
use production_core::cover::{Cover, CoverRequest};
use production_core::region::Region;
use production_rating::{Proposal, RatingInput, Tariff, TariffError, rate};

use crate::market::{TARIFFS, family_car, liability, quote, with_covers, year_from, yuan};

const HEAD: &str = "table,column,level,where,times,relativity,source\n";
const FROM: Date = date(2026, 1, 1);

fn files() -> BTreeMap<String, Vec<u8>> {
    Tariff::read_files(Path::new(TARIFFS)).unwrap()
}

fn proposed(lines: &str) -> Result<BTreeMap<String, Vec<u8>>, Vec<TariffError>> {
    let file = format!("{HEAD}{lines}");
    Proposal::parse("relativities.csv", file.as_bytes())?.applied(&files(), FROM)
}

#[track_caller]
fn tariff(lines: &str) -> Tariff {
    let files = proposed(lines).unwrap_or_else(|errors| panic!("{errors:#?}"));
    Tariff::from_files(files).unwrap_or_else(|errors| panic!("{errors:#?}"))
}

/// Pure risk of a family car in a region, for a year from a day.
fn pure(tariff: &Tariff, region: Region, from: Date, cover: CoverRequest) -> Fen {
    let mut input: RatingInput = with_covers(quote(region, family_car()), vec![cover]);
    input.commercial.as_mut().unwrap().period = year_from(from);
    rate(tariff, &input).unwrap().commercial.unwrap().covers[0].pure_risk
}

#[test]
fn a_proposal_holds_for_covers_from_its_day_and_old_ones_keep_their_rate() {
    let lines = "pure_risk,,,class_key=fam_lt6|ent_lt6;cover=TPL,0.9,,run 7\n\
                 pure_risk,class_key,fam_lt6,class_key=fam_lt6|ent_lt6;cover=TPL,1.222222,1.2222,run 7\n\
                 pure_risk,class_key,ent_lt6,class_key=fam_lt6|ent_lt6;cover=TPL,1,1,run 7\n";
    let new = tariff(lines);
    let million = || liability("1000000");
    let jiangsu = Region::Jiangsu;
    assert_eq!(pure(&new, jiangsu, date(2025, 12, 31), million()), yuan("1284.40"));
    // 1284.40 · 0.9 · 1.222222.
    assert_eq!(pure(&new, jiangsu, FROM, million()), yuan("1412.84"));
    let hull = || CoverRequest::of(Cover::Hull);
    let old = Tariff::from_files(files()).unwrap();
    assert_eq!(pure(&new, jiangsu, FROM, hull()), pure(&old, jiangsu, FROM, hull()));
    let changes = Tariff::diff(&old, &new);
    // Of two classes at seven limits each, the old row ends and a new one begins.
    let table = "commercial_pure_risk_SYNTHETIC.csv";
    let rows = String::from_utf8(files()[table].clone()).unwrap();
    let meant = |row: &&str| row.starts_with("TPL,fam_lt6,") || row.starts_with("TPL,ent_lt6,");
    let meant = rows.lines().filter(meant).count();
    assert_eq!(changes.len(), 2 * meant);
    assert!(changes.iter().all(|change| change.file == table));
    let begun = changes.iter().filter(|change| change.old_line.is_none()).count();
    assert_eq!(begun, meant);
    let text = String::from_utf8(proposed(lines).unwrap()[table].clone()).unwrap();
    let row = text.lines().find(|row| row.contains("1412.84")).unwrap();
    assert!(row.contains("run 7; 1.1 times line") && row.contains("2026-01-01,,"), "{row}");
    assert!(text.contains("1284.40,,*,2020-09-19,2025-12-31,"));
}

#[test]
fn a_regional_relativity_splits_rows_and_bands_stay_whole() {
    // Own damage of the first year alone, dearer in two regions.
    let place = "cover=HULL;class_key=fam_lt6;vehicle_age_years_min=2";
    let lines = format!(
        "pure_risk,regions,110000,{place},1.2,,run\npure_risk,regions,310000,{place},1.2,,run\n\
         pure_risk,regions,320000,{place},1,,run\n"
    );
    let new = tariff(&lines);
    let old = Tariff::from_files(files()).unwrap();
    let hull = || CoverRequest::of(Cover::Hull);
    let aged = |tariff: &Tariff, region, from| pure(tariff, region, from, hull());
    // Age 2 to 6, base and rate by a fifth more: 436.02 + 0.010374 · 150,000.
    let from = date(2026, 2, 1);
    let dearer = aged(&new, Region::Beijing, from).0 - aged(&old, Region::Beijing, from).0;
    assert_eq!(aged(&new, Region::Shanghai, from).0 - aged(&old, Region::Shanghai, from).0, dearer);
    assert!(dearer > 0);
    for region in [Region::Jiangsu, Region::Xiamen] {
        assert_eq!(aged(&new, region, from), aged(&old, region, from));
    }
    // Another age of the same class is re-issued with it, unchanged.
    let text =
        String::from_utf8(proposed(&lines).unwrap()["commercial_pure_risk_SYNTHETIC.csv"].clone());
    let text = text.unwrap();
    let begun: Vec<&str> = text.lines().filter(|row| row.contains(",2026-01-01,")).collect();
    assert!(begun.iter().all(|row| row.starts_with("HULL,fam_lt6,")), "{begun:#?}");
    assert!(begun.iter().any(|row| row.contains(",436.02,0.010374,110000|310000,")), "{begun:#?}");
    assert!(begun.iter().any(|row| row.contains(",385.45,0.009165,110000|310000,")), "{begun:#?}");
}

#[test]
fn changed_no_claim_levels_are_a_scheme_of_their_own() {
    let new = tariff(
        "ncd_level,level,0,scheme=NAT2020,1,1,run\nncd_level,level,-2,scheme=NAT2020,0.95,,run\n",
    );
    let old = Tariff::from_files(files()).unwrap();
    let changes = Tariff::diff(&old, &new);
    let levels = changes.iter().filter(|change| change.file == "ncd_levels.csv").count();
    let text = String::from_utf8(files()["ncd_levels.csv"].clone()).unwrap();
    assert_eq!(levels, text.lines().filter(|row| row.starts_with("NAT2020,")).count());
    // Two rows of the scheme, all regions and Xiamen, end and begin.
    assert_eq!(changes.iter().filter(|change| change.file == "ncd_schemes.csv").count(), 4);
    let files = proposed("ncd_level,level,-2,scheme=NAT2020,0.95,,run\n").unwrap();
    let text = String::from_utf8(files["ncd_levels.csv"].clone()).unwrap();
    assert!(
        text.lines()
            .any(|row| { row.starts_with("NAT2020-20260101,-2,") && row.contains(",0.6650,") })
    );
}

#[test]
fn what_no_tariff_takes_is_refused_by_name_all_at_once() {
    let lines = "compulsory_base,rate_key,fam_lt6,,1.1,,run\npure_risk,driver_age,18,,1.1,,run\n\
                 hull_deductible,,,,1.05,,run\npure_risk,regions,999999,,1.1,,run\n\
                 pure_risk,class_key,fam_lt6,colour=red,1.1,,run\npure_risk,class_key,fam_lt6,,0,,run\n\
                 pure_risk,class_key,fam_lt6,,x,,\n";
    let errors = proposed(lines).unwrap_err();
    let found: Vec<(Option<u32>, Option<&str>)> =
        errors.iter().map(|error| (error.line, error.column.as_deref())).collect();
    let wanted = [
        (2, "table"),
        (3, "column"),
        (4, "table"),
        (5, "level"),
        (6, "where"),
        (7, "times"),
        (8, "times"),
        (8, "source"),
    ];
    assert_eq!(found, wanted.map(|(line, column)| (Some(line), Some(column))));
    assert!(
        errors[1].to_string().contains("driver_age") && errors[1].to_string().contains("class_key")
    );
    // A level the tariff does not know.
    let errors = proposed("pure_risk,class_key,spaceship,,1.1,,run\n").unwrap_err();
    assert_eq!(
        (errors.len(), errors[0].line, &errors[0].column),
        (1, Some(2), &Some("level".to_owned()))
    );
    for empty in ["", "table,column\n"] {
        assert!(Proposal::parse("relativities.csv", empty.as_bytes()).is_err());
    }
    assert!(Proposal::parse("relativities.csv", HEAD.as_bytes()).is_err());
}

//! Early warning of many groups end to end, on data whose course is known.

use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::support::{World, near, pointers, word};

/// Draws that are the same everywhere (SplitMix64).
struct Draws(u64);

impl Draws {
    fn uniform(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64
    }

    fn poisson(&mut self, mean: f64) -> u32 {
        let (mut count, mut product) = (0, self.uniform());
        while product > (-mean).exp() {
            (count, product) = (count + 1, product * self.uniform());
        }
        count
    }

    fn normal(&mut self) -> f64 {
        (0..12).map(|_| self.uniform()).sum::<f64>() - 6.0
    }
}

/// Claims of 4 insurers × 5 regions × 4 covers in 60 months, with exposure that grows, shrinks and jumps;
/// in `shifted` the frequency doubles from the month on.
fn claims(seed: u64, shifted: Option<(&str, usize)>) -> String {
    let mut draws = Draws(seed);
    let mut file = "month,insurer,region,cover,claims,years,expected\n".to_owned();
    for insurer in 0..4 {
        for region in 0..5 {
            for cover in 0..4 {
                let name = format!("i{insurer}, r{region}, c{cover}");
                let frequency = 0.03 + 0.01 * f64::from(insurer) + 0.005 * f64::from(cover);
                for month in 0..60_usize {
                    let season = 1.0 + 0.5 * (month as f64 / 6.0).sin();
                    let jump = if region == 2 && month >= 30 { 3.0 } else { 1.0 };
                    let years = (80.0 + 20.0 * f64::from(region)) * season * jump;
                    let times = match shifted {
                        Some((own, from)) if own == name && month >= from => 2.0,
                        _ => 1.0,
                    };
                    let mean = frequency * years;
                    let found = draws.poisson(times * mean);
                    let (year, of_year) = (2020 + month / 12, month % 12 + 1);
                    // Two rows of one group and month are added up.
                    for half in [found / 2, found - found / 2] {
                        let _ = writeln!(
                            file,
                            "{year}-{of_year:02},i{insurer},r{region},c{cover},{half},{},{}",
                            years / 2.0,
                            mean / 2.0
                        );
                    }
                }
            }
        }
    }
    file
}

fn by_expected(false_alarms: f64) -> Value {
    json!({ "period": "month", "by": ["insurer", "region", "cover"], "counts": "claims",
        "expected": "expected", "falseAlarms": false_alarms, "ratio": 1.5 })
}

fn by_exposure(false_alarms: f64) -> Value {
    json!({ "period": "month", "by": ["insurer", "region", "cover"], "counts": "claims",
        "exposure": "years", "falseAlarms": false_alarms, "ratio": 1.5, "learning": 24 })
}

#[tokio::test]
async fn false_alarms_over_all_groups_are_those_that_are_stated() {
    let world = World::new().await;
    let mut found = [0.0; 2];
    let seeds = [1, 2, 3, 4, 5, 6];
    for seed in seeds {
        let name = format!("quiet-{seed}");
        world.import(&world.picc, &json!({ "name": name }), claims(seed, None).as_bytes()).await;
        for (place, asked) in [by_expected(12.0), by_exposure(12.0)].iter().enumerate() {
            let (run, result) = world.done("watch", &name, asked).await;
            assert_eq!(run["figures"]["groups"], json!(80.0));
            let alarms = result["alarms"].as_array().unwrap().len() as f64;
            assert_eq!(run["figures"]["alarms"], json!(alarms));
            near("each", &result["falseAlarmsEach"], &json!(1.0 / 80.0), 0.0, 1e-12);
            found[place] += run["figures"]["alarms"].as_f64().unwrap();
        }
    }
    // Six times five years of expected claims, three of learnt ones, twelve alarms a year stated: at most
    // 360 and 216 beside three standard deviations of chance. Counts are whole, so they are fewer.
    let stated = [360.0, 216.0];
    for (found, stated) in found.into_iter().zip(stated) {
        assert!(found < stated + 3.0 * f64::sqrt(stated), "{found} of {stated}");
        assert!(found > 0.25 * stated, "{found} of {stated}");
    }
}

#[tokio::test]
async fn a_shift_is_found_and_exposure_that_changes_is_none() {
    let world = World::new().await;
    let shifted = claims(9, Some(("i1, r3, c2", 48)));
    world.import(&world.picc, &json!({ "name": "shifted" }), shifted.as_bytes()).await;
    for asked in [by_expected(0.5), by_exposure(0.5)] {
        let (run, result) = world.done("watch", "shifted", &asked).await;
        let alarms = result["alarms"].as_array().unwrap();
        let first = alarms.iter().rev().find(|own| own["group"] == "i1, r3, c2");
        let first = first.unwrap_or_else(|| panic!("{alarms:?}"));
        // Within the last year, in which claims doubled; some months are enough.
        assert!(word(first, "period").starts_with("2024-0"), "{first}");
        assert_eq!(first["levels"], json!(["i1", "r3", "c2"]));
        assert!(first["observed"].as_f64() > first["expected"].as_f64().map(|it| 1.2 * it));
        // Region r2 has thrice the exposure from the middle on, which is no reason for an alarm; half an
        // alarm a year over 80 groups is stated.
        let others = alarms.iter().filter(|own| own["group"] != "i1, r3, c2").count();
        assert!(others <= 7, "{alarms:?}");
        let page = String::from_utf8(world.report(&word(&run, "runId")).await.unwrap()).unwrap();
        assert!(page.contains("i1, r3, c2") && page.contains("<svg") && !page.contains("NaN"));
    }

    // Counts as they are expected, on exposure that halves, doubles and grows tenfold: never an alarm.
    let mut file = "quarter,claims,years\n".to_owned();
    let years = [100, 100, 100, 100, 50, 200, 400, 1_000, 1_000, 500, 100, 2_000];
    for (at, years) in years.into_iter().enumerate() {
        let (year, quarter) = (2022 + at / 4, at % 4 + 1);
        let _ = writeln!(file, "{year}Q{quarter},{},{years}", years / 10);
    }
    world.import(&world.picc, &json!({ "name": "growth" }), file.as_bytes()).await;
    let asked = json!({ "period": "quarter", "counts": "claims", "exposure": "years",
        "learning": 4, "falseAlarms": 1 });
    let (run, result) = world.done("watch", "growth", &asked).await;
    assert_eq!(run["figures"]["alarms"], json!(0.0));
    let points = result["charts"][0]["points"].as_array().unwrap();
    assert_eq!((points.len(), &points[0]["period"]), (8, &json!("2023Q1")));
    for point in points {
        near("expected", &point["expected"], &point["observed"], 1e-9, 0.0);
    }
}

#[tokio::test]
async fn loss_ratios_are_made_of_their_sums_and_watched_together() {
    let world = World::new().await;
    let mut draws = Draws(7);
    let mut file = "month,channel,losses,premium\n".to_owned();
    for channel in 0..40 {
        for month in 0..48_usize {
            let premium = 1_000.0 + 500.0 * ((channel * 5 + month * 3) % 11) as f64;
            let moved = if channel == 17 && month >= 40 { 2.0 } else { 0.0 };
            let losses = 0.6 * premium + 6.0 * premium.sqrt() * (draws.normal() + moved);
            let (year, of_year) = (2021 + month / 12, month % 12 + 1);
            for part in [0.25, 0.75] {
                let _ = writeln!(
                    file,
                    "{year}-{of_year:02},k{channel},{},{}",
                    part * losses,
                    part * premium
                );
            }
        }
    }
    world.import(&world.picc, &json!({ "name": "ratios" }), file.as_bytes()).await;
    let asked = json!({ "period": "month", "by": ["channel"], "numerator": "losses",
        "denominator": "premium", "learning": 12, "falseAlarms": 12 });
    let (run, result) = world.done("watch", "ratios", &asked).await;
    let alarms = result["alarms"].as_array().unwrap();
    let own =
        alarms.iter().filter(|own| own["group"] == "k17" && *word(own, "period") >= *"2024-05");
    assert!(own.count() >= 1, "{alarms:?}");
    let others = alarms.iter().filter(|own| own["group"] != "k17").count();
    // Three years at twelve a year: 36, within three and a half standard deviations.
    assert!((15..=57).contains(&others), "{others}");
    near("stated", &run["figures"]["falseAlarmsExpected"], &json!(36.0), 1e-9, 0.0);
}

#[tokio::test]
async fn what_cannot_be_watched_is_named() {
    let world = World::new().await;
    let rows = "month,region,claims,years,losses\n2024-01,a,1,10,5\n2024-02,a,0.5,10,5\n\
                2024-03,a,2,0,5\n";
    world.import(&world.picc, &json!({ "name": "odd" }), rows.as_bytes()).await;
    let wrong = json!({ "by": ["region", "region"], "counts": "claims", "expected": "years",
        "exposure": "years", "numerator": "losses", "falseAlarms": 0, "learning": 4 });
    let body = json!({ "method": "watch", "dataset": "odd", "parameters": wrong });
    let problem = world.start(&world.picc, &body).await.unwrap_err();
    let mut at = pointers(&problem);
    at.sort_unstable();
    let wanted = ["by/1", "expected", "falseAlarms", "learning", "numerator", "period"];
    assert_eq!(at, wanted.map(|member| format!("/parameters/{member}")));
    let neither =
        json!({ "method": "watch", "dataset": "odd", "parameters": { "period": "month" } });
    let problem = world.start(&world.picc, &neither).await.unwrap_err();
    assert_eq!(pointers(&problem), ["/parameters/counts"]);

    let failed = async |parameters: Value| {
        let run = world.run("watch", "odd", &parameters).await;
        let failure = &run["failure"];
        (failure["code"].clone(), failure["column"].clone())
    };
    let counts = |extra: Value| {
        let mut asked = json!({ "period": "month", "counts": "claims", "exposure": "years",
            "learning": 1 });
        asked.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        asked
    };
    assert_eq!(failed(counts(json!({}))).await, (json!("E5101"), json!("claims")));
    let rows = json!([{ "column": "claims", "least": 1 }]);
    let found = failed(counts(json!({ "rows": rows }))).await;
    assert_eq!(found, (json!("E5101"), json!("years")));
    let rows = json!([{ "column": "month", "in": ["2024-01"] }]);
    assert_eq!(failed(counts(json!({ "rows": rows }))).await, (json!("E5102"), Value::Null));
    let flat = json!({ "period": "month", "numerator": "losses", "denominator": "losses",
        "learning": 3 });
    assert_eq!(failed(flat).await, (json!("E5102"), Value::Null));
}

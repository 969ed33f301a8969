//! `make bench-score`: one claim scored with its reasons, as a claims call waits for it.
//!
//! The scorer is learnt from the public claims with all their columns and the trees a run of `fraudScore`
//! grows (four sets of 400). Every claim is scored by itself, one after another, from names and values as
//! the call has them; prints percentiles in microseconds, and the same of the walk that computes Shapley
//! values anew for each claim. The last line is `ratio=<2 ms / the 99.9th percentile>`: the part of its
//! budget a score leaves unused, twice over and more when it is above one.
#![expect(
    clippy::float_arithmetic,
    clippy::unwrap_used,
    reason = "a measurement, which ends when something is wrong"
)]

use std::collections::HashMap;
use std::hint::black_box;
use std::io::Read;
use std::path::Path;
use std::time::Instant;

use actuarial_models::glm::Frame;
use actuarial_models::scoring::{Given, Recipe};
use actuarial_models::trees::Outcomes;

/// What the score may take inside the call.
const BUDGET_US: f64 = 2_000.0;
const NUMBERS: [&str; 5] =
    ["WeekOfMonth", "WeekOfMonthClaimed", "Age", "Deductible", "DriverRating"];
const LEFT_OUT: [&str; 4] = ["FraudFound_P", "PolicyNumber", "RepNumber", "Year"];

fn main() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR"));
    let path = dir.join("../../../../shared/data/fraud/fraud_oracle.csv.gz");
    if !path.exists() {
        println!("skipped: the claims are not on this machine");
        return;
    }
    let mut text = String::new();
    let file = std::fs::File::open(path).unwrap();
    flate2::read::GzDecoder::new(file).read_to_string(&mut text).unwrap();
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let names: Vec<String> = reader.headers().unwrap().iter().map(str::to_owned).collect();
    let rows: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
    let column = |name: &str| -> Vec<&str> {
        let place = names.iter().position(|own| own == name).unwrap();
        rows.iter().map(|row| &row[place]).collect()
    };
    let used: Vec<&str> =
        names.iter().map(String::as_str).filter(|name| !LEFT_OUT.contains(name)).collect();
    let mut frame = Frame::new();
    for name in &used {
        match NUMBERS.contains(name) {
            true => {
                let values = column(name).iter().map(|text| text.parse().unwrap()).collect();
                frame.add_numbers(name, values).unwrap();
            }
            false => frame.add_texts(name, &column(name)).unwrap(),
        }
    }
    let happened: Vec<bool> = column("FraudFound_P").iter().map(|found| *found == "1").collect();
    let data = Outcomes { frame: &frame, happened: &happened, weight: None };
    let start = Instant::now();
    let scorer = Recipe::of(&used).learn(&data).unwrap();
    println!("learnt in {:.2} s", start.elapsed().as_secs_f64());
    let bytes = scorer.to_bytes();
    let start = Instant::now();
    let live = actuarial_models::scoring::Scorer::from_bytes(&bytes).unwrap().live().unwrap();
    println!("{} bytes made ready in {:.1} ms", bytes.len(), start.elapsed().as_secs_f64() * 1e3);

    let claims: Vec<HashMap<&str, Given>> = (0..rows.len())
        .map(|row| {
            let given = used.iter().map(|&name| {
                let place = names.iter().position(|own| own == name).unwrap();
                let text = &rows[row][place];
                match NUMBERS.contains(&name) {
                    true => (name, Given::Number(text.parse().unwrap())),
                    false => (name, Given::Text(text.to_owned())),
                }
            });
            given.collect()
        })
        .collect();
    let fast = times(claims.len(), |row| {
        black_box(live.score(|name| claims[row].get(name).cloned()).unwrap());
    });
    let slow = times(1_000, |row| {
        black_box(scorer.score(&frame, row).unwrap());
    });
    for (what, times) in [("ready", &fast), ("walked", &slow)] {
        println!(
            "{{\"what\":\"{what}\",\"claims\":{},\"p50_us\":{:.1},\"p99_us\":{:.1},\
             \"p999_us\":{:.1},\"most_us\":{:.1}}}",
            times.len(),
            at(times, 0.5),
            at(times, 0.99),
            at(times, 0.999),
            at(times, 1.0)
        );
    }
    println!("ratio={:.2}", BUDGET_US / at(&fast, 0.999));
}

/// How long each of so many takes, in microseconds, sorted.
fn times(count: usize, mut one: impl FnMut(usize)) -> Vec<f64> {
    let mut times: Vec<f64> = (0..count)
        .map(|row| {
            let start = Instant::now();
            one(row);
            start.elapsed().as_secs_f64() * 1e6
        })
        .collect();
    times.sort_by(f64::total_cmp);
    times
}

fn at(sorted: &[f64], part: f64) -> f64 {
    sorted[((part * sorted.len() as f64).ceil() as usize).clamp(1, sorted.len()) - 1]
}

//! `make bench-trees`: boosted trees on 610,212 policies, against LightGBM at equal deviance.
//!
//! Prints the best and the median of our fits, rows scored a second, and deviances on the rows of the
//! stored split that neither program has seen. Where a Python with LightGBM is named in
//! `LIGHTGBM_PYTHON` it fits the same rows on the same machine, with as many trees as it first needs to be
//! no worse out of sample than ours, at most as many as are best for it; the last line is
//! `ratio=<LightGBM/ours>` of the best fits.
#![expect(
    clippy::float_arithmetic,
    clippy::unwrap_used,
    reason = "a measurement, which ends when something is wrong"
)]

#[path = "support/french.rs"]
mod french;

use std::hint::black_box;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use actuarial_models::trees::{Boost, Counts};
use french::French;

const FITS: usize = 3;

const COLUMNS: [&str; 9] = [
    "VehPower",
    "VehAge",
    "DrivAge",
    "BonusMalus(raw)",
    "Density",
    "Area",
    "VehBrand",
    "VehGas",
    "Region",
];

fn main() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR"));
    let path = dir.join("../../../../shared/data/fremtpl2/freMTPL2freq.csv.gz");
    if !path.exists() {
        println!("skipped: the portfolio is not on this machine");
        return;
    }
    let (learn, test) = (French::read(&path, b"L"), French::read(&path, b"T"));
    let boost = Boost::of(&COLUMNS);
    let mut ours = vec![];
    let mut trees = None;
    for _ in 0..FITS {
        let start = Instant::now();
        trees = Some(boost.fit(&counts(&learn)).unwrap());
        ours.push(start.elapsed().as_secs_f64());
    }
    let trees = trees.unwrap();
    let mut scored = vec![];
    for _ in 0..5 {
        let start = Instant::now();
        black_box(trees.frequencies(&learn.frame).unwrap());
        scored.push(start.elapsed().as_secs_f64());
    }
    report("ours_fit", &mut ours);
    report("ours_scoring", &mut scored);
    println!("rows_scored_per_s={:.0}", learn.claims.len() as f64 / scored[0]);
    let deviance = 100.0 * trees.deviance(&counts(&test)).unwrap();
    println!("trees={} out_of_sample={deviance:.4}", trees.trees());

    let Some(python) = std::env::var_os("LIGHTGBM_PYTHON") else {
        println!("LightGBM is not installed: no ratio");
        return;
    };
    let mut run = Command::new(python);
    run.arg(dir.join("benches/time_lightgbm.py")).arg(&path).arg((deviance / 100.0).to_string());
    let run = run.output().unwrap();
    let text = String::from_utf8(run.stdout).unwrap();
    let mut theirs: Vec<f64> = text.split_whitespace().filter_map(|t| t.parse().ok()).collect();
    assert_eq!(theirs.len(), 5, "LightGBM: {}", String::from_utf8_lossy(&run.stderr));
    let other = 100.0 * theirs.pop().unwrap();
    let needed = theirs.remove(0);
    report("lightgbm_fit", &mut theirs);
    println!("lightgbm_trees={needed} lightgbm_out_of_sample={other:.4}");
    println!("ratio={:.2}", theirs[0] / ours[0]);
}

fn counts(french: &French) -> Counts<'_> {
    Counts { frame: &french.frame, claims: &french.claims, exposure: &french.exposure }
}

fn report(name: &str, times: &mut [f64]) {
    times.sort_by(f64::total_cmp);
    println!("{name}_s_min={:.4} {name}_s_median={:.4}", times[0], times[times.len() / 2]);
}

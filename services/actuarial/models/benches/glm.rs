//! `make bench-glm`: the Poisson model of 49 coefficients on 610,212 policies, against glum.
//!
//! Prints the best and the median of our fits and, where a Python with glum is named in
//! `GLUM_PYTHON`, those of its fits of the same model on the same machine, in turns; then the time
//! from the compressed file to coefficients, the memory of a fit above the table, and a Tweedie model.
//! The last line is `ratio=<glum/ours>` of the best fits.
#![expect(
    clippy::float_arithmetic,
    clippy::unwrap_used,
    reason = "a measurement of a fit, which ends when something is wrong"
)]

#[path = "support/french.rs"]
mod french;

use std::collections::HashMap;
use std::hint::black_box;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use actuarial_models::glm::{Family, Fit, Model, Observations, Term};
use french::{French, records};

const FITS: usize = 9;

fn main() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = dir.join("../../../../shared/data/fremtpl2");
    let path = folder.join("freMTPL2freq.csv.gz");
    if !path.exists() {
        println!("skipped: the portfolio is not on this machine");
        return;
    }
    let mut whole = vec![];
    for _ in 0..3 {
        let start = Instant::now();
        let french = French::read(&path, b"L");
        black_box(frequency(&french));
        whole.push(start.elapsed().as_secs_f64());
    }
    let french = French::read(&path, b"L");
    let before = status("VmRSS:");
    std::fs::write("/proc/self/clear_refs", "5").unwrap(); // the peak starts anew
    let fit = frequency(&french);
    let memory = status("VmHWM:") - before;
    let (rows, coefficients) = (fit.rows, fit.coefficients.len());
    println!("rows={rows} coefficients={coefficients} passes={}", fit.passes);

    let (mut ours, mut theirs) = (vec![], vec![]);
    for _ in 0..3 {
        for _ in 0..FITS / 3 {
            let start = Instant::now();
            black_box(frequency(&french));
            ours.push(start.elapsed().as_secs_f64());
        }
        if let Some(python) = std::env::var_os("GLUM_PYTHON") {
            let run = Command::new(python).arg(dir.join("benches/fit_glum.py")).arg(&path).output();
            let run = run.unwrap();
            let text = String::from_utf8(run.stdout).unwrap();
            let times: Vec<f64> = text.split_whitespace().filter_map(|t| t.parse().ok()).collect();
            assert!(!times.is_empty(), "glum: {}", String::from_utf8_lossy(&run.stderr));
            theirs.extend(times);
        }
    }
    let premium = pure_premium(&french, &folder.join("freMTPL2sev.csv.gz"), 100_000.0);
    let mut tweedie = vec![];
    for _ in 0..3 {
        let start = Instant::now();
        black_box(tweedie_fit(&french, &premium));
        tweedie.push(start.elapsed().as_secs_f64());
    }
    report("file_to_coefficients", &mut whole);
    println!("fit_memory_mb={:.0}", memory / 1e3);
    report("tweedie_1.5_fit", &mut tweedie);
    report("ours_fit", &mut ours);
    if theirs.is_empty() {
        println!("glum is not installed: no ratio");
    } else {
        report("glum_fit", &mut theirs);
        println!("ratio={:.2}", theirs[0] / ours[0]);
    }
}

fn report(name: &str, times: &mut [f64]) {
    times.sort_by(f64::total_cmp);
    println!("{name}_s_min={:.4} {name}_s_median={:.4}", times[0], times[times.len() / 2]);
}

/// A figure of this process in kilobytes.
fn status(name: &str) -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with(name)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

fn frequency(french: &French) -> Fit {
    let offset: Vec<f64> = french.exposure.iter().map(|exposure| exposure.ln()).collect();
    let data = Observations {
        frame: &french.frame,
        response: &french.claims,
        weight: None,
        offset: Some(&offset),
    };
    let fit = Model::log(Family::Poisson, terms()).fit(&data).unwrap();
    // The deviance every other program finds; a fast wrong fit is none.
    assert!((fit.deviance - 190_797.303_076).abs() < 1e-5, "{}", fit.deviance);
    fit
}

fn tweedie_fit(french: &French, premium: &[f64]) -> Fit {
    let data = Observations {
        frame: &french.frame,
        response: premium,
        weight: Some(&french.exposure),
        offset: None,
    };
    let mut terms = terms();
    terms.pop(); // the reference is without the area
    let fit = Model::log(Family::Tweedie { power: 1.5 }, terms).fit(&data).unwrap();
    assert!((fit.deviance / 23_810_142.709_9 - 1.0).abs() < 1e-9, "{}", fit.deviance);
    fit
}

/// Claim amounts per year of exposure, each capped.
fn pure_premium(french: &French, path: &Path, cap: f64) -> Vec<f64> {
    let mut sums = HashMap::<u64, f64>::new();
    records(path, |row| {
        let text = |cell: usize| str::from_utf8(&row[cell]).unwrap();
        let amount: f64 = text(1).parse().unwrap();
        *sums.entry(text(0).parse().unwrap()).or_default() += amount.min(cap);
    });
    let policies = french.frame.numbers("IDpol").unwrap().iter().zip(&french.exposure);
    let premium = |(policy, exposure): (&f64, &f64)| {
        sums.get(&(*policy as u64)).map_or(0.0, |sum| sum / exposure)
    };
    policies.map(premium).collect()
}

fn terms() -> Vec<Term> {
    vec![
        Term::factor("VehPowerClass", "1"),
        Term::factor("VehAgeClass", "2"),
        Term::factor("DrivAgeClass", "5"),
        Term::numeric("BonusMalus"),
        Term::factor("VehBrand", "B1"),
        Term::factor("VehGas", "Diesel"),
        Term::numeric("ln(Density)"),
        Term::factor("Region", "R24"),
        Term::numeric("Area(1..6)"),
    ]
}

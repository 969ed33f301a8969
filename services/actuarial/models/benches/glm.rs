//! `make bench-glm`: the Poisson model of 49 coefficients on 610,212 policies, against glum.
//!
//! Prints the best and the median of our fits and, where a Python with glum is named in
//! `GLUM_PYTHON`, those of its fits of the same model on the same machine, in turns; then Mack's
//! triangles per second. The last line is `ratio=<glum/ours>` of the best fits.
#![expect(
    clippy::float_arithmetic,
    clippy::unwrap_used,
    reason = "a measurement of a fit, which ends when something is wrong"
)]

use std::fs::File;
use std::hint::black_box;
use std::path::PathBuf;
use std::process::Command;
use std::thread;
use std::time::Instant;

use actuarial_models::Triangle;
use actuarial_models::glm::{Family, Frame, Model, Observations, Term};
use actuarial_models::reserving::{LastSigma, Selection, Tail, mack};

const FITS: usize = 9;

fn main() {
    let dir = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let path = dir.join("../../../../shared/data/fremtpl2/freMTPL2freq.csv.gz");
    if !path.exists() {
        println!("skipped: the portfolio is not on this machine");
        return;
    }
    let (frame, claims, offset) = portfolio(&path);
    let data =
        Observations { frame: &frame, response: &claims, weight: None, offset: Some(&offset) };
    let model = Model::log(Family::Poisson, terms());
    let mut ours = vec![];
    let mut theirs = vec![];
    for round in 0..3 {
        for _ in 0..FITS / 3 {
            let start = Instant::now();
            let fit = black_box(model.fit(&data).unwrap());
            ours.push(start.elapsed().as_secs_f64());
            // The deviance every other program finds; a fast wrong fit is none.
            assert!((fit.deviance - 190_797.303_076).abs() < 1e-5, "{}", fit.deviance);
            if round == 0 && ours.len() == 1 {
                println!(
                    "rows={} coefficients={} passes={}",
                    fit.rows,
                    fit.coefficients.len(),
                    fit.passes
                );
            }
        }
        if let Some(python) = std::env::var_os("GLUM_PYTHON") {
            let run = Command::new(python).arg(dir.join("benches/glum.py")).arg(&path).output();
            let run = run.unwrap();
            let text = String::from_utf8(run.stdout).unwrap();
            let times: Vec<f64> = text.split_whitespace().filter_map(|t| t.parse().ok()).collect();
            assert!(!times.is_empty(), "glum: {}", String::from_utf8_lossy(&run.stderr));
            theirs.extend(times);
        }
    }
    report("ours", &mut ours);
    println!("mack_triangles_per_s={:.0}", triangles());
    if theirs.is_empty() {
        println!("glum is not installed: no ratio");
    } else {
        report("glum", &mut theirs);
        println!("ratio={:.2}", theirs[0] / ours[0]);
    }
}

fn report(name: &str, times: &mut [f64]) {
    times.sort_by(f64::total_cmp);
    println!("{name}_fit_s_min={:.4} {name}_fit_s_median={:.4}", times[0], times[times.len() / 2]);
}

/// Rows of Mack's errors that all cores compute in a second.
fn triangles() -> f64 {
    let rows: Vec<Vec<Option<f64>>> = (0..10)
        .map(|origin| {
            let cell = |age: usize| {
                let paid = 1.0 - 0.6f64.powi(age as i32 + 1);
                Some(1e6 * paid * (1.0 + 0.01 * ((7 * origin + 3 * age) % 11) as f64))
            };
            (0..10 - origin).map(cell).collect()
        })
        .collect();
    let triangle = Triangle::cumulative(12, (1..=10).map(|age| 12 * age).collect(), &rows).unwrap();
    let cores = thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let each = 300_000;
    let start = Instant::now();
    thread::scope(|scope| {
        for _ in 0..cores {
            scope.spawn(|| {
                for _ in 0..each {
                    let selection = Selection::default();
                    let found =
                        mack(black_box(&triangle), &selection, LastSigma::Minimum, Tail::default());
                    black_box(found.unwrap());
                }
            });
        }
    });
    (cores * each) as f64 / start.elapsed().as_secs_f64()
}

fn terms() -> Vec<Term> {
    vec![
        Term::factor("VehPower", "4"),
        Term::factor("VehAge", "2"),
        Term::factor("DrivAge", "5"),
        Term::numeric("BonusMalus"),
        Term::factor("VehBrand", "B1"),
        Term::factor("VehGas", "Diesel"),
        Term::numeric("ln(Density)"),
        Term::factor("Region", "R24"),
        Term::numeric("Area"),
    ]
}

/// The learning part of the portfolio: columns, claims and logarithms of the exposure.
fn portfolio(path: &PathBuf) -> (Frame, Vec<f64>, Vec<f64>) {
    let mut reader =
        csv::Reader::from_reader(flate2::read::GzDecoder::new(File::open(path).unwrap()));
    let names = ["VehPower", "VehAge", "DrivAge", "VehBrand", "VehGas", "Region"];
    let mut texts: [Vec<String>; 6] = Default::default();
    let mut numbers: [Vec<f64>; 3] = Default::default();
    let (mut claims, mut offset) = (vec![], vec![]);
    for row in reader.records() {
        let row = row.unwrap();
        if &row[12] != "L" {
            continue;
        }
        let number = |column: usize| row[column].parse::<f64>().unwrap();
        claims.push(number(1).min(4.0));
        offset.push(number(2).min(1.0).ln());
        let (age, driver) = (number(5), number(6));
        let bounds = [21.0, 26.0, 31.0, 41.0, 51.0, 71.0];
        texts[0].push(number(4).min(9.0).to_string());
        texts[1].push((1 + u8::from(age >= 1.0) + u8::from(age > 10.0)).to_string());
        texts[2].push((1 + bounds.iter().filter(|bound| **bound <= driver).count()).to_string());
        texts[3].push(row[8].to_owned());
        texts[4].push(row[9].to_owned());
        texts[5].push(row[11].to_owned());
        numbers[0].push(number(7).min(150.0));
        numbers[1].push(number(10).ln());
        numbers[2].push(f64::from(row[3].as_bytes()[0] - b'A' + 1));
    }
    let mut frame = Frame::new();
    for (name, texts) in names.iter().zip(&texts) {
        frame.add_texts(name, texts).unwrap();
    }
    for (name, values) in ["BonusMalus", "ln(Density)", "Area"].iter().zip(numbers) {
        frame.add_numbers(name, values).unwrap();
    }
    (frame, claims, offset)
}

//! `make bench-reserving`: Mack's errors and bootstrapped triangles a second, against chainladder.
//!
//! The triangles are those of the back-test: paid amounts of 94 companies, ten years by ten ages. All
//! cores work, each on whole triangles. Where a Python with chainladder is named in
//! `CHAINLADDER_PYTHON` it does the same on the same machine; the last line is `ratio=<ours/theirs>`,
//! the smaller of both.
#![expect(
    clippy::float_arithmetic,
    clippy::unwrap_used,
    reason = "a measurement, which ends when something is wrong"
)]

use std::collections::BTreeMap;
use std::fs::File;
use std::hint::black_box;
use std::num::NonZero;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::Instant;

use actuarial_models::Triangle;
use actuarial_models::reserving::{Bootstrap, LastSigma, Selection, Tail, mack};

/// Rounds over all triangles in one measurement.
const ROUNDS: usize = 2000;

/// Draws of one bootstrap.
const DRAWS: usize = 10_000;

fn main() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR"));
    let shared = dir.join("../../../../shared/data");
    let path = shared.join("triangles/cas_comauto_1998_2007.csv.gz");
    if !path.exists() {
        println!("skipped: the triangles are not on this machine");
        return;
    }
    let oracle = File::open(shared.join("oracles/reserving_backtest_comauto.json")).unwrap();
    let oracle: serde_json::Value = serde_json::from_reader(oracle).unwrap();
    let companies = oracle["lines"]["comauto"]["company_results"].as_array().unwrap();
    let codes: Vec<u64> = companies.iter().map(|c| c["company"].as_u64().unwrap()).collect();
    let triangles = triangles(&path, &codes);

    let macks = best(3, || {
        on_all_cores(|_| {
            for _ in 0..ROUNDS {
                for triangle in &triangles {
                    let selection = Selection::default();
                    let found = mack(triangle, &selection, LastSigma::Minimum, Tail::default());
                    black_box(found.unwrap());
                }
            }
            ROUNDS * triangles.len()
        })
    });
    // The largest company: every pseudo triangle of it can be developed.
    let paid = |place: &usize| (0..10).map(|o| triangles[*place].latest(o).unwrap().1).sum::<f64>();
    let largest = (0..triangles.len()).max_by(|a, b| paid(a).total_cmp(&paid(b))).unwrap();
    let simulated = best(3, || {
        on_all_cores(|core| {
            for seed in 0..20 {
                let plan =
                    Bootstrap { draws: DRAWS, seed: 100 * core + seed, ..Bootstrap::default() };
                black_box(plan.run(&triangles[largest]).unwrap());
            }
            20 * DRAWS
        })
    });
    println!("triangles={} mack_triangles_per_s={macks:.0}", triangles.len());
    println!("bootstrap_triangles_per_s={simulated:.0}");

    let Some(python) = std::env::var_os("CHAINLADDER_PYTHON") else {
        println!("chainladder is not installed: no ratio");
        return;
    };
    let list = codes.iter().map(u64::to_string).collect::<Vec<_>>().join(",");
    let script = dir.join("benches/time_chainladder.py");
    let run = Command::new(python)
        .arg(script)
        .arg(&path)
        .arg(list)
        .arg(largest.to_string())
        .output()
        .unwrap();
    let text = String::from_utf8(run.stdout).unwrap();
    let theirs: Vec<f64> = text.split_whitespace().filter_map(|t| t.parse().ok()).collect();
    assert_eq!(theirs.len(), 2, "chainladder: {}", String::from_utf8_lossy(&run.stderr));
    println!("chainladder_mack_triangles_per_s={:.0}", theirs[0]);
    println!("chainladder_bootstrap_triangles_per_s={:.0}", theirs[1]);
    println!("ratio={:.0}", (macks / theirs[0]).min(simulated / theirs[1]));
}

/// The best of some measurements of pieces a second.
fn best(times: usize, measure: impl Fn() -> f64) -> f64 {
    (0..times).map(|_| measure()).fold(0.0, f64::max)
}

/// Pieces a second when every core does `work`, which says how many.
fn on_all_cores(work: impl Fn(u64) -> usize + Sync) -> f64 {
    let cores = thread::available_parallelism().map_or(1, NonZero::get);
    let start = Instant::now();
    let pieces: usize = thread::scope(|scope| {
        let work = &work;
        let running: Vec<_> =
            (0..cores as u64).map(|core| scope.spawn(move || work(core))).collect();
        running.into_iter().map(|core| core.join().unwrap()).sum()
    });
    pieces as f64 / start.elapsed().as_secs_f64()
}

/// What was known of these companies at the end of 2007.
fn triangles(path: &Path, codes: &[u64]) -> Vec<Triangle> {
    let input = flate2::read::GzDecoder::new(File::open(path).unwrap());
    let mut squares = BTreeMap::<u64, Vec<Vec<Option<f64>>>>::new();
    for row in csv::Reader::from_reader(input).records() {
        let row = row.unwrap();
        let number = |column: usize| row[column].parse::<usize>().unwrap();
        let (year, lag) = (number(2), number(4));
        if (1998..=2007).contains(&year) && (1..=10).contains(&lag) && year + lag <= 2008 {
            let square =
                squares.entry(number(0) as u64).or_insert_with(|| vec![vec![None; 10]; 10]);
            square[year - 1998][lag - 1] = Some(row[6].parse().unwrap());
        }
    }
    let ages: Vec<u32> = (1..=10).map(|year| 12 * year).collect();
    let triangle = |code| Triangle::cumulative(12, ages.clone(), &squares[code]).unwrap();
    codes.iter().map(triangle).collect()
}

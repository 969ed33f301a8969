//! Every method against figures of independent programs, read in place from the shared data.
#![expect(clippy::unwrap_used, reason = "the helpers of a test may fail it")]
#![expect(clippy::float_arithmetic, reason = "comparing floating-point figures")]

mod credibility;
mod customers;
mod fraud;
mod glm;
mod parted;
mod refusals;
mod region;
mod reserving;
mod sampled;
mod spread;
mod stops;
mod table;
mod trees;
mod warning;

use std::fs::File;
use std::path::PathBuf;

use serde_json::Value;

/// A file of the shared data; `None`, with a message, when it is absent.
fn shared(name: &str) -> Option<PathBuf> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../../shared/data").join(name);
    if !path.exists() {
        eprintln!("skipped: shared/data/{name} is not on this machine");
        return None;
    }
    Some(path)
}

/// What an independent program computed.
fn oracle(name: &str) -> Option<Value> {
    let file = File::open(shared(&format!("oracles/{name}.json"))?).unwrap();
    Some(serde_json::from_reader(file).unwrap())
}

/// A number of an oracle; where there is nothing, nothing is to come.
fn number(value: &Value) -> f64 {
    if value.is_null() { 0.0 } else { value.as_f64().unwrap() }
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(number).collect()
}

/// Fails unless `got` is `want` to `tolerance`, relative to the larger of `want` and `floor`.
#[track_caller]
fn near(what: &str, got: f64, want: f64, tolerance: f64, floor: f64) {
    let apart = (got - want).abs();
    assert!(apart <= tolerance * want.abs().max(floor), "{what}: {got} is not {want} ({apart:e})");
}

#[track_caller]
fn all_near(what: &str, got: &[f64], want: &[f64], tolerance: f64, floor: f64) {
    assert_eq!(got.len(), want.len(), "{what}: {got:?} for {want:?}");
    for (place, (got, want)) in got.iter().zip(want).enumerate() {
        near(&format!("{what}[{place}]"), *got, *want, tolerance, floor);
    }
}

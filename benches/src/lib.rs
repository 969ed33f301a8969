//! The benchmarks: the running platform over real HTTP against `pgbench` on the same cluster.
//!
//! Both sides alternate in one run on one machine, so the ratio means something where the figures
//! themselves depend on the machine. They print JSON and gate nothing. What is measured and what
//! was seen: `docs/performance.md`.

#![expect(clippy::float_arithmetic, reason = "rates and ratios of measurements, never money")]

pub mod load;
pub mod market;
pub mod pgbench;
pub mod report;
pub mod seed;
pub mod server;

use std::path::{Path, PathBuf};

/// Vehicles with a history.
pub const VEHICLES: u32 = 200_000;
/// Policies of each vehicle, one a year, the two classes taking turns.
pub const YEARS: u32 = 5;
/// Connections that call the platform.
pub const CONNECTIONS: usize = 64;

/// A whole number from the environment, `otherwise` without one.
pub fn knob(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

/// Where the seeded cluster lives from run to run; those of other schemas go.
pub fn data_dir() -> anyhow::Result<PathBuf> {
    let root = Path::new("target/bench");
    let dir = root.join(seed::mark());
    for entry in std::fs::read_dir(root).into_iter().flatten().flatten() {
        if entry.path() != dir {
            std::fs::remove_dir_all(entry.path())?;
        }
    }
    std::fs::create_dir_all(&dir)?;
    // The cluster may have to live elsewhere when its account cannot reach this place.
    Ok(pg::embedded::reachable_dir(&dir, None)?)
}

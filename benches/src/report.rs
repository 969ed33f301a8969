//! Figures and how they are printed.

use serde_json::{Value, json};

use crate::load::Round;
use crate::server::Cpu;

/// One round of ours.
#[derive(Debug)]
pub struct Ours {
    /// The calls.
    pub round: Round,
    /// CPU time they took.
    pub cpu: Cpu,
}

impl Ours {
    /// Calls a second.
    pub fn rate(&self) -> f64 {
        self.round.latencies_us.len() as f64 / self.round.took.as_secs_f64()
    }
}

/// The middle of some figures.
pub fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    match figures.len() {
        0 => 0.0,
        count if count % 2 == 1 => figures[count / 2],
        count => f64::midpoint(figures[count / 2 - 1], figures[count / 2]),
    }
}

/// Everything about our rounds but their rates.
pub fn ours(rounds: &[Ours]) -> Value {
    let mut latencies: Vec<u32> =
        rounds.iter().flat_map(|ours| ours.round.latencies_us.iter().copied()).collect();
    latencies.sort_unstable();
    let calls = latencies.len().max(1);
    let at = |per_mille: usize| {
        let place = (calls * per_mille / 1000).min(calls - 1);
        rounded(f64::from(latencies.get(place).copied().unwrap_or(0)) / 1000.0)
    };
    let per_call = |of: fn(&Cpu) -> u64| {
        let sum: u64 = rounds.iter().map(|ours| of(&ours.cpu)).sum();
        (sum as f64 / calls as f64).round()
    };
    let bytes: u64 = rounds.iter().map(|ours| ours.round.answered_bytes).sum();
    json!({
        "calls": latencies.len(),
        "latencyMs": { "p50": at(500), "p99": at(990), "p99.9": at(999) },
        "cpuUsPerCall": {
            "server": per_call(|cpu| cpu.server_us),
            "database": per_call(|cpu| cpu.database_us),
            "client": per_call(|cpu| cpu.client_us),
        },
        "bytesPerAnswer": bytes / calls as u64,
    })
}

/// A rate of calls as one of units of so many calls.
pub fn per(rate: f64, calls: usize) -> f64 {
    rate / calls as f64
}

/// To two places.
pub fn rounded(figure: f64) -> f64 {
    (figure * 100.0).round() / 100.0
}

/// Prints the object and the line everything else is for.
pub fn print(report: &Value, ours: f64, pgbench: f64) {
    println!("{}", serde_json::to_string_pretty(report).unwrap_or_default());
    println!("ratio={:.2}", ours / pgbench);
}

//! Metrics of the process, in Prometheus' text format.

use std::time::Duration;

use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};

/// Bounds for what is measured in seconds, dense around the 20 ms a call may take.
const SECONDS: [f64; 15] =
    [0.0005, 0.001, 0.002, 0.004, 0.008, 0.012, 0.016, 0.02, 0.04, 0.08, 0.16, 0.5, 1.0, 2.5, 10.0];

/// Bounds for what is counted in members: sets of coalesced calls, rows.
const MEMBERS: [f64; 11] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1024.0];

/// Between two rounds of folding raw samples into buckets.
const UPKEEP: Duration = Duration::from_secs(5);

/// Which build runs.
#[derive(Clone, Copy, Debug)]
pub struct BuildInfo {
    /// Version of the product.
    pub version: &'static str,
    /// Commit it was built from, empty when unknown.
    pub commit: &'static str,
}

/// Why there are no metrics.
#[derive(Debug, thiserror::Error)]
pub enum MetersError {
    /// A recorder stands already.
    #[error("cannot install the metrics recorder")]
    Install(#[from] BuildError),
}

/// The recorder behind the `metrics` macros. Cheap to clone.
#[derive(Clone)]
pub struct Meters(PrometheusHandle);

impl Meters {
    /// Installs the recorder for this process and tells which build runs.
    ///
    /// Names ending in `_seconds` or `_members` become histograms. Must run inside a Tokio runtime,
    /// whose end also ends the upkeep of the recorder.
    pub fn begin(build: BuildInfo) -> Result<Meters, MetersError> {
        let handle = builder()?.install_recorder()?;
        metrics::gauge!("commonwheel_build_info", "version" => build.version, "commit" => build.commit)
            .set(1.0);
        let meters = Meters(handle.clone());
        tokio::spawn(async move {
            let mut tick = tokio::time::interval(UPKEEP);
            loop {
                tick.tick().await;
                handle.run_upkeep();
            }
        });
        Ok(meters)
    }

    /// A recorder of its own, for tests: not behind the macros.
    pub fn apart() -> Meters {
        Meters(PrometheusBuilder::new().build_recorder().handle())
    }

    /// Everything measured so far, in Prometheus' text format.
    pub fn render(&self) -> String {
        self.0.render()
    }
}

impl std::fmt::Debug for Meters {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Meters")
    }
}

fn builder() -> Result<PrometheusBuilder, BuildError> {
    PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &SECONDS)?
        .set_buckets_for_metric(Matcher::Suffix("_members".to_owned()), &MEMBERS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_become_histograms() {
        let recorder = builder().unwrap().build_recorder();
        metrics::with_local_recorder(&recorder, || {
            metrics::histogram!("call_seconds").record(0.003);
        });
        let text = recorder.handle().render();
        assert!(text.contains("call_seconds_bucket{le=\"0.004\"} 1"), "{text}");
    }
}

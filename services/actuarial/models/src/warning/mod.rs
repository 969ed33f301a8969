//! Early warning: cumulative-sum charts, and how long they run before they signal.
//!
//! A chart adds up what is observed beyond a reference value and starts again from zero when nothing
//! is left; it signals when the sum passes a limit. How long that takes on average (the average run
//! length) is computed, not simulated: for normal observations by an integral equation, for counts
//! by a Markov chain that is exact. Source of both: Brook and Evans 1972; Page 1954. [`Watch`] charts
//! many groups whose expected claims change, with a stated rate of false alarms; [`RatioWatch`] does the
//! same for ratios of sums, such as losses and premium.

mod ratios;
mod watch;

use crate::linalg::solve_general;
use crate::number::{NotFinite, finite};
use crate::special::{ln_gamma, normal_cdf, normal_density};
use crate::stop::Stopped;

pub use ratios::{RatioWatch, Sums, WatchedRatio};
pub use watch::{Group, Watch, Watched};

/// Why a chart cannot be drawn.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum WarningError {
    /// An argument out of its range.
    #[error("{0} is out of range")]
    Argument(&'static str),
    /// A reference value or limit that is no simple fraction.
    #[error("reference value {reference} and limit {limit} have no common step above 1/1000")]
    Step {
        /// The reference value.
        reference: f64,
        /// The limit.
        limit: f64,
    },
    /// An observation that is no number.
    #[error("observation {0} is not a finite number")]
    Observation(usize),
    /// Expected claims of a group that are not above zero, or too many.
    #[error("expected claims of {0} cannot be watched")]
    Expected(f64),
    /// Sums that say nothing: ratios of the first periods that do not differ, volumes of nothing.
    #[error("the ratios of the first periods do not vary")]
    NoSpread,
    /// Somebody called it off.
    #[error(transparent)]
    Stopped(#[from] Stopped),
    /// No limit up to the largest tried runs so long.
    #[error("no limit runs for {0} observations on average")]
    NoLimit(f64),
    /// A result is no number.
    #[error(transparent)]
    NotFinite(#[from] NotFinite),
}

/// A one-sided chart for increases: S = max(0, S + x − reference).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cusum {
    /// What an observation must exceed to count.
    pub reference: f64,
    /// The sum that signals.
    pub limit: f64,
}

/// What is charted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Charted {
    /// Standardised observations; signals when S ≥ limit.
    Normal,
    /// Counts; signals when S > limit.
    Poisson,
}

/// One point of a chart.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    /// The sum after the observation.
    pub sum: f64,
    /// Whether it passes the limit; the sum then starts from zero.
    pub signal: bool,
}

/// Nodes of the quadrature of the integral equation.
const NODES: usize = 80;

/// Largest number of states of the Markov chain.
const STATES: usize = 2_000;

impl Cusum {
    /// The chart for counts that tells a mean of `good` from one of `bad` fastest (Lucas 1985), with
    /// the reference value rounded to a quarter so that run lengths are exact.
    pub fn between(good: f64, bad: f64, limit: f64) -> Result<Cusum, WarningError> {
        if !(good > 0.0 && bad > good && bad.is_finite()) {
            return Err(WarningError::Argument("mean"));
        }
        let best = (bad - good) / (bad / good).ln();
        let chart = Cusum { reference: (4.0 * best).round().max(1.0) / 4.0, limit };
        chart.check()?;
        Ok(chart)
    }

    /// Charts observations in their order.
    pub fn chart(&self, kind: Charted, observed: &[f64]) -> Result<Vec<Point>, WarningError> {
        self.check()?;
        let mut sum = 0.0_f64;
        let mut points = Vec::with_capacity(observed.len());
        for (index, &value) in observed.iter().enumerate() {
            if !value.is_finite() {
                return Err(WarningError::Observation(index));
            }
            sum = (sum + value - self.reference).max(0.0);
            let signal = match kind {
                Charted::Normal => sum >= self.limit,
                Charted::Poisson => sum > self.limit,
            };
            points.push(Point { sum, signal });
            if signal {
                sum = 0.0;
            }
        }
        Ok(points)
    }

    /// Average number of observations until the signal, from S = 0.
    ///
    /// For [`Charted::Normal`] observations have this mean and variance one; for
    /// [`Charted::Poisson`] they are counts with this mean, and reference value and limit must be
    /// multiples of a common step, such as a quarter.
    pub fn run_length(&self, kind: Charted, mean: f64) -> Result<f64, WarningError> {
        self.check()?;
        if !mean.is_finite() {
            return Err(WarningError::Argument("mean"));
        }
        let length = match kind {
            Charted::Normal => self.normal_length(mean),
            Charted::Poisson if mean > 0.0 => self.poisson_length(mean)?,
            Charted::Poisson => return Err(WarningError::Argument("mean")),
        };
        let length = finite(length, "average run length")?;
        // Every chart runs for one observation; less means the equations lost their digits.
        if length >= 1.0 { Ok(length) } else { Err(NotFinite("average run length").into()) }
    }

    /// The least limit (a multiple of a quarter) that runs at least `length` observations on average
    /// while the mean is `mean`.
    pub fn with_length(
        kind: Charted,
        reference: f64,
        mean: f64,
        length: f64,
    ) -> Result<Cusum, WarningError> {
        for quarters in 1..=200 {
            let chart = Cusum { reference, limit: 0.25 * f64::from(quarters) };
            if chart.run_length(kind, mean)? >= length {
                return Ok(chart);
            }
        }
        Err(WarningError::NoLimit(length))
    }

    fn check(&self) -> Result<(), WarningError> {
        if !(self.limit > 0.0 && self.limit.is_finite()) {
            return Err(WarningError::Argument("limit"));
        }
        if self.reference.is_finite() {
            Ok(())
        } else {
            Err(WarningError::Argument("reference value"))
        }
    }

    /// L(s) = 1 + L(0)·P(x ≤ k − s) + ∫ L(u)·φ(u + k − s) du over 0..h, at Gauss–Legendre nodes.
    fn normal_length(&self, mean: f64) -> f64 {
        let nodes = gauss_legendre(NODES);
        let half = 0.5 * self.limit;
        // Unknowns: L at zero, then at the nodes.
        let places: Vec<f64> =
            [0.0].into_iter().chain(nodes.iter().map(|(x, _)| half * (1.0 + x))).collect();
        let size = places.len();
        let mut system = vec![0.0; size * size];
        for (row, &from) in places.iter().enumerate() {
            let line = &mut system[row * size..(row + 1) * size];
            line[0] = -normal_cdf(self.reference - from - mean);
            for (column, (x, weight)) in nodes.iter().enumerate() {
                let to = half * (1.0 + x);
                line[column + 1] =
                    -half * weight * normal_density(to + self.reference - from - mean);
            }
            line[row] += 1.0;
        }
        solve_general(&mut system, vec![1.0; size])[0]
    }

    /// The chain over the multiples of the step from zero to the limit.
    fn poisson_length(&self, mean: f64) -> Result<f64, WarningError> {
        let step = self.step()?;
        let (jump, last) = (step.0, step.1);
        let (reference, per_count) = (jump, step.2);
        let size = last + 1;
        if size > STATES {
            return Err(WarningError::Argument("number of states of the chart"));
        }
        // P(x = n) and P(x ≤ n), as far as a signal may need.
        let most = (last + reference) / per_count + 1;
        let chance = |n: usize| (n as f64 * mean.ln() - mean - ln_gamma(n as f64 + 1.0)).exp();
        let chances: Vec<f64> = (0..=most).map(chance).collect();
        let mut system = vec![0.0; size * size];
        for from in 0..size {
            for (count, chance) in chances.iter().enumerate() {
                let to = (from + count * per_count).saturating_sub(reference);
                if to <= last {
                    system[from * size + to] -= chance;
                }
            }
            system[from * size + from] += 1.0;
        }
        Ok(solve_general(&mut system, vec![1.0; size])[0])
    }

    /// Reference value, limit and one, in the largest common step (1, 1/2, … 1/1000).
    fn step(&self) -> Result<(usize, usize, usize), WarningError> {
        let whole = |value: f64| (value - value.round()).abs() < 1e-9;
        if self.reference >= 0.0 {
            for parts in 1..=1000_usize {
                let (reference, limit) = (self.reference * parts as f64, self.limit * parts as f64);
                if whole(reference) && whole(limit) {
                    return Ok((reference.round() as usize, limit.round() as usize, parts));
                }
            }
        }
        Err(WarningError::Step { reference: self.reference, limit: self.limit })
    }
}

/// Nodes and weights on −1..1, by Newton's steps on the Legendre polynomial.
fn gauss_legendre(count: usize) -> Vec<(f64, f64)> {
    let n = count as f64;
    (0..count)
        .map(|index| {
            let mut x = (std::f64::consts::PI * (index as f64 + 0.75) / (n + 0.5)).cos();
            let mut slope = 1.0;
            for _ in 0..100 {
                let (mut before, mut value) = (0.0, 1.0);
                for k in 0..count {
                    let k = k as f64;
                    (before, value) =
                        (value, ((2.0 * k + 1.0) * x * value - k * before) / (k + 1.0));
                }
                slope = n * (x * value - before) / (x * x - 1.0);
                let step = value / slope;
                x -= step;
                if step.abs() < 1e-15 {
                    break;
                }
            }
            (x, 2.0 / ((1.0 - x * x) * slope * slope))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chart_signals_where_the_sum_passes_the_limit_and_starts_again() {
        let chart = Cusum { reference: 2.0, limit: 3.0 };
        let counts = [1.0, 4.0, 3.0, 5.0, 2.0, 9.0];
        let points = chart.chart(Charted::Poisson, &counts).unwrap();
        let sums: Vec<f64> = points.iter().map(|point| point.sum).collect();
        assert_eq!(sums, [0.0, 2.0, 3.0, 6.0, 0.0, 7.0]);
        let signals: Vec<bool> = points.iter().map(|point| point.signal).collect();
        assert_eq!(signals, [false, false, false, true, false, true]);
        // At the limit itself, normal observations signal.
        assert!(chart.chart(Charted::Normal, &counts).unwrap()[2].signal);
    }

    #[test]
    fn a_chart_that_signals_at_any_count_runs_as_long_as_a_geometric_wait() {
        // Reference 0, limit 1/2: the first claim signals, so the mean wait is 1/(1 − e^−m).
        let chart = Cusum { reference: 0.0, limit: 0.5 };
        let length = chart.run_length(Charted::Poisson, 0.3).unwrap();
        assert!((length - 1.0 / (1.0 - (-0.3f64).exp())).abs() < 1e-12);
    }

    #[test]
    fn charts_are_designed_for_a_run_length() {
        let chart = Cusum::between(2.0, 4.0, 5.0).unwrap();
        assert_eq!(chart.reference, 3.0); // 2 / ln 2 = 2.885
        let found = Cusum::with_length(Charted::Poisson, 3.0, 2.0, 400.0).unwrap();
        // The oracle of run lengths has 412 for a limit of 5.
        assert_eq!(found.limit, 5.0);
        let step = Cusum { reference: 0.1234567, limit: 1.0 }.run_length(Charted::Poisson, 1.0);
        assert!(matches!(step, Err(WarningError::Step { .. })));
    }
}

//! Whether predictive distributions kept their word: outcomes against what was predicted.
//!
//! If the distributions are right, the percentiles at which outcomes land are uniform. Two figures say
//! how far they are from that: the Kolmogorov–Smirnov distance and the share of outcomes inside
//! central intervals.

use super::ReservingError;
use crate::number::finite;
use crate::special::{normal_cdf, normal_quantile};

/// A lognormal distribution of an ultimate, by its mean and standard deviation.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Predictive {
    mean_log: f64,
    deviation_log: f64,
}

/// How well a set of predictions did.
#[derive(Clone, Debug, PartialEq)]
pub struct Calibration {
    /// Percentiles (0 to 1) at which the outcomes landed, in increasing order.
    percentiles: Vec<f64>,
}

impl Predictive {
    /// The lognormal with this mean (positive) and standard deviation (positive).
    pub fn lognormal(mean: f64, deviation: f64) -> Result<Predictive, ReservingError> {
        if !(mean > 0.0 && deviation > 0.0) {
            return Err(ReservingError::Argument("mean or deviation of a prediction"));
        }
        let variance = finite((deviation / mean).powi(2).ln_1p(), "variance of a prediction")?;
        Ok(Predictive { mean_log: mean.ln() - 0.5 * variance, deviation_log: variance.sqrt() })
    }

    /// The part of the distribution below `outcome`; 0 for an outcome that is not positive.
    pub fn percentile(&self, outcome: f64) -> f64 {
        let positive = outcome > 0.0;
        if positive { normal_cdf((outcome.ln() - self.mean_log) / self.deviation_log) } else { 0.0 }
    }

    /// The amount that a part `p` (strictly between 0 and 1) of the distribution lies below.
    pub fn quantile(&self, p: f64) -> Result<f64, ReservingError> {
        if !(p > 0.0 && p < 1.0) {
            return Err(ReservingError::Argument("p"));
        }
        let log = self.mean_log + normal_quantile(p) * self.deviation_log;
        Ok(finite(log.exp(), "quantile")?)
    }
}

impl Calibration {
    /// Percentiles in any order, each from 0 to 1; at least one.
    pub fn of(mut percentiles: Vec<f64>) -> Result<Calibration, ReservingError> {
        let fit = percentiles.iter().all(|p| (0.0..=1.0).contains(p)) && !percentiles.is_empty();
        if !fit {
            return Err(ReservingError::Argument("percentiles"));
        }
        percentiles.sort_by(f64::total_cmp);
        Ok(Calibration { percentiles })
    }

    /// Largest distance between the percentiles' distribution and the uniform one.
    pub fn distance(&self) -> f64 {
        let count = self.percentiles.len() as f64;
        let steps = self.percentiles.iter().enumerate();
        let apart = steps.map(|(rank, p)| {
            let (before, after) = (rank as f64 / count, (rank + 1) as f64 / count);
            (p - before).max(after - p)
        });
        apart.fold(0.0, f64::max)
    }

    /// The distance that right distributions stay below nineteen times out of twenty.
    ///
    /// Stephens' form of the Kolmogorov–Smirnov limit, good from five outcomes on.
    pub fn limit(&self) -> f64 {
        let root = (self.percentiles.len() as f64).sqrt();
        1.358 / (root + 0.12 + 0.11 / root)
    }

    /// The share of outcomes in the central `part` of their distributions.
    pub fn inside(&self, part: f64) -> f64 {
        let edge = 0.5 * (1.0 - part);
        let within = self.percentiles.iter().filter(|p| (edge..=1.0 - edge).contains(*p));
        within.count() as f64 / self.percentiles.len() as f64
    }
}

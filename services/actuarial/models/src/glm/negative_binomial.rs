//! The negative binomial model with its α estimated from the data.
//!
//! Coefficients and α are nearly independent, so they take turns: a fit at the present α, then
//! Newton's steps on the likelihood of α at the present means, until neither moves.

use super::{Family, Fit, GlmError, Model, Observations};
use crate::number::finite;
use crate::special::{digamma, trigamma};
use crate::stop::Stop;

/// Turns after which it is given up.
const TURNS: usize = 50;

/// A fit with its α.
#[derive(Clone, Debug)]
pub struct NegativeBinomialFit {
    /// The fit at that α.
    pub fit: Fit,
    /// Variance is μ + α·μ².
    pub alpha: f64,
}

impl Model {
    /// Fits the negative binomial model with the terms of this one, whatever its family.
    ///
    /// Fails with [`GlmError::NoInformation`] when counts vary no more than Poisson's, for which no α
    /// above zero is best.
    pub fn fit_negative_binomial(
        &self,
        data: &Observations<'_>,
    ) -> Result<NegativeBinomialFit, GlmError> {
        self.fit_negative_binomial_until(data, Stop::NEVER)
    }

    /// The same, unless it is called off, which is asked before every pass.
    pub fn fit_negative_binomial_until(
        &self,
        data: &Observations<'_>,
        stop: Stop<'_>,
    ) -> Result<NegativeBinomialFit, GlmError> {
        let poisson = Model { family: Family::Poisson, ..self.clone() };
        let (_, mut means) = poisson.fit_here(data, stop)?;
        let mut alpha = by_moments(data, &means)?;
        for _ in 0..TURNS {
            stop.ask()?;
            let next = most_likely(data, &means, alpha)?;
            let model = Model { family: Family::NegativeBinomial { alpha: next }, ..self.clone() };
            let (mut fit, now) = model.fit_here(data, stop)?;
            if (next - alpha).abs() <= 1e-9 * next {
                fit.means = Some(now);
                return Ok(NegativeBinomialFit { fit, alpha: next });
            }
            (alpha, means) = (next, now);
        }
        Err(GlmError::NoConvergence(TURNS))
    }
}

/// Where α starts: Σ((y − μ)² − μ) / Σμ².
fn by_moments(data: &Observations<'_>, means: &[f64]) -> Result<f64, GlmError> {
    let (mut over, mut squares) = (0.0, 0.0);
    for (row, (y, mean)) in data.response.iter().zip(means).enumerate() {
        let weight = data.weight.map_or(1.0, |weight| weight[row]);
        over += weight * ((y - mean).powi(2) - mean);
        squares += weight * mean * mean;
    }
    let alpha = finite(over / squares, "alpha")?;
    if alpha > 0.0 { Ok(alpha) } else { Err(GlmError::NoInformation) }
}

/// The most likely α at these means, by Newton's steps on its logarithm.
fn most_likely(data: &Observations<'_>, means: &[f64], start: f64) -> Result<f64, GlmError> {
    let mut log = start.ln();
    for _ in 0..100 {
        let (slope, curvature) = derivatives(data, means, log.exp());
        // Where the likelihood is not concave, go uphill by a fixed step.
        let step = if curvature < 0.0 { -slope / curvature } else { slope.signum() };
        log += step.clamp(-1.0, 1.0);
        if !log.is_finite() || log < -25.0 {
            return Err(GlmError::NoInformation);
        }
        if step.abs() < 1e-12 {
            return Ok(log.exp());
        }
    }
    Ok(log.exp())
}

/// First and second derivative of the log-likelihood in ln α.
fn derivatives(data: &Observations<'_>, means: &[f64], alpha: f64) -> (f64, f64) {
    // In the size 1/α first; ln α turns the sign.
    let size = 1.0 / alpha;
    let (psi, psi1) = (digamma(size), trigamma(size));
    let (mut first, mut second) = (0.0, 0.0);
    for (row, (&y, &mean)) in data.response.iter().zip(means).enumerate() {
        let weight = data.weight.map_or(1.0, |weight| weight[row]);
        let (rise, bend) = match y {
            0.0 => (0.0, 0.0),
            1.0 => (1.0 / size, -1.0 / (size * size)),
            _ => (digamma(y + size) - psi, trigamma(y + size) - psi1),
        };
        let whole = size + mean;
        let excess = (y - mean) / whole;
        first += weight * (rise - (mean / size).ln_1p() - excess);
        second += weight * (bend + mean / (size * whole) + excess / whole);
    }
    (-size * first, size * first + size * size * second)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::glm::Frame;

    #[test]
    fn the_derivatives_are_those_of_the_likelihood() {
        let (response, means) = ([0.0, 1.0, 4.0, 2.0], [0.5, 1.5, 2.0, 2.5]);
        let frame = Frame::new();
        let data = Observations { frame: &frame, response: &response, weight: None, offset: None };
        let likelihood = |log: f64| -> f64 {
            let family = Family::NegativeBinomial { alpha: log.exp() };
            let rows = response.iter().zip(&means);
            rows.map(|(y, mean)| family.log_density(*y, *mean, 1.0, 1.0).unwrap()).sum()
        };
        let (log, step) = (-0.7_f64, 1e-4);
        let (slope, curvature) = derivatives(&data, &means, log.exp());
        let (low, mid, high) = (likelihood(log - step), likelihood(log), likelihood(log + step));
        assert!(((high - low) / (2.0 * step) - slope).abs() < 1e-7);
        assert!(((high - 2.0 * mid + low) / (step * step) - curvature).abs() < 1e-5);
    }
}

//! The negative binomial model with its α estimated from the data.
//!
//! Coefficients and α are nearly independent, so they take turns: a fit at the present α, then
//! Newton's steps on the likelihood of α at the present means, until neither moves.

use super::{Family, Fit, GlmError, Model, Observations};
use crate::number::{NotFinite, finite};
use crate::special::{digamma, trigamma};
use crate::stop::{Stop, Stopped};

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

/// Rows that take turns, wherever they lie.
pub(crate) trait Turns {
    type Error: From<GlmError> + From<NotFinite> + From<Stopped>;

    /// Fits the model with this family; its means are those of the sums that follow.
    fn fit(&mut self, family: Family) -> Result<Fit, Self::Error>;

    /// What the means of the last fit say about α.
    fn shape(&mut self, alpha: f64) -> Result<Shape, Self::Error>;
}

/// What responses and their means say about α.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Shape {
    /// Σ weight × ((y − μ)² − μ).
    pub(crate) over: f64,
    /// Σ weight × μ².
    pub(crate) squares: f64,
    /// First and second derivative of the log-likelihood in the size 1/α.
    pub(crate) first: f64,
    pub(crate) second: f64,
}

/// An α, and what is the same for all rows with it.
#[derive(Clone, Copy)]
pub(crate) struct Size {
    size: f64,
    psi: f64,
    psi1: f64,
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
        let mut here = Here { model: self, data, stop, means: vec![] };
        let mut found = take_turns(&mut here, stop)?;
        found.fit.means = Some(here.means);
        Ok(found)
    }
}

/// Fits and looks for α in turns.
pub(crate) fn take_turns<T: Turns>(
    rows: &mut T,
    stop: Stop<'_>,
) -> Result<NegativeBinomialFit, T::Error> {
    rows.fit(Family::Poisson)?;
    let Shape { over, squares, .. } = rows.shape(1.0)?;
    let mut alpha = finite(over / squares, "alpha")?;
    // Counts that vary no more than Poisson's.
    if alpha <= 0.0 {
        return Err(GlmError::NoInformation.into());
    }
    for _ in 0..TURNS {
        stop.ask()?;
        let next = most_likely(rows, alpha)?;
        let fit = rows.fit(Family::NegativeBinomial { alpha: next })?;
        if (next - alpha).abs() <= 1e-9 * next {
            return Ok(NegativeBinomialFit { fit, alpha: next });
        }
        alpha = next;
    }
    Err(GlmError::NoConvergence(TURNS).into())
}

/// The most likely α at the present means, by Newton's steps on its logarithm.
fn most_likely<T: Turns>(rows: &mut T, start: f64) -> Result<f64, T::Error> {
    let mut log = start.ln();
    for _ in 0..100 {
        let (slope, curvature) = rows.shape(log.exp())?.derivatives(log.exp());
        // Where the likelihood is not concave, go uphill by a fixed step.
        let step = if curvature < 0.0 { -slope / curvature } else { slope.signum() };
        log += step.clamp(-1.0, 1.0);
        if !log.is_finite() || log < -25.0 {
            return Err(GlmError::NoInformation.into());
        }
        if step.abs() < 1e-12 {
            return Ok(log.exp());
        }
    }
    Ok(log.exp())
}

impl Size {
    pub(crate) fn of(alpha: f64) -> Size {
        let size = 1.0 / alpha;
        Size { size, psi: digamma(size), psi1: trigamma(size) }
    }
}

impl Shape {
    /// Adds a row.
    pub(crate) fn take(&mut self, y: f64, mean: f64, weight: f64, at: Size) {
        let Size { size, psi, psi1 } = at;
        let (rise, bend) = match y {
            0.0 => (0.0, 0.0),
            1.0 => (1.0 / size, -1.0 / (size * size)),
            _ => (digamma(y + size) - psi, trigamma(y + size) - psi1),
        };
        let whole = size + mean;
        let excess = (y - mean) / whole;
        self.over += weight * ((y - mean).powi(2) - mean);
        self.squares += weight * mean * mean;
        self.first += weight * (rise - (mean / size).ln_1p() - excess);
        self.second += weight * (bend + mean / (size * whole) + excess / whole);
    }

    pub(crate) fn add(&mut self, other: Shape) {
        self.over += other.over;
        self.squares += other.squares;
        self.first += other.first;
        self.second += other.second;
    }

    /// First and second derivative of the log-likelihood in ln α.
    fn derivatives(self, alpha: f64) -> (f64, f64) {
        let size = 1.0 / alpha;
        // ln α turns the sign.
        (-size * self.first, size * self.first + size * size * self.second)
    }
}

/// Rows at hand.
struct Here<'a> {
    model: &'a Model,
    data: &'a Observations<'a>,
    stop: Stop<'a>,
    means: Vec<f64>,
}

impl Turns for Here<'_> {
    type Error = GlmError;

    fn fit(&mut self, family: Family) -> Result<Fit, GlmError> {
        let model = Model { family, ..self.model.clone() };
        let (fit, means) = model.fit_here(self.data, self.stop)?;
        self.means = means;
        Ok(fit)
    }

    fn shape(&mut self, alpha: f64) -> Result<Shape, GlmError> {
        let (mut shape, size) = (Shape::default(), Size::of(alpha));
        for (row, (&y, &mean)) in self.data.response.iter().zip(&self.means).enumerate() {
            let weight = self.data.weight.map_or(1.0, |weight| weight[row]);
            shape.take(y, mean, weight, size);
        }
        Ok(shape)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_derivatives_are_those_of_the_likelihood() {
        let (response, means) = ([0.0, 1.0, 4.0, 2.0], [0.5, 1.5, 2.0, 2.5]);
        let likelihood = |log: f64| -> f64 {
            let family = Family::NegativeBinomial { alpha: log.exp() };
            let rows = response.iter().zip(&means);
            rows.map(|(y, mean)| family.log_density(*y, *mean, 1.0, 1.0).unwrap()).sum()
        };
        let (log, step) = (-0.7_f64, 1e-4);
        let mut shape = Shape::default();
        let rows = response.iter().zip(&means);
        rows.for_each(|(y, mean)| shape.take(*y, *mean, 1.0, Size::of(log.exp())));
        let (slope, curvature) = shape.derivatives(log.exp());
        let (low, mid, high) = (likelihood(log - step), likelihood(log), likelihood(log + step));
        assert!(((high - low) / (2.0 * step) - slope).abs() < 1e-7);
        assert!(((high - 2.0 * mid + low) / (step * step) - curvature).abs() < 1e-5);
    }
}

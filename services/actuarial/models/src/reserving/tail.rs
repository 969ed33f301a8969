//! Development beyond the oldest age of the triangle.

use super::{Development, ReservingError};
use crate::number::finite;

/// What is still to come after the oldest age. The default is nothing.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tail {
    /// Factor from the oldest age to the ultimate.
    pub factor: f64,
    /// σ of that step, in Mack's sense.
    pub sigma: f64,
    /// Standard error of the factor.
    pub factor_error: f64,
}

/// How age-to-age factors are taken to go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TailCurve {
    /// f − 1 falls by the same ratio with every step: e^(a + b·k).
    Exponential,
    /// f − 1 falls with a power of the step: a·k^b.
    InversePower,
}

/// Which factors a curve is fitted to, and how far it is followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TailFit {
    /// The curve.
    pub curve: TailCurve,
    /// Steps before this one are left out of the fit.
    pub from_step: usize,
    /// So many steps beyond the triangle are multiplied up.
    pub steps: usize,
}

impl Default for Tail {
    fn default() -> Tail {
        Tail { factor: 1.0, sigma: 0.0, factor_error: 0.0 }
    }
}

impl Tail {
    /// A factor somebody decided, taken to be certain.
    pub fn certain(factor: f64) -> Tail {
        Tail { factor, ..Tail::default() }
    }
}

impl TailFit {
    /// Continues the factors of `development` and multiplies up what lies beyond it.
    ///
    /// Least squares on ln(f − 1) over the factors above one; steps count from one. The tail carries
    /// no error: nothing in the triangle says how wrong the curve is.
    pub fn fit(&self, development: &Development) -> Result<Tail, ReservingError> {
        let points: Vec<(f64, f64)> = development
            .factors
            .iter()
            .enumerate()
            .skip(self.from_step)
            .filter(|&(_, &factor)| factor > 1.0)
            .map(|(step, factor)| (self.curve.scale(step), (factor - 1.0).ln()))
            .collect();
        if points.len() < 2 {
            return Err(ReservingError::NoVariation);
        }
        let (start, slope) = line(&points);
        let first = development.factors.len();
        let factor: f64 = (first..first + self.steps)
            .map(|step| 1.0 + (start + slope * self.curve.scale(step)).exp())
            .product();
        Ok(Tail::certain(finite(factor, "tail factor")?))
    }
}

impl TailCurve {
    fn scale(self, step: usize) -> f64 {
        let step = (step + 1) as f64;
        match self {
            TailCurve::Exponential => step,
            TailCurve::InversePower => step.ln(),
        }
    }
}

/// Intercept and slope of the least-squares line through at least two points.
pub(crate) fn line(points: &[(f64, f64)]) -> (f64, f64) {
    let n = points.len() as f64;
    let mean_x = points.iter().map(|point| point.0).sum::<f64>() / n;
    let mean_y = points.iter().map(|point| point.1).sum::<f64>() / n;
    let spread: f64 = points.iter().map(|point| (point.0 - mean_x).powi(2)).sum();
    let joint: f64 = points.iter().map(|point| (point.0 - mean_x) * (point.1 - mean_y)).sum();
    let slope = joint / spread;
    (mean_y - slope * mean_x, slope)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reserving::Average;

    fn development(factors: Vec<f64>) -> Development {
        let (sigmas, weights) = (vec![None; factors.len()], vec![1.0; factors.len()]);
        Development { average: Average::Volume, factors, sigmas, weights }
    }

    #[test]
    fn a_curve_that_holds_exactly_is_followed_exactly() {
        let halves = development(vec![1.5, 1.25, 1.125]);
        let fit = TailFit { curve: TailCurve::Exponential, from_step: 0, steps: 2 };
        assert!((fit.fit(&halves).unwrap().factor - 1.0625 * 1.03125).abs() < 1e-12);
        // 0.5 / k²: the fourth and fifth steps are 1/32 and 1/50.
        let powers = development(vec![1.5, 1.125, 1.0 + 1.0 / 18.0]);
        let fit = TailFit { curve: TailCurve::InversePower, from_step: 0, steps: 2 };
        assert!((fit.fit(&powers).unwrap().factor - (33.0 / 32.0) * (51.0 / 50.0)).abs() < 1e-12);
    }

    #[test]
    fn one_factor_above_one_fits_no_curve() {
        let flat = development(vec![1.5, 1.0, 1.0]);
        let fit = TailFit { curve: TailCurve::Exponential, from_step: 0, steps: 5 };
        assert_eq!(fit.fit(&flat), Err(ReservingError::NoVariation));
    }
}

//! Ridge, lasso and what lies between them.

use super::GlmError;
use crate::linalg::Symmetric;

/// What is added to half the deviance: `l1`·Σ|β| + `l2`/2·Σβ², over all coefficients but the intercept.
///
/// Coefficients are those of the columns as given; who wants them on one scale scales the columns.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Penalty {
    /// Weight of the absolute values: the lasso.
    pub l1: f64,
    /// Weight of half the squares: ridge.
    pub l2: f64,
}

/// Rounds of coordinate descent after which it is given up.
const ROUNDS: usize = 100_000;

impl Penalty {
    /// Whether anything is added at all.
    pub fn is_none(&self) -> bool {
        self.l1 == 0.0 && self.l2 == 0.0
    }

    pub(crate) fn check(&self) -> Result<(), GlmError> {
        let fit = |weight: f64| weight >= 0.0 && weight.is_finite();
        if fit(self.l1) && fit(self.l2) { Ok(()) } else { Err(GlmError::Argument("penalty")) }
    }

    /// What is added for coefficients that were multiplied by `scales`.
    pub(crate) fn of(&self, fitted: &[f64], scales: &[f64]) -> f64 {
        let each = fitted.iter().zip(scales).skip(1).map(|(beta, scale)| {
            let beta = beta / scale;
            self.l1 * beta.abs() + 0.5 * self.l2 * beta * beta
        });
        each.sum()
    }

    /// The step that minimises the quadratic ½·sᵀHs − gᵀs with the penalty at `from + s`.
    pub(crate) fn step(
        &self,
        information: &Symmetric,
        score: &[f64],
        from: &[f64],
        scales: &[f64],
    ) -> Result<Vec<f64>, GlmError> {
        if self.l1 == 0.0
            && let Some(step) = self.ridge_step(information, score, from, scales)
        {
            return Ok(step);
        }
        let count = score.len();
        let mut step = vec![0.0; count];
        // Slope of the quadratic, kept up to date.
        let mut slope = score.to_vec();
        for _ in 0..ROUNDS {
            let mut most = 0.0_f64;
            for j in 0..count {
                let curvature = information.at(j, j);
                let (l1, l2) = match j {
                    0 => (0.0, 0.0),
                    _ => (self.l1 / scales[j], self.l2 / (scales[j] * scales[j])),
                };
                if curvature + l2 <= 0.0 {
                    continue; // nothing says anything about this column
                }
                let now = from[j] + step[j];
                let wanted = slope[j] + curvature * now;
                let next = wanted.signum() * (wanted.abs() - l1).max(0.0) / (curvature + l2);
                let change = next - now;
                if change != 0.0 {
                    step[j] += change;
                    (0..count).for_each(|k| slope[k] -= information.at(k, j) * change);
                    most = most.max(change.abs() * (curvature + l2).sqrt());
                }
            }
            if most < 1e-11 {
                return Ok(step);
            }
        }
        Err(GlmError::NoConvergence(ROUNDS))
    }
}

impl Penalty {
    /// The same step without absolute values, which is one system: (H + λ)s = g − λβ. `None` when that
    /// has no single answer.
    fn ridge_step(
        &self,
        information: &Symmetric,
        score: &[f64],
        from: &[f64],
        scales: &[f64],
    ) -> Option<Vec<f64>> {
        let mut system = information.clone();
        let mut right = score.to_vec();
        for j in 1..score.len() {
            let ridge = self.l2 / (scales[j] * scales[j]);
            system.add(j, j, ridge);
            right[j] -= ridge * from[j];
        }
        let factor = system.cholesky(1e-14).ok()?;
        Some(factor.solve(&right))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lasso_of_orthogonal_columns_is_the_soft_threshold() {
        let mut information = Symmetric::zero(3);
        [(0, 10.0), (1, 4.0), (2, 4.0)].iter().for_each(|&(j, value)| information.add(j, j, value));
        let score = [20.0, 6.0, 1.0];
        let lasso = Penalty { l1: 2.0, l2: 0.0 };
        let step = lasso.step(&information, &score, &[0.0; 3], &[1.0; 3]).unwrap();
        assert_eq!(step, [2.0, 1.0, 0.0]);
        let ridge = Penalty { l1: 0.0, l2: 2.0 };
        let step = ridge.step(&information, &score, &[0.0; 3], &[1.0; 3]).unwrap();
        for (got, want) in step.iter().zip([2.0, 1.0, 1.0 / 6.0]) {
            assert!((got - want).abs() < 1e-15, "{step:?}");
        }
        // From where it is best already, and one coordinate at a time, ridge goes nowhere.
        let still = ridge.step(&information, &[0.0, 2.0, 2.0], &[5.0, 1.0, 1.0], &[1.0; 3]);
        assert!(still.unwrap().iter().all(|step| step.abs() < 1e-15));
    }
}

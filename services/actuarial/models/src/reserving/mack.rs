//! The chain ladder's error without a distribution (Mack 1993; weights and tail as in Mack 1999).
//!
//! Process error is what comes by chance even when the factors are right, parameter error what the
//! factors may be wrong by. Origins share the factors, so the error of the total is more than theirs
//! put together as if independent. Cost is a few passes over the cells and a handful of allocations:
//! this is run over thousands of segments at once.

use super::{ChainLadder, Development, ReservingError, Selection, Tail, chain_ladder};
use crate::number::finite;
use crate::reserving::tail::line;
use crate::triangle::Triangle;

/// Where σ comes from for steps with a single link ratio.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LastSigma {
    /// The line through ln σ of the other steps goes on.
    #[default]
    LogLinear,
    /// Mack's rule: the least of σ⁴/σ'², σ², σ'² of the two steps before.
    Minimum,
}

/// A chain ladder with its errors.
#[derive(Clone, Debug, PartialEq)]
pub struct Mack {
    /// The chain ladder.
    pub ladder: ChainLadder,
    /// σ of every step, with the rule applied where the data say nothing.
    pub sigmas: Vec<f64>,
    /// Standard error of every factor.
    pub factor_errors: Vec<f64>,
    /// Error of the reserve of each origin.
    pub origins: Vec<MackError>,
    /// Error of the reserve of all origins together.
    pub total: MackError,
}

/// Standard deviations, in the unit of the amounts.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct MackError {
    /// By chance.
    pub process: f64,
    /// By not knowing the factors.
    pub parameter: f64,
}

impl MackError {
    /// Both together: the root of the mean squared error of prediction.
    pub fn total(&self) -> f64 {
        self.process.hypot(self.parameter)
    }
}

/// Reserves `triangle` by chain ladder and says how far off that may be.
///
/// Every amount that a link ratio or a projection starts from must be positive.
pub fn mack(
    triangle: &Triangle,
    selection: &Selection,
    last: LastSigma,
    tail: Tail,
) -> Result<Mack, ReservingError> {
    positive(triangle)?;
    let development = selection.develop(triangle)?;
    let sigmas = last.complete(&development)?;
    let errors = sigmas.iter().zip(&development.weights).map(|(sigma, w)| sigma / w.sqrt());
    let factor_errors: Vec<f64> = errors.collect();
    let ladder = chain_ladder(triangle, development, tail)?;
    let mut mack =
        Mack { ladder, sigmas, factor_errors, origins: vec![], total: MackError::default() };
    mack.spread()?;
    Ok(mack)
}

impl LastSigma {
    /// σ of every step.
    pub(crate) fn complete(self, development: &Development) -> Result<Vec<f64>, ReservingError> {
        let found = &development.sigmas;
        let mut sigmas: Vec<f64> = found.iter().map(|sigma| sigma.unwrap_or(f64::NAN)).collect();
        // A single age has no step, and nothing to say about errors.
        if found.iter().all(Option::is_none) {
            return Err(ReservingError::NoVariation);
        }
        if found.iter().all(Option::is_some) {
            return Ok(sigmas);
        }
        match self {
            LastSigma::LogLinear => continue_line(&mut sigmas)?,
            LastSigma::Minimum => continue_minimum(&mut sigmas)?,
        }
        Ok(sigmas)
    }
}

impl Mack {
    /// Carries both errors along every step of every origin.
    fn spread(&mut self) -> Result<(), ReservingError> {
        let steps = self.sigmas.len();
        let mut amounts: Vec<f64> = self.ladder.origins.iter().map(|o| o.latest).collect();
        // Squared errors; roots are taken at the end.
        let mut process = vec![0.0; amounts.len()];
        let mut parameter = vec![0.0; amounts.len()];
        let mut shared = 0.0;
        let average = self.ladder.development.average;
        for step in 0..=steps {
            let (factor, sigma, error) = if step < steps {
                (self.ladder.development.factors[step], self.sigmas[step], self.factor_errors[step])
            } else {
                let tail = &self.ladder.tail;
                (tail.factor, tail.sigma, tail.factor_error)
            };
            let (factor2, sigma2, error2) = (factor * factor, sigma * sigma, error * error);
            let mut moving = 0.0;
            for (origin, projected) in self.ladder.origins.iter().enumerate() {
                if projected.age > step {
                    continue;
                }
                let amount = amounts[origin];
                let chance = amount * amount * sigma2 / average.weight(amount);
                process[origin] = factor2 * process[origin] + chance;
                parameter[origin] = factor2 * parameter[origin] + amount * amount * error2;
                amounts[origin] = amount * factor;
                moving += amount;
            }
            shared = factor2 * shared + moving * moving * error2;
        }
        let chance: f64 = process.iter().sum();
        self.total = MackError {
            process: finite(chance.sqrt(), "process error")?,
            parameter: finite(shared.sqrt(), "parameter error")?,
        };
        let errors = process.iter().zip(&parameter);
        self.origins = errors
            .map(|(process, parameter)| MackError {
                process: process.sqrt(),
                parameter: parameter.sqrt(),
            })
            .collect();
        Ok(())
    }
}

/// Refuses amounts that are divided by.
fn positive(triangle: &Triangle) -> Result<(), ReservingError> {
    for origin in 0..triangle.origins() {
        for (age, &amount) in triangle.row(origin).iter().enumerate() {
            if amount <= 0.0 {
                return Err(ReservingError::NotPositive { origin, age });
            }
        }
    }
    Ok(())
}

/// Fills gaps from the least-squares line through ln σ over the steps.
pub(crate) fn continue_line(sigmas: &mut [f64]) -> Result<(), ReservingError> {
    let points: Vec<(f64, f64)> = sigmas
        .iter()
        .enumerate()
        .filter(|&(_, &sigma)| sigma > 0.0)
        .map(|(step, sigma)| (step as f64, sigma.ln()))
        .collect();
    if points.len() < 2 {
        return Err(ReservingError::NoVariation);
    }
    let (start, slope) = line(&points);
    for (step, sigma) in sigmas.iter_mut().enumerate().filter(|(_, sigma)| sigma.is_nan()) {
        *sigma = finite((start + slope * step as f64).exp(), "sigma")?;
    }
    Ok(())
}

fn continue_minimum(sigmas: &mut [f64]) -> Result<(), ReservingError> {
    for step in 0..sigmas.len() {
        if !sigmas[step].is_nan() {
            continue;
        }
        if step < 2 {
            return Err(ReservingError::NoVariation);
        }
        let (near, far) = (sigmas[step - 1].powi(2), sigmas[step - 2].powi(2));
        let ahead = if far > 0.0 { near * near / far } else { 0.0 };
        sigmas[step] = finite(ahead.min(near).min(far).sqrt(), "sigma")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two steps; the second has one link ratio.
    fn triangle() -> Triangle {
        let rows = [vec![100.0, 150.0, 180.0], vec![200.0, 240.0], vec![300.0]];
        let rows = rows.map(|row: Vec<f64>| row.into_iter().map(Some).collect());
        Triangle::cumulative(12, vec![12, 24, 36], &rows).unwrap()
    }

    #[test]
    fn a_tail_adds_its_own_errors() {
        let line = |tail| mack(&triangle(), &Selection::default(), LastSigma::LogLinear, tail);
        // One σ is no line to continue.
        assert_eq!(line(Tail::default()), Err(ReservingError::NoVariation));
        let sigmas = [3.0, 2.0, f64::NAN];
        let mut filled = sigmas;
        continue_minimum(&mut filled).unwrap();
        assert!((filled[2] - 4.0 / 3.0).abs() < 1e-15);

        let rows = [vec![100.0, 150.0], vec![200.0, 240.0]];
        let rows = rows.map(|row: Vec<f64>| row.into_iter().map(Some).collect());
        let square = Triangle::cumulative(12, vec![12, 24], &rows).unwrap();
        let tail = Tail { factor: 1.1, sigma: 2.0, factor_error: 0.05 };
        let found = mack(&square, &Selection::default(), LastSigma::LogLinear, tail).unwrap();
        // Only the tail is ahead: process 2²·150, 2²·240; parameter 150·0.05, 240·0.05, together
        // 390·0.05.
        assert!((found.origins[0].process - 600f64.sqrt()).abs() < 1e-12);
        assert!((found.total.process - 1560f64.sqrt()).abs() < 1e-12);
        assert!((found.origins[1].parameter - 12.0).abs() < 1e-12);
        assert!((found.total.parameter - 19.5).abs() < 1e-12);
        assert!((found.ladder.reserve() - 39.0).abs() < 1e-12);
    }

    #[test]
    fn amounts_that_are_divided_by_must_be_positive() {
        let rows = [vec![Some(0.0), Some(10.0)], vec![Some(5.0), Some(9.0)]];
        let triangle = Triangle::cumulative(12, vec![12, 24], &rows).unwrap();
        let found = mack(&triangle, &Selection::default(), LastSigma::Minimum, Tail::default());
        assert_eq!(found, Err(ReservingError::NotPositive { origin: 0, age: 0 }));
    }
}

//! How far the chain ladder's ultimates may move within a year: the error of the claims development
//! result (Merz and Wüthrich 2008), and of every later year's (Merz and Wüthrich 2014).
//!
//! A year from now the same method will see one more diagonal and say another ultimate; the
//! difference is that year's profit or loss on old claims, expected to be zero. Mack's error is that of
//! all years to come together. Seen from today, moves of different years are uncorrelated, so the
//! squared errors of the years add up to Mack's squared error.
//!
//! Both follow from one thing: a diagonal whose amounts have the weights w = ΣC^α takes the variance of
//! a factor from σ²/W to σ²/(W + w). An origin that passes the step moves by its own chance and by the
//! whole of the former, all younger ones by what the latter is less.

use super::{Mack, ReservingError, Selection};
use crate::number::finite;

/// The errors of the claims development results of the years to come.
#[derive(Clone, Debug, PartialEq)]
pub struct RunOff {
    /// The next year first, until nothing moves any more; at least one.
    pub years: Vec<YearAhead>,
}

/// The error of one year's claims development result, in the unit of the amounts.
#[derive(Clone, Debug, PartialEq)]
pub struct YearAhead {
    /// By origin, oldest first; zero where nothing is left to develop.
    pub origins: Vec<f64>,
    /// Of all origins together.
    pub total: f64,
}

/// What is known of a step, as a part of the amounts that pass it.
#[derive(Clone, Copy)]
struct Step {
    factor: f64,
    /// σ².
    chance: f64,
    /// Variance of the factor.
    doubt: f64,
}

impl Mack {
    /// The errors of the years to come.
    ///
    /// `selection` and `ages` (months) are those the errors were computed with. Next year's factors are
    /// taken over the same link ratios and the new ones, so a selection of the most recent, or
    /// without the highest or lowest, is refused; ages that are not evenly apart, or not a part of a
    /// year, are too. A tail with an error counts as one more step.
    pub fn run_off(&self, selection: &Selection, ages: &[u32]) -> Result<RunOff, ReservingError> {
        if !selection.keeps_links() {
            return Err(ReservingError::Argument("recent, highest or lowest of a run-off"));
        }
        let in_year = steps_in_year(ages).ok_or(ReservingError::NoYears)?;
        let mut steps = self.steps();
        let origins = &self.ladder.origins;
        let mut amounts: Vec<f64> = origins.iter().map(|origin| origin.latest).collect();
        let (mut squares, mut total) = (vec![0.0; origins.len()], 0.0);
        let mut years = vec![];
        let periods = origins.iter().map(|origin| steps.len().saturating_sub(origin.age)).max();
        // At least one year, though nothing may move in it; the last one may be cut short.
        let periods = periods.unwrap_or(0).max(1).next_multiple_of(in_year);
        for period in 0..periods {
            total += self.move_on(&mut steps, period, &mut amounts, &mut squares);
            if (period + 1) % in_year == 0 {
                let own = squares.iter().map(|square| square.sqrt()).collect();
                let total_error = finite(total.sqrt(), "error of a claims development result")?;
                years.push(YearAhead { origins: own, total: total_error });
                squares.fill(0.0);
                total = 0.0;
            }
        }
        Ok(RunOff { years })
    }

    /// Steps inside the triangle, and the tail where it has an error.
    fn steps(&self) -> Vec<Step> {
        let inside = self.ladder.development.factors.iter().zip(&self.sigmas);
        let mut steps: Vec<Step> = inside
            .zip(&self.factor_errors)
            .map(|((&factor, sigma), error)| Step {
                factor,
                chance: sigma * sigma,
                doubt: error * error,
            })
            .collect();
        let tail = &self.ladder.tail;
        if tail.sigma > 0.0 || tail.factor_error > 0.0 {
            steps.push(Step {
                factor: tail.factor,
                chance: tail.sigma.powi(2),
                doubt: tail.factor_error.powi(2),
            });
        }
        steps
    }

    /// Lets every origin pass its next step: adds each one's squared move to `squares`, and returns that
    /// of all together.
    fn move_on(
        &self,
        steps: &mut [Step],
        period: usize,
        amounts: &mut [f64],
        squares: &mut [f64],
    ) -> f64 {
        let average = self.ladder.development.average;
        let origins = &self.ladder.origins;
        // Of each step: weights that come in, ultimates that pass it now or later, and those that pass
        // it now.
        let mut weights = vec![0.0; steps.len()];
        let mut passing = vec![0.0; steps.len()];
        let mut reached = vec![0.0; steps.len()];
        let mut total = 0.0;
        for (origin, projected) in origins.iter().enumerate() {
            let at = projected.age + period;
            let Some(step) = steps.get(at) else { continue };
            let weight = average.weight(amounts[origin]);
            let part = projected.ultimate / step.factor;
            let own = part * part * step.chance / weight;
            squares[origin] += own + part * part * step.doubt;
            total += own;
            weights[at] += weight;
            passing[at] += projected.ultimate;
            reached[at] += projected.ultimate;
        }
        for at in 1..steps.len() {
            reached[at] += reached[at - 1];
        }
        // What younger origins learn of the steps from here on, as a part of their ultimates.
        let mut learnt = vec![0.0; steps.len() + 1];
        for at in (0..steps.len()).rev() {
            let step = steps[at];
            let after = step.less_doubt(weights[at]);
            let part = |amount: f64| (amount / step.factor).powi(2);
            total += part(reached[at]) * step.doubt - part(reached[at] - passing[at]) * after;
            learnt[at] = learnt[at + 1] + (step.doubt - after) / step.factor.powi(2);
            steps[at].doubt = after;
        }
        for (origin, projected) in origins.iter().enumerate() {
            let at = projected.age + period;
            if let Some(step) = steps.get(at) {
                squares[origin] += projected.ultimate.powi(2) * learnt[at + 1];
                amounts[origin] *= step.factor;
            }
        }
        total
    }
}

impl RunOff {
    /// The next year.
    pub fn next(&self) -> &YearAhead {
        &self.years[0]
    }
}

impl Step {
    /// The variance of the factor when link ratios of this weight have come in.
    fn less_doubt(self, weight: f64) -> f64 {
        let known = self.chance + self.doubt * weight;
        // A factor without an error keeps none.
        if known > 0.0 { self.doubt * self.chance / known } else { self.doubt }
    }
}

/// How many steps a year has; `None` when ages are not evenly apart or do not make up years.
fn steps_in_year(ages: &[u32]) -> Option<usize> {
    let apart = ages.get(1)?.checked_sub(*ages.first()?).filter(|apart| *apart > 0)?;
    let even = ages.windows(2).all(|pair| pair[1].checked_sub(pair[0]) == Some(apart));
    (even && 12u32.is_multiple_of(apart)).then_some((12 / apart) as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_year_is_made_of_even_steps() {
        let cases: [(&[u32], Option<usize>); 6] = [
            (&[12, 24, 36], Some(1)),
            (&[3, 6, 9, 12], Some(4)),
            (&[6, 18, 30], Some(1)),
            (&[12, 24, 48], None),
            (&[24, 48], None),
            (&[12], None),
        ];
        for (ages, wanted) in cases {
            assert_eq!(steps_in_year(ages), wanted, "{ages:?}");
        }
    }

    #[test]
    fn what_comes_in_lessens_the_doubt() {
        // σ² = 4 over a weight of 2; twice as much comes in.
        let step = Step { factor: 1.5, chance: 4.0, doubt: 2.0 };
        assert!((step.less_doubt(4.0) - 4.0 / 6.0).abs() < 1e-15);
        assert!((step.less_doubt(0.0) - 2.0).abs() < 1e-15);
        // Without chance one observation says all; without doubt there is nothing to learn.
        assert_eq!(Step { chance: 0.0, ..step }.less_doubt(1.0), 0.0);
        assert_eq!(Step { chance: 0.0, doubt: 0.0, ..step }.less_doubt(1.0), 0.0);
    }
}

//! Survival: how long claims stay open, and what makes it longer.
//!
//! Kaplan and Meier's estimate for times that may be censored, and Cox's regression with Efron's or
//! Breslow's treatment of ties. A subject that is censored at a time was still at risk then.

use crate::linalg::{Superfluous, Symmetric, dot};
use crate::number::{NotFinite, all_finite, finite};

/// Why times cannot be analysed. Subjects and covariates are counted from 0.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum SurvivalError {
    /// A time that is no number or negative.
    #[error("the time of subject {0} is not zero or positive")]
    Time(usize),
    /// Nothing ended.
    #[error("no subject had an event")]
    NoEvent,
    /// A covariate that is no number.
    #[error("covariate {covariate} of subject {subject} is not a finite number")]
    Covariate {
        /// Which subject.
        subject: usize,
        /// Which covariate.
        covariate: usize,
    },
    /// A row of covariates of another length.
    #[error("subject {0} has another number of covariates than the first")]
    Width(usize),
    /// A covariate the ones before it determine, or that is the same for all.
    #[error("covariate {0} is constant or determined by the ones before it")]
    Aliased(usize),
    /// A covariate whose coefficient runs away: it tells events apart perfectly.
    #[error("covariate {0} separates events, so its coefficient is infinite")]
    Separated(usize),
    /// An iteration did not come to rest.
    #[error("no convergence in {0} steps")]
    NoConvergence(usize),
    /// A result is no number.
    #[error(transparent)]
    NotFinite(#[from] NotFinite),
}

/// How long one subject was watched.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Lifetime {
    /// Time of the event, or until which there was none.
    pub time: f64,
    /// Whether the event was seen.
    pub ended: bool,
}

/// Kaplan and Meier's estimate.
#[derive(Clone, Debug, PartialEq)]
pub struct KaplanMeier {
    steps: Vec<Step>,
}

/// A time at which events were seen.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Step {
    /// The time.
    pub time: f64,
    /// Subjects still at risk.
    pub at_risk: usize,
    /// Those of them that ended.
    pub events: usize,
    /// Probability of lasting beyond the time.
    pub survival: f64,
    /// Its standard error (Greenwood).
    pub error: f64,
}

/// How events at one time are treated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Ties {
    /// As if they had left the risk set one after the other, in average order.
    #[default]
    Efron,
    /// As if none had left.
    Breslow,
}

/// Cox's regression.
#[derive(Clone, Debug, PartialEq)]
pub struct Cox {
    /// Logarithm of the hazard ratio per unit of each covariate.
    pub coefficients: Vec<f64>,
    /// Their standard errors.
    pub errors: Vec<f64>,
    /// Partial log-likelihood with all coefficients zero.
    pub null_log_likelihood: f64,
    /// Partial log-likelihood of the fit.
    pub log_likelihood: f64,
}

/// Newton steps after which a fit is given up.
const STEPS: usize = 50;

/// Estimates how long subjects last.
pub fn kaplan_meier(lifetimes: &[Lifetime]) -> Result<KaplanMeier, SurvivalError> {
    let order = order(lifetimes)?;
    let mut steps = vec![];
    let (mut survival, mut hazard) = (1.0, 0.0);
    let mut at_risk = order.len();
    for tied in order.chunk_by(|&a, &b| lifetimes[a].time == lifetimes[b].time) {
        let events = tied.iter().filter(|&&subject| lifetimes[subject].ended).count();
        if events > 0 {
            let (risk, lost) = (at_risk as f64, events as f64);
            survival *= 1.0 - lost / risk;
            // Nobody left: the variance is that of certainty.
            hazard += if at_risk > events { lost / (risk * (risk - lost)) } else { 0.0 };
            let (time, error) = (lifetimes[tied[0]].time, survival * f64::sqrt(hazard));
            steps.push(Step { time, at_risk, events, survival, error });
        }
        at_risk -= tied.len();
    }
    if steps.is_empty() { Err(SurvivalError::NoEvent) } else { Ok(KaplanMeier { steps }) }
}

impl KaplanMeier {
    /// The times at which events were seen, increasing.
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// Probability of lasting beyond `time`.
    pub fn survival(&self, time: f64) -> f64 {
        let before = self.steps.partition_point(|step| step.time <= time);
        before.checked_sub(1).map_or(1.0, |last| self.steps[last].survival)
    }

    /// The first time at which no more than a part `p` lasts on; `None` when more always do.
    pub fn quantile(&self, p: f64) -> Option<f64> {
        self.steps.iter().find(|step| step.survival <= p).map(|step| step.time)
    }

    /// The median.
    pub fn median(&self) -> Option<f64> {
        self.quantile(0.5)
    }
}

/// Regresses the hazard on covariates, one row per subject.
pub fn cox(
    lifetimes: &[Lifetime],
    covariates: &[Vec<f64>],
    ties: Ties,
) -> Result<Cox, SurvivalError> {
    let mut order = order(lifetimes)?;
    order.reverse(); // the risk set only grows
    if !lifetimes.iter().any(|lifetime| lifetime.ended) {
        return Err(SurvivalError::NoEvent);
    }
    let (scaled, scales) = standardised(lifetimes.len(), covariates)?;
    let count = scales.len();
    let mut beta = vec![0.0; count];
    let mut sums = Partial::of(lifetimes, &scaled, &order, &beta, ties);
    let null = finite(sums.likelihood, "log-likelihood")?;
    let mut settled = false;
    for _ in 0..STEPS {
        let factor = sums.information.cholesky(1e-11);
        let factor = factor.map_err(|Superfluous(covariate)| SurvivalError::Aliased(covariate))?;
        if settled {
            let inverse = factor.inverse();
            let errors =
                (0..count).map(|j| inverse.at(j, j).sqrt() / scales[j]).collect::<Vec<_>>();
            let coefficients = beta.iter().zip(&scales).map(|(b, s)| b / s).collect::<Vec<_>>();
            all_finite(coefficients.iter().chain(&errors), "coefficient")?;
            let log_likelihood = finite(sums.likelihood, "log-likelihood")?;
            return Ok(Cox { coefficients, errors, null_log_likelihood: null, log_likelihood });
        }
        let mut step = factor.solve(&sums.score);
        let decrement = dot(&step, &sums.score);
        loop {
            let next: Vec<f64> = beta.iter().zip(&step).map(|(b, s)| b + s).collect();
            let there = Partial::of(lifetimes, &scaled, &order, &next, ties);
            if there.likelihood >= sums.likelihood - 1e-9 * sums.likelihood.abs() {
                (beta, sums) = (next, there);
                break;
            }
            if step.iter().all(|part| part.abs() < 1e-12) {
                return Err(SurvivalError::NoConvergence(STEPS));
            }
            step.iter_mut().for_each(|part| *part *= 0.5);
        }
        settled = decrement < 1e-13;
        // The likelihood is flat, but a coefficient of a covariate of size one still runs.
        if let Some(runaway) = step.iter().position(|part| settled && part.abs() > 0.1) {
            return Err(SurvivalError::Separated(runaway));
        }
    }
    Err(SurvivalError::NoConvergence(STEPS))
}

/// The partial likelihood and its derivatives.
struct Partial {
    likelihood: f64,
    score: Vec<f64>,
    information: Symmetric,
}

impl Partial {
    /// `order` runs from the longest time to the shortest.
    fn of(
        lifetimes: &[Lifetime],
        covariates: &[Vec<f64>],
        order: &[usize],
        beta: &[f64],
        ties: Ties,
    ) -> Partial {
        let count = beta.len();
        let mut partial = Partial {
            likelihood: 0.0,
            score: vec![0.0; count],
            information: Symmetric::zero(count),
        };
        let mut risk = Moments::zero(count);
        for tied in order.chunk_by(|&a, &b| lifetimes[a].time == lifetimes[b].time) {
            let mut ended = Moments::zero(count);
            let mut events = 0;
            for &subject in tied {
                let x = &covariates[subject];
                let predictor = dot(x, beta);
                risk.add(x, predictor.exp());
                if lifetimes[subject].ended {
                    events += 1;
                    partial.likelihood += predictor;
                    partial.score.iter_mut().zip(x).for_each(|(score, x)| *score += x);
                    if ties == Ties::Efron {
                        ended.add(x, predictor.exp());
                    }
                }
            }
            for event in 0..events {
                let part = f64::from(event) / f64::from(events);
                let part = if ties == Ties::Efron { part } else { 0.0 };
                partial.take(&risk, &ended, part);
            }
        }
        partial
    }

    /// One event, with `part` of those that ended gone from the risk set.
    fn take(&mut self, risk: &Moments, ended: &Moments, part: f64) {
        let weight = risk.weight - part * ended.weight;
        self.likelihood -= weight.ln();
        let means: Vec<f64> =
            risk.first.iter().zip(&ended.first).map(|(r, e)| (r - part * e) / weight).collect();
        self.score.iter_mut().zip(&means).for_each(|(score, mean)| *score -= mean);
        for row in 0..means.len() {
            for column in 0..=row {
                let second = risk.second.at(row, column) - part * ended.second.at(row, column);
                self.information.add(row, column, second / weight - means[row] * means[column]);
            }
        }
    }
}

/// Sums of hazards, and of covariates weighted by them.
struct Moments {
    weight: f64,
    first: Vec<f64>,
    second: Symmetric,
}

impl Moments {
    fn zero(count: usize) -> Moments {
        Moments { weight: 0.0, first: vec![0.0; count], second: Symmetric::zero(count) }
    }

    fn add(&mut self, x: &[f64], weight: f64) {
        self.weight += weight;
        for row in 0..x.len() {
            self.first[row] += weight * x[row];
            for column in 0..=row {
                self.second.add(row, column, weight * x[row] * x[column]);
            }
        }
    }
}

/// Subjects by time, the shortest first.
fn order(lifetimes: &[Lifetime]) -> Result<Vec<usize>, SurvivalError> {
    let fit = |lifetime: &Lifetime| lifetime.time >= 0.0 && lifetime.time.is_finite();
    if let Some(bad) = lifetimes.iter().position(|lifetime| !fit(lifetime)) {
        return Err(SurvivalError::Time(bad));
    }
    let mut order: Vec<usize> = (0..lifetimes.len()).collect();
    order.sort_by(|&a, &b| lifetimes[a].time.total_cmp(&lifetimes[b].time));
    Ok(order)
}

/// Covariates with mean zero and variance one, and what they were divided by.
fn standardised(
    subjects: usize,
    covariates: &[Vec<f64>],
) -> Result<(Vec<Vec<f64>>, Vec<f64>), SurvivalError> {
    let count = covariates.first().map_or(0, Vec::len);
    if covariates.len() != subjects {
        return Err(SurvivalError::Width(covariates.len().min(subjects)));
    }
    for (subject, row) in covariates.iter().enumerate() {
        if row.len() != count {
            return Err(SurvivalError::Width(subject));
        }
        if let Some(covariate) = row.iter().position(|value| !value.is_finite()) {
            return Err(SurvivalError::Covariate { subject, covariate });
        }
    }
    let mut scaled = covariates.to_vec();
    let mut scales = vec![];
    for j in 0..count {
        let mean = covariates.iter().map(|row| row[j]).sum::<f64>() / subjects as f64;
        let squares: f64 = covariates.iter().map(|row| (row[j] - mean).powi(2)).sum();
        let scale = (squares / subjects as f64).sqrt();
        // Negated so that a scale that is no number is refused too.
        let varies = scale > 1e-13 * mean.abs();
        if !varies {
            return Err(SurvivalError::Aliased(j));
        }
        scaled.iter_mut().for_each(|row| row[j] = (row[j] - mean) / scale);
        scales.push(scale);
    }
    Ok((scaled, scales))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lifetimes(times: &[(f64, bool)]) -> Vec<Lifetime> {
        times.iter().map(|&(time, ended)| Lifetime { time, ended }).collect()
    }

    #[test]
    fn survival_is_that_of_a_hand_calculation() {
        let found =
            kaplan_meier(&lifetimes(&[(1.0, true), (2.0, false), (2.0, true), (3.0, true)]))
                .unwrap();
        let steps: Vec<(f64, usize, f64)> =
            found.steps().iter().map(|step| (step.time, step.at_risk, step.survival)).collect();
        assert_eq!(steps, [(1.0, 4, 0.75), (2.0, 3, 0.5), (3.0, 1, 0.0)]);
        assert_eq!((found.survival(0.5), found.survival(2.5)), (1.0, 0.5));
        assert_eq!((found.median(), found.quantile(0.9)), (Some(2.0), Some(1.0)));
        // Greenwood at 1: 0.75·√(1 / (4·3)).
        assert!((found.steps()[0].error - 0.75 * (1.0f64 / 12.0).sqrt()).abs() < 1e-15);
    }

    #[test]
    fn what_cannot_be_analysed_is_named() {
        let both = lifetimes(&[(1.0, true), (2.0, true), (3.0, true)]);
        let rows = |values: [f64; 3]| values.map(|value| vec![value]).to_vec();
        assert_eq!(cox(&both, &rows([2.0; 3]), Ties::Efron), Err(SurvivalError::Aliased(0)));
        // The order of the covariate is that of the events.
        let found = cox(&both, &rows([3.0, 2.0, 1.0]), Ties::Efron);
        assert_eq!(found, Err(SurvivalError::Separated(0)));
        let nothing = lifetimes(&[(1.0, false)]);
        assert_eq!(kaplan_meier(&nothing), Err(SurvivalError::NoEvent));
        assert_eq!(kaplan_meier(&lifetimes(&[(-1.0, true)])), Err(SurvivalError::Time(0)));
    }
}

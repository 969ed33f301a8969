//! Whether a term matters: Wald, likelihood ratio, and tables of every term given all others.

use super::{Elsewhere, Fit, GlmError, Model, Observations, SpreadError};
use crate::number::finite;
use crate::special::chi_squared_upper;
use crate::stop::Stop;

/// A test that some coefficients are zero.
#[derive(Clone, Debug, PartialEq)]
pub struct Test {
    /// The term, or what distinguishes two models.
    pub name: String,
    /// How many coefficients.
    pub degrees: usize,
    /// Chi-squared with so many degrees of freedom when all of them are zero; the dispersion is
    /// divided out.
    pub statistic: f64,
    /// Probability of a statistic as large by chance.
    pub p: f64,
}

impl Test {
    fn of(name: String, degrees: usize, statistic: f64) -> Result<Test, GlmError> {
        let statistic = finite(statistic, "test statistic")?;
        Ok(Test { name, degrees, statistic, p: chi_squared_upper(statistic, degrees as f64) })
    }
}

impl Fit {
    /// Wald's test of every term that has coefficients, from their covariance.
    ///
    /// Fails for a penalised fit, whose estimates have no covariance.
    pub fn wald(&self) -> Result<Vec<Test>, GlmError> {
        let Some(covariance) = &self.covariance else {
            return Err(GlmError::Argument("a test of a penalised fit"));
        };
        let mut tests = vec![];
        for (term, columns) in self.model.terms.iter().zip(&self.columns) {
            let free: Vec<usize> = columns
                .clone()
                .filter(|&column| self.coefficients[column].error.is_some())
                .collect();
            if free.is_empty() {
                continue;
            }
            let estimates: Vec<f64> =
                free.iter().map(|&column| self.coefficients[column].estimate).collect();
            // The covariance of identified coefficients is positive definite.
            let factor = covariance.minor(&free).cholesky(0.0);
            let factor = factor.map_err(|_| GlmError::Aliased(term.name()))?;
            let squares: f64 =
                factor.solve(&estimates).iter().zip(&estimates).map(|(a, b)| a * b).sum();
            tests.push(Test::of(term.name(), free.len(), squares / self.dispersion)?);
        }
        Ok(tests)
    }
}

/// Compares a model with one that has fewer terms, fitted to the same rows.
///
/// The statistic is the difference of deviances over the dispersion of the full model.
pub fn likelihood_ratio(full: &Fit, restricted: &Fit) -> Result<Test, GlmError> {
    let (large, small) = (&full.model, &restricted.model);
    let nested = small.terms.iter().all(|term| large.terms.contains(term));
    let alike = large.family == small.family && large.link == small.link;
    let free = restricted.degrees.checked_sub(full.degrees).filter(|&degrees| degrees > 0);
    let Some(degrees) = free.filter(|_| nested && alike && full.rows == restricted.rows) else {
        return Err(GlmError::NotNested);
    };
    let left_out = large.terms.iter().filter(|term| !small.terms.contains(term));
    let name = left_out.map(super::Term::name).collect::<Vec<_>>().join(" + ");
    Test::of(name, degrees, (restricted.deviance - full.deviance) / full.dispersion)
}

/// Tests every term given all the others (type III), by fitting the model without it.
pub fn type_three(full: &Fit, data: &Observations<'_>) -> Result<Vec<Test>, GlmError> {
    type_three_until(full, data, Stop::NEVER)
}

/// The same, unless it is called off, which is asked before every pass.
pub fn type_three_until(
    full: &Fit,
    data: &Observations<'_>,
    stop: Stop<'_>,
) -> Result<Vec<Test>, GlmError> {
    each_left_out(full, |model| model.fit_until(data, stop))
}

/// The same for a fit to rows that lie elsewhere.
pub fn type_three_elsewhere<E: Elsewhere>(
    full: &Fit,
    rows: &mut E,
    stop: Stop<'_>,
) -> Result<Vec<Test>, SpreadError<E::Error>> {
    each_left_out(full, |model| model.fit_elsewhere(rows, stop))
}

fn each_left_out<E: From<GlmError>>(
    full: &Fit,
    mut fit: impl FnMut(Model) -> Result<Fit, E>,
) -> Result<Vec<Test>, E> {
    let mut tests = vec![];
    for left_out in 0..full.model.terms.len() {
        let mut terms = full.model.terms.clone();
        terms.remove(left_out);
        let restricted = fit(Model { terms, ..full.model.clone() })?;
        tests.push(likelihood_ratio(full, &restricted)?);
    }
    Ok(tests)
}

//! Models, what they are fitted to, and what a fit says.

use std::num::NonZero;
use std::thread::available_parallelism;

use super::basis::Numbers;
use super::climb::Problem;
use super::frame::finite_rows;

use super::layout::Layout;
use super::source::{Here, Totals};
use super::spread::Settled;
use super::{Family, Frame, GlmError, Link, Penalty, Term};
use crate::linalg::Symmetric;
use crate::special::normal_upper;
use crate::stop::Stop;

/// A model to fit: family, link, terms beside the intercept, and how.
#[derive(Clone, Debug, PartialEq)]
pub struct Model {
    /// Distribution of the response.
    pub family: Family,
    /// Link of the mean.
    pub link: Link,
    /// Terms of the predictor; the intercept comes by itself.
    pub terms: Vec<Term>,
    /// Penalty on the coefficients.
    pub penalty: Penalty,
    /// What happens to a column that others determine.
    pub aliased: Aliased,
    /// How many threads a pass may use; all cores when `None`. Sums of another number of threads
    /// differ in their last digits.
    pub threads: Option<NonZero<usize>>,
}

/// What happens to a column that the ones before it determine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Aliased {
    /// The fit fails and names it.
    #[default]
    Refuse,
    /// Its coefficient is zero, and it is listed in [`Fit::dropped`].
    Drop,
}

/// The rows a model is fitted to.
#[derive(Clone, Copy, Debug)]
pub struct Observations<'a> {
    /// Columns of the terms.
    pub frame: &'a Frame,
    /// Responses.
    pub response: &'a [f64],
    /// Weights, zero or positive, such as exposures or counts behind an average.
    pub weight: Option<&'a [f64]>,
    /// What is added to the predictor, such as the logarithm of the exposure.
    pub offset: Option<&'a [f64]>,
}

/// One coefficient.
#[derive(Clone, Debug, PartialEq)]
pub struct Coefficient {
    /// `(Intercept)`, `column`, `factor=level`, or such names joined by `:`.
    pub name: String,
    /// The estimate.
    pub estimate: f64,
    /// Its standard error, with the dispersion; `None` under a penalty and for a dropped column.
    pub error: Option<f64>,
}

/// A fitted model.
#[derive(Clone, Debug)]
pub struct Fit {
    /// The model.
    pub model: Model,
    /// Intercept first, then terms in their order.
    pub coefficients: Vec<Coefficient>,
    /// Columns that were dropped because others determine them.
    pub dropped: Vec<String>,
    /// φ: one, or Pearson's chi-squared over the degrees of freedom.
    pub dispersion: f64,
    /// Deviance.
    pub deviance: f64,
    /// Deviance of the intercept (and offset) alone.
    pub null_deviance: f64,
    /// Pearson's chi-squared.
    pub pearson: f64,
    /// Log-likelihood; `None` for a Tweedie family of p = 1, a quasi-likelihood, and below p = 0.
    pub log_likelihood: Option<f64>,
    /// Rows with a weight above zero.
    pub rows: usize,
    /// Those less the coefficients that were estimated.
    pub degrees: usize,
    /// Passes over the rows.
    pub passes: usize,
    /// Means of the rows, in their order; `None` where the rows lie elsewhere.
    pub means: Option<Vec<f64>>,
    /// Covariance of the coefficients, without the dispersion; empty under a penalty.
    pub(crate) covariance: Option<Symmetric>,
    /// Columns of each term.
    pub(crate) columns: Vec<std::ops::Range<usize>>,
    /// Where it ended, for rows that lie elsewhere.
    pub(crate) elsewhere: Option<Settled>,
}

impl Coefficient {
    /// Estimate over standard error.
    pub fn z(&self) -> Option<f64> {
        self.error.map(|error| self.estimate / error)
    }

    /// Probability of a |z| as large by chance, from the normal distribution.
    pub fn p(&self) -> Option<f64> {
        self.z().map(|z| 2.0 * normal_upper(z.abs()))
    }
}

impl Model {
    /// A model with the log link, without penalty, refusing aliased columns.
    pub fn log(family: Family, terms: Vec<Term>) -> Model {
        Model {
            family,
            link: Link::Log,
            terms,
            penalty: Penalty::default(),
            aliased: Aliased::Refuse,
            threads: None,
        }
    }

    /// A logistic regression, otherwise the same.
    pub fn logistic(terms: Vec<Term>) -> Model {
        Model { link: Link::Logit, ..Model::log(Family::Binomial, terms) }
    }

    /// Fits the model. Reads the rows some six times on all cores, and blocks until it is done.
    pub fn fit(&self, data: &Observations<'_>) -> Result<Fit, GlmError> {
        self.fit_until(data, Stop::NEVER)
    }

    /// The same, unless it is called off, which is asked before every pass.
    pub fn fit_until(&self, data: &Observations<'_>, stop: Stop<'_>) -> Result<Fit, GlmError> {
        let (mut fit, means) = self.fit_here(data, stop)?;
        fit.means = Some(means);
        Ok(fit)
    }

    /// A fit to rows at hand, and their means apart.
    pub(crate) fn fit_here(
        &self,
        data: &Observations<'_>,
        stop: Stop<'_>,
    ) -> Result<(Fit, Vec<f64>), GlmError> {
        self.family.check(self.link)?;
        self.penalty.check()?;
        check(self.family, data)?;
        let numbers = if self.penalty.is_none() { Numbers::Orthogonal } else { Numbers::Scaled };
        let mut layout = Layout::plan(data.frame, &self.terms)?;
        let mut rows = layout.rows(data.frame)?;
        layout.prepare(&mut rows.numbers, data.weight, numbers)?;
        (rows.response, rows.weight, rows.offset) = (data.response, data.weight, data.offset);
        let cores = available_parallelism().map_or(1, NonZero::get);
        let threads = self.threads.map_or(cores, NonZero::get);
        let here = Here { rows, threads, means: vec![] };
        let totals = here.totals(self);
        let (fit, here) = Problem::solve(self, layout, here, totals, stop)?;
        Ok((fit, here.means))
    }

    /// The predictor of the mean of all rows, offset aside.
    pub(crate) fn level(&self, totals: Totals) -> Result<f64, GlmError> {
        let mean = totals.claims / totals.exposure;
        let inside = match self.family.plain() {
            Family::Gaussian => mean.is_finite(),
            Family::Binomial => mean > 0.0 && mean < 1.0,
            _ => mean > 0.0 && mean.is_finite(),
        };
        let level = self.link.of(mean);
        if inside && level.is_finite() { Ok(level) } else { Err(GlmError::NoInformation) }
    }
}

impl Fit {
    /// Akaike's criterion, counting coefficients; `None` without a log-likelihood.
    pub fn aic(&self) -> Option<f64> {
        let estimated = (self.rows - self.degrees) as f64;
        self.log_likelihood.map(|likelihood| 2.0 * (estimated - likelihood))
    }

    /// The coefficient of this name.
    pub fn coefficient(&self, name: &str) -> Option<&Coefficient> {
        self.coefficients.iter().find(|coefficient| coefficient.name == name)
    }
}

pub(crate) fn same_length(what: &str, found: usize, rows: usize) -> Result<(), GlmError> {
    let what = what.to_owned();
    if found == rows { Ok(()) } else { Err(GlmError::Length { what, found, rows }) }
}

/// Refuses rows no model can be fitted to.
fn check(family: Family, data: &Observations<'_>) -> Result<(), GlmError> {
    let rows = data.response.len();
    if !data.frame.is_empty() {
        same_length("the frame", data.frame.rows(), rows)?;
    }
    for (row, &value) in data.response.iter().enumerate() {
        if value.is_nan() {
            return Err(GlmError::Value { what: "response".to_owned(), row: Some(row) });
        }
        if let Some(wanted) = family.refuses(value) {
            return Err(GlmError::Response { value, row: Some(row), wanted });
        }
    }
    if let Some(offset) = data.offset {
        same_length("offset", offset.len(), rows)?;
        finite_rows("offset", offset)?;
    }
    if let Some(weight) = data.weight {
        same_length("weight", weight.len(), rows)?;
        finite_rows("weight", weight)?;
        let negative = weight.iter().position(|&weight| weight < 0.0);
        if negative.is_some() {
            return Err(GlmError::Weight(negative));
        }
    }
    let any = data.weight.map_or(rows > 0, |weight| weight.iter().any(|&weight| weight > 0.0));
    if any { Ok(()) } else { Err(GlmError::NoInformation) }
}

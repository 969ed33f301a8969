//! Fitting: Newton steps on the sums of a pass, with every way data can spoil them told apart.

use std::num::NonZero;
use std::thread::available_parallelism;

use super::family::{
    AnyPair, Curvature, GammaLog, Kernel, Logistic, NegativeBinomialLog, PoissonLog, TweedieLog,
};
use super::frame::finite_rows;
use super::layout::{Layout, Numbers, Rows};
use super::pass::{Sums, pass, predictors};
use super::{Family, Frame, GlmError, Link, Penalty, Term};
use crate::linalg::{Cholesky, Superfluous, Symmetric};
use crate::number::{all_finite, finite};
use crate::special::normal_upper;

/// A pivot below this part of its diagonal means an aliased column.
const TOLERANCE: f64 = 1e-11;

/// Passes after which a fit is given up.
const PASSES: usize = 100;

/// Newton's decrement (a step in standard errors, squared) after which one step more changes nothing.
const CONVERGED: f64 = 1e-13;

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
    /// Log-likelihood; `None` for the Tweedie family, which has no closed density.
    pub log_likelihood: Option<f64>,
    /// Rows with a weight above zero.
    pub rows: usize,
    /// Those less the coefficients that were estimated.
    pub degrees: usize,
    /// Passes over the rows.
    pub passes: usize,
    /// Means of the rows, in their order.
    pub means: Vec<f64>,
    /// Covariance of the coefficients, without the dispersion; empty under a penalty.
    pub(crate) covariance: Option<Symmetric>,
    /// Columns of each term.
    pub(crate) columns: Vec<std::ops::Range<usize>>,
}

/// A design ready for passes.
struct Problem<'a> {
    model: &'a Model,
    layout: Layout,
    rows: Rows,
    scales: Vec<f64>,
    /// The part of the deviance that depends on the responses alone.
    constant: f64,
    threads: usize,
    passes: usize,
    kept: Vec<usize>,
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
        self.family.check(self.link)?;
        self.penalty.check()?;
        check(self.family, data)?;
        let numbers = if self.penalty.is_none() { Numbers::Orthogonal } else { Numbers::Scaled };
        let (layout, mut rows) = Layout::plan(data.frame, &self.terms, data.weight, numbers)?;
        rows.response = data.response.to_vec();
        rows.weight = data.weight.map(<[f64]>::to_vec);
        rows.offset = data.offset.map(<[f64]>::to_vec);
        let level = self.level(&rows)?;
        let constant = weighted(&rows, |row| self.family.constant(rows.response[row]));
        let cores = available_parallelism().map_or(1, NonZero::get);
        let mut problem = Problem {
            model: self,
            scales: layout.scales(),
            kept: (0..layout.columns()).collect(),
            threads: self.threads.map_or(cores, NonZero::get),
            layout,
            rows,
            constant,
            passes: 0,
        };
        problem.columns_say_something()?;
        let mut start = vec![0.0; problem.layout.columns()];
        start[0] = level;
        let (fitted, sums) = problem.climb(start)?;
        problem.finish(&fitted, sums, level)
    }

    /// The predictor of the mean of all rows, offset aside.
    fn level(&self, rows: &Rows) -> Result<f64, GlmError> {
        let claims = weighted(rows, |row| rows.response[row]);
        let exposure = weighted(rows, |row| match &rows.offset {
            Some(offset) if self.link == Link::Log => offset[row].exp(),
            _ => 1.0,
        });
        let mean = claims / exposure;
        let inside = match self.family {
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

    /// Means that the model expects of other rows.
    ///
    /// A level the model was not fitted with is refused.
    pub fn predict(&self, frame: &Frame, offset: Option<&[f64]>) -> Result<Vec<f64>, GlmError> {
        let mut eta = vec![self.coefficients[0].estimate; frame.rows()];
        if let Some(offset) = offset {
            same_length("offset", offset.len(), frame.rows())?;
            finite_rows("offset", offset)?;
            eta.iter_mut().zip(offset).for_each(|(eta, offset)| *eta += offset);
        }
        for term in &self.model.terms {
            for part in term.parts(frame)? {
                let effect = self.effects(frame, &part.factors, part.number.as_ref())?;
                for (row, eta) in eta.iter_mut().enumerate() {
                    *eta += effect(row);
                }
            }
        }
        let means: Vec<f64> = eta.into_iter().map(|eta| self.model.link.mean(eta)).collect();
        all_finite(&means, "predicted mean")?;
        Ok(means)
    }

    /// What one part of a term adds to the predictor of a row.
    fn effects<'a>(
        &self,
        frame: &'a Frame,
        factors: &[(String, String)],
        number: Option<&'a (String, Vec<f64>)>,
    ) -> Result<impl Fn(usize) -> f64 + use<'a>, GlmError> {
        // All combinations of levels, the last factor changing fastest.
        let mut texts = vec![(String::new(), false)];
        let mut codes: Vec<(&[u32], usize)> = vec![];
        for (name, base) in factors {
            let (levels, own) = frame.factor(name)?;
            codes.push((own, levels.len()));
            texts = texts
                .iter()
                .flat_map(|(text, is_base)| {
                    levels.iter().map(move |level| {
                        let colon = if text.is_empty() { "" } else { ":" };
                        (format!("{text}{colon}{name}={level}"), *is_base || level == base)
                    })
                })
                .collect();
        }
        let used = used(frame.rows(), &codes, texts.len());
        let mut estimates = vec![0.0; texts.len()];
        for (place, (text, is_base)) in texts.into_iter().enumerate() {
            let name = match number {
                Some((number, _)) if text.is_empty() => number.clone(),
                Some((number, _)) => format!("{text}:{number}"),
                None => text,
            };
            match self.coefficient(&name) {
                Some(coefficient) => estimates[place] = coefficient.estimate,
                None if is_base || !used[place] => {}
                None => {
                    let factor = factors.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>();
                    return Err(GlmError::NoLevel { factor: factor.join(":"), level: name });
                }
            }
        }
        Ok(move |row: usize| {
            let place =
                codes.iter().fold(0, |place, (own, levels)| place * levels + own[row] as usize);
            estimates[place] * number.map_or(1.0, |(_, values)| values[row])
        })
    }
}

impl Problem<'_> {
    fn sums(&mut self, at: &[f64], curvature: Curvature) -> Sums {
        self.passes += 1;
        let (layout, rows, threads) = (&self.layout, &self.rows, self.threads);
        let mut sums = match (self.model.family, self.model.link) {
            (Family::Poisson, Link::Log) => pass(layout, rows, at, PoissonLog, threads),
            (Family::Gamma, Link::Log) => pass(layout, rows, at, GammaLog(curvature), threads),
            (Family::Tweedie { power }, Link::Log) => {
                pass(layout, rows, at, TweedieLog(power, curvature), threads)
            }
            (Family::Binomial, Link::Logit) => pass(layout, rows, at, Logistic, threads),
            (Family::NegativeBinomial { alpha }, Link::Log) => {
                pass(layout, rows, at, NegativeBinomialLog(alpha, curvature), threads)
            }
            (family, link) => pass(layout, rows, at, AnyPair(family, link), threads),
        };
        sums.deviance += self.constant;
        sums
    }

    /// Whether both curvatures are the same, so that no pass is needed for standard errors.
    fn canonical(&self) -> bool {
        match (self.model.family, self.model.link) {
            (Family::Poisson, Link::Log) | (Family::Binomial, Link::Logit) => true,
            (Family::Gamma | Family::Tweedie { .. } | Family::NegativeBinomial { .. }, link) => {
                link != Link::Log
            }
            _ => true, // steps are taken by expected curvature already
        }
    }

    /// Half the deviance and the penalty: what is made as small as possible.
    fn objective(&self, at: &[f64], deviance: f64) -> f64 {
        0.5 * deviance + self.model.penalty.of(at, &self.scales)
    }

    /// Newton steps, halved while they lead up.
    fn climb(&mut self, start: Vec<f64>) -> Result<(Vec<f64>, Sums), GlmError> {
        let mut at = start;
        let mut sums = self.sums(&at, Curvature::Observed);
        let mut reached = self.objective(&at, sums.deviance);
        finite(reached, "deviance")?;
        let mut fallen = f64::INFINITY;
        self.keep(&sums.information)?;
        while self.passes < PASSES {
            let mut step = self.step(&sums, &at)?;
            all_finite(&step, "step of the fit")?;
            let decrement = sums.information.quadratic(&step);
            let noise = decrement < 1e-6 && decrement >= fallen;
            if decrement < CONVERGED || noise {
                self.settled(&step)?;
                at.iter_mut().zip(&step).for_each(|(at, step)| *at += step);
                return Ok((at, sums));
            }
            fallen = decrement;
            loop {
                let next: Vec<f64> = at.iter().zip(&step).map(|(at, step)| at + step).collect();
                sums = self.sums(&next, Curvature::Observed);
                let now = self.objective(&next, sums.deviance);
                // Rounding may lift the sum of many rows a little.
                if now <= reached + 1e-9 * (1.0 + reached.abs()) {
                    (at, reached) = (next, now);
                    break;
                }
                if self.passes >= PASSES {
                    return Err(self.lost(&step));
                }
                step.iter_mut().for_each(|part| *part *= 0.5);
                fallen = f64::INFINITY;
            }
        }
        Err(GlmError::NoConvergence(PASSES))
    }

    fn step(&self, sums: &Sums, at: &[f64]) -> Result<Vec<f64>, GlmError> {
        let penalty = &self.model.penalty;
        if !penalty.is_none() {
            return penalty.step(&sums.information, &sums.score, at, &self.scales);
        }
        let factor = self.factor(&sums.information)?;
        let score: Vec<f64> = self.kept.iter().map(|&column| sums.score[column]).collect();
        let mut step = vec![0.0; at.len()];
        for (&column, part) in self.kept.iter().zip(factor.solve(&score)) {
            step[column] = part;
        }
        Ok(step)
    }

    /// Factorises the part of the columns that is estimated.
    fn factor(&self, information: &Symmetric) -> Result<Cholesky, GlmError> {
        let factor = information.minor(&self.kept).cholesky(0.0);
        factor.map_err(|Superfluous(place)| {
            GlmError::Separated(self.layout.names[self.kept[place]].clone())
        })
    }

    /// Decides which columns are estimated; at the start weights say nothing about responses yet, so
    /// what is singular here is the design's fault.
    fn keep(&mut self, information: &Symmetric) -> Result<(), GlmError> {
        if !self.model.penalty.is_none() {
            return Ok(());
        }
        while let Err(Superfluous(place)) = information.minor(&self.kept).cholesky(TOLERANCE) {
            let name = self.layout.names[self.kept[place]].clone();
            if self.model.aliased == Aliased::Refuse {
                return Err(GlmError::Aliased(name));
            }
            self.kept.remove(place);
        }
        Ok(())
    }

    /// A level without rows has no coefficient, a level without events an infinite one.
    fn columns_say_something(&self) -> Result<(), GlmError> {
        if !self.model.penalty.is_none() {
            return Ok(());
        }
        let edges = match (self.model.family, self.model.link) {
            (Family::Gaussian | Family::Gamma, _) => (false, false),
            (Family::Binomial, _) => (true, true),
            (_, link) => (link == Link::Log, false),
        };
        for group in &self.layout.groups {
            let slot = self.layout.slots[group.slot];
            let Some(block) = slot.block else { continue };
            // Weight, and weight of responses above zero and below one.
            let mut seen = vec![(0.0, 0.0, 0.0); group.columns.len()];
            for (row, &cell) in self.rows.cells[block].iter().enumerate() {
                let place = group.place[cell as usize] as usize;
                if place > 0 {
                    let weight = self.rows.weight.as_ref().map_or(1.0, |weight| weight[row]);
                    let seen = &mut seen[place - 1];
                    let response = self.rows.response[row];
                    seen.0 += weight;
                    seen.1 += if response > 0.0 { weight } else { 0.0 };
                    seen.2 += if response < 1.0 { weight } else { 0.0 };
                }
            }
            for (&column, seen) in group.columns.iter().zip(seen) {
                let name = || self.layout.names[column].clone();
                if seen.0 == 0.0 && self.model.aliased == Aliased::Refuse {
                    return Err(GlmError::ZeroColumn(name()));
                }
                let edge = (edges.0 && seen.1 == 0.0) || (edges.1 && seen.2 == 0.0);
                if seen.0 > 0.0 && edge && slot.number == 0 {
                    return Err(GlmError::Separated(name()));
                }
            }
        }
        Ok(())
    }

    /// Refuses a fit that only looks settled: the likelihood is flat, but a coefficient still runs.
    fn settled(&self, step: &[f64]) -> Result<(), GlmError> {
        if !self.model.penalty.is_none() {
            return Ok(());
        }
        // Levels are zeros and ones and numbers are of size one, so a step is one of the predictor.
        let longest = step.iter().fold(0.0, |most: f64, part| most.max(part.abs()));
        if longest > 0.1 { Err(self.lost(step)) } else { Ok(()) }
    }

    /// Names the column that moves most.
    fn lost(&self, step: &[f64]) -> GlmError {
        let longest = (0..step.len()).max_by(|&a, &b| step[a].abs().total_cmp(&step[b].abs()));
        GlmError::Separated(self.layout.names[longest.unwrap_or(0)].clone())
    }

    /// Everything that is said about the fit.
    fn finish(mut self, fitted: &[f64], sums: Sums, level: f64) -> Result<Fit, GlmError> {
        let model = self.model;
        let (family, link) = (model.family, model.link);
        let penalised = !model.penalty.is_none();
        let sums = match self.canonical() || penalised {
            true => sums,
            false => self.sums(fitted, Curvature::Expected),
        };
        let means: Vec<f64> = predictors(&self.layout, &self.rows, fitted)
            .into_iter()
            .map(|eta| link.mean(eta))
            .collect();
        let pearson = weighted(&self.rows, |row| {
            (self.rows.response[row] - means[row]).powi(2) / family.variance(means[row])
        });
        let count = self.rows.weight.as_ref().map_or(self.rows.response.len(), |weight| {
            weight.iter().filter(|weight| **weight > 0.0).count()
        });
        let estimated = match penalised {
            true => fitted.iter().filter(|estimate| **estimate != 0.0).count(),
            false => self.kept.len(),
        };
        let degrees = count.saturating_sub(estimated);
        let dispersion = match family.dispersion_is_one() {
            true => 1.0,
            false => finite(pearson / degrees as f64, "dispersion")?,
        };
        let covariance = if penalised { None } else { Some(self.covariance(&sums.information)?) };
        let estimates = self.layout.restore(fitted);
        all_finite(&estimates, "coefficient")?;
        let coefficients = estimates.into_iter().zip(&self.layout.names).enumerate();
        let coefficients = coefficients
            .map(|(column, (estimate, name))| {
                let own = covariance.as_ref().filter(|_| self.kept.contains(&column));
                let error = own.map(|own| (dispersion * own.at(column, column)).sqrt());
                Coefficient { name: name.clone(), estimate, error }
            })
            .collect();
        let null_deviance = self.null_deviance(level)?;
        let fit = Fit {
            model: model.clone(),
            coefficients,
            dropped: self.dropped(),
            dispersion,
            deviance: finite(sums.deviance, "deviance")?,
            null_deviance: finite(null_deviance, "null deviance")?,
            pearson: finite(pearson, "Pearson's chi-squared")?,
            log_likelihood: self.log_likelihood(&means, dispersion)?,
            rows: count,
            degrees,
            passes: self.passes,
            means,
            covariance,
            columns: self.layout.terms.clone(),
        };
        all_finite(fit.coefficients.iter().filter_map(|c| c.error.as_ref()), "standard error")?;
        Ok(fit)
    }

    fn dropped(&self) -> Vec<String> {
        let names = self.layout.names.iter().enumerate();
        let dropped = names.filter(|(column, _)| !self.kept.contains(column));
        dropped.map(|(_, name)| name.clone()).collect()
    }

    /// Covariance of the coefficients of the columns as given, φ = 1; zero for dropped ones.
    fn covariance(&self, information: &Symmetric) -> Result<Symmetric, GlmError> {
        let inverse = self.factor(information)?.inverse();
        let count = self.layout.columns();
        let mut fitted = vec![vec![0.0; count]; count];
        for (i, &row) in self.kept.iter().enumerate() {
            for (j, &column) in self.kept.iter().enumerate() {
                fitted[row][column] = inverse.at(i, j);
            }
        }
        // B·V·Bᵀ: both sides brought back, one after the other.
        let half: Vec<Vec<f64>> = fitted.iter().map(|row| self.layout.restore(row)).collect();
        let mut given = Symmetric::zero(count);
        for column in 0..count {
            let across: Vec<f64> = half.iter().map(|row| row[column]).collect();
            for (row, value) in self.layout.restore(&across).into_iter().enumerate().skip(column) {
                given.add(row, column, value);
            }
        }
        Ok(given)
    }

    fn log_likelihood(&self, means: &[f64], dispersion: f64) -> Result<Option<f64>, GlmError> {
        let family = self.model.family;
        let mut sum = 0.0;
        for (row, (&response, &mean)) in self.rows.response.iter().zip(means).enumerate() {
            let weight = self.rows.weight.as_ref().map_or(1.0, |weight| weight[row]);
            if weight == 0.0 {
                continue;
            }
            match family.log_density(response, mean, weight, dispersion) {
                Some(density) => sum += density,
                None => return Ok(None),
            }
        }
        Ok(Some(finite(sum, "log-likelihood")?))
    }

    /// Deviance of the best intercept with the offset as it is.
    fn null_deviance(&self, level: f64) -> Result<f64, GlmError> {
        let (family, link) = (self.model.family, self.model.link);
        let exact = self.rows.offset.is_none() || (family, link) == (Family::Poisson, Link::Log);
        let at = |level: f64| {
            let kernel = AnyPair(family, link);
            let rows = &self.rows;
            let mut sums = (0.0, 0.0, 0.0);
            for row in 0..rows.response.len() {
                let offset = rows.offset.as_ref().map_or(0.0, |offset| offset[row]);
                let weight = rows.weight.as_ref().map_or(1.0, |weight| weight[row]);
                let point = kernel.at(level + offset, rows.response[row]);
                sums.0 += weight * point.score;
                sums.1 += weight * point.information;
                sums.2 += weight * point.deviance;
            }
            sums
        };
        let mut level = level;
        let mut sums = at(level);
        for _ in 0..if exact { 0 } else { PASSES } {
            let step = sums.0 / sums.1;
            level += step;
            sums = at(level);
            if step * step * sums.1 < CONVERGED {
                break;
            }
        }
        Ok(finite(sums.2 + self.constant, "null deviance")?)
    }
}

/// Σ weight × value.
fn weighted(rows: &Rows, value: impl Fn(usize) -> f64) -> f64 {
    match &rows.weight {
        Some(weight) => {
            // A row without weight may have a response without a value.
            let used = weight.iter().enumerate().filter(|(_, weight)| **weight > 0.0);
            used.map(|(row, weight)| weight * value(row)).sum()
        }
        None => (0..rows.response.len()).map(value).sum(),
    }
}

/// Which combinations of levels some row has.
fn used(rows: usize, codes: &[(&[u32], usize)], combinations: usize) -> Vec<bool> {
    let mut used = vec![false; combinations];
    for row in 0..rows {
        used[codes.iter().fold(0, |place, (own, levels)| place * levels + own[row] as usize)] =
            true;
    }
    used
}

fn same_length(what: &str, found: usize, rows: usize) -> Result<(), GlmError> {
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
            return Err(GlmError::Value { what: "response".to_owned(), row });
        }
        if let Some(wanted) = family.refuses(value) {
            return Err(GlmError::Response { value, row, wanted });
        }
    }
    if let Some(offset) = data.offset {
        same_length("offset", offset.len(), rows)?;
        finite_rows("offset", offset)?;
    }
    if let Some(weight) = data.weight {
        same_length("weight", weight.len(), rows)?;
        finite_rows("weight", weight)?;
        if let Some(row) = weight.iter().position(|&weight| weight < 0.0) {
            return Err(GlmError::Weight(row));
        }
    }
    let any = data.weight.map_or(rows > 0, |weight| weight.iter().any(|&weight| weight > 0.0));
    if any { Ok(()) } else { Err(GlmError::NoInformation) }
}

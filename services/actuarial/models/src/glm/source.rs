//! Where the rows of a fit lie: what a fit asks about them, and the answers of rows at hand.

use super::family::{AnyPair, Curvature, Kernel, WithKernel, with_kernel};
use super::layout::{Layout, Rows};
use super::pass::{Present, Sums, each_part, pass, predictors, present, sum_rows};
use super::{GlmError, Link, Model};
use crate::number::NotFinite;
use crate::stop::Stopped;

/// Rows a model is fitted to, wherever they lie.
pub(crate) trait Source {
    type Error: From<GlmError> + From<NotFinite> + From<Stopped>;

    /// The sums of the normal equations at `at`; the deviance lacks what depends on responses alone.
    fn sums(
        &mut self,
        design: Design<'_>,
        at: &[f64],
        curvature: Curvature,
    ) -> Result<Sums, Self::Error>;

    /// The sums over a sample as if it were all of the rows, where that takes much less than all.
    fn sums_of_sample(&mut self, _: Design<'_>, _: &[f64]) -> Result<Option<Sums>, Self::Error> {
        Ok(None)
    }

    /// What is present in every cell of every block.
    fn present(&mut self, design: Design<'_>) -> Result<Vec<Vec<Present>>, Self::Error>;

    /// How far responses are from the means at `at`.
    fn distance(&mut self, design: Design<'_>, at: &[f64]) -> Result<Distance, Self::Error>;

    /// Log-likelihood at `at`, for which [`Source::distance`] was asked before; NaN without a density.
    fn likelihood(
        &mut self,
        design: Design<'_>,
        at: &[f64],
        dispersion: f64,
    ) -> Result<f64, Self::Error>;

    /// The sums of a model that is an intercept alone.
    fn alone(&mut self, model: &Model, level: f64) -> Result<Alone, Self::Error>;

    /// Whether a row has an offset.
    fn has_offset(&self) -> bool;
}

/// A model and the layout of its design.
#[derive(Clone, Copy)]
pub(crate) struct Design<'a> {
    pub(crate) model: &'a Model,
    pub(crate) layout: &'a Layout,
}

/// What is known of responses before a fit.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Totals {
    /// Σ weight × response.
    pub(crate) claims: f64,
    /// Σ weight × exposure, which is one unless the offset is its logarithm.
    pub(crate) exposure: f64,
    /// The part of the deviance that depends on the responses alone.
    pub(crate) constant: f64,
}

/// How far responses are from their means.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Distance {
    pub(crate) pearson: f64,
    /// Rows with a weight above zero.
    pub(crate) rows: usize,
}

/// Sums of an intercept alone.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Alone {
    pub(crate) score: f64,
    pub(crate) information: f64,
    /// Without the part that depends on the responses alone.
    pub(crate) deviance: f64,
}

impl Totals {
    pub(crate) fn add(&mut self, other: Totals) {
        self.claims += other.claims;
        self.exposure += other.exposure;
        self.constant += other.constant;
    }
}

impl Alone {
    pub(crate) fn add(&mut self, other: Alone) {
        self.score += other.score;
        self.information += other.information;
        self.deviance += other.deviance;
    }
}

impl Model {
    /// What one row adds to [`Totals`].
    pub(crate) fn total(&self, response: f64, weight: f64, offset: Option<f64>) -> Totals {
        let exposure = match offset {
            Some(offset) if self.link == Link::Log => offset.exp(),
            _ => 1.0,
        };
        Totals {
            claims: weight * response,
            exposure: weight * exposure,
            constant: weight * self.family.constant(response),
        }
    }

    /// What one row adds to [`Distance::pearson`].
    pub(crate) fn pearson(&self, response: f64, mean: f64, weight: f64) -> f64 {
        weight * (response - mean).powi(2) / self.family.variance(mean)
    }

    /// What one row adds to the log-likelihood.
    pub(crate) fn density(&self, response: f64, mean: f64, weight: f64, dispersion: f64) -> f64 {
        self.family.log_density(response, mean, weight, dispersion).unwrap_or(f64::NAN)
    }

    /// What one row adds to the sums of an intercept alone.
    pub(crate) fn alone(&self, eta: f64, response: f64, weight: f64) -> Alone {
        let point = AnyPair(self.family, self.link).at(eta, response);
        Alone {
            score: weight * point.score,
            information: weight * point.information,
            deviance: weight * point.deviance,
        }
    }
}

/// Rows at hand.
pub(crate) struct Here<'a> {
    pub(crate) rows: Rows<'a>,
    pub(crate) threads: usize,
    /// Means of the rows, once their distance was asked for.
    pub(crate) means: Vec<f64>,
}

impl Here<'_> {
    pub(crate) fn totals(&self, model: &Model) -> Totals {
        let rows = &self.rows;
        let [claims, exposure, constant] = sum_rows(rows, self.threads, |row, weight| {
            let offset = rows.offset.map(|offset| offset[row]);
            let Totals { claims, exposure, constant } =
                model.total(rows.response[row], weight, offset);
            [claims, exposure, constant]
        });
        Totals { claims, exposure, constant }
    }
}

struct Pass<'a> {
    layout: &'a Layout,
    rows: &'a Rows<'a>,
    at: &'a [f64],
    threads: usize,
}

impl WithKernel for Pass<'_> {
    type Out = Sums;

    fn with(self, kernel: impl Kernel) -> Sums {
        pass(self.layout, self.rows, self.at, kernel, self.threads)
    }
}

impl Source for Here<'_> {
    type Error = GlmError;

    fn sums(
        &mut self,
        Design { model, layout }: Design<'_>,
        at: &[f64],
        curvature: Curvature,
    ) -> Result<Sums, GlmError> {
        let pass = Pass { layout, rows: &self.rows, at, threads: self.threads };
        Ok(with_kernel(model.family, model.link, curvature, pass))
    }

    fn present(&mut self, design: Design<'_>) -> Result<Vec<Vec<Present>>, GlmError> {
        Ok(present(design.layout, &self.rows, self.threads))
    }

    fn distance(
        &mut self,
        Design { model, layout }: Design<'_>,
        at: &[f64],
    ) -> Result<Distance, GlmError> {
        let link = model.link;
        self.means = predictors(layout, &self.rows, at, self.threads);
        each_part(&mut self.means, self.threads, |means| {
            means.iter_mut().for_each(|mean| *mean = link.mean(*mean));
        });
        let [pearson, rows] = sum_rows(&self.rows, self.threads, |row, weight| {
            [model.pearson(self.rows.response[row], self.means[row], weight), 1.0]
        });
        Ok(Distance { pearson, rows: rows as usize })
    }

    fn likelihood(
        &mut self,
        design: Design<'_>,
        _: &[f64],
        dispersion: f64,
    ) -> Result<f64, GlmError> {
        let [sum] = sum_rows(&self.rows, self.threads, |row, weight| {
            let (response, mean) = (self.rows.response[row], self.means[row]);
            [design.model.density(response, mean, weight, dispersion)]
        });
        Ok(sum)
    }

    fn alone(&mut self, model: &Model, level: f64) -> Result<Alone, GlmError> {
        let rows = &self.rows;
        let [score, information, deviance] = sum_rows(rows, self.threads, |row, weight| {
            let eta = level + rows.offset.map_or(0.0, |offset| offset[row]);
            let Alone { score, information, deviance } =
                model.alone(eta, rows.response[row], weight);
            [score, information, deviance]
        });
        Ok(Alone { score, information, deviance })
    }

    fn has_offset(&self) -> bool {
        self.rows.offset.is_some()
    }
}

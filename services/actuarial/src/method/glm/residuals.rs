//! What is left of single rows when a pricing model has said its part.

use actuarial_models::glm::{Family, Fit};
use actuarial_models::validation::ValidationError;
use actuarial_models::validation::residuals::Residual;
use serde::{Deserialize, Serialize};

use super::compute::Rows;
use crate::figure::Figure;
use crate::method::Failure;

/// Bands of rows by what is expected of them.
const BANDS: usize = 20;
/// Parts of the rows, and what the same part of a standard normal lies below.
const PLACES: [(f64, f64); 13] = [
    (0.005, -2.575_829_303_548_901),
    (0.01, -2.326_347_874_040_841),
    (0.025, -1.959_963_984_540_054),
    (0.05, -1.644_853_626_951_473),
    (0.1, -1.281_551_565_544_601),
    (0.25, -0.674_489_750_196_082),
    (0.5, 0.0),
    (0.75, 0.674_489_750_196_082),
    (0.9, 1.281_551_565_544_601),
    (0.95, 1.644_853_626_951_473),
    (0.975, 1.959_963_984_540_054),
    (0.99, 2.326_347_874_040_841),
    (0.995, 2.575_829_303_548_901),
];

/// Residuals of the rows a model was fitted to.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ResidualsResult {
    /// Roots of each row's part of the deviance, with the sign of observed less expected: their squares
    /// add up to the deviance.
    pub(crate) deviance: SpreadResult,
    /// Over the standard deviation the family gives: their squares add up to Pearson's chi-squared.
    pub(crate) pearson: SpreadResult,
    /// Places of counts in their distributions as standard normals, drawn within a count's step: of
    /// models of counts and chances without weights.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) quantile: Option<SpreadResult>,
    /// Rows in order of what is expected of them, in bands of as many.
    pub(crate) bands: Vec<ResidualBandResult>,
    /// Quantile residuals against the normal ones they have when the model is right.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) normal: Vec<NormalPointResult>,
}

/// How residuals are spread.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SpreadResult {
    pub(crate) mean: Figure,
    pub(crate) deviation: Figure,
    pub(crate) least: Figure,
    pub(crate) most: Figure,
    /// Sum of the squares.
    pub(crate) squares: Figure,
}

/// Rows of neighbouring expectations.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ResidualBandResult {
    pub(crate) rows: usize,
    /// Mean of what is expected of a row.
    pub(crate) expected: Figure,
    /// Mean deviance residual.
    pub(crate) deviance: Figure,
    /// Mean Pearson residual: about zero in every band when the form of the model is right.
    pub(crate) pearson: Figure,
    /// Mean quantile residual.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) quantile: Option<Figure>,
}

/// A place of a distribution.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct NormalPointResult {
    /// Part of the rows below.
    pub(crate) part: Figure,
    pub(crate) normal: Figure,
    pub(crate) residual: Figure,
}

/// Residuals of the rows a fit is of; quantile residuals are drawn by the seed.
pub(super) fn residuals(fit: &Fit, rows: &Rows, seed: u64) -> Result<ResidualsResult, Failure> {
    let means = fit.means.as_deref().expect("a fit to rows at hand has their means");
    let family = fit.model.family;
    let of = |kind: Residual| {
        let found = kind.of(family, &rows.response, means, rows.weight.as_deref());
        found.map_err(|error| match error {
            ValidationError::NotFinite(what) => Failure::not_a_number(what.0),
            other => Failure::ours(&other.to_string()),
        })
    };
    let (deviance, pearson) = (of(Residual::Deviance)?, of(Residual::Pearson)?);
    let whole = rows.response.iter().all(|value| value.fract() == 0.0);
    let is_placed = match family {
        Family::Poisson => whole,
        Family::Binomial => rows.response.iter().all(|value| *value == 0.0 || *value == 1.0),
        _ => false,
    };
    let quantile = match is_placed && rows.weight.is_none() {
        true => Some(of(Residual::Quantile { seed })?),
        false => None,
    };
    let mut order: Vec<usize> = (0..means.len()).collect();
    // Rows as expected as each other stay in their order, so bands are the same every time.
    order.sort_by(|a, b| means[*a].total_cmp(&means[*b]));
    let count = BANDS.min(order.len());
    let bands = (0..count).map(|band| {
        let own = &order[band * order.len() / count..(band + 1) * order.len() / count];
        let mean = |of: &[f64]| own.iter().map(|row| of[*row]).sum::<f64>() / own.len() as f64;
        ResidualBandResult {
            rows: own.len(),
            expected: mean(means).into(),
            deviance: mean(&deviance).into(),
            pearson: mean(&pearson).into(),
            quantile: quantile.as_deref().map(|quantile| Figure(mean(quantile))),
        }
    });
    let bands = bands.collect();
    let normal = quantile.clone().map_or(vec![], |mut sorted| {
        sorted.sort_by(f64::total_cmp);
        let place = |(part, normal): (f64, f64)| {
            let at = (part * sorted.len() as f64) as usize;
            NormalPointResult {
                part: part.into(),
                normal: normal.into(),
                residual: sorted[at.min(sorted.len() - 1)].into(),
            }
        };
        PLACES.into_iter().map(place).collect()
    });
    Ok(ResidualsResult {
        deviance: spread(&deviance),
        pearson: spread(&pearson),
        quantile: quantile.as_deref().map(spread),
        bands,
        normal,
    })
}

fn spread(values: &[f64]) -> SpreadResult {
    let count = values.len() as f64;
    let mean = values.iter().sum::<f64>() / count;
    let squares: f64 = values.iter().map(|value| value * value).sum();
    let apart: f64 = values.iter().map(|value| (value - mean) * (value - mean)).sum();
    SpreadResult {
        mean: mean.into(),
        deviation: (apart / count).sqrt().into(),
        least: values.iter().copied().fold(f64::INFINITY, f64::min).into(),
        most: values.iter().copied().fold(f64::NEG_INFINITY, f64::max).into(),
        squares: squares.into(),
    }
}

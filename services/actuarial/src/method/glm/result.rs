//! What a fit of a pricing model found.

use actuarial_models::glm::Compared;
use serde::{Deserialize, Serialize};

use super::residuals::ResidualsResult;
use crate::figure::Figure;
use crate::method::validation::JudgedResult;

/// All of it.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct GlmResult {
    pub(crate) family: String,
    pub(crate) link: String,
    /// The power of `tweedie` or the alpha of `negativeBinomial`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) shape: Option<Figure>,
    pub(crate) rows: usize,
    pub(crate) rows_dropped: usize,
    pub(crate) degrees: usize,
    pub(crate) coefficients: Vec<CoefficientResult>,
    /// Columns others determine, whose coefficients are zero.
    pub(crate) dropped: Vec<String>,
    pub(crate) dispersion: Figure,
    pub(crate) deviance: Figure,
    pub(crate) null_deviance: Figure,
    pub(crate) pearson: Figure,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) log_likelihood: Option<Figure>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) aic: Option<Figure>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) wald: Vec<TestResult>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) type_three: Vec<TestResult>,
    /// By factor of the model.
    pub(crate) comparisons: Vec<ComparisonResult>,
    /// Of the rows it was fitted to; absent where they are read in passes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) residuals: Option<ResidualsResult>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) hold_out: Option<HoldOutResult>,
}

/// One coefficient.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CoefficientResult {
    pub(crate) name: String,
    pub(crate) estimate: Figure,
    /// Null under a penalty and for a dropped column.
    pub(crate) error: Option<Figure>,
    pub(crate) z: Option<Figure>,
    pub(crate) p: Option<Figure>,
    /// The estimate less and plus 1.96 errors.
    pub(crate) low: Option<Figure>,
    pub(crate) high: Option<Figure>,
    /// What the mean is multiplied by, with the log link.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) relativity: Option<Figure>,
}

/// A test of a term.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TestResult {
    pub(crate) name: String,
    pub(crate) degrees: usize,
    pub(crate) statistic: Figure,
    pub(crate) p: Figure,
}

/// A model against one that keeps some of its terms, fitted to the same rows.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct NestedResult {
    /// The terms of the smaller one.
    pub(crate) kept: Vec<String>,
    /// Named by the terms it leaves out.
    pub(crate) test: TestResult,
    pub(crate) deviance: Figure,
    pub(crate) nested_deviance: Figure,
    /// Of the larger one, by which the difference of deviances is divided.
    pub(crate) dispersion: Figure,
}

/// What was and what was expected, by levels of a factor.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ComparisonResult {
    pub(crate) name: String,
    pub(crate) levels: Vec<LevelResult>,
}

/// One level. Observed and expected are per unit of volume.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct LevelResult {
    pub(crate) name: String,
    pub(crate) rows: usize,
    /// Exposure, or weight, or rows.
    pub(crate) volume: Figure,
    pub(crate) observed: Figure,
    pub(crate) expected: Figure,
    /// Observed over expected; null where nothing is expected.
    pub(crate) ratio: Option<Figure>,
}

impl LevelResult {
    /// What came and what was expected of the level's rows.
    pub(crate) fn of(name: &str, compared: &Compared) -> LevelResult {
        let &Compared { rows, volume, observed, expected } = compared;
        // A level without volume has nothing to be related to.
        let per = if volume > 0.0 { volume } else { 1.0 };
        LevelResult {
            name: name.to_owned(),
            rows: usize::try_from(rows).unwrap_or(usize::MAX),
            volume: volume.into(),
            observed: (observed / per).into(),
            expected: (expected / per).into(),
            ratio: (expected > 0.0).then(|| Figure(observed / expected)),
        }
    }
}

/// How the model does on rows it was not fitted to.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct HoldOutResult {
    pub(crate) rows: usize,
    pub(crate) volume: Figure,
    pub(crate) observed: Figure,
    pub(crate) expected: Figure,
    /// Mean deviance per row.
    pub(crate) mean_deviance: Figure,
    /// Lift and order; absent where something below zero came or is expected, or nothing, and where rows
    /// are read in passes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) judged: Option<JudgedResult>,
    /// By factor of the model.
    #[serde(default)]
    pub(crate) comparisons: Vec<ComparisonResult>,
}

impl HoldOutResult {
    /// What came and what was expected of the rows, without their lift and levels.
    pub(super) fn of(all: &Compared, deviance: f64) -> HoldOutResult {
        HoldOutResult {
            rows: usize::try_from(all.rows).unwrap_or(usize::MAX),
            volume: all.volume.into(),
            observed: (all.observed / all.volume).into(),
            expected: (all.expected / all.volume).into(),
            mean_deviance: (deviance / all.rows as f64).into(),
            judged: None,
            comparisons: vec![],
        }
    }
}

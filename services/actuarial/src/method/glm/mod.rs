//! 定价模型: generalised linear models of frequency, severity, pure premium and conversion.

mod compute;
mod passes;
mod read;
mod refusal;
mod residuals;
mod result;

use actuarial_models::glm::{Aliased, Family, Link, Penalty};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

pub(crate) use compute::compare;
pub(crate) use passes::{Asked, GlmPasses};
pub(crate) use read::{conditions, read};
pub(crate) use refusal::refused;
pub(crate) use residuals::NormalPointResult;
pub(crate) use result::{ComparisonResult, GlmResult, NestedResult};

use crate::method::prepare::{Condition, ConditionBody, DerivedBody, Prepare};

/// What is modelled, and how.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", default)]
#[schema(as = GlmParameters)]
pub struct GlmBody {
    /// Which rows are taken: all that meet every condition.
    pub rows: Option<Vec<ConditionBody>>,
    /// Columns made of others, which everything else may name.
    pub derive: Option<Vec<DerivedBody>>,
    /// Rows that are held out: not fitted to, but predicted and judged.
    pub hold_out: Option<Vec<ConditionBody>>,
    /// `poisson` (the default), `gamma`, `tweedie`, `binomial`, `negativeBinomial`, `gaussian`.
    #[schema(example = "poisson")]
    pub family: Option<String>,
    /// The power of `tweedie`: any from -10 to 10 but between 0 and 1, such as 0 (normal), 1 (quasi-Poisson), between 1
    /// and 2 (sums of claims), 2 (gamma), 3 (inverse Gaussian); 1.5 when absent.
    pub power: Option<f64>,
    /// The overdispersion of `negativeBinomial`; estimated when absent.
    pub alpha: Option<f64>,
    /// `log` (the default), `logit` (the default of `binomial`), `identity` or `inverse`.
    pub link: Option<String>,
    /// The column that is explained.
    #[schema(example = "ClaimNb")]
    pub response: Option<String>,
    /// The response is divided by this column, which becomes the weight: an amount by the number of
    /// claims, for example.
    pub per: Option<String>,
    /// With the log link: its logarithm is added to the predictor.
    #[schema(example = "Exposure")]
    pub exposure: Option<String>,
    /// A column of weights.
    pub weight: Option<String>,
    /// A column that is added to the predictor as it is.
    pub offset: Option<String>,
    /// The terms of the predictor beside the intercept.
    pub terms: Option<Vec<TermBody>>,
    /// Weight of the absolute values of coefficients: the lasso.
    pub lasso: Option<f64>,
    /// Weight of half the squares of coefficients: ridge.
    pub ridge: Option<f64>,
    /// What happens to a column others determine: `refuse` (the default) or `drop`.
    pub aliased: Option<String>,
    /// What happens to rows without a number where one is needed: `refuse` (the default) or `drop`.
    /// A missing level is a level of its own.
    pub missing: Option<String>,
    /// Tests of every term: `wald` (the default), `typeThree`.
    pub tests: Option<Vec<String>>,
    /// `once` (the default): rows are held in memory. `passes`: they are read anew for every step, by
    /// the engine or the cluster it has, and never held, so that there may be more of them than a run
    /// holds. Factors then name their base, and rows that are held out have no lift.
    pub reading: Option<String>,
}

/// A term of the predictor: a factor, a number, a spline, or the product of other terms.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", default)]
#[schema(as = GlmTerm)]
pub struct TermBody {
    /// A coefficient for every level of this column but the base.
    #[schema(example = "Area")]
    pub factor: Option<String>,
    /// The base of the factor; the level with the largest weight when absent.
    pub base: Option<String>,
    /// A coefficient for the values of this column.
    pub number: Option<String>,
    /// A natural cubic spline of this column.
    pub spline: Option<String>,
    /// The knots of the spline: at least three, increasing.
    pub knots: Option<Vec<f64>>,
    /// The product of the columns of these terms.
    #[schema(no_recursion)]
    pub product: Option<Vec<TermBody>>,
}

/// Checked parameters.
#[derive(Clone, Debug)]
pub(crate) struct Glm {
    columns: Vec<String>,
    prepare: Prepare,
    hold_out: Vec<Condition>,
    family: FamilyAsked,
    link: Link,
    response: String,
    per: Option<String>,
    exposure: Option<String>,
    weight: Option<String>,
    offset: Option<String>,
    terms: Vec<TermAsked>,
    penalty: Penalty,
    aliased: Aliased,
    drops_missing: bool,
    in_passes: bool,
    wald: bool,
    type_three: bool,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum FamilyAsked {
    Given(Family),
    NegativeBinomial,
}

#[derive(Clone, Debug)]
enum TermAsked {
    Factor { column: String, base: Option<String> },
    Number(String),
    Spline { column: String, knots: Vec<f64> },
    Product(Vec<TermAsked>),
}

impl TermAsked {
    /// The factors of the term.
    fn factors(&self) -> Vec<(&String, &Option<String>)> {
        match self {
            TermAsked::Factor { column, base } => vec![(column, base)],
            TermAsked::Number(_) | TermAsked::Spline { .. } => vec![],
            TermAsked::Product(parts) => parts.iter().flat_map(TermAsked::factors).collect(),
        }
    }

    /// The numbers of the term.
    fn numbers(&self) -> Vec<&String> {
        match self {
            TermAsked::Factor { .. } => vec![],
            TermAsked::Number(column) | TermAsked::Spline { column, .. } => vec![column],
            TermAsked::Product(parts) => parts.iter().flat_map(TermAsked::numbers).collect(),
        }
    }
}

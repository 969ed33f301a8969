//! What a reserving run found.

use serde::{Deserialize, Serialize};

use crate::figure::Figure;

/// All of it.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ReservingResult {
    pub(crate) triangle: TriangleResult,
    pub(crate) development: DevelopmentResult,
    pub(crate) chain_ladder: ProjectionResult,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) mack: Option<MackResult>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) one_year: Option<OneYearResult>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) bornhuetter_ferguson: Option<ProjectionResult>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) benktander: Option<ProjectionResult>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) cape_cod: Option<CapeCodResult>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) munich: Option<MunichResult>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) odp: Option<OdpResult>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) bootstrap: Option<BootstrapResult>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) calibrated: Option<CalibratedResult>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) best: Option<BestResult>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) back_test: Option<BackTestResult>,
}

/// A distribution calibrated on past valuations.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CalibratedResult {
    /// Cape Cod's, which is the middle.
    pub(crate) reserve: Figure,
    pub(crate) mack_error: Figure,
    /// Cape Cod's reserve less the chain ladder's.
    pub(crate) apart: Figure,
    /// What Student's variable is multiplied with.
    pub(crate) scale: Figure,
    pub(crate) deviation: Figure,
    pub(crate) quantiles: Vec<QuantileResult>,
    pub(crate) hindsight: HindsightResult,
    /// Companies it was learnt from, and those that could not be valued.
    pub(crate) companies: usize,
    pub(crate) left_out: Vec<String>,
    /// Part of the outcomes it was learnt from that lie inside nine tenths; absent where parameters were
    /// given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) inside: Option<Figure>,
}

/// What past valuations teach; may be given to another run.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct HindsightResult {
    pub(crate) mack: Figure,
    pub(crate) reserve: Figure,
    pub(crate) apart: Figure,
    pub(crate) degrees: Figure,
    pub(crate) seen: usize,
}

/// The best estimate.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct BestResult {
    pub(crate) origins: Vec<BestOriginResult>,
    pub(crate) latest: Figure,
    pub(crate) ultimate: Figure,
    pub(crate) reserve: Figure,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct BestOriginResult {
    pub(crate) name: String,
    pub(crate) latest: Figure,
    pub(crate) ultimate: Figure,
    pub(crate) reserve: Figure,
    pub(crate) parts: Vec<WeightResult>,
}

/// What is taken of a method.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct WeightResult {
    pub(crate) method: String,
    pub(crate) weight: Figure,
    pub(crate) ultimate: Figure,
}

/// What methods said earlier, against what came.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct BackTestResult {
    /// Each method over all views.
    pub(crate) methods: Vec<TestedMethodResult>,
    pub(crate) views: Vec<ViewResult>,
    pub(crate) left_out: Vec<LeftOutResult>,
}

/// A method over all views.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TestedMethodResult {
    pub(crate) method: String,
    pub(crate) views: usize,
    pub(crate) reserve: Figure,
    pub(crate) outcome: Figure,
    /// Reserve less outcome.
    pub(crate) error: Figure,
    /// The error as part of the outcome; null where that is zero.
    pub(crate) part: Option<Figure>,
    /// Errors of the views without their signs, as part of their outcomes without signs.
    pub(crate) absolute_part: Option<Figure>,
    /// Absent where the method says no distribution.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) calibration: Option<CalibrationResult>,
}

/// Whether distributions kept their word.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CalibrationResult {
    pub(crate) outcomes: usize,
    /// Kolmogorov and Smirnov's, of the percentiles from uniform ones.
    pub(crate) distance: Figure,
    /// What right distributions stay below nineteen times out of twenty; null below five outcomes.
    pub(crate) limit: Option<Figure>,
    /// Part of the outcomes inside the central half and nine tenths.
    pub(crate) inside_half: Figure,
    pub(crate) inside_nine_tenths: Figure,
}

/// A triangle at an earlier valuation.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ViewResult {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) company: Option<String>,
    pub(crate) as_of: String,
    pub(crate) origins: usize,
    /// What had come in by then.
    pub(crate) known: Figure,
    /// Whether all has come in by now; what the method still expects is part of the outcome otherwise.
    pub(crate) is_outcome_known: bool,
    pub(crate) methods: Vec<ViewMethodResult>,
}

/// What a method said of it.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ViewMethodResult {
    pub(crate) method: String,
    pub(crate) reserve: Figure,
    pub(crate) outcome: Figure,
    /// Reserve less outcome.
    pub(crate) error: Figure,
    pub(crate) part: Option<Figure>,
    /// Where in the method's distribution the outcome lies, 0 to 1.
    pub(crate) percentile: Option<Figure>,
}

/// What could not be tested.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct LeftOutResult {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) company: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) as_of: Option<String>,
    pub(crate) reason: String,
}

/// The triangle as it was read.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TriangleResult {
    pub(crate) origin_months: u32,
    pub(crate) origins: Vec<String>,
    pub(crate) ages: Vec<u32>,
    /// By origin, then by age; null where nothing is known.
    pub(crate) cumulative: Vec<Vec<Option<Figure>>>,
    /// By origin, then by age, one fewer; null where one of the two amounts is missing.
    pub(crate) link_ratios: Vec<Vec<Option<Figure>>>,
    /// Cells that are sums of several rows.
    pub(crate) summed_cells: usize,
    /// Increments below zero.
    pub(crate) negative_increments: usize,
}

/// The factors.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DevelopmentResult {
    pub(crate) average: String,
    pub(crate) recent: Option<usize>,
    /// Link ratios that were left out: places of origin and age.
    pub(crate) without: Vec<(usize, usize)>,
    pub(crate) without_highest: usize,
    pub(crate) without_lowest: usize,
    pub(crate) factors: Vec<Figure>,
    /// Null where a single link ratio says nothing.
    pub(crate) sigmas: Vec<Option<Figure>>,
    pub(crate) tail_factor: Figure,
    /// From each age to the ultimate, tail included.
    pub(crate) to_ultimate: Vec<Figure>,
}

/// What a method says, by origin and in all.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ProjectionResult {
    pub(crate) origins: Vec<OriginResult>,
    pub(crate) latest: Figure,
    pub(crate) ultimate: Figure,
    pub(crate) reserve: Figure,
}

/// What a method says of one origin.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct OriginResult {
    pub(crate) name: String,
    /// Months.
    pub(crate) age: u32,
    pub(crate) latest: Figure,
    pub(crate) ultimate: Figure,
    pub(crate) reserve: Figure,
}

/// The error of the chain ladder.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct MackResult {
    pub(crate) last_sigma: String,
    pub(crate) sigmas: Vec<Figure>,
    pub(crate) factor_errors: Vec<Figure>,
    pub(crate) origins: Vec<ErrorResult>,
    pub(crate) total: ErrorResult,
}

/// The error of a reserve, as standard deviations.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ErrorResult {
    pub(crate) name: String,
    pub(crate) reserve: Figure,
    /// By chance.
    pub(crate) process: Figure,
    /// By not knowing the parameters.
    pub(crate) parameter: Figure,
    pub(crate) error: Figure,
    /// As part of the reserve; null where that is zero.
    pub(crate) coefficient: Option<Figure>,
}

/// Errors of the claims development results of the years to come.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct OneYearResult {
    pub(crate) origins: Vec<AheadResult>,
    pub(crate) total: AheadResult,
}

/// How far an ultimate may move, as standard deviations.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AheadResult {
    pub(crate) name: String,
    pub(crate) reserve: Figure,
    /// Within the next year.
    pub(crate) next_year: Figure,
    /// Until everything has come in: Mack's error, the root of the years' squares.
    pub(crate) all_years: Figure,
    /// The former as part of the latter; null where nothing moves.
    pub(crate) part: Option<Figure>,
    /// Within each year to come, the next one first.
    pub(crate) years: Vec<Figure>,
}

/// Cape Cod.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CapeCodResult {
    pub(crate) exposure: Vec<Figure>,
    /// Expected loss per exposure at the level of the youngest origin.
    pub(crate) trended: Vec<Figure>,
    /// The same at the level of the origin.
    pub(crate) expected: Vec<Figure>,
    pub(crate) projection: ProjectionResult,
}

/// Munich chain ladder.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct MunichResult {
    pub(crate) lambda_paid: Figure,
    pub(crate) lambda_incurred: Figure,
    pub(crate) paid: Vec<Figure>,
    pub(crate) incurred: Vec<Figure>,
    pub(crate) paid_ultimate: Figure,
    pub(crate) incurred_ultimate: Figure,
}

/// The over-dispersed Poisson model.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct OdpResult {
    pub(crate) dispersion: Figure,
    pub(crate) cells: usize,
    /// Null when an increment is negative.
    pub(crate) deviance: Option<Figure>,
    pub(crate) coefficients: Vec<Figure>,
    pub(crate) origins: Vec<ErrorResult>,
    pub(crate) total: ErrorResult,
    /// Expected amounts of the periods to come, the next one first.
    pub(crate) calendar: Vec<Figure>,
}

/// A distribution of the reserve.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct BootstrapResult {
    pub(crate) draws: usize,
    pub(crate) dispersion: Figure,
    pub(crate) parameter_deviation: Figure,
    pub(crate) origins: Vec<DistributionResult>,
    pub(crate) total: DistributionResult,
}

/// Draws of one reserve, summed up.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DistributionResult {
    pub(crate) name: String,
    pub(crate) mean: Figure,
    pub(crate) deviation: Figure,
    pub(crate) quantiles: Vec<QuantileResult>,
}

/// The amount a part of the draws stays below.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct QuantileResult {
    pub(crate) name: String,
    pub(crate) amount: Figure,
}

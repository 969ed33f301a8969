//! 准备金: reserves from a triangle that is long or wide in a dataset.
//!
//! The chain ladder always; its error after Mack, that of the next year's claims development result,
//! methods that lean on an expectation, paid and incurred together, and increments with a distribution
//! where they are asked for; a distribution learnt from a market's past valuations; what is taken of each
//! method, origin by origin; and what methods said earlier, against what came.

mod backtest;
mod best;
mod calibrated;
mod compute;
mod one_year;
mod read;
mod result;
mod triangle;

use std::collections::BTreeMap;

use actuarial_models::reserving::{
    Average, CapeCodTrend, Hindsight, LastSigma, Residuals, TailCurve,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

pub(crate) use read::read;
pub(crate) use result::{
    AheadResult, BackTestResult, BestResult, CalibratedResult, DistributionResult, OneYearResult,
    ReservingResult, TestedMethodResult, TriangleResult,
};

use crate::method::period::Period;
use crate::method::prepare::{ConditionBody, Prepare};

/// What reserves are estimated from, and how.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", default)]
#[schema(as = ReservingParameters)]
pub struct ReservingBody {
    /// Which rows are taken: all that meet every condition.
    pub rows: Option<Vec<ConditionBody>>,
    /// The column of origin periods: years, quarters (2024Q1), months (2024-01) or days.
    #[schema(example = "origin")]
    pub origin: Option<String>,
    /// The column of ages or valuations, of a dataset with one row for each cell.
    #[schema(example = "development")]
    pub development: Option<String>,
    /// What that column holds: `valuation` (a period), `age` (months) or `lag` (1 for the first);
    /// told from its values when absent.
    pub development_is: Option<String>,
    /// The column of amounts, of a dataset with one row for each cell.
    #[schema(example = "paid")]
    pub amount: Option<String>,
    /// The columns of ages, of a dataset with one row for each origin.
    pub ages: Option<Vec<AgeBody>>,
    /// Whether amounts are `cumulative` (the default) or `incremental`.
    pub amounts: Option<String>,
    /// A second column of amounts, incurred beside paid: for `munich`.
    pub incurred: Option<String>,
    /// The column of exposure or premium of each origin: for `capeCod` and expected loss ratios.
    pub exposure: Option<String>,
    /// Months of an origin period; told from its names when absent. A multiple of what is told makes
    /// the triangle coarser.
    pub origin_months: Option<u64>,
    /// Months between ages; told from the data when absent.
    pub age_months: Option<u64>,
    /// What is computed beside the chain ladder: `mack` (the default), `bornhuetterFerguson`,
    /// `benktander`, `capeCod`, `munich`, `odp`, `bootstrap`, `oneYear`.
    pub methods: Option<Vec<String>>,
    /// How link ratios are averaged: `volume` (the default), `simple` or `regression`.
    pub average: Option<String>,
    /// Only so many of the most recent link ratios of each age.
    pub recent: Option<u64>,
    /// Link ratios that are left out.
    pub without: Option<Vec<LinkBody>>,
    /// So many of the highest of each age are left out.
    pub without_highest: Option<u64>,
    /// So many of the lowest of each age are left out.
    pub without_lowest: Option<u64>,
    /// What follows the oldest age; nothing when absent.
    pub tail: Option<TailBody>,
    /// Where the last sigma comes from: `logLinear` (the default) or `minimum` (Mack's rule).
    pub last_sigma: Option<String>,
    /// What is expected of each origin: for `bornhuetterFerguson` and `benktander`.
    pub expected: Option<ExpectedBody>,
    /// Rounds of `benktander`; 2 when absent.
    pub rounds: Option<u64>,
    /// Yearly growth of losses per exposure in `capeCod`; 0 when absent.
    pub trend: Option<f64>,
    /// What weight an origin keeps with every period of distance in `capeCod`; 1 when absent.
    pub decay: Option<f64>,
    /// Triangles `bootstrap` draws; 10,000 when absent.
    pub draws: Option<u64>,
    /// How `bootstrap` adjusts residuals: `degrees` (the default) or `hat`.
    pub residuals: Option<String>,
    /// A distribution of Cape Cod's reserve, calibrated on past valuations whose outcome is known.
    pub calibrate: Option<CalibrateBody>,
    /// What is taken of each method: the best estimate.
    pub best: Option<BestBody>,
    /// What the methods of the run said at earlier valuations, against what has come since.
    pub backtest: Option<BackTestBody>,
}

/// What a reserve is calibrated on: a market in the dataset, or what another run learnt.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", default)]
#[schema(as = ReservingCalibration)]
pub struct CalibrateBody {
    /// The column that names companies; each has a triangle of its own.
    pub company: Option<String>,
    /// The company whose reserve is wanted.
    pub of: Option<String>,
    /// Of how many origins and ages earlier views are; 4 and 5 when absent.
    pub views: Option<Vec<u64>>,
    /// What another run learnt: `hindsight` of its result.
    pub parameters: Option<HindsightBody>,
}

/// Which triangles are tested, and as of when.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", default)]
#[schema(as = ReservingBackTest)]
pub struct BackTestBody {
    /// The column that names companies, each with a triangle of its own; one triangle when absent. The run's
    /// own triangle is then that of all of them together, unless `calibrate` names one.
    pub company: Option<String>,
    /// Earlier valuations: at the end of these periods.
    pub as_of: Option<Vec<String>>,
}

/// How much each sign of an error counts.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", default)]
#[schema(as = ReservingHindsight)]
pub struct HindsightBody {
    /// Part of Mack's error in the scale.
    pub mack: Option<f64>,
    /// Part of the reserve.
    pub reserve: Option<f64>,
    /// Part of the distance between Cape Cod and chain ladder.
    pub apart: Option<f64>,
    /// Degrees of freedom of Student's distribution, above 2.
    pub degrees: Option<f64>,
    /// From how many valuations it was learnt.
    pub seen: Option<u64>,
}

/// Weights of methods, which add up to one: `chainLadder`, `bornhuetterFerguson`, `benktander`, `capeCod`.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", default)]
#[schema(as = ReservingBest)]
pub struct BestBody {
    /// Of origins that are not named; the chain ladder alone when absent.
    #[schema(value_type = Option<Object>)]
    pub otherwise: Option<BTreeMap<String, f64>>,
    /// By origin.
    #[schema(value_type = Option<Object>)]
    pub origins: Option<BTreeMap<String, BTreeMap<String, f64>>>,
}

/// A column that holds the amounts of an age.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", default)]
#[schema(as = ReservingAge)]
pub struct AgeBody {
    /// The column.
    pub column: Option<String>,
    /// The age in months.
    pub months: Option<u64>,
}

/// A link ratio by its origin and the age it starts from.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", default)]
#[schema(as = ReservingLink)]
pub struct LinkBody {
    /// The origin period.
    #[schema(example = "1982")]
    pub origin: Option<String>,
    /// The age in months.
    pub age: Option<u64>,
}

/// What follows the oldest age: a factor, or a curve through the factors.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", default)]
#[schema(as = ReservingTail)]
pub struct TailBody {
    /// The factor.
    pub factor: Option<f64>,
    /// `exponential` or `inversePower`.
    pub curve: Option<String>,
    /// Factors from younger ages than this, in months, are left out of the fit.
    pub from_age: Option<u64>,
    /// So many ages beyond the triangle are multiplied up; 100 when absent.
    pub ages: Option<u64>,
}

/// What is expected of each origin.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", default)]
#[schema(as = ReservingExpected)]
pub struct ExpectedBody {
    /// Ultimate losses per exposure, the same for all origins.
    pub loss_ratio: Option<f64>,
    /// The column of expected ultimate losses of each origin.
    pub column: Option<String>,
}

/// Checked parameters.
#[derive(Clone, Debug)]
pub(crate) struct Reserving {
    columns: Vec<String>,
    prepare: Prepare,
    origin: String,
    layout: Layout,
    is_incremental: bool,
    incurred: Option<String>,
    exposure: Option<String>,
    origin_months: Option<u32>,
    age_months: Option<u32>,
    average: Average,
    recent: Option<usize>,
    without: Vec<(String, u32)>,
    without_highest: usize,
    without_lowest: usize,
    tail: TailAsked,
    last_sigma: LastSigma,
    mack: bool,
    one_year: bool,
    bornhuetter_ferguson: bool,
    benktander: Option<u32>,
    expected: Option<Expected>,
    cape_cod: Option<CapeCodTrend>,
    munich: bool,
    odp: bool,
    bootstrap: Option<(usize, Residuals)>,
    calibrate: Option<Calibrate>,
    best: Option<Best>,
    backtest: Option<BackTest>,
}

#[derive(Clone, Debug)]
struct BackTest {
    company: Option<String>,
    as_of: Vec<Period>,
}

#[derive(Clone, Debug)]
enum Calibrate {
    Given(Hindsight),
    Market { company: String, of: String, views: Vec<usize> },
}

/// Weights by origin.
#[derive(Clone, Debug)]
struct Best {
    otherwise: BTreeMap<Method, f64>,
    origins: BTreeMap<String, BTreeMap<Method, f64>>,
}

/// A method whose ultimates can be selected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Method {
    ChainLadder,
    BornhuetterFerguson,
    Benktander,
    CapeCod,
}

#[derive(Clone, Debug)]
enum Layout {
    Long { development: String, is: Option<DevelopmentIs>, amount: String },
    Wide(Vec<(String, u32)>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum DevelopmentIs {
    Valuation,
    Age,
    Lag,
}

#[derive(Clone, Copy, Debug)]
enum TailAsked {
    Factor(f64),
    Curve { curve: TailCurve, from_age: u32, ages: usize },
}

#[derive(Clone, Debug)]
enum Expected {
    LossRatio(f64),
    Column(String),
}

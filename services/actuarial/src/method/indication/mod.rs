//! 费率厘定: from the experience of some years to proposed relativities, and what they would do.

mod compute;
mod read;
mod result;

use std::collections::BTreeMap;

use actuarial_models::indication::Credibility;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

pub(crate) use read::read;
pub(crate) use result::{
    CellResult, FactorResult, ImpactResult, IndicationResult, TariffPlaceResult,
};

use crate::method::period::Period;
use crate::method::prepare::{Condition, ConditionBody, DerivedBody, Prepare};

/// What is indicated from which experience, and what a proposal has to keep to.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", default)]
#[schema(as = IndicationParameters)]
pub struct IndicationBody {
    /// Which rows are taken: all that meet every condition.
    pub rows: Option<Vec<ConditionBody>>,
    /// Columns made of others, which everything else may name.
    pub derive: Option<Vec<DerivedBody>>,
    /// The column of premium earned, at present rates or brought to them by `experience`.
    #[schema(example = "premium")]
    pub premium: Option<String>,
    /// The column of losses incurred, with what follows them.
    #[schema(example = "incurred")]
    pub losses: Option<String>,
    /// The column of claim numbers, by which experience is believed.
    #[schema(example = "claims")]
    pub claims: Option<String>,
    /// How the experience of each period is brought to the level of the future; as it is when absent.
    pub experience: Option<ExperienceBody>,
    /// The factors, in the order in which they change: each sees premium as those before it left it.
    pub factors: Option<Vec<IndicatedFactorBody>>,
    /// How far the claims of a level are believed; fully from 1,082 claims on when absent.
    pub credibility: Option<BelievedBody>,
    /// The change of all premium that is wanted: 1.05 is five per cent more; 1 when absent.
    pub target: Option<f64>,
    /// Instead of `target`: the loss ratio that premium shall lead to.
    pub permissible_loss_ratio: Option<f64>,
    /// The least and the largest change of all premium; 0.5 and 2 when absent.
    pub overall_cap: Option<CapBody>,
    /// The least and the largest change of the premium of a level, with the base rate; 0.75 and 1.25 when
    /// absent.
    pub level_cap: Option<CapBody>,
    /// The portfolio whose premiums are compared before and after, such as the last year's: the rows
    /// that meet every condition; all when absent.
    pub impact: Option<Vec<ConditionBody>>,
}

/// How experience is brought to the level of the future.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct ExperienceBody {
    /// The column of periods: years, quarters, months or days.
    pub period: Option<String>,
    /// By period, what its premium is multiplied by to be at present rates; 1 where absent.
    #[schema(value_type = Option<Object>)]
    pub on_level: Option<BTreeMap<String, f64>>,
    /// By period, what its losses are multiplied by to be ultimate; 1 where absent.
    #[schema(value_type = Option<Object>)]
    pub development: Option<BTreeMap<String, f64>>,
    /// Growth of losses a year: 0.03 is three per cent.
    pub trend: Option<f64>,
    /// The period losses are trended to.
    pub trend_to: Option<String>,
    /// What all losses are multiplied by, such as for claims handling; 1 when absent.
    pub loading: Option<f64>,
}

/// A factor whose relativities are proposed.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", default)]
#[schema(as = IndicatedFactor)]
pub struct IndicatedFactorBody {
    /// The column whose levels have a relativity each.
    #[schema(example = "vehicleClass")]
    pub column: Option<String>,
    /// The level that keeps its relativity; the one with the largest premium when absent.
    pub base: Option<String>,
    /// The relativity of each level in the present tariff; 1 where absent.
    #[schema(value_type = Option<Object>)]
    pub present: Option<BTreeMap<String, f64>>,
    /// Where the levels stand in the production cloud's tariff; without it the factor cannot be exported.
    pub tariff: Option<TariffPlaceBody>,
}

/// Where the levels of a factor stand in a tariff.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", default)]
#[schema(as = TariffPlace)]
pub struct TariffPlaceBody {
    /// Kind of the table, as the tariff's manifest calls it.
    #[schema(example = "pure_risk")]
    pub table: Option<String>,
    /// The column of the table that holds the levels.
    #[schema(example = "class_key")]
    pub column: Option<String>,
    /// Which rows of the table change: by column, the values they have.
    #[serde(rename = "where")]
    #[schema(value_type = Option<Object>)]
    pub rows: Option<BTreeMap<String, Vec<Value>>>,
}

/// How far a level's own claims are believed: by `full`, or by `probability`, `within` and `variation`, or
/// by `k`.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", default)]
#[schema(as = BelievedClaims)]
pub struct BelievedBody {
    /// Claims from which on a level is believed fully; fewer count by their square root.
    pub full: Option<f64>,
    /// With this probability losses lie `within` a part of their mean where a level is believed fully.
    pub probability: Option<f64>,
    /// That part.
    pub within: Option<f64>,
    /// Coefficient of variation of the size of a claim; 0 when absent.
    pub variation: Option<f64>,
    /// Bühlmann's constant: claims by which a level is believed by half.
    pub k: Option<f64>,
}

/// The least and the largest change.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", default)]
#[schema(as = ChangeCap)]
pub struct CapBody {
    /// The least.
    pub least: Option<f64>,
    /// The largest.
    pub most: Option<f64>,
}

/// Checked parameters.
#[derive(Clone, Debug)]
pub(crate) struct Indication {
    columns: Vec<String>,
    prepare: Prepare,
    premium: String,
    losses: String,
    claims: String,
    experience: Option<Experience>,
    factors: Vec<Factor>,
    credibility: Credibility,
    aim: Aim,
    overall_cap: (f64, f64),
    level_cap: (f64, f64),
    impact: Vec<Condition>,
}

#[derive(Clone, Copy, Debug)]
enum Aim {
    Change(f64),
    LossRatio(f64),
}

#[derive(Clone, Debug)]
struct Experience {
    period: Option<String>,
    on_level: BTreeMap<Period, f64>,
    development: BTreeMap<Period, f64>,
    /// Growth a year, and the period losses are trended to.
    trend: Option<(f64, Period)>,
    loading: f64,
}

#[derive(Clone, Debug)]
struct Factor {
    column: String,
    base: Option<String>,
    present: BTreeMap<String, f64>,
    tariff: Option<result::TariffPlaceResult>,
}

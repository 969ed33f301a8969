//! What an indication says.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::figure::Figure;

/// Proposed factors, and what they do.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct IndicationResult {
    pub(crate) rows: usize,
    /// Premium at present rates.
    pub(crate) premium: Figure,
    /// Losses at the level of the future.
    pub(crate) losses: Figure,
    pub(crate) claims: Figure,
    pub(crate) loss_ratio: Figure,
    /// The change of all premium that is wanted, and the one that comes of it.
    pub(crate) target: Figure,
    pub(crate) overall: Figure,
    pub(crate) credibility: CredibilityRule,
    pub(crate) level_cap: CapResult,
    pub(crate) overall_cap: CapResult,
    /// In the order in which they change.
    pub(crate) factors: Vec<FactorResult>,
    pub(crate) impact: ImpactResult,
}

/// How claims are believed: `limited` by the root of claims over `claims`, `buhlmann` by claims over
/// claims and `claims`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CredibilityRule {
    pub(crate) rule: String,
    pub(crate) claims: Figure,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CapResult {
    pub(crate) least: Figure,
    pub(crate) most: Figure,
}

/// A factor.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct FactorResult {
    pub(crate) name: String,
    pub(crate) base: String,
    /// The change of all premium this factor was to make: later ones only share out anew.
    pub(crate) target: Figure,
    pub(crate) overall: Figure,
    /// What every level is multiplied by beside its relativity.
    pub(crate) base_rate: Figure,
    /// What believed changes, balanced, are multiplied by before they are capped.
    pub(crate) rate: Figure,
    pub(crate) off_balance: Figure,
    pub(crate) levels: Vec<CellResult>,
    /// Levels of the present tariff that no row has: they keep their relativity.
    pub(crate) without_experience: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) tariff: Option<TariffPlaceResult>,
}

/// A level of a factor.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CellResult {
    pub(crate) name: String,
    /// The relativity of the present tariff.
    pub(crate) present: Figure,
    /// Premium at present rates, as the factors before left it.
    pub(crate) premium: Figure,
    pub(crate) losses: Figure,
    pub(crate) claims: Figure,
    pub(crate) loss_ratio: Figure,
    /// Its loss ratio against that of all; with bounds that hold 95 of 100 where rows tell.
    pub(crate) indicated: Figure,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) low: Option<Figure>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) high: Option<Figure>,
    pub(crate) credibility: Figure,
    pub(crate) believed: Figure,
    /// The change of its premium.
    pub(crate) change: Figure,
    pub(crate) capped: bool,
    /// The proposed relativity.
    pub(crate) relativity: Figure,
}

/// Where the levels of a factor stand in a tariff.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TariffPlaceResult {
    pub(crate) table: String,
    pub(crate) column: String,
    #[serde(rename = "where")]
    pub(crate) rows: BTreeMap<String, Vec<String>>,
}

/// What the proposal does to a portfolio.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ImpactResult {
    pub(crate) policies: usize,
    /// Rows without premium, which cannot change.
    pub(crate) without_premium: usize,
    pub(crate) before: Figure,
    pub(crate) after: Figure,
    pub(crate) change: Figure,
    pub(crate) winners: usize,
    pub(crate) losers: usize,
    pub(crate) unchanged: usize,
    pub(crate) quantiles: Vec<QuantileResult>,
    pub(crate) bands: Vec<BandResult>,
    /// Who wins most and who loses most.
    pub(crate) extremes: Vec<ExtremeResult>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct QuantileResult {
    pub(crate) share: Figure,
    pub(crate) change: Figure,
}

/// Policies whose change lies from `from` on, up to `below`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct BandResult {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) from: Option<Figure>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) below: Option<Figure>,
    pub(crate) policies: usize,
    pub(crate) before: Figure,
    pub(crate) after: Figure,
}

/// A policy by its levels.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ExtremeResult {
    /// Its row among those that are compared, from 1.
    pub(crate) row: usize,
    pub(crate) before: Figure,
    pub(crate) change: Figure,
    pub(crate) levels: BTreeMap<String, String>,
}

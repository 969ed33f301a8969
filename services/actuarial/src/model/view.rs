//! A model as its owner sees it.

use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::model::Spoken;
use crate::store::model::ModelRecord;

/// A model.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Model)]
pub struct ModelView {
    /// Names it in the paths, and in the claims it scored.
    pub model_id: String,
    /// `fraudScore`.
    pub purpose: &'static str,
    /// `tenant` or `market`.
    #[schema(example = "tenant")]
    pub scope: &'static str,
    /// Counted within purpose and scope.
    pub version: i32,
    /// What it is, for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// The run that learnt it.
    pub run_id: String,
    /// SHA-256 of the scorer, hexadecimal.
    pub scorer_digest: String,
    /// Chance from which a claim is worth a look, in parts per million.
    pub review_ppm: u32,
    /// Chance from which it is worth an investigation.
    pub high_ppm: u32,
    /// How it did beside the model in force when it was proposed, on the latest rows of its data.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub comparison: Option<Value>,
    /// `proposed`, `inForce`, `rejected`, `replaced` or `withdrawn`.
    #[schema(example = "inForce")]
    pub state: &'static str,
    /// Who proposed it.
    pub proposed_by: String,
    /// When.
    #[schema(value_type = String, format = DateTime)]
    pub proposed_at: Timestamp,
    /// Who approved or rejected it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decided_by: Option<String>,
    /// When.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub decided_at: Option<Timestamp>,
    /// Who replaced or withdrew it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ended_by: Option<String>,
    /// When.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub ended_at: Option<Timestamp>,
    /// Why it was rejected or withdrawn.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// What a model says of a claim's figures.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = ModelScore)]
pub struct ScoreView {
    /// The model.
    pub model_id: String,
    /// Its version.
    pub version: i32,
    /// Chance of fraud, in parts per million.
    pub chance_ppm: u32,
    /// `low`, `review` or `high`.
    #[schema(example = "review")]
    pub band: &'static str,
    /// What speaks for and against, the strongest first.
    pub reasons: Vec<BecauseView>,
}

/// What speaks for or against fraud.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = ModelScoreReason)]
pub struct BecauseView {
    /// A name of the contract of claim figures.
    #[schema(example = "hoursSinceStart")]
    pub feature: String,
    /// What the claim has there.
    #[schema(example = "71")]
    pub value: String,
    /// What the odds are multiplied by, in percent.
    #[schema(example = 153)]
    pub odds_pct: i64,
}

impl ModelView {
    /// The model where it stands.
    pub(crate) fn of(record: &ModelRecord) -> ModelView {
        ModelView {
            model_id: record.model.to_string(),
            purpose: crate::store::model::PURPOSE,
            scope: record.reach.name(),
            version: record.version,
            title: record.title.clone(),
            run_id: record.run.to_string(),
            scorer_digest: hex::encode(record.scorer_digest),
            review_ppm: record.bounds.review_ppm,
            high_ppm: record.bounds.high_ppm,
            comparison: record.comparison.clone(),
            state: record.state.name(),
            proposed_by: record.proposed_by.clone(),
            proposed_at: record.proposed_at,
            decided_by: record.decided_by.clone(),
            decided_at: record.decided_at,
            ended_by: record.ended_by.clone(),
            ended_at: record.ended_at,
            reason: record.reason.clone(),
        }
    }
}

impl ScoreView {
    /// What a model said.
    pub(crate) fn of(record: &ModelRecord, spoken: Spoken) -> ScoreView {
        ScoreView {
            model_id: record.model.to_string(),
            version: record.version,
            chance_ppm: spoken.chance_ppm,
            band: spoken.band.name(),
            reasons: spoken
                .reasons
                .into_iter()
                .map(|because| BecauseView {
                    feature: because.feature,
                    value: because.value,
                    odds_pct: because.odds_pct,
                })
                .collect(),
        }
    }
}

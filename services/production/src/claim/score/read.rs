//! Fraud scores of a claim, read back with the figures they were said of.

use base_http::{Call, Done, Problem, Reply};
use http::StatusCode;
use jiff::Timestamp;
use production_core::claim::feature::Features;
use production_core::number::NumberKind;
use serde::Serialize;
use utoipa::ToSchema;

use crate::Production;
use crate::claim::score::FraudScore;
use crate::lookup::Shown;
use crate::pre_confirm::number;
use crate::store::claim;
use crate::store::claim_score::{self as store, ScoreRow};

/// What was said of a claim, step by step.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClaimScoresView {
    /// 理赔编号.
    pub claim_code: String,
    /// First to last; nothing of steps taken while no model was in force.
    pub scores: Vec<ScoreLine>,
}

/// What was said of a claim when a step was taken.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ScoreLine {
    /// The step's place in the case.
    pub sequence: i32,
    /// `scored`; otherwise why not: `noModel`, `broken`, `missing`, `late`, `failed` or `busy`.
    #[schema(example = "scored")]
    pub outcome: &'static str,
    /// The score.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub score: Option<FraudScore>,
    /// The figures it was said of: with them and the model it can be computed again.
    #[schema(value_type = Object)]
    pub features: Features,
    /// When.
    #[schema(value_type = String, format = DateTime)]
    pub scored_at: Timestamp,
}

impl ScoreLine {
    pub(crate) fn of(row: ScoreRow) -> ScoreLine {
        let ScoreRow { sequence, scored, features, scored_at, .. } = row;
        let outcome = scored.as_ref().err().copied().unwrap_or("scored");
        ScoreLine { sequence, outcome, score: scored.ok(), features, scored_at }
    }
}

impl Production {
    /// What was said of an own claim.
    pub async fn read_scores(&self, call: Call, claim_code: &str) -> Result<Reply, Problem> {
        let claim_no = number(self, &call, claim_code, NumberKind::Claim)?;
        let mut tx = self.begin(&call).await?;
        claim::find(&mut tx, claim_no).await?;
        let rows = store::of_claim(&mut tx, claim_no).await?;
        drop(tx);
        let view = ClaimScoresView {
            claim_code: claim_no.to_string(),
            scores: rows.into_iter().map(ScoreLine::of).collect(),
        };
        let done = Done::json(StatusCode::OK, &view, claim_no.slot().0, claim_no.to_string());
        self.answer(call, Shown::Masked, done).await
    }
}

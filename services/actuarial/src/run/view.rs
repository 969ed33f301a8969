//! A run as its owner sees it.

use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::store::run::{RunRecord, RunStage};

/// A run.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Run)]
pub struct RunView {
    /// Names it in the paths.
    pub run_id: String,
    /// The method.
    #[schema(example = "reserving")]
    pub method: &'static str,
    /// What it is, for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// Name of the dataset.
    pub dataset: String,
    /// Identifier of the dataset.
    pub dataset_id: String,
    /// Which version of it.
    pub version: i32,
    /// The parameters as asked for.
    #[schema(value_type = Object)]
    pub parameters: Value,
    /// Where random draws start.
    pub seed: i64,
    /// The code that computes.
    pub code_version: String,
    /// SHA-256 over method, parameters, data, code and seed, hexadecimal: equal inputs have equal
    /// results.
    pub input_digest: String,
    /// Who asked for it.
    pub client: String,
    /// `queued`, `running`, `done`, `failed` or `cancelled`.
    #[schema(example = "done")]
    pub state: &'static str,
    /// How much of it is done, 0 to 100.
    pub percent: i16,
    /// What is being done, in a word or two.
    pub stage: String,
    /// When it was asked for.
    #[schema(value_type = String, format = DateTime)]
    pub requested_at: Timestamp,
    /// When work on it began.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub started_at: Option<Timestamp>,
    /// When it was done, failed or cancelled.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub ended_at: Option<Timestamp>,
    /// The figures to look at first, by name; once it is done.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub figures: Option<Value>,
    /// SHA-256 of the result, hexadecimal; once it is done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub result_digest: Option<String>,
    /// Where the result can be had; once it is done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub result: Option<String>,
    /// Why it failed: a problem document that says what to change.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub failure: Option<Value>,
}

impl RunView {
    /// The run where it stands.
    pub(crate) fn of(record: &RunRecord) -> RunView {
        let mut view = RunView {
            run_id: record.run.to_string(),
            method: record.method.name(),
            label: record.label.clone(),
            dataset: record.dataset_name.clone(),
            dataset_id: record.dataset.to_string(),
            version: record.version,
            parameters: record.parameters.clone(),
            seed: record.seed,
            code_version: record.code_version.clone(),
            input_digest: hex::encode(record.input_digest),
            client: record.client.clone(),
            state: record.stage.name(),
            percent: record.percent,
            stage: record.doing.clone(),
            requested_at: record.requested_at,
            started_at: record.started_at,
            ended_at: None,
            figures: None,
            result_digest: None,
            result: None,
            failure: None,
        };
        match &record.stage {
            RunStage::Queued | RunStage::Running => {}
            RunStage::Done { digest, figures, at, .. } => {
                view.ended_at = Some(*at);
                view.figures = Some(figures.clone());
                view.result_digest = Some(hex::encode(digest));
                view.result = Some(format!("/v1/actuarial/runs/{}/result", record.run));
            }
            RunStage::Failed { why, at } => {
                view.ended_at = Some(*at);
                view.failure = Some(why.clone());
            }
            RunStage::Cancelled { at } => view.ended_at = Some(*at),
        }
        view
    }
}

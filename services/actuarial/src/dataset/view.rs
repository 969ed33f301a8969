//! Datasets as their owner sees them.

use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::dataset::ColumnProfile;
use crate::store::dataset::{VersionRecord, VersionStage};

/// A version of a dataset.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = DatasetVersion)]
pub struct VersionView {
    /// Names the dataset in the paths; so does its name.
    pub dataset_id: String,
    /// Name of the dataset.
    #[schema(example = "motor-2024")]
    pub name: String,
    /// 1 and on.
    pub version: i32,
    /// What it is, for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// Who imported it.
    pub client: String,
    /// What the file was called.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source_name: Option<String>,
    /// Length of the file.
    pub source_bytes: i64,
    /// SHA-256 of the file, hexadecimal.
    pub source_sha256: String,
    /// `queued`, `running`, `done`, `failed` or `cancelled`.
    #[schema(example = "done")]
    pub state: &'static str,
    /// How much of it is done, 0 to 100.
    pub percent: i16,
    /// Rows looked at so far.
    pub rows_read: i64,
    /// Rows that are kept; once it is done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rows: Option<i64>,
    /// Rows that were left out because a cell did not fit; once it is done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rejected_rows: Option<i64>,
    /// Cells and rows that did not fit; once it is done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub faults: Option<i64>,
    /// Where what did not fit can be had, row by row, when there is any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub errors: Option<String>,
    /// SHA-256 over names, types and values, hexadecimal: equal data have equal digests.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// The columns, with the types that were inferred; once it is done.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub columns: Vec<ColumnProfile>,
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
    /// Why it failed, and what to change.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
}

/// The first rows of a version.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = DatasetRows)]
pub struct RowsView {
    /// Names of the columns.
    pub columns: Vec<String>,
    /// Values in the order of the columns; null where one is missing.
    #[schema(value_type = Vec<Vec<Object>>)]
    pub rows: Vec<Vec<Value>>,
}

impl VersionStage {
    /// The word for it.
    pub fn name(&self) -> &'static str {
        match self {
            VersionStage::Queued => "queued",
            VersionStage::Running => "running",
            VersionStage::Done { .. } => "done",
            VersionStage::Failed { .. } => "failed",
            VersionStage::Cancelled { .. } => "cancelled",
        }
    }
}

impl VersionView {
    /// The version where it stands.
    pub(crate) fn of(record: &VersionRecord) -> VersionView {
        let mut view = VersionView {
            dataset_id: record.dataset.to_string(),
            name: record.name.clone(),
            version: record.version,
            title: record.title.clone(),
            client: record.client.clone(),
            source_name: record.source_name.clone(),
            source_bytes: record.source_bytes,
            source_sha256: hex::encode(record.source_digest),
            state: record.stage.name(),
            percent: record.percent,
            rows_read: record.rows_read,
            rows: None,
            rejected_rows: None,
            faults: None,
            errors: None,
            digest: None,
            columns: Vec::new(),
            requested_at: record.requested_at,
            started_at: record.started_at,
            ended_at: None,
            failure: None,
        };
        match &record.stage {
            VersionStage::Queued | VersionStage::Running => {}
            VersionStage::Done { data, at } => {
                let (name, version) = (&record.name, record.version);
                let errors = format!("/v1/actuarial/datasets/{name}/versions/{version}/errors");
                view.rows = Some(data.rows);
                view.rejected_rows = Some(data.rejected);
                view.faults = Some(data.faults);
                view.errors = data.errors.map(|_| errors);
                view.digest = Some(hex::encode(data.digest));
                view.columns.clone_from(&data.columns);
                view.ended_at = Some(*at);
            }
            VersionStage::Failed { why, at } => {
                view.ended_at = Some(*at);
                view.failure = Some(why.clone());
            }
            VersionStage::Cancelled { at } => view.ended_at = Some(*at),
        }
        view
    }

    /// The same without what was seen in the columns, for lists.
    pub(crate) fn short(record: &VersionRecord) -> VersionView {
        VersionView { columns: Vec::new(), ..VersionView::of(record) }
    }
}

//! An export as its owner sees it.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use crate::export::PIECE;
use crate::lookup::Shown;
use crate::store::export::{ExportRecord, ExportStage};

/// An export.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Export)]
pub struct ExportView {
    /// Names it in the paths.
    pub export_id: String,
    /// What is exported.
    pub kind: &'static str,
    /// `csv` or `parquet`.
    pub format: &'static str,
    /// Who asked for it.
    pub client: String,
    /// Recorded at or after.
    #[schema(value_type = String, format = DateTime)]
    pub from: Timestamp,
    /// Recorded before; everything known at `asOf` when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub to: Option<Timestamp>,
    /// As known, and standing as it did, at this instant, read in one snapshot of the database.
    #[schema(value_type = String, format = DateTime)]
    pub as_of: Timestamp,
    /// Of one region.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub region: Option<&'static str>,
    /// Of one line.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub class: Option<&'static str>,
    /// `masked` or `whole`.
    pub personal_data: &'static str,
    /// `queued`, `running`, `done`, `failed`, `cancelled` or `expired`.
    #[schema(example = "done")]
    pub state: &'static str,
    /// Rows read so far.
    pub rows_done: i64,
    /// Rows counted when it began; absent when that took too long.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rows_estimated: Option<i64>,
    /// How much of it is done, 0 to 100; absent while nobody knows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub percent: Option<i64>,
    /// Bytes written so far; the length of the file once it is done.
    pub bytes: i64,
    /// Parts of the file that are written.
    pub parts: i32,
    /// Bytes of a part; the last one is shorter.
    pub part_bytes: usize,
    /// Rows of the file, without its header; once it is done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub row_count: Option<i64>,
    /// SHA-256 of the whole file, hexadecimal; once it is done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// Where the file can be had, while it can.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
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
    /// First instant at which the file cannot be had any more.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub expires_at: Option<Timestamp>,
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
}

impl ExportView {
    /// The export where it stands at `now`.
    pub(crate) fn of(record: &ExportRecord, now: Timestamp) -> ExportView {
        let (selection, progress) = (&record.selection, record.progress);
        let mut view = ExportView {
            export_id: record.export.to_string(),
            kind: record.kind.name(),
            format: record.format.name(),
            client: record.client.clone(),
            from: selection.from,
            to: selection.to,
            as_of: selection.as_of,
            region: selection.region.map(|region| region.code()),
            class: selection.class.map(|class| class.name()),
            personal_data: match record.shown {
                Shown::Masked => "masked",
                Shown::Whole => "whole",
            },
            state: state(&record.stage, now),
            rows_done: progress.rows_done,
            rows_estimated: progress.rows_estimated,
            percent: percent(progress.rows_done, progress.rows_estimated),
            bytes: progress.bytes,
            parts: progress.pieces,
            part_bytes: PIECE,
            row_count: None,
            sha256: None,
            file: None,
            requested_at: record.requested_at,
            started_at: record.started_at,
            ended_at: None,
            expires_at: None,
            failure: None,
        };
        match &record.stage {
            ExportStage::Queued | ExportStage::Running => {}
            ExportStage::Done { digest, at, expires_at } => {
                view.percent = Some(100);
                view.row_count = Some(progress.rows_done);
                view.sha256 = Some(hex::encode(digest));
                view.ended_at = Some(*at);
                view.expires_at = Some(*expires_at);
                view.file =
                    (now < *expires_at).then(|| format!("/v1/exports/{}/file", record.export));
            }
            ExportStage::Failed { why, at } => {
                view.ended_at = Some(*at);
                view.failure = Some(why.clone());
            }
            ExportStage::Cancelled { at } => view.ended_at = Some(*at),
        }
        view
    }
}

/// The word for where an export stands: a file that ran out has expired, whoever noticed.
pub(crate) fn state(stage: &ExportStage, now: Timestamp) -> &'static str {
    match stage {
        ExportStage::Queued => "queued",
        ExportStage::Running => "running",
        ExportStage::Done { expires_at, .. } if *expires_at <= now => "expired",
        ExportStage::Done { .. } => "done",
        ExportStage::Failed { .. } => "failed",
        ExportStage::Cancelled { .. } => "cancelled",
    }
}

/// Rows done of rows estimated; below 100, which only what is done has.
fn percent(done: i64, estimated: Option<i64>) -> Option<i64> {
    match estimated? {
        0 => Some(0),
        all => Some((done.saturating_mul(100) / all).min(99)),
    }
}

/// `Repr-Digest` of a file (RFC 9530).
pub(crate) fn repr_digest(digest: &[u8; 32]) -> String {
    format!("sha-256=:{}:", STANDARD.encode(digest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_done_is_done_by_a_hundred_percent() {
        let cases = [(0, None, None), (0, Some(0), Some(0)), (1, Some(3), Some(33))];
        for (done, estimated, expected) in cases {
            assert_eq!(percent(done, estimated), expected);
        }
        assert_eq!(percent(7, Some(5)), Some(99));
    }

    #[test]
    fn a_digest_is_written_as_the_standard_shows_it() {
        // FIPS 180-4's digest of the empty message, in the two notations.
        let digest = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        let mut bytes = [0; 32];
        hex::decode_to_slice(digest, &mut bytes).unwrap();
        let wanted = "sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:";
        assert_eq!(repr_digest(&bytes), wanted);
    }
}

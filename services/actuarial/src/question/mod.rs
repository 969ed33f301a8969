//! 数据查询: questions about own rows in SQL and about the market in published cells, answered as
//! JSON, Arrow, Parquet or CSV.
//!
//! Who may ask is settled at the door, what a question may read where the lake is read
//! ([`analytics::question`]). Here a question is bounded per tenant, its answer encoded, and the
//! call recorded before the first byte leaves. Nothing is left out of an answer in silence: JSON says
//! that it is cut, everything longer breaks off.

pub mod market;
pub mod own;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use analytics::encode::{EncodeError, Encoder, Format};
use analytics::question::EngineError;
use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use axum::body::Body;
use axum::response::{IntoResponse, Response};
use base_http::problem::Chain;
use base_http::{Call, Done, Problem};
use bytes::Bytes;
use futures::StreamExt;
use futures::stream::{self, BoxStream};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use kernel::TenantId;
use serde_json::json;
use sha2::{Digest, Sha256};

use crate::Actuarial;
use crate::error::{self, ActuarialError};

/// Bytes that are encoded before an answer begins: what fails in them is a problem document, and a
/// shorter answer is proven by its digest.
const HEAD: usize = 1 << 20;

/// Longest answer in JSON.
const LONGEST_JSON: usize = 8 << 20;

/// How an answer is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// JSON, bounded.
    Json,
    /// Everything, as it is computed.
    Rows(Format),
}

impl Wanted {
    /// What `Accept` asks for: of the kinds that are offered, the one with the greatest weight, the
    /// first of equals; JSON when it takes everything.
    pub fn by(headers: &HeaderMap) -> Result<Wanted, ActuarialError> {
        let mut best: Option<(u16, Wanted)> = None;
        let mut asked = false;
        for value in headers.get_all(header::ACCEPT) {
            let ranges = value.to_str().unwrap_or_default();
            for range in ranges.split(',').map(str::trim).filter(|range| !range.is_empty()) {
                asked = true;
                let mut parts = range.split(';').map(str::trim);
                let kind = parts.next().unwrap_or_default().to_ascii_lowercase();
                let weight = parts.find_map(|part| part.strip_prefix("q=")).map_or(1000, weight);
                let Some(wanted) = Wanted::of(&kind).filter(|_| weight > 0) else { continue };
                if best.is_none_or(|(heaviest, _)| heaviest < weight) {
                    best = Some((weight, wanted));
                }
            }
        }
        match best {
            Some((_, wanted)) => Ok(wanted),
            None if asked => {
                let offered = Format::ALL.map(Format::media_type).join(", ");
                let detail = format!("accept application/json, {offered}");
                Err(ActuarialError::refused(&error::NOT_ACCEPTABLE, detail))
            }
            None => Ok(Wanted::Json),
        }
    }

    fn of(kind: &str) -> Option<Wanted> {
        match kind {
            "*/*" | "application/*" | "application/json" => Some(Wanted::Json),
            "text/*" => Some(Wanted::Rows(Format::Csv)),
            kind => Format::ALL.into_iter().find(|one| one.media_type() == kind).map(Wanted::Rows),
        }
    }
}

/// A weight in thousandths; one that is none counts as the least.
fn weight(text: &str) -> u16 {
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    match (whole, part.len()) {
        ("1", _) => 1000,
        ("0", 0..=3) => format!("{part:0<3}").parse().unwrap_or(0),
        _ => 0,
    }
}

/// Counts the questions of each tenant.
#[derive(Debug, Default)]
pub(crate) struct Desk(Mutex<HashMap<TenantId, u32>>);

/// A question that is being answered; no longer once it is dropped.
#[derive(Debug)]
struct Place {
    desk: Arc<Desk>,
    tenant: TenantId,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut desk = self.desk.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = desk.get_mut(&self.tenant) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                desk.remove(&self.tenant);
            }
        }
    }
}

/// Rows on their way out.
struct Sending {
    rows: BoxStream<'static, Result<RecordBatch, EngineError>>,
    /// `None` once the end is written.
    encoder: Option<Encoder>,
    _place: Place,
}

impl Sending {
    /// The next bytes; `None` after the last.
    async fn next(&mut self) -> Result<Option<Bytes>, ActuarialError> {
        while let Some(mut encoder) = self.encoder.take() {
            let batch = self.rows.next().await.transpose()?;
            let more = batch.is_some();
            let work = move || match batch {
                Some(batch) => encoder.write(&batch).map(|bytes| (Some(encoder), bytes)),
                None => encoder.finish().map(|bytes| (None, bytes)),
            };
            let encoded = tokio::task::spawn_blocking(work).await;
            let (encoder, bytes) = encoded.map_err(|_| EngineError::Lost)??;
            self.encoder = encoder;
            if !bytes.is_empty() {
                return Ok(Some(bytes.into()));
            }
            if !more {
                break;
            }
        }
        Ok(None)
    }
}

/// What an answer is, beside its rows.
struct Cover {
    /// What the evidence says the call was about.
    subject: String,
    /// The name of a file of it, without an ending.
    name: &'static str,
    /// What whoever reads it should know: headers of the answer, and notes in the formats that have
    /// a place for them.
    notes: Vec<(&'static str, String)>,
}

impl Actuarial {
    /// Takes a place for a question, if the tenant has not too many.
    fn take_place(&self, tenant: TenantId) -> Result<Place, ActuarialError> {
        let most = self.settings.questions_of_tenant;
        let mut desk = self.desk.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = desk.entry(tenant).or_default();
        if most <= *count {
            let detail = format!("{count} questions of yours are being answered");
            return Err(ActuarialError::refused(&error::QUESTIONS_UNDER_WAY, detail));
        }
        *count += 1;
        drop(desk);
        Ok(Place { desk: self.desk.clone(), tenant })
    }

    /// Records that rows are sent, and sends them as they come.
    async fn send_rows(
        &self,
        call: Call,
        format: Format,
        cover: Cover,
        schema: SchemaRef,
        rows: BoxStream<'static, Result<RecordBatch, EngineError>>,
        place: Place,
    ) -> Result<Response, Problem> {
        let notes = cover.notes.iter().map(|(name, text)| ((*name).to_owned(), text.clone()));
        let encoder = Encoder::new(format, &schema, notes.collect());
        let encoder = encoder.map_err(ActuarialError::from)?;
        let mut sending = Sending { rows, encoder: Some(encoder), _place: place };
        let (mut head, mut whole) = (Vec::new(), false);
        while head.len() < HEAD && !whole {
            match sending.next().await? {
                Some(bytes) => head.extend_from_slice(&bytes),
                None => whole = true,
            }
        }
        // An answer that goes on is proven by how it begins: it is computed while it is sent.
        let digest = hex::encode(Sha256::digest(&head));
        let kind = if whole { "sha256" } else { "sha256OfBeginning" };
        let proof = json!({ "mediaType": format.media_type(), kind: digest });
        // The answer is a file, which no key keeps.
        let call = Call { key: None, ..call };
        let trace = call.trace;
        self.spine.answer(call, Done::json(StatusCode::OK, &proof, 0, cover.subject)).await?;
        let body = if whole {
            Body::from(head)
        } else {
            let rest = stream::unfold(Some(sending), move |sending| async move {
                let mut sending = sending?;
                match sending.next().await {
                    Ok(bytes) => bytes.map(|bytes| (Ok(bytes), Some(sending))),
                    Err(error) => {
                        tracing::info!(trace.id = %trace, error = %Chain(&error),
                            "an answer broke off");
                        Some((Err(error), None))
                    }
                }
            });
            Body::from_stream(stream::once(async { Ok(Bytes::from(head)) }).chain(rest))
        };
        let mut response = Response::new(body);
        let headers = response.headers_mut();
        let media_type = match format {
            Format::Csv => "text/csv; charset=utf-8; header=present",
            other => other.media_type(),
        };
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-store"));
        let file = format!("attachment; filename=\"{}.{}\"", cover.name, format.extension());
        if let Ok(file) = HeaderValue::from_str(&file) {
            headers.insert(header::CONTENT_DISPOSITION, file);
        }
        for (name, text) in cover.notes {
            if let Ok(text) = HeaderValue::from_str(&text) {
                headers.insert(HeaderName::from_static(name), text);
            }
        }
        Ok(response)
    }

    /// Records an answer in JSON, and sends it.
    async fn send_json(&self, call: Call, done: Done) -> Result<Response, Problem> {
        if LONGEST_JSON < done.body.len() {
            let detail = format!(
                "the answer has {} bytes of JSON, more than {LONGEST_JSON}; accept Arrow, Parquet or CSV",
                done.body.len()
            );
            return Err(Problem::new(&error::ANSWER_TOO_LONG, detail));
        }
        Ok(self.spine.answer(call, done).await?.into_response())
    }
}

impl From<EngineError> for ActuarialError {
    fn from(error: EngineError) -> ActuarialError {
        let code = match &error {
            EngineError::NoEngine => &error::NO_ENGINE,
            EngineError::Refused(_) | EngineError::Sql(_) | EngineError::Question(_) => {
                &error::QUESTION_REFUSED
            }
            EngineError::TooLarge | EngineError::TimedOut | EngineError::NotTaken => {
                &error::QUESTION_TOO_LARGE
            }
            EngineError::TooLong(_) => &error::ANSWER_TOO_LONG,
            EngineError::NotPublished(_) => &error::NOT_PUBLISHED,
            EngineError::Lake(analytics::lake::LakeError::NoVersion { number, .. }) => {
                return ActuarialError::not_found("version of the market's record", number);
            }
            _ => return ActuarialError::Engine(error),
        };
        ActuarialError::refused(code, error.to_string())
    }
}

impl From<EncodeError> for ActuarialError {
    fn from(error: EncodeError) -> ActuarialError {
        let detail = format!("the format cannot hold the answer: {error}; cast the column");
        ActuarialError::refused(&error::QUESTION_REFUSED, detail)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_accepted_is_answered() {
        let arrow = "application/vnd.apache.arrow.stream";
        let cases = [
            (None, Some(Wanted::Json)),
            (Some("*/*"), Some(Wanted::Json)),
            (Some(arrow), Some(Wanted::Rows(Format::ArrowStream))),
            (Some("Text/CSV"), Some(Wanted::Rows(Format::Csv))),
            (
                Some("application/vnd.apache.parquet, */*;q=0.1"),
                Some(Wanted::Rows(Format::Parquet)),
            ),
            (Some("text/csv;q=0.5, application/json"), Some(Wanted::Json)),
            (Some("application/json;q=0.25, text/csv;q=0.3"), Some(Wanted::Rows(Format::Csv))),
            (Some("image/png, text/html"), None),
            (Some("text/csv;q=0"), None),
            (Some("text/csv;q=0.0001"), None),
        ];
        for (accept, wanted) in cases {
            let mut headers = HeaderMap::new();
            if let Some(accept) = accept {
                headers.insert(header::ACCEPT, HeaderValue::from_static(accept));
            }
            assert_eq!(Wanted::by(&headers).ok(), wanted, "{accept:?}");
        }
    }
}

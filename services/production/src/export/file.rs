//! Sending the file of an export, whole or a range of it, piece by piece.
//!
//! What is sent is recorded before the first byte: who, why, from which byte on and how many. One
//! piece is in memory at a time, however long the file and however slow the line; no transaction
//! is open while it is sent.

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use base_http::{Call, Done, Problem};
use bytes::Bytes;
use futures::stream;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use kernel::TenantId;
use pg::{Command, Scope, Tx};
use serde_json::json;
use tokio::runtime::Handle;
use tokio::task::spawn_blocking;

use crate::Production;
use crate::error::{self, ProductionError};
use crate::export::range::{self, Wanted};
use crate::export::run::piece_purpose;
use crate::export::view::{repr_digest, state};
use crate::export::{ExportId, PIECE};
use crate::lookup::Shown;
use crate::store::export::{self, DownloadRecord, ExportRecord, ExportStage};

/// What a request says about the bytes it wants.
#[derive(Clone, Debug, Default)]
pub struct FileAsked {
    /// `Range`.
    pub range: Option<String>,
    /// `If-Range`.
    pub if_range: Option<String>,
    /// The headers alone are wanted.
    pub head: bool,
}

impl FileAsked {
    /// Reads the headers of a request.
    pub fn of(headers: &HeaderMap, head: bool) -> FileAsked {
        let text = |name: header::HeaderName| {
            headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned)
        };
        FileAsked { range: text(header::RANGE), if_range: text(header::IF_RANGE), head }
    }
}

impl Production {
    /// Sends the file of an own export.
    pub async fn send_export(
        &self,
        call: Call,
        export: &str,
        asked: FileAsked,
    ) -> Result<Response, Problem> {
        let record = self.own_export(&call, export).await?;
        if record.shown == Shown::Whole {
            Shown::to(&call, Some(true))?;
        }
        let now = call.received_at;
        let digest = match &record.stage {
            ExportStage::Done { expires_at, .. } if *expires_at <= now => {
                let detail = format!("it was kept until {expires_at}; ask for another export");
                return Err(Problem::new(&error::EXPORT_EXPIRED, detail));
            }
            ExportStage::Done { digest, .. } => *digest,
            stage => {
                let detail = format!("the export is {}", state(stage, now));
                return Err(Problem::new(&error::EXPORT_NOT_DONE, detail));
            }
        };
        let length = u64::try_from(record.progress.bytes).unwrap_or_default();
        let tag = format!("\"{}\"", hex::encode(digest));
        let range = asked.range.as_deref().filter(|_| !asked.head);
        let part = match range::wanted(range, asked.if_range.as_deref(), &tag, length) {
            Wanted::Whole => Part { first: 0, count: length, status: StatusCode::OK },
            Wanted::Part { first, last } => {
                Part { first, count: last - first + 1, status: StatusCode::PARTIAL_CONTENT }
            }
            Wanted::Outside => return Ok(outside(length)),
        };
        let sent = if asked.head { 0 } else { part.count };
        self.record_download(call, &record, part, sent).await?;
        let mut response = if asked.head {
            Response::new(Body::empty())
        } else {
            Response::new(self.body(&record, part))
        };
        *response.status_mut() = part.status;
        describe(response.headers_mut(), &record, &tag, &digest, part, length);
        Ok(response)
    }

    async fn record_download(
        &self,
        call: Call,
        record: &ExportRecord,
        part: Part,
        sent: u64,
    ) -> Result<(), Problem> {
        let signed = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        let download = RecordDownload(DownloadRecord {
            tenant: record.selection.tenant,
            export: record.export,
            call_id: call.call_id,
            client: call.caller.client.to_string(),
            purpose: call.purpose.as_deref().map(str::to_owned),
            first_byte: signed(part.first),
            bytes: signed(sent),
            began_at: call.received_at,
        });
        let proof = json!({
            "exportId": record.export,
            "firstByte": part.first,
            "bytes": sent,
            "length": record.progress.bytes,
        });
        let subject = format!("{} from byte {} on, {sent} bytes", record.subject(), part.first);
        // The answer is the file, which no key keeps.
        let call = Call { key: None, ..call };
        let done = |()| Done::json(part.status, &proof, 0, subject.clone());
        self.spine.run(call, &download, done).await.map(drop)
    }

    fn body(&self, record: &ExportRecord, part: Part) -> Body {
        let reading = Reading {
            production: self.clone(),
            tenant: record.selection.tenant,
            export: record.export,
            next: part.first,
            end: part.first + part.count,
        };
        Body::from_stream(stream::try_unfold(reading, |mut reading| async move {
            if reading.next == reading.end {
                return Ok(None);
            }
            match reading.read().await {
                Ok(bytes) => Ok(Some((bytes, reading))),
                Err(error) => {
                    // The line breaks before the announced length: the client resumes.
                    let export = reading.export;
                    let chain = base_http::problem::Chain(&error).to_string();
                    tracing::warn!(export.id = %export, error = chain, "export {export} breaks off");
                    Err(error)
                }
            }
        }))
    }
}

/// Which bytes are sent, and under which status.
#[derive(Clone, Copy, Debug)]
struct Part {
    first: u64,
    count: u64,
    status: StatusCode,
}

/// A file being read.
struct Reading {
    production: Production,
    tenant: TenantId,
    export: ExportId,
    next: u64,
    end: u64,
}

impl Reading {
    /// The wanted bytes of the next piece.
    async fn read(&mut self) -> Result<Bytes, ProductionError> {
        let corrupt = || ProductionError::Corrupt("export");
        let size = u64::try_from(PIECE).map_err(|_| corrupt())?;
        let number = i32::try_from(self.next / size).map_err(|_| corrupt())?;
        let mut tx = self.production.spine.db().begin(Scope::of(self.tenant)).await?;
        let sealed = export::piece(&mut tx, self.tenant, self.export, number).await?;
        drop(tx);
        // Gone: it ran out or was thrown away while it was sent.
        let sealed =
            sealed.ok_or_else(|| ProductionError::not_found("piece of export", self.export))?;
        let (sealer, tenant) = (self.production.sealer.clone(), self.tenant);
        let (runtime, purpose) = (Handle::current(), piece_purpose(self.export, number));
        let opened =
            spawn_blocking(move || runtime.block_on(sealer.open_piece(tenant, &purpose, &sealed)));
        let piece = Bytes::from(opened.await.map_err(|_| corrupt())??);
        let begin = usize::try_from(self.next % size).map_err(|_| corrupt())?;
        let left = usize::try_from(self.end - self.next).unwrap_or(usize::MAX);
        let end = piece.len().min(begin.saturating_add(left));
        if end <= begin {
            return Err(corrupt());
        }
        self.next += u64::try_from(end - begin).map_err(|_| corrupt())?;
        Ok(piece.slice(begin..end))
    }
}

struct RecordDownload(DownloadRecord);

impl Command for RecordDownload {
    const NAME: &'static str = "export.download";
    type Out = ();
    type Error = ProductionError;

    async fn apply(&self, tx: &mut Tx) -> Result<(), ProductionError> {
        export::insert_download(tx, &self.0).await
    }
}

fn outside(length: u64) -> Response {
    let detail = format!("the file has {length} bytes; when you have as many, you have it whole");
    let mut response = Problem::new(&error::RANGE_OUTSIDE, detail).into_response();
    if let Ok(value) = HeaderValue::from_str(&format!("bytes */{length}")) {
        response.headers_mut().insert(header::CONTENT_RANGE, value);
    }
    response
}

fn describe(
    headers: &mut HeaderMap,
    record: &ExportRecord,
    tag: &str,
    digest: &[u8; 32],
    part: Part,
    length: u64,
) {
    let name = format!("{}-{}.{}", record.kind.name(), record.export, record.format.name());
    let mut texts = vec![
        (header::CONTENT_TYPE, record.format.media_type().to_owned()),
        (header::CONTENT_LENGTH, part.count.to_string()),
        (header::CONTENT_DISPOSITION, format!("attachment; filename=\"{name}\"")),
        (header::ACCEPT_RANGES, "bytes".to_owned()),
        (header::ETAG, tag.to_owned()),
        (header::HeaderName::from_static("repr-digest"), repr_digest(digest)),
        // A file of one insurer stays out of what others share.
        (header::CACHE_CONTROL, "private, no-store".to_owned()),
    ];
    if part.status == StatusCode::PARTIAL_CONTENT {
        let last = part.first + part.count - 1;
        texts.push((header::CONTENT_RANGE, format!("bytes {}-{last}/{length}", part.first)));
    }
    for (name, text) in texts {
        // Digits, hexadecimal and our own words are always a header's text.
        if let Ok(value) = HeaderValue::from_str(&text) {
            headers.insert(name, value);
        }
    }
}

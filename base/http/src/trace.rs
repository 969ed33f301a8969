//! Trace ids: taken from `traceparent` (W3C Trace Context) or made here, in every answer and log.

use std::fmt;
use std::sync::Arc;

use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::HeaderValue;
use kernel::Ids;
use tracing::Instrument;

use crate::problem;

/// Sixteen bytes that name one journey through all systems.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceId(pub [u8; 16]);

impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(text(&self.digits()))
    }
}

impl TraceId {
    /// Its 32 hexadecimal digits.
    fn digits(self) -> [u8; 32] {
        let mut digits = [0u8; 32];
        // Sixteen bytes are always 32 digits.
        let _ = hex::encode_to_slice(self.0, &mut digits);
        digits
    }
}

fn text(digits: &[u8; 32]) -> &str {
    std::str::from_utf8(digits).unwrap_or_default()
}

/// The trace id of a `traceparent` header, `None` when it is not one.
fn parse(header: &HeaderValue) -> Option<TraceId> {
    let text = header.to_str().ok()?;
    let mut parts = text.split('-');
    let (version, trace) = (parts.next()?, parts.next()?);
    if version.len() != 2 || version == "ff" {
        return None;
    }
    let mut id = [0; 16];
    hex::decode_to_slice(trace, &mut id).ok()?;
    (id != [0; 16]).then_some(TraceId(id))
}

/// Gives each request its trace id and span, and each answer the header `x-trace-id`.
pub async fn layer(State(ids): State<Arc<Ids>>, mut request: Request, next: Next) -> Response {
    let trace = request
        .headers()
        .get("traceparent")
        .and_then(parse)
        .unwrap_or_else(|| TraceId(ids.bytes()));
    request.extensions_mut().insert(trace);
    let digits = trace.digits();
    let span = {
        let route = request.extensions().get::<MatchedPath>().map_or("", |path| path.as_str());
        // Texts as they are: nothing has to be formatted first.
        let (method, trace_id) = (request.method().as_str(), text(&digits));
        tracing::info_span!("http", method, route, trace_id)
    };
    let response = next.run(request).instrument(span).await;
    let mut response = problem::name_trace(response, trace).await;
    if let Ok(value) = HeaderValue::from_bytes(&digits) {
        response.headers_mut().insert("x-trace-id", value);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_whole_traceparent_is_taken() {
        let good = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        let trace = parse(&HeaderValue::from_static(good)).unwrap();
        assert_eq!(trace.to_string(), "4bf92f3577b34da6a3ce929d0e0e4736");
        for bad in ["", "00-0-0-0", "00-00000000000000000000000000000000-00f067aa0ba902b7-01"] {
            assert_eq!(parse(&HeaderValue::from_static(bad)), None, "{bad}");
        }
    }
}

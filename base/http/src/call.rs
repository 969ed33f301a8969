//! Who is calling, and this one call of theirs.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use http::request::Parts;
use jiff::Timestamp;
use kernel::TenantId;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::door::{Admitted, Door};
use crate::function::{Function, KeyRule, covers};
use crate::problem::{self, Problem};
use crate::trace::TraceId;

/// Longest idempotency key and purpose taken.
const LONGEST_HEADER: usize = 128;

/// An authenticated client: a tenant's system in one branch region.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// Whose data and whose bill.
    pub tenant: TenantId,
    /// The client that holds the token: the user every call is attributed to.
    pub client: Arc<str>,
    /// Four-letter insurer code; `None` for tenants that are not insurers.
    pub insurer: Option<Arc<str>>,
    /// Six-digit GB/T 2260 code of the branch region; `000000` for the whole country.
    pub region: Arc<str>,
    /// Function codes and patterns (`production.*`) the token grants.
    pub rights: Arc<[String]>,
    /// Identifier of the token.
    pub token_id: Arc<str>,
}

impl Caller {
    /// Whether the token grants the function.
    pub fn may(&self, function: &Function) -> bool {
        self.rights.iter().any(|right| covers(right, function.code))
    }
}

/// One call of an admitted caller: everything that is recorded beside the work it asks for.
#[derive(Clone, Debug)]
pub struct Call {
    /// Names this call in usage, evidence and events.
    pub call_id: Uuid,
    /// Who calls.
    pub caller: Arc<Caller>,
    /// What they call.
    pub function: &'static Function,
    /// Why, as stated in `X-Purpose`; the function's own purpose otherwise.
    pub purpose: Option<Arc<str>>,
    /// The client's key for this piece of work.
    pub key: Option<Arc<str>>,
    /// SHA-256 over method, path with query, and body.
    pub request_digest: [u8; 32],
    /// The journey this call is part of.
    pub trace: TraceId,
    /// When it arrived.
    pub received_at: Timestamp,
    /// Calls of this function the user may make per day in China, when limited.
    pub daily_quota: Option<u32>,
    /// JSON pointers of elements of the body the operation does not know (rule S06): to be noticed
    /// in the answer, never stored.
    pub unknown: Vec<String>,
}

impl Call {
    pub(crate) fn of(parts: &Parts, body: &[u8]) -> Result<Call, Problem> {
        let admitted = parts.extensions.get::<Admitted>().ok_or_else(undeclared)?;
        let door = parts.extensions.get::<Arc<Door>>().ok_or_else(undeclared)?;
        let trace = parts.extensions.get::<TraceId>().copied();
        let place = parts.uri.path_and_query().map_or("", |place| place.as_str());
        if has_control_character(place) {
            let detail = "path and query must not contain control characters";
            return Err(Problem::new(&problem::MALFORMED, detail));
        }
        let key = text_header(parts, "idempotency-key")?;
        if key.is_none() && admitted.function.key == KeyRule::Required {
            let detail = "send an Idempotency-Key header, 1 to 128 visible characters, new for \
                          each piece of work and the same when you repeat it";
            return Err(Problem::new(&problem::KEY_MISSING, detail));
        }
        let mut digest = Sha256::new();
        digest.update(parts.method.as_str());
        digest.update(b"\n");
        digest.update(place);
        digest.update(b"\n");
        digest.update(body);
        let now = door.clock.now();
        let call = Call {
            call_id: door.ids.next(now),
            caller: admitted.caller.clone(),
            function: admitted.function,
            purpose: text_header(parts, "x-purpose")?,
            key,
            request_digest: digest.finalize().into(),
            trace: trace.unwrap_or_else(|| TraceId(door.ids.bytes())),
            received_at: now,
            daily_quota: admitted.daily_quota,
            unknown: Vec::new(),
        };
        if call.key.is_some() {
            // Set once: a request is one call.
            let _ = admitted.call.set(call.clone());
        }
        Ok(call)
    }
}

impl Call {
    /// A call of its own for one piece of this one: a line of a batch, which is served, metered and
    /// proven like a message that came alone. Without a key: what repeats it is its content.
    pub fn piece(
        &self,
        door: &Door,
        function: &'static Function,
        content: &[u8],
    ) -> Result<Call, Problem> {
        let now = door.clock.now();
        let daily_quota = door.admit(&self.caller, function, now)?;
        Ok(Call {
            call_id: door.ids.next(now),
            function,
            key: None,
            request_digest: Sha256::digest(content).into(),
            received_at: now,
            daily_quota,
            ..self.clone()
        })
    }
}

/// A call without a body.
impl<S: Send + Sync> FromRequestParts<S> for Call {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Call, Problem> {
        Call::of(parts, b"")
    }
}

/// Whether an address says `%00` to `%1f` or `%7f`: no store and no outside system takes them.
fn has_control_character(place: &str) -> bool {
    place.split('%').skip(1).any(|escape| match escape.as_bytes() {
        [b'0' | b'1', digit, ..] => digit.is_ascii_hexdigit(),
        [b'7', b'f' | b'F', ..] => true,
        _ => false,
    })
}

fn undeclared() -> Problem {
    tracing::error!("a handler asks for its call on a route that is not declared as an operation");
    Problem::new(&problem::INTERNAL, "the route is not declared as an operation")
}

fn text_header(parts: &Parts, name: &str) -> Result<Option<Arc<str>>, Problem> {
    let Some(value) = parts.headers.get(name) else { return Ok(None) };
    match value.to_str().ok().map(str::trim) {
        Some(text) if !text.is_empty() && text.len() <= LONGEST_HEADER => Ok(Some(text.into())),
        _ => Err(Problem::new(
            &problem::MALFORMED,
            format!("header {name} must be 1 to {LONGEST_HEADER} visible ASCII characters"),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escaped_control_characters_are_seen() {
        assert!(
            ["/v1/%00", "/v1?plate=%1F", "/v1?a=%41&b=%7f"].into_iter().all(has_control_character)
        );
        assert!(
            !["/v1/1%", "/v1?plate=%E8%8B%8FA12345", "/v1?a=%20%7e"]
                .into_iter()
                .any(has_control_character)
        );
    }
}

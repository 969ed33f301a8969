//! Whom the bank lets in: who shows the token, or signs with the secret, it gave out.

use std::sync::Arc;

use aws_lc_rs::hmac;
use axum::Json;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;

use crate::models::Refusal;
use crate::world::World;

/// How far a signature's instant may lie from the bank's clock.
const WINDOW_S: i64 = 300;
/// Longest body that is read.
const LARGEST: usize = 1 << 20;

/// What callers must show.
#[derive(Clone, PartialEq, Eq)]
pub enum Access {
    /// Nothing.
    Open,
    /// `authorization: Bearer <token>`.
    Bearer(String),
    /// `x-timestamp` and `x-signature`: `v1,` and HMAC-SHA-256 over `timestamp.METHOD path.body` in
    /// base64.
    Hmac(Vec<u8>),
}

impl std::fmt::Debug for Access {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Access::Open => "Open",
            Access::Bearer(_) => "Bearer(..)",
            Access::Hmac(_) => "Hmac(..)",
        })
    }
}

impl Access {
    fn admits(&self, call: &Call<'_>, headers: &HeaderMap, now: Timestamp) -> bool {
        let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        match self {
            Access::Open => true,
            Access::Bearer(token) => {
                header(header::AUTHORIZATION.as_str()) == Some(&*format!("Bearer {token}"))
            }
            Access::Hmac(secret) => {
                let (timestamp, signature) = (header("x-timestamp"), header("x-signature"));
                let sent = timestamp.and_then(|text| text.parse::<i64>().ok());
                let code =
                    signature.and_then(|text| STANDARD.decode(text.strip_prefix("v1,")?).ok());
                let (Some(sent), Some(code)) = (sent, code) else { return false };
                let mut signed = format!("{sent}.{} {}.", call.method, call.path).into_bytes();
                signed.extend_from_slice(call.body);
                let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
                (now.as_second() - sent).abs() <= WINDOW_S
                    && hmac::verify(&key, &signed, &code).is_ok()
            }
        }
    }
}

struct Call<'a> {
    method: &'a str,
    path: &'a str,
    body: &'a [u8],
}

/// Lets a call of the contract through, or answers 401.
pub(crate) async fn check(
    State(world): State<Arc<World>>,
    request: Request,
    next: Next,
) -> Response {
    let refuse = |message: &str| {
        let refusal = Refusal { code: "not-you".into(), message: message.into() };
        (StatusCode::UNAUTHORIZED, Json(refusal)).into_response()
    };
    let (parts, body) = request.into_parts();
    let Ok(body) = to_bytes(body, LARGEST).await else { return refuse("报文过长 too long") };
    let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
    let call = Call { method: parts.method.as_str(), path, body: &body };
    if world.bank.admits(|access, now| access.admits(&call, &parts.headers, now)) {
        next.run(Request::from_parts(parts, Body::from(body))).await
    } else {
        refuse("身份未确认 the caller does not show who it is")
    }
}

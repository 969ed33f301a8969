//! Problem documents (RFC 9457), and the notices and field errors that travel in answers.
//!
//! Three things with three code ranges: an *error* `E…` (retrying is useless until something
//! changes, or until `Retry-After`), a *notice* `N…` (it succeeded, show this to a person), a
//! *challenge* `C…` (answer it and send again).

use std::borrow::Cow;

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use serde::Serialize;
use utoipa::ToSchema;

use crate::spine::ShownRecord;
use crate::trace::TraceId;

/// A stable kind of problem.
#[derive(Debug, PartialEq, Eq)]
pub struct ProblemCode {
    /// Stable code: `E` or `C` and four digits.
    pub code: &'static str,
    /// HTTP status.
    pub status: u16,
    /// English title.
    pub title_en: &'static str,
    /// Chinese title.
    pub title_zh: &'static str,
}

/// Most broken rules listed in one document: a message of thousands of faults needs no list.
const MOST_LISTED: usize = 200;

/// Longest reason of the framework's that is passed on, in bytes.
const LONGEST_REASON: usize = 1_000;

/// Declares a crate's kinds of problem, and `PROBLEMS`, all of them for the documentation.
#[macro_export]
macro_rules! problems {
    ($($(#[$meta:meta])* $name:ident = $code:literal $status:literal $en:literal $zh:literal;)*) => {
        $($(#[$meta])* pub const $name: $crate::ProblemCode = $crate::ProblemCode {
            code: $code, status: $status, title_en: $en, title_zh: $zh,
        };)*
        /// Every problem of this crate, for the documentation.
        pub const PROBLEMS: &[&$crate::ProblemCode] = &[$(&$name),*];
    };
}

problems! {
    /// The body is not what the operation reads.
    MALFORMED = "E1000" 400 "the message cannot be read" "报文无法解析";
    /// Well-formed, but breaks the rules listed in `errors`.
    INVALID = "E1001" 422 "the message breaks validation rules" "报文未通过校验";
    /// Larger than the operation accepts.
    TOO_LARGE = "E1002" 413 "the message is too large" "报文过大";
    /// Not JSON by its own declaration.
    MEDIA_TYPE = "E1003" 415 "the media type is not supported" "不支持的内容类型";
    /// No such path, or nothing the caller may know of.
    NOT_FOUND = "E1004" 404 "nothing is found here" "未找到";
    /// The path exists, the method does not.
    METHOD = "E1005" 405 "the method is not offered here" "不支持的方法";
    /// No token, or one that does not hold.
    UNAUTHENTICATED = "E1100" 401 "the caller is not authenticated" "未通过身份认证";
    /// Authenticated without the right for this function.
    FORBIDDEN = "E1101" 403 "the caller has no right to this function" "无此功能权限";
    /// The tenant has not subscribed to this function.
    NOT_SUBSCRIBED = "E1102" 403 "the tenant has no subscription to this function" "未订购此功能";
    /// The daily quota of this user is used up.
    QUOTA = "E1103" 429 "the daily quota is used up" "当日查询次数已用完";
    /// A write without an idempotency key.
    KEY_MISSING = "E1200" 400 "an Idempotency-Key header is required" "缺少幂等键";
    /// The key was used with another message.
    KEY_REUSED = "E1201" 422 "the idempotency key was used with another message" "幂等键已用于其他报文";
    /// A call with this key is under way.
    KEY_IN_FLIGHT = "E1202" 409 "a call with this idempotency key is under way" "相同幂等键的请求处理中";
    /// Too many calls wait; come again.
    BUSY = "E1900" 503 "the service is busy" "服务繁忙";
    /// The database is out of reach; nothing is lost, come again.
    UNAVAILABLE = "E1901" 503 "the service is unavailable for a moment" "服务暂不可用";
    /// Our fault.
    INTERNAL = "E1999" 500 "the service failed" "系统内部错误";
}

/// The rule a kind of problem is the breach of, whatever the case.
fn always_breaks(code: &ProblemCode) -> Option<&'static str> {
    match code.code {
        "E1000" => Some("S01"),
        "E1101" | "E1102" => Some("F02"),
        "E1103" => Some("L35"),
        "E1201" | "E1202" => Some("F04"),
        _ => None,
    }
}

/// One thing wrong with the message, and where.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct FieldError {
    /// JSON pointer into the request body.
    #[schema(example = "/vehicle/vin")]
    pub pointer: String,
    /// Validation rule that is broken, when one is.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, example = "F12")]
    pub rule: Option<Cow<'static, str>>,
    /// What is wrong and what to change.
    pub detail: String,
}

impl FieldError {
    /// What is wrong at a pointer, where no rule of the catalogue is broken.
    pub fn at(pointer: impl Into<String>, detail: impl Into<String>) -> FieldError {
        FieldError { pointer: pointer.into(), rule: None, detail: detail.into() }
    }
}

/// Something a person should see although the call succeeded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Notice {
    /// Stable code: `N` and four digits.
    #[schema(value_type = String, example = "N2001")]
    pub code: Cow<'static, str>,
    /// Validation rule behind it, when there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub rule: Option<Cow<'static, str>>,
    /// JSON pointer into the request body, when it concerns one field.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pointer: Option<String>,
    /// What was noticed or assumed.
    pub detail: String,
}

/// A refusal on its way to the caller.
#[derive(Clone, Debug)]
pub struct Problem {
    /// Which kind.
    pub code: &'static ProblemCode,
    /// This case in a sentence.
    pub detail: String,
    /// All that is wrong with the message.
    pub errors: Vec<FieldError>,
    /// The validation rule the call as a whole breaks, when it breaks one.
    pub rule: Option<&'static str>,
    /// Seconds after which the same call may succeed.
    pub retry_after_s: Option<u32>,
    /// Further members of the document, for example the challenge.
    pub more: Option<serde_json::Map<String, serde_json::Value>>,
    /// What it tells of insurers' records, kept back until the look at them is recorded.
    pub naming: Option<Box<Naming>>,
}

/// What a refusal tells of records. It goes out only through [`Spine`](crate::Spine), which records
/// that they were looked at; a problem that takes another way leaves it out.
#[derive(Clone, Debug)]
pub struct Naming {
    /// The records.
    pub records: Vec<ShownRecord>,
    /// The case in a sentence that names them.
    pub detail: String,
    /// A member of the document that tells more, by its name.
    pub more: Option<(&'static str, serde_json::Value)>,
}

/// A problem document as published.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Problem)]
pub struct ProblemDocument<'a> {
    /// URI naming the kind of problem.
    #[serde(rename = "type")]
    #[schema(example = "urn:commonwheel:problem:E1001")]
    kind: String,
    /// English title of the kind.
    title: &'a str,
    /// Chinese title of the kind.
    title_zh: &'a str,
    /// HTTP status.
    status: u16,
    /// Stable code.
    #[schema(example = "E1001")]
    code: &'a str,
    /// This case in a sentence.
    detail: &'a str,
    /// Trace identifier to quote when asking for help.
    #[serde(skip_serializing_if = "Option::is_none")]
    trace_id: Option<String>,
    /// All that is wrong with the message.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    errors: &'a [FieldError],
    /// Validation rule the call as a whole breaks, when it breaks one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "S09")]
    rule: Option<&'a str>,
    /// Seconds after which the same call may succeed.
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after_s: Option<u32>,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    #[schema(ignore)]
    more: Option<&'a serde_json::Map<String, serde_json::Value>>,
}

impl Problem {
    /// A problem of this kind, with the case in a sentence.
    pub fn new(code: &'static ProblemCode, detail: impl Into<String>) -> Problem {
        Problem {
            code,
            detail: detail.into(),
            errors: Vec::new(),
            rule: always_breaks(code),
            retry_after_s: None,
            more: None,
            naming: None,
        }
    }

    /// All that is wrong with a message at once.
    pub fn invalid(mut errors: Vec<FieldError>) -> Problem {
        let detail = match errors.len() {
            1 => "1 field breaks a rule; see errors".to_owned(),
            count if count > MOST_LISTED => {
                format!("{count} fields break rules; the first {MOST_LISTED} are in errors")
            }
            count => format!("{count} fields break rules; see errors"),
        };
        errors.truncate(MOST_LISTED);
        Problem { errors, ..Problem::new(&INVALID, detail) }
    }

    /// The same problem, naming the rule that is broken: an id of `tariffs/validation_rules.csv`.
    /// Of a guard that stands for none, it stays what it is.
    pub fn breaking(self, rule: impl Into<Option<&'static str>>) -> Problem {
        Problem { rule: rule.into().or(self.rule), ..self }
    }

    /// The same problem, worth repeating after some seconds.
    pub fn retry_after(self, seconds: u32) -> Problem {
        Problem { retry_after_s: Some(seconds), ..self }
    }

    /// The same problem with a further member.
    pub fn with(mut self, name: &str, value: impl Serialize) -> Problem {
        if let Ok(value) = serde_json::to_value(value) {
            self.more.get_or_insert_default().insert(name.to_owned(), value);
        }
        self
    }

    /// The same problem, naming records once the look at them is recorded.
    pub fn naming(self, naming: Naming) -> Problem {
        Problem { naming: Some(Box::new(naming)), ..self }
    }

    /// The same problem with what it keeps back.
    pub(crate) fn told(mut self) -> Problem {
        let Some(naming) = self.naming.take() else { return self };
        let told = Problem { detail: naming.detail, ..self };
        match naming.more {
            Some((name, value)) => told.with(name, value),
            None => told,
        }
    }

    /// What a caller is told when the store failed. Logs the chain, once, when it is our fault.
    pub fn store(error: &(dyn std::error::Error + 'static)) -> Problem {
        if pg::failure::is_unavailable(error) || pg::failure::is_retryable(error) {
            tracing::warn!(error = %Chain(error), "the database is out of reach");
            return Problem::new(
                &UNAVAILABLE,
                "the database cannot be reached; if this was a write its outcome is not known: \
                 repeat it with the same Idempotency-Key",
            )
            .retry_after(1);
        }
        Problem::internal(error)
    }

    /// What a caller is told when we are at fault. Logs the chain, once.
    pub fn internal(error: &(dyn std::error::Error + 'static)) -> Problem {
        tracing::error!(error = %Chain(error), "a call failed");
        Problem::new(&INTERNAL, "the failure is logged under the trace id")
    }

    /// The document as it goes out: for answers that carry several problems, such as a batch's.
    pub fn document(&self, trace: Option<TraceId>) -> ProblemDocument<'_> {
        ProblemDocument {
            kind: format!("urn:commonwheel:problem:{}", self.code.code),
            title: self.code.title_en,
            title_zh: self.code.title_zh,
            status: self.code.status,
            code: self.code.code,
            detail: &self.detail,
            trace_id: trace.map(|trace| trace.to_string()),
            errors: &self.errors,
            rule: self.rule,
            retry_after_s: self.retry_after_s,
            more: self.more.as_ref(),
        }
    }

    pub(crate) fn status(&self) -> StatusCode {
        StatusCode::from_u16(self.code.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    pub(crate) fn body(&self, trace: Option<TraceId>) -> Vec<u8> {
        // Strings, numbers and maps with string keys always serialise.
        serde_json::to_vec(&self.document(trace)).unwrap_or_default()
    }

    fn render(&self, trace: Option<TraceId>) -> Response {
        let mut response = (self.status(), self.body(trace)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if let Some(seconds) = self.retry_after_s {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self.code.status == 401 {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = self.render(None);
        // The trace layer, which alone knows the trace id, renders it again.
        response.extensions_mut().insert(self);
        response
    }
}

/// Renders a problem again with its trace id. What the framework refuses by itself, for example a
/// parameter in path or query, becomes a problem too; other responses pass.
pub(crate) async fn name_trace(mut response: Response, trace: TraceId) -> Response {
    if let Some(problem) = response.extensions_mut().remove::<Problem>() {
        let mut rendered = problem.render(Some(trace));
        // What a handler said beside it, for example the length of a file no range of which fits.
        for (name, value) in response.headers() {
            if !rendered.headers().contains_key(name) && name != header::CONTENT_LENGTH {
                rendered.headers_mut().insert(name, value.clone());
            }
        }
        return rendered;
    }
    let kind = response.headers().get(header::CONTENT_TYPE);
    let plain = kind.is_none_or(|kind| kind.as_bytes().starts_with(b"text/plain"));
    let code = match response.status() {
        StatusCode::NOT_FOUND => &NOT_FOUND,
        StatusCode::METHOD_NOT_ALLOWED => &METHOD,
        StatusCode::PAYLOAD_TOO_LARGE => &TOO_LARGE,
        StatusCode::UNSUPPORTED_MEDIA_TYPE => &MEDIA_TYPE,
        status if status.is_client_error() => &MALFORMED,
        status if status.is_server_error() => &INTERNAL,
        _ => return response,
    };
    if !plain {
        return response;
    }
    let text = axum::body::to_bytes(response.into_body(), LONGEST_REASON).await;
    let text = text.ok().and_then(|text| String::from_utf8(text.to_vec()).ok());
    let detail = text.filter(|text| !text.is_empty()).unwrap_or_else(|| code.title_en.to_owned());
    Problem::new(code, detail).render(Some(trace))
}

/// An error and all its causes on one line.
pub struct Chain<'a>(pub &'a (dyn std::error::Error + 'static));

impl std::fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.0)?;
        let mut next = self.0.source();
        while let Some(cause) = next {
            write!(f, ": {cause}")?;
            next = cause.source();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_call_breaks_is_a_member_of_the_document() {
        let rule = |problem: Problem| {
            let document: serde_json::Value = serde_json::from_slice(&problem.body(None)).unwrap();
            document["rule"].as_str().map(str::to_owned)
        };
        let kinds = [
            (&MALFORMED, Some("S01")),
            (&INVALID, None),
            (&UNAUTHENTICATED, None),
            (&FORBIDDEN, Some("F02")),
            (&NOT_SUBSCRIBED, Some("F02")),
            (&QUOTA, Some("L35")),
            (&KEY_MISSING, None),
            (&KEY_REUSED, Some("F04")),
            (&KEY_IN_FLIGHT, Some("F04")),
            (&BUSY, None),
        ];
        for (code, expected) in kinds {
            assert_eq!(rule(Problem::new(code, "so")).as_deref(), expected, "{}", code.code);
        }
        let told = rule(Problem::new(&FORBIDDEN, "from elsewhere").breaking("F03"));
        assert_eq!(told.as_deref(), Some("F03"));
    }
}

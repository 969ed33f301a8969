//! Reading a JSON body: bounded, digested, and with every wrong type named at once.

use std::time::Duration;

use axum::body::Body;
use axum::extract::{FromRequest, Request};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::header;
use http_body_util::BodyExt;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::bounds;
use crate::call::Call;
use crate::problem::{self, FieldError, Problem};
use crate::unknown;

/// Largest body an operation takes, in bytes.
pub const LARGEST_BODY: usize = 1 << 20;

/// How much of a larger body is read and thrown away, and for how long: a client that is still
/// sending when its connection closes never sees why.
const DRAINED: usize = 32 << 20;
const DRAINING: Duration = Duration::from_secs(5);

/// Most wrong types named in one answer.
const MOST_ERRORS: usize = 50;

/// A call with its body. Body types have only optional fields: what must be there is for the
/// domain to say, with its rule and together with everything else that is missing.
#[derive(Debug)]
pub struct Incoming<T> {
    /// This call.
    pub call: Call,
    /// What it says.
    pub body: T,
    /// The unknown elements of the call, for operations that judge them as they read.
    pub unknown: Vec<String>,
}

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Incoming<T> {
    type Rejection = Response;

    async fn from_request(request: Request, _state: &S) -> Result<Incoming<T>, Response> {
        let (parts, body) = request.into_parts();
        let json = parts
            .headers
            .get(header::CONTENT_TYPE)
            .and_then(|kind| kind.to_str().ok())
            .is_some_and(|kind| {
                let kind = kind.split(';').next().unwrap_or_default().trim();
                kind.eq_ignore_ascii_case("application/json") || kind.ends_with("+json")
            });
        if !json {
            let detail = "send the body as Content-Type: application/json";
            return Err(Problem::new(&problem::MEDIA_TYPE, detail).into_response());
        }
        let bytes = whole(body).await.map_err(Problem::into_response)?;
        let mut call = Call::of(&parts, &bytes).map_err(Problem::into_response)?;
        let (body, unknown) = read(&bytes).map_err(Problem::into_response)?;
        call.unknown.clone_from(&unknown);
        Ok(Incoming { call, body, unknown })
    }
}

/// Reads a body to its end.
async fn whole(mut body: Body) -> Result<Bytes, Problem> {
    let mut pieces: Vec<Bytes> = Vec::with_capacity(1);
    let mut length = 0;
    while let Some(frame) = body.frame().await {
        let early = |_| Problem::new(&problem::MALFORMED, "the body ended early");
        let Ok(piece) = frame.map_err(early)?.into_data() else { continue };
        length += piece.len();
        if length > LARGEST_BODY {
            drain(body).await;
            let detail = format!("the body is larger than {LARGEST_BODY} bytes");
            return Err(Problem::new(&problem::TOO_LARGE, detail));
        }
        pieces.push(piece);
    }
    // Nearly every message comes in one piece, which needs no copy.
    let only = if pieces.len() == 1 { pieces.pop() } else { None };
    Ok(only.unwrap_or_else(|| pieces.concat().into()))
}

async fn drain(mut body: Body) {
    let mut left = DRAINED;
    let drained = async {
        while let Some(Ok(frame)) = body.frame().await {
            left = left.saturating_sub(frame.data_ref().map_or(0, Bytes::len));
            if left == 0 {
                return;
            }
        }
    };
    // The answer is the same whether the rest was read or not.
    let _ = tokio::time::timeout(DRAINING, drained).await;
}

/// The value and the pointers of what it does not know, or everything that is wrong with it.
pub fn read<T: DeserializeOwned>(bytes: &[u8]) -> Result<(T, Vec<String>), Problem> {
    let mut json = serde_json::Deserializer::from_slice(bytes);
    let read = unknown::read::<T, _>(&mut json).and_then(|read| json.end().map(|()| read));
    match read {
        Ok((value, skipped)) => {
            let broken = bounds::broken(bytes);
            let unknown = if skipped { unknown_elements::<T>(bytes) } else { Vec::new() };
            if broken.is_empty() { Ok((value, unknown)) } else { Err(Problem::invalid(broken)) }
        }
        Err(error) => Err(wrong_types::<T>(bytes, &error)),
    }
}

/// The pointers of what a readable message says beside what `T` knows.
fn unknown_elements<T: DeserializeOwned>(bytes: &[u8]) -> Vec<String> {
    let mut unknown = Vec::new();
    let mut json = serde_json::Deserializer::from_slice(bytes);
    let note = |path: serde_ignored::Path<'_>| unknown.push(pointer(&path.to_string()));
    // It was read once already.
    let _ = serde_ignored::deserialize::<_, _, T>(&mut json, note);
    unknown
}

/// Every wrong type at once: each offender is noted, blanked, and the rest is read again. `first`
/// tells what is wrong when no value is: an element that stands there twice.
fn wrong_types<T: DeserializeOwned>(bytes: &[u8], first: &serde_json::Error) -> Problem {
    let mut value: Value = match serde_json::from_slice(bytes) {
        Ok(value) => value,
        Err(error) => return Problem::new(&problem::MALFORMED, format!("not JSON: {error}")),
    };
    let mut errors: Vec<FieldError> = Vec::new();
    while errors.len() < MOST_ERRORS {
        let Err(error) = serde_path_to_error::deserialize::<_, T>(&value) else { break };
        let at = pointer(&error.path().to_string());
        let detail = in_json(&error.into_inner().to_string());
        let blanked = value.pointer_mut(&at).map(|offender| offender.take());
        let again = errors.iter().any(|earlier| earlier.pointer == at);
        if !again {
            errors.push(FieldError::at(at, detail));
        }
        // Nothing left to blank, or blanking did not help: more cannot be learnt.
        if again || blanked.is_none_or(|offender| offender.is_null()) {
            break;
        }
    }
    if errors.is_empty() {
        return Problem::new(&problem::MALFORMED, first.to_string());
    }
    Problem {
        errors,
        ..Problem::new(&problem::MALFORMED, "values have the wrong type; see errors")
    }
}

/// What was expected in the words of JSON: how the program calls it helps nobody.
fn in_json(detail: &str) -> String {
    let Some((before, named)) = detail.split_once("struct ") else { return detail.to_owned() };
    let after = named.trim_start_matches(|letter: char| letter.is_alphanumeric() || letter == '_');
    format!("{before}an object{}", after.split_once(" with ").map_or(after, |(kept, _)| kept))
}

/// `a.b[0].c` as `/a/b/0/c`; the whole document as the empty pointer.
fn pointer(path: &str) -> String {
    let mut pointer = String::with_capacity(path.len() + 1);
    for part in path.split(['.', '[']).map(|part| part.trim_end_matches(']')) {
        // Enum and option wrappers show as `?` and are no part of the document.
        if !part.is_empty() && part != "?" {
            pointer.push('/');
            pointer.push_str(&part.replace('~', "~0").replace('/', "~1"));
        }
    }
    pointer
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Default, Deserialize)]
    #[serde(default)]
    struct Body {
        seats: Option<u16>,
        covers: Option<Vec<Cover>>,
        name: Option<String>,
    }

    #[derive(Debug, Default, Deserialize)]
    #[serde(default)]
    struct Cover {
        limit: Option<String>,
    }

    #[test]
    fn what_was_expected_is_said_without_names_of_the_program() {
        let cases = [
            (
                r#"invalid type: string "x", expected struct CoverBody"#,
                r#"invalid type: string "x", expected an object"#,
            ),
            (
                "invalid length 0, expected struct Body with 3 elements",
                "invalid length 0, expected an object",
            ),
            ("invalid type: map, expected a string", "invalid type: map, expected a string"),
        ];
        for (detail, said) in cases {
            assert_eq!(in_json(detail), said);
        }
    }

    #[test]
    fn every_wrong_type_is_named_at_once() {
        let body =
            br#"{"seats":"five","covers":[{"limit":1},{"limit":"1"},{"limit":[]}],"name":7}"#;
        let problem = read::<Body>(body).unwrap_err();
        let mut pointers: Vec<&str> = problem.errors.iter().map(|error| &*error.pointer).collect();
        pointers.sort_unstable();
        assert_eq!(pointers, ["/covers/0/limit", "/covers/2/limit", "/name", "/seats"]);
    }

    #[test]
    fn an_element_twice_is_named() {
        let problem = read::<Body>(br#"{"seats":5,"seats":6}"#).unwrap_err();
        assert!(problem.detail.contains("duplicate field `seats`"), "{}", problem.detail);
    }

    #[test]
    fn unknown_elements_are_reported() {
        let (_, unknown) = read::<Body>(br#"{"seats":5,"covers":[{"colour":"red"}]}"#).unwrap();
        assert_eq!(unknown, ["/covers/0/colour"]);
    }

    #[test]
    fn broken_json_is_one_problem() {
        for body in [&b"{"[..], b"", b"[1,2", b"\xff\xfe", b"{\"seats\":5} trailing"] {
            assert_eq!(read::<Body>(body).unwrap_err().code.code, "E1000");
        }
    }
}

//! HTTP as an insurer's core system speaks it.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method};
use serde_json::{Value, json};

/// How long a call may take before a test calls it lost.
const LOST: Duration = Duration::from_secs(30);

/// A client of one insurer with its token.
#[derive(Clone, Debug)]
pub struct Api {
    /// Address of the API.
    pub base: String,
    /// The client's name.
    pub client_id: String,
    /// A bearer token.
    pub token: String,
    http: reqwest::Client,
}

/// A whole answer.
#[derive(Clone, Debug)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// Headers.
    pub headers: HeaderMap,
    /// The body as it came.
    pub bytes: Bytes,
}

impl Api {
    /// Gets a token with client credentials.
    pub async fn login(base: &str, client_id: &str, secret: &str) -> Api {
        let answer = token(base, client_id, secret, None).await;
        assert_eq!(answer.status, 200, "no token for {client_id}: {answer:?}");
        Api {
            base: base.to_owned(),
            client_id: client_id.to_owned(),
            token: answer.text_at("/access_token"),
            http: http_client(),
        }
    }

    /// The same client with another token.
    pub fn with_token(&self, token: &str) -> Api {
        Api { token: token.to_owned(), ..self.clone() }
    }

    /// The same client, token and all, at another server.
    pub fn at(&self, base: &str) -> Api {
        Api { base: base.to_owned(), ..self.clone() }
    }

    /// A request with the token, to be completed.
    pub fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        self.http.request(method, format!("{}{path}", self.base)).bearer_auth(&self.token)
    }

    /// `POST` of JSON, with an idempotency key where one is given. An error means that no answer
    /// came.
    pub async fn try_post(
        &self,
        path: &str,
        key: Option<&str>,
        body: &Value,
    ) -> Result<Answer, reqwest::Error> {
        let mut request = self.request(Method::POST, path).json(body);
        if let Some(key) = key {
            request = request.header("idempotency-key", key);
        }
        answer(request).await
    }

    /// `POST` of JSON that must be answered.
    pub async fn post(&self, path: &str, key: Option<&str>, body: &Value) -> Answer {
        self.try_post(path, key, body).await.unwrap()
    }

    /// `GET` that must be answered.
    pub async fn get(&self, path: &str) -> Answer {
        answer(self.request(Method::GET, path)).await.unwrap()
    }
}

impl Answer {
    /// Reads a response to its end.
    pub async fn of(response: reqwest::Response) -> Answer {
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Answer { status, headers, bytes: response.bytes().await.unwrap() }
    }

    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.bytes)
            .unwrap_or_else(|error| panic!("no JSON ({error}): {}", self.text()))
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }

    /// The text at a JSON pointer of the body.
    pub fn text_at(&self, pointer: &str) -> String {
        let body = self.json();
        let found = body.pointer(pointer).and_then(Value::as_str);
        found.unwrap_or_else(|| panic!("no text at {pointer} of {body:#}")).to_owned()
    }

    /// The body of a success with this status.
    pub fn ok(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.text());
        self.json()
    }

    /// Whether this is the stored answer of an earlier call.
    pub fn is_replayed(&self) -> bool {
        self.headers.get("idempotency-replayed").is_some_and(|value| value == "true")
    }

    /// The code of a problem document, which must be whole: RFC 9457 members, both titles, and the
    /// trace id that the header names too.
    pub fn problem(&self) -> String {
        let kind = self.headers.get("content-type").and_then(|kind| kind.to_str().ok());
        assert_eq!(kind, Some("application/problem+json"), "{} {}", self.status, self.text());
        let body = self.json();
        assert_eq!(body["status"], json!(self.status), "{body:#}");
        let code = self.text_at("/code");
        assert_eq!(body["type"], format!("urn:commonwheel:problem:{code}"), "{body:#}");
        for member in ["/title", "/titleZh", "/detail"] {
            assert!(!self.text_at(member).is_empty(), "{body:#}");
        }
        let trace = self.text_at("/traceId");
        assert!(trace.len() == 32 && trace.bytes().all(|byte| byte.is_ascii_hexdigit()));
        assert_eq!(self.headers.get("x-trace-id").unwrap(), &*trace);
        if self.status == 503 || body.get("retryAfterS").is_some() {
            let said = self.headers.get("retry-after").and_then(|seconds| seconds.to_str().ok());
            assert_eq!(said, Some(&*body["retryAfterS"].to_string()), "{body:#}");
        }
        code
    }

    /// The JSON pointers of a problem's errors, sorted.
    pub fn pointers(&self) -> Vec<String> {
        let mut pointers = self.members("pointer");
        pointers.sort();
        pointers
    }

    /// The rules of a problem's errors, sorted, each once.
    pub fn rules(&self) -> Vec<String> {
        let mut rules = self.members("rule");
        rules.sort();
        rules.dedup();
        rules
    }

    fn members(&self, name: &str) -> Vec<String> {
        let body = self.json();
        let errors = body["errors"].as_array().cloned().unwrap_or_default();
        errors.iter().filter_map(|error| error[name].as_str().map(str::to_owned)).collect()
    }
}

/// Asks the token endpoint.
pub async fn token(base: &str, client_id: &str, secret: &str, scope: Option<&str>) -> Answer {
    let mut form = vec![
        ("grant_type", "client_credentials"),
        ("client_id", client_id),
        ("client_secret", secret),
    ];
    form.extend(scope.map(|scope| ("scope", scope)));
    let request = http_client().post(format!("{base}/oauth/token")).form(&form);
    answer(request).await.unwrap()
}

/// Sends a request and reads the whole answer.
pub async fn answer(request: reqwest::RequestBuilder) -> Result<Answer, reqwest::Error> {
    let answer = request.send().await?;
    let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
    Ok(Answer { status, headers, bytes: answer.bytes().await? })
}

/// A client that knows no token, for everything that is not the API.
pub fn http_client() -> reqwest::Client {
    reqwest::Client::builder().no_proxy().timeout(LOST).build().unwrap()
}

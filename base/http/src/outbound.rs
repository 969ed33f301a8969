//! Calls to counterparties: every call has a budget, and a counterparty that fails is left alone.
//!
//! One [`Outbound`] per counterparty. A call never takes longer than its budget, never waits for a
//! place in a queue, never reads more than [`Settings::max_answer_bytes`], and is repeated only
//! when its [`Request`] says that repeating does no harm, with jittered pauses, inside the budget.
//! The breaker counts attempts, not calls. Redirects and proxies from the environment are not
//! followed: a counterparty is where the settings say. URLs and answers never reach an error text,
//! for they name people and vehicles.
//!
//! Metrics, all labelled `counterparty`: `outbound_calls_total` (also `outcome`),
//! `outbound_attempts_total`, `outbound_breaker_state` (0 closed, 1 half-open, 2 open),
//! `outbound_call_seconds`.

mod breaker;
mod error;
#[cfg(test)]
mod over_http;

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use kernel::{Clock, Ids};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::Semaphore;
use tokio::time::Instant;

pub use breaker::{Admission, Breaker, BreakerState, Outcome, Rules};
pub use error::{OutboundError, SetupError};

/// Where a counterparty is and how much patience it gets.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Its name in metrics, logs and errors.
    pub counterparty: &'static str,
    /// Scheme, host and port, without a closing slash.
    pub base_url: String,
    /// Certificate authorities in PEM that may vouch for it; empty trusts those of the machine.
    pub authorities_pem: Vec<u8>,
    /// So many calls may be under way at once; one more is refused at once.
    pub max_in_flight: usize,
    /// No attempt takes longer, however large the budget.
    pub attempt_timeout: Duration,
    /// So many attempts may follow the first.
    pub retries: u32,
    /// Longest pause before the first repetition; doubles with each.
    pub backoff: Duration,
    /// Longer answers are refused.
    pub max_answer_bytes: usize,
    /// When to leave the counterparty alone.
    pub breaker: Rules,
}

impl Settings {
    /// Patience fit for a call that someone waits for: 300 ms an attempt, two repetitions, 64 calls
    /// at once, answers up to 256 KiB.
    pub fn new(counterparty: &'static str, base_url: impl Into<String>) -> Settings {
        Settings {
            counterparty,
            base_url: base_url.into(),
            authorities_pem: Vec::new(),
            max_in_flight: 64,
            attempt_timeout: Duration::from_millis(300),
            retries: 2,
            backoff: Duration::from_millis(40),
            max_answer_bytes: 256 * 1024,
            breaker: Rules::default(),
        }
    }
}

/// What is asked of a counterparty.
#[derive(Clone, Debug)]
pub struct Request {
    method: Method,
    path: String,
    body: Option<Bytes>,
    headers: HeaderMap,
    repeatable: bool,
}

impl Request {
    /// Reads `path`; may be repeated.
    pub fn get(path: impl Into<String>) -> Request {
        Request::without_body(Method::GET, path.into())
    }

    /// Puts `body` at `path`; may be repeated.
    pub fn put(path: impl Into<String>, body: &impl Serialize) -> Result<Request, OutboundError> {
        Request::with_body(Method::PUT, path.into(), body, true)
    }

    /// Removes what is at `path`; may be repeated.
    pub fn delete(path: impl Into<String>) -> Request {
        Request::without_body(Method::DELETE, path.into())
    }

    /// Posts `body` to `path`; not repeated unless [`Request::repeatable`] says so.
    pub fn post(path: impl Into<String>, body: &impl Serialize) -> Result<Request, OutboundError> {
        Request::with_body(Method::POST, path.into(), body, false)
    }

    /// Declares that the contract lets this request be sent twice: a look-up, or keyed by its body.
    pub fn repeatable(mut self) -> Request {
        self.repeatable = true;
        self
    }

    /// Adds a header, in place of one of its name. Mark a secret as sensitive.
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Request {
        self.headers.insert(name, value);
        self
    }

    /// Method, path and body, for who signs them.
    pub fn parts(&self) -> (&Method, &str, &[u8]) {
        (&self.method, &self.path, self.body.as_deref().unwrap_or_default())
    }

    fn without_body(method: Method, path: String) -> Request {
        Request { method, path, body: None, headers: HeaderMap::new(), repeatable: true }
    }

    fn with_body(
        method: Method,
        path: String,
        body: &impl Serialize,
        repeatable: bool,
    ) -> Result<Request, OutboundError> {
        let body = serde_json::to_vec(body).map_err(|_| OutboundError::Unwritable)?;
        let headers = HeaderMap::new();
        Ok(Request { method, path, body: Some(body.into()), headers, repeatable })
    }
}

/// Calls one counterparty. Cheap to clone; clones share breaker, connections and limits.
#[derive(Clone)]
pub struct Outbound(Arc<Inner>);

struct Inner {
    settings: Settings,
    client: reqwest::Client,
    places: Semaphore,
    breaker: Mutex<Breaker>,
    clock: Arc<dyn Clock>,
    ids: Arc<Ids>,
}

impl std::fmt::Debug for Outbound {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Outbound")
            .field("counterparty", &self.0.settings.counterparty)
            .field("breaker", &self.breaker())
            .finish_non_exhaustive()
    }
}

impl Outbound {
    /// Sets up calls; connects only when first asked. The breaker cools down by `clock`, pauses are
    /// jittered by `ids`.
    pub fn new(
        settings: Settings,
        clock: Arc<dyn Clock>,
        ids: Arc<Ids>,
    ) -> Result<Outbound, SetupError> {
        let failed = |cause| SetupError { counterparty: settings.counterparty, cause };
        let client = client(&settings).map_err(failed)?;
        let places = Semaphore::new(settings.max_in_flight);
        let breaker = Mutex::new(Breaker::new(settings.breaker));
        let outbound = Outbound(Arc::new(Inner { settings, client, places, breaker, clock, ids }));
        outbound.show_breaker(BreakerState::Closed);
        Ok(outbound)
    }

    /// The name of the counterparty.
    pub fn counterparty(&self) -> &'static str {
        self.0.settings.counterparty
    }

    /// Where the breaker stands.
    pub fn breaker(&self) -> BreakerState {
        self.lock_breaker().state()
    }

    /// Sends `request` and reads the JSON answer, all within `budget`. An empty answer reads as
    /// `null`.
    pub async fn call<Answer: DeserializeOwned>(
        &self,
        request: &Request,
        budget: Duration,
    ) -> Result<Answer, OutboundError> {
        let started = Instant::now();
        let answer = match self.0.places.try_acquire() {
            Ok(_place) => self.attempts(request, started + budget).await,
            Err(_) => Err(OutboundError::TooBusy { counterparty: self.counterparty() }),
        };
        let outcome = answer.as_ref().err().map_or("answered", OutboundError::kind);
        let counterparty = self.counterparty();
        metrics::counter!(
            "outbound_calls_total", "counterparty" => counterparty, "outcome" => outcome
        )
        .increment(1);
        metrics::histogram!("outbound_call_seconds", "counterparty" => counterparty)
            .record(started.elapsed());
        answer
    }

    async fn attempts<Answer: DeserializeOwned>(
        &self,
        request: &Request,
        deadline: Instant,
    ) -> Result<Answer, OutboundError> {
        let mut attempt = 0;
        let mut last = None;
        loop {
            let Some(permit) = self.admit() else {
                // When the breaker opened under this very call, the cause says more.
                let open = OutboundError::BreakerOpen { counterparty: self.counterparty() };
                return Err(last.unwrap_or(open));
            };
            let answer = self.attempt(request, deadline).await;
            permit.settle(answer.as_ref().err());
            let error = match answer {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            let settings = &self.0.settings;
            let pause = pause(settings.backoff, attempt, u64::from_le_bytes(self.0.ids.bytes()));
            let left = deadline.saturating_duration_since(Instant::now());
            let again = request.repeatable && error.is_passing() && attempt < settings.retries;
            if !again || left <= pause {
                return Err(error);
            }
            tokio::time::sleep(pause).await;
            attempt += 1;
            last = Some(error);
        }
    }

    async fn attempt<Answer: DeserializeOwned>(
        &self,
        request: &Request,
        deadline: Instant,
    ) -> Result<Answer, OutboundError> {
        let Settings { counterparty, attempt_timeout, .. } = self.0.settings;
        metrics::counter!("outbound_attempts_total", "counterparty" => counterparty).increment(1);
        let deadline = deadline.min(Instant::now() + attempt_timeout);
        let (status, body) = tokio::time::timeout_at(deadline, self.exchange(request))
            .await
            .map_err(|_| OutboundError::Timeout { counterparty })??;
        if !status.is_success() {
            return Err(OutboundError::Status { counterparty, status, body });
        }
        let text: &[u8] = if body.is_empty() { b"null" } else { &body };
        let mut reader = serde_json::Deserializer::from_slice(text);
        // The reader's own message may quote the answer, so only the place is kept.
        let malformed = |reason| OutboundError::Malformed { counterparty, reason };
        let answer = serde_path_to_error::deserialize(&mut reader)
            .map_err(|error| malformed(format!("unreadable at {}", error.path())))?;
        reader.end().map_err(|_| malformed("more than one value".into()))?;
        Ok(answer)
    }

    async fn exchange(&self, request: &Request) -> Result<(StatusCode, Bytes), OutboundError> {
        let Settings { counterparty, ref base_url, max_answer_bytes, .. } = self.0.settings;
        let unavailable = |cause: reqwest::Error| OutboundError::Unavailable {
            counterparty,
            cause: Arc::new(cause.without_url()),
        };
        let url = format!("{base_url}{}", request.path);
        let sent = self.0.client.request(request.method.clone(), url);
        let mut sent = sent.headers(request.headers.clone());
        if let Some(body) = &request.body {
            sent = sent.header(header::CONTENT_TYPE, "application/json").body(body.clone());
        }
        let mut answer = sent.send().await.map_err(unavailable)?;
        let status = answer.status();
        let mut body = BytesMut::new();
        while let Some(chunk) = answer.chunk().await.map_err(unavailable)? {
            if body.len() + chunk.len() > max_answer_bytes {
                let reason = format!("longer than {max_answer_bytes} bytes");
                return Err(OutboundError::Malformed { counterparty, reason });
            }
            body.extend_from_slice(&chunk);
        }
        Ok((status, body.freeze()))
    }

    fn admit(&self) -> Option<Permit<'_>> {
        let mut breaker = self.lock_breaker();
        let before = breaker.state();
        let admission = breaker.admit(self.0.clock.now());
        self.note_change(before, breaker.state());
        admission.map(|admission| Permit { outbound: self, admission: Some(admission) })
    }

    fn settle(&self, admission: Admission, outcome: Outcome) {
        let mut breaker = self.lock_breaker();
        let before = breaker.state();
        breaker.settle(admission, outcome, self.0.clock.now());
        self.note_change(before, breaker.state());
    }

    fn note_change(&self, before: BreakerState, after: BreakerState) {
        if before == after {
            return;
        }
        self.show_breaker(after);
        let counterparty = self.counterparty();
        match after {
            BreakerState::Open => {
                tracing::warn!(
                    outbound.counterparty = counterparty,
                    "breaker opened: {counterparty}"
                );
            }
            BreakerState::HalfOpen | BreakerState::Closed => {
                tracing::info!(
                    outbound.counterparty = counterparty,
                    "breaker {after:?}: {counterparty}"
                );
            }
        }
    }

    fn show_breaker(&self, state: BreakerState) {
        let level = match state {
            BreakerState::Closed => 0,
            BreakerState::HalfOpen => 1,
            BreakerState::Open => 2,
        };
        metrics::gauge!("outbound_breaker_state", "counterparty" => self.counterparty()).set(level);
    }

    fn lock_breaker(&self) -> MutexGuard<'_, Breaker> {
        // Every change of the breaker is a single assignment, so a poisoned lock holds a whole one.
        self.0.breaker.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

/// Leave for one attempt. Dropped unsettled (the caller went away), it counts as abandoned.
struct Permit<'a> {
    outbound: &'a Outbound,
    admission: Option<Admission>,
}

impl Permit<'_> {
    fn settle(mut self, error: Option<&OutboundError>) {
        let failed = error.is_some_and(OutboundError::is_fault);
        let outcome = if failed { Outcome::Failed } else { Outcome::Answered };
        if let Some(admission) = self.admission.take() {
            self.outbound.settle(admission, outcome);
        }
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        if let Some(admission) = self.admission.take() {
            self.outbound.settle(admission, Outcome::Abandoned);
        }
    }
}

fn client(settings: &Settings) -> Result<reqwest::Client, reqwest::Error> {
    let mut builder = reqwest::Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .pool_max_idle_per_host(settings.max_in_flight);
    let authorities = reqwest::Certificate::from_pem_bundle(&settings.authorities_pem)?;
    // Without TLS there is nobody to trust, and the machine's list need not be there to be read.
    if !authorities.is_empty() || settings.base_url.starts_with("http://") {
        builder = builder.tls_certs_only(authorities);
    }
    builder.build()
}

/// Between half and all of `backoff` doubled `attempt` times, where `random` says.
fn pause(backoff: Duration, attempt: u32, random: u64) -> Duration {
    let longest = backoff.saturating_mul(2u32.saturating_pow(attempt));
    let half = u64::try_from(longest.as_micros() / 2).unwrap_or(u64::MAX / 2);
    Duration::from_micros(half + random % half.max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_and_lie_between_half_and_all() {
        let backoff = Duration::from_millis(40);
        for (attempt, longest) in [(0, 40), (1, 80), (2, 160)] {
            for random in [0, 1, 12_345, u64::MAX] {
                let pause = pause(backoff, attempt, random);
                assert!(pause >= Duration::from_millis(longest) / 2, "{pause:?}");
                assert!(pause <= Duration::from_millis(longest), "{pause:?}");
            }
        }
        assert_eq!(pause(Duration::ZERO, 3, 7), Duration::ZERO);
    }
}

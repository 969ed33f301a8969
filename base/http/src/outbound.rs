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
#[cfg(test)]
mod over_http;

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{Method, StatusCode, header};
use kernel::{Clock, Ids};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::Semaphore;
use tokio::time::Instant;

pub use breaker::{Admission, Breaker, BreakerState, Outcome, Rules};

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
    repeatable: bool,
}

impl Request {
    /// Reads `path`; may be repeated.
    pub fn get(path: impl Into<String>) -> Request {
        Request { method: Method::GET, path: path.into(), body: None, repeatable: true }
    }

    /// Puts `body` at `path`; may be repeated.
    pub fn put(path: impl Into<String>, body: &impl Serialize) -> Result<Request, OutboundError> {
        Request::with_body(Method::PUT, path.into(), body, true)
    }

    /// Removes what is at `path`; may be repeated.
    pub fn delete(path: impl Into<String>) -> Request {
        Request { method: Method::DELETE, path: path.into(), body: None, repeatable: true }
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

    fn with_body(
        method: Method,
        path: String,
        body: &impl Serialize,
        repeatable: bool,
    ) -> Result<Request, OutboundError> {
        let body = serde_json::to_vec(body).map_err(|_| OutboundError::Unwritable)?;
        Ok(Request { method, path, body: Some(body.into()), repeatable })
    }
}

/// Why a counterparty gave no usable answer.
#[derive(Clone, Debug, thiserror::Error)]
pub enum OutboundError {
    /// Nothing came within the attempt or the budget.
    #[error("{counterparty} did not answer in time")]
    Timeout {
        /// Who was asked.
        counterparty: &'static str,
    },
    /// It could not be reached, or hung up.
    #[error("{counterparty} cannot be reached")]
    Unavailable {
        /// Who was asked.
        counterparty: &'static str,
        /// What the transport said, without the URL.
        #[source]
        cause: Arc<reqwest::Error>,
    },
    /// It failed too often of late and is left alone for a while; nothing was sent.
    #[error("{counterparty} is not asked while it recovers")]
    BreakerOpen {
        /// Who was not asked.
        counterparty: &'static str,
    },
    /// Too many calls to it are under way; nothing was sent.
    #[error("too many calls to {counterparty} are under way")]
    TooBusy {
        /// Who was not asked.
        counterparty: &'static str,
    },
    /// It answered with a status other than 2xx.
    #[error("{counterparty} answered {status}")]
    Status {
        /// Who was asked.
        counterparty: &'static str,
        /// What it answered.
        status: StatusCode,
        /// The body; may name people, so it must not be logged.
        body: Bytes,
    },
    /// It answered 2xx with something the contract does not know.
    #[error("{counterparty} answered against its contract: {reason}")]
    Malformed {
        /// Who was asked.
        counterparty: &'static str,
        /// Where the answer departs, without its contents.
        reason: String,
    },
    /// The request cannot be written as JSON; nothing was sent.
    #[error("request cannot be written as JSON")]
    Unwritable,
}

impl OutboundError {
    /// The kind of failure as a metric label.
    pub fn kind(&self) -> &'static str {
        match self {
            OutboundError::Timeout { .. } => "timeout",
            OutboundError::Unavailable { .. } => "unavailable",
            OutboundError::BreakerOpen { .. } => "breaker_open",
            OutboundError::TooBusy { .. } => "too_busy",
            OutboundError::Status { .. } => "status",
            OutboundError::Malformed { .. } => "malformed",
            OutboundError::Unwritable => "unwritable",
        }
    }

    /// Whether the counterparty is at fault. A refusal (4xx) is an answer, not a fault.
    fn is_fault(&self) -> bool {
        match self {
            OutboundError::Timeout { .. }
            | OutboundError::Unavailable { .. }
            | OutboundError::Malformed { .. } => true,
            OutboundError::Status { status, .. } => is_overload_or_fault(*status),
            OutboundError::BreakerOpen { .. }
            | OutboundError::TooBusy { .. }
            | OutboundError::Unwritable => false,
        }
    }

    /// Whether the next attempt may fare better. An answer against the contract stays one.
    fn is_passing(&self) -> bool {
        self.is_fault() && !matches!(self, OutboundError::Malformed { .. })
    }
}

/// Why a client could not be set up.
#[derive(Debug, thiserror::Error)]
#[error("cannot set up calls to {counterparty}")]
pub struct SetupError {
    counterparty: &'static str,
    #[source]
    cause: reqwest::Error,
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
        let mut sent = self.0.client.request(request.method.clone(), url);
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

fn is_overload_or_fault(status: StatusCode) -> bool {
    status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS
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

    #[test]
    fn a_refusal_is_an_answer_and_a_fault_is_not() {
        let status =
            |status| OutboundError::Status { counterparty: "police", status, body: Bytes::new() };
        let cases = [
            (StatusCode::NOT_FOUND, false),
            (StatusCode::CONFLICT, false),
            (StatusCode::TOO_MANY_REQUESTS, true),
            (StatusCode::INTERNAL_SERVER_ERROR, true),
            (StatusCode::SERVICE_UNAVAILABLE, true),
        ];
        for (code, fault) in cases {
            assert_eq!(status(code).is_fault(), fault, "{code}");
        }
        let malformed =
            OutboundError::Malformed { counterparty: "police", reason: "unreadable at .".into() };
        assert!(malformed.is_fault() && !malformed.is_passing());
    }
}

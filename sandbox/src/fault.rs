//! Faults on demand: what a counterparty does wrong, and how often.
//!
//! Whether a call fails depends only on the faults set and on how many calls came since, so a test
//! that repeats its calls sees the same failures.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::{MatchedPath, Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::control::Calls;
use crate::serve::HangUp;

/// What goes wrong with calls from now on. The default is: nothing.
///
/// When several apply, the first in this order wins; latency comes before any of them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Faults {
    /// Every answer, wrong ones included, comes so many milliseconds late.
    pub latency_ms: u64,
    /// Nobody is there: the connection closes without a byte.
    pub down: bool,
    /// No answer, until the faults change.
    pub hang: bool,
    /// So many calls from now on are answered 500.
    pub fail_next: u32,
    /// So many calls in a hundred are answered 503, evenly spread.
    pub error_rate: u8,
    /// The connection closes in the middle of the answer.
    pub close_connection: bool,
    /// 200, but not JSON.
    pub malformed: bool,
}

/// What goes wrong with one call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wrong {
    Down,
    Hang,
    Failed,
    Overloaded,
    Cut,
    Malformed,
}

/// Where a counterparty's calls are counted and spoiled.
#[derive(Debug)]
pub(crate) struct Desk {
    state: Mutex<DeskState>,
    changed: Notify,
    stop: CancellationToken,
}

#[derive(Debug, Default)]
struct DeskState {
    faults: Faults,
    /// Runs up by the error rate with every call; each full hundred is one failure.
    owed: u32,
    calls: Calls,
}

impl Desk {
    pub(crate) fn new(stop: CancellationToken) -> Desk {
        Desk { state: Mutex::default(), changed: Notify::new(), stop }
    }

    pub(crate) fn set(&self, faults: Faults) {
        let mut state = self.lock();
        state.faults = faults;
        state.owed = 0;
        drop(state);
        self.changed.notify_waiters();
    }

    pub(crate) fn faults(&self) -> Faults {
        self.lock().faults.clone()
    }

    pub(crate) fn calls(&self) -> Calls {
        self.lock().calls.clone()
    }

    pub(crate) fn forget_calls(&self) {
        self.lock().calls = Calls::default();
    }

    fn lock(&self) -> MutexGuard<'_, DeskState> {
        // Counters and settings only: whole whatever happened to the last holder.
        self.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

impl DeskState {
    fn next(&mut self) -> Option<Wrong> {
        let faults = &mut self.faults;
        if faults.down {
            return Some(Wrong::Down);
        }
        if faults.hang {
            return Some(Wrong::Hang);
        }
        if faults.fail_next > 0 {
            faults.fail_next -= 1;
            return Some(Wrong::Failed);
        }
        self.owed += u32::from(faults.error_rate.min(100));
        if self.owed >= 100 {
            self.owed -= 100;
            return Some(Wrong::Overloaded);
        }
        let cut = faults.close_connection.then_some(Wrong::Cut);
        cut.or(faults.malformed.then_some(Wrong::Malformed))
    }
}

/// Counts every call of the contract and spoils those the faults say.
pub(crate) async fn spoil(
    State(desk): State<Arc<Desk>>,
    path: MatchedPath,
    request: Request,
    next: Next,
) -> Response {
    let (wrong, latency_ms) = {
        let mut state = desk.lock();
        let wrong = state.next();
        let operation = format!("{} {}", request.method(), path.as_str());
        state.calls.count(operation, wrong.is_some());
        (wrong, state.faults.latency_ms)
    };
    if latency_ms > 0 {
        tokio::select! {
            () = tokio::time::sleep(Duration::from_millis(latency_ms)) => {}
            () = desk.stop.cancelled() => {}
        }
    }
    match wrong {
        None => next.run(request).await,
        Some(Wrong::Down) => hang_up(),
        Some(Wrong::Hang) => hang(&desk).await,
        Some(Wrong::Failed) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        Some(Wrong::Overloaded) => StatusCode::SERVICE_UNAVAILABLE.into_response(),
        Some(Wrong::Cut) => cut(),
        Some(Wrong::Malformed) => json(Body::from(r#"{"returnCode":"1","data":{"vin":"#)),
    }
}

async fn hang(desk: &Desk) -> Response {
    loop {
        // Listen before looking, or a change in between would be missed.
        let changed = desk.changed.notified();
        if !desk.lock().faults.hang {
            return hang_up();
        }
        tokio::select! {
            () = changed => {}
            () = desk.stop.cancelled() => return hang_up(),
        }
    }
}

fn hang_up() -> Response {
    let mut response = StatusCode::SERVICE_UNAVAILABLE.into_response();
    response.extensions_mut().insert(HangUp);
    response
}

fn cut() -> Response {
    let pieces: [Result<Bytes, std::io::Error>; 2] = [
        Ok(Bytes::from_static(br#"{"returnCode":"#)),
        Err(std::io::Error::other("cut off on purpose")),
    ];
    let mut response = json(Body::from_stream(futures::stream::iter(pieces)));
    response.headers_mut().insert(header::CONTENT_LENGTH, header::HeaderValue::from_static("4096"));
    response
}

fn json(body: Body) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], body).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_rate_is_spread_evenly() {
        let faults = Faults { error_rate: 25, ..Faults::default() };
        let mut state = DeskState { faults, ..DeskState::default() };
        let failed: Vec<bool> = (0..8).map(|_| state.next().is_some()).collect();
        assert_eq!(failed, [false, false, false, true, false, false, false, true]);
    }

    #[test]
    fn counted_failures_come_first_and_run_out() {
        let faults = Faults { fail_next: 2, malformed: true, ..Faults::default() };
        let mut state = DeskState { faults, ..DeskState::default() };
        let wrong = [state.next(), state.next(), state.next()];
        assert_eq!(wrong, [Wrong::Failed, Wrong::Failed, Wrong::Malformed].map(Some));
    }

    #[test]
    fn a_misspelt_fault_is_refused() {
        assert!(serde_json::from_str::<Faults>(r#"{"latencyMS":5}"#).is_err());
        let late: Faults = serde_json::from_str(r#"{"latencyMs":5}"#).unwrap();
        assert_eq!(late, Faults { latency_ms: 5, ..Faults::default() });
    }
}

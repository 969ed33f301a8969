//! The clock of a server: the machine's, or in a sandbox one that a person sets.

use std::sync::Arc;

use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};
use jiff::Timestamp;
use kernel::{Clock, SetClock, SystemClock};
use serde::{Deserialize, Serialize};

/// Which clock a server follows.
#[derive(Clone)]
pub(crate) enum ServerClock {
    Machine,
    /// Stands where it was put; only a sandbox is given one.
    Set(Arc<SetClock>),
}

impl ServerClock {
    pub(crate) fn clock(&self) -> Arc<dyn Clock> {
        match self {
            ServerClock::Machine => Arc::new(SystemClock),
            ServerClock::Set(clock) => clock.clone(),
        }
    }

    /// `GET` and `PUT /sandbox/clock` on the operations port, for a set clock only.
    pub(crate) fn routes(&self) -> Router {
        match self {
            ServerClock::Machine => Router::new(),
            ServerClock::Set(clock) => {
                Router::new().route("/sandbox/clock", get(read).put(set)).with_state(clock.clone())
            }
        }
    }
}

#[derive(Deserialize, Serialize)]
struct Now {
    now: Timestamp,
}

async fn read(State(clock): State<Arc<SetClock>>) -> Json<Now> {
    Json(Now { now: clock.now() })
}

async fn set(State(clock): State<Arc<SetClock>>, Json(wanted): Json<Now>) -> Json<Now> {
    clock.set(wanted.now);
    Json(Now { now: clock.now() })
}

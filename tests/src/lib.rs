//! Stories about the running binary: what they stand on.
//!
//! Every story starts `commonwheel` for itself, with a data directory and free ports of its own,
//! speaks HTTP to it like an insurer does, and looks into the database as its owner. Nothing of
//! the platform's code is linked, so what is tested is what ships. Everything here panics instead
//! of returning errors: it has no use outside tests.
#![expect(clippy::unwrap_used, reason = "what a test stands on fails by panicking")]

pub mod api;
mod binary;
pub mod database;
pub mod market;
mod platform;
mod process;

use std::time::{Duration, Instant};

pub use binary::commonwheel;
pub use platform::{Announced, AnnouncedClient, Platform, Server, Start};
pub use process::{Process, gone};

/// 10:00 on Monday, 2 March 2026 in China: where a clock that stands stands.
pub const MORNING: &str = "2026-03-02T10:00:00+08:00";

/// How long anything a test waits for may take on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Asks again until there is an answer. Panics with `what` when none comes in [`PATIENCE`].
pub async fn eventually<T>(what: &str, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(found) = ask().await {
            return found;
        }
        assert!(began.elapsed() < PATIENCE, "waited {PATIENCE:?} in vain: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

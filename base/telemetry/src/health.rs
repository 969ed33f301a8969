//! Whether the process can serve.

use std::fmt;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, RwLock};
use std::time::{Duration, Instant};

use futures::FutureExt;
use futures::future::{BoxFuture, join_all};
use serde::Serialize;

/// Longest a single check may take; one that takes longer has failed.
const PATIENCE: Duration = Duration::from_secs(2);

type Check = Arc<dyn Fn() -> BoxFuture<'static, Result<(), String>> + Send + Sync>;

/// Where the process stands in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Starting = 0,
    Serving = 1,
    Stopping = 2,
}

/// Collects what must hold for the process to serve. Cheap to clone.
#[derive(Clone, Default)]
pub struct Health(Arc<Inner>);

#[derive(Default)]
struct Inner {
    stage: AtomicU8,
    checks: RwLock<Vec<(&'static str, Check)>>,
}

/// What the checks found, in the order they were added.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Report {
    /// `ready`, `starting`, `stopping` or `failing`.
    pub status: &'static str,
    /// Each check.
    pub checks: Vec<Finding>,
}

/// What one check found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Name it was added under.
    pub name: &'static str,
    /// Whether it holds.
    pub ok: bool,
    /// Why not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// How long it took.
    pub took_ms: u64,
}

impl Health {
    /// A process that is starting, with no checks.
    pub fn new() -> Health {
        Health::default()
    }

    /// Adds a check that must hold for the process to be ready.
    ///
    /// Its error text is shown on the operations port: no addresses with passwords, no personal
    /// data.
    pub fn check<F, Fut>(&self, name: &'static str, check: F)
    where
        F: Fn() -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<(), String>> + Send + 'static,
    {
        let check: Check = Arc::new(move || check().boxed());
        self.write().push((name, check));
    }

    /// Tells that the start is over and calls are served.
    pub fn started(&self) {
        self.0.stage.store(Stage::Serving as u8, Ordering::SeqCst);
    }

    /// Tells that no new calls are wanted: load balancers look elsewhere while the last are served.
    pub fn stopping(&self) {
        self.0.stage.store(Stage::Stopping as u8, Ordering::SeqCst);
    }

    /// Whether the start is over, also when the process is stopping.
    pub fn has_started(&self) -> bool {
        self.stage() != Stage::Starting
    }

    /// Runs all checks side by side. Takes two seconds at most.
    pub async fn report(&self) -> Report {
        let checks = self.0.checks.read().unwrap_or_else(|poisoned| poisoned.into_inner()).clone();
        let checks = join_all(checks.into_iter().map(|(name, check)| run(name, check))).await;
        let status = match self.stage() {
            Stage::Starting => "starting",
            Stage::Stopping => "stopping",
            Stage::Serving if checks.iter().all(|check| check.ok) => "ready",
            Stage::Serving => "failing",
        };
        Report { status, checks }
    }

    fn stage(&self) -> Stage {
        match self.0.stage.load(Ordering::SeqCst) {
            0 => Stage::Starting,
            1 => Stage::Serving,
            _ => Stage::Stopping,
        }
    }

    fn write(&self) -> std::sync::RwLockWriteGuard<'_, Vec<(&'static str, Check)>> {
        // Pushing to a list leaves nothing half-done.
        self.0.checks.write().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

impl fmt::Debug for Health {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Health").field("stage", &self.stage()).finish_non_exhaustive()
    }
}

impl Report {
    /// Whether calls are welcome.
    pub fn is_ready(&self) -> bool {
        self.status == "ready"
    }
}

async fn run(name: &'static str, check: Check) -> Finding {
    let begun = Instant::now();
    let outcome = tokio::time::timeout(PATIENCE, check()).await;
    let error = match outcome {
        Ok(Ok(())) => None,
        Ok(Err(error)) => Some(error),
        Err(_) => Some(format!("no answer within {} s", PATIENCE.as_secs())),
    };
    let took_ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
    Finding { name, ok: error.is_none(), error, took_ms }
}

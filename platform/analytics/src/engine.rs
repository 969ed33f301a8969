//! Questions answered by DataFusion, in this process, over versions of the lake.
//!
//! Two kinds. An insurer asks about its own rows in SQL ([`own`](Engine::own)): what it may read
//! is decided where a table is read, before any expression of its question sees a row. Everybody
//! asks about the market through [`answer`](Engine::answer), which adds up published cells and
//! sees nothing else; [`publish`](Engine::publish) decides what is published.
//!
//! Questions run on threads of their own, a few at once, each under limits of memory, time and
//! rows. Whoever stops waiting stops the question.

mod answer;
mod contributions;
mod functions;
mod own;
mod prune;
mod publish;
pub(crate) mod scan;
pub(crate) mod table;
pub(crate) mod tally;

use std::sync::Arc;
use std::time::Duration;

use analytics_api::{MarketAnswer, MarketQuestion, Published};
use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use datafusion::common::DataFusionError;
use datafusion::execution::disk_manager::{DiskManagerBuilder, DiskManagerMode};
use datafusion::execution::memory_pool::GreedyMemoryPool;
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::execution::{SendableRecordBatchStream, SessionStateBuilder};
use datafusion::physical_plan::execute_stream;
use datafusion::prelude::{DataFrame, SessionConfig, SessionContext};
use futures::StreamExt;
use futures::future::BoxFuture;
use tokio::runtime::Runtime;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

#[cfg(feature = "cluster")]
use crate::cluster::{Cluster, fault::ClusterFault};
use crate::lake::{Lake, LakeError};
use crate::question::{EngineError, OwnAnswer, OwnQuestion, OwnStream, Questions};
use crate::tally::TallyQuestion;

pub use publish::{Publication, pinned};

/// Stack of a thread. Only what is used of it is ever taken.
const STACK: usize = 64 << 20;

/// What questions may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Threads of all questions.
    pub threads: usize,
    /// Questions at once; one more waits.
    pub at_once: usize,
    /// Memory of one question.
    pub memory_bytes: usize,
    /// How long one may run, waiting not counted.
    pub time: Duration,
    /// Rows of an answer; it is cut there and says so.
    pub rows: usize,
    /// Rows of an answer that is sent as it is computed; it breaks off there.
    pub sent_rows: usize,
    /// Bytes in memory of such an answer in all; it breaks off there.
    pub sent_bytes: u64,
    /// How long such an answer waits for somebody to take rows.
    pub patience: Duration,
}

impl Default for Limits {
    /// Two threads, four questions, 512 MiB, a minute, a million rows; sent as they are computed,
    /// fifty million in 8 GiB, each taken within a minute.
    fn default() -> Limits {
        Limits {
            threads: 2,
            at_once: 4,
            memory_bytes: 512 << 20,
            time: Duration::from_secs(60),
            rows: 1_000_000,
            sent_rows: 50_000_000,
            sent_bytes: 8 << 30,
            patience: Duration::from_secs(60),
        }
    }
}

impl From<DataFusionError> for EngineError {
    fn from(error: DataFusionError) -> EngineError {
        let root = error.find_root();
        match root {
            DataFusionError::ResourcesExhausted(_) => EngineError::TooLarge,
            DataFusionError::SQL(..)
            | DataFusionError::Plan(_)
            | DataFusionError::SchemaError(..)
            | DataFusionError::NotImplemented(_)
            | DataFusionError::Execution(_)
            | DataFusionError::Diagnostic(..)
            | DataFusionError::ArrowError(..) => EngineError::Sql(root.strip_backtrace()),
            #[cfg(feature = "cluster")]
            DataFusionError::External(source) if source.is::<ClusterFault>() => {
                EngineError::Cluster(source.to_string())
            }
            // It may be shared by several readers, so what it tells is copied.
            DataFusionError::External(source) => match source.downcast_ref() {
                Some(LakeError::Corrupt { path, fault }) => {
                    let (path, fault) = (path.clone(), fault.clone());
                    EngineError::Lake(LakeError::Corrupt { path, fault })
                }
                _ => EngineError::Engine(Box::new(error)),
            },
            _ => EngineError::Engine(Box::new(error)),
        }
    }
}

/// Answers questions over a lake. Cheap to clone.
#[derive(Clone)]
pub struct Engine {
    inner: Arc<Inner>,
}

struct Inner {
    lake: Lake,
    limits: Limits,
    computing: Computing,
    places: Arc<Semaphore>,
    /// `None` only while it is dropped.
    runtime: Option<Runtime>,
}

impl Drop for Inner {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            // It may be dropped by a task, which must not wait for threads.
            runtime.shutdown_background();
        }
    }
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine").field("limits", &self.inner.limits).finish_non_exhaustive()
    }
}

/// Where questions are computed.
enum Computing {
    /// In this process.
    Here,
    #[cfg(feature = "cluster")]
    On(Cluster),
}

/// Rows that a plan gave, and whether there were more.
struct Rows {
    schema: SchemaRef,
    batches: Vec<RecordBatch>,
    cut: bool,
}

impl Engine {
    /// An engine with threads of its own, which compute the questions.
    pub fn start(lake: Lake, limits: Limits) -> std::io::Result<Engine> {
        Engine::computing(lake, limits, Computing::Here)
    }

    /// An engine that has questions computed by a cluster.
    #[cfg(feature = "cluster")]
    pub fn on_cluster(lake: Lake, limits: Limits, cluster: Cluster) -> std::io::Result<Engine> {
        Engine::computing(lake, limits, Computing::On(cluster))
    }

    fn computing(lake: Lake, limits: Limits, computing: Computing) -> std::io::Result<Engine> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(limits.threads.max(1))
            .thread_name("analytics")
            // Plans are walked by recursion, and a question may be as deep as it is long.
            .thread_stack_size(STACK)
            .enable_all()
            .build()?;
        let places = Arc::new(Semaphore::new(limits.at_once.max(1)));
        let inner = Inner { lake, limits, computing, places, runtime: Some(runtime) };
        Ok(Engine { inner: Arc::new(inner) })
    }

    /// The lake it reads.
    pub fn lake(&self) -> &Lake {
        &self.inner.lake
    }

    /// A session without tables: no files, no settings to change, nothing to create.
    fn session(&self) -> Result<SessionContext, EngineError> {
        let parts = match &self.inner.computing {
            Computing::Here => self.inner.limits.threads,
            #[cfg(feature = "cluster")]
            Computing::On(cluster) => cluster.parts,
        };
        self.session_of(parts, None)
    }

    /// The same, for plans of so many parts, and of batches of so many rows.
    fn session_of(
        &self,
        parts: usize,
        batch_rows: Option<usize>,
    ) -> Result<SessionContext, EngineError> {
        let limits = &self.inner.limits;
        let disk = DiskManagerBuilder::default().with_mode(DiskManagerMode::Disabled);
        let runtime = RuntimeEnvBuilder::new()
            .with_memory_pool(Arc::new(GreedyMemoryPool::new(limits.memory_bytes)))
            .with_disk_manager_builder(disk)
            .build_arc()?;
        let mut config = SessionConfig::new()
            .with_default_catalog_and_schema("lake", "market")
            .with_information_schema(false);
        config.options_mut().execution.enable_recursive_ctes = false;
        #[cfg(feature = "cluster")]
        if let Computing::On(cluster) = &self.inner.computing {
            config = cluster.config(config);
        }
        config = config.with_target_partitions(parts.max(1));
        if let Some(rows) = batch_rows {
            // A part's batches stay with it: dealt out to others they would wait in memory, and be
            // summed in the order they come.
            config = config.with_batch_size(rows).with_round_robin_repartition(false);
        }
        let builder = functions::known(SessionStateBuilder::new())
            .with_config(config)
            .with_runtime_env(runtime);
        #[cfg(feature = "cluster")]
        let builder = match &self.inner.computing {
            Computing::Here => builder,
            Computing::On(cluster) => cluster.session(&self.inner.lake, builder),
        };
        Ok(SessionContext::new_with_state(builder.build()))
    }

    /// Begins to compute a plan.
    async fn rows(&self, frame: DataFrame) -> Result<SendableRecordBatchStream, EngineError> {
        let context = Arc::new(frame.task_ctx());
        let plan = frame.create_physical_plan().await?;
        let rows = execute_stream(plan.clone(), context)?;
        match &self.inner.computing {
            Computing::Here => Ok(rows),
            #[cfg(feature = "cluster")]
            Computing::On(cluster) => Ok(cluster.watched(&plan, rows)),
        }
    }

    /// Up to so many rows of a plan, as long as they fit into the memory a question may have.
    async fn collected(&self, frame: DataFrame, limits: Limits) -> Result<Rows, EngineError> {
        let mut stream = self.rows(frame).await?;
        let schema = stream.schema();
        let (mut batches, mut rows, mut bytes, mut cut) = (Vec::new(), 0, 0, false);
        while let Some(batch) = stream.next().await {
            let mut batch = batch?;
            if batch.num_rows() > limits.rows - rows {
                batch = batch.slice(0, limits.rows - rows);
                cut = true;
            }
            rows += batch.num_rows();
            bytes += batch.get_array_memory_size();
            if bytes > limits.memory_bytes {
                return Err(EngineError::TooLarge);
            }
            batches.push(batch);
            if cut {
                break;
            }
        }
        Ok(Rows { schema, batches, cut })
    }

    /// Runs work on the engine's threads, for as long as its answer is waited for.
    async fn on_threads<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, EngineError>> + Send + 'static,
    ) -> Result<T, EngineError> {
        let runtime = self.inner.runtime.as_ref().ok_or(EngineError::Lost)?;
        let mut task = Stopped(runtime.spawn(work));
        (&mut task.0).await.map_err(|_| EngineError::Lost)?
    }

    /// Runs work on the engine's threads, in its turn and for as long as a question may take.
    async fn within_limits<T: Send + 'static>(
        &self,
        cancel: &CancellationToken,
        work: impl Future<Output = Result<T, EngineError>> + Send + 'static,
    ) -> Result<T, EngineError> {
        let work = async {
            let _place = self.inner.places.acquire().await.map_err(|_| EngineError::Lost)?;
            let done = tokio::time::timeout(self.inner.limits.time, self.on_threads(work)).await;
            done.map_err(|_| EngineError::TimedOut)?
        };
        tokio::select! {
            biased;
            () = cancel.cancelled() => Err(EngineError::Cancelled),
            done = work => done,
        }
    }
}

impl Questions for Engine {
    fn own<'a>(
        &'a self,
        question: &'a OwnQuestion,
        cancel: &'a CancellationToken,
    ) -> BoxFuture<'a, Result<OwnAnswer, EngineError>> {
        Box::pin(Engine::own(self, question, cancel))
    }

    fn own_stream<'a>(
        &'a self,
        question: &'a OwnQuestion,
        cancel: &'a CancellationToken,
    ) -> BoxFuture<'a, Result<OwnStream, EngineError>> {
        Box::pin(Engine::own_stream(self, question, cancel))
    }

    fn market<'a>(
        &'a self,
        question: &'a MarketQuestion,
        cancel: &'a CancellationToken,
    ) -> BoxFuture<'a, Result<MarketAnswer, EngineError>> {
        Box::pin(self.answer(question, cancel))
    }

    fn published(&self) -> BoxFuture<'_, Result<Vec<Published>, EngineError>> {
        Box::pin(publish::published(&self.inner.lake))
    }

    fn tally<'a>(
        &'a self,
        question: &'a TallyQuestion,
    ) -> BoxFuture<'a, Result<Vec<u8>, EngineError>> {
        Box::pin(Engine::tally(self, question))
    }
}

/// A task that ends with whoever waits for it.
struct Stopped<T>(tokio::task::JoinHandle<T>);

impl<T> Drop for Stopped<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

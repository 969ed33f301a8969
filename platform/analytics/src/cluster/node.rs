//! The nodes of a cluster: a scheduler, and executors that read the lake.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use ballista_core::config::TaskSchedulingPolicy;
use ballista_core::error::BallistaError;
use ballista_executor::executor_process::{ExecutorProcessConfig, start_executor_process};
use ballista_scheduler::cluster::BallistaCluster;
use ballista_scheduler::config::SchedulerConfig;
use ballista_scheduler::scheduler_process::{create_scheduler, start_grpc_service_with_listener};
use datafusion_proto::protobuf::{LogicalPlanNode, PhysicalPlanNode};
use tokio::net::TcpListener;
use uuid::Uuid;

use crate::cluster::codec::LakeCodec;
use crate::lake::Lake;
use crate::tally::Tallying;

/// Rows on their way between executors, and jobs that are over, are kept so long.
const KEPT_S: u64 = 300;
/// An executor says so often that it lives.
const HEARTBEAT_S: u64 = 5;
/// One that says nothing for so long is given up, and its work done by others.
const SILENT_S: u64 = 20;

/// Why a node cannot start or go on.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct NodeError(String);

impl From<BallistaError> for NodeError {
    fn from(error: BallistaError) -> NodeError {
        NodeError(error.to_string())
    }
}

/// What an executor is told.
#[derive(Clone, Debug)]
pub struct ExecutorSettings {
    /// Its own, and of this start.
    pub id: Uuid,
    /// Where the scheduler is.
    pub scheduler_host: String,
    /// Its port.
    pub scheduler_port: u16,
    /// Where it listens: rows are fetched here.
    pub listen: SocketAddr,
    /// The port beside it that takes work.
    pub work_port: u16,
    /// What the others call its host, where that is not the address it listens on.
    pub called: Option<String>,
    /// Parts of questions computed at once.
    pub at_once: usize,
    /// Memory of all of them.
    pub memory_bytes: u64,
    /// Where rows are put down on their way; whatever lies there is its own.
    pub folder: PathBuf,
}

/// What a node reads, and which sums it can take.
#[derive(Clone, Debug)]
pub struct Known {
    /// The lake of the servers.
    pub lake: Lake,
    /// Every kind of tally they ask for.
    pub tallyings: Vec<Arc<dyn Tallying>>,
}

/// Runs a scheduler on `listener` until it fails; dropped, it stops.
pub async fn schedule(known: Known, id: Uuid, listener: TcpListener) -> Result<(), NodeError> {
    let address =
        listener.local_addr().map_err(|error| NodeError(format!("no address: {error}")))?;
    let codec = Arc::new(LakeCodec::new(known.lake, known.tallyings));
    let config = SchedulerConfig {
        scheduler_id: id.to_string(),
        external_host: address.ip().to_string(),
        bind_host: address.ip().to_string(),
        bind_port: address.port(),
        scheduling_policy: TaskSchedulingPolicy::PushStaged,
        finished_job_data_clean_up_interval_seconds: KEPT_S,
        finished_job_state_clean_up_interval_seconds: KEPT_S,
        executor_timeout_seconds: SILENT_S,
        expire_dead_executor_interval_seconds: HEARTBEAT_S,
        no_executors_grace_period_seconds: SILENT_S,
        override_logical_codec: Some(codec.clone()),
        override_physical_codec: Some(codec),
        ..SchedulerConfig::default()
    };
    config.validate()?;
    let cluster = BallistaCluster::new_from_config(&config).await?;
    let scheduler =
        create_scheduler::<LogicalPlanNode, PhysicalPlanNode>(cluster, Arc::new(config)).await?;
    Ok(start_grpc_service_with_listener(listener, scheduler).await?)
}

/// Runs an executor until it is interrupted, told to end or fails. One in a process.
pub async fn execute(known: Known, settings: ExecutorSettings) -> Result<(), NodeError> {
    let unusable = |error: std::io::Error| {
        NodeError(format!("{} cannot be used: {error}", settings.folder.display()))
    };
    std::fs::create_dir_all(&settings.folder).map_err(unusable)?;
    let codec = Arc::new(LakeCodec::new(known.lake, known.tallyings));
    let config = ExecutorProcessConfig {
        executor_id: settings.id.to_string(),
        bind_host: settings.listen.ip().to_string(),
        external_host: Some(settings.called.unwrap_or_else(|| settings.listen.ip().to_string())),
        port: settings.listen.port(),
        grpc_port: settings.work_port,
        scheduler_host: settings.scheduler_host,
        scheduler_port: settings.scheduler_port,
        scheduler_connect_timeout_seconds: 30,
        vcores: settings.at_once.max(1),
        task_scheduling_policy: TaskSchedulingPolicy::PushStaged,
        work_dir: Some(settings.folder.to_string_lossy().into_owned()),
        job_data_ttl_seconds: KEPT_S,
        job_data_clean_up_interval_seconds: KEPT_S,
        executor_heartbeat_interval_seconds: HEARTBEAT_S,
        memory_pool_size: Some(settings.memory_bytes),
        override_logical_codec: Some(codec.clone()),
        override_physical_codec: Some(codec),
        ..ExecutorProcessConfig::default()
    };
    Ok(start_executor_process(Arc::new(config)).await?)
}

//! The nodes of a cluster that computes questions over the lake.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use analytics::cluster::node::{ExecutorSettings, Known, execute, schedule};
use analytics::lake::Lake;
use anyhow::Context;
use clap::Subcommand;
use kernel::{Clock, Ids, SystemClock};
use serde::Deserialize;
use telemetry::Logs;
use tokio::net::TcpListener;

use crate::serve::interrupted;
use crate::settings::Lake as LakeSettings;

/// A node of a cluster. Nodes read [lake] and [logs] of the settings and need no database.
#[derive(Debug, Subcommand)]
pub(crate) enum ClusterCommand {
    /// Run the scheduler, which servers name in [lake.cluster]
    Scheduler {
        /// Where servers and executors find it
        #[arg(long, default_value = "127.0.0.1:50050")]
        listen: SocketAddr,
    },
    /// Run an executor, which reads the lake and computes parts of questions
    Executor {
        /// Host and port of the scheduler
        #[arg(long, default_value = "127.0.0.1:50050")]
        scheduler: String,
        /// Where others fetch rows
        #[arg(long, default_value = "127.0.0.1:50051")]
        listen: SocketAddr,
        /// The port beside it where the scheduler hands out work
        #[arg(long, default_value_t = 50052)]
        work_port: u16,
        /// The name others reach this host by, where it is not the address of --listen
        #[arg(long)]
        called: Option<String>,
        /// Parts of questions computed at once
        #[arg(long, default_value_t = 2)]
        at_once: usize,
        /// Memory of all of them; rows beyond it go to the folder
        #[arg(long, default_value_t = 1024)]
        memory_mib: u64,
        /// Where rows are put down on their way; what lies there is this executor's alone
        #[arg(long, default_value = "data/executor")]
        folder: PathBuf,
    },
}

/// What a node reads of the settings of a server.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct NodeSettings {
    lake: LakeSettings,
    logs: Logs,
}

impl ClusterCommand {
    /// Runs the node until it is interrupted.
    pub(crate) async fn run(self, settings: &NodeSettings) -> anyhow::Result<()> {
        settings.logs.begin()?;
        let ids = Arc::new(Ids::from_os());
        let id = ids.next(SystemClock.now());
        let lake = Lake::open(&settings.lake.address, &settings.lake.options, ids)
            .context("cannot open the lake of [lake]")?;
        let known = Known { lake, tallyings: actuarial::tallyings() };
        match self {
            ClusterCommand::Scheduler { listen } => {
                let listener = TcpListener::bind(listen)
                    .await
                    .with_context(|| format!("cannot listen on {listen}"))?;
                let listen = listener.local_addr()?;
                tracing::info!(scheduler.address = %listen, "scheduling on {listen}");
                tokio::select! {
                    ended = schedule(known, id, listener) => ended.context("the scheduler ended"),
                    () = interrupted() => Ok(()),
                }
            }
            ClusterCommand::Executor {
                scheduler,
                listen,
                work_port,
                called,
                at_once,
                memory_mib,
                folder,
            } => {
                let (host, port) = scheduler
                    .rsplit_once(':')
                    .and_then(|(host, port)| Some((host.to_owned(), port.parse().ok()?)))
                    .with_context(|| format!("{scheduler} is no host:port"))?;
                let settings = ExecutorSettings {
                    id,
                    scheduler_host: host,
                    scheduler_port: port,
                    listen,
                    work_port,
                    called,
                    at_once,
                    memory_bytes: memory_mib << 20,
                    folder,
                };
                // It waits for interruptions itself, to hand over what it has begun.
                execute(known, settings).await.context("the executor ended")
            }
        }
    }
}

//! The engine's side of a cluster: plans are sent, rows come back.

use std::sync::Arc;
use std::task::Poll;

use ballista_core::JobId;
use ballista_core::config::BallistaConfig;
use ballista_core::execution_plans::DistributedQueryExec;
use ballista_core::extension::SessionConfigExt;
use ballista_core::optimizer::ballista_default_optimizer_rules;
use ballista_core::planner::BallistaQueryPlanner;
use ballista_core::serde::protobuf::CancelJobParams;
use ballista_core::serde::protobuf::scheduler_grpc_client::SchedulerGrpcClient;
use datafusion::execution::{SendableRecordBatchStream, SessionStateBuilder};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::prelude::SessionConfig;
use datafusion_proto::protobuf::LogicalPlanNode;
use futures::StreamExt;

use crate::cluster::codec::LakeCodec;
use crate::cluster::fault;
use crate::lake::Lake;

/// Parts a question is computed in unless said otherwise.
const PARTS: usize = 16;

/// A Ballista cluster whose nodes have the same lake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cluster {
    /// `http://host:port` of the scheduler.
    pub scheduler: String,
    /// Into how many parts a question is taken apart.
    pub parts: usize,
}

impl Cluster {
    /// The cluster of a scheduler.
    pub fn at(scheduler: impl Into<String>) -> Cluster {
        Cluster { scheduler: scheduler.into(), parts: PARTS }
    }

    /// Settings under which plans can be taken apart.
    pub(crate) fn config(&self, config: SessionConfig) -> SessionConfig {
        config.upgrade_for_ballista()
    }

    /// A session whose plans are sent to the scheduler.
    pub(crate) fn session(&self, lake: &Lake, builder: SessionStateBuilder) -> SessionStateBuilder {
        let codec = Arc::new(LakeCodec::new(lake.clone(), Vec::new()));
        let planner = BallistaQueryPlanner::<LogicalPlanNode>::with_extension(
            self.scheduler.clone(),
            BallistaConfig::default(),
            codec,
        );
        builder
            .with_optimizer_rules(ballista_default_optimizer_rules())
            .with_query_planner(Arc::new(planner))
    }

    /// The same rows; dropped before its end, the stream calls the job off.
    pub(crate) fn watched(
        &self,
        plan: &Arc<dyn ExecutionPlan>,
        mut rows: SendableRecordBatchStream,
    ) -> SendableRecordBatchStream {
        let mut job = Job { scheduler: self.scheduler.clone(), plan: Some(plan.clone()) };
        let schema = rows.schema();
        let watched = futures::stream::poll_fn(move |context| {
            let next = rows.poll_next_unpin(context);
            if matches!(next, Poll::Ready(None | Some(Err(_)))) {
                job.is_over();
            }
            next.map(|next| next.map(|rows| rows.map_err(|error| fault::of(&error.to_string()))))
        });
        Box::pin(RecordBatchStreamAdapter::new(schema, watched))
    }
}

/// A job that is called off with whoever waits for it.
struct Job {
    scheduler: String,
    /// `None` once it has ended.
    plan: Option<Arc<dyn ExecutionPlan>>,
}

impl Job {
    fn is_over(&mut self) {
        self.plan = None;
    }
}

impl Drop for Job {
    fn drop(&mut self) {
        let Some(plan) = self.plan.take() else { return };
        let (Some(job), Ok(runtime)) = (job_of(&plan), tokio::runtime::Handle::try_current())
        else {
            return;
        };
        let scheduler = self.scheduler.clone();
        runtime.spawn(async move {
            if let Err(error) = call_off(scheduler, &job).await {
                tracing::warn!(error, job = %job, "a question cannot be called off on the cluster");
            }
        });
    }
}

/// The job a plan became.
fn job_of(plan: &Arc<dyn ExecutionPlan>) -> Option<JobId> {
    match plan.downcast_ref::<DistributedQueryExec<LogicalPlanNode>>() {
        Some(sent) => sent.job_id(),
        None => plan.children().into_iter().find_map(job_of),
    }
}

async fn call_off(scheduler: String, job: &JobId) -> Result<(), String> {
    let client = SchedulerGrpcClient::connect(scheduler).await;
    let mut client = client.map_err(|error| error.to_string())?;
    let params = CancelJobParams { job_id: job.to_string() };
    client.cancel_job(params).await.map_err(|status| status.to_string())?;
    Ok(())
}

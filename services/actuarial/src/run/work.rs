//! Working on runs: taking one, reading its columns, computing, keeping the result.

use std::sync::Arc;

use actuarial_models::scoring::Live;
use analytics::lake::{DatasetName, LakeError, TableName, Version};
use analytics::question::OwnTable;
use pg::Scope;
use serde_json::Value;
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;

use crate::Actuarial;
use crate::dataset::import::TABLE;
use crate::dataset::table::{BATCH, Building, Column};
use crate::error::{self, ActuarialError};
use crate::job::{self, Attempt, Watch, Watched};
use crate::method::data::Data;
use crate::method::glm::Asked;
use crate::method::{self, Failure, Method, Outcome, Plan};
use crate::run::passes::PassSource;
use crate::store::dataset::{self as datasets, Imported, VersionStage};
use crate::store::file as files;
use crate::store::run::{self as store, TakenRun};

/// How a computation ended.
enum Computed {
    Done(Outcome),
    Failed(Failure),
    /// The rows cannot be read, through no fault of theirs.
    Unread(ActuarialError),
}

impl Actuarial {
    /// Works on the run that has been due longest; `None` when none is due. Ends early when `stop` is
    /// cancelled.
    pub async fn work_on_run(&self, stop: &CancellationToken) -> Option<Attempt> {
        let now = self.spine.now();
        let taken = match store::take(self.spine.db(), now, job::held_from(now)).await {
            Ok(taken) => taken?,
            Err(error) => {
                let error = base_http::problem::Chain(&error);
                tracing::warn!(%error, "cannot look for runs; later");
                return None;
            }
        };
        let run = taken.run;
        match self.attempt_run(&taken, stop).await {
            Ok(attempt) => Some(attempt),
            Err(error) => {
                let chain = base_http::problem::Chain(&error).to_string();
                tracing::error!(run.id = %run, error = chain, "run {run} is not computed");
                if let Err(error) = self.retry_run(&taken).await {
                    let error = base_http::problem::Chain(&error);
                    tracing::warn!(run.id = %run, %error, "run {run} is left behind");
                }
                Some(Attempt::Later)
            }
        }
    }

    async fn attempt_run(
        &self,
        taken: &TakenRun,
        stop: &CancellationToken,
    ) -> Result<Attempt, ActuarialError> {
        if taken.failures >= job::MOST_FAILURES {
            let detail =
                "the servers that worked on it ended; it may need more memory than they have";
            return self.end_run_badly(taken, &Failure::ours(detail)).await;
        }
        let mut tx = self.spine.db().begin(Scope::of(taken.tenant)).await?;
        let record = store::find(&mut tx, taken.tenant, taken.run).await?;
        let dataset = record.dataset.to_string();
        let version = datasets::find(&mut tx, taken.tenant, &dataset, Some(record.version)).await?;
        let VersionStage::Done { data, .. } = version.stage else {
            drop(tx);
            return self.end_run_badly(taken, &Failure::data_gone()).await;
        };
        drop(tx);
        let rows = self.lake_dataset(taken.tenant, &data.at)?.version(1).await?;
        let plan = method::plan(record.method, &record.parameters, &data.columns);
        let champion = match plan.ok().and_then(|plan| plan.champion()) {
            None => None,
            Some(model) => match self.champion(taken.tenant, model).await {
                Ok(champion) => Some(Arc::new(champion)),
                Err(ActuarialError::NotFound { .. }) => {
                    let detail = format!("there is no model {model} to compare with");
                    let advice = "name an own model as champion, or none";
                    let failure = Failure::new(&error::UNFIT_VALUE, detail, advice);
                    return self.end_run_badly(taken, &failure).await;
                }
                Err(error) => return Err(error),
            },
        };
        let watch = Arc::new(Watch::default());
        let work = Work {
            method: record.method,
            parameters: record.parameters,
            seed: record.seed,
            data,
            rows,
            champion,
            watch: watch.clone(),
            passes: PassSource {
                questions: self.questions.clone(),
                tenant: taken.tenant,
                runtime: Handle::current(),
            },
        };
        match self.watched(taken, watch, stop, move || work.compute()).await? {
            Watched::Ended(Computed::Done(outcome)) => self.settle_run(taken, outcome).await,
            Watched::Ended(Computed::Failed(failure)) => self.end_run_badly(taken, &failure).await,
            Watched::Ended(Computed::Unread(why)) => Err(why),
            Watched::Stopped => self.give_back(taken).await,
            Watched::Lost => Ok(Attempt::Lost),
        }
    }

    async fn settle_run(
        &self,
        taken: &TakenRun,
        outcome: Outcome,
    ) -> Result<Attempt, ActuarialError> {
        let bytes = outcome.result.to_string();
        let written = self.files.put(taken.tenant, bytes.as_bytes()).await?;
        let (now, figures) = (self.spine.now(), Value::Object(outcome.figures));
        let mut tx = self.spine.db().begin(Scope::of(taken.tenant)).await?;
        let (file, digest) = (written.file, &written.digest);
        if !store::finish(&mut tx, taken, file, digest, &figures, now).await? {
            drop(tx);
            self.files.discard(taken.tenant, file).await;
            return Ok(Attempt::Lost);
        }
        files::keep(&mut tx, taken.tenant, file).await?;
        tx.commit().await?;
        tracing::info!(run.id = %taken.run, "computed run {}", taken.run);
        Ok(Attempt::Done)
    }

    async fn end_run_badly(
        &self,
        taken: &TakenRun,
        failure: &Failure,
    ) -> Result<Attempt, ActuarialError> {
        let mut tx = self.spine.db().begin(Scope::of(taken.tenant)).await?;
        let ours = store::fail(&mut tx, taken, &failure.document(), self.spine.now()).await?;
        tx.commit().await?;
        Ok(if ours { Attempt::Failed } else { Attempt::Lost })
    }

    async fn retry_run(&self, taken: &TakenRun) -> Result<(), ActuarialError> {
        let failures = taken.failures + 1;
        let Some(due_at) = job::again(self.spine.now(), failures) else {
            let detail = "the operator finds the reason in the logs under the run's identifier";
            return self.end_run_badly(taken, &Failure::ours(detail)).await.map(drop);
        };
        self.leave(taken, failures, due_at).await
    }
}

/// The computing of one run, on a thread that may block.
struct Work {
    method: Method,
    parameters: Value,
    seed: i64,
    data: Imported,
    rows: Version,
    champion: Option<Arc<Live>>,
    watch: Arc<Watch>,
    passes: PassSource,
}

impl Work {
    fn compute(self) -> Computed {
        let plan = match method::plan(self.method, &self.parameters, &self.data.columns) {
            Ok(plan) => plan,
            // It was checked when it was asked for: this release reads it otherwise.
            Err(problem) => return Computed::Failed(Failure::of_problem(&problem)),
        };
        if plan.reads_in_passes() {
            return self.compute_in_passes(&*plan);
        }
        self.watch.stage("reading the columns", 1);
        let names = plan.columns();
        let columns = match self.read(&names) {
            Ok(Some(columns)) => columns,
            Ok(None) => return Computed::Failed(Failure::stopped()),
            Err(error) => return Computed::Unread(error.into()),
        };
        let rows = usize::try_from(self.data.rows).unwrap_or(0);
        let mut data = Data::new(names.into_iter().zip(columns), rows);
        data.champion = self.champion;
        self.watch.stage("computing", 10);
        match plan.compute(data, self.seed as u64, &self.watch) {
            Ok(outcome) => Computed::Done(outcome),
            Err(failure) => Computed::Failed(failure),
        }
    }

    fn compute_in_passes(&self, plan: &dyn Plan) -> Computed {
        let (parameters, columns) = (self.parameters.clone(), self.data.columns.clone());
        let asked = Asked { parameters, columns, held: false };
        let dataset = DatasetName::parse(&self.data.at);
        let (Ok(dataset), Ok(table)) = (dataset, TableName::parse(TABLE)) else {
            return Computed::Unread(ActuarialError::Corrupt("place of a dataset"));
        };
        let name = dataset.as_str().to_owned();
        let table = OwnTable { name, version: 1, dataset, table };
        let count = u64::try_from(self.data.rows).unwrap_or_default();
        let mut rows = self.passes.over((table, count), plan.columns(), asked, &self.watch);
        let computed = plan.compute_in_passes(&mut rows, &self.watch);
        match (rows.lost(), computed) {
            (Some(error), _) => Computed::Unread(error),
            (None, Ok(outcome)) => Computed::Done(outcome),
            (None, Err(failure)) => Computed::Failed(failure),
        }
    }

    /// The columns of these names; `None` when the run shall end.
    fn read(&self, names: &[String]) -> Result<Option<Vec<Column>>, LakeError> {
        let scan = self.rows.scan(&TableName::parse(TABLE)?)?.columns(names)?.batch_rows(BATCH);
        let mut building = Building::of(&scan.schema());
        for mut batches in scan.split(1) {
            while let Some(batch) = batches.next_blocking() {
                building.add(&batch?)?;
                if self.watch.is_stopped() {
                    return Ok(None);
                }
            }
        }
        Ok(Some(building.end()))
    }
}

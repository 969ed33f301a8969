//! Starting, reading and cancelling runs.

use base_http::door::Door;
use base_http::paging::{Page, Paged, bad, cut};
use base_http::{Call, Done, FieldError, Problem, Reply};
use bytes::Bytes;
use http::StatusCode;
use jiff::Timestamp;
use pg::{Command, Scope, Tx};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::Actuarial;
use crate::error::{self, ActuarialError};
use crate::method::{self, Method, Parameters};
use crate::run::RunId;
use crate::run::view::RunView;
use crate::store::dataset::{self as datasets, VersionStage};
use crate::store::file as files;
use crate::store::run::{self as store, RunRecord, RunStage};

/// A run to start.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", default)]
#[schema(as = RunRequest)]
pub struct RunBody {
    /// `glm`, `boostedTrees`, `credibility`, `indication`, `region`, `validation`, `reserving`, `cusum`,
    /// `watch`, `survival`, `network`, `forecast`, `segments`, `lapse` or `fraudScore`.
    #[schema(example = "reserving")]
    pub method: Option<String>,
    /// Name or identifier of the dataset.
    #[schema(example = "motor-2024")]
    pub dataset: Option<String>,
    /// Its version; the latest that can be read when absent.
    pub version: Option<i32>,
    /// What the run is, for people.
    pub label: Option<String>,
    /// Where random draws start; 0 when absent.
    pub seed: Option<i64>,
    /// The parameters of the method.
    #[schema(value_type = Option<Parameters>)]
    pub parameters: Option<Value>,
}

/// Which runs are listed.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct RunsAsked {
    /// Of one method.
    pub method: Option<String>,
    /// On one dataset, by name or identifier.
    pub dataset: Option<String>,
    /// Rows wanted, 1 to 500; 50 when absent.
    pub limit: Option<u16>,
    /// The `next` of the page before.
    pub after: Option<String>,
}

impl Actuarial {
    /// Takes a run on; it is worked on in the background.
    pub async fn start_run(
        &self,
        door: &Door,
        call: Call,
        body: RunBody,
        unknown: Vec<String>,
    ) -> Result<Reply, Problem> {
        let mut errors: Vec<FieldError> =
            unknown.into_iter().map(|at| FieldError::at(at, "is not known")).collect();
        let method = body.method.as_deref().and_then(Method::parse);
        if method.is_none() {
            let names = Method::ALL.map(Method::name).join(", ");
            errors.push(FieldError::at("/method", format!("is one of {names}")));
        }
        let dataset = body.dataset.clone().unwrap_or_default();
        if dataset.is_empty() {
            errors.push(FieldError::at("/dataset", "name a dataset"));
        }
        if body.label.as_deref().is_some_and(|label| label.chars().count() > 200) {
            errors.push(FieldError::at("/label", "is at most 200 characters"));
        }
        let (Some(method), true) = (method, errors.is_empty()) else {
            return Err(Problem::invalid(errors));
        };
        // One path serves all methods: which may be used is told by the method's own function.
        let function = method.function();
        let now = call.received_at;
        let daily_quota = door.admit(&call.caller, function, now)?;
        let call = Call { function, daily_quota, ..call };

        let tenant = call.caller.tenant;
        let mut tx =
            self.spine.db().begin(Scope::of(tenant)).await.map_err(ActuarialError::from)?;
        let version = datasets::find(&mut tx, tenant, &dataset, body.version).await?;
        drop(tx);
        let VersionStage::Done { data, .. } = &version.stage else {
            let detail = format!(
                "version {} of {} cannot be read: it is {}",
                version.version,
                version.name,
                version.stage.name()
            );
            return Err(Problem::new(&error::DATASET_NOT_DONE, detail));
        };
        let parameters = body.parameters.unwrap_or_else(|| json!({}));
        let plan = method::plan(method, &parameters, &data.columns)?;
        let most = i64::try_from(self.settings.most_rows).unwrap_or(i64::MAX);
        if data.rows > most && !plan.reads_in_passes() {
            let detail = format!(
                "{} rows are more than the {most} a run holds; a glm may read them in passes",
                data.rows
            );
            return Err(Problem::new(&error::TOO_MUCH_DATA, detail));
        }
        let seed = body.seed.unwrap_or(0);
        let code_version = self.settings.code_version.clone();
        let record = RunRecord {
            tenant,
            run: RunId(self.spine.ids().next(now)),
            client: call.caller.client.to_string(),
            label: body.label.filter(|label| !label.trim().is_empty()),
            method,
            input_digest: inputs(method, &parameters, &data.digest, &code_version, seed),
            parameters,
            dataset: version.dataset,
            dataset_name: version.name,
            version: version.version,
            code_version,
            seed,
            requested_at: now,
            stage: RunStage::Queued,
            started_at: None,
            percent: 0,
            doing: "queued".to_owned(),
        };
        let view = RunView::of(&record);
        let subject = record.subject();
        let start = StartRun { at_once: self.settings.jobs_of_tenant, record };
        self.spine
            .run(call, &start, |()| Done::json(StatusCode::ACCEPTED, &view, 0, subject.clone()))
            .await
    }

    /// One own run.
    pub async fn read_run(&self, call: Call, run: &str) -> Result<Reply, Problem> {
        let record = self.own_run(&call, run).await?;
        let done = Done::json(StatusCode::OK, &RunView::of(&record), 0, record.subject());
        self.spine.answer(call, done).await
    }

    /// Own runs, latest first.
    pub async fn list_runs(&self, call: Call, asked: RunsAsked) -> Result<Reply, Problem> {
        let page = Page { limit: asked.limit, after: asked.after };
        let limit = page.limit()?;
        let method = match asked.method.as_deref() {
            None => None,
            Some(name) => Some(Method::parse(name).ok_or_else(|| {
                let names = Method::ALL.map(Method::name).join(", ");
                bad("method", format!("is one of {names}"))
            })?),
        };
        let after = page.after.as_deref().map(cursor).transpose()?;
        let tenant = call.caller.tenant;
        let mut tx =
            self.spine.db().begin(Scope::of(tenant)).await.map_err(ActuarialError::from)?;
        let dataset = asked.dataset.as_deref();
        let mut records = store::list(&mut tx, tenant, method, dataset, after, limit + 1).await?;
        drop(tx);
        let page = Paged {
            next: cut(&mut records, limit, |last| behind(last.requested_at, last.run.0)),
            items: records.iter().map(RunView::of).collect(),
        };
        self.spine.answer(call, Done::json(StatusCode::OK, &page, 0, "runs")).await
    }

    /// The result of an own run.
    pub async fn read_result(&self, call: Call, run: &str) -> Result<Reply, Problem> {
        let record = self.own_run(&call, run).await?;
        let body = self.result_of(&record).await?;
        let done = Done { body, ..Done::json(StatusCode::OK, &(), 0, record.subject()) };
        self.spine.answer(call, done).await
    }

    /// Calls an own run off. Once more does no harm, nor does it to a run that has ended.
    pub async fn cancel_run(&self, call: Call, run: &str) -> Result<Reply, Problem> {
        let record = self.own_run(&call, run).await?;
        let subject = record.subject();
        let cancel = CancelRun { record, now: call.received_at };
        self.spine
            .run(call, &cancel, |record| {
                Done::json(StatusCode::OK, &RunView::of(&record), 0, subject.clone())
            })
            .await
    }

    /// An own run by the text of its identifier.
    pub(crate) async fn own_run(
        &self,
        call: &Call,
        run: &str,
    ) -> Result<RunRecord, ActuarialError> {
        let id = Uuid::try_parse(run).map_err(|_| ActuarialError::not_found("run", run))?;
        let tenant = call.caller.tenant;
        let mut tx = self.spine.db().begin(Scope::of(tenant)).await?;
        store::find(&mut tx, tenant, RunId(id)).await
    }

    /// The bytes of the result of a run that is done.
    pub(crate) async fn result_of(&self, record: &RunRecord) -> Result<Bytes, ActuarialError> {
        let RunStage::Done { result, digest, .. } = &record.stage else {
            let detail = format!("run {} is {}", record.run, record.stage.name());
            return Err(ActuarialError::refused(&error::RUN_NOT_DONE, detail));
        };
        let mut tx = self.spine.db().begin(Scope::of(record.tenant)).await?;
        let length = files::length(&mut tx, record.tenant, *result).await?;
        drop(tx);
        let length = length.ok_or(ActuarialError::Corrupt("result"))?;
        let bytes = self.files.whole(record.tenant, *result, length).await?;
        match <[u8; 32]>::from(Sha256::digest(&bytes)) == *digest {
            true => Ok(bytes),
            false => Err(ActuarialError::Corrupt("result")),
        }
    }
}

impl RunRecord {
    /// What the evidence says the call was about.
    pub(crate) fn subject(&self) -> String {
        format!("run {}", self.run)
    }
}

impl RunStage {
    /// The word for it.
    pub fn name(&self) -> &'static str {
        match self {
            RunStage::Queued => "queued",
            RunStage::Running => "running",
            RunStage::Done { .. } => "done",
            RunStage::Failed { .. } => "failed",
            RunStage::Cancelled { .. } => "cancelled",
        }
    }
}

/// SHA-256 over everything a result rests on.
fn inputs(
    method: Method,
    parameters: &Value,
    data: &[u8; 32],
    code_version: &str,
    seed: i64,
) -> [u8; 32] {
    // Members of an object are sorted, so that equal parameters are equal texts.
    let all = json!({
        "method": method.name(),
        "parameters": parameters,
        "data": hex::encode(data),
        "code": code_version,
        "seed": seed,
    });
    Sha256::digest(all.to_string()).into()
}

/// The cursor behind a row.
pub(crate) fn behind(at: Timestamp, id: Uuid) -> String {
    format!("{}.{id}", at.as_microsecond())
}

/// What a cursor stands for.
pub(crate) fn cursor(after: &str) -> Result<(Timestamp, Uuid), Problem> {
    let read = after.split_once('.').and_then(|(micros, id)| {
        let at = Timestamp::from_microsecond(micros.parse().ok()?).ok()?;
        Some((at, Uuid::try_parse(id).ok()?))
    });
    read.ok_or_else(|| bad("after", "is not the next of an earlier page"))
}

struct StartRun {
    at_once: u32,
    record: RunRecord,
}

impl Command for StartRun {
    const NAME: &'static str = "actuarial.run.start";
    type Out = ();
    type Error = ActuarialError;

    async fn apply(&self, tx: &mut Tx) -> Result<(), ActuarialError> {
        room(tx, &self.record.tenant, self.at_once).await?;
        store::insert(tx, &self.record).await
    }
}

/// Refuses another job of a tenant that has as many as it may.
pub(crate) async fn room(
    tx: &mut Tx,
    tenant: &kernel::TenantId,
    at_once: u32,
) -> Result<(), ActuarialError> {
    let under_way = datasets::under_way(tx, *tenant).await?;
    if under_way < i64::from(at_once) {
        return Ok(());
    }
    let detail = format!(
        "{under_way} imports and runs are queued or running, and {at_once} may be; wait for one or \
         cancel it"
    );
    Err(ActuarialError::refused(&error::JOBS_UNDER_WAY, detail))
}

struct CancelRun {
    record: RunRecord,
    now: Timestamp,
}

impl Command for CancelRun {
    const NAME: &'static str = "actuarial.run.cancel";
    type Out = RunRecord;
    type Error = ActuarialError;

    async fn apply(&self, tx: &mut Tx) -> Result<RunRecord, ActuarialError> {
        store::cancel(tx, self.record.tenant, self.record.run, self.now).await?;
        store::find(tx, self.record.tenant, self.record.run).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_digest_of_the_inputs_moves_with_each_of_them_and_with_nothing_else() {
        let of = |parameters: &str, seed| {
            let parameters = serde_json::from_str(parameters).unwrap();
            inputs(Method::Reserving, &parameters, &[1; 32], "1", seed)
        };
        let first = of(r#"{"a":1,"b":[2]}"#, 0);
        assert_eq!(first, of(r#"{ "b": [2], "a": 1 }"#, 0));
        assert_ne!(first, of(r#"{"a":1,"b":[3]}"#, 0));
        assert_ne!(first, of(r#"{"a":1,"b":[2]}"#, 1));
        assert_ne!(first, inputs(Method::Glm, &json!({"a":1,"b":[2]}), &[1; 32], "1", 0));
        assert_ne!(first, inputs(Method::Reserving, &json!({"a":1,"b":[2]}), &[2; 32], "1", 0));
        assert_ne!(first, inputs(Method::Reserving, &json!({"a":1,"b":[2]}), &[1; 32], "2", 0));
    }
}

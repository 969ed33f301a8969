//! Proposing, deciding, withdrawing and reading models.

use base_http::paging::{Page, Paged, bad, cut};
use base_http::{Call, Done, EventDraft, FieldError, Problem, Reply};
use http::StatusCode;
use jiff::Timestamp;
use kernel::TenantId;
use pg::{Command, Scope, Tx};
use production_core::claim::feature::{Features, Value};
use serde::{Deserialize, Serialize};
use serde_json::{Map, json};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::Actuarial;
use crate::error::{self, ActuarialError};
use crate::method::Method;
use crate::model::shelf::made_ready;
use crate::model::view::{ModelView, ScoreView};
use crate::model::{Bounds, MILLION, ModelId, Reach, ppm, say, unknown_columns};
use crate::run::request::{behind, cursor};
use crate::store::model::{self as store, ModelRecord, ModelState};

/// A model to publish.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", default)]
#[schema(as = ModelProposal)]
pub struct ProposalBody {
    /// The run of `fraudScore` whose scorer it is.
    pub run_id: Option<String>,
    /// `tenant` when absent; `market` is for the operator.
    pub scope: Option<String>,
    /// What it is, for people.
    pub title: Option<String>,
    /// Chance from which a claim is worth a look, in parts per million; what the run suggests when
    /// absent.
    pub review_ppm: Option<u32>,
    /// Chance from which a claim is worth an investigation; what the run suggests when absent.
    pub high_ppm: Option<u32>,
}

/// Why a model is rejected or withdrawn.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", default)]
#[schema(as = ModelReason)]
pub struct ReasonBody {
    /// In a sentence.
    pub reason: Option<String>,
}

/// Figures of a claim.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", default)]
#[schema(as = ModelScoreRequest)]
pub struct FiguresBody {
    /// By name, as the claim's score was kept with them.
    #[schema(value_type = Object)]
    pub features: Option<Map<String, serde_json::Value>>,
}

/// Which models are listed.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ModelsAsked {
    /// In one state.
    pub state: Option<String>,
    /// Rows wanted, 1 to 500; 50 when absent.
    pub limit: Option<u16>,
    /// The `next` of the page before.
    pub after: Option<String>,
}

/// What another person says to a proposal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It shall score claims.
    Approve,
    /// It shall not, for this reason.
    Reject(String),
}

impl Actuarial {
    /// Proposes the scorer of an own run for publication. It is read and tried before.
    pub async fn propose_model(
        &self,
        call: Call,
        body: ProposalBody,
        unknown: Vec<String>,
    ) -> Result<Reply, Problem> {
        let mut errors: Vec<FieldError> =
            unknown.into_iter().map(|at| FieldError::at(at, "is not known")).collect();
        let reach = Reach::parse(body.scope.as_deref().unwrap_or(Reach::Tenant.name()));
        if reach.is_none() {
            errors.push(FieldError::at("/scope", "is one of tenant, market"));
        }
        if body.run_id.is_none() {
            errors.push(FieldError::at("/runId", "name a run of fraudScore"));
        }
        if body.title.as_deref().is_some_and(|title| title.chars().count() > 200) {
            errors.push(FieldError::at("/title", "is at most 200 characters"));
        }
        let (Some(reach), Some(run), true) = (reach, &body.run_id, errors.is_empty()) else {
            return Err(Problem::invalid(errors));
        };
        let (tenant, now) = (call.caller.tenant, call.received_at);
        if reach == Reach::Market && self.settings.market != Some(tenant) {
            let detail = "models of the market are the operator's; publish one for your own claims";
            return Err(Problem::new(&error::MARKET_MODEL, detail));
        }
        let record = self.own_run(&call, run).await?;
        if record.method != Method::FraudScore {
            let detail = format!("run {} is of {}, not of fraudScore", run, record.method.name());
            return Err(Problem::new(&error::NOT_A_SCORER, detail));
        }
        let found = self.scored_by(tenant, record.run).await?;
        let bounds = Bounds::new(
            body.review_ppm.unwrap_or_else(|| ppm(found.review_from.0).max(1)),
            body.high_ppm.unwrap_or_else(|| ppm(found.high_from.0).max(1)),
        );
        let bounds = bounds.ok_or_else(|| {
            let detail = format!("reviewPpm and highPpm rise, from 1 to {MILLION}");
            Problem::invalid(vec![FieldError::at("/reviewPpm", detail)])
        })?;
        let comparison = found.comparison();
        let scorer_digest = hex::decode(&found.scorer.digest).ok();
        let scorer_digest = scorer_digest.and_then(|digest| digest.try_into().ok());
        let scorer_digest = scorer_digest.ok_or(ActuarialError::Corrupt("scorer"))?;
        let live = made_ready(found).await?;
        let strange = unknown_columns(&live);
        if !strange.is_empty() {
            let detail = format!(
                "live claims have no {}; learn from figures of the contract, by their names",
                strange.join(", ")
            );
            return Err(Problem::new(&error::NOT_A_SCORER, detail));
        }
        let propose = ProposeModel(ModelRecord {
            tenant,
            model: ModelId(self.spine.ids().next(now)),
            reach,
            version: 0,
            title: body.title.filter(|title| !title.trim().is_empty()),
            run: record.run,
            scorer_digest,
            bounds,
            comparison,
            state: ModelState::Proposed,
            proposed_by: call.caller.client.to_string(),
            proposed_at: now,
            decided_by: None,
            decided_at: None,
            ended_by: None,
            ended_at: None,
            reason: None,
        });
        let done = |record: ModelRecord| answered(StatusCode::CREATED, &record);
        self.spine.run(call, &propose, done).await
    }

    /// Approves or rejects a proposed own model.
    pub async fn decide_model(
        &self,
        call: Call,
        model: &str,
        verdict: Verdict,
    ) -> Result<Reply, Problem> {
        let decide = DecideModel {
            tenant: call.caller.tenant,
            model: named(model)?,
            verdict,
            by: call.caller.client.to_string(),
            now: call.received_at,
        };
        self.spine
            .run(call, &decide, |record: ModelRecord| {
                let done = answered(StatusCode::OK, &record);
                match record.state {
                    ModelState::InForce => {
                        done.telling(event("actuarial.model.published", &record))
                    }
                    _ => done,
                }
            })
            .await
    }

    /// Takes an own model out of force.
    pub async fn withdraw_model(
        &self,
        call: Call,
        model: &str,
        reason: String,
    ) -> Result<Reply, Problem> {
        let withdraw = WithdrawModel {
            tenant: call.caller.tenant,
            model: named(model)?,
            reason,
            by: call.caller.client.to_string(),
            now: call.received_at,
        };
        self.spine
            .run(call, &withdraw, |record: ModelRecord| {
                answered(StatusCode::OK, &record)
                    .telling(event("actuarial.model.withdrawn", &record))
            })
            .await
    }

    /// One own model.
    pub async fn read_model(&self, call: Call, model: &str) -> Result<Reply, Problem> {
        let record = self.own_model(call.caller.tenant, named(model)?).await?;
        self.spine.answer(call, answered(StatusCode::OK, &record)).await
    }

    /// Own models, latest first.
    pub async fn list_models(&self, call: Call, asked: ModelsAsked) -> Result<Reply, Problem> {
        let page = Page { limit: asked.limit, after: asked.after };
        let limit = page.limit()?;
        let state = match asked.state.as_deref() {
            None => None,
            Some(name) => Some(ModelState::parse(name).ok_or_else(|| {
                bad("state", "is one of proposed, inForce, rejected, replaced, withdrawn")
            })?),
        };
        let after = page.after.as_deref().map(cursor).transpose()?;
        let tenant = call.caller.tenant;
        let mut tx =
            self.spine.db().begin(Scope::of(tenant)).await.map_err(ActuarialError::from)?;
        let mut records = store::list(&mut tx, tenant, state, after, limit + 1).await?;
        drop(tx);
        let page = Paged {
            next: cut(&mut records, limit, |last| behind(last.proposed_at, last.model.0)),
            items: records.iter().map(ModelView::of).collect(),
        };
        self.spine.answer(call, Done::json(StatusCode::OK, &page, 0, "models")).await
    }

    /// What an own model, in force or not, says of figures: a score of a claim computed again.
    pub async fn score_by_model(
        &self,
        call: Call,
        model: &str,
        body: &FiguresBody,
    ) -> Result<Reply, Problem> {
        let record = self.own_model(call.caller.tenant, named(model)?).await?;
        let mut errors = vec![];
        let mut features = Features::new();
        for (name, value) in body.features.iter().flatten() {
            match serde_json::from_value::<Value>(value.clone()) {
                Ok(value) => drop(features.insert(name.clone(), value)),
                Err(_) => errors.push(FieldError::at(
                    format!("/features/{name}"),
                    "is a whole number or a word",
                )),
            }
        }
        if !errors.is_empty() {
            return Err(Problem::invalid(errors));
        }
        let live = self.scorer_of(record.tenant, record.run, &record.scorer_digest).await?;
        let spoken = say(&live, record.bounds, &features).map_err(|error| {
            Problem::invalid(vec![FieldError::at("/features", error.to_string())])
        })?;
        let view = ScoreView::of(&record, spoken);
        self.spine.answer(call, Done::json(StatusCode::OK, &view, 0, record.subject())).await
    }

    async fn own_model(
        &self,
        tenant: TenantId,
        model: ModelId,
    ) -> Result<ModelRecord, ActuarialError> {
        let mut tx = self.spine.db().begin(Scope::of(tenant)).await?;
        store::find(&mut tx, tenant, model).await
    }
}

impl ModelRecord {
    /// What the evidence says the call was about.
    fn subject(&self) -> String {
        format!("model {}", self.model)
    }
}

fn named(model: &str) -> Result<ModelId, ActuarialError> {
    let id = Uuid::try_parse(model).map_err(|_| ActuarialError::not_found("model", model))?;
    Ok(ModelId(id))
}

fn answered(status: StatusCode, record: &ModelRecord) -> Done {
    Done::json(status, &ModelView::of(record), 0, record.subject())
}

fn event(kind: &'static str, record: &ModelRecord) -> EventDraft {
    EventDraft {
        kind,
        subject: record.model.to_string(),
        data: json!({
            "purpose": store::PURPOSE,
            "scope": record.reach.name(),
            "version": record.version,
            "scorerDigest": hex::encode(record.scorer_digest),
        }),
    }
}

struct ProposeModel(ModelRecord);

impl Command for ProposeModel {
    const NAME: &'static str = "actuarial.model.propose";
    type Out = ModelRecord;
    type Error = ActuarialError;

    async fn apply(&self, tx: &mut Tx) -> Result<ModelRecord, ActuarialError> {
        let version = store::next_version(tx, self.0.tenant, self.0.reach).await?;
        let record = ModelRecord { version, ..self.0.clone() };
        store::insert(tx, &record).await?;
        Ok(record)
    }
}

struct DecideModel {
    tenant: TenantId,
    model: ModelId,
    verdict: Verdict,
    by: String,
    now: Timestamp,
}

impl Command for DecideModel {
    const NAME: &'static str = "actuarial.model.decide";
    type Out = ModelRecord;
    type Error = ActuarialError;

    async fn apply(&self, tx: &mut Tx) -> Result<ModelRecord, ActuarialError> {
        let mut record = store::lock(tx, self.tenant, self.model).await?;
        if record.state != ModelState::Proposed {
            return Err(stands(&record, "decide"));
        }
        (record.decided_by, record.decided_at) = (Some(self.by.clone()), Some(self.now));
        match &self.verdict {
            Verdict::Reject(reason) => {
                record.state = ModelState::Rejected;
                record.reason = Some(reason.clone());
            }
            Verdict::Approve if record.proposed_by == self.by => {
                let detail = format!("{} proposed this model; another must approve it", self.by);
                return Err(ActuarialError::refused(&error::OWN_MODEL, detail));
            }
            Verdict::Approve => {
                let before = store::lock_in_force(tx, self.tenant, record.reach).await?;
                if let Some(mut before) = before {
                    before.state = ModelState::Replaced;
                    (before.ended_by, before.ended_at) = (Some(self.by.clone()), Some(self.now));
                    store::update(tx, &before).await?;
                }
                record.state = ModelState::InForce;
            }
        }
        store::update(tx, &record).await?;
        Ok(record)
    }
}

struct WithdrawModel {
    tenant: TenantId,
    model: ModelId,
    reason: String,
    by: String,
    now: Timestamp,
}

impl Command for WithdrawModel {
    const NAME: &'static str = "actuarial.model.withdraw";
    type Out = ModelRecord;
    type Error = ActuarialError;

    async fn apply(&self, tx: &mut Tx) -> Result<ModelRecord, ActuarialError> {
        let mut record = store::lock(tx, self.tenant, self.model).await?;
        if record.state != ModelState::InForce {
            return Err(stands(&record, "withdraw"));
        }
        record.state = ModelState::Withdrawn;
        record.reason = Some(self.reason.clone());
        (record.ended_by, record.ended_at) = (Some(self.by.clone()), Some(self.now));
        store::update(tx, &record).await?;
        Ok(record)
    }
}

fn stands(record: &ModelRecord, action: &str) -> ActuarialError {
    let detail = format!("cannot {action} a model that is {}", record.state.name());
    ActuarialError::refused(&error::MODEL_STATE, detail)
}

/// The reason of a rejection or a withdrawal.
pub fn reason(body: ReasonBody) -> Result<String, Problem> {
    let reason = body.reason.unwrap_or_default().trim().to_owned();
    match reason.chars().count() {
        1..=500 => Ok(reason),
        _ => {
            let detail = "say why, in at most 500 characters";
            Err(Problem::invalid(vec![FieldError::at("/reason", detail)]))
        }
    }
}

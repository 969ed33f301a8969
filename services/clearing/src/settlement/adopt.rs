//! From a flat rate tried on the past to one in force: simulations, proposals and decisions as they are
//! served, and the terms a recovery asks for.

use base_http::{Call, Done, EventDraft, FieldError, Problem, Reply};
use http::StatusCode;
use jiff::Timestamp;
use kernel::Fen;
use pg::{Command, Tx, failure};
use production_core::cover::Cover;
use serde::Deserialize;
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

use super::decision::{Decision, Person, Verdict};
use super::flat_rate::simulate;
use super::flat_rule::{Change, FlatRule, FlatTerms, RuleRefusal, in_force};
use super::message::{SimulationBody, Tried, flat_rate, is_region};
use super::scheme::NATION;
use super::store;
use super::store::flat_rate::SimulationRow;
use super::view::flat_rule::{FlatRateView, FlatRatesView};
use super::view::simulation::SimulationView;
use crate::error::{self, ClearingError};
use crate::{Clearing, HOUSE};

/// Longest reason, in characters.
const REASON: usize = 500;

/// A flat rate to be adopted.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = FlatRateRequest)]
pub struct FlatRateBody {
    /// For accidents from then on; never earlier than it is confirmed.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub since: Option<Timestamp>,
    /// The simulation it rests on: region, covers, ceiling and module are the simulation's.
    #[schema(value_type = Option<String>, format = Uuid)]
    pub simulation_id: Option<Uuid>,
    /// Why, at most 500 characters.
    pub reason: Option<String>,
}

/// The end of a flat rate.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = FlatRateEndRequest)]
pub struct EndBody {
    /// Accidents from then on go the ordinary way again.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub since: Option<Timestamp>,
    /// Why, at most 500 characters.
    pub reason: Option<String>,
}

/// What another person says of a proposed version.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = FlatRateDecision)]
pub struct DecisionBody {
    /// `confirm` or `reject`.
    pub decision: Option<String>,
    /// Why, at most 500 characters; a rejection has one.
    pub reason: Option<String>,
}

/// The version and terms by which a recovery of an accident is settled flat; none when it goes the
/// ordinary way. In the caller's transaction.
pub(crate) async fn flat_terms(
    tx: &mut Tx,
    region: &str,
    cover: Cover,
    accident_at: Timestamp,
) -> Result<Option<(FlatRule, FlatTerms)>, ClearingError> {
    let regions = [region.to_owned(), NATION.to_owned()];
    let rules = store::flat_rate::rules(tx, Some(&regions)).await?;
    let found = in_force(&rules, region, cover, accident_at);
    Ok(found.map(|(rule, terms)| (rule.clone(), terms.clone())))
}

impl Clearing {
    /// Tries a flat rate on the past (定额结算试算) and keeps what came of it. Changes nothing else.
    pub async fn simulate_flat_rate(
        &self,
        call: Call,
        body: SimulationBody,
    ) -> Result<Reply, Problem> {
        let command = Simulate {
            simulation_id: self.spine.ids().next(call.received_at),
            tried: flat_rate(&body)?,
            by: person(&call),
            now: call.received_at,
        };
        let answer = |view: SimulationView| {
            Done::json(StatusCode::OK, &view, 0, view.simulation_id.to_string())
        };
        self.spine.run(call, &command, answer).await
    }

    /// A simulation as it was answered.
    pub async fn read_simulation(&self, call: Call, simulation: &str) -> Result<Reply, Problem> {
        let unknown = || ClearingError::not_found("simulation", simulation);
        let id: Uuid = simulation.parse().map_err(|_| unknown())?;
        let mut tx = self.open_house().await?;
        let row = store::flat_rate::find_simulation(&mut tx, id).await?.ok_or_else(unknown)?;
        drop(tx);
        let view: Result<Value, _> = serde_json::from_str(&row.result);
        let view = view.map_err(|_| ClearingError::Corrupt("simulation"))?;
        self.answer(call, &view, simulation).await
    }

    /// Every version of every region's flat rate.
    pub async fn list_flat_rates(&self, call: Call) -> Result<Reply, Problem> {
        let now = call.received_at;
        let mut tx = self.open(&call).await?;
        let rules = store::flat_rate::rules(&mut tx, None).await?;
        drop(tx);
        let flat_rates = rules.iter().map(|rule| FlatRateView::of(rule, &rules, now)).collect();
        self.answer(call, &FlatRatesView { flat_rates }, "settlement").await
    }

    /// Proposes a flat rate for a region.
    pub async fn propose_flat_rate(
        &self,
        call: Call,
        region: &str,
        body: FlatRateBody,
    ) -> Result<Reply, Problem> {
        let simulation = body.simulation_id;
        let named = simulation.is_some();
        let checked = proposed(&call, region, (body.since, body.reason), named)?;
        self.propose(call, Propose { simulation, ..checked }).await
    }

    /// Proposes to end a region's flat rate.
    pub async fn end_flat_rate(
        &self,
        call: Call,
        region: &str,
        body: EndBody,
    ) -> Result<Reply, Problem> {
        let checked = proposed(&call, region, (body.since, body.reason), true)?;
        self.propose(call, checked).await
    }

    async fn propose(&self, call: Call, command: Propose) -> Result<Reply, Problem> {
        let now = call.received_at;
        let answer = |rule: FlatRule| told(StatusCode::CREATED, &rule, now, "proposed");
        self.spine.run(call, &command, answer).await
    }

    /// Confirms or rejects a proposed version, as another person.
    pub async fn decide_flat_rate(
        &self,
        call: Call,
        region: &str,
        version: i32,
        body: DecisionBody,
    ) -> Result<Reply, Problem> {
        let now = call.received_at;
        let decision = decision(&call, &body)?;
        let verdict = decision.verdict;
        let command = Decide { region: region.to_owned(), version, decision };
        let word = match verdict {
            Verdict::Confirm => "confirmed",
            Verdict::Reject => "rejected",
        };
        let answer = |rule: FlatRule| told(StatusCode::OK, &rule, now, word);
        self.spine.run(call, &command, answer).await
    }
}

/// A version as it is answered and told.
fn told(status: StatusCode, rule: &FlatRule, now: Timestamp, word: &'static str) -> Done {
    let view = FlatRateView::of(rule, std::slice::from_ref(rule), now);
    let subject = format!("{}/{}", rule.region, rule.version);
    let kind = match word {
        "proposed" => "clearing.flat_rate.proposed",
        "confirmed" => "clearing.flat_rate.confirmed",
        _ => "clearing.flat_rate.rejected",
    };
    let data = serde_json::json!({
        "region": rule.region, "version": rule.version, "change": view.change,
        "since": rule.since,
    });
    Done::json(status, &view, 0, subject.clone()).telling(EventDraft { kind, subject, data })
}

/// What a caller says of a proposed version.
pub(super) fn decision(call: &Call, body: &DecisionBody) -> Result<Decision, Problem> {
    let verdict = body.decision.as_deref().map(Verdict::parse);
    let mut findings = Vec::new();
    let reason = match body.reason.as_deref().map(reason) {
        Some(None) => {
            findings.push(FieldError::at("/reason", "at most 500 characters"));
            None
        }
        told => told.flatten(),
    };
    if matches!(verdict, Some(Ok(Verdict::Reject))) && body.reason.is_none() {
        findings.push(FieldError::at("/reason", "say why it is rejected"));
    }
    let Some(Ok(verdict)) = verdict else {
        findings.push(FieldError::at("/decision", "confirm or reject"));
        return Err(Problem::invalid(findings));
    };
    if !findings.is_empty() {
        return Err(Problem::invalid(findings));
    }
    Ok(Decision { verdict, by: person(call), at: call.received_at, reason })
}

/// Who calls.
pub(super) fn person(call: &Call) -> Person {
    Person { tenant: call.caller.tenant, client: call.caller.client.to_string() }
}

/// Words of a person: there, and not too long.
pub(super) fn reason(text: &str) -> Option<String> {
    let text = text.trim();
    (!text.is_empty() && text.chars().count() <= REASON).then(|| text.to_owned())
}

/// What is proposed, without a simulation.
fn proposed(
    call: &Call,
    region: &str,
    (since, why): (Option<Timestamp>, Option<String>),
    named: bool,
) -> Result<Propose, ClearingError> {
    if !is_region(region) {
        return Err(ClearingError::not_found("region", region));
    }
    let why = why.as_deref().and_then(reason);
    let since = since.filter(|since| call.received_at < *since);
    let checks = [
        (since.is_some(), "/since", "an instant that lies ahead: it does not reach back"),
        (named, "/simulationId", "name the simulation it rests on"),
        (why.is_some(), "/reason", "say why, in at most 500 characters"),
    ];
    let findings: Vec<FieldError> = checks
        .iter()
        .filter(|check| !check.0)
        .map(|check| FieldError::at(check.1, check.2))
        .collect();
    match (since, why) {
        (Some(since), Some(reason)) if findings.is_empty() => Ok(Propose {
            region: region.to_owned(),
            simulation: None,
            since,
            reason,
            by: person(call),
            now: call.received_at,
        }),
        _ => Err(ClearingError::Invalid(findings)),
    }
}

struct Simulate {
    simulation_id: Uuid,
    tried: Tried,
    by: Person,
    now: Timestamp,
}

impl Command for Simulate {
    const NAME: &'static str = "settlement.simulate_flat_rate";
    type Out = SimulationView;
    type Error = ClearingError;

    async fn apply(&self, tx: &mut Tx) -> Result<SimulationView, ClearingError> {
        tx.work_also_for([HOUSE]).await?;
        let Tried { span, covers, region, rule } = &self.tried;
        let of = Some(region.as_str()).filter(|region| *region != NATION);
        let past = store::past(tx, *span, covers, of, rule.ceiling).await?;
        let simulation = simulate(*rule, &past)?;
        let view = SimulationView::of(self.simulation_id, region, simulation)?;
        let result = serde_json::to_string(&view);
        let row = SimulationRow {
            simulation_id: self.simulation_id,
            region: region.clone(),
            span: *span,
            covers: covers.clone(),
            ceiling: rule.ceiling,
            module: view.module,
            result: result.map_err(|_| ClearingError::Corrupt("simulation"))?,
            made_by: self.by.clone(),
            made_at: self.now,
        };
        store::flat_rate::insert_simulation(tx, &row).await?;
        Ok(view)
    }
}

struct Propose {
    region: String,
    /// None to end what holds.
    simulation: Option<Uuid>,
    since: Timestamp,
    reason: String,
    by: Person,
    now: Timestamp,
}

impl Command for Propose {
    const NAME: &'static str = "settlement.propose_flat_rate";
    type Out = FlatRule;
    type Error = ClearingError;

    async fn apply(&self, tx: &mut Tx) -> Result<FlatRule, ClearingError> {
        tx.work_also_for([HOUSE]).await?;
        let change = match self.simulation {
            None => Change::End,
            Some(id) => {
                let unknown = || ClearingError::not_found("simulation", id);
                let tried = store::flat_rate::find_simulation(tx, id).await?.ok_or_else(unknown)?;
                Change::Adopt(self.terms(&tried)?)
            }
        };
        store::flat_rate::lock_region(tx, &self.region).await?;
        let region = [self.region.clone()];
        let versions = store::flat_rate::rules(tx, Some(&region)).await?;
        let rule = FlatRule {
            region: self.region.clone(),
            version: versions.last().map_or(1, |last| last.version.saturating_add(1)),
            change,
            since: self.since,
            reason: self.reason.clone(),
            proposed_by: self.by.clone(),
            proposed_at: self.now,
            decision: None,
        };
        store::flat_rate::insert_rule(tx, &rule).await?;
        Ok(rule)
    }
}

impl Propose {
    /// The terms that were tried, when they are such that may hold.
    fn terms(&self, tried: &SimulationRow) -> Result<FlatTerms, ClearingError> {
        if tried.region != self.region {
            let detail = format!("it was tried on region {}, not on {}", tried.region, self.region);
            return Err(ClearingError::refused(&error::FLAT_RATE_SIMULATION, detail));
        }
        if tried.module <= Fen::ZERO || tried.ceiling < tried.module {
            let detail = format!(
                "a module of {} does not lie between nothing and the ceiling of {}",
                tried.module, tried.ceiling
            );
            return Err(ClearingError::refused(&error::FLAT_RATE_SIMULATION, detail));
        }
        Ok(FlatTerms {
            covers: tried.covers.clone(),
            ceiling: tried.ceiling,
            module: tried.module,
            simulation: tried.simulation_id,
        })
    }
}

struct Decide {
    region: String,
    version: i32,
    decision: Decision,
}

impl Command for Decide {
    const NAME: &'static str = "settlement.decide_flat_rate";
    type Out = FlatRule;
    type Error = ClearingError;

    async fn apply(&self, tx: &mut Tx) -> Result<FlatRule, ClearingError> {
        tx.work_also_for([HOUSE]).await?;
        store::flat_rate::lock_region(tx, &self.region).await?;
        let region = [self.region.clone()];
        let versions = store::flat_rate::rules(tx, Some(&region)).await?;
        let number = || format!("{}/{}", self.region, self.version);
        let rule = versions.iter().find(|rule| rule.version == self.version);
        let rule = rule.ok_or_else(|| ClearingError::not_found("flat rate", number()))?;
        let decided = rule.decide(self.decision.clone()).map_err(|refusal| {
            let code = match refusal {
                RuleRefusal::SamePerson => &error::FLAT_RATE_FOUR_EYES,
                RuleRefusal::Decided | RuleRefusal::Past => &error::FLAT_RATE_STAGE,
            };
            ClearingError::refused(code, refusal.to_string())
        })?;
        let key = (self.region.as_str(), self.version);
        store::flat_rate::decide_rule(tx, key, &self.decision).await.map_err(|error| {
            match failure::constraint(&error) {
                Some("flat_rate_one_since") => ClearingError::refused(
                    &error::FLAT_RATE_STAGE,
                    "another version holds from the same instant",
                ),
                _ => error.into(),
            }
        })?;
        Ok(decided)
    }
}

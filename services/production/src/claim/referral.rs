//! 调查: claims referred to their insurer's investigators.
//!
//! A step refers its claim when its score reaches a band or its hints name a rule the insurer chose,
//! in the transaction that takes the step; a person may refer any. What steps tell later is added, and
//! opens a concluded referral again when it would have opened one and is new. What investigators find is
//! the label scores learn from ([`labelled`]).

pub mod labelled;
pub mod read;

use std::collections::HashMap;

use base_http::{Call, Done, EventDraft, Notice, Problem, Reply};
use http::StatusCode;
use jiff::Timestamp;
use kernel::{Fen, TenantId};
use pg::{Command, Tx};
use production_core::claim::referral::{Conclusion, Finding, ReferralError, ReferralStage, Scheme};
use production_core::number::{NumberKind, PlatformNumber};
use production_core::rule::{Findings, RuleId};
use production_core::rules::claim as rules;
use production_core::rules::message;
use serde::Deserialize;
use tenancy::Parameters;
use utoipa::ToSchema;

use crate::Production;
use crate::claim::answer::HintView;
use crate::claim::hint::BY_SCORE;
use crate::claim::referral::read::ReferralLine;
use crate::claim::score::{Band, FraudScore};
use crate::error::{self, ProductionError};
use crate::pre_confirm::number;
use crate::quote::{checks, read as wording};
use crate::store::claim;
use crate::store::referral::{self as store, EvidenceRow, Origin, ReferralRow};

/// When a step refers its claim; both are parameters of `tenancy`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReferWhen {
    /// `claim_referral_band`: a score of this band or a higher one; `none` for never. High when unset.
    pub band: Option<Band>,
    /// `claim_referral_rules`: rules of risk hints, separated by commas. None when unset.
    pub rules: Vec<String>,
}

impl ReferWhen {
    /// What holds for a tenant in a region.
    pub fn of(
        parameters: &Parameters,
        tenant: TenantId,
        region: &str,
        now: Timestamp,
    ) -> ReferWhen {
        let text = |name| parameters.text(name, tenant, region, now);
        let band = text("claim_referral_band");
        let band = band.map_or(Some(Band::High), |band| Band::parse(band.trim()));
        let rules = text("claim_referral_rules").unwrap_or_default();
        let rules = rules.split(',').map(str::trim).filter(|rule| !rule.is_empty());
        ReferWhen { band, rules: rules.map(str::to_owned).collect() }
    }

    fn triggers(&self, hint: &HintView, band: Option<Band>) -> bool {
        match hint.rule.as_str() {
            BY_SCORE => self.band.is_some_and(|least| band.is_some_and(|band| band >= least)),
            rule => self.rules.iter().any(|own| own == rule),
        }
    }
}

/// A step that was taken, as far as a referral depends on it.
pub(crate) struct Taken<'a> {
    pub(crate) claim_no: PlatformNumber,
    pub(crate) tenant: TenantId,
    pub(crate) sequence: i32,
    pub(crate) hints: &'a [HintView],
    pub(crate) score: Option<&'a FraudScore>,
    pub(crate) now: Timestamp,
}

/// Refers the claim of a step that was kept, or adds to its referral, which is in `known` when there is
/// one and is locked; the event to tell when a round was opened.
pub(crate) async fn follow(
    tx: &mut Tx,
    when: &ReferWhen,
    taken: &Taken<'_>,
    known: &mut HashMap<PlatformNumber, ReferralRow>,
) -> Result<Option<EventDraft>, ProductionError> {
    if taken.hints.is_empty() {
        return Ok(None);
    }
    let band = taken.score.map(|score| score.band);
    let chance_ppm = taken.score.map(|score| score.chance_ppm);
    let Some(row) = known.get_mut(&taken.claim_no) else {
        let triggers: Vec<&HintView> =
            taken.hints.iter().filter(|hint| when.triggers(hint, band)).collect();
        if triggers.is_empty() {
            return Ok(None);
        }
        // The step is kept already, so what is told includes its own hints.
        let told = store::hints_told(tx, taken.claim_no).await?;
        let mut rules: Vec<String> = told.iter().map(|(_, _, hint)| hint.rule.clone()).collect();
        rules.sort_unstable();
        rules.dedup();
        let row = ReferralRow {
            claim_no: taken.claim_no,
            tenant: taken.tenant,
            round: 1,
            stage: ReferralStage::Open,
            origin: origin(&triggers),
            band,
            chance_ppm,
            rules,
            opened_at: taken.now,
            changed_at: taken.now,
            assignee: None,
        };
        let evidence: Vec<EvidenceRow> =
            told.iter().map(|(sequence, at, hint)| found(1, *sequence, *at, hint)).collect();
        store::save(tx, &row).await?;
        store::insert_evidence(tx, &row, &evidence).await?;
        let opened = event("production.referral.opened", &row);
        known.insert(row.claim_no, row);
        return Ok(Some(opened));
    };
    let told = store::evidence(tx, taken.claim_no).await?;
    // Every score is told in other words: only a higher band is news.
    let is_new = |hint: &&HintView| match hint.rule.as_str() {
        BY_SCORE => band > row.band,
        rule => !told.iter().any(|own| {
            own.rule.as_deref() == Some(rule)
                && own.other_claim_no == hint.claim_code
                && (hint.claim_code.is_some() || own.text == hint.text)
        }),
    };
    let fresh: Vec<&HintView> = taken.hints.iter().filter(is_new).collect();
    let concluded = matches!(row.stage, ReferralStage::Concluded(_));
    let triggers: Vec<&HintView> =
        fresh.iter().copied().filter(|hint| when.triggers(hint, band)).collect();
    if fresh.is_empty() || concluded && triggers.is_empty() {
        return Ok(None);
    }
    if concluded {
        row.reopen(origin(&triggers), taken.now);
    }
    row.band = row.band.max(band);
    row.chance_ppm = row.chance_ppm.max(chance_ppm);
    row.rules.extend(fresh.iter().map(|hint| hint.rule.clone()));
    row.rules.sort_unstable();
    row.rules.dedup();
    row.changed_at = taken.now;
    let evidence: Vec<EvidenceRow> =
        fresh.into_iter().map(|hint| found(row.round, taken.sequence, taken.now, hint)).collect();
    store::save(tx, row).await?;
    store::insert_evidence(tx, row, &evidence).await?;
    Ok(concluded.then(|| event("production.referral.reopened", row)))
}

impl ReferralRow {
    fn reopen(&mut self, origin: Origin, now: Timestamp) {
        self.round += 1;
        self.stage = ReferralStage::Open;
        self.origin = origin;
        self.assignee = None;
        (self.opened_at, self.changed_at) = (now, now);
    }
}

fn origin(triggers: &[&HintView]) -> Origin {
    match triggers.iter().any(|hint| hint.rule == BY_SCORE) {
        true => Origin::Score,
        false => Origin::Rule,
    }
}

fn found(round: i32, sequence: i32, told_at: Timestamp, hint: &HintView) -> EvidenceRow {
    EvidenceRow {
        round,
        sequence: Some(sequence),
        rule: Some(hint.rule.clone()),
        text: hint.text.clone(),
        other_claim_no: hint.claim_code.clone(),
        told_by: None,
        told_at,
    }
}

fn event(kind: &'static str, row: &ReferralRow) -> EventDraft {
    let finding = match &row.stage {
        ReferralStage::Concluded(found) => Some(found),
        _ => None,
    };
    EventDraft {
        kind,
        subject: row.claim_no.to_string(),
        data: serde_json::json!({
            "round": row.round,
            "state": row.stage.name(),
            "origin": row.origin.name(),
            "band": row.band,
            "rules": row.rules,
            "finding": finding.map(|found| found.finding),
            "saved": finding.map(|found| found.saved),
        }),
    }
}

/// 移交调查: why a person refers a claim.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = ReferralRequest)]
pub struct ReferBody {
    /// What is odd. Whoever audits it reads it: name nobody in it.
    pub reason: Option<String>,
}

/// Who shall look into it.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = ReferralAssignment)]
pub struct AssignBody {
    /// The insurer's own code of an investigator, or a client.
    pub assignee: Option<String>,
}

/// 调查结论: what was found.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = ReferralConclusion)]
pub struct ConcludeBody {
    /// `confirmed`, `unconfirmed` or `clean`.
    pub finding: Option<String>,
    /// What the insurer need not pay, or got back; nothing when absent.
    pub saved: Option<Fen>,
    /// How it was done; at least one of a confirmed fraud.
    pub schemes: Option<Vec<String>>,
    /// In words. Name nobody in it.
    pub note: Option<String>,
}

impl Production {
    /// Refers an own claim, or adds what is odd to its referral.
    pub async fn refer_claim(
        &self,
        call: Call,
        claim_code: &str,
        body: &ReferBody,
    ) -> Result<Reply, Problem> {
        let mut found = Findings::new();
        let reason = text(body.reason.as_deref(), "/reason", &mut found);
        let reason = message::required(reason, "/reason", &mut found).map(str::to_owned);
        let action = Action::Refer(checked(reason, found)?);
        self.change_referral(call, claim_code, action).await
    }

    /// Gives the referral of an own claim to an investigator.
    pub async fn assign_referral(
        &self,
        call: Call,
        claim_code: &str,
        body: &AssignBody,
    ) -> Result<Reply, Problem> {
        let mut found = Findings::new();
        let assignee = body.assignee.as_deref().map(str::trim);
        let assignee = message::required(assignee, "/assignee", &mut found);
        if assignee.is_some_and(|assignee| assignee.chars().count() > 100) {
            found.reject(RuleId::S02, "/assignee", "is at most 100 characters");
        }
        let action = Action::Assign(checked(assignee.map(str::to_owned), found)?);
        self.change_referral(call, claim_code, action).await
    }

    /// Ends the investigation of an own claim.
    pub async fn conclude_referral(
        &self,
        call: Call,
        claim_code: &str,
        body: &ConcludeBody,
    ) -> Result<Reply, Problem> {
        let mut found = Findings::new();
        let note = text(body.note.as_deref(), "/note", &mut found).map(str::to_owned);
        let word = message::required(body.finding.as_deref(), "/finding", &mut found);
        let finding = word.and_then(Finding::parse);
        if word.is_some() && finding.is_none() {
            let detail = "send confirmed, unconfirmed or clean";
            found.reject(RuleId::S02, "/finding", detail);
        }
        let mut schemes = Vec::new();
        for (place, code) in body.schemes.iter().flatten().enumerate() {
            match Scheme::parse(code) {
                Ok(scheme) => schemes.push(scheme),
                Err(error) => {
                    found.reject(RuleId::S02, format!("/schemes/{place}"), error.to_string());
                }
            }
        }
        let conclusion = finding.map(|finding| Conclusion {
            finding,
            saved: body.saved.unwrap_or_default(),
            schemes,
            note,
            by: call.caller.client.to_string(),
            at: call.received_at,
        });
        let action = Action::Conclude(checked(conclusion, found)?);
        self.change_referral(call, claim_code, action).await
    }

    async fn change_referral(
        &self,
        call: Call,
        claim_code: &str,
        action: Action,
    ) -> Result<Reply, Problem> {
        let claim_no = number(self, &call, claim_code, NumberKind::Claim)?;
        let command = ChangeReferral {
            claim_no,
            action,
            by: call.caller.client.to_string(),
            now: call.received_at,
        };
        let notices: Vec<Notice> = checks::unknown(&call.unknown).collect();
        self.spine
            .run(call, &command, |(row, told): (ReferralRow, Option<&'static str>)| {
                let mut line = ReferralLine::of(&row);
                line.notices = notices.clone();
                let (slot, subject) = (claim_no.slot().0, claim_no.to_string());
                let done = Done::json(StatusCode::OK, &line, slot, subject);
                match told {
                    Some(kind) => done.telling(event(kind, &row)),
                    None => done,
                }
            })
            .await
    }
}

/// A text for people, of bounded length.
fn text<'a>(raw: Option<&'a str>, at: &str, found: &mut Findings) -> Option<&'a str> {
    let text = raw.map(str::trim).filter(|text| !text.is_empty())?;
    rules::text(text, rules::OPINION, at, found);
    Some(text)
}

fn checked<T>(read: Option<T>, found: Findings) -> Result<T, Problem> {
    match read {
        Some(read) if !found.rejects() => Ok(read),
        _ => Err(Problem::invalid(wording::errors(found.split().0))),
    }
}

#[derive(Clone, Debug)]
enum Action {
    Refer(String),
    Assign(String),
    Conclude(Conclusion),
}

struct ChangeReferral {
    claim_no: PlatformNumber,
    action: Action,
    by: String,
    now: Timestamp,
}

impl Command for ChangeReferral {
    const NAME: &'static str = "claim.referral";
    /// The referral, and the kind of event to tell.
    type Out = (ReferralRow, Option<&'static str>);
    type Error = ProductionError;

    async fn apply(&self, tx: &mut Tx) -> Result<Self::Out, ProductionError> {
        // The claim's lock is also that of its referral: steps meet people here.
        let case = claim::lock(tx, &[self.claim_no]).await?.pop();
        let case = case.ok_or_else(|| ProductionError::not_found("claim", self.claim_no))?;
        let before = store::lock(tx, &[self.claim_no]).await?.pop();
        let (row, told) = match (&self.action, before) {
            (Action::Refer(reason), before) => {
                let (row, told) = self.referred(case.tenant, before);
                store::save(tx, &row).await?;
                let evidence = EvidenceRow {
                    round: row.round,
                    sequence: None,
                    rule: None,
                    text: reason.clone(),
                    other_claim_no: None,
                    told_by: Some(self.by.clone()),
                    told_at: self.now,
                };
                store::insert_evidence(tx, &row, &[evidence]).await?;
                return Ok((row, told));
            }
            (_, None) => return Err(ProductionError::not_found("referral of", self.claim_no)),
            (Action::Assign(to), Some(mut row)) => {
                row.stage = row.stage.assign(to.clone(), self.now).map_err(refused)?;
                row.assignee = Some((to.clone(), self.now));
                (row, "production.referral.assigned")
            }
            (Action::Conclude(conclusion), Some(mut row)) => {
                row.stage = row.stage.conclude(conclusion.clone()).map_err(refused)?;
                (row, "production.referral.concluded")
            }
        };
        let row = ReferralRow { changed_at: self.now, ..row };
        store::save(tx, &row).await?;
        if let ReferralStage::Concluded(found) = &row.stage {
            store::insert_conclusion(tx, &row, found).await?;
        }
        Ok((row, Some(told)))
    }
}

impl ChangeReferral {
    fn referred(
        &self,
        tenant: TenantId,
        before: Option<ReferralRow>,
    ) -> (ReferralRow, Option<&'static str>) {
        match before {
            None => {
                let row = ReferralRow {
                    claim_no: self.claim_no,
                    tenant,
                    round: 1,
                    stage: ReferralStage::Open,
                    origin: Origin::Person,
                    band: None,
                    chance_ppm: None,
                    rules: Vec::new(),
                    opened_at: self.now,
                    changed_at: self.now,
                    assignee: None,
                };
                (row, Some("production.referral.opened"))
            }
            Some(mut row) => {
                let concluded = matches!(row.stage, ReferralStage::Concluded(_));
                if concluded {
                    row.reopen(Origin::Person, self.now);
                }
                row.changed_at = self.now;
                (row, concluded.then_some("production.referral.reopened"))
            }
        }
    }
}

fn refused(error: ReferralError) -> ProductionError {
    let code = match error {
        ReferralError::WrongStage { .. } => &error::REFERRAL_STATE,
        ReferralError::NoScheme | ReferralError::SavedNothing | ReferralError::Negative => {
            &error::REFERRAL_CONCLUSION
        }
    };
    ProductionError::refused(code, error.to_string())
}

//! The answer to a dispute: upheld with what is right, or rejected.
//!
//! Upholding takes one more step of the claim, the correction, in the same transaction and by the same
//! code as every step that is uploaded: numbered, kept with its message and answer, told as an event.
//! The dispute is locked before the claim; opening one locks the claim alone, so neither waits for the
//! other in a circle.

use std::collections::BTreeSet;
use std::sync::Arc;

use base_http::{Call, EventDraft, Notice, Problem, Reply};
use http::StatusCode;
use jiff::Timestamp;
use jiff::civil::Date;
use kernel::TenantId;
use pg::{Command, Tx};
use production_core::claim::StepFacts;
use production_core::claim::check;
use production_core::claim::dispute::Correction;
use production_core::insurer::InsurerCode;
use production_core::number::{NumberKind, PlatformNumber};
use production_core::rule::{Findings, RuleId};
use production_core::rules::claim as rules;
use production_core::rules::message;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use utoipa::ToSchema;

use crate::Production;
use crate::claim::dispute::{DisputeLine, of_any_insurer, refused};
use crate::claim::lock::{RecoveryLocks, TouchedCase};
use crate::claim::step::{self, Told};
use crate::error::{self, ProductionError};
use crate::quote::{checks, read as wording};
use crate::sealed;
use crate::store::claim as claims;
use crate::store::claim_dispute::{self as store, DisputeRow};

/// 赔案争议答复: what the insurer that filed the claim answers.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = DisputeDecision)]
pub struct DecisionBody {
    /// `upheld` or `rejected`.
    pub decision: Option<String>,
    /// Upheld: whether the claim counts towards the discount after all. This or `atFault` is needed.
    pub counts: Option<bool>,
    /// Upheld: whether the insured driver bears fault after all.
    pub at_fault: Option<bool>,
    /// Why; needed to reject. Both sides and whoever audits them read it: name nobody in it.
    pub reason: Option<String>,
}

/// An answer, read.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Decision {
    Uphold(Correction, Option<String>),
    Reject(String),
}

/// The message a correction is kept with.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct CorrectMessage<'a> {
    dispute_no: PlatformNumber,
    #[serde(skip_serializing_if = "Option::is_none")]
    counts: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    at_fault: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
}

impl Production {
    /// Decides a dispute of an own claim.
    pub async fn decide_dispute(
        &self,
        call: Call,
        dispute_no: &str,
        body: &DecisionBody,
    ) -> Result<Reply, Problem> {
        let insurer = self.insurer_of(&call)?;
        let dispute_no = of_any_insurer(dispute_no, NumberKind::Dispute)?;
        let decision = read(body)?;
        let (tenant, now) = (call.caller.tenant, call.received_at);
        let message = message_of(dispute_no, &decision)?;
        let command = DecideDispute {
            dispute_no,
            decision,
            message_sealed: self.sealer.seal_json(tenant, sealed::CLAIM, &message).await?,
            digest: Sha256::digest(&message).into(),
            tenant,
            insurer,
            client: call.caller.client.to_string(),
            locks: self.locks.clone(),
            rest_days: self.rest_days(dispute_no.area().code(), now),
            now,
        };
        let notices: Vec<Notice> = checks::unknown(&call.unknown).collect();
        self.spine
            .run(call, &command, |(row, corrected): (DisputeRow, Vec<EventDraft>)| {
                let mut line = DisputeLine::of(&row, tenant, now);
                line.notices = notices.clone();
                let mut done = line.done(StatusCode::OK, &row).telling(EventDraft {
                    kind: "production.claim.dispute_decided",
                    subject: row.dispute_no.to_string(),
                    data: serde_json::json!({
                        "claimCode": row.claim_no,
                        "openedBy": row.insurer,
                        "answeredBy": row.owner_insurer,
                        "decision": row.stage.name(),
                        "counts": line.counts,
                        "atFault": line.at_fault,
                    }),
                });
                done.events.extend(corrected);
                done
            })
            .await
    }
}

struct DecideDispute {
    dispute_no: PlatformNumber,
    decision: Decision,
    message_sealed: Vec<u8>,
    digest: [u8; 32],
    tenant: TenantId,
    insurer: InsurerCode,
    client: String,
    locks: Arc<dyn RecoveryLocks>,
    rest_days: BTreeSet<Date>,
    now: Timestamp,
}

impl Command for DecideDispute {
    const NAME: &'static str = "claim.dispute_decide";
    /// The dispute, and what the correction of its claim tells.
    type Out = (DisputeRow, Vec<EventDraft>);
    type Error = ProductionError;

    async fn apply(&self, tx: &mut Tx) -> Result<Self::Out, ProductionError> {
        let mut row = store::lock(tx, self.dispute_no).await?;
        let sides = row.sides(self.tenant);
        let mut told = Vec::new();
        row.stage = match self.decision.clone() {
            Decision::Uphold(correction, reason) => {
                let stage = row.stage.uphold(sides, correction, reason, self.now);
                let stage = stage.map_err(refused)?;
                told = self.correct(tx, row.claim_no, correction).await?;
                stage
            }
            Decision::Reject(reason) => {
                row.stage.reject(sides, reason, self.now).map_err(refused)?
            }
        };
        store::close(tx, &row).await?;
        Ok((row, told))
    }
}

impl DecideDispute {
    /// Puts the claim right by one more step of it.
    async fn correct(
        &self,
        tx: &mut Tx,
        claim_no: PlatformNumber,
        correction: Correction,
    ) -> Result<Vec<EventDraft>, ProductionError> {
        let before = claims::lock(tx, &[claim_no]).await?.pop();
        let before = before.ok_or_else(|| ProductionError::not_found("claim", claim_no))?;
        let dispute_no = self.dispute_no.to_string();
        let facts = correction.facts(&before.case, dispute_no.clone(), self.now);
        let facts = StepFacts::Correct(facts);
        let (mut after, standing) = step::accepted(&before, &facts, self.insurer, self.now)?;
        let mut found = Findings::new();
        check::step(&before.case, &before.terms.promise, &facts, self.now, &mut found);
        if found.rejects() {
            return Err(ProductionError::Invalid(wording::errors(found.split().0)));
        }
        if before.record() == after.record() {
            let detail = format!("claim {claim_no} says this already; correct it, or reject");
            return Err(ProductionError::refused(&error::DISPUTE_CORRECTS_NOTHING, detail));
        }
        let case = TouchedCase {
            claim_no,
            confirm_no: before.confirm_no,
            tenant: self.tenant,
            frame: before.frame.clone(),
            plate: before.terms.plate.clone(),
            accident_at: before.case.notify.accident_at,
        };
        let locks = self.locks.touching(tx, &[case]).await?.pop().unwrap_or_default();
        let told = Told {
            facts: &facts,
            business_no: &dispute_no,
            digest: self.digest,
            message_sealed: &self.message_sealed,
            tenant: self.tenant,
            client: &self.client,
            check_no: None,
            risk_hints: Vec::new(),
            fraud_score: None,
            police: None,
            locks,
            notices: Vec::new(),
            rest_days: self.rest_days.clone(),
            now: self.now,
        };
        let (step, done) = step::written(&mut after, standing, told);
        claims::update(tx, &[&after]).await?;
        claims::insert_steps(tx, &[&step]).await?;
        Ok(done.events)
    }
}

/// The message, everything that is wrong with it at once.
fn read(body: &DecisionBody) -> Result<Decision, Problem> {
    let mut found = Findings::new();
    let reason = body.reason.as_deref().map(str::trim).filter(|reason| !reason.is_empty());
    if let Some(reason) = reason {
        rules::text(reason, rules::OPINION, "/reason", &mut found);
    }
    let correction = Correction::new(body.counts, body.at_fault);
    let decision = match message::required(body.decision.as_deref(), "/decision", &mut found) {
        Some("upheld") => {
            if correction.is_none() {
                let detail = "say what is right: counts, atFault, or both";
                found.add(RuleId::S02, "/counts", detail);
            }
            correction.map(|right| Decision::Uphold(right, reason.map(str::to_owned)))
        }
        Some("rejected") => {
            if correction.is_some() {
                let detail = "a rejected dispute corrects nothing; uphold it, or leave this out";
                found.reject(RuleId::S17, "/counts", detail);
            }
            let reason = message::required(reason, "/reason", &mut found);
            reason.map(|reason| Decision::Reject(reason.to_owned()))
        }
        Some(other) => {
            let detail = format!("{other:?} is no decision; send upheld or rejected");
            found.reject(RuleId::S02, "/decision", detail);
            None
        }
        None => None,
    };
    match decision {
        Some(decision) if !found.rejects() => Ok(decision),
        _ => Err(Problem::invalid(wording::errors(found.split().0))),
    }
}

fn message_of(dispute_no: PlatformNumber, decision: &Decision) -> Result<Vec<u8>, ProductionError> {
    let (correction, reason) = match decision {
        Decision::Uphold(correction, reason) => (Some(*correction), reason.as_deref()),
        Decision::Reject(reason) => (None, Some(reason.as_str())),
    };
    let message = CorrectMessage {
        dispute_no,
        counts: correction.and_then(Correction::counts),
        at_fault: correction.and_then(Correction::at_fault),
        reason,
    };
    serde_json::to_vec(&message).map_err(|_| ProductionError::Corrupt("correction"))
}

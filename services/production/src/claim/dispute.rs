//! 争议: an insurer that quoted a vehicle disputes, for its customer, that a claim counts as it does.
//!
//! Only a claim that an own quote lists can be disputed: what the market does not show cannot be asked
//! about. What the customer says and shows is sealed with the operator's key, because the insurers of
//! both sides read it and nobody else does. Deciding ([`decide`]) puts the claim right by a step of its
//! own; the dispute itself changes no price.

pub mod decide;
pub mod read;

use std::sync::Arc;

use base_http::{Call, Done, EventDraft, Naming, Notice, Problem, Reply};
use http::StatusCode;
use jiff::Timestamp;
use kernel::TenantId;
use pg::{Command, Tx};
use production_core::claim::dispute::{
    ANSWER_WORKING_DAYS, Correction, DisputeError, DisputeStage, Ground, Sides,
};
use production_core::frame::FrameNo;
use production_core::insurer::InsurerCode;
use production_core::number::{NumberKind, PlatformNumber};
use production_core::rule::{Findings, RuleId};
use production_core::rules::claim as rules;
use production_core::rules::{format, message};
use production_rating::RatingInput;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::Production;
use crate::challenge::Challenges;
use crate::error::{self, ProductionError};
use crate::lookup::record_of;
use crate::numbering::NumberFor;
use crate::quote::{checks, read as wording};
use crate::sealed;
use crate::store::claim_dispute::{self as store, DisputeRow};

/// Parameter of `tenancy`: working days the insurer that filed the claim has to answer, by region of the
/// claim and by that insurer; [`ANSWER_WORKING_DAYS`] where it is not set. Monday to Friday are working
/// days but for the public holidays of the region, as they are listed when the dispute is opened
/// ([`tenancy::REST_DAYS`]): what a list says later moves no answer that was told.
pub const ANSWER_DAYS: &str = "claim_dispute_answer_days";

/// Most characters of a statement.
const STATEMENT: usize = 2_000;
/// Most documents named.
const DOCUMENTS: usize = 20;
/// Most characters of a document's name.
const DOCUMENT_NAME: usize = 100;

/// 争议: what is wrong about a claim, and what shows it.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = DisputeRequest)]
pub struct DisputeBody {
    /// 投保查询码 of an own quote that lists the claim.
    pub query_code: Option<String>,
    /// What is said to be wrong: `not_my_vehicle`, `not_at_fault`, `nothing_paid`, `wrong_amount`,
    /// `wrong_date` or `other`.
    pub ground: Option<String>,
    /// What the customer says. Stored sealed.
    pub statement: Option<String>,
    /// Names of the documents that show it, for example 责任认定书. Stored sealed.
    pub documents: Option<Vec<String>>,
}

/// A dispute without what is personal.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DisputeLine {
    /// 争议编号: names the dispute in every later message.
    #[schema(example = "08CPIC320026123450000000000019")]
    pub dispute_no: String,
    /// The claim disputed.
    pub claim_code: String,
    /// The quote it was seen in. Shown to who opened the dispute.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub query_code: Option<String>,
    /// `open`, `upheld`, `rejected` or `withdrawn`.
    pub state: &'static str,
    /// What is said to be wrong.
    pub ground: Ground,
    /// Insurer that opened it.
    pub opened_by: String,
    /// Insurer that filed the claim.
    pub answered_by: String,
    /// When it was opened.
    #[schema(value_type = String, format = DateTime)]
    pub opened_at: Timestamp,
    /// First instant at which an answer is too late.
    #[schema(value_type = String, format = DateTime)]
    pub answer_due_at: Timestamp,
    /// Open, and the answer is too late.
    pub overdue: bool,
    /// When it was decided or withdrawn.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub decided_at: Option<Timestamp>,
    /// Upheld: whether the claim counts towards the discount after all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub counts: Option<bool>,
    /// Upheld: whether the insured driver bears fault after all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at_fault: Option<bool>,
    /// Why it was decided so, in the words of the insurer that filed the claim.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// What a person should see.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notices: Vec<Notice>,
}

/// What a customer says and shows, as it is sealed.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Statement {
    text: String,
    documents: Vec<String>,
}

/// A dispute, read.
struct ReadDispute {
    query_no: PlatformNumber,
    ground: Ground,
    statement: Statement,
}

impl DisputeLine {
    fn of(row: &DisputeRow, viewer: TenantId, now: Timestamp) -> DisputeLine {
        let (correction, reason): (Option<Correction>, _) = match &row.stage {
            DisputeStage::Upheld { correction, reason, .. } => (Some(*correction), reason.clone()),
            DisputeStage::Rejected { reason, .. } => (None, Some(reason.clone())),
            DisputeStage::Open { .. } | DisputeStage::Withdrawn { .. } => (None, None),
        };
        // A query code is good for a sale: it is its own insurer's business.
        let query_no = row.query_no.filter(|_| row.sides(viewer).opened);
        DisputeLine {
            dispute_no: row.dispute_no.to_string(),
            claim_code: row.claim_no.to_string(),
            query_code: query_no.map(|number| number.to_string()),
            state: row.stage.name(),
            ground: row.ground,
            opened_by: row.insurer.as_str().to_owned(),
            answered_by: row.owner_insurer.as_str().to_owned(),
            opened_at: row.opened_at,
            answer_due_at: row.answer_due_at,
            overdue: row.stage.is_overdue(now),
            decided_at: row.stage.decided_at(),
            counts: correction.and_then(Correction::counts),
            at_fault: correction.and_then(Correction::at_fault),
            reason,
            notices: Vec::new(),
        }
    }

    /// The answer to what was just done.
    fn done(&self, status: StatusCode, row: &DisputeRow) -> Done {
        Done::json(status, self, row.claim_no.slot().0, row.dispute_no.to_string())
    }
}

impl DisputeRow {
    /// On which side of the dispute a tenant stands.
    fn sides(&self, tenant: TenantId) -> Sides {
        Sides { opened: self.tenant == tenant, answers: self.owner_tenant == tenant }
    }
}

impl Production {
    /// Opens a dispute of a claim an own quote lists.
    pub async fn open_dispute(
        &self,
        call: Call,
        claim_code: &str,
        body: &DisputeBody,
    ) -> Result<Reply, Problem> {
        let insurer = self.insurer_of(&call)?;
        let claim_no = of_any_insurer(claim_code, NumberKind::Claim)?;
        let read = read(body)?;
        let quote = self.own_quote(&call, read.query_no).await?;
        let input: RatingInput =
            serde_json::from_str(&quote.input).map_err(|_| ProductionError::Corrupt("quote"))?;
        let code = claim_no.to_string();
        if !input.history.claims.iter().any(|claim| claim.claim_code == code) {
            return Err(ProductionError::not_found("claim", claim_no).into());
        }
        let now = call.received_at;
        let of = NumberFor { insurer, region: claim_no.area(), slot: claim_no.slot() };
        let command = OpenDispute {
            dispute_no: self.numbering.next(NumberKind::Dispute, of, now).await?,
            claim_no,
            query_no: read.query_no,
            frame: quote.frame,
            tenant: call.caller.tenant,
            insurer,
            ground: read.ground,
            statement_sealed: self.sealer.seal_shared(sealed::DISPUTE, &read.statement).await?,
            challenges: self.challenges.clone(),
            now,
        };
        let notices: Vec<Notice> = checks::unknown(&call.unknown).collect();
        self.spine
            .run(call, &command, |row: DisputeRow| {
                let mut line = DisputeLine::of(&row, command.tenant, now);
                line.notices = notices.clone();
                line.done(StatusCode::CREATED, &row).telling(EventDraft {
                    kind: "production.claim.dispute_opened",
                    subject: row.dispute_no.to_string(),
                    data: serde_json::json!({
                        "claimCode": row.claim_no,
                        "ground": row.ground,
                        "openedBy": row.insurer,
                        "answeredBy": row.owner_insurer,
                        "answerDueAt": row.answer_due_at,
                    }),
                })
            })
            .await
    }

    /// Gives an own dispute up.
    pub async fn withdraw_dispute(&self, call: Call, dispute_no: &str) -> Result<Reply, Problem> {
        self.insurer_of(&call)?;
        let dispute_no = of_any_insurer(dispute_no, NumberKind::Dispute)?;
        let (tenant, now) = (call.caller.tenant, call.received_at);
        let command = WithdrawDispute { dispute_no, tenant, now };
        self.spine
            .run(call, &command, |row: DisputeRow| {
                let line = DisputeLine::of(&row, tenant, now);
                line.done(StatusCode::OK, &row).telling(EventDraft {
                    kind: "production.claim.dispute_withdrawn",
                    subject: row.dispute_no.to_string(),
                    data: serde_json::json!({
                        "claimCode": row.claim_no,
                        "openedBy": row.insurer,
                        "answeredBy": row.owner_insurer,
                    }),
                })
            })
            .await
    }
}

/// One dispute of a claim at a time: the open one, of whichever insurer, is named.
fn already_open(claim_no: PlatformNumber, dispute_no: PlatformNumber) -> ProductionError {
    ProductionError::Names {
        code: &error::DISPUTE_OPEN,
        rule: None,
        detail: format!("a dispute of claim {claim_no} waits for its answer"),
        naming: Box::new(Naming {
            records: vec![record_of(dispute_no)],
            detail: format!("dispute {dispute_no} of claim {claim_no} waits for its answer"),
            more: Some(("dispute", dispute_no.to_string().into())),
        }),
    }
}

struct OpenDispute {
    dispute_no: PlatformNumber,
    claim_no: PlatformNumber,
    query_no: PlatformNumber,
    frame: FrameNo,
    tenant: TenantId,
    insurer: InsurerCode,
    ground: Ground,
    statement_sealed: Vec<u8>,
    challenges: Arc<Challenges>,
    now: Timestamp,
}

impl Command for OpenDispute {
    const NAME: &'static str = "claim.dispute";
    type Out = DisputeRow;
    type Error = ProductionError;

    async fn apply(&self, tx: &mut Tx) -> Result<DisputeRow, ProductionError> {
        let claim = store::claim(tx, self.claim_no, &self.frame).await?;
        let claim = claim.ok_or_else(|| ProductionError::not_found("claim", self.claim_no))?;
        if let Some(dispute_no) = claim.open {
            return Err(already_open(self.claim_no, dispute_no));
        }
        let region = self.claim_no.area();
        let parameters = self.challenges.parameters();
        let days = parameters.number(ANSWER_DAYS, claim.tenant, region.code(), self.now);
        let days = days.and_then(|days| u16::try_from(days).ok()).unwrap_or(ANSWER_WORKING_DAYS);
        let rest_days = parameters.rest_days(region.code(), self.now);
        let stage = DisputeStage::opened(self.now, days, &rest_days);
        let DisputeStage::Open { until } = stage else {
            return Err(ProductionError::Corrupt("dispute"));
        };
        let row = DisputeRow {
            dispute_no: self.dispute_no,
            claim_no: self.claim_no,
            tenant: self.tenant,
            insurer: self.insurer,
            owner_tenant: claim.tenant,
            owner_insurer: claim.insurer,
            query_no: Some(self.query_no),
            ground: self.ground,
            statement_sealed: self.statement_sealed.clone(),
            opened_at: self.now,
            answer_due_at: until,
            stage,
        };
        store::insert(tx, &row).await?;
        Ok(row)
    }
}

struct WithdrawDispute {
    dispute_no: PlatformNumber,
    tenant: TenantId,
    now: Timestamp,
}

impl Command for WithdrawDispute {
    const NAME: &'static str = "claim.dispute_withdraw";
    type Out = DisputeRow;
    type Error = ProductionError;

    async fn apply(&self, tx: &mut Tx) -> Result<DisputeRow, ProductionError> {
        let mut row = store::lock(tx, self.dispute_no).await?;
        let sides = row.sides(self.tenant);
        row.stage = row.stage.withdraw(sides, self.now).map_err(refused)?;
        store::close(tx, &row).await?;
        Ok(row)
    }
}

/// The message, everything that is wrong with it at once.
fn read(body: &DisputeBody) -> Result<ReadDispute, Problem> {
    let mut found = Findings::new();
    // A query code of another insurer names no own quote, and is looked for like any other.
    let query_no = message::required(body.query_code.as_deref(), "/queryCode", &mut found)
        .and_then(|raw| {
            format::platform_number(raw, NumberKind::Query, None, "/queryCode", &mut found)
        });
    let ground = message::required(body.ground.as_deref(), "/ground", &mut found).and_then(|raw| {
        let read = Ground::parse(raw);
        read.map_err(|error| found.reject(RuleId::S02, "/ground", error.to_string())).ok()
    });
    let text = message::required(body.statement.as_deref(), "/statement", &mut found);
    if let Some(text) = text {
        rules::text(text, STATEMENT, "/statement", &mut found);
    }
    let documents = body.documents.as_deref().unwrap_or_default();
    if documents.len() > DOCUMENTS {
        let detail = format!("{} documents are named; at most {DOCUMENTS}", documents.len());
        found.add(RuleId::F30, "/documents", detail);
    }
    for (place, name) in documents.iter().enumerate() {
        let at = format!("/documents/{place}");
        if message::required(Some(name), &at, &mut found).is_some() {
            rules::text(name, DOCUMENT_NAME, &at, &mut found);
        }
    }
    match (query_no, ground, text) {
        (Some(query_no), Some(ground), Some(text)) if !found.rejects() => Ok(ReadDispute {
            query_no,
            ground,
            statement: Statement { text: text.to_owned(), documents: documents.to_vec() },
        }),
        _ => Err(Problem::invalid(wording::errors(found.split().0))),
    }
}

/// Reads a number of a path that may be another insurer's: whether the caller may know of it is for what
/// follows to find out.
fn of_any_insurer(raw: &str, kind: NumberKind) -> Result<PlatformNumber, Problem> {
    let mut found = Findings::new();
    let number = format::platform_number(raw, kind, None, "/path", &mut found);
    number.ok_or_else(|| Problem::invalid(wording::errors(found.split().0)))
}

/// A guard's refusal as the caller reads it.
fn refused(error: DisputeError) -> ProductionError {
    let code = match &error {
        DisputeError::WrongSide { .. } => &error::DISPUTE_SIDE,
        DisputeError::WrongStage { .. } => &error::DISPUTE_OVER,
    };
    ProductionError::refused(code, error.to_string())
}

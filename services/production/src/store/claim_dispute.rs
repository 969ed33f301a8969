//! Disputes of claims: a row both sides see.

use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use kernel::TenantId;
use pg::Tx;
use production_core::claim::dispute::{Correction, DisputeStage, Ground};
use production_core::frame::FrameNo;
use production_core::insurer::InsurerCode;
use production_core::number::PlatformNumber;

use crate::error::ProductionError;

/// A dispute as stored.
#[derive(Clone, Debug)]
pub struct DisputeRow {
    /// 争议编号.
    pub dispute_no: PlatformNumber,
    /// The claim disputed.
    pub claim_no: PlatformNumber,
    /// Who disputes.
    pub tenant: TenantId,
    /// Insurer of that tenant.
    pub insurer: InsurerCode,
    /// Who filed the claim.
    pub owner_tenant: TenantId,
    /// Insurer of that tenant.
    pub owner_insurer: InsurerCode,
    /// The quote the claim was seen in.
    pub query_no: Option<PlatformNumber>,
    /// What is said to be wrong.
    pub ground: Ground,
    /// What the customer says and shows, sealed with the operator's key.
    pub statement_sealed: Vec<u8>,
    /// When it was opened.
    pub opened_at: Timestamp,
    /// First instant at which an answer is too late.
    pub answer_due_at: Timestamp,
    /// Where it stands.
    pub stage: DisputeStage,
}

/// A claim about to be disputed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DisputedClaim {
    /// Who filed it.
    pub tenant: TenantId,
    /// Insurer of that tenant.
    pub insurer: InsurerCode,
    /// The dispute of it that is open, of whichever insurer.
    pub open: Option<PlatformNumber>,
}

/// Whose disputes a list shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Those the tenant opened.
    Opened,
    /// Those the tenant is to answer, or has answered.
    Answering,
}

/// Which disputes to list.
#[derive(Clone, Debug)]
pub struct DisputeFilter {
    /// Whose.
    pub role: Role,
    /// In this stage; `overdue` is open and due by now.
    pub state: Option<String>,
    /// The present instant.
    pub now: Timestamp,
    /// Rows before this one, latest first.
    pub after: Option<(Timestamp, String)>,
}

/// Whose a claim of the vehicle is, of any insurer, held until the transaction ends; `None` where the
/// vehicle has no such claim, or it was cancelled.
pub async fn claim(
    tx: &mut Tx,
    claim_no: PlatformNumber,
    frame: &FrameNo,
) -> Result<Option<DisputedClaim>, ProductionError> {
    let found = sqlx::query!(
        r#"select tenant_id as "tenant_id!", insurer as "insurer!", open_dispute_no
           from production.disputed_claim($1, $2, $3)"#,
        i32::from(claim_no.slot().0),
        claim_no.to_string(),
        frame.as_str()
    );
    let corrupt = || ProductionError::Corrupt("claim");
    let found = found.fetch_optional(tx.conn()).await?;
    let read = found.map(|row| {
        let open = row.open_dispute_no.as_deref().map(PlatformNumber::parse).transpose();
        Ok(DisputedClaim {
            tenant: TenantId(row.tenant_id),
            insurer: InsurerCode::parse(&row.insurer).map_err(|_| corrupt())?,
            open: open.map_err(|_| corrupt())?,
        })
    });
    read.transpose()
}

/// Writes an open dispute.
pub async fn insert(tx: &mut Tx, dispute: &DisputeRow) -> Result<(), ProductionError> {
    sqlx::query!(
        r#"insert into production.claim_dispute
               (slot, dispute_no, claim_no, tenant_id, insurer, owner_tenant_id, owner_insurer,
                query_no, ground, statement_sealed, opened_at, answer_due_at)
           values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)"#,
        i32::from(dispute.dispute_no.slot().0),
        dispute.dispute_no.to_string(),
        dispute.claim_no.to_string(),
        dispute.tenant.0,
        dispute.insurer.as_str(),
        dispute.owner_tenant.0,
        dispute.owner_insurer.as_str(),
        dispute.query_no.map(|number| number.to_string()),
        dispute.ground.name(),
        dispute.statement_sealed,
        dispute.opened_at.to_sqlx() as _,
        dispute.answer_due_at.to_sqlx() as _
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// A dispute of either side.
pub async fn find(tx: &mut Tx, dispute_no: PlatformNumber) -> Result<DisputeRow, ProductionError> {
    let row = sqlx::query_as!(
        StoredDispute,
        r#"select dispute_no, claim_no, tenant_id, insurer, owner_tenant_id, owner_insurer, query_no,
                  ground, statement_sealed, opened_at, answer_due_at, decision, reason, decided_at,
                  corrected_counts, corrected_at_fault
           from production.claim_dispute where slot = $1 and dispute_no = $2"#,
        i32::from(dispute_no.slot().0),
        dispute_no.to_string()
    );
    found(row.fetch_optional(tx.conn()).await?, dispute_no)
}

/// A dispute of either side, held until the transaction ends.
pub async fn lock(tx: &mut Tx, dispute_no: PlatformNumber) -> Result<DisputeRow, ProductionError> {
    let row = sqlx::query_as!(
        StoredDispute,
        r#"select dispute_no, claim_no, tenant_id, insurer, owner_tenant_id, owner_insurer, query_no,
                  ground, statement_sealed, opened_at, answer_due_at, decision, reason, decided_at,
                  corrected_counts, corrected_at_fault
           from production.claim_dispute where slot = $1 and dispute_no = $2
           for update"#,
        i32::from(dispute_no.slot().0),
        dispute_no.to_string()
    );
    found(row.fetch_optional(tx.conn()).await?, dispute_no)
}

/// Writes how an open dispute ended.
pub async fn close(tx: &mut Tx, dispute: &DisputeRow) -> Result<(), ProductionError> {
    let (correction, reason) = match &dispute.stage {
        DisputeStage::Upheld { correction, reason, .. } => (Some(*correction), reason.as_deref()),
        DisputeStage::Rejected { reason, .. } => (None, Some(reason.as_str())),
        DisputeStage::Open { .. } | DisputeStage::Withdrawn { .. } => (None, None),
    };
    sqlx::query!(
        r#"update production.claim_dispute
           set decision = $3, reason = $4, decided_at = $5, corrected_counts = $6,
               corrected_at_fault = $7
           where slot = $1 and dispute_no = $2"#,
        i32::from(dispute.dispute_no.slot().0),
        dispute.dispute_no.to_string(),
        dispute.stage.name(),
        reason,
        dispute.stage.decided_at().map(|at| at.to_sqlx()) as _,
        correction.and_then(Correction::counts),
        correction.and_then(Correction::at_fault)
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Disputes of one side, latest first, one page.
pub async fn list(
    tx: &mut Tx,
    tenant: TenantId,
    filter: &DisputeFilter,
    limit: i64,
) -> Result<Vec<DisputeRow>, ProductionError> {
    let (after_at, after_no) = filter.after.clone().unzip();
    let opened = filter.role == Role::Opened;
    tx.plan_by_values().await?;
    let rows = sqlx::query_as!(
        StoredDispute,
        r#"select dispute_no, claim_no, tenant_id, insurer, owner_tenant_id, owner_insurer, query_no,
                  ground, statement_sealed, opened_at, answer_due_at, decision, reason, decided_at,
                  corrected_counts, corrected_at_fault
           from production.claim_dispute
           where ($1::uuid is null or tenant_id = $1)
             and ($2::uuid is null or owner_tenant_id = $2)
             and ($3::text is null
                  or coalesce(decision, 'open') = $3
                  or $3 = 'overdue' and decision is null and answer_due_at <= $4)
             and ($5::timestamptz is null or (opened_at, dispute_no) < ($5, $6))
           order by opened_at desc, dispute_no desc
           limit $7"#,
        opened.then_some(tenant.0),
        (!opened).then_some(tenant.0),
        filter.state.as_deref(),
        filter.now.to_sqlx() as _,
        after_at.map(|at| at.to_sqlx()) as _,
        after_no,
        limit
    );
    rows.fetch_all(tx.conn()).await?.into_iter().map(DisputeRow::try_from).collect()
}

fn found(
    row: Option<StoredDispute>,
    dispute_no: PlatformNumber,
) -> Result<DisputeRow, ProductionError> {
    row.ok_or_else(|| ProductionError::not_found("dispute", dispute_no))?.try_into()
}

struct StoredDispute {
    dispute_no: String,
    claim_no: String,
    tenant_id: uuid::Uuid,
    insurer: String,
    owner_tenant_id: uuid::Uuid,
    owner_insurer: String,
    query_no: Option<String>,
    ground: String,
    statement_sealed: Vec<u8>,
    opened_at: jiff_sqlx::Timestamp,
    answer_due_at: jiff_sqlx::Timestamp,
    decision: Option<String>,
    reason: Option<String>,
    decided_at: Option<jiff_sqlx::Timestamp>,
    corrected_counts: Option<bool>,
    corrected_at_fault: Option<bool>,
}

impl TryFrom<StoredDispute> for DisputeRow {
    type Error = ProductionError;

    fn try_from(row: StoredDispute) -> Result<DisputeRow, ProductionError> {
        let corrupt = || ProductionError::Corrupt("dispute");
        let number = |text: &str| PlatformNumber::parse(text).map_err(|_| corrupt());
        let insurer = |text: &str| InsurerCode::parse(text).map_err(|_| corrupt());
        let answer_due_at = row.answer_due_at.to_jiff();
        let decided_at = row.decided_at.map(|at| at.to_jiff());
        let correction = Correction::new(row.corrected_counts, row.corrected_at_fault);
        let stage = match (row.decision.as_deref(), decided_at, correction, row.reason) {
            (None, None, ..) => DisputeStage::Open { until: answer_due_at },
            (Some("upheld"), Some(at), Some(correction), reason) => {
                DisputeStage::Upheld { at, correction, reason }
            }
            (Some("rejected"), Some(at), None, Some(reason)) => {
                DisputeStage::Rejected { at, reason }
            }
            (Some("withdrawn"), Some(at), ..) => DisputeStage::Withdrawn { at },
            _ => return Err(corrupt()),
        };
        Ok(DisputeRow {
            dispute_no: number(&row.dispute_no)?,
            claim_no: number(&row.claim_no)?,
            tenant: TenantId(row.tenant_id),
            insurer: insurer(&row.insurer)?,
            owner_tenant: TenantId(row.owner_tenant_id),
            owner_insurer: insurer(&row.owner_insurer)?,
            query_no: row.query_no.as_deref().map(number).transpose()?,
            ground: Ground::parse(&row.ground).map_err(|_| corrupt())?,
            statement_sealed: row.statement_sealed,
            opened_at: row.opened_at.to_jiff(),
            answer_due_at,
            stage,
        })
    }
}

//! One step taken: the case it makes, the row it is kept as, its answer and its event. Pure; locking
//! and saving are for the command that takes it.

use std::collections::BTreeSet;

use base_http::{Done, EventDraft, Notice};
use http::StatusCode;
use jiff::Timestamp;
use jiff::civil::Date;
use kernel::TenantId;
use production_core::claim::{ClaimError, Stage, Standing, Step, StepFacts};
use production_core::insurer::InsurerCode;
use production_core::number::PlatformNumber;

use crate::claim::answer::{ClaimStepView, HintView, PoliceAccidentView};
use crate::claim::clock;
use crate::claim::lock::RecoveryLock;
use crate::claim::score::FraudScore;
use crate::error::{self, ProductionError};
use crate::store::claim::{ClaimRow, StepRow, standing_name};

/// What is told with a step, beside the case it is of.
pub(super) struct Told<'a> {
    /// What guards, clocks and discounts depend on.
    pub(super) facts: &'a StepFacts,
    /// The insurer's number of this piece of work; for a correction the dispute's.
    pub(super) business_no: &'a str,
    /// Of the message as read.
    pub(super) digest: [u8; 32],
    /// The whole message, sealed.
    pub(super) message_sealed: &'a [u8],
    /// Whose.
    pub(super) tenant: TenantId,
    /// Who sent it.
    pub(super) client: &'a str,
    /// Number of the closing, for a closing.
    pub(super) check_no: Option<PlatformNumber>,
    /// What a claims handler should look at.
    pub(super) risk_hints: Vec<HintView>,
    /// How likely fraud is.
    pub(super) fraud_score: Option<FraudScore>,
    /// Recovery locks that touch the case.
    pub(super) locks: Vec<RecoveryLock>,
    /// The accident as the police recorded it.
    pub(super) police: Option<PoliceAccidentView>,
    /// What a person should see.
    pub(super) notices: Vec<Notice>,
    /// Public holidays in the policy's region, for the clocks of the law.
    pub(super) rest_days: BTreeSet<Date>,
    /// The instant of the call.
    pub(super) now: Timestamp,
}

/// The case after one more step, and how the step was taken. Notes when what a quote may have counted
/// became something else.
pub(super) fn accepted(
    before: &ClaimRow,
    facts: &StepFacts,
    insurer: InsurerCode,
    now: Timestamp,
) -> Result<(ClaimRow, Standing), ProductionError> {
    let accepted = before.case.accept(facts).map_err(refused)?;
    let mut row = before.clone();
    if before.case.is_corrected_by(&accepted.case, insurer) {
        row.corrected_at = Some(now);
    }
    row.case = accepted.case;
    Ok((row, accepted.standing))
}

/// Counts the step into its case and puts together what is kept and what is answered.
pub(super) fn written(row: &mut ClaimRow, standing: Standing, told: Told<'_>) -> (StepRow, Done) {
    let step = told.facts.step();
    row.steps += 1;
    row.changed_at = told.now;
    row.next_due_at = clock::never_due_before(&row.case, told.now);
    let view = ClaimStepView {
        claim_code: row.claim_no.to_string(),
        step: step.name_en(),
        business_no: told.business_no.to_owned(),
        sequence: row.steps,
        round: row.case.round,
        standing: standing_name(standing),
        stage: row.case.stage,
        recorded_at: told.now,
        closing_check_code: told.check_no.map(|number| number.to_string()),
        due: row
            .case
            .due()
            .filter(|_| !row.case.stage.is_open() && row.case.stage != Stage::Cancelled),
        next_due_at: clock::next_due(&clock::clocks(&row.case, told.rest_days, told.now)),
        risk_hints: told.risk_hints,
        fraud_score: told.fraud_score,
        locks: told.locks,
        police: told.police,
        notices: told.notices,
    };
    let done =
        Done::json(StatusCode::CREATED, &view, row.claim_no.slot().0, row.claim_no.to_string())
            .telling(EventDraft {
                kind: event(step),
                subject: row.claim_no.to_string(),
                data: serde_json::json!({
                    "confirmCode": row.confirm_no,
                    "class": row.case.class,
                    "sequence": row.steps,
                    "round": row.case.round,
                    "stage": row.case.stage,
                    "total": row.case.closing().map(|closing| closing.total),
                    "corrects": row.corrected_at == Some(told.now),
                }),
            });
    let kept = StepRow {
        claim_no: row.claim_no,
        sequence: row.steps,
        tenant: told.tenant,
        step,
        business_no: told.business_no.to_owned(),
        round: row.case.round,
        standing,
        occurred_at: told.facts.at(),
        recorded_at: told.now,
        client: told.client.to_owned(),
        digest: told.digest,
        facts: serde_json::to_string(told.facts).unwrap_or_default(),
        message_sealed: told.message_sealed.to_vec(),
        answer: done.body.to_vec(),
    };
    (kept, done)
}

fn event(step: Step) -> &'static str {
    match step {
        Step::Notify => "production.claim.notified",
        Step::Survey => "production.claim.surveyed",
        Step::Register => "production.claim.registered",
        Step::Assess => "production.claim.assessed",
        Step::Documents => "production.claim.documented",
        Step::Adjust => "production.claim.adjusted",
        Step::Close => "production.claim.closed",
        Step::Pay => "production.claim.paid",
        Step::Reopen => "production.claim.reopened",
        Step::Cancel => "production.claim.cancelled",
        Step::Estimate => "production.claim.estimated",
        Step::Recovery => "production.claim.recovered",
        Step::Correct => "production.claim.corrected",
    }
}

/// A guard's refusal as the caller reads it.
fn refused(error: ClaimError) -> ProductionError {
    let code = match &error {
        ClaimError::WrongStage { .. } | ClaimError::Twice(_) | ClaimError::CancelKind { .. } => {
            &error::CLAIM_STAGE
        }
        ClaimError::OutOfOrder { .. } => &error::CLAIM_ORDER,
        ClaimError::ClosingDiffers { .. }
        | ClaimError::PaymentDiffers { .. }
        | ClaimError::OverRecovered { .. }
        | ClaimError::OverTakenBack { .. }
        | ClaimError::Overflow => &error::CLAIM_AMOUNT,
    };
    ProductionError::breaks(error.rule(), code, error.to_string())
}

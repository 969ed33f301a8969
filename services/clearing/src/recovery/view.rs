//! A recovery as it is shown, to either side and to the operator.

use jiff::Timestamp;
use kernel::Fen;
use production_core::adjustment::derivation::Derivation;
use production_core::claim::RecoveryStatus;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::clock::{self, Duty, Escalation};
use super::review::{Arbitration, Open, Outcome, Side};
use super::store::{PaymentRow, RecoveryRow, StepRow};

/// Somebody is waited for.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = RecoveryClock)]
pub struct ClockView {
    /// For what.
    pub duty: Duty,
    /// For whom.
    pub of: Side,
    /// Since when.
    #[schema(value_type = String, format = DateTime)]
    pub from: Timestamp,
    /// First instant that is too late.
    #[schema(value_type = String, format = DateTime)]
    pub due_at: Timestamp,
    /// From when on the operator is to look at it.
    #[schema(value_type = String, format = DateTime)]
    pub escalated_at: Timestamp,
    /// How far it has gone.
    pub escalation: Escalation,
    /// The parameter that sets the time. While a region does not set it, it is the platform's, from
    /// memory: the industry's time limits are not public.
    pub parameter: &'static str,
}

/// A recovery.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RecoveryView {
    /// 结算码.
    pub recovery_code: String,
    /// Status of list `recovery_code_status`.
    #[schema(example = "3")]
    pub status: &'static str,
    /// The same in Chinese.
    pub status_name: &'static str,
    /// Whether the list's meaning of the status is known, not inferred.
    pub status_confirmed: bool,
    /// Which side the caller is.
    pub side: Side,
    /// Who recovers.
    pub recovering_insurer: String,
    /// From whom.
    pub liable_insurer: String,
    /// The claim that recovers.
    pub claim_code: String,
    /// The liable policy, by its confirm code.
    pub liable_confirm_code: String,
    /// The insurer's number of it.
    pub liable_policy_no: String,
    /// The claim of the accident under it, when there was one at the lock.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub liable_claim_code: Option<String>,
    /// `1` its compulsory cover, `2` its third-party cover.
    pub from: &'static str,
    /// The liable vehicle.
    pub party: String,
    /// Its share of liability, of one.
    #[schema(value_type = String, example = "0.7")]
    pub liability_share: String,
    /// Most the cover has for this.
    pub limit: Fen,
    /// When the accident happened.
    #[schema(value_type = String, format = DateTime)]
    pub accident_at: Timestamp,
    /// When it was locked.
    #[schema(value_type = String, format = DateTime)]
    pub locked_at: Timestamp,
    /// The round under way or the last one; above 1 for a supplement.
    pub round: u32,
    /// What both sides say, while they do not agree.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub review: Option<Open>,
    /// Who decides, once arbitrators are asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub arbitration: Option<Arbitration>,
    /// Sum of what both sides stand by.
    pub agreed: Fen,
    /// By round.
    pub outcomes: Vec<Outcome>,
    /// Who is waited for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clock: Option<ClockView>,
    /// How what is claimed came about, all recoveries of the claim together.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub derivation: Option<Derivation>,
}

/// One thing that was done under a code.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RecoveryStepView {
    /// Its place, from 1.
    pub sequence: i32,
    /// Of which round.
    pub round: i32,
    /// `lock`, `cancel`, `start`, `settleFlat`, `state`, `withdraw`, `askArbitration`, `appoint`, `award`,
    /// `supplement`.
    pub step: String,
    /// `recovering`, `liable` or `operator`.
    pub side: String,
    /// By which insurer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub insurer: Option<String>,
    /// When.
    #[schema(value_type = String, format = DateTime)]
    pub recorded_at: Timestamp,
    /// Status after it.
    pub status: String,
    /// What was said.
    #[schema(value_type = Object)]
    pub facts: Value,
}

/// A claim payment that names the code.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RecoveryPaymentView {
    /// Of which claim.
    pub claim_code: String,
    /// The insurer's number of it.
    pub business_no: String,
    /// How much.
    pub amount: Fen,
    /// When.
    #[schema(value_type = String, format = DateTime)]
    pub paid_at: Timestamp,
}

/// A recovery with everything done under it.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RecoveryWhole {
    /// Where it stands.
    #[serde(flatten)]
    pub recovery: RecoveryView,
    /// Everything that was done, first to last.
    pub steps: Vec<RecoveryStepView>,
    /// Claim payments that name the code.
    pub payments: Vec<RecoveryPaymentView>,
}

impl RecoveryView {
    /// As `side` sees it at `now`; `status` with what settlement made of it.
    pub(super) fn of(
        row: &RecoveryRow,
        side: Side,
        now: Timestamp,
        status: RecoveryStatus,
    ) -> RecoveryView {
        let clock = clock::running(&row.life).zip(row.due).map(|(clock, due)| ClockView {
            duty: clock.duty,
            of: clock.of,
            from: clock.from,
            due_at: due.0,
            escalated_at: due.1,
            escalation: clock::escalation(due, now),
            parameter: clock.duty.parameter(),
        });
        RecoveryView {
            recovery_code: row.code.to_string(),
            status: status.code(),
            status_name: status.name_zh(),
            status_confirmed: status.is_confirmed(),
            side,
            recovering_insurer: row.recovering.code.as_str().to_owned(),
            liable_insurer: row.liable.code.as_str().to_owned(),
            claim_code: row.claim_no.to_string(),
            liable_confirm_code: row.liable_confirm_no.to_string(),
            liable_policy_no: row.facts.policy_no.clone(),
            liable_claim_code: row.facts.claim_no.map(|number| number.to_string()),
            from: row.from.code(),
            party: row.facts.party.clone(),
            liability_share: row.facts.share.get().normalize().to_string(),
            limit: row.facts.purse(row.from),
            accident_at: row.accident_at,
            locked_at: row.locked_at,
            round: row.life.round(),
            review: row.life.open().cloned(),
            arbitration: row.life.arbitration().cloned(),
            agreed: row.life.agreed(),
            outcomes: row.life.outcomes.clone(),
            clock,
            derivation: row.derivation.clone(),
        }
    }
}

impl RecoveryStepView {
    pub(super) fn of(row: StepRow) -> RecoveryStepView {
        RecoveryStepView {
            sequence: row.sequence,
            round: row.round,
            step: row.step,
            side: row.side,
            insurer: row.insurer,
            recorded_at: row.recorded_at,
            status: row.status,
            facts: serde_json::from_str(&row.facts).unwrap_or(Value::Null),
        }
    }
}

impl From<PaymentRow> for RecoveryPaymentView {
    fn from(row: PaymentRow) -> RecoveryPaymentView {
        RecoveryPaymentView {
            claim_code: row.claim_code,
            business_no: row.business_no,
            amount: row.amount,
            paid_at: row.paid_at,
        }
    }
}

//! How an endorsement reads.

use base_http::{Done, EventDraft, Notice};
use http::StatusCode;
use jiff::Timestamp;
use kernel::{Fen, Period};
use production_core::endorsement::Stage;
use production_core::quote::Payment;
use production_rating::Rating;
use serde::Serialize;
use utoipa::ToSchema;

use crate::endorsement::Formula;
use crate::store::endorsement::EndorsementRecord;
use crate::store::policy::PolicyRecord;

/// 批单: an endorsement as every step of it, and every read, answers.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Endorsement)]
pub struct EndorsementView {
    /// 批改查询码.
    #[schema(example = "03PICC320026123450000000000017")]
    pub amend_code: String,
    /// 批改确认码, once confirmed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub amend_confirm_code: Option<String>,
    /// The policy.
    pub confirm_code: String,
    /// 批改类型.
    #[schema(example = "05")]
    pub kind: &'static str,
    /// The kind in words.
    pub kind_name: &'static str,
    /// 批改类型 in Chinese.
    pub kind_name_zh: &'static str,
    /// Its number among the policy's endorsements.
    pub endorse_times: u32,
    /// `queried`, `pre_confirmed`, `paid`, `confirmed` or `cancelled`.
    pub stage: &'static str,
    /// From when it holds.
    #[schema(value_type = String, format = DateTime)]
    pub effective_at: Timestamp,
    /// Why, in the insurer's words.
    pub reason: String,
    /// 退保原因.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub surrender_reason: Option<&'static str>,
    /// Premium to pay, or to pay back when negative.
    pub premium_difference: Fen,
    /// Vehicle tax to pay, or to pay back when negative.
    pub tax_difference: Fen,
    /// Both together: the money to register.
    pub payable: Fen,
    /// How they were computed.
    pub formula: Formula,
    /// Premium the customer will have paid in all.
    pub premium: Fen,
    /// Vehicle tax withheld in all.
    pub tax: Fen,
    /// Premium of the whole period at the new rates.
    pub rated_premium: Fen,
    /// When it was queried.
    #[schema(value_type = String, format = DateTime)]
    pub queried_at: Timestamp,
    /// First instant at which the next step comes too late, while it is open.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub valid_until: Option<Timestamp>,
    /// When it was confirmed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub confirmed_at: Option<Timestamp>,
    /// Whether it is confirmed and its day has come.
    pub in_effect: bool,
    /// The insurer's own number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub endorsement_no: Option<String>,
    /// Money registered: received, or given back when negative.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub money: Option<MoneyView>,
    /// Money of an endorsement that was not made: positive must go back to the customer, negative
    /// must be asked back.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Fen>)]
    pub undo: Option<Fen>,
    /// The policy as it stands with a confirmed endorsement.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub policy: Option<EndorsedPolicy>,
    /// The rating of the new facts, with its traces; in the answer of the query alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub rating: Option<Rating>,
    /// What a person should see.
    pub notices: Vec<Notice>,
}

/// Registered money.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = EndorsementMoney)]
pub struct MoneyView {
    /// Received, or given back when negative.
    pub amount: Fen,
    /// Reference of the payment.
    pub reference: String,
    /// When it was paid.
    #[schema(value_type = String, format = DateTime)]
    pub paid_at: Timestamp,
}

/// What an endorsement made of its policy.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct EndorsedPolicy {
    /// Period of cover, suspensions included.
    pub period: Period,
    /// 保单状态 at the time of the answer.
    #[schema(value_type = String, example = "IN_FORCE")]
    pub state: production_core::policy::PolicyState,
    /// First instant without cover, for a policy that ends before its time.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub ends_at: Option<Timestamp>,
}

impl EndorsementView {
    /// The endorsement where it stands at `now`, in `stage`.
    pub(crate) fn of(record: &EndorsementRecord, stage: &Stage, now: Timestamp) -> EndorsementView {
        let terms = record.terms;
        let told = |recorded: Timestamp| recorded <= now;
        let money = record.money.as_ref().filter(|money| told(money.recorded_at));
        let confirmed_at = match stage {
            Stage::Confirmed { at, .. } => Some(*at),
            _ => None,
        };
        let undone = matches!(stage, Stage::Cancelled { .. });
        EndorsementView {
            amend_code: record.amend_no.to_string(),
            amend_confirm_code: confirmed_at
                .and(record.amend_confirm_no)
                .map(|number| number.to_string()),
            confirm_code: record.confirm_no.to_string(),
            kind: terms.kind.code(),
            kind_name: terms.kind.name_en(),
            kind_name_zh: terms.kind.name_zh(),
            endorse_times: terms.endorse_times,
            stage: stage.name(),
            effective_at: terms.effective,
            reason: record.reason.clone(),
            surrender_reason: record.ending.map(|reason| reason.code()),
            premium_difference: terms.difference.premium,
            tax_difference: terms.difference.tax,
            payable: terms.difference.total().unwrap_or_default(),
            formula: record.formula.clone(),
            premium: record.after.premium,
            tax: record.after.tax,
            rated_premium: record.after.rated_premium,
            queried_at: record.queried_at,
            valid_until: open_until(stage),
            confirmed_at,
            in_effect: stage.is_effective(now),
            endorsement_no: record.endorsement_no.clone().filter(|_| confirmed_at.is_some()),
            money: money.map(|money| MoneyView::of(&money.payment)),
            undo: money.filter(|_| undone).map(|money| money.payment.amount),
            policy: None,
            rating: None,
            notices: Vec::new(),
        }
    }

    /// The same with the policy it changed.
    pub(crate) fn with(self, policy: &PolicyRecord, now: Timestamp) -> EndorsementView {
        let facts = &policy.facts;
        let policy = EndorsedPolicy {
            period: facts.period,
            state: facts.state_at(now),
            ends_at: facts.ending.map(|ending| ending.at()),
        };
        EndorsementView { policy: Some(policy), ..self }
    }

    /// The answer of a step, told as `event`.
    pub(crate) fn done(&self, status: StatusCode, slot: u16, event: &'static str) -> Done {
        Done::json(status, self, slot, self.amend_code.clone()).telling(EventDraft {
            kind: event,
            subject: self.amend_code.clone(),
            data: serde_json::json!({
                "confirmCode": self.confirm_code,
                "amendConfirmCode": self.amend_confirm_code,
                "kind": self.kind,
                "endorseTimes": self.endorse_times,
                "effectiveAt": self.effective_at,
                "premiumDifference": self.premium_difference,
                "taxDifference": self.tax_difference,
            }),
        })
    }
}

impl MoneyView {
    fn of(payment: &Payment) -> MoneyView {
        MoneyView {
            amount: payment.amount,
            reference: payment.reference.clone(),
            paid_at: payment.paid_at,
        }
    }
}

fn open_until(stage: &Stage) -> Option<Timestamp> {
    match stage {
        Stage::Queried { until, .. }
        | Stage::PreConfirmed { until, .. }
        | Stage::Paid { until, .. } => Some(*until),
        Stage::Confirmed { .. } | Stage::Cancelled { .. } => None,
    }
}

//! What a claim step answers.

use base_http::Notice;
use jiff::Timestamp;
use jiff::civil::Date;
use kernel::Fen;
use production_core::claim::Stage;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::claim::hint::renamed;
use crate::claim::lock::RecoveryLock;
use crate::claim::score::FraudScore;

/// A step as it was taken. The same for every upload of it.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClaimStepView {
    /// 理赔编号: names the case in every later message.
    #[schema(example = "05PICC320026123450000000000015")]
    pub claim_code: String,
    /// Which step, for example `survey`.
    pub step: &'static str,
    /// The insurer's number of it.
    pub business_no: String,
    /// Its place in the case, from 1.
    pub sequence: i32,
    /// How often the case had been reopened.
    pub round: u32,
    /// `current`, or `late` when it tells of a time before a closing that stands already.
    pub standing: &'static str,
    /// Where the case stands after it.
    pub stage: Stage,
    /// When it was recorded.
    #[schema(value_type = String, format = DateTime)]
    pub recorded_at: Timestamp,
    /// 结案校验码, of a closing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub closing_check_code: Option<String>,
    /// What the closing that stands still owes; negative is to be given back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub due: Option<Fen>,
    /// The earliest duty the law sets that is not done.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub next_due_at: Option<Timestamp>,
    /// RISK_INFO: what a claims handler should look at.
    pub risk_hints: Vec<HintView>,
    /// How likely fraud is, where the step is scored; `N2151` among the notices says why it is not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fraud_score: Option<FraudScore>,
    /// LOCKED_LIST: recovery locks that touch this case.
    pub locks: Vec<RecoveryLock>,
    /// The accident as the police recorded it, where they were asked and answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub police: Option<PoliceAccidentView>,
    /// What a person should see.
    pub notices: Vec<Notice>,
}

/// An accident as the police recorded it: another authority's record, so vehicles are masked and
/// nobody is named.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PoliceAccidentView {
    /// 事故编号.
    pub accident_no: String,
    /// When it happened.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// Where.
    pub place: String,
    /// 责任认定书编号.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub statement_no: Option<String>,
    /// Day of the statement.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = Date)]
    pub stated_on: Option<Date>,
    /// Injured persons.
    pub injured: u16,
    /// Dead persons.
    pub dead: u16,
    /// Vehicles in it.
    pub parties: Vec<PolicePartyView>,
}

/// A vehicle of an accident as the police recorded it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PolicePartyView {
    /// It is the insured vehicle.
    pub own: bool,
    /// Plate, masked unless it is the insured vehicle's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plate: Option<String>,
    /// 事故责任, list `accident_liability`.
    pub liability: String,
    /// Share in percent, where they set one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub share_pct: Option<Decimal>,
}

/// A risk hint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct HintView {
    /// `L52`, `L53` or `H01` to `H08` (docs/guides/claims.md).
    #[serde(deserialize_with = "named")]
    pub rule: String,
    /// What it is about: `frame`, `plate`, `phone`, `driver`, `repairer`, `injured`, `start`,
    /// `liability`, `part` or `score`.
    pub kind: String,
    /// In words.
    pub text: String,
    /// The other case.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub claim_code: Option<String>,
    /// Who handles it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub insurer: Option<String>,
    /// Day of its accident.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = Date)]
    pub accident_on: Option<Date>,
    /// Where in the message.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pointer: Option<String>,
}

/// A rule as stored answers name it.
fn named<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    String::deserialize(deserializer).map(renamed)
}

//! What each message of a claim says, as far as guards, clocks and discounts depend on it.
//!
//! Kept with the step in the clear, so no personal data here: persons are items with an amount.
//! Amounts are fen; instants are when a thing happened, not when it was told.

use jiff::Timestamp;
use kernel::Fen;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use super::{
    CancelKind, Cause, CompulsoryClaimKind, DocumentKind, FraudKind, HandledBy, Liability,
    LiabilityDocument, PayeeKind, PersonHarm, RecoverOrPay, Step,
};
use crate::adjustment::recovery::RecoveryFrom;
use crate::cover::Cover;
use crate::mark::VehicleMark;
use crate::plate::Plate;

/// One message, read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "step", content = "facts")]
pub enum StepFacts {
    /// 报案.
    Notify(NotifyFacts),
    /// 查勘.
    Survey(SurveyFacts),
    /// 立案.
    Register(RegisterFacts),
    /// 定核损.
    Assess(AssessFacts),
    /// 单证.
    Documents(DocumentsFacts),
    /// 理算核赔.
    Adjust(AdjustFacts),
    /// 结案.
    Close(CloseFacts),
    /// 赔款支付.
    Pay(PayFacts),
    /// 重开.
    Reopen(ReopenFacts),
    /// 注销.
    Cancel(CancelFacts),
    /// 未决估损.
    Estimate(EstimateFacts),
    /// 追偿回款.
    Recovery(RecoveryFacts),
    /// 更正.
    Correct(CorrectFacts),
}

impl StepFacts {
    /// Which message it is.
    pub const fn step(&self) -> Step {
        match self {
            StepFacts::Notify(_) => Step::Notify,
            StepFacts::Survey(_) => Step::Survey,
            StepFacts::Register(_) => Step::Register,
            StepFacts::Assess(_) => Step::Assess,
            StepFacts::Documents(_) => Step::Documents,
            StepFacts::Adjust(_) => Step::Adjust,
            StepFacts::Close(_) => Step::Close,
            StepFacts::Pay(_) => Step::Pay,
            StepFacts::Reopen(_) => Step::Reopen,
            StepFacts::Cancel(_) => Step::Cancel,
            StepFacts::Estimate(_) => Step::Estimate,
            StepFacts::Recovery(_) => Step::Recovery,
            StepFacts::Correct(_) => Step::Correct,
        }
    }

    /// When what it tells of happened.
    pub const fn at(&self) -> Timestamp {
        match self {
            StepFacts::Notify(facts) => facts.reported_at,
            StepFacts::Survey(facts) => facts.at,
            StepFacts::Register(facts) => facts.at,
            StepFacts::Assess(facts) => facts.at,
            StepFacts::Documents(facts) => facts.complete_at,
            StepFacts::Adjust(facts) => facts.at,
            StepFacts::Close(facts) => facts.at,
            StepFacts::Pay(facts) => facts.at,
            StepFacts::Reopen(facts) => facts.at,
            StepFacts::Cancel(facts) => facts.at,
            StepFacts::Estimate(facts) => facts.at,
            StepFacts::Recovery(facts) => facts.at,
            StepFacts::Correct(facts) => facts.at,
        }
    }

    /// What it puts into the books: the loss that was estimated, or what was adjusted, closed with,
    /// paid or recovered. `None` of a message that moves no amount of the case.
    pub const fn amount(&self) -> Option<Fen> {
        match self {
            StepFacts::Register(facts) => Some(facts.estimate),
            StepFacts::Adjust(facts) => Some(facts.total),
            StepFacts::Close(facts) => Some(facts.total),
            StepFacts::Pay(facts) => Some(facts.total),
            StepFacts::Estimate(facts) => Some(facts.outstanding),
            StepFacts::Recovery(facts) => Some(facts.amount),
            StepFacts::Notify(_)
            | StepFacts::Survey(_)
            | StepFacts::Assess(_)
            | StepFacts::Documents(_)
            | StepFacts::Reopen(_)
            | StepFacts::Cancel(_)
            | StepFacts::Correct(_) => None,
        }
    }
}

/// 报案: an accident is reported under a policy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NotifyFacts {
    /// When it happened.
    pub accident_at: Timestamp,
    /// When it was reported.
    pub reported_at: Timestamp,
    /// Six-digit area code of the place (GB/T 2260).
    #[serde(default)]
    pub district: Option<String>,
    /// As far as known.
    #[serde(default)]
    pub liability: Option<Liability>,
    /// Who handles it.
    #[serde(default)]
    pub handled_by: Option<HandledBy>,
    /// Why it happened.
    #[serde(default)]
    pub cause: Option<Cause>,
    /// 代位求偿: own insurer pays and recovers.
    #[serde(default)]
    pub subrogation: bool,
    /// 互碰自赔: each pays its own.
    #[serde(default)]
    pub mutual: bool,
    /// Somebody is hurt.
    #[serde(default)]
    pub injury: bool,
    /// Plates of the other vehicles, as far as known.
    #[serde(default)]
    pub third_plates: Vec<Plate>,
    /// The vehicle was stolen when it happened.
    #[serde(default)]
    pub stolen: bool,
    /// The police's number of the accident.
    #[serde(default)]
    pub police_accident_no: Option<String>,
}

/// 查勘: what was found at the scene.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SurveyFacts {
    /// End of the last inspection.
    pub at: Timestamp,
    /// Who is liable.
    pub liability: Liability,
    /// How that was settled.
    #[serde(default)]
    pub liability_document: Option<LiabilityDocument>,
    /// Who handled it.
    #[serde(default)]
    pub handled_by: Option<HandledBy>,
    /// Why it happened.
    #[serde(default)]
    pub cause: Option<Cause>,
    /// Nobody else was in it.
    #[serde(default)]
    pub single_vehicle: bool,
    /// Somebody is hurt.
    #[serde(default)]
    pub injury: bool,
    /// Things beside vehicles are damaged.
    #[serde(default)]
    pub property: bool,
    /// 互碰自赔.
    #[serde(default)]
    pub mutual: bool,
    /// Vehicles seen, the insured one included; zero of a survey that lists none.
    #[serde(default)]
    pub vehicles: u32,
    /// Other vehicles seen.
    #[serde(default)]
    pub third_vehicles: u32,
    /// Persons seen hurt.
    #[serde(default)]
    pub persons: u32,
    /// Estimate of everything.
    #[serde(default)]
    pub estimate: Fen,
    /// The police's number of the accident.
    #[serde(default)]
    pub police_accident_no: Option<String>,
    /// In a case: the end of the earlier survey that listed the vehicles, where this one listed none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vehicles_at: Option<Timestamp>,
    /// Which the other vehicles are, as far as told; listed with `vehicles`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub others: Vec<OtherVehicle>,
}

/// Another vehicle seen at the scene.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OtherVehicle {
    /// Its number in the case.
    pub item: u16,
    /// Of its frame number and plate.
    pub marks: Vec<VehicleMark>,
}

/// 立案: the case is taken on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RegisterFacts {
    /// When.
    pub at: Timestamp,
    /// The insurer's number of the registration.
    pub registration_no: String,
    /// Estimated loss.
    pub estimate: Fen,
    /// What a compulsory case is.
    #[serde(default)]
    pub kind: Option<CompulsoryClaimKind>,
    /// 代位求偿.
    #[serde(default)]
    pub subrogation: bool,
}

/// A damaged vehicle as assessed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LossVehicle {
    /// Its number in the case.
    pub item: u16,
    /// The insured vehicle (VEHICLE_PROPERTY 1).
    pub own: bool,
    /// Defined loss (定损).
    pub loss: Fen,
    /// 施救费.
    #[serde(default)]
    pub salvage: Fen,
    /// 全损.
    #[serde(default)]
    pub total_loss: bool,
    /// Value of the wreck, taken off a total loss (残值).
    #[serde(default)]
    pub residual: Fen,
    /// The other side cannot be found (无法找到第三方).
    #[serde(default)]
    pub no_third_party: bool,
    /// Which vehicle it is: of its frame number and plate, as far as told.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub marks: Vec<VehicleMark>,
}

/// Damaged property as assessed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LossProperty {
    /// Its number in the case.
    pub item: u16,
    /// Defined loss.
    pub loss: Fen,
}

/// A person hurt, as assessed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LossPerson {
    /// Its number in the case.
    pub item: u16,
    /// In the insured vehicle (PERSON_PROPERTY 1).
    pub own: bool,
    /// Injured or dead.
    pub harm: PersonHarm,
    /// Death, disability, lost income.
    pub death_disability: Fen,
    /// Medical expenses.
    pub medical: Fen,
}

/// 定核损: what the loss is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AssessFacts {
    /// When it was approved (核损).
    pub at: Timestamp,
    /// Vehicles.
    #[serde(default)]
    pub vehicles: Vec<LossVehicle>,
    /// Property.
    #[serde(default)]
    pub properties: Vec<LossProperty>,
    /// Persons.
    #[serde(default)]
    pub persons: Vec<LossPerson>,
}

/// 单证: what was handed in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DocumentsFacts {
    /// When the last one needed came (单证齐全).
    pub complete_at: Timestamp,
    /// When the insurer answered with the list of what is needed.
    #[serde(default)]
    pub listed_at: Option<Timestamp>,
    /// What came.
    pub kinds: Vec<DocumentKind>,
}

/// A row of an adjustment or a closing: what one cover pays for one fee.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CoverRow {
    /// The cover.
    pub cover: Cover,
    /// Code of [`FeeType`](crate::adjustment::compulsory::FeeType) or [`super::CommercialFee`], by the
    /// policy.
    pub fee: String,
    /// What is paid (CLAIM_AMOUNT).
    pub amount: Fen,
    /// The vehicle, property or person it is paid for.
    #[serde(default)]
    pub item: Option<u16>,
    /// Share of the insured side in percent (LIABILITY_RATE).
    #[serde(default)]
    pub share_pct: Option<Decimal>,
    /// Loss the cover answers for.
    #[serde(default)]
    pub loss: Fen,
    /// Salvage (施救费) it answers for.
    #[serde(default)]
    pub salvage: Fen,
    /// What compulsory covers pay of it.
    #[serde(default)]
    pub compulsory_paid: Fen,
    /// Anything else taken off: no-fault advance, other covers, the wreck.
    #[serde(default)]
    pub deductions: Fen,
}

/// Money to be recovered from somebody, or paid because somebody recovers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RecoverOrPayRow {
    /// Its number in the message.
    pub serial_no: u16,
    /// Which of the two.
    pub direction: RecoverOrPay,
    /// From or to whom.
    pub counterparty: RecoveryFrom,
    /// 结算码, where it is settled between insurers.
    #[serde(default)]
    pub recovery_code: Option<String>,
    /// How much.
    pub amount: Fen,
}

/// 理算核赔: what the policy pays.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AdjustFacts {
    /// When it was approved (核赔).
    pub at: Timestamp,
    /// When insured and insurer agreed on the amount.
    #[serde(default)]
    pub agreed_at: Option<Timestamp>,
    /// What is paid in all.
    pub total: Fen,
    /// By cover and fee.
    pub covers: Vec<CoverRow>,
    /// Recoveries and payments to recovering insurers.
    #[serde(default)]
    pub recoveries: Vec<RecoverOrPayRow>,
    /// A court is asked.
    #[serde(default)]
    pub litigation: bool,
}

/// 结案: how the case ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CloseFacts {
    /// When.
    pub at: Timestamp,
    /// What is paid in all.
    pub total: Fen,
    /// It is an insured event (属于保险责任).
    pub insured: bool,
    /// Why it is refused, when it is.
    #[serde(default)]
    pub refusal: Option<String>,
    /// When the refusal was sent to the claimant.
    #[serde(default)]
    pub refusal_sent_at: Option<Timestamp>,
    /// Who is liable in the end.
    pub liability: Liability,
    /// Somebody died.
    #[serde(default)]
    pub death: bool,
    /// 互碰自赔.
    #[serde(default)]
    pub mutual: bool,
    /// The insurer counts it towards the discount (RegistTimesFlag).
    #[serde(default)]
    pub counts: Option<bool>,
    /// 无责代赔 paid on behalf of the side without fault.
    #[serde(default)]
    pub no_fault_advance: Fen,
    /// Expenses of handling it, not paid to anybody of the accident.
    #[serde(default)]
    pub expenses: Fen,
    /// The insured vehicle is a total loss, and the policy ends.
    #[serde(default)]
    pub total_loss: bool,
    /// What makes it look like fraud; empty when nothing does.
    #[serde(default)]
    pub fraud: Vec<FraudKind>,
    /// The insurer flags it as fraud.
    #[serde(default)]
    pub fraud_flag: bool,
    /// Got back because of the fraud.
    #[serde(default)]
    pub fraud_recovered: Fen,
}

/// Somebody who is paid.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PayeeRow {
    /// What he is in the case.
    pub kind: PayeeKind,
    /// How much; negative is money given back after a reopening.
    pub amount: Fen,
    /// 结算码, when it settles a recovery.
    #[serde(default)]
    pub recovery_code: Option<String>,
}

/// 赔款支付: money that went out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PayFacts {
    /// When.
    pub at: Timestamp,
    /// All of this payment.
    pub total: Fen,
    /// Who got it.
    pub payees: Vec<PayeeRow>,
}

/// 重开: a closed case is taken up again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ReopenFacts {
    /// When.
    pub at: Timestamp,
}

/// 注销: the case is given up before it is closed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CancelFacts {
    /// When.
    pub at: Timestamp,
    /// What ends.
    pub kind: CancelKind,
}

/// 未决估损: what is still expected to be paid.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EstimateFacts {
    /// As of when.
    pub at: Timestamp,
    /// Outstanding loss.
    pub outstanding: Fen,
}

/// 追偿回款: money got back from the liable side; negative when the platform took it back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RecoveryFacts {
    /// When.
    pub at: Timestamp,
    /// How much.
    pub amount: Fen,
    /// From whom.
    pub counterparty: RecoveryFrom,
    /// What it settles, where a flat amount is paid instead (定额结算); what counts as recovered, or,
    /// negative, no longer does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settles: Option<Fen>,
}

/// 更正: what an upheld dispute puts right about the closing that holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CorrectFacts {
    /// When.
    pub at: Timestamp,
    /// The dispute that was upheld.
    pub dispute_no: String,
    /// Whether the case counts towards the discount after all.
    #[serde(default)]
    pub counts: Option<bool>,
    /// Whether the insured driver bears fault after all.
    #[serde(default)]
    pub at_fault: Option<bool>,
}

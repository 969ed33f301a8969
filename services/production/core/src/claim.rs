//! Claims (理赔): the vocabulary of a case, what each of its messages says, and the life of it.
//!
//! ```text
//! 报案 notify -> 查勘 survey -> 立案 register -> 定核损 assess -> 单证 documents -> 理算核赔 adjust
//!     -> 结案 close -> 赔付 pay;  重开 reopen after closing, and again from the survey on;
//!     注销 cancel before closing;  未决估损 estimate, 追偿回款 recovery, 更正 correct beside it
//! ```
//!
//! A case ([`Case`]) is the fold of its steps: nothing of it is known that no step said. Steps that
//! repeat (survey, assessment, documents, estimate) are versions. A closing after a reopening
//! replaces the effect of the one before and erases nothing.

mod by_cover;
mod case;
pub mod check;
mod direct;
pub mod dispute;
mod effect;
mod facts;
pub mod feature;
mod recovery;
pub mod referral;
mod reserve;

use serde::{Deserialize, Serialize};

use crate::coded_enum;

pub use by_cover::{CoverCost, CoverCosts};
pub use case::{Accepted, Case, ClaimError, Stage, Standing};
pub use check::Promise;
pub use direct::{PaidForOthers, PaidLoss};
pub use effect::{Closing, corrected, counts_by_rule};
pub use facts::{
    AdjustFacts, AssessFacts, CancelFacts, CloseFacts, CorrectFacts, CoverRow, DocumentsFacts,
    EstimateFacts, LossPerson, LossProperty, LossVehicle, NotifyFacts, OtherVehicle, PayFacts,
    PayeeRow, RecoverOrPayRow, RecoveryFacts, RegisterFacts, ReopenFacts, StepFacts, SurveyFacts,
};
pub use recovery::{RecoveryStatus, recovery_case};

coded_enum! {
    /// A message of a claim. The codes are those of the compulsory messages; estimate and recovery
    /// receipt exist in the commercial ones alone, and the correction that follows an upheld dispute
    /// is the platform's own.
    ///
    /// Source: `tariffs/request_types.csv`.
    pub enum Step ("claim step") {
        Notify = "50", "报案", "notify";
        Survey = "55", "查勘", "survey";
        Register = "51", "立案", "register";
        Assess = "56", "定核损", "assess";
        Documents = "57", "单证", "documents";
        Adjust = "58", "理算核赔", "adjust";
        Close = "52", "结案", "close";
        Pay = "59", "赔款支付", "pay";
        Reopen = "5A", "重开", "reopen";
        Cancel = "54", "注销", "cancel";
        Estimate = "V3116", "未决估损", "estimate";
        Recovery = "V3115", "追偿回款", "recovery";
        Correct = "P01", "更正", "correct";
    }
}

impl Step {
    /// The step of that word, as paths and batch lines name it.
    pub fn named(word: &str) -> Option<Step> {
        Step::ALL.iter().copied().find(|step| step.name_en() == word)
    }

    /// Whether a case may have several of it without a reopening between them.
    pub const fn repeats(self) -> bool {
        matches!(
            self,
            Step::Survey
                | Step::Assess
                | Step::Documents
                | Step::Adjust
                | Step::Pay
                | Step::Estimate
                | Step::Recovery
        )
    }
}

coded_enum! {
    /// Liability of the insured vehicle's driver (事故责任).
    ///
    /// Source: `tariffs/platform_code_lists.csv`, list `accident_liability`; the customary shares are
    /// from memory there (`liability_share_pct`), and a finding of police or court may set others.
    pub enum Liability ("accident liability") {
        Full = "1", "全责", "full";
        Main = "2", "主责", "main";
        Equal = "3", "同责", "equal";
        Minor = "4", "次责", "minor";
        None = "5", "无责", "none";
        Undetermined = "9", "未定", "undetermined";
    }
}

impl Liability {
    /// Customary share in percent; `None` while undetermined.
    pub const fn share_pct(self) -> Option<u8> {
        match self {
            Liability::Full => Some(100),
            Liability::Main => Some(70),
            Liability::Equal => Some(50),
            Liability::Minor => Some(30),
            Liability::None => Some(0),
            Liability::Undetermined => Option::None,
        }
    }

    /// Some fault is found (有责).
    pub const fn at_fault(self) -> bool {
        matches!(self, Liability::Full | Liability::Main | Liability::Equal | Liability::Minor)
    }
}

coded_enum! {
    /// Who handled the accident (处理方式). List `manage_type`; 14 to 17 are court variants.
    pub enum HandledBy ("accident handling") {
        Insurer = "10", "保险公司处理", "insurer handled";
        Parties = "11", "自行协商", "self-negotiated";
        Police = "12", "交管部门处理", "traffic police";
        Simplified = "13", "简易程序", "simplified procedure";
        Court = "14", "法院判决/调解", "court (14-17 are court variants)";
        Other = "19", "其他", "other";
    }
}

coded_enum! {
    /// Why it happened. List `accident_cause`.
    pub enum Cause ("accident cause") {
        RearEnd = "01", "追尾", "rear-end";
        WrongWay = "02", "逆行", "wrong way";
        Reversing = "03", "倒车", "reversing";
        Rolling = "04", "溜车", "rolling";
        DoorOpening = "05", "开关车门", "door opening";
        Signal = "06", "违反信号", "signal violation";
        FailureToYield = "07", "未按规定让行", "failure to yield";
        SingleVehicle = "08", "单车事故", "single vehicle";
        Other = "98", "其他", "other";
    }
}

coded_enum! {
    /// What a compulsory case is. List `claim_type_ci`.
    pub enum CompulsoryClaimKind ("compulsory claim type") {
        Normal = "1", "正常", "normal";
        NoLiability = "2", "无责", "no liability";
        Advance = "3", "垫付", "advance payment";
        FundAdvance = "4", "垫付救助基金", "advance to road-accident fund";
        Other = "9", "其他", "other";
    }
}

coded_enum! {
    /// What a row of a commercial adjustment pays for. List `loss_fee_type_bi`.
    pub enum CommercialFee ("commercial fee type") {
        Vehicle = "1", "车损", "vehicle damage";
        Property = "2", "财损", "property";
        DeathDisability = "5", "死亡伤残", "death/disability";
        Medical = "6", "医疗", "medical";
    }
}

coded_enum! {
    /// Whether money is recovered, or paid because it is recovered from us. List
    /// `recovery_or_pay_flag`.
    pub enum RecoverOrPay ("recover or pay") {
        Recover = "1", "追偿", "recover";
        Pay = "2", "清付", "pay (being recovered)";
    }
}

coded_enum! {
    /// How a person was hurt. List `person_pay_type`.
    pub enum PersonHarm ("person pay type") {
        Injured = "1", "伤残", "injured/disabled";
        Dead = "2", "死亡", "dead";
    }
}

coded_enum! {
    /// Document that settles who is liable. List `sub_certi_type`.
    pub enum LiabilityDocument ("liability document") {
        PoliceStatement = "1", "责任认定书", "police liability certificate";
        Agreement = "2", "简易事故处理协议", "simplified accident agreement";
        OtherProof = "3", "其他证明", "other proof";
    }
}

coded_enum! {
    /// What a cancellation ends. List `claim_cancel_type`.
    pub enum CancelKind ("cancel type") {
        Notification = "1", "报案注销", "cancel FNOL";
        Registration = "2", "立案注销", "cancel registration";
    }
}

coded_enum! {
    /// What makes a case look like fraud. List `fraud_type`.
    pub enum FraudKind ("fraud type") {
        Withdrawn = "01", "放弃索赔", "claimant withdrew";
        Suspected = "03", "疑似欺诈", "suspected fraud";
    }
}

/// A document handed in (单证).
///
/// The industry's list of document classes is not public; these are the classes the rules ask for,
/// and the rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub enum DocumentKind {
    /// 索赔申请书.
    ClaimApplication,
    /// 代位求偿案件索赔申请书.
    SubrogationApplication,
    /// 责任认定书.
    LiabilityStatement,
    /// 简易事故处理协议.
    SimplifiedAgreement,
    /// Another proof of who is liable.
    OtherLiabilityProof,
    /// 行驶证.
    VehicleLicence,
    /// 驾驶证.
    DrivingLicence,
    /// 维修发票.
    RepairInvoice,
    /// 医疗费发票.
    MedicalInvoice,
    /// 伤残鉴定书.
    DisabilityReport,
    /// 死亡证明.
    DeathCertificate,
    /// 法院判决书、调解书.
    CourtDocument,
    /// Any other.
    Other,
}

impl DocumentKind {
    /// One of the three documents that settle who is liable (rule L58).
    pub const fn settles_liability(self) -> bool {
        matches!(
            self,
            DocumentKind::LiabilityStatement
                | DocumentKind::SimplifiedAgreement
                | DocumentKind::OtherLiabilityProof
        )
    }
}

/// Who is paid (领款人类型).
///
/// Rule L55 names them; the platform's own list is not public.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub enum PayeeKind {
    /// 被保险人.
    Insured,
    /// 受害人.
    Victim,
    /// 医院.
    Hospital,
    /// 修理厂.
    Repairer,
    /// An insurer that recovers: carries a recovery code.
    Insurer,
    /// Anybody else: accepted with a notice.
    Other,
}

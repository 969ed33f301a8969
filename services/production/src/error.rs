//! Why the production cloud refuses, and how that reads as a problem.

use base_http::{FieldError, Naming, Problem, ProblemCode, ShownRecord};
use production_core::number::PlatformNumber;
use production_core::rule::RuleId;

base_http::problems! {
    /// The number does not exist or belongs to somebody else.
    NO_SUCH_NUMBER = "E2000" 404 "no such number" "查无此号码";
    /// The quote can no longer be used.
    QUOTE_EXPIRED = "E2001" 409 "the query code has expired" "投保查询码已失效";
    /// The query code was used before.
    QUOTE_USED = "E2002" 409 "the query code is used" "投保查询码已使用";
    /// A newer quote of the same insurer for the vehicle stands.
    QUOTE_SUPERSEDED = "E2003" 409 "a newer quote supersedes this one" "已有新的投保查询";
    /// The step is not the next one.
    WRONG_STAGE = "E2004" 409 "the stage does not allow this step" "当前状态不允许此操作";
    /// Compulsory cover already runs in the period.
    DUPLICATE_COVER = "E2005" 409 "the vehicle has compulsory cover in this period" "交强险重复投保";
    /// The insurer used the policy number for this class before.
    POLICY_NUMBER_USED = "E2006" 409 "the policy number is used" "保单号已使用";
    /// Echoed amounts differ from the frozen ones.
    AMOUNT_DIFFERS = "E2007" 422 "an amount differs from the pre-confirmation" "金额与预确认不一致";
    /// The money is not registered.
    NOT_PAID = "E2008" 409 "no premium, no policy: the payment is not registered" "未登记到账，不得确认";
    /// Another endorsement is open.
    ENDORSEMENT_OPEN = "E2009" 409 "another endorsement of this policy is open" "存在未完成的批改";
    /// Endorsements come in order.
    ENDORSEMENT_ORDER = "E2010" 409 "the endorsement is out of order" "批改次序不符";
    /// The police or the model library reports what forbids the policy.
    VEHICLE_BARRED = "E2011" 422 "the vehicle cannot be insured" "车辆状态不允许承保";
    /// What was assumed at the quote turned out different.
    QUOTE_STALE = "E2012" 409 "the quote rests on facts that have changed; quote again" "投保查询依据已变化，请重新查询";
    /// An outside system must answer before this step and does not.
    OUTSIDE_UNAVAILABLE = "E2013" 503 "an outside system does not answer" "外部系统暂不可用";
    /// Not for callers: the confirmation must look outside again and come back.
    RECHECK = "E2015" 503 "an outside system must be asked again" "须重新核对外部数据";
    /// Nothing is published to rate with.
    NO_TARIFF = "E2014" 503 "no tariff is published" "未发布费率";
    /// The amend query code ran out, or its day passed.
    ENDORSEMENT_EXPIRED = "E2016" 409 "the amend query code has expired" "批改查询码已失效";
    /// The amend query code was confirmed before.
    ENDORSEMENT_USED = "E2017" 409 "the amend query code is used" "批改查询码已使用";
    /// The end pushed back by a suspension reaches into a policy sold in the meantime.
    RESUME_BLOCKED = "E2018" 409 "the period pushed back runs into another policy" "复驶后保险期间与其他保单重叠";
    /// Only what costs and returns nothing skips the steps.
    NOT_DIRECT = "E2019" 422 "this endorsement cannot be made directly" "此批改不适用直接批改";
    /// The policy's state does not allow it.
    POLICY_STATE = "E2020" 409 "the policy's state does not allow this" "保单当前状态不允许此操作";
    /// Compulsory cover ends only for the reasons of the law.
    SURRENDER_REASON = "E2021" 422 "compulsory cover cannot be surrendered for this reason" "交强险不得以此原因退保";
    /// The effective date does not fit the policy.
    ENDORSEMENT_DATE = "E2022" 422 "the effective date does not fit the policy" "批改生效日期不符";
    /// There is no tax to give back.
    NOTHING_TO_REFUND = "E2023" 422 "there is no tax to give back" "无可退税款";
    /// The challenge of a quote was answered wrongly too often.
    CHALLENGE_EXHAUSTED = "E2030" 409 "the challenge was answered wrongly too often; quote again" "校验次数已用完，请重新查询";
    /// A read across insurers, or of personal data, without a reason.
    PURPOSE_MISSING = "E2031" 400 "an X-Purpose header is required" "缺少查询目的";
    /// The policy's fee is registered already.
    FEE_REGISTERED = "E2032" 409 "the fee of this policy is registered" "费用已登记";
    /// There is no registered fee to change.
    FEE_UNREGISTERED = "E2033" 409 "the fee of this policy is not registered" "费用未登记";
    /// The vehicle was not covered when the accident happened.
    NOT_COVERED = "E2040" 422 "the policy was not in force when the accident happened" "出险时保单未生效";
    /// The step does not fit where the case stands.
    CLAIM_STAGE = "E2041" 409 "the claim's stage does not allow this step" "赔案当前状态不允许此操作";
    /// Another step must be uploaded first.
    CLAIM_ORDER = "E2042" 409 "another step of the claim comes first" "赔案步骤次序不符";
    /// The number stands for other content already.
    CLAIM_STEP_DIFFERS = "E2043" 409 "this business number was uploaded with other content" "同一业务号内容不一致";
    /// Confirm code, claim code and report number do not belong together.
    CLAIM_NAMES = "E2044" 422 "confirm code, claim code and report number do not belong together" "确认码、理赔编号与报案号不匹配";
    /// An amount does not fit what the case says.
    CLAIM_AMOUNT = "E2045" 422 "an amount does not fit the claim" "赔案金额不符";
    /// A recovery lock touches the case.
    CLAIM_LOCKED = "E2046" 409 "a recovery lock touches the claim" "赔案存在代位锁定";
    /// A recovery code that is not live for the case.
    CLAIM_NOT_LOCKED = "E2047" 409 "the recovery code is not live for this claim" "结算码对本案无效";
    /// The accident is recovered for: it is not settled each side by itself.
    ACCIDENT_RECOVERED = "E2048" 409 "the accident is settled by recovery" "该事故已走代位求偿";
    /// The platform tells it.
    RECOVERY_TOLD = "E2049" 409 "the platform tells this recovery itself" "该回款由平台自动登记";
    /// Another dispute of the claim waits for its answer.
    DISPUTE_OPEN = "E2050" 409 "a dispute of this claim is open" "该赔案存在未决争议";
    /// What the other insurer of the dispute may do.
    DISPUTE_SIDE = "E2051" 403 "this is for the other side of the dispute" "此操作应由争议另一方办理";
    /// It was decided or withdrawn.
    DISPUTE_OVER = "E2052" 409 "the dispute is over" "争议已了结";
    /// The claim says already what the correction says.
    DISPUTE_CORRECTS_NOTHING = "E2053" 422 "the correction changes nothing of the claim" "更正内容与赔案现状一致";
    /// It is settled by recovery, or by its own insurer as 互碰自赔.
    LOSS_SETTLED = "E2054" 409 "the loss of this vehicle is settled another way" "该车损失已按其他方式处理";
    /// The referral's state does not allow this.
    REFERRAL_STATE = "E2056" 409 "the referral's state does not allow this" "调查当前状态不允许此操作";
    /// A conclusion that does not say what its finding needs.
    REFERRAL_CONCLUSION = "E2057" 422 "the conclusion does not fit its finding" "调查结论不完整";
    /// The export is queued, running, failed or cancelled.
    EXPORT_NOT_DONE = "E2060" 409 "the export has no file" "导出文件尚未生成";
    /// The file was kept for seven days.
    EXPORT_EXPIRED = "E2061" 410 "the file of the export is gone" "导出文件已过期";
    /// The tenant has as many exports under way as it may.
    EXPORTS_UNDER_WAY = "E2062" 429 "too many exports are under way" "进行中的导出过多";
    /// The range begins behind the end of the file.
    RANGE_OUTSIDE = "E2063" 416 "the range lies outside the file" "请求的范围超出文件";
    /// The quote must be answered first.
    CHALLENGE_OPEN = "C3001" 409 "answer the challenge of this quote first" "请先完成投保查询校验";
    /// The answer is wrong.
    CHALLENGE_FAILED = "C3002" 422 "the challenge was not answered rightly" "校验未通过";
}

/// Why a command of the production cloud refuses.
#[derive(Debug, thiserror::Error)]
pub enum ProductionError {
    /// No row, or a row of another tenant: the caller cannot tell which.
    #[error("no {what} {number}")]
    NotFound {
        /// What was looked for.
        what: &'static str,
        /// Under which number.
        number: String,
    },
    /// A guard of a life cycle, with its problem.
    #[error("{detail}")]
    Refused {
        /// Which kind of problem.
        code: &'static ProblemCode,
        /// The validation rule the guard stands for, when it stands for one.
        rule: Option<RuleId>,
        /// This case in a sentence.
        detail: String,
    },
    /// A guard that rests on a record of an insurer, which is named once the look is recorded.
    #[error("{detail}")]
    Names {
        /// Which kind of problem.
        code: &'static ProblemCode,
        /// The validation rule the guard stands for, when it stands for one.
        rule: Option<RuleId>,
        /// This case in a sentence that names no record.
        detail: String,
        /// The record, and what is told of it.
        naming: Box<Naming>,
    },
    /// A claim step's number was used with other content.
    #[error(
        "{step} {business_no} of claim {claim_no} was uploaded at {recorded_at} with other content"
    )]
    StepDiffers {
        /// Which step.
        step: &'static str,
        /// The insurer's number of it.
        business_no: String,
        /// The case.
        claim_no: PlatformNumber,
        /// Place of the first in the case.
        sequence: i32,
        /// When the first was recorded.
        recorded_at: jiff::Timestamp,
    },
    /// Rules are broken.
    #[error("{} findings", .0.len())]
    Invalid(Vec<FieldError>),
    /// A stored row is not what this release can read.
    #[error("stored {0} cannot be read")]
    Corrupt(&'static str),
    /// An export's rows could not be written to its file.
    #[error("an export cannot be written")]
    Encode(#[from] crate::export::encode::EncodeError),
    /// Personal data could not be sealed or opened.
    #[error("personal data cannot be sealed or opened")]
    Sealing(#[from] tenancy::TenancyError),
    /// The same, below the tenant's key.
    #[error("personal data cannot be sealed or opened")]
    Crypto(#[from] crypto::CryptoError),
    /// The clearing cloud, which is asked of recoveries, failed.
    #[error("the clearing cloud failed")]
    Clearing(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The store failed.
    #[error("production store failed")]
    Store(#[source] sqlx::Error),
}

impl From<sqlx::Error> for ProductionError {
    /// What raced past the looks that came before a write is caught by a constraint, and reads
    /// like the refusal it is.
    fn from(error: sqlx::Error) -> ProductionError {
        let raced = "somebody was faster by a moment";
        match pg::failure::constraint(&error) {
            Some("policy_no_duplicate_compulsory" | "plate_no_duplicate_compulsory") => {
                ProductionError::breaks(
                    RuleId::L03,
                    &DUPLICATE_COVER,
                    format!("{raced}: the vehicle now has cover"),
                )
            }
            Some("policy_number_pkey") => ProductionError::breaks(
                RuleId::S09,
                &POLICY_NUMBER_USED,
                format!("{raced}: the number is used now"),
            ),
            Some("payment_reference_is_used_once") => ProductionError::refused(
                &WRONG_STAGE,
                "this payment reference is registered for the code already",
            ),
            Some("endorsement_one_open") => ProductionError::breaks(
                RuleId::S12,
                &ENDORSEMENT_OPEN,
                format!("{raced}: an endorsement is open"),
            ),
            _ => ProductionError::Store(error),
        }
    }
}

impl ProductionError {
    /// A guard's refusal, where the guard stands for no validation rule.
    pub fn refused(code: &'static ProblemCode, detail: impl Into<String>) -> ProductionError {
        ProductionError::breaks(None::<RuleId>, code, detail)
    }

    /// A guard's refusal, with the validation rule the guard stands for.
    pub fn breaks(
        rule: impl Into<Option<RuleId>>,
        code: &'static ProblemCode,
        detail: impl Into<String>,
    ) -> ProductionError {
        ProductionError::Refused { code, rule: rule.into(), detail: detail.into() }
    }

    /// The vehicle is covered already (rule L03), by this policy; `details` is what its insurer lets
    /// others see.
    pub fn duplicate(record: ShownRecord, details: serde_json::Value) -> ProductionError {
        ProductionError::Names {
            code: &DUPLICATE_COVER,
            rule: Some(RuleId::L03),
            detail: "compulsory cover of another policy runs in this period".to_owned(),
            naming: Box::new(Naming {
                detail: format!("compulsory cover runs under {}", record.subject),
                records: vec![record],
                more: Some(("duplicate", details)),
            }),
        }
    }

    /// Nothing under this number that the caller may know of.
    pub fn not_found(what: &'static str, number: impl ToString) -> ProductionError {
        ProductionError::NotFound { what, number: number.to_string() }
    }
}

impl From<ProductionError> for Problem {
    fn from(error: ProductionError) -> Problem {
        match error {
            ProductionError::NotFound { .. } => Problem::new(&NO_SUCH_NUMBER, error.to_string()),
            ProductionError::Refused { code, rule, detail } => {
                let problem = Problem::new(code, detail).breaking(rule.map(RuleId::code));
                if code.status == 503 || code == &EXPORTS_UNDER_WAY {
                    problem.retry_after(5)
                } else {
                    problem
                }
            }
            ProductionError::Names { code, rule, detail, naming } => {
                Problem::new(code, detail).naming(*naming).breaking(rule.map(RuleId::code))
            }
            ProductionError::StepDiffers { claim_no, sequence, recorded_at, .. } => {
                let first = serde_json::json!({
                    "claimCode": claim_no,
                    "sequence": sequence,
                    "recordedAt": recorded_at,
                });
                Problem::new(&CLAIM_STEP_DIFFERS, error.to_string()).with("first", first)
            }
            ProductionError::Invalid(errors) => Problem::invalid(errors),
            ProductionError::Corrupt(_)
            | ProductionError::Encode(_)
            | ProductionError::Clearing(_)
            | ProductionError::Sealing(_)
            | ProductionError::Crypto(_)
            | ProductionError::Store(_) => Problem::store(&error),
        }
    }
}

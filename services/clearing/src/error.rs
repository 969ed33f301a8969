//! Why the clearing cloud refuses, and how that reads as a problem.

use base_http::{FieldError, Naming, Problem, ProblemCode};
use kernel::TenantId;
use production_core::rule::RuleId;
use tenancy::TenancyError;

use crate::ledger::LedgerError;

base_http::problems! {
    /// It does not exist or belongs to somebody else.
    NO_SUCH_RECORD = "E4000" 404 "no such account, code or number" "查无此账户或号码";
    /// An item's id was used for something else.
    ITEM_TAKEN = "E4200" 409 "the item's id was used for another item" "结算明细号已用于其他明细";
    /// The ledger refused the transfer of an item.
    NOT_POSTED = "E4201" 409 "the ledger does not allow this item" "账务规则不允许该明细入账";
    /// A step that does not belong where the cycle stands.
    CYCLE_STAGE = "E4202" 409 "the cycle's stage does not allow this step" "清算批次当前状态不允许此操作";
    /// Agreement names another text than the latest.
    STATEMENT_OTHER = "E4203" 409 "the statement was replaced by a later revision" "对账单已有新版本";
    /// Agreed to already, or past the deadline.
    TOO_LATE = "E4204" 409 "the time to dispute is over" "争议期已结束";
    /// It is not in the cycle any more.
    ITEM_LEFT = "E4205" 409 "the item has left the cycle" "明细已撤出本批次";
    /// Not who may do this.
    NOT_YOURS = "E4206" 409 "the other side decides this" "此操作须由对方办理";
    /// Nothing, or not so much, is left to take back.
    NOT_REVERSIBLE = "E4207" 409 "the item cannot be taken back so" "明细不可冲正";
    /// The order of funds is not open for this amount.
    FUNDS_OTHER = "E4208" 409 "the order of funds does not allow this amount" "划款指令与金额不符";
    /// The deadline of the money lies ahead.
    NOT_DUE = "E4209" 409 "the money is not due yet" "划款期限未到";
    /// The scheme holds from an instant that is taken or past.
    SCHEME_TAKEN = "E4210" 409 "another scheme holds from this instant" "该时点已有清算规则";
    /// Decided already, or its start is past or taken.
    FLAT_RATE_STAGE = "E4211" 409 "the proposed flat rate cannot be decided so" "定额规则当前状态不允许此操作";
    /// Maker and checker are one.
    FLAT_RATE_FOUR_EYES = "E4212" 403 "a flat rate takes two people" "定额规则须由申请人以外的人员复核";
    /// Of another region, or without a module that may hold.
    FLAT_RATE_SIMULATION = "E4213" 422 "the simulation does not bear this flat rate" "试算结果与定额规则不符";
    /// The payer would owe more than it may.
    OVER_CAP = "E4214" 409 "the payer's net debit cap does not allow this item" "超过净借记限额";
    /// Decided already, or a later version was confirmed.
    CAP_STAGE = "E4215" 409 "the proposed cap cannot be decided so" "限额当前状态不允许此操作";
    /// Maker and checker are one.
    CAP_FOUR_EYES = "E4216" 403 "a net debit cap takes two people" "净借记限额须由申请人以外的人员复核";
    /// The order's id names another order.
    ORDER_TAKEN = "E4300" 409 "the id names another payment order" "指令编号已用于其他支付指令";
    /// No account to pay to or to collect from is registered.
    NO_BANK_ACCOUNT = "E4301" 409 "no bank account is registered" "未登记银行账户";
    /// The accounts do not hold the money.
    NOT_ENOUGH_FUNDS = "E4302" 409 "not enough funds" "可用余额不足";
    /// The bank's notice is not signed by the bank.
    NOT_THE_BANK = "E4303" 401 "the notice is not signed by the bank" "通知签名无效";
    /// A case that does not allow the step where it stands.
    CASE_STAGE = "E4305" 409 "the case's stage does not allow this step" "差错当前状态不允许此操作";
    /// Whoever proposed a write-off cannot do it.
    FOUR_EYES = "E4306" 403 "a write-off takes two people" "核销须由申请人以外的人员批准";
    /// The bank has no statement, or one that cannot be read.
    NO_STATEMENT = "E4307" 409 "there is no statement that can be taken" "无可导入的银行对账单";
    /// What was ordered cannot be done or does not add up.
    WRONG_ORDER = "E4304" 422 "the payment order cannot be carried out as written" "支付指令内容有误";
    /// The day is remitted already, or the remittance is not the latest or not over.
    REMITTANCE_STAGE = "E4308" 409 "the remittance does not allow this" "上缴批次当前状态不允许此操作";
    /// Nothing is paid for a claim that was cancelled.
    CLAIM_CANCELLED = "E4309" 409 "the claim was cancelled" "案件已注销";
    /// All payments of a claim together are at most what it was adjusted to.
    CLAIM_OVERPAID = "E4310" 409 "more than the claim was adjusted to" "赔款超过理算金额";
    /// Money in suspense cannot be this order's.
    OTHER_MONEY = "E4311" 409 "the money in suspense is not this order's" "挂账款项与该指令不符";
    /// A look at other insurers' records without a reason.
    PURPOSE_MISSING = "E4100" 400 "an X-Purpose header is required" "缺少查询目的";
    /// None or several policies fit, or the caller's own.
    LIABLE_POLICY = "E4101" 422 "the liable policy is not exactly one of another insurer" "未能唯一确定对方保单";
    /// The claim has a live code for the policy.
    LOCKED_ALREADY = "E4102" 409 "the claim has locked this policy already" "该保单已被本案锁定";
    /// It goes the other way already.
    OTHER_ROUTE = "E4103" 409 "the accident is settled another way" "该事故已按其他方式结案";
    /// The act does not fit where the code stands.
    RECOVERY_STAGE = "E4104" 409 "the recovery's status does not allow this" "结算码当前状态不允许此操作";
    /// The act is the other side's, or the operator's.
    RECOVERY_SIDE = "E4105" 403 "this is for another side of the recovery" "此操作应由另一方办理";
    /// Out of bounds, or not reasoned.
    RECOVERY_AMOUNT = "E4106" 422 "an amount does not fit the recovery" "追偿金额不符";
    /// Not odd, not independent, not a majority.
    RECOVERY_PANEL = "E4107" 422 "the panel or its award is not whole" "仲裁庭组成或裁决不符";
    /// Nobody was heard and nobody is late.
    RECOVERY_TOO_EARLY = "E4108" 409 "it is too early for arbitration" "尚不具备仲裁条件";
    /// There is nothing to recover yet.
    NOT_ADJUSTED = "E4109" 409 "own damage is not adjusted" "车损尚未理算";
}

/// Why a command of the clearing cloud refuses.
#[derive(Debug, thiserror::Error)]
pub enum ClearingError {
    /// No row, or a row of another participant: the caller cannot tell which.
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
    /// An item would take its payer past its net debit cap. What the cap is and what is owed are the
    /// payer's and the operator's to know: see [`ClearingError::told_to`].
    #[error("{}", .0.masked)]
    OverCap(Box<OverCap>),
    /// The message breaks rules of the format or of the business.
    #[error("{} findings", .0.len())]
    Invalid(Vec<FieldError>),
    /// A stored row is not what this release can read.
    #[error("stored {0} cannot be read")]
    Corrupt(&'static str),
    /// The register of policies and claims failed.
    #[error("the market's register failed")]
    Market(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The bank's gateway failed.
    #[error("the bank's gateway failed")]
    Bank(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The ledger failed.
    #[error("the ledger failed")]
    Ledger(#[from] LedgerError),
    /// The keys of a participant failed.
    #[error("the keys of a participant failed")]
    Keys(#[from] TenancyError),
    /// The store failed.
    #[error("clearing store failed")]
    Store(#[source] sqlx::Error),
}

/// An item that its payer's net debit cap does not allow.
#[derive(Debug)]
pub struct OverCap {
    /// Whose cap.
    pub payer: TenantId,
    /// In a sentence without figures of the payer.
    pub masked: String,
    /// In a sentence with them.
    pub whole: String,
}

impl From<sqlx::Error> for ClearingError {
    /// What raced past the looks that came before a write is caught by a constraint, and reads like
    /// the refusal it is.
    fn from(error: sqlx::Error) -> ClearingError {
        match pg::failure::constraint(&error) {
            Some("recovery_one_lock") => ClearingError::refused(
                &LOCKED_ALREADY,
                "a code of this claim for this policy is live; go on under it, or cancel it",
            ),
            _ => ClearingError::Store(error),
        }
    }
}

impl ClearingError {
    /// A guard's refusal, where the guard stands for no validation rule.
    pub fn refused(code: &'static ProblemCode, detail: impl Into<String>) -> ClearingError {
        ClearingError::breaks(None::<RuleId>, code, detail)
    }

    /// A guard's refusal, with the validation rule the guard stands for.
    pub fn breaks(
        rule: impl Into<Option<RuleId>>,
        code: &'static ProblemCode,
        detail: impl Into<String>,
    ) -> ClearingError {
        ClearingError::Refused { code, rule: rule.into(), detail: detail.into() }
    }

    /// The same as a participant may read it, or the operator (`None`).
    pub fn told_to(self, participant: Option<TenantId>) -> ClearingError {
        match self {
            ClearingError::OverCap(over) if participant.is_none_or(|one| one == over.payer) => {
                ClearingError::refused(&OVER_CAP, over.whole)
            }
            other => other,
        }
    }

    /// Nothing under this number that the caller may know of.
    pub fn not_found(what: &'static str, number: impl ToString) -> ClearingError {
        ClearingError::NotFound { what, number: number.to_string() }
    }
}

impl From<ClearingError> for Problem {
    fn from(error: ClearingError) -> Problem {
        match error {
            ClearingError::NotFound { .. } => Problem::new(&NO_SUCH_RECORD, error.to_string()),
            ClearingError::Refused { code, rule, detail } => {
                Problem::new(code, detail).breaking(rule.map(RuleId::code))
            }
            ClearingError::Names { code, rule, detail, naming } => {
                Problem::new(code, detail).naming(*naming).breaking(rule.map(RuleId::code))
            }
            ClearingError::OverCap(over) => Problem::new(&OVER_CAP, over.masked),
            ClearingError::Invalid(errors) => Problem::invalid(errors),
            ClearingError::Corrupt(_) => Problem::internal(&error),
            ClearingError::Ledger(_)
            | ClearingError::Keys(_)
            | ClearingError::Market(_)
            | ClearingError::Bank(_)
            | ClearingError::Store(_) => Problem::store(&error),
        }
    }
}

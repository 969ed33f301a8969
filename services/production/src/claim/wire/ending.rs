//! The messages of 结案, 赔付, 重开, 注销 and 追偿回款.

use production_core::claim::PayeeKind;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

message! {
    /// 结案: how the case ended. Answers the closing check code.
    CloseBody as ClaimClosing {
        /// When.
        closed_at: String,
        /// What is paid in all: what was adjusted since the case was last opened.
        total: String,
        /// It is an insured event.
        insured: bool,
        /// Refused.
        refused: bool,
        /// Why, at most 500 characters.
        refusal_reason: String,
        /// When the refusal was sent to the claimant.
        refusal_sent_at: String,
        /// 事故责任 in the end, list `accident_liability`.
        liability: String,
        /// Somebody died.
        death: bool,
        /// 互碰自赔.
        mutual: bool,
        /// RegistTimesFlag: counts towards the discount. By the rule when absent.
        counts: bool,
        /// 无责代赔 in it.
        no_fault_advance: String,
        /// Why money was advanced.
        advance_reason: String,
        /// Direct expenses of handling, not in the total.
        expenses: String,
        /// 全损: the policy ends.
        total_loss: bool,
        /// Flagged as fraud (rule L54).
        fraud: bool,
        /// List `fraud_type`.
        fraud_kinds: Vec<String>,
        /// Got back because of it.
        fraud_recovered: String,
    }
}

row! {
    /// Somebody who is paid (rules F29, L55).
    PayeeBody as ClaimPayee {
        /// What he is in the case.
        kind: PayeeKind,
        /// Name. Stored sealed.
        name: String,
        /// Certificate type.
        certificate_kind: String,
        /// Certificate number. Stored sealed.
        certificate_no: String,
        /// Bank.
        bank: String,
        /// Account. Stored sealed.
        account: String,
        /// How much; negative when it is given back after a reopening.
        amount: String,
        /// 结算码, when it settles a recovery.
        recovery_code: String,
    }
}

message! {
    /// 赔款支付: money that went out. `businessNo` is the number of the statement (计算书号).
    PayBody as ClaimPayment {
        /// When.
        paid_at: String,
        /// All of this payment: the sum of the payees (rule S20).
        total: String,
        /// Bank it came from.
        payer_bank: String,
        /// Account it came from. Stored sealed.
        payer_account: String,
        /// Who got it.
        payees: Vec<PayeeBody>,
    }
}

message! {
    /// 重开: a closed case is taken up again.
    ReopenBody as ClaimReopening {
        /// When.
        reopened_at: String,
        /// Why, at most 500 characters.
        cause: String,
    }
}

message! {
    /// 注销: the case is given up.
    CancelBody as ClaimCancellation {
        /// When.
        cancelled_at: String,
        /// `1` the report, `2` the registration.
        kind: String,
        /// Why, at most 500 characters.
        reason: String,
    }
}

message! {
    /// 追偿回款: money got back from the liable side.
    RecoveryBody as ClaimRecovery {
        /// When.
        received_at: String,
        /// How much. Negative when the platform took it back.
        amount: String,
        /// `1` compulsory, `2` commercial third party, `3` the wrongdoer.
        kind: String,
        /// 结算码, between insurers.
        recovery_code: String,
        /// What a flat amount (定额结算) settles in place of the actual loss. The platform tells it.
        settles: String,
    }
}

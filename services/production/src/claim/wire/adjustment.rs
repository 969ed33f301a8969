//! The messages of 理算核赔.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

row! {
    /// What a cover pays for a fee.
    CoverRowBody as ClaimCoverRow {
        /// Cover, list `coverage_codes`.
        #[schema(example = "M02")]
        coverage_code: String,
        /// Compulsory: list `claim_fee_type_ci`; commercial: list `loss_fee_type_bi`.
        #[schema(example = "1")]
        fee_kind: String,
        /// CLAIM_AMOUNT: what is paid.
        amount: String,
        /// The vehicle, property or person it is paid for.
        item: u16,
        /// LIABILITY_RATE: share of the insured side in percent.
        #[schema(example = "70")]
        liability_rate: String,
        /// Loss the cover answers for.
        loss: String,
        /// Salvage it answers for.
        salvage: String,
        /// What compulsory covers pay of it.
        compulsory_paid: String,
        /// Anything else taken off.
        deductions: String,
        /// A device added to the vehicle (IsDeviceItem).
        device: bool,
    }
}

row! {
    /// Money recovered from somebody, or paid because somebody recovers (rule S19).
    RecoverOrPayBody as ClaimRecoverOrPay {
        /// Its number in the message.
        serial_no: u16,
        /// `1` recover, `2` pay.
        flag: String,
        /// `1` compulsory, `2` commercial third party, `3` the wrongdoer.
        kind: String,
        /// Who, of a wrongdoer. Stored sealed.
        party: String,
        /// 结算码, between insurers.
        recovery_code: String,
        /// How much.
        amount: String,
        /// Remark, at most 500 characters.
        remark: String,
    }
}

row! {
    /// One adjustment.
    AdjustmentBody as ClaimAdjustmentRow {
        /// The insurer's code of it.
        code: String,
        /// Opinion, at most 500 characters.
        opinion: String,
        /// CLAIM_AMOUNT: the sum of its rows (rule S17).
        amount: String,
        /// When it was approved (核赔).
        approved_at: String,
        /// By cover and fee.
        covers: Vec<CoverRowBody>,
        /// Recoveries and payments to recovering insurers.
        recoveries: Vec<RecoverOrPayBody>,
    }
}

message! {
    /// 理算核赔: what the policy pays. Several of one round add up to the closing.
    AdjustBody as ClaimAdjustment {
        /// When insured and insurer agreed.
        agreed_at: String,
        /// A court is asked.
        litigation: bool,
        /// One or more.
        adjustments: Vec<AdjustmentBody>,
    }
}

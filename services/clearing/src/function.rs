//! The functions the clearing cloud offers. Gate, meter, audit and document read these. Those under
//! `operator` are for the platform's own staff and are in no member's subscription.

base_http::functions! {
    ACCOUNT_READ = "clearing.ledger.account_read" "账户查询" "Read own accounts" Optional;
    STATEMENT_READ = "clearing.ledger.statement_read" "账户明细查询" "Read the statement of an own account" Optional;
    PAYMENT_ACCOUNT_SET = "clearing.payment.account_set" "收付账户登记" "Register the own bank account" Optional;
    PAYMENT_ORDER = "clearing.payment.order" "支付指令" "Order a payment" Optional;
    PREMIUM_COLLECT = "clearing.payment.premium_collect" "保费代收" "Collect the premium of a pre-confirmed quote" Optional;
    REFUND = "clearing.payment.refund" "退费" "Give a collected premium back" Optional;
    PAYMENT_READ = "clearing.payment.read" "支付指令查询" "Read own payment orders" Optional;
    RECONCILE = "clearing.payment.reconcile" "对账文件提交" "Reconcile own payments with an own file" Optional;
    CASE_READ = "clearing.payment.case_read" "差错查询" "List reconciliation cases" Optional;
    CASE_STEP = "clearing.payment.case_step" "差错处理" "Explain, correct or propose to write off a case" Required;
    ADVANCE = "operator.payment.advance" "垫付" "Pay an advance for the injured" Optional;
    ADVANCE_RECOVER = "operator.payment.advance_recover" "垫付追偿" "Collect an advance from the liable insurer" Optional;
    FUND_ADVANCE = "clearing.advance.fund_pay" "救助基金垫付" "Pay an advance out of own funds, as the rescue fund" Optional;
    FUND_ADVANCE_RECOVER = "clearing.advance.fund_recover" "救助基金追偿" "Recover an own advance from who is liable" Optional;
    SELF_SERVICE_ADVANCE = "clearing.advance.self_service" "自助垫付" "Advance rescue costs booked against the liable insurer" Optional;
    ADVANCE_READ = "clearing.advance.read" "垫付查询" "Read own advances and those booked against one" Optional;
    STATEMENT_TAKE = "operator.payment.statement_take" "银行对账单导入" "Take the bank's statement of a day" Optional;
    ANY_CASE_STEP = "operator.payment.case_step" "差错核销" "Work cases of all members and write them off" Required;
    PAYEE_SET = "operator.payment.payee_set" "收款方登记" "Register who is paid what gathers of premiums" Optional;
    REMIT = "operator.payment.remit" "上缴" "Pay on what gathered of premiums" Optional;
    REMITTANCE_READ = "operator.payment.remittance_read" "上缴查询" "Read payees, remittances and their source payments" Optional;
    STUCK_PAYMENTS_READ = "operator.payment.stuck_read" "卡单监控" "List payment orders that do not move" Optional;
    LOCK_QUERY = "clearing.recovery.lock_query" "锁定查询" "Ask who is liable" Optional;
    RECOVERY_LOCK = "clearing.recovery.lock" "锁定确认" "Lock a liable policy" Required;
    RECOVERY_CANCEL = "clearing.recovery.cancel" "锁定取消" "Cancel a lock" Required;
    RECOVERY_START = "clearing.recovery.start" "开始追偿确认" "Start recovering" Required;
    RECOVERY_REVIEW = "clearing.recovery.review" "互审" "State what the own side stands by" Required;
    RECOVERY_WITHDRAW = "clearing.recovery.withdraw" "追偿撤回" "Give a claim up" Required;
    RECOVERY_ARBITRATE = "clearing.recovery.arbitrate" "提请仲裁" "Ask for arbitration" Required;
    RECOVERY_SUPPLEMENT = "clearing.recovery.supplement" "补充追偿" "Claim more after an amount was agreed" Required;
    RECOVERY_READ = "clearing.recovery.read" "结算码查询" "Read recoveries" Optional;
    RECOVERY_OPPOSING_READ = "clearing.recovery.opposing_read" "对方案件查询" "Read the other side's claims" Optional;
    ANY_RECOVERY_READ = "operator.recovery.read" "结算码查询" "Read recoveries of all members" Optional;
    RECOVERY_OVERDUE_READ = "operator.recovery.overdue_read" "超期追偿查询" "List recoveries where somebody is late" Optional;
    RECOVERY_PANEL = "operator.recovery.panel" "组成仲裁庭" "Appoint arbitrators" Required;
    RECOVERY_AWARD = "operator.recovery.award" "仲裁裁决" "Record what arbitrators decided" Required;
    PROOF_READ = "operator.ledger.proof_read" "账务平衡验证" "Prove that the books balance" Optional;
    CYCLE_READ = "clearing.settlement.cycle_read" "清算批次查询" "Read settlement cycles" Optional;
    POSITION_READ = "clearing.settlement.position_read" "头寸查询" "Explain the own position" Optional;
    ORIGIN_READ = "clearing.settlement.origin_read" "头寸溯源" "Read where an own item comes from" Optional;
    SETTLEMENT_STATEMENT_READ = "clearing.settlement.statement_read" "对账单查询" "Read the own settlement statement" Optional;
    STATEMENT_CONFIRM = "clearing.settlement.statement_confirm" "对账单确认" "Agree to the own settlement statement" Required;
    ITEM_DISPUTE = "clearing.settlement.item_dispute" "结算争议" "Dispute items and withdraw disputes" Required;
    SCHEME_READ = "clearing.settlement.scheme_read" "清算规则查询" "Read how regions settle" Optional;
    CYCLES_WATCH = "operator.settlement.cycles_watch" "清算监控" "Watch all cycles and positions" Optional;
    ANY_ORIGIN_READ = "operator.settlement.origin_read" "头寸溯源" "Read where an item comes from" Optional;
    CYCLE_CLOSE = "operator.settlement.cycle_close" "批次截止" "Close a settlement cycle" Required;
    FUNDS_RECORD = "operator.settlement.funds_record" "到账登记" "Book money that moved for settlement" Required;
    PARTICIPANT_FAIL = "operator.settlement.participant_fail" "违约处理" "Declare that a participant did not pay" Required;
    ITEM_CORRECT = "operator.settlement.item_correct" "明细冲正" "Take back items and put them in again" Required;
    SCHEME_SET = "operator.settlement.scheme_set" "清算规则设置" "Set how a region settles" Required;
    CAP_READ = "operator.settlement.cap_read" "净借记限额查询" "Read the net debit caps of an insurer" Optional;
    CAP_PROPOSE = "operator.settlement.cap_propose" "净借记限额申请" "Propose the net debit cap of an insurer" Required;
    CAP_DECIDE = "operator.settlement.cap_decide" "净借记限额复核" "Confirm or reject a proposed net debit cap" Required;
    FLAT_RATE_READ = "clearing.settlement.flat_rate_read" "定额结算规则查询" "Read flat rates for small recoveries" Optional;
    FLAT_RATE_SIMULATE = "operator.settlement.flat_rate_simulate" "定额结算试算" "Try a flat rate on the past" Optional;
    FLAT_RATE_PROPOSE = "operator.settlement.flat_rate_propose" "定额结算规则申请" "Propose a flat rate, or its end" Required;
    FLAT_RATE_DECIDE = "operator.settlement.flat_rate_decide" "定额结算规则复核" "Confirm or reject a proposed flat rate" Required;
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_function_has_three_levels_and_its_own_code() {
        let codes: HashSet<&str> = ALL.iter().map(|function| function.code).collect();
        assert_eq!(codes.len(), ALL.len());
        for function in ALL {
            assert_eq!(function.code.split('.').count(), 3, "{}", function.code);
            assert!(["clearing", "operator"].contains(&function.cloud()), "{}", function.code);
        }
    }
}

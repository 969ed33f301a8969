//! The functions the production cloud offers. Gate, meter, audit and document read these.

base_http::functions! {
    QUOTE = "production.underwriting.quote" "投保查询" "Quote" Optional daily;
    QUOTE_CHECK = "production.underwriting.quote_check" "投保查询校验" "Answer a quote's challenge" Required;
    QUOTE_READ = "production.underwriting.quote_read" "查询投保查询记录" "Read quotes" Optional;
    PRE_CONFIRM = "production.underwriting.pre_confirm" "投保预确认" "Pre-confirm a quote" Required;
    PRE_CONFIRM_CANCEL = "production.underwriting.pre_confirm_cancel" "投保预确认撤销" "Cancel a pre-confirmation" Required;
    PAYMENT = "production.underwriting.payment" "支付登记" "Register the payment" Required;
    CONFIRM = "production.underwriting.confirm" "投保确认" "Confirm" Required;
    POLICY_READ = "production.underwriting.policy_read" "保单查询" "Read policies" Optional;
    VEHICLE_CHAIN = "production.underwriting.vehicle_chain" "车辆主链查询" "Read a vehicle's chain" Optional;
    ENDORSEMENT_QUERY = "production.endorsement.query" "批改查询" "Query an endorsement" Required;
    ENDORSEMENT_PRE_CONFIRM = "production.endorsement.pre_confirm" "批改预确认" "Pre-confirm an endorsement" Required;
    ENDORSEMENT_PAYMENT = "production.endorsement.payment" "批改支付登记" "Register the payment of an endorsement" Required;
    ENDORSEMENT_CONFIRM = "production.endorsement.confirm" "批改确认" "Confirm an endorsement" Required;
    ENDORSEMENT_CANCEL = "production.endorsement.cancel" "批改撤销" "Cancel an endorsement" Required;
    ENDORSEMENT_READ = "production.endorsement.read" "批单查询" "Read endorsements" Optional;
    SURRENDER = "production.endorsement.surrender" "退保" "Surrender a policy" Required;
    REVOKE = "production.endorsement.revoke" "撤单" "Revoke a policy before its start" Required;
    CLAIM_NOTIFY = "production.claim.notify" "报案" "Notify a claim" Optional;
    CLAIM_SURVEY = "production.claim.survey" "查勘" "Survey a claim" Optional;
    CLAIM_REGISTER = "production.claim.register" "立案" "Register a claim" Optional;
    CLAIM_ASSESS = "production.claim.assess" "定核损" "Assess a claim" Optional;
    CLAIM_DOCUMENTS = "production.claim.documents" "单证" "Hand in documents of a claim" Optional;
    CLAIM_ADJUST = "production.claim.adjust" "理算核赔" "Adjust a claim" Optional;
    CLAIM_CLOSE = "production.claim.close" "结案" "Close a claim" Optional;
    CLAIM_PAY = "production.claim.pay" "赔款支付" "Pay a claim" Optional;
    CLAIM_REOPEN = "production.claim.reopen" "重开" "Reopen a claim" Optional;
    CLAIM_CANCEL = "production.claim.cancel" "注销" "Cancel a claim" Optional;
    CLAIM_ESTIMATE = "production.claim.estimate" "未决估损" "Estimate what is outstanding" Optional;
    CLAIM_RECOVERY = "production.claim.recovery" "追偿回款" "Tell what was recovered" Optional;
    CLAIM_INTAKE = "production.claim.intake" "理赔批量上传" "Take claim steps in batches" Optional;
    CLAIM_READ = "production.claim.read" "理赔查询" "Read a claim" Optional;
    CLAIM_LIST = "production.claim.list" "理赔列表" "List claims" Optional;
    CLAIM_ACCIDENT = "production.claim.accident" "事故关联查询" "Find the claims of an accident" Optional;
    CLAIM_SCORE_READ = "production.claim.score_read" "赔案欺诈评分查询" "Read fraud scores of a claim" Optional;
    REFERRAL_OPEN = "production.referral.open" "移交调查" "Refer a claim to the investigators" Required;
    REFERRAL_READ = "production.referral.read" "调查查询" "Read referrals" Optional;
    REFERRAL_ASSIGN = "production.referral.assign" "指派调查" "Assign a referral" Required;
    REFERRAL_CONCLUDE = "production.referral.conclude" "调查结论" "Conclude a referral" Required;
    CLAIM_DISPUTE = "production.claim.dispute" "赔案争议" "Dispute a claim" Required;
    CLAIM_DISPUTE_READ = "production.claim.dispute_read" "赔案争议查询" "Read disputes of claims" Optional;
    CLAIM_DISPUTE_DECIDE = "production.claim.dispute_decide" "赔案争议答复" "Decide a dispute" Required;
    CLAIM_DISPUTE_WITHDRAW = "production.claim.dispute_withdraw" "赔案争议撤回" "Withdraw a dispute" Required;
    FEE_REGISTER = "production.fee.register" "费用登记" "Register a policy's fee" Required;
    FEE_CHANGE = "production.fee.change" "手续费比例变更" "Change a registered commission ratio" Required;
    EXPORT_REQUEST = "production.export.request" "数据导出申请" "Request an export" Required;
    EXPORT_READ = "production.export.read" "数据导出查询" "Read exports" Optional;
    EXPORT_DOWNLOAD = "production.export.download" "数据导出下载" "Download an export" Optional;
    EXPORT_CANCEL = "production.export.cancel" "数据导出取消" "Cancel an export" Optional;
    FEE_READ = "production.fee.read" "费用登记查询" "Read registered fees" Optional;
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
            assert_eq!(function.cloud(), "production");
        }
    }
}

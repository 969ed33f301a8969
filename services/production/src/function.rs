//! The functions the production cloud offers. Gate, meter, audit and document read these.

use base_http::Function;
use base_http::function::KeyRule;

macro_rules! functions {
    ($($name:ident = $code:literal $zh:literal $en:literal $key:ident $quota:literal;)*) => {
        $(#[doc = $en] pub const $name: Function = Function {
            code: $code, title_zh: $zh, title_en: $en, key: KeyRule::$key, quota: $quota,
        };)*
        /// Every function of this cloud.
        pub const ALL: &[&Function] = &[$(&$name),*];
    };
}

functions! {
    QUOTE = "production.underwriting.quote" "投保查询" "Quote" Optional true;
    QUOTE_CHECK = "production.underwriting.quote_check" "投保查询校验" "Answer a quote's challenge" Required false;
    QUOTE_READ = "production.underwriting.quote_read" "查询投保查询记录" "Read quotes" Optional false;
    PRE_CONFIRM = "production.underwriting.pre_confirm" "投保预确认" "Pre-confirm a quote" Required false;
    PRE_CONFIRM_CANCEL = "production.underwriting.pre_confirm_cancel" "投保预确认撤销" "Cancel a pre-confirmation" Required false;
    PAYMENT = "production.underwriting.payment" "支付登记" "Register the payment" Required false;
    CONFIRM = "production.underwriting.confirm" "投保确认" "Confirm" Required false;
    POLICY_READ = "production.underwriting.policy_read" "保单查询" "Read policies" Optional false;
    VEHICLE_CHAIN = "production.underwriting.vehicle_chain" "车辆主链查询" "Read a vehicle's chain" Optional false;
    ENDORSEMENT_QUERY = "production.endorsement.query" "批改查询" "Query an endorsement" Required false;
    ENDORSEMENT_PRE_CONFIRM = "production.endorsement.pre_confirm" "批改预确认" "Pre-confirm an endorsement" Required false;
    ENDORSEMENT_PAYMENT = "production.endorsement.payment" "批改支付登记" "Register the payment of an endorsement" Required false;
    ENDORSEMENT_CONFIRM = "production.endorsement.confirm" "批改确认" "Confirm an endorsement" Required false;
    ENDORSEMENT_CANCEL = "production.endorsement.cancel" "批改撤销" "Cancel an endorsement" Required false;
    ENDORSEMENT_READ = "production.endorsement.read" "批单查询" "Read endorsements" Optional false;
    SURRENDER = "production.endorsement.surrender" "退保" "Surrender a policy" Required false;
    REVOKE = "production.endorsement.revoke" "撤单" "Revoke a policy before its start" Required false;
    FEE_REGISTER = "production.fee.register" "费用登记" "Register a policy's fee" Required false;
    FEE_CHANGE = "production.fee.change" "手续费比例变更" "Change a registered commission ratio" Required false;
    EXPORT_REQUEST = "production.export.request" "数据导出申请" "Request an export" Required false;
    EXPORT_READ = "production.export.read" "数据导出查询" "Read exports" Optional false;
    EXPORT_DOWNLOAD = "production.export.download" "数据导出下载" "Download an export" Optional false;
    EXPORT_CANCEL = "production.export.cancel" "数据导出取消" "Cancel an export" Optional false;
    FEE_READ = "production.fee.read" "费用登记查询" "Read registered fees" Optional false;
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

//! The functions the actuarial cloud offers. Gate, meter, audit and document read these.
//!
//! A run is started through one path, whatever its method: the caller needs `RUN_START` and the
//! function of the method, and the run is metered and proven under the latter.

base_http::functions! {
    DATASET_IMPORT = "actuarial.data.import" "数据集导入" "Import a portfolio" Required;
    DATASET_READ = "actuarial.data.read" "数据集查询" "Read own datasets" Optional;
    DATASET_CANCEL = "actuarial.data.cancel" "数据集作废" "Throw a version of a dataset away" Optional;
    RUN_START = "actuarial.run.start" "计算任务提交" "Start a run of a method" Required;
    RUN_READ = "actuarial.run.read" "计算任务查询" "Read own runs, results and reports" Optional;
    RUN_CANCEL = "actuarial.run.cancel" "计算任务取消" "Cancel a run" Optional;
    PRICING_FIT = "actuarial.pricing.fit" "广义线性模型定价" "Fit a pricing model" Required;
    PRICING_BOOST = "actuarial.pricing.boost" "提升树定价" "Grow boosted trees and a tariff from them" Required;
    CREDIBILITY = "actuarial.pricing.credibility" "信度" "Weigh experience by its credibility" Required;
    INDICATION = "actuarial.pricing.indicate" "费率厘定" "Propose relativities from experience" Required;
    REGION = "actuarial.pricing.region" "区域因子" "Smooth a regional factor" Required;
    VALIDATION = "actuarial.pricing.validate" "模型验证" "Judge predictions by what came" Required;
    RESERVING = "actuarial.reserving.estimate" "准备金评估" "Estimate reserves from a triangle" Required;
    WARNING = "actuarial.warning.chart" "超赔预警" "Chart early warnings" Required;
    WATCH = "actuarial.warning.watch" "超赔多维预警" "Watch many groups for early warnings" Required;
    SURVIVAL = "actuarial.claims.survival" "结案时长分析" "Analyse how long claims stay open" Required;
    NETWORK = "actuarial.fraud.network" "理赔关系网络" "Analyse the network of claims" Required;
    MARKET_ASK = "actuarial.market.ask" "市场数据查询" "Ask about the market" Optional;
    OWN_QUERY = "actuarial.own.query" "自有数据查询" "Ask about own rows in SQL" Optional;
    FORECAST = "actuarial.forecast.premium" "保费预测" "Forecast premium" Required;
    SEGMENTS = "actuarial.customer.segment" "客户分群" "Segment customers by risk and value" Required;
    LAPSE = "actuarial.customer.lapse" "退保预测" "Predict who will not renew" Required;
    FRAUD_SCORE = "actuarial.fraud.score" "欺诈评分建模" "Learn a fraud score" Required;
    MODEL_PROPOSE = "actuarial.model.propose" "模型发布申请" "Propose a model for publication" Required;
    MODEL_DECIDE = "actuarial.model.decide" "模型发布审批" "Approve or reject a proposed model" Required;
    MODEL_WITHDRAW = "actuarial.model.withdraw" "模型停用" "Withdraw a published model" Required;
    MODEL_RETRAIN = "actuarial.model.retrain" "模型重新训练" "Learn a fraud score again from investigations" Required;
    MODEL_READ = "actuarial.model.read" "模型查询" "Read models" Optional;
    MODEL_SCORE = "actuarial.model.score" "模型评分复算" "Score figures by a model" Optional;
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
            assert_eq!(function.cloud(), "actuarial", "{}", function.code);
        }
    }
}

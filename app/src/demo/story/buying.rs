//! What every year repeats: a quote held against its literals, and the walk from quote to policy.

use serde_json::{Value, json};

use crate::demo::market::{Answer, Insurer, Market};
use crate::demo::story::Pair;
use crate::demo::teller::Teller;

/// Literal expectations of a quote, each with how it is worked out.
pub(super) struct Rated {
    pub(super) float: Value,
    pub(super) no_float: &'static [&'static str],
    pub(super) compulsory: [&'static str; 2],
    pub(super) fund: [&'static str; 2],
    pub(super) tax: [&'static str; 2],
    /// Depreciated value of the car.
    pub(super) actual: [&'static str; 2],
    pub(super) level: i64,
    pub(super) ncd: [&'static str; 2],
    /// Benchmark premium of own damage, then its premium.
    pub(super) hull: [[&'static str; 2]; 2],
    /// The same of third party.
    pub(super) third_party: [[&'static str; 2]; 2],
    pub(super) commercial: &'static str,
    pub(super) payable: &'static str,
}

/// Holds a quote against its literals.
pub(super) fn tell_quote(teller: &mut Teller, quote: &Answer, rated: &Rated) {
    teller.status(quote, 201);
    let code = quote.text("/queryCode").to_owned();
    teller.holds("投保查询码 query code", code.len() == 30 && code.starts_with("01"), &code);
    if rated.no_float.is_empty() {
        let at = "/rating/compulsory/accident/code";
        teller.says(quote, "浮动等级 float", at, rated.float.clone(), "");
    }
    let reasons: Vec<Value> = rated.no_float.iter().map(|&reason| reason.into()).collect();
    let at = "/rating/compulsory/noFloat";
    teller.says(quote, "不浮动原因 no-float reasons", at, reasons, "");
    let rows = [
        ("交强险保费 compulsory premium", "/rating/compulsory/premium", rated.compulsory),
        ("救助基金 road-accident fund", "/rating/compulsory/fundAmount", rated.fund),
        ("车船税 vehicle tax", "/rating/tax/total", rated.tax),
    ];
    for (label, at, [wanted, how]) in rows {
        teller.says(quote, label, at, wanted, how);
    }
    let at = "/rating/commercial/ncd/level";
    teller.says(quote, "无赔款优待等级 NCD level", at, rated.level, "");
    let [[hull_benchmark, hull], [third_benchmark, third]] = [rated.hull, rated.third_party];
    let rows = [
        ("无赔款优待系数 NCD", "/rating/commercial/ncd/coefficient", rated.ncd),
        ("实际价值 actual value", "/rating/commercial/actualValue", rated.actual),
        ("车损险基准保费 hull benchmark", "/rating/commercial/covers/0/benchmark", hull_benchmark),
        ("车损险保费 hull premium", "/rating/commercial/covers/0/premium", hull),
        ("三者险基准保费 TPL benchmark", "/rating/commercial/covers/1/benchmark", third_benchmark),
        ("三者险保费 TPL premium", "/rating/commercial/covers/1/premium", third),
    ];
    for (label, at, [wanted, how]) in rows {
        teller.says(quote, label, at, wanted, how);
    }
    let at = "/rating/commercial/premium";
    teller.says(quote, "商业险保费 commercial premium", at, rated.commercial, "sum of the covers");
    teller.says(quote, "应缴 payable", "/payable", rated.payable, "");
}

/// The frozen amounts of a purchase.
#[derive(Clone, Copy)]
pub(super) struct Price {
    pub(super) compulsory: &'static str,
    pub(super) tax: &'static str,
    pub(super) commercial: &'static str,
    pub(super) fee: &'static str,
    pub(super) payable: &'static str,
}

impl Price {
    /// The confirmation that echoes it.
    pub(super) fn echo(&self, policy_no: &str) -> Value {
        json!({
            "compulsory": { "policyNo": format!("{policy_no}C"), "premium": self.compulsory },
            "commercial": { "policyNo": format!("{policy_no}B"), "premium": self.commercial },
            "tax": self.tax, "fee": self.fee,
        })
    }
}

/// Pre-confirms, pays and confirms a quote as one step.
pub(super) async fn buy(
    market: &mut Market,
    teller: &mut Teller,
    who: Insurer,
    query: &str,
    price: Price,
    policy_no: &str,
) -> anyhow::Result<Pair> {
    let path = |step: &str| format!("/v1/quotes/{query}/{step}");
    let frozen = market.post(who, &path("pre-confirm"), &json!({})).await?;
    teller.status(&frozen, 200);
    teller.says(&frozen, "预确认冻结 frozen", "/payable", price.payable, "for 48 hours");
    let money = json!({ "reference": format!("POS-{policy_no}"), "amount": price.payable,
                        "method": "pos" });
    let paid = market.post(who, &path("payment"), &money).await?;
    teller.status(&paid, 200);
    teller.says(&paid, "到账 paid", "/paid", price.payable, "见费出单 before any confirmation");
    let confirmed = market.post(who, &path("confirm"), &price.echo(policy_no)).await?;
    Ok(tell_confirmation(teller, who, &confirmed))
}

/// Holds a confirmation's codes against their form.
pub(super) fn tell_confirmation(teller: &mut Teller, who: Insurer, confirmed: &Answer) -> Pair {
    teller.status(confirmed, 201);
    teller.says(confirmed, "状态 stage", "/stage", "confirmed", "");
    let code = |at: &str| confirmed.text(at).to_owned();
    let pair = Pair {
        who,
        compulsory: code("/policies/0/confirmCode"),
        commercial: code("/policies/1/confirmCode"),
    };
    let begins = format!("02{}3200", who.code);
    for (label, code) in [
        ("交强险确认码 compulsory", &pair.compulsory),
        ("商业险确认码 commercial", &pair.commercial),
    ] {
        teller.holds(label, code.len() == 30 && code.starts_with(&begins), code);
    }
    pair
}

/// Pre-confirms, pays where money is owed, and confirms an endorsement that was queried.
pub(super) async fn carry_out(
    market: &mut Market,
    teller: &mut Teller,
    who: Insurer,
    queried: &Answer,
    difference: &str,
) -> anyhow::Result<Answer> {
    let amend = queried.text("/amendCode").to_owned();
    let path = |step: &str| format!("/v1/endorsements/{amend}/{step}");
    let frozen = market.post(who, &path("pre-confirm"), &json!({})).await?;
    teller.status(&frozen, 200);
    let money = json!({ "reference": format!("POS-{amend}"), "amount": difference,
                        "method": "mobile" });
    let paid = market.post(who, &path("payment"), &money).await?;
    teller.status(&paid, 200);
    let echo = json!({ "premiumDifference": difference, "endorsementNo": format!("E-{amend}") });
    let confirmed = market.post(who, &path("confirm"), &echo).await?;
    teller.status(&confirmed, 201);
    let code = confirmed.text("/amendConfirmCode").to_owned();
    teller.holds("批改确认码 amend confirm", code.len() == 30 && code.starts_with("04"), &code);
    Ok(confirmed)
}

//! 2023: the discount goes to another insurer with the car; police down, duplicate refused, covers
//! changed, off the road for a while.

use serde_json::{Value, json};

use crate::demo::market::{CPIC, Market, PAIC};
use crate::demo::story::buying::{Price, Rated, buy, carry_out, tell_quote};
use crate::demo::story::{Pair, Past, car, covers, first_owner, message};
use crate::demo::teller::Teller;

const PRICE: Price = Price {
    compulsory: "760.00",
    tax: "300.00",
    commercial: "2013.16",
    fee: "0.00",
    payable: "3073.16",
};

pub(super) async fn walk(
    market: &mut Market,
    teller: &mut Teller,
    past: &mut Past,
) -> anyhow::Result<Pair> {
    teller.chapter("第三年：转保", "2023: to PAIC; the discount travels with the car")?;
    let pair = moved(market, teller).await?;
    past.third_commercial.clone_from(&pair.commercial);
    duplicate(market, teller, &pair).await?;
    higher_limit(market, teller, &pair).await?;
    off_the_road(market, teller, &pair).await?;
    Ok(pair)
}

async fn moved(market: &mut Market, teller: &mut Teller) -> anyhow::Result<Pair> {
    market.move_to("2023-02-20T10:00").await?;
    market.police_are(true).await?;
    teller.step("2023-02-20", "投保查询 quote", "PAIC quotes while the police's server is down")?;
    let body =
        message(car(), &first_owner(), "2023031100", "0.80", covers("103440.00", "1000000.00"));
    let quoted = market.post(PAIC, "/v1/quotes", &body).await?;
    tell_quote(
        teller,
        &quoted,
        &Rated {
            float: Value::from("E2"),
            no_float: &[],
            compulsory: ["760.00", "950.00 × (1 − 20 %)"],
            fund: ["7.60", "760.00 × 1 %"],
            tax: ["300.00", "a whole year"],
            actual: ["103440.00", "120,000 × (1 − 23 months × 0.6 %)"],
            level: -2,
            ncd: ["0.70", "two insured years, no claim"],
            hull: [
                ["1882.40", "(366.60 + 120,000 × 0.8710 %) / 0.75, age 1"],
                ["1054.14", "1,882.40 × 0.7 × 0.80"],
            ],
            third_party: [["1712.53", "1,284.40 / 0.75"], ["959.02", "1,712.53 × 0.7 × 0.80"]],
            commercial: PRICE.commercial,
            payable: PRICE.payable,
        },
    );
    teller.says(&quoted, "转保 changes insurer", "/changesInsurer", true, "PICC had it before");
    let said = quoted.text("/notices/0/detail").to_owned();
    teller.says(&quoted, "提示 assumed", "/assumed", json!(["police"]), &said);
    let query = quoted.text("/queryCode").to_owned();

    teller.step(
        "2023-02-20",
        "投保预确认 pre-confirm",
        "the police must answer before this step",
    )?;
    let path = format!("/v1/quotes/{query}/pre-confirm");
    let refused = market.post(PAIC, &path, &json!({})).await?;
    teller.refused(&refused, 503, "E2013");

    market.police_are(false).await?;
    market.move_to("2023-02-20T11:00").await?;
    teller.step(
        "2023-02-20",
        "预确认、缴费、确认 to policy",
        "an hour later the police are back",
    )?;
    buy(market, teller, PAIC, &query, PRICE, "2023").await
}

async fn duplicate(market: &mut Market, teller: &mut Teller, pair: &Pair) -> anyhow::Result<()> {
    teller.step("2023-02-20", "重复投保 duplicate cover", "CPIC tries to insure the same car")?;
    let body =
        message(car(), &first_owner(), "2023040100", "0.80", covers("103440.00", "1000000.00"));
    let refused = market.post(CPIC, "/v1/quotes", &body).await?;
    teller.refused(&refused, 409, "E2005");
    let code = pair.compulsory.as_str();
    teller.says(&refused, "规则 rule", "/rule", "L03", "");
    teller.says(&refused, "对方公司 the other insurer", "/duplicate/insurer", "PAIC", "");
    let at = "/duplicate/confirmCode";
    teller.says(&refused, "对方确认码 its confirm code", at, code, "");
    teller.says(&refused, "对方保单号 its policy number", "/duplicate/policyNo", "2023C", "");
    let at = "/duplicate/frameNo";
    teller.says(&refused, "车架号 frame, masked", at, "***********004217", "");
    Ok(())
}

async fn higher_limit(market: &mut Market, teller: &mut Teller, pair: &Pair) -> anyhow::Result<()> {
    market.move_to("2023-06-28T10:00").await?;
    teller.step(
        "2023-06-28",
        "批改查询 endorsement: 保额变更 limit",
        "third party from 1,000,000 to 3,000,000 from 1 July on",
    )?;
    let wanted = json!({ "kind": "05", "endorseTimes": 1, "effectiveAt": "2023070100",
        "reason": "三者险保额提高", "covers": covers("103440.00", "3000000.00") });
    let path = format!("/v1/policies/{}/endorsements", pair.commercial);
    let queried = market.post(PAIC, &path, &wanted).await?;
    teller.status(&queried, 201);
    // N = (3,000,000 − 1,000,000) / 500,000 = 4: 1,284.40 × (1 + 4 × (0.1 − 0.0025 × 4)) = 1,746.78
    let rows = [
        (
            "三者险基准保费 TPL benchmark",
            "/rating/commercial/covers/1/benchmark",
            "2329.04",
            "1,746.78 / 0.75",
        ),
        (
            "三者险保费 TPL premium",
            "/rating/commercial/covers/1/premium",
            "1304.26",
            "2,329.04 × 0.7 × 0.80",
        ),
        ("全年保费 premium of the year", "/ratedPremium", "2358.40", "1,054.14 + 1,304.26"),
        ("保费差额 premium difference", "/premiumDifference", "239.59", ""),
        ("公式 formula", "/formula/premium", "(2,358.40 − 2,013.16) × 254/366 = 239.59", ""),
    ];
    for (label, at, expected, how) in rows {
        teller.says(&queried, label, at, expected, how);
    }

    teller.step(
        "2023-06-28",
        "批改次序 one at a time",
        "PAIC opens a second endorsement beside it",
    )?;
    let second = json!({ "kind": "06", "endorseTimes": 1, "effectiveAt": "2023090100",
                         "reason": "停驶" });
    let refused = market.post(PAIC, &path, &second).await?;
    teller.refused(&refused, 409, "E2009");

    teller.step("2023-06-28", "批改确认 confirm", "239.59 is paid, the limit is raised")?;
    let confirmed = carry_out(market, teller, PAIC, &queried, "239.59").await?;
    let how = "2,013.16 + 239.59";
    teller.says(&confirmed, "累计保费 paid in all", "/premium", "2252.75", how);
    Ok(())
}

async fn off_the_road(market: &mut Market, teller: &mut Teller, pair: &Pair) -> anyhow::Result<()> {
    market.move_to("2023-08-30T10:00").await?;
    teller.step("2023-08-30", "停驶 suspension", "the owner goes abroad on 1 September")?;
    for (code, times) in [(&pair.compulsory, 1), (&pair.commercial, 2)] {
        let rest = json!({ "kind": "06", "endorseTimes": times, "effectiveAt": "2023090100",
                           "reason": "车主出国", "direct": true });
        let path = format!("/v1/policies/{code}/endorsements");
        let rested = market.post(PAIC, &path, &rest).await?;
        teller.status(&rested, 201);
        teller.says(&rested, "类型 kind", "/kindNameZh", "停驶", "");
    }
    market.move_to("2023-10-14T10:00").await?;
    teller.step(
        "2023-10-14",
        "复驶 resumption",
        "back on the road on 16 October, 45 days later",
    )?;
    for (code, times) in [(&pair.compulsory, 2), (&pair.commercial, 3)] {
        let back = json!({ "kind": "07", "endorseTimes": times, "effectiveAt": "2023101600",
                           "reason": "车主回国", "direct": true });
        let path = format!("/v1/policies/{code}/endorsements");
        let resumed = market.post(PAIC, &path, &back).await?;
        teller.status(&resumed, 201);
        let (at, end) = ("/policy/period/to", "2024-04-24T16:00:00Z");
        teller.says(&resumed, "止保 end of cover", at, end, "11 March 2024 + 45 days = 25 April");
        teller.says(&resumed, "今日状态 today", "/policy/state", "SUSPENDED", "until the 16th");
    }
    Ok(())
}

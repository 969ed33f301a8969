//! 2025: the new owner starts from the beginning, changes their mind once, and gives the car up.

use serde_json::{Value, json};

use crate::demo::market::{CPIC, Insurer, Market, PAIC, PICC};
use crate::demo::story::buying::{Price, Rated, buy, tell_quote};
use crate::demo::story::{FRAME, Pair, Past, car, covers, message, second_owner};
use crate::demo::teller::Teller;

const PRICE: Price = Price {
    compulsory: "950.00",
    tax: "300.00",
    commercial: "3580.20",
    fee: "0.00",
    payable: "4830.20",
};

pub(super) async fn walk(
    market: &mut Market,
    teller: &mut Teller,
    fourth: &Pair,
    past: &Past,
) -> anyhow::Result<()> {
    teller.chapter("第五年：新车主", "2025: the new owner, without discount or surcharge")?;
    market.move_to("2025-04-05T10:00").await?;
    let (first, _) = bought(market, teller, "2025-04-05", PAIC, "2025P").await?;
    revoked(market, teller, &first).await?;
    market.move_to("2025-04-10T10:00").await?;
    let (last, _) = bought(market, teller, "2025-04-10", CPIC, "2025").await?;
    surrendered(market, teller, &last).await?;
    looked_back(market, teller, fourth, past).await
}

/// The same price at either insurer: both choose 1.00.
async fn bought(
    market: &mut Market,
    teller: &mut Teller,
    day: &str,
    who: Insurer,
    policy_no: &str,
) -> anyhow::Result<(Pair, String)> {
    let what = format!("{} quotes the new owner from 25 April on", who.code);
    teller.step(day, "投保查询 quote", &what)?;
    let body =
        message(car(), &second_owner(), "2025042500", "1.00", covers("84720.00", "1000000.00"));
    let quoted = market.post(who, "/v1/quotes", &body).await?;
    tell_quote(
        teller,
        &quoted,
        &Rated {
            float: Value::Null,
            no_float: &["01", "06"],
            compulsory: ["950.00", "不浮动 01 过户车 transferred, 06 批改过户 endorsed"],
            fund: ["9.50", "950.00 × 1 %"],
            tax: ["300.00", "a whole year"],
            actual: ["84720.00", "120,000 × (1 − 49 months × 0.6 %)"],
            level: 0,
            ncd: ["1.00", "the walk back stops at the transfer"],
            hull: [
                ["1867.67", "(363.35 + 120,000 × 0.8645 %) / 0.75, age 4"],
                ["1867.67", "1,867.67 × 1.0 × 1.00"],
            ],
            third_party: [["1712.53", "1,284.40 / 0.75"], ["1712.53", "1,712.53 × 1.0 × 1.00"]],
            commercial: PRICE.commercial,
            payable: PRICE.payable,
        },
    );
    let query = quoted.text("/queryCode").to_owned();
    let what = format!("{} issues the fifth year", who.code);
    teller.step(day, "预确认、缴费、确认 to policy", &what)?;
    Ok((buy(market, teller, who, &query, PRICE, policy_no).await?, query))
}

async fn revoked(market: &mut Market, teller: &mut Teller, pair: &Pair) -> anyhow::Result<()> {
    market.move_to("2025-04-08T10:00").await?;
    teller.step("2025-04-08", "撤单 revocation", "before cover begins everything goes back")?;
    let rows = [(&pair.compulsory, "950.00", "300.00"), (&pair.commercial, "3580.20", "0.00")];
    for (code, premium, tax) in rows {
        let path = format!("/v1/policies/{code}/revoke");
        let asked = market.post(pair.who, &path, &json!({ "reason": "投保人改投" })).await?;
        teller.status(&asked, 200);
        teller.says(&asked, "退还保费 premium refund", "/premiumRefund", premium, "");
        teller.says(&asked, "退还车船税 tax refund", "/taxRefund", tax, "");
        let wish = json!({ "reason": "投保人改投", "endorseTimes": 1, "confirm": true,
                           "premiumRefund": premium, "taxRefund": tax });
        let ended = market.post(pair.who, &path, &wish).await?;
        teller.status(&ended, 201);
        teller.says(&ended, "状态 state", "/policy/state", "REVOKED", "");
    }
    // The next insurer asks the tax office, which must have given the year back by then.
    let path = format!("/v1/policies/{}", pair.compulsory);
    let told = market.get_until(pair.who, &path, ("/taxDeclaration/state", "withdrawn")).await?;
    teller.says(&told, "申报状态 declaration", "/taxDeclaration/state", "withdrawn", "");
    Ok(())
}

async fn surrendered(market: &mut Market, teller: &mut Teller, pair: &Pair) -> anyhow::Result<()> {
    market.move_to("2025-08-02T10:00").await?;
    let path = |code: &str| format!("/v1/policies/{code}/surrender");
    teller.step("2025-08-02", "退保 surrender", "compulsory cover cannot be given up at will")?;
    let wish = json!({ "surrenderReason": "99", "effectiveAt": "2025080300" });
    let refused = market.post(CPIC, &path(&pair.compulsory), &wish).await?;
    teller.refused(&refused, 422, "E2021");

    teller.step(
        "2025-08-02",
        "退保 surrender",
        "the car is scrapped and deregistered on 3 August",
    )?;
    let rows = [
        // 25 April to 3 August: 100 days.
        (
            &pair.compulsory,
            "689.73",
            "950.00 × (1 − 100/365) = 689.73",
            "125.00",
            "300.00 / 12 × 5 months, August to December",
        ),
        (&pair.commercial, "2599.32", "3,580.20 × (1 − 100/365) = 2,599.32", "0.00", ""),
    ];
    for (code, premium, formula, tax, months) in rows {
        let wish = json!({ "surrenderReason": "01", "effectiveAt": "2025080300" });
        let asked = market.post(CPIC, &path(code), &wish).await?;
        teller.status(&asked, 200);
        teller.says(&asked, "退还保费 premium refund", "/premiumRefund", premium, "");
        teller.says(&asked, "公式 formula", "/formula/premium", formula, "");
        teller.says(&asked, "退还车船税 tax refund", "/taxRefund", tax, months);
        let wish = json!({ "surrenderReason": "01", "effectiveAt": "2025080300",
            "endorseTimes": 1, "confirm": true, "premiumRefund": premium, "taxRefund": tax });
        let ended = market.post(CPIC, &path(code), &wish).await?;
        teller.status(&ended, 201);
        let (at, from) = ("/policy/endsAt", "2025-08-02T16:00:00Z");
        teller.says(&ended, "终止 cover ends", at, from, "3 August, 00:00 in China");
    }
    Ok(())
}

async fn looked_back(
    market: &mut Market,
    teller: &mut Teller,
    fourth: &Pair,
    past: &Past,
) -> anyhow::Result<()> {
    teller.chapter("回看", "Looking back from 2025")?;
    market.move_to("2025-08-04T10:00").await?;

    teller.step("2025-08-04", "重算 replay", "PICC's quote of March 2021 is computed again")?;
    let quote = market.get(PICC, &format!("/v1/quotes/{}", past.first_quote)).await?;
    teller.status(&quote, 200);
    teller.says(&quote, "与当年一致 identical", "/replay/identical", true, "to the fen and reason");
    let at = "/rating/commercial/premium";
    teller.says(&quote, "商业险保费 commercial premium", at, "3323.58", "");

    teller.step(
        "2025-08-04",
        "保单查询 as of a day",
        "how the third year stood on 15 September 2023",
    )?;
    let path = format!("/v1/policies/{}", past.third_commercial);
    let then = market.get(PAIC, &format!("{path}?asOf=2023-09-15")).await?;
    teller.status(&then, 200);
    teller.says(&then, "当时 then", "/state", "SUSPENDED", "");
    let now = market.get(PAIC, &path).await?;
    teller.says(&now, "现在 now", "/state", "EXPIRED", "");

    teller.step(
        "2025-08-04",
        "车船税申报 tax declared",
        "the tax office took what PAIC withheld",
    )?;
    let path = format!("/v1/policies/{}", fourth.compulsory);
    let told = market.get_until(PAIC, &path, ("/taxDeclaration/state", "registered")).await?;
    teller.says(&told, "申报状态 declaration", "/taxDeclaration/state", "registered", "");
    let receipt = told.text("/taxDeclaration/receiptNo").to_owned();
    teller.holds("完税凭证 receipt", !receipt.is_empty(), &receipt);

    teller.step(
        "2025-08-04",
        "主链 vehicle chain",
        "five years, three insurers, as PAIC may see them",
    )?;
    let chain = market.get(PAIC, &format!("/v1/vehicles/{FRAME}/chain")).await?;
    teller.status(&chain, 200);
    let none = Vec::new();
    let policies = chain.body["policies"].as_array().unwrap_or(&none);
    teller.holds("保单数 policies", policies.len() == 12, &policies.len().to_string());
    let line = |insurer: &str, class: &str| {
        let mut states: Vec<&str> = policies
            .iter()
            .filter(|policy| policy["insurer"] == insurer && policy["class"] == class)
            .filter_map(|policy| policy["state"].as_str())
            .collect();
        states.sort_unstable();
        states.join(" ")
    };
    let expected =
        [("PICC", "EXPIRED EXPIRED"), ("PAIC", "EXPIRED EXPIRED REVOKED"), ("CPIC", "SURRENDERED")];
    for (insurer, states) in expected {
        for class in ["compulsory", "commercial"] {
            let found = line(insurer, class);
            teller.holds(&format!("{insurer} {class}"), found == states, &found);
        }
    }
    let own = policies.iter().find(|policy| policy["confirmCode"] == fourth.commercial.as_str());
    let premiums: Vec<&str> = own
        .and_then(|policy| policy["events"].as_array())
        .unwrap_or(&none)
        .iter()
        .filter_map(|event| event["premium"].as_str())
        .collect();
    let told = premiums.join(" → ");
    teller.holds("2024 以来的保费 its premium", premiums == ["1510.81", "2131.69"], &told);
    let foreign = policies.iter().filter(|policy| policy["insurer"] != "PAIC");
    let foreign = foreign.filter_map(|policy| policy["events"].as_array()).flatten();
    let silent = foreign.clone().all(|event| event.get("premium").is_none());
    teller.holds("他司保费不可见 no foreign premium", silent, "");
    let kinds: Vec<&str> = foreign.filter_map(|event| event["kind"].as_str()).collect();
    let ended = kinds.iter().filter(|kind| **kind == "09").count();
    teller.holds("他司批改可见 foreign endorsements", ended == 2, &kinds.join(" "));
    Ok(())
}

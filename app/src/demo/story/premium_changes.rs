//! 2027: the premium the platform collected is raised by an endorsement and given back with a surrender,
//! whose money finds its way back out of both collections.

use serde_json::json;

use crate::demo::market::{CCIC, Market, OPERATOR};
use crate::demo::story::premium_money::{COLLECTION, payer, settled, tell_entries};
use crate::demo::teller::Teller;

/// Names of the payment orders.
const RAISE: &str = "0195f000-0000-7000-8000-000000000003";
const REFUNDS: [&str; 2] =
    ["0195f000-0000-7000-8000-000000000004", "0195f000-0000-7000-8000-000000000005"];

pub(super) async fn walk(
    market: &mut Market,
    teller: &mut Teller,
    commercial: &str,
) -> anyhow::Result<()> {
    teller.chapter(
        "批改补费与退保退费",
        "2027: an endorsement is collected, and a surrender goes back out of both collections",
    )?;
    raised(market, teller, commercial).await?;
    market.move_to("2027-06-10T10:00").await?;
    surrendered(market, teller, commercial).await
}

async fn raised(market: &mut Market, teller: &mut Teller, policy: &str) -> anyhow::Result<()> {
    const DAY: &str = "2027-03-02";
    teller.step(DAY, "批改查询 endorsement", "two millions of third party cover from tomorrow")?;
    let wish = json!({ "kind": "05", "endorseTimes": 1, "reason": "提高保额",
        "effectiveAt": "2027030300",
        "covers": [{ "coverageCode": "M02", "limitAmount": "2000000.00" }] });
    let path = format!("/v1/policies/{policy}/endorsements");
    let queried = market.post(CCIC, &path, &wish).await?;
    teller.status(&queried, 201);
    let formula = "(1,732.23 − 1,455.65) × 365/366 = 275.82";
    teller.says(&queried, "应补 to pay", "/payable", "275.82", "");
    let rated = "1,528.44 / 0.75 × 0.85 = 1,732.23 for a year";
    teller.says(&queried, "公式 formula", "/formula/premium", formula, rated);
    let amend = queried.text("/amendCode").to_owned();
    let path = format!("/v1/endorsements/{amend}");
    let frozen = market.post(CCIC, &format!("{path}/pre-confirm"), &json!({})).await?;
    teller.status(&frozen, 200);

    teller.step(DAY, "批改保费代收 collection", "the platform collects the endorsement too")?;
    let wish = json!({ "amendCode": amend, "payer": payer() });
    let ordered = market.put(CCIC, &format!("/v1/payments/premiums/{RAISE}"), &wish).await?;
    teller.status(&ordered, 202);
    let shares = [
        ("commission", "手续费 agency", "27.58", "275.82 × 10 %"),
        ("premium", "保费 insurer", "248.24", "the rest"),
    ];
    tell_entries(teller, &ordered, ("/shares", "shareOf", "/amount"), &shares);
    settled(market, teller, RAISE, "the bank moved all of it").await?;
    let paid = market.get_until(CCIC, &path, ("/stage", "paid")).await?;
    teller.says(&paid, "到账 endorsement", "/stage", "paid", "registered without anybody's call");
    let echo = json!({ "premiumDifference": "275.82", "taxDifference": "0.00" });
    let confirmed = market.post(CCIC, &format!("{path}/confirm"), &echo).await?;
    teller.status(&confirmed, 201);
    Ok(())
}

async fn surrendered(market: &mut Market, teller: &mut Teller, policy: &str) -> anyhow::Result<()> {
    const DAY: &str = "2027-06-10";
    teller.step(DAY, "退保 surrender", "commercial cover is given up at will from tomorrow")?;
    let path = format!("/v1/policies/{policy}/surrender");
    let mut wish = json!({ "surrenderReason": "99", "effectiveAt": "2027061100" });
    let asked = market.post(CCIC, &path, &wish).await?;
    let formula = "1,732.23 × (1 − 101/366) = 1,254.21";
    teller.says(&asked, "退还保费 premium refund", "/premiumRefund", "1254.21", "");
    teller.says(&asked, "公式 formula", "/formula/premium", formula, "");
    for (member, value) in [
        ("endorseTimes", json!(2)),
        ("confirm", json!(true)),
        ("premiumRefund", json!("1254.21")),
        ("taxRefund", json!("0.00")),
    ] {
        wish[member] = value;
    }
    let ended = market.post(CCIC, &path, &wish).await?;
    teller.status(&ended, 201);
    let amend = ended.text("/amendCode").to_owned();

    teller.step(
        DAY,
        "退保退费 refund",
        "first out of what the endorsement brought, then the rest",
    )?;
    let parts = [
        (RAISE, [("27.58", "all it has"), ("248.24", "all it has")]),
        (
            COLLECTION,
            [
                ("97.84", "1,254.21 × 10 % = 125.42, less 27.58"),
                ("880.55", "1,254.21 − 125.42, less 248.24"),
            ],
        ),
    ];
    for (refund, (of, [agency, insurer])) in REFUNDS.iter().zip(parts) {
        let wish = json!({ "of": of, "amendCode": amend });
        let ordered = market.put(CCIC, &format!("/v1/payments/refunds/{refund}"), &wish).await?;
        teller.status(&ordered, 202);
        let shares = [
            ("commission", "手续费 agency gives", agency.0, agency.1),
            ("premium", "保费 insurer gives", insurer.0, insurer.1),
        ];
        tell_entries(teller, &ordered, ("/shares", "shareOf", "/amount"), &shares);
        settled(market, teller, refund, "back where it came from").await?;
    }
    let path = format!("/v1/endorsements/{amend}");
    let back = market.get_until(CCIC, &path, ("/money/amount", "-1254.21")).await?;
    let all = "registered with the surrender when all of it was back";
    teller.says(&back, "已退 given back", "/money/amount", "-1254.21", all);
    let payees = market.get(OPERATOR, "/v1/operator/payments/payees").await?;
    let gathered = [("commission", "手续费 for the agency", "14.33", "112.17 + 27.58 − 125.42")];
    tell_entries(teller, &payees, ("/items", "shareOf", "/gathered"), &gathered);
    let proof = market.get(OPERATOR, "/v1/operator/ledger/proof").await?;
    teller.says(&proof, "借贷平衡 holds", "/holds", true, "worked out anew from every transfer");
    Ok(())
}

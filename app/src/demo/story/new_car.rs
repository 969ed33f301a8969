//! 2021: a new car without a plate is insured for the first time.

use serde_json::{Value, json};

use crate::demo::market::{Market, PICC};
use crate::demo::story::buying::{Price, Rated, tell_confirmation, tell_quote};
use crate::demo::story::{
    ENGINE, FRAME, PLATE, Past, covers, first_owner, message, on_the_dealers_floor, registered,
};
use crate::demo::teller::Teller;

const RATED: Rated = Rated {
    float: Value::Null,
    no_float: &["11"],
    compulsory: ["950.00", "950.00 × 1, 不浮动 11 新车 new car"],
    fund: ["19.00", "950.00 × 2 %"],
    tax: ["250.00", "300.00 / 12 × 10 months, March to December"],
    actual: ["120000.00", "new"],
    level: 0,
    ncd: ["1.00", "no earlier policy"],
    hull: [
        ["1980.33", "(385.45 + 120,000 × 0.9165 %) / (1 − 25 %)"],
        ["1782.30", "1,980.33 × 1.0 × 0.90"],
    ],
    third_party: [["1712.53", "1,284.40 / (1 − 25 %)"], ["1541.28", "1,712.53 × 1.0 × 0.90"]],
    commercial: "3323.58",
    payable: "4523.58",
};

const PRICE: Price = Price {
    compulsory: "950.00",
    tax: "250.00",
    commercial: "3323.58",
    // 950.00 × 4 % + 3,323.58 × 10 % = 38.00 + 332.36
    fee: "370.36",
    payable: "4523.58",
};

pub(super) async fn walk(
    market: &mut Market,
    teller: &mut Teller,
    past: &mut Past,
) -> anyhow::Result<()> {
    teller.chapter("第一年：新车", "2021: a new car without a plate, at PICC")?;
    market.load_vehicle(&on_the_dealers_floor()).await?;
    market.move_to("2021-03-10T10:00").await?;
    let quote = |autonomous: &str, vehicle: Value| {
        message(
            vehicle,
            &first_owner(),
            "2021031100",
            autonomous,
            covers("120000.00", "1000000.00"),
        )
    };

    teller.step("2021-03-10", "投保查询 quote", "PICC asks for too low a coefficient")?;
    let low = market.post(PICC, "/v1/quotes", &quote("0.60", new_car())).await?;
    teller.status(&low, 422);
    let why = low.text("/errors/0/detail").to_owned();
    teller.says(&low, "规则 rule", "/errors/0/rule", "L13", &why);
    teller.remark("the autonomous coefficient (自主定价系数) was 0.65 to 1.35 in 2021");

    teller.step("2021-03-10", "投保查询 quote", "PICC prices both products and the tax")?;
    let quoted = market.post(PICC, "/v1/quotes", &quote("0.90", new_car())).await?;
    tell_quote(teller, &quoted, &RATED);
    let query = quoted.text("/queryCode").to_owned();
    past.first_quote.clone_from(&query);
    let path = |step: &str| format!("/v1/quotes/{query}/{step}");

    teller.step(
        "2021-03-10",
        "投保预确认 pre-confirm",
        "PICC freezes the amounts, with the fee",
    )?;
    let fee = json!({ "fee": {
        "channel": "03", "intermediary": "金陵保险代理有限公司", "licenceKind": "2",
        "licenceNo": "320101800000001", "licenceFrom": "2020-01-01", "licenceTo": "2022-12-31",
        "contractNo": "JL-2021-7", "compulsoryRatio": "0.04", "commercialRatio": "0.10" } });
    let frozen = market.post(PICC, &path("pre-confirm"), &fee).await?;
    teller.status(&frozen, 200);
    teller.says(&frozen, "应缴 payable", "/payable", PRICE.payable, "frozen for 48 hours");
    let how = "950.00 × 4 % + 3,323.58 × 10 %";
    teller.says(&frozen, "手续费 commission", "/amounts/fee", PRICE.fee, how);

    teller.step(
        "2021-03-10",
        "见费出单 no premium, no policy",
        "PICC confirms without the money",
    )?;
    let unpaid = market.post(PICC, &path("confirm"), &PRICE.echo("2021")).await?;
    teller.refused(&unpaid, 409, "E2008");

    teller.step(
        "2021-03-10",
        "支付登记 payment",
        "PICC registers a fen too little, then all of it",
    )?;
    let money = |amount: &str| {
        json!({ "reference": "POS-2021", "amount": amount, "method": "pos",
                                       "payerName": "张三丰" })
    };
    let short = market.post(PICC, &path("payment"), &money("4523.57")).await?;
    teller.refused(&short, 422, "E2007");
    let paid = market.post(PICC, &path("payment"), &money("4523.58")).await?;
    teller.status(&paid, 200);
    teller.says(&paid, "到账 paid", "/paid", "4523.58", "");

    teller.step("2021-03-10", "投保确认 confirm", "PICC issues both policies")?;
    let confirmed =
        market.post_as(PICC, &path("confirm"), &PRICE.echo("2021"), "confirm-2021").await?;
    let pair = tell_confirmation(teller, PICC, &confirmed);
    teller.says(&confirmed, "代收车船税 tax withheld", "/tax", "250.00", "");

    teller.step("2021-03-10", "幂等 idempotency", "the line broke; PICC sends the same again")?;
    let again = market.post_as(PICC, &path("confirm"), &PRICE.echo("2021"), "confirm-2021").await?;
    teller.status(&again, 201);
    teller.holds("同一回复 the same answer", again.body == confirmed.body && again.replayed, "");
    let other =
        market.post_as(PICC, &path("confirm"), &PRICE.echo("2021X"), "confirm-2021").await?;
    teller.refused(&other, 422, "E1201");

    market.load_vehicle(&registered()).await?;
    market.move_to("2021-03-20T10:00").await?;
    teller.step(
        "2021-03-20",
        "批改 endorsement: 上牌 plate",
        "the car got its plate two days ago",
    )?;
    let plate = json!({ "kind": "04", "endorseTimes": 1, "reason": "新车上牌", "direct": true,
        "vehicle": { "plate": PLATE, "plateKind": "02", "firstRegisteredOn": "2021-03-18" } });
    for code in [&pair.compulsory, &pair.commercial] {
        let path = format!("/v1/policies/{code}/endorsements");
        let endorsed = market.post(PICC, &path, &plate).await?;
        teller.status(&endorsed, 201);
        teller.says(&endorsed, "状态 stage", "/stage", "confirmed", "直接批改 made directly");
        teller.says(&endorsed, "保费差额 premium difference", "/premiumDifference", "0.00", "");
    }
    Ok(())
}

/// The car without a plate, as its invoice of 8 March 2021 has it.
fn new_car() -> Value {
    json!({ "frameNo": FRAME, "engineNo": ENGINE, "newVehicle": true, "invoicedOn": "2021-03-08",
            "category": "11", "usage": "210", "fuel": "A", "seats": 5, "displacementCc": 1598,
            "curbWeightKg": "1280", "madeOn": "2021-01-20", "newPrice": "120000.00",
            "modelCode": "BDZ1600FV7160" })
}

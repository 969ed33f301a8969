//! Money for a claim, ordered by several hands of one insurer at once.

use futures::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};
use workspace_tests::api::{Answer, Api, answer};
use workspace_tests::market::Car;
use workspace_tests::{Platform, Start};

use crate::recovery::{Case, LATER, SOLD, move_to, until};

async fn put(api: &Api, path: &str, body: &Value) -> Answer {
    answer(api.request(Method::PUT, path).json(body)).await.unwrap()
}

/// Where the order with this number stands.
fn order(number: u32) -> String {
    format!("/v1/payments/orders/01960000-0000-7000-8000-{number:012}")
}

#[tokio::test(flavor = "multi_thread")]
async fn orders_that_race_for_a_claim_pay_no_more_than_it_was_adjusted_to() {
    let platform = Platform::start(Start { clock: Some(SOLD) }).await;
    let (own, other) = (Car::number(1), Car::number(2));
    let paic = platform.client("paic-320000").await;
    let [compulsory, _]: [String; 2] =
        paic.insure(&other.message(SOLD.parse().unwrap())).await.try_into().unwrap();
    move_to(&platform, LATER).await;
    let paic = platform.client("paic-320000").await;

    let bank = |account: &str| json!({ "bank": "102301000028", "account": account, "name": "某某财产保险股份有限公司" });
    put(&paic, "/v1/payments/account", &bank("1234567890")).await.ok(200);
    let funds = json!({ "purpose": "funding", "direction": "collect", "amount": "9000.00",
                        "reference": "FUNDS 1" });
    put(&paic, &order(1), &funds).await.ok(202);
    until(&paic, &order(1), ("/stage", "settled")).await;

    let (case, _) = Case::report(&paic, &compulsory, "RA", (&own, false, false)).await;
    case.assess("2", ["1500.00", "1800.00"]).await;
    let row = json!([{ "coverageCode": "A02", "feeKind": "3", "item": 1, "loss": "1500.00",
                       "amount": "1500.00" }]);
    let adjusted = json!({ "adjustments": [{ "code": "A1", "opinion": "同意", "amount": "1500.00",
        "approvedAt": "202606011700", "covers": row }] });
    case.step("adjustments", "1", adjusted).await.ok(201);

    // Three of 500.00 fit.
    let pay = json!({ "purpose": "claim_payment", "claimCode": case.code, "amount": "500.00",
                      "reference": "CLAIM RA", "payee": bank("6222021301001234567") });
    let racing: Vec<String> = (2..18).map(order).collect();
    let answers = join_all(racing.iter().map(|path| put(&paic, path, &pay))).await;
    let taken = answers.iter().filter(|answer| answer.status == 202).count();
    let refused: Vec<String> =
        answers.iter().filter(|answer| answer.status != 202).map(Answer::problem).collect();
    assert_eq!(taken, 3, "{refused:?}");
    assert!(refused.iter().all(|code| code == "E4310"), "{refused:?}");
}

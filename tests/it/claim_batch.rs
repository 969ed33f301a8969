//! Claim steps in batches, as an insurer's retry queue sends them.

use std::collections::BTreeMap;

use reqwest::Method;
use serde_json::{Value, json};
use workspace_tests::api::{Answer, Api, answer, http_client};
use workspace_tests::market::Car;
use workspace_tests::{Platform, Start};

/// When policies are sold.
const SOLD: &str = "2026-03-02T10:00:00+08:00";
/// When claims are uploaded.
const UPLOADED: &str = "2026-06-01T10:00:00+08:00";
/// Cases of the batch.
const CASES: u32 = 12;

/// One case from the report to the money, a line a step.
fn case(confirm_code: &str, number: u32) -> Vec<Value> {
    let officer = json!({ "name": "钱定", "code": "A01", "certificateNo": "C002" });
    let step = |step: &str, business_no: &str, more: Value| {
        let mut body = json!({ "confirmCode": confirm_code, "reportNo": format!("R-{number}") });
        if step != "notify" {
            body["businessNo"] = json!(business_no);
        }
        for (name, value) in more.as_object().unwrap() {
            body[name] = value.clone();
        }
        json!({ "step": step, "body": body })
    };
    let account = json!([{ "kind": "victim", "name": "王强", "certificateKind": "01",
        "certificateNo": "440524188001010014", "account": "6217001234567890123",
        "amount": "1500.00" }]);
    let row = json!({ "coverageCode": "A02", "feeKind": "3", "amount": "1500.00", "item": 1 });
    vec![
        step(
            "notify",
            "",
            json!({
            "accidentAt": "202605010830", "reportedAt": "202605010900", "district": "320102",
            "place": "中山路", "description": "追尾前车", "handledBy": "10" }),
        ),
        step("survey", "S", json!({ "surveyedAt": "202605011000", "liability": "2" })),
        step("register", "G", json!({ "registeredAt": "202605011100", "estimate": "1500.00" })),
        step(
            "assess",
            "A",
            json!({ "approvedAt": "202605011200", "vehicles": [
            { "item": 1, "property": "2", "loss": "1500.00", "assessor": officer, "approver": officer }
        ] }),
        ),
        step(
            "documents",
            "D",
            json!({ "completeAt": "202605011300",
            "documents": [{ "name": "索赔申请书", "kind": "claimApplication" }] }),
        ),
        step(
            "adjust",
            "J",
            json!({ "adjustments": [{ "amount": "1500.00",
            "approvedAt": "202605011400", "covers": [row] }] }),
        ),
        step(
            "close",
            "C",
            json!({ "closedAt": "202605011500", "total": "1500.00", "liability": "2" }),
        ),
        step(
            "pay",
            "P",
            json!({ "paidAt": "202605011600", "total": "1500.00", "payees": account }),
        ),
    ]
}

async fn send(api: &Api, lines: &[String]) -> Answer {
    let request = api
        .request(Method::POST, "/v1/claims/intake")
        .header("content-type", "application/x-ndjson")
        .body(lines.join("\n"));
    answer(request).await.unwrap()
}

/// Outcomes by line, and the summary.
fn outcomes(answered: &Answer) -> (BTreeMap<u64, Value>, Value) {
    assert_eq!(answered.status, 200, "{}", answered.text());
    let text = answered.text();
    let mut lines: Vec<Value> =
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let summary = lines.pop().unwrap();
    let by_line = lines.into_iter().map(|line| (line["line"].as_u64().unwrap(), line)).collect();
    (by_line, summary)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_takes_its_good_lines_and_nothing_of_its_bad_ones() {
    let platform = Platform::start(Start { clock: Some(SOLD) }).await;
    let picc = platform.client("picc-320000").await;
    let mut lines: Vec<String> = Vec::new();
    let mut confirm_code = String::new();
    for number in 0..CASES {
        let message = Car::number(number).compulsory(SOLD.parse().unwrap());
        confirm_code = picc.insure(&message).await.remove(0);
        lines.extend(case(&confirm_code, number).iter().map(ToString::to_string));
    }
    let put = http_client().put(format!("{}/sandbox/clock", platform.announced.ops));
    answer(put.json(&json!({ "now": UPLOADED }))).await.unwrap();
    let picc = platform.client("picc-320000").await;
    let good = lines.len();
    // Bad lines among the good ones, each for a reason of its own.
    let mut reordered = case(&confirm_code, 1_000);
    let registration = reordered.remove(2).to_string();
    let bad = [
        ("{\"step\":".to_owned(), "E1000"),
        (json!({ "step": "repair", "body": {} }).to_string(), "E1000"),
        (json!({ "step": "survey", "body": { "liability": "2" } }).to_string(), "E1001"),
        (registration, "E2000"),
        (
            json!({ "step": "notify", "body": { "confirmCode": confirm_code, "reportNo": 7 } })
                .to_string(),
            "E1000",
        ),
    ];
    for (place, (line, _)) in bad.iter().enumerate() {
        lines.insert(place * 7, line.clone());
    }
    let database = platform.database().await;
    let before = database.counts().await;
    let (told, summary) = outcomes(&send(&picc, &lines).await);
    let wanted = json!({ "lines": good + bad.len(), "taken": good, "refused": bad.len() });
    assert_eq!(summary, wanted, "{told:#?}");
    for (place, (_, code)) in bad.iter().enumerate() {
        let outcome = &told[&(u64::try_from(place).unwrap() * 7 + 1)];
        assert_eq!(outcome["problem"]["code"], *code, "{outcome}");
    }
    let changes = database.changes(&before).await;
    let good = i64::try_from(good).unwrap();
    let rows = |table: &str| changes.get(table).copied().unwrap_or_default();
    assert_eq!(rows("production.claim"), i64::from(CASES));
    assert_eq!(rows("production.claim_step"), good);
    // Every line is a call of its own: counted, proven and told of.
    for table in ["metering.usage", "evidence.message", "events.outbox"] {
        assert_eq!(rows(table), good, "{table}");
    }
    let paid = "select count(*) from production.claim where stage = 'PAID'";
    assert_eq!(database.number(paid).await, i64::from(CASES));

    // The queue sends everything once more: the same answers, and no new case or step.
    let before = database.counts().await;
    let (again, summary) = outcomes(&send(&picc, &lines).await);
    assert_eq!(summary, wanted);
    for (line, outcome) in &told {
        assert_eq!(again[line]["answer"], outcome["answer"], "line {line}");
    }
    let changes = database.changes(&before).await;
    assert_eq!(changes.get("production.claim_step"), None);
    assert_eq!(changes.get("production.claim"), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_is_bounded_and_needs_the_right_of_every_step() {
    let platform = Platform::up().await;
    let picc = platform.client("picc-320000").await;
    let line = json!({ "step": "survey", "body": {} }).to_string();
    assert_eq!(send(&picc, &vec![line.clone(); 1_001]).await.problem(), "E1002");
    assert_eq!(send(&picc, &[" ".to_owned()]).await.problem(), "E1000");
    let only_intake = workspace_tests::api::token(
        &picc.base,
        "picc-320000",
        platform.secret("picc-320000"),
        Some("production.claim.intake"),
    );
    let token = only_intake.await.text_at("/access_token");
    let (told, _) = outcomes(&send(&picc.with_token(&token), &[line]).await);
    assert_eq!(told[&1]["status"], 403);
    assert_eq!(told[&1]["problem"]["code"], "E1101");
}

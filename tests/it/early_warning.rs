//! Early warning on the market's own record: policies sold through channels, their claims by cover, fed,
//! asked for, watched. One group's losses grow, and it alone is told.

use reqwest::Method;
use serde_json::{Value, json};
use workspace_tests::api::{Answer, Api, answer, http_client};
use workspace_tests::market::Car;
use workspace_tests::{Platform, Start, eventually};

/// When policies are sold: for the year 2025.
const SOLD: &str = "2024-12-31T10:00:00+08:00";
/// When their claims are uploaded.
const UPLOADED: &str = "2026-01-02T10:00:00+08:00";

/// From this month on the agency's third-party claims come six a month instead of one.
const GROWING: u32 = 8;

/// A row for each month and group, of what was earned and of what claims cost.
const LINES: &str = "
    select month, insurer, region, channel, cover, sum(insured_s) / 31536000.0 as years,
           sum(earned_fen) as earned_fen, sum(claims) as claims, sum(paid_fen) as paid_fen
    from (select to_char(month, '%Y-%m') as month, insurer, region, channel, cover,
                 insured_s, earned_fen, 0 as claims, 0 as paid_fen
          from cover_exposure where month < date '2026-01-01'
          union all
          select to_char(accident_at + interval '8 hours', '%Y-%m'), insurer, region, channel, cover,
                 0, 0, counted, paid_fen
          from cover_loss) lines
    where cover is not null
    group by month, insurer, region, channel, cover";

/// Steps of a case of one month, from the report to the money.
struct Case<'a> {
    confirm_code: &'a str,
    report_no: String,
    /// `2025` and the month.
    month: String,
    /// Rows of its adjustment, and their sum.
    rows: Value,
    total: &'a str,
}

impl Case<'_> {
    fn line(&self, step: &str, more: Value) -> String {
        let mut body = json!({ "confirmCode": self.confirm_code, "reportNo": self.report_no });
        if step != "notify" {
            body["businessNo"] = json!(step);
        }
        for (name, value) in more.as_object().unwrap() {
            body[name] = value.clone();
        }
        json!({ "step": step, "body": body }).to_string()
    }

    fn lines(&self) -> Vec<String> {
        let officer = json!({ "name": "钱定", "code": "A01", "certificateNo": "C002" });
        let at = |hour: u32| format!("{}20{hour:02}00", self.month);
        let seen =
            |item: u32| json!({ "item": item, "property": item.to_string(), "surveyor": officer });
        let lost = |item: u32| {
            json!({ "item": item, "property": item.to_string(), "loss": "6000.00",
                "assessor": officer, "approver": officer })
        };
        let payee = json!([{ "kind": "victim", "name": "王强", "certificateKind": "01",
            "certificateNo": "440524188001010014", "account": "6217001234567890123",
            "amount": self.total }]);
        vec![
            self.line(
                "notify",
                json!({ "accidentAt": at(8), "reportedAt": at(9), "district": "320102",
                    "place": "中山路", "description": "追尾前车", "handledBy": "10" }),
            ),
            self.line(
                "survey",
                json!({ "surveyedAt": at(10), "liability": "1", "vehicles": [seen(1), seen(2)] }),
            ),
            self.line("register", json!({ "registeredAt": at(11), "estimate": self.total })),
            self.line("assess", json!({ "approvedAt": at(12), "vehicles": [lost(1), lost(2)] })),
            self.line(
                "documents",
                json!({ "completeAt": at(13),
                    "documents": [{ "name": "索赔申请书", "kind": "claimApplication" }] }),
            ),
            self.line(
                "adjust",
                json!({ "adjustments": [{ "amount": self.total, "approvedAt": at(14),
                    "covers": self.rows }] }),
            ),
            self.line(
                "close",
                json!({ "closedAt": at(15), "total": self.total, "liability": "1" }),
            ),
            self.line("pay", json!({ "paidAt": at(16), "total": self.total, "payees": payee })),
        ]
    }
}

/// What third-party cover pays for the other vehicle's loss beyond 2,000.00 of compulsory cover.
fn third_party(loss: &str, amount: &str) -> Value {
    json!({ "coverageCode": "M02", "feeKind": "1", "item": 2, "liabilityRate": "100", "loss": loss,
        "compulsoryPaid": "2000.00", "amount": amount })
}

/// A case in each month of 2025 with third-party payments that differ a little; `own_damage` beside it
/// where the policy has that cover.
fn steady(confirm_code: &str, own_damage: bool) -> Vec<String> {
    const PAID: [(&str, &str, &str); 3] = [
        ("5000.00", "3000.00", "4000.00"),
        ("5300.00", "3300.00", "4300.00"),
        ("4800.00", "2800.00", "3800.00"),
    ];
    let mut lines = Vec::new();
    for month in 1..=12 {
        let (loss, amount, with_own) = PAID[month % 3];
        let own = json!({ "coverageCode": "M01", "feeKind": "1", "item": 1, "liabilityRate": "100",
            "loss": "1000.00", "amount": "1000.00" });
        let third = third_party(loss, amount);
        let (rows, total) =
            if own_damage { (json!([own, third]), with_own) } else { (json!([third]), amount) };
        let report_no = format!("S-{month}");
        let month = format!("2025{month:02}");
        lines.extend(Case { confirm_code, report_no, month, rows, total }.lines());
    }
    lines
}

/// Five cases more in every month that losses grow in.
fn growing(confirm_code: &str) -> Vec<String> {
    let mut lines = Vec::new();
    for month in GROWING..=12 {
        for number in 1..=5 {
            let case = Case {
                confirm_code,
                report_no: format!("G-{month}-{number}"),
                month: format!("2025{month:02}"),
                rows: json!([third_party("5000.00", "3000.00")]),
                total: "3000.00",
            };
            lines.extend(case.lines());
        }
    }
    lines
}

async fn upload(api: &Api, lines: &[String]) {
    let request = api
        .request(Method::POST, "/v1/claims/intake")
        .header("content-type", "application/x-ndjson")
        .body(lines.join("\n"));
    let answered = answer(request).await.unwrap();
    let told = answered.text();
    let summary: Value = serde_json::from_str(told.lines().last().unwrap()).unwrap();
    assert_eq!(summary["refused"], 0, "{told}");
}

/// An own question's answer as a dataset; answers once it is imported.
async fn dataset_of(api: &Api, name: &str, sql: &str) -> Value {
    let mut body = String::new();
    for (part, content) in [("about", json!({ "name": name })), ("question", json!({ "sql": sql }))]
    {
        let head = format!("--cut\r\nContent-Disposition: form-data; name=\"{part}\"\r\n\r\n");
        body += &format!("{head}{content}\r\n");
    }
    body += "--cut--\r\n";
    let request = api
        .request(Method::POST, "/v1/actuarial/datasets")
        .header("content-type", "multipart/form-data; boundary=cut")
        .header("idempotency-key", format!("dataset-{name}"))
        .body(body);
    let taken: Answer = answer(request).await.unwrap();
    assert!(taken.status < 300, "{}", taken.text());
    done(api, &format!("/v1/actuarial/datasets/{name}")).await
}

/// What is at a path once it is done.
async fn done(api: &Api, path: &str) -> Value {
    let found = eventually("a job is done", async || {
        let found = api.get(path).await.ok(200);
        let state = found["state"].as_str().unwrap().to_owned();
        ["done", "failed"].contains(&&*state).then_some(found)
    })
    .await;
    assert_eq!(found["state"], "done", "{found:#}");
    found
}

/// Every alarm of a run: group, period.
async fn alarms(api: &Api, dataset: &str, more: Value) -> Vec<(String, String)> {
    let mut parameters = json!({ "period": "month", "by": ["insurer", "region", "channel", "cover"],
        "learning": 7, "falseAlarms": 0.5 });
    for (name, value) in more.as_object().unwrap() {
        parameters[name] = value.clone();
    }
    let body = json!({ "method": "watch", "dataset": dataset, "parameters": parameters });
    let key = format!("watch-{}-{more}", api.client_id);
    let key: String = key.chars().filter(char::is_ascii_graphic).take(100).collect();
    let run = api.post("/v1/actuarial/runs", Some(&key), &body).await;
    assert!(run.status < 300, "{}", run.text());
    let path = format!("/v1/actuarial/runs/{}", run.text_at("/runId"));
    done(api, &path).await;
    let result = api.get(&format!("{path}/result")).await.ok(200);
    let text = |alarm: &Value, name: &str| alarm[name].as_str().unwrap().to_owned();
    let alarms = result["alarms"].as_array().unwrap();
    alarms.iter().map(|alarm| (text(alarm, "group"), text(alarm, "period"))).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_group_whose_losses_grow_is_told_of_by_insurer_region_channel_and_cover() {
    let platform = Platform::start(Start { clock: Some(SOLD) }).await;
    let sold = SOLD.parse().unwrap();
    let (picc, beijing) =
        (platform.client("picc-320000").await, platform.client("picc-110000").await);
    let paic = platform.client("paic-320000").await;
    // Directly: third-party cover alone, in Jiangsu and in Beijing.
    let [_, direct]: [String; 2] =
        picc.insure(&Car::number(1).message(sold)).await.try_into().unwrap();
    let [_, far]: [String; 2] =
        beijing.insure(&Car::number(2).message(sold)).await.try_into().unwrap();
    // Through an agency: own damage besides.
    let mut message = Car::number(3).message(sold);
    message["vehicle"]["newPrice"] = json!("120000.00");
    message["commercial"]["covers"] = json!([
        { "coverageCode": "M01", "agreedValue": "84000.00" },
        { "coverageCode": "M02", "limitAmount": "1000000.00" } ]);
    let agency = json!({ "fee": { "channel": "03", "intermediary": "联众代理", "licenceKind": "2",
        "licenceNo": "XK-1", "licenceFrom": "2024-01-01", "licenceTo": "2026-12-31",
        "commercialRatio": "0.10" } });
    let [_, through_agency]: [String; 2] =
        picc.insure_through(&message, &agency).await.try_into().unwrap();
    let [_, theirs]: [String; 2] =
        paic.insure(&Car::number(4).message(sold)).await.try_into().unwrap();

    let put = http_client().put(format!("{}/sandbox/clock", platform.announced.ops));
    answer(put.json(&json!({ "now": UPLOADED }))).await.unwrap();
    let (picc, beijing) =
        (platform.client("picc-320000").await, platform.client("picc-110000").await);
    let paic = platform.client("paic-320000").await;
    let of_agency = [steady(&through_agency, true), growing(&through_agency)].concat();
    upload(&picc, &[steady(&direct, false), of_agency].concat()).await;
    upload(&beijing, &steady(&far, false)).await;
    upload(&paic, &steady(&theirs, false)).await;
    let (fed, said) = platform.command(&["lake", "feed"]);
    assert!(fed, "{said}");

    // Every group, each month: its covers, and whose claims they are.
    let groups = "select insurer, region, channel, cover, count(distinct month) as months,
                         sum(counted) as claims, sum(paid_fen) as paid_fen
                  from (select insurer, region, channel, cover, month, 0 as counted, 0 as paid_fen
                        from cover_exposure where month < date '2026-01-01'
                        union all
                        select insurer, region, channel, cover, null, counted, paid_fen
                        from cover_loss) lines
                  group by insurer, region, channel, cover order by region, channel, cover";
    let view = picc.post("/v1/actuarial/own/questions", None, &json!({ "sql": groups })).await;
    let steady_paid = 4 * (300_000 + 330_000 + 280_000);
    let expected = json!([
        ["PICC", "110000", "01", "A02", 12, 0, 0],
        ["PICC", "110000", "01", "M02", 12, 12, steady_paid],
        ["PICC", "320000", "01", "A02", 12, 0, 0],
        ["PICC", "320000", "01", "M02", 12, 12, steady_paid],
        ["PICC", "320000", "03", "A02", 12, 0, 0],
        ["PICC", "320000", "03", "M01", 12, 12, 12 * 100_000],
        ["PICC", "320000", "03", "M02", 12, 12 + 25, steady_paid + 25 * 300_000],
        // Where the agency's claims stood until they were adjusted.
        ["PICC", "320000", "03", null, 0, 0, 0],
    ]);
    assert_eq!(view.ok(200)["rows"], expected);

    let dataset = dataset_of(&picc, "monthly", LINES).await;
    assert_eq!(dataset["rows"], 7 * 12, "{dataset:#}");
    let counts = json!({ "counts": "claims", "exposure": "years" });
    // Own damage alone has no ratio that varies, and compulsory cover has no losses.
    let ratio = json!({ "numerator": "paid_fen", "denominator": "earned_fen",
        "rows": [{ "column": "cover", "in": ["M02"] }] });
    for asked in [&counts, &ratio] {
        let told = alarms(&picc, "monthly", asked.clone()).await;
        assert!(!told.is_empty(), "{asked}");
        for (group, period) in &told {
            assert_eq!(group, "PICC, 320000, 03, M02", "{told:?}");
            assert!(**period >= *"2025-08", "{told:?}");
        }
        let first = told.iter().map(|(_, period)| period.as_str()).min().unwrap();
        assert!(first <= "2025-10", "found within three months: {told:?}");
    }
    // The other insurer sees its own group, and nothing wrong with it.
    let dataset = dataset_of(&paic, "monthly", LINES).await;
    assert_eq!(dataset["rows"], 2 * 12, "{dataset:#}");
    for asked in [&counts, &ratio] {
        assert_eq!(alarms(&paic, "monthly", asked.clone()).await, [], "{asked}");
    }
}

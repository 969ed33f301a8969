//! 代位求偿 over HTTP: one insurer pays its insured and recovers from the other. SUB-1: a loss of
//! 20,000, 30 percent own fault, 14,600 recovered.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use workspace_tests::api::{Answer, Api, answer, http_client};
use workspace_tests::market::Car;
use workspace_tests::{Platform, Start};

/// When policies are sold.
pub(crate) const SOLD: &str = "2026-03-02T10:00:00+08:00";
/// When everything else happens: the day of the accident.
pub(crate) const LATER: &str = "2026-06-01T20:00:00+08:00";

/// A claim under way.
pub(crate) struct Case<'a> {
    api: &'a Api,
    confirm_code: String,
    report_no: &'static str,
    pub(crate) code: String,
}

impl<'a> Case<'a> {
    pub(crate) async fn report(
        api: &'a Api,
        confirm_code: &str,
        report_no: &'static str,
        (other, subrogation, mutual): (&Car, bool, bool),
    ) -> (Case<'a>, Value) {
        let told = api
            .post(
                "/v1/claims",
                None,
                &json!({
                    "confirmCode": confirm_code, "reportNo": report_no,
                    "accidentAt": "202606010830", "reportedAt": "202606010900",
                    "district": "320102", "place": "中山北路路口", "description": "路口相撞",
                    "handledBy": "12", "subrogation": subrogation, "mutual": mutual,
                    "thirdVehicles": [{ "plate": other.plate, "plateKind": "02" }],
                }),
            )
            .await
            .ok(201);
        let code = told["claimCode"].as_str().unwrap().to_owned();
        (Case { api, confirm_code: confirm_code.to_owned(), report_no, code }, told)
    }

    pub(crate) async fn step(&self, step: &str, business_no: &str, more: Value) -> Answer {
        let mut body = json!({ "confirmCode": self.confirm_code, "reportNo": self.report_no,
                               "businessNo": business_no });
        for (name, value) in more.as_object().unwrap() {
            body[name] = value.clone();
        }
        self.api.post(&format!("/v1/claims/{}/{step}", self.code), None, &body).await
    }

    /// From the survey to the papers. `losses` are of the insured vehicle and of the other.
    pub(crate) async fn assess(&self, liability: &str, losses: [&str; 2]) {
        let officer = json!({ "name": "赵一", "code": "S01", "certificateNo": "C0001" });
        let vehicle = |item: usize, more: Value| {
            let mut row = json!({ "item": item, "property": item.to_string() });
            for (name, value) in more.as_object().unwrap() {
                row[name] = value.clone();
            }
            row
        };
        let seen = |item| vehicle(item, json!({ "surveyor": officer }));
        let lost = |item: usize| {
            vehicle(
                item,
                json!({ "loss": losses[item - 1], "assessor": officer, "approver": officer }),
            )
        };
        let kinds = ["claimApplication", "subrogationApplication", "liabilityStatement"];
        let documents = kinds.map(|kind| json!({ "name": kind, "kind": kind }));
        for (step, more) in [
            (
                "surveys",
                json!({ "surveyedAt": "202606011000", "liability": liability,
                        "liabilityDocument": "1", "vehicles": [seen(1), seen(2)] }),
            ),
            ("registration", json!({ "registeredAt": "202606011100", "estimate": "20000.00" })),
            (
                "assessments",
                json!({ "approvedAt": "202606011200", "vehicles": [lost(1), lost(2)] }),
            ),
            ("documents", json!({ "completeAt": "202606011300", "documents": documents })),
        ] {
            self.step(step, "1", more).await.ok(201);
        }
    }
}

/// A call that says why.
async fn because(api: &Api, method: Method, path: &str, body: Option<&Value>) -> Answer {
    let mut request = api.request(method, path).header("x-purpose", "recovery");
    if let Some(body) = body {
        let key = format!("{path}-{body}");
        let key: String = key.chars().filter(char::is_ascii_graphic).take(100).collect();
        request = request.header("idempotency-key", key).json(body);
    }
    answer(request).await.unwrap()
}

/// 锁定确认, one code for each of the other side's policies.
async fn lock(api: &Api, case: &Case<'_>, other: &Car) -> Vec<String> {
    let mut codes = Vec::new();
    for from in ["1", "2"] {
        let lock = json!({ "claimCode": case.code, "vehicle": { "plate": other.plate },
                           "from": from });
        let locked = because(api, Method::POST, "/v1/recoveries", Some(&lock)).await.ok(201);
        assert_eq!((&locked["status"], &locked["liableInsurer"]), (&json!("1"), &json!("PAIC")));
        codes.push(locked["recoveryCode"].as_str().unwrap().to_owned());
    }
    codes
}

/// An adjustment of own damage of 20,000.00, of which `amounts` are recovered.
fn adjusted(own_share: &str, codes: [&str; 2], amounts: [&str; 2]) -> Value {
    let recovery = |place: usize| {
        json!({ "serialNo": place + 1, "flag": "1", "kind": (place + 1).to_string(),
                "recoveryCode": codes[place], "amount": amounts[place] })
    };
    let covers = json!([{ "coverageCode": "M01", "feeKind": "1", "item": 1,
        "liabilityRate": own_share, "loss": "20000.00", "amount": "20000.00" }]);
    json!({ "agreedAt": "202606011700", "adjustments": [{ "code": "A1", "opinion": "同意",
        "amount": "20000.00", "approvedAt": "202606011700", "covers": covers,
        "recoveries": [recovery(0), recovery(1)] }] })
}

/// PICC's quote message of a car with own damage.
fn hull_message(own: &Car) -> Value {
    let mut message = own.message(SOLD.parse().unwrap());
    message["vehicle"]["newPrice"] = json!("120000.00");
    message["commercial"]["covers"] = json!([
        { "coverageCode": "M01", "agreedValue": "84000.00" },
        { "coverageCode": "M02", "limitAmount": "1000000.00" } ]);
    message
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hull_claim_goes_from_the_lock_to_an_amount_both_insurers_stand_by() {
    let platform = Platform::start(Start { clock: Some(SOLD) }).await;
    let sold = SOLD.parse().unwrap();
    let (own, other) = (Car::number(1), Car::number(2));
    // PICC insures the damaged car with own damage, PAIC the other one.
    let picc = platform.client("picc-320000").await;
    let [_, hull]: [String; 2] = picc.insure(&hull_message(&own)).await.try_into().unwrap();
    let paic = platform.client("paic-320000").await;
    let [compulsory, third_party]: [String; 2] =
        paic.insure(&other.message(sold)).await.try_into().unwrap();
    move_to(&platform, LATER).await;
    let (picc, paic) = (platform.client("picc-320000").await, platform.client("paic-320000").await);

    let (case, told) = Case::report(&picc, &hull, "RP", (&other, true, false)).await;
    assert_eq!(told["locks"], json!([]));
    case.assess("4", ["20000.00", "5000.00"]).await;

    // 锁定查询: the platform names the insurer, by the plate told at the scene.
    let asked = json!({ "claimCode": case.code, "vehicle": { "plate": other.plate } });
    let found = because(&picc, Method::POST, "/v1/recoveries/lock-queries", Some(&asked)).await;
    let found = found.ok(200);
    assert_eq!(found["matchCount"], 2, "{found:#}");
    let named = |at: usize, name: &str| found["policies"][at][name].as_str().unwrap().to_owned();
    assert_eq!([named(0, "insurer"), named(1, "insurer")], ["PAIC", "PAIC"]);
    let mut codes = [named(0, "confirmCode"), named(1, "confirmCode")];
    codes.sort();
    let mut expected = [compulsory.clone(), third_party.clone()];
    expected.sort();
    assert_eq!(codes, expected);

    // Nothing is adjusted as a recovery before its lock.
    let adjust = |codes| adjusted("30", codes, ["2000.00", "12600.00"]);
    let early = case.step("adjustments", "0", adjust(["07X", "07Y"])).await;
    assert_eq!(early.problem(), "E2047");

    let codes = lock(&picc, &case, &other).await;
    let codes = [codes[0].as_str(), codes[1].as_str()];

    // A claim with a live lock is not cancelled (L51).
    let cancel = json!({ "cancelledAt": "202606011600", "kind": "2", "reason": "重复立案" });
    assert_eq!(case.step("cancellation", "9", cancel).await.problem(), "E2046");

    // PAIC learns of it by reporting its own claim (LOCKED_LIST), and cannot settle it the other way.
    let (theirs, told) = Case::report(&paic, &compulsory, "RA", (&own, false, true)).await;
    let listed: Vec<&str> = told["locks"]
        .as_array()
        .unwrap()
        .iter()
        .map(|lock| lock["recoveryCode"].as_str().unwrap())
        .collect();
    assert_eq!(listed, [codes[0]]);
    theirs.assess("2", ["1500.00", "1800.00"]).await;
    let row = json!([{ "coverageCode": "A02", "feeKind": "3", "item": 1, "loss": "1500.00",
                       "amount": "1500.00" }]);
    let paid = json!({ "adjustments": [{ "code": "A1", "opinion": "同意", "amount": "1500.00",
        "approvedAt": "202606011700", "covers": row }] });
    theirs.step("adjustments", "1", paid).await.ok(201);
    let close = json!({ "closedAt": "202606011800", "total": "1500.00", "liability": "2",
                        "mutual": true });
    assert_eq!(theirs.step("closings", "1", close).await.problem(), "E2048");

    // Adjusted, closed; then the amounts are the platform's to compute.
    case.step("adjustments", "1", adjust(codes)).await.ok(201);
    let close = json!({ "closedAt": "202606011800", "total": "20000.00", "liability": "4" });
    case.step("closings", "1", close).await.ok(201);
    let mut claimed = Vec::new();
    for code in codes {
        let path = format!("/v1/recoveries/{code}/start");
        let started = because(&picc, Method::POST, &path, Some(&json!({}))).await.ok(200);
        claimed.push(started["review"]["claimed"].as_str().unwrap().to_owned());
        let steps = started["derivation"].as_array().unwrap();
        let recovery = steps.iter().find(|step| step["name"] == "recovery").unwrap();
        assert_eq!(recovery["value"]["amount"], "14600.00");
    }
    assert_eq!(claimed, ["2000.00", "12600.00"]);

    // The other side's claim, without persons.
    let path = format!("/v1/recoveries/{}/opposing", codes[1]);
    let seen = because(&paic, Method::GET, &path, None).await.ok(200);
    assert_eq!(seen["claims"][0]["claimCode"], case.code);

    // 互审: PAIC stands by the first at once, by the second after an offer.
    let state = async |api: &Api, code: &str, body: Value| {
        let path = format!("/v1/recoveries/{code}/reviews");
        because(api, Method::POST, &path, Some(&body)).await.ok(200)
    };
    let agreed = state(&paic, codes[0], json!({ "amount": "2000.00" })).await;
    assert_eq!(agreed["status"], "4");
    let offer = json!({ "amount": "12000.00",
        "cuts": [{ "reason": "loss", "amount": "600.00", "remark": "工时费偏高" }] });
    assert_eq!(state(&paic, codes[1], offer).await["status"], "3");
    let agreed = state(&paic, codes[1], json!({ "amount": "12600.00" })).await;
    assert_eq!((&agreed["status"], &agreed["agreed"]), (&json!("4"), &json!("12600.00")));

    // Both amounts are in the books: 14,600 for PICC, owed by PAIC.
    for (api, expected) in [(&picc, 1_460_000), (&paic, -1_460_000)] {
        let accounts = api.get("/v1/ledger/accounts").await.ok(200);
        let fen = |account: &Value| -> i64 {
            account["balance"]["net"].as_str().unwrap().replace('.', "").parse().unwrap()
        };
        let net: i64 = accounts["accounts"].as_array().unwrap().iter().map(fen).sum();
        assert_eq!(net, expected);
    }
    // A stranger knows nothing of it.
    let cpic = platform.client("cpic-320000").await;
    assert_eq!(cpic.get(&format!("/v1/recoveries/{}", codes[0])).await.problem(), "E4000");

    // "Why is this my position?", from PAIC's net figure to the messages of both claims.
    let operator = platform.client("operator-000000").await;
    let cycles = operator.get("/v1/operator/settlement/cycles").await.ok(200);
    let of_cycle = cycles["items"][0]["cycleId"].as_str().unwrap();
    let position = format!("/v1/operator/settlement/cycles/{of_cycle}/positions/PAIC");
    assert_eq!(operator.get(&position).await.ok(200)["net"], "-14600.00");
    let items = operator.get(&format!("{position}/items?cover=M02")).await.ok(200);
    assert_eq!(items["items"][0]["reference"], codes[1]);
    let item = items["items"][0]["itemId"].as_str().unwrap();
    let origin_of = format!("/v1/operator/settlement/items/{item}/origin");
    assert_eq!(operator.get(&origin_of).await.problem(), "E4100");
    let origin = because(&operator, Method::GET, &origin_of, None).await.ok(200);
    assert_eq!(origin["recovery"]["recoveryCode"], codes[1]);
    assert_eq!(origin["recovery"]["steps"].as_array().unwrap().len(), 4);
    let claims = origin["claims"].as_array().unwrap();
    assert_eq!(claims.len(), 1, "PAIC had none under that policy at the lock");
    assert_eq!(
        (&claims[0]["claimCode"], &claims[0]["insurer"]),
        (&json!(case.code), &json!("PICC"))
    );
    let steps = claims[0]["steps"].as_array().unwrap();
    let names: Vec<&str> = steps.iter().map(|step| step["step"].as_str().unwrap()).collect();
    let expected = ["notify", "survey", "register", "assess", "documents", "adjust", "close"];
    assert_eq!(names, expected);
    let report = &steps[0]["message"];
    assert_eq!((&report["reportNo"], &report["district"]), (&json!("RP"), &json!("320102")));
    assert_eq!(report["thirdVehicles"][0]["plate"], json!(other.plate));
    assert_eq!(steps[6]["message"]["total"], "20000.00");
    let text = origin.to_string();
    for secret in ["赵一", "C0001", "中山北路", "路口相撞", &own.vin] {
        assert!(!text.contains(secret), "{secret} in {text}");
    }
    // PAIC reads the same of its own item, CPIC nothing; PICC finds both looks.
    let own_origin = format!("/v1/settlement/items/{item}/origin");
    let seen = because(&paic, Method::GET, &own_origin, None).await.ok(200);
    assert_eq!((&seen["claims"], &seen["recovery"]["side"]), (&origin["claims"], &json!("liable")));
    let refused = because(&cpic, Method::GET, &own_origin, None).await;
    assert_eq!((refused.status, &*refused.problem()), (404, "E4000"));
    let refused = because(&paic, Method::GET, &origin_of, None).await;
    assert_eq!((refused.status, &*refused.problem()), (403, "E1101"));
    for (client, function) in [
        ("operator-000000", "operator.settlement.origin_read"),
        ("paic-320000", "clearing.settlement.origin_read"),
    ] {
        let looks = picc.get(&format!("/v1/accesses?function={function}")).await.ok(200);
        let [look] = looks["items"].as_array().unwrap().as_slice() else { panic!("{looks:#}") };
        assert_eq!((&look["client"], &look["purpose"]), (&json!(client), &json!("recovery")));
        let shown = look["shown"].as_array().unwrap();
        assert!(shown.iter().any(|one| one["code"] == json!(case.code)), "{look:#}");
    }
}

/// Until a read says so at the pointer.
pub(crate) async fn until(api: &Api, path: &str, (pointer, expected): (&str, &str)) -> Value {
    let mut seen = String::new();
    for _ in 0..600 {
        let answer = because(api, Method::GET, path, None).await;
        // What is not there may come.
        if answer.status == 200 {
            let found = answer.json();
            if found.pointer(pointer).and_then(Value::as_str) == Some(expected) {
                return found;
            }
        }
        seen = answer.text();
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("{path} never said {expected} at {pointer}: {seen}");
}

/// Sets the platform's clock.
pub(crate) async fn move_to(platform: &Platform, now: &str) {
    let put = http_client().put(format!("{}/sandbox/clock", platform.announced.ops));
    answer(put.json(&json!({ "now": now }))).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_loss_that_was_recovered_in_full_costs_the_insured_no_discount() {
    // SUB-2: the other side is fully liable, and all of 20,000 comes back.
    let platform = Platform::start(Start { clock: Some(SOLD) }).await;
    let (own, other) = (Car::number(1), Car::number(2));
    let picc = platform.client("picc-320000").await;
    let [_, hull]: [String; 2] = picc.insure(&hull_message(&own)).await.try_into().unwrap();
    let paic = platform.client("paic-320000").await;
    paic.insure(&other.message(SOLD.parse().unwrap())).await;
    move_to(&platform, LATER).await;
    let (picc, paic) = (platform.client("picc-320000").await, platform.client("paic-320000").await);

    let (case, _) = Case::report(&picc, &hull, "RP", (&other, true, false)).await;
    case.assess("5", ["20000.00", "3000.00"]).await;
    let codes = lock(&picc, &case, &other).await;
    let amounts = ["2000.00", "18000.00"];
    let adjustment = adjusted("0", [&codes[0], &codes[1]], amounts);
    case.step("adjustments", "1", adjustment).await.ok(201);
    let close = json!({ "closedAt": "202606011800", "total": "20000.00", "liability": "5" });
    case.step("closings", "1", close).await.ok(201);
    let pay = json!({ "paidAt": "202606011900", "total": "20000.00", "payerBank": "工商银行",
        "payerAccount": "6222020200112345678", "payees": [{ "kind": "insured", "name": "李芳",
        "certificateKind": "01", "certificateNo": "11010519491231002X", "bank": "建设银行",
        "account": "6217001234567890123", "amount": "20000.00" }] });
    case.step("payments", "1", pay).await.ok(201);
    for (code, amount) in codes.iter().zip(amounts) {
        let act = |act: &str| format!("/v1/recoveries/{code}/{act}");
        because(&picc, Method::POST, &act("start"), Some(&json!({}))).await.ok(200);
        let body = json!({ "amount": amount });
        let agreed = because(&paic, Method::POST, &act("reviews"), Some(&body)).await.ok(200);
        assert_eq!(agreed["agreed"], *amount);
    }

    // The cycle is closed, both stand by it, and the bank moves the money.
    let operator = platform.client("operator-000000").await;
    for (api, account) in [(&picc, "1234567890"), (&paic, "9876543210")] {
        let body = json!({ "bank": "102301000028", "account": account, "name": "某某保险" });
        because(api, Method::PUT, "/v1/payments/account", Some(&body)).await.ok(200);
    }
    let cycles = operator.get("/v1/operator/settlement/cycles").await.text_at("/items/0/cycleId");
    let of_cycle = format!("/v1/operator/settlement/cycles/{cycles}");
    let closing = format!("{of_cycle}/close");
    because(&operator, Method::POST, &closing, Some(&json!({}))).await.ok(200);
    let statement = format!("/v1/settlement/cycles/{cycles}/statement");
    for (api, net) in [(&picc, "20000.00"), (&paic, "-20000.00")] {
        let told = until(api, &statement, ("/net", net)).await;
        let digest = json!({ "digest": told["digest"] });
        let confirm = format!("{statement}/confirm");
        because(api, Method::POST, &confirm, Some(&digest)).await.ok(200);
    }
    until(&operator, &of_cycle, ("/cycle/stage", "reconciled")).await;

    // Nobody types it: the claim learns of its money, and another insurer's quote of it.
    until(&picc, &format!("/v1/claims/{}", case.code), ("/recovered", "20000.00")).await;
    move_to(&platform, "2027-02-20T10:00:00+08:00").await;
    let cpic = platform.client("cpic-320000").await;
    let mut renewal = hull_message(&own);
    for class in ["compulsory", "commercial"] {
        renewal[class]["start"] = json!("2027030300");
    }
    // 120,000 × (1 − 24 months × 0.6 %), as the cars of the demo.
    renewal["commercial"]["covers"][0]["agreedValue"] = json!("102720.00");
    let quoted = cpic.post("/v1/quotes", None, &renewal).await.ok(201);
    let ncd = &quoted["rating"]["commercial"]["ncd"];
    let verdicts: Vec<&str> = ncd["claims"]
        .as_array()
        .unwrap()
        .iter()
        .map(|claim| claim["verdict"].as_str().unwrap())
        .collect();
    assert_eq!(verdicts, ["fullyRecovered"], "{ncd:#}");
    assert_eq!((&ncd["level"], &ncd["coefficient"]), (&json!(-1), &json!("0.80")), "{ncd:#}");
}

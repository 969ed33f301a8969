//! An insurer looks at another's vehicle: its owner and the regulator learn of it, nobody else.

use std::collections::BTreeSet;

use http::Method;
use serde_json::{Value, json};
use workspace_tests::api::{Answer, Api, answer, http_client};
use workspace_tests::market::{Car, now};
use workspace_tests::{Platform, Start, eventually};

/// When the policy is sold.
const SOLD: &str = "2026-03-02T10:00:00+08:00";

async fn look(api: &Api, path: &str) -> Answer {
    answer(api.request(Method::GET, path).header("x-purpose", "claim 7")).await.unwrap()
}

fn trace(answer: &Answer) -> String {
    answer.headers.get("x-trace-id").unwrap().to_str().unwrap().to_owned()
}

/// Function and trace of each look, latest first.
fn looks(page: &Value) -> Vec<(String, String)> {
    let items = page["items"].as_array().unwrap().iter();
    let text = |item: &Value, name: &str| item[name].as_str().unwrap().to_owned();
    items.map(|item| (text(item, "function"), text(item, "traceId"))).collect()
}

/// The last word of the line of a command's output that begins like this.
fn said(output: &str, begin: &str) -> String {
    let line = output.lines().find(|line| line.starts_with(begin));
    let word = line.and_then(|line| line.split_whitespace().last());
    word.unwrap_or_else(|| panic!("no line {begin}: {output}")).to_owned()
}

/// A regulator's office in a region, as an operator registers one.
async fn office(platform: &Platform, region: &str) -> Api {
    let command = |arguments: &[&str]| {
        let (succeeded, output) = platform.command(&[&["member"], arguments].concat());
        assert!(succeeded, "{arguments:?}: {output}");
        output
    };
    let names = ["--name-zh", "监管局", "--name-en", "Office"];
    let registered = command(&[&["register", "--regulator"][..], &names].concat());
    let tenant = said(&registered, "registered Office: tenant");
    let who = ["--tenant", &tenant, "--region", region];
    command(&[&["branch", "--name", "监管局"][..], &who].concat());
    let id = format!("office-{region}");
    let client = command(&[&["client", "--label", "office", "--id", &id][..], &who].concat());
    let api = Api::login(&platform.announced.api, &id, &said(&client, "client secret")).await;
    // The gate follows within seconds. A page without rows is refused for itself.
    eventually("the gate opens", async || {
        (api.get("/v1/accesses?limit=0").await.status == 400).then_some(())
    })
    .await;
    api
}

#[tokio::test(flavor = "multi_thread")]
async fn who_looked_at_a_vehicle_is_told_to_its_insurer_and_the_regulator_alone() {
    let platform = Platform::up().await;
    let picc = platform.client("picc-320000").await;
    let paic = platform.client("paic-320000").await;
    let cpic = platform.client("cpic-320000").await;
    let car = Car::number(1);
    let codes: BTreeSet<String> = picc.insure(&car.message(now())).await.into_iter().collect();
    assert_eq!(codes.len(), 2);

    let chain = look(&paic, &format!("/v1/vehicles/{}/chain", car.vin)).await;
    chain.ok(200);
    let plate = look(&paic, &format!("/v1/vehicles?plate={}", car.plate)).await;
    plate.ok(200);
    let mut commercial = car.message(now());
    commercial.as_object_mut().unwrap().remove("compulsory");
    let quote = paic.quote(&commercial).await;
    quote.ok(201);
    let function = |name: &str| format!("production.underwriting.{name}");
    let rows =
        [(function("vehicle_chain"), trace(&plate)), (function("vehicle_chain"), trace(&chain))];
    let all = [&[(function("quote"), trace(&quote))], &rows[..]].concat();

    // The insurer of the vehicle: all of it, when it names the vehicle.
    assert_eq!(looks(&picc.get("/v1/accesses").await.ok(200)), rows);
    let about_the_car = format!("/v1/accesses?frameNo={}", car.vin);
    let seen = picc.get(&about_the_car).await.ok(200);
    assert_eq!(looks(&seen), all);
    for item in seen["items"].as_array().unwrap() {
        assert_eq!(item["looker"]["insurer"], "PAIC");
        assert_eq!(item["client"], "paic-320000");
        let shown = item["shown"].as_array().unwrap().iter();
        let shown = shown.map(|one| {
            assert_eq!(one["owner"], "PICC");
            one["code"].as_str().unwrap().to_owned()
        });
        assert_eq!(shown.collect::<BTreeSet<_>>(), codes);
    }
    assert_eq!(seen["items"][0]["reference"], json!(quote.text_at("/queryCode")));
    assert_eq!(seen["items"][1]["purpose"], "claim 7");
    assert!(!seen.to_string().contains("李"));

    // Whoever looked, and a third insurer, have nothing on the vehicle.
    for stranger in [&paic, &cpic] {
        assert_eq!(stranger.get("/v1/accesses").await.ok(200), json!({ "items": [] }));
        let refused = stranger.get(&about_the_car).await;
        assert_eq!((refused.status, &*refused.problem()), (404, "E1004"));
        let refused = stranger.get("/v1/accesses?owner=PICC").await;
        assert_eq!((refused.status, &*refused.problem()), (403, "E1101"));
    }

    // The regulator of the country, and of the region; not of another one.
    let regulator = platform.client("regulator-000000").await;
    let jiangsu = office(&platform, "320000").await;
    for office in [&regulator, &jiangsu] {
        assert_eq!(looks(&office.get("/v1/accesses").await.ok(200)), rows);
        assert_eq!(looks(&office.get(&about_the_car).await.ok(200)), all);
        let asked = format!("{about_the_car}&owner=PICC&looker=PAIC&function={}", all[0].0);
        assert_eq!(looks(&office.get(&asked).await.ok(200)), all[..1]);
    }
    let beijing = office(&platform, "110000").await;
    assert_eq!(beijing.get("/v1/accesses").await.ok(200), json!({ "items": [] }));
    assert_eq!(beijing.get(&about_the_car).await.status, 404);
    // A regulator reads the log and sells nothing.
    let refused = regulator.quote(&car.message(now())).await;
    assert_eq!((refused.status, &*refused.problem()), (403, "E1101"));

    // Reading the log was itself served, with its proof and its usage.
    let database = platform.database().await;
    let reads = "select count(*) from evidence.message join metering.usage using (slot, call_id)
                 where message.function_code = 'platform.evidence.access_read'";
    assert_eq!(database.number(reads).await, 2 + 2 + 6 + 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_claim_and_a_policy_named_in_a_refusal_are_told_to_their_insurer() {
    let platform = Platform::start(Start { clock: Some(SOLD) }).await;
    let car = Car::number(1);
    let picc = platform.client("picc-320000").await;
    let mut message = car.message(SOLD.parse().unwrap());
    message.as_object_mut().unwrap().remove("commercial");
    let [policy]: [String; 1] = picc.insure(&message).await.try_into().unwrap();
    let about_the_car = format!("/v1/accesses?frameNo={}", car.vin);

    // Refused by the policy's number, which is a look at it.
    let paic = platform.client("paic-320000").await;
    let refused = paic.quote(&message).await;
    assert_eq!((refused.status, &*refused.problem()), (409, "E2005"));
    assert_eq!(refused.text_at("/duplicate/confirmCode"), policy);
    let quote = "production.underwriting.quote".to_owned();
    for path in ["/v1/accesses", &about_the_car] {
        let seen = picc.get(path).await.ok(200);
        assert_eq!(looks(&seen), [(quote.clone(), trace(&refused))], "{path}");
        assert_eq!(seen["items"][0]["looker"]["insurer"], "PAIC");
        assert_eq!(seen["items"][0]["shown"], json!([{ "owner": "PICC", "code": policy }]));
    }
    let database = platform.database().await;
    let refusals = "select count(*) from evidence.message m where m.status = 409
                    and m.reply_digest = sha256(convert_to($$BODY$$, 'UTF8'))";
    let refusals = refusals.replace("BODY", &refused.text());
    assert_eq!(database.number(&refusals).await, 1);
    let counted =
        "select count(*) from metering.usage join evidence.message m using (slot, call_id)
                   where m.status >= 400";
    assert_eq!(database.number(counted).await, 0);
    // Its own policy in its own way is no look of anybody.
    assert_eq!(picc.quote(&message).await.status, 409);
    assert_eq!(looks(&picc.get(&about_the_car).await.ok(200)).len(), 1);

    // A claim on the vehicle: a quote made after its report rests on it too.
    let clock = format!("{}/sandbox/clock", platform.announced.ops);
    let later = json!({ "now": "2026-06-01T10:00:00+08:00" });
    assert_eq!(answer(http_client().put(clock).json(&later)).await.unwrap().status, 200);
    let picc = platform.client("picc-320000").await;
    let paic = platform.client("paic-320000").await;
    let report = json!({ "confirmCode": policy, "reportNo": "R-1", "accidentAt": "202605010830",
        "reportedAt": "202605010900", "district": "320102", "place": "中山路",
        "description": "追尾前车", "handledBy": "10" });
    let reported = picc.post("/v1/claims", None, &report).await;
    reported.ok(201);
    let claim = reported.text_at("/claimCode");
    let mut commercial = car.message("2026-06-01T10:00:00+08:00".parse().unwrap());
    commercial.as_object_mut().unwrap().remove("compulsory");
    let quoted = paic.quote(&commercial).await;
    quoted.ok(201);
    let seen = picc.get(&about_the_car).await.ok(200);
    assert_eq!(looks(&seen)[0], (quote, trace(&quoted)));
    let shown = seen["items"][0]["shown"].as_array().unwrap().iter();
    let shown: BTreeSet<_> = shown.map(|one| one["code"].as_str().unwrap()).collect();
    assert_eq!(shown, BTreeSet::from([&*policy, &*claim]));
}

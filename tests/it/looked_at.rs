//! An insurer looks at another's vehicle: its owner and the regulator learn of it, nobody else.

use std::collections::BTreeSet;

use http::Method;
use serde_json::{Value, json};
use workspace_tests::api::{Answer, Api, answer};
use workspace_tests::market::{Car, now};
use workspace_tests::{Platform, eventually};

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

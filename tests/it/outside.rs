//! Police, model library and tax office that are slow, dead or bring bad news.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use workspace_tests::api::{Answer, Api, answer, http_client};
use workspace_tests::market::{Car, echo, now, payment, step};
use workspace_tests::{Platform, eventually};

/// No quote takes longer, whatever the others do: the budget for outside systems is 0.8 s, and
/// the rest is room for a busy machine.
const PROMPT: Duration = Duration::from_secs(4);

async fn put(url: String, body: &Value) {
    let answered = answer(http_client().put(&url).json(body)).await.unwrap();
    assert!((200..300).contains(&answered.status), "{url}: {}", answered.text());
}

async fn recover(platform: &Platform) {
    for server in [&platform.announced.police, &platform.announced.models, &platform.announced.tax]
    {
        let cleared = http_client().delete(format!("{server}/sandbox/faults"));
        assert!(answer(cleared).await.unwrap().status < 300);
    }
}

fn assumed(quoted: &Value) -> Vec<&str> {
    quoted["assumed"].as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn quoting_goes_on_without_the_outside_and_confirming_waits_for_it() {
    let platform = Platform::up().await;
    let picc = platform.client("picc-320000").await;
    let known = &platform.announced;
    let faults = [
        ("police", &known.police, json!({ "hang": true })),
        ("police", &known.police, json!({ "down": true })),
        ("tax", &known.tax, json!({ "latencyMs": 20_000 })),
        ("tax", &known.tax, json!({ "malformed": true })),
        ("models", &known.models, json!({ "closeConnection": true })),
        ("models", &known.models, json!({ "errorRate": 100 })),
    ];
    let mut silent = Vec::new();
    for (number, (name, server, fault)) in (1..).zip(faults) {
        put(format!("{server}/sandbox/faults"), &fault).await;
        let began = Instant::now();
        let quoted = picc.quote(&Car::number(number).message(now())).await.ok(201);
        assert!(began.elapsed() < PROMPT, "{name} {fault}: {:?}", began.elapsed());
        // The model library's answers are kept for every vehicle of the model.
        if name != "models" {
            assert!(assumed(&quoted).contains(&name), "{name} {fault}: {}", quoted["assumed"]);
            let notices = quoted["notices"].as_array().unwrap();
            assert!(!notices.is_empty(), "{name} {fault}: nobody is told");
        }
        silent.push(quoted);
        recover(&platform).await;
    }

    // All three at once.
    for server in [&known.police, &known.models, &known.tax] {
        put(format!("{server}/sandbox/faults"), &json!({ "hang": true })).await;
    }
    let began = Instant::now();
    let quoted = picc.quote(&Car::number(50).message(now())).await.ok(201);
    assert!(began.elapsed() < PROMPT, "{:?}", began.elapsed());
    assert!(assumed(&quoted).contains(&"police") && assumed(&quoted).contains(&"tax"));

    // Before money is taken the police must have spoken.
    let query = quoted["queryCode"].as_str().unwrap();
    let refused = picc.post(&step(query, "pre-confirm"), Some("early"), &json!({})).await;
    assert_eq!((refused.status, &*refused.problem()), (503, "E2013"), "{}", refused.text());
    recover(&platform).await;
    let mut sold = 0;
    for quoted in silent.iter().chain([&quoted]) {
        sold += u32::from(sell(&picc, quoted).await);
    }
    assert!(sold >= 4, "only {sold} quotes stood");
}

/// Pre-confirms, pays and confirms a quote, waiting for circuit breakers to close again. `false`
/// when what the outside says now is not what was assumed, and the quote must be made again.
async fn sell(api: &Api, quoted: &Value) -> bool {
    let query = quoted["queryCode"].as_str().unwrap();
    let frozen = eventually("the outside is asked again", async || {
        let key = format!("{query}-p");
        let answered = api.post(&step(query, "pre-confirm"), Some(&key), &json!({})).await;
        match answered.status {
            503 => None,
            _ => Some(answered),
        }
    })
    .await;
    if frozen.status == 409 {
        assert_eq!(frozen.problem(), "E2012");
        return false;
    }
    let frozen = frozen.ok(200);
    let money = payment(query, frozen["payable"].as_str().unwrap());
    api.post(&step(query, "payment"), Some(&format!("{query}-m")), &money).await.ok(200);
    let confirm = step(query, "confirm");
    let confirmed = api.post(&confirm, Some(&format!("{query}-c")), &echo(query, &frozen)).await;
    let confirmed = confirmed.ok(201);
    assert_eq!(confirmed["policies"].as_array().unwrap().len(), 2);
    true
}

/// Makes the police say that a car is stolen.
async fn report_stolen(platform: &Platform, car: &Car) {
    let police = &platform.announced.police;
    let record = format!("{police}/sandbox/vehicles/{}", car.vin);
    let mut known = answer(http_client().get(&record)).await.unwrap().ok(200);
    known["status"] = json!("C");
    known["plate"] = json!({ "number": car.plate, "kind": "02" });
    put(record, &known).await;
}

fn is_barred(refused: &Answer) {
    assert_eq!(refused.status, 422, "{}", refused.text());
    let code = refused.problem();
    let by_rule = code == "E1001" && refused.rules().contains(&"L24".to_owned());
    let by_step = code == "E2011" && refused.text_at("/rule") == "L24";
    assert!(by_rule || by_step, "{}", refused.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stolen_car_is_not_insured_however_late_it_is_known() {
    let platform = Platform::up().await;
    let picc = platform.client("picc-320000").await;
    let stolen = Car::number(1);
    report_stolen(&platform, &stolen).await;
    is_barred(&picc.quote(&stolen.message(now())).await);

    // The police were silent when it was quoted.
    put(format!("{}/sandbox/faults", platform.announced.police), &json!({ "down": true })).await;
    let late = Car::number(2);
    let quoted = picc.quote(&late.message(now())).await.ok(201);
    assert!(assumed(&quoted).contains(&"police"));
    report_stolen(&platform, &late).await;
    recover(&platform).await;
    let query = quoted["queryCode"].as_str().unwrap();
    let refused = eventually("the police answer again", async || {
        let answered = picc.post(&step(query, "pre-confirm"), Some("p"), &json!({})).await;
        (answered.status != 503).then_some(answered)
    })
    .await;
    is_barred(&refused);
    let database = platform.database().await;
    assert_eq!(database.number("select count(*) from production.proposal").await, 0);
}

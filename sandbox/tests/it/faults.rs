//! What goes wrong on demand, and the control API that demands it.

use std::time::{Duration, Instant};

use sandbox::accident::{Accident, AccidentParty};
use sandbox::fault::Faults;
use sandbox::vehicle::VehicleRecord;
use sandbox::{Counterparty, Sandbox, Settings};
use serde_json::{Value, json};

use crate::{client, police_envelope, police_question, post};

async fn start() -> Sandbox {
    sandbox::start(Settings::loopback()).await.unwrap()
}

const PATIENCE: Duration = Duration::from_secs(10);

/// Status of a look-up; `None` when no whole answer came within `patience`.
async fn ask(sandbox: &Sandbox, patience: Duration) -> Option<(u16, Result<Value, ()>)> {
    let sent = client()
        .post(format!("http://{}/tax/evidence", sandbox.addrs.tax))
        .json(&json!({"vin": "LSVAM4187C2184847", "year": 2025}))
        .timeout(patience)
        .send()
        .await
        .ok()?;
    let status = sent.status().as_u16();
    let text = sent.text().await.ok()?;
    Some((status, serde_json::from_str(&text).map_err(|_| ())))
}

#[tokio::test]
async fn each_fault_shows_and_goes() {
    let sandbox = start().await;
    let none = Faults::default;
    let spoilt = [
        (Faults { down: true, ..none() }, None),
        (Faults { hang: true, ..none() }, None),
        (Faults { close_connection: true, ..none() }, None),
        (Faults { fail_next: 1, ..none() }, Some((500, Err(())))),
        (Faults { error_rate: 100, ..none() }, Some((503, Err(())))),
        (Faults { malformed: true, ..none() }, Some((200, Err(())))),
    ];
    for (faults, expected) in spoilt {
        sandbox.set_faults(Counterparty::Tax, faults.clone());
        let patience = if faults.hang { Duration::from_millis(30) } else { PATIENCE };
        assert_eq!(ask(&sandbox, patience).await, expected, "{faults:?}");
        sandbox.set_faults(Counterparty::Tax, none());
        assert!(matches!(ask(&sandbox, PATIENCE).await, Some((200, Ok(_)))), "after {faults:?}");
    }
    let calls = sandbox.calls(Counterparty::Tax);
    assert_eq!((calls.total, calls.spoiled), (12, 6));
    assert_eq!(calls.by_operation["POST /tax/evidence"], 12);
    assert_eq!(sandbox.calls(Counterparty::Police).total, 0);
}

#[tokio::test]
async fn latency_delays_the_right_answer() {
    let sandbox = start().await;
    sandbox.set_faults(Counterparty::Tax, Faults { latency_ms: 20, ..Faults::default() });
    let started = Instant::now();
    assert!(matches!(ask(&sandbox, PATIENCE).await, Some((200, Ok(_)))));
    assert!(started.elapsed() >= Duration::from_millis(20));
}

#[tokio::test]
async fn shutdown_lets_hanging_calls_go() {
    let sandbox = start().await;
    sandbox.set_faults(Counterparty::Police, Faults { hang: true, ..Faults::default() });
    let addr = sandbox.addrs.police;
    let question = police_question(json!({"vin": "LSVAM4187C2184847"}));
    let hanging = tokio::spawn(async move {
        client().post(format!("http://{addr}/police/vehicle")).json(&question).send().await.is_err()
    });
    while sandbox.calls(Counterparty::Police).total == 0 {
        tokio::task::yield_now().await;
    }
    tokio::time::timeout(Duration::from_secs(2), sandbox.shutdown()).await.unwrap();
    assert!(hanging.await.unwrap());
}

#[tokio::test]
async fn faults_and_records_are_set_over_http() {
    let sandbox = start().await;
    let (client, addr) = (client(), sandbox.addrs.police);
    let url = |path: &str| format!("http://{addr}{path}");
    let put = |path: &str, body: Value| client.put(url(path)).json(&body).send();

    let vin = "LSVAM4187C2184847";
    let record = VehicleRecord::private_car(vin).owned_by("张伟").in_status("C");
    let path = format!("/sandbox/vehicles/{vin}");
    let record = serde_json::to_value(&record).unwrap();
    assert_eq!(put(&path, record.clone()).await.unwrap().status(), 204);
    assert_eq!(put("/sandbox/vehicles/OTHER", record).await.unwrap().status(), 400);
    let question = police_question(json!({ "vin": vin }));
    let answer = post(&client, addr, "/police/vehicle", &question).await;
    let answer: Value = answer.json().await.unwrap();
    assert_eq!(
        (&answer["data"]["ownerName"], &answer["data"]["status"]),
        (&json!("张伟"), &json!("C"))
    );

    // Control answers even when the counterparty itself is down.
    assert_eq!(put("/sandbox/faults", json!({"down": true})).await.unwrap().status(), 200);
    assert_eq!(put("/sandbox/faults", json!({"dwon": true})).await.unwrap().status(), 422);
    assert!(client.post(url("/police/vehicle")).json(&question).send().await.is_err());
    let cleared = client.delete(url("/sandbox/faults")).send().await.unwrap();
    assert_eq!(cleared.status(), 204);
    assert_eq!(post(&client, addr, "/police/vehicle", &question).await.status(), 200);

    let calls: Value =
        client.get(url("/sandbox/calls")).send().await.unwrap().json().await.unwrap();
    assert_eq!((&calls["total"], &calls["spoiled"]), (&json!(3), &json!(1)));
    assert_eq!(client.delete(url(&path)).send().await.unwrap().status(), 204);
    assert_eq!(post(&client, addr, "/police/vehicle", &question).await.status(), 404);
}

#[tokio::test]
async fn accidents_and_parts_are_loaded_over_http_and_spoiled_like_the_rest() {
    let sandbox = start().await;
    let (client, addrs) = (client(), sandbox.addrs);
    let question = police_envelope("accident.query", json!({"accidentNo": "A1"}));
    let ask = || post(&client, addrs.police, "/police/accident", &question);
    let accident = Accident::between_vehicles("A1", "2025-02-20T04:00:00Z".parse().unwrap())
        .with_party(AccidentParty::vehicle("京A12345", "02", "李芳"));
    let record = serde_json::to_value(&accident).unwrap();
    let url = format!("http://{}/sandbox/accidents/A1", addrs.police);
    let load = |url: &str, body: &Value| client.put(url).json(body).send();

    assert_eq!(client.get(&url).send().await.unwrap().status(), 404);
    assert_eq!(load(&url, &record).await.unwrap().status(), 204);
    let other = url.replace("A1", "A2");
    assert_eq!(load(&other, &record).await.unwrap().status(), 400);
    let read: Value = client.get(&url).send().await.unwrap().json().await.unwrap();
    assert_eq!(read, record);
    let told: Value = ask().await.json().await.unwrap();
    assert_eq!(told["data"]["accidents"], json!([record]));

    // Another party takes the place of the first: the first plate leads nowhere any more.
    let mut changed = record.clone();
    changed["parties"][0]["plate"]["number"] = json!("京A99999");
    assert_eq!(load(&url, &changed).await.unwrap().status(), 204);
    for (number, status) in [("京A12345", 404), ("京A99999", 200)] {
        let by_plate = police_envelope(
            "accident.query",
            json!({
                "plate": {"number": number, "kind": "02"},
                "from": "2025-02-20T00:00:00Z", "to": "2025-02-21T00:00:00Z",
            }),
        );
        let answer = post(&client, addrs.police, "/police/accident", &by_plate).await;
        assert_eq!(answer.status(), status, "{number}");
    }

    sandbox.set_faults(Counterparty::Police, Faults { fail_next: 1, ..Faults::default() });
    assert_eq!(ask().await.status(), 500);
    assert_eq!(client.delete(&url).send().await.unwrap().status(), 204);
    assert_eq!(ask().await.status(), 404);
    assert_eq!(sandbox.calls(Counterparty::Police).by_operation["POST /police/accident"], 5);

    let part = json!({"code": "X1", "name": "车门", "price": "1200.00", "brandClass": "branded"});
    let url = format!("http://{}/sandbox/parts/X1", addrs.models);
    assert_eq!(load(&url, &part).await.unwrap().status(), 204);
    assert_eq!(load(&url.replace("X1", "X2"), &part).await.unwrap().status(), 400);
    let priced = post(&client, addrs.models, "/models/parts", &json!({"codes": ["X1"]})).await;
    let priced: Value = priced.json().await.unwrap();
    assert_eq!(priced["parts"][0]["reference"]["price"], "1200.00");
}

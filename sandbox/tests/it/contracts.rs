//! What the counterparties answer when nothing is wrong.

use jiff::civil::date;
use kernel::Fen;
use sandbox::vehicle::{Arrears, Misdeed, VehicleRecord};
use sandbox::{Sandbox, Settings, Strangers};
use serde_json::{Value, json};

use crate::{client, police_question, post};

const VIN: &str = "LSVAM4187C2184847";

async fn loaded() -> Sandbox {
    let sandbox = sandbox::start(Settings::loopback()).await.unwrap();
    let noon = |year| kernel::time::instant_of(date(year, 6, 1).at(12, 0, 0, 0)).unwrap();
    sandbox.load(
        VehicleRecord::private_car(VIN)
            .plated("京A12345", "02")
            .owned_by("李芳")
            .with_violation(Misdeed::DrunkDriving, noon(2023))
            .with_violation(Misdeed::RedLight, noon(2024))
            .with_violation(Misdeed::General, noon(2026))
            .with_arrears(Arrears { year: 2024, unpaid: Fen(42_000), due_on: date(2024, 12, 31) }),
    );
    sandbox
}

#[tokio::test]
async fn the_police_know_a_vehicle_by_vin_and_by_plate() {
    let sandbox = loaded().await;
    let client = client();
    let by_vin = police_question(json!({"vin": VIN, "violationsSince": "2024-01-01"}));
    let plate = json!({"number": "京A12345", "kind": "02"});
    let by_plate = police_question(json!({"plate": plate, "violationsSince": "2024-01-01"}));
    for question in [by_vin, by_plate] {
        let answer = post(&client, sandbox.addrs.police, "/police/vehicle", &question).await;
        assert_eq!(answer.status(), 200);
        let answer: Value = answer.json().await.unwrap();
        assert_eq!(answer["returnCode"], "1");
        assert_eq!(answer["serialNo"], "42");
        assert_eq!(answer["data"]["ownerName"], "李芳");
        assert_eq!(answer["data"]["useType"], "210");
        assert_eq!(answer["data"]["status"], "A");
        // Neither what was before the day asked nor what lies after the time stamp.
        let violations = answer["data"]["violations"].as_array().unwrap();
        assert_eq!(violations.len(), 1);
        assert_eq!(violations[0]["kind"], "redLight");
    }
    let untold = police_question(json!({"vin": VIN}));
    let answer = post(&client, sandbox.addrs.police, "/police/vehicle", &untold).await;
    assert_eq!(answer.json::<Value>().await.unwrap()["data"]["violations"], json!([]));
    sandbox.shutdown().await;
}

#[tokio::test]
async fn the_police_do_not_know_new_cars() {
    let sandbox = loaded().await;
    sandbox.load(VehicleRecord::private_car("LSVAM4187C2184001").not_yet_registered());
    for vin in ["LSVAM4187C2184001", "LSVNOBODYKNOWS001"] {
        let question = police_question(json!({ "vin": vin }));
        let answer = post(&client(), sandbox.addrs.police, "/police/vehicle", &question).await;
        assert_eq!(answer.status(), 404);
        assert_eq!(answer.json::<Value>().await.unwrap()["returnCode"], "0404");
    }
    let mut odd = police_question(json!({ "vin": VIN }));
    odd["timeStamp"] = json!("20250230000000");
    let answer = post(&client(), sandbox.addrs.police, "/police/vehicle", &odd).await;
    assert_eq!(answer.status(), 400);
}

#[tokio::test]
async fn a_stranger_with_a_plate_is_invented_the_same_every_time() {
    let plate = json!({"number": "沪B67890", "kind": "02"});
    let question = police_question(json!({"vin": "LFV2A21K8A3000001", "plate": plate}));
    let mut answers = Vec::new();
    for _ in 0..2 {
        let sandbox = sandbox::start(Settings::loopback()).await.unwrap();
        let answer = post(&client(), sandbox.addrs.police, "/police/vehicle", &question).await;
        answers.push(answer.json::<Value>().await.unwrap());
        sandbox.shutdown().await;
    }
    assert_eq!(answers[0], answers[1]);
    assert_eq!(answers[0]["data"]["plate"], plate);

    let settings = Settings { strangers: Strangers::Unknown, ..Settings::loopback() };
    let sandbox = sandbox::start(settings).await.unwrap();
    let answer = post(&client(), sandbox.addrs.police, "/police/vehicle", &question).await;
    assert_eq!(answer.status(), 404);
}

#[tokio::test]
async fn the_model_library_knows_its_catalogue_and_the_models_of_a_vin() {
    let sandbox = loaded().await;
    let client = client();
    let base = format!("http://{}", sandbox.addrs.models);
    let model: Value = client
        .get(format!("{base}/models/BDZ1600FV7160"))
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    assert_eq!(model["newPrice"], "120000.00");
    assert_eq!(model["displacementCc"], 1_598);
    let unknown = client.get(format!("{base}/models/XXX")).send().await.unwrap();
    assert_eq!(unknown.status(), 404);

    let query = json!({ "vin": VIN });
    let found = post(&client, sandbox.addrs.models, "/models/candidates", &query).await;
    let found: Value = found.json().await.unwrap();
    assert_eq!(found["models"], json!([model]));
}

#[tokio::test]
async fn a_declaration_is_taken_once_and_pays_the_year() {
    let sandbox = loaded().await;
    let client = client();
    let tax = format!("http://{}", sandbox.addrs.tax);
    let evidence = || async {
        let query = json!({"vin": VIN, "year": 2025});
        post(&client, sandbox.addrs.tax, "/tax/evidence", &query)
            .await
            .json::<Value>()
            .await
            .unwrap()
    };
    let before = evidence().await;
    assert!(before.get("receipt").is_none());
    assert_eq!(before["arrears"][0]["unpaid"], "420.00");

    let declaration = json!({
        "insurer": "PAIC", "confirmNo": "02PAIC110025000000000000000001", "vin": VIN, "year": 2025,
        "condition": "N", "payerName": "李芳", "collectedOn": "2025-03-01",
        "taxDue": "420.00", "arrears": "420.00", "lateFee": "12.60", "total": "852.60",
    });
    let declare = |number: &str, body: Value| {
        client.put(format!("{tax}/tax/declarations/{number}")).json(&body).send()
    };
    let first: Value = declare("D1", declaration.clone()).await.unwrap().json().await.unwrap();
    let again: Value = declare("D1", declaration.clone()).await.unwrap().json().await.unwrap();
    assert_eq!(first, again);

    let after = evidence().await;
    assert_eq!(after["receipt"]["receiptNo"], first["receiptNo"]);
    assert_eq!(after["arrears"], json!([]));

    let mut other = declaration.clone();
    other["payerName"] = json!("王伟");
    let mut short = declaration.clone();
    short["total"] = json!("1.00");
    let refused = [
        ("D1", other, 409, "declared-otherwise"),
        ("D2", declaration.clone(), 409, "already-paid"),
        ("D3", short, 422, "total-differs"),
    ];
    for (number, body, status, code) in refused {
        let answer = declare(number, body).await.unwrap();
        assert_eq!(answer.status(), status, "{code}");
        assert_eq!(answer.json::<Value>().await.unwrap()["code"], code);
    }

    for _ in 0..2 {
        let void = client.delete(format!("{tax}/tax/declarations/D1")).send().await.unwrap();
        assert_eq!(void.status(), 204);
    }
    assert_eq!(declare("D1", declaration.clone()).await.unwrap().status(), 409);
    assert_eq!(declare("D4", declaration).await.unwrap().status(), 200);
    assert_eq!(sandbox.declared().len(), 2);
}

#[test]
fn contracts_name_every_operation() {
    let documents = [
        (sandbox::police::openapi(), vec!["/police/vehicle"]),
        (sandbox::models::openapi(), vec!["/models/candidates", "/models/{code}"]),
        (sandbox::tax::openapi(), vec!["/tax/declarations/{declaration_no}", "/tax/evidence"]),
    ];
    for (document, expected) in documents {
        let paths: Vec<&String> = document.paths.paths.keys().collect();
        assert_eq!(paths, expected);
        let text = serde_json::to_value(&document).unwrap();
        assert!(text["openapi"].as_str().unwrap().starts_with("3.1"), "{}", text["openapi"]);
    }
}

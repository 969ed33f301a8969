//! What the counterparties answer when nothing is wrong.

use jiff::civil::date;
use kernel::Fen;
use sandbox::accident::{Accident, AccidentParty, Duty};
use sandbox::vehicle::{Arrears, Misdeed, VehicleRecord};
use sandbox::{Sandbox, Settings, Strangers};
use serde_json::{Value, json};

use crate::{client, police_envelope, police_question, post};

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
async fn the_police_tell_accidents_by_number_and_by_plate_in_a_span() {
    let sandbox = loaded().await;
    let client = client();
    let at = |text: &str| text.parse::<jiff::Timestamp>().unwrap();
    let crash = |number: &str, when: &str| {
        Accident::between_vehicles(number, at(when))
            .reported_by("赵建国")
            .with_party(
                AccidentParty::vehicle("京A12345", "02", "李芳")
                    .with_vin(VIN)
                    .liable(Duty::Full, "1".parse().unwrap())
                    .insured_by("PICC", "PDZA1"),
            )
            .with_party(
                AccidentParty::vehicle("苏A8K235", "02", "王伟")
                    .liable(Duty::None, "0".parse().unwrap()),
            )
    };
    sandbox.load_accident(crash("A1", "2025-02-01T04:00:00Z").decided("S1", date(2025, 2, 3)));
    sandbox.load_accident(crash("A2", "2025-02-20T04:00:00Z").decided("S2", date(2025, 3, 2)));
    sandbox.load_accident(crash("A3", "2025-03-01T04:00:01Z"));

    let plate = json!({"number": "苏A8K235", "kind": "02"});
    let span = |from: &str, to: &str| json!({"plate": plate, "from": from, "to": to});
    let (day_one, year_end) = ("2025-02-01T04:00:00Z", "2025-12-31T00:00:00Z");
    // The question comes at noon of 1 March in China: the third accident is a second away.
    let cases = [
        (json!({"accidentNo": "A1"}), vec!["A1"]),
        (json!({"accidentNo": "A1", "plate": plate}), vec!["A1"]),
        (span(day_one, year_end), vec!["A1", "A2"]),
        (span("2025-02-01T04:00:01Z", year_end), vec!["A2"]),
        (span(day_one, "2025-02-20T04:00:00Z"), vec!["A1"]),
    ];
    for (data, expected) in cases {
        let question = police_envelope("accident.query", data.clone());
        let answer = post(&client, sandbox.addrs.police, "/police/accident", &question).await;
        assert_eq!(answer.status(), 200, "{data}");
        let answer: Value = answer.json().await.unwrap();
        assert_eq!((&answer["returnCode"], &answer["serialNo"]), (&json!("1"), &json!("42")));
        let told = answer["data"]["accidents"].as_array().unwrap();
        let numbers: Vec<&str> =
            told.iter().map(|accident| accident["accidentNo"].as_str().unwrap()).collect();
        assert_eq!(numbers, expected, "{data}");
    }

    let refused = [
        (json!({"accidentNo": "A3"}), 404, "0404"),
        (json!({"accidentNo": "A9"}), 404, "0404"),
        (span("2024-01-01T00:00:00Z", "2025-01-01T00:00:00Z"), 404, "0404"),
        (span(year_end, day_one), 400, "0400"),
        (json!({ "plate": plate }), 400, "0400"),
        (json!({}), 400, "0400"),
    ];
    for (data, status, code) in refused {
        let question = police_envelope("accident.query", data.clone());
        let answer = post(&client, sandbox.addrs.police, "/police/accident", &question).await;
        assert_eq!(answer.status(), status, "{data}");
        assert_eq!(answer.json::<Value>().await.unwrap()["returnCode"], code, "{data}");
    }
    let wrong_method = police_question(json!({"accidentNo": "A1"}));
    let answer = post(&client, sandbox.addrs.police, "/police/accident", &wrong_method).await;
    assert_eq!(answer.status(), 400);
}

#[tokio::test]
async fn an_accident_is_told_whole_and_its_duties_once_they_are_decided() {
    let sandbox = loaded().await;
    let client = client();
    let accident = Accident::between_vehicles("A1", "2025-02-20T04:00:00Z".parse().unwrap())
        .with_party(
            AccidentParty::vehicle("京A12345", "02", "李芳")
                .with_vin(VIN)
                .liable(Duty::Main, "0.7".parse().unwrap())
                .insured_by("PICC", "PDZA1"),
        )
        .with_victims(2, 1)
        .decided("S1", date(2025, 3, 2));
    sandbox.load_accident(accident);
    let ask = async |time_stamp: &str| {
        let mut question = police_envelope("accident.query", json!({"accidentNo": "A1"}));
        question["timeStamp"] = json!(time_stamp);
        let answer = post(&client, sandbox.addrs.police, "/police/accident", &question).await;
        answer.json::<Value>().await.unwrap()["data"]["accidents"][0].clone()
    };
    let party = |duty: Value| {
        let mut party = json!({
            "plate": {"number": "京A12345", "kind": "02"}, "vin": VIN, "driverName": "李芳",
            "compulsoryInsurer": "PICC", "compulsoryPolicyNo": "PDZA1",
        });
        party.as_object_mut().unwrap().extend(duty.as_object().unwrap().clone());
        party
    };
    let mut expected = json!({
        "accidentNo": "A1", "at": "2025-02-20T04:00:00Z", "place": "南京市玄武区中山东路",
        "kind": "betweenVehicles", "cause": "rearEnd", "handling": "police",
        "injured": 2, "dead": 1, "parties": [party(json!({"duty": "undetermined"}))],
    });
    assert_eq!(ask("20250301235959").await, expected);
    expected["parties"] = json!([party(json!({"duty": "main", "proportion": "0.7"}))]);
    expected["statement"] = json!({"number": "S1", "issuedOn": "2025-03-02"});
    assert_eq!(ask("20250302000000").await, expected);
}

#[tokio::test]
async fn the_model_library_prices_parts_that_fit_the_model() {
    let sandbox = loaded().await;
    let client = client();
    let ask = |body: Value| {
        let url = format!("http://{}/models/parts", sandbox.addrs.models);
        client.post(url).json(&body).send()
    };
    let codes = json!(["18D807217A", "NOBODY-KNOWS", "JY6540RH21"]);
    let bumper = json!({"code": "18D807217A", "reference":
        {"name": "前保险杠皮", "price": "620.00", "brandClass": "original"}});
    let wiper = json!({"code": "JY6540RH21", "reference":
        {"name": "雨刮片", "price": "68.00", "brandClass": "fitting"}});
    let unknown = json!({"code": "NOBODY-KNOWS"});
    let cases = [
        (json!({"modelCode": "BDZ1600FV7160", "codes": codes}), json!([bumper, unknown, wiper])),
        (json!({ "codes": codes }), json!([bumper, unknown, wiper])),
        (
            json!({"modelCode": "BTS0000TSL7000", "codes": codes}),
            json!([{"code": "18D807217A"}, unknown, wiper]),
        ),
        (json!({ "codes": [] }), json!([])),
    ];
    for (question, expected) in cases {
        let answer: Value = ask(question.clone()).await.unwrap().json().await.unwrap();
        assert_eq!(answer["parts"], expected, "{question}");
    }
    let codes = |count: usize| json!({"codes": vec!["X"; count]});
    assert_eq!(ask(codes(100)).await.unwrap().status(), 200);
    let refused = ask(codes(101)).await.unwrap();
    assert_eq!(refused.status(), 422);
    assert_eq!(refused.json::<Value>().await.unwrap()["code"], "too-many-parts");
}

#[test]
fn every_part_of_the_catalogue_fits_models_there_are_and_has_a_price() {
    let models = sandbox::models::catalogue();
    let parts = sandbox::parts::catalogue();
    let mut codes: Vec<&str> = parts.iter().map(|part| part.code.as_str()).collect();
    codes.sort_unstable();
    codes.dedup();
    assert_eq!(codes.len(), parts.len(), "a code stands for one part");
    for part in &parts {
        assert!(part.price > Fen::ZERO, "{part:?}");
        for code in &part.model_codes {
            assert!(models.iter().any(|model| model.code == *code), "{part:?}");
        }
    }
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
        (sandbox::police::openapi(), vec!["/police/accident", "/police/vehicle"]),
        (sandbox::models::openapi(), vec!["/models/candidates", "/models/parts", "/models/{code}"]),
        (sandbox::tax::openapi(), vec!["/tax/declarations/{declaration_no}", "/tax/evidence"]),
    ];
    for (document, expected) in documents {
        let paths: Vec<&String> = document.paths.paths.keys().collect();
        assert_eq!(paths, expected);
        let text = serde_json::to_value(&document).unwrap();
        assert!(text["openapi"].as_str().unwrap().starts_with("3.1"), "{}", text["openapi"]);
    }
}

//! Segments and lapses end to end, against scikit-learn, statsmodels and LightGBM.

use serde_json::{Value, json};

use crate::support::{World, near, oracle, pointers, unpacked, word};

#[tokio::test]
async fn segments_of_sports_cars_are_those_of_scikit_learn() {
    let Some(case) = oracle("segmentation_sports_cars") else { return };
    let Some(path) = testkit::shared_data("reference/vehicles/sports_cars.csv") else { return };
    let world = World::new().await;
    let about = json!({ "name": "cars", "delimiter": ";" });
    world.import(&world.picc, &about, &std::fs::read(path).unwrap()).await;
    let ratio = |name: &str, from: &str, by: &str| json!({ "name": name, "from": from, "how": "ratio", "by": by });
    let log = |name: &str, from: &str| json!({ "name": name, "from": from, "how": "log" });
    let parameters = json!({
        "derive": [ratio("r1", "weight", "max_power"), ratio("r2", "max_power", "cubic_capacity"),
            log("x1", "r1"), log("x2", "r2"), log("x3", "max_torque"), log("x4", "max_engine_speed"),
            log("x5", "cubic_capacity")],
        "columns": ["x1", "x2", "x3", "x4", "x5"], "segments": 4, "starts": 100,
        "profile": ["sports_car", "tau"], "identifier": "model" });
    let body =
        json!({ "method": "segments", "dataset": "cars", "parameters": parameters, "seed": 1 });
    let run = world.start(&world.picc, &body).await.unwrap();
    world.work_on_run().await;
    let run = word(&run, "runId");
    let call = world.read(&world.picc, &actuarial::function::RUN_READ);
    let result = world.actuarial.read_result(call, &run).await.unwrap();
    let result: Value = serde_json::from_slice(&result.body).unwrap();
    let components = result["components"].as_array().unwrap();
    for (at, own) in components.iter().enumerate() {
        near("singular value", &own["singularValue"], &case["singular_values"][at], 0.0, 1e-9);
        near("share", &own["share"], &case["explained_variance_share"][at], 1e-9, 0.0);
    }
    let wanted = case["kmeans_best_inertia_over_500_starts"]["4"]["inertia"].as_f64().unwrap();
    let inertia = result["inertia"].as_f64().unwrap();
    assert!(inertia <= 1.001 * wanted, "{inertia}");
    // 475 cars in five columns on one scale are 5 · 474 apart.
    near("explained", &result["explained"], &json!(1.0 - inertia / 2_370.0), 1e-12, 0.0);
    let segments = result["segments"].as_array().unwrap();
    let members: usize = segments.iter().map(|own| own["members"].as_array().unwrap().len()).sum();
    assert_eq!((segments.len(), members), (4, 475));
    let page = String::from_utf8(world.report(&run).await.unwrap()).unwrap();
    assert!(page.contains("Directions rows differ in") && !page.contains("NaN"));
}

#[tokio::test]
async fn segments_tell_of_risk_and_value() {
    let world = World::new().await;
    let rows = "age,cars,premium,incurred,years\n20,1,100,120,1\n21,1,110,80,1\n60,3,400,100,2\n\
                62,3,500,200,2\n61,3,300,0,1\n";
    world.import(&world.picc, &json!({ "name": "book" }), rows.as_bytes()).await;
    let asked = json!({ "columns": ["age", "cars"], "segments": 2, "premium": "premium",
        "losses": "incurred", "exposure": "years" });
    let (_, result) = world.done("segments", "book", &asked).await;
    let segments = result["segments"].as_array().unwrap();
    // The larger first: three customers of 1,200 premium, 300 losses and five years insured.
    assert_eq!(segments[0]["rows"], 3);
    near("risk", &segments[0]["lossRatio"], &json!(0.25), 1e-12, 0.0);
    near("value", &segments[0]["value"], &json!(180.0), 1e-9, 0.0);
    near("age", &segments[0]["middle"][0], &json!(61.0), 1e-9, 0.0);
    near("risk", &segments[1]["lossRatio"], &json!(200.0 / 210.0), 1e-12, 0.0);

    let wrong = json!({ "columns": ["age", "age", "x"], "segments": 1, "losses": "incurred" });
    let body = json!({ "method": "segments", "dataset": "book", "parameters": wrong });
    let problem = world.start(&world.picc, &body).await.unwrap_err();
    let wanted = ["/parameters/columns/1", "/parameters/columns/2", "/parameters/segments"];
    assert_eq!(pointers(&problem), wanted);
    // A column of one value, and more segments than different rows.
    let flat = "age,cars\n20,1\n21,1\n22,1\n";
    world.import(&world.picc, &json!({ "name": "flat" }), flat.as_bytes()).await;
    let run = world.run("segments", "flat", &json!({ "columns": ["age", "cars"] })).await;
    assert_eq!(
        (&run["failure"]["code"], &run["failure"]["column"]),
        (&json!("E5102"), &json!("cars"))
    );
    let run = world.run("segments", "flat", &json!({ "columns": ["age"], "segments": 4 })).await;
    assert_eq!(run["failure"]["code"], "E5100");
}

#[tokio::test]
async fn lapses_are_ordered_as_well_as_by_lightgbm_and_chances_are_what_they_say() {
    let (Some(targets), Some(file)) =
        (oracle("region_factor_cv"), unpacked("portfolios/eudirectlapse.csv.gz"))
    else {
        return;
    };
    let world = World::new().await;
    world.import(&world.picc, &json!({ "name": "renewals" }), &file).await;
    let numbers = [
        "polholder_age",
        "policy_age",
        "policy_nbcontract",
        "prem_final",
        "prem_last",
        "prem_market",
        "prem_pure",
        "vehicl_age",
        "vehicl_agepurchase",
        "toMarket",
        "toLast",
        "polholder_BMCevol",
        "polholder_diffdriver",
        "polholder_gender",
        "polholder_job",
        "policy_caruse",
        "prem_freqperyear",
        "vehicl_garage",
        "vehicl_powerkw",
        "vehicl_region",
    ];
    let features: Vec<Value> = numbers.iter().map(|name| json!({ "column": name })).collect();
    let parameters = json!({ "lapsed": "lapse", "features": features,
        "derive": [{ "name": "toMarket", "from": "prem_final", "how": "ratio", "by": "prem_market" },
            { "name": "toLast", "from": "prem_final", "how": "ratio", "by": "prem_last" }] });
    let (run, result) = world.done("lapse", "renewals", &parameters).await;
    let auc = run["figures"]["auc"].as_f64().unwrap();
    // The rows held out are those of the oracle: the same hash of the row's number.
    assert!(auc >= targets["lapse_lightgbm_test_auc"].as_f64().unwrap(), "{auc}");
    assert!(run["figures"]["calibrationError"].as_f64().unwrap() < 0.02, "{run}");
    assert_eq!(result["calibration"].as_array().unwrap().len(), 10);
    let top = &result["top"][3];
    assert!(top["precision"].as_f64() > result["held"]["rate"].as_f64(), "{top}");
    let page = String::from_utf8(world.report(&word(&run, "runId")).await.unwrap()).unwrap();
    assert!(page.contains("Do chances keep their word") && !page.contains("NaN"));
}

#[tokio::test]
async fn lapses_that_say_nothing_are_named() {
    let world = World::new().await;
    let head = "lapse,age\n";
    let rows: String = (0..40).map(|row| format!("0,{}\n", 20 + row % 7)).collect();
    world.import(&world.picc, &json!({ "name": "none" }), format!("{head}{rows}").as_bytes()).await;
    let asked = json!({ "lapsed": "lapse", "features": [{ "column": "age" }] });
    let run = world.run("lapse", "none", &asked).await;
    assert_eq!(
        (&run["failure"]["code"], &run["failure"]["column"]),
        (&json!("E5102"), &json!("lapse"))
    );
    let rows = rows.replacen("0,", "2,", 1);
    world.import(&world.picc, &json!({ "name": "odd" }), format!("{head}{rows}").as_bytes()).await;
    let run = world.run("lapse", "odd", &asked).await;
    assert_eq!(
        (&run["failure"]["code"], &run["failure"]["column"]),
        (&json!("E5101"), &json!("lapse"))
    );
    let wrong = json!({ "features": [{ "column": "x" }, { "column": "age" }, { "column": "age" }],
        "heldPart": 0.95, "seeds": 0 });
    let body = json!({ "method": "lapse", "dataset": "none", "parameters": wrong });
    let problem = world.start(&world.picc, &body).await.unwrap_err();
    let wanted = [
        "/parameters/lapsed",
        "/parameters/features/0/column",
        "/parameters/features/2/column",
        "/parameters/seeds",
        "/parameters/heldPart",
    ];
    assert_eq!(pointers(&problem), wanted);
}

//! Predictions against what came, end to end: a worked example, held-out rows of models, bad input.

use serde_json::{Value, json};

use crate::support::{World, near, pointers, word};

/// Four policies of a year: the model orders them 1 to 4, the rival has the last two the other way round.
const ROWS: &str = "zone,years,claims,model,market\na,1,0,0.1,0.1\na,1,1,0.2,0.2\nb,1,0,0.3,0.6\n\
                    b,1,2,0.4,0.1\n";

fn asked() -> Value {
    json!({ "actual": "claims", "expected": "model", "rival": "market", "exposure": "years",
        "factors": ["zone"], "bands": 2 })
}

#[tokio::test]
async fn lift_gini_and_double_lift_of_a_worked_example() {
    let world = World::new().await;
    world.import(&world.picc, &json!({ "name": "scored" }), ROWS.as_bytes()).await;
    let (run, result) = world.done("validation", "scored", &asked()).await;
    let own = &result["judged"];
    near("ratio", &own["ratio"], &json!(3.0), 1e-12, 0.0);
    let lift = own["lift"].as_array().unwrap();
    near("cheap", &lift[0]["actual"], &json!(0.5), 1e-12, 0.0);
    near("cheap expected", &lift[0]["expected"], &json!(0.15), 1e-12, 0.0);
    near("dear", &lift[1]["actual"], &json!(1.0), 1e-12, 0.0);
    // The curve goes through (¼, 0), (½, ⅓), (¾, ⅓), (1, 1): 1 − 2 · (0 + 1/24 + 1/12 + 1/6).
    near(
        "gini",
        &own["gini"],
        &json!(1.0 - 2.0 * (1.0 / 24.0 + 1.0 / 12.0 + 1.0 / 6.0)),
        1e-12,
        0.0,
    );
    // Against the model the rival is 1, 1, 2 and ¼: the last policy comes first, then the first one.
    let double = result["rival"]["doubleLift"].as_array().unwrap();
    near("came", &double[0]["actual"], &json!(1.0), 1e-12, 0.0);
    near("model", &double[0]["expected"], &json!(0.25), 1e-12, 0.0);
    near("rival", &double[0]["rival"], &json!(0.1), 1e-12, 0.0);
    let distance = (2.0 - 0.5 + 1.0 - 0.5) / 4.0;
    near("distance", &run["figures"]["distance"], &json!(distance), 1e-12, 0.0);
    let rival = (2.0 - 0.2 + 1.0 - 0.8) / 4.0;
    near("rival distance", &run["figures"]["rivalDistance"], &json!(rival), 1e-12, 0.0);
    let zone = &result["comparisons"][0]["levels"][1];
    near("zone b", &zone["ratio"], &json!(2.0 / 0.7), 1e-12, 0.0);
    let page = String::from_utf8(world.report(&word(&run, "runId")).await.unwrap()).unwrap();
    assert!(page.contains("Double lift") && page.matches("<svg").count() == 6, "{page}");

    let wrong = json!({ "actual": "zone", "expected": "x", "factors": ["y"], "bands": 1 });
    let body = json!({ "method": "validation", "dataset": "scored", "parameters": wrong });
    let problem = world.start(&world.picc, &body).await.unwrap_err();
    let wanted = [
        "/parameters/factors/0",
        "/parameters/actual",
        "/parameters/expected",
        "/parameters/bands",
    ];
    assert_eq!(pointers(&problem), wanted);
    for (rows, code, column) in [
        ("zone,years,claims,model,market\na,0,0,0.1,0.1\na,1,1,1,1\n", "E5101", "years"),
        ("zone,years,claims,model,market\na,1,-1,0.1,0.1\na,1,1,1,1\n", "E5101", "claims"),
        ("zone,years,claims,model,market\na,1,0,0.1,0.1\na,1,0,1,1\n", "E5102", "claims"),
        ("zone,years,claims,model,market\na,1,1,0.1,0\na,1,0,1,1\n", "E5101", "market"),
    ] {
        world.import(&world.picc, &json!({ "name": "bad" }), rows.as_bytes()).await;
        let run = world.run("validation", "bad", &asked()).await;
        let told = (&run["failure"]["code"], &run["failure"]["column"]);
        assert_eq!(told, (&json!(code), &json!(column)), "{rows}");
    }
}

#[tokio::test]
async fn two_models_are_fitted_to_the_same_rows_and_judged_on_the_others() {
    let world = World::new().await;
    let mut rows = "part,zone,years,claims\n".to_owned();
    for row in 0..400 {
        let zone = ["a", "b"][row % 2];
        let claims = u8::from(row % 2 == 1 && row % 4 == 1 || row % 16 == 0);
        rows += &format!("{},{zone},1,{claims}\n", ["learn", "test"][usize::from(row % 5 == 0)]);
    }
    world.import(&world.picc, &json!({ "name": "motor" }), rows.as_bytes()).await;
    let mut asked = json!({ "actual": "claims", "exposure": "years", "factors": ["zone"], "bands": 2,
        "holdOut": [{ "column": "part", "in": ["test"] }],
        "models": [
            { "method": "glm", "parameters": { "response": "claims", "exposure": "years",
                "terms": [{ "factor": "zone" }] } },
            { "method": "glm", "parameters": { "response": "claims", "exposure": "years" } }] });
    let (run, result) = world.done("validation", "motor", &asked).await;
    assert_eq!(result["rows"], 80);
    // The model without a term tells nothing apart; that with zones hits what came where both differ.
    near("rival", &run["figures"]["rivalGini"], &json!(0.0), 1e-9, 0.0);
    assert!(run["figures"]["gini"].as_f64().unwrap() > 0.2);
    assert!(
        run["figures"]["distance"].as_f64() < run["figures"]["rivalDistance"].as_f64(),
        "{run}"
    );
    // The model is that of a run of its own with the same rows held out.
    let alone = json!({ "response": "claims", "exposure": "years", "terms": [{ "factor": "zone" }],
        "holdOut": asked["holdOut"] });
    let (_, alone) = world.done("glm", "motor", &alone).await;
    near("gini", &result["judged"]["gini"], &alone["holdOut"]["judged"]["gini"], 1e-12, 0.0);
    asked["models"][1] = json!({ "method": "boostedTrees", "parameters": { "claims": "claims",
        "exposure": "years", "trees": 20, "leastExpected": 1, "features": [{ "column": "zone" }] } });
    world.done("validation", "motor", &asked).await;

    asked["expected"] = json!("years");
    asked.as_object_mut().unwrap().remove("holdOut");
    asked["models"] = json!([{ "method": "forest" }, { "method": "glm",
        "parameters": { "response": "x", "rows": [], "typo": 1 } }, { "method": "boostedTrees",
        "parameters": { "trees": 0, "features": [{ "column": "zone" }] } }]);
    let body = json!({ "method": "validation", "dataset": "motor", "parameters": asked });
    let problem = world.start(&world.picc, &body).await.unwrap_err();
    let told = pointers(&problem);
    for wanted in [
        "/parameters/models",
        "/parameters/holdOut",
        "/parameters/models/0/method",
        "/parameters/models/1/parameters/rows",
        "/parameters/models/1/parameters/typo",
        "/parameters/models/2/parameters/claims",
        "/parameters/models/2/parameters/trees",
    ] {
        assert!(told.contains(&wanted), "{wanted}: {told:?}");
    }
}

#[tokio::test]
async fn models_are_judged_on_rows_they_were_not_fitted_to() {
    let world = World::new().await;
    let mut rows = "part,zone,years,claims\n".to_owned();
    for row in 0..400 {
        let zone = ["a", "b"][row % 2];
        let claims = u8::from(row % 2 == 1 && row % 4 == 1 || row % 16 == 0);
        rows += &format!("{},{zone},1,{claims}\n", ["learn", "test"][usize::from(row % 5 == 0)]);
    }
    world.import(&world.picc, &json!({ "name": "motor" }), rows.as_bytes()).await;
    let held = json!([{ "column": "part", "in": ["test"] }]);
    let glm = json!({ "response": "claims", "exposure": "years", "holdOut": held,
        "terms": [{ "factor": "zone" }] });
    let trees = json!({ "claims": "claims", "exposure": "years", "holdOut": held, "trees": 20,
        "leastExpected": 1, "features": [{ "column": "zone" }] });
    for (method, parameters) in [("glm", glm), ("boostedTrees", trees)] {
        let (run, result) = world.done(method, "motor", &parameters).await;
        let judged = &result["holdOut"]["judged"];
        assert_eq!(judged["lift"].as_array().unwrap().len(), 10, "{method}");
        near("exposure", &judged["exposure"], &json!(80.0), 1e-9, 0.0);
        // Zone b has four times the claims of zone a, which both models find.
        assert!(judged["gini"].as_f64().unwrap() > 0.2, "{method}: {judged}");
        assert_eq!(result["holdOut"]["comparisons"][0]["name"], "zone");
        let page = String::from_utf8(world.report(&word(&run, "runId")).await.unwrap()).unwrap();
        assert!(page.contains("Rows held out: Lift"), "{method}");
    }
}

//! What is refused, and what a run says when its data do not allow it.

use serde_json::{Value, json};

use crate::support::{World, near, pointers, word};

async fn refused(world: &World, method: &str, parameters: Value) -> Vec<String> {
    let body = json!({ "method": method, "dataset": "motor", "parameters": parameters });
    let problem = world.start(&world.picc, &body).await.unwrap_err();
    pointers(&problem).into_iter().map(str::to_owned).collect()
}

const MOTOR: &str = "claims,years,area,gas,age,twin\n0,1,A,x,20,20\n1,1,A,x,30,30\n0,1,B,y,40,40\n\
                     1,0.5,B,x,50,50\n0,1,C,y,60,60\n0,0.5,C,y,25,25\n1,1,A,y,35,35\n0,1,B,x,45,45\n";

async fn world() -> World {
    let world = World::new().await;
    world.import(&world.picc, &json!({ "name": "motor" }), MOTOR.as_bytes()).await;
    world
}

#[tokio::test]
async fn all_faults_of_parameters_are_named_at_once() {
    let world = world().await;
    let parameters = json!({ "family": "normal", "link": "logit", "response": "area",
        "exposure": "yaers", "typo": 1 });
    assert_eq!(refused(&world, "glm", parameters).await, ["/parameters/typo"]);
    let parameters = json!({ "family": "normal", "link": "logit", "response": "area",
        "exposure": "yaers", "power": 1.5,
        "terms": [{ "factor": "area", "base": "Z" }, { "number": "area" }, {},
            { "spline": "age", "knots": [1, 2] }, { "product": [{ "number": "age" }] }] });
    let wanted = [
        "/parameters/family",
        "/parameters/power",
        "/parameters/link",
        "/parameters/response",
        "/parameters/exposure",
        "/parameters/terms/0/base",
        "/parameters/terms/1/number",
        "/parameters/terms/2",
        "/parameters/terms/3/knots",
        "/parameters/terms/4/product",
    ];
    assert_eq!(refused(&world, "glm", parameters).await, wanted);
    for power in [0.5, 1.0005, 1.9995, 11.0] {
        let parameters = json!({ "family": "tweedie", "response": "claims", "power": power });
        assert_eq!(refused(&world, "glm", parameters).await, ["/parameters/power"], "{power}");
    }
    let parameters = json!({ "origin": "claims", "development": "x", "amount": "area",
        "methods": ["mack", "magic"], "tail": {}, "recent": 0, "rounds": "two" });
    assert_eq!(refused(&world, "reserving", parameters).await, ["/parameters/rounds"]);
    let parameters = json!({ "origin": "claims", "development": "x", "amount": "area",
        "methods": ["mack", "magic", "benktander"], "tail": {}, "recent": 0 });
    let wanted = [
        "/parameters/development",
        "/parameters/amount",
        "/parameters/methods/1",
        "/parameters/tail",
        "/parameters/recent",
    ];
    assert_eq!(refused(&world, "reserving", parameters).await, wanted);
    let problem = world.start(&world.picc, &json!({ "method": "magic" })).await.unwrap_err();
    assert_eq!(pointers(&problem), ["/method", "/dataset"]);
}

/// The failure of a run, by code and column.
async fn failure(world: &World, method: &str, dataset: &str, parameters: Value) -> (String, Value) {
    let run = world.run(method, dataset, &parameters).await;
    assert_eq!(run["state"], "failed", "{run}");
    let failure = &run["failure"];
    for member in ["type", "title", "titleZh", "detail", "advice"] {
        assert!(!word(failure, member).is_empty(), "{failure}");
    }
    (word(failure, "code"), failure["column"].clone())
}

#[tokio::test]
async fn what_only_the_data_can_tell_ends_the_run_with_the_column_and_what_to_change() {
    let world = world().await;
    let base = json!({ "response": "claims", "exposure": "years" });
    let with = |more: Value| {
        let mut parameters = base.clone();
        parameters.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        parameters
    };
    // Two columns that say the same.
    let aliased = with(json!({ "terms": [{ "number": "age" }, { "number": "twin" }] }));
    let told = failure(&world, "glm", "motor", aliased).await;
    assert_eq!(told, ("E5100".to_owned(), json!("twin")));
    // Nobody in C has a claim.
    let separated = with(json!({ "terms": [{ "factor": "area", "base": "A" }] }));
    let told = failure(&world, "glm", "motor", separated).await;
    assert_eq!(told, ("E5100".to_owned(), json!("area")));
    let nothing = with(json!({ "rows": [{ "column": "area", "in": ["C"] }] }));
    let told = failure(&world, "glm", "motor", nothing).await;
    assert_eq!(told.0, "E5102");
    let gamma = json!({ "family": "gamma", "response": "claims" });
    assert_eq!(failure(&world, "glm", "motor", gamma).await.0, "E5101");
    let tweedie = json!({ "family": "tweedie", "power": 3, "response": "claims" });
    let run = world.run("glm", "motor", &tweedie).await;
    let detail = word(&run["failure"], "detail");
    assert!(detail.contains("row 1") && detail.contains("positive"), "{run}");

    let gaps = "claims,years,age\n0,1,20\n1,0,30\n1,1,\n0,1,40\n";
    world.import(&world.picc, &json!({ "name": "gaps" }), gaps.as_bytes()).await;
    let parameters = json!({ "response": "claims", "exposure": "years" });
    let told = failure(&world, "glm", "gaps", parameters).await;
    assert_eq!(told, ("E5101".to_owned(), json!("years")));
    let parameters = json!({ "response": "claims", "terms": [{ "number": "age" }] });
    let told = failure(&world, "glm", "gaps", parameters).await;
    assert_eq!(told, ("E5101".to_owned(), json!("age")));
    // Dropped, where that is what somebody wants.
    let parameters = json!({ "response": "claims", "terms": [{ "number": "age" }],
        "missing": "drop", "ridge": 1 });
    let (_, result) = world.done("glm", "gaps", &parameters).await;
    assert_eq!((&result["rows"], &result["rowsDropped"]), (&json!(3), &json!(1)));
}

#[tokio::test]
async fn a_power_of_three_is_fitted_with_its_likelihood() {
    let world = World::new().await;
    let rows = "x,amount,weight\n0.1,1.2,1\n0.4,0.7,2\n0.5,1.9,1\n0.9,1.4,3\n1.2,3.1,1\n1.5,1.1,1\n\
                1.7,2.6,2\n2.2,4.2,1\n2.4,2.3,1\n2.9,6.5,2\n3.1,3.8,1\n3.6,7.7,1\n";
    world.import(&world.picc, &json!({ "name": "severity" }), rows.as_bytes()).await;
    let parameters = json!({ "family": "tweedie", "power": 3, "response": "amount",
        "weight": "weight", "terms": [{ "number": "x" }] });
    let (run, _) = world.done("glm", "severity", &parameters).await;
    // statsmodels 0.15.0, InverseGaussian with log link and var_weights.
    let figures = &run["figures"];
    near("deviance", &figures["deviance"], &json!(1.184_490_755_493), 0.0, 1e-9);
    near("likelihood", &figures["logLikelihood"], &json!(-17.311_502_254_690), 0.0, 1e-9);
}

#[tokio::test]
async fn triangles_that_cannot_be_reserved_are_named_by_origin_and_age() {
    let world = World::new().await;
    let cases = [
        // One cell.
        ("2021,12,100\n", json!(["mack"]), "E5102", "link ratios"),
        // Nothing at the second age of anybody.
        ("2021,12,100\n2021,24,\n2022,12,5\n", json!(["mack"]), "E5102", "link ratios"),
        ("2021,12,0\n2021,24,10\n2022,12,5\n2022,24,7\n", json!(["mack"]), "E5101", "2021 at 12"),
        ("2021,12,5\n2021,24,10\n2023,12,5\n", json!([]), "E5100", "2022"),
        ("x,12,5\n", json!([]), "E5101", "no period"),
        ("2021,12,a\n2021,24,10\n", json!([]), "", ""),
        ("2021,12,5\n2021,24,4\n2022,12,5\n2022,24,3\n", json!(["odp"]), "E5101", "24 months"),
    ];
    for (rows, methods, code, says) in cases {
        let file = format!("origin,age,paid\n{rows}");
        world.import(&world.picc, &json!({ "name": "cells" }), file.as_bytes()).await;
        let parameters = json!({ "origin": "origin", "development": "age", "amount": "paid",
            "methods": methods });
        let body = json!({ "method": "reserving", "dataset": "cells", "parameters": parameters });
        if code.is_empty() {
            // A column of texts is refused before the run is taken on.
            let problem = world.start(&world.picc, &body).await.unwrap_err();
            assert_eq!(pointers(&problem), ["/parameters/amount"]);
            continue;
        }
        let run = world.run("reserving", "cells", &parameters).await;
        assert_eq!(run["state"], "failed", "{rows}: {run}");
        assert_eq!(word(&run["failure"], "code"), code, "{rows}: {run}");
        let detail = word(&run["failure"], "detail");
        assert!(detail.contains(says), "{rows}: {detail}");
    }
}

#[tokio::test]
async fn negative_increments_are_reserved_and_told() {
    let world = World::new().await;
    let file = "origin,age,paid\n2021,12,100\n2021,24,150\n2021,36,140\n2022,12,110\n2022,24,170\n\
                2023,12,120\n";
    world.import(&world.picc, &json!({ "name": "cells" }), file.as_bytes()).await;
    let parameters = json!({ "origin": "origin", "development": "age", "amount": "paid",
        "methods": [] });
    let (run, result) = world.done("reserving", "cells", &parameters).await;
    assert_eq!(result["triangle"]["negativeIncrements"], 1);
    // The factor from 24 to 36 months is 140/150, below one.
    let wanted = 170.0 * (140.0 / 150.0 - 1.0) + 120.0 * (320.0 / 210.0 * 140.0 / 150.0 - 1.0);
    near("reserve", &run["figures"]["reserve"], &json!(wanted), 1e-9, 0.0);
}

//! Pricing end to end: the French portfolio is imported and modelled; figures against statsmodels.

use serde_json::{Value, json};

use crate::support::{World, near, oracle, pointers, word};

/// The published rules of the benchmark: caps, classes and the logarithm.
fn glm1() -> Value {
    json!({
        "rows": [],
        "derive": [
            { "name": "claims", "from": "ClaimNb", "how": "cap", "at": 4 },
            { "name": "years", "from": "Exposure", "how": "cap", "at": 1 },
            { "name": "power", "from": "VehPower", "how": "cap", "at": 9 },
            { "name": "VehAgeClass", "from": "VehAge", "how": "classes", "bounds": [1, 11] },
            { "name": "DrivAgeClass", "from": "DrivAge", "how": "classes",
              "bounds": [21, 26, 31, 41, 51, 71] },
            { "name": "malus", "from": "BonusMalus", "how": "cap", "at": 150 },
            { "name": "area", "from": "Area", "how": "scores",
              "scores": { "A": 1, "B": 2, "C": 3, "D": 4, "E": 5, "F": 6 } },
            { "name": "logDensity", "from": "Density", "how": "log" }],
        "holdOut": [{ "column": "SplitS100", "in": ["T"] }],
        "family": "poisson", "response": "claims", "exposure": "years",
        "terms": [
            { "factor": "power", "base": "4" }, { "factor": "VehAgeClass", "base": "2" },
            { "factor": "DrivAgeClass", "base": "5" }, { "number": "malus" },
            { "factor": "VehBrand", "base": "B1" }, { "factor": "VehGas", "base": "Diesel" },
            { "number": "logDensity" }, { "factor": "Region", "base": "R24" },
            { "number": "area" }]
    })
}

#[tokio::test]
async fn the_french_portfolio_has_the_coefficients_of_statsmodels() {
    let Some(oracle) = oracle("fremtpl2_poisson_glm") else { return };
    let world = World::new().await;
    let version = world.import_shared("motor", "fremtpl2/freMTPL2freq.csv.gz").await.unwrap();
    assert_eq!((&version["rows"], &version["rejectedRows"]), (&json!(678_013), &json!(0)));
    let of = |name: &str| {
        let columns = version["columns"].as_array().unwrap();
        columns.iter().find(|column| column["name"] == name).unwrap().clone()
    };
    assert_eq!(of("ClaimNb")["type"], "integer");
    assert_eq!(of("Exposure")["type"], "decimal");
    assert_eq!((&of("Area")["type"], &of("Area")["distinct"]), (&json!("text"), &json!(6)));

    let (run, result) = world.done("glm", "motor", &glm1()).await;
    let case = &oracle["models"]["GLM1"];
    near("deviance", &result["deviance"], &case["deviance_learn"], 0.0, 1e-10);
    near("aic", &run["figures"]["aic"], &case["aic"], 0.0, 1e-9);
    let wanted = case["in_sample"].as_f64().unwrap() / 100.0;
    near("in sample", &run["figures"]["meanDeviance"], &json!(wanted), 0.0, 1e-9);
    let wanted = case["coefficients"].as_object().unwrap();
    let found = result["coefficients"].as_array().unwrap();
    assert_eq!(found.len(), wanted.len());
    let renamed = |name: &str| {
        let name = name.replace("VehPower=", "power=").replace("BonusMalus", "malus");
        name.replace("ln(Density)", "logDensity").replace("Area(1..6)", "area")
    };
    for (name, wanted) in wanted {
        let name = renamed(name);
        let own = found.iter().find(|own| own["name"] == name.as_str());
        let own = own.unwrap_or_else(|| panic!("no {name}"));
        near(&name, &own["estimate"], &wanted["estimate"], 1e-8, 1e-9);
        near(&name, &own["error"], &wanted["se"], 0.0, 1e-6);
    }
    let held = &result["holdOut"]["meanDeviance"];
    let wanted = case["out_of_sample"].as_f64().unwrap() / 100.0;
    near("out of sample", held, &json!(wanted), 0.0, 1e-9);
    // Of a Poisson model with the log link, what is expected by level of a factor is what was.
    for level in result["comparisons"][0]["levels"].as_array().unwrap() {
        near("ratio", &level["ratio"], &json!(1.0), 1e-6, 0.0);
    }
    // Squares of residuals add up to what was fitted, and counts have normal places when the model is right:
    // nearly so here, for claims vary somewhat more than Poisson's.
    let residuals = &result["residuals"];
    near("squares", &residuals["deviance"]["squares"], &case["deviance_learn"], 0.0, 1e-9);
    near("squares", &residuals["pearson"]["squares"], &result["pearson"], 0.0, 1e-9);
    near("mean", &residuals["quantile"]["mean"], &json!(0.0), 0.01, 0.0);
    near("deviation", &residuals["quantile"]["deviation"], &json!(1.0), 0.02, 0.0);
    let bands = residuals["bands"].as_array().unwrap();
    let rows: u64 = bands.iter().map(|band| band["rows"].as_u64().unwrap()).sum();
    assert_eq!((bands.len(), json!(rows)), (20, result["rows"].clone()));
    let normal = residuals["normal"].as_array().unwrap();
    near("median", &normal[6]["residual"], &json!(0.0), 0.02, 0.0);
    near("tail", &normal[10]["residual"], &normal[10]["normal"], 0.1, 0.0);

    // Without area and brand the oracle fitted the same rows: both deviances differ by the statistic, and
    // the ten brands beside the base and one number are eleven degrees.
    let mut parameters = glm1();
    for member in ["rows", "holdOut"] {
        parameters.as_object_mut().unwrap().remove(member);
    }
    let kept = ["power", "VehAgeClass", "DrivAgeClass", "malus", "VehGas", "logDensity", "Region"];
    let asked = json!({ "actual": "ClaimNb", "nested": kept,
        "holdOut": [{ "column": "SplitS100", "in": ["T"] }],
        "models": [{ "method": "glm", "parameters": parameters }] });
    let (tested, judged) = world.done("validation", "motor", &asked).await;
    let (small, nested) = (&oracle["models"]["GLM1_noarea_nobrand"], &judged["nested"]);
    near("nested", &nested["nestedDeviance"], &small["deviance_learn"], 0.0, 1e-10);
    let deviance = |of: &Value| of["deviance_learn"].as_f64().unwrap();
    let apart = json!(deviance(small) - deviance(case));
    near("ratio", &tested["figures"]["likelihoodRatio"], &apart, 1e-5, 0.0);
    let test = &nested["test"];
    assert_eq!((&test["name"], &test["degrees"]), (&json!("VehBrand + area"), &json!(11)));
    assert!(test["p"].as_f64().unwrap() < 1e-8, "{test}");
    let page = String::from_utf8(world.report(&word(&tested, "runId")).await.unwrap()).unwrap();
    assert!(page.contains("Do the other terms matter"));

    let page = String::from_utf8(world.report(&word(&run, "runId")).await.unwrap()).unwrap();
    assert!(page.contains("Residuals") && page.contains("Quantile residuals against"));
    assert!(page.contains("Coefficients") && page.matches("<svg").count() >= 6);
    assert!(!page.contains("NaN") && !page.contains("<script"));

    let trees = json!({
        "derive": [{ "name": "claims", "from": "ClaimNb", "how": "cap", "at": 4 },
            { "name": "years", "from": "Exposure", "how": "cap", "at": 1 }],
        "holdOut": [{ "column": "SplitS100", "in": ["T"] }],
        "claims": "claims", "exposure": "years", "trees": 40, "rate": 0.3, "tariffPairs": 2,
        "features": [{ "column": "BonusMalus", "monotone": "increasing" }, { "column": "VehAge" },
            { "column": "DrivAge" }, { "column": "VehBrand" }, { "column": "Area" }] });
    let (run, result) = world.done("boostedTrees", "motor", &trees).await;
    // Better than the intercept alone (33.86), by the same rule, on rows none was grown from.
    let held = run["figures"]["holdOutMeanDeviance"].as_f64().unwrap();
    assert!((0.310..0.330).contains(&held), "{held}");
    let importance = result["importance"].as_array().unwrap();
    let parts: f64 = importance.iter().map(|own| own["part"].as_f64().unwrap()).sum();
    near("parts", &json!(parts), &json!(1.0), 1e-12, 0.0);
    let malus = importance.iter().find(|own| own["name"] == "BonusMalus").unwrap();
    assert!(malus["permuted"].as_f64().unwrap() > 0.001, "{malus}");
    let tables = result["tariff"]["tables"].as_array().unwrap();
    assert!(tables.iter().any(|table| table["features"].as_array().unwrap().len() == 2));
    let page = String::from_utf8(world.report(&word(&run, "runId")).await.unwrap()).unwrap();
    assert!(page.contains("What matters") && page.contains("Tariff"));
    let (again, _) = world.done("boostedTrees", "motor", &trees).await;
    assert_eq!(run["resultDigest"], again["resultDigest"]);

    // Three seeds averaged do better than the first alone, and every effect is accounted for.
    let mut several = trees.clone();
    several.as_object_mut().unwrap().remove("tariffPairs");
    (several["seeds"], several["explain"]) = (json!(3), json!({ "heldOut": 4 }));
    let (run, result) = world.done("boostedTrees", "motor", &several).await;
    assert_eq!((&result["seeds"], &result["trees"]), (&json!(3), &json!(120)));
    let averaged = run["figures"]["holdOutMeanDeviance"].as_f64().unwrap();
    assert!(averaged < held && averaged > held - 0.002, "{averaged} {held}");
    let explained = result["explained"].as_array().unwrap();
    assert_eq!(explained.len(), 4);
    for own in explained {
        let effects = own["effects"].as_array().unwrap();
        assert_eq!(effects.len(), 5);
        let all: f64 = effects.iter().map(|it| it["effect"].as_f64().unwrap()).sum();
        let score = json!(own["base"].as_f64().unwrap() + all);
        near("score", &own["score"], &score, 1e-9, 0.0);
        let frequency = json!(own["score"].as_f64().unwrap().exp());
        near("frequency", &own["frequency"], &frequency, 0.0, 1e-9);
    }
    let page = String::from_utf8(world.report(&word(&run, "runId")).await.unwrap()).unwrap();
    assert!(page.contains("Why single rows") && page.contains("Effects on the score of row"));
    // By number the same row has the same reasons; a row that is not there is told.
    let row = explained[2]["row"].clone();
    several["explain"] = json!({ "rows": [row] });
    let (_, again) = world.done("boostedTrees", "motor", &several).await;
    assert_eq!(again["explained"], json!([explained[2]]));
    several["explain"] = json!({ "rows": [700_000] });
    several["trees"] = json!(1);
    let run = world.run("boostedTrees", "motor", &several).await;
    assert_eq!(run["failure"]["code"], "E5101", "{run}");
    several["explain"] = json!({ "rows": [1], "heldOut": 1 });
    several["seeds"] = json!(11);
    let body = json!({ "method": "boostedTrees", "dataset": "motor", "parameters": several });
    let refused = world.start(&world.picc, &body).await.unwrap_err();
    assert_eq!(pointers(&refused), ["/parameters/seeds", "/parameters/explain"]);
}

//! Rate indication end to end: a worked example, its report and workbook, its export, bad input.

use actuarial::function;
use actuarial::run::relativities::RelativitiesAsked;
use axum::body::to_bytes;
use serde_json::{Value, json};

use crate::support::{World, near, pointers, word};

/// Loss ratios 0.6, 0.9 and 0.3 around 0.63; claims for a credibility of 1, ½ and ¼.
const EXPERIENCE: &str = "year,class,region,premium,incurred,claims\n2023,car,110000,250,150,800\n\
                          2023,bus,110000,300,270,400\n2024,car,320000,250,150,800\n\
                          2024,van,320000,200,60,100\n";

fn parameters() -> Value {
    json!({ "premium": "premium", "losses": "incurred", "claims": "claims",
        "credibility": { "full": 1600 }, "levelCap": { "least": 0.5, "most": 2 },
        "factors": [{ "column": "class", "base": "car", "present": { "bus": 1.5, "van": 0.8, "taxi": 2 },
            "tariff": { "table": "pure_risk", "column": "class_key",
                "where": { "cover": ["TPL"], "limit_cny": [1_000_000] } } }] })
}

async fn world() -> World {
    let world = World::new().await;
    let about = json!({ "name": "market", "columns": [{ "source": "region", "type": "text" }] });
    world.import(&world.picc, &about, EXPERIENCE.as_bytes()).await;
    world
}

async fn exported(world: &World, run: &str, factors: Option<&str>) -> Result<String, String> {
    let call = world.read(&world.picc, &function::RUN_READ);
    let asked = RelativitiesAsked { factors: factors.map(str::to_owned) };
    let response = world.actuarial.send_relativities(call, run, asked).await;
    let response =
        response.map_err(|problem| format!("{} {}", problem.code.code, problem.detail))?;
    let bytes = to_bytes(response.into_body(), usize::MAX).await.unwrap();
    Ok(String::from_utf8(bytes.to_vec()).unwrap())
}

#[tokio::test]
async fn the_worked_example_is_indicated_reported_and_exported() {
    let world = world().await;
    let (run, result) = world.done("indication", "market", &parameters()).await;
    near("loss ratio", &run["figures"]["lossRatio"], &json!(0.63), 0.0, 1e-12);
    let factor = &result["factors"][0];
    // Indicated 0.6/0.63, 0.9/0.63 and 0.3/0.63, believed fully, by a half and by a quarter.
    let indicated = [0.9 / 0.63, 0.6 / 0.63, 0.3 / 0.63];
    let weights = [0.5, 1.0, 0.25];
    let believed: Vec<f64> = (0..3).map(|at| 1.0 + weights[at] * (indicated[at] - 1.0)).collect();
    let level = 0.3 * believed[0] + 0.5 * believed[1] + 0.2 * believed[2];
    near("off-balance", &factor["offBalance"], &json!(level), 0.0, 1e-12);
    near("base rate", &factor["baseRate"], &json!(believed[1] / level), 0.0, 1e-9);
    let present = [1.5, 1.0, 0.8];
    for (at, name) in ["bus", "car", "van"].into_iter().enumerate() {
        let own = &factor["levels"][at];
        assert_eq!((&own["name"], &own["capped"]), (&json!(name), &json!(false)));
        near(name, &own["indicated"], &json!(indicated[at]), 0.0, 1e-12);
        near(name, &own["change"], &json!(believed[at] / level), 0.0, 1e-9);
        let relativity = present[at] * believed[at] / believed[1];
        near(name, &own["relativity"], &json!(relativity), 0.0, 1e-9);
    }
    // Two rows of cars tell of their spread, one bus does not.
    assert!(factor["levels"][1]["low"].is_number() && factor["levels"][0].get("low").is_none());
    assert_eq!(factor["withoutExperience"], json!(["taxi"]));
    near("overall", &result["overall"], &json!(1.0), 1e-9, 0.0);
    let impact = &result["impact"];
    assert_eq!(
        (&impact["policies"], &impact["winners"], &impact["losers"]),
        (&json!(4), &json!(3), &json!(1))
    );

    let page = String::from_utf8(world.report(&word(&run, "runId")).await.unwrap()).unwrap();
    for says in ["class", "Impact on the portfolio", "No row has taxi"] {
        assert!(page.contains(says), "{says}");
    }
    assert!(page.matches("<svg").count() >= 3 && !page.contains("NaN"));
    let book = world.workbook(&word(&run, "runId")).await.unwrap();
    formulas_agree(&book, factor);

    let file = exported(&world, &word(&run, "runId"), None).await.unwrap();
    let mut reader = csv::Reader::from_reader(file.as_bytes());
    let lines: Vec<Vec<String>> =
        reader.records().map(|line| line.unwrap().iter().map(str::to_owned).collect()).collect();
    let place = "class_key=bus|car|van;cover=TPL;limit_cny=1000000";
    let base = format!("{:.6}", believed[1] / level);
    assert_eq!(lines[0][..6], ["pure_risk", "", "", place, &base, ""]);
    let bus = believed[0] / believed[1];
    let (times, relativity) = (format!("{bus:.6}"), format!("{:.6}", 1.5 * bus));
    assert_eq!(lines[1][..6], ["pure_risk", "class_key", "bus", place, &times, &relativity]);
    let source = &lines[1][6];
    assert!(source.contains(&word(&run, "resultDigest")) && source.contains("market version 1"));
    assert_eq!(lines.len(), 4);
}

/// The formulas of the factor's sheet, calculated by hand, give the figures that are kept with them.
fn formulas_agree(book: &[u8], factor: &Value) {
    use std::io::{Cursor, Read};
    let mut zip = zip::ZipArchive::new(Cursor::new(book)).unwrap();
    let mut sheet = String::new();
    zip.by_name("xl/worksheets/sheet1.xml").unwrap().read_to_string(&mut sheet).unwrap();
    let cell = |at: &str| {
        let cell = sheet.split(&format!("r=\"{at}\"")).nth(1).unwrap();
        let cell = &cell[..cell.find("</c>").unwrap()];
        let between = |open: &str, close: &str| {
            let text = cell.split(open).nth(1)?;
            Some(text[..text.find(close)?].to_owned())
        };
        (between("<f>", "</f>"), between("<v>", "</v>").unwrap().parse::<f64>().unwrap())
    };
    // Buses stand in row 13, all in row 16; claims of full credibility in B3, the rate in B7.
    assert_eq!(cell("F13").0.unwrap(), "D13/C13");
    assert_eq!(cell("G13").0.unwrap(), "F13/$F$16");
    assert_eq!(cell("H13").0.unwrap(), "MIN(1,SQRT(E13/$B$3))");
    assert_eq!(cell("I13").0.unwrap(), "1+H13*(G13-1)");
    assert_eq!(cell("J13").0.unwrap(), "MAX($B$4,MIN($B$5,$B$7*I13))");
    assert_eq!(cell("K13").0.unwrap(), "B13*J13/$J$14");
    let value = |at: &str| cell(at).1;
    let (ratio, all) = (value("D13") / value("C13"), value("D16") / value("C16"));
    let credibility = (value("E13") / value("B3")).sqrt().min(1.0);
    let believed = 1.0 + credibility * (ratio / all - 1.0);
    let change = (value("B7") * believed).clamp(value("B4"), value("B5"));
    let relativity = value("B13") * change / value("J14");
    near("K13", &json!(relativity), &factor["levels"][0]["relativity"], 0.0, 1e-12);
    near("B8", &json!(value("B8")), &factor["overall"], 0.0, 1e-12);
}

#[tokio::test]
async fn experience_is_brought_to_the_future_and_later_factors_share_out_anew() {
    let world = world().await;
    let mut asked = parameters();
    let more = json!({
        "experience": { "period": "year", "onLevel": { "2023": 1.1 }, "development": { "2024": 1.2 },
            "trend": 0.1, "trendTo": "2025", "loading": 1.05 },
        "permissibleLossRatio": 0.65,
        "overallCap": { "least": 0.9, "most": 1.2 },
        "impact": [{ "column": "year", "in": ["2024"] }] });
    asked.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    asked["factors"].as_array_mut().unwrap().push(json!({ "column": "region" }));
    let (_, result) = world.done("indication", "market", &asked).await;
    // Premium 550 · 1.1 + 450; losses 420 · 1.21 and 210 · 1.2 · 1.1, loaded.
    let (premium, losses) = (550.0 * 1.1 + 450.0, 1.05 * (420.0 * 1.21 + 210.0 * 1.2 * 1.1));
    near("premium", &result["premium"], &json!(premium), 0.0, 1e-12);
    near("losses", &result["losses"], &json!(losses), 0.0, 1e-12);
    near("target", &result["target"], &json!(losses / premium / 0.65), 0.0, 1e-12);
    // 1.2 at most in all, and the second factor keeps what the first made of it.
    near("overall", &result["overall"], &json!(1.2), 1e-9, 0.0);
    near("second", &result["factors"][1]["overall"], &json!(1.0), 1e-9, 0.0);
    let first = result["factors"][0]["levels"].as_array().unwrap();
    let after: f64 = first
        .iter()
        .map(|own| own["premium"].as_f64().unwrap() * own["change"].as_f64().unwrap())
        .sum();
    let second = result["factors"][1]["levels"].as_array().unwrap();
    let seen: f64 = second.iter().map(|own| own["premium"].as_f64().unwrap()).sum();
    near("premium of the second", &json!(seen), &json!(after), 0.0, 1e-12);
    assert_eq!(result["impact"]["policies"], 2);
    // A factor without a place is refused by name; the other one goes alone.
    let (run, _) = world.done("indication", "market", &asked).await;
    let told = exported(&world, &word(&run, "runId"), None).await.unwrap_err();
    assert!(
        told.starts_with("E5010") && told.contains("region (its tariff is not given)"),
        "{told}"
    );
    assert!(told.contains("class can"), "{told}");
    assert_eq!(
        exported(&world, &word(&run, "runId"), Some("class")).await.unwrap().lines().count(),
        5
    );
    let told = exported(&world, &word(&run, "runId"), Some("colour")).await.unwrap_err();
    assert!(told.starts_with("E1") || told.contains("findings"), "{told}");
}

#[tokio::test]
async fn faults_of_parameters_are_named_at_once() {
    let world = world().await;
    let asked = json!({ "premium": "class", "losses": "lossen", "target": 1.1, "permissibleLossRatio": 0.7,
        "experience": { "development": { "last": 1.1 }, "trend": 0.1 },
        "credibility": { "full": 1000, "k": 3 }, "levelCap": { "least": 2, "most": 1 },
        "factors": [{ "column": "class", "present": { "car": -1 },
            "tariff": { "table": "pure risk", "where": { "cover": [], "x": ["a|b"] } } }, { "column": "class" }],
        "impact": [{}] });
    let body = json!({ "method": "indication", "dataset": "market", "parameters": asked });
    let problem = world.start(&world.picc, &body).await.unwrap_err();
    let wanted = [
        "/parameters/premium",
        "/parameters/losses",
        "/parameters/claims",
        "/parameters/experience/period",
        "/parameters/experience/development/last",
        "/parameters/experience/trendTo",
        "/parameters/factors/0/present/car",
        "/parameters/factors/0/tariff/table",
        "/parameters/factors/0/tariff/column",
        "/parameters/factors/0/tariff/where/cover",
        "/parameters/factors/0/tariff/where/x",
        "/parameters/factors/1/column",
        "/parameters/permissibleLossRatio",
        "/parameters/credibility",
        "/parameters/levelCap",
        "/parameters/impact/0/column",
        "/parameters/impact/0",
    ];
    assert_eq!(pointers(&problem), wanted);
}

#[tokio::test]
async fn what_only_the_data_can_tell_is_told_by_column() {
    let world = World::new().await;
    let head = "class,premium,incurred,claims\n";
    let none = json!({});
    let cases = [
        // Text in a number, nothing lost, no premium of a level, a negative level, a gap, caps too tight.
        ("a,100,0,1\nb,100,0,1\n", none.clone(), "E5102", json!("incurred")),
        ("a,100,10,1\nb,0,10,1\n", none.clone(), "E5101", json!("premium")),
        ("a,100,10,1\nb,100,-5,1\n", none.clone(), "E5101", json!("incurred")),
        ("a,100,10,1\nb,,5,1\n", none.clone(), "E5101", json!("premium")),
        ("a,100,10,1\nb,100,5,1\n", json!({ "target": 1.5 }), "E5100", json!("class")),
        ("a,0,10,1\nb,0,5,1\n", none, "E5101", json!("premium")),
    ];
    for (rows, more, code, column) in cases {
        world
            .import(&world.picc, &json!({ "name": "cells" }), format!("{head}{rows}").as_bytes())
            .await;
        let mut asked = json!({ "premium": "premium", "losses": "incurred", "claims": "claims",
            "factors": [{ "column": "class" }] });
        asked.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let run = world.run("indication", "cells", &asked).await;
        assert_eq!(run["state"], "failed", "{rows}: {run}");
        let told = (word(&run["failure"], "code"), run["failure"]["column"].clone());
        assert_eq!(told, (code.to_owned(), column), "{rows}: {run}");
    }
    let about = json!({ "name": "texts" });
    world.import(&world.picc, &about, format!("{head}a,x,10,1\n").as_bytes()).await;
    let body = json!({ "method": "indication", "dataset": "texts", "parameters": {
        "premium": "premium", "losses": "incurred", "claims": "claims", "factors": [{ "column": "class" }] } });
    let problem = world.start(&world.picc, &body).await.unwrap_err();
    assert_eq!(pointers(&problem), ["/parameters/premium"]);
}

//! The regional factor end to end: places of a made-up country, and what is refused.

use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::support::{World, near, pointers, word};

/// Forty places in a row 10 km apart, in four districts; the east has 1.5 times the claims of the west.
fn country() -> String {
    let mut rows = "code,province,long,lat,years,claims,expected\n".to_owned();
    for place in 0..40 {
        let east = place >= 20;
        let claims = if east { 120 + place % 3 } else { 80 - place % 3 };
        let long = 10.0 + 0.1 * f64::from(place);
        let _ = writeln!(rows, "P{place:02},D{},{long},30,1000,{claims},100", place / 10);
        // A second row of the place, whose coordinates are missing.
        let _ =
            writeln!(rows, "P{place:02},D{},,,100,{},10", place / 10, if east { 12 } else { 8 });
    }
    // A place without claims, in the middle of the east.
    rows += "P99,D3,13.05,30.05,0.1,0,0.01\n";
    rows
}

fn asked() -> Value {
    json!({ "place": "code", "district": "province", "longitude": "long", "latitude": "lat",
        "claims": "claims", "expected": "expected", "zones": 2 })
}

#[tokio::test]
async fn places_lean_on_their_neighbours_and_zones_part_them() {
    let world = World::new().await;
    world.import(&world.picc, &json!({ "name": "country" }), country().as_bytes()).await;
    let (run, result) = world.done("region", "country", &asked()).await;
    assert_eq!((&run["figures"]["places"], &result["isLearnt"]), (&json!(41.0), &json!(true)));
    let place = |name: &str| {
        let own = result["places"].as_array().unwrap().iter();
        own.clone().find(|own| own["name"] == name).unwrap().clone()
    };
    let figure = |value: &Value| value.as_f64().unwrap();
    // With 110 expected claims each, places stand near what they and their neighbours saw.
    assert!((0.7..0.9).contains(&figure(&place("P05")["relativity"])), "{}", place("P05"));
    assert!((1.1..1.3).contains(&figure(&place("P30")["relativity"])), "{}", place("P30"));
    // A place without claims has its surroundings' part.
    let empty = place("P99");
    assert!((1.05..1.35).contains(&figure(&empty["relativity"])), "{empty}");
    near("long", &place("P30")["longitude"], &json!(13.0), 1e-12, 0.0);
    let zones = result["zones"].as_array().unwrap();
    assert_eq!((&zones[0]["places"], &zones[1]["places"]), (&json!(21), &json!(20)));
    assert_eq!((&place("P30")["zone"], &place("P05")["zone"]), (&json!(1), &json!(2)));
    assert_eq!(result["districts"].as_array().unwrap().len(), 4);
    let page = String::from_utf8(world.report(&word(&run, "runId")).await.unwrap()).unwrap();
    assert!(page.contains("Zones") && page.matches("<svg").count() == 3 && !page.contains("NaN"));

    // Without any difference between places every relativity is the level's own.
    let mut flat = asked();
    flat["smoothing"] = json!({ "district": 0, "near": 0, "rangeKm": 20, "own": 0 });
    let (_, result) = world.done("region", "country", &flat).await;
    let all: Vec<f64> =
        result["places"].as_array().unwrap().iter().map(|own| figure(&own["relativity"])).collect();
    assert!(all.iter().all(|own| (own - all[0]).abs() < 1e-9), "{all:?}");
    // Where places have a part of their own, one without claims is less sure of it.
    let mut given = asked();
    given["smoothing"] = json!({ "district": 0.01, "near": 0.02, "rangeKm": 20, "own": 0.05 });
    let (_, result) = world.done("region", "country", &given).await;
    let width = |name: &str| {
        let own = result["places"].as_array().unwrap().iter();
        let own = own.clone().find(|own| own["name"] == name).unwrap();
        figure(&own["high"]) / figure(&own["low"])
    };
    assert!(width("P99") > 1.2 * width("P30"), "{} {}", width("P99"), width("P30"));
    // By exposure, what is expected of a place is its part of all claims.
    let mut by_exposure = asked();
    by_exposure.as_object_mut().unwrap().remove("expected");
    by_exposure["exposure"] = json!("years");
    let (_, result) = world.done("region", "country", &by_exposure).await;
    near("level", &result["expected"], &result["claims"], 1e-9, 0.0);
}

#[tokio::test]
async fn places_that_cannot_be_are_named() {
    let world = World::new().await;
    world.import(&world.picc, &json!({ "name": "country" }), country().as_bytes()).await;
    let wrong = json!({ "place": "x", "longitude": "code", "claims": "claims", "expected": "expected",
        "exposure": "years", "smoothing": { "near": 99 }, "zones": 0 });
    let body = json!({ "method": "region", "dataset": "country", "parameters": wrong });
    let problem = world.start(&world.picc, &body).await.unwrap_err();
    let wanted = [
        "/parameters/place",
        "/parameters/longitude",
        "/parameters/latitude",
        "/parameters/exposure",
        "/parameters/smoothing/district",
        "/parameters/smoothing/near",
        "/parameters/smoothing/own",
        "/parameters/smoothing/rangeKm",
        "/parameters/zones",
    ];
    assert_eq!(pointers(&problem), wanted);
    let head = "code,province,long,lat,claims,expected\n";
    for (rows, code, column) in [
        ("A,1,10,30,1,1\nB,1,,30,1,1\n", "E5101", "long"),
        ("A,1,10,130,1,1\nB,1,10,30,1,1\n", "E5101", "long"),
        ("A,1,10,30,0,1\nB,1,10,30,0,1\n", "E5102", "claims"),
        ("A,1,10,30,1,0\nB,1,10,30,1,1\n", "E5101", "expected"),
        ("A,1,10,30,-1,1\nB,1,10,30,1,1\n", "E5101", "claims"),
        ("A,1,10,30,1,1\nA,2,10,30,1,1\n", "E5101", "province"),
    ] {
        world
            .import(&world.picc, &json!({ "name": "bad" }), format!("{head}{rows}").as_bytes())
            .await;
        let run = world.run("region", "bad", &asked()).await;
        let told = (&run["failure"]["code"], &run["failure"]["column"]);
        assert_eq!(told, (&json!(code), &json!(column)), "{rows}: {run}");
    }
}

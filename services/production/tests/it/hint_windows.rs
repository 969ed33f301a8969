//! How far risk hints look: each window is a parameter, and holds up to its edge.

use jiff::{SignedDuration, Timestamp};
use kernel::Clock;
use serde_json::{Value, json};

use crate::claim_story::Story;
use crate::support::{PLATE, VIN, World, car, compulsory, message, noon, word};

const THEIR_VIN: &str = "LSVAM4189C2184848";
const THEIR_PLATE: &str = "苏B77778";
const LICENCE: &str = "11010519491231002X";
const REPAIRER: &str = "91320100MA1X0TEST1";
const INJURED: &str = "440524188001010014";

/// The accident of PICC's case, which everything is seen in.
fn accident() -> Timestamp {
    noon(2025, 6, 10)
}

/// Where CPIC sees it: the rule, the window, and the element of its message.
const SEEN: [(&str, &str, &str); 6] = [
    ("L52", "claim_hint_vehicle_hours", "/thirdVehicles/0/frameNo"),
    ("H01", "claim_hint_plate_days", "/thirdVehicles/0/plate"),
    ("H02", "claim_hint_phone_days", "/reporterPhones/1"),
    ("H03", "claim_hint_driver_days", "/driver/licenceNo"),
    ("H04", "claim_hint_repairer_days", "/vehicles/0/repairer/code"),
    ("H05", "claim_hint_injured_days", "/persons/0/certificateNo"),
];

/// An assessment with a repairer and an injured person.
fn assessment(story: &Story, repairer: &str, injured: &str) -> Value {
    let mut body = story.assessment("3000.00", "8000.00");
    let officer = body["vehicles"][0]["assessor"].clone();
    body["vehicles"][0]["repairer"] = json!({ "name": "顺达汽修", "code": repairer });
    body["persons"] = json!([{
        "item": 1, "name": "王强", "certificateKind": "01", "certificateNo": injured,
        "property": "2", "harm": "1", "injuryKind": "1",
        "fees": [{ "kind": "medical", "name": "门诊", "amount": "100.00" }],
        "assessor": officer, "approver": officer,
    }]);
    body
}

/// PICC's case with everything it can be recognised by, and a policy of CPIC's.
async fn market() -> (World, Story, String) {
    let world = World::new().await;
    world.sandbox.load(car(THEIR_VIN, THEIR_PLATE));
    let sale = world.insure(&world.picc, &compulsory(world.clock.now(), VIN, PLATE)).await;
    let theirs = compulsory(world.clock.now(), THEIR_VIN, THEIR_PLATE);
    let policy = world.insure(&world.cpic, &theirs).await.compulsory.unwrap();
    world.clock.set(noon(2025, 8, 1));
    let mut story = Story::new(&world.picc, &sale.compulsory.unwrap(), "R-1", accident());
    let report = story.report();
    world.report(&mut story, &report).await.unwrap();
    world.step(&story, "survey", &story.survey("2")).await.unwrap();
    world.step(&story, "register", &story.registration()).await.unwrap();
    let body = assessment(&story, REPAIRER, INJURED);
    world.step(&story, "assess", &body).await.unwrap();
    (world, story, policy)
}

/// What CPIC is told of PICC's case when it has one thing in common with it, so long after.
async fn seen(
    world: &World,
    policy: &str,
    rule: &str,
    report_no: &str,
    later: SignedDuration,
) -> Vec<(String, String)> {
    let at = accident().checked_add(later).unwrap();
    let mut story = Story::new(&world.cpic, policy, report_no, at);
    let mut report = story.report();
    // Nothing in common but what the rule is about: another driver, other telephones.
    report["driver"] = json!({ "name": "陈明", "licenceNo": "320102199001010015",
        "phone": format!("139{:08}", later.as_secs() % 100_000_000) });
    report["reporterPhones"] = json!([report["driver"]["phone"]]);
    match rule {
        "L52" => report["thirdVehicles"] = json!([{ "frameNo": VIN }]),
        "H01" => report["thirdVehicles"] = json!([{ "plate": PLATE, "plateKind": "02" }]),
        "H02" => report["reporterPhones"] = json!([report["driver"]["phone"], "13800001234"]),
        "H03" => report["driver"]["licenceNo"] = json!(LICENCE),
        _ => {}
    }
    let mut told = vec![world.report(&mut story, &report).await.unwrap()];
    if matches!(rule, "H04" | "H05") {
        let mut survey = story.survey("2");
        survey["vehicles"][1]["plate"] = json!("苏B77779");
        world.step(&story, "survey", &survey).await.unwrap();
        world.step(&story, "register", &story.registration()).await.unwrap();
        let (repairer, injured) = match rule {
            "H04" => (REPAIRER, "11010519491231002X"),
            _ => ("91320100MA1X0TEST2", INJURED),
        };
        let body = assessment(&story, repairer, injured);
        told.push(world.step(&story, "assess", &body).await.unwrap());
    }
    let hints = told.iter().flat_map(|answer| answer["riskHints"].as_array().unwrap());
    let of_picc = hints.filter(|hint| hint["insurer"] == "PICC");
    of_picc.map(|hint| (word(hint, "/rule"), word(hint, "/pointer"))).collect()
}

#[tokio::test]
async fn what_is_in_common_is_seen_up_to_the_edge_of_its_window_and_no_second_further() {
    let (world, _, policy) = market().await;
    let days = |days: i64| SignedDuration::from_hours(24 * days);
    // The defaults of docs/guides/claims.md, before anybody set a parameter: the repairer's 3 days.
    let within = seen(&world, &policy, "H04", "D-1", days(3)).await;
    assert_eq!(within, [("H04".to_owned(), SEEN[4].2.to_owned())]);
    let beyond = days(3) + SignedDuration::from_secs(1);
    assert!(seen(&world, &policy, "H04", "D-2", beyond).await.is_empty());
    for (place, (rule, parameter, pointer)) in SEEN.into_iter().enumerate() {
        // A window of its own for each: 11 hours, then 12 days, 13 days and so on.
        let (value, edge) = match place {
            0 => (11, SignedDuration::from_hours(11)),
            _ => (11 + place, days(11 + i64::try_from(place).unwrap())),
        };
        world.set_parameter(parameter, "320000", &value.to_string()).await;
        let within = seen(&world, &policy, rule, &format!("W-{place}"), edge).await;
        assert_eq!(within, [(rule.to_owned(), pointer.to_owned())], "{parameter}");
        let beyond = edge + SignedDuration::from_secs(1);
        let beyond = seen(&world, &policy, rule, &format!("B-{place}"), beyond).await;
        assert!(beyond.is_empty(), "{parameter}: {beyond:?}");
    }
}

#[tokio::test]
async fn the_windows_of_the_start_of_cover_and_of_prices_are_parameters_too() {
    let world = World::new().await;
    world.set_parameter("claim_hint_start_days", "320000", "91").await;
    world.set_parameter("claim_hint_parts_percent", "320000", "200").await;
    let sale = world.insure(&world.picc, &message(world.clock.now(), VIN, PLATE)).await;
    world.clock.set(noon(2025, 8, 1));
    // Cover began on 2 March at 0:00; its 91st day ends with 31 May.
    for (report_no, at, hinted) in
        [("R-1", noon(2025, 5, 31), true), ("R-2", noon(2025, 6, 1), false)]
    {
        let mut story = Story::new(&world.picc, sale.compulsory.as_ref().unwrap(), report_no, at);
        let mut report = story.report();
        report["district"] = json!(format!("32010{}", report_no.len()));
        let told = world.report(&mut story, &report).await.unwrap();
        let rules: Vec<String> = told["riskHints"]
            .as_array()
            .unwrap()
            .iter()
            .map(|hint| word(hint, "/rule"))
            .filter(|rule| rule == "H06")
            .collect();
        assert_eq!(rules.len(), usize::from(hinted), "{report_no}");
        if !hinted {
            world.step(&story, "survey", &story.survey("2")).await.unwrap();
            world.step(&story, "register", &story.registration()).await.unwrap();
            // Twice the library's 620.00 for part 18D807217A.
            for (number, price, dear) in [("AS-1", "1240.00", false), ("AS-2", "1240.01", true)] {
                let mut body = story.assessment("3000.00", "8000.00");
                body["businessNo"] = json!(number);
                body["vehicles"][0]["modelCode"] = json!("BDZ1600FV7160");
                body["vehicles"][0]["parts"] = json!([{ "name": "前保险杠",
                    "oemCode": "18D807217A", "price": price, "count": 1 }]);
                let told = world.step(&story, "assess", &body).await.unwrap();
                let hints = told["riskHints"].as_array().unwrap();
                let found = hints.iter().any(|hint| hint["rule"] == "L53");
                assert_eq!(found, dear, "{price}");
            }
        }
    }
}

//! What police and model library add to a claim, and what is only warned of.

use jiff::civil::date;
use kernel::Clock;
use sandbox::accident::{Accident, AccidentParty, Duty};
use sandbox::fault::Faults;
use serde_json::{Value, json};

use crate::claim_story::{Story, property};
use crate::support::{PLATE, VIN, World, code, compulsory, noon, word};

const ACCIDENT_NO: &str = "320102120250000601";

/// A reported case under a compulsory policy, on the day after the accident.
async fn reported(world: &World, bend: impl FnOnce(&mut Value)) -> (Story, Value) {
    let sale = world.insure(&world.picc, &compulsory(world.clock.now(), VIN, PLATE)).await;
    world.clock.set(noon(2025, 6, 10));
    let mut story = Story::new(&world.picc, &sale.compulsory.unwrap(), "R-1", noon(2025, 6, 1));
    let mut report = story.report();
    bend(&mut report);
    let told = world.report(&mut story, &report).await.unwrap();
    (story, told)
}

fn notices(answer: &Value) -> Vec<String> {
    let notices = answer["notices"].as_array().unwrap();
    let rule = |notice: &Value| {
        notice["rule"].as_str().or(notice["code"].as_str()).unwrap_or_default().to_owned()
    };
    notices.iter().map(rule).collect()
}

fn collision() -> Accident {
    let share = |text: &str| text.parse().unwrap();
    Accident::between_vehicles(ACCIDENT_NO, noon(2025, 6, 1))
        .with_party(
            AccidentParty::vehicle(PLATE, "02", "李芳")
                .with_vin(VIN)
                .liable(Duty::Main, share("0.7")),
        )
        .with_party(
            AccidentParty::vehicle("苏B77777", "02", "王强").liable(Duty::Minor, share("0.3")),
        )
        .decided("宁公交认字[2025]第601号", date(2025, 6, 5))
}

#[tokio::test]
async fn the_police_are_asked_and_another_liability_is_hinted_at() {
    let world = World::new().await;
    world.sandbox.load_accident(collision());
    let (story, told) = reported(&world, |report| {
        report["policeAccidentNo"] = json!(ACCIDENT_NO);
    })
    .await;
    let police = &told["police"];
    assert_eq!(police["statementNo"], json!("宁公交认字[2025]第601号"));
    assert_eq!(
        police["parties"],
        json!([
            { "own": true, "plate": PLATE, "liability": "2", "sharePct": "70" },
            { "own": false, "plate": police["parties"][1]["plate"], "liability": "4",
              "sharePct": "30" },
        ])
    );
    assert_ne!(police["parties"][1]["plate"], json!("苏B77777"));
    // Undetermined agrees with everything; a survey that tells less than the police does not.
    assert_eq!(told["riskHints"], json!([]));
    let mut survey = story.survey("4");
    survey["policeAccidentNo"] = json!(ACCIDENT_NO);
    let told = world.step(&story, "survey", &survey).await.unwrap();
    assert_eq!(word(&told, "/riskHints/0/rule"), "H07");
}

#[tokio::test]
async fn of_several_accidents_the_police_know_none_is_taken_until_one_is_named() {
    let world = World::new().await;
    world.sandbox.load_accident(collision());
    let later = noon(2025, 6, 1).checked_add(jiff::SignedDuration::from_hours(3)).unwrap();
    world.sandbox.load_accident(Accident {
        accident_no: "320102120250000602".into(),
        at: later,
        ..collision()
    });
    let (story, told) = reported(&world, |_| {}).await;
    assert_eq!(notices(&told), ["N2133"]);
    assert_eq!(told["police"], json!(null));
    let mut survey = story.survey("2");
    survey["policeAccidentNo"] = json!(ACCIDENT_NO);
    let told = world.step(&story, "survey", &survey).await.unwrap();
    assert!(notices(&told).is_empty(), "{told:#}");
    assert_eq!(word(&told, "/police/accidentNo"), ACCIDENT_NO);
}

#[tokio::test]
async fn silent_police_are_a_notice_and_stop_nothing() {
    let world = World::new().await;
    let sale = world.insure(&world.picc, &compulsory(world.clock.now(), VIN, PLATE)).await;
    world.clock.set(noon(2025, 6, 10));
    world
        .sandbox
        .set_faults(sandbox::Counterparty::Police, Faults { down: true, ..Faults::default() });
    let mut story = Story::new(&world.picc, &sale.compulsory.unwrap(), "R-1", noon(2025, 6, 1));
    let report = story.report();
    let told = world.report(&mut story, &report).await.unwrap();
    assert_eq!(notices(&told), ["N2131"]);
    assert_eq!(told["police"], json!(null));
}

/// The library's reference for part 18D807217A is 620.00; a hint from 130 percent on: 806.00.
#[tokio::test]
async fn a_part_far_above_its_reference_price_is_hinted_at() {
    let world = World::new().await;
    let (story, _) = reported(&world, |_| {}).await;
    world.step(&story, "survey", &story.survey("2")).await.unwrap();
    world.step(&story, "register", &story.registration()).await.unwrap();
    for (number, price, hinted) in [("AS-1", "806.00", false), ("AS-2", "806.01", true)] {
        let mut assessment = story.assessment("3000.00", "8000.00");
        assessment["businessNo"] = json!(number);
        assessment["vehicles"][0]["modelCode"] = json!("BDZ1600FV7160");
        assessment["vehicles"][0]["partsTotal"] = json!("1.00");
        assessment["vehicles"][0]["parts"] =
            json!([{ "name": "前保险杠", "oemCode": "18D807217A", "price": price, "count": 1 }]);
        let told = world.step(&story, "assess", &assessment).await.unwrap();
        let rules: Vec<&Value> =
            told["riskHints"].as_array().unwrap().iter().map(|hint| &hint["rule"]).collect();
        assert_eq!(rules, if hinted { vec!["L53"] } else { vec![] }, "{price}");
        // The parts do not add up to the total told: a warning (S15), not a refusal.
        assert!(notices(&told).contains(&"S15".to_owned()), "{told:#}");
    }
}

#[tokio::test]
async fn what_is_only_warned_of_is_taken_with_a_notice() {
    let world = World::new().await;
    let (story, told) = reported(&world, |report| {
        report["coordinates"] = json!({ "longitude": "32.06", "latitude": "118.79",
            "system": "GCJ-02", "addressVersion": "2026" });
        report["reportedAt"] = json!("2025-06-01T03:00:00Z");
        report["reporterPhones"] = json!(["12345"]);
        report["handledBy"] = json!("10");
    })
    .await;
    let mut rules = notices(&told);
    rules.sort();
    assert_eq!(rules, ["F25", "F31", "L41"]);
    world.documented(&story).await;
    let adjustment = story.adjustment("AD-1", "2000.00", property("2000.00"));
    world.step(&story, "adjust", &adjustment).await.unwrap();
    let mut closing = story.closing("CL-1", "2000.00", "2");
    closing["counts"] = json!(false);
    let told = world.step(&story, "close", &closing).await.unwrap();
    assert_eq!(notices(&told), ["L63"]);
    let mut payment = story.payment("PY-1", "2000.00");
    payment["payees"][0]["kind"] = json!("other");
    let told = world.step(&story, "pay", &payment).await.unwrap();
    assert_eq!(notices(&told), ["L55"]);
}

#[tokio::test]
async fn recoveries_carry_their_code_and_serial_number() {
    let world = World::new().await;
    let (story, _) = reported(&world, |_| {}).await;
    let mut adjustment = story.adjustment("AD-1", "2000.00", property("2000.00"));
    adjustment["adjustments"][0]["recoveries"] = json!([
        { "serialNo": 1, "flag": "1", "kind": "1", "amount": "1.00" },
        { "serialNo": 1, "flag": "1", "kind": "3", "amount": "1.00" },
    ]);
    let (_, mut rules) = code(world.step(&story, "adjust", &adjustment).await);
    rules.sort();
    assert_eq!(rules, ["S17", "S19", "S19"]);
    let mut payment = story.payment("PY-1", "1.00");
    payment["payees"][0]["recoveryCode"] = json!("07X");
    assert_eq!(code(world.step(&story, "pay", &payment).await).1, ["S20"]);
}

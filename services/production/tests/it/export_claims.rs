//! Exports of claims: how each stood, what it cost, and the steps it took.

use std::collections::BTreeMap;

use jiff::SignedDuration;
use kernel::Clock;
use production_core::number::PlatformNumber;
use serde_json::{Value, json};

use crate::claim_story::{Story, property};
use crate::support::{PLATE, VIN, World, compulsory, message, noon};

type Line = BTreeMap<String, String>;

/// The values of these columns, in this order.
fn shown<'a>(line: &'a Line, columns: &[&str]) -> Vec<&'a str> {
    columns.iter().map(|column| &*line[*column]).collect()
}

async fn lines(world: &World, kind: &str, more: Value) -> Vec<Line> {
    let done = world.exported_with(&world.picc, kind, "csv", more).await;
    world.lines(&world.picc, &done).await
}

/// The case of [`World::settled`], reopened a day later and closed at 1,500.00, of which nobody has
/// given the 500.00 back yet.
async fn lowered(world: &World, confirm_code: &str) -> Story {
    let story = world.settled(&world.picc, confirm_code, "R-1", noon(2025, 6, 1)).await;
    world.pass(24);
    let mut closing = story.closing("CL-2", "1500.00", "2");
    closing["closedAt"] = json!(story.after(26));
    let mut adjustment = story.adjustment("AD-2", "1500.00", property("1500.00"));
    adjustment["agreedAt"] = json!(story.after(25));
    adjustment["adjustments"][0]["approvedAt"] = json!(story.after(25));
    for (step, body) in
        [("reopen", story.reopening("RO-1", 24)), ("adjust", adjustment), ("close", closing)]
    {
        world.step(&story, step, &body).await.unwrap();
    }
    story
}

#[tokio::test]
async fn claims_are_exported_as_they_were_known() {
    let world = World::new().await;
    let sale = world.insure(&world.picc, &message(world.clock.now(), VIN, PLATE)).await;
    let policy = sale.compulsory.unwrap();
    let before = noon(2025, 5, 1).to_string();
    let story = lowered(&world, &policy).await;
    let known = world.clock.now().checked_sub(SignedDuration::from_hours(1)).unwrap();

    let now = lines(&world, "claims", json!({})).await;
    assert_eq!(now.len(), 1);
    let named = ["claimCode", "class", "confirmCode", "reportNo", "region", "frameNo", "district"];
    let names = [&*story.claim_code, "compulsory", &policy, "R-1", "320000", VIN, "320102"];
    assert_eq!(shown(&now[0], &named), names);
    let turns = ["accidentAt", "reportedAt", "registeredAt", "assessedAt", "documentsCompleteAt"];
    let times = [0, 1, 3, 4, 5].map(|hours| story.after(hours));
    assert_eq!(shown(&now[0], &turns), times.each_ref().map(|at| &**at));
    let stands = ["stage", "round", "stepCount", "closings", "liability", "counts", "atFault"];
    assert_eq!(shown(&now[0], &stands), ["CLOSED", "1", "11", "2", "2", "true", "true"]);
    let money =
        ["registeredEstimate", "adjusted", "total", "ownDamage", "paid", "due", "recovered"];
    let amounts = ["8000.00", "1500.00", "1500.00", "0.00", "2000.00", "-500.00", "0.00"];
    assert_eq!(shown(&now[0], &money), amounts);
    assert_eq!(now[0]["closedAt"], story.after(26));
    assert_eq!(now[0]["reopenedAt"], story.after(24));
    // What was paid counts from its first payment on.
    assert_eq!(shown(&now[0], &["firstPaidAt", "paidAt"]), [story.after(8), story.after(8)]);
    let empty = ["outstanding", "correctedBy", "cancelledAt", "cancelKind"];
    assert_eq!(shown(&now[0], &empty), [""; 4]);

    let then = lines(&world, "claims", json!({ "asOf": known.to_string() })).await;
    assert_eq!(shown(&then[0], &stands), ["PAID", "0", "8", "1", "2", "true", "true"]);
    let amounts = ["8000.00", "2000.00", "2000.00", "0.00", "2000.00", "0.00", "0.00"];
    assert_eq!(shown(&then[0], &money), amounts);
    assert_eq!(then[0]["reopenedAt"], "");
    assert_eq!(then[0]["recordedAt"], now[0]["recordedAt"]);
    assert!(then[0]["changedAt"] < now[0]["changedAt"]);

    for nothing in [
        json!({ "asOf": before }),
        json!({ "class": "commercial" }),
        json!({ "region": "110000" }),
        json!({ "from": "2025-01-01", "to": "2025-06-01" }),
    ] {
        assert_eq!(lines(&world, "claims", nothing.clone()).await, [], "{nothing}");
        assert_eq!(lines(&world, "claimSteps", nothing.clone()).await, [], "{nothing}");
    }
    let stranger = world.exported(&world.cpic, "claims", "csv").await;
    assert_eq!(stranger["rowCount"], json!(0));
}

#[tokio::test]
async fn steps_of_claims_are_exported_with_their_numbers_and_amounts() {
    let world = World::new().await;
    let sale = world.insure(&world.picc, &compulsory(world.clock.now(), VIN, PLATE)).await;
    let story = lowered(&world, &sale.compulsory.unwrap()).await;
    let steps = lines(&world, "claimSteps", json!({})).await;
    let told: Vec<_> = steps
        .iter()
        .map(|line| shown(line, &["sequence", "step", "businessNo", "round", "amount"]))
        .collect();
    assert_eq!(
        told,
        [
            ["1", "notify", "R-1", "0", ""],
            ["2", "survey", "SV-1", "0", ""],
            ["3", "register", "RG-1", "0", "8000.00"],
            ["4", "assess", "AS-1", "0", ""],
            ["5", "documents", "DC-1", "0", ""],
            ["6", "adjust", "AD-1", "0", "2000.00"],
            ["7", "close", "CL-1", "0", "2000.00"],
            ["8", "pay", "PY-1", "0", "2000.00"],
            ["9", "reopen", "RO-1", "1", ""],
            ["10", "adjust", "AD-2", "1", "1500.00"],
            ["11", "close", "CL-2", "1", "1500.00"],
        ]
    );
    let same = ["claimCode", "reportNo", "standing", "client"];
    for line in &steps {
        assert_eq!(shown(line, &same), [&*story.claim_code, "R-1", "current", "picc-320000"]);
        let coded = line["closingCheckCode"].starts_with("06PICC3200");
        assert_eq!(coded, line["step"] == "close", "{line:?}");
        let text = format!("{line:?}");
        for person in ["李", "王强", "6217001234567890123", "13800001234"] {
            assert!(!text.contains(person), "{person} in {text}");
        }
    }
    assert_eq!(steps[7]["occurredAt"], story.after(8));
}

#[tokio::test]
async fn pages_of_claims_and_steps_of_one_instant_hold_each_row_once() {
    let world = World::new().await;
    let sale = world.insure(&world.picc, &compulsory(world.clock.now(), VIN, PLATE)).await;
    let policy = sale.compulsory.unwrap();
    let story = world.settled(&world.picc, &policy, "R-1", noon(2025, 6, 1)).await;
    // 300 cases of eight steps each, all recorded at the instant of the first.
    let first = PlatformNumber::parse(&story.claim_code).unwrap();
    let numbers: Vec<String> = (1..=300)
        .map(|copy| {
            let (kind, insurer, region) = (first.kind(), first.insurer(), first.area());
            let (year, slot) = (i16::from(first.year()), first.slot());
            let number = PlatformNumber::new(kind, insurer, region, year, slot, 90_000 + copy);
            number.unwrap().to_string()
        })
        .collect();
    for copy in [
        "insert into production.claim
         select (jsonb_populate_record(c, jsonb_build_object(
                    'claim_no', copy, 'report_no', copy))).*
         from production.claim c, unnest($1::text[]) as copy",
        "insert into production.claim_step
         select (jsonb_populate_record(s, jsonb_build_object('claim_no', copy))).*
         from production.claim_step s, unnest($1::text[]) as copy",
    ] {
        sqlx::query(copy).bind(&numbers).execute(&world.test.owner).await.unwrap();
    }
    for (kind, rows) in [("claims", 301), ("claimSteps", 8 * 301)] {
        let lines = lines(&world, kind, json!({})).await;
        let places: std::collections::BTreeSet<_> = lines
            .iter()
            .map(|line| (line["claimCode"].clone(), line.get("sequence").cloned()))
            .collect();
        assert_eq!((lines.len(), places.len()), (rows, rows), "{kind}");
    }
}

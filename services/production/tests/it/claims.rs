//! Claims from the report to the money, and what they do to the next quote.

use kernel::Clock;
use serde_json::json;

use crate::claim_story::{Story, property};
use crate::support::{PLATE, VIN, World, code, compulsory, noon, word};

/// The compulsory float of scheme E after one at-fault accident without a death (E4): none.
#[tokio::test]
async fn a_claim_paid_by_one_insurer_changes_the_price_another_one_quotes() {
    let world = World::new().await;
    let sale = world.insure(&world.picc, &compulsory(world.clock.now(), VIN, PLATE)).await;
    let confirm_code = sale.compulsory.unwrap();
    let story = world.settled(&world.picc, &confirm_code, "R-1", noon(2025, 6, 1)).await;
    assert!(story.claim_code.starts_with("05PICC3200"), "{}", story.claim_code);
    world.clock.set(noon(2026, 3, 1));
    let quoted =
        world.quote(&world.cpic, &compulsory(world.clock.now(), VIN, PLATE)).await.unwrap();
    let rating = &quoted["rating"]["compulsory"];
    assert_eq!(rating["premium"], json!("950.00"));
    assert_eq!(rating["accident"]["code"], json!("E4"));
    assert_eq!(rating["claims"][0]["claimCode"], json!(story.claim_code));
    assert_eq!(rating["claims"][0]["verdict"], json!("counted"));
}

#[tokio::test]
async fn a_step_uploaded_twice_is_answered_as_before_and_other_content_is_refused() {
    let world = World::new().await;
    let sale = world.insure(&world.picc, &compulsory(world.clock.now(), VIN, PLATE)).await;
    let confirm_code = sale.compulsory.unwrap();
    let mut story = world.settled(&world.picc, &confirm_code, "R-1", noon(2025, 6, 1)).await;
    let claim_code = story.claim_code.clone();
    let report = story.report();
    let again = world.report(&mut story, &report).await.unwrap();
    assert_eq!(again["claimCode"], json!(claim_code));
    assert_eq!(again["sequence"], json!(1));
    let survey = world.step(&story, "survey", &story.survey("2")).await.unwrap();
    assert_eq!((&survey["sequence"], &survey["stage"]), (&json!(2), &json!("SURVEYED")));
    let problem = world.step(&story, "survey", &story.survey("3")).await.unwrap_err();
    assert_eq!(problem.code.code, "E2043");
    let more = serde_json::to_value(problem.document(None)).unwrap();
    assert_eq!(word(&more, "/first/claimCode"), claim_code);
    assert_eq!(more["first"]["sequence"], json!(2));
}

#[tokio::test]
async fn steps_keep_their_order_and_say_what_comes_first() {
    let world = World::new().await;
    let sale = world.insure(&world.picc, &compulsory(world.clock.now(), VIN, PLATE)).await;
    let mut story = Story::new(&world.picc, &sale.compulsory.unwrap(), "R-1", noon(2025, 6, 1));
    world.clock.set(noon(2025, 6, 2));
    let report = story.report();
    world.report(&mut story, &report).await.unwrap();
    let early = world.step(&story, "register", &story.registration()).await;
    let problem = early.unwrap_err();
    assert_eq!(problem.code.code, "E2042");
    assert!(problem.detail.contains("before its survey"), "{}", problem.detail);
    world.step(&story, "survey", &story.survey("2")).await.unwrap();
    world.step(&story, "register", &story.registration()).await.unwrap();
    let adjustment = story.adjustment("AD-1", "1.00", property("1.00"));
    assert_eq!(code(world.step(&story, "adjust", &adjustment).await).0, "E2042");
    let paid = world.step(&story, "pay", &story.payment("PY-1", "1.00")).await;
    assert_eq!(code(paid).0, "E2042");
    let reopened = world.step(&story, "reopen", &story.reopening("RO-1", 9)).await;
    assert_eq!(code(reopened).0, "E2041");
}

//! Quotes beside claims that change: what they know of it, and when they can no longer be used.

use kernel::Clock;
use production::function;
use serde_json::{Value, json};

use crate::claim_story::{Story, property};
use crate::dispute::Market;
use crate::support::{PLATE, VIN, World, code, compulsory, noon, word};

#[tokio::test]
async fn a_quote_beside_a_correction_knows_of_it_or_cannot_be_used() {
    let market = Market::new().await;
    let world = &market.world;
    for round in 0..10 {
        world.pass(1);
        world.quoted(&world.cpic, if round % 2 == 0 { "950.00" } else { "855.00" }).await;
        let dispute_no = word(&market.dispute().await.unwrap(), "/disputeNo");
        let answer = json!({ "decision": "upheld", "counts": round % 2 == 1 });
        let (decided, (premium, query)) = tokio::join!(
            world.decide(&world.picc, &dispute_no, &answer),
            world.priced(&world.cpic),
        );
        decided.unwrap();
        let frozen = world.pre_confirm(&world.cpic, &query, &json!({})).await;
        // What counted before does not now, and the other way round.
        match (premium.as_str(), round % 2) {
            ("855.00", 0) | ("950.00", 1) => {
                frozen.unwrap();
                let call = world.call(&world.cpic, &function::PRE_CONFIRM_CANCEL);
                world.production.cancel_pre_confirm(call, &query).await.unwrap();
            }
            _ => assert_eq!(code(frozen).0, "E2012"),
        }
    }
}

#[tokio::test]
async fn a_claim_reopened_and_zeroed_gives_the_discount_back_and_makes_open_quotes_stale() {
    let market = Market::new().await;
    let (world, story) = (&market.world, &market.story);
    world.pass(1);
    world.step(story, "reopen", &story.reopening("RO-1", 9)).await.unwrap();
    // Until it is closed again its last closing holds.
    assert_eq!(world.stale_since(&world.cpic, &market.query).await, Value::Null);
    let zero = story.other(
        "CL-2",
        json!({ "closedAt": story.after(10), "total": "0.00", "insured": true, "liability": "2" }),
    );
    world.step(story, "close", &zero).await.unwrap();
    assert_ne!(world.stale_since(&world.cpic, &market.query).await, Value::Null);
    let frozen = world.pre_confirm(&world.cpic, &market.query, &json!({})).await;
    assert_eq!(code(frozen).0, "E2012");
    world.pass(1);
    let query = world.quoted(&world.cpic, "855.00").await;
    // The money is given back, which changes nothing a quote depends on.
    world.pass(1);
    let given_back = story.other(
        "PY-2",
        json!({ "paidAt": story.after(11), "total": "-2000.00", "payerBank": "工商银行",
            "payerAccount": "6222020200112345678",
            "payees": [{ "kind": "victim", "name": "王强", "certificateKind": "01",
                "certificateNo": "440524188001010014", "bank": "建设银行",
                "account": "6217001234567890123", "amount": "-2000.00" }] }),
    );
    world.step(story, "pay", &given_back).await.unwrap();
    assert_eq!(world.stale_since(&world.cpic, &query).await, Value::Null);
    world.pre_confirm(&world.cpic, &query, &json!({})).await.unwrap();
}

/// Everything up to the closing, which is left to the caller.
async fn adjusted(world: &World, confirm_code: &str, report_no: &str, day: i8) -> Story {
    let mut story = Story::new(&world.picc, confirm_code, report_no, noon(2025, 6, day));
    let report = story.report();
    world.report(&mut story, &report).await.unwrap();
    world.documented(&story).await;
    let adjustment = story.adjustment("AD-1", "2000.00", property("2000.00"));
    world.step(&story, "adjust", &adjustment).await.unwrap();
    story
}

#[tokio::test]
async fn a_claim_closed_and_paid_after_the_quote_leaves_it_open() {
    let world = World::new().await;
    let sale = world.insure(&world.picc, &compulsory(world.clock.now(), VIN, PLATE)).await;
    world.clock.set(noon(2026, 3, 2));
    let story = adjusted(&world, &sale.compulsory.unwrap(), "R-1", 1).await;
    let query = world.quoted(&world.cpic, "950.00").await;
    let part = |business_no: &str, paid: &str| {
        let mut body = story.payment(business_no, paid);
        body["payees"][0]["amount"] = json!(paid);
        body
    };
    for (step, body) in [
        ("close", story.closing("CL-1", "2000.00", "2")),
        ("pay", part("PY-1", "500.00")),
        ("pay", part("PY-2", "1500.00")),
    ] {
        world.pass(1);
        world.step(&story, step, &body).await.unwrap();
        assert_eq!(world.stale_since(&world.cpic, &query).await, Value::Null, "{step}");
    }
    world.pre_confirm(&world.cpic, &query, &json!({})).await.unwrap();
}

/// While the claim is open there is no discount; closed without a payment yet, it counts next year.
#[tokio::test]
async fn a_quote_beside_a_closing_sees_the_claim_before_or_after_it() {
    let world = World::new().await;
    let sale = world.insure(&world.picc, &compulsory(world.clock.now(), VIN, PLATE)).await;
    let confirm_code = sale.compulsory.unwrap();
    world.clock.set(noon(2026, 3, 2));
    for round in 1..=24 {
        let story = adjusted(&world, &confirm_code, &format!("R-{round}"), round).await;
        let closing = story.closing("CL-1", "2000.00", "2");
        let body = compulsory(world.clock.now(), VIN, PLATE);
        // Who is first differs from round to round.
        let (closed, quoted) = if round % 2 == 0 {
            tokio::join!(world.step(&story, "close", &closing), world.quote(&world.cpic, &body))
        } else {
            let (quoted, closed) = tokio::join!(
                world.quote(&world.cpic, &body),
                world.step(&story, "close", &closing)
            );
            (closed, quoted)
        };
        closed.unwrap();
        let quoted = quoted.unwrap();
        let rating = &quoted["rating"]["compulsory"];
        let claims = rating["claims"].as_array().unwrap();
        assert_eq!(claims.len(), usize::try_from(round).unwrap());
        let this = claims.iter().find(|claim| claim["claimCode"] == story.claim_code.as_str());
        let answer = (word(this.unwrap(), "/verdict"), word(rating, "/premium"));
        match (answer.0.as_str(), answer.1.as_str()) {
            ("open", "950.00") | ("nothingPaid", "855.00") => {}
            other => panic!("round {round}: {other:?} is neither before nor after"),
        }
        let query = word(&quoted, "/queryCode");
        assert_eq!(world.stale_since(&world.cpic, &query).await, Value::Null);
        world.pass(1);
        world.quoted(&world.cpic, "855.00").await;
    }
}

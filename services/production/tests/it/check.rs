//! The image challenge before a quote.

use kernel::Clock;
use production::function;
use production_core::number::PlatformNumber;
use serde_json::{Value, json};

use crate::support::{PLATE, VIN, World, broken, code, message, noon, parsed, view, word};

async fn challenged() -> (World, Value) {
    let world = World::new().await;
    world.set_parameter("production.quote_challenge", "320000", "image").await;
    let body = message(world.clock.now(), VIN, PLATE);
    let quoted = world.quote(&world.picc, &body).await.unwrap();
    (world, quoted)
}

fn digits(world: &World, query: &str) -> String {
    world.challenges.digits(PlatformNumber::parse(query).unwrap())
}

async fn check(
    world: &World,
    caller: &std::sync::Arc<base_http::Caller>,
    query: &str,
    answer: &str,
) -> Result<Value, base_http::Problem> {
    let call = world.call(caller, &function::QUOTE_CHECK);
    view(world.production.check_quote(call, query, parsed(&json!({ "answer": answer }))).await)
}

#[tokio::test]
async fn a_quote_is_shown_whole_once_its_image_is_read() {
    let (world, quoted) = challenged().await;
    let query = word(&quoted, "/queryCode");
    assert_eq!(quoted["challenge"]["code"], json!("C3001"));
    assert!(word(&quoted, "/challenge/image").starts_with("data:image/png;base64,"));
    assert!(quoted["rating"].is_null() && quoted["payable"].is_null());
    let early = world.pre_confirm(&world.picc, &query, &json!({})).await;
    assert_eq!(broken(early), ("C3001", "S08"));

    let shown = check(&world, &world.picc, &query, &digits(&world, &query)).await.unwrap();
    assert_eq!(shown["rating"]["compulsory"]["premium"], json!("950.00"));
    assert_eq!(shown["queryCode"], quoted["queryCode"]);
    assert_eq!(shown["quotedAt"], quoted["quotedAt"]);
    assert_eq!(shown["registered"]["ownerName"], json!("李*"));
    // Once answered it stays answered, whatever is sent.
    let again = check(&world, &world.picc, &query, "00000").await.unwrap();
    assert_eq!(again, shown);
    world.pre_confirm(&world.picc, &query, &json!({})).await.unwrap();
}

#[tokio::test]
async fn what_happened_after_the_quote_does_not_show_in_it() {
    let world = World::new().await;
    let sale = world.insure(&world.cpic, &message(world.clock.now(), VIN, PLATE)).await;
    world.clock.set(noon(2026, 3, 1));
    let body = message(world.clock.now(), VIN, PLATE);
    let plain = world.quote(&world.picc, &body).await.unwrap();
    world.set_parameter("production.quote_challenge", "320000", "image").await;
    world.pass(1);
    let quoted = world.quote(&world.picc, &body).await.unwrap();
    world.pass(1);
    let mut later = message(world.clock.now(), VIN, PLATE);
    later.as_object_mut().unwrap().remove("compulsory");
    world.set_parameter("production.quote_challenge", "320000", "none").await;
    world.insure(&world.cpic, &later).await;

    let query = word(&quoted, "/queryCode");
    let shown = check(&world, &world.picc, &query, &digits(&world, &query)).await.unwrap();
    assert_eq!(shown["previousPolicies"], plain["previousPolicies"]);
    let recorded = world.served().pop().unwrap();
    let mut looked_at: Vec<_> =
        recorded.shown.into_iter().map(|record| Some(record.subject)).collect();
    looked_at.sort();
    let mut expected = [sale.compulsory, sale.commercial];
    expected.sort();
    assert_eq!(looked_at, expected);
    assert_eq!(shown["duplicates"], json!([]));
    assert_eq!(shown["reinsureFlag"], json!("0"));
    assert_eq!(shown["changesInsurer"], json!(true));
    assert_eq!(shown["payable"], plain["payable"]);
}

#[tokio::test]
async fn five_wrong_answers_kill_the_quote() {
    let (world, quoted) = challenged().await;
    let query = word(&quoted, "/queryCode");
    for left in [4, 3, 2, 1, 0] {
        let wrong = check(&world, &world.picc, &query, "wrong").await.unwrap_err();
        assert_eq!(wrong.code.code, "C3002");
        assert_eq!(wrong.more.unwrap()["triesLeft"], json!(left));
        assert_eq!(wrong.errors[0].rule.as_deref(), Some("S08"));
    }
    let right = check(&world, &world.picc, &query, &digits(&world, &query)).await;
    assert_eq!(code(right).0, "E2030");
}

#[tokio::test]
async fn the_image_is_answered_by_the_user_it_was_shown_to_and_in_time() {
    let (world, quoted) = challenged().await;
    let query = word(&quoted, "/queryCode");
    let colleague = base_http::Caller { client: "picc-2".into(), ..(*world.picc).clone() };
    for _ in 0..6 {
        let other = check(&world, &colleague.clone().into(), &query, "wrong").await;
        assert_eq!(code(other), ("E1001", vec!["S08".to_owned()]));
    }
    world.clock.set(word(&quoted, "/expiresAt").parse().unwrap());
    let late = check(&world, &world.picc, &query, &digits(&world, &query)).await;
    assert_eq!(code(late), ("E1001", vec!["S08".to_owned()]));
}

#[tokio::test]
async fn a_challenge_is_not_got_around_by_reading_the_quote() {
    let (world, quoted) = challenged().await;
    let query = word(&quoted, "/queryCode");
    let call = world.read(&world.picc, &function::QUOTE_READ);
    let read = world.production.read_quote(call, &query, Default::default()).await;
    assert_eq!(code(view(read)).0, "C3001");
    let call = world.read(&world.picc, &function::QUOTE_READ);
    let list = view(world.production.list_quotes(call, Default::default()).await).unwrap();
    let line = &list["items"][0];
    assert_eq!(line["challengeOpen"], json!(true));
    assert!(line["compulsory"].is_null() && line["tax"].is_null());
}

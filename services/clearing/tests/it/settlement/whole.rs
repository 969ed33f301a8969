//! The worked example of the market from its items to settled money.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use clearing::HOUSE;
use clearing::function;
use clearing::settlement::ItemStage;
use clearing::settlement::view::ItemQuery;
use clearing_ledger::Purpose;
use crypto::{sha256, verify_signature};
use serde_json::{Value, json};

use super::market::{INSURERS, worked_example};
use crate::support::{assert_whole, participant};
use crate::world::{World, view};

#[tokio::test]
async fn the_worked_example_is_netted_agreed_to_paid_and_leaves_every_position_zero() {
    let world = World::new().await;
    let cycle = world.stated(&worked_example()).await;
    let detail = world.detail(cycle).await;
    let nets: Vec<(&str, &str)> = detail["participants"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| (one["insurer"].as_str().unwrap(), one["net"].as_str().unwrap()))
        .collect();
    assert_eq!(nets, [("CPIC", "2800.00"), ("PAIC", "1600.00"), ("PICC", "-4400.00")]);
    assert_eq!(world.standing(1).await.stage, ItemStage::StatementSent);

    // Two agree: nothing is ordered before the third does.
    for caller in [&world.picc, &world.paic] {
        let digest = world.statement(caller, cycle).await["digest"].clone();
        world.confirm(caller, cycle, &digest).await.unwrap();
    }
    assert_eq!(world.stage(cycle).await, "stated");
    assert_eq!(world.standing(1).await.stage, ItemStage::Confirmed);
    assert_eq!(world.standing(3).await.stage, ItemStage::StatementSent);
    let digest = world.statement(&world.cpic, cycle).await["digest"].clone();
    world.confirm(&world.cpic, cycle, &digest).await.unwrap();
    assert_eq!(world.stage(cycle).await, "funds_ordered");
    let detail = world.detail(cycle).await;
    assert_eq!(detail["funds"].as_array().unwrap().len(), 1, "only PICC owes");
    let owed = world.order(cycle, "PICC").await;
    assert_eq!((&owed["direction"], &owed["amount"]), (&json!("collect"), &json!("4400.00")));

    // It pays in two parts, and too much at no time.
    world.moved(cycle, &owed, 400_000).await.unwrap();
    let refused = world.moved(cycle, &owed, 40_001).await.unwrap_err();
    assert_eq!(refused.code.code, "E4208");
    assert_eq!(world.position(1, cycle).await, -40_000);
    assert_eq!(world.stage(cycle).await, "funds_ordered");
    world.moved(cycle, &owed, 40_000).await.unwrap();
    assert_eq!(world.stage(cycle).await, "settled");
    world.assert_every_position_is_zero(cycle).await;
    assert_eq!(world.standing(4).await.stage, ItemStage::Settled);
    assert_eq!(world.balance(participant(3), Purpose::Settlement, None).await, 280_000);
    assert_eq!(world.balance(HOUSE, Purpose::Bank, None).await, -440_000, "at the bank");

    // Who is owed is paid out; then nothing is left with the platform.
    for (insurer, fen) in [("PAIC", 160_000), ("CPIC", 280_000)] {
        let order = world.order(cycle, insurer).await;
        assert_eq!(order["direction"], "pay_out");
        world.moved(cycle, &order, fen).await.unwrap();
    }
    assert_eq!(world.stage(cycle).await, "reconciled");
    assert_eq!(world.balance(HOUSE, Purpose::Bank, None).await, 0);
    for number in 1..=3 {
        assert_eq!(world.balance(participant(number), Purpose::Settlement, None).await, 0);
    }
    assert_whole(&world.ledger).await;
}

#[tokio::test]
async fn why_a_position_is_what_it_is_leads_to_every_claim() {
    let world = World::new().await;
    let cycle = world.stated(&worked_example()).await.to_string();
    let call = world.call(&world.picc, &function::POSITION_READ);
    let own = view(world.clearing.read_position(call, &cycle).await).unwrap();
    assert_eq!((&own["net"], &own["open"]), (&json!("-4400.00"), &json!("-4400.00")));
    assert_eq!((&own["owes"], &own["due"]), (&json!("14600.00"), &json!("10200.00")));
    let sides = own["counterparties"].as_array().unwrap();
    let nets: Vec<_> = sides.iter().map(|side| (&side["insurer"], &side["net"])).collect();
    let expected = [("CPIC", "6400.00"), ("PAIC", "-10800.00")].map(|(i, n)| (json!(i), json!(n)));
    assert_eq!(nets, expected.iter().map(|(i, n)| (i, n)).collect::<Vec<_>>());
    let line = &sides[1]["covers"][0];
    assert_eq!(
        (&line["cover"], &line["owesItems"], &line["dueItems"]),
        (&json!("M02"), &json!(1), &json!(1))
    );

    // The operator asks the same and reads on, a page at a time.
    let call = world.call(&world.operator, &function::CYCLES_WATCH);
    let asked = view(world.clearing.read_position_of(call, &cycle, "PICC").await).unwrap();
    assert_eq!(asked, own);
    let mut after = None;
    let mut codes = Vec::new();
    loop {
        let call = world.call(&world.operator, &function::CYCLES_WATCH);
        let query = ItemQuery {
            counterparty: Some("PAIC".into()),
            cover: Some("M02".into()),
            limit: Some(1),
            after,
        };
        let page = view(world.clearing.list_items_of(call, &cycle, "PICC", query).await).unwrap();
        codes.extend(page["items"].as_array().unwrap().iter().map(|item| {
            assert_eq!(item["stage"], "statement_sent");
            (item["reference"].clone(), item["claimCodes"][0].clone(), item["amount"].clone())
        }));
        match page.get("next") {
            Some(next) => after = next.as_str().map(str::to_owned),
            None => break,
        }
    }
    let drafts = worked_example();
    let expected: Vec<(Value, Value, Value)> = drafts[..2]
        .iter()
        .zip(["14600.00", "3800.00"])
        .map(|(draft, yuan)| (json!(draft.reference), json!(draft.claim_codes[0]), json!(yuan)))
        .collect();
    assert_eq!(codes, expected);

    // Nobody reads an item between others.
    let between_others = drafts[2].item_id.to_string();
    let call = world.call(&world.picc, &function::POSITION_READ);
    let refused = view(world.clearing.read_item(call, &between_others).await).unwrap_err();
    assert_eq!(refused.code.code, "E4000");
    let call = world.call(&world.cpic, &function::POSITION_READ);
    let own = view(world.clearing.read_item(call, &between_others).await).unwrap();
    assert_eq!((&own["payer"], &own["payee"]), (&json!("PAIC"), &json!("CPIC")));
}

#[tokio::test]
async fn a_statement_is_signed_by_a_published_key_and_says_what_the_pairs_come_to() {
    let world = World::new().await;
    let cycle = world.stated(&worked_example()).await;
    let statement = world.statement(&world.picc, cycle).await;
    let body = statement["body"].as_str().unwrap();
    let bytes = |field: &str| STANDARD.decode(statement[field].as_str().unwrap()).unwrap();
    let key: [u8; 32] = bytes("publicKey").try_into().unwrap();
    assert!(verify_signature(&key, body.as_bytes(), &bytes("signature")));
    assert!(!verify_signature(&key, body.replace('4', "5").as_bytes(), &bytes("signature")));
    let digest: String =
        sha256(body.as_bytes()).0.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(statement["digest"], digest);
    let call = world.call(&world.picc, &function::SETTLEMENT_STATEMENT_READ);
    let keys = view(world.clearing.list_keys(call).await).unwrap();
    assert_eq!(keys["current"], statement["publicKey"]);

    let said: Value = serde_json::from_str(body).unwrap();
    assert_eq!((&said["insurer"], &said["net"]), (&json!("PICC"), &json!("-4400.00")));
    let lines: Vec<(&str, &str, &str)> = said["lines"]
        .as_array()
        .unwrap()
        .iter()
        .map(|line| {
            let text = |field: &str| line[field].as_str().unwrap();
            (text("counterparty"), text("owes"), text("due"))
        })
        .collect();
    assert_eq!(lines, [("CPIC", "0.00", "6400.00"), ("PAIC", "14600.00", "3800.00")]);
    assert!(INSURERS.contains(&lines[0].0));
}

//! A participant that does not pay.

use base_http::Problem;
use clearing::function;
use clearing::settlement::{CollateralBody, FailureBody, ItemStage};
use clearing_ledger::{CycleId, Purpose};
use jiff::SignedDuration;
use kernel::Fen;
use serde_json::{Value, json};
use uuid::Uuid;

use super::market::{draft, worked_example};
use crate::support::{assert_whole, participant};
use crate::world::{World, view};

async fn fail(world: &World, cycle: CycleId, insurer: &str) -> Result<Value, Problem> {
    let call = world.call(&world.operator, &function::PARTICIPANT_FAIL);
    let body = FailureBody { note: Some("the bank returned the debit".into()) };
    view(world.clearing.fail_participant(call, &cycle.to_string(), insurer, body).await)
}

async fn deposit(world: &World, insurer: &str, deposit: u128, fen: i64) -> Value {
    let call = world.call(&world.operator, &function::FUNDS_RECORD);
    let deposit_id = Some(Uuid::from_u128(deposit));
    let body = CollateralBody { deposit_id, amount: Some(Fen(fen)) };
    view(world.clearing.deposit_collateral(call, insurer, body).await).unwrap()
}

/// The money of the nation's scheme is due after five days.
async fn past_due(world: &World) {
    world.clock.advance(SignedDuration::from_hours(24 * 6));
}

#[tokio::test]
async fn collateral_pays_what_its_owner_does_not() {
    let world = World::new().await;
    let cycle = world.stated(&worked_example()).await;
    deposit(&world, "PICC", 1, 300_000).await;
    // The same deposit twice is one deposit.
    deposit(&world, "PICC", 2, 200_000).await;
    assert_eq!(deposit(&world, "PICC", 2, 200_000).await["balance"], "5000.00");
    world.all_confirm(cycle).await;
    let early = fail(&world, cycle, "PICC").await.unwrap_err();
    assert_eq!(early.code.code, "E4209");
    past_due(&world).await;
    let call = world.call(&world.operator, &function::CYCLES_WATCH);
    let overdue = view(world.clearing.list_overdue(call).await).unwrap();
    assert_eq!(overdue["funds"][0]["order"]["insurer"], "PICC");
    assert_eq!(fail(&world, cycle, "PICC").await.unwrap()["remedy"], "collateral");
    assert_eq!(world.stage(cycle).await, "settled");
    world.assert_every_position_is_zero(cycle).await;
    assert_eq!(world.balance(participant(1), Purpose::Collateral, None).await, 60_000);
    assert_eq!(world.standing(1).await.stage, ItemStage::Settled);
    assert_whole(&world.ledger).await;
}

#[tokio::test]
async fn without_enough_collateral_its_items_leave_and_the_rest_settles() {
    let world = World::new().await;
    // PICC −130, PAIC +150, CPIC −20.
    let drafts = [draft(1, 1, 2, 10_000), draft(2, 3, 2, 5_000), draft(3, 1, 3, 3_000)];
    let cycle = world.stated(&drafts).await;
    deposit(&world, "PICC", 1, 12_999).await;
    world.all_confirm(cycle).await;
    let of_cpic = world.order(cycle, "CPIC").await;
    assert_eq!(of_cpic["amount"], "20.00");
    world.moved(cycle, &of_cpic, 2_000).await.unwrap();
    // PICC pays a part and no more.
    let of_picc = world.order(cycle, "PICC").await;
    world.moved(cycle, &of_picc, 1).await.unwrap();
    past_due(&world).await;
    // What is still owed is 129.99: the collateral just covers it.
    let withdrawn = fail(&world, cycle, "CPIC").await.unwrap_err();
    assert_eq!(withdrawn.code.code, "E4000", "CPIC has paid");
    assert_eq!(fail(&world, cycle, "PICC").await.unwrap()["remedy"], "collateral");
    assert_eq!(world.balance(participant(1), Purpose::Collateral, None).await, 0);
    assert_eq!(world.stage(cycle).await, "settled");

    // The same again without collateral.
    let drafts = [draft(11, 1, 2, 10_000), draft(12, 3, 2, 5_000), draft(13, 1, 3, 3_000)];
    let cycle = world.stated(&drafts).await;
    world.all_confirm(cycle).await;
    let of_cpic = world.order(cycle, "CPIC").await;
    world.moved(cycle, &of_cpic, 2_000).await.unwrap();
    let of_picc = world.order(cycle, "PICC").await;
    world.moved(cycle, &of_picc, 1).await.unwrap();
    past_due(&world).await;
    assert_eq!(fail(&world, cycle, "PICC").await.unwrap()["remedy"], "unwound");
    // What is left: CPIC owes PAIC 50 and has paid 20; PICC gets its one fen back at the end.
    let detail = world.detail(cycle).await;
    let nets: Vec<&Value> =
        detail["participants"].as_array().unwrap().iter().map(|one| &one["net"]).collect();
    assert_eq!(nets, [&json!("-50.00"), &json!("50.00"), &json!("0.00")]);
    assert_eq!(world.standing(11).await.stage, ItemStage::Left);
    assert_eq!(world.standing(12).await.stage, ItemStage::FundsOrdered);
    assert_eq!(world.statement(&world.paic, cycle).await["agreed"], "unwound");
    let more = world.order(cycle, "CPIC").await;
    assert_eq!(more["amount"], "30.00");
    world.moved(cycle, &more, 3_000).await.unwrap();
    assert_eq!(world.stage(cycle).await, "settled");
    world.assert_every_position_is_zero(cycle).await;
    for (insurer, fen) in [("PAIC", 5_000), ("PICC", 1)] {
        let order = world.order(cycle, insurer).await;
        world.moved(cycle, &order, fen).await.unwrap();
    }
    assert_eq!(world.stage(cycle).await, "reconciled");

    // The operator puts an unwound item into the open cycle.
    let item = draft(11, 1, 2, 1).item_id.to_string();
    let call = world.call(&world.operator, &function::ITEM_CORRECT);
    let again = view(world.clearing.put_in_again(call, &item).await).unwrap();
    assert_eq!((&again["amount"], &again["stage"]), (&json!("100.00"), &json!("open")));
    assert_whole(&world.ledger).await;
}

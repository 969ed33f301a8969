//! Agreement, dispute and silence.

use std::sync::Arc;

use base_http::{Caller, Problem};
use clearing::function;
use clearing::settlement::{DisputeBody, DisputedItem, ItemStage, SchemeBody};
use clearing_ledger::CycleId;
use jiff::{SignedDuration, Timestamp};
use kernel::Clock;
use serde_json::{Value, json};

use super::market::{draft, worked_example};
use crate::support::assert_whole;
use crate::world::{World, view};

async fn dispute(
    world: &World,
    caller: &Arc<Caller>,
    cycle: CycleId,
    items: &[u128],
) -> Result<Value, Problem> {
    let listed = items.iter().map(|&item| DisputedItem {
        item_id: Some(draft(item, 1, 2, 1).item_id),
        reason: Some("paid".into()),
        note: None,
    });
    let body = DisputeBody { items: Some(listed.collect()) };
    let call = world.call(caller, &function::ITEM_DISPUTE);
    view(world.clearing.dispute_items(call, &cycle.to_string(), body).await)
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn nets(detail: &Value) -> Vec<(&str, &str)> {
    let all = detail["participants"].as_array().unwrap();
    all.iter().map(|one| (one["insurer"].as_str().unwrap(), one["net"].as_str().unwrap())).collect()
}

#[tokio::test]
async fn a_disputed_item_leaves_and_the_rest_is_netted_anew_and_settles() {
    let world = World::new().await;
    let cycle = world.stated(&worked_example()).await;
    let stale = world.statement(&world.picc, cycle).await["digest"].clone();
    dispute(&world, &world.paic, cycle, &[1]).await.unwrap();
    assert_eq!(world.standing(1).await.stage, ItemStage::Disputed);
    // Without the 14,600: PICC 3,800 + 6,400; PAIC −3,800 − 9,200; CPIC 9,200 − 6,400.
    let detail = world.detail(cycle).await;
    assert_eq!(nets(&detail), [("CPIC", "2800.00"), ("PAIC", "-13000.00"), ("PICC", "10200.00")]);
    assert_eq!(world.position(1, cycle).await, 1_020_000);
    let revisions = [&world.picc, &world.paic, &world.cpic];
    let mut said = Vec::new();
    for caller in revisions {
        said.push(world.statement(caller, cycle).await["revision"].clone());
    }
    assert_eq!(said, [json!(2), json!(2), json!(1)], "CPIC was not concerned");
    let refused = world.confirm(&world.picc, cycle, &stale).await.unwrap_err();
    assert_eq!(refused.code.code, "E4203");
    let again = dispute(&world, &world.picc, cycle, &[1]).await.unwrap_err();
    assert_eq!(again.code.code, "E4205");

    world.all_confirm(cycle).await;
    let late = dispute(&world, &world.cpic, cycle, &[3]).await.unwrap_err();
    assert_eq!(late.code.code, "E4202");
    let order = world.order(cycle, "PAIC").await;
    world.moved(cycle, &order, 1_300_000).await.unwrap();
    assert_eq!(world.stage(cycle).await, "settled");
    world.assert_every_position_is_zero(cycle).await;

    // The other side cannot withdraw the dispute; who disputed can, and the item is in the open
    // cycle.
    let item = draft(1, 1, 2, 1).item_id.to_string();
    for (caller, code) in [(&world.picc, "E4206"), (&world.cpic, "E4000")] {
        let call = world.call(caller, &function::ITEM_DISPUTE);
        let refused = view(world.clearing.withdraw_dispute(call, &item).await).unwrap_err();
        assert_eq!(refused.code.code, code);
    }
    for _ in 0..2 {
        let call = world.call(&world.paic, &function::ITEM_DISPUTE);
        let again = view(world.clearing.withdraw_dispute(call, &item).await).unwrap();
        assert_eq!((&again["again"], &again["amount"]), (&json!(item), &json!("14600.00")));
        assert_ne!(again["cycleId"], cycle.to_string());
    }
    let standing = world.standing(1).await;
    assert_eq!(standing.stage, ItemStage::Open);
    assert_ne!(standing.current, standing.item_id);
    assert_eq!(world.position(1, standing.cycle).await, -1_460_000);
    assert_whole(&world.ledger).await;
}

#[tokio::test]
async fn items_of_others_and_items_of_other_cycles_are_not_disputed() {
    let world = World::new().await;
    let cycle = world.stated(&worked_example()).await;
    world.post(&[draft(9, 1, 2, 5)]).await.unwrap();
    for items in [[3].as_slice(), &[9], &[1, 3]] {
        let refused = dispute(&world, &world.picc, cycle, items).await.unwrap_err();
        assert_eq!(refused.code.code, "E4000", "{items:?}");
    }
    let body = DisputeBody {
        items: Some(vec![DisputedItem { reason: Some("dislike".into()), ..Default::default() }]),
    };
    let call = world.call(&world.picc, &function::ITEM_DISPUTE);
    let refused = world.clearing.dispute_items(call, &cycle.to_string(), body).await.unwrap_err();
    let pointers: Vec<&str> = refused.errors.iter().map(|error| error.pointer.as_str()).collect();
    assert_eq!(pointers, ["/items/0/itemId", "/items/0/reason"]);
    assert_eq!(world.position(1, cycle).await, -440_000);
}

#[tokio::test]
async fn silence_until_the_deadline_is_agreement_where_the_rule_says_so() {
    let world = World::new().await;
    let cycle = world.stated(&worked_example()).await;
    let digest = world.statement(&world.picc, cycle).await["digest"].clone();
    world.confirm(&world.picc, cycle, &digest).await.unwrap();
    // 15 days of the nation's scheme from Saturday 1 March end on Sunday 16th, so with Monday 17th.
    world.clock.set(at("2025-03-17T23:59:59+08:00"));
    world.clearing.settle_due(world.clock.now()).await.unwrap();
    assert_eq!(world.stage(cycle).await, "stated");
    world.clock.set(at("2025-03-18T00:00:00+08:00"));
    let late = dispute(&world, &world.paic, cycle, &[1]).await.unwrap_err();
    assert_eq!(late.code.code, "E4204");
    world.clearing.settle_due(world.clock.now()).await.unwrap();
    assert_eq!(world.stage(cycle).await, "funds_ordered");
    let agreed = world.statement(&world.paic, cycle).await["agreed"].clone();
    assert_eq!(agreed, "deemed");
    assert_eq!(world.statement(&world.picc, cycle).await["agreed"], "confirmed");
}

#[tokio::test]
async fn no_deadline_ends_on_a_holiday_and_a_later_list_moves_none_that_was_told() {
    let world = World::new().await;
    // Invented: the 17th to the 19th of March. Then a list without them.
    world.set_rest_days("2025-03-17..2025-03-19", "2025-01-01T00:00:00+08:00").await;
    let cycle = world.stated(&worked_example()).await;
    world.set_rest_days("2025-10-01..2025-10-08", "2025-03-02T00:00:00+08:00").await;
    let body = world.statement(&world.paic, cycle).await["body"].clone();
    let signed: Value = serde_json::from_str(body.as_str().unwrap()).unwrap();
    // Wednesday 19th is the last holiday.
    assert_eq!(signed["confirmBy"], "2025-03-20T16:00:00Z");
    world.clock.set(at("2025-03-20T23:59:59+08:00"));
    world.clearing.settle_due(world.clock.now()).await.unwrap();
    assert_eq!(world.stage(cycle).await, "stated");
    dispute(&world, &world.paic, cycle, &[1]).await.unwrap();
    // PAIC and PICC were told anew on the 20th, so they have until the 4th of April, a Friday.
    world.clock.set(at("2025-04-04T23:59:59+08:00"));
    world.clearing.settle_due(world.clock.now()).await.unwrap();
    assert_eq!(world.stage(cycle).await, "stated");
    world.clock.set(at("2025-04-05T00:00:00+08:00"));
    world.clearing.settle_due(world.clock.now()).await.unwrap();
    // Ordered on Saturday 5 April for five days: Thursday 10th.
    let funds = world.detail(cycle).await["funds"][0].clone();
    assert_eq!(funds["dueAt"], "2025-04-10T16:00:00Z");
}

#[tokio::test]
async fn silence_is_listed_as_overdue_where_the_rule_holds_the_cycle() {
    let world = World::new().await;
    let body = SchemeBody {
        division: Some("overall".into()),
        period: Some("day".into()),
        confirm_days: Some(2),
        funds_days: Some(1),
        on_silence: Some("hold".into()),
        on_failure: Some("unwind".into()),
        ..SchemeBody::default()
    };
    let call = world.call(&world.operator, &function::SCHEME_SET);
    let set = view(world.clearing.set_scheme(call, "320000", body).await).unwrap();
    assert_eq!((&set["proposed"], &set["setBy"]), (&json!(true), &json!("operator-000000")));
    let cycle = world.post(&worked_example()).await.unwrap()[0].cycle;
    // The day ends, the cycle is closed and told by itself, and the next is open.
    world.clock.advance(SignedDuration::from_hours(25));
    world.clearing.settle_due(world.clock.now()).await.unwrap();
    assert_eq!(world.stage(cycle).await, "stated");
    let call = world.call(&world.operator, &function::CYCLES_WATCH);
    let all = view(world.clearing.list_all_cycles(call, base_http::paging::Page::default()).await);
    assert_eq!(all.unwrap()["items"][0]["number"], 2);

    world.clock.advance(SignedDuration::from_hours(24 * 4));
    world.clearing.settle_due(world.clock.now()).await.unwrap();
    assert_eq!(world.stage(cycle).await, "stated");
    let call = world.call(&world.operator, &function::CYCLES_WATCH);
    let overdue = view(world.clearing.list_overdue(call).await).unwrap();
    let statements = overdue["statements"].as_array().unwrap().iter();
    let mut of_cycle: Vec<&str> = statements
        .filter(|late| late["cycleId"] == cycle.to_string())
        .map(|late| late["insurer"].as_str().unwrap())
        .collect();
    of_cycle.sort_unstable();
    assert_eq!(of_cycle, ["CPIC", "PAIC", "PICC"]);
}

#[tokio::test]
async fn a_scheme_is_checked_and_does_not_reach_back() {
    let world = World::new().await;
    let back = world.clock.now() - SignedDuration::from_secs(1);
    let body = SchemeBody {
        since: Some(back),
        period: Some("day".into()),
        confirm_days: Some(0),
        on_silence: Some("deem".into()),
        on_failure: Some("perhaps".into()),
        ..SchemeBody::default()
    };
    let call = world.call(&world.operator, &function::SCHEME_SET);
    let refused = world.clearing.set_scheme(call, "320000", body).await.unwrap_err();
    let pointers: Vec<&str> = refused.errors.iter().map(|error| error.pointer.as_str()).collect();
    assert_eq!(pointers, ["/division", "/confirmDays", "/fundsDays", "/onFailure", "/since"]);
}

//! Items found ineligible after netting; cycles with nothing to pay; a flat rate tried on the past.

use base_http::Problem;
use clearing::function;
use clearing::settlement::{ItemStage, ReversalBody, SimulationBody};
use kernel::Fen;
use serde_json::{Value, json};
use uuid::Uuid;

use super::market::{draft, worked_example};
use crate::support::assert_whole;
use crate::world::{World, view};

pub(crate) async fn reverse(
    world: &World,
    item: &str,
    reversal: u128,
    fen: Option<i64>,
) -> Result<Value, Problem> {
    let call = world.call(&world.operator, &function::ITEM_CORRECT);
    let reversal_id = Some(Uuid::from_u128(reversal));
    let body = ReversalBody { reversal_id, amount: fen.map(Fen) };
    view(world.clearing.reverse_item(call, item, body).await)
}

#[tokio::test]
async fn an_ineligible_item_is_taken_back_by_one_in_the_open_cycle() {
    let world = World::new().await;
    let cycle = world.stated(&worked_example()).await;
    let item = draft(1, 1, 2, 1).item_id.to_string();
    let part = reverse(&world, &item, 71, Some(400_000)).await.unwrap();
    assert_eq!((&part["payer"], &part["payee"]), (&json!("PAIC"), &json!("PICC")));
    assert_eq!((&part["kind"], &part["reverses"]), (&json!("reversal"), &json!(item)));
    assert_ne!(part["cycleId"], cycle.to_string());
    assert_eq!(reverse(&world, &item, 71, Some(400_000)).await.unwrap(), part);
    assert_eq!(world.standing(1).await.stage, ItemStage::StatementSent);
    let too_much = reverse(&world, &item, 72, Some(1_060_001)).await.unwrap_err();
    assert_eq!(too_much.code.code, "E4207");
    let other = reverse(&world, &item, 71, Some(1)).await.unwrap_err();
    assert_eq!(other.code.code, "E4200");
    let rest = reverse(&world, &item, 72, None).await.unwrap();
    assert_eq!(rest["amount"], "10600.00");
    let standing = world.standing(1).await;
    assert_eq!((standing.stage, standing.reversed), (ItemStage::Reversed, Fen(1_460_000)));
    let nothing = reverse(&world, &item, 73, None).await.unwrap_err();
    assert_eq!(nothing.code.code, "E4207");
    let of_reversal = Uuid::from_u128(71).to_string();
    let refused = reverse(&world, &of_reversal, 74, None).await.unwrap_err();
    assert_eq!(refused.code.code, "E4207");
    // What was closed stays as it was told.
    assert_eq!(world.position(1, cycle).await, -440_000);
    assert_whole(&world.ledger).await;
}

#[tokio::test]
async fn a_cycle_in_which_nobody_owes_anything_is_settled_when_all_agree() {
    let world = World::new().await;
    let ring = [draft(1, 1, 2, 700), draft(2, 2, 3, 700), draft(3, 3, 1, 700)];
    let cycle = world.stated(&ring).await;
    world.all_confirm(cycle).await;
    assert_eq!(world.stage(cycle).await, "reconciled");
    world.assert_every_position_is_zero(cycle).await;
    // An empty one needs nobody.
    let empty = world.post(&[draft(4, 1, 2, 1)]).await.unwrap()[0].cycle;
    let next = world.close(empty).await.unwrap().next.unwrap().id;
    world.close(next).await.unwrap();
    world.clearing.settle_due(kernel::Clock::now(&*world.clock)).await.unwrap();
    assert_eq!(world.stage(next).await, "reconciled");
}

#[tokio::test]
async fn a_flat_rate_is_tried_on_what_was_posted_and_what_stands() {
    let world = World::new().await;
    // Up to 5,000.00: PAIC→PICC 3,800.00 and CPIC→PICC 1,000.00. The others are larger, and one that
    // was taken back is not looked at.
    let cycle = world.post(&worked_example()).await.unwrap()[0].cycle;
    world.post(&[draft(5, 3, 1, 100_000), draft(6, 1, 3, 200_000)]).await.unwrap();
    reverse(&world, &draft(6, 1, 3, 1).item_id.to_string(), 71, None).await.unwrap();
    let now = kernel::Clock::now(&*world.clock);
    let body = || SimulationBody {
        from: Some(now),
        to: Some(now + jiff::SignedDuration::from_secs(1)),
        ceiling: Some(Fen(500_000)),
        ..SimulationBody::default()
    };
    let call = world.call(&world.operator, &function::FLAT_RATE_SIMULATE);
    let tried = view(world.clearing.simulate_flat_rate(call, body()).await).unwrap();
    // The mean of 3,800.00 and 1,000.00.
    assert_eq!(
        (&tried["module"], &tried["flatItems"], &tried["items"]),
        (&json!("2400.00"), &json!(2), &json!(5))
    );
    let changes: Vec<(&str, &str)> = tried["effects"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| (one["insurer"].as_str().unwrap(), one["change"].as_str().unwrap()))
        .collect();
    assert_eq!(changes, [("CPIC", "-1400.00"), ("PAIC", "1400.00"), ("PICC", "0.00")]);
    assert_eq!(world.position(1, cycle).await, -440_000 + 100_000);

    let call = world.call(&world.operator, &function::FLAT_RATE_SIMULATE);
    let bad = SimulationBody { to: Some(now), covers: Some(vec!["Z9".into()]), ..body() };
    let refused = world.clearing.simulate_flat_rate(call, bad).await.unwrap_err();
    let pointers: Vec<&str> = refused.errors.iter().map(|error| error.pointer.as_str()).collect();
    assert_eq!(pointers, ["/covers/0", "/to"]);
}

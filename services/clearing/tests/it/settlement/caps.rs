//! Net debit caps: proposed, confirmed by another, held against what is posted.

use std::sync::Arc;

use base_http::{Caller, Problem};
use clearing::function;
use clearing::settlement::{CapBody, CycleStage, DecisionBody};
use kernel::Fen;
use serde_json::{Value, json};

use super::market::draft;
use crate::world::{World, view};

/// What every cycle here is of: no region has a scheme of its own.
const NATION: &str = "000000";

impl World {
    async fn propose_cap(&self, insurer: &str, body: CapBody) -> Result<Value, Problem> {
        let call = self.call(&self.operator, &function::CAP_PROPOSE);
        view(self.clearing.propose_cap(call, insurer, NATION, body).await)
    }

    async fn decide_cap(
        &self,
        by: &Arc<Caller>,
        insurer: &str,
        version: i64,
        decision: &str,
    ) -> Result<Value, Problem> {
        let body = DecisionBody {
            decision: Some(decision.to_owned()),
            reason: (decision == "reject").then(|| "依据不足".to_owned()),
        };
        let call = self.call(by, &function::CAP_DECIDE);
        let version = i32::try_from(version).unwrap();
        view(self.clearing.decide_cap(call, (insurer, NATION), version, body).await)
    }

    /// Two people of the operator set an insurer's cap; none when `fen` says none.
    pub(crate) async fn set_cap(&self, insurer: &str, fen: Option<i64>) {
        let proposed = self.propose_cap(insurer, body(fen)).await.unwrap();
        let version = proposed["version"].as_i64().unwrap();
        let checker = checker(&self.operator);
        let decided = self.decide_cap(&checker, insurer, version, "confirm").await.unwrap();
        assert_eq!(decided["standing"], "in_force");
    }

    async fn caps(&self, insurer: &str) -> Value {
        let call = self.call(&self.operator, &function::CAP_READ);
        view(self.clearing.read_caps(call, insurer).await).unwrap()
    }

    /// Posts one item of `payer` to `payee`.
    async fn owe(&self, item: u128, payer: u128, payee: u128, fen: i64) -> Result<(), String> {
        match self.post(&[draft(item, payer, payee, fen)]).await {
            Ok(_) => Ok(()),
            Err(error) => {
                let problem = Problem::from(error.told_to(None));
                Err(format!("{} {}", problem.code.code, problem.detail))
            }
        }
    }
}

fn checker(operator: &Arc<Caller>) -> Arc<Caller> {
    Arc::new(Caller { client: "checker".into(), ..Caller::clone(operator) })
}

fn body(fen: Option<i64>) -> CapBody {
    let reason = Some("按保证金核定".to_owned());
    CapBody { cap: fen.map(Fen), uncapped: fen.is_none().then_some(true), reason }
}

fn code(refused: Result<Value, Problem>) -> &'static str {
    refused.unwrap_err().code.code
}

#[tokio::test]
async fn a_cap_takes_two_people_and_keeps_its_history() {
    let world = World::new().await;
    assert_eq!(code(world.propose_cap("NOPE", body(Some(1))).await), "E4000");
    assert_eq!(code(world.propose_cap("PICC", body(Some(-1))).await), "E1001");
    assert_eq!(code(world.propose_cap("PICC", CapBody::default()).await), "E1001");
    let proposed = world.propose_cap("PICC", body(Some(1_000_000))).await.unwrap();
    assert_eq!(
        (&proposed["version"], &proposed["standing"], &proposed["cap"]),
        (&json!(1), &json!("proposed"), &json!("10000.00"))
    );
    world.owe(1, 1, 2, 1_500_000).await.expect("a proposal holds nothing back");
    assert_eq!(code(world.decide_cap(&world.operator, "PICC", 1, "confirm").await), "E4216");
    let checker = checker(&world.operator);
    assert_eq!(code(world.decide_cap(&checker, "PICC", 9, "confirm").await), "E4000");
    world.propose_cap("PICC", body(Some(2_000_000))).await.unwrap();
    world.decide_cap(&checker, "PICC", 2, "confirm").await.unwrap();
    assert_eq!(code(world.decide_cap(&checker, "PICC", 2, "confirm").await), "E4215");
    assert_eq!(code(world.decide_cap(&checker, "PICC", 1, "confirm").await), "E4215", "behind");
    world.decide_cap(&checker, "PICC", 1, "reject").await.unwrap();
    let read = world.caps("PICC").await;
    let standings: Vec<_> = read["caps"]
        .as_array()
        .unwrap()
        .iter()
        .map(|cap| (&cap["standing"], &cap["decidedBy"]))
        .collect();
    let by = json!("checker");
    assert_eq!(standings, [(&json!("rejected"), &by), (&json!("in_force"), &by)]);
    let position = &read["positions"][0];
    assert_eq!(
        (&position["owed"], &position["left"], &position["region"]),
        (&json!("15000.00"), &json!("5000.00"), &json!(NATION))
    );
    assert_eq!(world.caps("PAIC").await["caps"], json!([]));
}

#[tokio::test]
async fn what_a_cap_refuses_is_posted_once_it_is_raised_or_less_is_owed() {
    let world = World::new().await;
    world.set_cap("PICC", Some(1_000_000)).await;
    world.owe(1, 1, 2, 600_000).await.expect("up to the cap");
    let refused = world.owe(2, 1, 2, 500_000).await.unwrap_err();
    for said in [
        "E4214 with 5000.00 yuan more, PICC would owe 11000.00 yuan in cycle",
        "of region 000000, past its net debit cap of 10000.00 yuan (it owes 6000.00 yuan)",
        "send this again once the operator has raised the cap",
    ] {
        assert!(refused.contains(said), "{said:?} in {refused:?}");
    }
    // Of several at once none is posted.
    let several = [draft(3, 1, 3, 100), draft(4, 1, 2, 400_000)];
    assert!(world.post(&several).await.is_err());
    let cycle = world.standing(1).await.cycle;
    assert_eq!(world.position(1, cycle).await, -600_000);

    world.set_cap("PICC", Some(1_100_000)).await;
    world.owe(2, 1, 2, 500_000).await.expect("the same item, after the cap was raised");
    assert_eq!(world.position(1, cycle).await, -1_100_000);
    world.owe(2, 1, 2, 500_000).await.expect("told again, it is the item it was");
    assert!(world.owe(5, 1, 2, 1).await.is_err());
    // Others are not held by it, and what they owe brings the position down.
    world.owe(6, 2, 1, 300_000).await.unwrap();
    world.owe(5, 1, 2, 1).await.expect("less is owed now");
    assert!(world.owe(7, 1, 3, 300_000).await.is_err());
    // With the close of the cycle the next position begins at nothing, under the same cap.
    let next = world.close(cycle).await.unwrap().next.unwrap().id;
    world.owe(7, 1, 3, 300_000).await.expect("in the next cycle");
    assert_eq!(world.position(1, next).await, -300_000);
    assert!(world.owe(8, 1, 3, 800_001).await.unwrap_err().starts_with("E4214"));
    world.set_cap("PICC", None).await;
    world.owe(8, 1, 3, 800_001).await.expect("no cap holds any more");
}

#[tokio::test]
async fn a_cap_below_what_is_owed_lets_it_stand_and_never_stops_settlement() {
    let world = World::new().await;
    world.owe(1, 1, 2, 600_000).await.unwrap();
    world.owe(2, 2, 1, 200_000).await.unwrap();
    let cycle = world.standing(1).await.cycle;
    world.set_cap("PICC", Some(100_000)).await;
    assert_eq!(world.position(1, cycle).await, -400_000, "what came about before stands");
    let position = world.caps("PICC").await["positions"][0].clone();
    assert_eq!((&position["owed"], &position["left"]), (&json!("4000.00"), &json!("0.00")));
    assert!(world.owe(3, 1, 2, 1).await.unwrap_err().starts_with("E4214"));
    world.owe(4, 3, 1, 100_000).await.expect("what brings it nearer to the cap");

    // Closed, the cycle is settled whatever the cap: a dispute takes back what PICC was to get.
    let call = world.call(&world.operator, &function::CYCLE_CLOSE);
    view(world.clearing.close_cycle(call, &cycle.to_string()).await).unwrap();
    world.clearing.settle_due(kernel::Clock::now(&*world.clock)).await.unwrap();
    let call = world.call(&world.paic, &function::ITEM_DISPUTE);
    let disputed = serde_json::from_value(json!({ "items": [
        { "itemId": draft(2, 2, 1, 1).item_id, "reason": "paid" } ] }));
    let disputed = world.clearing.dispute_items(call, &cycle.to_string(), disputed.unwrap()).await;
    view(disputed).unwrap();
    assert_eq!(world.position(1, cycle).await, -500_000);
    assert_eq!(world.stage(cycle).await, CycleStage::Stated.code());
}

#[tokio::test]
async fn a_cap_confirmed_while_items_are_posted_holds_for_the_position_they_open() {
    let world = World::new().await;
    let proposed = world.propose_cap("PICC", body(Some(100_000))).await.unwrap();
    assert_eq!(proposed["version"], 1);
    let checker = checker(&world.operator);
    let posting = futures::future::join_all((1..=8).map(|item| world.owe(item, 1, 2, 30_000)));
    let (_, decided) = futures::join!(posting, world.decide_cap(&checker, "PICC", 1, "confirm"));
    decided.unwrap();
    let refused = world.owe(9, 1, 2, 100_001).await.unwrap_err();
    assert!(refused.starts_with("E4214"), "{refused}");
}

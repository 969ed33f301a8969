//! A flat rate from its simulation to the money: two people, accidents from its start on, the ordinary
//! cycles.

use std::sync::Arc;

use base_http::{Caller, Problem};
use clearing::function;
use clearing::settlement::{self, DecisionBody, EndBody, FlatRateBody, ItemKind, SimulationBody};
use jiff::{SignedDuration, Timestamp};
use kernel::{Clock, Fen};
use pg::Scope;
use production_core::claim::Liability;
use production_core::number::PlatformNumber;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::world::{World, view};

const OWN: &str = "LSVAM4187C2184847";
const OTHER: &str = "1M8GDM9AXKP042788";
const PLATE: &str = "苏A12345";

/// Somebody else in the same body.
fn colleague(of: &Arc<Caller>, name: &str) -> Arc<Caller> {
    Arc::new(Caller { client: name.into(), ..Caller::clone(of) })
}

fn hours(count: i64) -> Timestamp {
    testkit::start() + SignedDuration::from_hours(count)
}

impl World {
    async fn simulated(&self, region: Option<&str>, module: i64) -> Uuid {
        let body = SimulationBody {
            from: Some(hours(-1_000)),
            to: Some(self.clock.now()),
            region: region.map(str::to_owned),
            ceiling: Some(Fen(500_000)),
            module: Some(Fen(module)),
            ..SimulationBody::default()
        };
        let call = self.call(&self.operator, &function::FLAT_RATE_SIMULATE);
        let tried = view(self.clearing.simulate_flat_rate(call, body).await).unwrap();
        let id = tried["simulationId"].as_str().unwrap().to_owned();
        let call = self.call(&self.operator, &function::FLAT_RATE_SIMULATE);
        assert_eq!(view(self.clearing.read_simulation(call, &id).await).unwrap(), tried);
        id.parse().unwrap()
    }

    async fn propose(&self, since: Timestamp, simulation: Uuid) -> Result<Value, Problem> {
        let body = FlatRateBody {
            since: Some(since),
            simulation_id: Some(simulation),
            reason: Some("小额追偿免互审".to_owned()),
        };
        let call = self.call(&self.operator, &function::FLAT_RATE_PROPOSE);
        view(self.clearing.propose_flat_rate(call, "320000", body).await)
    }

    async fn decide(
        &self,
        by: &Arc<Caller>,
        version: i32,
        decision: &str,
    ) -> Result<Value, Problem> {
        let body = DecisionBody {
            decision: Some(decision.to_owned()),
            reason: (decision == "reject").then(|| "依据不足".to_owned()),
        };
        let call = self.call(by, &function::FLAT_RATE_DECIDE);
        view(self.clearing.decide_flat_rate(call, "320000", version, body).await)
    }

    /// Standings by version, as a member sees them.
    async fn standings(&self) -> Vec<(i64, String)> {
        let call = self.call(&self.cpic, &function::FLAT_RATE_READ);
        let list = view(self.clearing.list_flat_rates(call).await).unwrap();
        let of = |one: &Value| {
            (one["version"].as_i64().unwrap(), one["standing"].as_str().unwrap().to_owned())
        };
        list["flatRates"].as_array().unwrap().iter().map(of).collect()
    }

    /// Both covers of the liable vehicle locked for an accident 48 hours before the start of the test.
    async fn locked(&self) -> (PlatformNumber, [String; 2]) {
        self.register.insure(&self.paic, OTHER, PLATE, None);
        self.register.insure(&self.paic, OTHER, PLATE, Some("1000000.00"));
        let claim_no = self.register.claim(&self.picc, OWN, Liability::Minor);
        let mut codes = Vec::new();
        for from in ["1", "2"] {
            let lock =
                json!({ "claimCode": claim_no, "from": from, "vehicle": { "plate": PLATE } });
            let call = self.call(&self.picc, &function::RECOVERY_LOCK);
            let lock = serde_json::from_value(lock).unwrap();
            let locked = view(self.clearing.lock_recovery(call, &lock).await).unwrap();
            codes.push(locked["recoveryCode"].as_str().unwrap().to_owned());
        }
        self.register.adjust(claim_no, "20000.00", 30);
        (claim_no, codes.try_into().unwrap())
    }

    async fn start(&self, code: &str, sent: Value) -> Result<Value, Problem> {
        let call = self.call(&self.picc, &function::RECOVERY_START);
        let sent = serde_json::from_value(sent).unwrap();
        view(self.clearing.start_recovery(call, code, &sent).await)
    }
}

fn code(refused: Result<Value, Problem>) -> &'static str {
    refused.unwrap_err().code.code
}

#[tokio::test]
async fn a_flat_rate_takes_two_people_and_its_own_simulation_and_never_reaches_back() {
    let world = World::new().await;
    let checker = colleague(&world.operator, "checker");
    let tried = world.simulated(Some("320000"), 240_000).await;
    assert_eq!(code(world.propose(world.clock.now(), tried).await), "E1001");
    let elsewhere = world.simulated(Some("110000"), 240_000).await;
    assert_eq!(code(world.propose(hours(24), elsewhere).await), "E4213");
    let above = world.simulated(Some("320000"), 500_001).await;
    assert_eq!(code(world.propose(hours(24), above).await), "E4213");
    let proposed = world.propose(hours(24), tried).await.unwrap();
    assert_eq!(
        (&proposed["version"], &proposed["standing"], &proposed["module"]),
        (&json!(1), &json!("proposed"), &json!("2400.00"))
    );
    assert_eq!(code(world.decide(&world.operator, 1, "confirm").await), "E4212");
    assert_eq!(code(world.decide(&checker, 9, "confirm").await), "E4000");
    // The members' body has people too.
    let member = world.decide(&world.cpic, 1, "confirm").await.unwrap();
    assert_eq!(
        (&member["standing"], &member["decidedBy"]),
        (&json!("confirmed"), &json!("cpic-320000"))
    );
    assert_eq!(code(world.decide(&checker, 1, "reject").await), "E4211");
    // Two of them from one instant cannot hold, and what came too late is proposed anew.
    world.propose(hours(24), tried).await.unwrap();
    assert_eq!(code(world.decide(&checker, 2, "confirm").await), "E4211");
    world.propose(hours(30), tried).await.unwrap();
    world.clock.set(hours(31));
    assert_eq!(code(world.decide(&checker, 3, "confirm").await), "E4211");
    world.decide(&checker, 3, "reject").await.unwrap();
    let body = EndBody { since: Some(hours(40)), reason: Some("改回互审".to_owned()) };
    let call = world.call(&world.operator, &function::FLAT_RATE_PROPOSE);
    let end = view(world.clearing.end_flat_rate(call, "320000", body).await).unwrap();
    assert_eq!((&end["change"], &end["version"]), (&json!("end"), &json!(4)));
    world.decide(&checker, 4, "confirm").await.unwrap();
    let expect = |four: &[(i64, &str)]| -> Vec<(i64, String)> {
        four.iter().map(|(version, word)| (*version, (*word).to_owned())).collect()
    };
    assert_eq!(
        world.standings().await,
        expect(&[(1, "in_force"), (2, "proposed"), (3, "rejected"), (4, "confirmed")])
    );
    world.clock.set(hours(40));
    assert_eq!(
        world.standings().await,
        expect(&[(1, "superseded"), (2, "proposed"), (3, "rejected"), (4, "in_force")])
    );
}

#[tokio::test]
async fn of_two_that_decide_at_once_one_is_heard() {
    let world = World::new().await;
    let tried = world.simulated(Some("320000"), 240_000).await;
    world.propose(hours(24), tried).await.unwrap();
    let checkers = ["a", "b"].map(|name| colleague(&world.operator, name));
    let (one, other) = tokio::join!(
        world.decide(&checkers[0], 1, "confirm"),
        world.decide(&checkers[1], 1, "reject")
    );
    assert_ne!(one.is_ok(), other.is_ok(), "{one:?} {other:?}");
    assert_eq!(code(if one.is_ok() { other } else { one }), "E4211");
}

#[tokio::test]
async fn a_small_recovery_of_an_accident_under_the_rule_is_settled_flat_and_a_large_one_is_not() {
    let world = World::new().await;
    // Before the accident, which is 48 hours before the start of the test.
    world.clock.set(hours(-100));
    let tried = world.simulated(Some("320000"), 240_000).await;
    world.propose(hours(-72), tried).await.unwrap();
    world.decide(&colleague(&world.operator, "checker"), 1, "confirm").await.unwrap();
    world.clock.set(testkit::start());
    let (claim_no, [small, large]) = world.locked().await;
    // 2,000.00 from the compulsory cover is below the ceiling of 5,000.00: nobody chooses an amount.
    assert_eq!(code(world.start(&small, json!({ "amount": "1999.00" })).await), "E4106");
    let settled = world.start(&small, json!({})).await.unwrap();
    assert_eq!((&settled["status"], &settled["agreed"]), (&json!("4"), &json!("2400.00")));
    assert_eq!(
        settled["outcomes"][0]["flat"],
        json!({ "region": "320000", "version": 1, "computed": "2000.00", "ceiling": "5000.00",
                "module": "2400.00" })
    );
    let derived = settled["derivation"].as_array().unwrap();
    let last: Vec<&str> =
        derived.iter().rev().take(3).map(|step| step["name"].as_str().unwrap()).collect();
    assert_eq!(last, ["flatModule", "flatCeiling", "flatComputed"]);
    // 12,600.00 from the third-party cover goes the ordinary way.
    let open = world.start(&large, json!({})).await.unwrap();
    assert_eq!((&open["status"], &open["review"]["claimed"]), (&json!("2"), &json!("12600.00")));

    // The flat amount is an item of the ordinary cycle, and the claim learns what it stands for.
    let item: Uuid = settled["outcomes"][0]["itemId"].as_str().unwrap().parse().unwrap();
    let mut tx = world.test.db.begin(Scope::of(clearing::HOUSE)).await.unwrap();
    let standing = settlement::standing(&mut tx, &[item]).await.unwrap().remove(0);
    drop(tx);
    let call = world.call(&world.paic, &function::POSITION_READ);
    let read = view(world.clearing.read_item(call, &item.to_string()).await).unwrap();
    assert_eq!(
        (&read["kind"], &read["amount"]),
        (&json!(ItemKind::FlatRate.code()), &json!("2400.00"))
    );
    let cycle = standing.cycle;
    world.close(cycle).await.unwrap();
    world.clearing.settle_due(world.clock.now()).await.unwrap();
    for caller in [&world.picc, &world.paic] {
        let digest = world.statement(caller, cycle).await["digest"].clone();
        world.confirm(caller, cycle, &digest).await.unwrap();
    }
    let order = world.order(cycle, "PAIC").await;
    world.moved(cycle, &order, 240_000).await.unwrap();
    let received = world.clearing.recoveries_to_tell(world.clock.now()).await.unwrap();
    let [received] = received.as_slice() else { panic!("{received:?}") };
    assert_eq!(received.claim_no, claim_no);
    assert_eq!((received.amount, received.settles), (Fen(240_000), Some(Fen(200_000))));

    // More damage of 2,000.00 is settled already while it stays below the ceiling.
    let more = serde_json::from_value(json!({ "cause": "补充定损" })).unwrap();
    let call = world.call(&world.picc, &function::RECOVERY_SUPPLEMENT);
    let refused = view(world.clearing.supplement_recovery(call, &small, &more).await);
    assert_eq!(code(refused), "E4106");
}

#[tokio::test]
async fn an_accident_before_the_start_of_the_rule_goes_the_ordinary_way() {
    let world = World::new().await;
    world.clock.set(hours(-100));
    let tried = world.simulated(Some("320000"), 240_000).await;
    // An hour after the accident.
    world.propose(hours(-47), tried).await.unwrap();
    world.decide(&colleague(&world.operator, "checker"), 1, "confirm").await.unwrap();
    world.clock.set(testkit::start());
    let (_, [small, _]) = world.locked().await;
    let open = world.start(&small, json!({})).await.unwrap();
    assert_eq!((&open["status"], &open["review"]["claimed"]), (&json!("2"), &json!("2000.00")));
}

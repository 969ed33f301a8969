//! What both sides and the operator learn of a recovery: what was done under it, and who is late.

use std::sync::Arc;

use base_http::{Caller, Problem};
use clearing::function;
use clearing::recovery::read::AnyRecoveryListQuery;
use jiff::SignedDuration;
use kernel::Clock;
use serde_json::{Value, json};

use crate::recovery::{Accident, body};
use crate::support::participant;
use crate::world::{World, view};

/// PICC, PAIC and the operator.
const TOLD: [u128; 3] = [1, 2, 9];

impl World {
    /// Kind, subject and data of what a participant was told of recoveries, in order.
    async fn told_of_recoveries(&self, number: u128) -> Vec<(String, String, Value)> {
        sqlx::query_as(
            "select replace(type, 'clearing.recovery.', ''), subject, data from events.outbox
             where tenant_id = $1 and type like 'clearing.recovery.%'
             order by written_by, type, event_id",
        )
        .bind(participant(number).0)
        .fetch_all(&self.test.owner)
        .await
        .unwrap()
    }

    /// Of those, who was late: what was told, of which code, for which duty of whom, due when.
    async fn told_late(&self, number: u128) -> Vec<[String; 5]> {
        let told = self.told_of_recoveries(number).await.into_iter();
        let late = told.filter(|(kind, ..)| ["overdue", "escalated"].contains(&kind.as_str()));
        let row = |(kind, code, data): (String, String, Value)| {
            let text = |name: &str| data[name].as_str().unwrap().to_owned();
            [kind, code, text("duty"), text("of"), text("dueAt")]
        };
        late.map(row).collect()
    }

    async fn any_recoveries(&self, asked: AnyRecoveryListQuery) -> Result<Value, Problem> {
        let call = self.call(&self.operator, &function::ANY_RECOVERY_READ);
        view(self.clearing.list_any_recoveries(call, asked).await)
    }
}

impl Accident {
    async fn ask_arbitration(&self, by: &Arc<Caller>, code: &str) {
        let call = self.world.call(by, &function::RECOVERY_ARBITRATE);
        let grounds = body(json!({ "grounds": "责任比例不一致" }));
        view(self.world.clearing.ask_arbitration(call, code, &grounds).await).unwrap();
    }

    /// The liable side stands by 9,000, and arbitrators are asked.
    async fn disputed(&self) -> [String; 2] {
        let codes = self.started().await;
        let offer = json!({ "amount": "9000.00", "opinion": "责任比例有误",
            "cuts": [{ "reason": "liability", "amount": "3600.00" }] });
        self.state(&self.world.paic, &codes[1], offer).await.unwrap();
        self.ask_arbitration(&self.world.paic, &codes[1]).await;
        codes
    }
}

fn codes(page: &Value) -> Vec<&str> {
    let items = page["items"].as_array().unwrap();
    items.iter().map(|item| item["recoveryCode"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn both_sides_and_the_operator_are_told_what_is_done_under_a_code() {
    let accident = Accident::new().await;
    let world = &accident.world;
    let [other, code] = accident.disputed().await;
    let panel = body(json!({ "members": [{ "insurer": "CPIC", "registerNo": "A-017" }] }));
    let call = world.call(&world.operator, &function::RECOVERY_PANEL);
    view(world.clearing.appoint_panel(call, &code, &panel).await).unwrap();
    let award = body(json!({ "amount": "10000.00", "grounds": "责任按五五分", "by": ["A-017"] }));
    let call = world.call(&world.operator, &function::RECOVERY_AWARD);
    view(world.clearing.award_recovery(call, &code, &award).await).unwrap();
    for number in TOLD {
        let told = world.told_of_recoveries(number).await;
        let kinds: Vec<&str> = told.iter().map(|(kind, ..)| kind.as_str()).collect();
        let expected = [
            "locked",
            "locked",
            "started",
            "stated",
            "arbitration_asked",
            "panel_appointed",
            "awarded",
        ];
        assert_eq!(kinds, expected, "participant {number}");
        assert_eq!(told[0].1, other);
        assert!(told[1..].iter().all(|(_, subject, _)| *subject == code));
        let awarded = &told[6].2;
        assert_eq!((&awarded["side"], &awarded["status"]), (&json!("operator"), &json!("4")));
        assert_eq!((&awarded["agreed"], &awarded["round"]), (&json!("10000.00"), &json!(1)));
        assert_eq!(
            (&awarded["recoveringInsurer"], &awarded["liableInsurer"]),
            (&json!("PICC"), &json!("PAIC"))
        );
        assert_eq!(told[3].2["side"], "liable");
        let text = format!("{told:?}");
        assert!(!text.contains("责任"), "words of a person are no facts: {text}");
    }
    assert_eq!(world.told_of_recoveries(3).await, [], "a stranger");
    // One journey a code, and everything of it on the slot of its vehicle.
    let told: Vec<(i64, i64)> = sqlx::query_as(
        "select count(distinct trace_id), count(distinct slot) from events.outbox
         where type like 'clearing.recovery.%' group by subject",
    )
    .fetch_all(&world.test.owner)
    .await
    .unwrap();
    assert_eq!(told, [(1, 1), (1, 1)]);
}

#[tokio::test]
async fn nothing_that_is_refused_is_told() {
    let accident = Accident::new().await;
    let code = accident.lock("2").await;
    let refused = accident.state(&accident.world.paic, &code, json!({ "amount": "1.00" })).await;
    assert_eq!(refused.unwrap_err().code.code, "E4104");
    for number in TOLD {
        assert_eq!(accident.world.told_of_recoveries(number).await.len(), 1);
    }
}

#[tokio::test]
async fn the_operator_finds_what_waits_for_a_panel_and_reads_what_both_sides_said() {
    let accident = Accident::new().await;
    let world = &accident.world;
    let [locked, code] = accident.disputed().await;
    let at = |stage: &str| AnyRecoveryListQuery {
        stage: Some(stage.to_owned()),
        ..AnyRecoveryListQuery::default()
    };
    let page = world.any_recoveries(at("arbitration")).await.unwrap();
    assert_eq!(codes(&page), [&code]);
    let found = &page["items"][0];
    assert_eq!((&found["side"], &found["status"]), (&json!("operator"), &json!("3")));
    assert_eq!(
        (&found["clock"]["duty"], &found["clock"]["of"]),
        (&json!("appoint"), &json!("operator"))
    );
    assert_eq!(codes(&world.any_recoveries(at("locked")).await.unwrap()), [&locked]);
    for stage in ["open", "ended", "void"] {
        let page = world.any_recoveries(at(stage)).await.unwrap();
        assert_eq!(codes(&page), Vec::<&str>::new(), "{stage}");
    }
    let in_status = |status: &str| AnyRecoveryListQuery {
        status: Some(status.to_owned()),
        ..AnyRecoveryListQuery::default()
    };
    assert_eq!(codes(&world.any_recoveries(in_status("3")).await.unwrap()), [&code]);
    for wrong in [at("panel"), in_status("77")] {
        assert_eq!(world.any_recoveries(wrong).await.unwrap_err().code.code, "E1000");
    }
    // A row a page, in one order: everything once.
    let (mut read, mut after) = (Vec::new(), None);
    loop {
        let asked =
            AnyRecoveryListQuery { limit: Some(1), after, ..AnyRecoveryListQuery::default() };
        let page = world.any_recoveries(asked).await.unwrap();
        read.extend(codes(&page).into_iter().map(str::to_owned));
        after = page["next"].as_str().map(str::to_owned);
        if after.is_none() {
            break;
        }
    }
    let mut both = [locked, code.clone()];
    both.sort_by(|one, other| other.cmp(one));
    assert_eq!(read, both);

    let call = || world.call(&world.operator, &function::ANY_RECOVERY_READ);
    let read = view(world.clearing.read_any_recovery(call(), &code).await).unwrap();
    let steps = read["steps"].as_array().unwrap();
    assert_eq!(steps[2]["facts"]["opinion"], "责任比例有误");
    assert_eq!(steps[3]["facts"]["grounds"], "责任比例不一致");
    let shown = world.memory.last().shown;
    let owners: Vec<&str> = shown.iter().map(|shown| shown.owner.as_str()).collect();
    assert_eq!(owners, ["PICC", "PAIC"], "each finds the look");
    let unknown = world.clearing.read_any_recovery(call(), "07PICC").await.unwrap_err();
    assert_eq!(unknown.code.code, "E4000");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_late_is_told_of_once_by_two_servers_and_again_for_the_next_duty() {
    let accident = Accident::new().await;
    let world = &accident.world;
    let [locked, code] = accident.started().await;
    let look = async || {
        let now = world.clock.now();
        let servers = [world.clearing.clone(), world.clearing.clone()];
        let look = |server: clearing::Clearing| {
            tokio::spawn(async move { server.tell_late(now).await.unwrap() })
        };
        let mut told = 0;
        for looked in servers.map(look) {
            told += looked.await.unwrap();
        }
        told
    };
    assert_eq!(look().await, 0);
    // 1 March 2025 is a Saturday. Ten working days to answer end with the 14th, fifteen to start with
    // the 21st; as many again with the 28th and with 11 April.
    let days = |days: i64| SignedDuration::from_hours(24 * days);
    world.clock.advance(days(16));
    assert_eq!(look().await, 1);
    assert_eq!(look().await, 0, "once");
    world.clock.advance(days(14));
    assert_eq!(look().await, 2);
    assert_eq!(look().await, 0);
    // PAIC answers on the 31st: the next duty is PICC's, with ten working days of its own.
    let offer = json!({ "amount": "9000.00",
        "cuts": [{ "reason": "loss", "amount": "3600.00" }] });
    accident.state(&world.paic, &code, offer).await.unwrap();
    assert_eq!(look().await, 0);
    world.clock.advance(days(15));
    assert_eq!(look().await, 2);
    assert_eq!(look().await, 0);
    let answered_by =
        |side: &str, kind: &str, due: &str| [kind, &code, "answer", side, due].map(str::to_owned);
    let started = |kind: &str| {
        [kind, &locked, "start", "recovering", "2025-03-21T16:00:00Z"].map(str::to_owned)
    };
    for number in TOLD {
        let mut told = world.told_late(number).await;
        let mut expected = vec![
            answered_by("liable", "overdue", "2025-03-14T16:00:00Z"),
            answered_by("liable", "escalated", "2025-03-14T16:00:00Z"),
            answered_by("recovering", "overdue", "2025-04-14T16:00:00Z"),
            started("overdue"),
            started("escalated"),
        ];
        told.sort();
        expected.sort();
        assert_eq!(told, expected, "participant {number}");
    }
}

#[tokio::test]
async fn a_wait_that_goes_on_keeps_its_deadline_and_is_told_of_once() {
    let accident = Accident::new().await;
    let world = &accident.world;
    let [_, code] = accident.disputed().await;
    // Five working days to appoint arbitrators: until the end of the 7th.
    let due = "2025-03-07T16:00:00Z";
    let read = accident.read(&world.picc, &code).await.unwrap();
    assert_eq!((&read["clock"]["duty"], &read["clock"]["dueAt"]), (&json!("appoint"), &json!(due)));
    world.clock.advance(SignedDuration::from_hours(24 * 7));
    assert_eq!(world.clearing.tell_late(world.clock.now()).await.unwrap(), 1);
    // Meanwhile holidays are listed and a side comes down: the panel is waited for as before.
    world.set_rest_days("2025-03-03..2025-03-07", "2025-01-01T00:00:00+08:00").await;
    let comes_down = json!({ "amount": "12000.00" });
    let read = accident.state(&world.picc, &code, comes_down).await.unwrap();
    assert_eq!((&read["clock"]["duty"], &read["clock"]["dueAt"]), (&json!("appoint"), &json!(due)));
    assert_eq!(world.clearing.tell_late(world.clock.now()).await.unwrap(), 0);
    assert_eq!(world.told_late(9).await.len(), 1);
}

//! 代位求偿 from the lock to an amount both sides stand by.

use std::sync::Arc;

use base_http::{Caller, Problem};
use clearing::recovery::read::{OverdueQuery, RecoveryListQuery};
use clearing::recovery::touch::{self, NamedPayment, Touched};
use clearing::{HOUSE, function, settlement};
use jiff::SignedDuration;
use kernel::{Clock, Fen};
use pg::Scope;
use production_core::claim::Liability;
use production_core::number::PlatformNumber;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::register::accident_at;
use crate::settlement::later::reverse;
use crate::world::{World, view};

const OWN: &str = "LSVAM4187C2184847";
pub(crate) const OTHER: &str = "1M8GDM9AXKP042788";
const PLATE: &str = "苏A12345";

/// SUB-1: PICC's insured bears 30 percent, PAIC insures the other vehicle under both policies.
pub(crate) struct Accident {
    pub(crate) world: World,
    pub(crate) claim_no: PlatformNumber,
}

pub(crate) fn body<T: DeserializeOwned>(body: Value) -> T {
    serde_json::from_value(body).unwrap()
}

fn code(problem: &Problem) -> (&'static str, Vec<String>) {
    let rules = problem.errors.iter().filter_map(|error| error.rule.as_deref().map(str::to_owned));
    (problem.code.code, rules.collect())
}

impl Accident {
    pub(crate) async fn new() -> Accident {
        let world = World::new().await;
        world.register.insure(&world.paic, OTHER, PLATE, None);
        world.register.insure(&world.paic, OTHER, PLATE, Some("1000000.00"));
        let claim_no = world.register.claim(&world.picc, OWN, Liability::Minor);
        Accident { world, claim_no }
    }

    async fn try_lock(&self, from: &str) -> Result<Value, Problem> {
        let lock = body(json!({ "claimCode": self.claim_no, "from": from,
                                "vehicle": { "plate": "苏a·12345" } }));
        let call = self.world.call(&self.world.picc, &function::RECOVERY_LOCK);
        view(self.world.clearing.lock_recovery(call, &lock).await)
    }

    pub(crate) async fn lock(&self, from: &str) -> String {
        self.try_lock(from).await.unwrap()["recoveryCode"].as_str().unwrap().to_owned()
    }

    /// Both covers locked, own damage adjusted, and one of them started.
    pub(crate) async fn started(&self) -> [String; 2] {
        let codes = [self.lock("1").await, self.lock("2").await];
        self.world.register.adjust(self.claim_no, "20000.00", 30);
        self.start(&codes[1], json!({})).await.unwrap();
        codes
    }

    pub(crate) async fn start(&self, code: &str, sent: Value) -> Result<Value, Problem> {
        let call = self.world.call(&self.world.picc, &function::RECOVERY_START);
        view(self.world.clearing.start_recovery(call, code, &body(sent)).await)
    }

    pub(crate) async fn state(
        &self,
        by: &Arc<Caller>,
        code: &str,
        sent: Value,
    ) -> Result<Value, Problem> {
        let call = self.world.call(by, &function::RECOVERY_REVIEW);
        view(self.world.clearing.state_recovery(call, code, &body(sent)).await)
    }

    pub(crate) async fn read(&self, by: &Arc<Caller>, code: &str) -> Result<Value, Problem> {
        let call = self.world.call(by, &function::RECOVERY_READ);
        view(self.world.clearing.read_recovery(call, code).await)
    }
}

#[tokio::test]
async fn the_platform_names_the_liable_policies_and_tells_their_insurer_of_the_look() {
    let accident = Accident::new().await;
    let world = &accident.world;
    let asked = body(json!({ "claimCode": accident.claim_no, "vehicle": { "plate": PLATE } }));
    let call = world.call(&world.picc, &function::LOCK_QUERY);
    let found = view(world.clearing.query_lock(call, &asked).await).unwrap();
    assert_eq!(found["matchCount"], 2);
    let policies = found["policies"].as_array().unwrap();
    assert!(policies.iter().all(|policy| policy["insurer"] == "PAIC"), "{policies:?}");
    assert_eq!(policies[0]["limit"], "2000.00");
    assert_eq!(policies[1]["limit"], "1000000.00");
    let recorded = world.memory.last();
    let owners: Vec<&str> = recorded.shown.iter().map(|shown| shown.owner.as_str()).collect();
    assert_eq!(owners, ["PAIC", "PAIC", "PICC"]);

    // Another insurer's claim is nobody else's to ask by.
    let call = world.call(&world.cpic, &function::LOCK_QUERY);
    let refused = view(world.clearing.query_lock(call, &asked).await).unwrap_err();
    assert_eq!(refused.code.code, "E4000");
    let call = world.call(&world.picc, &function::LOCK_QUERY);
    let call = base_http::Call { purpose: None, ..call };
    let refused = view(world.clearing.query_lock(call, &asked).await).unwrap_err();
    assert_eq!(refused.code.code, "E4100");
}

#[tokio::test]
async fn sub_1_recovers_14_600_from_two_covers_with_its_derivation() {
    let accident = Accident::new().await;
    let world = &accident.world;
    let codes = [accident.lock("1").await, accident.lock("2").await];
    assert!(codes.iter().all(|code| code.starts_with("07PICC3200") && code.len() == 30));
    let early = accident.start(&codes[0], json!({})).await.unwrap_err();
    assert_eq!(early.code.code, "E4109");
    world.register.adjust(accident.claim_no, "20000.00", 30);
    let compulsory = accident.start(&codes[0], json!({})).await.unwrap();
    let third_party = accident.start(&codes[1], json!({})).await.unwrap();
    // 2,000 from the compulsory cover, (20,000 - 2,000) x 70 % from the third-party cover.
    assert_eq!(compulsory["review"]["claimed"], "2000.00");
    assert_eq!(third_party["review"]["claimed"], "12600.00");
    assert_eq!(
        (&third_party["status"], &third_party["statusConfirmed"]),
        (&json!("2"), &json!(false))
    );
    let steps = third_party["derivation"].as_array().unwrap();
    let step = |name: &str| {
        let step = steps.iter().find(|step| step["name"] == name).unwrap();
        step["value"]["amount"].clone()
    };
    assert_eq!(
        [step("paid"), step("ownObligation"), step("recovery")],
        ["20000.00", "5400.00", "14600.00"]
    );
    for (code, amount) in codes.iter().zip(["2000.00", "12600.00"]) {
        let agreed = accident.state(&world.paic, code, json!({ "amount": amount })).await.unwrap();
        assert_eq!((&agreed["status"], &agreed["agreed"]), (&json!("4"), &json!(amount)));
        assert!(agreed["outcomes"][0]["itemId"].is_string());
        // Both see the same, and nobody else does.
        let read = accident.read(&world.picc, code).await.unwrap();
        assert_eq!(read["agreed"], amount);
        let told: Vec<&str> =
            read["steps"].as_array().unwrap().iter().map(|s| s["step"].as_str().unwrap()).collect();
        assert_eq!(told, ["lock", "start", "state"]);
        assert_eq!(accident.read(&world.cpic, code).await.unwrap_err().code.code, "E4000");
    }
}

#[tokio::test]
async fn a_review_goes_by_offer_and_counter_offer_to_one_amount() {
    let accident = Accident::new().await;
    let world = &accident.world;
    let [_, code] = accident.started().await;
    let cut = |amount: &str| json!([{ "reason": "loss", "amount": amount, "remark": "工时偏高" }]);
    let unreasoned = json!({ "amount": "9000.00" });
    let refused = accident.state(&world.paic, &code, unreasoned).await.unwrap_err();
    assert_eq!((refused.code.code, refused.rule), ("E4106", Some("L61")));
    let offer = json!({ "amount": "9000.00", "cuts": cut("3600.00"), "opinion": "定损偏高" });
    let offered = accident.state(&world.paic, &code, offer).await.unwrap();
    assert_eq!(offered["status"], "3");
    assert_eq!(offered["clock"]["of"], "recovering");
    let counter = json!({ "amount": "11000.00", "opinion": "已重新核损" });
    let countered = accident.state(&world.picc, &code, counter).await.unwrap();
    assert_eq!(countered["review"]["recovering"], "11000.00");
    let agreed = json!({ "amount": "11000.00" });
    let agreed = accident.state(&world.paic, &code, agreed).await.unwrap();
    assert_eq!((&agreed["status"], &agreed["agreed"]), (&json!("4"), &json!("11000.00")));
    let over = accident.state(&world.paic, &code, json!({ "amount": "1.00" })).await.unwrap_err();
    assert_eq!(over.code.code, "E4104");
    // Everything said is kept, in order.
    let read = accident.read(&world.paic, &code).await.unwrap();
    let said = read["steps"].as_array().unwrap();
    assert_eq!(said[2]["facts"]["cuts"][0]["remark"], "工时偏高");
    assert_eq!(said[3]["facts"]["opinion"], "已重新核损");
    assert_eq!(said.len(), 5);
}

#[tokio::test]
async fn nothing_owed_settles_at_zero_and_posts_nothing() {
    let accident = Accident::new().await;
    let world = &accident.world;
    let [_, code] = accident.started().await;
    let nothing = json!({ "amount": "0.00",
        "cuts": [{ "reason": "notCovered", "amount": "12600.00" }] });
    accident.state(&world.paic, &code, nothing).await.unwrap();
    let seen = accident.state(&world.picc, &code, json!({ "amount": "0.00" })).await.unwrap();
    assert_eq!(seen["status"], "6");
    assert!(seen["outcomes"][0]["itemId"].is_null());
}

#[tokio::test]
async fn a_lock_identifies_one_policy_and_stands_once() {
    let accident = Accident::new().await;
    let world = &accident.world;
    let code = accident.lock("1").await;
    let again = accident.try_lock("1").await.unwrap_err();
    assert_eq!(again.code.code, "E4102");
    // Cancelled, it may be locked anew; started, it is not cancelled any more (L59).
    let cancel = |code: String| async move {
        let call = world.call(&world.picc, &function::RECOVERY_CANCEL);
        let cause = body(json!({ "cause": "锁定有误" }));
        view(world.clearing.cancel_recovery(call, &code, &cause).await)
    };
    assert_eq!(cancel(code).await.unwrap()["status"], "9");
    let code = accident.lock("1").await;
    world.register.adjust(accident.claim_no, "20000.00", 30);
    accident.start(&code, json!({})).await.unwrap();
    let started = cancel(code).await.unwrap_err();
    assert_eq!((started.code.code, started.rule), ("E4104", Some("L59")));
    // A second policy that fits makes the vehicle unclear.
    world.register.insure(&world.cpic, "LFV2A21K6A3000001", PLATE, Some("500000.00"));
    world.register.change(accident.claim_no, |case| case.adjustments.clear());
    let unclear = accident.try_lock("2").await.unwrap_err();
    assert_eq!((unclear.code.code, unclear.rule), ("E4101", Some("L57")));
}

#[tokio::test]
async fn a_case_that_is_unfit_to_recover_is_told_everything_at_once() {
    let accident = Accident::new().await;
    accident.world.register.change(accident.claim_no, |case| {
        case.documents = None;
        case.survey.as_mut().unwrap().third_vehicles = 0;
        case.notify.mutual = true;
    });
    let refused = accident.try_lock("1").await.unwrap_err();
    assert_eq!(code(&refused), ("E1001", vec!["L58".to_owned(); 4]));
}

#[tokio::test]
async fn sides_do_what_is_theirs() {
    let accident = Accident::new().await;
    let world = &accident.world;
    let code = accident.lock("2").await;
    let call = world.call(&world.paic, &function::RECOVERY_START);
    let refused = view(world.clearing.start_recovery(call, &code, &body(json!({}))).await);
    assert_eq!(refused.unwrap_err().code.code, "E4105");
    let outside = accident.state(&world.cpic, &code, json!({ "amount": "1.00" })).await;
    assert_eq!(outside.unwrap_err().code.code, "E4000");
}

#[tokio::test]
async fn who_is_late_is_listed_and_may_be_taken_before_arbitrators() {
    let accident = Accident::new().await;
    let world = &accident.world;
    let [_, code] = accident.started().await;
    let ask = || async {
        let call = world.call(&world.picc, &function::RECOVERY_ARBITRATE);
        let grounds = body(json!({ "grounds": "逾期未答复" }));
        view(world.clearing.ask_arbitration(call, &code, &grounds).await)
    };
    assert_eq!(ask().await.unwrap_err().code.code, "E4108");
    let late = |escalated: bool| async move {
        let asked = OverdueQuery { escalated: Some(escalated), ..OverdueQuery::default() };
        let call = world.call(&world.operator, &function::RECOVERY_OVERDUE_READ);
        let page = view(world.clearing.overdue_recoveries(call, asked).await).unwrap();
        page["items"].as_array().unwrap().len()
    };
    assert_eq!(late(false).await, 0);
    // Ten working days are fourteen days; fifteen for the lock that was never started.
    world.clock.advance(SignedDuration::from_hours(24 * 16));
    assert_eq!((late(false).await, late(true).await), (1, 0));
    let list = RecoveryListQuery {
        side: "liable".to_owned(),
        overdue: Some(true),
        ..RecoveryListQuery::default()
    };
    let call = world.call(&world.paic, &function::RECOVERY_READ);
    let page = view(world.clearing.list_recoveries(call, list).await).unwrap();
    assert_eq!(page["items"][0]["recoveryCode"], code.as_str());
    assert_eq!(page["items"][0]["clock"]["escalation"], "overdue");
    world.clock.advance(SignedDuration::from_hours(24 * 14));
    assert_eq!((late(false).await, late(true).await), (2, 1));
    assert_eq!(ask().await.unwrap()["arbitration"]["askedBy"], "recovering");
}

#[tokio::test]
async fn arbitrators_award_and_a_supplement_comes_on_top() {
    let accident = Accident::new().await;
    let world = &accident.world;
    let [_, code] = accident.started().await;
    let offer = json!({ "amount": "9000.00",
        "cuts": [{ "reason": "liability", "amount": "3600.00" }] });
    accident.state(&world.paic, &code, offer).await.unwrap();
    let call = world.call(&world.paic, &function::RECOVERY_ARBITRATE);
    let grounds = body(json!({ "grounds": "责任比例不一致" }));
    view(world.clearing.ask_arbitration(call, &code, &grounds).await).unwrap();
    let panel = body(json!({ "members": [{ "insurer": "CPIC", "registerNo": "A-017" }] }));
    let call = world.call(&world.operator, &function::RECOVERY_PANEL);
    let appointed = view(world.clearing.appoint_panel(call, &code, &panel).await).unwrap();
    assert_eq!(appointed["clock"]["duty"], "award");
    let award = body(json!({ "amount": "10000.00", "grounds": "责任按五五分", "by": ["A-017"] }));
    let call = world.call(&world.operator, &function::RECOVERY_AWARD);
    let awarded = view(world.clearing.award_recovery(call, &code, &award).await).unwrap();
    assert_eq!((&awarded["status"], &awarded["agreed"]), (&json!("4"), &json!("10000.00")));
    assert_eq!(awarded["outcomes"][0]["awarded"], true);

    // Reopened, assessed at 22,000 and adjusted anew: (22,000 - 2,000) x 70 % less what is settled.
    world.register.adjust(accident.claim_no, "22000.00", 30);
    let call = world.call(&world.picc, &function::RECOVERY_SUPPLEMENT);
    let more = body(json!({ "cause": "补充定损" }));
    let open = view(world.clearing.supplement_recovery(call, &code, &more).await).unwrap();
    assert_eq!((&open["round"], &open["review"]["claimed"]), (&json!(2), &json!("4000.00")));
    let agreed = json!({ "amount": "4000.00" });
    let agreed = accident.state(&world.paic, &code, agreed).await.unwrap();
    assert_eq!((&agreed["round"], &agreed["agreed"]), (&json!(2), &json!("14000.00")));
}

#[tokio::test]
async fn the_other_side_is_seen_without_persons_by_both_and_by_nobody_else() {
    let accident = Accident::new().await;
    let world = &accident.world;
    let theirs = world.register.claim(&world.paic, OTHER, Liability::Main);
    let code = accident.lock("2").await;
    for (by, other) in [(&world.picc, theirs), (&world.paic, accident.claim_no)] {
        let call = world.call(by, &function::RECOVERY_OPPOSING_READ);
        let seen = view(world.clearing.read_opposing(call, &code).await).unwrap();
        assert_eq!(seen["claims"][0]["claimCode"], other.to_string());
        assert_eq!(seen["claims"].as_array().unwrap().len(), 1);
        assert!(seen["claims"][0]["case"]["survey"]["liability"].is_string());
        let shown = world.memory.last().shown;
        assert!(shown.iter().any(|shown| shown.subject == other.to_string()));
    }
    let call = world.call(&world.cpic, &function::RECOVERY_OPPOSING_READ);
    let refused = view(world.clearing.read_opposing(call, &code).await).unwrap_err();
    assert_eq!(refused.code.code, "E4000");
}

impl Accident {
    /// An amount of 12,600.00 agreed on under a code, and its money paid: the item.
    async fn paid(&self, code: &str) -> Uuid {
        let world = &self.world;
        let agreed = self.state(&world.paic, code, json!({ "amount": "12600.00" })).await.unwrap();
        let item: Uuid = agreed["outcomes"][0]["itemId"].as_str().unwrap().parse().unwrap();
        let mut tx = world.test.db.begin(Scope::of(HOUSE)).await.unwrap();
        let cycle = settlement::standing(&mut tx, &[item]).await.unwrap().remove(0).cycle;
        drop(tx);
        let call = world.call(&world.operator, &function::CYCLE_CLOSE);
        view(world.clearing.close_cycle(call, &cycle.to_string()).await).unwrap();
        world.clearing.settle_due(world.clock.now()).await.unwrap();
        for caller in [&world.picc, &world.paic] {
            let digest = world.statement(caller, cycle).await["digest"].clone();
            world.confirm(caller, cycle, &digest).await.unwrap();
        }
        let order = world.order(cycle, "PAIC").await;
        world.moved(cycle, &order, 1_260_000).await.unwrap();
        item
    }

    /// Takes back so much of an item, or all that is left of it.
    async fn take_back(&self, item: Uuid, number: u128, fen: Option<i64>) {
        let world = &self.world;
        reverse(world, &item.to_string(), number, fen).await.unwrap();
    }

    /// What claims are to learn that came, and that was taken back, in fen.
    async fn to_tell(&self) -> (Vec<i64>, Vec<(i32, i64)>) {
        let clearing = &self.world.clearing;
        let came = clearing.recoveries_to_tell(self.world.clock.now()).await.unwrap();
        let back = clearing.reversals_to_tell().await.unwrap();
        let came = came.iter().map(|received| received.amount.0).collect();
        (came, back.iter().map(|back| (back.number, back.amount.0)).collect())
    }

    /// The claim learns of the first thing that was taken back.
    async fn tell_back(&self) {
        let back = self.world.clearing.reversals_to_tell().await.unwrap().remove(0);
        assert_eq!((back.claim_no, back.tenant), (self.claim_no, self.world.picc.tenant));
        for _ in 0..2 {
            self.world.clearing.reversal_told(&back, self.world.clock.now()).await.unwrap();
        }
    }
}

#[tokio::test]
async fn what_is_taken_back_after_the_claim_was_told_is_told_each_part_once() {
    let accident = Accident::new().await;
    let [_, code] = accident.started().await;
    let item = accident.paid(&code).await;
    assert_eq!(accident.to_tell().await, (vec![1_260_000], vec![]));
    accident.world.clearing.recovery_told(item, accident.world.clock.now()).await.unwrap();
    assert_eq!(accident.to_tell().await, (vec![], vec![]));
    accident.take_back(item, 71, Some(400_000)).await;
    assert_eq!(accident.to_tell().await, (vec![], vec![(1, 400_000)]));
    // Until the claim learnt of it, it is to be told; another part besides.
    accident.take_back(item, 72, None).await;
    assert_eq!(accident.to_tell().await, (vec![], vec![(1, 400_000), (2, 860_000)]));
    accident.tell_back().await;
    assert_eq!(accident.to_tell().await, (vec![], vec![(2, 860_000)]));
    accident.tell_back().await;
    assert_eq!(accident.to_tell().await, (vec![], vec![]));
}

#[tokio::test]
async fn what_is_taken_back_before_the_claim_was_told_is_left_out_of_what_came() {
    let accident = Accident::new().await;
    let [_, code] = accident.started().await;
    let item = accident.paid(&code).await;
    accident.take_back(item, 71, Some(400_000)).await;
    assert_eq!(accident.to_tell().await, (vec![860_000], vec![]));
    // Told, perhaps, but nobody noted it before more was taken back: it is told as it was, and what
    // came later by itself, after it.
    accident.take_back(item, 72, Some(100_000)).await;
    assert_eq!(accident.to_tell().await, (vec![860_000], vec![]));
    accident.world.clearing.recovery_told(item, accident.world.clock.now()).await.unwrap();
    assert_eq!(accident.to_tell().await, (vec![], vec![(2, 100_000)]));
    accident.tell_back().await;
    accident.take_back(item, 73, None).await;
    assert_eq!(accident.to_tell().await, (vec![], vec![(3, 760_000)]));
}

#[tokio::test]
async fn of_what_is_taken_back_as_a_whole_before_it_was_told_no_claim_learns() {
    let accident = Accident::new().await;
    let [_, code] = accident.started().await;
    let item = accident.paid(&code).await;
    accident.take_back(item, 71, None).await;
    assert_eq!(accident.to_tell().await, (vec![], vec![]));
    assert_eq!(accident.to_tell().await, (vec![], vec![]));
}

#[tokio::test]
async fn an_agreed_amount_is_followed_to_its_money_and_told_once() {
    let accident = Accident::new().await;
    let world = &accident.world;
    let [_, code] = accident.started().await;
    let agreed = json!({ "amount": "12600.00" });
    let agreed = accident.state(&world.paic, &code, agreed).await.unwrap();
    let item: Uuid = agreed["outcomes"][0]["itemId"].as_str().unwrap().parse().unwrap();
    let mut tx = world.test.db.begin(Scope::of(HOUSE)).await.unwrap();
    let standing = settlement::standing(&mut tx, &[item]).await.unwrap().remove(0);
    drop(tx);
    let status = async || accident.read(&world.picc, &code).await.unwrap()["status"].clone();
    assert_eq!(status().await, "4");
    let cycle = standing.cycle;
    let call = world.call(&world.operator, &function::CYCLE_CLOSE);
    view(world.clearing.close_cycle(call, &cycle.to_string()).await).unwrap();
    assert_eq!(status().await, "7");
    world.clearing.settle_due(world.clock.now()).await.unwrap();
    for caller in [&world.picc, &world.paic] {
        let digest = world.statement(caller, cycle).await["digest"].clone();
        world.confirm(caller, cycle, &digest).await.unwrap();
    }
    assert_eq!(status().await, "10");
    assert_eq!(world.clearing.recoveries_to_tell(world.clock.now()).await.unwrap(), []);
    let order = world.order(cycle, "PAIC").await;
    world.moved(cycle, &order, 1_260_000).await.unwrap();
    // Received: the claim is to learn of it, until it did.
    assert_eq!(status().await, "8");
    let received = world.clearing.recoveries_to_tell(world.clock.now()).await.unwrap();
    let [received] = received.as_slice() else { panic!("{received:?}") };
    assert_eq!((received.claim_no, received.round), (accident.claim_no, 1));
    assert_eq!((received.recovery_code.to_string(), received.amount), (code, Fen(1_260_000)));
    world.clearing.recovery_told(received.item_id, world.clock.now()).await.unwrap();
    world.clearing.recovery_told(received.item_id, world.clock.now()).await.unwrap();
    assert_eq!(world.clearing.recoveries_to_tell(world.clock.now()).await.unwrap(), []);
}

#[tokio::test]
async fn an_amount_both_sides_stand_by_is_not_lost_to_a_cap_of_who_pays() {
    let accident = Accident::new().await;
    let world = &accident.world;
    world.set_cap("PAIC", Some(1_000_000)).await;
    let [_, recovery] = accident.started().await;
    let agreed = json!({ "amount": "12600.00" });
    let refused = accident.state(&world.paic, &recovery, agreed.clone()).await.unwrap_err();
    assert_eq!(code(&refused).0, "E4214", "{}", refused.detail);
    assert!(
        refused.detail.contains("past its net debit cap of 10000.00 yuan"),
        "{}",
        refused.detail
    );
    let read = accident.read(&world.picc, &recovery).await.unwrap();
    assert_eq!(read["outcomes"].as_array().map_or(0, Vec::len), 0, "nothing is agreed yet: {read}");
    world.set_cap("PAIC", Some(1_260_000)).await;
    let stated = accident.state(&world.paic, &recovery, agreed).await.unwrap();
    assert_eq!(stated["outcomes"][0]["amount"], "12600.00", "the same step, taken again");
}

#[tokio::test]
async fn whoever_recovers_learns_that_a_cap_holds_and_not_what_it_is() {
    let accident = Accident::new().await;
    let world = &accident.world;
    world.set_cap("PAIC", Some(1_000_000)).await;
    let [_, recovery] = accident.started().await;
    let offer = json!({ "amount": "12000.00",
        "cuts": [{ "reason": "loss", "amount": "600.00", "remark": "工时费偏高" }] });
    accident.state(&world.paic, &recovery, offer).await.unwrap();
    // PICC says the last word, which would post what PAIC owes.
    let meets = json!({ "amount": "12000.00" });
    let refused = accident.state(&world.picc, &recovery, meets).await.unwrap_err();
    assert_eq!(code(&refused).0, "E4214");
    let told = "12000.00 yuan more would take PAIC past its net debit cap in cycle ";
    assert!(refused.detail.starts_with(told), "{}", refused.detail);
    assert!(!refused.detail.contains("10000"), "{}", refused.detail);
}

#[tokio::test]
async fn a_claim_payment_that_names_a_code_is_linked_once_and_seen_by_both_sides() {
    let accident = Accident::new().await;
    let world = &accident.world;
    let [other, code] = accident.started().await;
    let paying = world.register.claim(&world.paic, OTHER, Liability::Main);
    let now = world.clock.now();
    let link = async |caller: &Caller, code: &str, business_no: &str| {
        let payment = NamedPayment {
            recovery_code: code.to_owned(),
            claim_no: paying,
            business_no: business_no.to_owned(),
            amount: Fen(1_260_000),
            paid_at: now,
        };
        let mut tx = world.test.db.begin(Scope::of(caller.tenant)).await.unwrap();
        let linked = touch::link_payment(&mut tx, &payment, now).await;
        if linked.is_ok() {
            tx.commit().await.unwrap();
        }
        linked.is_ok()
    };
    assert!(link(&world.paic, &code, "ZF-1").await);
    assert!(link(&world.paic, &code, "ZF-1").await, "told again, it is the same payment");
    // What is no code is for the claim rules to refuse; a stranger's payment is none of the code's.
    assert!(link(&world.paic, "07PICC", "ZF-2").await);
    assert!(!link(&world.cpic, &code, "ZF-3").await);
    for side in [&world.picc, &world.paic] {
        let read = accident.read(side, &code).await.unwrap();
        let payments = read["payments"].as_array().unwrap();
        assert_eq!(payments.len(), 1, "{payments:?}");
        let linked =
            (&payments[0]["claimCode"], &payments[0]["businessNo"], &payments[0]["amount"]);
        assert_eq!(linked, (&json!(paying), &json!("ZF-1"), &json!("12600.00")));
    }
    assert_eq!(accident.read(&world.picc, &other).await.unwrap()["payments"], json!([]));

    // Both sides' claims are answered with the codes that touch them.
    let read = accident.read(&world.paic, &code).await.unwrap();
    let policy = PlatformNumber::parse(read["liableConfirmCode"].as_str().unwrap()).unwrap();
    let asked = |claim_no, confirm_no| Touched { claim_no, confirm_no, accident_at: accident_at() };
    let mut tx = world.test.db.begin(Scope::of(world.paic.tenant)).await.unwrap();
    let touching = touch::touching(&mut tx, &[asked(paying, policy)]).await.unwrap().remove(0);
    let codes: Vec<String> = touching.iter().map(|touch| touch.recovery_code.to_string()).collect();
    assert_eq!(codes, [code]);
}

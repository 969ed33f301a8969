//! Money of a cycle that the operator books while the bank tells of the same money.

use std::time::Duration;

use base_http::paging::Page;
use clearing::function;
use clearing::payment::order::{OrderId, Report, Word};
use clearing::settlement::FundsBody;
use clearing_ledger::CycleId;
use kernel::{Clock, Fen};
use sandbox::bank::Behaviour;
use serde_json::{Value, json};

use crate::payment::account;
use crate::settlement::market::worked_example;
use crate::support::assert_whole;
use crate::world::{World, view};

/// What PICC owes in the worked example, in fen.
const OWED: i64 = 440_000;

/// The worked example agreed to by all; everybody registered an account; the bank waits to be told.
pub(crate) async fn agreed() -> (World, CycleId, Value) {
    let world = World::with_account().await;
    for (insurer, number) in [(&world.paic, "2222222222"), (&world.cpic, "3333333333")] {
        let call = world.call(insurer, &function::PAYMENT_ACCOUNT_SET);
        view(world.clearing.set_payment_account(call, account(number)).await).unwrap();
    }
    world.sandbox.set_bank(Behaviour { hold: true, ..Behaviour::default() });
    let cycle = world.stated(&worked_example()).await;
    world.all_confirm(cycle).await;
    let owed = world.order(cycle, "PICC").await;
    (world, cycle, owed)
}

pub(crate) fn id_of(order: &Value) -> OrderId {
    OrderId(order["orderId"].as_str().unwrap().parse().unwrap())
}

impl World {
    /// The bank is told what the cycle calls for.
    pub(crate) async fn placed(&self) -> usize {
        let placed = self.clearing.place_funds(self.clock.now()).await;
        self.serve().await;
        placed
    }

    async fn bank_settles(&self, order: &Value) {
        self.sandbox.settle(&id_of(order).end_to_end(), None).unwrap();
        self.hears(order, "notice settled").await;
    }

    /// Waits until exactly this was said of an order.
    async fn hears(&self, order: &Value, said: &str) {
        for _ in 0..400 {
            if self.words(order).await.iter().any(|word| word == said) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("nobody said {said:?}: {:?}", self.words(order).await);
    }

    /// Source and word of everything said of an order, with what was wrong with it.
    async fn words(&self, order: &Value) -> Vec<String> {
        let insurer = match order["insurer"].as_str().unwrap() {
            "PICC" => &self.picc,
            "PAIC" => &self.paic,
            _ => &self.cpic,
        };
        let call = self.call(insurer, &function::PAYMENT_READ);
        let id = order["orderId"].as_str().unwrap();
        let found = view(self.clearing.read_payment(call, id).await).unwrap();
        let said = found["reports"].as_array().unwrap().iter().map(|report| {
            let text = |name: &str| report[name].as_str().unwrap_or_default().to_owned();
            format!("{} {} {}", text("source"), text("word"), text("contradicts")).trim().to_owned()
        });
        said.collect()
    }

    pub(crate) async fn cases(&self) -> Vec<Value> {
        let call = self.call(&self.operator, &function::CASE_READ);
        let page = Page { limit: None, after: None };
        let cases = view(self.clearing.list_cases(call, page).await).unwrap();
        cases["items"].as_array().unwrap().clone()
    }
}

#[tokio::test]
async fn what_the_operator_books_after_the_bank_told_it_is_known() {
    let (world, cycle, owed) = agreed().await;
    assert_eq!(world.placed().await, 1);
    world.bank_settles(&owed).await;
    assert_eq!(world.stage(cycle).await, "settled");
    let booked = world.moved(cycle, &owed, OWED).await.unwrap();
    assert_eq!((&booked["outcome"], &booked["arrived"]), (&json!("done"), &json!("4400.00")));
    assert_eq!(booked.get("caseId"), None);
    // Once more would be other money than was ordered.
    assert_eq!(world.moved(cycle, &owed, 1).await.unwrap_err().code.code, "E4208");
    assert_eq!(world.house_bank().await, i128::from(OWED));
    assert_eq!(world.cases().await, Vec::<Value>::new());
    assert_whole(&world.ledger).await;
}

#[tokio::test]
async fn what_the_bank_tells_after_the_operator_booked_it_is_known() {
    let (world, cycle, owed) = agreed().await;
    world.placed().await;
    // The bank says a part of it meanwhile, and the operator reads on.
    world.moved(cycle, &owed, 100_000).await.unwrap();
    world.sandbox.settle(&id_of(&owed).end_to_end(), Some(Fen(250_000))).unwrap();
    while world.order(cycle, "PICC").await["arrived"] != "2500.00" {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    world.moved(cycle, &owed, OWED - 100_000).await.unwrap();
    assert_eq!(world.stage(cycle).await, "settled");
    world.bank_settles(&owed).await;
    assert_eq!(world.house_bank().await, i128::from(OWED));
    // The same for money that leaves.
    assert_eq!(world.placed().await, 2);
    for insurer in ["PAIC", "CPIC"] {
        let due = world.order(cycle, insurer).await;
        let fen = if insurer == "PAIC" { 160_000 } else { 280_000 };
        world.moved(cycle, &due, fen).await.unwrap();
        world.bank_settles(&due).await;
    }
    assert_eq!(world.stage(cycle).await, "reconciled");
    assert_eq!(world.house_bank().await, 0);
    world.assert_every_position_is_zero(cycle).await;
    assert_eq!(world.take_statement().await["breaks"], json!([]));
    assert_whole(&world.ledger).await;
}

#[tokio::test]
async fn money_booked_and_told_at_the_same_instant_is_booked_once() {
    let (world, cycle, owed) = agreed().await;
    // Whether the bank is told before or after the operator books is a race too.
    let now = world.clock.now();
    let (_, booked) =
        futures::join!(world.clearing.place_funds(now), world.moved(cycle, &owed, 100_000));
    booked.unwrap();
    let is_told = world.clearing.serve_orders(now).await == 1;
    let rest = OWED - 100_000;
    if is_told {
        let word = Word::Settled { total: Fen(OWED) };
        let report = Report { bank_ref: Some("BK1".into()), word, at: now };
        let hear = async |name: &str| {
            world.clearing.hear_word(id_of(&owed), name, &report).await.map(drop)
        };
        let (by_hand, one, two) =
            futures::join!(world.moved(cycle, &owed, rest), hear("n1"), hear("n2"));
        by_hand.unwrap();
        one.unwrap();
        two.unwrap();
    } else {
        world.moved(cycle, &owed, rest).await.unwrap();
    }
    assert_eq!(world.stage(cycle).await, "settled");
    assert_eq!(world.house_bank().await, i128::from(OWED));
    assert_eq!(world.clearing.place_funds(now).await, 2);
    world.clearing.serve_orders(now).await;
    for (insurer, fen) in [("PAIC", 160_000), ("CPIC", 280_000)] {
        let due = world.order(cycle, insurer).await;
        let word = Word::Settled { total: Fen(fen) };
        let report = Report { bank_ref: None, word, at: now };
        let (by_hand, told) = futures::join!(
            world.moved(cycle, &due, fen),
            world.clearing.hear_word(id_of(&due), "n", &report)
        );
        by_hand.unwrap();
        told.unwrap();
    }
    assert_eq!(world.stage(cycle).await, "reconciled");
    assert_eq!(world.house_bank().await, 0);
    assert_eq!(world.cases().await, Vec::<Value>::new());
    assert_whole(&world.ledger).await;
}

#[tokio::test]
async fn a_bank_that_refuses_what_was_booked_opens_one_case() {
    let (world, cycle, owed) = agreed().await;
    world.placed().await;
    world.moved(cycle, &owed, 300_000).await.unwrap();
    let order = id_of(&owed).end_to_end();
    world.sandbox.reject(&order, "AC04").unwrap();
    world.hears(&owed, "notice rejected less_than_moved").await;
    // Asked again, it says the same again: no other case, nothing moves.
    world.clock.advance(jiff::SignedDuration::from_secs(61));
    world.serve().await;
    let cases = world.cases().await;
    assert_eq!(cases.len(), 1, "{cases:?}");
    let (kind, ours) = (&cases[0]["found"]["kind"], &cases[0]["found"]["ours"]);
    assert_eq!(
        (kind, ours, &cases[0]["found"]["bank"]),
        (&json!("contradiction"), &json!("3000.00"), &json!("0.00"))
    );
    assert_eq!(world.order(cycle, "PICC").await["arrived"], "3000.00");
    assert_whole(&world.ledger).await;
}

#[tokio::test]
async fn what_is_booked_after_the_bank_refused_opens_a_case_and_is_taken_from_suspense() {
    let (world, cycle, owed) = agreed().await;
    world.placed().await;
    world.sandbox.reject(&id_of(&owed).end_to_end(), "AC04").unwrap();
    world.hears(&owed, "notice rejected").await;
    let contradicted = world.moved(cycle, &owed, OWED).await.unwrap();
    assert_eq!(contradicted["arrived"], "0.00", "nothing moved");
    let cases = world.cases().await;
    assert_eq!((cases.len(), &cases[0]["caseId"]), (1, &contradicted["caseId"]));
    let again = world.moved(cycle, &owed, OWED).await.unwrap();
    assert_eq!(again["caseId"], contradicted["caseId"]);
    assert_eq!(world.balance(clearing::HOUSE, clearing_ledger::Purpose::Bank, None).await, 0);

    // The insurer sends the money itself, under no order's name.
    world.stray("4400.00", "PICC MARCH").await;
    let taken = world.take_statement().await;
    assert_eq!(taken["breaks"][0]["kind"], "missing_here");
    let stray =
        world.cases().await.into_iter().find(|case| case["found"]["kind"] == "missing_here");
    let case_id = stray.unwrap()["caseId"].as_str().unwrap().parse().unwrap();
    let from_case = async |fen: i64| {
        let call = world.call(&world.operator, &function::FUNDS_RECORD);
        let body = FundsBody { amount: Some(Fen(fen)), case_id: Some(case_id) };
        let order = owed["orderId"].as_str().unwrap();
        let booked = world.clearing.record_funds(call, &cycle.to_string(), order, body).await;
        view(booked).map_err(|problem| problem.code.code)
    };
    assert_eq!(from_case(OWED - 1).await, Err("E4208"), "not what the bank moved");
    assert_eq!(from_case(OWED).await.unwrap()["outcome"], "done");
    assert_eq!(world.stage(cycle).await, "settled");
    let suspense = clearing_ledger::Purpose::Suspense;
    assert_eq!(world.balance(clearing::HOUSE, suspense, None).await, 0);
    assert_eq!(world.house_bank().await, i128::from(OWED));
    let case = world
        .cases()
        .await
        .into_iter()
        .find(|case| case["found"]["kind"] == "missing_here")
        .unwrap();
    assert_eq!(
        (&case["stage"], &case["steps"][0]["by"]),
        (&json!("corrected"), &json!("operator-000000"))
    );
    assert_eq!(from_case(OWED).await, Err("E4305"), "it is taken once");
    assert_whole(&world.ledger).await;
}

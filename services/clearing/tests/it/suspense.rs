//! Money whose line names no order: it leaves suspense for the order it is for, once.

use std::sync::Arc;

use base_http::{Caller, Problem};
use clearing::function;
use clearing::payment::order::{OrderId, Report, Word};
use clearing::payment::reconcile::run::{Reach, StepBody};
use clearing_ledger::Purpose;
use kernel::{Clock, Fen};
use sandbox::bank::Behaviour;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::by_hand::{agreed, id_of};
use crate::payment::{claim, funding, id, simple};
use crate::premium::quote;
use crate::support::assert_whole;
use crate::world::{World, view};

/// What stands on the statement of the funds ordered here.
const FUNDS: &str = "FUNDS 2025-03";

impl World {
    async fn suspense(&self) -> i128 {
        self.balance(clearing::HOUSE, Purpose::Suspense, None).await
    }

    /// The case of a line that names no order.
    async fn case_of(&self, kind: &str, amount: &str) -> Value {
        let is_it = |case: &&Value| {
            case["found"]["kind"] == kind
                && case["found"]["bank"] == amount
                && case["inSuspense"] == amount
        };
        self.cases().await.iter().find(is_it).expect("there is such a case").clone()
    }

    async fn act(
        &self,
        who: &Arc<Caller>,
        case: &Value,
        action: &str,
        order: Option<Uuid>,
    ) -> Result<Value, Problem> {
        let (reach, function) = match who.insurer {
            None => (Reach::All, &function::ANY_CASE_STEP),
            Some(_) => (Reach::Own, &function::CASE_STEP),
        };
        let body = StepBody {
            action: action.into(),
            why: "asked the bank who paid".into(),
            order_id: order,
        };
        let case = case["caseId"].as_str().unwrap();
        view(self.clearing.step_case(self.call(who, function), case, body, reach).await)
    }

    /// The operator books the money of a case for an order.
    async fn correct(&self, case: &Value, order: Uuid) -> Result<Value, &'static str> {
        let done = self.act(&self.operator, case, "correct", Some(order)).await;
        done.map_err(|problem| problem.code.code)
    }

    /// Two people of the operator bear the money of a case.
    async fn write_off(&self, case: &Value) -> Value {
        self.act(&self.operator, case, "propose_write_off", None).await.unwrap();
        let second = Caller { client: "operator-110000".into(), ..Caller::clone(&self.operator) };
        self.act(&Arc::new(second), case, "write_off", None).await.unwrap()
    }
}

/// PICC registered; the bank does nothing by itself.
async fn holding() -> World {
    let world = World::with_account().await;
    world.sandbox.set_bank(Behaviour { hold: true, ..Behaviour::default() });
    world
}

fn number(number: u128) -> Uuid {
    Uuid::from_u128(number)
}

#[tokio::test]
async fn money_under_a_wrong_reference_leaves_suspense_for_its_order_once() {
    let world = holding().await;
    world.order_payment(1, funding("collect", "5000.00")).await.unwrap();
    world.serve().await;
    world.stray("5000.00", FUNDS).await;
    let taken = world.take_statement().await;
    assert_eq!(taken["breaks"][0]["kind"], "wrong_reference");
    assert_eq!((world.suspense().await, world.house_bank().await), (500_000, 500_000));
    let case = world.case_of("wrong_reference", "5000.00").await;
    assert_eq!(case["found"]["about"], id(1));

    // Nothing calls the case over while its money lies there.
    let code = |result: Result<Value, Problem>| result.unwrap_err().code.code;
    for action in ["explain", "correct"] {
        let refused = world.act(&world.operator, &case, action, None).await.unwrap_err();
        let detail = refused.detail.clone();
        assert!(detail.starts_with("5000.00 yuan of this case lie in suspense"), "{detail}");
        assert_eq!(refused.code.code, "E4305");
        assert_eq!(code(world.act(&world.picc, &case, action, None).await), "E4305");
    }
    let own = world.act(&world.picc, &case, "correct", Some(number(1))).await.unwrap_err();
    assert_eq!(own.errors[0].pointer, "/orderId", "members do not move the house's money");

    let corrected = world.correct(&case, number(1)).await.unwrap();
    assert_eq!(
        (&corrected["stage"], &corrected["bookedFor"]),
        (&json!("corrected"), &json!(id(1)))
    );
    assert_eq!(corrected.get("inSuspense"), None);
    assert_eq!((world.suspense().await, world.house_bank().await), (0, 500_000));
    let order = world.payment(1).await;
    assert_eq!((&order["stage"], &order["settled"]), (&json!("settled"), &json!("5000.00")));
    assert_eq!(order["reports"].as_array().unwrap().last().unwrap()["source"], "statement");
    let funds = world.balance(world.picc.tenant, Purpose::Settlement, None).await;
    assert_eq!(funds, 500_000);

    // Twice, or open again: refused. The statement says no more of it.
    assert_eq!(world.correct(&case, number(1)).await, Err("E4305"));
    assert_eq!(code(world.act(&world.operator, &case, "reopen", None).await), "E4305");
    let again = world.take_statement().await;
    assert_eq!(
        (&again["breaks"], &again["moved"], &again["opened"]),
        (&json!([]), &0.into(), &0.into())
    );
    assert_eq!((world.suspense().await, world.house_bank().await), (0, 500_000));
    assert_whole(&world.ledger).await;
}

#[tokio::test]
async fn money_a_notice_told_of_before_its_line_came_is_not_booked_again() {
    let world = holding().await;
    world.order_payment(1, funding("collect", "5000.00")).await.unwrap();
    world.serve().await;
    let now = world.clock.now();
    let report = Report { bank_ref: None, word: Word::Settled { total: Fen(500_000) }, at: now };
    world.clearing.hear_word(OrderId(number(1)), "n1", &report).await.unwrap();
    world.stray("5000.00", FUNDS).await;
    world.take_statement().await;
    assert_eq!(world.house_bank().await, 1_000_000, "booked for the order, and in suspense");
    let case = world.case_of("wrong_reference", "5000.00").await;
    world.correct(&case, number(1)).await.unwrap();
    assert_eq!((world.suspense().await, world.house_bank().await), (0, 500_000));
    // Our balance was another when the statement was taken first, and that is what is left to explain.
    let again = world.take_statement().await;
    let kinds = again["breaks"].as_array().unwrap().iter().map(|one| &one["kind"]);
    assert_eq!(kinds.collect::<Vec<_>>(), ["closing_balance"]);
    assert_eq!(again["opened"], 0);
    assert_whole(&world.ledger).await;
}

#[tokio::test]
async fn a_premium_paid_under_no_orders_name_is_shared_out_and_registered() {
    let world = holding().await;
    world.desk.state().awaited.insert("01PICC-1".into(), quote());
    world.collect(1, "01PICC-1").await.unwrap();
    world.serve().await;
    world.stray("1465.00", "LI FANG").await;
    world.stray("1000.00", "LI FANG REST").await;
    world.take_statement().await;
    let (first, rest) = (
        world.case_of("missing_here", "1465.00").await,
        world.case_of("missing_here", "1000.00").await,
    );
    // Two of the operator's people at once: no fen is lost or doubled.
    let (one, two) =
        futures::join!(world.correct(&first, number(1)), world.correct(&rest, number(1)));
    one.unwrap();
    two.unwrap();
    assert_eq!(world.payment(1).await["stage"], "settled");
    assert_eq!(world.shares().await, [30_000, 665, 22_500, 193_335]);
    assert_eq!(world.clearing.tell_policies(world.clock.now()).await, 1);
    assert_eq!((world.suspense().await, world.house_bank().await), (0, 246_500));
    assert_whole(&world.ledger).await;
}

#[tokio::test]
async fn funds_of_a_cycle_that_named_nothing_settle_the_cycle() {
    let (world, cycle, owed) = agreed().await;
    world.placed().await;
    world.stray("4400.00", "PICC MARCH").await;
    world.take_statement().await;
    let case = world.case_of("missing_here", "4400.00").await;
    world.correct(&case, id_of(&owed).0).await.unwrap();
    assert_eq!(world.stage(cycle).await, "settled");
    assert_eq!((world.suspense().await, world.house_bank().await), (0, 440_000));
    assert_whole(&world.ledger).await;
}

#[tokio::test]
async fn a_pay_out_that_went_and_came_back_unnamed_is_heard_as_such() {
    let world = holding().await;
    world.order_payment(1, funding("collect", "5000.00")).await.unwrap();
    world.serve().await;
    world.sandbox.settle(&simple(1), None).unwrap();
    world.until(1, "settled").await;
    world.order_payment(2, claim("3460.00")).await.unwrap();
    world.serve().await;
    world.stray("-3460.00", "CLAIM 1").await;
    world.stray("460.00", "PAYEE OVERPAID").await;
    world.take_statement().await;
    // Money cannot come back that has not gone.
    let back = world.case_of("missing_here", "460.00").await;
    assert_eq!(world.correct(&back, number(2)).await, Err("E4311"));
    let gone = world.case_of("wrong_reference", "-3460.00").await;
    world.correct(&gone, number(2)).await.unwrap();
    assert_eq!(world.payment(2).await["stage"], "settled");
    world.correct(&back, number(2)).await.unwrap();
    let order = world.payment(2).await;
    assert_eq!((&order["stage"], &order["returned"]), (&json!("returned"), &json!("460.00")));
    let funds = world.balance(world.picc.tenant, Purpose::Settlement, None).await;
    assert_eq!((world.suspense().await, funds, world.house_bank().await), (0, 200_000, 200_000));
    assert_whole(&world.ledger).await;
}

#[tokio::test]
async fn money_that_cannot_be_the_orders_stays_until_it_is_written_off() {
    let world = holding().await;
    world.order_payment(1, funding("collect", "5000.00")).await.unwrap();
    world.order_payment(2, funding("collect", "100.00")).await.unwrap();
    world.serve().await;
    world.stray("5000.00", FUNDS).await;
    world.take_statement().await;
    let fits = world.case_of("wrong_reference", "5000.00").await;
    let refused = world.act(&world.operator, &fits, "correct", Some(number(2))).await.unwrap_err();
    assert_eq!(refused.code.code, "E4311", "too much for that order");
    let detail = refused.detail.clone();
    assert!(detail.contains("collects 100.00 yuan and is"), "{detail}");
    assert_eq!(world.payment(2).await["settled"], "0.00");
    assert_eq!(world.correct(&fits, number(77)).await, Err("E4000"), "no such order");
    assert_eq!(world.suspense().await, 500_000, "what was refused moved nothing");
    assert_eq!(world.cases().await.len(), 1, "and opened nothing");

    // The same amount and reference once more: a case of its own, and no money of this order.
    world.stray("5000.00", FUNDS).await;
    world.take_statement().await;
    let more = world.case_of("missing_here", "5000.00").await;
    world.correct(&fits, number(1)).await.unwrap();
    assert_eq!(world.correct(&more, number(1)).await, Err("E4311"));
    assert_eq!(world.suspense().await, 500_000);
    let written_off = world.write_off(&more).await;
    assert_eq!(written_off["stage"], "written_off");
    assert_eq!(world.suspense().await, 0);
    let gain = world.balance(clearing::HOUSE, Purpose::Fee, None).await;
    assert_eq!((gain, world.house_bank().await), (500_000, 1_000_000));
    assert_whole(&world.ledger).await;
}

#[tokio::test]
async fn a_wrong_reference_that_is_written_off_leaves_suspense() {
    let world = holding().await;
    world.order_payment(1, funding("collect", "5000.00")).await.unwrap();
    world.serve().await;
    world.stray("5000.00", FUNDS).await;
    world.take_statement().await;
    let case = world.case_of("wrong_reference", "5000.00").await;
    assert_eq!(world.write_off(&case).await["stage"], "written_off");
    assert_eq!(world.suspense().await, 0);
    assert_eq!(world.balance(clearing::HOUSE, Purpose::Fee, None).await, 500_000);
    assert_eq!(world.payment(1).await["settled"], "0.00");
    assert_whole(&world.ledger).await;
}

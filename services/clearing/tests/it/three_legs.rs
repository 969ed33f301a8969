//! Our books, the bank's statement and the insurer's file: a case shows all three, and balances too.

use clearing::function;
use clearing::payment::reconcile::run::ReconcileBody;
use clearing::settlement::CollateralBody;
use jiff::SignedDuration;
use kernel::Fen;
use sandbox::bank::Behaviour;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::payment::{funding, id};
use crate::support::assert_whole;
use crate::world::{World, view};

impl World {
    /// PICC compares its file of the first of March: order and yuan of each line. Each file is filed
    /// later than the one before, for of two of one instant none is the latest.
    async fn files(&self, lines: &[(u128, &str)]) -> Value {
        self.clock.advance(SignedDuration::from_millis(1));
        let lines = lines.iter().map(|(number, yuan)| format!("{},{yuan}\n", id(*number)));
        let file = format!("orderId,amount\n{}", lines.collect::<String>());
        let day = jiff::civil::date(2025, 3, 1);
        let call = self.call(&self.picc, &function::RECONCILE);
        let body = ReconcileBody { from: day, to: day, file };
        view(self.clearing.reconcile_with_file(call, body).await).unwrap()
    }

    async fn found(&self, kind: &str) -> Value {
        let is_it = |case: &&Value| case["found"]["kind"] == kind;
        let cases = self.cases().await;
        cases.iter().find(is_it).unwrap_or_else(|| panic!("no {kind}: {cases:?}"))["found"].clone()
    }
}

/// What our books, the bank and the insurer say.
fn legs(found: &Value) -> [Option<&str>; 3] {
    ["ours", "bank", "insurer"].map(|leg| found[leg].as_str())
}

fn kinds(view: &Value) -> Vec<&str> {
    view["breaks"].as_array().unwrap().iter().map(|one| one["kind"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn a_case_shows_what_all_three_books_say_whichever_was_compared_last() {
    let world = World::with_account().await;
    for number in [1, 2] {
        world.order_payment(number, funding("collect", "100.00")).await.unwrap();
    }
    world.serve().await;
    for number in [1, 2] {
        world.until(number, "settled").await;
    }
    // The file before the statement: the bank's leg is there once its lines are.
    let compared = world.files(&[(1, "100.00"), (2, "99.00")]).await;
    assert_eq!(kinds(&compared), ["amount_at_insurer"]);
    assert_eq!(legs(&compared["breaks"][0]), [Some("100.00"), None, Some("99.00")]);
    assert_eq!(world.take_statement().await["breaks"], json!([]));
    let case = world.found("amount_at_insurer").await;
    assert_eq!(legs(&case), [Some("100.00"), Some("100.00"), Some("99.00")]);
    // The statement before the file, now: the same file again has the bank's leg at once.
    let again = world.files(&[(1, "100.00"), (2, "98.00")]).await;
    assert_eq!(legs(&again["breaks"][0]), [Some("100.00"), Some("100.00"), Some("98.00")]);

    // A break at the bank has the insurer's leg: of its latest file.
    world.sandbox.set_bank(Behaviour { hold: true, ..Behaviour::default() });
    world.order_payment(3, funding("collect", "70.00")).await.unwrap();
    world.serve().await;
    world.files(&[(1, "100.00"), (2, "100.00"), (3, "70.00")]).await;
    world.stray("70.00", "FUNDS 2025-03").await;
    let taken = world.take_statement().await;
    assert_eq!(kinds(&taken), ["wrong_reference"]);
    assert_eq!(legs(&taken["breaks"][0]), [Some("0.00"), Some("70.00"), Some("70.00")]);
    assert_whole(&world.ledger).await;
}

#[tokio::test]
async fn a_balance_that_is_not_ours_opens_a_case_of_its_day() {
    let world = World::with_account().await;
    world.order_payment(1, funding("collect", "100.00")).await.unwrap();
    world.serve().await;
    world.until(1, "settled").await;
    // Somebody booked collateral that never reached the bank.
    let deposit =
        CollateralBody { deposit_id: Some(Uuid::from_u128(77)), amount: Some(Fen(5_000)) };
    world.post(&[crate::settlement::market::draft(1, 1, 2, 100)]).await.unwrap();
    let call = world.call(&world.operator, &function::FUNDS_RECORD);
    view(world.clearing.deposit_collateral(call, "PICC", deposit).await).unwrap();
    let taken = world.take_statement().await;
    assert_eq!(kinds(&taken), ["closing_balance"]);
    let found = world.found("closing_balance").await;
    assert_eq!(legs(&found), [Some("150.00"), Some("100.00"), None]);
    assert!(found["about"].as_str().unwrap().starts_with("2025-03-01 STMT"), "{found}");
    // Taken again it is the same case, also after more moved.
    let again = world.take_statement().await;
    assert_eq!((kinds(&again), &again["opened"]), (vec!["closing_balance"], &json!(0)));
}

#[tokio::test]
async fn what_a_statement_brings_of_a_day_counts_for_that_day() {
    let world = World::with_account().await;
    world.sandbox.set_bank(Behaviour { lose_notices: true, ..Behaviour::default() });
    world.order_payment(1, funding("collect", "5000.00")).await.unwrap();
    world.serve().await;
    while world.sandbox.bank_orders()[0].standing.settled == Fen::ZERO {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    world.stray("12.34", "WHO KNOWS").await;
    // The day after the bank is asked, other money moves, and only then the statement is taken.
    world.clock.advance(SignedDuration::from_hours(24));
    world.sandbox.set_bank(Behaviour::default());
    world.order_payment(2, funding("collect", "800.00")).await.unwrap();
    world.serve().await;
    world.until(2, "settled").await;
    let taken = world.take_statement().await;
    assert_eq!(kinds(&taken), ["missing_here"]);
    assert_eq!(world.house_bank().await, 581_234);
    let next = world.statement_of("2025-03-02").await;
    assert_eq!(next["breaks"], json!([]), "it opens where the day before closed");
    assert_eq!(world.payment(1).await["stage"], "settled");
    assert_whole(&world.ledger).await;
}

impl World {
    async fn statement_of(&self, day: &str) -> Value {
        let call = self.call(&self.operator, &function::STATEMENT_TAKE);
        view(self.clearing.take_statement(call, day).await).unwrap()
    }
}

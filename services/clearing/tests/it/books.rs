//! What a participant sees of the books, and the operator's proof.

use base_http::paging::Page;
use clearing::function;
use clearing_ledger::Chain;
use serde_json::{Value, json};

use crate::support::{account, account_id, post};
use crate::world::{World, view};

async fn two_accounts() -> World {
    let world = World::new().await;
    for number in 1..=2 {
        world.ledger.open(account(number)).await.unwrap();
    }
    for (number, amount) in [(1, 1_460_000), (2, 380_000)] {
        let (debit, credit) = if number == 1 { (1, 2) } else { (2, 1) };
        let chain = Chain::one(post(number, debit, credit, amount));
        world.ledger.submit_chain(chain).await.unwrap().remove(0).unwrap();
    }
    world
}

#[tokio::test]
async fn a_participant_sees_its_own_accounts_and_their_statements_alone() {
    let world = two_accounts().await;
    let call = world.call(&world.picc, &function::ACCOUNT_READ);
    let accounts = view(world.clearing.list_accounts(call).await).unwrap();
    assert_eq!(accounts["accounts"].as_array().unwrap().len(), 1);
    // 14,600.00 owed, 3,800.00 due.
    let balance = &accounts["accounts"][0]["balance"];
    assert_eq!(balance["debitsPosted"], "14600.00");
    assert_eq!(balance["creditsPosted"], "3800.00");
    assert_eq!(balance["net"], "-10800.00");

    let own = account_id(1).to_string();
    let call = world.call(&world.picc, &function::STATEMENT_READ);
    let page = Page { limit: Some(1), after: None };
    let first = view(world.clearing.read_statement(call, &own, page).await).unwrap();
    assert_eq!(first["items"][0]["side"], "debit");
    let call = world.call(&world.picc, &function::STATEMENT_READ);
    let after = first["next"].as_str().map(str::to_owned);
    let page = Page { limit: Some(5), after };
    let rest = view(world.clearing.read_statement(call, &own, page).await).unwrap();
    assert_eq!(rest["items"][0]["balance"]["net"], "-10800.00");
    assert_eq!(rest.get("next"), None::<&Value>);

    let call = world.call(&world.paic, &function::ACCOUNT_READ);
    let of_paic = view(world.clearing.list_accounts(call).await).unwrap();
    assert_eq!(of_paic["accounts"][0]["balance"]["net"], "10800.00");
    let call = world.call(&world.cpic, &function::ACCOUNT_READ);
    let of_cpic = view(world.clearing.list_accounts(call).await).unwrap();
    assert_eq!(of_cpic["accounts"], json!([]));

    for other in [account_id(2).to_string(), account_id(7).to_string(), "rubbish".to_owned()] {
        let call = world.call(&world.picc, &function::ACCOUNT_READ);
        let refused = view(world.clearing.read_account(call, &other).await).unwrap_err();
        assert_eq!((refused.code.code, refused.code.status), ("E4000", 404), "{other}");
    }
}

#[tokio::test]
async fn the_operator_proves_that_the_books_balance() {
    let world = two_accounts().await;
    let call = world.call(&world.operator, &function::PROOF_READ);
    let proof = view(world.clearing.prove(call).await).unwrap();
    assert_eq!(proof["holds"], true);
    assert_eq!(proof["entries"], 2);
    let sums = json!([{ "currency": "CNY", "debitsPostedFen": "1840000",
        "creditsPostedFen": "1840000", "debitsPendingFen": "0", "creditsPendingFen": "0" }]);
    assert_eq!(proof["sums"], sums);
    assert_eq!(world.memory.last().function, "operator.ledger.proof_read");
}

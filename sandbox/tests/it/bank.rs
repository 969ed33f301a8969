//! What the bank takes, does and says on its statement.

use axum::http::StatusCode;
use kernel::Fen;
use sandbox::Settings;
use sandbox::bank::{Access, Behaviour};
use serde_json::{Value, json};

use crate::client;

fn order(amount: &str) -> Value {
    json!({
        "direction": "pay_out", "amount": amount, "currency": "CNY", "reference": "A & B",
        "account": { "bank": "102301000028", "account": "6222021301001234567", "name": "李芳" },
        "requestedAt": "2025-03-01T02:00:00Z",
    })
}

#[tokio::test]
async fn an_order_is_done_once_and_its_money_is_on_the_statement() {
    let sandbox = sandbox::start(Settings::loopback()).await.unwrap();
    sandbox.set_bank(Behaviour { hold: true, ..Behaviour::default() });
    let (client, bank) = (client(), format!("http://{}/bank", sandbox.addrs.bank));
    let put = async |body: Value| {
        let answer = client.put(format!("{bank}/orders/A1")).json(&body).send().await.unwrap();
        (answer.status(), answer.json::<Value>().await.unwrap())
    };
    let get = async |path: &str| {
        let answer = client.get(format!("{bank}{path}")).send().await.unwrap();
        (answer.status(), answer.json::<Value>().await.unwrap())
    };
    assert_eq!(put(order("0.00")).await.1["code"], "AM01");
    let (status, first) = put(order("100.00")).await;
    assert_eq!((status, &first["status"]), (StatusCode::OK, &json!("accepted")));
    assert_eq!(put(order("100.00")).await.1, first);
    let (status, refusal) = put(order("100.01")).await;
    assert_eq!((status, &refusal["code"]), (StatusCode::CONFLICT, &json!("ordered-otherwise")));
    assert_eq!(get("/orders/A2").await.0, StatusCode::NOT_FOUND);
    assert_eq!(get("/statements/2025-03-01").await.0, StatusCode::NOT_FOUND);
    sandbox.settle("A1", Some(Fen(4_000))).unwrap();
    let (_, standing) = get("/orders/A1").await;
    assert_eq!(
        (&standing["status"], &standing["settled"]),
        (&json!("partlySettled"), &json!("40.00"))
    );
    sandbox.settle("A1", None).unwrap();
    sandbox.give_back("A1", Some(Fen(1_000)), "AC01").unwrap();
    let (_, standing) = get("/orders/A1").await;
    assert_eq!((&standing["status"], &standing["returned"]), (&json!("returned"), &json!("10.00")));
    let (_, statement) = get("/statements/2025-03-01").await;
    let message = statement["message"].as_str().unwrap();
    assert_eq!(message.matches("<Ntry>").count(), 3);
    assert_eq!(message.matches("<EndToEndId>A1</EndToEndId>").count(), 3);
    assert!(message.contains("<Ustrd>A &amp; B</Ustrd>"), "{message}");
    // 100.00 went out and 10.00 came back.
    let closing = "<Cd>CLBD</Cd></CdOrPrtry></Tp><Amt Ccy=\"CNY\">90.00</Amt><CdtDbtInd>DBIT";
    assert!(message.contains(closing), "{message}");
    sandbox.shutdown().await;
}

#[tokio::test]
async fn who_does_not_show_the_token_is_not_let_in() {
    let access = Access::Bearer("0123456789abcdef".into());
    let sandbox = sandbox::start(Settings { access, ..Settings::loopback() }).await.unwrap();
    let (client, bank) = (client(), format!("http://{}", sandbox.addrs.bank));
    let put = async |token: Option<&str>| {
        let call = client.put(format!("{bank}/bank/orders/A1")).json(&order("1.00"));
        let call = match token {
            Some(token) => call.bearer_auth(token),
            None => call,
        };
        call.send().await.unwrap().status()
    };
    assert_eq!(put(None).await, StatusCode::UNAUTHORIZED);
    assert_eq!(put(Some("0123456789abcdeF")).await, StatusCode::UNAUTHORIZED);
    assert_eq!(sandbox.bank_orders().len(), 0);
    assert_eq!(put(Some("0123456789abcdef")).await, StatusCode::OK);
    // What a person tells the sandbox is no call of the contract.
    let told = client.get(format!("{bank}/sandbox/bank/orders")).send().await.unwrap();
    assert_eq!(told.status(), StatusCode::OK);
    sandbox.shutdown().await;
}

//! Who may call the bank, and who may tell the platform what the bank did.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use clearing::function;
use clearing::payment::bank::{Bank, BankError, Credentials, HttpBank};
use clearing::payment::notice::Notice;
use clearing::payment::order::OrderId;
use crypto::{Secret, SigningKey};
use jiff::SignedDuration;
use kernel::Clock;
use uuid::Uuid;

use crate::payment::{funding, simple};
use crate::world::{World, credentials, view};

#[tokio::test]
async fn a_bank_that_does_not_know_the_secret_says_so_and_nothing_moves() {
    let world = World::with_account().await;
    let url = format!("http://{}", world.sandbox.addrs.bank);
    let bank = |credentials| {
        HttpBank::new(&url, credentials, world.clock.clone(), world.ids.clone()).unwrap()
    };
    let order = OrderId(Uuid::from_u128(1));
    let wrong = Credentials::hmac(b"another secret altogether").unwrap();
    for stranger in [wrong, Credentials::Open, Credentials::bearer("a-token-of-nobody").unwrap()] {
        let refused = bank(stranger).ask(order).await.unwrap_err();
        assert!(matches!(refused, BankError::NotAccepted), "{refused:?}");
        assert_eq!(refused.to_string(), "the bank does not accept the platform's credentials");
    }
    assert!(bank(credentials()).ask(order).await.unwrap().is_none(), "known, and no such order");

    // A platform with the wrong secret: orders wait, and the operator is told why.
    let stranger: Arc<dyn Bank> = Arc::new(bank(Credentials::Open));
    let lost = World::with_bank(Some(stranger)).await.registered().await;
    lost.order_payment(1, funding("collect", "5.00")).await.unwrap();
    assert_eq!(lost.serve().await, 0);
    assert_eq!(lost.payment(1).await["stage"], "sent");
    let call = lost.call(&lost.operator, &function::STATEMENT_TAKE);
    let refused = view(lost.clearing.take_statement(call, "2025-03-01").await).unwrap_err();
    assert_eq!(refused.code.code, "E4307");
    assert_eq!(refused.detail, "the bank does not accept the platform's credentials");
}

#[tokio::test]
async fn a_call_that_somebody_kept_is_not_taken_later() {
    let world = World::with_account().await;
    let path = format!("/bank/orders/{}", simple(1));
    let url = format!("http://{}{path}", world.sandbox.addrs.bank);
    let client = reqwest::Client::builder().no_proxy().tls_certs_only([]).build().unwrap();
    let kept = credentials().headers("GET", &path, b"", world.clock.now());
    let play = async || {
        let call = client.get(&url);
        let call = kept.iter().fold(call, |call, (name, value)| call.header(name, value));
        call.send().await.unwrap().status().as_u16()
    };
    assert_eq!(play().await, 404, "let in: there is no such order");
    world.clock.advance(SignedDuration::from_secs(300));
    assert_eq!(play().await, 404);
    world.clock.advance(SignedDuration::from_secs(1));
    assert_eq!(play().await, 401);
}

#[tokio::test]
async fn a_notice_that_somebody_kept_is_not_heard_later() {
    let world = World::with_account().await;
    world.order_payment(1, funding("collect", "5000.00")).await.unwrap();
    let body = format!(
        r#"{{"orderId":"{}","bankRef":"B","status":"settled","settled":"5000.00","returned":"0.00","at":"2025-03-01T02:00:00Z"}}"#,
        simple(1)
    );
    let key = SigningKey::from_seed(&Secret::from_bytes([7; 32])).unwrap();
    let sent = world.clock.now();
    let hear = async |timestamp: &str| {
        let signature = key.sign(format!("n1.{timestamp}.{body}").as_bytes());
        let signature = format!("v1a,{}", STANDARD.encode(signature));
        let notice = Notice { id: "n1", timestamp, signature: &signature, body: body.as_bytes() };
        let heard = world.clearing.hear_notice(notice).await;
        heard.map(drop).map_err(|problem| (problem.code.code, problem.detail))
    };
    let late = || {
        Err(("E4303", "the timestamp lies more than 5 minutes from now: sign it anew".to_owned()))
    };
    let timestamp = sent.as_second().to_string();
    world.clock.advance(SignedDuration::from_secs(301));
    assert_eq!(hear(&timestamp).await, late());
    assert_eq!(hear("yesterday").await, late());
    assert_eq!(world.payment(1).await["stage"], "ordered");
    // The bank comes back and signs anew; the same notice once more is known.
    let anew = (sent.as_second() + 300).to_string();
    assert_eq!(hear(&anew).await, Ok(()));
    assert_eq!(hear(&anew).await, Ok(()));
    assert_eq!(world.payment(1).await["settled"], "5000.00");
}

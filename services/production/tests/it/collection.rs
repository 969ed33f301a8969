//! Money the platform collects and gives back: what is owed, and that it moved.

use kernel::{Clock, Fen};
use production::collection::{MoneyMoved, Registered};
use production::error::ProductionError;
use production_core::quote::Amounts;
use serde_json::{Value, json};

use crate::support::{PLATE, VIN, World, code, compulsory, message, noon, word};

impl World {
    async fn awaited(&self, code: &str) -> Option<(Amounts, Option<String>)> {
        let tenant = self.picc.tenant;
        let awaited = self.production.awaited_money(tenant, code, self.clock.now()).await.unwrap();
        awaited.map(|awaited| (awaited.amounts, awaited.intermediary))
    }

    async fn moved(
        &self,
        code: &str,
        amount: &str,
        reference: &str,
    ) -> Result<Registered, ProductionError> {
        let (tenant, now) = (self.picc.tenant, self.clock.now());
        let (code, reference) = (code.to_owned(), reference.to_owned());
        let amount = fen(amount);
        let money = MoneyMoved { tenant, code, amount, reference, paid_at: now };
        self.production.register_moved(&money, now).await
    }
}

fn fen(text: &str) -> Fen {
    text.parse().unwrap()
}

fn agency() -> Value {
    json!({ "fee": { "channel": "03", "intermediary": "联众代理", "licenceKind": "2",
        "licenceNo": "XK-1", "licenceFrom": "2024-01-01", "licenceTo": "2025-12-31",
        "commercialRatio": "0.10" } })
}

fn higher_limit() -> Value {
    json!({ "kind": "05", "endorseTimes": 1, "reason": "提高保额", "effectiveAt": "2025090800",
        "covers": [{ "coverageCode": "M02", "limitAmount": "2000000.00" }] })
}

#[tokio::test]
async fn an_endorsement_waits_for_its_money_and_is_paid_once() {
    let world = World::new().await;
    let body = message(world.clock.now(), VIN, PLATE);
    let policy = world.insure_through(&world.picc, &body, &agency()).await.commercial.unwrap();
    world.clock.set(noon(2025, 9, 1));
    let queried = world.amend(&world.picc, &policy, &higher_limit()).await.unwrap();
    let amend = word(&queried, "/amendCode");
    assert_eq!(world.awaited(&amend).await, None, "nothing is frozen");
    world.freeze(&world.picc, &amend).await.unwrap();
    // 156.01 more premium, of which the agency has a tenth.
    let more = Amounts {
        compulsory: None,
        commercial: Some(fen("156.01")),
        tax: Fen::ZERO,
        fee: fen("15.60"),
    };
    assert_eq!(world.awaited(&amend).await, Some((more, Some("XK-1".into()))));
    let stranger = world.cpic.tenant;
    let of_another = world.production.awaited_money(stranger, &amend, world.clock.now()).await;
    assert_eq!(of_another.unwrap(), None);
    assert_eq!(world.awaited(&policy).await, None, "a policy is no endorsement");

    let short = world.moved(&amend, "156.00", "order-1").await.unwrap_err();
    assert!(matches!(short, ProductionError::Refused { .. }), "{short}");
    assert_eq!(world.moved(&amend, "156.01", "order-1").await.unwrap(), Registered::Now);
    assert_eq!(world.moved(&amend, "156.01", "order-1").await.unwrap(), Registered::Before);
    let other = world.moved(&amend, "156.01", "order-2").await.unwrap_err();
    assert!(matches!(other, ProductionError::Refused { .. }), "{other}");
    assert_eq!(world.awaited(&amend).await, None, "it is paid");
    let done = world.confirm_amendment(&world.picc, &amend, "156.01", "0.00").await.unwrap();
    assert_eq!(done["money"]["reference"], json!("order-1"));
    assert_eq!(world.moved(&amend, "156.01", "order-1").await.unwrap(), Registered::Before);
}

#[tokio::test]
async fn an_endorsement_that_lapsed_waits_for_nothing() {
    let world = World::new().await;
    let body = message(world.clock.now(), VIN, PLATE);
    let policy = world.insure(&world.picc, &body).await.commercial.unwrap();
    world.clock.set(noon(2025, 9, 1));
    let queried = world.amend(&world.picc, &policy, &higher_limit()).await.unwrap();
    let amend = word(&queried, "/amendCode");
    world.freeze(&world.picc, &amend).await.unwrap();
    world.pass(48);
    assert_eq!(world.awaited(&amend).await, None);
    let late = world.moved(&amend, "156.01", "order-1").await.unwrap_err();
    assert!(matches!(late, ProductionError::Refused { .. }), "{late}");
}

#[tokio::test]
async fn what_a_surrender_gives_back_is_registered_when_all_of_it_went() {
    let world = World::new().await;
    let body = compulsory(world.clock.now(), VIN, PLATE);
    let sale = world.insure(&world.picc, &body).await;
    let policy = sale.compulsory.unwrap();
    // Covered from 2 March to 10 June: 100 days. 950.00 × (1 − 100/365) = 689.73; deregistered in
    // June, so seven months of 300.00 go back.
    world.clock.set(noon(2025, 6, 1));
    let mut wish = json!({ "surrenderReason": "01", "effectiveAt": "2025061000" });
    let asked = world.surrender(&world.picc, &policy, &wish).await.unwrap();
    assert_eq!(["/premiumRefund", "/taxRefund"].map(|at| word(&asked, at)), ["689.73", "175.00"]);
    for (member, value) in [("premiumRefund", "689.73"), ("taxRefund", "175.00")] {
        wish[member] = json!(value);
    }
    wish["confirm"] = json!(true);
    let done = world.surrender(&world.picc, &policy, &wish).await.unwrap();
    let amend = word(&done, "/amendCode");

    let owed = async || {
        let now = world.clock.now();
        world.production.owed_back(world.picc.tenant, &amend, now).await.unwrap()
    };
    let back = owed().await.unwrap();
    let amounts = Amounts {
        compulsory: Some(fen("689.73")),
        commercial: None,
        tax: fen("175.00"),
        fee: Fen::ZERO,
    };
    assert_eq!(back.amounts, amounts);
    let codes: Vec<String> = back.collected_for.iter().map(ToString::to_string).collect();
    assert_eq!(codes, [sale.query, amend.clone()]);

    assert_eq!(world.moved(&amend, "-500.00", "order-1").await.unwrap(), Registered::NotAllYet);
    assert!(owed().await.is_some());
    let more = world.moved(&amend, "-864.74", "order-1").await.unwrap_err();
    assert!(matches!(more, ProductionError::Refused { .. }), "{more}");
    assert_eq!(world.moved(&amend, "-864.73", "order-1").await.unwrap(), Registered::Now);
    assert_eq!(world.moved(&amend, "-864.73", "order-1").await.unwrap(), Registered::Before);
    assert_eq!(owed().await, None, "it is back");
    let by_hand = world.pay_amendment(&world.picc, &amend, "-864.73").await;
    assert_eq!(code(by_hand).0, "E2004");
}

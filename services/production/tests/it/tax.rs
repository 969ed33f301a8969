//! Withheld tax on its way to the tax office.

use jiff::SignedDuration;
use jiff::civil::date;
use kernel::{Clock, Fen};
use production::function;
use sandbox::Counterparty;
use sandbox::fault::Faults;
use sandbox::vehicle::Arrears;
use serde_json::{Value, json};

use crate::support::{PLATE, VIN, World, car, compulsory, view, word};

async fn standing(world: &World, confirm: &str) -> Value {
    let call = world.read(&world.picc, &function::POLICY_READ);
    let read = world.production.read_policy(call, confirm, Default::default()).await;
    view(read).unwrap()["taxDeclaration"].clone()
}

async fn deliver(world: &World) -> usize {
    world.production.deliver_taxes(world.clock.now()).await
}

#[tokio::test]
async fn withheld_tax_is_declared_whole_and_its_receipt_shows_in_the_policy() {
    let world = World::new().await;
    world.sandbox.load(car(VIN, PLATE).with_arrears(Arrears {
        year: 2024,
        unpaid: Fen(30_000),
        due_on: date(2024, 12, 31),
    }));
    let sale = world.insure(&world.picc, &compulsory(world.clock.now(), VIN, PLATE)).await;
    let confirm = sale.compulsory.unwrap();
    assert_eq!(standing(&world, &confirm).await["state"], json!("pending"));
    assert_eq!(deliver(&world).await, 1);
    assert_eq!(deliver(&world).await, 0);

    let declared = world.sandbox.declared();
    assert_eq!(declared.len(), 1);
    let declaration = &declared[0].declaration;
    assert_eq!(declared[0].registration.declaration_no, confirm);
    assert_eq!(declaration.payer_name, "李芳");
    assert_eq!((declaration.year, declaration.condition.as_str()), (2025, "B"));
    assert_eq!((declaration.tax_due, declaration.arrears), (Fen(30_000), Fen(30_000)));
    assert_eq!(declaration.collected_on, date(2025, 3, 1));
    assert_eq!(declaration.plate.as_ref().unwrap().number, PLATE);
    let total: Fen = serde_json::from_value(sale.confirmed["tax"].clone()).unwrap();
    assert_eq!(declaration.total, total);
    assert!(declaration.late_fee > Fen::ZERO);

    let standing = standing(&world, &confirm).await;
    assert_eq!(standing["state"], json!("registered"));
    assert_eq!(standing["declarationNo"], json!(confirm));
    assert_eq!(word(&standing, "/registrationNo"), declared[0].registration.registration_no);
    assert_eq!(standing["receiptNo"], json!(declared[0].registration.receipt_no));
}

#[tokio::test]
async fn a_silent_tax_office_is_asked_again_later_and_once() {
    let world = World::new().await;
    let sale = world.insure(&world.picc, &compulsory(world.clock.now(), VIN, PLATE)).await;
    let confirm = sale.compulsory.unwrap();
    let down = Faults { down: true, ..Faults::default() };
    world.sandbox.set_faults(Counterparty::Tax, down);
    assert_eq!(deliver(&world).await, 0);
    world.sandbox.set_faults(Counterparty::Tax, Faults::default());
    assert_eq!(deliver(&world).await, 0, "it is left alone for a while");
    assert_eq!(standing(&world, &confirm).await["state"], json!("pending"));
    world.clock.advance(SignedDuration::from_mins(1));
    assert_eq!(deliver(&world).await, 1);
    assert_eq!(world.sandbox.declared().len(), 1);
    assert_eq!(standing(&world, &confirm).await["state"], json!("registered"));
}

/// The server died between the tax office's answer and its own note of it.
#[tokio::test]
async fn a_declaration_sent_twice_is_one_declaration() {
    let world = World::new().await;
    let sale = world.insure(&world.picc, &compulsory(world.clock.now(), VIN, PLATE)).await;
    assert_eq!(deliver(&world).await, 1);
    let confirm = sale.compulsory.unwrap();
    let first = standing(&world, &confirm).await;
    let forgotten = sqlx::query(
        "update production.tax_declaration
         set state = 'pending', registration_no = null, receipt_no = null, settled_at = null",
    );
    forgotten.execute(&world.test.owner).await.unwrap();
    assert_eq!(standing(&world, &confirm).await["state"], json!("pending"));
    world.clock.advance(SignedDuration::from_mins(1));
    assert_eq!(deliver(&world).await, 1);
    assert_eq!(world.sandbox.declared().len(), 1);
    assert_eq!(standing(&world, &confirm).await, first);
}

#[tokio::test]
async fn a_refusal_settles_a_declaration_for_somebody_to_look_at() {
    let world = World::new().await;
    let sale = world.insure(&world.picc, &compulsory(world.clock.now(), VIN, PLATE)).await;
    // The owner went to the tax office meanwhile.
    let paid = sandbox::vehicle::Receipt {
        receipt_no: "SP2025000001".into(),
        year: 2025,
        paid_on: date(2025, 3, 1),
        amount: Fen(30_000),
        authority: "江苏省税务局".into(),
        authority_code: "13200000000".into(),
    };
    world.sandbox.load(car(VIN, PLATE).with_receipt(paid));
    assert_eq!(deliver(&world).await, 1);
    let standing = standing(&world, &sale.compulsory.unwrap()).await;
    assert_eq!(
        (&standing["state"], &standing["refusal"]),
        (&json!("refused"), &json!("already-paid"))
    );
}

/// Rounds of several servers at once deliver each declaration once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_rounds_at_once_do_not_take_the_same_declaration() {
    let world = World::new().await;
    world.insure(&world.picc, &compulsory(world.clock.now(), VIN, PLATE)).await;
    let (one, other) = tokio::join!(deliver(&world), deliver(&world));
    assert_eq!(one + other, 1);
    assert_eq!(world.sandbox.declared().len(), 1);
}

/// A revoked policy's tax goes back, whether or not its declaration had arrived.
#[tokio::test]
async fn tax_of_a_revoked_policy_is_taken_back() {
    for delivered_first in [false, true] {
        let world = World::new().await;
        let tomorrow = world.clock.now() + SignedDuration::from_hours(24);
        let sale = world.insure(&world.picc, &compulsory(tomorrow, VIN, PLATE)).await;
        let confirm = sale.compulsory.unwrap();
        if delivered_first {
            assert_eq!(deliver(&world).await, 1);
            assert_eq!(world.sandbox.declared().len(), 1);
        }
        let revoke = async |body: Value| {
            let call = world.call(&world.picc, &function::REVOKE);
            let body = serde_json::from_value(body).unwrap();
            view(world.production.revoke(call, &confirm, body).await).unwrap()
        };
        let due = revoke(json!({ "reason": "投保人撤销" })).await;
        let wish = json!({
            "reason": "投保人撤销",
            "confirm": true,
            "premiumRefund": due["premiumRefund"],
            "taxRefund": due["taxRefund"],
        });
        revoke(wish).await;
        assert_eq!(standing(&world, &confirm).await["state"], json!("withdrawing"));
        // A delivery that may still be on its way is let arrive first.
        world.clock.advance(SignedDuration::from_mins(2));
        assert_eq!(deliver(&world).await, 1);
        assert!(world.sandbox.declared().iter().all(|declared| declared.void));
        assert_eq!(standing(&world, &confirm).await["state"], json!("withdrawn"));
    }
}

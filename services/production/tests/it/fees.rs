//! Registering fees and changing them.

use std::sync::Arc;

use base_http::{Caller, Problem};
use kernel::Clock;
use production::function;
use serde_json::{Value, json};

use crate::support::{PLATE, Sale, VIN, World, code, message, parsed, view};

fn agreed() -> Value {
    json!({ "fee": { "channel": "03", "intermediary": "联众代理", "licenceKind": "2",
        "licenceNo": "XK-1", "licenceFrom": "2024-01-01", "licenceTo": "2025-12-31",
        "contractNo": "HT-1", "compulsoryRatio": "0.04", "commercialRatio": "0.10" } })
}

async fn sold(world: &World, caller: &Arc<Caller>) -> Sale {
    world.insure_through(caller, &message(world.clock.now(), VIN, PLATE), &agreed()).await
}

async fn register(
    world: &World,
    caller: &Arc<Caller>,
    confirm: &str,
    body: Value,
) -> Result<Value, Problem> {
    let call = world.call(caller, &function::FEE_REGISTER);
    view(world.production.register_fee(call, confirm, parsed(&body)).await)
}

async fn change(
    world: &World,
    caller: &Arc<Caller>,
    confirm: &str,
    body: Value,
) -> Result<Value, Problem> {
    let call = world.call(caller, &function::FEE_CHANGE);
    view(world.production.change_fee(call, confirm, parsed(&body)).await)
}

async fn fees(world: &World, caller: &Arc<Caller>, confirm: &str) -> Result<Value, Problem> {
    let call = world.read(caller, &function::FEE_READ);
    view(world.production.read_fees(call, confirm).await)
}

#[tokio::test]
async fn what_was_agreed_is_registered_once() {
    let world = World::new().await;
    let compulsory = sold(&world, &world.picc).await.compulsory.unwrap();
    let fee = register(&world, &world.picc, &compulsory, json!({})).await.unwrap();
    assert_eq!(fee["current"]["channel"], json!("03"));
    assert_eq!(fee["current"]["ratio"], json!("0.04"));
    // 950.00 × 0.04
    assert_eq!(fee["current"]["amount"], json!("38.00"));
    let again = register(&world, &world.picc, &compulsory, json!({})).await;
    assert_eq!(code(again).0, "E2032");
    let events = world.served().pop().unwrap().events;
    assert_eq!(events, ["production.fee.registered"]);
}

#[tokio::test]
async fn a_fee_keeps_to_what_was_agreed_to_the_cap_and_to_a_valid_licence() {
    let world = World::new().await;
    let sale = sold(&world, &world.picc).await;
    let compulsory = sale.compulsory.unwrap();
    let with = |field: &str, value: &str| {
        let mut body = agreed();
        body["fee"].as_object_mut().unwrap().remove("commercialRatio");
        body["fee"][field] = json!(value);
        body
    };
    for (field, value, rule) in [
        ("compulsoryRatio", "0.0401", "L29"),
        ("commercialRatio", "0.01", "L29"),
        ("compulsoryRatio", "1", "F11"),
        ("licenceTo", "2025-02-28", "L30"),
        ("licenceKind", "4", "L30"),
        ("channel", "01", "L29"),
    ] {
        let refused = register(&world, &world.picc, &compulsory, with(field, value)).await;
        let (code, rules) = code(refused);
        assert_eq!(code, "E1001", "{field}");
        assert!(rules.contains(&rule.to_owned()), "{field}: {rules:?}");
    }
    // Within the cap of 15 percent, but more than the 10 that were agreed.
    let mut more = agreed();
    more["fee"].as_object_mut().unwrap().remove("compulsoryRatio");
    more["fee"]["commercialRatio"] = json!("0.12");
    let refused = register(&world, &world.picc, &sale.commercial.unwrap(), more).await;
    assert_eq!(code(refused).1, ["L29"]);
    let less = with("compulsoryRatio", "0.03");
    let fee = register(&world, &world.picc, &compulsory, less).await.unwrap();
    assert_eq!(fee["current"]["amount"], json!("28.50"));
}

#[tokio::test]
async fn a_ratio_changes_with_a_reason_and_its_history_stays() {
    let world = World::new().await;
    let compulsory = sold(&world, &world.picc).await.compulsory.unwrap();
    let lower = json!({ "ratio": "0.0333", "reason": "代理合同变更" });
    let early = change(&world, &world.picc, &compulsory, lower.clone()).await;
    assert_eq!(code(early).0, "E2033");
    register(&world, &world.picc, &compulsory, json!({})).await.unwrap();
    let unexplained = change(&world, &world.picc, &compulsory, json!({ "ratio": "0.03" })).await;
    assert_eq!(code(unexplained).1, ["S02"]);
    let high = json!({ "ratio": "0.05", "reason": "more" });
    assert_eq!(code(change(&world, &world.picc, &compulsory, high).await).1, ["L29"]);
    world.pass(24);
    let changed = change(&world, &world.picc, &compulsory, lower).await.unwrap();
    // 950.00 × 0.0333 = 31.635
    assert_eq!(changed["current"]["amount"], json!("31.64"));
    let fees = fees(&world, &world.picc, &compulsory).await.unwrap();
    let ratios: Vec<&Value> =
        fees["history"].as_array().unwrap().iter().map(|fee| &fee["ratio"]).collect();
    assert_eq!(ratios, [&json!("0.04"), &json!("0.0333")]);
    assert_eq!(fees["current"], fees["history"][1]);
}

#[tokio::test]
async fn no_ratio_changes_in_shenzhen_or_of_a_direct_sale() {
    let world = World::new().await;
    let shenzhen = world.insurer("PAIC", "440300").await;
    let policy = sold(&world, &shenzhen).await.compulsory.unwrap();
    register(&world, &shenzhen, &policy, json!({})).await.unwrap();
    let lower = json!({ "ratio": "0.01", "reason": "wish" });
    let refused = change(&world, &shenzhen, &policy, lower.clone()).await;
    assert_eq!(code(refused), ("E1001", vec!["L29".to_owned()]));

    let other = "LSVAM4187C2184850";
    world.sandbox.load(crate::support::car(other, "苏A54321"));
    let body = message(world.clock.now(), other, "苏A54321");
    let direct = world.insure(&world.picc, &body).await.compulsory.unwrap();
    let fee = register(&world, &world.picc, &direct, json!({})).await.unwrap();
    assert_eq!(fee["current"]["amount"], json!("0.00"));
    assert_eq!(code(change(&world, &world.picc, &direct, lower).await).1, ["L29"]);
}

#[tokio::test]
async fn fees_are_an_insurers_own_business() {
    let world = World::new().await;
    let compulsory = sold(&world, &world.picc).await.compulsory.unwrap();
    let foreign = Caller { insurer: Some("PICC".into()), ..(*world.cpic).clone() };
    assert_eq!(code(fees(&world, &foreign.clone().into(), &compulsory).await).0, "E2000");
    let refused = register(&world, &foreign.into(), &compulsory, json!({})).await;
    assert_eq!(code(refused).0, "E2000");
}

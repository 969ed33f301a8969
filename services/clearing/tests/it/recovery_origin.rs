//! "Why is this my position?", down to the messages of the claims.

use std::collections::BTreeSet;
use std::sync::Arc;

use base_http::paging::Page;
use base_http::{Call, Caller, Problem};
use clearing::function;
use clearing::settlement::view::ItemQuery;
use clearing::settlement::{DisputeBody, DisputedItem};
use production_core::claim::Liability;
use production_core::number::PlatformNumber;
use serde_json::{Value, json};

use crate::recovery::{Accident, OTHER};
use crate::world::{World, view};

/// PAIC stands by 12,600 of its third-party cover; it has a claim of the accident too.
struct Agreed {
    accident: Accident,
    theirs: PlatformNumber,
    code: String,
}

impl Agreed {
    async fn new() -> Agreed {
        let accident = Accident::new().await;
        let theirs = accident.world.register.claim(&accident.world.paic, OTHER, Liability::Main);
        let [_, code] = accident.started().await;
        let agreed = json!({ "amount": "12600.00" });
        accident.state(&accident.world.paic, &code, agreed).await.unwrap();
        Agreed { accident, theirs, code }
    }

    /// The item, as the operator finds it: from the cycle to PAIC's net figure to what is behind it.
    async fn item(&self) -> Value {
        let world = &self.accident.world;
        let call = || world.call(&world.operator, &function::CYCLES_WATCH);
        let cycles = world.clearing.list_all_cycles(call(), Page::default()).await;
        let cycle = word(&view(cycles).unwrap(), "/items/0/cycleId");
        let position = world.clearing.read_position_of(call(), &cycle, "PAIC").await;
        assert_eq!(view(position).unwrap()["net"], "-12600.00");
        let asked = ItemQuery { counterparty: Some("PICC".into()), ..ItemQuery::default() };
        let items = world.clearing.list_items_of(call(), &cycle, "PAIC", asked).await;
        let items = view(items).unwrap();
        assert_eq!(items["items"].as_array().unwrap().len(), 1);
        items["items"][0].clone()
    }
}

fn word(value: &Value, pointer: &str) -> String {
    value.pointer(pointer).and_then(Value::as_str).unwrap().to_owned()
}

fn column<'a>(rows: &'a Value, name: &str) -> Vec<&'a str> {
    rows.as_array().unwrap().iter().map(|row| row[name].as_str().unwrap()).collect()
}

impl World {
    async fn origin(&self, caller: &Arc<Caller>, item: &str) -> Result<Value, Problem> {
        let call = self.call(caller, &function::ORIGIN_READ);
        view(self.clearing.read_origin(call, item).await)
    }

    async fn origin_of_any(&self, item: &str) -> Result<Value, Problem> {
        let call = self.call(&self.operator, &function::ANY_ORIGIN_READ);
        view(self.clearing.read_origin_of_any(call, item).await)
    }
}

#[tokio::test]
async fn the_operator_comes_from_a_net_figure_to_the_messages_of_the_claims() {
    let agreed = Agreed::new().await;
    let world = &agreed.accident.world;
    let item = agreed.item().await;
    let origin = world.origin_of_any(&word(&item, "/itemId")).await.unwrap();
    assert_eq!(origin["items"], json!([item]));
    let recovery = &origin["recovery"];
    assert_eq!(recovery["recoveryCode"], agreed.code);
    assert_eq!((&recovery["side"], &recovery["status"]), (&json!("operator"), &json!("4")));
    assert_eq!(
        (&recovery["recoveringInsurer"], &recovery["liableInsurer"]),
        (&json!("PICC"), &json!("PAIC"))
    );
    // Who did what, and when; and how the amount came about.
    let steps = &recovery["steps"];
    assert_eq!(column(steps, "step"), ["lock", "start", "state"]);
    assert_eq!(column(steps, "insurer"), ["PICC", "PICC", "PAIC"]);
    let now = testkit::start().to_string();
    assert_eq!(column(steps, "recordedAt"), [&*now; 3]);
    let derivation = recovery["derivation"].as_array().unwrap();
    let whole = derivation.iter().find(|step| step["name"] == "recovery").unwrap();
    assert_eq!(whole["value"]["amount"], "14600.00");
    // First the claim that recovers, then the one of the accident under the liable policy.
    let own = agreed.accident.claim_no.to_string();
    let theirs = agreed.theirs.to_string();
    let claims = &origin["claims"];
    assert_eq!(column(claims, "claimCode"), [&*own, &*theirs]);
    assert_eq!(column(claims, "insurer"), ["PICC", "PAIC"]);
    let report = &claims[0]["steps"][0];
    assert_eq!((&report["step"], &report["sequence"]), (&json!("notify"), &json!(1)));
    assert_eq!(report["message"], json!({ "reportNo": "R-H1", "reporterName": "李*" }));

    // Each insurer finds the look at what is its own.
    let recorded = world.memory.last();
    assert_eq!(recorded.function, "operator.settlement.origin_read");
    assert_eq!((recorded.purpose.as_deref(), &recorded.subject), (Some("clearing"), &agreed.code));
    let shown = recorded.shown.iter().map(|one| (one.owner.clone(), one.subject.clone()));
    let number = |pointer: &str| word(&origin, pointer);
    let expected = [
        ("PICC", own),
        ("PICC", number("/claims/0/confirmCode")),
        ("PAIC", theirs),
        ("PAIC", number("/claims/1/confirmCode")),
        ("PAIC", number("/recovery/liableConfirmCode")),
    ];
    let expected = expected.map(|(owner, number)| (owner.to_owned(), number));
    assert_eq!(shown.collect::<BTreeSet<_>>(), expected.into());
}

#[tokio::test]
async fn either_side_reads_where_its_item_comes_from_and_nobody_else_does() {
    let agreed = Agreed::new().await;
    let world = &agreed.accident.world;
    let item = word(&agreed.item().await, "/itemId");
    let of_operator = world.origin_of_any(&item).await.unwrap();
    for (caller, side) in [(&world.picc, "recovering"), (&world.paic, "liable")] {
        let origin = world.origin(caller, &item).await.unwrap();
        assert_eq!(origin["recovery"]["side"], side);
        // The other side's messages as the operator reads them.
        assert_eq!(origin["claims"], of_operator["claims"]);
        assert_eq!(world.memory.last().function, "clearing.settlement.origin_read");
        assert_eq!(world.memory.last().shown.len(), 5);
    }
    let served = world.memory.all().len();
    let unknown = "018f7f50-0000-7000-8000-000000000001";
    for refused in [
        world.origin(&world.cpic, &item).await,
        world.origin(&world.picc, unknown).await,
        world.origin_of_any(unknown).await,
        world.origin_of_any("no id").await,
    ] {
        assert_eq!(refused.unwrap_err().code.code, "E4000");
    }
    let unsaid = |caller, function| Call { purpose: None, ..world.call(caller, function) };
    let call = unsaid(&world.operator, &function::ANY_ORIGIN_READ);
    let refused = view(world.clearing.read_origin_of_any(call, &item).await).unwrap_err();
    assert_eq!(refused.code.code, "E4100");
    let call = unsaid(&world.picc, &function::ORIGIN_READ);
    let refused = view(world.clearing.read_origin(call, &item).await).unwrap_err();
    assert_eq!(refused.code.code, "E4100");
    assert_eq!(world.memory.all().len(), served, "what was refused showed nothing");
}

#[tokio::test]
async fn an_item_that_was_put_in_again_leads_to_the_one_business_posted() {
    let agreed = Agreed::new().await;
    let world = &agreed.accident.world;
    let item = agreed.item().await;
    let (id, cycle) = (word(&item, "/itemId"), word(&item, "/cycleId"));
    let call = world.call(&world.operator, &function::CYCLE_CLOSE);
    view(world.clearing.close_cycle(call, &cycle).await).unwrap();
    world.clearing.settle_due(kernel::Clock::now(&*world.clock)).await.unwrap();
    let call = world.call(&world.paic, &function::ITEM_DISPUTE);
    let disputed = DisputedItem {
        item_id: Some(id.parse().unwrap()),
        reason: Some("amount".into()),
        note: None,
    };
    let body = DisputeBody { items: Some(vec![disputed]) };
    view(world.clearing.dispute_items(call, &cycle, body).await).unwrap();
    let call = world.call(&world.paic, &function::ITEM_DISPUTE);
    let again = view(world.clearing.withdraw_dispute(call, &id).await).unwrap();
    let origin = world.origin_of_any(&word(&again, "/itemId")).await.unwrap();
    let items = column(&origin["items"], "itemId");
    assert_eq!(items, [again["itemId"].as_str().unwrap(), &*id]);
    assert_eq!(origin["recovery"]["recoveryCode"], agreed.code);
    assert_eq!(origin["claims"][0]["claimCode"], agreed.accident.claim_no.to_string());
}

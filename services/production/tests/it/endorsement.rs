//! Endorsements in order: numbers, stages, one open at a time, what is known when.

use std::sync::Arc;

use base_http::{Caller, Problem};
use jiff::Timestamp;
use kernel::Clock;
use pg::Scope;
use production::endorsement::wire::AsOf;
use production::function;
use production::store::policy;
use production_core::number::PlatformNumber;
use serde_json::{Value, json};

use crate::support::{
    PLATE, Sale, VIN, World, broken, code, compulsory, message, noon, parsed, view, word,
};

impl World {
    /// Asks for an endorsement.
    pub(crate) async fn amend(
        &self,
        caller: &Arc<Caller>,
        policy: &str,
        body: &Value,
    ) -> Result<Value, Problem> {
        let call = self.call(caller, &function::ENDORSEMENT_QUERY);
        view(self.production.query_endorsement(call, policy, parsed(body), Vec::new()).await)
    }

    pub(crate) async fn freeze(&self, caller: &Arc<Caller>, amend: &str) -> Result<Value, Problem> {
        let call = self.call(caller, &function::ENDORSEMENT_PRE_CONFIRM);
        view(self.production.pre_confirm_endorsement(call, amend).await)
    }

    pub(crate) async fn pay_amendment(
        &self,
        caller: &Arc<Caller>,
        amend: &str,
        amount: &str,
    ) -> Result<Value, Problem> {
        let call = self.call(caller, &function::ENDORSEMENT_PAYMENT);
        let reference = format!("POS-{}", call.call_id);
        let body = json!({ "reference": reference, "amount": amount, "method": "pos" });
        let body = parsed(&body);
        view(self.production.register_endorsement_payment(call, amend, body).await)
    }

    pub(crate) async fn confirm_amendment(
        &self,
        caller: &Arc<Caller>,
        amend: &str,
        premium: &str,
        tax: &str,
    ) -> Result<Value, Problem> {
        let call = self.call(caller, &function::ENDORSEMENT_CONFIRM);
        let body = parsed(&json!({ "premiumDifference": premium, "taxDifference": tax }));
        view(self.production.confirm_endorsement(call, amend, body).await)
    }

    pub(crate) async fn give_up(
        &self,
        caller: &Arc<Caller>,
        amend: &str,
    ) -> Result<Value, Problem> {
        let call = self.call(caller, &function::ENDORSEMENT_CANCEL);
        view(self.production.cancel_endorsement(call, amend).await)
    }

    /// The whole endorsement, paying what is owed.
    pub(crate) async fn endorse(&self, caller: &Arc<Caller>, policy: &str, body: &Value) -> Value {
        let queried = self.amend(caller, policy, body).await.unwrap();
        let amend = word(&queried, "/amendCode");
        self.freeze(caller, &amend).await.unwrap();
        let payable = word(&queried, "/payable");
        if !payable.starts_with('-') && payable != "0.00" {
            self.pay_amendment(caller, &amend, &payable).await.unwrap();
        }
        let premium = word(&queried, "/premiumDifference");
        let tax = word(&queried, "/taxDifference");
        self.confirm_amendment(caller, &amend, &premium, &tax).await.unwrap()
    }

    pub(crate) async fn endorsements(
        &self,
        caller: &Arc<Caller>,
        policy: &str,
        as_of: Option<Timestamp>,
    ) -> Result<Value, Problem> {
        let call = self.read(caller, &function::ENDORSEMENT_READ);
        let as_of = AsOf { as_of: as_of.map(|at| at.to_string()) };
        view(self.production.read_endorsements(call, policy, &as_of).await)
    }
}

/// The compulsory policy of a sale of the usual car.
pub(crate) async fn compulsory_policy(world: &World) -> String {
    let sale = world.insure(&world.picc, &compulsory(world.clock.now(), VIN, PLATE)).await;
    sale.compulsory.unwrap()
}

fn change(times: u32) -> Value {
    json!({ "kind": "02", "endorseTimes": times, "reason": "发动机更换",
        "vehicle": { "engineNo": format!("EA21100000{times}X") } })
}

#[tokio::test]
async fn endorsements_of_a_policy_are_numbered_without_gaps() {
    let world = World::new().await;
    let policy = compulsory_policy(&world).await;
    for wrong in [0, 2] {
        let refused = world.amend(&world.picc, &policy, &change(wrong)).await;
        assert_eq!(broken(refused), ("E2010", "S11"));
    }
    let first = world.endorse(&world.picc, &policy, &change(1)).await;
    assert_eq!((&first["stage"], &first["endorseTimes"]), (&json!("confirmed"), &json!(1)));
    assert!(word(&first, "/amendConfirmCode").starts_with("04PICC"));
    assert!(word(&first, "/amendCode").starts_with("03PICC"));
    let mut repeated = change(2);
    repeated["endorseTimes"] = json!(1);
    assert_eq!(broken(world.amend(&world.picc, &policy, &repeated).await), ("E2010", "S11"));
    let second = world.endorse(&world.picc, &policy, &change(2)).await;
    assert_eq!(second["endorseTimes"], json!(2));
    let silent = json!({ "kind": "02", "reason": "更换", "vehicle": { "engineNo": "EA2" } });
    assert_eq!(code(world.amend(&world.picc, &policy, &silent).await).1, ["S02"]);
}

#[tokio::test]
async fn of_two_queries_at_once_one_opens() {
    let world = World::new().await;
    let policy = compulsory_policy(&world).await;
    let message = change(1);
    let ask = || world.amend(&world.picc, &policy, &message);
    let outcomes = tokio::join!(ask(), ask(), ask(), ask());
    let (opened, refused): (Vec<_>, Vec<_>) =
        <[_; 4]>::from(outcomes).into_iter().partition(Result::is_ok);
    assert_eq!((opened.len(), refused.len()), (1, 3));
    for outcome in refused {
        assert_eq!(broken(outcome), ("E2009", "S12"));
    }
    let open: i64 = sqlx::query_scalar("select count(*) from production.endorsement")
        .fetch_one(&world.test.owner)
        .await
        .unwrap();
    assert_eq!(open, 1);
}

#[tokio::test]
async fn the_schema_refuses_a_second_open_endorsement() {
    let world = World::new().await;
    let policy = compulsory_policy(&world).await;
    world.amend(&world.picc, &policy, &change(1)).await.unwrap();
    let again = sqlx::query(
        "insert into production.endorsement
         select (e).* from (
             select jsonb_populate_record(e, jsonb_build_object(
                 'amend_query_no', overlay(e.amend_query_no placing '9' from 30))) as e
             from production.endorsement e) as copy",
    )
    .execute(&world.test.owner)
    .await
    .unwrap_err();
    assert_eq!(pg::failure::constraint(&again), Some("endorsement_one_open"));
}

#[tokio::test]
async fn a_cancelled_or_lapsed_endorsement_makes_room_for_the_next() {
    let world = World::new().await;
    let policy = compulsory_policy(&world).await;
    let first = world.amend(&world.picc, &policy, &change(1)).await.unwrap();
    let amend = word(&first, "/amendCode");
    assert_eq!(broken(world.amend(&world.picc, &policy, &change(1)).await), ("E2009", "S12"));
    assert_eq!(world.give_up(&world.picc, &amend).await.unwrap()["stage"], json!("cancelled"));
    assert_eq!(code(world.freeze(&world.picc, &amend).await).0, "E2004");
    let second = world.amend(&world.picc, &policy, &change(1)).await.unwrap();
    let amend = word(&second, "/amendCode");
    world.freeze(&world.picc, &amend).await.unwrap();
    world.pass(48);
    let late = world.confirm_amendment(&world.picc, &amend, "0.00", "0.00").await;
    assert_eq!(code(late).0, "E2016");
    world.amend(&world.picc, &policy, &change(1)).await.unwrap();
    let listed = world.endorsements(&world.picc, &policy, None).await.unwrap();
    let stages: Vec<&Value> =
        listed["endorsements"].as_array().unwrap().iter().map(|one| &one["stage"]).collect();
    assert_eq!(stages, [&json!("cancelled"), &json!("cancelled"), &json!("queried")]);
}

#[tokio::test]
async fn an_endorsement_belongs_to_its_insurer() {
    let world = World::new().await;
    let policy = compulsory_policy(&world).await;
    let open = world.amend(&world.picc, &policy, &change(1)).await.unwrap();
    let amend = word(&open, "/amendCode");
    assert_eq!(code(world.amend(&world.cpic, &policy, &change(1)).await).1, ["F07"]);
    assert_eq!(code(world.freeze(&world.cpic, &amend).await).1, ["F07"]);
    assert_eq!(code(world.endorsements(&world.cpic, &policy, None).await).1, ["F07"]);
    // Another tenant with the same letters would still find nothing: row security stands behind.
    let strangers = crate::support::caller(world.cpic.tenant, Some("PICC"), "320000");
    assert_eq!(code(world.freeze(&strangers, &amend).await).0, "E2000");
    assert_eq!(code(world.amend(&strangers, &policy, &change(1)).await).0, "E2000");
}

#[tokio::test]
async fn a_direct_endorsement_is_confirmed_in_one_step_when_it_bears_no_premium() {
    let world = World::new().await;
    let mut unplated = compulsory(world.clock.now(), VIN, PLATE);
    let vehicle = unplated["vehicle"].as_object_mut().unwrap();
    for field in ["plate", "plateKind", "firstRegisteredOn"] {
        vehicle.remove(field);
    }
    vehicle.insert("newVehicle".into(), json!(true));
    vehicle.insert("invoicedOn".into(), json!("2025-02-20"));
    let Sale { compulsory: policy, .. } = world.insure(&world.picc, &unplated).await;
    let policy = policy.unwrap();
    let plate = json!({ "kind": "04", "endorseTimes": 1, "reason": "上牌", "direct": true,
        "vehicle": { "plate": "苏A54321", "plateKind": "02", "firstRegisteredOn": "2025-03-01" } });
    let done = world.amend(&world.picc, &policy, &plate).await.unwrap();
    assert_eq!((&done["stage"], &done["payable"]), (&json!("confirmed"), &json!("0.00")));
    let stored: (String, i32) =
        sqlx::query_as("select plate, endorse_times from production.policy where confirm_no = $1")
            .bind(&policy)
            .fetch_one(&world.test.owner)
            .await
            .unwrap();
    assert_eq!(stored, ("苏A54321".to_owned(), 1));
    let mut again = plate.clone();
    again["endorseTimes"] = json!(2);
    assert_eq!(code(world.amend(&world.picc, &policy, &again).await).0, "E2020");
    let mut usage = change(2);
    usage["direct"] = json!(true);
    assert_eq!(code(world.amend(&world.picc, &policy, &usage).await).0, "E2019");
}

#[tokio::test]
async fn what_a_kind_does_not_change_is_refused() {
    let world = World::new().await;
    let sale = world.insure(&world.picc, &message(world.clock.now(), VIN, PLATE)).await;
    let (policy, commercial) = (sale.compulsory.unwrap(), sale.commercial.unwrap());
    let ask = async |policy: &str, more: Value| {
        let mut body = json!({ "endorseTimes": 1, "reason": "测试" });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let problem = world.amend(&world.picc, policy, &body).await.unwrap_err();
        let errors = problem.errors.iter();
        errors
            .map(|error| format!("{} {}", error.pointer, error.rule.as_deref().unwrap_or("-")))
            .collect::<Vec<_>>()
    };
    let covers = json!([{ "coverageCode": "M02", "limitAmount": "2000000.00" }]);
    assert_eq!(ask(&policy, json!({ "kind": "05", "covers": covers })).await, ["/kind S03"]);
    assert_eq!(ask(&policy, json!({ "kind": "06", "covers": covers })).await, ["/covers S02"]);
    assert_eq!(ask(&commercial, json!({ "kind": "08" })).await, ["/kind L27"]);
    assert_eq!(ask(&policy, json!({ "kind": "09" })).await, ["/kind S12"]);
    assert_eq!(ask(&policy, json!({ "kind": "77" })).await, ["/kind S02"]);
    assert_eq!(ask(&policy, json!({ "kind": "02" })).await, [" S02"]);
    assert_eq!(ask(&policy, json!({ "kind": "03" })).await, ["/owner S02"]);
    let other = json!({ "kind": "01", "vehicle": { "frameNo": "1M8GDM9AXKP042788" } });
    assert_eq!(ask(&policy, other).await, ["/vehicle/frameNo S09"]);
    let twice = json!({ "kind": "02", "vehicle": { "seats": 0, "usage": "999" } });
    assert!(ask(&policy, twice).await.contains(&"/vehicle/usage F20".to_owned()));
}

#[tokio::test]
async fn a_read_as_of_an_instant_shows_what_was_known_then() {
    let world = World::new().await;
    let policy = compulsory_policy(&world).await;
    let bought = world.clock.now();
    world.clock.set(noon(2025, 6, 9));
    let queried = world.amend(&world.picc, &policy, &change(1)).await.unwrap();
    let amend = word(&queried, "/amendCode");
    let asked = world.clock.now();
    world.pass(1);
    world.freeze(&world.picc, &amend).await.unwrap();
    world.confirm_amendment(&world.picc, &amend, "0.00", "0.00").await.unwrap();
    let confirmed = world.clock.now();
    let stages = async |at| {
        let listed = world.endorsements(&world.picc, &policy, at).await.unwrap();
        let rows = listed["endorsements"].as_array().unwrap().clone();
        rows.iter().map(|one| word(one, "/stage")).collect::<Vec<_>>()
    };
    assert!(stages(Some(bought)).await.is_empty());
    assert_eq!(stages(Some(asked)).await, ["queried"]);
    assert_eq!(stages(Some(confirmed)).await, ["confirmed"]);
    assert_eq!(stages(None).await, ["confirmed"]);

    let confirm_no = PlatformNumber::parse(&policy).unwrap();
    let mut tx = world.test.db.begin(Scope::of(world.picc.tenant)).await.unwrap();
    let mut engines = Vec::new();
    for at in [bought, asked, confirmed] {
        let versions = policy::versions(&mut tx, confirm_no, Some(at)).await.unwrap();
        let vehicle: Value = serde_json::from_str(&versions.last().unwrap().vehicle).unwrap();
        engines.push(word(&vehicle, "/engineNo"));
    }
    assert_eq!(engines, ["EA211000001", "EA211000001", "EA211000001X"]);
}

#[tokio::test]
async fn every_step_is_recorded_and_told() {
    let world = World::new().await;
    let policy = compulsory_policy(&world).await;
    let before = world.served().len();
    world.endorse(&world.picc, &policy, &change(1)).await;
    let told: Vec<_> = world.served()[before..].iter().flat_map(|one| one.events.clone()).collect();
    assert_eq!(
        told,
        [
            "production.endorsement.queried",
            "production.endorsement.pre_confirmed",
            "production.endorsement.confirmed"
        ]
    );
}

#[test]
fn every_endorsement_operation_is_in_the_document_under_its_function() {
    let (_, document) = production::api::router().split_for_parts();
    let document = serde_json::to_value(document).unwrap();
    let mut operations = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            if operation["tags"] == json!(["endorsement"]) {
                let right = word(operation, "/security/0/oauth2/0");
                let right = right.strip_prefix("production.endorsement.").unwrap().to_owned();
                operations.push(format!("{method} {path} {right}"));
            }
        }
    }
    operations.sort();
    assert_eq!(
        operations,
        [
            "get /v1/endorsements/{amendCode} read",
            "get /v1/policies/{confirmCode}/endorsements read",
            "post /v1/endorsements/{amendCode}/cancel cancel",
            "post /v1/endorsements/{amendCode}/confirm confirm",
            "post /v1/endorsements/{amendCode}/payment payment",
            "post /v1/endorsements/{amendCode}/pre-confirm pre_confirm",
            "post /v1/policies/{confirmCode}/endorsements query",
            "post /v1/policies/{confirmCode}/revoke revoke",
            "post /v1/policies/{confirmCode}/surrender surrender",
        ]
    );
}

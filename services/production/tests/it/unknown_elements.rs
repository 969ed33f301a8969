//! Elements a message says beside what is known: noticed in the answer (S06), never stored.

use base_http::Call;
use kernel::Clock;
use production::claim::referral::{AssignBody, ConcludeBody, ReferBody};
use production::function;
use serde_json::{Value, json};

use crate::claim_story::Story;
use crate::dispute::Market;
use crate::support::{PLATE, VIN, World, compulsory, echo, message, noon, parsed, view, word};

const COLOUR: &str = "/vehicle/colour";

impl World {
    /// Every message from now on says a colour, which nothing reads.
    fn with_a_colour(&self) {
        *self.unknown.lock().unwrap() = vec![COLOUR.to_owned()];
    }
}

/// The one notice of an answer about an element that was not read.
fn noticed(answer: &Value) {
    let notices = answer["notices"].as_array().unwrap_or_else(|| panic!("{answer:#}"));
    let told: Vec<&Value> = notices.iter().filter(|own| own["code"] == "N2003").collect();
    assert_eq!(
        told,
        [&json!({ "code": "N2003", "rule": "S06", "pointer": COLOUR,
            "detail": "this element is not known here and was not stored" })]
    );
}

#[tokio::test]
async fn a_sale_notices_them_at_every_step() {
    let world = World::new().await;
    let body = message(world.clock.now(), VIN, PLATE);
    let call = world.call(&world.picc, &function::QUOTE);
    let told = world.production.quote(call, &parsed(&body), vec![COLOUR.to_owned()]).await;
    let quoted = view(told).unwrap();
    noticed(&quoted);
    let query = word(&quoted, "/queryCode");
    world.with_a_colour();
    let frozen = world.pre_confirm(&world.picc, &query, &json!({})).await.unwrap();
    noticed(&frozen);
    noticed(&world.pay(&world.picc, &query, &word(&frozen, "/payable")).await.unwrap());
    // Events of the payment tell what happened, not what was overlooked.
    let recorded = world.served().pop().unwrap();
    assert_eq!(recorded.events, ["production.payment.registered"]);
    let confirmed = world.confirm(&world.picc, &query, &echo(&query, &frozen)).await.unwrap();
    noticed(&confirmed);
}

#[tokio::test]
async fn the_check_of_a_quote_notices_them() {
    let world = World::new().await;
    world.set_parameter("production.quote_challenge", "320000", "image").await;
    let quoted = world.quote(&world.picc, &compulsory(world.clock.now(), VIN, PLATE)).await;
    let query = word(&quoted.unwrap(), "/queryCode");
    world.with_a_colour();
    let number = production_core::number::PlatformNumber::parse(&query).unwrap();
    let answer = json!({ "answer": world.challenges.digits(number) });
    let call = world.call(&world.picc, &function::QUOTE_CHECK);
    noticed(&view(world.production.check_quote(call, &query, parsed(&answer)).await).unwrap());
}

#[tokio::test]
async fn endorsements_surrenders_and_revocations_notice_them() {
    let world = World::new().await;
    let sale = world.insure(&world.picc, &message(world.clock.now(), VIN, PLATE)).await;
    let (policy, other) = (sale.commercial.unwrap(), sale.compulsory.unwrap());
    world.with_a_colour();
    let revoke = json!({ "reason": "投保人撤销" });
    noticed(&world.revoke(&world.picc, &other, &revoke).await.unwrap());
    let whole = json!({ "reason": "投保人撤销", "confirm": true, "premiumRefund": "950.00",
        "taxRefund": "300.00" });
    noticed(&world.revoke(&world.picc, &other, &whole).await.unwrap());

    world.clock.set(noon(2025, 9, 1));
    let body = json!({ "kind": "05", "endorseTimes": 1, "reason": "提高保额",
        "covers": [{ "coverageCode": "M02", "limitAmount": "2000000.00" }] });
    let queried = world.amend(&world.picc, &policy, &body).await.unwrap();
    let amend = word(&queried, "/amendCode");
    let payable = word(&queried, "/payable");
    world.freeze(&world.picc, &amend).await.unwrap();
    noticed(&world.pay_amendment(&world.picc, &amend, &payable).await.unwrap());
    noticed(&world.confirm_amendment(&world.picc, &amend, &payable, "0.00").await.unwrap());
    let wish = json!({ "surrenderReason": "99" });
    noticed(&world.surrender(&world.picc, &policy, &wish).await.unwrap());
}

#[tokio::test]
async fn fees_notice_them() {
    let world = World::new().await;
    let fee = json!({ "fee": { "channel": "03", "intermediary": "联众代理", "licenceKind": "2",
        "licenceNo": "XK-1", "licenceFrom": "2024-01-01", "licenceTo": "2025-12-31",
        "contractNo": "HT-1", "compulsoryRatio": "0.04", "commercialRatio": "0.10" } });
    let body = message(world.clock.now(), VIN, PLATE);
    let sale = world.insure_through(&world.picc, &body, &fee).await;
    let policy = sale.compulsory.unwrap();
    let register = async |call: Call| {
        let told = world.production.register_fee(call, &policy, parsed(&json!({}))).await;
        view(told).unwrap()
    };
    world.with_a_colour();
    noticed(&register(world.call(&world.picc, &function::FEE_REGISTER)).await);
    let body = json!({ "ratio": "0.03", "reason": "渠道调整" });
    let call = world.call(&world.picc, &function::FEE_CHANGE);
    noticed(&view(world.production.change_fee(call, &policy, parsed(&body)).await).unwrap());
    // Whoever says nothing odd is told nothing.
    world.unknown.lock().unwrap().clear();
    let body = json!({ "ratio": "0.02", "reason": "渠道调整" });
    let call = world.call(&world.picc, &function::FEE_CHANGE);
    let told = view(world.production.change_fee(call, &policy, parsed(&body)).await).unwrap();
    assert_eq!(told["notices"], Value::Null);
}

#[tokio::test]
async fn disputes_and_referrals_notice_them() {
    let market = Market::new().await;
    let (world, story) = (&market.world, &market.story);
    world.with_a_colour();
    let opened = market.dispute().await.unwrap();
    noticed(&opened);
    let answer = json!({ "decision": "rejected", "reason": "责任认定书载明主责" });
    let dispute_no = word(&opened, "/disputeNo");
    noticed(&world.decide(&world.picc, &dispute_no, &answer).await.unwrap());
    referred(world, story).await;
}

async fn referred(world: &World, story: &Story) {
    let call = world.call(&world.picc, &function::REFERRAL_OPEN);
    let body: ReferBody = parsed(&json!({ "reason": "照片与车辆不符" }));
    noticed(&view(world.production.refer_claim(call, &story.claim_code, &body).await).unwrap());
    let call = world.call(&world.picc, &function::REFERRAL_ASSIGN);
    let body: AssignBody = parsed(&json!({ "assignee": "I-07" }));
    let told = world.production.assign_referral(call, &story.claim_code, &body).await;
    noticed(&view(told).unwrap());
    let call = world.call(&world.picc, &function::REFERRAL_CONCLUDE);
    let body: ConcludeBody = parsed(&json!({ "finding": "clean" }));
    let told = world.production.conclude_referral(call, &story.claim_code, &body).await;
    noticed(&view(told).unwrap());
}

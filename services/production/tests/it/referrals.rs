//! Referrals: opened by scores, rules and people, worked on, opened again, and learnt from.

use std::sync::Arc;
use std::time::Duration;

use base_http::Problem;
use kernel::{Clock, TenantId};
use production::claim::referral::read::ReferralListQuery;
use production::claim::referral::{AssignBody, ConcludeBody, ReferBody};
use production::claim::score::{Band, ClaimScorer, FraudScore, NotScored, ScoreReason};
use production::function;
use production_core::claim::feature::{Features, Value as Figure};
use production_core::claim::referral::Finding;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::claim_story::{Story, property};
use crate::support::{PLATE, VIN, World, code, compulsory, noon, parsed, view, word};

/// A scorer by the assessed loss: from 10,000 yuan high, from 5,000 worth a look.
struct ByLoss;

impl ClaimScorer for ByLoss {
    fn patience(&self) -> Duration {
        Duration::from_secs(60)
    }

    fn score(&self, _: TenantId, features: &Features) -> Result<FraudScore, NotScored> {
        let Some(Figure::Number(loss)) = features.get("vehicleLossFen") else {
            return Err(NotScored::Missing);
        };
        let (chance_ppm, band) = match *loss {
            1_000_000.. => (400_000, Band::High),
            500_000.. => (80_000, Band::Review),
            _ => (1_000, Band::Low),
        };
        Ok(FraudScore {
            model_id: Uuid::from_u128(7),
            model_version: 2,
            model_scope: "tenant".to_owned(),
            chance_ppm,
            band,
            reasons: vec![ScoreReason {
                feature: "vehicleLossFen".to_owned(),
                value: loss.to_string(),
                odds_pct: 660,
            }],
        })
    }
}

impl World {
    async fn refer(&self, story: &Story, reason: &str) -> Result<Value, Problem> {
        let call = self.call(&self.picc, &function::REFERRAL_OPEN);
        let body: ReferBody = parsed(&json!({ "reason": reason }));
        view(self.production.refer_claim(call, &story.claim_code, &body).await)
    }

    async fn assign(&self, story: &Story, to: &str) -> Result<Value, Problem> {
        let call = self.call(&self.picc, &function::REFERRAL_ASSIGN);
        let body: AssignBody = parsed(&json!({ "assignee": to }));
        view(self.production.assign_referral(call, &story.claim_code, &body).await)
    }

    async fn conclude(&self, story: &Story, body: Value) -> Result<Value, Problem> {
        let call = self.call(&self.picc, &function::REFERRAL_CONCLUDE);
        let body: ConcludeBody = parsed(&body);
        view(self.production.conclude_referral(call, &story.claim_code, &body).await)
    }

    async fn referral(&self, story: &Story) -> Result<Value, Problem> {
        let call = self.read(&self.picc, &function::REFERRAL_READ);
        view(self.production.read_referral(call, &story.claim_code).await)
    }

    async fn queue(&self, asked: ReferralListQuery) -> Vec<Value> {
        let call = self.read(&self.picc, &function::REFERRAL_READ);
        let page = view(self.production.list_referrals(call, asked).await).unwrap();
        page["items"].as_array().unwrap().clone()
    }

    fn events(&self) -> Vec<&'static str> {
        let served = self.served();
        let all = served.iter().flat_map(|own| own.events.clone());
        all.filter(|kind| kind.starts_with("production.referral.")).collect()
    }
}

/// A case taken on.
async fn registered(world: &World) -> Story {
    let sale = world.insure(&world.picc, &compulsory(world.clock.now(), VIN, PLATE)).await;
    world.clock.set(noon(2025, 6, 10));
    let mut story = Story::new(&world.picc, &sale.compulsory.unwrap(), "R-1", noon(2025, 6, 1));
    let report = story.report();
    world.report(&mut story, &report).await.unwrap();
    world.step(&story, "survey", &story.survey("2")).await.unwrap();
    world.step(&story, "register", &story.registration()).await.unwrap();
    story
}

async fn assess(world: &World, story: &Story, number: &str, own: &str) {
    let mut assessment = story.assessment(own, "1000.00");
    assessment["businessNo"] = json!(number);
    world.step(story, "assess", &assessment).await.unwrap();
}

#[tokio::test]
async fn a_high_score_opens_a_referral_that_is_worked_on_and_opened_again_by_what_is_new() {
    let world = World::scored_by(Arc::new(ByLoss)).await;
    let story = registered(&world).await;
    // A look is not an investigation.
    assess(&world, &story, "AS-1", "5000.00").await;
    assert_eq!(code(world.referral(&story).await).0, "E2000");
    assess(&world, &story, "AS-2", "9000.00").await;
    let found = world.referral(&story).await.unwrap();
    assert_eq!((&found["state"], &found["origin"]), (&json!("open"), &json!("score")));
    assert_eq!((&found["band"], &found["chancePpm"]), (&json!("high"), &json!(400_000)));
    // What was told before is evidence as well: the score that called for a look.
    let sequences: Vec<&Value> =
        found["evidence"].as_array().unwrap().iter().map(|own| &own["sequence"]).collect();
    assert_eq!(sequences, [&json!(4), &json!(5)]);
    assert_eq!(found["scores"].as_array().unwrap().len(), 3);
    assert_eq!(word(&found, "/scores/2/score/reasons/0/feature"), "vehicleLossFen");
    assert_eq!(found["rules"], json!(["H08"]));
    // The rule was `F01` once, which is a validation rule's name: what was stored so reads as H08.
    for statement in [
        "update production.referral set rules = array_replace(rules, 'H08', 'F01')",
        "update production.referral_evidence set rule = 'F01' where rule = 'H08'",
        "update production.claim_step
         set answer = convert_to(replace(convert_from(answer, 'utf8'), 'H08', 'F01'), 'utf8')",
    ] {
        sqlx::query(statement).execute(&world.test.owner).await.unwrap();
    }
    assert_eq!(world.referral(&story).await.unwrap(), found);
    let scored = ReferralListQuery { rule: Some("H08".into()), ..ReferralListQuery::default() };
    assert_eq!(world.queue(scored).await.len(), 1);
    // The same score again is no news.
    assess(&world, &story, "AS-3", "9500.00").await;
    assert_eq!(world.referral(&story).await.unwrap()["evidence"].as_array().unwrap().len(), 2);

    let early = world.conclude(&story, json!({ "finding": "clean" })).await;
    assert_eq!(code(early).0, "E2056");
    world.assign(&story, "I-07").await.unwrap();
    let bare = world.conclude(&story, json!({ "finding": "confirmed", "saved": "10000.00" })).await;
    assert_eq!(code(bare).0, "E2057");
    let wrong = json!({ "finding": "guilty", "schemes": ["staged", "magic"] });
    let (kind, rules) = code(world.conclude(&story, wrong).await);
    assert_eq!((kind, rules.len()), ("E1001", 2));
    world.clock.set(noon(2025, 6, 11));
    let over = world
        .conclude(&story, json!({ "finding": "unconfirmed", "note": "车主说法前后不一" }))
        .await
        .unwrap();
    assert_eq!((&over["state"], &over["assignee"]), (&json!("concluded"), &json!("I-07")));
    assert_eq!(word(&over, "/conclusion/finding"), "unconfirmed");

    // Steps that tell nothing new leave it concluded; a person may open it again.
    world.step(&story, "documents", &story.documents()).await.unwrap();
    let adjustment = story.adjustment("AD-1", "1000.00", property("1000.00"));
    world.step(&story, "adjust", &adjustment).await.unwrap();
    assert_eq!(world.referral(&story).await.unwrap()["state"], json!("concluded"));
    let again = world.refer(&story, "维修厂提供的照片与车辆不符").await.unwrap();
    assert_eq!((&again["state"], &again["round"]), (&json!("open"), &json!(2)));
    assert_eq!((&again["origin"], &again["assignee"]), (&json!("person"), &Value::Null));
    world.assign(&story, "I-08").await.unwrap();
    world.clock.set(noon(2025, 6, 12));
    let body = json!({ "finding": "confirmed", "saved": "10500.00",
        "schemes": ["inflated", "repairer"] });
    world.conclude(&story, body).await.unwrap();
    let found = world.referral(&story).await.unwrap();
    let findings: Vec<&Value> =
        found["conclusions"].as_array().unwrap().iter().map(|own| &own["finding"]).collect();
    assert_eq!(findings, ["unconfirmed", "confirmed"]);
    assert_eq!(
        world.events(),
        ["opened", "assigned", "concluded", "reopened", "assigned", "concluded"]
            .map(|word| format!("production.referral.{word}"))
    );

    // The last conclusion is the label; the figures are those of the last step that is scored.
    let labelled = world.production.labelled_claims(world.picc.tenant).await.unwrap();
    assert_eq!(labelled.len(), 1);
    assert_eq!(
        (labelled[0].finding, &labelled[0].claim_code),
        (Finding::Confirmed, &story.claim_code)
    );
    let call = world.read(&world.picc, &function::CLAIM_SCORE_READ);
    let scores = view(world.production.read_scores(call, &story.claim_code).await).unwrap();
    let live = scores["scores"].as_array().unwrap().last().unwrap()["features"].clone();
    assert_eq!(serde_json::to_value(&labelled[0].features).unwrap(), live);
    assert!(world.production.labelled_claims(world.cpic.tenant).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_chosen_rule_opens_a_referral_and_the_queue_is_filtered() {
    let world = World::new().await;
    world.set_parameter("claim_referral_rules", "320000", "H06, L53").await;
    let sale = world.insure(&world.picc, &compulsory(world.clock.now(), VIN, PLATE)).await;
    // Soon after cover began (H06).
    let begun = world.clock.now().checked_add(jiff::SignedDuration::from_hours(24 * 4)).unwrap();
    world.clock.set(begun.checked_add(jiff::SignedDuration::from_hours(48)).unwrap());
    let mut story = Story::new(&world.picc, &sale.compulsory.unwrap(), "R-1", begun);
    let report = story.report();
    let told = world.report(&mut story, &report).await.unwrap();
    assert_eq!(word(&told, "/riskHints/0/rule"), "H06", "{told:#}");
    let found = world.referral(&story).await.unwrap();
    assert_eq!((&found["origin"], &found["rules"]), (&json!("rule"), &json!(["H06"])));
    // The same report again is answered as before and adds nothing.
    world.report(&mut story, &report).await.unwrap();
    assert_eq!(world.events(), ["production.referral.opened"]);

    let by = |state: Option<&str>, rule: Option<&str>, band: Option<&str>| {
        let text = |own: Option<&str>| own.map(str::to_owned);
        ReferralListQuery {
            state: text(state),
            rule: text(rule),
            band: text(band),
            ..ReferralListQuery::default()
        }
    };
    assert_eq!(world.queue(by(Some("open"), Some("H06"), None)).await.len(), 1);
    assert!(world.queue(by(Some("assigned"), None, None)).await.is_empty());
    assert!(world.queue(by(None, Some("L53"), None)).await.is_empty());
    assert!(world.queue(by(None, None, Some("review"))).await.is_empty());
    let call = world.read(&world.cpic, &function::REFERRAL_READ);
    let other = view(world.production.list_referrals(call, by(None, None, None)).await).unwrap();
    assert_eq!(other["items"], json!([]));
    let call = world.read(&world.cpic, &function::REFERRAL_READ);
    let other = view(world.production.read_referral(call, &story.claim_code).await);
    // The number says whose it is.
    assert_eq!(code(other).0, "E1001");
}

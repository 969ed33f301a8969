//! Fraud scores of claim steps: what is told and kept, and that nothing holds a step up.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use kernel::{Clock, TenantId};
use production::claim::score::{Band, ClaimScorer, FraudScore, NotScored, ScoreReason, WAIT};
use production::function;
use production_core::claim::feature::{Features, Value as Figure};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::claim_story::{Story, property};
use crate::support::{PLATE, VIN, World, compulsory, noon, view, word};

const SCORES: u8 = 0;
const HANGS: u8 = 1;
const PANICS: u8 = 2;
const HAS_NO_MODEL: u8 = 3;
/// As it is when a model is withdrawn while it is asked.
const LOSES_ITS_MODEL: u8 = 4;

/// A scorer by one rule: 40 % from a loss of 5,000 yuan of own or other vehicles, else 1 %.
#[derive(Default)]
struct ByLoss(AtomicU8);

impl ClaimScorer for ByLoss {
    fn has_model(&self, _: TenantId) -> bool {
        self.0.load(Ordering::Acquire) != HAS_NO_MODEL
    }

    fn patience(&self) -> Duration {
        // A busy machine may need long; one that hangs is given what the platform gives.
        if self.0.load(Ordering::Acquire) == HANGS { WAIT } else { Duration::from_secs(60) }
    }

    fn score(&self, _: TenantId, features: &Features) -> Result<FraudScore, NotScored> {
        match self.0.load(Ordering::Acquire) {
            HANGS => {
                while self.0.load(Ordering::Acquire) == HANGS {
                    std::thread::yield_now();
                }
                return Err(NotScored::NoModel);
            }
            PANICS => panic!("told to"),
            HAS_NO_MODEL => panic!("asked without a model"),
            LOSES_ITS_MODEL => return Err(NotScored::NoModel),
            _ => {}
        }
        let Some(Figure::Number(loss)) = features.get("vehicleLossFen") else {
            return Err(NotScored::Missing);
        };
        let high = *loss >= 500_000;
        let feature = "vehicleLossFen".to_owned();
        Ok(FraudScore {
            model_id: Uuid::from_u128(7),
            model_version: 2,
            model_scope: "market".to_owned(),
            chance_ppm: if high { 400_000 } else { 10_000 },
            band: if high { Band::High } else { Band::Low },
            reasons: vec![ScoreReason { feature, value: loss.to_string(), odds_pct: 660 }],
        })
    }
}

/// A case surveyed and ready to be taken on.
async fn surveyed(world: &World) -> Story {
    let sale = world.insure(&world.picc, &compulsory(world.clock.now(), VIN, PLATE)).await;
    world.clock.set(noon(2025, 6, 10));
    let mut story = Story::new(&world.picc, &sale.compulsory.unwrap(), "R-1", noon(2025, 6, 1));
    let report = story.report();
    let told = world.report(&mut story, &report).await.unwrap();
    // The report and the survey are not scored.
    assert!(told["fraudScore"].is_null() && !goes_by_rules(&told), "{told:#}");
    let told = world.step(&story, "survey", &story.survey("2")).await.unwrap();
    assert!(told["fraudScore"].is_null() && !goes_by_rules(&told), "{told:#}");
    story
}

/// Whether a step says that it has no score.
fn goes_by_rules(told: &Value) -> bool {
    told["notices"].as_array().unwrap().iter().any(|notice| notice["code"] == "N2151")
}

async fn scores(world: &World, story: &Story) -> Value {
    let call = world.read(&world.picc, &function::CLAIM_SCORE_READ);
    view(world.production.read_scores(call, &story.claim_code).await).unwrap()
}

#[tokio::test]
async fn a_step_is_answered_with_its_score_and_the_figures_are_kept_beside_it() {
    let world = World::scored_by(Arc::new(ByLoss::default())).await;
    let story = surveyed(&world).await;
    let told = world.step(&story, "register", &story.registration()).await.unwrap();
    assert_eq!(told["fraudScore"]["band"], json!("low"));
    assert_eq!(told["riskHints"], json!([]));
    let assessment = story.assessment("3000.00", "8000.00");
    let told = world.step(&story, "assess", &assessment).await.unwrap();
    assert_eq!(
        told["fraudScore"],
        json!({ "modelId": Uuid::from_u128(7), "modelVersion": 2, "modelScope": "market",
            "chancePpm": 400_000, "band": "high",
            "reasons": [{ "feature": "vehicleLossFen", "value": "1100000", "oddsPct": 660 }] })
    );
    assert_eq!(word(&told, "/riskHints/0/rule"), "H08");
    assert_eq!(
        word(&told, "/riskHints/0/text"),
        "the fraud score is high (40.00 %) by model 2 of the market: vehicleLossFen is 1100000: \
         odds × 6.60"
    );
    // The same upload again is answered as before, and scored once.
    let again = world.step(&story, "assess", &assessment).await.unwrap();
    assert_eq!(again, told);

    let kept = scores(&world, &story).await;
    let lines = kept["scores"].as_array().unwrap();
    assert_eq!(lines.len(), 2, "{kept:#}");
    assert_eq!((&lines[0]["sequence"], &lines[1]["sequence"]), (&json!(3), &json!(4)));
    assert_eq!(lines[1]["score"], told["fraudScore"]);
    let figures = &lines[1]["features"];
    // Reported an hour after the accident, assessed three hours after that; a Sunday at noon.
    assert_eq!(figures["hoursToReport"], json!(1));
    assert_eq!(figures["hoursToStep"], json!(3));
    assert_eq!(figures["accidentWeekday"], json!("Sunday"));
    assert_eq!((&figures["accidentHour"], &figures["province"]), (&json!(12), &json!("32")));
    assert_eq!((&figures["cause"], &figures["liability"]), (&json!("rear-end"), &json!("main")));
    assert_eq!(figures["estimateFen"], json!(800_000));
    assert_eq!((&figures["thirdVehicles"], &figures["step"]), (&json!(1), &json!("assess")));
    // The registration knew of no assessed loss.
    assert_eq!(lines[0]["features"]["vehicleLossFen"], json!(0));
}

#[tokio::test]
async fn a_scorer_that_hangs_panics_or_has_no_model_costs_a_step_nothing_but_its_score() {
    let scorer = Arc::new(ByLoss::default());
    let world = World::scored_by(scorer.clone()).await;
    let story = surveyed(&world).await;
    world.step(&story, "register", &story.registration()).await.unwrap();
    let mut outcomes = vec![];
    // Without a model nobody is asked and nothing is kept.
    let modes = [
        ("AS-1", PANICS),
        ("AS-2", HAS_NO_MODEL),
        ("AS-3", LOSES_ITS_MODEL),
        ("AS-4", HANGS),
        ("AS-5", HANGS),
    ];
    for (number, mode) in modes {
        scorer.0.store(mode, Ordering::Release);
        let mut assessment = story.assessment("3000.00", "8000.00");
        assessment["businessNo"] = json!(number);
        let told = world.step(&story, "assess", &assessment).await.unwrap();
        assert_eq!((&told["fraudScore"], &told["stage"]), (&Value::Null, &json!("ASSESSED")));
        assert!(goes_by_rules(&told), "{told:#}");
        assert_eq!(told["riskHints"], json!([]));
    }
    // Once it returns, steps are scored again, and the case goes on to its end all the while.
    scorer.0.store(SCORES, Ordering::Release);
    world.step(&story, "documents", &story.documents()).await.unwrap();
    let adjustment = story.adjustment("AD-1", "2000.00", property("2000.00"));
    world.step(&story, "adjust", &adjustment).await.unwrap();
    for line in scores(&world, &story).await["scores"].as_array().unwrap() {
        assert!(line["features"]["hoursSinceStart"].is_number());
        outcomes.push(word(line, "/outcome"));
    }
    assert_eq!(outcomes[..3], ["scored", "failed", "noModel"]);
    // The first that hangs may not even have begun: late or busy, by how threads are dealt out.
    assert!(outcomes[3..5].iter().all(|own| own == "late" || own == "busy"), "{outcomes:?}");
    let Some(last) = outcomes.get(5) else { panic!("{outcomes:?}") };
    assert!(["scored", "busy"].contains(&last.as_str()), "{outcomes:?}");
}

#[tokio::test]
async fn without_anybody_to_ask_steps_say_nothing_of_scores() {
    let world = World::new().await;
    let story = surveyed(&world).await;
    let told = world.step(&story, "register", &story.registration()).await.unwrap();
    assert!(told["fraudScore"].is_null() && !goes_by_rules(&told), "{told:#}");
    assert_eq!(scores(&world, &story).await["scores"], json!([]));
}

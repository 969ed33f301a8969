//! Fraud scores end to end: learnt from the public claims, judged on both splits, published, withdrawn.

use std::sync::Arc;

use actuarial::model::retrain::{DATASET, Labelled, LabelledClaims, RetrainBody};
use actuarial::model::service::{FiguresBody, ModelsAsked, ProposalBody, Verdict};
use actuarial::model::{Band, NotScored};
use actuarial::{ActuarialError, function};
use base_http::{Caller, Problem};
use futures::FutureExt;
use futures::future::BoxFuture;
use jiff::civil::date;
use kernel::TenantId;
use production_core::claim::feature::{CONTRACT, Features, Value as Figure};
use production_core::claim::referral::Finding;
use serde_json::{Map, Value, json};

use crate::support::{World, oracle, pointers, view, word};

/// Names of an oracle's columns.
fn names(oracle: &Value, kind: &str) -> Vec<String> {
    oracle[kind].as_array().unwrap().iter().map(|name| name.as_str().unwrap().to_owned()).collect()
}

/// Four figures live claims have, made of the public claims' columns, with few trees.
fn of_live_figures() -> Value {
    json!({
        "label": "FraudFound_P", "time": "Year", "randomBy": "PolicyNumber",
        "trees": 40, "seeds": 2,
        "derive": [
            { "name": "accidentWeekday", "from": "DayOfWeek", "how": "copy" },
            { "name": "policeTold", "from": "PoliceReportFiled", "how": "scores",
              "scores": { "No": 0, "Yes": 1 } },
            { "name": "liability", "from": "Fault", "how": "groups",
              "groups": { "full": ["Policy Holder"], "none": ["Third Party"] } },
            { "name": "hoursSinceStart", "from": "Days_Policy_Accident", "how": "scores",
              "scores": { "none": 12, "1 to 7": 96, "8 to 15": 276, "15 to 30": 540,
                          "more than 30": 4380 } }],
        "features": [{ "column": "accidentWeekday", "fleeting": true }, { "column": "policeTold" },
            { "column": "liability" }, { "column": "hoursSinceStart" }]
    })
}

/// A claim's figures: the fault of its driver, soon after cover began, or of another.
fn claim(liability: &str, hours: i64) -> Features {
    let word = |text: &str| Figure::Word(text.to_owned());
    let figures = [
        ("accidentWeekday", word("Monday")),
        ("policeTold", Figure::Number(0)),
        ("liability", word(liability)),
        ("hoursSinceStart", Figure::Number(hours)),
    ];
    figures.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// Another client of the same tenant.
fn second(of: &Arc<Caller>) -> Arc<Caller> {
    Arc::new(Caller { client: "checker".into(), ..Caller::clone(of) })
}

impl World {
    async fn propose(&self, caller: &Arc<Caller>, body: Value) -> Result<Value, Problem> {
        let call = self.call(caller, &function::MODEL_PROPOSE);
        let body: ProposalBody = serde_json::from_value(body).unwrap();
        view(self.actuarial.propose_model(call, body, vec![]).await)
    }

    async fn decide(
        &self,
        caller: &Arc<Caller>,
        model: &str,
        verdict: Verdict,
    ) -> Result<Value, Problem> {
        let call = self.call(caller, &function::MODEL_DECIDE);
        let decided = view(self.actuarial.decide_model(call, model, verdict).await);
        self.actuarial.refresh_models().await.unwrap();
        decided
    }
}

#[tokio::test]
async fn the_public_claims_are_scored_as_well_as_wanted_on_both_splits() {
    let Some(oracle) = oracle("fraud_oracle") else { return };
    let world = World::new().await;
    world.import_shared("claims", "fraud/fraud_oracle.csv.gz").await.unwrap();
    let numeric = names(&oracle, "numeric").into_iter().map(|name| json!({ "column": name }));
    let factors = names(&oracle, "categorical").into_iter().map(|name| {
        let fleeting = ["Month", "MonthClaimed"].contains(&name.as_str());
        json!({ "column": name, "asLevels": true, "fleeting": fleeting })
    });
    let features: Vec<Value> =
        numeric.chain(factors).filter(|own| own["column"] != "RepNumber").collect();
    let asked = json!({ "label": "FraudFound_P", "time": "Year", "randomBy": "PolicyNumber",
        "features": features });
    let (run, result) = world.done("fraudScore", "claims", &asked).await;
    for (split, of, target) in [("random", "hash", 0.825), ("latest", "time", 0.758)] {
        let (own, wanted) = (&result[split], &oracle["splits"][of]);
        assert_eq!(own["judgedRows"], wanted["test_rows"]);
        assert_eq!(own["learntRows"], wanted["train_rows"]);
        assert_eq!(own["judgedFraud"], wanted["test_frauds"]);
        let auc = own["auc"].as_f64().unwrap();
        assert!(auc >= target, "{split}: {auc}");
        let bands = own["calibration"].as_array().unwrap();
        let rows: u64 = bands.iter().map(|band| band["rows"].as_u64().unwrap()).sum();
        assert_eq!(json!(rows), wanted["test_rows"]);
        // The highest scores hold more fraud than their part, the more so the fewer they are.
        let lift: Vec<f64> = own["top"]
            .as_array()
            .unwrap()
            .iter()
            .rev()
            .map(|top| top["lift"].as_f64().unwrap())
            .collect();
        assert!(lift[0] > 1.5 && lift[2] > lift[0], "{split}: {lift:?}");
    }
    assert_eq!(result["latest"]["from"], json!(1996.0));
    assert_eq!(run["figures"]["randomAuc"], result["random"]["auc"]);
    let page = String::from_utf8(world.report(&word(&run, "runId")).await.unwrap()).unwrap();
    assert!(page.contains("The latest claims") && page.contains("What the score follows"));
    assert!(page.contains("<svg") && !page.contains("NaN"));
    // Its columns are not those of live claims: it may be looked at, not published.
    let refused = world.propose(&world.picc, json!({ "runId": run["runId"] })).await.unwrap_err();
    assert_eq!(refused.code.code, "E5008");
    assert!(refused.detail.contains("Make"), "{}", refused.detail);
}

#[tokio::test]
async fn a_model_scores_claims_from_its_approval_by_another_person_to_its_end() {
    let world = World::new().await;
    let Some(_) = world.import_shared("claims", "fraud/fraud_oracle.csv.gz").await else { return };
    let tenant = world.picc.tenant;
    let score =
        |liability: &str, hours| world.actuarial.score_claim(tenant, &claim(liability, hours));
    assert_eq!(score("full", 12), Err(NotScored::NoModel));

    let (run, _) = world.done("fraudScore", "claims", &of_live_figures()).await;
    let proposal = json!({ "runId": run["runId"], "title": "first", "reviewPpm": 50_000,
        "highPpm": 200_000 });
    let model = world.propose(&world.picc, proposal.clone()).await.unwrap();
    assert_eq!((&model["state"], &model["version"]), (&json!("proposed"), &json!(1)));
    let id = word(&model, "modelId");
    // The proposer may not approve, other tenants do not see it, and a proposal scores nothing.
    let own = world.decide(&world.picc, &id, Verdict::Approve).await.unwrap_err();
    assert_eq!(own.code.code, "E5007");
    let other = world.decide(&world.cpic, &id, Verdict::Approve).await.unwrap_err();
    assert_eq!(other.code.code, "E5000");
    assert_eq!(score("full", 12), Err(NotScored::NoModel));

    let checker = second(&world.picc);
    let model = world.decide(&checker, &id, Verdict::Approve).await.unwrap();
    assert_eq!((&model["state"], &model["decidedBy"]), (&json!("inForce"), &json!("checker")));
    let (fault, none) = (score("full", 12).unwrap(), score("none", 4380).unwrap());
    assert_eq!((fault.model.to_string(), fault.version), (id.clone(), 1));
    // 7.9 of 100 claims with the policyholder at fault were fraud, 0.9 of the others, 6.0 of all: forty
    // trees of small steps go part of the way from the last to the first two.
    assert!((60_000..300_000).contains(&fault.spoken.chance_ppm), "{fault:?}");
    assert!(none.spoken.chance_ppm < 40_000, "{none:?}");
    assert_eq!(none.spoken.band, Band::Low);
    assert!(fault.spoken.band >= Band::Review);
    assert!(none.spoken.reasons.iter().any(|own| own.feature == "liability" && own.odds_pct < 60));
    let fewer = claim("full", 12).into_iter().filter(|own| own.0 != "policeTold").collect();
    assert_eq!(world.actuarial.score_claim(tenant, &fewer), Err(NotScored::Missing));
    // A tenant's model is its own.
    let others = world.actuarial.score_claim(world.cpic.tenant, &claim("full", 12));
    assert_eq!(others, Err(NotScored::NoModel));

    // What was said can be computed again by the model's name.
    let figures = json!({ "accidentWeekday": "Monday", "policeTold": 0, "liability": "full",
        "hoursSinceStart": 12 });
    let features: Map<String, Value> = serde_json::from_value(figures).unwrap();
    let call = world.read(&world.picc, &function::MODEL_SCORE);
    let body = FiguresBody { features: Some(features) };
    let again = view(world.actuarial.score_by_model(call, &id, &body).await).unwrap();
    assert_eq!(again["chancePpm"], json!(fault.spoken.chance_ppm));

    // A second version replaces the first, told how the first does on the same latest rows.
    let mut parameters = of_live_figures();
    parameters["champion"] = json!(id);
    parameters["linear"] = json!(0.3);
    let (run, result) = world.done("fraudScore", "claims", &parameters).await;
    let champion = &result["champion"];
    assert_eq!(champion["challengerAuc"], result["latest"]["auc"]);
    // The champion knows the latest rows, which it learnt from: it orders them at least as well.
    assert!(champion["auc"].as_f64() >= champion["challengerAuc"].as_f64().map(|auc| auc - 0.02));
    let next = world.propose(&checker, json!({ "runId": run["runId"] })).await.unwrap();
    assert_eq!(next["comparison"], *champion);
    let next = word(&next, "modelId");
    world.decide(&world.picc, &next, Verdict::Approve).await.unwrap();
    assert_eq!(score("full", 12).unwrap().version, 2);
    let call = world.read(&world.picc, &function::MODEL_READ);
    let listed = view(world.actuarial.list_models(call, ModelsAsked::default()).await).unwrap();
    let states: Vec<&Value> =
        listed["items"].as_array().unwrap().iter().map(|own| &own["state"]).collect();
    assert_eq!(states, ["inForce", "replaced"]);

    let call = world.call(&world.picc, &function::MODEL_WITHDRAW);
    let reason = "false alarms".to_owned();
    view(world.actuarial.withdraw_model(call, &next, reason).await).unwrap();
    world.actuarial.refresh_models().await.unwrap();
    assert_eq!(score("full", 12), Err(NotScored::NoModel));
    let market = json!({ "runId": run["runId"], "scope": "market" });
    assert_eq!(world.propose(&world.picc, market).await.unwrap_err().code.code, "E5009");
}

#[tokio::test]
async fn a_broken_scorer_is_told_and_a_wrong_request_names_everything() {
    let world = World::new().await;
    let Some(_) = world.import_shared("claims", "fraud/fraud_oracle.csv.gz").await else { return };
    let asked = json!({ "method": "fraudScore", "dataset": "claims", "parameters": {
        "label": "Found", "time": "Month", "leaves": 16, "fraud": [],
        "features": [{ "column": "Fault" }, { "column": "Fault" }], "champion": "first" } });
    let refused = world.start(&world.picc, &asked).await.unwrap_err();
    let mut at = pointers(&refused);
    at.sort_unstable();
    assert_eq!(
        at,
        [
            "/parameters/champion",
            "/parameters/features/1/column",
            "/parameters/fraud",
            "/parameters/label",
            "/parameters/leaves",
            "/parameters/time"
        ]
    );
    let mut few = of_live_figures();
    few["rows"] = json!([{ "column": "PolicyNumber", "most": 40 }]);
    let run = world.run("fraudScore", "claims", &few).await;
    assert_eq!((&run["state"], &run["failure"]["code"]), (&json!("failed"), &json!("E5102")));

    let mut small = of_live_figures();
    (small["trees"], small["seeds"]) = (json!(5), json!(1));
    let (run, _) = world.done("fraudScore", "claims", &small).await;
    let model = world.propose(&world.picc, json!({ "runId": run["runId"] })).await.unwrap();
    world.decide(&second(&world.picc), &word(&model, "modelId"), Verdict::Approve).await.unwrap();
    let tenant = world.picc.tenant;
    assert!(world.actuarial.score_claim(tenant, &claim("full", 12)).is_ok());
    // A server that starts later finds a piece of the result gone: its claims go by rules.
    sqlx::query(
        "delete from actuarial.file_piece p using actuarial.run r \
                 where p.file_id = r.result_file and r.method = 'fraudScore'",
    )
    .execute(&world.test.owner)
    .await
    .unwrap();
    let late = world.restarted();
    late.refresh_models().await.unwrap();
    assert_eq!(late.score_claim(tenant, &claim("full", 12)), Err(NotScored::Broken));
}

/// Investigated claims: fraud where the accident followed soon after cover began and a telephone is known.
struct Found(usize);

impl LabelledClaims for Found {
    fn labelled(&self, _: TenantId) -> BoxFuture<'_, Result<Vec<Labelled>, ActuarialError>> {
        let claim = |number: usize| {
            let soon = number.is_multiple_of(2);
            let hits = i64::from(number.is_multiple_of(3));
            let mut features: Features = CONTRACT
                .iter()
                .map(|own| {
                    let value = match own.is_number {
                        true => Figure::Number((number % 7) as i64),
                        false => Figure::Word("untold".to_owned()),
                    };
                    (own.name.to_owned(), value)
                })
                .collect();
            features
                .insert("hoursSinceStart".to_owned(), Figure::Number(if soon { 30 } else { 900 }));
            features.insert("phoneHits".to_owned(), Figure::Number(hits));
            // Of ten claims both signs point to one is clean, of ten others one is fraud.
            let points = soon && hits == 1;
            let finding = match (points != number.is_multiple_of(10), number % 13) {
                (_, 12) => Finding::Unconfirmed,
                (true, _) => Finding::Confirmed,
                (false, _) => Finding::Clean,
            };
            let day = date(2025, 1, 1).checked_add(jiff::Span::new().days((number / 3) as i64));
            Labelled {
                claim_code: format!("05PICC{number:024}"),
                finding,
                concluded_on: day.unwrap(),
                features,
            }
        };
        let found = (0..self.0).map(claim).collect();
        async move { Ok(found) }.boxed()
    }
}

#[tokio::test]
async fn what_investigators_found_is_learnt_from_once_there_is_enough_of_it() {
    let world = World::new().await;
    let retrain = async |found: usize| {
        let call = world.call(&world.picc, &function::MODEL_RETRAIN);
        let body = RetrainBody::default();
        view(world.actuarial.retrain(&world.door, &Found(found), call, body, vec![]).await)
    };
    assert_eq!(retrain(0).await.unwrap_err().code.code, "E5011");
    let few = retrain(60).await.unwrap_err();
    assert_eq!(few.code.code, "E5011");
    assert!(few.detail.contains("version 1 of dataset investigated-claims"), "{}", few.detail);
    let run = retrain(600).await.unwrap();
    assert_eq!((&run["dataset"], &run["version"]), (&json!(DATASET), &json!(2)));
    world.work_on_run().await;
    let run = world.look(&world.picc, &word(&run, "runId")).await.unwrap();
    assert_eq!(run["state"], "done", "{run}");
    // Four in five of those both signs point to are fraud, one in twelve of the others: told apart on conclusions later than those it learnt from.
    assert!(run["figures"]["latestAuc"].as_f64().unwrap() > 0.7, "{run}");
    assert_eq!(run["figures"].get("championAuc"), None);

    // It may be proposed, and challenges itself the next time, on the same version of the same claims.
    let model = world.propose(&world.picc, json!({ "runId": run["runId"] })).await.unwrap();
    world.decide(&second(&world.picc), &word(&model, "modelId"), Verdict::Approve).await.unwrap();
    let next = retrain(600).await.unwrap();
    assert_eq!(next["version"], json!(2));
    assert_eq!(next["parameters"]["champion"], model["modelId"]);
    world.work_on_run().await;
    let next = world.look(&world.picc, &word(&next, "runId")).await.unwrap();
    assert!(next["figures"]["championAuc"].as_f64().unwrap() > 0.7, "{next}");
    assert_eq!(next["figures"]["latestAuc"], run["figures"]["latestAuc"]);
}

//! What the clearing cloud is asked of the way a loss is settled, and what a refusal leaves.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use futures::FutureExt;
use futures::future::BoxFuture;
use jiff::Timestamp;
use kernel::{Clock, Fen};
use pg::Tx;
use production::claim::{
    CodedPayment, How, NoLocks, RecoveryLock, RecoveryLocks, Settling, Taken, TouchedCase, Way,
};
use production::error::ProductionError;
use production_core::claim::{PaidForOthers, PaidLoss};
use production_core::mark::VehicleMark;
use production_core::number::{NumberKind, PlatformNumber};
use production_core::plate::{Plate, PlateKind};
use production_core::region::Region;
use serde_json::json;

use crate::claim_story::{Story, property};
use crate::support::{PLATE, VIN, World, compulsory, noon};

/// A clearing cloud that says what it is told to say.
#[derive(Default)]
struct Clearing {
    first: Mutex<Option<Taken>>,
    /// The only case refused, when there is one.
    refused: Mutex<Option<String>>,
    asked: Mutex<Vec<PaidForOthers>>,
    mutual: Mutex<Vec<Option<Plate>>>,
    reopened: Mutex<Vec<PlatformNumber>>,
}

impl RecoveryLocks for Clearing {
    fn knows_codes(&self) -> bool {
        false
    }

    fn touching<'a>(
        &'a self,
        tx: &'a mut Tx,
        cases: &'a [TouchedCase],
    ) -> BoxFuture<'a, Result<Vec<Vec<RecoveryLock>>, ProductionError>> {
        NoLocks.touching(tx, cases)
    }

    fn settle<'a>(
        &'a self,
        _tx: &'a mut Tx,
        cases: &'a [Settling],
        _now: Timestamp,
    ) -> BoxFuture<'a, Result<Vec<Option<Taken>>, ProductionError>> {
        for Settling { case, how } in cases {
            match how {
                How::Mutually => self.mutual.lock().unwrap().push(case.plate.clone()),
                How::Directly { paid, .. } => self.asked.lock().unwrap().push(paid.clone()),
            }
        }
        let (first, refused) = (*self.first.lock().unwrap(), self.refused.lock().unwrap().clone());
        let is_refused = |case: &Settling| {
            refused.as_ref().is_none_or(|refused| *refused == case.case.claim_no.to_string())
        };
        let others = cases.iter().map(|case| first.filter(|_| is_refused(case))).collect();
        async move { Ok(others) }.boxed()
    }

    fn reopen<'a>(
        &'a self,
        tx: &'a mut Tx,
        claim_no: PlatformNumber,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<(), ProductionError>> {
        self.reopened.lock().unwrap().push(claim_no);
        NoLocks.reopen(tx, claim_no, now)
    }

    fn paid<'a>(
        &'a self,
        tx: &'a mut Tx,
        payments: &'a [CodedPayment],
        now: Timestamp,
    ) -> BoxFuture<'a, Result<(), ProductionError>> {
        NoLocks.paid(tx, payments, now)
    }
}

/// A code CPIC recovers under.
fn recovery_code(story: &Story) -> PlatformNumber {
    let claim = PlatformNumber::parse(&story.claim_code).unwrap();
    let cpic = production_core::insurer::InsurerCode::parse("CPIC").unwrap();
    let kind = NumberKind::Recovery;
    PlatformNumber::new(kind, cpic, Region::Jiangsu, 2025, claim.slot(), 7).unwrap()
}

/// Cases under one policy, each of its own day, documented.
async fn documented(world: &World, cases: i8) -> Vec<Story> {
    let sale = world.insure(&world.picc, &compulsory(world.clock.now(), VIN, PLATE)).await;
    let confirm_code = sale.compulsory.unwrap();
    world.clock.set(noon(2025, 7, 1));
    let mut stories = Vec::new();
    for case in 0..cases {
        let at = noon(2025, 6, 1 + case);
        let mut story = Story::new(&world.picc, &confirm_code, &format!("R-{case}"), at);
        let report = story.report();
        world.report(&mut story, &report).await.unwrap();
        world.documented(&story).await;
        stories.push(story);
    }
    stories
}

#[tokio::test]
async fn of_steps_that_come_together_those_are_refused_whose_loss_goes_another_way() {
    let clearing = Arc::new(Clearing::default());
    let world = World::with_locks(clearing.clone()).await;
    let stories = documented(&world, 8).await;
    let refused = &stories[3];
    *clearing.refused.lock().unwrap() = Some(refused.claim_code.clone());
    *clearing.first.lock().unwrap() =
        Some(Taken { way: Way::Recovery, number: recovery_code(refused) });
    // Two adjustments of every case, so that a set may have both.
    let adjusted = stories.iter().flat_map(|story| ["AD-1", "AD-2"].map(|number| (story, number)));
    let adjusted = adjusted.map(async |(story, number)| {
        let adjustment = story.adjustment(number, "1000.00", property("1000.00"));
        (story, world.step(story, "adjust", &adjustment).await)
    });
    let outcomes = futures::future::join_all(adjusted).await;
    let mut sequences: BTreeMap<&str, BTreeSet<i64>> = BTreeMap::new();
    for (story, outcome) in &outcomes {
        match outcome {
            Err(problem) => {
                assert_eq!(story.claim_code, refused.claim_code, "{}", problem.detail);
                assert_eq!(problem.code.code, "E2054");
            }
            Ok(taken) => {
                let sequence = taken["sequence"].as_i64().unwrap();
                sequences.entry(&story.claim_code).or_default().insert(sequence);
            }
        }
    }
    let taken: Vec<&BTreeSet<i64>> = sequences.values().collect();
    assert_eq!(taken, [&BTreeSet::from([6, 7]); 7], "and none of the refused case");
    let refused_twice = outcomes.iter().filter(|(_, outcome)| outcome.is_err()).count();
    assert_eq!(refused_twice, 2);
    // The second adjustment of a case was asked about with what the first left: both losses.
    let asked = clearing.asked.lock().unwrap();
    let pays = |fen| {
        let paid = |asked: &&PaidForOthers| asked.losses.iter().all(|loss| loss.amount == Fen(fen));
        asked.iter().filter(paid).count()
    };
    assert_eq!((pays(100_000), pays(200_000)), (9, 7));
}

#[tokio::test]
async fn a_reopening_gives_back_the_mutual_way_where_the_closing_took_it() {
    let clearing = Arc::new(Clearing::default());
    let world = World::with_locks(clearing.clone()).await;
    let [mutual, other] = documented(&world, 2).await.try_into().ok().unwrap();
    for (story, is_mutual) in [(&mutual, true), (&other, false)] {
        let mut assessment = story.assessment("1000.00", "2000.00");
        assessment["businessNo"] = "AS-2".into();
        assessment["approvedAt"] = story.after(5).into();
        world.step(story, "assess", &assessment).await.unwrap();
        let adjustment = story.adjustment("AD-1", "2000.00", property("2000.00"));
        world.step(story, "adjust", &adjustment).await.unwrap();
        let mut closing = story.closing("CL-1", "2000.00", "2");
        closing["mutual"] = is_mutual.into();
        world.step(story, "close", &closing).await.unwrap();
        world.step(story, "reopen", &story.reopening("RO-1", 8)).await.unwrap();
    }
    let plate = Plate::parse(PLATE, PlateKind::Small).unwrap();
    assert_eq!(*clearing.mutual.lock().unwrap(), [Some(plate)]);
    let reopened: Vec<String> =
        clearing.reopened.lock().unwrap().iter().map(ToString::to_string).collect();
    assert_eq!(reopened, [mutual.claim_code.as_str()]);
}

#[tokio::test]
async fn an_adjustment_for_anothers_vehicle_is_refused_where_its_loss_is_recovered() {
    let clearing = Arc::new(Clearing::default());
    let world = World::with_locks(clearing.clone()).await;
    let sale = world.insure(&world.picc, &compulsory(world.clock.now(), VIN, PLATE)).await;
    world.pass(24 * 30);
    let mut story = Story::new(&world.picc, &sale.compulsory.unwrap(), "R-1", world.clock.now());
    world.pass(12);
    let report = story.report();
    world.report(&mut story, &report).await.unwrap();
    world.documented(&story).await;
    assert_eq!(*clearing.asked.lock().unwrap(), [], "nothing is paid yet");

    // CPIC recovers for the other car; the survey told its plate.
    let code = recovery_code(&story);
    *clearing.first.lock().unwrap() = Some(Taken { way: Way::Recovery, number: code });
    let adjustment = story.adjustment("AD-1", "2000.00", property("2000.00"));
    let refused = world.step(&story, "adjust", &adjustment).await.unwrap_err();
    assert_eq!(refused.code.code, "E2054");
    let document = serde_json::to_value(refused.document(None)).unwrap();
    assert_eq!(document["settledBy"], json!({ "way": "recovery", "recoveryCode": code }));
    let marks = vec![VehicleMark::of_plate(&Plate::parse("苏B77777", PlateKind::Small).unwrap())];
    let paid = PaidForOthers {
        losses: vec![PaidLoss { marks, amount: Fen(200_000) }],
        by_code: Vec::new(),
    };
    assert_eq!(*clearing.asked.lock().unwrap(), std::slice::from_ref(&paid));

    // The refused step left nothing: the same one is taken once the way is free, and is the sixth.
    *clearing.first.lock().unwrap() = None;
    let taken = world.step(&story, "adjust", &adjustment).await.unwrap();
    assert_eq!(taken["sequence"], 6);
    assert_eq!(clearing.asked.lock().unwrap().len(), 2);
    // Answered as before, nobody is asked anew; what changes nothing of it asks nobody either.
    world.step(&story, "adjust", &adjustment).await.unwrap();
    let cancel = json!({ "cancelledAt": story.after(7), "kind": "2", "reason": "重复报案" });
    world.step(&story, "survey", &story.survey("2")).await.unwrap();
    assert_eq!(clearing.asked.lock().unwrap().len(), 2);
    world.step(&story, "cancel", &story.other("CN-1", cancel)).await.unwrap();
    assert_eq!(clearing.asked.lock().unwrap().last(), Some(&PaidForOthers::default()));
    let facts: String = sqlx::query_scalar(
        "select facts::text from production.claim_step where claim_no = $1 and facts->>'step' = 'survey'",
    )
    .bind(&story.claim_code)
    .fetch_one(&world.test.owner)
    .await
    .unwrap();
    assert!(facts.contains("marks") && !facts.contains("苏B77777"), "{facts}");
}

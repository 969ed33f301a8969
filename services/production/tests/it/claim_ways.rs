//! What the clearing cloud is asked of the way a loss is settled, and what a refusal leaves.

use std::sync::{Arc, Mutex};

use futures::FutureExt;
use futures::future::BoxFuture;
use jiff::Timestamp;
use kernel::{Clock, Fen};
use pg::Tx;
use production::claim::{
    CodedPayment, NoLocks, RecoveryLock, RecoveryLocks, Taken, TouchedCase, Way,
};
use production::error::ProductionError;
use production_core::claim::{PaidForOthers, PaidLoss};
use production_core::mark::VehicleMark;
use production_core::number::{NumberKind, PlatformNumber};
use production_core::plate::{Plate, PlateKind};
use production_core::region::Region;
use serde_json::json;

use crate::claim_story::{Story, property};
use crate::support::{PLATE, VIN, World, compulsory};

/// A clearing cloud that says what it is told to say.
#[derive(Default)]
struct Clearing {
    first: Mutex<Option<Taken>>,
    asked: Mutex<Vec<PaidForOthers>>,
    mutual: Mutex<Vec<Option<Plate>>>,
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

    fn settle_mutually<'a>(
        &'a self,
        _tx: &'a mut Tx,
        case: &'a TouchedCase,
        _now: Timestamp,
    ) -> BoxFuture<'a, Result<Option<Taken>, ProductionError>> {
        self.mutual.lock().unwrap().push(case.plate.clone());
        async move { Ok(*self.first.lock().unwrap()) }.boxed()
    }

    fn settle_directly<'a>(
        &'a self,
        _tx: &'a mut Tx,
        _case: &'a TouchedCase,
        paid: &'a PaidForOthers,
        _now: Timestamp,
    ) -> BoxFuture<'a, Result<Option<Taken>, ProductionError>> {
        self.asked.lock().unwrap().push(paid.clone());
        async move { Ok(*self.first.lock().unwrap()) }.boxed()
    }

    fn reopen<'a>(
        &'a self,
        tx: &'a mut Tx,
        claim_no: PlatformNumber,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<(), ProductionError>> {
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
    let claim = PlatformNumber::parse(&story.claim_code).unwrap();
    let cpic = production_core::insurer::InsurerCode::parse("CPIC").unwrap();
    let kind = NumberKind::Recovery;
    let code = PlatformNumber::new(kind, cpic, Region::Jiangsu, 2025, claim.slot(), 7).unwrap();
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

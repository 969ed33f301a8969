//! A vehicle's loss is settled once, whichever way is gone first.

use base_http::{Caller, Problem};
use clearing::function;
use clearing::recovery::route::{self, How, Route, Settling, Taken, Way};
use jiff::{SignedDuration, Timestamp};
use kernel::{Clock, Fen};
use pg::{Scope, Tx};
use production_core::claim::{Liability, PaidForOthers, PaidLoss};
use production_core::mark::VehicleMark;
use production_core::number::PlatformNumber;
use production_core::plate::{Plate, PlateKind};
use serde_json::{Value, json};

use crate::register::{accident_at, frame};
use crate::world::{World, view};

const OWN: &str = "LSVAM4187C2184847";
const OWN_PLATE: &str = "苏B77777";
const OTHER: &str = "1M8GDM9AXKP042788";
const PLATE: &str = "苏A12345";

/// PICC may recover the loss of one car from both policies of the other, which are PAIC's; PAIC has a
/// claim under each of them.
struct Accident {
    world: World,
    recovering: PlatformNumber,
    /// Compulsory and commercial.
    policies: [PlatformNumber; 2],
    paying: [PlatformNumber; 2],
}

fn frame_mark() -> Vec<VehicleMark> {
    vec![VehicleMark::of_frame(&frame(OWN))]
}

fn plate_mark() -> Vec<VehicleMark> {
    vec![VehicleMark::of_plate(&Plate::parse(OWN_PLATE, PlateKind::Small).unwrap())]
}

fn pays(marks: Vec<VehicleMark>, amount: i64, by_code: &[(&str, i64)]) -> PaidForOthers {
    PaidForOthers {
        losses: vec![PaidLoss { marks, amount: Fen(amount) }],
        by_code: by_code.iter().map(|(code, fen)| ((*code).to_owned(), Fen(*fen))).collect(),
    }
}

impl Accident {
    async fn new() -> Accident {
        let world = World::new().await;
        let policies = [
            world.register.insure(&world.paic, OTHER, PLATE, None),
            world.register.insure(&world.paic, OTHER, PLATE, Some("1000000.00")),
        ];
        let recovering = world.register.claim(&world.picc, OWN, Liability::Minor);
        world.register.carry(recovering, OWN_PLATE);
        let paying = [0, 1].map(|_| world.register.claim(&world.paic, OTHER, Liability::Main));
        Accident { world, recovering, policies, paying }
    }

    async fn lock(&self, from: &str) -> Result<Value, Problem> {
        let lock = json!({ "claimCode": self.recovering, "from": from,
                           "vehicle": { "plate": PLATE } });
        let call = self.world.call(&self.world.picc, &function::RECOVERY_LOCK);
        let body = serde_json::from_value(lock).unwrap();
        view(self.world.clearing.lock_recovery(call, &body).await)
    }

    async fn begin(&self, caller: &Caller) -> Tx {
        self.world.test.db.begin(Scope::of(caller.tenant)).await.unwrap()
    }

    /// What PAIC's claim under its compulsory (0) or commercial (1) policy pays.
    async fn pay(&self, under: usize, paid: &PaidForOthers) -> Option<Taken> {
        let mut tx = self.begin(&self.world.paic).await;
        let taken = self.pay_in(&mut tx, under, paid).await;
        tx.commit().await.unwrap();
        taken
    }

    async fn pay_in(&self, tx: &mut Tx, under: usize, paid: &PaidForOthers) -> Option<Taken> {
        let paying = self.paying(under, paid);
        route::settle(tx, &[paying], self.world.clock.now()).await.unwrap()[0]
    }

    fn paying<'a>(&self, under: usize, paid: &'a PaidForOthers) -> Settling<'a> {
        Settling {
            claim_no: self.paying[under],
            tenant: self.world.paic.tenant,
            confirm_no: self.policies[under],
            accident_at: accident_at() + SignedDuration::from_mins(20),
            how: How::Directly { paid, again: true },
        }
    }

    /// PAIC closes a claim of the liable vehicle, or PICC one of the damaged one, as 互碰自赔.
    async fn close_mutually(
        &self,
        caller: &Caller,
        vin: &str,
        holder: PlatformNumber,
        at: Timestamp,
    ) -> Option<Taken> {
        let mut tx = self.begin(caller).await;
        let way = Way {
            marks: &[VehicleMark::of_frame(&frame(vin))],
            accident_at: at,
            route: Route::Mutual,
            payer: None,
            holder: &holder.to_string(),
            tenant: caller.tenant,
        };
        let taken = route::take(&mut tx, &way, self.world.clock.now()).await.unwrap();
        tokio::task::yield_now().await;
        tx.commit().await.unwrap();
        taken
    }
}

fn code_of(locked: &Value) -> PlatformNumber {
    PlatformNumber::parse(locked["recoveryCode"].as_str().unwrap()).unwrap()
}

#[tokio::test]
async fn a_lock_is_refused_by_what_the_liable_policy_paid_and_names_the_claim_with_a_look() {
    let accident = Accident::new().await;
    let world = &accident.world;
    // The paying side saw the plate alone; the recovering side knows frame number and plate.
    assert_eq!(accident.pay(1, &pays(plate_mark(), 1_000_000, &[])).await, None);
    let before = world.memory.all().len();
    let refused = accident.lock("2").await.unwrap_err();
    assert_eq!(refused.code.code, "E4103");
    let document = serde_json::to_value(refused.document(None)).unwrap();
    assert_eq!(document["settledBy"], json!({ "way": "direct", "claimCode": accident.paying[1] }));
    let recorded = world.memory.all();
    let shown = &recorded[before..].last().unwrap().shown;
    assert_eq!(
        (shown[0].owner.as_str(), shown[0].subject.clone()),
        ("PAIC", accident.paying[1].to_string())
    );
    // The compulsory policy paid nothing: from it the loss is recovered.
    accident.lock("1").await.unwrap();
    // Once the claim pays for it no more, the lock is free.
    assert_eq!(accident.pay(1, &PaidForOthers::default()).await, None);
    accident.lock("2").await.unwrap();
}

#[tokio::test]
async fn what_a_recovery_covers_is_paid_under_its_code_alone() {
    let accident = Accident::new().await;
    let locked = accident.lock("2").await.unwrap();
    let code = code_of(&locked);
    let by_recovery = Some(Taken { route: Route::Recovery, number: code });
    let text = code.to_string();
    for marks in [frame_mark(), plate_mark(), Vec::new()] {
        let directly = pays(marks.clone(), 1_260_000, &[]);
        assert_eq!(accident.pay(1, &directly).await, by_recovery, "{marks:?}");
        let under_it = pays(marks.clone(), 1_260_000, &[(&text, 1_260_000)]);
        assert_eq!(accident.pay(1, &under_it).await, None, "{marks:?}");
        let more = pays(marks.clone(), 1_260_001, &[(&text, 1_260_000)]);
        assert_eq!(accident.pay(1, &more).await, by_recovery, "{marks:?}");
    }
    // Another vehicle of the accident, and another policy's share of this one.
    let other = vec![VehicleMark::of_text("another vehicle")];
    assert_eq!(accident.pay(1, &pays(other, 300_000, &[])).await, None);
    assert_eq!(accident.pay(0, &pays(frame_mark(), 200_000, &[])).await, None);
    // The liable vehicle's own loss is its owner's to be paid for, by the other side too.
    let mut tx = accident.begin(&accident.world.picc).await;
    let back = pays(vec![VehicleMark::of_frame(&frame(OTHER))], 500_000, &[]);
    let paying = Settling {
        claim_no: accident.recovering,
        tenant: accident.world.picc.tenant,
        confirm_no: accident.policies[0],
        accident_at: accident_at(),
        how: How::Directly { paid: &back, again: false },
    };
    let now = accident.world.clock.now();
    assert_eq!(route::settle(&mut tx, &[paying], now).await.unwrap(), [None]);
}

#[tokio::test]
async fn of_a_lock_and_a_direct_payment_at_once_one_wins() {
    let accident = Accident::new().await;
    for round in 0..12 {
        let paid = pays(if round % 2 == 0 { frame_mark() } else { plate_mark() }, 70_000, &[]);
        let pay = async {
            let mut tx = accident.begin(&accident.world.paic).await;
            if round % 3 == 0 {
                tokio::task::yield_now().await;
            }
            let taken = accident.pay_in(&mut tx, 1, &paid).await;
            tokio::task::yield_now().await;
            tx.commit().await.unwrap();
            taken
        };
        let (taken, locked) = tokio::join!(pay, accident.lock("2"));
        assert_eq!(taken.is_none(), locked.is_err(), "round {round}: {taken:?} {locked:?}");
        match locked {
            Ok(locked) => {
                let code = code_of(&locked);
                assert_eq!(taken, Some(Taken { route: Route::Recovery, number: code }));
                let call = accident.world.call(&accident.world.picc, &function::RECOVERY_CANCEL);
                let cause = serde_json::from_value(json!({ "cause": "锁定有误" })).unwrap();
                let cancelled =
                    accident.world.clearing.cancel_recovery(call, &code.to_string(), &cause).await;
                view(cancelled).unwrap();
            }
            Err(refused) => {
                assert_eq!(refused.code.code, "E4103");
                assert_eq!(accident.pay(1, &PaidForOthers::default()).await, None);
            }
        }
    }
}

#[tokio::test]
async fn a_refused_payment_changes_nothing_of_what_the_claim_pays() {
    let accident = Accident::new().await;
    let other = VehicleMark::of_text("another vehicle");
    assert_eq!(accident.pay(1, &pays(vec![other], 300_000, &[])).await, None);
    let code = code_of(&accident.lock("2").await.unwrap());
    let both = PaidForOthers {
        losses: vec![
            PaidLoss { marks: frame_mark(), amount: Fen(1) },
            PaidLoss { marks: vec![VehicleMark::of_text("a third")], amount: Fen(1) },
        ],
        by_code: Vec::new(),
    };
    let taken = accident.pay(1, &both).await;
    assert_eq!(taken, Some(Taken { route: Route::Recovery, number: code }));
    let held: Vec<Vec<u8>> = sqlx::query_scalar(
        "select vehicle from clearing.accident_route where route = 'direct' and released_at is null",
    )
    .fetch_all(&accident.world.test.owner)
    .await
    .unwrap();
    assert_eq!(held, [other.bytes().to_vec()]);
}

#[tokio::test]
async fn claims_that_settle_together_are_answered_as_if_one_after_the_other() {
    let accident = Accident::new().await;
    let code = code_of(&accident.lock("2").await.unwrap());
    let vehicle = |text| vec![VehicleMark::of_text(text)];
    let mutual = |marks: &[VehicleMark]| Settling {
        how: How::Mutually(marks.to_vec()),
        ..accident.paying(0, &NOTHING)
    };
    // What the refused one had of the third vehicle is free for the next.
    let third = vehicle("a third");
    let both = PaidForOthers {
        losses: vec![
            PaidLoss { marks: frame_mark(), amount: Fen(1) },
            PaidLoss { marks: third.clone(), amount: Fen(1) },
        ],
        by_code: Vec::new(),
    };
    let settle = async |together: &[Settling<'_>]| {
        let mut tx = accident.begin(&accident.world.paic).await;
        let now = accident.world.clock.now();
        let others = route::settle(&mut tx, together, now).await.unwrap();
        tx.commit().await.unwrap();
        others
    };
    let others = settle(&[accident.paying(1, &both), mutual(&third)]).await;
    assert_eq!(others, [Some(Taken { route: Route::Recovery, number: code }), None]);
    // Of two that exclude each other the first wins.
    let fourth = vehicle("a fourth");
    let paid = pays(fourth.clone(), 1, &[]);
    let others = settle(&[mutual(&fourth), accident.paying(1, &paid)]).await;
    assert_eq!(others, [None, Some(Taken { route: Route::Mutual, number: accident.paying[0] })]);
    let fifth = pays(vehicle("a fifth"), 1, &[]);
    assert_eq!(settle(&[accident.paying(1, &fifth), mutual(&third)]).await, [None, None]);
    assert_eq!(settle(&[]).await, []);
}

/// Pays for no vehicle of others.
static NOTHING: PaidForOthers = PaidForOthers { losses: Vec::new(), by_code: Vec::new() };

#[tokio::test]
async fn an_accident_goes_one_way_whoever_is_faster() {
    let accident = Accident::new().await;
    let world = &accident.world;
    // PAIC closes its claim as a mutual collision while PICC locks its policy: one of them wins.
    let at = accident_at() + SignedDuration::from_mins(20);
    let mutual = accident.close_mutually(&world.paic, OTHER, accident.paying[0], at);
    let (mutual, locked) = tokio::join!(mutual, accident.lock("2"));
    assert_eq!(mutual.is_none(), locked.is_err(), "{locked:?}");
    if let Err(refused) = locked {
        assert_eq!(refused.code.code, "E4103");
    }
    // Another day is another accident.
    let vehicle = [VehicleMark::of_frame(&frame(OTHER))];
    let holder = accident.paying[1].to_string();
    let mut tx = accident.begin(&world.paic).await;
    for (hours, route, free) in
        [(25, Route::Mutual, true), (26, Route::Recovery, false), (-25, Route::Recovery, true)]
    {
        let way = Way {
            marks: &vehicle,
            accident_at: accident_at() + SignedDuration::from_hours(hours),
            route,
            payer: None,
            holder: &holder,
            tenant: world.paic.tenant,
        };
        let taken = route::take(&mut tx, &way, world.clock.now()).await.unwrap();
        assert_eq!(taken.is_none(), free, "{hours}");
    }
    // Given back, the other way is free.
    route::reopen(&mut tx, accident.paying[1], world.clock.now()).await.unwrap();
    let way = Way {
        marks: &vehicle,
        accident_at: accident_at() + SignedDuration::from_hours(26),
        route: Route::Recovery,
        payer: None,
        holder: &holder,
        tenant: world.paic.tenant,
    };
    assert_eq!(route::take(&mut tx, &way, world.clock.now()).await.unwrap(), None);
}

#[tokio::test]
async fn a_mutual_collision_and_a_direct_payment_of_one_loss_exclude_each_other() {
    let accident = Accident::new().await;
    let world = &accident.world;
    assert_eq!(accident.pay(1, &pays(frame_mark(), 100_000, &[])).await, None);
    let close = || accident.close_mutually(&world.picc, OWN, accident.recovering, accident_at());
    assert_eq!(close().await, Some(Taken { route: Route::Direct, number: accident.paying[1] }));
    assert_eq!(accident.pay(1, &PaidForOthers::default()).await, None);
    assert_eq!(close().await, None);
    assert_eq!(
        accident.pay(1, &pays(frame_mark(), 100_000, &[])).await,
        Some(Taken { route: Route::Mutual, number: accident.recovering })
    );
}

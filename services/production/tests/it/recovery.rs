//! What recovery between insurers asks of production, and what it tells.

use base_http::Caller;
use jiff::{SignedDuration, Timestamp};
use kernel::Clock;
use pg::Scope;
use production::lookup::recovery::{RecoveryMoved, VehicleTold};
use production_core::adjustment::recovery::RecoveryFrom;
use production_core::frame::{FrameForm, FrameNo};
use production_core::number::{NumberKind, PlatformNumber};
use production_core::plate::PlateKind;
use production_core::region::Region;
use serde_json::json;

use crate::claim_story::Story;
use crate::support::{PLATE, VIN, World, car, compulsory, message, noon};

fn plate(number: &str) -> VehicleTold {
    VehicleTold { plate: Some((number.to_owned(), None)), ..VehicleTold::default() }
}

#[tokio::test]
async fn a_cover_is_found_by_what_the_vehicle_carried_when_it_happened() {
    let world = World::new().await;
    let first = world.insure(&world.picc, &message(world.clock.now(), VIN, PLATE)).await;
    // A year on the car is insured elsewhere.
    world.pass(24 * 365);
    let second = world.insure(&world.cpic, &compulsory(world.clock.now(), VIN, PLATE)).await;
    world.pass(24 * 60);
    let now = world.clock.now();
    let at = |days: i64| testkit::start() + SignedDuration::from_hours(24 * days);
    let frame = FrameNo::parse(VIN, FrameForm::VinOnly).unwrap();
    let by_frame = VehicleTold { frame: Some(frame), ..VehicleTold::default() };
    let by_engine =
        |engine: &str| VehicleTold { engine_no: Some(engine.to_owned()), ..VehicleTold::default() };
    let [early, late] = [
        vec![first.compulsory.unwrap(), first.commercial.unwrap()],
        vec![second.compulsory.unwrap()],
    ];
    let rows = [
        (plate(PLATE), at(100), early.clone()),
        (by_frame.clone(), at(100), early.clone()),
        (by_engine("ea211000001"), at(100), early.clone()),
        // Another insurer has it by then, and the platform knows which.
        (plate(PLATE), at(400), late.clone()),
        // Before any cover, another plate, an engine that is not the one of the plate.
        (by_frame, at(0), vec![]),
        (plate("苏B00001"), at(100), vec![]),
        (VehicleTold { engine_no: Some("EA999".into()), ..plate(PLATE) }, at(100), vec![]),
    ];
    // Asked by an insurer that has none of these policies.
    let asker = world.insurer("PAIC", "320000").await;
    for (row, (told, at, mut expected)) in rows.into_iter().enumerate() {
        let mut tx = world.test.db.begin(Scope::of(asker.tenant)).await.unwrap();
        let covers = world.production.covers_then(&mut tx, &told, at, now).await.unwrap();
        let mut found: Vec<String> =
            covers.iter().map(|cover| cover.confirm_no.to_string()).collect();
        found.sort();
        expected.sort();
        assert_eq!(found, expected, "row {row}");
    }
}

/// Day after the test's begin.
fn day(days: i64) -> Timestamp {
    testkit::start() + SignedDuration::from_hours(24 * days)
}

impl World {
    /// Confirm codes of what covered the vehicle at `at`, by everything known now, asked by an insurer
    /// that has none of it.
    async fn covers(&self, asker: &Caller, told: &VehicleTold, at: Timestamp) -> Vec<String> {
        let mut tx = self.test.db.begin(Scope::of(asker.tenant)).await.unwrap();
        let covers =
            self.production.covers_then(&mut tx, told, at, self.clock.now()).await.unwrap();
        let mut found: Vec<String> =
            covers.iter().map(|cover| cover.confirm_no.to_string()).collect();
        found.sort();
        found
    }

    /// The car gets another plate: the police know it, and both policies are endorsed.
    async fn replate(&self, sale: [&str; 2], plate: &str) {
        self.sandbox.load(car(VIN, plate));
        let change = json!({ "kind": "02", "endorseTimes": 1, "reason": "换发号牌",
            "vehicle": { "plate": plate, "plateKind": "02" } });
        for policy in sale {
            let done = self.endorse(&self.picc, policy, &change).await;
            assert_eq!(done["stage"], json!("confirmed"));
        }
    }
}

const NEW_PLATE: &str = "苏A54321";
const OTHER_VIN: &str = "LSVAM4187C2184850";

#[tokio::test]
async fn a_plate_leads_to_the_car_that_carried_it_when_it_happened() {
    let world = World::new().await;
    let first = world.insure(&world.picc, &message(world.clock.now(), VIN, PLATE)).await;
    let mut first = [first.compulsory.unwrap(), first.commercial.unwrap()];
    first.sort();
    // Re-plated on day 60; from day 71 on the old plate is another car's, of another insurer.
    world.pass(24 * 60);
    world.replate([&first[0], &first[1]], NEW_PLATE).await;
    world.pass(24 * 10);
    world.sandbox.load(car(OTHER_VIN, PLATE));
    let second = world.insure(&world.cpic, &compulsory(world.clock.now(), OTHER_VIN, PLATE)).await;
    let second = vec![second.compulsory.unwrap()];
    world.pass(24 * 30);
    let asker = world.insurer("PAIC", "320000").await;
    let frame = FrameNo::parse(VIN, FrameForm::VinOnly).unwrap();
    let of_kind = |number: &str, kind| VehicleTold {
        plate: Some((number.to_owned(), Some(PlateKind::parse(kind).unwrap()))),
        ..VehicleTold::default()
    };
    let both = |number: &str| VehicleTold { frame: Some(frame.clone()), ..plate(number) };
    let (first, none) = (first.to_vec(), Vec::new());
    let rows = [
        // Before the change: the old plate is the car's, the new one nobody's yet.
        (plate(PLATE), 30, &first),
        (plate(NEW_PLATE), 30, &none),
        (both(PLATE), 30, &first),
        (both(NEW_PLATE), 30, &none),
        // After it, before anybody else has the old plate.
        (plate(PLATE), 65, &none),
        (plate(NEW_PLATE), 65, &first),
        (of_kind(NEW_PLATE, "02"), 65, &first),
        (of_kind(NEW_PLATE, "01"), 65, &none),
        (both(PLATE), 65, &none),
        // The old plate is the other car's.
        (plate(PLATE), 90, &second),
        (plate(NEW_PLATE), 90, &first),
        (both(PLATE), 90, &none),
    ];
    for (row, (told, at, expected)) in rows.iter().enumerate() {
        assert_eq!(world.covers(&asker, told, day(*at)).await, **expected, "row {row}");
    }
}

#[tokio::test]
async fn a_plate_two_cars_are_told_to_carry_is_decided_by_what_else_is_told() {
    let world = World::new().await;
    let first = world.insure(&world.picc, &message(world.clock.now(), VIN, PLATE)).await;
    let commercial = first.commercial.unwrap();
    // The compulsory policy is endorsed and the commercial one forgotten; the plate is passed on.
    world.pass(24 * 60);
    world.sandbox.load(car(VIN, NEW_PLATE));
    let change = json!({ "kind": "02", "endorseTimes": 1, "reason": "换发号牌",
        "vehicle": { "plate": NEW_PLATE, "plateKind": "02" } });
    let compulsory_no = first.compulsory.unwrap();
    world.endorse(&world.picc, &compulsory_no, &change).await;
    world.sandbox.load(car(OTHER_VIN, PLATE));
    let second = world.insure(&world.cpic, &compulsory(world.clock.now(), OTHER_VIN, PLATE)).await;
    let second = second.compulsory.unwrap();
    world.pass(24 * 30);
    let asker = world.insurer("PAIC", "320000").await;
    let frame = |vin| Some(FrameNo::parse(vin, FrameForm::VinOnly).unwrap());
    let mut both = vec![commercial.clone(), second.clone()];
    both.sort();
    assert_eq!(world.covers(&asker, &plate(PLATE), day(80)).await, both);
    let told = VehicleTold { frame: frame(OTHER_VIN), ..plate(PLATE) };
    assert_eq!(world.covers(&asker, &told, day(80)).await, [second]);
    let told = VehicleTold { frame: frame(VIN), ..plate(PLATE) };
    assert_eq!(world.covers(&asker, &told, day(80)).await, [commercial]);
    assert_eq!(world.covers(&asker, &plate(NEW_PLATE), day(80)).await, [compulsory_no]);
}

#[tokio::test]
async fn what_was_filed_of_a_claim_is_told_to_others_without_persons_and_places() {
    let world = World::new().await;
    let sale = world.insure(&world.picc, &compulsory(world.clock.now(), VIN, PLATE)).await;
    let confirm_code = sale.compulsory.unwrap();
    let story = world.settled(&world.picc, &confirm_code, "R-1", noon(2025, 6, 1)).await;
    let claim_no = PlatformNumber::parse(&story.claim_code).unwrap();
    let mut tx = world.test.db.begin(Scope::of(world.picc.tenant)).await.unwrap();
    let (row, filed) = world.production.filed_claim(&mut tx, claim_no).await.unwrap();
    assert_eq!((row.report_no.as_str(), row.steps), ("R-1", 8));
    let steps: Vec<&str> = filed.iter().map(|step| step.step).collect();
    let expected =
        ["notify", "survey", "register", "assess", "documents", "adjust", "close", "pay"];
    assert_eq!(steps, expected);
    assert!(filed.iter().map(|step| step.sequence).eq(1..=8));
    let report = &filed[0].message;
    assert_eq!(report["reportNo"], json!("R-1"));
    assert_eq!(report["reporterName"], json!("李*"));
    assert_eq!((&report["place"], &report["description"]), (&json!("***"), &json!("***")));
    assert_eq!(filed[7].message["payees"][0]["account"], json!("621************0123"));
    let text = filed.iter().map(|step| step.message.to_string()).collect::<String>();
    let place = story.report()["place"].as_str().unwrap().to_owned();
    for secret in ["李芳", "王强", "赵查", "13800001234", "6222020200112345678", "C001", &place]
    {
        assert!(!text.contains(secret), "{secret} in {text}");
    }
    drop(tx);
    // Who the claim is hidden from reads nothing of it.
    let mut tx = world.test.db.begin(Scope::of(world.cpic.tenant)).await.unwrap();
    assert!(world.production.filed_claim(&mut tx, claim_no).await.is_err());
}

#[tokio::test]
async fn recovered_money_reaches_the_claim_once_and_the_discount_with_it() {
    let world = World::new().await;
    let mut sold = message(world.clock.now(), VIN, PLATE);
    sold["commercial"]["covers"] = json!([
        { "coverageCode": "M01", "agreedValue": "80000.00" },
        { "coverageCode": "M02", "limitAmount": "1000000.00" } ]);
    let sale = world.insure(&world.picc, &sold).await;
    world.pass(24 * 30);
    // SUB-2: the other side is fully liable, and all 20,000 are recovered.
    let accident_at = world.clock.now();
    let commercial = sale.commercial.unwrap();
    let mut story = Story::new(&world.picc, &commercial, "R-1", accident_at);
    world.pass(12);
    let mut report = story.report();
    report["subrogation"] = json!(true);
    world.report(&mut story, &report).await.unwrap();
    let mut documents = story.documents();
    documents["documents"]
        .as_array_mut()
        .unwrap()
        .push(json!({ "name": "代位求偿案件索赔申请书", "kind": "subrogationApplication" }));
    let covers = json!([{ "coverageCode": "M01", "feeKind": "1", "item": 1,
        "liabilityRate": "0", "loss": "20000.00", "amount": "20000.00" }]);
    let mut adjustment = story.adjustment("AD-1", "20000.00", covers);
    let code = |sequence| {
        let insurer = PlatformNumber::parse(&story.claim_code).unwrap().insurer();
        let slot = PlatformNumber::parse(&story.claim_code).unwrap().slot();
        let kind = NumberKind::Recovery;
        PlatformNumber::new(kind, insurer, Region::Jiangsu, 2025, slot, sequence).unwrap()
    };
    adjustment["adjustments"][0]["recoveries"] = json!([
        { "serialNo": 1, "flag": "1", "kind": "1", "recoveryCode": code(1), "amount": "2000.00" },
        { "serialNo": 2, "flag": "1", "kind": "2", "recoveryCode": code(2), "amount": "18000.00" },
    ]);
    for (step, body) in [
        ("survey", story.survey("5")),
        ("register", story.registration()),
        ("assess", story.assessment("20000.00", "3000.00")),
        ("documents", documents),
        ("adjust", adjustment),
        ("close", story.closing("CL-1", "20000.00", "5")),
        ("pay", story.payment("PY-1", "20000.00")),
    ] {
        world
            .step(&story, step, &body)
            .await
            .unwrap_or_else(|problem| panic!("{step}: {} {:?}", problem.detail, problem.errors));
    }
    let came = |sequence, from, amount: &str| RecoveryMoved {
        tenant: world.picc.tenant,
        claim_no: PlatformNumber::parse(&story.claim_code).unwrap(),
        recovery_code: code(sequence),
        round: 1,
        reversal: None,
        from,
        amount: amount.parse().unwrap(),
        settles: None,
        at: world.clock.now(),
    };
    let stored = async || -> (i32, bool) {
        let sql = "select steps, fully_recovered from production.claim where claim_no = $1";
        let row = sqlx::query_as(sql).bind(&story.claim_code).fetch_one(&world.test.owner);
        row.await.unwrap()
    };
    assert_eq!(stored().await, (8, false));
    world.production.recovery_moved(&came(1, RecoveryFrom::Compulsory, "2000.00")).await.unwrap();
    assert_eq!(stored().await, (9, false));
    let rest = came(2, RecoveryFrom::ThirdParty, "18000.00");
    world.production.recovery_moved(&rest).await.unwrap();
    assert_eq!(stored().await, (10, true));
    // Told again, also later, it is counted once.
    world.pass(24);
    world
        .production
        .recovery_moved(&RecoveryMoved { at: world.clock.now(), ..rest })
        .await
        .unwrap();
    assert_eq!(stored().await, (10, true));

    // Taken back in two parts, each counted once: the discount rests on it no more.
    let back = |number, amount: &str| RecoveryMoved {
        reversal: Some(number),
        ..came(2, RecoveryFrom::ThirdParty, amount)
    };
    for _ in 0..2 {
        world.production.recovery_moved(&back(1, "8000.00")).await.unwrap();
        assert_eq!(stored().await, (11, false));
    }
    world.production.recovery_moved(&back(2, "10000.00")).await.unwrap();
    assert_eq!(stored().await, (12, false));
    let recovered: String =
        sqlx::query_scalar("select facts->>'recovered' from production.claim where claim_no = $1")
            .bind(&story.claim_code)
            .fetch_one(&world.test.owner)
            .await
            .unwrap();
    assert_eq!(recovered.parse::<kernel::Fen>().ok(), Some(kernel::Fen(200_000)), "2,000 stay");
    // Never more than came, and never on the word of an insurer.
    let refused = world.production.recovery_moved(&back(3, "2000.01")).await.unwrap_err();
    assert_eq!(refused.code.code, "E2045", "{}", refused.detail);
    let told = json!({ "confirmCode": story.confirm_code, "reportNo": story.report_no,
        "businessNo": "RC-9", "receivedAt": world.clock.now().to_string(),
        "amount": "-1.00", "kind": "2", "recoveryCode": code(2) });
    let refused = world.step(&story, "recovery", &told).await.unwrap_err();
    assert_eq!(refused.code.code, "E2049", "{}", refused.detail);
    // What comes again counts again.
    let again = RecoveryMoved { round: 2, ..came(2, RecoveryFrom::ThirdParty, "18000.00") };
    world.production.recovery_moved(&again).await.unwrap();
    assert_eq!(stored().await, (13, true));
}

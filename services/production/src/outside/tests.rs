//! The connectors over real HTTP against the sandbox counterparties.

mod claims;

use std::sync::Arc;
use std::time::{Duration, Instant};

use base_http::outbound::{BreakerState, Rules};
use jiff::civil::date;
use jiff::{SignedDuration, Timestamp};
use kernel::{Fen, Ids, SetClock};
use production_core::frame::{FrameForm, FrameNo};
use production_core::history::{Violation, ViolationKind};
use production_core::insurer::InsurerCode;
use production_core::number::{NumberKind, PlatformNumber};
use production_core::plate::{Plate, PlateKind};
use production_core::region::Region;
use production_core::vehicle::{Category, Fuel, PoliceStatus, Usage, VehicleFacts};
use production_rating::{TaxCondition, TaxInput};
use sandbox::fault::Faults;
use sandbox::vehicle::{Arrears, Misdeed, Receipt, Relief, ReliefKind, VehicleRecord};
use sandbox::{Counterparty, Sandbox};

use super::{
    Answer, Ask, Consulted, Outside, Rated, Settings, Snapshots, Source, TaxDeclaration, Verdict,
    Withholding,
};

const VIN: &str = "LSVAM4187C2184847";
const MODEL: &str = "BDZ1600FV7160";

/// Patience no busy machine exhausts, for calls that are expected to succeed.
const AMPLE: Duration = Duration::from_secs(20);

struct Stage {
    sandbox: Sandbox,
    outside: Outside,
    clock: Arc<SetClock>,
}

fn noon(year: i16, month: i8, day: i8) -> Timestamp {
    kernel::time::instant_of(date(year, month, day).at(12, 0, 0, 0)).unwrap()
}

fn car() -> VehicleRecord {
    VehicleRecord::private_car(VIN)
        .plated("京A12345", "02")
        .owned_by("李芳")
        .with_violation(Misdeed::DrunkDriving, noon(2022, 5, 1))
        .with_violation(Misdeed::RedLight, noon(2024, 6, 1))
}

async fn stage() -> Stage {
    stage_with(|_| {}).await
}

async fn stage_with(adjust: impl FnOnce(&mut Settings)) -> Stage {
    let sandbox = sandbox::start(sandbox::Settings::loopback()).await.unwrap();
    sandbox.load(car());
    let url = |addr: std::net::SocketAddr| format!("http://{addr}");
    let addrs = sandbox.addrs;
    let mut settings = Settings::new(url(addrs.police), url(addrs.models), url(addrs.tax));
    settings.quote_budget = AMPLE;
    settings.confirm_budget = AMPLE;
    for source in [&mut settings.police, &mut settings.models, &mut settings.tax] {
        source.outbound.attempt_timeout = AMPLE;
        source.outbound.backoff = Duration::from_millis(1);
        source.outbound.breaker = Rules { failures: 4, probes: 1, ..Rules::default() };
    }
    adjust(&mut settings);
    let clock = Arc::new(SetClock::at(noon(2025, 3, 1)));
    let outside = Outside::new(settings, clock.clone(), Arc::new(Ids::seeded(7))).unwrap();
    Stage { sandbox, outside, clock }
}

fn ask() -> Ask {
    Ask {
        frame: FrameNo::parse(VIN, FrameForm::VinOnly).unwrap(),
        plate: Some(Plate::parse("京A12345", PlateKind::Small).unwrap()),
        violations_since: Some(date(2024, 3, 1)),
        model_code: Some(MODEL.into()),
        tax_year: Some(2025),
    }
}

fn codes(consulted: &Consulted) -> Vec<&str> {
    consulted.notices.iter().map(|notice| notice.code.as_ref()).collect()
}

impl Stage {
    async fn consult(&self, kept: Snapshots) -> Consulted {
        self.outside.consult(&ask(), kept).await
    }

    fn spoil(&self, counterparty: Counterparty, faults: Faults) {
        self.sandbox.set_faults(counterparty, faults);
    }

    fn asked(&self, counterparty: Counterparty) -> u64 {
        self.sandbox.calls(counterparty).total
    }
}

fn down() -> Faults {
    Faults { down: true, ..Faults::default() }
}

/// Facts, violations and tax as a quote would rate them after this consultation.
fn rated(consulted: &Consulted) -> (VehicleFacts, Option<Vec<Violation>>, TaxInput) {
    let stated = VehicleFacts::new(Category::BusUnder6, Usage::PrivateFamily, Fuel::Petrol, 5);
    let facts = consulted.model().map_or(stated.clone(), |model| model.complete(&stated));
    let violations = consulted.registered().map(|vehicle| vehicle.violations.clone());
    let stated = TaxInput::default();
    let tax = consulted.tax_evidence().map_or(stated.clone(), |known| known.complete(&stated));
    (facts, violations, tax)
}

async fn recheck(stage: &Stage, quoted: &Consulted, kept: Snapshots) -> Verdict {
    let (facts, violations, tax) = rated(quoted);
    let rated = Rated {
        at: noon(2025, 3, 1),
        facts: &facts,
        violations: violations.as_deref(),
        tax: Some(&tax),
    };
    stage.outside.recheck(&ask(), &rated, kept).await.verdict
}

#[tokio::test]
async fn all_three_answer_in_our_own_words() {
    let stage = stage().await;
    let authority = ("北京市税务局", "11100000000");
    stage.sandbox.load(
        car()
            .with_receipt(Receipt {
                receipt_no: "SP2025000001".into(),
                year: 2025,
                paid_on: date(2025, 1, 10),
                amount: Fen(42_000),
                authority: authority.0.into(),
                authority_code: authority.1.into(),
            })
            .with_arrears(Arrears { year: 2024, unpaid: Fen(42_000), due_on: date(2024, 12, 31) })
            .with_relief(Relief {
                kind: ReliefKind::Reduced,
                reason_code: "disaster".into(),
                proportion: "0.5".parse().unwrap(),
                document_no: "JM1".into(),
                authority: authority.0.into(),
                authority_code: authority.1.into(),
                from: date(2025, 1, 1),
                to: None,
            }),
    );
    let consulted = stage.consult(Snapshots::default()).await;
    assert_eq!(codes(&consulted), Vec::<&str>::new());
    assert_eq!(consulted.assumed(), []);

    let vehicle = consulted.registered().unwrap();
    assert_eq!((vehicle.usage, vehicle.fuel), (Usage::PrivateFamily, Fuel::Petrol));
    assert_eq!((vehicle.status, vehicle.owner_name.as_str()), (PoliceStatus::Normal, "李芳"));
    let kinds: Vec<ViolationKind> = vehicle.violations.iter().map(|found| found.kind).collect();
    assert_eq!(kinds, [ViolationKind::RedLight]);

    let model = consulted.model().unwrap();
    assert_eq!((model.code.as_str(), model.new_price), (MODEL, Fen(12_000_000)));

    let tax = consulted.tax_evidence().unwrap();
    assert_eq!(tax.paid.as_ref().unwrap().number, "SP2025000001");
    let input = tax.complete(&TaxInput::default());
    assert_eq!((input.unpaid_years, input.derate.unwrap().code), (vec![2024], "disaster".into()));
}

#[tokio::test]
async fn a_fresh_snapshot_saves_the_call_and_reads_back_as_stored() {
    let stage = stage().await;
    let first = stage.consult(Snapshots::default()).await;
    let stored = serde_json::to_string(&first.to_keep()).unwrap();
    let kept: Snapshots = serde_json::from_str(&stored).unwrap();
    assert_eq!(kept, first.to_keep());

    let second = stage.consult(kept.clone()).await;
    assert_eq!(stage.asked(Counterparty::Police), 1);
    assert!(matches!(second.police, Answer::Kept(_)));
    assert_eq!(second.registered(), first.registered());
    assert_eq!(second.to_keep(), Snapshots::default());

    // After a day police and tax are asked again, the library only after a week.
    stage.clock.advance(SignedDuration::from_hours(24));
    let third = stage.consult(kept.clone()).await;
    assert!(matches!(third.police, Answer::Asked(_)) && matches!(third.tax, Answer::Asked(_)));
    assert!(matches!(third.model, Answer::Kept(_)));

    // A snapshot answers its own question only.
    let other = Ask { plate: None, model_code: None, tax_year: Some(2026), ..ask() };
    let fourth = stage.outside.consult(&other, third.to_keep()).await;
    assert!(matches!(fourth.police, Answer::Asked(_)) && matches!(fourth.tax, Answer::Asked(_)));
}

#[tokio::test]
async fn what_the_call_does_not_need_is_not_asked() {
    let stage = stage().await;
    let commercial = Ask { tax_year: None, violations_since: None, ..ask() };
    let consulted = stage.outside.consult(&commercial, Snapshots::default()).await;
    assert_eq!((consulted.tax.clone(), stage.asked(Counterparty::Tax)), (Answer::NotAsked, 0));
    assert_eq!(consulted.registered().unwrap().violations, []);
}

#[tokio::test]
async fn every_fault_of_police_and_tax_leaves_a_quote_with_notices() {
    let none = Faults::default;
    let faults = [
        down(),
        Faults { hang: true, ..none() },
        Faults { close_connection: true, ..none() },
        Faults { malformed: true, ..none() },
        Faults { error_rate: 100, ..none() },
        Faults { latency_ms: 5_000, ..none() },
    ];
    for faults in faults {
        let waits = faults.hang || faults.latency_ms > 0;
        let budget = if waits { Duration::from_millis(40) } else { AMPLE };
        let stage = stage_with(|settings| settings.quote_budget = budget).await;
        stage.spoil(Counterparty::Police, faults.clone());
        stage.spoil(Counterparty::Tax, faults.clone());
        let started = Instant::now();
        let consulted = stage.consult(Snapshots::default()).await;
        assert!(started.elapsed() < Duration::from_secs(5), "{faults:?}");
        assert!(matches!(consulted.police, Answer::Unavailable { .. }), "{faults:?}");
        assert!(matches!(consulted.tax, Answer::Unavailable { .. }), "{faults:?}");
        let assumed = consulted.assumed();
        assert!(assumed.contains(&Source::Police) && assumed.contains(&Source::Tax));
        assert!(codes(&consulted).contains(&"N2102") && codes(&consulted).contains(&"N2122"));
    }
}

#[tokio::test]
async fn an_older_snapshot_stands_in_for_a_dead_police() {
    let stage = stage().await;
    let kept = stage.consult(Snapshots::default()).await.to_keep();
    stage.clock.advance(SignedDuration::from_hours(30));
    stage.spoil(Counterparty::Police, down());
    let consulted = stage.consult(kept).await;
    assert!(matches!(consulted.police, Answer::Stale { why: "unavailable", .. }));
    assert_eq!(consulted.registered().unwrap().owner_name, "李芳");
    assert_eq!(codes(&consulted), ["N2101"]);
    assert!(consulted.notices[0].detail.contains("2025-03-01 12:00"), "{:?}", consulted.notices);
    assert_eq!(consulted.to_keep().police, None);
}

#[tokio::test]
async fn passing_failures_are_survived_within_the_call() {
    let stage = stage().await;
    for counterparty in Counterparty::ALL {
        stage.spoil(counterparty, Faults { fail_next: 1, ..Faults::default() });
    }
    let consulted = stage.consult(Snapshots::default()).await;
    assert_eq!(consulted.assumed(), []);
    assert_eq!(stage.asked(Counterparty::Police), 2);
}

#[tokio::test]
async fn a_dead_police_is_left_alone_until_it_recovers() {
    let stage = stage().await;
    stage.spoil(Counterparty::Police, down());
    let breaker = || stage.outside.breakers()[0];
    for _ in 0..2 {
        stage.consult(Snapshots::default()).await;
    }
    assert_eq!(breaker(), (Source::Police, BreakerState::Open));
    let asked = stage.asked(Counterparty::Police);
    let consulted = stage.consult(Snapshots::default()).await;
    assert_eq!(consulted.police, Answer::Unavailable { why: "breaker_open" });
    assert_eq!(stage.asked(Counterparty::Police), asked);

    stage.spoil(Counterparty::Police, Faults::default());
    stage.clock.advance(SignedDuration::from_secs(5));
    let consulted = stage.consult(Snapshots::default()).await;
    assert!(matches!(consulted.police, Answer::Asked(_)));
    assert_eq!(breaker(), (Source::Police, BreakerState::Closed));
}

#[tokio::test]
async fn unknown_vehicles_and_models_are_answers() {
    let stage = stage().await;
    stage.sandbox.load(car().not_yet_registered());
    let odd = Ask { model_code: Some("../sandbox/calls".into()), ..ask() };
    let consulted = stage.outside.consult(&odd, Snapshots::default()).await;
    assert_eq!((consulted.registered(), consulted.model()), (None, None));
    assert_eq!(codes(&consulted), ["N2103", "N2113"]);
    assert_eq!(consulted.assumed(), []);
    assert_eq!(stage.asked(Counterparty::Models), 0);

    let by_frame = Ask { plate: None, model_code: None, ..ask() };
    let consulted = stage.outside.consult(&by_frame, Snapshots::default()).await;
    assert_eq!(consulted.model().unwrap().code, MODEL);
    assert_eq!(codes(&consulted), Vec::<&str>::new());
}

#[tokio::test]
async fn words_outside_our_code_lists_are_no_answer() {
    let stage = stage().await;
    stage.sandbox.load(car().in_status("X"));
    let consulted = stage.consult(Snapshots::default()).await;
    assert_eq!(consulted.police, Answer::Unavailable { why: "malformed" });
}

#[tokio::test]
async fn a_quote_that_rests_on_answers_is_clear_to_confirm() {
    let stage = stage().await;
    let quoted = stage.consult(Snapshots::default()).await;
    assert_eq!(recheck(&stage, &quoted, quoted.to_keep()).await, Verdict::Clear);
    assert_eq!(stage.asked(Counterparty::Police), 1, "a fresh snapshot saves the second look");
    // A violation after the quote does not count against it.
    stage.sandbox.load(car().with_violation(Misdeed::DrunkDriving, noon(2025, 3, 2)));
    stage.clock.advance(SignedDuration::from_hours(48));
    assert_eq!(recheck(&stage, &quoted, quoted.to_keep()).await, Verdict::Clear);
}

#[tokio::test]
async fn what_was_assumed_is_looked_up_again_and_may_turn_out_different() {
    let stage = stage().await;
    for counterparty in Counterparty::ALL {
        stage.spoil(counterparty, down());
    }
    let quoted = stage.consult(Snapshots::default()).await;
    assert_eq!(quoted.assumed(), [Source::Police, Source::Models, Source::Tax]);
    for counterparty in Counterparty::ALL {
        stage.spoil(counterparty, Faults::default());
    }
    stage.clock.advance(SignedDuration::from_secs(10));
    // The red light was not rated, nor the model's price; the tax is as assumed.
    let verdict = recheck(&stage, &quoted, quoted.to_keep()).await;
    assert_eq!(verdict, Verdict::Changed(vec![Source::Police, Source::Models]));
}

#[tokio::test]
async fn a_barred_vehicle_is_not_confirmed() {
    let stage = stage().await;
    let quoted = stage.consult(Snapshots::default()).await;
    stage.clock.advance(SignedDuration::from_hours(25));
    for (status, expected) in [
        ("C", Verdict::Barred(PoliceStatus::Stolen)),
        ("P", Verdict::Barred(PoliceStatus::Scrapped)),
        ("D", Verdict::Clear),
    ] {
        stage.sandbox.load(car().in_status(status));
        assert_eq!(recheck(&stage, &quoted, quoted.to_keep()).await, expected);
    }
}

#[tokio::test]
async fn only_silent_police_stop_a_confirmation() {
    let stage = stage().await;
    let quoted = stage.consult(Snapshots::default()).await;
    let kept = quoted.to_keep();
    stage.clock.advance(SignedDuration::from_hours(6 * 24));
    for counterparty in Counterparty::ALL {
        stage.spoil(counterparty, down());
    }
    // Six days old: the police's word is tolerated, the library's is still fresh.
    let verdict = recheck(&stage, &quoted, kept.clone()).await;
    assert_eq!(verdict, Verdict::Deferred(vec![Source::Police, Source::Tax]));
    stage.clock.advance(SignedDuration::from_hours(2 * 24));
    assert_eq!(recheck(&stage, &quoted, kept).await, Verdict::Unavailable(Source::Police));
    let verdict = recheck(&stage, &quoted, Snapshots::default()).await;
    assert_eq!(verdict, Verdict::Unavailable(Source::Police));
}

#[tokio::test]
async fn withheld_tax_is_declared_once_deferred_or_refused() {
    let stage = stage().await;
    let insurer = InsurerCode::parse("PAIC").unwrap();
    let frame = ask().frame;
    let number = |sequence| {
        let slot = frame.slot();
        let region = Region::Beijing;
        PlatformNumber::new(NumberKind::Confirm, insurer, region, 2025, slot, sequence).unwrap()
    };
    let declaration = TaxDeclaration {
        insurer,
        confirm_no: number(1),
        frame: frame.clone(),
        plate: ask().plate,
        year: 2025,
        condition: TaxCondition::Normal,
        payer_name: "李芳".into(),
        collected_on: date(2025, 3, 1),
        tax_due: Fen(42_000),
        arrears: Fen::ZERO,
        late_fee: Fen::ZERO,
        total: Fen(42_000),
    };
    stage.spoil(Counterparty::Tax, down());
    let deferred = stage.outside.declare_tax(&number(1), &declaration).await;
    assert_eq!(deferred, Withholding::Deferred { why: "unavailable" });
    stage.spoil(Counterparty::Tax, Faults::default());

    let first = stage.outside.declare_tax(&number(1), &declaration).await;
    assert!(matches!(&first, Withholding::Registered { receipt_no: Some(_), .. }), "{first:?}");
    assert_eq!(stage.outside.declare_tax(&number(1), &declaration).await, first);
    assert_eq!(stage.sandbox.declared().len(), 1);
    let again = stage.outside.declare_tax(&number(2), &declaration).await;
    assert_eq!(again, Withholding::Refused { code: "already-paid".into() });

    for taken_back in [number(1), number(9)] {
        stage.outside.take_back_tax(&taken_back).await.unwrap();
    }
    assert!(stage.sandbox.declared()[0].void);
}

//! What claims ask: accidents of the police, prices of parts of the model library.

use std::io::Write;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use base_http::outbound::BreakerState;
use jiff::civil::date;
use jiff::{SignedDuration, Timestamp};
use kernel::Fen;
use kernel::time::Period;
use production_core::claim::{Cause, HandledBy, Liability};
use production_core::frame::{FrameForm, FrameNo};
use production_core::insurer::InsurerCode;
use production_core::plate::{Plate, PlateKind};
use sandbox::Counterparty;
use sandbox::accident as record;
use sandbox::fault::Faults;

use super::{AMPLE, MODEL, Stage, VIN, down, noon, stage, stage_with};
use crate::outside::{
    Accident, AccidentAnswer, AccidentKind, AccidentQuestion, BrandClass, CoordinateSystem,
    PartPrice, PartPrices, Source,
};

const NUMBER: &str = "320102120250000017";
const BUMPER: &str = "18D807217A";

fn place() -> record::Position {
    record::Position {
        longitude: "118.796877".parse().unwrap(),
        latitude: "32.060255".parse().unwrap(),
        system: record::CoordinateSystem::Gcj02,
    }
}

/// 李芳 ran into 王伟 at noon of 20 February 2025; the police decided four days later.
fn collision() -> record::Accident {
    let share = |text: &str| text.parse().unwrap();
    record::Accident::between_vehicles(NUMBER, noon(2025, 2, 20))
        .reported_by("赵建国")
        .at_place("南京市玄武区中山东路300号", place())
        .with_party(
            record::AccidentParty::vehicle("京A12345", "02", "李芳")
                .with_vin(VIN)
                .liable(record::Duty::Main, share("0.7"))
                .insured_by("PICC", "PDZA20253201000001"),
        )
        .with_party(
            record::AccidentParty::vehicle("苏A8K235", "02", "王伟")
                .liable(record::Duty::Minor, share("0.3")),
        )
        .with_victims(1, 0)
        .decided("宁公交认字[2025]第017号", date(2025, 2, 24))
}

fn plate() -> Plate {
    Plate::parse("京A12345", PlateKind::Small).unwrap()
}

fn by_number() -> AccidentQuestion {
    AccidentQuestion::Number(NUMBER.into())
}

fn by_plate(from: Timestamp, to: Timestamp) -> AccidentQuestion {
    AccidentQuestion::Of { plate: plate(), during: Period::new(from, to).unwrap() }
}

async fn patient() -> Stage {
    let stage = stage_with(|settings| {
        settings.accident_budget = AMPLE;
        settings.parts_budget = AMPLE;
    });
    let stage = stage.await;
    stage.sandbox.load_accident(collision());
    stage
}

fn found(answer: &AccidentAnswer) -> &Accident {
    let [accident] = answer.accidents() else { panic!("not one accident: {answer:?}") };
    accident
}

fn accident_notice(answer: &AccidentAnswer) -> Option<String> {
    answer.notice().map(|notice| notice.code.into_owned())
}

fn parts_notice(answer: &PartPrices) -> Option<String> {
    answer.notice().map(|notice| notice.code.into_owned())
}

#[tokio::test]
async fn an_accident_is_found_by_number_and_by_plate_in_our_own_words() {
    let stage = patient().await;
    let answer = stage.outside.accident(&by_number()).await;
    assert_eq!(accident_notice(&answer), None);
    let accident = found(&answer);
    assert_eq!((accident.accident_no.as_str(), accident.at), (NUMBER, noon(2025, 2, 20)));
    assert_eq!(accident.reporter_name.as_deref(), Some("赵建国"));
    assert_eq!(
        (accident.kind, accident.cause, accident.handling),
        (AccidentKind::BetweenVehicles, Cause::RearEnd, HandledBy::Police)
    );
    assert_eq!((accident.injured, accident.dead), (1, 0));
    let position = accident.position.as_ref().unwrap();
    assert_eq!((position.longitude, position.latitude), (place().longitude, place().latitude));
    assert_eq!(position.system, CoordinateSystem::Gcj02);
    let statement = accident.statement.as_ref().unwrap();
    assert_eq!(statement.number, "宁公交认字[2025]第017号");
    assert_eq!(statement.issued_on, date(2025, 2, 24));

    let frame = FrameNo::parse(VIN, FrameForm::VinOnly).unwrap();
    let ours = accident.party(Some(&plate()), &frame).unwrap();
    assert_eq!(accident.party(None, &frame), Some(ours), "the frame number finds it as well");
    assert_eq!((ours.duty.code(), ours.proportion), ("2", Some("0.7".parse().unwrap())));
    assert_eq!(ours.driver_name.as_deref(), Some("李芳"));
    assert_eq!(ours.compulsory_insurer, Some(InsurerCode::parse("PICC").unwrap()));
    assert_eq!(ours.compulsory_policy_no.as_deref(), Some("PDZA20253201000001"));
    let other = &accident.parties[1];
    assert_eq!(
        (other.duty, &other.frame, other.compulsory_insurer),
        (Liability::Minor, &None, None)
    );

    // A day around it finds the same; a span is without its last instant.
    let around = by_plate(noon(2025, 2, 20), noon(2025, 2, 21));
    assert_eq!(stage.outside.accident(&around).await, answer);
    let before = by_plate(noon(2025, 2, 19), noon(2025, 2, 20));
    assert_eq!(stage.outside.accident(&before).await, AccidentAnswer::Unknown);
}

#[tokio::test]
async fn until_the_statement_is_issued_nobody_is_liable() {
    let stage = patient().await;
    stage.sandbox.load_accident(collision().decided("宁公交认字[2025]第017号", date(2025, 3, 2)));
    let answer = stage.outside.accident(&by_number()).await;
    let accident = found(&answer);
    assert_eq!(accident.statement, None);
    for party in &accident.parties {
        assert_eq!((party.duty.code(), party.proportion), ("9", None));
    }
    stage.clock.advance(SignedDuration::from_hours(24));
    let answer = stage.outside.accident(&by_number()).await;
    assert!(found(&answer).statement.is_some());
    assert_eq!(found(&answer).parties[1].duty, Liability::Minor);
}

#[tokio::test]
async fn an_unknown_accident_is_an_answer_with_a_notice() {
    let stage = patient().await;
    for question in [
        AccidentQuestion::Number("320102120250000018".into()),
        AccidentQuestion::Number(String::new()),
        by_plate(noon(2024, 1, 1), noon(2025, 1, 1)),
    ] {
        let answer = stage.outside.accident(&question).await;
        assert_eq!(answer, AccidentAnswer::Unknown, "{question:?}");
        assert_eq!(accident_notice(&answer).as_deref(), Some("N2132"));
    }
    assert_eq!(stage.outside.breakers()[0], (Source::Police, BreakerState::Closed));
}

#[tokio::test]
async fn every_fault_of_the_two_leaves_a_claim_with_a_notice() {
    let none = Faults::default;
    let faults = [
        (down(), "unavailable"),
        (Faults { hang: true, ..none() }, "timeout"),
        (Faults { latency_ms: 5_000, ..none() }, "timeout"),
        (Faults { close_connection: true, ..none() }, "unavailable"),
        (Faults { malformed: true, ..none() }, "malformed"),
        (Faults { fail_next: 2, ..none() }, "status"),
        (Faults { error_rate: 100, ..none() }, "status"),
    ];
    for (faults, why) in faults {
        let waits = faults.hang || faults.latency_ms > 0;
        let budget = if waits { Duration::from_millis(40) } else { AMPLE };
        let stage = stage_with(|settings| {
            settings.accident_budget = budget;
            settings.parts_budget = budget;
        });
        let stage = stage.await;
        stage.sandbox.load_accident(collision());
        stage.spoil(Counterparty::Police, faults.clone());
        stage.spoil(Counterparty::Models, faults.clone());
        let started = Instant::now();
        let accident = stage.outside.accident(&by_number()).await;
        let parts = stage.outside.part_prices(Some(MODEL), &[BUMPER.into()]).await;
        assert!(started.elapsed() < Duration::from_secs(5), "{faults:?}");
        assert_eq!(accident, AccidentAnswer::Unavailable { why }, "{faults:?}");
        assert_eq!(accident_notice(&accident).as_deref(), Some("N2131"));
        assert_eq!((parts.of(BUMPER), parts.unanswered), (None, Some(why)), "{faults:?}");
        assert_eq!(parts_notice(&parts).as_deref(), Some("N2141"));
    }
}

#[tokio::test]
async fn words_that_cannot_be_right_are_no_answer() {
    let party =
        |party: record::AccidentParty| record::Accident { parties: vec![party], ..collision() };
    let driver = || record::AccidentParty::vehicle("京A12345", "02", "李芳");
    let odd = [
        party(record::AccidentParty::vehicle("京A12345", "77", "李芳")),
        party(record::AccidentParty::vehicle("京12345", "02", "李芳")),
        party(driver().liable(record::Duty::Full, "1.01".parse().unwrap())),
        party(driver().with_vin("LSVAM4187C218484!")),
        party(driver().insured_by("中国人保", "PDZA1")),
        collision()
            .at_place("南京", record::Position { latitude: "91".parse().unwrap(), ..place() }),
    ];
    for accident in odd {
        let stage = patient().await;
        stage.sandbox.load_accident(accident.clone());
        let answer = stage.outside.accident(&by_number()).await;
        let expected = AccidentAnswer::Unavailable { why: "malformed" };
        assert_eq!(answer, expected, "{:?} {:?}", accident.parties, accident.position);
    }
    let stage = patient().await;
    for price in [Fen::ZERO, Fen(-1)] {
        stage.sandbox.load_part(sandbox::parts::Part {
            code: BUMPER.into(),
            name: "前保险杠皮".into(),
            model_codes: Vec::new(),
            price,
            brand_class: sandbox::parts::BrandClass::Original,
        });
        let parts = stage.outside.part_prices(None, &[BUMPER.into()]).await;
        assert_eq!((parts.of(BUMPER), parts.unanswered), (None, Some("malformed")));
    }
}

#[tokio::test]
async fn a_passing_failure_is_survived_within_the_call() {
    let stage = patient().await;
    for counterparty in [Counterparty::Police, Counterparty::Models] {
        stage.spoil(counterparty, Faults { fail_next: 1, ..Faults::default() });
    }
    assert_eq!(found(&stage.outside.accident(&by_number()).await).accident_no, NUMBER);
    let parts = stage.outside.part_prices(Some(MODEL), &[BUMPER.into()]).await;
    assert_eq!(parts.unanswered, None);
    assert_eq!((stage.asked(Counterparty::Police), stage.asked(Counterparty::Models)), (2, 2));
}

#[tokio::test]
async fn police_and_library_that_fail_are_left_alone_by_claims_and_quotes_alike() {
    let stage = patient().await;
    for counterparty in [Counterparty::Police, Counterparty::Models] {
        stage.spoil(counterparty, down());
    }
    for _ in 0..2 {
        stage.outside.accident(&by_number()).await;
        stage.outside.part_prices(None, &[BUMPER.into()]).await;
    }
    let [police, models, _] = stage.outside.breakers();
    assert_eq!((police.1, models.1), (BreakerState::Open, BreakerState::Open));
    let answer = stage.outside.accident(&by_number()).await;
    assert_eq!(answer, AccidentAnswer::Unavailable { why: "breaker_open" });
    let parts = stage.outside.part_prices(None, &[BUMPER.into()]).await;
    assert_eq!(parts.unanswered, Some("breaker_open"));
    let consulted = stage.consult(super::Snapshots::default()).await;
    assert_eq!(consulted.police, super::Answer::Unavailable { why: "breaker_open" });

    for counterparty in [Counterparty::Police, Counterparty::Models] {
        stage.spoil(counterparty, Faults::default());
    }
    stage.clock.advance(SignedDuration::from_secs(5));
    assert_eq!(found(&stage.outside.accident(&by_number()).await).accident_no, NUMBER);
    assert!(stage.outside.part_prices(None, &[BUMPER.into()]).await.of(BUMPER).is_some());
    let [police, models, _] = stage.outside.breakers();
    assert_eq!((police.1, models.1), (BreakerState::Closed, BreakerState::Closed));
}

#[tokio::test]
async fn parts_are_priced_for_the_model_and_unknown_without() {
    let stage = patient().await;
    let codes = [BUMPER, "JY6540RH21", "NO-SUCH-PART"].map(String::from);
    let original = PartPrice { price: Fen(62_000), brand_class: BrandClass::Original };
    let fitting = PartPrice { price: Fen(6_800), brand_class: BrandClass::Fitting };
    let cases = [
        (Some(MODEL), [Some(original), Some(fitting), None]),
        (None, [Some(original), Some(fitting), None]),
        (Some("BBM3000IMPX5"), [None, Some(fitting), None]),
    ];
    for (model, expected) in cases {
        let parts = stage.outside.part_prices(model, &codes).await;
        let prices = [0, 1, 2].map(|at: usize| parts.of(&codes[at]));
        assert_eq!((prices, parts_notice(&parts)), (expected, None), "{model:?}");
    }
}

#[tokio::test]
async fn many_parts_are_asked_a_hundred_at_a_time_and_each_once() {
    let stage = patient().await;
    assert_eq!(stage.outside.part_prices(None, &[]).await, PartPrices::default());
    let no_codes = [String::new(), "9".repeat(65)];
    assert_eq!(stage.outside.part_prices(None, &no_codes).await, PartPrices::default());
    assert_eq!(stage.asked(Counterparty::Models), 0);

    // 201 different codes, each twice: two full messages and a third.
    let mut codes: Vec<String> = (0..200).map(|serial| format!("P{serial:03}")).collect();
    codes.push(BUMPER.into());
    codes.extend(codes.clone());
    let parts = stage.outside.part_prices(Some(MODEL), &codes).await;
    assert_eq!(parts.known.keys().collect::<Vec<_>>(), [BUMPER]);
    assert_eq!((parts.unanswered, stage.asked(Counterparty::Models)), (None, 3));
}

#[tokio::test]
async fn a_library_that_dies_half_way_leaves_what_it_said() {
    // Without patience for a second attempt, half the messages fail: the second and the fourth.
    let stage = stage_with(|settings| {
        settings.parts_budget = AMPLE;
        settings.models.outbound.retries = 0;
    });
    let stage = stage.await;
    stage.spoil(Counterparty::Models, Faults { error_rate: 50, ..Faults::default() });
    let mut codes: Vec<String> = (0..150).map(|serial| format!("P{serial:03}")).collect();
    codes.push(BUMPER.into());
    let parts = stage.outside.part_prices(None, &codes).await;
    assert_eq!(parts.of(BUMPER).map(|part| part.price), Some(Fen(62_000)));
    assert_eq!(
        (parts.unanswered, parts_notice(&parts).as_deref()),
        (Some("status"), Some("N2141"))
    );
}

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn the_log_names_neither_people_nor_vehicles() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_ansi(false)
        .with_writer(move || writer.clone())
        .finish();
    // Of a single subscriber, a call site is silent for good when a thread without one meets it first,
    // as other tests' may; two are asked themselves.
    let _second = tracing::Dispatch::new(tracing_subscriber::registry());
    let logging = tracing::subscriber::set_default(subscriber);
    let stage = patient().await;
    stage.outside.accident(&by_number()).await;
    let mut odd = collision();
    odd.parties[0].plate = Some(sandbox::vehicle::Plate::new("京A12345", "77"));
    stage.sandbox.load_accident(odd);
    stage.outside.accident(&by_number()).await;
    stage.spoil(Counterparty::Police, down());
    stage.outside.accident(&by_plate(noon(2025, 2, 20), noon(2025, 2, 21))).await;
    drop(logging);
    let text = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert_eq!(text.matches("a claim goes on without the police side").count(), 2, "{text}");
    for personal in ["李芳", "王伟", "赵建国", "A12345", "8K235", VIN, NUMBER, "中山东路"]
    {
        assert!(!text.contains(personal), "{personal} in {text}");
    }
}

#[tokio::test]
async fn the_page_of_notices_has_those_of_claims() {
    let stage = stage().await;
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/errors.md");
    let page = std::fs::read_to_string(page).unwrap();
    let mut codes = vec![accident_notice(&stage.outside.accident(&by_number()).await)];
    for counterparty in [Counterparty::Police, Counterparty::Models] {
        stage.spoil(counterparty, down());
    }
    codes.push(accident_notice(&stage.outside.accident(&by_number()).await));
    codes.push(parts_notice(&stage.outside.part_prices(None, &[BUMPER.into()]).await));
    for code in codes {
        let code = code.expect("each of the three answers has a notice");
        assert!(page.contains(&format!("| `{code}` |")), "docs/errors.md lacks {code}");
    }
}

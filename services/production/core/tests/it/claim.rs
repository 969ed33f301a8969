//! The life of a case.

use jiff::{SignedDuration, Timestamp};
use kernel::Fen;
use production_core::adjustment::recovery::RecoveryFrom;
use production_core::claim::{
    AdjustFacts, AssessFacts, CancelFacts, CancelKind, Case, ClaimError, CloseFacts, CorrectFacts,
    CoverRow, DocumentKind, DocumentsFacts, EstimateFacts, Liability, LossVehicle, NotifyFacts,
    PayFacts, PayeeKind, PayeeRow, RecoveryFacts, RegisterFacts, ReopenFacts, Stage, Standing,
    Step, StepFacts, SurveyFacts,
};
use production_core::cover::Cover;
use production_core::history::PolicyClass;
use production_core::insurer::InsurerCode;
use production_core::rule::RuleId;
use production_core::statutory::{self, ClockState, Duty, clocks};
use proptest::prelude::{Just, Strategy, prop_assert_eq, proptest};

pub(crate) fn at(hours: i64) -> Timestamp {
    let accident: Timestamp = "2025-06-01T02:00:00Z".parse().unwrap();
    accident.checked_add(SignedDuration::from_hours(hours)).unwrap()
}

pub(crate) fn yuan(amount: i64) -> Fen {
    Fen(amount * 100)
}

pub(crate) fn notify() -> NotifyFacts {
    NotifyFacts {
        accident_at: at(0),
        reported_at: at(1),
        district: None,
        liability: None,
        handled_by: None,
        cause: None,
        subrogation: false,
        mutual: false,
        injury: false,
        third_plates: Vec::new(),
        stolen: false,
        police_accident_no: None,
    }
}

pub(crate) fn survey(hours: i64, liability: Liability) -> StepFacts {
    StepFacts::Survey(SurveyFacts {
        at: at(hours),
        liability,
        liability_document: None,
        handled_by: None,
        cause: None,
        single_vehicle: false,
        injury: false,
        property: false,
        mutual: false,
        vehicles: 2,
        third_vehicles: 1,
        persons: 0,
        estimate: Fen::ZERO,
        police_accident_no: None,
        vehicles_at: None,
        others: Vec::new(),
    })
}

pub(crate) fn register(hours: i64) -> StepFacts {
    StepFacts::Register(RegisterFacts {
        at: at(hours),
        registration_no: "RG".into(),
        estimate: yuan(10_000),
        kind: None,
        subrogation: false,
    })
}

pub(crate) fn vehicle(item: u16, own: bool, loss: i64) -> LossVehicle {
    LossVehicle {
        item,
        own,
        loss: yuan(loss),
        salvage: Fen::ZERO,
        total_loss: false,
        residual: Fen::ZERO,
        no_third_party: false,
        marks: Vec::new(),
    }
}

pub(crate) fn assess(hours: i64, vehicles: Vec<LossVehicle>) -> StepFacts {
    StepFacts::Assess(AssessFacts {
        at: at(hours),
        vehicles,
        properties: Vec::new(),
        persons: Vec::new(),
    })
}

pub(crate) fn documents(hours: i64, kinds: Vec<DocumentKind>) -> StepFacts {
    StepFacts::Documents(DocumentsFacts { complete_at: at(hours), listed_at: None, kinds })
}

pub(crate) fn row(cover: Cover, fee: &str, amount: i64) -> CoverRow {
    CoverRow {
        cover,
        fee: fee.into(),
        amount: yuan(amount),
        item: None,
        share_pct: None,
        loss: Fen::ZERO,
        salvage: Fen::ZERO,
        compulsory_paid: Fen::ZERO,
        deductions: Fen::ZERO,
    }
}

pub(crate) fn adjust(hours: i64, covers: Vec<CoverRow>) -> AdjustFacts {
    AdjustFacts {
        at: at(hours),
        agreed_at: None,
        total: Fen::sum(covers.iter().map(|row| row.amount)).unwrap(),
        covers,
        recoveries: Vec::new(),
        litigation: false,
    }
}

pub(crate) fn close(hours: i64, total: i64, liability: Liability) -> CloseFacts {
    CloseFacts {
        at: at(hours),
        total: yuan(total),
        insured: true,
        refusal: None,
        refusal_sent_at: None,
        liability,
        death: false,
        mutual: false,
        counts: None,
        no_fault_advance: Fen::ZERO,
        expenses: Fen::ZERO,
        total_loss: false,
        fraud: Vec::new(),
        fraud_flag: false,
        fraud_recovered: Fen::ZERO,
    }
}

pub(crate) fn pay(hours: i64, total: i64) -> StepFacts {
    let payee = PayeeRow { kind: PayeeKind::Victim, amount: yuan(total), recovery_code: None };
    StepFacts::Pay(PayFacts { at: at(hours), total: yuan(total), payees: vec![payee] })
}

fn reopen(hours: i64) -> StepFacts {
    StepFacts::Reopen(ReopenFacts { at: at(hours) })
}

fn cancel(hours: i64, kind: CancelKind) -> StepFacts {
    StepFacts::Cancel(CancelFacts { at: at(hours), kind })
}

pub(crate) fn taken(case: Case, steps: Vec<StepFacts>) -> Case {
    steps.iter().fold(case, |case, step| {
        case.accept(step).unwrap_or_else(|error| panic!("{:?}: {error}", step.step())).case
    })
}

pub(crate) fn compulsory() -> Case {
    Case::notified(PolicyClass::Compulsory, notify())
}

/// Assessed with the insured vehicle at 3,000 and the other one at 8,000, all papers in.
pub(crate) fn documented(case: Case, liability: Liability) -> Case {
    taken(
        case,
        vec![
            survey(2, liability),
            register(3),
            assess(4, vec![vehicle(1, true, 3_000), vehicle(2, false, 8_000)]),
            documents(5, vec![DocumentKind::ClaimApplication]),
        ],
    )
}

/// Closed with the compulsory property limit, not yet paid.
fn closed() -> Case {
    taken(
        documented(compulsory(), Liability::Main),
        vec![
            StepFacts::Adjust(adjust(6, vec![row(Cover::Compulsory, "3", 2_000)])),
            StepFacts::Close(close(7, 2_000, Liability::Main)),
        ],
    )
}

#[test]
fn a_case_goes_from_the_report_to_the_money() {
    let steps = vec![
        (survey(2, Liability::Main), Stage::Surveyed),
        (register(3), Stage::Registered),
        (assess(4, vec![vehicle(2, false, 8_000)]), Stage::Assessed),
        (documents(5, vec![DocumentKind::Other]), Stage::Documented),
        (StepFacts::Adjust(adjust(6, vec![row(Cover::Compulsory, "3", 2_000)])), Stage::Adjusted),
        (StepFacts::Close(close(7, 2_000, Liability::Main)), Stage::Closed),
        (pay(8, 500), Stage::Closed),
        (pay(9, 1_500), Stage::Paid),
    ];
    let mut case = compulsory();
    for (step, stage) in steps {
        let accepted = case.accept(&step).unwrap();
        assert_eq!((accepted.case.stage, accepted.standing), (stage, Standing::Current));
        case = accepted.case;
    }
    assert_eq!(case.due(), Some(Fen::ZERO));
}

/// What was agreed is paid with the first closing; a reopening sets no clock until it is agreed anew.
#[test]
fn a_paid_case_that_is_reopened_owes_nothing_until_it_is_agreed_anew() {
    let agreeing = |hours: i64, amount: i64| {
        let rows = vec![row(Cover::Compulsory, "3", amount)];
        StepFacts::Adjust(AdjustFacts { agreed_at: Some(at(hours)), ..adjust(hours, rows) })
    };
    let closing = |hours: i64, total: i64| StepFacts::Close(close(hours, total, Liability::Main));
    let clock = |case: &Case| {
        let clocks = clocks(&case.clock_facts(), at(10_000), &statutory::Parameters::default());
        clocks.iter().find(|clock| clock.duty == Duty::Payment).map(|clock| clock.state)
    };
    let agreed = taken(documented(compulsory(), Liability::Main), vec![agreeing(6, 1_500)]);
    let unpaid = taken(agreed, vec![closing(7, 1_500)]);
    assert_eq!(clock(&unpaid), Some(ClockState::Overdue));
    assert_eq!(clock(&taken(unpaid.clone(), vec![reopen(9)])), Some(ClockState::Overdue));
    let paid = taken(unpaid, vec![pay(8, 1_500)]);
    assert_eq!(clock(&paid), Some(ClockState::Met));
    let reopened = taken(paid, vec![reopen(9_000)]);
    assert_eq!(clock(&reopened), None);
    assert_eq!(clock(&taken(reopened.clone(), vec![closing(9_001, 0)])), None);
    let anew = taken(reopened, vec![agreeing(9_001, 2_000), closing(9_002, 2_000)]);
    assert_eq!(clock(&anew), Some(ClockState::Overdue));
    assert_eq!(clock(&taken(anew, vec![pay(9_003, 500)])), Some(ClockState::Met));
}

/// Nobody says whether a case is complex: a commercial one has thirty days, a compulsory one five. All
/// papers were in on Sunday 1 June 2025, and 1 July is a Tuesday.
#[test]
fn a_commercial_case_is_held_to_the_days_of_a_complex_one() {
    let decision = |class| {
        let case = documented(Case::notified(class, notify()), Liability::Main);
        let clocks = clocks(&case.clock_facts(), at(10), &statutory::Parameters::default());
        let decision = clocks
            .into_iter()
            .filter(|clock| matches!(clock.duty, Duty::Decision | Duty::ComplexDecision));
        decision.map(|clock| (clock.duty, clock.due_at)).collect::<Vec<_>>()
    };
    let end = |text: &str| text.parse::<Timestamp>().unwrap();
    assert_eq!(
        decision(PolicyClass::Compulsory),
        [(Duty::Decision, end("2025-06-07T00:00:00+08:00"))]
    );
    assert_eq!(
        decision(PolicyClass::Commercial),
        [(Duty::ComplexDecision, end("2025-07-02T00:00:00+08:00"))]
    );
}

/// Nobody is paid what he had already: a round that ends at or below it sets no clock to pay, before the
/// closing, after it, and once the money has come back.
#[test]
fn a_round_that_ends_below_what_was_paid_sets_no_clock_to_pay() {
    let paid = taken(closed(), vec![pay(8, 2_000)]);
    let agreeing = |amount: i64| {
        let rows = vec![row(Cover::Compulsory, "3", amount)];
        StepFacts::Adjust(AdjustFacts { agreed_at: Some(at(11)), ..adjust(11, rows) })
    };
    let duties = |case: &Case| {
        let clocks = clocks(&case.clock_facts(), at(10_000), &statutory::Parameters::default());
        clocks.iter().filter(|clock| clock.duty == Duty::Payment).count()
    };
    for (total, due) in [(1_500, -500), (2_000, 0)] {
        let adjusted = taken(paid.clone(), vec![reopen(10), agreeing(total)]);
        assert_eq!(duties(&adjusted), 0, "{total} adjusted");
        let close = StepFacts::Close(close(12, total, Liability::Main));
        let closed = taken(adjusted, vec![close]);
        assert_eq!((duties(&closed), closed.due()), (0, Some(yuan(due))));
        if due < 0 {
            assert_eq!(duties(&taken(closed, vec![pay(13, due)])), 0, "given back");
        }
    }
    let raised = taken(paid, vec![reopen(10), agreeing(2_001)]);
    assert_eq!(duties(&raised), 1);
}

/// Which step may follow which stage: `true` where it is taken.
#[test]
fn every_stage_takes_its_own_steps_and_no_others() {
    let surveyed = taken(compulsory(), vec![survey(2, Liability::Main)]);
    let registered = taken(surveyed.clone(), vec![register(3)]);
    let cancelled = taken(compulsory(), vec![cancel(2, CancelKind::Notification)]);
    let paid = taken(closed(), vec![pay(8, 2_000)]);
    let reopened = taken(closed(), vec![reopen(8)]);
    let cases = [
        compulsory(),
        surveyed,
        registered,
        documented(compulsory(), Liability::Main),
        closed(),
        paid,
        reopened,
        cancelled,
    ];
    let nothing = StepFacts::Close(close(20, 0, Liability::Main));
    let steps = [
        survey(20, Liability::Main),
        register(20),
        assess(20, vec![vehicle(2, false, 1)]),
        documents(20, vec![DocumentKind::Other]),
        StepFacts::Adjust(adjust(20, vec![row(Cover::Compulsory, "3", 1)])),
        nothing,
        pay(20, 2_000),
        reopen(20),
        cancel(20, CancelKind::Notification),
        cancel(20, CancelKind::Registration),
        StepFacts::Estimate(EstimateFacts { at: at(20), outstanding: yuan(1) }),
    ];
    let table: Vec<String> = cases
        .iter()
        .map(|case| {
            let taken = steps.iter().map(|step| if case.accept(step).is_ok() { 'x' } else { '.' });
            format!("{:<10} {}", case.stage.name(), taken.collect::<String>())
        })
        .collect();
    //  survey register assess documents adjust close pay reopen cancel1 cancel2 estimate
    let expected = [
        "NOTIFIED   x.......x.x",
        "SURVEYED   xx......x.x",
        "REGISTERED x.xx.x...xx",
        "DOCUMENTED x.xxxx...xx",
        "CLOSED     ......xx...",
        "PAID       .......x...",
        "REOPENED   x.xxxx....x",
        "CANCELLED  ...........",
    ];
    assert_eq!(table, expected);
}

#[test]
fn a_refusal_names_what_comes_first_and_the_rule() {
    let refused = |case: &Case, step: &StepFacts| case.accept(step).unwrap_err();
    let early = refused(&compulsory(), &register(3));
    assert_eq!(early, ClaimError::OutOfOrder { step: Step::Register, first: Step::Survey });
    let open = documented(compulsory(), Liability::Main);
    assert_eq!(refused(&open, &reopen(9)).rule(), Some(RuleId::L50));
    assert_eq!(refused(&closed(), &cancel(9, CancelKind::Registration)).rule(), Some(RuleId::L51));
    assert_eq!(refused(&open, &cancel(9, CancelKind::Notification)).rule(), Some(RuleId::L51));
    assert_eq!(refused(&closed(), &pay(8, 2_001)).rule(), Some(RuleId::S20));
    let adjusted =
        taken(open, vec![StepFacts::Adjust(adjust(6, vec![row(Cover::Compulsory, "3", 2_000)]))]);
    let differs = refused(&adjusted, &StepFacts::Close(close(7, 1_999, Liability::Main)));
    assert_eq!(differs.rule(), Some(RuleId::S17));
}

#[test]
fn what_was_before_the_closing_may_be_told_after_it_and_moves_nothing() {
    let late = closed().accept(&survey(6, Liability::Minor)).unwrap();
    assert_eq!((late.standing, late.case.stage), (Standing::Late, Stage::Closed));
    assert_eq!(late.case.closings, closed().closings);
    assert!(closed().accept(&survey(8, Liability::Minor)).is_err());
}

#[test]
fn a_reopened_claim_keeps_its_effect_until_it_is_closed_again_and_zero_takes_it_back() {
    let insurer = InsurerCode::parse("PICC").unwrap();
    let record = |case: &Case| case.record("05", insurer).unwrap();
    let paid = taken(closed(), vec![pay(8, 2_000)]);
    let reopened = taken(paid.clone(), vec![reopen(100)]);
    assert_eq!(record(&reopened), record(&paid));
    assert!(!paid.is_corrected_by(&reopened, insurer));
    let zeroed = taken(reopened.clone(), vec![StepFacts::Close(close(101, 0, Liability::Main))]);
    assert_eq!(record(&zeroed).paid, Fen::ZERO);
    assert!(!record(&zeroed).counts);
    assert!(reopened.is_corrected_by(&zeroed, insurer));
    assert_eq!(zeroed.due(), Some(yuan(-2_000)));
    let given_back = taken(zeroed, vec![pay(102, -2_000)]);
    assert_eq!((given_back.stage, given_back.paid), (Stage::Paid, Fen::ZERO));
}

#[test]
fn a_correction_holds_for_the_closing_it_corrected_alone() {
    let insurer = InsurerCode::parse("PICC").unwrap();
    let correct = StepFacts::Correct(CorrectFacts {
        at: at(50),
        dispute_no: "08".into(),
        counts: Some(false),
        at_fault: None,
    });
    let corrected = taken(closed(), vec![correct]);
    assert!(!corrected.record("05", insurer).unwrap().counts);
    let anew = taken(
        corrected,
        vec![
            reopen(60),
            StepFacts::Adjust(adjust(61, vec![row(Cover::Compulsory, "3", 1_000)])),
            StepFacts::Close(close(62, 1_000, Liability::Main)),
        ],
    );
    assert!(anew.record("05", insurer).unwrap().counts);
}

#[test]
fn own_damage_recovered_in_full_no_longer_counts() {
    let insurer = InsurerCode::parse("PICC").unwrap();
    let case = taken(
        documented(Case::notified(PolicyClass::Commercial, notify()), Liability::None),
        vec![
            StepFacts::Adjust(adjust(6, vec![row(Cover::Hull, "1", 3_000)])),
            StepFacts::Close(close(7, 3_000, Liability::None)),
        ],
    );
    let recovery = |amount: i64, settles: Option<i64>| {
        StepFacts::Recovery(RecoveryFacts {
            at: at(90),
            amount: yuan(amount),
            counterparty: RecoveryFrom::ThirdParty,
            settles: settles.map(yuan),
        })
    };
    let part = taken(case, vec![recovery(1_000, None)]);
    assert!(!part.record("05", insurer).unwrap().fully_recovered);
    let whole = taken(part.clone(), vec![recovery(2_000, None)]);
    assert!(whole.record("05", insurer).unwrap().fully_recovered);
    assert_eq!(whole.accept(&recovery(1, None)).unwrap_err().rule(), Some(RuleId::L60));
    // A flat amount, smaller or larger, settles what it stands for.
    for paid in [1_500, 2_600] {
        let flat = taken(part.clone(), vec![recovery(paid, Some(2_000))]);
        assert!(flat.record("05", insurer).unwrap().fully_recovered, "{paid}");
    }
}

proptest! {
    /// Steps that repeat are versions by when they happened, not by when they were told.
    #[test]
    fn the_order_surveys_and_assessments_arrive_in_does_not_matter(
        order in Just((0..6usize).collect::<Vec<_>>()).prop_shuffle()
    ) {
        let versions: Vec<StepFacts> = (0i64..3)
            .flat_map(|version| {
                let liability = [Liability::Full, Liability::Main, Liability::Minor];
                let at = 10 + version;
                [
                    survey(at, liability[usize::try_from(version).unwrap()]),
                    assess(at, vec![vehicle(2, false, 100 * at)]),
                ]
            })
            .collect();
        let base = documented(compulsory(), Liability::Main);
        let told: Vec<StepFacts> = order.iter().map(|&at| versions[at].clone()).collect();
        prop_assert_eq!(taken(base.clone(), told), taken(base, versions));
    }
}

/// A survey that lists no vehicles.
fn survey_of_nothing(hours: i64) -> StepFacts {
    let StepFacts::Survey(facts) = survey(hours, Liability::Minor) else { unreachable!() };
    StepFacts::Survey(SurveyFacts { vehicles: 0, third_vehicles: 0, ..facts })
}

proptest! {
    /// In whatever order surveys come: the latest one holds, with the vehicles of the latest that
    /// listed any, here two at hour 10, four at hour 12.
    #[test]
    fn a_survey_that_lists_no_vehicles_keeps_those_listed_before(
        order in Just((0..5usize).collect::<Vec<_>>()).prop_shuffle()
    ) {
        let StepFacts::Survey(listed) = survey(12, Liability::Main) else { unreachable!() };
        let four = StepFacts::Survey(SurveyFacts { vehicles: 4, third_vehicles: 3, ..listed });
        let versions = [
            survey(10, Liability::Main),
            survey_of_nothing(11),
            four,
            survey_of_nothing(13),
            survey_of_nothing(14),
        ];
        let told: Vec<StepFacts> = order.iter().map(|&place| versions[place].clone()).collect();
        let known = taken(compulsory(), told).survey.unwrap();
        prop_assert_eq!((known.at, known.liability), (at(14), Liability::Minor));
        prop_assert_eq!((known.vehicles, known.third_vehicles), (4, 3));
        prop_assert_eq!(known.vehicles_at, Some(at(12)));
    }
}

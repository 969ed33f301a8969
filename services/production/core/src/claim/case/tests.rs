//! A case that is stored, replayed and seen as of an instant.

use super::*;
use crate::adjustment::recovery::RecoveryFrom;
use crate::claim::{
    CloseFacts, CoverRow, LossVehicle, PayeeKind, PayeeRow, ReopenFacts, StepFacts,
};
use crate::cover::Cover;

/// So many hours into the case.
fn at(hour: i64) -> Timestamp {
    Timestamp::from_second(1_748_750_400 + 3_600 * hour).unwrap()
}

/// A step as JSON, for what its facts leave to defaults.
fn step(word: &str, facts: serde_json::Value) -> StepFacts {
    serde_json::from_value(serde_json::json!({ "step": word, "facts": facts })).unwrap()
}

fn adjusted(hour: i64, fen: i64) -> StepFacts {
    let row = CoverRow {
        cover: Cover::Hull,
        fee: "1".to_owned(),
        amount: Fen(fen),
        item: Some(1),
        share_pct: None,
        loss: Fen(fen),
        salvage: Fen::ZERO,
        compulsory_paid: Fen::ZERO,
        deductions: Fen::ZERO,
    };
    StepFacts::Adjust(AdjustFacts {
        at: at(hour),
        agreed_at: Some(at(hour)),
        total: Fen(fen),
        covers: vec![row],
        recoveries: Vec::new(),
        litigation: false,
    })
}

fn closed(hour: i64, fen: i64) -> StepFacts {
    StepFacts::Close(CloseFacts {
        at: at(hour),
        total: Fen(fen),
        insured: true,
        refusal: None,
        refusal_sent_at: None,
        liability: Liability::Minor,
        death: false,
        mutual: false,
        counts: None,
        no_fault_advance: Fen::ZERO,
        expenses: Fen::ZERO,
        total_loss: false,
        fraud: Vec::new(),
        fraud_flag: false,
        fraud_recovered: Fen::ZERO,
    })
}

fn paid(hour: i64, fen: i64) -> StepFacts {
    let payee = PayeeRow { kind: PayeeKind::Insured, amount: Fen(fen), recovery_code: None };
    StepFacts::Pay(PayFacts { at: at(hour), total: Fen(fen), payees: vec![payee] })
}

/// A hull case that is closed at 3,000.00, paid, reopened, closed at 5,000.00, paid up, and
/// recovered of; a survey of the time before the first closing comes after it, and two
/// assessments come in the wrong order.
fn told() -> Vec<StepFacts> {
    let loss = |hour: i64, fen: i64| {
        let vehicle = LossVehicle {
            item: 1,
            own: true,
            loss: Fen(fen),
            salvage: Fen::ZERO,
            total_loss: false,
            residual: Fen::ZERO,
            no_third_party: false,
            marks: Vec::new(),
        };
        StepFacts::Assess(AssessFacts {
            at: at(hour),
            vehicles: vec![vehicle],
            properties: Vec::new(),
            persons: Vec::new(),
        })
    };
    let documents = serde_json::json!({ "completeAt": at(6), "kinds": ["claimApplication"] });
    vec![
        step("notify", serde_json::json!({ "accidentAt": at(0), "reportedAt": at(1) })),
        step("survey", serde_json::json!({ "at": at(2), "liability": "4" })),
        step(
            "register",
            serde_json::json!({ "at": at(3), "registrationNo": "RG-1", "estimate": "3000.00" }),
        ),
        loss(5, 300_000),
        loss(4, 200_000),
        step("documents", documents),
        adjusted(7, 300_000),
        closed(8, 300_000),
        step("survey", serde_json::json!({ "at": at(1), "liability": "9" })),
        paid(9, 300_000),
        StepFacts::Reopen(ReopenFacts { at: at(10) }),
        step("estimate", serde_json::json!({ "at": at(10), "outstanding": "2000.00" })),
        adjusted(11, 500_000),
        closed(12, 500_000),
        paid(13, 200_000),
        StepFacts::Recovery(RecoveryFacts {
            at: at(14),
            amount: Fen(100_000),
            counterparty: RecoveryFrom::Compulsory,
            settles: None,
        }),
    ]
}

#[test]
fn the_stored_case_is_the_case_its_stored_steps_make() {
    let told = told();
    let (mut stored, mut kept): (Option<String>, Vec<StepFacts>) = (None, Vec::new());
    for facts in &told {
        let case = match (&stored, facts) {
            (None, StepFacts::Notify(facts)) => {
                Case::notified(PolicyClass::Commercial, facts.clone())
            }
            (None, other) => panic!("{other:?} comes first"),
            // As it is in a row: what a case does not keep in its text is lost here.
            (Some(text), facts) => {
                serde_json::from_str::<Case>(text).unwrap().accept(facts).unwrap().case
            }
        };
        stored = Some(serde_json::to_string(&case).unwrap());
        let row = serde_json::to_string(facts).unwrap();
        kept.push(serde_json::from_str(&row).unwrap());
        let replayed = Case::replay(PolicyClass::Commercial, &kept).unwrap();
        assert_eq!(replayed, Some(case), "after {} steps", kept.len());
    }
}

#[test]
fn a_case_is_replayed_as_far_as_it_was_known() {
    let told = told();
    let seen = |steps: usize| {
        let case = Case::replay(PolicyClass::Commercial, &told[..steps]).unwrap().unwrap();
        (case.stage, case.round, case.closing().map(|one| one.total), case.paid, case.recovered)
    };
    let zero = Fen::ZERO;
    assert_eq!(seen(1), (Stage::Notified, 0, None, zero, zero));
    assert_eq!(seen(5), (Stage::Assessed, 0, None, zero, zero));
    assert_eq!(seen(8), (Stage::Closed, 0, Some(Fen(300_000)), zero, zero));
    assert_eq!(seen(10), (Stage::Paid, 0, Some(Fen(300_000)), Fen(300_000), zero));
    assert_eq!(seen(12), (Stage::Reopened, 1, Some(Fen(300_000)), Fen(300_000), zero));
    assert_eq!(seen(14), (Stage::Closed, 1, Some(Fen(500_000)), Fen(300_000), zero));
    let ended = (Stage::Paid, 1, Some(Fen(500_000)), Fen(500_000), Fen(100_000));
    assert_eq!(seen(16), ended);
}

#[test]
fn what_was_decided_last_may_be_paid() {
    let told = told();
    let payable = |steps: usize| {
        Case::replay(PolicyClass::Commercial, &told[..steps]).unwrap().unwrap().payable()
    };
    assert_eq!(payable(6), None, "before anything is decided");
    assert_eq!(payable(7), Some(Fen(300_000)), "adjusted");
    assert_eq!(payable(8), Some(Fen(300_000)), "closed");
    assert_eq!(payable(11), Some(Fen(300_000)), "reopened");
    assert_eq!(payable(13), Some(Fen(500_000)), "adjusted anew");
    assert_eq!(payable(16), Some(Fen(500_000)), "paid and recovered of");
}

#[test]
fn only_a_report_begins_a_case() {
    let told = told();
    assert_eq!(Case::replay(PolicyClass::Commercial, []), Ok(None));
    let early = ClaimError::OutOfOrder { step: Step::Survey, first: Step::Notify };
    assert_eq!(Case::replay(PolicyClass::Commercial, &told[1..]), Err(early));
    let twice = [&told[0], &told[0]];
    assert_eq!(Case::replay(PolicyClass::Commercial, twice), Err(ClaimError::Twice(Step::Notify)));
}

#[test]
fn what_is_taken_back_counts_no_more_and_is_never_more_than_came() {
    let told = told();
    let StepFacts::Notify(notify) = &told[0] else { panic!("the first step reports it") };
    let case = told[1..]
        .iter()
        .fold(Case::notified(PolicyClass::Commercial, notify.clone()), |case, facts| {
            case.accept(facts).unwrap().case
        });
    let back = |fen| {
        StepFacts::Recovery(RecoveryFacts {
            at: at(15),
            amount: Fen(fen),
            counterparty: RecoveryFrom::Compulsory,
            settles: None,
        })
    };
    let part = case.accept(&back(-40_000)).unwrap().case;
    assert_eq!((case.recovered, part.recovered), (Fen(100_000), Fen(60_000)));
    let refused = part.accept(&back(-60_001)).unwrap_err();
    let expected = ClaimError::OverTakenBack { back: Fen(60_001), recovered: Fen(60_000) };
    assert_eq!(refused, expected);
    assert_eq!(part.accept(&back(-60_000)).unwrap().case.recovered, Fen::ZERO);
}

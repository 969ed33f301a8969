//! The rules a case's times and amounts are held to.

use kernel::Fen;
use production_core::adjustment::compulsory::{ByItem, CompulsoryLimits};
use production_core::adjustment::recovery::RecoveryFrom;
use production_core::claim::{
    AdjustFacts, AssessFacts, Case, CloseFacts, CoverRow, DocumentKind, Liability, LossPerson,
    LossProperty, NotifyFacts, PersonHarm, Promise, RecoverOrPay, RecoverOrPayRow, StepFacts,
    check,
};
use production_core::cover::{Cover, CoverRequest};
use production_core::history::PolicyClass;
use production_core::rule::{Findings, RuleId};
use rust_decimal::Decimal;

use crate::claim::{
    adjust, assess, at, close, compulsory, documented, documents, notify, register, row, survey,
    taken, vehicle, yuan,
};

fn limits() -> CompulsoryLimits {
    let by_item = |death, medical, property| ByItem {
        death_disability: yuan(death),
        medical: yuan(medical),
        property: yuan(property),
    };
    CompulsoryLimits {
        at_fault: by_item(180_000, 18_000, 2_000),
        no_fault: by_item(18_000, 1_800, 100),
    }
}

fn compulsory_promise() -> Promise {
    Promise {
        class: PolicyClass::Compulsory,
        covers: Vec::new(),
        hull_deductible: Fen::ZERO,
        limits: Some(limits()),
    }
}

fn commercial_promise(covers: Vec<CoverRequest>) -> Promise {
    Promise {
        class: PolicyClass::Commercial,
        covers,
        hull_deductible: Fen::ZERO,
        limits: Some(limits()),
    }
}

fn hull(agreed: i64) -> CoverRequest {
    CoverRequest { agreed_value: Some(yuan(agreed)), ..CoverRequest::of(Cover::Hull) }
}

/// The rules a message breaks, each once, in order.
fn broken(case: &Case, promise: &Promise, facts: &StepFacts) -> Vec<RuleId> {
    let mut found = Findings::new();
    check::step(case, promise, facts, at(10_000), &mut found);
    let mut rules: Vec<RuleId> = found.as_slice().iter().map(|finding| finding.rule).collect();
    rules.dedup();
    rules
}

fn adjusted(case: &Case, promise: &Promise, covers: Vec<CoverRow>) -> Vec<RuleId> {
    broken(case, promise, &StepFacts::Adjust(adjust(6, covers)))
}

#[test]
fn l41_warns_of_times_that_do_not_follow() {
    let case = documented(compulsory(), Liability::Main);
    let promise = compulsory_promise();
    let rows = vec![row(Cover::Compulsory, "3", 2_000)];
    assert_eq!(adjusted(&case, &promise, rows.clone()), []);
    assert_eq!(broken(&case, &promise, &StepFacts::Adjust(adjust(3, rows))), [RuleId::L41]);
    assert_eq!(broken(&case, &promise, &survey(10_001, Liability::Main)), [RuleId::L41]);
    let reported = NotifyFacts { reported_at: at(-1), ..notify() };
    assert_eq!(broken(&case, &promise, &StepFacts::Notify(reported)), [RuleId::L41]);
}

#[test]
fn l43_holds_each_fee_to_the_limit_of_the_day() {
    let case = documented(compulsory(), Liability::Main);
    let promise = compulsory_promise();
    for (fee, amount, rules) in [
        ("3", 2_000, vec![]),
        ("3", 2_001, vec![RuleId::L43]),
        ("7", 100, vec![]),
        ("7", 101, vec![RuleId::L43]),
    ] {
        let rows = vec![row(Cover::Compulsory, fee, amount)];
        assert_eq!(adjusted(&case, &promise, rows), rules, "{fee} {amount}");
    }
    // Two rows of one fee share the limit, and so do two adjustments of one round.
    let rows = vec![row(Cover::Compulsory, "3", 1_500), row(Cover::Compulsory, "3", 501)];
    assert_eq!(adjusted(&case, &promise, rows), [RuleId::L43]);
    let before =
        taken(case, vec![StepFacts::Adjust(adjust(6, vec![row(Cover::Compulsory, "3", 1_500)]))]);
    let rows = vec![row(Cover::Compulsory, "3", 501)];
    assert_eq!(adjusted(&before, &promise, rows), [RuleId::L43]);
    // Without fault only the limits without fault pay.
    let faultless = documented(compulsory(), Liability::None);
    let rows = vec![row(Cover::Compulsory, "3", 100)];
    assert_eq!(adjusted(&faultless, &promise, rows), [RuleId::L43]);
    let unknown = Promise { limits: None, ..promise };
    let rows = vec![row(Cover::Compulsory, "7", 100)];
    assert_eq!(adjusted(&faultless, &unknown, rows), [RuleId::L43]);
}

#[test]
fn l44_warns_when_what_is_paid_for_was_not_assessed() {
    let case = documented(compulsory(), Liability::Main);
    let promise = compulsory_promise();
    assert_eq!(adjusted(&case, &promise, vec![row(Cover::Compulsory, "2", 1)]), [RuleId::L44]);
    let hurt = LossPerson {
        item: 1,
        own: false,
        harm: PersonHarm::Injured,
        death_disability: Fen::ZERO,
        medical: yuan(5),
    };
    let assessed = StepFacts::Assess(AssessFacts {
        at: at(5),
        vehicles: Vec::new(),
        properties: Vec::new(),
        persons: vec![hurt],
    });
    let persons = taken(case, vec![assessed]);
    assert_eq!(adjusted(&persons, &promise, vec![row(Cover::Compulsory, "2", 1)]), []);
    assert_eq!(adjusted(&persons, &promise, vec![row(Cover::Compulsory, "3", 1)]), [RuleId::L44]);
}

/// (8,000 + 0 - 2,000 - 0) x 70 % = 4,200; with an absolute deductible of 10 % 3,780.
#[test]
fn l45_holds_third_party_payments_to_the_formula() {
    let case = documented(Case::notified(PolicyClass::Commercial, notify()), Liability::Main);
    let third = CoverRequest::of(Cover::ThirdParty).limit(yuan(1_000_000));
    let paid = |amount: i64| CoverRow {
        item: Some(2),
        share_pct: Some(Decimal::from(70)),
        loss: yuan(8_000),
        compulsory_paid: yuan(2_000),
        ..row(Cover::ThirdParty, "1", amount)
    };
    let promise = commercial_promise(vec![third.clone()]);
    assert_eq!(adjusted(&case, &promise, vec![paid(4_200)]), []);
    assert_eq!(adjusted(&case, &promise, vec![paid(4_201)]), [RuleId::L45]);
    let unsaid = CoverRow { share_pct: None, ..paid(4_200) };
    assert_eq!(adjusted(&case, &promise, vec![unsaid]), [RuleId::L45]);
    let clause = CoverRequest {
        deductible_pct: Some(10),
        ..CoverRequest::of(Cover::AbsoluteDeductible).linked(Cover::ThirdParty)
    };
    let with_clause = commercial_promise(vec![third, clause]);
    assert_eq!(adjusted(&case, &with_clause, vec![paid(3_780)]), []);
    assert_eq!(adjusted(&case, &with_clause, vec![paid(4_200)]), [RuleId::L45]);
    // The limit: 3,000 where 4,200 would be due; 6,000 with a doubling clause, so 4,200 again.
    let low = CoverRequest::of(Cover::ThirdParty).limit(yuan(3_000));
    let short = commercial_promise(vec![low.clone()]);
    assert_eq!(adjusted(&case, &short, vec![paid(3_000)]), []);
    assert_eq!(adjusted(&case, &short, vec![paid(4_200)]), [RuleId::L45]);
    let doubled = commercial_promise(vec![low, CoverRequest::of(Cover::HolidayDoubling)]);
    assert_eq!(adjusted(&case, &doubled, vec![paid(4_200)]), []);
    // What an earlier adjustment took of the limit is gone.
    let before = taken(case, vec![StepFacts::Adjust(adjust(6, vec![paid(2_000)]))]);
    assert_eq!(adjusted(&before, &short, vec![paid(1_000)]), []);
    assert_eq!(adjusted(&before, &short, vec![paid(3_000)]), [RuleId::L45]);
}

/// Without subrogation (20,000 - 2,000) x 30 % = 5,400 (SUB-1).
#[test]
fn l46_holds_own_damage_to_the_formula() {
    let base = Case::notified(PolicyClass::Commercial, notify());
    let case = taken(
        base,
        vec![
            survey(2, Liability::Minor),
            register(3),
            assess(4, vec![vehicle(1, true, 20_000), vehicle(2, false, 8_000)]),
            documents(5, vec![DocumentKind::ClaimApplication]),
        ],
    );
    let promise = commercial_promise(vec![hull(60_000)]);
    let paid = |amount: i64| CoverRow {
        item: Some(1),
        share_pct: Some(Decimal::from(30)),
        loss: yuan(20_000),
        compulsory_paid: yuan(2_000),
        ..row(Cover::Hull, "1", amount)
    };
    assert_eq!(adjusted(&case, &promise, vec![paid(5_400)]), []);
    assert_eq!(adjusted(&case, &promise, vec![paid(18_000)]), [RuleId::L46]);
    let other = CoverRow { item: Some(2), ..paid(5_400) };
    assert_eq!(adjusted(&case, &promise, vec![other]), [RuleId::L46]);
    // (20,000 - 2,000) x 30 % - 1,000 chosen with the policy.
    let chosen = Promise { hull_deductible: yuan(1_000), ..promise };
    assert_eq!(adjusted(&case, &chosen, vec![paid(4_400)]), []);
    assert_eq!(adjusted(&case, &chosen, vec![paid(5_400)]), [RuleId::L46]);
}

#[test]
fn l47_pays_no_vehicle_more_than_it_lost() {
    let case = documented(compulsory(), Liability::Main);
    let promise = compulsory_promise();
    let of = |item, amount| CoverRow { item: Some(item), ..row(Cover::Compulsory, "3", amount) };
    let small = taken(case, vec![assess(5, vec![vehicle(2, false, 1_200)])]);
    assert_eq!(adjusted(&small, &promise, vec![of(2, 1_200)]), []);
    assert_eq!(adjusted(&small, &promise, vec![of(2, 1_201)]), [RuleId::L47]);
    // Rows that do not say for which one are held to what all of them lost: 1,200 here, 1,600 with
    // the garden wall.
    let unsaid = |amount| row(Cover::Compulsory, "3", amount);
    assert_eq!(adjusted(&small, &promise, vec![unsaid(1_200)]), []);
    assert_eq!(adjusted(&small, &promise, vec![unsaid(1_201)]), [RuleId::L47]);
    assert_eq!(adjusted(&small, &promise, vec![of(2, 1_000), unsaid(300)]), [RuleId::L47]);
    let wall = LossProperty { item: 1, loss: yuan(400) };
    let walled = StepFacts::Assess(AssessFacts {
        at: at(6),
        vehicles: vec![vehicle(2, false, 1_200)],
        properties: vec![wall],
        persons: Vec::new(),
    });
    let walled = taken(small, vec![walled]);
    assert_eq!(adjusted(&walled, &promise, vec![unsaid(1_600)]), []);
    assert_eq!(adjusted(&walled, &promise, vec![unsaid(1_601)]), [RuleId::L47]);
}

#[test]
fn s17_wants_covers_the_policy_holds_and_fees_they_pay_for() {
    let case = documented(Case::notified(PolicyClass::Commercial, notify()), Liability::Main);
    let promise = commercial_promise(vec![CoverRequest::of(Cover::Scratch)]);
    assert_eq!(adjusted(&case, &promise, vec![row(Cover::Scratch, "1", 100)]), []);
    assert_eq!(adjusted(&case, &promise, vec![row(Cover::Wheel, "1", 100)]), [RuleId::S17]);
    assert_eq!(adjusted(&case, &promise, vec![row(Cover::Scratch, "2", 100)]), [RuleId::S17]);
}

/// SUB-1: L = 20,000, own share 30 %: recover 14,600 of the 20,000 paid, 2,000 of it from the
/// compulsory cover of the other side.
#[test]
fn l58_and_l60_say_what_may_be_recovered_and_how_much() {
    let notified = NotifyFacts { subrogation: true, ..notify() };
    let papers = vec![DocumentKind::SubrogationApplication, DocumentKind::LiabilityStatement];
    let steps = |liability, kinds| {
        vec![
            survey(2, liability),
            register(3),
            assess(4, vec![vehicle(1, true, 20_000), vehicle(2, false, 8_000)]),
            documents(5, kinds),
        ]
    };
    let base = || Case::notified(PolicyClass::Commercial, notified.clone());
    let case = taken(base(), steps(Liability::Minor, papers.clone()));
    let promise = commercial_promise(vec![hull(60_000)]);
    let recovered = |from, amount: i64, serial_no| RecoverOrPayRow {
        serial_no,
        direction: RecoverOrPay::Recover,
        counterparty: from,
        recovery_code: Some("07".into()),
        amount: yuan(amount),
    };
    let asked = |compulsory: i64, third: i64| {
        let paid = CoverRow {
            item: Some(1),
            share_pct: Some(Decimal::from(30)),
            loss: yuan(20_000),
            ..row(Cover::Hull, "1", 20_000)
        };
        StepFacts::Adjust(AdjustFacts {
            recoveries: vec![
                recovered(RecoveryFrom::Compulsory, compulsory, 1),
                recovered(RecoveryFrom::ThirdParty, third, 2),
            ],
            ..adjust(6, vec![paid])
        })
    };
    assert_eq!(broken(&case, &promise, &asked(2_000, 12_600)), []);
    assert_eq!(broken(&case, &promise, &asked(2_000, 12_601)), [RuleId::L60]);
    assert_eq!(broken(&case, &promise, &asked(2_001, 12_599)), [RuleId::L60]);
    let alone = taken(base(), steps(Liability::Full, papers.clone()));
    assert!(broken(&alone, &promise, &asked(2_000, 12_600)).contains(&RuleId::L58));
    let no_papers = taken(base(), steps(Liability::Minor, vec![DocumentKind::ClaimApplication]));
    assert_eq!(broken(&no_papers, &promise, &asked(2_000, 12_600)), [RuleId::L58]);
}

fn mutual(liability: Liability, own: i64, other: i64) -> Vec<RuleId> {
    let case = taken(
        compulsory(),
        vec![
            survey(2, liability),
            register(3),
            assess(4, vec![vehicle(1, true, own), vehicle(2, false, other)]),
        ],
    );
    let facts = CloseFacts { mutual: true, ..close(7, 0, liability) };
    broken(&case, &compulsory_promise(), &StepFacts::Close(facts))
}

#[test]
fn l49_lets_small_collisions_of_shared_fault_alone_settle_themselves() {
    assert_eq!(mutual(Liability::Equal, 1_800, 2_000), []);
    assert_eq!(mutual(Liability::Equal, 1_800, 2_001), [RuleId::L49]);
    assert_eq!(mutual(Liability::Full, 1_800, 1_000), [RuleId::L49]);
    assert_eq!(mutual(Liability::None, 1_800, 1_000), [RuleId::L49]);
    let case = documented(Case::notified(PolicyClass::Commercial, notify()), Liability::Equal);
    let facts = CloseFacts { mutual: true, ..close(7, 0, Liability::Equal) };
    let promise = commercial_promise(Vec::new());
    assert!(broken(&case, &promise, &StepFacts::Close(facts)).contains(&RuleId::L49));
    let property = StepFacts::Assess(AssessFacts {
        at: at(5),
        vehicles: vec![vehicle(1, true, 100), vehicle(2, false, 100)],
        properties: vec![LossProperty { item: 1, loss: yuan(1) }],
        persons: Vec::new(),
    });
    let fence = taken(documented(compulsory(), Liability::Equal), vec![property]);
    let facts = CloseFacts { mutual: true, ..close(7, 0, Liability::Equal) };
    let rules = broken(&fence, &compulsory_promise(), &StepFacts::Close(facts));
    assert_eq!(rules, [RuleId::L49]);
}

#[test]
fn l63_warns_when_the_counting_flag_differs_from_the_scheme() {
    let case = documented(compulsory(), Liability::Main);
    let flagged = |total, liability, counts| {
        let facts = CloseFacts { counts: Some(counts), ..close(7, total, liability) };
        broken(&case, &compulsory_promise(), &StepFacts::Close(facts))
    };
    assert_eq!(flagged(2_000, Liability::Main, true), []);
    assert_eq!(flagged(2_000, Liability::Main, false), [RuleId::L63]);
    assert_eq!(flagged(0, Liability::Main, true), [RuleId::L63]);
    assert_eq!(flagged(100, Liability::None, true), [RuleId::L63]);
}

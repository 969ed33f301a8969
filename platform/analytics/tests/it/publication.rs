//! What is published of a quarter, and how it is revised. Amounts are counted by hand.

use analytics::engine::{Engine, pinned};
use analytics::lake::{Lake, LakeError};
use analytics::market::Rows;
use analytics::question::{EngineError, Questions};
use analytics::suppress::Rule;
use analytics_api::{
    AnswerRow, Dimension, Filter, MarketAnswer, MarketQuestion, Measure, Quarter, QuestionError,
};

use crate::support::{Of, claim, engine, exposure, ids, never, now, payment, premium, record};

const RULE: Rule = Rule { contributors: 3, records: 4, largest_bp: 7_000 };

const A: &str = "320000/commercial/8A/A/11";
const B: &str = "320000/commercial/8A/A/12";
const C: &str = "320000/commercial/8A/A/13";
const D: &str = "110000/compulsory/8A/A/11";

fn quarter() -> Quarter {
    "2025-Q1".parse().unwrap()
}

fn of(tenant: u128, cell: &str, policy: u64) -> Of<'_> {
    Of { tenant, cell, policy }
}

/// A: four insurers with two policies of 100 each. B: two insurers, C: three others, too few alone
/// and enough together. D: one insurer.
fn rows() -> Rows {
    let mut rows = Rows::default();
    for insurer in 1..=4 {
        rows.exposures.push(exposure(of(insurer, A, 1), 100, 1));
        rows.exposures.push(exposure(of(insurer, A, 2), 100, 1));
    }
    for insurer in 1..=2 {
        rows.exposures.push(exposure(of(insurer, B, 3), 50, 1));
    }
    for insurer in 3..=5 {
        rows.exposures.push(exposure(of(insurer, C, 4), 60, 1));
    }
    rows.exposures.push(exposure(of(1, D, 5), 70, 1));
    rows
}

async fn published(rows: &Rows) -> (Lake, Engine) {
    let lake = Lake::in_memory(ids());
    record(&lake, rows).await;
    let engine = engine(&lake);
    engine.publish(quarter(), RULE, now(), &never()).await.unwrap();
    (lake, engine)
}

fn asked(by: &[Dimension], filters: &[(Dimension, &[&str])]) -> MarketQuestion {
    let filters = filters.iter().map(|(dimension, values)| Filter {
        dimension: *dimension,
        any_of: values.iter().map(|value| (*value).to_owned()).collect(),
    });
    MarketQuestion {
        quarter: quarter(),
        revision: None,
        measures: vec![Measure::InsuredS],
        by: by.to_vec(),
        filters: filters.collect(),
    }
}

async fn answer(engine: &Engine, question: &MarketQuestion) -> MarketAnswer {
    engine.answer(question, &never()).await.unwrap()
}

fn row(key: &[Option<&str>], value: i64) -> AnswerRow {
    AnswerRow { key: key.iter().map(|part| part.map(str::to_owned)).collect(), values: vec![value] }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_published_is_listed_the_latest_first() {
    let (lake, engine) = published(&rows()).await;
    let before: Quarter = "2024-Q4".parse().unwrap();
    engine.publish(before, RULE, now(), &never()).await.unwrap();
    let listed = Questions::published(&engine).await.unwrap();
    let told: Vec<_> = listed
        .iter()
        .map(|one| (one.quarter.to_string(), one.revision, one.told, one.left_out))
        .collect();
    // A, and B with C, are told; D is left out. The quarter before has nothing.
    assert_eq!(told, [("2025-Q1".to_owned(), 1, 2, 1), ("2024-Q4".to_owned(), 1, 0, 0)]);
    assert_eq!(listed[0].published_at, now());
    drop(lake);
}

#[tokio::test(flavor = "multi_thread")]
async fn cells_are_told_alone_or_together_or_not() {
    let (_, engine) = published(&rows()).await;
    let whole = answer(&engine, &asked(&[], &[])).await;
    // 800 of A, 280 of B and C together; nothing of D.
    assert_eq!(whole.rows, [row(&[], 1_080)]);
    assert_eq!((whole.revision, whole.left_out, whole.not_placed), (1, 1, 0));
    let regions = answer(&engine, &asked(&[Dimension::Region], &[])).await;
    assert_eq!(regions.rows, [row(&[Some("320000")], 1_080)]);
    let categories = answer(&engine, &asked(&[Dimension::Category], &[])).await;
    assert_eq!(categories.rows, [row(&[None], 280), row(&[Some("11")], 800)]);
    // B lies in what is only told together with C.
    let b = answer(&engine, &asked(&[], &[(Dimension::Category, &["12"])])).await;
    assert_eq!((b.rows, b.not_placed), (vec![], 1));
    let a = answer(&engine, &asked(&[], &[(Dimension::Category, &["11", "12"])])).await;
    assert_eq!((a.rows, a.not_placed), (vec![row(&[], 800)], 1));
    let d = answer(&engine, &asked(&[], &[(Dimension::Region, &["110000"])])).await;
    assert_eq!((d.rows, d.not_placed), (vec![], 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn every_measure_is_counted_from_its_table() {
    let mut rows = Rows::default();
    for insurer in 1..=4 {
        for policy in 1..=2 {
            let of = of(insurer, A, policy);
            rows.exposures.push(exposure(of, 86_400, 300));
            rows.premiums.push(premium(of, 1_000));
            rows.claims.push(claim(of));
            rows.payments.push(payment(of, 400));
        }
    }
    let (_, engine) = published(&rows).await;
    let question = MarketQuestion { measures: Measure::ALL.to_vec(), ..asked(&[], &[]) };
    let told = answer(&engine, &question).await;
    assert_eq!(told.rows[0].values, [8 * 86_400, 2_400, 8_000, 8, 3_200, 0, 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_claim_of_one_insurer_is_not_told_by_the_cell_of_many() {
    let mut rows = rows();
    rows.payments.push(payment(of(1, A, 1), 5_000));
    let (_, engine) = published(&rows).await;
    let question = MarketQuestion { measures: vec![Measure::PaidFen], ..asked(&[], &[]) };
    let told = answer(&engine, &question).await;
    assert!(told.rows.iter().all(|row| row.values == [0]), "{told:?}");
    assert_eq!(told.left_out, 2, "A is left out with D");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revision_tells_a_change_only_when_the_change_is_safe() {
    let (lake, engine) = published(&rows()).await;
    let of_a = || async {
        let told = answer(&engine, &asked(&[], &[(Dimension::Category, &["11"])])).await;
        (told.revision, told.rows[0].values[0], told.left_out)
    };
    assert_eq!(of_a().await, (1, 800, 1));

    // One insurer corrects one policy: the difference of two revisions would be its own.
    let correction = |insurer, policy| exposure(of(insurer, A, policy), 10, 0);
    let exposures = vec![correction(1, 1)];
    record(&lake, &Rows { exposures, ..Rows::default() }).await;
    let held = engine.publish(quarter(), RULE, now(), &never()).await.unwrap();
    assert_eq!((held.revision, held.changed, held.held), (1, 0, 1));
    assert_eq!(of_a().await, (1, 800, 1));

    // Then everybody does: one change of four insurers.
    let exposures = (2..=4).flat_map(|one| [correction(one, 1), correction(one, 2)]).collect();
    record(&lake, &Rows { exposures, ..Rows::default() }).await;
    let told = engine.publish(quarter(), RULE, now(), &never()).await.unwrap();
    assert_eq!((told.revision, told.changed, told.held), (2, 1, 0));
    assert_eq!(of_a().await, (2, 870, 1));
    // The first revision is answered as before.
    let first = MarketQuestion { revision: Some(1), ..asked(&[], &[]) };
    assert_eq!(answer(&engine, &first).await.rows, [row(&[], 1_080)]);
    // B and C are still of the first version of the record, A is of the third.
    assert_eq!(pinned(&lake).await.unwrap(), [1, 3]);

    // Others join D, which was in no atom.
    let exposures = (2..=4)
        .flat_map(|one| [exposure(of(one, D, 6), 40, 1), exposure(of(one, D, 7), 40, 1)])
        .collect();
    record(&lake, &Rows { exposures, ..Rows::default() }).await;
    let told = engine.publish(quarter(), RULE, now(), &never()).await.unwrap();
    assert_eq!((told.revision, told.changed, told.left_out), (3, 1, 0));
    let whole = answer(&engine, &asked(&[Dimension::Region], &[])).await;
    assert_eq!(whole.rows, [row(&[Some("110000")], 310), row(&[Some("320000")], 1_150)]);
    // Nothing new: no revision.
    let again = engine.publish(quarter(), RULE, now(), &never()).await.unwrap();
    assert_eq!((again.revision, again.changed), (3, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_record_gives_the_same_publication() {
    let (lake, _) = published(&rows()).await;
    let mut shuffled = rows();
    shuffled.exposures.reverse();
    let (other, _) = published(&shuffled).await;
    let name = analytics::lake::DatasetName::parse("publication_2025q1").unwrap();
    let mut digests = Vec::new();
    for lake in [lake, other] {
        let version = lake.dataset(analytics::lake::Owner::Operator, name.clone()).latest().await;
        let version = version.unwrap().unwrap();
        let files = version.manifest().tables.values().flat_map(|table| &table.files);
        digests.push(files.map(|file| file.sha256.clone()).collect::<Vec<_>>());
    }
    assert_eq!(digests[0], digests[1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_published_or_answered_is_said() {
    let lake = Lake::in_memory(ids());
    let engine = engine(&lake);
    let none = engine.publish(quarter(), RULE, now(), &never()).await;
    assert!(matches!(none, Err(EngineError::Refused(_))), "there is no record");
    record(&lake, &rows()).await;
    let open = engine.publish("2025-Q2".parse().unwrap(), RULE, now(), &never()).await;
    assert!(matches!(open, Err(EngineError::Refused(_))), "the quarter is not over");
    let unknown = engine.answer(&asked(&[], &[]), &never()).await;
    assert!(matches!(unknown, Err(EngineError::NotPublished(_))));
    let nothing = MarketQuestion { measures: vec![], ..asked(&[], &[]) };
    let nothing = engine.answer(&nothing, &never()).await;
    assert!(matches!(nothing, Err(EngineError::Question(QuestionError::NoMeasure))));

    // Two that publish at once: one revision.
    let other = self::engine(&lake);
    let token = never();
    let both = futures::join!(
        engine.publish(quarter(), RULE, now(), &token),
        other.publish(quarter(), RULE, now(), &token)
    );
    let refused = [both.0, both.1].into_iter().filter_map(Result::err).collect::<Vec<_>>();
    assert!(refused.len() <= 1);
    for error in &refused {
        assert!(matches!(error, EngineError::Lake(LakeError::Conflict { .. })), "{error:?}");
    }
    assert_eq!(answer(&engine, &asked(&[], &[])).await.revision, 1);
}

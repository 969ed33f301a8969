//! An insurer's own rows in SQL: only those, only reading, only so much.

use std::time::{Duration, Instant};

use analytics::engine::{Engine, Limits};
use analytics::lake::{DatasetName, Lake, Owner, TableName, TableSpec};
use analytics::market::{MarketRow, Rows};
use analytics::question::{EngineError, OwnQuestion, OwnStream, OwnTable};
use arrow::array::{Array, AsArray};
use arrow::datatypes::Int64Type;
use futures::StreamExt;

use crate::support::{Of, asked, at, engine, exposure, ids, never, now, premium, record, tenant};

const CELL: &str = "320000/commercial/8A/A/11";

fn of(tenant: u128, policy: u64) -> Of<'static> {
    Of { tenant, cell: CELL, policy }
}

/// Three policies of insurer 1, two of insurer 2.
async fn world() -> Lake {
    let lake = Lake::in_memory(ids());
    let exposures = vec![
        exposure(of(1, 1), 100, 10),
        exposure(of(1, 2), 200, 20),
        exposure(of(2, 1), 1_000, 100),
        exposure(of(1, 3), 300, 30),
        exposure(of(2, 2), 2_000, 200),
    ];
    record(&lake, &Rows { exposures, ..Rows::default() }).await;
    lake
}

async fn whole(engine: &Engine, question: &OwnQuestion) -> Vec<Option<i64>> {
    let answer = engine.own(question, &never()).await.unwrap();
    let columns = answer.batches.iter().map(|batch| batch.column(0).as_primitive::<Int64Type>());
    columns.flat_map(|column| column.iter().collect::<Vec<_>>()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_insurer_sees_its_own_rows_however_it_asks() {
    let engine = engine(&world().await);
    let other = tenant(2);
    let sums = [
        "select sum(insured_s) from exposure".to_owned(),
        "select sum(insured_s) from market.exposure e".to_owned(),
        "with all_rows as (select * from exposure) select sum(insured_s) from all_rows".to_owned(),
        "select sum(insured_s) from (select * from exposure union all select * from exposure where false) x".to_owned(),
        "select sum(a.insured_s) from exposure a join exposure b using (confirm_no)".to_owned(),
        format!("select sum(insured_s) from exposure where tenant_id <> '{other}' or true"),
        "select (select sum(insured_s) from exposure)".to_owned(),
    ];
    for sql in &sums {
        assert_eq!(whole(&engine, &asked(1, sql)).await, [Some(600)], "{sql}");
        assert_eq!(whole(&engine, &asked(2, sql)).await, [Some(3_000)], "{sql}");
        assert_eq!(whole(&engine, &asked(3, sql)).await, [None], "{sql}");
    }
    let count = "select count(*) from exposure";
    assert_eq!(whole(&engine, &asked(1, count)).await, [Some(3)]);
    let theirs = format!("select count(*) from exposure where tenant_id = '{other}'");
    assert_eq!(whole(&engine, &asked(1, &theirs)).await, [Some(0)]);
}

/// An expression that fails on a row tells that there is one, so none may meet another's.
#[tokio::test(flavor = "multi_thread")]
async fn no_expression_meets_a_row_of_another() {
    let engine = engine(&world().await);
    let probes = [
        "select count(*) from exposure where 1 / (insured_s - 1000) < 5",
        "select sum(1 / (insured_s - 2000)) from exposure",
        "select count(*) from exposure where cast(case when insured_s >= 1000 then 'x' else '1' end as bigint) = 1",
        "select count(*) from exposure where insured_s < 1000 or 1 / (insured_s - 1000) > 0",
    ];
    for sql in probes {
        let answered = engine.own(&asked(1, sql), &never()).await;
        assert!(answered.is_ok(), "{sql}: {:?}", answered.err());
        let theirs = engine.own(&asked(2, sql), &never()).await;
        let failed = matches!(theirs, Err(EngineError::Sql(_)));
        assert!(failed || sql.contains(" or "), "the probe works on its own rows: {sql}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_only_reads() {
    let folder = tempfile::tempdir().unwrap();
    let lake = Lake::in_folder(folder.path(), ids()).unwrap();
    let exposures = vec![exposure(of(1, 1), 100, 10)];
    let version = record(&lake, &Rows { exposures, ..Rows::default() }).await;
    let table = TableName::parse("exposure").unwrap();
    let file = &version.table(&table).unwrap().files[0].path;
    let file = folder.path().join("operator/market").join(file);
    assert!(file.is_file());
    let file = file.display();
    let engine = engine(&lake);
    let refused = [
        "insert into exposure select * from exposure".to_owned(),
        "delete from exposure".to_owned(),
        "update exposure set insured_s = 0".to_owned(),
        "create table x as select 1".to_owned(),
        "create view x as select 1".to_owned(),
        format!("create external table x stored as parquet location '{file}'"),
        "create function f() returns int return 1".to_owned(),
        "drop table exposure".to_owned(),
        "copy exposure to 'out.csv'".to_owned(),
        "copy (select 1) to 'out.csv'".to_owned(),
        "set datafusion.execution.batch_size = 1".to_owned(),
        "reset datafusion.execution.batch_size".to_owned(),
        "show tables".to_owned(),
        "describe exposure".to_owned(),
        "explain select 1".to_owned(),
        "explain analyze select 1".to_owned(),
        "prepare p as select 1".to_owned(),
        "select 1; select 2".to_owned(),
        "".to_owned(),
        "select * into x from exposure".to_owned(),
        "with gone as (delete from exposure returning *) select * from gone".to_owned(),
        format!("select * from '{file}'"),
        format!("select * from \"{file}\""),
        "select * from read_parquet('x')".to_owned(),
        "select * from generate_series(1, 10)".to_owned(),
        "select * from information_schema.tables".to_owned(),
        "select * from lake.market.exposure".to_owned(),
        "select * from nothing".to_owned(),
        "select repeat('x', 2000000000)".to_owned(),
        // Functions that a build with more of DataFusion would have.
        "select array_repeat('x', 2000000000)".to_owned(),
        "select range(0, 2000000000)".to_owned(),
        "with recursive r as (select 1 as n union all select n + 1 from r) select * from r"
            .to_owned(),
        format!("select {}1", "1 + ".repeat(10_000)),
        format!("select {}1{}", "(".repeat(5_000), ")".repeat(5_000)),
    ];
    for sql in &refused {
        let answered = engine.own(&asked(1, sql), &never()).await;
        let refusal = answered.expect_err(sql);
        assert!(
            matches!(refusal, EngineError::Refused(_) | EngineError::Sql(_)),
            "{sql}: {refusal:?}"
        );
        let text = refusal.to_string();
        assert!(
            sql.contains("/operator/") || !text.contains("/operator/"),
            "names no place: {text}"
        );
    }
    assert_eq!(whole(&engine, &asked(1, "select count(*) from exposure")).await, [Some(1)]);
}

/// Answered or refused, and the process lives.
#[tokio::test(flavor = "multi_thread")]
async fn a_question_may_be_deep_and_not_too_deep() {
    let engine = engine(&world().await);
    let deep = format!("select {}1", "1 + ".repeat(1_900));
    assert_eq!(whole(&engine, &asked(1, &deep)).await, [Some(1_901)]);
    let wide = format!("select sum(n) from (select 1 as n{}) x", " union all select 1".repeat(900));
    assert_eq!(whole(&engine, &asked(1, &wide)).await, [Some(901)]);
    let deeper = format!("select {}1", "1 + ".repeat(4_500));
    let refused = engine.own(&asked(1, &deeper), &never()).await;
    assert!(matches!(refused, Err(EngineError::Refused(_))), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_known_then_is_answered_again() {
    let lake = Lake::in_memory(ids());
    let first = exposure(of(1, 1), 100, 10);
    let mut correction = exposure(of(1, 1), -30, -3);
    correction.recorded_at = at("2025-04-20T00:00:00Z");
    correction.sequence = 1;
    record(&lake, &Rows { exposures: vec![first], ..Rows::default() }).await;
    record(&lake, &Rows { exposures: vec![correction], ..Rows::default() }).await;
    let engine = engine(&lake);
    let mut question = asked(1, "select sum(insured_s) from exposure");
    assert_eq!(whole(&engine, &question).await, [Some(70)]);
    question.known_at = Some(at("2025-04-19T23:59:59.999999Z"));
    assert_eq!(whole(&engine, &question).await, [Some(100)]);
    question.known_at = Some(at("2025-04-20T00:00:00Z"));
    assert_eq!(whole(&engine, &question).await, [Some(70)]);
    question.known_at = None;
    question.version = Some(1);
    assert_eq!(whole(&engine, &question).await, [Some(100)]);
    let answer = engine.own(&question, &never()).await.unwrap();
    assert_eq!(answer.read, [("operator/market".to_owned(), 1)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_own_dataset_is_read_by_its_owner_alone() {
    let lake = world().await;
    let dataset = lake.dataset(Owner::Tenant(tenant(1)), DatasetName::parse("portfolio").unwrap());
    let table = TableName::parse("premium").unwrap();
    let rows = [premium(of(1, 1), 500), premium(of(1, 2), 700)];
    let batch = analytics::market::PremiumRow::batch(&rows).unwrap();
    let mut draft = dataset.draft().await.unwrap();
    draft.declare(&table, &TableSpec::plain(batch.schema())).unwrap();
    draft.write(&table, batch).await.unwrap();
    draft.commit(now()).await.unwrap();
    let engine = engine(&lake);
    let sql = "select sum(written_fen) from portfolio.premium";
    assert_eq!(whole(&engine, &asked(1, sql)).await, [Some(1_200)]);
    let other = engine.own(&asked(2, sql), &never()).await;
    assert!(matches!(other, Err(EngineError::Sql(_))), "{other:?}");
    let both = "select sum(p.written_fen + e.insured_s)
                from portfolio.premium p join exposure e using (confirm_no)";
    assert_eq!(whole(&engine, &asked(1, both)).await, [Some(1_500)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_has_limits() {
    let lake = Lake::in_memory(ids());
    let exposures: Vec<_> = (0..20_000).map(|policy| exposure(of(1, policy), 1, 1)).collect();
    record(&lake, &Rows { exposures, ..Rows::default() }).await;
    let with = |limits: Limits| Engine::start(lake.clone(), limits).unwrap();

    let few = with(Limits { rows: 10, ..Limits::default() });
    let answer = few.own(&asked(1, "select confirm_no from exposure"), &never()).await.unwrap();
    assert_eq!(answer.batches.iter().map(|batch| batch.num_rows()).sum::<usize>(), 10);
    assert!(answer.cut);
    let answer =
        few.own(&asked(1, "select confirm_no from exposure limit 10"), &never()).await.unwrap();
    assert!(!answer.cut);

    let small = with(Limits { memory_bytes: 1 << 20, ..Limits::default() });
    let sorted = "select a.confirm_no, b.confirm_no from exposure a, exposure b order by a.confirm_no, b.confirm_no";
    let refused = small.own(&asked(1, sorted), &never()).await;
    assert!(matches!(refused, Err(EngineError::TooLarge)), "{refused:?}");

    // Pairs pass by and are not kept: with three tables, who is first, memory or time, is a race.
    let endless = "select count(*) from exposure a, exposure b
                   where a.confirm_no || b.confirm_no = 'x'";
    let short = with(Limits { time: Duration::from_millis(300), ..Limits::default() });
    let begun = Instant::now();
    let refused = short.own(&asked(1, endless), &never()).await;
    assert!(matches!(refused, Err(EngineError::TimedOut)), "{refused:?}");
    assert!(begun.elapsed() < Duration::from_secs(20));

    let engine = with(Limits { at_once: 1, ..Limits::default() });
    let cancel = never();
    let asking = tokio::spawn({
        let (engine, cancel) = (engine.clone(), cancel.clone());
        async move { engine.own(&asked(1, endless), &cancel).await }
    });
    tokio::task::yield_now().await;
    cancel.cancel();
    assert!(matches!(asking.await.unwrap(), Err(EngineError::Cancelled)));
    // Its place is free again.
    assert_eq!(whole(&engine, &asked(1, "select count(*) from exposure")).await, [Some(20_000)]);
}

/// Rows that came, and how it ended.
async fn taken(mut stream: OwnStream) -> (usize, Option<EngineError>) {
    let mut rows = 0;
    while let Some(batch) = stream.next().await {
        match batch {
            Ok(batch) => rows += batch.num_rows(),
            Err(error) => {
                assert!(stream.next().await.is_none(), "nothing follows an error");
                return (rows, Some(error));
            }
        }
    }
    (rows, None)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_answer_is_sent_as_it_is_computed_and_never_short_in_silence() {
    let lake = Lake::in_memory(ids());
    let exposures: Vec<_> = (0..30_000).map(|policy| exposure(of(1, policy), 1, 1)).collect();
    record(&lake, &Rows { exposures, ..Rows::default() }).await;
    let with = |limits: Limits| Engine::start(lake.clone(), limits).unwrap();
    let all = asked(1, "select confirm_no from exposure");
    let wanting = |rows: usize| OwnQuestion { rows: Some(rows), ..all.clone() };

    let engine = with(Limits { rows: 10, at_once: 1, ..Limits::default() });
    let stream = engine.own_stream(&all, &never()).await.unwrap();
    assert_eq!(stream.read, [("operator/market".to_owned(), 1)]);
    assert!(matches!(taken(stream).await, (30_000, None)));
    for rows in [1, 20_001] {
        let stream = engine.own_stream(&wanting(rows), &never()).await.unwrap();
        assert!(matches!(taken(stream).await, (got, None) if got == rows), "{rows}");
    }
    // A stream that is dropped gives its place back, though nothing was taken.
    drop(engine.own_stream(&all, &never()).await.unwrap());
    let again = engine.own_stream(&all, &never()).await.unwrap();
    assert!(matches!(taken(again).await, (30_000, None)));

    let wrong = engine.own_stream(&asked(1, "select nothing from exposure"), &never()).await;
    assert!(matches!(wrong, Err(EngineError::Sql(_))), "{wrong:?}");
    // It fails on a row that comes late.
    let late = "select 1 / (case when confirm_no like '%29999' then 0 else 1 end) from exposure";
    let ended = taken(engine.own_stream(&asked(1, late), &never()).await.unwrap()).await;
    assert!(matches!(ended, (0..30_000, Some(EngineError::Sql(_)))), "{ended:?}");

    let few = with(Limits { sent_rows: 20_000, ..Limits::default() });
    let ended = taken(few.own_stream(&all, &never()).await.unwrap()).await;
    assert!(matches!(ended, (0..=20_000, Some(EngineError::TooLong(_)))), "{ended:?}");
    let short = with(Limits { sent_bytes: 10_000, ..Limits::default() });
    let ended = taken(short.own_stream(&all, &never()).await.unwrap()).await;
    assert!(matches!(ended, (0, Some(EngineError::TooLong(_)))), "{ended:?}");

    // Nobody takes the rows: the place is free again, and what is missing does not look like an end.
    let hasty =
        with(Limits { at_once: 1, patience: Duration::from_millis(20), ..Limits::default() });
    let forgotten = hasty.own_stream(&all, &never()).await.unwrap();
    assert_eq!(whole(&hasty, &asked(1, "select count(*) from exposure")).await, [Some(30_000)]);
    let ended = taken(forgotten).await;
    assert!(matches!(ended, (0..30_000, Some(EngineError::NotTaken))), "{ended:?}");

    let endless = "select a.confirm_no from exposure a, exposure b
                   where a.confirm_no || b.confirm_no = 'x'";
    let quick = with(Limits { time: Duration::from_millis(300), ..Limits::default() });
    let ended = taken(quick.own_stream(&asked(1, endless), &never()).await.unwrap()).await;
    assert!(matches!(ended, (0, Some(EngineError::TimedOut))), "{ended:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn own_datasets_have_names_for_people_and_versions() {
    let lake = world().await;
    let (own, other) = (Owner::Tenant(tenant(1)), Owner::Tenant(tenant(2)));
    let table = TableName::parse("rows").unwrap();
    for (owner, place, fen) in [(own, "d1_v1", 500), (own, "d1_v2", 700), (other, "d9_v1", 9)] {
        let batch = analytics::market::PremiumRow::batch(&[premium(of(1, 1), fen)]).unwrap();
        let dataset = lake.dataset(owner, DatasetName::parse(place).unwrap());
        let mut draft = dataset.draft().await.unwrap();
        draft.declare(&table, &TableSpec::plain(batch.schema())).unwrap();
        draft.write(&table, batch).await.unwrap();
        draft.commit(now()).await.unwrap();
    }
    let named = |place: &str, version| OwnTable {
        name: "motor-2024".to_owned(),
        version,
        dataset: DatasetName::parse(place).unwrap(),
        table: table.clone(),
    };
    let tables = vec![named("d1_v1", 1), named("d1_v2", 2)];
    let engine = engine(&lake);
    let about = |sql: &str| OwnQuestion { tables: tables.clone(), ..asked(1, sql) };
    let cases = [
        ("select written_fen from own.\"motor-2024\"", 700),
        ("select written_fen from own.\"motor-2024@2\"", 700),
        ("select written_fen from own.\"motor-2024@1\"", 500),
        (
            "select a.written_fen + b.written_fen from own.\"motor-2024@1\" a
             join own.\"motor-2024\" b using (confirm_no)",
            1_200,
        ),
    ];
    for (sql, wanted) in cases {
        assert_eq!(whole(&engine, &about(sql)).await, [Some(wanted)], "{sql}");
    }
    let answer = engine.own(&about(cases[3].0), &never()).await.unwrap();
    let read = [("own/motor-2024".to_owned(), 1), ("own/motor-2024".to_owned(), 2)];
    assert_eq!(answer.read, read);
    for sql in ["select * from own.\"motor-2024@3\"", "select * from own.d9_v1"] {
        let refused = engine.own(&about(sql), &never()).await;
        assert!(matches!(refused, Err(EngineError::Sql(_))), "{sql}: {refused:?}");
    }
    // A place of another tenant is not found among one's own.
    let strange = OwnQuestion {
        tables: vec![OwnTable { name: "x".to_owned(), ..named("d9_v1", 1) }],
        ..asked(1, "select * from own.x")
    };
    assert!(engine.own(&strange, &never()).await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_file_is_told_of() {
    let folder = tempfile::tempdir().unwrap();
    let lake = Lake::in_folder(folder.path(), ids()).unwrap();
    let exposures = vec![exposure(of(1, 1), 100, 10)];
    let version = record(&lake, &Rows { exposures, ..Rows::default() }).await;
    let table = TableName::parse("exposure").unwrap();
    let file = &version.table(&table).unwrap().files[0].path;
    let file = folder.path().join("operator/market").join(file);
    std::fs::write(file, b"PAR1").unwrap();
    let asked = asked(1, "select sum(insured_s) from exposure");
    let answered = engine(&lake).own(&asked, &never()).await;
    let named =
        matches!(answered, Err(EngineError::Lake(analytics::lake::LakeError::Corrupt { .. })));
    assert!(named, "{answered:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn texts_and_instants_are_filtered_as_they_stand() {
    let engine = engine(&world().await);
    let sql = "select count(*) from exposure
               where month = date '2025-02-01' and region in ('110000', '320000')
                 and recorded_at >= timestamp '2025-02-01 00:00:00'";
    assert_eq!(whole(&engine, &asked(1, sql)).await, [Some(3)]);
    let none = "select count(*) from exposure where month > date '2025-02-01'";
    assert_eq!(whole(&engine, &asked(1, none)).await, [Some(0)]);
    let answer =
        engine.own(&asked(1, "select region from exposure limit 1"), &never()).await.unwrap();
    let region =
        arrow::compute::cast(answer.batches[0].column(0), &arrow::datatypes::DataType::Utf8)
            .unwrap();
    assert_eq!(region.as_string::<i32>().value(0), "320000");
    assert_eq!(region.null_count(), 0);
}

//! Versions, partitions, faults, housekeeping.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use analytics::lake::{
    DatasetName, Fault, Lake, LakeError, Month, Owner, TableName, TableSpec, Version,
};
use arrow::array::{Array, AsArray, Date32Array, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Date32Type, Field, Int64Type, Schema, SchemaRef};
use futures::TryStreamExt;
use jiff::{SignedDuration, Timestamp};
use kernel::{Ids, TenantId};

fn now() -> Timestamp {
    "2025-03-01T02:00:00Z".parse().unwrap()
}

fn later(minutes: i64) -> Timestamp {
    now() + SignedDuration::from_mins(minutes)
}

fn name(text: &str) -> TableName {
    TableName::parse(text).unwrap()
}

fn schema() -> SchemaRef {
    Arc::new(Schema::new(vec![
        Field::new("day", DataType::Date32, true),
        Field::new("region", DataType::Utf8, true),
        Field::new("n", DataType::Int64, false),
    ]))
}

/// Rows `n` of a day (since 1970) and a region.
fn rows(of: &[(Option<i32>, &str, i64)]) -> RecordBatch {
    RecordBatch::try_new(
        schema(),
        vec![
            Arc::new(Date32Array::from_iter(of.iter().map(|row| row.0))),
            Arc::new(StringArray::from_iter_values(of.iter().map(|row| row.1))),
            Arc::new(Int64Array::from_iter_values(of.iter().map(|row| row.2))),
        ],
    )
    .unwrap()
}

/// Identifiers as another process would have them.
fn ids() -> Arc<Ids> {
    static SEED: AtomicU64 = AtomicU64::new(1);
    Arc::new(Ids::seeded(SEED.fetch_add(1, Ordering::Relaxed)))
}

fn folder_lake(folder: &Path) -> Lake {
    Lake::in_folder(folder, ids()).unwrap()
}

fn memory_lake() -> Lake {
    Lake::in_memory(ids())
}

fn dataset(lake: &Lake) -> analytics::lake::Dataset {
    lake.dataset(Owner::Operator, DatasetName::parse("market").unwrap())
}

async fn add(lake: &Lake, at: Timestamp, of: &[(Option<i32>, &str, i64)]) -> Version {
    let mut draft = dataset(lake).draft().await.unwrap();
    draft.declare(&name("policy"), &TableSpec::parted(schema(), "day", "region")).unwrap();
    draft.write(&name("policy"), rows(of)).await.unwrap();
    draft.commit(at).await.unwrap()
}

async fn numbers(version: &Version) -> Vec<i64> {
    let scan = version.scan(&name("policy")).unwrap().columns(&["n"]).unwrap();
    let batches: Vec<RecordBatch> = scan.batches().try_collect().await.unwrap();
    batches
        .iter()
        .flat_map(|batch| batch.column(0).as_primitive::<Int64Type>().values().to_vec())
        .collect()
}

#[tokio::test]
async fn a_version_never_changes_and_as_of_finds_it() {
    let folder = tempfile::tempdir().unwrap();
    let lake = folder_lake(folder.path());
    assert!(dataset(&lake).latest().await.unwrap().is_none());
    let first = add(&lake, later(0), &[(Some(1), "320000", 1), (Some(40), "110000", 2)]).await;
    let second = add(&lake, later(10), &[(Some(1), "320000", 3)]).await;
    assert_eq!((first.number(), second.number()), (1, 2));

    // Another process sees the same.
    let lake = folder_lake(folder.path());
    let market = dataset(&lake);
    assert_eq!(numbers(&market.latest().await.unwrap().unwrap()).await, [1, 3, 2]);
    assert_eq!(numbers(&market.version(1).await.unwrap()).await, [1, 2]);
    for (minutes, expected) in
        [(-1, None), (0, Some(1)), (9, Some(1)), (10, Some(2)), (99, Some(2))]
    {
        let found = market.as_of(later(minutes)).await.unwrap();
        assert_eq!(found.map(|version| version.number()), expected, "after {minutes} minutes");
    }
    let lines = market.versions().await.unwrap();
    assert_eq!(lines.iter().map(|line| line.rows).collect::<Vec<_>>(), [2, 3]);
    assert!(matches!(market.version(3).await, Err(LakeError::NoVersion { number: 3, .. })));
}

#[tokio::test]
async fn files_are_parted_by_month_and_region_and_say_what_they_hold() {
    let lake = memory_lake();
    let version = add(
        &lake,
        now(),
        // 31 is 1 February 1970.
        &[
            (Some(31), "320000", 5),
            (Some(30), "320000", 4),
            (None, "320000", 6),
            (Some(0), "110000", 7),
        ],
    )
    .await;
    let entry = version.table(&name("policy")).unwrap();
    let seen: Vec<_> = entry
        .files
        .iter()
        .map(|file| (file.month.map(|month| month.to_string()), file.region.as_deref(), file.rows))
        .collect();
    let month = |text: &str| Some(text.to_owned());
    assert_eq!(
        seen,
        [
            (None, Some("320000"), 1),
            (month("1970-01"), Some("110000"), 1),
            (month("1970-01"), Some("320000"), 1),
            (month("1970-02"), Some("320000"), 1),
        ]
    );
    let bounds = serde_json::to_value(&entry.files[3].bounds).unwrap();
    assert_eq!(
        bounds,
        serde_json::json!({
            "day": { "min": 31, "max": 31 },
            "region": { "min": "320000", "max": "320000" },
            "n": { "min": 5, "max": 5 },
        })
    );
    let january: Month = "1970-01".parse().unwrap();
    let scan = version.scan(&name("policy")).unwrap().months(january, january).regions(&["320000"]);
    assert_eq!(scan.rows(), 1);
    let batches: Vec<RecordBatch> = scan.batches().try_collect().await.unwrap();
    assert_eq!(batches[0].column(0).as_primitive::<Date32Type>().value(0), 30);
}

#[tokio::test]
async fn of_two_that_build_on_one_version_the_second_starts_over() {
    let folder = tempfile::tempdir().unwrap();
    let (one, other) = (folder_lake(folder.path()), folder_lake(folder.path()));
    add(&one, now(), &[(Some(1), "320000", 1)]).await;
    let mut late = dataset(&other).draft().await.unwrap();
    late.write(&name("policy"), rows(&[(Some(1), "320000", 2)])).await.unwrap();
    add(&one, now(), &[(Some(1), "320000", 3)]).await;
    let refused = late.commit(now()).await.unwrap_err();
    assert!(refused.is_start_over(), "{refused}");
    assert!(matches!(refused, LakeError::Conflict { number: 2, .. }));
    assert_eq!(numbers(&dataset(&other).latest().await.unwrap().unwrap()).await, [1, 3]);
}

#[tokio::test(flavor = "multi_thread")]
async fn many_writers_lose_nothing_and_double_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let writers = (0..4_i64).map(|writer| {
        let lake = folder_lake(folder.path());
        tokio::spawn(async move {
            let mut refused = 0;
            for n in 0..10 {
                loop {
                    let mut draft = dataset(&lake).draft().await.unwrap();
                    draft
                        .declare(&name("policy"), &TableSpec::parted(schema(), "day", "region"))
                        .unwrap();
                    let row = rows(&[(Some(1), "320000", writer * 100 + n)]);
                    draft.write(&name("policy"), row).await.unwrap();
                    match draft.commit(now()).await {
                        Ok(_) => break,
                        Err(error) => {
                            assert!(error.is_start_over(), "{error}");
                            refused += 1;
                        }
                    }
                }
            }
            refused
        })
    });
    let refused: Vec<i32> =
        futures::future::try_join_all(writers.collect::<Vec<_>>()).await.unwrap();
    let latest = dataset(&folder_lake(folder.path())).latest().await.unwrap().unwrap();
    assert_eq!(latest.number(), 40);
    let mut found = numbers(&latest).await;
    found.sort_unstable();
    let expected: Vec<i64> = (0..4).flat_map(|w| (0..10).map(move |n| w * 100 + n)).collect();
    assert_eq!(found, expected);
    assert!(refused.iter().sum::<i32>() > 0, "the writers never met");
}

#[tokio::test]
async fn what_is_not_committed_is_not_there_and_is_swept() {
    let folder = tempfile::tempdir().unwrap();
    let lake = folder_lake(folder.path());
    let version = add(&lake, now(), &[(Some(1), "320000", 1)]).await;
    let mut crashed = dataset(&lake).draft().await.unwrap();
    crashed.write(&name("policy"), rows(&[(Some(1), "320000", 2)])).await.unwrap();
    // Its file is stored, its manifest never.
    let conflict = add(&lake, now(), &[(Some(1), "320000", 3)]).await;
    assert!(crashed.commit(now()).await.is_err());
    assert_eq!(conflict.number(), version.number() + 1);
    let market = dataset(&lake);
    let young = market.sweep("2020-01-01T00:00:00Z".parse().unwrap()).await.unwrap();
    assert_eq!(young.files, 0, "files are left for a while");
    let swept = market.sweep(Timestamp::MAX).await.unwrap();
    assert_eq!(swept.files, 1);
    let latest = market.latest().await.unwrap().unwrap();
    assert_eq!(numbers(&latest).await, [1, 3]);
    latest.verify().await.unwrap();
    assert_eq!(market.sweep(Timestamp::MAX).await.unwrap().files, 0);
}

fn parquet_files(folder: &Path) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(parquet_files(&path));
        } else if path.extension().is_some_and(|end| end == "parquet") {
            found.push(path);
        }
    }
    found
}

#[tokio::test]
async fn damage_is_named() {
    let damages: [(&str, fn(&Path)); 5] = [
        ("missing", |file| std::fs::remove_file(file).unwrap()),
        ("longer", |file| {
            let mut bytes = std::fs::read(file).unwrap();
            bytes.push(0);
            std::fs::write(file, bytes).unwrap();
        }),
        ("cut", |file| {
            let bytes = std::fs::read(file).unwrap();
            std::fs::write(file, &bytes[..bytes.len() / 2]).unwrap();
        }),
        ("overwritten", |file| {
            let length = std::fs::read(file).unwrap().len();
            std::fs::write(file, vec![7; length]).unwrap();
        }),
        ("one bit", |file| {
            let mut bytes = std::fs::read(file).unwrap();
            bytes[6] ^= 1;
            std::fs::write(file, bytes).unwrap();
        }),
    ];
    for (what, damage) in damages {
        let folder = tempfile::tempdir().unwrap();
        let lake = folder_lake(folder.path());
        let version = add(&lake, now(), &[(Some(1), "320000", 1), (Some(1), "320000", 2)]).await;
        version.verify().await.unwrap();
        damage(&parquet_files(folder.path())[0]);
        let batches = version.scan(&name("policy")).unwrap().batches();
        let read: Result<Vec<RecordBatch>, LakeError> = batches.try_collect().await;
        let verified = version.verify().await;
        let fault = |error: &LakeError| match error {
            LakeError::Corrupt { fault, path } => {
                assert!(path.ends_with(".parquet"), "{path}");
                fault.clone()
            }
            other => panic!("{what}: {other:?}"),
        };
        let verified = fault(&verified.unwrap_err());
        match what {
            "missing" => {
                assert_eq!(fault(&read.unwrap_err()), Fault::Missing);
                assert_eq!(verified, Fault::Missing);
            }
            "longer" | "cut" => {
                assert!(matches!(fault(&read.unwrap_err()), Fault::Bytes { .. }));
                assert!(matches!(verified, Fault::Bytes { .. }));
            }
            "overwritten" => {
                assert!(matches!(fault(&read.unwrap_err()), Fault::Unreadable(_)));
                assert_eq!(verified, Fault::Digest);
            }
            _ => assert_eq!(verified, Fault::Digest),
        }
    }
}

#[tokio::test]
async fn a_damaged_manifest_is_named_and_a_half_written_one_never_seen() {
    let folder = tempfile::tempdir().unwrap();
    let lake = folder_lake(folder.path());
    add(&lake, now(), &[(Some(1), "320000", 1)]).await;
    let path = folder.path().join("operator/market/versions/00000000000000000001.json");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replace("\"rows\":1", "\"rows\":2")).unwrap();
    let read = dataset(&folder_lake(folder.path())).latest().await;
    assert!(matches!(read, Err(LakeError::Corrupt { fault: Fault::Digest, .. })));
    std::fs::write(&path, &text[..text.len() / 2]).unwrap();
    let read = dataset(&folder_lake(folder.path())).latest().await;
    assert!(matches!(read, Err(LakeError::Corrupt { fault: Fault::Unreadable(_), .. })));
}

#[tokio::test]
async fn a_table_widens_and_old_rows_are_null_there() {
    let lake = memory_lake();
    add(&lake, now(), &[(Some(1), "320000", 1)]).await;
    let mut fields: Vec<_> = schema().fields().to_vec();
    fields.push(Arc::new(Field::new("note", DataType::Utf8, true)));
    let wide = Arc::new(Schema::new(fields.clone()));
    let mut draft = dataset(&lake).draft().await.unwrap();
    let spec = |schema: &SchemaRef| TableSpec::parted(schema.clone(), "day", "region");
    draft.declare(&name("policy"), &spec(&wide)).unwrap();
    let mut columns = rows(&[(Some(1), "320000", 2)]).columns().to_vec();
    columns.push(Arc::new(StringArray::from(vec!["new"])));
    draft.write(&name("policy"), RecordBatch::try_new(wide, columns).unwrap()).await.unwrap();
    let version = draft.commit(now()).await.unwrap();
    let scan = version.scan(&name("policy")).unwrap().columns(&["note", "n"]).unwrap();
    let batches: Vec<RecordBatch> = scan.batches().try_collect().await.unwrap();
    let notes: Vec<Option<String>> = batches
        .iter()
        .flat_map(|batch| {
            let notes = batch.column(0).as_string::<i32>();
            notes.iter().map(|note| note.map(str::to_owned)).collect::<Vec<_>>()
        })
        .collect();
    assert_eq!(notes, [None, Some("new".to_owned())]);

    let mut draft = dataset(&lake).draft().await.unwrap();
    let refused = draft.declare(&name("policy"), &spec(&schema()));
    assert!(matches!(refused, Err(LakeError::Columns { .. })), "columns are never taken away");
    fields.push(Arc::new(Field::new("must", DataType::Utf8, false)));
    let refused = draft.declare(&name("policy"), &spec(&Arc::new(Schema::new(fields))));
    assert!(matches!(refused, Err(LakeError::Columns { .. })), "old rows have no value for it");
    let refused = draft.write(&name("policy"), rows(&[])).await;
    assert!(matches!(refused, Err(LakeError::Columns { .. })), "rows lack a column");
}

#[tokio::test]
async fn compaction_keeps_every_row_and_older_versions_stay_readable() {
    let folder = tempfile::tempdir().unwrap();
    let lake = folder_lake(folder.path());
    let market = dataset(&lake);
    for n in 0..6 {
        let mut draft = market.draft().await.unwrap();
        draft.declare(&name("policy"), &TableSpec::parted(schema(), "day", "region")).unwrap();
        draft
            .write(&name("policy"), rows(&[(Some(1), "320000", n), (Some(40), "320000", 10 + n)]))
            .await
            .unwrap();
        draft.watermark("source", n.to_string());
        draft.commit(later(n)).await.unwrap();
    }
    let done = market.compact(3, later(10)).await.unwrap().unwrap();
    assert_eq!((done.number, done.files_before, done.files_after), (7, 12, 2));
    assert_eq!(market.compact(3, later(11)).await.unwrap(), None);
    let latest = market.latest().await.unwrap().unwrap();
    assert_eq!(latest.watermark("source"), Some("5"));
    assert_eq!(numbers(&latest).await, [0, 1, 2, 3, 4, 5, 10, 11, 12, 13, 14, 15]);
    assert_eq!(numbers(&market.version(6).await.unwrap()).await.len(), 12);

    assert_eq!(market.expire(later(4), &[2]).await.unwrap(), 3, "1, 3 and 4; 2 is pinned");
    let kept: Vec<u64> = market.versions().await.unwrap().iter().map(|line| line.number).collect();
    assert_eq!(kept, [2, 5, 6, 7]);
    market.sweep(Timestamp::MAX).await.unwrap();
    for number in kept {
        market.version(number).await.unwrap().verify().await.unwrap();
    }
    market.expire(Timestamp::MAX, &[]).await.unwrap();
    let swept = market.sweep(Timestamp::MAX).await.unwrap();
    assert_eq!(swept.files, 12, "the small files");
    assert_eq!(numbers(&market.latest().await.unwrap().unwrap()).await.len(), 12);
}

#[tokio::test]
async fn an_erased_dataset_is_gone_and_begins_anew() {
    let folder = tempfile::tempdir().unwrap();
    let lake = folder_lake(folder.path());
    let tenant = Owner::Tenant(TenantId(uuid::Uuid::from_u128(7)));
    let own = lake.dataset(tenant, DatasetName::parse("portfolio").unwrap());
    let write = async |n| {
        let mut draft = own.draft().await.unwrap();
        draft.declare(&name("policy"), &TableSpec::plain(schema())).unwrap();
        draft.write(&name("policy"), rows(&[(Some(1), "320000", n)])).await.unwrap();
        draft.commit(now()).await.unwrap()
    };
    write(1).await;
    assert_eq!(lake.datasets(tenant).await.unwrap(), [own.name().clone()]);
    assert_eq!(lake.datasets(Owner::Operator).await.unwrap(), []);
    own.erase(now()).await.unwrap();
    assert_eq!(lake.datasets(tenant).await.unwrap(), []);
    own.sweep(Timestamp::MAX).await.unwrap();
    assert_eq!(parquet_files(folder.path()), Vec::<std::path::PathBuf>::new());
    assert_eq!(numbers(&write(2).await).await, [2]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plain_table_is_read_in_the_order_it_was_written_whole_or_in_parts() {
    let lake = memory_lake();
    let mut draft = dataset(&lake).draft().await.unwrap();
    draft.declare(&name("policy"), &TableSpec::plain(schema())).unwrap();
    // More rows than one file takes.
    for chunk in 0..26_i64 {
        let of: Vec<_> = (0..50_000).map(|n| (Some(1), "320000", chunk * 50_000 + n)).collect();
        draft.write(&name("policy"), rows(&of)).await.unwrap();
    }
    let version = draft.commit(now()).await.unwrap();
    assert_eq!(version.table(&name("policy")).unwrap().files.len(), 2);
    assert_eq!(version.rows(&name("policy")).unwrap(), 1_300_000);
    let expected: Vec<i64> = (0..1_300_000).collect();
    assert_eq!(numbers(&version).await, expected);
    let scan = version.scan(&name("policy")).unwrap().columns(&["n"]).unwrap();
    let parts = scan.split(2);
    assert_eq!(parts.len(), 2);
    let threads: Vec<_> = parts
        .into_iter()
        .map(|mut part| {
            std::thread::spawn(move || {
                let mut found = Vec::new();
                while let Some(batch) = part.next_blocking() {
                    let batch = batch.unwrap();
                    found.extend(batch.column(0).as_primitive::<Int64Type>().values().iter());
                }
                found
            })
        })
        .collect();
    let found: Vec<i64> = threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect();
    assert_eq!(found, expected);
}

#[tokio::test]
async fn a_draft_that_lost_rows_is_not_committed() {
    let lake = memory_lake();
    let mut draft = dataset(&lake).draft().await.unwrap();
    let refused = draft.write(&name("policy"), rows(&[(Some(1), "320000", 1)])).await;
    assert!(matches!(refused, Err(LakeError::NoTable(_))));
    draft.declare(&name("policy"), &TableSpec::plain(schema())).unwrap();
    let other = Arc::new(Schema::new(vec![Field::new("n", DataType::Utf8, false)]));
    let batch = RecordBatch::try_new(other, vec![Arc::new(StringArray::from(vec!["1"]))]).unwrap();
    let refused = draft.write(&name("policy"), batch).await;
    assert!(matches!(refused, Err(LakeError::Columns { .. })));
    assert_eq!(rows(&[(Some(1), "320000", 1)]).column(0).null_count(), 0);
}

#[test]
fn an_address_says_where_a_lake_is() {
    let open = |address: &str| Lake::open(address, &Default::default(), ids());
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().display();
    assert!(open(&format!("file://{path}/one")).is_ok());
    assert!(open(&format!("{path}/two")).is_ok());
    assert!(
        matches!(open("ftp://user:secret@host/x"), Err(LakeError::Address(why)) if !why.contains("secret"))
    );
}

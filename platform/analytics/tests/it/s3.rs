//! A lake in a real S3 server: what the folder's tests say of commits holds there as well.
//!
//! `COMMONWHEEL_TEST_S3` names its address; it has a bucket `lake` and asks nobody who they are.
//! `make test-s3` starts one. Without it these tests say that they are skipped.

use std::collections::BTreeMap;
use std::sync::Arc;

use analytics::lake::{Dataset, DatasetName, Lake, Owner, TableName, TableSpec, Version};
use arrow::array::{AsArray, Date32Array, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Int64Type, Schema, SchemaRef};
use futures::TryStreamExt;
use jiff::Timestamp;
use kernel::{Ids, TenantId};

/// A lake under a prefix nobody used before, as another process would open it.
struct Bucket {
    endpoint: String,
    prefix: uuid::Uuid,
}

impl Bucket {
    fn there() -> Option<Bucket> {
        let Ok(endpoint) = std::env::var("COMMONWHEEL_TEST_S3") else {
            eprintln!("skipped: COMMONWHEEL_TEST_S3 names no S3 server (make test-s3)");
            return None;
        };
        Some(Bucket { endpoint, prefix: Ids::from_os().next(now()) })
    }

    fn lake(&self) -> Lake {
        let options = [
            ("endpoint", &*self.endpoint),
            ("allow_http", "true"),
            ("region", "us-east-1"),
            ("access_key_id", "test"),
            ("secret_access_key", "test"),
        ];
        let options: BTreeMap<String, String> =
            options.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        let address = format!("s3://lake/tests/{}", self.prefix);
        Lake::open(&address, &options, Arc::new(Ids::from_os())).unwrap()
    }
}

fn now() -> Timestamp {
    "2025-03-01T02:00:00Z".parse().unwrap()
}

fn table() -> TableName {
    TableName::parse("policy").unwrap()
}

fn market(lake: &Lake) -> Dataset {
    lake.dataset(Owner::Operator, DatasetName::parse("market").unwrap())
}

fn schema() -> SchemaRef {
    Arc::new(Schema::new(vec![
        Field::new("day", DataType::Date32, true),
        Field::new("region", DataType::Utf8, true),
        Field::new("n", DataType::Int64, false),
    ]))
}

fn rows(numbers: &[i64]) -> RecordBatch {
    let count = numbers.len();
    RecordBatch::try_new(
        schema(),
        vec![
            Arc::new(Date32Array::from(vec![1; count])),
            Arc::new(StringArray::from(vec!["320000"; count])),
            Arc::new(Int64Array::from(numbers.to_vec())),
        ],
    )
    .unwrap()
}

async fn add(lake: &Lake, numbers: &[i64]) -> Result<Version, analytics::lake::LakeError> {
    let mut draft = market(lake).draft().await.unwrap();
    draft.declare(&table(), &TableSpec::parted(schema(), "day", "region")).unwrap();
    draft.write(&table(), rows(numbers)).await.unwrap();
    draft.commit(now()).await
}

async fn numbers(version: &Version) -> Vec<i64> {
    let batches: Vec<RecordBatch> =
        version.scan(&table()).unwrap().batches().try_collect().await.unwrap();
    let column =
        |batch: &RecordBatch| batch.column(2).as_primitive::<Int64Type>().values().to_vec();
    batches.iter().flat_map(column).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_that_build_on_one_version_the_second_starts_over() {
    let Some(bucket) = Bucket::there() else { return };
    let (one, other) = (bucket.lake(), bucket.lake());
    add(&one, &[1]).await.unwrap();
    let mut late = market(&other).draft().await.unwrap();
    late.write(&table(), rows(&[2])).await.unwrap();
    add(&one, &[3]).await.unwrap();
    let refused = late.commit(now()).await.unwrap_err();
    assert!(refused.is_start_over(), "{refused}");
    let latest = market(&other).latest().await.unwrap().unwrap();
    assert_eq!((latest.number(), numbers(&latest).await), (2, vec![1, 3]));
    assert!(latest.verify().await.unwrap() > 0);
    // The file of the refused one is named by nobody.
    assert_eq!(market(&other).sweep(Timestamp::MAX).await.unwrap().files, 1);
    assert_eq!(numbers(&market(&bucket.lake()).version(1).await.unwrap()).await, [1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn many_writers_lose_nothing_and_double_nothing() {
    let Some(bucket) = Bucket::there() else { return };
    let writers = (0..4_i64).map(|writer| {
        let lake = bucket.lake();
        tokio::spawn(async move {
            let mut refused = 0;
            for n in 0..5 {
                while let Err(error) = add(&lake, &[writer * 100 + n]).await {
                    assert!(error.is_start_over(), "{error}");
                    refused += 1;
                }
            }
            refused
        })
    });
    let refused: Vec<i32> =
        futures::future::try_join_all(writers.collect::<Vec<_>>()).await.unwrap();
    let latest = market(&bucket.lake()).latest().await.unwrap().unwrap();
    let mut found = numbers(&latest).await;
    found.sort_unstable();
    let expected: Vec<i64> = (0..4).flat_map(|w| (0..5).map(move |n| w * 100 + n)).collect();
    assert_eq!((latest.number(), found), (20, expected));
    assert!(refused.iter().sum::<i32>() > 0, "the writers never met");
}

#[tokio::test(flavor = "multi_thread")]
async fn compaction_expiry_sweeping_and_erasing_work() {
    let Some(bucket) = Bucket::there() else { return };
    let lake = bucket.lake();
    for n in 0..6 {
        add(&lake, &[n]).await.unwrap();
    }
    let files = |version: &Version| version.table(&table()).unwrap().files.len();
    let before = market(&lake).latest().await.unwrap().unwrap();
    assert_eq!(files(&before), 6);
    market(&lake).compact(1, now()).await.unwrap();
    let after = market(&bucket.lake()).latest().await.unwrap().unwrap();
    assert_eq!((files(&after), numbers(&after).await), (1, vec![0, 1, 2, 3, 4, 5]));
    market(&lake).expire(Timestamp::MAX, &[]).await.unwrap();
    assert_eq!(market(&lake).sweep(Timestamp::MAX).await.unwrap().files, 6);
    assert_eq!(numbers(&after).await.len(), 6);

    let tenant = TenantId(uuid::Uuid::from_u128(7));
    let own = lake.dataset(Owner::Tenant(tenant), DatasetName::parse("d1").unwrap());
    let mut draft = own.draft().await.unwrap();
    draft.declare(&table(), &TableSpec::plain(schema())).unwrap();
    draft.write(&table(), rows(&[9])).await.unwrap();
    draft.commit(now()).await.unwrap();
    assert_eq!(lake.datasets(Owner::Tenant(tenant)).await.unwrap().len(), 1);
    assert_eq!(lake.everything().await.unwrap().len(), 2);
    own.erase(now()).await.unwrap();
    assert!(bucket.lake().datasets(Owner::Tenant(tenant)).await.unwrap().is_empty());
}

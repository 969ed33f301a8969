//! The market's record, fed from the store: every row once, whatever crashes and whoever races,
//! compared with what the tables say themselves.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use analytics::feed::{self, Fed};
use analytics::lake::{Lake, Owner, TableName, Version};
use analytics::market;
use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::{Int64Type, TimestampMicrosecondType};
use bytes::Bytes;
use futures::TryStreamExt;
use futures::stream::BoxStream;
use jiff::Timestamp;
use kernel::{Clock, Ids};
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    PutMultipartOptions, PutOptions, PutPayload, PutResult,
};
use production::book::TariffBook;
use production::changes::{self, ChangeFeed, ChangesError, Cursor};
use serde_json::json;

use crate::support::{PLATE, VIN, World, message, noon};

pub(crate) fn ids() -> Arc<Ids> {
    static SEED: AtomicU64 = AtomicU64::new(500);
    Arc::new(Ids::seeded(SEED.fetch_add(1, Ordering::Relaxed)))
}

pub(crate) async fn book(world: &World) -> Arc<TariffBook> {
    Arc::new(TariffBook::open(world.test.db.clone()).await.unwrap())
}

async fn source(world: &World) -> ChangeFeed {
    ChangeFeed { db: world.test.db.clone(), book: book(world).await }
}

async fn latest(lake: &Lake) -> Option<Version> {
    lake.dataset(Owner::Operator, market::dataset_name().unwrap()).latest().await.unwrap()
}

/// Reads the store until every version and step it has is in the lake. Other tests' transactions
/// hold the reading back for as long as they last.
pub(crate) async fn fed(world: &World, lake: &Lake) -> Version {
    let source = source(world).await;
    let patience = tokio::time::timeout(Duration::from_secs(60), async {
        loop {
            match feed::step(lake, &source, &*world.clock).await.unwrap() {
                Fed::Committed { more: true, .. } | Fed::Overtaken => continue,
                Fed::Committed { .. } | Fed::Idle => {}
            }
            if let Some(version) = latest(lake).await {
                let kept = |table: &str| version.rows(&TableName::parse(table).unwrap()).unwrap();
                if kept("policy") >= stored(world, "policy_version").await
                    && kept("claim") >= stored(world, "claim_step").await
                {
                    return version;
                }
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    patience.await.expect("the record is complete within a minute")
}

async fn stored(world: &World, table: &str) -> u64 {
    let sql = format!("select count(*) from production.{table}");
    let count: i64 =
        sqlx::query_scalar(sqlx::AssertSqlSafe(sql)).fetch_one(&world.test.owner).await.unwrap();
    u64::try_from(count).unwrap()
}

pub(crate) async fn batches(version: &Version, table: &str) -> Vec<RecordBatch> {
    let scan = version.scan(&TableName::parse(table).unwrap()).unwrap();
    scan.batches().try_collect().await.unwrap()
}

/// Key, number of the row, and an amount.
async fn amounts(
    version: &Version,
    table: &str,
    key: &str,
    amount: &str,
) -> Vec<(String, i64, i64)> {
    let mut found = Vec::new();
    for batch in batches(version, table).await {
        let text = batch.column_by_name(key).unwrap().as_string::<i32>().clone();
        let whole =
            |name: &str| batch.column_by_name(name).unwrap().as_primitive::<Int64Type>().clone();
        let (sequence, amount) = (whole("sequence"), whole(amount));
        for row in 0..batch.num_rows() {
            found.push((text.value(row).to_owned(), sequence.value(row), amount.value(row)));
        }
    }
    found.sort();
    found
}

async fn sum(version: &Version, table: &str, amount: &str, known_at: Option<Timestamp>) -> i64 {
    let mut sum = 0;
    for batch in batches(version, table).await {
        let amount = batch.column_by_name(amount).unwrap().as_primitive::<Int64Type>();
        let recorded = batch.column_by_name("recorded_at").unwrap();
        let recorded = recorded.as_primitive::<TimestampMicrosecondType>();
        for row in 0..batch.num_rows() {
            if known_at.is_none_or(|at| recorded.value(row) <= at.as_microsecond()) {
                sum += amount.value(row);
            }
        }
    }
    sum
}

#[tokio::test]
async fn a_policy_and_its_claim_flow_into_the_record() {
    let world = World::new().await;
    let sale = world.insure(&world.picc, &message(world.clock.now(), VIN, PLATE)).await;
    let policy = sale.compulsory.unwrap();
    let lake = Lake::in_memory(ids());
    let first = fed(&world, &lake).await;
    // A compulsory and a commercial policy.
    assert_eq!(amounts(&first, "policy", "confirm_no", "premium_fen").await.len(), 2);
    let whole: i64 = sqlx::query_scalar("select sum(premium_fen)::bigint from production.policy")
        .fetch_one(&world.test.owner)
        .await
        .unwrap();
    assert_eq!(sum(&first, "premium", "written_fen", None).await, whole);
    assert_eq!(sum(&first, "exposure", "earned_fen", None).await, whole);
    let insured: i64 = sqlx::query_scalar(
        "select sum(extract(epoch from cover_to - cover_from))::bigint from production.policy",
    )
    .fetch_one(&world.test.owner)
    .await
    .unwrap();
    assert_eq!(sum(&first, "exposure", "insured_s", None).await, insured);
    assert_eq!(first.rows(&TableName::parse("claim").unwrap()).unwrap(), 0);

    let before = world.clock.now();
    let story = world.settled(&world.picc, &policy, "R-1", noon(2025, 6, 1)).await;
    let second = fed(&world, &lake).await;
    let claims = amounts(&second, "claim", "claim_no", "counted").await;
    assert_eq!(claims.len(), 8, "one row a step");
    assert_eq!(claims.iter().map(|row| row.2).sum::<i64>(), 1);
    assert!(claims.iter().all(|row| row.0 == story.claim_code));
    // Registered at 8,000.00, closed and paid at 2,000.00.
    assert_eq!(sum(&second, "payment", "paid_fen", None).await, 200_000);
    assert_eq!(sum(&second, "reserve", "outstanding_fen", None).await, 0);
    let reserves = amounts(&second, "reserve", "claim_no", "outstanding_fen").await;
    let steps: Vec<i64> = reserves.iter().map(|row| row.2).collect();
    assert_eq!(steps, [800_000, 200_000 - 800_000, -200_000]);
    // What was known before is reproduced from the same version.
    assert_eq!(sum(&second, "payment", "paid_fen", Some(before)).await, 0);
    assert_eq!(sum(&second, "premium", "written_fen", Some(before)).await, whole);
    // Nobody is named.
    for table in market::tables().unwrap().keys().map(TableName::as_str) {
        for batch in batches(&second, table).await {
            let text = format!("{batch:?}");
            assert!(!text.contains(VIN) && !text.contains(PLATE), "{table} names the vehicle");
        }
    }
    second.verify().await.unwrap();
}

#[tokio::test]
async fn a_late_transaction_is_waited_for_and_not_stepped_over() {
    let world = World::new().await;
    world.insure(&world.picc, &message(world.clock.now(), VIN, PLATE)).await;
    world.copy_policies(2).await;
    let lake = Lake::in_memory(ids());
    fed(&world, &lake).await;
    let version_of = "insert into production.policy_version
         select slot, confirm_no, endorse_times + 1, tenant_id, amend_no, effective_at, recorded_at,
                cover_from, cover_to, facts, premium_fen + $2, tax_fen, vehicle, input,
                tariff_version, parties_sealed
         from production.policy_version where right(confirm_no, 7) = $1 order by endorse_times desc limit 1";
    // The first takes its number before the second, and commits after it was read.
    let mut early = world.test.owner.begin().await.unwrap();
    sqlx::query(version_of).bind("X000001").bind(7_i64).execute(&mut *early).await.unwrap();
    let mut late = world.test.owner.begin().await.unwrap();
    sqlx::query(version_of).bind("X000002").bind(5_i64).execute(&mut *late).await.unwrap();
    late.commit().await.unwrap();
    let source = source(&world).await;
    for _ in 0..5 {
        feed::step(&lake, &source, &*world.clock).await.unwrap();
    }
    let held = latest(&lake).await.unwrap();
    assert_eq!(held.rows(&TableName::parse("policy").unwrap()).unwrap(), 4, "both wait");
    early.commit().await.unwrap();
    let all = fed(&world, &lake).await;
    let premiums = amounts(&all, "premium", "confirm_no", "written_fen").await;
    let changes: Vec<(i64, i64)> =
        premiums.iter().filter(|row| row.1 == 1).map(|row| (row.1, row.2)).collect();
    assert_eq!(changes, [(1, 7), (1, 5)]);
}

/// A store that dies after so many calls: the last one was carried out or not, and nobody is told.
#[derive(Debug)]
struct Dying {
    inner: Arc<InMemory>,
    left: AtomicI64,
    /// Whether the call it dies in is carried out.
    carries_out: bool,
}

impl Dying {
    /// `Ok(false)` of a call that is carried out without anybody being told.
    fn live(&self) -> Result<bool, object_store::Error> {
        match self.left.fetch_sub(1, Ordering::SeqCst) {
            left if left > 1 => Ok(true),
            1 if self.carries_out => Ok(false),
            _ => Err(dead()),
        }
    }
}

/// An error and its causes.
fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

fn dead() -> object_store::Error {
    object_store::Error::Generic { store: "dying", source: "the process was killed".into() }
}

impl fmt::Display for Dying {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Dying")
    }
}

#[async_trait::async_trait]
impl ObjectStore for Dying {
    async fn put_opts(
        &self,
        location: &Path,
        payload: PutPayload,
        opts: PutOptions,
    ) -> object_store::Result<PutResult> {
        let told = self.live()?;
        let done = self.inner.put_opts(location, payload, opts).await;
        if told { done } else { Err(dead()) }
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        opts: PutMultipartOptions,
    ) -> object_store::Result<Box<dyn MultipartUpload>> {
        self.inner.put_multipart_opts(location, opts).await
    }

    async fn get_opts(
        &self,
        location: &Path,
        options: GetOptions,
    ) -> object_store::Result<GetResult> {
        if self.live()? { self.inner.get_opts(location, options).await } else { Err(dead()) }
    }

    async fn get_ranges(
        &self,
        location: &Path,
        ranges: &[Range<u64>],
    ) -> object_store::Result<Vec<Bytes>> {
        if self.live()? { self.inner.get_ranges(location, ranges).await } else { Err(dead()) }
    }

    fn delete_stream(
        &self,
        locations: BoxStream<'static, object_store::Result<Path>>,
    ) -> BoxStream<'static, object_store::Result<Path>> {
        self.inner.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, object_store::Result<ObjectMeta>> {
        match self.live() {
            Ok(true) => self.inner.list(prefix),
            _ => Box::pin(futures::stream::once(async { Err(dead()) })),
        }
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> object_store::Result<ListResult> {
        if self.live()? { self.inner.list_with_delimiter(prefix).await } else { Err(dead()) }
    }

    async fn copy_opts(
        &self,
        from: &Path,
        to: &Path,
        options: CopyOptions,
    ) -> object_store::Result<()> {
        let told = self.live()?;
        let done = self.inner.copy_opts(from, to, options).await;
        if told { done } else { Err(dead()) }
    }
}

/// Writers add versions in transactions that overlap and commit out of order; two feeders race,
/// and each is killed at every call to its store in turn, before and after it was carried out.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_row_is_lost_or_doubled_whatever_is_killed() {
    const WRITERS: i64 = 4;
    /// Policies of a writer, endorsed in turn: so many that none is endorsed a hundred times, for each
    /// version is told with all before it.
    const POLICIES: i64 = 100;
    /// The longest life of a feeder, in calls to its store; each shorter one is lived, too.
    const CALLS: i64 = 75;
    let world = World::new().await;
    world.insure(&world.picc, &message(world.clock.now(), VIN, PLATE)).await;
    world.copy_policies(i32::try_from(WRITERS * POLICIES).unwrap()).await;
    let (slot, copies): (i32, String) = sqlx::query_as(
        "select slot, left(confirm_no, 23) from production.policy where class = 'commercial' limit 1",
    )
    .fetch_one(&world.test.owner)
    .await
    .unwrap();
    let fed_enough = Arc::new(AtomicBool::new(false));
    let inner = Arc::new(InMemory::new());
    let writers = (0..WRITERS).map(|writer| {
        let (owner, fed_enough) = (world.test.owner.clone(), fed_enough.clone());
        let copies = copies.clone();
        tokio::spawn(async move {
            for turn in 0.. {
                if fed_enough.load(Ordering::SeqCst) {
                    break;
                }
                let mut tx = owner.begin().await.unwrap();
                sqlx::query(
                    "insert into production.policy_version
                     select slot, confirm_no, endorse_times + 1, tenant_id, amend_no, effective_at,
                            recorded_at, cover_from, cover_to, facts, premium_fen + 1, tax_fen,
                            vehicle, input, tariff_version, parties_sealed
                     from production.policy_version where slot = $1 and confirm_no = $2
                     order by endorse_times desc limit 1",
                )
                .bind(slot)
                .bind(format!("{copies}X{:06}", writer * POLICIES + turn % POLICIES + 1))
                .execute(&mut *tx)
                .await
                .unwrap();
                // Some stay open over several commits of the others; one in five comes to nothing.
                let open = u64::try_from((writer * 17 + turn * 29) % 83).unwrap();
                let open = Duration::from_millis(open);
                tokio::time::sleep(open).await;
                if (writer + turn) % 5 == 0 {
                    tx.rollback().await.unwrap();
                } else {
                    tx.commit().await.unwrap();
                }
            }
        })
    });
    let writers: Vec<_> = writers.collect();
    let source = source(&world).await;
    let killed = |carries_out| {
        let (inner, source, clock) = (inner.clone(), source.clone(), world.clock.clone());
        tokio::spawn(async move {
            let (mut deaths, mut commits) = (0, 0);
            // A version takes about thirty-five calls: its files, most of them of months of exposure.
            for calls in 1..=CALLS {
                let store =
                    Dying { inner: inner.clone(), left: AtomicI64::new(calls), carries_out };
                // A new process: it remembers nothing.
                let lake = Lake::over(Arc::new(store), ids());
                loop {
                    match feed::step(&lake, &source, &*clock).await {
                        Ok(Fed::Committed { .. }) => commits += 1,
                        Ok(Fed::Overtaken) => {}
                        Ok(Fed::Idle) => tokio::time::sleep(Duration::from_millis(5)).await,
                        Err(error) => {
                            let text = chain(&error);
                            assert!(text.contains("the process was killed"), "{text}");
                            break;
                        }
                    }
                }
                deaths += 1;
            }
            (deaths, commits)
        })
    };
    let feeders = [killed(false), killed(true)];
    for feeder in feeders {
        let (deaths, commits) = feeder.await.unwrap();
        assert_eq!(deaths, CALLS);
        assert!(commits > 0, "some attempts live long enough");
    }
    fed_enough.store(true, Ordering::SeqCst);
    for writer in writers {
        writer.await.unwrap();
    }
    let lake = Lake::over(inner.clone(), ids());
    let version = fed(&world, &lake).await;
    assert!(version.number() > 3, "several versions were made: {}", version.number());
    let found: Vec<(String, i64, i64)> =
        amounts(&version, "policy", "confirm_no", "premium_fen").await;
    let stored: Vec<(String, i32, i64)> = sqlx::query_as(
        "select confirm_no, endorse_times, premium_fen from production.policy_version",
    )
    .fetch_all(&world.test.owner)
    .await
    .unwrap();
    let mut stored: Vec<(String, i64, i64)> = stored
        .into_iter()
        .map(|(confirm_no, times, premium)| (confirm_no, i64::from(times), premium))
        .collect();
    stored.sort();
    assert_eq!(found, stored);
    // The ledger adds up to the last version of each policy.
    let mut last = BTreeMap::new();
    for (confirm_no, _, premium) in &stored {
        let so_far = last.entry(confirm_no.clone()).or_insert(*premium);
        *so_far = (*so_far).max(*premium);
    }
    let mut ledger: BTreeMap<String, i64> = BTreeMap::new();
    for (confirm_no, _, written) in amounts(&version, "premium", "confirm_no", "written_fen").await
    {
        *ledger.entry(confirm_no).or_default() += written;
    }
    assert_eq!(ledger, last);
    let mut by_cover: BTreeMap<String, i64> = BTreeMap::new();
    for (confirm_no, _, written) in
        amounts(&version, "cover_premium", "confirm_no", "written_fen").await
    {
        *by_cover.entry(confirm_no).or_default() += written;
    }
    assert_eq!(by_cover, last);
    // Killed attempts left files, which go without taking a named one along.
    let market = lake.dataset(Owner::Operator, market::dataset_name().unwrap());
    let swept = market.sweep(Timestamp::MAX).await.unwrap();
    assert!(swept.files > 0, "something was killed half-way");
    version.verify().await.unwrap();
}

#[tokio::test]
async fn a_cursor_of_another_database_is_refused() {
    let world = World::new().await;
    let cursor: Cursor = "t:9000000000000:0::0;t:9000000000000:0::0".parse().unwrap();
    let book = book(&world).await;
    let refused = changes::since(&world.test.db, &book, &cursor).await;
    assert!(matches!(refused, Err(ChangesError::Rewound { .. })), "{refused:?}");
    assert!(changes::since(&world.test.db, &book, &Cursor::START).await.is_ok());
}

#[tokio::test]
async fn what_was_there_before_is_read_in_pages_and_once() {
    let world = World::new().await;
    world.insure(&world.picc, &message(world.clock.now(), VIN, PLATE)).await;
    // More than two pages.
    world.copy_policies(4_500).await;
    let lake = Lake::in_memory(ids());
    let version = fed(&world, &lake).await;
    assert!(version.number() >= 3, "page by page");
    let found = amounts(&version, "policy", "confirm_no", "premium_fen").await;
    assert_eq!(found.len(), 4_502);
    assert!(found.windows(2).all(|pair| pair[0].0 != pair[1].0), "each once");
    assert_eq!(json!(found.len()), json!(stored(&world, "policy_version").await));
}

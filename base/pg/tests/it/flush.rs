//! Commits ahead of the disk: what others see of them, who waits, and what a crash does to them.
//!
//! A commit that is to be durable is made to wait by demanding a standby that does not exist; one
//! that waits for nothing passes.

use std::time::{Duration, Instant};

use futures::future::join_all;
use pg::embedded::{Cluster, Settings, StopMode};
use pg::{Ahead, Db, PoolSettings, Scope, Tx, failure};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Executor, PgConnection};
use tempfile::TempDir;
use tokio::task::JoinHandle;

use crate::embedded::fresh;

/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// A cluster with a table of numbers, and the platform's connections to it.
pub(crate) struct World {
    pub(crate) cluster: Cluster,
    pub(crate) db: Db,
    _dir: TempDir,
}

impl World {
    pub(crate) async fn new(with: impl Fn(Settings) -> Settings) -> World {
        let (dir, settings) = fresh();
        let cluster = Cluster::start(with(settings)).await.unwrap();
        cluster.create_database("market").await.unwrap();
        let options = cluster.connect_options("market");
        pg::migrate::migrate(&options, &[]).await.unwrap();
        let mut owner = options.connect().await.unwrap();
        let tables = "create table public.number (number bigint primary key);
                      grant select, insert, update on public.number to commonwheel_app";
        owner.execute(tables).await.unwrap();
        let db = Db::connect(options, PoolSettings::default()).await.unwrap();
        World { cluster, db, _dir: dir }
    }

    async fn owner(&self) -> PgConnection {
        self.cluster.connect_options("market").connect().await.unwrap()
    }

    /// From here on, until it is dropped, whoever is to be durable waits.
    async fn hold(&self) -> Held {
        let mut owner = self.owner().await;
        demand(&mut owner, "nobody").await;
        let mut probe = self
            .cluster
            .connect_options("market")
            .application_name("probe")
            .connect()
            .await
            .unwrap();
        let probing = tokio::spawn(async move {
            loop {
                probe.execute("select pg_logical_emit_message(true, 'probe', '')").await.unwrap();
            }
        });
        waits(&mut owner, "probe").await;
        Held { owner, probing }
    }

    /// A number written by a transaction that is still open.
    async fn writing(&self, number: i64) -> Tx {
        let mut tx = self.db.begin_ahead(Scope::nobody()).await.unwrap();
        write(&mut tx, number).await;
        tx
    }

    /// A number committed ahead of the disk.
    async fn ahead(&self, number: i64) -> Ahead {
        self.writing(number).await.commit_ahead().await.unwrap()
    }

    pub(crate) async fn numbers(&self) -> i64 {
        count(&mut self.owner().await).await
    }
}

/// A cluster in which nothing becomes durable.
struct Held {
    owner: PgConnection,
    probing: JoinHandle<()>,
}

impl Held {
    async fn release(mut self) {
        self.probing.abort();
        demand(&mut self.owner, "").await;
    }
}

/// The next transaction id, which is used up by asking. Nobody waits for what is rolled back.
async fn next_id(owner: &mut PgConnection) -> i64 {
    let mut tx = owner.begin().await.unwrap();
    let id = "select pg_current_xact_id()::text::bigint";
    let id = sqlx::query_scalar(id).fetch_one(&mut *tx).await.unwrap();
    tx.rollback().await.unwrap();
    id
}

async fn demand(owner: &mut PgConnection, standby: &str) {
    let set = format!("alter system set synchronous_standby_names = '{standby}'");
    owner.execute(AssertSqlSafe(set)).await.unwrap();
    owner.execute("select pg_reload_conf()").await.unwrap();
}

/// Returns when a session of that name waits for the standby.
async fn waits(owner: &mut PgConnection, application: &str) {
    waits_for(owner, application, "SyncRep").await;
}

/// Returns when a session of that application, or a process of that kind, waits for that event.
async fn waits_for(owner: &mut PgConnection, who: &str, event: &str) {
    let asked = "select exists (select from pg_stat_activity
                                where $1 in (application_name, backend_type) and wait_event = $2)";
    let begin = Instant::now();
    while !sqlx::query_scalar::<_, bool>(asked)
        .bind(who)
        .bind(event)
        .fetch_one(&mut *owner)
        .await
        .unwrap()
    {
        assert!(begin.elapsed() < PATIENCE, "{who} does not wait");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

pub(crate) async fn write(tx: &mut Tx, number: i64) {
    let insert = sqlx::query("insert into public.number values ($1)").bind(number);
    insert.execute(tx.conn()).await.unwrap();
}

pub(crate) async fn count(conn: &mut PgConnection) -> i64 {
    sqlx::query_scalar("select count(*) from public.number").fetch_one(conn).await.unwrap()
}

#[tokio::test]
async fn a_commit_ahead_lets_go_of_its_rows_and_its_caller_waits_for_the_flush() {
    let world = World::new(|settings| settings).await;
    let mut held = world.hold().await;
    let ahead = world.ahead(1).await;

    // Seen by everybody, and its row is free for the next one.
    let mut tx = world.db.begin_ahead(Scope::nobody()).await.unwrap();
    let locked = "select number from public.number where number = 1 for update nowait";
    let number: i64 = sqlx::query_scalar(locked).fetch_one(tx.conn()).await.unwrap();
    assert_eq!(number, 1);
    let next = tx.commit_ahead().await.unwrap();

    // What only reads rests on it too.
    let mut tx = world.db.begin_ahead(Scope::nobody()).await.unwrap();
    assert_eq!(count(tx.conn()).await, 1);
    let seen = tx.seen();
    tx.rollback().await.unwrap();

    let told = tokio::spawn(async move { (ahead.durable().await, next.durable().await) });
    let read = tokio::spawn(seen.durable());
    let whole = world.writing(2).await;
    let whole = tokio::spawn(whole.commit());
    waits(&mut held.owner, "commonwheel").await;
    assert!(!told.is_finished() && !read.is_finished() && !whole.is_finished());

    held.release().await;
    assert!(matches!(told.await.unwrap(), (Ok(()), Ok(()))));
    read.await.unwrap().unwrap();
    whole.await.unwrap().unwrap();
    assert_eq!(world.numbers().await, 2);
}

#[tokio::test]
async fn commits_that_return_during_a_flush_share_the_next_one() {
    let world = World::new(|settings| settings).await;
    let mut held = world.hold().await;
    let first = tokio::spawn(world.ahead(0).await.durable());
    waits(&mut held.owner, "commonwheel").await;
    let before = next_id(&mut held.owner).await;
    let mut others = Vec::new();
    for number in 1..=8 {
        others.push(world.ahead(number).await.durable());
    }
    let others = tokio::spawn(join_all(others));
    let mut owner = world.owner().await;
    held.release().await;
    first.await.unwrap().unwrap();
    assert!(others.await.unwrap().iter().all(Result::is_ok));
    // Eight commits and one flush; the first one's id was taken before.
    assert_eq!(next_id(&mut owner).await - before, 10);
}

#[tokio::test]
async fn what_a_crash_has_forgotten_is_never_called_durable() {
    // The log writer leaves the log alone, so that what is ahead is lost for sure.
    let mut world = World::new(|settings| settings.with("wal_writer_delay", "10s")).await;
    let kept = world.ahead(1).await;
    kept.durable().await.unwrap();
    // It looks once when it starts, which may be late on a busy machine.
    waits_for(&mut world.owner().await, "walwriter", "WalWriterMain").await;
    let forgotten = world.ahead(2).await;
    assert_eq!(world.numbers().await, 2);

    world.cluster.stop(StopMode::Immediate).await.unwrap();
    world.cluster.restart().await.unwrap();
    assert_eq!(world.numbers().await, 1);
    // A session of the new server flushes gladly, and knows nothing of what came before it.
    world.ahead(3).await.durable().await.unwrap();
    let unknown = forgotten.durable().await.unwrap_err();
    assert!(failure::is_unavailable(&unknown) && !failure::is_retryable(&unknown), "{unknown}");
    assert_eq!(world.numbers().await, 2);
}

#[tokio::test]
async fn a_lost_session_leaves_unknown_what_was_ahead_and_the_next_call_has_a_new_one() {
    let world = World::new(|settings| settings).await;
    let ahead = world.ahead(1).await;
    let mut owner = world.owner().await;
    // The session that flushes is the one that has run nothing yet.
    let ended: i64 = sqlx::query_scalar(
        "select count(*) filter (where pg_terminate_backend(pid, 10000)) from pg_stat_activity
         where application_name = 'commonwheel' and query = ''",
    )
    .fetch_one(&mut owner)
    .await
    .unwrap();
    assert_eq!(ended, 1);
    let unknown = ahead.durable().await.unwrap_err();
    assert!(failure::is_unavailable(&unknown), "{unknown}");
    let (others, whole) = (world.ahead(2).await, world.writing(3).await);
    others.durable().await.unwrap();
    whole.commit().await.unwrap();
    assert_eq!(world.numbers().await, 3);
}

#[tokio::test]
async fn callers_that_go_away_do_not_take_the_session_with_them() {
    let world = World::new(|settings| settings).await;
    let mut held = world.hold().await;
    let gone = tokio::spawn(world.ahead(1).await.durable());
    let stays = tokio::spawn(world.ahead(2).await.durable());
    waits(&mut held.owner, "commonwheel").await;
    gone.abort();
    assert!(gone.await.unwrap_err().is_cancelled());
    held.release().await;
    stays.await.unwrap().unwrap();
}

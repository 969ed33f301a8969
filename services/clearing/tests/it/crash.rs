//! Servers killed and databases stopped in the middle of it.

use std::collections::BTreeSet;
use std::io::Write;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use clearing::ledger::Ledger;
use kernel::{Ids, SystemClock};
use pg::embedded::{Cluster, Settings, StopMode, reachable_dir};
use pg::{Db, PoolSettings};
use sqlx::postgres::PgPoolOptions;
use tokio_util::sync::CancellationToken;

use crate::support::ledger;
use crate::work::{Answers, CLIENTS, Load, ask, assert_kept, insist, open_accounts, piece};

/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(120);
/// Tell the child process where its database is, and where it writes down what was acknowledged.
const DATABASE: &str = "CLEARING_CRASH_DATABASE";
const ACKNOWLEDGED: &str = "CLEARING_CRASH_ACKNOWLEDGED";

fn start(db: Db) -> (Ledger, CancellationToken) {
    ledger(db, Arc::new(SystemClock), Arc::new(Ids::from_os()))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_server_has_kept_every_transfer_it_acknowledged() {
    let test = testkit::database(&[&clearing::MIGRATIONS]).await;
    let (ledger, _stop) = start(test.db.clone());
    open_accounts(&ledger).await;
    let dir = tempfile::tempdir().unwrap();
    let mut answers = Answers::new();
    for round in 1..=3 {
        let file = dir.path().join(format!("acknowledged-{round}"));
        let mut server = Killed(serve(&test.url(), &file));
        let lines = || std::fs::read_to_string(&file).unwrap_or_default();
        let begin = Instant::now();
        while lines().lines().count() < 600 * round {
            assert!(begin.elapsed() < PATIENCE && server.0.try_wait().unwrap().is_none());
            let sums = ledger.sums().await.unwrap();
            assert!(sums.iter().all(|sums| sums.balance()), "{sums:?}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        server.0.kill().unwrap();
        server.0.wait().unwrap();
        quiet(&test.owner).await;
        let acknowledged = lines();
        // The kill may have cut the last line short.
        let whole = acknowledged.rsplit_once('\n').map_or("", |(whole, _)| whole);
        let mut next = [0u32; CLIENTS as usize];
        let mut told = Vec::new();
        for line in whole.lines() {
            let mut words = line.splitn(3, ' ');
            let client: u32 = words.next().unwrap().parse().unwrap();
            let number: u32 = words.next().unwrap().parse().unwrap();
            told.push(((client, number), words.next().unwrap()));
            next[client as usize] = number + 1;
        }
        let pieces: Vec<(u32, u32)> = told.iter().map(|(piece, _)| *piece).collect();
        for ((piece, again), (_, told)) in ask(&ledger, &pieces).await.into_iter().zip(told) {
            assert_eq!(format!("{again:?}"), told, "client and piece {piece:?}");
            answers.insert(piece, again);
        }
        // What was under way is done or not: asked again, it gets one answer for good.
        let under_way: Vec<(u32, u32)> = (0..CLIENTS).zip(next).collect();
        answers.extend(ask(&ledger, &under_way).await);
        assert_kept(&ledger, &test.owner, &answers).await;
    }
}

/// Waits until no session of the killed server is at work any more.
async fn quiet(owner: &sqlx::PgPool) {
    let begin = Instant::now();
    loop {
        let busy: i64 = sqlx::query_scalar(
            "select count(*) from pg_stat_activity
             where datname = current_database() and application_name = 'commonwheel'
               and state <> 'idle' and pid <> pg_backend_pid()",
        )
        .fetch_one(owner)
        .await
        .unwrap();
        if busy == 0 {
            return;
        }
        assert!(begin.elapsed() < PATIENCE, "sessions of a dead server stay busy");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Kills the process at the end in any case.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Runs [`server`] in a process of its own.
fn serve(database: &str, acknowledged: &Path) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "crash::server", "--ignored", "--nocapture", "--test-threads", "1"])
        .env(DATABASE, database)
        .env(ACKNOWLEDGED, acknowledged)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .unwrap()
}

/// The server that is killed: clients at work on a ledger, each acknowledged piece a line of a
/// file, written when its answer has come. Picks up where the file of an earlier one left off by
/// asking for everything again.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "runs as the child process of the story above"]
async fn server() {
    let Ok(url) = std::env::var(DATABASE) else { return };
    let file = std::env::var(ACKNOWLEDGED).unwrap();
    let file = std::fs::File::options().create(true).append(true).open(file).unwrap();
    let file = Arc::new(file);
    let db = Db::connect(url.parse().unwrap(), PoolSettings::default()).await.unwrap();
    let (ledger, stop) = start(db);
    tokio::spawn(ledger.clone().keep_expiring(stop.clone()));
    let clients = (0..CLIENTS).map(|client| {
        let (ledger, file) = (ledger.clone(), file.clone());
        tokio::spawn(async move {
            for number in 0.. {
                let answer = insist(&ledger, &piece(client, number), &AtomicU32::new(0)).await;
                let line = format!("{client} {number} {answer:?}\n");
                (&*file).write_all(line.as_bytes()).unwrap();
            }
        })
    });
    futures::future::join_all(clients).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_stopped_at_once_has_kept_every_transfer_acknowledged() {
    let executable = std::env::current_exe().unwrap();
    let built = executable.parent().unwrap();
    let name = format!("clearing-crash-{}", std::process::id());
    let dir = reachable_dir(&built.join(name), None).unwrap();
    // The real thing: fsync and synchronous commit are on.
    let mut cluster =
        Cluster::start(Settings::at(&dir).with("shared_buffers", "32MB")).await.unwrap();
    cluster.create_database("clearing").await.unwrap();
    let options = cluster.connect_options("clearing");
    pg::migrate::migrate(&options, &[&clearing::MIGRATIONS]).await.unwrap();
    let db = Db::connect(options.clone(), PoolSettings::default()).await.unwrap();
    let (ledger, stop) = start(db);
    open_accounts(&ledger).await;
    let sweeper = tokio::spawn(ledger.clone().keep_expiring(stop.clone()));
    let load = Load::start(&ledger);
    for _ in 0..3 {
        load.does(&ledger, 500).await;
        cluster.stop(StopMode::Immediate).await.unwrap();
        cluster.restart().await.unwrap();
    }
    load.does(&ledger, 500).await;
    assert!(load.unavailable.load(Ordering::Relaxed) > 0, "nobody noticed the crashes");
    let answers = load.end().await;
    let owner = PgPoolOptions::new().max_connections(2).connect_with(options).await.unwrap();
    assert_kept(&ledger, &owner, &answers).await;
    let clients: BTreeSet<u32> = answers.keys().map(|(client, _)| *client).collect();
    assert_eq!(clients.len(), CLIENTS as usize);
    stop.cancel();
    sweeper.await.unwrap();
    cluster.stop(StopMode::Immediate).await.unwrap();
    std::fs::remove_dir_all(&dir).unwrap();
}

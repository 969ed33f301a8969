//! The life of an embedded cluster, in a directory of its own each time.

use std::fs::Permissions;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, Uid};
use pg::embedded::{Cluster, EmbeddedError, Settings, StopMode, reachable_dir};
use sqlx::{ConnectOptions, Connection, Executor, PgConnection};
use tempfile::TempDir;

/// A fresh directory the server's account can reach.
pub(crate) fn fresh() -> (TempDir, Settings) {
    let dir = TempDir::with_prefix("commonwheel-").unwrap();
    // One account must pass through when root runs the tests.
    set_mode(dir.path(), 0o755);
    let settings = Settings::at(dir.path().join("db")).with("shared_buffers", "16MB");
    (dir, settings)
}

fn set_mode(dir: &Path, mode: u32) {
    std::fs::set_permissions(dir, Permissions::from_mode(mode)).unwrap();
}

async fn connect(cluster: &Cluster, database: &str) -> PgConnection {
    cluster.connect_options(database).connect().await.unwrap()
}

async fn value(conn: &mut PgConnection, statement: &'static str) -> String {
    sqlx::query_scalar(statement).fetch_one(conn).await.unwrap()
}

#[tokio::test]
async fn data_is_there_again_after_a_stop_and_a_start() {
    let (_dir, settings) = fresh();
    let mut cluster = Cluster::start(settings.clone()).await.unwrap();
    assert!(cluster.create_database("market").await.unwrap());
    assert!(!cluster.create_database("market").await.unwrap());
    let mut conn = connect(&cluster, "market").await;
    conn.execute("create table policy as select 'kept' as state").await.unwrap();
    conn.close().await.unwrap();
    cluster.stop(StopMode::Fast).await.unwrap();
    cluster.ended().await;
    drop(cluster);

    let mut again = Cluster::start(settings).await.unwrap();
    let mut conn = connect(&again, "market").await;
    assert_eq!(value(&mut conn, "select state from policy").await, "kept");
    again.stop(StopMode::Immediate).await.unwrap();
}

#[tokio::test]
async fn the_cluster_is_durable_and_listens_on_its_socket_alone() {
    let (_dir, settings) = fresh();
    let cluster = Cluster::start(settings).await.unwrap();
    let mut conn = PgConnection::connect(&cluster.url("postgres")).await.unwrap();
    for (name, wanted) in [
        ("listen_addresses", ""),
        ("fsync", "on"),
        ("full_page_writes", "on"),
        ("synchronous_commit", "on"),
        ("data_checksums", "on"),
        ("server_encoding", "UTF8"),
        ("lc_collate", "C"),
        ("jit", "off"),
        ("TimeZone", "UTC"),
    ] {
        let found: Option<String> = sqlx::query_scalar("select current_setting($1, true)")
            .bind(name)
            .fetch_one(&mut conn)
            .await
            .unwrap();
        let found =
            match found {
                Some(found) => found,
                // A column since PostgreSQL 16.
                None => value(
                    &mut conn,
                    "select datcollate::text from pg_database where datname = current_database()",
                )
                .await,
            };
        assert_eq!(found, wanted, "{name}");
    }
}

#[tokio::test]
async fn what_was_acknowledged_survives_a_killed_server() {
    let (_dir, settings) = fresh();
    let mut cluster = Cluster::start(settings.clone()).await.unwrap();
    let mut conn = connect(&cluster, "postgres").await;
    conn.execute("create table confirm as select 'acknowledged' as state").await.unwrap();
    kill(Pid::from_raw(cluster.pid().cast_signed()), Signal::SIGKILL).unwrap();
    cluster.ended().await;

    // The orphaned session may live for another moment; the new server waits for its end.
    cluster.restart().await.unwrap();
    let mut conn = connect(&cluster, "postgres").await;
    assert_eq!(value(&mut conn, "select state from confirm").await, "acknowledged");
    cluster.stop(StopMode::Immediate).await.unwrap();
    drop(cluster);

    // Its process number now belongs to another program: this test.
    let stale = settings.data_dir.join("pgdata/postmaster.pid");
    std::fs::write(&stale, format!("{}\n", std::process::id())).unwrap();
    let cluster = Cluster::start(settings).await.unwrap();
    let mut conn = connect(&cluster, "postgres").await;
    assert_eq!(value(&mut conn, "select state from confirm").await, "acknowledged");
}

#[tokio::test]
async fn a_second_instance_on_one_directory_is_refused_by_name() {
    let (_dir, settings) = fresh();
    let first = Cluster::start(settings.clone()).await.unwrap();
    let refused = Cluster::start(settings).await.unwrap_err();
    assert!(matches!(refused, EmbeddedError::InUse { .. }));
    let text = refused.to_string();
    assert!(text.contains(&format!("(process {})", std::process::id())), "{text}");
    let mut conn = connect(&first, "postgres").await;
    assert_eq!(value(&mut conn, "select 'untouched'").await, "untouched");
}

#[tokio::test]
async fn a_server_that_outlived_its_parent_is_taken_over() {
    let (_dir, settings) = fresh();
    let mut cluster = Cluster::start(settings.clone()).await.unwrap();
    cluster.stop(StopMode::Fast).await.unwrap();
    let bin = cluster.bin_dir().join("postgres");
    drop(cluster);

    let pgdata = settings.data_dir.join("pgdata");
    let owner = std::fs::metadata(&pgdata).unwrap();
    let mut orphan = Command::new(bin);
    orphan.arg("-D").arg(&pgdata).args(["-c", "listen_addresses=", "-k"]);
    orphan.arg(settings.data_dir.join("run")).current_dir("/").process_group(0);
    orphan.stdout(Stdio::null()).stderr(Stdio::null());
    if Uid::effective().is_root() {
        orphan.uid(owner.uid()).gid(owner.gid());
    }
    let mut orphan = orphan.spawn().unwrap();
    while !pgdata.join("postmaster.pid").exists() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }

    let collector = std::thread::spawn(move || orphan.wait());
    let cluster = Cluster::start(settings).await.unwrap();
    assert!(collector.join().unwrap().unwrap().success(), "the orphan was stopped cleanly");
    let mut conn = connect(&cluster, "postgres").await;
    assert_eq!(value(&mut conn, "select 'ours'").await, "ours");
}

#[tokio::test]
async fn started_by_root_the_server_runs_unprivileged() {
    if !Uid::effective().is_root() {
        eprintln!("skipped: this test does not run as root");
        return;
    }
    let (_dir, mut settings) = fresh();
    settings.run_as = Some("nobody".to_owned());
    let cluster = Cluster::start(settings.clone()).await.unwrap();
    let server = std::fs::metadata(format!("/proc/{}", cluster.pid())).unwrap();
    assert_ne!(server.uid(), 0);
    let sockets = std::fs::metadata(settings.data_dir.join("run")).unwrap();
    assert_eq!((sockets.uid(), sockets.mode() & 0o777), (server.uid(), 0o700));
    drop(cluster);

    // The owner of the data goes before any preference.
    settings.run_as = None;
    let again = Cluster::start(settings).await.unwrap();
    let same = std::fs::metadata(format!("/proc/{}", again.pid())).unwrap();
    assert_eq!(same.uid(), server.uid());
}

#[tokio::test]
async fn a_directory_the_server_cannot_reach_is_named_and_another_proposed() {
    if !Uid::effective().is_root() {
        eprintln!("skipped: this test does not run as root");
        return;
    }
    let private = TempDir::with_prefix("private-").unwrap();
    set_mode(private.path(), 0o700);
    let wanted = private.path().join("db");
    let refused = Cluster::start(Settings::at(&wanted)).await.unwrap_err();
    assert!(matches!(refused, EmbeddedError::Unreachable { .. }), "{refused}");
    assert!(refused.to_string().contains(&private.path().display().to_string()), "{refused}");

    let proposed = reachable_dir(&wanted, None).unwrap();
    assert!(proposed.starts_with("/var/lib/commonwheel"));
    assert_eq!(proposed, reachable_dir(&wanted, None).unwrap());
    let open = PathBuf::from("/var/tmp/commonwheel-db");
    assert_eq!(reachable_dir(&open, None).unwrap(), open);
}

#[tokio::test]
async fn a_path_too_long_for_a_socket_still_works() {
    let (dir, mut settings) = fresh();
    settings.data_dir = dir.path().join("x".repeat(120));
    let cluster = Cluster::start(settings).await.unwrap();
    let mut conn = PgConnection::connect(&cluster.url("postgres")).await.unwrap();
    assert_eq!(value(&mut conn, "select 'reached'").await, "reached");
}

/// Not a test of its own: the process that [`the_server_dies_with_its_parent`] kills.
#[tokio::test]
async fn parent_that_waits_to_be_killed() {
    let Some(dir) = std::env::var_os("COMMONWHEEL_TEST_PARENT_DIR") else { return };
    let cluster = Cluster::start(Settings::at(dir).with("shared_buffers", "16MB")).await.unwrap();
    println!("pid={}", cluster.pid());
    cluster.ended().await;
}

#[tokio::test]
async fn the_server_dies_with_its_parent() {
    use std::io::BufRead as _;

    if !Path::new("/usr/bin/setpriv").exists() {
        eprintln!("skipped: setpriv is not on this machine");
        return;
    }
    let (_dir, settings) = fresh();
    let mut parent = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "embedded::parent_that_waits_to_be_killed", "--nocapture"])
        .env("COMMONWHEEL_TEST_PARENT_DIR", &settings.data_dir)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = std::io::BufReader::new(parent.stdout.take().unwrap()).lines();
    let pid = loop {
        let line = lines.next().expect("the parent tells its server").unwrap();
        if let Some((_, pid)) = line.split_once("pid=") {
            break pid.parse::<i32>().unwrap();
        }
    };
    parent.kill().unwrap();
    parent.wait().unwrap();
    let gone = async {
        while std::fs::read_to_string(format!("/proc/{pid}/stat"))
            .is_ok_and(|stat| stat.contains("(postgres)") && !stat.contains(") Z"))
        {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), gone).await.unwrap();
    Cluster::start(settings).await.unwrap();
}

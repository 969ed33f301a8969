//! A database of its own for every test.
//!
//! All tests of a run share one cluster below `target/testkit`, without fsync: the first process
//! that needs it starts it, the others find it, and it stops by itself after ten minutes without
//! a connection. The migrations of a test run once into a template, which is then copied (some
//! 25 ms). The copy is dropped with its [`TestDb`], also when the test panics; what a killed
//! process left behind is dropped by the next one.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use nix::sys::signal::kill;
use nix::unistd::{Pid, Uid};
use sha2::{Digest, Sha256};
use sqlx::migrate::Migrator;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Executor, PgConnection, PgPool};
use tokio::sync::OnceCell;

use crate::embedded::{EmbeddedError, Settings, Shared, reachable_dir};
use crate::migrate::{MigrateError, migrate};
use crate::{Db, PoolSettings};

/// Templates kept; the oldest go when more are made.
const TEMPLATES: i64 = 40;

/// Guards the making of templates across processes.
const LOCK: i64 = 0x7465_6d70_6c61_7465;

/// Stops a server nobody has been connected to for ten minutes, and ends with it.
const WATCHDOG: &str = r#"
server=$(head -n 1 "$2/postmaster.pid") || exit 0
idle=0
while sleep 30; do
    [ "$(head -n 1 "$2/postmaster.pid" 2>/dev/null)" = "$server" ] || exit 0
    kill -0 "$server" 2>/dev/null || exit 0
    open=$("$1/psql" -XAtq -h "$3" -U commonwheel -d postgres -c \
        "select count(*) - 1 from pg_stat_activity where backend_type = 'client backend'" 2>/dev/null)
    if [ "$open" = 0 ]; then idle=$((idle + 1)); else idle=0; fi
    if [ "$idle" -ge 20 ]; then kill -INT "$server"; exit 0; fi
done
"#;

/// Why there is no database for the test.
#[derive(Debug, thiserror::Error)]
pub enum TestDbError {
    /// The shared cluster could not be found or started.
    #[error("no cluster for the tests")]
    Cluster(#[from] EmbeddedError),
    /// The migrations do not run.
    #[error("the template could not be migrated")]
    Migrate(#[from] MigrateError),
    /// The cluster refused to make, copy or drop a database.
    #[error("the cluster refused a database")]
    Sql(#[from] sqlx::Error),
}

/// A migrated database that belongs to one test. Dropping the value drops the database and cuts
/// the connections to it.
#[derive(Debug)]
pub struct TestDb {
    /// Connected as the owner: sees every row, for arranging and for looking.
    pub owner: PgPool,
    /// Connected as the platform is, under [`crate::APP_ROLE`].
    pub db: Db,
    name: String,
    maintenance: PgConnectOptions,
}

impl TestDb {
    /// Copies the template of `crates`, making it when it is the first time.
    pub async fn create(crates: &[&Migrator]) -> Result<TestDb, TestDbError> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("test_{}_{number}", std::process::id());
        let maintenance = cluster().await?;
        copy_template(&maintenance, &name, crates).await?;
        let options = maintenance.clone().database(&name);
        let owner = PgPoolOptions::new().max_connections(4).connect_lazy_with(options.clone());
        let settings = PoolSettings { connections: 8, ..PoolSettings::default() };
        let db = Db::connect(options, settings).await?;
        Ok(TestDb { owner, db, name, maintenance })
    }

    /// Options to connect to this database as the owner, for another pool or a process.
    pub fn options(&self) -> PgConnectOptions {
        self.maintenance.clone().database(&self.name)
    }

    /// The same as a URL.
    pub fn url(&self) -> String {
        self.options().to_url_lossy().to_string()
    }
}

impl Drop for TestDb {
    fn drop(&mut self) {
        let maintenance = self.maintenance.clone();
        let name = self.name.clone();
        // A thread with a runtime of its own: the test's may be busy, single-threaded or ending.
        let dropped = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.map(|runtime| runtime.block_on(drop_database(&maintenance, &name)))
        });
        match dropped.join() {
            Ok(Ok(Ok(()))) => {}
            // The next process sweeps it.
            other => tracing::warn!(db.name = self.name, "left a test database behind: {other:?}"),
        }
    }
}

async fn copy_template(
    maintenance: &PgConnectOptions,
    name: &str,
    crates: &[&Migrator],
) -> Result<(), TestDbError> {
    let template = template_name(crates);
    let statement = format!("create database {name} template {template}");
    loop {
        match administer(maintenance, &statement).await {
            Ok(()) => return Ok(()),
            // The template does not exist.
            Err(error) if has_code(&error, "3D000") => {
                make_template(maintenance, &template, crates).await?;
            }
            Err(error) => return Err(error.into()),
        }
    }
}

/// Options for the shared cluster's own database. Found or started once per process.
async fn cluster() -> Result<PgConnectOptions, TestDbError> {
    static FOUND: OnceCell<PgConnectOptions> = OnceCell::const_new();
    let found = FOUND.get_or_try_init(async || {
        let user = format!("testkit/user-{}", Uid::effective());
        let dir = reachable_dir(&target_dir().join(user), None)?;
        let settings = Settings::at(dir)
            .with("fsync", "off")
            .with("full_page_writes", "off")
            .with("synchronous_commit", "off")
            .with("max_connections", "500")
            .with("shared_buffers", "128MB");
        let shared = Shared::find_or_start(settings).await?;
        if shared.started() {
            shared.leave_behind(WATCHDOG)?;
        }
        let options = shared.connect_options("postgres");
        sweep(&options).await?;
        Ok::<_, TestDbError>(options)
    });
    Ok(found.await?.clone())
}

/// Cargo's target directory, of which this test's executable is a part; else the temp directory.
fn target_dir() -> PathBuf {
    let executable = std::env::current_exe().unwrap_or_default();
    let target = executable.ancestors().find(|dir| dir.join("CACHEDIR.TAG").is_file());
    target.map_or_else(|| std::env::temp_dir().join("commonwheel"), Path::to_owned)
}

/// Drops what processes that are gone have left, and an earlier bearer of our own number.
async fn sweep(maintenance: &PgConnectOptions) -> Result<(), sqlx::Error> {
    let mut conn = maintenance.connect().await?;
    let names: Vec<String> =
        sqlx::query_scalar("select datname from pg_database where datname like 'test\\_%'")
            .fetch_all(&mut conn)
            .await?;
    for name in names.iter().filter(|name| is_left_over(name)) {
        // Another process may be sweeping too.
        conn.execute(AssertSqlSafe(format!("drop database if exists {name} with (force)")))
            .await
            .map(drop)
            .or_else(|error| has_code(&error, "3D000").then_some(()).ok_or(error))?;
    }
    conn.close().await
}

fn is_left_over(name: &str) -> bool {
    let pid = name.split('_').nth(1).and_then(|pid| pid.parse::<i32>().ok());
    pid.is_some_and(|pid| {
        pid.cast_unsigned() == std::process::id() || kill(Pid::from_raw(pid), None).is_err()
    })
}

/// Names the schema the migrations make: other migrations, another name.
fn template_name(crates: &[&Migrator]) -> String {
    let mut digest = Sha256::new();
    for migrator in crates {
        digest.update(migrator.table_name.as_bytes());
        for migration in migrator.iter() {
            digest.update(migration.version.to_be_bytes());
            digest.update(&migration.checksum);
        }
    }
    format!("template_{}", hex::encode(&digest.finalize()[..8]))
}

/// Migrates a fresh database and only then gives it the template's name.
async fn make_template(
    maintenance: &PgConnectOptions,
    template: &str,
    crates: &[&Migrator],
) -> Result<(), TestDbError> {
    let mut conn = maintenance.connect().await?;
    sqlx::query("select pg_advisory_lock($1)").bind(LOCK).execute(&mut conn).await?;
    let outcome = async {
        if !exists(&mut conn, template).await? {
            drop_oldest_templates(&mut conn).await?;
            let raw = format!("building_{template}");
            for statement in ["drop database if exists", "create database"] {
                conn.execute(AssertSqlSafe(format!("{statement} {raw}"))).await?;
            }
            migrate(&maintenance.clone().database(&raw), crates).await?;
            conn.execute(AssertSqlSafe(format!("alter database {raw} rename to {template}")))
                .await?;
        }
        Ok(())
    };
    let outcome = outcome.await;
    // The lock goes with the session.
    conn.close().await?;
    outcome
}

/// Cuts the connections to `name` and drops it.
///
/// `with (force)` alone looks again only after 100 ms when a session is not gone at once.
async fn drop_database(maintenance: &PgConnectOptions, name: &str) -> Result<(), sqlx::Error> {
    let mut conn = maintenance.connect().await?;
    for _ in 0..50 {
        let cut: i64 = sqlx::query_scalar(
            "select count(pg_terminate_backend(pid)) from pg_stat_activity where datname = $1",
        )
        .bind(name)
        .fetch_one(&mut conn)
        .await?;
        if cut == 0 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    conn.execute(AssertSqlSafe(format!("drop database if exists {name} with (force)"))).await?;
    conn.close().await
}

async fn exists(conn: &mut PgConnection, database: &str) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar("select exists (select from pg_database where datname = $1)")
        .bind(database)
        .fetch_one(conn)
        .await
}

async fn drop_oldest_templates(conn: &mut PgConnection) -> Result<(), sqlx::Error> {
    let old: Vec<String> = sqlx::query_scalar(
        "select datname from pg_database where datname ~ '^template_[0-9a-f]{16}$'
         order by oid desc offset $1",
    )
    .bind(TEMPLATES)
    .fetch_all(&mut *conn)
    .await?;
    for name in old {
        conn.execute(AssertSqlSafe(format!("drop database if exists {name} with (force)"))).await?;
    }
    Ok(())
}

/// Runs one statement in a session of its own.
async fn administer(options: &PgConnectOptions, statement: &str) -> Result<(), sqlx::Error> {
    let mut conn = options.connect().await?;
    conn.execute(AssertSqlSafe(statement.to_owned())).await?;
    conn.close().await
}

fn has_code(error: &sqlx::Error, code: &str) -> bool {
    error.as_database_error().and_then(|error| error.code()).as_deref() == Some(code)
}

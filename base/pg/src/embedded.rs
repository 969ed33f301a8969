//! A private PostgreSQL cluster, from laptop to single server.
//!
//! [`Cluster`] finds PostgreSQL 15 or newer on the machine, makes a cluster in a directory of its
//! own, runs it while the value lives, and finds the data again on the next start. What always
//! holds:
//!
//! - The server listens on a unix socket only, in a directory (mode 0700) which nobody but the
//!   account of the server and root can enter. Who connects is told by the kernel (`peer`
//!   authentication): only the account that runs the server and the one that started it get in,
//!   and there is no password to keep.
//! - PostgreSQL refuses to run as root. Started by root, the server runs under an unprivileged
//!   account: the owner of existing data, else [`Settings::run_as`], else `postgres`, else `nobody`.
//!   That account owns the data and the socket directory and can write nothing else of ours.
//! - One instance per data directory, guarded by a file lock the kernel drops with the process. A
//!   server that outlived its parent is stopped cleanly, then started anew.
//! - The server dies with its parent where `setpriv` exists (Linux): also after a `kill -9`.
//!
//! Replication, backups and tuning of a large installation are left to a PostgreSQL run by its
//! operators: give the platform a URL then.

mod account;
mod binaries;
mod layout;
mod server;

use std::path::{Path, PathBuf};
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgSslMode};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Executor, PgConnection};

use account::Account;
use binaries::Binaries;
pub use layout::reachable_dir;
use layout::{Layout, Lock};
use server::{Orphan, Server};

/// The login role that owns the cluster. Migrations run as this role.
pub const OWNER: &str = "commonwheel";

/// Longest wait for a server to become ready: recovery after a crash replays the log first.
const START: Duration = Duration::from_secs(300);

/// What to start and where.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Directory that belongs to the cluster alone. Made when missing.
    pub data_dir: PathBuf,
    /// Directory of `postgres` and `initdb`. `None`: `COMMONWHEEL_PG_BIN`, `pg_config`, the
    /// distributions' usual places, `PATH`; the newest wins.
    pub bin_dir: Option<PathBuf>,
    /// Account the server runs as when started by root and the data is not there yet.
    pub run_as: Option<String>,
    /// Server settings on top of ours (`name`, `value`); the last one of a name wins.
    pub extra: Vec<(String, String)>,
}

impl Settings {
    /// A cluster in `data_dir`, everything else found on the machine.
    pub fn at(data_dir: impl Into<PathBuf>) -> Settings {
        Settings { data_dir: data_dir.into(), bin_dir: None, run_as: None, extra: Vec::new() }
    }

    /// Adds a server setting.
    pub fn with(mut self, name: &str, value: &str) -> Settings {
        self.extra.push((name.to_owned(), value.to_owned()));
        self
    }
}

/// How a server is stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StopMode {
    /// Open transactions are rolled back, everything is written out: the next start is instant.
    Fast,
    /// As if the power went: nothing acknowledged is lost, the next start replays the log.
    Immediate,
}

/// Why the cluster is not there.
#[derive(Debug, thiserror::Error)]
pub enum EmbeddedError {
    /// No server binaries, or only old ones.
    #[error(
        "no PostgreSQL {wanted} server binaries found (looked in {looked}); install the package \
         postgresql-15 or set COMMONWHEEL_PG_BIN to their directory"
    )]
    NoBinaries {
        /// Which versions would do.
        wanted: String,
        /// Where we looked and what was there.
        looked: String,
    },
    /// The account for the server does not exist, or only root could switch to it.
    #[error("cannot run PostgreSQL as {name}: {why}")]
    Account {
        /// Name of the account.
        name: String,
        /// What is wrong with it.
        why: String,
    },
    /// The server's account cannot enter a directory above the data.
    #[error(
        "PostgreSQL runs as {account}, which cannot enter {}; choose a data directory it can \
         reach (such as /var/lib/commonwheel) or open that directory (chmod o+x)",
        blocked.display()
    )]
    Unreachable {
        /// Account of the server.
        account: String,
        /// The directory that stops it.
        blocked: PathBuf,
    },
    /// Another process runs this cluster.
    #[error("the cluster in {} is in use by another process{holder}", dir.display())]
    InUse {
        /// The data directory.
        dir: PathBuf,
        /// The process, when it left its number.
        holder: String,
    },
    /// The data belongs to somebody else.
    #[error("the cluster in {} belongs to {owner}; start as that account or as root", dir.display())]
    Foreign {
        /// The data directory.
        dir: PathBuf,
        /// Its owner.
        owner: String,
    },
    /// `initdb` failed.
    #[error("cannot make a cluster in {}: {output}", dir.display())]
    Init {
        /// The data directory.
        dir: PathBuf,
        /// What `initdb` said.
        output: String,
    },
    /// The server ended or did not become ready.
    #[error("PostgreSQL in {} did not start: {log}", dir.display())]
    Start {
        /// The data directory.
        dir: PathBuf,
        /// The end of its log.
        log: String,
    },
    /// The server did not end in time.
    #[error("PostgreSQL (process {pid}) did not stop")]
    Stop {
        /// Its process number.
        pid: u32,
    },
    /// A file or directory could not be used.
    #[error("cannot {doing} {}", path.display())]
    File {
        /// What was being done.
        doing: &'static str,
        /// To what.
        path: PathBuf,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// The running server refused an administrative statement.
    #[error("the embedded database refused an administrative statement")]
    Sql(#[from] sqlx::Error),
}

impl EmbeddedError {
    fn file(doing: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> EmbeddedError {
        let path = path.to_owned();
        move |source| EmbeddedError::File { doing, path, source }
    }
}

/// A running PostgreSQL of our own.
///
/// Dropping it asks the server for a fast stop and does not wait; [`Cluster::stop`] waits.
#[derive(Debug)]
pub struct Cluster {
    ready: Prepared,
    server: Server,
    /// Held open for as long as we own the directory.
    _lock: Lock,
}

impl Cluster {
    /// Starts the cluster, making it first when the directory is new.
    ///
    /// Returns when the server accepts connections. After a crash this includes its recovery.
    pub async fn start(settings: Settings) -> Result<Cluster, EmbeddedError> {
        let layout = Layout::make(&settings.data_dir)?;
        let lock = layout.lock()?;
        let ready = Prepared::new(layout, settings).await?;
        if let Some(orphan) = Orphan::find(&ready.layout) {
            tracing::warn!(pid = orphan.pid(), "stopping a PostgreSQL that outlived its parent");
            orphan.stop().await?;
        }
        let server = ready.launch(server::Lifetime::Parent).await?;
        tracing::info!(
            db.pid = server.pid(),
            db.dir = %ready.layout.dir.display(),
            "PostgreSQL {} is ready", ready.binaries.major
        );
        Ok(Cluster { ready, server, _lock: lock })
    }

    /// Process number of the server; of the last one once it has stopped.
    pub fn pid(&self) -> u32 {
        self.server.pid()
    }

    /// Directory of the server binaries in use, for tools such as `pgbench`.
    pub fn bin_dir(&self) -> &Path {
        &self.ready.binaries.dir
    }

    /// Options to connect to `database` as the owner.
    pub fn connect_options(&self, database: &str) -> PgConnectOptions {
        self.ready.layout.connect_options(database)
    }

    /// The same as a URL, which libpq's tools understand too.
    pub fn url(&self, database: &str) -> String {
        self.ready.layout.url(database)
    }

    /// Makes `database` unless it is there. Tells whether it was made.
    pub async fn create_database(&self, database: &str) -> Result<bool, EmbeddedError> {
        create_database(&self.connect_options("postgres"), database).await
    }

    /// Returns when the server process has ended, whoever ended it.
    pub async fn ended(&self) {
        self.server.ended().await;
    }

    /// Stops the server and waits for its end. Does nothing when it has stopped.
    pub async fn stop(&mut self, mode: StopMode) -> Result<(), EmbeddedError> {
        self.server.stop(mode).await
    }

    /// Starts the server again after it was stopped or died.
    pub async fn restart(&mut self) -> Result<(), EmbeddedError> {
        self.server.stop(StopMode::Fast).await?;
        self.server = self.ready.launch(server::Lifetime::Parent).await?;
        Ok(())
    }
}

/// A cluster shared by processes that come and go, such as the tests of one run.
///
/// It goes on running when this value is dropped and when the process ends.
#[derive(Debug)]
pub struct Shared {
    ready: Prepared,
    started: bool,
}

impl Shared {
    /// Finds the running cluster of the directory, or starts it. Processes take turns.
    ///
    /// The data is expendable: when it does not start (made by another version, left by a crash
    /// without fsync), it is made anew.
    pub async fn find_or_start(settings: Settings) -> Result<Shared, EmbeddedError> {
        let layout = Layout::make(&settings.data_dir)?;
        let lock = layout.wait_for_lock().await?;
        let shared = match Shared::attempt(&layout, settings.clone()).await {
            Ok(shared) => shared,
            Err(error @ (EmbeddedError::Start { .. } | EmbeddedError::NoBinaries { .. })) => {
                if layout.version().is_none() {
                    return Err(error);
                }
                tracing::warn!(%error, "making the shared cluster anew");
                layout.discard()?;
                Shared::attempt(&layout, settings).await?
            }
            Err(error) => return Err(error),
        };
        drop(lock);
        Ok(shared)
    }

    async fn attempt(layout: &Layout, settings: Settings) -> Result<Shared, EmbeddedError> {
        let ready = Prepared::new(layout.clone(), settings).await?;
        let running = match Orphan::find(layout) {
            Some(_) if ready.answers_soon().await => true,
            Some(stuck) => {
                stuck.stop().await?;
                false
            }
            None => false,
        };
        if !running {
            ready.launch(server::Lifetime::Own).await?;
        }
        Ok(Shared { ready, started: !running })
    }

    /// Whether this call started the server.
    pub fn started(&self) -> bool {
        self.started
    }

    /// Options to connect to `database` as the owner.
    pub fn connect_options(&self, database: &str) -> PgConnectOptions {
        self.ready.layout.connect_options(database)
    }

    /// Stops the server for everyone.
    pub async fn stop(&self) -> Result<(), EmbeddedError> {
        match Orphan::find(&self.ready.layout) {
            Some(server) => server.stop().await,
            None => Ok(()),
        }
    }

    /// Runs `script` under the server's account in `sh`, detached from this process, with `$1`
    /// the directory of the binaries, `$2` that of the data and `$3` that of the socket.
    pub(crate) fn leave_behind(&self, script: &str) -> Result<(), EmbeddedError> {
        let sh = Path::new("/bin/sh");
        let mut command = self.ready.account.command(sh);
        command.args(["-c", script, "sh"]).arg(&self.ready.binaries.dir);
        command.arg(&self.ready.layout.pgdata).arg(&self.ready.layout.sockets);
        server::detach(&mut command);
        command.spawn().map_err(EmbeddedError::file("run", sh))?;
        Ok(())
    }
}

/// Everything known and made before the server process is launched.
#[derive(Debug)]
struct Prepared {
    layout: Layout,
    account: Account,
    binaries: Binaries,
    extra: Vec<(String, String)>,
}

impl Prepared {
    async fn new(layout: Layout, settings: Settings) -> Result<Prepared, EmbeddedError> {
        let account = Account::resolve(&layout, settings.run_as.as_deref())?;
        layout::check_reach(&layout.dir, &account)?;
        let binaries = Binaries::find(settings.bin_dir.as_deref(), layout.version())?;
        layout.prepare(&account, &binaries).await?;
        Ok(Prepared { layout, account, binaries, extra: settings.extra })
    }

    async fn launch(&self, lifetime: server::Lifetime) -> Result<Server, EmbeddedError> {
        let settings = server::settings(self, server::has_lz4(self).await);
        Server::launch(self, &settings, lifetime).await
    }

    /// Whether it answers within ten seconds: it may be starting, or full for a moment.
    async fn answers_soon(&self) -> bool {
        for _ in 0..100 {
            if self.answers().await {
                return true;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        false
    }

    /// Whether a server on this directory answers a query.
    async fn answers(&self) -> bool {
        let Ok(mut conn) = self.layout.connect_options("postgres").connect().await else {
            return false;
        };
        let answered = conn.execute("select 1").await.is_ok();
        // The session ends with the socket in any case.
        let _ = conn.close().await;
        answered
    }
}

/// Makes `database` unless it is there, over a connection to any other database of the cluster.
pub async fn create_database(
    maintenance: &PgConnectOptions,
    database: &str,
) -> Result<bool, EmbeddedError> {
    let mut conn = PgConnection::connect_with(maintenance).await?;
    let quoted = database.replace('"', "\"\"");
    let made = match conn.execute(AssertSqlSafe(format!("create database \"{quoted}\""))).await {
        Ok(_) => true,
        // 42P04: it exists; 23505: somebody made it at this very moment.
        Err(sqlx::Error::Database(error))
            if matches!(error.code().as_deref(), Some("42P04" | "23505")) =>
        {
            false
        }
        Err(error) => return Err(error.into()),
    };
    conn.close().await?;
    Ok(made)
}

/// Options for the socket in `dir`.
fn socket_options(dir: &Path, database: &str) -> PgConnectOptions {
    PgConnectOptions::new_without_pgpass()
        .socket(dir)
        .port(server::PORT)
        .username(OWNER)
        .database(database)
        .ssl_mode(PgSslMode::Disable)
}

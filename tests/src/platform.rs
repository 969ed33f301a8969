//! A whole platform for one test: `commonwheel up` in a directory of its own.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::sync::atomic::{AtomicU32, Ordering};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde::Deserialize;

use crate::api::Api;
use crate::database::Database;
use crate::process::{Process, gone, is_alive};
use crate::{commonwheel, eventually};

/// What `up` tells of itself.
#[derive(Clone, Debug, Deserialize)]
pub struct Announced {
    /// Address of the API.
    pub api: String,
    /// Address of health and metrics.
    pub ops: String,
    /// Address of the sandbox police.
    pub police: String,
    /// Address of the sandbox model library.
    pub models: String,
    /// Address of the sandbox tax office.
    pub tax: String,
    /// URL of the database, for its owner.
    pub database: String,
    /// Clients of the sandbox market.
    pub clients: Vec<AnnouncedClient>,
}

/// A client of the sandbox market.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AnnouncedClient {
    /// For example `picc-320000`.
    pub client_id: String,
    /// Its secret.
    pub client_secret: String,
}

/// How a platform is started.
#[derive(Clone, Debug, Default)]
pub struct Start<'a> {
    /// Where the clock stands, RFC 3339; the machine's clock when absent.
    pub clock: Option<&'a str>,
}

/// A running platform. Stopped, with its database, and its directory removed, when dropped.
#[derive(Debug)]
pub struct Platform {
    process: Process,
    /// Addresses and credentials.
    pub announced: Announced,
    clock: Option<String>,
    // The last field: dropped when the process, which shows its log, is.
    dir: Directory,
}

/// A data directory, removed with everything in it when dropped.
#[derive(Debug)]
struct Directory(PathBuf);

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

impl Platform {
    /// A fresh platform by the machine's clock.
    pub async fn up() -> Platform {
        Platform::start(Start::default()).await
    }

    /// A fresh platform.
    pub async fn start(how: Start<'_>) -> Platform {
        Platform::start_with(how, &[]).await
    }

    /// A fresh platform with more arguments.
    pub async fn start_with(how: Start<'_>, arguments: &[&str]) -> Platform {
        let dir = Directory(fresh_dir());
        let clock = how.clock.map(str::to_owned);
        let mut command = up_command(&dir.0, clock.as_deref());
        command.args(["--listen", "127.0.0.1:0", "--ops-listen", "127.0.0.1:0"]);
        command.args(arguments);
        let (process, announced) = begin(command, &dir.0).await;
        Platform { process, announced, clock, dir }
    }

    /// The next platform on the same data, at the same addresses; a clock that stands stands where
    /// it first did. The one before must have ended.
    pub async fn again(&mut self) {
        let mut command = up_command(&self.dir.0, self.clock.as_deref());
        let at = |url: &str| url.trim_start_matches("http://").to_owned();
        command.args(["--listen", &at(&self.announced.api)]);
        command.args(["--ops-listen", &at(&self.announced.ops)]);
        (self.process, self.announced) = begin(command, &self.dir.0).await;
    }

    /// A client of the market, for example `picc-320000`, with a token.
    pub async fn client(&self, client_id: &str) -> Api {
        Api::login(&self.announced.api, client_id, self.secret(client_id)).await
    }

    /// The secret of a client of the market.
    pub fn secret(&self, client_id: &str) -> &str {
        let known = self.announced.clients.iter().find(|client| client.client_id == client_id);
        &known.unwrap_or_else(|| panic!("no sandbox client {client_id}")).client_secret
    }

    /// The database, as its owner.
    pub async fn database(&self) -> Database {
        Database::connect(&self.announced.database).await
    }

    /// The number of the database's process. It changes when `up` starts the database again.
    pub fn postmaster(&self) -> Option<Pid> {
        let path = self.dir.0.join("postgres/pgdata/postmaster.pid");
        let text = std::fs::read_to_string(path).ok()?;
        text.lines().next()?.trim().parse().ok().map(Pid::from_raw)
    }

    /// Kills the server without any warning. The database follows it by itself.
    pub fn kill(&mut self) {
        let postmaster = self.postmaster();
        self.process.kill();
        if let Some(postmaster) = postmaster {
            gone(postmaster);
        }
    }

    /// Stops the database at once, without a checkpoint, as a crash would; answers its number.
    pub fn stop_database(&self) -> Pid {
        let postmaster = self.postmaster().expect("the database runs");
        kill(postmaster, Signal::SIGQUIT).unwrap();
        postmaster
    }

    /// Asks for the end; does not wait for it.
    pub fn terminate(&self) {
        self.process.signal(Signal::SIGTERM);
    }

    /// Waits for the end.
    pub async fn ended(&mut self) -> ExitStatus {
        self.process.wait().await
    }

    /// Whether the database of this platform still runs.
    pub fn has_database(&self) -> bool {
        self.postmaster().is_some_and(is_alive)
    }

    /// A directory for a test's own files, removed with the platform.
    pub fn scratch(&self) -> PathBuf {
        let dir = self.dir.0.join("scratch");
        std::fs::create_dir_all(&dir).unwrap();
        dir
    }

    /// The folder of its lake.
    pub fn lake(&self) -> PathBuf {
        self.dir.0.join("lake")
    }

    /// What it said so far.
    pub fn log(&self) -> String {
        self.process.log()
    }

    /// Another server on the same database, with its own ports and the same keys.
    pub async fn serve(&self, name: &str) -> Server {
        Server::start(self, name).await
    }

    /// A node of a cluster over this platform's lake: `commonwheel cluster` with these arguments.
    pub fn node(&self, name: &str, arguments: &[&str]) -> Node {
        let mut command = Command::new(commonwheel());
        command.arg("cluster").args(arguments);
        command.env("COMMONWHEEL__LAKE__ADDRESS", self.lake());
        Node { process: Process::run(command, &self.dir.0.join(format!("{name}.log"))) }
    }

    /// A `commonwheel` subcommand against this platform's database; answers whether it succeeded
    /// and what it said.
    pub fn command(&self, arguments: &[&str]) -> (bool, String) {
        let mut command = Command::new(commonwheel());
        command.args(arguments).current_dir(crate::binary::root());
        self.settings(&mut command, "127.0.0.1:0", "127.0.0.1:0");
        let output = command.output().unwrap();
        let said = [output.stdout, output.stderr].concat();
        (output.status.success(), String::from_utf8_lossy(&said).into_owned())
    }

    /// Settings of a server on this platform's database, as variables.
    fn settings(&self, command: &mut Command, listen: &str, ops_listen: &str) {
        let known = &self.announced;
        command
            .env("COMMONWHEEL__SERVER__LISTEN", listen)
            .env("COMMONWHEEL__SERVER__OPS_LISTEN", ops_listen)
            .env("COMMONWHEEL__SERVER__PUBLIC_URL", &known.api)
            .env("COMMONWHEEL__DATABASE__URL", &known.database)
            .env("COMMONWHEEL__SECURITY__MASTER_KEY_FILE", self.dir.0.join("master.key"))
            .env("COMMONWHEEL__LAKE__ADDRESS", self.dir.0.join("lake"))
            .env("COMMONWHEEL__OUTSIDE__POLICE", &known.police)
            .env("COMMONWHEEL__OUTSIDE__MODELS", &known.models)
            .env("COMMONWHEEL__OUTSIDE__TAX", &known.tax);
    }
}

impl Drop for Platform {
    fn drop(&mut self) {
        let postmaster = self.postmaster();
        self.process.kill();
        if let Some(postmaster) = postmaster.filter(|&pid| is_alive(pid)) {
            let _ = kill(postmaster, Signal::SIGQUIT);
            if !std::thread::panicking() {
                gone(postmaster);
            }
        }
    }
}

/// A node of a cluster; it ends with its last mention.
#[derive(Debug)]
pub struct Node {
    process: Process,
}

impl Node {
    /// What it said so far.
    pub fn log(&self) -> String {
        self.process.log()
    }

    /// Ends it at once.
    pub fn kill(&mut self) {
        self.process.kill();
    }
}

/// `commonwheel serve` beside a platform, on its database.
#[derive(Debug)]
pub struct Server {
    process: Process,
    api: String,
    ops: String,
}

impl Server {
    async fn start(platform: &Platform, name: &str) -> Server {
        let mut command = Command::new(commonwheel());
        command.arg("serve");
        // The machine gives it free ports, and it says which.
        platform.settings(&mut command, "127.0.0.1:0", "127.0.0.1:0");
        let mut process = Process::run(command, &platform.dir.0.join(format!("{name}.log")));
        let (api, ops) = eventually("the second server is ready", async || {
            assert!(process.ended().is_none(), "{name} ended: {}", process.log());
            let (api, ops) = process.log().lines().find_map(addresses)?;
            let answer = reqwest::get(format!("{ops}/health/ready")).await.ok()?;
            answer.status().is_success().then_some((api, ops))
        })
        .await;
        Server { process, api, ops }
    }

    /// A client of the market at this server.
    pub async fn client(&self, platform: &Platform, client_id: &str) -> Api {
        Api::login(&self.api, client_id, platform.secret(client_id)).await
    }

    /// Address of its API.
    pub fn api(&self) -> &str {
        &self.api
    }

    /// Address of its health and metrics.
    pub fn ops(&self) -> &str {
        &self.ops
    }

    /// Asks for the end and waits for it.
    pub async fn terminate(&mut self) -> ExitStatus {
        self.process.signal(Signal::SIGTERM);
        self.process.wait().await
    }
}

fn up_command(dir: &Path, clock: Option<&str>) -> Command {
    let mut command = Command::new(commonwheel());
    command.arg("up").arg("--data-dir").arg(dir).args(["--sandbox-listen", "127.0.0.1:0"]);
    command.args(clock.iter().flat_map(|at| ["--clock", at]));
    command
}

async fn begin(mut command: Command, dir: &Path) -> (Process, Announced) {
    let announcement = dir.join("announced.json");
    let _ = std::fs::remove_file(&announcement);
    command.arg("--announce").arg(&announcement);
    let mut process = Process::run(command, &dir.join("up.log"));
    let announced = eventually("the platform announces itself", async || {
        assert!(process.ended().is_none(), "up ended: {}", process.log());
        let text = std::fs::read(&announcement).ok()?;
        serde_json::from_slice(&text).ok()
    })
    .await;
    (process, announced)
}

/// A directory nobody else uses, which the account PostgreSQL runs under can walk into.
fn fresh_dir() -> PathBuf {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let name = format!("cw-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
    let dir = std::env::temp_dir().join(name);
    // Left by a test that was killed and had the same process number.
    let _ = std::fs::remove_dir_all(&dir);
    std::fs::create_dir_all(&dir).unwrap();
    std::fs::set_permissions(&dir, std::fs::Permissions::from_mode(0o711)).unwrap();
    dir
}

/// The addresses of API and operations port that a server's log line tells, when it is that line.
fn addresses(line: &str) -> Option<(String, String)> {
    #[derive(Deserialize)]
    struct Serving {
        #[serde(rename = "api.address")]
        api: String,
        #[serde(rename = "ops.address")]
        ops: String,
    }
    let Serving { api, ops } = serde_json::from_str(line).ok()?;
    Some((format!("http://{api}"), format!("http://{ops}")))
}

//! The platform under test: starts `commonwheel up`, gets tokens, watches the processes.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde::Deserialize;

use crate::report;

/// How long the platform may take to start.
const START: Duration = Duration::from_secs(120);

/// What `commonwheel up` announces.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Announced {
    /// Address of the API.
    pub api: String,
    /// Address of health and metrics.
    pub ops: String,
    /// URL of the database, of its owner.
    pub database: String,
    /// Clients of the sandbox.
    pub clients: Vec<Client>,
}

/// Credentials of one branch.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Client {
    /// Four-letter code; `None` for the regulator's.
    pub insurer: Option<String>,
    /// Six-digit region.
    pub region: String,
    /// OAuth client.
    pub client_id: String,
    /// Its secret.
    pub client_secret: String,
}

/// A running platform; stopped when dropped.
pub struct Server {
    child: Child,
    /// What it announced.
    pub announced: Announced,
    http: reqwest::Client,
}

impl Server {
    /// Starts it on `data_dir` with ports of its own and waits until it is ready.
    pub async fn start(data_dir: &Path) -> anyhow::Result<Server> {
        std::fs::create_dir_all(data_dir)?;
        let announce = data_dir.join("announced.json");
        let _ = std::fs::remove_file(&announce);
        let log = std::fs::File::create(data_dir.join("server.log"))?;
        let mut command = Command::new(binary());
        command.args(["up", "--listen", "127.0.0.1:0", "--ops-listen", "127.0.0.1:0"]);
        command.args(["--sandbox-listen", "127.0.0.1:0", "--data-dir"]).arg(data_dir);
        command.arg("--announce").arg(&announce);
        // For trying other cuts, for example BENCH_UP="--lanes 3".
        command.args(std::env::var("BENCH_UP").unwrap_or_default().split_whitespace());
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        let child = command
            .spawn()
            .with_context(|| format!("cannot run {}; build it first", binary().display()))?;
        let mut starting = Starting(Some(child));
        let begin = Instant::now();
        let announced = loop {
            if let Ok(text) = std::fs::read(&announce) {
                match serde_json::from_slice(&text) {
                    Ok(told) => break told,
                    // Written halfway.
                    Err(error) if error.is_eof() => {}
                    Err(error) => return Err(error).context("what is announced cannot be read"),
                }
            }
            let ended = starting.0.as_mut().map(Child::try_wait).transpose()?.flatten();
            if ended.is_some() || START < begin.elapsed() {
                bail!("the platform does not start; see {}", data_dir.join("server.log").display());
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        };
        let child = starting.0.take().context("the platform was given up")?;
        Ok(Server { child, announced, http: reqwest::Client::new() })
    }

    /// Where to call.
    pub fn api(&self) -> anyhow::Result<SocketAddr> {
        Ok(self.announced.api.trim_start_matches("http://").parse()?)
    }

    /// A token for one client.
    pub async fn token(&self, client: &Client) -> anyhow::Result<String> {
        #[derive(Deserialize)]
        struct Token {
            access_token: String,
        }
        let form = [("grant_type", "client_credentials")];
        let request = self
            .http
            .post(format!("{}/oauth/token", self.announced.api))
            .basic_auth(&client.client_id, Some(&client.client_secret))
            .form(&form);
        Ok(request.send().await?.error_for_status()?.json::<Token>().await?.access_token)
    }

    /// Tokens of the insurers' clients, by insurer and region.
    pub async fn tokens(&self) -> anyhow::Result<BTreeMap<(String, String), String>> {
        let mut tokens = BTreeMap::new();
        for client in &self.announced.clients {
            let Some(insurer) = client.insurer.clone() else { continue };
            let token = self.token(client).await?;
            tokens.insert((insurer, client.region.clone()), token);
        }
        Ok(tokens)
    }

    /// Posts one message; anything but success is an error.
    pub async fn post(
        &self,
        path: &str,
        token: &str,
        key: &str,
        body: &'static str,
    ) -> anyhow::Result<()> {
        let request = self
            .http
            .post(format!("{}{path}", self.announced.api))
            .bearer_auth(token)
            .header("idempotency-key", key)
            .header("content-type", "application/json")
            .body(body);
        let answer = request.send().await?;
        let (status, text) = (answer.status(), answer.text().await?);
        ensure!(status.is_success(), "{path} was answered {status}: {text}");
        Ok(())
    }

    /// The metrics as text.
    pub async fn metrics(&self) -> anyhow::Result<String> {
        let url = format!("{}/metrics", self.announced.ops);
        Ok(self.http.get(url).send().await?.text().await?)
    }

    /// Process of the platform.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Ends it in order.
    pub fn stop(mut self) -> anyhow::Result<()> {
        kill(Pid::from_raw(self.child.id().cast_signed()), Signal::SIGTERM)?;
        let status = self.child.wait()?;
        ensure!(status.success(), "the platform ended with {status}");
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            let _ = kill(Pid::from_raw(self.child.id().cast_signed()), Signal::SIGTERM);
            let _ = self.child.wait();
        }
    }
}

/// Ends a platform that did not come up.
struct Starting(Option<Child>);

impl Drop for Starting {
    fn drop(&mut self) {
        if let Some(child) = &mut self.0 {
            let _ = kill(Pid::from_raw(child.id().cast_signed()), Signal::SIGTERM);
            let _ = child.wait();
        }
    }
}

/// The program under test.
pub fn binary() -> PathBuf {
    std::env::var_os("COMMONWHEEL_BIN")
        .map_or_else(|| PathBuf::from("target/dist/commonwheel"), PathBuf::from)
}

/// Mean members of a coalesced set between two looks at the metrics.
pub fn mean_set(before: &str, after: &str, set: &str) -> f64 {
    let label = format!("set=\"{set}\"");
    let of = |suffix: &str| {
        let name = format!("coalesced_set_members{suffix}");
        metric(after, &name, &label) - metric(before, &name, &label)
    };
    report::rounded(of("_sum") / of("_count").max(1.0))
}

/// The sum of one sample of a metric family over all its labels that contain `label`.
fn metric(text: &str, name: &str, label: &str) -> f64 {
    let samples = text.lines().filter(|line| {
        let rest = line.strip_prefix(name);
        rest.is_some_and(|rest| rest.starts_with(['{', ' '])) && line.contains(label)
    });
    samples.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum()
}

/// CPU time used so far, microseconds.
#[derive(Clone, Copy, Debug, Default)]
pub struct Cpu {
    /// The platform.
    pub server_us: u64,
    /// The postmaster and everything it started, ended or not.
    pub database_us: u64,
    /// This process.
    pub client_us: u64,
}

impl Cpu {
    /// Reads the clocks of all three.
    pub fn now(server: u32) -> Cpu {
        let stats = processes();
        let of = |pid: u32| stats.iter().find(|stat| stat.pid == pid).map_or(0, |stat| stat.own_us);
        let postmasters: Vec<&Stat> =
            stats.iter().filter(|stat| stat.name == "postgres" && stat.parent == server).collect();
        let database_us = postmasters
            .iter()
            .map(|main| {
                let children = stats.iter().filter(|stat| stat.parent == main.pid);
                main.own_us + main.reaped_us + children.map(|stat| stat.own_us).sum::<u64>()
            })
            .sum();
        Cpu { server_us: of(server), database_us, client_us: of(std::process::id()) }
    }

    /// What was used since `earlier`.
    pub fn since(self, earlier: Cpu) -> Cpu {
        Cpu {
            server_us: self.server_us - earlier.server_us,
            database_us: self.database_us.saturating_sub(earlier.database_us),
            client_us: self.client_us - earlier.client_us,
        }
    }
}

struct Stat {
    pid: u32,
    parent: u32,
    name: String,
    own_us: u64,
    reaped_us: u64,
}

fn processes() -> Vec<Stat> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    entries
        .filter_map(|entry| {
            let pid: u32 = entry.file_name().to_str()?.parse().ok()?;
            let text = std::fs::read_to_string(entry.path().join("stat")).ok()?;
            // `123 (name) S parent …`; the name may contain anything.
            let (front, rest) = text.rsplit_once(") ")?;
            let name = front.split_once('(')?.1.to_owned();
            let fields: Vec<&str> = rest.split(' ').collect();
            // A clock tick is 10 ms on every Linux this runs on.
            let ticks = |at: usize| fields.get(at).and_then(|text| text.parse::<u64>().ok());
            Some(Stat {
                pid,
                parent: fields.get(1)?.parse().ok()?,
                name,
                own_us: (ticks(11)? + ticks(12)?) * 10_000,
                reaped_us: (ticks(13)? + ticks(14)?) * 10_000,
            })
        })
        .collect()
}

/// Peak resident memory of a process, megabytes.
pub fn peak_memory_mb(pid: u32) -> u64 {
    status_mb(pid, "VmHWM:")
}

/// Resident memory of a process, megabytes.
pub fn memory_mb(pid: u32) -> u64 {
    status_mb(pid, "VmRSS:")
}

/// Has the peak of a process begin anew.
pub fn forget_peak_memory(pid: u32) -> std::io::Result<()> {
    std::fs::write(format!("/proc/{pid}/clear_refs"), "5")
}

fn status_mb(pid: u32, figure: &str) -> u64 {
    let text = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix(figure));
    let kb = line.and_then(|rest| rest.trim().trim_end_matches(" kB").parse::<u64>().ok());
    kb.unwrap_or(0) / 1024
}

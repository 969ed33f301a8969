//! The other side: PostgreSQL's own `pgbench`, prepared statements over the unix socket.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context, ensure};
use serde_json::{Value, json};
use sqlx::postgres::PgConnectOptions;

/// A script and what its variables stand for.
#[derive(Clone, Debug)]
pub struct Script {
    /// Statements and `\set` commands.
    pub text: &'static str,
    /// Texts sent as parameters with each call, as any client would have to.
    pub variables: Vec<(&'static str, String)>,
}

/// `pgbench` of the newest PostgreSQL on the machine, pointed at the cluster.
pub struct Pgbench {
    program: PathBuf,
    url: String,
    script_file: PathBuf,
    variables: Vec<(&'static str, String)>,
}

impl Pgbench {
    /// Writes the script into `dir`.
    pub fn new(url: &str, dir: &std::path::Path, script: &Script) -> anyhow::Result<Pgbench> {
        let script_file = dir.join("pgbench.sql");
        std::fs::write(&script_file, script.text)?;
        Ok(Pgbench {
            program: program()?,
            url: url.to_owned(),
            script_file,
            variables: script.variables.clone(),
        })
    }

    /// Transactions a second with so many clients for so many seconds.
    pub fn run(&self, clients: u32, seconds: u64) -> anyhow::Result<f64> {
        self.at_most(clients, &["-T", &seconds.to_string()], &[])
    }

    /// The same for a number of transactions of each client, with variables of this run.
    pub fn run_transactions(
        &self,
        clients: u32,
        each: u64,
        variables: &[(&'static str, String)],
    ) -> anyhow::Result<f64> {
        self.at_most(clients, &["-t", &each.to_string()], variables)
    }

    fn at_most(
        &self,
        clients: u32,
        limit: &[&str],
        variables: &[(&'static str, String)],
    ) -> anyhow::Result<f64> {
        let mut command = Command::new(&self.program);
        command.args(["-n", "-M", "prepared", "-j", "2", "-c", &clients.to_string()]);
        command.args(limit);
        command.arg("-f").arg(&self.script_file);
        for (name, value) in self.variables.iter().chain(variables) {
            command.arg("-D").arg(format!("{name}={value}"));
        }
        command.arg(&self.url).stdin(Stdio::null());
        let output = command.output().context("cannot run pgbench")?;
        let told = String::from_utf8_lossy(&output.stdout);
        let complaints = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "pgbench failed:\n{told}{complaints}");
        let line = told.lines().find_map(|line| line.strip_prefix("tps = "));
        let rate = line.and_then(|rest| rest.split(' ').next()?.parse().ok());
        rate.with_context(|| format!("pgbench told no rate:\n{told}{complaints}"))
    }
}

/// Rates by number of clients: how many suit `pgbench` is found before it is compared with.
pub struct Ladder {
    side: String,
    rates: Vec<(u32, f64)>,
}

impl Ladder {
    /// Nothing tried yet; `side` is what progress is told of.
    pub fn of(side: impl Into<String>) -> Ladder {
        Ladder { side: side.into(), rates: Vec::new() }
    }

    /// So many clients came to this rate.
    pub fn tried(&mut self, clients: u32, rate: f64) {
        eprintln!("{} with {clients} clients: {rate:.0} a second", self.side);
        self.rates.push((clients, rate));
    }

    /// The number of clients with the best rate.
    pub fn best(&self) -> anyhow::Result<u32> {
        let best = self.rates.iter().max_by(|one, other| one.1.total_cmp(&other.1));
        Ok(best.context("pgbench did not run")?.0)
    }

    /// Every rate, as `written`.
    pub fn by_clients(&self, written: fn(f64) -> f64) -> Value {
        let rates = self.rates.iter();
        rates
            .map(|&(clients, rate)| json!({ "clients": clients, "perSecond": written(rate) }))
            .collect()
    }
}

fn program() -> anyhow::Result<PathBuf> {
    if let Some(dir) = std::env::var_os("COMMONWHEEL_PG_BIN") {
        return Ok(PathBuf::from(dir).join("pgbench"));
    }
    let versions = std::fs::read_dir("/usr/lib/postgresql").context("no PostgreSQL here")?;
    let mut found: Vec<(u32, PathBuf)> = versions
        .flatten()
        .filter_map(|entry| {
            let version = entry.file_name().to_str()?.parse().ok()?;
            let program = entry.path().join("bin/pgbench");
            program.is_file().then_some((version, program))
        })
        .collect();
    found.sort();
    Ok(found.pop().context("no pgbench in /usr/lib/postgresql/*/bin")?.1)
}

/// Options of the owner of the cluster's database.
pub fn options(url: &str) -> anyhow::Result<PgConnectOptions> {
    url.parse().context("the announced database is no URL")
}

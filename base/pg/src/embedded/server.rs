//! The server process: settings, launch, readiness, end.

use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::os::unix::process::CommandExt;
use tokio::sync::{oneshot, watch};

use super::layout::Layout;
use super::{EmbeddedError, Prepared, START, StopMode};

/// Part of the socket's file name. Nothing listens on a port.
pub(super) const PORT: u16 = 5432;

/// How long a fast stop may take before it becomes an immediate one.
const STOP: Duration = Duration::from_secs(60);

/// Between two looks at something the operating system gives no signal for.
const LOOK: Duration = Duration::from_millis(25);

/// How long the server runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lifetime {
    /// As long as this process at most.
    Parent,
    /// Until somebody stops it.
    Own,
}

/// A server this process launched.
#[derive(Debug)]
pub(super) struct Server {
    pid: Pid,
    end: watch::Receiver<Option<ExitStatus>>,
    lifetime: Lifetime,
}

impl Server {
    /// Launches the server and returns once it answers.
    pub(super) async fn launch(
        ready: &Prepared,
        settings: &[(String, String)],
        lifetime: Lifetime,
    ) -> Result<Server, EmbeddedError> {
        let deadline = Instant::now() + START;
        loop {
            let (log, logged) = ready.layout.open_log()?;
            let mut command = postgres(ready, settings, lifetime);
            detach(&mut command);
            command.stderr(log);
            let server = Server::keep(command, lifetime).await?;
            match server.wait_until_ready(ready, deadline).await {
                Ok(()) => return Ok(server),
                Err(()) => {
                    let log = ready.layout.log_since(logged);
                    // Children of a killed server hold its shared memory for another moment.
                    let leftovers = log.contains("pre-existing shared memory block");
                    if !leftovers || Instant::now() > deadline {
                        return Err(EmbeddedError::Start { dir: ready.layout.dir.clone(), log });
                    }
                    tokio::time::sleep(LOOK * 10).await;
                }
            }
        }
    }

    /// Spawns the process from a thread that lives as long as it does.
    ///
    /// The kernel's parent-death signal fires when the *thread* that forked ends, so a runtime's
    /// worker must not do it.
    async fn keep(mut command: Command, lifetime: Lifetime) -> Result<Server, EmbeddedError> {
        let program = Path::new(command.get_program()).to_owned();
        let (tell_pid, pid) = oneshot::channel();
        let (tell_end, end) = watch::channel(None);
        let keeper = move || match command.spawn() {
            Ok(mut child) => {
                // Nobody listens any more when the start was given up.
                let _ = tell_pid.send(Ok(child.id()));
                let _ = tell_end.send(child.wait().ok());
            }
            Err(error) => {
                let _ = tell_pid.send(Err(error));
            }
        };
        std::thread::Builder::new()
            .name("postgres-keeper".to_owned())
            .spawn(keeper)
            .map_err(EmbeddedError::file("start a thread for", &program))?;
        let pid = pid
            .await
            .map_err(std::io::Error::other)
            .flatten()
            .map_err(EmbeddedError::file("run", &program))?;
        Ok(Server { pid: Pid::from_raw(pid.cast_signed()), end, lifetime })
    }

    async fn wait_until_ready(&self, ready: &Prepared, deadline: Instant) -> Result<(), ()> {
        while Instant::now() < deadline && !self.has_ended() {
            if ready.answers().await {
                return Ok(());
            }
            tokio::time::sleep(LOOK).await;
        }
        Err(())
    }

    pub(super) fn pid(&self) -> u32 {
        self.pid.as_raw().cast_unsigned()
    }

    fn has_ended(&self) -> bool {
        // The keeper also drops its end when it could not wait for the process.
        self.end.borrow().is_some() || self.end.has_changed().is_err()
    }

    pub(super) async fn ended(&self) {
        let mut end = self.end.clone();
        // An error means that the keeper is gone, and with it the process.
        let _ = end.wait_for(Option::is_some).await;
    }

    pub(super) async fn stop(&self, mode: StopMode) -> Result<(), EmbeddedError> {
        let signals = match mode {
            StopMode::Fast => [(Signal::SIGINT, STOP), (Signal::SIGQUIT, STOP)].as_slice(),
            StopMode::Immediate => [(Signal::SIGQUIT, STOP)].as_slice(),
        };
        for (signal, wait) in signals {
            if self.has_ended() {
                return Ok(());
            }
            // It may have ended by itself in between.
            let _ = kill(self.pid, *signal);
            if tokio::time::timeout(*wait, self.ended()).await.is_ok() {
                return Ok(());
            }
        }
        Err(EmbeddedError::Stop { pid: self.pid() })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if self.lifetime == Lifetime::Parent && !self.has_ended() {
            // Not waited for: a drop must not block a runtime's worker.
            let _ = kill(self.pid, Signal::SIGINT);
        }
    }
}

/// A server on our directory that this process did not launch.
#[derive(Debug)]
pub(super) struct Orphan(Pid);

impl Orphan {
    /// The living server named by `postmaster.pid`. A stale file is removed.
    pub(super) fn find(layout: &Layout) -> Option<Orphan> {
        let path = layout.pgdata.join("postmaster.pid");
        let text = std::fs::read_to_string(&path).ok()?;
        let pid = text.lines().next()?.trim().parse().ok().map(Pid::from_raw)?;
        if is_postgres(pid) {
            return Some(Orphan(pid));
        }
        // The number may belong to another program by now, which would keep PostgreSQL from
        // starting. If the file cannot go, PostgreSQL says so itself.
        let _ = std::fs::remove_file(&path);
        None
    }

    pub(super) fn pid(&self) -> i32 {
        self.0.as_raw()
    }

    /// Fast, then immediate; returns when the process is gone.
    pub(super) async fn stop(self) -> Result<(), EmbeddedError> {
        for signal in [Signal::SIGINT, Signal::SIGQUIT] {
            let deadline = Instant::now() + STOP;
            // Gone already when this fails, which the loop finds out.
            let _ = kill(self.0, signal);
            while Instant::now() < deadline {
                if !is_postgres(self.0) {
                    return Ok(());
                }
                tokio::time::sleep(LOOK).await;
            }
        }
        Err(EmbeddedError::Stop { pid: self.0.as_raw().cast_unsigned() })
    }
}

/// Whether the process lives and, where the system tells, is a PostgreSQL server.
fn is_postgres(pid: Pid) -> bool {
    match std::fs::read_to_string(format!("/proc/{pid}/stat")) {
        // `123 (postgres) S …`; a zombie (Z) has ended and only waits to be collected.
        Ok(stat) => {
            let state = stat.rsplit_once(") ").map(|(_, rest)| rest.chars().next());
            stat.contains("(postgres)") && state != Some(Some('Z'))
        }
        Err(_) if Path::new("/proc/self").exists() => false,
        Err(_) => kill(pid, None).is_ok(),
    }
}

/// Own process group, so that a Ctrl-C meant for us does not reach it; nothing inherited.
pub(super) fn detach(command: &mut Command) {
    command.process_group(0).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
}

fn postgres(ready: &Prepared, settings: &[(String, String)], lifetime: Lifetime) -> Command {
    let program = ready.binaries.program("postgres");
    let mut command = match setpriv().filter(|_| lifetime == Lifetime::Parent) {
        Some(setpriv) => {
            let mut command = ready.account.command(&setpriv);
            command.args(["--pdeathsig", "INT"]).arg(program);
            command
        }
        None => ready.account.command(&program),
    };
    command.arg("-D").arg(&ready.layout.pgdata);
    for (name, value) in settings {
        command.arg("-c").arg(format!("{name}={value}"));
    }
    command
}

/// util-linux's tool that ties a process to its parent.
fn setpriv() -> Option<std::path::PathBuf> {
    std::env::split_paths(&std::env::var_os("PATH")?)
        .chain(["/usr/bin".into(), "/bin".into()])
        .map(|dir| dir.join("setpriv"))
        .find(|path| path.is_file())
}

/// Whether this build of PostgreSQL can compress with LZ4.
pub(super) async fn has_lz4(ready: &Prepared) -> bool {
    let mut command = ready.account.command(&ready.binaries.program("postgres"));
    command.arg("-D").arg(&ready.layout.pgdata);
    command.args(["-c", "default_toast_compression=lz4", "-C", "default_toast_compression"]);
    let output = tokio::process::Command::from(command).output().await;
    output.is_ok_and(|output| output.status.success())
}

/// The server's settings: ours, then the caller's.
pub(super) fn settings(ready: &Prepared, lz4: bool) -> Vec<(String, String)> {
    let layout = &ready.layout;
    let compression = if lz4 { "lz4" } else { "pglz" };
    let ours = [
        ("listen_addresses", String::new()),
        ("port", PORT.to_string()),
        ("unix_socket_directories", layout.sockets.display().to_string()),
        ("unix_socket_permissions", "0700".to_owned()),
        ("hba_file", layout.dir.join("hba.conf").display().to_string()),
        ("ident_file", layout.dir.join("ident.conf").display().to_string()),
        // An acknowledged confirm survives a power cut.
        ("fsync", "on".to_owned()),
        ("synchronous_commit", "on".to_owned()),
        ("wal_compression", compression.to_owned()),
        ("default_toast_compression", compression.to_owned()),
        ("max_wal_size", "4GB".to_owned()),
        ("checkpoint_timeout", "15min".to_owned()),
        ("max_connections", "200".to_owned()),
        ("shared_buffers", format!("{}MB", shared_buffers_mb(memory_mb()))),
        // Short statements by key: compiling them costs more than running them.
        ("jit", "off".to_owned()),
        ("random_page_cost", "1.1".to_owned()),
        ("timezone", "UTC".to_owned()),
        ("log_timezone", "UTC".to_owned()),
        ("lc_messages", "C".to_owned()),
        ("log_line_prefix", "%m [%p] ".to_owned()),
    ];
    let ours = ours.into_iter().map(|(name, value)| (name.to_owned(), value));
    ours.chain(ready.extra.iter().cloned()).collect()
}

/// An eighth of the memory, between 64 MB and 8 GB: the platform shares the machine.
fn shared_buffers_mb(memory_mb: u64) -> u64 {
    (memory_mb / 8).clamp(64, 8192)
}

/// Memory of the machine; 1 GB where it cannot be told.
fn memory_mb() -> u64 {
    let text = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let total = text.lines().find_map(|line| line.strip_prefix("MemTotal:"));
    let kilobytes = total.and_then(|rest| rest.trim().trim_end_matches(" kB").parse().ok());
    kilobytes.unwrap_or(1024_u64 * 1024) / 1024
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cache_is_an_eighth_of_the_memory_within_bounds() {
        assert_eq!([256, 4096, 262_144].map(shared_buffers_mb), [64, 512, 8192]);
    }
}

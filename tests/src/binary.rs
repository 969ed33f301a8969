//! The binary under test.
//!
//! Cargo gives a package's own binaries to its tests and no others, so this one is found or built
//! here: `COMMONWHEEL_BIN` names it (`deploy/test.sh` builds it first), otherwise cargo brings it
//! up to date once per test run.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use nix::fcntl::{Flock, FlockArg};

/// Path of the `commonwheel` to test.
pub fn commonwheel() -> &'static Path {
    static FOUND: OnceLock<PathBuf> = OnceLock::new();
    FOUND.get_or_init(|| match std::env::var_os("COMMONWHEEL_BIN") {
        Some(named) => PathBuf::from(named),
        None => build(),
    })
}

/// The root of the checkout.
pub(crate) fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

/// Where the running test was built: `target/debug`.
fn profile_dir() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    test.ancestors().nth(2).unwrap().to_owned()
}

/// Brings the binary up to date. nextest runs each test in a process of its own; the first one of
/// a run builds and the others wait for it.
fn build() -> PathBuf {
    let dir = profile_dir();
    let run = std::env::var("NEXTEST_RUN_ID").unwrap_or_default();
    let stamp = dir.join("commonwheel-built-for");
    let file = std::fs::OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(dir.join("commonwheel-build.lock"))
        .unwrap();
    let held = Flock::lock(file, FlockArg::LockExclusive).map_err(|(_, error)| error).unwrap();
    let built = !run.is_empty() && std::fs::read_to_string(&stamp).is_ok_and(|id| id == run);
    if !built {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut command = Command::new(cargo);
        // As `make build` does.
        command.args(["build", "--quiet", "--workspace"]);
        command.args(["--bin", "commonwheel", "--test", "program"]).current_dir(root());
        if dir.file_name().is_some_and(|profile| profile == "release") {
            command.arg("--release");
        }
        assert!(command.status().unwrap().success(), "commonwheel does not build");
        std::fs::write(&stamp, run).unwrap();
    }
    drop(held);
    dir.join("commonwheel")
}

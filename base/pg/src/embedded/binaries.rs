//! Where PostgreSQL is on this machine.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::EmbeddedError;

/// Oldest major version the platform's SQL runs on.
const OLDEST: u32 = 15;

/// Directories of distributions, with the version as their variable part.
const USUAL: [(&str, &str, &str); 4] = [
    ("/usr/lib/postgresql", "", "bin"),
    ("/usr", "pgsql-", "bin"),
    ("/opt/homebrew/opt", "postgresql@", "bin"),
    ("/usr/local/opt", "postgresql@", "bin"),
];

/// Server binaries of one version.
#[derive(Clone, Debug)]
pub(super) struct Binaries {
    pub(super) dir: PathBuf,
    pub(super) major: u32,
}

impl Binaries {
    /// The newest server on the machine; exactly `major` when data of that version exists.
    ///
    /// A directory named by `explicit` or `COMMONWHEEL_PG_BIN` is the only one looked at.
    pub(super) fn find(
        explicit: Option<&Path>,
        major: Option<u32>,
    ) -> Result<Binaries, EmbeddedError> {
        let named = explicit
            .map(Path::to_owned)
            .or_else(|| std::env::var_os("COMMONWHEEL_PG_BIN").map(PathBuf::from));
        let places = named.map_or_else(candidates, |dir| vec![dir]);
        let found: Vec<Binaries> = places.iter().filter_map(|dir| inspect(dir)).collect();
        let fits = |found: &&Binaries| major.map_or(found.major >= OLDEST, |m| found.major == m);
        // Of equals the last is taken, and the first place we look is the one to trust most.
        found.iter().rev().filter(fits).max_by_key(|found| found.major).cloned().ok_or_else(|| {
            let seen = |dir: &PathBuf| match found.iter().find(|found| found.dir == *dir) {
                Some(found) => format!("{} (version {})", dir.display(), found.major),
                None => dir.display().to_string(),
            };
            EmbeddedError::NoBinaries {
                wanted: major.map_or(format!("{OLDEST} or newer"), |major| {
                    format!("{major} (the version that made the existing data)")
                }),
                looked: places.iter().map(seen).collect::<Vec<_>>().join(", "),
            }
        })
    }

    /// Path of one program.
    pub(super) fn program(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }
}

fn candidates() -> Vec<PathBuf> {
    let mut places = Vec::new();
    if let Ok(output) = Command::new("pg_config").arg("--bindir").output() {
        let dir = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        if output.status.success() && !dir.is_empty() {
            places.push(PathBuf::from(dir));
        }
    }
    for (base, prefix, bin) in USUAL {
        let entries = std::fs::read_dir(base).into_iter().flatten().flatten();
        let versions = entries.filter(|entry| {
            let name = entry.file_name().to_string_lossy().into_owned();
            name.strip_prefix(prefix).is_some_and(|rest| rest.parse::<u32>().is_ok())
        });
        places.extend(versions.map(|entry| entry.path().join(bin)));
    }
    if let Some(path) = std::env::var_os("PATH") {
        places.extend(std::env::split_paths(&path).filter(|dir| dir.join("postgres").is_file()));
    }
    let mut seen = std::collections::BTreeSet::new();
    places.retain(|dir| seen.insert(dir.clone()));
    places
}

/// The version of the server in `dir`. `None` when it is not whole.
fn inspect(dir: &Path) -> Option<Binaries> {
    if !dir.join("initdb").is_file() {
        return None;
    }
    let output = Command::new(dir.join("postgres")).arg("--version").output().ok()?;
    let major = major_of(&String::from_utf8_lossy(&output.stdout))?;
    Some(Binaries { dir: dir.to_owned(), major })
}

/// Major version in `postgres (PostgreSQL) 15.13 (Debian 15.13-0+deb12u1)`.
fn major_of(version: &str) -> Option<u32> {
    let number = version.split("(PostgreSQL)").nth(1)?.trim();
    let digits = number.find(|c: char| !c.is_ascii_digit()).unwrap_or(number.len());
    number[..digits].parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_read_from_releases_and_betas() {
        let read = [
            "postgres (PostgreSQL) 15.13 (Debian 15.13-0+deb12u1)",
            "postgres (PostgreSQL) 18beta1",
        ];
        assert_eq!(read.map(major_of), [Some(15), Some(18)]);
        assert_eq!(major_of("bash 5.2"), None);
    }

    #[test]
    fn a_directory_without_a_server_is_named_in_the_error() {
        let error = Binaries::find(Some(Path::new("/nowhere/bin")), None).unwrap_err().to_string();
        assert!(error.contains("15 or newer") && error.contains("/nowhere/bin"), "{error}");
    }
}

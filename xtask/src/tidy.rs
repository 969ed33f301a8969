//! What no compiler checks.
//!
//! Every crate has a page that says what it owns; nothing committed names a place on somebody's
//! machine or a package registry; no marker of unfinished work is left without an issue number.
//! Very long files are mentioned and fail nothing: most are two stories.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, ensure};

use crate::workspace::Workspace;

/// A file longer than this gets a note.
const LONG: usize = 600;

/// Endings of files people write.
const TEXT: [&str; 12] =
    ["rs", "sql", "toml", "md", "yml", "yaml", "sh", "json", "csv", "ts", "tsx", "css"];

/// Fails with every fault and its place.
pub(crate) fn check(workspace: &Workspace) -> anyhow::Result<()> {
    let mut faults = Vec::new();
    for room in &workspace.rooms {
        if !workspace.dir(room).join("README.md").is_file() {
            faults.push(format!("{}/README.md is missing", room.place));
        }
    }
    let mut notes = Vec::new();
    for path in committed(&workspace.root)? {
        let full = workspace.root.join(&path);
        let written = Path::new(&path).extension().is_some_and(|e| TEXT.iter().any(|t| e == *t));
        // A file deleted but not yet committed is still listed.
        if !written || path.starts_with(".sqlx/") || !full.is_file() {
            continue;
        }
        let text = std::fs::read_to_string(&full).with_context(|| path.clone())?;
        let faults_here = text.lines().enumerate().filter_map(|(index, line)| {
            Some(format!("{path}:{}: {}", index + 1, fault(&path, line)?))
        });
        faults.extend(faults_here);
        let lines = text.lines().count();
        if path.ends_with(".rs") && lines > LONG {
            notes.push(format!("note: {path} has {lines} lines; is it two stories?"));
        }
    }
    notes.iter().for_each(|note| println!("{note}"));
    ensure!(faults.is_empty(), "not tidy:\n  {}", faults.join("\n  "));
    println!("tidy");
    Ok(())
}

/// Files git knows or would add, relative to the root.
fn committed(root: &Path) -> anyhow::Result<Vec<String>> {
    let output = Command::new("git")
        .current_dir(root)
        .args(["ls-files", "--cached", "--others", "--exclude-standard", "-z"])
        .output()
        .context("cannot run git")?;
    ensure!(output.status.success(), "git: {}", String::from_utf8_lossy(&output.stderr).trim());
    let mut paths: Vec<String> =
        String::from_utf8(output.stdout)?.split_terminator('\0').map(str::to_owned).collect();
    paths.sort();
    paths.dedup();
    Ok(paths)
}

/// What is wrong with one line of `path`.
fn fault(path: &str, line: &str) -> Option<&'static str> {
    // Spelt in two parts so that this file passes its own check.
    let home = [concat!("/ro", "ot/"), concat!("/ho", "me/"), concat!("/Us", "ers/")];
    let checkout = concat!("/wo", "rk/");
    if home.iter().chain([&checkout]).any(|place| names_place(line, place)) {
        return Some("names a place on one machine");
    }
    let registries = [concat!("static.crates", ".io"), concat!("registry.npmjs", ".org")];
    if !path.ends_with("-lock.json") && registries.iter().any(|host| line.contains(host)) {
        return Some("names a package registry's host");
    }
    if path.ends_with(".rs") {
        let left = [concat!("dbg", "!("), concat!("todo", "!("), concat!("unimplemented", "!(")];
        if left.iter().any(|call| line.contains(call)) {
            return Some("unfinished code");
        }
    }
    let markers = [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X:")];
    let marked = markers.iter().any(|marker| line.contains(marker));
    (marked && !line.contains('#') && !path.ends_with(".csv"))
        .then_some("a marker without an issue number")
}

/// Whether `line` holds `place` as the beginning of an absolute path.
fn names_place(line: &str, place: &str) -> bool {
    line.match_indices(place).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        !before.is_some_and(|c| c.is_alphanumeric() || "._-/*}>)".contains(c))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn machine_paths_and_left_over_markers_are_faults() {
        let path = concat!("let dir = \"/ho", "me/someone/data\";");
        let call = concat!("    dbg", "!(policy);");
        let marker = concat!("// TO", "DO later");
        for line in [path, call, marker] {
            assert!(fault("base/x/src/lib.rs", line).is_some(), "{line}");
        }
    }

    #[test]
    fn ordinary_lines_and_numbered_markers_pass() {
        let numbered = concat!("// TO", "DO #17: read from the replica");
        let relative = concat!("a path like deploy/ro", "ot/file");
        for line in [numbered, relative, "let total = premium + tax;"] {
            assert_eq!(fault("base/x/src/lib.rs", line), None, "{line}");
        }
    }
}

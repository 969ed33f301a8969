//! The command line: what needs neither a database nor a server.
//!
//! Stories about running platforms are in `tests/`. That this crate has an integration test is
//! also why cargo builds the binary before it runs any test of the workspace.
#![expect(clippy::unwrap_used, reason = "what a test stands on fails by panicking")]

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

/// Runs `commonwheel` at the root of the checkout; its exit code and everything it said.
fn commonwheel(arguments: &[&str]) -> (Option<i32>, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_commonwheel"))
        .args(arguments)
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(".."))
        .env_remove("COMMONWHEEL_CONFIG")
        .output()
        .unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8_lossy(&said).into_owned())
}

#[test]
fn the_committed_api_documents_are_up_to_date() {
    let (code, said) = commonwheel(&["openapi", "--check"]);
    assert_eq!(code, Some(0), "{said}");
}

#[test]
fn the_published_tariffs_are_sound_and_their_doubtful_rows_are_counted() {
    let (code, said) = commonwheel(&["tariff", "check"]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("tariffs is sound: digest "), "{said}");
    let (code, said) = commonwheel(&["doctor", "--summary"]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("commercial_pure_risk_SYNTHETIC.csv: "), "{said}");
}

#[test]
fn a_tariff_that_is_not_there_and_missing_settings_are_named() {
    let (code, said) = commonwheel(&["tariff", "check", "app/src"]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("manifest.toml"), "{said}");
    let (code, said) = commonwheel(&["serve"]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("cannot read the settings"), "{said}");
    assert_eq!(commonwheel(&["sell"]).0, Some(2));
}

#[test]
fn a_command_ends_quietly_when_its_reader_has_read_enough() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_commonwheel"))
        .arg("doctor")
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(".."))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut read = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    // One line of far more than a pipe holds.
    read.read_line(&mut line).unwrap();
    drop(read);
    let ended = child.wait_with_output().unwrap();
    assert!(!line.is_empty());
    assert_eq!((ended.status.code(), ended.stderr), (Some(128 + 13), vec![]));
}

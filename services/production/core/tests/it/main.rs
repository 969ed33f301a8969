//! Code lists and rules against the published tables, and check digits against the vectors.
#![expect(clippy::unwrap_used, reason = "what a test stands on fails by panicking")]

mod claim;
mod claim_rules;
mod tables;
mod vectors;

use std::fs;
use std::path::PathBuf;

/// The text of a file given relative to this crate; `None`, with a message, when it is absent.
fn text_of(path: &str) -> Option<String> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(path);
    let text = fs::read_to_string(&path).ok();
    if text.is_none() {
        eprintln!("skipped: {} is not here", path.display());
    }
    text
}

//! `commonwheel openapi`: the committed API documents.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use clap::Args;

use crate::wiring;

/// What to write where.
#[derive(Debug, Args)]
pub(crate) struct OpenapiArgs {
    /// Directory of the documents
    #[arg(long, default_value = "openapi")]
    dir: PathBuf,
    /// Write nothing; fail when a document differs
    #[arg(long)]
    check: bool,
}

/// Writes or checks every document.
pub(crate) fn run(args: &OpenapiArgs) -> anyhow::Result<()> {
    let documents = [
        ("commonwheel.json", wiring::document()),
        ("sandbox-police.json", sandbox::police::openapi()),
        ("sandbox-models.json", sandbox::models::openapi()),
        ("sandbox-tax.json", sandbox::tax::openapi()),
        ("sandbox-bank.json", sandbox::bank::openapi()),
    ];
    let mut stale = Vec::new();
    for (name, document) in documents {
        // Sorted keys: the same document is the same text on every machine.
        let value: serde_json::Value = serde_json::to_value(&document)?;
        let text = serde_json::to_string_pretty(&value)? + "\n";
        let path = args.dir.join(name);
        if args.check {
            if read(&path) != text {
                stale.push(name);
            }
        } else {
            std::fs::create_dir_all(&args.dir)?;
            std::fs::write(&path, text)
                .with_context(|| format!("cannot write {}", path.display()))?;
        }
    }
    if !stale.is_empty() {
        bail!("{} out of date; run `make openapi` and commit", stale.join(", "));
    }
    Ok(())
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_default()
}

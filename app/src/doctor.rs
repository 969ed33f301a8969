//! `commonwheel doctor`: what nobody should rely on yet.

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::Args;
use production_rating::Tariff;

/// What to look at.
#[derive(Debug, Args)]
pub(crate) struct DoctorArgs {
    /// Directory with manifest.toml and the CSV files
    #[arg(long, default_value = "tariffs")]
    tariffs: PathBuf,
    /// Count per file instead of listing every row
    #[arg(long)]
    summary: bool,
}

/// Lists unconfirmed and synthetic tariff rows.
pub(crate) fn run(args: DoctorArgs) -> anyhow::Result<()> {
    let tariff = Tariff::load_dir(&args.tariffs).map_err(crate::tariff::faults)?;
    let rows = tariff.unconfirmed();
    println!("tariff {}: digest {}", args.tariffs.display(), tariff.digest());
    if args.summary {
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        for row in &rows {
            *counts.entry(row.file.clone()).or_default() += 1;
        }
        for (file, count) in counts {
            println!("  {file}: {count} rows");
        }
    } else {
        for row in &rows {
            let kind = if row.synthetic { "synthetic" } else { "from memory" };
            let key = crate::tariff::row_key(&row.key);
            println!("  {}:{} [{kind}] {key} ({})", row.file, row.line, row.source);
        }
    }
    println!(
        "{} rows are from memory or synthetic: confirm them before anybody relies on them",
        rows.len()
    );
    Ok(())
}

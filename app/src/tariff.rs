//! `commonwheel tariff`: check, load, publish and compare tariff bundles.

use std::path::PathBuf;

use anyhow::{anyhow, bail};
use clap::Subcommand;
use kernel::{Clock, SystemClock};
use pg::Db;
use production::book::{self, BookError};
use production_rating::{RowChange, Tariff, TariffError};

/// What to do with tariffs.
#[derive(Debug, Subcommand)]
pub(crate) enum TariffCommand {
    /// Read a bundle and name every fault: file, line, column and what to change
    Check {
        /// Directory with manifest.toml and the CSV files
        #[arg(default_value = "tariffs")]
        dir: PathBuf,
    },
    /// Store a bundle under a version; nothing is in force before it is published
    Load {
        /// Directory with manifest.toml and the CSV files
        #[arg(default_value = "tariffs")]
        dir: PathBuf,
        /// Name of the version, used once
        #[arg(long)]
        version: String,
        /// Who loads it (the maker)
        #[arg(long)]
        by: String,
    },
    /// Put a loaded version in force; running servers follow within seconds
    Publish {
        /// Name of the version
        #[arg(long)]
        version: String,
        /// Who publishes it (the checker): another person than loaded it
        #[arg(long)]
        by: String,
    },
    /// Show the rows that differ between two versions, or a version and a directory
    Diff {
        /// A loaded version
        old: String,
        /// A loaded version, or a directory
        new: String,
    },
    /// List the loaded versions, the one in force first
    List,
}

impl TariffCommand {
    /// Whether the command needs a database.
    pub(crate) fn needs_database(&self) -> bool {
        !matches!(self, TariffCommand::Check { .. })
    }

    /// Runs a command that needs none.
    pub(crate) fn run_alone(self) -> anyhow::Result<()> {
        let TariffCommand::Check { dir } = self else { bail!("this command needs a database") };
        let tariff = Tariff::load_dir(&dir).map_err(faults)?;
        let unconfirmed = tariff.unconfirmed().len();
        println!(
            "{} is sound: digest {}, {unconfirmed} unconfirmed rows (see `commonwheel doctor`)",
            dir.display(),
            tariff.digest()
        );
        Ok(())
    }

    /// Runs a command against `db`.
    pub(crate) async fn run(self, db: &Db) -> anyhow::Result<()> {
        let now = SystemClock.now();
        match self {
            TariffCommand::Check { .. } => self.run_alone(),
            TariffCommand::Load { dir, version, by } => {
                let files = Tariff::read_files(&dir).map_err(faults)?;
                let tariff = book::load(db, &version, files, &by, now).await.map_err(told)?;
                println!("loaded {version}: digest {}", tariff.digest());
                Ok(())
            }
            TariffCommand::Publish { version, by } => {
                book::publish(db, &version, &by, now).await.map_err(told)?;
                println!("{version} is in force");
                Ok(())
            }
            TariffCommand::Diff { old, new } => {
                let old = book::stored(db, &old).await.map_err(told)?;
                let path = PathBuf::from(&new);
                let new = if path.is_dir() {
                    Tariff::load_dir(&path).map_err(faults)?
                } else {
                    book::stored(db, &new).await.map_err(told)?
                };
                let changes = Tariff::diff(&old, &new);
                for change in &changes {
                    print_change(change);
                }
                println!("{} rows differ", changes.len());
                Ok(())
            }
            TariffCommand::List => {
                let mut conn = db.pool().acquire().await?;
                for row in production::store::tariff::list(&mut conn).await? {
                    let published = match row.published {
                        Some((by, at)) => format!("published {at} by {by}"),
                        None => "never published".to_owned(),
                    };
                    println!(
                        "{}  {}  loaded by {}  {published}",
                        row.version,
                        &row.digest[..12],
                        row.loaded_by
                    );
                }
                Ok(())
            }
        }
    }
}

/// One changed row: new, gone, or cell by cell.
fn print_change(change: &RowChange) {
    let key = row_key(&change.key);
    match (change.old_line, change.new_line) {
        (None, _) => println!("+ {} {key}", change.file),
        (_, None) => println!("- {} {key}", change.file),
        (Some(_), Some(line)) => {
            println!("~ {}:{line} {key}", change.file);
            for cell in &change.cells {
                println!("    {}: {:?} -> {:?}", cell.column, cell.old, cell.new);
            }
        }
    }
}

/// What names a row, column by column.
pub(crate) fn row_key(key: &[(String, String)]) -> String {
    let columns: Vec<String> = key
        .iter()
        .filter(|(_, value)| !value.is_empty())
        .map(|(column, value)| format!("{column}={value}"))
        .collect();
    columns.join(" ")
}

/// Every fault of a bundle on a line of its own.
pub(crate) fn faults(errors: Vec<TariffError>) -> anyhow::Error {
    let lines: Vec<String> = errors.iter().map(|error| format!("  {error}")).collect();
    let count = match errors.len() {
        1 => "a fault".to_owned(),
        many => format!("{many} faults"),
    };
    anyhow!("the tariff has {count}:\n{}", lines.join("\n"))
}

fn told(error: BookError) -> anyhow::Error {
    match error {
        BookError::Faulty(errors) => faults(errors),
        other => anyhow::Error::new(other),
    }
}

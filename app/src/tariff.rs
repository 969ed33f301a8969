//! `commonwheel tariff`: check, propose, load, publish and compare tariff bundles.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow, bail};
use clap::{Args, Subcommand};
use jiff::civil::Date;
use kernel::time::day_of;
use kernel::{Clock, SystemClock};
use pg::Db;
use production::book::{self, BookError};
use production_rating::{Proposal, RowChange, Tariff, TariffError};

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
    /// Make a bundle of the relativities of a rate indication: written to a directory, or stored under a
    /// version as `load` does
    Propose(ProposeArgs),
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

/// Relativities, and the bundle they are to stand in.
#[derive(Debug, Args)]
pub(crate) struct ProposeArgs {
    /// File of relativities, as `commonwheel actuarial relativities` writes it
    relativities: PathBuf,
    /// Directory or loaded version they are applied to; the version in force when left out
    #[arg(long)]
    base: Option<String>,
    /// First day of cover they are in force for, as 2027-01-01
    #[arg(long)]
    from: Date,
    /// Write the bundle to this directory, which must not exist yet
    #[arg(long, conflicts_with = "version")]
    out: Option<PathBuf>,
    /// Store the bundle under this version, used once
    #[arg(long, requires = "by", required_unless_present = "out")]
    version: Option<String>,
    /// Who proposes it (the maker)
    #[arg(long)]
    by: Option<String>,
}

impl ProposeArgs {
    /// The directory of the base, when it is one.
    fn base_dir(&self) -> Option<&Path> {
        self.base.as_deref().map(Path::new).filter(|path| path.is_dir())
    }

    /// The files of `base` with the relativities in force, checked as a whole; says what changes.
    fn proposed(
        &self,
        base: BTreeMap<String, Vec<u8>>,
    ) -> anyhow::Result<BTreeMap<String, Vec<u8>>> {
        let today = day_of(SystemClock.now());
        if self.from <= today {
            bail!("{} is not after today: a rate changes for covers to come", self.from);
        }
        let path = &self.relativities;
        let bytes =
            std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let proposal = Proposal::parse(&name, &bytes).map_err(faults)?;
        let files = proposal.applied(&base, self.from).map_err(faults)?;
        let before = Tariff::from_files(base).map_err(faults)?;
        let after = Tariff::from_files(files.clone()).map_err(faults)?;
        let changes = Tariff::diff(&before, &after);
        for change in &changes {
            print_change(change);
        }
        println!("{} rows differ; digest {}", changes.len(), after.digest());
        Ok(files)
    }
}

/// Writes a bundle to a directory that does not exist yet.
fn write_bundle(dir: &Path, files: &BTreeMap<String, Vec<u8>>) -> anyhow::Result<()> {
    std::fs::create_dir(dir).with_context(|| format!("cannot make {}", dir.display()))?;
    for (name, bytes) in files {
        let path = dir.join(name);
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent)
                .with_context(|| format!("cannot make {}", parent.display()))?;
        }
        std::fs::write(&path, bytes).with_context(|| format!("cannot write {}", path.display()))?;
    }
    println!("written to {}", dir.display());
    Ok(())
}

impl TariffCommand {
    /// Whether the command needs a database.
    pub(crate) fn needs_database(&self) -> bool {
        match self {
            TariffCommand::Check { .. } => false,
            TariffCommand::Propose(asked) => asked.out.is_none() || asked.base_dir().is_none(),
            _ => true,
        }
    }

    /// Runs a command that needs none.
    pub(crate) fn run_alone(self) -> anyhow::Result<()> {
        let dir = match self {
            TariffCommand::Check { dir } => dir,
            TariffCommand::Propose(asked) => {
                let (Some(base), Some(out)) = (asked.base_dir(), &asked.out) else {
                    bail!("this command needs a database");
                };
                let files = asked.proposed(Tariff::read_files(base).map_err(faults)?)?;
                return write_bundle(out, &files);
            }
            _ => bail!("this command needs a database"),
        };
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
            TariffCommand::Propose(asked) => {
                let base = match asked.base_dir() {
                    Some(dir) => Tariff::read_files(dir).map_err(faults)?,
                    None => {
                        let version = match asked.base.clone() {
                            Some(version) => version,
                            None => book::in_force(db)
                                .await
                                .map_err(told)?
                                .context("no tariff is in force; name one with --base")?,
                        };
                        book::stored_files(db, &version).await.map_err(told)?
                    }
                };
                let files = asked.proposed(base)?;
                match (asked.out, asked.version, asked.by) {
                    (Some(out), ..) => write_bundle(&out, &files),
                    (None, Some(version), Some(by)) => {
                        book::load(db, &version, files, &by, now).await.map_err(told)?;
                        println!("loaded {version}; another person publishes it");
                        Ok(())
                    }
                    _ => bail!("give --out, or --version and --by"),
                }
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

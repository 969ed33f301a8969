//! Tasks of the repository: `cargo xtask <task>`.
//!
//! Everything here checks or regenerates something that is committed; what the product does for
//! its users is a subcommand of `commonwheel` instead.

mod database;
mod layering;
mod sqlx_data;
mod tidy;
mod workspace;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::workspace::Workspace;

#[derive(Parser)]
#[command(about = "Tasks of the repository")]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Regenerate .sqlx, what the compiler knows about our SQL
    Sqlx {
        /// Change nothing; fail when .sqlx is out of date
        #[arg(long)]
        check: bool,
        /// Only these packages: adds to .sqlx and removes nothing
        #[arg(short, long, conflicts_with = "check")]
        package: Vec<String>,
    },
    /// Start a development database under data/dev and print its URL; Ctrl-C stops it
    Db,
    /// Check that crates depend on each other only downwards
    Layering,
    /// Check what no compiler checks: pages per crate, stray paths, left-over markers
    Tidy,
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(Arguments::parse().task).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(task: Task) -> anyhow::Result<()> {
    let workspace = Workspace::read()?;
    match task {
        Task::Sqlx { check: true, .. } => sqlx_data::check(&workspace).await,
        Task::Sqlx { package, .. } if package.is_empty() => sqlx_data::replace(&workspace).await,
        Task::Sqlx { package, .. } => sqlx_data::add(&workspace, &package).await,
        Task::Db => database::serve(&workspace).await,
        Task::Layering => layering::check(&workspace),
        Task::Tidy => tidy::check(&workspace),
    }
}

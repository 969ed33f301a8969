//! Databases for the tasks: a temporary one for the compiler, a lasting one for a person.

use std::path::{Path, PathBuf};

use anyhow::Context;
use pg::embedded::{Cluster, Settings, StopMode, reachable_dir};
use serde::Deserialize;
use sqlx::migrate::Migrator;

use crate::workspace::Workspace;

/// The part of a crate's `sqlx.toml` that matters at run time. The macros read the same file.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
struct SqlxToml {
    migrate: Migrate,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
struct Migrate {
    create_schemas: Vec<String>,
    table_name: Option<String>,
}

/// A cluster that is gone when the task is done.
pub(crate) struct Temporary {
    cluster: Cluster,
    dir: PathBuf,
}

impl Temporary {
    /// Starts it, with the schema of every crate in the database `commonwheel`.
    pub(crate) async fn start(workspace: &Workspace) -> anyhow::Result<Temporary> {
        let preferred = workspace.root.join("target/xtask").join(std::process::id().to_string());
        let dir = reachable_dir(&preferred, None)?;
        let settings = Settings::at(&dir)
            .with("fsync", "off")
            .with("full_page_writes", "off")
            .with("shared_buffers", "32MB");
        let cluster = Cluster::start(settings).await?;
        let temporary = Temporary { cluster, dir };
        match prepare(&temporary.cluster, workspace).await {
            Ok(()) => Ok(temporary),
            Err(error) => {
                temporary.remove().await?;
                Err(error)
            }
        }
    }

    pub(crate) fn url(&self) -> String {
        self.cluster.url("commonwheel")
    }

    pub(crate) async fn remove(mut self) -> anyhow::Result<()> {
        self.cluster.stop(StopMode::Immediate).await?;
        std::fs::remove_dir_all(&self.dir)
            .with_context(|| format!("cannot remove {}", self.dir.display()))
    }
}

/// Runs a development database until Ctrl-C. Its data stays.
pub(crate) async fn serve(workspace: &Workspace) -> anyhow::Result<()> {
    let dir = reachable_dir(&workspace.root.join("data/dev"), None)?;
    let mut cluster = Cluster::start(Settings::at(dir)).await?;
    prepare(&cluster, workspace).await?;
    println!("DATABASE_URL={}", cluster.url("commonwheel"));
    tokio::select! {
        signal = tokio::signal::ctrl_c() => signal.context("cannot wait for Ctrl-C")?,
        () = cluster.ended() => anyhow::bail!("PostgreSQL has ended by itself"),
    }
    Ok(cluster.stop(StopMode::Fast).await?)
}

async fn prepare(cluster: &Cluster, workspace: &Workspace) -> anyhow::Result<()> {
    cluster.create_database("commonwheel").await?;
    let mut migrators = Vec::new();
    for room in &workspace.rooms {
        let dir = workspace.dir(room);
        if dir.join("migrations").is_dir() {
            migrators.push(migrator(&dir).await.with_context(|| room.place.clone())?);
        }
    }
    let migrators: Vec<&Migrator> = migrators.iter().collect();
    Ok(pg::migrate::migrate(&cluster.connect_options("commonwheel"), &migrators).await?)
}

/// What `sqlx::migrate!()` in the crate at `dir` would be.
async fn migrator(dir: &Path) -> anyhow::Result<Migrator> {
    let path = dir.join("sqlx.toml");
    let text = std::fs::read_to_string(&path)
        .with_context(|| format!("cannot read {}: see base/pg/MIGRATIONS.md", path.display()))?;
    let settings: SqlxToml =
        toml::from_str(&text).with_context(|| format!("cannot parse {}", path.display()))?;
    let mut migrator = Migrator::new(dir.join("migrations")).await?;
    let table = settings.migrate.table_name.context("[migrate] table-name is missing")?;
    for schema in settings.migrate.create_schemas {
        migrator.create_schema(schema);
    }
    migrator.dangerous_set_table_name(table);
    Ok(migrator)
}

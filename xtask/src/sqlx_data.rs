//! `.sqlx`: what the compiler knows about our SQL, one file per statement.
//!
//! The query macros of sqlx write these files while they ask a live database, when `DATABASE_URL`
//! and `SQLX_OFFLINE_DIR` are set. Cargo does not know of that, so the files that hold macros are
//! touched first to have their crates expanded again.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::SystemTime;

use anyhow::{Context, ensure};

use crate::database::Temporary;
use crate::workspace::{Room, Workspace, files_below};

/// Statements by file name.
type Statements = BTreeMap<String, String>;

/// Makes `.sqlx` what all crates need and nothing else.
pub(crate) async fn replace(workspace: &Workspace) -> anyhow::Result<()> {
    let wanted = collect(workspace, &[]).await?;
    let dir = workspace.root.join(".sqlx");
    let seen = read(&dir)?;
    for stale in seen.keys().filter(|name| !wanted.contains_key(*name)) {
        std::fs::remove_file(dir.join(stale))?;
    }
    write(&dir, &wanted)?;
    let removed = seen.keys().filter(|name| !wanted.contains_key(*name)).count();
    println!(".sqlx: {} statements, {removed} stale ones removed", wanted.len());
    Ok(())
}

/// Adds what `packages` need.
pub(crate) async fn add(workspace: &Workspace, packages: &[String]) -> anyhow::Result<()> {
    for package in packages {
        ensure!(workspace.room(package).is_some(), "there is no package {package}");
    }
    let wanted = collect(workspace, packages).await?;
    write(&workspace.root.join(".sqlx"), &wanted)?;
    println!(".sqlx: {} statements of {}", wanted.len(), packages.join(", "));
    Ok(())
}

/// Fails when `.sqlx` is not what [`replace`] would make.
pub(crate) async fn check(workspace: &Workspace) -> anyhow::Result<()> {
    let wanted = collect(workspace, &[]).await?;
    let seen = read(&workspace.root.join(".sqlx"))?;
    let stale = seen.keys().filter(|name| !wanted.contains_key(*name)).count();
    let missing = wanted.keys().filter(|name| !seen.contains_key(*name)).count();
    let changed = wanted.iter().filter(|(name, text)| seen.get(*name).is_some_and(|s| s != *text));
    let changed = changed.count();
    ensure!(
        stale + missing + changed == 0,
        ".sqlx is out of date ({missing} missing, {changed} changed, {stale} stale): \
         run cargo xtask sqlx"
    );
    println!(".sqlx is up to date: {} statements", wanted.len());
    Ok(())
}

/// Has the compiler describe every statement of `packages` (all when empty).
async fn collect(workspace: &Workspace, packages: &[String]) -> anyhow::Result<Statements> {
    let database = Temporary::start(workspace).await?;
    let described = describe(workspace, packages, &database.url());
    database.remove().await?;
    described
}

fn describe(
    workspace: &Workspace,
    packages: &[String],
    database_url: &str,
) -> anyhow::Result<Statements> {
    let dir = tempfile::tempdir_in(workspace.root.join("target"))?;
    let chosen = |room: &&Room| packages.is_empty() || packages.contains(&room.name);
    let now = {
        #[expect(clippy::disallowed_methods, reason = "file times are the machine's, not ours")]
        SystemTime::now()
    };
    for file in sources_with_macros(workspace, workspace.rooms.iter().filter(chosen))? {
        let touched = File::options().write(true).open(&file).and_then(|f| f.set_modified(now));
        touched.with_context(|| format!("cannot touch {}", file.display()))?;
    }
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(&workspace.root).args(["check", "--all-targets"]);
    if packages.is_empty() {
        cargo.arg("--workspace");
    }
    cargo.args(packages.iter().flat_map(|package| ["--package", package]));
    cargo.env("DATABASE_URL", database_url).env("SQLX_OFFLINE_DIR", dir.path());
    // Variables cargo has set for this process would make the crates look changed.
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy();
        if name.starts_with("CARGO_PKG_") || name == "CARGO_MANIFEST_DIR" {
            cargo.env_remove(&*name);
        }
    }
    let status = cargo.env_remove("SQLX_OFFLINE").status().context("cannot run cargo")?;
    ensure!(status.success(), "the workspace does not compile; .sqlx is unchanged");
    read(dir.path())
}

/// Rust files of `rooms` that use a query macro.
fn sources_with_macros<'a>(
    workspace: &Workspace,
    rooms: impl Iterator<Item = &'a Room>,
) -> anyhow::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for room in rooms {
        for file in files_below(&workspace.dir(room))? {
            if file.extension().is_some_and(|extension| extension == "rs")
                && uses_a_macro(&std::fs::read_to_string(&file)?)
            {
                found.push(file);
            }
        }
    }
    found.sort();
    found.dedup();
    Ok(found)
}

fn uses_a_macro(source: &str) -> bool {
    let macros = ["query!", "query_as!", "query_scalar!", "query_file"];
    source.contains("sqlx") && macros.iter().any(|name| source.contains(name))
}

fn read(dir: &Path) -> anyhow::Result<Statements> {
    if !dir.is_dir() {
        return Ok(Statements::new());
    }
    let mut statements = Statements::new();
    for entry in std::fs::read_dir(dir)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with("query-") {
            statements.insert(name, std::fs::read_to_string(entry.path())?);
        }
    }
    Ok(statements)
}

fn write(dir: &Path, statements: &Statements) -> anyhow::Result<()> {
    std::fs::create_dir_all(dir)?;
    for (name, text) in statements {
        let path = dir.join(name);
        // An unchanged file keeps its time, and crates that read it stay built.
        if std::fs::read_to_string(&path).ok().as_ref() != Some(text) {
            std::fs::write(&path, text)
                .with_context(|| format!("cannot write {}", path.display()))?;
        }
    }
    Ok(())
}

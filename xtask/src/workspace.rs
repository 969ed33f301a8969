//! The crates of this tree and where they lie.

use std::path::{Path, PathBuf};

use anyhow::Context;
use cargo_metadata::{DependencyKind, Metadata, MetadataCommand};

/// A crate of the workspace.
#[derive(Clone, Debug)]
pub(crate) struct Room {
    pub(crate) name: String,
    /// Directory relative to the root, such as `services/production/core`.
    pub(crate) place: String,
    /// Names of its dependencies and their kinds, ours and others'.
    pub(crate) dependencies: Vec<(String, DependencyKind)>,
}

/// The whole tree.
#[derive(Debug)]
pub(crate) struct Workspace {
    pub(crate) root: PathBuf,
    pub(crate) rooms: Vec<Room>,
}

impl Workspace {
    /// Asks cargo. Works while crates do not compile.
    pub(crate) fn read() -> anyhow::Result<Workspace> {
        let metadata = MetadataCommand::new()
            .no_deps()
            .exec()
            .context("cannot read the workspace; run this inside the repository")?;
        Ok(Workspace::of(&metadata))
    }

    fn of(metadata: &Metadata) -> Workspace {
        let root = metadata.workspace_root.clone().into_std_path_buf();
        let rooms = metadata.workspace_packages().into_iter().map(|package| {
            let dir = package.manifest_path.parent().map(|dir| dir.as_std_path().to_owned());
            let place = dir.and_then(|dir| Some(dir.strip_prefix(&root).ok()?.to_owned()));
            let dependencies =
                package.dependencies.iter().map(|wanted| (wanted.name.clone(), wanted.kind));
            Room {
                name: package.name.to_string(),
                place: place.unwrap_or_default().display().to_string(),
                dependencies: dependencies.collect(),
            }
        });
        let mut rooms: Vec<Room> = rooms.collect();
        rooms.sort_by(|one, other| one.place.cmp(&other.place));
        Workspace { root, rooms }
    }

    pub(crate) fn room(&self, name: &str) -> Option<&Room> {
        self.rooms.iter().find(|room| room.name == name)
    }

    pub(crate) fn dir(&self, room: &Room) -> PathBuf {
        self.root.join(&room.place)
    }
}

/// Every file below `dir` that git would see by its usual rules, without hidden directories,
/// `target` and `node_modules`.
pub(crate) fn files_below(dir: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut open = vec![dir.to_owned()];
    while let Some(dir) = open.pop() {
        for entry in std::fs::read_dir(&dir)? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            if name.starts_with('.') || name == "target" || name == "node_modules" {
                continue;
            }
            match entry.file_type()? {
                kind if kind.is_dir() => open.push(entry.path()),
                kind if kind.is_file() => found.push(entry.path()),
                _ => {}
            }
        }
    }
    found.sort();
    Ok(found)
}

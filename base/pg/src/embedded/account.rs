//! Under whose name the server runs.

use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use nix::unistd::{Uid, User};

use super::EmbeddedError;
use super::layout::Layout;

/// An account of the machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Account {
    pub(super) name: String,
    pub(super) uid: u32,
    pub(super) gid: u32,
    /// Name of the account this process runs under.
    pub(super) started_by: String,
    /// Whether this process is another account (root) and must switch.
    switch: bool,
}

impl Account {
    /// The account for the cluster of `layout`.
    pub(super) fn resolve(layout: &Layout, run_as: Option<&str>) -> Result<Account, EmbeddedError> {
        let owner = std::fs::metadata(&layout.pgdata).ok().map(|made| Uid::from_raw(made.uid()));
        let own = Uid::effective();
        let me = by_uid(own)?;
        if !own.is_root() {
            return match (owner, run_as) {
                (Some(owner), _) if owner != own => {
                    Err(EmbeddedError::Foreign { dir: layout.dir.clone(), owner: name_of(owner) })
                }
                (_, Some(other)) if other != me.name => Err(EmbeddedError::Account {
                    name: other.to_owned(),
                    why: format!("this process runs as {} and only root may switch", me.name),
                }),
                _ => Ok(Account::of(me.clone(), me.name, false)),
            };
        }
        let user = match (owner.filter(|owner| !owner.is_root()), run_as) {
            (Some(owner), _) => by_uid(owner)?,
            (None, Some(name)) => by_name(name)?.ok_or_else(|| EmbeddedError::Account {
                name: name.to_owned(),
                why: "there is no such account".to_owned(),
            })?,
            (None, None) => unprivileged()?,
        };
        if user.uid.is_root() {
            let why = "PostgreSQL refuses to run as root".to_owned();
            return Err(EmbeddedError::Account { name: user.name, why });
        }
        Ok(Account::of(user, me.name, true))
    }

    /// The account a new cluster would get, for choosing a directory it can reach.
    pub(super) fn for_new(run_as: Option<&str>) -> Result<Account, EmbeddedError> {
        Account::resolve(&Layout::of(Path::new("/nonexistent/commonwheel")), run_as)
    }

    fn of(user: User, started_by: String, switch: bool) -> Account {
        let (uid, gid) = (user.uid.as_raw(), user.gid.as_raw());
        Account { name: user.name, uid, gid, started_by, switch }
    }

    /// `program` under this account: its own working directory, no PostgreSQL or locale variables
    /// of ours.
    pub(super) fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        for (name, _) in std::env::vars_os() {
            let name = name.to_string_lossy();
            if ["PG", "LC_", "LANG"].iter().any(|prefix| name.starts_with(prefix)) {
                command.env_remove(&*name);
            }
        }
        command.env("LC_ALL", "C").current_dir("/");
        if self.switch {
            // As root this drops the supplementary groups as well.
            command.uid(self.uid).gid(self.gid);
        }
        command
    }

    /// Hands `path` over to the account.
    pub(super) fn give(&self, path: &Path) -> Result<(), EmbeddedError> {
        if !self.switch {
            return Ok(());
        }
        std::os::unix::fs::lchown(path, Some(self.uid), Some(self.gid))
            .map_err(EmbeddedError::file("change the owner of", path))
    }

    /// Whether the account may pass through `dir`, judged by owner, group and mode.
    pub(super) fn may_enter(&self, dir: &Path) -> bool {
        let Ok(made) = std::fs::metadata(dir) else { return false };
        let bit = match () {
            () if made.uid() == self.uid => 0o100,
            () if made.gid() == self.gid => 0o010,
            () => 0o001,
        };
        made.mode() & bit != 0
    }

    /// Whether this process had to switch to the account.
    pub(super) fn switches(&self) -> bool {
        self.switch
    }
}

fn unprivileged() -> Result<User, EmbeddedError> {
    for name in ["postgres", "nobody"] {
        if let Some(user) = by_name(name)? {
            return Ok(user);
        }
    }
    Err(EmbeddedError::Account {
        name: "an unprivileged account".to_owned(),
        why: "neither postgres nor nobody exists".to_owned(),
    })
}

fn by_name(name: &str) -> Result<Option<User>, EmbeddedError> {
    User::from_name(name)
        .map_err(|error| EmbeddedError::Account { name: name.to_owned(), why: error.to_string() })
}

fn by_uid(uid: Uid) -> Result<User, EmbeddedError> {
    let missing = |why: String| EmbeddedError::Account { name: format!("user {uid}"), why };
    User::from_uid(uid)
        .map_err(|error| missing(error.to_string()))?
        .ok_or_else(|| missing("it has no entry in the user database".to_owned()))
}

fn name_of(uid: Uid) -> String {
    by_uid(uid).map_or_else(|_| format!("user {uid}"), |user| user.name)
}

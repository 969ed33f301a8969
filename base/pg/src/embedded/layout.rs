//! The directory of a cluster: data, socket, log and lock.
//!
//! ```text
//! <dir>/lock         held while an instance owns the directory; contains its process number
//! <dir>/pgdata/      PostgreSQL's data, owned by the server's account
//! <dir>/run/         the socket, mode 0700, same owner
//! <dir>/hba.conf     who may connect: written by us on every start, not writable by the server
//! <dir>/ident.conf
//! <dir>/postgres.log
//! ```

use std::fs::{DirBuilder, File, OpenOptions, Permissions, TryLockError};
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};
use sqlx::postgres::PgConnectOptions;

use super::account::Account;
use super::binaries::Binaries;
use super::{EmbeddedError, OWNER, server, socket_options};

/// Longest path of a unix socket, without the closing zero.
const SOCKET_PATH: usize = 107;

/// A log longer than this is put aside on the next start.
const LOG_BYTES: u64 = 16 << 20;

/// The directory is ours until this is dropped.
///
/// The lock is given back by name, not by closing the file: a process another thread is starting
/// holds a copy of every open file from its fork to its exec, and would keep it locked meanwhile.
#[derive(Debug)]
pub(super) struct Lock(File);

impl Drop for Lock {
    fn drop(&mut self) {
        // What cannot be unlocked is let go of when the file is closed.
        let _ = self.0.unlock();
    }
}

/// Paths of one cluster.
#[derive(Clone, Debug)]
pub(super) struct Layout {
    pub(super) dir: PathBuf,
    pub(super) pgdata: PathBuf,
    pub(super) sockets: PathBuf,
}

impl Layout {
    /// The paths below `dir`, which must be absolute.
    pub(super) fn of(dir: &Path) -> Layout {
        let pgdata = dir.join("pgdata");
        Layout { dir: dir.to_owned(), pgdata, sockets: socket_dir(dir) }
    }

    /// Makes `dir` when missing and resolves it, so that every process names it alike.
    pub(super) fn make(dir: &Path) -> Result<Layout, EmbeddedError> {
        if !dir.is_dir() {
            // The server's account passes through whatever the umask says, and lists nothing.
            std::fs::create_dir_all(dir)
                .and_then(|()| std::fs::set_permissions(dir, Permissions::from_mode(0o711)))
                .map_err(EmbeddedError::file("make", dir))?;
        }
        let dir = dir.canonicalize().map_err(EmbeddedError::file("resolve", dir))?;
        Ok(Layout::of(&dir))
    }

    /// Takes the directory for this process, or tells who has it.
    pub(super) fn lock(&self) -> Result<Lock, EmbeddedError> {
        let mut file = self.lock_file()?;
        match file.try_lock() {
            Ok(()) => self.sign(Lock(file)),
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                // The number only makes the message better.
                let _ = file.read_to_string(&mut holder);
                let holder = match holder.trim() {
                    "" => String::new(),
                    pid => format!(" (process {pid})"),
                };
                Err(EmbeddedError::InUse { dir: self.dir.clone(), holder })
            }
            Err(TryLockError::Error(source)) => {
                Err(EmbeddedError::file("lock", &self.dir.join("lock"))(source))
            }
        }
    }

    /// Takes the directory for this process once others have let go of it.
    pub(super) async fn wait_for_lock(&self) -> Result<Lock, EmbeddedError> {
        let file = self.lock_file()?;
        let path = self.dir.join("lock");
        let locked = tokio::task::spawn_blocking(move || file.lock().map(|()| Lock(file))).await;
        let lock = locked
            .map_err(std::io::Error::other)
            .flatten()
            .map_err(EmbeddedError::file("lock", &path))?;
        self.sign(lock)
    }

    fn lock_file(&self) -> Result<File, EmbeddedError> {
        let path = self.dir.join("lock");
        OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(EmbeddedError::file("open", &path))
    }

    fn sign(&self, mut lock: Lock) -> Result<Lock, EmbeddedError> {
        lock.0
            .set_len(0)
            .and_then(|()| write!(lock.0, "{}", std::process::id()))
            .map_err(EmbeddedError::file("write", &self.dir.join("lock")))?;
        Ok(lock)
    }

    /// Major version of existing data.
    pub(super) fn version(&self) -> Option<u32> {
        std::fs::read_to_string(self.pgdata.join("PG_VERSION")).ok()?.trim().parse().ok()
    }

    /// Removes the data.
    pub(super) fn discard(&self) -> Result<(), EmbeddedError> {
        remove_dir(&self.pgdata)
    }

    /// Makes data, socket directory and access files ready for a start.
    pub(super) async fn prepare(
        &self,
        account: &Account,
        binaries: &Binaries,
    ) -> Result<(), EmbeddedError> {
        if self.version().is_none() {
            self.init(account, binaries).await?;
        }
        self.make_socket_dir(account)?;
        self.write("hba.conf", &format!("local all {OWNER} peer map=commonwheel\n"))?;
        self.write("ident.conf", &ident(account))?;
        let log = self.log_path();
        if std::fs::metadata(&log).is_ok_and(|made| made.len() > LOG_BYTES) {
            std::fs::rename(&log, log.with_extension("log.old"))
                .map_err(EmbeddedError::file("rename", &log))?;
        }
        Ok(())
    }

    /// Runs `initdb` beside the final place, so that a half-made cluster is never taken for one.
    async fn init(&self, account: &Account, binaries: &Binaries) -> Result<(), EmbeddedError> {
        let fresh = self.dir.join("pgdata.new");
        // Text sorts by code point everywhere, so an index never depends on the machine's locale;
        // character classes follow Unicode where the machine offers that.
        let mut failure = String::new();
        for ctype in ["C.UTF-8", "C"] {
            remove_dir(&fresh)?;
            make_private_dir(&fresh)?;
            account.give(&fresh)?;
            let mut initdb = account.command(&binaries.program("initdb"));
            initdb.arg("--pgdata").arg(&fresh).args(["--username", OWNER, "--encoding", "UTF8"]);
            initdb.args(["--locale", "C", "--lc-ctype", ctype, "--data-checksums"]);
            initdb.args(["--auth-local", "peer", "--auth-host", "reject", "--no-instructions"]);
            let output = tokio::process::Command::from(initdb)
                .output()
                .await
                .map_err(EmbeddedError::file("run", &binaries.program("initdb")))?;
            if output.status.success() {
                return std::fs::rename(&fresh, &self.pgdata)
                    .map_err(EmbeddedError::file("rename", &fresh));
            }
            failure = String::from_utf8_lossy(&output.stderr).trim().to_owned();
            if !failure.contains("locale") {
                break;
            }
        }
        Err(EmbeddedError::Init { dir: self.dir.clone(), output: failure })
    }

    fn make_socket_dir(&self, account: &Account) -> Result<(), EmbeddedError> {
        let dir = &self.sockets;
        if let Ok(made) = std::fs::symlink_metadata(dir) {
            // It may stand in the temp directory, where anyone can be first.
            if !made.is_dir() || (made.uid() != account.uid && made.uid() != 0) {
                let taken = std::io::Error::other("it belongs to another account");
                return Err(EmbeddedError::file("use", dir)(taken));
            }
            std::fs::set_permissions(dir, Permissions::from_mode(0o700))
                .map_err(EmbeddedError::file("protect", dir))?;
        } else {
            make_private_dir(dir)?;
        }
        account.give(dir)
    }

    fn write(&self, name: &str, text: &str) -> Result<(), EmbeddedError> {
        let path = self.dir.join(name);
        std::fs::write(&path, text).map_err(EmbeddedError::file("write", &path))?;
        // The server's account reads it whatever the umask says. It holds no secret.
        std::fs::set_permissions(&path, Permissions::from_mode(0o644))
            .map_err(EmbeddedError::file("protect", &path))
    }

    pub(super) fn log_path(&self) -> PathBuf {
        self.dir.join("postgres.log")
    }

    /// The log, for appending, and its length so far.
    pub(super) fn open_log(&self) -> Result<(File, u64), EmbeddedError> {
        let path = self.log_path();
        let open = || {
            // Statements that failed are in it.
            let file = OpenOptions::new().append(true).create(true).mode(0o600).open(&path)?;
            let length = file.metadata()?.len();
            Ok((file, length))
        };
        open().map_err(EmbeddedError::file("open", &path))
    }

    /// What was logged after `from`, its last lines.
    pub(super) fn log_since(&self, from: u64) -> String {
        let mut text = Vec::new();
        if let Ok(mut file) = File::open(self.log_path()) {
            // What cannot be read is missing from an error message, no more.
            let _ = file.seek(SeekFrom::Start(from)).and_then(|_| file.read_to_end(&mut text));
        }
        let text = String::from_utf8_lossy(&text);
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(12)..].join("\n")
    }

    pub(super) fn connect_options(&self, database: &str) -> PgConnectOptions {
        socket_options(&self.sockets, database)
    }

    pub(super) fn url(&self, database: &str) -> String {
        let host = percent_encode(self.sockets.as_os_str().as_bytes());
        let database = percent_encode(database.as_bytes());
        format!("postgres://{OWNER}@localhost:{}/{database}?host={host}", server::PORT)
    }
}

/// A directory like `preferred` that the server's account can reach.
///
/// Root's checkout often lies where an unprivileged account cannot go (`/root`, mode 0700). Then
/// the answer is a directory below `/var/lib/commonwheel` named after `preferred`, the same on
/// every start.
pub fn reachable_dir(preferred: &Path, run_as: Option<&str>) -> Result<PathBuf, EmbeddedError> {
    let account = Account::for_new(run_as)?;
    let preferred =
        std::path::absolute(preferred).map_err(EmbeddedError::file("resolve", preferred))?;
    if check_reach(&preferred, &account).is_ok() {
        return Ok(preferred);
    }
    Ok(Path::new("/var/lib/commonwheel").join(short_hash(&preferred)))
}

/// Fails when `account` cannot walk down to `dir`. Parts that do not exist yet are ours to make.
pub(super) fn check_reach(dir: &Path, account: &Account) -> Result<(), EmbeddedError> {
    if !account.switches() {
        return Ok(());
    }
    let above: Vec<&Path> = dir.ancestors().filter(|part| part.exists()).collect();
    match above.into_iter().rev().find(|part| !account.may_enter(part)) {
        None => Ok(()),
        Some(blocked) => Err(EmbeddedError::Unreachable {
            account: account.name.clone(),
            blocked: blocked.to_owned(),
        }),
    }
}

/// Which accounts of the machine may become the owner role.
fn ident(account: &Account) -> String {
    let mut names = vec![&account.name, &account.started_by];
    names.dedup();
    names.iter().map(|name| format!("commonwheel \"{name}\" {OWNER}\n")).collect()
}

/// `dir/run`, or a short directory in the temp directory when the socket's path would be too long
/// or hold characters that mean something in a server setting.
fn socket_dir(dir: &Path) -> PathBuf {
    let inside = dir.join("run");
    let socket = inside.join(format!(".s.PGSQL.{}", server::PORT));
    let path = socket.as_os_str().as_bytes();
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"/._-+@".contains(byte);
    if path.len() <= SOCKET_PATH && path.iter().all(plain) {
        return inside;
    }
    std::env::temp_dir().join(format!("commonwheel-{}", short_hash(dir)))
}

fn short_hash(path: &Path) -> String {
    hex::encode(&Sha256::digest(path.as_os_str().as_bytes())[..8])
}

fn make_private_dir(dir: &Path) -> Result<(), EmbeddedError> {
    DirBuilder::new().mode(0o700).create(dir).map_err(EmbeddedError::file("make", dir))
}

fn remove_dir(dir: &Path) -> Result<(), EmbeddedError> {
    match std::fs::remove_dir_all(dir) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(EmbeddedError::file("remove", dir)(error))
        }
        _ => Ok(()),
    }
}

fn percent_encode(bytes: &[u8]) -> String {
    use std::fmt::Write as _;

    bytes.iter().fold(String::new(), |mut text, &byte| {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            text.push(char::from(byte));
        } else {
            // Writing to a string cannot fail.
            let _ = write!(text, "%{byte:02X}");
        }
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_or_odd_path_gets_a_short_socket_directory() {
        assert_eq!(socket_dir(Path::new("/srv/data")), Path::new("/srv/data/run"));
        for dir in [format!("/srv/{}", "x".repeat(100)), "/srv/a,b".to_owned()] {
            let short = socket_dir(Path::new(&dir));
            assert!(short.starts_with(std::env::temp_dir()), "{}", short.display());
            assert_eq!(short, socket_dir(Path::new(&dir)));
        }
    }

    #[test]
    fn a_copy_of_the_lock_in_a_process_being_started_holds_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let layout = Layout::make(dir.path()).unwrap();
        let held = layout.lock().unwrap();
        let copied_by_a_fork = held.0.try_clone().unwrap();
        assert!(matches!(layout.lock(), Err(EmbeddedError::InUse { .. })));
        drop(held);
        layout.lock().unwrap();
        drop(copied_by_a_fork);
    }

    #[test]
    fn the_url_names_the_socket_directory() {
        let url = Layout::of(Path::new("/srv/my data")).url("market");
        assert!(url.starts_with("postgres://commonwheel@localhost:5432/market?host=%2F"), "{url}");
    }
}

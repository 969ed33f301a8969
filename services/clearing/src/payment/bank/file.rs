//! A bank over files: ISO 20022 messages in a folder its gateway collects, statements in another.
//!
//! One file per order, named by it, whole from the instant it is seen, and written once: what was
//! handed over is noted beside it, so an order that is asked for again is not written again when the
//! gateway has collected it. Only a crash between the two may write it twice, under the same message
//! id. Nothing answers: the word about an order is the statement's. A collection writes nothing; the
//! payer is told the reference and sends the money.
//!
//! Statements are any files `*.xml` in the inbox. Each is taken once and moved to `taken`, or, when it
//! cannot be read, to `refused`. A file that breaks off is left alone while it may still be growing.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use futures::future::BoxFuture;
use jiff::civil::Date;
use tokio::fs;

use super::{Bank, BankError, Instruction, Left, Verdict};
use crate::payment::iso20022::{Sender, pacs_008, pacs_009, pain_001};
use crate::payment::order::{Direction, OrderId, Report};

/// How long a file that breaks off may still be growing.
const GROWING: Duration = Duration::from_secs(60);
/// Longest statement that is read.
const LARGEST: u64 = 64 * 1024 * 1024;
/// Where what was handed over is noted, in the outbox.
const HANDED_OVER: &str = ".handed-over";

/// How the clearing house stands to its bank.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// A customer: pain.001.
    Customer,
    /// A member of the clearing system itself: pacs.008.
    Member,
}

/// Lays files down and picks statements up.
#[derive(Clone, Debug)]
pub struct FileBank {
    sender: Sender,
    standing: Standing,
    outbox: PathBuf,
    inbox: PathBuf,
}

/// A folder that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("cannot use the bank's {what} {path}")]
pub struct FolderError {
    what: &'static str,
    path: String,
    #[source]
    cause: io::Error,
}

impl FileBank {
    /// A bank whose gateway collects from `outbox` and leaves statements in `inbox`; both must be
    /// there. Files are moved within them only.
    pub fn open(
        sender: Sender,
        standing: Standing,
        outbox: PathBuf,
        inbox: PathBuf,
    ) -> Result<FileBank, FolderError> {
        let folders = [
            ("outbox", &outbox, HANDED_OVER),
            ("inbox", &inbox, "taken"),
            ("inbox", &inbox, "refused"),
        ];
        for (what, folder, inner) in folders {
            let failed = |cause| FolderError { what, path: folder.display().to_string(), cause };
            if !std::fs::metadata(folder).map_err(failed)?.is_dir() {
                return Err(failed(io::ErrorKind::NotADirectory.into()));
            }
            std::fs::create_dir_all(folder.join(inner)).map_err(failed)?;
        }
        Ok(FileBank { sender, standing, outbox, inbox })
    }

    /// Hands an order over; the whole file appears at once, and once.
    async fn write(&self, order: &Instruction) -> io::Result<()> {
        let (message, text) = match (order.between_institutions, self.standing) {
            (true, _) => ("pacs.009", pacs_009(&self.sender, order)),
            (false, Standing::Customer) => ("pain.001", pain_001(&self.sender, order)),
            (false, Standing::Member) => ("pacs.008", pacs_008(&self.sender, order)),
        };
        let name = format!("{message}-{}.xml", order.order.end_to_end());
        let noted = self.outbox.join(HANDED_OVER).join(&name);
        if fs::try_exists(&noted).await? {
            return Ok(());
        }
        let unfinished = self.outbox.join(format!(".{name}.part"));
        fs::write(&unfinished, text).await?;
        fs::File::open(&unfinished).await?.sync_all().await?;
        fs::rename(&unfinished, self.outbox.join(&name)).await?;
        sync_folder(&self.outbox).await?;
        fs::File::create(&noted).await?.sync_all().await?;
        sync_folder(&self.outbox.join(HANDED_OVER)).await
    }

    /// Names of the files that lie in the inbox, in their order.
    async fn names(&self) -> io::Result<Vec<String>> {
        let mut entries = fs::read_dir(&self.inbox).await?;
        let mut names = Vec::new();
        while let Some(entry) = entries.next_entry().await? {
            let name = entry.file_name().to_string_lossy().into_owned();
            let is_message = name.to_ascii_lowercase().ends_with(".xml") && !name.starts_with('.');
            if is_message && entry.file_type().await?.is_file() {
                names.push(name);
            }
        }
        names.sort();
        Ok(names)
    }

    async fn read(&self, name: String) -> io::Result<Left> {
        let path = self.inbox.join(&name);
        let about = fs::metadata(&path).await?;
        let may_grow = about.modified()?.elapsed().is_ok_and(|age| age < GROWING);
        if LARGEST < about.len() {
            return Ok(Left { name, message: Vec::new(), may_grow });
        }
        Ok(Left { name, message: fs::read(path).await?, may_grow })
    }

    /// Moves a file out of the inbox, under a name nothing has there.
    async fn move_to(&self, name: &str, folder: &str) -> io::Result<()> {
        let folder = self.inbox.join(folder);
        let mut wanted = folder.join(name);
        let mut number = 1;
        while fs::try_exists(&wanted).await? {
            number += 1;
            wanted = folder.join(format!("{number}-{name}"));
        }
        fs::rename(self.inbox.join(name), wanted).await?;
        sync_folder(&folder).await
    }
}

impl Bank for FileBank {
    fn send<'a>(
        &'a self,
        instruction: &'a Instruction,
    ) -> BoxFuture<'a, Result<Option<Report>, BankError>> {
        Box::pin(async move {
            if instruction.direction == Direction::PayOut {
                self.write(instruction).await.map_err(unreachable)?;
            }
            Ok(None)
        })
    }

    fn ask(&self, _order: OrderId) -> BoxFuture<'_, Result<Option<Report>, BankError>> {
        Box::pin(async { Ok(None) })
    }

    /// Nothing is asked for: what the gateway leaves is taken by itself.
    fn statement(&self, _day: Date) -> BoxFuture<'_, Result<Option<String>, BankError>> {
        Box::pin(async { Ok(None) })
    }

    fn own_account(&self) -> Option<&str> {
        Some(self.sender.account.account())
    }

    fn left(&self) -> BoxFuture<'_, Result<Vec<Left>, BankError>> {
        Box::pin(async move {
            let mut left = Vec::new();
            for name in self.names().await.map_err(unreachable)? {
                match self.read(name).await {
                    Ok(found) => left.push(found),
                    // Another server took it meanwhile.
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                    Err(error) => return Err(unreachable(error)),
                }
            }
            Ok(left)
        })
    }

    fn put_away<'a>(
        &'a self,
        name: &'a str,
        verdict: Verdict,
    ) -> BoxFuture<'a, Result<(), BankError>> {
        Box::pin(async move {
            let folder = match verdict {
                Verdict::Taken => "taken",
                Verdict::Refused => "refused",
            };
            match self.move_to(name, folder).await {
                Err(error) if error.kind() != io::ErrorKind::NotFound => Err(unreachable(error)),
                _ => Ok(()),
            }
        })
    }
}

/// Makes what was renamed into a folder durable.
async fn sync_folder(folder: &Path) -> io::Result<()> {
    fs::File::open(folder).await?.sync_all().await
}

fn unreachable(error: io::Error) -> BankError {
    BankError::Unreachable(Box::new(error))
}

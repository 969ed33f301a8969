//! A bank over files: ISO 20022 messages in a folder its gateway collects, statements in another.
//!
//! One file per order, named by it, so that an order written twice is one file. Nothing answers: the
//! word about an order is the statement's. A collection writes nothing; the payer is told the
//! reference and sends the money.

use std::io;
use std::path::PathBuf;

use futures::future::BoxFuture;
use jiff::civil::Date;

use super::{Bank, BankError, Instruction};
use crate::payment::iso20022::{Sender, pacs_008, pacs_009, pain_001};
use crate::payment::order::{Direction, OrderId, Report};

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
    /// Who pays.
    pub sender: Sender,
    /// As what.
    pub standing: Standing,
    /// Where the gateway collects orders.
    pub outbox: PathBuf,
    /// Where it leaves statements, one a day: `camt.053-<yyyy-mm-dd>.xml`.
    pub inbox: PathBuf,
}

impl FileBank {
    /// Writes the message of an order; the whole file appears at once.
    async fn write(&self, order: &Instruction) -> io::Result<()> {
        let (message, text) = match (order.between_institutions, self.standing) {
            (true, _) => ("pacs.009", pacs_009(&self.sender, order)),
            (false, Standing::Customer) => ("pain.001", pain_001(&self.sender, order)),
            (false, Standing::Member) => ("pacs.008", pacs_008(&self.sender, order)),
        };
        let name = format!("{message}-{}.xml", order.order.end_to_end());
        let unfinished = self.outbox.join(format!(".{name}.part"));
        tokio::fs::write(&unfinished, text).await?;
        tokio::fs::File::open(&unfinished).await?.sync_all().await?;
        tokio::fs::rename(&unfinished, self.outbox.join(name)).await
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

    fn statement(&self, day: Date) -> BoxFuture<'_, Result<Option<String>, BankError>> {
        Box::pin(async move {
            let path = self.inbox.join(format!("camt.053-{day}.xml"));
            match tokio::fs::read_to_string(path).await {
                Ok(text) => Ok(Some(text)),
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
                Err(error) => Err(unreachable(error)),
            }
        })
    }
}

fn unreachable(error: io::Error) -> BankError {
    BankError::Unreachable(Box::new(error))
}

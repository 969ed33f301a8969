//! Statements a bank leaves by itself: taken as they come, each once.
//!
//! A statement is put away after its lines are booked. After a crash in between it is read again,
//! and nothing happens twice: lines are known by the bank's references.

use base_http::problem::Chain;
use jiff::Timestamp;
use kernel::time;
use pg::Scope;

use super::run::TakeStatement;
use crate::error::ClearingError;
use crate::payment::bank::{Left, Verdict};
use crate::payment::iso20022::{MessageError, Statement, camt_053};
use crate::{Clearing, HOUSE};

/// Why a file is no statement to be taken.
#[derive(Debug, thiserror::Error)]
enum NoStatement {
    #[error("it is no UTF-8 text")]
    Text,
    #[error("it is no camt.053 that can be read")]
    Message(#[source] MessageError),
    #[error("it is a statement of another account")]
    OtherAccount,
}

impl Clearing {
    /// Takes what the bank left; how many statements were put away.
    pub async fn take_left_statements(&self, now: Timestamp) -> usize {
        let left = match self.bank.left().await {
            Ok(left) => left,
            Err(error) => {
                tracing::warn!(error = %Chain(&error), "cannot look for the bank's statements; later");
                return 0;
            }
        };
        let mut done = 0;
        for left in left {
            match self.take_left(&left, now).await {
                Ok(is_done) => done += usize::from(is_done),
                Err(error) => tracing::error!(file.name = left.name, error = %Chain(&error),
                    "statement {} cannot be taken yet", left.name),
            }
        }
        done
    }

    async fn take_left(&self, left: &Left, now: Timestamp) -> Result<bool, ClearingError> {
        let verdict = match read(left, self.bank.own_account()) {
            Ok(statement) => {
                let last = statement.lines.iter().map(|line| line.booked_on).max();
                let day = statement.closed_on.or(last).unwrap_or_else(|| time::day_of(now));
                let command = TakeStatement { statement, day, now, ids: self.spine.ids() };
                let taken = self.spine.db().run(Scope::of(HOUSE), &command).await?;
                tracing::info!(
                    file.name = left.name,
                    statement.lines = taken.lines,
                    statement.moved = taken.moved,
                    statement.breaks = taken.breaks.len(),
                    "took statement {} with {} lines",
                    left.name,
                    taken.lines
                );
                Verdict::Taken
            }
            Err(NoStatement::Message(MessageError::Xml(_)) | NoStatement::Text)
                if left.may_grow =>
            {
                return Ok(false);
            }
            Err(error) => {
                tracing::error!(file.name = left.name, error = %Chain(&error),
                    "statement {} is refused and put aside", left.name);
                Verdict::Refused
            }
        };
        let put_away = self.bank.put_away(&left.name, verdict).await;
        put_away.map(|()| true).map_err(|error| ClearingError::Bank(Box::new(error)))
    }
}

fn read(left: &Left, own: Option<&str>) -> Result<Statement, NoStatement> {
    let text = std::str::from_utf8(&left.message).map_err(|_| NoStatement::Text)?;
    let statement = camt_053(text).map_err(NoStatement::Message)?;
    match own {
        Some(own) if own != statement.account => Err(NoStatement::OtherAccount),
        _ => Ok(statement),
    }
}

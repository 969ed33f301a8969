//! The bank, behind one interface: orders go out, words and statements come back.
//!
//! Two ways to reach one: [`HttpBank`] speaks to a bank's or payment service's API, [`FileBank`]
//! lays ISO 20022 files down for a bank's file gateway. Whoever asks holds no transaction open. An
//! order may be sent again under its id; a bank does it once.

mod credentials;
mod file;
mod http;

use futures::future::BoxFuture;
use jiff::Timestamp;
use jiff::civil::Date;
use kernel::Fen;

use super::order::{Direction, OrderId, Report};
use super::payee::BankAccount;

pub use credentials::{Credentials, SecretError};
pub use file::{FileBank, FolderError, Standing};
pub use http::{HttpBank, Wire};

/// An order as the bank is told it.
#[derive(Clone, Debug)]
pub struct Instruction {
    /// Its id, under which the bank does it once.
    pub order: OrderId,
    /// Which way the money goes.
    pub direction: Direction,
    /// Whether both sides are institutions: a net position of a cycle.
    pub between_institutions: bool,
    /// How much, in yuan's fen.
    pub amount: Fen,
    /// What stands on the statement.
    pub reference: String,
    /// The other side.
    pub account: BankAccount,
    /// When it was ordered.
    pub ordered_at: Timestamp,
}

/// Why a bank gave no usable answer.
#[derive(Debug, thiserror::Error)]
pub enum BankError {
    /// It could not be reached, or answered nothing of use: the order may or may not be there.
    #[error("the bank did not answer")]
    Unreachable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// It does not believe that it is us.
    #[error("the bank does not accept the platform's credentials")]
    NotAccepted,
    /// It knows the id with other contents.
    #[error("the bank knows the order with other contents")]
    OtherContents,
    /// None is set up.
    #[error("no bank is set up")]
    Absent,
    /// What it sent cannot be read.
    #[error("the bank's message cannot be read: {0}")]
    Unreadable(String),
}

/// A bank or payment service.
pub trait Bank: Send + Sync + 'static {
    /// Tells the bank an order; `None` when it took it without a word.
    fn send<'a>(
        &'a self,
        instruction: &'a Instruction,
    ) -> BoxFuture<'a, Result<Option<Report>, BankError>>;

    /// What the bank says of an order; `None` when it never heard of it.
    fn ask(&self, order: OrderId) -> BoxFuture<'_, Result<Option<Report>, BankError>>;

    /// The statement (camt.053) of a day; `None` when there is none yet.
    fn statement(&self, day: Date) -> BoxFuture<'_, Result<Option<String>, BankError>>;

    /// The number of the account statements are of, where it is known here.
    fn own_account(&self) -> Option<&str> {
        None
    }

    /// Statements the bank left unasked, in order; none of a bank that is asked.
    fn left(&self) -> BoxFuture<'_, Result<Vec<Left>, BankError>> {
        Box::pin(async { Ok(Vec::new()) })
    }

    /// Puts a statement that was left out of the way: it is not shown again.
    fn put_away<'a>(
        &'a self,
        _name: &'a str,
        _verdict: Verdict,
    ) -> BoxFuture<'a, Result<(), BankError>> {
        Box::pin(async { Ok(()) })
    }
}

/// A statement the bank left.
#[derive(Clone, Debug)]
pub struct Left {
    /// Under which name.
    pub name: String,
    /// As it is; empty when it is longer than anybody reads.
    pub message: Vec<u8>,
    /// It was touched just now: when it breaks off, the rest may follow.
    pub may_grow: bool,
}

/// What became of a statement that was left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Its lines are booked.
    Taken,
    /// It is no statement of our account.
    Refused,
}

/// No bank at all: orders wait, and are listed as stuck.
#[derive(Clone, Copy, Debug)]
pub struct NoBank;

impl Bank for NoBank {
    fn send<'a>(
        &'a self,
        _instruction: &'a Instruction,
    ) -> BoxFuture<'a, Result<Option<Report>, BankError>> {
        Box::pin(async { Err(BankError::Absent) })
    }

    fn ask(&self, _order: OrderId) -> BoxFuture<'_, Result<Option<Report>, BankError>> {
        Box::pin(async { Err(BankError::Absent) })
    }

    fn statement(&self, _day: Date) -> BoxFuture<'_, Result<Option<String>, BankError>> {
        Box::pin(async { Err(BankError::Absent) })
    }
}

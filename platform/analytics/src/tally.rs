//! Sums of a service's own, taken where rows are read.
//!
//! What a service adds up over rows may be more than SQL says: the normal equations of a model, for
//! example. It brings a [`Tallying`]; whoever reads the rows, here or in a cluster, begins a [`Tally`]
//! with the service's question, adds batch by batch, and merges what others found. No row leaves the
//! place it is read at.

use std::fmt;
use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::datatypes::Schema;
use kernel::TenantId;

use crate::question::OwnTable;

/// A kind of sum over rows, by name. All that have the same rows to read know it.
pub trait Tallying: fmt::Debug + Send + Sync + 'static {
    /// What it is called: a name of SQL no other function has.
    fn name(&self) -> &'static str;

    /// Begins to answer a question about rows of these columns, without rows.
    fn begin(&self, question: &[u8], columns: &Schema) -> Result<Box<dyn Tally>, TallyError>;
}

/// What is found in some of the rows.
pub trait Tally: Send + Sync {
    /// Adds rows, given as the columns it was begun with. Texts come as dictionaries of 32-bit places.
    fn add(&mut self, columns: &[ArrayRef]) -> Result<(), TallyError>;

    /// Adds what another tally of the same question found.
    fn merge(&mut self, other: &[u8]) -> Result<(), TallyError>;

    /// What was found, to be merged or read.
    fn to_bytes(&self) -> Vec<u8>;
}

/// Why a tally cannot begin or go on. What is wrong with rows is no such error but part of what is
/// found.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a sum over rows cannot be taken: {0}")]
pub struct TallyError(pub String);

/// A question about the rows of an own table.
#[derive(Clone, Debug)]
pub struct TallyQuestion {
    /// Who asks.
    pub tenant: TenantId,
    /// Whose rows: a dataset of that tenant.
    pub table: OwnTable,
    /// The columns that are read.
    pub columns: Vec<String>,
    /// What is summed.
    pub tallying: Arc<dyn Tallying>,
    /// What the tally is begun with.
    pub question: Vec<u8>,
    /// Which of the rows are read.
    pub rows: TallyRows,
}

/// The rows a tally adds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TallyRows {
    /// Every row.
    All,
    /// The same few of every file: a question about them is answered soon, and tells about what all of
    /// them would. A table of small files may be read whole.
    Sample,
}

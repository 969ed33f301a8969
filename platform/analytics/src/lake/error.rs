//! What can go wrong with a lake, by what the caller does about it.

use arrow::error::ArrowError;
use parquet::errors::ParquetError;

/// Why a lake did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum LakeError {
    /// Not a name of a dataset or table.
    #[error("{0:?} is no name: a lower-case letter, then up to 62 of a-z, 0-9 and _")]
    Name(String),
    /// Not a place a lake can be kept at. The address is left out: it may hold a secret.
    #[error("the lake's address cannot be used: {0}")]
    Address(String),
    /// The dataset has no such version.
    #[error("dataset {dataset} has no version {number}")]
    NoVersion {
        /// The dataset, with its owner.
        dataset: String,
        /// The version asked for.
        number: u64,
    },
    /// The version has no such table.
    #[error("there is no table {0}")]
    NoTable(String),
    /// The table has no such column.
    #[error("table {table} has no column {column}")]
    NoColumn {
        /// The table.
        table: String,
        /// The column asked for.
        column: String,
    },
    /// Rows or a new declaration do not go with the columns a table has.
    #[error("the columns do not go with table {table}: {why}")]
    Columns {
        /// The table.
        table: String,
        /// What differs.
        why: String,
    },
    /// Somebody else committed on the same version first: read the latest one and start over.
    #[error("dataset {dataset} got its version {number} from somebody else; start over")]
    Conflict {
        /// The dataset, with its owner.
        dataset: String,
        /// The version both wanted to make.
        number: u64,
    },
    /// The draft is so old that its files may have been swept: start over.
    #[error("a draft of dataset {0} was open for too long; start over")]
    Stale(String),
    /// What is stored is not what was committed.
    #[error("{path} is corrupt: {fault}")]
    Corrupt {
        /// The object, relative to the lake.
        path: String,
        /// What is wrong with it.
        fault: Fault,
    },
    /// The rows could not be encoded.
    #[error("cannot write Parquet")]
    Parquet(#[from] ParquetError),
    /// Rows could not be taken apart or put together.
    #[error("cannot compute on a batch of rows")]
    Arrow(#[from] ArrowError),
    /// The place the lake is kept at failed.
    #[error("the lake's store failed")]
    Store(#[source] object_store::Error),
    /// A thread that computed was lost.
    #[error("a computation of the lake was lost")]
    Lost,
}

/// What is wrong with a stored object.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// It is not there.
    #[error("it is missing")]
    Missing,
    /// Its length is another.
    #[error("it has {found} bytes instead of {declared}")]
    Bytes {
        /// As committed.
        declared: u64,
        /// As stored.
        found: u64,
    },
    /// It holds another number of rows.
    #[error("it holds {found} rows instead of {declared}")]
    Rows {
        /// As committed.
        declared: u64,
        /// As stored.
        found: u64,
    },
    /// Its digest is another.
    #[error("its digest is not the one committed")]
    Digest,
    /// It is in no known form.
    #[error("it cannot be read: {0}")]
    Unreadable(String),
}

impl LakeError {
    /// Whether reading the latest version and doing the work again may succeed.
    pub fn is_start_over(&self) -> bool {
        matches!(self, LakeError::Conflict { .. } | LakeError::Stale(_))
    }
}

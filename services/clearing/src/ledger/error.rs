//! Why the ledger did not answer. A refusal is an answer and no error.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

use clearing_ledger::AccountId;
use pg::coalesce::NotTaken;

/// Why the ledger did not answer. Every member of a set gets the same one, so it can be cloned.
#[derive(Clone, Debug, thiserror::Error)]
pub enum LedgerError {
    /// The transfer was not taken, or lost before it was answered.
    #[error("the ledger did not take the transfer")]
    NotTaken(#[from] NotTaken),
    /// There is no such account, or the caller may not see it.
    #[error("there is no account {0}")]
    UnknownAccount(AccountId),
    /// What is stored is in no known form.
    #[error("stored ledger row is in no known form")]
    Corrupt,
    /// The database failed.
    #[error("ledger store failed")]
    Store(#[source] Shared),
}

/// A store error that several callers hear of.
#[derive(Clone, Debug)]
pub struct Shared(Arc<sqlx::Error>);

impl fmt::Display for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a statement of the ledger failed")
    }
}

impl Error for Shared {
    // `pg::failure` looks for the `sqlx::Error` in the chain of sources.
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&*self.0)
    }
}

impl From<sqlx::Error> for LedgerError {
    fn from(error: sqlx::Error) -> LedgerError {
        LedgerError::Store(Shared(Arc::new(error)))
    }
}

#[cfg(test)]
mod tests {
    use pg::failure;

    use super::*;

    #[test]
    fn what_the_database_said_is_found_behind_a_shared_error() {
        assert!(failure::is_retryable(&LedgerError::from(failure::start_over())));
        assert!(failure::is_unavailable(&LedgerError::from(sqlx::Error::PoolTimedOut)));
        assert!(!failure::is_unavailable(&LedgerError::Corrupt));
    }
}

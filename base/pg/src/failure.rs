//! What a database error asks of the caller.

use std::error::Error;

/// The `sqlx::Error` at the end of an error's `source` chain.
pub fn store_error<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a sqlx::Error> {
    let mut next = Some(error);
    while let Some(found) = next {
        if let Some(store) = found.downcast_ref::<sqlx::Error>() {
            return Some(store);
        }
        next = found.source();
    }
    None
}

/// The SQLSTATE the database answered with, if it answered.
pub fn sqlstate(error: &sqlx::Error) -> Option<String> {
    error.as_database_error().and_then(|error| error.code()).map(|code| code.into_owned())
}

/// The constraint a statement violated.
pub fn constraint(error: &sqlx::Error) -> Option<&str> {
    error.as_database_error().and_then(|error| error.constraint())
}

/// What was decided without a lock does not hold at the end of the transaction: start over, and
/// decide under one. Travels inside [`start_over`]'s error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("what the transaction was based on has moved on")]
struct MovedOn;

/// An error that makes a transaction start over, for one who finds out by other means than the
/// database's complaint.
pub fn start_over() -> sqlx::Error {
    sqlx::Error::Encode(Box::new(MovedOn))
}

/// Whether the same work, started over, may well succeed: serialisation failure, deadlock, or
/// [`start_over`].
pub fn is_retryable(error: &(dyn Error + 'static)) -> bool {
    let store = store_error(error);
    let moved_on = store.and_then(Error::source).is_some_and(|cause| cause.is::<MovedOn>());
    moved_on
        || store.and_then(sqlstate).is_some_and(|state| matches!(state.as_str(), "40001" | "40P01"))
}

/// Whether the database is out of reach: gone, going, starting or with no connection to spare.
pub fn is_unavailable(error: &(dyn Error + 'static)) -> bool {
    store_error(error).is_some_and(|error| {
        is_connection_lost(error)
            || matches!(error, sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed)
    })
}

/// Whether the connection died under the statement.
pub fn is_connection_lost(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_) | sqlx::Error::Protocol(_) | sqlx::Error::WorkerCrashed => true,
        // 08: connection exception; 57P01-03: shut down, crashed, starting; 53300: too many.
        error => sqlstate(error).is_some_and(|state| {
            state.starts_with("08")
                || matches!(state.as_str(), "57P01" | "57P02" | "57P03" | "53300" | "25P03")
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_finds_that_the_world_moved_on_starts_over() {
        assert!(is_retryable(&start_over()));
        assert!(!is_retryable(&sqlx::Error::RowNotFound));
        assert!(!is_unavailable(&start_over()));
    }
}

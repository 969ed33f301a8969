//! Writes are commands.

use std::error::Error;

use crate::Tx;

/// One write: locks, decides with pure code, saves. Touches nothing but its [`Tx`], because it
/// may start over.
pub trait Command: Sync {
    /// Names the command in logs and spans, for example `policy.surrender`.
    const NAME: &'static str;
    /// What the command answers.
    type Out: Send;
    /// Why it refused. Its `source` chain ends in the `sqlx::Error` when the store failed.
    type Error: Error + From<sqlx::Error> + Send + 'static;

    /// Does the work on `tx`; an error undoes all of it.
    fn apply(&self, tx: &mut Tx) -> impl Future<Output = Result<Self::Out, Self::Error>> + Send;
}

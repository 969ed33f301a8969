//! What the platform offers, in three levels (cloud, product, function), and who subscribed to it.
//!
//! Always true here: the registered functions are those of the running code; the [`Gate`] answers
//! from memory and is at most a few seconds behind the database; a pattern has at most one
//! subscription of a tenant at any instant. Prices and bills are a later story.

mod gate;
mod store;
mod subscription;
mod sync;

pub use gate::{Gate, Grant, Refusal};
pub use store::{FunctionLine, functions, subscriptions};
pub use subscription::{EndSubscription, Subscribe, Subscription};
pub use sync::{Level, sync};

/// This crate's schema, run by `pg::migrate`.
pub static MIGRATIONS: sqlx::migrate::Migrator = sqlx::migrate!();

/// The plan every member of the market has.
pub const MEMBER_PLAN: &str = "member";

/// Why the catalogue refused.
#[derive(Debug, thiserror::Error)]
pub enum CatalogueError {
    /// A cloud or product of the code has no names.
    #[error("no names are given for {0}")]
    Unnamed(String),
    /// Not a function code, a prefix ending in `.*`, or `*`.
    #[error("{0:?} is no function code, prefix ending in .* or *")]
    MalformedPattern(String),
    /// The tenant has a subscription to the same pattern at that time.
    #[error("there is a subscription to {0} at that time already")]
    AlreadySubscribed(String),
    /// No such plan.
    #[error("no plan {0}")]
    NoPlan(String),
    /// The end is not after the beginning.
    #[error("a subscription must end after it begins")]
    Backwards,
    /// No such subscription, or it ended before.
    #[error("no subscription that could end then")]
    NotFound,
    /// The database failed.
    #[error("catalogue store failed")]
    Store(#[from] sqlx::Error),
}

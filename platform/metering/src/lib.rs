//! What was served, counted exactly once: in the transaction that served it.
//!
//! Always true here: a usage row exists if and only if its call was committed; a quota is never
//! overrun by calls arriving together. Near its end a daily count is held locked from the moment
//! the quota is judged until the calls it admitted are counted; far from it the quota is judged by
//! what was seen last, and the counting itself tells whether that was right ([`Seen`]). Prices and
//! bills are a later story.

mod seen;
mod store;

pub use seen::Seen;
pub use store::{Columns, UsageLine, UsageOf, lock_counts, record, summary};

/// This crate's schema, run by `pg::migrate`.
pub static MIGRATIONS: sqlx::migrate::Migrator = sqlx::migrate!();

use std::sync::Arc;

use jiff::Timestamp;
use jiff::civil::Date;
use kernel::TenantId;
use uuid::Uuid;

/// One served call.
#[derive(Clone, Debug)]
pub struct Usage<'a> {
    /// Slot of the vehicle chain the call was about.
    pub slot: u16,
    /// Names the call.
    pub call_id: Uuid,
    /// Who pays.
    pub tenant: TenantId,
    /// Three-level function code.
    pub function_code: &'a str,
    /// The API client: the user the call is attributed to.
    pub client: &'a str,
    /// When it was served.
    pub served_at: Timestamp,
    /// How many units it counts for; at least one.
    pub quantity: u32,
}

/// What a daily quota is held against: one user, one function, one day in China.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CountKey {
    /// Whose user.
    pub tenant: TenantId,
    /// Which user.
    pub client: Arc<str>,
    /// Three-level function code.
    pub function_code: &'static str,
    /// The day in China.
    pub day: Date,
}

/// Why metering failed.
#[derive(Debug, thiserror::Error)]
pub enum MeteringError {
    /// The database failed.
    #[error("metering store failed")]
    Store(#[from] sqlx::Error),
}

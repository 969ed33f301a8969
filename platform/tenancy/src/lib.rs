//! Who takes part in the market: insurers and their branches, regulators, agencies, partners; the
//! keys their personal data is sealed with; the figures that differ by participant or region.
//!
//! Always true here: an insurer has a four-letter code no other has; every tenant has a data key
//! and an index key from the moment it is registered; a parameter has one value at any instant.
//! Who may call in a tenant's name is `iam`'s, what it subscribed to is `catalogue`'s.

mod keys;
mod parameters;
mod register;
mod rest_days;
mod store;

pub use keys::{TenantKey, TenantKeys};
pub use parameters::{DAILY_QUOTE_QUOTA, ParameterScope, Parameters, SetParameter};
pub use register::{InsurerCode, Kind, OpenBranch, RegisterTenant, SetStanding, Standing, Tenant};
pub use rest_days::REST_DAYS;
pub use store::{Branch, branches, find, find_all, find_by_insurer_code, inactive, list, operator};

/// This crate's schema, run by `pg::migrate`.
pub static MIGRATIONS: sqlx::migrate::Migrator = sqlx::migrate!();

use kernel::TenantId;

/// Why the register refused.
#[derive(Debug, thiserror::Error)]
pub enum TenancyError {
    /// Not four letters.
    #[error("{0:?} is not an insurer code of four capital letters")]
    MalformedInsurerCode(String),
    /// Not six digits.
    #[error("{0:?} is not a region code of six digits")]
    MalformedRegion(String),
    /// Another tenant has the code.
    #[error("insurer code {0} is taken")]
    InsurerCodeTaken(InsurerCode),
    /// No such tenant, or not one this transaction was opened for.
    #[error("no tenant {0}")]
    NotFound(TenantId),
    /// The branch is there already.
    #[error("a branch for region {0} is open already")]
    BranchExists(String),
    /// A later value is already set.
    #[error("parameter {0} already has a value set from then or later")]
    ParameterSetLater(String),
    /// Not a parameter name, or a value too long.
    #[error("parameter {0:?} has no valid name or value")]
    MalformedParameter(String),
    /// The keys cannot be made or unwrapped.
    #[error("keys of a tenant cannot be used")]
    Keys(#[from] crypto::CryptoError),
    /// What is stored is in no known form.
    #[error("stored tenant is in no known form")]
    Corrupt,
    /// The database failed.
    #[error("tenancy store failed")]
    Store(#[from] sqlx::Error),
}

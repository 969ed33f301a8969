//! The clearing and payment cloud (清算支付云): the stored ledger, payments, recovery between insurers,
//! and the netting and settlement of what they owe each other.
//!
//! Always true here: money moves through [`ledger`] and nowhere else, and what it answered is
//! committed. Judging is pure and lies beside this crate (`clearing-ledger`); this crate locks,
//! loads, writes down and reads.

pub mod api;
pub mod app;
pub mod books;
pub mod error;
pub mod function;
pub mod ledger;
mod outbox;
pub mod payment;
pub mod recovery;
pub mod settlement;

pub use app::{Clearing, Parts};
pub use error::ClearingError;

use kernel::TenantId;

/// This crate's schema, run by `pg::migrate`.
pub static MIGRATIONS: sqlx::migrate::Migrator = sqlx::migrate!();

/// The clearing house: the tenant the ledger works for. It sees every account (the migrations name
/// it too), belongs to nobody, and no token is ever issued for it.
pub const HOUSE: TenantId = TenantId(uuid::Uuid::from_u128(0x636c6561_7269_8e67_8000_000000000001));

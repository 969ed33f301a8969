//! PostgreSQL: the pool, the transaction of a call, commands, coalescing, the embedded cluster,
//! migrations and test databases.
//!
//! Always true here: the running platform works under the role [`APP_ROLE`], which owns nothing
//! and cannot bypass row security; a [`Tx`] is opened for named tenants and no others; a command
//! that met a serialisation failure or a deadlock starts over from nothing.
//!
//! Knows no business and no platform table: what must commit with a call is handed in.

mod at_once;
pub mod coalesce;
mod command;
mod db;
pub mod embedded;
pub mod failure;
mod flush;
mod lend;
pub mod migrate;
pub mod testdb;
mod tx;

pub use at_once::AtOnce;
pub use command::Command;
pub use db::{Db, PoolSettings};
pub use flush::Ahead;
pub use lend::Lent;
pub use tx::{Scope, Tx};

/// The role every pooled connection works under. Row security applies to it without exception.
pub const APP_ROLE: &str = "commonwheel_app";

//! The production cloud (车险业务生产云): quote, pre-confirm, payment, confirm, endorsement,
//! surrender, fees; claims from the report to the money; and reading all of it back.
//!
//! Always true here: a vehicle has one compulsory cover at a time across all insurers; a query
//! code serves one confirm; nothing is confirmed before its money is registered; a quote can be
//! computed again from what is stored, to the same fen; nothing a counterparty relied on is
//! overwritten. Time moves states, no job touches rows.
//!
//! Vocabulary, life cycles and rules are in `production-core`; arithmetic and tariffs in
//! `production-rating`.

pub mod api;
mod app;
pub mod book;
pub mod challenge;
pub mod changes;
pub mod claim;
pub mod collection;
pub mod confirm;
pub mod endorsement;
pub mod error;
pub mod export;
pub mod fee;
pub mod fee_register;
pub mod function;
pub mod history;
pub mod identity;
pub mod lookup;
pub mod numbering;
pub mod outside;
pub mod payment;
pub mod pre_confirm;
pub mod quote;
pub mod sealed;
pub mod store;
pub mod tax_delivery;

pub use app::{Parts, Production};
pub use error::ProductionError;

/// This crate's schema, run by `pg::migrate`.
pub static MIGRATIONS: sqlx::migrate::Migrator = sqlx::migrate!();

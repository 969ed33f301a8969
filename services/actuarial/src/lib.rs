//! The actuarial data cloud (数据精算云): portfolios a tenant imports, and runs of actuarial methods on
//! them.
//!
//! Always true here: a dataset's version never changes once it is done; a run names everything it
//! rests on (method, parameters, version of the data, version of the code, seed), so that the same
//! run has the same result to the bit; what is no number never leaves. Statistics are computed
//! beside this crate (`actuarial-models`); this crate reads files, checks what is asked, works in
//! the background and shows what was found. Every row and every file belongs to one tenant.
#![expect(
    clippy::float_arithmetic,
    reason = "statistics are floating point; no money that is owed is computed here"
)]

pub mod api;
pub mod app;
pub mod dataset;
pub mod error;
mod figure;
pub mod file;
pub mod function;
mod job;
pub mod method;
pub mod model;
pub mod question;
pub mod report;
pub mod run;
pub mod store;

pub use app::{Actuarial, Parts, Settings};
pub use error::ActuarialError;
pub use job::Attempt;

/// The sums over rows that runs ask for: what every node of a cluster must know.
pub fn tallyings() -> Vec<std::sync::Arc<dyn analytics::tally::Tallying>> {
    vec![std::sync::Arc::new(method::glm::GlmPasses)]
}

/// This crate's schema, run by `pg::migrate`.
pub static MIGRATIONS: sqlx::migrate::Migrator = sqlx::migrate!();

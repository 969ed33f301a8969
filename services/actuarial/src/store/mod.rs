//! The SQL of this crate: whole, literal, and deciding nothing.

pub mod dataset;
pub(crate) mod file;
pub mod model;
pub mod run;

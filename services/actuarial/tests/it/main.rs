//! The actuarial cloud on a real PostgreSQL: imports, runs, reports, and what is refused.
#![expect(clippy::unwrap_used, reason = "the helpers of a test may fail it")]
#![expect(clippy::float_arithmetic, reason = "figures are compared with those of other programs")]

mod customers;
mod datasets;
mod fraud;
mod indication;
mod jobs;
mod oracles;
mod pricing;
mod questions;
mod refusals;
mod region;
mod reserving;
mod support;
mod validation;
mod warning;

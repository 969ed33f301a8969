//! Statistics of a motor-insurance market: reserving, pricing models, credibility, early warning.
//!
//! Pure: no clock, no I/O, no hidden randomness; simulations take a seed. Input is checked where it
//! comes in, and a result that would not be a number is an error that says which one. Amounts are
//! `f64` in whatever unit the caller uses: what is owed and paid is computed elsewhere, in fen.
//! Reading data, labelling periods and showing results are the caller's.
#![expect(
    clippy::float_arithmetic,
    reason = "statistics are floating point; money is not computed here"
)]

pub mod credibility;
mod dense;
pub mod forecast;
pub mod glm;
pub mod indication;
mod linalg;
pub mod network;
mod number;
mod random;
pub mod region;
pub mod reserving;
pub mod scoring;
pub mod segments;
mod simplex;
mod special;
mod stop;
mod stored;
pub mod survival;
pub mod trees;
mod triangle;
pub mod validation;
pub mod warning;

pub use number::NotFinite;
pub use stop::{Stop, Stopped};
pub use stored::StoredError;
pub use triangle::Triangle;

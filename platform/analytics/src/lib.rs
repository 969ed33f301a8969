//! The lake and its engine: what the market recorded, kept as versioned Parquet, and the questions
//! asked of it.
//!
//! Always true here: a version of a dataset never changes and names every file it is made of; a
//! commit happens whole or not at all, and of two that build on the same version one wins; what is
//! read is what was written, or a named fault. Running, scheduling and who may ask what are left to
//! the crates above.

#[cfg(feature = "cluster")]
pub mod cluster;
pub mod encode;
#[cfg(feature = "engine")]
pub mod engine;
pub mod feed;
pub mod lake;
pub mod market;
pub mod question;
pub mod suppress;
pub mod tally;

//! The lake and the engine as their users see them.
#![expect(clippy::unwrap_used, reason = "what a test stands on fails by panicking")]

#[cfg(feature = "engine")]
mod attack;
#[cfg(feature = "cluster")]
mod cluster;
mod lake;
#[cfg(feature = "engine")]
mod own;
#[cfg(feature = "engine")]
mod publication;
#[cfg(feature = "s3")]
mod s3;
#[cfg(feature = "engine")]
mod support;

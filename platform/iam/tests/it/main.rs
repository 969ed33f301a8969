//! Tokens from the endpoint to the judge, on a real PostgreSQL.

#![expect(clippy::unwrap_used, reason = "what a test stands on fails by panicking")]

mod endpoint;
mod judge;
mod lifecycle;
mod world;

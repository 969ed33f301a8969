//! The crate against a real PostgreSQL.

mod embedded;
mod migrate;

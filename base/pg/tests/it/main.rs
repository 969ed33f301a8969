//! The crate against a real PostgreSQL.

#[cfg(test)]
mod embedded;
#[cfg(test)]
mod migrate;

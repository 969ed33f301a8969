//! The crate against a real PostgreSQL.

#[cfg(test)]
mod embedded;
#[cfg(test)]
mod flush;
#[cfg(test)]
mod migrate;

//! The crate against a real PostgreSQL.

#[cfg(test)]
mod embedded;
#[cfg(test)]
mod flush;
#[cfg(test)]
mod lend;
#[cfg(test)]
mod migrate;

//! The stored ledger on a real PostgreSQL: use cases, races, and crashes.

mod crash;
mod posting;
mod races;
mod reading;
mod support;
mod work;

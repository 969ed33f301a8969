//! The clearing cloud on a real PostgreSQL: use cases, races, and crashes.
#![expect(clippy::unwrap_used, reason = "the helpers of a test may fail it")]

mod advance;
mod bank_access;
mod books;
mod by_hand;
mod crash;
mod files;
mod payment;
mod posting;
mod premium;
mod races;
mod reading;
mod recovery;
mod recovery_origin;
mod recovery_route;
mod recovery_told;
mod register;
mod remittance;
mod sender_crash;
mod settlement;
mod support;
mod suspense;
mod three_legs;
#[path = "../../ledger/tests/it/words.rs"]
mod words;
mod work;
mod world;

//! Stories about the running binary.
#![expect(clippy::unwrap_used, reason = "what a test stands on fails by panicking")]

mod actuarial;
mod at_once;
mod bad_input;
mod claim_batch;
mod claim_crash;
mod claim_payment;
mod cluster;
mod crash;
mod document;
mod early_warning;
mod exports;
mod health;
mod indication;
mod lake;
mod load;
mod looked_at;
mod outside;
mod quota;
mod records;
mod recovery;
mod replay;
mod schema;
mod two_servers;

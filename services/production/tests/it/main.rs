//! The production cloud on a real PostgreSQL, against sandbox counterparties.
#![expect(clippy::unwrap_used, reason = "what a test stands on fails by panicking")]

mod changes;
mod changes_by_cover;
mod check;
mod claim_batches;
mod claim_clocks;
mod claim_hints;
mod claim_reading;
mod claim_scores;
mod claim_story;
mod claim_ways;
mod claims;
mod collection;
mod concurrent_histories;
mod dispute;
mod endorsement;
mod endorsement_amounts;
mod endorsement_ending;
mod export;
mod export_claims;
mod export_limits;
mod fees;
mod hint_windows;
mod reading;
mod recovery;
mod referrals;
mod stale_quotes;
mod support;
mod tax;
mod underwriting;
mod unknown_elements;

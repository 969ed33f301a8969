//! SQL of the production cloud. Functions take an open transaction or connection, return domain
//! types and decide nothing.

pub mod chain;
pub mod claim;
pub mod claim_dispute;
pub mod claim_lookup;
pub mod endorsement;
pub mod export;
pub mod export_rows;
pub mod fee;
pub mod identity;
pub mod known;
pub mod lookup;
pub mod policy;
pub mod proposal;
pub mod quote;
pub mod tariff;
pub mod tax;

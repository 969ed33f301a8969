//! SQL of the production cloud. Functions take an open transaction or connection, return domain
//! types and decide nothing.

/// A column of rows that are written as arrays.
macro_rules! column {
    ($rows:ident, |$row:ident| $value:expr) => {
        &$rows.iter().map(|$row| $value).collect::<Vec<_>>()
    };
}

mod brief;
pub mod chain;
pub mod changes;
pub mod claim;
pub mod claim_dispute;
pub mod claim_lookup;
pub mod claim_mark;
pub mod claim_score;
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
pub mod referral;
pub mod tariff;
pub mod tax;

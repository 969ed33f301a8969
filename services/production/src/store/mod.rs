//! SQL of the production cloud. Functions take an open transaction or connection, return domain
//! types and decide nothing.

pub mod endorsement;
pub mod known;
pub mod policy;
pub mod proposal;
pub mod quote;
pub mod tariff;
pub mod tax;

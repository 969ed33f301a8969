//! The pure heart of underwriting: vocabulary, life cycles and validation rules.
//!
//! Pure: no I/O, no clock of its own, no database, no HTTP. What may be wrong is parsed once into
//! a type that cannot be; what a market rule forbids is a finding that names the rule.

pub mod adjustment;
pub mod claim;
pub mod code;
pub mod cover;
pub mod endorsement;
pub mod exposure;
pub mod frame;
pub mod history;
pub mod insurer;
pub mod mark;
pub mod number;
pub mod party;
pub mod plate;
pub mod policy;
pub mod quote;
pub mod region;
pub mod rule;
pub mod rules;
pub mod statutory;
pub mod vehicle;

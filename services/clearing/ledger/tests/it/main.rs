//! The ledger from outside: codes in their precedence, rules by example, and a simulator that
//! drives it against an independent model.
#![expect(clippy::unwrap_used, reason = "the helpers of a test may fail it")]

mod disk;
mod model;
mod precedence;
mod rules;
mod simulator;
mod support;
mod words;

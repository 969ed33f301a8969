//! The ledger from outside: codes in their precedence, rules by example, and a simulator that
//! drives it against an independent model.

mod disk;
mod model;
mod precedence;
mod rules;
mod simulator;
mod support;

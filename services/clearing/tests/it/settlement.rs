//! Cycles, what is in them, and how they are settled.

mod agreement;
pub(crate) mod caps;
mod cycles;
mod failure;
mod flat_rate;
pub(crate) mod later;
pub(crate) mod market;
mod told;
mod whole;

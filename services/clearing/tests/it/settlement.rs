//! Cycles, what is in them, and how they are settled.

mod agreement;
mod cycles;
mod failure;
mod later;
mod market;
mod whole;

//! Cycles, what is in them, and how they are settled.

mod cycles;
mod market;

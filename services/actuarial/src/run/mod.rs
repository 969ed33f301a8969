//! 计算任务: runs of methods on versions of datasets.
//!
//! A run is an object that names everything its result rests on: method, parameters, the version of
//! the data by digest, the version of the code, the seed. Two runs that name the same have the same
//! result, to the bit, whichever server computes them; two that differ can be compared figure by
//! figure. What was asked for is checked before the run is taken on; what only the data can tell
//! ends the run with a problem document that says what to change.

pub mod diff;
mod passes;
pub mod relativities;
pub mod request;
pub mod view;
pub mod work;

kernel::id_type! {
    /// Names one run.
    pub RunId
}

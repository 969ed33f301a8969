//! Questions computed by a Ballista cluster instead of in this process.
//!
//! A [`Cluster`] names the scheduler; the engine then sends it the plans it would have carried out
//! itself. Scheduler and executors are programs of their own ([`node`]): they know the nodes of
//! these plans and have the same lake. What travels are plans and rows; where the lake lies and how
//! it is opened does not. Neither Ballista's nodes nor its rows on the way are protected by
//! themselves: they belong on a network of their own.

mod codec;
pub(crate) mod fault;
pub mod node;
mod remote;

pub use remote::Cluster;

//! Rating over the committed tariffs: worked examples, properties, and bundles with mistakes.
#![expect(clippy::unwrap_used, reason = "the helpers of a test may fail it")]

mod commercial;
mod compulsory;
mod histories;
mod loading;
mod market;
mod ncd;
mod properties;
mod proposals;
mod refunds;
mod tax;

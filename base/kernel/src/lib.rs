//! What every room speaks: money in fen, identifiers, Chinese civil time, days of rest, the clock.
//!
//! Pure: no I/O, no database, no HTTP. Time and randomness come in as [`Clock`] and [`Ids`], so
//! whatever is built on this crate replays.

pub mod calendar;
pub mod clock;
pub mod id;
pub mod money;
pub mod time;

pub use clock::{Clock, SetClock, SystemClock};
pub use id::{Ids, TenantId};
pub use money::Fen;
pub use time::Period;

// Named by `id_type!` in other crates.
#[doc(hidden)]
pub use serde;
#[cfg(feature = "sqlx")]
#[doc(hidden)]
pub use sqlx;
#[doc(hidden)]
pub use uuid;

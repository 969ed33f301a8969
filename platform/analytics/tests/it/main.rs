//! The lake and the engine as their users see them.

#[cfg(feature = "engine")]
mod attack;
mod lake;
#[cfg(feature = "engine")]
mod own;
#[cfg(feature = "engine")]
mod publication;
#[cfg(feature = "engine")]
mod support;

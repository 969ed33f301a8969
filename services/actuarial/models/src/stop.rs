//! Calling a long computation off.
//!
//! What takes long asks between its steps (passes over the rows, trees, batches of draws) whether it
//! shall end, and then fails as its family's `Stopped`. Nothing half-done is answered.

use std::fmt;

/// What is asked between the steps of a computation: whether it shall end.
#[derive(Clone, Copy, Default)]
pub struct Stop<'a>(Option<&'a (dyn Fn() -> bool + Sync)>);

/// Somebody called the computation off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the computation was called off")]
pub struct Stopped;

impl<'a> Stop<'a> {
    /// Never ends a computation.
    pub const NEVER: Stop<'static> = Stop(None);

    /// Ends a computation as soon as `asked` says so; it is asked by whichever thread computes.
    pub fn when(asked: &'a (dyn Fn() -> bool + Sync)) -> Stop<'a> {
        Stop(Some(asked))
    }

    /// Fails when the computation shall end.
    pub(crate) fn ask(self) -> Result<(), Stopped> {
        if self.0.is_some_and(|asked| asked()) { Err(Stopped) } else { Ok(()) }
    }
}

impl fmt::Debug for Stop<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Stop(when asked)" } else { "Stop(never)" })
    }
}

//! The clock as an argument.

use std::sync::atomic::{AtomicI64, Ordering};

use jiff::{SignedDuration, Timestamp};

/// Tells the time. Everything that asks for "now" asks one of these.
pub trait Clock: Send + Sync + 'static {
    /// The present instant, to the microsecond PostgreSQL keeps.
    fn now(&self) -> Timestamp;
}

/// The machine's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the machine's clock")]
    fn now(&self) -> Timestamp {
        to_microseconds(Timestamp::now())
    }
}

/// A clock that stands where it was put: for tests and for walking the sandbox through years.
#[derive(Debug)]
pub struct SetClock(AtomicI64);

impl SetClock {
    /// A clock standing at `at`.
    pub fn at(at: Timestamp) -> SetClock {
        SetClock(AtomicI64::new(at.as_microsecond()))
    }

    /// Moves the clock to `at`, also backwards.
    pub fn set(&self, at: Timestamp) {
        self.0.store(at.as_microsecond(), Ordering::SeqCst);
    }

    /// Moves the clock by `by`.
    pub fn advance(&self, by: SignedDuration) {
        let micros = i64::try_from(by.as_micros()).unwrap_or(i64::MAX);
        self.0.fetch_add(micros, Ordering::SeqCst);
    }
}

impl Clock for SetClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_microsecond(self.0.load(Ordering::SeqCst)).unwrap_or(Timestamp::MAX)
    }
}

/// Drops what PostgreSQL would not keep, so that an instant reads back as it was written.
pub fn to_microseconds(at: Timestamp) -> Timestamp {
    Timestamp::from_microsecond(at.as_microsecond()).unwrap_or(at)
}

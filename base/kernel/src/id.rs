//! Identifiers: a type for each kind, made from a seeded source in tests.

use std::sync::Mutex;

use jiff::Timestamp;
use rand::{RngCore, SeedableRng};
use rand_chacha::ChaCha12Rng;
use uuid::Uuid;

/// A source of version 7 identifiers (time-ordered). Cheap to share, one per process.
#[derive(Debug)]
pub struct Ids(Mutex<ChaCha12Rng>);

impl Ids {
    /// Seeded by the operating system.
    pub fn from_os() -> Ids {
        Ids(Mutex::new(ChaCha12Rng::from_os_rng()))
    }

    /// The same `seed` and instants give the same identifiers.
    pub fn seeded(seed: u64) -> Ids {
        Ids(Mutex::new(ChaCha12Rng::seed_from_u64(seed)))
    }

    /// The next identifier, ordered by `now` to the millisecond.
    pub fn next(&self, now: Timestamp) -> Uuid {
        let millis = u64::try_from(now.as_millisecond()).unwrap_or(0);
        uuid::Builder::from_unix_timestamp_millis(millis, &self.bytes()).into_uuid()
    }

    /// Random bytes from the same source, for nonces that need no secrecy of their own.
    pub fn bytes<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        // A poisoned lock still holds a usable generator: filling bytes cannot leave it half-done.
        self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).fill_bytes(&mut bytes);
        bytes
    }
}

/// Declares an identifier type over a UUID: `id_type!(/// Names one claim. pub ClaimId);`
#[macro_export]
macro_rules! id_type {
    ($(#[$meta:meta])* $visibility:vis $name:ident) => {
        $(#[$meta])*
        #[derive(
            Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash,
            $crate::serde::Serialize, $crate::serde::Deserialize,
        )]
        #[serde(transparent, crate = "kernel::serde")]
        $visibility struct $name(pub $crate::uuid::Uuid);

        impl ::std::fmt::Display for $name {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                ::std::fmt::Display::fmt(&self.0, f)
            }
        }
    };
}

/// Names one tenant: an insurer, a regulator, an agency, a partner or the operator.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
#[serde(transparent)]
pub struct TenantId(pub Uuid);

impl std::fmt::Display for TenantId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(&self.0, f)
    }
}

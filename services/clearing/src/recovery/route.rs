//! Which way an accident of a vehicle is settled: 互碰自赔 or recovery, never both.

use jiff::{SignedDuration, Timestamp};
use kernel::TenantId;
use pg::Tx;

use super::store;
use crate::error::ClearingError;

/// Reports of one accident may differ by so much (rule L52): two accidents of a vehicle closer than
/// this are taken for one, which refuses the second way and never allows it.
const APART: SignedDuration = SignedDuration::from_hours(24);

/// A way to settle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Route {
    /// 互碰自赔: each side pays its own.
    Mutual,
    /// 代位求偿.
    Recovery,
}

impl Route {
    /// The word of storage.
    pub const fn name(self) -> &'static str {
        match self {
            Route::Mutual => "mutual",
            Route::Recovery => "recovery",
        }
    }
}

/// Takes a way for a vehicle's accident, in the caller's transaction; whether nobody goes the other.
/// Waits for whoever is about to take it.
///
/// `vehicle` is the digest of its frame number; `holder` is the claim or the recovery code.
pub async fn take(
    tx: &mut Tx,
    vehicle: [u8; 16],
    accident_at: Timestamp,
    route: Route,
    (holder, tenant): (&str, TenantId),
    now: Timestamp,
) -> Result<bool, ClearingError> {
    // Two such ranges overlap when the accidents are less than a day apart.
    let half = APART / 2;
    let from = accident_at.checked_sub(half).unwrap_or(Timestamp::MIN);
    let to = accident_at.checked_add(half).unwrap_or(Timestamp::MAX);
    store::route::take_route(tx, vehicle, (from, to), route.name(), (holder, tenant), now).await
}

/// Gives back whatever ways `holder` took.
pub async fn release(tx: &mut Tx, holder: &str, now: Timestamp) -> Result<(), ClearingError> {
    store::route::release_routes(tx, holder, now).await
}

//! Recovery locks that touch a case: a question for the clearing cloud, asked at call time.
//!
//! The answer of every step is also the channel on which a liable insurer learns that another one
//! recovers from it (LOCKED_LIST).

use futures::FutureExt;
use futures::future::BoxFuture;
use production_core::number::PlatformNumber;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::error::ProductionError;

/// A recovery lock as an insurer of the case sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RecoveryLock {
    /// 结算码.
    pub recovery_code: String,
    /// Status of list `recovery_code_status`.
    pub status: String,
    /// The case locked.
    pub claim_code: String,
    /// Who recovers.
    pub recovering_insurer: String,
    /// From whom.
    pub liable_insurer: String,
}

/// Who knows of recovery locks.
pub trait RecoveryLocks: Send + Sync + 'static {
    /// Locks that touch each of the cases, in order.
    fn touching<'a>(
        &'a self,
        claims: &'a [PlatformNumber],
    ) -> BoxFuture<'a, Result<Vec<Vec<RecoveryLock>>, ProductionError>>;
}

/// A market without a clearing cloud: nothing is ever locked.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoLocks;

impl RecoveryLocks for NoLocks {
    fn touching<'a>(
        &'a self,
        claims: &'a [PlatformNumber],
    ) -> BoxFuture<'a, Result<Vec<Vec<RecoveryLock>>, ProductionError>> {
        async move { Ok(vec![Vec::new(); claims.len()]) }.boxed()
    }
}

//! The clearing cloud as one value: everything its commands need, cheap to clone.

use std::ops::Deref;
use std::sync::Arc;

use base_http::Spine;
use crypto::SigningKey;
use kernel::TenantId;
use pg::Scope;
use tenancy::{InsurerCode, Parameters, TenantKeys};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::error::ClearingError;
use crate::ledger::Ledger;
use crate::payment::bank::Bank;
use crate::payment::premium::Policies;
use crate::recovery::Market;

/// What the clearing cloud is made of. Every request takes a clone, and clones share it.
#[derive(Clone)]
pub struct Clearing(Arc<Parts>);

/// What it is built over.
pub struct Parts {
    /// Serves and records calls.
    pub spine: Spine,
    /// Moves money.
    pub ledger: Ledger,
    /// Signs settlement statements.
    pub statement_key: SigningKey,
    /// Seal account numbers.
    pub keys: Arc<TenantKeys>,
    /// Moves the money itself.
    pub bank: Arc<dyn Bank>,
    /// The public half of the key the bank signs its notices with.
    pub bank_key: [u8; 32],
    /// Keeps the quotes and endorsements that premiums are collected for and given back with.
    pub policies: Arc<dyn Policies>,
    /// Knows policies and claims.
    pub market: Arc<dyn Market>,
    /// The operator's tenant, which is told of recoveries as both sides are.
    pub operator: TenantId,
    /// Figures of regions and members.
    pub parameters: Arc<Parameters>,
}

impl Clearing {
    /// Starts what runs beside the calls on `tracker`; it ends with `stop`.
    pub fn start(parts: Parts, tracker: &TaskTracker, stop: &CancellationToken) -> Clearing {
        tracker.spawn(parts.ledger.clone().keep_expiring(stop.clone()));
        let clearing = Clearing(Arc::new(parts));
        tracker.spawn(clearing.clone().keep_settling(stop.clone()));
        tracker.spawn(clearing.clone().keep_telling_late(stop.clone()));
        clearing
    }

    /// The insurer of a code, whether it ever took part or not.
    pub(crate) async fn insurer(&self, code: &InsurerCode) -> Result<TenantId, ClearingError> {
        let mut tx = self.spine.db().begin(Scope::nobody()).await?;
        let found = tenancy::find_by_insurer_code(&mut tx, code).await?;
        Ok(found.ok_or_else(|| ClearingError::not_found("insurer", code))?.tenant_id)
    }
}

impl Deref for Clearing {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0
    }
}

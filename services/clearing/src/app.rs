//! The clearing cloud as one value: everything its commands need, cheap to clone.

use std::ops::Deref;
use std::sync::Arc;

use base_http::Spine;
use crypto::SigningKey;
use tenancy::TenantKeys;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::ledger::Ledger;
use crate::payment::bank::Bank;

/// What the clearing cloud is made of. Every request takes a clone, and clones share it.
#[derive(Clone)]
pub struct Clearing(Arc<Rooms>);

/// What is shared.
pub struct Rooms {
    pub(crate) spine: Spine,
    pub(crate) ledger: Ledger,
    pub(crate) statement_key: SigningKey,
    pub(crate) keys: Arc<TenantKeys>,
    pub(crate) bank: Arc<dyn Bank>,
    pub(crate) bank_key: [u8; 32],
}

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
}

impl Clearing {
    /// Starts what runs beside the calls on `tracker`; it ends with `stop`.
    pub fn start(parts: Parts, tracker: &TaskTracker, stop: &CancellationToken) -> Clearing {
        let Parts { spine, ledger, statement_key, keys, bank, bank_key } = parts;
        tracker.spawn(ledger.clone().keep_expiring(stop.clone()));
        let rooms = Rooms { spine, ledger, statement_key, keys, bank, bank_key };
        let clearing = Clearing(Arc::new(rooms));
        tracker.spawn(clearing.clone().keep_settling(stop.clone()));
        clearing
    }
}

impl Deref for Clearing {
    type Target = Rooms;

    fn deref(&self) -> &Rooms {
        &self.0
    }
}

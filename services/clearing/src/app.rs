//! The clearing cloud as one value: everything its commands need, cheap to clone.

use std::ops::Deref;
use std::sync::Arc;

use base_http::Spine;
use crypto::SigningKey;
use tenancy::{Parameters, TenantKeys};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::ledger::Ledger;
use crate::payment::bank::Bank;
use crate::payment::premium::Quotes;
use crate::recovery::Market;

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
    pub(crate) quotes: Arc<dyn Quotes>,
    pub(crate) market: Arc<dyn Market>,
    pub(crate) parameters: Arc<Parameters>,
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
    /// Keeps the quotes premiums are collected for.
    pub quotes: Arc<dyn Quotes>,
    /// Knows policies and claims.
    pub market: Arc<dyn Market>,
    /// Figures of regions and members.
    pub parameters: Arc<Parameters>,
}

impl Clearing {
    /// Starts what runs beside the calls on `tracker`; it ends with `stop`.
    pub fn start(parts: Parts, tracker: &TaskTracker, stop: &CancellationToken) -> Clearing {
        let Parts {
            spine,
            ledger,
            statement_key,
            keys,
            bank,
            bank_key,
            quotes,
            market,
            parameters,
        } = parts;
        tracker.spawn(ledger.clone().keep_expiring(stop.clone()));
        let rooms = Rooms {
            spine,
            ledger,
            statement_key,
            keys,
            bank,
            bank_key,
            quotes,
            market,
            parameters,
        };
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

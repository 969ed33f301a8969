//! The production cloud as one value: everything its commands need, cheap to clone.

use std::ops::Deref;
use std::sync::Arc;

use base_http::spine::Coalesced;
use base_http::{Spine, WritesAtOnce};
use pg::coalesce::Lanes;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::book::TariffBook;
use crate::challenge::Challenges;
use crate::claim::score::ScoreDesk;
use crate::claim::{ClaimScorer, RecordStep, RecoveryLocks};
use crate::confirm::ConfirmQuote;
use crate::history::History;
use crate::numbering::Numbering;
use crate::outside::Outside;
use crate::quote::RecordQuote;
use crate::sealed::Sealer;

/// What the production cloud is made of. Every request takes a clone, and clones share it.
#[derive(Clone)]
pub struct Production(Arc<Rooms>);

/// What is shared.
pub struct Rooms {
    pub(crate) spine: Spine,
    pub(crate) book: Arc<TariffBook>,
    pub(crate) history: History,
    pub(crate) outside: Outside,
    pub(crate) numbering: Arc<Numbering>,
    pub(crate) sealer: Sealer,
    pub(crate) challenges: Arc<Challenges>,
    pub(crate) quotes: Coalesced<RecordQuote>,
    pub(crate) confirms: Coalesced<ConfirmQuote>,
    pub(crate) claim_steps: Coalesced<RecordStep>,
    pub(crate) locks: Arc<dyn RecoveryLocks>,
    pub(crate) scores: Arc<ScoreDesk>,
    /// Work that goes on beside the request it came with; waited for at the end.
    pub(crate) tasks: TaskTracker,
}

/// What it is built over.
pub struct Parts {
    /// Serves and records calls.
    pub spine: Spine,
    /// Tariffs.
    pub book: Arc<TariffBook>,
    /// Police, model library, tax office.
    pub outside: Outside,
    /// Personal data.
    pub sealer: Sealer,
    /// Image challenges.
    pub challenges: Arc<Challenges>,
    /// Who knows of recovery locks.
    pub locks: Arc<dyn RecoveryLocks>,
    /// Who scores claims.
    pub scorer: Arc<dyn ClaimScorer>,
    /// Who writes sets of quotes with all that is recorded beside them.
    pub quote_writer: Arc<dyn WritesAtOnce<RecordQuote>>,
}

impl Production {
    /// Starts the lanes of the hot commands on `tracker`; they end with `stop`.
    pub fn start(
        parts: Parts,
        cut: Lanes,
        tracker: &TaskTracker,
        stop: &CancellationToken,
    ) -> Production {
        let db = parts.spine.db().clone();
        Production(Arc::new(Rooms {
            history: History::start(db.clone(), cut, tracker, stop),
            quotes: parts.spine.coalesce_ready(parts.quote_writer, cut, tracker, stop),
            confirms: parts.spine.coalesce(cut, tracker, stop),
            claim_steps: parts.spine.coalesce(cut, tracker, stop),
            locks: parts.locks,
            scores: Arc::new(ScoreDesk::open(parts.scorer)),
            tasks: tracker.clone(),
            numbering: Arc::new(Numbering::new(db)),
            spine: parts.spine,
            book: parts.book,
            outside: parts.outside,
            sealer: parts.sealer,
            challenges: parts.challenges,
        }))
    }
}

impl Deref for Production {
    type Target = Rooms;

    fn deref(&self) -> &Rooms {
        &self.0
    }
}

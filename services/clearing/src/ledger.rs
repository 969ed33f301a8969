//! The ledger as it is stored and served.
//!
//! Single calls become sets ([`pg::coalesce`]): a set locks its accounts in the order of their ids,
//! judges every chain on one [`clearing_ledger::Book`], and writes everything with one statement per
//! table in one transaction. An account on every transfer, such as a large insurer's, is one row
//! lock and one update a set. Sets commit ahead of the disk: their accounts are free for the next
//! set while the log is flushed, and callers are answered after that.

mod batch;
mod error;
mod open;
mod proof;
mod read;
mod store;

use std::sync::Arc;
use std::time::Duration;

use clearing_ledger::{Account, AccountId, Chain, Limits, NewAccount, Outcome};
use futures::future::join_all;
use kernel::{Clock, Ids, TenantId};
use pg::coalesce::{Coalescer, Lanes, Sets};
use pg::{Ahead, Db, Scope, failure};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use batch::settle;
pub use error::LedgerError;
pub use open::{OpenError, hold, open_all};
pub(crate) use open::{lift_debit_caps, limit, unopened};
pub use proof::{Proof, Sums};
pub use read::{
    Cursor, CursorError, Line, Side, Statement, account, accounts_of, accounts_of_cycle,
    balance_at, record, statement,
};

use crate::HOUSE;
use open::{OpenAccount, SetLimits};

/// How the ledger's sets are cut: large, because sets that share an account take turns and a transfer is
/// little else than its part of a set.
pub const LANES: Lanes = Lanes { lanes: 2, set: 512, queue: 8192, sets: Sets::Large };

/// How often a set starts over after a serialisation failure, a deadlock or a race for an id.
const ATTEMPTS: u32 = 5;
/// How often reservations that nobody touches are looked at.
const SWEEP_EVERY: Duration = Duration::from_secs(1);
/// Most reservations expired in one transaction.
const SWEEP: u16 = 500;

/// One outcome per member of a chain.
type Answer = Result<Vec<Outcome>, LedgerError>;

/// Moves money. Cheap to clone.
#[derive(Clone)]
pub struct Ledger {
    engine: Engine,
    sets: Coalescer<Chain, Answer>,
}

/// What a set needs.
#[derive(Clone)]
struct Engine {
    db: Db,
    clock: Arc<dyn Clock>,
    ids: Arc<Ids>,
}

impl Ledger {
    /// Starts the lanes that serve sets. They end when `stop` is cancelled and nothing waits.
    pub fn start(
        db: Db,
        clock: Arc<dyn Clock>,
        ids: Arc<Ids>,
        cut: Lanes,
        tracker: &TaskTracker,
        stop: &CancellationToken,
    ) -> Ledger {
        let engine = Engine { db, clock, ids };
        let served = Engine { db: engine.db.kept(cut.lanes), ..engine.clone() };
        let work = move |set: Vec<Chain>| {
            let engine = served.clone();
            async move { engine.run_set(&set).await }
        };
        let sets = Coalescer::start_staged("ledger.submit", cut, tracker, stop, work, when_durable);
        Ledger { engine, sets }
    }

    /// Judges a chain and does it or refuses it; one outcome per member, in order, committed.
    ///
    /// After an error it is not known whether the chain was done: the same chain, submitted again,
    /// gets the answer it got or would have got.
    pub async fn submit_chain(&self, chain: Chain) -> Result<Vec<Outcome>, LedgerError> {
        self.sets.submit(chain).await?
    }

    /// The same for chains that do not depend on each other; in any order, each with its own
    /// answer.
    pub async fn submit(&self, chains: Vec<Chain>) -> Vec<Result<Vec<Outcome>, LedgerError>> {
        join_all(chains.into_iter().map(|chain| self.submit_chain(chain))).await
    }

    /// Opens an account, or finds it when the same one was opened before.
    pub async fn open(&self, account: NewAccount) -> Result<Account, OpenError> {
        let command = OpenAccount { account, now: self.engine.clock.now() };
        self.engine.db.run(house(), &command).await
    }

    /// Sets how far an account may go from now on. What came about before stands.
    pub async fn set_limits(&self, account: AccountId, limits: Limits) -> Result<(), LedgerError> {
        let command = SetLimits { account, limits, now: self.engine.clock.now() };
        self.engine.db.run(house(), &command).await
    }

    /// Expires up to 500 reservations that are due; how many it looked at.
    pub async fn expire_due(&self) -> Result<usize, LedgerError> {
        self.engine.expire_due().await
    }

    /// Expires what is due, every second, until `stop`. A reservation whose accounts are used
    /// expires with that use; this is for the others.
    pub async fn keep_expiring(self, stop: CancellationToken) {
        let mut ticks = tokio::time::interval(SWEEP_EVERY);
        while stop.run_until_cancelled(ticks.tick()).await.is_some() {
            loop {
                match self.expire_due().await {
                    Ok(looked_at) if looked_at == usize::from(SWEEP) => {}
                    Ok(_) => break,
                    Err(error) => {
                        tracing::warn!(%error, "cannot expire reservations; later");
                        break;
                    }
                }
            }
        }
    }

    /// Whether debits equal credits, from the accounts, as of one snapshot. Cheap.
    pub async fn sums(&self) -> Result<Vec<Sums>, LedgerError> {
        let mut tx = self.engine.db.begin(house()).await?;
        let sums = proof::sums(&mut tx).await?;
        tx.commit().await?;
        Ok(sums)
    }

    /// Works out every balance anew from the transfers, as of one snapshot. Reads everything.
    pub async fn prove(&self) -> Result<Proof, LedgerError> {
        let mut tx = self.engine.db.begin(house()).await?;
        let proof = proof::prove(&mut tx).await?;
        tx.commit().await?;
        Ok(proof)
    }
}

/// The scope of a transaction in which [`settle`] is called beside work for `tenants`.
pub fn scope(tenants: impl IntoIterator<Item = TenantId>) -> Scope {
    Scope::of_all(tenants.into_iter().chain([HOUSE]))
}

fn house() -> Scope {
    Scope::of(HOUSE)
}

/// Members of a set that share a transaction, in order, and what must be durable before they are
/// answered.
struct Part {
    ahead: Ahead,
    outcomes: Vec<Answer>,
}

/// Answers the members of a set once nothing their answers rest on can be lost any more.
async fn when_durable(parts: Vec<Part>) -> Vec<Answer> {
    let mut outcomes = Vec::with_capacity(parts.len());
    for part in parts {
        match part.ahead.durable().await.map_err(LedgerError::from) {
            Ok(()) => outcomes.extend(part.outcomes),
            Err(error) => outcomes.extend(part.outcomes.iter().map(|_| Err(error.clone()))),
        }
    }
    outcomes
}

impl Engine {
    /// One part, unless members had to run one by one.
    async fn run_set(&self, set: &[Chain]) -> Vec<Part> {
        let mut attempt = 1;
        loop {
            match self.try_set(set).await {
                Ok(part) => return vec![part],
                Err(error) if attempt < ATTEMPTS && failure::is_retryable(&error) => attempt += 1,
                // One bad member spoilt the transaction: each runs by itself.
                Err(error) if set.len() > 1 && !failure::is_unavailable(&error) => {
                    tracing::warn!(set = set.len(), %error, "a set of transfers is run one by one");
                    let mut parts = Vec::with_capacity(set.len());
                    for member in set {
                        parts.extend(Box::pin(self.run_set(std::slice::from_ref(member))).await);
                    }
                    return parts;
                }
                Err(error) => {
                    let outcomes = set.iter().map(|_| Err(error.clone())).collect();
                    return vec![Part { ahead: Ahead::default(), outcomes }];
                }
            }
        }
    }

    async fn try_set(&self, set: &[Chain]) -> Result<Part, LedgerError> {
        let mut tx = self.db.begin_ahead(house()).await?;
        match settle(&mut tx, set, self.clock.now(), &self.ids).await {
            Ok(outcomes) => {
                let ahead = tx.commit_ahead().await?;
                Ok(Part { ahead, outcomes: outcomes.into_iter().map(Ok).collect() })
            }
            Err(error) => {
                // Rolled back now: the next attempt must not find its own locks still held.
                if let Err(error) = tx.rollback().await {
                    tracing::debug!(%error, "a spoilt transaction ended with its connection");
                }
                Err(error)
            }
        }
    }

    async fn expire_due(&self) -> Result<usize, LedgerError> {
        let mut tx = self.db.begin(house()).await?;
        let looked_at = batch::sweep(&mut tx, SWEEP, self.clock.now(), &self.ids).await?;
        tx.commit().await?;
        Ok(looked_at)
    }
}

//! Connections on loan.
//!
//! The pool asks each connection that comes back whether it lives: a round trip, and two wake-ups, for
//! every transaction. Lanes that work all the time keep theirs at hand instead. The pool sees one
//! again when it has served its [`TURN`], when it failed, or when it was let go of in the middle of
//! something.

use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use sqlx::pool::PoolConnection;
use sqlx::{Connection, PgConnection, PgPool, Postgres};

/// How long a connection is kept before the pool has a look at its age.
const TURN: Duration = Duration::from_mins(1);
/// A connection that answered so lately needs no asking whether it lives.
const LATELY: Duration = Duration::from_secs(1);

/// Lends the connections of a pool.
#[derive(Clone, Debug)]
pub(crate) struct Lender {
    pool: PgPool,
    /// Where connections rest between two loans, unless they go back to the pool.
    shelf: Option<Arc<Shelf>>,
}

impl Lender {
    /// Every connection goes back to `pool`.
    pub(crate) fn of(pool: PgPool) -> Lender {
        Lender { pool, shelf: None }
    }

    /// Connections of `pool` are kept. Nobody else may take any of it: they would wait for those kept.
    pub(crate) fn keeping(pool: PgPool) -> Lender {
        Lender { pool, shelf: Some(Arc::default()) }
    }

    pub(crate) fn pool(&self) -> &PgPool {
        &self.pool
    }

    /// The connection kept last, or one of the pool.
    pub(crate) async fn lend(&self) -> Result<Lent, sqlx::Error> {
        let kept = self.shelf.as_ref().and_then(|shelf| shelf.connections().pop());
        let resting = match kept {
            Some(resting) => resting,
            None => {
                Resting { conn: self.pool.acquire().await?, taken: Instant::now(), since: None }
            }
        };
        Ok(Lent { resting, shelf: self.shelf.clone() })
    }

    /// The same, asked whether it lives unless it answered lately: for statements that cannot be
    /// repeated when the connection turns out to be dead.
    pub(crate) async fn lend_alive(&self) -> Result<Lent, sqlx::Error> {
        let mut lent = self.lend().await?;
        if lent.resting.since.is_none_or(|since| LATELY < since.elapsed()) {
            lent.ping().await?;
        }
        Ok(lent)
    }

    /// Has the pool look after all that is kept: one of them was found dead.
    pub(crate) fn doubt(&self) {
        if let Some(shelf) = &self.shelf {
            shelf.connections().clear();
        }
    }
}

/// Connections that are kept, the one used last on top.
#[derive(Debug, Default)]
struct Shelf(Mutex<Vec<Resting>>);

#[derive(Debug)]
struct Resting {
    conn: PoolConnection<Postgres>,
    /// When it was taken from the pool.
    taken: Instant,
    /// When it was last given back; `None` on its first loan.
    since: Option<Instant>,
}

impl Shelf {
    fn connections(&self) -> MutexGuard<'_, Vec<Resting>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Shelf {
    /// The pool goes with it, so nothing goes back to it, which would need the runtime.
    fn drop(&mut self) {
        let connections = self.0.get_mut().unwrap_or_else(PoisonError::into_inner);
        for resting in connections.drain(..) {
            drop(resting.conn.detach());
        }
    }
}

/// A connection on loan. Dropped, it goes back to the pool, which rolls back what is open and asks
/// whether it lives; a healthy one with nothing open is better given back with [`Lent::keep`].
#[derive(Debug)]
pub struct Lent {
    resting: Resting,
    shelf: Option<Arc<Shelf>>,
}

impl Lent {
    /// Gives the connection back, at rest: its last statement succeeded and no transaction is open.
    pub fn keep(self) {
        let Lent { resting, shelf } = self;
        let now = Instant::now();
        if let Some(shelf) = shelf
            && now.duration_since(resting.taken) < TURN
        {
            shelf.connections().push(Resting { since: Some(now), ..resting });
        }
    }
}

impl Deref for Lent {
    type Target = PgConnection;

    fn deref(&self) -> &PgConnection {
        &self.resting.conn
    }
}

impl DerefMut for Lent {
    fn deref_mut(&mut self) -> &mut PgConnection {
        &mut self.resting.conn
    }
}

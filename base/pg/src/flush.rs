//! Commits ahead of the disk: a transaction that commits without waiting for its log lets go of
//! its locks at once, and whoever is told of it waits here for a flush that covers it.
//!
//! One session flushes for all. It commits a transaction that writes to the log and waits as the
//! database is set to, for the disk and for synchronous standbys; the log is one sequence, so this
//! covers every commit that had returned before. Commits that return while a flush is under way
//! share the next one.
//!
//! Always true here: nothing is called durable on the word of a session that was opened after the
//! commit. A database that crashed and came back may have forgotten the commit and would flush
//! gladly without it; but a crash ends every session, so one that was open before the commit and
//! answers after it proves that there was none.

use std::fmt;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions, Connection, PgConnection, PgPool};

/// Assigns a transaction id and writes a record. Without an id a commit waits for nothing, and with
/// one that wrote nothing (`pg_current_xact_id`) neither.
const FLUSH: &str = "select pg_logical_emit_message(true, 'commonwheel.flush', '')";
/// A session that flushed so lately needs no asking whether it lives.
const LATELY: Duration = Duration::from_secs(1);

/// Flushes the log for everybody. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Flusher(Arc<Shared>);

struct Shared {
    options: Arc<PgConnectOptions>,
    /// How many flushes were asked for so far; the last one's place in line.
    asked: AtomicU64,
    /// The session that is open, and when it last answered or was given work.
    heard: Mutex<Option<(u64, Instant)>>,
    desk: tokio::sync::Mutex<Desk>,
}

/// Where one flush at a time is made.
#[derive(Default)]
struct Desk {
    /// Number of the session; it changes whenever one is opened.
    session: u64,
    conn: Option<PgConnection>,
    /// Places in line up to this one are covered by a flush of this session.
    covered: u64,
}

impl fmt::Debug for Flusher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Flusher")
    }
}

impl Flusher {
    /// A flusher for the database of `pool`, over a connection of its own, opened when needed.
    pub(crate) fn new(pool: &PgPool) -> Flusher {
        Flusher(Arc::new(Shared {
            options: pool.connect_options(),
            asked: AtomicU64::new(0),
            heard: Mutex::new(None),
            desk: tokio::sync::Mutex::default(),
        }))
    }

    /// What is committed from now on and is to be covered by this session. Opens one when there is
    /// none, or when a long silent one does not answer.
    pub(crate) async fn promise(&self) -> Result<Ahead, sqlx::Error> {
        let heard = *self.0.heard();
        let session = match heard.filter(|(_, at)| at.elapsed() < LATELY) {
            Some((session, _)) => session,
            None => self.0.open().await?,
        };
        Ok(Ahead(Some((self.clone(), session))))
    }

    /// Has the session asked whether it lives before it is relied on again: others have died.
    pub(crate) fn doubt(&self) {
        *self.0.heard() = None;
    }

    /// Returns once everything is durable that was committed before the call and after `session`
    /// was opened.
    async fn flush(self, session: u64) -> Result<(), sqlx::Error> {
        let shared = self.0;
        let place = shared.asked.fetch_add(1, Ordering::SeqCst) + 1;
        // A task of its own: a caller that goes away must not take the session with it.
        let flushed = tokio::spawn(async move { shared.cover(session, place).await });
        flushed.await.unwrap_or_else(|_| Err(unknown()))
    }

    /// Ends the session in order.
    pub(crate) async fn close(&self) {
        *self.0.heard() = None;
        if let Some(conn) = self.0.desk.lock().await.conn.take() {
            // It ends either way.
            let _ = conn.close().await;
        }
    }
}

impl Shared {
    fn heard(&self) -> MutexGuard<'_, Option<(u64, Instant)>> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The number of a session that lives.
    async fn open(&self) -> Result<u64, sqlx::Error> {
        let mut desk = self.desk.lock().await;
        if let Some(mut conn) = desk.conn.take()
            && conn.ping().await.is_ok()
        {
            desk.conn = Some(conn);
        }
        if desk.conn.is_none() {
            let conn = self.options.connect().await?;
            *desk = Desk { session: desk.session + 1, conn: Some(conn), covered: 0 };
        }
        *self.heard() = Some((desk.session, Instant::now()));
        Ok(desk.session)
    }

    /// Waits for its turn, and flushes for everybody in line unless somebody did meanwhile.
    async fn cover(&self, session: u64, place: u64) -> Result<(), sqlx::Error> {
        let mut desk = self.desk.lock().await;
        if desk.session != session {
            return Err(unknown());
        }
        if place <= desk.covered {
            return Ok(());
        }
        let mut conn = desk.conn.take().ok_or_else(unknown)?;
        let covers = self.asked.load(Ordering::SeqCst);
        *self.heard() = Some((session, Instant::now()));
        if let Err(error) = sqlx::query(FLUSH).execute(&mut conn).await {
            tracing::warn!(%error, "cannot flush the log; what was committed ahead is not known");
            *self.heard() = None;
            // Also when the database only complained: the caller must not start over.
            return Err(unknown());
        }
        desk.conn = Some(conn);
        desk.covered = covers;
        *self.heard() = Some((session, Instant::now()));
        Ok(())
    }
}

/// The session that could have told is gone: for callers the same as a commit whose connection
/// broke.
fn unknown() -> sqlx::Error {
    let told = "the session that flushes the log was lost before it covered the commit";
    sqlx::Error::Io(io::Error::new(io::ErrorKind::ConnectionAborted, told))
}

/// Something that was committed, or seen, ahead of the disk. Nobody may be told of it before
/// [`Ahead::durable`].
#[must_use = "what is ahead of the disk may still be lost"]
#[derive(Clone, Debug, Default)]
pub struct Ahead(Option<(Flusher, u64)>);

impl Ahead {
    /// Waits until it can no longer be lost. After an error it is not known whether it is there, as
    /// after a commit whose connection broke.
    pub async fn durable(self) -> Result<(), sqlx::Error> {
        match self.0 {
            Some((flusher, session)) => flusher.flush(session).await,
            // Nothing is ahead.
            None => Ok(()),
        }
    }
}

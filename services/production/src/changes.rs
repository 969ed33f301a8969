//! What was written since a cursor, of every insurer, as rows of the market's record.
//!
//! Policies and claims are histories that are only added to, so what is new is what their last
//! transactions inserted. A cursor says up to which row each history was read. It first walks a
//! history in the order of its key, up to the transactions that were settled when it began, and
//! from then on transaction by transaction; it stops before the oldest transaction that may still
//! be open, so nothing is ever written behind it. A row never changes and what it is computed
//! from is committed with or before it: for the same cursor the same rows follow, whoever asks.
//!
//! What is read was perhaps committed ahead of the disk and is told only once it is durable: the
//! lake must not know what a crash of the database forgets.

mod claims;
mod cursor;
mod policies;

pub use cursor::{Cursor, CursorError, Place};

use analytics::feed::{Page, Source, SourceError};
use analytics::market::Rows;
use futures::FutureExt;
use futures::future::BoxFuture;
use pg::{Db, Scope};

use crate::error::ProductionError;
use crate::store::changes;

/// Rows of a history read at once.
const PAGE: i32 = 2_000;
/// Transactions looked through at once: what a page is cut from stays small after a long rest.
const SPAN: i64 = 20_000;

/// What is new, and where to read on.
#[derive(Clone, Debug, PartialEq)]
pub struct Changes {
    /// Rows of the market's record.
    pub rows: Rows,
    /// Where to read on.
    pub next: Cursor,
    /// Whether there is more already.
    pub more: bool,
}

/// Why changes cannot be told.
#[derive(Debug, thiserror::Error)]
pub enum ChangesError {
    /// Not a cursor.
    #[error(transparent)]
    Cursor(#[from] CursorError),
    /// The cursor is of another database: this one has not come so far. It was restored from a
    /// dump, for example; the record must be made anew.
    #[error("the cursor is at transaction {cursor}, the database only at {horizon}")]
    Rewound {
        /// Where the cursor is.
        cursor: i64,
        /// The oldest transaction that may be open.
        horizon: i64,
    },
    /// A stored row is in no known form, or the store failed.
    #[error("changes cannot be read")]
    Store(#[from] ProductionError),
}

impl From<sqlx::Error> for ChangesError {
    fn from(error: sqlx::Error) -> ChangesError {
        ChangesError::Store(error.into())
    }
}

/// Up to a page of each history behind a cursor.
pub async fn since(db: &Db, after: &Cursor) -> Result<Changes, ChangesError> {
    let mut tx = db.begin_ahead(Scope::nobody()).await?;
    let horizon = changes::horizon(&mut tx).await?;
    let mut rows = Rows::default();
    let (place, before) = after.policies.window(horizon)?;
    let versions = changes::versions(&mut tx, &place, before, PAGE).await?;
    let policies = place.behind(
        versions
            .last()
            .map(|row| (row.written_by, row.slot, row.confirm_no.as_str(), row.endorse_times)),
        full(versions.len()),
        before,
    );
    for version in versions {
        policies::add(version, &mut rows)?;
    }
    let (place, before) = after.claims.window(horizon)?;
    let steps = changes::steps(&mut tx, &place, before, PAGE).await?;
    let claims = place.behind(
        steps.last().map(|row| (row.written_by, row.slot, row.claim_no.as_str(), row.sequence)),
        full(steps.len()),
        before,
    );
    for step in steps {
        claims::add(step, &mut rows)?;
    }
    // Nobody may be told what could still be lost.
    tx.seen().durable().await?;
    tx.rollback().await?;
    let next = Cursor { policies, claims };
    let more = next.is_before(horizon);
    Ok(Changes { rows, next, more })
}

fn full(rows: usize) -> bool {
    usize::try_from(PAGE).is_ok_and(|page| page <= rows)
}

/// The operational store as a source of the lake.
#[derive(Clone, Debug)]
pub struct ChangeFeed {
    /// Its database.
    pub db: Db,
}

impl Source for ChangeFeed {
    fn name(&self) -> &str {
        "production"
    }

    fn read<'a>(&'a self, after: Option<&'a str>) -> BoxFuture<'a, Result<Page, SourceError>> {
        async move {
            let after = match after {
                Some(text) => text.parse()?,
                None => Cursor::START,
            };
            let changes = since(&self.db, &after).await?;
            Ok(Page { rows: changes.rows, next: changes.next.to_string(), more: changes.more })
        }
        .boxed()
    }
}

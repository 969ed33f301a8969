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
//!
//! Policies that a lake has from a release whose record knew neither sales channels nor covers, and
//! their claims, are told without to their end: a row that takes another back must be found where
//! that one is. A record made anew knows them of every policy.

mod claims;
mod covers;
mod cursor;
mod policies;

pub use cursor::{Cursor, CursorError, Place};

use std::collections::hash_map::Entry;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use analytics::feed::{self, Source, SourceError};
use analytics::market::Rows;
use futures::FutureExt;
use futures::future::BoxFuture;
use pg::{Db, Scope, Tx};
use production_core::history::PolicyClass;
use production_rating::Tariff;

use crate::book::TariffBook;
use crate::changes::covers::Held;
use crate::error::ProductionError;
use crate::store::changes::{self, RatedBy, Sale, WrittenStep, WrittenVersion};

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

/// What was read of both histories, and what their rows are told by besides.
struct Page {
    versions: Vec<WrittenVersion>,
    steps: Vec<WrittenStep>,
    /// By confirm code, of policies and of those of claims.
    sales: HashMap<String, Sale>,
    /// By confirm code.
    ratings: HashMap<String, RatedBy>,
    /// By claim code.
    covers: HashMap<String, String>,
    /// How far policies were read before channels and covers were known.
    plain: Place,
}

const CORRUPT: ProductionError = ProductionError::Corrupt("policy version");

/// Tariff bundles by version.
type Tariffs = HashMap<String, Arc<Tariff>>;

/// Up to a page of each history behind a cursor. `book` has the tariffs policies were rated by.
pub async fn since(db: &Db, book: &TariffBook, after: &Cursor) -> Result<Changes, ChangesError> {
    let mut tx = db.begin_ahead(Scope::nobody()).await?;
    let horizon = changes::horizon(&mut tx).await?;
    let (place, before) = after.policies.window(horizon)?;
    let versions = changes::versions(&mut tx, &place, before, PAGE).await?;
    let policies = place.behind(
        versions
            .last()
            .map(|row| (row.written_by, row.slot, row.confirm_no.as_str(), row.endorse_times)),
        full(versions.len()),
        before,
    );
    let (place, before) = after.claims.window(horizon)?;
    let steps = changes::steps(&mut tx, &place, before, PAGE).await?;
    let claims = place.behind(
        steps.last().map(|row| (row.written_by, row.slot, row.claim_no.as_str(), row.sequence)),
        full(steps.len()),
        before,
    );
    let page = Page::beside(&mut tx, versions, steps, after.plain.clone()).await?;
    // Nobody may be told what could still be lost.
    tx.seen().durable().await?;
    tx.rollback().await?;
    let tariffs = page.tariffs(book).await?;
    // A page may hold thousands of versions to rate: too long for an async worker.
    let rows = tokio::task::spawn_blocking(move || page.rows(&tariffs));
    let rows = rows.await.map_err(|_| ProductionError::Corrupt("changes"))??;
    let next = Cursor { policies, claims, plain: after.plain.clone() };
    let more = next.is_before(horizon);
    Ok(Changes { rows, next, more })
}

impl Page {
    /// Reads what rows of these versions and steps are told by besides.
    async fn beside(
        tx: &mut Tx,
        versions: Vec<WrittenVersion>,
        steps: Vec<WrittenStep>,
        plain: Place,
    ) -> Result<Page, ProductionError> {
        let of_versions: Vec<_> =
            versions.iter().map(|row| (row.slot, row.confirm_no.as_str())).collect();
        let of_steps: Vec<_> = steps.iter().map(|row| (row.slot, row.claim_no.as_str())).collect();
        let insured = steps.iter().map(|row| (row.slot, row.confirm_no.as_str()));
        let sold: Vec<_> = of_versions.iter().copied().chain(insured).collect();
        let sales = changes::sales(tx, &sold).await?;
        let ratings = changes::ratings(tx, &of_versions).await?;
        let covers = changes::covers(tx, &of_steps).await?;
        Ok(Page { versions, steps, sales, ratings, covers, plain })
    }

    /// The tariffs its versions were rated by.
    async fn tariffs(&self, book: &TariffBook) -> Result<Tariffs, ProductionError> {
        let named: BTreeSet<&String> =
            self.ratings.values().flat_map(|rated| &rated.tariff_versions).collect();
        let mut tariffs = Tariffs::new();
        for version in named {
            tariffs.insert(version.clone(), book.of_version(version).await?);
        }
        Ok(tariffs)
    }

    /// The rows of the record.
    fn rows(self, tariffs: &Tariffs) -> Result<Rows, ProductionError> {
        let mut rows = Rows::default();
        let sale = |confirm_no: &str| {
            let sale = self.sales.get(confirm_no).ok_or(ProductionError::Corrupt("policy"))?;
            let key = (sale.slot, sale.confirm_no.as_str(), 0);
            Ok::<_, ProductionError>(
                Some(sale).filter(|_| !self.plain.has_read(sale.written_by, key)),
            )
        };
        let mut held: HashMap<String, Vec<Held>> = HashMap::new();
        for version in self.versions {
            let sale = sale(&version.confirm_no)?;
            if let Entry::Vacant(first) = held.entry(version.confirm_no.clone()) {
                let rated_by = self.ratings.get(&version.confirm_no).ok_or(CORRUPT)?;
                let class = PolicyClass::parse(&version.class).map_err(|_| CORRUPT)?;
                first.insert(covers::held(rated_by, class, tariffs)?);
            }
            let sold = sale.zip(held.get(&version.confirm_no).map(Vec::as_slice));
            policies::add(version, sold, &mut rows)?;
        }
        for step in self.steps {
            let sale = sale(&step.confirm_no)?;
            let covers =
                self.covers.get(&step.claim_no).ok_or(ProductionError::Corrupt("claim"))?;
            claims::add(step, sale, covers, &mut rows)?;
        }
        Ok(rows)
    }
}

fn full(rows: usize) -> bool {
    usize::try_from(PAGE).is_ok_and(|page| page <= rows)
}

/// The operational store as a source of the lake.
#[derive(Clone)]
pub struct ChangeFeed {
    /// Its database.
    pub db: Db,
    /// The tariffs its policies were rated by.
    pub book: Arc<TariffBook>,
}

impl Source for ChangeFeed {
    fn name(&self) -> &str {
        "production"
    }

    fn read<'a>(
        &'a self,
        after: Option<&'a str>,
    ) -> BoxFuture<'a, Result<feed::Page, SourceError>> {
        async move {
            let after = match after {
                Some(text) => text.parse()?,
                None => Cursor::START,
            };
            let changes = since(&self.db, &self.book, &after).await?;
            let next = changes.next.to_string();
            Ok(feed::Page { rows: changes.rows, next, more: changes.more })
        }
        .boxed()
    }
}

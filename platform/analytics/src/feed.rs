//! What flows into the market's record, exactly once.
//!
//! A source is read on from a cursor that is kept in the manifest its rows are committed with:
//! rows and cursor are there together or not at all. Whoever crashes leaves files nobody names;
//! of two servers that read the same rows one commits, and the other reads on from there.

use futures::future::BoxFuture;
use kernel::Clock;

use crate::lake::{Lake, LakeError, Owner, Version};
use crate::market::{self, Rows};

/// What a source says next.
#[derive(Clone, Debug, PartialEq)]
pub struct Page {
    /// What is new.
    pub rows: Rows,
    /// Where to read on.
    pub next: String,
    /// Whether there is more already.
    pub more: bool,
}

/// Why a source said nothing.
pub type SourceError = Box<dyn std::error::Error + Send + Sync>;

/// Where rows come from.
///
/// For the same cursor a page begins with the same rows in the same order, whoever asks, and
/// nothing is ever written behind a cursor that was given out.
pub trait Source: Send + Sync {
    /// Names its cursor among those of a manifest.
    fn name(&self) -> &str;

    /// What follows a cursor; `None` is before the first row.
    fn read<'a>(&'a self, after: Option<&'a str>) -> BoxFuture<'a, Result<Page, SourceError>>;
}

/// Why nothing flowed.
#[derive(Debug, thiserror::Error)]
pub enum FeedError {
    /// The source failed.
    #[error("the source {name} cannot be read")]
    Source {
        /// Its name.
        name: String,
        /// What it said.
        #[source]
        source: SourceError,
    },
    /// The lake failed.
    #[error("the lake cannot be fed")]
    Lake(#[from] LakeError),
}

/// What one step of the feed did.
#[derive(Clone, Debug)]
pub enum Fed {
    /// Nothing is new.
    Idle,
    /// A version was made.
    Committed {
        /// The version.
        version: Version,
        /// Rows it added.
        rows: usize,
        /// Whether there is more already.
        more: bool,
    },
    /// Somebody else made the version; nothing of ours is in the lake.
    Overtaken,
}

/// Reads a source on from where the lake has it and commits what is new.
pub async fn step(lake: &Lake, source: &dyn Source, clock: &dyn Clock) -> Result<Fed, FeedError> {
    let market = lake.dataset(Owner::Operator, market::dataset_name()?);
    // The cursor and the version it is built on are one: read once.
    let parent = market.latest().await?;
    let after = parent.as_ref().and_then(|version| version.watermark(source.name()));
    let page = source
        .read(after)
        .await
        .map_err(|error| FeedError::Source { name: source.name().to_owned(), source: error })?;
    if page.rows.is_empty() && after == Some(page.next.as_str()) {
        return Ok(Fed::Idle);
    }
    if page.rows.is_empty() && !page.more && parent.is_some() {
        // A cursor that moved over nothing is worth no version: the next one moves it.
        return Ok(Fed::Idle);
    }
    let mut draft = market.draft_on(parent.as_ref());
    page.rows.write(&mut draft).await?;
    draft.watermark(source.name(), page.next);
    match draft.commit(clock.now()).await {
        Ok(version) => Ok(Fed::Committed { version, rows: page.rows.len(), more: page.more }),
        Err(error) if error.is_start_over() => Ok(Fed::Overtaken),
        Err(error) => Err(error.into()),
    }
}

//! The tariff book: the bundle in force and the bundles of old quotes, ready for rating.
//!
//! Bundles are immutable, so one that was read once stays good. Running servers hear of a
//! publication through `commonwheel_tariff` and look every few seconds besides.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, RwLock};
use std::time::Duration;

use jiff::Timestamp;
use pg::Db;
use production_rating::{Tariff, TariffError};
use sqlx::postgres::PgListener;
use tokio_util::sync::CancellationToken;

use crate::error::{NO_TARIFF, ProductionError};
use crate::store::tariff as store;

/// How long a publication may stay unnoticed when its notification was lost.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// Why a bundle was not taken into the book.
#[derive(Debug, thiserror::Error)]
pub enum BookError {
    /// The files do not make a tariff; every fault is named.
    #[error("the tariff has {} faults", .0.len())]
    Faulty(Vec<TariffError>),
    /// The version stands with other contents.
    #[error(
        "version {version} is stored with digest {stored}; a bundle is never changed, choose a new version"
    )]
    VersionTaken {
        /// The version asked for.
        version: String,
        /// Digest it is stored with.
        stored: String,
    },
    /// No such version.
    #[error("no tariff {0} is loaded; load it first")]
    Unknown(String),
    /// Maker and checker are one.
    #[error("{0} loaded this tariff; another person must publish it")]
    OwnWork(String),
    /// The store failed.
    #[error(transparent)]
    Production(#[from] ProductionError),
}

#[derive(Default)]
struct Read {
    active: Option<Arc<Tariff>>,
    by_version: HashMap<String, Arc<Tariff>>,
}

/// Tariffs by version; one per process.
pub struct TariffBook {
    db: Db,
    read: RwLock<Read>,
}

impl TariffBook {
    /// A book over `db`, with the bundle in force read if there is one.
    pub async fn open(db: Db) -> Result<TariffBook, ProductionError> {
        let book = TariffBook { db, read: RwLock::default() };
        book.refresh().await?;
        Ok(book)
    }

    /// The bundle in force.
    pub fn active(&self) -> Result<Arc<Tariff>, ProductionError> {
        let none = || {
            ProductionError::refused(&NO_TARIFF, "publish one with `commonwheel tariff publish`")
        };
        self.held().active.clone().ok_or_else(none)
    }

    /// The bundle of an old quote.
    pub async fn of_version(&self, version: &str) -> Result<Arc<Tariff>, ProductionError> {
        let held = self.held().by_version.get(version).cloned();
        if let Some(tariff) = held {
            return Ok(tariff);
        }
        let mut conn = self.db.pool().acquire().await?;
        let files = store::files(&mut conn, version).await?;
        let files = files.ok_or(ProductionError::Corrupt("tariff version"))?;
        // Parsing a bundle takes milliseconds of computing, too long for an async worker.
        let label = version.to_owned();
        let tariff = tokio::task::spawn_blocking(move || parse(&label, files))
            .await
            .map_err(|_| ProductionError::Corrupt("tariff bundle"))?
            .map_err(|_| ProductionError::Corrupt("tariff bundle"))?;
        let tariff = Arc::new(tariff);
        let mut read = self.read.write().unwrap_or_else(|poisoned| poisoned.into_inner());
        read.by_version.insert(version.to_owned(), tariff.clone());
        Ok(tariff)
    }

    /// Looks which bundle is in force and reads it.
    pub async fn refresh(&self) -> Result<(), ProductionError> {
        let mut conn = self.db.pool().acquire().await?;
        let Some(version) = store::active_version(&mut conn).await? else { return Ok(()) };
        drop(conn);
        let known = self.held().active.as_ref().map(|tariff| tariff.version() == version);
        if known == Some(true) {
            return Ok(());
        }
        let tariff = self.of_version(&version).await?;
        tracing::info!(
            tariff.version = version,
            tariff.digest = tariff.digest(),
            "tariff {version} is in force"
        );
        let mut read = self.read.write().unwrap_or_else(|poisoned| poisoned.into_inner());
        read.active = Some(tariff);
        Ok(())
    }

    /// Follows publications until `stop`.
    pub async fn keep_fresh(self: Arc<TariffBook>, stop: CancellationToken) {
        let mut listener: Option<PgListener> = None;
        loop {
            if listener.is_none() {
                listener = self.listen().await.ok();
            }
            let heard = async {
                match &mut listener {
                    Some(listener) => listener.recv().await.is_ok(),
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = stop.cancelled() => return,
                well = heard => if !well { listener = None },
                () = tokio::time::sleep(LOOK_EVERY) => {}
            }
            if let Err(error) = self.refresh().await {
                tracing::warn!(error = %base_http::problem::Chain(&error), "the tariff in force cannot be read; the one at hand serves on");
            }
        }
    }

    async fn listen(&self) -> Result<PgListener, sqlx::Error> {
        let mut listener = PgListener::connect_with(self.db.pool()).await?;
        listener.listen("commonwheel_tariff").await?;
        Ok(listener)
    }

    fn held(&self) -> std::sync::RwLockReadGuard<'_, Read> {
        self.read.read().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

/// Loads a bundle whole, or not at all. Loading the same contents again changes nothing.
pub async fn load(
    db: &Db,
    version: &str,
    files: BTreeMap<String, Vec<u8>>,
    loaded_by: &str,
    now: Timestamp,
) -> Result<Tariff, BookError> {
    let texts: store::Files = files
        .iter()
        .map(|(name, bytes)| (name.clone(), String::from_utf8_lossy(bytes).into_owned()))
        .collect();
    let tariff = Tariff::from_files(files).map_err(BookError::Faulty)?.published_as(version);
    let mut conn = db.pool().acquire().await.map_err(ProductionError::from)?;
    let fresh = store::insert(&mut conn, version, tariff.digest(), &texts, loaded_by, now).await?;
    if !fresh {
        let stored = store::digest(&mut conn, version).await?.unwrap_or_default();
        if stored != tariff.digest() {
            return Err(BookError::VersionTaken { version: version.to_owned(), stored });
        }
    }
    Ok(tariff)
}

/// Puts a loaded bundle in force. Whoever loaded it may not.
pub async fn publish(
    db: &Db,
    version: &str,
    published_by: &str,
    now: Timestamp,
) -> Result<(), BookError> {
    let mut conn = db.pool().acquire().await.map_err(ProductionError::from)?;
    if store::digest(&mut conn, version).await?.is_none() {
        return Err(BookError::Unknown(version.to_owned()));
    }
    match store::publish(&mut conn, version, published_by, now).await {
        Err(ProductionError::Store(error))
            if pg::failure::constraint(&error) == Some("tariff_four_eyes") =>
        {
            Err(BookError::OwnWork(published_by.to_owned()))
        }
        published => Ok(published?),
    }
}

/// A stored bundle by version, for `tariff diff`.
pub async fn stored(db: &Db, version: &str) -> Result<Tariff, BookError> {
    let mut conn = db.pool().acquire().await.map_err(ProductionError::from)?;
    let files = store::files(&mut conn, version).await?;
    let files = files.ok_or_else(|| BookError::Unknown(version.to_owned()))?;
    parse(version, files).map_err(BookError::Faulty)
}

/// The version in force, if any.
pub async fn in_force(db: &Db) -> Result<Option<String>, BookError> {
    let mut conn = db.pool().acquire().await.map_err(ProductionError::from)?;
    Ok(store::active_version(&mut conn).await?)
}

/// The files of a stored bundle, for a proposal that changes some of them.
pub async fn stored_files(db: &Db, version: &str) -> Result<BTreeMap<String, Vec<u8>>, BookError> {
    let mut conn = db.pool().acquire().await.map_err(ProductionError::from)?;
    let files = store::files(&mut conn, version).await?;
    let files = files.ok_or_else(|| BookError::Unknown(version.to_owned()))?;
    Ok(files.into_iter().map(|(name, text)| (name, text.into_bytes())).collect())
}

fn parse(version: &str, files: store::Files) -> Result<Tariff, Vec<TariffError>> {
    let files = files.into_iter().map(|(name, text)| (name, text.into_bytes())).collect();
    Ok(Tariff::from_files(files)?.published_as(version))
}

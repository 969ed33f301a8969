//! The lake beside a server: fed from the operational store, kept in order, and, with the engine,
//! published from. Also the operator's commands over it.

use std::sync::Arc;
use std::time::Duration;

use analytics::feed::{self, Fed, Source};
use analytics::lake::{Dataset, Lake, LakeError, Owner};
use analytics::market;
use analytics::question::Questions;
use anyhow::Context;
use clap::Subcommand;
use jiff::{SignedDuration, Timestamp};
use kernel::{Clock, Ids};
use production::book::TariffBook;
use production::changes::ChangeFeed;
use tokio_util::sync::CancellationToken;

use crate::settings::Lake as LakeSettings;
use crate::wiring::Base;

/// How often the lake is put in order.
const TIDY_EVERY: SignedDuration = SignedDuration::from_hours(1);
/// Small files of a month and region that are left alone.
const SMALL_FILES: usize = 16;
/// A version of so many files is compacted at once: every version lists all of them.
const MOST_FILES: usize = 2_000;
/// How long versions are kept that nothing rests on, unless the settings say.
#[cfg(feature = "analytics-engine")]
const KEEP_DAYS: u32 = 7;
/// Files that nobody names are left so long: a draft under way has some.
const SWEEP_AFTER: SignedDuration = SignedDuration::from_hours(24);

/// The lake of the settings, and who answers questions over it.
#[derive(Clone)]
pub(crate) struct OpenLake {
    pub(crate) lake: Lake,
    #[cfg(feature = "analytics-engine")]
    engine: analytics::engine::Engine,
}

impl OpenLake {
    /// Opens the lake, and starts the engine where there is one.
    pub(crate) fn open(settings: &LakeSettings, ids: Arc<Ids>) -> anyhow::Result<OpenLake> {
        settings.check()?;
        let lake = Lake::open(&settings.address, &settings.options, ids)
            .context("cannot open the lake of [lake]")?;
        Ok(OpenLake {
            #[cfg(feature = "analytics-engine")]
            engine: engine(&lake, settings).context("cannot start the engine of the lake")?,
            lake,
        })
    }

    /// Who answers questions.
    #[cfg(feature = "analytics-engine")]
    pub(crate) fn questions(&self) -> Arc<dyn Questions> {
        Arc::new(self.engine.clone())
    }

    /// Nobody answers questions.
    #[cfg(not(feature = "analytics-engine"))]
    pub(crate) fn questions(&self) -> Arc<dyn Questions> {
        Arc::new(analytics::question::NoEngine)
    }
}

#[cfg(feature = "analytics-engine")]
fn engine(lake: &Lake, settings: &LakeSettings) -> std::io::Result<analytics::engine::Engine> {
    use analytics::engine::Engine;
    let limits = settings.questions.unwrap_or_default().into();
    #[cfg(feature = "lake-cluster")]
    if let Some(settings) = &settings.cluster {
        let mut cluster = analytics::cluster::Cluster::at(&settings.scheduler);
        cluster.parts = settings.parts.unwrap_or(cluster.parts);
        return Engine::on_cluster(lake.clone(), limits, cluster);
    }
    Engine::start(lake.clone(), limits)
}

/// What keeps a lake going.
pub(crate) struct Keeper {
    lake: Lake,
    source: ChangeFeed,
    clock: Arc<dyn Clock>,
    settings: LakeSettings,
    #[cfg(feature = "analytics-engine")]
    engine: analytics::engine::Engine,
}

impl Keeper {
    /// Keeps a lake that is open. `book` has the tariffs policies were rated by.
    pub(crate) fn new(
        base: &Base,
        open: OpenLake,
        book: Arc<TariffBook>,
        settings: &LakeSettings,
    ) -> Keeper {
        Keeper {
            #[cfg(feature = "analytics-engine")]
            engine: open.engine,
            lake: open.lake,
            source: ChangeFeed { db: base.db.clone(), book },
            clock: base.clock.clone(),
            settings: settings.clone(),
        }
    }

    /// Feeds the lake and puts it in order until `stop`.
    pub(crate) async fn keep(self, stop: CancellationToken) {
        let every = Duration::from_secs(self.settings.every_s.max(1));
        let mut ticks = tokio::time::interval(every);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut tidied = Timestamp::MIN;
        while stop.run_until_cancelled(ticks.tick()).await.is_some() {
            if let Err(error) = self.feed(&stop).await {
                tracing::warn!(error = %format!("{error:#}"), "the lake cannot be fed; later");
                continue;
            }
            let now = self.clock.now();
            if tidied.checked_add(TIDY_EVERY).is_ok_and(|due| due <= now) {
                tidied = now;
                if let Err(error) = self.tidy(now, &stop).await {
                    tracing::warn!(error = %format!("{error:#}"),
                        "the lake cannot be put in order; later");
                }
            }
        }
    }

    /// Reads the store to its end; answers how many rows came.
    async fn feed(&self, stop: &CancellationToken) -> anyhow::Result<usize> {
        let mut fed = 0;
        while !stop.is_cancelled() {
            match feed::step(&self.lake, &self.source, &*self.clock).await? {
                Fed::Idle => break,
                // Whoever was faster goes on; so do we, from where they are.
                Fed::Overtaken => {}
                Fed::Committed { version, rows, more } => {
                    fed += rows;
                    tracing::debug!(
                        lake.version = version.number(),
                        lake.rows = rows,
                        "version {} of the market's record has {rows} rows more",
                        version.number()
                    );
                    let files = version.manifest().tables.values().map(|table| table.files.len());
                    if files.sum::<usize>() > MOST_FILES {
                        self.compact(1, self.clock.now()).await?;
                    }
                    if !more {
                        break;
                    }
                }
            }
        }
        Ok(fed)
    }

    async fn tidy(&self, now: Timestamp, stop: &CancellationToken) -> anyhow::Result<()> {
        let market = market(&self.lake)?;
        self.compact(SMALL_FILES, now).await?;
        self.publish(now, stop).await?;
        self.expire(&market, now).await?;
        let before = now.checked_sub(SWEEP_AFTER)?;
        for dataset in self.lake.everything().await? {
            let swept = dataset.sweep(before).await?;
            if swept.files > 0 {
                tracing::info!(
                    lake.files = swept.files,
                    lake.bytes = swept.bytes,
                    "removed {} files of {} that no version names",
                    swept.files,
                    dataset.title()
                );
            }
        }
        Ok(())
    }

    async fn compact(&self, most: usize, now: Timestamp) -> anyhow::Result<()> {
        match market(&self.lake)?.compact(most, now).await {
            Ok(_) => Ok(()),
            // Somebody committed meanwhile; the next one finds the same files.
            Err(error) if error.is_start_over() => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Publishes the four quarters before this one, or their next revisions.
    #[cfg(feature = "analytics-engine")]
    async fn publish(&self, now: Timestamp, stop: &CancellationToken) -> anyhow::Result<()> {
        use analytics::question::EngineError;
        use analytics_api::Quarter;
        let mut quarter = Quarter::of(kernel::time::day_of(now));
        for _ in 0..4 {
            quarter = Quarter::of(quarter.first_day().yesterday()?);
            match self.engine.publish(quarter, self.rule(), now, stop).await {
                // No record yet, or another server was faster.
                Ok(_) | Err(EngineError::Refused(_)) => {}
                Err(EngineError::Lake(error)) if error.is_start_over() => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    #[cfg(feature = "analytics-engine")]
    fn rule(&self) -> analytics::suppress::Rule {
        self.settings.publication.unwrap_or_default().into()
    }

    #[cfg(not(feature = "analytics-engine"))]
    async fn publish(&self, _: Timestamp, _: &CancellationToken) -> anyhow::Result<()> {
        Ok(())
    }

    #[cfg(feature = "analytics-engine")]
    async fn expire(&self, market: &Dataset, now: Timestamp) -> anyhow::Result<()> {
        let pinned = analytics::engine::pinned(&self.lake).await?;
        let days = self.settings.keep_days.unwrap_or(KEEP_DAYS);
        let kept = SignedDuration::from_hours(i64::from(days).saturating_mul(24));
        market.expire(now.checked_sub(kept)?, &pinned).await?;
        Ok(())
    }

    /// Which versions publications rest on is the engine's to know; without it none is let go of.
    #[cfg(not(feature = "analytics-engine"))]
    async fn expire(&self, _: &Dataset, _: Timestamp) -> anyhow::Result<()> {
        Ok(())
    }
}

fn market(lake: &Lake) -> Result<Dataset, LakeError> {
    Ok(lake.dataset(Owner::Operator, market::dataset_name()?))
}

/// What an operator does with the lake.
#[derive(Debug, Subcommand)]
pub(crate) enum LakeCommand {
    /// Read the operational store to its end
    Feed,
    /// List the versions that are kept of the market's record and how far the store was read
    Status,
    /// Read every file of the market's record and compare it with what was committed
    Verify,
    /// Publish a closed quarter, or its next revision
    #[cfg(feature = "analytics-engine")]
    Publish {
        /// For example 2025-Q1
        quarter: String,
    },
    /// Ask a question about the market, as JSON
    #[cfg(feature = "analytics-engine")]
    Ask {
        /// For example {"quarter":"2025-Q1","measures":["claims"],"by":["region"]}
        question: String,
    },
}

impl LakeCommand {
    /// Carries the command out.
    pub(crate) async fn run(self, base: &Base, settings: &LakeSettings) -> anyhow::Result<()> {
        let book = Arc::new(TariffBook::open(base.db.clone()).await?);
        let open = OpenLake::open(settings, base.ids.clone())?;
        let keeper = Keeper::new(base, open, book, settings);
        let stop = CancellationToken::new();
        match self {
            LakeCommand::Feed => {
                let fed = keeper.feed(&stop).await?;
                println!("{fed} rows came");
            }
            LakeCommand::Status => {
                let market = market(&keeper.lake)?;
                for line in market.versions().await? {
                    println!("{:>8}  {}  {} rows", line.number, line.committed_at, line.rows);
                }
                if let Some(latest) = market.latest().await? {
                    let name = keeper.source.name();
                    println!(
                        "{name} was read up to {}",
                        latest.watermark(name).unwrap_or("nothing")
                    );
                }
            }
            LakeCommand::Verify => {
                let latest = market(&keeper.lake)?.latest().await?;
                let latest = latest.context("the market's record has no version")?;
                let bytes = latest.verify().await?;
                println!("version {} is whole: {bytes} bytes", latest.number());
            }
            #[cfg(feature = "analytics-engine")]
            LakeCommand::Publish { quarter } => {
                let quarter = quarter.parse()?;
                let now = keeper.clock.now();
                let told = keeper.engine.publish(quarter, keeper.rule(), now, &stop).await?;
                println!(
                    "{quarter}, revision {}: {} cells told, {} of them changed, {} changes held back, \
                     {} cells left out",
                    told.revision, told.atoms, told.changed, told.held, told.left_out
                );
            }
            #[cfg(feature = "analytics-engine")]
            LakeCommand::Ask { question } => {
                let question = serde_json::from_str(&question).context("this is no question")?;
                let answer = keeper.engine.answer(&question, &stop).await?;
                println!("{}", serde_json::to_string_pretty(&answer)?);
            }
        }
        Ok(())
    }
}

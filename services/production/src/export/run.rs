//! Making exports: taking one, reading its rows in one snapshot, keeping its file piece by piece.
//!
//! A taken export is held for two minutes from its last sign of life. Every write to it says which
//! attempt it belongs to, under the lock of its row: a server that was thought dead finds itself
//! shut out, and one that died leaves an export that the next attempt begins anew. Nothing is read
//! again in the middle: what one snapshot shows is the only thing a file may hold.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use pg::{Scope, Tx};
use tokio::runtime::Handle;
use tokio::task::spawn_blocking;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use crate::Production;
use crate::error::ProductionError;
use crate::export::encode::Encoder;
use crate::export::kinds::Opener;
use crate::export::walk::Walk;
use crate::export::{ExportId, KEPT};
use crate::store::export::{self, ExportRecord, Progress, Taken};

/// Exports a server makes at once.
const LANES: usize = 2;
/// How often a server looks for one to make.
const EVERY: Duration = Duration::from_secs(1);
/// How often old files are looked for, in looks for exports.
const SWEEP_EVERY: u32 = 60;
/// Exports swept at once.
const SWEPT: i32 = 10;
/// How long an export is held without a sign of life. A statement of its snapshot may take a
/// minute, in which there is none.
const HELD: SignedDuration = SignedDuration::from_secs(120);
/// A sign of life is given at least so often where it can be.
const BEAT: SignedDuration = SignedDuration::from_secs(5);
/// Attempts that may fail before an export does.
const MOST_FAILURES: i32 = 5;
/// How long counting the rows may take before it is done without.
const COUNTING: &str = "set local statement_timeout = '5s'; \
                        set local plan_cache_mode = force_custom_plan";

/// How an attempt came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attempt {
    /// The file can be had.
    Done,
    /// The export was called off, or another server has it now.
    Lost,
    /// The server is about to end: somebody else shall make it.
    GivenBack,
    /// It will be tried again, or has failed for good.
    Failed,
}

impl Production {
    /// Makes the export that has been due longest; `None` when none is due.
    ///
    /// Ends early when `stop` is cancelled.
    pub async fn make_export(&self, stop: &CancellationToken) -> Option<Attempt> {
        let now = self.spine.now();
        let taken = match export::take(self.spine.db(), now, held_from(now)).await {
            Ok(taken) => taken?,
            Err(error) => {
                let error = base_http::problem::Chain(&error);
                tracing::warn!(%error, "cannot look for exports to make; later");
                return None;
            }
        };
        Some(self.attempt(&taken, stop).await)
    }

    /// Makes exports, and removes old files, until `stop`.
    pub async fn keep_exporting(self, stop: CancellationToken) {
        let lanes = (0..LANES).map(|lane| self.clone().keep_lane(lane, stop.clone()));
        futures::future::join_all(lanes).await;
    }

    /// Removes the files of exports that came to nothing or ran out; answers of how many.
    pub async fn sweep_exports(&self, now: Timestamp) -> i64 {
        match export::sweep(self.spine.db(), now, SWEPT).await {
            Ok(swept) => swept,
            Err(error) => {
                let error = base_http::problem::Chain(&error);
                tracing::warn!(%error, "cannot remove old exports; later");
                0
            }
        }
    }

    async fn keep_lane(self, lane: usize, stop: CancellationToken) {
        let mut ticks = interval(EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut looks = 0;
        while stop.run_until_cancelled(ticks.tick()).await.is_some() {
            while !stop.is_cancelled() && self.make_export(&stop).await.is_some() {}
            // One lane is enough to sweep.
            if lane == 0 {
                if looks == 0 {
                    while !stop.is_cancelled()
                        && self.sweep_exports(self.spine.now()).await >= i64::from(SWEPT)
                    {
                    }
                }
                looks = (looks + 1) % SWEEP_EVERY;
            }
        }
    }

    async fn attempt(&self, taken: &Taken, stop: &CancellationToken) -> Attempt {
        let outcome = if taken.failures < MOST_FAILURES {
            self.make(taken, stop).await
        } else {
            // Servers died over it as often as it may fail.
            self.settle(taken, Settle::Fail).await.map(|()| Attempt::Failed)
        };
        let export = taken.export;
        match outcome {
            Ok(Attempt::GivenBack) => {
                // Where it cannot be given back, its time runs out.
                if let Err(error) = self.settle(taken, Settle::GiveBack).await {
                    let error = base_http::problem::Chain(&error);
                    tracing::warn!(export.id = %export, %error, "export {export} is left behind");
                }
                Attempt::GivenBack
            }
            Ok(outcome) => outcome,
            Err(error) => {
                let settle = match after(&error, taken.failures + 1) {
                    Some(wait) => Settle::TryAgain(wait),
                    None => Settle::Fail,
                };
                tracing::error!(export.id = %export, error = %base_http::problem::Chain(&error),
                    "export {export} cannot be made");
                if let Err(error) = self.settle(taken, settle).await {
                    let error = base_http::problem::Chain(&error);
                    tracing::warn!(export.id = %export, %error, "export {export} is left behind");
                }
                Attempt::Failed
            }
        }
    }

    async fn make(
        &self,
        taken: &Taken,
        stop: &CancellationToken,
    ) -> Result<Attempt, ProductionError> {
        let scope = Scope::of(taken.tenant);
        let mut tx = self.spine.db().begin(scope.clone()).await?;
        let record = export::find(&mut tx, taken.tenant, taken.export).await?;
        drop(tx);
        let kind = record.kind.descriptor();
        let rows_estimated = self.estimate(&record).await;
        let mut tx = self.spine.db().begin(scope.clone()).await?;
        if !export::begin(&mut tx, taken, rows_estimated).await? {
            return Ok(Attempt::Lost);
        }
        tx.commit().await?;

        let mut snapshot = self.spine.db().begin(scope).await?;
        export::hold_snapshot(&mut snapshot).await?;
        let mut keeper = Keeper::new(self, taken, rows_estimated);
        let mut encoder = Encoder::new(record.format, kind.columns)?;
        let mut walk = Walk::over(&record.selection);
        while let Some(span) = walk.span() {
            if stop.is_cancelled() {
                return Ok(Attempt::GivenBack);
            }
            let page = (kind.page)(&mut snapshot, &record.selection, &span).await?;
            walk.read(page.last_of_full);
            let rows = page.rows;
            let mut pieces = Vec::new();
            if rows > 0 {
                let opener = self.opener(&record);
                let lines = page.lines;
                (encoder, pieces) = computed(move || {
                    let rows = lines(&opener)?;
                    let pieces = encoder.add(&rows)?;
                    Ok((encoder, pieces))
                })
                .await?;
            }
            if !keeper.keep(rows, pieces).await? {
                return Ok(Attempt::Lost);
            }
        }
        snapshot.rollback().await?;
        let written = computed(move || Ok(encoder.end()?)).await?;
        let (bytes, digest) = (written.length, written.digest);
        if !keeper.end(written.pieces, digest).await? {
            return Ok(Attempt::Lost);
        }
        let (export, rows) = (taken.export, keeper.progress.rows_done);
        tracing::info!(export.id = %export, export.rows = rows, export.bytes = bytes,
            "made export {export} of {rows} rows");
        Ok(Attempt::Done)
    }

    /// How many rows there will be; `None` when counting them takes too long.
    async fn estimate(&self, record: &ExportRecord) -> Option<i64> {
        let counted = async {
            let selection = &record.selection;
            let mut tx = self.spine.db().begin(Scope::of(selection.tenant)).await?;
            sqlx::raw_sql(COUNTING).execute(tx.conn()).await?;
            (record.kind.descriptor().count)(&mut tx, selection).await
        };
        counted.await.inspect_err(|error| tracing::debug!(%error, "an export is not counted")).ok()
    }

    fn opener(&self, record: &ExportRecord) -> Opener {
        Opener {
            sealer: self.sealer.clone(),
            parameters: self.challenges.parameters().clone(),
            selection: record.selection.clone(),
            shown: record.shown,
            runtime: Handle::current(),
        }
    }

    async fn settle(&self, taken: &Taken, settle: Settle) -> Result<(), ProductionError> {
        let now = self.spine.now();
        let mut tx = self.spine.db().begin(Scope::of(taken.tenant)).await?;
        match settle {
            Settle::GiveBack => export::give_back(&mut tx, taken, taken.failures, now).await?,
            Settle::TryAgain(wait) => {
                let due_at = now.checked_add(wait).unwrap_or(Timestamp::MAX);
                export::give_back(&mut tx, taken, taken.failures + 1, due_at).await?;
            }
            Settle::Fail => {
                let why = "the export could not be made; the operator finds the reason in the logs \
                           under its identifier";
                export::fail(&mut tx, taken, why, now).await?;
            }
        }
        Ok(tx.commit().await?)
    }
}

/// What becomes of an export that was not made.
enum Settle {
    GiveBack,
    TryAgain(SignedDuration),
    Fail,
}

/// How long an export waits after so many failures; `None` when trying again is useless.
fn after(error: &ProductionError, failures: i32) -> Option<SignedDuration> {
    let useless = matches!(error, ProductionError::Corrupt(_) | ProductionError::Encode(_));
    if useless || failures >= MOST_FAILURES {
        return None;
    }
    let doublings = u32::try_from(failures.saturating_sub(1)).unwrap_or(0).min(6);
    Some(SignedDuration::from_secs(5 << doublings))
}

fn held_from(now: Timestamp) -> Timestamp {
    now.checked_add(HELD).unwrap_or(Timestamp::MAX)
}

/// Runs a computation on a thread that may block.
async fn computed<T: Send + 'static>(
    compute: impl FnOnce() -> Result<T, ProductionError> + Send + 'static,
) -> Result<T, ProductionError> {
    spawn_blocking(compute).await.unwrap_or(Err(ProductionError::Corrupt("export")))
}

/// What a piece is sealed for: no piece opens in another's place.
pub(crate) fn piece_purpose(export: ExportId, number: i32) -> String {
    format!("production.export/{export}/{number}")
}

/// Keeps the pieces of one attempt, with how far it is.
struct Keeper<'a> {
    production: &'a Production,
    taken: &'a Taken,
    progress: Progress,
    beat_at: Timestamp,
}

impl<'a> Keeper<'a> {
    fn new(
        production: &'a Production,
        taken: &'a Taken,
        rows_estimated: Option<i64>,
    ) -> Keeper<'a> {
        let progress = Progress { rows_estimated, ..Progress::default() };
        Keeper { production, taken, progress, beat_at: production.spine.now() }
    }

    /// Notes rows that were read and keeps pieces that are finished. `false` when the export is
    /// somebody else's by now, or nobody's.
    async fn keep(&mut self, rows: usize, pieces: Vec<Vec<u8>>) -> Result<bool, ProductionError> {
        self.progress.rows_done += i64::try_from(rows).unwrap_or_default();
        let now = self.production.spine.now();
        let quiet = self.beat_at.duration_until(now).abs() < BEAT;
        if pieces.is_empty() && quiet {
            return Ok(true);
        }
        self.beat_at = now;
        let Some(tx) = self.write(pieces, now).await? else { return Ok(false) };
        tx.commit().await?;
        Ok(true)
    }

    /// Keeps the last pieces and ends the export.
    async fn end(
        &mut self,
        pieces: Vec<Vec<u8>>,
        digest: [u8; 32],
    ) -> Result<bool, ProductionError> {
        let now = self.production.spine.now();
        let Some(mut tx) = self.write(pieces, now).await? else { return Ok(false) };
        let expires_at = now.checked_add(KEPT).unwrap_or(Timestamp::MAX);
        export::finish(&mut tx, self.taken, &digest, now, expires_at).await?;
        tx.commit().await?;
        Ok(true)
    }

    async fn write(
        &mut self,
        pieces: Vec<Vec<u8>>,
        now: Timestamp,
    ) -> Result<Option<Tx>, ProductionError> {
        let first = self.progress.pieces;
        let length: usize = pieces.iter().map(Vec::len).sum();
        let sealed = self.seal(first, pieces).await?;
        self.progress.bytes += i64::try_from(length).unwrap_or_default();
        self.progress.pieces += i32::try_from(sealed.len()).unwrap_or_default();
        let mut tx = self.production.spine.db().begin(Scope::of(self.taken.tenant)).await?;
        if !export::advance(&mut tx, self.taken, &self.progress, held_from(now)).await? {
            return Ok(None);
        }
        export::keep(&mut tx, self.taken, first, &sealed).await?;
        Ok(Some(tx))
    }

    async fn seal(
        &self,
        first: i32,
        pieces: Vec<Vec<u8>>,
    ) -> Result<Vec<Vec<u8>>, ProductionError> {
        if pieces.is_empty() {
            return Ok(pieces);
        }
        let (sealer, taken) = (self.production.sealer.clone(), *self.taken);
        let runtime = Handle::current();
        computed(move || {
            let sealed = (first..).zip(&pieces).map(|(number, piece)| {
                let purpose = piece_purpose(taken.export, number);
                runtime.block_on(sealer.seal_piece(taken.tenant, &purpose, piece))
            });
            sealed.collect()
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_is_followed_by_a_longer_wait_and_the_fifth_by_none() {
        let lost = ProductionError::Store(sqlx::Error::PoolTimedOut);
        let waits =
            [1, 2, 3, 4, 5].map(|failures| after(&lost, failures).map(|wait| wait.as_secs()));
        assert_eq!(waits, [Some(5), Some(10), Some(20), Some(40), None]);
        assert_eq!(after(&ProductionError::Corrupt("quote"), 1), None);
    }
}

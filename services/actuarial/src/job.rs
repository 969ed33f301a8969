//! Work in the background: what every job has in common.
//!
//! A taken job is held for a minute from its last sign of life, which says how far it is. Every write
//! says which attempt it belongs to: a server that was thought dead finds itself shut out, and one
//! that died leaves a job that the next attempt begins anew. The computing is done on a thread of its
//! own, looks now and then whether it shall stop, and touches nothing but its own files until it
//! is done.

use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU8, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use kernel::TenantId;
use pg::{Scope, Tx};
use tokio::task::spawn_blocking;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use crate::Actuarial;
use crate::error::ActuarialError;

/// How often a server looks for a job.
const EVERY: Duration = Duration::from_secs(1);
/// How often old files are looked for, in looks for jobs.
const SWEEP_EVERY: u32 = 60;
/// Files swept at once.
const SWEPT: i32 = 20;
/// How long a job is held without a sign of life.
const HELD: SignedDuration = SignedDuration::from_secs(60);
/// A sign of life is given so often; each one tells whether the job was called off.
const BEAT: Duration = Duration::from_millis(500);
/// Attempts that may fail before a job does.
pub(crate) const MOST_FAILURES: i32 = 5;

/// How an attempt came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attempt {
    /// What was to be done is done.
    Done,
    /// The job was called off, or another server has it now.
    Lost,
    /// The server is about to end: somebody else shall do it.
    GivenBack,
    /// What was asked for cannot be done; the job says why.
    Failed,
    /// It will be tried again.
    Later,
}

/// Where a job stands, between the thread that computes and whoever watches it.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    percent: AtomicU8,
    rows: AtomicI64,
    stage: Mutex<&'static str>,
    stop: AtomicBool,
}

/// How far a job is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Progress {
    pub(crate) percent: i16,
    pub(crate) rows: i64,
    pub(crate) stage: &'static str,
}

impl Watch {
    /// Notes how far the work is, 0 to 99.
    pub(crate) fn at(&self, percent: u64) {
        self.percent.store(u8::try_from(percent.min(99)).unwrap_or(99), Ordering::Relaxed);
    }

    /// Notes how many rows were read.
    pub(crate) fn rows(&self, rows: u64) {
        self.rows.store(i64::try_from(rows).unwrap_or(i64::MAX), Ordering::Relaxed);
    }

    /// Notes what is being done, in a word or two.
    pub(crate) fn stage(&self, stage: &'static str, percent: u64) {
        *self.stage.lock().unwrap_or_else(|poisoned| poisoned.into_inner()) = stage;
        self.at(percent);
    }

    /// Whether the work shall end.
    pub(crate) fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    fn progress(&self) -> Progress {
        Progress {
            percent: i16::from(self.percent.load(Ordering::Relaxed)),
            rows: self.rows.load(Ordering::Relaxed),
            stage: *self.stage.lock().unwrap_or_else(|poisoned| poisoned.into_inner()),
        }
    }
}

/// How a watched computation ended.
pub(crate) enum Watched<T> {
    Ended(T),
    /// The job is another's, or was called off.
    Lost,
    /// This server ends.
    Stopped,
}

/// A job a server has taken.
pub(crate) trait Taken: Sync {
    /// Whose it is.
    fn tenant(&self) -> TenantId;

    /// Attempts that failed before this one.
    fn failures(&self) -> i32;

    /// Notes how far it is and holds it until `until`. `false` when it is not ours any more.
    fn advance(
        &self,
        tx: &mut Tx,
        progress: Progress,
        until: Timestamp,
    ) -> impl Future<Output = Result<bool, ActuarialError>> + Send;

    /// Gives it back, to be taken again from `due_at` on.
    fn give_back(
        &self,
        tx: &mut Tx,
        failures: i32,
        due_at: Timestamp,
    ) -> impl Future<Output = Result<(), ActuarialError>> + Send;
}

/// Until when a job taken or beaten at `now` is held.
pub(crate) fn held_from(now: Timestamp) -> Timestamp {
    now.checked_add(HELD).unwrap_or(Timestamp::MAX)
}

/// When a job is tried again after so many failures of ours; `None` when it is given up.
pub(crate) fn again(now: Timestamp, failures: i32) -> Option<Timestamp> {
    if failures >= MOST_FAILURES {
        return None;
    }
    let doublings = u32::try_from(failures.saturating_sub(1)).unwrap_or(0).min(6);
    now.checked_add(SignedDuration::from_secs(5 << doublings)).ok()
}

impl Actuarial {
    /// Computes on a thread that may block, giving signs of life of `taken` until it is done.
    pub(crate) async fn watched<T: Send + 'static>(
        &self,
        taken: &impl Taken,
        watch: Arc<Watch>,
        stop: &CancellationToken,
        compute: impl FnOnce() -> T + Send + 'static,
    ) -> Result<Watched<T>, ActuarialError> {
        let mut computing = spawn_blocking(compute);
        let mut beats = interval(BEAT);
        beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut lost, mut stopped) = (false, false);
        loop {
            tokio::select! {
                ended = &mut computing => {
                    let ended = ended.map_err(|_| ActuarialError::Corrupt("computation"))?;
                    return Ok(match (lost, stopped) {
                        (true, _) => Watched::Lost,
                        (_, true) => Watched::Stopped,
                        _ => Watched::Ended(ended),
                    });
                }
                () = stop.cancelled(), if !stopped => {
                    stopped = true;
                    watch.stop.store(true, Ordering::Relaxed);
                }
                _ = beats.tick(), if !lost => {
                    match self.beat(taken, watch.progress()).await {
                        Ok(true) => {}
                        Ok(false) => {
                            lost = true;
                            watch.stop.store(true, Ordering::Relaxed);
                        }
                        // Whether it is still ours shows with the next beat, or at the end.
                        Err(error) => tracing::warn!(%error, "a job gives no sign of life"),
                    }
                }
            }
        }
    }

    /// A sign of life; whether the job is still ours.
    async fn beat(&self, taken: &impl Taken, progress: Progress) -> Result<bool, ActuarialError> {
        let mut tx = self.spine.db().begin(Scope::of(taken.tenant())).await?;
        let ours = taken.advance(&mut tx, progress, held_from(self.spine.now())).await?;
        tx.commit().await?;
        Ok(ours)
    }

    /// Leaves a job to another server, at once.
    pub(crate) async fn give_back(&self, taken: &impl Taken) -> Result<Attempt, ActuarialError> {
        self.leave(taken, taken.failures(), self.spine.now()).await?;
        Ok(Attempt::GivenBack)
    }

    /// Leaves a job to whoever takes it from `due_at` on, after so many failures.
    pub(crate) async fn leave(
        &self,
        taken: &impl Taken,
        failures: i32,
        due_at: Timestamp,
    ) -> Result<(), ActuarialError> {
        let mut tx = self.spine.db().begin(Scope::of(taken.tenant())).await?;
        taken.give_back(&mut tx, failures, due_at).await?;
        Ok(tx.commit().await?)
    }

    /// Imports, runs, and removes old files, until `stop`.
    pub async fn keep_working(self, stop: CancellationToken) {
        let runs = (0..self.settings.runs_at_once).map(|_| self.clone().keep_running(stop.clone()));
        let imports =
            (0..self.settings.imports_at_once).map(|_| self.clone().keep_importing(stop.clone()));
        let (runs, imports) = (futures::future::join_all(runs), futures::future::join_all(imports));
        futures::future::join3(runs, imports, self.clone().keep_sweeping(stop.clone())).await;
    }

    async fn keep_running(self, stop: CancellationToken) {
        let mut ticks = ticks();
        while stop.run_until_cancelled(ticks.tick()).await.is_some() {
            while !stop.is_cancelled() && self.work_on_run(&stop).await.is_some() {}
        }
    }

    async fn keep_importing(self, stop: CancellationToken) {
        let mut ticks = ticks();
        while stop.run_until_cancelled(ticks.tick()).await.is_some() {
            while !stop.is_cancelled() && self.work_on_import(&stop).await.is_some() {}
        }
    }

    async fn keep_sweeping(self, stop: CancellationToken) {
        let mut ticks = interval(EVERY * SWEEP_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while stop.run_until_cancelled(ticks.tick()).await.is_some() {
            while !stop.is_cancelled() && self.sweep().await >= i64::from(SWEPT) {}
        }
    }

    /// Removes files nobody names any more; answers of how many.
    pub async fn sweep(&self) -> i64 {
        match self.files.sweep(self.spine.now(), SWEPT).await {
            Ok(swept) => swept,
            Err(error) => {
                let error = base_http::problem::Chain(&error);
                tracing::warn!(%error, "cannot remove old files; later");
                0
            }
        }
    }
}

fn ticks() -> tokio::time::Interval {
    let mut ticks = interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_of_ours_is_followed_by_a_longer_wait_and_the_fifth_by_none() {
        let start = Timestamp::UNIX_EPOCH;
        let waits = [1, 2, 3, 4, 5]
            .map(|failures| again(start, failures).map(|at| at.duration_since(start).as_secs()));
        assert_eq!(waits, [Some(5), Some(10), Some(20), Some(40), None]);
    }
}

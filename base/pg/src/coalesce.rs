//! Coalescing: calls that arrive while a set is under way form the next set.
//!
//! No timer: a lone call finds an idle lane and goes at once; under load the set grows to what
//! arrived during the last one. Every caller gets its own outcome.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures::FutureExt;
use tokio::sync::{Mutex, mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// How a coalescer is cut.
#[derive(Clone, Copy, Debug)]
pub struct Lanes {
    /// Sets under way at once.
    pub lanes: usize,
    /// Most members of a set.
    pub set: usize,
    /// Most calls waiting; one more is refused.
    pub queue: usize,
}

impl Default for Lanes {
    fn default() -> Lanes {
        Lanes { lanes: 2, set: 128, queue: 4096 }
    }
}

/// Why a call was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotTaken {
    /// As many calls wait as may wait.
    #[error("too many calls are waiting")]
    Busy,
    /// The process is shutting down.
    #[error("the service is shutting down")]
    Stopped,
    /// The set died before it answered; whether the work was done is not known.
    #[error("the call was lost before it was answered")]
    Lost,
}

type Waiting<I, O> = (I, oneshot::Sender<O>);

/// Gathers single calls into sets and hands each caller its own outcome.
pub struct Coalescer<I, O> {
    queue: mpsc::Sender<Waiting<I, O>>,
}

impl<I, O> Clone for Coalescer<I, O> {
    fn clone(&self) -> Coalescer<I, O> {
        Coalescer { queue: self.queue.clone() }
    }
}

impl<I: Send + 'static, O: Send + 'static> Coalescer<I, O> {
    /// Starts the lanes on `tracker`. They end when `stop` is cancelled and the queue is empty.
    ///
    /// `work` answers one outcome per member, in order.
    pub fn start<W, F>(
        name: &'static str,
        cut: Lanes,
        tracker: &TaskTracker,
        stop: &CancellationToken,
        work: W,
    ) -> Coalescer<I, O>
    where
        W: Fn(Vec<I>) -> F + Send + Sync + 'static,
        F: Future<Output = Vec<O>> + Send,
    {
        let (queue, waiting) = mpsc::channel(cut.queue);
        let waiting = Arc::new(Mutex::new(waiting));
        let work = Arc::new(work);
        for _ in 0..cut.lanes {
            let (waiting, work, stop) = (waiting.clone(), work.clone(), stop.clone());
            tracker.spawn(async move {
                while let Some((members, callers)) = next_set(&waiting, cut.set, &stop).await {
                    metrics::histogram!("coalesced_set_members", "set" => name)
                        .record(u32::try_from(members.len()).unwrap_or(u32::MAX));
                    // A panic costs its set, never the lane: the next set is served.
                    let Ok(outcomes) = AssertUnwindSafe(work(members)).catch_unwind().await else {
                        tracing::error!(set = name, "a set died before it answered");
                        continue;
                    };
                    // A caller that hung up no longer wants its outcome; the work stands.
                    for (caller, outcome) in callers.into_iter().zip(outcomes) {
                        let _ = caller.send(outcome);
                    }
                }
            });
        }
        Coalescer { queue }
    }

    /// Hands in one call and waits for its outcome.
    pub async fn submit(&self, member: I) -> Result<O, NotTaken> {
        let (caller, outcome) = oneshot::channel();
        self.queue.try_send((member, caller)).map_err(|refused| match refused {
            mpsc::error::TrySendError::Full(_) => NotTaken::Busy,
            mpsc::error::TrySendError::Closed(_) => NotTaken::Stopped,
        })?;
        outcome.await.map_err(|_| NotTaken::Lost)
    }
}

/// Waits for at least one call and takes what else is there, up to `most`. `None` at the end.
async fn next_set<I, O>(
    waiting: &Mutex<mpsc::Receiver<Waiting<I, O>>>,
    most: usize,
    stop: &CancellationToken,
) -> Option<(Vec<I>, Vec<oneshot::Sender<O>>)> {
    let mut waiting = waiting.lock().await;
    let mut taken = Vec::new();
    tokio::select! {
        biased;
        count = waiting.recv_many(&mut taken, most) => if count == 0 { return None },
        () = stop.cancelled() => {
            waiting.close();
            // Whoever was accepted before the end is served before it.
            if waiting.recv_many(&mut taken, most).await == 0 { return None }
        }
    }
    Some(taken.into_iter().unzip())
}

#[cfg(test)]
mod tests {
    use tokio::sync::Semaphore;

    use super::*;

    #[tokio::test]
    async fn calls_that_arrive_during_a_set_form_the_next() {
        let (tracker, stop) = (TaskTracker::new(), CancellationToken::new());
        let gate = Arc::new(Semaphore::new(0));
        let held = gate.clone();
        let cut = Lanes { lanes: 1, set: 64, queue: 64 };
        let sets = Coalescer::start("test", cut, &tracker, &stop, move |members: Vec<u32>| {
            let held = held.clone();
            async move {
                held.acquire().await.unwrap().forget();
                let size = members.len();
                members.into_iter().map(|member| (member, size)).collect()
            }
        });
        let calls: Vec<_> = (0..5u32)
            .map(|member| {
                tokio::spawn({
                    let sets = sets.clone();
                    async move { sets.submit(member).await }
                })
            })
            .collect();
        tokio::task::yield_now().await;
        gate.add_permits(5);
        let mut sizes = Vec::new();
        for (member, call) in calls.into_iter().enumerate() {
            let (echoed, size) = call.await.unwrap().unwrap();
            assert_eq!(echoed as usize, member);
            sizes.push(size);
        }
        assert!(sizes.iter().all(|&size| size >= 1) && sizes.len() == 5, "{sizes:?}");
    }

    #[tokio::test]
    async fn a_panic_costs_its_set_and_not_the_lane() {
        let (tracker, stop) = (TaskTracker::new(), CancellationToken::new());
        let cut = Lanes { lanes: 1, set: 1, queue: 8 };
        let sets = Coalescer::start("test", cut, &tracker, &stop, |members: Vec<u32>| async move {
            assert!(members[0] != 13, "unlucky");
            members
        });
        assert_eq!(sets.submit(13).await, Err(NotTaken::Lost));
        assert_eq!(sets.submit(7).await, Ok(7));
    }

    #[tokio::test]
    async fn a_full_queue_refuses_and_a_stopped_one_says_so() {
        let (tracker, stop) = (TaskTracker::new(), CancellationToken::new());
        let cut = Lanes { lanes: 1, set: 1, queue: 1 };
        let sets: Coalescer<u32, u32> =
            Coalescer::start("test", cut, &tracker, &stop, |members| async { members });
        assert_eq!(sets.submit(7).await, Ok(7));
        stop.cancel();
        tracker.close();
        tracker.wait().await;
        assert_eq!(sets.submit(8).await, Err(NotTaken::Stopped));
    }
}

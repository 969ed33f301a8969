//! Coalescing: calls that arrive while a set is under way form the next set.
//!
//! No timer: a lone call finds an idle lane and goes at once; under load the set grows to what
//! arrived during the last one. A lane that is about to go first lets every task run that is ready
//! to: answers of one set leave together, so the next calls come together, and without this the
//! first of them would go alone. A set goes beside another one only when it is worth its statements
//! and its commit, so several lanes keep server and database busy together without cutting every set
//! in half. Every caller gets its own outcome.
//!
//! A set may have a second stage, such as waiting for the disk, during which the next sets go.

use std::collections::VecDeque;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::FutureExt;
use tokio::sync::{Notify, oneshot};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// So many waiting calls are worth a set of their own while another one is under way.
const WORTH_A_SET: usize = 16;
/// With so many sets unanswered the lanes wait: something is stuck.
const UNANSWERED: usize = 64;

/// How a coalescer is cut.
#[derive(Clone, Copy, Debug)]
pub struct Lanes {
    /// Sets under way at once.
    pub lanes: usize,
    /// Most members of a set.
    pub set: usize,
    /// Most calls waiting; one more is refused.
    pub queue: usize,
    /// When calls go beside a set that is under way.
    pub sets: Sets,
}

impl Default for Lanes {
    fn default() -> Lanes {
        Lanes { lanes: 3, set: 128, queue: 4096, sets: Sets::Early }
    }
}

/// How long calls wait for others. Larger sets are less work in all, but gather everybody into a few,
/// and then the database waits for the server and the server for the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sets {
    /// For calls that do as much outside their set. A set that only waits for its answers is no
    /// reason to wait, and a lane steps back once.
    Early,
    /// For calls that do next to nothing outside their set. It is one, and a lane steps back twice.
    Large,
}

impl Sets {
    /// How often a lane steps back for tasks that are ready to run, at most.
    const fn courtesy(self) -> usize {
        match self {
            Sets::Early => 1,
            Sets::Large => 2,
        }
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
    queue: Arc<Queue<I, O>>,
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
        Coalescer::start_staged(name, cut, tracker, stop, work, std::future::ready)
    }

    /// The same with a second stage: `work` holds a lane, then `answer` makes outcomes of what came
    /// of it, one per member, in order, while the lane goes on with the next set.
    pub fn start_staged<W, F, M, A, G>(
        name: &'static str,
        cut: Lanes,
        tracker: &TaskTracker,
        stop: &CancellationToken,
        work: W,
        answer: A,
    ) -> Coalescer<I, O>
    where
        W: Fn(Vec<I>) -> F + Send + Sync + 'static,
        F: Future<Output = M> + Send,
        M: Send + 'static,
        A: Fn(M) -> G + Send + Sync + 'static,
        G: Future<Output = Vec<O>> + Send + 'static,
    {
        let queue = Arc::new(Queue::of(cut));
        let stages = Arc::new((work, answer));
        for _ in 0..cut.lanes {
            let (queue, stages, stop) = (queue.clone(), stages.clone(), stop.clone());
            let tracker_of_answers = tracker.clone();
            tracker.spawn(async move {
                let (work, answer) = &*stages;
                while let Some(set) = queue.next_set(&stop).await {
                    let [at_work, unanswered] = queue.counted();
                    let (members, callers): (Vec<I>, Vec<oneshot::Sender<O>>) =
                        set.into_iter().unzip();
                    metrics::histogram!("coalesced_set_members", "set" => name)
                        .record(u32::try_from(members.len()).unwrap_or(u32::MAX));
                    let done = survive(name, work(members)).await;
                    drop(at_work);
                    let Some(done) = done else { continue };
                    let outcomes = survive(name, answer(done));
                    let mut answers = Box::pin(async move {
                        let _until_answered = unanswered;
                        // A caller that hung up no longer wants its outcome; the work stands.
                        for (caller, outcome) in
                            callers.into_iter().zip(outcomes.await.into_iter().flatten())
                        {
                            let _ = caller.send(outcome);
                        }
                    });
                    if answers.as_mut().now_or_never().is_none() {
                        tracker_of_answers.spawn(answers);
                    }
                }
            });
        }
        Coalescer { queue }
    }

    /// Hands in one call and waits for its outcome.
    pub async fn submit(&self, member: I) -> Result<O, NotTaken> {
        let (caller, outcome) = oneshot::channel();
        self.queue.push((member, caller))?;
        outcome.await.map_err(|_| NotTaken::Lost)
    }
}

/// What a stage came to; `None` when it panicked. That costs its set, never the lane: the next set is
/// served.
async fn survive<T>(name: &'static str, stage: impl Future<Output = T>) -> Option<T> {
    let survived = AssertUnwindSafe(stage).catch_unwind().await;
    survived.inspect_err(|_| tracing::error!(set = name, "a set died before it answered")).ok()
}

/// Calls waiting for a lane.
struct Queue<I, O> {
    state: Mutex<State<I, O>>,
    /// Rung when there is a set to take.
    bell: Notify,
    cut: Lanes,
}

struct State<I, O> {
    waiting: VecDeque<Waiting<I, O>>,
    /// Sets at work.
    at_work: usize,
    /// Sets taken and not yet answered, with those at work.
    unanswered: usize,
    /// A lane is about to take what waits.
    gathering: bool,
    closed: bool,
}

impl<I, O> Queue<I, O> {
    fn of(cut: Lanes) -> Queue<I, O> {
        let closed = cut.lanes == 0;
        let state =
            State { waiting: VecDeque::new(), at_work: 0, unanswered: 0, gathering: false, closed };
        Queue { state: Mutex::new(state), bell: Notify::new(), cut }
    }

    fn state(&self) -> MutexGuard<'_, State<I, O>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a lane should take what waits: at once when nothing is under way, else when it is
    /// worth it. At the end everybody who was accepted is served.
    fn is_due(&self, state: &State<I, O>) -> bool {
        let under_way = match self.cut.sets {
            Sets::Early => state.at_work,
            Sets::Large => state.unanswered,
        };
        let worth = match (under_way, state.unanswered) {
            _ if state.closed => 1,
            (_, UNANSWERED..) => return false,
            (0, _) => 1,
            _ => WORTH_A_SET,
        };
        !state.gathering && worth <= state.waiting.len()
    }

    fn push(&self, call: Waiting<I, O>) -> Result<(), NotTaken> {
        let mut state = self.state();
        if state.closed {
            return Err(NotTaken::Stopped);
        }
        if self.cut.queue <= state.waiting.len() {
            return Err(NotTaken::Busy);
        }
        state.waiting.push_back(call);
        if self.is_due(&state) {
            self.bell.notify_one();
        }
        Ok(())
    }

    /// Waits until a set is due and takes it. `None` at the end.
    async fn next_set(&self, stop: &CancellationToken) -> Option<Vec<Waiting<I, O>>> {
        loop {
            let mine = {
                let mut state = self.state();
                if stop.is_cancelled() {
                    state.closed = true;
                    // A lane that is gathering comes back until nobody waits.
                    if state.waiting.is_empty() || state.gathering {
                        return None;
                    }
                }
                let mine = self.is_due(&state);
                state.gathering |= mine;
                mine
            };
            if mine {
                self.step_back().await;
                return Some(self.take());
            }
            tokio::select! {
                () = self.bell.notified() => {}
                () = stop.cancelled() => {}
            }
        }
    }

    /// Lets tasks that are ready to run hand in their calls, as long as any does.
    async fn step_back(&self) {
        let mut seen = self.state().waiting.len();
        for _ in 0..self.cut.sets.courtesy() {
            tokio::task::yield_now().await;
            let waiting = self.state().waiting.len();
            if waiting == seen || self.cut.set <= waiting {
                return;
            }
            seen = waiting;
        }
    }

    /// The set just taken, as it is counted: at work, and unanswered.
    fn counted(self: &Arc<Self>) -> [Counted<I, O>; 2] {
        [Count::AtWork, Count::Unanswered].map(|count| Counted { queue: self.clone(), count })
    }

    /// Takes the set a lane gathered.
    fn take(&self) -> Vec<Waiting<I, O>> {
        let mut state = self.state();
        state.gathering = false;
        state.at_work += 1;
        state.unanswered += 1;
        let most = self.cut.set.min(state.waiting.len());
        let set = state.waiting.drain(..most).collect();
        if self.is_due(&state) {
            self.bell.notify_one();
        }
        set
    }
}

/// A set in one of the counts, until it is dropped.
struct Counted<I, O> {
    queue: Arc<Queue<I, O>>,
    count: Count,
}

#[derive(Clone, Copy)]
enum Count {
    AtWork,
    Unanswered,
}

impl<I, O> Drop for Counted<I, O> {
    fn drop(&mut self) {
        let mut state = self.queue.state();
        match self.count {
            Count::AtWork => state.at_work -= 1,
            Count::Unanswered => state.unanswered -= 1,
        }
        if self.queue.is_due(&state) {
            self.queue.bell.notify_one();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::sync::Semaphore;

    use super::*;

    #[tokio::test]
    async fn calls_that_arrive_during_a_set_form_the_next() {
        let (tracker, stop) = (TaskTracker::new(), CancellationToken::new());
        let gate = Arc::new(Semaphore::new(0));
        let held = gate.clone();
        let cut = Lanes { lanes: 1, set: 64, queue: 64, ..Lanes::default() };
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
    async fn calls_that_are_ready_together_go_together() {
        let (tracker, stop) = (TaskTracker::new(), CancellationToken::new());
        let cut = Lanes { lanes: 2, set: 64, queue: 64, ..Lanes::default() };
        let sets =
            Coalescer::start("test", cut, &tracker, &stop, |members: Vec<usize>| async move {
                let size = members.len();
                members.into_iter().map(|_| size).collect()
            });
        assert_eq!(sets.submit(0).await, Ok(1));
        // The second caller comes to be once a lane is woken for the first, and runs after it.
        let second = async {
            let sets = sets.clone();
            tokio::spawn(async move { sets.submit(0).await }).await.unwrap()
        };
        assert_eq!(tokio::join!(sets.submit(0), second), (Ok(2), Ok(2)));
    }

    #[tokio::test]
    async fn a_panic_costs_its_set_and_not_the_lane() {
        let (tracker, stop) = (TaskTracker::new(), CancellationToken::new());
        let cut = Lanes { lanes: 1, set: 1, queue: 8, ..Lanes::default() };
        let sets = Coalescer::start("test", cut, &tracker, &stop, |members: Vec<u32>| async move {
            assert!(members[0] != 13, "unlucky");
            members
        });
        assert_eq!(sets.submit(13).await, Err(NotTaken::Lost));
        assert_eq!(sets.submit(7).await, Ok(7));
    }

    /// A lane whose sets are answered as permits come.
    struct Held {
        sets: Coalescer<usize, usize>,
        gate: Arc<Semaphore>,
        worked: tokio::sync::mpsc::UnboundedReceiver<usize>,
    }

    impl Held {
        fn start(sets: Sets) -> Held {
            let gate = Arc::new(Semaphore::new(0));
            let held = gate.clone();
            let (done, worked) = tokio::sync::mpsc::unbounded_channel();
            let sets = Coalescer::start_staged(
                "test",
                Lanes { lanes: 1, set: 64, queue: 64, sets },
                &TaskTracker::new(),
                &CancellationToken::new(),
                move |members: Vec<usize>| {
                    done.send(members.len()).unwrap();
                    async move { members }
                },
                move |members| {
                    let held = held.clone();
                    async move {
                        held.acquire().await.unwrap().forget();
                        assert!(!members.contains(&13), "unlucky");
                        members
                    }
                },
            );
            Held { sets, gate, worked }
        }

        fn submit(&self, member: usize) -> tokio::task::JoinHandle<Result<usize, NotTaken>> {
            let sets = self.sets.clone();
            tokio::spawn(async move { sets.submit(member).await })
        }
    }

    #[tokio::test]
    async fn a_lane_goes_on_while_an_earlier_set_waits_for_its_answers() {
        let mut held = Held::start(Sets::Early);
        let first = held.submit(13);
        assert_eq!(held.worked.recv().await, Some(1));
        let others: Vec<_> = (20..23).map(|member| held.submit(member)).collect();
        assert_eq!(held.worked.recv().await, Some(3));
        held.gate.add_permits(2);
        assert_eq!(first.await.unwrap(), Err(NotTaken::Lost));
        for (member, call) in (20..).zip(others) {
            assert_eq!(call.await.unwrap(), Ok(member));
        }
    }

    #[tokio::test]
    async fn where_sets_shall_be_large_few_calls_wait_for_the_answers_of_others() {
        let mut held = Held::start(Sets::Large);
        let first = held.submit(1);
        assert_eq!(held.worked.recv().await, Some(1));
        let few: Vec<_> = (20..23).map(|member| held.submit(member)).collect();
        for _ in 0..16 {
            tokio::task::yield_now().await;
        }
        assert_eq!(held.sets.queue.state().waiting.len(), 3);
        let rest: Vec<_> = (23..20 + WORTH_A_SET).map(|member| held.submit(member)).collect();
        assert_eq!(held.worked.recv().await, Some(WORTH_A_SET), "worth a set together");
        held.gate.add_permits(2);
        assert_eq!(first.await.unwrap(), Ok(1));
        for (member, call) in (20..).zip(few.into_iter().chain(rest)) {
            assert_eq!(call.await.unwrap(), Ok(member));
        }
    }

    #[tokio::test]
    async fn a_second_set_goes_beside_the_first_once_it_is_worth_it() {
        let (tracker, stop) = (TaskTracker::new(), CancellationToken::new());
        let gate = Arc::new(Semaphore::new(0));
        let held = gate.clone();
        let cut = Lanes { lanes: 2, set: 64, queue: 64, ..Lanes::default() };
        let sets = Coalescer::start("test", cut, &tracker, &stop, move |members: Vec<usize>| {
            let held = held.clone();
            async move {
                held.acquire().await.unwrap().forget();
                let size = members.len();
                members.into_iter().map(|_| size).collect::<Vec<_>>()
            }
        });
        let call = || {
            tokio::spawn({
                let sets = sets.clone();
                async move { sets.submit(0).await.unwrap() }
            })
        };
        let first = call();
        tokio::time::timeout(Duration::from_secs(10), async {
            while sets.queue.state().at_work < 1 {
                tokio::task::yield_now().await;
            }
        })
        .await
        .unwrap();
        let others: Vec<_> = (1..WORTH_A_SET).map(|_| call()).collect();
        while sets.queue.state().waiting.len() < WORTH_A_SET - 1 {
            tokio::task::yield_now().await;
        }
        assert_eq!(sets.queue.state().at_work, 1);
        let last = call();
        while sets.queue.state().at_work < 2 {
            tokio::task::yield_now().await;
        }
        gate.add_permits(2);
        assert_eq!(first.await.unwrap(), 1);
        for call in others.into_iter().chain([last]) {
            assert_eq!(call.await.unwrap(), WORTH_A_SET);
        }
    }

    #[tokio::test]
    async fn a_full_queue_refuses_and_a_stopped_one_says_so() {
        let (tracker, stop) = (TaskTracker::new(), CancellationToken::new());
        let cut = Lanes { lanes: 1, set: 1, queue: 1, ..Lanes::default() };
        let sets: Coalescer<u32, u32> =
            Coalescer::start("test", cut, &tracker, &stop, |members| async { members });
        assert_eq!(sets.submit(7).await, Ok(7));
        stop.cancel();
        tracker.close();
        tracker.wait().await;
        assert_eq!(sets.submit(8).await, Err(NotTaken::Stopped));
    }
}

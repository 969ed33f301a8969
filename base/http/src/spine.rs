//! The spine: serves a call in one transaction with its usage, its proof, its events and its
//! idempotency answer. Hot commands go through it as sets.
//!
//! A set opens one transaction, claims the keys, counts the quotas, does the work of all members
//! and records the ones that were served. A member that is refused leaves its neighbours alone;
//! a store error that spoils the transaction makes every member run again by itself, so a bad
//! member cannot fail the others. Transactions commit ahead of the disk, and every answer waits
//! until nothing it rests on can be lost (`docs/adr/0013`).

use std::sync::Arc;

use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures::future::BoxFuture;
use http::{HeaderValue, StatusCode, header};
use jiff::Timestamp;
use kernel::{Clock, Ids};
use pg::coalesce::{Coalescer, Lanes, NotTaken};
use pg::{Ahead, Command, Db, Scope, Tx, failure};
use serde::Serialize;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::call::Call;
use crate::idempotency;
use crate::json;
use crate::problem::{self, Problem};

/// How often a set starts over after a serialisation failure or a deadlock.
const ATTEMPTS: u32 = 5;

/// Room for the longest common answer, a quote.
const BODY_BYTES: usize = 6 << 10;

/// A fact for the outbox, told once the work is committed.
#[derive(Clone, Debug)]
pub struct EventDraft {
    /// CloudEvents type, for example `production.policy.confirmed`.
    pub kind: &'static str,
    /// What it is about, for example a confirm code.
    pub subject: String,
    /// Facts, without personal data.
    pub data: serde_json::Value,
}

/// An insurer's record that an answer shows, named for whoever asks later who looked at it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ShownRecord {
    /// Four-letter code of the insurer it belongs to.
    pub owner: String,
    /// Region of the record, six digits.
    pub region: String,
    /// Slot of the vehicle it is about.
    pub slot: u16,
    /// Digest of the frame number, as in [`Done::vehicle`], when it is about one.
    pub vehicle: Option<[u8; 16]>,
    /// Its platform number: a confirm code, a claim code.
    pub subject: String,
}

/// A finished piece of work, not yet committed.
#[derive(Clone, Debug)]
pub struct Done {
    /// 2xx.
    pub status: StatusCode,
    /// The answer as it goes out and is proven.
    pub body: Bytes,
    /// Slot of the vehicle chain everything of this call lies on.
    pub slot: u16,
    /// What the call was about: a platform number or a masked frame number.
    pub subject: String,
    /// First 16 bytes of SHA-256 over the frame number of the one vehicle whose whole history,
    /// of all insurers, the answer rests on.
    pub vehicle: Option<[u8; 16]>,
    /// Records the answer shows, one by one. The caller's own may be among them: they are not
    /// recorded as looked at.
    pub shown: Vec<ShownRecord>,
    /// Facts for the outbox.
    pub events: Vec<EventDraft>,
}

impl Done {
    /// Work answered by `view` as JSON.
    pub fn json(
        status: StatusCode,
        view: &impl Serialize,
        slot: u16,
        subject: impl Into<String>,
    ) -> Done {
        // Views are plain structs of strings, numbers and lists, which always serialise.
        let body = json::written(view, BODY_BYTES).unwrap_or_default();
        Done::written(status, body, slot, subject)
    }

    /// Work answered by `body`, which is JSON already.
    pub fn written(
        status: StatusCode,
        body: impl Into<Bytes>,
        slot: u16,
        subject: impl Into<String>,
    ) -> Done {
        let (body, subject) = (body.into(), subject.into());
        Done { status, body, slot, subject, vehicle: None, shown: Vec::new(), events: Vec::new() }
    }

    /// The same work, resting on all that insurers recorded of one vehicle. Costs no row: for hot
    /// calls. A call that says what it showed with [`Done::showing`] does not say this too.
    pub fn about_vehicle(self, digest: [u8; 16]) -> Done {
        Done { vehicle: Some(digest), ..self }
    }

    /// The same work, showing these records, each of which its owner can find the look at.
    pub fn showing(mut self, records: impl IntoIterator<Item = ShownRecord>) -> Done {
        self.shown.extend(records);
        self
    }

    /// The same work, telling `event`.
    pub fn telling(mut self, event: EventDraft) -> Done {
        self.events.push(event);
        self
    }
}

/// A call and what was done for it, to be recorded in the same transaction.
#[derive(Debug)]
pub struct Served<'a> {
    /// Who called what, why, with which message.
    pub call: &'a Call,
    /// What was answered.
    pub done: &'a Done,
    /// When.
    pub served_at: Timestamp,
}

/// Whether a quota lets a call pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// Within the quota, or without one.
    Admitted,
    /// The daily quota is used up.
    Exhausted,
}

/// Writes what must commit with a call. Implemented over usage, evidence and outbox.
pub trait Recorder: Send + Sync + 'static {
    /// Whether today's quota has room for each call; counts nothing yet. Holds the counters until
    /// the transaction ends, unless [`Recorder::record`] finds out when the room was gone after
    /// all. One admission per call, in order.
    fn admit<'a>(
        &'a self,
        tx: &'a mut Tx,
        calls: &'a [&'a Call],
    ) -> BoxFuture<'a, Result<Vec<Admission>, sqlx::Error>>;

    /// Writes usage, evidence, events and counts of the served calls, as sets. The last that is
    /// written; [`failure::start_over`] when a quota was overrun by calls admitted elsewhere.
    fn record<'a>(
        &'a self,
        tx: &'a mut Tx,
        served: &'a [Served<'a>],
    ) -> BoxFuture<'a, Result<(), sqlx::Error>>;

    /// Writes the evidence of a refused call whose refusal shows records, and nothing else: it is no
    /// usage and counts towards no quota.
    fn witness<'a>(
        &'a self,
        tx: &'a mut Tx,
        refused: &'a Served<'a>,
    ) -> BoxFuture<'a, Result<(), sqlx::Error>>;
}

/// A command the platform runs as sets.
pub trait SetCommand: Send + Sync + Sized + 'static {
    /// Names the command in logs, spans and metrics.
    const NAME: &'static str;
    /// Why a member is refused.
    type Error: std::error::Error + From<sqlx::Error> + Into<Problem> + Send + 'static;

    /// Does the work of every member; one outcome per member, in order. A refused member has
    /// written nothing. The outer error spoils the whole set, which then runs one by one.
    fn apply_set(
        set: &[&Self],
        tx: &mut Tx,
    ) -> impl Future<Output = Result<Vec<Result<Done, Self::Error>>, Self::Error>> + Send;
}

/// An answer on its way out: committed, or found under its idempotency key.
#[derive(Clone, Debug)]
pub struct Reply {
    /// 2xx.
    pub status: StatusCode,
    /// JSON.
    pub body: Bytes,
    /// Whether this is the stored answer of an earlier call.
    pub replayed: bool,
}

impl IntoResponse for Reply {
    fn into_response(self) -> Response {
        let mut response = (self.status, self.body).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if self.replayed {
            headers.insert("idempotency-replayed", HeaderValue::from_static("true"));
        }
        response
    }
}

/// What a call comes to.
pub(crate) type Outcome = Result<Reply, Problem>;

/// Members of a set that share a transaction, in order, and what must be durable before they are
/// answered.
pub(crate) struct Part {
    pub(crate) ahead: Ahead,
    pub(crate) outcomes: Vec<Outcome>,
}

/// Serves calls. Cheap to clone.
#[derive(Clone)]
pub struct Spine {
    db: Db,
    recorder: Arc<dyn Recorder>,
    clock: Arc<dyn Clock>,
    ids: Arc<Ids>,
}

impl Spine {
    /// A spine over `db` that records through `recorder`.
    pub fn new(db: Db, recorder: Arc<dyn Recorder>, clock: Arc<dyn Clock>, ids: Arc<Ids>) -> Spine {
        Spine { db, recorder, clock, ids }
    }

    /// The database, for reads that precede a command.
    pub fn db(&self) -> &Db {
        &self.db
    }

    /// The present instant.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Where new identifiers come from.
    pub fn ids(&self) -> &Ids {
        &self.ids
    }

    /// Serves one call with a transaction of its own; `view` turns the result into the answer.
    pub async fn run<C>(
        &self,
        call: Call,
        command: &C,
        view: impl Fn(C::Out) -> Done + Send + Sync,
    ) -> Result<Reply, Problem>
    where
        C: Command,
        C::Error: Into<Problem>,
    {
        let mut attempt = 1;
        loop {
            let outcome: Result<Result<Reply, Problem>, Spoilt<C::Error>> = async {
                let calls = [&call];
                let (mut tx, mut verdicts) = self.open(&calls).await.map_err(Spoilt::Store)?;
                if let Some(Some(verdict)) = verdicts.pop() {
                    let seen = tx.seen();
                    undo(tx).await;
                    seen.durable().await.map_err(Spoilt::Store)?;
                    return Ok(verdict);
                }
                let out = match command.apply(&mut tx).await {
                    Ok(out) => out,
                    Err(error) => {
                        undo(tx).await;
                        return Err(Spoilt::Command(error));
                    }
                };
                let done = view(out);
                let served = [Served { call: &call, done: &done, served_at: self.clock.now() }];
                let ahead = self.seal(tx, &served).await.map_err(Spoilt::Store)?;
                ahead.durable().await.map_err(Spoilt::Store)?;
                Ok(Ok(Reply { status: done.status, body: done.body, replayed: false }))
            }
            .await;
            match outcome {
                Ok(reply) => return reply,
                Err(spoilt) if attempt < ATTEMPTS && spoilt.is_retryable() => attempt += 1,
                Err(Spoilt::Store(error)) => return Err(Problem::store(&error)),
                Err(Spoilt::Command(error)) => return Err(self.refuse(&call, error.into()).await),
            }
        }
    }

    /// A refusal on its way out. One that names records of other insurers shows them: that look is
    /// recorded first, in a transaction of its own, for the refused one left nothing. When it cannot
    /// be recorded the refusal names nobody. For refusals that come before any work; those of
    /// commands come through here by themselves.
    pub async fn refuse(&self, call: &Call, problem: Problem) -> Problem {
        let Some(naming) = &problem.naming else { return problem };
        let own = call.caller.insurer.as_deref();
        if naming.records.iter().all(|record| Some(&*record.owner) == own) {
            return problem.told();
        }
        let told = problem.clone().told();
        let done = Done {
            status: told.status(),
            body: told.body(Some(call.trace)).into(),
            slot: naming.records.first().map_or(0, |record| record.slot),
            subject: naming.records.first().map_or_else(String::new, |it| it.subject.clone()),
            vehicle: None,
            shown: naming.records.clone(),
            events: Vec::new(),
        };
        // Rare, and of kilobytes that every future around it would have to hold.
        match Box::pin(self.witness(call, &done)).await {
            Ok(()) => told,
            Err(error) => {
                tracing::warn!(error = %problem::Chain(&error), "a refusal names nobody: the look could not be recorded");
                Problem { naming: None, ..problem }
            }
        }
    }

    async fn witness(&self, call: &Call, done: &Done) -> Result<(), sqlx::Error> {
        let mut tx = self.db.begin(Scope::of(call.caller.tenant)).await?;
        let refused = Served { call, done, served_at: self.clock.now() };
        match self.recorder.witness(&mut tx, &refused).await {
            Ok(()) => tx.commit().await,
            Err(error) => {
                undo(tx).await;
                Err(error)
            }
        }
    }

    /// Answers a read that is ready, once it is recorded.
    pub async fn answer(&self, call: Call, done: Done) -> Result<Reply, Problem> {
        self.run(call, &Ready, |()| done.clone()).await
    }

    /// Starts the lanes that serve `C` as sets.
    pub fn coalesce<C: SetCommand>(
        &self,
        cut: Lanes,
        tracker: &TaskTracker,
        stop: &CancellationToken,
    ) -> Coalesced<C> {
        let work = |spine: Spine, set: Vec<(Call, C)>| async move { spine.run_set(&set).await };
        self.coalesce_by(cut, tracker, stop, work)
    }

    /// Starts lanes in which `work` serves each set, over a spine with connections of its own.
    pub(crate) fn coalesce_by<C, W, F>(
        &self,
        cut: Lanes,
        tracker: &TaskTracker,
        stop: &CancellationToken,
        work: W,
    ) -> Coalesced<C>
    where
        C: SetCommand,
        W: Fn(Spine, Vec<(Call, C)>) -> F + Send + Sync + 'static,
        F: Future<Output = Vec<Part>> + Send,
    {
        let spine = Spine { db: self.db.kept(cut.lanes), ..self.clone() };
        let work = move |set| work(spine.clone(), set);
        Coalesced(Coalescer::start_staged(C::NAME, cut, tracker, stop, work, when_durable))
    }

    /// One part, unless members had to run one by one.
    pub(crate) async fn run_set<C: SetCommand>(&self, set: &[(Call, C)]) -> Vec<Part> {
        let mut attempt = 1;
        loop {
            match self.try_set(set).await {
                Ok(mut part) => {
                    for ((call, _), outcome) in set.iter().zip(&mut part.outcomes) {
                        if let Err(problem) = outcome
                            && problem.naming.is_some()
                        {
                            *problem = self.refuse(call, problem.clone()).await;
                        }
                    }
                    return vec![part];
                }
                Err(spoilt) if attempt < ATTEMPTS && spoilt.is_retryable() => attempt += 1,
                // One bad member spoilt the transaction: each runs by itself.
                Err(spoilt) if set.len() > 1 && !spoilt.is_unavailable() => {
                    tracing::warn!(set = C::NAME, size = set.len(), "a set is run one by one");
                    let mut parts = Vec::with_capacity(set.len());
                    for member in set {
                        parts.extend(Box::pin(self.run_set(std::slice::from_ref(member))).await);
                    }
                    return parts;
                }
                Err(spoilt) => {
                    let problem = match spoilt {
                        Spoilt::Store(error) => Problem::store(&error),
                        Spoilt::Command(error) => error.into(),
                    };
                    let outcomes = set.iter().map(|_| Err(problem.clone())).collect();
                    return vec![Part { ahead: Ahead::default(), outcomes }];
                }
            }
        }
    }

    async fn try_set<C: SetCommand>(&self, set: &[(Call, C)]) -> Result<Part, Spoilt<C::Error>> {
        let calls: Vec<&Call> = set.iter().map(|(call, _)| call).collect();
        let (mut tx, mut verdicts) = self.open(&calls).await.map_err(Spoilt::Store)?;
        let fresh: Vec<usize> = (0..set.len()).filter(|&at| verdicts[at].is_none()).collect();
        let commands: Vec<&C> = fresh.iter().map(|&at| &set[at].1).collect();
        let outcomes = if commands.is_empty() {
            Vec::new()
        } else {
            match C::apply_set(&commands, &mut tx).await {
                Ok(outcomes) => outcomes,
                Err(error) => {
                    undo(tx).await;
                    return Err(Spoilt::Command(error));
                }
            }
        };
        let mut finished: Vec<(usize, Done)> = Vec::with_capacity(fresh.len());
        for (&at, outcome) in fresh.iter().zip(outcomes) {
            match outcome {
                Ok(done) => finished.push((at, done)),
                Err(error) => verdicts[at] = Some(Err(error.into())),
            }
        }
        let ahead = if finished.is_empty() {
            let seen = tx.seen();
            undo(tx).await;
            seen
        } else {
            let served_at = self.clock.now();
            let served: Vec<Served<'_>> = finished
                .iter()
                .map(|(at, done)| Served { call: calls[*at], done, served_at })
                .collect();
            self.seal(tx, &served).await.map_err(Spoilt::Store)?
        };
        for (at, done) in finished {
            verdicts[at] =
                Some(Ok(Reply { status: done.status, body: done.body, replayed: false }));
        }
        let unanswered = || Err(Problem::new(&problem::INTERNAL, "a set left a member unanswered"));
        let outcomes = verdicts.into_iter().map(|verdict| verdict.unwrap_or_else(unanswered));
        Ok(Part { ahead, outcomes: outcomes.collect() })
    }

    /// Opens the transaction of a set, claims its keys and asks its quotas.
    async fn open(&self, calls: &[&Call]) -> Result<(Tx, Vec<idempotency::Verdict>), sqlx::Error> {
        let scope = Scope::of_all(calls.iter().map(|call| call.caller.tenant));
        let mut tx = self.db.begin_ahead(scope).await?;
        match self.judge(&mut tx, calls).await {
            Ok(verdicts) => Ok((tx, verdicts)),
            Err(error) => {
                undo(tx).await;
                Err(error)
            }
        }
    }

    /// What is settled before any work: answers given before, and quotas that are used up.
    async fn judge(
        &self,
        tx: &mut Tx,
        calls: &[&Call],
    ) -> Result<Vec<idempotency::Verdict>, sqlx::Error> {
        let mut verdicts = idempotency::claim(tx, calls).await?;
        let counted: Vec<usize> = (0..calls.len())
            .filter(|&at| verdicts[at].is_none() && calls[at].daily_quota.is_some())
            .collect();
        if !counted.is_empty() {
            let asking: Vec<&Call> = counted.iter().map(|&at| calls[at]).collect();
            let admissions = self.recorder.admit(tx, &asking).await?;
            for (&at, admission) in counted.iter().zip(admissions) {
                if admission == Admission::Exhausted {
                    verdicts[at] = Some(Err(exhausted(calls[at])));
                }
            }
        }
        Ok(verdicts)
    }

    /// Writes what goes with the work and commits it ahead of the disk.
    async fn seal(&self, mut tx: Tx, served: &[Served<'_>]) -> Result<Ahead, sqlx::Error> {
        let written = async {
            idempotency::keep(&mut tx, served).await?;
            // Counters many calls share are touched last, so that they are held for a moment only.
            self.recorder.record(&mut tx, served).await
        };
        match written.await {
            Ok(()) => tx.commit_ahead().await,
            Err(error) => {
                undo(tx).await;
                Err(error)
            }
        }
    }
}

/// Answers the members of a set once nothing their answers rest on can be lost any more, be it
/// written by the set or found under a key.
async fn when_durable(parts: Vec<Part>) -> Vec<Outcome> {
    let mut outcomes = Vec::with_capacity(parts.len());
    for part in parts {
        match part.ahead.durable().await {
            Ok(()) => outcomes.extend(part.outcomes),
            Err(error) => {
                let problem = Problem::store(&error);
                outcomes.extend(part.outcomes.iter().map(|_| Err(problem.clone())));
            }
        }
    }
    outcomes
}

/// Ends a transaction that came to nothing before anybody starts over. Dropped, it would be rolled
/// back a moment later, and the next attempt would find its own keys still held.
async fn undo(tx: Tx) {
    if let Err(error) = tx.rollback().await {
        tracing::debug!(%error, "a spoilt transaction ended with its connection");
    }
}

/// A read whose answer is ready: nothing is left to do but to record it.
struct Ready;

/// The transaction in which a read is recorded failed.
#[derive(Debug, thiserror::Error)]
#[error("a read could not be recorded")]
struct Unrecorded(#[from] sqlx::Error);

impl Command for Ready {
    const NAME: &'static str = "spine.answer";
    type Out = ();
    type Error = Unrecorded;

    async fn apply(&self, _tx: &mut Tx) -> Result<(), Unrecorded> {
        Ok(())
    }
}

impl From<Unrecorded> for Problem {
    fn from(error: Unrecorded) -> Problem {
        Problem::store(&error)
    }
}

/// A command that is served as sets.
pub struct Coalesced<C>(Coalescer<(Call, C), Outcome>);

impl<C> Clone for Coalesced<C> {
    fn clone(&self) -> Coalesced<C> {
        Coalesced(self.0.clone())
    }
}

impl<C: SetCommand> Coalesced<C> {
    /// Hands in one call and waits for its committed answer.
    pub async fn run(&self, call: Call, command: C) -> Result<Reply, Problem> {
        match self.0.submit((call, command)).await {
            Ok(outcome) => outcome,
            Err(refused) => Err(not_taken(refused)),
        }
    }
}

/// What a caller is told when a coalescer did not take the call.
pub fn not_taken(refused: NotTaken) -> Problem {
    match refused {
        NotTaken::Busy | NotTaken::Stopped => {
            Problem::new(&problem::BUSY, refused.to_string()).retry_after(1)
        }
        NotTaken::Lost => Problem::new(
            &problem::INTERNAL,
            "the call was lost before it was answered; repeat it with the same Idempotency-Key",
        ),
    }
}

fn exhausted(call: &Call) -> Problem {
    let quota = call.daily_quota.unwrap_or_default();
    let detail = format!(
        "user {} has used its {quota} calls of today; come again tomorrow",
        call.caller.client
    );
    Problem::new(&problem::QUOTA, detail).with("quota", quota)
}

/// Why a transaction came to nothing.
enum Spoilt<E> {
    Store(sqlx::Error),
    Command(E),
}

impl<E: std::error::Error + 'static> Spoilt<E> {
    fn cause(&self) -> &(dyn std::error::Error + 'static) {
        match self {
            Spoilt::Store(error) => error,
            Spoilt::Command(error) => error,
        }
    }

    fn is_retryable(&self) -> bool {
        failure::is_retryable(self.cause())
    }

    fn is_unavailable(&self) -> bool {
        failure::is_unavailable(self.cause())
    }
}

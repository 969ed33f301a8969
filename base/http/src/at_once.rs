//! Sets that are written at once: one statement, which is a transaction of its own.
//!
//! For commands that decide nothing in the database. Opening a transaction, its statements one after
//! the other and its commit are four round trips in which everybody in the set waits and the database
//! mostly waits too; this is one, which answers once it is on the disk. It writes all or nothing. Whatever it cannot do (a key was answered
//! before, a quota is used up, one member spoils the rest) goes the long way of every
//! other set, which finds the database as if nothing had been tried.

use std::sync::Arc;

use futures::future::BoxFuture;
use pg::coalesce::Lanes;
use pg::{Ahead, AtOnce, Scope, failure};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::call::Call;
use crate::idempotency;
use crate::problem::Problem;
use crate::spine::{Coalesced, Done, Part, Reply, Served, SetCommand, Spine};

/// A set command that decides nothing in the database: its answer is ready before it is written.
pub trait ReadyCommand: SetCommand {
    /// The answer, as [`SetCommand::apply_set`] would give it.
    fn done(&self) -> &Done;
}

/// Writes the work of whole sets together with all that a [`crate::Recorder`] writes beside it.
pub trait WritesAtOnce<C>: Send + Sync + 'static {
    /// Writes work, usage, evidence, events, counts and answers under keys
    /// ([`crate::idempotency::Columns`]) of every member in one statement on `at_once`.
    /// Answers whether it did; when not, nothing was written and the set goes the long way, as it
    /// does after an error, unless the connection was lost: then it is not known.
    fn write<'a>(
        &'a self,
        at_once: &'a mut AtOnce,
        set: &'a [&'a C],
        served: &'a [Served<'a>],
    ) -> BoxFuture<'a, Result<bool, sqlx::Error>>;
}

impl Spine {
    /// Starts the lanes that serve `C` as sets, each written at once where that is possible.
    pub fn coalesce_ready<C: ReadyCommand>(
        &self,
        writer: Arc<dyn WritesAtOnce<C>>,
        cut: Lanes,
        tracker: &TaskTracker,
        stop: &CancellationToken,
    ) -> Coalesced<C> {
        let work = move |spine: Spine, set: Vec<(Call, C)>| {
            let writer = writer.clone();
            async move {
                let part = spine.try_at_once(&*writer, &set).await;
                let way = if part.is_some() { "at_once" } else { "long" };
                metrics::counter!("sets_written_total", "set" => C::NAME, "way" => way)
                    .increment(1);
                match part {
                    Some(part) => vec![part],
                    None => spine.run_set(&set).await,
                }
            }
        };
        self.coalesce_by(cut, tracker, stop, work)
    }

    /// `None` when nothing was written.
    async fn try_at_once<C: ReadyCommand>(
        &self,
        writer: &dyn WritesAtOnce<C>,
        set: &[(Call, C)],
    ) -> Option<Part> {
        if idempotency::share_a_key(set.iter().map(|(call, _)| call)) {
            return None;
        }
        let written = async {
            let scope = Scope::of_all(set.iter().map(|(call, _)| call.caller.tenant));
            let mut at_once = self.db().at_once(&scope).await?;
            let served_at = self.now();
            let commands: Vec<&C> = set.iter().map(|(_, command)| command).collect();
            let served: Vec<Served<'_>> = set
                .iter()
                .map(|(call, command)| Served { call, done: command.done(), served_at })
                .collect();
            let written = writer.write(&mut at_once, &commands, &served).await?;
            at_once.keep();
            Ok::<_, sqlx::Error>(written)
        };
        match written.await {
            Ok(true) => {
                let outcomes = set.iter().map(|(_, command)| {
                    let Done { status, body, .. } = command.done();
                    Ok(Reply { status: *status, body: body.clone(), replayed: false })
                });
                // Nothing is ahead of the disk.
                Some(Part { ahead: Ahead::default(), outcomes: outcomes.collect() })
            }
            Ok(false) => None,
            Err(error) if failure::is_unavailable(&error) => {
                self.db().doubt();
                let problem = Problem::store(&error);
                let outcomes = set.iter().map(|_| Err(problem.clone())).collect();
                Some(Part { ahead: Ahead::default(), outcomes })
            }
            Err(error) => {
                tracing::debug!(%error, set = C::NAME, "a set was not written at once");
                None
            }
        }
    }
}

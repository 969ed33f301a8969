//! Whoever is late is told of, to both sides and the operator: when a wait is over, and when as much
//! time again is.
//!
//! That it was told is noted with the code in the transaction that tells, so each wait is told of once,
//! however many servers look, and the next wait of the code again.

use std::time::Duration;

use base_http::problem::Chain;
use jiff::Timestamp;
use kernel::{Ids, TenantId};
use pg::{Command, Scope, Tx, failure};
use serde_json::json;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use super::store::{RecoveryRow, late};
use super::{clock, told};
use crate::error::ClearingError;
use crate::{Clearing, HOUSE, outbox};

/// How often the clock is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// Codes told of in one transaction.
const ROUND: usize = 50;

/// What is told of a wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Late {
    /// Its time is over.
    Overdue,
    /// As much time again is over.
    Escalated,
}

impl Clearing {
    /// Tells of every wait that is over or escalated at `now` and was not told of; how many facts there
    /// were to tell. Safe to repeat and to run on several servers.
    pub async fn tell_late(&self, now: Timestamp) -> Result<usize, ClearingError> {
        let (db, ids, operator) = (self.spine.db(), self.spine.ids(), self.operator);
        let mut told = 0;
        for late in [Late::Overdue, Late::Escalated] {
            loop {
                let tell = TellLate { late, operator, now, ids };
                let taken = db.run(Scope::of(HOUSE), &tell).await?;
                told += taken;
                if taken < ROUND {
                    break;
                }
            }
        }
        Ok(told)
    }

    /// Looks at the clock until `stop`.
    pub(crate) async fn keep_telling_late(self, stop: CancellationToken) {
        let mut ticks = interval(LOOK_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while stop.run_until_cancelled(ticks.tick()).await.is_some() {
            match self.tell_late(self.spine.now()).await {
                Ok(0) => {}
                Ok(told) => tracing::info!(recovery.late = told, "told of {told} late recoveries"),
                Err(error) if failure::is_unavailable(&error) => {
                    tracing::warn!(error = %Chain(&error), "cannot look for late recoveries; later");
                }
                Err(error) => {
                    tracing::error!(error = %Chain(&error), "late recoveries cannot be told of");
                }
            }
        }
    }
}

struct TellLate<'a> {
    late: Late,
    operator: TenantId,
    now: Timestamp,
    ids: &'a Ids,
}

impl Command for TellLate<'_> {
    const NAME: &'static str = "recovery.tell_late";
    type Out = usize;
    type Error = ClearingError;

    async fn apply(&self, tx: &mut Tx) -> Result<usize, ClearingError> {
        let limit = i64::try_from(ROUND).unwrap_or(i64::MAX);
        let (kind, rows) = match self.late {
            Late::Overdue => {
                ("clearing.recovery.overdue", late::take_overdue(tx, self.now, limit).await?)
            }
            Late::Escalated => {
                ("clearing.recovery.escalated", late::take_escalated(tx, self.now, limit).await?)
            }
        };
        for row in &rows {
            let facts = told::facts(row, self.operator, kind, wait(row));
            outbox::tell(tx, told::journey(row.code), &facts, self.now, self.ids).await?;
        }
        Ok(rows.len())
    }
}

/// Who is waited for, for what, and since when.
fn wait(row: &RecoveryRow) -> serde_json::Value {
    let Some((clock, due)) = clock::running(&row.life).zip(row.due) else { return json!({}) };
    json!({
        "duty": clock.duty,
        "of": clock.of,
        "since": clock.from,
        "dueAt": due.0,
        "escalatedAt": due.1,
    })
}

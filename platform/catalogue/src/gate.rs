//! The subscription gate: may this tenant call this function now?

use std::collections::HashMap;
use std::sync::{Arc, RwLock};
use std::time::Duration;

use base_http::door::Subscriptions;
use base_http::function::covers;
use base_http::{Caller, Function, Problem, problem};
use jiff::Timestamp;
use kernel::TenantId;
use pg::Db;
use tenancy::{DAILY_QUOTE_QUOTA, Parameters};
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use crate::{CatalogueError, store};

/// How often servers read the subscriptions again.
const REFRESH_EVERY: Duration = Duration::from_secs(3);

/// The tenant may call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grant {
    /// Calls per user and day the subscription or its plan allows; `None` when neither says.
    pub daily_quota_per_user: Option<u32>,
}

/// The tenant may not call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Nothing that covers the function.
    #[error("there is no subscription to this function")]
    NotSubscribed,
    /// A subscription covers it, but from this instant on.
    #[error("the subscription to this function begins at {0}")]
    NotYet(Timestamp),
    /// A subscription covered it until this instant.
    #[error("the subscription to this function ended at {0}")]
    Ended(Timestamp),
}

#[derive(Debug)]
struct Held {
    pattern: String,
    from: Timestamp,
    to: Option<Timestamp>,
    daily_quota_per_user: Option<u32>,
}

impl Held {
    /// Levels the pattern names: more of them is more specific.
    fn levels(&self) -> usize {
        self.pattern.split('.').filter(|level| *level != "*").count()
    }
}

/// Most specific first.
type Table = HashMap<TenantId, Vec<Held>>;

/// All subscriptions in memory, at most a few seconds old. Cheap to share; one per process.
#[derive(Debug)]
pub struct Gate {
    table: RwLock<Arc<Table>>,
    parameters: Arc<Parameters>,
}

impl Gate {
    /// Reads all subscriptions. `parameters` give the quota of a region or tenant where the
    /// subscription gives none.
    pub async fn load(db: &Db, parameters: Arc<Parameters>) -> Result<Gate, CatalogueError> {
        let gate = Gate { table: RwLock::default(), parameters };
        gate.refresh(db).await?;
        Ok(gate)
    }

    /// Whether `tenant` may call the function with this three-level code at `now`. Of several
    /// subscriptions that hold, the most specific decides the quota.
    pub fn check(
        &self,
        tenant: TenantId,
        function_code: &str,
        now: Timestamp,
    ) -> Result<Grant, Refusal> {
        let table = self.table.read().unwrap_or_else(|poisoned| poisoned.into_inner()).clone();
        let mut refusal = Refusal::NotSubscribed;
        let held = table.get(&tenant).map(Vec::as_slice).unwrap_or_default();
        for held in held.iter().filter(|held| covers(&held.pattern, function_code)) {
            match held.to {
                Some(to) if to <= now => refusal = Refusal::Ended(to),
                _ if now < held.from => refusal = Refusal::NotYet(held.from),
                _ => return Ok(Grant { daily_quota_per_user: held.daily_quota_per_user }),
            }
        }
        Err(refusal)
    }

    /// Reads all subscriptions again.
    pub async fn refresh(&self, db: &Db) -> Result<(), CatalogueError> {
        let mut table = Table::new();
        for row in store::all_subscriptions(db).await? {
            let quota = row.daily_quota_per_user.and_then(|quota| u32::try_from(quota).ok());
            table.entry(TenantId(row.tenant_id)).or_default().push(Held {
                pattern: row.function_pattern,
                from: row.valid_from.to_jiff(),
                to: row.valid_to.map(|to| to.to_jiff()),
                daily_quota_per_user: quota,
            });
        }
        for held in table.values_mut() {
            held.sort_by_key(|held| std::cmp::Reverse(held.levels()));
        }
        *self.table.write().unwrap_or_else(|poisoned| poisoned.into_inner()) = Arc::new(table);
        Ok(())
    }

    /// Keeps the gate fresh until `stop`. What was read last serves on while the database is out
    /// of reach.
    pub async fn keep_fresh(self: Arc<Gate>, db: Db, stop: CancellationToken) {
        let mut ticks = interval(REFRESH_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while stop.run_until_cancelled(ticks.tick()).await.is_some() {
            if let Err(error) = self.refresh(&db).await {
                tracing::warn!(%error, "cannot read subscriptions again, using the last ones");
            }
        }
    }
}

impl Subscriptions for Gate {
    fn admit(
        &self,
        caller: &Caller,
        function: &Function,
        now: Timestamp,
    ) -> Result<Option<u32>, Problem> {
        let grant = self.check(caller.tenant, function.code, now).map_err(|refusal| {
            Problem::new(&problem::NOT_SUBSCRIBED, format!("{}: {refusal}", function.code))
        })?;
        if !function.quota {
            return Ok(None);
        }
        let regional =
            || self.parameters.number(DAILY_QUOTE_QUOTA, caller.tenant, &caller.region, now);
        Ok(grant.daily_quota_per_user.or_else(regional))
    }
}

//! Subscribing a tenant to functions, and ending it.

use jiff::Timestamp;
use kernel::TenantId;
use pg::{Command, Tx};
use uuid::Uuid;

use crate::{CatalogueError, store};

/// A tenant's subscription.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subscription {
    /// Names it.
    pub subscription_id: Uuid,
    /// A function code, a prefix ending in `.*`, or `*`.
    pub function_pattern: String,
    /// Under which plan.
    pub plan_code: String,
    /// First instant it holds.
    pub valid_from: Timestamp,
    /// First instant it holds no more; `None` until ended.
    pub valid_to: Option<Timestamp>,
    /// Calls per user and day, where a function has a quota; `None`: the plan's.
    pub daily_quota_per_user: Option<u32>,
}

/// Subscribes a tenant to functions. Run with `Scope::of` the tenant.
#[derive(Debug)]
pub struct Subscribe {
    /// Who subscribes.
    pub tenant: TenantId,
    /// To what.
    pub subscription: Subscription,
    /// When it was agreed.
    pub now: Timestamp,
}

impl Command for Subscribe {
    const NAME: &'static str = "catalogue.subscribe";
    type Out = ();
    type Error = CatalogueError;

    async fn apply(&self, tx: &mut Tx) -> Result<(), CatalogueError> {
        if self.subscription.valid_to.is_some_and(|to| to <= self.subscription.valid_from) {
            return Err(CatalogueError::Backwards);
        }
        store::insert_subscription(tx, self).await
    }
}

/// Ends a subscription. Run with `Scope::of` the tenant.
#[derive(Debug)]
pub struct EndSubscription {
    /// Whose.
    pub tenant: TenantId,
    /// Which.
    pub subscription_id: Uuid,
    /// First instant it holds no more; the beginning itself when it never held.
    pub at: Timestamp,
}

impl Command for EndSubscription {
    const NAME: &'static str = "catalogue.end_subscription";
    type Out = ();
    type Error = CatalogueError;

    async fn apply(&self, tx: &mut Tx) -> Result<(), CatalogueError> {
        store::end_subscription(tx, self).await
    }
}

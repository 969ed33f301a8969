//! One open transaction, bound to the tenants it may touch.

use std::fmt;

use kernel::TenantId;
use sqlx::{AssertSqlSafe, PgConnection, Postgres, Transaction};

/// The tenants a transaction may read and write. Empty: only what belongs to nobody.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scope(Vec<TenantId>);

impl Scope {
    /// Rows of `tenant` alone.
    pub fn of(tenant: TenantId) -> Scope {
        Scope(vec![tenant])
    }

    /// Rows of several tenants: a set of coalesced calls, each of which stays with its own.
    pub fn of_all(tenants: impl IntoIterator<Item = TenantId>) -> Scope {
        let mut tenants: Vec<TenantId> = tenants.into_iter().collect();
        tenants.sort_unstable();
        tenants.dedup();
        Scope(tenants)
    }

    /// Rows that belong to no tenant: code tables, tariffs, keys.
    pub fn nobody() -> Scope {
        Scope(Vec::new())
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, tenant) in self.0.iter().enumerate() {
            if at > 0 {
                f.write_str(",")?;
            }
            write!(f, "{tenant}")?;
        }
        Ok(())
    }
}

/// An open transaction. Dropped without [`Tx::commit`], it is rolled back.
#[derive(Debug)]
pub struct Tx {
    inner: Transaction<'static, Postgres>,
    scope: Scope,
}

impl Tx {
    pub(crate) fn new(inner: Transaction<'static, Postgres>, scope: Scope) -> Tx {
        Tx { inner, scope }
    }

    /// The connection to run statements on.
    pub fn conn(&mut self) -> &mut PgConnection {
        &mut self.inner
    }

    /// The tenants this transaction was opened for.
    pub fn scope(&self) -> &Scope {
        &self.scope
    }

    /// Works for these tenants too from now on: what a call does beside its caller's own rows, such as
    /// a transfer between two participants.
    pub async fn work_also_for(
        &mut self,
        tenants: impl IntoIterator<Item = TenantId>,
    ) -> Result<(), sqlx::Error> {
        let wider = Scope::of_all(self.scope.0.iter().copied().chain(tenants));
        // The scope renders UUIDs only, so nothing needs quoting.
        let set = AssertSqlSafe(format!("set local commonwheel.tenants = '{wider}'"));
        sqlx::raw_sql(set).execute(&mut *self.inner).await?;
        self.scope = wider;
        Ok(())
    }

    /// Plans the statements of this transaction for the values they come with: for lists whose
    /// filters decide which index serves them.
    pub async fn plan_by_values(&mut self) -> Result<(), sqlx::Error> {
        let set = "set local plan_cache_mode = force_custom_plan";
        sqlx::raw_sql(set).execute(&mut *self.inner).await?;
        Ok(())
    }

    /// Makes everything done so far durable. After an error the outcome is unknown if the
    /// connection was lost: the caller's idempotency key tells.
    pub async fn commit(self) -> Result<(), sqlx::Error> {
        self.inner.commit().await
    }

    /// Undoes everything done so far.
    pub async fn rollback(self) -> Result<(), sqlx::Error> {
        self.inner.rollback().await
    }
}

//! One open transaction, bound to the tenants it may touch.

use std::fmt;

use kernel::TenantId;
use sqlx::postgres::PgTransactionManager;
use sqlx::{AssertSqlSafe, PgConnection, SqlSafeStr};
use sqlx_core::transaction::TransactionManager;

use crate::flush::Ahead;
use crate::lend::Lent;

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
    conn: Lent,
    scope: Scope,
    /// Of a transaction that commits ahead of the disk.
    ahead: Option<Ahead>,
}

impl Tx {
    /// Opens a transaction on `conn` by the statements `open`, which are to bind it to `scope`.
    ///
    /// Not by the driver's `Transaction`, which gives its connection back to the pool in any case.
    pub(crate) async fn open(
        mut conn: Lent,
        open: String,
        scope: Scope,
    ) -> Result<Tx, sqlx::Error> {
        let open = AssertSqlSafe(open).into_sql_str();
        PgTransactionManager::begin(&mut conn, Some(open)).await?;
        Ok(Tx { conn, scope, ahead: None })
    }

    /// The same, to commit ahead of the disk under this promise.
    pub(crate) fn ahead(self, ahead: Ahead) -> Tx {
        Tx { ahead: Some(ahead), ..self }
    }

    /// The connection to run statements on.
    pub fn conn(&mut self) -> &mut PgConnection {
        &mut self.conn
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
        sqlx::raw_sql(set).execute(&mut *self.conn).await?;
        self.scope = wider;
        Ok(())
    }

    /// Plans the statements of this transaction for the values they come with: for lists whose
    /// filters decide which index serves them.
    pub async fn plan_by_values(&mut self) -> Result<(), sqlx::Error> {
        let set = "set local plan_cache_mode = force_custom_plan";
        sqlx::raw_sql(set).execute(&mut *self.conn).await?;
        Ok(())
    }

    /// Makes everything done so far durable. After an error the outcome is unknown if the
    /// connection was lost: the caller's idempotency key tells.
    pub async fn commit(self) -> Result<(), sqlx::Error> {
        self.commit_ahead().await?.durable().await
    }

    /// Commits and frees every lock without waiting for the disk, when the transaction was opened
    /// with [`crate::Db::begin_ahead`]; others have waited when this returns. Others see what was
    /// done before it is durable, so nobody may be told of it before [`Ahead::durable`].
    pub async fn commit_ahead(mut self) -> Result<Ahead, sqlx::Error> {
        let ahead = self.seen();
        PgTransactionManager::commit(&mut self.conn).await?;
        self.conn.keep();
        Ok(ahead)
    }

    /// What this transaction has seen, which others may have committed ahead of the disk: for an
    /// answer that rests on reading alone. Covers nothing when the transaction was not opened with
    /// [`crate::Db::begin_ahead`].
    pub fn seen(&self) -> Ahead {
        self.ahead.clone().unwrap_or_default()
    }

    /// Undoes everything done so far.
    pub async fn rollback(mut self) -> Result<(), sqlx::Error> {
        PgTransactionManager::rollback(&mut self.conn).await?;
        self.conn.keep();
        Ok(())
    }
}

/// Undoes what is open on a connection that comes back to the pool: its [`Tx`] was dropped. Always
/// says that the connection is good.
pub(crate) async fn undo_open(conn: &mut PgConnection) -> Result<bool, sqlx::Error> {
    while PgTransactionManager::get_transaction_depth(conn) > 0 {
        PgTransactionManager::rollback(conn).await?;
    }
    Ok(true)
}

//! The connection pool and the life of a transaction.

use std::time::Duration;

use futures::FutureExt;
use sqlx::PgPool;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};

use crate::APP_ROLE;
use crate::at_once::AtOnce;
use crate::command::Command;
use crate::failure;
use crate::flush::Flusher;
use crate::lend::{Lender, Lent};
use crate::tx::{self, Scope, Tx};

/// How often a command starts over after a serialisation failure or a deadlock.
const ATTEMPTS: u32 = 5;

/// Sizes and limits of the pool.
#[derive(Clone, Debug)]
pub struct PoolSettings {
    /// Most connections open at once.
    pub connections: u32,
    /// How long a caller waits for a free connection before it is told to come again.
    pub acquire: Duration,
    /// Longest a single statement may run.
    pub statement: Duration,
}

impl Default for PoolSettings {
    fn default() -> PoolSettings {
        PoolSettings {
            connections: 16,
            acquire: Duration::from_secs(3),
            statement: Duration::from_secs(10),
        }
    }
}

/// The database as the platform sees it: commands go in, typed results come out.
#[derive(Clone, Debug)]
pub struct Db {
    lender: Lender,
    flusher: Flusher,
}

impl Db {
    /// Opens a pool whose connections work under [`APP_ROLE`], in UTC.
    ///
    /// Returns once one connection stands, so a wrong address shows at start.
    pub async fn connect(
        options: PgConnectOptions,
        settings: PoolSettings,
    ) -> Result<Db, sqlx::Error> {
        let options = options.application_name("commonwheel").options([
            ("role", APP_ROLE.to_owned()),
            ("timezone", "UTC".to_owned()),
            ("statement_timeout", settings.statement.as_millis().to_string()),
            ("idle_in_transaction_session_timeout", "15000".to_owned()),
            // Statements go by key, in sets: planning one anew for the length of its arrays costs
            // more than running it. Lists with optional filters ask for `Tx::plan_by_values`.
            ("plan_cache_mode", "force_generic_plan".to_owned()),
        ]);
        let pool = PgPoolOptions::new()
            .max_connections(settings.connections)
            .acquire_timeout(settings.acquire)
            // A dead connection shows as an error of the first statement, which callers handle
            // anyway; asking before every use would cost each call a round trip.
            .test_before_acquire(false)
            .after_release(|conn, _| tx::undo_open(conn).boxed())
            .connect_with(options)
            .await?;
        let flusher = Flusher::new(&pool);
        Ok(Db { lender: Lender::of(pool), flusher })
    }

    /// The same database over connections of its own, so many at most, opened when first needed: for
    /// lanes that work all the time. The pool hands out its connections in turn and asks each that
    /// comes back whether it lives; a few that always work need no asking, and keep their plans and
    /// the database's pages at hand. For transactions and [`Db::lend`], not for [`Db::pool`].
    pub fn kept(&self, connections: usize) -> Db {
        let connections = u32::try_from(connections.max(1)).unwrap_or(u32::MAX);
        let options = self.pool().options().clone().max_connections(connections);
        let pool = options.connect_lazy_with((*self.pool().connect_options()).clone());
        Db { lender: Lender::keeping(pool), flusher: self.flusher.clone() }
    }

    /// The pool itself, for reads outside any tenant and for listening.
    pub fn pool(&self) -> &PgPool {
        self.lender.pool()
    }

    /// A connection for reads outside any tenant, to be given back with [`Lent::keep`].
    pub async fn lend(&self) -> Result<Lent, sqlx::Error> {
        self.lender.lend().await
    }

    /// Forgets connections and promises that relied on a database which was just found gone.
    pub fn doubt(&self) {
        self.flusher.doubt();
        self.lender.doubt();
    }

    /// Opens a transaction that may touch the rows of `scope` and no others.
    pub async fn begin(&self, scope: Scope) -> Result<Tx, sqlx::Error> {
        // One round trip for both. The scope renders UUIDs only, so nothing needs quoting.
        let open = format!("begin; set local commonwheel.tenants = '{scope}'");
        self.open(open, scope).await
    }

    /// The same, for a transaction that commits ahead of the disk: its locks are free before its
    /// log is flushed, and several such commits share a flush ([`Tx::commit_ahead`]).
    pub async fn begin_ahead(&self, scope: Scope) -> Result<Tx, sqlx::Error> {
        let open = format!(
            "begin; set local commonwheel.tenants = '{scope}'; set local synchronous_commit = off"
        );
        let tx = self.open(open, scope).await?;
        // Before anything is committed or seen, see `flush`.
        Ok(tx.ahead(self.flusher.promise().await?))
    }

    /// A connection for one statement that is a transaction of its own and touches the rows of `scope`
    /// and no others.
    pub async fn at_once(&self, scope: &Scope) -> Result<AtOnce, sqlx::Error> {
        let conn = match self.lender.lend_alive().await {
            Err(error) if failure::is_connection_lost(&error) => {
                self.doubt();
                self.lender.lend_alive().await?
            }
            lent => lent?,
        };
        Ok(AtOnce::new(conn, scope))
    }

    async fn open(&self, open: String, scope: Scope) -> Result<Tx, sqlx::Error> {
        match Tx::open(self.lend().await?, open.clone(), scope.clone()).await {
            // A connection that died at rest: the next one is fresh or the database is gone.
            Err(error) if failure::is_connection_lost(&error) => {
                self.doubt();
                Tx::open(self.lend().await?, open, scope).await
            }
            opened => opened,
        }
    }

    /// Runs `command` in a transaction of its own for the tenants of `scope` and commits.
    ///
    /// Starts over, up to five times, on SQLSTATE 40001 and 40P01.
    pub async fn run<C: Command>(&self, scope: Scope, command: &C) -> Result<C::Out, C::Error> {
        let mut attempt = 1;
        loop {
            let outcome = async {
                let mut tx = self.begin(scope.clone()).await?;
                let out = command.apply(&mut tx).await?;
                tx.commit().await?;
                Ok(out)
            };
            match outcome.await {
                Err(error) if attempt < ATTEMPTS && failure::is_retryable(&error) => {
                    tracing::debug!(command = C::NAME, attempt, "starting over");
                    attempt += 1;
                }
                settled => return settled,
            }
        }
    }

    /// Closes every connection; transactions under way finish first.
    pub async fn close(&self) {
        self.lender.doubt();
        self.pool().close().await;
        self.flusher.close().await;
    }
}

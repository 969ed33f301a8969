//! Brings a database to the schema this build wants.
//!
//! Every stateful crate owns one schema, its migrations and the table that records them
//! (`<schema>._sqlx_migrations`). This module prepares what they share, the application role and
//! the extension, and runs the crates one after another under one lock. Migrations run as the
//! owner; the running platform works under [`crate::APP_ROLE`].

use std::time::Duration;

use sqlx::migrate::Migrator;
use sqlx::postgres::PgConnectOptions;
use sqlx::{Connection, Executor, PgConnection};

/// Names the lock that starting processes take turns on.
const LOCK: i64 = 0x636f_6d6d_6f6e_7768;

/// Between two tries for the lock.
const RETRY: Duration = Duration::from_millis(50);

/// Why a database could not be brought up to date.
#[derive(Debug, thiserror::Error)]
pub enum MigrateError {
    /// The database could not be reached or refused what the migrations stand on.
    #[error("cannot {doing}")]
    Prepare {
        /// What was being done.
        doing: &'static str,
        /// What the database said.
        #[source]
        source: sqlx::Error,
    },
    /// One crate's migrations failed; those of the crates before it are in place.
    #[error("cannot migrate the tables recorded in {table}")]
    Crate {
        /// The crate's migration table, schema first.
        table: String,
        /// Which migration and why.
        #[source]
        source: sqlx::migrate::MigrateError,
    },
}

/// Runs the migrations of `crates` in this order, as the login role of `owner`.
///
/// Safe to call from several processes at once, and again on a database that is up to date.
pub async fn migrate(owner: &PgConnectOptions, crates: &[&Migrator]) -> Result<(), MigrateError> {
    let mut conn =
        PgConnection::connect_with(owner).await.map_err(prepare("connect as the owner"))?;
    lock(&mut conn).await.map_err(prepare("take the migration lock"))?;
    let outcome = run(&mut conn, crates).await;
    // The locks go with the session, also those a failed migrator has left.
    let closed = conn.close().await.map_err(prepare("close the session"));
    outcome.and(closed)
}

async fn run(conn: &mut PgConnection, crates: &[&Migrator]) -> Result<(), MigrateError> {
    conn.execute(ROLE).await.map_err(prepare("make the role commonwheel_app"))?;
    // Exclusion constraints over an identifier and a period stand on it.
    conn.execute("create extension if not exists btree_gist")
        .await
        .map_err(prepare("install the extension btree_gist (PostgreSQL's contrib package)"))?;
    for migrator in crates {
        migrator.run_direct(None, conn, false).await.map_err(|source| MigrateError::Crate {
            table: migrator.table_name.to_string(),
            source,
        })?;
    }
    Ok(())
}

/// Roles belong to the whole cluster, so another database may be making it at this moment. A
/// managed database may give us a role already granted and no right to grant.
const ROLE: &str = "do $$
     begin
         if not exists (select from pg_roles where rolname = 'commonwheel_app') then
             create role commonwheel_app nologin nosuperuser nobypassrls nocreatedb nocreaterole;
         end if;
     exception when duplicate_object or unique_violation then
         null;
     end $$;
     do $$
     begin
         if not exists (
             select from pg_auth_members m
             join pg_roles granted on granted.oid = m.roleid
             join pg_roles member on member.oid = m.member
             where granted.rolname = 'commonwheel_app' and member.rolname = current_user
         ) then
             grant commonwheel_app to current_user;
         end if;
     exception when duplicate_object or unique_violation or internal_error then
         -- The same grant by another session: done either way, and checked when the role is taken.
         null;
     end $$;";

/// Waits by asking again: a session that blocks in the lock function holds a snapshot, and an
/// index built concurrently by the one ahead would wait for it for ever.
async fn lock(conn: &mut PgConnection) -> Result<(), sqlx::Error> {
    loop {
        let taken: bool = sqlx::query_scalar("select pg_try_advisory_lock($1)")
            .bind(LOCK)
            .fetch_one(&mut *conn)
            .await?;
        if taken {
            return Ok(());
        }
        tokio::time::sleep(RETRY).await;
    }
}

fn prepare(doing: &'static str) -> impl FnOnce(sqlx::Error) -> MigrateError {
    move |source| MigrateError::Prepare { doing, source }
}

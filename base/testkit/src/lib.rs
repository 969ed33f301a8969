//! What every test stands on: a database of its own, a clock that stands still, seeded identifiers,
//! and the spine without its door and its records.
//!
//! Two runs of a test see the same instants and the same identifiers, and no test sees another's
//! rows. Everything here panics instead of returning errors: it has no use outside tests.

pub mod spine;

use std::error::Error;
use std::path::PathBuf;
use std::sync::Arc;

use jiff::Timestamp;
use kernel::{Ids, SetClock};
pub use pg::testdb::TestDb;
use sqlx::migrate::Migrator;

/// Where [`clock`] stands: 10:00 on Saturday, 1 March 2025 in China.
pub const START: &str = "2025-03-01T10:00:00+08:00";

/// A database with the schemas of `crates`, in this order, for the calling test alone.
///
/// Panics with the whole chain of causes when there is none, such as missing PostgreSQL binaries.
pub async fn database(crates: &[&Migrator]) -> TestDb {
    TestDb::create(crates)
        .await
        .unwrap_or_else(|error| panic!("no database for the test: {}", chain(&error)))
}

/// A clock standing at [`START`].
pub fn clock() -> Arc<SetClock> {
    Arc::new(SetClock::at(start()))
}

/// The instant [`START`] names.
pub fn start() -> Timestamp {
    START.parse().expect("START is a timestamp with an offset")
}

/// Identifiers that are the same in every run.
pub fn ids() -> Arc<Ids> {
    Arc::new(Ids::seeded(1))
}

/// A folder of third-party data beside the checkout, named relative to `shared/data`.
///
/// `None`, with a message, when it is absent: the test then skips what needs it.
pub fn shared_data(name: &str) -> Option<PathBuf> {
    let root = std::env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from).unwrap_or_default();
    let found = root.ancestors().map(|dir| dir.join("../shared/data").join(name));
    let found = found.into_iter().find(|path| path.exists());
    if found.is_none() {
        eprintln!("skipped: shared/data/{name} is not on this machine");
    }
    found
}

/// `error` and its causes on one line.
fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use kernel::Clock as _;

    use super::*;

    #[test]
    fn clock_and_identifiers_are_the_same_in_every_run() {
        let now = clock().now();
        assert_eq!(now.to_string(), "2025-03-01T02:00:00Z");
        assert_eq!(ids().next(now), ids().next(now));
    }

    #[tokio::test]
    async fn every_test_has_a_database_of_its_own() {
        let (one, other) = (database(&[]).await, database(&[]).await);
        sqlx::raw_sql("create table mark (at int)").execute(&one.owner).await.unwrap();
        let seen: bool = sqlx::query_scalar("select to_regclass('mark') is not null")
            .fetch_one(&other.owner)
            .await
            .unwrap();
        assert!(!seen);
        let role: String =
            sqlx::query_scalar("select current_user::text").fetch_one(one.db.pool()).await.unwrap();
        assert_eq!(role, pg::APP_ROLE);
    }

    #[tokio::test]
    async fn a_database_is_gone_after_its_test_even_when_that_panics() {
        let test = database(&[]).await;
        let name = test.options().get_database().unwrap_or_default().to_owned();
        let failed = tokio::spawn(async move {
            let _held = test.owner.acquire().await.unwrap();
            panic!("as a failing test would");
        });
        assert!(failed.await.is_err());
        let witness = database(&[]).await;
        let left: bool =
            sqlx::query_scalar("select exists (select from pg_database where datname = $1)")
                .bind(&name)
                .fetch_one(&witness.owner)
                .await
                .unwrap();
        assert!(!left, "{name}");
    }
}

//! Migrations: once, in any number of processes, and loudly when something is wrong.

use pg::migrate::{MigrateError, migrate};
use pg::testdb::TestDb;
use sqlx::SqlSafeStr;
use sqlx::migrate::{Migration, MigrationType, Migrator};

fn crate_with(schema: &'static str, statements: &'static [&'static str]) -> Migrator {
    let migrations = statements.iter().zip(1..).map(|(statement, version)| {
        let sql = statement.into_sql_str();
        Migration::new(version, "step".into(), MigrationType::Simple, sql, false)
    });
    let mut migrator = Migrator::with_migrations(migrations.collect());
    migrator.create_schema(schema);
    migrator.dangerous_set_table_name(format!("{schema}._sqlx_migrations"));
    migrator
}

async fn applied(test: &TestDb) -> i64 {
    sqlx::query_scalar("select count(*) from fleet._sqlx_migrations where success")
        .fetch_one(&test.owner)
        .await
        .unwrap()
}

const STEPS: [&str; 2] = [
    "create table fleet.car (car_id int primary key);
     grant usage on schema fleet to commonwheel_app;
     grant select on fleet.car to commonwheel_app",
    "insert into fleet.car values (1)",
];

#[tokio::test]
async fn each_migration_runs_once_however_many_processes_start() {
    let test = TestDb::create(&[]).await.unwrap();
    let fleet = crate_with("fleet", &STEPS);
    let options = test.options();
    let crates = [&fleet];
    let starts = (0..6).map(|_| migrate(&options, &crates));
    for outcome in futures::future::join_all(starts).await {
        outcome.unwrap();
    }
    migrate(&options, &crates).await.unwrap();
    assert_eq!(applied(&test).await, 2);
    let cars: i64 = sqlx::query_scalar("select count(*) from fleet.car")
        .fetch_one(test.db.pool())
        .await
        .unwrap();
    assert_eq!(cars, 1);
}

#[tokio::test]
async fn the_application_role_owns_nothing_and_obeys_row_security() {
    let test = TestDb::create(&[]).await.unwrap();
    let role: (bool, bool, bool) = sqlx::query_as(
        "select rolcanlogin, rolsuper, rolbypassrls from pg_roles where rolname = 'commonwheel_app'",
    )
    .fetch_one(&test.owner)
    .await
    .unwrap();
    assert_eq!(role, (false, false, false));
    let refused = sqlx::query("create schema mine").execute(test.db.pool()).await.unwrap_err();
    assert_eq!(refused.as_database_error().unwrap().code().unwrap(), "42501");
}

#[tokio::test]
async fn a_changed_or_failing_migration_names_its_crate_and_leaves_no_lock() {
    let test = TestDb::create(&[]).await.unwrap();
    let options = test.options();
    migrate(&options, &[&crate_with("fleet", &STEPS)]).await.unwrap();

    const CHANGED: [&str; 2] = ["create table fleet.car (car_id bigint)", STEPS[1]];
    const FAILING: [&str; 3] = [STEPS[0], STEPS[1], "insert into fleet.car values (1)"];
    for steps in [CHANGED.as_slice(), FAILING.as_slice()] {
        // The second round would hang on a lock the first has left.
        for _ in 0..2 {
            let error = migrate(&options, &[&crate_with("fleet", steps)]).await.unwrap_err();
            assert!(matches!(&error, MigrateError::Crate { table, .. }
                if table == "fleet._sqlx_migrations"));
        }
    }
    assert_eq!(applied(&test).await, 2);
}

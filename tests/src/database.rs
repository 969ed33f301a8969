//! The platform's database, seen by its owner: what was written, and what an operator sets.

use std::collections::BTreeMap;

use sqlx::{AssertSqlSafe, PgPool, Row};

/// Rows of each table that calls write to, by `schema.table`.
pub type Counts = BTreeMap<String, i64>;

/// A pool under the owner's login, past row security.
#[derive(Clone, Debug)]
pub struct Database(pub PgPool);

impl Database {
    /// Connects as the owner.
    pub async fn connect(url: &str) -> Database {
        Database(PgPool::connect(url).await.unwrap())
    }

    /// Runs one statement.
    pub async fn run(&self, statement: &str) {
        let statement = sqlx::query(AssertSqlSafe(statement.to_owned()));
        statement.execute(&self.0).await.unwrap();
    }

    /// The one number a query answers.
    pub async fn number(&self, query: &str) -> i64 {
        sqlx::query_scalar(AssertSqlSafe(query.to_owned())).fetch_one(&self.0).await.unwrap()
    }

    /// The texts a query answers.
    pub async fn texts(&self, query: &str) -> Vec<String> {
        sqlx::query_scalar(AssertSqlSafe(query.to_owned())).fetch_all(&self.0).await.unwrap()
    }

    /// Rows of everything a served call may write. Leased number blocks and tariffs are no part of
    /// a call.
    pub async fn counts(&self) -> Counts {
        let tables = self
            .texts(
                "select table_schema || '.' || table_name from information_schema.tables
                 where table_schema in ('production', 'metering', 'evidence', 'events', 'http')
                   and table_type = 'BASE TABLE' and table_name not like '%migration%'
                   and table_name not in ('number_lease', 'tariff_bundle', 'tariff_publication')
                 order by 1",
            )
            .await;
        let each: Vec<String> = tables
            .iter()
            .map(|table| format!("select '{table}' as name, count(*) as rows from {table}"))
            .collect();
        let query = sqlx::query(AssertSqlSafe(each.join(" union all ")));
        let rows = query.fetch_all(&self.0).await.unwrap();
        rows.iter().map(|row| (row.get("name"), row.get("rows"))).collect()
    }

    /// Which tables have more or fewer rows than `before`, and by how many.
    pub async fn changes(&self, before: &Counts) -> Counts {
        let after = self.counts().await;
        after
            .into_iter()
            .map(|(table, rows)| {
                let change = rows - before.get(&table).copied().unwrap_or_default();
                (table, change)
            })
            .filter(|(_, change)| *change != 0)
            .collect()
    }
}

//! Tariff bundles and their publications.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use sqlx::PgConnection;

use crate::error::ProductionError;

/// The files of a bundle by name.
pub type Files = BTreeMap<String, String>;

/// One publication, for listing.
#[derive(Clone, Debug)]
pub struct Publication {
    /// The bundle.
    pub version: String,
    /// SHA-256 over its contents.
    pub digest: String,
    /// Who loaded it.
    pub loaded_by: String,
    /// Who published it, and when; `None` for a bundle that never was.
    pub published: Option<(String, Timestamp)>,
}

/// Stores a bundle. A version is stored once: `false` when it was there with the same digest.
pub async fn insert(
    conn: &mut PgConnection,
    version: &str,
    digest: &str,
    files: &Files,
    loaded_by: &str,
    now: Timestamp,
) -> Result<bool, ProductionError> {
    let files = serde_json::to_vec(files).map_err(|_| ProductionError::Corrupt("tariff bundle"))?;
    let inserted = sqlx::query!(
        r#"insert into production.tariff_bundle (version, digest, files, loaded_by, loaded_at)
           values ($1, $2, $3, $4, $5) on conflict (version) do nothing"#,
        version,
        digest,
        files,
        loaded_by,
        now.to_sqlx() as _
    )
    .execute(conn)
    .await?;
    Ok(inserted.rows_affected() == 1)
}

/// The digest of a stored version.
pub async fn digest(
    conn: &mut PgConnection,
    version: &str,
) -> Result<Option<String>, ProductionError> {
    let found = sqlx::query_scalar!(
        "select digest from production.tariff_bundle where version = $1",
        version
    );
    Ok(found.fetch_optional(conn).await?)
}

/// The files of a version.
pub async fn files(
    conn: &mut PgConnection,
    version: &str,
) -> Result<Option<Files>, ProductionError> {
    let found = sqlx::query_scalar!(
        "select files from production.tariff_bundle where version = $1",
        version
    );
    let Some(bytes) = found.fetch_optional(conn).await? else { return Ok(None) };
    serde_json::from_slice(&bytes).map(Some).map_err(|_| ProductionError::Corrupt("tariff bundle"))
}

/// The version published last.
pub async fn active_version(conn: &mut PgConnection) -> Result<Option<String>, ProductionError> {
    let found = sqlx::query_scalar!(
        "select version from production.tariff_publication order by publication desc limit 1"
    );
    Ok(found.fetch_optional(conn).await?)
}

/// Puts a version in force; running servers hear of it through `commonwheel_tariff`.
pub async fn publish(
    conn: &mut PgConnection,
    version: &str,
    published_by: &str,
    now: Timestamp,
) -> Result<(), ProductionError> {
    sqlx::query!(
        r#"insert into production.tariff_publication (version, published_by, published_at)
           values ($1, $2, $3)"#,
        version,
        published_by,
        now.to_sqlx() as _
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Every bundle with its latest publication, latest first.
pub async fn list(conn: &mut PgConnection) -> Result<Vec<Publication>, ProductionError> {
    let rows = sqlx::query!(
        r#"select b.version, b.digest, b.loaded_by,
                  p.published_by as "published_by?", p.published_at as "published_at?"
           from production.tariff_bundle b
           left join lateral (
               select published_by, published_at from production.tariff_publication
               where version = b.version order by publication desc limit 1
           ) p on true
           order by p.published_at desc nulls last, b.loaded_at desc"#
    );
    let rows = rows.fetch_all(conn).await?;
    Ok(rows
        .into_iter()
        .map(|row| Publication {
            version: row.version,
            digest: row.digest,
            loaded_by: row.loaded_by,
            published: row.published_by.zip(row.published_at.map(|at| at.to_jiff())),
        })
        .collect())
}

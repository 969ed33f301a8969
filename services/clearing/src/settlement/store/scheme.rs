//! SQL of schemes.

use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use pg::Tx;

use crate::error::ClearingError;
use crate::settlement::scheme::{Division, OnFailure, OnSilence, Period, Scheme};

/// A row of `clearing.scheme`.
pub(super) struct SchemeRow {
    pub(super) region: String,
    pub(super) since: jiff_sqlx::Timestamp,
    pub(super) division: String,
    pub(super) period: String,
    pub(super) confirm_days: i32,
    pub(super) funds_days: i32,
    pub(super) on_silence: String,
    pub(super) on_failure: String,
    pub(super) proposed: bool,
    pub(super) set_by: String,
}

impl TryFrom<SchemeRow> for Scheme {
    type Error = ClearingError;

    fn try_from(row: SchemeRow) -> Result<Scheme, ClearingError> {
        let corrupt = |_| ClearingError::Corrupt("scheme");
        Ok(Scheme {
            region: row.region,
            since: row.since.to_jiff(),
            division: Division::parse(&row.division).map_err(corrupt)?,
            period: Period::parse(&row.period).map_err(corrupt)?,
            confirm_days: row.confirm_days,
            funds_days: row.funds_days,
            on_silence: OnSilence::parse(&row.on_silence).map_err(corrupt)?,
            on_failure: OnFailure::parse(&row.on_failure).map_err(corrupt)?,
            proposed: row.proposed,
            set_by: row.set_by,
        })
    }
}

/// The scheme of each of `regions` in force at an instant; a region may have none.
pub(in crate::settlement) async fn schemes_at(
    tx: &mut Tx,
    regions: impl Iterator<Item = &str>,
    at: Timestamp,
) -> Result<Vec<Scheme>, ClearingError> {
    let regions: Vec<String> = regions.map(str::to_owned).collect();
    let rows = sqlx::query_as!(
        SchemeRow,
        r#"select distinct on (region) region, since as "since: _", division, period, confirm_days,
                  funds_days, on_silence, on_failure, proposed, set_by
           from clearing.scheme where region = any($1) and since <= $2
           order by region, since desc"#,
        &regions,
        at.to_sqlx() as _
    );
    rows.fetch_all(tx.conn()).await?.into_iter().map(Scheme::try_from).collect()
}

/// The scheme of a region in force at an instant.
pub(in crate::settlement) async fn scheme_at(
    tx: &mut Tx,
    region: &str,
    at: Timestamp,
) -> Result<Option<Scheme>, ClearingError> {
    Ok(schemes_at(tx, std::iter::once(region), at).await?.pop())
}

/// Every scheme there is or was, by region, the latest first.
pub(in crate::settlement) async fn schemes(tx: &mut Tx) -> Result<Vec<Scheme>, ClearingError> {
    let rows = sqlx::query_as!(
        SchemeRow,
        r#"select region, since as "since: _", division, period, confirm_days, funds_days,
                  on_silence, on_failure, proposed, set_by
           from clearing.scheme order by region, since desc"#
    );
    rows.fetch_all(tx.conn()).await?.into_iter().map(Scheme::try_from).collect()
}

/// Adds a scheme; it holds for cycles that open from its instant on.
pub(in crate::settlement) async fn insert_scheme(
    tx: &mut Tx,
    scheme: &Scheme,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "insert into clearing.scheme
             (region, since, division, period, confirm_days, funds_days, on_silence, on_failure,
              proposed, set_by)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
        scheme.region,
        scheme.since.to_sqlx() as _,
        scheme.division.code(),
        scheme.period.code(),
        scheme.confirm_days,
        scheme.funds_days,
        scheme.on_silence.code(),
        scheme.on_failure.code(),
        scheme.proposed,
        scheme.set_by
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

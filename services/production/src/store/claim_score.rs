//! Fraud scores of steps, and what scores are computed from.

use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use kernel::TenantId;
use pg::Tx;
use production_core::claim::StepFacts;
use production_core::claim::feature::Features;
use production_core::number::PlatformNumber;
use serde::Deserialize;

use crate::claim::score::{Band, FraudScore, NotScored};
use crate::error::ProductionError;

/// What was said of a claim when a step was taken.
#[derive(Clone, Debug)]
pub struct ScoreRow {
    /// 理赔编号.
    pub claim_no: PlatformNumber,
    /// The step.
    pub sequence: i32,
    /// Whose.
    pub tenant: TenantId,
    /// The score, or the word for why there is none.
    pub scored: Result<FraudScore, &'static str>,
    /// The figures it was said of.
    pub features: Features,
    /// When.
    pub scored_at: Timestamp,
}

/// A step as a score looks back at it.
#[derive(Clone, Debug)]
pub(crate) struct ToldRow {
    pub(crate) claim_no: PlatformNumber,
    pub(crate) recorded_at: Timestamp,
    pub(crate) facts: StepFacts,
    /// Rules of the risk hints it was answered with.
    pub(crate) rules: Vec<String>,
}

/// The rules of an answer's hints.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answered {
    risk_hints: Vec<Hinted>,
}

#[derive(Deserialize)]
struct Hinted {
    rule: String,
}

/// Steps of own cases, first to last of each.
pub(crate) async fn told(
    tx: &mut Tx,
    numbers: &[PlatformNumber],
) -> Result<Vec<ToldRow>, ProductionError> {
    if numbers.is_empty() {
        return Ok(Vec::new());
    }
    let rows = sqlx::query!(
        r#"select claim_no, facts::text as "facts!", answer,
                  recorded_at as "recorded_at: jiff_sqlx::Timestamp"
           from production.claim_step
           where (slot, claim_no) in (select * from unnest($1::integer[], $2::text[]))
           order by slot, claim_no, sequence"#,
        column!(numbers, |number| i32::from(number.slot().0)),
        column!(numbers, |number| number.to_string()),
    );
    let rows = rows.fetch_all(tx.conn()).await?.into_iter();
    let corrupt = || ProductionError::Corrupt("claim step");
    let rows = rows.map(|row| {
        let answered: Answered = serde_json::from_slice(&row.answer).map_err(|_| corrupt())?;
        Ok(ToldRow {
            claim_no: PlatformNumber::parse(&row.claim_no).map_err(|_| corrupt())?,
            recorded_at: row.recorded_at.to_jiff(),
            facts: serde_json::from_str(&row.facts).map_err(|_| corrupt())?,
            rules: answered.risk_hints.into_iter().map(|hint| hint.rule).collect(),
        })
    });
    rows.collect()
}

/// Keeps what was said.
pub(crate) async fn insert(tx: &mut Tx, rows: &[&ScoreRow]) -> Result<(), ProductionError> {
    if rows.is_empty() {
        return Ok(());
    }
    let of = |row: &ScoreRow| row.scored.as_ref().ok().cloned();
    let scores: Vec<Option<FraudScore>> = rows.iter().map(|row| of(row)).collect();
    sqlx::query!(
        r#"insert into production.claim_score
               (slot, claim_no, sequence, tenant_id, outcome, model_id, model_version, model_scope,
                chance_ppm, band, reasons, features, scored_at)
           select slot, claim_no, sequence, tenant_id, outcome, model_id, model_version, model_scope,
                  chance_ppm, band, reasons::json, features::json, scored_at
           from unnest($1::integer[], $2::text[], $3::integer[], $4::uuid[], $5::text[], $6::uuid[],
                       $7::integer[], $8::text[], $9::integer[], $10::text[], $11::text[],
                       $12::text[], $13::timestamptz[])
                    as fresh (slot, claim_no, sequence, tenant_id, outcome, model_id, model_version,
                              model_scope, chance_ppm, band, reasons, features, scored_at)"#,
        column!(rows, |row| i32::from(row.claim_no.slot().0)),
        column!(rows, |row| row.claim_no.to_string()),
        column!(rows, |row| row.sequence),
        column!(rows, |row| row.tenant.0),
        column!(rows, |row| row.scored.as_ref().err().copied().unwrap_or("scored").to_owned()),
        column!(scores, |score| score.as_ref().map(|own| own.model_id)) as &[Option<uuid::Uuid>],
        column!(scores, |score| score.as_ref().map(|own| own.model_version)) as &[Option<i32>],
        column!(scores, |score| score.as_ref().map(|own| own.model_scope.clone()))
            as &[Option<String>],
        column!(scores, |score| score.as_ref().and_then(|own| i32::try_from(own.chance_ppm).ok()))
            as &[Option<i32>],
        column!(scores, |score| score.as_ref().map(|own| own.band.name().to_owned()))
            as &[Option<String>],
        column!(scores, |score| score.as_ref().map(|own| text(&own.reasons))) as &[Option<String>],
        column!(rows, |row| text(&row.features)),
        column!(rows, |row| row.scored_at.to_sqlx()) as _,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// What was said of an own case, first to last.
pub(crate) async fn of_claim(
    tx: &mut Tx,
    claim_no: PlatformNumber,
) -> Result<Vec<ScoreRow>, ProductionError> {
    let rows = sqlx::query!(
        r#"select sequence, tenant_id, outcome, model_id, model_version, model_scope, chance_ppm,
                  band, reasons::text as reasons, features::text as "features!",
                  scored_at as "scored_at: jiff_sqlx::Timestamp"
           from production.claim_score where slot = $1 and claim_no = $2
           order by sequence"#,
        i32::from(claim_no.slot().0),
        claim_no.to_string()
    );
    let corrupt = || ProductionError::Corrupt("claim score");
    let rows = rows.fetch_all(tx.conn()).await?.into_iter().map(|row| {
        let scored = match NotScored::ALL.into_iter().find(|why| why.name() == row.outcome) {
            Some(why) => Err(why.name()),
            None => Ok(FraudScore {
                model_id: row.model_id.ok_or_else(corrupt)?,
                model_version: row.model_version.ok_or_else(corrupt)?,
                model_scope: row.model_scope.ok_or_else(corrupt)?,
                chance_ppm: row
                    .chance_ppm
                    .and_then(|chance| u32::try_from(chance).ok())
                    .ok_or_else(corrupt)?,
                band: row.band.as_deref().and_then(Band::parse).ok_or_else(corrupt)?,
                reasons: row
                    .reasons
                    .and_then(|reasons| serde_json::from_str(&reasons).ok())
                    .ok_or_else(corrupt)?,
            }),
        };
        Ok(ScoreRow {
            claim_no,
            sequence: row.sequence,
            tenant: TenantId(row.tenant_id),
            scored,
            features: serde_json::from_str(&row.features).map_err(|_| corrupt())?,
            scored_at: row.scored_at.to_jiff(),
        })
    });
    rows.collect()
}

fn text(value: &impl serde::Serialize) -> String {
    // Plain maps and lists of words and numbers always serialise.
    serde_json::to_string(value).unwrap_or_default()
}

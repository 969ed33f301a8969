//! What was written behind a place, of every insurer: functions of the schema, and no person.

use pg::Tx;
use uuid::Uuid;

use crate::changes::Place;
use crate::error::ProductionError;

/// A version of a policy with all versions up to it.
pub struct WrittenVersion {
    /// The transaction that wrote it.
    pub written_by: i64,
    /// The slot of its chain.
    pub slot: i32,
    /// Confirm code.
    pub confirm_no: String,
    /// 0 as confirmed, then one more with each endorsement.
    pub endorse_times: i32,
    /// The insurer's tenant.
    pub tenant_id: Uuid,
    /// Four-letter insurer code.
    pub insurer: String,
    /// Branch region.
    pub region: String,
    /// Product line.
    pub class: String,
    /// Written for less than a year.
    pub short_term: bool,
    /// When the policy was confirmed.
    pub issued_at: jiff_sqlx::Timestamp,
    /// When this version was recorded.
    pub recorded_at: jiff_sqlx::Timestamp,
    /// Tariff bundle.
    pub tariff_version: String,
    /// Of each version, first to last: true from here on.
    pub effective_ats: Vec<jiff_sqlx::Timestamp>,
    /// JSON of what had happened.
    pub facts: Vec<String>,
    /// JSON of the vehicle as rated.
    pub vehicles: Vec<String>,
    /// Premium in all.
    pub premiums_fen: Vec<i64>,
    /// Vehicle tax.
    pub taxes_fen: Vec<i64>,
}

/// A step of a claim with all steps up to it.
pub struct WrittenStep {
    /// The transaction that wrote it.
    pub written_by: i64,
    /// The slot of its chain.
    pub slot: i32,
    /// Claim code.
    pub claim_no: String,
    /// Its place in the case, from 1.
    pub sequence: i32,
    /// The insurer's tenant.
    pub tenant_id: Uuid,
    /// Four-letter insurer code.
    pub insurer: String,
    /// Branch region of the policy.
    pub region: String,
    /// Product line.
    pub class: String,
    /// Confirm code of the policy.
    pub confirm_no: String,
    /// Its code.
    pub step: String,
    /// Whether it moved the case.
    pub standing: String,
    /// When what it tells of happened.
    pub occurred_at: jiff_sqlx::Timestamp,
    /// When it was recorded.
    pub recorded_at: jiff_sqlx::Timestamp,
    /// JSON of the steps up to it, first to last.
    pub told: Vec<String>,
    /// JSON of the vehicle as insured at the accident.
    pub vehicle: String,
}

/// The oldest transaction that may still be open: all before it are settled for good.
pub async fn horizon(tx: &mut Tx) -> Result<i64, ProductionError> {
    let horizon = sqlx::query_scalar!(
        r#"select pg_snapshot_xmin(pg_current_snapshot())::text::bigint as "horizon!""#
    );
    Ok(horizon.fetch_one(tx.conn()).await?)
}

/// Up to `most` versions behind a place, of transactions before `before`.
pub async fn versions(
    tx: &mut Tx,
    place: &Place,
    before: i64,
    most: i32,
) -> Result<Vec<WrittenVersion>, ProductionError> {
    let rows = sqlx::query_as!(
        WrittenVersion,
        r#"select written_by as "written_by!", slot as "slot!", confirm_no as "confirm_no!",
                  endorse_times as "endorse_times!", tenant_id as "tenant_id!",
                  insurer as "insurer!", region as "region!", class as "class!",
                  short_term as "short_term!", issued_at as "issued_at!",
                  recorded_at as "recorded_at!", tariff_version as "tariff_version!",
                  effective_ats as "effective_ats!: Vec<jiff_sqlx::Timestamp>",
                  facts as "facts!", vehicles as "vehicles!", premiums_fen as "premiums_fen!",
                  taxes_fen as "taxes_fen!"
           from production.policy_versions_written($1, $2, $3, $4, $5, $6, $7)"#,
        place.in_order(),
        place.written_by(),
        place.slot,
        place.number,
        place.sequence,
        before,
        most
    );
    Ok(rows.fetch_all(tx.conn()).await?)
}

/// Up to `most` steps behind a place, of transactions before `before`.
pub async fn steps(
    tx: &mut Tx,
    place: &Place,
    before: i64,
    most: i32,
) -> Result<Vec<WrittenStep>, ProductionError> {
    let rows = sqlx::query_as!(
        WrittenStep,
        r#"select written_by as "written_by!", slot as "slot!", claim_no as "claim_no!",
                  sequence as "sequence!", tenant_id as "tenant_id!", insurer as "insurer!",
                  region as "region!", class as "class!", confirm_no as "confirm_no!",
                  step as "step!", standing as "standing!", occurred_at as "occurred_at!",
                  recorded_at as "recorded_at!", told as "told!", vehicle as "vehicle!"
           from production.claim_steps_written($1, $2, $3, $4, $5, $6, $7)"#,
        place.in_order(),
        place.written_by(),
        place.slot,
        place.number,
        place.sequence,
        before,
        most
    );
    Ok(rows.fetch_all(tx.conn()).await?)
}

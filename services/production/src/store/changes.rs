//! What was written behind a place, of every insurer: functions of the schema, and no person.

use std::collections::HashMap;

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

/// Slot and number of a policy or a claim.
pub type Key<'a> = (i32, &'a str);

/// How a policy was sold.
pub struct Sale {
    /// The slot of its chain.
    pub slot: i32,
    /// Confirm code.
    pub confirm_no: String,
    /// Code of the sales channel.
    pub channel: Option<String>,
    /// The transaction that confirmed it.
    pub written_by: i64,
}

/// What the versions of a policy are rated by, first to last.
pub struct RatedBy {
    /// Confirm code.
    pub confirm_no: String,
    /// Tariff bundles.
    pub tariff_versions: Vec<String>,
    /// JSON of the rating inputs.
    pub inputs: Vec<String>,
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

/// How policies were sold, by confirm code.
pub async fn sales(
    tx: &mut Tx,
    keys: &[Key<'_>],
) -> Result<HashMap<String, Sale>, ProductionError> {
    let (slots, numbers) = columns(keys);
    let rows = sqlx::query_as!(
        Sale,
        r#"select slot as "slot!", confirm_no as "confirm_no!", channel, written_by as "written_by!"
           from production.policies_sold($1, $2)"#,
        &slots,
        &numbers
    );
    let rows = rows.fetch_all(tx.conn()).await?;
    Ok(rows.into_iter().map(|sale| (sale.confirm_no.clone(), sale)).collect())
}

/// What policies are rated by, by confirm code: all their versions.
pub async fn ratings(
    tx: &mut Tx,
    keys: &[Key<'_>],
) -> Result<HashMap<String, RatedBy>, ProductionError> {
    let (slots, numbers) = columns(keys);
    let rows = sqlx::query_as!(
        RatedBy,
        r#"select confirm_no as "confirm_no!", tariff_versions as "tariff_versions!",
                  inputs as "inputs!"
           from production.policy_ratings($1, $2)"#,
        &slots,
        &numbers
    );
    let rows = rows.fetch_all(tx.conn()).await?;
    Ok(rows.into_iter().map(|rated| (rated.confirm_no.clone(), rated)).collect())
}

/// JSON of the covers that claims are under, by claim code.
pub async fn covers(
    tx: &mut Tx,
    keys: &[Key<'_>],
) -> Result<HashMap<String, String>, ProductionError> {
    let (slots, numbers) = columns(keys);
    let rows = sqlx::query!(
        r#"select claim_no as "claim_no!", covers as "covers!"
           from production.claim_covers($1, $2)"#,
        &slots,
        &numbers
    );
    let rows = rows.fetch_all(tx.conn()).await?;
    Ok(rows.into_iter().map(|row| (row.claim_no, row.covers)).collect())
}

/// Each key once.
fn columns(keys: &[Key<'_>]) -> (Vec<i32>, Vec<String>) {
    let mut keys = keys.to_vec();
    keys.sort_unstable();
    keys.dedup();
    keys.into_iter().map(|(slot, number)| (slot, number.to_owned())).unzip()
}

//! Pages of own rows for exports, in the order they were recorded, and how many there are.

use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use kernel::Fen;
use pg::Tx;
use production_core::claim::Step;
use rust_decimal::Decimal;

use crate::error::ProductionError;
use crate::export::kinds::PAGE;
use crate::export::{Key, Selection, Span};

/// What the rows behind a key are asked by: instant, number and sequence.
pub(crate) fn behind(span: &Span) -> (Option<Timestamp>, Option<String>, Option<i32>) {
    let after = span.after.as_ref();
    (after.map(|key| key.at), after.map(|key| key.number.clone()), after.map(|key| key.sequence))
}

/// A policy as known.
pub struct PolicyRow {
    /// Confirm code.
    pub confirm_no: String,
    /// The insurer's own number.
    pub policy_no: String,
    /// Four-letter insurer code.
    pub insurer: String,
    /// Branch region.
    pub region: String,
    /// Query code.
    pub query_no: String,
    /// The vehicle.
    pub frame_no: String,
    /// When it was confirmed.
    pub issued_at: jiff_sqlx::Timestamp,
    /// Written for less than a year.
    pub short_term: bool,
    /// JSON of what happened to it.
    pub facts: String,
    /// Premium.
    pub premium_fen: Fen,
    /// Vehicle tax.
    pub tax_fen: Fen,
    /// JSON of [`crate::quote::VehicleIdentity`].
    pub vehicle: String,
    /// Tariff bundle.
    pub tariff_version: String,
    /// The parties, sealed JSON.
    pub parties_sealed: Vec<u8>,
}

impl PolicyRow {
    /// Its place.
    pub fn key(&self) -> Key {
        Key { at: self.issued_at.to_jiff(), number: self.confirm_no.clone(), sequence: 0 }
    }
}

/// Own policies of a selection.
pub async fn count_policies(tx: &mut Tx, selection: &Selection) -> Result<i64, ProductionError> {
    let count = sqlx::query_scalar!(
        r#"select count(*) as "count!" from production.policy
           where tenant_id = $1 and issued_at >= $2 and issued_at < $3
             and ($4::text is null or region = $4) and ($5::text is null or class = $5)"#,
        selection.tenant.0,
        selection.from.to_sqlx() as _,
        selection.until().to_sqlx() as _,
        selection.region.map(|region| region.code()),
        selection.class.map(|class| class.name())
    );
    Ok(count.fetch_one(tx.conn()).await?)
}

/// A page of own policies, as last endorsed by what was known.
pub async fn policies(
    tx: &mut Tx,
    selection: &Selection,
    span: &Span,
) -> Result<Vec<PolicyRow>, ProductionError> {
    let (after_at, after_no, _) = behind(span);
    let rows = sqlx::query_as!(
        PolicyRow,
        r#"select p.confirm_no, p.policy_no, p.insurer, p.region, p.query_no, p.frame_no,
                  p.issued_at, p.short_term, v.facts::text as "facts!",
                  v.premium_fen as "premium_fen: Fen", v.tax_fen as "tax_fen: Fen",
                  v.vehicle::text as "vehicle!", v.tariff_version, v.parties_sealed
           from production.policy p
           cross join lateral (
               select known.facts, known.premium_fen, known.tax_fen, known.vehicle,
                      known.tariff_version, known.parties_sealed
               from production.policy_version known
               where known.slot = p.slot and known.confirm_no = p.confirm_no
                 and known.recorded_at <= $4
               order by known.endorse_times desc limit 1) v
           where p.tenant_id = $1 and p.issued_at >= $2 and p.issued_at < $3
             and ($5::text is null or p.region = $5) and ($6::text is null or p.class = $6)
             and ($7::timestamptz is null or (p.issued_at, p.confirm_no) > ($7, $8))
           order by p.issued_at, p.confirm_no
           limit $9"#,
        selection.tenant.0,
        span.from.to_sqlx() as _,
        span.to.to_sqlx() as _,
        selection.as_of.to_sqlx() as _,
        selection.region.map(|region| region.code()),
        selection.class.map(|class| class.name()),
        after_at.map(|at| at.to_sqlx()) as _,
        after_no,
        PAGE
    );
    Ok(rows.fetch_all(tx.conn()).await?)
}

/// A version of a policy.
pub struct VersionRow {
    /// Confirm code.
    pub confirm_no: String,
    /// 0 as confirmed, then one more with each endorsement.
    pub endorse_times: i32,
    /// Amend confirm code of the endorsement that made it.
    pub amend_no: Option<String>,
    /// The insurer's own number.
    pub policy_no: String,
    /// Branch region.
    pub region: String,
    /// The vehicle.
    pub frame_no: String,
    /// True from here on.
    pub effective_at: jiff_sqlx::Timestamp,
    /// Known from here on.
    pub recorded_at: jiff_sqlx::Timestamp,
    /// JSON of what had happened.
    pub facts: String,
    /// Premium.
    pub premium_fen: Fen,
    /// Vehicle tax.
    pub tax_fen: Fen,
    /// JSON of [`crate::quote::VehicleIdentity`].
    pub vehicle: String,
    /// Tariff bundle.
    pub tariff_version: String,
    /// The parties, sealed JSON.
    pub parties_sealed: Vec<u8>,
}

impl VersionRow {
    /// Its place.
    pub fn key(&self) -> Key {
        Key {
            at: self.recorded_at.to_jiff(),
            number: self.confirm_no.clone(),
            sequence: self.endorse_times,
        }
    }
}

/// Own policy versions of a selection.
pub async fn count_versions(tx: &mut Tx, selection: &Selection) -> Result<i64, ProductionError> {
    let count = sqlx::query_scalar!(
        r#"select count(*) as "count!"
           from production.policy_version v
           join production.policy p on p.slot = v.slot and p.confirm_no = v.confirm_no
           where v.tenant_id = $1 and v.recorded_at >= $2 and v.recorded_at < $3
             and ($4::text is null or p.region = $4) and ($5::text is null or p.class = $5)"#,
        selection.tenant.0,
        selection.from.to_sqlx() as _,
        selection.until().to_sqlx() as _,
        selection.region.map(|region| region.code()),
        selection.class.map(|class| class.name())
    );
    Ok(count.fetch_one(tx.conn()).await?)
}

/// A page of own policy versions.
pub async fn versions(
    tx: &mut Tx,
    selection: &Selection,
    span: &Span,
) -> Result<Vec<VersionRow>, ProductionError> {
    let (after_at, after_no, after_sequence) = behind(span);
    let rows = sqlx::query_as!(
        VersionRow,
        r#"select v.confirm_no, v.endorse_times, v.amend_no, p.policy_no, p.region, p.frame_no,
                  v.effective_at, v.recorded_at, v.facts::text as "facts!",
                  v.premium_fen as "premium_fen: Fen", v.tax_fen as "tax_fen: Fen",
                  v.vehicle::text as "vehicle!", v.tariff_version, v.parties_sealed
           from production.policy_version v
           join production.policy p on p.slot = v.slot and p.confirm_no = v.confirm_no
           where v.tenant_id = $1 and v.recorded_at >= $2 and v.recorded_at < $3
             and ($4::text is null or p.region = $4) and ($5::text is null or p.class = $5)
             and ($6::timestamptz is null
                  or (v.recorded_at, v.confirm_no, v.endorse_times) > ($6, $7, $8))
           order by v.recorded_at, v.confirm_no, v.endorse_times
           limit $9"#,
        selection.tenant.0,
        span.from.to_sqlx() as _,
        span.to.to_sqlx() as _,
        selection.region.map(|region| region.code()),
        selection.class.map(|class| class.name()),
        after_at.map(|at| at.to_sqlx()) as _,
        after_no,
        after_sequence,
        PAGE
    );
    Ok(rows.fetch_all(tx.conn()).await?)
}

/// Own endorsements of a selection; a page of them is [`crate::store::endorsement::page`].
pub async fn count_endorsements(
    tx: &mut Tx,
    selection: &Selection,
) -> Result<i64, ProductionError> {
    let count = sqlx::query_scalar!(
        r#"select count(*) as "count!"
           from production.endorsement e
           join production.policy p on p.slot = e.slot and p.confirm_no = e.confirm_no
           where e.tenant_id = $1 and e.queried_at >= $2 and e.queried_at < $3
             and ($4::text is null or p.region = $4) and ($5::text is null or p.class = $5)"#,
        selection.tenant.0,
        selection.from.to_sqlx() as _,
        selection.until().to_sqlx() as _,
        selection.region.map(|region| region.code()),
        selection.class.map(|class| class.name())
    );
    Ok(count.fetch_one(tx.conn()).await?)
}

/// Own quotes of a selection; a page of them is [`crate::store::quote::page`].
pub async fn count_quotes(tx: &mut Tx, selection: &Selection) -> Result<i64, ProductionError> {
    let count = sqlx::query_scalar!(
        r#"select count(*) as "count!" from production.quote
           where tenant_id = $1 and quoted_at >= $2 and quoted_at < $3
             and ($4::text is null or region = $4)
             and ($5::text is null or $5 = 'compulsory' and compulsory_from is not null
                  or $5 = 'commercial' and commercial_from is not null)"#,
        selection.tenant.0,
        selection.from.to_sqlx() as _,
        selection.until().to_sqlx() as _,
        selection.region.map(|region| region.code()),
        selection.class.map(|class| class.name())
    );
    Ok(count.fetch_one(tx.conn()).await?)
}

/// A registered fee or a change of one.
pub struct FeeRow {
    /// Confirm code.
    pub confirm_no: String,
    /// 0 for the registration, then one more for each change.
    pub sequence: i32,
    /// Line of the policy.
    pub class: String,
    /// The insurer's own number.
    pub policy_no: String,
    /// Branch region.
    pub region: String,
    /// Sales channel.
    pub channel: String,
    /// Name of the intermediary.
    pub intermediary: Option<String>,
    /// Kind of its licence.
    pub licence_kind: Option<String>,
    /// Number of its licence.
    pub licence_no: Option<String>,
    /// First day of its licence.
    pub licence_from: Option<jiff_sqlx::Date>,
    /// Last day of its licence.
    pub licence_to: Option<jiff_sqlx::Date>,
    /// 代理合同号.
    pub contract_no: Option<String>,
    /// Commission ratio.
    pub ratio: Decimal,
    /// Premium the ratio was applied to.
    pub premium_fen: Fen,
    /// The commission.
    pub amount_fen: Fen,
    /// Why it was changed.
    pub reason: Option<String>,
    /// Who registered it.
    pub client: String,
    /// When.
    pub registered_at: jiff_sqlx::Timestamp,
}

impl FeeRow {
    /// Its place.
    pub fn key(&self) -> Key {
        Key {
            at: self.registered_at.to_jiff(),
            number: self.confirm_no.clone(),
            sequence: self.sequence,
        }
    }
}

/// Own registrations and changes of fees of a selection.
pub async fn count_fees(tx: &mut Tx, selection: &Selection) -> Result<i64, ProductionError> {
    let count = sqlx::query_scalar!(
        r#"select count(*) as "count!"
           from production.fee_registration f
           join production.policy p on p.slot = f.slot and p.confirm_no = f.confirm_no
           where f.tenant_id = $1 and f.registered_at >= $2 and f.registered_at < $3
             and ($4::text is null or p.region = $4) and ($5::text is null or f.class = $5)"#,
        selection.tenant.0,
        selection.from.to_sqlx() as _,
        selection.until().to_sqlx() as _,
        selection.region.map(|region| region.code()),
        selection.class.map(|class| class.name())
    );
    Ok(count.fetch_one(tx.conn()).await?)
}

/// A page of own registrations and changes of fees.
pub async fn fees(
    tx: &mut Tx,
    selection: &Selection,
    span: &Span,
) -> Result<Vec<FeeRow>, ProductionError> {
    let (after_at, after_no, after_sequence) = behind(span);
    let rows = sqlx::query_as!(
        FeeRow,
        r#"select f.confirm_no, f.sequence, f.class, p.policy_no, p.region, f.channel,
                  f.intermediary, f.licence_kind, f.licence_no, f.licence_from, f.licence_to,
                  f.contract_no, f.ratio, f.premium_fen as "premium_fen: Fen",
                  f.amount_fen as "amount_fen: Fen", f.reason, f.client, f.registered_at
           from production.fee_registration f
           join production.policy p on p.slot = f.slot and p.confirm_no = f.confirm_no
           where f.tenant_id = $1 and f.registered_at >= $2 and f.registered_at < $3
             and ($4::text is null or p.region = $4) and ($5::text is null or f.class = $5)
             and ($6::timestamptz is null
                  or (f.registered_at, f.confirm_no, f.sequence) > ($6, $7, $8))
           order by f.registered_at, f.confirm_no, f.sequence
           limit $9"#,
        selection.tenant.0,
        span.from.to_sqlx() as _,
        span.to.to_sqlx() as _,
        selection.region.map(|region| region.code()),
        selection.class.map(|class| class.name()),
        after_at.map(|at| at.to_sqlx()) as _,
        after_no,
        after_sequence,
        PAGE
    );
    Ok(rows.fetch_all(tx.conn()).await?)
}

/// A claim as stored, with the steps that tell how it stood before it changed.
pub struct ClaimRow {
    /// Claim code.
    pub claim_no: String,
    /// Branch region of the policy.
    pub region: String,
    /// Confirm code of the policy.
    pub confirm_no: String,
    /// The insurer's own number of the policy.
    pub policy_no: String,
    /// The insurer's number of the report.
    pub report_no: String,
    /// The insured vehicle.
    pub frame_no: String,
    /// Steps that made the case.
    pub steps: i32,
    /// JSON of the case.
    pub facts: String,
    /// When it was reported to the platform.
    pub recorded_at: jiff_sqlx::Timestamp,
    /// When its last step was recorded.
    pub changed_at: jiff_sqlx::Timestamp,
    /// JSON of the steps known then, first to last, where the case has changed since.
    pub told: Option<Vec<String>>,
    /// When the last of these was recorded.
    pub told_at: Option<jiff_sqlx::Timestamp>,
}

impl ClaimRow {
    /// Its place.
    pub fn key(&self) -> Key {
        Key { at: self.recorded_at.to_jiff(), number: self.claim_no.clone(), sequence: 0 }
    }
}

/// Own claims of a selection.
pub async fn count_claims(tx: &mut Tx, selection: &Selection) -> Result<i64, ProductionError> {
    let count = sqlx::query_scalar!(
        r#"select count(*) as "count!" from production.claim
           where tenant_id = $1 and recorded_at >= $2 and recorded_at < $3
             and ($4::text is null or region = $4) and ($5::text is null or class = $5)"#,
        selection.tenant.0,
        selection.from.to_sqlx() as _,
        selection.until().to_sqlx() as _,
        selection.region.map(|region| region.code()),
        selection.class.map(|class| class.name())
    );
    Ok(count.fetch_one(tx.conn()).await?)
}

/// A page of own claims, with what tells how they were known.
pub async fn claims(
    tx: &mut Tx,
    selection: &Selection,
    span: &Span,
) -> Result<Vec<ClaimRow>, ProductionError> {
    let (after_at, after_no, _) = behind(span);
    let rows = sqlx::query_as!(
        ClaimRow,
        r#"select c.claim_no, c.region, c.confirm_no, c.policy_no, c.report_no, c.frame_no, c.steps,
                  c.facts::text as "facts!", c.recorded_at, c.changed_at, known.told, known.told_at
           from production.claim c
           cross join lateral (
               select array_agg(s.facts::text order by s.sequence) as told,
                      max(s.recorded_at) as told_at
               from production.claim_step s
               where s.slot = c.slot and s.claim_no = c.claim_no and s.recorded_at <= $4
                 and c.changed_at > $4) known
           where c.tenant_id = $1 and c.recorded_at >= $2 and c.recorded_at < $3
             and ($5::text is null or c.region = $5) and ($6::text is null or c.class = $6)
             and ($7::timestamptz is null or (c.recorded_at, c.claim_no) > ($7, $8))
           order by c.recorded_at, c.claim_no
           limit $9"#,
        selection.tenant.0,
        span.from.to_sqlx() as _,
        span.to.to_sqlx() as _,
        selection.as_of.to_sqlx() as _,
        selection.region.map(|region| region.code()),
        selection.class.map(|class| class.name()),
        after_at.map(|at| at.to_sqlx()) as _,
        after_no,
        PAGE
    );
    Ok(rows.fetch_all(tx.conn()).await?)
}

/// A step of a claim.
pub struct ClaimStepRow {
    /// Claim code.
    pub claim_no: String,
    /// Its place in the case, from 1.
    pub sequence: i32,
    /// Line of the policy.
    pub class: String,
    /// The insurer's own number of the policy.
    pub policy_no: String,
    /// The insurer's number of the report.
    pub report_no: String,
    /// Branch region of the policy.
    pub region: String,
    /// The insurer's number of this piece of work.
    pub business_no: String,
    /// How often the case had been reopened.
    pub round: i32,
    /// Whether it moved the case.
    pub standing: String,
    /// When what it tells of happened.
    pub occurred_at: jiff_sqlx::Timestamp,
    /// When it was recorded.
    pub recorded_at: jiff_sqlx::Timestamp,
    /// Who sent it.
    pub client: String,
    /// JSON of [`production_core::claim::StepFacts`].
    pub facts: String,
    /// As a closing was answered.
    pub closing_answer: Option<Vec<u8>>,
}

impl ClaimStepRow {
    /// Its place.
    pub fn key(&self) -> Key {
        Key {
            at: self.recorded_at.to_jiff(),
            number: self.claim_no.clone(),
            sequence: self.sequence,
        }
    }
}

/// Steps of own claims of a selection.
pub async fn count_claim_steps(tx: &mut Tx, selection: &Selection) -> Result<i64, ProductionError> {
    let count = sqlx::query_scalar!(
        r#"select count(*) as "count!"
           from production.claim_step s
           join production.claim c on c.slot = s.slot and c.claim_no = s.claim_no
           where s.tenant_id = $1 and s.recorded_at >= $2 and s.recorded_at < $3
             and ($4::text is null or c.region = $4) and ($5::text is null or c.class = $5)"#,
        selection.tenant.0,
        selection.from.to_sqlx() as _,
        selection.until().to_sqlx() as _,
        selection.region.map(|region| region.code()),
        selection.class.map(|class| class.name())
    );
    Ok(count.fetch_one(tx.conn()).await?)
}

/// A page of the steps of own claims.
pub async fn claim_steps(
    tx: &mut Tx,
    selection: &Selection,
    span: &Span,
) -> Result<Vec<ClaimStepRow>, ProductionError> {
    let (after_at, after_no, after_sequence) = behind(span);
    let rows = sqlx::query_as!(
        ClaimStepRow,
        r#"select s.claim_no, s.sequence, c.class, c.policy_no, c.report_no, c.region,
                  s.business_no, s.round, s.standing, s.occurred_at, s.recorded_at, s.client,
                  s.facts::text as "facts!",
                  case when s.step = $10 then s.answer end as closing_answer
           from production.claim_step s
           join production.claim c on c.slot = s.slot and c.claim_no = s.claim_no
           where s.tenant_id = $1 and s.recorded_at >= $2 and s.recorded_at < $3
             and ($4::text is null or c.region = $4) and ($5::text is null or c.class = $5)
             and ($6::timestamptz is null
                  or (s.recorded_at, s.claim_no, s.sequence) > ($6, $7, $8))
           order by s.recorded_at, s.claim_no, s.sequence
           limit $9"#,
        selection.tenant.0,
        span.from.to_sqlx() as _,
        span.to.to_sqlx() as _,
        selection.region.map(|region| region.code()),
        selection.class.map(|class| class.name()),
        after_at.map(|at| at.to_sqlx()) as _,
        after_no,
        after_sequence,
        PAGE,
        Step::Close.code()
    );
    Ok(rows.fetch_all(tx.conn()).await?)
}

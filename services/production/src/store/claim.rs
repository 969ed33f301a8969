//! Cases and their steps: the case row is how it stands, steps are how it came so.

use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use kernel::{Fen, TenantId};
use pg::Tx;
use production_core::claim::{Case, Standing, Step};
use production_core::frame::FrameNo;
use production_core::history::ClaimRecord;
use production_core::insurer::InsurerCode;
use production_core::number::PlatformNumber;
use production_core::region::Region;
use serde::Serialize;

use crate::claim::terms::Terms;
use crate::error::ProductionError;
use crate::store::quote::stored_frame;

/// A case as stored.
#[derive(Clone, Debug)]
pub struct ClaimRow {
    /// 理赔编号.
    pub claim_no: PlatformNumber,
    /// Whose.
    pub tenant: TenantId,
    /// Insurer of the tenant.
    pub insurer: InsurerCode,
    /// Branch region of the policy.
    pub region: Region,
    /// Confirm code of the policy.
    pub confirm_no: PlatformNumber,
    /// The insurer's own number of the policy.
    pub policy_no: String,
    /// The insurer's number of the report.
    pub report_no: String,
    /// The insured vehicle.
    pub frame: FrameNo,
    /// Steps taken so far.
    pub steps: i32,
    /// The case they made.
    pub case: Case,
    /// What the policy promised at the accident.
    pub terms: Terms,
    /// When what a quote may have counted last became something else.
    pub corrected_at: Option<Timestamp>,
    /// What the earliest duty not done is not due before, whichever public holidays are listed.
    pub next_due_at: Option<Timestamp>,
    /// When it was reported to the platform.
    pub recorded_at: Timestamp,
    /// When its last step was recorded.
    pub changed_at: Timestamp,
}

impl ClaimRow {
    /// What a quote of any insurer sees of it; `None` for a cancelled one.
    pub fn record(&self) -> Option<ClaimRecord> {
        self.case.record(&self.claim_no.to_string(), self.insurer)
    }
}

/// A step as stored.
#[derive(Clone, Debug)]
pub struct StepRow {
    /// 理赔编号.
    pub claim_no: PlatformNumber,
    /// Its place in the case, from 1.
    pub sequence: i32,
    /// Whose.
    pub tenant: TenantId,
    /// Which message.
    pub step: Step,
    /// The insurer's number of this piece of work.
    pub business_no: String,
    /// How often the case had been reopened.
    pub round: u32,
    /// Whether it moved the case.
    pub standing: Standing,
    /// When what it tells of happened.
    pub occurred_at: Timestamp,
    /// When it was recorded.
    pub recorded_at: Timestamp,
    /// Who sent it.
    pub client: String,
    /// Of the message as read.
    pub digest: [u8; 32],
    /// JSON of [`production_core::claim::StepFacts`].
    pub facts: String,
    /// The whole message, sealed.
    pub message_sealed: Vec<u8>,
    /// As it was answered.
    pub answer: Vec<u8>,
}

/// Own cases by claim code, held until the transaction ends, in key order.
pub async fn lock(
    tx: &mut Tx,
    numbers: &[PlatformNumber],
) -> Result<Vec<ClaimRow>, ProductionError> {
    if numbers.is_empty() {
        return Ok(Vec::new());
    }
    let rows = sqlx::query_as!(
        StoredClaim,
        r#"select claim_no, tenant_id, insurer, region, confirm_no, policy_no, report_no, frame_no,
                  steps, facts::text as "facts!", terms::text as "terms!", corrected_at, next_due_at,
                  recorded_at, changed_at
           from production.claim
           where (slot, claim_no) in (select * from unnest($1::integer[], $2::text[]))
           order by slot, claim_no
           for update"#,
        column!(numbers, |number| i32::from(number.slot().0)),
        column!(numbers, |number| number.to_string()),
    );
    rows.fetch_all(tx.conn()).await?.into_iter().map(ClaimRow::try_from).collect()
}

/// Own cases by policy and report, held until the transaction ends, in key order.
pub async fn lock_reported(
    tx: &mut Tx,
    reports: &[(PlatformNumber, &str)],
) -> Result<Vec<ClaimRow>, ProductionError> {
    if reports.is_empty() {
        return Ok(Vec::new());
    }
    let rows = sqlx::query_as!(
        StoredClaim,
        r#"select claim_no, tenant_id, insurer, region, confirm_no, policy_no, report_no, frame_no,
                  steps, facts::text as "facts!", terms::text as "terms!", corrected_at, next_due_at,
                  recorded_at, changed_at
           from production.claim
           where (slot, confirm_no, report_no)
                 in (select * from unnest($1::integer[], $2::text[], $3::text[]))
           order by slot, claim_no
           for update"#,
        column!(reports, |report| i32::from(report.0.slot().0)),
        column!(reports, |report| report.0.to_string()),
        column!(reports, |report| report.1.to_owned()),
    );
    rows.fetch_all(tx.conn()).await?.into_iter().map(ClaimRow::try_from).collect()
}

/// An own case as it stands.
pub async fn find(tx: &mut Tx, claim_no: PlatformNumber) -> Result<ClaimRow, ProductionError> {
    let row = sqlx::query_as!(
        StoredClaim,
        r#"select claim_no, tenant_id, insurer, region, confirm_no, policy_no, report_no, frame_no,
                  steps, facts::text as "facts!", terms::text as "terms!", corrected_at, next_due_at,
                  recorded_at, changed_at
           from production.claim where slot = $1 and claim_no = $2"#,
        i32::from(claim_no.slot().0),
        claim_no.to_string()
    );
    let row = row.fetch_optional(tx.conn()).await?;
    row.ok_or_else(|| ProductionError::not_found("claim", claim_no))?.try_into()
}

/// The own case of a report.
pub async fn of_report(
    tx: &mut Tx,
    confirm_no: PlatformNumber,
    report_no: &str,
) -> Result<Option<PlatformNumber>, ProductionError> {
    let found = sqlx::query_scalar!(
        r#"select claim_no from production.claim
           where slot = $1 and confirm_no = $2 and report_no = $3"#,
        i32::from(confirm_no.slot().0),
        confirm_no.to_string(),
        report_no
    );
    let number =
        found.fetch_optional(tx.conn()).await?.map(|number| PlatformNumber::parse(&number));
    number.transpose().map_err(|_| ProductionError::Corrupt("claim"))
}

/// Steps of own cases that were taken under these business numbers.
pub async fn find_steps(
    tx: &mut Tx,
    wanted: &[(PlatformNumber, Step, &str)],
) -> Result<Vec<StepRow>, ProductionError> {
    if wanted.is_empty() {
        return Ok(Vec::new());
    }
    let rows = sqlx::query_as!(
        StoredStep,
        r#"select claim_no, sequence, tenant_id, step, business_no, round, standing, occurred_at,
                  recorded_at, client, digest, facts::text as "facts!", message_sealed, answer
           from production.claim_step
           where (slot, claim_no, step, business_no)
                 in (select * from unnest($1::integer[], $2::text[], $3::text[], $4::text[]))"#,
        column!(wanted, |row| i32::from(row.0.slot().0)),
        column!(wanted, |row| row.0.to_string()),
        column!(wanted, |row| row.1.code().to_owned()),
        column!(wanted, |row| row.2.to_owned()),
    );
    rows.fetch_all(tx.conn()).await?.into_iter().map(StepRow::try_from).collect()
}

/// Steps of an own case known at `as_of`, first to last.
pub async fn steps(
    tx: &mut Tx,
    claim_no: PlatformNumber,
    as_of: Option<Timestamp>,
) -> Result<Vec<StepRow>, ProductionError> {
    let rows = sqlx::query_as!(
        StoredStep,
        r#"select claim_no, sequence, tenant_id, step, business_no, round, standing, occurred_at,
                  recorded_at, client, digest, facts::text as "facts!", message_sealed, answer
           from production.claim_step
           where slot = $1 and claim_no = $2 and ($3::timestamptz is null or recorded_at <= $3)
           order by sequence"#,
        i32::from(claim_no.slot().0),
        claim_no.to_string(),
        as_of.map(|at| at.to_sqlx()) as _
    );
    rows.fetch_all(tx.conn()).await?.into_iter().map(StepRow::try_from).collect()
}

/// Writes new cases. The arrays stand in the select list, as those of quotes do.
pub async fn insert(tx: &mut Tx, claims: &[&ClaimRow]) -> Result<(), ProductionError> {
    if claims.is_empty() {
        return Ok(());
    }
    let seen: Vec<Seen> = claims.iter().map(|claim| Seen::of(claim)).collect();
    sqlx::query!(
        r#"insert into production.claim
               (slot, claim_no, tenant_id, insurer, region, confirm_no, class, policy_no, report_no,
                frame_no, accident_at, district, stage, steps, facts, terms, closed_at, paid_at,
                first_settled_at, total_fen, at_fault, death, counts, fully_recovered, stolen, corrected_at,
                next_due_at, recorded_at, changed_at)
           select unnest($1::integer[]), unnest($2::text[]), unnest($3::uuid[]), unnest($4::text[]),
                  unnest($5::text[]), unnest($6::text[]), unnest($7::text[]), unnest($8::text[]),
                  unnest($9::text[]), unnest($10::text[]), unnest($11::timestamptz[]),
                  unnest($12::text[]), unnest($13::text[]), unnest($14::integer[]),
                  unnest($15::text[])::json, unnest($16::text[])::json,
                  unnest($17::timestamptz[]), unnest($18::timestamptz[]),
                  unnest($29::timestamptz[]), unnest($19::bigint[]), unnest($20::boolean[]),
                  unnest($21::boolean[]), unnest($22::boolean[]), unnest($23::boolean[]),
                  unnest($24::boolean[]), unnest($25::timestamptz[]), unnest($26::timestamptz[]),
                  unnest($27::timestamptz[]), unnest($28::timestamptz[])"#,
        column!(claims, |claim| i32::from(claim.claim_no.slot().0)),
        column!(claims, |claim| claim.claim_no.to_string()),
        column!(claims, |claim| claim.tenant.0),
        column!(claims, |claim| claim.insurer.as_str().to_owned()),
        column!(claims, |claim| claim.region.code().to_owned()),
        column!(claims, |claim| claim.confirm_no.to_string()),
        column!(claims, |claim| claim.case.class.name().to_owned()),
        column!(claims, |claim| claim.policy_no.clone()),
        column!(claims, |claim| claim.report_no.clone()),
        column!(claims, |claim| claim.frame.as_str().to_owned()),
        column!(claims, |claim| claim.case.notify.accident_at.to_sqlx()) as _,
        column!(claims, |claim| claim.case.notify.district.clone()) as &[Option<String>],
        column!(claims, |claim| claim.case.stage.name().to_owned()),
        column!(claims, |claim| claim.steps),
        column!(claims, |claim| text(&claim.case)),
        column!(claims, |claim| text(&claim.terms)),
        column!(seen, |seen| seen.closed_at.map(|at| at.to_sqlx())) as _,
        column!(seen, |seen| seen.paid_at.map(|at| at.to_sqlx())) as _,
        column!(seen, |seen| seen.total.0),
        column!(seen, |seen| seen.at_fault),
        column!(seen, |seen| seen.death),
        column!(seen, |seen| seen.counts),
        column!(seen, |seen| seen.fully_recovered),
        column!(seen, |seen| seen.stolen),
        column!(claims, |claim| claim.corrected_at.map(|at| at.to_sqlx())) as _,
        column!(claims, |claim| claim.next_due_at.map(|at| at.to_sqlx())) as _,
        column!(claims, |claim| claim.recorded_at.to_sqlx()) as _,
        column!(claims, |claim| claim.changed_at.to_sqlx()) as _,
        column!(seen, |seen| seen.first_settled_at.map(|at| at.to_sqlx())) as _,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Brings case rows to how they stand after their steps.
pub async fn update(tx: &mut Tx, claims: &[&ClaimRow]) -> Result<(), ProductionError> {
    if claims.is_empty() {
        return Ok(());
    }
    let seen: Vec<Seen> = claims.iter().map(|claim| Seen::of(claim)).collect();
    sqlx::query!(
        r#"update production.claim c
           set stage = fresh.stage, steps = fresh.steps, facts = fresh.facts::json,
               closed_at = fresh.closed_at, paid_at = fresh.paid_at, total_fen = fresh.total_fen,
               at_fault = fresh.at_fault, death = fresh.death, counts = fresh.counts,
               fully_recovered = fresh.fully_recovered, corrected_at = fresh.corrected_at,
               next_due_at = fresh.next_due_at, changed_at = fresh.changed_at,
               first_settled_at = fresh.first_settled_at
           from unnest($1::integer[], $2::text[], $3::text[], $4::integer[], $5::text[],
                       $6::timestamptz[], $7::timestamptz[], $8::bigint[], $9::boolean[],
                       $10::boolean[], $11::boolean[], $12::boolean[], $13::timestamptz[],
                       $14::timestamptz[], $15::timestamptz[], $16::timestamptz[])
                    as fresh (slot, claim_no, stage, steps, facts, closed_at, paid_at, total_fen,
                              at_fault, death, counts, fully_recovered, corrected_at, next_due_at,
                              changed_at, first_settled_at)
           where c.slot = fresh.slot and c.claim_no = fresh.claim_no"#,
        column!(claims, |claim| i32::from(claim.claim_no.slot().0)),
        column!(claims, |claim| claim.claim_no.to_string()),
        column!(claims, |claim| claim.case.stage.name().to_owned()),
        column!(claims, |claim| claim.steps),
        column!(claims, |claim| text(&claim.case)),
        column!(seen, |seen| seen.closed_at.map(|at| at.to_sqlx())) as _,
        column!(seen, |seen| seen.paid_at.map(|at| at.to_sqlx())) as _,
        column!(seen, |seen| seen.total.0),
        column!(seen, |seen| seen.at_fault),
        column!(seen, |seen| seen.death),
        column!(seen, |seen| seen.counts),
        column!(seen, |seen| seen.fully_recovered),
        column!(claims, |claim| claim.corrected_at.map(|at| at.to_sqlx())) as _,
        column!(claims, |claim| claim.next_due_at.map(|at| at.to_sqlx())) as _,
        column!(claims, |claim| claim.changed_at.to_sqlx()) as _,
        column!(seen, |seen| seen.first_settled_at.map(|at| at.to_sqlx())) as _,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Writes steps.
pub async fn insert_steps(tx: &mut Tx, steps: &[&StepRow]) -> Result<(), ProductionError> {
    sqlx::query!(
        r#"insert into production.claim_step
               (slot, claim_no, sequence, tenant_id, step, business_no, round, standing,
                occurred_at, recorded_at, client, digest, facts, message_sealed, answer)
           select unnest($1::integer[]), unnest($2::text[]), unnest($3::integer[]),
                  unnest($4::uuid[]), unnest($5::text[]), unnest($6::text[]), unnest($7::integer[]),
                  unnest($8::text[]), unnest($9::timestamptz[]), unnest($10::timestamptz[]),
                  unnest($11::text[]), unnest($12::bytea[]), unnest($13::text[])::json,
                  unnest($14::bytea[]), unnest($15::bytea[])"#,
        column!(steps, |step| i32::from(step.claim_no.slot().0)),
        column!(steps, |step| step.claim_no.to_string()),
        column!(steps, |step| step.sequence),
        column!(steps, |step| step.tenant.0),
        column!(steps, |step| step.step.code()) as _,
        column!(steps, |step| step.business_no.as_str()) as _,
        column!(steps, |step| i32::try_from(step.round).unwrap_or(i32::MAX)),
        column!(steps, |step| standing_name(step.standing)) as _,
        column!(steps, |step| step.occurred_at.to_sqlx()) as _,
        column!(steps, |step| step.recorded_at.to_sqlx()) as _,
        column!(steps, |step| step.client.as_str()) as _,
        column!(steps, |step| &step.digest[..]) as _,
        column!(steps, |step| step.facts.as_str()) as _,
        column!(steps, |step| step.message_sealed.as_slice()) as _,
        column!(steps, |step| step.answer.as_slice()) as _,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// For each vehicle and instant, when a claim that may have counted by then last became something else.
pub async fn corrected_since(
    tx: &mut Tx,
    wanted: &[(&FrameNo, Timestamp)],
) -> Result<Vec<Option<Timestamp>>, ProductionError> {
    let rows = sqlx::query!(
        r#"select place as "place!", corrected_at as "corrected_at!"
           from production.claims_corrected_since($1, $2, $3)"#,
        column!(wanted, |row| i32::from(row.0.slot().0)),
        column!(wanted, |row| row.0.as_str().to_owned()),
        column!(wanted, |row| row.1.to_sqlx()) as _,
    );
    let mut corrected = vec![None; wanted.len()];
    for row in rows.fetch_all(tx.conn()).await? {
        let place = usize::try_from(row.place - 1).ok().and_then(|at| corrected.get_mut(at));
        if let Some(place) = place {
            *place = Some(row.corrected_at.to_jiff());
        }
    }
    Ok(corrected)
}

/// What a quote reads of a case.
struct Seen {
    closed_at: Option<Timestamp>,
    paid_at: Option<Timestamp>,
    first_settled_at: Option<Timestamp>,
    total: Fen,
    at_fault: bool,
    death: bool,
    counts: bool,
    fully_recovered: bool,
    stolen: bool,
}

impl Seen {
    /// A cancelled case shows nothing; its stage keeps it from every quote.
    fn of(claim: &ClaimRow) -> Seen {
        match claim.record() {
            Some(record) => Seen {
                closed_at: record.closed_at,
                paid_at: record.paid_at,
                first_settled_at: record.first_settled_at,
                total: record.paid,
                at_fault: record.at_fault,
                death: record.death,
                counts: record.counts,
                fully_recovered: record.fully_recovered,
                stolen: record.stolen_at_the_time,
            },
            None => Seen {
                closed_at: None,
                paid_at: None,
                first_settled_at: None,
                total: Fen::ZERO,
                at_fault: false,
                death: false,
                counts: false,
                fully_recovered: false,
                stolen: claim.case.notify.stolen,
            },
        }
    }
}

struct StoredClaim {
    claim_no: String,
    tenant_id: uuid::Uuid,
    insurer: String,
    region: String,
    confirm_no: String,
    policy_no: String,
    report_no: String,
    frame_no: String,
    steps: i32,
    facts: String,
    terms: String,
    corrected_at: Option<jiff_sqlx::Timestamp>,
    next_due_at: Option<jiff_sqlx::Timestamp>,
    recorded_at: jiff_sqlx::Timestamp,
    changed_at: jiff_sqlx::Timestamp,
}

impl TryFrom<StoredClaim> for ClaimRow {
    type Error = ProductionError;

    fn try_from(row: StoredClaim) -> Result<ClaimRow, ProductionError> {
        let corrupt = || ProductionError::Corrupt("claim");
        Ok(ClaimRow {
            claim_no: PlatformNumber::parse(&row.claim_no).map_err(|_| corrupt())?,
            tenant: TenantId(row.tenant_id),
            insurer: InsurerCode::parse(&row.insurer).map_err(|_| corrupt())?,
            region: Region::parse(&row.region).map_err(|_| corrupt())?,
            confirm_no: PlatformNumber::parse(&row.confirm_no).map_err(|_| corrupt())?,
            policy_no: row.policy_no,
            report_no: row.report_no,
            frame: stored_frame(&row.frame_no)?,
            steps: row.steps,
            case: serde_json::from_str(&row.facts).map_err(|_| corrupt())?,
            terms: serde_json::from_str(&row.terms).map_err(|_| corrupt())?,
            corrected_at: row.corrected_at.map(|at| at.to_jiff()),
            next_due_at: row.next_due_at.map(|at| at.to_jiff()),
            recorded_at: row.recorded_at.to_jiff(),
            changed_at: row.changed_at.to_jiff(),
        })
    }
}

struct StoredStep {
    claim_no: String,
    sequence: i32,
    tenant_id: uuid::Uuid,
    step: String,
    business_no: String,
    round: i32,
    standing: String,
    occurred_at: jiff_sqlx::Timestamp,
    recorded_at: jiff_sqlx::Timestamp,
    client: String,
    digest: Vec<u8>,
    facts: String,
    message_sealed: Vec<u8>,
    answer: Vec<u8>,
}

impl TryFrom<StoredStep> for StepRow {
    type Error = ProductionError;

    fn try_from(row: StoredStep) -> Result<StepRow, ProductionError> {
        let corrupt = || ProductionError::Corrupt("claim step");
        Ok(StepRow {
            claim_no: PlatformNumber::parse(&row.claim_no).map_err(|_| corrupt())?,
            sequence: row.sequence,
            tenant: TenantId(row.tenant_id),
            step: Step::parse(&row.step).map_err(|_| corrupt())?,
            business_no: row.business_no,
            round: u32::try_from(row.round).map_err(|_| corrupt())?,
            standing: match row.standing.as_str() {
                "current" => Standing::Current,
                "late" => Standing::Late,
                _ => return Err(corrupt()),
            },
            occurred_at: row.occurred_at.to_jiff(),
            recorded_at: row.recorded_at.to_jiff(),
            client: row.client,
            digest: row.digest.try_into().map_err(|_| corrupt())?,
            facts: row.facts,
            message_sealed: row.message_sealed,
            answer: row.answer,
        })
    }
}

/// The word of storage and answers.
pub fn standing_name(standing: Standing) -> &'static str {
    match standing {
        Standing::Current => "current",
        Standing::Late => "late",
    }
}

/// Plain structs of numbers, instants and lists always serialise.
fn text(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

//! SQL of recoveries, and nothing else; that of who is late, of reversals and of the ways
//! accidents are settled lies below.

pub(super) mod late;
pub(super) mod reversal;
pub(super) mod route;

use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use kernel::{Fen, TenantId};
use pg::Tx;
use production_core::adjustment::derivation::Derivation;
use production_core::adjustment::recovery::RecoveryFrom;
use production_core::insurer::InsurerCode;
use production_core::number::PlatformNumber;
use serde::de::DeserializeOwned;
use uuid::Uuid;

use super::review::{Life, Outcome, Side};
use super::{Insurer, Locked};
use crate::error::ClearingError;

/// A recovery as stored.
#[derive(Clone, Debug)]
pub(super) struct RecoveryRow {
    /// 结算码.
    pub(super) code: PlatformNumber,
    /// Who recovers.
    pub(super) recovering: Insurer,
    /// From whom.
    pub(super) liable: Insurer,
    /// Region of the claim.
    pub(super) region: String,
    /// The claim that recovers.
    pub(super) claim_no: PlatformNumber,
    /// The liable policy.
    pub(super) liable_confirm_no: PlatformNumber,
    /// Which cover of it.
    pub(super) from: RecoveryFrom,
    /// When the accident happened.
    pub(super) accident_at: Timestamp,
    /// When it was locked.
    pub(super) locked_at: Timestamp,
    /// What was locked.
    pub(super) facts: Locked,
    /// Where it stands.
    pub(super) life: Life,
    /// How the latest claimed amount came about.
    pub(super) derivation: Option<Derivation>,
    /// Steps so far.
    pub(super) steps: i32,
    /// When whoever is waited for is late, and when that is escalated.
    pub(super) due: Option<(Timestamp, Timestamp)>,
}

impl RecoveryRow {
    /// The side of a tenant.
    pub(super) fn side_of(&self, tenant: TenantId) -> Option<Side> {
        match tenant {
            tenant if tenant == self.recovering.tenant => Some(Side::Recovering),
            tenant if tenant == self.liable.tenant => Some(Side::Liable),
            _ => None,
        }
    }
}

/// A step as stored.
#[derive(Clone, Debug)]
pub(super) struct StepRow {
    /// Its place, from 1.
    pub(super) sequence: i32,
    /// Of which round.
    pub(super) round: i32,
    /// What was done.
    pub(super) step: String,
    /// By which side.
    pub(super) side: String,
    /// By which insurer; none of the operator.
    pub(super) insurer: Option<String>,
    /// Who sent it.
    pub(super) client: String,
    /// When.
    pub(super) recorded_at: Timestamp,
    /// What was said, JSON.
    pub(super) facts: String,
    /// Status after it.
    pub(super) status: String,
}

/// A claim payment that names a code.
#[derive(Clone, Debug)]
pub(super) struct PaymentRow {
    /// The claim it is of.
    pub(super) claim_code: String,
    /// The insurer's number of it.
    pub(super) business_no: String,
    /// How much.
    pub(super) amount: Fen,
    /// When.
    pub(super) paid_at: Timestamp,
}

/// An agreed amount whose claim has not learnt of the money.
#[derive(Clone, Debug)]
pub(super) struct UntoldItem {
    /// Names it.
    pub(super) item_id: Uuid,
    /// Its code.
    pub(super) code: PlatformNumber,
    /// Its round.
    pub(super) round: i32,
    /// How much.
    pub(super) amount: Fen,
    /// What it settles, where a flat amount was paid instead.
    pub(super) settles: Option<Fen>,
    /// What the claim is told that came, once that is decided.
    pub(super) tells: Option<Fen>,
    /// Whose claim.
    pub(super) recovering_tenant: TenantId,
    /// The claim.
    pub(super) claim_no: PlatformNumber,
    /// From which cover.
    pub(super) from: RecoveryFrom,
}

/// Which recoveries to list.
#[derive(Clone, Debug, Default)]
pub(super) struct Filter {
    /// Of one side; of anybody when absent.
    pub(super) side: Option<(Side, TenantId)>,
    /// Of one claim of the recovering side.
    pub(super) claim_code: Option<String>,
    /// In one status, as stored.
    pub(super) status: Option<String>,
    /// At one stage, by the word it is stored under.
    pub(super) stage: Option<String>,
    /// Those where somebody is late at this instant.
    pub(super) due_by: Option<Timestamp>,
    /// Those that are escalated at this instant.
    pub(super) escalated_by: Option<Timestamp>,
    /// Locked at or after.
    pub(super) locked_from: Option<Timestamp>,
    /// Locked before.
    pub(super) locked_to: Option<Timestamp>,
    /// Behind this row.
    pub(super) after: Option<(Timestamp, String)>,
}

/// The next number of a code.
pub(super) async fn next_number(tx: &mut Tx) -> Result<u64, ClearingError> {
    let next = sqlx::query_scalar!(r#"select nextval('clearing.recovery_number') as "next!""#);
    let next = next.fetch_one(tx.conn()).await?;
    u64::try_from(next).map_err(|_| ClearingError::Corrupt("recovery number"))
}

/// Writes a new code.
pub(super) async fn insert(tx: &mut Tx, row: &RecoveryRow) -> Result<(), ClearingError> {
    sqlx::query!(
        r#"insert into clearing.recovery
               (slot, recovery_code, recovering_tenant, recovering_insurer, liable_tenant,
                liable_insurer, region, claim_code, liable_confirm_code, recover_from, accident_at,
                locked_at, facts, life, status, agreed_fen, steps, due_at, escalated_at)
           values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13::text::json,
                   $14::text::json, $15, $16, $17, $18, $19)"#,
        i32::from(row.code.slot().0),
        row.code.to_string(),
        row.recovering.tenant.0,
        row.recovering.code.as_str(),
        row.liable.tenant.0,
        row.liable.code.as_str(),
        row.region,
        row.claim_no.to_string(),
        row.liable_confirm_no.to_string(),
        row.from.code(),
        row.accident_at.to_sqlx() as _,
        row.locked_at.to_sqlx() as _,
        text(&row.facts),
        text(&row.life),
        row.life.status().code(),
        row.life.agreed().0,
        row.steps,
        row.due.map(|due| due.0.to_sqlx()) as _,
        row.due.map(|due| due.1.to_sqlx()) as _
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Brings a code to where it stands after a step.
pub(super) async fn update(tx: &mut Tx, row: &RecoveryRow) -> Result<(), ClearingError> {
    sqlx::query!(
        r#"update clearing.recovery
           set life = $3::text::json, derivation = $4::text::json, status = $5, agreed_fen = $6,
               steps = $7, due_at = $8, escalated_at = $9
           where slot = $1 and recovery_code = $2"#,
        i32::from(row.code.slot().0),
        row.code.to_string(),
        text(&row.life),
        row.derivation.as_ref().map(text),
        row.life.status().code(),
        row.life.agreed().0,
        row.steps,
        row.due.map(|due| due.0.to_sqlx()) as _,
        row.due.map(|due| due.1.to_sqlx()) as _
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Keeps a step.
pub(super) async fn insert_step(
    tx: &mut Tx,
    code: PlatformNumber,
    step: &StepRow,
) -> Result<(), ClearingError> {
    sqlx::query!(
        r#"insert into clearing.recovery_step
               (slot, recovery_code, sequence, round, step, side, insurer, client, recorded_at,
                facts, status)
           values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10::text::json, $11)"#,
        i32::from(code.slot().0),
        code.to_string(),
        step.sequence,
        step.round,
        step.step,
        step.side,
        step.insurer,
        step.client,
        step.recorded_at.to_sqlx() as _,
        step.facts,
        step.status
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// A code the transaction may see, held until it ends.
pub(super) async fn lock(
    tx: &mut Tx,
    code: PlatformNumber,
) -> Result<Option<RecoveryRow>, ClearingError> {
    let row = sqlx::query_as!(
        StoredRecovery,
        r#"select recovery_code, recovering_tenant, recovering_insurer, liable_tenant,
                  liable_insurer, region, claim_code, liable_confirm_code, recover_from, accident_at,
                  locked_at, facts::text as "facts!", life::text as "life!",
                  derivation::text as "derivation", steps, due_at, escalated_at
           from clearing.recovery where slot = $1 and recovery_code = $2
           for update"#,
        i32::from(code.slot().0),
        code.to_string()
    );
    row.fetch_optional(tx.conn()).await?.map(RecoveryRow::try_from).transpose()
}

/// A code the transaction may see.
pub(super) async fn find(
    tx: &mut Tx,
    code: PlatformNumber,
) -> Result<Option<RecoveryRow>, ClearingError> {
    let row = sqlx::query_as!(
        StoredRecovery,
        r#"select recovery_code, recovering_tenant, recovering_insurer, liable_tenant,
                  liable_insurer, region, claim_code, liable_confirm_code, recover_from, accident_at,
                  locked_at, facts::text as "facts!", life::text as "life!",
                  derivation::text as "derivation", steps, due_at, escalated_at
           from clearing.recovery where slot = $1 and recovery_code = $2"#,
        i32::from(code.slot().0),
        code.to_string()
    );
    row.fetch_optional(tx.conn()).await?.map(RecoveryRow::try_from).transpose()
}

/// Codes of a claim that are not void, by code.
pub(super) async fn live_of_claim(
    tx: &mut Tx,
    claim_no: PlatformNumber,
) -> Result<Vec<RecoveryRow>, ClearingError> {
    let rows = sqlx::query_as!(
        StoredRecovery,
        r#"select recovery_code, recovering_tenant, recovering_insurer, liable_tenant,
                  liable_insurer, region, claim_code, liable_confirm_code, recover_from, accident_at,
                  locked_at, facts::text as "facts!", life::text as "life!",
                  derivation::text as "derivation", steps, due_at, escalated_at
           from clearing.recovery
           where slot = $1 and claim_code = $2 and status <> '9'
           order by recovery_code"#,
        i32::from(claim_no.slot().0),
        claim_no.to_string()
    );
    rows.fetch_all(tx.conn()).await?.into_iter().map(RecoveryRow::try_from).collect()
}

/// Codes that are not void and touch any of these claims: as the claim that recovers, or as one under
/// the liable policy about the time of the accident.
pub(super) async fn touching(
    tx: &mut Tx,
    claims: &[String],
    policies: &[String],
) -> Result<Vec<RecoveryRow>, ClearingError> {
    let rows = sqlx::query_as!(
        StoredRecovery,
        r#"select recovery_code, recovering_tenant, recovering_insurer, liable_tenant,
                  liable_insurer, region, claim_code, liable_confirm_code, recover_from, accident_at,
                  locked_at, facts::text as "facts!", life::text as "life!",
                  derivation::text as "derivation", steps, due_at, escalated_at
           from clearing.recovery
           where status <> '9' and (claim_code = any ($1) or liable_confirm_code = any ($2))
           order by recovery_code"#,
        claims,
        policies
    );
    rows.fetch_all(tx.conn()).await?.into_iter().map(RecoveryRow::try_from).collect()
}

/// A page of codes, latest lock first.
pub(super) async fn list(
    tx: &mut Tx,
    filter: &Filter,
    limit: i64,
) -> Result<Vec<RecoveryRow>, ClearingError> {
    let side =
        |wanted: Side| filter.side.filter(|(side, _)| *side == wanted).map(|(_, tenant)| tenant.0);
    let (after_at, after_code) = filter.after.clone().unzip();
    tx.plan_by_values().await?;
    let rows = sqlx::query_as!(
        StoredRecovery,
        r#"select recovery_code, recovering_tenant, recovering_insurer, liable_tenant,
                  liable_insurer, region, claim_code, liable_confirm_code, recover_from, accident_at,
                  locked_at, facts::text as "facts!", life::text as "life!",
                  derivation::text as "derivation", steps, due_at, escalated_at
           from clearing.recovery
           where ($1::uuid is null or recovering_tenant = $1)
             and ($2::uuid is null or liable_tenant = $2)
             and ($3::text is null or status = $3)
             and ($4::timestamptz is null or due_at <= $4)
             and ($5::timestamptz is null or escalated_at <= $5)
             and ($6::timestamptz is null or $6 <= locked_at)
             and ($7::timestamptz is null or locked_at < $7)
             and ($8::timestamptz is null or (locked_at, recovery_code) < ($8, $9::text))
             and ($10::text is null or claim_code = $10)
             and ($11::text is null or life -> 'stage' ->> 'stage' = $11)
           order by locked_at desc, recovery_code desc
           limit $12"#,
        side(Side::Recovering),
        side(Side::Liable),
        filter.status,
        filter.due_by.map(|at| at.to_sqlx()) as _,
        filter.escalated_by.map(|at| at.to_sqlx()) as _,
        filter.locked_from.map(|at| at.to_sqlx()) as _,
        filter.locked_to.map(|at| at.to_sqlx()) as _,
        after_at.map(|at| at.to_sqlx()) as _,
        after_code,
        filter.claim_code,
        filter.stage,
        limit
    );
    rows.fetch_all(tx.conn()).await?.into_iter().map(RecoveryRow::try_from).collect()
}

/// Steps of a code, first to last.
pub(super) async fn steps(
    tx: &mut Tx,
    code: PlatformNumber,
) -> Result<Vec<StepRow>, ClearingError> {
    let rows = sqlx::query!(
        r#"select sequence, round, step, side, insurer, client, recorded_at,
                  facts::text as "facts!", status
           from clearing.recovery_step where slot = $1 and recovery_code = $2
           order by sequence"#,
        i32::from(code.slot().0),
        code.to_string()
    );
    let rows = rows.fetch_all(tx.conn()).await?.into_iter().map(|row| StepRow {
        sequence: row.sequence,
        round: row.round,
        step: row.step,
        side: row.side,
        insurer: row.insurer,
        client: row.client,
        recorded_at: row.recorded_at.to_jiff(),
        facts: row.facts,
        status: row.status,
    });
    Ok(rows.collect())
}

/// Claim payments that name a code, first to last.
pub(super) async fn payments(
    tx: &mut Tx,
    code: PlatformNumber,
) -> Result<Vec<PaymentRow>, ClearingError> {
    let rows = sqlx::query!(
        r#"select claim_code, business_no, amount_fen, paid_at
           from clearing.recovery_payment where slot = $1 and recovery_code = $2
           order by recorded_at, business_no"#,
        i32::from(code.slot().0),
        code.to_string()
    );
    let rows = rows.fetch_all(tx.conn()).await?.into_iter().map(|row| PaymentRow {
        claim_code: row.claim_code,
        business_no: row.business_no,
        amount: Fen(row.amount_fen),
        paid_at: row.paid_at.to_jiff(),
    });
    Ok(rows.collect())
}

/// Keeps a claim payment that names a code; once, however often it is told.
pub(super) async fn insert_payment(
    tx: &mut Tx,
    code: PlatformNumber,
    payment: &PaymentRow,
    now: Timestamp,
) -> Result<(), ClearingError> {
    sqlx::query!(
        r#"insert into clearing.recovery_payment
               (slot, recovery_code, claim_code, business_no, amount_fen, paid_at, recorded_at)
           values ($1, $2, $3, $4, $5, $6, $7)
           on conflict do nothing"#,
        i32::from(code.slot().0),
        code.to_string(),
        payment.claim_code,
        payment.business_no,
        payment.amount.0,
        payment.paid_at.to_sqlx() as _,
        now.to_sqlx() as _
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Keeps an amount both sides stand by.
pub(super) async fn insert_item(
    tx: &mut Tx,
    code: PlatformNumber,
    (item_id, outcome): (Uuid, &Outcome),
    now: Timestamp,
) -> Result<(), ClearingError> {
    sqlx::query!(
        r#"insert into clearing.recovery_item
               (item_id, slot, recovery_code, round, amount_fen, settles_fen, posted_at)
           values ($1, $2, $3, $4, $5, $6, $7)"#,
        item_id,
        i32::from(code.slot().0),
        code.to_string(),
        i32::try_from(outcome.round).unwrap_or(i32::MAX),
        outcome.amount.0,
        outcome.flat.as_ref().map(|flat| flat.computed.0),
        now.to_sqlx() as _
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Agreed amounts whose claims have not learnt of the money, oldest first, behind `after`.
pub(super) async fn untold(
    tx: &mut Tx,
    after: Option<(Timestamp, Uuid)>,
    limit: i64,
) -> Result<Vec<(Timestamp, UntoldItem)>, ClearingError> {
    let (after_at, after_id) = after.unzip();
    let rows = sqlx::query!(
        r#"select i.item_id, i.recovery_code, i.round, i.amount_fen, i.settles_fen, i.tells_fen,
                  i.posted_at, r.recovering_tenant, r.claim_code, r.recover_from
           from clearing.recovery_item i
           join clearing.recovery r using (slot, recovery_code)
           where i.told_at is null
             and ($1::timestamptz is null or (i.posted_at, i.item_id) > ($1, $2::uuid))
           order by i.posted_at, i.item_id
           limit $3"#,
        after_at.map(|at| at.to_sqlx()) as _,
        after_id,
        limit
    );
    let rows = rows.fetch_all(tx.conn()).await?.into_iter().map(|row| {
        let item = UntoldItem {
            item_id: row.item_id,
            code: number(&row.recovery_code)?,
            round: row.round,
            amount: Fen(row.amount_fen),
            settles: row.settles_fen.map(Fen),
            tells: row.tells_fen.map(Fen),
            recovering_tenant: TenantId(row.recovering_tenant),
            claim_no: number(&row.claim_code)?,
            from: from(&row.recover_from)?,
        };
        Ok((row.posted_at.to_jiff(), item))
    });
    rows.collect()
}

/// Notes that the claim learnt of the money.
pub(super) async fn mark_told(
    tx: &mut Tx,
    item_id: Uuid,
    now: Timestamp,
) -> Result<(), ClearingError> {
    sqlx::query!(
        r#"update clearing.recovery_item set told_at = $2 where item_id = $1 and told_at is null"#,
        item_id,
        now.to_sqlx() as _
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

fn text(value: &impl serde::Serialize) -> String {
    // Plain structs of strings, numbers and lists, which always serialise.
    serde_json::to_string(value).unwrap_or_default()
}

fn corrupt() -> ClearingError {
    ClearingError::Corrupt("recovery")
}

fn number(text: &str) -> Result<PlatformNumber, ClearingError> {
    PlatformNumber::parse(text).map_err(|_| corrupt())
}

fn from(code: &str) -> Result<RecoveryFrom, ClearingError> {
    RecoveryFrom::parse(code).map_err(|_| corrupt())
}

fn json<T: DeserializeOwned>(text: &str) -> Result<T, ClearingError> {
    serde_json::from_str(text).map_err(|_| corrupt())
}

struct StoredRecovery {
    recovery_code: String,
    recovering_tenant: Uuid,
    recovering_insurer: String,
    liable_tenant: Uuid,
    liable_insurer: String,
    region: String,
    claim_code: String,
    liable_confirm_code: String,
    recover_from: String,
    accident_at: jiff_sqlx::Timestamp,
    locked_at: jiff_sqlx::Timestamp,
    facts: String,
    life: String,
    derivation: Option<String>,
    steps: i32,
    due_at: Option<jiff_sqlx::Timestamp>,
    escalated_at: Option<jiff_sqlx::Timestamp>,
}

impl TryFrom<StoredRecovery> for RecoveryRow {
    type Error = ClearingError;

    fn try_from(row: StoredRecovery) -> Result<RecoveryRow, ClearingError> {
        let insurer = |tenant, code: &str| {
            let code = InsurerCode::parse(code).map_err(|_| corrupt())?;
            Ok::<_, ClearingError>(Insurer { tenant: TenantId(tenant), code })
        };
        Ok(RecoveryRow {
            code: number(&row.recovery_code)?,
            recovering: insurer(row.recovering_tenant, &row.recovering_insurer)?,
            liable: insurer(row.liable_tenant, &row.liable_insurer)?,
            region: row.region,
            claim_no: number(&row.claim_code)?,
            liable_confirm_no: number(&row.liable_confirm_code)?,
            from: from(&row.recover_from)?,
            accident_at: row.accident_at.to_jiff(),
            locked_at: row.locked_at.to_jiff(),
            facts: json(&row.facts)?,
            life: json(&row.life)?,
            derivation: row.derivation.as_deref().map(json).transpose()?,
            steps: row.steps,
            due: row
                .due_at
                .zip(row.escalated_at)
                .map(|(due, late)| (due.to_jiff(), late.to_jiff())),
        })
    }
}

//! Endorsements: one row each, from the amend query to its end.

use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use kernel::{Fen, TenantId};
use pg::Tx;
use production_core::endorsement::{Difference, Kind, Stage, Terms};
use production_core::number::PlatformNumber;
use production_core::policy::SurrenderReason;
use production_core::quote::{Cancelled, Payment};

use crate::endorsement::Formula;
use crate::error::ProductionError;
use crate::export::kinds::PAGE;
use crate::export::{Selection, Span};
use crate::store::export_rows;
use crate::store::lookup::{keys, parsed};

/// An endorsement as stored.
#[derive(Clone, Debug)]
pub struct EndorsementRecord {
    /// Amend query code.
    pub amend_no: PlatformNumber,
    /// Whose.
    pub tenant: TenantId,
    /// The policy endorsed.
    pub confirm_no: PlatformNumber,
    /// What it does, when, and what it costs.
    pub terms: Terms,
    /// Where it stands; the clock moves it further.
    pub stage: Stage,
    /// Why, in the insurer's words.
    pub reason: String,
    /// Why the policy ends, for a surrender.
    pub ending: Option<SurrenderReason>,
    /// What the policy will have cost, and what it is rated at.
    pub after: After,
    /// How the differences were computed.
    pub formula: Formula,
    /// What it makes of the policy.
    pub change: Change,
    /// When it was queried.
    pub queried_at: Timestamp,
    /// First instant at which the amend query code is no longer good.
    pub query_expires_at: Timestamp,
    /// When it was frozen.
    pub pre_confirmed_at: Option<Timestamp>,
    /// Money registered: received, or given back when negative.
    pub money: Option<Money>,
    /// Amend confirm code, once confirmed.
    pub amend_confirm_no: Option<PlatformNumber>,
    /// The insurer's own number (批单号).
    pub endorsement_no: Option<String>,
}

/// Amounts of a policy after an endorsement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct After {
    /// Premium of the whole period at the rates of the endorsement.
    pub rated_premium: Fen,
    /// Premium the customer has paid in all.
    pub premium: Fen,
    /// Vehicle tax withheld in all.
    pub tax: Fen,
}

/// The version an endorsement makes: the same columns as a policy version.
#[derive(Clone, Debug)]
pub struct Change {
    /// JSON of [`crate::quote::VehicleIdentity`].
    pub vehicle: String,
    /// The rating input, JSON.
    pub input: String,
    /// Tariff bundle it was rated with.
    pub tariff_version: String,
    /// The parties, sealed JSON.
    pub parties_sealed: Vec<u8>,
}

/// Money registered for an endorsement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Money {
    /// Amount, reference and time.
    pub payment: Payment,
    /// When the platform was told.
    pub recorded_at: Timestamp,
}

impl EndorsementRecord {
    /// Where it stood at `at`, as known then. `None` before it was queried.
    pub fn stage_at(&self, at: Timestamp) -> Option<Stage> {
        if at < self.queried_at {
            return None;
        }
        let terms = self.terms;
        let received = self.received();
        let told = self.money.as_ref().is_some_and(|money| money.recorded_at <= at);
        let stage = match &self.stage {
            Stage::Confirmed { at: confirmed, .. } if *confirmed <= at => self.stage.clone(),
            Stage::Cancelled { at: cancelled, .. } if *cancelled <= at => self.stage.clone(),
            _ => {
                let until = self.held_until();
                match (received, self.pre_confirmed_at) {
                    (Some(payment), _) if told => Stage::Paid { terms, payment, until },
                    (_, Some(frozen)) if frozen <= at => Stage::PreConfirmed { terms, until },
                    _ => Stage::Queried { terms, until: self.query_expires_at },
                }
            }
        };
        Some(stage.at(at))
    }

    /// Money received, which is not money given back.
    pub fn received(&self) -> Option<Payment> {
        let money = self.money.as_ref().filter(|money| Fen::ZERO < money.payment.amount);
        money.map(|money| money.payment.clone())
    }

    /// First instant at which the stage it is stored in no longer holds.
    pub fn held_until(&self) -> Timestamp {
        match &self.stage {
            Stage::Queried { until, .. }
            | Stage::PreConfirmed { until, .. }
            | Stage::Paid { until, .. } => *until,
            Stage::Confirmed { .. } | Stage::Cancelled { .. } => self.query_expires_at,
        }
    }
}

/// Writes a new endorsement, queried. A second open one of the policy violates
/// `endorsement_one_open`.
pub async fn insert(tx: &mut Tx, record: &EndorsementRecord) -> Result<(), ProductionError> {
    let formula =
        serde_json::to_string(&record.formula).map_err(|_| ProductionError::Corrupt("formula"))?;
    sqlx::query!(
        r#"insert into production.endorsement
               (slot, amend_query_no, tenant_id, confirm_no, kind, endorse_times, stage, reason,
                surrender_reason, effective_at, premium_change_fen, tax_change_fen, formula,
                rated_premium_fen, premium_fen, tax_fen, vehicle, input, tariff_version,
                parties_sealed, queried_at, query_expires_at, valid_until)
           values ($1, $2, $3, $4, $5, $6, 'queried', $7, $8, $9, $10, $11, $12::text::json, $13,
                   $14, $15, $16::text::json, $17::text::json, $18, $19, $20, $21, $21)"#,
        i32::from(record.amend_no.slot().0),
        record.amend_no.to_string(),
        record.tenant.0,
        record.confirm_no.to_string(),
        record.terms.kind.code(),
        i32::try_from(record.terms.endorse_times).unwrap_or(i32::MAX),
        record.reason,
        record.ending.map(|reason| reason.code()),
        record.terms.effective.to_sqlx() as _,
        record.terms.difference.premium.0,
        record.terms.difference.tax.0,
        formula,
        record.after.rated_premium.0,
        record.after.premium.0,
        record.after.tax.0,
        record.change.vehicle,
        record.change.input,
        record.change.tariff_version,
        record.change.parties_sealed,
        record.queried_at.to_sqlx() as _,
        record.query_expires_at.to_sqlx() as _
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Writes how far an endorsement has come.
pub async fn save(tx: &mut Tx, record: &EndorsementRecord) -> Result<(), ProductionError> {
    let money = record.money.as_ref();
    let (confirmed_at, cancelled) = match &record.stage {
        Stage::Confirmed { at, .. } => (Some(*at), None),
        Stage::Cancelled { at, by, .. } => (None, Some((*at, *by))),
        _ => (None, None),
    };
    sqlx::query!(
        r#"update production.endorsement
           set stage = $3, effective_at = $4, valid_until = $5, pre_confirmed_at = $6,
               money_fen = $7, money_reference = $8, money_at = $9, money_recorded_at = $10,
               confirmed_at = $11, amend_confirm_no = $12, endorsement_no = $13,
               cancelled_at = $14, cancelled_by = $15
           where slot = $1 and amend_query_no = $2"#,
        i32::from(record.amend_no.slot().0),
        record.amend_no.to_string(),
        record.stage.name(),
        record.terms.effective.to_sqlx() as _,
        record.held_until().to_sqlx() as _,
        record.pre_confirmed_at.map(|at| at.to_sqlx()) as _,
        money.map(|money| money.payment.amount.0),
        money.map(|money| money.payment.reference.as_str()),
        money.map(|money| money.payment.paid_at.to_sqlx()) as _,
        money.map(|money| money.recorded_at.to_sqlx()) as _,
        confirmed_at.map(|at| at.to_sqlx()) as _,
        record.amend_confirm_no.map(|number| number.to_string()),
        record.endorsement_no,
        cancelled.map(|(at, _)| at.to_sqlx()) as _,
        cancelled.map(|(_, by)| match by {
            Cancelled::ByCaller => "caller",
            Cancelled::ByTimeout => "timeout",
        })
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// An own endorsement by its amend query code, held until the transaction ends.
pub async fn lock(
    tx: &mut Tx,
    amend_no: PlatformNumber,
) -> Result<EndorsementRecord, ProductionError> {
    let row = sqlx::query_as!(
        EndorsementRow,
        r#"select amend_query_no, tenant_id, confirm_no, kind, endorse_times, stage, reason,
                  surrender_reason, effective_at, premium_change_fen, tax_change_fen,
                  formula::text as "formula!", rated_premium_fen, premium_fen, tax_fen,
                  vehicle::text as "vehicle!", input::text as "input!", tariff_version,
                  parties_sealed, queried_at, query_expires_at, valid_until, pre_confirmed_at,
                  money_fen, money_reference, money_at, money_recorded_at, confirmed_at,
                  amend_confirm_no, endorsement_no, cancelled_at, cancelled_by
           from production.endorsement where slot = $1 and amend_query_no = $2
           for update"#,
        i32::from(amend_no.slot().0),
        amend_no.to_string()
    );
    let row = row.fetch_optional(tx.conn()).await?;
    row.ok_or_else(|| ProductionError::not_found("endorsement", amend_no))?.try_into()
}

/// An own endorsement by its amend query code or its amend confirm code.
pub async fn find(
    tx: &mut Tx,
    number: PlatformNumber,
) -> Result<EndorsementRecord, ProductionError> {
    let row = sqlx::query_as!(
        EndorsementRow,
        r#"select amend_query_no, tenant_id, confirm_no, kind, endorse_times, stage, reason,
                  surrender_reason, effective_at, premium_change_fen, tax_change_fen,
                  formula::text as "formula!", rated_premium_fen, premium_fen, tax_fen,
                  vehicle::text as "vehicle!", input::text as "input!", tariff_version,
                  parties_sealed, queried_at, query_expires_at, valid_until, pre_confirmed_at,
                  money_fen, money_reference, money_at, money_recorded_at, confirmed_at,
                  amend_confirm_no, endorsement_no, cancelled_at, cancelled_by
           from production.endorsement
           where slot = $1 and (amend_query_no = $2 or amend_confirm_no = $2)"#,
        i32::from(number.slot().0),
        number.to_string()
    );
    let row = row.fetch_optional(tx.conn()).await?;
    row.ok_or_else(|| ProductionError::not_found("endorsement", number))?.try_into()
}

/// Endorsements of an own policy queried up to `as_of`, first to last.
pub async fn of_policy(
    tx: &mut Tx,
    confirm_no: PlatformNumber,
    as_of: Option<Timestamp>,
) -> Result<Vec<EndorsementRecord>, ProductionError> {
    let rows = sqlx::query_as!(
        EndorsementRow,
        r#"select amend_query_no, tenant_id, confirm_no, kind, endorse_times, stage, reason,
                  surrender_reason, effective_at, premium_change_fen, tax_change_fen,
                  formula::text as "formula!", rated_premium_fen, premium_fen, tax_fen,
                  vehicle::text as "vehicle!", input::text as "input!", tariff_version,
                  parties_sealed, queried_at, query_expires_at, valid_until, pre_confirmed_at,
                  money_fen, money_reference, money_at, money_recorded_at, confirmed_at,
                  amend_confirm_no, endorsement_no, cancelled_at, cancelled_by
           from production.endorsement
           where slot = $1 and confirm_no = $2
             and ($3::timestamptz is null or queried_at <= $3)
           order by queried_at, amend_query_no"#,
        i32::from(confirm_no.slot().0),
        confirm_no.to_string(),
        as_of.map(|at| at.to_sqlx()) as _
    );
    rows.fetch_all(tx.conn()).await?.into_iter().map(EndorsementRecord::try_from).collect()
}

/// The endorsement of an own policy that is stored as open, held; the clock may have ended it.
pub async fn lock_open(
    tx: &mut Tx,
    confirm_no: PlatformNumber,
) -> Result<Option<EndorsementRecord>, ProductionError> {
    let row = sqlx::query_as!(
        EndorsementRow,
        r#"select amend_query_no, tenant_id, confirm_no, kind, endorse_times, stage, reason,
                  surrender_reason, effective_at, premium_change_fen, tax_change_fen,
                  formula::text as "formula!", rated_premium_fen, premium_fen, tax_fen,
                  vehicle::text as "vehicle!", input::text as "input!", tariff_version,
                  parties_sealed, queried_at, query_expires_at, valid_until, pre_confirmed_at,
                  money_fen, money_reference, money_at, money_recorded_at, confirmed_at,
                  amend_confirm_no, endorsement_no, cancelled_at, cancelled_by
           from production.endorsement
           where slot = $1 and confirm_no = $2 and stage in ('queried', 'pre_confirmed', 'paid')
           for update"#,
        i32::from(confirm_no.slot().0),
        confirm_no.to_string()
    );
    row.fetch_optional(tx.conn()).await?.map(EndorsementRecord::try_from).transpose()
}

/// Premium of the whole period at the rates of the last confirmed endorsement; `None` for a
/// policy without one.
pub async fn rated_premium(
    tx: &mut Tx,
    confirm_no: PlatformNumber,
) -> Result<Option<Fen>, ProductionError> {
    let found = sqlx::query_scalar!(
        r#"select rated_premium_fen from production.endorsement
           where slot = $1 and confirm_no = $2 and stage = 'confirmed'
           order by endorse_times desc limit 1"#,
        i32::from(confirm_no.slot().0),
        confirm_no.to_string()
    );
    Ok(found.fetch_optional(tx.conn()).await?.map(Fen))
}

/// An endorsement in an export, with what tells its policy.
#[derive(Clone, Debug)]
pub struct ExportedEndorsement {
    /// The endorsement.
    pub record: EndorsementRecord,
    /// Line of the policy.
    pub class: String,
    /// The insurer's own number of the policy.
    pub policy_no: String,
    /// Region of the policy.
    pub region: String,
}

/// A page of own endorsements for an export, in the order they were queried.
pub async fn page(
    tx: &mut Tx,
    selection: &Selection,
    span: &Span,
) -> Result<Vec<ExportedEndorsement>, ProductionError> {
    let (after_at, after_no, _) = export_rows::behind(span);
    let policies = sqlx::query!(
        r#"select e.amend_query_no, p.class, p.policy_no, p.region
           from production.endorsement e
           join production.policy p on p.slot = e.slot and p.confirm_no = e.confirm_no
           where e.tenant_id = $1 and e.queried_at >= $2 and e.queried_at < $3
             and ($4::text is null or p.region = $4) and ($5::text is null or p.class = $5)
             and ($6::timestamptz is null or (e.queried_at, e.amend_query_no) > ($6, $7))
           order by e.queried_at, e.amend_query_no
           limit $8"#,
        selection.tenant.0,
        span.from.to_sqlx() as _,
        span.to.to_sqlx() as _,
        selection.region.map(|region| region.code()),
        selection.class.map(|class| class.name()),
        after_at.map(|at| at.to_sqlx()) as _,
        after_no,
        PAGE
    );
    let policies = policies.fetch_all(tx.conn()).await?;
    let numbers: Vec<PlatformNumber> = policies
        .iter()
        .map(|row| parsed(&row.amend_query_no, "endorsement"))
        .collect::<Result<_, _>>()?;
    let (slots, numbers) = keys(numbers);
    let rows = sqlx::query_as!(
        EndorsementRow,
        r#"select e.amend_query_no, e.tenant_id, e.confirm_no, e.kind, e.endorse_times, e.stage,
                  e.reason, e.surrender_reason, e.effective_at, e.premium_change_fen,
                  e.tax_change_fen, e.formula::text as "formula!", e.rated_premium_fen,
                  e.premium_fen, e.tax_fen, e.vehicle::text as "vehicle!",
                  e.input::text as "input!", e.tariff_version, e.parties_sealed, e.queried_at,
                  e.query_expires_at, e.valid_until, e.pre_confirmed_at, e.money_fen,
                  e.money_reference, e.money_at, e.money_recorded_at, e.confirmed_at,
                  e.amend_confirm_no, e.endorsement_no, e.cancelled_at, e.cancelled_by
           from unnest($1::integer[], $2::text[]) as wanted (slot, amend_query_no)
           join production.endorsement e using (slot, amend_query_no)
           order by e.queried_at, e.amend_query_no"#,
        &slots,
        &numbers
    );
    let rows = rows.fetch_all(tx.conn()).await?;
    // The same rows in the same order: both reads are of one snapshot.
    let joined = policies.into_iter().zip(rows).map(|(policy, row)| {
        Ok(ExportedEndorsement {
            record: row.try_into()?,
            class: policy.class,
            policy_no: policy.policy_no,
            region: policy.region,
        })
    });
    joined.collect()
}

struct EndorsementRow {
    amend_query_no: String,
    tenant_id: uuid::Uuid,
    confirm_no: String,
    kind: String,
    endorse_times: i32,
    stage: String,
    reason: String,
    surrender_reason: Option<String>,
    effective_at: jiff_sqlx::Timestamp,
    premium_change_fen: i64,
    tax_change_fen: i64,
    formula: String,
    rated_premium_fen: i64,
    premium_fen: i64,
    tax_fen: i64,
    vehicle: String,
    input: String,
    tariff_version: String,
    parties_sealed: Vec<u8>,
    queried_at: jiff_sqlx::Timestamp,
    query_expires_at: jiff_sqlx::Timestamp,
    valid_until: jiff_sqlx::Timestamp,
    pre_confirmed_at: Option<jiff_sqlx::Timestamp>,
    money_fen: Option<i64>,
    money_reference: Option<String>,
    money_at: Option<jiff_sqlx::Timestamp>,
    money_recorded_at: Option<jiff_sqlx::Timestamp>,
    confirmed_at: Option<jiff_sqlx::Timestamp>,
    amend_confirm_no: Option<String>,
    endorsement_no: Option<String>,
    cancelled_at: Option<jiff_sqlx::Timestamp>,
    cancelled_by: Option<String>,
}

impl TryFrom<EndorsementRow> for EndorsementRecord {
    type Error = ProductionError;

    fn try_from(row: EndorsementRow) -> Result<EndorsementRecord, ProductionError> {
        let corrupt = || ProductionError::Corrupt("endorsement");
        let number = |text: &str| PlatformNumber::parse(text).map_err(|_| corrupt());
        let terms = Terms {
            kind: Kind::parse(&row.kind).map_err(|_| corrupt())?,
            endorse_times: u32::try_from(row.endorse_times).map_err(|_| corrupt())?,
            effective: row.effective_at.to_jiff(),
            difference: Difference {
                premium: Fen(row.premium_change_fen),
                tax: Fen(row.tax_change_fen),
            },
        };
        let money = match (row.money_fen, row.money_reference, row.money_at, row.money_recorded_at)
        {
            (Some(fen), Some(reference), Some(paid_at), Some(recorded_at)) => Some(Money {
                payment: Payment { amount: Fen(fen), reference, paid_at: paid_at.to_jiff() },
                recorded_at: recorded_at.to_jiff(),
            }),
            _ => None,
        };
        let received = money.as_ref().map(|money| money.payment.clone());
        let received = received.filter(|payment| Fen::ZERO < payment.amount);
        let until = row.valid_until.to_jiff();
        let by = row.cancelled_by.as_deref().map(|by| match by {
            "timeout" => Cancelled::ByTimeout,
            _ => Cancelled::ByCaller,
        });
        let stage = match (row.stage.as_str(), received, row.confirmed_at, row.cancelled_at.zip(by))
        {
            ("queried", None, None, None) => Stage::Queried { terms, until },
            ("pre_confirmed", None, None, None) => Stage::PreConfirmed { terms, until },
            ("paid", Some(payment), None, None) => Stage::Paid { terms, payment, until },
            ("confirmed", payment, Some(at), None) => {
                Stage::Confirmed { terms, payment, at: at.to_jiff() }
            }
            ("cancelled", refund, None, Some((at, by))) => {
                Stage::Cancelled { at: at.to_jiff(), by, refund }
            }
            _ => return Err(corrupt()),
        };
        let ending = row.surrender_reason.as_deref().map(SurrenderReason::parse).transpose();
        Ok(EndorsementRecord {
            amend_no: number(&row.amend_query_no)?,
            tenant: TenantId(row.tenant_id),
            confirm_no: number(&row.confirm_no)?,
            terms,
            stage,
            reason: row.reason,
            ending: ending.map_err(|_| corrupt())?,
            after: After {
                rated_premium: Fen(row.rated_premium_fen),
                premium: Fen(row.premium_fen),
                tax: Fen(row.tax_fen),
            },
            formula: serde_json::from_str(&row.formula).map_err(|_| corrupt())?,
            change: Change {
                vehicle: row.vehicle,
                input: row.input,
                tariff_version: row.tariff_version,
                parties_sealed: row.parties_sealed,
            },
            queried_at: row.queried_at.to_jiff(),
            query_expires_at: row.query_expires_at.to_jiff(),
            pre_confirmed_at: row.pre_confirmed_at.map(|at| at.to_jiff()),
            money,
            amend_confirm_no: row.amend_confirm_no.as_deref().map(number).transpose()?,
            endorsement_no: row.endorsement_no,
        })
    }
}

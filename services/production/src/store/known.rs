//! What the market knows of vehicles, read for many at once.

use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use kernel::{Fen, Period};
use production_core::frame::FrameNo;
use production_core::history::{ClaimRecord, PolicyClass, PriorPolicy};
use production_core::insurer::InsurerCode;
use production_core::number::PlatformNumber;
use sqlx::PgConnection;

use crate::error::ProductionError;

/// A policy of any insurer on a vehicle, without personal data.
#[derive(Clone, Debug)]
pub struct KnownPolicy {
    /// What the discount and the float are decided on.
    pub prior: PriorPolicy,
    /// The insurer's own number.
    pub policy_no: String,
    /// Plate kind and plate when it was last endorsed.
    pub plate: Option<(String, String)>,
    /// Engine number.
    pub engine_no: String,
    /// Blind index of the owner.
    pub owner_index: Vec<u8>,
    /// Revoked policies never covered anything.
    pub revoked: bool,
}

/// Answers of outside systems as they were kept.
#[derive(Clone, Debug, Default)]
pub struct KeptAnswers {
    /// Police, sealed.
    pub police: Option<(Vec<u8>, Timestamp)>,
    /// Model library, JSON.
    pub model: Option<(String, Timestamp)>,
    /// Tax office, sealed.
    pub tax: Option<(Vec<u8>, Timestamp)>,
}

/// Everything known of one vehicle.
#[derive(Clone, Debug, Default)]
pub struct Known {
    /// Policies of every insurer, in no particular order.
    pub policies: Vec<KnownPolicy>,
    /// Claims of every insurer, without cancelled ones, in no particular order.
    pub claims: Vec<ClaimRecord>,
    /// Kept answers.
    pub kept: KeptAnswers,
}

/// What is known of each frame, in order. Two statements, whatever the number.
pub async fn read(
    conn: &mut PgConnection,
    frames: &[&FrameNo],
) -> Result<Vec<Known>, ProductionError> {
    let slots: Vec<i32> = frames.iter().map(|frame| i32::from(frame.slot().0)).collect();
    let numbers: Vec<String> = frames.iter().map(|frame| frame.as_str().to_owned()).collect();
    let mut known: Vec<Known> = frames.iter().map(|_| Known::default()).collect();
    let kept = sqlx::query!(
        r#"select v.frame_no, v.police_sealed, v.police_at, v.model::text as model, v.model_at,
                  v.tax_sealed, v.tax_at
           from unnest($1::integer[], $2::text[]) as wanted (slot, frame_no)
           join production.vehicle v on v.slot = wanted.slot and v.frame_no = wanted.frame_no"#,
        &slots,
        &numbers
    );
    for row in kept.fetch_all(&mut *conn).await? {
        let answers = KeptAnswers {
            police: row.police_sealed.zip(row.police_at.map(|at| at.to_jiff())),
            model: row.model.zip(row.model_at.map(|at| at.to_jiff())),
            tax: row.tax_sealed.zip(row.tax_at.map(|at| at.to_jiff())),
        };
        for (frame, known) in frames.iter().zip(&mut known) {
            if frame.as_str() == row.frame_no {
                known.kept = answers.clone();
            }
        }
    }
    for (known, policies) in known.iter_mut().zip(read_policies(conn, frames).await?) {
        known.policies = policies.policies;
    }
    for (frame_no, claim) in read_claims(conn, &slots, &numbers).await? {
        for (frame, known) in frames.iter().zip(&mut known) {
            if frame.as_str() == frame_no {
                known.claims.push(claim.clone());
            }
        }
    }
    Ok(known)
}

/// Claims of the vehicles, each with its frame number.
/// Claims of one vehicle, of every insurer, without cancelled ones.
pub async fn claims(
    conn: &mut PgConnection,
    frame: &FrameNo,
) -> Result<Vec<ClaimRecord>, ProductionError> {
    let (slots, numbers) = ([i32::from(frame.slot().0)], [frame.as_str().to_owned()]);
    let found = read_claims(conn, &slots, &numbers).await?;
    Ok(found.into_iter().map(|(_, claim)| claim).collect())
}

async fn read_claims(
    conn: &mut PgConnection,
    slots: &[i32],
    numbers: &[String],
) -> Result<Vec<(String, ClaimRecord)>, ProductionError> {
    let rows = sqlx::query!(
        r#"select frame_no as "frame_no!", claim_no as "claim_no!", insurer as "insurer!",
                  class as "class!", accident_at as "accident_at!", closed_at, paid_at,
                  first_settled_at, total_fen as "total_fen!", at_fault as "at_fault!", death as "death!",
                  counts as "counts!", fully_recovered as "fully_recovered!", stolen as "stolen!"
           from production.vehicle_claims($1, $2)"#,
        slots,
        numbers
    );
    let corrupt = || ProductionError::Corrupt("claim");
    let mut claims = Vec::new();
    for row in rows.fetch_all(conn).await? {
        let claim = ClaimRecord {
            claim_code: row.claim_no,
            insurer: InsurerCode::parse(&row.insurer).map_err(|_| corrupt())?,
            class: PolicyClass::parse(&row.class).map_err(|_| corrupt())?,
            accident_at: row.accident_at.to_jiff(),
            closed_at: row.closed_at.map(|at| at.to_jiff()),
            paid_at: row.paid_at.map(|at| at.to_jiff()),
            first_settled_at: row.first_settled_at.map(|at| at.to_jiff()),
            paid: Fen(row.total_fen),
            at_fault: row.at_fault,
            death: row.death,
            counts: row.counts,
            fully_recovered: row.fully_recovered,
            stolen_at_the_time: row.stolen,
        };
        claims.push((row.frame_no, claim));
    }
    Ok(claims)
}

/// The policies of each frame, in order: as they stand in this very transaction.
pub async fn read_policies(
    conn: &mut PgConnection,
    frames: &[&FrameNo],
) -> Result<Vec<Known>, ProductionError> {
    let slots: Vec<i32> = frames.iter().map(|frame| i32::from(frame.slot().0)).collect();
    let numbers: Vec<String> = frames.iter().map(|frame| frame.as_str().to_owned()).collect();
    let mut known: Vec<Known> = frames.iter().map(|_| Known::default()).collect();
    let policies = sqlx::query_as!(
        KnownPolicyRow,
        r#"select frame_no as "frame_no!", confirm_no as "confirm_no!", insurer as "insurer!",
                  class as "class!", policy_no as "policy_no!", plate_kind, plate,
                  engine_no as "engine_no!", owner_index as "owner_index!",
                  quoted_at as "quoted_at!", issued_at as "issued_at!",
                  cover_from as "cover_from!", cover_to as "cover_to!",
                  short_term as "short_term!", transferred_at, ended_at, end_kind
           from production.vehicle_policies($1, $2)"#,
        &slots,
        &numbers
    );
    for row in policies.fetch_all(&mut *conn).await? {
        let frame_no = row.frame_no.clone();
        let policy = KnownPolicy::try_from(row)?;
        for (frame, known) in frames.iter().zip(&mut known) {
            if frame.as_str() == frame_no {
                known.policies.push(policy.clone());
            }
        }
    }
    Ok(known)
}

struct KnownPolicyRow {
    frame_no: String,
    confirm_no: String,
    insurer: String,
    class: String,
    policy_no: String,
    plate_kind: Option<String>,
    plate: Option<String>,
    engine_no: String,
    owner_index: Vec<u8>,
    quoted_at: jiff_sqlx::Timestamp,
    issued_at: jiff_sqlx::Timestamp,
    cover_from: jiff_sqlx::Timestamp,
    cover_to: jiff_sqlx::Timestamp,
    short_term: bool,
    transferred_at: Option<jiff_sqlx::Timestamp>,
    ended_at: Option<jiff_sqlx::Timestamp>,
    end_kind: Option<String>,
}

impl TryFrom<KnownPolicyRow> for KnownPolicy {
    type Error = ProductionError;

    fn try_from(row: KnownPolicyRow) -> Result<KnownPolicy, ProductionError> {
        let corrupt = || ProductionError::Corrupt("policy");
        let prior = PriorPolicy {
            confirm_no: PlatformNumber::parse(&row.confirm_no).map_err(|_| corrupt())?,
            insurer: InsurerCode::parse(&row.insurer).map_err(|_| corrupt())?,
            class: PolicyClass::parse(&row.class).map_err(|_| corrupt())?,
            period: Period::new(row.cover_from.to_jiff(), row.cover_to.to_jiff())
                .ok_or_else(corrupt)?,
            issued_at: row.issued_at.to_jiff(),
            quoted_at: row.quoted_at.to_jiff(),
            short_term: row.short_term,
            transferred_at: row.transferred_at.map(|at| at.to_jiff()),
            ended_early: row.ended_at.map(|at| at.to_jiff()),
        };
        Ok(KnownPolicy {
            prior,
            policy_no: row.policy_no,
            plate: row.plate_kind.zip(row.plate),
            engine_no: row.engine_no,
            owner_index: row.owner_index,
            revoked: row.end_kind.as_deref() == Some("revoked"),
        })
    }
}

/// A kept answer to write: `None` leaves what is there.
#[derive(Clone, Debug, Default)]
pub struct FreshAnswers {
    /// Police, sealed.
    pub police: Option<Vec<u8>>,
    /// Model library, JSON.
    pub model: Option<String>,
    /// Tax office, sealed.
    pub tax: Option<Vec<u8>>,
}

/// Keeps what outside systems answered at `now`. Rows are written in key order, so that two sets
/// never wait for each other in a circle.
pub async fn keep(
    conn: &mut PgConnection,
    fresh: &[(&FrameNo, &FreshAnswers)],
    now: Timestamp,
) -> Result<(), ProductionError> {
    let mut fresh: Vec<_> = fresh.to_vec();
    fresh.sort_by(|(one, _), (other, _)| {
        (one.slot().0, one.as_str()).cmp(&(other.slot().0, other.as_str()))
    });
    fresh.dedup_by(|(later, _), (earlier, _)| later == earlier);
    let slots: Vec<i32> = fresh.iter().map(|(frame, _)| i32::from(frame.slot().0)).collect();
    let frames: Vec<String> = fresh.iter().map(|(frame, _)| frame.as_str().to_owned()).collect();
    let police: Vec<Option<Vec<u8>>> = fresh.iter().map(|(_, kept)| kept.police.clone()).collect();
    let model: Vec<Option<String>> = fresh.iter().map(|(_, kept)| kept.model.clone()).collect();
    let tax: Vec<Option<Vec<u8>>> = fresh.iter().map(|(_, kept)| kept.tax.clone()).collect();
    sqlx::query!(
        r#"insert into production.vehicle as v
               (slot, frame_no, police_sealed, police_at, model, model_at, tax_sealed, tax_at,
                updated_at)
           select slot, frame_no, police, case when police is not null then $6::timestamptz end,
                  model::json, case when model is not null then $6 end,
                  tax, case when tax is not null then $6 end, $6
           from unnest($1::integer[], $2::text[], $3::bytea[], $4::text[], $5::bytea[])
                    as fresh (slot, frame_no, police, model, tax)
           on conflict (slot, frame_no) do update set
               police_sealed = coalesce(excluded.police_sealed, v.police_sealed),
               police_at = coalesce(excluded.police_at, v.police_at),
               model = coalesce(excluded.model, v.model),
               model_at = coalesce(excluded.model_at, v.model_at),
               tax_sealed = coalesce(excluded.tax_sealed, v.tax_sealed),
               tax_at = coalesce(excluded.tax_at, v.tax_at),
               updated_at = excluded.updated_at"#,
        &slots,
        &frames,
        &police as &[Option<Vec<u8>>],
        &model as &[Option<String>],
        &tax as &[Option<Vec<u8>>],
        now.to_sqlx() as _
    )
    .execute(conn)
    .await?;
    Ok(())
}

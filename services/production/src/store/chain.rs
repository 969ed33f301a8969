//! The chain of a vehicle across insurers, and the vehicles behind a plate.

use std::collections::HashSet;

use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use kernel::{Fen, TenantId};
use pg::Tx;
use production_core::endorsement::Kind;
use production_core::frame::FrameNo;
use production_core::insurer::InsurerCode;
use production_core::number::PlatformNumber;
use production_core::policy::PolicyFacts;

use crate::error::ProductionError;
use crate::store::lookup::{keys, parsed};
use crate::store::quote::stored_frame;

/// A policy of any insurer on the chain, as it was known.
#[derive(Clone, Debug)]
pub struct ChainPolicy {
    /// Confirm code.
    pub confirm_no: PlatformNumber,
    /// Its insurer.
    pub insurer: InsurerCode,
    /// The insurer's own number.
    pub policy_no: String,
    /// Branch region.
    pub region: String,
    /// 号牌种类.
    pub plate_kind: Option<String>,
    /// Plate.
    pub plate: Option<String>,
    /// Engine number.
    pub engine_no: String,
    /// When it was confirmed.
    pub issued_at: Timestamp,
    /// Endorsements by then.
    pub endorse_times: i32,
    /// What had happened to it.
    pub facts: PolicyFacts,
}

/// Every policy of a vehicle as known at `at`, latest cover first.
pub async fn policies(
    tx: &mut Tx,
    frame: &FrameNo,
    at: Timestamp,
) -> Result<Vec<ChainPolicy>, ProductionError> {
    let rows = sqlx::query!(
        r#"select confirm_no as "confirm_no!", insurer as "insurer!", policy_no as "policy_no!",
                  region as "region!", plate_kind, plate, engine_no as "engine_no!",
                  issued_at as "issued_at!", endorse_times as "endorse_times!", facts as "facts!"
           from production.vehicle_chain($1, $2, $3)"#,
        i32::from(frame.slot().0),
        frame.as_str(),
        at.to_sqlx() as _
    );
    let corrupt = || ProductionError::Corrupt("policy");
    let rows = rows.fetch_all(tx.conn()).await?.into_iter().map(|row| {
        Ok(ChainPolicy {
            confirm_no: parsed(&row.confirm_no, "policy")?,
            insurer: InsurerCode::parse(&row.insurer).map_err(|_| corrupt())?,
            policy_no: row.policy_no,
            region: row.region,
            plate_kind: row.plate_kind,
            plate: row.plate,
            engine_no: row.engine_no,
            issued_at: row.issued_at.to_jiff(),
            endorse_times: row.endorse_times,
            facts: serde_json::from_str(&row.facts).map_err(|_| corrupt())?,
        })
    });
    rows.collect()
}

/// What a version of an own policy says beside vehicle and parties.
#[derive(Clone, Debug)]
pub struct VersionLine {
    /// Confirm code.
    pub confirm_no: PlatformNumber,
    /// 0 for the policy as confirmed, then one more for each endorsement.
    pub endorse_times: i32,
    /// Amend confirm code; `None` for the policy as confirmed.
    pub amend_no: Option<PlatformNumber>,
    /// True from here on.
    pub effective_at: Timestamp,
    /// Known from here on.
    pub recorded_at: Timestamp,
    /// Premium.
    pub premium: Fen,
    /// Vehicle tax.
    pub tax: Fen,
}

/// Versions of own policies known at `at`, in the order they were recorded.
pub async fn versions(
    tx: &mut Tx,
    numbers: impl IntoIterator<Item = PlatformNumber>,
    at: Timestamp,
) -> Result<Vec<VersionLine>, ProductionError> {
    let (slots, numbers) = keys(numbers);
    let rows = sqlx::query!(
        r#"select v.confirm_no, v.endorse_times, v.amend_no, v.effective_at, v.recorded_at,
                  v.premium_fen, v.tax_fen
           from unnest($1::integer[], $2::text[]) as wanted (slot, confirm_no)
           join production.policy_version v using (slot, confirm_no)
           where v.recorded_at <= $3
           order by v.confirm_no, v.endorse_times"#,
        &slots,
        &numbers,
        at.to_sqlx() as _
    );
    let rows = rows.fetch_all(tx.conn()).await?.into_iter().map(|row| {
        let amend_no = row.amend_no.map(|number| parsed(&number, "policy version"));
        Ok(VersionLine {
            confirm_no: parsed(&row.confirm_no, "policy version")?,
            endorse_times: row.endorse_times,
            amend_no: amend_no.transpose()?,
            effective_at: row.effective_at.to_jiff(),
            recorded_at: row.recorded_at.to_jiff(),
            premium: Fen(row.premium_fen),
            tax: Fen(row.tax_fen),
        })
    });
    rows.collect()
}

/// A confirmed endorsement of any insurer's policy, as far as everybody may see it.
#[derive(Clone, Copy, Debug)]
pub struct ChainEndorsement {
    /// Confirm code of the policy.
    pub confirm_no: PlatformNumber,
    /// Its number among the policy's endorsements.
    pub endorse_times: i32,
    /// What it does.
    pub kind: Kind,
    /// True from here on.
    pub effective_at: Timestamp,
    /// Known from here on.
    pub confirmed_at: Timestamp,
}

/// Confirmed endorsements of every policy of a vehicle as known at `at`, by policy, in order.
pub async fn endorsements(
    tx: &mut Tx,
    frame: &FrameNo,
    at: Timestamp,
) -> Result<Vec<ChainEndorsement>, ProductionError> {
    let rows = sqlx::query!(
        r#"select confirm_no as "confirm_no!", endorse_times as "endorse_times!", kind as "kind!",
                  effective_at as "effective_at!", confirmed_at as "confirmed_at!"
           from production.vehicle_endorsements($1, $2, $3)"#,
        i32::from(frame.slot().0),
        frame.as_str(),
        at.to_sqlx() as _
    );
    let rows = rows.fetch_all(tx.conn()).await?.into_iter().map(|row| {
        Ok(ChainEndorsement {
            confirm_no: parsed(&row.confirm_no, "endorsement")?,
            endorse_times: row.endorse_times,
            kind: Kind::parse(&row.kind).map_err(|_| ProductionError::Corrupt("endorsement"))?,
            effective_at: row.effective_at.to_jiff(),
            confirmed_at: row.confirmed_at.to_jiff(),
        })
    });
    rows.collect()
}

/// A vehicle that was insured under a plate.
#[derive(Clone, Debug)]
pub struct Carrier {
    /// The vehicle.
    pub frame: FrameNo,
    /// When a policy first named the plate.
    pub first_known_at: Timestamp,
    /// When one last did.
    pub last_known_at: Timestamp,
}

/// Vehicles of any insurer that were insured under a plate, as known at `at`, latest first.
pub async fn carriers(
    tx: &mut Tx,
    plate: &str,
    kind: Option<&str>,
    at: Timestamp,
) -> Result<Vec<Carrier>, ProductionError> {
    let rows = sqlx::query!(
        r#"select frame_no as "frame_no!", first_known_at as "first_known_at!",
                  last_known_at as "last_known_at!"
           from production.plate_carriers($1, $2, $3)"#,
        plate,
        kind,
        at.to_sqlx() as _
    );
    let rows = rows.fetch_all(tx.conn()).await?.into_iter().map(|row| {
        Ok(Carrier {
            frame: stored_frame(&row.frame_no)?,
            first_known_at: row.first_known_at.to_jiff(),
            last_known_at: row.last_known_at.to_jiff(),
        })
    });
    rows.collect()
}

/// A policy of any insurer with the version that was true at an instant.
#[derive(Clone, Debug)]
pub struct LiablePolicy {
    /// Confirm code.
    pub confirm_no: PlatformNumber,
    /// Whose.
    pub tenant: TenantId,
    /// Branch region.
    pub region: String,
    /// The insurer's own number.
    pub policy_no: String,
    /// The vehicle.
    pub frame: FrameNo,
    /// Its engine number.
    pub engine_no: String,
    /// JSON of what happened to it, as known last.
    pub facts: String,
    /// JSON of what had happened by the version.
    pub version_facts: String,
    /// JSON of the vehicle by the version.
    pub vehicle: String,
    /// JSON of the rating input of the version.
    pub input: String,
}

/// Policies of every insurer that covered a vehicle at `at`, told by frame numbers or by its engine,
/// by confirm code.
pub async fn liable_policies(
    tx: &mut Tx,
    frames: &[FrameNo],
    engine_no: Option<&str>,
    at: Timestamp,
) -> Result<Vec<LiablePolicy>, ProductionError> {
    let slots: Vec<i32> = frames.iter().map(|frame| i32::from(frame.slot().0)).collect();
    let numbers: Vec<String> = frames.iter().map(|frame| frame.as_str().to_owned()).collect();
    let rows = sqlx::query!(
        r#"select confirm_no as "confirm_no!", tenant_id as "tenant_id!", region as "region!",
                  policy_no as "policy_no!", frame_no as "frame_no!", engine_no as "engine_no!",
                  facts as "facts!", version_facts as "version_facts!", vehicle as "vehicle!",
                  input as "input!"
           from production.liable_policies($1, $2, $3, $4)"#,
        &slots,
        &numbers,
        engine_no,
        at.to_sqlx() as _
    );
    let rows = rows.fetch_all(tx.conn()).await?.into_iter().map(|row| {
        Ok(LiablePolicy {
            confirm_no: parsed(&row.confirm_no, "policy")?,
            tenant: TenantId(row.tenant_id),
            region: row.region,
            policy_no: row.policy_no,
            frame: stored_frame(&row.frame_no)?,
            engine_no: row.engine_no,
            facts: row.facts,
            version_facts: row.version_facts,
            vehicle: row.vehicle,
            input: row.input,
        })
    });
    rows.collect()
}

/// Confirm codes of every insurer's policies on these vehicles, as known at `at`, each with its
/// vehicle.
pub async fn confirm_numbers(
    tx: &mut Tx,
    frames: &[FrameNo],
    at: Timestamp,
) -> Result<Vec<(FrameNo, PlatformNumber)>, ProductionError> {
    let slots: Vec<i32> = frames.iter().map(|frame| i32::from(frame.slot().0)).collect();
    let numbers: Vec<String> = frames.iter().map(|frame| frame.as_str().to_owned()).collect();
    let rows = sqlx::query!(
        r#"select wanted.frame_no as "frame_no!", chain.confirm_no as "confirm_no!"
           from unnest($1::integer[], $2::text[]) as wanted (slot, frame_no)
           cross join lateral production.vehicle_chain(wanted.slot, wanted.frame_no, $3) as chain"#,
        &slots,
        &numbers,
        at.to_sqlx() as _
    );
    let rows = rows.fetch_all(tx.conn()).await?.into_iter();
    rows.map(|row| Ok((stored_frame(&row.frame_no)?, parsed(&row.confirm_no, "policy")?))).collect()
}

/// The vehicles among `frames` the caller itself has or had a policy on.
pub async fn own(tx: &mut Tx, frames: &[FrameNo]) -> Result<HashSet<String>, ProductionError> {
    let slots: Vec<i32> = frames.iter().map(|frame| i32::from(frame.slot().0)).collect();
    let numbers: Vec<String> = frames.iter().map(|frame| frame.as_str().to_owned()).collect();
    let rows = sqlx::query_scalar!(
        r#"select distinct p.frame_no
           from unnest($1::integer[], $2::text[]) as wanted (slot, frame_no)
           join production.policy p using (slot, frame_no)"#,
        &slots,
        &numbers
    );
    Ok(rows.fetch_all(tx.conn()).await?.into_iter().collect())
}

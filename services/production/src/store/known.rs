//! What the market knows of vehicles, read for many at once.

use std::collections::HashMap;

use futures::TryStreamExt;
use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use kernel::{Fen, Period};
use production_core::frame::FrameNo;
use production_core::history::{ClaimRecord, PolicyClass, PriorPolicy};
use production_core::insurer::InsurerCode;
use production_core::number::PlatformNumber;
use sqlx::PgConnection;

use crate::error::ProductionError;
use crate::store::brief::Brief;

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

/// What is known of each frame, in order: one statement, whatever the number of frames and of
/// tables. A column means what its part of the statement puts there ([`KnownRow`]): with columns of
/// their own for each part, most of what is sent and read would be nulls.
pub async fn read(
    conn: &mut PgConnection,
    frames: &[&FrameNo],
) -> Result<Vec<Known>, ProductionError> {
    let mut vehicles = Vehicles::of(frames);
    let (slots, numbers) = vehicles.columns();
    let rows = sqlx::query_as!(
        KnownRow,
        r#"select v.frame_no as "frame_no!: Brief", null::text as "number?: Brief",
                  null::text as "insurer?: Brief", null::text as "class?: Brief",
                  v.model::text as "text?", null::text as "plate_kind?", null::text as "plate?",
                  null::text as "engine_no?", null::text as "end_kind?: Brief",
                  v.police_sealed as "bytes?", v.tax_sealed as "tax_sealed?",
                  v.police_at as "first_at?", v.model_at as "second_at?", v.tax_at as "third_at?",
                  null::timestamptz as "fourth_at?", null::timestamptz as "transferred_at?",
                  null::timestamptz as "ended_at?", null::bigint as "total_fen?",
                  null::boolean as "flag?", null::boolean as "death?", null::boolean as "counts?",
                  null::boolean as "fully_recovered?", null::boolean as "stolen?"
           from (select unnest($1::integer[]) as slot, unnest($2::text[]) as frame_no) wanted
           join production.vehicle v on v.slot = wanted.slot and v.frame_no = wanted.frame_no
           union all
           select frame_no, confirm_no, insurer, class, policy_no, plate_kind, plate, engine_no,
                  end_kind, owner_index, null, quoted_at, issued_at, cover_from, cover_to,
                  transferred_at, ended_at, null, short_term, null, null, null, null
           from production.vehicle_policies($1, $2)
           union all
           select frame_no, claim_no, insurer, class, null, null, null, null, null, null, null,
                  accident_at, closed_at, paid_at, first_settled_at, null, null, total_fen,
                  at_fault, death, counts, fully_recovered, stolen
           from production.vehicle_claims($1, $2)"#,
        &slots,
        &numbers as _
    );
    // As they come: gathered first, a hundred wide rows would be moved several times.
    let mut rows = rows.fetch(conn);
    while let Some(row) = rows.try_next().await? {
        let Some(known) = vehicles.of_frame(&row.frame_no) else { continue };
        if row.number.is_none() {
            known.kept = row.kept();
        } else if row.total_fen.is_some() {
            let claim = row.claim().ok_or(ProductionError::Corrupt("claim"))?;
            known.claims.push(ClaimRecord::try_from(claim)?);
        } else {
            let policy = row.policy().ok_or(ProductionError::Corrupt("policy"))?;
            known.policies.push(KnownPolicy::try_from(policy)?);
        }
    }
    drop(rows);
    Ok(vehicles.for_each_of(frames))
}

/// Claims of one vehicle, of every insurer, as they stand in this very transaction.
pub async fn claims(
    conn: &mut PgConnection,
    frame: &FrameNo,
) -> Result<Vec<ClaimRecord>, ProductionError> {
    let claims = sqlx::query_as!(
        KnownClaimRow,
        r#"select claim_no as "claim_no!: Brief", insurer as "insurer!: Brief",
                  class as "class!: Brief", accident_at as "accident_at!", closed_at, paid_at,
                  first_settled_at, total_fen as "total_fen!", at_fault as "at_fault!", death as "death!",
                  counts as "counts!", fully_recovered as "fully_recovered!", stolen as "stolen!"
           from production.vehicle_claims($1, $2)"#,
        &[i32::from(frame.slot().0)],
        &[frame.as_str().to_owned()]
    );
    claims.fetch_all(conn).await?.into_iter().map(ClaimRecord::try_from).collect()
}

/// The policies of each frame, in order: as they stand in this very transaction.
pub async fn read_policies(
    conn: &mut PgConnection,
    frames: &[&FrameNo],
) -> Result<Vec<Known>, ProductionError> {
    let mut vehicles = Vehicles::of(frames);
    let (slots, numbers) = vehicles.columns();
    let policies = sqlx::query_as!(
        KnownPolicyRow,
        r#"select frame_no as "frame_no!: Brief", confirm_no as "confirm_no!: Brief",
                  insurer as "insurer!: Brief", class as "class!: Brief",
                  policy_no as "policy_no!", plate_kind, plate,
                  engine_no as "engine_no!", owner_index as "owner_index!",
                  quoted_at as "quoted_at!", issued_at as "issued_at!",
                  cover_from as "cover_from!", cover_to as "cover_to!",
                  short_term as "short_term!", transferred_at, ended_at,
                  end_kind as "end_kind: Brief"
           from production.vehicle_policies($1, $2)"#,
        &slots,
        &numbers as _
    );
    for row in policies.fetch_all(conn).await? {
        let Some(known) = vehicles.of_frame(&row.frame_no) else { continue };
        known.policies.push(KnownPolicy::try_from(row)?);
    }
    Ok(vehicles.for_each_of(frames))
}

/// The vehicles of a set, each once, whoever asks: two calls of one set may be about the same one.
struct Vehicles<'a> {
    places: HashMap<&'a str, usize>,
    frames: Vec<&'a FrameNo>,
    known: Vec<Known>,
}

impl<'a> Vehicles<'a> {
    fn of(asked: &[&'a FrameNo]) -> Vehicles<'a> {
        let mut places = HashMap::with_capacity(asked.len());
        let mut frames = Vec::with_capacity(asked.len());
        for frame in asked {
            places.entry(frame.as_str()).or_insert_with(|| {
                frames.push(*frame);
                frames.len() - 1
            });
        }
        let known = frames.iter().map(|_| Known::default()).collect();
        Vehicles { places, frames, known }
    }

    /// Slots and frame numbers, as the arrays of a statement.
    fn columns(&self) -> (Vec<i32>, Vec<&'a str>) {
        let slots = self.frames.iter().map(|frame| i32::from(frame.slot().0)).collect();
        (slots, self.frames.iter().map(|frame| frame.as_str()).collect())
    }

    fn of_frame(&mut self, frame_no: &str) -> Option<&mut Known> {
        self.places.get(frame_no).and_then(|&place| self.known.get_mut(place))
    }

    /// What is known for each call, in the order they asked.
    fn for_each_of(self, asked: &[&FrameNo]) -> Vec<Known> {
        if self.frames.len() == asked.len() {
            return self.known;
        }
        let known = |frame: &&FrameNo| self.places.get(frame.as_str()).map(|&at| &self.known[at]);
        asked.iter().map(|frame| known(frame).cloned().unwrap_or_default()).collect()
    }
}

/// A row of [`read`]. Kept answers have no number, and of numbered rows only claims have an amount.
struct KnownRow {
    frame_no: Brief,
    /// Confirm code or claim code.
    number: Option<Brief>,
    insurer: Option<Brief>,
    class: Option<Brief>,
    /// The policy's number of its insurer; the model kept, JSON.
    text: Option<String>,
    plate_kind: Option<String>,
    plate: Option<String>,
    engine_no: Option<String>,
    end_kind: Option<Brief>,
    /// The owner's index; the police's answer kept, sealed.
    bytes: Option<Vec<u8>>,
    tax_sealed: Option<Vec<u8>>,
    /// Quoted, accident, police's answer.
    first_at: Option<jiff_sqlx::Timestamp>,
    /// Issued, closed, model.
    second_at: Option<jiff_sqlx::Timestamp>,
    /// Cover from, paid, tax office's answer.
    third_at: Option<jiff_sqlx::Timestamp>,
    /// Cover to, first settled.
    fourth_at: Option<jiff_sqlx::Timestamp>,
    transferred_at: Option<jiff_sqlx::Timestamp>,
    ended_at: Option<jiff_sqlx::Timestamp>,
    total_fen: Option<i64>,
    /// Short term; at fault.
    flag: Option<bool>,
    death: Option<bool>,
    counts: Option<bool>,
    fully_recovered: Option<bool>,
    stolen: Option<bool>,
}

impl KnownRow {
    /// The kept answers of a row that is some.
    fn kept(self) -> KeptAnswers {
        KeptAnswers {
            police: self.bytes.zip(self.first_at.map(|at| at.to_jiff())),
            model: self.text.zip(self.second_at.map(|at| at.to_jiff())),
            tax: self.tax_sealed.zip(self.third_at.map(|at| at.to_jiff())),
        }
    }

    /// The policy of a row that is one: then every column a policy must have is there.
    fn policy(self) -> Option<KnownPolicyRow> {
        Some(KnownPolicyRow {
            frame_no: self.frame_no,
            confirm_no: self.number?,
            insurer: self.insurer?,
            class: self.class?,
            policy_no: self.text?,
            plate_kind: self.plate_kind,
            plate: self.plate,
            engine_no: self.engine_no?,
            owner_index: self.bytes?,
            quoted_at: self.first_at?,
            issued_at: self.second_at?,
            cover_from: self.third_at?,
            cover_to: self.fourth_at?,
            short_term: self.flag?,
            transferred_at: self.transferred_at,
            ended_at: self.ended_at,
            end_kind: self.end_kind,
        })
    }

    /// The claim of a row that is one.
    fn claim(self) -> Option<KnownClaimRow> {
        Some(KnownClaimRow {
            claim_no: self.number?,
            insurer: self.insurer?,
            class: self.class?,
            accident_at: self.first_at?,
            closed_at: self.second_at,
            paid_at: self.third_at,
            first_settled_at: self.fourth_at,
            total_fen: self.total_fen?,
            at_fault: self.flag?,
            death: self.death?,
            counts: self.counts?,
            fully_recovered: self.fully_recovered?,
            stolen: self.stolen?,
        })
    }
}

struct KnownClaimRow {
    claim_no: Brief,
    insurer: Brief,
    class: Brief,
    accident_at: jiff_sqlx::Timestamp,
    closed_at: Option<jiff_sqlx::Timestamp>,
    paid_at: Option<jiff_sqlx::Timestamp>,
    first_settled_at: Option<jiff_sqlx::Timestamp>,
    total_fen: i64,
    at_fault: bool,
    death: bool,
    counts: bool,
    fully_recovered: bool,
    stolen: bool,
}

impl TryFrom<KnownClaimRow> for ClaimRecord {
    type Error = ProductionError;

    fn try_from(row: KnownClaimRow) -> Result<ClaimRecord, ProductionError> {
        let corrupt = || ProductionError::Corrupt("claim");
        Ok(ClaimRecord {
            claim_code: (*row.claim_no).to_owned(),
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
        })
    }
}

struct KnownPolicyRow {
    frame_no: Brief,
    confirm_no: Brief,
    insurer: Brief,
    class: Brief,
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
    end_kind: Option<Brief>,
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

/// Outside answers as the arrays `production.keep_answers` takes, in its order.
#[derive(Debug)]
pub struct FreshColumns<'a> {
    /// Slots of the vehicles.
    pub slots: Vec<i32>,
    /// Frame numbers.
    pub frames: Vec<&'a str>,
    /// Answers of the police, sealed.
    pub police: Vec<Option<&'a [u8]>>,
    /// Answers of the model library, JSON.
    pub models: Vec<Option<&'a str>>,
    /// Answers of the tax office, sealed.
    pub taxes: Vec<Option<&'a [u8]>>,
}

impl<'a> FreshColumns<'a> {
    /// The columns of answers, one of each vehicle, in the order in which everybody locks them.
    pub fn of(
        fresh: impl IntoIterator<Item = (&'a FrameNo, &'a FreshAnswers)>,
    ) -> FreshColumns<'a> {
        let mut fresh: Vec<(&FrameNo, &FreshAnswers)> = fresh.into_iter().collect();
        fresh.sort_by_key(|(frame, _)| (frame.slot().0, frame.as_str()));
        fresh.dedup_by(|(later, _), (earlier, _)| later == earlier);
        FreshColumns {
            slots: fresh.iter().map(|(frame, _)| i32::from(frame.slot().0)).collect(),
            frames: fresh.iter().map(|(frame, _)| frame.as_str()).collect(),
            police: fresh.iter().map(|(_, kept)| kept.police.as_deref()).collect(),
            models: fresh.iter().map(|(_, kept)| kept.model.as_deref()).collect(),
            taxes: fresh.iter().map(|(_, kept)| kept.tax.as_deref()).collect(),
        }
    }
}

/// Keeps what outside systems answered at `now`. Rows are written in key order, so that two sets
/// never wait for each other in a circle.
pub async fn keep(
    conn: &mut PgConnection,
    fresh: &[(&FrameNo, &FreshAnswers)],
    now: Timestamp,
) -> Result<(), ProductionError> {
    let columns = FreshColumns::of(fresh.iter().copied());
    sqlx::query!(
        "select production.keep_answers($1, $2, $3, $4, $5, $6)",
        &columns.slots,
        &columns.frames as _,
        &columns.police as _,
        &columns.models as _,
        &columns.taxes as _,
        now.to_sqlx() as _
    )
    .execute(conn)
    .await?;
    Ok(())
}

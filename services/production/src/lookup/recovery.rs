//! What recovery between insurers asks: claims that recover, who covered a vehicle when it happened,
//! the claims of an accident. For other rooms, in their transactions; not for answers to callers. And
//! what they tell: that money of a recovery came.

use std::sync::Arc;

use base_http::trace::TraceId;
use base_http::{Call, Caller, Problem};
use jiff::Timestamp;
use kernel::{Fen, TenantId};
use pg::{Scope, Tx};
use production_core::adjustment::recovery::RecoveryFrom;
use production_core::claim::Step;
use production_core::frame::FrameNo;
use production_core::insurer::InsurerCode;
use production_core::number::PlatformNumber;
use production_core::plate::PlateKind;
use production_core::region::Region;
use production_core::rule::Findings;
use production_core::rules::format;
use serde_json::Value;

use crate::claim::terms::{Terms, TrueThen};
use crate::claim::wire::RecoveryBody;
use crate::error::{self, ProductionError};
use crate::lookup::accidents;
use crate::lookup::claim_message::{self, Reader};
use crate::store::chain::{self, LiablePolicy};
use crate::store::claim::{self as claims, ClaimRow};
use crate::store::claim_lookup::AccidentClaim;
use crate::{Production, function, sealed};

/// A vehicle, by whatever is told of it.
#[derive(Clone, Debug, Default)]
pub struct VehicleTold {
    /// Plate as searches write it, with its kind when told.
    pub plate: Option<(String, Option<PlateKind>)>,
    /// Frame number.
    pub frame: Option<FrameNo>,
    /// Engine number, as told.
    pub engine_no: Option<String>,
}

/// A policy that covered a vehicle at an instant.
#[derive(Clone, Debug)]
pub struct CoverThen {
    /// Confirm code.
    pub confirm_no: PlatformNumber,
    /// Whose.
    pub tenant: TenantId,
    /// Branch region.
    pub region: Region,
    /// The insurer's own number.
    pub policy_no: String,
    /// The vehicle.
    pub frame: FrameNo,
    /// What it promised then.
    pub terms: Terms,
}

/// A step of a claim with its message, as others than its insurer may read it.
#[derive(Clone, Debug)]
pub struct FiledStep {
    /// Its place in the case, from 1.
    pub sequence: i32,
    /// Which step, for example `survey`.
    pub step: &'static str,
    /// The insurer's number of it.
    pub business_no: String,
    /// How often the case had been reopened.
    pub round: u32,
    /// When what it tells of happened.
    pub occurred_at: Timestamp,
    /// When it was recorded.
    pub recorded_at: Timestamp,
    /// The message as it was taken, without persons and places.
    pub message: Value,
}

/// Money of a recovery that came, or that was taken back after its claim learnt that it came.
#[derive(Clone, Debug)]
pub struct RecoveryMoved {
    /// Whose claim.
    pub tenant: TenantId,
    /// The claim that recovers.
    pub claim_no: PlatformNumber,
    /// 结算码.
    pub recovery_code: PlatformNumber,
    /// Its round: with the code, the number under which the step is told once.
    pub round: i32,
    /// `None` of money that came; else counted from 1 among all that takes back of the round, and part
    /// of the number.
    pub reversal: Option<i32>,
    /// From which cover of the liable side it came.
    pub from: RecoveryFrom,
    /// How much came or was taken back, more than nothing.
    pub amount: Fen,
    /// What that settles, or no longer settles, where a flat amount was paid instead.
    pub settles: Option<Fen>,
    /// When it became known.
    pub at: Timestamp,
}

impl RecoveryMoved {
    /// The number of the step.
    fn business_no(&self) -> String {
        let number = format!("{}-{}", self.recovery_code, self.round);
        self.reversal.map_or(number.clone(), |reversal| format!("{number}-R{reversal}"))
    }

    /// An amount as the step tells it: negative when it was taken back.
    fn told(&self, amount: Fen) -> Fen {
        if self.reversal.is_some() { Fen(amount.0.saturating_neg()) } else { amount }
    }
}

impl Production {
    /// A claim the transaction may see, held until it ends.
    pub async fn held_claim(
        &self,
        tx: &mut Tx,
        claim_no: PlatformNumber,
    ) -> Result<ClaimRow, ProductionError> {
        let held = claims::lock(tx, &[claim_no]).await?.pop();
        held.ok_or_else(|| ProductionError::not_found("claim", claim_no))
    }

    /// A claim the transaction may see.
    pub async fn seen_claim(
        &self,
        tx: &mut Tx,
        claim_no: PlatformNumber,
    ) -> Result<ClaimRow, ProductionError> {
        claims::find(tx, claim_no).await
    }

    /// A claim the transaction may see with everything that was filed of it, first to last, masked
    /// as others than its insurer see it.
    pub async fn filed_claim(
        &self,
        tx: &mut Tx,
        claim_no: PlatformNumber,
    ) -> Result<(ClaimRow, Vec<FiledStep>), ProductionError> {
        let row = claims::find(tx, claim_no).await?;
        let mut filed = Vec::new();
        for step in claims::steps(tx, claim_no, None).await? {
            let message =
                self.sealer.open(step.tenant, sealed::CLAIM, &step.message_sealed).await?;
            let name = step.step.name_en();
            filed.push(FiledStep {
                sequence: step.sequence,
                step: name,
                business_no: step.business_no,
                round: step.round,
                occurred_at: step.occurred_at,
                recorded_at: step.recorded_at,
                message: claim_message::masked(name, message, Reader::Other),
            });
        }
        Ok((row, filed))
    }

    /// Policies of every insurer that covered the vehicle at `at` and fit everything told of it. A
    /// plate is the one it carried then, whoever carries it now; a vehicle that had none yet fits the
    /// plate it got later.
    pub async fn covers_then(
        &self,
        tx: &mut Tx,
        told: &VehicleTold,
        at: Timestamp,
        now: Timestamp,
    ) -> Result<Vec<CoverThen>, ProductionError> {
        let engine_no = told.engine_no.as_deref().and_then(normalised);
        let mut frames: Vec<FrameNo> = told.frame.iter().cloned().collect();
        if let (Some((plate, kind)), None) = (&told.plate, &told.frame) {
            let kind = kind.map(PlateKind::code);
            let carriers = chain::carriers(tx, plate, kind, now).await?;
            frames.extend(carriers.into_iter().map(|carrier| carrier.frame));
        }
        let tariff = self.book.active()?;
        let mut covers = Vec::new();
        for policy in chain::liable_policies(tx, &frames, engine_no.as_deref(), at).await? {
            let terms = match terms(&policy, at, now, &tariff) {
                Ok(terms) => terms,
                Err(ProductionError::Refused { code, .. }) if code == &error::NOT_COVERED => {
                    continue;
                }
                Err(error) => return Err(error),
            };
            if fits(&policy, &terms, told, engine_no.as_deref()) {
                covers.push(CoverThen {
                    confirm_no: policy.confirm_no,
                    tenant: policy.tenant,
                    region: policy.confirm_no.area(),
                    policy_no: policy.policy_no,
                    frame: policy.frame,
                    terms,
                });
            }
        }
        Ok(covers)
    }

    /// Claims of every insurer of the accident of a claim the transaction may see, itself among them.
    pub async fn accident_of(
        &self,
        tx: &mut Tx,
        claim_no: PlatformNumber,
        tenant: TenantId,
        now: Timestamp,
    ) -> Result<Vec<AccidentClaim>, ProductionError> {
        let parameters = self.challenges.parameters();
        let region = claim_no.area();
        let hours = parameters.number("claim_accident_hours", tenant, region.code(), now);
        accidents::of_claim(tx, claim_no, hours.unwrap_or(24), now).await
    }

    /// Takes the step 追偿回款 of a claim whose recovery's money came or was taken back, in the
    /// platform's name: once, however often it is told. What was taken back no longer counts as
    /// recovered, and a discount that rested on all of it rests no more. A claim that cannot take the
    /// step yet refuses, to be told later.
    pub async fn recovery_moved(&self, moved: &RecoveryMoved) -> Result<(), Problem> {
        let business_no = moved.business_no();
        let begun = self.spine.db().begin(Scope::of(moved.tenant)).await;
        let mut tx = begun.map_err(ProductionError::from)?;
        let row = claims::find(&mut tx, moved.claim_no).await?;
        let step = [(moved.claim_no, Step::Recovery, business_no.as_str())];
        let is_told = !claims::find_steps(&mut tx, &step).await?.is_empty();
        drop(tx);
        if is_told {
            return Ok(());
        }
        let body = RecoveryBody {
            confirm_code: Some(row.confirm_no.to_string()),
            report_no: Some(row.report_no),
            business_no: Some(business_no),
            received_at: Some(moved.at.to_string()),
            amount: Some(moved.told(moved.amount).to_string()),
            kind: Some(moved.from.code().to_owned()),
            recovery_code: Some(moved.recovery_code.to_string()),
            settles: moved.settles.map(|settles| moved.told(settles).to_string()),
        };
        let call = self.platform_call(moved.tenant, row.insurer, row.region, moved.at);
        self.platform_step(call, moved.claim_no, &body).await.map(drop)
    }

    /// A call of the platform itself in the name of an insurer.
    fn platform_call(
        &self,
        tenant: TenantId,
        insurer: InsurerCode,
        region: Region,
        now: Timestamp,
    ) -> Call {
        let caller = Caller {
            tenant,
            client: "platform".into(),
            insurer: Some(insurer.as_str().into()),
            region: region.code().into(),
            rights: Arc::new([]),
            token_id: "platform".into(),
        };
        let ids = self.spine.ids();
        Call {
            call_id: ids.next(now),
            caller: Arc::new(caller),
            function: &function::CLAIM_RECOVERY,
            purpose: Some("settlement".into()),
            key: None,
            request_digest: ids.bytes(),
            trace: TraceId(ids.bytes()),
            received_at: now,
            daily_quota: None,
            unknown: Vec::new(),
        }
    }
}

/// Engine numbers as policies keep them.
fn normalised(raw: &str) -> Option<String> {
    let mut unheard = Findings::new();
    let read = format::engine_no(raw, "/engineNo", &mut unheard);
    (!read.is_empty()).then_some(read)
}

fn terms(
    policy: &LiablePolicy,
    at: Timestamp,
    now: Timestamp,
    tariff: &production_rating::Tariff,
) -> Result<Terms, ProductionError> {
    let corrupt = |_| ProductionError::Corrupt("policy");
    let then = TrueThen {
        confirm_no: policy.confirm_no,
        policy: &serde_json::from_str(&policy.facts).map_err(corrupt)?,
        version: &serde_json::from_str(&policy.version_facts).map_err(corrupt)?,
        vehicle: &policy.vehicle,
        input: &policy.input,
    };
    Terms::of(&then, at, now, tariff)
}

/// Whether a policy's vehicle, as it was then, is everything that is told.
fn fits(policy: &LiablePolicy, terms: &Terms, told: &VehicleTold, engine_no: Option<&str>) -> bool {
    let plate = told.plate.as_ref().is_none_or(|(plate, kind)| {
        terms.plate.as_ref().is_none_or(|carried| {
            carried.number() == plate && kind.is_none_or(|kind| kind == carried.kind())
        })
    });
    let frame = told.frame.as_ref().is_none_or(|frame| *frame == policy.frame);
    let engine = engine_no.is_none_or(|engine_no| engine_no == policy.engine_no);
    plate && frame && engine
}

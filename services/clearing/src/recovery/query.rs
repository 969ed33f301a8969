//! 锁定查询: who is liable. The platform answers from its register; recorded as shown to the asker.

use base_http::paging::bad;
use base_http::{Call, Done, Problem, Reply};
use http::StatusCode;
use jiff::Timestamp;
use kernel::{Fen, Period};
use production_core::adjustment::compulsory::Fault;
use production_core::frame::{FrameForm, FrameNo};
use production_core::history::PolicyClass;
use production_core::number::NumberKind;
use production_core::plate::PlateKind;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{AccidentClaim, CoverFacts, VehicleAsked, caller, number, purpose, shown};
use crate::Clearing;

/// The other vehicle, by whatever of it was told at the scene.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = RecoveryVehicle)]
pub struct VehicleBody {
    /// 号牌号码.
    #[schema(example = "苏A12345")]
    pub plate: Option<String>,
    /// 号牌种类.
    #[schema(example = "02")]
    pub plate_kind: Option<String>,
    /// 车架号.
    pub frame_no: Option<String>,
    /// 发动机号.
    pub engine_no: Option<String>,
}

/// 锁定查询.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = LockQuery)]
pub struct LockQueryBody {
    /// 理赔编号 of the own claim that is to recover.
    pub claim_code: String,
    /// The other vehicle.
    pub vehicle: VehicleBody,
}

/// A policy that covered the other vehicle when it happened.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct LiablePolicyView {
    /// 投保确认码.
    pub confirm_code: String,
    /// Whose.
    pub insurer: String,
    /// Six-digit region of the branch.
    pub region: String,
    /// `compulsory` or `commercial`.
    pub class: &'static str,
    /// The insurer's own number.
    pub policy_no: String,
    /// Plate at the accident.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plate: Option<String>,
    /// The vehicle, masked.
    pub frame_no: String,
    /// Period of cover.
    pub period: Period,
    /// What it has for the property of others: the compulsory limit with fault, or the third-party
    /// limit less the absolute deductible. Absent where it does not answer for others.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Fen>)]
    pub limit: Option<Fen>,
    /// The limit doubles on public holidays.
    pub doubles_on_holidays: bool,
}

/// A claim of the accident.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = RecoveryAccidentClaim)]
pub struct AccidentClaimView {
    /// 理赔编号.
    pub claim_code: String,
    /// Who handles it.
    pub insurer: String,
    /// `compulsory` or `commercial`.
    pub class: &'static str,
}

/// Who is liable.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = LockQueryAnswer)]
pub struct LockQueryView {
    /// The own claim.
    pub claim_code: String,
    /// When it happened.
    #[schema(value_type = String, format = DateTime)]
    pub accident_at: Timestamp,
    /// How many policies fit.
    pub match_count: usize,
    /// Policies of every insurer that covered the vehicle then.
    pub policies: Vec<LiablePolicyView>,
    /// Claims of the accident, of every insurer.
    pub claims: Vec<AccidentClaimView>,
}

impl LiablePolicyView {
    /// A policy as it is shown.
    fn of(cover: &CoverFacts) -> LiablePolicyView {
        let promise = &cover.promise;
        LiablePolicyView {
            confirm_code: cover.confirm_no.to_string(),
            insurer: cover.insurer.as_str().to_owned(),
            region: cover.region.code().to_owned(),
            class: cover.class().name(),
            policy_no: cover.policy_no.clone(),
            plate: cover.plate.as_ref().map(|plate| plate.number().to_owned()),
            frame_no: cover.frame.masked(),
            period: cover.period,
            limit: match cover.class() {
                PolicyClass::Compulsory => promise.compulsory_property(Fault::AtFault),
                PolicyClass::Commercial => promise.third_party(),
            },
            doubles_on_holidays: promise.doubles_on_holidays(),
        }
    }
}

impl AccidentClaimView {
    /// A claim as it is shown: that there is one.
    pub(super) fn of(claim: &AccidentClaim) -> AccidentClaimView {
        AccidentClaimView {
            claim_code: claim.claim_no.to_string(),
            insurer: claim.insurer.as_str().to_owned(),
            class: claim.class.name(),
        }
    }
}

impl Clearing {
    /// Names the liable insurer and policy.
    pub async fn query_lock(&self, call: Call, body: &LockQueryBody) -> Result<Reply, Problem> {
        caller(&call)?;
        purpose(&call)?;
        let claim_no = number(&body.claim_code, NumberKind::Claim, "claim")?;
        let vehicle = vehicle(&body.vehicle)?;
        let (market, now) = (&self.market, call.received_at);
        let mut tx = self.open(&call).await?;
        let claim = market.claim(&mut tx, claim_no).await?;
        let accident_at = claim.case.notify.accident_at;
        let covers = market.covers(&mut tx, &vehicle, accident_at, now).await?;
        let claims = market.accident(&mut tx, claim_no, now).await?;
        drop(tx);
        let view = LockQueryView {
            claim_code: claim_no.to_string(),
            accident_at,
            match_count: covers.len(),
            policies: covers.iter().map(LiablePolicyView::of).collect(),
            claims: claims.iter().map(AccidentClaimView::of).collect(),
        };
        let looked_at = covers.iter().map(|cover| shown(&cover.frame, cover.confirm_no));
        let looked_at = looked_at.chain(claims.iter().map(|one| shown(&one.frame, one.claim_no)));
        let done = Done::json(StatusCode::OK, &view, claim_no.slot().0, claim_no.to_string());
        self.reply(call, done.showing(looked_at)).await
    }
}

/// Reads a vehicle; everything of it must be readable, and something must be there.
pub(crate) fn vehicle(body: &VehicleBody) -> Result<VehicleAsked, Problem> {
    let told = |field: &Option<String>| {
        field.as_deref().map(str::trim).filter(|text| !text.is_empty()).map(str::to_owned)
    };
    let frame = told(&body.frame_no).map(|raw| {
        FrameNo::parse(&raw, FrameForm::VinOnly)
            .or_else(|_| FrameNo::parse(&raw, FrameForm::ShortAllowed))
            .map_err(|error| bad("vehicle.frameNo", error.to_string()))
    });
    let kind = told(&body.plate_kind).map(|raw| {
        PlateKind::parse(&raw).map_err(|error| bad("vehicle.plateKind", error.to_string()))
    });
    let kind = kind.transpose()?;
    let plate = told(&body.plate).map(|raw| {
        let kept = raw.chars().filter(|c| !c.is_whitespace() && !"·.-".contains(*c));
        (kept.collect::<String>().to_uppercase(), kind)
    });
    let engine_no = told(&body.engine_no);
    let asked = VehicleAsked { plate, frame: frame.transpose()?, engine_no };
    if asked == VehicleAsked::default() {
        return Err(bad("vehicle", "say which: plate, frameNo or engineNo"));
    }
    Ok(asked)
}

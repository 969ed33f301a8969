//! 代位求偿: an insurer that paid its own insured recovers from the insurers of the liable vehicles.
//!
//! The platform names the liable insurer: whoever covered the vehicle at the instant of the accident,
//! by the register, across changes of plate and insurer. Nobody types a company code. One 结算码 stands
//! for one claim recovering from one policy; both sides see it, act on it by turns and stand by an
//! amount, or arbitrators decide (`review`). What is claimed is computed by the formulas the claim rules
//! hold adjustments against, and shown with every figure it rests on. Every step is kept; nothing said
//! is overwritten. An agreed amount is an item for settlement, and when its money came the claim learns
//! of it by itself, and with it the no-claim discount.
//!
//! Always true here: a vehicle's loss is settled by recovery, as 互碰自赔 or by the liable policy directly,
//! never two of them (`route`); a claim recovers from a policy under one code at a time; the register is asked in the
//! transaction that rests on its answer (`market`).

pub mod act;
mod amount;
pub mod clock;
pub mod item;
mod late;
pub mod lock;
pub mod market;
pub mod origin;
pub mod query;
pub mod read;
pub mod review;
pub mod route;
mod store;
mod told;
pub mod touch;
pub mod view;

use base_http::{Call, Problem, ProblemCode, ShownRecord, problem};
use kernel::{Fen, TenantId};
use production_core::adjustment::Share;
use production_core::adjustment::recovery::RecoveryFrom;
use production_core::cover::Cover;
use production_core::frame::FrameNo;
use production_core::insurer::InsurerCode;
use production_core::mark::VehicleMark;
use production_core::number::{NumberKind, PlatformNumber};
use production_core::plate::Plate;
use serde::{Deserialize, Serialize};

use crate::error::{self, ClearingError};

pub use market::{
    AccidentClaim, ClaimFacts, CoverFacts, FiledClaim, FiledStep, Market, VehicleAsked,
};

/// One side's insurer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Insurer {
    /// Whose data.
    pub(crate) tenant: TenantId,
    /// Four letters.
    pub(crate) code: InsurerCode,
}

/// What a code was locked on, as the register knew it then.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Locked {
    /// The insurer's number of the liable policy.
    pub(crate) policy_no: String,
    /// The liable vehicle.
    pub(crate) frame: FrameNo,
    /// The liable vehicle as people call it: its plate at the accident, else its frame number masked.
    pub(crate) party: String,
    /// The cover that is liable.
    pub(crate) cover: Cover,
    /// The insured vehicle.
    pub(crate) own_frame: FrameNo,
    /// Its plate at the accident.
    #[serde(default)]
    pub(crate) own_plate: Option<Plate>,
    /// Share of liability of the liable vehicle.
    pub(crate) share: Share,
    /// What its compulsory cover has for property; nothing without a policy.
    pub(crate) compulsory: Fen,
    /// What its third-party cover has; nothing without cover.
    pub(crate) third_party: Fen,
    /// The claim of the accident under the liable policy, when there was one.
    #[serde(default)]
    pub(crate) claim_no: Option<PlatformNumber>,
}

impl Locked {
    /// What the vehicle whose loss is recovered is known by.
    pub(crate) fn lost_marks(&self) -> Vec<VehicleMark> {
        VehicleMark::of(Some(&self.own_frame), self.own_plate.as_ref())
    }

    /// What is recovered from one cover at most.
    pub(crate) fn purse(&self, from: RecoveryFrom) -> Fen {
        match from {
            RecoveryFrom::Compulsory => self.compulsory,
            RecoveryFrom::ThirdParty => self.third_party,
            RecoveryFrom::Wrongdoer => Fen::ZERO,
        }
    }
}

/// The insurer that calls.
fn caller(call: &Call) -> Result<Insurer, Problem> {
    let code = call.caller.insurer.as_deref().and_then(|code| InsurerCode::parse(code).ok());
    let code = code.ok_or_else(|| {
        Problem::new(&problem::FORBIDDEN, "only an insurer's client may call this")
    })?;
    Ok(Insurer { tenant: call.caller.tenant, code })
}

/// Reading another insurer's records needs a reason, which is recorded with the evidence.
pub(crate) fn purpose(call: &Call) -> Result<(), Problem> {
    let detail = "say in an X-Purpose header why this is read, for example recovery; it is recorded \
                  with the evidence";
    let told = call.purpose.as_ref().map(drop);
    told.ok_or_else(|| Problem::new(&error::PURPOSE_MISSING, detail))
}

/// A number of a kind, of any insurer.
fn number(
    raw: &str,
    kind: NumberKind,
    what: &'static str,
) -> Result<PlatformNumber, ClearingError> {
    let read = PlatformNumber::parse(raw).and_then(|number| number.of_kind(kind));
    read.map_err(|_| ClearingError::not_found(what, raw))
}

/// A record of another insurer that an answer shows, for its owner to find the look at.
pub(crate) fn shown(frame: &FrameNo, number: PlatformNumber) -> ShownRecord {
    ShownRecord {
        owner: number.insurer().as_str().to_owned(),
        region: region_code(number),
        slot: frame.slot().0,
        vehicle: Some(frame.digest()),
        subject: number.to_string(),
    }
}

fn region_code(number: PlatformNumber) -> String {
    number.area().code().to_owned()
}

fn refused(code: &'static ProblemCode, detail: impl Into<String>) -> ClearingError {
    ClearingError::refused(code, detail)
}

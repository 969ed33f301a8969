//! What recovery asks of the market's register: claims, covers at an instant, claims of an accident.
//!
//! The questions are asked in the caller's transaction and answered as it sees the world, so that what
//! was looked at cannot become something else before the answer is used.

use futures::future::BoxFuture;
use jiff::Timestamp;
use kernel::{Period, TenantId};
use pg::Tx;
use production_core::claim::{Case, Promise};
use production_core::frame::FrameNo;
use production_core::history::PolicyClass;
use production_core::insurer::InsurerCode;
use production_core::number::PlatformNumber;
use production_core::plate::{Plate, PlateKind};
use production_core::region::Region;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::error::ClearingError;

/// A claim, without personal data.
#[derive(Clone, Debug)]
pub struct ClaimFacts {
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
    /// The insured vehicle.
    pub frame: FrameNo,
    /// Its plate at the accident.
    pub plate: Option<Plate>,
    /// The case its steps made.
    pub case: Case,
    /// What the policy promised at the accident.
    pub promise: Promise,
}

/// Which vehicle: whatever of it was told at the scene, at least one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VehicleAsked {
    /// 号牌号码, upper case without blanks, dots and dashes; with its kind, when told.
    pub plate: Option<(String, Option<PlateKind>)>,
    /// 车架号.
    pub frame: Option<FrameNo>,
    /// 发动机号.
    pub engine_no: Option<String>,
}

/// A policy that covered a vehicle at an instant.
#[derive(Clone, Debug)]
pub struct CoverFacts {
    /// Confirm code.
    pub confirm_no: PlatformNumber,
    /// Whose.
    pub tenant: TenantId,
    /// Insurer of the tenant.
    pub insurer: InsurerCode,
    /// Branch region.
    pub region: Region,
    /// The insurer's own number.
    pub policy_no: String,
    /// The vehicle.
    pub frame: FrameNo,
    /// Its plate at that instant.
    pub plate: Option<Plate>,
    /// Period of cover.
    pub period: Period,
    /// Endorsements by then.
    pub endorse_times: u32,
    /// Covers and limits at that instant.
    pub promise: Promise,
}

impl CoverFacts {
    /// Product line.
    pub fn class(&self) -> PolicyClass {
        self.promise.class
    }
}

/// A claim of the accident, of any insurer.
#[derive(Clone, Debug)]
pub struct AccidentClaim {
    /// 理赔编号.
    pub claim_no: PlatformNumber,
    /// Who handles it.
    pub insurer: InsurerCode,
    /// Product line of its policy.
    pub class: PolicyClass,
    /// The insured vehicle.
    pub frame: FrameNo,
    /// When the accident happened, as that insurer tells it.
    pub accident_at: Timestamp,
}

/// A step of a claim behind an item.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = OriginClaimStep)]
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
    #[schema(value_type = String, format = DateTime)]
    pub occurred_at: Timestamp,
    /// When it was recorded.
    #[schema(value_type = String, format = DateTime)]
    pub recorded_at: Timestamp,
    /// The message as it was filed. Persons are masked, places and free words hidden, frame numbers
    /// shown by their last six characters.
    #[schema(value_type = Object)]
    pub message: Value,
}

/// A claim with everything that was filed of it.
#[derive(Clone, Debug)]
pub struct FiledClaim {
    /// The claim as it stands.
    pub claim: ClaimFacts,
    /// The insurer's number of the report.
    pub report_no: String,
    /// Its steps, first to last.
    pub steps: Vec<FiledStep>,
}

/// Who knows policies and claims.
pub trait Market: Send + Sync + 'static {
    /// A claim the transaction may see, held until it ends: no step of it is taken meanwhile.
    fn hold_claim<'a>(
        &'a self,
        tx: &'a mut Tx,
        claim_no: PlatformNumber,
    ) -> BoxFuture<'a, Result<ClaimFacts, ClearingError>>;

    /// A claim the transaction may see.
    fn claim<'a>(
        &'a self,
        tx: &'a mut Tx,
        claim_no: PlatformNumber,
    ) -> BoxFuture<'a, Result<ClaimFacts, ClearingError>>;

    /// A claim the transaction may see, with the messages of its steps.
    fn filed<'a>(
        &'a self,
        tx: &'a mut Tx,
        claim_no: PlatformNumber,
    ) -> BoxFuture<'a, Result<FiledClaim, ClearingError>>;

    /// Policies of every insurer that covered the vehicle at `at`, as known at `now`: every one that
    /// fits everything told of it, whichever plate or insurer the vehicle has had since.
    fn covers<'a>(
        &'a self,
        tx: &'a mut Tx,
        vehicle: &'a VehicleAsked,
        at: Timestamp,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<Vec<CoverFacts>, ClearingError>>;

    /// Claims of every insurer of the accident of a claim the transaction may see, itself among them.
    fn accident<'a>(
        &'a self,
        tx: &'a mut Tx,
        claim_no: PlatformNumber,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<Vec<AccidentClaim>, ClearingError>>;
}

//! The messages of 报案, 立案 and 未决估损.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{CoordinatesBody, DriverBody};

row! {
    /// Another vehicle of the accident.
    ThirdVehicleBody as ClaimThirdVehicle {
        /// 号牌号码.
        plate: String,
        /// 号牌种类.
        plate_kind: String,
        /// 车架号, where known.
        frame_no: String,
        /// Who drove it.
        driver: DriverBody,
    }
}

row! {
    /// Somebody liable, where own insurer pays and recovers (rule S18).
    LiablePartyBody as ClaimLiableParty {
        /// Name. Stored sealed.
        name: String,
        /// 号牌号码.
        plate: String,
        /// 号牌种类.
        plate_kind: String,
        /// 车架号.
        frame_no: String,
        /// 发动机号.
        engine_no: String,
        /// Its compulsory insurer, as told at the scene.
        compulsory_insurer: String,
        /// Area of that policy.
        compulsory_area: String,
        /// Its commercial insurer, as told at the scene.
        commercial_insurer: String,
        /// Area of that policy.
        commercial_area: String,
    }
}

row! {
    /// 报案: the report of an accident under a policy.
    NotifyBody as ClaimNotification {
        /// 投保确认码 of the policy.
        #[schema(example = "02PICC320026123450000000000018")]
        confirm_code: String,
        /// The insurer's own number of the policy; checked when sent.
        policy_no: String,
        /// 报案号: one case a report.
        #[schema(example = "R202611260001")]
        report_no: String,
        /// When the accident happened.
        #[schema(example = "202611260830")]
        accident_at: String,
        /// When it was reported to the insurer.
        reported_at: String,
        /// Six-digit area code of the place (GB/T 2260).
        #[schema(example = "320102")]
        district: String,
        /// Place in words, at most 300 characters.
        place: String,
        /// Coordinates of the place.
        coordinates: CoordinatesBody,
        /// What happened, at most 2,000 characters.
        description: String,
        /// 出险原因, list `accident_cause`.
        #[schema(example = "01")]
        cause: String,
        /// 处理方式, list `manage_type`.
        #[schema(example = "12")]
        handled_by: String,
        /// 事故责任 of the insured side, list `accident_liability`; `9` while undetermined.
        #[schema(example = "9")]
        liability: String,
        /// 号牌号码 of the insured vehicle.
        plate: String,
        /// 号牌种类 of the insured vehicle.
        plate_kind: String,
        /// Who drove the insured vehicle.
        driver: DriverBody,
        /// Who reported. Stored sealed.
        reporter_name: String,
        /// Telephones of who reported. Stored sealed, found by blind index.
        reporter_phones: Vec<String>,
        /// 代位求偿: own insurer pays and recovers.
        subrogation: bool,
        /// 互碰自赔: each side's compulsory insurer pays its own.
        mutual: bool,
        /// Somebody is hurt.
        injury: bool,
        /// The vehicle was stolen when it happened.
        stolen: bool,
        /// The police's number of the accident.
        police_accident_no: String,
        /// Other vehicles.
        third_vehicles: Vec<ThirdVehicleBody>,
        /// What was lost: `vehicle`, `property`, `person`, `theft`, `glass`, `other`.
        loss_kinds: Vec<String>,
        /// Liable parties, only with `subrogation`.
        liable_parties: Vec<LiablePartyBody>,
    }
}

message! {
    /// 立案: the case is taken on.
    RegisterBody as ClaimRegistration {
        /// When.
        registered_at: String,
        /// Estimated loss.
        estimate: String,
        /// Of a compulsory case, list `claim_type_ci`.
        kind: String,
        /// 代位求偿.
        subrogation: bool,
    }
}

message! {
    /// 未决估损: what is still expected to be paid.
    EstimateBody as ClaimEstimate {
        /// As of when.
        estimated_at: String,
        /// Outstanding loss.
        outstanding: String,
    }
}

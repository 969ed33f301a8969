//! The messages of 查勘 and 单证.

use production_core::claim::DocumentKind;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{DriverBody, OfficerBody};

row! {
    /// A vehicle seen.
    SurveyVehicleBody as ClaimSurveyVehicle {
        /// Its number in the case, from 1.
        item: u16,
        /// VEHICLE_PROPERTY: `1` the insured vehicle, `2` another.
        #[schema(example = "1")]
        property: String,
        /// 号牌号码.
        plate: String,
        /// 号牌种类.
        plate_kind: String,
        /// 车架号.
        frame_no: String,
        /// 发动机号.
        engine_no: String,
        /// 厂牌型号.
        model: String,
        /// Who drove it.
        driver: DriverBody,
        /// 现场类型: `1` no scene, `2` first, `3` second.
        field_kind: String,
        /// Who looked.
        surveyor: OfficerBody,
        /// From when.
        started_at: String,
        /// To when.
        ended_at: String,
        /// Where.
        place: String,
        /// Estimated loss.
        estimate: String,
    }
}

row! {
    /// Damaged property seen.
    SurveyPropertyBody as ClaimSurveyProperty {
        /// Its number in the case, from 1.
        item: u16,
        /// What it is.
        name: String,
        /// Whose. Stored sealed.
        owner: String,
        /// Estimated loss.
        estimate: String,
    }
}

row! {
    /// A person seen hurt.
    SurveyPersonBody as ClaimSurveyPerson {
        /// Its number in the case, from 1.
        item: u16,
        /// Name. Stored sealed.
        name: String,
        /// Certificate type.
        certificate_kind: String,
        /// Certificate number. Stored sealed, found by blind index.
        certificate_no: String,
        /// PERSON_PROPERTY: `1` in the insured vehicle, `2` outside.
        property: String,
        /// PERSON_PAY_TYPE: `1` injured, `2` dead.
        harm: String,
        /// On foot, riding, driving, passenger.
        traffic_state: String,
        /// Estimated loss.
        estimate: String,
    }
}

message! {
    /// 查勘: what was found. May repeat; each is a version.
    SurveyBody as ClaimSurvey {
        /// When it ended; of the vehicles' times the last when absent.
        surveyed_at: String,
        /// 事故责任, list `accident_liability`.
        liability: String,
        /// 责任文书, list `sub_certi_type`.
        liability_document: String,
        /// 处理方式, list `manage_type`.
        handled_by: String,
        /// 出险原因, list `accident_cause`.
        cause: String,
        /// Nobody else was in it.
        single_vehicle: bool,
        /// Somebody is hurt.
        injury: bool,
        /// Things beside vehicles are damaged.
        property: bool,
        /// 互碰自赔.
        mutual: bool,
        /// The police's number of the accident.
        police_accident_no: String,
        /// Opinion, at most 500 characters.
        opinion: String,
        /// Vehicles.
        vehicles: Vec<SurveyVehicleBody>,
        /// Property.
        properties: Vec<SurveyPropertyBody>,
        /// Persons.
        persons: Vec<SurveyPersonBody>,
    }
}

row! {
    /// A document handed in.
    DocumentBody as ClaimDocument {
        /// What it is.
        name: String,
        /// Its class.
        kind: DocumentKind,
    }
}

message! {
    /// 单证: what was handed in. May repeat; documents add up.
    DocumentsBody as ClaimDocuments {
        /// When the insurer answered the report with the list of what is needed.
        listed_at: String,
        /// When the last document came.
        complete_at: String,
        /// Documents.
        documents: Vec<DocumentBody>,
    }
}

//! The messages of 定核损.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{OfficerBody, OrganisationBody};

row! {
    /// A part to be replaced.
    PartBody as ClaimPart {
        /// What it is.
        name: String,
        /// The insurer's code.
        code: String,
        /// The maker's code: looked up in the model library.
        oem_code: String,
        /// Price of one.
        price: String,
        /// Which price that is, for example the maker's or the market's.
        price_kind: String,
        /// Brand.
        brand: String,
        /// How many, from 1.
        count: u32,
        /// Hours to fit it.
        hours: String,
        /// Added after the first assessment.
        supplement: bool,
    }
}

row! {
    /// Labour or auxiliary material.
    LabourBody as ClaimLabour {
        /// What is done or used.
        name: String,
        /// Hours.
        hours: String,
        /// How much.
        amount: String,
    }
}

row! {
    /// A vehicle assessed.
    AssessVehicleBody as ClaimAssessVehicle {
        /// Its number in the case, from 1.
        item: u16,
        /// VEHICLE_PROPERTY: `1` the insured vehicle, `2` another.
        property: String,
        /// 号牌号码.
        plate: String,
        /// 号牌种类.
        plate_kind: String,
        /// 车架号.
        frame_no: String,
        /// Model code, for prices of parts.
        model_code: String,
        /// 定损金额: parts, labour and auxiliary material together.
        loss: String,
        /// 施救费.
        salvage: String,
        /// Robbed or stolen as a whole.
        robbed: bool,
        /// 全损.
        total_loss: bool,
        /// 残值 of a total loss.
        residual: String,
        /// 水淹等级, 0 to 6.
        flood_level: u8,
        /// 自燃.
        self_ignition: bool,
        /// Glass alone.
        glass_only: bool,
        /// 无法找到第三方.
        no_third_party: bool,
        /// Who assessed.
        assessor: OfficerBody,
        /// When.
        assessed_at: String,
        /// Who approved.
        approver: OfficerBody,
        /// When.
        approved_at: String,
        /// Who repairs.
        repairer: OrganisationBody,
        /// FITTING_TOTAL_PRICE: the parts together.
        parts_total: String,
        /// The labour together.
        labour_total: String,
        /// Parts.
        parts: Vec<PartBody>,
        /// Labour.
        labour: Vec<LabourBody>,
        /// Auxiliary material.
        auxiliary: Vec<LabourBody>,
        /// Damaged parts of the vehicle in words.
        damaged: Vec<String>,
    }
}

row! {
    /// Property assessed.
    AssessPropertyBody as ClaimAssessProperty {
        /// Its number in the case, from 1.
        item: u16,
        /// What it is.
        name: String,
        /// Defined loss.
        loss: String,
        /// Who assessed.
        assessor: OfficerBody,
        /// When.
        assessed_at: String,
        /// Who approved.
        approver: OfficerBody,
        /// When.
        approved_at: String,
    }
}

row! {
    /// One fee of a person.
    PersonFeeBody as ClaimPersonFee {
        /// `deathDisability` or `medical`.
        kind: String,
        /// What for.
        name: String,
        /// How much.
        amount: String,
    }
}

row! {
    /// A person assessed (rule S16).
    AssessPersonBody as ClaimAssessPerson {
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
        /// INJURY_TYPE of the injured.
        injury_kind: String,
        /// 伤残等级, 1 to 10.
        disability_level: u8,
        /// Out-patient or in-patient.
        medical_kind: String,
        /// When admitted.
        admitted_at: String,
        /// When died.
        died_at: String,
        /// Fees.
        fees: Vec<PersonFeeBody>,
        /// Hospitals.
        hospitals: Vec<OrganisationBody>,
        /// Institutions that judged the injury.
        institutions: Vec<OrganisationBody>,
        /// Who assessed.
        assessor: OfficerBody,
        /// Who approved.
        approver: OfficerBody,
    }
}

message! {
    /// 定核损: what the loss is. May repeat; each is a version.
    AssessBody as ClaimAssessment {
        /// When it was approved; of the vehicles' times the last when absent.
        approved_at: String,
        /// Vehicles.
        vehicles: Vec<AssessVehicleBody>,
        /// Property.
        properties: Vec<AssessPropertyBody>,
        /// Persons.
        persons: Vec<AssessPersonBody>,
    }
}

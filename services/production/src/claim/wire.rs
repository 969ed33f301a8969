//! The messages of a claim (domain field tables of 报案 to 追偿回款). Every field is optional here:
//! what must be there is for the rules to say, all of it at once.
//!
//! Amounts are yuan as decimal strings; times are RFC 3339 or `yyyyMMddHHmm` in China.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use production_core::claim::{DocumentKind, PayeeKind};

/// A row of a message.
macro_rules! row {
    ($(#[$meta:meta])* $name:ident as $schema:ident { $($(#[$doc:meta])* $field:ident: $type:ty,)* }) => {
        $(#[$meta])*
        #[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
        #[serde(rename_all = "camelCase")]
        #[schema(as = $schema)]
        pub struct $name {
            $($(#[$doc])* #[serde(default, skip_serializing_if = "Option::is_none")] pub $field: Option<$type>,)*
        }
    };
}

/// A message after the report: it names its case three times over (rule S13), and itself by the
/// insurer's own number of this piece of work.
macro_rules! message {
    ($(#[$meta:meta])* $name:ident as $schema:ident { $($(#[$doc:meta])* $field:ident: $type:ty,)* }) => {
        $(#[$meta])*
        #[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
        #[serde(rename_all = "camelCase")]
        #[schema(as = $schema)]
        pub struct $name {
            /// 投保确认码 of the policy.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub confirm_code: Option<String>,
            /// 报案号: the insurer's number of the report.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub report_no: Option<String>,
            /// The insurer's number of this piece of work, used once for this step of this claim. The
            /// same number with the same content is answered as before; with other content it is
            /// refused.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub business_no: Option<String>,
            $($(#[$doc])* #[serde(default, skip_serializing_if = "Option::is_none")] pub $field: Option<$type>,)*
        }
    };
}

row! {
    /// Where, on a map (rule F31).
    CoordinatesBody as ClaimCoordinates {
        /// Degrees east.
        #[schema(example = "118.7969")]
        longitude: String,
        /// Degrees north.
        #[schema(example = "32.0603")]
        latitude: String,
        /// For example `GCJ-02` or `WGS-84`.
        system: String,
        /// Version of the standard address library.
        address_version: String,
    }
}

row! {
    /// Who drove.
    DriverBody as ClaimDriver {
        /// Name. Stored sealed.
        name: String,
        /// 驾驶证号. Stored sealed, found by blind index.
        licence_no: String,
        /// Telephone. Stored sealed, found by blind index.
        phone: String,
    }
}

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

row! {
    /// A surveyor, assessor or approver (rule S14).
    OfficerBody as ClaimOfficer {
        /// Name. Stored sealed.
        name: String,
        /// The insurer's code.
        code: String,
        /// Certificate number. Stored sealed.
        certificate_no: String,
    }
}

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

row! {
    /// A repairer or hospital.
    OrganisationBody as ClaimOrganisation {
        /// Name.
        name: String,
        /// Organisation code; found by it in other cases.
        code: String,
        /// What it is, for example a dealer's or a general workshop.
        kind: String,
    }
}

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

row! {
    /// What a cover pays for a fee.
    CoverRowBody as ClaimCoverRow {
        /// Cover, list `coverage_codes`.
        #[schema(example = "M02")]
        coverage_code: String,
        /// Compulsory: list `claim_fee_type_ci`; commercial: list `loss_fee_type_bi`.
        #[schema(example = "1")]
        fee_kind: String,
        /// CLAIM_AMOUNT: what is paid.
        amount: String,
        /// The vehicle, property or person it is paid for.
        item: u16,
        /// LIABILITY_RATE: share of the insured side in percent.
        #[schema(example = "70")]
        liability_rate: String,
        /// Loss the cover answers for.
        loss: String,
        /// Salvage it answers for.
        salvage: String,
        /// What compulsory covers pay of it.
        compulsory_paid: String,
        /// Anything else taken off.
        deductions: String,
        /// A device added to the vehicle (IsDeviceItem).
        device: bool,
    }
}

row! {
    /// Money recovered from somebody, or paid because somebody recovers (rule S19).
    RecoverOrPayBody as ClaimRecoverOrPay {
        /// Its number in the message.
        serial_no: u16,
        /// `1` recover, `2` pay.
        flag: String,
        /// `1` compulsory, `2` commercial third party, `3` the wrongdoer.
        kind: String,
        /// Who, of a wrongdoer. Stored sealed.
        party: String,
        /// 结算码, between insurers.
        recovery_code: String,
        /// How much.
        amount: String,
        /// Remark, at most 500 characters.
        remark: String,
    }
}

row! {
    /// One adjustment.
    AdjustmentBody as ClaimAdjustmentRow {
        /// The insurer's code of it.
        code: String,
        /// Opinion, at most 500 characters.
        opinion: String,
        /// CLAIM_AMOUNT: the sum of its rows (rule S17).
        amount: String,
        /// When it was approved (核赔).
        approved_at: String,
        /// By cover and fee.
        covers: Vec<CoverRowBody>,
        /// Recoveries and payments to recovering insurers.
        recoveries: Vec<RecoverOrPayBody>,
    }
}

message! {
    /// 理算核赔: what the policy pays. Several of one round add up to the closing.
    AdjustBody as ClaimAdjustment {
        /// When insured and insurer agreed.
        agreed_at: String,
        /// A court is asked.
        litigation: bool,
        /// One or more.
        adjustments: Vec<AdjustmentBody>,
    }
}

message! {
    /// 结案: how the case ended. Answers the closing check code.
    CloseBody as ClaimClosing {
        /// When.
        closed_at: String,
        /// What is paid in all: what was adjusted since the case was last opened.
        total: String,
        /// It is an insured event.
        insured: bool,
        /// Refused.
        refused: bool,
        /// Why, at most 500 characters.
        refusal_reason: String,
        /// When the refusal was sent to the claimant.
        refusal_sent_at: String,
        /// 事故责任 in the end, list `accident_liability`.
        liability: String,
        /// Somebody died.
        death: bool,
        /// 互碰自赔.
        mutual: bool,
        /// RegistTimesFlag: counts towards the discount. By the rule when absent.
        counts: bool,
        /// 无责代赔 in it.
        no_fault_advance: String,
        /// Why money was advanced.
        advance_reason: String,
        /// Direct expenses of handling, not in the total.
        expenses: String,
        /// 全损: the policy ends.
        total_loss: bool,
        /// Flagged as fraud (rule L54).
        fraud: bool,
        /// List `fraud_type`.
        fraud_kinds: Vec<String>,
        /// Got back because of it.
        fraud_recovered: String,
    }
}

row! {
    /// Somebody who is paid (rules F29, L55).
    PayeeBody as ClaimPayee {
        /// What he is in the case.
        kind: PayeeKind,
        /// Name. Stored sealed.
        name: String,
        /// Certificate type.
        certificate_kind: String,
        /// Certificate number. Stored sealed.
        certificate_no: String,
        /// Bank.
        bank: String,
        /// Account. Stored sealed.
        account: String,
        /// How much; negative when it is given back after a reopening.
        amount: String,
        /// 结算码, when it settles a recovery.
        recovery_code: String,
    }
}

message! {
    /// 赔款支付: money that went out. `businessNo` is the number of the statement (计算书号).
    PayBody as ClaimPayment {
        /// When.
        paid_at: String,
        /// All of this payment: the sum of the payees (rule S20).
        total: String,
        /// Bank it came from.
        payer_bank: String,
        /// Account it came from. Stored sealed.
        payer_account: String,
        /// Who got it.
        payees: Vec<PayeeBody>,
    }
}

message! {
    /// 重开: a closed case is taken up again.
    ReopenBody as ClaimReopening {
        /// When.
        reopened_at: String,
        /// Why, at most 500 characters.
        cause: String,
    }
}

message! {
    /// 注销: the case is given up.
    CancelBody as ClaimCancellation {
        /// When.
        cancelled_at: String,
        /// `1` the report, `2` the registration.
        kind: String,
        /// Why, at most 500 characters.
        reason: String,
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

message! {
    /// 追偿回款: money got back from the liable side.
    RecoveryBody as ClaimRecovery {
        /// When.
        received_at: String,
        /// How much.
        amount: String,
        /// `1` compulsory, `2` commercial third party, `3` the wrongdoer.
        kind: String,
        /// 结算码, between insurers.
        recovery_code: String,
    }
}

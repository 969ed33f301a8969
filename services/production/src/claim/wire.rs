//! The messages of a claim (domain field tables of 报案 to 追偿回款). Every field is optional here:
//! what must be there is for the rules to say, all of it at once.
//!
//! Amounts are yuan as decimal strings; times are RFC 3339 or `yyyyMMddHHmm` in China.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

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

// Behind the macros, which they use.
mod adjustment;
mod assessment;
mod ending;
mod report;
mod survey;

pub use adjustment::{AdjustBody, AdjustmentBody, CoverRowBody, RecoverOrPayBody};
pub use assessment::{
    AssessBody, AssessPersonBody, AssessPropertyBody, AssessVehicleBody, LabourBody, PartBody,
    PersonFeeBody,
};
pub use ending::{CancelBody, CloseBody, PayBody, PayeeBody, RecoveryBody, ReopenBody};
pub use report::{EstimateBody, LiablePartyBody, NotifyBody, RegisterBody, ThirdVehicleBody};
pub use survey::{
    DocumentBody, DocumentsBody, SurveyBody, SurveyPersonBody, SurveyPropertyBody,
    SurveyVehicleBody,
};

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

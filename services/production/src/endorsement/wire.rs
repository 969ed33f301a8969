//! Endorsement messages as they come in. What must be there is a rule, reported together with
//! everything else that is wrong.

use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

use crate::quote::wire::{CoverBody, PartyBody, TaxBody, VehicleBody};

/// 批改查询: what is to change, and from when.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = EndorsementRequest)]
pub struct EndorsementBody {
    /// 批改类型: `01` correction, `02` change of fact, `03` transfer, `04` plate registration,
    /// `05` covers, `06` suspend, `07` resume, `08` cancel tax.
    #[schema(example = "02")]
    pub kind: Option<String>,
    /// The number of this endorsement: the policy's last one plus one.
    #[schema(example = 1)]
    pub endorse_times: Option<u32>,
    /// From when it holds: `yyyyMMddHH` in China, or RFC 3339. The beginning of cover for a
    /// correction, else now, when absent.
    #[schema(example = "2026060100")]
    pub effective_at: Option<String>,
    /// Why.
    #[schema(example = "使用性质变更")]
    pub reason: Option<String>,
    /// The vehicle's facts that change; the others stay.
    pub vehicle: Option<VehicleBody>,
    /// 车主: the new one for a transfer, the right one for a correction.
    pub owner: Option<PartyBody>,
    /// 投保人.
    pub applicant: Option<PartyBody>,
    /// 被保险人.
    pub insured: Option<PartyBody>,
    /// Named drivers, all of them.
    pub drivers: Option<Vec<PartyBody>>,
    /// The commercial covers as they are to be, all of them.
    pub covers: Option<Vec<CoverBody>>,
    /// 自主定价系数, with the covers.
    #[schema(example = "0.85")]
    pub autonomous_coefficient: Option<String>,
    /// Deductible chosen for own damage, with the covers.
    pub hull_deductible: Option<String>,
    /// Evidence on the vehicle tax: why less of it, or none, is due.
    pub tax: Option<TaxBody>,
    /// Day the vehicle was stolen, scrapped or destroyed: the tax of the months from then on goes
    /// back (T03).
    #[schema(example = "2026-09-30")]
    pub tax_lost_on: Option<String>,
    /// 直接批改: confirm in the same step, for kinds that bear no premium.
    pub direct: Option<bool>,
}

/// 批改确认: the differences echoed.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = EndorsementConfirmRequest)]
pub struct EndorsementConfirmBody {
    /// Premium difference as frozen; negative is paid back.
    #[schema(example = "136.99")]
    pub premium_difference: Option<String>,
    /// Tax difference as frozen; zero when absent.
    #[schema(example = "0.00")]
    pub tax_difference: Option<String>,
    /// The insurer's own number of the endorsement (批单号).
    #[schema(example = "E2026060100017")]
    pub endorsement_no: Option<String>,
}

/// When the reader stands.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub struct AsOf {
    /// What was known at that instant: RFC 3339, or `yyyyMMddHHmm` in China; now when absent.
    pub as_of: Option<String>,
}

//! What a rating is computed from: stored with the quote, so that it can be computed again.
//!
//! What is not there is not written: most elements are not in most quotes, and a quote that is short
//! lies in its row. Text of releases that wrote every element as `null` or `false` reads the same.

use std::ops::Not;

use jiff::Timestamp;
use jiff::civil::Date;
use kernel::{Fen, Period};
use production_core::cover::CoverRequest;
use production_core::history::VehicleHistory;
use production_core::region::Region;
use production_core::vehicle::VehicleFacts;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

/// Everything a rating depends on beside the tariff bundle. Rating it again with the same bundle
/// gives the same fen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RatingInput {
    /// Region of the policy.
    pub region: Region,
    /// The vehicle.
    pub vehicle: VehicleFacts,
    /// When the quote is queried; the no-claim discount looks back from here.
    pub quoted_at: Timestamp,
    /// Day the policy is to be issued (出单日), in China; the compulsory float looks back from
    /// here, and late tax is paid on this day.
    pub issued_on: Date,
    /// The latest day ownership passed to somebody else, if it ever did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transferred_on: Option<Date>,
    /// Compulsory cover, when asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compulsory: Option<CompulsoryInput>,
    /// Commercial covers, when asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commercial: Option<CommercialInput>,
    /// Vehicle tax. It goes with compulsory cover: left out there, the plain case is assumed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tax: Option<TaxInput>,
    /// Earlier policies, claims and violations of the vehicle, across all insurers.
    #[serde(default)]
    pub history: VehicleHistory,
    /// What the insurer computed itself; any difference is refused.
    #[serde(default, skip_serializing_if = "Declared::is_silent")]
    pub declared: Declared,
}

/// Compulsory cover (交强险).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CompulsoryInput {
    /// Period of cover: one year, unless `short_term` says why not.
    pub period: Period,
    /// Why it may be shorter than a year (条例 art. 20).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub short_term: Option<ShortTermReason>,
    /// Reasons not to float that lie outside the history, for example a loan policy of years.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub no_float: Vec<NoFloatReason>,
}

/// Why compulsory cover may be written for less than a year (交强险条例 art. 20).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ShortTermReason {
    /// A foreign vehicle enters the country for a while. No float, no vehicle tax.
    TemporaryEntry,
    /// The vehicle is on the road for a while, for example on temporary plates. No float.
    TemporaryRoadUse,
    /// Less than a year is left before it must be scrapped.
    NearScrapping,
    /// Another case the regulator allows.
    Regulator,
}

/// Why the compulsory premium does not float (platform list `no_float_reason`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum NoFloatReason {
    /// 过户车: ownership transferred.
    #[serde(rename = "01")]
    Transferred,
    /// 脱保超过6个月: not insured for more than six months.
    #[serde(rename = "02")]
    LapseOverSixMonths,
    /// 本次投保短期单: this policy is short-term; no discount.
    #[serde(rename = "03")]
    ShortTerm,
    /// 无上年保单: no previous policy.
    #[serde(rename = "04")]
    NoPreviousPolicy,
    /// 上张保单为短期单: the previous policy was short-term.
    #[serde(rename = "05")]
    PreviousShortTerm,
    /// 上张保单批改过户: the previous policy was endorsed for a transfer.
    #[serde(rename = "06")]
    PreviousTransferred,
    /// 上年不在同一公司: a rule of the first platforms; only when the caller says so.
    #[serde(rename = "07")]
    OtherInsurer,
    /// 脱保3-6个月: not insured for three to six months; no discount.
    #[serde(rename = "08")]
    LapseThreeToSixMonths,
    /// 车贷投保多年: a loan policy of several years; only when the caller says so.
    #[serde(rename = "09")]
    LoanPolicy,
    /// 历史保单批改不重算: an old endorsement was not re-rated; only when the caller says so.
    #[serde(rename = "10")]
    EndorsedNotRerated,
    /// 新车/不存在连续一年保期: a new car, or no whole year of cover.
    #[serde(rename = "11")]
    NoWholeYear,
    /// 上年没出险,赔款金额系数不浮动: informs only; the accident float stands.
    #[serde(rename = "12")]
    AmountFactorNotApplied,
}

/// What a reason takes away from the float.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FloatEffect {
    /// Neither discount nor surcharge.
    None,
    /// No discount; a surcharge stands.
    NoDiscount,
    /// Informs only.
    Unchanged,
}

impl NoFloatReason {
    /// The two-digit code of the platform list.
    pub const fn code(self) -> &'static str {
        match self {
            NoFloatReason::Transferred => "01",
            NoFloatReason::LapseOverSixMonths => "02",
            NoFloatReason::ShortTerm => "03",
            NoFloatReason::NoPreviousPolicy => "04",
            NoFloatReason::PreviousShortTerm => "05",
            NoFloatReason::PreviousTransferred => "06",
            NoFloatReason::OtherInsurer => "07",
            NoFloatReason::LapseThreeToSixMonths => "08",
            NoFloatReason::LoanPolicy => "09",
            NoFloatReason::EndorsedNotRerated => "10",
            NoFloatReason::NoWholeYear => "11",
            NoFloatReason::AmountFactorNotApplied => "12",
        }
    }

    /// What it takes away.
    pub const fn effect(self) -> FloatEffect {
        match self {
            NoFloatReason::ShortTerm | NoFloatReason::LapseThreeToSixMonths => {
                FloatEffect::NoDiscount
            }
            NoFloatReason::AmountFactorNotApplied => FloatEffect::Unchanged,
            _ => FloatEffect::None,
        }
    }
}

/// Commercial covers (商业险).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CommercialInput {
    /// Period of cover, at most a year; a shorter one pays by days.
    pub period: Period,
    /// The covers asked for.
    pub covers: Vec<CoverRequest>,
    /// The insurer's autonomous coefficient (自主定价系数).
    pub autonomous: Decimal,
    /// The insurer's expense ratio (附加费用率); the cap when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expense_ratio: Option<Decimal>,
    /// Deductible chosen for own damage, in yuan a loss; none when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hull_deductible: Option<Fen>,
    /// Pure risk premium of own damage as the model library answers it, for the vehicle at its
    /// standard depreciated value; replaces the table.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model_pure_risk: Option<Fen>,
}

/// What the vehicle tax (车船税) depends on beside the vehicle.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TaxInput {
    /// Tax item when the category does not settle it, for example wheeled machinery.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub item: Option<TaxItem>,
    /// Proof that the year is paid.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paid: Option<TaxReceipt>,
    /// Proof of an exemption or reduction.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub derate: Option<TaxDerate>,
    /// Earlier calendar years still unpaid.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unpaid_years: Vec<i16>,
    /// The taxpayer refuses to pay through the insurer; the tax office is told.
    #[serde(default, skip_serializing_if = "Not::not")]
    pub refused: bool,
}

/// Rows of the annex to the vehicle and vessel tax law.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub enum TaxItem {
    /// 乘用车: to nine seats, by displacement.
    PassengerCar,
    /// 中型客车: 10 to 19 seats.
    BusMedium,
    /// 大型客车: 20 seats and more.
    BusLarge,
    /// 货车, by kerb weight.
    Truck,
    /// 挂车, by kerb weight.
    Trailer,
    /// 专用作业车, by kerb weight.
    SpecialWorkVehicle,
    /// 轮式专用机械车, by kerb weight.
    WheeledMachinery,
    /// 摩托车.
    Motorcycle,
}

/// Where the tax stands (platform list `tax_condition`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum TaxCondition {
    /// Normal.
    #[serde(rename = "N")]
    Normal,
    /// Normal, as the first platforms wrote it.
    #[serde(rename = "T")]
    NormalOld,
    /// Reduced (减税).
    #[serde(rename = "C")]
    Reduced,
    /// Exempt or not taxable (免税).
    #[serde(rename = "E")]
    Exempt,
    /// Already paid (已完税).
    #[serde(rename = "P")]
    Paid,
    /// Already paid, the variant of some regions.
    #[serde(rename = "W")]
    PaidVariant,
    /// Refused (拒缴).
    #[serde(rename = "R")]
    Refused,
    /// With arrears (补税).
    #[serde(rename = "B")]
    Arrears,
}

/// A tax receipt (完税凭证).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TaxReceipt {
    /// Number of the document.
    pub number: String,
    /// Tax authority that issued it.
    pub authority: String,
    /// Calendar year it is for.
    pub year: i16,
    /// Whether the region writes `W` instead of `P`.
    #[serde(default, skip_serializing_if = "Not::not")]
    pub variant: bool,
}

/// Proof of an exemption or reduction.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TaxDerate {
    /// Code of `vehicle_tax_derates.csv`, for example `military_police`.
    pub code: String,
    /// Number of the document.
    pub document: String,
    /// Tax authority that issued it.
    pub authority: String,
}

/// What the insurer computed itself. Rules L05-L08, L12, L14, L15 and L27 compare.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Declared {
    /// Compulsory base premium.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compulsory_base: Option<Fen>,
    /// Compulsory premium.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compulsory_premium: Option<Fen>,
    /// Code of the accident float, for example `E3`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accident_code: Option<String>,
    /// Vehicle tax in all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tax: Option<Fen>,
    /// No-claim coefficient.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ncd: Option<Decimal>,
    /// Violation coefficient.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub violation: Option<Decimal>,
    /// Commercial premium in all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commercial_premium: Option<Fen>,
}

impl Declared {
    /// Whether the insurer computed nothing itself.
    fn is_silent(&self) -> bool {
        *self == Declared::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As written before what is not there was left out.
    const WHOLE: &str = r#"
        {"region": "110000", "vehicle": {"category": "11", "usage": "210", "fuel": "A", "plugIn":
        false, "seats": 5, "tonnageT": null, "curbWeightKg": "1280", "displacementCc": 1598,
        "powerKw": "81", "madeOn": "2019-12-01", "firstRegisteredOn": "2020-01-15", "invoicedOn":
        null, "newVehicle": false, "newPrice": "120000.00", "modelCode": "BDZ1600FV7160",
        "imported": false, "energySavingListed": false, "ecdemic": "0", "sideCar": false},
        "quotedAt": "2026-11-26T15:34:21.655191Z", "issuedOn": "2026-11-26", "transferredOn": null,
        "compulsory": {"period": {"from": "2026-12-12T16:00:00Z", "to": "2027-12-12T16:00:00Z"},
        "shortTerm": null, "noFloat": []}, "commercial": {"period": {"from": "2026-12-12T16:00:00Z",
        "to": "2027-12-12T16:00:00Z"}, "covers": [{"cover": "M01", "part": null, "limit": null,
        "seats": null, "deductiblePct": null, "agreedValue": "60000.00", "days": null, "daily":
        null, "linked": null, "times": null}, {"cover": "M03", "part": "driver", "limit":
        "10000.00", "seats": null, "deductiblePct": null, "agreedValue": null, "days": null,
        "daily": null, "linked": null, "times": null}], "autonomous": "1.00", "expenseRatio": null,
        "hullDeductible": null, "modelPureRisk": null}, "tax": {"item": null, "paid": null,
        "derate": null, "unpaidYears": [], "refused": false}, "history": {"policies": [{"confirmNo":
        "02CPIC110025441210000000387653", "insurer": "CPIC", "class": "compulsory", "period":
        {"from": "2025-12-12T16:00:00Z", "to": "2026-12-12T16:00:00Z"}, "issuedAt":
        "2025-12-09T16:00:00Z", "quotedAt": "2025-12-09T16:00:00Z", "shortTerm": false,
        "transferredAt": null, "endedEarly": null}], "claims": [], "violations": []}, "declared":
        {"compulsoryBase": null, "compulsoryPremium": null, "accidentCode": null, "tax": null,
        "ncd": null, "violation": null, "commercialPremium": null}}"#;

    #[test]
    fn an_input_written_whole_reads_as_the_same_one_written_short() {
        let input: RatingInput = serde_json::from_str(WHOLE).unwrap();
        let short = serde_json::to_string(&input).unwrap();
        assert_eq!(serde_json::from_str::<RatingInput>(&short).unwrap(), input);
        assert!(!short.contains("null") && !short.contains("false"), "{short}");
        assert!(short.len() < WHOLE.len() * 2 / 3, "{} bytes", short.len());
        assert_eq!((input.vehicle.seats, input.vehicle.imported), (5, false));
        assert_eq!(input.commercial.unwrap().covers[1].limit, Some(Fen(1_000_000)));
    }

    #[test]
    fn no_violations_are_told_from_unknown_ones() {
        let input: RatingInput = serde_json::from_str(WHOLE).unwrap();
        assert_eq!(input.history.violations, Some(Vec::new()));
        let short = serde_json::to_value(&input).unwrap();
        assert_eq!(short["history"]["violations"], serde_json::json!([]));
        let mut unknown = input.clone();
        unknown.history.violations = None;
        let read: RatingInput =
            serde_json::from_str(&serde_json::to_string(&unknown).unwrap()).unwrap();
        assert_eq!(read, unknown);
    }
}

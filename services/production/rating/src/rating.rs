//! What a rating answers: premiums, tax, factors with reasons, notices; or every refusal.

use std::borrow::Cow;

use kernel::Fen;
use production_core::adjustment::compulsory::{ByItem, CompulsoryLimits};
use production_core::cover::{Cover, Part};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use crate::accident::FloatClaim;
use crate::input::{NoFloatReason, TaxCondition, TaxItem};
use crate::ncd::NcdAnswer;
use crate::trace::{TariffStamp, Trace};

/// The answer to a [`RatingInput`](crate::RatingInput). A published format: it is stored with
/// the quote.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Rating {
    /// The tariff bundle used.
    pub tariff: TariffStamp,
    /// Compulsory cover, when asked for.
    #[serde(default)]
    pub compulsory: Option<CompulsoryRating>,
    /// Vehicle tax, when due with what was asked for.
    #[serde(default)]
    pub tax: Option<TaxRating>,
    /// Commercial covers, when asked for.
    #[serde(default)]
    pub commercial: Option<CommercialRating>,
    /// What a person should be told.
    #[serde(default)]
    pub notices: Vec<Notice>,
}

/// Compulsory premium and its parts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct CompulsoryRating {
    /// Row of the base premium table, for example `fam_lt6`.
    pub rate_key: String,
    /// Base premium of a year.
    pub base: Fen,
    /// Share of a year's premium: 1, or the short-period rate.
    pub short_rate: Decimal,
    /// Float by accidents.
    pub accident: FloatAnswer,
    /// Every compulsory claim of the vehicle: counted or why not, by claim code (CLAIM_DATA).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub claims: Vec<FloatClaim>,
    /// Float by violations.
    pub violation: FloatAnswer,
    /// Why there is no float, or no discount; in the order of their codes.
    pub no_float: Vec<NoFloatReason>,
    /// `base × short × (1 + accident) × (1 + violation)`, rounded once.
    pub premium: Fen,
    /// Share of the premium that goes to the road-accident fund.
    pub fund_rate: Decimal,
    /// `premium × fund_rate`, rounded. Part of the premium, not on top of it.
    pub fund_amount: Fen,
    /// Limits of an accident on the first day of cover.
    pub limits: LimitsPair,
    /// How it came about.
    pub trace: Trace,
}

/// A float: its code and its size.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct FloatAnswer {
    /// Factor code, for example `E3` or `V7`; `None` without a float.
    pub code: Option<Cow<'static, str>>,
    /// Fraction added to the premium: -0.30 is a discount of 30 percent.
    pub rate: Decimal,
}

/// Compulsory limits of one accident.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Limits {
    /// 死亡伤残.
    pub death_disability: Fen,
    /// 医疗费用.
    pub medical: Fen,
    /// 财产损失.
    pub property: Fen,
}

/// Limits with and without fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct LimitsPair {
    /// 有责.
    pub at_fault: Limits,
    /// 无责.
    pub no_fault: Limits,
}

/// Vehicle tax and its parts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct TaxRating {
    /// Where the tax stands.
    pub condition: TaxCondition,
    /// Tax item; `None` for what the law does not tax.
    pub item: Option<TaxItem>,
    /// The current year.
    pub current: TaxYear,
    /// Earlier years still unpaid, oldest first.
    pub arrears: Vec<TaxYear>,
    /// Late fees of all years.
    pub late_fee: Fen,
    /// Everything to pay now.
    pub total: Fen,
    /// How it came about.
    pub trace: Trace,
}

/// Tax of one calendar year.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct TaxYear {
    /// Calendar year.
    pub year: i16,
    /// Tax of a whole year for this vehicle, before reductions.
    pub annual: Fen,
    /// Months taxed.
    pub months: u8,
    /// Share taken off: 1 exempt, 0.5 half, 0 none.
    pub reduction: Decimal,
    /// Tax due for the year, rounded once.
    pub due: Fen,
    /// Days after the due day.
    pub late_days: i64,
    /// Late fee, rounded.
    pub late_fee: Fen,
}

/// Commercial premium and its parts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct CommercialRating {
    /// Row of the class table, for example `fam_lt6`.
    pub class_key: String,
    /// Expense ratio used.
    pub expense_ratio: Decimal,
    /// No-claim discount.
    pub ncd: NcdAnswer,
    /// Autonomous coefficient used.
    pub autonomous: Decimal,
    /// Violation coefficient: 1 in regions without a police link.
    pub violation: Decimal,
    /// Share of a year the period is: 1, or days over days of the year.
    pub period_share: Decimal,
    /// Depreciated value of the vehicle at the start, when own damage is asked for.
    pub actual_value: Option<Fen>,
    /// The covers, in the order asked for.
    pub covers: Vec<CoverRating>,
    /// Sum of the covers' benchmark premiums.
    pub benchmark: Fen,
    /// Sum of the covers' premiums.
    pub premium: Fen,
    /// Factors common to all covers.
    pub trace: Trace,
}

/// Premium of one cover.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct CoverRating {
    /// The cover.
    pub cover: Cover,
    /// Driver or passengers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub part: Option<Part>,
    /// The main cover it hangs on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub linked: Option<Cover>,
    /// Pure risk premium of a year (基准纯风险保费).
    pub pure_risk: Fen,
    /// Benchmark premium of a year (基准保费): pure / (1 - expense), rounded first because it is
    /// stored and printed. Negative where a clause takes premium away.
    pub benchmark: Fen,
    /// Premium of the period, rounded once.
    pub premium: Fen,
    /// How it came about.
    pub trace: Trace,
}

/// Succeeded, but a person should be told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "openapi", schema(as = RatingNotice))]
#[serde(rename_all = "camelCase")]
pub struct Notice {
    /// Stable code, for example `NCD_FALLBACK`; a rule id where a rule warns, for example `L18`.
    pub code: Cow<'static, str>,
    /// What it says.
    pub text: String,
}

/// Why the input cannot be rated.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RatingRefusal {
    /// Rule of `validation_rules.csv`, for example `L13`; `TARIFF` where the bundle has no row.
    pub rule: &'static str,
    /// JSON pointer into the input, for example `/commercial/autonomous`.
    pub pointer: String,
    /// What is wrong, naming what would be right where that is known.
    pub text: String,
}

impl RatingRefusal {
    pub(crate) fn new(
        rule: &'static str,
        pointer: impl Into<String>,
        text: impl Into<String>,
    ) -> RatingRefusal {
        RatingRefusal { rule, pointer: pointer.into(), text: text.into() }
    }
}

impl std::fmt::Display for RatingRefusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} at {}: {}", self.rule, self.pointer, self.text)
    }
}

impl From<LimitsPair> for CompulsoryLimits {
    /// The limits as the adjustment of a claim takes them.
    fn from(pair: LimitsPair) -> CompulsoryLimits {
        let by_item = |limits: Limits| ByItem {
            death_disability: limits.death_disability,
            medical: limits.medical,
            property: limits.property,
        };
        CompulsoryLimits { at_fault: by_item(pair.at_fault), no_fault: by_item(pair.no_fault) }
    }
}

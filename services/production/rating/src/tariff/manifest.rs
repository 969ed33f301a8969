//! The list of a bundle's tables: which file is which table, what chooses its rows.

use serde::Deserialize;

use super::error::TariffError;

/// Name of the manifest inside a bundle.
pub(crate) const MANIFEST: &str = "manifest.toml";

/// The date that chooses the row of a table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum KeyDate {
    /// Day of the quote query.
    Quote,
    /// Day the policy is issued.
    Issue,
    /// First day of cover.
    Start,
    /// Day of the accident.
    Accident,
    /// Each row says so itself, in its column `key_date`.
    Row,
    /// The table has no periods.
    #[default]
    None,
}

/// What a table is for; fixes the columns its file must have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Kind {
    CompulsoryBase,
    CompulsoryTractor,
    CompulsoryRegion,
    CompulsoryFloat,
    CompulsoryDrunkDriving,
    CompulsoryViolation,
    CompulsoryLimits,
    CompulsoryShortPeriod,
    NcdScheme,
    NcdLevel,
    ViolationCoefficient,
    Parameter,
    CommercialClass,
    PureRisk,
    Depreciation,
    HullDeductible,
    AbsoluteDeductible,
    AdditionalCover,
    Scratch,
    CommercialRefund,
    CommercialShortRate,
    VehicleTax,
    VehicleTaxStatutory,
    VehicleTaxRule,
    VehicleTaxDerate,
    VehicleTaxDue,
    CodeList,
    Reference,
}

impl Kind {
    /// Tables without which nothing can be rated.
    pub(crate) const RATING: [Kind; 26] = [
        Kind::CompulsoryBase,
        Kind::CompulsoryTractor,
        Kind::CompulsoryRegion,
        Kind::CompulsoryFloat,
        Kind::CompulsoryDrunkDriving,
        Kind::CompulsoryViolation,
        Kind::CompulsoryLimits,
        Kind::CompulsoryShortPeriod,
        Kind::NcdScheme,
        Kind::NcdLevel,
        Kind::ViolationCoefficient,
        Kind::Parameter,
        Kind::CommercialClass,
        Kind::PureRisk,
        Kind::Depreciation,
        Kind::HullDeductible,
        Kind::AbsoluteDeductible,
        Kind::AdditionalCover,
        Kind::Scratch,
        Kind::CommercialRefund,
        Kind::CommercialShortRate,
        Kind::VehicleTax,
        Kind::VehicleTaxStatutory,
        Kind::VehicleTaxRule,
        Kind::VehicleTaxDerate,
        Kind::VehicleTaxDue,
    ];

    /// Columns the file must have beside `source` and `from_memory`.
    pub(crate) fn columns(self) -> &'static [&'static str] {
        match self {
            Kind::CompulsoryBase => &[
                "rate_key",
                "class_cn",
                "use_codes",
                "vehicle_category_codes",
                "seats_min",
                "seats_max_excl",
                "tonnes_min",
                "tonnes_max_excl",
                "displacement_cc_min_excl",
                "displacement_cc_max_incl",
                "power_kw_min_excl",
                "power_kw_max_incl",
                "base_premium_cny",
                "rule",
                "effective_from",
                "effective_to",
            ],
            Kind::CompulsoryTractor => {
                &["regions", "rate_key", "base_premium_cny", "effective_from", "effective_to"]
            }
            Kind::CompulsoryRegion => &["regions", "scheme", "effective_from", "effective_to"],
            Kind::CompulsoryFloat => {
                &["scheme", "level", "factor_code", "float_pct", "effective_from", "effective_to"]
            }
            Kind::CompulsoryDrunkDriving => &[
                "regions",
                "violation",
                "float_pct_applied",
                "cap_cumulative_pct",
                "events_from",
                "effective_from",
                "effective_to",
            ],
            Kind::CompulsoryViolation => &[
                "regions",
                "code",
                "basis",
                "threshold",
                "float_pct",
                "max_pct",
                "effective_from",
                "effective_to",
            ],
            Kind::CompulsoryLimits => &[
                "liability",
                "death_disability_cny",
                "medical_cny",
                "property_cny",
                "total_cny",
                "effective_from",
                "effective_to",
            ],
            Kind::CompulsoryShortPeriod => {
                &["months_from", "months_to_incl", "rate_pct", "effective_from", "effective_to"]
            }
            Kind::NcdScheme => &[
                "scheme",
                "regions",
                "method",
                "look_back_years",
                "best_streak_years",
                "best_level",
                "cap_level",
                "max_lapse_months",
                "effective_from",
                "effective_to",
                "notice",
            ],
            Kind::NcdLevel => &["scheme", "level", "coefficient", "reason_code"],
            Kind::ViolationCoefficient => &[
                "regions",
                "violation",
                "count_threshold",
                "step_pct",
                "max_pct",
                "effective_from",
                "effective_to",
            ],
            Kind::Parameter => &[
                "parameter",
                "regions",
                "fuel",
                "min",
                "max",
                "value",
                "key_date",
                "effective_from",
                "effective_to",
            ],
            Kind::CommercialClass => &["class_key", "use_codes", "vehicle_category_codes"],
            Kind::PureRisk => &[
                "cover",
                "class_key",
                "limit_cny",
                "vehicle_age_years_min",
                "vehicle_age_years_max_excl",
                "pure_risk_base_cny",
                "pure_risk_rate",
                "regions",
                "effective_from",
                "effective_to",
                "synthetic",
            ],
            Kind::Depreciation => &[
                "group",
                "class_keys",
                "powertrain",
                "price_min_cny",
                "price_max_excl_cny",
                "monthly_rate",
                "floor_share",
                "effective_from",
                "effective_to",
            ],
            Kind::HullDeductible => &["deductible_cny", "factor", "effective_from", "effective_to"],
            Kind::AbsoluteDeductible => {
                &["deductible_pct", "reduction_pct", "effective_from", "effective_to"]
            }
            Kind::AdditionalCover => &[
                "code",
                "use_codes",
                "ncd_applies",
                "basis",
                "rate",
                "quantity_min",
                "quantity_max",
                "limits_cny",
                "effective_from",
                "effective_to",
            ],
            Kind::Scratch => &[
                "limit_cny",
                "vehicle_age_years_min",
                "vehicle_age_years_max_excl",
                "price_min_cny",
                "price_max_excl_cny",
                "pure_risk_cny",
                "effective_from",
                "effective_to",
            ],
            Kind::CommercialRefund => &[
                "clause",
                "canceller",
                "moment",
                "method",
                "fee_pct",
                "effective_from",
                "effective_to",
            ],
            Kind::CommercialShortRate => &[
                "clause",
                "months_from",
                "months_to_incl",
                "rate_pct",
                "effective_from",
                "effective_to",
            ],
            Kind::VehicleTax => &[
                "regions",
                "variant",
                "priority",
                "tax_item",
                "band",
                "displacement_l_min_excl",
                "displacement_l_max_incl",
                "unit",
                "annual_tax_cny",
                "effective_from",
                "effective_to",
                "notice",
            ],
            Kind::VehicleTaxStatutory => &[
                "tax_item",
                "band",
                "displacement_l_min_excl",
                "displacement_l_max_incl",
                "annual_tax_min_cny",
                "annual_tax_max_cny",
                "effective_from",
            ],
            Kind::VehicleTaxRule => {
                &["rule_id", "parameter", "number", "effective_from", "effective_to"]
            }
            Kind::VehicleTaxDerate => &[
                "regions",
                "code",
                "share",
                "condition",
                "rule_id",
                "effective_from",
                "effective_to",
            ],
            Kind::VehicleTaxDue => {
                &["regions", "due_month", "due_day", "effective_from", "effective_to"]
            }
            Kind::CodeList | Kind::Reference => &[],
        }
    }
}

/// Two columns whose numbers must run on without gap or overlap.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Band {
    pub(crate) from: String,
    pub(crate) to: String,
    /// Columns whose rows form one band.
    pub(crate) within: Vec<String>,
    /// Whether the band must reach from nothing to without end.
    #[serde(default)]
    pub(crate) open: bool,
}

/// One table of a bundle.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Entry {
    pub(crate) kind: Kind,
    pub(crate) file: String,
    pub(crate) key_date: KeyDate,
    pub(crate) key: Vec<String>,
    pub(crate) band: Option<Band>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Manifest {
    table: Vec<Entry>,
}

/// Reads the manifest; every mistake in it names its line.
pub(crate) fn parse(bytes: &[u8]) -> Result<Vec<Entry>, TariffError> {
    let advice = "correct the manifest; tariffs/README.md describes it";
    let text = std::str::from_utf8(bytes).map_err(|_| {
        TariffError::file(MANIFEST, "the manifest is not UTF-8".into(), "save it as UTF-8")
    })?;
    let manifest: Manifest = toml::from_str(text).map_err(|cause| {
        let line = cause
            .span()
            .map(|span| text[..span.start].matches('\n').count() + 1)
            .and_then(|line| u32::try_from(line).ok());
        let problem = cause.message().to_owned();
        TariffError { line, ..TariffError::file(MANIFEST, problem, advice) }
    })?;
    Ok(manifest.table)
}

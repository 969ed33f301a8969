//! Market parameters: ranges, caps, shares, windows.

use jiff::civil::Date;
use production_core::region::Region;
use rust_decimal::Decimal;

use super::compulsory::dated;
use super::dated::Dated;
use super::manifest::{KeyDate, Kind};
use super::tables::{Reading, Sheets};

macro_rules! parameters {
    ($($(#[$meta:meta])* $variant:ident = $code:literal, $step:literal;)+) => {
        /// A market parameter by its code in `pricing_parameters.csv`.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Parameter {
            $($(#[$meta])* $variant,)+
        }

        impl Parameter {
            const CODES: &'static [&'static str] = &[$($code,)+];

            /// The code in `pricing_parameters.csv`.
            pub const fn code(self) -> &'static str {
                match self { $(Parameter::$variant => $code,)+ }
            }

            /// The name of its step in a trace.
            pub(crate) const fn step(self) -> &'static str {
                match self { $(Parameter::$variant => $step,)+ }
            }
        }
    };
}

parameters! {
    /// Range of the autonomous coefficient (自主定价系数).
    AutonomousCoefficient = "autonomous_coefficient", "autonomousCoefficient";
    /// Highest expense ratio (附加费用率).
    ExpenseRatioCap = "expense_ratio_cap", "expenseRatioCap";
    /// Range of the underwriting coefficient before 2020 (自主核保系数).
    UnderwritingCoefficient = "underwriting_coefficient", "underwritingCoefficient";
    /// Range of the channel coefficient before 2020 (自主渠道系数).
    ChannelCoefficient = "channel_coefficient", "channelCoefficient";
    /// Highest commission of compulsory cover, a share of the premium.
    CompulsoryCommissionCap = "compulsory_commission_cap", "compulsoryCommissionCap";
    /// Highest commission of commercial covers, a share of the premium.
    CommercialCommissionCap = "commercial_commission_cap", "commercialCommissionCap";
    /// Highest fee for collecting vehicle tax, a share of the tax.
    TaxWithholdingFeeCap = "tax_withholding_fee_cap", "taxWithholdingFeeCap";
    /// Share of the compulsory premium for the road-accident fund (救助基金).
    FundShare = "fund_share", "fundShare";
    /// Pure risk premium per yuan the agreed value differs from the standard value.
    HullAgreedSlope = "hull_agreed_slope", "hullAgreedSlope";
    /// How far the agreed value may stray from the actual value, a share of it.
    HullAgreedBand = "hull_agreed_band", "hullAgreedBand";
    /// Linear term of the liability formula above one million.
    LiabilityGrowth = "liability_growth", "liabilityGrowth";
    /// Quadratic term of the liability formula above one million.
    LiabilityDamping = "liability_damping", "liabilityDamping";
    /// Step of liability limits above one million, in yuan.
    LiabilityStep = "liability_step_cny", "liabilityStepCny";
    /// Highest liability limit, in yuan.
    LiabilityMax = "liability_max_cny", "liabilityMaxCny";
    /// Days a policy may be quoted ahead of its start.
    QuoteWindowDays = "quote_window_days", "quoteWindowDays";
    /// Days compulsory cover may begin before the quote.
    CompulsoryRetroactiveDays = "compulsory_retroactive_days", "compulsoryRetroactiveDays";
    /// Days commercial cover may begin before the quote.
    CommercialRetroactiveDays = "commercial_retroactive_days", "commercialRetroactiveDays";
    /// Days a query code is good for.
    QueryCodeValidDays = "query_code_valid_days", "queryCodeValidDays";
    /// Quote queries of one user a day.
    DailyQuoteQuota = "daily_quote_quota", "dailyQuoteQuota";
}

/// A parameter in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParameterValue {
    /// Least allowed.
    pub min: Option<Decimal>,
    /// Most allowed.
    pub max: Option<Decimal>,
    /// The value applied, where one number is.
    pub value: Option<Decimal>,
    /// The date that chooses the row.
    pub key_date: KeyDate,
}

/// The vehicles a parameter row is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FuelScope {
    All,
    Fuel,
    NewEnergy,
}

#[derive(Debug, Default)]
pub(crate) struct Parameters(Vec<Vec<Dated<(FuelScope, ParameterValue)>>>);

impl Parameters {
    pub(crate) fn read(sheets: &Sheets<'_>, reading: &mut Reading) -> Parameters {
        let mut rows = vec![Vec::new(); Parameter::CODES.len()];
        reading.each(sheets, Kind::Parameter, |cells| {
            let at = cells.choice("parameter", Parameter::CODES);
            let fuel = [FuelScope::All, FuelScope::Fuel, FuelScope::NewEnergy]
                [cells.choice("fuel", &["all", "fuel", "nev"])];
            let key_date = [KeyDate::Quote, KeyDate::Issue, KeyDate::Start, KeyDate::Accident]
                [cells.choice("key_date", &["quote", "issue", "start", "accident"])];
            let value = ParameterValue {
                min: cells.decimal_opt("min"),
                max: cells.decimal_opt("max"),
                value: cells.decimal_opt("value"),
                key_date,
            };
            if value.min.is_none() && value.max.is_none() && value.value.is_none() {
                let problem = "the row has neither min, max nor value".to_owned();
                cells.wrong("value", problem, "fill one of them in");
            }
            if let (Some(min), Some(max)) = (value.min, value.max)
                && min > max
            {
                let problem = format!("the least value {min} is above the most {max}");
                cells.wrong("min", problem, "swap them");
            }
            let row = dated(cells, (fuel, value));
            rows[at].push(row);
        });
        for (at, found) in rows.iter().enumerate() {
            if found.is_empty() {
                let problem = format!("there is no row for {}", Parameter::CODES[at]);
                reading.file_error(sheets, Kind::Parameter, problem, "add the row");
            }
        }
        Parameters(rows)
    }

    pub(crate) fn in_force(
        &self,
        parameter: Parameter,
        region: Region,
        new_energy: bool,
        day: Date,
    ) -> Option<&Dated<(FuelScope, ParameterValue)>> {
        self.0.get(parameter as usize)?.iter().find(|row| {
            row.regions.contains(region)
                && row.span.contains(day)
                && match row.value.0 {
                    FuelScope::All => true,
                    FuelScope::Fuel => !new_energy,
                    FuelScope::NewEnergy => new_energy,
                }
        })
    }
}

//! Tables of the commercial covers: classes, pure risk, depreciation, discounts, refunds.

use std::collections::HashMap;

use kernel::Fen;
use production_core::cover::{Cover, CoverClass};
use production_core::history::ViolationKind;
use production_core::vehicle::{Category, Usage};
use rust_decimal::Decimal;

use super::compulsory::{dated, pair, violation_kind};
use super::dated::{Dated, RowRef};
use super::manifest::Kind;
use super::tables::{Reading, Sheets};

/// Pure risk rows of one vehicle class.
#[derive(Debug, Default)]
pub(crate) struct ClassRates {
    pub(crate) key: String,
    pub(crate) third_party: Vec<Dated<(Fen, Fen)>>,
    pub(crate) hull: Vec<Dated<HullRate>>,
    pub(crate) driver: Vec<Dated<Decimal>>,
    pub(crate) passenger: Vec<Dated<Decimal>>,
    /// Per powertrain: combustion, battery, plug-in.
    pub(crate) depreciation: [Vec<Dated<Depreciation>>; 3],
}

/// Own damage of an age band: base + rate × new price.
#[derive(Clone, Debug)]
pub(crate) struct HullRate {
    pub(crate) age_from: u32,
    pub(crate) age_to: Option<u32>,
    pub(crate) base: Fen,
    pub(crate) rate: Decimal,
}

/// Loss of value a month, for a band of new prices.
#[derive(Clone, Debug)]
pub(crate) struct Depreciation {
    pub(crate) price_from: Option<Fen>,
    pub(crate) price_to: Option<Fen>,
    pub(crate) monthly: Decimal,
    pub(crate) floor: Decimal,
}

/// How an additional cover is priced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AdditionalBasis {
    RateTimesLimit,
    LimitTable,
    RateTimesDaysTimesDaily,
    ShareOfMain,
    PerUnit,
}

/// An additional cover.
#[derive(Clone, Debug)]
pub(crate) struct Additional {
    pub(crate) cover: Cover,
    pub(crate) uses: Vec<Usage>,
    pub(crate) ncd_applies: bool,
    pub(crate) basis: AdditionalBasis,
    pub(crate) rate: Decimal,
    pub(crate) quantity: (Option<u16>, Option<u16>),
    pub(crate) limits: Vec<Fen>,
}

/// A cell of the scratch table.
#[derive(Clone, Debug)]
pub(crate) struct Scratch {
    pub(crate) limit: Fen,
    pub(crate) age_from: u32,
    pub(crate) age_to: Option<u32>,
    pub(crate) price_from: Option<Fen>,
    pub(crate) price_to: Option<Fen>,
    pub(crate) pure: Fen,
}

/// How a scheme of the no-claim discount finds its level.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NcdMethod {
    ClaimsMinusYears,
    PreviousYear,
}

/// A no-claim discount scheme.
#[derive(Clone, Debug)]
pub(crate) struct NcdScheme {
    pub(crate) name: String,
    pub(crate) method: NcdMethod,
    pub(crate) look_back_years: u8,
    pub(crate) best_streak_years: u8,
    pub(crate) best_level: i8,
    pub(crate) cap_level: i8,
    pub(crate) max_lapse_months: u8,
    pub(crate) notice: Option<String>,
    /// Levels in ascending order.
    pub(crate) levels: Vec<NcdLevel>,
}

/// A level of a scheme.
#[derive(Clone, Debug)]
pub(crate) struct NcdLevel {
    pub(crate) level: i8,
    pub(crate) coefficient: Decimal,
    pub(crate) reason: Option<String>,
    pub(crate) at: RowRef,
}

/// Surcharge of one violation kind in the commercial coefficient.
#[derive(Clone, Debug)]
pub(crate) struct ViolationStep {
    pub(crate) kind: ViolationKind,
    pub(crate) threshold: u32,
    pub(crate) step: Decimal,
    pub(crate) max: Decimal,
}

/// How a refund is computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RefundMethod {
    Full,
    ProRata,
    ShortRate,
}

/// A refund rule of a clause version.
#[derive(Clone, Debug)]
pub(crate) struct RefundRule {
    pub(crate) clause: String,
    pub(crate) by_insurer: bool,
    pub(crate) after_start: bool,
    pub(crate) method: RefundMethod,
    pub(crate) fee: Decimal,
}

/// A band of a clause's short-rate table.
#[derive(Clone, Debug)]
pub(crate) struct ShortRate {
    pub(crate) clause: String,
    pub(crate) months: u8,
    pub(crate) rate: Decimal,
}

/// Everything commercial rating reads.
#[derive(Debug, Default)]
pub(crate) struct Commercial {
    pub(crate) classes: Vec<ClassRates>,
    /// Class and row by use and category.
    class_index: Vec<Option<(u16, RowRef)>>,
    pub(crate) deductible: Vec<Dated<(Fen, Decimal)>>,
    pub(crate) absolute: Vec<Dated<(u8, Decimal)>>,
    pub(crate) additional: Vec<Dated<Additional>>,
    pub(crate) scratch: Vec<Dated<Scratch>>,
    pub(crate) ncd: Vec<Dated<NcdScheme>>,
    pub(crate) violation: Vec<Dated<ViolationStep>>,
    pub(crate) refund: Vec<Dated<RefundRule>>,
    pub(crate) short_rate: Vec<Dated<ShortRate>>,
}

impl Commercial {
    pub(crate) fn read(sheets: &Sheets<'_>, reading: &mut Reading) -> Commercial {
        let mut tables = Commercial::default();
        let by_key = tables.read_classes(sheets, reading);
        tables.read_pure_risk(&by_key, sheets, reading);
        tables.read_depreciation(&by_key, sheets, reading);
        tables.read_additional(sheets, reading);
        tables.read_ncd(sheets, reading);
        reading.each(sheets, Kind::ViolationCoefficient, |cells| {
            let value = ViolationStep {
                kind: violation_kind(cells, "violation"),
                threshold: cells.whole("count_threshold"),
                step: cells.percent("step_pct"),
                max: cells.percent("max_pct"),
            };
            if value.threshold == 0 {
                let problem = "a threshold of 0 would surcharge everybody".to_owned();
                cells.wrong("count_threshold", problem, "write 1 or more");
            }
            tables.violation.push(dated(cells, value));
        });
        tables.read_refunds(sheets, reading);
        tables
    }

    fn read_classes(
        &mut self,
        sheets: &Sheets<'_>,
        reading: &mut Reading,
    ) -> HashMap<String, usize> {
        self.class_index = vec![None; Usage::ALL.len() * Category::ALL.len()];
        let mut by_key = HashMap::new();
        reading.each(sheets, Kind::CommercialClass, |cells| {
            let key = cells.needed_text("class_key").to_owned();
            let uses = cells.codes("use_codes", |code| Usage::parse(code).ok());
            let categories =
                cells.codes("vehicle_category_codes", |code| Category::parse(code).ok());
            let class = self.classes.len();
            let at = cells.row_ref();
            for &usage in &uses {
                for &category in &categories {
                    let slot = &mut self.class_index[pair(usage, category)];
                    if let Some((_, other)) = slot {
                        let problem = format!(
                            "use {usage} with category {category} is already classed on line {}",
                            other.line
                        );
                        let advice = "let each use and category fall into one class";
                        cells.wrong("vehicle_category_codes", problem, advice);
                    }
                    *slot = Some((u16::try_from(class).unwrap_or(u16::MAX), at));
                }
            }
            by_key.insert(key.clone(), class);
            self.classes.push(ClassRates { key, ..ClassRates::default() });
        });
        by_key
    }

    fn read_pure_risk(
        &mut self,
        by_key: &HashMap<String, usize>,
        sheets: &Sheets<'_>,
        reading: &mut Reading,
    ) {
        reading.each(sheets, Kind::PureRisk, |cells| {
            let key = cells.text("class_key");
            let Some(&class) = by_key.get(key) else {
                let problem = format!("{key:?} is not a known class");
                cells.wrong("class_key", problem, "use a class_key of commercial_class");
                return;
            };
            let rates = &mut self.classes[class];
            match cells.choice("cover", &["TPL", "HULL", "DRIVER", "PASSENGER"]) {
                0 => {
                    let value = (cells.amount("limit_cny"), cells.amount("pure_risk_base_cny"));
                    rates.third_party.push(dated(cells, value));
                }
                1 => {
                    let value = HullRate {
                        age_from: cells.whole("vehicle_age_years_min"),
                        age_to: cells.whole_opt("vehicle_age_years_max_excl"),
                        base: cells.amount("pure_risk_base_cny"),
                        rate: cells.decimal("pure_risk_rate"),
                    };
                    rates.hull.push(dated(cells, value));
                }
                2 => {
                    let rate = cells.decimal("pure_risk_rate");
                    rates.driver.push(dated(cells, rate));
                }
                _ => {
                    let rate = cells.decimal("pure_risk_rate");
                    rates.passenger.push(dated(cells, rate));
                }
            }
        });
    }

    fn read_depreciation(
        &mut self,
        by_key: &HashMap<String, usize>,
        sheets: &Sheets<'_>,
        reading: &mut Reading,
    ) {
        reading.each(sheets, Kind::Depreciation, |cells| {
            let power = cells.choice("powertrain", &["combustion", "battery", "plug_in"]);
            let value = Depreciation {
                price_from: cells.amount_opt("price_min_cny"),
                price_to: cells.amount_opt("price_max_excl_cny"),
                monthly: cells.decimal("monthly_rate"),
                floor: cells.decimal("floor_share"),
            };
            let classes = cells.codes("class_keys", |key| by_key.get(key).copied());
            let row = dated(cells, value);
            for class in classes {
                self.classes[class].depreciation[power].push(row.clone());
            }
        });
        for class in &self.classes {
            if class.depreciation.iter().any(Vec::is_empty) {
                let problem =
                    format!("class {} has no depreciation for every powertrain", class.key);
                reading.file_error(sheets, Kind::Depreciation, problem, "add the row");
            }
        }
    }

    fn read_additional(&mut self, sheets: &Sheets<'_>, reading: &mut Reading) {
        reading.each(sheets, Kind::AdditionalCover, |cells| {
            let text = cells.text("code");
            let cover = match Cover::parse(text) {
                Ok(cover) if cover.class() == CoverClass::Additional => cover,
                _ => {
                    let problem = format!("{text:?} is not an additional cover");
                    cells.wrong("code", problem, "use X02 to X11 or N11 to N15");
                    Cover::Wheel
                }
            };
            const BASES: [(&str, AdditionalBasis); 5] = [
                ("rate_x_limit", AdditionalBasis::RateTimesLimit),
                ("limit_table", AdditionalBasis::LimitTable),
                ("rate_x_days_x_daily", AdditionalBasis::RateTimesDaysTimesDaily),
                ("share_of_main", AdditionalBasis::ShareOfMain),
                ("per_unit", AdditionalBasis::PerUnit),
            ];
            let basis = BASES[cells.choice("basis", &BASES.map(|(name, _)| name))].1;
            let uses = match cells.text("use_codes") {
                "*" => Usage::ALL.to_vec(),
                _ => cells.codes("use_codes", |code| Usage::parse(code).ok()),
            };
            let limits = match cells.text("limits_cny") {
                "" => Vec::new(),
                _ => cells.codes("limits_cny", |limit| limit.parse().ok()),
            };
            let rate = match basis {
                AdditionalBasis::LimitTable => Decimal::ZERO,
                _ => cells.decimal("rate"),
            };
            let value = Additional {
                cover,
                uses,
                ncd_applies: cells.flag("ncd_applies"),
                basis,
                rate,
                quantity: (cells.whole_opt("quantity_min"), cells.whole_opt("quantity_max")),
                limits,
            };
            self.additional.push(dated(cells, value));
        });
        reading.each(sheets, Kind::Scratch, |cells| {
            let value = Scratch {
                limit: cells.amount("limit_cny"),
                age_from: cells.whole("vehicle_age_years_min"),
                age_to: cells.whole_opt("vehicle_age_years_max_excl"),
                price_from: cells.amount_opt("price_min_cny"),
                price_to: cells.amount_opt("price_max_excl_cny"),
                pure: cells.amount("pure_risk_cny"),
            };
            self.scratch.push(dated(cells, value));
        });
        reading.each(sheets, Kind::HullDeductible, |cells| {
            let value = (cells.amount("deductible_cny"), cells.decimal("factor"));
            self.deductible.push(dated(cells, value));
        });
        reading.each(sheets, Kind::AbsoluteDeductible, |cells| {
            let value = (cells.whole("deductible_pct"), cells.percent("reduction_pct"));
            self.absolute.push(dated(cells, value));
        });
    }

    fn read_ncd(&mut self, sheets: &Sheets<'_>, reading: &mut Reading) {
        let mut levels: HashMap<String, Vec<NcdLevel>> = HashMap::new();
        reading.each(sheets, Kind::NcdLevel, |cells| {
            let reason = cells.text("reason_code");
            let value = NcdLevel {
                level: cells.whole("level"),
                coefficient: cells.decimal("coefficient"),
                reason: (!reason.is_empty()).then(|| reason.to_owned()),
                at: cells.row_ref(),
            };
            if value.coefficient <= Decimal::ZERO {
                let problem = format!("a coefficient of {} is not above zero", value.coefficient);
                cells.wrong("coefficient", problem, "write a factor such as 0.8");
            }
            levels.entry(cells.needed_text("scheme").to_owned()).or_default().push(value);
        });
        for rows in levels.values_mut() {
            rows.sort_by_key(|row| row.level);
        }
        reading.each(sheets, Kind::NcdScheme, |cells| {
            let name = cells.needed_text("scheme");
            let notice = cells.text("notice");
            let value = NcdScheme {
                name: name.to_owned(),
                method: [NcdMethod::ClaimsMinusYears, NcdMethod::PreviousYear]
                    [cells.choice("method", &["claims_minus_years", "previous_year"])],
                look_back_years: cells.whole("look_back_years"),
                best_streak_years: cells.whole("best_streak_years"),
                best_level: cells.whole("best_level"),
                cap_level: cells.whole("cap_level"),
                max_lapse_months: cells.whole("max_lapse_months"),
                notice: (!notice.is_empty()).then(|| notice.to_owned()),
                levels: levels.get(name).cloned().unwrap_or_default(),
            };
            for level in [0, value.best_level, value.cap_level] {
                if !value.levels.iter().any(|row| row.level == level) {
                    let problem = format!("scheme {name} has no level {level} in ncd_level");
                    cells.wrong("scheme", problem, "add the level or correct the scheme's name");
                }
            }
            self.ncd.push(dated(cells, value));
        });
    }

    fn read_refunds(&mut self, sheets: &Sheets<'_>, reading: &mut Reading) {
        reading.each(sheets, Kind::CommercialRefund, |cells| {
            let value = RefundRule {
                clause: cells.needed_text("clause").to_owned(),
                by_insurer: cells.choice("canceller", &["policyholder", "insurer"]) == 1,
                after_start: cells.choice("moment", &["before_start", "after_start"]) == 1,
                method: [RefundMethod::Full, RefundMethod::ProRata, RefundMethod::ShortRate]
                    [cells.choice("method", &["full", "pro_rata", "short_rate"])],
                fee: cells.percent("fee_pct"),
            };
            self.refund.push(dated(cells, value));
        });
        reading.each(sheets, Kind::CommercialShortRate, |cells| {
            let value = ShortRate {
                clause: cells.needed_text("clause").to_owned(),
                months: cells.whole("months_to_incl"),
                rate: cells.percent("rate_pct"),
            };
            self.short_rate.push(dated(cells, value));
        });
    }

    /// The class of a use and category, and the row that says so.
    pub(crate) fn class(&self, usage: Usage, category: Category) -> Option<(&ClassRates, RowRef)> {
        let (class, at) = self.class_index.get(pair(usage, category)).copied().flatten()?;
        Some((self.classes.get(usize::from(class))?, at))
    }
}

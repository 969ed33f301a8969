//! Tables of the compulsory cover.

use std::collections::HashMap;

use jiff::civil::Date;
use kernel::Fen;
use production_core::history::ViolationKind;
use production_core::vehicle::{Category, Usage};
use rust_decimal::Decimal;

use super::dated::{Dated, RegionSet};
use super::manifest::Kind;
use super::sheet::Cells;
use super::tables::{Reading, Sheets};
use crate::rating::Limits;

/// A row of the base premium table.
#[derive(Clone, Debug)]
pub(crate) struct Base {
    pub(crate) rate_key: String,
    pub(crate) uses: Vec<Usage>,
    pub(crate) categories: Vec<Category>,
    pub(crate) seats: (Option<u16>, Option<u16>),
    pub(crate) tonnes: (Option<Decimal>, Option<Decimal>),
    pub(crate) displacement_cc: (Option<u32>, Option<u32>),
    pub(crate) power_kw: (Option<Decimal>, Option<Decimal>),
    pub(crate) rule: BaseRule,
}

/// How the base premium is found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum BaseRule {
    /// A national amount.
    Fixed(Fen),
    /// An amount per region under this key.
    Regional(String),
    /// No compulsory cover is written.
    NotInsurable,
}

/// A level of a float scheme.
#[derive(Clone, Debug)]
pub(crate) struct FloatLevel {
    pub(crate) code: String,
    pub(crate) rate: Decimal,
}

/// Up-float of drink or drunk driving.
#[derive(Clone, Debug)]
pub(crate) struct Drunk {
    pub(crate) kind: ViolationKind,
    pub(crate) rate: Decimal,
    pub(crate) cap: Decimal,
    pub(crate) events_from: Date,
}

/// How a violation code is earned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Basis {
    CleanYears,
    MinorCount,
    PerEvent,
}

/// Float of one violation code in a region with a police link.
#[derive(Clone, Debug)]
pub(crate) struct ViolationFloat {
    pub(crate) code: String,
    pub(crate) basis: Basis,
    pub(crate) threshold: u32,
    pub(crate) rate: Decimal,
    pub(crate) max: Decimal,
}

/// A band of the short-period table.
#[derive(Clone, Debug)]
pub(crate) struct ShortPeriod {
    pub(crate) months: u8,
    pub(crate) rate: Decimal,
}

/// Everything compulsory rating reads.
#[derive(Debug, Default)]
pub(crate) struct Compulsory {
    pub(crate) base: Vec<Dated<Base>>,
    /// Rows of `base` by use and category.
    base_index: Vec<Vec<u16>>,
    pub(crate) tractor: HashMap<String, Vec<Dated<Fen>>>,
    /// Index into `floats`.
    pub(crate) scheme: Vec<Dated<u8>>,
    /// Six levels of each scheme.
    pub(crate) floats: Vec<[Vec<Dated<FloatLevel>>; 6]>,
    pub(crate) drunk: Vec<Dated<Drunk>>,
    pub(crate) violation: Vec<Dated<ViolationFloat>>,
    pub(crate) at_fault: Vec<Dated<Limits>>,
    pub(crate) no_fault: Vec<Dated<Limits>>,
    pub(crate) short: Vec<Dated<ShortPeriod>>,
}

impl Compulsory {
    pub(crate) fn read(sheets: &Sheets<'_>, reading: &mut Reading) -> Compulsory {
        let mut tables = Compulsory::default();
        tables.read_base(sheets, reading);
        tables.read_floats(sheets, reading);
        reading.each(sheets, Kind::CompulsoryDrunkDriving, |cells| {
            let value = Drunk {
                kind: violation_kind(cells, "violation"),
                rate: cells.percent("float_pct_applied"),
                cap: cells.percent("cap_cumulative_pct"),
                events_from: cells.date_opt("events_from").unwrap_or(Date::MIN),
            };
            tables.drunk.push(dated(cells, value));
        });
        reading.each(sheets, Kind::CompulsoryViolation, |cells| {
            let basis = [Basis::CleanYears, Basis::MinorCount, Basis::PerEvent]
                [cells.choice("basis", &["clean_years", "minor_count", "per_event"])];
            let value = ViolationFloat {
                code: cells.needed_text("code").to_owned(),
                basis,
                threshold: cells.whole("threshold"),
                rate: cells.percent("float_pct"),
                max: cells.percent("max_pct"),
            };
            tables.violation.push(dated(cells, value));
        });
        reading.each(sheets, Kind::CompulsoryLimits, |cells| {
            let limits = Limits {
                death_disability: cells.amount("death_disability_cny"),
                medical: cells.amount("medical_cny"),
                property: cells.amount("property_cny"),
            };
            let sum = Fen::sum([limits.death_disability, limits.medical, limits.property]);
            let total = cells.amount("total_cny");
            if sum != Some(total) {
                let problem = format!("{total} is not the sum of the three limits");
                cells.wrong("total_cny", problem, "add the three limits up");
            }
            let row = dated(cells, limits);
            match cells.choice("liability", &["at_fault", "no_fault"]) {
                0 => tables.at_fault.push(row),
                _ => tables.no_fault.push(row),
            }
        });
        reading.each(sheets, Kind::CompulsoryShortPeriod, |cells| {
            let value = ShortPeriod {
                months: cells.whole("months_to_incl"),
                rate: cells.percent("rate_pct"),
            };
            tables.short.push(dated(cells, value));
        });
        tables
    }

    fn read_base(&mut self, sheets: &Sheets<'_>, reading: &mut Reading) {
        let mut same_as = Vec::new();
        reading.each(sheets, Kind::CompulsoryBase, |cells| {
            let rate_key = cells.needed_text("rate_key").to_owned();
            let rule = match cells.text("rule") {
                "fixed" => BaseRule::Fixed(cells.amount("base_premium_cny")),
                "regional" => BaseRule::Regional(rate_key.clone()),
                "not_insurable" => BaseRule::NotInsurable,
                other => match other.strip_prefix("same_as:") {
                    Some(key) => {
                        same_as.push((self.base.len(), key.to_owned(), cells.line.line));
                        BaseRule::NotInsurable
                    }
                    None => {
                        let advice = "use fixed, regional, not_insurable or same_as:<rate_key>";
                        cells.wrong("rule", format!("{other:?} is not a known rule"), advice);
                        BaseRule::NotInsurable
                    }
                },
            };
            let uses = match cells.text("use_codes") {
                "" => Usage::ALL.to_vec(),
                _ => cells.codes("use_codes", |code| Usage::parse(code).ok()),
            };
            let value = Base {
                rate_key,
                uses,
                categories: cells
                    .codes("vehicle_category_codes", |code| Category::parse(code).ok()),
                seats: (cells.whole_opt("seats_min"), cells.whole_opt("seats_max_excl")),
                tonnes: (cells.decimal_opt("tonnes_min"), cells.decimal_opt("tonnes_max_excl")),
                displacement_cc: (
                    cells.whole_opt("displacement_cc_min_excl"),
                    cells.whole_opt("displacement_cc_max_incl"),
                ),
                power_kw: (
                    cells.decimal_opt("power_kw_min_excl"),
                    cells.decimal_opt("power_kw_max_incl"),
                ),
                rule,
            };
            self.base.push(dated(cells, value));
        });
        for (at, key, line) in same_as {
            match self.base.iter().find(|row| row.value.rate_key == key) {
                Some(row) => self.base[at].value.rule = row.value.rule.clone(),
                None => {
                    let problem = format!("there is no row {key:?} to be the same as");
                    let advice = "name a rate_key of this table";
                    reading.cell_error(sheets, Kind::CompulsoryBase, line, "rule", problem, advice);
                }
            }
        }
        self.base_index = vec![Vec::new(); Usage::ALL.len() * Category::ALL.len()];
        for (at, row) in self.base.iter().enumerate() {
            for &usage in &row.value.uses {
                for &category in &row.value.categories {
                    let slot = &mut self.base_index[pair(usage, category)];
                    let clash =
                        slot.iter().map(|&other| &self.base[usize::from(other)]).find(|other| {
                            other.span.overlaps(row.span) && other.regions.meets(row.regions)
                        });
                    if let Some(other) = clash {
                        let (name, line) = (&other.value.rate_key, other.at.line);
                        let problem = format!(
                            "use {usage} with category {category} is already rated as {name} on line {line}"
                        );
                        let advice = "let each use and category fall into one row";
                        let (kind, at) = (Kind::CompulsoryBase, row.at.line);
                        reading.cell_error(
                            sheets,
                            kind,
                            at,
                            "vehicle_category_codes",
                            problem,
                            advice,
                        );
                    }
                    slot.push(u16::try_from(at).unwrap_or(u16::MAX));
                }
            }
        }
        reading.each(sheets, Kind::CompulsoryTractor, |cells| {
            let key = cells.needed_text("rate_key").to_owned();
            if !self.base.iter().any(|row| row.value.rule == BaseRule::Regional(key.clone())) {
                let problem = format!("{key:?} is not a regional row of the base premium table");
                cells.wrong("rate_key", problem, "use a rate_key whose rule is regional");
            }
            let premium = cells.amount("base_premium_cny");
            let row = dated(cells, premium);
            self.tractor.entry(key).or_default().push(row);
        });
    }

    fn read_floats(&mut self, sheets: &Sheets<'_>, reading: &mut Reading) {
        let mut names: Vec<String> = Vec::new();
        reading.each(sheets, Kind::CompulsoryFloat, |cells| {
            let name = cells.needed_text("scheme");
            let at = names.iter().position(|known| known == name).unwrap_or_else(|| {
                names.push(name.to_owned());
                self.floats.push(Default::default());
                names.len() - 1
            });
            let level: usize = cells.whole("level");
            let value = FloatLevel {
                code: cells.needed_text("factor_code").to_owned(),
                rate: cells.percent("float_pct"),
            };
            let row = dated(cells, value);
            match self.floats[at].get_mut(level.wrapping_sub(1)) {
                Some(rows) => rows.push(row),
                None => {
                    let problem = format!("{level} is not a level");
                    cells.wrong("level", problem, "use 1 to 6");
                }
            }
        });
        for (name, levels) in names.iter().zip(&self.floats) {
            for (at, level) in levels.iter().enumerate() {
                if level.is_empty() {
                    let problem = format!("scheme {name} has no level {}", at + 1);
                    reading.file_error(sheets, Kind::CompulsoryFloat, problem, "add the row");
                }
            }
        }
        reading.each(sheets, Kind::CompulsoryRegion, |cells| {
            let name = cells.text("scheme");
            let at = names.iter().position(|known| known == name).unwrap_or_else(|| {
                let problem = format!("{name:?} is not a known scheme");
                cells.wrong("scheme", problem, "use a scheme of compulsory_float");
                0
            });
            self.scheme.push(dated(cells, u8::try_from(at).unwrap_or(u8::MAX)));
        });
    }

    /// Row numbers of the base table for a use and a category.
    pub(crate) fn base_rows(
        &self,
        usage: Usage,
        category: Category,
    ) -> impl Iterator<Item = &Dated<Base>> {
        let slot = self.base_index.get(pair(usage, category)).map_or(&[][..], Vec::as_slice);
        slot.iter().filter_map(|&at| self.base.get(usize::from(at)))
    }
}

pub(crate) fn pair(usage: Usage, category: Category) -> usize {
    usage as usize * Category::ALL.len() + category as usize
}

pub(crate) fn violation_kind(cells: &mut Cells<'_>, column: &str) -> ViolationKind {
    ViolationKind::parse(cells.text(column)).unwrap_or_else(|cause| {
        cells.wrong(column, cause.to_string(), "use V4, V5, V5R, V6, V7A, V7B, S1 or S2");
        ViolationKind::Minor
    })
}

/// The row with its period and regions; tables without these columns hold always and everywhere.
pub(crate) fn dated<T>(cells: &mut Cells<'_>, value: T) -> Dated<T> {
    let at = cells.row_ref();
    // Period and regions were judged by the checks every table gets; reading them again must not
    // report them twice.
    let known = cells.errors.len();
    let span = match cells.sheet.column("effective_from") {
        Some(_) => cells.span(),
        None => super::dated::Span::ALWAYS,
    };
    let regions = match cells.sheet.column("regions") {
        Some(_) => cells.regions(),
        None => RegionSet::ALL,
    };
    cells.errors.truncate(known);
    Dated { span, regions, at, value }
}

//! Tables of the vehicle tax.

use kernel::Fen;
use production_core::region::Region;
use rust_decimal::Decimal;

use super::compulsory::dated;
use super::dated::Dated;
use super::manifest::Kind;
use super::tables::{Reading, Sheets};
use crate::input::{TaxCondition, TaxItem};

/// A row of a provincial table.
#[derive(Clone, Debug)]
pub(crate) struct TaxRow {
    pub(crate) variant: String,
    pub(crate) priority: u8,
    pub(crate) above_l: Option<Decimal>,
    pub(crate) to_l: Option<Decimal>,
    pub(crate) per_tonne: bool,
    pub(crate) annual: Fen,
    pub(crate) notice: Option<String>,
}

/// A reduction.
#[derive(Clone, Debug)]
pub(crate) struct Derate {
    pub(crate) code: String,
    pub(crate) share: Decimal,
    pub(crate) condition: TaxCondition,
    pub(crate) rule: String,
}

/// Last day of the year's payment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct DueDay {
    pub(crate) month: i8,
    pub(crate) day: i8,
}

/// Everything the tax reads.
#[derive(Debug, Default)]
pub(crate) struct Tax {
    /// Rows by region and item, the variant of the lowest priority number first.
    rows: Vec<[Vec<Dated<TaxRow>>; 8]>,
    pub(crate) late_fee: Vec<Dated<Decimal>>,
    pub(crate) trailer_factor: Vec<Dated<Decimal>>,
    /// Rule T03: tax is given back by months.
    pub(crate) refund: Vec<Dated<()>>,
    pub(crate) derates: Vec<Dated<Derate>>,
    pub(crate) due: Vec<Dated<DueDay>>,
}

const ITEMS: [&str; 8] = [
    "passenger_car",
    "bus_medium",
    "bus_large",
    "truck",
    "trailer",
    "special_work_vehicle",
    "wheeled_machinery",
    "motorcycle",
];

impl Tax {
    pub(crate) fn read(sheets: &Sheets<'_>, reading: &mut Reading) -> Tax {
        let mut tax = Tax::default();
        tax.rows.resize_with(Region::ALL.len(), Default::default);
        let mut ranges: Vec<(usize, String, Fen, Fen)> = Vec::new();
        reading.each(sheets, Kind::VehicleTaxStatutory, |cells| {
            let item = cells.choice("tax_item", &ITEMS);
            let range = (cells.amount("annual_tax_min_cny"), cells.amount("annual_tax_max_cny"));
            ranges.push((item, cells.text("band").to_owned(), range.0, range.1));
        });
        reading.each(sheets, Kind::VehicleTax, |cells| {
            let item = cells.choice("tax_item", &ITEMS);
            let band = cells.text("band");
            let notice = cells.text("notice");
            let value = TaxRow {
                variant: cells.needed_text("variant").to_owned(),
                priority: cells.whole("priority"),
                above_l: cells.decimal_opt("displacement_l_min_excl"),
                to_l: cells.decimal_opt("displacement_l_max_incl"),
                per_tonne: cells.choice("unit", &["per_vehicle", "per_tonne_curb"]) == 1,
                annual: cells.amount("annual_tax_cny"),
                notice: (!notice.is_empty()).then(|| notice.to_owned()),
            };
            match ranges.iter().find(|range| range.0 == item && range.1 == band) {
                None => {
                    let problem = format!("{band:?} is not a band of {}", ITEMS[item]);
                    cells.wrong("band", problem, "use a band of vehicle_tax_statutory");
                }
                Some((_, _, min, max)) if value.annual < *min || *max < value.annual => {
                    let problem =
                        format!("{} is outside the statutory range {min} to {max}", value.annual);
                    cells.wrong("annual_tax_cny", problem, "check the amount against the law");
                }
                Some(_) => {}
            }
            let row = dated(cells, value);
            for &region in Region::ALL {
                if row.regions.contains(region) {
                    tax.rows[region as usize][item].push(row.clone());
                }
            }
        });
        for region in &mut tax.rows {
            for rows in region {
                rows.sort_by_key(|row| row.value.priority);
            }
        }
        reading.each(sheets, Kind::VehicleTaxRule, |cells| {
            let rule = cells.needed_text("rule_id");
            if rule == "T03" {
                let row = dated(cells, ());
                tax.refund.push(row);
            }
            if rule == "T07" || rule == "T16" {
                let number = cells.decimal("number");
                let row = dated(cells, number);
                match rule {
                    "T07" => tax.late_fee.push(row),
                    _ => tax.trailer_factor.push(row),
                }
            }
        });
        reading.each(sheets, Kind::VehicleTaxDerate, |cells| {
            let value = Derate {
                code: cells.needed_text("code").to_owned(),
                share: cells.decimal("share"),
                condition: [TaxCondition::Reduced, TaxCondition::Exempt]
                    [cells.choice("condition", &["C", "E"])],
                rule: cells.needed_text("rule_id").to_owned(),
            };
            if value.share <= Decimal::ZERO || value.share > Decimal::ONE {
                let problem = format!("a share of {} is not within 0 to 1", value.share);
                cells.wrong("share", problem, "write 1 for exempt, 0.5 for half");
            }
            tax.derates.push(dated(cells, value));
        });
        reading.each(sheets, Kind::VehicleTaxDue, |cells| {
            let value = DueDay { month: cells.whole("due_month"), day: cells.whole("due_day") };
            if jiff::civil::Date::new(2023, value.month, value.day).is_err() {
                let problem = format!("{}-{} is not a day of the year", value.month, value.day);
                cells.wrong("due_day", problem, "write a month and day such as 12 and 31");
            }
            tax.due.push(dated(cells, value));
        });
        for (rows, rule) in [(&tax.late_fee, "T07"), (&tax.trailer_factor, "T16")] {
            if rows.is_empty() {
                let problem = format!("there is no rule {rule}");
                reading.file_error(sheets, Kind::VehicleTaxRule, problem, "add the row");
            }
        }
        tax
    }

    /// Rows of an item in a region, the variant that counts first.
    pub(crate) fn rows(&self, region: Region, item: TaxItem) -> &[Dated<TaxRow>] {
        self.rows.get(region as usize).map_or(&[], |items| items[item as usize].as_slice())
    }
}

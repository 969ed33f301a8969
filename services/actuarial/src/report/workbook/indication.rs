//! The workbook of a rate indication: each factor from its experience to its relativities.
//!
//! Present relativities, premium, losses and claims are entered; loss ratios, credibility, changes and
//! proposed relativities are formulas over them and over the settings above. Whoever changes a cap or
//! a claim count sees what follows. The rate that balances the factor is entered, too: a worksheet finds it
//! with goal seek, so that the change in all is the one that is wanted.

use rust_xlsxwriter::{Workbook, Worksheet, XlsxError};

use crate::method::indication::{FactorResult, ImpactResult, IndicationResult};
use crate::report::workbook::{Styles, formula_at, place};
use crate::store::run::RunRecord;

/// The row of the first level.
const LEVELS: u32 = 12;

/// Most characters of a sheet's name.
const MOST_NAME: usize = 28;

/// Columns of a sheet of a factor.
mod at {
    pub(super) const PRESENT: u16 = 1;
    pub(super) const PREMIUM: u16 = 2;
    pub(super) const LOSSES: u16 = 3;
    pub(super) const CLAIMS: u16 = 4;
    pub(super) const RATIO: u16 = 5;
    pub(super) const INDICATED: u16 = 6;
    pub(super) const CREDIBILITY: u16 = 7;
    pub(super) const BELIEVED: u16 = 8;
    pub(super) const CHANGE: u16 = 9;
    pub(super) const RELATIVITY: u16 = 10;
    pub(super) const LOW: u16 = 11;
    pub(super) const HIGH: u16 = 12;
}

const HEADS: [&str; 13] = [
    "Level",
    "Present",
    "Premium",
    "Losses",
    "Claims",
    "Loss ratio",
    "Indicated",
    "Credibility",
    "Believed",
    "Change",
    "Proposed",
    "Low 95%",
    "High 95%",
];

/// Writes the workbook.
pub(crate) fn write(record: &RunRecord, found: &IndicationResult) -> Result<Vec<u8>, XlsxError> {
    let mut book = Workbook::new();
    let styles = Styles::new();
    for (number, own) in (1..).zip(&found.factors) {
        let mut sheet = Worksheet::new();
        sheet.set_name(sheet_name(number, &own.name))?;
        factor(&mut sheet, &styles, record, found, own)?;
        book.push_worksheet(sheet);
    }
    let mut sheet = Worksheet::new();
    sheet.set_name("Impact")?;
    impact(&mut sheet, &styles, &found.impact)?;
    book.push_worksheet(sheet);
    book.save_to_buffer()
}

/// A name a sheet may have, which no other has.
fn sheet_name(number: usize, name: &str) -> String {
    let plain: String =
        name.chars().filter(|c| !"[]:*?/\\'".contains(*c)).take(MOST_NAME - 4).collect();
    format!("{number} {plain}")
}

fn factor(
    sheet: &mut Worksheet,
    styles: &Styles,
    record: &RunRecord,
    found: &IndicationResult,
    own: &FactorResult,
) -> Result<(), XlsxError> {
    sheet.write_with_format(0, 0, format!("Indication of {}", own.name), &styles.title)?;
    let rests_on = format!(
        "Dataset {} version {}, run {}. Yellow cells and experience are entered; everything else is a \
         formula. After a change, seek the rate that makes the change in all the wanted one.",
        record.dataset_name, record.version, record.run
    );
    sheet.write_with_format(1, 0, rests_on, &styles.note)?;
    sheet.set_column_width(0, 26)?;
    sheet.set_column_range_width(1, at::HIGH, 13)?;
    let settings = [
        (2, "Claims of full credibility (limited) or k (Bühlmann)", found.credibility.claims.0),
        (3, "Least change of a level", found.level_cap.least.0),
        (4, "Largest change of a level", found.level_cap.most.0),
        (5, "Wanted change in all", own.target.0),
        (6, "Rate", own.rate.0),
    ];
    for (row, name, value) in settings {
        sheet.write_with_format(row, 0, name, &styles.name)?;
        sheet.write_with_format(row, at::PRESENT, value, &styles.chosen)?;
    }
    let fixed = |row: u32| format!("$B${}", row + 1);
    for (column, text) in (0..).zip(HEADS) {
        sheet.write_with_format(LEVELS - 1, column, text, &styles.head)?;
    }
    sheet.set_freeze_panes(LEVELS, 1)?;

    let count = own.levels.len() as u32;
    let total = LEVELS + count;
    let base = own.levels.iter().position(|level| level.name == own.base).unwrap_or(0) as u32;
    let base = format!("$J${}", LEVELS + base + 1);
    for (row, level) in (LEVELS..).zip(&own.levels) {
        sheet.write_with_format(row, 0, &level.name, &styles.name)?;
        sheet.write_with_format(row, at::PRESENT, level.present.0, &styles.factor)?;
        sheet.write_with_format(row, at::PREMIUM, level.premium.0, &styles.amount)?;
        sheet.write_with_format(row, at::LOSSES, level.losses.0, &styles.amount)?;
        sheet.write_with_format(row, at::CLAIMS, level.claims.0, &styles.amount)?;
        let formula = format!("={}/{}", place(row, at::LOSSES), place(row, at::PREMIUM));
        formula_at(sheet, row, at::RATIO, &formula, level.loss_ratio.0, &styles.factor)?;
        let formula = format!("={}/$F${}", place(row, at::RATIO), total + 1);
        formula_at(sheet, row, at::INDICATED, &formula, level.indicated.0, &styles.factor)?;
        let (claims, full) = (place(row, at::CLAIMS), fixed(2));
        let formula = match &*found.credibility.rule {
            "buhlmann" => format!("={claims}/({claims}+{full})"),
            _ => format!("=MIN(1,SQRT({claims}/{full}))"),
        };
        formula_at(sheet, row, at::CREDIBILITY, &formula, level.credibility.0, &styles.factor)?;
        let formula =
            format!("=1+{}*({}-1)", place(row, at::CREDIBILITY), place(row, at::INDICATED));
        formula_at(sheet, row, at::BELIEVED, &formula, level.believed.0, &styles.factor)?;
        let (least, most, rate) = (fixed(3), fixed(4), fixed(6));
        let formula = format!("=MAX({least},MIN({most},{rate}*{}))", place(row, at::BELIEVED));
        formula_at(sheet, row, at::CHANGE, &formula, level.change.0, &styles.factor)?;
        let formula = format!("={}*{}/{base}", place(row, at::PRESENT), place(row, at::CHANGE));
        formula_at(sheet, row, at::RELATIVITY, &formula, level.relativity.0, &styles.chosen)?;
        for (column, bound) in [(at::LOW, level.low), (at::HIGH, level.high)] {
            if let Some(bound) = bound {
                sheet.write_with_format(row, column, bound.0, &styles.factor)?;
            }
        }
    }

    // All levels together, and what follows for the base rate.
    sheet.write_with_format(total, 0, "All", &styles.total)?;
    let sum = |of: fn(&crate::method::indication::CellResult) -> f64| -> f64 {
        own.levels.iter().map(of).sum()
    };
    let (premium, losses) = (sum(|level| level.premium.0), sum(|level| level.losses.0));
    let sums =
        [(at::PREMIUM, premium), (at::LOSSES, losses), (at::CLAIMS, sum(|level| level.claims.0))];
    for (column, value) in sums {
        let formula = format!("=SUM({}:{})", place(LEVELS, column), place(total - 1, column));
        formula_at(sheet, total, column, &formula, value, &styles.total)?;
    }
    let formula = format!("={}/{}", place(total, at::LOSSES), place(total, at::PREMIUM));
    formula_at(sheet, total, at::RATIO, &formula, losses / premium, &styles.factor)?;
    let weighed = |column: u16| {
        format!(
            "=SUMPRODUCT({}:{},{}:{})/{}",
            place(LEVELS, at::PREMIUM),
            place(total - 1, at::PREMIUM),
            place(LEVELS, column),
            place(total - 1, column),
            place(total, at::PREMIUM)
        )
    };
    let results = [
        (7, "Change in all", weighed(at::CHANGE), own.overall.0),
        (8, "Off-balance of believed changes", weighed(at::BELIEVED), own.off_balance.0),
        (9, "Change of the base rate", format!("={base}"), own.base_rate.0),
    ];
    for (row, name, formula, value) in results {
        sheet.write_with_format(row, 0, name, &styles.name)?;
        formula_at(sheet, row, at::PRESENT, &formula, value, &styles.factor)?;
    }
    Ok(())
}

fn impact(sheet: &mut Worksheet, styles: &Styles, found: &ImpactResult) -> Result<(), XlsxError> {
    sheet.write_with_format(0, 0, "Impact on the portfolio", &styles.title)?;
    sheet.set_column_range_width(0, 4, 16)?;
    for (column, text) in (0..).zip(["Change from", "Policies", "Before", "After", "Change"]) {
        sheet.write_with_format(2, column, text, &styles.head)?;
    }
    let last = 2 + found.bands.len() as u32;
    for (row, band) in (3..).zip(&found.bands) {
        match band.from {
            Some(from) => sheet.write_with_format(row, 0, from.0, &styles.factor)?,
            None => sheet.write_with_format(row, 0, "below", &styles.name)?,
        };
        sheet.write_with_format(row, 1, band.policies as f64, &styles.amount)?;
        sheet.write_with_format(row, 2, band.before.0, &styles.amount)?;
        sheet.write_with_format(row, 3, band.after.0, &styles.amount)?;
        if band.before.0 > 0.0 {
            let formula = format!("={}/{}", place(row, 3), place(row, 2));
            let value = band.after.0 / band.before.0;
            formula_at(sheet, row, 4, &formula, value, &styles.factor)?;
        }
    }
    let total = last + 1;
    sheet.write_with_format(total, 0, "All", &styles.total)?;
    let sums = [(1, found.policies as f64), (2, found.before.0), (3, found.after.0)];
    for (column, value) in sums {
        let formula = format!("=SUM({}:{})", place(3, column), place(last, column));
        formula_at(sheet, total, column, &formula, value, &styles.total)?;
    }
    let formula = format!("={}/{}", place(total, 3), place(total, 2));
    formula_at(sheet, total, 4, &formula, found.change.0, &styles.factor)
}

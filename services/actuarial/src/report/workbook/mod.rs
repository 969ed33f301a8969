//! Workbooks an actuary can follow, cell by cell: what is entered is entered, the rest are formulas.

pub(crate) mod indication;
pub(crate) mod reserving;

use rust_xlsxwriter::{Format, FormatAlign, Formula, Worksheet, XlsxError, utility};

/// How cells look.
pub(crate) struct Styles {
    pub(crate) title: Format,
    pub(crate) note: Format,
    pub(crate) head: Format,
    pub(crate) name: Format,
    pub(crate) amount: Format,
    pub(crate) factor: Format,
    pub(crate) chosen: Format,
    pub(crate) total: Format,
    pub(crate) part: Format,
}

impl Styles {
    /// The look of all workbooks.
    pub(crate) fn new() -> Styles {
        let amount = Format::new().set_num_format("#,##0");
        Styles {
            title: Format::new().set_bold().set_font_size(14),
            note: Format::new().set_italic().set_font_color("#5A6675"),
            head: Format::new()
                .set_bold()
                .set_align(FormatAlign::Right)
                .set_border_bottom(rust_xlsxwriter::FormatBorder::Thin),
            name: Format::new().set_align(FormatAlign::Left),
            factor: Format::new().set_num_format("0.0000"),
            chosen: Format::new().set_num_format("0.0000").set_background_color("#FFF6D6"),
            total: amount.clone().set_bold().set_border_top(rust_xlsxwriter::FormatBorder::Thin),
            part: Format::new().set_num_format("0.0%"),
            amount,
        }
    }
}

/// Writes a formula with the figure of the run, for programs that do not calculate.
pub(crate) fn formula_at(
    sheet: &mut Worksheet,
    row: u32,
    column: u16,
    formula: &str,
    value: f64,
    style: &Format,
) -> Result<(), XlsxError> {
    let formula = Formula::new(formula).set_result(value.to_string());
    sheet.write_formula_with_format(row, column, formula, style).map(|_| ())
}

/// A cell as formulas name it.
pub(crate) fn place(row: u32, column: u16) -> String {
    utility::row_col_to_cell(row, column)
}

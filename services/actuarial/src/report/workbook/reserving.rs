//! The workbook of a reserving run: a chain ladder an actuary can follow, cell by cell.
//!
//! Age-to-age factors, factors to the ultimate, ultimates and reserves are formulas over the
//! triangle: whoever changes an amount, or overrules a factor, sees what follows. Each formula
//! carries the figure of the run, for programs that do not calculate.

use rust_xlsxwriter::{Workbook, Worksheet, XlsxError};

use crate::method::reserving::{
    BackTestResult, BestResult, OneYearResult, ReservingResult, TriangleResult,
};
use crate::report::workbook::{Styles, formula_at, place};
use crate::store::run::RunRecord;

/// Rows above the triangle.
const HEAD: u32 = 4;

/// Writes the workbook.
pub(crate) fn write(record: &RunRecord, found: &ReservingResult) -> Result<Vec<u8>, XlsxError> {
    let mut book = Workbook::new();
    let styles = Styles::new();
    let mut sheet = Worksheet::new();
    sheet.set_name("Chain ladder")?;
    ladder(&mut sheet, &styles, record, found)?;
    book.push_worksheet(sheet);
    if found.mack.is_some() {
        let mut sheet = Worksheet::new();
        sheet.set_name("Mack error")?;
        errors(&mut sheet, &styles, found)?;
        book.push_worksheet(sheet);
    }
    if let Some(one_year) = &found.one_year {
        let mut sheet = Worksheet::new();
        sheet.set_name("One-year view")?;
        years_ahead(&mut sheet, &styles, one_year)?;
        book.push_worksheet(sheet);
    }
    if let Some(best) = &found.best {
        let mut sheet = Worksheet::new();
        sheet.set_name("Best estimate")?;
        selected(&mut sheet, &styles, best)?;
        book.push_worksheet(sheet);
    }
    if let Some(back_test) = &found.back_test {
        let mut sheet = Worksheet::new();
        sheet.set_name("Back-test")?;
        tested(&mut sheet, &styles, back_test)?;
        book.push_worksheet(sheet);
    }
    book.save_to_buffer()
}

fn ladder(
    sheet: &mut Worksheet,
    styles: &Styles,
    record: &RunRecord,
    found: &ReservingResult,
) -> Result<(), XlsxError> {
    let triangle = &found.triangle;
    let (origins, ages) = (triangle.origins.len() as u32, triangle.ages.len() as u16);
    let title = record.label.clone().unwrap_or_else(|| "Chain ladder".to_owned());
    sheet.write_with_format(0, 0, title, &styles.title)?;
    let rests_on = format!(
        "Dataset {} version {}, run {}. Amounts are entered; everything else is a formula. A factor \
         may be overruled in the row of selected factors.",
        record.dataset_name, record.version, record.run
    );
    sheet.write_with_format(1, 0, rests_on, &styles.note)?;
    sheet.set_column_width(0, 22)?;
    sheet.set_column_range_width(1, ages + 6, 13)?;
    sheet.set_freeze_panes(HEAD, 1)?;

    // The triangle.
    head(sheet, styles, HEAD - 1, "Cumulative amounts", triangle)?;
    for (row, (name, cells)) in (HEAD..).zip(triangle.origins.iter().zip(&triangle.cumulative)) {
        sheet.write_with_format(row, 0, name, &styles.name)?;
        for (column, cell) in (1..).zip(cells) {
            if let Some(cell) = cell {
                sheet.write_with_format(row, column, cell.0, &styles.amount)?;
            }
        }
    }

    // Link ratios.
    let links = HEAD + origins + 2;
    head(sheet, styles, links - 1, "Age-to-age factors", triangle)?;
    for (row, (name, cells)) in (0..).zip(triangle.origins.iter().zip(&triangle.link_ratios)) {
        sheet.write_with_format(links + row, 0, name, &styles.name)?;
        for (column, cell) in (1..).zip(cells) {
            if let Some(cell) = cell {
                let formula =
                    format!("={}/{}", place(HEAD + row, column + 1), place(HEAD + row, column));
                formula_at(sheet, links + row, column, &formula, cell.0, &styles.factor)?;
            }
        }
    }

    // Averages, the factors that are taken, and what they multiply up to.
    let (average, selected, ultimate) = (links + origins, links + origins + 1, links + origins + 2);
    let kind = format!("Average ({})", found.development.average);
    sheet.write_with_format(average, 0, kind, &styles.name)?;
    sheet.write_with_format(selected, 0, "Selected", &styles.name)?;
    sheet.write_with_format(ultimate, 0, "To ultimate", &styles.name)?;
    for (step, factor) in found.development.factors.iter().enumerate() {
        let column = step as u16 + 1;
        let formula = averaged(found, step, links);
        formula_at(sheet, average, column, &formula, factor.0, &styles.factor)?;
        let formula = format!("={}", place(average, column));
        formula_at(sheet, selected, column, &formula, factor.0, &styles.chosen)?;
    }
    let tail = found.development.tail_factor.0;
    sheet.write_with_format(selected, ages, tail, &styles.chosen)?;
    for (age, factor) in found.development.to_ultimate.iter().enumerate() {
        let column = age as u16 + 1;
        let formula = match column == ages {
            true => format!("={}", place(selected, column)),
            false => format!("={}*{}", place(selected, column), place(ultimate, column + 1)),
        };
        formula_at(sheet, ultimate, column, &formula, factor.0, &styles.factor)?;
    }
    sheet.write_with_format(selected, ages + 1, "← the last is the tail", &styles.note)?;

    // What is known, what it will be, what is still to come.
    let results = ultimate + 3;
    for (column, text) in (0..).zip(["Origin", "Known", "To ultimate", "Ultimate", "IBNR"]) {
        sheet.write_with_format(results - 1, column, text, &styles.head)?;
    }
    for (row, origin) in (0..).zip(&found.chain_ladder.origins) {
        let own = results + row;
        let age = triangle.ages.iter().position(|age| *age == origin.age).unwrap_or(0) as u16 + 1;
        sheet.write_with_format(own, 0, &origin.name, &styles.name)?;
        let formula = format!("={}", place(HEAD + row, age));
        formula_at(sheet, own, 1, &formula, origin.latest.0, &styles.amount)?;
        let factor = found.development.to_ultimate[usize::from(age) - 1];
        let formula = format!("={}", place(ultimate, age));
        formula_at(sheet, own, 2, &formula, factor.0, &styles.factor)?;
        let formula = format!("={}*{}", place(own, 1), place(own, 2));
        formula_at(sheet, own, 3, &formula, origin.ultimate.0, &styles.amount)?;
        let formula = format!("={}-{}", place(own, 3), place(own, 1));
        formula_at(sheet, own, 4, &formula, origin.reserve.0, &styles.amount)?;
    }
    let total = results + origins;
    sheet.write_with_format(total, 0, "Total", &styles.total)?;
    let ladder = &found.chain_ladder;
    for (column, value) in [(1, ladder.latest), (3, ladder.ultimate), (4, ladder.reserve)] {
        let formula = format!("=SUM({}:{})", place(results, column), place(total - 1, column));
        formula_at(sheet, total, column, &formula, value.0, &styles.total)?;
    }
    Ok(())
}

fn head(
    sheet: &mut Worksheet,
    styles: &Styles,
    row: u32,
    title: &str,
    triangle: &TriangleResult,
) -> Result<(), XlsxError> {
    sheet.write_with_format(row, 0, title, &styles.head)?;
    for (column, age) in (1..).zip(&triangle.ages) {
        sheet.write_with_format(row, column, *age, &styles.head)?;
    }
    Ok(())
}

/// The formula of an averaged factor: over ranges where the link ratios stand in one block, over
/// single cells otherwise.
fn averaged(found: &ReservingResult, step: usize, links: u32) -> String {
    let used = used(found, step);
    let column = step as u16 + 1;
    let block = used.windows(2).all(|pair| pair[0] + 1 == pair[1]);
    let cells = |first: u32, column: u16| -> String {
        let cell = |origin: &usize| place(first + *origin as u32, column);
        match (block, used.first(), used.last()) {
            (true, Some(from), Some(to)) if from != to => format!("{}:{}", cell(from), cell(to)),
            _ => used.iter().map(cell).collect::<Vec<_>>().join(","),
        }
    };
    match found.development.average.as_str() {
        "simple" => format!("=AVERAGE({})", cells(links, column)),
        "regression" => {
            let product = |origin: &usize| {
                let row = HEAD + *origin as u32;
                format!("{}*{}", place(row, column), place(row, column + 1))
            };
            let products: Vec<String> = used.iter().map(product).collect();
            format!("=({})/SUMSQ({})", products.join("+"), cells(HEAD, column))
        }
        _ => format!("=SUM({})/SUM({})", cells(HEAD, column + 1), cells(HEAD, column)),
    }
}

/// Origins whose link ratio of a step counts, by the rules the run was asked for.
fn used(found: &ReservingResult, step: usize) -> Vec<usize> {
    let (triangle, rules) = (&found.triangle, &found.development);
    let mut used: Vec<usize> = (0..triangle.origins.len())
        .filter(|&origin| {
            let row = &triangle.cumulative[origin];
            row[step].is_some()
                && row[step + 1].is_some()
                && !rules.without.contains(&(origin, step))
        })
        .collect();
    if let Some(recent) = rules.recent {
        used.drain(..used.len().saturating_sub(recent));
    }
    if rules.without_highest + rules.without_lowest > 0 {
        let ratio = |origin: &usize| {
            triangle.link_ratios[*origin][step].map_or(f64::INFINITY, |ratio| ratio.0)
        };
        used.sort_by(|a, b| ratio(a).total_cmp(&ratio(b)));
        let spare = used.len().saturating_sub(1);
        used.truncate(used.len() - rules.without_highest.min(spare));
        let spare = used.len().saturating_sub(1);
        used.drain(..rules.without_lowest.min(spare));
        used.sort_unstable();
    }
    used
}

fn errors(
    sheet: &mut Worksheet,
    styles: &Styles,
    found: &ReservingResult,
) -> Result<(), XlsxError> {
    let Some(mack) = &found.mack else { return Ok(()) };
    sheet.write_with_format(0, 0, "Error of the reserve (Mack)", &styles.title)?;
    let note =
        "Figures of the run; the error is the root of the squared process and parameter errors.";
    sheet.write_with_format(1, 0, note, &styles.note)?;
    sheet.set_column_width(0, 22)?;
    sheet.set_column_range_width(1, 5, 15)?;
    let heads = ["Origin", "Reserve", "Process error", "Parameter error", "Error", "Part"];
    for (column, text) in (0..).zip(heads) {
        sheet.write_with_format(3, column, text, &styles.head)?;
    }
    for (row, error) in (4..).zip(mack.origins.iter().chain([&mack.total])) {
        let is_total = row as usize == 4 + mack.origins.len();
        let style = if is_total { &styles.total } else { &styles.amount };
        sheet.write_with_format(row, 0, &error.name, &styles.name)?;
        sheet.write_with_format(row, 1, error.reserve.0, style)?;
        sheet.write_with_format(row, 2, error.process.0, style)?;
        sheet.write_with_format(row, 3, error.parameter.0, style)?;
        let formula = format!("=SQRT({}^2+{}^2)", place(row, 2), place(row, 3));
        formula_at(sheet, row, 4, &formula, error.error.0, style)?;
        if let Some(part) = error.coefficient {
            let formula = format!("={}/ABS({})", place(row, 4), place(row, 1));
            formula_at(sheet, row, 5, &formula, part.0, &styles.part)?;
        }
    }
    Ok(())
}

/// Errors of the years are entered; that of all years and the part of the next one are formulas.
fn years_ahead(
    sheet: &mut Worksheet,
    styles: &Styles,
    found: &OneYearResult,
) -> Result<(), XlsxError> {
    sheet.write_with_format(0, 0, "One-year view (claims development result)", &styles.title)?;
    let note = "Standard errors of the moves of the ultimates by year ahead; squares add up to Mack's error.";
    sheet.write_with_format(1, 0, note, &styles.note)?;
    let years = found.total.years.len() as u16;
    sheet.set_column_width(0, 22)?;
    sheet.set_column_range_width(1, years + 3, 15)?;
    let heads = ["Origin".to_owned(), "Reserve".to_owned()].into_iter();
    let heads = heads.chain((1..=years).map(|year| format!("Year {year}")));
    let heads = heads.chain(["All years".to_owned(), "Part of the next year".to_owned()]);
    for (column, text) in (0..).zip(heads) {
        sheet.write_with_format(3, column, text, &styles.head)?;
    }
    for (row, own) in (4..).zip(found.origins.iter().chain([&found.total])) {
        let is_total = row as usize == 4 + found.origins.len();
        let style = if is_total { &styles.total } else { &styles.amount };
        sheet.write_with_format(row, 0, &own.name, &styles.name)?;
        sheet.write_with_format(row, 1, own.reserve.0, style)?;
        for (column, error) in (2..).zip(&own.years) {
            sheet.write_with_format(row, column, error.0, style)?;
        }
        let (first, all) = (place(row, 2), years + 2);
        let formula = format!("=SQRT(SUMSQ({first}:{}))", place(row, years + 1));
        formula_at(sheet, row, all, &formula, own.all_years.0, style)?;
        if let Some(part) = own.part {
            let formula = format!("={first}/{}", place(row, all));
            formula_at(sheet, row, all + 1, &formula, part.0, &styles.part)?;
        }
    }
    Ok(())
}

/// Reserves, outcomes and percentiles are entered, one row for each view and method; errors are formulas.
fn tested(sheet: &mut Worksheet, styles: &Styles, found: &BackTestResult) -> Result<(), XlsxError> {
    sheet.write_with_format(0, 0, "Back-test", &styles.title)?;
    let note = "Reserves as of earlier valuations against what has come since; an error is reserve less outcome.";
    sheet.write_with_format(1, 0, note, &styles.note)?;
    sheet.set_column_width(0, 22)?;
    sheet.set_column_range_width(1, 7, 15)?;
    let heads = ["Company", "As of", "Method", "Reserve", "Outcome", "Error", "Part", "Percentile"];
    for (column, text) in (0..).zip(heads) {
        sheet.write_with_format(3, column, text, &styles.head)?;
    }
    let rows = found.views.iter().flat_map(|view| view.methods.iter().map(move |own| (view, own)));
    for (row, (view, own)) in (4..).zip(rows) {
        let company = view.company.as_deref().unwrap_or_default();
        sheet.write_with_format(row, 0, company, &styles.name)?;
        sheet.write_with_format(row, 1, &view.as_of, &styles.name)?;
        sheet.write_with_format(row, 2, &own.method, &styles.name)?;
        sheet.write_with_format(row, 3, own.reserve.0, &styles.amount)?;
        sheet.write_with_format(row, 4, own.outcome.0, &styles.amount)?;
        let formula = format!("={}-{}", place(row, 3), place(row, 4));
        formula_at(sheet, row, 5, &formula, own.error.0, &styles.amount)?;
        if let Some(part) = own.part {
            let formula = format!("={}/ABS({})", place(row, 5), place(row, 4));
            formula_at(sheet, row, 6, &formula, part.0, &styles.part)?;
        }
        if let Some(percentile) = own.percentile {
            sheet.write_with_format(row, 7, percentile.0, &styles.part)?;
        }
    }
    Ok(())
}

/// Methods whose ultimates may be selected, in the order of their columns.
const METHODS: [(&str, &str); 4] = [
    ("chainLadder", "Chain ladder"),
    ("bornhuetterFerguson", "Bornhuetter–Ferguson"),
    ("benktander", "Benktander"),
    ("capeCod", "Cape Cod"),
];

/// Ultimates and weights are entered; what is selected is a formula.
fn selected(sheet: &mut Worksheet, styles: &Styles, found: &BestResult) -> Result<(), XlsxError> {
    sheet.write_with_format(0, 0, "Best estimate", &styles.title)?;
    let note =
        "Known amounts, ultimates of methods and weights are entered; weights may be overruled.";
    sheet.write_with_format(1, 0, note, &styles.note)?;
    sheet.set_column_width(0, 22)?;
    let count = METHODS.len() as u16;
    sheet.set_column_range_width(1, 2 * count + 3, 15)?;
    let (weights, results) = (2 + count, 2 + 2 * count);
    sheet.write_with_format(3, 0, "Origin", &styles.head)?;
    sheet.write_with_format(3, 1, "Known", &styles.head)?;
    for (column, (_, name)) in (0..).zip(METHODS) {
        sheet.write_with_format(3, 2 + column, name, &styles.head)?;
        sheet.write_with_format(3, weights + column, format!("Weight {name}"), &styles.head)?;
    }
    sheet.write_with_format(3, results, "Selected ultimate", &styles.head)?;
    sheet.write_with_format(3, results + 1, "Reserve", &styles.head)?;
    for (row, origin) in (4..).zip(&found.origins) {
        sheet.write_with_format(row, 0, &origin.name, &styles.name)?;
        sheet.write_with_format(row, 1, origin.latest.0, &styles.amount)?;
        for (column, (method, _)) in (0..).zip(METHODS) {
            let part = origin.parts.iter().find(|part| part.method == method);
            if let Some(part) = part {
                sheet.write_with_format(row, 2 + column, part.ultimate.0, &styles.amount)?;
            }
            let weight = part.map_or(0.0, |part| part.weight.0);
            sheet.write_with_format(row, weights + column, weight, &styles.chosen)?;
        }
        let formula = format!(
            "=SUMPRODUCT({}:{},{}:{})",
            place(row, 2),
            place(row, 1 + count),
            place(row, weights),
            place(row, weights + count - 1)
        );
        formula_at(sheet, row, results, &formula, origin.ultimate.0, &styles.amount)?;
        let formula = format!("={}-{}", place(row, results), place(row, 1));
        formula_at(sheet, row, results + 1, &formula, origin.reserve.0, &styles.amount)?;
    }
    let total = 4 + found.origins.len() as u32;
    sheet.write_with_format(total, 0, "Total", &styles.total)?;
    let sums = [(1, found.latest), (results, found.ultimate), (results + 1, found.reserve)];
    for (column, value) in sums {
        let formula = format!("=SUM({}:{})", place(4, column), place(total - 1, column));
        formula_at(sheet, total, column, &formula, value.0, &styles.total)?;
    }
    Ok(())
}

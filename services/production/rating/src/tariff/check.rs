//! Checks every table gets: columns, keys, periods, bands, provenance.

use std::collections::HashMap;

use rust_decimal::Decimal;

use super::dated::{RegionSet, Span};
use super::error::TariffError;
use super::manifest::{Band, Entry, Kind};
use super::sheet::{Cells, Line, Sheet};

/// Checks the shape of `sheet`; `false` when rows cannot be read because columns are missing.
pub(crate) fn columns(entry: &Entry, sheet: &Sheet, errors: &mut Vec<TariffError>) -> bool {
    let band = entry
        .band
        .iter()
        .flat_map(|band| band.within.iter().chain([&band.from, &band.to]).map(String::as_str));
    let mut wanted: Vec<&str> = vec!["source", "from_memory"];
    wanted.extend(entry.kind.columns());
    wanted.extend(entry.key.iter().map(String::as_str));
    wanted.extend(band);
    wanted.sort_unstable();
    wanted.dedup();
    let missing: Vec<&str> =
        wanted.into_iter().filter(|column| sheet.column(column).is_none()).collect();
    for column in &missing {
        let problem = "the column is missing".to_owned();
        let advice = "add it to the header and fill it in";
        errors.push(TariffError::cell(&sheet.file, 1, column, problem, advice));
    }
    missing.is_empty()
}

/// Provenance, duplicate keys, overlapping periods and broken bands.
pub(crate) fn rows(entry: &Entry, sheet: &Sheet, errors: &mut Vec<TariffError>) {
    if sheet.rows.is_empty() && entry.kind != Kind::CompulsoryTractor {
        let problem = "the table has no rows".to_owned();
        errors.push(TariffError::file(&sheet.file, problem, "add its rows"));
    }
    let scopes: Vec<(Span, RegionSet)> =
        sheet.rows.iter().map(|line| scope(sheet, line, errors)).collect();
    keys(entry, sheet, &scopes, errors);
    if let Some(band) = &entry.band {
        bands(band, sheet, errors);
    }
}

fn scope(sheet: &Sheet, line: &Line, errors: &mut Vec<TariffError>) -> (Span, RegionSet) {
    let mut cells = Cells { sheet, line, table: 0, errors };
    cells.flag("from_memory");
    cells.needed_text("source");
    if sheet.column("synthetic").is_some() {
        cells.flag("synthetic");
    }
    let span = if sheet.column("effective_from").is_some() { cells.span() } else { Span::ALWAYS };
    let regions = if sheet.column("regions").is_some() { cells.regions() } else { RegionSet::ALL };
    (span, regions)
}

fn named(sheet: &Sheet, line: &Line, columns: &[String]) -> Vec<String> {
    columns.iter().map(|column| sheet.text(line, column).to_owned()).collect()
}

fn keys(entry: &Entry, sheet: &Sheet, scopes: &[(Span, RegionSet)], errors: &mut Vec<TariffError>) {
    if entry.kind == Kind::Reference {
        return;
    }
    let mut seen: HashMap<Vec<String>, Vec<usize>> = HashMap::new();
    for (at, line) in sheet.rows.iter().enumerate() {
        let key = named(sheet, line, &entry.key);
        let earlier = seen.entry(key).or_default();
        let (span, regions) = scopes[at];
        let clash = earlier
            .iter()
            .find(|&&other| scopes[other].0.overlaps(span) && scopes[other].1.meets(regions));
        if let Some(&other) = clash {
            let key = named(sheet, line, &entry.key).join(" ");
            let line_of_other = sheet.rows[other].line;
            let dated = sheet.column("effective_from").is_some();
            let (column, problem, advice) = if dated {
                let problem = format!(
                    "the period of [{key}] overlaps that of line {line_of_other} in the same region"
                );
                ("effective_from", problem, "end the earlier row the day before this one begins")
            } else {
                let column = entry.key.first().map_or("regions", String::as_str);
                (column, format!("[{key}] is already on line {line_of_other}"), "keep one row")
            };
            errors.push(TariffError::cell(&sheet.file, line.line, column, problem, advice));
        }
        earlier.push(at);
    }
}

/// Lower edge, upper edge, line.
type Edges = (Option<Decimal>, Option<Decimal>, u32);

fn bands(band: &Band, sheet: &Sheet, errors: &mut Vec<TariffError>) {
    let mut groups: HashMap<Vec<String>, Vec<Edges>> = HashMap::new();
    let mut order = Vec::new();
    for line in &sheet.rows {
        let mut key = named(sheet, line, &band.within);
        key.push(sheet.text(line, "effective_from").to_owned());
        let mut cells = Cells { sheet, line, table: 0, errors };
        let edges = (cells.decimal_opt(&band.from), cells.decimal_opt(&band.to), line.line);
        let group = groups.entry(key).or_insert_with_key(|key| {
            order.push(key.clone());
            Vec::new()
        });
        group.push(edges);
    }
    for key in &order {
        let Some(group) = groups.get_mut(key) else { continue };
        group.sort_by_key(|&(from, ..)| from.unwrap_or(Decimal::MIN));
        group_band(band, sheet, &key.join(" "), group, errors);
    }
}

fn group_band(
    band: &Band,
    sheet: &Sheet,
    key: &str,
    group: &[Edges],
    errors: &mut Vec<TariffError>,
) {
    let mut wrong = |line: u32, column: &str, problem: String, advice: &str| {
        errors.push(TariffError::cell(&sheet.file, line, column, problem, advice));
    };
    for &(from, to, line) in group {
        if let (Some(from), Some(to)) = (from, to)
            && from >= to
        {
            let problem = format!("the band {from} to {to} is empty");
            wrong(line, &band.to, problem, "make the upper edge the larger one");
        }
    }
    for pair in group.windows(2) {
        let ((_, upper, before), (lower, _, line)) = (pair[0], pair[1]);
        let advice = "let each band begin where the one before it ends";
        match (upper, lower) {
            (Some(upper), Some(lower)) if upper == lower => {}
            (Some(upper), Some(lower)) if upper < lower => wrong(
                line,
                &band.from,
                format!("the bands of [{key}] leave a gap from {upper} (line {before}) to {lower}"),
                advice,
            ),
            _ => wrong(
                line,
                &band.from,
                format!("the band of [{key}] overlaps that of line {before}"),
                advice,
            ),
        }
    }
    if band.open
        && let (Some(&(from, _, first)), Some(&(_, to, last))) = (group.first(), group.last())
    {
        if from.is_some_and(|from| from > Decimal::ZERO) {
            let problem =
                format!("the bands of [{key}] leave a gap below {}", from.unwrap_or_default());
            wrong(first, &band.from, problem, "leave the lowest edge empty or write 0");
        }
        if let Some(to) = to {
            let problem = format!("the bands of [{key}] leave a gap above {to}");
            wrong(last, &band.to, problem, "leave the highest edge empty");
        }
    }
}

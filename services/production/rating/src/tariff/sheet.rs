//! One CSV file read as text, and typed access that collects every mistake.

use std::str::FromStr;
use std::sync::Arc;

use jiff::civil::Date;
use kernel::Fen;
use production_core::region::Region;
use rust_decimal::Decimal;

use super::dated::{RegionSet, RowRef, Span};
use super::error::TariffError;

/// A CSV file: header and rows of text, each row with its line.
#[derive(Clone, Debug)]
pub(crate) struct Sheet {
    pub(crate) file: Arc<str>,
    pub(crate) header: Vec<String>,
    pub(crate) rows: Vec<Line>,
}

/// A row of text.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    pub(crate) line: u32,
    pub(crate) cells: Vec<String>,
}

impl Sheet {
    /// Reads `bytes`; rows of a wrong width and unreadable text are errors, not rows.
    pub(crate) fn parse(file: &str, bytes: &[u8], errors: &mut Vec<TariffError>) -> Sheet {
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(bytes);
        let mut sheet = Sheet { file: file.into(), header: Vec::new(), rows: Vec::new() };
        match reader.headers() {
            Ok(header) => sheet.header = header.iter().map(str::to_owned).collect(),
            Err(cause) => {
                errors.push(unreadable(file, 1, &cause));
                return sheet;
            }
        }
        for column in &sheet.header {
            if sheet.header.iter().filter(|other| *other == column).count() > 1 {
                let problem = "the column stands twice in the header".to_owned();
                let error = TariffError::cell(file, 1, column, problem, "remove one of them");
                if !errors.contains(&error) {
                    errors.push(error);
                }
            }
        }
        for (at, record) in reader.records().enumerate() {
            let guess = u32::try_from(at + 2).unwrap_or(u32::MAX);
            match record {
                Ok(record) => {
                    let line = record
                        .position()
                        .and_then(|position| u32::try_from(position.line()).ok())
                        .unwrap_or(guess);
                    if record.len() == sheet.header.len() {
                        let cells = record.iter().map(str::to_owned).collect();
                        sheet.rows.push(Line { line, cells });
                    } else {
                        let (has, wants) = (record.len(), sheet.header.len());
                        let problem = format!("the row has {has} fields, the header {wants}");
                        let advice = "quote fields that contain commas and drop extra ones";
                        let mut error = TariffError::file(file, problem, advice);
                        error.line = Some(line);
                        errors.push(error);
                    }
                }
                Err(cause) => errors.push(unreadable(file, guess, &cause)),
            }
        }
        sheet
    }

    pub(crate) fn column(&self, name: &str) -> Option<usize> {
        self.header.iter().position(|column| column == name)
    }

    /// The text under `name` in `line`; empty when there is no such column.
    pub(crate) fn text<'a>(&self, line: &'a Line, name: &str) -> &'a str {
        self.column(name).and_then(|at| line.cells.get(at)).map_or("", String::as_str)
    }
}

fn unreadable(file: &str, line: u32, cause: &csv::Error) -> TariffError {
    let mut error = TariffError::file(
        file,
        format!("the line is not readable CSV: {cause}"),
        "save it as UTF-8",
    );
    error.line =
        cause.position().and_then(|position| u32::try_from(position.line()).ok()).or(Some(line));
    error
}

/// Typed access to one row. A wrong cell is recorded and stands in as a default: the bundle is
/// refused anyway, and the reader hears of every mistake at once.
pub(crate) struct Cells<'a> {
    pub(crate) sheet: &'a Sheet,
    pub(crate) line: &'a Line,
    pub(crate) table: u16,
    pub(crate) errors: &'a mut Vec<TariffError>,
}

impl<'a> Cells<'a> {
    pub(crate) fn text(&self, column: &str) -> &'a str {
        self.sheet.text(self.line, column)
    }

    pub(crate) fn row_ref(&self) -> RowRef {
        RowRef { table: self.table, line: self.line.line }
    }

    pub(crate) fn wrong(&mut self, column: &str, problem: String, advice: &str) {
        let error =
            TariffError::cell(&self.sheet.file, self.line.line, column, problem, advice.to_owned());
        self.errors.push(error);
    }

    fn parsed<T: FromStr>(&mut self, column: &str, what: &str, advice: &str) -> Option<T> {
        let text = self.text(column);
        if text.is_empty() {
            return None;
        }
        let value = text.parse().ok();
        if value.is_none() {
            self.wrong(column, format!("{text:?} is not {what}"), advice);
        }
        value
    }

    fn needed<T: Default>(&mut self, column: &str, before: usize, value: Option<T>) -> T {
        if value.is_none() && self.errors.len() == before {
            self.wrong(column, "the field is empty".to_owned(), "fill it in");
        }
        value.unwrap_or_default()
    }

    pub(crate) fn needed_text(&mut self, column: &str) -> &'a str {
        let text = self.text(column);
        if text.is_empty() {
            self.wrong(column, "the field is empty".to_owned(), "fill it in");
        }
        text
    }

    pub(crate) fn decimal_opt(&mut self, column: &str) -> Option<Decimal> {
        let advice = "write digits with a point, for example 0.85";
        self.parsed(column, "a decimal number", advice)
    }

    pub(crate) fn decimal(&mut self, column: &str) -> Decimal {
        let before = self.errors.len();
        let value = self.decimal_opt(column);
        self.needed(column, before, value)
    }

    /// A percentage as a factor: 15 becomes 0.15.
    pub(crate) fn percent(&mut self, column: &str) -> Decimal {
        let value = self.decimal(column);
        if value < Decimal::from(-100) || value > Decimal::from(1000) {
            self.wrong(column, format!("{value} percent is beyond -100 to 1000"), "check the unit");
        }
        value / Decimal::ONE_HUNDRED
    }

    pub(crate) fn amount_opt(&mut self, column: &str) -> Option<Fen> {
        let amount: Option<Fen> =
            self.parsed(column, "an amount in yuan", "write yuan with at most two decimals");
        if amount.is_some_and(|amount| amount < Fen::ZERO) {
            self.wrong(column, "the amount is negative".to_owned(), "write it without the sign");
        }
        amount
    }

    pub(crate) fn amount(&mut self, column: &str) -> Fen {
        let before = self.errors.len();
        let value = self.amount_opt(column);
        self.needed(column, before, value)
    }

    pub(crate) fn whole_opt<T: FromStr>(&mut self, column: &str) -> Option<T> {
        self.parsed(column, "a whole number in range", "write digits only")
    }

    pub(crate) fn whole<T: FromStr + Default>(&mut self, column: &str) -> T {
        let before = self.errors.len();
        let value = self.whole_opt(column);
        self.needed(column, before, value)
    }

    pub(crate) fn date_opt(&mut self, column: &str) -> Option<Date> {
        self.parsed(column, "a date", "write it as 2020-09-19")
    }

    /// The column as one of `known`; the index of the choice.
    pub(crate) fn choice(&mut self, column: &str, known: &[&str]) -> usize {
        let text = self.text(column);
        known.iter().position(|&choice| choice == text).unwrap_or_else(|| {
            let advice = format!("use one of {}", known.join(", "));
            self.wrong(column, format!("{text:?} is not a known code"), &advice);
            0
        })
    }

    /// Several codes separated by a vertical bar.
    pub(crate) fn codes<T>(&mut self, column: &str, read: impl Fn(&str) -> Option<T>) -> Vec<T> {
        let mut found = Vec::new();
        for code in self.needed_text(column).split('|') {
            match read(code) {
                Some(value) => found.push(value),
                None => {
                    let advice = "use codes of the published list, separated by |";
                    self.wrong(column, format!("{code:?} is not a known code"), advice);
                }
            }
        }
        found
    }

    /// `effective_from` to `effective_to`, both days included.
    pub(crate) fn span(&mut self) -> Span {
        let before = self.errors.len();
        let from = self.date_opt("effective_from");
        let from = match from {
            Some(from) => from,
            None if self.errors.len() == before => {
                self.wrong("effective_from", "the field is empty".to_owned(), "fill it in");
                Date::MIN
            }
            None => Date::MIN,
        };
        let to = self.date_opt("effective_to");
        if to.is_some_and(|to| to < from) {
            let problem = "the period ends before it begins".to_owned();
            self.wrong("effective_to", problem, "put a day on or after effective_from");
        }
        Span { from, to }
    }

    pub(crate) fn regions(&mut self) -> RegionSet {
        let text = self.text("regions");
        match RegionSet::parse(text) {
            Ok(regions) => regions,
            Err(code) => {
                let problem = format!("{code:?} is not a region");
                self.wrong("regions", problem, "use *, 110000|310000 or *-110000|350200");
                RegionSet::ALL
            }
        }
    }

    pub(crate) fn flag(&mut self, column: &str) -> bool {
        self.choice(column, &["false", "true"]) == 1
    }
}

impl RegionSet {
    /// `*` for all, a list such as `110000|310000`, or all but a list: `*-110000|350200`.
    fn parse(text: &str) -> Result<RegionSet, String> {
        let list = |codes: &str| {
            codes.split('|').try_fold(RegionSet::NONE, |set, code| {
                Region::parse(code).map(|region| set.with(region)).map_err(|_| code.to_owned())
            })
        };
        match text.strip_prefix('*') {
            Some("") => Ok(RegionSet::ALL),
            Some(rest) => match rest.strip_prefix('-') {
                Some(codes) => list(codes).map(RegionSet::complement),
                None => Err(text.to_owned()),
            },
            None => list(text),
        }
    }
}

//! The typed tables of a bundle, indexed so that no look-up scans more than a few rows.

use std::collections::BTreeMap;

use super::commercial::Commercial;
use super::compulsory::Compulsory;
use super::error::TariffError;
use super::manifest::{Entry, Kind};
use super::parameter::Parameters;
use super::sheet::{Cells, Sheet};
use super::tax::Tax;

/// The sheets of a bundle with their manifest entries, in manifest order.
pub(crate) struct Sheets<'a> {
    pub(crate) entries: &'a [Entry],
    pub(crate) sheets: &'a [Sheet],
    /// Sheets whose columns are complete.
    pub(crate) readable: &'a [bool],
}

impl<'a> Sheets<'a> {
    fn of(&self, kind: Kind) -> impl Iterator<Item = (usize, &'a Sheet)> {
        let readable = self.readable;
        let entries = self.entries;
        self.sheets
            .iter()
            .enumerate()
            .filter(move |&(at, _)| entries[at].kind == kind && readable[at])
    }

    /// The file of a kind; the kinds of [`Kind::RATING`] have exactly one.
    pub(crate) fn file(&self, kind: Kind) -> &'a str {
        self.of(kind).next().map_or("", |(_, sheet)| &sheet.file)
    }
}

/// Collects mistakes while tables are read.
#[derive(Default)]
pub(crate) struct Reading {
    pub(crate) errors: Vec<TariffError>,
}

impl Reading {
    /// Calls `read` for every row of the table.
    pub(crate) fn each(
        &mut self,
        sheets: &Sheets<'_>,
        kind: Kind,
        mut read: impl FnMut(&mut Cells<'_>),
    ) {
        for (at, sheet) in sheets.of(kind) {
            let table = u16::try_from(at).unwrap_or(u16::MAX);
            for line in &sheet.rows {
                read(&mut Cells { sheet, line, table, errors: &mut self.errors });
            }
        }
    }

    pub(crate) fn file_error(
        &mut self,
        sheets: &Sheets<'_>,
        kind: Kind,
        problem: String,
        advice: &str,
    ) {
        self.errors.push(TariffError::file(sheets.file(kind), problem, advice));
    }

    pub(crate) fn cell_error(
        &mut self,
        sheets: &Sheets<'_>,
        kind: Kind,
        line: u32,
        column: &str,
        problem: String,
        advice: &str,
    ) {
        self.errors.push(TariffError::cell(sheets.file(kind), line, column, problem, advice));
    }
}

/// Every table rating reads.
#[derive(Debug, Default)]
pub(crate) struct Tables {
    pub(crate) compulsory: Compulsory,
    pub(crate) commercial: Commercial,
    pub(crate) tax: Tax,
    pub(crate) parameters: Parameters,
}

impl Tables {
    pub(crate) fn read(sheets: &Sheets<'_>, errors: &mut Vec<TariffError>) -> Tables {
        let mut reading = Reading::default();
        let tables = Tables {
            compulsory: Compulsory::read(sheets, &mut reading),
            commercial: Commercial::read(sheets, &mut reading),
            tax: Tax::read(sheets, &mut reading),
            parameters: Parameters::read(sheets, &mut reading),
        };
        // A cell read twice, once by the general checks and once here, is one mistake.
        let mut seen: BTreeMap<(String, Option<u32>, Option<String>), ()> = errors
            .iter()
            .map(|error| ((error.file.clone(), error.line, error.column.clone()), ()))
            .collect();
        for error in reading.errors {
            let place = (error.file.clone(), error.line, error.column.clone());
            let whole_file = error.line.is_none();
            if seen.insert(place, ()).is_none() || whole_file {
                errors.push(error);
            }
        }
        tables
    }
}

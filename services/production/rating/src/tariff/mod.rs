//! Tariff bundles: every rate and code table of the market, read and judged as a whole.
//!
//! A bundle is a set of files with a manifest. It either loads completely or answers with every
//! mistake in it; nothing is half-loaded. Loaded, it is immutable and shared by all ratings.

mod check;
mod commercial;
mod compulsory;
mod dated;
mod diff;
mod error;
mod manifest;
mod parameter;
mod proposal;
mod sheet;
mod tables;
mod tax;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use jiff::civil::Date;
use production_core::region::Region;
use sha2::{Digest, Sha256};

pub(crate) use commercial::{
    Additional, AdditionalBasis, ClassRates, NcdMethod, NcdScheme, RefundMethod,
};
pub(crate) use compulsory::{Base, BaseRule, Basis};
pub(crate) use dated::{Dated, RowRef, in_force};
pub use diff::{CellChange, RowChange, Unconfirmed};
pub use error::TariffError;
pub use manifest::KeyDate;
pub(crate) use manifest::Kind;
use manifest::{Entry, MANIFEST};
pub use parameter::{Parameter, ParameterValue};
pub use proposal::Proposal;
use sheet::Sheet;
use tables::{Sheets, Tables};

use crate::rating::{Limits, LimitsPair};
use crate::trace::{SharedText, TableRow, TariffStamp};

/// A tariff bundle, complete and consistent.
#[derive(Debug)]
pub struct Tariff {
    stamp: TariffStamp,
    entries: Vec<Entry>,
    sheets: Vec<Sheet>,
    names: Vec<SharedText>,
    pub(crate) tables: Tables,
}

impl Tariff {
    /// Reads the files of a bundle from a directory and the directories in it: the manifest and
    /// every CSV, by path relative to `dir` with forward slashes.
    pub fn read_files(dir: &Path) -> Result<BTreeMap<String, Vec<u8>>, Vec<TariffError>> {
        let mut files = BTreeMap::new();
        let mut errors = Vec::new();
        collect(dir, "", &mut files, &mut errors);
        if errors.is_empty() { Ok(files) } else { Err(errors) }
    }

    /// Loads a bundle from a directory.
    pub fn load_dir(dir: &Path) -> Result<Tariff, Vec<TariffError>> {
        Tariff::from_files(Tariff::read_files(dir)?)
    }

    /// Loads a bundle from its files by name, or answers with every mistake in it.
    ///
    /// The version is `unpublished` until [`Tariff::published_as`] names it.
    pub fn from_files(files: BTreeMap<String, Vec<u8>>) -> Result<Tariff, Vec<TariffError>> {
        let Some(manifest) = files.get(MANIFEST) else {
            let problem = "the bundle has no manifest".to_owned();
            return Err(vec![TariffError::file(MANIFEST, problem, "add it")]);
        };
        let entries = manifest::parse(manifest).map_err(|error| vec![error])?;
        let mut errors = Vec::new();
        listing(&entries, &files, &mut errors);
        let sheets: Vec<Sheet> = entries
            .iter()
            .map(|entry| match files.get(&entry.file) {
                Some(bytes) => Sheet::parse(&entry.file, bytes, &mut errors),
                None => Sheet { file: entry.file.as_str().into(), header: vec![], rows: vec![] },
            })
            .collect();
        let readable: Vec<bool> = entries
            .iter()
            .zip(&sheets)
            .map(|(entry, sheet)| {
                !sheet.header.is_empty() && check::columns(entry, sheet, &mut errors)
            })
            .collect();
        for (at, entry) in entries.iter().enumerate() {
            if readable[at] {
                check::rows(entry, &sheets[at], &mut errors);
            }
        }
        let view = Sheets { entries: &entries, sheets: &sheets, readable: &readable };
        let tables = Tables::read(&view, &mut errors);
        if !errors.is_empty() {
            errors.sort_by(|one, other| (&one.file, one.line).cmp(&(&other.file, other.line)));
            return Err(errors);
        }
        let names = sheets.iter().map(|sheet| SharedText(sheet.file.clone())).collect();
        let digest = digest(&files);
        let stamp = TariffStamp { version: "unpublished".into(), digest: digest.as_str().into() };
        Ok(Tariff { stamp, entries, sheets, names, tables })
    }

    /// The same bundle under the label it is published with.
    pub fn published_as(mut self, version: &str) -> Tariff {
        self.stamp.version = version.into();
        self
    }

    /// Label given at publication, `unpublished` before.
    pub fn version(&self) -> &str {
        self.stamp.version.as_str()
    }

    /// SHA-256 over the contents, hexadecimal; line ends and byte order marks do not count.
    pub fn digest(&self) -> &str {
        self.stamp.digest.as_str()
    }

    /// Version and digest together.
    pub fn stamp(&self) -> &TariffStamp {
        &self.stamp
    }

    /// Rows that differ between two bundles, by file and key.
    pub fn diff(old: &Tariff, new: &Tariff) -> Vec<RowChange> {
        diff::between(old, new)
    }

    /// Rows from memory or synthetic, which nobody should rely on before they are confirmed.
    pub fn unconfirmed(&self) -> Vec<Unconfirmed> {
        diff::unconfirmed(self)
    }

    /// A market parameter in force in `region` on `day`, the day its `key_date` asks for.
    pub fn parameter(
        &self,
        parameter: Parameter,
        region: Region,
        new_energy: bool,
        day: Date,
    ) -> Option<ParameterValue> {
        let row = self.tables.parameters.in_force(parameter, region, new_energy, day);
        row.map(|row| row.value.1)
    }

    /// Compulsory limits of an accident on `day`. `None` before 2006-07-01.
    pub fn limits(&self, day: Date) -> Option<LimitsPair> {
        let pick = |rows: &[Dated<Limits>]| {
            rows.iter().find(|row| row.span.contains(day)).map(|row| row.value)
        };
        let tables = &self.tables.compulsory;
        Some(LimitsPair { at_fault: pick(&tables.at_fault)?, no_fault: pick(&tables.no_fault)? })
    }

    /// The date that chooses rows of a table.
    pub(crate) fn key_date(&self, kind: Kind) -> KeyDate {
        self.entries
            .iter()
            .find(|entry| entry.kind == kind)
            .map_or(KeyDate::None, |entry| entry.key_date)
    }

    /// Where a row stands, for a trace.
    pub(crate) fn row(&self, at: RowRef) -> TableRow {
        let file = self.names.get(usize::from(at.table)).cloned();
        TableRow { file: file.unwrap_or_else(|| "".into()), line: at.line }
    }
}

fn collect(
    dir: &Path,
    prefix: &str,
    files: &mut BTreeMap<String, Vec<u8>>,
    errors: &mut Vec<TariffError>,
) {
    let unreadable = |name: &str, cause: std::io::Error| {
        TariffError::file(name, format!("cannot be read: {cause}"), "check path and permissions")
    };
    let entries = match std::fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(cause) => return errors.push(unreadable(&dir.to_string_lossy(), cause)),
    };
    for entry in entries.flatten() {
        let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
        let path = entry.path();
        if path.is_dir() {
            collect(&path, &format!("{name}/"), files, errors);
        } else if name == MANIFEST || name.ends_with(".csv") {
            match std::fs::read(&path) {
                Ok(bytes) => drop(files.insert(name, bytes)),
                Err(cause) => errors.push(unreadable(&name, cause)),
            }
        }
    }
}

/// Every listed file is there, every file is listed, every rating table is there once.
fn listing(entries: &[Entry], files: &BTreeMap<String, Vec<u8>>, errors: &mut Vec<TariffError>) {
    let listed: BTreeSet<&str> = entries.iter().map(|entry| entry.file.as_str()).collect();
    for file in &listed {
        if !files.contains_key(*file) {
            let problem = "the manifest lists the file but the bundle lacks it".to_owned();
            errors.push(TariffError::file(file, problem, "add the file or drop its entry"));
        }
    }
    for file in files.keys() {
        if file != MANIFEST && !listed.contains(file.as_str()) {
            let problem = "the manifest does not list the file".to_owned();
            errors.push(TariffError::file(file, problem, "list it or remove it"));
        }
    }
    for kind in Kind::RATING {
        let found = entries.iter().filter(|entry| entry.kind == kind).count();
        if found != 1 {
            let problem = format!("the manifest lists {found} tables of kind {kind:?}, not one");
            errors.push(TariffError::file(MANIFEST, problem, "list exactly one"));
        }
    }
}

fn digest(files: &BTreeMap<String, Vec<u8>>) -> String {
    let mut hash = Sha256::new();
    for (name, bytes) in files {
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        let text: Vec<u8> = bytes.iter().copied().filter(|&byte| byte != b'\r').collect();
        hash.update(name.as_bytes());
        hash.update([0]);
        hash.update((text.len() as u64).to_be_bytes());
        hash.update(&text);
    }
    hex::encode(hash.finalize())
}

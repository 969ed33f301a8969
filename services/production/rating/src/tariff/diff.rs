//! What changed between two bundles, and what nobody has confirmed yet.

use std::collections::BTreeMap;

use serde::Serialize;

use super::Tariff;
use super::manifest::Entry;
use super::sheet::{Line, Sheet};

/// A row that differs between two bundles.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RowChange {
    /// File in the bundle.
    pub file: String,
    /// What names the row, column by column.
    pub key: Vec<(String, String)>,
    /// Line in the old bundle; `None` when the row is new.
    pub old_line: Option<u32>,
    /// Line in the new bundle; `None` when the row is gone.
    pub new_line: Option<u32>,
    /// Cells that differ; empty for rows that are new or gone.
    pub cells: Vec<CellChange>,
}

/// A cell that differs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CellChange {
    /// Column.
    pub column: String,
    /// Text before.
    pub old: String,
    /// Text after.
    pub new: String,
}

/// A row from memory or synthetic.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Unconfirmed {
    /// File in the bundle.
    pub file: String,
    /// Line in it.
    pub line: u32,
    /// What names the row, column by column.
    pub key: Vec<(String, String)>,
    /// What the row says of its source.
    pub source: String,
    /// Written down from memory.
    pub from_memory: bool,
    /// Derived or invented, fit for tests and demonstrations alone.
    pub synthetic: bool,
}

type Key = Vec<(String, String)>;

fn key(entry: &Entry, sheet: &Sheet, line: &Line) -> Key {
    let scope = ["regions", "effective_from"];
    let known = |column: &&str| sheet.column(column).is_some();
    let scope = scope.into_iter().filter(known);
    let columns = entry.key.iter().map(String::as_str).chain(scope);
    columns.map(|column| (column.to_owned(), sheet.text(line, column).to_owned())).collect()
}

fn rows(tariff: &Tariff) -> BTreeMap<(String, Key), (&Sheet, &Line)> {
    let mut rows = BTreeMap::new();
    for (entry, sheet) in tariff.entries.iter().zip(&tariff.sheets) {
        for line in &sheet.rows {
            rows.insert((entry.file.clone(), key(entry, sheet, line)), (sheet, line));
        }
    }
    rows
}

pub(super) fn between(old: &Tariff, new: &Tariff) -> Vec<RowChange> {
    let (before, after) = (rows(old), rows(new));
    let mut changes = Vec::new();
    let names: std::collections::BTreeSet<_> = before.keys().chain(after.keys()).collect();
    for name in names {
        let (old, new) = (before.get(name), after.get(name));
        let cells = match (old, new) {
            (Some(old), Some(new)) => cells(*old, *new),
            _ => Vec::new(),
        };
        if old.is_none() || new.is_none() || !cells.is_empty() {
            changes.push(RowChange {
                file: name.0.clone(),
                key: name.1.clone(),
                old_line: old.map(|(_, line)| line.line),
                new_line: new.map(|(_, line)| line.line),
                cells,
            });
        }
    }
    changes
}

fn cells(old: (&Sheet, &Line), new: (&Sheet, &Line)) -> Vec<CellChange> {
    let columns: std::collections::BTreeSet<&String> =
        old.0.header.iter().chain(&new.0.header).collect();
    let change = |column: &String| {
        let (before, after) = (old.0.text(old.1, column), new.0.text(new.1, column));
        (before != after).then(|| CellChange {
            column: column.clone(),
            old: before.to_owned(),
            new: after.to_owned(),
        })
    };
    columns.into_iter().filter_map(change).collect()
}

pub(super) fn unconfirmed(tariff: &Tariff) -> Vec<Unconfirmed> {
    let mut found = Vec::new();
    for (entry, sheet) in tariff.entries.iter().zip(&tariff.sheets) {
        for line in &sheet.rows {
            let flag = |column| sheet.text(line, column) == "true";
            let (from_memory, synthetic) = (flag("from_memory"), flag("synthetic"));
            if from_memory || synthetic {
                found.push(Unconfirmed {
                    file: entry.file.clone(),
                    line: line.line,
                    key: key(entry, sheet, line),
                    source: sheet.text(line, "source").to_owned(),
                    from_memory,
                    synthetic,
                });
            }
        }
    }
    found
}

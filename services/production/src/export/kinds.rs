//! What can be exported: one descriptor a kind.
//!
//! A new kind is a variant here with its name, a module with a [`Descriptor`], its two statements
//! in `store::export_rows` (how many, and one page in the order of [`Key`]), and its table in
//! `docs/guides/exports.md`.

mod claim_steps;
mod claims;
mod endorsements;
mod fees;
mod policies;
mod policy_versions;
mod quotes;

use std::sync::Arc;

use futures::future::BoxFuture;
use pg::Tx;
use tenancy::Parameters;
use tokio::runtime::Handle;

use crate::error::ProductionError;
use crate::export::table::{Cell, Column, Row};
use crate::export::{Key, Selection, Span};
use crate::lookup::{Shown, party};
use crate::quote::Parties;
use crate::sealed::{self, Sealer};

/// Rows read at once.
pub(crate) const PAGE: i64 = 1_000;

/// What can be exported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExportKind {
    /// Policies, as last endorsed; by when they were confirmed.
    Policies,
    /// Every version of every policy; by when it was recorded.
    PolicyVersions,
    /// Endorsements, surrenders and revocations; by when they were queried.
    Endorsements,
    /// Quotes; by when they were made.
    Quotes,
    /// Registered fees and their changes; by when they were registered.
    Fees,
    /// Claims; by when they were reported to the platform.
    Claims,
    /// Every step of every claim; by when it was recorded.
    ClaimSteps,
}

impl ExportKind {
    /// Every kind.
    pub const ALL: &'static [ExportKind] = &[
        ExportKind::Policies,
        ExportKind::PolicyVersions,
        ExportKind::Endorsements,
        ExportKind::Quotes,
        ExportKind::Fees,
        ExportKind::Claims,
        ExportKind::ClaimSteps,
    ];

    /// The word used in storage and messages.
    pub const fn name(self) -> &'static str {
        match self {
            ExportKind::Policies => "policies",
            ExportKind::PolicyVersions => "policyVersions",
            ExportKind::Endorsements => "endorsements",
            ExportKind::Quotes => "quotes",
            ExportKind::Fees => "fees",
            ExportKind::Claims => "claims",
            ExportKind::ClaimSteps => "claimSteps",
        }
    }

    /// The kind of that name.
    pub fn parse(name: &str) -> Option<ExportKind> {
        ExportKind::ALL.iter().copied().find(|kind| kind.name() == name)
    }

    /// How it is read.
    pub(crate) const fn descriptor(self) -> &'static Descriptor {
        match self {
            ExportKind::Policies => &policies::DESCRIPTOR,
            ExportKind::PolicyVersions => &policy_versions::DESCRIPTOR,
            ExportKind::Endorsements => &endorsements::DESCRIPTOR,
            ExportKind::Quotes => &quotes::DESCRIPTOR,
            ExportKind::Fees => &fees::DESCRIPTOR,
            ExportKind::Claims => &claims::DESCRIPTOR,
            ExportKind::ClaimSteps => &claim_steps::DESCRIPTOR,
        }
    }
}

/// How one kind is read.
pub(crate) struct Descriptor {
    /// Columns of the file, in order.
    pub(crate) columns: &'static [Column],
    /// How many rows a selection has.
    pub(crate) count:
        for<'a> fn(&'a mut Tx, &'a Selection) -> BoxFuture<'a, Result<i64, ProductionError>>,
    /// Up to [`PAGE`] rows of a span, in the order of their [`Key`].
    pub(crate) page: for<'a> fn(
        &'a mut Tx,
        &'a Selection,
        &'a Span,
    ) -> BoxFuture<'a, Result<Page, ProductionError>>,
}

/// Makes the cells of rows: parses what is stored, opens what is sealed. For threads that may block.
pub(crate) type Lines = Box<dyn FnOnce(&Opener) -> Result<Vec<Row>, ProductionError> + Send>;

/// Rows that were read, and how they become cells.
pub(crate) struct Page {
    /// How many.
    pub(crate) rows: usize,
    /// The last row of a full page; `None` when the span is read to its end.
    pub(crate) last_of_full: Option<Key>,
    /// Computes the cells.
    pub(crate) lines: Lines,
}

impl Page {
    /// A page of `rows`; `key` places a row, `line` makes its cells.
    fn of<T: Send + 'static>(
        rows: Vec<T>,
        key: impl FnOnce(&T) -> Key,
        line: impl Fn(T, &Opener) -> Result<Row, ProductionError> + Send + 'static,
    ) -> Page {
        let full = usize::try_from(PAGE).is_ok_and(|page| rows.len() >= page);
        Page {
            rows: rows.len(),
            last_of_full: rows.last().filter(|_| full).map(key),
            lines: Box::new(move |opener| rows.into_iter().map(|row| line(row, opener)).collect()),
        }
    }
}

/// Opens the parties of rows, as far as the export may show them, and knows what cells depend on.
pub(crate) struct Opener {
    pub(crate) sealer: Sealer,
    pub(crate) parameters: Arc<Parameters>,
    pub(crate) selection: Selection,
    pub(crate) shown: Shown,
    pub(crate) runtime: Handle,
}

impl Opener {
    /// The cells of [`with_parties!`]: owner, applicant, insured. Blocks.
    fn parties(&self, sealed: &[u8]) -> Result<Vec<Cell>, ProductionError> {
        let opened = self.sealer.open(self.selection.tenant, sealed::PARTIES, sealed);
        let parties: Parties = self.runtime.block_on(opened)?;
        let named = party::views(&parties, self.shown).into_iter().take(3);
        let cells = named.flat_map(|party| {
            [
                Cell::from(party.name),
                party.certificate_kind.into(),
                party.certificate_no.into(),
                party.mobile.into(),
            ]
        });
        Ok(cells.collect())
    }
}

/// Columns, followed by those of the parties.
macro_rules! with_parties {
    ($($column:expr,)*) => {
        &[
            $($column,)*
            $crate::export::table::needed("ownerName", $crate::export::table::ColumnType::Text),
            $crate::export::table::optional("ownerCertificateKind", $crate::export::table::ColumnType::Text),
            $crate::export::table::optional("ownerCertificateNo", $crate::export::table::ColumnType::Text),
            $crate::export::table::optional("ownerMobile", $crate::export::table::ColumnType::Text),
            $crate::export::table::needed("applicantName", $crate::export::table::ColumnType::Text),
            $crate::export::table::optional("applicantCertificateKind", $crate::export::table::ColumnType::Text),
            $crate::export::table::optional("applicantCertificateNo", $crate::export::table::ColumnType::Text),
            $crate::export::table::optional("applicantMobile", $crate::export::table::ColumnType::Text),
            $crate::export::table::needed("insuredName", $crate::export::table::ColumnType::Text),
            $crate::export::table::optional("insuredCertificateKind", $crate::export::table::ColumnType::Text),
            $crate::export::table::optional("insuredCertificateNo", $crate::export::table::ColumnType::Text),
            $crate::export::table::optional("insuredMobile", $crate::export::table::ColumnType::Text),
        ]
    };
}
use with_parties;

/// The word a state travels as.
fn word<T: serde::Serialize>(state: &T) -> Result<String, ProductionError> {
    match serde_json::to_value(state) {
        Ok(serde_json::Value::String(word)) => Ok(word),
        _ => Err(ProductionError::Corrupt("state")),
    }
}

/// JSON as stored.
fn stored<T: serde::de::DeserializeOwned>(
    json: &str,
    what: &'static str,
) -> Result<T, ProductionError> {
    serde_json::from_str(json).map_err(|_| ProductionError::Corrupt(what))
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_kind_is_known_by_its_name_and_has_columns_of_distinct_names() {
        for kind in ExportKind::ALL {
            assert_eq!(ExportKind::parse(kind.name()), Some(*kind));
            let columns = kind.descriptor().columns;
            let names: HashSet<&str> = columns.iter().map(|column| column.name).collect();
            assert_eq!(names.len(), columns.len(), "{}", kind.name());
        }
        assert_eq!(ExportKind::parse("everything"), None);
    }

    #[test]
    fn the_guide_lists_the_columns_of_every_kind() {
        let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/guides/exports.md");
        let page = std::fs::read_to_string(page).unwrap();
        for kind in ExportKind::ALL {
            let title = format!("### `{}`", kind.name());
            let section = page.split(&title).nth(1).unwrap_or_else(|| panic!("no {title}"));
            let section = section.split("\n#").next().unwrap();
            let listed: Vec<&str> =
                section.split('`').skip(1).step_by(2).filter(|word| word.contains(": ")).collect();
            let of_parties = |name: &str| {
                ["owner", "applicant", "insured"].iter().any(|role| {
                    name.strip_prefix(role).is_some_and(|rest| {
                        ["Name", "CertificateKind", "CertificateNo", "Mobile"].contains(&rest)
                    })
                })
            };
            let wanted: Vec<String> = kind
                .descriptor()
                .columns
                .iter()
                .filter(|column| !of_parties(column.name))
                .map(|column| {
                    let mark = if column.needed { "" } else { "?" };
                    format!("{}{mark}: {}", column.name, column.kind.name())
                })
                .collect();
            assert_eq!(listed, wanted, "{}", kind.name());
        }
    }
}

//! 数据导出: an insurer's own data as one file, CSV or Parquet, made in the background.
//!
//! A request leaves a queued export; whichever server takes it reads the data in one snapshot of
//! the database, as known at the export's `as_of`, and keeps the file as sealed pieces in the
//! database, so that any server can serve any range of it. Always true here: a file can be had
//! whole or not at all (what a server left half done is thrown away by the next attempt, and a
//! server that lost its export to another can write nothing more to it); row count and digest are
//! those of the bytes that are served; no row of another tenant and no person in the clear gets
//! into a file unless the request had the right and stated its purpose.
//!
//! What can be exported is a closed list, [`ExportKind`]: each kind is one descriptor under
//! `kinds`, with its columns and the reader of its pages.

pub(crate) mod csv_file;
pub(crate) mod cut;
pub(crate) mod encode;
pub mod file;
pub(crate) mod kinds;
pub(crate) mod parquet_file;
pub mod range;
pub mod request;
pub mod run;
pub(crate) mod table;
pub mod view;
pub(crate) mod walk;

use jiff::{SignedDuration, Timestamp};
use kernel::TenantId;
use production_core::history::PolicyClass;
use production_core::region::Region;

pub use kinds::ExportKind;

/// How long a file is kept.
pub const KEPT: SignedDuration = SignedDuration::from_hours(7 * 24);

/// Bytes of a piece of a file; only the last is shorter.
pub const PIECE: usize = 1 << 20;

kernel::id_type! {
    /// Names one export.
    pub ExportId
}

/// What kind of file is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Comma-separated values after RFC 4180.
    Csv,
    /// Apache Parquet, compressed with Snappy.
    Parquet,
}

impl Format {
    /// The word used in storage and messages; also the ending of the file's name.
    pub const fn name(self) -> &'static str {
        match self {
            Format::Csv => "csv",
            Format::Parquet => "parquet",
        }
    }

    /// The format of that name.
    pub fn parse(name: &str) -> Option<Format> {
        [Format::Csv, Format::Parquet].into_iter().find(|format| format.name() == name)
    }

    /// What the file is declared as.
    pub const fn media_type(self) -> &'static str {
        match self {
            Format::Csv => "text/csv; charset=utf-8; header=present",
            Format::Parquet => "application/vnd.apache.parquet",
        }
    }
}

/// Which rows are exported.
#[derive(Clone, Debug)]
pub struct Selection {
    /// Whose.
    pub tenant: TenantId,
    /// Recorded at or after.
    pub from: Timestamp,
    /// Recorded before; everything that was known when absent.
    pub to: Option<Timestamp>,
    /// As known, and standing as it did, at this instant.
    pub as_of: Timestamp,
    /// Of one region.
    pub region: Option<Region>,
    /// Of one line.
    pub class: Option<PolicyClass>,
}

impl Selection {
    /// First instant whose rows are left out: the end asked for, or the one after `as_of`.
    pub fn until(&self) -> Timestamp {
        let known = Timestamp::from_microsecond(self.as_of.as_microsecond().saturating_add(1))
            .unwrap_or(Timestamp::MAX);
        self.to.map_or(known, |to| to.min(known))
    }
}

/// The place of a row in an export: rows come in this order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    /// When it was recorded.
    pub at: Timestamp,
    /// Its platform number.
    pub number: String,
    /// Its place among rows of the same number.
    pub sequence: i32,
}

/// A part of a selection that is read at once: recorded from here to there, behind a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Span {
    /// Recorded at or after.
    pub from: Timestamp,
    /// Recorded before.
    pub to: Timestamp,
    /// The row read last, when the span was not read to its end.
    pub after: Option<Key>,
}

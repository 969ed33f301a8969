//! What a version is: its manifest, read and written.

use std::collections::BTreeMap;

use arrow::datatypes::Schema;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::lake::bounds::Bounds;
use crate::lake::{Fault, LakeError, Month, TableName};

/// The form of manifests this release writes and reads.
const FORMAT: u32 = 1;

/// A version of a dataset: every file of every table, and how far each source was read.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// The form it is written in.
    pub format: u32,
    /// The dataset, with its owner.
    pub dataset: String,
    /// 1 for the first version, then without gaps.
    pub number: u64,
    /// Names the attempt that made it, so that a writer whose answer was lost knows its own.
    pub draft: Uuid,
    /// Never before the version it builds on.
    pub committed_at: Timestamp,
    /// By name.
    pub tables: BTreeMap<TableName, TableEntry>,
    /// How far each source was read: what a job reads on from.
    #[serde(default)]
    pub watermarks: BTreeMap<String, String>,
    /// What the writer noted about where the rows came from.
    #[serde(default)]
    pub notes: BTreeMap<String, String>,
}

/// A table of a version.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TableEntry {
    /// Its columns. Files may lack the last ones, which then are null.
    pub schema: Schema,
    /// The column (a day or an instant) whose month in China files are parted by.
    #[serde(default)]
    pub month_of: Option<String>,
    /// The column (text) files are parted by.
    #[serde(default)]
    pub region_of: Option<String>,
    /// In the order they are read.
    pub files: Vec<FileEntry>,
}

/// A Parquet file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FileEntry {
    /// Relative to the dataset.
    pub path: String,
    /// The month all its rows are of, where the table is parted by month and they have one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub month: Option<Month>,
    /// The region all its rows are of, where the table is parted by region and they have one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// How many rows it holds.
    pub rows: u64,
    /// Its length.
    pub bytes: u64,
    /// SHA-256 of its content, hexadecimal.
    pub sha256: String,
    /// The version that first named it.
    pub added_in: u64,
    /// Least and greatest values, by column.
    #[serde(default)]
    pub bounds: BTreeMap<String, Bounds>,
}

impl TableEntry {
    /// Rows of all files.
    pub fn rows(&self) -> u64 {
        self.files.iter().map(|file| file.rows).sum()
    }
}

/// How a manifest lies in the store: its text and the digest of that text.
#[derive(Serialize, Deserialize)]
struct Sealed<'a> {
    sha256: String,
    #[serde(borrow)]
    manifest: &'a RawValue,
}

impl Manifest {
    /// A version without tables, to build the first one on.
    pub(crate) fn nothing(dataset: String) -> Manifest {
        Manifest {
            format: FORMAT,
            dataset,
            number: 0,
            draft: Uuid::nil(),
            committed_at: Timestamp::MIN,
            tables: BTreeMap::new(),
            watermarks: BTreeMap::new(),
            notes: BTreeMap::new(),
        }
    }

    /// The bytes to store and the digest of the manifest.
    pub(crate) fn write(&self) -> Result<(Vec<u8>, String), LakeError> {
        let unwritable = |error: serde_json::Error| self.corrupt(error.to_string());
        let text = serde_json::to_string(self).map_err(unwritable)?;
        let sha256 = hex::encode(Sha256::digest(text.as_bytes()));
        let manifest = RawValue::from_string(text).map_err(unwritable)?;
        let sealed = Sealed { sha256: sha256.clone(), manifest: &manifest };
        Ok((serde_json::to_vec(&sealed).map_err(unwritable)?, sha256))
    }

    /// The manifest stored at `path`, and its digest.
    pub(crate) fn read(path: &str, bytes: &[u8]) -> Result<(Manifest, String), LakeError> {
        let corrupt = |fault| LakeError::Corrupt { path: path.to_owned(), fault };
        let unreadable = |error: serde_json::Error| corrupt(Fault::Unreadable(error.to_string()));
        let sealed: Sealed<'_> = serde_json::from_slice(bytes).map_err(unreadable)?;
        let text = sealed.manifest.get();
        if hex::encode(Sha256::digest(text.as_bytes())) != sealed.sha256 {
            return Err(corrupt(Fault::Digest));
        }
        let manifest: Manifest = serde_json::from_str(text).map_err(unreadable)?;
        if manifest.format != FORMAT {
            let why = format!("form {} is not known to this release", manifest.format);
            return Err(corrupt(Fault::Unreadable(why)));
        }
        Ok((manifest, sealed.sha256))
    }

    fn corrupt(&self, why: String) -> LakeError {
        let path = format!("{} version {}", self.dataset, self.number);
        LakeError::Corrupt { path, fault: Fault::Unreadable(why) }
    }
}

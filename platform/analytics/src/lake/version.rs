//! A version of a dataset: what it holds, read and verified.

use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use jiff::Timestamp;
use object_store::path::Path;
use sha2::{Digest, Sha256};

use crate::lake::manifest::{FileEntry, Manifest, TableEntry};
use crate::lake::store::missing;
use crate::lake::{Dataset, Fault, LakeError, Scan, TableName};

/// A version, with its manifest in memory. Cheap to clone.
#[derive(Clone)]
pub struct Version {
    dataset: Dataset,
    manifest: Arc<Manifest>,
    sha256: Arc<str>,
}

impl std::fmt::Debug for Version {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Version")
            .field("dataset", &self.manifest.dataset)
            .field("number", &self.number())
            .finish_non_exhaustive()
    }
}

impl Version {
    pub(crate) fn new(dataset: Dataset, manifest: Manifest, sha256: String) -> Version {
        Version { dataset, manifest: Arc::new(manifest), sha256: sha256.into() }
    }

    /// The dataset it is a version of.
    pub fn dataset(&self) -> &Dataset {
        &self.dataset
    }

    /// Its number.
    pub fn number(&self) -> u64 {
        self.manifest.number
    }

    /// When it was committed.
    pub fn committed_at(&self) -> Timestamp {
        self.manifest.committed_at
    }

    /// SHA-256 of its manifest, hexadecimal. The manifest holds the digest of every file: two
    /// versions of one digest hold the same rows in the same order.
    pub fn sha256(&self) -> &str {
        &self.sha256
    }

    /// Everything the manifest says.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// How far a source was read when this was committed.
    pub fn watermark(&self, source: &str) -> Option<&str> {
        self.manifest.watermarks.get(source).map(String::as_str)
    }

    /// A table.
    pub fn table(&self, table: &TableName) -> Result<&TableEntry, LakeError> {
        self.manifest.tables.get(table).ok_or_else(|| LakeError::NoTable(table.to_string()))
    }

    /// The columns of a table.
    pub fn schema(&self, table: &TableName) -> Result<SchemaRef, LakeError> {
        Ok(Arc::new(self.table(table)?.schema.clone()))
    }

    /// Rows of a table.
    pub fn rows(&self, table: &TableName) -> Result<u64, LakeError> {
        Ok(self.table(table)?.rows())
    }

    /// Reads a table; see [`Scan`] for which columns and rows.
    pub fn scan(&self, table: &TableName) -> Result<Scan, LakeError> {
        Ok(Scan::over(self.dataset.clone(), self.table(table)?))
    }

    /// Reads every file of every table and compares its length and digest with what was committed.
    ///
    /// Answers how many bytes were read; the first file that differs is [`LakeError::Corrupt`].
    pub async fn verify(&self) -> Result<u64, LakeError> {
        let mut bytes = 0;
        for file in self.manifest.tables.values().flat_map(|table| &table.files) {
            let path = self.path(file);
            let content = self.dataset.place.get(&path).await?.ok_or_else(|| missing(&path))?;
            let found = content.len() as u64;
            let corrupt = |fault| Err(LakeError::Corrupt { path: path.to_string(), fault });
            if found != file.bytes {
                return corrupt(Fault::Bytes { declared: file.bytes, found });
            }
            let digest = tokio::task::spawn_blocking(move || Sha256::digest(&content)).await;
            if hex::encode(digest.map_err(|_| LakeError::Lost)?) != file.sha256 {
                return corrupt(Fault::Digest);
            }
            bytes += found;
        }
        Ok(bytes)
    }

    /// Where a file lies in the store.
    pub(crate) fn path(&self, file: &FileEntry) -> Path {
        self.dataset.file_path(&file.path)
    }
}

impl Dataset {
    /// Where a file of a manifest lies in the store.
    pub(crate) fn file_path(&self, relative: &str) -> Path {
        Path::from_iter(self.folder.parts().chain(Path::from(relative).parts()))
    }
}

//! Housekeeping of a dataset: small files made one, old versions let go, files nobody names removed.

use std::collections::{BTreeMap, BTreeSet};

use futures::StreamExt;
use jiff::Timestamp;
use object_store::ObjectStoreExt;

use crate::lake::manifest::FileEntry;
use crate::lake::partition::Key;
use crate::lake::{Dataset, Draft, LakeError, Scan, TableName, Version};

/// A file of more rows is not made part of a larger one.
const SMALL: u64 = 131_072;

/// What a compaction did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Compaction {
    /// The version it made.
    pub number: u64,
    /// Small files there were.
    pub files_before: usize,
    /// Files they became.
    pub files_after: usize,
}

/// What a sweep did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Swept {
    /// Files no version names.
    pub files: usize,
    /// Their bytes.
    pub bytes: u64,
}

impl Dataset {
    /// Makes the small files of each month and region one, where there are more than `most` of
    /// them, as a new version with the same rows; `None` when there are not. Rows of small files come after
    /// those of large ones then.
    ///
    /// Watermarks stay. [`LakeError::Conflict`] when somebody committed meanwhile: nothing is lost,
    /// the next compaction finds the files again.
    pub async fn compact(
        &self,
        most: usize,
        now: Timestamp,
    ) -> Result<Option<Compaction>, LakeError> {
        let Some(version) = self.latest().await? else { return Ok(None) };
        let mut draft = self.draft_on(Some(&version));
        let mut done = Compaction { number: version.number() + 1, files_before: 0, files_after: 0 };
        for (table, entry) in &version.manifest().tables {
            let mut parts: BTreeMap<Key, Vec<FileEntry>> = BTreeMap::new();
            for file in entry.files.iter().filter(|file| file.rows <= SMALL) {
                let key = Key { month: file.month, region: file.region.clone() };
                parts.entry(key).or_default().push(file.clone());
            }
            parts.retain(|_, files| files.len() > most.max(1));
            for files in parts.into_values() {
                done.files_before += files.len();
                done.files_after += rewrite(&mut draft, &version, table, files).await?;
            }
        }
        if done.files_before == 0 {
            return Ok(None);
        }
        draft.commit(now).await?;
        Ok(Some(done))
    }

    /// Lets go of versions committed before an instant, but never of the latest, nor of those in
    /// `pinned`; answers how many. Their files go with the next sweep, where no other version
    /// names them.
    pub async fn expire(&self, before: Timestamp, pinned: &[u64]) -> Result<usize, LakeError> {
        let mut numbers = self.numbers(None).await?;
        numbers.pop();
        let mut gone = 0;
        for number in numbers {
            if pinned.contains(&number) {
                continue;
            }
            if self.version(number).await?.committed_at() >= before {
                break;
            }
            let path = self.manifest_path(number);
            self.place.store.delete(&path).await.map_err(LakeError::Store)?;
            gone += 1;
        }
        Ok(gone)
    }

    /// Removes files that no kept version names and that were last written before an instant.
    ///
    /// Leave a day at least: a draft under way has files nobody names yet, and one older than half
    /// a day is refused its commit.
    pub async fn sweep(&self, before: Timestamp) -> Result<Swept, LakeError> {
        // Listed before the manifests are read: a file that comes to be named in between is named
        // by a version that is read.
        let mut found = self.place.list(&self.folder.clone().join("data"), None).await?;
        found.extend(self.place.list(&self.folder.clone().join("staging"), None).await?);
        let mut named = BTreeSet::new();
        for number in self.numbers(None).await? {
            match self.read(number).await {
                Ok(version) => {
                    let files = version.manifest().tables.values().flat_map(|table| &table.files);
                    named.extend(files.map(|file| self.file_path(&file.path)));
                }
                // Let go of meanwhile.
                Err(LakeError::NoVersion { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        let mut swept = Swept::default();
        for object in found {
            let written = object.last_modified.timestamp_millis();
            if named.contains(&object.location) || written >= before.as_millisecond() {
                continue;
            }
            match self.place.store.delete(&object.location).await {
                Ok(()) => {
                    swept.files += 1;
                    swept.bytes += object.size;
                }
                Err(object_store::Error::NotFound { .. }) => {}
                Err(error) => return Err(LakeError::Store(error)),
            }
        }
        Ok(swept)
    }

    /// Commits a version without tables and lets go of all others: the dataset is gone for readers,
    /// its files with the next sweep. A later draft begins it anew.
    pub async fn erase(&self, now: Timestamp) -> Result<(), LakeError> {
        let Some(latest) = self.latest().await? else { return Ok(()) };
        let mut draft = self.draft_on(Some(&latest));
        for table in latest.manifest().tables.keys() {
            draft.remove(table);
        }
        draft.commit(now).await?;
        self.expire(Timestamp::MAX, &[]).await?;
        Ok(())
    }
}

/// Writes the rows of files anew through the draft; answers how many files they became.
async fn rewrite(
    draft: &mut Draft,
    version: &Version,
    table: &TableName,
    files: Vec<FileEntry>,
) -> Result<usize, LakeError> {
    let gone: BTreeSet<&str> = files.iter().map(|file| file.path.as_str()).collect();
    draft.retain_files(table, |file| !gone.contains(file.path.as_str()));
    let before = draft.files(table);
    let dataset = version.dataset().clone();
    let mut batches = Scan::of_files(dataset, version.table(table)?, files.clone()).batches();
    while let Some(batch) = batches.next().await {
        draft.write(table, batch?).await?;
    }
    draft.flush().await?;
    Ok(draft.files(table) - before)
}

//! A dataset: finding its versions and beginning new ones.

use std::sync::Arc;

use jiff::Timestamp;
use object_store::path::Path;

use crate::lake::manifest::Manifest;
use crate::lake::store::{Place, missing, owner_folder};
use crate::lake::{DatasetName, Draft, LakeError, Owner, Version};

/// A dataset of an owner; a handle, whether or not it has a version yet.
#[derive(Clone)]
pub struct Dataset {
    pub(crate) place: Arc<Place>,
    owner: Owner,
    name: DatasetName,
    /// Where it lies.
    pub(crate) folder: Path,
}

/// A line of the list of versions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VersionLine {
    /// Its number.
    pub number: u64,
    /// When it was committed.
    pub committed_at: Timestamp,
    /// Rows of all tables.
    pub rows: u64,
}

impl std::fmt::Debug for Dataset {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Dataset").field(&self.title()).finish()
    }
}

impl Dataset {
    pub(crate) fn new(place: Arc<Place>, owner: Owner, name: DatasetName) -> Dataset {
        let parts = place.root.parts().map(|part| part.as_ref().to_owned());
        let parts: Vec<String> =
            parts.chain([owner_folder(owner), name.as_str().to_owned()]).collect();
        let folder = Path::from_iter(parts);
        Dataset { place, owner, name, folder }
    }

    /// Whose it is.
    pub fn owner(&self) -> Owner {
        self.owner
    }

    /// What it is called.
    pub fn name(&self) -> &DatasetName {
        &self.name
    }

    /// Its name with its owner's, for people.
    pub fn title(&self) -> String {
        format!("{}/{}", self.owner, self.name)
    }

    /// The latest version; `None` before the first.
    pub async fn latest(&self) -> Result<Option<Version>, LakeError> {
        let seen = self.place.seen(&self.title());
        let behind = seen.as_ref().map(|version| self.manifest_path(version.number()));
        match self.numbers(behind.as_ref()).await?.pop() {
            Some(number) => {
                let version = self.read(number).await?;
                self.place.remember(&self.title(), &version);
                Ok(Some(version))
            }
            None => Ok(seen),
        }
    }

    /// The version of that number.
    pub async fn version(&self, number: u64) -> Result<Version, LakeError> {
        match self.place.seen(&self.title()) {
            Some(version) if version.number() == number => Ok(version),
            _ => self.read(number).await,
        }
    }

    /// The version that was the latest at an instant; `None` when there was none or it is no longer
    /// kept.
    pub async fn as_of(&self, instant: Timestamp) -> Result<Option<Version>, LakeError> {
        let numbers = self.numbers(None).await?;
        // Versions are committed in the order of their time: everything up to `low` is early enough.
        let (mut low, mut high) = (0, numbers.len());
        let mut found = None;
        while low < high {
            let middle = low + (high - low) / 2;
            let version = self.version(numbers[middle]).await?;
            if version.committed_at() <= instant {
                found = Some(version);
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        Ok(found)
    }

    /// Every version that is kept, first to last.
    pub async fn versions(&self) -> Result<Vec<VersionLine>, LakeError> {
        let mut lines = Vec::new();
        for number in self.numbers(None).await? {
            let version = self.version(number).await?;
            lines.push(VersionLine {
                number,
                committed_at: version.committed_at(),
                rows: version.manifest().tables.values().map(|table| table.rows()).sum(),
            });
        }
        Ok(lines)
    }

    /// Begins a version on top of the latest.
    pub async fn draft(&self) -> Result<Draft, LakeError> {
        Ok(self.draft_on(self.latest().await?.as_ref()))
    }

    /// Begins a version on top of `parent`, the first one where there is none.
    ///
    /// A writer that decided from what `parent` holds, its watermark for example, must build on
    /// that and no other.
    pub fn draft_on(&self, parent: Option<&Version>) -> Draft {
        let manifest = match parent {
            Some(parent) => parent.manifest().clone(),
            None => Manifest::nothing(self.title()),
        };
        Draft::new(self.clone(), manifest)
    }

    /// Numbers of the versions that are kept, in order, behind one when it is given.
    pub(crate) async fn numbers(&self, behind: Option<&Path>) -> Result<Vec<u64>, LakeError> {
        let listed = self.place.list(&self.folder.clone().join("versions"), behind).await?;
        let numbers = listed
            .iter()
            .filter_map(|object| object.location.filename()?.strip_suffix(".json")?.parse().ok());
        let mut numbers: Vec<u64> = numbers.collect();
        numbers.sort_unstable();
        Ok(numbers)
    }

    pub(crate) fn manifest_path(&self, number: u64) -> Path {
        self.folder.clone().join("versions").join(format!("{number:020}.json"))
    }

    pub(crate) async fn read(&self, number: u64) -> Result<Version, LakeError> {
        let path = self.manifest_path(number);
        let Some(bytes) = self.place.get(&path).await? else {
            return Err(LakeError::NoVersion { dataset: self.title(), number });
        };
        let (manifest, sha256) = Manifest::read(path.as_ref(), &bytes)?;
        // A manifest copied to another place would name files that are not there.
        if manifest.number != number || manifest.dataset != self.title() {
            return Err(missing(&path));
        }
        Ok(Version::new(self.clone(), manifest, sha256))
    }
}

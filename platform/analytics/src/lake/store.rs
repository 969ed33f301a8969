//! Where a lake is kept: a local folder, S3, or the memory of a test.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::path::{Path as FilePath, PathBuf};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use futures::TryStreamExt;
use kernel::Ids;
use object_store::local::LocalFileSystem;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{CopyMode, CopyOptions, ObjectStore, ObjectStoreExt, PutMode, PutOptions};

use crate::lake::{Dataset, DatasetName, Fault, LakeError, Owner, Version};

/// A lake. Cheap to clone.
#[derive(Clone)]
pub struct Lake {
    pub(crate) place: Arc<Place>,
}

/// The store behind a lake, and what is known of it.
pub(crate) struct Place {
    pub(crate) store: Arc<dyn ObjectStore>,
    /// Everything lies below.
    pub(crate) root: Path,
    /// The folder, where the store is one: what is written there is flushed by hand.
    local: Option<PathBuf>,
    pub(crate) ids: Arc<Ids>,
    /// The latest version seen of each dataset: where to look for later ones, read once.
    latest: Mutex<HashMap<String, Version>>,
}

impl fmt::Debug for Lake {
    /// The address is left out: it may hold a secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lake").field("local", &self.place.local).finish_non_exhaustive()
    }
}

impl Lake {
    /// A lake at `address`: a folder (`/srv/lake` or `file:///srv/lake`, made when absent), or
    /// `s3://bucket/prefix`.
    ///
    /// `options` are those of S3 (`region`, `endpoint`, `access_key_id`, ...); what they leave open
    /// is read from the environment (`AWS_...`). Makes no call.
    pub fn open(
        address: &str,
        options: &BTreeMap<String, String>,
        ids: Arc<Ids>,
    ) -> Result<Lake, LakeError> {
        match address.split_once("://") {
            None => Lake::in_folder(FilePath::new(address), ids),
            Some(("file", folder)) => Lake::in_folder(FilePath::new(folder), ids),
            Some(("s3", place)) => {
                let (bucket, prefix) = place.split_once('/').unwrap_or((place, ""));
                let root = Path::parse(prefix)
                    .map_err(|_| LakeError::Address("the prefix is no path".to_owned()))?;
                Ok(Lake::of(s3(bucket, options)?, root, None, ids))
            }
            Some(_) => Err(LakeError::Address(
                "it is neither a folder nor begins with file:// or s3://".to_owned(),
            )),
        }
    }

    /// A lake in a folder, which is made when absent.
    pub fn in_folder(folder: &FilePath, ids: Arc<Ids>) -> Result<Lake, LakeError> {
        let unusable = |error: std::io::Error| LakeError::Address(error.to_string());
        std::fs::create_dir_all(folder).map_err(unusable)?;
        let folder = folder.canonicalize().map_err(unusable)?;
        let store = LocalFileSystem::new_with_prefix(&folder).map_err(LakeError::Store)?;
        Ok(Lake::of(Arc::new(store), Path::default(), Some(folder), ids))
    }

    /// A lake in memory, gone with its last clone.
    pub fn in_memory(ids: Arc<Ids>) -> Lake {
        Lake::of(Arc::new(InMemory::new()), Path::default(), None, ids)
    }

    /// A lake over any store, for tests that make it fail.
    pub fn over(store: Arc<dyn ObjectStore>, ids: Arc<Ids>) -> Lake {
        Lake::of(store, Path::default(), None, ids)
    }

    fn of(store: Arc<dyn ObjectStore>, root: Path, local: Option<PathBuf>, ids: Arc<Ids>) -> Lake {
        let latest = Mutex::default();
        Lake { place: Arc::new(Place { store, root, local, ids, latest }) }
    }

    /// A dataset, which exists once it has a version.
    pub fn dataset(&self, owner: Owner, name: DatasetName) -> Dataset {
        Dataset::new(self.place.clone(), owner, name)
    }

    /// Names of the datasets of an owner, in order; those that were erased are not among them.
    pub async fn datasets(&self, owner: Owner) -> Result<Vec<DatasetName>, LakeError> {
        let prefix = self.place.root.clone().join(owner_folder(owner).as_str());
        let prefix = Path::from(prefix.to_string());
        let listed = self.place.store.list_with_delimiter(Some(&prefix)).await;
        let listed = listed.map_err(LakeError::Store)?;
        let mut names = Vec::new();
        for folder in listed.common_prefixes {
            let Some(Ok(name)) = folder.filename().map(DatasetName::parse) else { continue };
            let latest = self.dataset(owner, name.clone()).latest().await?;
            if latest.is_some_and(|version| !version.manifest().tables.is_empty()) {
                names.push(name);
            }
        }
        names.sort();
        Ok(names)
    }
}

/// `operator` or `tenant=<uuid>`.
pub(crate) fn owner_folder(owner: Owner) -> String {
    match owner {
        Owner::Operator => "operator".to_owned(),
        Owner::Tenant(tenant) => format!("tenant={tenant}"),
    }
}

#[cfg(feature = "s3")]
fn s3(bucket: &str, options: &BTreeMap<String, String>) -> Result<Arc<dyn ObjectStore>, LakeError> {
    use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey};
    let mut builder = AmazonS3Builder::from_env().with_bucket_name(bucket);
    for (key, value) in options {
        let known: AmazonS3ConfigKey =
            key.parse().map_err(|_| LakeError::Address(format!("S3 has no option {key}")))?;
        builder = builder.with_config(known, value);
    }
    Ok(Arc::new(builder.build().map_err(LakeError::Store)?))
}

#[cfg(not(feature = "s3"))]
fn s3(_: &str, _: &BTreeMap<String, String>) -> Result<Arc<dyn ObjectStore>, LakeError> {
    Err(LakeError::Address("this build knows no S3 (feature s3)".to_owned()))
}

/// What came of creating an object that must not exist.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Created {
    Ours,
    Theirs,
}

impl Place {
    /// Writes an object that nothing names yet; on a folder it is on disk when this returns.
    pub(crate) async fn put(&self, path: &Path, content: Bytes) -> Result<(), LakeError> {
        self.store.put(path, content.into()).await.map_err(LakeError::Store)?;
        self.flush(path).await
    }

    /// Creates an object where there is none, whole or not at all.
    ///
    /// `staging` is a path nobody else uses. A folder's file is flushed under that path first, so
    /// that its name never stands for half of it.
    pub(crate) async fn create(
        &self,
        path: &Path,
        staging: &Path,
        content: Bytes,
    ) -> Result<Created, LakeError> {
        let outcome = if self.local.is_some() {
            self.put(staging, content.clone()).await?;
            let options = CopyOptions::new().with_mode(CopyMode::Create);
            let linked = self.store.copy_opts(staging, path, options).await;
            if linked.is_ok() {
                self.flush(path).await?;
            }
            // One that stays is swept with other files nobody names.
            self.store.delete(staging).await.ok();
            linked
        } else {
            let options = PutOptions::from(PutMode::Create);
            self.store.put_opts(path, content.clone().into(), options).await.map(|_| ())
        };
        let Err(error) = outcome else { return Ok(Created::Ours) };
        // A store may have done it and lost its answer, or asked itself again: then it is ours.
        match self.store.get(path).await {
            Ok(stored) => {
                let stored = stored.bytes().await.map_err(LakeError::Store)?;
                Ok(if stored == content { Created::Ours } else { Created::Theirs })
            }
            Err(_) => Err(LakeError::Store(error)),
        }
    }

    /// The object a manifest or a version number names.
    pub(crate) async fn get(&self, path: &Path) -> Result<Option<Bytes>, LakeError> {
        match self.store.get(path).await {
            Ok(found) => Ok(Some(found.bytes().await.map_err(LakeError::Store)?)),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(LakeError::Store(error)),
        }
    }

    /// The length of an object that must be there.
    pub(crate) async fn length(&self, path: &Path) -> Result<u64, LakeError> {
        match self.store.head(path).await {
            Ok(found) => Ok(found.size),
            Err(object_store::Error::NotFound { .. }) => Err(missing(path)),
            Err(error) => Err(LakeError::Store(error)),
        }
    }

    /// Everything below a prefix, behind a path when one is given.
    pub(crate) async fn list(
        &self,
        prefix: &Path,
        behind: Option<&Path>,
    ) -> Result<Vec<object_store::ObjectMeta>, LakeError> {
        let found = match behind {
            Some(behind) => self.store.list_with_offset(Some(prefix), behind),
            None => self.store.list(Some(prefix)),
        };
        found.try_collect().await.map_err(LakeError::Store)
    }

    /// The latest version of a dataset that was seen here.
    pub(crate) fn seen(&self, dataset: &str) -> Option<Version> {
        self.latest.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).get(dataset).cloned()
    }

    /// Remembers a version unless a later one is known.
    pub(crate) fn remember(&self, dataset: &str, version: &Version) {
        let mut latest = self.latest.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let known = latest.get(dataset).map(Version::number);
        if known.is_none_or(|known| known < version.number()) {
            latest.insert(dataset.to_owned(), version.clone());
        }
    }

    /// Brings a file of a folder, and the names of the folders it lies in, to the disk.
    async fn flush(&self, path: &Path) -> Result<(), LakeError> {
        let Some(folder) = self.local.clone() else { return Ok(()) };
        let parts: Vec<String> = path.parts().map(|part| part.as_ref().to_owned()).collect();
        let flushed = tokio::task::spawn_blocking(move || {
            let mut place = folder.clone();
            place.extend(&parts);
            std::fs::File::open(&place)?.sync_all()?;
            while let Some(parent) = place.parent() {
                std::fs::File::open(parent)?.sync_all()?;
                if parent == folder {
                    break;
                }
                place = parent.to_owned();
            }
            Ok::<(), std::io::Error>(())
        });
        flushed.await.map_err(|_| LakeError::Lost)?.map_err(|source| {
            LakeError::Store(object_store::Error::Generic {
                store: "LocalFileSystem",
                source: Box::new(source),
            })
        })
    }
}

pub(crate) fn missing(path: &Path) -> LakeError {
    LakeError::Corrupt { path: path.to_string(), fault: Fault::Missing }
}

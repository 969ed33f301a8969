//! Datasets as Parquet files under versions that are committed whole.
//!
//! A dataset belongs to the operator or to a tenant and has one or more tables. A version of it is
//! one object, its manifest, which names every file of every table; it is made by creating that
//! object where none may exist yet, so a commit is atomic, covers all tables at once, and of two
//! writers that build on the same version one is told [`LakeError::Conflict`]. Files are written
//! before the manifest that names them: a crash leaves files nobody names, which
//! [`Dataset::sweep`] removes. Nothing is ever written again under a name that was used.

mod bounds;
mod dataset;
mod draft;
mod error;
mod file;
mod keep;
mod manifest;
mod name;
mod partition;
mod scan;
mod store;
mod version;

pub use bounds::{Bound, Bounds};
pub use dataset::{Dataset, VersionLine};
pub use draft::{Draft, TableSpec};
pub use error::{Fault, LakeError};
pub use keep::{Compaction, Swept};
pub use manifest::{FileEntry, Manifest, TableEntry};
pub use name::{DatasetName, Month, Owner, TableName};
pub use scan::{Batches, Scan};
pub use store::Lake;
pub use version::Version;

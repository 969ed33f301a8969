//! The actuarial cloud as one value: everything its calls and jobs need, cheap to clone.

use std::ops::Deref;
use std::sync::Arc;

use analytics::lake::{Dataset, DatasetName, Lake, LakeError, Owner};
use analytics::question::Questions;
use base_http::Spine;
use kernel::TenantId;
use tenancy::TenantKeys;

use crate::file::Files;
use crate::model::shelf::Shelf;
use crate::question::Desk;

/// What the actuarial cloud is made of. Every request takes a clone, and clones share it.
#[derive(Clone)]
pub struct Actuarial(Arc<Parts>);

/// What it is built over.
pub struct Parts {
    /// Serves and records calls.
    pub spine: Spine,
    /// Keeps files, sealed.
    pub files: Files,
    /// Keeps the rows of datasets.
    pub lake: Lake,
    /// Answers questions over the same lake.
    pub questions: Arc<dyn Questions>,
    /// Bounds of a server and of a tenant.
    pub settings: Settings,
    pub(crate) desk: Arc<Desk>,
    /// The models in force.
    pub(crate) shelf: Shelf,
}

/// Bounds of a server and of a tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Runs a server computes at once: each takes two cores.
    pub runs_at_once: usize,
    /// Imports a server makes at once.
    pub imports_at_once: usize,
    /// Jobs of one tenant that may be queued or running.
    pub jobs_of_tenant: u32,
    /// Largest file that may be uploaded, in bytes.
    pub largest_upload: u64,
    /// Rows a run reads at most.
    pub most_rows: u64,
    /// Questions of one tenant that a server answers at once.
    pub questions_of_tenant: u32,
    /// Which code computes: a run of another version is another run.
    pub code_version: String,
    /// The operator, who publishes models of the market; nobody does when `None`.
    pub market: Option<TenantId>,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            runs_at_once: 1,
            imports_at_once: 1,
            jobs_of_tenant: 20,
            largest_upload: 512 << 20,
            most_rows: 20_000_000,
            questions_of_tenant: 2,
            code_version: env!("CARGO_PKG_VERSION").to_owned(),
            market: None,
        }
    }
}

impl Actuarial {
    /// The actuarial cloud over its parts. Jobs are worked on by
    /// [`keep_working`](Actuarial::keep_working).
    pub fn new(
        spine: Spine,
        keys: Arc<TenantKeys>,
        lake: Lake,
        questions: Arc<dyn Questions>,
        settings: Settings,
    ) -> Actuarial {
        let (files, desk) = (Files::new(spine.clone(), keys), Arc::default());
        let shelf = Shelf::default();
        Actuarial(Arc::new(Parts { spine, files, lake, questions, settings, desk, shelf }))
    }

    /// A dataset of the lake by its name.
    pub(crate) fn lake_dataset(&self, tenant: TenantId, at: &str) -> Result<Dataset, LakeError> {
        Ok(self.lake.dataset(Owner::Tenant(tenant), DatasetName::parse(at)?))
    }

    /// Removes rows that no version names. What cannot be removed now stays, and is told.
    pub(crate) async fn erase(&self, tenant: TenantId, at: &str) {
        let erased = async { self.lake_dataset(tenant, at)?.erase(self.spine.now()).await };
        if let Err(error) = erased.await {
            let error = base_http::problem::Chain(&error);
            tracing::warn!(lake.dataset = at, %error, "rows nobody names stay in the lake");
        }
    }
}

impl Deref for Actuarial {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0
    }
}

//! The models in force, ready in memory: what a claims call asks.
//!
//! Servers hear of a publication through `commonwheel_model` and look every few seconds besides. A
//! model that cannot be read is not skipped for another: whoever asks is told so, and goes by rules.

use std::collections::HashMap;
use std::sync::{Arc, RwLock};
use std::time::Duration;

use actuarial_models::scoring::{Live, ScoringError};
use kernel::TenantId;
use production_core::claim::feature::Features;
use sqlx::postgres::PgListener;
use tokio_util::sync::CancellationToken;

use crate::Actuarial;
use crate::error::ActuarialError;
use crate::method::fraud_score::FraudScoreResult;
use crate::model::{Bounds, ModelId, Reach, Spoken, say};
use crate::run::RunId;
use crate::store::model::{self as store, InForce};
use crate::store::run as runs;

/// How long a publication may stay unnoticed when its notification was lost.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// A claim's score, and by which model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClaimScore {
    /// The model.
    pub model: ModelId,
    /// Its version within its scope.
    pub version: i32,
    /// Whose it is.
    pub reach: Reach,
    /// What it says.
    pub spoken: Spoken,
}

/// Why a claim has no score.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotScored {
    /// No model is in force for the tenant, nor for the market.
    NoModel,
    /// The one in force cannot be read.
    Broken,
    /// It asks for figures the claim has not.
    Missing,
}

/// Models by whose claims they score; of the market under `None`.
#[derive(Default)]
pub(crate) struct Shelf(RwLock<HashMap<Option<TenantId>, Arc<Held>>>);

struct Held {
    model: ModelId,
    version: i32,
    reach: Reach,
    bounds: Bounds,
    /// `None` when it cannot be read.
    live: Option<Live>,
}

impl Shelf {
    fn held(&self, of: Option<TenantId>) -> Option<Arc<Held>> {
        self.0.read().unwrap_or_else(|poisoned| poisoned.into_inner()).get(&of).cloned()
    }
}

impl Actuarial {
    /// Scores a claim of a tenant by the model in force. Only computes: nothing is asked of a database.
    pub fn score_claim(
        &self,
        tenant: TenantId,
        features: &Features,
    ) -> Result<ClaimScore, NotScored> {
        let held = self.shelf.held(Some(tenant)).or_else(|| self.shelf.held(None));
        let held = held.ok_or(NotScored::NoModel)?;
        let live = held.live.as_ref().ok_or(NotScored::Broken)?;
        let spoken = say(live, held.bounds, features).map_err(|error| match error {
            ScoringError::Missing(_) => NotScored::Missing,
            _ => NotScored::Broken,
        })?;
        Ok(ClaimScore { model: held.model, version: held.version, reach: held.reach, spoken })
    }

    /// Looks which models are in force and reads those that are new.
    pub async fn refresh_models(&self) -> Result<(), ActuarialError> {
        let in_force = store::in_force(self.spine.db()).await?;
        let mut found = HashMap::new();
        for model in in_force {
            let key = (model.reach == Reach::Tenant).then_some(model.tenant);
            let known = self.shelf.held(key).filter(|held| held.model == model.model);
            // One that could not be read is tried again.
            let held = match known.filter(|held| held.live.is_some()) {
                Some(held) => held,
                None => Arc::new(self.take_up(&model).await),
            };
            found.insert(key, held);
        }
        *self.shelf.0.write().unwrap_or_else(|poisoned| poisoned.into_inner()) = found;
        Ok(())
    }

    async fn take_up(&self, model: &InForce) -> Held {
        let live = match self.scorer_of(model.tenant, model.run, &model.scorer_digest).await {
            Ok(live) => {
                tracing::info!(model.id = %model.model, model.version = model.version,
                    "fraud score {} scores claims", model.model);
                Some(live)
            }
            Err(error) => {
                let error = base_http::problem::Chain(&error);
                tracing::error!(model.id = %model.model, %error,
                    "fraud score {} cannot be read; claims go by rules", model.model);
                None
            }
        };
        Held {
            model: model.model,
            version: model.version,
            reach: model.reach,
            bounds: model.bounds,
            live,
        }
    }

    /// The scorer of an own model, ready, in force or not.
    pub(crate) async fn champion(
        &self,
        tenant: TenantId,
        model: ModelId,
    ) -> Result<Live, ActuarialError> {
        let mut tx = self.spine.db().begin(pg::Scope::of(tenant)).await?;
        let record = store::find(&mut tx, tenant, model).await?;
        drop(tx);
        self.scorer_of(tenant, record.run, &record.scorer_digest).await
    }

    /// Whether a model is in force for the claims of a tenant, its own or the market's.
    pub fn has_model(&self, tenant: TenantId) -> bool {
        self.shelf.held(Some(tenant)).or_else(|| self.shelf.held(None)).is_some()
    }

    /// The own model in force.
    pub(crate) fn in_force(&self, tenant: TenantId) -> Option<ModelId> {
        self.shelf.held(Some(tenant)).map(|held| held.model)
    }

    /// The scorer of a run, ready, when it still has this digest.
    pub(crate) async fn scorer_of(
        &self,
        tenant: TenantId,
        run: RunId,
        digest: &[u8; 32],
    ) -> Result<Live, ActuarialError> {
        let result = self.scored_by(tenant, run).await?;
        if result.scorer.digest != hex::encode(digest) {
            return Err(ActuarialError::Corrupt("scorer"));
        }
        made_ready(result).await
    }

    /// What a run of `fraudScore` found.
    pub(crate) async fn scored_by(
        &self,
        tenant: TenantId,
        run: RunId,
    ) -> Result<FraudScoreResult, ActuarialError> {
        let mut tx = self.spine.db().begin(pg::Scope::of(tenant)).await?;
        let record = runs::find(&mut tx, tenant, run).await?;
        drop(tx);
        let bytes = self.result_of(&record).await?;
        serde_json::from_slice(&bytes).map_err(|_| ActuarialError::Corrupt("scorer"))
    }

    /// Follows publications until `stop`.
    pub async fn keep_models_fresh(self, stop: CancellationToken) {
        let mut listener: Option<PgListener> = None;
        loop {
            if listener.is_none() {
                listener = self.listen().await.ok();
            }
            if let Err(error) = self.refresh_models().await {
                let error = base_http::problem::Chain(&error);
                tracing::warn!(%error, "the models in force cannot be read; those at hand serve on");
            }
            let heard = async {
                match &mut listener {
                    Some(listener) => listener.recv().await.is_ok(),
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = stop.cancelled() => return,
                well = heard => if !well { listener = None },
                () = tokio::time::sleep(LOOK_EVERY) => {}
            }
        }
    }

    async fn listen(&self) -> Result<PgListener, sqlx::Error> {
        let mut listener = PgListener::connect_with(self.spine.db().pool()).await?;
        listener.listen("commonwheel_model").await?;
        Ok(listener)
    }
}

/// Reading a scorer and making it ready takes a tenth of a second of computing.
pub(crate) async fn made_ready(result: FraudScoreResult) -> Result<Live, ActuarialError> {
    let ready = move || result.scorer.scorer()?.live().ok();
    let live = tokio::task::spawn_blocking(ready).await;
    live.ok().flatten().ok_or(ActuarialError::Corrupt("scorer"))
}

//! Fraud between the clouds: scores, as the steps of claims ask for them, and what investigators found, as
//! scores are learnt again from it.

use actuarial::Actuarial;
use actuarial::error::ActuarialError;
use actuarial::model::retrain::{Labelled, LabelledClaims};
use actuarial::model::{self, ClaimScore};
use futures::FutureExt;
use futures::future::BoxFuture;
use kernel::{TenantId, time};
use production::Production;
use production::claim::score::{Band, ClaimScorer, FraudScore, NotScored, ScoreReason};
use production_core::claim::feature::Features;

/// The models in force.
pub(crate) struct Models(pub(crate) Actuarial);

impl ClaimScorer for Models {
    fn has_model(&self, tenant: TenantId) -> bool {
        self.0.has_model(tenant)
    }

    fn score(&self, tenant: TenantId, features: &Features) -> Result<FraudScore, NotScored> {
        self.0.score_claim(tenant, features).map(told).map_err(|why| match why {
            model::NotScored::NoModel => NotScored::NoModel,
            model::NotScored::Broken => NotScored::Broken,
            model::NotScored::Missing => NotScored::Missing,
        })
    }
}

fn told(score: ClaimScore) -> FraudScore {
    let reasons = score.spoken.reasons.into_iter().map(|because| ScoreReason {
        feature: because.feature,
        value: because.value,
        odds_pct: because.odds_pct,
    });
    FraudScore {
        model_id: score.model.0,
        model_version: score.version,
        model_scope: score.reach.name().to_owned(),
        chance_ppm: score.spoken.chance_ppm,
        band: match score.spoken.band {
            model::Band::Low => Band::Low,
            model::Band::Review => Band::Review,
            model::Band::High => Band::High,
        },
        reasons: reasons.collect(),
    }
}

/// What investigators found, over the production cloud.
pub(crate) struct Investigated(pub(crate) Production);

impl LabelledClaims for Investigated {
    fn labelled(&self, tenant: TenantId) -> BoxFuture<'_, Result<Vec<Labelled>, ActuarialError>> {
        async move {
            let found = self.0.labelled_claims(tenant).await.map_err(|error| match error {
                production::ProductionError::Store(error) => ActuarialError::from(error),
                error => ActuarialError::Labels(Box::new(error)),
            })?;
            let found = found.into_iter().map(|own| Labelled {
                claim_code: own.claim_code,
                finding: own.finding,
                concluded_on: time::day_of(own.concluded_at),
                features: own.features,
            });
            Ok(found.collect())
        }
        .boxed()
    }
}

//! The training set of a tenant: its concluded referrals with the figures a score saw of the claims.

use jiff::Timestamp;
use kernel::TenantId;
use pg::Scope;
use production_core::claim::feature::{self, Features};
use production_core::claim::referral::Finding;

use crate::Production;
use crate::error::ProductionError;
use crate::store::claim;
use crate::store::claim_score as scores;
use crate::store::referral as store;

/// Claims read at once.
const PAGE: i64 = 500;

/// A claim that was looked into.
#[derive(Clone, Debug)]
pub struct Labelled {
    /// 理赔编号.
    pub claim_code: String,
    /// What was concluded last.
    pub finding: Finding,
    /// When.
    pub concluded_at: Timestamp,
    /// Its figures at its last step that is scored and was known by then; at its last step where none is.
    pub features: Features,
}

impl Production {
    /// Own claims that were looked into, in the order of their conclusions.
    pub async fn labelled_claims(
        &self,
        tenant: TenantId,
    ) -> Result<Vec<Labelled>, ProductionError> {
        let mut tx = self.spine.db().begin(Scope::of(tenant)).await?;
        let (mut found, mut after) = (Vec::new(), None);
        loop {
            let labels = store::labels(&mut tx, tenant, after.take(), PAGE).await?;
            let Some(last) = labels.last() else { return Ok(found) };
            after = Some((last.concluded_at, last.claim_no.to_string()));
            for label in labels {
                let row = claim::find(&mut tx, label.claim_no).await?;
                let mut told = scores::told(&mut tx, &[label.claim_no]).await?;
                told.retain(|own| own.recorded_at <= label.concluded_at);
                let scored = told.iter().rposition(|own| feature::is_scored(own.facts.step()));
                if let Some(last) = scored {
                    told.truncate(last + 1);
                }
                let steps = told.iter().map(|own| feature::Told {
                    facts: &own.facts,
                    rules: own.rules.iter().map(String::as_str).collect(),
                });
                let history = row.terms.history(steps.collect());
                let Some(features) = feature::features(&history) else { continue };
                found.push(Labelled {
                    claim_code: label.claim_no.to_string(),
                    finding: label.finding,
                    concluded_at: label.concluded_at,
                    features,
                });
            }
        }
    }
}

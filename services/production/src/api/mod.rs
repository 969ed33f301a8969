//! Routes of the production cloud. Handlers translate and nothing else.

pub mod claim_reading;
pub mod claims;
pub mod disputes;
pub mod endorsement;
pub mod exports;
pub mod fees;
pub mod reading;
pub mod referrals;
pub mod underwriting;

use utoipa_axum::router::OpenApiRouter;

use crate::Production;

/// Every route of this cloud.
pub fn router() -> OpenApiRouter<Production> {
    OpenApiRouter::new()
        .merge(underwriting::router())
        .merge(reading::router())
        .merge(fees::router())
        .merge(endorsement::router())
        .merge(claims::router())
        .merge(claim_reading::router())
        .merge(disputes::router())
        .merge(referrals::router())
        .merge(exports::router())
}

//! Routes of the production cloud. Handlers translate and nothing else.

pub mod endorsement;
pub mod underwriting;

use utoipa_axum::router::OpenApiRouter;

use crate::Production;

/// Every route of this cloud.
pub fn router() -> OpenApiRouter<Production> {
    OpenApiRouter::new().merge(underwriting::router()).merge(endorsement::router())
}

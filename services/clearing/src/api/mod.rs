//! Routes of the clearing cloud. Handlers translate and nothing else.

mod books;
mod settlement;

use utoipa_axum::router::OpenApiRouter;

use crate::Clearing;

/// Every route of this cloud.
pub fn router() -> OpenApiRouter<Clearing> {
    OpenApiRouter::new().merge(books::router()).merge(settlement::router())
}

//! Routes of the clearing cloud. Handlers translate and nothing else.

mod books;
mod payment;
mod recovery;
mod settlement;

use axum::Router;
use utoipa_axum::router::OpenApiRouter;

use crate::Clearing;

/// Every route of this cloud.
pub fn router() -> OpenApiRouter<Clearing> {
    OpenApiRouter::new()
        .merge(books::router())
        .merge(recovery::router())
        .merge(settlement::router())
        .merge(payment::router())
}

/// Routes that lie before the door, because their callers hold no token: the bank, which signs.
pub fn signed_router() -> Router<Clearing> {
    payment::notices()
}

//! Routes of the actuarial cloud. Handlers translate and nothing else.

mod datasets;
mod models;
mod questions;
mod runs;

use utoipa_axum::router::OpenApiRouter;

use crate::Actuarial;

/// Every route of this cloud.
pub fn router() -> OpenApiRouter<Actuarial> {
    OpenApiRouter::new()
        .merge(datasets::router())
        .merge(runs::router())
        .merge(models::router())
        .merge(questions::router())
}

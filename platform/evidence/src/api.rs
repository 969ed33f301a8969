//! Routes of this room. Handlers translate and nothing else.

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use base_http::openapi::operation;
use base_http::paging::{Paged, query};
use base_http::{Call, Problem, Reply};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::function;
use crate::reading::{AccessLog, AccessQuery, AccessView};

/// Every route of this room.
pub fn router() -> OpenApiRouter<AccessLog> {
    OpenApiRouter::new().routes(operation(&function::ACCESS_READ, routes!(list_accesses)))
}

/// List who looked at whose records, latest first (查阅访问记录)
///
/// An insurer reads which others looked at its own records; a regulator, at those of its region,
/// or of everyone. Without `frameNo` the looks that named the records they showed: chains,
/// plates. With it also the quotes that rested on the vehicle's history. Reading it is itself
/// recorded.
#[utoipa::path(get, path = "/v1/accesses", tag = "evidence", params(AccessQuery),
    responses((status = OK, body = Paged<AccessView>)))]
async fn list_accesses(
    State(log): State<AccessLog>,
    asked: Result<Query<AccessQuery>, QueryRejection>,
    call: Call,
) -> Result<Reply, Problem> {
    log.list(call, query(asked)?).await
}

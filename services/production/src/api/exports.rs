//! 数据导出: exports of own data, and their files.

use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::response::Response;
use base_http::openapi::operation;
use base_http::paging::{Page, Paged, query};
use base_http::{Call, Incoming, Problem, Reply};
use http::{HeaderMap, Method};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::Production;
use crate::export::file::FileAsked;
use crate::export::request::ExportBody;
use crate::export::view::ExportView;
use crate::function;

pub(super) fn router() -> OpenApiRouter<Production> {
    OpenApiRouter::new()
        .routes(operation(&function::EXPORT_REQUEST, routes!(request_export)))
        .routes(operation(&function::EXPORT_READ, routes!(list_exports)))
        .routes(operation(&function::EXPORT_READ, routes!(read_export)))
        .routes(operation(&function::EXPORT_CANCEL, routes!(cancel_export)))
        .routes(operation(&function::EXPORT_DOWNLOAD, routes!(send_export)))
}

/// Request an export of own data (数据导出)
///
/// The file is made in the background from one snapshot of the database, as known at `asOf`; look
/// at the export until it is `done`. Persons are masked unless `unmask` is asked for and granted.
#[utoipa::path(post, path = "/v1/exports", tag = "exports", request_body = ExportBody,
    responses((status = ACCEPTED, body = ExportView)))]
async fn request_export(
    State(production): State<Production>,
    Incoming { call, body, unknown }: Incoming<ExportBody>,
) -> Result<Reply, Problem> {
    production.request_export(call, body, unknown).await
}

/// List own exports, latest first
#[utoipa::path(get, path = "/v1/exports", tag = "exports", params(Page),
    responses((status = OK, body = Paged<ExportView>)))]
async fn list_exports(
    State(production): State<Production>,
    asked: Result<Query<Page>, QueryRejection>,
    call: Call,
) -> Result<Reply, Problem> {
    production.list_exports(call, query(asked)?).await
}

/// Read an own export
///
/// Where it stands, how far it is, and once it is done the row count and digest to check the file
/// against.
#[utoipa::path(get, path = "/v1/exports/{exportId}", tag = "exports",
    params(("exportId" = String, Path)), responses((status = OK, body = ExportView)))]
async fn read_export(
    State(production): State<Production>,
    Path(export): Path<String>,
    call: Call,
) -> Result<Reply, Problem> {
    production.read_export(call, &export).await
}

/// Cancel an export, or throw its file away
#[utoipa::path(delete, path = "/v1/exports/{exportId}", tag = "exports",
    params(("exportId" = String, Path)), responses((status = OK, body = ExportView)))]
async fn cancel_export(
    State(production): State<Production>,
    Path(export): Path<String>,
    call: Call,
) -> Result<Reply, Problem> {
    production.cancel_export(call, &export).await
}

/// Download the file of an export
///
/// With `Range`, and `If-Range` with the strong `ETag`, a part of it: a download that broke off is
/// resumed. `Repr-Digest` (RFC 9530) is that of the whole file.
#[utoipa::path(get, path = "/v1/exports/{exportId}/file", tag = "exports",
    params(("exportId" = String, Path),
        ("range" = Option<String>, Header, description = "One range of bytes, for example bytes=1048576-"),
        ("if-range" = Option<String>, Header, description = "The ETag of the file the range is of")),
    responses(
        (status = OK, description = "The whole file", content(
            (String = "text/csv"), (String = "application/vnd.apache.parquet"))),
        (status = PARTIAL_CONTENT, description = "The range asked for"),
        (status = GONE, description = "The file was kept for seven days"),
        (status = RANGE_NOT_SATISFIABLE, description = "The range begins behind the end")))]
async fn send_export(
    State(production): State<Production>,
    Path(export): Path<String>,
    method: Method,
    headers: HeaderMap,
    call: Call,
) -> Result<Response, Problem> {
    let asked = FileAsked::of(&headers, method == Method::HEAD);
    production.send_export(call, &export, asked).await
}

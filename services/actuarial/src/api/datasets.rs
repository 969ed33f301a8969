//! 数据集: uploads, versions, their columns, rows and errors.

use axum::extract::multipart::MultipartRejection;
use axum::extract::rejection::QueryRejection;
use axum::extract::{DefaultBodyLimit, Multipart, Path, Query, State};
use axum::response::Response;
use base_http::openapi::operation;
use base_http::paging::{Page, Paged, query};
use base_http::{Call, Problem, Reply, problem};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::Actuarial;
use crate::dataset::about::DatasetBody;
use crate::dataset::service::RowsAsked;
use crate::dataset::view::{RowsView, VersionView};
use crate::function;
use crate::question::own::OwnBody;

pub(super) fn router() -> OpenApiRouter<Actuarial> {
    let (schemas, paths, upload) = operation(&function::DATASET_IMPORT, routes!(upload));
    // The service counts the bytes itself, piece by piece.
    let upload = (schemas, paths, upload.layer(DefaultBodyLimit::disable()));
    OpenApiRouter::new()
        .routes(upload)
        .routes(operation(&function::DATASET_READ, routes!(list_datasets)))
        .routes(operation(&function::DATASET_READ, routes!(read_dataset)))
        .routes(operation(&function::DATASET_READ, routes!(list_versions)))
        .routes(operation(&function::DATASET_READ, routes!(read_version)))
        .routes(operation(&function::DATASET_READ, routes!(read_rows)))
        .routes(operation(&function::DATASET_READ, routes!(send_errors)))
        .routes(operation(&function::DATASET_CANCEL, routes!(cancel_version)))
}

/// The parts of an upload.
#[derive(ToSchema)]
#[expect(dead_code, reason = "tells the document what the form consists of")]
struct UploadForm {
    /// What the file is and how to read it.
    about: DatasetBody,
    /// The file.
    #[schema(value_type = Option<String>, format = Binary)]
    file: Option<Vec<u8>>,
    /// In place of a file: a question about own rows, whose answer becomes the dataset.
    question: Option<OwnBody>,
}

/// Import a portfolio or a triangle (数据集导入)
///
/// A form of two parts: `about`, JSON, and `file`, a CSV (also gzipped), Parquet or XLSX. Types are
/// inferred unless `about` says otherwise. In place of `file`, `question` asks about own rows of the
/// lake in SQL (with the right to `actuarial.own.query`), and its answer, at the version of the market's
/// record that `sourceName` then tells, is the file. It is imported in the background: look at the version
/// until it is `done`. A name that is taken gets another version.
#[utoipa::path(post, path = "/v1/actuarial/datasets", tag = "actuarial",
    request_body(content = UploadForm, content_type = "multipart/form-data"),
    responses((status = ACCEPTED, body = VersionView)))]
async fn upload(
    State(actuarial): State<Actuarial>,
    call: Call,
    form: Result<Multipart, MultipartRejection>,
) -> Result<Reply, Problem> {
    let form = form.map_err(|_| {
        let detail = "send a form: Content-Type: multipart/form-data with parts about and file";
        Problem::new(&problem::MEDIA_TYPE, detail)
    })?;
    actuarial.upload(call, form).await
}

/// List own datasets: the versions of all, latest first (数据集查询)
#[utoipa::path(get, path = "/v1/actuarial/datasets", tag = "actuarial", params(Page),
    responses((status = OK, body = Paged<VersionView>)))]
async fn list_datasets(
    State(actuarial): State<Actuarial>,
    asked: Result<Query<Page>, QueryRejection>,
    call: Call,
) -> Result<Reply, Problem> {
    actuarial.list_datasets(call, query(asked)?).await
}

/// Read the latest version of an own dataset that is done, else the latest
#[utoipa::path(get, path = "/v1/actuarial/datasets/{dataset}", tag = "actuarial",
    params(("dataset" = String, Path, description = "Name or identifier")),
    responses((status = OK, body = VersionView)))]
async fn read_dataset(
    State(actuarial): State<Actuarial>,
    Path(dataset): Path<String>,
    call: Call,
) -> Result<Reply, Problem> {
    actuarial.read_version(call, &dataset, None).await
}

/// List the versions of an own dataset, latest first
#[utoipa::path(get, path = "/v1/actuarial/datasets/{dataset}/versions", tag = "actuarial",
    params(("dataset" = String, Path, description = "Name or identifier"), Page),
    responses((status = OK, body = Paged<VersionView>)))]
async fn list_versions(
    State(actuarial): State<Actuarial>,
    Path(dataset): Path<String>,
    asked: Result<Query<Page>, QueryRejection>,
    call: Call,
) -> Result<Reply, Problem> {
    actuarial.list_versions(call, Some(&dataset), query(asked)?).await
}

/// Read a version of an own dataset
///
/// Where its import stands, and once it is done its columns: types kept and inferred, missing
/// values, levels.
#[utoipa::path(get, path = "/v1/actuarial/datasets/{dataset}/versions/{version}", tag = "actuarial",
    params(("dataset" = String, Path, description = "Name or identifier"),
        ("version" = i32, Path)),
    responses((status = OK, body = VersionView)))]
async fn read_version(
    State(actuarial): State<Actuarial>,
    Path((dataset, version)): Path<(String, String)>,
    call: Call,
) -> Result<Reply, Problem> {
    actuarial.read_version(call, &dataset, Some(&version)).await
}

/// Preview the first rows of a version
#[utoipa::path(get, path = "/v1/actuarial/datasets/{dataset}/versions/{version}/rows",
    tag = "actuarial",
    params(("dataset" = String, Path, description = "Name or identifier"),
        ("version" = i32, Path), RowsAsked),
    responses((status = OK, body = RowsView)))]
async fn read_rows(
    State(actuarial): State<Actuarial>,
    Path((dataset, version)): Path<(String, String)>,
    asked: Result<Query<RowsAsked>, QueryRejection>,
    call: Call,
) -> Result<Reply, Problem> {
    actuarial.read_rows(call, &dataset, &version, query(asked)?).await
}

/// Download what did not fit when a version was imported
///
/// A CSV of row, column, text and reason. Rows are counted from 1 below the header; they are not
/// among the rows of the version. At most 100,000 lines.
#[utoipa::path(get, path = "/v1/actuarial/datasets/{dataset}/versions/{version}/errors",
    tag = "actuarial",
    params(("dataset" = String, Path, description = "Name or identifier"),
        ("version" = i32, Path)),
    responses((status = OK, description = "The list", content_type = "text/csv", body = String)))]
async fn send_errors(
    State(actuarial): State<Actuarial>,
    Path((dataset, version)): Path<(String, String)>,
    call: Call,
) -> Result<Response, Problem> {
    actuarial.send_errors(call, &dataset, &version).await
}

/// Cancel an import, or throw its data away (数据集作废)
///
/// Runs that were computed from it keep their results.
#[utoipa::path(delete, path = "/v1/actuarial/datasets/{dataset}/versions/{version}",
    tag = "actuarial",
    params(("dataset" = String, Path, description = "Name or identifier"),
        ("version" = i32, Path)),
    responses((status = OK, body = VersionView)))]
async fn cancel_version(
    State(actuarial): State<Actuarial>,
    Path((dataset, version)): Path<(String, String)>,
    call: Call,
) -> Result<Reply, Problem> {
    actuarial.cancel_version(call, &dataset, &version).await
}

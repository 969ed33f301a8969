//! 计算任务: runs, their results, reports and differences.

use std::sync::Arc;

use axum::Extension;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::response::Response;
use base_http::door::Door;
use base_http::openapi::operation;
use base_http::paging::{Paged, query};
use base_http::{Call, Incoming, Problem, Reply};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::Actuarial;
use crate::function;
use crate::run::diff::{DiffAsked, DiffView};
use crate::run::relativities::RelativitiesAsked;
use crate::run::request::{RunBody, RunsAsked};
use crate::run::view::RunView;

pub(super) fn router() -> OpenApiRouter<Actuarial> {
    OpenApiRouter::new()
        .routes(operation(&function::RUN_START, routes!(start_run)))
        .routes(operation(&function::RUN_READ, routes!(list_runs)))
        .routes(operation(&function::RUN_READ, routes!(read_run)))
        .routes(operation(&function::RUN_CANCEL, routes!(cancel_run)))
        .routes(operation(&function::RUN_READ, routes!(read_result)))
        .routes(operation(&function::RUN_READ, routes!(diff_runs)))
        .routes(operation(&function::RUN_READ, routes!(send_report)))
        .routes(operation(&function::RUN_READ, routes!(send_workbook)))
        .routes(operation(&function::RUN_READ, routes!(send_relativities)))
}

/// Start a run of a method on a dataset (计算任务提交)
///
/// The caller needs the function of the method, too, for example `actuarial.reserving.estimate`; the
/// run is metered and proven under it. It is computed in the background: look at the run until it
/// is `done`. The same inputs have the same result, to the bit.
#[utoipa::path(post, path = "/v1/actuarial/runs", tag = "actuarial", request_body = RunBody,
    responses((status = ACCEPTED, body = RunView)))]
async fn start_run(
    State(actuarial): State<Actuarial>,
    Extension(door): Extension<Arc<Door>>,
    Incoming { call, body, unknown }: Incoming<RunBody>,
) -> Result<Reply, Problem> {
    actuarial.start_run(&door, call, body, unknown).await
}

/// List own runs, latest first (计算任务查询)
#[utoipa::path(get, path = "/v1/actuarial/runs", tag = "actuarial", params(RunsAsked),
    responses((status = OK, body = Paged<RunView>)))]
async fn list_runs(
    State(actuarial): State<Actuarial>,
    asked: Result<Query<RunsAsked>, QueryRejection>,
    call: Call,
) -> Result<Reply, Problem> {
    actuarial.list_runs(call, query(asked)?).await
}

/// Read an own run
///
/// Where it stands, and once it is done the figures to look at first.
#[utoipa::path(get, path = "/v1/actuarial/runs/{runId}", tag = "actuarial",
    params(("runId" = String, Path)), responses((status = OK, body = RunView)))]
async fn read_run(
    State(actuarial): State<Actuarial>,
    Path(run): Path<String>,
    call: Call,
) -> Result<Reply, Problem> {
    actuarial.read_run(call, &run).await
}

/// Cancel a run (计算任务取消)
#[utoipa::path(delete, path = "/v1/actuarial/runs/{runId}", tag = "actuarial",
    params(("runId" = String, Path)), responses((status = OK, body = RunView)))]
async fn cancel_run(
    State(actuarial): State<Actuarial>,
    Path(run): Path<String>,
    call: Call,
) -> Result<Reply, Problem> {
    actuarial.cancel_run(call, &run).await
}

/// Read the result of a run: every figure, by name
///
/// What it consists of depends on the method. `resultDigest` of the run is the SHA-256 of this text.
#[utoipa::path(get, path = "/v1/actuarial/runs/{runId}/result", tag = "actuarial",
    params(("runId" = String, Path)), responses((status = OK, body = serde_json::Value)))]
async fn read_result(
    State(actuarial): State<Actuarial>,
    Path(run): Path<String>,
    call: Call,
) -> Result<Reply, Problem> {
    actuarial.read_result(call, &run).await
}

/// Compare two runs: what they rest on, and every figure that differs
#[utoipa::path(get, path = "/v1/actuarial/runs/{runId}/diff", tag = "actuarial",
    params(("runId" = String, Path), DiffAsked), responses((status = OK, body = DiffView)))]
async fn diff_runs(
    State(actuarial): State<Actuarial>,
    Path(run): Path<String>,
    asked: Result<Query<DiffAsked>, QueryRejection>,
    call: Call,
) -> Result<Reply, Problem> {
    actuarial.diff_runs(call, &run, query(asked)?).await
}

/// Read the report of a run, with charts
///
/// One HTML page that needs nothing else: for runs of `glm`, `boostedTrees`, `credibility`,
/// `indication`, `region`, `validation`, `reserving`, `segments` and `lapse`.
#[utoipa::path(get, path = "/v1/actuarial/runs/{runId}/report", tag = "actuarial",
    params(("runId" = String, Path)),
    responses((status = OK, description = "The page", content_type = "text/html", body = String)))]
async fn send_report(
    State(actuarial): State<Actuarial>,
    Path(run): Path<String>,
    call: Call,
) -> Result<Response, Problem> {
    actuarial.send_report(call, &run).await
}

/// Download the workbook of a run of `reserving` or `indication`
///
/// XLSX whose figures are formulas: age-to-age factors, ultimates and reserves over the triangle; loss
/// ratios, credibility, changes and relativities over experience and settings.
#[utoipa::path(get, path = "/v1/actuarial/runs/{runId}/workbook", tag = "actuarial",
    params(("runId" = String, Path)),
    responses((status = OK, description = "The workbook",
        content_type = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        body = String)))]
async fn send_workbook(
    State(actuarial): State<Actuarial>,
    Path(run): Path<String>,
    call: Call,
) -> Result<Response, Problem> {
    actuarial.send_workbook(call, &run).await
}

/// Download the proposed relativities of an indication, for a tariff
///
/// CSV: in which rows of which table a level stands, what they are multiplied by, and which run says
/// so. Factors whose place in the tariff was not given are refused by name.
#[utoipa::path(get, path = "/v1/actuarial/runs/{runId}/relativities", tag = "actuarial",
    params(("runId" = String, Path), RelativitiesAsked),
    responses((status = OK, description = "The relativities", content_type = "text/csv",
        body = String)))]
async fn send_relativities(
    State(actuarial): State<Actuarial>,
    Path(run): Path<String>,
    asked: Result<Query<RelativitiesAsked>, QueryRejection>,
    call: Call,
) -> Result<Response, Problem> {
    actuarial.send_relativities(call, &run, query(asked)?).await
}

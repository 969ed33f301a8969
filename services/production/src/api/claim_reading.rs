//! 理赔查询: own claims, and the claims of an accident across insurers.

use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use base_http::openapi::operation;
use base_http::paging::{Paged, query};
use base_http::{Call, Problem, Reply};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::Production;
use crate::claim::score::read::ClaimScoresView;
use crate::function;
use crate::lookup::accidents::{AccidentQuery, AccidentView};
use crate::lookup::claim_line::ClaimLine;
use crate::lookup::claims::{ClaimListQuery, ClaimQuery, ClaimView};

pub(super) fn router() -> OpenApiRouter<Production> {
    OpenApiRouter::new()
        .routes(operation(&function::CLAIM_READ, routes!(read_claim)))
        .routes(operation(&function::CLAIM_LIST, routes!(list_claims)))
        .routes(operation(&function::CLAIM_ACCIDENT, routes!(find_accident)))
        .routes(operation(&function::CLAIM_SCORE_READ, routes!(read_scores)))
}

type Asked<T> = Result<Query<T>, QueryRejection>;

/// Read an own claim
///
/// As it is, or with `asOf` as it stood then by what was known then: the case is made again from the
/// steps recorded by then, and its statutory clocks stand as they did. Messages are masked unless
/// `unmask` is asked for and granted.
#[utoipa::path(get, path = "/v1/claims/{claimCode}", tag = "reading",
    params(("claimCode" = String, Path), ClaimQuery), responses((status = OK, body = ClaimView)))]
async fn read_claim(
    State(production): State<Production>,
    Path(claim_code): Path<String>,
    asked: Asked<ClaimQuery>,
    call: Call,
) -> Result<Reply, Problem> {
    production.read_claim(call, &claim_code, query(asked)?).await
}

/// Read the fraud scores of an own claim, step by step (赔案欺诈评分查询)
///
/// With the figures each was said of: the model named computes the same of them at
/// `/v1/actuarial/models/{modelId}/score`.
#[utoipa::path(get, path = "/v1/claims/{claimCode}/scores", tag = "reading",
    params(("claimCode" = String, Path)), responses((status = OK, body = ClaimScoresView)))]
async fn read_scores(
    State(production): State<Production>,
    Path(claim_code): Path<String>,
    call: Call,
) -> Result<Reply, Problem> {
    production.read_scores(call, &claim_code).await
}

/// List own claims, latest first
///
/// With `overdue` those alone with a statutory duty whose time is over; each claim lists such duties.
#[utoipa::path(get, path = "/v1/claims", tag = "reading", params(ClaimListQuery),
    responses((status = OK, body = Paged<ClaimLine>)))]
async fn list_claims(
    State(production): State<Production>,
    asked: Asked<ClaimListQuery>,
    call: Call,
) -> Result<Reply, Problem> {
    production.list_claims(call, query(asked)?).await
}

/// Find every insurer's claims of one accident (事故关联查询)
///
/// By an own claim, or by time and a vehicle. Claims that carry one police number, or that happened
/// within a day of the accident, not in another district, to a vehicle in common; and what is found
/// through those. Of other insurers' claims code, insurer, class, day and district are shown. An
/// X-Purpose header is required and recorded.
#[utoipa::path(get, path = "/v1/accidents", tag = "reading",
    params(AccidentQuery, ("x-purpose" = String, Header, description = "Why it is looked for")),
    responses((status = OK, body = AccidentView)))]
async fn find_accident(
    State(production): State<Production>,
    asked: Asked<AccidentQuery>,
    call: Call,
) -> Result<Reply, Problem> {
    production.find_accident(call, query(asked)?).await
}

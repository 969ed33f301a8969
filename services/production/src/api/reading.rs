//! 查询: quotes, policies and the chain of a vehicle; and the challenge that stands before a quote.

use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use base_http::openapi::operation;
use base_http::paging::{Paged, query};
use base_http::{Call, Incoming, Problem, Reply};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::Production;
use crate::function;
use crate::lookup::policies::{PolicyLine, PolicyListQuery, PolicyQuery, PolicyView};
use crate::lookup::quotes::{QuoteLine, QuoteListQuery, QuoteQuery, StoredQuote};
use crate::lookup::vehicles::{CarriersView, ChainQuery, ChainView, PlateQuery};
use crate::quote::answer::QuoteView;
use crate::quote::check::CheckBody;

pub(super) fn router() -> OpenApiRouter<Production> {
    OpenApiRouter::new()
        .routes(operation(&function::QUOTE_CHECK, routes!(check_quote)))
        .routes(operation(&function::QUOTE_READ, routes!(read_quote)))
        .routes(operation(&function::QUOTE_READ, routes!(list_quotes)))
        .routes(operation(&function::POLICY_READ, routes!(read_policy)))
        .routes(operation(&function::POLICY_READ, routes!(list_policies)))
        .routes(operation(&function::VEHICLE_CHAIN, routes!(read_chain)))
        .routes(operation(&function::VEHICLE_CHAIN, routes!(find_vehicles)))
}

type Asked<T> = Result<Query<T>, QueryRejection>;

/// Answer the image challenge of a quote (投保查询校验)
///
/// By the user who quoted, while the query code is good. Answered rightly, the whole quote is
/// shown; after five answers the quote is dead.
#[utoipa::path(post, path = "/v1/quotes/{queryCode}/check", tag = "underwriting",
    request_body = CheckBody, params(("queryCode" = String, Path)),
    responses((status = OK, body = QuoteView)))]
async fn check_quote(
    State(production): State<Production>,
    Path(query_code): Path<String>,
    Incoming { call, body, .. }: Incoming<CheckBody>,
) -> Result<Reply, Problem> {
    production.check_quote(call, &query_code, body).await
}

/// Read an own quote
///
/// Its premiums are computed again from what is stored; `replay.identical` tells whether they come
/// out as they were answered. Parties are masked unless `unmask` is asked for and granted.
#[utoipa::path(get, path = "/v1/quotes/{queryCode}", tag = "reading",
    params(("queryCode" = String, Path), QuoteQuery), responses((status = OK, body = StoredQuote)))]
async fn read_quote(
    State(production): State<Production>,
    Path(query_code): Path<String>,
    asked: Asked<QuoteQuery>,
    call: Call,
) -> Result<Reply, Problem> {
    production.read_quote(call, &query_code, query(asked)?).await
}

/// List own quotes, latest first
#[utoipa::path(get, path = "/v1/quotes", tag = "reading", params(QuoteListQuery),
    responses((status = OK, body = Paged<QuoteLine>)))]
async fn list_quotes(
    State(production): State<Production>,
    asked: Asked<QuoteListQuery>,
    call: Call,
) -> Result<Reply, Problem> {
    production.list_quotes(call, query(asked)?).await
}

/// Read an own policy
///
/// As it is, or with `asOf` as it stood then by what was known then. Parties are masked unless
/// `unmask` is asked for and granted.
#[utoipa::path(get, path = "/v1/policies/{confirmCode}", tag = "reading",
    params(("confirmCode" = String, Path), PolicyQuery),
    responses((status = OK, body = PolicyView)))]
async fn read_policy(
    State(production): State<Production>,
    Path(confirm_code): Path<String>,
    asked: Asked<PolicyQuery>,
    call: Call,
) -> Result<Reply, Problem> {
    production.read_policy(call, &confirm_code, query(asked)?).await
}

/// List own policies, latest first
#[utoipa::path(get, path = "/v1/policies", tag = "reading", params(PolicyListQuery),
    responses((status = OK, body = Paged<PolicyLine>)))]
async fn list_policies(
    State(production): State<Production>,
    asked: Asked<PolicyListQuery>,
    call: Call,
) -> Result<Reply, Problem> {
    production.list_policies(call, query(asked)?).await
}

/// Read the chain of a vehicle (车辆主链)
///
/// Policies and claims of every insurer. Of other insurers' policies neither premium nor party is
/// shown, of their claims no amount and nobody's liability. An X-Purpose header is required and
/// recorded.
#[utoipa::path(get, path = "/v1/vehicles/{frameNo}/chain", tag = "reading",
    params(("frameNo" = String, Path), ChainQuery,
        ("x-purpose" = String, Header, description = "Why the chain is read")),
    responses((status = OK, body = ChainView)))]
async fn read_chain(
    State(production): State<Production>,
    Path(frame_no): Path<String>,
    asked: Asked<ChainQuery>,
    call: Call,
) -> Result<Reply, Problem> {
    production.read_chain(call, &frame_no, query(asked)?).await
}

/// Find the vehicles that were insured under a plate
///
/// Frame numbers are masked but for vehicles the caller has or had a policy on. An X-Purpose
/// header is required and recorded.
#[utoipa::path(get, path = "/v1/vehicles", tag = "reading",
    params(PlateQuery, ("x-purpose" = String, Header, description = "Why it is looked for")),
    responses((status = OK, body = CarriersView)))]
async fn find_vehicles(
    State(production): State<Production>,
    asked: Asked<PlateQuery>,
    call: Call,
) -> Result<Reply, Problem> {
    production.find_vehicles(call, query(asked)?).await
}

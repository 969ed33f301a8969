//! 数据查询: own rows in SQL, and published cells of the market.

use axum::extract::State;
use axum::response::Response;
use base_http::openapi::operation;
use base_http::{Call, Incoming, Problem, Reply};
use http::HeaderMap;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::Actuarial;
use crate::function;
use crate::question::Wanted;
use crate::question::market::{MarketBody, MarketView, QuartersView};
use crate::question::own::{OwnBody, OwnView, TablesView};

pub(super) fn router() -> OpenApiRouter<Actuarial> {
    OpenApiRouter::new()
        .routes(operation(&function::MARKET_ASK, routes!(ask_market)))
        .routes(operation(&function::MARKET_ASK, routes!(list_quarters)))
        .routes(operation(&function::OWN_QUERY, routes!(ask_own)))
        .routes(operation(&function::OWN_QUERY, routes!(list_tables)))
}

/// Ask about the market in a closed quarter (市场数据查询)
///
/// An answer is a sum of published cells and the same for everybody: no sum or difference of answers
/// tells of one insurer. Cells that may not be told alone are told together (`key` is null,
/// `toldTogether` says of what); `suppressed` counts what no row contains. As JSON, or, by `Accept`, as
/// an Arrow stream, Parquet or CSV with a column for each dimension and measure and the counts in
/// headers. The evidence names the whole question.
#[utoipa::path(post, path = "/v1/actuarial/market/questions", tag = "actuarial",
    request_body = MarketBody,
    responses((status = OK, content(
        (MarketView = "application/json"),
        (String = "application/vnd.apache.arrow.stream"),
        (String = "application/vnd.apache.parquet"),
        (String = "text/csv")))))]
async fn ask_market(
    State(actuarial): State<Actuarial>,
    headers: HeaderMap,
    Incoming { call, body, unknown }: Incoming<MarketBody>,
) -> Result<Response, Problem> {
    actuarial.ask_market(call, body, unknown, Wanted::by(&headers)?).await
}

/// List the quarters that are published, the latest first
#[utoipa::path(get, path = "/v1/actuarial/market/quarters", tag = "actuarial",
    responses((status = OK, body = QuartersView)))]
async fn list_quarters(State(actuarial): State<Actuarial>, call: Call) -> Result<Reply, Problem> {
    actuarial.list_quarters(call).await
}

/// Ask about own rows in SQL (自有数据查询)
///
/// One `select` over the market's record, of which it sees the caller's own rows alone, and over own
/// datasets. As JSON, up to 10,000 rows, `cut` when there are more; or, by `Accept`, all of them as an
/// Arrow stream, Parquet or CSV, sent as they are computed: an answer that fails on its way breaks off.
#[utoipa::path(post, path = "/v1/actuarial/own/questions", tag = "actuarial",
    request_body = OwnBody,
    responses((status = OK, content(
        (OwnView = "application/json"),
        (String = "application/vnd.apache.arrow.stream"),
        (String = "application/vnd.apache.parquet"),
        (String = "text/csv")))))]
async fn ask_own(
    State(actuarial): State<Actuarial>,
    headers: HeaderMap,
    Incoming { call, body, unknown }: Incoming<OwnBody>,
) -> Result<Response, Problem> {
    actuarial.ask_own(call, body, unknown, Wanted::by(&headers)?).await
}

/// List the tables own questions can be about
#[utoipa::path(get, path = "/v1/actuarial/own/tables", tag = "actuarial",
    responses((status = OK, body = TablesView)))]
async fn list_tables(State(actuarial): State<Actuarial>, call: Call) -> Result<Reply, Problem> {
    actuarial.list_tables(call).await
}

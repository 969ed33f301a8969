//! 费用登记: registering a policy's fee, changing its ratio, reading what is registered.

use axum::extract::{Path, State};
use base_http::openapi::operation;
use base_http::{Call, Incoming, Problem, Reply};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::Production;
use crate::fee_register::{ChangeFeeBody, FeesView, RegisterFeeBody};
use crate::function;

pub(super) fn router() -> OpenApiRouter<Production> {
    OpenApiRouter::new()
        .routes(operation(&function::FEE_REGISTER, routes!(register_fee)))
        .routes(operation(&function::FEE_CHANGE, routes!(change_fee)))
        .routes(operation(&function::FEE_READ, routes!(read_fees)))
}

/// Register the fee of a policy (费用登记)
///
/// Channel, intermediary and commission; with an empty body those agreed with the
/// pre-confirmation. No more than was agreed, and within the legal cap.
#[utoipa::path(post, path = "/v1/policies/{confirmCode}/fee", tag = "fees",
    request_body = RegisterFeeBody, params(("confirmCode" = String, Path)),
    responses((status = CREATED, body = Object)))]
async fn register_fee(
    State(production): State<Production>,
    Path(confirm_code): Path<String>,
    Incoming { call, body, .. }: Incoming<RegisterFeeBody>,
) -> Result<Reply, Problem> {
    production.register_fee(call, &confirm_code, body).await
}

/// Change a registered commission ratio (手续费比例变更, Z08)
///
/// For agents and brokers alone, and not in Shenzhen or Xiamen.
#[utoipa::path(post, path = "/v1/policies/{confirmCode}/fee/change", tag = "fees",
    request_body = ChangeFeeBody, params(("confirmCode" = String, Path)),
    responses((status = OK, body = Object)))]
async fn change_fee(
    State(production): State<Production>,
    Path(confirm_code): Path<String>,
    Incoming { call, body, .. }: Incoming<ChangeFeeBody>,
) -> Result<Reply, Problem> {
    production.change_fee(call, &confirm_code, body).await
}

/// Read the registered fees of a policy
#[utoipa::path(get, path = "/v1/policies/{confirmCode}/fee", tag = "fees",
    params(("confirmCode" = String, Path)), responses((status = OK, body = FeesView)))]
async fn read_fees(
    State(production): State<Production>,
    Path(confirm_code): Path<String>,
    call: Call,
) -> Result<Reply, Problem> {
    production.read_fees(call, &confirm_code).await
}

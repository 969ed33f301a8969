//! 承保: quote, pre-confirm, payment, confirm.

use axum::extract::{Path, State};
use base_http::openapi::operation;
use base_http::{Call, Incoming, Problem, Reply};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::Production;
use crate::confirm::{ConfirmBody, ConfirmView};
use crate::function;
use crate::payment::PaymentBody;
use crate::pre_confirm::{PreConfirmBody, PreConfirmView};
use crate::quote::answer::QuoteView;
use crate::quote::wire::QuoteBody;

pub(super) fn router() -> OpenApiRouter<Production> {
    OpenApiRouter::new()
        .routes(operation(&function::QUOTE, routes!(quote)))
        .routes(operation(&function::PRE_CONFIRM, routes!(pre_confirm)))
        .routes(operation(&function::PRE_CONFIRM_CANCEL, routes!(cancel_pre_confirm)))
        .routes(operation(&function::PAYMENT, routes!(register_payment)))
        .routes(operation(&function::CONFIRM, routes!(confirm)))
}

/// Quote compulsory cover, commercial cover, or both (投保查询)
///
/// Reads the vehicle's history across all insurers, asks police, model library and tax office,
/// rates, and answers premiums with every factor and its reason. The query code is good for one
/// confirmation. Outside systems that do not answer are assumed, with a notice.
#[utoipa::path(post, path = "/v1/quotes", tag = "underwriting", request_body = QuoteBody,
    responses((status = CREATED, body = QuoteView)))]
async fn quote(
    State(production): State<Production>,
    Incoming { call, body, unknown }: Incoming<Box<QuoteBody>>,
) -> Result<Reply, Problem> {
    // Both are kilobytes, and every layer around a handler moves what it is made of.
    Box::pin(production.quote(call, &body, unknown)).await
}

/// Freeze premium, tax and fee of a quote (投保预确认)
#[utoipa::path(post, path = "/v1/quotes/{queryCode}/pre-confirm", tag = "underwriting",
    request_body = PreConfirmBody, params(("queryCode" = String, Path)),
    responses((status = OK, body = PreConfirmView)))]
async fn pre_confirm(
    State(production): State<Production>,
    Path(query_code): Path<String>,
    Incoming { call, body, .. }: Incoming<PreConfirmBody>,
) -> Result<Reply, Problem> {
    production.pre_confirm(call, &query_code, body).await
}

/// Give a pre-confirmation up (投保预确认撤销)
#[utoipa::path(post, path = "/v1/quotes/{queryCode}/pre-confirm/cancel", tag = "underwriting",
    params(("queryCode" = String, Path)), responses((status = OK, body = Object)))]
async fn cancel_pre_confirm(
    State(production): State<Production>,
    Path(query_code): Path<String>,
    call: Call,
) -> Result<Reply, Problem> {
    production.cancel_pre_confirm(call, &query_code).await
}

/// Register the payment of a pre-confirmed quote (支付登记)
///
/// 见费出单: nothing is confirmed before exactly the payable amount is registered.
#[utoipa::path(post, path = "/v1/quotes/{queryCode}/payment", tag = "underwriting",
    request_body = PaymentBody, params(("queryCode" = String, Path)),
    responses((status = OK, body = Object)))]
async fn register_payment(
    State(production): State<Production>,
    Path(query_code): Path<String>,
    Incoming { call, body, .. }: Incoming<PaymentBody>,
) -> Result<Reply, Problem> {
    production.register_payment(call, &query_code, body).await
}

/// Confirm a paid quote (投保确认)
///
/// Echo the frozen amounts to the fen. Answers a 30-character confirm code for each product.
#[utoipa::path(post, path = "/v1/quotes/{queryCode}/confirm", tag = "underwriting",
    request_body = ConfirmBody, params(("queryCode" = String, Path)),
    responses((status = CREATED, body = ConfirmView)))]
async fn confirm(
    State(production): State<Production>,
    Path(query_code): Path<String>,
    Incoming { call, body, .. }: Incoming<ConfirmBody>,
) -> Result<Reply, Problem> {
    Box::pin(production.confirm(call, &query_code, body)).await
}

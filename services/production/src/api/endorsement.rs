//! 批改、退保、撤单.

use axum::extract::{Path, Query, State};
use base_http::openapi::operation;
use base_http::{Call, Incoming, Problem, Reply};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::Production;
use crate::endorsement::wire::{AsOf, EndorsementBody, EndorsementConfirmBody};
use crate::endorsement::{
    EndorsementView, EndorsementsView, RefundView, RevokeBody, SurrenderBody,
};
use crate::function;
use crate::payment::PaymentBody;

pub(super) fn router() -> OpenApiRouter<Production> {
    OpenApiRouter::new()
        .routes(operation(&function::ENDORSEMENT_QUERY, routes!(query_endorsement)))
        .routes(operation(&function::ENDORSEMENT_PRE_CONFIRM, routes!(pre_confirm_endorsement)))
        .routes(operation(&function::ENDORSEMENT_PAYMENT, routes!(register_endorsement_payment)))
        .routes(operation(&function::ENDORSEMENT_CONFIRM, routes!(confirm_endorsement)))
        .routes(operation(&function::ENDORSEMENT_CANCEL, routes!(cancel_endorsement)))
        .routes(operation(&function::ENDORSEMENT_READ, routes!(read_endorsement)))
        .routes(operation(&function::ENDORSEMENT_READ, routes!(read_endorsements)))
        .routes(operation(&function::SURRENDER, routes!(surrender)))
        .routes(operation(&function::REVOKE, routes!(revoke)))
}

/// Query an endorsement of a policy (批改查询)
///
/// Rates the policy's own input again with the changed facts and answers the difference of
/// premium and tax with its formula, and an amend query code. Endorsements are numbered without
/// gaps, and one is open at a time. `direct` confirms in the same step what bears no premium
/// (直接批改).
#[utoipa::path(post, path = "/v1/policies/{confirmCode}/endorsements", tag = "endorsement",
    request_body = EndorsementBody, params(("confirmCode" = String, Path)),
    responses((status = CREATED, body = EndorsementView)))]
async fn query_endorsement(
    State(production): State<Production>,
    Path(confirm_code): Path<String>,
    Incoming { call, body, unknown }: Incoming<EndorsementBody>,
) -> Result<Reply, Problem> {
    production.query_endorsement(call, &confirm_code, body, unknown).await
}

/// Freeze the differences of an endorsement (批改预确认)
#[utoipa::path(post, path = "/v1/endorsements/{amendCode}/pre-confirm", tag = "endorsement",
    params(("amendCode" = String, Path)), responses((status = OK, body = EndorsementView)))]
async fn pre_confirm_endorsement(
    State(production): State<Production>,
    Path(amend_code): Path<String>,
    call: Call,
) -> Result<Reply, Problem> {
    production.pre_confirm_endorsement(call, &amend_code).await
}

/// Register the money of an endorsement (批改支付登记)
///
/// Exactly the difference: received before the confirmation when positive, given back before or
/// after it when negative. Where nothing is owed, this step is left out.
#[utoipa::path(post, path = "/v1/endorsements/{amendCode}/payment", tag = "endorsement",
    request_body = PaymentBody, params(("amendCode" = String, Path)),
    responses((status = OK, body = EndorsementView)))]
async fn register_endorsement_payment(
    State(production): State<Production>,
    Path(amend_code): Path<String>,
    Incoming { call, body, .. }: Incoming<PaymentBody>,
) -> Result<Reply, Problem> {
    production.register_endorsement_payment(call, &amend_code, body).await
}

/// Confirm an endorsement (批改确认)
///
/// Echo the frozen differences to the fen. Answers the amend confirm code; the policy has a new
/// version.
#[utoipa::path(post, path = "/v1/endorsements/{amendCode}/confirm", tag = "endorsement",
    request_body = EndorsementConfirmBody, params(("amendCode" = String, Path)),
    responses((status = CREATED, body = EndorsementView)))]
async fn confirm_endorsement(
    State(production): State<Production>,
    Path(amend_code): Path<String>,
    Incoming { call, body, .. }: Incoming<EndorsementConfirmBody>,
) -> Result<Reply, Problem> {
    production.confirm_endorsement(call, &amend_code, body).await
}

/// Give an endorsement up before it is confirmed (批改撤销)
#[utoipa::path(post, path = "/v1/endorsements/{amendCode}/cancel", tag = "endorsement",
    params(("amendCode" = String, Path)), responses((status = OK, body = EndorsementView)))]
async fn cancel_endorsement(
    State(production): State<Production>,
    Path(amend_code): Path<String>,
    call: Call,
) -> Result<Reply, Problem> {
    production.cancel_endorsement(call, &amend_code).await
}

/// Read an endorsement (批单查询)
///
/// By its amend query code or its amend confirm code; with `asOf`, as it stood then.
#[utoipa::path(get, path = "/v1/endorsements/{amendCode}", tag = "endorsement",
    params(("amendCode" = String, Path), AsOf),
    responses((status = OK, body = EndorsementView)))]
async fn read_endorsement(
    State(production): State<Production>,
    Path(amend_code): Path<String>,
    Query(as_of): Query<AsOf>,
    call: Call,
) -> Result<Reply, Problem> {
    production.read_endorsement(call, &amend_code, &as_of).await
}

/// Read the endorsements of a policy (保单批改记录查询)
///
/// First to last, given-up ones included; with `asOf`, as they stood then.
#[utoipa::path(get, path = "/v1/policies/{confirmCode}/endorsements", tag = "endorsement",
    params(("confirmCode" = String, Path), AsOf),
    responses((status = OK, body = EndorsementsView)))]
async fn read_endorsements(
    State(production): State<Production>,
    Path(confirm_code): Path<String>,
    Query(as_of): Query<AsOf>,
    call: Call,
) -> Result<Reply, Problem> {
    production.read_endorsements(call, &confirm_code, &as_of).await
}

/// Surrender a policy (退保)
///
/// Without `confirm`, answers the refund and its formula and changes nothing. With `confirm` and
/// the refund echoed, ends cover, writes the endorsement, and frees the rest of the period.
/// Compulsory cover ends only for the reasons of 交强险条例 art. 16 and the platform's own.
#[utoipa::path(post, path = "/v1/policies/{confirmCode}/surrender", tag = "endorsement",
    request_body = SurrenderBody, params(("confirmCode" = String, Path)),
    responses((status = OK, body = RefundView), (status = CREATED, body = EndorsementView)))]
async fn surrender(
    State(production): State<Production>,
    Path(confirm_code): Path<String>,
    Incoming { call, body, .. }: Incoming<SurrenderBody>,
) -> Result<Reply, Problem> {
    production.surrender(call, &confirm_code, body).await
}

/// Revoke a policy before its cover begins (撤单)
///
/// Premium and tax go back whole. Without `confirm`, answers them and changes nothing.
#[utoipa::path(post, path = "/v1/policies/{confirmCode}/revoke", tag = "endorsement",
    request_body = RevokeBody, params(("confirmCode" = String, Path)),
    responses((status = OK, body = RefundView), (status = CREATED, body = EndorsementView)))]
async fn revoke(
    State(production): State<Production>,
    Path(confirm_code): Path<String>,
    Incoming { call, body, .. }: Incoming<RevokeBody>,
) -> Result<Reply, Problem> {
    production.revoke(call, &confirm_code, body).await
}

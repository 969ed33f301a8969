//! 争议: disputing a claim another insurer filed, and answering for one's own.

use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use base_http::openapi::operation;
use base_http::paging::{Paged, query};
use base_http::{Call, Incoming, Problem, Reply};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::Production;
use crate::claim::dispute::decide::DecisionBody;
use crate::claim::dispute::read::{DisputeListQuery, DisputeQuery, DisputeView};
use crate::claim::dispute::{DisputeBody, DisputeLine};
use crate::function;

pub(super) fn router() -> OpenApiRouter<Production> {
    OpenApiRouter::new()
        .routes(operation(&function::CLAIM_DISPUTE, routes!(open_dispute)))
        .routes(operation(&function::CLAIM_DISPUTE_READ, routes!(read_dispute)))
        .routes(operation(&function::CLAIM_DISPUTE_READ, routes!(list_disputes)))
        .routes(operation(&function::CLAIM_DISPUTE_DECIDE, routes!(decide_dispute)))
        .routes(operation(&function::CLAIM_DISPUTE_WITHDRAW, routes!(withdraw_dispute)))
}

/// Dispute a claim that a quote lists (赔案争议)
///
/// By an insurer whose own quote lists the claim, on behalf of its customer; a claim no own quote
/// lists is not there. The insurer that filed the claim is to answer by `answerDueAt`. One dispute of
/// a claim is open at a time; `dispute` of the refusal names it.
#[utoipa::path(post, path = "/v1/claims/{claimCode}/disputes", tag = "claims",
    request_body = DisputeBody, params(("claimCode" = String, Path)),
    responses((status = CREATED, body = DisputeLine)))]
async fn open_dispute(
    State(production): State<Production>,
    Path(claim_code): Path<String>,
    Incoming { call, body, .. }: Incoming<DisputeBody>,
) -> Result<Reply, Problem> {
    production.open_dispute(call, &claim_code, &body).await
}

/// Read a dispute
///
/// By either side. What the customer says and shows is personal: it is there only where `unmask` is
/// asked for and granted.
#[utoipa::path(get, path = "/v1/disputes/{disputeNo}", tag = "claims",
    params(("disputeNo" = String, Path), DisputeQuery),
    responses((status = OK, body = DisputeView)))]
async fn read_dispute(
    State(production): State<Production>,
    Path(dispute_no): Path<String>,
    asked: Result<Query<DisputeQuery>, QueryRejection>,
    call: Call,
) -> Result<Reply, Problem> {
    production.read_dispute(call, &dispute_no, query(asked)?).await
}

/// List disputes, latest first
///
/// Those opened, or those to be answered.
#[utoipa::path(get, path = "/v1/disputes", tag = "claims", params(DisputeListQuery),
    responses((status = OK, body = Paged<DisputeLine>)))]
async fn list_disputes(
    State(production): State<Production>,
    asked: Result<Query<DisputeListQuery>, QueryRejection>,
    call: Call,
) -> Result<Reply, Problem> {
    production.list_disputes(call, query(asked)?).await
}

/// Decide a dispute of an own claim (赔案争议答复)
///
/// Upheld with what is right, or rejected with the reason. What is put right is a step of the claim,
/// holds until the claim is closed anew, and makes open quotes that counted it stale.
#[utoipa::path(post, path = "/v1/disputes/{disputeNo}/decision", tag = "claims",
    request_body = DecisionBody, params(("disputeNo" = String, Path)),
    responses((status = OK, body = DisputeLine)))]
async fn decide_dispute(
    State(production): State<Production>,
    Path(dispute_no): Path<String>,
    Incoming { call, body, .. }: Incoming<DecisionBody>,
) -> Result<Reply, Problem> {
    production.decide_dispute(call, &dispute_no, &body).await
}

/// Withdraw an own dispute (赔案争议撤回)
#[utoipa::path(post, path = "/v1/disputes/{disputeNo}/withdrawal", tag = "claims",
    params(("disputeNo" = String, Path)), responses((status = OK, body = DisputeLine)))]
async fn withdraw_dispute(
    State(production): State<Production>,
    Path(dispute_no): Path<String>,
    call: Call,
) -> Result<Reply, Problem> {
    production.withdraw_dispute(call, &dispute_no).await
}

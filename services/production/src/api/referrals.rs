//! 调查: claims referred to their insurer's investigators.

use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use base_http::openapi::operation;
use base_http::paging::{Paged, query};
use base_http::{Call, Incoming, Problem, Reply};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::Production;
use crate::claim::referral::read::{ReferralLine, ReferralListQuery, ReferralView};
use crate::claim::referral::{AssignBody, ConcludeBody, ReferBody};
use crate::function;

pub(super) fn router() -> OpenApiRouter<Production> {
    OpenApiRouter::new()
        .routes(operation(&function::REFERRAL_OPEN, routes!(refer_claim)))
        .routes(operation(&function::REFERRAL_READ, routes!(read_referral)))
        .routes(operation(&function::REFERRAL_READ, routes!(list_referrals)))
        .routes(operation(&function::REFERRAL_ASSIGN, routes!(assign_referral)))
        .routes(operation(&function::REFERRAL_CONCLUDE, routes!(conclude_referral)))
}

/// Refer an own claim to the investigators (移交调查)
///
/// A claim has one referral: what is odd is added to one that is open, and opens a concluded one again.
/// Scores and rules refer claims by themselves (parameters `claim_referral_band`,
/// `claim_referral_rules`).
#[utoipa::path(post, path = "/v1/claims/{claimCode}/referral", tag = "claims",
    request_body = ReferBody, params(("claimCode" = String, Path)),
    responses((status = OK, body = ReferralLine)))]
async fn refer_claim(
    State(production): State<Production>,
    Path(claim_code): Path<String>,
    Incoming { call, body, .. }: Incoming<ReferBody>,
) -> Result<Reply, Problem> {
    production.refer_claim(call, &claim_code, &body).await
}

/// Read the referral of an own claim: evidence, scores with their reasons, conclusions
#[utoipa::path(get, path = "/v1/claims/{claimCode}/referral", tag = "claims",
    params(("claimCode" = String, Path)), responses((status = OK, body = ReferralView)))]
async fn read_referral(
    State(production): State<Production>,
    Path(claim_code): Path<String>,
    call: Call,
) -> Result<Reply, Problem> {
    production.read_referral(call, &claim_code).await
}

/// List own referrals, the latest changed first (调查队列)
#[utoipa::path(get, path = "/v1/referrals", tag = "claims", params(ReferralListQuery),
    responses((status = OK, body = Paged<ReferralLine>)))]
async fn list_referrals(
    State(production): State<Production>,
    asked: Result<Query<ReferralListQuery>, QueryRejection>,
    call: Call,
) -> Result<Reply, Problem> {
    production.list_referrals(call, query(asked)?).await
}

/// Give a referral to an investigator, or to another (指派调查)
#[utoipa::path(post, path = "/v1/claims/{claimCode}/referral/assign", tag = "claims",
    request_body = AssignBody, params(("claimCode" = String, Path)),
    responses((status = OK, body = ReferralLine)))]
async fn assign_referral(
    State(production): State<Production>,
    Path(claim_code): Path<String>,
    Incoming { call, body, .. }: Incoming<AssignBody>,
) -> Result<Reply, Problem> {
    production.assign_referral(call, &claim_code, &body).await
}

/// Conclude a referral: fraud confirmed, not confirmed, or clean (调查结论)
///
/// The finding is the label that fraud scores learn from.
#[utoipa::path(post, path = "/v1/claims/{claimCode}/referral/conclude", tag = "claims",
    request_body = ConcludeBody, params(("claimCode" = String, Path)),
    responses((status = OK, body = ReferralLine)))]
async fn conclude_referral(
    State(production): State<Production>,
    Path(claim_code): Path<String>,
    Incoming { call, body, .. }: Incoming<ConcludeBody>,
) -> Result<Reply, Problem> {
    production.conclude_referral(call, &claim_code, &body).await
}

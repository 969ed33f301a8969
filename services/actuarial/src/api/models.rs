//! 模型: proposals, approval, withdrawal, scores computed again.

use std::sync::Arc;

use axum::Extension;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use base_http::door::Door;
use base_http::openapi::operation;
use base_http::paging::{Paged, query};
use base_http::{Call, Incoming, Problem, Reply};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::Actuarial;
use crate::function;
use crate::model::retrain::{LabelledClaims, RetrainBody};
use crate::model::service::{FiguresBody, ModelsAsked, ProposalBody, ReasonBody, Verdict, reason};
use crate::model::view::{ModelView, ScoreView};
use crate::run::view::RunView;

pub(super) fn router() -> OpenApiRouter<Actuarial> {
    OpenApiRouter::new()
        .routes(operation(&function::MODEL_RETRAIN, routes!(retrain)))
        .routes(operation(&function::MODEL_PROPOSE, routes!(propose_model)))
        .routes(operation(&function::MODEL_READ, routes!(list_models)))
        .routes(operation(&function::MODEL_READ, routes!(read_model)))
        .routes(operation(&function::MODEL_DECIDE, routes!(approve_model)))
        .routes(operation(&function::MODEL_DECIDE, routes!(reject_model)))
        .routes(operation(&function::MODEL_WITHDRAW, routes!(withdraw_model)))
        .routes(operation(&function::MODEL_SCORE, routes!(score_by_model)))
}

/// Propose the scorer of a run for publication (模型发布申请)
///
/// Another person approves it. Its columns must be figures live claims have, by name.
#[utoipa::path(post, path = "/v1/actuarial/models", tag = "actuarial", request_body = ProposalBody,
    responses((status = CREATED, body = ModelView)))]
async fn propose_model(
    State(actuarial): State<Actuarial>,
    Incoming { call, body, unknown }: Incoming<ProposalBody>,
) -> Result<Reply, Problem> {
    actuarial.propose_model(call, body, unknown).await
}

/// Learn the fraud score again from what investigators found (模型重新训练)
///
/// The caller needs `actuarial.fraud.score`, too. Concluded referrals become a version of the dataset
/// `investigated-claims`; a run on it is judged beside the own model in force on the latest conclusions
/// (`champion` of its result) and may be proposed. Refused with fewer than 50 claims of each kind.
#[utoipa::path(post, path = "/v1/actuarial/models/retrain", tag = "actuarial",
    request_body = RetrainBody, responses((status = ACCEPTED, body = RunView)))]
async fn retrain(
    State(actuarial): State<Actuarial>,
    Extension(door): Extension<Arc<Door>>,
    Extension(labels): Extension<Arc<dyn LabelledClaims>>,
    Incoming { call, body, unknown }: Incoming<RetrainBody>,
) -> Result<Reply, Problem> {
    actuarial.retrain(&door, &*labels, call, body, unknown).await
}

/// List own models, latest first (模型查询)
#[utoipa::path(get, path = "/v1/actuarial/models", tag = "actuarial", params(ModelsAsked),
    responses((status = OK, body = Paged<ModelView>)))]
async fn list_models(
    State(actuarial): State<Actuarial>,
    asked: Result<Query<ModelsAsked>, QueryRejection>,
    call: Call,
) -> Result<Reply, Problem> {
    actuarial.list_models(call, query(asked)?).await
}

/// Read an own model
#[utoipa::path(get, path = "/v1/actuarial/models/{modelId}", tag = "actuarial",
    params(("modelId" = String, Path)), responses((status = OK, body = ModelView)))]
async fn read_model(
    State(actuarial): State<Actuarial>,
    Path(model): Path<String>,
    call: Call,
) -> Result<Reply, Problem> {
    actuarial.read_model(call, &model).await
}

/// Approve a proposed model: it scores claims from now on (模型发布审批)
///
/// By another client than proposed it. The version in force before is replaced.
#[utoipa::path(post, path = "/v1/actuarial/models/{modelId}/approve", tag = "actuarial",
    params(("modelId" = String, Path)), responses((status = OK, body = ModelView)))]
async fn approve_model(
    State(actuarial): State<Actuarial>,
    Path(model): Path<String>,
    call: Call,
) -> Result<Reply, Problem> {
    actuarial.decide_model(call, &model, Verdict::Approve).await
}

/// Reject a proposed model
#[utoipa::path(post, path = "/v1/actuarial/models/{modelId}/reject", tag = "actuarial",
    params(("modelId" = String, Path)), request_body = ReasonBody,
    responses((status = OK, body = ModelView)))]
async fn reject_model(
    State(actuarial): State<Actuarial>,
    Path(model): Path<String>,
    Incoming { call, body, .. }: Incoming<ReasonBody>,
) -> Result<Reply, Problem> {
    actuarial.decide_model(call, &model, Verdict::Reject(reason(body)?)).await
}

/// Withdraw the model in force (模型停用)
///
/// Claims are scored by the market's model from then on, or go by rules alone.
#[utoipa::path(post, path = "/v1/actuarial/models/{modelId}/withdraw", tag = "actuarial",
    params(("modelId" = String, Path)), request_body = ReasonBody,
    responses((status = OK, body = ModelView)))]
async fn withdraw_model(
    State(actuarial): State<Actuarial>,
    Path(model): Path<String>,
    Incoming { call, body, .. }: Incoming<ReasonBody>,
) -> Result<Reply, Problem> {
    actuarial.withdraw_model(call, &model, reason(body)?).await
}

/// Compute the score of a claim's figures by a model (模型评分复算)
///
/// Any version, in force or not. The figures are kept with the claim's score.
#[utoipa::path(post, path = "/v1/actuarial/models/{modelId}/score", tag = "actuarial",
    params(("modelId" = String, Path)), request_body = FiguresBody,
    responses((status = OK, body = ScoreView)))]
async fn score_by_model(
    State(actuarial): State<Actuarial>,
    Path(model): Path<String>,
    Incoming { call, body, .. }: Incoming<FiguresBody>,
) -> Result<Reply, Problem> {
    actuarial.score_by_model(call, &model, &body).await
}

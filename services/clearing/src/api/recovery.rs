//! 代位求偿: who is liable, the lock and its 结算码, mutual review, arbitration.

use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use base_http::openapi::operation;
use base_http::paging::{Paged, query};
use base_http::{Call, Incoming, Problem, Reply};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::Clearing;
use crate::function;
use crate::recovery::act::{
    ArbitrationBody, AwardBody, CauseBody, PanelBody, StartBody, StatementBody, SupplementBody,
};
use crate::recovery::lock::LockBody;
use crate::recovery::query::{LockQueryBody, LockQueryView};
use crate::recovery::read::{AnyRecoveryListQuery, OpposingView, OverdueQuery, RecoveryListQuery};
use crate::recovery::view::{RecoveryView, RecoveryWhole};

pub(super) fn router() -> OpenApiRouter<Clearing> {
    OpenApiRouter::new()
        .routes(operation(&function::LOCK_QUERY, routes!(query_lock)))
        .routes(operation(&function::RECOVERY_LOCK, routes!(lock_recovery)))
        .routes(operation(&function::RECOVERY_READ, routes!(list_recoveries)))
        .routes(operation(&function::RECOVERY_READ, routes!(read_recovery)))
        .routes(operation(&function::RECOVERY_OPPOSING_READ, routes!(read_opposing)))
        .routes(operation(&function::RECOVERY_CANCEL, routes!(cancel_recovery)))
        .routes(operation(&function::RECOVERY_START, routes!(start_recovery)))
        .routes(operation(&function::RECOVERY_REVIEW, routes!(state_recovery)))
        .routes(operation(&function::RECOVERY_WITHDRAW, routes!(withdraw_recovery)))
        .routes(operation(&function::RECOVERY_ARBITRATE, routes!(ask_arbitration)))
        .routes(operation(&function::RECOVERY_SUPPLEMENT, routes!(supplement_recovery)))
        .routes(operation(&function::ANY_RECOVERY_READ, routes!(list_any_recoveries)))
        .routes(operation(&function::ANY_RECOVERY_READ, routes!(read_any_recovery)))
        .routes(operation(&function::RECOVERY_OVERDUE_READ, routes!(overdue_recoveries)))
        .routes(operation(&function::RECOVERY_PANEL, routes!(appoint_panel)))
        .routes(operation(&function::RECOVERY_AWARD, routes!(award_recovery)))
}

/// Ask who is liable (锁定查询)
///
/// The platform names every policy that covered the vehicle at the instant of the own claim's
/// accident, by any of plate, frame and engine number, across changes of plate and insurer. Needs an
/// X-Purpose header; the insurers shown can find that they were.
#[utoipa::path(post, path = "/v1/recoveries/lock-queries", tag = "recovery",
    request_body = LockQueryBody, responses((status = OK, body = LockQueryView)))]
async fn query_lock(
    State(clearing): State<Clearing>,
    Incoming { call, body, .. }: Incoming<LockQueryBody>,
) -> Result<Reply, Problem> {
    clearing.query_lock(call, &body).await
}

/// Lock a liable policy (锁定确认)
///
/// Gives the claim its 结算码 for that policy. Exactly one policy must fit (rule L57), the claim must be
/// fit to recover (rule L58), and nothing of the accident may be settled as 互碰自赔. Lock before
/// adjusting. Needs an X-Purpose header.
#[utoipa::path(post, path = "/v1/recoveries", tag = "recovery", request_body = LockBody,
    responses((status = CREATED, body = RecoveryView)))]
async fn lock_recovery(
    State(clearing): State<Clearing>,
    Incoming { call, body, .. }: Incoming<LockBody>,
) -> Result<Reply, Problem> {
    clearing.lock_recovery(call, &body).await
}

/// List recoveries, latest lock first (结算码查询, 被代位查询)
#[utoipa::path(get, path = "/v1/recoveries", tag = "recovery", params(RecoveryListQuery),
    responses((status = OK, body = Paged<RecoveryView>)))]
async fn list_recoveries(
    State(clearing): State<Clearing>,
    asked: Result<Query<RecoveryListQuery>, QueryRejection>,
    call: Call,
) -> Result<Reply, Problem> {
    clearing.list_recoveries(call, query(asked)?).await
}

/// Read a recovery, with everything that was done under its code
#[utoipa::path(get, path = "/v1/recoveries/{recoveryCode}", tag = "recovery",
    params(("recoveryCode" = String, Path)), responses((status = OK, body = RecoveryWhole)))]
async fn read_recovery(
    State(clearing): State<Clearing>,
    Path(code): Path<String>,
    call: Call,
) -> Result<Reply, Problem> {
    clearing.read_recovery(call, &code).await
}

/// Read the other side's claims of the accident, without persons (对方案件查询)
///
/// Needs an X-Purpose header; the other side can find the look.
#[utoipa::path(get, path = "/v1/recoveries/{recoveryCode}/opposing", tag = "recovery",
    params(("recoveryCode" = String, Path)), responses((status = OK, body = OpposingView)))]
async fn read_opposing(
    State(clearing): State<Clearing>,
    Path(code): Path<String>,
    call: Call,
) -> Result<Reply, Problem> {
    clearing.read_opposing(call, &code).await
}

/// Cancel a lock (锁定取消)
///
/// While nothing was started under it (rule L59).
#[utoipa::path(post, path = "/v1/recoveries/{recoveryCode}/cancellation", tag = "recovery",
    request_body = CauseBody, params(("recoveryCode" = String, Path)),
    responses((status = OK, body = RecoveryView)))]
async fn cancel_recovery(
    State(clearing): State<Clearing>,
    Path(code): Path<String>,
    Incoming { call, body, .. }: Incoming<CauseBody>,
) -> Result<Reply, Problem> {
    clearing.cancel_recovery(call, &code, &body).await
}

/// Start recovering (开始追偿确认)
///
/// Own damage must be adjusted. The platform computes what may be claimed (rule L60) and shows how;
/// claim that or less.
#[utoipa::path(post, path = "/v1/recoveries/{recoveryCode}/start", tag = "recovery",
    request_body = StartBody, params(("recoveryCode" = String, Path)),
    responses((status = OK, body = RecoveryView)))]
async fn start_recovery(
    State(clearing): State<Clearing>,
    Path(code): Path<String>,
    Incoming { call, body, .. }: Incoming<StartBody>,
) -> Result<Reply, Problem> {
    clearing.start_recovery(call, &code, &body).await
}

/// State what the own side stands by (互审)
///
/// An offer, a counter-offer, or the other side's amount, which ends the review (rule L61): with
/// something to settle (4) or nothing (6). The recovering side comes down, the liable side goes up and
/// gives reasons that add up to what it does not stand by.
#[utoipa::path(post, path = "/v1/recoveries/{recoveryCode}/reviews", tag = "recovery",
    request_body = StatementBody, params(("recoveryCode" = String, Path)),
    responses((status = OK, body = RecoveryView)))]
async fn state_recovery(
    State(clearing): State<Clearing>,
    Path(code): Path<String>,
    Incoming { call, body, .. }: Incoming<StatementBody>,
) -> Result<Reply, Problem> {
    clearing.state_recovery(call, &code, &body).await
}

/// Give a claim up that both sides do not stand by yet
///
/// The code is void; of a supplement, what was agreed before stands.
#[utoipa::path(post, path = "/v1/recoveries/{recoveryCode}/withdrawal", tag = "recovery",
    request_body = CauseBody, params(("recoveryCode" = String, Path)),
    responses((status = OK, body = RecoveryView)))]
async fn withdraw_recovery(
    State(clearing): State<Clearing>,
    Path(code): Path<String>,
    Incoming { call, body, .. }: Incoming<CauseBody>,
) -> Result<Reply, Problem> {
    clearing.withdraw_recovery(call, &code, &body).await
}

/// Ask for arbitration (提请仲裁)
///
/// By either side, once the liable side was heard or somebody is late.
#[utoipa::path(post, path = "/v1/recoveries/{recoveryCode}/arbitration", tag = "recovery",
    request_body = ArbitrationBody, params(("recoveryCode" = String, Path)),
    responses((status = OK, body = RecoveryView)))]
async fn ask_arbitration(
    State(clearing): State<Clearing>,
    Path(code): Path<String>,
    Incoming { call, body, .. }: Incoming<ArbitrationBody>,
) -> Result<Reply, Problem> {
    clearing.ask_arbitration(call, &code, &body).await
}

/// Claim more after an amount was agreed (补充追偿)
///
/// A new round under the same code: what was agreed stands, this comes on top. The claim was reopened
/// and own damage adjusted anew.
#[utoipa::path(post, path = "/v1/recoveries/{recoveryCode}/supplements", tag = "recovery",
    request_body = SupplementBody, params(("recoveryCode" = String, Path)),
    responses((status = OK, body = RecoveryView)))]
async fn supplement_recovery(
    State(clearing): State<Clearing>,
    Path(code): Path<String>,
    Incoming { call, body, .. }: Incoming<SupplementBody>,
) -> Result<Reply, Problem> {
    clearing.supplement_recovery(call, &code, &body).await
}

/// List recoveries of all members, latest lock first
#[utoipa::path(get, path = "/v1/operator/recoveries", tag = "operator",
    params(AnyRecoveryListQuery), responses((status = OK, body = Paged<RecoveryView>)))]
async fn list_any_recoveries(
    State(clearing): State<Clearing>,
    asked: Result<Query<AnyRecoveryListQuery>, QueryRejection>,
    call: Call,
) -> Result<Reply, Problem> {
    clearing.list_any_recoveries(call, query(asked)?).await
}

/// Read a recovery of any members, with everything that was done under its code
///
/// What both sides said is what arbitrators decide on. The insurers of its claims and policies can find
/// the look.
#[utoipa::path(get, path = "/v1/operator/recoveries/{recoveryCode}", tag = "operator",
    params(("recoveryCode" = String, Path)), responses((status = OK, body = RecoveryWhole)))]
async fn read_any_recovery(
    State(clearing): State<Clearing>,
    Path(code): Path<String>,
    call: Call,
) -> Result<Reply, Problem> {
    clearing.read_any_recovery(call, &code).await
}

/// List recoveries where somebody is late
#[utoipa::path(get, path = "/v1/operator/recoveries/overdue", tag = "operator",
    params(OverdueQuery), responses((status = OK, body = Paged<RecoveryView>)))]
async fn overdue_recoveries(
    State(clearing): State<Clearing>,
    asked: Result<Query<OverdueQuery>, QueryRejection>,
    call: Call,
) -> Result<Reply, Problem> {
    clearing.overdue_recoveries(call, query(asked)?).await
}

/// Appoint arbitrators (组成仲裁庭)
#[utoipa::path(post, path = "/v1/operator/recoveries/{recoveryCode}/panel", tag = "operator",
    request_body = PanelBody, params(("recoveryCode" = String, Path)),
    responses((status = OK, body = RecoveryView)))]
async fn appoint_panel(
    State(clearing): State<Clearing>,
    Path(code): Path<String>,
    Incoming { call, body, .. }: Incoming<PanelBody>,
) -> Result<Reply, Problem> {
    clearing.appoint_panel(call, &code, &body).await
}

/// Record what arbitrators decided (仲裁裁决)
///
/// Binds both sides: it is posted for settlement like an amount they agreed on.
#[utoipa::path(post, path = "/v1/operator/recoveries/{recoveryCode}/award", tag = "operator",
    request_body = AwardBody, params(("recoveryCode" = String, Path)),
    responses((status = OK, body = RecoveryView)))]
async fn award_recovery(
    State(clearing): State<Clearing>,
    Path(code): Path<String>,
    Incoming { call, body, .. }: Incoming<AwardBody>,
) -> Result<Reply, Problem> {
    clearing.award_recovery(call, &code, &body).await
}

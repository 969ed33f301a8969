//! 支付: own bank account, payment orders, the bank's notices.

use axum::Router;
use axum::body::Bytes;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::routing::post;
use base_http::openapi::operation;
use base_http::paging::{Page, Paged, query};
use base_http::{Call, Incoming, Problem, Reply};
use http::{HeaderMap, StatusCode};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::Clearing;
use crate::function;
use crate::payment::advance::{AdvanceBody, AdvanceView, RecoveryBody, SelfServiceBody};
use crate::payment::notice::Notice;
use crate::payment::payee::BankAccountBody;
use crate::payment::premium::PremiumBody;
use crate::payment::reconcile::run::{CaseView, Reach, ReconcileBody, ReconciledView, StepBody};
use crate::payment::refund::RefundBody;
use crate::payment::remittance::payees::{PayeeBody, PayeeView};
use crate::payment::remittance::run::RemitBody;
use crate::payment::remittance::view::{RemittanceView, SourceView};
use crate::payment::view::{AccountSetView, OrderBody, OrderView};

pub(super) fn router() -> OpenApiRouter<Clearing> {
    OpenApiRouter::new()
        .routes(operation(&function::PAYMENT_ACCOUNT_SET, routes!(set_account)))
        .routes(operation(&function::PAYMENT_ORDER, routes!(order_payment)))
        .routes(operation(&function::PREMIUM_COLLECT, routes!(collect_premium)))
        .routes(operation(&function::REFUND, routes!(refund)))
        .routes(operation(&function::PAYMENT_READ, routes!(read_payment)))
        .routes(operation(&function::PAYMENT_READ, routes!(list_payments)))
        .routes(operation(&function::RECONCILE, routes!(reconcile)))
        .routes(operation(&function::CASE_READ, routes!(list_cases)))
        .routes(operation(&function::CASE_STEP, routes!(step_case)))
        .routes(operation(&function::ADVANCE, routes!(advance)))
        .routes(operation(&function::ADVANCE_RECOVER, routes!(recover_advance)))
        .routes(operation(&function::FUND_ADVANCE, routes!(pay_fund_advance)))
        .routes(operation(&function::FUND_ADVANCE_RECOVER, routes!(recover_fund_advance)))
        .routes(operation(&function::SELF_SERVICE_ADVANCE, routes!(pay_self_service)))
        .routes(operation(&function::ADVANCE_READ, routes!(list_advances)))
        .routes(operation(&function::ADVANCE_READ, routes!(read_advance)))
        .routes(operation(&function::PAYEE_SET, routes!(set_payee)))
        .routes(operation(&function::REMITTANCE_READ, routes!(list_payees)))
        .routes(operation(&function::REMIT, routes!(remit)))
        .routes(operation(&function::REMIT, routes!(retry_remittance)))
        .routes(operation(&function::REMITTANCE_READ, routes!(list_remittances)))
        .routes(operation(&function::REMITTANCE_READ, routes!(read_remittance)))
        .routes(operation(&function::REMITTANCE_READ, routes!(list_sources)))
        .routes(operation(&function::STATEMENT_TAKE, routes!(take_statement)))
        .routes(operation(&function::ANY_CASE_STEP, routes!(step_any_case)))
        .routes(operation(&function::STUCK_PAYMENTS_READ, routes!(list_stuck)))
}

pub(super) fn notices() -> Router<Clearing> {
    Router::new().route("/v1/bank/notices", post(hear_notice))
}

/// Register the own bank account (收付账户登记)
///
/// Settlement funds are collected from and paid to it. The number is stored sealed and shown masked.
#[utoipa::path(put, path = "/v1/payments/account", tag = "payments",
    request_body = BankAccountBody, responses((status = OK, body = AccountSetView)))]
async fn set_account(
    State(clearing): State<Clearing>,
    Incoming { call, body, .. }: Incoming<BankAccountBody>,
) -> Result<Reply, Problem> {
    clearing.set_payment_account(call, body).await
}

/// Order a payment under an id of your own (支付指令)
///
/// The same id and body again is the same order. The money of a pay-out is reserved at once; the
/// bank is told in the background. Look at the order until it is `settled`, `rejected` or
/// `returned`.
#[utoipa::path(put, path = "/v1/payments/orders/{orderId}", tag = "payments",
    params(("orderId" = String, Path)), request_body = OrderBody,
    responses((status = ACCEPTED, body = OrderView)))]
async fn order_payment(
    State(clearing): State<Clearing>,
    Path(order): Path<String>,
    Incoming { call, body, .. }: Incoming<OrderBody>,
) -> Result<Reply, Problem> {
    clearing.order_payment(call, &order, body).await
}

/// Collect the premium of a pre-confirmed quote or endorsement (保费代收)
///
/// All that it waits for is collected from the payer in one amount and shared out among tax office,
/// fund, intermediary and insurer as one chain. When the bank has settled it, the money is
/// registered with the quote or the endorsement (见费出单); if that no longer waits, it goes back by
/// itself.
#[utoipa::path(put, path = "/v1/payments/premiums/{orderId}", tag = "payments",
    params(("orderId" = String, Path)), request_body = PremiumBody,
    responses((status = ACCEPTED, body = OrderView)))]
async fn collect_premium(
    State(clearing): State<Clearing>,
    Path(order): Path<String>,
    Incoming { call, body, .. }: Incoming<PremiumBody>,
) -> Result<Reply, Problem> {
    clearing.collect_premium(call, &order, body).await
}

/// Give a collected premium back to its payer, all or part (退费)
///
/// Of an amount, each share gives in the measure of what is left of it: the mirror of the
/// collection, to the fen. Of a confirmed endorsement, surrender or revocation (`amendCode`) it is
/// what that gives back: tax office, fund and intermediary give their parts of it, and when it is
/// all back it is registered with the endorsement.
#[utoipa::path(put, path = "/v1/payments/refunds/{orderId}", tag = "payments",
    params(("orderId" = String, Path)), request_body = RefundBody,
    responses((status = ACCEPTED, body = OrderView)))]
async fn refund(
    State(clearing): State<Clearing>,
    Path(order): Path<String>,
    Incoming { call, body, .. }: Incoming<RefundBody>,
) -> Result<Reply, Problem> {
    clearing.refund(call, &order, body).await
}

/// Read an own payment order, with its shares and every word of the bank
#[utoipa::path(get, path = "/v1/payments/orders/{orderId}", tag = "payments",
    params(("orderId" = String, Path)), responses((status = OK, body = OrderView)))]
async fn read_payment(
    State(clearing): State<Clearing>,
    Path(order): Path<String>,
    call: Call,
) -> Result<Reply, Problem> {
    clearing.read_payment(call, &order).await
}

/// List own payment orders, oldest first
#[utoipa::path(get, path = "/v1/payments/orders", tag = "payments", params(Page),
    responses((status = OK, body = Paged<OrderView>)))]
async fn list_payments(
    State(clearing): State<Clearing>,
    asked: Result<Query<Page>, QueryRejection>,
    call: Call,
) -> Result<Reply, Problem> {
    clearing.list_payments(call, query(asked)?).await
}

/// List payment orders of all members that do not move, longest first (卡单监控)
#[utoipa::path(get, path = "/v1/operator/payments/stuck", tag = "operator",
    responses((status = OK, body = Paged<OrderView>)))]
async fn list_stuck(State(clearing): State<Clearing>, call: Call) -> Result<Reply, Problem> {
    clearing.list_stuck_payments(call).await
}

/// Reconcile own payments with an own file (三方对账)
///
/// The file is CSV with the columns `orderId` and `amount`, positive for money that came in, one
/// line per payment that moved from `from` to `to`. What does not agree becomes a case; the bank's
/// statement is compared when the operator takes it.
#[utoipa::path(post, path = "/v1/payments/reconciliations", tag = "payments",
    request_body = ReconcileBody, responses((status = OK, body = ReconciledView)))]
async fn reconcile(
    State(clearing): State<Clearing>,
    Incoming { call, body, .. }: Incoming<ReconcileBody>,
) -> Result<Reply, Problem> {
    clearing.reconcile_with_file(call, body).await
}

/// List own reconciliation cases, latest first; the operator sees all (差错查询)
#[utoipa::path(get, path = "/v1/payments/cases", tag = "payments", params(Page),
    responses((status = OK, body = Paged<CaseView>)))]
async fn list_cases(
    State(clearing): State<Clearing>,
    asked: Result<Query<Page>, QueryRejection>,
    call: Call,
) -> Result<Reply, Problem> {
    clearing.list_cases(call, query(asked)?).await
}

/// Explain, correct or propose to write off an own case (差错处理)
#[utoipa::path(post, path = "/v1/payments/cases/{caseId}/steps", tag = "payments",
    params(("caseId" = String, Path)), request_body = StepBody,
    responses((status = OK, body = CaseView)))]
async fn step_case(
    State(clearing): State<Clearing>,
    Path(case): Path<String>,
    Incoming { call, body, .. }: Incoming<StepBody>,
) -> Result<Reply, Problem> {
    clearing.step_case(call, &case, body, Reach::Own).await
}

/// Pay an advance for the injured (垫付)
///
/// The account of advances is overdrawn by it until it is recovered.
#[utoipa::path(put, path = "/v1/operator/payments/advances/{advanceId}", tag = "operator",
    params(("advanceId" = String, Path)), request_body = AdvanceBody,
    responses((status = ACCEPTED, body = OrderView)))]
async fn advance(
    State(clearing): State<Clearing>,
    Path(advance): Path<String>,
    Incoming { call, body, .. }: Incoming<AdvanceBody>,
) -> Result<Reply, Problem> {
    clearing.pay_advance(call, &advance, body).await
}

/// Collect an advance from the insurer that turned out liable (垫付追偿)
///
/// Never more than was paid out and has not been recovered.
#[utoipa::path(put, path = "/v1/operator/payments/advances/{advanceId}/recoveries/{orderId}",
    tag = "operator", params(("advanceId" = String, Path), ("orderId" = String, Path)),
    request_body = RecoveryBody, responses((status = ACCEPTED, body = OrderView)))]
async fn recover_advance(
    State(clearing): State<Clearing>,
    Path((advance, order)): Path<(String, String)>,
    Incoming { call, body, .. }: Incoming<RecoveryBody>,
) -> Result<Reply, Problem> {
    clearing.recover_advance(call, &advance, &order, body).await
}

/// Register who is paid what gathers of premiums (收款方登记)
///
/// A tax office and a fund are named by their region (6 digits), an intermediary by the number of its
/// licence. From then on what gathers is paid on when each period is over.
#[utoipa::path(put, path = "/v1/operator/payments/payees/{shareOf}/{payee}", tag = "operator",
    params(("shareOf" = String, Path), ("payee" = String, Path)), request_body = PayeeBody,
    responses((status = OK, body = PayeeView)))]
async fn set_payee(
    State(clearing): State<Clearing>,
    Path((share_of, payee)): Path<(String, String)>,
    Incoming { call, body, .. }: Incoming<PayeeBody>,
) -> Result<Reply, Problem> {
    clearing.set_payee(call, (&share_of, &payee), body).await
}

/// List whom shares of premiums are for, registered or not, and what gathered (代收款项)
#[utoipa::path(get, path = "/v1/operator/payments/payees", tag = "operator", params(Page),
    responses((status = OK, body = Paged<PayeeView>)))]
async fn list_payees(
    State(clearing): State<Clearing>,
    asked: Result<Query<Page>, QueryRejection>,
    call: Call,
) -> Result<Reply, Problem> {
    clearing.list_payees(call, query(asked)?).await
}

/// Pay on what gathered for a payee through a day (上缴)
///
/// Everything booked for it since the remittance before, source payment by source payment, refunds
/// taken off; what they make negative is carried on. The same payee and day again is the same
/// remittance.
#[utoipa::path(post, path = "/v1/operator/payments/remittances", tag = "operator",
    request_body = RemitBody, responses((status = ACCEPTED, body = RemittanceView)))]
async fn remit(
    State(clearing): State<Clearing>,
    Incoming { call, body, .. }: Incoming<RemitBody>,
) -> Result<Reply, Problem> {
    clearing.remit(call, body).await
}

/// Order again what the bank did not pay of a payee's latest remittance (重新上缴)
#[utoipa::path(post, path = "/v1/operator/payments/remittances/{remittanceId}/retry",
    tag = "operator", params(("remittanceId" = String, Path)),
    responses((status = ACCEPTED, body = RemittanceView)))]
async fn retry_remittance(
    State(clearing): State<Clearing>,
    Path(remittance): Path<String>,
    call: Call,
) -> Result<Reply, Problem> {
    clearing.retry_remittance(call, &remittance).await
}

/// List remittances, the last made first (上缴查询)
#[utoipa::path(get, path = "/v1/operator/payments/remittances", tag = "operator", params(Page),
    responses((status = OK, body = Paged<RemittanceView>)))]
async fn list_remittances(
    State(clearing): State<Clearing>,
    asked: Result<Query<Page>, QueryRejection>,
    call: Call,
) -> Result<Reply, Problem> {
    clearing.list_remittances(call, query(asked)?).await
}

/// Read a remittance with the orders that pay it (上缴明细)
#[utoipa::path(get, path = "/v1/operator/payments/remittances/{remittanceId}", tag = "operator",
    params(("remittanceId" = String, Path)), responses((status = OK, body = RemittanceView)))]
async fn read_remittance(
    State(clearing): State<Clearing>,
    Path(remittance): Path<String>,
    call: Call,
) -> Result<Reply, Problem> {
    clearing.read_remittance(call, &remittance).await
}

/// List the source payments of a remittance (上缴来源)
#[utoipa::path(get, path = "/v1/operator/payments/remittances/{remittanceId}/sources",
    tag = "operator", params(("remittanceId" = String, Path), Page),
    responses((status = OK, body = Paged<SourceView>)))]
async fn list_sources(
    State(clearing): State<Clearing>,
    Path(remittance): Path<String>,
    asked: Result<Query<Page>, QueryRejection>,
    call: Call,
) -> Result<Reply, Problem> {
    clearing.list_sources(call, &remittance, query(asked)?).await
}

/// Pay an advance for the injured out of one's own funds, as the rescue fund (救助基金垫付)
///
/// Never more than the fund keeps with the clearing house.
#[utoipa::path(put, path = "/v1/advances/{advanceId}", tag = "payments",
    params(("advanceId" = String, Path)), request_body = AdvanceBody,
    responses((status = ACCEPTED, body = OrderView)))]
async fn pay_fund_advance(
    State(clearing): State<Clearing>,
    Path(advance): Path<String>,
    Incoming { call, body, .. }: Incoming<AdvanceBody>,
) -> Result<Reply, Problem> {
    clearing.pay_fund_advance(call, &advance, body).await
}

/// Recover one's own advance from the insurer or the person who turned out liable (救助基金追偿)
///
/// Never more than was paid out and has not been recovered.
#[utoipa::path(put, path = "/v1/advances/{advanceId}/recoveries/{orderId}", tag = "payments",
    params(("advanceId" = String, Path), ("orderId" = String, Path)),
    request_body = RecoveryBody, responses((status = ACCEPTED, body = OrderView)))]
async fn recover_fund_advance(
    State(clearing): State<Clearing>,
    Path((advance, order)): Path<(String, String)>,
    Incoming { call, body, .. }: Incoming<RecoveryBody>,
) -> Result<Reply, Problem> {
    clearing.recover_fund_advance(call, &advance, &order, body).await
}

/// Advance rescue costs on a notice of the police, booked against the liable insurer at once (自助垫付)
///
/// The platform finds the compulsory policy of the liable vehicle; its insurer's account of advances bears
/// the amount from now on, and its insurer is told. All advances under the policy for the accident stay
/// within what the cover has for medical expenses. Needs an X-Purpose header; the insurer can find
/// the look.
#[utoipa::path(put, path = "/v1/advances/self-service/{advanceId}", tag = "payments",
    params(("advanceId" = String, Path)), request_body = SelfServiceBody,
    responses((status = ACCEPTED, body = OrderView)))]
async fn pay_self_service(
    State(clearing): State<Clearing>,
    Path(advance): Path<String>,
    Incoming { call, body, .. }: Incoming<SelfServiceBody>,
) -> Result<Reply, Problem> {
    clearing.pay_self_service(call, &advance, body).await
}

/// List one's own advances and those booked against one, latest first (垫付查询)
#[utoipa::path(get, path = "/v1/advances", tag = "payments", params(Page),
    responses((status = OK, body = Paged<AdvanceView>)))]
async fn list_advances(
    State(clearing): State<Clearing>,
    asked: Result<Query<Page>, QueryRejection>,
    call: Call,
) -> Result<Reply, Problem> {
    clearing.list_advances(call, query(asked)?).await
}

/// Read an advance: what was paid, recovered, and is left
#[utoipa::path(get, path = "/v1/advances/{advanceId}", tag = "payments",
    params(("advanceId" = String, Path)), responses((status = OK, body = AdvanceView)))]
async fn read_advance(
    State(clearing): State<Clearing>,
    Path(advance): Path<String>,
    call: Call,
) -> Result<Reply, Problem> {
    clearing.read_advance(call, &advance).await
}

/// Take the bank's statement of a day (银行对账单导入)
///
/// Its lines are heard like the bank's notices, so that what a lost notice would have said is
/// booked; money that names no order lies in suspense; what does not agree becomes a case. May be
/// repeated.
#[utoipa::path(post, path = "/v1/operator/payments/statements/{day}", tag = "operator",
    params(("day" = String, Path)), responses((status = OK, body = ReconciledView)))]
async fn take_statement(
    State(clearing): State<Clearing>,
    Path(day): Path<String>,
    call: Call,
) -> Result<Reply, Problem> {
    clearing.take_statement(call, &day).await
}

/// Work a case of any member; write it off when another person proposed it (差错核销)
#[utoipa::path(post, path = "/v1/operator/payments/cases/{caseId}/steps", tag = "operator",
    params(("caseId" = String, Path)), request_body = StepBody,
    responses((status = OK, body = CaseView)))]
async fn step_any_case(
    State(clearing): State<Clearing>,
    Path(case): Path<String>,
    Incoming { call, body, .. }: Incoming<StepBody>,
) -> Result<Reply, Problem> {
    clearing.step_case(call, &case, body, Reach::All).await
}

/// A notice of the bank. Not an operation of ours: its contract is the bank's, and the signature
/// stands in for a token.
async fn hear_notice(
    State(clearing): State<Clearing>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<StatusCode, Problem> {
    let header =
        |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let notice = Notice {
        id: header("webhook-id"),
        timestamp: header("webhook-timestamp"),
        signature: header("webhook-signature"),
        body: &body,
    };
    clearing.hear_notice(notice).await?;
    Ok(StatusCode::NO_CONTENT)
}

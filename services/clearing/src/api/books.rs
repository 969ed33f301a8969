//! 账户: own accounts and their statements; the proof that all books balance.

use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use base_http::openapi::operation;
use base_http::paging::{Page, Paged, query};
use base_http::{Call, Problem, Reply};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::Clearing;
use crate::books::{AccountView, AccountsView, EntryView, ProofView};
use crate::function;

pub(super) fn router() -> OpenApiRouter<Clearing> {
    OpenApiRouter::new()
        .routes(operation(&function::ACCOUNT_READ, routes!(list_accounts)))
        .routes(operation(&function::ACCOUNT_READ, routes!(read_account)))
        .routes(operation(&function::STATEMENT_READ, routes!(read_statement)))
        .routes(operation(&function::PROOF_READ, routes!(prove)))
}

/// List own accounts and where they stand (账户查询)
#[utoipa::path(get, path = "/v1/ledger/accounts", tag = "ledger",
    responses((status = OK, body = AccountsView)))]
async fn list_accounts(State(clearing): State<Clearing>, call: Call) -> Result<Reply, Problem> {
    clearing.list_accounts(call).await
}

/// Read an own account
#[utoipa::path(get, path = "/v1/ledger/accounts/{accountId}", tag = "ledger",
    params(("accountId" = String, Path)), responses((status = OK, body = AccountView)))]
async fn read_account(
    State(clearing): State<Clearing>,
    Path(account): Path<String>,
    call: Call,
) -> Result<Reply, Problem> {
    clearing.read_account(call, &account).await
}

/// Read the statement of an own account, oldest first (账户明细)
///
/// Each entry shows where the account stood afterwards. A statement read to its end and read on
/// later from the last `next` misses nothing.
#[utoipa::path(get, path = "/v1/ledger/accounts/{accountId}/entries", tag = "ledger",
    params(("accountId" = String, Path), Page), responses((status = OK, body = Paged<EntryView>)))]
async fn read_statement(
    State(clearing): State<Clearing>,
    Path(account): Path<String>,
    asked: Result<Query<Page>, QueryRejection>,
    call: Call,
) -> Result<Reply, Problem> {
    clearing.read_statement(call, &account, query(asked)?).await
}

/// Prove that the books balance (账务平衡验证)
///
/// Every balance is worked out anew from the transfers, as of one snapshot. Reads everything.
#[utoipa::path(get, path = "/v1/operator/ledger/proof", tag = "operator",
    responses((status = OK, body = ProofView)))]
async fn prove(State(clearing): State<Clearing>, call: Call) -> Result<Reply, Problem> {
    clearing.prove(call).await
}

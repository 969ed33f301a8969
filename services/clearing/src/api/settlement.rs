//! 轧差结算: cycles, positions, statements and disputes for members; closing, funds, failures and
//! reversals for the operator.

use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use base_http::openapi::operation;
use base_http::paging::{Page, Paged, query};
use base_http::{Call, Incoming, Problem, Reply};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::recovery::origin::OriginView;
use crate::settlement::view::cap::{CapView, CapsView};
use crate::settlement::view::flat_rule::{FlatRateView, FlatRatesView};
use crate::settlement::view::simulation::SimulationView;
use crate::settlement::view::{
    ClosedView, CollateralView, CycleDetailView, CycleView, FailureView, FundsView, ItemQuery,
    ItemView, KeysView, OverdueView, PositionView, SchemeView, SchemesView, StatementView,
};
use crate::settlement::{
    CapBody, CollateralBody, ConfirmBody, DecisionBody, DisputeBody, EndBody, FailureBody,
    FlatRateBody, FundsBody, ReversalBody, SchemeBody, SimulationBody,
};
use crate::{Clearing, function};

pub(super) fn router() -> OpenApiRouter<Clearing> {
    OpenApiRouter::new()
        .routes(operation(&function::CYCLE_READ, routes!(list_cycles)))
        .routes(operation(&function::POSITION_READ, routes!(read_position)))
        .routes(operation(&function::POSITION_READ, routes!(list_items)))
        .routes(operation(&function::POSITION_READ, routes!(read_item)))
        .routes(operation(&function::ORIGIN_READ, routes!(read_origin)))
        .routes(operation(&function::SETTLEMENT_STATEMENT_READ, routes!(read_statement)))
        .routes(operation(&function::SETTLEMENT_STATEMENT_READ, routes!(list_keys)))
        .routes(operation(&function::STATEMENT_CONFIRM, routes!(confirm_statement)))
        .routes(operation(&function::ITEM_DISPUTE, routes!(dispute_items)))
        .routes(operation(&function::ITEM_DISPUTE, routes!(withdraw_dispute)))
        .routes(operation(&function::SCHEME_READ, routes!(list_schemes)))
        .routes(operation(&function::CYCLES_WATCH, routes!(list_all_cycles)))
        .routes(operation(&function::CYCLES_WATCH, routes!(read_cycle)))
        .routes(operation(&function::CYCLES_WATCH, routes!(read_position_of)))
        .routes(operation(&function::CYCLES_WATCH, routes!(list_items_of)))
        .routes(operation(&function::CYCLES_WATCH, routes!(list_overdue)))
        .routes(operation(&function::ANY_ORIGIN_READ, routes!(read_origin_of_any)))
        .routes(operation(&function::CYCLE_CLOSE, routes!(close_cycle)))
        .routes(operation(&function::FUNDS_RECORD, routes!(record_funds)))
        .routes(operation(&function::FUNDS_RECORD, routes!(deposit_collateral)))
        .routes(operation(&function::PARTICIPANT_FAIL, routes!(fail_participant)))
        .routes(operation(&function::ITEM_CORRECT, routes!(reverse_item)))
        .routes(operation(&function::ITEM_CORRECT, routes!(put_in_again)))
        .routes(operation(&function::SCHEME_SET, routes!(set_scheme)))
        .routes(operation(&function::CAP_READ, routes!(read_caps)))
        .routes(operation(&function::CAP_PROPOSE, routes!(propose_cap)))
        .routes(operation(&function::CAP_DECIDE, routes!(decide_cap)))
        .routes(operation(&function::FLAT_RATE_SIMULATE, routes!(simulate_flat_rate)))
        .routes(operation(&function::FLAT_RATE_SIMULATE, routes!(read_simulation)))
        .routes(operation(&function::FLAT_RATE_READ, routes!(list_flat_rates)))
        .routes(operation(&function::FLAT_RATE_PROPOSE, routes!(propose_flat_rate)))
        .routes(operation(&function::FLAT_RATE_PROPOSE, routes!(end_flat_rate)))
        .routes(operation(&function::FLAT_RATE_DECIDE, routes!(decide_flat_rate)))
}

/// List the settlement cycles one has items in, the latest first (清算批次查询)
#[utoipa::path(get, path = "/v1/settlement/cycles", tag = "settlement",
    params(Page), responses((status = OK, body = Paged<CycleView>)))]
async fn list_cycles(
    State(clearing): State<Clearing>,
    asked: Result<Query<Page>, QueryRejection>,
    call: Call,
) -> Result<Reply, Problem> {
    clearing.list_cycles(call, query(asked)?).await
}

/// Explain one's own position in a cycle (头寸查询)
///
/// From the net figure to counterparties and covers. The items of each are listed under `items`
/// with the same counterparty and cover, and each names its settlement code and claims.
#[utoipa::path(get, path = "/v1/settlement/cycles/{cycleId}/position", tag = "settlement",
    params(("cycleId" = String, Path)), responses((status = OK, body = PositionView)))]
async fn read_position(
    State(clearing): State<Clearing>,
    Path(cycle): Path<String>,
    call: Call,
) -> Result<Reply, Problem> {
    clearing.read_position(call, &cycle).await
}

/// List one's own items in a cycle, in the order they were posted (结算明细查询)
#[utoipa::path(get, path = "/v1/settlement/cycles/{cycleId}/items", tag = "settlement",
    params(("cycleId" = String, Path), ItemQuery),
    responses((status = OK, body = Paged<ItemView>)))]
async fn list_items(
    State(clearing): State<Clearing>,
    Path(cycle): Path<String>,
    asked: Result<Query<ItemQuery>, QueryRejection>,
    call: Call,
) -> Result<Reply, Problem> {
    clearing.list_items(call, &cycle, query(asked)?).await
}

/// Read one's own item and where it stands
#[utoipa::path(get, path = "/v1/settlement/items/{itemId}", tag = "settlement",
    params(("itemId" = String, Path)), responses((status = OK, body = ItemView)))]
async fn read_item(
    State(clearing): State<Clearing>,
    Path(item): Path<String>,
    call: Call,
) -> Result<Reply, Problem> {
    clearing.read_item(call, &item).await
}

/// Read where one's own item comes from (头寸溯源)
///
/// The recovery it settles, with everything that was done under its code, and the claims behind it
/// with their messages as filed; of either side, persons masked and places hidden. Needs an X-Purpose
/// header; the other side can find the look.
#[utoipa::path(get, path = "/v1/settlement/items/{itemId}/origin", tag = "settlement",
    params(("itemId" = String, Path)), responses((status = OK, body = OriginView)))]
async fn read_origin(
    State(clearing): State<Clearing>,
    Path(item): Path<String>,
    call: Call,
) -> Result<Reply, Problem> {
    clearing.read_origin(call, &item).await
}

/// Read one's own latest statement of a cycle (对账单)
#[utoipa::path(get, path = "/v1/settlement/cycles/{cycleId}/statement", tag = "settlement",
    params(("cycleId" = String, Path)), responses((status = OK, body = StatementView)))]
async fn read_statement(
    State(clearing): State<Clearing>,
    Path(cycle): Path<String>,
    call: Call,
) -> Result<Reply, Problem> {
    clearing.read_settlement_statement(call, &cycle).await
}

/// List the keys statements are signed with
#[utoipa::path(get, path = "/v1/settlement/keys", tag = "settlement",
    responses((status = OK, body = KeysView)))]
async fn list_keys(State(clearing): State<Clearing>, call: Call) -> Result<Reply, Problem> {
    clearing.list_keys(call).await
}

/// Agree to one's own statement (对账单确认)
///
/// Names it by its digest. When everybody agreed, money is ordered.
#[utoipa::path(post, path = "/v1/settlement/cycles/{cycleId}/statement/confirm",
    tag = "settlement", request_body = ConfirmBody, params(("cycleId" = String, Path)),
    responses((status = OK, body = StatementView)))]
async fn confirm_statement(
    State(clearing): State<Clearing>,
    Path(cycle): Path<String>,
    Incoming { call, body, .. }: Incoming<ConfirmBody>,
) -> Result<Reply, Problem> {
    clearing.confirm_statement(call, &cycle, body).await
}

/// Dispute items of one's own statement (争议)
///
/// They leave the cycle, and both sides of each get a new revision of their statements. The rest
/// is settled.
#[utoipa::path(post, path = "/v1/settlement/cycles/{cycleId}/disputes", tag = "settlement",
    request_body = DisputeBody, params(("cycleId" = String, Path)),
    responses((status = OK, body = Paged<ItemView>)))]
async fn dispute_items(
    State(clearing): State<Clearing>,
    Path(cycle): Path<String>,
    Incoming { call, body, .. }: Incoming<DisputeBody>,
) -> Result<Reply, Problem> {
    clearing.dispute_items(call, &cycle, body).await
}

/// Withdraw one's own dispute of an item (撤回争议)
///
/// The item goes into the cycle that is open now, as a new one.
#[utoipa::path(post, path = "/v1/settlement/items/{itemId}/dispute/withdraw",
    tag = "settlement", params(("itemId" = String, Path)),
    responses((status = CREATED, body = ItemView)))]
async fn withdraw_dispute(
    State(clearing): State<Clearing>,
    Path(item): Path<String>,
    call: Call,
) -> Result<Reply, Problem> {
    clearing.withdraw_dispute(call, &item).await
}

/// List how regions settle (清算规则查询)
#[utoipa::path(get, path = "/v1/settlement/schemes", tag = "settlement",
    responses((status = OK, body = SchemesView)))]
async fn list_schemes(State(clearing): State<Clearing>, call: Call) -> Result<Reply, Problem> {
    clearing.list_schemes(call).await
}

/// List all settlement cycles, the latest first
#[utoipa::path(get, path = "/v1/operator/settlement/cycles", tag = "operator",
    params(Page), responses((status = OK, body = Paged<CycleView>)))]
async fn list_all_cycles(
    State(clearing): State<Clearing>,
    asked: Result<Query<Page>, QueryRejection>,
    call: Call,
) -> Result<Reply, Problem> {
    clearing.list_all_cycles(call, query(asked)?).await
}

/// Read a cycle with everybody in it
#[utoipa::path(get, path = "/v1/operator/settlement/cycles/{cycleId}", tag = "operator",
    params(("cycleId" = String, Path)), responses((status = OK, body = CycleDetailView)))]
async fn read_cycle(
    State(clearing): State<Clearing>,
    Path(cycle): Path<String>,
    call: Call,
) -> Result<Reply, Problem> {
    clearing.read_cycle(call, &cycle).await
}

/// Explain an insurer's position in a cycle
#[utoipa::path(get, path = "/v1/operator/settlement/cycles/{cycleId}/positions/{insurer}",
    tag = "operator", params(("cycleId" = String, Path), ("insurer" = String, Path)),
    responses((status = OK, body = PositionView)))]
async fn read_position_of(
    State(clearing): State<Clearing>,
    Path((cycle, insurer)): Path<(String, String)>,
    call: Call,
) -> Result<Reply, Problem> {
    clearing.read_position_of(call, &cycle, &insurer).await
}

/// List an insurer's items in a cycle
#[utoipa::path(get, path = "/v1/operator/settlement/cycles/{cycleId}/positions/{insurer}/items",
    tag = "operator", params(("cycleId" = String, Path), ("insurer" = String, Path), ItemQuery),
    responses((status = OK, body = Paged<ItemView>)))]
async fn list_items_of(
    State(clearing): State<Clearing>,
    Path((cycle, insurer)): Path<(String, String)>,
    asked: Result<Query<ItemQuery>, QueryRejection>,
    call: Call,
) -> Result<Reply, Problem> {
    clearing.list_items_of(call, &cycle, &insurer, query(asked)?).await
}

/// Read where an item comes from, down to the messages of its claims (头寸溯源)
///
/// The recovery it settles, with everything that was done under its code, and the claims behind it
/// with their messages as filed, persons masked and places hidden. Needs an X-Purpose header; the
/// insurers whose records are shown can find the look.
#[utoipa::path(get, path = "/v1/operator/settlement/items/{itemId}/origin", tag = "operator",
    params(("itemId" = String, Path)), responses((status = OK, body = OriginView)))]
async fn read_origin_of_any(
    State(clearing): State<Clearing>,
    Path(item): Path<String>,
    call: Call,
) -> Result<Reply, Problem> {
    clearing.read_origin_of_any(call, &item).await
}

/// List statements and money past their deadlines (逾期清单)
#[utoipa::path(get, path = "/v1/operator/settlement/overdue", tag = "operator",
    responses((status = OK, body = OverdueView)))]
async fn list_overdue(State(clearing): State<Clearing>, call: Call) -> Result<Reply, Problem> {
    clearing.list_overdue(call).await
}

/// Close a cycle (截止)
///
/// What is committed from now on belongs to the next. Statements follow at once.
#[utoipa::path(post, path = "/v1/operator/settlement/cycles/{cycleId}/close", tag = "operator",
    params(("cycleId" = String, Path)), responses((status = OK, body = ClosedView)))]
async fn close_cycle(
    State(clearing): State<Clearing>,
    Path(cycle): Path<String>,
    call: Call,
) -> Result<Reply, Problem> {
    clearing.close_cycle(call, &cycle).await
}

/// Book money that moved at the bank for an order of a cycle (到账登记)
///
/// `amount` is what moved besides what was booked here before. What the bank told of the same order
/// is the same money: whichever comes second changes nothing.
#[utoipa::path(post, path = "/v1/operator/settlement/cycles/{cycleId}/funds/{orderId}",
    tag = "operator", request_body = FundsBody,
    params(("cycleId" = String, Path), ("orderId" = String, Path)),
    responses((status = OK, body = FundsView),
        (status = ACCEPTED, body = FundsView, description = "It contradicts the bank; see `caseId`")))]
async fn record_funds(
    State(clearing): State<Clearing>,
    Path((cycle, order)): Path<(String, String)>,
    Incoming { call, body, .. }: Incoming<FundsBody>,
) -> Result<Reply, Problem> {
    clearing.record_funds(call, &cycle, &order, body).await
}

/// Book collateral an insurer left (保证金登记)
#[utoipa::path(post, path = "/v1/operator/settlement/collateral/{insurer}", tag = "operator",
    request_body = CollateralBody, params(("insurer" = String, Path)),
    responses((status = CREATED, body = CollateralView)))]
async fn deposit_collateral(
    State(clearing): State<Clearing>,
    Path(insurer): Path<String>,
    Incoming { call, body, .. }: Incoming<CollateralBody>,
) -> Result<Reply, Problem> {
    clearing.deposit_collateral(call, &insurer, body).await
}

/// Declare that an insurer did not pay in time (违约处理)
///
/// By the rule of the cycle: its collateral pays when it suffices, else its items leave the cycle
/// and the rest is netted anew.
#[utoipa::path(post, path = "/v1/operator/settlement/cycles/{cycleId}/failures/{insurer}",
    tag = "operator", request_body = FailureBody,
    params(("cycleId" = String, Path), ("insurer" = String, Path)),
    responses((status = OK, body = FailureView)))]
async fn fail_participant(
    State(clearing): State<Clearing>,
    Path((cycle, insurer)): Path<(String, String)>,
    Incoming { call, body, .. }: Incoming<FailureBody>,
) -> Result<Reply, Problem> {
    clearing.fail_participant(call, &cycle, &insurer, body).await
}

/// Take back an item found ineligible later (冲正)
///
/// By a new item the other way round in the cycle that is open now.
#[utoipa::path(post, path = "/v1/operator/settlement/items/{itemId}/reverse", tag = "operator",
    request_body = ReversalBody, params(("itemId" = String, Path)),
    responses((status = CREATED, body = ItemView)))]
async fn reverse_item(
    State(clearing): State<Clearing>,
    Path(item): Path<String>,
    Incoming { call, body, .. }: Incoming<ReversalBody>,
) -> Result<Reply, Problem> {
    clearing.reverse_item(call, &item, body).await
}

/// Put an item that left its cycle into the open one (重新归集)
#[utoipa::path(post, path = "/v1/operator/settlement/items/{itemId}/again", tag = "operator",
    params(("itemId" = String, Path)), responses((status = CREATED, body = ItemView)))]
async fn put_in_again(
    State(clearing): State<Clearing>,
    Path(item): Path<String>,
    call: Call,
) -> Result<Reply, Problem> {
    clearing.put_in_again(call, &item).await
}

/// Set how a region settles, for cycles that open from an instant on (清算规则设置)
#[utoipa::path(post, path = "/v1/operator/settlement/schemes/{region}", tag = "operator",
    request_body = SchemeBody, params(("region" = String, Path)),
    responses((status = CREATED, body = SchemeView)))]
async fn set_scheme(
    State(clearing): State<Clearing>,
    Path(region): Path<String>,
    Incoming { call, body, .. }: Incoming<SchemeBody>,
) -> Result<Reply, Problem> {
    clearing.set_scheme(call, &region, body).await
}

/// Read an insurer's net debit caps, and what it owes in open cycles (净借记限额查询)
#[utoipa::path(get, path = "/v1/operator/settlement/caps/{insurer}", tag = "operator",
    params(("insurer" = String, Path)), responses((status = OK, body = CapsView)))]
async fn read_caps(
    State(clearing): State<Clearing>,
    Path(insurer): Path<String>,
    call: Call,
) -> Result<Reply, Problem> {
    clearing.read_caps(call, &insurer).await
}

/// Propose how much an insurer may owe in a position of a region's cycles (净借记限额申请)
///
/// It holds once another person confirms it. `000000` is for cycles of the nation.
#[utoipa::path(post, path = "/v1/operator/settlement/caps/{insurer}/{region}", tag = "operator",
    request_body = CapBody, params(("insurer" = String, Path), ("region" = String, Path)),
    responses((status = CREATED, body = CapView)))]
async fn propose_cap(
    State(clearing): State<Clearing>,
    Path((insurer, region)): Path<(String, String)>,
    Incoming { call, body, .. }: Incoming<CapBody>,
) -> Result<Reply, Problem> {
    clearing.propose_cap(call, &insurer, &region, body).await
}

/// Confirm or reject a proposed net debit cap (净借记限额复核)
///
/// By another person than proposed it. Confirmed, it holds at once for what is posted from then on;
/// what is owed already stands.
#[utoipa::path(post, path = "/v1/operator/settlement/caps/{insurer}/{region}/{version}/decision",
    tag = "operator", request_body = DecisionBody,
    params(("insurer" = String, Path), ("region" = String, Path), ("version" = i32, Path)),
    responses((status = OK, body = CapView)))]
async fn decide_cap(
    State(clearing): State<Clearing>,
    Path((insurer, region, version)): Path<(String, String, i32)>,
    Incoming { call, body, .. }: Incoming<DecisionBody>,
) -> Result<Reply, Problem> {
    clearing.decide_cap(call, (&insurer, &region), version, body).await
}

/// Try a flat rate for small items on what was posted in a time (定额结算试算)
///
/// What each insurer would have gained or lost. Changes nothing; what came of it is kept for whoever
/// proposes the rule.
#[utoipa::path(post, path = "/v1/operator/settlement/simulations", tag = "operator",
    request_body = SimulationBody, responses((status = OK, body = SimulationView)))]
async fn simulate_flat_rate(
    State(clearing): State<Clearing>,
    Incoming { call, body, .. }: Incoming<SimulationBody>,
) -> Result<Reply, Problem> {
    clearing.simulate_flat_rate(call, body).await
}

/// Read a simulation as it was answered
#[utoipa::path(get, path = "/v1/operator/settlement/simulations/{simulationId}", tag = "operator",
    params(("simulationId" = String, Path)), responses((status = OK, body = SimulationView)))]
async fn read_simulation(
    State(clearing): State<Clearing>,
    Path(simulation): Path<String>,
    call: Call,
) -> Result<Reply, Problem> {
    clearing.read_simulation(call, &simulation).await
}

/// List flat rates: in force, to come, superseded and proposed (定额结算规则查询)
#[utoipa::path(get, path = "/v1/settlement/flat-rates", tag = "settlement",
    responses((status = OK, body = FlatRatesView)))]
async fn list_flat_rates(State(clearing): State<Clearing>, call: Call) -> Result<Reply, Problem> {
    clearing.list_flat_rates(call).await
}

/// Propose a flat rate for small recoveries of a region (定额结算规则申请)
///
/// It rests on a simulation, whose region, covers, ceiling and module it has, and holds for accidents
/// from its start on once another person confirmed it. A later start supersedes an earlier one.
#[utoipa::path(post, path = "/v1/operator/settlement/flat-rates/{region}", tag = "operator",
    request_body = FlatRateBody, params(("region" = String, Path)),
    responses((status = CREATED, body = FlatRateView)))]
async fn propose_flat_rate(
    State(clearing): State<Clearing>,
    Path(region): Path<String>,
    Incoming { call, body, .. }: Incoming<FlatRateBody>,
) -> Result<Reply, Problem> {
    clearing.propose_flat_rate(call, &region, body).await
}

/// Propose to end a region's flat rate (定额结算规则终止申请)
///
/// Accidents from its start on go the ordinary way, once another person confirmed it. Where a region has
/// no version of its own the nation's holds; a region's end stands against it.
#[utoipa::path(post, path = "/v1/operator/settlement/flat-rates/{region}/end", tag = "operator",
    request_body = EndBody, params(("region" = String, Path)),
    responses((status = CREATED, body = FlatRateView)))]
async fn end_flat_rate(
    State(clearing): State<Clearing>,
    Path(region): Path<String>,
    Incoming { call, body, .. }: Incoming<EndBody>,
) -> Result<Reply, Problem> {
    clearing.end_flat_rate(call, &region, body).await
}

/// Confirm or reject a proposed version, as another person (定额结算规则复核)
#[utoipa::path(post, path = "/v1/operator/settlement/flat-rates/{region}/{version}/decision",
    tag = "operator", request_body = DecisionBody,
    params(("region" = String, Path), ("version" = i32, Path)),
    responses((status = OK, body = FlatRateView)))]
async fn decide_flat_rate(
    State(clearing): State<Clearing>,
    Path((region, version)): Path<(String, i32)>,
    Incoming { call, body, .. }: Incoming<DecisionBody>,
) -> Result<Reply, Problem> {
    clearing.decide_flat_rate(call, &region, version, body).await
}

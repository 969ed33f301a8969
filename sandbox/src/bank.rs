//! Contract of a bank or payment service (银行 / 支付机构): payment orders, signed notices about
//! them, a statement of each day.
//!
//! An order is keyed by the id its sender gave it: sent again it is the same order, sent again with
//! other contents it is refused. Amounts in answers and notices are cumulative. What the bank does
//! with an order is set beforehand ([`Behaviour`]) or told by hand; the statement is the bank's own
//! and holds what moved, told or not, on the day the order was requested.

mod access;
mod statement;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::{get, post};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use jiff::civil::Date;
use kernel::{Clock, Fen};
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use utoipa::openapi::OpenApi;
use utoipa::{OpenApi as _, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::invent;
use crate::models::Refusal;
use crate::world::World;

pub use access::Access;
pub(crate) use access::check;
use statement::{Entry, entry, written};

/// The account the platform keeps with this bank.
pub const HOUSE_ACCOUNT: &str = "1001000000000000001";

/// The other side of an order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Party {
    /// 联行号 or BIC.
    pub bank: String,
    /// 账号.
    pub account: String,
    /// 户名.
    pub name: String,
}

/// Which way the money goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Way {
    /// From the other side to the sender.
    Collect,
    /// From the sender to the other side.
    PayOut,
}

/// A payment order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = BankOrder)]
pub struct Order {
    /// `collect` or `pay_out`.
    pub direction: Way,
    /// More than nothing.
    pub amount: Fen,
    /// `CNY`.
    pub currency: String,
    /// What stands on the statement.
    pub reference: String,
    /// The other side.
    pub account: Party,
    /// When the sender made it; its day is the day it is booked on.
    #[schema(value_type = String, format = DateTime)]
    pub requested_at: Timestamp,
}

/// Where an order stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum Status {
    /// Taken; nothing moved.
    Accepted,
    /// Part of it moved.
    PartlySettled,
    /// All of it moved.
    Settled,
    /// No more will move.
    Rejected,
    /// What had moved went back.
    Returned,
}

/// What the bank says of an order: in answers, and as the body of a notice.
///
/// A notice is posted to the address agreed on, with the headers of Standard Webhooks:
/// `webhook-id`, `webhook-timestamp`, and `webhook-signature`, which is `v1a,` and the Ed25519
/// signature of `id.timestamp.body` in base64.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Standing {
    /// As sent.
    pub order_id: String,
    /// The bank's own number.
    pub bank_ref: String,
    /// Where it stands.
    pub status: Status,
    /// What moved in all.
    pub settled: Fen,
    /// What went back in all.
    pub returned: Fen,
    /// ISO 20022 reason code, when it was rejected or returned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// When.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
}

/// The statement of a day.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Statement {
    /// The day.
    pub day: Date,
    /// camt.053.001.07.
    pub message: String,
}

/// What the bank does with orders from now on. The default: everything moves at once, and one
/// notice says so.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Behaviour {
    /// Orders are accepted and then wait to be told by hand.
    pub hold: bool,
    /// So long until something moves.
    pub settle_after_ms: u64,
    /// Only so much of each order moves, in a hundred; 0 is all.
    pub settle_percent: u8,
    /// So many orders from now on are rejected.
    pub reject_next: u32,
    /// Notices are lost on the way.
    pub lose_notices: bool,
    /// Every so many-th notice is lost on the way; none when 0.
    pub lose_every: u32,
    /// An order is taken at once, and the answer comes so much later.
    pub answer_after_ms: u64,
    /// Every notice comes so many times more.
    pub duplicates: u8,
}

/// An order on the bank's books.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Held {
    /// As sent.
    pub order: Order,
    /// Where it stands.
    pub standing: Standing,
    /// How often it was sent.
    pub sent: u32,
}

/// Where notices go and how they are signed.
#[derive(Clone)]
pub struct Notices {
    /// Nobody is told when absent.
    pub url: Option<String>,
    /// Of the signing key.
    pub seed: [u8; 32],
    /// Says when a notice is sent: the clock of who reads them.
    pub clock: Arc<dyn Clock>,
}

impl std::fmt::Debug for Notices {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Notices").field("url", &self.url).finish_non_exhaustive()
    }
}

/// The bank itself.
#[derive(Debug)]
pub(crate) struct Till {
    notices: Notices,
    access: Access,
    key: Ed25519KeyPair,
    client: reqwest::Client,
    state: Mutex<Books>,
    tasks: TaskTracker,
    stop: CancellationToken,
}

#[derive(Debug, Default)]
struct Books {
    behaviour: Behaviour,
    orders: BTreeMap<String, Held>,
    entries: Vec<Entry>,
    told: u64,
}

impl Till {
    pub(crate) fn new(
        notices: Notices,
        access: Access,
        tasks: TaskTracker,
        stop: CancellationToken,
    ) -> Till {
        let key = Ed25519KeyPair::from_seed_unchecked(&notices.seed);
        // Plain HTTP to the platform beside it: no proxy of the machine, no certificates.
        let client = reqwest::Client::builder()
            .no_proxy()
            .tls_certs_only([])
            .timeout(Duration::from_secs(5))
            .build();
        Till {
            notices,
            access,
            key: key.expect("every 32 bytes are a seed"),
            client: client.expect("nothing of the machine is needed"),
            state: Mutex::default(),
            tasks,
            stop,
        }
    }

    /// Whether a call that shows so much is let in.
    pub(crate) fn admits(&self, shows: impl FnOnce(&Access, Timestamp) -> bool) -> bool {
        shows(&self.access, self.notices.clock.now())
    }

    /// The public half of the key notices are signed with.
    pub(crate) fn public_key(&self) -> [u8; 32] {
        self.key.public_key().as_ref().try_into().expect("an Ed25519 key has 32 bytes")
    }

    pub(crate) fn behave(&self, behaviour: Behaviour) {
        self.books().behaviour = behaviour;
    }

    pub(crate) fn orders(&self) -> Vec<Held> {
        self.books().orders.values().cloned().collect()
    }

    fn books(&self) -> MutexGuard<'_, Books> {
        // Every change is whole before the lock is let go.
        self.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// Moves so much more of an order, all that is left when not said; `None` when there is none.
    pub(crate) fn settle(self: &Arc<Till>, order_id: &str, more: Option<Fen>) -> Option<Standing> {
        self.change(order_id, |held, entries| {
            let left = Fen(held.order.amount.0 - held.standing.settled.0);
            let more = more.unwrap_or(left).min(left);
            if more <= Fen::ZERO || held.standing.status == Status::Rejected {
                return;
            }
            held.standing.settled = Fen(held.standing.settled.0 + more.0);
            let whole = held.standing.settled == held.order.amount;
            held.standing.status = if whole { Status::Settled } else { Status::PartlySettled };
            entries.push(entry(held, more, false));
        })
    }

    /// Ends an order; what moved stays moved.
    pub(crate) fn reject(self: &Arc<Till>, order_id: &str, reason: &str) -> Option<Standing> {
        self.change(order_id, |held, _| {
            if held.standing.settled < held.order.amount {
                held.standing.status = Status::Rejected;
                held.standing.reason = Some(reason.to_owned());
            }
        })
    }

    /// Gives so much back, all that moved when not said.
    pub(crate) fn give_back(
        self: &Arc<Till>,
        order_id: &str,
        more: Option<Fen>,
        reason: &str,
    ) -> Option<Standing> {
        self.change(order_id, |held, entries| {
            let left = Fen(held.standing.settled.0 - held.standing.returned.0);
            let more = more.unwrap_or(left).min(left);
            if more > Fen::ZERO {
                held.standing.returned = Fen(held.standing.returned.0 + more.0);
                held.standing.status = Status::Returned;
                held.standing.reason = Some(reason.to_owned());
                entries.push(entry(held, more, true));
            }
        })
    }

    fn change(
        self: &Arc<Till>,
        order_id: &str,
        change: impl FnOnce(&mut Held, &mut Vec<Entry>),
    ) -> Option<Standing> {
        let mut books = self.books();
        let Books { orders, entries, .. } = &mut *books;
        let held = orders.get_mut(order_id)?;
        change(held, entries);
        let standing = held.standing.clone();
        self.tell(&mut books, &standing);
        Some(standing)
    }

    /// Sends a notice in the background, as often as the behaviour says.
    fn tell(self: &Arc<Till>, books: &mut Books, standing: &Standing) {
        books.told += 1;
        let every = u64::from(books.behaviour.lose_every);
        let is_lost = books.behaviour.lose_notices || 0 < every && books.told.is_multiple_of(every);
        let (Some(url), false) = (self.notices.url.clone(), is_lost) else { return };
        let id = format!("{}-{}", standing.order_id, books.told);
        let timestamp = self.notices.clock.now().as_second().to_string();
        let body = serde_json::to_string(standing).expect("a standing is plain data");
        let signature = self.key.sign(format!("{id}.{timestamp}.{body}").as_bytes());
        let signature = format!("v1a,{}", STANDARD.encode(signature.as_ref()));
        for _ in 0..=books.behaviour.duplicates {
            let request = self
                .client
                .post(&url)
                .header("content-type", "application/json")
                .header("webhook-id", &id)
                .header("webhook-timestamp", &timestamp)
                .header("webhook-signature", &signature)
                .body(body.clone());
            let stop = self.stop.clone();
            self.tasks.spawn(async move {
                stop.run_until_cancelled(deliver(request)).await;
            });
        }
    }

    fn statement(&self, day: Date) -> Option<String> {
        let books = self.books();
        let mut of_day = books.entries.iter().filter(|entry| entry.day == day).peekable();
        of_day.peek()?;
        let before = books.entries.iter().filter(|entry| entry.day < day);
        let opening: i64 = before.map(|entry| entry.amount.0).sum();
        Some(written(day, Fen(opening), of_day))
    }
}

/// Five attempts: at once, then after 0.2, 0.4, 0.8 and 1.6 s.
async fn deliver(request: reqwest::RequestBuilder) {
    for attempt in 0..5 {
        if attempt > 0 {
            tokio::time::sleep(Duration::from_millis(100 << attempt)).await;
        }
        let Some(request) = request.try_clone() else { return };
        if request.send().await.is_ok_and(|answer| answer.status().is_success()) {
            return;
        }
    }
}

/// The written contract.
pub fn openapi() -> OpenApi {
    let (_, operations) = router().split_for_parts();
    let mut contract = Contract::openapi();
    contract.merge(operations);
    contract
}

#[derive(utoipa::OpenApi)]
#[openapi(info(
    title = "Bank (sandbox)",
    description = "银行 / 支付机构: payment orders, signed notices, statements, as the platform expects a bank's interface to answer. \
        A caller shows a bearer token, or signs: `x-timestamp` is the second it calls, `x-signature` is `v1,` and the base64 of \
        HMAC-SHA-256 under the shared secret over `timestamp.METHOD path.body`; a timestamp more than 5 minutes off is refused. \
        Who shows neither is answered 401 `not-you`.",
    version = "1.0.0"
))]
struct Contract;

pub(crate) fn router() -> OpenApiRouter<Arc<World>> {
    OpenApiRouter::new().routes(routes!(take, read)).routes(routes!(read_statement))
}

/// What is told by hand, for the control API.
pub(crate) fn control() -> axum::Router<Arc<World>> {
    axum::Router::new()
        .route("/sandbox/bank/behaviour", get(read_behaviour).put(set_behaviour))
        .route("/sandbox/bank/orders", get(list_orders))
        .route("/sandbox/bank/orders/{order_id}/settle", post(settle))
        .route("/sandbox/bank/orders/{order_id}/reject", post(reject))
        .route("/sandbox/bank/orders/{order_id}/return", post(give_back))
        .route("/sandbox/bank/entries", post(add_entry))
}

/// Take a payment order
///
/// May be repeated: the same order is taken once. What becomes of it is told by notices.
#[utoipa::path(put, path = "/bank/orders/{order_id}", tag = "bank",
    params(("order_id" = String, Path, description = "The sender's own id, up to 35 characters")),
    request_body = Order,
    responses(
        (status = OK, body = Standing),
        (status = CONFLICT, body = Refusal, description = "`ordered-otherwise`"),
        (status = UNPROCESSABLE_ENTITY, body = Refusal, description = "`AM01`, `AM03`, `AC01`"),
    ))]
async fn take(
    State(world): State<Arc<World>>,
    Path(order_id): Path<String>,
    Json(order): Json<Order>,
) -> Result<Json<Standing>, (StatusCode, Json<Refusal>)> {
    let (standing, late_ms) = receive(&world, order_id, order)?;
    tokio::time::sleep(Duration::from_millis(late_ms)).await;
    Ok(Json(standing))
}

/// Takes an order, or finds it; where it stands, and how late the answer is to come.
fn receive(
    world: &World,
    order_id: String,
    order: Order,
) -> Result<(Standing, u64), (StatusCode, Json<Refusal>)> {
    let refuse = |status, code: &str, message: &str| {
        Err((status, Json(Refusal { code: code.into(), message: message.into() })))
    };
    let wrong = StatusCode::UNPROCESSABLE_ENTITY;
    if order.amount <= Fen::ZERO {
        return refuse(wrong, "AM01", "金额须大于零 the amount is not more than nothing");
    }
    if order.currency != "CNY" {
        return refuse(wrong, "AM03", "币种不受理 the currency is not taken");
    }
    if order.account.account.is_empty() || order_id.len() > 35 {
        return refuse(wrong, "AC01", "账号有误 the account or id cannot be right");
    }
    let till = &world.bank;
    let mut books = till.books();
    if let Some(held) = books.orders.get_mut(&order_id) {
        if held.order != order {
            let message = "同号指令内容不同 this id was sent with other contents";
            return refuse(StatusCode::CONFLICT, "ordered-otherwise", message);
        }
        held.sent += 1;
        return Ok((held.standing.clone(), 0));
    }
    let number = invent::seed(&order_id, "bank") % 1_000_000_000_000;
    let mut standing = Standing {
        order_id: order_id.clone(),
        bank_ref: format!("BK{number:012}"),
        status: Status::Accepted,
        settled: Fen::ZERO,
        returned: Fen::ZERO,
        reason: None,
        at: order.requested_at,
    };
    let behaviour = books.behaviour.clone();
    if behaviour.reject_next > 0 {
        books.behaviour.reject_next -= 1;
        standing.status = Status::Rejected;
        standing.reason = Some("AC04".to_owned());
    }
    let (amount, is_rejected) = (order.amount, standing.status == Status::Rejected);
    let held = Held { order, standing: standing.clone(), sent: 1 };
    books.orders.insert(order_id.clone(), held);
    drop(books);
    if !behaviour.hold && !is_rejected {
        let part = match behaviour.settle_percent {
            0 => None,
            percent => Some(Fen(amount.0 * i64::from(percent.min(100)) / 100)),
        };
        let (bank, stop) = (Arc::clone(till), till.stop.clone());
        till.tasks.spawn(async move {
            let wait = tokio::time::sleep(Duration::from_millis(behaviour.settle_after_ms));
            if stop.run_until_cancelled(wait).await.is_some() {
                bank.settle(&order_id, part);
            }
        });
    }
    Ok((standing, behaviour.answer_after_ms))
}

/// Read where an order stands
#[utoipa::path(get, path = "/bank/orders/{order_id}", tag = "bank",
    params(("order_id" = String, Path, description = "The sender's own id")),
    responses((status = OK, body = Standing), (status = NOT_FOUND, body = Refusal)))]
async fn read(
    State(world): State<Arc<World>>,
    Path(order_id): Path<String>,
) -> Result<Json<Standing>, (StatusCode, Json<Refusal>)> {
    let books = world.bank.books();
    let held = books.orders.get(&order_id).ok_or_else(unknown)?;
    Ok(Json(held.standing.clone()))
}

/// Read the statement of a day (对账单)
#[utoipa::path(get, path = "/bank/statements/{day}", tag = "bank",
    params(("day" = String, Path, description = "`yyyy-mm-dd`")),
    responses((status = OK, body = Statement),
        (status = NOT_FOUND, body = Refusal, description = "Nothing moved that day")))]
async fn read_statement(
    State(world): State<Arc<World>>,
    Path(day): Path<Date>,
) -> Result<Json<Statement>, (StatusCode, Json<Refusal>)> {
    let message = world.bank.statement(day).ok_or_else(|| {
        let message = "当日无发生额 nothing moved that day";
        (
            StatusCode::NOT_FOUND,
            Json(Refusal { code: "no-entries".into(), message: message.into() }),
        )
    })?;
    Ok(Json(Statement { day, message }))
}

fn unknown() -> (StatusCode, Json<Refusal>) {
    let message = "无此指令 no such order";
    let refusal = Refusal { code: "unknown-order".into(), message: message.into() };
    (StatusCode::NOT_FOUND, Json(refusal))
}

async fn read_behaviour(State(world): State<Arc<World>>) -> Json<Behaviour> {
    Json(world.bank.books().behaviour.clone())
}

async fn set_behaviour(
    State(world): State<Arc<World>>,
    Json(behaviour): Json<Behaviour>,
) -> StatusCode {
    world.bank.behave(behaviour);
    StatusCode::NO_CONTENT
}

async fn list_orders(State(world): State<Arc<World>>) -> Json<Vec<Held>> {
    Json(world.bank.orders())
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Told {
    amount: Option<Fen>,
    reason: Option<String>,
}

impl Told {
    fn reason(&self) -> &str {
        self.reason.as_deref().unwrap_or("AC04")
    }
}

type Answer = Result<Json<Standing>, (StatusCode, Json<Refusal>)>;

async fn settle(
    State(world): State<Arc<World>>,
    Path(order_id): Path<String>,
    Json(told): Json<Told>,
) -> Answer {
    world.bank.settle(&order_id, told.amount).map(Json).ok_or_else(unknown)
}

async fn reject(
    State(world): State<Arc<World>>,
    Path(order_id): Path<String>,
    Json(told): Json<Told>,
) -> Answer {
    world.bank.reject(&order_id, told.reason()).map(Json).ok_or_else(unknown)
}

async fn give_back(
    State(world): State<Arc<World>>,
    Path(order_id): Path<String>,
    Json(told): Json<Told>,
) -> Answer {
    world.bank.give_back(&order_id, told.amount, told.reason()).map(Json).ok_or_else(unknown)
}

/// Money nobody ordered.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Stray {
    day: Date,
    /// Positive when it comes in.
    amount: Fen,
    reference: String,
}

async fn add_entry(State(world): State<Arc<World>>, Json(stray): Json<Stray>) -> StatusCode {
    let mut books = world.bank.books();
    let number = invent::seed(&format!("{}-{}", stray.reference, books.entries.len()), "stray");
    books.entries.push(Entry {
        day: stray.day,
        amount: stray.amount,
        order_id: None,
        reference: stray.reference,
        entry_ref: format!("E{:012}", number % 1_000_000_000_000),
        is_return: false,
    });
    StatusCode::NO_CONTENT
}

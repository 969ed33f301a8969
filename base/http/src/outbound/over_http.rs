//! Outgoing calls over real HTTP, against a counterparty that answers by a script.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use jiff::{SignedDuration, Timestamp};
use kernel::{Ids, SetClock};
use serde::Deserialize;
use tokio::time::Instant;

use super::{BreakerState, Outbound, OutboundError, Request, Rules, Settings};

const BUDGET: Duration = Duration::from_secs(10);

#[derive(Clone, Copy, Debug)]
enum Step {
    Good,
    Fails(u16),
    Hangs,
    Rambles,
    Long,
}

/// What the counterparty will do, call by call; good once the script is over.
type Script = Arc<Mutex<VecDeque<Step>>>;

#[derive(Debug, PartialEq, Deserialize)]
struct Answer {
    seats: u16,
}

async fn play(State(script): State<Script>) -> Response {
    let step = script.lock().unwrap().pop_front().unwrap_or(Step::Good);
    match step {
        Step::Good => r#"{"seats":5}"#.into_response(),
        Step::Fails(status) => (StatusCode::from_u16(status).unwrap(), "no").into_response(),
        Step::Hangs => std::future::pending().await,
        Step::Rambles => r#"{"seats":"王小明"}"#.into_response(),
        Step::Long => format!(r#"{{"seats":5,"more":"{}"}}"#, "x".repeat(5_000)).into_response(),
    }
}

struct Stage {
    outbound: Outbound,
    clock: Arc<SetClock>,
    script: Script,
}

impl Stage {
    fn left(&self) -> usize {
        self.script.lock().unwrap().len()
    }

    async fn call(&self, request: &Request, budget: Duration) -> Result<Answer, OutboundError> {
        self.outbound.call(request, budget).await
    }
}

async fn stage(script: impl IntoIterator<Item = Step>) -> Stage {
    stage_with(script, |_| {}).await
}

async fn stage_with(
    script: impl IntoIterator<Item = Step>,
    adjust: impl FnOnce(&mut Settings),
) -> Stage {
    let script: Script = Arc::new(Mutex::new(script.into_iter().collect()));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr: SocketAddr = listener.local_addr().unwrap();
    let app = Router::new().fallback(play).with_state(Arc::clone(&script));
    tokio::spawn(async move { axum::serve(listener, app).await });
    let mut settings = Settings::new("oracle", format!("http://{addr}"));
    settings.attempt_timeout = BUDGET;
    settings.backoff = Duration::from_millis(1);
    settings.max_answer_bytes = 1_000;
    settings.breaker = Rules { failures: 3, ..Rules::default() };
    adjust(&mut settings);
    let clock = Arc::new(SetClock::at(Timestamp::UNIX_EPOCH));
    let outbound = Outbound::new(settings, clock.clone(), Arc::new(Ids::seeded(1))).unwrap();
    Stage { outbound, clock, script }
}

#[tokio::test]
async fn a_look_up_is_repeated_until_it_is_answered() {
    let stage = stage([Step::Fails(500), Step::Fails(503)]).await;
    let answer = stage.call(&Request::get("/cars/1"), BUDGET).await.unwrap();
    assert_eq!(answer, Answer { seats: 5 });
}

#[tokio::test]
async fn an_order_is_sent_once() {
    let stage = stage([Step::Fails(500)]).await;
    let order = Request::post("/orders", &"one").unwrap();
    let error = stage.call(&order, BUDGET).await.unwrap_err();
    assert!(matches!(error, OutboundError::Status { status, .. } if status == 500), "{error}");
    assert!(stage.call(&order.repeatable(), BUDGET).await.is_ok());
}

#[tokio::test]
async fn a_refusal_is_neither_repeated_nor_held_against_the_counterparty() {
    let stage = stage([Step::Fails(404); 8]).await;
    for _ in 0..8 {
        let error = stage.call(&Request::get("/cars/1"), BUDGET).await.unwrap_err();
        assert_eq!(error.to_string(), "oracle answered 404 Not Found");
    }
    assert_eq!((stage.left(), stage.outbound.breaker()), (0, BreakerState::Closed));
}

#[tokio::test]
async fn a_call_ends_with_its_budget() {
    let stage = stage([Step::Hangs, Step::Hangs]).await;
    let started = Instant::now();
    let error = stage.call(&Request::get("/cars/1"), Duration::from_millis(30)).await.unwrap_err();
    assert!(matches!(error, OutboundError::Timeout { .. }), "{error}");
    assert!(started.elapsed() < BUDGET);
    assert!(stage.left() >= 1, "no attempt begins when the budget is spent");
}

#[tokio::test]
async fn a_hanging_attempt_leaves_budget_for_the_next() {
    let short = |settings: &mut Settings| settings.attempt_timeout = Duration::from_millis(20);
    let stage = stage_with([Step::Hangs], short).await;
    // The answer may be late on a busy machine, but a second attempt was made.
    let _ = stage.call(&Request::get("/cars/1"), BUDGET).await;
    assert_eq!(stage.left(), 0);
}

#[tokio::test]
async fn an_answer_against_the_contract_is_named_without_being_quoted() {
    let stage = stage([Step::Rambles, Step::Long]).await;
    let error = stage.call(&Request::get("/cars/1"), BUDGET).await.unwrap_err();
    assert_eq!(error.to_string(), "oracle answered against its contract: unreadable at seats");
    let error = stage.call(&Request::get("/cars/1"), BUDGET).await.unwrap_err();
    let expected = "oracle answered against its contract: longer than 1000 bytes";
    assert_eq!(error.to_string(), expected);
}

#[tokio::test]
async fn nobody_there_is_told_without_the_address() {
    let elsewhere = |settings: &mut Settings| settings.base_url = "http://127.0.0.1:1".into();
    let stage = stage_with([], elsewhere).await;
    let error = stage.call(&Request::get("/cars/LSVAM4187C2184847"), BUDGET).await.unwrap_err();
    let chain = format!("{:?}", error);
    assert!(matches!(error, OutboundError::Unavailable { .. }), "{chain}");
    assert!(!chain.contains("LSVAM"), "{chain}");
}

#[tokio::test]
async fn one_call_too_many_is_refused_at_once() {
    let narrow = |settings: &mut Settings| settings.max_in_flight = 1;
    let stage = stage_with([Step::Hangs], narrow).await;
    let outbound = stage.outbound.clone();
    let first = tokio::spawn(async move {
        outbound.call::<Answer>(&Request::get("/cars/1"), Duration::from_secs(60)).await
    });
    while stage.left() == 1 {
        tokio::task::yield_now().await;
    }
    let error = stage.call(&Request::get("/cars/2"), BUDGET).await.unwrap_err();
    assert!(matches!(error, OutboundError::TooBusy { .. }), "{error}");
    // A caller who goes away gives the place back.
    first.abort();
    let _ = first.await;
    assert!(stage.call(&Request::get("/cars/2"), BUDGET).await.is_ok());
}

#[tokio::test]
async fn a_failing_counterparty_is_left_alone_probed_and_taken_back() {
    let stage = stage([Step::Fails(500); 4]).await;
    let request = Request::get("/cars/1");
    // The third failed attempt opens the breaker; the call still tells what happened.
    let error = stage.call(&request, BUDGET).await.unwrap_err();
    assert!(matches!(error, OutboundError::Status { .. }), "{error}");
    assert_eq!((stage.left(), stage.outbound.breaker()), (1, BreakerState::Open));

    let error = stage.call(&request, BUDGET).await.unwrap_err();
    assert!(matches!(error, OutboundError::BreakerOpen { .. }), "{error}");
    assert_eq!(stage.left(), 1, "nothing was sent");

    // After the cool-down a failing probe opens it again, without a second attempt.
    stage.clock.advance(SignedDuration::from_secs(5));
    assert!(stage.call(&request, BUDGET).await.is_err());
    assert_eq!((stage.left(), stage.outbound.breaker()), (0, BreakerState::Open));

    stage.clock.advance(SignedDuration::from_secs(5));
    assert!(stage.call(&request, BUDGET).await.is_ok());
    assert_eq!(stage.outbound.breaker(), BreakerState::HalfOpen);
    assert!(stage.call(&request, BUDGET).await.is_ok());
    assert_eq!(stage.outbound.breaker(), BreakerState::Closed);
}

//! The door every operation lies behind: authentication, right, subscription.

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use axum::extract::{ConnectInfo, Request};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures::future::BoxFuture;
use http::header;
use jiff::Timestamp;
use kernel::{Clock, Ids};
use pg::Db;

use crate::call::{Call, Caller};
use crate::function::Function;
use crate::idempotency;
use crate::problem::{self, Problem};

/// Tells who holds a bearer token.
pub trait Authenticate: Send + Sync + 'static {
    /// The caller, or why the token does not hold, in a sentence fit for the caller's eyes.
    fn authenticate<'a>(
        &'a self,
        bearer: &'a str,
        source: Option<IpAddr>,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<Arc<Caller>, Problem>>;
}

/// Tells whether a caller's tenant subscribed to a function.
pub trait Subscriptions: Send + Sync + 'static {
    /// The daily quota per user when there is one, or the refusal.
    fn admit(
        &self,
        caller: &Caller,
        function: &Function,
        now: Timestamp,
    ) -> Result<Option<u32>, Problem>;
}

/// What the door needs; one per server, an extension of every request.
pub struct Door {
    /// Who is calling.
    pub authenticate: Arc<dyn Authenticate>,
    /// What they subscribed to.
    pub subscriptions: Arc<dyn Subscriptions>,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// Names for calls.
    pub ids: Arc<Ids>,
    /// Where answers are kept.
    pub db: Db,
}

impl Door {
    /// Whether a caller may call `function`: its right, then the subscription of its tenant. The
    /// daily quota per user when there is one.
    pub fn admit(
        &self,
        caller: &Caller,
        function: &Function,
        now: Timestamp,
    ) -> Result<Option<u32>, Problem> {
        if !caller.may(function) {
            let detail = format!("the token does not grant {}", function.code);
            return Err(Problem::new(&problem::FORBIDDEN, detail));
        }
        self.subscriptions.admit(caller, function, now)
    }
}

/// A caller who passed the door, for one function.
#[derive(Clone, Debug)]
pub(crate) struct Admitted {
    pub(crate) caller: Arc<Caller>,
    pub(crate) function: &'static Function,
    pub(crate) daily_quota: Option<u32>,
    /// The call the handler made of it, for what follows the handler.
    pub(crate) call: Arc<OnceLock<Call>>,
}

/// Lets the request through when its caller may call `function`.
pub(crate) async fn enter(
    function: &'static Function,
    mut request: Request,
    next: Next,
) -> Response {
    let Some(door) = request.extensions().get::<Arc<Door>>().cloned() else {
        tracing::error!("no door stands before the routes");
        return Problem::new(&problem::INTERNAL, "the server is not set up").into_response();
    };
    // A request is not `Sync`, so what is read of it is taken before the first wait.
    let token = bearer(&request).map(str::to_owned);
    let source = request
        .extensions()
        .get::<ConnectInfo<SocketAddr>>()
        .map(|ConnectInfo(address)| address.ip());
    let admitted = async {
        let now = door.clock.now();
        let caller = door.authenticate.authenticate(&token?, source, now).await?;
        let daily_quota = door.admit(&caller, function, now)?;
        Ok::<_, Problem>(Admitted { caller, function, daily_quota, call: Arc::default() })
    };
    let began = Instant::now();
    let response = match admitted.await {
        Ok(admitted) => {
            let call = admitted.call.clone();
            request.extensions_mut().insert(admitted);
            let response = next.run(request).await;
            match call.get() {
                Some(call) if response.status().as_u16() >= 400 => {
                    // Boxed: rare, and of kilobytes that every request would have to hold.
                    Box::pin(given_before(&door, call)).await.unwrap_or(response)
                }
                _ => response,
            }
        }
        Err(problem) => problem.into_response(),
    };
    measure(function, &response, began);
    response
}

/// What the key of a call that was refused now stands for. Looks that precede a command may refuse
/// what the first time was served: a vehicle that is covered by the very policy it asks for.
async fn given_before(door: &Door, call: &Call) -> Option<Response> {
    match idempotency::given(&door.db, call).await {
        Ok(reply) => reply.map(IntoResponse::into_response),
        Err(error) => {
            tracing::warn!(%error, "cannot look for the first answer of a refused call");
            None
        }
    }
}

/// Counts the call by function and kind of answer, and its time.
fn measure(function: &'static Function, response: &Response, began: Instant) {
    let class = match response.status().as_u16() {
        200..=299 => "served",
        429 => "quota",
        300..=428 | 430..=499 => "refused",
        _ => "failed",
    };
    metrics::counter!("calls_total", "function" => function.code, "answer" => class).increment(1);
    metrics::histogram!("call_seconds", "function" => function.code)
        .record(began.elapsed().as_secs_f64());
}

fn bearer(request: &Request) -> Result<&str, Problem> {
    let refuse = |detail| Problem::new(&problem::UNAUTHENTICATED, detail);
    let value = request
        .headers()
        .get(header::AUTHORIZATION)
        .ok_or_else(|| refuse("send an Authorization header: Bearer <token from /oauth/token>"))?;
    let text = value.to_str().map_err(|_| refuse("the Authorization header is not text"))?;
    match text.split_once(' ') {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => Ok(token.trim()),
        _ => Err(refuse("the Authorization header is not a bearer token")),
    }
}

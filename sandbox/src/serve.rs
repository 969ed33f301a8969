//! The accept loop: like `axum::serve`, but an answer may be to hang up without a word.

use std::convert::Infallible;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt;

/// Marks a response that must not be sent: the connection closes instead.
#[derive(Clone, Copy, Debug)]
pub(crate) struct HangUp;

#[derive(Debug, thiserror::Error)]
#[error("hung up on purpose")]
struct HungUp;

/// Serves `app` until `stop`, then lets the calls under way end.
pub(crate) async fn serve(listener: TcpListener, app: Router, stop: CancellationToken) {
    let connections = TaskTracker::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stop.cancelled() => break,
        };
        match accepted {
            Ok((socket, _)) => {
                connections.spawn(converse(socket, app.clone(), stop.clone()));
            }
            // Out of file descriptors: some will close soon.
            Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    }
    drop(listener);
    connections.close();
    connections.wait().await;
}

async fn converse(socket: TcpStream, app: Router, stop: CancellationToken) {
    let _ = socket.set_nodelay(true);
    let service = service_fn(move |request| answer(request, app.clone()));
    let connection = http1::Builder::new().serve_connection(TokioIo::new(socket), service);
    tokio::pin!(connection);
    // A client that went away, or was hung up on, is no one's concern here.
    tokio::select! {
        _ = connection.as_mut() => {}
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            let _ = connection.await;
        }
    }
}

async fn answer(request: Request<Incoming>, app: Router) -> Result<Response<Body>, HungUp> {
    let answered: Result<Response<Body>, Infallible> = app.oneshot(request.map(Body::new)).await;
    let Ok(response) = answered;
    match response.extensions().get::<HangUp>() {
        Some(_) => Err(HungUp),
        None => Ok(response),
    }
}

//! Serving: the API on one port, health and metrics on another, and a clean end.

use std::net::SocketAddr;

use anyhow::Context;
use axum::Router;
use axum::serve::ListenerExt;
use base_http::tls::{self, Peer, TlsListener, TlsSettings};
use rustls::ServerConfig;
use telemetry::{Health, Meters};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::clock::ServerClock;
use crate::wiring::Platform;

/// Two listening sockets.
pub(crate) struct Doors {
    pub(crate) api: TcpListener,
    pub(crate) ops: TcpListener,
    pub(crate) tls: Option<ServerConfig>,
}

impl Doors {
    /// Takes both addresses, or says which one is taken. The API speaks TLS when `tls` says how.
    pub(crate) async fn open(
        api: SocketAddr,
        ops: SocketAddr,
        tls: Option<&TlsSettings>,
    ) -> anyhow::Result<Doors> {
        let bind = async |address: SocketAddr, what: &str| {
            TcpListener::bind(address)
                .await
                .with_context(|| format!("cannot listen on {address} for {what}; is it taken?"))
        };
        Ok(Doors {
            tls: tls.map(TlsSettings::load).transpose().context("cannot offer TLS")?,
            api: bind(api, "the API").await?,
            ops: bind(ops, "health and metrics").await?,
        })
    }
}

/// Serves until `stop`: no new calls then, the last ones are finished, background work ends.
pub(crate) async fn serve(
    platform: Platform,
    doors: Doors,
    clock: &ServerClock,
    health: Health,
    meters: Meters,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let db = platform.db.clone();
    health.check("database", move || {
        let db = db.clone();
        async move {
            let alive = sqlx_alive(&db).await;
            alive.map_err(|_| "the database does not answer".to_owned())
        }
    });
    let ops = telemetry::ops::router(health.clone(), meters).merge(clock.routes());
    let ops_end = CancellationToken::new();
    let ops = tokio::spawn(answer(doors.ops, ops, ops_end.clone()));
    health.started();
    let ending = {
        let (stop, health) = (stop.clone(), health.clone());
        tokio::spawn(async move {
            stop.cancelled().await;
            health.stopping();
        })
    };
    match doors.tls {
        Some(config) => answer_tls(doors.api, config, platform.api, stop).await?,
        None => answer(doors.api, platform.api, stop).await?,
    }
    ending.await.ok();
    platform.stop.cancel();
    platform.tasks.close();
    platform.tasks.wait().await;
    platform.db.close().await;
    ops_end.cancel();
    ops.await.context("health and metrics ended badly")??;
    Ok(())
}

async fn sqlx_alive(db: &pg::Db) -> Result<(), sqlx::Error> {
    let mut conn = db.pool().acquire().await?;
    sqlx::Connection::ping(&mut *conn).await
}

async fn answer(
    listener: TcpListener,
    routes: Router,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    // Answers are small and awaited: waiting for a fuller packet only costs time.
    let listener = listener.tap_io(|stream| {
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "a connection cannot be set to send at once");
        }
    });
    axum::serve(listener, routes.into_make_service_with_connect_info::<SocketAddr>())
        .with_graceful_shutdown(stop.cancelled_owned())
        .await
        .context("the listener failed")
}

async fn answer_tls(
    listener: TcpListener,
    config: ServerConfig,
    routes: Router,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let listener = TlsListener::new(listener, config)?;
    let routes = routes.layer(axum::middleware::from_fn(tls::show_peer));
    axum::serve(listener, routes.into_make_service_with_connect_info::<Peer>())
        .with_graceful_shutdown(stop.cancelled_owned())
        .await
        .context("the listener failed")
}

/// Waits for Ctrl-C or a termination signal.
pub(crate) async fn interrupted() {
    use tokio::signal::unix::{SignalKind, signal};
    let Ok(mut terminated) = signal(SignalKind::terminate()) else {
        tokio::signal::ctrl_c().await.ok();
        return;
    };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = terminated.recv() => {}
    }
}

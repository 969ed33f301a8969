//! The operations port: health and metrics.
//!
//! | Path | Answers |
//! | --- | --- |
//! | `/health/live` | 200 while the process can answer at all: restart it when not |
//! | `/health/started` | 200 once the start is over, 503 before |
//! | `/health/ready` | 200 when every check holds and calls are welcome, 503 otherwise; lists the checks |
//! | `/metrics` | Prometheus' text format |

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use axum::{Json, Router};
use serde::Serialize;

use crate::{Health, Meters, Report};

/// Serves `health` and `meters`.
pub fn router(health: Health, meters: Meters) -> Router {
    let health = Router::new()
        .route("/health/live", get(live))
        .route("/health/started", get(started))
        .route("/health/ready", get(ready))
        .with_state(health);
    health.merge(Router::new().route("/metrics", get(render)).with_state(meters))
}

#[derive(Serialize)]
struct Status {
    status: &'static str,
}

async fn live() -> Json<Status> {
    Json(Status { status: "live" })
}

async fn started(State(health): State<Health>) -> (StatusCode, Json<Status>) {
    if health.has_started() {
        (StatusCode::OK, Json(Status { status: "started" }))
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, Json(Status { status: "starting" }))
    }
}

async fn ready(State(health): State<Health>) -> (StatusCode, Json<Report>) {
    let report = health.report().await;
    let status = if report.is_ready() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(report))
}

async fn render(State(meters): State<Meters>) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], meters.render())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    use axum::body::Body;
    use axum::http::Request;
    use http_body_util::BodyExt as _;
    use serde_json::{Value, json};
    use tower::ServiceExt as _;

    use super::*;

    async fn ask(health: &Health, path: &str) -> (u16, String) {
        let router = router(health.clone(), Meters::apart());
        let request = Request::get(path).body(Body::empty()).unwrap();
        let answer = router.oneshot(request).await.unwrap();
        let status = answer.status().as_u16();
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        (status, String::from_utf8(body.to_vec()).unwrap())
    }

    async fn ready_status(health: &Health) -> (u16, String) {
        let (code, body) = ask(health, "/health/ready").await;
        let body: Value = serde_json::from_str(&body).unwrap();
        (code, body["status"].as_str().unwrap().to_owned())
    }

    #[tokio::test]
    async fn a_process_is_ready_only_while_it_serves_and_every_check_holds() {
        let health = Health::new();
        let database = Arc::new(AtomicBool::new(true));
        let seen = Arc::clone(&database);
        health.check("database", move || {
            let up = seen.load(Ordering::SeqCst);
            async move { if up { Ok(()) } else { Err("connection refused".to_owned()) } }
        });
        let answered = |code, status: &str| (code, status.to_owned());
        assert_eq!(ready_status(&health).await, answered(503, "starting"));
        assert_eq!(ask(&health, "/health/started").await.0, 503);
        health.started();
        assert_eq!(ready_status(&health).await, answered(200, "ready"));
        assert_eq!(ask(&health, "/health/started").await.0, 200);
        database.store(false, Ordering::SeqCst);
        assert_eq!(ready_status(&health).await, answered(503, "failing"));
        health.stopping();
        assert_eq!(ready_status(&health).await, answered(503, "stopping"));
        assert_eq!(ask(&health, "/health/live").await, (200, r#"{"status":"live"}"#.to_owned()));
    }

    #[tokio::test(start_paused = true)]
    async fn a_check_that_hangs_has_failed_and_hides_no_other() {
        let health = Health::new();
        health.check("tax", std::future::pending);
        health.check("police", || async { Ok(()) });
        health.started();
        let mut body: Value = serde_json::from_str(&ask(&health, "/health/ready").await.1).unwrap();
        for check in body["checks"].as_array_mut().unwrap() {
            check.as_object_mut().unwrap().remove("took_ms");
        }
        let tax = json!({"name": "tax", "ok": false, "error": "no answer within 2 s"});
        let police = json!({"name": "police", "ok": true});
        assert_eq!(body, json!({"status": "failing", "checks": [tax, police]}));
    }

    #[tokio::test]
    async fn metrics_are_plain_text() {
        assert_eq!(ask(&Health::new(), "/metrics").await.0, 200);
    }
}

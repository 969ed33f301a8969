//! What operators see: health, metrics, and a server whose database is away.

use workspace_tests::api::{Answer, answer, http_client};
use workspace_tests::market::{Car, now};
use workspace_tests::{Platform, eventually};

async fn look(ops: &str, path: &str) -> Answer {
    answer(http_client().get(format!("{ops}{path}"))).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_without_its_database_lives_says_so_and_recovers() {
    let mut platform = Platform::up().await;
    let ops = platform.announced.ops.clone();
    for (path, status) in
        [("/health/live", "live"), ("/health/started", "started"), ("/health/ready", "ready")]
    {
        assert_eq!(look(&ops, path).await.ok(200)["status"], status);
    }
    let picc = platform.client("picc-320000").await;
    picc.quote(&Car::number(1).message(now())).await.ok(201);
    let metrics = look(&ops, "/metrics").await;
    assert_eq!(metrics.status, 200);
    let text = metrics.text();
    for line in [
        "commonwheel_build_info{version=",
        "calls_total{function=\"production.underwriting.quote\",answer=\"served\"} 1",
        "call_seconds_bucket{function=\"production.underwriting.quote\"",
    ] {
        assert!(text.contains(line), "no {line} in\n{text}");
    }
    // The operations port does not serve the API, nor the other way round.
    assert_eq!(look(&ops, "/v1/quotes").await.status, 404);
    assert_eq!(look(&platform.announced.api, "/metrics").await.status, 404);

    // The whole of `up` dies; the second server is left without a database.
    let server = platform.serve("beside").await;
    let beside = picc.at(server.api());
    platform.kill();
    let unready = look(server.ops(), "/health/ready").await;
    assert_eq!(unready.status, 503, "{}", unready.text());
    assert_eq!(unready.json()["checks"][0]["name"], "database");
    assert_eq!(unready.json()["checks"][0]["ok"], false);
    assert!(!unready.text().contains("postgres://"), "{}", unready.text());
    assert_eq!(look(server.ops(), "/health/live").await.status, 200);
    let refused = beside.quote(&Car::number(2).message(now())).await;
    assert_eq!((refused.status, &*refused.problem()), (503, "E1901"));

    platform.again().await;
    eventually("the second server is ready again", async || {
        (look(server.ops(), "/health/ready").await.status == 200).then_some(())
    })
    .await;
    beside.quote(&Car::number(2).message(now())).await.ok(201);
}

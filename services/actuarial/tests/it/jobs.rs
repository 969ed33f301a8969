//! Work in the background: taken over, given back, called off; and one result for one run.

use actuarial::{Attempt, Settings};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::support::{World, word};

const TRIANGLE: &[u8] = b"origin,age,paid\n2021,12,100\n2021,24,150\n2021,36,165\n\
                          2022,12,110\n2022,24,170\n2023,12,120\n";

fn reserving() -> serde_json::Value {
    json!({ "method": "reserving", "dataset": "hand",
        "parameters": { "origin": "origin", "development": "age", "amount": "paid",
            "methods": [] } })
}

async fn world() -> World {
    let world = World::new().await;
    world.import(&world.picc, &json!({ "name": "hand" }), TRIANGLE).await;
    world
}

#[tokio::test]
async fn a_run_whose_server_died_is_computed_by_another() {
    let world = world().await;
    let run = word(&world.start(&world.picc, &reserving()).await.unwrap(), "runId");
    // A server takes it, and is never heard of again.
    let taken = world
        .number("select attempt::bigint from actuarial.take_run(now(), '2025-03-01T02:01:00Z')")
        .await;
    assert_eq!(taken, 1);
    assert_eq!(world.look(&world.picc, &run).await.unwrap()["state"], "running");
    assert_eq!(world.work_on_run().await, None, "it is held for a minute");
    world.pass(61);
    assert_eq!(world.work_on_run().await, Some(Attempt::Done));
    let done = world.look(&world.picc, &run).await.unwrap();
    assert_eq!(done["state"], "done");
    assert_eq!(world.number("select failures::bigint from actuarial.run").await, 1);
    // What the dead server would still write is of an attempt that is over.
    let written = sqlx::query(
        "update actuarial.run set state = 'failed', failure = '{}'
         where state = 'running' and attempt = 1",
    )
    .execute(&world.test.owner)
    .await
    .unwrap();
    assert_eq!(written.rows_affected(), 0);
}

#[tokio::test]
async fn a_run_that_ends_five_servers_fails_and_says_so() {
    let world = world().await;
    let run = word(&world.start(&world.picc, &reserving()).await.unwrap(), "runId");
    for _ in 0..5 {
        let until = "select count(*) from actuarial.take_run(now(), '2025-01-01T00:00:00Z')";
        assert_eq!(world.number(until).await, 1);
    }
    assert_eq!(world.work_on_run().await, Some(Attempt::Failed));
    let failed = world.look(&world.picc, &run).await.unwrap();
    assert_eq!((&failed["state"], &failed["failure"]["code"]), (&json!("failed"), &json!("E5199")));
    assert!(word(&failed["failure"], "detail").contains("memory"));
}

#[tokio::test]
async fn a_cancelled_run_is_not_computed_and_stays_cancelled() {
    let world = world().await;
    let run = word(&world.start(&world.picc, &reserving()).await.unwrap(), "runId");
    assert_eq!(world.cancel(&world.picc, &run).await.unwrap()["state"], "cancelled");
    assert_eq!(world.work_on_run().await, None);
    assert_eq!(world.cancel(&world.picc, &run).await.unwrap()["state"], "cancelled");
    let refused = world.report(&run).await.unwrap_err();
    assert_eq!(refused.code.code, "E5002");
    let refused = world.cancel(&world.cpic, &run).await.unwrap_err();
    assert_eq!(refused.code.code, "E5000");

    // Called off while a server computes it: nothing of it is kept.
    let run = word(&world.start(&world.picc, &reserving()).await.unwrap(), "runId");
    let (worked, cancelled) =
        tokio::join!(world.work_on_run(), async { world.cancel(&world.picc, &run).await.unwrap() });
    let state = word(&world.look(&world.picc, &run).await.unwrap(), "state");
    match worked {
        // The cancellation came first, or last.
        Some(Attempt::Lost) | None => assert_eq!(state, "cancelled"),
        Some(Attempt::Done) => assert_eq!((&*state, &cancelled["state"]), ("done", &json!("done"))),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_server_that_ends_gives_its_jobs_back() {
    let world = world().await;
    world.start(&world.picc, &reserving()).await.unwrap();
    let stop = CancellationToken::new();
    stop.cancel();
    let attempt = world.actuarial.work_on_run(&stop).await.unwrap();
    if attempt == Attempt::GivenBack {
        assert_eq!(world.number("select failures::bigint from actuarial.run").await, 0);
        assert_eq!(world.work_on_run().await, Some(Attempt::Done));
    } else {
        // So small a triangle may be done before anybody looks.
        assert_eq!(attempt, Attempt::Done);
    }
}

#[tokio::test]
async fn an_import_whose_server_died_is_made_by_another_and_leaves_no_file() {
    let world = World::new().await;
    world.upload(&world.picc, &json!({ "name": "hand" }), TRIANGLE).await.unwrap();
    let until = "select count(*) from actuarial.take_import(now(), '2025-03-01T02:01:00Z')";
    assert_eq!(world.number(until).await, 1);
    assert_eq!(world.work_on_import().await, None);
    world.pass(61);
    assert_eq!(world.work_on_import().await, Some(Attempt::Done));
    let rows = world.rows(&world.picc, "hand", "1").await.unwrap();
    assert_eq!(rows["rows"].as_array().unwrap().len(), 6);
    while world.actuarial.sweep().await > 0 {}
    assert_eq!(world.number("select count(*) from actuarial.file").await, 0);
}

#[tokio::test]
async fn a_run_is_metered_under_the_function_of_its_method_and_bounded_in_number() {
    let settings = Settings { jobs_of_tenant: 1, ..Settings::default() };
    let world = World::with(settings).await;
    world.import(&world.picc, &json!({ "name": "hand" }), TRIANGLE).await;
    world.start(&world.picc, &reserving()).await.unwrap();
    assert_eq!(world.memory.last().function, "actuarial.reserving.estimate");
    let refused = world.start(&world.picc, &reserving()).await.unwrap_err();
    assert_eq!(refused.code.code, "E5003");
}

#[tokio::test]
async fn another_seed_or_version_is_another_run() {
    let world = world().await;
    let digest = async |body: &serde_json::Value| {
        word(&world.start(&world.picc, body).await.unwrap(), "inputDigest")
    };
    let first = digest(&reserving()).await;
    assert_eq!(first, digest(&reserving()).await);
    let mut seeded = reserving();
    seeded["seed"] = json!(7);
    assert_ne!(first, digest(&seeded).await);
    world.import(&world.picc, &json!({ "name": "hand" }), b"origin,age,paid\n2021,12,1\n").await;
    assert_ne!(first, digest(&reserving()).await);
    let mut old = reserving();
    old["version"] = json!(1);
    assert_eq!(first, digest(&old).await);
}

/// Five thousand trees on sixty thousand rows: minutes, unless somebody calls them off.
#[tokio::test(flavor = "multi_thread")]
async fn a_single_long_fit_ends_soon_after_it_was_called_off() {
    let world = World::new().await;
    let mut rows = "claims,years,age,power\n".to_owned();
    for row in 0..60_000_u64 {
        let claims = u8::from(row * 2_654_435_761 % 4_294_967_296 < 400_000_000);
        rows += &format!("{claims},1,{},{}\n", 18 + row % 60, row % 13);
    }
    world.import(&world.picc, &json!({ "name": "motor" }), rows.as_bytes()).await;
    let long = json!({ "method": "boostedTrees", "dataset": "motor", "seed": 3, "parameters": {
        "claims": "claims", "exposure": "years", "trees": 5_000, "rate": 0.01,
        "features": [{ "column": "age" }, { "column": "power" }] } });
    let run = word(&world.start(&world.picc, &long).await.unwrap(), "runId");
    let calling_off = async {
        // Until trees grow: the look itself takes its time.
        loop {
            let seen = world.look(&world.picc, &run).await.unwrap();
            if seen["stage"] == "growing trees" {
                break;
            }
            assert_ne!(seen["state"], "done", "so many trees cannot be grown yet");
        }
        world.cancel(&world.picc, &run).await.unwrap();
        std::time::Instant::now()
    };
    let (attempt, called_off) = tokio::join!(world.work_on_run(), calling_off);
    let took = called_off.elapsed();
    assert_eq!(attempt, Some(Attempt::Lost));
    assert_eq!(world.look(&world.picc, &run).await.unwrap()["state"], "cancelled");
    // A second is usual: half of it until the next sign of life. A busy machine is given more.
    assert!(took < std::time::Duration::from_secs(10), "{took:?}");
}

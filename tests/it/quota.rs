//! Rule L35: a user's quotes of a day are counted, exactly, also when they come all at once.

use futures::future::join_all;
use serde_json::json;
use workspace_tests::api::{answer, http_client};
use workspace_tests::market::Car;
use workspace_tests::{MORNING, Platform, Start};

use crate::at_once::sets;

#[tokio::test(flavor = "multi_thread")]
async fn a_quota_of_ten_serves_ten_of_thirty_two_at_once() {
    let mut platform = Platform::start(Start { clock: Some(MORNING) }).await;
    let database = platform.database().await;
    database.run("update catalogue.subscription set daily_quota_per_user = 10").await;
    platform.terminate();
    assert!(platform.ended().await.success());
    platform.again().await;
    let database = platform.database().await;
    let picc = platform.client("picc-320000").await;
    let morning = MORNING.parse().unwrap();

    // Refused calls use nothing up.
    for _ in 0..3 {
        assert_eq!(picc.quote(&json!({ "region": "320000" })).await.status, 422);
    }
    let calls = (1..=32).map(|number| {
        let picc = picc.clone();
        async move {
            let key = format!("quote-{number}");
            let message = Car::number(number).message(morning);
            (number, picc.post("/v1/quotes", Some(&key), &message).await)
        }
    });
    let answers = join_all(calls).await;
    let served: Vec<_> = answers.iter().filter(|(_, answer)| answer.status == 201).collect();
    assert_eq!(served.len(), 10);
    for (_, refused) in answers.iter().filter(|(_, answer)| answer.status != 201) {
        assert_eq!((refused.status, &*refused.problem()), (429, "E1103"));
        assert_eq!(refused.text_at("/rule"), "L35");
        assert_eq!(refused.json()["quota"], json!(10));
    }
    assert_eq!(database.number("select count(*) from production.quote").await, 10);
    assert_eq!(database.number("select count(*) from metering.usage").await, 10);
    assert_eq!(database.number("select sum(used) from metering.daily_count").await, 10);

    // Without keys, written at once until the counting finds the room gone.
    let cpic = platform.client("cpic-320000").await;
    let [before, _] = sets(&platform).await;
    // Alone, so that it is a set with room; how large the others' first set gets is chance.
    let first = cpic.quote(&Car::number(100).message(morning)).await;
    assert!(before < sets(&platform).await[0]);
    let calls = (1..32).map(|number| {
        let cpic = cpic.clone();
        async move { cpic.quote(&Car::number(100 + number).message(morning)).await }
    });
    let answers = std::iter::once(first).chain(join_all(calls).await);
    let (quoted, refused): (Vec<_>, Vec<_>) = answers.partition(|answer| answer.status == 201);
    assert_eq!((quoted.len(), refused.len()), (10, 22));
    assert!(refused.iter().all(|refused| (refused.status, &*refused.problem()) == (429, "E1103")));
    for table in ["production.quote", "evidence.message", "events.outbox", "metering.usage"] {
        assert_eq!(database.number(&format!("select count(*) from {table}")).await, 20, "{table}");
    }
    assert_eq!(database.number("select sum(used) from metering.daily_count").await, 20);

    // What was served is still answered, and what the quota is not for is still served.
    let (number, first) = served[0];
    let message = Car::number(*number).message(morning);
    let again = picc.post("/v1/quotes", Some(&format!("quote-{number}")), &message).await;
    assert!(again.is_replayed() && again.bytes == first.bytes, "{}", again.text());
    let query = first.text_at("/queryCode");
    let path = workspace_tests::market::step(&query, "pre-confirm");
    picc.post(&path, Some("p"), &json!({})).await.ok(200);

    // Another user has a count of its own; the next day begins at midnight in China.
    platform.client("paic-320000").await.quote(&Car::number(50).message(morning)).await.ok(201);
    let put = http_client().put(format!("{}/sandbox/clock", platform.announced.ops));
    for (instant, status) in
        [("2026-03-02T23:59:59+08:00", 429), ("2026-03-03T00:00:00+08:00", 201)]
    {
        let put = put.try_clone().unwrap().json(&json!({ "now": instant }));
        assert_eq!(answer(put).await.unwrap().status, 200);
        let picc = platform.client("picc-320000").await;
        let message = Car::number(60).message(instant.parse().unwrap());
        let answered = picc.quote(&message).await;
        assert_eq!(answered.status, status, "{instant}: {}", answered.text());
    }
}

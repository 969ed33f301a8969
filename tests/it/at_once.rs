//! Sets of quotes that are written in one statement, and when they are not.

use futures::future::join_all;
use workspace_tests::Platform;
use workspace_tests::api::{Answer, answer, http_client};
use workspace_tests::market::{Car, now};

/// Sets of quotes written so far: at once, and the long way.
pub(crate) async fn sets(platform: &Platform) -> [u64; 2] {
    let metrics = answer(http_client().get(format!("{}/metrics", platform.announced.ops)));
    let metrics = metrics.await.unwrap().text();
    ["at_once", "long"].map(|way| {
        let name = format!("sets_written_total{{set=\"quote.record\",way=\"{way}\"}} ");
        let count = metrics.lines().find_map(|line| line.strip_prefix(&name));
        count.map_or(0, |count| count.parse().unwrap())
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn quotes_and_all_that_is_recorded_with_them_go_at_once() {
    let platform = Platform::up().await;
    let picc = platform.client("picc-320000").await;
    let paic = platform.client("paic-320000").await;
    // Every other one with a key; none of the vehicles is known.
    let calls = (0..24).map(|number| {
        let api = if number % 3 == 0 { &paic } else { &picc };
        let key = (number % 2 == 0).then(|| format!("quote-{number}"));
        async move {
            let message = Car::number(number).message(now());
            let first = api.post("/v1/quotes", key.as_deref(), &message).await;
            (api, key, message, first)
        }
    });
    let answers = join_all(calls).await;
    let [at_once, long] = sets(&platform).await;
    assert!(0 < at_once && long == 0, "{at_once} at once, {long} the long way");

    let database = platform.database().await;
    for (table, rows) in [
        ("production.quote", 24),
        ("production.vehicle where police_sealed is not null and model is not null", 24),
        ("evidence.message", 24),
        ("events.outbox where type = 'production.quote.made'", 24),
        ("metering.usage", 24),
        ("http.idempotency", 12),
    ] {
        assert_eq!(
            database.number(&format!("select count(*) from {table}")).await,
            rows,
            "{table}"
        );
    }
    // Each stands under its own tenant, everywhere.
    for table in ["production.quote", "evidence.message", "events.outbox", "metering.usage"] {
        let by_tenant = format!("select count(*) from {table} group by tenant_id order by 1");
        assert_eq!(
            database.texts(&format!("select c::text from ({by_tenant}) t (c)")).await,
            ["8", "16"]
        );
    }
    let used = "select used::text from metering.daily_count d order by d.used";
    assert_eq!(database.texts(used).await, ["8", "16"]);

    let before = database.counts().await;
    for (api, key, message, first) in &answers {
        first.ok(201);
        let read = api.get(&format!("/v1/quotes/{}", first.text_at("/queryCode"))).await;
        assert_eq!(read.status, 200, "{}", read.text());
        if let Some(key) = key {
            let again = api.post("/v1/quotes", Some(key), message).await;
            assert!(again.is_replayed() && again.bytes == first.bytes, "{}", again.text());
        }
    }
    // Reads leave their message and usage; no quote came of it.
    assert_eq!(database.number("select count(*) from production.quote").await, 24);
    assert!(!database.changes(&before).await.contains_key("http.idempotency"));
}

#[tokio::test(flavor = "multi_thread")]
async fn of_one_key_at_once_one_quote_is_made() {
    let platform = Platform::up().await;
    let picc = platform.client("picc-320000").await;
    for round in 0..5 {
        let (key, message) = (format!("once-{round}"), Car::number(round).message(now()));
        let calls = (0..16).map(|_| picc.post("/v1/quotes", Some(&key), &message));
        let (raced, others) =
            tokio::join!(
                join_all(calls),
                join_all((0..8).map(|number| {
                    let picc = picc.clone();
                    async move {
                        picc.quote(&Car::number(100 * round + 50 + number).message(now())).await
                    }
                })),
            );
        let served: Vec<&Answer> = raced.iter().filter(|answer| answer.status == 201).collect();
        assert_eq!(served.iter().filter(|answer| !answer.is_replayed()).count(), 1);
        assert!(served.iter().all(|answer| answer.bytes == served[0].bytes));
        for refused in raced.iter().filter(|answer| answer.status != 201) {
            assert_eq!((refused.status, &*refused.problem()), (409, "E1202"));
        }
        // Who shared a set with them is served.
        for answer in others {
            answer.ok(201);
        }
    }
    let database = platform.database().await;
    assert_eq!(database.number("select count(*) from production.quote").await, 5 * 9);
    assert_eq!(database.number("select count(*) from metering.usage").await, 5 * 9);
    assert_eq!(database.number("select count(*) from evidence.message").await, 5 * 9);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_that_spoils_its_set_spoils_nobody_else() {
    let platform = Platform::up().await;
    let picc = platform.client("picc-320000").await;
    let spoilt = Car::number(3).message(now());
    let frame = spoilt["vehicle"]["frameNo"].as_str().unwrap();
    let database = platform.database().await;
    let refuse = format!(
        "alter table production.quote add constraint unwanted check (frame_no <> '{frame}')"
    );
    database.run(&refuse).await;
    let calls = (0..16).map(|number| {
        let picc = picc.clone();
        async move { (number, picc.quote(&Car::number(number).message(now())).await) }
    });
    for (number, answer) in join_all(calls).await {
        if number == 3 {
            assert_eq!(answer.status, 500, "{}", answer.text());
            assert!(!answer.text().contains("unwanted"), "{}", answer.text());
        } else {
            answer.ok(201);
        }
    }
    let [_, long] = sets(&platform).await;
    assert!(0 < long);
    for table in ["production.quote", "evidence.message", "events.outbox", "metering.usage"] {
        assert_eq!(database.number(&format!("select count(*) from {table}")).await, 15, "{table}");
    }
    database.run("alter table production.quote drop constraint unwanted").await;
    picc.quote(&spoilt).await.ok(201);
    assert_eq!(database.number("select sum(used) from metering.daily_count").await, 16);
}

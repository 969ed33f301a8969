//! Servers and databases that die under load, and ends in good order.

use std::sync::atomic::Ordering;

use futures::future::join_all;
use serde_json::{Value, json};
use workspace_tests::api::{answer, http_client};
use workspace_tests::market::{Car, now};
use workspace_tests::{Platform, eventually, gone};

use crate::load::{Load, Outcome, Seen, Then, assert_books_balance, clients};

const WORKERS: u32 = 16;

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_server_has_lost_nothing_it_acknowledged() {
    let mut platform = Platform::up().await;
    let mut sold = Vec::new();
    for round in 0..2 {
        let load = Load::start(&platform, WORKERS, round * 20_000, Then::GoHome).await;
        load.reaches(40).await;
        platform.kill();
        let seen = load.end().await;
        sold.extend(seen.acknowledged.lock().unwrap().drain(..));
        let interrupted = std::mem::take(&mut *seen.interrupted.lock().unwrap());
        assert!(!interrupted.is_empty(), "nothing was under way when the server died");

        platform.again().await;
        let clients = clients(&platform).await;
        let after = Seen::default();
        for sale in interrupted {
            match sale.drive(&clients, &after, Then::GoHome).await {
                Outcome::Acknowledged(done) => sold.push(done),
                Outcome::Interrupted => panic!("{sale:?}: {:?}", after.wrong.lock().unwrap()),
            }
        }
        // What was acknowledged before is answered the same once more.
        for done in sold.iter().rev().take(20) {
            match done.sale.drive(&clients, &after, Then::GoHome).await {
                Outcome::Acknowledged(again) => assert_eq!(again.codes, done.codes),
                Outcome::Interrupted => panic!("{:?}", after.wrong.lock().unwrap()),
            }
        }
        assert_books_balance(&platform.database().await, &sold).await;
    }
}

async fn is_ready(ops: &str) -> bool {
    match answer(http_client().get(format!("{ops}/health/ready"))).await {
        Ok(answer) => answer.status == 200,
        Err(_) => false,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crashed_database_comes_back_with_everything_acknowledged() {
    let platform = Platform::up().await;
    let load = Load::start(&platform, WORKERS, 0, Then::Insist).await;
    for _ in 0..2 {
        load.reaches(load.acknowledged() + 30).await;
        let stopped = platform.stop_database();
        gone(stopped);
        eventually("the database is started again", async || {
            platform.postmaster().filter(|&again| again != stopped)
        })
        .await;
        eventually("the platform is ready again", async || {
            is_ready(&platform.announced.ops).await.then_some(())
        })
        .await;
    }
    load.reaches(load.acknowledged() + 30).await;
    let seen = load.end().await;
    assert!(seen.unavailable.load(Ordering::Relaxed) > 0, "nobody noticed the crash");
    assert!(seen.interrupted.lock().unwrap().is_empty());
    let sold = seen.acknowledged.lock().unwrap().clone();
    assert_books_balance(&platform.database().await, &sold).await;
    assert!(!platform.log().contains("panicked"));
}

/// So many calls make a set beside one whose callers still wait.
const WORTH_A_SET: usize = 16;

/// A standby is demanded that does not exist, so nothing becomes durable. A confirmation is committed for
/// everybody to see, and neither it nor its repetitions are answered until a crash makes it unknown. So it
/// is with a quote, which waits in its one statement.
#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_answered_before_the_work_is_durable() {
    let platform = Platform::up().await;
    let picc = platform.client("picc-320000").await;
    // Leases blocks of numbers and makes the tenant's key.
    picc.insure(&Car::number(1).message(now())).await;
    let paid = picc.paid(&Car::number(2).message(now())).await;
    let database = platform.database().await;
    let demand = async |standby: &str| {
        database.run(&format!("alter system set synchronous_standby_names = '{standby}'")).await;
        database.run("select pg_reload_conf()").await;
    };
    let waiting = async || {
        let waiting = "select count(*) from pg_stat_activity where wait_event = 'SyncRep'";
        (database.number(waiting).await > 0).then_some(())
    };
    demand("nobody").await;
    let probe = tokio::spawn({
        let database = database.clone();
        async move {
            loop {
                database.run("select pg_logical_emit_message(true, 'probe', '')").await;
            }
        }
    });
    eventually("commits wait for the standby", waiting).await;
    probe.abort();

    let send = || {
        let (picc, paid) = (picc.clone(), paid.clone());
        tokio::spawn(async move { picc.confirm(&paid, "held").await })
    };
    let kept = "select count(*) from http.idempotency where key = 'held'";
    let first = send();
    eventually("the confirmation is there for all to see", async || {
        (database.number(kept).await == 1).then_some(())
    })
    .await;
    let sets = async || -> u64 {
        let metrics = answer(http_client().get(format!("{}/metrics", platform.announced.ops)));
        let metrics = metrics.await.unwrap().text();
        let count = metrics.lines().find(|line| {
            line.starts_with("coalesced_set_members_count") && line.contains("quote.confirm")
        });
        count.unwrap().rsplit(' ').next().unwrap().parse().unwrap()
    };
    let before = sets().await;
    let mut calls = vec![first];
    calls.extend((0..WORTH_A_SET).map(|_| send()));
    eventually("repetitions are looked at", async || (sets().await > before).then_some(())).await;
    assert!(calls.iter().all(|call| !call.is_finished()));

    let message = Car::number(3).message(now());
    let quote = || {
        let (picc, message) = (picc.clone(), message.clone());
        tokio::spawn(async move { picc.post("/v1/quotes", Some("quoted"), &message).await })
    };
    calls.push(quote());
    eventually("the quote waits in its statement", async || {
        let writing = "select count(*) from pg_stat_activity
                       where wait_event = 'SyncRep' and query like '%record_quotes%'";
        (database.number(writing).await == 1).then_some(())
    })
    .await;
    assert!(calls.iter().all(|call| !call.is_finished()));

    let stopped = platform.stop_database();
    gone(stopped);
    for call in calls {
        let answer = call.await.unwrap();
        assert_eq!(answer.status, 503, "{answer:?}");
        assert!(answer.text().contains("its outcome is not known"), "{answer:?}");
    }
    eventually("the platform is ready again", async || {
        is_ready(&platform.announced.ops).await.then_some(())
    })
    .await;
    demand("").await;
    let known = send().await.unwrap().ok(201);
    assert_eq!(database.number(kept).await, 1);
    assert_eq!(send().await.unwrap().ok(201), known);
    let quoted = quote().await.unwrap().ok(201);
    assert_eq!(quote().await.unwrap().ok(201), quoted);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_polite_end_finishes_what_is_under_way_and_keeps_everything() {
    const UNDER_WAY: usize = 8;
    let mut platform = Platform::up().await;
    let picc = platform.client("picc-320000").await;
    let codes = picc.insure(&Car::number(1).message(now())).await;

    // Police that keep every call waiting: the quotes are under way for sure.
    let control = http_client();
    let police = platform.announced.police.clone();
    let slow = control.put(format!("{police}/sandbox/faults")).json(&json!({ "latencyMs": 400 }));
    assert_eq!(answer(slow).await.unwrap().status, 200);
    let asked = async || -> u64 {
        let calls = answer(control.get(format!("{police}/sandbox/calls"))).await.unwrap();
        calls.json()["total"].as_u64().unwrap()
    };
    let before = asked().await;
    let quotes = (2..).take(UNDER_WAY).map(|number| {
        let picc = picc.clone();
        tokio::spawn(async move { picc.quote(&Car::number(number).message(now())).await })
    });
    let quotes: Vec<_> = quotes.collect();
    let all = before + u64::try_from(UNDER_WAY).unwrap();
    eventually("the quotes are under way", async || (asked().await >= all).then_some(())).await;
    let postmaster = platform.postmaster().unwrap();
    platform.terminate();
    for quote in join_all(quotes).await {
        quote.unwrap().ok(201);
    }
    let ended = platform.ended().await;
    assert!(ended.success(), "{ended}");
    assert!(picc.try_post("/v1/quotes", None, &json!({})).await.is_err());
    assert!(!platform.has_database(), "{postmaster} still runs");

    platform.again().await;
    let picc = platform.client("picc-320000").await;
    let database = platform.database().await;
    let quotes = database.number("select count(*) from production.quote").await;
    assert_eq!(quotes, i64::try_from(UNDER_WAY).unwrap() + 1);
    let known: Value = picc.get(&format!("/v1/policies/{}", codes[0])).await.ok(200);
    assert_eq!(known["confirmCode"], json!(codes[0]));
}

//! Many clients at once, two servers on one database.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use clearing_ledger::{Chain, Refusal};
use futures::future::join_all;
use kernel::{Ids, SystemClock};

use crate::support::{Fixture, ledger, post};
use crate::work::{Load, assert_kept, open_accounts};

#[tokio::test(flavor = "multi_thread")]
async fn sixty_four_clients_at_once_leave_the_books_whole() {
    let test = testkit::database(&[&clearing::MIGRATIONS]).await;
    let (ledger, stop) = ledger(test.db.clone(), Arc::new(SystemClock), Arc::new(Ids::from_os()));
    open_accounts(&ledger).await;
    let sweeper = tokio::spawn(ledger.clone().keep_expiring(stop.clone()));
    let load = Load::start(&ledger);
    load.does(&ledger, 3_000).await;
    assert_eq!(load.unavailable.load(Ordering::Relaxed), 0, "a deadlock or a lost race showed");
    let answers = load.end().await;
    assert_kept(&ledger, &test.owner, &answers).await;
    let done = answers.values().flatten().filter(|outcome| outcome.is_ok()).count();
    assert!(done * 4 > answers.len(), "only {done} of {} were done", answers.len());
    stop.cancel();
    sweeper.await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn one_id_raced_for_by_two_servers_is_done_or_refused_once() {
    const ROUNDS: u128 = 40;
    let fixture = Fixture::with(8).await;
    let (other, stop) = ledger(fixture.test.db.clone(), fixture.clock.clone(), testkit::ids());
    for round in 1..=ROUNDS {
        // Disjoint accounts, so no account's lock decides; every second body is refused.
        let asked = (0..4u128).map(|body| {
            let amount = if body % 2 == 0 { 5 } else { 0 };
            let chain = Chain::one(post(round, body * 2 + 1, body * 2 + 2, amount));
            let server = if body < 2 { &fixture.ledger } else { &other };
            async move { server.submit_chain(chain).await.unwrap().remove(0) }
        });
        let outcomes = join_all(asked).await;
        let done = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
        let burnt = outcomes.contains(&Err(Refusal::AmountNotPositive));
        assert!(done + usize::from(burnt) == 1, "{outcomes:?}");
    }
    let ids: i64 = sqlx::query_scalar("select count(*) from clearing.transfer")
        .fetch_one(&fixture.test.owner)
        .await
        .unwrap();
    assert_eq!(ids, i64::try_from(ROUNDS).unwrap());
    fixture.assert_whole().await;
    stop.cancel();
}

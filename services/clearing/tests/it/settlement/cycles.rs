//! Which cycle an item is in, alone and in a race against closing.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use clearing::HOUSE;
use clearing::error::ClearingError;
use clearing::settlement::ItemStage;
use clearing_ledger::CycleId;
use futures::future::join_all;
use kernel::{Clock, Fen};
use pg::Scope;
use production_core::cover::Cover;
use uuid::Uuid;

use super::market::{Close, Post, draft};
use crate::support::assert_whole;
use crate::world::World;

fn refusal(error: &ClearingError) -> &'static str {
    match error {
        ClearingError::Refused { code, .. } => code.code,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn an_item_belongs_to_the_cycle_open_at_its_commit() {
    let world = World::new().await;
    let first = world.post(&[draft(1, 1, 2, 1_460_000)]).await.unwrap().remove(0);
    assert_eq!(first.draft.region, "320000", "the region is the platform's");
    assert_eq!(world.standing(1).await.stage, ItemStage::Open);
    let closed = world.close(first.cycle).await.unwrap();
    assert_eq!((closed.closed.id, closed.closed.number), (first.cycle, 1));
    assert_eq!(world.standing(1).await.stage, ItemStage::Closed);
    let second = world.post(&[draft(2, 2, 1, 380_000)]).await.unwrap().remove(0);
    assert_eq!(Some(second.cycle), closed.next.map(|next| next.id));
    assert_eq!(world.position(1, first.cycle).await, -1_460_000);
    assert_eq!(world.position(2, first.cycle).await, 1_460_000);
    assert_eq!(world.position(1, second.cycle).await, 380_000);
    let again = world.close(first.cycle).await.unwrap_err();
    assert_eq!(refusal(&again), "E4202");
    assert_whole(&world.ledger).await;
}

#[tokio::test]
async fn an_item_is_posted_once_and_its_id_serves_nothing_else() {
    let world = World::new().await;
    let wanted = [draft(1, 1, 2, 500), draft(2, 1, 2, 700)];
    let posted = world.post(&wanted).await.unwrap();
    world.close(posted[0].cycle).await.unwrap();
    // The first comes back from its own cycle, the new one goes to the open one.
    let more = [wanted[0].clone(), draft(3, 2, 1, 100), draft(3, 2, 1, 100)];
    let answers = world.post(&more).await.unwrap();
    assert_eq!(answers[0], posted[0]);
    assert_ne!(answers[1].cycle, posted[0].cycle);
    assert_eq!(answers[1], answers[2]);
    assert_eq!(world.position(1, posted[0].cycle).await, -1_200);
    let other = world.post(&[draft(1, 1, 2, 501)]).await.unwrap_err();
    assert_eq!(refusal(&other), "E4200");
}

#[tokio::test]
async fn every_fault_of_an_item_is_named() {
    let world = World::new().await;
    let mut bad = draft(1, 1, 1, 0);
    bad.region = "990000".into();
    bad.reference = "two words".into();
    let ClearingError::Invalid(findings) = world.post(&[bad]).await.unwrap_err() else {
        panic!("it was taken");
    };
    let pointers: Vec<&str> = findings.iter().map(|finding| finding.pointer.as_str()).collect();
    assert_eq!(
        pointers,
        ["/items/0/amount", "/items/0/payee", "/items/0/region", "/items/0/reference"]
    );
}

#[tokio::test]
async fn a_region_with_its_own_scheme_has_its_own_cycles() {
    let world = World::new().await;
    sqlx::query(
        "insert into clearing.scheme values ('330000', '2020-01-01', 'by_cover', 'day', 3, 1,
             'hold', 'unwind', true, 'test')",
    )
    .execute(&world.test.owner)
    .await
    .unwrap();
    let of = |item, region: &str, cover| {
        let mut draft = draft(item, 1, 2, 100);
        (draft.region, draft.cover) = (region.into(), cover);
        draft
    };
    let drafts = [
        of(1, "320100", Cover::ThirdParty),
        of(2, "110101", Cover::Compulsory), // no scheme of its own: the nation's
        of(3, "330100", Cover::ThirdParty),
        of(4, "330300", Cover::ThirdParty),
        of(5, "330300", Cover::Compulsory),
        of(6, "330201", Cover::Compulsory), // Ningbo is a region by itself
    ];
    let items = world.post(&drafts).await.unwrap();
    let cycle = |at: usize| items[at].cycle;
    assert_eq!(cycle(0), cycle(1));
    assert_eq!(cycle(0), cycle(5));
    assert_eq!(cycle(2), cycle(3));
    assert_ne!(cycle(2), cycle(4));
    assert_ne!(cycle(2), cycle(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn items_raced_against_closing_are_each_in_one_cycle_and_the_sums_agree() {
    const POSTERS: u128 = 8;
    const ROUNDS: u128 = 40;
    let world = Arc::new(World::new().await);
    let first = world.post(&[draft(0, 1, 2, 1)]).await.unwrap().remove(0).cycle;
    let (posting, closes) = (Arc::new(AtomicBool::new(true)), Arc::new(AtomicU64::new(0)));
    let closer = tokio::spawn({
        let (world, posting, closes) = (world.clone(), posting.clone(), closes.clone());
        async move {
            let (mut open, mut seen) = (first, HashMap::new());
            while posting.load(Ordering::Relaxed) {
                let close = Close { cycle: open, now: world.clock.now(), ids: &world.ids };
                let closed = world.test.db.run(Scope::of(HOUSE), &close).await.unwrap();
                // What it comes to the moment it is closed is what it comes to for ever.
                seen.insert(open, totals(&world, open).await);
                open = closed.next.unwrap().id;
                closes.fetch_add(1, Ordering::Relaxed);
            }
            seen
        }
    });
    let posters = (1..=POSTERS).map(|poster| {
        let world = world.clone();
        tokio::spawn(async move {
            for round in 0..ROUNDS {
                let number = poster * 1_000 + round * 2;
                let (payer, payee) = (poster % 4 + 1, (poster + round % 3 + 1) % 4 + 1);
                let drafts = [
                    draft(number, payer, payee, i64::try_from(number).unwrap()),
                    draft(number + 1, payee, payer, 17),
                ];
                let post = Post { drafts: &drafts, now: world.clock.now(), ids: &world.ids };
                world.test.db.run(Scope::of(HOUSE), &post).await.unwrap();
            }
        })
    });
    for poster in join_all(posters).await {
        poster.unwrap();
    }
    posting.store(false, Ordering::Relaxed);
    let seen = closer.await.unwrap();
    assert!(closes.load(Ordering::Relaxed) > 5, "the race was none");
    for (cycle, before) in &seen {
        assert_eq!(*before, totals(&world, *cycle).await, "an item came in after the close");
    }
    let (items, cycles): (i64, i64) =
        sqlx::query_as("select count(*), count(distinct cycle_id) from clearing.item")
            .fetch_one(&world.test.owner)
            .await
            .unwrap();
    assert_eq!(items, i64::try_from(1 + POSTERS * ROUNDS * 2).unwrap());
    assert!(cycles > 3, "all items are in {cycles} cycles");
    // Items, pairs and position accounts say the same.
    let off: i64 = sqlx::query_scalar(
        "select count(*) from (
             select cycle_id, payer, payee, cover, count(*) items, sum(amount_fen) amount
             from clearing.item group by 1, 2, 3, 4) said
         full join clearing.pair using (cycle_id, payer, payee, cover)
         where said.items is distinct from pair.items
            or said.amount is distinct from pair.amount_fen",
    )
    .fetch_one(&world.test.owner)
    .await
    .unwrap();
    assert_eq!(off, 0);
    let off: i64 = sqlx::query_scalar(
        "select count(*) from (
             select cycle_id, participant, sum(owed) owed, sum(due) due
             from (select cycle_id, payer participant, amount_fen owed, 0 due from clearing.item
                   union all
                   select cycle_id, payee, 0, amount_fen from clearing.item) sides
             group by 1, 2) said
         full join (select * from clearing.account where cycle_id is not null) account
             using (cycle_id, participant)
         where said.owed is distinct from account.debits_posted_fen
            or said.due is distinct from account.credits_posted_fen",
    )
    .fetch_one(&world.test.owner)
    .await
    .unwrap();
    assert_eq!(off, 0);
    assert_whole(&world.ledger).await;
}

/// Items of a cycle, their sum, and the debits of its positions.
async fn totals(world: &World, cycle: CycleId) -> (i64, i64, i64) {
    sqlx::query_as(
        "select count(*), coalesce(sum(amount_fen), 0)::bigint,
                (select coalesce(sum(debits_posted_fen), 0)::bigint from clearing.account
                 where cycle_id = $1)
         from clearing.item where cycle_id = $1",
    )
    .bind(cycle.0)
    .fetch_one(&world.test.owner)
    .await
    .unwrap()
}

#[tokio::test]
async fn a_participant_sees_its_own_items_alone() {
    let world = World::new().await;
    world.post(&[draft(1, 1, 2, 100), draft(2, 2, 3, 100)]).await.unwrap();
    let visible = async |tenant| {
        let mut tx = world.test.db.begin(Scope::of(tenant)).await.unwrap();
        let ids: Vec<Uuid> = (1..=2).map(|item| draft(item, 1, 2, 1).item_id).collect();
        let found = clearing::settlement::standing(&mut tx, &ids).await.unwrap();
        found.len()
    };
    assert_eq!(visible(world.picc.tenant).await, 1);
    assert_eq!(visible(world.paic.tenant).await, 2);
    assert_eq!(visible(world.operator.tenant).await, 0);
    assert_eq!(Fen(100), world.post(&[draft(1, 1, 2, 100)]).await.unwrap()[0].draft.amount);
}

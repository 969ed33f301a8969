//! The outbox on a real PostgreSQL.

#![expect(clippy::unwrap_used, reason = "what a test stands on fails by panicking")]

use events::{CloudEvent, Cursor, NewEvent};
use kernel::TenantId;
use pg::{Db, Scope, Tx};
use serde_json::{Value, json};
use uuid::Uuid;

const OURS: TenantId = TenantId(Uuid::from_u128(1));
const THEIRS: TenantId = TenantId(Uuid::from_u128(2));

async fn append(tx: &mut Tx, tenant: TenantId, names: &[u128]) {
    let data: Vec<Value> = names.iter().map(|name| json!({ "number": name.to_string() })).collect();
    let events: Vec<_> = names
        .iter()
        .zip(&data)
        .map(|(name, data)| NewEvent {
            slot: 3,
            event_id: Uuid::from_u128(*name),
            tenant,
            kind: "production.policy.confirmed",
            subject: "policy",
            occurred_at: testkit::start(),
            trace_id: "0af7651916cd43dd8448eb211c80319c",
            data,
        })
        .collect();
    events::append(tx, &events).await.unwrap();
}

/// Reads on from `cursor` to the end, `limit` events at a time.
async fn read(db: &Db, cursor: &mut Cursor, limit: u16) -> Vec<u128> {
    let mut tx = db.begin(Scope::of(OURS)).await.unwrap();
    let mut names = Vec::new();
    loop {
        let page = events::feed(&mut tx, OURS, *cursor, limit).await.unwrap();
        if page.events.is_empty() {
            assert_eq!(page.next, *cursor);
            return names;
        }
        *cursor = page.next;
        names.extend(page.events.iter().map(|event| event.event_id.as_u128()));
    }
}

#[tokio::test]
async fn a_feed_read_to_its_end_misses_nothing_whatever_the_order_of_commits() {
    let test = testkit::database(&[&events::MIGRATIONS]).await;
    let mut cursor = Cursor::START;
    let mut slow = test.db.begin(Scope::of(OURS)).await.unwrap();
    append(&mut slow, OURS, &[1, 2]).await;
    let mut quick = test.db.begin(Scope::of(OURS)).await.unwrap();
    append(&mut quick, OURS, &[3]).await;
    quick.commit().await.unwrap();
    // 3 is committed, but 1 and 2 may still come before it.
    assert_eq!(read(&test.db, &mut cursor, 10).await, []);
    slow.commit().await.unwrap();
    settle(&test.db, &mut cursor, &[1, 2, 3]).await;
    assert_eq!(read(&test.db, &mut cursor, 10).await, []);
}

/// Other tests work on the same cluster, and their open transactions hold the feed back for as
/// long as they last: reads until all of `expected` has come.
async fn settle(db: &Db, cursor: &mut Cursor, expected: &[u128]) {
    let mut seen = Vec::new();
    let patience = std::time::Duration::from_secs(60);
    let all = async {
        while seen.len() < expected.len() {
            seen.extend(read(db, cursor, 1).await);
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(patience, all).await.expect("the feed moves on");
    assert_eq!(seen, expected);
}

#[tokio::test]
async fn events_are_read_by_their_tenant_alone_and_only_when_committed() {
    let test = testkit::database(&[&events::MIGRATIONS]).await;
    let mut tx = test.db.begin(Scope::of_all([OURS, THEIRS])).await.unwrap();
    append(&mut tx, THEIRS, &[1]).await;
    append(&mut tx, OURS, &[2]).await;
    append(&mut tx, OURS, &[]).await;
    tx.commit().await.unwrap();
    let mut undone = test.db.begin(Scope::of(OURS)).await.unwrap();
    append(&mut undone, OURS, &[3]).await;
    undone.rollback().await.unwrap();
    let mut cursor = Cursor::START;
    settle(&test.db, &mut cursor, &[2]).await;

    let mut tx = test.db.begin(Scope::of(OURS)).await.unwrap();
    let page = events::feed(&mut tx, OURS, Cursor::START, 10).await.unwrap();
    let event = &page.events[0];
    assert_eq!((event.slot, &event.data), (3, &json!({ "number": "2" })));
    assert_eq!(event.occurred_at, testkit::start());
    CloudEvent::of(event, OURS, "https://platform.example").validate().unwrap();
    let theirs = events::feed(&mut tx, THEIRS, Cursor::START, 10).await.unwrap();
    assert!(theirs.events.is_empty());
}

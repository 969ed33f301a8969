//! Usage and quotas on a real PostgreSQL.

#![expect(clippy::unwrap_used, reason = "what a test stands on fails by panicking")]

use std::sync::Arc;

use jiff::civil::{Date, date};
use kernel::TenantId;
use metering::{CountKey, Usage, UsageOf};
use pg::{Db, Scope};
use uuid::Uuid;

const OURS: TenantId = TenantId(Uuid::from_u128(1));
const THEIRS: TenantId = TenantId(Uuid::from_u128(2));
const QUOTE: &str = "production.underwriting.quote";
const CONFIRM: &str = "production.underwriting.confirm";

fn key(tenant: TenantId, client: &str, day: Date) -> CountKey {
    CountKey { tenant, client: Arc::from(client), function_code: QUOTE, day }
}

#[tokio::test]
async fn usage_is_summed_by_day_in_china_and_function_for_its_own_tenant() {
    let test = testkit::database(&[&metering::MIGRATIONS]).await;
    let ids = testkit::ids();
    let usage = |tenant, function_code, at: &str, quantity| {
        let served_at = at.parse().unwrap();
        let call_id = ids.next(served_at);
        Usage { slot: 7, call_id, tenant, function_code, client: "c", served_at, quantity }
    };
    let served = [
        usage(OURS, QUOTE, "2025-02-28T23:59:59+08:00", 1),
        usage(OURS, QUOTE, "2025-03-01T00:00:00+08:00", 1),
        usage(OURS, QUOTE, "2025-03-01T23:59:59.999999+08:00", 3),
        usage(OURS, CONFIRM, "2025-03-01T12:00:00+08:00", 1),
        usage(OURS, QUOTE, "2025-03-02T00:00:00+08:00", 1),
        usage(THEIRS, QUOTE, "2025-03-01T12:00:00+08:00", 1),
    ];
    let mut tx = test.db.begin(Scope::of_all([OURS, THEIRS])).await.unwrap();
    metering::record(&mut tx, &served, &[]).await.unwrap();
    metering::record(&mut tx, &[], &[]).await.unwrap();
    tx.commit().await.unwrap();

    let day = date(2025, 3, 1);
    let mut tx = test.db.begin(Scope::of(OURS)).await.unwrap();
    let asked = UsageOf { tenant: OURS, from: day, to: day };
    let lines = metering::summary(&mut tx, asked).await.unwrap();
    let lines: Vec<_> = lines
        .iter()
        .map(|line| (line.day, line.function_code.as_str(), line.calls, line.quantity))
        .collect();
    assert_eq!(lines, [(day, CONFIRM, 1, 1), (day, QUOTE, 2, 4)]);
    let asked = UsageOf { tenant: THEIRS, from: day, to: day };
    assert!(metering::summary(&mut tx, asked).await.unwrap().is_empty());
    tx.rollback().await.unwrap();

    let mut tx = test.db.begin(Scope::of(THEIRS)).await.unwrap();
    assert!(metering::record(&mut tx, &served[..1], &[]).await.is_err(), "row security refuses");
}

#[tokio::test]
async fn counts_start_at_nothing_add_up_and_keep_users_and_days_apart() {
    let test = testkit::database(&[&metering::MIGRATIONS]).await;
    let today = date(2025, 3, 1);
    let keys = [
        key(OURS, "b", today),
        key(OURS, "a", today),
        key(OURS, "b", today),
        key(THEIRS, "a", today),
        key(OURS, "a", date(2025, 3, 2)),
    ];
    let scope = Scope::of_all([OURS, THEIRS]);
    let mut tx = test.db.begin(scope.clone()).await.unwrap();
    assert_eq!(metering::lock_counts(&mut tx, &keys).await.unwrap(), [0; 5]);
    let counts = [(keys[0].clone(), 2), (keys[1].clone(), 1), (keys[2].clone(), 3)];
    metering::record(&mut tx, &[], &counts).await.unwrap();
    tx.commit().await.unwrap();

    let mut tx = test.db.begin(scope.clone()).await.unwrap();
    // Also without a lock before it: a function without a quota may be counted all the same.
    metering::record(&mut tx, &[], &[(key(THEIRS, "z", today), 4)]).await.unwrap();
    metering::record(&mut tx, &[], &[]).await.unwrap();
    tx.commit().await.unwrap();

    let mut tx = test.db.begin(scope).await.unwrap();
    assert_eq!(metering::lock_counts(&mut tx, &keys).await.unwrap(), [5, 1, 5, 0, 0]);
    let theirs = metering::lock_counts(&mut tx, &[key(THEIRS, "z", today)]).await.unwrap();
    assert_eq!(theirs, [4]);
    assert!(metering::lock_counts(&mut tx, &[]).await.unwrap().is_empty());
}

/// Admits one call when the quota has room and counts it, as the recorder does.
async fn call_once(db: Db, keys: Vec<CountKey>, quota: u32) -> bool {
    let mut tx = db.begin(Scope::of(OURS)).await.unwrap();
    let used = metering::lock_counts(&mut tx, &keys).await.unwrap();
    if used.iter().any(|used| *used >= quota) {
        return false;
    }
    let counts: Vec<_> = keys.into_iter().map(|key| (key, 1)).collect();
    metering::record(&mut tx, &[], &counts).await.unwrap();
    tx.commit().await.unwrap();
    true
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_quota_is_never_overrun_and_opposite_orders_do_not_deadlock() {
    let test = testkit::database(&[&metering::MIGRATIONS]).await;
    let today = date(2025, 3, 1);
    let forth: Vec<_> = ["a", "b", "c"].map(|client| key(OURS, client, today)).into();
    let back: Vec<_> = forth.iter().rev().cloned().collect();
    let calls: Vec<_> = (0..40)
        .map(|at| {
            let keys = if at % 2 == 0 { forth.clone() } else { back.clone() };
            tokio::spawn(call_once(test.db.clone(), keys, 25))
        })
        .collect();
    let mut admitted = 0;
    for call in calls {
        admitted += usize::from(call.await.unwrap());
    }
    assert_eq!(admitted, 25);
    let mut tx = test.db.begin(Scope::of(OURS)).await.unwrap();
    assert_eq!(metering::lock_counts(&mut tx, &forth).await.unwrap(), [25; 3]);
}

//! The message log and who looked at what, on a real PostgreSQL.
#![expect(clippy::unwrap_used, reason = "what a test stands on fails by panicking")]

mod access;
mod world;

use evidence::Entry;
use kernel::TenantId;
use pg::Scope;
use uuid::Uuid;

const OURS: TenantId = TenantId(Uuid::from_u128(1));
const THEIRS: TenantId = TenantId(Uuid::from_u128(2));

fn entry(tenant: TenantId, call: u128, subject: &str) -> Entry<'_> {
    Entry {
        slot: 65_535,
        call_id: Uuid::from_u128(call),
        tenant,
        client: "picc-beijing-1",
        function_code: "production.underwriting.quote",
        purpose: "underwriting",
        subject,
        vehicle: None,
        insurer: Some("PICC"),
        shown: &[],
        request_digest: [1; 32],
        reply_digest: [2; 32],
        status: 200,
        served_at: testkit::start(),
        trace_id: "0af7651916cd43dd8448eb211c80319c",
    }
}

#[tokio::test]
async fn a_message_is_found_by_call_and_by_subject_for_its_own_tenant_alone() {
    let test = testkit::database(&[&evidence::MIGRATIONS]).await;
    let log = [
        entry(OURS, 1, "quote-1"),
        entry(OURS, 2, "quote-2"),
        entry(OURS, 3, "quote-1"),
        entry(THEIRS, 4, "quote-1"),
    ];
    let mut tx = test.db.begin(Scope::of_all([OURS, THEIRS])).await.unwrap();
    evidence::record(&mut tx, &log).await.unwrap();
    evidence::record(&mut tx, &[]).await.unwrap();
    tx.commit().await.unwrap();

    let mut tx = test.db.begin(Scope::of(OURS)).await.unwrap();
    let found = evidence::find(&mut tx, OURS, 65_535, log[0].call_id).await.unwrap().unwrap();
    assert_eq!((found.request_digest, found.reply_digest), ([1; 32], [2; 32]));
    assert_eq!((found.status, found.served_at), (200, testkit::start()));
    assert_eq!(found.client, "picc-beijing-1");
    assert_eq!(found.trace_id, "0af7651916cd43dd8448eb211c80319c");

    let about = (65_535, "quote-1");
    let first = evidence::of_subject(&mut tx, OURS, about, None, 1).await.unwrap();
    assert_eq!(first, [found]);
    let after = Some(first[0].call_id);
    let rest = evidence::of_subject(&mut tx, OURS, about, after, 10).await.unwrap();
    assert_eq!(rest.iter().map(|one| one.call_id.as_u128()).collect::<Vec<_>>(), [3]);

    assert_eq!(evidence::find(&mut tx, OURS, 65_535, log[3].call_id).await.unwrap(), None);
    // Even asked for as the other tenant: this transaction was not opened for it.
    assert_eq!(evidence::find(&mut tx, THEIRS, 65_535, log[3].call_id).await.unwrap(), None);
}

#[tokio::test]
async fn the_log_is_only_ever_added_to() {
    let test = testkit::database(&[&evidence::MIGRATIONS]).await;
    let mut tx = test.db.begin(Scope::of(OURS)).await.unwrap();
    evidence::record(&mut tx, &[entry(OURS, 1, "")]).await.unwrap();
    tx.commit().await.unwrap();
    for change in ["update evidence.message set purpose = 'other'", "delete from evidence.message"]
    {
        let mut tx = test.db.begin(Scope::of(OURS)).await.unwrap();
        let refused = sqlx::query(change).execute(tx.conn()).await.unwrap_err();
        assert_eq!(pg::failure::sqlstate(&refused).as_deref(), Some("42501"), "{change}");
    }
}

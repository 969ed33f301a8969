//! What members learn of settlement from the outbox.

use clearing::function;
use clearing::settlement::{DisputeBody, DisputedItem};
use kernel::TenantId;
use serde_json::{Value, json};

use super::market::{draft, worked_example};
use crate::support::participant;
use crate::world::{World, view};

impl World {
    /// Kind and data of everything a participant was told, in order; those of one
    /// transaction by kind. Read past the feed, which waits
    /// for the transactions of other tests in the cluster.
    async fn told(&self, tenant: TenantId) -> Vec<(String, Value)> {
        sqlx::query_as(
            "select type, data from events.outbox where tenant_id = $1
             order by written_by, type",
        )
        .bind(tenant.0)
        .fetch_all(&self.test.owner)
        .await
        .unwrap()
    }
}

fn kinds(told: &[(String, Value)]) -> Vec<&str> {
    told.iter().map(|(kind, _)| kind.strip_prefix("clearing.settlement.").unwrap()).collect()
}

#[tokio::test]
async fn each_member_is_told_what_concerns_it_from_statement_to_settlement() {
    let world = World::new().await;
    let cycle = world.stated(&worked_example()).await;
    let statement = world.statement(&world.picc, cycle).await;
    world.all_confirm(cycle).await;
    let owed = world.order(cycle, "PICC").await;
    world.moved(cycle, &owed, 440_000).await.unwrap();

    let picc = world.told(participant(1)).await;
    let expected = ["stated", "agreed", "funds_ordered", "funds_ended", "settled"];
    assert_eq!(kinds(&picc), expected);
    let (stated, ordered, ended) = (&picc[0].1, &picc[2].1, &picc[3].1);
    assert_eq!((&stated["digest"], &stated["net"]), (&statement["digest"], &json!("-4400.00")));
    assert_eq!((&stated["region"], &stated["number"]), (&json!("000000"), &json!(1)));
    assert_eq!((&picc[1].1["manner"], &picc[1].1["revision"]), (&json!("confirmed"), &json!(1)));
    assert_eq!((&ordered["orderId"], &ordered["amount"]), (&owed["orderId"], &json!("4400.00")));
    assert_eq!((&ended["orderId"], &ended["outcome"]), (&owed["orderId"], &json!("done")));

    let cpic = world.told(participant(3)).await;
    assert_eq!(kinds(&cpic), ["stated", "agreed", "funds_ordered", "settled"]);
    assert_eq!(cpic[2].1["direction"], "pay_out");
    assert_eq!(world.told(participant(4)).await, [], "not in the cycle");
}

#[tokio::test]
async fn both_sides_of_a_disputed_item_are_told_and_get_new_statements() {
    let world = World::new().await;
    let cycle = world.stated(&worked_example()).await;
    let item = draft(1, 1, 2, 1).item_id;
    let call = world.call(&world.picc, &function::ITEM_DISPUTE);
    let body = DisputeBody {
        items: Some(vec![DisputedItem {
            item_id: Some(item),
            reason: Some("amount".into()),
            note: Some("13,600 was agreed".into()),
        }]),
    };
    view(world.clearing.dispute_items(call, &cycle.to_string(), body).await).unwrap();
    for number in [1, 2] {
        let told = world.told(participant(number)).await;
        assert_eq!(kinds(&told), ["stated", "item_disputed", "stated"], "participant {number}");
        let disputed = &told[1].1;
        assert_eq!((&disputed["by"], &disputed["reason"]), (&json!("PICC"), &json!("amount")));
        assert_eq!((&disputed["amount"], &told[2].1["revision"]), (&json!("14600.00"), &json!(2)));
        assert_eq!(disputed.get("note"), None, "words of a person stay between the two");
    }
    assert_eq!(kinds(&world.told(participant(3)).await), ["stated"]);
    // Nothing that was not committed is told: a dispute that is refused tells nothing.
    let call = world.call(&world.picc, &function::ITEM_DISPUTE);
    let again = DisputeBody {
        items: Some(vec![DisputedItem {
            item_id: Some(item),
            reason: Some("amount".into()),
            note: None,
        }]),
    };
    let refused = world.clearing.dispute_items(call, &cycle.to_string(), again).await.unwrap_err();
    assert_eq!(refused.code.code, "E4205");
    assert_eq!(world.told(participant(1)).await.len(), 3);
    // Silence is agreement, and told as such.
    world.clock.advance(jiff::SignedDuration::from_hours(24 * 40));
    world.clearing.settle_due(kernel::Clock::now(&*world.clock)).await.unwrap();
    let told = world.told(participant(3)).await;
    assert_eq!((kinds(&told)[1], &told[1].1["manner"]), ("agreed", &json!("deemed")));
}

//! What members are told of settlement while it goes on.

use jiff::Timestamp;
use kernel::{Ids, TenantId};
use pg::Tx;
use serde_json::{Value, json};

use super::cycle::Cycle;
use super::departure::Dispute;
use super::funds::{FundsOrder, Remedy};
use super::item::{Item, Origin};
use super::statement::Statement;
use crate::error::ClearingError;
use crate::outbox::{Fact, tell};

/// Each participant's statement, new or in a new revision.
pub(super) async fn stated(
    tx: &mut Tx,
    cycle: &Cycle,
    statements: &[Statement],
    now: Timestamp,
    ids: &Ids,
) -> Result<(), ClearingError> {
    let facts = statements.iter().map(|statement| {
        let data = json!({
            "revision": statement.revision,
            "net": statement.net,
            "digest": statement.digest_hex(),
            "confirmBy": cycle.confirm_by(statement.sent_at),
        });
        fact(cycle, statement.participant, "clearing.settlement.stated", data)
    });
    tell(tx, cycle.id.0, &facts.collect::<Vec<_>>(), now, ids).await
}

/// Who agreed to which revision, and whether by word, by silence or by rule.
pub(super) async fn agreed(
    tx: &mut Tx,
    cycle: &Cycle,
    who: &[(TenantId, i32)],
    manner: &'static str,
    now: Timestamp,
    ids: &Ids,
) -> Result<(), ClearingError> {
    let facts = who.iter().map(|(participant, revision)| {
        let data = json!({ "revision": revision, "manner": manner });
        fact(cycle, *participant, "clearing.settlement.agreed", data)
    });
    tell(tx, cycle.id.0, &facts.collect::<Vec<_>>(), now, ids).await
}

/// Items that left because one side does not agree; both sides are told who and why.
pub(super) async fn disputed(
    tx: &mut Tx,
    cycle: &Cycle,
    participant: TenantId,
    (items, disputes): (&[Item], &[Dispute]),
    now: Timestamp,
    ids: &Ids,
) -> Result<(), ClearingError> {
    let facts = items.iter().flat_map(|item| {
        let dispute = disputes.iter().find(|dispute| dispute.item == item.draft.item_id);
        let draft = &item.draft;
        let by =
            if draft.payer == participant { &draft.payer_insurer } else { &draft.payee_insurer };
        let mut data = of_item(item);
        data["by"] = json!(by);
        data["reason"] = json!(dispute.map(|dispute| dispute.reason.code()));
        to_both("clearing.settlement.item_disputed", item, data)
    });
    tell(tx, cycle.id.0, &facts.collect::<Vec<_>>(), now, ids).await
}

/// An item that came back into a cycle, or takes another one back.
pub(super) async fn reposted(
    tx: &mut Tx,
    kind: &'static str,
    item: &Item,
    now: Timestamp,
    ids: &Ids,
) -> Result<(), ClearingError> {
    tell(tx, item.cycle.0, &to_both(kind, item, of_item(item)), now, ids).await
}

/// Money that was ordered.
pub(super) async fn funds_ordered(
    tx: &mut Tx,
    cycle: &Cycle,
    orders: &[FundsOrder],
    now: Timestamp,
    ids: &Ids,
) -> Result<(), ClearingError> {
    let facts = orders.iter().map(|order| {
        let data = json!({
            "orderId": order.order_id,
            "direction": order.direction.code(),
            "amount": order.amount,
            "dueAt": order.due_at,
        });
        fact(cycle, order.participant, "clearing.settlement.funds_ordered", data)
    });
    tell(tx, cycle.id.0, &facts.collect::<Vec<_>>(), now, ids).await
}

/// An order of money that ended, and how.
pub(super) async fn funds_ended(
    tx: &mut Tx,
    cycle: &Cycle,
    order: &FundsOrder,
    now: Timestamp,
    ids: &Ids,
) -> Result<(), ClearingError> {
    let data = json!({
        "orderId": order.order_id,
        "direction": order.direction.code(),
        "amount": order.amount,
        "outcome": order.outcome.map(|outcome| outcome.code()),
    });
    let fact = fact(cycle, order.participant, "clearing.settlement.funds_ended", data);
    tell(tx, cycle.id.0, &[fact], now, ids).await
}

/// Every position of a cycle is zero.
pub(super) async fn settled(
    tx: &mut Tx,
    cycle: &Cycle,
    participants: impl IntoIterator<Item = TenantId>,
    now: Timestamp,
    ids: &Ids,
) -> Result<(), ClearingError> {
    let told = |participant| fact(cycle, participant, "clearing.settlement.settled", json!({}));
    let facts: Vec<Fact> = participants.into_iter().map(told).collect();
    tell(tx, cycle.id.0, &facts, now, ids).await
}

/// A participant did not pay.
pub(super) async fn failed(
    tx: &mut Tx,
    cycle: &Cycle,
    participant: TenantId,
    remedy: Remedy,
    now: Timestamp,
    ids: &Ids,
) -> Result<(), ClearingError> {
    let data = json!({ "remedy": remedy.code() });
    let fact = fact(cycle, participant, "clearing.settlement.failed", data);
    tell(tx, cycle.id.0, &[fact], now, ids).await
}

/// A fact about a cycle.
fn fact(cycle: &Cycle, to: TenantId, kind: &'static str, mut data: Value) -> Fact {
    data["region"] = json!(cycle.region);
    data["cover"] = json!(cycle.cover);
    data["number"] = json!(cycle.number);
    Fact { to, kind, slot: 0, subject: cycle.id.to_string(), data }
}

fn of_item(item: &Item) -> Value {
    let draft = &item.draft;
    json!({
        "cycleId": item.cycle.0,
        "kind": draft.kind.code(),
        "reference": draft.reference,
        "payer": draft.payer_insurer,
        "payee": draft.payee_insurer,
        "amount": draft.amount,
        "origin": match item.origin {
            Origin::New => None,
            Origin::Reverses(of) | Origin::Again(of) => Some(of),
        },
    })
}

fn to_both(kind: &'static str, item: &Item, data: Value) -> [Fact; 2] {
    let fact = |to| {
        let subject = item.draft.item_id.to_string();
        Fact { to, kind, slot: 0, subject, data: data.clone() }
    };
    [item.draft.payer, item.draft.payee].map(fact)
}

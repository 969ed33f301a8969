//! Facts for members, written in the transaction that makes them true.
//!
//! A fact goes to whom it concerns, whoever called: what the clock or the bank did is told like what
//! a member did. No personal data, no account numbers.

use events::{EventsError, NewEvent};
use jiff::Timestamp;
use kernel::{Ids, TenantId};
use pg::Tx;
use serde_json::Value;
use uuid::Uuid;

use crate::error::ClearingError;

/// A fact and whom it is told.
#[derive(Clone, Debug)]
pub(crate) struct Fact {
    /// Who reads it.
    pub to: TenantId,
    /// What happened, for example `clearing.settlement.stated`.
    pub kind: &'static str,
    /// What it is about: a cycle, an item, an order.
    pub subject: Uuid,
    /// The facts.
    pub data: Value,
}

/// Tells `facts`; the transaction works for their readers too from then on. All of one cycle, or
/// one order, share a journey: its id.
pub(crate) async fn tell(
    tx: &mut Tx,
    journey: Uuid,
    facts: &[Fact],
    now: Timestamp,
    ids: &Ids,
) -> Result<(), ClearingError> {
    if facts.is_empty() {
        return Ok(());
    }
    tx.work_also_for(facts.iter().map(|fact| fact.to)).await?;
    let trace_id = journey.simple().to_string();
    let subjects: Vec<String> = facts.iter().map(|fact| fact.subject.to_string()).collect();
    let told = facts.iter().zip(&subjects).map(|(fact, subject)| NewEvent {
        slot: 0,
        event_id: ids.next(now),
        tenant: fact.to,
        kind: fact.kind,
        subject,
        occurred_at: now,
        trace_id: &trace_id,
        data: &fact.data,
    });
    events::append(tx, &told.collect::<Vec<_>>()).await.map_err(|error| match error {
        EventsError::Store(error) => ClearingError::from(error),
        EventsError::Corrupt => ClearingError::Corrupt("event"),
    })
}

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
    /// Slot of the vehicle chain it is about; 0 of what lies on none.
    pub slot: u16,
    /// What it is about: a cycle, an item, an order, a recovery code.
    pub subject: String,
    /// The facts.
    pub data: Value,
}

/// Tells `facts`; the transaction works for their readers too from then on. All of one cycle, one
/// order or one recovery code share a journey: its id, or one made from it.
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
    let told = facts.iter().map(|fact| NewEvent {
        slot: fact.slot,
        event_id: ids.next(now),
        tenant: fact.to,
        kind: fact.kind,
        subject: &fact.subject,
        occurred_at: now,
        trace_id: &trace_id,
        data: &fact.data,
    });
    events::append(tx, &told.collect::<Vec<_>>()).await.map_err(|error| match error {
        EventsError::Store(error) => ClearingError::from(error),
        EventsError::Corrupt => ClearingError::Corrupt("event"),
    })
}

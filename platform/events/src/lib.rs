//! The outbox: facts written with the work they tell of, read in order by whoever must know.
//!
//! Always true here: an event exists if and only if its work was committed; a feed read to its end
//! and read on from its cursor has missed nothing, whatever order transactions committed in; an
//! event's data carries no personal data. Delivery to webhooks and meshes is a later story and
//! stands on the same feed.

mod envelope;
mod store;

pub use envelope::{CloudEvent, EnvelopeError};
pub use store::{Columns, Cursor, CursorError, Page, append, feed};

/// This crate's schema, run by `pg::migrate`.
pub static MIGRATIONS: sqlx::migrate::Migrator = sqlx::migrate!();

use jiff::Timestamp;
use kernel::TenantId;
use uuid::Uuid;

/// A fact on its way into the outbox.
#[derive(Clone, Debug)]
pub struct NewEvent<'a> {
    /// Slot of the vehicle chain it is about.
    pub slot: u16,
    /// Names the event; a version 7 UUID.
    pub event_id: Uuid,
    /// Who may read it.
    pub tenant: TenantId,
    /// What happened, for example `production.policy.confirmed`.
    pub kind: &'a str,
    /// What it is about, for example a confirm code.
    pub subject: &'a str,
    /// When it was true.
    pub occurred_at: Timestamp,
    /// The journey of the call that did it; 32 hexadecimal digits.
    pub trace_id: &'a str,
    /// The facts, without personal data.
    pub data: &'a serde_json::Value,
}

/// A fact read from the outbox.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// Slot of the vehicle chain it is about.
    pub slot: u16,
    /// Names the event.
    pub event_id: Uuid,
    /// What happened.
    pub kind: String,
    /// What it is about.
    pub subject: String,
    /// When it was true.
    pub occurred_at: Timestamp,
    /// The journey of the call that did it.
    pub trace_id: String,
    /// The facts.
    pub data: serde_json::Value,
}

/// Why the outbox failed.
#[derive(Debug, thiserror::Error)]
pub enum EventsError {
    /// What is stored is in no known form.
    #[error("stored event is in no known form")]
    Corrupt,
    /// The database failed.
    #[error("events store failed")]
    Store(#[from] sqlx::Error),
}

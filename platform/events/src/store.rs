//! SQL of the schema `events`.

use std::fmt;
use std::str::FromStr;

use jiff_sqlx::ToSqlx;
use kernel::TenantId;
use pg::Tx;
use uuid::Uuid;

use crate::{Event, EventsError, NewEvent};

/// Events as the arrays `events.append` takes, in its order.
#[derive(Debug)]
pub struct Columns<'a> {
    /// Slots of the vehicle chain.
    pub slots: Vec<i32>,
    /// Names of the events.
    pub names: Vec<Uuid>,
    /// Who may read them.
    pub tenants: Vec<Uuid>,
    /// What happened.
    pub kinds: Vec<&'a str>,
    /// What they are about.
    pub subjects: Vec<&'a str>,
    /// When they were true.
    pub occurred_at: Vec<jiff_sqlx::Timestamp>,
    /// The journeys of the calls.
    pub traces: Vec<&'a str>,
    /// The facts, JSON as text: an array of json would be sent as text anyway, with a copy of each
    /// value first.
    pub data: Vec<String>,
}

impl<'a> Columns<'a> {
    /// The columns of a set of events.
    pub fn of(events: &'a [NewEvent<'a>]) -> Columns<'a> {
        Columns {
            slots: events.iter().map(|event| i32::from(event.slot)).collect(),
            names: events.iter().map(|event| event.event_id).collect(),
            tenants: events.iter().map(|event| event.tenant.0).collect(),
            kinds: events.iter().map(|event| event.kind).collect(),
            subjects: events.iter().map(|event| event.subject).collect(),
            occurred_at: events.iter().map(|event| event.occurred_at.to_sqlx()).collect(),
            traces: events.iter().map(|event| event.trace_id).collect(),
            data: events.iter().map(|event| event.data.to_string()).collect(),
        }
    }
}

/// Writes a set of events in one statement, in the transaction that makes them true.
pub async fn append(tx: &mut Tx, events: &[NewEvent<'_>]) -> Result<(), EventsError> {
    let columns = Columns::of(events);
    sqlx::query!(
        "select events.append($1, $2, $3, $4, $5, $6, $7, $8)",
        &columns.slots,
        &columns.names,
        &columns.tenants,
        &columns.kinds as _,
        &columns.subjects as _,
        &columns.occurred_at as _,
        &columns.traces as _,
        &columns.data
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// How far a reader has read: the transaction and the event last seen. Opaque to readers; its text
/// is `<transaction>-<event>`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor {
    written_by: u64,
    event_id: Uuid,
}

/// Not a cursor a feed gave out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this is no cursor of the event feed")]
pub struct CursorError;

impl Cursor {
    /// Before the first event.
    pub const START: Cursor = Cursor { written_by: 0, event_id: Uuid::nil() };
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.written_by, self.event_id.as_simple())
    }
}

impl FromStr for Cursor {
    type Err = CursorError;

    fn from_str(text: &str) -> Result<Cursor, CursorError> {
        let (written_by, event_id) = text.split_once('-').ok_or(CursorError)?;
        Ok(Cursor {
            written_by: written_by.parse().map_err(|_| CursorError)?,
            event_id: Uuid::try_parse(event_id).map_err(|_| CursorError)?,
        })
    }
}

/// Events in the order of the feed and where to read on.
#[derive(Clone, Debug, PartialEq)]
pub struct Page {
    /// The events, oldest first.
    pub events: Vec<Event>,
    /// Where to read on: the same as before when nothing is new.
    pub next: Cursor,
}

/// Up to `limit` of a tenant's events after `after`.
///
/// Stops before the oldest transaction that is still open anywhere in the cluster, so an event
/// becomes readable a moment after its commit and nothing is ever written behind a cursor.
pub async fn feed(
    tx: &mut Tx,
    tenant: TenantId,
    after: Cursor,
    limit: u16,
) -> Result<Page, EventsError> {
    let rows = sqlx::query!(
        r#"select slot, event_id, type as kind, subject, occurred_at, trace_id,
                  data as "data: serde_json::Value", written_by::text as "written_by!"
           from events.outbox
           where tenant_id = $1
             and ($2::text::xid8, $3::uuid) < (written_by, event_id)
             and written_by < pg_snapshot_xmin(pg_current_snapshot())
           order by tenant_id, outbox.written_by, event_id
           limit $4"#,
        tenant.0,
        after.written_by.to_string(),
        after.event_id,
        i64::from(limit)
    );
    let mut page = Page { events: Vec::new(), next: after };
    for row in rows.fetch_all(tx.conn()).await? {
        page.next = Cursor {
            written_by: row.written_by.parse().map_err(|_| EventsError::Corrupt)?,
            event_id: row.event_id,
        };
        page.events.push(Event {
            slot: u16::try_from(row.slot).map_err(|_| EventsError::Corrupt)?,
            event_id: row.event_id,
            kind: row.kind,
            subject: row.subject,
            occurred_at: row.occurred_at.to_jiff(),
            trace_id: row.trace_id,
            data: row.data,
        });
    }
    Ok(page)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_read_back_as_it_was_given_out() {
        let cursor = Cursor { written_by: u64::MAX, event_id: Uuid::from_u128(7) };
        assert_eq!(cursor.to_string().parse(), Ok(cursor));
        assert_eq!(Cursor::START.to_string().parse(), Ok(Cursor::START));
        for text in ["", "-", "1", "1-", "x-00000000000000000000000000000000", "-1-0"] {
            assert_eq!(text.parse::<Cursor>(), Err(CursorError), "{text:?}");
        }
    }
}

//! SQL of the schema `evidence`.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use kernel::TenantId;
use pg::Tx;
use uuid::Uuid;

use crate::{Entry, EvidenceError, Message};

/// Served messages as the arrays `evidence.log` takes, in its order.
#[derive(Debug)]
pub struct Columns<'a> {
    /// Slots of the vehicle chain.
    pub slots: Vec<i32>,
    /// Names of the calls.
    pub calls: Vec<Uuid>,
    /// Who asked.
    pub tenants: Vec<Uuid>,
    /// Through which clients.
    pub clients: Vec<&'a str>,
    /// Three-level function codes.
    pub functions: Vec<&'a str>,
    /// What for.
    pub purposes: Vec<&'a str>,
    /// Platform numbers or digests of frame numbers.
    pub subjects: Vec<&'a str>,
    /// Digests of vehicles whose whole history was shown.
    pub vehicles: Vec<Option<Uuid>>,
    /// SHA-256 of the requests.
    pub requests: Vec<&'a [u8]>,
    /// SHA-256 of the replies.
    pub replies: Vec<&'a [u8]>,
    /// HTTP statuses.
    pub statuses: Vec<i16>,
    /// When they were served.
    pub served_at: Vec<jiff_sqlx::Timestamp>,
    /// The journeys they were part of.
    pub traces: Vec<&'a str>,
}

impl<'a> Columns<'a> {
    /// The columns of a set of messages.
    pub fn of(served: &'a [Entry<'a>]) -> Columns<'a> {
        Columns {
            slots: served.iter().map(|entry| i32::from(entry.slot)).collect(),
            calls: served.iter().map(|entry| entry.call_id).collect(),
            tenants: served.iter().map(|entry| entry.tenant.0).collect(),
            clients: served.iter().map(|entry| entry.client).collect(),
            functions: served.iter().map(|entry| entry.function_code).collect(),
            purposes: served.iter().map(|entry| entry.purpose).collect(),
            subjects: served.iter().map(|entry| entry.subject).collect(),
            vehicles: served.iter().map(|entry| entry.vehicle.map(Uuid::from_bytes)).collect(),
            requests: served.iter().map(|entry| &entry.request_digest[..]).collect(),
            replies: served.iter().map(|entry| &entry.reply_digest[..]).collect(),
            statuses: served
                .iter()
                .map(|entry| i16::try_from(entry.status).unwrap_or(i16::MAX))
                .collect(),
            served_at: served.iter().map(|entry| entry.served_at.to_sqlx()).collect(),
            traces: served.iter().map(|entry| entry.trace_id).collect(),
        }
    }
}

/// Logs a set of served messages in one statement, and what they showed of other insurers in a
/// second one where they showed anything.
pub async fn record(tx: &mut Tx, served: &[Entry<'_>]) -> Result<(), EvidenceError> {
    let columns = Columns::of(served);
    sqlx::query!(
        "select evidence.log($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)",
        &columns.slots,
        &columns.calls,
        &columns.tenants,
        &columns.clients as _,
        &columns.functions as _,
        &columns.purposes as _,
        &columns.subjects as _,
        &columns.vehicles as _,
        &columns.requests as _,
        &columns.replies as _,
        &columns.statuses,
        &columns.served_at as _,
        &columns.traces as _
    )
    .execute(tx.conn())
    .await?;
    record_shown(tx, served).await
}

/// What an access row stands for: owner, region, and the vehicle by slot and digest.
type Looked<'a> = (&'a str, &'a str, u16, Option<[u8; 16]>);

/// Logs the records of other insurers that a set of messages showed, where they showed any: part of
/// [`record`], for those who log the messages themselves with `evidence.log`.
pub async fn record_shown(tx: &mut Tx, served: &[Entry<'_>]) -> Result<(), EvidenceError> {
    let (mut slots, mut calls, mut ordinals) = (Vec::new(), Vec::new(), Vec::new());
    let (mut owners, mut regions, mut vehicles) = (Vec::new(), Vec::new(), Vec::new());
    let (mut tenants, mut clients, mut functions) = (Vec::new(), Vec::new(), Vec::new());
    let (mut purposes, mut served_at, mut traces) = (Vec::new(), Vec::new(), Vec::new());
    // An array of arrays must be rectangular, so each row's subjects travel as one text.
    let mut subjects: Vec<String> = Vec::new();
    for entry in served {
        for (ordinal, ((owner, region, slot, vehicle), shown)) in looked(entry).iter().enumerate() {
            slots.push(i32::from(*slot));
            calls.push(entry.call_id);
            ordinals.push(i16::try_from(ordinal).unwrap_or(i16::MAX));
            owners.push(*owner);
            regions.push(*region);
            vehicles.push(vehicle.map(Uuid::from_bytes));
            subjects.push(shown.join(" "));
            tenants.push(entry.tenant.0);
            clients.push(entry.client);
            functions.push(entry.function_code);
            purposes.push(entry.purpose);
            served_at.push(entry.served_at.to_sqlx());
            traces.push(entry.trace_id);
        }
    }
    if slots.is_empty() {
        return Ok(());
    }
    sqlx::query!(
        "insert into evidence.access
             (slot, call_id, ordinal, owner, region, vehicle, subjects, tenant_id, client,
              function_code, purpose, served_at, trace_id)
         select slot, call_id, ordinal, owner, region, vehicle, string_to_array(subjects, ' '),
                tenant_id, client, function_code, purpose, served_at, trace_id
         from unnest(
             $1::int[], $2::uuid[], $3::int2[], $4::text[], $5::text[], $6::uuid[], $7::text[],
             $8::uuid[], $9::text[], $10::text[], $11::text[], $12::timestamptz[], $13::text[]
         ) as shown (slot, call_id, ordinal, owner, region, vehicle, subjects, tenant_id, client,
                     function_code, purpose, served_at, trace_id)",
        &slots,
        &calls,
        &ordinals,
        &owners as _,
        &regions as _,
        &vehicles as _,
        &subjects,
        &tenants,
        &clients as _,
        &functions as _,
        &purposes as _,
        &served_at as _,
        &traces as _
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// The platform numbers a message showed, by whose they are; without the caller's own.
fn looked<'a>(entry: &Entry<'a>) -> BTreeMap<Looked<'a>, Vec<&'a str>> {
    let mut looked: BTreeMap<Looked<'a>, Vec<&'a str>> = BTreeMap::new();
    for shown in entry.shown.iter().filter(|shown| entry.insurer != Some(&shown.owner)) {
        let key = (shown.owner.as_str(), shown.region.as_str(), shown.slot, shown.vehicle);
        let subjects = looked.entry(key).or_default();
        if !subjects.contains(&shown.subject.as_str()) {
            subjects.push(&shown.subject);
        }
    }
    looked
}

struct MessageRow {
    slot: i32,
    call_id: Uuid,
    client: String,
    function_code: String,
    purpose: String,
    subject: String,
    vehicle: Option<Uuid>,
    request_digest: Vec<u8>,
    reply_digest: Vec<u8>,
    status: i16,
    served_at: jiff_sqlx::Timestamp,
    trace_id: String,
}

impl TryFrom<MessageRow> for Message {
    type Error = EvidenceError;

    fn try_from(row: MessageRow) -> Result<Message, EvidenceError> {
        let digest = |bytes: Vec<u8>| bytes.try_into().map_err(|_| EvidenceError::Corrupt);
        Ok(Message {
            slot: u16::try_from(row.slot).map_err(|_| EvidenceError::Corrupt)?,
            call_id: row.call_id,
            client: row.client,
            function_code: row.function_code,
            purpose: row.purpose,
            subject: row.subject,
            vehicle: row.vehicle.map(Uuid::into_bytes),
            request_digest: digest(row.request_digest)?,
            reply_digest: digest(row.reply_digest)?,
            status: u16::try_from(row.status).map_err(|_| EvidenceError::Corrupt)?,
            served_at: row.served_at.to_jiff(),
            trace_id: row.trace_id,
        })
    }
}

/// One call's message; `None` when there is none or it is another tenant's.
pub async fn find(
    tx: &mut Tx,
    tenant: TenantId,
    slot: u16,
    call_id: Uuid,
) -> Result<Option<Message>, EvidenceError> {
    let row = sqlx::query_as!(
        MessageRow,
        "select slot, call_id, client, function_code, purpose, subject, vehicle,
                request_digest, reply_digest, status, served_at, trace_id
         from evidence.message
         where slot = $1 and call_id = $2 and tenant_id = $3",
        i32::from(slot),
        call_id,
        tenant.0
    );
    row.fetch_optional(tx.conn()).await?.map(Message::try_from).transpose()
}

/// Up to `limit` of a tenant's messages about a subject, oldest first, after the call `after` when
/// given. Call identifiers are ordered by time.
pub async fn of_subject(
    tx: &mut Tx,
    tenant: TenantId,
    (slot, subject): (u16, &str),
    after: Option<Uuid>,
    limit: u16,
) -> Result<Vec<Message>, EvidenceError> {
    let rows = sqlx::query_as!(
        MessageRow,
        "select slot, call_id, client, function_code, purpose, subject, vehicle,
                request_digest, reply_digest, status, served_at, trace_id
         from evidence.message
         where slot = $1 and $2 < call_id and tenant_id = $3 and subject = $4
         order by call_id
         limit $5",
        i32::from(slot),
        after.unwrap_or_else(Uuid::nil),
        tenant.0,
        subject,
        i64::from(limit)
    );
    rows.fetch_all(tx.conn()).await?.into_iter().map(Message::try_from).collect()
}

/// A row that names records shown.
#[derive(Clone, Debug)]
pub(crate) struct Access {
    pub(crate) call_id: Uuid,
    pub(crate) ordinal: i16,
    pub(crate) owner: String,
    pub(crate) subjects: Vec<String>,
    pub(crate) tenant: TenantId,
    pub(crate) client: String,
    pub(crate) function_code: String,
    pub(crate) purpose: String,
    pub(crate) served_at: Timestamp,
    pub(crate) trace_id: String,
}

/// A message whose answer rests on all that is recorded of a vehicle.
#[derive(Clone, Debug)]
pub(crate) struct Look {
    pub(crate) call_id: Uuid,
    pub(crate) tenant: TenantId,
    pub(crate) client: String,
    pub(crate) function_code: String,
    pub(crate) purpose: String,
    pub(crate) subject: String,
    pub(crate) served_at: Timestamp,
    pub(crate) trace_id: String,
}

/// Which looks; what is `None` holds for every one.
#[derive(Clone, Debug, Default)]
pub(crate) struct AccessFilter {
    /// Whose records.
    pub(crate) owner: Option<String>,
    /// Region of the records.
    pub(crate) region: Option<String>,
    /// Slot and digest of the vehicle.
    pub(crate) vehicle: Option<(u16, [u8; 16])>,
    /// Who looked.
    pub(crate) looker: Option<TenantId>,
    /// Function code.
    pub(crate) function: Option<String>,
    /// Served at or after.
    pub(crate) from: Option<Timestamp>,
    /// Served before.
    pub(crate) to: Option<Timestamp>,
    /// No call before this one can have been served at `from`.
    pub(crate) from_call: Option<Uuid>,
    /// The call and ordinal the page follows.
    pub(crate) before: Option<(Uuid, i16)>,
}

/// Up to `most` rows that name records shown, by call and ordinal, latest first.
pub(crate) async fn accesses(
    tx: &mut Tx,
    filter: &AccessFilter,
    most: i64,
) -> Result<Vec<Access>, EvidenceError> {
    let rows = sqlx::query!(
        r#"select call_id as "call_id!", ordinal as "ordinal!", owner as "owner!",
                  subjects as "subjects!", tenant_id as "tenant_id!", client as "client!",
                  function_code as "function_code!", purpose as "purpose!",
                  served_at as "served_at!", trace_id as "trace_id!"
           from evidence.accesses($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)"#,
        filter.owner.as_deref(),
        filter.region.as_deref(),
        filter.vehicle.map(|(slot, _)| i32::from(slot)),
        filter.vehicle.map(|(_, digest)| Uuid::from_bytes(digest)),
        filter.looker.map(|looker| looker.0),
        filter.function.as_deref(),
        filter.from.map(ToSqlx::to_sqlx) as _,
        filter.to.map(ToSqlx::to_sqlx) as _,
        filter.from_call,
        filter.before.map(|(call_id, _)| call_id),
        filter.before.map(|(_, ordinal)| ordinal),
        i32::try_from(most).unwrap_or(i32::MAX)
    );
    let rows = rows.fetch_all(tx.conn()).await?.into_iter().map(|row| Access {
        call_id: row.call_id,
        ordinal: row.ordinal,
        owner: row.owner,
        subjects: row.subjects,
        tenant: TenantId(row.tenant_id),
        client: row.client,
        function_code: row.function_code,
        purpose: row.purpose,
        served_at: row.served_at.to_jiff(),
        trace_id: row.trace_id,
    });
    Ok(rows.collect())
}

/// Up to `most` messages of others than `viewer` whose answer rests on the filter's vehicle, latest
/// first. Whose records it shows is not known here; `owner` and `region` are not looked at.
pub(crate) async fn looks(
    tx: &mut Tx,
    filter: &AccessFilter,
    viewer: TenantId,
    most: i64,
) -> Result<Vec<Look>, EvidenceError> {
    let rows = sqlx::query!(
        r#"select call_id as "call_id!", tenant_id as "tenant_id!", client as "client!",
                  function_code as "function_code!", purpose as "purpose!", subject as "subject!",
                  served_at as "served_at!", trace_id as "trace_id!"
           from evidence.looks($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)"#,
        filter.vehicle.map(|(slot, _)| i32::from(slot)),
        filter.vehicle.map(|(_, digest)| Uuid::from_bytes(digest)),
        viewer.0,
        filter.looker.map(|looker| looker.0),
        filter.function.as_deref(),
        filter.from.map(ToSqlx::to_sqlx) as _,
        filter.to.map(ToSqlx::to_sqlx) as _,
        filter.from_call,
        filter.before.map(|(call_id, _)| call_id),
        i32::try_from(most).unwrap_or(i32::MAX)
    );
    let rows = rows.fetch_all(tx.conn()).await?.into_iter().map(|row| Look {
        call_id: row.call_id,
        tenant: TenantId(row.tenant_id),
        client: row.client,
        function_code: row.function_code,
        purpose: row.purpose,
        subject: row.subject,
        served_at: row.served_at.to_jiff(),
        trace_id: row.trace_id,
    });
    Ok(rows.collect())
}

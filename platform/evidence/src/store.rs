//! SQL of the schema `evidence`.

use jiff_sqlx::ToSqlx;
use kernel::TenantId;
use pg::Tx;
use uuid::Uuid;

use crate::{Entry, EvidenceError, Message};

/// Logs a set of served messages in one statement.
pub async fn record(tx: &mut Tx, served: &[Entry<'_>]) -> Result<(), EvidenceError> {
    let slots: Vec<i32> = served.iter().map(|entry| i32::from(entry.slot)).collect();
    let calls: Vec<_> = served.iter().map(|entry| entry.call_id).collect();
    let tenants: Vec<_> = served.iter().map(|entry| entry.tenant.0).collect();
    let clients: Vec<&str> = served.iter().map(|entry| entry.client).collect();
    let functions: Vec<&str> = served.iter().map(|entry| entry.function_code).collect();
    let purposes: Vec<&str> = served.iter().map(|entry| entry.purpose).collect();
    let subjects: Vec<&str> = served.iter().map(|entry| entry.subject).collect();
    let requests: Vec<&[u8]> = served.iter().map(|entry| &entry.request_digest[..]).collect();
    let replies: Vec<&[u8]> = served.iter().map(|entry| &entry.reply_digest[..]).collect();
    let statuses: Vec<i16> =
        served.iter().map(|entry| i16::try_from(entry.status).unwrap_or(i16::MAX)).collect();
    let served_at: Vec<_> = served.iter().map(|entry| entry.served_at.to_sqlx()).collect();
    let traces: Vec<&str> = served.iter().map(|entry| entry.trace_id).collect();
    sqlx::query!(
        "insert into evidence.message
             (slot, call_id, tenant_id, client, function_code, purpose, subject, request_digest,
              reply_digest, status, served_at, trace_id)
         select unnest($1::int[]), unnest($2::uuid[]), unnest($3::uuid[]), unnest($4::text[]),
                unnest($5::text[]), unnest($6::text[]), unnest($7::text[]), unnest($8::bytea[]),
                unnest($9::bytea[]), unnest($10::int2[]), unnest($11::timestamptz[]),
                unnest($12::text[])",
        &slots,
        &calls,
        &tenants,
        &clients as _,
        &functions as _,
        &purposes as _,
        &subjects as _,
        &requests as _,
        &replies as _,
        &statuses,
        &served_at as _,
        &traces as _
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

struct MessageRow {
    slot: i32,
    call_id: Uuid,
    client: String,
    function_code: String,
    purpose: String,
    subject: String,
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
        "select slot, call_id, client, function_code, purpose, subject, request_digest,
                reply_digest, status, served_at, trace_id
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
        "select slot, call_id, client, function_code, purpose, subject, request_digest,
                reply_digest, status, served_at, trace_id
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

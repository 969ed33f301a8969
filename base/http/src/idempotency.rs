//! Answers given once and repeated on demand.
//!
//! A key belongs to one client of one tenant. Repeated with the same message it returns the
//! stored answer; with another message 422; while the first call is under way 409. The key row
//! commits with the work, and an advisory lock of the transaction tells who is under way, so a
//! crash at any point leaves either both or neither. A stored answer is given once it is durable.

use std::collections::HashSet;

use bytes::Bytes;
use http::StatusCode;
use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use kernel::TenantId;
use pg::{Db, Scope, Tx};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::call::Call;
use crate::problem::{self, Problem};
use crate::spine::{Reply, Served};

/// What becomes of a call that carries a key: `None` to go on, otherwise its answer.
pub(crate) type Verdict = Option<Result<Reply, Problem>>;

/// Holds the keys of `calls` until the transaction ends; one verdict per call, in order.
pub(crate) async fn claim(tx: &mut Tx, calls: &[&Call]) -> Result<Vec<Verdict>, sqlx::Error> {
    let mut verdicts: Vec<Verdict> = calls.iter().map(|_| None).collect();
    let mut keyed: Vec<usize> = Vec::new();
    let mut seen = HashSet::new();
    for (at, call) in calls.iter().enumerate() {
        let Some(key) = owned_key(call) else { continue };
        // Two of one set with one key: an advisory lock would let its own session pass twice.
        if seen.insert(key) {
            keyed.push(at);
        } else {
            verdicts[at] = Some(Err(in_flight()));
        }
    }
    if keyed.is_empty() {
        return Ok(verdicts);
    }
    let locks: Vec<i64> = keyed.iter().map(|&at| lock_number(calls[at])).collect();
    let held = sqlx::query_scalar!(
        r#"select pg_try_advisory_xact_lock(lock) as "held!"
           from unnest($1::bigint[]) with ordinality as wanted (lock, place)
           order by place"#,
        &locks
    )
    .fetch_all(tx.conn())
    .await?;
    let asked: Vec<&Call> = keyed.iter().map(|&at| calls[at]).collect();
    let stored = stored(tx, &asked).await?;
    for (&at, held) in keyed.iter().zip(held) {
        if !held {
            verdicts[at] = Some(Err(in_flight()));
        }
    }
    for (place, answer) in stored {
        let Some(&at) = keyed.get(place) else { continue };
        verdicts[at] = Some(answer.to(calls[at]));
    }
    Ok(verdicts)
}

/// What is kept under the key of a call; `None` without a key or an answer.
pub(crate) async fn given(db: &Db, call: &Call) -> Result<Verdict, sqlx::Error> {
    if call.key.is_none() {
        return Ok(None);
    }
    let mut tx = db.begin_ahead(Scope::of(call.caller.tenant)).await?;
    let Some((_, answer)) = stored(&mut tx, &[call]).await?.pop() else { return Ok(None) };
    let seen = tx.seen();
    drop(tx);
    // The first call may still wait for its flush: nobody is told before it is covered.
    seen.durable().await?;
    Ok(Some(answer.to(call)))
}

/// An answer as it was kept.
struct Stored {
    request_digest: Vec<u8>,
    status: i16,
    reply: Vec<u8>,
}

impl Stored {
    /// The answer again, if it was this call that it answered.
    fn to(self, call: &Call) -> Result<Reply, Problem> {
        if self.request_digest != call.request_digest {
            let detail = "this key answered another message; use a new key for new work";
            return Err(Problem::new(&problem::KEY_REUSED, detail));
        }
        let status = u16::try_from(self.status).ok().and_then(|it| StatusCode::from_u16(it).ok());
        Ok(Reply {
            status: status.unwrap_or(StatusCode::OK),
            body: Bytes::from(self.reply),
            replayed: true,
        })
    }
}

/// What is kept under the keys of `calls`, each with the place of its call among them.
async fn stored(tx: &mut Tx, calls: &[&Call]) -> Result<Vec<(usize, Stored)>, sqlx::Error> {
    let tenants: Vec<_> = calls.iter().map(|call| call.caller.tenant.0).collect();
    let clients: Vec<_> = calls.iter().map(|call| call.caller.client.to_string()).collect();
    let keys: Vec<_> =
        calls.iter().map(|call| call.key.as_deref().unwrap_or_default().to_owned()).collect();
    let places: Vec<i32> = (0..).take(calls.len()).collect();
    let rows = sqlx::query!(
        r#"select wanted.place as "place!", answer.request_digest, answer.status, answer.reply
           from unnest($1::uuid[], $2::text[], $3::text[], $4::integer[])
                    as wanted (tenant_id, client, key, place)
           join http.idempotency answer using (tenant_id, client, key)"#,
        &tenants,
        &clients,
        &keys,
        &places
    )
    .fetch_all(tx.conn())
    .await?;
    let answers = rows.into_iter().map(|row| {
        let answer =
            Stored { request_digest: row.request_digest, status: row.status, reply: row.reply };
        (usize::try_from(row.place).unwrap_or(usize::MAX), answer)
    });
    Ok(answers.collect())
}

/// Answers of the served calls that carried a key, as the arrays `http.keep_keys` takes, in its order.
#[derive(Debug)]
pub struct Columns<'a> {
    /// Advisory locks of the keys.
    pub locks: Vec<i64>,
    /// Whose they are.
    pub tenants: Vec<Uuid>,
    /// Of which clients.
    pub clients: Vec<&'a str>,
    /// The keys.
    pub keys: Vec<&'a str>,
    /// Three-level codes of the functions called.
    pub functions: Vec<&'a str>,
    /// SHA-256 of the requests.
    pub requests: Vec<&'a [u8]>,
    /// HTTP statuses.
    pub statuses: Vec<i16>,
    /// The answers.
    pub replies: Vec<&'a [u8]>,
    /// When they were given.
    pub served_at: Vec<jiff_sqlx::Timestamp>,
}

impl<'a> Columns<'a> {
    /// The columns of a set of served calls.
    pub fn of(served: &'a [Served<'a>]) -> Columns<'a> {
        let keyed: Vec<(&Served<'_>, &str)> = served
            .iter()
            .filter_map(|served| Some((served, served.call.key.as_deref()?)))
            .collect();
        Columns {
            locks: keyed.iter().map(|(served, _)| lock_number(served.call)).collect(),
            tenants: keyed.iter().map(|(served, _)| served.call.caller.tenant.0).collect(),
            clients: keyed.iter().map(|(served, _)| &*served.call.caller.client).collect(),
            keys: keyed.iter().map(|(_, key)| *key).collect(),
            functions: keyed.iter().map(|(served, _)| served.call.function.code).collect(),
            requests: keyed.iter().map(|(served, _)| &served.call.request_digest[..]).collect(),
            statuses: keyed
                .iter()
                .map(|(served, _)| i16::try_from(served.done.status.as_u16()).unwrap_or(200))
                .collect(),
            replies: keyed.iter().map(|(served, _)| &served.done.body[..]).collect(),
            served_at: keyed.iter().map(|(served, _)| served.served_at.to_sqlx()).collect(),
        }
    }
}

/// Stores the answers of the served calls that carried a key, whose locks are held.
pub(crate) async fn keep(tx: &mut Tx, served: &[Served<'_>]) -> Result<(), sqlx::Error> {
    let columns = Columns::of(served);
    if columns.keys.is_empty() {
        return Ok(());
    }
    sqlx::query!(
        "select http.keep_keys($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        &columns.locks,
        &columns.tenants,
        &columns.clients as _,
        &columns.keys as _,
        &columns.functions as _,
        &columns.requests as _,
        &columns.statuses,
        &columns.replies as _,
        &columns.served_at as _
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Whether two of these calls carry one key. The first of them is then under way for the second, which
/// advisory locks do not tell within a session.
pub(crate) fn share_a_key<'a>(calls: impl IntoIterator<Item = &'a Call>) -> bool {
    let mut seen = HashSet::new();
    !calls.into_iter().filter_map(owned_key).all(|key| seen.insert(key))
}

/// The key of a call with whom it belongs to.
fn owned_key(call: &Call) -> Option<(TenantId, &str, &str)> {
    let key = call.key.as_deref()?;
    Some((call.caller.tenant, &*call.caller.client, key))
}

/// Forgets up to `most` answers given before `before`; returns how many.
pub async fn forget(db: &Db, before: Timestamp, most: i32) -> Result<i64, sqlx::Error> {
    let gone = sqlx::query_scalar!(
        r#"select http.forget_idempotency($1, $2) as "gone!""#,
        before.to_sqlx() as _,
        most
    );
    gone.fetch_one(db.pool()).await
}

fn in_flight() -> Problem {
    Problem::new(&problem::KEY_IN_FLIGHT, "wait for the first call to answer, then repeat")
        .retry_after(1)
}

/// The advisory lock of a key: 64 bits of a digest, so two keys share one only by a collision,
/// which costs a needless 409 and nothing else.
fn lock_number(call: &Call) -> i64 {
    let mut digest = Sha256::new();
    digest.update(call.caller.tenant.0.as_bytes());
    digest.update(call.caller.client.as_bytes());
    digest.update([0]);
    digest.update(call.key.as_deref().unwrap_or_default().as_bytes());
    let digest = digest.finalize();
    let mut first = [0; 8];
    first.copy_from_slice(&digest[..8]);
    i64::from_be_bytes(first)
}

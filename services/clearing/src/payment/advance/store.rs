//! SQL of advances.

use jiff::{SignedDuration, Timestamp};
use jiff_sqlx::ToSqlx;
use kernel::{Fen, TenantId};
use pg::Tx;
use production_core::number::PlatformNumber;
use uuid::Uuid;

use super::Origin;
use crate::error::ClearingError;
use crate::payment::order::OrderId;

/// The policy a self-service advance is booked against.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Booked {
    /// Whose.
    pub(super) tenant: TenantId,
    /// Four letters.
    pub(super) insurer: String,
    /// Its confirm code.
    pub(super) policy: PlatformNumber,
    /// When the accident happened.
    pub(super) accident_at: Timestamp,
    /// The police's notice.
    pub(super) notice_no: String,
}

/// An advance as stored.
#[derive(Clone, Debug)]
pub(super) struct AdvanceRow {
    /// Its pay-out.
    pub(super) advance: OrderId,
    /// Who bears it.
    pub(super) origin: Origin,
    /// Who ordered it.
    pub(super) payer: TenantId,
    /// Of a self-service advance.
    pub(super) booked: Option<Booked>,
    /// When.
    pub(super) advanced_at: Timestamp,
}

struct StoredAdvance {
    advance_id: Uuid,
    origin: String,
    payer: Uuid,
    liable_tenant: Option<Uuid>,
    liable_insurer: Option<String>,
    liable_policy: Option<String>,
    accident_at: Option<jiff_sqlx::Timestamp>,
    notice_no: Option<String>,
    advanced_at: jiff_sqlx::Timestamp,
}

impl TryFrom<StoredAdvance> for AdvanceRow {
    type Error = ClearingError;

    fn try_from(row: StoredAdvance) -> Result<AdvanceRow, ClearingError> {
        let corrupt = || ClearingError::Corrupt("advance");
        let whole = (
            row.liable_tenant,
            row.liable_insurer,
            row.liable_policy,
            row.accident_at,
            row.notice_no,
        );
        let booked = match whole {
            (Some(tenant), Some(insurer), Some(policy), Some(accident_at), Some(notice_no)) => {
                Some(Booked {
                    tenant: TenantId(tenant),
                    insurer,
                    policy: PlatformNumber::parse(&policy).map_err(|_| corrupt())?,
                    accident_at: accident_at.to_jiff(),
                    notice_no,
                })
            }
            (None, None, None, None, None) => None,
            _ => return Err(corrupt()),
        };
        Ok(AdvanceRow {
            advance: OrderId(row.advance_id),
            origin: Origin::parse(&row.origin).map_err(|_| corrupt())?,
            payer: TenantId(row.payer),
            booked,
            advanced_at: row.advanced_at.to_jiff(),
        })
    }
}

/// Keeps an advance. Safe to repeat.
pub(super) async fn insert(tx: &mut Tx, row: &AdvanceRow) -> Result<(), ClearingError> {
    let booked = row.booked.as_ref();
    sqlx::query!(
        "insert into clearing.advance
             (advance_id, origin, payer, liable_tenant, liable_insurer, liable_policy, accident_at,
              notice_no, advanced_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9)
         on conflict (advance_id) do nothing",
        row.advance.0,
        row.origin.code(),
        row.payer.0,
        booked.map(|booked| booked.tenant.0),
        booked.map(|booked| booked.insurer.as_str()),
        booked.map(|booked| booked.policy.to_string()),
        booked.map(|booked| booked.accident_at.to_sqlx()) as _,
        booked.map(|booked| booked.notice_no.as_str()),
        row.advanced_at.to_sqlx() as _
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// An advance by its id.
pub(super) async fn find(
    tx: &mut Tx,
    advance: OrderId,
) -> Result<Option<AdvanceRow>, ClearingError> {
    let row = sqlx::query_as!(
        StoredAdvance,
        r#"select advance_id, origin, payer, liable_tenant, liable_insurer, liable_policy,
                  accident_at as "accident_at: _", notice_no, advanced_at as "advanced_at: _"
           from clearing.advance where advance_id = $1"#,
        advance.0
    );
    row.fetch_optional(tx.conn()).await?.map(AdvanceRow::try_from).transpose()
}

/// Advances a tenant paid or that are booked against it, latest first, behind `after`.
pub(super) async fn list(
    tx: &mut Tx,
    tenant: TenantId,
    after: Option<(Timestamp, OrderId)>,
    limit: i64,
) -> Result<Vec<AdvanceRow>, ClearingError> {
    let (at, id) = after.unzip();
    let rows = sqlx::query_as!(
        StoredAdvance,
        r#"select advance_id, origin, payer, liable_tenant, liable_insurer, liable_policy,
                  accident_at as "accident_at: _", notice_no, advanced_at as "advanced_at: _"
           from clearing.advance
           where (payer = $1 or liable_tenant = $1)
             and ($2::timestamptz is null or (advanced_at, advance_id) < ($2, $3::uuid))
           order by advanced_at desc, advance_id desc limit $4"#,
        tenant.0,
        at.map(|at| at.to_sqlx()) as _,
        id.map(|id| id.0),
        limit
    );
    rows.fetch_all(tx.conn()).await?.into_iter().map(AdvanceRow::try_from).collect()
}

/// Holds what is advanced under a policy until the transaction ends.
pub(super) async fn lock_policy(tx: &mut Tx, policy: PlatformNumber) -> Result<(), ClearingError> {
    sqlx::query!(
        "select pg_advisory_xact_lock(hashtextextended('clearing.advance ' || $1::text, 0))",
        policy.to_string()
    )
    .fetch_one(tx.conn())
    .await?;
    Ok(())
}

/// What is advanced under a policy for one accident, and of that on one notice: under way or paid, less
/// what did not leave or came back. `but` is left out.
pub(super) async fn booked(
    tx: &mut Tx,
    booked: &Booked,
    apart: SignedDuration,
    but: OrderId,
) -> Result<(Fen, Fen), ClearingError> {
    let from = booked.accident_at.checked_sub(apart).unwrap_or(Timestamp::MIN);
    let to = booked.accident_at.checked_add(apart).unwrap_or(Timestamp::MAX);
    let sums = sqlx::query!(
        r#"select coalesce(sum(standing), 0)::int8 as "all_fen!",
                  coalesce(sum(standing) filter (where notice_no = $5), 0)::int8 as "notice_fen!"
           from (select a.notice_no,
                        case when o.stage in ('rejected', 'returned')
                             then o.settled_fen - o.returned_fen else o.amount_fen end standing
                 from clearing.advance a
                 join clearing.payment_order o on o.order_id = a.advance_id
                 where a.liable_policy = $1 and $2 < a.accident_at and a.accident_at < $3
                   and a.advance_id <> $4) advanced"#,
        booked.policy.to_string(),
        from.to_sqlx() as _,
        to.to_sqlx() as _,
        but.0,
        booked.notice_no
    );
    let sums = sums.fetch_one(tx.conn()).await?;
    Ok((Fen(sums.all_fen), Fen(sums.notice_fen)))
}

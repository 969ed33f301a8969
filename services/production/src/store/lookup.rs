//! Own quotes and policies as they are read back: by number, in lists, as known at an instant.

use std::collections::{HashMap, HashSet};

use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use kernel::{Fen, TenantId};
use pg::Tx;
use production_core::frame::FrameNo;
use production_core::history::PolicyClass;
use production_core::number::PlatformNumber;
use production_core::policy::PolicyFacts;

use crate::error::ProductionError;
use crate::store::quote::{QuoteRecord, stored_frame};
use crate::store::tax::DeclarationStanding;

/// When each own quote was superseded, as of `at`; those that were not are left out.
pub async fn superseded_at(
    tx: &mut Tx,
    quotes: &[QuoteRecord],
    at: Timestamp,
) -> Result<HashMap<PlatformNumber, Timestamp>, ProductionError> {
    let (slots, numbers) = keys(quotes.iter().map(|quote| quote.query_no));
    let rows = sqlx::query!(
        r#"select q.query_no, min(newer.quoted_at) as "superseded_at!"
           from unnest($1::integer[], $2::text[]) as wanted (slot, query_no)
           join production.quote q on q.slot = wanted.slot and q.query_no = wanted.query_no
           join production.quote newer
             on newer.slot = q.slot and newer.frame_no = q.frame_no
            and newer.tenant_id = q.tenant_id and newer.region = q.region
            and newer.quoted_at > q.quoted_at and newer.quoted_at <= $3
            and (newer.compulsory_from is not null and q.compulsory_from is not null
                 or newer.commercial_from is not null and q.commercial_from is not null)
           group by q.query_no"#,
        &slots,
        &numbers,
        at.to_sqlx() as _
    );
    let rows = rows.fetch_all(tx.conn()).await?;
    rows.iter()
        .map(|row| Ok((parsed(&row.query_no, "quote")?, row.superseded_at.to_jiff())))
        .collect()
}

/// Own quotes among `numbers` whose challenge was answered.
pub async fn answered(
    tx: &mut Tx,
    numbers: impl IntoIterator<Item = PlatformNumber>,
) -> Result<HashSet<PlatformNumber>, ProductionError> {
    let (slots, numbers) = keys(numbers);
    let rows = sqlx::query_scalar!(
        r#"select answered.query_no
           from unnest($1::integer[], $2::text[]) as wanted (slot, query_no)
           join production.quote_check answered using (slot, query_no)"#,
        &slots,
        &numbers
    );
    rows.fetch_all(tx.conn()).await?.iter().map(|number| parsed(number, "quote")).collect()
}

/// Takes one of `most` tries at the challenge of an own quote. `None` when all are used up.
pub async fn take_try(
    tx: &mut Tx,
    query_no: PlatformNumber,
    tenant: TenantId,
    most: i32,
    now: Timestamp,
) -> Result<Option<i32>, ProductionError> {
    let tries = sqlx::query_scalar!(
        r#"insert into production.quote_check_try as earlier
               (slot, query_no, tenant_id, tries, last_at)
           values ($1, $2, $3, 1, $5)
           on conflict (slot, query_no) do update
               set tries = earlier.tries + 1, last_at = excluded.last_at
               where earlier.tries < $4
           returning tries"#,
        i32::from(query_no.slot().0),
        query_no.to_string(),
        tenant.0,
        most,
        now.to_sqlx() as _
    );
    Ok(tries.fetch_optional(tx.conn()).await?)
}

/// Which own policies to list.
#[derive(Clone, Debug, Default)]
pub struct PolicyFilter {
    /// Of one vehicle.
    pub frame: Option<FrameNo>,
    /// Of vehicles under one plate.
    pub plate: Option<String>,
    /// Of one line.
    pub class: Option<PolicyClass>,
    /// Confirmed at or after.
    pub from: Option<Timestamp>,
    /// Confirmed before.
    pub to: Option<Timestamp>,
    /// As known at this instant; as known now when absent.
    pub as_of: Option<Timestamp>,
    /// Rows before this one, latest first.
    pub after: Option<(Timestamp, String)>,
}

/// A policy in a list, as it was known.
#[derive(Clone, Debug)]
pub struct ListedPolicy {
    /// Confirm code.
    pub confirm_no: PlatformNumber,
    /// The insurer's own number.
    pub policy_no: String,
    /// Branch region.
    pub region: String,
    /// The vehicle.
    pub frame: FrameNo,
    /// When it was confirmed.
    pub issued_at: Timestamp,
    /// What had happened to it.
    pub facts: PolicyFacts,
    /// Premium.
    pub premium: Fen,
    /// Vehicle tax.
    pub tax: Fen,
    /// JSON of [`crate::quote::VehicleIdentity`].
    pub vehicle: String,
}

/// Own policies, latest first, at most `limit`.
pub async fn policies(
    tx: &mut Tx,
    tenant: TenantId,
    filter: &PolicyFilter,
    limit: i64,
) -> Result<Vec<ListedPolicy>, ProductionError> {
    let (after_at, after_no) = filter.after.clone().unzip();
    tx.plan_by_values().await?;
    let rows = sqlx::query!(
        r#"select p.confirm_no, p.policy_no, p.region, p.frame_no, p.issued_at,
                  v.facts::text as "facts!", v.premium_fen, v.tax_fen,
                  v.vehicle::text as "vehicle!"
           from production.policy p
           cross join lateral (
               select known.facts, known.premium_fen, known.tax_fen, known.vehicle
               from production.policy_version known
               where known.slot = p.slot and known.confirm_no = p.confirm_no
                 and ($2::timestamptz is null or known.recorded_at <= $2)
               order by known.endorse_times desc limit 1) v
           where p.tenant_id = $1
             and ($3::integer is null or p.slot = $3)
             and ($4::text is null or p.frame_no = $4)
             and ($5::text is null
                  or (p.slot, p.frame_no) in (select i.slot, i.frame_no
                                              from production.plate_index i where i.plate = $5)
                 and v.vehicle #>> '{plate,number}' = $5)
             and ($6::text is null or p.class = $6)
             and ($7::timestamptz is null or p.issued_at >= $7)
             and ($8::timestamptz is null or p.issued_at < $8)
             and ($9::timestamptz is null or (p.issued_at, p.confirm_no) < ($9, $10))
           order by p.issued_at desc, p.confirm_no desc
           limit $11"#,
        tenant.0,
        filter.as_of.map(|at| at.to_sqlx()) as _,
        filter.frame.as_ref().map(|frame| i32::from(frame.slot().0)),
        filter.frame.as_ref().map(|frame| frame.as_str()),
        filter.plate.as_deref(),
        filter.class.map(|class| class.name()),
        filter.from.map(|at| at.to_sqlx()) as _,
        filter.to.map(|at| at.to_sqlx()) as _,
        after_at.map(|at| at.to_sqlx()) as _,
        after_no,
        limit
    );
    let rows = rows.fetch_all(tx.conn()).await?.into_iter().map(|row| {
        Ok(ListedPolicy {
            confirm_no: parsed(&row.confirm_no, "policy")?,
            policy_no: row.policy_no,
            region: row.region,
            frame: stored_frame(&row.frame_no)?,
            issued_at: row.issued_at.to_jiff(),
            facts: serde_json::from_str(&row.facts)
                .map_err(|_| ProductionError::Corrupt("policy"))?,
            premium: Fen(row.premium_fen),
            tax: Fen(row.tax_fen),
            vehicle: row.vehicle,
        })
    });
    rows.collect()
}

/// The latest tax declaration of an own policy as it stood at `as_of`, with its number; `None`
/// when nothing was withheld by then.
pub async fn declaration(
    tx: &mut Tx,
    confirm_no: PlatformNumber,
    as_of: Option<Timestamp>,
) -> Result<Option<(String, DeclarationStanding)>, ProductionError> {
    let found = sqlx::query!(
        r#"select declaration_no,
                  case when settled or state = 'withdrawing' then state
                       else 'pending' end as "state!",
                  case when settled then registration_no end as registration_no,
                  case when settled then receipt_no end as receipt_no,
                  case when settled then refusal end as refusal
           from production.tax_declaration,
                lateral (select settled_at is not null
                                and ($3::timestamptz is null or settled_at <= $3)) as known (settled)
           where slot = $1 and confirm_no = $2
             and ($3::timestamptz is null or recorded_at <= $3)
           order by recorded_at desc
           limit 1"#,
        i32::from(confirm_no.slot().0),
        confirm_no.to_string(),
        as_of.map(|at| at.to_sqlx()) as _
    );
    Ok(found.fetch_optional(tx.conn()).await?.map(|row| {
        let standing = DeclarationStanding {
            state: row.state,
            registration_no: row.registration_no,
            receipt_no: row.receipt_no,
            refusal: row.refusal,
        };
        (row.declaration_no, standing)
    }))
}

pub(crate) fn keys(numbers: impl IntoIterator<Item = PlatformNumber>) -> (Vec<i32>, Vec<String>) {
    numbers.into_iter().map(|number| (i32::from(number.slot().0), number.to_string())).unzip()
}

pub(crate) fn parsed(text: &str, what: &'static str) -> Result<PlatformNumber, ProductionError> {
    PlatformNumber::parse(text).map_err(|_| ProductionError::Corrupt(what))
}

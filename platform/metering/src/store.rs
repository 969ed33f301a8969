//! SQL of the schema `metering`. Writes take whole sets: one statement each, however many calls.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::Date;
use jiff_sqlx::ToSqlx;
use kernel::TenantId;
use pg::Tx;

use crate::{CountKey, MeteringError, Usage};

/// The columns of a set of keys, sorted: rows are locked in this order by everyone, so two sets
/// cannot wait for each other.
struct Columns<'a> {
    tenants: Vec<uuid::Uuid>,
    clients: Vec<&'a str>,
    functions: Vec<&'a str>,
    days: Vec<jiff_sqlx::Date>,
}

fn columns<'a>(keys: impl IntoIterator<Item = &'a CountKey>) -> Columns<'a> {
    let sorted: BTreeSet<&CountKey> = keys.into_iter().collect();
    Columns {
        tenants: sorted.iter().map(|key| key.tenant.0).collect(),
        clients: sorted.iter().map(|key| &*key.client).collect(),
        functions: sorted.iter().map(|key| key.function_code).collect(),
        days: sorted.iter().map(|key| key.day.to_sqlx()).collect(),
    }
}

/// How often each key was used so far, in the order of `keys`; the counters stay locked until the
/// transaction ends.
pub async fn lock_counts(tx: &mut Tx, keys: &[CountKey]) -> Result<Vec<u32>, MeteringError> {
    let wanted = columns(keys);
    let mut used = lock_present(tx, &wanted).await?;
    if used.len() < wanted.tenants.len() {
        // First use today: a row must stand before it can be locked.
        sqlx::query!(
            r#"insert into metering.daily_count (tenant_id, client, function_code, day, used)
               select tenant_id, client, function_code, day, 0
               from unnest($1::uuid[], $2::text[], $3::text[], $4::date[])
                   as wanted (tenant_id, client, function_code, day)
               on conflict (tenant_id, client, function_code, day) do nothing"#,
            &wanted.tenants,
            &wanted.clients as _,
            &wanted.functions as _,
            &wanted.days as _
        )
        .execute(tx.conn())
        .await?;
        used = lock_present(tx, &wanted).await?;
    }
    let count = |key: &CountKey| {
        used.get(&(key.tenant.0, key.client.to_string(), key.function_code.to_owned(), key.day))
    };
    Ok(keys.iter().map(|key| count(key).copied().unwrap_or(0)).collect())
}

type Used = BTreeMap<(uuid::Uuid, String, String, Date), u32>;

async fn lock_present(tx: &mut Tx, wanted: &Columns<'_>) -> Result<Used, MeteringError> {
    let rows = sqlx::query!(
        r#"select tenant_id, client, function_code, day, used
           from metering.daily_count
           where (tenant_id, client, function_code, day) in (
               select * from unnest($1::uuid[], $2::text[], $3::text[], $4::date[])
           )
           order by tenant_id, client, function_code, day
           for update"#,
        &wanted.tenants,
        &wanted.clients as _,
        &wanted.functions as _,
        &wanted.days as _
    );
    let rows = rows.fetch_all(tx.conn()).await?;
    let used = rows.into_iter().map(|row| {
        let key = (row.tenant_id, row.client, row.function_code, row.day.to_jiff());
        (key, u32::try_from(row.used).unwrap_or(0))
    });
    Ok(used.collect())
}

/// Writes one usage row per call and counts the admitted ones; how often each counted key was used
/// with them, in the order of the keys. A key may stand there more than once; its numbers add up.
///
/// One statement for both: they belong to the same moment, and a round trip for each set saved is
/// worth more than the names. The counters are held from here to the commit.
pub async fn record(
    tx: &mut Tx,
    served: &[Usage<'_>],
    counts: &[(CountKey, u32)],
) -> Result<Vec<(CountKey, u32)>, MeteringError> {
    let mut sums: BTreeMap<&CountKey, i32> = BTreeMap::new();
    for (key, count) in counts {
        let sum = sums.entry(key).or_default();
        *sum = sum.saturating_add(i32::try_from(*count).unwrap_or(i32::MAX));
    }
    let keys = columns(sums.keys().copied());
    let added: Vec<i32> = sums.values().copied().collect();
    let slots: Vec<i32> = served.iter().map(|usage| i32::from(usage.slot)).collect();
    let calls: Vec<_> = served.iter().map(|usage| usage.call_id).collect();
    let tenants: Vec<_> = served.iter().map(|usage| usage.tenant.0).collect();
    let functions: Vec<&str> = served.iter().map(|usage| usage.function_code).collect();
    let clients: Vec<&str> = served.iter().map(|usage| usage.client).collect();
    let served_at: Vec<_> = served.iter().map(|usage| usage.served_at.to_sqlx()).collect();
    let quantities: Vec<i32> =
        served.iter().map(|usage| i32::try_from(usage.quantity).unwrap_or(i32::MAX)).collect();
    // Arrays side by side in the select list go row by row; in the from clause each would be put
    // into a table of its own first. Counters come back in the order of their arrays.
    let used = sqlx::query_scalar!(
        r#"with written as (
               insert into metering.usage
                   (slot, call_id, tenant_id, function_code, client, served_at, quantity)
               select unnest($6::int[]), unnest($7::uuid[]), unnest($8::uuid[]),
                      unnest($9::text[]), unnest($10::text[]), unnest($11::timestamptz[]),
                      unnest($12::int[])
           )
           insert into metering.daily_count (tenant_id, client, function_code, day, used)
           select unnest($1::uuid[]), unnest($2::text[]), unnest($3::text[]), unnest($4::date[]),
                  unnest($5::int[])
           on conflict (tenant_id, client, function_code, day)
               do update set used = daily_count.used + excluded.used
           returning used"#,
        &keys.tenants,
        &keys.clients as _,
        &keys.functions as _,
        &keys.days as _,
        &added,
        &slots,
        &calls,
        &tenants,
        &functions as _,
        &clients as _,
        &served_at as _,
        &quantities
    )
    .fetch_all(tx.conn())
    .await?;
    let used = used.into_iter().map(|used| u32::try_from(used).unwrap_or(0));
    Ok(sums.into_keys().cloned().zip(used).collect())
}

/// Which usage is asked for: days in China, both included.
#[derive(Clone, Copy, Debug)]
pub struct UsageOf {
    /// Whose; the transaction must be opened for it.
    pub tenant: TenantId,
    /// First day.
    pub from: Date,
    /// Last day.
    pub to: Date,
}

/// Usage of one function on one day.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UsageLine {
    /// The day in China.
    pub day: Date,
    /// Three-level function code.
    pub function_code: String,
    /// Calls served.
    pub calls: u64,
    /// Units they counted for.
    pub quantity: u64,
}

/// Usage by day and function, in that order. Reads every row of the days asked for: a report.
pub async fn summary(tx: &mut Tx, wanted: UsageOf) -> Result<Vec<UsageLine>, MeteringError> {
    let rows = sqlx::query!(
        r#"select (served_at at time zone 'Asia/Shanghai')::date as "day!",
                  function_code as "function_code!",
                  count(*) as "calls!", sum(quantity) as "quantity!"
           from metering.usage
           where tenant_id = $1
             and served_at >= $2::date::timestamp at time zone 'Asia/Shanghai'
             and served_at < ($3::date + 1)::timestamp at time zone 'Asia/Shanghai'
           group by 1, 2
           order by 1, 2"#,
        wanted.tenant.0,
        wanted.from.to_sqlx(),
        wanted.to.to_sqlx()
    );
    let rows = rows.fetch_all(tx.conn()).await?;
    let lines = rows.into_iter().map(|row| UsageLine {
        day: row.day.to_jiff(),
        function_code: row.function_code,
        calls: u64::try_from(row.calls).unwrap_or(0),
        quantity: u64::try_from(row.quantity).unwrap_or(0),
    });
    Ok(lines.collect())
}

//! SQL of the schema `metering`. Writes take whole sets: one statement each, however many calls.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::Date;
use jiff_sqlx::ToSqlx;
use kernel::TenantId;
use pg::Tx;

use crate::{CountKey, MeteringError, Usage};

/// The columns of a set of keys, sorted: rows are locked in this order by everyone, so two sets
/// cannot wait for each other.
struct KeyColumns<'a> {
    tenants: Vec<uuid::Uuid>,
    clients: Vec<&'a str>,
    functions: Vec<&'a str>,
    days: Vec<jiff_sqlx::Date>,
}

fn key_columns<'a>(sorted: &[&'a CountKey]) -> KeyColumns<'a> {
    KeyColumns {
        tenants: sorted.iter().map(|key| key.tenant.0).collect(),
        clients: sorted.iter().map(|key| &*key.client).collect(),
        functions: sorted.iter().map(|key| key.function_code).collect(),
        days: sorted.iter().map(|key| key.day.to_sqlx()).collect(),
    }
}

/// How often each key was used so far, in the order of `keys`; the counters stay locked until the
/// transaction ends.
pub async fn lock_counts(tx: &mut Tx, keys: &[CountKey]) -> Result<Vec<u32>, MeteringError> {
    let sorted: BTreeSet<&CountKey> = keys.iter().collect();
    let wanted = key_columns(&Vec::from_iter(sorted));
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

async fn lock_present(tx: &mut Tx, wanted: &KeyColumns<'_>) -> Result<Used, MeteringError> {
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

/// Usage and counts as the arrays `metering.record` takes, in its order. Counters are sorted and each
/// stands there once.
#[derive(Debug)]
pub struct Columns<'a> {
    /// Slots of the vehicle chain.
    pub slots: Vec<i32>,
    /// Names of the calls.
    pub calls: Vec<uuid::Uuid>,
    /// Who pays.
    pub tenants: Vec<uuid::Uuid>,
    /// Three-level function codes.
    pub functions: Vec<&'a str>,
    /// The API clients.
    pub clients: Vec<&'a str>,
    /// When the calls were served.
    pub served_at: Vec<jiff_sqlx::Timestamp>,
    /// How many units each counts for.
    pub quantities: Vec<i32>,
    /// Whose user, of each counter.
    pub counted_tenants: Vec<uuid::Uuid>,
    /// Which user.
    pub counted_clients: Vec<&'a str>,
    /// Which function.
    pub counted_functions: Vec<&'a str>,
    /// On which day.
    pub counted_days: Vec<jiff_sqlx::Date>,
    /// How many calls are added to each counter.
    pub added: Vec<i32>,
    keys: Vec<&'a CountKey>,
}

impl<'a> Columns<'a> {
    /// The columns of a set of calls and of what they count for. A key may stand in `counts` more than
    /// once; its numbers add up.
    pub fn of(
        served: &'a [Usage<'a>],
        counts: impl IntoIterator<Item = (&'a CountKey, u32)>,
    ) -> Columns<'a> {
        let mut sums: BTreeMap<&CountKey, i32> = BTreeMap::new();
        for (key, count) in counts {
            let sum = sums.entry(key).or_default();
            *sum = sum.saturating_add(i32::try_from(count).unwrap_or(i32::MAX));
        }
        let (keys, added): (Vec<&CountKey>, Vec<i32>) = sums.into_iter().unzip();
        let counted = key_columns(&keys);
        Columns {
            slots: served.iter().map(|usage| i32::from(usage.slot)).collect(),
            calls: served.iter().map(|usage| usage.call_id).collect(),
            tenants: served.iter().map(|usage| usage.tenant.0).collect(),
            functions: served.iter().map(|usage| usage.function_code).collect(),
            clients: served.iter().map(|usage| usage.client).collect(),
            served_at: served.iter().map(|usage| usage.served_at.to_sqlx()).collect(),
            quantities: served
                .iter()
                .map(|usage| i32::try_from(usage.quantity).unwrap_or(i32::MAX))
                .collect(),
            counted_tenants: counted.tenants,
            counted_clients: counted.clients,
            counted_functions: counted.functions,
            counted_days: counted.days,
            added,
            keys,
        }
    }

    /// The counters with what `metering.record` answered: how often each was used.
    pub fn counted(self, used: Vec<i32>) -> impl Iterator<Item = (&'a CountKey, u32)> {
        let used = used.into_iter().map(|used| u32::try_from(used).unwrap_or(0));
        self.keys.into_iter().zip(used)
    }
}

/// Writes one usage row per call and counts the admitted ones; how often each counted key was used
/// with them, in the order of the keys. A key may stand there more than once; its numbers add up.
///
/// The counters are held from here to the commit.
pub async fn record(
    tx: &mut Tx,
    served: &[Usage<'_>],
    counts: &[(CountKey, u32)],
) -> Result<Vec<(CountKey, u32)>, MeteringError> {
    let columns = Columns::of(served, counts.iter().map(|(key, count)| (key, *count)));
    let used = sqlx::query_scalar!(
        r#"select metering.record($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) as "used!""#,
        &columns.slots,
        &columns.calls,
        &columns.tenants,
        &columns.functions as _,
        &columns.clients as _,
        &columns.served_at as _,
        &columns.quantities,
        &columns.counted_tenants,
        &columns.counted_clients as _,
        &columns.counted_functions as _,
        &columns.counted_days as _,
        &columns.added
    )
    .fetch_one(tx.conn())
    .await?;
    Ok(columns.counted(used).map(|(key, used)| (key.clone(), used)).collect())
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

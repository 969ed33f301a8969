//! SQL of the schema `catalogue`.

use base_http::Function;
use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use kernel::TenantId;
use pg::{Tx, failure};

use crate::CatalogueError;
use crate::subscription::{EndSubscription, Subscribe, Subscription};
use crate::sync::Level;

pub(crate) async fn upsert_clouds(tx: &mut Tx, clouds: &[Level]) -> Result<(), CatalogueError> {
    let codes: Vec<&str> = clouds.iter().map(|level| level.code).collect();
    let zh: Vec<&str> = clouds.iter().map(|level| level.title_zh).collect();
    let en: Vec<&str> = clouds.iter().map(|level| level.title_en).collect();
    sqlx::query!(
        "insert into catalogue.cloud (cloud_code, name_zh, name_en)
         select * from unnest($1::text[], $2::text[], $3::text[])
         on conflict (cloud_code) do update
             set name_zh = excluded.name_zh, name_en = excluded.name_en
             where (cloud.name_zh, cloud.name_en) <> (excluded.name_zh, excluded.name_en)",
        &codes as _,
        &zh as _,
        &en as _
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

pub(crate) async fn upsert_products(tx: &mut Tx, products: &[Level]) -> Result<(), CatalogueError> {
    let codes: Vec<&str> = products.iter().map(|level| level.code).collect();
    let zh: Vec<&str> = products.iter().map(|level| level.title_zh).collect();
    let en: Vec<&str> = products.iter().map(|level| level.title_en).collect();
    sqlx::query!(
        "insert into catalogue.product (product_code, cloud_code, name_zh, name_en)
         select code, split_part(code, '.', 1), zh, en
         from unnest($1::text[], $2::text[], $3::text[]) as level (code, zh, en)
         on conflict (product_code) do update
             set name_zh = excluded.name_zh, name_en = excluded.name_en
             where (product.name_zh, product.name_en) <> (excluded.name_zh, excluded.name_en)",
        &codes as _,
        &zh as _,
        &en as _
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

pub(crate) async fn upsert_functions(
    tx: &mut Tx,
    functions: &[&'static Function],
    now: Timestamp,
) -> Result<(), CatalogueError> {
    let codes: Vec<&str> = functions.iter().map(|function| function.code).collect();
    let products: Vec<&str> = functions.iter().map(|function| function.product()).collect();
    let zh: Vec<&str> = functions.iter().map(|function| function.title_zh).collect();
    let en: Vec<&str> = functions.iter().map(|function| function.title_en).collect();
    sqlx::query!(
        "insert into catalogue.function (function_code, product_code, name_zh, name_en, since_at)
         select code, product, zh, en, $5
         from unnest($1::text[], $2::text[], $3::text[], $4::text[])
             as function (code, product, zh, en)
         on conflict (function_code) do update
             set name_zh = excluded.name_zh, name_en = excluded.name_en, withdrawn_at = null
             where (function.name_zh, function.name_en) <> (excluded.name_zh, excluded.name_en)
                or function.withdrawn_at is not null",
        &codes as _,
        &products as _,
        &zh as _,
        &en as _,
        now.to_sqlx()
    )
    .execute(tx.conn())
    .await?;
    sqlx::query!(
        "update catalogue.function set withdrawn_at = $2
         where withdrawn_at is null and function_code <> all ($1::text[])",
        &codes as _,
        now.to_sqlx()
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// A function on offer with the names of all three levels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FunctionLine {
    /// Three-level code.
    pub function_code: String,
    /// Chinese name of the cloud.
    pub cloud_zh: String,
    /// Chinese name of the product.
    pub product_zh: String,
    /// Chinese name of the function.
    pub name_zh: String,
    /// English name of the function.
    pub name_en: String,
}

/// The functions on offer, by code.
pub async fn functions(tx: &mut Tx) -> Result<Vec<FunctionLine>, CatalogueError> {
    let rows = sqlx::query_as!(
        FunctionLine,
        "select function.function_code, cloud.name_zh as cloud_zh, product.name_zh as product_zh,
                function.name_zh, function.name_en
         from catalogue.function
         join catalogue.product using (product_code)
         join catalogue.cloud using (cloud_code)
         where function.withdrawn_at is null
         order by function.function_code"
    );
    Ok(rows.fetch_all(tx.conn()).await?)
}

/// A tenant's subscriptions, past and present, the latest first.
pub async fn subscriptions(
    tx: &mut Tx,
    tenant: TenantId,
) -> Result<Vec<Subscription>, CatalogueError> {
    let rows = sqlx::query!(
        "select subscription_id, function_pattern, plan_code, valid_from, valid_to,
                daily_quota_per_user
         from catalogue.subscription
         where tenant_id = $1
         order by valid_from desc, subscription_id",
        tenant.0
    );
    let rows = rows.fetch_all(tx.conn()).await?;
    let subscriptions = rows.into_iter().map(|row| Subscription {
        subscription_id: row.subscription_id,
        function_pattern: row.function_pattern,
        plan_code: row.plan_code,
        valid_from: row.valid_from.to_jiff(),
        valid_to: row.valid_to.map(|to| to.to_jiff()),
        daily_quota_per_user: row.daily_quota_per_user.and_then(|quota| u32::try_from(quota).ok()),
    });
    Ok(subscriptions.collect())
}

pub(crate) async fn insert_subscription(
    tx: &mut Tx,
    command: &Subscribe,
) -> Result<(), CatalogueError> {
    let wanted = &command.subscription;
    let quota = wanted.daily_quota_per_user.map(|quota| i32::try_from(quota).unwrap_or(i32::MAX));
    let inserted = sqlx::query!(
        "insert into catalogue.subscription
             (tenant_id, subscription_id, function_pattern, plan_code, valid_from, valid_to,
              daily_quota_per_user, created_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8)",
        command.tenant.0,
        wanted.subscription_id,
        wanted.function_pattern,
        wanted.plan_code,
        wanted.valid_from.to_sqlx(),
        wanted.valid_to.map(|to| to.to_sqlx()) as _,
        quota,
        command.now.to_sqlx()
    );
    match inserted.execute(tx.conn()).await {
        Err(error) => Err(match failure::constraint(&error) {
            Some("subscription_is_single") => {
                CatalogueError::AlreadySubscribed(wanted.function_pattern.clone())
            }
            Some("subscription_function_pattern_check") => {
                CatalogueError::MalformedPattern(wanted.function_pattern.clone())
            }
            Some("subscription_plan_code_fkey") => CatalogueError::NoPlan(wanted.plan_code.clone()),
            _ => error.into(),
        }),
        Ok(_) => Ok(()),
    }
}

pub(crate) async fn end_subscription(
    tx: &mut Tx,
    command: &EndSubscription,
) -> Result<(), CatalogueError> {
    let updated = sqlx::query!(
        "update catalogue.subscription set valid_to = $3
         where tenant_id = $1 and subscription_id = $2
           and valid_from <= $3 and (valid_to is null or $3 < valid_to)",
        command.tenant.0,
        command.subscription_id,
        command.at.to_sqlx()
    );
    match updated.execute(tx.conn()).await?.rows_affected() {
        0 => Err(CatalogueError::NotFound),
        _ => Ok(()),
    }
}

pub(crate) struct GateRow {
    pub(crate) tenant_id: uuid::Uuid,
    pub(crate) function_pattern: String,
    pub(crate) valid_from: jiff_sqlx::Timestamp,
    pub(crate) valid_to: Option<jiff_sqlx::Timestamp>,
    pub(crate) daily_quota_per_user: Option<i32>,
}

/// Every tenant's subscriptions, for the gate.
pub(crate) async fn all_subscriptions(db: &pg::Db) -> Result<Vec<GateRow>, CatalogueError> {
    let rows = sqlx::query_as!(
        GateRow,
        r#"select tenant_id as "tenant_id!", function_pattern as "function_pattern!",
                  valid_from as "valid_from!", valid_to, daily_quota_per_user
           from catalogue.all_subscriptions()"#
    );
    Ok(rows.fetch_all(db.pool()).await?)
}

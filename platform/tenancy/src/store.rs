//! SQL of the schema `tenancy`.

use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use kernel::TenantId;
use pg::{Tx, failure};
use sqlx::PgConnection;

use crate::TenancyError;
use crate::keys::KeyUse;
use crate::register::{InsurerCode, Kind, OpenBranch, Standing, Tenant};

struct TenantRow {
    tenant_id: uuid::Uuid,
    kind: String,
    insurer_code: Option<String>,
    name_zh: String,
    name_en: String,
    status: String,
    created_at: jiff_sqlx::Timestamp,
}

impl TryFrom<TenantRow> for Tenant {
    type Error = TenancyError;

    fn try_from(row: TenantRow) -> Result<Tenant, TenancyError> {
        let kind = match (row.kind.as_str(), row.insurer_code) {
            ("insurer", Some(code)) => Kind::Insurer(InsurerCode::parse(&code)?),
            ("regulator", None) => Kind::Regulator,
            ("agency", None) => Kind::Agency,
            ("partner", None) => Kind::Partner,
            ("operator", None) => Kind::Operator,
            _ => return Err(TenancyError::Corrupt),
        };
        let standing = match row.status.as_str() {
            "active" => Standing::Active,
            "suspended" => Standing::Suspended,
            "closed" => Standing::Closed,
            _ => return Err(TenancyError::Corrupt),
        };
        Ok(Tenant {
            tenant_id: TenantId(row.tenant_id),
            kind,
            name_zh: row.name_zh,
            name_en: row.name_en,
            standing,
            created_at: row.created_at.to_jiff(),
        })
    }
}

/// A tenant by its identifier.
pub async fn find(tx: &mut Tx, tenant: TenantId) -> Result<Option<Tenant>, TenancyError> {
    let row = sqlx::query_as!(
        TenantRow,
        "select tenant_id, kind, insurer_code, name_zh, name_en, status, created_at
         from tenancy.tenant
         where tenant_id = $1",
        tenant.0
    );
    row.fetch_optional(tx.conn()).await?.map(Tenant::try_from).transpose()
}

/// Those of the tenants that are registered, by identifier.
pub async fn find_all(tx: &mut Tx, tenants: &[TenantId]) -> Result<Vec<Tenant>, TenancyError> {
    let tenants: Vec<uuid::Uuid> = tenants.iter().map(|tenant| tenant.0).collect();
    let rows = sqlx::query_as!(
        TenantRow,
        "select tenant_id, kind, insurer_code, name_zh, name_en, status, created_at
         from tenancy.tenant
         where tenant_id = any ($1)
         order by tenant_id",
        &tenants
    );
    rows.fetch_all(tx.conn()).await?.into_iter().map(Tenant::try_from).collect()
}

/// A tenant by its insurer code.
pub async fn find_by_insurer_code(
    tx: &mut Tx,
    code: &InsurerCode,
) -> Result<Option<Tenant>, TenancyError> {
    let row = sqlx::query_as!(
        TenantRow,
        "select tenant_id, kind, insurer_code, name_zh, name_en, status, created_at
         from tenancy.tenant
         where insurer_code = $1",
        code.as_str()
    );
    row.fetch_optional(tx.conn()).await?.map(Tenant::try_from).transpose()
}

/// Up to `limit` tenants in the order they were registered, after `after` when given.
pub async fn list(
    tx: &mut Tx,
    after: Option<TenantId>,
    limit: u16,
) -> Result<Vec<Tenant>, TenancyError> {
    let rows = sqlx::query_as!(
        TenantRow,
        "select tenant_id, kind, insurer_code, name_zh, name_en, status, created_at
         from tenancy.tenant
         where $1::uuid is null or $1 < tenant_id
         order by tenant_id
         limit $2",
        after.map(|after| after.0),
        i64::from(limit)
    );
    rows.fetch_all(tx.conn()).await?.into_iter().map(Tenant::try_from).collect()
}

/// The tenants that may not use the platform: suspended or closed. Few, so servers keep them all.
pub async fn inactive(conn: &mut PgConnection) -> Result<Vec<TenantId>, sqlx::Error> {
    let rows = sqlx::query_scalar!("select tenant_id from tenancy.tenant where status <> 'active'");
    Ok(rows.fetch_all(conn).await?.into_iter().map(TenantId).collect())
}

pub(crate) async fn insert_tenant(tx: &mut Tx, tenant: &Tenant) -> Result<(), TenancyError> {
    let code = tenant.kind.insurer_code();
    let inserted = sqlx::query!(
        "insert into tenancy.tenant
             (tenant_id, kind, insurer_code, name_zh, name_en, status, created_at)
         values ($1, $2, $3, $4, $5, $6, $7)",
        tenant.tenant_id.0,
        tenant.kind.name(),
        code.map(InsurerCode::as_str),
        tenant.name_zh,
        tenant.name_en,
        tenant.standing.name(),
        tenant.created_at.to_sqlx()
    );
    match (inserted.execute(tx.conn()).await, code) {
        (Err(error), Some(code))
            if failure::constraint(&error) == Some("tenant_insurer_code_is_unique") =>
        {
            Err(TenancyError::InsurerCodeTaken(code.clone()))
        }
        (inserted, _) => Ok(inserted.map(|_| ())?),
    }
}

pub(crate) async fn update_standing(
    tx: &mut Tx,
    tenant: TenantId,
    standing: Standing,
) -> Result<(), TenancyError> {
    let updated = sqlx::query!(
        "update tenancy.tenant set status = $2 where tenant_id = $1",
        tenant.0,
        standing.name()
    );
    match updated.execute(tx.conn()).await?.rows_affected() {
        0 => Err(TenancyError::NotFound(tenant)),
        _ => Ok(()),
    }
}

/// A tenant's branch for one region.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Branch {
    /// GB/T 2260 division, six digits; `000000` for the whole country.
    pub region: String,
    /// The branch's name.
    pub name: String,
    /// Whether it is open.
    pub open: bool,
}

/// The branches of a tenant by region code.
pub async fn branches(tx: &mut Tx, tenant: TenantId) -> Result<Vec<Branch>, TenancyError> {
    let rows = sqlx::query_as!(
        Branch,
        r#"select region, name, status = 'active' as "open!"
           from tenancy.branch
           where tenant_id = $1
           order by region"#,
        tenant.0
    );
    Ok(rows.fetch_all(tx.conn()).await?)
}

pub(crate) async fn insert_branch(tx: &mut Tx, branch: &OpenBranch) -> Result<(), TenancyError> {
    let inserted = sqlx::query!(
        "insert into tenancy.branch (tenant_id, region, name, created_at)
         values ($1, $2, $3, $4)
         on conflict (tenant_id, region) do nothing",
        branch.tenant.0,
        branch.region,
        branch.name,
        branch.now.to_sqlx()
    );
    match inserted.execute(tx.conn()).await?.rows_affected() {
        0 => Err(TenancyError::BranchExists(branch.region.clone())),
        _ => Ok(()),
    }
}

pub(crate) struct KeyRow {
    pub(crate) key_number: i32,
    pub(crate) wrapped: Vec<u8>,
}

/// The wrapped keys of a tenant for one use, ascending.
pub(crate) async fn keys(
    tx: &mut Tx,
    tenant: TenantId,
    key_use: KeyUse,
) -> Result<Vec<KeyRow>, TenancyError> {
    let rows = sqlx::query_as!(
        KeyRow,
        "select key_number, wrapped
         from tenancy.tenant_key
         where tenant_id = $1 and use = $2
         order by key_number",
        tenant.0,
        key_use.name()
    );
    Ok(rows.fetch_all(tx.conn()).await?)
}

pub(crate) async fn insert_key(
    tx: &mut Tx,
    tenant: TenantId,
    (key_use, number): (KeyUse, i32),
    wrapped: &[u8],
    now: Timestamp,
) -> Result<(), TenancyError> {
    sqlx::query!(
        "insert into tenancy.tenant_key (tenant_id, use, key_number, wrapped, created_at)
         values ($1, $2, $3, $4, $5)",
        tenant.0,
        key_use.name(),
        number,
        wrapped,
        now.to_sqlx()
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Replaces a wrapping by another of the same key.
pub(crate) async fn update_wrapping(
    tx: &mut Tx,
    tenant: TenantId,
    (key_use, number): (KeyUse, i32),
    wrapped: &[u8],
) -> Result<(), TenancyError> {
    sqlx::query!(
        "update tenancy.tenant_key set wrapped = $4
         where tenant_id = $1 and use = $2 and key_number = $3",
        tenant.0,
        key_use.name(),
        number,
        wrapped
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// The market's wrapped index key. The first to come writes `fresh`; everyone reads the same one.
pub(crate) async fn market_index_key(
    tx: &mut Tx,
    fresh: &[u8],
    now: Timestamp,
) -> Result<Vec<u8>, TenancyError> {
    sqlx::query!(
        "insert into tenancy.market_key (use, wrapped, created_at) values ('index', $1, $2)
         on conflict (use) do nothing",
        fresh,
        now.to_sqlx()
    )
    .execute(tx.conn())
    .await?;
    let wrapped = sqlx::query_scalar!("select wrapped from tenancy.market_key where use = 'index'");
    Ok(wrapped.fetch_one(tx.conn()).await?)
}

/// Replaces the wrapping of the market's index key by another of the same key.
pub(crate) async fn update_market_wrapping(
    tx: &mut Tx,
    wrapped: &[u8],
) -> Result<(), TenancyError> {
    sqlx::query!("update tenancy.market_key set wrapped = $1 where use = 'index'", wrapped)
        .execute(tx.conn())
        .await?;
    Ok(())
}

/// The platform's operator, once it is registered.
pub async fn operator(tx: &mut Tx) -> Result<Option<Tenant>, TenancyError> {
    let row = sqlx::query_as!(
        TenantRow,
        "select tenant_id, kind, insurer_code, name_zh, name_en, status, created_at
         from tenancy.tenant
         where kind = 'operator'"
    );
    row.fetch_optional(tx.conn()).await?.map(Tenant::try_from).transpose()
}

//! SQL of the schema `iam`.

use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use kernel::TenantId;
use pg::{Db, Tx, failure};

use crate::IamError;
use crate::client::{Client, ClientId, NewClient, SecretRow};

/// Up to `limit` clients of a tenant by name, after `after` when given.
pub async fn clients(
    tx: &mut Tx,
    tenant: TenantId,
    after: Option<&ClientId>,
    limit: u16,
) -> Result<Vec<Client>, IamError> {
    let rows = sqlx::query!(
        "select client_id, region, user_label, rights, sources, disabled_at, created_at
         from iam.client
         where tenant_id = $1 and $2 < client_id
         order by client_id
         limit $3",
        tenant.0,
        after.map_or("", ClientId::as_str),
        i64::from(limit)
    );
    let rows = rows.fetch_all(tx.conn()).await?;
    let clients = rows.into_iter().map(|row| {
        Ok(Client {
            client_id: ClientId::parse(&row.client_id)?,
            region: row.region,
            user_label: row.user_label,
            rights: row.rights,
            sources: row.sources,
            disabled_at: row.disabled_at.map(|at| at.to_jiff()),
            created_at: row.created_at.to_jiff(),
        })
    });
    clients.collect()
}

pub(crate) async fn insert_client(
    tx: &mut Tx,
    client: &NewClient,
    now: Timestamp,
) -> Result<(), IamError> {
    let inserted = sqlx::query!(
        "insert into iam.client
             (tenant_id, client_id, region, user_label, rights, sources, created_at)
         values ($1, $2, $3, $4, $5, $6, $7)",
        client.tenant.0,
        client.client_id.as_str(),
        client.region,
        client.user_label,
        &client.rights,
        &client.sources,
        now.to_sqlx()
    );
    match inserted.execute(tx.conn()).await {
        Err(error)
            if matches!(
                failure::constraint(&error),
                Some("client_id_is_unique" | "client_pkey")
            ) =>
        {
            Err(IamError::ClientIdTaken(client.client_id.clone()))
        }
        inserted => Ok(inserted.map(|_| ())?),
    }
}

pub(crate) async fn insert_secret(
    tx: &mut Tx,
    (tenant, client): (TenantId, &ClientId),
    secret: &SecretRow,
    now: Timestamp,
) -> Result<(), IamError> {
    sqlx::query!(
        "insert into iam.client_secret (tenant_id, client_id, secret_id, digest, pepper, created_at)
         values ($1, $2, $3, $4, $5, $6)",
        tenant.0,
        client.as_str(),
        secret.secret_id,
        &secret.digest.0[..],
        i64::from(secret.pepper),
        now.to_sqlx()
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Holds the client until the transaction ends, so rotations follow each other.
pub(crate) async fn lock_client(
    tx: &mut Tx,
    (tenant, client): (TenantId, &ClientId),
) -> Result<(), IamError> {
    let found = sqlx::query_scalar!(
        "select client_id from iam.client where tenant_id = $1 and client_id = $2 for update",
        tenant.0,
        client.as_str()
    );
    let found = found.fetch_optional(tx.conn()).await?;
    found.map(|_| ()).ok_or_else(|| IamError::NotFound(client.clone()))
}

/// Lets every secret of a client end at `until`, unless it ends earlier.
pub(crate) async fn expire_secrets(
    tx: &mut Tx,
    (tenant, client): (TenantId, &ClientId),
    until: Timestamp,
) -> Result<(), IamError> {
    sqlx::query!(
        "update iam.client_secret set expires_at = $3
         where tenant_id = $1 and client_id = $2 and (expires_at is null or $3 < expires_at)",
        tenant.0,
        client.as_str(),
        until.to_sqlx()
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

pub(crate) async fn update_status(
    tx: &mut Tx,
    (tenant, client): (TenantId, &ClientId),
    disabled_at: Option<Timestamp>,
) -> Result<(), IamError> {
    let updated = sqlx::query!(
        "update iam.client set status = $3, disabled_at = $4
         where tenant_id = $1 and client_id = $2",
        tenant.0,
        client.as_str(),
        if disabled_at.is_some() { "disabled" } else { "active" },
        disabled_at.map(|at| at.to_sqlx()) as _
    );
    match updated.execute(tx.conn()).await?.rows_affected() {
        0 => Err(IamError::NotFound(client.clone())),
        _ => Ok(()),
    }
}

/// A client that names itself at the token endpoint.
pub(crate) struct Applicant {
    pub(crate) tenant: TenantId,
    pub(crate) client_id: String,
    pub(crate) region: String,
    pub(crate) rights: Vec<String>,
    pub(crate) sources: Vec<String>,
    pub(crate) active: bool,
    /// Digest and pepper of each secret that is good now, newest first.
    pub(crate) secrets: Vec<(Vec<u8>, u32)>,
}

/// The client of this name, whoever's it is.
pub(crate) async fn applicant(
    tx: &mut Tx,
    client_id: &str,
    now: Timestamp,
) -> Result<Option<Applicant>, IamError> {
    let row = sqlx::query!(
        r#"select tenant_id as "tenant_id!", client_id as "client_id!", region as "region!",
                  rights as "rights!", sources as "sources!", status as "status!",
                  digests as "digests!", peppers as "peppers!"
           from iam.client_by_name($1, $2)"#,
        client_id,
        now.to_sqlx()
    );
    let Some(row) = row.fetch_optional(tx.conn()).await? else { return Ok(None) };
    let peppers = row.peppers.into_iter().map(|pepper| u32::try_from(pepper).unwrap_or(0));
    Ok(Some(Applicant {
        tenant: TenantId(row.tenant_id),
        client_id: row.client_id,
        region: row.region,
        rights: row.rights,
        sources: row.sources,
        active: row.status == "active",
        secrets: row.digests.into_iter().zip(peppers).collect(),
    }))
}

/// A client whose tokens need more than a good signature.
pub(crate) struct WatchedRow {
    pub(crate) client_id: String,
    pub(crate) disabled: bool,
    pub(crate) sources: Vec<String>,
}

/// Clients disabled since `since` and clients bound to networks.
pub(crate) async fn watched(db: &Db, since: Timestamp) -> Result<Vec<WatchedRow>, IamError> {
    let rows = sqlx::query_as!(
        WatchedRow,
        r#"select client_id as "client_id!", disabled as "disabled!", sources as "sources!"
           from iam.watched_clients($1)"#,
        since.to_sqlx()
    );
    Ok(rows.fetch_all(db.pool()).await?)
}

pub(crate) struct SigningKeyRow {
    pub(crate) kid: String,
    pub(crate) public_key: Vec<u8>,
    pub(crate) private_key: Vec<u8>,
    pub(crate) activated_at: jiff_sqlx::Timestamp,
    pub(crate) retired_at: Option<jiff_sqlx::Timestamp>,
}

/// The newest key and those retired since `since`, newest first.
pub(crate) async fn signing_keys(
    db: &Db,
    since: Timestamp,
) -> Result<Vec<SigningKeyRow>, IamError> {
    let rows = sqlx::query_as!(
        SigningKeyRow,
        "select kid, public_key, private_key, activated_at, retired_at
         from iam.signing_key
         where retired_at is null or $1 <= retired_at
         order by activated_at desc, kid",
        since.to_sqlx()
    );
    Ok(rows.fetch_all(db.pool()).await?)
}

/// Lets the newest key sign until `at`.
pub(crate) async fn retire_signing_key(tx: &mut Tx, at: Timestamp) -> Result<(), IamError> {
    sqlx::query!(
        "update iam.signing_key set retired_at = $1 where retired_at is null",
        at.to_sqlx()
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Adds the key that signs from `activated_at` on, unless another server has just added one.
pub(crate) async fn insert_signing_key(
    tx: &mut Tx,
    kid: &str,
    (public_key, private_key): (&[u8], &[u8]),
    (now, activated_at): (Timestamp, Timestamp),
) -> Result<(), IamError> {
    sqlx::query!(
        "insert into iam.signing_key
             (kid, algorithm, public_key, private_key, created_at, activated_at)
         values ($1, 'EdDSA', $2, $3, $4, $5)
         on conflict do nothing",
        kid,
        public_key,
        private_key,
        now.to_sqlx(),
        activated_at.to_sqlx()
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

//! API clients: registering them, rotating their secrets, disabling them.

use std::fmt;

use crypto::{Digest, IndexKey, MasterKey, Secret};
use ipnet::IpNet;
use jiff::{SignedDuration, Timestamp};
use kernel::{Ids, TenantId};
use pg::{Command, Scope, Tx};
use uuid::Uuid;

pub use crate::store::clients;
use crate::{IamError, store};

/// Names an API client across all tenants.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ClientId(String);

impl ClientId {
    /// Reads a name: 3 to 80 letters, digits, dots, hyphens or underscores.
    pub fn parse(text: &str) -> Result<ClientId, IamError> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        if (3..=80).contains(&text.len()) && text.bytes().all(plain) {
            Ok(ClientId(text.to_owned()))
        } else {
            Err(IamError::MalformedClientId(text.chars().take(80).collect()))
        }
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ClientId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Whether `text` is a function code, a prefix ending in `.*`, or `*`.
pub(crate) fn is_right(text: &str) -> bool {
    let level = |level: &str| {
        level.starts_with(|first: char| first.is_ascii_lowercase())
            && level
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
    };
    match text.split('.').collect::<Vec<_>>().as_slice() {
        ["*"] => true,
        [cloud, "*"] => level(cloud),
        [cloud, product, "*"] => level(cloud) && level(product),
        [cloud, product, function] => level(cloud) && level(product) && level(function),
        _ => false,
    }
}

/// What a new client is to be.
#[derive(Clone, Debug)]
pub struct NewClient {
    /// Whose system it is.
    pub tenant: TenantId,
    /// Its name.
    pub client_id: ClientId,
    /// Branch region, six digits; `000000` for the whole country.
    pub region: String,
    /// Whom the insurer means by it, for people to read.
    pub user_label: String,
    /// Function codes, prefixes ending in `.*`, or `*`.
    pub rights: Vec<String>,
    /// Networks it may call from (rule F03); empty: anywhere.
    pub sources: Vec<String>,
}

/// An API client as stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Client {
    /// Its name.
    pub client_id: ClientId,
    /// Branch region.
    pub region: String,
    /// Whom the insurer means by it.
    pub user_label: String,
    /// Function codes and patterns.
    pub rights: Vec<String>,
    /// Networks it may call from; empty: anywhere.
    pub sources: Vec<String>,
    /// Since when it is disabled; `None` while it is active.
    pub disabled_at: Option<Timestamp>,
    /// When it was registered.
    pub created_at: Timestamp,
}

/// The digest of a secret and the master key its pepper came from.
#[derive(Clone, Debug)]
pub(crate) struct SecretRow {
    pub(crate) secret_id: Uuid,
    pub(crate) digest: Digest,
    pub(crate) pepper: u32,
}

const PEPPER: &str = "iam.client_secret";

/// The digest under which the text of a secret is stored.
pub(crate) fn digest_of(master: &MasterKey, pepper: u32, text: &str) -> Result<Digest, IamError> {
    let key = IndexKey::new(&master.derive_as(pepper, PEPPER)?);
    Ok(key.index(PEPPER, text.as_bytes()))
}

impl SecretRow {
    fn new(
        secret: &Secret,
        master: &MasterKey,
        ids: &Ids,
        now: Timestamp,
    ) -> Result<SecretRow, IamError> {
        let pepper = master.fingerprint();
        let digest = digest_of(master, pepper, &secret.to_base64url())?;
        Ok(SecretRow { secret_id: ids.next(now), digest, pepper })
    }
}

/// Registers a client with its first secret. Run it with [`RegisterClient::scope`].
#[derive(Debug)]
pub struct RegisterClient {
    pub(crate) client: NewClient,
    pub(crate) secret: SecretRow,
    pub(crate) now: Timestamp,
}

impl RegisterClient {
    /// Checks the client. Its owner is given `secret` as [`Secret::to_base64url`], once; here only
    /// a keyed digest remains.
    pub fn new(
        client: NewClient,
        secret: &Secret,
        master: &MasterKey,
        ids: &Ids,
        now: Timestamp,
    ) -> Result<RegisterClient, IamError> {
        if client.region.len() != 6 || !client.region.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(IamError::MalformedRegion(client.region.chars().take(20).collect()));
        }
        if !(1..=80).contains(&client.user_label.chars().count()) {
            return Err(IamError::MalformedLabel);
        }
        if !(1..=200).contains(&client.rights.len()) {
            return Err(IamError::NoRights);
        }
        if let Some(right) = client.rights.iter().find(|right| !is_right(right)) {
            return Err(IamError::MalformedRight(right.chars().take(80).collect()));
        }
        if let Some(source) = client.sources.iter().find(|text| text.parse::<IpNet>().is_err()) {
            return Err(IamError::MalformedSource(source.chars().take(80).collect()));
        }
        let secret = SecretRow::new(secret, master, ids, now)?;
        Ok(RegisterClient { client, secret, now })
    }

    /// The client's tenant.
    pub fn scope(&self) -> Scope {
        Scope::of(self.client.tenant)
    }
}

impl Command for RegisterClient {
    const NAME: &'static str = "client.register";
    type Out = ();
    type Error = IamError;

    async fn apply(&self, tx: &mut Tx) -> Result<(), IamError> {
        store::insert_client(tx, &self.client, self.now).await?;
        let client = (self.client.tenant, &self.client.client_id);
        store::insert_secret(tx, client, &self.secret, self.now).await
    }
}

/// Gives a client a new secret; the old ones work until `overlap` has passed.
#[derive(Debug)]
pub struct RotateSecret {
    tenant: TenantId,
    client_id: ClientId,
    secret: SecretRow,
    overlap: SignedDuration,
    now: Timestamp,
}

impl RotateSecret {
    /// Prepares the rotation; its owner is given `secret` as [`Secret::to_base64url`], once. Run
    /// it with `Scope::of` the tenant.
    pub fn new(
        (tenant, client_id): (TenantId, ClientId),
        secret: &Secret,
        overlap: SignedDuration,
        (master, ids): (&MasterKey, &Ids),
        now: Timestamp,
    ) -> Result<RotateSecret, IamError> {
        let secret = SecretRow::new(secret, master, ids, now)?;
        Ok(RotateSecret { tenant, client_id, secret, overlap, now })
    }
}

impl Command for RotateSecret {
    const NAME: &'static str = "client.rotate_secret";
    type Out = ();
    type Error = IamError;

    async fn apply(&self, tx: &mut Tx) -> Result<(), IamError> {
        let client = (self.tenant, &self.client_id);
        let until = self.now.checked_add(self.overlap).unwrap_or(Timestamp::MAX);
        store::lock_client(tx, client).await?;
        store::expire_secrets(tx, client, until).await?;
        store::insert_secret(tx, client, &self.secret, self.now).await
    }
}

/// Disables a client or lets it call again. Its tokens are refused within five seconds.
#[derive(Debug)]
pub struct SetClientStatus {
    /// Whose; run with `Scope::of` it.
    pub tenant: TenantId,
    /// Which.
    pub client_id: ClientId,
    /// From when it is disabled; `None` to let it call.
    pub disabled_at: Option<Timestamp>,
}

impl Command for SetClientStatus {
    const NAME: &'static str = "client.set_status";
    type Out = ();
    type Error = IamError;

    async fn apply(&self, tx: &mut Tx) -> Result<(), IamError> {
        store::update_status(tx, (self.tenant, &self.client_id), self.disabled_at).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_right_is_a_code_a_prefix_or_everything() {
        for right in
            ["*", "production.*", "production.fee.*", "production.fee.register", "a1.b_2.c"]
        {
            assert!(is_right(right), "{right:?}");
        }
        for right in
            ["", "production", "production.fee", "*.fee", "a.b.c.d", "a..c", "A.b.c", "a.b.c*"]
        {
            assert!(!is_right(right), "{right:?}");
        }
    }
}

//! Signing keys of access tokens: made, rotated, published.

use std::collections::HashMap;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use crypto::{Context, MasterKey, SigningKey, sha256};
use jiff::{SignedDuration, Timestamp};
use jsonwebtoken::{DecodingKey, EncodingKey};
use pg::{Command, Db, Scope, Tx};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{IamError, store};

/// A new key is published this long before it signs: every server has read it by then.
const LEAD: SignedDuration = SignedDuration::from_secs(10);

/// A retired key is honoured for the life of a token and this much more: a server that was cut off
/// from the database may have signed with it for a while.
const GRACE: SignedDuration = SignedDuration::from_secs(60);

/// A public key as published (RFC 7517, RFC 8037).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct Jwk {
    #[schema(example = "OKP")]
    pub(crate) kty: &'static str,
    #[schema(example = "Ed25519")]
    pub(crate) crv: &'static str,
    #[serde(rename = "use")]
    #[schema(example = "sig")]
    pub(crate) key_use: &'static str,
    #[schema(example = "EdDSA")]
    pub(crate) alg: &'static str,
    /// Thumbprint of the key (RFC 7638).
    pub(crate) kid: String,
    /// The public key in base64url.
    pub(crate) x: String,
}

/// The published set of keys.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct Jwks {
    pub(crate) keys: Vec<Jwk>,
}

/// The keys of one moment: one signs, several verify.
pub(crate) struct KeySet {
    /// Newest first, never empty.
    signing: Vec<Signer>,
    pub(crate) verifying: HashMap<Arc<str>, DecodingKey>,
    pub(crate) published: Jwks,
}

/// A key that signs from an instant on.
pub(crate) struct Signer {
    pub(crate) kid: String,
    pub(crate) key: EncodingKey,
    activated_at: Timestamp,
}

fn context(kid: &str) -> Context<'_> {
    Context { owner: kid.as_bytes(), purpose: "iam.signing_key" }
}

fn jwk(public_key: &[u8]) -> Jwk {
    let x = URL_SAFE_NO_PAD.encode(public_key);
    // RFC 7638 with the members RFC 8037 names: in this order, without blanks.
    let canonical = format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{x}"}}"#);
    let kid = URL_SAFE_NO_PAD.encode(sha256(canonical.as_bytes()).0);
    Jwk { kty: "OKP", crv: "Ed25519", key_use: "sig", alg: "EdDSA", kid, x }
}

/// A fresh key ready to be stored.
struct FreshKey {
    jwk: Jwk,
    public_key: [u8; 32],
    sealed: Vec<u8>,
}

impl FreshKey {
    fn new(master: &MasterKey) -> Result<FreshKey, IamError> {
        let key = SigningKey::generate()?;
        let public_key = key.public_key();
        let jwk = jwk(&public_key);
        let sealed = master.seal(context(&jwk.kid), &key.to_pkcs8()?)?;
        Ok(FreshKey { jwk, public_key, sealed })
    }
}

/// Puts a fresh signing key in place of the one in use, from ten seconds after `now`. Tokens signed
/// before hold until they expire; running servers need no restart.
pub async fn rotate_keys(db: &Db, master: &MasterKey, now: Timestamp) -> Result<(), IamError> {
    let rotate = RotateKeys { fresh: FreshKey::new(master)?, replace: true, now };
    db.run(Scope::nobody(), &rotate).await
}

struct RotateKeys {
    fresh: FreshKey,
    /// Otherwise only where there is none.
    replace: bool,
    now: Timestamp,
}

impl Command for RotateKeys {
    const NAME: &'static str = "iam.rotate_keys";
    type Out = ();
    type Error = IamError;

    async fn apply(&self, tx: &mut Tx) -> Result<(), IamError> {
        let mut activated_at = self.now;
        if self.replace {
            activated_at = self.now.checked_add(LEAD).unwrap_or(self.now);
            store::retire_signing_key(tx, activated_at).await?;
        }
        let (public_key, sealed) = (&self.fresh.public_key[..], &self.fresh.sealed[..]);
        let kid = &self.fresh.jwk.kid;
        let times = (self.now, activated_at);
        store::insert_signing_key(tx, kid, (public_key, sealed), times).await
    }
}

impl KeySet {
    /// Reads the keys; makes the first one of a new installation.
    pub(crate) async fn load(
        db: &Db,
        master: &MasterKey,
        token_life: SignedDuration,
        now: Timestamp,
    ) -> Result<KeySet, IamError> {
        let honoured = token_life.checked_add(GRACE).unwrap_or(SignedDuration::MAX);
        let since = now.checked_sub(honoured).unwrap_or(Timestamp::MIN);
        let mut rows = store::signing_keys(db, since).await?;
        if rows.iter().all(|row| row.retired_at.is_some()) {
            let first = RotateKeys { fresh: FreshKey::new(master)?, replace: false, now };
            db.run(Scope::nobody(), &first).await?;
            rows = store::signing_keys(db, since).await?;
        }
        let mut signing = Vec::new();
        let mut verifying = HashMap::new();
        let mut published = Jwks::default();
        for row in rows {
            let key = master.open(context(&row.kid), &row.private_key)?;
            signing.push(Signer {
                kid: row.kid.clone(),
                key: EncodingKey::from_ed_der(&key),
                activated_at: row.activated_at.to_jiff(),
            });
            published.keys.push(jwk(&row.public_key));
            verifying.insert(row.kid.into(), DecodingKey::from_ed_der(&row.public_key));
        }
        if signing.is_empty() {
            Err(IamError::Corrupt)
        } else {
            Ok(KeySet { signing, verifying, published })
        }
    }

    /// The key that signs at `now`: the newest activated one; the oldest when the clock was put
    /// back before all of them.
    pub(crate) fn signer(&self, now: Timestamp) -> &Signer {
        let active = self.signing.iter().find(|signer| signer.activated_at <= now);
        active.unwrap_or(&self.signing[self.signing.len() - 1])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 8037 appendix A.3.
    #[test]
    fn a_key_is_named_by_its_published_thumbprint() {
        let public_key = URL_SAFE_NO_PAD.decode("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo");
        let jwk = jwk(&public_key.unwrap());
        assert_eq!(jwk.kid, "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
    }
}

//! Data and index keys of tenants, unwrapped once and kept in memory.

use std::collections::HashMap;
use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, RwLock};
use std::time::Duration;

use crypto::{Context, CryptoError, Digest, IndexKey, KeyRing, MasterKey, Secret};
use jiff::Timestamp;
use kernel::TenantId;
use pg::{Command, Db, Scope, Tx};
use tokio::sync::OnceCell;
use tokio::time::Instant;

use crate::{TenancyError, store};

/// How long a tenant's keys are used before they are read again: after a rotation a server may
/// seal with the previous key for so long, which harms nothing.
const FRESH_FOR: Duration = Duration::from_secs(60);

/// What a stored key is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum KeyUse {
    Data,
    Index,
}

impl KeyUse {
    pub(crate) fn name(self) -> &'static str {
        match self {
            KeyUse::Data => "data",
            KeyUse::Index => "index",
        }
    }
}

/// The purpose a tenant's key is wrapped for; its owner is the tenant.
pub(crate) fn wrapping_purpose(key_use: KeyUse) -> &'static str {
    match key_use {
        KeyUse::Data => "tenancy.data_key",
        KeyUse::Index => "tenancy.index_key",
    }
}

const MARKET: Context<'static> = Context { owner: b"market", purpose: "tenancy.index_key" };

/// The keys of one tenant, ready for use without I/O.
#[derive(Debug)]
pub struct TenantKey {
    ring: KeyRing,
    index: IndexKey,
}

impl TenantKey {
    /// Seals personal data for one `purpose`, a word such as `party.name`.
    pub fn seal(&self, purpose: &str, plaintext: &[u8]) -> Result<Vec<u8>, CryptoError> {
        self.ring.seal(purpose, plaintext)
    }

    /// Opens what was sealed for the same tenant and purpose. [`CryptoError::UnknownKey`] when it
    /// was sealed with a newer key than this: use [`TenantKeys::open`].
    pub fn open(&self, purpose: &str, sealed: &[u8]) -> Result<Vec<u8>, CryptoError> {
        self.ring.open(purpose, sealed)
    }

    /// The blind index of a normalised value within this tenant.
    pub fn index(&self, purpose: &str, value: &[u8]) -> Digest {
        self.index.index(purpose, value)
    }
}

/// Gives every tenant its keys. Cheap to share; one per process.
pub struct TenantKeys {
    db: Db,
    master: Arc<MasterKey>,
    held: RwLock<HashMap<TenantId, (Arc<TenantKey>, Instant)>>,
    market: OnceCell<IndexKey>,
}

impl TenantKeys {
    /// Nothing is read until a tenant's keys are asked for.
    pub fn new(db: Db, master: Arc<MasterKey>) -> TenantKeys {
        TenantKeys { db, master, held: RwLock::default(), market: OnceCell::new() }
    }

    /// The keys of `tenant`, from memory when they were read within the last minute.
    ///
    /// When they cannot be read again the ones at hand serve on.
    pub async fn of(&self, tenant: TenantId) -> Result<Arc<TenantKey>, TenancyError> {
        match self.at_hand(tenant) {
            Some((key, read_at)) if read_at.elapsed() < FRESH_FOR => Ok(key),
            Some((key, _)) => Ok(self.read(tenant).await.unwrap_or(key)),
            None => self.read(tenant).await,
        }
    }

    /// Opens what was sealed for `tenant`, reading its keys anew when they are newer than ours.
    pub async fn open(
        &self,
        tenant: TenantId,
        purpose: &str,
        sealed: &[u8],
    ) -> Result<Vec<u8>, TenancyError> {
        match self.of(tenant).await?.open(purpose, sealed) {
            Err(CryptoError::UnknownKey(_)) => {
                Ok(self.read(tenant).await?.open(purpose, sealed)?)
            }
            opened => Ok(opened?),
        }
    }

    /// The key of indexes all insurers share (plates, for example). Made at first use.
    pub async fn market_index(&self, now: Timestamp) -> Result<&IndexKey, TenancyError> {
        if let Some(key) = self.market.get() {
            return Ok(key);
        }
        let made = self.market.get_or_try_init(|| async {
            let fresh = self.master.wrap(MARKET, &Secret::generate()?)?;
            let mut tx = self.db.begin(Scope::nobody()).await?;
            let wrapped = store::market_index_key(&mut tx, &fresh, now).await?;
            tx.commit().await?;
            Ok(IndexKey::new(&self.master.unwrap(MARKET, &wrapped)?))
        });
        // As in `read`.
        Box::pin(made).await
    }

    /// Gives `tenant` a new data key; what the old ones sealed still opens.
    pub async fn rotate(&self, tenant: TenantId, now: Timestamp) -> Result<u32, TenancyError> {
        let rotate = RotateDataKey { tenant, master: &self.master, now };
        let number = self.db.run(Scope::of(tenant), &rotate).await?;
        self.read(tenant).await?;
        Ok(number)
    }

    /// Wraps every key of `tenant`, and the market's, under the newest master key.
    pub async fn wrap_anew(&self, tenant: TenantId) -> Result<(), TenancyError> {
        let mut tx = self.db.begin(Scope::of(tenant)).await?;
        for key_use in [KeyUse::Data, KeyUse::Index] {
            let context =
                Context { owner: tenant.0.as_bytes(), purpose: wrapping_purpose(key_use) };
            for row in store::keys(&mut tx, tenant, key_use).await? {
                let secret = self.master.unwrap(context, &row.wrapped)?;
                let wrapped = self.master.wrap(context, &secret)?;
                let key = (key_use, row.key_number);
                store::update_wrapping(&mut tx, tenant, key, &wrapped).await?;
            }
        }
        tx.commit().await?;
        Ok(())
    }

    /// Wraps the market's index key under the newest master key.
    pub async fn wrap_market_anew(&self, now: Timestamp) -> Result<(), TenancyError> {
        let mut tx = self.db.begin(Scope::nobody()).await?;
        let fresh = self.master.wrap(MARKET, &Secret::generate()?)?;
        let wrapped = store::market_index_key(&mut tx, &fresh, now).await?;
        let secret = self.master.unwrap(MARKET, &wrapped)?;
        store::update_market_wrapping(&mut tx, &self.master.wrap(MARKET, &secret)?).await?;
        tx.commit().await?;
        Ok(())
    }

    fn at_hand(&self, tenant: TenantId) -> Option<(Arc<TenantKey>, Instant)> {
        let held = self.held.read().unwrap_or_else(|poisoned| poisoned.into_inner());
        held.get(&tenant).cloned()
    }

    /// Boxed: rare, and of kilobytes that every future around it would have to hold.
    fn read(
        &self,
        tenant: TenantId,
    ) -> Pin<Box<impl Future<Output = Result<Arc<TenantKey>, TenancyError>> + Send>> {
        Box::pin(async move {
            let mut tx = self.db.begin(Scope::of(tenant)).await?;
            let data = self.unwrap_all(&mut tx, tenant, KeyUse::Data).await?;
            let index = self.unwrap_all(&mut tx, tenant, KeyUse::Index).await?;
            tx.rollback().await?;
            let (_, index) = index.first().ok_or(TenancyError::NotFound(tenant))?;
            let index = IndexKey::new(index);
            let key = Arc::new(TenantKey { ring: KeyRing::new(tenant.0.as_bytes(), data)?, index });
            let mut held = self.held.write().unwrap_or_else(|poisoned| poisoned.into_inner());
            held.insert(tenant, (key.clone(), Instant::now()));
            Ok(key)
        })
    }

    async fn unwrap_all(
        &self,
        tx: &mut Tx,
        tenant: TenantId,
        key_use: KeyUse,
    ) -> Result<Vec<(u32, Secret)>, TenancyError> {
        let context = Context { owner: tenant.0.as_bytes(), purpose: wrapping_purpose(key_use) };
        let rows = store::keys(tx, tenant, key_use).await?;
        let keys = rows.iter().map(|row| {
            let number = u32::try_from(row.key_number).map_err(|_| TenancyError::Corrupt)?;
            Ok((number, self.master.unwrap(context, &row.wrapped)?))
        });
        keys.collect()
    }
}

impl fmt::Debug for TenantKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TenantKeys").field("master", &self.master).finish_non_exhaustive()
    }
}

struct RotateDataKey<'a> {
    tenant: TenantId,
    master: &'a MasterKey,
    now: Timestamp,
}

impl Command for RotateDataKey<'_> {
    const NAME: &'static str = "tenant.rotate_data_key";
    type Out = u32;
    type Error = TenancyError;

    /// Two rotations at once take the same number and the key refuses the second: rotated once is
    /// what both wanted.
    async fn apply(&self, tx: &mut Tx) -> Result<u32, TenancyError> {
        let keys = store::keys(tx, self.tenant, KeyUse::Data).await?;
        let last = keys.last().ok_or(TenancyError::NotFound(self.tenant))?;
        let number = last.key_number + 1;
        let context =
            Context { owner: self.tenant.0.as_bytes(), purpose: wrapping_purpose(KeyUse::Data) };
        let wrapped = self.master.wrap(context, &Secret::generate()?)?;
        store::insert_key(tx, self.tenant, (KeyUse::Data, number), &wrapped, self.now).await?;
        u32::try_from(number).map_err(|_| TenancyError::Corrupt)
    }
}

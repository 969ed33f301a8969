//! Sealing personal data: parties with the tenant's key; answers of outside systems, which belong to
//! no insurer, and what two insurers must read, with the operator's.

use std::sync::Arc;

use base_http::json;
use crypto::IndexKey;
use jiff::Timestamp;
use kernel::TenantId;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tenancy::TenantKeys;

use crate::error::ProductionError;

/// Parties of a quote, a policy version or an endorsement.
pub const PARTIES: &str = "production.parties";
/// Payer of a registered payment.
pub const PAYER: &str = "production.payer";
/// Message of a claim step.
pub const CLAIM: &str = "production.claim";
/// What a customer says and shows in a dispute, for the insurers of both sides.
pub const DISPUTE: &str = "production.dispute";
/// Kept answer of an outside system.
pub const OUTSIDE: &str = "production.outside";
/// Blind index of an owner, shared by the market so that a change of owner shows.
pub const OWNER_INDEX: &str = "production.owner";

/// Room for the parties of a quote as JSON.
const PLAIN_BYTES: usize = 1 << 10;

/// Seals and opens; cheap to clone.
#[derive(Clone)]
pub struct Sealer {
    keys: Arc<TenantKeys>,
    operator: TenantId,
}

impl Sealer {
    /// Seals tenants' data with their keys and the platform's own with those of `operator`.
    pub fn new(keys: Arc<TenantKeys>, operator: TenantId) -> Sealer {
        Sealer { keys, operator }
    }

    /// Seals a tenant's personal data.
    pub async fn seal(
        &self,
        tenant: TenantId,
        purpose: &str,
        value: &(impl Serialize + Sync),
    ) -> Result<Vec<u8>, ProductionError> {
        let plain = json::written(value, PLAIN_BYTES)
            .map_err(|_| ProductionError::Corrupt("personal data"))?;
        Ok(self.keys.of(tenant).await?.seal(purpose, &plain)?)
    }

    /// Seals JSON a tenant sent, byte for byte.
    pub async fn seal_json(
        &self,
        tenant: TenantId,
        purpose: &str,
        json: &[u8],
    ) -> Result<Vec<u8>, ProductionError> {
        Ok(self.keys.of(tenant).await?.seal(purpose, json)?)
    }

    /// The key marks of cases are digested with: one for the market, so that insurers meet.
    pub async fn market_key(&self, now: Timestamp) -> Result<&IndexKey, ProductionError> {
        Ok(self.keys.market_index(now).await?)
    }

    /// Opens a tenant's personal data.
    pub async fn open<T: DeserializeOwned>(
        &self,
        tenant: TenantId,
        purpose: &str,
        sealed: &[u8],
    ) -> Result<T, ProductionError> {
        let plain = self.keys.open(tenant, purpose, sealed).await?;
        serde_json::from_slice(&plain).map_err(|_| ProductionError::Corrupt("personal data"))
    }

    /// Seals a piece of a file that may hold a tenant's personal data.
    pub async fn seal_piece(
        &self,
        tenant: TenantId,
        purpose: &str,
        piece: &[u8],
    ) -> Result<Vec<u8>, ProductionError> {
        Ok(self.keys.of(tenant).await?.seal(purpose, piece)?)
    }

    /// Opens a piece of a file.
    pub async fn open_piece(
        &self,
        tenant: TenantId,
        purpose: &str,
        sealed: &[u8],
    ) -> Result<Vec<u8>, ProductionError> {
        Ok(self.keys.open(tenant, purpose, sealed).await?)
    }

    /// Seals what belongs to the platform.
    pub async fn seal_own(
        &self,
        value: &(impl Serialize + Sync),
    ) -> Result<Vec<u8>, ProductionError> {
        self.seal(self.operator, OUTSIDE, value).await
    }

    /// Opens what belongs to the platform.
    pub async fn open_own<T: DeserializeOwned>(&self, sealed: &[u8]) -> Result<T, ProductionError> {
        self.open(self.operator, OUTSIDE, sealed).await
    }

    /// Seals what the insurers of both sides of a matter may read.
    pub async fn seal_shared(
        &self,
        purpose: &str,
        value: &(impl Serialize + Sync),
    ) -> Result<Vec<u8>, ProductionError> {
        self.seal(self.operator, purpose, value).await
    }

    /// Opens what the insurers of both sides of a matter may read; who they are is for the caller to
    /// have made sure of.
    pub async fn open_shared<T: DeserializeOwned>(
        &self,
        purpose: &str,
        sealed: &[u8],
    ) -> Result<T, ProductionError> {
        self.open(self.operator, purpose, sealed).await
    }

    /// Blind index of an owner: certificate number where there is one, name otherwise.
    pub async fn owner_index(
        &self,
        owner: &str,
        now: Timestamp,
    ) -> Result<Vec<u8>, ProductionError> {
        let index = self.keys.market_index(now).await?;
        Ok(index.index(OWNER_INDEX, owner.as_bytes()).0.to_vec())
    }
}

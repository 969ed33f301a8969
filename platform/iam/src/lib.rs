//! Who is calling: API clients and their secrets, access tokens, and the keys that sign them.
//!
//! Always true here: a secret is stored only as a keyed digest and shown once; an access token is
//! a JWT (RFC 9068) signed with Ed25519 that names its tenant, branch region and rights; a
//! disabled client, a suspended tenant and a rotated key take effect on every server within five
//! seconds. What a tenant subscribed to is `catalogue`'s.

mod authority;
mod bounded;
mod claims;
mod client;
mod keys;
mod metadata;
mod store;
mod throttle;
mod token;
mod verify;

pub use authority::{Authority, Settings, document, routes};
pub use client::{
    Client, ClientId, NewClient, RegisterClient, RotateSecret, SetClientStatus, clients,
};
pub use keys::rotate_keys;
pub use verify::AuthError;

/// This crate's schema, run by `pg::migrate`.
pub static MIGRATIONS: sqlx::migrate::Migrator = sqlx::migrate!();

/// Why identity management refused.
#[derive(Debug, thiserror::Error)]
pub enum IamError {
    /// 3 to 80 of letters, digits, dot, hyphen and underscore.
    #[error("{0:?} is no client id: 3 to 80 letters, digits, dots, hyphens or underscores")]
    MalformedClientId(String),
    /// Not six digits.
    #[error("{0:?} is not a region code of six digits")]
    MalformedRegion(String),
    /// Empty or longer than 80 characters.
    #[error("a user label has 1 to 80 characters")]
    MalformedLabel,
    /// Not a function code, a prefix ending in `.*`, or `*`.
    #[error("{0:?} is no function code, prefix ending in .* or *")]
    MalformedRight(String),
    /// Without any right a client could do nothing.
    #[error("a client needs 1 to 200 rights")]
    NoRights,
    /// Not an IP network.
    #[error("{0:?} is no IP network such as 203.0.113.0/24")]
    MalformedSource(String),
    /// The name is taken, perhaps by another tenant.
    #[error("client id {0} is taken")]
    ClientIdTaken(ClientId),
    /// No such client of this tenant.
    #[error("no client {0}")]
    NotFound(ClientId),
    /// A key or secret cannot be made, sealed or opened.
    #[error("keys cannot be used")]
    Keys(#[from] crypto::CryptoError),
    /// A token cannot be signed.
    #[error("a token cannot be signed")]
    Signing(#[from] jsonwebtoken::errors::Error),
    /// The register of tenants failed.
    #[error("tenants cannot be read")]
    Tenancy(#[from] tenancy::TenancyError),
    /// What is stored is in no known form.
    #[error("stored identity is in no known form")]
    Corrupt,
    /// The database failed.
    #[error("iam store failed")]
    Store(#[from] sqlx::Error),
}

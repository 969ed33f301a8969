//! Cryptography behind one interface: sealing of personal data, blind indexes, digests, signing.
//!
//! Every stored format opens with an [`Algorithm`] tag, so that the national algorithms
//! (SM2/SM3/SM4, 国密) can stand beside the international ones and a ciphertext always says how it
//! was made. All primitives come from AWS-LC, which rustls links anyway; nothing here computes a
//! cipher by hand.
//!
//! The chain of keys: a [`MasterKey`] (file or environment) wraps [`Secret`]s; a wrapped secret
//! stored per tenant becomes a [`KeyRing`] that seals and opens, or an [`IndexKey`] that makes
//! values findable without storing them.

mod digest;
mod keyring;
mod master;
mod seal;
mod secret;
mod signing;

pub use digest::{Digest, IndexKey, hmac_sha256, same, sha256};
pub use keyring::KeyRing;
pub use master::MasterKey;
pub use seal::Context;
pub use secret::Secret;
pub use signing::{SigningKey, verify_signature};

/// Which family of algorithms made a stored value; the first byte of every sealed text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Algorithm {
    /// AES-256-GCM with a random 96-bit nonce and a 128-bit tag.
    Aes256Gcm = 1,
}

impl Algorithm {
    /// The algorithm a stored tag names.
    pub fn of_tag(tag: u8) -> Result<Algorithm, CryptoError> {
        match tag {
            1 => Ok(Algorithm::Aes256Gcm),
            other => Err(CryptoError::UnknownAlgorithm(other)),
        }
    }

    /// The byte that names it in stored values.
    pub fn tag(self) -> u8 {
        self as u8
    }
}

/// Why a cryptographic operation failed. Says nothing about keys or plaintexts.
#[derive(Debug, thiserror::Error)]
pub enum CryptoError {
    /// Sealed by an algorithm this release does not know.
    #[error("sealed text uses unknown algorithm {0}")]
    UnknownAlgorithm(u8),
    /// Sealed under a key that is not in the ring: reload the ring, or the key is lost.
    #[error("sealed text uses key {0}, which is not at hand")]
    UnknownKey(u32),
    /// Too short to be a sealed text.
    #[error("sealed text is cut short")]
    Truncated,
    /// Changed since it was sealed, or opened for another owner or purpose.
    #[error("sealed text does not belong to this owner and purpose, or was changed")]
    Refused,
    /// Not 32 bytes in hexadecimal or base64.
    #[error("key is not 32 bytes in hexadecimal or base64")]
    MalformedKey,
    /// Not an Ed25519 key in PKCS#8.
    #[error("signing key is not an Ed25519 key in PKCS#8")]
    MalformedSigningKey,
    /// The key file cannot be read.
    #[error("cannot read key file {path}")]
    KeyFile {
        /// The file that was asked for.
        path: String,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// The operating system gave no random bytes.
    #[error("the operating system gives no random bytes")]
    NoRandomness,
}

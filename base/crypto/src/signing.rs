//! Ed25519 signatures (RFC 8032).

use std::fmt;

use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use zeroize::Zeroizing;

use crate::{CryptoError, Secret};

/// A private Ed25519 key.
pub struct SigningKey(Ed25519KeyPair);

impl SigningKey {
    /// A fresh one.
    pub fn generate() -> Result<SigningKey, CryptoError> {
        Ed25519KeyPair::generate().map(SigningKey).map_err(|_| CryptoError::NoRandomness)
    }

    /// The key a secret makes: the same secret, the same key.
    pub fn from_seed(seed: &Secret) -> Result<SigningKey, CryptoError> {
        let pair = Ed25519KeyPair::from_seed_unchecked(seed.bytes());
        pair.map(SigningKey).map_err(|_| CryptoError::MalformedSigningKey)
    }

    /// From PKCS#8 DER.
    pub fn from_pkcs8(der: &[u8]) -> Result<SigningKey, CryptoError> {
        let pair = Ed25519KeyPair::from_pkcs8(der);
        pair.map(SigningKey).map_err(|_| CryptoError::MalformedSigningKey)
    }

    /// PKCS#8 DER, the form token libraries read and the form that is sealed and stored.
    pub fn to_pkcs8(&self) -> Result<Zeroizing<Vec<u8>>, CryptoError> {
        let document = self.0.to_pkcs8().map_err(|_| CryptoError::MalformedSigningKey)?;
        Ok(Zeroizing::new(document.as_ref().to_vec()))
    }

    /// The public key, 32 bytes.
    pub fn public_key(&self) -> [u8; 32] {
        crate::digest::to_array(self.0.public_key().as_ref())
    }

    /// The signature of `message`, 64 bytes.
    pub fn sign(&self, message: &[u8]) -> Vec<u8> {
        self.0.sign(message).as_ref().to_vec()
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({})", hex::encode(self.public_key()))
    }
}

/// Whether `signature` over `message` was made with the private half of `public_key`.
pub fn verify_signature(public_key: &[u8; 32], message: &[u8], signature: &[u8]) -> bool {
    UnparsedPublicKey::new(&ED25519, public_key).verify(message, signature).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 8032 section 7.1, test 2: secret key, public key, message 72, signature.
    #[test]
    fn ed25519_gives_the_published_signature() {
        let seed = hex::decode("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb")
            .unwrap();
        // PKCS#8 version 1 around a seed: RFC 8410 section 7.
        let mut der = hex::decode("302e020100300506032b657004220420").unwrap();
        der.extend_from_slice(&seed);
        let key = SigningKey::from_pkcs8(&der).unwrap();
        assert_eq!(
            hex::encode(key.public_key()),
            "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c"
        );
        assert_eq!(
            hex::encode(key.sign(&[0x72])),
            "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da\
             085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"
        );
    }

    /// RFC 8032 section 7.1, test 2 again, from its seed.
    #[test]
    fn a_seed_makes_the_published_key() {
        let seed = "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb";
        let key = SigningKey::from_seed(&Secret::parse(seed).unwrap()).unwrap();
        assert_eq!(
            hex::encode(key.public_key()),
            "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c"
        );
    }

    #[test]
    fn a_stored_key_signs_as_before() {
        let key = SigningKey::generate().unwrap();
        let stored = key.to_pkcs8().unwrap();
        let read = SigningKey::from_pkcs8(&stored).unwrap();
        let signature = read.sign(b"message");
        assert!(verify_signature(&key.public_key(), b"message", &signature));
        assert!(!verify_signature(&key.public_key(), b"massage", &signature));
        assert!(!verify_signature(&key.public_key(), b"message", &signature[..63]));
        assert!(SigningKey::from_pkcs8(b"nonsense").is_err());
    }
}

//! 256 bits of key material that is never printed and is wiped when dropped.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use zeroize::Zeroizing;

use crate::CryptoError;

/// 32 secret bytes. `Debug` hides them, memory is wiped on drop.
#[derive(Clone)]
pub struct Secret(Zeroizing<[u8; 32]>);

impl Secret {
    /// Fresh from the operating system.
    pub fn generate() -> Result<Secret, CryptoError> {
        let mut bytes = Zeroizing::new([0; 32]);
        aws_lc_rs::rand::fill(bytes.as_mut()).map_err(|_| CryptoError::NoRandomness)?;
        Ok(Secret(bytes))
    }

    /// From bytes at hand, for known-answer tests and unwrapped keys.
    pub fn from_bytes(bytes: [u8; 32]) -> Secret {
        Secret(Zeroizing::new(bytes))
    }

    /// From 64 hexadecimal digits or base64 (44 or, without padding, 43 characters); surrounding
    /// blanks are ignored.
    pub fn parse(text: &str) -> Result<Secret, CryptoError> {
        let text = text.trim();
        let bytes = if text.len() == 64 {
            hex::decode(text).ok()
        } else if text.contains(['+', '/', '=']) {
            STANDARD.decode(text).ok()
        } else {
            URL_SAFE_NO_PAD.decode(text).ok()
        };
        let bytes = Zeroizing::new(bytes.ok_or(CryptoError::MalformedKey)?);
        let bytes = <[u8; 32]>::try_from(bytes.as_slice());
        bytes.map(Secret::from_bytes).map_err(|_| CryptoError::MalformedKey)
    }

    /// 64 hexadecimal digits, for a key file or for a secret shown once to its owner.
    pub fn to_hex(&self) -> Zeroizing<String> {
        Zeroizing::new(hex::encode(self.0.as_ref()))
    }

    /// 43 characters of URL-safe base64, for a client secret shown once to its owner.
    pub fn to_base64url(&self) -> Zeroizing<String> {
        Zeroizing::new(URL_SAFE_NO_PAD.encode(self.0.as_ref()))
    }

    pub(crate) fn bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(hidden)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_read_in_both_notations_and_never_printed() {
        let secret = Secret::from_bytes([0xfb; 32]);
        let base64 = STANDARD.encode([0xfb; 32]);
        for text in [secret.to_hex().as_str(), secret.to_base64url().as_str(), &base64] {
            assert_eq!(Secret::parse(&format!(" {text}\n")).unwrap().bytes(), &[0xfb; 32]);
        }
        assert_eq!(format!("{secret:?}"), "Secret(hidden)");
        for text in ["", "00", &"g".repeat(64), &"0".repeat(63), &"A".repeat(44)] {
            assert!(Secret::parse(text).is_err(), "{text:?}");
        }
    }
}

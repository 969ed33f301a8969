//! The data keys of one owner: the newest seals, all of them open.

use std::fmt;

use crate::seal::{SealingKey, key_number};
use crate::{Context, CryptoError, Secret};

/// Data keys of one owner, by number.
pub struct KeyRing {
    owner: Vec<u8>,
    /// Ascending by number, never empty.
    keys: Vec<SealingKey>,
}

impl KeyRing {
    /// A ring for `owner` (usually a tenant identifier) over its numbered keys. The highest
    /// number seals. [`CryptoError::UnknownKey`] without any key.
    pub fn new(
        owner: &[u8],
        keys: impl IntoIterator<Item = (u32, Secret)>,
    ) -> Result<KeyRing, CryptoError> {
        let mut keys: Vec<SealingKey> =
            keys.into_iter().map(|(number, secret)| SealingKey::new(number, &secret)).collect();
        keys.sort_by_key(SealingKey::number);
        if keys.is_empty() {
            return Err(CryptoError::UnknownKey(0));
        }
        Ok(KeyRing { owner: owner.to_vec(), keys })
    }

    /// The number of the key that seals now.
    pub fn current(&self) -> u32 {
        self.keys.last().map_or(0, SealingKey::number)
    }

    /// Seals `plaintext` for `purpose` under the newest key.
    pub fn seal(&self, purpose: &str, plaintext: &[u8]) -> Result<Vec<u8>, CryptoError> {
        let key = self.keys.last().ok_or(CryptoError::UnknownKey(0))?;
        key.seal(Context { owner: &self.owner, purpose }, plaintext)
    }

    /// Opens what was sealed for the same owner and purpose. [`CryptoError::UnknownKey`] when the
    /// ring is older than the key: load it anew and try once more.
    pub fn open(&self, purpose: &str, sealed: &[u8]) -> Result<Vec<u8>, CryptoError> {
        let number = key_number(sealed)?;
        let key = self.keys.iter().rev().find(|key| key.number() == number);
        let key = key.ok_or(CryptoError::UnknownKey(number))?;
        key.open(Context { owner: &self.owner, purpose }, sealed)
    }
}

impl fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let numbers: Vec<u32> = self.keys.iter().map(SealingKey::number).collect();
        f.debug_struct("KeyRing").field("keys", &numbers).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_of_an_older_key_open_after_rotation_and_new_ones_use_the_newest() {
        let key = |number: u8| (u32::from(number), Secret::from_bytes([number; 32]));
        let before = KeyRing::new(b"tenant", [key(1)]).unwrap();
        let old = before.seal("party.name", "张三".as_bytes()).unwrap();
        let after = KeyRing::new(b"tenant", [key(2), key(1)]).unwrap();
        let new = after.seal("party.name", "李四".as_bytes()).unwrap();
        assert_eq!(after.current(), 2);
        assert_eq!(after.open("party.name", &old).unwrap(), "张三".as_bytes());
        assert_eq!(after.open("party.name", &new).unwrap(), "李四".as_bytes());
        assert!(matches!(before.open("party.name", &new), Err(CryptoError::UnknownKey(2))));
        let other = KeyRing::new(b"other", [key(1)]).unwrap();
        assert!(matches!(other.open("party.name", &old), Err(CryptoError::Refused)));
    }

    #[test]
    fn a_ring_has_a_key() {
        assert!(KeyRing::new(b"tenant", []).is_err());
    }
}

//! One sealed text: its layout and the cipher.
//!
//! ```text
//! 1 byte   algorithm (1 = AES-256-GCM)
//! 4 bytes  number of the key, big endian
//! 12 bytes nonce, random
//! n bytes  ciphertext
//! 16 bytes tag
//! ```
//!
//! The tag also covers the header and the [`Context`], so a text moved to another tenant's row or
//! another column does not open. Nonces are random: rotate a key before it has sealed 2^32 texts
//! (NIST SP 800-38D, 8.3).

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};

use crate::{Algorithm, CryptoError, Secret};

const HEADER_LEN: usize = 1 + 4 + NONCE_LEN;

/// Whose text it is and what for: `purpose` is a word of the code, such as `party.id_number`.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// The owner, usually the sixteen bytes of a tenant identifier.
    pub owner: &'a [u8],
    /// The column or use the text was sealed for.
    pub purpose: &'a str,
}

impl Context<'_> {
    /// The header and both parts, each with its length before it: no two contexts read the same.
    fn associated_data(self, header: &[u8]) -> Vec<u8> {
        let mut data = Vec::with_capacity(32 + self.owner.len() + self.purpose.len());
        for part in [header, self.owner, self.purpose.as_bytes()] {
            data.extend_from_slice(&(part.len() as u64).to_be_bytes());
            data.extend_from_slice(part);
        }
        data
    }
}

/// An AES-256 key ready for use, with the number that stands in the header of what it seals.
pub(crate) struct SealingKey {
    number: u32,
    key: LessSafeKey,
}

impl SealingKey {
    pub(crate) fn new(number: u32, secret: &Secret) -> SealingKey {
        let key = UnboundKey::new(&AES_256_GCM, secret.bytes())
            .expect("a secret is 32 bytes, the length of an AES-256 key");
        SealingKey { number, key: LessSafeKey::new(key) }
    }

    pub(crate) fn number(&self) -> u32 {
        self.number
    }

    pub(crate) fn seal(
        &self,
        context: Context<'_>,
        plaintext: &[u8],
    ) -> Result<Vec<u8>, CryptoError> {
        let mut nonce = [0; NONCE_LEN];
        aws_lc_rs::rand::fill(&mut nonce).map_err(|_| CryptoError::NoRandomness)?;
        self.seal_with_nonce(context, nonce, plaintext)
    }

    fn seal_with_nonce(
        &self,
        context: Context<'_>,
        nonce: [u8; NONCE_LEN],
        plaintext: &[u8],
    ) -> Result<Vec<u8>, CryptoError> {
        let mut sealed = Vec::with_capacity(HEADER_LEN + plaintext.len() + AES_256_GCM.tag_len());
        sealed.push(Algorithm::Aes256Gcm.tag());
        sealed.extend_from_slice(&self.number.to_be_bytes());
        sealed.extend_from_slice(&nonce);
        let associated = Aad::from(context.associated_data(&sealed));
        sealed.extend_from_slice(plaintext);
        let nonce = Nonce::assume_unique_for_key(nonce);
        let tag = self
            .key
            .seal_in_place_separate_tag(nonce, associated, &mut sealed[HEADER_LEN..])
            .map_err(|_| CryptoError::Refused)?;
        sealed.extend_from_slice(tag.as_ref());
        Ok(sealed)
    }

    /// Opens what [`SealingKey::seal`] made under the same context; the caller has picked the key
    /// by [`key_number`].
    pub(crate) fn open(&self, context: Context<'_>, sealed: &[u8]) -> Result<Vec<u8>, CryptoError> {
        let (header, ciphertext) = split(sealed)?;
        let nonce = Nonce::try_assume_unique_for_key(&header[HEADER_LEN - NONCE_LEN..])
            .map_err(|_| CryptoError::Truncated)?;
        let associated = Aad::from(context.associated_data(header));
        let mut plaintext = ciphertext.to_vec();
        let opened = self.key.open_in_place(nonce, associated, &mut plaintext);
        let length = opened.map_err(|_| CryptoError::Refused)?.len();
        plaintext.truncate(length);
        Ok(plaintext)
    }
}

/// The number of the key that sealed `sealed`. Refuses algorithms this release does not know.
pub(crate) fn key_number(sealed: &[u8]) -> Result<u32, CryptoError> {
    let (header, _) = split(sealed)?;
    Ok(u32::from_be_bytes([header[1], header[2], header[3], header[4]]))
}

fn split(sealed: &[u8]) -> Result<(&[u8], &[u8]), CryptoError> {
    let tag = *sealed.first().ok_or(CryptoError::Truncated)?;
    match Algorithm::of_tag(tag)? {
        Algorithm::Aes256Gcm if sealed.len() < HEADER_LEN + AES_256_GCM.tag_len() => {
            Err(CryptoError::Truncated)
        }
        Algorithm::Aes256Gcm => Ok(sealed.split_at(HEADER_LEN)),
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::{any, prop_assert, prop_assert_eq, proptest};

    use super::*;

    fn bytes<const N: usize>(text: &str) -> [u8; N] {
        hex::decode(text).unwrap().try_into().unwrap()
    }

    /// Test cases 14 and 16 of McGrew and Viega, "The Galois/Counter Mode of Operation", which
    /// NIST SP 800-38D cites: the cipher underneath is AES-256-GCM and nothing else.
    #[test]
    fn aes_256_gcm_gives_the_published_ciphertexts() {
        let seal = |key: [u8; 32], nonce: [u8; 12], associated: &[u8], plaintext: &[u8]| {
            let mut text = plaintext.to_vec();
            SealingKey::new(0, &Secret::from_bytes(key))
                .key
                .seal_in_place_append_tag(
                    Nonce::assume_unique_for_key(nonce),
                    Aad::from(associated),
                    &mut text,
                )
                .unwrap();
            hex::encode(text)
        };
        assert_eq!(
            seal([0; 32], [0; 12], b"", &[0; 16]),
            "cea7403d4d606b6e074ec5d3baf39d18d0d1c8a799996bf0265b98b5d48ab919"
        );
        let key = bytes("feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308");
        let associated: [u8; 20] = bytes("feedfacedeadbeeffeedfacedeadbeefabaddad2");
        let plaintext: [u8; 60] = bytes(
            "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72\
             1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39",
        );
        assert_eq!(
            seal(key, bytes("cafebabefacedbaddecaf888"), &associated, &plaintext),
            "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa\
             8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662\
             76fc6ece0f4e1768cddf8853bb2d551b"
        );
    }

    #[test]
    fn the_stored_layout_stays_as_published() {
        let key = SealingKey::new(7, &Secret::from_bytes([9; 32]));
        let context = Context { owner: b"tenant", purpose: "party.name" };
        let sealed = key.seal_with_nonce(context, [3; 12], b"secret").unwrap();
        assert_eq!(sealed[..17], bytes::<17>("0100000007030303030303030303030303"));
        assert_eq!(sealed.len(), 17 + 6 + 16);
        // Frozen: a change here makes stored personal data unreadable.
        assert_eq!(hex::encode(&sealed[17..]), "a2f1880030c8592387a7da1f05cc2925ee4ed8718f2f");
    }

    #[test]
    fn a_text_opens_only_for_its_owner_purpose_and_key() {
        let key = SealingKey::new(1, &Secret::from_bytes([1; 32]));
        let context = Context { owner: b"a", purpose: "bc" };
        let sealed = key.seal(context, b"text").unwrap();
        let others =
            [Context { owner: b"ab", purpose: "c" }, Context { owner: b"", purpose: "bc" }];
        for other in others {
            assert!(matches!(key.open(other, &sealed), Err(CryptoError::Refused)));
        }
        let stranger = SealingKey::new(1, &Secret::from_bytes([2; 32]));
        assert!(matches!(stranger.open(context, &sealed), Err(CryptoError::Refused)));
        assert_eq!(key.open(context, &sealed).unwrap(), b"text");
    }

    proptest! {
        #[test]
        fn a_changed_text_does_not_open(plaintext in vec(any::<u8>(), 0..80), at: usize, flip in 1u8..) {
            let key = SealingKey::new(1, &Secret::from_bytes([1; 32]));
            let context = Context { owner: b"owner", purpose: "purpose" };
            let mut sealed = key.seal(context, &plaintext).unwrap();
            prop_assert_eq!(key.open(context, &sealed).unwrap(), plaintext);
            let at = at % sealed.len();
            sealed[at] ^= flip;
            prop_assert!(key.open(context, &sealed).is_err());
            prop_assert!(key.open(context, &sealed[..at]).is_err());
        }
    }
}

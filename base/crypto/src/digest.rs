//! Digests, keyed digests and comparison in constant time.

use std::fmt;

use aws_lc_rs::{constant_time, digest, hmac};

use crate::Secret;

/// A SHA-256 digest. Shown as 64 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest(pub [u8; 32]);

/// SHA-256 of `bytes`.
pub fn sha256(bytes: &[u8]) -> Digest {
    let digest = digest::digest(&digest::SHA256, bytes);
    Digest(to_array(digest.as_ref()))
}

/// Whether `left` and `right` are the same bytes, in time that depends on their lengths alone.
pub fn same(left: &[u8], right: &[u8]) -> bool {
    constant_time::verify_slices_are_equal(left, right).is_ok()
}

/// Turns values into blind indexes: equal values of one purpose give equal indexes, and without
/// the key an index tells nothing, not even by trying every identity number there is.
///
/// The value is taken as it stands: normalise (trim, upper case, full width) before indexing.
#[derive(Clone)]
pub struct IndexKey(hmac::Key);

impl IndexKey {
    /// An index key over `secret`.
    pub fn new(secret: &Secret) -> IndexKey {
        IndexKey(hmac::Key::new(hmac::HMAC_SHA256, secret.bytes()))
    }

    /// HMAC-SHA-256 of the purpose, a zero byte and the value. Purposes do not contain zero bytes,
    /// so one purpose never collides with another.
    pub fn index(&self, purpose: &str, value: &[u8]) -> Digest {
        debug_assert!(!purpose.as_bytes().contains(&0), "a purpose is a word");
        let mut context = hmac::Context::with_key(&self.0);
        context.update(purpose.as_bytes());
        context.update(&[0]);
        context.update(value);
        Digest(to_array(context.sign().as_ref()))
    }
}

impl fmt::Debug for IndexKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("IndexKey(hidden)")
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Digest({self})")
    }
}

/// Both SHA-256 and HMAC-SHA-256 give 32 bytes.
pub(crate) fn to_array(bytes: &[u8]) -> [u8; 32] {
    let mut array = [0; 32];
    array.copy_from_slice(bytes);
    array
}

/// HMAC-SHA-256 as it stands in RFC 2104: for deriving keys, and for messages others check.
pub fn hmac_sha256(key: &[u8], data: &[u8]) -> [u8; 32] {
    to_array(hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), data).as_ref())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// FIPS 180-2 appendix B.1 and B.2.
    #[test]
    fn sha_256_gives_the_published_digests() {
        let cases: [(&[u8], &str); 3] = [
            (b"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
            (b"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
            (
                b"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
                "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1",
            ),
        ];
        for (text, digest) in cases {
            assert_eq!(sha256(text).to_string(), digest);
        }
    }

    /// RFC 4231 test cases 1, 2, 3, 4, 6 and 7 (case 5 is about truncation).
    #[test]
    fn hmac_sha_256_gives_the_published_codes() {
        let counting: Vec<u8> = (1..=25).collect();
        let long_data: &[u8] = b"This is a test using a larger than block-size key and a larger \
            than block-size data. The key needs to be hashed before being used by the HMAC \
            algorithm.";
        let cases: [(&[u8], &[u8], &str); 6] = [
            (
                &[0x0b; 20],
                b"Hi There",
                "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7",
            ),
            (
                b"Jefe",
                b"what do ya want for nothing?",
                "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
            ),
            (
                &[0xaa; 20],
                &[0xdd; 50],
                "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe",
            ),
            (
                &counting,
                &[0xcd; 50],
                "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b",
            ),
            (
                &[0xaa; 131],
                b"Test Using Larger Than Block-Size Key - Hash Key First",
                "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
            ),
            (
                &[0xaa; 131],
                long_data,
                "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2",
            ),
        ];
        for (key, data, code) in cases {
            assert_eq!(hex::encode(hmac_sha256(key, data)), code);
        }
    }

    #[test]
    fn an_index_is_the_same_only_for_the_same_key_purpose_and_value() {
        let key = IndexKey::new(&Secret::from_bytes([1; 32]));
        let other = IndexKey::new(&Secret::from_bytes([2; 32]));
        let index = key.index("plate", "京A12345".as_bytes());
        assert_eq!(index, key.index("plate", "京A12345".as_bytes()));
        assert_ne!(index, key.index("plate", "京A12346".as_bytes()));
        assert_ne!(index, key.index("plat", "e京A12345".as_bytes()));
        assert_ne!(index, other.index("plate", "京A12345".as_bytes()));
    }

    #[test]
    fn bytes_are_the_same_only_when_equal() {
        assert!(same(b"abc", b"abc") && same(b"", b""));
        assert!(!same(b"abc", b"abd") && !same(b"abc", b"abcd") && !same(b"abc", b""));
    }
}

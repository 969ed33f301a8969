//! The key above all keys: wraps the others, is itself kept outside the database.

use std::fmt;
use std::path::Path;

use zeroize::Zeroizing;

use crate::digest::hmac_sha256;
use crate::seal::{SealingKey, key_number};
use crate::{Context, CryptoError, Secret, sha256};

/// The master key in use and, during a change of master key, those before it.
///
/// Its text is one key per line, the newest first; blank lines and lines starting with `#` are
/// skipped. Wrapped secrets name the master key that wrapped them by a fingerprint, so after
/// putting a new line on top everything still opens, and wrapping again moves it to the new key.
pub struct MasterKey {
    /// Newest first, never empty.
    versions: Vec<Version>,
}

struct Version {
    secret: Secret,
    wrapping: SealingKey,
}

impl Version {
    fn new(secret: Secret) -> Version {
        let fingerprint = sha256(&hmac_sha256(secret.bytes(), b"commonwheel/fingerprint")).0;
        let [a, b, c, d, ..] = fingerprint;
        let wrapping = Secret::from_bytes(hmac_sha256(secret.bytes(), b"commonwheel/wrap"));
        let wrapping = SealingKey::new(u32::from_be_bytes([a, b, c, d]), &wrapping);
        Version { secret, wrapping }
    }
}

impl MasterKey {
    /// A fresh one.
    pub fn generate() -> Result<MasterKey, CryptoError> {
        Ok(MasterKey { versions: vec![Version::new(Secret::generate()?)] })
    }

    /// From text: see [`MasterKey`] for its form.
    pub fn parse(text: &str) -> Result<MasterKey, CryptoError> {
        let lines = text.lines().map(str::trim);
        let keys = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
        let versions: Vec<Version> =
            keys.map(|line| Secret::parse(line).map(Version::new)).collect::<Result<_, _>>()?;
        if versions.is_empty() {
            Err(CryptoError::MalformedKey)
        } else {
            Ok(MasterKey { versions })
        }
    }

    /// From a file: see [`MasterKey`] for its form. Reads once, blocking.
    pub fn read(path: &Path) -> Result<MasterKey, CryptoError> {
        let text = std::fs::read_to_string(path)
            .map(Zeroizing::new)
            .map_err(|source| CryptoError::KeyFile { path: path.display().to_string(), source })?;
        MasterKey::parse(&text)
    }

    /// The text of all versions, for the key file of a new installation.
    pub fn to_text(&self) -> Zeroizing<String> {
        let mut text = Zeroizing::new(String::new());
        for version in &self.versions {
            text.push_str(&version.secret.to_hex());
            text.push('\n');
        }
        text
    }

    /// The fingerprint of the newest version; stands in what it wraps.
    pub fn fingerprint(&self) -> u32 {
        self.newest().wrapping.number()
    }

    /// A secret for one `purpose`, the same each time, from the newest version. Keep
    /// [`MasterKey::fingerprint`] beside what was made with it.
    pub fn derive(&self, purpose: &str) -> Secret {
        derive(&self.newest().secret, purpose)
    }

    /// The secret [`MasterKey::derive`] gave when `fingerprint` was the newest version.
    pub fn derive_as(&self, fingerprint: u32, purpose: &str) -> Result<Secret, CryptoError> {
        self.version(fingerprint).map(|version| derive(&version.secret, purpose))
    }

    /// Wraps `secret` for `context` under the newest version: safe to store.
    pub fn wrap(&self, context: Context<'_>, secret: &Secret) -> Result<Vec<u8>, CryptoError> {
        self.seal(context, secret.bytes())
    }

    /// The secret [`MasterKey::wrap`] wrapped for the same context.
    pub fn unwrap(&self, context: Context<'_>, wrapped: &[u8]) -> Result<Secret, CryptoError> {
        let bytes = self.open(context, wrapped)?;
        let bytes = <[u8; 32]>::try_from(bytes.as_slice());
        bytes.map(Secret::from_bytes).map_err(|_| CryptoError::MalformedKey)
    }

    /// Seals `plaintext` (such as a signing key) under the newest version.
    pub fn seal(&self, context: Context<'_>, plaintext: &[u8]) -> Result<Vec<u8>, CryptoError> {
        self.newest().wrapping.seal(context, plaintext)
    }

    /// Opens what [`MasterKey::seal`] sealed for the same context.
    pub fn open(
        &self,
        context: Context<'_>,
        sealed: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, CryptoError> {
        let version = self.version(key_number(sealed)?)?;
        version.wrapping.open(context, sealed).map(Zeroizing::new)
    }

    fn newest(&self) -> &Version {
        &self.versions[0]
    }

    fn version(&self, fingerprint: u32) -> Result<&Version, CryptoError> {
        let mut versions = self.versions.iter();
        let found = versions.find(|version| version.wrapping.number() == fingerprint);
        found.ok_or(CryptoError::UnknownKey(fingerprint))
    }
}

fn derive(secret: &Secret, purpose: &str) -> Secret {
    let info = [b"commonwheel/derive/", purpose.as_bytes()].concat();
    Secret::from_bytes(hmac_sha256(secret.bytes(), &info))
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MasterKey({:08x})", self.fingerprint())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TENANT_KEY: Context<'static> = Context { owner: b"tenant", purpose: "tenant_key" };

    #[test]
    fn wrapped_secrets_open_after_a_change_of_master_key() {
        let old = MasterKey::generate().unwrap();
        let secret = Secret::from_bytes([5; 32]);
        let wrapped = old.wrap(TENANT_KEY, &secret).unwrap();
        let new = MasterKey::generate().unwrap();
        let both = format!("# newest first\n{}\n{}", *new.to_text(), *old.to_text());
        let both = MasterKey::parse(&both).unwrap();
        assert_eq!(both.unwrap(TENANT_KEY, &wrapped).unwrap().bytes(), secret.bytes());
        assert_eq!(both.fingerprint(), new.fingerprint());
        let missing = new.unwrap(TENANT_KEY, &wrapped).unwrap_err();
        assert!(matches!(missing, CryptoError::UnknownKey(at) if at == old.fingerprint()));
        let elsewhere = Context { owner: b"other", purpose: "tenant_key" };
        assert!(matches!(old.unwrap(elsewhere, &wrapped), Err(CryptoError::Refused)));
    }

    #[test]
    fn derived_secrets_differ_by_purpose_and_stay_available() {
        let master = MasterKey::parse(&"00".repeat(32)).unwrap();
        let pepper = master.derive("iam.pepper");
        assert_eq!(pepper.bytes(), master.derive("iam.pepper").bytes());
        assert_ne!(pepper.bytes(), master.derive("iam.other").bytes());
        let again = master.derive_as(master.fingerprint(), "iam.pepper").unwrap();
        assert_eq!(pepper.bytes(), again.bytes());
        assert!(master.derive_as(1, "iam.pepper").is_err());
        // Frozen: a change here makes every stored client secret useless.
        assert_eq!(
            pepper.to_hex().as_str(),
            "9bd4aa41fa9766ffbd7012027e638409d36c4ea62b4e7fe626548bf3643f26b5"
        );
        assert_eq!(format!("{master:?}"), "MasterKey(9bf56dea)");
    }

    #[test]
    fn a_key_file_is_read_or_named_in_the_error() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("master.key");
        let missing = MasterKey::read(&path).unwrap_err();
        assert!(missing.to_string().contains("master.key"));
        let master = MasterKey::generate().unwrap();
        std::fs::write(&path, master.to_text().as_bytes()).unwrap();
        assert_eq!(MasterKey::read(&path).unwrap().fingerprint(), master.fingerprint());
        for text in ["", "# nothing", "short", "00\n00"] {
            assert!(matches!(MasterKey::parse(text), Err(CryptoError::MalformedKey)));
        }
    }
}

//! The insurer's code inside every platform number.

use std::fmt;

use serde::{Deserialize, Serialize, Serializer};

/// Four upper-case letters naming an insurer on the platform, for example `PICC`.
///
/// Whether such an insurer takes part is the tenancy's to say.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(try_from = "String")]
pub struct InsurerCode([u8; 4]);

/// The text is not four upper-case letters.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("insurer code {0:?} is not four letters A-Z")]
pub struct InsurerCodeError(String);

impl InsurerCode {
    /// Reads four upper-case letters.
    pub fn parse(raw: &str) -> Result<InsurerCode, InsurerCodeError> {
        match <[u8; 4]>::try_from(raw.as_bytes()) {
            Ok(code) if code.iter().all(u8::is_ascii_uppercase) => Ok(InsurerCode(code)),
            _ => Err(InsurerCodeError(raw.chars().take(40).collect())),
        }
    }

    /// The four letters.
    pub fn as_str(&self) -> &str {
        // Only ASCII letters ever get in.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl fmt::Display for InsurerCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for InsurerCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "InsurerCode({self})")
    }
}

impl Serialize for InsurerCode {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl From<InsurerCode> for String {
    fn from(code: InsurerCode) -> String {
        code.to_string()
    }
}

impl TryFrom<String> for InsurerCode {
    type Error = InsurerCodeError;

    fn try_from(text: String) -> Result<InsurerCode, InsurerCodeError> {
        InsurerCode::parse(&text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_four_capital_letters_name_an_insurer() {
        let judged = ["PICC", "PIC", "PICCC", "picc", "PIC1", "人"]
            .map(|raw| InsurerCode::parse(raw).is_ok());
        assert_eq!(judged, [true, false, false, false, false, false]);
    }
}

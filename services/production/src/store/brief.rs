//! Short texts of rows that are read many at a time.

use std::fmt;
use std::ops::Deref;

use sqlx::decode::Decode;
use sqlx::error::BoxDynError;
use sqlx::postgres::{PgTypeInfo, PgValueRef};
use sqlx::{Postgres, Type};

/// Longest text: a platform number has thirty characters.
const LONGEST: usize = 31;

/// A text of at most 31 bytes, kept in its place: for codes and numbers that are taken apart as soon as
/// their row is there.
#[derive(Clone, Copy)]
pub(crate) struct Brief {
    bytes: [u8; LONGEST],
    length: u8,
}

/// The text is longer than a [`Brief`] holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("text of {0} bytes where no more than {LONGEST} are expected")]
pub(crate) struct TooLong(usize);

impl TryFrom<&str> for Brief {
    type Error = TooLong;

    fn try_from(text: &str) -> Result<Brief, TooLong> {
        let mut bytes = [0; LONGEST];
        let place = bytes.get_mut(..text.len()).ok_or(TooLong(text.len()))?;
        place.copy_from_slice(text.as_bytes());
        let length = u8::try_from(text.len()).map_err(|_| TooLong(text.len()))?;
        Ok(Brief { bytes, length })
    }
}

impl Deref for Brief {
    type Target = str;

    fn deref(&self) -> &str {
        let text = self.bytes.get(..usize::from(self.length)).unwrap_or_default();
        // It came from a text.
        std::str::from_utf8(text).unwrap_or_default()
    }
}

impl fmt::Debug for Brief {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}

impl Type<Postgres> for Brief {
    fn type_info() -> PgTypeInfo {
        <str as Type<Postgres>>::type_info()
    }

    fn compatible(of: &PgTypeInfo) -> bool {
        <str as Type<Postgres>>::compatible(of)
    }
}

impl<'r> Decode<'r, Postgres> for Brief {
    fn decode(value: PgValueRef<'r>) -> Result<Brief, BoxDynError> {
        Ok(Brief::try_from(<&str as Decode<Postgres>>::decode(value)?)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_holds_a_platform_number_and_not_much_more() {
        let number = "02PAIC510026412370000000123457";
        for text in ["", "号", number, &"x".repeat(LONGEST)] {
            assert_eq!(&*Brief::try_from(text).unwrap(), text);
        }
        let long = "号".repeat(11);
        assert_eq!(Brief::try_from(long.as_str()).unwrap_err(), TooLong(33));
    }
}

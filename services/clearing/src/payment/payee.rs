//! Bank accounts: read, sealed with the participant's key, and masked for views.

use base_http::FieldError;
use kernel::TenantId;
use serde::{Deserialize, Serialize};
use tenancy::{TenancyError, TenantKeys};
use utoipa::ToSchema;

use crate::error::ClearingError;

/// What account numbers are sealed for.
const PURPOSE: &str = "clearing.payment_account";

/// A bank account as it is written in a message.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = BankAccount)]
pub struct BankAccountBody {
    /// 联行号 (12 digits) or BIC of the bank that keeps it.
    #[schema(example = "102301000028")]
    pub bank: String,
    /// 账号: 5 to 34 letters and digits.
    #[schema(example = "6222021301001234567")]
    pub account: String,
    /// 户名.
    #[schema(example = "某某财产保险股份有限公司")]
    pub name: String,
}

/// A bank account that was checked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BankAccount {
    bank: String,
    account: String,
    name: String,
}

impl BankAccount {
    /// Reads an account; findings point below `pointer`.
    pub fn read(body: &BankAccountBody, pointer: &str) -> Result<BankAccount, Vec<FieldError>> {
        let mut found = Vec::new();
        let mut refuse = |field: &str, detail: &str| {
            found.push(FieldError::at(format!("{pointer}/{field}"), detail));
        };
        let (bank, account, name) =
            (body.bank.trim(), body.account.replace(' ', ""), body.name.trim());
        if !is_bank(bank) {
            refuse("bank", "a bank is named by 12 digits or by a BIC of 8 or 11 characters");
        }
        let plain = account.bytes().all(|byte| byte.is_ascii_alphanumeric());
        if !(5..=34).contains(&account.len()) || !plain {
            refuse("account", "an account number has 5 to 34 letters and digits");
        }
        if !(1..=140).contains(&name.chars().count()) || !name.chars().all(is_written) {
            refuse("name", "a name has 1 to 140 characters");
        }
        if found.is_empty() {
            Ok(BankAccount { bank: bank.to_owned(), account, name: name.to_owned() })
        } else {
            Err(found)
        }
    }

    /// The bank, by 联行号 or BIC.
    pub fn bank(&self) -> &str {
        &self.bank
    }

    /// The number.
    pub fn account(&self) -> &str {
        &self.account
    }

    /// Whose it is.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The bank and the last four of the number.
    pub fn masked(&self) -> String {
        let last = self.account.len().saturating_sub(4);
        format!("{} ****{}", self.bank, &self.account[last..])
    }

    /// Seals it with the key of `participant`.
    pub async fn seal(
        &self,
        keys: &TenantKeys,
        participant: TenantId,
    ) -> Result<SealedAccount, ClearingError> {
        let key = keys.of(participant).await?;
        let plain = serde_json::to_vec(self).map_err(|_| ClearingError::Corrupt("account"))?;
        let sealed = key.seal(PURPOSE, &plain).map_err(TenancyError::from)?;
        Ok(SealedAccount { sealed, masked: self.masked(), digest: key.index(PURPOSE, &plain).0 })
    }
}

/// A bank account nobody can read without the participant's key.
#[derive(Clone, Debug)]
pub struct SealedAccount {
    pub(super) sealed: Vec<u8>,
    pub(super) masked: String,
    /// Blind index: the same account of the same participant gives the same.
    pub(super) digest: [u8; 32],
}

/// Opens an account sealed for `participant`.
pub(super) async fn open(
    keys: &TenantKeys,
    participant: TenantId,
    sealed: &[u8],
) -> Result<BankAccount, ClearingError> {
    let plain = keys.open(participant, PURPOSE, sealed).await?;
    serde_json::from_slice(&plain).map_err(|_| ClearingError::Corrupt("bank account"))
}

fn is_bank(text: &str) -> bool {
    let code = text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit());
    code || is_bic(text.as_bytes())
}

/// Whether a character may stand in a message: XML has no place for some even when written as numbers.
fn is_written(character: char) -> bool {
    !character.is_control() && !matches!(character, '\u{fffe}' | '\u{ffff}')
}

/// Whether `text` is a BIC as ISO 20022 writes it: four letters of the bank, two of the country, two of
/// the place (no 0 or 1 first, no O second), and three of the branch or none.
fn is_bic(text: &[u8]) -> bool {
    let is_plain = |byte: &u8| byte.is_ascii_uppercase() || byte.is_ascii_digit();
    matches!(text.len(), 8 | 11)
        && text.iter().all(is_plain)
        && text[..6].iter().all(u8::is_ascii_uppercase)
        && !b"01".contains(&text[6])
        && text[7] != b'O'
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(bank: &str, account: &str, name: &str) -> BankAccountBody {
        BankAccountBody { bank: bank.into(), account: account.into(), name: name.into() }
    }

    #[test]
    fn an_account_is_read_and_shown_by_its_last_four() {
        let read = BankAccount::read(&body("ICBKCNBJ", "6222 0213 0100 1234", "李芳"), "/payee");
        assert_eq!(read.unwrap().masked(), "ICBKCNBJ ****1234");
        let wrong = BankAccount::read(&body("ICBK", "12-3", " "), "/payee").unwrap_err();
        let pointers: Vec<&str> = wrong.iter().map(|found| found.pointer.as_str()).collect();
        assert_eq!(pointers, ["/payee/bank", "/payee/account", "/payee/name"]);
        assert!(BankAccount::read(&body("102301000028", "12345", "x"), "").is_ok());
        for bank in ["ICBKCN1J", "ICBKCNBO", "ICBKCNBJ0", "icbkcnbj"] {
            assert!(BankAccount::read(&body(bank, "12345", "x"), "").is_err(), "{bank}");
        }
        // Bytes beyond ASCII must not be cut through.
        assert!(BankAccount::read(&body("银行银行", "12345", "x"), "").is_err());
    }
}

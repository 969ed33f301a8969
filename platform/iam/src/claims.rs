//! What stands in an access token (RFC 9068), and how a scope narrows rights.

use base_http::function::covers;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::client::is_right;

/// Media type of the token, so that no other JWT passes for an access token.
pub(crate) const TOKEN_TYPE: &str = "at+jwt";

/// The claims of an access token. Instants are seconds since 1970.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Claims {
    pub(crate) iss: String,
    /// The client itself: there is no resource owner in the client credentials grant.
    pub(crate) sub: String,
    pub(crate) aud: String,
    pub(crate) client_id: String,
    /// Tenant.
    pub(crate) tid: Uuid,
    /// Insurer code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) ins: Option<String>,
    /// Branch region.
    pub(crate) rgn: String,
    /// Rights, separated by blanks.
    pub(crate) scope: String,
    pub(crate) iat: i64,
    pub(crate) nbf: i64,
    pub(crate) exp: i64,
    pub(crate) jti: String,
}

/// The rights a token gets: all of the client's without a scope, otherwise exactly those asked
/// for. `None` when one of them is not the client's to give.
pub(crate) fn narrow(rights: &[String], scope: Option<&str>) -> Option<Vec<String>> {
    let asked: Vec<&str> = scope.unwrap_or_default().split_ascii_whitespace().collect();
    if asked.is_empty() {
        return Some(rights.to_vec());
    }
    let held = |right: &&str| is_right(right) && rights.iter().any(|held| covers(held, right));
    let mut narrowed: Vec<String> = Vec::new();
    for right in &asked {
        if !held(right) || narrowed.len() >= 200 {
            return None;
        }
        if !narrowed.iter().any(|known| known == right) {
            narrowed.push((*right).to_owned());
        }
    }
    Some(narrowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scope_narrows_and_never_widens() {
        let rights = ["production.underwriting.*", "production.fee.read"].map(str::to_owned);
        let narrowed = |scope| narrow(&rights, Some(scope)).map(|rights| rights.join(" "));
        assert_eq!(narrow(&rights, None), Some(rights.to_vec()));
        assert_eq!(narrow(&rights, Some("  ")), Some(rights.to_vec()));
        let within = "production.underwriting.quote production.fee.read";
        assert_eq!(narrowed(within).as_deref(), Some(within));
        let twice = "production.underwriting.* production.underwriting.*";
        assert_eq!(narrowed(twice).as_deref(), Some("production.underwriting.*"));
        let beyond = [
            "*",
            "production.*",
            "production.fee.*",
            "production.fee.register",
            "production.underwriting.quote clearing.payment.read",
            "openid",
            "production.underwriting.",
        ];
        for scope in beyond {
            assert_eq!(narrowed(scope), None, "{scope:?}");
        }
    }
}

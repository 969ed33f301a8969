//! How calls to a bank show who calls. What is secret is in no log and no error text.
//!
//! Bearer: the token in `authorization`. HMAC: the second of the call in `x-timestamp`, and in
//! `x-signature` `v1,` and the HMAC-SHA-256 over `timestamp.METHOD path.body` in base64; a bank
//! refuses timestamps that lie far from its own clock, so nothing can be replayed later.

use std::fmt;

use base_http::outbound::Request;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderName, HeaderValue, header};
use jiff::Timestamp;

/// Shortest secret that is taken.
const SHORTEST: usize = 16;

/// How a call shows who calls.
#[derive(Clone)]
pub enum Credentials {
    /// Not at all: the network between is trusted.
    Open,
    /// By a token.
    Bearer(HeaderValue),
    /// By a signature.
    Hmac(Vec<u8>),
}

/// A secret that cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SecretError {
    /// Anybody could guess it.
    #[error("the bank's secret has fewer than {SHORTEST} characters")]
    Short,
    /// It cannot stand in a header.
    #[error("the bank's token holds characters other than printable ASCII")]
    Characters,
}

impl Credentials {
    /// A token the bank gave out.
    pub fn bearer(token: &str) -> Result<Credentials, SecretError> {
        if token.len() < SHORTEST {
            return Err(SecretError::Short);
        }
        if !token.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(SecretError::Characters);
        }
        let value = HeaderValue::try_from(format!("Bearer {token}"));
        let mut value = value.map_err(|_| SecretError::Characters)?;
        value.set_sensitive(true);
        Ok(Credentials::Bearer(value))
    }

    /// A secret shared with the bank.
    pub fn hmac(secret: &[u8]) -> Result<Credentials, SecretError> {
        if secret.len() < SHORTEST {
            return Err(SecretError::Short);
        }
        Ok(Credentials::Hmac(secret.to_vec()))
    }

    /// The same call, showing who calls.
    pub fn sign(&self, request: Request, now: Timestamp) -> Request {
        let (method, path, body) = request.parts();
        let headers = self.headers(method.as_str(), path, body, now);
        headers.into_iter().fold(request, |request, (name, value)| request.header(name, value))
    }

    /// What is sent with a call.
    pub fn headers(
        &self,
        method: &str,
        path: &str,
        body: &[u8],
        now: Timestamp,
    ) -> Vec<(HeaderName, HeaderValue)> {
        match self {
            Credentials::Open => Vec::new(),
            Credentials::Bearer(value) => vec![(header::AUTHORIZATION, value.clone())],
            Credentials::Hmac(secret) => {
                let timestamp = now.as_second();
                let mut signed = format!("{timestamp}.{method} {path}.").into_bytes();
                signed.extend_from_slice(body);
                let code = STANDARD.encode(crypto::hmac_sha256(secret, &signed));
                let signature = HeaderValue::try_from(format!("v1,{code}"));
                let signature = signature.expect("base64 may stand in a header");
                vec![
                    (HeaderName::from_static("x-timestamp"), HeaderValue::from(timestamp)),
                    (HeaderName::from_static("x-signature"), signature),
                ]
            }
        }
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Credentials::Open => "Open",
            Credentials::Bearer(_) => "Bearer(..)",
            Credentials::Hmac(_) => "Hmac(..)",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_is_signed_over_instant_method_path_and_body() {
        let credentials = Credentials::hmac(b"0123456789abcdef").unwrap();
        let now = Timestamp::from_second(1_740_794_400).unwrap();
        let text = |body: &[u8]| -> Vec<(String, String)> {
            let headers = credentials.headers("PUT", "/bank/orders/1", body, now);
            let text = |value: HeaderValue| value.to_str().unwrap().to_owned();
            headers.into_iter().map(|(name, value)| (name.to_string(), text(value))).collect()
        };
        let headers = text(b"{}");
        assert_eq!(headers[0], ("x-timestamp".into(), "1740794400".into()));
        // printf '1740794400.PUT /bank/orders/1.{}' | openssl dgst -sha256 -hmac 0123456789abcdef -binary | base64
        assert_eq!(
            headers[1],
            ("x-signature".into(), "v1,BYEPYUMZz2er7MUhsrGaQHJE6tAkwdWvHJPenAHaTnM=".into())
        );
        assert_ne!(text(b"{ }"), headers);
    }

    #[test]
    fn a_secret_is_shown_to_nobody_and_must_not_be_short() {
        let secret = "abcdefghijklmnop";
        let bearer = Credentials::bearer(secret).unwrap();
        let request = bearer.sign(Request::get("/bank/orders/1"), Timestamp::UNIX_EPOCH);
        for shown in [format!("{bearer:?}"), format!("{request:?}")] {
            assert!(!shown.contains(secret), "{shown}");
        }
        let hmac = Credentials::hmac(secret.as_bytes()).unwrap();
        assert_eq!(format!("{hmac:?}"), "Hmac(..)");
        assert_eq!(Credentials::hmac(b"short").unwrap_err(), SecretError::Short);
        assert_eq!(Credentials::bearer("with a space in it").unwrap_err(), SecretError::Characters);
    }
}

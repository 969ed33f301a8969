//! Judging a bearer token: signature, issuer, audience, time, and whether its client still may.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use base_http::door::Authenticate;
use base_http::{Caller, Problem, problem};
use crypto::sha256;
use futures::future::BoxFuture;
use jiff::Timestamp;
use jsonwebtoken::{Algorithm, Header, Validation, decode, decode_header};
use kernel::TenantId;
use tokio::time::Instant;

use crate::authority::{Authority, State};
use crate::claims::{Claims, TOKEN_TYPE};

/// Longer tokens are not ours.
const LONGEST: usize = 16 * 1024;

/// Unknown keys make a server read its keys again, but not more often than this.
const FORCED_EVERY: Duration = Duration::from_secs(1);

/// Why a token does not hold. Each text is fit for the caller's eyes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AuthError {
    /// Not a JWT of ours, or its claims are not those of an access token.
    #[error("the bearer token is not an access token of this platform")]
    Malformed,
    /// The signature is another's, or the token was changed.
    #[error("the signature of the bearer token does not hold")]
    Signature,
    /// Signed with a key this server does not have (any more).
    #[error("the bearer token is signed with a key that is not in use")]
    UnknownKey,
    /// Issued by someone else or for someone else.
    #[error("the bearer token was not issued for this platform")]
    Elsewhere,
    /// Too old.
    #[error("the bearer token has expired")]
    Expired,
    /// Its time has not come.
    #[error("the bearer token does not hold yet")]
    NotYet,
    /// The client was disabled or its tenant suspended.
    #[error("the client may not call any more")]
    Disabled,
    /// The client is bound to networks and calls from elsewhere (rule F03).
    #[error("the client is not bound to the network this call comes from (rule F03)")]
    Source,
}

/// A token whose signature and claims hold, whatever the time.
#[derive(Debug)]
pub(crate) struct Verified {
    caller: Arc<Caller>,
    kid: Arc<str>,
    not_before: Timestamp,
    expires: Timestamp,
}

impl Authority {
    /// Who holds `bearer`, calling from `source` at `now`.
    ///
    /// A token seen before costs no signature check. Reads the keys again, at most once a second,
    /// when a token names a key this server does not know yet.
    pub async fn verify(
        &self,
        bearer: &str,
        source: Option<IpAddr>,
        now: Timestamp,
    ) -> Result<Arc<Caller>, AuthError> {
        let digest = sha256(bearer.as_bytes()).0;
        let mut state = self.state();
        let verified = match self.hot.get(&digest) {
            Some(verified) if state.keys.verifying.contains_key(&verified.kid) => verified,
            _ => {
                let verified = match self.check(&state, bearer) {
                    Err(AuthError::UnknownKey) if self.read_again().await => {
                        state = self.state();
                        self.check(&state, bearer)?
                    }
                    checked => checked?,
                };
                let verified = Arc::new(verified);
                self.hot.put(digest, verified.clone());
                verified
            }
        };
        if verified.expires <= now {
            return Err(AuthError::Expired);
        }
        if now < verified.not_before {
            return Err(AuthError::NotYet);
        }
        allowed(&state, &verified.caller, source)?;
        Ok(verified.caller.clone())
    }

    /// Signature and claims; not the time.
    fn check(&self, state: &State, bearer: &str) -> Result<Verified, AuthError> {
        if bearer.len() > LONGEST {
            return Err(AuthError::Malformed);
        }
        let header = decode_header(bearer).map_err(|_| AuthError::Malformed)?;
        let kid = known_key(&header)?;
        let (kid, key) = state.keys.verifying.get_key_value(kid).ok_or(AuthError::UnknownKey)?;
        let token = decode::<Claims>(bearer, key, &self.validation()).map_err(|error| {
            use jsonwebtoken::errors::ErrorKind;
            match error.kind() {
                ErrorKind::InvalidSignature => AuthError::Signature,
                ErrorKind::InvalidIssuer | ErrorKind::InvalidAudience => AuthError::Elsewhere,
                _ => AuthError::Malformed,
            }
        })?;
        let claims = token.claims;
        let second = |second| Timestamp::from_second(second).map_err(|_| AuthError::Malformed);
        Ok(Verified {
            kid: kid.clone(),
            not_before: second(claims.nbf)?,
            expires: second(claims.exp)?,
            caller: Arc::new(Caller {
                tenant: TenantId(claims.tid),
                client: claims.client_id.into(),
                insurer: claims.ins.map(Arc::from),
                region: claims.rgn.into(),
                rights: claims.scope.split_ascii_whitespace().map(str::to_owned).collect(),
                token_id: claims.jti.into(),
            }),
        })
    }

    /// Everything but the time, which comes from our own clock.
    fn validation(&self) -> Validation {
        let mut validation = Validation::new(Algorithm::EdDSA);
        validation.set_issuer(&[&self.settings.issuer]);
        validation.set_audience(&[&self.settings.audience]);
        validation.set_required_spec_claims(&["iss", "aud", "sub", "exp", "nbf"]);
        validation.validate_exp = false;
        validation.validate_nbf = false;
        validation
    }

    /// Reads the keys again unless that was done within the last second. Whether it is worth
    /// looking again.
    async fn read_again(&self) -> bool {
        let mut forced = self.forced.lock().await;
        if forced.is_some_and(|last| last.elapsed() < FORCED_EVERY) {
            // Whoever was before us in the queue has just read them.
            return true;
        }
        *forced = Some(Instant::now());
        match self.refresh().await {
            Ok(()) => true,
            Err(error) => {
                tracing::warn!(%error, "cannot read signing keys again, using the last ones");
                false
            }
        }
    }
}

/// The key a token names, when the rest of its header is what we write.
fn known_key(header: &Header) -> Result<&str, AuthError> {
    let ours = header.alg == Algorithm::EdDSA
        && header.typ.as_deref().is_some_and(|typ| typ.eq_ignore_ascii_case(TOKEN_TYPE))
        // Extensions we do not know must be understood or refused (RFC 7515, 4.1.11).
        && header.crit.is_none();
    match &header.kid {
        Some(kid) if ours => Ok(kid),
        _ => Err(AuthError::Malformed),
    }
}

/// Whether the client still may call, and from there.
fn allowed(state: &State, caller: &Caller, source: Option<IpAddr>) -> Result<(), AuthError> {
    if state.disabled.contains(&*caller.client) || state.inactive.contains(&caller.tenant) {
        return Err(AuthError::Disabled);
    }
    match state.bound.get(&*caller.client) {
        Some(networks) if !from_one_of(networks, source) => Err(AuthError::Source),
        _ => Ok(()),
    }
}

/// Whether `source` lies in one of the networks; an unknown source does not.
pub(crate) fn from_one_of(networks: &[ipnet::IpNet], source: Option<IpAddr>) -> bool {
    // A server listening on IPv6 sees IPv4 callers in their mapped form.
    let source = source.map(|source| source.to_canonical());
    source.is_some_and(|source| networks.iter().any(|network| network.contains(&source)))
}

impl Authenticate for Authority {
    fn authenticate<'a>(
        &'a self,
        bearer: &'a str,
        source: Option<IpAddr>,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<Arc<Caller>, Problem>> {
        Box::pin(async move {
            self.verify(bearer, source, now).await.map_err(|error| match error {
                AuthError::Source => {
                    Problem::new(&problem::FORBIDDEN, error.to_string()).breaking("F03")
                }
                _ => Problem::new(&problem::UNAUTHENTICATED, error.to_string()),
            })
        })
    }
}

//! The token endpoint: OAuth 2.0 client credentials (RFC 6749, section 4.4).

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::Json;
use axum::extract::{ConnectInfo, Extension, State};
use axum::response::{IntoResponse, Response};
use base_http::problem::Chain;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use crypto::same;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use jiff::Timestamp;
use jsonwebtoken::{Algorithm, Header, encode};
use pg::Scope;
use serde::{Deserialize, Serialize};
use tenancy::Standing;
use utoipa::ToSchema;

use crate::IamError;
use crate::authority::{Authority, networks};
use crate::claims::{Claims, TOKEN_TYPE, narrow};
use crate::client::digest_of;
use crate::store::{self, Applicant};
use crate::verify::from_one_of;

/// A form with more than this is not a token request.
const LONGEST: usize = 16 * 1024;

/// What a client sends, as a form. Its name and secret stand here or in HTTP Basic, not in both.
#[derive(Debug, Deserialize, ToSchema)]
#[expect(dead_code, reason = "describes the form; the endpoint reads it by name")]
pub(crate) struct TokenRequest {
    /// Always `client_credentials`.
    #[schema(example = "client_credentials")]
    grant_type: String,
    /// Function codes and patterns the token shall be good for, separated by blanks; all rights of
    /// the client when absent.
    #[schema(example = "production.underwriting.*")]
    scope: Option<String>,
    /// The client's name, unless sent in HTTP Basic.
    client_id: Option<String>,
    /// The client's secret, unless sent in HTTP Basic.
    client_secret: Option<String>,
}

/// What a client gets.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TokenAnswer {
    access_token: String,
    #[schema(example = "Bearer")]
    token_type: &'static str,
    /// Seconds the token holds.
    #[schema(example = 900)]
    expires_in: i64,
    /// The rights the token grants.
    scope: String,
}

/// Why there is no token (RFC 6749, section 5.2).
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TokenError {
    #[schema(example = "invalid_client")]
    error: &'static str,
    error_description: String,
    #[serde(skip)]
    #[schema(ignore)]
    status: StatusCode,
    #[serde(skip)]
    #[schema(ignore)]
    retry_after_s: Option<u32>,
}

impl TokenError {
    fn bad(error: &'static str, description: impl Into<String>) -> TokenError {
        TokenError {
            error,
            error_description: description.into(),
            status: StatusCode::BAD_REQUEST,
            retry_after_s: None,
        }
    }

    fn client() -> TokenError {
        let status = StatusCode::UNAUTHORIZED;
        // One text for an unknown name, a wrong secret and a disabled client: a stranger learns
        // nothing about who exists.
        let description = "the client is unknown, its secret is wrong, or it may not call";
        TokenError { status, ..TokenError::bad("invalid_client", description) }
    }

    fn wait(seconds: u32) -> TokenError {
        let description = format!("too many failed attempts; wait {seconds} seconds");
        TokenError {
            status: StatusCode::TOO_MANY_REQUESTS,
            retry_after_s: Some(seconds),
            ..TokenError::bad("invalid_client", description)
        }
    }
}

impl IntoResponse for TokenError {
    fn into_response(self) -> Response {
        let (status, retry_after_s) = (self.status, self.retry_after_s);
        let mut response = (status, Json(self)).into_response();
        let headers = response.headers_mut();
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(
                header::WWW_AUTHENTICATE,
                HeaderValue::from_static(r#"Basic realm="commonwheel""#),
            );
        }
        if let Some(seconds) = retry_after_s {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

impl From<IamError> for TokenError {
    fn from(error: IamError) -> TokenError {
        let unavailable = pg::failure::is_unavailable(&error);
        if unavailable {
            tracing::warn!(error = %Chain(&error), "the database is out of reach");
        } else {
            tracing::error!(error = %Chain(&error), "a token could not be issued");
        }
        let (status, text) = if unavailable {
            (StatusCode::SERVICE_UNAVAILABLE, "the service is unavailable for a moment")
        } else {
            (StatusCode::INTERNAL_SERVER_ERROR, "the service failed")
        };
        TokenError {
            status,
            retry_after_s: unavailable.then_some(1),
            ..TokenError::bad(
                if unavailable { "temporarily_unavailable" } else { "server_error" },
                text,
            )
        }
    }
}

/// Get an access token
///
/// OAuth 2.0 client credentials (RFC 6749). The client's name and secret go into HTTP Basic or
/// into the form.
#[utoipa::path(post, path = "/oauth/token", tag = "oauth",
    request_body(content = TokenRequest, content_type = "application/x-www-form-urlencoded"),
    responses(
        (status = OK, description = "An access token.", body = TokenAnswer),
        (status = BAD_REQUEST, description = "The request is not one for a token.", body = TokenError),
        (status = UNAUTHORIZED, description = "The client is not who it says.", body = TokenError),
        (status = TOO_MANY_REQUESTS, description = "Too many failed attempts.", body = TokenError),
        (status = SERVICE_UNAVAILABLE, description = "Out of reach for a moment.", body = TokenError),
    ))]
pub(crate) async fn issue_token(
    State(authority): State<Arc<Authority>>,
    source: Option<Extension<ConnectInfo<SocketAddr>>>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let source = source.map(|Extension(ConnectInfo(address))| address.ip());
    let mut response = match grant(&authority, source, &headers, &body).await {
        Ok(answer) => Json(answer).into_response(),
        Err(error) => error.into_response(),
    };
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::PRAGMA, HeaderValue::from_static("no-cache"));
    response
}

async fn grant(
    authority: &Authority,
    source: Option<IpAddr>,
    headers: &HeaderMap,
    body: &[u8],
) -> Result<TokenAnswer, TokenError> {
    let form = Form::read(headers, body)?;
    let (client, secret) = credentials(headers, &form)?;
    match form.get("grant_type") {
        Some("client_credentials") => {}
        Some(_) => {
            let text = "only client_credentials is offered";
            return Err(TokenError::bad("unsupported_grant_type", text));
        }
        None => return Err(TokenError::bad("invalid_request", "grant_type is missing")),
    }
    let now = authority.clock.now();
    if let Some(seconds) = authority.throttle.wait_s(&client, source, now) {
        return Err(TokenError::wait(seconds));
    }
    let Some((applicant, insurer)) =
        authority.authenticate_client(&client, &secret, source, now).await?
    else {
        authority.throttle.failed(&client, source, now);
        return Err(TokenError::client());
    };
    authority.throttle.succeeded(&client, source);
    let rights = narrow(&applicant.rights, form.get("scope")).ok_or_else(|| {
        TokenError::bad("invalid_scope", "the scope names a function the client has no right to")
    })?;
    Ok(authority.sign(&applicant, insurer, &rights, now)?)
}

impl Authority {
    /// The client and its insurer code, when name, secret, standing and network are all right.
    async fn authenticate_client(
        &self,
        client: &str,
        secret: &str,
        source: Option<IpAddr>,
        now: Timestamp,
    ) -> Result<Option<(Applicant, Option<String>)>, IamError> {
        let mut tx = self.db.begin(Scope::nobody()).await?;
        let applicant = store::applicant(&mut tx, client, now).await?;
        let tenant = match &applicant {
            Some(applicant) => tenancy::find(&mut tx, applicant.tenant).await?,
            None => None,
        };
        tx.rollback().await?;
        let Some((applicant, tenant)) = applicant.zip(tenant) else { return Ok(None) };
        let mut right = false;
        for (digest, pepper) in &applicant.secrets {
            right |= same(&digest_of(&self.master, *pepper, secret)?.0, digest);
        }
        let networks = networks(&applicant.sources)?;
        let reachable = networks.is_empty() || from_one_of(&networks, source);
        let active = applicant.active && tenant.standing == Standing::Active;
        let insurer = tenant.kind.insurer_code().map(|code| code.as_str().to_owned());
        Ok((right && active && reachable).then_some((applicant, insurer)))
    }

    fn sign(
        &self,
        applicant: &Applicant,
        insurer: Option<String>,
        rights: &[String],
        now: Timestamp,
    ) -> Result<TokenAnswer, IamError> {
        let state = self.state();
        let signer = state.keys.signer(now);
        let header = Header {
            typ: Some(TOKEN_TYPE.to_owned()),
            kid: Some(signer.kid.clone()),
            ..Header::new(Algorithm::EdDSA)
        };
        let expires_in = self.settings.token_life.as_secs();
        let claims = Claims {
            iss: self.settings.issuer.clone(),
            sub: applicant.client_id.clone(),
            aud: self.settings.audience.clone(),
            client_id: applicant.client_id.clone(),
            tid: applicant.tenant.0,
            ins: insurer,
            rgn: applicant.region.clone(),
            scope: rights.join(" "),
            iat: now.as_second(),
            nbf: now.as_second(),
            exp: now.as_second().saturating_add(expires_in),
            jti: self.ids.next(now).to_string(),
        };
        let access_token = encode(&header, &claims, &signer.key)?;
        let scope = claims.scope;
        tracing::info!(
            client.id = claims.client_id,
            token.id = claims.jti,
            "issued a token to {}",
            claims.client_id
        );
        Ok(TokenAnswer { access_token, token_type: "Bearer", expires_in, scope })
    }
}

/// The parameters of a request, none of them twice.
struct Form(BTreeMap<String, String>);

impl Form {
    fn read(headers: &HeaderMap, body: &[u8]) -> Result<Form, TokenError> {
        let declared = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let media_type = declared.and_then(|value| value.split(';').next()).map(str::trim);
        let is_form =
            |media_type: &str| media_type.eq_ignore_ascii_case("application/x-www-form-urlencoded");
        if !media_type.is_some_and(is_form) {
            let text = "send application/x-www-form-urlencoded";
            return Err(TokenError::bad("invalid_request", text));
        }
        if body.len() > LONGEST {
            return Err(TokenError::bad("invalid_request", "the form is too long"));
        }
        let mut form = BTreeMap::new();
        for (name, value) in form_urlencoded::parse(body) {
            // Section 3.2: without a value a parameter is treated as if it were not there.
            if value.is_empty() {
                continue;
            }
            if form.insert(name.clone().into_owned(), value.into_owned()).is_some() {
                let name: String = name.chars().take(40).collect();
                let text = format!("parameter {name:?} stands there twice");
                return Err(TokenError::bad("invalid_request", text));
            }
        }
        Ok(Form(form))
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }
}

/// Name and secret from HTTP Basic or from the form.
fn credentials(headers: &HeaderMap, form: &Form) -> Result<(String, String), TokenError> {
    match (headers.get(header::AUTHORIZATION), form.get("client_id"), form.get("client_secret")) {
        (Some(_), _, Some(_)) => {
            let text = "send the secret in HTTP Basic or in the form, not in both";
            Err(TokenError::bad("invalid_request", text))
        }
        (Some(value), named, None) => {
            let (client, secret) = basic(value).ok_or_else(TokenError::client)?;
            if named.is_some_and(|named| named != client) {
                let text = "client_id in the form is not the one in HTTP Basic";
                return Err(TokenError::bad("invalid_request", text));
            }
            Ok((client, secret))
        }
        (None, Some(client), Some(secret)) if client.len() <= 80 => {
            Ok((client.to_owned(), secret.to_owned()))
        }
        (None, _, _) => Err(TokenError::client()),
    }
}

/// HTTP Basic as RFC 6749, section 2.3.1 has it: both parts form-encoded before they are joined.
fn basic(value: &HeaderValue) -> Option<(String, String)> {
    let (scheme, encoded) = value.to_str().ok()?.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let joined = String::from_utf8(STANDARD.decode(encoded.trim()).ok()?).ok()?;
    let (client, secret) = joined.split_once(':')?;
    let decode = |part: &str| {
        // A part alone reads as a name without a value.
        form_urlencoded::parse(part.as_bytes()).next().map(|(name, _)| name.into_owned())
    };
    let (client, secret) = (decode(client)?, decode(secret)?);
    (client.len() <= 80).then_some((client, secret))
}

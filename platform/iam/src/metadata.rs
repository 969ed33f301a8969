//! What clients read about this server: its keys and its endpoints.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::header;
use serde::Serialize;
use utoipa::ToSchema;

use crate::authority::Authority;
use crate::keys::Jwks;

/// Give the public keys of access tokens
#[utoipa::path(get, path = "/.well-known/jwks.json", tag = "oauth",
    responses((status = OK, description = "The key in use and those retired recently.",
        body = Jwks)))]
pub(crate) async fn signing_keys(State(authority): State<Arc<Authority>>) -> Response {
    let published = Json(authority.state().keys.published.clone());
    ([(header::CACHE_CONTROL, "public, max-age=60")], published).into_response()
}

/// Authorisation server metadata (RFC 8414).
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ServerMetadata {
    issuer: String,
    token_endpoint: String,
    jwks_uri: String,
    grant_types_supported: [&'static str; 1],
    /// Empty: there is no authorisation endpoint.
    response_types_supported: [&'static str; 0],
    token_endpoint_auth_methods_supported: [&'static str; 2],
}

/// Describe this authorisation server
#[utoipa::path(get, path = "/.well-known/oauth-authorization-server", tag = "oauth",
    responses((status = OK, description = "Metadata (RFC 8414).", body = ServerMetadata)))]
pub(crate) async fn server_metadata(
    State(authority): State<Arc<Authority>>,
) -> Json<ServerMetadata> {
    let issuer = authority.settings.issuer.clone();
    Json(ServerMetadata {
        token_endpoint: format!("{issuer}/oauth/token"),
        jwks_uri: format!("{issuer}/.well-known/jwks.json"),
        issuer,
        grant_types_supported: ["client_credentials"],
        response_types_supported: [],
        token_endpoint_auth_methods_supported: ["client_secret_basic", "client_secret_post"],
    })
}

//! The token endpoint and what is published beside it.

use axum::body::Body;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{Request, header};
use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::world::{CLIENT, ISSUER, World};

fn part(token: &str, at: usize) -> Value {
    let part = token.split('.').nth(at).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}

#[tokio::test]
async fn a_client_gets_a_signed_token_by_form_or_by_basic() {
    let world = World::new().await;
    let by_form = world.ask(None, &world.form(&world.secret)).await;
    assert_eq!(by_form.headers[header::CACHE_CONTROL], "no-store");
    assert_eq!(by_form.headers[header::PRAGMA], "no-cache");
    assert_eq!(by_form.body["token_type"], "Bearer");
    assert_eq!(by_form.body["expires_in"], 900);
    assert_eq!(by_form.body["scope"], "production.underwriting.* production.fee.read");
    let token = by_form.token();
    let header = part(&token, 0);
    assert_eq!((&header["alg"], &header["typ"]), (&json!("EdDSA"), &json!("at+jwt")));
    let claims = part(&token, 1);
    let expected = [
        ("iss", json!(ISSUER)),
        ("aud", json!(ISSUER)),
        ("sub", json!(CLIENT)),
        ("client_id", json!(CLIENT)),
        ("tid", json!(world.tenant.to_string())),
        ("ins", json!("PICC")),
        ("rgn", json!("110000")),
        ("iat", json!(1_740_794_400)),
        ("nbf", json!(1_740_794_400)),
        ("exp", json!(1_740_795_300)),
    ];
    for (name, value) in expected {
        assert_eq!(claims[name], value, "{name}");
    }

    let by_basic = world
        .ask(
            Some((CLIENT, &world.secret)),
            "grant_type=client_credentials&scope=production.underwriting.quote",
        )
        .await;
    assert_eq!(by_basic.body["scope"], "production.underwriting.quote");
    assert_ne!(part(&by_basic.token(), 1)["jti"], claims["jti"]);
    // Form-encoded before it is joined, as RFC 6749 asks.
    let encoded = CLIENT.replace('-', "%2D");
    let again = world.ask(Some((&encoded, &world.secret)), "grant_type=client_credentials").await;
    again.token();
}

/// HTTP Basic, the form, and the status and error expected.
type Case<'a> = (Option<(&'a str, &'a str)>, String, (u16, &'a str));

#[tokio::test]
async fn what_is_wrong_with_a_request_is_told_in_the_words_of_the_standard() {
    let world = World::new().await;
    let good = world.form(&world.secret);
    let without_grant = good.replace("grant_type=client_credentials&", "");
    let named = format!("client_id={CLIENT}");
    let right = Some((CLIENT, world.secret.as_str()));
    let cases: [Case<'_>; 14] = [
        (None, without_grant, (400, "invalid_request")),
        (None, good.replace("client_credentials", "password"), (400, "unsupported_grant_type")),
        (None, format!("{good}&scope=clearing.*"), (400, "invalid_scope")),
        (None, format!("{good}&scope=*"), (400, "invalid_scope")),
        (None, format!("{good}&scope=openid"), (400, "invalid_scope")),
        (None, format!("{good}&{named}"), (400, "invalid_request")),
        (None, format!("{good}&x={}", "y".repeat(20_000)), (400, "invalid_request")),
        (right, good.clone(), (400, "invalid_request")),
        (right, "grant_type=client_credentials&client_id=other".into(), (400, "invalid_request")),
        (None, "grant_type=client_credentials".into(), (401, "invalid_client")),
        (None, format!("grant_type=client_credentials&{named}"), (401, "invalid_client")),
        (None, world.form("wrong"), (401, "invalid_client")),
        (None, good.replace(CLIENT, "nobody"), (401, "invalid_client")),
        (Some((CLIENT, "")), "grant_type=client_credentials".into(), (401, "invalid_client")),
    ];
    for (basic, form, expected) in cases {
        let answer = world.ask(basic, &form).await;
        assert_eq!(answer.error(), expected, "{form}");
        assert!(answer.body["error_description"].is_string());
        assert_eq!(answer.headers[header::CACHE_CONTROL], "no-store");
        assert_eq!(answer.headers.contains_key(header::WWW_AUTHENTICATE), expected.0 == 401);
    }
    let twice = world.ask(right, &format!("grant_type=client_credentials&{named}")).await;
    twice.token();

    for (name, value) in [("content-type", "application/json"), ("accept", "*/*")] {
        let body = Body::from(good.clone());
        let request = Request::post("/oauth/token").header(name, value).body(body).unwrap();
        let answer = world.send(request, "127.0.0.1:5000").await;
        assert_eq!(answer.error(), (400, "invalid_request"));
    }
    for value in ["Basic", "Basic !", "Basic QUJD", "Bearer abc", "Digest a=b"] {
        let request = Request::post("/oauth/token")
            .header("authorization", value)
            .header("content-type", "application/x-www-form-urlencoded")
            .body(Body::from("grant_type=client_credentials"))
            .unwrap();
        let answer = world.send(request, "127.0.0.1:5000").await;
        assert_eq!(answer.error(), (401, "invalid_client"), "{value}");
    }
}

#[tokio::test]
async fn guessing_is_slowed_down_for_the_guesser_alone() {
    let world = World::new().await;
    for _ in 0..6 {
        assert_eq!(world.ask(None, &world.form("guess")).await.error(), (401, "invalid_client"));
    }
    // Even the right secret waits now.
    let waiting = world.ask(None, &world.form(&world.secret)).await;
    assert_eq!(waiting.error(), (429, "invalid_client"));
    assert!(waiting.headers.contains_key(header::RETRY_AFTER));
    let elsewhere = Request::post("/oauth/token")
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .body(Body::from(world.form(&world.secret)))
        .unwrap();
    world.send(elsewhere, "192.0.2.7:5000").await.token();
    world.clock.advance(SignedDuration::from_secs(2));
    world.token().await;
}

#[tokio::test]
async fn keys_and_metadata_are_published_without_secrets() {
    let world = World::new().await;
    let get = |path: &str| Request::get(path).body(Body::empty()).unwrap();
    let jwks = world.send(get("/.well-known/jwks.json"), "127.0.0.1:5000").await.body;
    let keys = jwks["keys"].as_array().unwrap();
    assert_eq!(keys.len(), 1);
    let members: Vec<&str> = keys[0].as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(members, ["alg", "crv", "kid", "kty", "use", "x"]);
    assert_eq!(part(&world.token().await, 0)["kid"], keys[0]["kid"]);

    let metadata = get("/.well-known/oauth-authorization-server");
    let metadata = world.send(metadata, "127.0.0.1:5000").await.body;
    assert_eq!(metadata["issuer"], ISSUER);
    assert_eq!(metadata["token_endpoint"], format!("{ISSUER}/oauth/token"));
    assert_eq!(metadata["jwks_uri"], format!("{ISSUER}/.well-known/jwks.json"));
    assert_eq!(metadata["grant_types_supported"], json!(["client_credentials"]));
    assert_eq!(metadata["response_types_supported"], json!([]));
}

#[tokio::test]
async fn a_lost_database_is_told_as_something_to_repeat() {
    let world = World::new().await;
    world.test.db.close().await;
    let answer = world.ask(None, &world.form(&world.secret)).await;
    assert_eq!(answer.error(), (503, "temporarily_unavailable"));
    assert_eq!(answer.headers[header::RETRY_AFTER], "1");
}

#[tokio::test]
async fn the_document_names_every_endpoint() {
    let world = World::new().await;
    let (_, document) = iam::routes(world.authority.clone()).split_for_parts();
    let paths: Vec<&String> = document.paths.paths.keys().collect();
    let expected =
        ["/.well-known/jwks.json", "/.well-known/oauth-authorization-server", "/oauth/token"];
    assert_eq!(paths, expected);
}

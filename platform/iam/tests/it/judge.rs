//! Which tokens hold and which do not.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use crypto::{SigningKey, verify_signature};
use iam::AuthError;
use jiff::SignedDuration;
use kernel::Clock;
use serde_json::{Value, json};

use crate::world::{CLIENT, World};

fn encode(value: &Value) -> String {
    URL_SAFE_NO_PAD.encode(value.to_string())
}

fn decode(part: &str) -> Value {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}

/// A JWS over any header and claims.
fn signed(header: &Value, claims: &Value, key: &SigningKey) -> String {
    let message = format!("{}.{}", encode(header), encode(claims));
    let signature = URL_SAFE_NO_PAD.encode(key.sign(message.as_bytes()));
    format!("{message}.{signature}")
}

/// Puts a key whose private half the test knows in the place of the one in use.
async fn known_key(world: &World) -> (SigningKey, String) {
    let key = SigningKey::generate().unwrap();
    let x = URL_SAFE_NO_PAD.encode(key.public_key());
    sqlx::query("update iam.signing_key set public_key = $1")
        .bind(&key.public_key()[..])
        .execute(&world.test.owner)
        .await
        .unwrap();
    world.authority.refresh().await.unwrap();
    let kid: String = sqlx::query_scalar("select kid from iam.signing_key")
        .fetch_one(&world.test.owner)
        .await
        .unwrap();
    assert_eq!(x.len(), 43);
    (key, kid)
}

async fn verify(world: &World, token: &str) -> Result<String, AuthError> {
    let caller = world.authority.verify(token, None, world.clock.now()).await?;
    Ok(caller.client.to_string())
}

#[tokio::test]
async fn a_good_token_tells_who_calls_until_it_expires() {
    let world = World::new().await;
    let token = world.token().await;
    let caller = world.authority.verify(&token, None, world.clock.now()).await.unwrap();
    assert_eq!(caller.tenant, world.tenant);
    assert_eq!(&*caller.client, CLIENT);
    assert_eq!(caller.insurer.as_deref(), Some("PICC"));
    assert_eq!(&*caller.region, "110000");
    assert_eq!(*caller.rights, ["production.underwriting.*", "production.fee.read"]);
    assert!(!caller.token_id.is_empty());

    // From memory: the same caller, not an equal one.
    let again = world.authority.verify(&token, None, world.clock.now()).await.unwrap();
    assert!(std::sync::Arc::ptr_eq(&caller, &again));
    let issued = world.clock.now();
    let cases = [
        (-1, Err(AuthError::NotYet)),
        (0, Ok(())),
        (899, Ok(())),
        (900, Err(AuthError::Expired)),
        (86_400, Err(AuthError::Expired)),
    ];
    let fresh = world.another_server().await;
    for (seconds, expected) in cases {
        let at = issued + SignedDuration::from_secs(seconds);
        for server in [&world.authority, &fresh] {
            let judged = server.verify(&token, None, at).await.map(|_| ());
            assert_eq!(judged, expected, "after {seconds} s");
        }
    }
}

#[tokio::test]
async fn a_changed_token_does_not_hold() {
    let world = World::new().await;
    let token = world.token().await;
    let parts: Vec<&str> = token.split('.').collect();
    let mut claims = decode(parts[1]);
    claims["scope"] = json!("*");
    let widened = format!("{}.{}.{}", parts[0], encode(&claims), parts[2]);
    assert_eq!(verify(&world, &widened).await, Err(AuthError::Signature));
    for at in 0..token.len() {
        let mut bytes = token.clone().into_bytes();
        bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
        let changed = String::from_utf8(bytes).unwrap();
        assert!(verify(&world, &changed).await.is_err(), "changed at {at}");
    }
    for length in [0, 1, 10, parts[0].len(), token.len() - 1] {
        assert!(verify(&world, &token[..length]).await.is_err(), "cut to {length}");
    }
    for noise in ["", ".", "..", "...", "a.b.c", "{}", "é", &"x".repeat(100_000)] {
        assert_eq!(verify(&world, noise).await, Err(AuthError::Malformed));
    }
    assert!(verify(&world, &format!("{token}.{}", parts[2])).await.is_err());
    assert!(verify(&world, &format!("{token}=")).await.is_err());
}

#[tokio::test]
async fn a_token_with_another_header_does_not_hold_whoever_signed_it() {
    let world = World::new().await;
    let (key, kid) = known_key(&world).await;
    let now = world.clock.now().as_second();
    let claims = json!({
        "iss": crate::world::ISSUER, "aud": crate::world::ISSUER, "sub": CLIENT,
        "client_id": CLIENT, "tid": world.tenant, "rgn": "110000", "scope": "production.*",
        "iat": now, "nbf": now, "exp": now + 60, "jti": "1",
    });
    let good = json!({ "alg": "EdDSA", "typ": "at+jwt", "kid": kid });
    assert_eq!(verify(&world, &signed(&good, &claims, &key)).await.as_deref(), Ok(CLIENT));

    let x = URL_SAFE_NO_PAD.encode(key.public_key());
    let headers = [
        json!({ "alg": "none", "typ": "at+jwt", "kid": kid }),
        json!({ "alg": "None", "typ": "at+jwt", "kid": kid }),
        json!({ "alg": "HS256", "typ": "at+jwt", "kid": kid }),
        json!({ "alg": "ES256", "typ": "at+jwt", "kid": kid }),
        json!({ "alg": "RS256", "typ": "at+jwt", "kid": kid }),
        json!({ "alg": "EdDSA", "typ": "JWT", "kid": kid }),
        json!({ "alg": "EdDSA", "kid": kid }),
        json!({ "alg": "EdDSA", "typ": "at+jwt" }),
        json!({ "alg": "EdDSA", "typ": "at+jwt", "kid": kid, "crit": ["exp"] }),
        json!({ "typ": "at+jwt", "kid": kid }),
    ];
    for header in headers {
        let token = signed(&header, &claims, &key);
        assert_eq!(verify(&world, &token).await, Err(AuthError::Malformed), "{header}");
    }
    // A key that comes with the token is no key of ours.
    let stranger = SigningKey::generate().unwrap();
    let brought = json!({
        "alg": "EdDSA", "typ": "at+jwt", "kid": kid,
        "jwk": { "kty": "OKP", "crv": "Ed25519", "x": URL_SAFE_NO_PAD.encode(stranger.public_key()) },
    });
    let token = signed(&brought, &claims, &stranger);
    assert_eq!(verify(&world, &token).await, Err(AuthError::Signature));
    let unknown = json!({ "alg": "EdDSA", "typ": "at+jwt", "kid": x });
    assert_eq!(verify(&world, &signed(&unknown, &claims, &key)).await, Err(AuthError::UnknownKey));
    // The public key as an HMAC secret, and no signature at all.
    let message = format!(
        "{}.{}",
        encode(&json!({ "alg": "HS256", "typ": "at+jwt", "kid": kid })),
        encode(&claims)
    );
    assert_eq!(verify(&world, &format!("{message}.{x}")).await, Err(AuthError::Malformed));
    let unsigned = format!("{}.{}.", encode(&good), encode(&claims));
    assert_eq!(verify(&world, &unsigned).await, Err(AuthError::Signature));
}

#[tokio::test]
async fn a_token_with_other_claims_does_not_hold_although_well_signed() {
    let world = World::new().await;
    let (key, kid) = known_key(&world).await;
    let header = json!({ "alg": "EdDSA", "typ": "at+jwt", "kid": kid });
    let now = world.clock.now().as_second();
    let claims = json!({
        "iss": crate::world::ISSUER, "aud": crate::world::ISSUER, "sub": CLIENT,
        "client_id": CLIENT, "tid": world.tenant, "rgn": "110000", "scope": "production.*",
        "iat": now, "nbf": now, "exp": now + 60, "jti": "1",
    });
    let cases = [
        ("iss", json!("https://elsewhere.example"), AuthError::Elsewhere),
        ("aud", json!("https://elsewhere.example"), AuthError::Elsewhere),
        ("exp", json!(now), AuthError::Expired),
        ("nbf", json!(now + 1), AuthError::NotYet),
        ("tid", json!("no tenant"), AuthError::Malformed),
        ("exp", json!("soon"), AuthError::Malformed),
        ("exp", json!(i64::MAX), AuthError::Malformed),
    ];
    for (name, value, expected) in cases {
        let mut other = claims.clone();
        other[name] = value;
        let token = signed(&header, &other, &key);
        assert_eq!(verify(&world, &token).await, Err(expected), "{other}");
    }
    for name in ["iss", "aud", "sub", "exp", "nbf", "tid", "client_id", "scope", "rgn"] {
        let mut other = claims.clone();
        other.as_object_mut().unwrap().remove(name);
        assert!(verify(&world, &signed(&header, &other, &key)).await.is_err(), "without {name}");
    }
}

/// RFC 8037 appendix A.4: the signing input and signature of an Ed25519 JWS.
#[test]
fn the_published_ed25519_jws_holds() {
    let public_key = URL_SAFE_NO_PAD.decode("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo");
    let message = b"eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc";
    let signature = "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt\
                     9g7sVvpAr_MuM0KAg";
    let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
    let public_key = public_key.unwrap().try_into().unwrap();
    assert!(verify_signature(&public_key, message, &signature));
}

#[tokio::test]
async fn none_of_the_published_jws_of_other_algorithms_passes_for_a_token() {
    let Some(path) = testkit::shared_data("vectors/wycheproof/json_web_signature_test.json") else {
        return;
    };
    let world = World::new().await;
    let vectors: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let groups = vectors["testGroups"].as_array().unwrap();
    let mut judged = 0;
    for test in groups.iter().flat_map(|group| group["tests"].as_array().unwrap()) {
        // Some are JSON serialisations: as text they must be refused like any noise.
        let token = test["jws"].as_str().map_or_else(|| test["jws"].to_string(), str::to_owned);
        let refused = verify(&world, &token).await.unwrap_err();
        assert_eq!(refused, AuthError::Malformed, "{}", test["tcId"]);
        judged += 1;
    }
    assert_eq!(judged, 401);
    let Some(folder) = testkit::shared_data("vectors/jose") else { return };
    for file in std::fs::read_dir(folder).unwrap() {
        let text = std::fs::read(file.unwrap().path()).unwrap();
        let vector: Value = serde_json::from_slice(&text).unwrap();
        if let Some(compact) = vector["output"]["compact"].as_str() {
            assert_eq!(verify(&world, compact).await, Err(AuthError::Malformed));
        }
    }
}

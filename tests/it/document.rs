//! The served API document, and that every operation in it refuses those it is not for.

use http::Method;
use serde_json::{Value, json};
use workspace_tests::api::{Answer, Api, answer, http_client, token};
use workspace_tests::{MORNING, Platform, Start, eventually};

/// One operation of the document.
#[derive(Clone, Debug)]
struct Operation {
    method: Method,
    path: String,
    body: Value,
}

/// Every operation of the document; path parameters are filled with something harmless.
fn operations(document: &Value) -> Vec<Operation> {
    let paths = document["paths"].as_object().unwrap();
    let all = paths.iter().flat_map(|(path, item)| {
        item.as_object().unwrap().iter().map(|(method, body)| Operation {
            method: method.to_uppercase().parse().unwrap(),
            path: path.clone(),
            body: body.clone(),
        })
    });
    all.collect()
}

impl Operation {
    /// Asked before a caller can have a token.
    fn is_open(&self) -> bool {
        self.path == "/oauth/token" || self.path.starts_with("/.well-known/")
    }

    fn function(&self) -> &str {
        self.body["x-function-code"].as_str().unwrap_or_default()
    }

    fn is_of_the_operator(&self) -> bool {
        self.function().starts_with("operator.")
    }

    fn sent_by(&self, api: &Api) -> reqwest::RequestBuilder {
        let filled: Vec<&str> = self
            .path
            .split('/')
            .map(|part| if part.starts_with('{') { "1" } else { part })
            .collect();
        let request = api.request(self.method.clone(), &filled.join("/"));
        if self.body.get("requestBody").is_some() { request.json(&json!({})) } else { request }
    }
}

async fn document(api: &Api) -> Value {
    api.get("/openapi.json").await.ok(200)
}

async fn each_refuses(operations: &[Operation], api: &Api, status: u16, code: &str) {
    for operation in operations {
        let refused = answer(operation.sent_by(api)).await.unwrap();
        let place = format!("{} {}", operation.method, operation.path);
        assert_eq!((refused.status, &*refused.problem()), (status, code), "{place}");
        assert!(status != 401 || refused.headers.contains_key("www-authenticate"), "{place}");
        // Right and subscription are what F02 asks of a call.
        let rule = (status == 403).then(|| json!("F02"));
        assert_eq!(refused.json().get("rule"), rule.as_ref(), "{place}");
    }
}

async fn set_clock(platform: &Platform, to: &str) {
    let clock = format!("{}/sandbox/clock", platform.announced.ops);
    let set = http_client().put(clock).json(&json!({ "now": to }));
    assert_eq!(answer(set).await.unwrap().status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_operation_is_declared_and_refuses_the_unauthorised() {
    let platform = Platform::start(Start { clock: Some(MORNING) }).await;
    let api = platform.client("picc-320000").await;
    let document = document(&api).await;
    let (open, guarded): (Vec<_>, Vec<_>) =
        operations(&document).into_iter().partition(Operation::is_open);
    assert_eq!(open.len(), 3, "{open:?}");
    assert!(guarded.len() >= 5, "{guarded:?}");

    declares_its_function(&document, &guarded);

    let nobody = http_client();
    for operation in &guarded {
        let place = format!("{} {}", operation.method, operation.path);
        let request = operation.sent_by(&api).build().unwrap();
        let mut bare = request.try_clone().unwrap();
        bare.headers_mut().remove("authorization");
        let refused = Answer::of(nobody.execute(bare).await.unwrap()).await;
        assert_eq!((refused.status, &*refused.problem()), (401, "E1100"), "{place}");
        let mut basic = request;
        basic.headers_mut().insert("authorization", "Basic cGljYzpwaWNj".parse().unwrap());
        let refused = Answer::of(nobody.execute(basic).await.unwrap()).await;
        assert_eq!((refused.status, &*refused.problem()), (401, "E1100"), "{place}");
    }
    for garbage in ["", "x", "a.b.c", &forged(&api.token), &api.token[..api.token.len() - 4]] {
        each_refuses(&guarded, &api.with_token(garbage), 401, "E1100").await;
    }

    // A token of a client that may call it, but that grants something else.
    for operation in &guarded {
        let client = if operation.is_of_the_operator() { "operator-000000" } else { "picc-320000" };
        let secret = platform.secret(client);
        let other = guarded.iter().find(|other| {
            other.function() != operation.function()
                && other.is_of_the_operator() == operation.is_of_the_operator()
        });
        let other = other.unwrap();
        let narrow = token(&api.base, client, secret, Some(other.function())).await;
        let narrow = api.with_token(&narrow.text_at("/access_token"));
        each_refuses(std::slice::from_ref(operation), &narrow, 403, "E1101").await;
    }

    // An insurer that subscribes to nothing any more.
    let left = platform.client("cpic-320000").await;
    let database = platform.database().await;
    database
        .run(
            "update catalogue.subscription set valid_to = valid_from where tenant_id =
             (select tenant_id from tenancy.tenant where insurer_code = 'CPIC')",
        )
        .await;
    // About something that is not there, so that it is not served before either.
    let asked = guarded.iter().find(|operation| operation.path.contains('{')).unwrap();
    eventually("the gate closes", async || {
        let refused = answer(asked.sent_by(&left)).await.unwrap();
        (refused.status == 403).then_some(())
    })
    .await;
    // What is the operator's is granted to no insurer, subscribed or not.
    let (of_operator, of_members): (Vec<_>, Vec<_>) =
        guarded.iter().cloned().partition(Operation::is_of_the_operator);
    assert!(of_operator.len() >= 5, "{of_operator:?}");
    each_refuses(&of_members, &left, 403, "E1102").await;
    each_refuses(&of_operator, &left, 403, "E1101").await;

    // A token lives fifteen minutes by the platform's clock.
    set_clock(&platform, "2026-03-02T10:16:00+08:00").await;
    each_refuses(&guarded, &api, 401, "E1100").await;

    // None of it was served.
    let written = database.number("select count(*) from metering.usage").await;
    assert_eq!(written, 0);
}

fn declares_its_function(document: &Value, guarded: &[Operation]) {
    let scopes = &document["components"]["securitySchemes"]["oauth2"]["flows"]["clientCredentials"];
    for operation in guarded {
        let place = format!("{} {}", operation.method, operation.path);
        let function = operation.function();
        assert_eq!(function.split('.').count(), 3, "{place} has no function code");
        assert!(!operation.body["x-title-zh"].as_str().unwrap_or_default().is_empty(), "{place}");
        assert!(!operation.body["summary"].as_str().unwrap_or_default().is_empty(), "{place}");
        assert_eq!(operation.body["security"], json!([{ "oauth2": [function] }]), "{place}");
        assert!(scopes["scopes"].get(function).is_some(), "{place}: {function} is no scope");
        let responses = operation.body["responses"].as_object().unwrap();
        for status in ["400", "401", "403", "422", "503"] {
            assert!(responses.contains_key(status), "{place} does not document {status}");
        }
        assert!(responses.keys().any(|status| status.starts_with('2')), "{place}");
    }
}

/// The token with its rights widened and its signature kept.
fn forged(token: &str) -> String {
    let mut parts: Vec<String> = token.split('.').map(str::to_owned).collect();
    let swapped = if parts[1].ends_with('A') { 'B' } else { 'A' };
    parts[1].pop();
    parts[1].push(swapped);
    parts.join(".")
}

#[tokio::test(flavor = "multi_thread")]
async fn the_served_document_is_the_committed_one_and_readable() {
    let platform = Platform::up().await;
    let api = platform.client("picc-320000").await;
    let committed = concat!(env!("CARGO_MANIFEST_DIR"), "/../openapi/commonwheel.json");
    let committed: Value =
        serde_json::from_slice(&std::fs::read(committed).unwrap()).expect("openapi/ is JSON");
    let served = document(&api).await;
    assert!(served["openapi"].as_str().unwrap().starts_with("3.1"), "{}", served["openapi"]);
    assert!(served == committed, "run `make openapi` and commit");
    every_reference_resolves(&served, &served);
    let page = api.get("/docs/").await;
    assert_eq!(page.status, 200);
    assert!(page.text().to_lowercase().contains("swagger"), "{}", page.text());
}

fn every_reference_resolves(document: &Value, part: &Value) {
    match part {
        Value::Object(members) => {
            if let Some(Value::String(reference)) = members.get("$ref") {
                let pointer = reference.strip_prefix('#').expect("a reference into the document");
                assert!(document.pointer(pointer).is_some(), "{reference} leads nowhere");
            }
            members.values().for_each(|member| every_reference_resolves(document, member));
        }
        Value::Array(items) => {
            items.iter().for_each(|item| every_reference_resolves(document, item));
        }
        _ => {}
    }
}

//! Calls made up from the API document: every operation, its parameters and bodies filled with
//! what the document promises to read and with what nobody should send.

use futures::StreamExt;
use http::Method;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::{Map, Value, json};
use workspace_tests::api::{Api, answer};
use workspace_tests::market::Car;
use workspace_tests::{MORNING, Platform, Start};

const SEED: u64 = 7;
/// Calls of each operation.
const CALLS: usize = 150;

const WORDS: [&str; 16] = [
    "",
    " ",
    "0",
    "-1",
    "1.5",
    "99999999999999999999",
    "20260301",
    "2026-03-01",
    "2026030300",
    "2199123124",
    "2026-03-02T10:00:00+08:00",
    "0001-01-01T00:00:00Z",
    "投保",
    "\u{0}",
    "'; --",
    "𠮷%2f..",
];

/// Makes values after the document's schemas.
struct Maker<'a> {
    document: &'a Value,
    random: ChaCha8Rng,
    /// Numbers and frames that exist.
    known: Vec<String>,
}

impl Maker<'_> {
    fn word(&mut self) -> String {
        if self.random.random_ratio(1, 3) {
            self.known.choose(&mut self.random).unwrap().clone()
        } else {
            (*WORDS.choose(&mut self.random).unwrap()).to_owned()
        }
    }

    fn value(&mut self, schema: &Value, depth: u32) -> Value {
        if let Some(reference) = schema["$ref"].as_str() {
            let target = self.document.pointer(&reference[1..]).unwrap().clone();
            return self.value(&target, depth);
        }
        for choice in ["oneOf", "anyOf", "allOf"] {
            if let Some(choices) = schema[choice].as_array() {
                let chosen = choices.choose(&mut self.random).unwrap().clone();
                return self.value(&chosen, depth);
            }
        }
        if self.random.random_ratio(1, 40) || depth > 6 {
            let odd = [Value::Null, json!([]), json!({}), json!(-7), json!("x"), json!(true)];
            return odd.choose(&mut self.random).unwrap().clone();
        }
        let kind = match &schema["type"] {
            Value::Array(kinds) => kinds[0].as_str().unwrap_or_default(),
            kind => kind.as_str().unwrap_or_default(),
        };
        match kind {
            "object" => {
                let mut object = Map::new();
                for (name, property) in schema["properties"].as_object().into_iter().flatten() {
                    if self.random.random_ratio(2, 3) {
                        object.insert(name.clone(), self.value(property, depth + 1));
                    }
                }
                Value::Object(object)
            }
            "array" => {
                let length = self.random.random_range(0..4);
                (0..length).map(|_| self.value(&schema["items"], depth + 1)).collect()
            }
            "integer" | "number" => {
                let numbers = [0, 1, 5, 2_026, -1, i64::from(u16::MAX), i64::MAX];
                json!(numbers.choose(&mut self.random).unwrap())
            }
            "boolean" => json!(self.random.random_bool(0.5)),
            _ => match schema.get("example") {
                Some(example) if self.random.random_ratio(2, 3) => example.clone(),
                _ => json!(self.word()),
            },
        }
    }

    /// The path with its parameters filled in.
    fn path(&mut self, path: &str) -> String {
        let parts = path.split('/').map(|part| match part.starts_with('{') {
            true if self.random.random_ratio(3, 4) => {
                self.known.choose(&mut self.random).unwrap().clone()
            }
            true => escaped(&self.word()),
            false => part.to_owned(),
        });
        parts.collect::<Vec<_>>().join("/")
    }

    fn query(&mut self, operation: &Value) -> Vec<(String, String)> {
        let mut query = Vec::new();
        for parameter in operation["parameters"].as_array().into_iter().flatten() {
            if parameter["in"] == "query" && self.random.random_bool(0.5) {
                let value = match self.value(&parameter["schema"], 0) {
                    Value::String(text) => text,
                    other => other.to_string(),
                };
                query.push((parameter["name"].as_str().unwrap().to_owned(), value));
            }
        }
        query
    }
}

fn escaped(text: &str) -> String {
    let bytes = text.bytes().map(|byte| match byte {
        byte if byte.is_ascii_alphanumeric() => char::from(byte).to_string(),
        byte => format!("%{byte:02x}"),
    });
    bytes.collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn no_operation_is_brought_down_by_what_its_document_allows_or_forbids() {
    let platform = Platform::start(Start { clock: Some(MORNING) }).await;
    let database = platform.database().await;
    database.run("update tenancy.parameter set value = '100000'").await;
    let picc = platform.client("picc-320000").await;
    let morning = MORNING.parse().unwrap();
    let car = Car::number(1);
    let codes = picc.insure(&car.message(morning)).await;
    let paid = picc.paid(&Car::number(2).message(morning)).await;
    let document = picc.get("/openapi.json").await.ok(200);
    let known = [codes, vec![paid.query, car.vin]].concat();
    let mut maker = Maker { document: &document, random: ChaCha8Rng::seed_from_u64(SEED), known };

    let mut calls = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let method: Method = method.to_uppercase().parse().unwrap();
            for index in 0..CALLS {
                let target = maker.path(path);
                let query = maker.query(operation);
                let schema = operation.pointer("/requestBody/content/application~1json/schema");
                let body = schema.cloned().map(|schema| maker.value(&schema, 0));
                let key = format!("{index}-{}", operation["operationId"]);
                calls.push((method.clone(), target, query, body, key));
            }
        }
    }
    let faults: Vec<String> = futures::stream::iter(calls)
        .map(|call| one(&picc, call))
        .buffer_unordered(8)
        .filter_map(async |fault| fault)
        .collect()
        .await;
    assert!(faults.is_empty(), "seed {SEED}: {} faults\n{}", faults.len(), faults.join("\n"));
    assert!(!platform.log().contains("panicked"), "a call panicked");
}

type Made = (Method, String, Vec<(String, String)>, Option<Value>, String);

/// Makes a call; says what is wrong with its answer.
async fn one(api: &Api, (method, path, query, body, key): Made) -> Option<String> {
    let shown = format!("{method} {path} {query:?} {}", body.clone().unwrap_or_default());
    let mut request = api.request(method, &path).query(&query).header("x-purpose", "test");
    request = request.header("idempotency-key", key.replace('"', ""));
    if let Some(body) = &body {
        request = request.json(body);
    }
    let answered = answer(request).await.unwrap();
    // The token endpoint and its metadata speak OAuth's own language of errors.
    let own = path.starts_with("/v1/");
    if answered.status >= 400 && own {
        answered.problem();
    }
    // Told to come again is honest, and no outside system is silent here.
    (answered.status >= 500).then(|| format!("{} {shown}\n  {}", answered.status, answered.text()))
}

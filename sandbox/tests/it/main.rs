//! The counterparties over real HTTP.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

mod bank;
mod contracts;
mod faults;

use std::net::SocketAddr;

use reqwest::{Client, Response};
use serde_json::{Value, json};

/// A client that trusts nobody, for nothing here speaks TLS.
fn client() -> Client {
    Client::builder().no_proxy().tls_certs_only([]).build().unwrap()
}

async fn post(client: &Client, addr: SocketAddr, path: &str, body: &Value) -> Response {
    client.post(format!("http://{addr}{path}")).json(body).send().await.unwrap()
}

fn police_question(data: Value) -> Value {
    police_envelope("vehicle.query", data)
}

fn police_envelope(method: &str, data: Value) -> Value {
    json!({
        "appId": "commonwheel",
        "serialNo": "42",
        "timeStamp": "20250301120000",
        "method": method,
        "data": data,
    })
}

//! The market as its members reach it: over HTTP, with a token, on a day.

use std::collections::HashMap;
use std::time::Duration;

use anyhow::{Context, anyhow};
use jiff::Timestamp;
use jiff::civil::DateTime;
use reqwest::{Client, Method, RequestBuilder};
use sandbox::vehicle::VehicleRecord;
use serde_json::{Value, json};

use crate::up::Announcement;

/// An insurer of the story, by the client of its Jiangsu branch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Insurer {
    pub(super) code: &'static str,
    pub(super) client: &'static str,
}

pub(super) const PICC: Insurer = Insurer { code: "PICC", client: "picc-320000" };
pub(super) const PAIC: Insurer = Insurer { code: "PAIC", client: "paic-320000" };
pub(super) const CPIC: Insurer = Insurer { code: "CPIC", client: "cpic-320000" };
pub(super) const CCIC: Insurer = Insurer { code: "CCIC", client: "ccic-320000" };
/// The platform's own staff, which calls like an insurer does.
pub(super) const OPERATOR: Insurer = Insurer { code: "platform", client: "operator-000000" };

/// What came back.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) body: Value,
    pub(super) replayed: bool,
}

impl Answer {
    /// The text at a JSON pointer; empty when there is none.
    pub(super) fn text(&self, pointer: &str) -> &str {
        self.body.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
    }
}

/// A sandbox that runs, and what it takes to speak to it.
pub(super) struct Market {
    http: Client,
    at: Announcement,
    /// Good until the clock jumps.
    tokens: HashMap<Insurer, String>,
    keys: u32,
}

impl Market {
    pub(super) fn open(at: Announcement) -> anyhow::Result<Market> {
        let http = Client::builder().no_proxy().build()?;
        Ok(Market { http, at, tokens: HashMap::new(), keys: 0 })
    }

    /// Puts the platform's clock to a wall time in China, such as `2021-03-10T10:00`.
    pub(super) async fn move_to(&mut self, wall_time: &str) -> anyhow::Result<()> {
        let now = instant(wall_time)?;
        let url = format!("{}/sandbox/clock", self.at.ops);
        let answer = self.http.put(url).json(&json!({ "now": now })).send().await?;
        answer.error_for_status().context("cannot move the clock")?;
        self.tokens.clear();
        Ok(())
    }

    /// Makes a vehicle known to police, model library and tax office.
    pub(super) async fn load_vehicle(&self, record: &VehicleRecord) -> anyhow::Result<()> {
        let url = format!("{}/sandbox/vehicles/{}", self.at.police, record.vin);
        let answer = self.http.put(url).json(record).send().await?;
        answer.error_for_status().context("cannot load a vehicle")?;
        Ok(())
    }

    /// Takes the police's server away, or gives it back.
    pub(super) async fn police_are(&self, down: bool) -> anyhow::Result<()> {
        let url = format!("{}/sandbox/faults", self.at.police);
        let answer = self.http.put(url).json(&json!({ "down": down })).send().await?;
        answer.error_for_status().context("cannot set faults")?;
        Ok(())
    }

    /// Sends a message under a new idempotency key.
    pub(super) async fn post(
        &mut self,
        who: Insurer,
        path: &str,
        body: &Value,
    ) -> anyhow::Result<Answer> {
        self.keys += 1;
        let key = format!("demo-{}", self.keys);
        self.post_as(who, path, body, &key).await
    }

    /// Sends a message under a key of one's own.
    pub(super) async fn post_as(
        &mut self,
        who: Insurer,
        path: &str,
        body: &Value,
        key: &str,
    ) -> anyhow::Result<Answer> {
        let request = self.request(who, Method::POST, path).await?;
        answered(request.header("Idempotency-Key", key).json(body)).await
    }

    /// Sends a message that shows other insurers' records, and says what for.
    pub(super) async fn post_because(
        &mut self,
        who: Insurer,
        path: &str,
        purpose: &str,
        body: &Value,
    ) -> anyhow::Result<Answer> {
        self.keys += 1;
        let key = format!("demo-{}", self.keys);
        let request = self.request(who, Method::POST, path).await?;
        let request = request.header("X-Purpose", purpose).header("Idempotency-Key", key);
        answered(request.json(body)).await
    }

    /// Puts something under a name of its own.
    pub(super) async fn put(
        &mut self,
        who: Insurer,
        path: &str,
        body: &Value,
    ) -> anyhow::Result<Answer> {
        answered(self.request(who, Method::PUT, path).await?.json(body)).await
    }

    /// Reads, in order to underwrite.
    pub(super) async fn get(&mut self, who: Insurer, path: &str) -> anyhow::Result<Answer> {
        self.get_because(who, path, "underwriting").await
    }

    /// Reads, for a stated purpose.
    pub(super) async fn get_because(
        &mut self,
        who: Insurer,
        path: &str,
        purpose: &str,
    ) -> anyhow::Result<Answer> {
        let request = self.request(who, Method::GET, path).await?;
        answered(request.header("X-Purpose", purpose)).await
    }

    /// Reads until a text stands at a pointer, for ten seconds at most: what happens in the
    /// background after a call was answered.
    pub(super) async fn get_until(
        &mut self,
        who: Insurer,
        path: &str,
        (pointer, wanted): (&str, &str),
    ) -> anyhow::Result<Answer> {
        let mut answer = self.get(who, path).await?;
        for _ in 0..50 {
            if answer.text(pointer) == wanted {
                break;
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
            answer = self.get(who, path).await?;
        }
        Ok(answer)
    }

    async fn request(
        &mut self,
        who: Insurer,
        method: Method,
        path: &str,
    ) -> anyhow::Result<RequestBuilder> {
        let token = self.token(who).await?;
        Ok(self.http.request(method, format!("{}{path}", self.at.api)).bearer_auth(token))
    }

    async fn token(&mut self, who: Insurer) -> anyhow::Result<String> {
        if let Some(token) = self.tokens.get(&who) {
            return Ok(token.clone());
        }
        let client = self.at.clients.iter().find(|client| client.client_id == who.client);
        let client = client.ok_or_else(|| anyhow!("the sandbox has no client {}", who.client))?;
        let answer = self
            .http
            .post(format!("{}/oauth/token", self.at.api))
            .basic_auth(&client.client_id, Some(&client.client_secret))
            .form(&[("grant_type", "client_credentials")])
            .send()
            .await?
            .error_for_status()
            .with_context(|| format!("no token for {}", who.client))?;
        let answer: Value = answer.json().await?;
        let token = answer["access_token"].as_str().context("a token answer without token")?;
        self.tokens.insert(who, token.to_owned());
        Ok(token.to_owned())
    }
}

async fn answered(request: RequestBuilder) -> anyhow::Result<Answer> {
    let response = request.send().await?;
    let status = response.status().as_u16();
    let replayed = response.headers().contains_key("idempotency-replayed");
    let body = response.json().await.with_context(|| format!("status {status} without JSON"))?;
    Ok(Answer { status, body, replayed })
}

/// The instant of a wall time in China.
pub(super) fn instant(wall_time: &str) -> anyhow::Result<Timestamp> {
    let time: DateTime = wall_time.parse().with_context(|| format!("bad time {wall_time:?}"))?;
    kernel::time::instant_of(time).with_context(|| format!("no such time {wall_time}"))
}

//! The server as its client sees it: a token, questions, files, jobs that are waited for, and refusals
//! as a person reads them.

use std::path::Path;
use std::time::Duration;

use analytics::encode::Format;
use anyhow::{Context, anyhow, bail};
use kernel::Ids;
use reqwest::{Client, RequestBuilder, Response};
use serde_json::Value;

use super::Server;

/// How often a job is looked at while it is waited for.
const LOOK: Duration = Duration::from_millis(500);

/// A server, with a token.
pub(super) struct Api {
    pub(super) http: Client,
    base: String,
    token: String,
    json: bool,
}

impl Api {
    pub(super) async fn login(server: &Server) -> anyhow::Result<Api> {
        let missing =
            |flag: &str, variable: &str| anyhow!("say as whom: give {flag}, or set {variable}");
        let id = server.client_id.as_deref();
        let id = id.ok_or_else(|| missing("--client-id", "COMMONWHEEL_CLIENT_ID"))?;
        let secret = server.client_secret.as_deref();
        let secret =
            secret.ok_or_else(|| missing("--client-secret", "COMMONWHEEL_CLIENT_SECRET"))?;
        let http = Client::builder().build().context("cannot make a client")?;
        let base = server.api.trim_end_matches('/').to_owned();
        let form =
            [("grant_type", "client_credentials"), ("client_id", id), ("client_secret", secret)];
        let answer = http.post(format!("{base}/oauth/token")).form(&form).send().await;
        let answer = answer.with_context(|| format!("cannot reach {base}; is the server up?"))?;
        let body: Value = answer.json().await.context("the server gave no token")?;
        match body["access_token"].as_str() {
            Some(token) => {
                let token = token.to_owned();
                Ok(Api { http, base, token, json: server.json })
            }
            None => bail!(
                "the server gives no token: {}",
                body["error_description"]
                    .as_str()
                    .or(body["error"].as_str())
                    .unwrap_or("no reason")
            ),
        }
    }

    pub(super) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    pub(super) async fn get(&self, path: &str) -> anyhow::Result<Value> {
        self.answer(self.http.get(self.url(path))).await
    }

    /// Sends a message that is new work, under a key of its own.
    pub(super) async fn post(&self, request: RequestBuilder) -> anyhow::Result<Value> {
        let key = hex::encode(Ids::from_os().bytes::<16>());
        self.answer(request.header("Idempotency-Key", key)).await
    }

    pub(super) async fn answer(&self, request: RequestBuilder) -> anyhow::Result<Value> {
        let answer = served(request.bearer_auth(&self.token)).await?;
        answer.json().await.context("the answer cannot be read")
    }

    /// Asks, and shows the answer, or writes it to a file in the form its name says.
    pub(super) async fn ask(
        &self,
        path: &str,
        question: &Value,
        out: Option<&Path>,
        print: impl FnOnce(&Value),
    ) -> anyhow::Result<()> {
        let request = self.http.post(self.url(path)).json(question);
        let Some(out) = out else { return self.show(&self.answer(request).await?, print) };
        let ending = out.extension().and_then(|ending| ending.to_str()).unwrap_or_default();
        let format = Format::ALL.into_iter().find(|format| format.extension() == ending);
        let format = format.context("the name of the file ends in .parquet, .csv or .arrows")?;
        self.save(request.header(http::header::ACCEPT, format.media_type()), out).await
    }

    pub(super) async fn download(&self, path: &str, to: &Path) -> anyhow::Result<()> {
        self.save(self.http.get(self.url(path)), to).await
    }

    pub(super) async fn save(&self, request: RequestBuilder, to: &Path) -> anyhow::Result<()> {
        let mut answer = served(request.bearer_auth(&self.token)).await?;
        let mut file = tokio::fs::File::create(to)
            .await
            .with_context(|| format!("cannot write {}", to.display()))?;
        while let Some(piece) = answer.chunk().await.context("the download broke off")? {
            tokio::io::AsyncWriteExt::write_all(&mut file, &piece).await?;
        }
        tokio::io::AsyncWriteExt::flush(&mut file).await?;
        println!("wrote {}", to.display());
        Ok(())
    }

    pub(super) fn show(&self, value: &Value, print: impl FnOnce(&Value)) -> anyhow::Result<()> {
        if self.json {
            println!("{}", serde_json::to_string_pretty(value)?);
        } else {
            print(value);
        }
        Ok(())
    }

    /// Looks at a job until it has ended, telling how far it is.
    pub(super) async fn wait(&self, path: &str) -> anyhow::Result<Value> {
        let mut told = String::new();
        loop {
            let job = self.get(path).await?;
            let state = text(&job, "state");
            if !["queued", "running"].contains(&state) {
                return Ok(job);
            }
            let stage = job["stage"].as_str().unwrap_or(state);
            let now = format!("{stage}, {}%", job["percent"]);
            if now != told && !self.json {
                eprintln!("{now}");
                told = now;
            }
            tokio::time::sleep(LOOK).await;
        }
    }
}

/// What a server serves; its problem, as a person reads it, otherwise.
async fn served(request: RequestBuilder) -> anyhow::Result<Response> {
    let answer = request.send().await.context("cannot reach the server")?;
    if answer.status().is_success() {
        return Ok(answer);
    }
    let status = answer.status();
    let problem: Value = answer.json().await.unwrap_or_default();
    Err(anyhow!("{}", refusal(&problem).unwrap_or_else(|| format!("the server answers {status}"))))
}

/// A problem document in some lines.
pub(super) fn refusal(problem: &Value) -> Option<String> {
    let (code, title) = (problem["code"].as_str()?, problem["title"].as_str()?);
    let mut lines = vec![format!("{title} ({code})")];
    lines.extend(problem["detail"].as_str().map(|detail| format!("  {detail}")));
    for error in list(&problem["errors"]) {
        lines.push(format!("  {} {}", text(error, "pointer"), text(error, "detail")));
    }
    lines.extend(problem["advice"].as_str().map(|advice| format!("  what to do: {advice}")));
    lines.extend(problem["traceId"].as_str().map(|trace| format!("  trace {trace}")));
    Some(lines.join("\n"))
}

pub(super) fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_default()
}

pub(super) fn list(of: &Value) -> impl Iterator<Item = &Value> {
    of.as_array().into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_problem_is_told_with_what_to_change() {
        let problem = json!({ "code": "E5100", "title": "t", "detail": "d", "advice": "a",
            "errors": [{ "pointer": "/x", "detail": "wrong" }] });
        let told = refusal(&problem).unwrap();
        assert_eq!(told, "t (E5100)\n  d\n  /x wrong\n  what to do: a");
        assert_eq!(refusal(&Value::Null), None);
    }
}

//! What commits with a served call: usage, proof, events and the kept answer, once each.

use std::collections::BTreeMap;

use futures::future::join_all;
use serde_json::json;
use sha2::{Digest, Sha256};
use sqlx::Row;
use workspace_tests::api::{Answer, Api};
use workspace_tests::database::Database;
use workspace_tests::market::{Car, confirm_codes, now, step};
use workspace_tests::{Platform, api};

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Proof {
    function: String,
    client: String,
    status: i16,
    reply: String,
    request: String,
    trace: String,
}

fn sha256(parts: &[&[u8]]) -> String {
    let mut digest = Sha256::new();
    parts.iter().for_each(|part| digest.update(part));
    hex::encode(digest.finalize())
}

/// What must be on record of an answered call.
fn proof(api: &Api, function: &str, path: &str, body: &[u8], answer: &Answer) -> Proof {
    Proof {
        function: format!("production.underwriting.{function}"),
        client: api.client_id.clone(),
        status: i16::try_from(answer.status).unwrap(),
        reply: sha256(&[&answer.bytes]),
        request: sha256(&[b"POST\n", path.as_bytes(), b"\n", body]),
        trace: answer.headers.get("x-trace-id").unwrap().to_str().unwrap().to_owned(),
    }
}

async fn proofs(database: &Database) -> Vec<Proof> {
    let rows = sqlx::query(
        "select function_code, client, status, encode(reply_digest, 'hex') as reply,
                encode(request_digest, 'hex') as request, trace_id
         from evidence.message",
    );
    let rows = rows.fetch_all(&database.0).await.unwrap();
    let mut proofs: Vec<Proof> = rows
        .iter()
        .map(|row| Proof {
            function: row.get("function_code"),
            client: row.get("client"),
            status: row.get("status"),
            reply: row.get("reply"),
            request: row.get("request"),
            trace: row.get("trace_id"),
        })
        .collect();
    proofs.sort();
    proofs
}

#[tokio::test(flavor = "multi_thread")]
async fn every_served_call_is_counted_and_proven_once_and_no_other_is() {
    let platform = Platform::up().await;
    let database = platform.database().await;
    let picc = platform.client("picc-320000").await;
    let paic = platform.client("paic-320000").await;
    let mut expected: Vec<Proof> = Vec::new();

    // Many at once: they commit as sets.
    let quotes: Vec<(Api, String)> = (0..24)
        .map(|number| {
            let api = if number % 2 == 0 { picc.clone() } else { paic.clone() };
            (api, Car::number(number).message(now()).to_string())
        })
        .collect();
    let answers = join_all(quotes.iter().map(|(api, body)| {
        let request = api.request(http::Method::POST, "/v1/quotes").body(body.clone());
        api::answer(request.header("content-type", "application/json"))
    }));
    for ((api, body), answer) in quotes.iter().zip(answers.await) {
        let answer = answer.unwrap();
        answer.ok(201);
        expected.push(proof(api, "quote", "/v1/quotes", body.as_bytes(), &answer));
    }

    // A walk, step by step, with keys, each step sent twice.
    let message = Car::number(50).message(now());
    let mut codes = Vec::new();
    let mut query = String::new();
    let mut frozen = json!({});
    for name in ["quote", "pre_confirm", "payment", "confirm"] {
        let (path, body) = match name {
            "quote" => ("/v1/quotes".to_owned(), message.clone()),
            "pre_confirm" => (step(&query, "pre-confirm"), json!({})),
            "payment" => {
                let amount = frozen["payable"].as_str().unwrap();
                (step(&query, "payment"), workspace_tests::market::payment("POS-50", amount))
            }
            _ => (step(&query, "confirm"), workspace_tests::market::echo(&query, &frozen)),
        };
        let answer = picc.post(&path, Some(name), &body).await;
        let again = picc.post(&path, Some(name), &body).await;
        assert!(again.is_replayed(), "{}", again.text());
        let answered = answer.json();
        match name {
            "quote" => query = answer.text_at("/queryCode"),
            "pre_confirm" => frozen = answered,
            "confirm" => codes = confirm_codes(&answered),
            _ => {}
        }
        expected.push(proof(&picc, name, &path, body.to_string().as_bytes(), &answer));
    }

    // Refused for every kind of reason: nothing of it is recorded.
    let paid = picc.paid(&Car::number(51).message(now())).await;
    for proof in proofs(&database).await {
        if !expected.contains(&proof) {
            expected.push(proof);
        }
    }
    assert_eq!(expected.len(), 24 + 4 + 3);
    let mut wrong = message.clone();
    wrong["vehicle"]["frameNo"] = json!("?");
    let refusals = [
        picc.quote(&wrong).await,
        picc.quote(&message).await, // covered already
        picc.post(&step(&paid.query, "pre-confirm"), Some("again"), &json!({})).await,
        paic.confirm(&paid, "theirs").await,
        picc.with_token("none").quote(&message).await,
    ];
    assert_eq!(refusals.map(|refused| refused.status), [422, 409, 409, 422, 401]);

    expected.sort();
    assert_eq!(proofs(&database).await, expected);
    let counted = database
        .texts(
            "select usage.function_code || ' ' || usage.client
             from metering.usage join evidence.message using (slot, call_id, tenant_id)
             where usage.function_code = message.function_code and usage.client = message.client",
        )
        .await;
    assert_eq!(counted.len(), expected.len());
    assert_eq!(
        database.number("select count(*) from metering.usage").await,
        i64::try_from(expected.len()).unwrap()
    );
    let kept = database.number("select count(*) from http.idempotency").await;
    assert_eq!(kept, 4 + 2);

    let mut told: BTreeMap<String, usize> = BTreeMap::new();
    for kind in database.texts("select type from events.outbox").await {
        *told.entry(kind).or_default() += 1;
    }
    let of = |kind: &str, times: usize| (format!("production.{kind}"), times);
    let all = [
        of("payment.registered", 2),
        of("policy.confirmed", 2),
        of("quote.made", 26),
        of("quote.pre_confirmed", 2),
    ];
    assert_eq!(told, all.into_iter().collect());
    for code in &codes {
        let about = format!("select count(*) from events.outbox where subject = '{code}'");
        assert_eq!(database.number(&about).await, 1);
    }
}

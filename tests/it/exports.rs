//! Exports over HTTP: asked for, watched, fetched in parts, and made in spite of a killed server.

use http::Method;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use workspace_tests::api::{Answer, Api, answer, http_client};
use workspace_tests::market::Car;
use workspace_tests::{MORNING, Platform, Start, eventually};

/// Policies the large export holds beside the one that was sold: more than is made in an instant.
const COPIES: i64 = 40_000;

async fn asked(api: &Api, key: &str, body: &Value) -> String {
    let answer = api.post("/v1/exports", Some(key), body).await;
    answer.ok(202);
    answer.text_at("/exportId")
}

async fn done(api: &Api, export: &str) -> Value {
    eventually("the export is done", async || {
        let view = api.get(&format!("/v1/exports/{export}")).await.ok(200);
        assert!(view["state"] != "failed", "{view:#}");
        (view["state"] == "done").then_some(view)
    })
    .await
}

async fn fetch(api: &Api, export: &str, headers: &[(&str, &str)]) -> Answer {
    let mut request = api.request(Method::GET, &format!("/v1/exports/{export}/file"));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    answer(request).await.unwrap()
}

fn sha256(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

/// Copies the one policy there is, with its version.
async fn copy_policies(platform: &Platform) {
    let database = platform.database().await;
    let code = "left(confirm_no, 23) || 'X' || lpad(copy::text, 6, '0')";
    database
        .run(&format!(
            "with copied as (
                 insert into production.policy
                     (slot, confirm_no, tenant_id, insurer, region, class, policy_no, query_no,
                      frame_no, plate_kind, plate, engine_no, owner_index, quoted_at, issued_at,
                      cover_from, cover_to, short_term, premium_fen, tax_fen, facts)
                 select slot, {code}, tenant_id, insurer, region, class, policy_no || copy, query_no,
                        frame_no, plate_kind, plate, engine_no, owner_index, quoted_at, issued_at,
                        cover_from, cover_to, short_term, premium_fen, tax_fen, facts
                 from production.policy, generate_series(1, {COPIES}) as copy
                 where class = 'commercial')
             insert into production.policy_version
                 (slot, confirm_no, endorse_times, tenant_id, effective_at, recorded_at, cover_from,
                  cover_to, facts, premium_fen, tax_fen, vehicle, input, tariff_version,
                  parties_sealed)
             select v.slot, {}, v.endorse_times, v.tenant_id, v.effective_at, v.recorded_at,
                    v.cover_from, v.cover_to, v.facts, v.premium_fen, v.tax_fen, v.vehicle, v.input,
                    v.tariff_version, v.parties_sealed
             from production.policy_version v join production.policy p using (slot, confirm_no),
                  generate_series(1, {COPIES}) as copy
             where p.class = 'commercial'",
            code.replace("confirm_no", "v.confirm_no")
        ))
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_is_watched_fetched_in_parts_and_checked() {
    let platform = Platform::start(Start { clock: Some(MORNING) }).await;
    let picc = platform.client("picc-320000").await;
    let paic = platform.client("paic-320000").await;
    let codes = picc.insure(&Car::number(1).message(MORNING.parse().unwrap())).await;

    let body = json!({ "kind": "policies", "format": "csv", "from": "2026-01-01" });
    let keyless = picc.post("/v1/exports", None, &body).await;
    assert_eq!((keyless.status, &*keyless.problem()), (400, "E1200"));
    let unknown =
        json!({ "kind": "policies", "format": "csv", "from": "2026-01-01", "regoin": "1" });
    let refused = picc.post("/v1/exports", Some("typo"), &unknown).await;
    assert_eq!((refused.status, &*refused.problem()), (400, "E1000"));
    assert_eq!(refused.pointers(), ["/regoin"]);
    let id = asked(&picc, "policies", &body).await;
    assert_eq!(asked(&picc, "policies", &body).await, id, "one key, one export");
    let view = done(&picc, &id).await;
    assert_eq!((&view["rowCount"], &view["percent"]), (&json!(2), &json!(100)));

    let whole = fetch(&picc, &id, &[]).await;
    assert_eq!(whole.status, 200);
    assert_eq!(json!(sha256(&whole.bytes)), view["sha256"]);
    let header = |name: &str| whole.headers.get(name).unwrap().to_str().unwrap();
    assert_eq!(header("content-type"), "text/csv; charset=utf-8; header=present");
    assert_eq!(header("content-length"), whole.bytes.len().to_string());
    let text = whole.text();
    assert!(codes.iter().all(|code| text.contains(&**code)), "{text}");
    assert!(text.contains("李*") && !text.contains("李芳"), "{text}");
    let tag = header("etag").to_owned();
    let first = fetch(&picc, &id, &[("range", "bytes=0-99")]).await;
    let rest = fetch(&picc, &id, &[("range", "bytes=100-"), ("if-range", &tag)]).await;
    assert_eq!((first.status, rest.status), (206, 206));
    assert!([first.bytes, rest.bytes].concat() == whole.bytes);
    let stale = fetch(&picc, &id, &[("range", "bytes=100-"), ("if-range", "\"old\"")]).await;
    assert!(stale.status == 200 && stale.bytes == whole.bytes);
    let behind = fetch(&picc, &id, &[("range", "bytes=1000000-")]).await;
    assert_eq!((behind.status, &*behind.problem()), (416, "E2063"));
    let length = format!("bytes */{}", whole.bytes.len());
    assert_eq!(behind.headers.get("content-range").unwrap(), &*length);
    let head = picc.request(Method::HEAD, &format!("/v1/exports/{id}/file"));
    let head = answer(head).await.unwrap();
    assert_eq!(head.headers.get("etag").unwrap(), &*tag);
    assert_eq!(head.headers.get("content-length").unwrap(), header("content-length"));

    for path in [format!("/v1/exports/{id}"), format!("/v1/exports/{id}/file")] {
        let stranger = paic.get(&path).await;
        assert_eq!((stranger.status, &*stranger.problem()), (404, "E2000"));
    }
    let cancelled = picc.request(Method::DELETE, &format!("/v1/exports/{id}"));
    assert_eq!(answer(cancelled).await.unwrap().ok(200)["state"], "cancelled");
    let gone = fetch(&picc, &id, &[]).await;
    assert_eq!((gone.status, &*gone.problem()), (409, "E2060"));

    // Request, looks, downloads: every served call is on record, every refusal is not.
    let database = platform.database().await;
    let proven = "select count(*) from evidence.message where function_code = 'production.export.";
    for (function, times) in [("request", 1), ("download", 5), ("cancel", 1)] {
        assert_eq!(database.number(&format!("{proven}{function}'")).await, times, "{function}");
    }
    let first = database
        .texts("select subject from evidence.message where subject like 'export % 100 bytes'")
        .await;
    assert_eq!(first, [format!("export {id} from byte 0 on, 100 bytes")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_server_leaves_no_half_file_and_the_next_one_makes_it_whole() {
    let mut platform = Platform::start(Start { clock: Some(MORNING) }).await;
    let picc = platform.client("picc-320000").await;
    picc.insure(&Car::number(1).message(MORNING.parse().unwrap())).await;
    copy_policies(&platform).await;
    let body = json!({ "kind": "policies", "format": "csv", "from": "2026-01-01" });
    let id = asked(&picc, "large", &body).await;
    let path = format!("/v1/exports/{id}");
    eventually("the export is on its way", async || {
        let view = picc.get(&path).await.ok(200);
        assert!(view["state"] != "done", "made before it could be killed: {view:#}");
        view["parts"].as_i64().filter(|parts| *parts >= 2)
    })
    .await;
    platform.kill();

    platform.again().await;
    let picc = platform.client("picc-320000").await;
    assert_eq!(picc.get(&path).await.ok(200)["state"], "running");
    let half = fetch(&picc, &id, &[]).await;
    assert_eq!((half.status, &*half.problem()), (409, "E2060"));
    let clock = format!("{}/sandbox/clock", platform.announced.ops);
    let later = json!({ "now": "2026-03-02T10:03:00+08:00" });
    assert_eq!(answer(http_client().put(clock).json(&later)).await.unwrap().status, 200);
    let view = done(&picc, &id).await;
    assert_eq!(view["rowCount"], json!(COPIES + 2));
    let whole = fetch(&picc, &id, &[]).await;
    assert_eq!(json!(sha256(&whole.bytes)), view["sha256"]);
    let lines = whole.bytes.iter().filter(|byte| **byte == b'\n').count();
    assert_eq!(i64::try_from(lines).unwrap(), COPIES + 3);
    assert!(!platform.log().contains("panicked"));
}

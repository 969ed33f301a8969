//! Exports: made, downloaded in parts, taken over, and what is in them.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::body::to_bytes;
use base_http::{Call, Caller, Problem};
use bytes::Bytes;
use http::HeaderMap;
use kernel::Clock;
use parquet::file::reader::{FileReader, SerializedFileReader};
use production::export::file::FileAsked;
use production::export::run::Attempt;
use production::export::{ExportId, ExportKind};
use production::function;
use production::store::export::{self as store, Progress};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::support::{PLATE, VIN, World, car, compulsory, message, noon, parsed, view, word};

/// A file as it was sent.
pub(crate) struct Sent {
    status: u16,
    headers: HeaderMap,
    bytes: Bytes,
}

impl Sent {
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

impl World {
    pub(crate) async fn ask(&self, caller: &Arc<Caller>, body: &Value) -> Result<Value, Problem> {
        let call = self.call(caller, &function::EXPORT_REQUEST);
        view(self.production.request_export(call, parsed(body), Vec::new()).await)
    }

    pub(crate) async fn make(&self) -> Option<Attempt> {
        self.production.make_export(&CancellationToken::new()).await
    }

    pub(crate) async fn look(&self, caller: &Arc<Caller>, export: &str) -> Result<Value, Problem> {
        let call = self.read(caller, &function::EXPORT_READ);
        view(self.production.read_export(call, export).await)
    }

    pub(crate) async fn cancel(
        &self,
        caller: &Arc<Caller>,
        export: &str,
    ) -> Result<Value, Problem> {
        let call = self.call(caller, &function::EXPORT_CANCEL);
        view(self.production.cancel_export(call, export).await)
    }

    pub(crate) async fn fetch(
        &self,
        call: Call,
        export: &str,
        asked: FileAsked,
    ) -> Result<Sent, Problem> {
        let response = self.production.send_export(call, export, asked).await?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let bytes = to_bytes(response.into_body(), usize::MAX).await.unwrap();
        Ok(Sent { status, headers, bytes })
    }

    pub(crate) async fn download(
        &self,
        caller: &Arc<Caller>,
        export: &str,
        range: Option<&str>,
    ) -> Result<Sent, Problem> {
        let call = self.read(caller, &function::EXPORT_DOWNLOAD);
        let asked = FileAsked { range: range.map(str::to_owned), ..FileAsked::default() };
        self.fetch(call, export, asked).await
    }

    /// Asks for an export of everything, makes it, and answers it as it stands then.
    pub(crate) async fn exported(&self, caller: &Arc<Caller>, kind: &str, format: &str) -> Value {
        self.exported_with(caller, kind, format, json!({})).await
    }

    pub(crate) async fn exported_with(
        &self,
        caller: &Arc<Caller>,
        kind: &str,
        format: &str,
        more: Value,
    ) -> Value {
        let mut body = json!({ "kind": kind, "format": format, "from": "2025-01-01" });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let asked = self.ask(caller, &body).await.unwrap();
        assert_eq!((&asked["state"], &asked["rowsDone"]), (&json!("queued"), &json!(0)));
        assert_eq!(self.make().await, Some(Attempt::Done));
        self.look(caller, &word(&asked, "/exportId")).await.unwrap()
    }

    /// The file of a finished export, checked against its digest and length.
    pub(crate) async fn file(&self, caller: &Arc<Caller>, done: &Value) -> Bytes {
        let sent = self.download(caller, &word(done, "/exportId"), None).await.unwrap();
        assert_eq!(sent.status, 200);
        assert_eq!(hex::encode(Sha256::digest(&sent.bytes)), word(done, "/sha256"));
        assert_eq!(json!(sent.bytes.len()), done["bytes"]);
        sent.bytes
    }

    /// Rows of a finished CSV export by column, checked against its row count.
    pub(crate) async fn lines(
        &self,
        caller: &Arc<Caller>,
        done: &Value,
    ) -> Vec<BTreeMap<String, String>> {
        let bytes = self.file(caller, done).await;
        let mut reader = csv::Reader::from_reader(&bytes[..]);
        let lines: Vec<BTreeMap<String, String>> =
            reader.deserialize().map(Result::unwrap).collect();
        assert_eq!(json!(lines.len()), done["rowCount"]);
        lines
    }

    pub(crate) async fn number(&self, query: &'static str) -> i64 {
        sqlx::query_scalar(query).fetch_one(&self.test.owner).await.unwrap()
    }

    /// Copies the commercial policy and its version so many times, all confirmed at one instant.
    pub(crate) async fn copy_policies(&self, copies: i32) {
        sqlx::query(
            "insert into production.policy
                 (slot, confirm_no, tenant_id, insurer, region, class, policy_no, query_no, frame_no,
                  plate_kind, plate, engine_no, owner_index, quoted_at, issued_at, cover_from,
                  cover_to, short_term, premium_fen, tax_fen, facts)
             select slot, left(confirm_no, 23) || 'X' || lpad(copy::text, 6, '0'), tenant_id, insurer, region,
                    class, policy_no || copy, query_no, frame_no, plate_kind, plate, engine_no,
                    owner_index, quoted_at, issued_at, cover_from, cover_to, short_term, premium_fen,
                    tax_fen, facts
             from production.policy, generate_series(1, $1) as copy where class = 'commercial'",
        )
        .bind(copies)
        .execute(&self.test.owner)
        .await
        .unwrap();
        sqlx::query(
            "insert into production.policy_version
                 (slot, confirm_no, endorse_times, tenant_id, effective_at, recorded_at, cover_from,
                  cover_to, facts, premium_fen, tax_fen, vehicle, input, tariff_version,
                  parties_sealed)
             select v.slot, left(v.confirm_no, 23) || 'X' || lpad(copy::text, 6, '0'), v.endorse_times,
                    v.tenant_id, v.effective_at, v.recorded_at, v.cover_from, v.cover_to, v.facts,
                    v.premium_fen, v.tax_fen, v.vehicle, v.input, v.tariff_version, v.parties_sealed
             from production.policy_version v join production.policy p using (slot, confirm_no),
                  generate_series(1, $1) as copy
             where p.class = 'commercial' and p.policy_no like 'commercial-%'
               and length(p.policy_no) = length('commercial-') + 30",
        )
        .bind(copies)
        .execute(&self.test.owner)
        .await
        .unwrap();
    }
}

#[tokio::test]
async fn an_export_matches_its_row_count_and_digest_and_masks_persons() {
    let world = World::new().await;
    let sale = world.insure(&world.picc, &message(world.clock.now(), VIN, PLATE)).await;
    let done = world.exported(&world.picc, "policies", "csv").await;
    assert_eq!(done["state"], json!("done"));
    assert_eq!((&done["percent"], &done["rowsEstimated"]), (&json!(100), &json!(2)));
    assert_eq!((&done["parts"], &done["personalData"]), (&json!(1), &json!("masked")));
    assert_eq!(done["expiresAt"], json!("2025-03-08T02:00:00Z"));

    let lines = world.lines(&world.picc, &done).await;
    let mut codes: Vec<&str> = lines.iter().map(|line| &*line["confirmCode"]).collect();
    codes.sort_unstable();
    let mut sold = [sale.compulsory.unwrap(), sale.commercial.unwrap()];
    sold.sort_unstable();
    assert_eq!(codes, sold);
    let compulsory = lines.iter().find(|line| line["class"] == "compulsory").unwrap();
    let shown = [
        ("premium", "950.00"),
        ("state", "CONFIRMED"),
        ("frameNo", VIN),
        ("plate", PLATE),
        ("issuedAt", "2025-03-01T02:00:00Z"),
        ("coverFrom", "2025-03-01T16:00:00Z"),
        ("coverTo", "2026-03-01T16:00:00Z"),
        ("endedAt", ""),
        ("shortTerm", "false"),
        ("endorseTimes", "0"),
        ("ownerName", "李*"),
        ("insuredCertificateNo", "110***********002X"),
        ("applicantMobile", "138****1234"),
    ];
    for (column, value) in shown {
        assert_eq!(compulsory[column], value, "{column}");
    }
    assert_eq!(world.make().await, None, "nothing else is due");
}

#[tokio::test]
async fn both_formats_of_every_kind_hold_the_same_rows() {
    let world = World::new().await;
    let agreed = json!({ "fee": { "channel": "03", "intermediary": "联众代理", "licenceKind": "2",
        "licenceNo": "XK-1", "licenceFrom": "2024-01-01", "licenceTo": "2025-12-31",
        "contractNo": "HT-1", "compulsoryRatio": "0.04", "commercialRatio": "0.10" } });
    let body = message(world.clock.now(), VIN, PLATE);
    let sale = world.insure_through(&world.picc, &body, &agreed).await;
    let policy = sale.compulsory.unwrap();
    let call = world.call(&world.picc, &function::FEE_REGISTER);
    view(world.production.register_fee(call, &policy, parsed(&json!({}))).await).unwrap();
    let change = json!({ "kind": "02", "endorseTimes": 1, "reason": "=HYPERLINK(\"http://x\")",
        "vehicle": { "engineNo": "EA211000009X" } });
    world.endorse(&world.picc, &policy, &change).await;
    // The endorsement's versions and the quotes behind all of it.
    world.settled(&world.picc, &policy, "R-1", noon(2025, 6, 1)).await;
    let expected = [
        ("policies", 2),
        ("policyVersions", 3),
        ("endorsements", 1),
        ("quotes", 1),
        ("fees", 1),
        ("claims", 1),
        ("claimSteps", 8),
    ];
    let kinds: Vec<&str> = ExportKind::ALL.iter().map(|kind| kind.name()).collect();
    assert_eq!(kinds, expected.map(|(kind, _)| kind));
    for (kind, rows) in expected {
        let done = world.exported(&world.picc, kind, "csv").await;
        let lines = world.lines(&world.picc, &done).await;
        assert_eq!(lines.len(), rows, "{kind}");

        let columnar = world.exported(&world.picc, kind, "parquet").await;
        assert_eq!(columnar["rowCount"], json!(rows), "{kind}");
        let file = world.file(&world.picc, &columnar).await;
        let reader = SerializedFileReader::new(file).unwrap();
        let columns = reader.metadata().file_metadata().schema_descr().num_columns();
        assert_eq!(columns, lines[0].len(), "{kind}");
        let read: Vec<_> = reader.get_row_iter(None).unwrap().map(Result::unwrap).collect();
        assert_eq!(read.len(), rows, "{kind}");
        for (row, line) in read.iter().zip(&lines) {
            for (name, field) in row.get_column_iter() {
                let text = match field {
                    parquet::record::Field::Str(text) => text.clone(),
                    parquet::record::Field::Null => String::new(),
                    parquet::record::Field::TimestampMicros(micros) => {
                        jiff::Timestamp::from_microsecond(*micros).unwrap().to_string()
                    }
                    other => other.to_string(),
                };
                // Only text may need to be made harmless, and a ratio drops its zeros, in CSV.
                let shown = line[name].strip_prefix('\'').unwrap_or(&line[name]);
                let same = text == shown || name == "ratio" && text.starts_with(shown);
                assert!(same, "{kind}.{name}: {text:?} and {shown:?}");
            }
        }
        match kind {
            "endorsements" => {
                assert_eq!(lines[0]["reason"], "'=HYPERLINK(\"http://x\")");
                assert_eq!(lines[0]["stage"], "confirmed");
            }
            "fees" => {
                // 950.00 × 0.04
                assert_eq!((&*lines[0]["ratio"], &*lines[0]["amount"]), ("0.04", "38.00"));
                assert_eq!(lines[0]["licenceTo"], "2025-12-31");
            }
            "quotes" => assert_eq!(lines[0]["stage"], "confirmed"),
            "claims" => assert_eq!(lines[0]["stage"], "PAID"),
            _ => {}
        }
    }
}

#[tokio::test]
async fn a_download_that_is_resumed_is_the_whole() {
    let world = World::new().await;
    world.insure(&world.picc, &message(world.clock.now(), VIN, PLATE)).await;
    world.copy_policies(6_000).await;
    let done = world.exported(&world.picc, "policies", "csv").await;
    let id = word(&done, "/exportId");
    let lines = world.lines(&world.picc, &done).await;
    let codes: std::collections::BTreeSet<&str> =
        lines.iter().map(|line| &*line["confirmCode"]).collect();
    assert_eq!((lines.len(), codes.len()), (6_002, 6_002), "each row once");

    let whole = world.download(&world.picc, &id, None).await.unwrap();
    let length = whole.bytes.len();
    assert!(length > 2 << 20, "{length} bytes fill several pieces");
    assert_eq!(done["parts"], json!(length.div_ceil(1 << 20)));
    let tag = format!("\"{}\"", word(&done, "/sha256"));
    assert_eq!((whole.header("etag"), whole.header("accept-ranges")), (&*tag, "bytes"));
    assert_eq!(whole.header("content-length"), length.to_string());
    assert!(whole.header("repr-digest").starts_with("sha-256=:"));
    assert_eq!(
        whole.header("content-disposition"),
        format!("attachment; filename=\"policies-{id}.csv\"")
    );

    // Broken off at several places, within a piece and at its edge.
    let mut had = Vec::new();
    for stop in [1, (1 << 20) - 1, 1 << 20, (1 << 20) + 1, length - 1, length] {
        let range = format!("bytes={}-{}", had.len(), stop - 1);
        let part = world.download(&world.picc, &id, Some(&range)).await.unwrap();
        assert_eq!(part.status, 206);
        let said = format!("bytes {}-{}/{length}", had.len(), stop - 1);
        assert_eq!(part.header("content-range"), said);
        assert_eq!(part.header("content-length"), part.bytes.len().to_string());
        assert_eq!(part.header("repr-digest"), whole.header("repr-digest"));
        had.extend_from_slice(&part.bytes);
    }
    assert!(had == whole.bytes);

    let behind = world.download(&world.picc, &id, Some(&format!("bytes={length}-"))).await.unwrap();
    assert_eq!(behind.status, 416);
    assert_eq!(behind.header("content-range"), format!("bytes */{length}"));
    let other = FileAsked {
        range: Some("bytes=5-".to_owned()),
        if_range: Some("\"another\"".to_owned()),
        head: false,
    };
    let call = world.read(&world.picc, &function::EXPORT_DOWNLOAD);
    assert_eq!(world.fetch(call, &id, other).await.unwrap().bytes.len(), length);

    // Every download is on record, with its range.
    let recorded: Vec<(i64, i64)> =
        sqlx::query_as("select first_byte, bytes from production.export_download order by 1, 2")
            .fetch_all(&world.test.owner)
            .await
            .unwrap();
    let length = i64::try_from(length).unwrap();
    let middle = (1 << 20) - 2;
    let downloads = [
        (0, 1),
        (0, length),
        (0, length),
        (0, length),
        (1, middle),
        (middle + 1, 1),
        (1 << 20, 1),
        ((1 << 20) + 1, length - (1 << 20) - 2),
        (length - 1, 1),
    ];
    assert_eq!(recorded, downloads);
    let served = world.served();
    let last = served.last().unwrap();
    assert_eq!(last.function, "production.export.download");
    assert_eq!(last.answer["bytes"], json!(length));
    assert!(last.subject.contains(&id), "{}", last.subject);
}

#[tokio::test]
async fn the_export_of_a_dead_server_is_made_by_another_and_the_dead_one_is_shut_out() {
    let world = World::new().await;
    world.insure(&world.picc, &compulsory(world.clock.now(), VIN, PLATE)).await;
    let body = json!({ "kind": "policies", "format": "csv", "from": "2025-01-01" });
    let id = word(&world.ask(&world.picc, &body).await.unwrap(), "/exportId");
    let now = world.clock.now();

    // A server takes it, keeps a piece, and is heard of no more.
    let held = now.checked_add(jiff::SignedDuration::from_secs(120)).unwrap();
    let taken = store::take(&world.test.db, now, held).await.unwrap().unwrap();
    assert_eq!((taken.export, taken.attempt), (ExportId(Uuid::parse_str(&id).unwrap()), 1));
    let progress = Progress { rows_estimated: Some(1), rows_done: 1, bytes: 4, pieces: 1 };
    let scope = || pg::Scope::of(world.picc.tenant);
    let mut tx = world.test.db.begin(scope()).await.unwrap();
    assert!(store::begin(&mut tx, &taken, Some(1)).await.unwrap());
    assert!(store::advance(&mut tx, &taken, &progress, held).await.unwrap());
    store::keep(&mut tx, &taken, 0, &[b"half".to_vec()]).await.unwrap();
    tx.commit().await.unwrap();
    let running = world.look(&world.picc, &id).await.unwrap();
    assert_eq!((&running["state"], &running["percent"]), (&json!("running"), &json!(99)));
    assert_eq!(running["file"], Value::Null);
    let early = world.download(&world.picc, &id, None).await;
    assert_eq!(early.err().unwrap().code.code, "E2060");
    assert_eq!(world.make().await, None, "it is held");

    world.clock.advance(jiff::SignedDuration::from_secs(121));
    assert_eq!(world.make().await, Some(Attempt::Done));
    let done = world.look(&world.picc, &id).await.unwrap();
    assert_eq!(world.lines(&world.picc, &done).await.len(), 1);

    // It was not dead after all: nothing of it gets into the file.
    let mut tx = world.test.db.begin(scope()).await.unwrap();
    assert!(!store::advance(&mut tx, &taken, &progress, held).await.unwrap());
    assert!(!store::begin(&mut tx, &taken, None).await.unwrap());
    drop(tx);
    assert_eq!(world.lines(&world.picc, &done).await.len(), 1);
}

#[tokio::test]
async fn an_export_over_which_servers_die_again_and_again_fails() {
    let world = World::new().await;
    let body = json!({ "kind": "quotes", "format": "csv", "from": "2025-01-01" });
    let id = word(&world.ask(&world.picc, &body).await.unwrap(), "/exportId");
    for attempt in 1..=5 {
        let now = world.clock.now();
        let taken = store::take(&world.test.db, now, now).await.unwrap().unwrap();
        assert_eq!((taken.attempt, taken.failures), (attempt, attempt - 1));
    }
    assert_eq!(world.make().await, Some(Attempt::Failed));
    let failed = world.look(&world.picc, &id).await.unwrap();
    assert_eq!(failed["state"], json!("failed"));
    assert!(word(&failed, "/failure").contains("could not be made"));
    assert_eq!(world.make().await, None);
}

#[tokio::test]
async fn a_server_that_ends_gives_its_export_back_at_once() {
    let world = World::new().await;
    world.insure(&world.picc, &compulsory(world.clock.now(), VIN, PLATE)).await;
    let body = json!({ "kind": "policies", "format": "parquet", "from": "2025-01-01" });
    let id = word(&world.ask(&world.picc, &body).await.unwrap(), "/exportId");
    let stop = CancellationToken::new();
    stop.cancel();
    assert_eq!(world.production.make_export(&stop).await, Some(Attempt::GivenBack));
    assert_eq!(world.look(&world.picc, &id).await.unwrap()["state"], json!("queued"));
    assert_eq!(world.make().await, Some(Attempt::Done));
}

#[tokio::test]
async fn an_export_shows_what_was_known_then_of_the_rows_asked_for() {
    let world = World::new().await;
    let other = "LSVAM4187C2184850";
    world.sandbox.load(car(other, "苏A54321"));
    let sale = world.insure(&world.picc, &message(world.clock.now(), VIN, PLATE)).await;
    let policy = sale.compulsory.unwrap();
    world.pass(24);
    let before = world.clock.now().to_string();
    world.pass(24);
    let change = json!({ "kind": "02", "endorseTimes": 1, "reason": "发动机更换",
        "vehicle": { "engineNo": "EA211000009X" } });
    world.endorse(&world.picc, &policy, &change).await;
    world.insure(&world.picc, &compulsory(world.clock.now(), other, "苏A54321")).await;

    let then = json!({ "asOf": before, "class": "compulsory" });
    let done = world.exported_with(&world.picc, "policies", "csv", then).await;
    let lines = world.lines(&world.picc, &done).await;
    assert_eq!(lines.len(), 1);
    assert_eq!((&*lines[0]["endorseTimes"], &*lines[0]["engineNo"]), ("0", "EA211000001"));
    assert_eq!(lines[0]["state"], "IN_FORCE");

    let now = json!({ "class": "compulsory", "region": "320000" });
    let done = world.exported_with(&world.picc, "policies", "csv", now).await;
    let lines = world.lines(&world.picc, &done).await;
    let engines: Vec<&str> = lines.iter().map(|line| &*line["engineNo"]).collect();
    assert_eq!(engines, ["EA211000009X", "EA211000001"]);
    let elsewhere = json!({ "region": "110000" });
    let done = world.exported_with(&world.picc, "policies", "csv", elsewhere).await;
    assert_eq!(done["rowCount"], json!(0));

    let late = json!({ "from": before });
    let done = world.exported_with(&world.picc, "policyVersions", "csv", late).await;
    let lines = world.lines(&world.picc, &done).await;
    let known: Vec<(&str, &str)> =
        lines.iter().map(|line| (&*line["frameNo"], &*line["endorseTimes"])).collect();
    assert_eq!(known.len(), 2);
    assert!(known.contains(&(VIN, "1")) && known.contains(&(other, "0")), "{known:?}");
    let done = world.exported_with(&world.picc, "quotes", "csv", json!({ "class": "commercial" }));
    assert_eq!(done.await["rowCount"], json!(1));
}

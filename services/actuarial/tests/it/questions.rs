//! Questions as they come and go: forms of answers, bounds, records. What is computed is the engine's
//! to prove; here it is somebody who knows one answer.

use std::sync::{Arc, Mutex};

use actuarial::question::Wanted;
use actuarial::question::market::MarketBody;
use actuarial::question::own::OwnBody;
use actuarial::{Settings, function};
use analytics::encode::Format;
use analytics::question::{EngineError, OwnAnswer, OwnQuestion, OwnStream, Questions};
use analytics::tally::TallyQuestion;
use analytics_api::{AnswerRow, MarketAnswer, MarketQuestion, Published};
use arrow::array::{Array, AsArray, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::Int64Type;
use arrow::ipc::reader::StreamReader;
use axum::body::to_bytes;
use axum::response::Response;
use base_http::Problem;
use bytes::Bytes;
use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt, stream};
use parquet::arrow::arrow_reader::ParquetRecordBatchReader;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::support::{World, pointers, view};

/// Batches of an answer in pieces.
const BATCHES: usize = 300;

/// Answers everything with the same, and remembers what was asked.
#[derive(Default)]
struct Oracle {
    asked: Mutex<Vec<OwnQuestion>>,
    /// Breaks off after so many batches.
    breaks: Option<usize>,
}

fn batch() -> RecordBatch {
    let columns: Vec<(&str, Arc<dyn Array>)> = vec![
        ("region", Arc::new(StringArray::from(vec!["320000"; 1_000]))),
        ("earned_fen", Arc::new(Int64Array::from_iter_values(0..1_000))),
    ];
    RecordBatch::try_from_iter(columns).unwrap()
}

impl Questions for Oracle {
    fn own<'a>(
        &'a self,
        question: &'a OwnQuestion,
        _: &'a CancellationToken,
    ) -> BoxFuture<'a, Result<OwnAnswer, EngineError>> {
        self.asked.lock().unwrap().push(question.clone());
        let rows = question.rows.unwrap().min(1_000);
        let answer = OwnAnswer {
            schema: batch().schema(),
            batches: vec![batch().slice(0, rows)],
            cut: rows < 1_000,
            read: vec![("operator/market".to_owned(), 12)],
        };
        async { Ok(answer) }.boxed()
    }

    fn own_stream<'a>(
        &'a self,
        question: &'a OwnQuestion,
        _: &'a CancellationToken,
    ) -> BoxFuture<'a, Result<OwnStream, EngineError>> {
        self.asked.lock().unwrap().push(question.clone());
        let whole = self.breaks.unwrap_or(BATCHES);
        let batches = stream::iter((0..whole).map(|_| Ok(batch())));
        let broken = stream::iter(self.breaks.map(|_| Err(EngineError::TimedOut)));
        let read = vec![("operator/market".to_owned(), 12), ("own/motor".to_owned(), 3)];
        let answer =
            OwnStream { schema: batch().schema(), read, batches: batches.chain(broken).boxed() };
        async { Ok(answer) }.boxed()
    }

    fn market<'a>(
        &'a self,
        question: &'a MarketQuestion,
        _: &'a CancellationToken,
    ) -> BoxFuture<'a, Result<MarketAnswer, EngineError>> {
        let row = |region: Option<&str>, value| AnswerRow {
            key: vec![region.map(str::to_owned)],
            values: vec![value],
        };
        let answer = MarketAnswer {
            quarter: question.quarter,
            revision: 2,
            rows: vec![row(None, 5), row(Some("320000"), 40)],
            left_out: 3,
            not_placed: 1,
        };
        async { Ok(answer) }.boxed()
    }

    fn published(&self) -> BoxFuture<'_, Result<Vec<Published>, EngineError>> {
        let published = Published {
            quarter: "2025-Q1".parse().unwrap(),
            revision: 2,
            published_at: "2025-05-01T00:00:00Z".parse().unwrap(),
            told: 2,
            left_out: 3,
        };
        async { Ok(vec![published]) }.boxed()
    }

    fn tally<'a>(&'a self, _: &'a TallyQuestion) -> BoxFuture<'a, Result<Vec<u8>, EngineError>> {
        Box::pin(async { Err(EngineError::NoEngine) })
    }
}

async fn world(oracle: Oracle) -> (World, Arc<Oracle>) {
    let oracle = Arc::new(oracle);
    (World::asking(Settings::default(), oracle.clone()).await, oracle)
}

fn body<T: serde::de::DeserializeOwned>(body: Value) -> T {
    serde_json::from_value(body).unwrap()
}

async fn own(world: &World, asked: Value, wanted: Wanted) -> Result<Response, Problem> {
    let call = world.call(&world.picc, &function::OWN_QUERY);
    world.actuarial.ask_own(call, body::<OwnBody>(asked), Vec::new(), wanted).await
}

async fn market(world: &World, asked: Value, wanted: Wanted) -> Result<Response, Problem> {
    let call = world.call(&world.picc, &function::MARKET_ASK);
    world.actuarial.ask_market(call, body::<MarketBody>(asked), Vec::new(), wanted).await
}

async fn bytes(response: Response) -> Result<Bytes, axum::Error> {
    to_bytes(response.into_body(), usize::MAX).await
}

async fn document(response: Response) -> Value {
    serde_json::from_slice(&bytes(response).await.unwrap()).unwrap()
}

fn header<'a>(response: &'a Response, name: &str) -> &'a str {
    response.headers()[name].to_str().unwrap()
}

fn sql() -> Value {
    json!({ "sql": "select region, earned_fen from exposure" })
}

#[tokio::test(flavor = "multi_thread")]
async fn json_says_what_was_read_and_when_it_is_cut() {
    let (world, oracle) = world(Oracle::default()).await;
    let asked = json!({ "sql": "select * from exposure", "marketVersion": 12,
        "knownAt": "2025-04-01T00:00:00Z", "limit": 2 });
    let found = document(own(&world, asked, Wanted::Json).await.unwrap()).await;
    assert_eq!(found["rows"], json!([["320000", 0], ["320000", 1]]));
    assert_eq!(found["cut"], true);
    assert_eq!(found["read"], json!([{ "name": "market", "version": 12 }]));
    let column = json!({ "name": "earned_fen", "type": "Int64", "nullable": false });
    assert_eq!(found["columns"][1]["name"], column["name"]);
    assert_eq!(found["columns"][1]["type"], column["type"]);
    let last = oracle.asked.lock().unwrap().pop().unwrap();
    assert_eq!(last.tenant, world.picc.tenant);
    assert_eq!((last.version, last.rows), (Some(12), Some(2)));
    assert_eq!(last.known_at, Some("2025-04-01T00:00:00Z".parse().unwrap()));
    let recorded = world.memory.last();
    assert_eq!(recorded.function, "actuarial.own.query");
    assert_eq!(recorded.subject, "own rows of market@12");

    let whole = document(own(&world, sql(), Wanted::Json).await.unwrap()).await;
    assert_eq!(
        (whole["cut"].clone(), whole["rows"].as_array().unwrap().len()),
        (json!(false), 1_000)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn long_answers_come_as_arrow_parquet_and_csv() {
    let (world, _) = world(Oracle::default()).await;
    let sum = |batches: Vec<RecordBatch>| -> (usize, i64) {
        let column = |batch: &RecordBatch| batch.column(1).as_primitive::<Int64Type>().clone();
        let sums = batches.iter().map(|batch| column(batch).values().iter().sum::<i64>());
        (batches.iter().map(RecordBatch::num_rows).sum(), sums.sum())
    };
    // 300 times 0 to 999.
    let wanted = (300_000, 300 * 499_500);

    let answer = own(&world, sql(), Wanted::Rows(Format::ArrowStream)).await.unwrap();
    assert_eq!(header(&answer, "content-type"), "application/vnd.apache.arrow.stream");
    assert_eq!(header(&answer, "x-lake-read"), "market@12, own/motor@3");
    let read = bytes(answer).await.unwrap();
    let reader = StreamReader::try_new(&*read, None).unwrap();
    assert_eq!(sum(reader.map(Result::unwrap).collect()), wanted);

    let answer = own(&world, sql(), Wanted::Rows(Format::Parquet)).await.unwrap();
    assert_eq!(header(&answer, "content-disposition"), "attachment; filename=\"own.parquet\"");
    let read = bytes(answer).await.unwrap();
    let reader = ParquetRecordBatchReader::try_new(read, 1 << 16).unwrap();
    assert_eq!(sum(reader.map(Result::unwrap).collect()), wanted);

    let answer = own(&world, sql(), Wanted::Rows(Format::Csv)).await.unwrap();
    let text = String::from_utf8(bytes(answer).await.unwrap().to_vec()).unwrap();
    assert!(text.starts_with("region,earned_fen\n320000,0\n320000,1\n"));
    assert_eq!(text.lines().count(), 300_001);
    let recorded = world.memory.last();
    assert_eq!(recorded.function, "actuarial.own.query");
    assert_eq!(recorded.subject, "own rows of market@12, own/motor@3");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_fails_breaks_off_and_one_that_fails_early_is_a_problem() {
    let (world, _) = world(Oracle { breaks: Some(200), ..Oracle::default() }).await;
    let answer = own(&world, sql(), Wanted::Rows(Format::ArrowStream)).await.unwrap();
    assert!(bytes(answer).await.is_err(), "an answer that broke off must not look whole");

    let early = World::asking(
        Settings::default(),
        Arc::new(Oracle { breaks: Some(1), ..Oracle::default() }),
    )
    .await;
    let refused = own(&early, sql(), Wanted::Rows(Format::Csv)).await.unwrap_err();
    assert_eq!(refused.code.code, "E5302");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_has_so_many_questions_at_once() {
    let (world, _) = world(Oracle::default()).await;
    let arrow = Wanted::Rows(Format::ArrowStream);
    let first = own(&world, sql(), arrow).await.unwrap();
    let second = own(&world, sql(), arrow).await.unwrap();
    let refused = own(&world, sql(), arrow).await.unwrap_err();
    assert_eq!(refused.code.code, "E5305");
    // Others are not concerned.
    let call = world.call(&world.cpic, &function::OWN_QUERY);
    let other = world.actuarial.ask_own(call, body(sql()), Vec::new(), arrow).await;
    assert!(other.is_ok());
    drop(first);
    bytes(second).await.unwrap();
    assert!(own(&world, sql(), arrow).await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_told_together_or_left_out_is_marked_in_every_form() {
    let (world, _) = world(Oracle::default()).await;
    let asked = json!({ "quarter": "2025-Q1", "measures": ["claims"], "by": ["region"] });
    let found = document(market(&world, asked.clone(), Wanted::Json).await.unwrap()).await;
    let wanted = json!({
        "quarter": "2025-Q1", "revision": 2, "by": ["region"], "measures": ["claims"],
        "rows": [
            { "key": [null], "values": [5], "toldTogether": ["region"] },
            { "key": ["320000"], "values": [40] },
        ],
        "suppressed": { "leftOut": 3, "notPlaced": 1 },
    });
    assert_eq!(found, wanted);
    let recorded = world.memory.last();
    assert_eq!(recorded.function, "actuarial.market.ask");
    let question = r#"market {"quarter":"2025-Q1","revision":2,"measures":["claims"],"by":["region"],"filters":[]}"#;
    assert_eq!(recorded.subject, question);

    let answer = market(&world, asked, Wanted::Rows(Format::Csv)).await.unwrap();
    assert_eq!(header(&answer, "x-market-left-out"), "3");
    assert_eq!(header(&answer, "x-market-not-placed"), "1");
    assert_eq!(header(&answer, "x-market-revision"), "2");
    let text = bytes(answer).await.unwrap();
    assert_eq!(text, "region,told_together,claims\n,region,5\n320000,,40\n");

    let call = world.read(&world.cpic, &function::MARKET_ASK);
    let listed = view(world.actuarial.list_quarters(call).await).unwrap();
    let quarter = json!({ "quarter": "2025-Q1", "revision": 2, "told": 2, "leftOut": 3,
        "publishedAt": "2025-05-01T00:00:00Z" });
    assert_eq!(listed["quarters"], json!([quarter]));
    assert_eq!(listed["dimensions"], json!(["region", "class", "usage", "fuel", "category"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn questions_are_about_own_datasets_by_their_names() {
    let (world, oracle) = world(Oracle::default()).await;
    for (name, rows) in
        [("motor", "a,b\n1,2\n"), ("motor", "a,b\n1,2\n3,4\n"), ("m-2024", "a\n1\n")]
    {
        world.import(&world.picc, &json!({ "name": name }), rows.as_bytes()).await;
    }
    let named = json!({ "sql": "select * from OWN.motor" });
    own(&world, named, Wanted::Json).await.unwrap();
    let last = oracle.asked.lock().unwrap().pop().unwrap();
    let tables = last.tables.iter().map(|table| (table.name.as_str(), table.version));
    assert_eq!(tables.collect::<Vec<_>>(), [("m-2024", 1), ("motor", 1), ("motor", 2)]);

    let call = world.read(&world.picc, &function::OWN_QUERY);
    let listed = view(world.actuarial.list_tables(call).await).unwrap();
    assert_eq!(listed["own"], json!(["own.\"m-2024\"", "own.motor"]));
    let call = world.read(&world.cpic, &function::OWN_QUERY);
    let listed = view(world.actuarial.list_tables(call).await).unwrap();
    assert_eq!(listed, json!({ "market": [], "own": [] }));
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_wrong_with_a_question_is_named() {
    let (world, _) = world(Oracle::default()).await;
    let call = world.call(&world.picc, &function::OWN_QUERY);
    let wrong: OwnBody = body(json!({ "sql": " ", "limit": 10_001 }));
    let unknown = vec!["/table".to_owned()];
    let refused = world.actuarial.ask_own(call, wrong, unknown, Wanted::Json).await.unwrap_err();
    assert_eq!(
        (refused.code.code, pointers(&refused)),
        ("E1001", vec!["/table", "/sql", "/limit"])
    );

    let without = World::new().await;
    let refused = own(&without, sql(), Wanted::Json).await.unwrap_err();
    assert_eq!((refused.code.code, refused.code.status), ("E5306", 501));
    let asked = json!({ "quarter": "2025-Q1", "measures": ["claims"] });
    let refused = market(&without, asked, Wanted::Json).await.unwrap_err();
    assert_eq!(refused.code.code, "E5306");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_becomes_a_dataset_that_says_what_it_was_read_from() {
    let (world, oracle) = world(Oracle::default()).await;
    let about = json!({ "name": "earned" }).to_string();
    let asked = json!({ "sql": "select region, earned_fen from exposure", "marketVersion": 12 });
    let (about, asked) = (("name=\"about\"", about.as_bytes()), asked.to_string());
    let question = ("name=\"question\"", asked.as_bytes());
    let call = || world.call(&world.picc, &function::DATASET_IMPORT);
    let taken = world.upload_form(call(), &[about, question]).await.unwrap();
    assert_eq!(taken["sourceName"], "market@12, own/motor@3");
    assert_eq!(oracle.asked.lock().unwrap()[0].version, Some(12));
    world.work_on_import().await;
    let read = world.read(&world.picc, &function::DATASET_READ);
    let found = view(world.actuarial.read_version(read, "earned", None).await).unwrap();
    assert_eq!((&found["state"], &found["rows"]), (&json!("done"), &json!(300_000)), "{found}");
    let names: Vec<_> = found["columns"].as_array().unwrap().iter().map(|c| &c["name"]).collect();
    assert_eq!(names, ["region", "earned_fen"]);

    let file = ("name=\"file\"; filename=\"x.csv\"", &b"a\n1\n"[..]);
    for (parts, detail) in [
        (vec![about, question, file], "the form has a file and a question; send one of them"),
        (vec![about], "the form has no part file or question"),
    ] {
        let refused = world.upload_form(call(), &parts).await.unwrap_err();
        assert_eq!((refused.code.code, refused.detail.as_str()), ("E1000", detail));
    }
    let wrong = ("name=\"question\"", &br#"{"sql": " "}"#[..]);
    let refused = world.upload_form(call(), &[about, wrong]).await.unwrap_err();
    assert_eq!(pointers(&refused), ["/sql"]);
    let rights = [function::DATASET_IMPORT.code.to_owned()];
    let caller =
        base_http::Caller { rights: rights.into(), ..base_http::Caller::clone(&world.picc) };
    let unable = world.call(&Arc::new(caller), &function::DATASET_IMPORT);
    let refused = world.upload_form(unable, &[about, question]).await.unwrap_err();
    assert_eq!(refused.code.code, "E1101");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_breaks_off_is_no_dataset_and_leaves_no_file() {
    let (world, _) = world(Oracle { breaks: Some(5), ..Oracle::default() }).await;
    let about = ("name=\"about\"", &br#"{"name": "earned"}"#[..]);
    let question = ("name=\"question\"", &br#"{"sql": "select 1"}"#[..]);
    let call = world.call(&world.picc, &function::DATASET_IMPORT);
    let refused = world.upload_form(call, &[about, question]).await.unwrap_err();
    assert_eq!(refused.code.code, "E5302");
    let left = "select count(*) from actuarial.file where state <> 'dropped'";
    assert_eq!(world.number(left).await, 0, "the sweep has it");
    assert_eq!(world.number("select count(*) from actuarial.dataset_version").await, 0);
}

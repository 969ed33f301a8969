//! Imports: types, errors, versions, formats, bounds, and whose they are.

use std::io::Write;
use std::sync::Arc;

use actuarial::{Attempt, Settings, function};
use base_http::paging::Page;
use parquet::basic::{BrotliLevel, Compression, GzipLevel, ZstdLevel};
use parquet::data_type::{ByteArray, ByteArrayType, DoubleType, Int64Type};
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;
use rust_xlsxwriter::Workbook;
use serde_json::{Value, json};

use crate::support::{World, pointers, view, word};

fn column<'a>(version: &'a Value, name: &str) -> &'a Value {
    let columns = version["columns"].as_array().unwrap();
    columns.iter().find(|column| column["name"] == name).unwrap_or_else(|| panic!("no {name}"))
}

#[tokio::test]
async fn types_are_inferred_and_shown_and_rows_can_be_looked_at() {
    let world = World::new().await;
    let file = "id,premium,area,from,fleet,code\n1,100.5,北京,2024-01-31,true,007\n\
                2,,上海,2024/2/1,false,008\n3,NA,nan,,TRUE,009\n";
    let found = world.import(&world.picc, &json!({ "name": "motor" }), file.as_bytes()).await;
    assert_eq!((&found["state"], &found["percent"]), (&json!("done"), &json!(100)));
    assert_eq!((&found["rows"], &found["rejectedRows"]), (&json!(3), &json!(0)));
    let types = ["id", "premium", "area", "from", "fleet", "code"]
        .map(|name| word(column(&found, name), "type"));
    assert_eq!(types, ["integer", "decimal", "text", "date", "boolean", "text"]);
    assert_eq!(column(&found, "premium")["missing"], 2);
    assert_eq!(column(&found, "area")["missing"], 1);
    let date = column(&found, "from");
    assert_eq!((&date["least"], &date["most"]), (&json!("2024-01-31"), &json!("2024-02-01")));
    assert!(found.get("errors").is_none());

    let rows = world.rows(&world.picc, "motor", "1").await.unwrap();
    assert_eq!(rows["columns"], json!(["id", "premium", "area", "from", "fleet", "code"]));
    let wanted = json!([
        [1, 100.5, "北京", "2024-01-31", true, "007"],
        [2, null, "上海", "2024-02-01", false, "008"],
        [3, null, null, null, true, "009"]
    ]);
    assert_eq!(rows["rows"], wanted);
    let missing = world.errors("motor", "1").await.unwrap_err();
    assert_eq!(missing.code.code, "E5000");
    assert_eq!(world.number("select count(*) from actuarial.file where state = 'kept'").await, 0);
}

#[tokio::test]
async fn a_mapping_renames_and_types_and_what_does_not_fit_is_listed_by_row() {
    let world = World::new().await;
    let file = "Policy,Claims,Note\n1,0,x\n2,two,=1+1\n3,1\n4,1.5,y\n5,2,z\n";
    let about = json!({ "name": "motor", "columns": [
        { "source": "Claims", "name": "claims", "type": "integer", "role": "claims" },
        { "source": "Note", "role": "ignored" }] });
    let found = world.import(&world.picc, &about, file.as_bytes()).await;
    assert_eq!((&found["rows"], &found["rejectedRows"]), (&json!(2), &json!(3)));
    assert_eq!(found["faults"], 3);
    let names: Vec<&Value> =
        found["columns"].as_array().unwrap().iter().map(|column| &column["name"]).collect();
    assert_eq!(names, ["Policy", "claims"]);
    let claims = column(&found, "claims");
    assert_eq!((&claims["type"], &claims["inferred"]), (&json!("integer"), &json!("text")));
    assert_eq!((&claims["role"], &claims["source"]), (&json!("claims"), &json!("Claims")));
    let errors = world.errors("motor", "1").await.unwrap();
    let wanted = "row,column,text,reason\n2,Claims,two,is no whole number\n\
                  3,,,has 2 cells for 3 columns\n4,Claims,1.5,is no whole number\n";
    assert_eq!(errors, wanted);
    assert_eq!(word(&found, "errors"), "/v1/actuarial/datasets/motor/versions/1/errors");
}

#[tokio::test]
async fn importing_again_is_another_version_and_equal_data_have_equal_digests() {
    let world = World::new().await;
    let first = world.import(&world.picc, &json!({ "name": "motor" }), b"a,b\n1,2\n").await;
    let second = world.import(&world.picc, &json!({ "name": "motor" }), b"a;b\n1;2\n").await;
    let third = world.import(&world.picc, &json!({ "name": "motor" }), b"a,b\n1,3\n").await;
    let versions = [&first, &second, &third].map(|version| version["version"].clone());
    assert_eq!(versions, [json!(1), json!(2), json!(3)]);
    assert_eq!(first["digest"], second["digest"]);
    assert_ne!(first["digest"], third["digest"]);
    assert_ne!(first["sourceSha256"], second["sourceSha256"]);
    // The latest that is done, until a version is asked for.
    let broken = world.import(&world.picc, &json!({ "name": "motor" }), b"a,b\n").await;
    assert_eq!((&broken["state"], &broken["version"]), (&json!("failed"), &json!(4)));
    assert_eq!(broken["failure"], "the file has no row below its header");
    let call = world.read(&world.picc, &function::DATASET_READ);
    let latest = view(world.actuarial.read_version(call, "motor", None).await).unwrap();
    assert_eq!(latest["version"], 3);
    let call = world.read(&world.picc, &function::DATASET_READ);
    let asked = Page { limit: Some(3), after: None };
    let page = view(world.actuarial.list_datasets(call, asked).await).unwrap();
    let next = word(&page, "next");
    assert_eq!(page["items"].as_array().unwrap().len(), 3);
    let call = world.read(&world.picc, &function::DATASET_READ);
    let asked = Page { limit: Some(3), after: Some(next) };
    let page = view(world.actuarial.list_versions(call, Some("motor"), asked).await).unwrap();
    assert_eq!(page["items"].as_array().unwrap().len(), 1);
    assert!(page.get("next").is_none());
}

fn parquet(codec: Compression) -> Vec<u8> {
    let schema = "message m { optional int64 id; optional double premium; \
                  optional binary area (string); }";
    let schema = Arc::new(parse_message_type(schema).unwrap());
    let how = Arc::new(WriterProperties::builder().set_compression(codec).build());
    let mut writer = SerializedFileWriter::new(Vec::new(), schema, how).unwrap();
    let mut group = writer.next_row_group().unwrap();
    let there = [1, 1, 0];
    let mut column = group.next_column().unwrap().unwrap();
    column.typed::<Int64Type>().write_batch(&[1, 2], Some(&there), None).unwrap();
    column.close().unwrap();
    let mut column = group.next_column().unwrap().unwrap();
    column.typed::<DoubleType>().write_batch(&[0.5, f64::NAN], Some(&there), None).unwrap();
    column.close().unwrap();
    let mut column = group.next_column().unwrap().unwrap();
    let texts: [ByteArray; 2] = ["北京".into(), "NA".into()];
    column.typed::<ByteArrayType>().write_batch(&texts, Some(&there), None).unwrap();
    column.close().unwrap();
    group.close().unwrap();
    writer.into_inner().unwrap()
}

fn xlsx() -> Vec<u8> {
    let mut book = Workbook::new();
    book.add_worksheet().set_name("cover").unwrap();
    let sheet = book.add_worksheet().set_name("data").unwrap();
    for (column, name) in (0..).zip(["id", "premium", "area"]) {
        sheet.write(0, column, name).unwrap();
    }
    sheet.write(1, 0, 1).unwrap();
    sheet.write(1, 1, 0.5).unwrap();
    sheet.write(1, 2, "北京").unwrap();
    sheet.write(2, 0, 2).unwrap();
    sheet.write(2, 2, "NA").unwrap();
    sheet.write(3, 1, "").unwrap();
    book.save_to_buffer().unwrap()
}

#[tokio::test]
async fn every_format_reads_as_the_same_data() {
    let world = World::new().await;
    let text = "id,premium,area\n1,0.5,北京\n2,,NA\n,,\n";
    let mut gzipped = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzipped.write_all(text.as_bytes()).unwrap();
    // 北京 in GB 2312.
    let chinese = [b"id,premium,area\n1,0.5,", &b"\xb1\xb1\xbe\xa9"[..], b"\n2,,NA\n,,\n"].concat();
    let mut files = vec![
        (json!({ "name": "csv" }), text.as_bytes().to_vec()),
        (json!({ "name": "gz" }), gzipped.finish().unwrap()),
        (json!({ "name": "gbk", "encoding": "gbk" }), chinese),
    ];
    let codecs = [
        Compression::UNCOMPRESSED,
        Compression::SNAPPY,
        Compression::GZIP(GzipLevel::default()),
        Compression::BROTLI(BrotliLevel::default()),
        Compression::LZ4_RAW,
        Compression::ZSTD(ZstdLevel::default()),
    ];
    files.extend(codecs.map(|codec| (json!({ "name": "parquet" }), parquet(codec))));
    let mut digests = vec![];
    for (about, file) in files {
        let found = world.import(&world.picc, &about, &file).await;
        assert_eq!((&found["state"], &found["rows"]), (&json!("done"), &json!(3)), "{found}");
        digests.push(word(&found, "digest"));
    }
    digests.dedup();
    assert_eq!(digests.len(), 1);
    let about = json!({ "name": "xlsx", "sheet": "data" });
    let found = world.import(&world.picc, &about, &xlsx()).await;
    assert_eq!(found["state"], "done", "{found}");
    let rows = world.rows(&world.picc, "xlsx", "1").await.unwrap();
    assert_eq!(rows["rows"][0], json!([1, 0.5, "北京"]));
    assert_eq!(rows["rows"][1], json!([2, null, null]));
}

#[tokio::test]
async fn a_file_that_is_not_to_be_had_is_tried_again_and_not_blamed() {
    let world = World::new().await;
    let files = [
        ("csv", b"id,premium\n1,0.5\n".to_vec()),
        ("parquet", parquet(Compression::SNAPPY)),
        ("xlsx", xlsx()),
    ];
    for (format, file) in files {
        let about = json!({ "name": format, "format": format });
        world.upload(&world.picc, &about, &file).await.unwrap();
        sqlx::query("delete from actuarial.file_piece").execute(&world.test.owner).await.unwrap();
        assert_eq!(world.work_on_import().await, Some(Attempt::Later), "{format}");
    }
}

#[tokio::test]
async fn files_that_cannot_be_read_say_what_to_change() {
    let world = World::new().await;
    let cases = [
        (json!({ "name": "a" }), &b""[..], "the file is empty"),
        (json!({ "name": "a" }), b"\xff\xfe\x00", "the header is not UTF-8"),
        (json!({ "name": "a" }), b"PK\x03\x04 broken", "no workbook"),
        (json!({ "name": "a" }), b"PAR1 broken", "no Parquet"),
        (json!({ "name": "a" }), b"\x1f\x8b broken", "does not unpack"),
        (json!({ "name": "a" }), b"\xd0\xcf\x11\xe0 old", "save it as xlsx"),
        (
            json!({ "name": "a", "columns": [{ "source": "x" }] }),
            b"a,b\n1,2\n",
            "the file has no column x; it has a, b",
        ),
        (
            json!({ "name": "a", "columns": [{ "source": "a", "name": "b" }] }),
            b"a,b\n1,2\n",
            "two columns would be called b",
        ),
        (
            json!({ "name": "a", "columns": [{ "source": "a", "type": "integer" }] }),
            b"a,b\nx,2\ny,3\n",
            "none of 2 rows can be kept: a of row 1 is no whole number: \"x\"",
        ),
    ];
    for (about, file, wanted) in cases {
        let found = world.import(&world.picc, &about, file).await;
        assert_eq!(found["state"], "failed", "{found}");
        let failure = word(&found, "failure");
        assert!(failure.contains(wanted), "{failure:?} does not say {wanted:?}");
    }
    // What was uploaded goes with the next sweep.
    while world.actuarial.sweep().await > 0 {}
    assert_eq!(world.number("select count(*) from actuarial.file_piece").await, 0);
}

#[tokio::test]
async fn an_upload_is_refused_before_it_is_taken_on() {
    let settings = Settings { largest_upload: 3 << 20, jobs_of_tenant: 2, ..Settings::default() };
    let world = World::with(settings).await;
    let refused = world.upload(&world.picc, &json!({ "name": "A b" }), b"a\n1\n").await;
    assert_eq!(pointers(&refused.unwrap_err()), ["/name"]);
    let large = vec![b'x'; (3 << 20) + 1];
    let refused = world.upload(&world.picc, &json!({ "name": "a" }), &large).await.unwrap_err();
    assert_eq!(refused.code.code, "E5004");
    for _ in 0..2 {
        world.upload(&world.picc, &json!({ "name": "a" }), b"a\n1\n").await.unwrap();
    }
    let refused = world.upload(&world.picc, &json!({ "name": "a" }), b"a\n1\n").await.unwrap_err();
    assert_eq!(refused.code.code, "E5003");
    // Only the two that were taken on keep their files.
    while world.actuarial.sweep().await > 0 {}
    assert_eq!(world.number("select count(*) from actuarial.file").await, 2);
}

#[tokio::test]
async fn a_key_sent_again_with_the_same_file_is_answered_as_before() {
    let world = World::new().await;
    let call = world.call(&world.picc, &function::DATASET_IMPORT);
    let about = json!({ "name": "motor" });
    let first = world.upload_as(call.clone(), &about, b"a\n1\n").await.unwrap();
    let again = world.upload_as(call.clone(), &about, b"a\n1\n").await.unwrap();
    assert_eq!(first, again);
    let other = world.upload_as(call, &about, b"a\n2\n").await.unwrap_err();
    assert_eq!(other.code.code, "E1201");
    assert_eq!(world.number("select count(*) from actuarial.dataset_version").await, 1);
}

#[tokio::test]
async fn another_insurer_finds_nothing() {
    let world = World::new().await;
    let own = world.import(&world.picc, &json!({ "name": "motor" }), b"a,b\n1,2\n").await;
    let other = world.import(&world.cpic, &json!({ "name": "motor" }), b"a,b\n5,6\n").await;
    assert_ne!(own["datasetId"], other["datasetId"]);
    let rows = world.rows(&world.cpic, "motor", "1").await.unwrap();
    assert_eq!(rows["rows"], json!([[5, 6]]));
    let refused = world.rows(&world.cpic, &word(&own, "datasetId"), "1").await.unwrap_err();
    assert_eq!(refused.code.code, "E5000");
    let body = json!({ "method": "glm", "dataset": word(&own, "datasetId"), "parameters": {} });
    assert_eq!(world.start(&world.cpic, &body).await.unwrap_err().code.code, "E5000");
    // A transaction opened for one sees no row of the other, whatever its statement asks.
    let scope = pg::Scope::of(world.cpic.tenant);
    let mut tx = world.test.db.begin(scope).await.unwrap();
    for table in ["dataset", "dataset_version", "file", "file_piece"] {
        let statement = format!("select count(*) from actuarial.{table} where tenant_id <> $1");
        let count: i64 = sqlx::query_scalar(sqlx::AssertSqlSafe(statement))
            .bind(world.cpic.tenant.0)
            .fetch_one(tx.conn())
            .await
            .unwrap();
        assert_eq!(count, 0, "{table}");
    }
}

#[tokio::test]
async fn a_version_that_is_thrown_away_cannot_be_read_and_its_rows_are_gone() {
    let world = World::new().await;
    let file = "a,b\n1,2\nx,3\n4,5\n";
    let about = json!({ "name": "motor", "columns": [{ "source": "a", "type": "integer" }] });
    world.import(&world.picc, &about, file.as_bytes()).await;
    let cancel = async || {
        let call = world.call(&world.picc, &function::DATASET_CANCEL);
        view(world.actuarial.cancel_version(call, "motor", "1").await).unwrap()
    };
    assert_eq!(cancel().await["state"], "cancelled");
    assert_eq!(cancel().await["state"], "cancelled");
    let refused = world.rows(&world.picc, "motor", "1").await.unwrap_err();
    assert_eq!(refused.code.code, "E5001");
    while world.actuarial.sweep().await > 0 {}
    assert_eq!(world.number("select count(*) from actuarial.file").await, 0);

    // One that waits is not imported any more.
    world.upload(&world.picc, &json!({ "name": "later" }), b"a\n1\n").await.unwrap();
    let call = world.call(&world.picc, &function::DATASET_CANCEL);
    view(world.actuarial.cancel_version(call, "later", "1").await).unwrap();
    assert_eq!(world.work_on_import().await, None::<Attempt>);
}

//! Exports: whose they are, how long they are kept, what is refused.

use std::sync::Arc;

use base_http::paging::Page;
use base_http::{Call, Caller};
use kernel::Clock;
use parquet::file::reader::{FileReader, SerializedFileReader};
use production::export::file::FileAsked;
use production::export::request::AT_ONCE;
use production::export::run::Attempt;
use production::function;
use production::store::export::{self as store, Progress};
use serde_json::{Value, json};

use crate::support::{PLATE, VIN, World, code, compulsory, parsed, view, word};

fn with_right(caller: &Arc<Caller>) -> Arc<Caller> {
    let mut rights = caller.rights.to_vec();
    rights.push("production.personal_data.read".to_owned());
    Arc::new(Caller { rights: rights.into(), ..(**caller).clone() })
}

#[tokio::test]
async fn an_export_belongs_to_its_tenant() {
    let world = World::new().await;
    world.insure(&world.picc, &compulsory(world.clock.now(), VIN, PLATE)).await;
    let done = world.exported(&world.picc, "policies", "csv").await;
    let id = word(&done, "/exportId");
    assert_eq!(code(world.look(&world.cpic, &id).await).0, "E2000");
    assert_eq!(code(world.cancel(&world.cpic, &id).await).0, "E2000");
    let file = world.download(&world.cpic, &id, None).await;
    assert_eq!(file.err().unwrap().code.code, "E2000");
    assert_eq!(code(world.look(&world.picc, "1").await).0, "E2000");

    let theirs = world.exported(&world.cpic, "policies", "csv").await;
    assert_eq!((&theirs["rowCount"], &theirs["rowsEstimated"]), (&json!(0), &json!(0)));
    assert!(world.lines(&world.cpic, &theirs).await.is_empty());
    let nothing = world.exported(&world.cpic, "fees", "parquet").await;
    let reader = SerializedFileReader::new(world.file(&world.cpic, &nothing).await).unwrap();
    assert_eq!(reader.metadata().file_metadata().num_rows(), 0);
}

#[tokio::test]
async fn exports_are_listed_page_by_page_latest_first() {
    let world = World::new().await;
    let mut ids = Vec::new();
    for kind in ["policies", "quotes", "fees"] {
        ids.push(word(&world.exported(&world.picc, kind, "csv").await, "/exportId"));
        world.pass(1);
    }
    ids.reverse();
    let (mut listed, mut after) = (Vec::new(), None);
    loop {
        let call = world.read(&world.picc, &function::EXPORT_READ);
        let page = Page { limit: Some(2), after };
        let page = view(world.production.list_exports(call, page).await).unwrap();
        let items = page["items"].as_array().unwrap();
        listed.extend(items.iter().map(|item| word(item, "/exportId")));
        match page["next"].as_str() {
            Some(next) => after = Some(next.to_owned()),
            None => break,
        }
    }
    assert_eq!(listed, ids);
}

#[tokio::test]
async fn a_file_is_kept_for_seven_days_and_then_swept() {
    let world = World::new().await;
    world.insure(&world.picc, &compulsory(world.clock.now(), VIN, PLATE)).await;
    let id = word(&world.exported(&world.picc, "policies", "csv").await, "/exportId");
    world.pass(7 * 24 - 1);
    assert_eq!(world.production.sweep_exports(world.clock.now()).await, 0);
    assert!(world.download(&world.picc, &id, None).await.is_ok());
    world.pass(1);
    let gone = world.download(&world.picc, &id, None).await.err().unwrap();
    assert_eq!((gone.code.code, gone.code.status), ("E2061", 410));
    let expired = world.look(&world.picc, &id).await.unwrap();
    assert_eq!((&expired["state"], &expired["file"]), (&json!("expired"), &Value::Null));
    assert_eq!(world.number("select count(*) from production.export_chunk").await, 1);
    assert_eq!(world.production.sweep_exports(world.clock.now()).await, 1);
    assert_eq!(world.production.sweep_exports(world.clock.now()).await, 0);
    assert_eq!(world.number("select count(*) from production.export_chunk").await, 0);
}

#[tokio::test]
async fn an_export_can_be_called_off_while_it_waits_while_it_runs_and_when_it_is_done() {
    let world = World::new().await;
    world.insure(&world.picc, &compulsory(world.clock.now(), VIN, PLATE)).await;
    let body = json!({ "kind": "policies", "format": "csv", "from": "2025-01-01" });
    let id = word(&world.ask(&world.picc, &body).await.unwrap(), "/exportId");
    assert_eq!(world.cancel(&world.picc, &id).await.unwrap()["state"], json!("cancelled"));
    assert_eq!(world.make().await, None);

    let id = word(&world.ask(&world.picc, &body).await.unwrap(), "/exportId");
    let now = world.clock.now();
    let taken = store::take(&world.test.db, now, now).await.unwrap().unwrap();
    assert_eq!(world.cancel(&world.picc, &id).await.unwrap()["state"], json!("cancelled"));
    let mut tx = world.test.db.begin(pg::Scope::of(world.picc.tenant)).await.unwrap();
    assert!(!store::advance(&mut tx, &taken, &Progress::default(), now).await.unwrap());
    drop(tx);

    let done = world.exported(&world.picc, "policies", "csv").await;
    let id = word(&done, "/exportId");
    world.cancel(&world.picc, &id).await.unwrap();
    let again = world.cancel(&world.picc, &id).await.unwrap();
    assert_eq!(again["state"], json!("cancelled"));
    let gone = world.download(&world.picc, &id, None).await.err().unwrap();
    assert_eq!(gone.code.code, "E2060");
    assert_eq!(world.number("select count(*) from production.export_chunk").await, 0);
}

#[tokio::test]
async fn persons_are_whole_only_with_the_right_and_a_purpose_also_at_the_download() {
    let world = World::new().await;
    world.insure(&world.picc, &compulsory(world.clock.now(), VIN, PLATE)).await;
    let body = json!({ "kind": "policies", "format": "csv", "from": "2025-01-01", "unmask": true });
    let ask = async |caller: &Arc<Caller>, purpose: Option<&str>| {
        let call = world.call(caller, &function::EXPORT_REQUEST);
        let call = Call { purpose: purpose.map(Arc::from), ..call };
        view(world.production.request_export(call, parsed(&body), Vec::new()).await)
    };
    assert_eq!(code(ask(&world.picc, Some("audit")).await).0, "E1101");
    let clerk = with_right(&world.picc);
    assert_eq!(code(ask(&clerk, None).await).0, "E2031");
    let asked = ask(&clerk, Some("audit")).await.unwrap();
    assert_eq!(asked["personalData"], json!("whole"));
    assert_eq!(world.served().last().unwrap().purpose.as_deref(), Some("audit"));
    assert_eq!(world.make().await, Some(Attempt::Done));
    let id = word(&asked, "/exportId");
    let done = world.look(&world.picc, &id).await.unwrap();

    let other = world.download(&world.picc, &id, None).await.err().unwrap();
    assert_eq!(other.code.code, "E1101");
    let silent = Call { purpose: None, ..world.read(&clerk, &function::EXPORT_DOWNLOAD) };
    let silent = world.fetch(silent, &id, FileAsked::default()).await.err().unwrap();
    assert_eq!(silent.code.code, "E2031");
    let lines = world.lines(&clerk, &done).await;
    assert_eq!(lines[0]["ownerName"], "李芳");
    assert_eq!(lines[0]["ownerCertificateNo"], "11010519491231002X");
    // Nothing of it lies in the database in the clear.
    let clear = world.number(
        "select count(*) from production.export_chunk
                 where position(convert_to('11010519491231002X', 'UTF8') in sealed) > 0",
    );
    assert_eq!(clear.await, 0);
}

#[tokio::test]
async fn so_many_exports_of_a_tenant_may_be_under_way() {
    let world = World::new().await;
    let body = json!({ "kind": "fees", "format": "csv", "from": "2025-01-01" });
    for _ in 0..3 {
        world.ask(&world.picc, &body).await.unwrap();
    }
    let refused = world.ask(&world.picc, &body).await.unwrap_err();
    assert_eq!((refused.code.code, refused.retry_after_s), ("E2062", Some(5)));
    world.ask(&world.cpic, &body).await.unwrap();
    assert_eq!(world.make().await, Some(Attempt::Done));
    world.ask(&world.picc, &body).await.unwrap();
    world.set_parameter(AT_ONCE, "320000", "4").await;
    world.ask(&world.picc, &body).await.unwrap();
    assert_eq!(code(world.ask(&world.picc, &body).await).0, "E2062");
}

#[tokio::test]
async fn every_parameter_that_cannot_be_read_is_named() {
    let world = World::new().await;
    let refused = async |body: Value| {
        let call = world.call(&world.picc, &function::EXPORT_REQUEST);
        let unknown = vec!["/regoin".to_owned()];
        let asked = world.production.request_export(call, parsed(&body), unknown).await;
        let problem = asked.err().unwrap();
        assert_eq!((problem.code.code, problem.code.status), ("E1000", 400));
        problem.errors.into_iter().map(|error| error.pointer).collect::<Vec<_>>()
    };
    let nothing = refused(json!({})).await;
    assert_eq!(nothing, ["/regoin", "/kind", "/format", "/from"]);
    let all = json!({ "kind": "claimz", "format": "xls", "from": "yesterday", "to": "2025-13-01",
        "asOf": "2030-01-01", "region": "999999", "class": "both" });
    let names = ["/regoin", "/kind", "/format", "/from", "/to", "/asOf", "/region", "/class"];
    assert_eq!(refused(all).await, names);
    let order =
        json!({ "kind": "fees", "format": "csv", "from": "2025-02-01", "to": "2025-02-01" });
    assert_eq!(refused(order).await, ["/regoin", "/to"]);
    let future = json!({ "kind": "fees", "format": "csv", "from": "2025-03-02" });
    assert_eq!(refused(future).await, ["/regoin", "/from"]);
    let long = json!({ "kind": "fees", "format": "csv", "from": "0001-01-01" });
    assert_eq!(refused(long).await, ["/regoin", "/from"]);
}

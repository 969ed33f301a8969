//! The lake from the command line and over HTTP: fed, looked after, published from and asked.

use std::path::{Path, PathBuf};

use http::Method;
use serde_json::{Value, json};
use workspace_tests::api::{Answer, Api, answer};
use workspace_tests::market::Car;
use workspace_tests::{Platform, Start};

/// In the last quarter of 2025, which is over by any machine's clock.
const DECEMBER: &str = "2025-12-01T10:00:00+08:00";

/// From the day after until the end of the quarter.
const INSURED_S: i64 = 30 * 86_400;

/// Every Parquet file of a table of the market's record.
fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, found);
        } else if path.extension().is_some_and(|ending| ending == "parquet") {
            found.push(path);
        }
    }
}

async fn ask(api: &Api, path: &str, body: &Value, accept: &str) -> Answer {
    let request = api.request(Method::POST, path).header("accept", accept).json(body);
    answer(request).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_lake_is_fed_verified_published_from_and_asked() {
    let platform = Platform::start(Start { clock: Some(DECEMBER) }).await;
    let mut car = 0;
    for client in ["picc-320000", "paic-320000", "cpic-320000", "ccic-320000"] {
        let api = platform.client(client).await;
        car += 1;
        api.insure(&Car::number(car).message(DECEMBER.parse().unwrap())).await;
    }
    // A region of one insurer, which nobody may be told of.
    let beijing = platform.client("picc-110000").await;
    beijing.insure(&Car::number(9).compulsory(DECEMBER.parse().unwrap())).await;

    let settings = platform.scratch().join("lake.toml");
    std::fs::write(&settings, "[lake.publication]\nrecords = 3\n").unwrap();
    let settings = settings.to_str().unwrap();
    let lake = |arguments: &[&str]| {
        platform.command(&[&["lake", "--config", settings], arguments].concat())
    };
    let (done, said) = lake(&["feed"]);
    let rows: u64 = said.split_whitespace().next().unwrap().parse().unwrap();
    assert!(done && said.contains("rows came") && rows > 9, "{said}");
    let (done, said) = lake(&["feed"]);
    assert!(done && said.contains("0 rows came"), "{said}");
    let (done, said) = lake(&["status"]);
    assert!(done && said.contains("was read up to") && said.contains(" rows"), "{said}");
    let (done, said) = lake(&["verify"]);
    assert!(done && said.contains("is whole"), "{said}");

    let question =
        r#"{"quarter":"2025-Q4","measures":["insuredS","claims"],"by":["region","class"]}"#;
    let (done, said) = lake(&["ask", question]);
    assert!(!done && said.contains("nothing is published of 2025-Q4"), "{said}");
    let (done, said) = lake(&["publish", "2025-Q4"]);
    assert!(done && said.contains("2025-Q4, revision 1: 2 cells told"), "{said}");
    assert!(said.contains("1 cells left out"), "{said}");
    let (done, said) = lake(&["publish", "2025-Q4"]);
    assert!(done && said.contains("revision 1: 2 cells told, 0 of them changed"), "{said}");
    let (done, said) = lake(&["publish", "2925-Q4"]);
    assert!(!done && said.contains("2925-Q4 is not over"), "{said}");
    let (done, said) = lake(&["ask", question]);
    assert!(done, "{said}");
    let told: Value = serde_json::from_str(&said).unwrap();
    let of_class = |class: &str| json!({ "key": ["320000", class], "values": [4 * INSURED_S, 0] });
    assert_eq!(told["rows"], json!([of_class("commercial"), of_class("compulsory")]));
    assert_eq!(told["leftOut"], 1);
    let (done, said) = lake(&["ask", r#"{"quarter":"2025-Q4","measures":[]}"#]);
    assert!(!done && said.contains("at least one measure"), "{said}");

    asked_over_http(&platform, &told).await;

    let mut found = Vec::new();
    files(&platform.lake().join("operator/market"), &mut found);
    let mut bytes = std::fs::read(&found[0]).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&found[0], bytes).unwrap();
    let (done, said) = lake(&["verify"]);
    assert!(!done && said.contains("is corrupt"), "{said}");
}

async fn asked_over_http(platform: &Platform, told: &Value) {
    let picc = platform.client("picc-320000").await;
    let regulator = platform.client("regulator-000000").await;
    let market = "/v1/actuarial/market/questions";
    let own = "/v1/actuarial/own/questions";
    let question = json!({ "quarter": "2025-Q4", "measures": ["insuredS", "claims"], "by": ["region", "class"] });
    for api in [&picc, &regulator] {
        let view = ask(api, market, &question, "application/json").await.ok(200);
        assert_eq!(view["rows"], told["rows"], "the same for everybody");
        assert_eq!(view["suppressed"], json!({ "leftOut": 1, "notPlaced": 0 }));
    }
    let listed = picc.get("/v1/actuarial/market/quarters").await.ok(200);
    assert_eq!(listed["quarters"][0]["quarter"], "2025-Q4");
    let csv = ask(&regulator, market, &question, "text/csv").await;
    let lines = format!(
        "region,class,told_together,insured_s,claims\n320000,commercial,,{0},0\n320000,compulsory,,{0},0\n",
        4 * INSURED_S
    );
    assert_eq!((csv.status, csv.text()), (200, lines));

    // Own rows: one policy in two classes in Jiangsu and one in Beijing, however it is asked.
    let sql = json!({ "sql": "select region, class, count(distinct confirm_no) as policies
                              from exposure group by region, class order by region, class" });
    let view = ask(&picc, own, &sql, "application/json").await.ok(200);
    let rows = json!([
        ["110000", "compulsory", 1],
        ["320000", "commercial", 1],
        ["320000", "compulsory", 1]
    ]);
    assert_eq!(view["rows"], rows);
    let cpic = platform.client("cpic-320000").await;
    let view = ask(&cpic, own, &sql, "application/json").await.ok(200);
    let rows = json!([["320000", "commercial", 1], ["320000", "compulsory", 1]]);
    assert_eq!(view["rows"], rows);
    let parquet = ask(&picc, own, &sql, "application/vnd.apache.parquet").await;
    assert_eq!(parquet.status, 200);
    assert!(parquet.bytes.starts_with(b"PAR1") && parquet.bytes.ends_with(b"PAR1"));

    let refused = ask(&picc, own, &json!({ "sql": "drop table exposure" }), "*/*").await;
    assert_eq!((refused.status, &*refused.problem()), (422, "E5300"));
    let refused = ask(&regulator, own, &sql, "*/*").await;
    assert_eq!((refused.status, &*refused.problem()), (403, "E1101"));
    let refused = ask(&picc, own, &sql, "image/png").await;
    assert_eq!((refused.status, &*refused.problem()), (406, "E5304"));
    let open = json!({ "quarter": "2026-Q1", "measures": ["claims"] });
    let refused = ask(&picc, market, &open, "*/*").await;
    assert_eq!((refused.status, &*refused.problem()), (404, "E5301"));

    // Every answer is proven, the market's with the whole question; refusals are not.
    let database = platform.database().await;
    let count = async |condition: &str| {
        let sql = format!("select count(*) from evidence.message where {condition}");
        database.number(&sql).await
    };
    assert_eq!(count("function_code = 'actuarial.own.query'").await, 3);
    let whole = "function_code = 'actuarial.market.ask' and subject like 'market {\"quarter\":\"2025-Q4\",\"revision\":1,%'";
    assert_eq!(count(whole).await, 3);
}

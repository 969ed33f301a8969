//! From a portfolio to a tariff in force: indicated, exported, proposed by one, published by another.

use serde_json::Value;
use workspace_tests::market::{Car, now};
use workspace_tests::{Platform, eventually};

/// Two classes with loss ratios of 66 and 54 per cent and claims enough to be believed fully.
const PORTFOLIO: &str = "class,driver,premium,incurred,claims\nfam_lt6,young,600000,396000,1200\n\
                         fam_lt6,old,400000,264000,800\nent_lt6,young,500000,270000,900\n\
                         ent_lt6,old,500000,270000,900\n";

const PARAMETERS: &str = r#"{"premium":"premium","losses":"incurred","claims":"claims","factors":[
    {"column":"class","base":"ent_lt6",
     "tariff":{"table":"pure_risk","column":"class_key","where":{"cover":["TPL"]}}},
    {"column":"driver"}]}"#;

/// A subcommand of `actuarial` as a client of the sandbox.
fn actuarial(platform: &Platform, arguments: &[&str]) -> (bool, String) {
    let client = "picc-320000";
    let (api, secret) = (&platform.announced.api, platform.secret(client));
    let head = ["actuarial", "--api", api, "--client-id", client, "--client-secret", secret];
    platform.command(&[&head, arguments].concat())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_indication_becomes_the_tariff_in_force() {
    let platform = Platform::up().await;
    let there = platform.serve("there").await;
    let picc = platform.client("picc-320000").await;
    let picc_there = picc.at(there.api());
    let premium = |quoted: &Value| quoted["rating"]["commercial"]["premium"].clone();
    let version = |quoted: &Value| quoted["rating"]["tariff"]["version"].clone();
    let before: Value = picc.quote(&Car::number(1).message(now())).await.ok(201);
    assert_eq!(premium(&before), "1712.53");

    // Portfolio and run.
    let scratch = platform.scratch();
    let file = scratch.join("portfolio.csv");
    std::fs::write(&file, PORTFOLIO).unwrap();
    let import = ["import", file.to_str().unwrap(), "--name", "market"];
    let (done, said) = actuarial(&platform, &import);
    assert!(done, "{said}");
    let run = ["run", "indication", "--dataset", "market", "--parameters", PARAMETERS];
    let (done, said) = actuarial(&platform, &run);
    assert!(done && said.contains("is done"), "{said}");
    let mut words = said.split_whitespace().skip_while(|word| *word != "run");
    let run = words.nth(1).unwrap().trim_end_matches(':').to_owned();

    // The market's tariff has no table by driver; the class alone can go.
    let out = scratch.join("relativities.csv");
    let out = out.to_str().unwrap();
    let (done, said) = actuarial(&platform, &["relativities", &run, "--out", out]);
    assert!(!done && said.contains("E5010") && said.contains("driver"), "{said}");
    let only = ["relativities", &run, "--factors", "class", "--out", out];
    let (done, said) = actuarial(&platform, &only);
    assert!(done, "{said}");

    // A bundle of it is sound, and differs in the rows that were meant.
    let tariff = |arguments: &[&str]| platform.command(&[&["tariff"], arguments].concat());
    let tomorrow = kernel::time::day_of(now()).tomorrow().unwrap().to_string();
    let dir = scratch.join("bundle");
    let dir = dir.to_str().unwrap();
    let (good, said) = tariff(&["propose", out, "--from", "2020-01-01", "--out", dir]);
    assert!(!good && said.contains("after today"), "{said}");
    let (good, said) = tariff(&["propose", out, "--from", &tomorrow, "--out", dir]);
    assert!(good && said.contains("commercial_pure_risk"), "{said}");
    let (good, said) = tariff(&["check", dir]);
    assert!(good && said.contains("is sound"), "{said}");

    // Proposed by one person, refused for the same, published by another.
    let propose = ["propose", out, "--from", &tomorrow, "--version", "indicated", "--by", "anna"];
    let (good, said) = tariff(&propose);
    assert!(good && said.contains("another person publishes it"), "{said}");
    let (good, said) = tariff(&["publish", "--version", "indicated", "--by", "anna"]);
    assert!(!good && said.contains("another person must publish it"), "{said}");
    let still: Value = picc.quote(&Car::number(2).message(now())).await.ok(201);
    assert_eq!((version(&still), premium(&still)), (version(&before), premium(&before)));
    let (good, said) = tariff(&["publish", "--version", "indicated", "--by", "bert"]);
    assert!(good, "{said}");

    // Both running servers quote by it: 1284.40 · 0.9 · 1.222222 / 0.75.
    for (server, number) in [(&picc, 10), (&picc_there, 11)] {
        let after = eventually("the indicated tariff is in force", async || {
            let quoted: Value = server.quote(&Car::number(number).message(now())).await.ok(201);
            (version(&quoted) == "indicated").then_some(quoted)
        })
        .await;
        assert_eq!(premium(&after), "1883.79");
    }
}

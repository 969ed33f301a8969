//! Several servers on one database behave as one.

use std::path::{Path, PathBuf};

use futures::future::join_all;
use serde_json::{Value, json};
use workspace_tests::api::{Answer, Api, answer, http_client};
use workspace_tests::market::{Car, Paid, echo, now, payment, step};
use workspace_tests::{Platform, eventually};

#[tokio::test(flavor = "multi_thread")]
async fn one_vehicle_is_sold_once_whoever_asks_where() {
    let platform = Platform::up().await;
    let (here, there) = (platform.serve("here").await, platform.serve("there").await);
    let picc = here.client(&platform, "picc-320000").await;
    let paic = there.client(&platform, "paic-320000").await;
    let database = platform.database().await;

    let mut winners = Vec::new();
    for number in 0..12 {
        let message = Car::number(number).compulsory(now());
        let (one, other) = (picc.paid(&message).await, paic.paid(&message).await);
        let keys = (format!("one-{number}"), format!("other-{number}"));
        let (first, second) =
            tokio::join!(picc.confirm(&one, &keys.0), paic.confirm(&other, &keys.1));
        let mut statuses = [first.status, second.status];
        statuses.sort_unstable();
        assert_eq!(statuses, [201, 409], "{} {}", first.text(), second.text());
        let refused = if first.status == 409 { &first } else { &second };
        assert_eq!((&*refused.problem(), &*refused.text_at("/rule")), ("E2005", "L03"));
        winners.push(first.status == 201);
    }
    assert_eq!(database.number("select count(*) from production.policy").await, 12);

    // A key is known at every server, also while it is under way at another one.
    let picc_there = picc.at(there.api());
    let paid = picc.paid(&Car::number(100).message(now())).await;
    let first = picc.confirm(&paid, "both").await;
    let again = picc_there.confirm(&paid, "both").await;
    assert!(again.is_replayed() && again.bytes == first.bytes, "{}", again.text());
    for number in 101..106 {
        let paid = picc.paid(&Car::number(number).message(now())).await;
        let key = format!("both-{number}");
        let servers = [&picc, &picc_there, &picc, &picc_there];
        let answers = join_all(servers.iter().map(|api| api.confirm(&paid, &key))).await;
        let fresh = answers.iter().filter(|answer| answer.status == 201 && !answer.is_replayed());
        assert_eq!(fresh.count(), 1);
        for answer in answers.iter().filter(|answer| answer.status != 201) {
            assert_eq!((answer.status, &*answer.problem()), (409, "E1202"));
        }
    }
    assert_eq!(database.number("select count(*) from production.policy").await, 12 + 2 * 6);
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy(&path, &target);
        } else {
            std::fs::copy(&path, target).unwrap();
        }
    }
}

/// A copy of the tariffs in which third-party cover of a million costs more.
fn dearer_tariffs(into: &Path) -> PathBuf {
    let dir = into.join("dearer");
    copy(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../tariffs"), &dir);
    let table = dir.join("commercial_pure_risk_SYNTHETIC.csv");
    let text = std::fs::read_to_string(&table).unwrap();
    let row = "TPL,fam_lt6,家庭自用汽车6座以下,1000000,,,,1284.40";
    assert!(text.contains(row), "the tariff has another price by now");
    std::fs::write(table, text.replace(row, &row.replace("1284.40", "1384.40"))).unwrap();
    dir
}

/// Quote, but not yet pre-confirmed.
async fn quoted(api: &Api, number: u32) -> Value {
    api.quote(&Car::number(number).message(now())).await.ok(201)
}

async fn finish(api: &Api, quoted: &Value) -> Answer {
    let query = quoted["queryCode"].as_str().unwrap();
    let key = |name: &str| format!("{query}-{name}");
    let path = step(query, "pre-confirm");
    let frozen = api.post(&path, Some(&key("p")), &json!({})).await.ok(200);
    assert_eq!(frozen["payable"], quoted["payable"]);
    let money = payment(query, frozen["payable"].as_str().unwrap());
    api.post(&step(query, "payment"), Some(&key("m")), &money).await.ok(200);
    let paid = Paid { query: query.to_owned(), echo: echo(query, &frozen) };
    api.confirm(&paid, &key("c")).await
}

fn key_of(token: &Api) -> &str {
    token.token.split('.').next().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn servers_follow_tariffs_and_keys_without_a_restart() {
    let platform = Platform::up().await;
    let mut there = platform.serve("there").await;
    let picc = platform.client("picc-320000").await;
    let picc_there = picc.at(there.api());
    let before = quoted(&picc, 1).await;
    let before_there = quoted(&picc_there, 2).await;
    let version = |quoted: &Value| quoted["rating"]["tariff"]["version"].clone();
    assert_eq!(version(&before), version(&before_there));

    // A new signing key: it is published before it signs.
    let (good, said) = platform.command(&["keys", "rotate"]);
    assert!(good, "{said}");

    let scratch = platform.scratch();
    let dir = dearer_tariffs(&scratch);
    let dir = dir.to_str().unwrap();
    let tariff = |arguments: &[&str]| platform.command(&[&["tariff"], arguments].concat());
    let (good, said) = tariff(&["publish", "--version", "dearer", "--by", "bert"]);
    assert!(!good && said.contains("load it first"), "{said}");
    let (good, said) = tariff(&["load", dir, "--version", "dearer", "--by", "anna"]);
    assert!(good, "{said}");
    let (good, said) = tariff(&["publish", "--version", "dearer", "--by", "anna"]);
    assert!(!good && said.contains("another person must publish it"), "{said}");
    assert_eq!(version(&quoted(&picc, 3).await), version(&before), "loaded is not published");
    let changed = Path::new(dir).join("pricing_parameters.csv");
    let text = std::fs::read_to_string(&changed).unwrap();
    std::fs::write(&changed, text.lines().next().unwrap()).unwrap();
    let (good, said) = tariff(&["load", dir, "--version", "broken", "--by", "anna"]);
    assert!(!good && said.contains("pricing_parameters.csv"), "{said}");
    let (good, said) = tariff(&["publish", "--version", "dearer", "--by", "bert"]);
    assert!(good, "{said}");

    for (server, number) in [(&picc, 10), (&picc_there, 11)] {
        let after = eventually("the new tariff is in force", async || {
            let quoted = quoted(server, number).await;
            (version(&quoted) == "dearer").then_some(quoted)
        })
        .await;
        let premium = |quoted: &Value| quoted["rating"]["commercial"]["premium"].clone();
        assert_eq!(premium(&before), "1712.53");
        assert_eq!(premium(&after), "1845.87");
    }
    // Quotes of the old tariff stand, at either server.
    finish(&picc_there, &before).await.ok(201);
    finish(&picc, &before_there).await.ok(201);
    let (good, said) = tariff(&["list"]);
    assert!(good && said.lines().any(|line| line.starts_with("dearer ")), "{said}");

    // Tokens of the old key stay good; new ones verify at both servers.
    let secret = platform.secret("picc-320000");
    let renewed = eventually("the new key signs", async || {
        let renewed = Api::login(there.api(), "picc-320000", secret).await;
        (key_of(&renewed) != key_of(&picc)).then_some(renewed)
    })
    .await;
    for api in [&renewed, &renewed.at(&picc.base), &picc, &picc_there] {
        quoted(api, 20).await;
    }
    for base in [&*picc.base, there.api()] {
        let keys = http_client().get(format!("{base}/.well-known/jwks.json"));
        let keys = answer(keys).await.unwrap().ok(200);
        assert_eq!(keys["keys"].as_array().unwrap().len(), 2, "{keys}");
    }
    let ended = there.terminate().await;
    assert!(ended.success(), "{ended}");
}

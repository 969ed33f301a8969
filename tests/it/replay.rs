//! Other insurers' numbers, and messages that arrive more than once.

use futures::future::join_all;
use serde_json::json;
use workspace_tests::Platform;
use workspace_tests::api::{Answer, Api};
use workspace_tests::market::{Car, Paid, confirm_codes, echo, now, payment, step};

/// Everything of a problem but what differs from call to call.
fn told(refused: &Answer, number: &str) -> (u16, String) {
    let code = refused.problem();
    let mut body = refused.json();
    body.as_object_mut().unwrap().remove("traceId");
    (refused.status, format!("{code} {body}").replace(number, "…"))
}

/// A number as the platform would issue it, with its check digit, that was never issued.
async fn never_issued(owner: &Api, issued: &str, path: impl Fn(&str) -> String) -> String {
    let body = format!("{}{}", &issued[..17], "987654321098");
    for digit in 0..10 {
        let number = format!("{body}{digit}");
        let refused = owner.post(&path(&number), Some(&number), &json!({})).await;
        if refused.status == 404 {
            assert_eq!(refused.problem(), "E2000");
            return number;
        }
    }
    panic!("no check digit fits {body}");
}

#[tokio::test(flavor = "multi_thread")]
async fn another_insurers_numbers_are_not_there() {
    let platform = Platform::up().await;
    let picc = platform.client("picc-320000").await;
    let paic = platform.client("paic-320000").await;
    let paid = picc.paid(&Car::number(1).message(now())).await;
    let codes = picc.insure(&Car::number(2).message(now())).await;
    let database = platform.database().await;
    let before = database.counts().await;

    let pre_confirm = |number: &str| step(number, "pre-confirm");
    let unknown = never_issued(&picc, &paid.query, pre_confirm).await;
    let amount = payment("POS-X", "1.00");
    for (name, body) in [
        ("pre-confirm", json!({})),
        ("pre-confirm/cancel", json!({})),
        ("payment", amount),
        ("confirm", paid.echo.clone()),
    ] {
        let existing = paic.post(&step(&paid.query, name), Some("k1"), &body).await;
        let missing = paic.post(&step(&unknown, name), Some("k2"), &body).await;
        assert!((400..500).contains(&existing.status), "{name}");
        assert_eq!(told(&existing, &paid.query), told(&missing, &unknown), "{name}");
    }
    let unknown_policy = format!("02{}", &unknown[2..]);
    for (existing, missing) in [
        (format!("/v1/quotes/{}", paid.query), format!("/v1/quotes/{unknown}")),
        (format!("/v1/policies/{}", codes[0]), format!("/v1/policies/{unknown_policy}")),
    ] {
        let existing_answer = paic.get(&existing).await;
        let missing_answer = paic.get(&missing).await;
        assert!((400..500).contains(&existing_answer.status), "{}", existing_answer.text());
        // A wrong check digit of the made-up policy number is told apart from nothing else.
        if missing_answer.json()["errors"][0]["rule"] != "F05" {
            let (one, other) = (&existing[existing.len() - 30..], &missing[missing.len() - 30..]);
            assert_eq!(told(&existing_answer, one), told(&missing_answer, other));
        }
    }
    assert_eq!(database.changes(&before).await, Default::default());

    // Its owner still confirms it.
    picc.confirm(&paid, "own").await.ok(201);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeated_key_returns_the_first_answer_and_does_nothing_else() {
    let platform = Platform::up().await;
    let picc = platform.client("picc-320000").await;
    let database = platform.database().await;
    let message = Car::number(1).message(now());

    let quoted = picc.post("/v1/quotes", Some("q"), &message).await;
    let query = quoted.ok(201)["queryCode"].as_str().unwrap().to_owned();
    let frozen = picc.post(&step(&query, "pre-confirm"), Some("p"), &json!({})).await;
    let amount = frozen.text_at("/payable");
    let money = payment("POS-1", &amount);
    let registered = picc.post(&step(&query, "payment"), Some("m"), &money).await;
    let paid = Paid { echo: echo(&query, &frozen.json()), query: query.clone() };
    let confirmed = picc.confirm(&paid, "c").await;
    confirmed.ok(201);
    let before = database.counts().await;

    // Every step again, long after the next one was done.
    let repeated = [
        (&quoted, picc.post("/v1/quotes", Some("q"), &message).await),
        (&frozen, picc.post(&step(&query, "pre-confirm"), Some("p"), &json!({})).await),
        (&registered, picc.post(&step(&query, "payment"), Some("m"), &money).await),
        (&confirmed, picc.confirm(&paid, "c").await),
    ];
    for (first, again) in repeated {
        assert_eq!(again.status, first.status, "{}", again.text());
        assert_eq!(again.bytes, first.bytes);
        assert!(again.is_replayed() && !first.is_replayed());
    }
    // Once more with another key: the state refuses.
    let refused = picc.confirm(&paid, "c2").await;
    assert_eq!((refused.status, &*refused.problem()), (409, "E2002"));

    // The key with another message, or for another step.
    let mut other = message.clone();
    other["vehicle"]["engineNo"] = json!("EA211999999");
    for refused in [
        picc.post("/v1/quotes", Some("q"), &other).await,
        picc.post("/v1/quotes", Some("q"), &Car::number(9).message(now())).await,
        picc.post(&step(&query, "payment"), Some("c"), &money).await,
        picc.confirm(&Paid { echo: json!({}), ..paid.clone() }, "c").await,
    ] {
        assert_eq!((refused.status, &*refused.problem()), (422, "E1201"));
        assert_eq!(refused.text_at("/rule"), "F04");
    }
    assert_eq!(database.changes(&before).await, Default::default());

    // A key belongs to one client: another one's key of the same name is its own.
    let paic = platform.client("paic-320000").await;
    let elsewhere = paic.post("/v1/quotes", Some("q"), &Car::number(2).message(now())).await;
    elsewhere.ok(201);
    assert!(!elsewhere.is_replayed());

    // A refusal is not kept: corrected, the same key is served.
    let mut wrong = Car::number(3).message(now());
    wrong["vehicle"]["seats"] = json!(null);
    assert_eq!(picc.post("/v1/quotes", Some("fixed"), &wrong).await.status, 422);
    let good = picc.post("/v1/quotes", Some("fixed"), &Car::number(3).message(now())).await;
    good.ok(201);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_equal_messages_at_once_one_is_served() {
    let platform = Platform::up().await;
    let picc = platform.client("picc-320000").await;
    let database = platform.database().await;
    for round in 0..5 {
        let paid = picc.paid(&Car::number(round).message(now())).await;
        let key = format!("once-{round}");
        let answers = join_all((0..16).map(|_| picc.confirm(&paid, &key))).await;
        let served: Vec<&Answer> = answers.iter().filter(|answer| answer.status == 201).collect();
        assert_eq!(served.iter().filter(|answer| !answer.is_replayed()).count(), 1);
        assert!(served.iter().all(|answer| answer.bytes == served[0].bytes));
        for refused in answers.iter().filter(|answer| answer.status != 201) {
            assert_eq!((refused.status, &*refused.problem()), (409, "E1202"));
            assert_eq!(refused.text_at("/rule"), "F04");
            assert!(refused.headers.contains_key("retry-after"));
        }
        assert_eq!(confirm_codes(&served[0].json()).len(), 2);

        // The same without a common key: a query code is good for one confirmation.
        let paid = picc.paid(&Car::number(100 + round).message(now())).await;
        let keys: Vec<String> = (0..8).map(|index| format!("own-{round}-{index}")).collect();
        let answers = join_all(keys.iter().map(|key| picc.confirm(&paid, key))).await;
        let served = answers.iter().filter(|answer| answer.status == 201).count();
        assert_eq!(served, 1);
        for refused in answers.iter().filter(|answer| answer.status != 201) {
            assert_eq!((refused.status, &*refused.problem()), (409, "E2002"));
        }
    }
    let policies = database.number("select count(*) from production.policy").await;
    assert_eq!(policies, 2 * 2 * 5);
}

//! Insurers selling without pause, each step with a key of its own, remembering what was
//! acknowledged: what crashes are judged by.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use workspace_tests::api::{Answer, Api};
use workspace_tests::database::Database;
use workspace_tests::market::{Car, confirm_codes, echo, now, payment, step};
use workspace_tests::{Platform, eventually};

/// Insurers that sell, one client each.
const CLIENTS: [&str; 3] = ["picc-320000", "paic-320000", "cpic-320000"];

/// One car on its way through a sale. Driven again from any point it arrives at the same policies.
#[derive(Clone, Debug)]
pub(crate) struct Sale {
    client: usize,
    name: String,
    message: Value,
}

/// A sale whose confirmation was acknowledged.
#[derive(Clone, Debug)]
pub(crate) struct Acknowledged {
    pub(crate) sale: Sale,
    pub(crate) query: String,
    pub(crate) codes: Vec<String>,
}

/// How far a sale came.
pub(crate) enum Outcome {
    Acknowledged(Acknowledged),
    /// No answer, or a promise to be better later.
    Interrupted,
}

/// What insurers saw.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    pub(crate) acknowledged: Mutex<Vec<Acknowledged>>,
    pub(crate) interrupted: Mutex<Vec<Sale>>,
    /// Answers that are neither right nor an honest "come again".
    pub(crate) wrong: Mutex<Vec<String>>,
    /// Calls answered 503 or not at all.
    pub(crate) unavailable: AtomicU32,
}

/// Insurers at work until told to stop.
pub(crate) struct Load {
    pub(crate) seen: Arc<Seen>,
    stop: Arc<AtomicBool>,
    workers: Vec<tokio::task::JoinHandle<()>>,
}

/// What a worker does with an interrupted sale.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Then {
    /// Leaves it and goes home.
    GoHome,
    /// Sends the same step with the same key until it is answered.
    Insist,
}

impl Load {
    /// Sets `workers` to work. Cars are numbered from `first` on, a thousand for each worker.
    pub(crate) async fn start(platform: &Platform, workers: u32, first: u32, then: Then) -> Load {
        let seen = Arc::new(Seen::default());
        let stop = Arc::new(AtomicBool::new(false));
        let clients = clients(platform).await;
        let workers = (0..workers)
            .map(|worker| {
                let (seen, stop) = (seen.clone(), stop.clone());
                let clients = clients.clone();
                tokio::spawn(async move {
                    for index in 0.. {
                        if stop.load(Ordering::Relaxed) {
                            return;
                        }
                        let number = first + worker * 1_000 + index;
                        let sale = Sale {
                            client: usize::try_from(worker).unwrap() % CLIENTS.len(),
                            name: format!("sale-{number}"),
                            message: Car::number(number).message(now()),
                        };
                        match sale.drive(&clients, &seen, then).await {
                            Outcome::Acknowledged(done) => {
                                seen.acknowledged.lock().unwrap().push(done);
                            }
                            Outcome::Interrupted => {
                                seen.interrupted.lock().unwrap().push(sale);
                                return;
                            }
                        }
                    }
                })
            })
            .collect();
        Load { seen, stop, workers }
    }

    /// Waits until so many confirmations are acknowledged.
    pub(crate) async fn reaches(&self, acknowledged: usize) {
        eventually("sales go on", async || {
            let wrong = self.seen.wrong.lock().unwrap();
            assert!(wrong.is_empty(), "{wrong:#?}");
            (self.acknowledged() >= acknowledged).then_some(())
        })
        .await;
    }

    pub(crate) fn acknowledged(&self) -> usize {
        self.seen.acknowledged.lock().unwrap().len()
    }

    /// No new sales; the last ones are finished or given up.
    pub(crate) async fn end(self) -> Arc<Seen> {
        self.stop.store(true, Ordering::Relaxed);
        for worker in self.workers {
            worker.await.unwrap();
        }
        let wrong = self.seen.wrong.lock().unwrap().clone();
        assert!(wrong.is_empty(), "{wrong:#?}");
        self.seen
    }
}

/// Clients of the market with fresh tokens, in the order sales name them.
pub(crate) async fn clients(platform: &Platform) -> Vec<Api> {
    let mut clients = Vec::new();
    for client in CLIENTS {
        clients.push(platform.client(client).await);
    }
    clients
}

impl Sale {
    /// Quote, pre-confirm, pay, confirm: from the beginning, with the same keys each time.
    pub(crate) async fn drive(&self, clients: &[Api], seen: &Seen, then: Then) -> Outcome {
        let api = &clients[self.client];
        macro_rules! step {
            ($name:literal, $path:expr, $body:expr) => {
                match self.call(api, seen, then, $name, &$path, $body).await {
                    Some(answer) => answer.json(),
                    None => return Outcome::Interrupted,
                }
            };
        }
        let quoted = step!("quote", "/v1/quotes", &self.message);
        let query = quoted["queryCode"].as_str().unwrap().to_owned();
        let frozen = step!("pre-confirm", step(&query, "pre-confirm"), &json!({}));
        let amount = frozen["payable"].as_str().unwrap();
        let money = payment(&format!("POS-{}", self.name), amount);
        step!("payment", step(&query, "payment"), &money);
        let confirmed = step!("confirm", step(&query, "confirm"), &echo(&query, &frozen));
        let codes = confirm_codes(&confirmed);
        Outcome::Acknowledged(Acknowledged { sale: self.clone(), query, codes })
    }

    async fn call(
        &self,
        api: &Api,
        seen: &Seen,
        then: Then,
        name: &str,
        path: &str,
        body: &Value,
    ) -> Option<Answer> {
        let key = format!("{}-{name}", self.name);
        loop {
            let answered = api.try_post(path, Some(&key), body).await;
            match &answered {
                Ok(answer) if answer.status < 300 => return answered.ok(),
                // Told to come again, or the connection broke.
                Ok(answer) if answer.status == 503 => {
                    answer.problem();
                    assert!(answer.headers.contains_key("retry-after"), "{}", answer.text());
                    seen.unavailable.fetch_add(1, Ordering::Relaxed);
                }
                Ok(answer) if answer.status == 409 && answer.problem() == "E1202" => {}
                Ok(answer) => {
                    let text = format!("{key}: {} {}", answer.status, answer.text());
                    seen.wrong.lock().unwrap().push(text);
                    return None;
                }
                Err(_) => {
                    seen.unavailable.fetch_add(1, Ordering::Relaxed);
                }
            }
            if then == Then::GoHome {
                return None;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

/// Nothing acknowledged is lost, nothing is there twice, and what is on record agrees with what
/// was sold. `database` must be quiet.
pub(crate) async fn assert_books_balance(database: &Database, sold: &[Acknowledged]) {
    for done in sold {
        assert_eq!(done.codes.len(), 2, "{done:?}");
        let query = format!(
            "select confirm_no from production.policy where query_no = '{}' order by class desc",
            done.query
        );
        assert_eq!(database.texts(&query).await, done.codes, "{done:?}");
    }
    let twice = database
        .texts(
            "select frame_no from production.policy group by frame_no, class having count(*) > 1",
        )
        .await;
    assert!(twice.is_empty(), "sold twice: {twice:?}");
    let confirmed =
        database.number("select count(*) from production.proposal where stage = 'confirmed'").await;
    for (what, query) in [
        ("quotes with policies", "select count(distinct query_no) from production.policy"),
        ("half the policies", "select count(*) / 2 from production.policy"),
        ("half the versions", "select count(*) / 2 from production.policy_version"),
        ("half the numbers", "select count(*) / 2 from production.policy_number"),
        ("usage", "select count(*) from metering.usage where function_code like '%.confirm'"),
        (
            "proofs",
            "select count(*) from evidence.message where function_code like '%.confirm'
             and status < 400",
        ),
        ("answers", "select count(*) from http.idempotency where function_code like '%.confirm'"),
        (
            "half the events",
            "select count(*) / 2 from events.outbox where type like '%.confirmed'
            and type like '%policy%'",
        ),
    ] {
        assert_eq!(database.number(query).await, confirmed, "{what}");
    }
    let quotes = database.number("select count(*) from production.quote").await;
    for table in ["metering.usage", "evidence.message"] {
        let query = format!("select count(*) from {table} where function_code like '%.quote'");
        assert_eq!(database.number(&query).await, quotes, "{table}");
    }
}

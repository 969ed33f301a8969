//! A server killed under a load of claims: what it acknowledged is there once, and what it did not
//! can be sent again.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use workspace_tests::api::Api;
use workspace_tests::market::Car;
use workspace_tests::{Platform, Start, eventually};

/// The instant of everything: cover begins in this hour, the accident happens in it.
const NOW: &str = "2026-03-02T10:00:00+08:00";
const WORKERS: usize = 8;
/// Steps acknowledged before the server is killed.
const ENOUGH: usize = 120;

/// One message on its way, by report and step: sent again it is the same.
#[derive(Clone, Debug)]
struct Sent {
    path: String,
    body: Value,
}

/// Acknowledged answers and what got none.
#[derive(Default)]
struct Seen {
    acknowledged: Mutex<Vec<(Sent, Value)>>,
    unanswered: Mutex<Vec<Sent>>,
}

fn report(confirm_code: &str, report_no: &str) -> Sent {
    let body = json!({ "confirmCode": confirm_code, "reportNo": report_no,
        "accidentAt": "202603021000", "reportedAt": "202603021000", "district": "320102",
        "description": "追尾前车", "handledBy": "10" });
    Sent { path: "/v1/claims".to_owned(), body }
}

fn survey(confirm_code: &str, report_no: &str, claim_code: &str) -> Sent {
    let body = json!({ "confirmCode": confirm_code, "reportNo": report_no, "businessNo": "S",
        "surveyedAt": "202603021000", "liability": "2" });
    Sent { path: format!("/v1/claims/{claim_code}/surveys"), body }
}

/// Sends once; the answer when it was acknowledged.
async fn send(api: &Api, seen: &Seen, sent: Sent) -> Option<Value> {
    match api.try_post(&sent.path, None, &sent.body).await {
        Ok(answer) if answer.status == 201 => {
            let told = answer.json();
            seen.acknowledged.lock().unwrap().push((sent, told.clone()));
            Some(told)
        }
        Ok(answer) => {
            assert_eq!(answer.status, 503, "{}", answer.text());
            seen.unanswered.lock().unwrap().push(sent);
            None
        }
        Err(_) => {
            seen.unanswered.lock().unwrap().push(sent);
            None
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_server_has_lost_no_claim_step_it_acknowledged() {
    let mut platform = Platform::start(Start { clock: Some(NOW) }).await;
    let picc = platform.client("picc-320000").await;
    let mut codes = Vec::new();
    for number in 0..WORKERS {
        let mut message =
            Car::number(u32::try_from(number).unwrap()).compulsory(NOW.parse().unwrap());
        message["compulsory"]["start"] = json!("2026030210");
        codes.push(picc.insure(&message).await.remove(0));
    }
    let (seen, stop) = (Arc::new(Seen::default()), Arc::new(AtomicBool::new(false)));
    let workers: Vec<_> = codes
        .iter()
        .enumerate()
        .map(|(worker, code)| {
            let (picc, seen, stop, code) = (picc.clone(), seen.clone(), stop.clone(), code.clone());
            tokio::spawn(async move {
                for number in 0.. {
                    if stop.load(Ordering::Relaxed) {
                        return;
                    }
                    let report_no = format!("R-{worker}-{number}");
                    let Some(told) = send(&picc, &seen, report(&code, &report_no)).await else {
                        return;
                    };
                    let claim_code = told["claimCode"].as_str().unwrap().to_owned();
                    if send(&picc, &seen, survey(&code, &report_no, &claim_code)).await.is_none() {
                        return;
                    }
                }
            })
        })
        .collect();
    eventually("enough steps are acknowledged", async || {
        (seen.acknowledged.lock().unwrap().len() >= ENOUGH).then_some(())
    })
    .await;
    platform.kill();
    stop.store(true, Ordering::Relaxed);
    for worker in workers {
        worker.await.unwrap();
    }
    let unanswered = std::mem::take(&mut *seen.unanswered.lock().unwrap());
    assert!(!unanswered.is_empty(), "nothing was under way when the server died");

    platform.again().await;
    let picc = platform.client("picc-320000").await;
    // The queue sends everything again: what was answered is answered the same.
    let acknowledged = std::mem::take(&mut *seen.acknowledged.lock().unwrap());
    for (sent, told) in &acknowledged {
        let again = picc.post(&sent.path, None, &sent.body).await.ok(201);
        assert_eq!(&again, told);
    }
    for sent in unanswered {
        picc.post(&sent.path, None, &sent.body).await.ok(201);
    }
    // One case a report, and each case has just the steps it counts.
    let database = platform.database().await;
    let mut reports: BTreeMap<String, String> = BTreeMap::new();
    for (sent, told) in &acknowledged {
        let report_no = sent.body["reportNo"].as_str().unwrap().to_owned();
        let claim_code = told["claimCode"].as_str().unwrap().to_owned();
        let known = reports.entry(report_no).or_insert_with(|| claim_code.clone());
        assert_eq!(*known, claim_code);
    }
    let twice = "select count(*) from (select 1 from production.claim
                 group by confirm_no, report_no having count(*) > 1) twice";
    assert_eq!(database.number(twice).await, 0);
    let uneven = "select count(*) from production.claim c where c.steps <>
                  (select count(*) from production.claim_step s where s.claim_no = c.claim_no)";
    assert_eq!(database.number(uneven).await, 0);
    let steps = database.number("select count(*) from production.claim_step").await;
    assert!(steps >= i64::try_from(acknowledged.len()).unwrap());
}

//! Batches of claim steps at their limit.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::body::{Body, to_bytes};
use base_http::door::{Authenticate, Door, Subscriptions};
use base_http::{Caller, Function, Problem};
use futures::future::BoxFuture;
use jiff::Timestamp;
use kernel::Clock;
use production::claim::intake;
use production::function;
use serde_json::{Value, json};

use crate::claim_story::Story;
use crate::support::{PLATE, VIN, World, compulsory, noon};

/// A door that stands open: who calls is settled before a batch is taken.
struct Open;

impl Authenticate for Open {
    fn authenticate<'a>(
        &'a self,
        _: &'a str,
        _: Option<std::net::IpAddr>,
        _: Timestamp,
    ) -> BoxFuture<'a, Result<Arc<Caller>, Problem>> {
        unreachable!("nobody knocks")
    }
}

impl Subscriptions for Open {
    fn admit(&self, _: &Caller, _: &Function, _: Timestamp) -> Result<Option<u32>, Problem> {
        Ok(None)
    }
}

async fn take(world: &World, lines: &[String]) -> Result<Vec<Value>, Problem> {
    let open = Arc::new(Open);
    let door = Arc::new(Door {
        authenticate: open.clone(),
        subscriptions: open,
        clock: world.clock.clone(),
        ids: world.ids.clone(),
        db: world.test.db.clone(),
    });
    let call = world.call(&world.picc, &function::CLAIM_INTAKE);
    let body = Body::from(lines.join("\n"));
    let answered = intake::take(world.production.clone(), door, call, body).await?;
    let text = to_bytes(answered.into_body(), usize::MAX).await.unwrap();
    let lines = text.split(|&byte| byte == b'\n').filter(|line| !line.is_empty());
    Ok(lines.map(|line| serde_json::from_slice(line).unwrap()).collect())
}

/// Twenty cases, each reported and then estimated 49 times.
fn thousand(world: &World, confirm_code: &str) -> Vec<String> {
    let mut lines = Vec::new();
    for case in 0..20 {
        let at = noon(2025, 6, 1 + case);
        let story = Story::new(&world.picc, confirm_code, &format!("R-{case}"), at);
        lines.push(json!({ "step": "notify", "body": story.report() }));
        for number in 1..50 {
            let body = story.other(
                &format!("ES-{number}"),
                json!({ "estimatedAt": story.after(2), "outstanding": format!("{number}00.00") }),
            );
            lines.push(json!({ "step": "estimate", "body": body }));
        }
    }
    lines.iter().map(ToString::to_string).collect()
}

#[tokio::test]
async fn a_batch_has_a_thousand_lines_and_not_one_more() {
    let world = World::new().await;
    let sale = world.insure(&world.picc, &compulsory(world.clock.now(), VIN, PLATE)).await;
    world.clock.set(noon(2025, 7, 1));
    let mut lines = thousand(&world, &sale.compulsory.unwrap());
    assert_eq!(lines.len(), 1_000);
    lines.push(lines[0].clone());
    let refused = take(&world, &lines).await.unwrap_err();
    assert_eq!(refused.code.code, "E1002");
    let kept = async || -> i64 {
        let sql = "select count(*) from production.claim_step";
        sqlx::query_scalar(sql).fetch_one(&world.test.owner).await.unwrap()
    };
    assert_eq!(kept().await, 0);

    lines.pop();
    let mut told = take(&world, &lines).await.unwrap();
    let summary = told.pop().unwrap();
    assert_eq!(summary, json!({ "lines": 1000, "taken": 1000, "refused": 0 }));
    let numbers: BTreeSet<u64> = told.iter().map(|line| line["line"].as_u64().unwrap()).collect();
    assert_eq!((numbers.len(), numbers.first(), numbers.last()), (1_000, Some(&1), Some(&1_000)));
    assert_eq!(kept().await, 1_000);
}

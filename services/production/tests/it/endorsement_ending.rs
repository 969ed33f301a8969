//! Suspension, surrender and revocation.

use std::sync::Arc;

use base_http::{Caller, Problem};
use kernel::Clock;
use production::function;
use serde_json::{Value, json};

use crate::endorsement::compulsory_policy;
use crate::support::{
    PLATE, VIN, World, broken, code, compulsory, message, noon, parsed, view, word,
};

impl World {
    pub(crate) async fn surrender(
        &self,
        caller: &Arc<Caller>,
        policy: &str,
        body: &Value,
    ) -> Result<Value, Problem> {
        let call = self.call(caller, &function::SURRENDER);
        view(self.production.surrender(call, policy, parsed(body)).await)
    }

    pub(crate) async fn revoke(
        &self,
        caller: &Arc<Caller>,
        policy: &str,
        body: &Value,
    ) -> Result<Value, Problem> {
        let call = self.call(caller, &function::REVOKE);
        view(self.production.revoke(call, policy, parsed(body)).await)
    }

    /// A compulsory policy for the year after noon of the day named, by PICC.
    async fn year_after(&self, year: i16, month: i8, day: i8) -> (String, String) {
        self.clock.set(noon(year, month, day));
        let sale = self.insure(&self.picc, &compulsory(self.clock.now(), VIN, PLATE)).await;
        (sale.compulsory.unwrap(), word(&sale.confirmed, "/policies/0/premium"))
    }
}

fn off_the_road(times: u32, at: &str) -> Value {
    json!({ "kind": "06", "endorseTimes": times, "reason": "停驶", "effectiveAt": at,
        "direct": true })
}

fn on_the_road(times: u32, at: &str) -> Value {
    json!({ "kind": "07", "endorseTimes": times, "reason": "复驶", "effectiveAt": at,
        "direct": true })
}

#[tokio::test]
async fn resuming_pushes_the_end_back_by_the_days_off_the_road() {
    let world = World::new().await;
    let policy = compulsory_policy(&world).await;
    world.clock.set(noon(2025, 4, 20));
    let outside = world.amend(&world.picc, &policy, &off_the_road(1, "2026030200")).await;
    assert_eq!(broken(outside), ("E2022", "S11"));
    let off = world.amend(&world.picc, &policy, &off_the_road(1, "2025050100")).await.unwrap();
    assert_eq!(off["stage"], json!("confirmed"));
    assert_eq!(off["policy"]["period"]["to"], json!("2026-03-01T16:00:00Z"));
    let too_soon = world.amend(&world.picc, &policy, &on_the_road(2, "2025050100")).await;
    assert_eq!(broken(too_soon), ("E2022", "L34"));
    world.clock.set(noon(2025, 7, 10));
    // 70 days from 1 May to 10 July; 2 March 2026 and 70 days are 11 May.
    let past = world.amend(&world.picc, &policy, &on_the_road(2, "2025043000")).await;
    assert_eq!(broken(past), ("E2022", ""));
    let on = world.amend(&world.picc, &policy, &on_the_road(2, "2025071000")).await.unwrap();
    assert_eq!(on["policy"]["period"]["to"], json!("2026-05-10T16:00:00Z"));
    assert_eq!(on["policy"]["state"], json!("IN_FORCE"));
    // Another insurer sees the new end.
    world.clock.set(noon(2026, 3, 5));
    let early = world.quote(&world.cpic, &compulsory(world.clock.now(), VIN, PLATE)).await;
    assert_eq!(broken(early), ("E2005", "L03"));
    world.clock.set(noon(2026, 5, 10));
    world.insure(&world.cpic, &compulsory(world.clock.now(), VIN, PLATE)).await;
}

#[tokio::test]
async fn days_off_the_road_are_refunded_as_days_of_cover() {
    let world = World::new().await;
    let policy = compulsory_policy(&world).await;
    world.clock.set(noon(2025, 4, 20));
    world.amend(&world.picc, &policy, &off_the_road(1, "2025050100")).await.unwrap();
    world.clock.set(noon(2025, 9, 1));
    // 60 days of cover used when it went off the road: 950.00 × (1 − 60/365) = 793.84.
    let asked = json!({ "surrenderReason": "02" });
    let refund = world.surrender(&world.picc, &policy, &asked).await.unwrap();
    assert_eq!(
        (word(&refund, "/premiumRefund"), word(&refund, "/formula/premium")),
        ("793.84".into(), "950.00 × (1 − 60/365) = 793.84".into())
    );
}

#[tokio::test]
async fn a_resumption_that_runs_into_a_renewal_sold_elsewhere_says_what_to_do() {
    let world = World::new().await;
    let policy = compulsory_policy(&world).await;
    world.clock.set(noon(2026, 2, 1));
    world.amend(&world.picc, &policy, &off_the_road(1, "2026020200")).await.unwrap();
    world.clock.set(noon(2026, 3, 1));
    let renewal = world.insure(&world.cpic, &compulsory(world.clock.now(), VIN, PLATE)).await;
    let sold = renewal.compulsory.unwrap();
    world.clock.set(noon(2026, 3, 5));
    let mut resume = on_the_road(2, "2026030600");
    resume["direct"] = json!(false);
    assert_eq!(broken(world.amend(&world.picc, &policy, &resume).await), ("E2018", "L34"));
    resume["direct"] = json!(true);
    let problem = world.amend(&world.picc, &policy, &resume).await.unwrap_err();
    assert_eq!((problem.code.code, problem.rule), ("E2018", Some("L34")));
    assert!(problem.detail.contains(&sold) && problem.detail.contains("surrender"), "{problem:?}");
    assert_eq!(world.named_by_refusal(), [sold]);
    let left: i64 = sqlx::query_scalar("select count(*) from production.endorsement")
        .fetch_one(&world.test.owner)
        .await
        .unwrap();
    assert_eq!(left, 1, "the refused resumption left nothing behind");
}

#[tokio::test]
async fn a_surrender_refunds_the_days_not_covered_and_frees_them() {
    let world = World::new().await;
    world.year_after(2024, 2, 29).await;
    let (policy, premium) = world.year_after(2025, 2, 28).await;
    assert_eq!(premium, "855.00");
    world.clock.set(noon(2025, 6, 9));
    let wish = json!({ "surrenderReason": "99" });
    assert_eq!(broken(world.surrender(&world.picc, &policy, &wish).await), ("E2021", "L33"));
    // Off the road: the tax of the year stays paid.
    let resting = json!({ "surrenderReason": "02" });
    let refund = world.surrender(&world.picc, &policy, &resting).await.unwrap();
    assert_eq!((&refund["stage"], &refund["taxRefund"]), (&json!("quoted"), &json!("0.00")));
    // Deregistered in June: seven months of 300.00 go back, 175.00.
    let mut gone = json!({ "surrenderReason": "01" });
    let refund = world.surrender(&world.picc, &policy, &gone).await.unwrap();
    assert_eq!(
        ["/premiumRefund", "/taxRefund", "/refund"].map(|at| word(&refund, at)),
        ["620.75", "175.00", "795.75"]
    );
    assert_eq!(word(&refund, "/formula/premium"), "855.00 × (1 − 100/365) = 620.75");
    gone["confirm"] = json!(true);
    assert_eq!(code(world.surrender(&world.picc, &policy, &gone).await).1, ["S02"]);
    gone["premiumRefund"] = json!("620.75");
    assert_eq!(broken(world.surrender(&world.picc, &policy, &gone).await), ("E2007", "S10"));
    gone["taxRefund"] = json!("175.00");
    let done = world.surrender(&world.picc, &policy, &gone).await.unwrap();
    assert_eq!(
        [&done["stage"], &done["kind"], &done["payable"], &done["premium"]],
        [&json!("confirmed"), &json!("09"), &json!("-795.75"), &json!("234.25")]
    );
    assert_eq!(done["policy"]["state"], json!("SURRENDERED"));
    let told = world.served().pop().unwrap();
    assert_eq!(told.events, ["production.policy.surrendered"]);
    let amend = word(&done, "/amendCode");
    world.pay_amendment(&world.picc, &amend, "-795.75").await.unwrap();
    assert_eq!(code(world.surrender(&world.picc, &policy, &gone).await).0, "E2020");
    world.insure(&world.cpic, &compulsory(world.clock.now(), VIN, PLATE)).await;
}

#[tokio::test]
async fn a_leap_year_has_366_days_to_refund_by() {
    let world = World::new().await;
    world.year_after(2021, 8, 31).await;
    world.year_after(2022, 8, 31).await;
    let (policy, premium) = world.year_after(2023, 8, 31).await;
    // Two clean years, scheme E: 950.00 × 0.80.
    assert_eq!(premium, "760.00");
    world.clock.set(noon(2024, 2, 29));
    let asked = json!({ "surrenderReason": "03", "effectiveAt": "2024022900" });
    let refund = world.surrender(&world.picc, &policy, &asked).await.unwrap();
    assert_eq!(word(&refund, "/premiumRefund"), "384.15");
}

#[tokio::test]
async fn commercial_cover_is_surrendered_at_will_and_refunded_as_its_clause_says() {
    let world = World::new().await;
    let sale = world.insure(&world.picc, &message(world.clock.now(), VIN, PLATE)).await;
    let policy = sale.commercial.unwrap();
    world.clock.set(noon(2025, 9, 1));
    // 175 of 365 days left: 1,712.53 × (1 − 190/365) = 821.08.
    let asked = json!({ "surrenderReason": "99", "effectiveAt": "2025090800" });
    let refund = world.surrender(&world.picc, &policy, &asked).await.unwrap();
    assert_eq!(
        (word(&refund, "/premiumRefund"), word(&refund, "/formula/premium")),
        ("821.08".into(), "1,712.53 × (1 − 190/365) = 821.08".into())
    );
}

#[tokio::test]
async fn a_revocation_returns_everything_and_frees_the_period_for_another_insurer() {
    let world = World::new().await;
    let body = compulsory(world.clock.now(), VIN, PLATE);
    let policy = world.insure(&world.picc, &body).await.compulsory.unwrap();
    assert_eq!(broken(world.quote(&world.cpic, &body).await), ("E2005", "L03"));
    let mut revoke = json!({ "reason": "投保人撤销" });
    let refund = world.revoke(&world.picc, &policy, &revoke).await.unwrap();
    assert_eq!(
        ["/premiumRefund", "/taxRefund", "/refund"].map(|at| word(&refund, at)),
        ["950.00", "300.00", "1250.00"]
    );
    revoke["confirm"] = json!(true);
    revoke["premiumRefund"] = json!("950.00");
    revoke["taxRefund"] = json!("300.00");
    let done = world.revoke(&world.picc, &policy, &revoke).await.unwrap();
    assert_eq!((&done["kind"], &done["premium"]), (&json!("10"), &json!("0.00")));
    assert_eq!(done["policy"]["state"], json!("REVOKED"));
    world.insure(&world.cpic, &body).await;
}

#[tokio::test]
async fn a_policy_whose_cover_began_is_surrendered_and_not_revoked() {
    let world = World::new().await;
    let policy = compulsory_policy(&world).await;
    world.pass(24);
    let revoke = json!({ "reason": "投保人撤销" });
    assert_eq!(broken(world.revoke(&world.picc, &policy, &revoke).await), ("E2020", "L33"));
}

#[tokio::test]
async fn an_open_endorsement_stands_in_the_way_of_an_ending() {
    let world = World::new().await;
    let policy = compulsory_policy(&world).await;
    let change = json!({ "kind": "02", "endorseTimes": 1, "reason": "变更",
        "vehicle": { "usage": "220" } });
    let open = world.amend(&world.picc, &policy, &change).await.unwrap();
    let revoke = json!({ "reason": "撤单", "confirm": true, "premiumRefund": "950.00",
        "taxRefund": "300.00" });
    assert_eq!(broken(world.revoke(&world.picc, &policy, &revoke).await), ("E2009", "S12"));
    world.give_up(&world.picc, &word(&open, "/amendCode")).await.unwrap();
    world.revoke(&world.picc, &policy, &revoke).await.unwrap();
}

#[tokio::test]
async fn a_renewal_sold_while_the_resumption_is_open_stops_its_confirmation() {
    let world = World::new().await;
    let policy = compulsory_policy(&world).await;
    world.clock.set(noon(2026, 2, 1));
    world.amend(&world.picc, &policy, &off_the_road(1, "2026020200")).await.unwrap();
    world.clock.set(noon(2026, 3, 1));
    let mut resume = on_the_road(2, "2026030200");
    resume["direct"] = json!(false);
    let open = world.amend(&world.picc, &policy, &resume).await.unwrap();
    let amend = word(&open, "/amendCode");
    world.freeze(&world.picc, &amend).await.unwrap();
    world.insure(&world.cpic, &compulsory(world.clock.now(), VIN, PLATE)).await;
    let late = world.confirm_amendment(&world.picc, &amend, "0.00", "0.00").await;
    assert_eq!(broken(late), ("E2018", "L34"));
    // The days left can still be refunded: 337 of 365 were used, 950.00 × 28/365 = 72.88.
    world.give_up(&world.picc, &amend).await.unwrap();
    let asked = json!({ "surrenderReason": "02" });
    let refund = world.surrender(&world.picc, &policy, &asked).await.unwrap();
    assert_eq!(word(&refund, "/premiumRefund"), "72.88");
}

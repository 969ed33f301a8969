//! What endorsements cost. Every expected amount is worked out by hand beside it.

use kernel::Clock;
use serde_json::{Value, json};

use crate::endorsement::compulsory_policy;
use crate::support::{PLATE, VIN, World, broken, code, compulsory, message, noon, word};

/// Cover from 2025-03-02 to 2026-03-02. On 8 September 175 of its 365 days are left:
/// 22 + 31 + 30 + 31 + 31 + 28 + 2, the day itself counted and the end not.
const EFFECTIVE: &str = "2025090800";

fn amounts(queried: &Value) -> [String; 4] {
    ["/premiumDifference", "/taxDifference", "/payable", "/formula/premium"]
        .map(|at| word(queried, at))
}

#[tokio::test]
async fn a_higher_limit_costs_the_difference_for_the_days_left() {
    let world = World::new().await;
    let sale = world.insure(&world.picc, &message(world.clock.now(), VIN, PLATE)).await;
    let policy = sale.commercial.unwrap();
    // 1,284.40 / 0.75 = 1,712.53.
    assert_eq!(word(&sale.confirmed, "/policies/1/premium"), "1712.53");
    world.clock.set(noon(2025, 9, 1));
    let body = json!({ "kind": "05", "endorseTimes": 1, "reason": "提高保额",
        "effectiveAt": EFFECTIVE,
        "covers": [{ "coverageCode": "M02", "limitAmount": "2000000.00" }] });
    let queried = world.amend(&world.picc, &policy, &body).await.unwrap();
    // Two steps above a million: 1,284.40 × (1 + 2 × (0.1 − 0.0025 × 2)) = 1,528.44,
    // / 0.75 = 2,037.92; (2,037.92 − 1,712.53) × 175/365 = 325.39 × 175/365 = 156.01.
    assert_eq!(
        amounts(&queried),
        ["156.01", "0.00", "156.01", "(2,037.92 − 1,712.53) × 175/365 = 156.01"]
    );
    let amend = word(&queried, "/amendCode");
    assert_eq!(code(world.pay_amendment(&world.picc, &amend, "156.01").await).0, "E2004");
    world.freeze(&world.picc, &amend).await.unwrap();
    let unpaid = world.confirm_amendment(&world.picc, &amend, "156.01", "0.00").await;
    assert_eq!(code(unpaid).0, "E2008");
    assert_eq!(code(world.pay_amendment(&world.picc, &amend, "156.00").await).0, "E2007");
    let paid = world.pay_amendment(&world.picc, &amend, "156.01").await.unwrap();
    assert_eq!((&paid["stage"], &paid["money"]["amount"]), (&json!("paid"), &json!("156.01")));
    let wrong = world.confirm_amendment(&world.picc, &amend, "156.02", "0.00").await;
    assert_eq!(broken(wrong), ("E2007", "S10"));
    let done = world.confirm_amendment(&world.picc, &amend, "156.01", "0.00").await.unwrap();
    // 1,712.53 + 156.01.
    assert_eq!(
        (word(&done, "/premium"), word(&done, "/ratedPremium")),
        ("1868.54".into(), "2037.92".into())
    );
    let again = world.confirm_amendment(&world.picc, &amend, "156.01", "0.00").await;
    assert_eq!(code(again).0, "E2017");

    // Back to a million from 8 October, 145 days left: measured from the whole 2,037.92.
    // (1,712.53 − 2,037.92) × 145/365 = −325.39 × 145/365 = −129.26.
    let back = json!({ "kind": "05", "endorseTimes": 2, "reason": "降低保额",
        "effectiveAt": "2025100800",
        "covers": [{ "coverageCode": "M02", "limitAmount": "1000000.00" }] });
    let queried = world.amend(&world.picc, &policy, &back).await.unwrap();
    assert_eq!(word(&queried, "/premiumDifference"), "-129.26");
    let amend = word(&queried, "/amendCode");
    world.freeze(&world.picc, &amend).await.unwrap();
    assert_eq!(code(world.pay_amendment(&world.picc, &amend, "129.26").await).0, "E2007");
    let done = world.confirm_amendment(&world.picc, &amend, "-129.26", "0.00").await.unwrap();
    // 1,868.54 − 129.26.
    assert_eq!(word(&done, "/premium"), "1739.28");
    let refunded = world.pay_amendment(&world.picc, &amend, "-129.26").await.unwrap();
    assert_eq!(refunded["money"]["amount"], json!("-129.26"));
    let twice = world.pay_amendment(&world.picc, &amend, "-129.26").await;
    assert_eq!(code(twice).0, "E2004");
}

#[tokio::test]
async fn another_use_costs_from_its_day_and_a_correction_from_the_beginning() {
    let world = World::new().await;
    let policy = compulsory_policy(&world).await;
    world.clock.set(noon(2025, 9, 1));
    // Enterprise use: base 1,000.00 instead of 950.00. 50.00 × 175/365 = 23.97.
    let use_changed = json!({ "kind": "02", "endorseTimes": 1, "reason": "使用性质变更",
        "effectiveAt": EFFECTIVE, "vehicle": { "usage": "220" } });
    let queried = world.amend(&world.picc, &policy, &use_changed).await.unwrap();
    assert_eq!(
        amounts(&queried),
        ["23.97", "0.00", "23.97", "(1,000.00 − 950.00) × 175/365 = 23.97"]
    );
    world.give_up(&world.picc, &word(&queried, "/amendCode")).await.unwrap();
    // It was so from the beginning, and 1,998 cc are taxed 360.00 instead of 300.00.
    let wrong = json!({ "kind": "01", "endorseTimes": 1, "reason": "录入错误",
        "vehicle": { "usage": "220", "displacementCc": 1998 } });
    let queried = world.amend(&world.picc, &policy, &wrong).await.unwrap();
    assert_eq!(amounts(&queried), ["50.00", "60.00", "110.00", "(1,000.00 − 950.00) = 50.00"]);
    assert_eq!(word(&queried, "/formula/tax"), "360.00 − 300.00 = 60.00");
    world.give_up(&world.picc, &word(&queried, "/amendCode")).await.unwrap();
    let done = world.endorse(&world.picc, &policy, &wrong).await;
    assert_eq!((word(&done, "/premium"), word(&done, "/tax")), ("1000.00".into(), "360.00".into()));
    assert_eq!(word(&done, "/effectiveAt"), "2025-03-01T16:00:00Z");
}

#[tokio::test]
async fn a_date_outside_the_period_or_in_the_past_is_refused() {
    let world = World::new().await;
    let policy = compulsory_policy(&world).await;
    world.clock.set(noon(2025, 9, 1));
    let ask = async |kind: &str, at: &str| {
        let body = json!({ "kind": kind, "endorseTimes": 1, "reason": "测试", "effectiveAt": at,
            "vehicle": { "usage": "220" } });
        broken(world.amend(&world.picc, &policy, &body).await)
    };
    assert_eq!(ask("02", "2025083100").await, ("E2022", ""));
    assert_eq!(ask("02", "2026030200").await, ("E2022", "S11"));
    assert_eq!(ask("01", "2025030100").await, ("E2022", "S11"));
    assert_eq!(ask("02", "20250832").await, ("E1001", ""));
}

#[tokio::test]
async fn a_transfer_leaves_the_old_owners_discount_behind_and_the_next_quote_sees_it() {
    let world = World::new().await;
    world.clock.set(noon(2024, 2, 29));
    world.insure(&world.picc, &compulsory(world.clock.now(), VIN, PLATE)).await;
    world.clock.set(noon(2025, 2, 28));
    let sale = world.insure(&world.picc, &compulsory(world.clock.now(), VIN, PLATE)).await;
    let policy = sale.compulsory.unwrap();
    // One clean year, scheme E: 950.00 × 0.90.
    assert_eq!(word(&sale.confirmed, "/policies/0/premium"), "855.00");
    world.clock.set(noon(2025, 6, 1));
    let buyer = json!({ "name": "王小明", "certificateKind": "01",
        "certificateNo": "440524188001010014" });
    let body = json!({ "kind": "03", "endorseTimes": 1, "reason": "过户",
        "effectiveAt": "2025060900", "owner": buyer, "insured": buyer });
    let queried = world.amend(&world.picc, &policy, &body).await.unwrap();
    // Without the discount, for 265 of 365 days: 95.00 × 265/365 = 68.97.
    assert_eq!(
        amounts(&queried),
        ["68.97", "0.00", "68.97", "(950.00 − 855.00) × 265/365 = 68.97"]
    );
    world.give_up(&world.picc, &word(&queried, "/amendCode")).await.unwrap();
    world.endorse(&world.picc, &policy, &body).await;
    let owners: Vec<Vec<u8>> =
        sqlx::query_scalar("select owner_index from production.policy order by issued_at")
            .fetch_all(&world.test.owner)
            .await
            .unwrap();
    assert_ne!(owners[0], owners[1]);

    world.clock.set(noon(2026, 2, 28));
    let mut renewal = compulsory(world.clock.now(), VIN, PLATE);
    for role in ["owner", "applicant", "insured"] {
        renewal[role] = buyer.clone();
    }
    let quoted = world.quote(&world.cpic, &renewal).await.unwrap();
    let reasons = quoted["rating"]["compulsory"]["noFloat"].as_array().unwrap();
    assert!(reasons.contains(&json!("06")), "{reasons:?}");
    assert_eq!(word(&quoted, "/rating/compulsory/premium"), "950.00");
    let noticed = quoted["notices"].as_array().unwrap().iter();
    assert_eq!(noticed.filter(|notice| notice["rule"] == "L26").count(), 0);
}

#[tokio::test]
async fn an_owner_changes_by_transfer_alone() {
    let world = World::new().await;
    let policy = compulsory_policy(&world).await;
    let buyer = json!({ "name": "王小明", "certificateKind": "01",
        "certificateNo": "440524188001010014" });
    let changed = json!({ "kind": "02", "endorseTimes": 1, "reason": "变更", "owner": buyer });
    assert_eq!(code(world.amend(&world.picc, &policy, &changed).await).1, ["S05"]);
    let same = json!({ "kind": "03", "endorseTimes": 1, "reason": "过户",
        "owner": { "name": "李芳", "certificateKind": "01",
            "certificateNo": "11010519491231002X" } });
    assert_eq!(code(world.amend(&world.picc, &policy, &same).await).1, ["S05"]);
}

#[tokio::test]
async fn tax_is_given_back_on_evidence_or_from_the_month_of_the_loss() {
    let world = World::new().await;
    let policy = compulsory_policy(&world).await;
    world.clock.set(noon(2025, 9, 1));
    let paid = json!({ "kind": "08", "endorseTimes": 1, "reason": "已完税",
        "tax": { "receiptNo": "3201", "authority": "南京市税务局", "receiptYear": 2025 } });
    let queried = world.amend(&world.picc, &policy, &paid).await.unwrap();
    assert_eq!(
        (word(&queried, "/taxDifference"), word(&queried, "/formula/tax")),
        ("-300.00".into(), "0.00 − 300.00 = -300.00".into())
    );
    world.give_up(&world.picc, &word(&queried, "/amendCode")).await.unwrap();
    // Stolen in August: August to December, 300.00 × 5/12 = 125.00.
    let stolen = json!({ "kind": "08", "endorseTimes": 1, "reason": "被盗抢",
        "taxLostOn": "2025-08-20" });
    let done = world.endorse(&world.picc, &policy, &stolen).await;
    assert_eq!(
        (word(&done, "/taxDifference"), word(&done, "/tax")),
        ("-125.00".into(), "175.00".into())
    );
    let neither = json!({ "kind": "08", "endorseTimes": 2, "reason": "退税" });
    assert_eq!(code(world.amend(&world.picc, &policy, &neither).await).1, ["L27"]);
}

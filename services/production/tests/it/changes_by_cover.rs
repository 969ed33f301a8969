//! The market's record by sales channel and by cover: whatever happens to policies and claims, covers
//! add up to what the record says in all.

use std::collections::BTreeMap;
use std::time::Duration;

use analytics::lake::{Lake, Version};
use arrow::array::AsArray;
use arrow::datatypes::Int64Type;
use arrow::util::display::array_value_to_string;
use kernel::{Clock, Fen};
use production::changes::{self, Changes, Cursor};
use serde_json::{Value, json};

use crate::changes::{batches, book, fed, ids};
use crate::claim_story::Story;
use crate::support::{PLATE, VIN, World, car, message, noon, word};

const OTHER_VIN: &str = "LSVAM4187C2184850";
const OTHER_PLATE: &str = "苏B54321";

/// Sums of an amount by the values of some columns, an empty text for none; sums of zero left out.
async fn sums(
    version: &Version,
    table: &str,
    by: &[&str],
    amount: &str,
) -> BTreeMap<Vec<String>, i64> {
    let mut sums: BTreeMap<Vec<String>, i64> = BTreeMap::new();
    for batch in batches(version, table).await {
        let amount = batch.column_by_name(amount).unwrap().as_primitive::<Int64Type>();
        for row in 0..batch.num_rows() {
            let value = |name: &&str| {
                array_value_to_string(batch.column_by_name(name).unwrap(), row).unwrap()
            };
            *sums.entry(by.iter().map(value).collect()).or_default() += amount.value(row);
        }
    }
    sums.retain(|_, sum| *sum != 0);
    sums
}

/// In every line of the ledgers the covers add up to what is told in all.
async fn assert_covers_add_up(version: &Version) {
    let line = [
        "tenant_id",
        "region",
        "class",
        "usage",
        "channel",
        "confirm_no",
        "sequence",
        "recorded_at",
    ];
    let month = [&line[..], &["month"]].concat();
    let step = [&line[..], &["claim_no", "accident_at"]].concat();
    for (by_cover, in_all, by, amount) in [
        ("cover_exposure", "exposure", &month, "earned_fen"),
        ("cover_premium", "premium", &line.to_vec(), "written_fen"),
        ("cover_loss", "payment", &step, "paid_fen"),
        ("cover_loss", "payment", &step, "recovered_fen"),
        ("cover_loss", "reserve", &step, "outstanding_fen"),
    ] {
        let covers = sums(version, by_cover, by, amount).await;
        assert_eq!(covers, sums(version, in_all, by, amount).await, "{by_cover}.{amount}");
    }
}

/// Sums by one column.
async fn by(version: &Version, table: &str, column: &str, amount: &str) -> Vec<(String, i64)> {
    let sums = sums(version, table, &[column], amount).await;
    sums.into_iter().map(|(mut key, sum)| (key.remove(0), sum)).collect()
}

fn told(pairs: &[(&str, i64)]) -> Vec<(String, i64)> {
    pairs.iter().map(|(name, sum)| ((*name).to_owned(), *sum)).collect()
}

/// Own damage, third party and occupants, sold by an agency.
fn three_covers(world: &World) -> (Value, Value) {
    let mut body = message(world.clock.now(), VIN, PLATE);
    body["commercial"]["covers"] = json!([
        { "coverageCode": "M01", "agreedValue": "80000.00" },
        { "coverageCode": "M02", "limitAmount": "1000000.00" },
        { "coverageCode": "M03", "part": "driver", "limitAmount": "10000.00" },
    ]);
    let fee = json!({ "fee": { "channel": "03", "intermediary": "联众代理", "licenceKind": "2",
        "licenceNo": "XK-1", "licenceFrom": "2024-01-01", "licenceTo": "2026-12-31",
        "commercialRatio": "0.10" } });
    (body, fee)
}

/// Premiums of the commercial covers of a quote.
fn rated(quoted: &Value) -> BTreeMap<String, i64> {
    let covers = quoted["rating"]["commercial"]["covers"].as_array().unwrap();
    let premium = |cover: &Value| word(cover, "/premium").parse::<Fen>().unwrap().0;
    covers.iter().map(|cover| (word(cover, "/cover"), premium(cover))).collect()
}

#[tokio::test]
async fn covers_and_channels_of_policies_add_up_through_endorsement_and_surrender() {
    let world = World::new().await;
    world.sandbox.load(car(OTHER_VIN, OTHER_PLATE));
    let (body, fee) = three_covers(&world);
    let sale = world.insure_through(&world.picc, &body, &fee).await;
    let direct = message(world.clock.now(), OTHER_VIN, OTHER_PLATE);
    world.insure(&world.cpic, &direct).await;
    let premiums = rated(&sale.quoted);
    let third_party_alone = 171_253;
    let lake = Lake::in_memory(ids());
    let first = fed(&world, &lake).await;
    assert_covers_add_up(&first).await;
    let mut expected = told(&[
        ("A02", 2 * 95_000),
        ("M01", premiums["M01"]),
        ("M02", premiums["M02"] + third_party_alone),
        ("M03", premiums["M03"]),
    ]);
    assert_eq!(by(&first, "cover_premium", "cover", "written_fen").await, expected);
    // Over the whole period each cover earns its premium.
    assert_eq!(by(&first, "cover_exposure", "cover", "earned_fen").await, expected);
    let year = 365 * 86_400;
    let insured = told(&[("A02", 2 * year), ("M01", year), ("M02", 2 * year), ("M03", year)]);
    assert_eq!(by(&first, "cover_exposure", "cover", "insured_s").await, insured);
    let agency: i64 = 95_000 + premiums.values().sum::<i64>();
    let sold = told(&[("01", 95_000 + third_party_alone), ("03", agency)]);
    for table in ["premium", "cover_premium"] {
        assert_eq!(by(&first, table, "channel", "written_fen").await, sold, "{table}");
    }
    assert_eq!(by(&first, "exposure", "channel", "earned_fen").await, sold);
    assert_eq!(by(&first, "policy", "channel", "premium_fen").await, sold);

    // Own damage and occupants go on 8 September, with 175 of 365 days left.
    world.clock.set(noon(2025, 9, 1));
    let policy = sale.commercial.unwrap();
    let less = json!({ "kind": "05", "endorseTimes": 1, "reason": "减少险别",
        "effectiveAt": "2025090800",
        "covers": [{ "coverageCode": "M02", "limitAmount": "1000000.00" }] });
    world.endorse(&world.picc, &policy, &less).await;
    let second = fed(&world, &lake).await;
    assert_covers_add_up(&second).await;
    let left = |premium: i64| premium - (2 * premium * 175 + 365) / (2 * 365);
    expected[1].1 = left(premiums["M01"]);
    expected[3].1 = left(premiums["M03"]);
    let written = by(&second, "cover_premium", "cover", "written_fen").await;
    // To the fen that rounding each by itself may leave of the whole.
    for ((cover, fen), (named, worked_out)) in written.iter().zip(&expected) {
        assert_eq!(cover, named);
        assert!((fen - worked_out).abs() <= 1, "{cover}: {fen}, not {worked_out}");
    }
    let insured = by(&second, "cover_exposure", "cover", "insured_s").await;
    assert_eq!(insured[1], ("M01".to_owned(), 190 * 86_400));
    assert_eq!(insured[2], ("M02".to_owned(), 2 * year));

    let wish = json!({ "surrenderReason": "99", "effectiveAt": "2025120100" });
    let quoted = world.surrender(&world.picc, &policy, &wish).await.unwrap();
    let mut agreed = wish;
    agreed["confirm"] = json!(true);
    agreed["premiumRefund"] = json!(word(&quoted, "/premiumRefund"));
    agreed["taxRefund"] = json!("0.00");
    world.surrender(&world.picc, &policy, &agreed).await.unwrap();
    let third = fed(&world, &lake).await;
    assert_covers_add_up(&third).await;
    let refund = word(&quoted, "/premiumRefund").parse::<Fen>().unwrap().0;
    let surrendered = by(&third, "cover_premium", "cover", "written_fen").await;
    // Third party is all that was held: the refund is its.
    assert_eq!(surrendered[2].1, written[2].1 - refund);
    assert_eq!((&surrendered[1], &surrendered[3]), (&written[1], &written[3]));
    for table in ["policy", "exposure", "premium", "cover_exposure", "cover_premium"] {
        let channels = by(&third, table, "channel", "sequence").await;
        assert!(channels.iter().all(|(channel, _)| channel == "03"), "{table}: {channels:?}");
    }
}

#[tokio::test]
async fn covers_of_a_claim_add_up_from_the_report_to_the_last_payment() {
    let world = World::new().await;
    let (body, fee) = three_covers(&world);
    let sale = world.insure_through(&world.picc, &body, &fee).await;
    let policy = sale.commercial.unwrap();
    let mut story = Story::new(&world.picc, &policy, "R-1", noon(2025, 6, 1));
    world.clock.set(noon(2025, 6, 3));
    let report = story.report();
    world.report(&mut story, &report).await.unwrap();
    let covers = json!([
        { "coverageCode": "M01", "feeKind": "1", "item": 1, "liabilityRate": "100",
          "loss": "3000.00", "amount": "3000.00" },
        { "coverageCode": "M02", "feeKind": "1", "item": 2, "liabilityRate": "100",
          "loss": "8000.00", "compulsoryPaid": "2000.00", "amount": "6000.00" },
    ]);
    let lake = Lake::in_memory(ids());
    let of = async |version: &Version, amount| by(version, "cover_loss", "cover", amount).await;
    for (step, body) in [
        ("survey", story.survey("1")),
        ("register", story.registration()),
        ("assess", story.assessment("3000.00", "8000.00")),
        ("documents", story.documents()),
    ] {
        world.step(&story, step, &body).await.unwrap();
    }
    // Of three covers none is told apart yet: 8,000.00 are expected of all.
    let registered = fed(&world, &lake).await;
    assert_covers_add_up(&registered).await;
    assert_eq!(of(&registered, "outstanding_fen").await, told(&[("", 800_000)]));
    assert_eq!(of(&registered, "counted").await, told(&[("", 1)]));
    for (step, body) in [
        ("adjust", story.adjustment("AD-1", "9000.00", covers)),
        ("close", story.closing("CL-1", "9000.00", "1")),
        ("pay", story.payment("PY-1", "3000.01")),
    ] {
        let done = world.step(&story, step, &body).await;
        done.unwrap_or_else(|problem| panic!("{step}: {} {:?}", problem.detail, problem.errors));
    }
    // 3,000.01 is a third of what is due, and a fen.
    let paid = fed(&world, &lake).await;
    assert_covers_add_up(&paid).await;
    assert_eq!(of(&paid, "paid_fen").await, told(&[("M01", 100_000), ("M02", 200_001)]));
    assert_eq!(of(&paid, "outstanding_fen").await, told(&[("M01", 200_000), ("M02", 399_999)]));
    assert_eq!(of(&paid, "counted").await, told(&[("M01", 1), ("M02", 1)]));
    world.step(&story, "pay", &story.payment("PY-2", "5999.99")).await.unwrap();
    let settled = fed(&world, &lake).await;
    assert_covers_add_up(&settled).await;
    assert_eq!(of(&settled, "paid_fen").await, told(&[("M01", 300_000), ("M02", 600_000)]));
    assert_eq!(of(&settled, "outstanding_fen").await, []);
    for table in ["claim", "payment", "reserve", "cover_loss"] {
        let channels = by(&settled, table, "channel", "sequence").await;
        assert!(channels.iter().all(|(channel, _)| channel == "03"), "{table}: {channels:?}");
    }
}

#[tokio::test]
async fn a_policy_recorded_before_channels_and_covers_stays_without_to_its_end() {
    let world = World::new().await;
    world.sandbox.load(car(OTHER_VIN, OTHER_PLATE));
    let old = world.insure(&world.picc, &message(world.clock.now(), VIN, PLATE)).await;
    let (db, book) = (&world.test.db, book(&world).await);
    // Other tests' transactions hold the reading back for as long as they last.
    let all = async |after: &Cursor, policies: usize| -> Changes {
        let reading = async {
            loop {
                let found = changes::since(db, &book, after).await.unwrap();
                if found.rows.policies.len() >= policies {
                    return found;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        let patience = tokio::time::timeout(Duration::from_secs(60), reading);
        patience.await.expect("all is read within a minute")
    };
    let found = all(&Cursor::START, 2).await;
    assert!(found.rows.policies.iter().all(|row| row.channel.as_deref() == Some("01")));
    // As a release before this one would have left it: of two places.
    let text = found.next.to_string();
    let earlier: Cursor = text.rsplit_once(';').unwrap().0.parse().unwrap();

    world.clock.set(noon(2025, 6, 2));
    world.settled(&world.picc, &old.compulsory.unwrap(), "R-1", noon(2025, 6, 1)).await;
    let commercial = old.commercial.unwrap();
    let body = json!({ "kind": "05", "endorseTimes": 1, "reason": "提高保额",
        "effectiveAt": "2025090800",
        "covers": [{ "coverageCode": "M02", "limitAmount": "2000000.00" }] });
    world.endorse(&world.picc, &commercial, &body).await;
    let fresh = message(world.clock.now(), OTHER_VIN, OTHER_PLATE);
    world.insure(&world.picc, &fresh).await;
    let found = all(&earlier, 3).await;
    let channel = |confirm_no: &String| (*confirm_no != commercial).then(|| "01".to_owned());
    assert_eq!(found.rows.policies.len(), 3);
    for row in &found.rows.policies {
        assert_eq!(row.channel, channel(&row.confirm_no));
    }
    for row in &found.rows.exposures {
        assert_eq!(row.channel, channel(&row.confirm_no));
    }
    assert!(found.rows.cover_exposures.iter().all(|row| row.confirm_no != commercial));
    assert!(!found.rows.cover_exposures.is_empty());
    assert_eq!(found.rows.claims.len(), 8);
    assert!(found.rows.claims.iter().all(|row| row.channel.is_none()));
    assert!(found.rows.cover_losses.is_empty());
    // And so it stays.
    assert_eq!(found.next.plain, earlier.policies);
}

//! Claims from the report to the money, and what they do to the next quote.

use jiff::SignedDuration;
use kernel::Clock;
use production::function;
use production::lookup::quotes::QuoteQuery;
use production_core::number::PlatformNumber;
use serde_json::{Value, json};

use crate::claim_story::{Story, property};
use crate::support::{
    PLATE, VIN, World, broken, code, compulsory, message, noon, parsed, view, word,
};

/// The compulsory float of scheme E after one at-fault accident without a death (E4): none.
#[tokio::test]
async fn a_claim_paid_by_one_insurer_changes_the_price_another_one_quotes() {
    let world = World::new().await;
    let sale = world.insure(&world.picc, &compulsory(world.clock.now(), VIN, PLATE)).await;
    let confirm_code = sale.compulsory.unwrap();
    let story = world.settled(&world.picc, &confirm_code, "R-1", noon(2025, 6, 1)).await;
    assert!(story.claim_code.starts_with("05PICC3200"), "{}", story.claim_code);
    world.clock.set(noon(2026, 3, 1));
    let quoted =
        world.quote(&world.cpic, &compulsory(world.clock.now(), VIN, PLATE)).await.unwrap();
    let rating = &quoted["rating"]["compulsory"];
    assert_eq!(rating["premium"], json!("950.00"));
    assert_eq!(rating["accident"]["code"], json!("E4"));
    assert_eq!(rating["claims"][0]["claimCode"], json!(story.claim_code));
    assert_eq!(rating["claims"][0]["verdict"], json!("counted"));
}

/// CLAIM_DATA: what a customer needs to dispute a claim stands beside the rating.
#[tokio::test]
async fn a_quote_lists_every_claim_it_judged_as_a_customer_can_dispute_it() {
    let world = World::new().await;
    let sale = world.insure(&world.picc, &message(world.clock.now(), VIN, PLATE)).await;
    let (compulsory_policy, commercial_policy) =
        (sale.compulsory.unwrap(), sale.commercial.unwrap());
    // Closed and paid on 1 June; reported on the 20th and open since.
    let closed = world.settled(&world.picc, &compulsory_policy, "R-1", noon(2025, 6, 1)).await;
    world.clock.set(noon(2025, 6, 21));
    let mut open = Story::new(&world.picc, &commercial_policy, "R-2", noon(2025, 6, 20));
    let report = open.report();
    world.report(&mut open, &report).await.unwrap();

    world.clock.set(noon(2026, 3, 1));
    let body = message(world.clock.now(), VIN, PLATE);
    let quoted = world.quote(&world.cpic, &body).await.unwrap();
    let expected = json!([
        { "claimCode": closed.claim_code, "class": "compulsory", "insurer": "PICC",
          "accidentOn": "2025-06-01", "closedOn": "2025-06-01", "verdict": "counted" },
        { "claimCode": open.claim_code, "class": "commercial", "insurer": "PICC",
          "accidentOn": "2025-06-20", "verdict": "open" },
    ]);
    assert_eq!(quoted["claims"], expected);
    // Read back, the quote says the same; the rating it is digested by does not hold it.
    let call = world.read(&world.cpic, &function::QUOTE_READ);
    let query = word(&quoted, "/queryCode");
    let read = world.production.read_quote(call, &query, QuoteQuery::default()).await;
    let read = view(read).unwrap();
    assert_eq!((&read["claims"], &read["replay"]["identical"]), (&expected, &json!(true)));
    assert_eq!(read["rating"]["claims"], Value::Null);

    // Nothing of other insurers before the image is read; then all of it.
    world.set_parameter("production.quote_challenge", "320000", "image").await;
    world.pass(1);
    let quoted = world.quote(&world.cpic, &body).await.unwrap();
    assert_eq!(quoted["claims"], Value::Null);
    let query = word(&quoted, "/queryCode");
    let digits = world.challenges.digits(PlatformNumber::parse(&query).unwrap());
    let call = world.call(&world.cpic, &function::QUOTE_CHECK);
    let answer = parsed(&json!({ "answer": digits }));
    let shown = view(world.production.check_quote(call, &query, answer).await).unwrap();
    assert_eq!(shown["claims"], expected);
}

#[tokio::test]
async fn a_step_uploaded_twice_is_answered_as_before_and_other_content_is_refused() {
    let world = World::new().await;
    let sale = world.insure(&world.picc, &compulsory(world.clock.now(), VIN, PLATE)).await;
    let confirm_code = sale.compulsory.unwrap();
    let mut story = world.settled(&world.picc, &confirm_code, "R-1", noon(2025, 6, 1)).await;
    let claim_code = story.claim_code.clone();
    let report = story.report();
    let again = world.report(&mut story, &report).await.unwrap();
    assert_eq!(again["claimCode"], json!(claim_code));
    assert_eq!(again["sequence"], json!(1));
    let survey = world.step(&story, "survey", &story.survey("2")).await.unwrap();
    assert_eq!((&survey["sequence"], &survey["stage"]), (&json!(2), &json!("SURVEYED")));
    let problem = world.step(&story, "survey", &story.survey("3")).await.unwrap_err();
    assert_eq!(problem.code.code, "E2043");
    let more = serde_json::to_value(problem.document(None)).unwrap();
    assert_eq!(word(&more, "/first/claimCode"), claim_code);
    assert_eq!(more["first"]["sequence"], json!(2));
}

#[tokio::test]
async fn steps_keep_their_order_and_say_what_comes_first() {
    let world = World::new().await;
    let sale = world.insure(&world.picc, &compulsory(world.clock.now(), VIN, PLATE)).await;
    let mut story = Story::new(&world.picc, &sale.compulsory.unwrap(), "R-1", noon(2025, 6, 1));
    world.clock.set(noon(2025, 6, 2));
    let report = story.report();
    world.report(&mut story, &report).await.unwrap();
    let early = world.step(&story, "register", &story.registration()).await;
    let problem = early.unwrap_err();
    assert_eq!(problem.code.code, "E2042");
    assert!(problem.detail.contains("before its survey"), "{}", problem.detail);
    world.step(&story, "survey", &story.survey("2")).await.unwrap();
    world.step(&story, "register", &story.registration()).await.unwrap();
    let adjustment = story.adjustment("AD-1", "1.00", property("1.00"));
    assert_eq!(code(world.step(&story, "adjust", &adjustment).await).0, "E2042");
    let paid = world.step(&story, "pay", &story.payment("PY-1", "1.00")).await;
    assert_eq!(code(paid).0, "E2042");
    let reopened = world.step(&story, "reopen", &story.reopening("RO-1", 9)).await;
    assert_eq!(broken(reopened), ("E2041", "L50"));
}

/// A correction notes the instant it arrived at. When it commits after a quote of a later instant has
/// looked, times say the quote is fresh, and what it counted says it is not.
#[tokio::test]
async fn a_quote_that_looked_while_a_correction_was_on_its_way_reads_stale() {
    let world = World::new().await;
    let sale = world.insure(&world.picc, &compulsory(world.clock.now(), VIN, PLATE)).await;
    let confirm_code = sale.compulsory.unwrap();
    let story = world.settled(&world.picc, &confirm_code, "R-1", noon(2025, 6, 1)).await;
    world.clock.set(noon(2026, 3, 1));
    world.step(&story, "reopen", &story.reopening("RO-1", 100)).await.unwrap();
    let arrived = world.clock.now();
    let stale = async |query: &str| {
        let call = world.read(&world.cpic, &production::function::QUOTE_READ);
        let stored = world.production.read_quote(call, query, Default::default()).await;
        crate::support::view(stored).unwrap()["staleSince"].clone()
    };
    let mut queries = Vec::new();
    for second in [1, 2] {
        world.clock.set(arrived.checked_add(SignedDuration::from_secs(second)).unwrap());
        let body = compulsory(world.clock.now(), VIN, PLATE);
        if second == 2 {
            // The closing of an instant before both quotes, committed between them.
            world.clock.set(arrived);
            let mut zero = story.closing("CL-2", "0.00", "2");
            zero["closedAt"] = json!(story.after(101));
            world.step(&story, "close", &zero).await.unwrap();
            world.clock.set(arrived.checked_add(SignedDuration::from_secs(second)).unwrap());
        }
        let insurer = if second == 1 { &world.cpic } else { &world.picc };
        queries.push(word(&world.quote(insurer, &body).await.unwrap(), "/queryCode"));
    }
    assert_eq!(stale(&queries[0]).await, json!("2026-03-01T04:00:01Z"));
    let refused = world.pre_confirm(&world.cpic, &queries[0], &json!({})).await;
    assert_eq!(code(refused).0, "E2012");
    // The second quote saw the closing.
    let call = world.read(&world.picc, &production::function::QUOTE_READ);
    let stored = world.production.read_quote(call, &queries[1], Default::default()).await;
    assert_eq!(crate::support::view(stored).unwrap()["staleSince"], serde_json::Value::Null);
    world.pre_confirm(&world.picc, &queries[1], &json!({})).await.unwrap();
}

/// Scheme E after one clean year (E1): 950 x 0.90 = 855.00.
#[tokio::test]
async fn a_claim_reopened_and_closed_at_zero_restores_the_price() {
    let world = World::new().await;
    let sale = world.insure(&world.picc, &compulsory(world.clock.now(), VIN, PLATE)).await;
    let confirm_code = sale.compulsory.unwrap();
    let story = world.settled(&world.picc, &confirm_code, "R-1", noon(2025, 6, 1)).await;
    world.clock.set(noon(2026, 3, 1));
    let counted =
        world.quote(&world.cpic, &compulsory(world.clock.now(), VIN, PLATE)).await.unwrap();
    assert_eq!(word(&counted, "/rating/compulsory/premium"), "950.00");
    world.pass(1);
    world.step(&story, "reopen", &story.reopening("RO-1", 100)).await.unwrap();
    let mut zero = story.closing("CL-2", "0.00", "2");
    zero["closedAt"] = json!(story.after(101));
    let closed = world.step(&story, "close", &zero).await.unwrap();
    assert_eq!((&closed["stage"], &closed["round"]), (&json!("CLOSED"), &json!(1)));
    assert_eq!(closed["due"], json!("-2000.00"));
    // The quote made before counted what is no longer so.
    let call = world.read(&world.cpic, &production::function::QUOTE_READ);
    let query = word(&counted, "/queryCode");
    let stored = world.production.read_quote(call, &query, Default::default()).await;
    assert_eq!(word(&crate::support::view(stored).unwrap(), "/staleSince"), "2026-03-01T05:00:00Z");
    assert_eq!(code(world.pre_confirm(&world.cpic, &query, &json!({})).await).0, "E2012");
    let quoted =
        world.quote(&world.cpic, &compulsory(world.clock.now(), VIN, PLATE)).await.unwrap();
    assert_eq!(word(&quoted, "/rating/compulsory/premium"), "855.00");
    let mut back = story.payment("PY-2", "-2000.00");
    back["paidAt"] = json!(story.after(102));
    let paid = world.step(&story, "pay", &back).await.unwrap();
    assert_eq!(paid["stage"], json!("PAID"));
}

#[tokio::test]
async fn an_accident_outside_the_cover_is_no_claim_of_the_policy() {
    let world = World::new().await;
    let sale = world.insure(&world.picc, &compulsory(world.clock.now(), VIN, PLATE)).await;
    let confirm_code = sale.compulsory.unwrap();
    world.clock.set(noon(2025, 6, 2));
    for (report, accident_at) in [("R-1", noon(2025, 2, 1)), ("R-2", noon(2025, 6, 3))] {
        let mut story = Story::new(&world.picc, &confirm_code, report, accident_at);
        let body = story.report();
        let problem = world.report(&mut story, &body).await.unwrap_err();
        assert_eq!((problem.code.code, problem.rule), ("E2040", Some("L40")));
    }
    // Another insurer's policy is not there.
    let mut story = Story::new(&world.cpic, &confirm_code, "R-3", noon(2025, 6, 1));
    let body = story.report();
    assert_eq!(code(world.report(&mut story, &body).await).1, ["F07"]);
}

#[tokio::test]
async fn every_fault_of_a_claim_message_is_named_at_once() {
    let world = World::new().await;
    let sale = world.insure(&world.picc, &compulsory(world.clock.now(), VIN, PLATE)).await;
    let mut story = Story::new(&world.picc, &sale.compulsory.unwrap(), "R-1", noon(2025, 6, 1));
    world.clock.set(noon(2025, 6, 2));
    let mut bad = story.report();
    bad["description"] = json!("<script>alert(1)</script>");
    bad["liability"] = json!("7");
    bad["liableParties"] = json!([{ "name": "王强" }]);
    bad["district"] = json!("999999");
    bad["accidentAt"] = json!("202602310830");
    let (_, mut rules) = code(world.report(&mut story, &bad).await);
    rules.sort();
    rules.dedup();
    assert_eq!(rules, ["F08", "F09", "F28", "F30", "S18"]);
    let report = story.report();
    world.report(&mut story, &report).await.unwrap();
    world.step(&story, "survey", &story.survey("2")).await.unwrap();
    world.step(&story, "register", &story.registration()).await.unwrap();
    let mut assessment = story.assessment("3000.00", "8000.00");
    assessment["vehicles"][0]["assessor"] = json!(null);
    assessment["vehicles"][1]["residual"] = json!("100.00");
    assessment["persons"] = json!([{ "item": 1, "property": "2", "harm": "2" }]);
    let (_, mut rules) = code(world.step(&story, "assess", &assessment).await);
    rules.dedup();
    assert_eq!(rules, ["S14", "L46", "S14", "S16"]);
    // The insured vehicle is the insured one (L42).
    let mut survey = story.survey("2");
    survey["businessNo"] = json!("SV-2");
    survey["vehicles"][0]["frameNo"] = json!("1M8GDM9AXKP042788");
    assert_eq!(code(world.step(&story, "survey", &survey).await).1, ["L42"]);
    // S13: three names that belong together.
    let mut other = story.survey("2");
    other["businessNo"] = json!("SV-3");
    other["reportNo"] = json!("R-2");
    assert_eq!(broken(world.step(&story, "survey", &other).await), ("E2044", "S13"));
}

#[tokio::test]
async fn closings_and_payments_are_held_to_their_rules() {
    let world = World::new().await;
    let sale = world.insure(&world.picc, &compulsory(world.clock.now(), VIN, PLATE)).await;
    let mut story = Story::new(&world.picc, &sale.compulsory.unwrap(), "R-1", noon(2025, 6, 1));
    world.clock.set(noon(2025, 6, 2));
    let report = story.report();
    world.report(&mut story, &report).await.unwrap();
    world.documented(&story).await;
    let over = story.adjustment("AD-1", "2000.01", property("2000.01"));
    assert_eq!(code(world.step(&story, "adjust", &over).await).1, ["L43"]);
    // A row is pointed at where it lies in the message, not where it stands among all rows.
    let mut second = story.adjustment("AD-1", "0.00", json!([]));
    let hull = json!([{ "coverageCode": "M01", "feeKind": "1", "amount": "1.00", "item": 1 }]);
    let rows = story.adjustment("AD-1", "1.00", hull);
    second["adjustments"].as_array_mut().unwrap().push(rows["adjustments"][0].clone());
    let problem = world.step(&story, "adjust", &second).await.unwrap_err();
    let places: Vec<&str> = problem.errors.iter().map(|error| error.pointer.as_str()).collect();
    assert_eq!(places, ["/adjustments/1/covers/0/coverageCode"]);
    let unequal = story.adjustment("AD-1", "1999.00", property("2000.00"));
    assert_eq!(code(world.step(&story, "adjust", &unequal).await).1, ["S17"]);
    let adjusted = story.adjustment("AD-1", "2000.00", property("2000.00"));
    world.step(&story, "adjust", &adjusted).await.unwrap();
    let mut refused = story.closing("CL-1", "2000.00", "2");
    refused["refused"] = json!(true);
    assert_eq!(code(world.step(&story, "close", &refused).await).1, ["L48"; 3]);
    let mut fraud = story.closing("CL-1", "2000.00", "2");
    fraud["fraud"] = json!(true);
    fraud["fraudRecovered"] = json!("2000.01");
    assert_eq!(code(world.step(&story, "close", &fraud).await).1, ["L54", "L54"]);
    let wrong = story.closing("CL-1", "1500.00", "2");
    assert_eq!(broken(world.step(&story, "close", &wrong).await), ("E2045", "S17"));
    world.step(&story, "close", &story.closing("CL-1", "2000.00", "2")).await.unwrap();
    let mut masked = story.payment("PY-1", "2000.00");
    masked["payees"][0]["name"] = json!("王*");
    masked["payees"][0]["account"] = json!("62");
    assert_eq!(code(world.step(&story, "pay", &masked).await).1, ["F29", "F29"]);
    let mut sum = story.payment("PY-1", "2000.00");
    sum["total"] = json!("1000.00");
    assert_eq!(code(world.step(&story, "pay", &sum).await).1, ["S20"]);
    let cancel = story.other("CA-1", json!({ "cancelledAt": story.after(9), "kind": "2" }));
    let (_, rules) = code(world.step(&story, "cancel", &cancel).await);
    assert_eq!(rules, ["S02", "L51"]);
    let late = json!({ "cancelledAt": story.after(9), "kind": "2", "reason": "重复报案" });
    let late = world.step(&story, "cancel", &story.other("CA-2", late)).await;
    assert_eq!(broken(late), ("E2041", "L51"));
    let mut more = story.payment("PY-0", "2000.01");
    more["payees"][0]["amount"] = json!("2000.01");
    assert_eq!(broken(world.step(&story, "pay", &more).await), ("E2045", "S20"));
    let paid = world.step(&story, "pay", &story.payment("PY-1", "2000.00")).await.unwrap();
    assert_eq!((&paid["stage"], &paid["due"]), (&json!("PAID"), &json!("0.00")));
}

#[tokio::test]
async fn what_other_insurers_know_comes_back_as_hints() {
    let world = World::new().await;
    world.sandbox.load(crate::support::car("LSVAM4189C2184848", "苏B77777"));
    let sale = world.insure(&world.picc, &compulsory(world.clock.now(), VIN, PLATE)).await;
    let theirs = compulsory(world.clock.now(), "LSVAM4189C2184848", "苏B77777");
    let second = world.insure(&world.cpic, &theirs).await;
    world.clock.set(noon(2025, 6, 2));
    let mut one = Story::new(&world.picc, &sale.compulsory.unwrap(), "R-1", noon(2025, 6, 1));
    let report = one.report();
    let told = world.report(&mut one, &report).await.unwrap();
    assert_eq!(told["riskHints"], json!([]));
    assert_eq!(told["locks"], json!([]));
    let mut two = Story::new(&world.cpic, &second.compulsory.unwrap(), "R-9", noon(2025, 6, 1));
    let mut report = two.report();
    report["thirdVehicles"] = json!([{ "plate": PLATE, "plateKind": "02", "frameNo": VIN }]);
    let told = world.report(&mut two, &report).await.unwrap();
    let mut rules: Vec<String> =
        told["riskHints"].as_array().unwrap().iter().map(|hint| word(hint, "/rule")).collect();
    rules.sort();
    // The vehicle, its plate, the telephone and the driver are in the other insurer's case.
    assert_eq!(rules, ["H01", "H02", "H03", "L52"]);
    let mut places: Vec<(String, String)> = told["riskHints"]
        .as_array()
        .unwrap()
        .iter()
        .map(|hint| (word(hint, "/rule"), word(hint, "/pointer")))
        .collect();
    places.sort();
    let expected = [
        ("H01", "/thirdVehicles/0/plate"),
        ("H02", "/driver/phone"),
        ("H03", "/driver/licenceNo"),
        ("L52", "/thirdVehicles/0/frameNo"),
    ];
    assert_eq!(places, expected.map(|(rule, at)| (rule.to_owned(), at.to_owned())));
    for hint in told["riskHints"].as_array().unwrap() {
        assert_eq!(hint["claimCode"], json!(one.claim_code));
        assert_eq!((&hint["insurer"], &hint["accidentOn"]), (&json!("PICC"), &json!("2025-06-01")));
    }
    // Nothing of a person is in a mark.
    let marks = sqlx::query_scalar::<_, i64>(
        "select count(*) from production.claim_mark where octet_length(mark) <> 32",
    );
    let owner = sqlx::PgPool::connect(&world.test.url()).await.unwrap();
    assert_eq!(marks.fetch_one(&owner).await.unwrap(), 0);
}

#[tokio::test]
async fn an_accident_in_the_first_days_of_cover_is_hinted_at() {
    let world = World::new().await;
    let now = world.clock.now();
    let sale = world.insure(&world.picc, &compulsory(now, VIN, PLATE)).await;
    let accident_at = now.checked_add(jiff::SignedDuration::from_hours(48)).unwrap();
    world.clock.set(accident_at.checked_add(jiff::SignedDuration::from_hours(2)).unwrap());
    let mut story = Story::new(&world.picc, &sale.compulsory.unwrap(), "R-1", accident_at);
    let report = story.report();
    let told = world.report(&mut story, &report).await.unwrap();
    assert_eq!(told["riskHints"][0]["rule"], json!("H06"));
}

#[tokio::test]
async fn two_uploads_of_one_report_at_once_are_one_claim() {
    let world = World::new().await;
    let sale = world.insure(&world.picc, &compulsory(world.clock.now(), VIN, PLATE)).await;
    let confirm_code = sale.compulsory.unwrap();
    world.clock.set(noon(2025, 6, 2));
    let story = Story::new(&world.picc, &confirm_code, "R-1", noon(2025, 6, 1));
    let uploads = (0..16).map(|_| {
        let (world, mut story) = (&world, story.clone());
        async move {
            let report = story.report();
            word(&world.report(&mut story, &report).await.unwrap(), "/claimCode")
        }
    });
    let mut codes = futures::future::join_all(uploads).await;
    codes.dedup();
    assert_eq!(codes.len(), 1);
}

/// A total loss that is paid ends the policy: nothing is left to insure.
#[tokio::test]
async fn a_paid_total_loss_ends_the_policy() {
    let world = World::new().await;
    let sale = world.insure(&world.picc, &compulsory(world.clock.now(), VIN, PLATE)).await;
    let confirm_code = sale.compulsory.unwrap();
    let mut story = Story::new(&world.picc, &confirm_code, "R-1", noon(2025, 6, 1));
    world.clock.set(noon(2025, 6, 2));
    let report = story.report();
    world.report(&mut story, &report).await.unwrap();
    let mut closing = story.closing("CL-1", "2000.00", "2");
    closing["totalLoss"] = json!(true);
    world.documented(&story).await;
    for (step, body) in [
        ("adjust", story.adjustment("AD-1", "2000.00", property("2000.00"))),
        ("close", closing),
        ("pay", story.payment("PY-1", "2000.00")),
    ] {
        world.step(&story, step, &body).await.unwrap();
    }
    let call = world.read(&world.picc, &production::function::POLICY_READ);
    let policy = world.production.read_policy(call, &confirm_code, Default::default()).await;
    let policy = crate::support::view(policy).unwrap();
    assert_eq!(policy["state"], json!("TERMINATED"));
}

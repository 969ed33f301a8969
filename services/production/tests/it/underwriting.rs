//! From the quote to the confirm code.

use base_http::Call;
use kernel::Clock;
use production::function;
use serde_json::json;
use sha2::{Digest, Sha256};

use crate::support::{
    PLATE, VIN, World, broken, code, compulsory, echo, message, noon, parsed, view, word,
};

#[tokio::test]
async fn a_car_is_insured_from_the_quote_to_the_confirm_code() {
    let world = World::new().await;
    let sale = world.insure(&world.picc, &message(world.clock.now(), VIN, PLATE)).await;
    let rating = &sale.quoted["rating"];
    assert_eq!(rating["compulsory"]["base"], json!("950.00"));
    assert_eq!(rating["compulsory"]["premium"], json!("950.00"));
    assert_eq!(rating["tax"]["total"], json!("300.00"));
    assert_eq!(sale.confirmed["stage"], json!("confirmed"));
    assert_eq!(sale.confirmed["tax"], json!("300.00"));
    let compulsory = sale.compulsory.unwrap();
    assert_eq!(sale.confirmed["taxDeclarationNo"], json!(compulsory));
    for number in [&compulsory, sale.commercial.as_ref().unwrap()] {
        assert_eq!(number.len(), 30);
        assert!(number.starts_with("02PICC3200"), "{number}");
    }
    let served: Vec<&str> = world.served().iter().map(|served| served.function).collect();
    let steps = [&function::QUOTE, &function::PRE_CONFIRM, &function::PAYMENT, &function::CONFIRM];
    assert_eq!(served, steps.map(|step| step.code));
    let confirmed = world.served().pop().unwrap();
    assert_eq!(confirmed.events, ["production.policy.confirmed"; 2]);
}

/// Worked example CI-1: scheme E, three clean years.
#[tokio::test]
async fn three_clean_years_bring_the_compulsory_premium_to_665() {
    let world = World::new().await;
    let mut premiums = Vec::new();
    for year in 2025..=2028 {
        world.clock.set(noon(year, 3, 1));
        let sale = world.insure(&world.picc, &compulsory(world.clock.now(), VIN, PLATE)).await;
        premiums.push(word(&sale.quoted, "/rating/compulsory/premium"));
    }
    assert_eq!(premiums, ["950.00", "855.00", "760.00", "665.00"]);
}

#[tokio::test]
async fn the_discount_follows_the_car_to_another_insurer() {
    let world = World::new().await;
    let first = world.insure(&world.picc, &compulsory(world.clock.now(), VIN, PLATE)).await;
    world.clock.set(noon(2026, 3, 1));
    let quoted =
        world.quote(&world.cpic, &compulsory(world.clock.now(), VIN, PLATE)).await.unwrap();
    assert_eq!(quoted["rating"]["compulsory"]["premium"], json!("855.00"));
    assert_eq!(quoted["changesInsurer"], json!(true));
    let previous = &quoted["previousPolicies"][0];
    assert_eq!(previous["insurer"], json!("PICC"));
    assert_eq!(previous["confirmCode"], json!(first.compulsory));
}

#[tokio::test]
async fn every_fault_of_a_message_is_named_at_once() {
    let world = World::new().await;
    let mut body = compulsory(world.clock.now(), "LSVAM4187C218484O", "苏A1234");
    body["owner"]["certificateNo"] = json!("110105194912310021");
    body["insured"] = json!(null);
    let problem = world.quote(&world.picc, &body).await.unwrap_err();
    let named: Vec<(&str, &str)> = problem
        .errors
        .iter()
        .map(|error| (error.rule.as_deref().unwrap_or_default(), error.pointer.as_str()))
        .collect();
    for fault in [
        ("F12", "/vehicle/frameNo"),
        ("F17", "/vehicle/plate"),
        ("F22", "/owner/certificateNo"),
        ("S05", "/insured"),
    ] {
        assert!(named.contains(&fault), "{fault:?} is not in {named:?}");
    }
    assert!(world.served().is_empty());
}

#[tokio::test]
async fn a_query_code_expires() {
    let world = World::new().await;
    let body = compulsory(world.clock.now(), VIN, PLATE);
    let quoted = world.quote(&world.picc, &body).await.unwrap();
    let query = word(&quoted, "/queryCode");
    world.clock.set(word(&quoted, "/expiresAt").parse().unwrap());
    let refused = world.pre_confirm(&world.picc, &query, &json!({})).await;
    assert_eq!(broken(refused), ("E2001", "L32"));
}

#[tokio::test]
async fn frozen_amounts_are_let_go_by_the_clock() {
    let world = World::new().await;
    let body = compulsory(world.clock.now(), VIN, PLATE);
    let (quoted, echo) = world.paid(&world.picc, &body, &json!({})).await;
    world.pass(48);
    let late = world.confirm(&world.picc, &word(&quoted, "/queryCode"), &echo).await;
    assert_eq!(broken(late), ("E2001", "L32"));
}

#[tokio::test]
async fn a_newer_quote_for_the_same_product_supersedes_the_older_one() {
    let world = World::new().await;
    let body = compulsory(world.clock.now(), VIN, PLATE);
    let older = world.quote(&world.picc, &body).await.unwrap();
    world.pass(1);
    let newer = world.quote(&world.picc, &body).await.unwrap();
    let refused = world.pre_confirm(&world.picc, &word(&older, "/queryCode"), &json!({})).await;
    assert_eq!(broken(refused), ("E2003", "S09"));
    world.pre_confirm(&world.picc, &word(&newer, "/queryCode"), &json!({})).await.unwrap();
}

#[tokio::test]
async fn no_premium_no_policy() {
    let world = World::new().await;
    let body = compulsory(world.clock.now(), VIN, PLATE);
    let quoted = world.quote(&world.picc, &body).await.unwrap();
    let query = word(&quoted, "/queryCode");
    let frozen = world.pre_confirm(&world.picc, &query, &json!({})).await.unwrap();
    assert_eq!(frozen["payable"], json!("1250.00"));
    let unpaid = world.confirm(&world.picc, &query, &echo(&query, &frozen)).await;
    assert_eq!(broken(unpaid), ("E2008", ""));
    for wrong in ["1249.99", "1250.01"] {
        assert_eq!(broken(world.pay(&world.picc, &query, wrong).await), ("E2007", ""));
    }
    world.pay(&world.picc, &query, "1250.00").await.unwrap();
    world.confirm(&world.picc, &query, &echo(&query, &frozen)).await.unwrap();
}

#[tokio::test]
async fn the_confirmation_echoes_the_frozen_amounts_to_the_fen() {
    let world = World::new().await;
    let body = message(world.clock.now(), VIN, PLATE);
    let (quoted, echo) = world.paid(&world.picc, &body, &json!({})).await;
    let query = word(&quoted, "/queryCode");
    for (pointer, wrong) in [
        ("/compulsory/premium", json!("950.01")),
        ("/commercial/premium", json!("0.01")),
        ("/tax", json!("299.99")),
        ("/fee", json!("0.01")),
    ] {
        let mut differing = echo.clone();
        *differing.pointer_mut(pointer).unwrap() = wrong;
        let refused = world.confirm(&world.picc, &query, &differing).await;
        assert_eq!(broken(refused), ("E2007", "S10"), "{pointer}");
    }
    world.confirm(&world.picc, &query, &echo).await.unwrap();
    let again = world.confirm(&world.picc, &query, &echo).await;
    assert_eq!(broken(again), ("E2002", "S09"));
}

#[tokio::test]
async fn a_covered_car_is_not_quoted_again_by_anybody() {
    let world = World::new().await;
    let body = compulsory(world.clock.now(), VIN, PLATE);
    let sale = world.insure(&world.picc, &body).await;
    for (insurer, flag, frame) in [(&world.picc, "1", VIN), (&world.cpic, "2", "***********184847")]
    {
        let problem = world.quote(insurer, &body).await.unwrap_err();
        assert_eq!((problem.code.code, problem.rule), ("E2005", Some("L03")));
        let duplicate = &problem.more.unwrap()["duplicate"];
        assert_eq!(duplicate["confirmCode"], json!(sale.compulsory));
        assert_eq!(duplicate["reinsureFlag"], json!(flag));
        assert_eq!(duplicate["frameNo"], json!(frame));
        assert_eq!(duplicate["plate"], json!(PLATE));
    }
}

/// Who is refused learns whose policy it is, so its owner can find that it was shown.
#[tokio::test]
async fn a_refusal_that_names_another_insurers_policy_is_recorded_as_a_look_at_it() {
    let world = World::new().await;
    let body = compulsory(world.clock.now(), VIN, PLATE);
    let sale = world.insure(&world.picc, &body).await;
    let policy = sale.compulsory.unwrap();
    let served = world.served().len();
    world.quote(&world.picc, &body).await.unwrap_err();
    assert_eq!(world.served().len(), served, "its own policy is no secret");

    let refused = world.quote(&world.cpic, &body).await.unwrap_err();
    let recorded = world.served().pop().unwrap();
    assert_eq!((world.served().len(), recorded.status), (served + 1, 409));
    assert_eq!(recorded.function, "production.underwriting.quote");
    assert_eq!((&*recorded.client, &*recorded.subject), ("cpic-320000", &*policy));
    assert!(recorded.events.is_empty());
    let shown: Vec<_> = recorded.shown.iter().map(|one| (&*one.owner, &*one.subject)).collect();
    assert_eq!(shown, [("PICC", &*policy)]);
    let frame = production::store::quote::stored_frame(VIN).unwrap();
    assert_eq!(recorded.shown[0].vehicle, Some(frame.digest()));
    // What is proven is what went out.
    assert_eq!(recorded.answer["detail"], json!(refused.detail));
    assert_eq!(recorded.answer["duplicate"], refused.more.unwrap()["duplicate"]);

    world.memory.blind();
    let refused = world.quote(&world.cpic, &body).await.unwrap_err();
    assert_eq!((refused.code.code, world.served().len()), ("E2005", served + 1));
    assert_eq!(refused.detail, "compulsory cover of another policy runs in this period");
    assert_eq!((refused.rule, refused.more), (Some("L03"), None));
    assert!(refused.naming.is_none());
}

#[tokio::test]
async fn the_same_plate_and_engine_under_another_frame_number_is_the_same_car() {
    let world = World::new().await;
    let other = "LSVAM4187C2184848";
    world.sandbox.load(crate::support::car(other, PLATE));
    let sale = world.insure(&world.picc, &compulsory(world.clock.now(), VIN, PLATE)).await;
    let body = compulsory(world.clock.now(), other, PLATE);
    let (quoted, echo) = world.paid(&world.cpic, &body, &json!({})).await;
    let refused = world.confirm(&world.cpic, &word(&quoted, "/queryCode"), &echo).await;
    assert_eq!(broken(refused), ("E2005", "L03"));
    // Recorded by the number alone: the other car's frame number is not known here.
    let recorded = world.served().pop().unwrap();
    assert_eq!((recorded.status, recorded.function), (409, "production.underwriting.confirm"));
    let shown: Vec<_> = recorded.shown.iter().map(|one| (&*one.subject, one.vehicle)).collect();
    assert_eq!(shown, [(&*sale.compulsory.unwrap(), None)]);
}

/// Two insurers, eight proposals each, all paid: exactly one policy comes of it.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_sixteen_confirmations_at_once_exactly_one_wins() {
    let world = World::new().await;
    let picc_beijing = world.insurer("PAIC", "110000").await;
    let mut paid = Vec::new();
    let insurers = [&world.picc, &world.cpic, &picc_beijing];
    for at in 0..16 {
        // A proposal is not superseded once it is pre-confirmed, so one insurer may hold several.
        let insurer = insurers[at % insurers.len()].clone();
        let body = compulsory(world.clock.now(), VIN, PLATE);
        world.clock.advance(jiff::SignedDuration::from_secs(1));
        let (quoted, echo) = world.paid(&insurer, &body, &json!({})).await;
        paid.push((insurer, word(&quoted, "/queryCode"), echo));
    }
    let confirms = paid.iter().map(|(insurer, query, echo)| world.confirm(insurer, query, echo));
    let outcomes = futures::future::join_all(confirms).await;
    let (won, lost): (Vec<_>, Vec<_>) = outcomes.into_iter().partition(Result::is_ok);
    assert_eq!(won.len(), 1);
    for refused in lost {
        assert_eq!(broken(refused), ("E2005", "L03"));
    }
    let policies: i64 = sqlx::query_scalar("select count(*) from production.policy")
        .fetch_one(&world.test.owner)
        .await
        .unwrap();
    assert_eq!(policies, 1);
}

#[tokio::test]
async fn a_key_repeated_returns_the_same_answer_and_makes_one_policy() {
    let world = World::new().await;
    let body = compulsory(world.clock.now(), VIN, PLATE);
    let (quoted, echo) = world.paid(&world.picc, &body, &json!({})).await;
    let query = word(&quoted, "/queryCode");
    let call = world.call(&world.picc, &function::CONFIRM);
    let confirm = |call: Call| world.production.confirm(call, &query, parsed(&echo));
    let first = confirm(call.clone()).await.unwrap();
    let second = confirm(call.clone()).await.unwrap();
    assert_eq!((first.replayed, second.replayed), (false, true));
    assert_eq!((first.status, first.body), (second.status, second.body));
    let other = Call { request_digest: Sha256::digest("another message").into(), ..call };
    assert_eq!(code(view(confirm(other).await)).0, "E1201");
    let policies: i64 = sqlx::query_scalar("select count(*) from production.policy")
        .fetch_one(&world.test.owner)
        .await
        .unwrap();
    assert_eq!(policies, 1);
}

#[tokio::test]
async fn an_insurer_uses_a_policy_number_once_per_class() {
    let world = World::new().await;
    let sale = world.insure(&world.picc, &compulsory(world.clock.now(), VIN, PLATE)).await;
    let other = "LSVAM4187C2184850";
    world.sandbox.load(crate::support::car(other, "苏A54321"));
    let body = compulsory(world.clock.now(), other, "苏A54321");
    let (quoted, mut echo) = world.paid(&world.picc, &body, &json!({})).await;
    echo["compulsory"]["policyNo"] = sale.confirmed["policies"][0]["policyNo"].clone();
    let refused = world.confirm(&world.picc, &word(&quoted, "/queryCode"), &echo).await;
    assert_eq!(broken(refused), ("E2006", "S09"));
}

#[tokio::test]
async fn duplicate_commercial_cover_is_a_notice_that_names_the_other_policy() {
    let world = World::new().await;
    let sale = world.insure(&world.picc, &message(world.clock.now(), VIN, PLATE)).await;
    let commercial = |world: &World| {
        let mut body = message(world.clock.now(), VIN, PLATE);
        body.as_object_mut().unwrap().remove("compulsory");
        body["commercial"]["start"] = json!("2025041500");
        body
    };
    for (insurer, flag) in [(&world.picc, "1"), (&world.cpic, "2")] {
        let quoted = world.quote(insurer, &commercial(&world)).await.unwrap();
        assert_eq!(quoted["reinsureFlag"], json!(flag));
        let notices = quoted["notices"].as_array().unwrap();
        let told: Vec<_> = notices.iter().filter(|own| own["rule"] == "L20").collect();
        assert_eq!((told.len(), &told[0]["code"]), (1, &json!("N2002")));
        let commercial = sale.commercial.as_deref().unwrap();
        assert!(word(told[0], "/detail").contains(commercial), "{told:?}");
    }
}

#[tokio::test]
async fn another_insurer_does_not_get_at_a_quote() {
    let world = World::new().await;
    let body = compulsory(world.clock.now(), VIN, PLATE);
    let quoted = world.quote(&world.picc, &body).await.unwrap();
    let query = word(&quoted, "/queryCode");
    let (code, rules) = code(world.pre_confirm(&world.cpic, &query, &json!({})).await);
    assert_eq!((code, rules), ("E1001", vec!["F07".to_owned()]));
    // Behind the insurer code in the number stands the row security of the table.
    let posing = base_http::Caller { insurer: Some("PICC".into()), ..(*world.cpic).clone() };
    let refused = world.pre_confirm(&posing.into(), &query, &json!({})).await;
    assert_eq!(crate::support::code(refused).0, "E2000");
}

#[tokio::test]
async fn a_quote_made_while_the_police_are_silent_is_checked_again_before_the_policy() {
    let world = World::new().await;
    let police = sandbox::Counterparty::Police;
    let down = sandbox::fault::Faults { down: true, ..Default::default() };
    world.sandbox.set_faults(police, down);
    let body = compulsory(world.clock.now(), VIN, PLATE);
    let quoted = world.quote(&world.picc, &body).await.unwrap();
    assert_eq!(quoted["assumed"], json!(["police"]));
    world.sandbox.set_faults(police, Default::default());
    world.clock.advance(jiff::SignedDuration::from_mins(10));
    world.sandbox.load(crate::support::car(VIN, PLATE).in_status("C"));
    let query = word(&quoted, "/queryCode");
    let refused = world.pre_confirm(&world.picc, &query, &json!({})).await;
    assert_eq!(broken(refused), ("E2011", "L24"));
}

#[tokio::test]
async fn a_region_demands_its_checks_of_identity() {
    let world = World::new().await;
    world.set_parameter("production.identity_checks", "320000", "realName,payment").await;
    let body = compulsory(world.clock.now(), VIN, PLATE);
    let quoted = world.quote(&world.picc, &body).await.unwrap();
    let query = word(&quoted, "/queryCode");
    let refused = world.pre_confirm(&world.picc, &query, &json!({})).await;
    assert_eq!(code(refused), ("E1001", vec!["L31".to_owned(), "L31".to_owned()]));
    let unnumbered = json!({ "identity": { "realName": { "passed": true },
        "payment": { "passed": true, "reference": "PAY-1" } } });
    let refused = world.pre_confirm(&world.picc, &query, &unnumbered).await;
    assert_eq!(code(refused).1, ["S02", "L31"]);
    let passed = json!({ "identity": { "realName": { "passed": true, "reference": "RN-1" },
        "payment": { "passed": true, "reference": "PAY-1" } } });
    world.pre_confirm(&world.picc, &query, &passed).await.unwrap();
}

//! Reading claims back: one, many, on the chain of a vehicle, of an accident.

use std::collections::BTreeSet;
use std::sync::Arc;

use base_http::{Call, Caller, Problem};
use jiff::{SignedDuration, Timestamp};
use kernel::Clock;
use production::function;
use production::lookup::accidents::AccidentQuery;
use production::lookup::claims::{ClaimListQuery, ClaimQuery};
use production::lookup::vehicles::ChainQuery;
use serde_json::{Value, json};

use crate::claim_story::{Story, property};
use crate::support::{PLATE, VIN, World, car, code, compulsory, noon, view, word};

pub(crate) async fn claim(
    world: &World,
    caller: &Arc<Caller>,
    claim_code: &str,
    as_of: Option<&str>,
) -> Result<Value, Problem> {
    let call = world.read(caller, &function::CLAIM_READ);
    let asked = ClaimQuery { as_of: as_of.map(str::to_owned), unmask: None };
    view(world.production.read_claim(call, claim_code, asked).await)
}

pub(crate) async fn claims(world: &World, caller: &Arc<Caller>, asked: ClaimListQuery) -> Value {
    let call = world.read(caller, &function::CLAIM_LIST);
    view(world.production.list_claims(call, asked).await).unwrap()
}

/// Claims on the chain of [`VIN`].
async fn chain(world: &World, caller: &Arc<Caller>, as_of: Option<&str>) -> Vec<Value> {
    let call = world.read(caller, &function::VEHICLE_CHAIN);
    let asked = ChainQuery { as_of: as_of.map(str::to_owned) };
    let seen = view(world.production.read_chain(call, VIN, asked).await).unwrap();
    seen["claims"].as_array().unwrap().clone()
}

async fn accident(
    world: &World,
    caller: &Arc<Caller>,
    asked: AccidentQuery,
) -> Result<Value, Problem> {
    let call = world.read(caller, &function::CLAIM_ACCIDENT);
    view(world.production.find_accident(call, asked).await)
}

pub(crate) fn column<'a>(list: &'a Value, rows: &str, name: &str) -> Vec<&'a str> {
    let rows = list[rows].as_array().unwrap();
    rows.iter().map(|row| row[name].as_str().unwrap()).collect()
}

/// A compulsory policy of `caller` on a car of its own.
pub(crate) async fn insured(world: &World, caller: &Arc<Caller>, vin: &str, plate: &str) -> String {
    world.sandbox.load(car(vin, plate));
    let sale = world.insure(caller, &compulsory(world.clock.now(), vin, plate)).await;
    sale.compulsory.unwrap()
}

/// Reports the accident an hour after it happened.
pub(crate) async fn reported(world: &World, story: &mut Story, more: Value) {
    world.clock.set(hours_after(story.accident_at, 1));
    let mut report = story.report();
    if let (Value::Object(report), Value::Object(more)) = (&mut report, more) {
        report.extend(more);
    }
    world.report(story, &report).await.unwrap();
}

/// A case from the report to the money as [`World::settled`] tells it, but each step when it happens:
/// the report an hour after the accident, the payment eight.
async fn told_in_time(world: &World, confirm_code: &str, accident_at: Timestamp) -> Story {
    let mut story = Story::new(&world.picc, confirm_code, "R-1", accident_at);
    reported(world, &mut story, json!({})).await;
    for (hours, step, body) in [
        (2, "survey", story.survey("2")),
        (3, "register", story.registration()),
        (4, "assess", story.assessment("3000.00", "8000.00")),
        (5, "documents", story.documents()),
        (6, "adjust", story.adjustment("AD-1", "2000.00", property("2000.00"))),
        (7, "close", story.closing("CL-1", "2000.00", "2")),
        (8, "pay", story.payment("PY-1", "2000.00")),
    ] {
        world.clock.set(hours_after(accident_at, hours));
        world.step(&story, step, &body).await.unwrap();
    }
    story
}

fn hours_after(at: Timestamp, hours: i64) -> Timestamp {
    at.checked_add(SignedDuration::from_hours(hours)).unwrap()
}

#[tokio::test]
async fn a_claim_is_read_as_it_was_known() {
    let world = World::new().await;
    let confirm_code = insured(&world, &world.picc, VIN, PLATE).await;
    let story = told_in_time(&world, &confirm_code, noon(2025, 6, 1)).await;
    world.clock.set(noon(2025, 9, 1));
    let code_of = story.claim_code.as_str();
    let now = claim(&world, &world.picc, code_of, None).await.unwrap();
    assert_eq!((&now["stage"], &now["stepCount"]), (&json!("PAID"), &json!(8)));
    assert_eq!((&now["total"], &now["paid"]), (&json!("2000.00"), &json!("2000.00")));
    assert_eq!((&now["liability"], &now["district"]), (&json!("2"), &json!("320102")));
    assert_eq!(now["case"]["assessment"]["vehicles"][1]["loss"], json!("8000.00"));
    assert_eq!(now["steps"][6]["step"], json!("close"));
    assert_eq!(word(&now, "/steps/6/closingCheckCode").len(), 30);
    assert_eq!(word(&now, "/steps/6/occurredAt"), story.after(7));
    assert!(now["steps"][5]["closingCheckCode"].is_null());
    assert!(now["overdue"].is_null() && now["nextDueAt"].is_null());
    // Reported on 1 June, 13:00: the 2nd is the one day, 1 + 5, 1 + 10 and 1 + 60 days end so.
    let clocks = now["clocks"].as_array().unwrap().iter().map(|clock| {
        let word = |name: &str| clock[name].as_str().unwrap().to_owned();
        (word("duty"), word("state"), word("dueAt"))
    });
    let clocks: Vec<_> = clocks.collect();
    let met = |duty: &str, due: &str| (duty.to_owned(), "met".to_owned(), due.to_owned());
    assert_eq!(
        clocks,
        [
            met("documentList", "2025-06-02T16:00:00Z"),
            met("decision", "2025-06-06T16:00:00Z"),
            met("payment", "2025-06-11T16:00:00Z"),
            met("advance", "2025-07-31T16:00:00Z"),
        ]
    );

    let replayed = claim(&world, &world.picc, code_of, Some("2025-09-01")).await.unwrap();
    assert_eq!(replayed["case"], now["case"]);
    assert_eq!(replayed["changedAt"], now["changedAt"]);
    let then = story.after(4);
    let then = claim(&world, &world.picc, code_of, Some(&then)).await.unwrap();
    assert_eq!((&then["stage"], &then["stepCount"]), (&json!("ASSESSED"), &json!(4)));
    assert_eq!(then["steps"].as_array().unwrap().len(), 4);
    assert_eq!(word(&then, "/changedAt"), story.after(4));
    assert!(then["total"].is_null() && then["case"]["documents"].is_null());
    assert_eq!(then["clocks"].as_array().unwrap().len(), 1);
    assert_eq!(then["clocks"][0]["rule"], json!("L56"));
    assert_eq!(then["clocks"][0]["state"], json!("running"));
    assert_eq!(then["nextDueAt"], json!("2025-06-02T16:00:00Z"));
    let before = claim(&world, &world.picc, code_of, Some("2025-06-01")).await;
    assert_eq!(code(before).0, "E2000");
    assert!(claim(&world, &world.cpic, code_of, None).await.is_err());
}

#[tokio::test]
async fn a_claim_stands_on_its_vehicle_until_it_is_cancelled() {
    let world = World::new().await;
    let confirm_code = insured(&world, &world.picc, VIN, PLATE).await;
    let mut story = Story::new(&world.picc, &confirm_code, "R-1", noon(2025, 6, 1));
    reported(&world, &mut story, json!({})).await;
    let told = async |at: i64| {
        let at = hours_after(story.accident_at, at);
        let (_, records) = world.production.records_on(VIN, at).await.unwrap();
        let claim = records.into_iter().find(|one| one.number.to_string() == story.claim_code);
        claim.map(|claim| (claim.shown_from, claim.shown_to))
    };
    let (reported_at, cancelled_at) =
        (hours_after(story.accident_at, 1), hours_after(story.accident_at, 2));
    assert_eq!(told(0).await, None);
    assert_eq!(told(1).await, Some((reported_at, None)));
    world.clock.set(cancelled_at);
    let given_up = json!({ "cancelledAt": story.after(2), "kind": "1", "reason": "误报" });
    world.step(&story, "cancel", &story.other("CN-1", given_up)).await.unwrap();
    assert_eq!(told(3).await, Some((reported_at, Some(cancelled_at))));
}

#[tokio::test]
async fn messages_of_a_claim_are_masked_but_for_who_may_see_persons_and_says_why() {
    let world = World::new().await;
    let confirm_code = insured(&world, &world.picc, VIN, PLATE).await;
    let story = world.settled(&world.picc, &confirm_code, "R-1", noon(2025, 6, 1)).await;
    let masked = claim(&world, &world.picc, &story.claim_code, None).await.unwrap();
    let report = &masked["steps"][0]["message"];
    assert_eq!(report["reporterName"], json!("李*"));
    assert_eq!(report["reporterPhones"], json!(["138****1234"]));
    assert_eq!(report["driver"]["licenceNo"], json!("110***********002X"));
    assert_eq!((&report["description"], &report["cause"]), (&json!("***"), &json!("01")));
    let payee = &masked["steps"][7]["message"]["payees"][0];
    assert_eq!((&payee["name"], &payee["bank"]), (&json!("王*"), &json!("建设银行")));
    assert_eq!(payee["account"], json!("621************0123"));
    let text = masked.to_string();
    for secret in ["李芳", "王强", "赵查", "13800001234", "6222020200112345678", "C001"] {
        assert!(!text.contains(secret), "{secret} in {text}");
    }

    let whole = |caller: &Arc<Caller>, purpose: Option<&str>| {
        let call = world.read(caller, &function::CLAIM_READ);
        let call = Call { purpose: purpose.map(Arc::from), ..call };
        let asked = ClaimQuery { as_of: None, unmask: Some(true) };
        let (production, code) = (world.production.clone(), story.claim_code.clone());
        async move { view(production.read_claim(call, &code, asked).await) }
    };
    assert_eq!(code(whole(&world.picc, Some("complaint")).await).0, "E1101");
    let mut rights = world.picc.rights.to_vec();
    rights.push("production.personal_data.read".to_owned());
    let clerk = Arc::new(Caller { rights: rights.into(), ..(*world.picc).clone() });
    assert_eq!(code(whole(&clerk, None).await).0, "E2031");
    let read = whole(&clerk, Some("complaint")).await.unwrap();
    assert_eq!(read["steps"][0]["message"], story.report());
    assert_eq!(read["steps"][7]["message"], story.payment("PY-1", "2000.00"));
    let recorded = world.served().pop().unwrap();
    assert_eq!(recorded.purpose.as_deref(), Some("complaint"));
    assert_eq!(recorded.subject, story.claim_code);
}

#[tokio::test]
async fn claims_are_listed_by_what_they_are_and_what_is_overdue_page_by_page() {
    let world = World::new().await;
    let confirm_code = insured(&world, &world.picc, VIN, PLATE).await;
    told_in_time(&world, &confirm_code, noon(2025, 6, 1)).await;
    for (report_no, day) in [("R-2", 10), ("R-3", 20), ("R-4", 21)] {
        let mut story = Story::new(&world.picc, &confirm_code, report_no, noon(2025, 6, day));
        reported(&world, &mut story, json!({})).await;
        if report_no == "R-4" {
            world.clock.set(hours_after(story.accident_at, 2));
            let given_up = json!({ "cancelledAt": story.after(2), "kind": "1", "reason": "误报" });
            world.step(&story, "cancel", &story.other("CN-1", given_up)).await.unwrap();
        }
    }
    let listed = async |change: fn(&mut ClaimListQuery)| {
        let mut asked = ClaimListQuery::default();
        change(&mut asked);
        let list = claims(&world, &world.picc, asked).await;
        column(&list, "items", "reportNo").join(" ")
    };
    assert_eq!(listed(|_| {}).await, "R-4 R-3 R-2 R-1");
    assert_eq!(listed(|asked| asked.frame_no = Some(VIN.into())).await, "R-4 R-3 R-2 R-1");
    let other = |asked: &mut ClaimListQuery| asked.frame_no = Some("LSVAM4187C2184850".into());
    assert_eq!(listed(other).await, "");
    assert_eq!(listed(|asked| asked.class = Some("commercial".into())).await, "");
    assert_eq!(listed(|asked| asked.stage = Some("NOTIFIED".into())).await, "R-3 R-2");
    assert_eq!(listed(|asked| asked.stage = Some("CANCELLED".into())).await, "R-4");
    assert_eq!(listed(|asked| asked.report_no = Some("R-2".into())).await, "R-2");
    assert_eq!(listed(|asked| asked.accident_from = Some("2025-06-20".into())).await, "R-4 R-3");
    assert_eq!(listed(|asked| asked.accident_to = Some("2025-06-10".into())).await, "R-1");
    assert_eq!(listed(|asked| asked.recorded_from = Some("2025-06-21".into())).await, "R-4");
    assert_eq!(listed(|asked| asked.recorded_to = Some("2025-06-11".into())).await, "R-2 R-1");
    let under = async |confirm_code: &str| {
        let asked =
            ClaimListQuery { confirm_code: Some(confirm_code.into()), ..Default::default() };
        claims(&world, &world.picc, asked).await["items"].as_array().unwrap().len()
    };
    assert_eq!(under(&confirm_code).await, 4);
    assert!(
        column(&claims(&world, &world.cpic, Default::default()).await, "items", "stage").is_empty()
    );

    // As known before R-4 was given up, and before R-1 was paid.
    let then = |asked: &mut ClaimListQuery| {
        asked.as_of = Some("2025-06-21T13:30:00+08:00".into());
        asked.stage = Some("NOTIFIED".into());
    };
    assert_eq!(listed(then).await, "R-4 R-3 R-2");
    let then = |asked: &mut ClaimListQuery| {
        asked.as_of = Some("2025-06-01T19:30:00+08:00".into());
        asked.stage = Some("CLOSED".into());
    };
    assert_eq!(listed(then).await, "R-1");

    // Nobody named the documents of R-2 by the end of the 11th. Those of R-3 were to be named by the
    // 21st, a Saturday, so by Monday 23rd.
    let overdue = |asked: &mut ClaimListQuery| asked.overdue = Some(true);
    assert_eq!(listed(overdue).await, "R-2");
    world.clock.set(noon(2025, 6, 23));
    assert_eq!(listed(overdue).await, "R-2");
    world.clock.set(noon(2025, 6, 24));
    assert_eq!(listed(overdue).await, "R-3 R-2");
    let asked = ClaimListQuery { overdue: Some(true), ..Default::default() };
    let list = claims(&world, &world.picc, asked).await;
    assert_eq!(list["items"][1]["overdue"][0]["duty"], json!("documentList"));
    assert_eq!(list["items"][1]["overdue"][0]["dueAt"], json!("2025-06-11T16:00:00Z"));
    let then = |asked: &mut ClaimListQuery| {
        (asked.overdue, asked.as_of) = (Some(true), Some("2025-06-12".into()));
    };
    assert_eq!(listed(then).await, "R-2");
    let then = |asked: &mut ClaimListQuery| {
        (asked.overdue, asked.as_of) = (Some(true), Some("2025-06-11T23:59:00+08:00".into()));
    };
    assert_eq!(listed(then).await, "");

    for (stage, expected) in [(None, "R-4 R-3 R-2 R-1"), (Some("NOTIFIED"), "R-3 R-2")] {
        let (mut read, mut after) = (Vec::new(), None);
        loop {
            let stage = stage.map(str::to_owned);
            let asked = ClaimListQuery { limit: Some(1), after, stage, ..Default::default() };
            let page = claims(&world, &world.picc, asked).await;
            read.extend(column(&page, "items", "reportNo").into_iter().map(str::to_owned));
            after = page["next"].as_str().map(str::to_owned);
            if after.is_none() {
                break;
            }
        }
        assert_eq!(read.join(" "), expected);
    }
}

#[tokio::test]
async fn the_chain_tells_others_that_a_claim_counts_and_never_what_it_paid() {
    let world = World::new().await;
    let confirm_code = insured(&world, &world.picc, VIN, PLATE).await;
    let story = told_in_time(&world, &confirm_code, noon(2025, 6, 1)).await;
    world.clock.set(noon(2025, 6, 3));
    world.step(&story, "reopen", &story.reopening("RO-1", 48)).await.unwrap();
    let mut second = Story::new(&world.picc, &confirm_code, "R-2", noon(2025, 6, 10));
    reported(&world, &mut second, json!({})).await;
    let given_up = json!({ "cancelledAt": second.after(1), "kind": "1", "reason": "误报" });
    world.step(&second, "cancel", &second.other("CN-1", given_up)).await.unwrap();
    world.clock.set(noon(2025, 6, 15));

    let known = async |hours: i64| {
        let seen = chain(&world, &world.cpic, Some(&story.after(hours))).await;
        assert_eq!(seen.len(), 1);
        let line = &seen[0];
        let standing = line["standing"].as_str().unwrap().to_owned();
        (standing, line["closedAt"].clone(), line["counts"].clone(), line["paid"].clone())
    };
    assert_eq!(chain(&world, &world.cpic, Some(&story.after(0))).await, Vec::<Value>::new());
    let word_of = |standing: &str| standing.to_owned();
    let open = (word_of("open"), Value::Null, Value::Null, json!(false));
    assert_eq!(known(6).await, open);
    let closed_at = json!(story.after(7));
    let closed = (word_of("closed"), closed_at.clone(), json!(true), json!(false));
    assert_eq!(known(7).await, closed);
    let paid = (word_of("closed"), closed_at.clone(), json!(true), json!(true));
    assert_eq!(known(8).await, paid);
    assert_eq!(known(49).await, (word_of("open"), closed_at, json!(true), json!(true)));

    let seen = chain(&world, &world.cpic, None).await;
    assert_eq!(seen[0]["claimCode"], json!(second.claim_code));
    assert_eq!(seen[0]["standing"], json!("cancelled"));
    assert_eq!((&seen[1]["own"], &seen[1]["insurer"]), (&json!(false), &json!("PICC")));
    assert_eq!(seen[1]["accidentOn"], json!("2025-06-01"));
    let names: BTreeSet<&str> = seen[1].as_object().unwrap().keys().map(String::as_str).collect();
    let shared = [
        "accidentOn",
        "claimCode",
        "class",
        "closedAt",
        "counts",
        "insurer",
        "own",
        "paid",
        "standing",
    ];
    assert_eq!(names, shared.into());
    let recorded = world.served().pop().unwrap();
    let shown: BTreeSet<String> =
        recorded.shown.iter().map(|record| record.subject.clone()).collect();
    let expected = [confirm_code.clone(), story.claim_code.clone(), second.claim_code.clone()];
    assert_eq!(shown, expected.into());

    let own = chain(&world, &world.picc, None).await;
    assert_eq!((&own[1]["own"], &own[1]["claim"]["stage"]), (&json!(true), &json!("REOPENED")));
    assert_eq!(own[1]["claim"]["total"], json!("2000.00"));
    assert_eq!(own[1]["claim"]["stepCount"], json!(9));
    let own = chain(&world, &world.picc, Some(&story.after(7))).await;
    assert_eq!(own[0]["claim"]["stage"], json!("CLOSED"));
    assert_eq!(own[0]["claim"]["stepCount"], json!(7));
}

/// A pile-up in Nanjing on 1 June: 苏A12345 of PICC, 苏B77777 of CPIC, 苏C11111 of PAIC, each told of
/// by the one before. The claim codes, in that order, and PAIC's caller.
struct PileUp {
    first: Story,
    second: Story,
    third: Story,
    paic: Arc<Caller>,
}

async fn pile_up(world: &World) -> PileUp {
    let paic = world.insurer("PAIC", "320000").await;
    let first = insured(world, &world.picc, VIN, PLATE).await;
    let second = insured(world, &world.cpic, "LSVAM4187C2184850", "苏B77777").await;
    let third = insured(world, &paic, "LSVAM4187C2184851", "苏C11111").await;
    let other = |plate: &str| json!({ "thirdVehicles": [{ "plate": plate, "plateKind": "02" }] });
    let at = |hours| hours_after(noon(2025, 6, 1), hours);
    let mut first = Story::new(&world.picc, &first, "R-1", at(0));
    reported(world, &mut first, other("苏B77777")).await;
    let mut second = Story::new(&world.cpic, &second, "R-1", at(1));
    reported(world, &mut second, other("苏C11111")).await;
    let mut third = Story::new(&paic, &third, "R-1", at(4));
    reported(world, &mut third, json!({})).await;
    PileUp { first, second, third, paic }
}

fn by_claim(claim_code: &str) -> AccidentQuery {
    AccidentQuery { claim_code: Some(claim_code.to_owned()), ..Default::default() }
}

#[tokio::test]
async fn the_claims_of_one_accident_are_found_through_each_other() {
    let world = World::new().await;
    let PileUp { first, second, third, .. } = pile_up(&world).await;
    // Three days later, the same vehicle: another accident.
    let mut later = Story::new(&world.cpic, &second.confirm_code, "R-2", noon(2025, 6, 4));
    reported(&world, &mut later, json!({})).await;
    world.clock.set(noon(2025, 6, 5));
    let codes = [&first, &second, &third].map(|story| story.claim_code.clone());

    let seen = accident(&world, &world.picc, by_claim(&codes[0])).await.unwrap();
    assert_eq!(column(&seen, "claims", "claimCode"), codes);
    assert_eq!(column(&seen, "claims", "insurer"), ["PICC", "CPIC", "PAIC"]);
    assert_eq!((&seen["complete"], &seen["withinHours"]), (&json!(true), &json!(24)));
    let own = &seen["claims"][0];
    assert_eq!((&own["own"], &own["matchedBy"]), (&json!(true), &json!([])));
    assert_eq!(own["claim"]["stage"], json!("NOTIFIED"));
    let foreign = json!({ "claimCode": codes[1], "insurer": "CPIC", "own": false,
        "class": "compulsory", "accidentOn": "2025-06-01", "district": "320102",
        "matchedBy": ["plate"] });
    assert_eq!(seen["claims"][1], foreign);
    let recorded = world.served().pop().unwrap();
    let shown: BTreeSet<_> = recorded
        .shown
        .iter()
        .map(|record| (record.owner.as_str(), record.subject.as_str()))
        .collect();
    let expected = [("PICC", &*codes[0]), ("CPIC", &*codes[1]), ("PAIC", &*codes[2])];
    assert_eq!(shown, expected.into());

    // Before the second and third were told, as seen from the first.
    let then = AccidentQuery { as_of: Some(first.after(1)), ..by_claim(&codes[0]) };
    let then = accident(&world, &world.picc, then).await.unwrap();
    assert_eq!(column(&then, "claims", "claimCode"), [&codes[0]]);
    // PAIC's happened four hours after the first.
    world.set_parameter("claim_accident_hours", "320000", "2").await;
    let near = accident(&world, &world.picc, by_claim(&codes[0])).await.unwrap();
    assert_eq!(column(&near, "claims", "claimCode"), codes[..2]);
}

#[tokio::test]
async fn an_accident_is_found_by_time_and_vehicle_and_without_what_was_given_up() {
    let world = World::new().await;
    let PileUp { first, second, third, paic } = pile_up(&world).await;
    world.clock.set(noon(2025, 6, 5));
    let codes = [&first, &second, &third].map(|story| story.claim_code.clone());
    let by_plate = |district: &str| AccidentQuery {
        accident_at: Some("2025-06-01T18:00:00+08:00".into()),
        plate: Some("苏a·12345".into()),
        district: Some(district.to_owned()),
        ..Default::default()
    };
    let seen = accident(&world, &paic, by_plate("320102")).await.unwrap();
    assert_eq!(column(&seen, "claims", "claimCode"), codes);
    assert_eq!(seen["claims"][0]["matchedBy"], json!(["plate"]));
    assert!(seen["claims"][0]["claim"].is_null() && seen["claims"][2]["claim"].is_object());
    let elsewhere = accident(&world, &paic, by_plate("320104")).await.unwrap();
    assert_eq!(elsewhere["claims"], json!([]));
    let by_frame = AccidentQuery {
        accident_at: Some("2025-06-01".into()),
        frame_no: Some("LSVAM4187C2184851".into()),
        ..Default::default()
    };
    let seen = accident(&world, &world.picc, by_frame).await.unwrap();
    assert_eq!(column(&seen, "claims", "claimCode"), codes);

    let given_up = json!({ "cancelledAt": second.after(90), "kind": "1", "reason": "误报" });
    world.step(&second, "cancel", &second.other("CN-1", given_up)).await.unwrap();
    world.pass(1);
    let seen = accident(&world, &world.picc, by_claim(&codes[0])).await.unwrap();
    assert_eq!(column(&seen, "claims", "claimCode"), [&codes[0]]);
    let then = AccidentQuery { as_of: Some("2025-06-05".into()), ..by_claim(&codes[0]) };
    let then = accident(&world, &world.picc, then).await.unwrap();
    assert_eq!(column(&then, "claims", "claimCode"), codes);
}

#[tokio::test]
async fn a_police_number_tells_an_accident_wherever_and_whenever_it_is_said_to_be() {
    let world = World::new().await;
    let first = insured(&world, &world.picc, VIN, PLATE).await;
    let second = insured(&world, &world.cpic, "LSVAM4187C2184850", "苏B77777").await;
    let numbered = |district: &str| {
        json!({ "policeAccidentNo": "3201022025000123",
        "district": district })
    };
    let mut first = Story::new(&world.picc, &first, "R-1", noon(2025, 6, 1));
    reported(&world, &mut first, numbered("320102")).await;
    let mut second = Story::new(&world.cpic, &second, "R-1", noon(2025, 6, 3));
    reported(&world, &mut second, numbered("320104")).await;
    let seen = accident(&world, &world.picc, by_claim(&first.claim_code)).await.unwrap();
    assert_eq!(column(&seen, "claims", "insurer"), ["PICC", "CPIC"]);
    assert_eq!(seen["claims"][1]["matchedBy"], json!(["police"]));
    assert_eq!(seen["claims"][1]["accidentOn"], json!("2025-06-03"));
}

#[tokio::test]
async fn an_accident_is_not_looked_for_without_a_purpose_or_without_saying_which() {
    let world = World::new().await;
    let confirm_code = insured(&world, &world.picc, VIN, PLATE).await;
    let mut story = Story::new(&world.picc, &confirm_code, "R-1", noon(2025, 6, 1));
    reported(&world, &mut story, json!({})).await;
    let served = world.served().len();
    let call = world.read(&world.picc, &function::CLAIM_ACCIDENT);
    let call = Call { purpose: None, ..call };
    let asked = by_claim(&story.claim_code);
    assert_eq!(code(view(world.production.find_accident(call, asked).await)).0, "E2031");
    let bad = [
        AccidentQuery::default(),
        AccidentQuery { accident_at: Some("2025-06-01".into()), ..Default::default() },
        AccidentQuery { plate: Some(PLATE.into()), ..Default::default() },
        AccidentQuery { plate: Some(PLATE.into()), ..by_claim(&story.claim_code) },
        AccidentQuery {
            accident_at: Some("2025-06-01".into()),
            plate: Some(PLATE.into()),
            district: Some("南京".into()),
            ..Default::default()
        },
    ];
    for asked in bad {
        assert_eq!(code(accident(&world, &world.picc, asked).await).0, "E1000");
    }
    // Another insurer's claim is no way to ask.
    assert!(accident(&world, &world.cpic, by_claim(&story.claim_code)).await.is_err());
    assert_eq!(world.served().len(), served);
}

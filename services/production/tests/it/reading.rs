//! Reading back quotes, policies and the chain of a vehicle.

use std::collections::BTreeSet;
use std::sync::Arc;

use base_http::{Call, Caller, Problem};
use kernel::Clock;
use production::function;
use production::lookup::policies::{PolicyListQuery, PolicyQuery};
use production::lookup::quotes::{QuoteListQuery, QuoteQuery};
use production::lookup::vehicles::{ChainQuery, PlateQuery};
use serde_json::{Value, json};

use crate::support::{PLATE, VIN, World, car, code, compulsory, message, noon, view, word};

async fn quote(world: &World, caller: &Arc<Caller>, query: &str) -> Result<Value, Problem> {
    let call = world.read(caller, &function::QUOTE_READ);
    view(world.production.read_quote(call, query, QuoteQuery::default()).await)
}

async fn quotes(world: &World, caller: &Arc<Caller>, asked: QuoteListQuery) -> Value {
    let call = world.read(caller, &function::QUOTE_READ);
    view(world.production.list_quotes(call, asked).await).unwrap()
}

async fn policy(world: &World, confirm: &str, as_of: Option<&str>) -> Result<Value, Problem> {
    let call = world.read(&world.picc, &function::POLICY_READ);
    let asked = PolicyQuery { as_of: as_of.map(str::to_owned), unmask: None };
    view(world.production.read_policy(call, confirm, asked).await)
}

async fn policies(world: &World, caller: &Arc<Caller>, asked: PolicyListQuery) -> Value {
    let call = world.read(caller, &function::POLICY_READ);
    view(world.production.list_policies(call, asked).await).unwrap()
}

async fn chain(world: &World, caller: &Arc<Caller>, as_of: Option<&str>) -> Value {
    let call = world.read(caller, &function::VEHICLE_CHAIN);
    let asked = ChainQuery { as_of: as_of.map(str::to_owned) };
    view(world.production.read_chain(call, VIN, asked).await).unwrap()
}

fn column<'a>(list: &'a Value, name: &str) -> Vec<&'a str> {
    let items = list["items"].as_array().unwrap();
    items.iter().map(|item| item[name].as_str().unwrap()).collect()
}

#[tokio::test]
async fn a_quote_is_computed_again_to_the_same_fen_years_later() {
    let world = World::new().await;
    let body = message(world.clock.now(), VIN, PLATE);
    let quoted = world.quote(&world.picc, &body).await.unwrap();
    let query = word(&quoted, "/queryCode");
    world.clock.set(noon(2029, 6, 1));
    let read = quote(&world, &world.picc, &query).await.unwrap();
    assert_eq!(read["replay"], json!({ "identical": true }));
    assert_eq!(read["rating"], quoted["rating"]);
    assert_eq!(read["payable"], quoted["payable"]);
    assert_eq!(read["stage"], json!("expired"));
    assert_eq!(read["tariffVersion"], json!("test"));
}

#[tokio::test]
async fn the_stage_of_a_quote_follows_its_sale() {
    let world = World::new().await;
    let body = compulsory(world.clock.now(), VIN, PLATE);
    let (quoted, echo) = {
        let older = world.quote(&world.picc, &body).await.unwrap();
        let query = word(&older, "/queryCode");
        assert_eq!(quote(&world, &world.picc, &query).await.unwrap()["stage"], json!("quoted"));
        world.pass(1);
        let paid = world.paid(&world.picc, &body, &json!({})).await;
        let stage = &quote(&world, &world.picc, &query).await.unwrap()["stage"];
        assert_eq!(stage, &json!("superseded"));
        paid
    };
    let query = word(&quoted, "/queryCode");
    assert_eq!(quote(&world, &world.picc, &query).await.unwrap()["stage"], json!("paid"));
    world.confirm(&world.picc, &query, &echo).await.unwrap();
    let read = quote(&world, &world.picc, &query).await.unwrap();
    assert_eq!(read["stage"], json!("confirmed"));
    assert_eq!(read["fee"]["channel"], json!("01"));
}

#[tokio::test]
async fn personal_data_is_whole_only_with_the_right_and_a_purpose() {
    let world = World::new().await;
    let body = compulsory(world.clock.now(), VIN, PLATE);
    let query = word(&world.quote(&world.picc, &body).await.unwrap(), "/queryCode");
    let masked = quote(&world, &world.picc, &query).await.unwrap();
    let owner = json!({ "role": "owner", "name": "李*", "certificateKind": "01",
        "certificateNo": "110***********002X", "mobile": "138****1234" });
    assert_eq!(masked["parties"][0], owner);

    let whole = |caller: &Arc<Caller>, purpose: Option<&str>| {
        let call = world.read(caller, &function::QUOTE_READ);
        let call = Call { purpose: purpose.map(Arc::from), ..call };
        let asked = QuoteQuery { unmask: Some(true) };
        let (production, query) = (world.production.clone(), query.clone());
        async move { view(production.read_quote(call, &query, asked).await) }
    };
    assert_eq!(code(whole(&world.picc, Some("complaint")).await).0, "E1101");
    let mut rights = world.picc.rights.to_vec();
    rights.push("production.personal_data.read".to_owned());
    let clerk = Arc::new(Caller { rights: rights.into(), ..(*world.picc).clone() });
    assert_eq!(code(whole(&clerk, None).await).0, "E2031");
    let read = whole(&clerk, Some("complaint")).await.unwrap();
    assert_eq!(read["parties"][0]["name"], json!("李芳"));
    assert_eq!(read["parties"][0]["certificateNo"], json!("11010519491231002X"));
    let recorded = world.served().pop().unwrap();
    assert_eq!(recorded.purpose.as_deref(), Some("complaint"));
    assert_eq!((recorded.client.as_str(), recorded.subject), ("picc-320000", query));
    assert_eq!(recorded.answer, read);
}

#[tokio::test]
async fn quotes_are_listed_by_vehicle_user_and_day_page_by_page() {
    let world = World::new().await;
    let other = "LSVAM4187C2184850";
    world.sandbox.load(car(other, "苏A54321"));
    let mut codes = Vec::new();
    for at in 0..5 {
        let (vin, plate) = if at % 2 == 0 { (VIN, PLATE) } else { (other, "苏A54321") };
        let body = compulsory(world.clock.now(), vin, plate);
        codes.push(word(&world.quote(&world.picc, &body).await.unwrap(), "/queryCode"));
        world.pass(1);
    }
    codes.reverse();
    let mut read = Vec::new();
    let mut after = None;
    loop {
        let asked = QuoteListQuery { limit: Some(2), after, ..Default::default() };
        let page = quotes(&world, &world.picc, asked).await;
        read.extend(column(&page, "queryCode").into_iter().map(str::to_owned));
        after = page["next"].as_str().map(str::to_owned);
        if after.is_none() {
            break;
        }
    }
    assert_eq!(read, codes);

    let by_frame = QuoteListQuery { frame_no: Some(other.into()), ..Default::default() };
    let page = quotes(&world, &world.picc, by_frame).await;
    assert_eq!(column(&page, "queryCode"), [&codes[1], &codes[3]]);
    assert_eq!(column(&page, "stage"), ["quoted", "superseded"]);
    // As it was two hours and a half ago: three quotes, none of this vehicle superseded.
    let as_of = (world.clock.now() - jiff::SignedDuration::from_mins(150)).to_string();
    let then =
        QuoteListQuery { frame_no: Some(other.into()), as_of: Some(as_of), ..Default::default() };
    let page = quotes(&world, &world.picc, then).await;
    assert_eq!(column(&page, "stage"), ["quoted"]);
    let someone = QuoteListQuery { client: Some("someone".into()), ..Default::default() };
    assert!(column(&quotes(&world, &world.picc, someone).await, "stage").is_empty());
    assert!(column(&quotes(&world, &world.cpic, Default::default()).await, "stage").is_empty());
    world.pass(24 * 8);
    assert!(column(&quotes(&world, &world.picc, Default::default()).await, "stage").is_empty());
}

#[tokio::test]
async fn a_policy_is_read_as_it_stood() {
    let world = World::new().await;
    let before = world.clock.now().to_string();
    world.pass(1);
    let sale = world.insure(&world.picc, &message(world.clock.now(), VIN, PLATE)).await;
    let commercial = sale.commercial.unwrap();
    let issued = world.clock.now().to_string();
    world.clock.set(noon(2025, 9, 1));
    let now = policy(&world, &commercial, None).await.unwrap();
    assert_eq!(now["state"], json!("IN_FORCE"));
    assert_eq!(now["covers"][0]["limit"], json!("1000000.00"));
    assert_eq!(now["parties"][2]["role"], json!("insured"));
    assert_eq!(now["versions"].as_array().unwrap().len(), 1);
    assert_eq!(now["deferredChecks"], json!([]));
    assert!(now["taxDeclaration"].is_null(), "tax is withheld with the compulsory policy");
    let then = policy(&world, &commercial, Some(&issued)).await.unwrap();
    assert_eq!(then["state"], json!("CONFIRMED"));
    assert_eq!(code(policy(&world, &commercial, Some(&before)).await).0, "E2000");
    assert_eq!(code(policy(&world, &commercial, Some("2026-01-01")).await).0, "E1000");
    world.clock.set(noon(2026, 3, 2));
    let expired = policy(&world, &commercial, None).await.unwrap();
    assert_eq!(expired["state"], json!("EXPIRED"));
}

#[tokio::test]
async fn an_endorsement_shows_from_the_instant_it_was_known() {
    let world = World::new().await;
    let sale = world.insure(&world.picc, &compulsory(world.clock.now(), VIN, PLATE)).await;
    let confirm = sale.compulsory.unwrap();
    world.clock.set(noon(2025, 6, 1));
    let before = world.clock.now().to_string();
    world.pass(1);
    let change = json!({ "kind": "02", "endorseTimes": 1, "reason": "发动机更换",
        "vehicle": { "engineNo": "EA211999999" } });
    world.endorse(&world.picc, &confirm, &change).await;
    world.clock.set(noon(2025, 7, 1));
    let now = policy(&world, &confirm, None).await.unwrap();
    assert_eq!((&now["engineNo"], &now["endorseTimes"]), (&json!("EA211999999"), &json!(1)));
    assert_eq!(now["versions"].as_array().unwrap().len(), 2);
    let then = policy(&world, &confirm, Some(&before)).await.unwrap();
    assert_eq!((&then["engineNo"], &then["endorseTimes"]), (&json!("EA211000001"), &json!(0)));
    assert_eq!(then["versions"].as_array().unwrap().len(), 1);

    let seen = chain(&world, &world.picc, None).await;
    assert_eq!(seen["policies"][0]["engineNo"], json!("EA211999999"));
    assert_eq!(seen["policies"][0]["events"].as_array().unwrap().len(), 2);
    assert_eq!(seen["policies"][0]["events"][1]["kind"], json!("02"));
    // Another insurer sees that something changed and from when, neither for what money nor why.
    let seen = chain(&world, &world.cpic, None).await;
    let event = seen["policies"][0]["events"].as_array().unwrap();
    let at = &now["versions"][1];
    assert_eq!(
        event,
        &[json!({ "endorseTimes": 1, "kind": "02", "kindName": "change of fact",
            "kindNameZh": "变更", "effectiveAt": at["effectiveAt"],
            "recordedAt": at["recordedAt"] })]
    );
    let seen = chain(&world, &world.cpic, Some(&before)).await;
    assert_eq!(seen["policies"][0]["events"], json!(null));
    assert_eq!(seen["policies"][0]["engineNo"], json!("EA211000001"));
    assert_eq!(seen["policies"][0]["endorseTimes"], json!(0));
}

#[tokio::test]
async fn policies_are_listed_by_state_class_plate_and_day() {
    let world = World::new().await;
    let mut sales = Vec::new();
    for year in 2025..=2027 {
        world.clock.set(noon(year, 3, 1));
        sales.push(world.insure(&world.picc, &message(world.clock.now(), VIN, PLATE)).await);
    }
    world.clock.set(noon(2027, 6, 1));
    let count = async |asked: PolicyListQuery| {
        policies(&world, &world.picc, asked).await["items"].as_array().unwrap().len()
    };
    let by = |change: fn(&mut PolicyListQuery)| {
        let mut asked = PolicyListQuery::default();
        change(&mut asked);
        asked
    };
    assert_eq!(count(by(|_| {})).await, 6);
    assert_eq!(count(by(|asked| asked.class = Some("compulsory".into()))).await, 3);
    assert_eq!(count(by(|asked| asked.state = Some("IN_FORCE".into()))).await, 2);
    assert_eq!(count(by(|asked| asked.state = Some("EXPIRED".into()))).await, 4);
    assert_eq!(count(by(|asked| asked.plate = Some("苏a·12345".into()))).await, 6);
    assert_eq!(count(by(|asked| asked.plate = Some("苏B12345".into()))).await, 0);
    assert_eq!(count(by(|asked| asked.frame_no = Some(VIN.into()))).await, 6);
    assert_eq!(count(by(|asked| asked.issued_from = Some("2026-01-01".into()))).await, 4);
    assert_eq!(count(by(|asked| asked.issued_to = Some("2026-01-01".into()))).await, 2);
    let then = by(|asked| {
        asked.as_of = Some("2026-06-01".into());
        asked.state = Some("IN_FORCE".into());
    });
    assert_eq!(count(then).await, 2);

    let mut asked = by(|asked| {
        asked.state = Some("EXPIRED".into());
        asked.limit = Some(3);
    });
    let first = policies(&world, &world.picc, asked).await;
    asked = by(|asked| asked.state = Some("EXPIRED".into()));
    asked.after = Some(word(&first, "/next"));
    let rest = policies(&world, &world.picc, asked).await;
    let mut all = column(&first, "confirmCode");
    all.extend(column(&rest, "confirmCode"));
    assert_eq!(all.len(), 4);
    assert!(all.contains(&sales[0].compulsory.as_deref().unwrap()));
    assert!(rest["next"].is_null());
    assert!(column(&policies(&world, &world.cpic, Default::default()).await, "state").is_empty());
}

#[tokio::test]
async fn the_chain_shows_every_insurers_cover_and_nobody_elses_money() {
    let world = World::new().await;
    let first = world.insure(&world.picc, &message(world.clock.now(), VIN, PLATE)).await;
    world.clock.set(noon(2026, 3, 1));
    let second = world.insure(&world.cpic, &compulsory(world.clock.now(), VIN, PLATE)).await;
    world.clock.set(noon(2026, 4, 1));
    let seen = chain(&world, &world.picc, None).await;
    assert_eq!(seen["frameNo"], json!(VIN));
    let lines = seen["policies"].as_array().unwrap();
    assert_eq!(lines.len(), 3);
    let foreign = &lines[0];
    assert_eq!(foreign["confirmCode"], json!(second.compulsory));
    assert_eq!((&foreign["own"], &foreign["state"]), (&json!(false), &json!("IN_FORCE")));
    assert_eq!(foreign["plate"], json!(PLATE));
    let text = foreign.to_string();
    for secret in ["premium", "events", "parties", "李", "tax"] {
        assert!(!text.contains(secret), "{secret} in {text}");
    }
    let own = lines.iter().find(|line| line["confirmCode"] == json!(first.compulsory)).unwrap();
    assert_eq!(own["state"], json!("EXPIRED"));
    assert_eq!(own["events"][0]["premium"], json!("950.00"));

    let then = chain(&world, &world.picc, Some("2026-01-01")).await;
    assert_eq!(then["policies"].as_array().unwrap().len(), 2);
    let outsider = world.insurer("PAIC", "110000").await;
    let seen = chain(&world, &outsider, None).await;
    assert_eq!(seen["frameNo"], json!("***********184847"));
    assert!(seen["policies"].as_array().unwrap().iter().all(|line| line["own"] == json!(false)));
    let recorded = world.served().pop().unwrap();
    assert_eq!(recorded.function, function::VEHICLE_CHAIN.code);
    assert_eq!(recorded.subject, "***********184847");
    let frame = production::store::quote::stored_frame(VIN).unwrap();
    assert_eq!(recorded.slot, frame.slot().0);
    assert_eq!(recorded.purpose.as_deref(), Some("underwriting"));
    // The look is said to whoever owns what it showed, record by record.
    let shown = recorded.shown.iter().map(|record| (&*record.owner, record.subject.clone()));
    let shown: BTreeSet<_> = shown.collect();
    let expected = [
        ("PICC", first.compulsory.unwrap()),
        ("PICC", first.commercial.unwrap()),
        ("CPIC", second.compulsory.unwrap()),
    ];
    assert_eq!(shown, expected.into());
    for record in &recorded.shown {
        assert_eq!((&*record.region, record.slot), ("320000", frame.slot().0));
        assert_eq!(record.vehicle, Some(frame.digest()));
    }
    assert_eq!(recorded.vehicle, None);
    // As of a day on which the other policy was not known, it was not shown.
    let before = world.served().into_iter().rev().nth(1).unwrap();
    assert_eq!(before.shown.iter().filter(|record| record.owner == "CPIC").count(), 0);
    assert_eq!(before.shown.len(), 2);
}

#[tokio::test]
async fn a_quote_names_the_vehicle_it_rests_on_and_its_reading_the_policies() {
    let world = World::new().await;
    let sale = world.insure(&world.picc, &compulsory(world.clock.now(), VIN, PLATE)).await;
    world.clock.set(noon(2026, 3, 1));
    let quoted =
        world.quote(&world.cpic, &compulsory(world.clock.now(), VIN, PLATE)).await.unwrap();
    let recorded = world.served().pop().unwrap();
    let frame = production::store::quote::stored_frame(VIN).unwrap();
    assert_eq!((recorded.vehicle, recorded.shown.len()), (Some(frame.digest()), 0));
    let (_, records) = world.production.records_on(VIN, world.clock.now()).await.unwrap();
    let numbers: Vec<String> = records.iter().map(|record| record.number.to_string()).collect();
    assert_eq!(numbers, [sale.compulsory.clone().unwrap()]);
    assert!(records[0].shown_from < world.clock.now() && records[0].shown_to.is_none());

    quote(&world, &world.cpic, &word(&quoted, "/queryCode")).await.unwrap();
    let recorded = world.served().pop().unwrap();
    assert_eq!(recorded.vehicle, None);
    let shown: Vec<_> = recorded.shown.iter().map(|record| record.subject.clone()).collect();
    assert_eq!(shown, [sale.compulsory.unwrap()]);
}

#[tokio::test]
async fn a_chain_is_not_read_without_a_purpose() {
    let world = World::new().await;
    let without = |function| Call { purpose: None, ..world.read(&world.picc, function) };
    let served = world.served().len();
    let call = without(&function::VEHICLE_CHAIN);
    let refused = view(world.production.read_chain(call, VIN, ChainQuery::default()).await);
    assert_eq!(code(refused).0, "E2031");
    let call = without(&function::VEHICLE_CHAIN);
    let asked = PlateQuery { plate: Some(PLATE.into()), ..Default::default() };
    assert_eq!(code(view(world.production.find_vehicles(call, asked).await)).0, "E2031");
    assert_eq!(world.served().len(), served);
}

#[tokio::test]
async fn a_plate_leads_to_the_vehicles_that_carried_it() {
    let world = World::new().await;
    let first = world.insure(&world.picc, &compulsory(world.clock.now(), VIN, PLATE)).await;
    world.clock.set(noon(2026, 3, 10));
    // The plate passed to another car.
    let other = "LSVAM4187C2184850";
    world.sandbox.load(car(other, PLATE).with_engine("EA211000002"));
    let mut body = compulsory(world.clock.now(), other, PLATE);
    body["vehicle"]["engineNo"] = json!("EA211000002");
    let second = world.insure(&world.cpic, &body).await;
    world.pass(1);
    let find = |plate: &str, kind: Option<&str>, as_of: Option<&str>| {
        let call = world.read(&world.picc, &function::VEHICLE_CHAIN);
        let asked = PlateQuery {
            plate: Some(plate.to_owned()),
            plate_kind: kind.map(str::to_owned),
            as_of: as_of.map(str::to_owned),
        };
        let production = world.production.clone();
        async move { view(production.find_vehicles(call, asked).await).unwrap() }
    };
    let found = find("苏A·12345", Some("02"), None).await;
    let frames: Vec<&str> = found["vehicles"]
        .as_array()
        .unwrap()
        .iter()
        .map(|vehicle| vehicle["frameNo"].as_str().unwrap())
        .collect();
    assert_eq!(frames, ["***********184850", VIN]);
    let recorded = world.served().pop().unwrap();
    let shown: Vec<_> = recorded.shown.iter().map(|one| (one.slot, one.subject.clone())).collect();
    let slot = |frame| production::store::quote::stored_frame(frame).unwrap().slot().0;
    let expected = [(other, second.compulsory.unwrap()), (VIN, first.compulsory.unwrap())];
    assert_eq!(shown, expected.map(|(frame, number)| (slot(frame), number)));
    let earlier = find(PLATE, None, Some("2026-01-01")).await;
    assert_eq!(earlier["vehicles"].as_array().unwrap().len(), 1);
    let kindless = find(PLATE, Some("01"), None).await;
    assert_eq!(kindless["vehicles"], json!([]));
}

#[tokio::test]
async fn another_insurers_quotes_and_policies_are_not_there() {
    let world = World::new().await;
    let sale = world.insure(&world.picc, &compulsory(world.clock.now(), VIN, PLATE)).await;
    let posing = Arc::new(Caller { insurer: Some("PICC".into()), ..(*world.cpic).clone() });
    assert_eq!(code(quote(&world, &posing, &sale.query).await).0, "E2000");
    let call = world.read(&posing, &function::POLICY_READ);
    let confirm = sale.compulsory.unwrap();
    let read = world.production.read_policy(call, &confirm, PolicyQuery::default()).await;
    assert_eq!(code(view(read)).0, "E2000");
}

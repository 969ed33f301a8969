//! Who looked at whose records, as insurers and regulators read it.

use base_http::{ShownRecord, problem};
use evidence::reading::AccessQuery;
use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::world::{CAR, OTHER_CAR, World};

const CHAIN: &str = "production.underwriting.vehicle_chain";
const QUOTE: &str = "production.underwriting.quote";

fn of_vehicle(frame_no: &str) -> AccessQuery {
    AccessQuery { frame_no: Some(frame_no.to_owned()), ..AccessQuery::default() }
}

/// What each item shows, as `owner code`.
fn shown(page: &Value) -> Vec<Vec<String>> {
    let items = page["items"].as_array().unwrap().iter();
    items
        .map(|item| {
            let shown = item["shown"].as_array().unwrap().iter();
            let text = |one: &Value, name: &str| one[name].as_str().unwrap().to_owned();
            shown.map(|one| format!("{} {}", text(one, "owner"), text(one, "code"))).collect()
        })
        .collect()
}

fn record(owner: &str, region: &str, car: &str, subject: &str) -> ShownRecord {
    World::record(owner, region, car, subject)
}

#[tokio::test]
async fn a_look_is_found_by_the_owners_of_what_it_showed_and_by_nobody_else() {
    let world = World::new().await;
    let records = [
        record("PICC", "320000", CAR, "P1"),
        record("PICC", "320000", CAR, "P2"),
        record("PICC", "320000", CAR, "P2"),
        record("CPIC", "320000", CAR, "C1"),
        record("PAIC", "320000", CAR, "own"),
    ];
    let call_id = world.look("PAIC", CHAIN, |done| done.showing(records)).await;

    let seen = world.list("PICC", AccessQuery::default()).await.unwrap();
    let expected = json!({ "items": [{
        "callId": call_id,
        "at": "2025-03-01T02:00:00Z",
        "looker": { "insurer": "PAIC", "nameZh": "PAIC 保险", "nameEn": "PAIC insurance" },
        "client": "paic-320000",
        "function": CHAIN,
        "purpose": "claim 7",
        "traceId": "0af7651916cd43dd8448eb211c80319c",
        "shown": [{ "owner": "PICC", "code": "P1" }, { "owner": "PICC", "code": "P2" }],
    }] });
    assert_eq!(seen, expected);
    let seen = world.list("CPIC", AccessQuery::default()).await.unwrap();
    assert_eq!(shown(&seen), [["CPIC C1"]]);
    for stranger in ["PAIC", "TPIC"] {
        let seen = world.list(stranger, AccessQuery::default()).await.unwrap();
        assert_eq!(seen, json!({ "items": [] }), "{stranger}");
    }
    // Reading the log is logged.
    let mut tx = world.test.db.begin(pg::Scope::of(world.tenant("TPIC"))).await.unwrap();
    let about = (0, "accesses");
    let read = evidence::of_subject(&mut tx, world.tenant("TPIC"), about, None, 10).await.unwrap();
    assert_eq!(read.len(), 1);
    assert_eq!(read[0].function_code, evidence::function::ACCESS_READ.code);
}

#[tokio::test]
async fn a_hot_call_is_found_by_its_vehicle_with_the_records_of_its_time() {
    let world = World::new().await;
    let digest = World::digest(CAR);
    let hour = SignedDuration::from_hours(1);
    let quote = async || world.look("PAIC", QUOTE, |done| done.about_vehicle(digest)).await;
    // Nothing of PICC stood on the vehicle yet.
    quote().await;
    world.pass(hour);
    world.stands(CAR, "PICC", "320000", "P1", None);
    let first = quote().await;
    world.pass(hour);
    let revoked = world.now().checked_add(hour).unwrap();
    world.stands(CAR, "PICC", "320000", "P2", Some(revoked));
    world.stands(CAR, "PAIC", "320000", "own", None);
    let second = quote().await;
    world.pass(hour);
    let third = quote().await;
    // PICC's own quote, and PAIC's of another vehicle, are no looks at this one by others.
    world.look("PICC", QUOTE, |done| done.about_vehicle(digest)).await;
    world.look("PAIC", QUOTE, |done| done.about_vehicle(World::digest(OTHER_CAR))).await;

    let seen = world.list("PICC", of_vehicle(CAR)).await.unwrap();
    let calls: Vec<&str> = seen["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["callId"].as_str().unwrap())
        .collect();
    assert_eq!(calls, [third.to_string(), second.to_string(), first.to_string()]);
    assert_eq!(shown(&seen), [vec!["PICC P1"], vec!["PICC P1", "PICC P2"], vec!["PICC P1"]]);
    assert_eq!(seen["items"][0]["reference"], "subject of the look");
    // PAIC sees PICC's look at its own record, not its own looks.
    let seen = world.list("PAIC", of_vehicle(CAR)).await.unwrap();
    assert_eq!(shown(&seen), [["PAIC own"]]);
    assert_eq!(seen["items"][0]["looker"]["insurer"], "PICC");
    // Without a vehicle only rows of their own are listed.
    assert_eq!(world.list("PICC", AccessQuery::default()).await.unwrap(), json!({ "items": [] }));
    // Whoever has nothing on a vehicle learns nothing about it, not even that it is known.
    for car in [CAR, OTHER_CAR] {
        let refused = world.list("CPIC", of_vehicle(car)).await.unwrap_err();
        assert_eq!(refused.code, &problem::NOT_FOUND, "{car}");
    }
}

#[tokio::test]
async fn looks_of_both_kinds_are_paged_together_latest_first_and_filtered() {
    let world = World::new().await;
    let minute = SignedDuration::from_mins(1);
    world.stands(CAR, "PICC", "320000", "P1", None);
    let mut expected = Vec::new();
    let mut times = Vec::new();
    for number in 0..7 {
        world.pass(minute);
        times.push(world.now());
        let looker = if number < 4 { "PAIC" } else { "CPIC" };
        let call = if number % 2 == 0 {
            let digest = World::digest(CAR);
            world.look(looker, QUOTE, |done| done.about_vehicle(digest)).await
        } else {
            // At two vehicles: two looks of one call.
            let both = [CAR, OTHER_CAR].map(|car| record("PICC", "320000", car, "P1"));
            world.look(looker, CHAIN, |done| done.showing(both)).await
        };
        expected.insert(0, call.to_string());
    }
    let mut seen = Vec::new();
    let mut after = None;
    let mut pages = 0;
    loop {
        let asked = AccessQuery { limit: Some(3), after, ..of_vehicle(CAR) };
        let page = world.list("PICC", asked).await.unwrap();
        let items = page["items"].as_array().unwrap();
        seen.extend(items.iter().map(|item| item["callId"].as_str().unwrap().to_owned()));
        pages += 1;
        after = page["next"].as_str().map(str::to_owned);
        if after.is_none() {
            break;
        }
    }
    assert_eq!((seen, pages), (expected, 3));

    let count = async |asked: AccessQuery| {
        let page = world.list("PICC", asked).await.unwrap();
        page["items"].as_array().unwrap().len()
    };
    let text = |at: usize| Some(times[at].to_string());
    let all = of_vehicle(CAR);
    // Rows alone: three chain calls at two vehicles each.
    assert_eq!(count(AccessQuery::default()).await, 6);
    assert_eq!(count(AccessQuery { limit: Some(5), ..Default::default() }).await, 5);
    assert_eq!(count(AccessQuery { function: Some(CHAIN.into()), ..all.clone() }).await, 3);
    assert_eq!(count(AccessQuery { function: Some(QUOTE.into()), ..all.clone() }).await, 4);
    assert_eq!(count(AccessQuery { function: Some("none".into()), ..all.clone() }).await, 0);
    assert_eq!(count(AccessQuery { looker: Some("CPIC".into()), ..all.clone() }).await, 3);
    assert_eq!(count(AccessQuery { looker: Some("picc".into()), ..all.clone() }).await, 0);
    // From the third to just before the sixth.
    let some = AccessQuery { from: text(2), to: text(5), ..all.clone() };
    assert_eq!(count(some).await, 3);
    assert_eq!(count(AccessQuery { from: Some("2025-03-02".into()), ..all.clone() }).await, 0);

    let wrong = [
        AccessQuery { looker: Some("XXXX".into()), ..Default::default() },
        AccessQuery { looker: Some("1".into()), ..Default::default() },
        AccessQuery { owner: Some("1".into()), ..Default::default() },
        AccessQuery { from: Some("soon".into()), ..Default::default() },
        AccessQuery { after: Some("7".into()), ..Default::default() },
        AccessQuery { limit: Some(501), ..Default::default() },
        of_vehicle("?"),
    ];
    for asked in wrong {
        let refused = world.list("PICC", asked.clone()).await.unwrap_err();
        assert_eq!(refused.code, &problem::MALFORMED, "{asked:?}");
    }
}

#[tokio::test]
async fn a_regulator_sees_its_region_or_everything_and_others_see_nothing() {
    let world = World::new().await;
    world.stands(CAR, "PICC", "320000", "P1", None);
    world.stands(CAR, "CPIC", "440300", "C1", None);
    let records = [record("PICC", "320000", CAR, "P1"), record("CPIC", "440300", CAR, "C1")];
    world.look("TPIC", CHAIN, |done| done.showing(records)).await;
    world.pass(SignedDuration::from_mins(1));
    let digest = World::digest(CAR);
    world.look("PICC", QUOTE, |done| done.about_vehicle(digest)).await;

    let cases: [(&str, &[&str], &[&[&str]]); 3] = [
        // Latest first: PICC's own policy is no look at another's.
        ("000000", &["CPIC C1", "PICC P1"], &[&["CPIC C1"], &["PICC P1"], &["CPIC C1"]]),
        ("320000", &["PICC P1"], &[&["PICC P1"]]),
        ("440300", &["CPIC C1"], &[&["CPIC C1"], &["CPIC C1"]]),
    ];
    for (region, rows, about_the_car) in cases {
        let regulator = world.regulator(region);
        let seen = world.list_as(&regulator, AccessQuery::default()).await.unwrap();
        let mut found = shown(&seen).concat();
        found.sort();
        assert_eq!(found, rows, "{region}");
        let seen = world.list_as(&regulator, of_vehicle(CAR)).await.unwrap();
        let mut found = shown(&seen);
        found[usize::from(region != "320000")..].sort_by(|a, b| b.cmp(a));
        assert_eq!(found, about_the_car, "{region}");
    }
    let owner = AccessQuery { owner: Some("CPIC".into()), ..Default::default() };
    let seen = world.list_as(&world.regulator("000000"), owner.clone()).await.unwrap();
    assert_eq!(shown(&seen), [["CPIC C1"]]);
    let elsewhere = world.regulator("110000");
    assert_eq!(
        world.list_as(&elsewhere, AccessQuery::default()).await.unwrap(),
        json!({ "items": [] })
    );
    let refused = world.list_as(&elsewhere, of_vehicle(CAR)).await.unwrap_err();
    assert_eq!(refused.code, &problem::NOT_FOUND);

    // An insurer asks for its own alone; who is neither insurer nor regulator, for nothing.
    assert_eq!(world.list("PICC", owner).await.unwrap_err().code, &problem::FORBIDDEN);
    let agency = world.agency();
    let refused = world.list_as(&agency, AccessQuery::default()).await.unwrap_err();
    assert_eq!(refused.code, &problem::FORBIDDEN);
}

#[tokio::test]
async fn rows_of_looks_are_only_ever_added_and_seen_by_the_looker_alone() {
    let world = World::new().await;
    let records = [record("PICC", "320000", CAR, "P1")];
    world.look("PAIC", CHAIN, |done| done.showing(records)).await;
    let count = async |insurer: &str| {
        let mut tx = world.test.db.begin(pg::Scope::of(world.tenant(insurer))).await.unwrap();
        let count = sqlx::query_scalar::<_, i64>("select count(*) from evidence.access");
        count.fetch_one(tx.conn()).await.unwrap()
    };
    // Owners go through `evidence.accesses`, which the call that uses it leaves its message of.
    assert_eq!((count("PAIC").await, count("PICC").await), (1, 0));
    for change in ["update evidence.access set purpose = 'other'", "delete from evidence.access"] {
        let mut tx = world.test.db.begin(pg::Scope::of(world.tenant("PAIC"))).await.unwrap();
        let refused = sqlx::query(change).execute(tx.conn()).await.unwrap_err();
        assert_eq!(pg::failure::sqlstate(&refused).as_deref(), Some("42501"), "{change}");
    }
}

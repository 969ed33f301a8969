//! Bad input of every kind: a problem document each, never our fault, nothing written.

use bytes::Bytes;
use futures::StreamExt;
use http::Method;
use jiff::Timestamp;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};
use workspace_tests::api::{Answer, Api, answer};
use workspace_tests::market::{Car, step};
use workspace_tests::{MORNING, Platform, Start};

async fn morning() -> (Platform, Api, Timestamp) {
    let platform = Platform::start(Start { clock: Some(MORNING) }).await;
    let api = platform.client("picc-320000").await;
    (platform, api, MORNING.parse().unwrap())
}

async fn send_raw(api: &Api, path: &str, kind: Option<&str>, body: impl Into<Bytes>) -> Answer {
    let mut request = api.request(Method::POST, path).body(body.into());
    if let Some(kind) = kind {
        request = request.header("content-type", kind);
    }
    answer(request.header("idempotency-key", "raw-1")).await.unwrap()
}

/// `message` with the value at `pointer` replaced; parents must exist.
fn with(message: &Value, pointer: &str, value: Value) -> Value {
    let mut message = message.clone();
    let (parent, member) = pointer.rsplit_once('/').unwrap();
    match message.pointer_mut(parent).unwrap() {
        Value::Object(members) => {
            members.insert(member.to_owned(), value);
        }
        Value::Array(items) => items[member.parse::<usize>().unwrap()] = value,
        other => panic!("{parent} is {other}"),
    }
    message
}

#[tokio::test(flavor = "multi_thread")]
async fn unreadable_messages_are_problems_and_write_nothing() {
    let (platform, api, now) = morning().await;
    let database = platform.database().await;
    let before = database.counts().await;
    let message = Car::number(1).message(now);
    let text = message.to_string();
    let json_kind = Some("application/json");
    let twice =
        format!("{{\"region\":\"320000\",{}", text.replacen('{', "\"region\":\"320000\",", 1));
    let mut not_utf8 = text.clone().into_bytes();
    let name = text.find("EA211").unwrap();
    not_utf8[name] = 0xff;
    let unreadable: Vec<(&str, Bytes)> = vec![
        ("nothing", Bytes::new()),
        ("blank", "  \n".into()),
        ("an open object", "{".into()),
        ("half a message", text[..text.len() / 2].to_owned().into()),
        ("two messages", format!("{text}{text}").into()),
        ("an array", "[]".into()),
        ("a string", "\"quote\"".into()),
        ("a number", "1e999".into()),
        ("null", "null".into()),
        ("XML", "<PACKET/>".into()),
        ("form data", "region=320000".into()),
        ("not UTF-8", not_utf8.into()),
        ("UTF-16", [0xff, 0xfe, 0x7b, 0x00, 0x7d, 0x00].as_slice().to_vec().into()),
        ("a raw control character", text.replace("EA211", "EA\u{1}211").into()),
        ("a lone surrogate", text.replace("EA211", "\\ud800").into()),
        ("deep arrays", "[".repeat(200_000).into()),
        ("deep objects", "{\"a\":".repeat(100_000).into()),
        ("an element twice", twice.into()),
        ("a number without end", text.replace(":5,", &format!(":{},", "9".repeat(400))).into()),
    ];
    for (what, body) in unreadable {
        let refused = send_raw(&api, "/v1/quotes", json_kind, body).await;
        assert_eq!((refused.status, &*refused.problem()), (400, "E1000"), "{what}");
        assert_eq!(refused.text_at("/rule"), "S01", "{what}");
        let detail = refused.text_at("/detail");
        assert!(
            !detail.contains("see errors") || !refused.pointers().is_empty(),
            "{what}: {detail}"
        );
    }

    for kind in
        [None, Some("text/plain"), Some("application/xml"), Some("application/jsonp"), Some("\"")]
    {
        let refused = send_raw(&api, "/v1/quotes", kind, text.clone()).await;
        assert_eq!((refused.status, &*refused.problem()), (415, "E1003"), "{kind:?}");
    }

    let ten_megabytes = format!("{{\"region\":\"{}\"}}", "3".repeat(10 << 20));
    let refused = send_raw(&api, "/v1/quotes", json_kind, ten_megabytes).await;
    assert_eq!((refused.status, &*refused.problem()), (413, "E1002"));

    assert_eq!(database.changes(&before).await, Default::default());
}

#[tokio::test(flavor = "multi_thread")]
async fn every_wrong_type_is_named_at_once_by_its_pointer() {
    let (_platform, api, now) = morning().await;
    let mut message = Car::number(1).message(now);
    message = with(&message, "/vehicle/seats", json!("five"));
    message = with(&message, "/vehicle/displacementCc", json!(-1));
    message = with(&message, "/vehicle/newVehicle", json!("yes"));
    message = with(&message, "/vehicle/plate", json!(7));
    message = with(&message, "/owner", json!(["李芳"]));
    message = with(&message, "/compulsory/start", json!(20260303));
    message = with(&message, "/commercial/covers/0/limitAmount", json!(1_000_000));
    message = with(&message, "/driverCount", json!(1.5));
    message =
        with(&message, "/tax", json!({ "receiptYear": 99_999_999_999_u64, "unpaidYears": {} }));
    let refused = api.quote(&message).await;
    assert_eq!((refused.status, &*refused.problem()), (400, "E1000"));
    assert_eq!(
        refused.pointers(),
        [
            "/commercial/covers/0/limitAmount",
            "/compulsory/start",
            "/driverCount",
            "/owner",
            "/tax/receiptYear",
            "/tax/unpaidYears",
            "/vehicle/displacementCc",
            "/vehicle/newVehicle",
            "/vehicle/plate",
            "/vehicle/seats",
        ]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn senseless_values_break_a_rule_each_and_write_nothing() {
    let (platform, api, now) = morning().await;
    let database = platform.database().await;
    let before = database.counts().await;
    let message = Car::number(1).message(now);
    let long = "长".repeat(5_000);
    let many_covers: Vec<Value> =
        vec![json!({ "coverageCode": "M02", "limitAmount": "1.00" }); 5_000];
    let senseless: Vec<(&str, Value, &str)> = vec![
        ("/region", json!("999999"), "F08"),
        ("/region", json!("440300"), "F03"),
        ("/vehicle/frameNo", json!(""), "S02"),
        ("/vehicle/frameNo", json!("LSVAM4187C218484I"), "F12"),
        ("/vehicle/frameNo", json!("LSVAM\u{0}187C2184847"), "F01"),
        ("/vehicle/frameNo", json!(long), ""),
        ("/vehicle/engineNo", json!("EA211\n000001"), "F01"),
        ("/vehicle/engineNo", json!(long), ""),
        ("/vehicle/plate", json!("苏A1\u{0}345"), ""),
        ("/vehicle/plate", json!("XX"), "F17"),
        ("/vehicle/plate", json!(long), ""),
        ("/vehicle/plateKind", json!("77"), ""),
        ("/vehicle/category", json!("??"), "F19"),
        ("/vehicle/usage", json!("999"), "F20"),
        ("/vehicle/fuel", json!("ZZ"), "S02"),
        ("/vehicle/madeOn", json!("20260230"), "F09"),
        ("/vehicle/madeOn", json!("0001-01-01"), "F09"),
        ("/vehicle/firstRegisteredOn", json!("9999-12-31"), "F09"),
        ("/vehicle/firstRegisteredOn", json!("2019-13-01"), "F09"),
        ("/vehicle/transferredOn", json!("昨天"), "F09"),
        ("/vehicle/curbWeightKg", json!("-5"), "F21"),
        ("/vehicle/curbWeightKg", json!("1e3"), "F21"),
        ("/vehicle/curbWeightKg", json!("NaN"), "F21"),
        ("/vehicle/newPrice", json!("-1.00"), "F10"),
        ("/vehicle/newPrice", json!("99999999999999999999999.99"), "F10"),
        ("/vehicle/newPrice", json!("1.001"), "F10"),
        ("/vehicle/newPrice", json!("1,000.00"), "F10"),
        ("/vehicle/modelCode", json!("A\u{0}B"), "F01"),
        ("/vehicle/modelCode", json!(long), ""),
        ("/vehicle/usageReason", json!("\u{0}"), "F01"),
        ("/owner/name", json!("李\u{0}芳"), "F01"),
        ("/owner/name", json!("李\u{7f}芳"), "F01"),
        ("/owner/name", json!("\u{fffd}"), "F01"),
        ("/owner/name", json!(long), ""),
        ("/owner/certificateNo", json!(long), ""),
        ("/owner/certificateNo", json!("110105\u{0}"), ""),
        ("/owner/certificateKind", json!("zz"), ""),
        ("/owner/holder", json!("ghost"), "F23"),
        ("/applicant", Value::Null, "S05"),
        ("/driverCount", json!(65_535), "S05"),
        ("/compulsory/start", json!("2026023000"), "F09"),
        ("/compulsory/start", json!("0001010100"), "F09"),
        ("/compulsory/start", json!("9999123100"), "F09"),
        ("/compulsory/start", json!("9999-12-31T23:59:59Z"), "F09"),
        ("/compulsory/start", json!("-009999-01-01T00:00:00Z"), "F09"),
        ("/compulsory/start", json!("2026030325"), "F09"),
        ("/compulsory/start", json!("2010010100"), "L01"),
        ("/compulsory/start", json!("2190010100"), "L01"),
        ("/compulsory/end", json!("2026030300"), "F09"),
        ("/compulsory/end", json!("2199123124"), "L02"),
        ("/compulsory/shortTerm", json!("whenever"), "L02"),
        ("/compulsory/noFloat", json!(["99"]), "L08"),
        ("/commercial/autonomousCoefficient", json!("0"), "F11"),
        ("/commercial/autonomousCoefficient", json!("9999999999"), "F11"),
        ("/commercial/autonomousCoefficient", json!("99999999999999999999"), "F11"),
        ("/commercial/autonomousCoefficient", json!("..."), "F11"),
        ("/commercial/expenseRatio", json!("1.5"), "F11"),
        ("/commercial/hullDeductible", json!("-2000"), "F10"),
        ("/commercial/covers", json!([]), ""),
        ("/commercial/covers", json!([{}]), "S02"),
        ("/commercial/covers", json!(many_covers), ""),
        ("/commercial/covers/0/coverageCode", json!("M99"), "F26"),
        ("/commercial/covers/0/coverageCode", json!("\u{0}"), "F01"),
        ("/commercial/covers/0/limitAmount", json!("-1000000.00"), "F10"),
        ("/commercial/covers/0/limitAmount", json!("999999999999.99"), ""),
        ("/tax", json!({ "item": "rocket" }), "L27"),
        ("/tax", json!({ "receiptNo": "1", "receiptYear": 2026 }), "L27"),
        ("/tax", json!({ "derateCode": "\u{0}", "derateDocument": "1", "authority": "1" }), "F01"),
        ("/tax", json!({ "unpaidYears": [-32_768, 0, 32_767] }), ""),
        ("/tax", json!({ "unpaidYears": vec![2024; 50_000] }), ""),
        ("/declared", json!({ "compulsoryPremium": "-1" }), "F10"),
        ("/declared", json!({ "ncd": "1e-9" }), "F11"),
        ("/declared", json!({ "accidentCode": "\u{0}" }), "F01"),
    ];
    let mut accepted = Vec::new();
    for (pointer, value, rule) in senseless {
        let refused = api.quote(&with(&message, pointer, value.clone())).await;
        let shown: String = value.to_string().chars().take(40).collect();
        let (parent, _) = pointer.rsplit_once('/').unwrap();
        let holds = refused.status == 422
            && refused.problem() == "E1001"
            && (rule.is_empty() || refused.rules().iter().any(|broken| broken == rule))
            && refused.pointers().iter().any(|at| at.starts_with(parent))
            && refused.bytes.len() < 100_000;
        if !holds {
            accepted.push(format!("{pointer} = {shown} {rule}: {}", short(&refused)));
        }
    }
    assert!(accepted.is_empty(), "{} accepted:\n{}", accepted.len(), accepted.join("\n"));

    // All at once, and all are named.
    let mut all = message.clone();
    for (pointer, value) in [
        ("/vehicle/frameNo", json!("LSVAM4187C218484I")),
        ("/owner/name", json!("")),
        ("/compulsory/start", json!("2026023000")),
        ("/commercial/covers/0/limitAmount", json!("-1")),
    ] {
        all = with(&all, pointer, value);
    }
    let refused = api.quote(&all).await;
    assert_eq!(refused.problem(), "E1001");
    let named = [
        "/commercial/covers/0/limitAmount",
        "/compulsory/start",
        "/owner/name",
        "/vehicle/frameNo",
    ];
    assert_eq!(refused.pointers(), named);

    assert_eq!(database.changes(&before).await, Default::default());
}

/// S06: what nobody reads is told at the first steps of a sale, and by what sees the message last.
#[tokio::test(flavor = "multi_thread")]
async fn an_element_nobody_knows_is_noticed_wherever_it_is_sent() {
    let (_platform, api, now) = morning().await;
    let noticed = |answer: &Value, pointer: &str| {
        let notices = answer["notices"].as_array().cloned().unwrap_or_default();
        let of = |own: &&Value| own["rule"] == "S06" && own["pointer"] == pointer;
        assert_eq!(notices.iter().filter(of).count(), 1, "{answer:#}");
    };
    let message = with(&Car::number(1).message(now), "/vehicle/colour", json!("red"));
    let quoted = api.quote(&message).await.ok(201);
    noticed(&quoted, "/vehicle/colour");
    let query = quoted["queryCode"].as_str().unwrap();
    let odd = json!({ "colour": "red" });
    let frozen = api.post(&step(query, "pre-confirm"), Some("f"), &odd).await.ok(200);
    noticed(&frozen, "/colour");
    let mut money = json!({ "reference": "POS-1", "method": "pos", "amount": frozen["payable"] });
    money["colour"] = json!("red");
    let paid = api.post(&step(query, "payment"), Some("p"), &money).await.ok(200);
    noticed(&paid, "/colour");
    // The same key again is answered as before, notice and all.
    let again = api.post(&step(query, "payment"), Some("p"), &money).await;
    assert!(again.is_replayed());
    noticed(&again.json(), "/colour");
}

fn short(answer: &Answer) -> String {
    answer.text().chars().take(400).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_places_methods_and_headers_are_problems() {
    let (platform, api, now) = morning().await;
    let database = platform.database().await;
    let before = database.counts().await;
    let message = Car::number(1).message(now);

    for path in [
        "/",
        "/v1",
        "/v1/quote",
        "/v2/quotes",
        "/v1/quotes/1/2/3/4",
        "/%2e%2e/etc/passwd",
        "/v1/%00",
    ] {
        let refused = api.post(path, None, &message).await;
        assert_eq!((refused.status, &*refused.problem()), (404, "E1004"), "{path}");
    }
    for method in [Method::PUT, Method::DELETE, Method::PATCH] {
        let refused =
            answer(api.request(method.clone(), "/v1/quotes").json(&message)).await.unwrap();
        assert_eq!((refused.status, &*refused.problem()), (405, "E1005"), "{method}");
    }
    let steps = ["pre-confirm", "pre-confirm/cancel", "payment", "confirm"];
    let numbers: Vec<String> = vec![
        "1".to_owned(),
        "%00".to_owned(),
        "%E6%8A%95".to_owned(),
        "%ff%fe".to_owned(),
        "0".repeat(30),
        "9".repeat(5_000),
        "01PICC320026016560000000000016".to_owned(),
        "02PICC320026016560000000000015".to_owned(),
        "'%20or%201=1--".to_owned(),
    ];
    for number in &numbers {
        for name in steps {
            let refused = api.post(&step(number, name), Some("place-1"), &json!({})).await;
            assert!((400..=422).contains(&refused.status), "{number} {name}: {}", short(&refused));
            refused.problem();
        }
    }

    let path = step("01PICC320026016560000000000015", "pre-confirm");
    let missing = api.post(&path, None, &json!({})).await;
    assert_eq!((missing.status, &*missing.problem()), (400, "E1200"));
    let long = "k".repeat(129);
    for key in [&b""[..], b"   ", b"\xe6\x8a\x95", long.as_bytes(), b"a\tb\xff"] {
        let request = api.request(Method::POST, &path).header("idempotency-key", key);
        let refused = answer(request.json(&json!({}))).await.unwrap();
        assert_eq!((refused.status, &*refused.problem()), (400, "E1000"), "{key:?}");
    }
    let request = api.request(Method::POST, "/v1/quotes").header("x-purpose", b"\xff".as_slice());
    let refused = answer(request.json(&message)).await.unwrap();
    assert_eq!((refused.status, &*refused.problem()), (400, "E1000"));

    assert_eq!(database.changes(&before).await, Default::default());
}

#[tokio::test(flavor = "multi_thread")]
async fn payment_and_confirmation_name_what_is_wrong_and_write_nothing() {
    let (platform, api, now) = morning().await;
    let quoted = api.quote(&Car::number(1).message(now)).await.ok(201);
    let query = quoted["queryCode"].as_str().unwrap();
    api.post(&step(query, "pre-confirm"), Some("p"), &json!({})).await.ok(200);
    let database = platform.database().await;
    let before = database.counts().await;
    let good = json!({ "reference": "POS-1", "amount": quoted["payable"], "method": "pos" });
    let payments = [
        ("/amount", json!("-1.00")),
        ("/amount", json!("0.001")),
        ("/amount", json!("99999999999999999999")),
        ("/amount", Value::Null),
        ("/reference", json!("")),
        ("/reference", json!("r".repeat(65))),
        ("/reference", json!("POS\u{0}1")),
        ("/method", json!("barter")),
        ("/paidAt", json!("20260230")),
        ("/paidAt", json!("2199-01-01T00:00:00Z")),
        ("/payerName", json!("\u{0}")),
        ("/payerName", json!("名".repeat(5_000))),
        ("/payerAccount", json!("\u{1b}[2J")),
    ];
    for (pointer, value) in payments {
        let refused =
            api.post(&step(query, "payment"), Some("m"), &with(&good, pointer, value)).await;
        assert_eq!((refused.status, &*refused.problem()), (422, "E1001"), "{pointer}");
        assert_eq!(refused.pointers(), [pointer], "{}", short(&refused));
    }
    let off = with(&good, "/amount", json!("1.00"));
    let refused = api.post(&step(query, "payment"), Some("m"), &off).await;
    assert_eq!((refused.status, &*refused.problem()), (422, "E2007"));
    let premium = quoted["rating"]["compulsory"]["premium"].clone();
    let confirmation = json!({
        "compulsory": { "policyNo": "P1", "premium": premium },
        "commercial": { "policyNo": "P1", "premium": quoted["rating"]["commercial"]["premium"] },
        "tax": quoted["rating"]["tax"]["total"], "fee": "0.00",
    });
    let refused = api.post(&step(query, "confirm"), Some("c"), &confirmation).await;
    assert_eq!((refused.status, &*refused.problem()), (409, "E2008"));
    let wrong = [
        ("/compulsory/policyNo", json!("")),
        ("/compulsory/policyNo", json!("P\u{0}1")),
        ("/compulsory/policyNo", json!("P".repeat(51))),
        ("/compulsory/premium", json!("-950.00")),
        ("/commercial/premium", Value::Null),
        ("/tax", json!("1.234")),
        ("/fee", json!("-0.01")),
    ];
    for (pointer, value) in wrong {
        let refused = api
            .post(&step(query, "confirm"), Some("c"), &with(&confirmation, pointer, value))
            .await;
        assert_eq!((refused.status, &*refused.problem()), (422, "E1001"), "{pointer}");
        assert_eq!(refused.pointers(), [pointer], "{}", short(&refused));
    }
    assert_eq!(database.changes(&before).await, Default::default());
}

/// Values people, other systems and attackers put where something else belongs.
fn nasty(random: &mut ChaCha8Rng) -> Value {
    let fixed = [
        Value::Null,
        json!(true),
        json!(0),
        json!(-1),
        json!(1.5),
        json!(255),
        json!(65_536),
        json!(u64::MAX),
        json!(i64::MIN),
        json!(1e300),
        json!(""),
        json!(" "),
        json!("0"),
        json!("-0"),
        json!("00"),
        json!("999999999999.99"),
        json!("0.0000000001"),
        json!("79228162514264337593"),
        json!("\u{0}"),
        json!("\u{202e}芳李"),
        json!("'; drop table production.quote; --"),
        json!("<![CDATA["),
        json!("${jndi:ldap://x}"),
        json!("../../etc/passwd"),
        json!("%s%n"),
        json!("20260230"),
        json!("2199-12-31"),
        json!("1900-01-01"),
        json!("2026030300"),
        json!("2199123124"),
        json!("2026-03-03T00:00:00+08:00"),
        json!("2024-02-29"),
        json!("A"),
        json!("M01"),
        json!("X01"),
        json!("N02"),
        json!("11"),
        json!("H1"),
        json!("51"),
        json!("𠮷"),
        json!("Z".repeat(70_000)),
        json!([]),
        json!({}),
        json!([[]]),
        json!([null]),
        json!({ "a": { "b": [] } }),
    ];
    fixed.choose(random).unwrap().clone()
}

fn pointers_of(value: &Value, at: String, into: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                pointers_of(member, format!("{at}/{name}"), into);
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                pointers_of(item, format!("{at}/{index}"), into);
            }
        }
        _ => {}
    }
    if !at.is_empty() {
        into.push(at);
    }
}

/// One to three changes to the values, or one to the text.
fn mutated(message: &Value, random: &mut ChaCha8Rng) -> Bytes {
    let mut changed = message.clone();
    if random.random_range(0..5) > 0 {
        for _ in 0..random.random_range(1..=3) {
            let mut pointers = Vec::new();
            pointers_of(&changed, String::new(), &mut pointers);
            let Some(pointer) = pointers.choose(random) else { break };
            let place = changed.pointer_mut(pointer).unwrap();
            match (random.random_range(0..6), &mut *place) {
                (0, Value::Object(members)) => {
                    let name = members.keys().next().cloned().unwrap_or_default();
                    members.remove(&name);
                }
                (1, Value::Array(items)) if !items.is_empty() => {
                    let first = items[0].clone();
                    items.extend(std::iter::repeat_n(first, 40));
                }
                (2, Value::String(text)) => {
                    let cut = random.random_range(0..=text.chars().count());
                    *text = text.chars().take(cut).collect();
                }
                (3, Value::String(text)) => {
                    let nines = text.chars().map(|c| if c.is_ascii_digit() { '9' } else { c });
                    *text = nines.collect();
                }
                _ => *place = nasty(random),
            }
        }
        return changed.to_string().into();
    }
    let mut bytes = changed.to_string().into_bytes();
    let at = random.random_range(0..bytes.len());
    match random.random_range(0..4) {
        0 => bytes.truncate(at),
        1 => bytes[at] = random.random(),
        2 => bytes.insert(at, random.random()),
        _ => {
            bytes.remove(at);
        }
    }
    bytes.into()
}

/// Full messages: the more is said, the more can be said wrongly.
fn talkative(now: Timestamp) -> Vec<Value> {
    let car = Car::number(7);
    let mut hull = car.message(now);
    hull["commercial"]["covers"] = json!([
        { "coverageCode": "M01", "agreedValue": "80000.00", "deductiblePct": 5 },
        { "coverageCode": "M02", "limitAmount": "3000000.00" },
        { "coverageCode": "M03", "part": "driver", "limitAmount": "10000.00" },
        { "coverageCode": "M03", "part": "passenger", "limitAmount": "10000.00", "seats": 4 },
        { "coverageCode": "X01", "linked": "M01", "deductiblePct": 10, "days": 10, "daily": "100.00" },
    ]);
    hull["tax"] = json!({ "item": "passengerCar", "receiptNo": "R1", "authority": "南京税务",
        "receiptYear": 2026, "unpaidYears": [2025], "paidVariant": true, "refused": false });
    hull["drivers"] = json!([hull["owner"]]);
    hull["driverCount"] = json!(1);
    hull["vehicle"]["newPrice"] = json!("120000.00");
    hull["vehicle"]["transferred"] = json!(true);
    hull["vehicle"]["transferredOn"] = json!("2025-06-01");
    let mut declared = car.message(now);
    declared["declared"] = json!({ "compulsoryBase": "950.00", "compulsoryPremium": "950.00",
        "accidentCode": "E1", "tax": "300.00", "ncd": "1.0", "violation": "1",
        "commercialPremium": "1712.53" });
    declared["compulsory"]["shortTerm"] = json!("regulator");
    declared["compulsory"]["end"] = json!("2026043024");
    declared["compulsory"]["noFloat"] = json!(["07"]);
    let mut truck = car.message(now);
    truck["vehicle"]["category"] = json!("H1");
    truck["vehicle"]["usage"] = json!("420");
    truck["vehicle"]["tonnageT"] = json!("9.9");
    vec![car.message(now), car.compulsory(now), hull, declared, truck]
}

#[tokio::test(flavor = "multi_thread")]
async fn no_mutation_of_a_message_is_ever_our_fault() {
    const SEED: u64 = 20_260_302;
    const QUOTES: usize = 1_000;
    const OTHERS: usize = 200;
    let (platform, api, now) = morning().await;
    let database = platform.database().await;
    database.run("update tenancy.parameter set value = '100000'").await;
    let mut random = ChaCha8Rng::seed_from_u64(SEED);
    let templates = talkative(now);
    let mut calls: Vec<(String, Bytes)> = (0..QUOTES)
        .map(|_| {
            ("/v1/quotes".to_owned(), mutated(templates.choose(&mut random).unwrap(), &mut random))
        })
        .collect();
    let paid = api.paid(&Car::number(8).message(now)).await;
    let fee = json!({ "fee": { "channel": "03", "intermediary": "代理公司", "licenceKind": "2",
        "licenceNo": "L1", "licenceFrom": "20200101", "licenceTo": "20301231", "contractNo": "C1",
        "compulsoryRatio": "0.04", "commercialRatio": "0.10" } });
    let payment = json!({ "reference": "R", "amount": "1.00", "method": "pos",
        "paidAt": "202603020900", "payerName": "李芳", "payerAccount": "6222" });
    for _ in 0..OTHERS {
        for (name, body) in [("pre-confirm", &fee), ("payment", &payment), ("confirm", &paid.echo)]
        {
            calls.push((step(&paid.query, name), mutated(body, &mut random)));
        }
    }
    let faults: Vec<String> = futures::stream::iter(calls.into_iter().enumerate())
        .map(|(index, (path, body))| {
            let api = &api;
            async move {
                let request = api
                    .request(Method::POST, &path)
                    .header("content-type", "application/json")
                    .header("idempotency-key", format!("fuzz-{index}"))
                    .body(body.clone());
                let answered = answer(request).await.unwrap();
                if answered.status >= 400 {
                    answered.problem();
                }
                let ours = answered.status >= 500;
                let sent = String::from_utf8_lossy(&body[..body.len().min(3_000)]).into_owned();
                ours.then(|| format!("{index} {path} {}: {sent}", answered.status))
            }
        })
        .buffer_unordered(8)
        .filter_map(async |fault| fault)
        .collect()
        .await;
    assert!(faults.is_empty(), "seed {SEED}: {} faults\n{}", faults.len(), faults.join("\n"));
    assert!(!platform.log().contains("panicked"), "a call panicked");
}

//! One private car in Jiangsu from its first policy to its last; then three others, two accidents
//! and what they do to the price; between them four insurers that recover from each other and
//! settle; at last a premium that the platform collects, shares out and pays on, raised and given
//! back with its cover.
//!
//! The tables behind the amounts: base premium 950 (private, under 6 seats); float scheme E (−10,
//! −20, −30 percent); no-claim scheme NAT2020 (level −1 0.8, −2 0.7, −3 0.6); vehicle tax 300 a
//! year (above 1.0 to 1.6 litres); expense ratio 25 percent; price 120,000. Pure risk of own damage
//! by the age in whole years: 385.45 + 0.9165 % of the price (0), 366.60 + 0.8710 % (1), 363.35 +
//! 0.8645 % (2 to 5); of third party 1,284.40 for a limit of 1,000,000.

mod accidents;
mod buying;
mod case;
mod claims_renewal;
mod fleet;
mod neighbour;
mod new_car;
mod other_insurer;
mod premium_changes;
mod premium_money;
mod recoveries;
mod renewal;
mod sold;
mod surrendered;

use jiff::Timestamp;
use sandbox::vehicle::VehicleRecord;
use serde_json::{Value, json};

use crate::demo::market::{self, Insurer, Market};
use crate::demo::teller::Teller;

const FRAME: &str = "LFV2A21K1M3004217";
const ENGINE: &str = "EA211M30042";
const PLATE: &str = "苏A8K631";

/// The platform's first instant.
pub(super) fn begin() -> anyhow::Result<Timestamp> {
    market::instant("2021-03-10T09:00")
}

/// What later chapters need of earlier ones.
#[derive(Default)]
struct Past {
    /// Query code of the first quote.
    first_quote: String,
    /// Commercial policy of the third year.
    third_commercial: String,
}

pub(super) async fn walk(market: &mut Market, teller: &mut Teller) -> anyhow::Result<()> {
    let mut past = Past::default();
    new_car::walk(market, teller, &mut past).await?;
    renewal::walk(market, teller).await?;
    let third = other_insurer::walk(market, teller, &mut past).await?;
    let fourth = sold::walk(market, teller, &third).await?;
    neighbour::walk(market, teller).await?;
    surrendered::walk(market, teller, &fourth, &past).await?;
    let mutual = accidents::walk(market, teller).await?;
    claims_renewal::walk(market, teller, &mutual).await?;
    let commercial = premium_money::walk(market, teller).await?;
    premium_changes::walk(market, teller, &commercial).await
}

/// The car as police, model library and tax office know it before it has a plate.
fn on_the_dealers_floor() -> VehicleRecord {
    let made_on = jiff::civil::date(2021, 1, 20);
    VehicleRecord::private_car(FRAME)
        .with_engine(ENGINE)
        .owned_by("张三丰")
        .registered_on(made_on, made_on)
        .not_yet_registered()
}

/// The car with its plate, registered on 18 March 2021.
fn registered() -> VehicleRecord {
    let (made_on, registered_on) = (jiff::civil::date(2021, 1, 20), jiff::civil::date(2021, 3, 18));
    VehicleRecord::private_car(FRAME)
        .with_engine(ENGINE)
        .owned_by("张三丰")
        .plated(PLATE, "02")
        .registered_on(made_on, registered_on)
}

/// The certificates are the examples of GB 11643.
fn first_owner() -> Value {
    json!({ "name": "张三丰", "certificateKind": "01", "certificateNo": "11010519491231002X",
            "mobile": "13800001234" })
}

fn second_owner() -> Value {
    json!({ "name": "李清照", "certificateKind": "01", "certificateNo": "440524188001010014",
            "mobile": "13900005678" })
}

/// The plated car of a quote message.
fn car() -> Value {
    json!({ "frameNo": FRAME, "engineNo": ENGINE, "plate": PLATE, "plateKind": "02",
            "category": "11", "usage": "210", "fuel": "A", "seats": 5, "displacementCc": 1598,
            "curbWeightKg": "1280", "madeOn": "2021-01-20", "firstRegisteredOn": "2021-03-18",
            "newPrice": "120000.00", "modelCode": "BDZ1600FV7160" })
}

/// A quote message for both products with own damage and third party.
fn message(vehicle: Value, owner: &Value, start: &str, autonomous: &str, covers: Value) -> Value {
    json!({
        "vehicle": vehicle, "owner": owner, "applicant": owner, "insured": owner,
        "compulsory": { "start": start },
        "commercial": { "start": start, "autonomousCoefficient": autonomous, "covers": covers },
    })
}

/// Own damage at an agreed value, and third party with a limit.
fn covers(agreed_value: &str, limit: &str) -> Value {
    json!([ { "coverageCode": "M01", "agreedValue": agreed_value },
            { "coverageCode": "M02", "limitAmount": limit } ])
}

/// A policy pair of one insurer.
struct Pair {
    who: Insurer,
    compulsory: String,
    commercial: String,
}

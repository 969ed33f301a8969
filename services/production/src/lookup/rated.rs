//! The vehicle and the covers of a policy as they were rated, for reading back: every element, also
//! those that are empty, where the stored text leaves these out.

use jiff::civil::Date;
use kernel::Fen;
use production_core::cover::{Cover, CoverRequest, Part};
use production_core::vehicle::{Category, EcdemicFlag, Fuel, Usage, VehicleFacts};
use rust_decimal::Decimal;
use serde::Serialize;

/// A vehicle as it was rated.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RatedVehicle {
    category: Category,
    usage: Usage,
    fuel: Fuel,
    plug_in: bool,
    seats: u16,
    tonnage_t: Option<Decimal>,
    curb_weight_kg: Option<Decimal>,
    displacement_cc: Option<u32>,
    power_kw: Option<Decimal>,
    made_on: Option<Date>,
    first_registered_on: Option<Date>,
    invoiced_on: Option<Date>,
    new_vehicle: bool,
    new_price: Option<Fen>,
    model_code: Option<String>,
    imported: bool,
    energy_saving_listed: bool,
    ecdemic: EcdemicFlag,
    side_car: bool,
}

impl From<VehicleFacts> for RatedVehicle {
    fn from(facts: VehicleFacts) -> RatedVehicle {
        RatedVehicle {
            category: facts.category,
            usage: facts.usage,
            fuel: facts.fuel,
            plug_in: facts.plug_in,
            seats: facts.seats,
            tonnage_t: facts.tonnage_t,
            curb_weight_kg: facts.curb_weight_kg,
            displacement_cc: facts.displacement_cc,
            power_kw: facts.power_kw,
            made_on: facts.made_on,
            first_registered_on: facts.first_registered_on,
            invoiced_on: facts.invoiced_on,
            new_vehicle: facts.new_vehicle,
            new_price: facts.new_price,
            model_code: facts.model_code,
            imported: facts.imported,
            energy_saving_listed: facts.energy_saving_listed,
            ecdemic: facts.ecdemic,
            side_car: facts.side_car,
        }
    }
}

/// A commercial cover as it was agreed.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AgreedCover {
    cover: Cover,
    part: Option<Part>,
    limit: Option<Fen>,
    seats: Option<u16>,
    deductible_pct: Option<u8>,
    agreed_value: Option<Fen>,
    days: Option<u16>,
    daily: Option<Fen>,
    linked: Option<Cover>,
    times: Option<u16>,
}

impl From<CoverRequest> for AgreedCover {
    fn from(request: CoverRequest) -> AgreedCover {
        AgreedCover {
            cover: request.cover,
            part: request.part,
            limit: request.limit,
            seats: request.seats,
            deductible_pct: request.deductible_pct,
            agreed_value: request.agreed_value,
            days: request.days,
            daily: request.daily,
            linked: request.linked,
            times: request.times,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_empty_is_shown_too() {
        let facts = VehicleFacts::new(
            Category::parse("11").unwrap(),
            Usage::parse("210").unwrap(),
            Fuel::parse("A").unwrap(),
            5,
        );
        assert_eq!(
            serde_json::to_value(RatedVehicle::from(facts)).unwrap(),
            json!({
                "category": "11", "usage": "210", "fuel": "A", "plugIn": false, "seats": 5,
                "tonnageT": null, "curbWeightKg": null, "displacementCc": null, "powerKw": null,
                "madeOn": null, "firstRegisteredOn": null, "invoicedOn": null,
                "newVehicle": false, "newPrice": null, "modelCode": null, "imported": false,
                "energySavingListed": false, "ecdemic": "0", "sideCar": false
            })
        );
        let cover =
            CoverRequest { limit: Some(Fen(100_000_000)), ..CoverRequest::of(Cover::ThirdParty) };
        assert_eq!(
            serde_json::to_value(AgreedCover::from(cover)).unwrap(),
            json!({
                "cover": "M02", "part": null, "limit": "1000000.00", "seats": null,
                "deductiblePct": null, "agreedValue": null, "days": null, "daily": null,
                "linked": null, "times": null
            })
        );
    }
}

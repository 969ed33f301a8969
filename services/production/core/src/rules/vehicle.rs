//! Rules about the vehicle: F21 and L04, L21 to L26, L28.

use jiff::civil::Date;
use rust_decimal::Decimal;

use crate::cover::Cover;
use crate::region::Region;
use crate::rule::{Findings, RuleId};
use crate::rules::format::field;
use crate::vehicle::{Category, EcdemicFlag, Family, PoliceStatus, Usage, VehicleFacts};

/// F21: seats, load, kerb weight, displacement and power are within what vehicles can have.
pub fn measures(vehicle: &VehicleFacts, at: &str, found: &mut Findings) {
    let mut add = |name: &str, message: &str| found.add(RuleId::F21, field(at, name), message);
    // A trailer carries nobody.
    let least = if vehicle.category.is_trailer() { 0 } else { 1 };
    if !(least..=100).contains(&vehicle.seats) {
        add("seats", "seats are not 1 to 100");
    }
    let within = |value: Option<Decimal>, most: i64| {
        value.is_none_or(|value| Decimal::ZERO <= value && value <= Decimal::from(most))
    };
    let decimals = vehicle.tonnage_t.map_or(0, |tonnes| tonnes.normalize().scale());
    if !within(vehicle.tonnage_t, 200) || decimals > 3 {
        add("tonnageT", "load is not 0 to 200 tonnes with at most 3 decimals");
    }
    if vehicle.displacement_cc.is_some_and(|cc| cc > 20_000) {
        add("displacementCc", "displacement is not 0 to 20000 cc");
    }
    if !within(vehicle.power_kw, 2_000) {
        add("powerKw", "power is not 0 to 2000 kW");
    }
    if vehicle.curb_weight_kg.is_some_and(|weight| weight <= Decimal::ZERO) {
        add("curbWeightKg", "kerb weight is not above 0 kg");
    }
}

/// L04: a trailer has no compulsory cover; the towing vehicle's covers it.
pub fn trailer(vehicle: &VehicleFacts, covers: &[Cover], at: &str, found: &mut Findings) {
    if vehicle.category.is_trailer() && covers.contains(&Cover::Compulsory) {
        let message = "a trailer takes no compulsory cover; leave A02 out";
        found.add(RuleId::L04, field(at, "category"), message);
    }
}

/// L21: the category agrees with seats, load, displacement and power.
pub fn category(vehicle: &VehicleFacts, at: &str, found: &mut Findings) {
    let category = vehicle.category;
    let mut add = |name: &str, needs: String| {
        let message = format!(
            "category {} ({}) needs {needs}; correct the category or the figure",
            category.code(),
            category.name_en()
        );
        found.add(RuleId::L21, field(at, name), message);
    };
    if let Some((from, to)) =
        category.seats().filter(|(from, to)| !(*from..*to).contains(&vehicle.seats))
    {
        add("seats", format!("{from} to {} seats", to.saturating_sub(1)));
    }
    if let Some((from, to)) = category.tonnes() {
        match vehicle.tonnage_t {
            Some(load) if Decimal::from(from) <= load && load < Decimal::from(to) => {}
            _ => add("tonnageT", format!("a load from {from} to below {to} t")),
        }
    }
    if let Some((above, to)) = displacement(category) {
        let side_car = vehicle.side_car && category == Category::MotorcycleOver250;
        match vehicle.displacement_cc {
            _ if side_car => {}
            Some(cc) if above < cc && cc <= to => {}
            // An electric motorcycle has no displacement: it counts as the smallest class.
            None | Some(0) if above == 0 && vehicle.is_new_energy() => {}
            _ => add("displacementCc", format!("a displacement above {above} and up to {to} cc")),
        }
    }
    if vehicle.side_car && category != Category::MotorcycleOver250 {
        add("sideCar", "no side-car, which makes it category 73".to_owned());
    }
    let limit = Decimal::new(147, 1);
    let small = matches!(category, Category::DualTractorTo14 | Category::HaulTractorTo14);
    if category.family() == Family::Tractor {
        match vehicle.power_kw {
            Some(kw) if (kw <= limit) == small => {}
            _ => {
                add("powerKw", format!("a power {} 14.7 kW", if small { "up to" } else { "above" }))
            }
        }
    }
}

/// Displacement `(above, to]` in cc a motorcycle category stands for.
fn displacement(category: Category) -> Option<(u32, u32)> {
    match category {
        Category::MotorcycleTo50 => Some((0, 50)),
        Category::Motorcycle50To250 => Some((50, 250)),
        Category::MotorcycleOver250 => Some((250, 20_000)),
        _ => None,
    }
}

/// L22: the use agrees with the category.
pub fn usage(vehicle: &VehicleFacts, at: &str, found: &mut Findings) {
    let VehicleFacts { category, usage, .. } = *vehicle;
    let family = category.family();
    let plain_truck = matches!(
        category,
        Category::TruckUnder2
            | Category::Truck2To5
            | Category::Truck5To10
            | Category::Truck10AndOver
    );
    let slow = matches!(
        category,
        Category::LowSpeedTruck | Category::ThreeWheeler | Category::BeijingLowSpeed
    );
    let agrees = match usage {
        Usage::TaxiRental | Usage::RideHailing => family == Family::Bus,
        Usage::CityBus | Usage::Coach => {
            family == Family::Bus && category != Category::BusUnder6 && vehicle.seats >= 6
        }
        Usage::PrivateFamily | Usage::Enterprise | Usage::Government => {
            family == Family::Bus || family == Family::Motorcycle
        }
        // Rate tables file low-speed and three-wheeled trucks under the truck uses too.
        Usage::CommercialTruck | Usage::NonCommercialTruck => plain_truck || slow,
        Usage::CommercialTrailer | Usage::NonCommercialTrailer => category.is_trailer(),
        Usage::DualTractor => {
            matches!(category, Category::DualTractorTo14 | Category::DualTractorOver14)
        }
        Usage::HaulTractor => {
            matches!(category, Category::HaulTractorTo14 | Category::HaulTractorOver14)
        }
        Usage::Undistinguished | Usage::Commercial | Usage::NonCommercial => {
            family != Family::Tractor
        }
    };
    if !agrees {
        let message = format!(
            "use {} ({}) does not go with category {} ({}); correct one of them",
            usage.code(),
            usage.name_en(),
            category.code(),
            category.name_en()
        );
        found.add(RuleId::L22, field(at, "usage"), message);
    }
}

/// L23: the use differs from the one the police registered; allowed with a reason.
pub fn registered_usage(
    vehicle: &VehicleFacts,
    registered: Option<Usage>,
    reason: Option<&str>,
    at: &str,
    found: &mut Findings,
) {
    let reasoned = reason.is_some_and(|reason| !reason.trim().is_empty());
    let rated = |usage: Usage| usage.rated_as();
    if let Some(registered) = registered.filter(|&usage| rated(usage) != rated(vehicle.usage)) {
        let message = format!(
            "use {} differs from {} ({}) in the police register{}",
            vehicle.usage.code(),
            registered.code(),
            registered.name_en(),
            if reasoned { "" } else { "; correct it or give the reason" },
        );
        found.add(RuleId::L23, field(at, "usage"), message);
    }
}

/// L24: what the police say of the vehicle. Stolen or struck off rejects; at rest or held warns.
pub fn police_status(status: PoliceStatus, at: &str, found: &mut Findings) {
    let says = || format!("police register says {} ({})", status.name_en(), status.code());
    match status {
        PoliceStatus::Stolen
        | PoliceStatus::Deregistered
        | PoliceStatus::ForcedDeregistered
        | PoliceStatus::Scrapped => {
            found.add(RuleId::L24, at, format!("{}; it cannot be insured", says()));
        }
        PoliceStatus::Suspended | PoliceStatus::Sealed | PoliceStatus::Impounded => {
            found.warn(RuleId::L24, at, says());
        }
        _ => {}
    }
}

/// L25: made, then registered, then insured; only a new vehicle is unregistered.
pub fn dates(vehicle: &VehicleFacts, starts_on: Date, at: &str, found: &mut Findings) {
    let mut add = |name: &str, message: &str| found.add(RuleId::L25, field(at, name), message);
    match (vehicle.made_on, vehicle.first_registered_on) {
        (Some(made), Some(registered)) if made > registered => {
            add("madeOn", "vehicle was registered before it was made; correct one of the dates");
        }
        (Some(made), None) if made > starts_on => {
            add("madeOn", "vehicle is made after cover starts; correct one of the dates");
        }
        _ => {}
    }
    match vehicle.first_registered_on {
        Some(registered) if registered > starts_on => {
            add("firstRegisteredOn", "vehicle is registered after cover starts; correct the date");
        }
        None if !vehicle.new_vehicle => add(
            "firstRegisteredOn",
            "first registration is empty; send it, or set the new-vehicle flag",
        ),
        _ => {}
    }
}

/// Who owned the vehicle under its last policy, and what the message says of a transfer.
#[derive(Clone, Copy, Debug)]
pub struct Ownership<'a> {
    /// Owner in this message.
    pub owner: &'a str,
    /// Owner under the previous policy, if there was one.
    pub previous: Option<&'a str>,
    /// The message says the vehicle changed hands.
    pub transferred: bool,
    /// When, if it says so.
    pub transferred_on: Option<Date>,
}

/// L26: another owner than before warns without the transfer flag; with it a date is mandatory.
///
/// That the no-claim level starts at 0 after a transfer is rating's to apply.
pub fn ownership(ownership: Ownership<'_>, at: &str, found: &mut Findings) {
    let Ownership { owner, previous, transferred, transferred_on } = ownership;
    let same = |previous: &str| previous.trim() == owner.trim();
    if transferred && transferred_on.is_none() {
        let message = "transfer flag comes without a transfer date; send the date";
        found.add(RuleId::L26, field(at, "transferredOn"), message);
    } else if !transferred && previous.is_some_and(|previous| !same(previous)) {
        let message =
            "01: owner differs from the previous policy; set the transfer flag if it changed hands";
        found.add(RuleId::L26, field(at, "owner"), message);
    }
}

/// L28: a vehicle registered elsewhere is taxed where it is registered; the flag must agree.
///
/// `registered_in` is the region its plate or registration shows.
pub fn ecdemic(
    vehicle: &VehicleFacts,
    registered_in: Option<Region>,
    region: Region,
    at: &str,
    found: &mut Findings,
) {
    let Some(registered) = registered_in else { return };
    let local = registered.province() == region.province();
    let message = match vehicle.ecdemic {
        EcdemicFlag::Local if !local => format!(
            "vehicle is registered in {}; set the ecdemic flag to 1, its tax belongs there",
            registered.name_en()
        ),
        EcdemicFlag::OtherProvince if local => {
            "vehicle is registered in this province; set the ecdemic flag to 0".to_owned()
        }
        EcdemicFlag::OtherProvince => {
            format!("vehicle tax belongs to {}", registered.name_en())
        }
        EcdemicFlag::Local | EcdemicFlag::HongKongMacao => return,
    };
    found.add(RuleId::L28, field(at, "ecdemic"), message);
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;
    use crate::rules::probe::{broken, rejected};
    use crate::vehicle::Fuel;

    fn vehicle(category: &str, usage: &str, seats: u16) -> VehicleFacts {
        let (category, usage) = (Category::parse(category).unwrap(), Usage::parse(usage).unwrap());
        VehicleFacts::new(category, usage, Fuel::Petrol, seats)
    }

    fn tonnes(text: &str) -> Option<Decimal> {
        Some(text.parse().unwrap())
    }

    #[test]
    fn f21_measures_are_within_what_vehicles_have() {
        let car = || vehicle("11", "210", 5);
        let judge = |facts: VehicleFacts| broken(|found| measures(&facts, "/vehicle", found));
        assert!(judge(car()).is_empty());
        let bad = [
            VehicleFacts { seats: 0, ..car() },
            VehicleFacts { seats: 101, ..car() },
            VehicleFacts { tonnage_t: tonnes("200.1"), ..car() },
            VehicleFacts { tonnage_t: tonnes("1.2345"), ..car() },
            VehicleFacts { displacement_cc: Some(20_001), ..car() },
            VehicleFacts { power_kw: tonnes("2001"), ..car() },
            VehicleFacts { curb_weight_kg: tonnes("0"), ..car() },
        ];
        for facts in bad {
            assert_eq!(judge(facts.clone()), ["F21"], "{facts:?}");
        }
        let all = VehicleFacts { seats: 0, displacement_cc: Some(90_000), ..car() };
        assert_eq!(judge(all), ["F21", "F21"], "all faults at once");
        assert!(judge(VehicleFacts { seats: 0, ..vehicle("25", "106", 0) }).is_empty());
    }

    #[test]
    fn l04_trailers_take_no_compulsory_cover() {
        for code in ["25", "26", "27", "28", "31", "41", "51"] {
            let facts = vehicle(code, "106", 0);
            let judge = |covers: &[Cover]| broken(|found| trailer(&facts, covers, "", found));
            assert_eq!(judge(&[Cover::Compulsory]), ["L04"], "{code}");
            assert!(judge(&[Cover::ThirdParty]).is_empty());
        }
        let car = vehicle("11", "210", 5);
        assert!(broken(|found| trailer(&car, &[Cover::Compulsory], "", found)).is_empty());
    }

    #[test]
    fn l21_categories_agree_with_figures() {
        let judge = |facts: &VehicleFacts| broken(|found| category(facts, "/vehicle", found));
        let ok = |facts: VehicleFacts| assert!(judge(&facts).is_empty(), "{facts:?}");
        let bad = |facts: VehicleFacts| assert_eq!(judge(&facts), ["L21"], "{facts:?}");
        ok(vehicle("11", "210", 5));
        bad(vehicle("11", "210", 6));
        ok(vehicle("12", "210", 6));
        bad(vehicle("12", "210", 10));
        let truck =
            |code, load: &str| VehicleFacts { tonnage_t: tonnes(load), ..vehicle(code, "104", 2) };
        ok(truck("21", "1.999"));
        bad(truck("21", "2"));
        bad(vehicle("21", "104", 2));
        let motorcycle =
            |code, cc| VehicleFacts { displacement_cc: Some(cc), ..vehicle(code, "200", 2) };
        ok(motorcycle("71", 50));
        bad(motorcycle("71", 51));
        ok(motorcycle("72", 250));
        bad(motorcycle("73", 250));
        ok(VehicleFacts { side_car: true, ..motorcycle("73", 125) });
        bad(VehicleFacts { side_car: true, ..motorcycle("72", 125) });
        ok(VehicleFacts { fuel: Fuel::Electric, ..vehicle("71", "200", 2) });
        let tractor =
            |code, kw: &str| VehicleFacts { power_kw: tonnes(kw), ..vehicle(code, "310", 1) };
        ok(tractor("81", "14.7"));
        bad(tractor("81", "14.71"));
        ok(tractor("82", "14.71"));
        bad(vehicle("92", "320", 1));
    }

    #[test]
    fn l22_uses_agree_with_categories() {
        let judge = |code, use_code, seats| {
            broken(|found| usage(&vehicle(code, use_code, seats), "/vehicle", found))
        };
        for (code, use_code, seats) in [
            ("11", "101", 5),
            ("11", "101N", 5),
            ("12", "102", 8),
            ("11", "210", 5),
            ("21", "104", 2),
            ("94", "240", 1),
            ("25", "106", 0),
            ("81", "310", 1),
            ("91", "320", 1),
            ("30", "100", 2),
            ("71", "200", 2),
            ("15", "220", 40),
        ] {
            assert!(judge(code, use_code, seats).is_empty(), "{code} {use_code}");
        }
        for (code, use_code, seats) in [
            ("21", "101", 2),
            ("11", "104", 5),
            ("11", "102", 5),
            ("11", "103", 5),
            ("11", "310", 5),
            ("81", "320", 1),
            ("91", "200", 1),
            ("21", "210", 2),
            ("11", "250", 5),
        ] {
            assert_eq!(judge(code, use_code, seats), ["L22"], "{code} {use_code}");
        }
    }

    #[test]
    fn l23_a_use_unlike_the_registered_one_warns() {
        let facts = vehicle("11", "210", 5);
        let judge = |registered, reason| {
            broken(|found| registered_usage(&facts, registered, reason, "", found))
        };
        assert!(judge(Some(Usage::PrivateFamily), None).is_empty() && judge(None, None).is_empty());
        assert_eq!(judge(Some(Usage::TaxiRental), None), ["L23"]);
        assert_eq!(judge(Some(Usage::TaxiRental), Some("changed on 1 June")), ["L23"]);
        let taxi = vehicle("11", "101N", 5);
        assert!(
            broken(|found| registered_usage(&taxi, Some(Usage::TaxiRental), None, "", found))
                .is_empty()
        );
    }

    #[test]
    fn l24_the_police_status_rejects_or_warns() {
        let judge = |code: &str| {
            let status = PoliceStatus::parse(code).unwrap();
            let any = broken(|found| police_status(status, "", found)).len();
            (any, rejected(|found| police_status(status, "", found)).len())
        };
        for code in ["C", "E", "M", "P"] {
            assert_eq!(judge(code), (1, 1), "{code}");
        }
        for code in ["D", "K", "L"] {
            assert_eq!(judge(code), (1, 0), "{code}");
        }
        for code in ["A", "B", "G", "H", "I", "J", "N", "O", "Q"] {
            assert_eq!(judge(code), (0, 0), "{code}");
        }
    }

    #[test]
    fn l25_dates_follow_each_other() {
        let starts = date(2025, 3, 1);
        let judge = |made, registered, new_vehicle| {
            let facts = VehicleFacts {
                made_on: made,
                first_registered_on: registered,
                new_vehicle,
                ..vehicle("11", "210", 5)
            };
            broken(|found| dates(&facts, starts, "", found))
        };
        let (early, mid, late) = (date(2020, 1, 1), date(2021, 1, 1), date(2025, 3, 2));
        assert!(judge(Some(early), Some(mid), false).is_empty());
        assert!(judge(Some(early), None, true).is_empty());
        assert_eq!(judge(Some(mid), Some(early), false), ["L25"]);
        assert_eq!(judge(Some(early), Some(late), false), ["L25"]);
        assert_eq!(judge(Some(late), None, true), ["L25"]);
        assert_eq!(judge(Some(early), None, false), ["L25"]);
    }

    #[test]
    fn l26_a_new_owner_needs_the_transfer_flag_and_its_date() {
        let judge = |owner, previous, transferred, on| {
            let facts = Ownership { owner, previous, transferred, transferred_on: on };
            broken(|found| ownership(facts, "", found))
        };
        assert!(judge("张三", Some("张三 "), false, None).is_empty());
        assert!(judge("张三", None, false, None).is_empty());
        assert_eq!(judge("张三", Some("李四"), false, None), ["L26"]);
        assert_eq!(judge("张三", Some("李四"), true, None), ["L26"]);
        assert!(judge("张三", Some("李四"), true, Some(date(2025, 1, 1))).is_empty());
    }

    #[test]
    fn l28_tax_follows_the_registration() {
        let judge = |flag, registered| {
            let facts = VehicleFacts { ecdemic: flag, ..vehicle("11", "210", 5) };
            broken(|found| ecdemic(&facts, registered, Region::Guangdong, "", found))
        };
        assert!(judge(EcdemicFlag::Local, Some(Region::Shenzhen)).is_empty());
        assert!(judge(EcdemicFlag::Local, None).is_empty());
        assert_eq!(judge(EcdemicFlag::Local, Some(Region::Hunan)), ["L28"]);
        assert_eq!(judge(EcdemicFlag::OtherProvince, Some(Region::Hunan)), ["L28"]);
        assert_eq!(judge(EcdemicFlag::OtherProvince, Some(Region::Guangdong)), ["L28"]);
    }
}

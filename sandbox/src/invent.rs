//! Vehicles nobody loaded: invented from a stable hash of what was asked.
//!
//! The same VIN gives the same vehicle for ever, on every machine. An invented vehicle is a private
//! car of the catalogue, battery electric behind a new-energy plate; its status is `A`, for one in
//! sixteen a warning (`G`, `I` or `Q`), never one that forbids insuring; one year in eight has one
//! violation. It has no tax records: nothing paid, nothing owed, no relief.

use jiff::civil::Date;
use jiff::{Span, Timestamp};

use crate::models::Model;
use crate::vehicle::{Misdeed, Plate, VehicleRecord, Violation};

const SURNAMES: [&str; 8] = ["王", "李", "张", "刘", "陈", "杨", "赵", "黄"];
const GIVEN_NAMES: [&str; 8] = ["伟", "芳", "建国", "秀英", "强", "丽华", "志明", "晓燕"];
const MISDEEDS: [Misdeed; 4] =
    [Misdeed::General, Misdeed::General, Misdeed::RedLight, Misdeed::SpeedingUnder50];
/// What a VIN may consist of; neither I, O nor Q.
const VIN_LETTERS: &[u8] = b"ABCDEFGHJKLMNPRSTUVWXYZ0123456789";

/// The vehicle behind `vin`, wearing `plate` when that was asked too.
pub(crate) fn vehicle(vin: &str, plate: Option<&Plate>, catalogue: &[Model]) -> VehicleRecord {
    let electric = plate.is_some_and(|plate| matches!(plate.kind.as_str(), "51" | "52"));
    let model = model(vin, electric, catalogue);
    let first_registered_on = Date::constant(2014, 1, 1) + days(seed(vin, "registered") % 3_650);
    let status = match seed(vin, "status") % 48 {
        0 => "G",
        1 => "I",
        2 => "Q",
        _ => "A",
    };
    let mut car = VehicleRecord::private_car(vin)
        .owned_by(&name(vin))
        .with_engine(&format!("E{:09}", seed(vin, "engine") % 1_000_000_000))
        .registered_on(first_registered_on - days(45), first_registered_on)
        .in_status(status);
    if let Some(model) = model {
        car = car.of_model(model);
    }
    car.plate = Some(plate.cloned().unwrap_or_else(|| made_up_plate(vin)));
    car.last_checked_on = Some(first_registered_on + days(730));
    car.violations = violations(vin, first_registered_on.year());
    car
}

/// The models a VIN may stand for, likeliest first; the first nine characters (maker and type)
/// decide.
pub(crate) fn candidates<'a>(vin: &str, catalogue: &'a [Model]) -> Vec<&'a Model> {
    let first = model(vin, false, catalogue);
    let sibling = |model: &&Model| first.is_some_and(|first| first.series == model.series);
    let others = catalogue
        .iter()
        .filter(sibling)
        .filter(|model| Some(model.code.as_str()) != first.map(|first| first.code.as_str()));
    first.into_iter().chain(others).collect()
}

/// The VIN behind a plate.
pub(crate) fn vin_behind(plate: &Plate) -> String {
    let key = format!("{}/{}", plate.number, plate.kind);
    let mut state = seed(&key, "vin");
    let serial = format!("{:06}", seed(&key, "serial") % 1_000_000);
    let body = (0..8).map(|_| {
        let letter = VIN_LETTERS[usize::try_from(state % 33).unwrap_or(0)];
        state /= 33;
        char::from(letter)
    });
    let vin: String = "LSV".chars().chain(body).chain(serial.chars()).collect();
    with_check_digit(&vin)
}

fn with_check_digit(vin: &str) -> String {
    const WEIGHTS: [u32; 17] = [8, 7, 6, 5, 4, 3, 2, 10, 0, 9, 8, 7, 6, 5, 4, 3, 2];
    let value = |letter: char| match letter {
        'A'..='H' => u32::from(letter) - u32::from('A') + 1,
        'J'..='R' => u32::from(letter) - u32::from('J') + 1,
        'S'..='Z' => u32::from(letter) - u32::from('S') + 2,
        _ => letter.to_digit(10).unwrap_or(0),
    };
    let sum: u32 = vin.chars().zip(WEIGHTS).map(|(letter, weight)| value(letter) * weight).sum();
    let check = if sum % 11 == 10 { 'X' } else { char::from_digit(sum % 11, 10).unwrap_or('0') };
    let (head, tail) = vin.split_at(8);
    format!("{head}{check}{}", &tail[1..])
}

fn model<'a>(vin: &str, electric: bool, catalogue: &'a [Model]) -> Option<&'a Model> {
    let kind: String = vin.chars().take(9).collect();
    let fuel = if electric { "C" } else { "A" };
    let fits = |model: &&Model| model.fuel == fuel && model.seats < 6 && model.load_kg.is_none();
    let count = catalogue.iter().filter(fits).count().max(1);
    let at = usize::try_from(seed(&kind, "model")).unwrap_or(0) % count;
    catalogue.iter().filter(fits).nth(at)
}

fn name(vin: &str) -> String {
    let pick =
        |list: &[&'static str; 8], salt| list[usize::try_from(seed(vin, salt) % 8).unwrap_or(0)];
    format!("{}{}", pick(&SURNAMES, "surname"), pick(&GIVEN_NAMES, "given name"))
}

fn made_up_plate(vin: &str) -> Plate {
    Plate::new(format!("京A{:05}", seed(vin, "plate") % 100_000), "02")
}

fn violations(vin: &str, first_year: i16) -> Vec<Violation> {
    (first_year..=2040).filter_map(|year| violation(vin, year)).collect()
}

fn violation(vin: &str, year: i16) -> Option<Violation> {
    let chance = seed(vin, &format!("violation {year}"));
    if !chance.is_multiple_of(8) {
        return None;
    }
    let day = Date::new(year, 1, 1).ok()? + days(chance / 8 % 365);
    let at: Timestamp = kernel::time::instant_of(day.at(9, 30, 0, 0))?;
    Some(Violation {
        violation_no: format!("WF{year}{:08}", chance % 100_000_000),
        kind: MISDEEDS[usize::try_from(chance / 4_096 % 4).unwrap_or(0)],
        at,
        place: "建设路".into(),
        decided_at: Some(at),
    })
}

fn days(count: u64) -> Span {
    Span::new().days(i64::try_from(count).unwrap_or(0))
}

/// FNV-1a over the key and a salt, stirred by the finaliser of SplitMix64. Stable for ever.
pub(crate) fn seed(key: &str, salt: &str) -> u64 {
    let bytes = key.bytes().chain([0]).chain(salt.bytes());
    let hash = bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    let hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    hash ^ (hash >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_vin_is_the_same_vehicle() {
        let catalogue = crate::models::catalogue();
        let first = vehicle("LSVAM4187C2184847", None, &catalogue);
        assert_eq!(first, vehicle("LSVAM4187C2184847", None, &catalogue));
        assert_ne!(first.engine_no, vehicle("LSVAM4187C2184848", None, &catalogue).engine_no);
    }

    #[test]
    fn the_vin_behind_a_plate_is_well_formed() {
        for number in 0..200 {
            let vin = vin_behind(&Plate::new(format!("京A{number:05}"), "02"));
            assert_eq!(vin.len(), 17, "{vin}");
            assert_eq!(with_check_digit(&vin), vin);
        }
        assert_eq!(with_check_digit("1M8GDM9A_KP042788"), "1M8GDM9AXKP042788");
    }

    #[test]
    fn an_invented_vehicle_may_always_be_insured() {
        let catalogue = crate::models::catalogue();
        let cars: Vec<VehicleRecord> = (0..500)
            .map(|number| vehicle(&format!("LSVAM4187C2{number:06}"), None, &catalogue))
            .collect();
        assert!(cars.iter().all(|car| ["A", "G", "I", "Q"].contains(&car.status.as_str())));
        let violations: usize = cars.iter().map(|car| car.violations.len()).sum();
        assert!((500..2_000).contains(&violations), "{violations}");
    }
}

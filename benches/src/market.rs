//! The vehicles of the benchmark: everything about one follows from its number.

use anyhow::Context;
use jiff::civil::Date;
use jiff::{Timestamp, ToSpan};
use kernel::time;
use production_core::frame::{CheckDigit, FrameForm, FrameNo};
use production_core::insurer::InsurerCode;
use production_core::plate::{Plate, PlateKind};
use production_core::region::Region;

/// The insurers of the sandbox.
pub const INSURERS: [&str; 3] = ["PICC", "PAIC", "CPIC"];
/// The branch regions of the sandbox, with the beginning of their plates.
pub const REGIONS: [(&str, &str); 3] = [("110000", "京A"), ("320000", "苏A"), ("440300", "粤B")];
/// A model of the sandbox's library.
pub const MODEL: &str = "BDZ1600FV7160";

/// One vehicle.
#[derive(Clone, Debug)]
pub struct Vehicle {
    /// Its number among the vehicles.
    pub number: u32,
    /// 车架号, with a right check digit.
    pub frame: FrameNo,
    /// 号牌.
    pub plate: Plate,
    /// 发动机号.
    pub engine_no: String,
    /// Place of its branch in [`REGIONS`].
    pub region: usize,
    /// Owner's name.
    pub owner: String,
    /// Owner's resident identity number.
    pub certificate: String,
}

impl Vehicle {
    /// The vehicle with this number, below a million.
    pub fn of(number: u32) -> anyhow::Result<Vehicle> {
        let region = number as usize % REGIONS.len();
        let vin = format!("LSVAM4180C2{number:06}");
        let frame = FrameNo::parse(&vin, FrameForm::VinOnly)?;
        let frame = match frame.check_digit() {
            CheckDigit::Wrong { expected } => {
                let vin = format!("LSVAM418{expected}C2{number:06}");
                FrameNo::parse(&vin, FrameForm::VinOnly)?
            }
            CheckDigit::Right | CheckDigit::NotApplicable => frame,
        };
        let plate = format!("{}{:05}", REGIONS[region].1, 10_000 + number / 3);
        Ok(Vehicle {
            number,
            frame,
            plate: Plate::parse(&plate, PlateKind::parse("02")?)?,
            engine_no: format!("EA211{number:06}"),
            region,
            owner: owner(number),
            certificate: certificate(number),
        })
    }

    /// The branch region.
    pub fn branch(&self) -> anyhow::Result<Region> {
        Ok(Region::parse(REGIONS[self.region].0)?)
    }

    /// Who insured it in a year of its history.
    pub fn insurer(&self, year: u32) -> anyhow::Result<InsurerCode> {
        Ok(InsurerCode::parse(INSURERS[((self.number / 3 + year) % 3) as usize])?)
    }

    /// The day its last policy ends and the next may begin, counted from the day of the seed.
    pub fn renewal(&self, seeded_on: Date) -> Date {
        seeded_on.saturating_add(i64::from(5 + self.number % 30).days())
    }

    /// A whole quote message: compulsory cover and tax, own damage, third party of a million,
    /// driver.
    pub fn message(&self, seeded_on: Date) -> String {
        let start = self.renewal(seeded_on).strftime("%Y%m%d00");
        let party = format!(
            r#"{{"name":"{}","certificateKind":"01","certificateNo":"{}","mobile":"138{:08}"}}"#,
            self.owner, self.certificate, self.number
        );
        format!(
            r#"{{"vehicle":{{"frameNo":"{}","engineNo":"{}","plate":"{}","plateKind":"02","category":"11","usage":"210","fuel":"A","seats":5,"curbWeightKg":"1280","displacementCc":1598,"powerKw":"81","madeOn":"2019-12-01","firstRegisteredOn":"2020-01-15","newPrice":"120000.00","modelCode":"{MODEL}"}},"owner":{party},"applicant":{party},"insured":{party},"compulsory":{{"start":"{start}"}},"commercial":{{"start":"{start}","autonomousCoefficient":"1.00","covers":[{{"coverageCode":"M01","agreedValue":"60000.00"}},{{"coverageCode":"M02","limitAmount":"1000000.00"}},{{"coverageCode":"M03","part":"driver","limitAmount":"10000.00"}}]}}}}"#,
            self.frame.as_str(),
            self.engine_no,
            self.plate.number(),
        )
    }
}

/// Midnight in China.
pub fn midnight(day: Date) -> anyhow::Result<Timestamp> {
    time::start_of(day).context("midnight of no calendar")
}

fn owner(number: u32) -> String {
    const FAMILY: [char; 8] = ['王', '李', '张', '刘', '陈', '杨', '赵', '黄'];
    const GIVEN: [char; 16] = [
        '伟', '芳', '娜', '敏', '静', '丽', '强', '磊', '军', '洋', '勇', '艳', '杰', '娟', '涛',
        '明',
    ];
    let family = FAMILY[number as usize % 8];
    let given = GIVEN[number as usize / 8 % 16];
    let second = GIVEN[number as usize / 128 % 16];
    format!("{family}{given}{second}")
}

/// A resident identity number with its check character (GB 11643).
fn certificate(number: u32) -> String {
    const WEIGHTS: [u32; 17] = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2];
    let (serial, rest) = (number % 1000, number / 1000);
    let (day, rest) = (1 + rest % 28, rest / 28);
    let text = format!("110105{}{:02}{day:02}{serial:03}", 1970, 1 + rest % 12);
    let sum: u32 = text.bytes().zip(WEIGHTS).map(|(digit, by)| u32::from(digit - b'0') * by).sum();
    let check = b"10X98765432"[(sum % 11) as usize];
    format!("{text}{}", char::from(check))
}

#[cfg(test)]
mod tests {
    use production_core::party::{Certificate, CertificateKind};

    use super::*;

    #[test]
    fn every_number_names_a_valid_vehicle_of_its_own() {
        for number in [0, 1, 2, 99_999, 199_999] {
            let vehicle = Vehicle::of(number).unwrap();
            assert_eq!(vehicle.frame.check_digit(), CheckDigit::Right);
            assert_eq!(vehicle.plate.region(), Some(vehicle.branch().unwrap()));
            Certificate::parse(CertificateKind::ResidentId, &vehicle.certificate).unwrap();
        }
    }
}

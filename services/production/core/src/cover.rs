//! Covers: compulsory cover and the commercial model clauses of 2020 and 2021.
//!
//! One request is one cover for one part and one link. Occupants' liability is asked for twice,
//! once for the driver and once for the passengers, because limits, seats and rates differ; a
//! clause that hangs on a main cover (absolute deductible, mental distress, non-medicare) names
//! it in `linked` and, on occupants, names the part too.

use kernel::Fen;
use serde::{Deserialize, Serialize};

use crate::coded_enum;
use crate::history::PolicyClass;

coded_enum! {
    /// A cover by its code: `A02` of the platform list, the rest of the model clauses.
    ///
    /// Source: `tariffs/coverage_codes.csv`.
    pub enum Cover ("coverage code") {
        Compulsory = "A02", "机动车交通事故责任强制保险", "compulsory third-party (CI)";
        Hull = "M01", "机动车损失保险", "own damage";
        ThirdParty = "M02", "机动车第三者责任保险", "third-party liability";
        Occupants = "M03", "机动车车上人员责任保险", "occupants liability";
        AbsoluteDeductible = "X01", "附加绝对免赔率特约条款", "absolute deductible";
        Wheel = "X02", "附加车轮单独损失险", "wheel-only";
        AddedEquipment = "X03", "附加新增加设备损失险", "added equipment";
        Scratch = "X04", "附加车身划痕损失险", "scratch";
        RepairPeriod = "X05", "附加修理期间费用补偿险", "repair-period compensation";
        EngineWaterExclusion = "X06", "附加发动机进水损坏除外特约条款", "engine-water exclusion";
        Cargo = "X07", "附加车上货物责任险", "cargo liability";
        MentalDistress = "X08", "附加精神损害抚慰金责任险", "mental distress";
        HolidayDoubling = "X09", "附加法定节假日限额翻倍险", "holiday limit doubling";
        NonMedicare = "X10", "附加医保外医疗费用责任险", "non-medicare medical";
        ValueAdded = "X11", "附加机动车增值服务特约条款", "value-added services";
        NevHull = "N01", "新能源汽车损失保险", "NEV own damage";
        NevThirdParty = "N02", "新能源汽车第三者责任保险", "NEV TPL";
        NevOccupants = "N03", "新能源汽车车上人员责任保险", "NEV occupants";
        GridFailure = "N11", "附加外部电网故障损失险", "external grid failure";
        ChargingPileDamage = "N12", "附加自用充电桩损失保险", "own charging-pile damage";
        ChargingPileLiability = "N13", "附加自用充电桩责任保险", "own charging-pile liability";
        DriverAssistSoftware = "N14", "附加智能辅助驾驶软件损失补偿险", "driver-assist software loss";
        FireDoubling = "N15", "附加火灾事故限额翻倍险", "fire limit doubling";
    }
}

/// How a cover stands in its policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum CoverClass {
    /// 交强险.
    Compulsory,
    /// 主险.
    Main,
    /// 附加险: only with a main cover.
    Additional,
}

/// The vehicles a cover is written for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum AppliesTo {
    /// Ordinary fuel vehicles alone.
    Fuel,
    /// New-energy vehicles alone.
    NewEnergy,
    /// Every vehicle.
    All,
}

/// Who among the occupants.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub enum Part {
    /// The driver's seat (司机).
    Driver,
    /// The other seats (乘客); the limit is per seat.
    Passenger,
}

impl Cover {
    /// Compulsory, main or additional.
    pub const fn class(self) -> CoverClass {
        match self {
            Cover::Compulsory => CoverClass::Compulsory,
            Cover::Hull
            | Cover::ThirdParty
            | Cover::Occupants
            | Cover::NevHull
            | Cover::NevThirdParty
            | Cover::NevOccupants => CoverClass::Main,
            _ => CoverClass::Additional,
        }
    }

    /// The policy it is written in.
    pub const fn policy_class(self) -> PolicyClass {
        match self {
            Cover::Compulsory => PolicyClass::Compulsory,
            _ => PolicyClass::Commercial,
        }
    }

    /// The vehicles it is written for.
    pub const fn applies_to(self) -> AppliesTo {
        match self {
            Cover::Hull | Cover::ThirdParty | Cover::Occupants | Cover::EngineWaterExclusion => {
                AppliesTo::Fuel
            }
            Cover::NevHull
            | Cover::NevThirdParty
            | Cover::NevOccupants
            | Cover::GridFailure
            | Cover::ChargingPileDamage
            | Cover::ChargingPileLiability
            | Cover::DriverAssistSoftware
            | Cover::FireDoubling => AppliesTo::NewEnergy,
            _ => AppliesTo::All,
        }
    }

    /// Whether it may be written for a vehicle that is (or is not) new-energy.
    pub const fn suits(self, new_energy: bool) -> bool {
        match self.applies_to() {
            AppliesTo::All => true,
            AppliesTo::Fuel => !new_energy,
            AppliesTo::NewEnergy => new_energy,
        }
    }

    /// Main covers of which one must be held too; empty unless additional.
    pub const fn needs_one_of(self) -> &'static [Cover] {
        match self {
            Cover::Wheel | Cover::AddedEquipment | Cover::Scratch | Cover::RepairPeriod => {
                &[Cover::Hull, Cover::NevHull]
            }
            Cover::EngineWaterExclusion => &[Cover::Hull],
            Cover::GridFailure | Cover::ChargingPileDamage | Cover::DriverAssistSoftware => {
                &[Cover::NevHull]
            }
            Cover::Cargo | Cover::HolidayDoubling => &[Cover::ThirdParty, Cover::NevThirdParty],
            Cover::ChargingPileLiability | Cover::FireDoubling => &[Cover::NevThirdParty],
            Cover::MentalDistress | Cover::NonMedicare => {
                &[Cover::ThirdParty, Cover::Occupants, Cover::NevThirdParty, Cover::NevOccupants]
            }
            Cover::AbsoluteDeductible | Cover::ValueAdded => &[
                Cover::Hull,
                Cover::ThirdParty,
                Cover::Occupants,
                Cover::NevHull,
                Cover::NevThirdParty,
                Cover::NevOccupants,
            ],
            _ => &[],
        }
    }

    /// Whether a request must name the main cover it hangs on in `linked`.
    pub const fn names_its_main(self) -> bool {
        matches!(self, Cover::AbsoluteDeductible | Cover::MentalDistress | Cover::NonMedicare)
    }

    /// Whether this is own damage, of either clause family.
    pub const fn is_hull(self) -> bool {
        matches!(self, Cover::Hull | Cover::NevHull)
    }

    /// Whether this is third-party liability, of either clause family.
    pub const fn is_third_party(self) -> bool {
        matches!(self, Cover::ThirdParty | Cover::NevThirdParty)
    }

    /// Whether this is occupants' liability, of either clause family.
    pub const fn is_occupants(self) -> bool {
        matches!(self, Cover::Occupants | Cover::NevOccupants)
    }
}

/// One cover asked for. Which fields a cover needs is the rules' to say.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CoverRequest {
    /// The cover.
    pub cover: Cover,
    /// Driver or passengers: occupants' liability, and what is linked to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub part: Option<Part>,
    /// Limit or sum insured; per seat for passengers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<Fen>,
    /// Seats covered, for passengers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seats: Option<u16>,
    /// Absolute deductible in percent (绝对免赔率): 5, 10, 15 or 20.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deductible_pct: Option<u8>,
    /// Agreed actual value of the vehicle, for own damage.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agreed_value: Option<Fen>,
    /// Days of compensation, for the repair period: at most 90.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub days: Option<u16>,
    /// Compensation a day, for the repair period.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub daily: Option<Fen>,
    /// The main cover this one hangs on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub linked: Option<Cover>,
    /// How often a service may be called on, for value-added services.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub times: Option<u16>,
}

impl CoverRequest {
    /// A request for `cover` with nothing else said.
    pub fn of(cover: Cover) -> CoverRequest {
        CoverRequest {
            cover,
            part: None,
            limit: None,
            seats: None,
            deductible_pct: None,
            agreed_value: None,
            days: None,
            daily: None,
            linked: None,
            times: None,
        }
    }

    /// The same with `limit`.
    pub fn limit(self, limit: Fen) -> CoverRequest {
        CoverRequest { limit: Some(limit), ..self }
    }

    /// The same for one `part` of the occupants.
    pub fn part(self, part: Part) -> CoverRequest {
        CoverRequest { part: Some(part), ..self }
    }

    /// The same hanging on `main`.
    pub fn linked(self, main: Cover) -> CoverRequest {
        CoverRequest { linked: Some(main), ..self }
    }

    /// What may occur once in a policy: cover, main cover it hangs on, part of the occupants.
    pub fn key(&self) -> (Cover, Option<Cover>, Option<Part>) {
        (self.cover, self.linked, self.part)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_additional_cover_needs_a_main_one_and_no_other_does() {
        for &cover in Cover::ALL {
            let additional = cover.class() == CoverClass::Additional;
            assert_eq!(additional, !cover.needs_one_of().is_empty(), "{cover}");
            assert!(cover.needs_one_of().iter().all(|main| main.class() == CoverClass::Main));
        }
    }

    #[test]
    fn clause_families_follow_the_fuel() {
        assert!(Cover::Hull.suits(false) && !Cover::Hull.suits(true));
        assert!(Cover::NevHull.suits(true) && !Cover::NevHull.suits(false));
        assert!(Cover::Wheel.suits(true) && Cover::Compulsory.suits(true));
        assert!(!Cover::EngineWaterExclusion.suits(true));
    }

    #[test]
    fn stored_requests_read_back() {
        let request = CoverRequest::of(Cover::Occupants).part(Part::Driver).limit(Fen(1_000_000));
        let text = serde_json::to_string(&request).unwrap();
        assert!(text.starts_with(r#"{"cover":"M03","part":"driver","limit":"10000.00""#), "{text}");
        assert_eq!(serde_json::from_str::<CoverRequest>(&text).unwrap(), request);
        let least: CoverRequest = serde_json::from_str(r#"{"cover":"A02"}"#).unwrap();
        assert_eq!(least, CoverRequest::of(Cover::Compulsory));
    }
}

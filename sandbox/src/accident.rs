//! One accident as the police recorded it: what tests and demos load, and what the police tell.
//!
//! A record is written by chaining from [`Accident::between_vehicles`]; every field is public, for
//! a counterparty may say anything. Accidents are never invented.

use jiff::Timestamp;
use jiff::civil::Date;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::vehicle::Plate;

/// An accident in the register of the traffic police.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Accident {
    /// 事故编号.
    #[schema(max_length = 64)]
    pub accident_no: String,
    /// 报案人.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reporter_name: Option<String>,
    /// 事故时间.
    pub at: Timestamp,
    /// 事故地点.
    pub place: String,
    /// 坐标.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub position: Option<Position>,
    /// 事故类型.
    pub kind: AccidentKind,
    /// 事故原因.
    pub cause: AccidentCause,
    /// 处理方式.
    pub handling: AccidentHandling,
    /// Who took part (当事方).
    pub parties: Vec<AccidentParty>,
    /// 受伤人数.
    #[serde(default)]
    pub injured: u16,
    /// 死亡人数.
    #[serde(default)]
    pub dead: u16,
    /// 责任认定书; empty until it is issued.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub statement: Option<LiabilityStatement>,
}

/// Where on the map.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Position {
    /// 经度, degrees east.
    #[schema(value_type = String)]
    pub longitude: Decimal,
    /// 纬度, degrees north.
    #[schema(value_type = String)]
    pub latitude: Decimal,
    /// 坐标系.
    pub system: CoordinateSystem,
}

/// What coordinates are measured in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub enum CoordinateSystem {
    /// That of satellite navigation.
    #[serde(rename = "WGS84")]
    Wgs84,
    /// 国测局坐标, that of Chinese maps.
    #[serde(rename = "GCJ02")]
    Gcj02,
    /// 百度坐标.
    #[serde(rename = "BD09")]
    Bd09,
    /// 2000国家大地坐标系.
    #[serde(rename = "CGCS2000")]
    Cgcs2000,
}

/// 事故类型.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum AccidentKind {
    /// 车辆间事故.
    BetweenVehicles,
    /// 车辆与人事故.
    VehicleAndPerson,
    /// 单车事故.
    SingleVehicle,
    /// 其他.
    Other,
}

/// 事故原因.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum AccidentCause {
    /// 追尾.
    RearEnd,
    /// 逆行.
    WrongWay,
    /// 倒车.
    Reversing,
    /// 溜车.
    Rolling,
    /// 开关车门.
    DoorOpening,
    /// 违反信号.
    Signal,
    /// 未按规定让行.
    FailureToYield,
    /// 单车事故.
    SingleVehicle,
    /// 其他.
    Other,
}

/// 处理方式.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum AccidentHandling {
    /// 自行协商, reported to the police.
    Parties,
    /// 交管部门处理.
    Police,
    /// 简易程序.
    Simplified,
    /// 法院判决/调解.
    Court,
    /// 其他.
    Other,
}

/// One who took part: a vehicle with its driver, or a person on foot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AccidentParty {
    /// 号牌; empty for somebody on foot and for a vehicle without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plate: Option<Plate>,
    /// 车架号, where known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vin: Option<String>,
    /// 驾驶人, or the person on foot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub driver_name: Option<String>,
    /// 责任.
    pub duty: Duty,
    /// 责任比例, 0 to 1; empty when the statement names none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, example = "0.7")]
    pub proportion: Option<Decimal>,
    /// Insurer of the compulsory cover (交强险承保公司), by its code, where told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compulsory_insurer: Option<String>,
    /// Its policy (交强险保单号), where told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compulsory_policy_no: Option<String>,
}

/// How liable a party is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum Duty {
    /// 全责.
    Full,
    /// 主责.
    Main,
    /// 同责.
    Equal,
    /// 次责.
    Minor,
    /// 无责.
    None,
    /// 未定.
    Undetermined,
}

/// 责任认定书.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LiabilityStatement {
    /// 责任认定书编号.
    pub number: String,
    /// Day it was issued.
    pub issued_on: Date,
}

impl Accident {
    /// A rear-end collision that the police handle: nobody hurt, nobody named yet, no statement.
    pub fn between_vehicles(accident_no: impl Into<String>, at: Timestamp) -> Accident {
        Accident {
            accident_no: accident_no.into(),
            reporter_name: None,
            at,
            place: "南京市玄武区中山东路".into(),
            position: None,
            kind: AccidentKind::BetweenVehicles,
            cause: AccidentCause::RearEnd,
            handling: AccidentHandling::Police,
            parties: Vec::new(),
            injured: 0,
            dead: 0,
            statement: None,
        }
    }

    /// Names who reported it.
    pub fn reported_by(mut self, name: &str) -> Accident {
        self.reporter_name = Some(name.into());
        self
    }

    /// Sets where it happened.
    pub fn at_place(mut self, place: &str, position: Position) -> Accident {
        self.place = place.into();
        self.position = Some(position);
        self
    }

    /// Adds a party.
    pub fn with_party(mut self, party: AccidentParty) -> Accident {
        self.parties.push(party);
        self
    }

    /// Sets how many were hurt and killed.
    pub fn with_victims(mut self, injured: u16, dead: u16) -> Accident {
        (self.injured, self.dead) = (injured, dead);
        self
    }

    /// Issues the statement that the parties' duties rest on.
    pub fn decided(mut self, number: &str, issued_on: Date) -> Accident {
        self.statement = Some(LiabilityStatement { number: number.into(), issued_on });
        self
    }

    /// What the police tell at `now`: nothing of what happens later, and until the day of the
    /// statement no duty.
    pub(crate) fn known_at(mut self, now: Timestamp) -> Option<Accident> {
        let today = kernel::time::day_of(now);
        if self.statement.as_ref().is_some_and(|statement| today < statement.issued_on) {
            self.statement = None;
            for party in &mut self.parties {
                (party.duty, party.proportion) = (Duty::Undetermined, None);
            }
        }
        (self.at <= now).then_some(self)
    }
}

impl AccidentParty {
    /// A vehicle and its driver, whose duty is not decided.
    pub fn vehicle(number: &str, kind: &str, driver_name: &str) -> AccidentParty {
        AccidentParty {
            plate: Some(Plate::new(number, kind)),
            vin: None,
            driver_name: Some(driver_name.into()),
            duty: Duty::Undetermined,
            proportion: None,
            compulsory_insurer: None,
            compulsory_policy_no: None,
        }
    }

    /// Names its VIN.
    pub fn with_vin(mut self, vin: &str) -> AccidentParty {
        self.vin = Some(vin.into());
        self
    }

    /// Sets its duty; the proportion runs from 0 to 1.
    pub fn liable(mut self, duty: Duty, proportion: Decimal) -> AccidentParty {
        (self.duty, self.proportion) = (duty, Some(proportion));
        self
    }

    /// Names its compulsory cover.
    pub fn insured_by(mut self, insurer: &str, policy_no: &str) -> AccidentParty {
        self.compulsory_insurer = Some(insurer.into());
        self.compulsory_policy_no = Some(policy_no.into());
        self
    }
}

//! The traffic police (交管): the vehicle as registered, and its violations.
//!
//! Budget: what the caller grants, at most two attempts of 500 ms. Degradation: an older snapshot
//! stands in; without one the vehicle counts as insurable, as declared and without violations.
//! Contract: `openapi/sandbox-police.json`.

use std::sync::Arc;
use std::time::Duration;

use base_http::outbound::{Outbound, OutboundError, Request};
use jiff::Timestamp;
use jiff::civil::Date;
use kernel::{Clock, Ids};
use production_core::frame::FrameNo;
use production_core::history::{Violation, ViolationKind};
use production_core::plate::{Plate, PlateKind};
use production_core::vehicle::{Fuel, PoliceStatus, Usage};
use rust_decimal::Decimal;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::outside::answer::{Question, Snapshot};
use crate::outside::departs;

/// What the police are asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PoliceQuestion {
    /// The vehicle.
    pub frame: FrameNo,
    /// Its plate, when it has one.
    pub plate: Option<Plate>,
    /// Violations from that day on; `None` in regions without a police link (rule L14).
    pub violations_since: Option<Date>,
}

impl Question for PoliceQuestion {
    /// An answer that reaches further back answers too.
    fn answers(&self, later: &PoliceQuestion) -> bool {
        let reaches = match (self.violations_since, later.violations_since) {
            (_, None) => true,
            (Some(told), Some(wanted)) => told <= wanted,
            (None, Some(_)) => false,
        };
        self.frame == later.frame && self.plate == later.plate && reaches
    }
}

/// A vehicle as the police registered it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RegisteredVehicle {
    /// 号牌.
    pub plate: Option<Plate>,
    /// 发动机号.
    pub engine_no: String,
    /// 所有人. Personal data.
    pub owner_name: String,
    /// 使用性质.
    pub usage: Usage,
    /// 品牌.
    pub brand: String,
    /// 核定载客.
    pub seats: u16,
    /// 整备质量.
    pub curb_weight_kg: Decimal,
    /// 核定载质量.
    pub tonnage_t: Option<Decimal>,
    /// 排量.
    pub displacement_cc: Option<u32>,
    /// 功率.
    pub power_kw: Option<Decimal>,
    /// 燃料种类.
    pub fuel: Fuel,
    /// 出厂日期.
    pub made_on: Date,
    /// 初次登记日期.
    pub first_registered_on: Option<Date>,
    /// 机动车状态.
    pub status: PoliceStatus,
    /// 转移登记日期.
    pub transferred_on: Option<Date>,
    /// 最近检验日期.
    pub last_checked_on: Option<Date>,
    /// 强制报废期止.
    pub scrap_on: Option<Date>,
    /// Violations from the day asked on, or from an earlier one.
    pub violations: Vec<Violation>,
}

/// A dated answer of the police; nothing found is a new car, or one they never heard of.
pub type PoliceSnapshot = Snapshot<PoliceQuestion, Option<RegisteredVehicle>>;

/// Whether rule L24 forbids insuring a vehicle in that status.
pub const fn bars(status: PoliceStatus) -> bool {
    matches!(
        status,
        PoliceStatus::Stolen
            | PoliceStatus::Deregistered
            | PoliceStatus::ForcedDeregistered
            | PoliceStatus::Scrapped
    )
}

/// The connector.
#[derive(Clone)]
pub(crate) struct Police {
    outbound: Outbound,
    app_id: String,
    clock: Arc<dyn Clock>,
    ids: Arc<Ids>,
}

impl Police {
    pub(crate) fn new(
        outbound: Outbound,
        app_id: String,
        clock: Arc<dyn Clock>,
        ids: Arc<Ids>,
    ) -> Police {
        Police { outbound, app_id, clock, ids }
    }

    /// `Ok(None)` when the vehicle is not in the register.
    pub(crate) async fn ask(
        &self,
        question: &PoliceQuestion,
        budget: Duration,
    ) -> Result<Option<RegisteredVehicle>, OutboundError> {
        let data = wire::Query {
            vin: question.frame.as_str(),
            plate: question.plate.as_ref().map(wire::Plate::of),
            violations_since: question.violations_since,
        };
        let found = self.call("/police/vehicle", "vehicle.query", data, budget).await?;
        found.map(registered).transpose().map_err(|reason| self.departs(reason))
    }

    /// Sends a look-up in its envelope; `Ok(None)` when what it asks for does not exist.
    pub(super) async fn call<Found: DeserializeOwned>(
        &self,
        path: &'static str,
        method: &'static str,
        data: impl Serialize,
        budget: Duration,
    ) -> Result<Option<Found>, OutboundError> {
        let now = self.clock.now();
        let envelope = wire::Question {
            app_id: &self.app_id,
            serial_no: self.ids.next(now).simple().to_string(),
            time_stamp: kernel::time::wall_time(now).strftime("%Y%m%d%H%M%S").to_string(),
            method,
            data,
        };
        let request = Request::post(path, &envelope)?.repeatable();
        match self.outbound.call::<wire::Answer<Found>>(&request, budget).await {
            Ok(answer) => answer
                .data
                .filter(|_| answer.return_code == "1")
                .ok_or_else(|| self.departs("success without data"))
                .map(Some),
            Err(OutboundError::Status { status, .. }) if status == http::StatusCode::NOT_FOUND => {
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// A 2xx answer whose words we do not know.
    pub(super) fn departs(&self, reason: &str) -> OutboundError {
        departs(&self.outbound, reason)
    }
}

/// Reads the answer into our own words; the error names the field that cannot be read.
fn registered(data: wire::Registered) -> Result<RegisteredVehicle, &'static str> {
    let plate = data.plate.map(plate).transpose()?;
    let violations = data.violations.into_iter().map(violation);
    Ok(RegisteredVehicle {
        plate,
        engine_no: data.engine_no,
        owner_name: data.owner_name,
        usage: Usage::parse(&data.use_type).map_err(|_| "unknown useType")?,
        brand: data.brand,
        seats: data.seats,
        curb_weight_kg: Decimal::from(data.curb_weight_kg),
        tonnage_t: data.load_kg.map(|kg| Decimal::new(kg.into(), 3).normalize()),
        displacement_cc: data.displacement_cc,
        power_kw: data.power_kw,
        fuel: Fuel::parse(&data.fuel).map_err(|_| "unknown fuel")?,
        made_on: data.made_on,
        first_registered_on: data.first_registered_on,
        status: PoliceStatus::parse(&data.status).map_err(|_| "unknown status")?,
        transferred_on: data.transferred_on,
        last_checked_on: data.last_checked_on,
        scrap_on: data.scrap_on,
        violations: violations.collect(),
    })
}

/// Reads a plate.
pub(super) fn plate(plate: wire::Plate) -> Result<Plate, &'static str> {
    let kind = PlateKind::parse(&plate.kind).map_err(|_| "unknown plate kind")?;
    Plate::parse(&plate.number, kind).map_err(|_| "unreadable plate number")
}

fn violation(violation: wire::Violation) -> Violation {
    Violation {
        violation_id: Some(violation.violation_no),
        kind: match violation.kind {
            wire::Misdeed::General => ViolationKind::Minor,
            wire::Misdeed::WrongWay => ViolationKind::WrongWay,
            wire::Misdeed::RedLight => ViolationKind::RedLight,
            wire::Misdeed::LicenceMismatch => ViolationKind::LicenceMismatch,
            wire::Misdeed::DrinkDriving => ViolationKind::DrinkDriving,
            wire::Misdeed::DrunkDriving => ViolationKind::DrunkDriving,
            wire::Misdeed::SpeedingUnder50 => ViolationKind::SpeedingUnder50,
            wire::Misdeed::SpeedingFrom50 => ViolationKind::SpeedingFrom50,
        },
        at: violation.at,
        decided_at: violation.decided_at,
    }
}

/// The contract's own words.
pub(super) mod wire {
    use super::{Date, Decimal, Deserialize, Serialize, Timestamp};

    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    pub(super) struct Question<'a, Asked> {
        pub(super) app_id: &'a str,
        pub(super) serial_no: String,
        pub(super) time_stamp: String,
        pub(super) method: &'static str,
        pub(super) data: Asked,
    }

    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    pub(super) struct Query<'a> {
        pub(super) vin: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        pub(super) plate: Option<Plate>,
        #[serde(skip_serializing_if = "Option::is_none")]
        pub(super) violations_since: Option<Date>,
    }

    #[derive(Serialize, Deserialize)]
    pub(in crate::outside) struct Plate {
        pub(super) number: String,
        pub(super) kind: String,
    }

    impl Plate {
        pub(in crate::outside) fn of(plate: &super::Plate) -> Plate {
            Plate { number: plate.number().into(), kind: plate.kind().code().into() }
        }
    }

    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    pub(super) struct Answer<Found> {
        pub(super) return_code: String,
        pub(super) data: Option<Found>,
    }

    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    pub(super) struct Registered {
        pub(super) plate: Option<Plate>,
        pub(super) engine_no: String,
        pub(super) owner_name: String,
        pub(super) use_type: String,
        pub(super) brand: String,
        pub(super) seats: u16,
        pub(super) curb_weight_kg: u32,
        pub(super) load_kg: Option<u32>,
        pub(super) displacement_cc: Option<u32>,
        pub(super) power_kw: Option<Decimal>,
        pub(super) fuel: String,
        pub(super) made_on: Date,
        pub(super) first_registered_on: Option<Date>,
        pub(super) status: String,
        pub(super) transferred_on: Option<Date>,
        pub(super) last_checked_on: Option<Date>,
        pub(super) scrap_on: Option<Date>,
        #[serde(default)]
        pub(super) violations: Vec<Violation>,
    }

    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    pub(super) struct Violation {
        pub(super) violation_no: String,
        pub(super) kind: Misdeed,
        pub(super) at: Timestamp,
        pub(super) decided_at: Option<Timestamp>,
    }

    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    pub(super) enum Misdeed {
        General,
        WrongWay,
        RedLight,
        LicenceMismatch,
        DrinkDriving,
        DrunkDriving,
        SpeedingUnder50,
        SpeedingFrom50,
    }
}

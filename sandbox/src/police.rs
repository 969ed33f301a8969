//! Contract of the traffic police (交管): the vehicle register and its violations.
//!
//! Every message travels in an envelope (`appId`, `serialNo`, `timeStamp`, `method`, `data`), the
//! answer in one with `returnCode` (`1` is success) and `returnMsg`. Real police platforms sign and
//! encrypt `data` as well; here it is plain.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use utoipa::openapi::OpenApi;
use utoipa::{OpenApi as _, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::vehicle::{Plate, VehicleRecord, Violation};
use crate::world::World;

/// The one method there is.
pub const VEHICLE_QUERY: &str = "vehicle.query";

/// Envelope of a question.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Question {
    /// Who asks.
    pub app_id: String,
    /// Number of the message, returned with the answer.
    #[schema(max_length = 64)]
    pub serial_no: String,
    /// Wall clock in China, `yyyyMMddHHmmss`; violations after it are not told.
    #[schema(pattern = "^[0-9]{14}$")]
    pub time_stamp: String,
    /// `vehicle.query`.
    pub method: String,
    /// What is asked.
    pub data: VehicleQuery,
}

/// Names a vehicle: by VIN, else by plate.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct VehicleQuery {
    /// 车架号; wins over the plate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vin: Option<String>,
    /// 号牌号码 and 号牌种类.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plate: Option<Plate>,
    /// Tells violations from that day on; empty tells none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub violations_since: Option<Date>,
}

/// Envelope of an answer.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Answer {
    /// `1` success, `0404` not in the register, `0400` unintelligible.
    pub return_code: String,
    /// The same in words.
    pub return_msg: String,
    /// As asked.
    pub serial_no: String,
    /// As asked.
    pub time_stamp: String,
    /// Empty unless `returnCode` is `1`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<Registered>,
}

/// A vehicle as registered.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Registered {
    /// 车架号.
    pub vin: String,
    /// 号牌.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plate: Option<Plate>,
    /// 发动机号.
    pub engine_no: String,
    /// 所有人.
    pub owner_name: String,
    /// 使用性质.
    pub use_type: String,
    /// 品牌.
    pub brand: String,
    /// 核定载客.
    pub seats: u16,
    /// 整备质量, kg.
    pub curb_weight_kg: u32,
    /// 核定载质量, kg.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub load_kg: Option<u32>,
    /// 排量, cc.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub displacement_cc: Option<u32>,
    /// 功率, kW.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub power_kw: Option<Decimal>,
    /// 燃料种类.
    pub fuel: String,
    /// 出厂日期.
    pub made_on: Date,
    /// 初次登记日期.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_registered_on: Option<Date>,
    /// 机动车状态, `A` to `Q`.
    pub status: String,
    /// 转移登记日期.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transferred_on: Option<Date>,
    /// 最近检验日期.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_checked_on: Option<Date>,
    /// 强制报废期止.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scrap_on: Option<Date>,
    /// Violations in the period asked, earliest first.
    pub violations: Vec<Violation>,
}

/// The written contract.
pub fn openapi() -> OpenApi {
    let (_, operations) = router().split_for_parts();
    let mut contract = Contract::openapi();
    contract.merge(operations);
    contract
}

#[derive(utoipa::OpenApi)]
#[openapi(info(
    title = "Traffic police (sandbox)",
    description = "交管: vehicle register and violations, as the platform expects the traffic police to answer.",
    version = "1.0.0"
))]
struct Contract;

pub(crate) fn router() -> OpenApiRouter<Arc<World>> {
    OpenApiRouter::new().routes(routes!(query))
}

/// Look up a vehicle
///
/// A look-up: it may be repeated.
#[utoipa::path(post, path = "/police/vehicle", tag = "police", request_body = Question, responses(
    (status = OK, body = Answer),
    (status = BAD_REQUEST, body = Answer),
    (status = NOT_FOUND, body = Answer, description = "Not in the register"),
))]
async fn query(
    State(world): State<Arc<World>>,
    Json(question): Json<Question>,
) -> (StatusCode, Json<Answer>) {
    let Some(now) = instant(&question.time_stamp).filter(|_| question.method == VEHICLE_QUERY)
    else {
        let answer = refuse(question, "0400", "报文错误 unintelligible method or time stamp");
        return (StatusCode::BAD_REQUEST, Json(answer));
    };
    let asked = &question.data;
    let found = match (&asked.vin, &asked.plate) {
        (Some(vin), Some(plate)) => world.by_vin(vin, Some(plate)),
        // A stranger without a plate is a new car on the dealer's floor.
        (Some(vin), None) => world.loaded(vin),
        (None, Some(plate)) => world.by_plate(plate),
        (None, None) => None,
    };
    match found.filter(|vehicle| vehicle.registered) {
        Some(vehicle) => {
            let data = Some(registered(vehicle, asked.violations_since, now));
            let Question { serial_no, time_stamp, .. } = question;
            let (return_code, return_msg) = ("1".into(), "成功".into());
            let answer = Answer { return_code, return_msg, serial_no, time_stamp, data };
            (StatusCode::OK, Json(answer))
        }
        None => {
            let answer = refuse(question, "0404", "未找到车辆 not in the register");
            (StatusCode::NOT_FOUND, Json(answer))
        }
    }
}

fn refuse(question: Question, code: &str, message: &str) -> Answer {
    Answer {
        return_code: code.into(),
        return_msg: message.into(),
        serial_no: question.serial_no,
        time_stamp: question.time_stamp,
        data: None,
    }
}

fn registered(vehicle: VehicleRecord, since: Option<Date>, now: Timestamp) -> Registered {
    let since = since.and_then(kernel::time::start_of);
    let told = |violation: &Violation| {
        since.is_some_and(|since| since <= violation.at) && violation.at <= now
    };
    let mut violations: Vec<Violation> = vehicle.violations.into_iter().filter(told).collect();
    violations.sort_by_key(|violation| violation.at);
    Registered {
        vin: vehicle.vin,
        plate: vehicle.plate,
        engine_no: vehicle.engine_no,
        owner_name: vehicle.owner_name,
        use_type: vehicle.use_type,
        brand: vehicle.brand,
        seats: vehicle.seats,
        curb_weight_kg: vehicle.curb_weight_kg,
        load_kg: vehicle.load_kg,
        displacement_cc: vehicle.displacement_cc,
        power_kw: vehicle.power_kw,
        fuel: vehicle.fuel,
        made_on: vehicle.made_on,
        first_registered_on: vehicle.first_registered_on,
        status: vehicle.status,
        transferred_on: vehicle.transferred_on,
        last_checked_on: vehicle.last_checked_on,
        scrap_on: vehicle.scrap_on,
        violations,
    }
}

fn instant(time_stamp: &str) -> Option<Timestamp> {
    DateTime::strptime("%Y%m%d%H%M%S", time_stamp).ok().and_then(kernel::time::instant_of)
}

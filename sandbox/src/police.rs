//! Contract of the traffic police (交管): the vehicle register with its violations, and accidents.
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

use crate::accident::Accident;
use crate::vehicle::{Plate, VehicleRecord, Violation};
use crate::world::World;

/// Method of `POST /police/vehicle`.
pub const VEHICLE_QUERY: &str = "vehicle.query";

/// Method of `POST /police/accident`.
pub const ACCIDENT_QUERY: &str = "accident.query";

/// So many accidents are told at most: the latest.
const MOST_ACCIDENTS: usize = 20;

/// Envelope of a question.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Question<Asked> {
    /// Who asks.
    pub app_id: String,
    /// Number of the message, returned with the answer.
    #[schema(max_length = 64)]
    pub serial_no: String,
    /// Wall clock in China, `yyyyMMddHHmmss`; what comes after it is not told.
    #[schema(pattern = "^[0-9]{14}$")]
    pub time_stamp: String,
    /// `vehicle.query` or `accident.query`.
    pub method: String,
    /// What is asked.
    pub data: Asked,
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

/// Names accidents: one by its number, else those of a plate in a span of time.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AccidentQuery {
    /// 事故编号; wins over the plate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 64)]
    pub accident_no: Option<String>,
    /// 号牌号码 and 号牌种类 of one of the parties.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plate: Option<Plate>,
    /// First instant of the span; goes with the plate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Timestamp>,
    /// First instant after the span; goes with the plate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<Timestamp>,
}

/// Envelope of an answer.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Answer<Found> {
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
    pub data: Option<Found>,
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

/// The accidents asked for.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Accidents {
    /// By time; never empty. At most 20, the latest.
    pub accidents: Vec<Accident>,
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
    description = "交管: vehicle register, violations and accidents, as the platform expects the traffic police to answer.",
    version = "1.0.0"
))]
struct Contract;

pub(crate) fn router() -> OpenApiRouter<Arc<World>> {
    OpenApiRouter::new().routes(routes!(query)).routes(routes!(query_accidents))
}

/// Look up a vehicle
///
/// A look-up: it may be repeated.
#[utoipa::path(post, path = "/police/vehicle", tag = "police",
    request_body = Question<VehicleQuery>, responses(
        (status = OK, body = Answer<Registered>),
        (status = BAD_REQUEST, body = Answer<Registered>),
        (status = NOT_FOUND, body = Answer<Registered>, description = "Not in the register"),
    ))]
async fn query(
    State(world): State<Arc<World>>,
    Json(question): Json<Question<VehicleQuery>>,
) -> (StatusCode, Json<Answer<Registered>>) {
    let Some(now) = asked_at(&question, VEHICLE_QUERY) else { return unintelligible(question) };
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
            (StatusCode::OK, answer(question, "1", "成功", data))
        }
        None => {
            let none = answer(question, "0404", "未找到车辆 not in the register", None);
            (StatusCode::NOT_FOUND, none)
        }
    }
}

/// Look up accidents
///
/// A look-up: it may be repeated. What happens after the time stamp is not told, and until the day
/// of the liability statement every duty is `undetermined`.
#[utoipa::path(post, path = "/police/accident", tag = "police",
    request_body = Question<AccidentQuery>, responses(
        (status = OK, body = Answer<Accidents>),
        (status = BAD_REQUEST, body = Answer<Accidents>),
        (status = NOT_FOUND, body = Answer<Accidents>, description = "No such accident"),
    ))]
async fn query_accidents(
    State(world): State<Arc<World>>,
    Json(question): Json<Question<AccidentQuery>>,
) -> (StatusCode, Json<Answer<Accidents>>) {
    let Some(now) = asked_at(&question, ACCIDENT_QUERY) else { return unintelligible(question) };
    let found = match &question.data {
        AccidentQuery { accident_no: Some(number), .. } => {
            world.accident(number).into_iter().collect()
        }
        AccidentQuery { plate: Some(plate), from: Some(from), to: Some(to), .. } if from < to => {
            world.accidents(plate, *from, *to)
        }
        _ => return unintelligible(question),
    };
    let mut accidents: Vec<Accident> =
        found.into_iter().filter_map(|accident| accident.known_at(now)).collect();
    accidents.drain(..accidents.len().saturating_sub(MOST_ACCIDENTS));
    if accidents.is_empty() {
        let none = answer(question, "0404", "未找到事故 no such accident", None);
        return (StatusCode::NOT_FOUND, none);
    }
    (StatusCode::OK, answer(question, "1", "成功", Some(Accidents { accidents })))
}

/// When a question was asked; `None` when it is not a question of that method.
fn asked_at<Asked>(question: &Question<Asked>, method: &str) -> Option<Timestamp> {
    instant(&question.time_stamp).filter(|_| question.method == method)
}

fn unintelligible<Asked, Found>(question: Question<Asked>) -> (StatusCode, Json<Answer<Found>>) {
    let message = "报文错误 unintelligible method, time stamp or data";
    (StatusCode::BAD_REQUEST, answer(question, "0400", message, None))
}

fn answer<Asked, Found>(
    question: Question<Asked>,
    code: &str,
    message: &str,
    data: Option<Found>,
) -> Json<Answer<Found>> {
    let Question { serial_no, time_stamp, .. } = question;
    let (return_code, return_msg) = (code.into(), message.into());
    Json(Answer { return_code, return_msg, serial_no, time_stamp, data })
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

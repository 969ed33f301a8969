//! Contract of the vehicle model library (车型库): models by code, candidates by VIN, reference
//! prices of parts.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use kernel::Fen;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use utoipa::openapi::OpenApi;
use utoipa::{OpenApi as _, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::parts::{MOST_PARTS, PartsAnswer, PartsQuery, PricedPart, Reference};
use crate::world::World;

/// One model of the library.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Model {
    /// 行业车型编码.
    pub code: String,
    /// 品牌.
    pub brand: String,
    /// 车系.
    pub series: String,
    /// 厂牌型号.
    pub factory_model: String,
    /// 排量, cc; empty for battery electric vehicles and trailers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub displacement_cc: Option<u32>,
    /// 功率, kW.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub power_kw: Option<Decimal>,
    /// 核定载客.
    pub seats: u16,
    /// 整备质量, kg.
    pub curb_weight_kg: u32,
    /// 核定载质量, kg; of goods vehicles.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub load_kg: Option<u32>,
    /// 燃料种类.
    pub fuel: String,
    /// Plug-in hybrid or range extender (插电式含增程式).
    pub plug_in: bool,
    /// 新车购置价, tax included.
    pub new_price: Fen,
    /// 进口.
    pub imported: bool,
    /// In the catalogue of energy-saving vehicles (节能汽车目录).
    pub energy_saving: bool,
    /// Key into the hull pure-risk table (车损险纯风险保费).
    pub hull_risk_key: String,
    /// 车损险纯风险保费 at the standard depreciated value, when the library has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hull_pure_risk: Option<Fen>,
    /// Class of depreciation of the actual value (折旧类别).
    pub depreciation_class: String,
}

/// Asks which models a VIN may stand for. In the body, for a VIN has no place in an access log.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CandidatesQuery {
    /// 车架号.
    pub vin: String,
}

/// The models a VIN may stand for.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Candidates {
    /// Likeliest first; empty when the VIN says nothing.
    pub models: Vec<Model>,
}

/// Why a question got no answer.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Refusal {
    /// Stable word.
    pub code: String,
    /// The same for a person.
    pub message: String,
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
    title = "Vehicle model library (sandbox)",
    description = "车型库: models, prices, risk keys and parts, as the platform expects a model library to answer.",
    version = "1.0.0"
))]
struct Contract;

pub(crate) fn router() -> OpenApiRouter<Arc<World>> {
    OpenApiRouter::new()
        .routes(routes!(read_model))
        .routes(routes!(find_candidates))
        .routes(routes!(price_parts))
}

/// Read a model
#[utoipa::path(get, path = "/models/{code}", tag = "models",
    params(("code" = String, Path, description = "行业车型编码")),
    responses((status = OK, body = Model), (status = NOT_FOUND, body = Refusal)))]
async fn read_model(
    State(world): State<Arc<World>>,
    Path(code): Path<String>,
) -> Result<Json<Model>, (StatusCode, Json<Refusal>)> {
    world.model(&code).map(Json).ok_or_else(|| {
        let message = format!("车型库无此车型 no model {code}");
        (StatusCode::NOT_FOUND, Json(Refusal { code: "unknown-model".into(), message }))
    })
}

/// Find the models a VIN may stand for
///
/// A look-up: it may be repeated.
#[utoipa::path(post, path = "/models/candidates", tag = "models",
    request_body = CandidatesQuery, responses((status = OK, body = Candidates)))]
async fn find_candidates(
    State(world): State<Arc<World>>,
    Json(query): Json<CandidatesQuery>,
) -> Json<Candidates> {
    Json(Candidates { models: world.candidates(&query.vin) })
}

/// Ask what parts cost by rights
///
/// A look-up: it may be repeated. A part nobody knows is answered without reference.
#[utoipa::path(post, path = "/models/parts", tag = "models", request_body = PartsQuery, responses(
    (status = OK, body = PartsAnswer),
    (status = UNPROCESSABLE_ENTITY, body = Refusal, description = "More than 100 parts"),
))]
async fn price_parts(
    State(world): State<Arc<World>>,
    Json(query): Json<PartsQuery>,
) -> Result<Json<PartsAnswer>, (StatusCode, Json<Refusal>)> {
    if query.codes.len() > MOST_PARTS {
        let message = format!("配件过多 more than {MOST_PARTS} parts");
        let refusal = Refusal { code: "too-many-parts".into(), message };
        return Err((StatusCode::UNPROCESSABLE_ENTITY, Json(refusal)));
    }
    let model_code = query.model_code.as_deref();
    let priced = |code: String| {
        let reference = world.part(&code, model_code).map(|part| Reference {
            name: part.name,
            price: part.price,
            brand_class: part.brand_class,
        });
        PricedPart { code, reference }
    };
    Ok(Json(PartsAnswer { parts: query.codes.into_iter().map(priced).collect() }))
}

/// The models the library is born with. Prices and figures are made up, of a plausible size.
pub fn catalogue() -> Vec<Model> {
    let car = |code: &str, brand: &str, series: &str, factory: &str, price_yuan: i64| Model {
        code: code.into(),
        brand: brand.into(),
        series: series.into(),
        factory_model: factory.into(),
        displacement_cc: Some(1_598),
        power_kw: Some(Decimal::new(81, 0)),
        seats: 5,
        curb_weight_kg: 1_280,
        load_kg: None,
        fuel: "A".into(),
        plug_in: false,
        new_price: Fen(price_yuan * 100),
        imported: false,
        energy_saving: false,
        hull_risk_key: format!("H-{code}"),
        hull_pure_risk: None,
        depreciation_class: "passenger".into(),
    };
    let engine = |cc: u32, kw: i64, kerb: u32, model: Model| Model {
        displacement_cc: Some(cc),
        power_kw: Some(Decimal::new(kw, 0)),
        curb_weight_kg: kerb,
        ..model
    };
    let electric = |kw: i64, kerb: u32, model: Model| Model {
        displacement_cc: None,
        power_kw: Some(Decimal::new(kw, 0)),
        curb_weight_kg: kerb,
        fuel: "C".into(),
        ..model
    };
    let truck = |seats: u16, load_kg: u32, model: Model| Model {
        seats,
        load_kg: Some(load_kg),
        fuel: "B".into(),
        depreciation_class: "truck".into(),
        ..model
    };
    vec![
        car("BDZ1600FV7160", "大众", "朗逸", "FV7160FBDBA", 120_000),
        engine(1_395, 110, 1_330, car("BDZ1400FV7140", "大众", "朗逸", "FV7140FBDBG", 150_000)),
        engine(1_984, 137, 1_570, car("BDZ2000FV7207", "大众", "迈腾", "FV7207FBDWG", 230_000)),
        Model {
            energy_saving: true,
            ..engine(1_498, 96, 1_250, car("BFT1500GTM715", "丰田", "雷凌", "GTM7151CVC", 132_000))
        },
        Model {
            fuel: "O".into(),
            energy_saving: true,
            ..engine(
                1_798,
                72,
                1_420,
                car("BFT1800GTM718", "丰田", "雷凌", "GTM7180CHEVM", 150_000),
            )
        },
        Model {
            imported: true,
            ..engine(
                2_998,
                250,
                2_075,
                car("BBM3000IMPX5", "宝马", "X5", "BMW X5 xDrive40i", 780_000),
            )
        },
        electric(150, 1_870, car("BBY0000BYD7009", "比亚迪", "汉", "BYD7009BEV1", 210_000)),
        Model {
            fuel: "O".into(),
            plug_in: true,
            ..engine(
                1_498,
                81,
                1_700,
                car("BBY1500BYD7152", "比亚迪", "秦", "BYD7152WT6HEV", 130_000),
            )
        },
        electric(220, 1_761, car("BTS0000TSL7000", "特斯拉", "Model 3", "TSL7000BEVAR0", 245_900)),
        Model {
            seats: 7,
            ..engine(1_490, 110, 1_510, car("BWL1500LZW6470", "五菱", "宏光", "LZW6470", 85_000))
        },
        Model {
            seats: 45,
            fuel: "B".into(),
            depreciation_class: "bus".into(),
            ..engine(8_800, 243, 12_500, car("BYT8800ZK6122", "宇通", "客车", "ZK6122HQB", 900_000))
        },
        truck(
            3,
            1_495,
            engine(1_485, 82, 1_400, car("BFD1500BJ1030", "福田", "轻卡", "BJ1030V5", 62_000)),
        ),
        truck(
            3,
            9_925,
            engine(
                6_618,
                180,
                6_070,
                car("BJF6600CA1180", "解放", "载货车", "CA1180P62K1L4", 215_000),
            ),
        ),
        Model {
            seats: 2,
            depreciation_class: "motorcycle".into(),
            ..engine(149, 11, 140, car("BHD0150SDH150", "本田", "摩托车", "SDH150-15", 12_000))
        },
    ]
}

//! The vehicle model library (车型库): what a model is, costs and risks.
//!
//! Budget: what the caller grants, at most two attempts of 500 ms. Degradation: an older snapshot
//! stands in; without one the insurer's own figures are taken as declared.
//! Contract: `openapi/sandbox-models.json`.

use std::time::Duration;

use base_http::outbound::{Outbound, OutboundError, Request};
use kernel::Fen;
use production_core::frame::FrameNo;
use production_core::vehicle::{Fuel, VehicleFacts};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use crate::outside::answer::{Question, Snapshot};
use crate::outside::departs;

/// What the library is asked: one model by its code, else those the frame number may stand for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ModelQuestion {
    /// 行业车型编码.
    Code(String),
    /// 车架号.
    Frame(FrameNo),
}

impl Question for ModelQuestion {}

/// A model of the library.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct VehicleModel {
    /// 行业车型编码.
    pub code: String,
    /// 品牌.
    pub brand: String,
    /// 车系.
    pub series: String,
    /// 厂牌型号.
    pub factory_model: String,
    /// 排量.
    pub displacement_cc: Option<u32>,
    /// 功率.
    pub power_kw: Option<Decimal>,
    /// 核定载客.
    pub seats: u16,
    /// 整备质量.
    pub curb_weight_kg: Decimal,
    /// 核定载质量.
    pub tonnage_t: Option<Decimal>,
    /// 燃料种类.
    pub fuel: Fuel,
    /// Plug-in hybrid or range extender.
    pub plug_in: bool,
    /// 新车购置价.
    pub new_price: Fen,
    /// 进口.
    pub imported: bool,
    /// In the catalogue of energy-saving vehicles.
    pub energy_saving: bool,
    /// Key into the hull pure-risk table.
    pub hull_risk_key: String,
    /// Pure risk premium of own damage at the standard depreciated value, when the library has it.
    pub hull_pure_risk: Option<Fen>,
    /// 折旧类别.
    pub depreciation_class: String,
}

/// A dated answer of the library: models, likeliest first; none when code or frame say nothing.
pub type ModelSnapshot = Snapshot<ModelQuestion, Vec<VehicleModel>>;

impl VehicleModel {
    /// `stated` with what it leaves out taken from the model. What was stated stays, except what
    /// only the library can know: plug-in, imported and energy-saving are its word.
    pub fn complete(&self, stated: &VehicleFacts) -> VehicleFacts {
        let mut facts = stated.clone();
        facts.model_code.get_or_insert_with(|| self.code.clone());
        facts.new_price.get_or_insert(self.new_price);
        facts.curb_weight_kg.get_or_insert(self.curb_weight_kg);
        facts.tonnage_t = facts.tonnage_t.or(self.tonnage_t);
        facts.displacement_cc = facts.displacement_cc.or(self.displacement_cc);
        facts.power_kw = facts.power_kw.or(self.power_kw);
        facts.plug_in = self.plug_in;
        facts.imported = self.imported;
        facts.energy_saving_listed = self.energy_saving;
        facts
    }
}

/// The connector.
#[derive(Clone)]
pub(crate) struct Models {
    outbound: Outbound,
}

impl Models {
    pub(crate) fn new(outbound: Outbound) -> Models {
        Models { outbound }
    }

    pub(crate) async fn ask(
        &self,
        question: &ModelQuestion,
        budget: Duration,
    ) -> Result<Vec<VehicleModel>, OutboundError> {
        let found = match question {
            ModelQuestion::Code(code) => self.by_code(code, budget).await?,
            ModelQuestion::Frame(frame) => {
                let query = wire::CandidatesQuery { vin: frame.as_str() };
                let request = Request::post("/models/candidates", &query)?.repeatable();
                self.outbound.call::<wire::Candidates>(&request, budget).await?.models
            }
        };
        let models = found.into_iter().map(model).collect::<Result<_, _>>();
        models.map_err(|reason| departs(&self.outbound, reason))
    }

    async fn by_code(
        &self,
        code: &str,
        budget: Duration,
    ) -> Result<Vec<wire::Model>, OutboundError> {
        // A code goes into the path, so anything but a code must not get there.
        if code.is_empty() || !code.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            return Ok(Vec::new());
        }
        let request = Request::get(format!("/models/{code}"));
        match self.outbound.call::<wire::Model>(&request, budget).await {
            Ok(model) => Ok(vec![model]),
            Err(OutboundError::Status { status, .. }) if status == http::StatusCode::NOT_FOUND => {
                Ok(Vec::new())
            }
            Err(error) => Err(error),
        }
    }
}

fn model(model: wire::Model) -> Result<VehicleModel, &'static str> {
    Ok(VehicleModel {
        code: model.code,
        brand: model.brand,
        series: model.series,
        factory_model: model.factory_model,
        displacement_cc: model.displacement_cc,
        power_kw: model.power_kw,
        seats: model.seats,
        curb_weight_kg: Decimal::from(model.curb_weight_kg),
        tonnage_t: model.load_kg.map(|kg| Decimal::new(kg.into(), 3).normalize()),
        fuel: Fuel::parse(&model.fuel).map_err(|_| "unknown fuel")?,
        plug_in: model.plug_in,
        new_price: model.new_price,
        imported: model.imported,
        energy_saving: model.energy_saving,
        hull_risk_key: model.hull_risk_key,
        hull_pure_risk: model.hull_pure_risk,
        depreciation_class: model.depreciation_class,
    })
}

/// The contract's own words.
mod wire {
    use super::{Decimal, Deserialize, Fen, Serialize};

    #[derive(Serialize)]
    pub(super) struct CandidatesQuery<'a> {
        pub(super) vin: &'a str,
    }

    #[derive(Deserialize)]
    pub(super) struct Candidates {
        pub(super) models: Vec<Model>,
    }

    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    pub(super) struct Model {
        pub(super) code: String,
        pub(super) brand: String,
        pub(super) series: String,
        pub(super) factory_model: String,
        pub(super) displacement_cc: Option<u32>,
        pub(super) power_kw: Option<Decimal>,
        pub(super) seats: u16,
        pub(super) curb_weight_kg: u32,
        pub(super) load_kg: Option<u32>,
        pub(super) fuel: String,
        pub(super) plug_in: bool,
        pub(super) new_price: Fen,
        pub(super) imported: bool,
        pub(super) energy_saving: bool,
        pub(super) hull_risk_key: String,
        pub(super) hull_pure_risk: Option<Fen>,
        pub(super) depreciation_class: String,
    }
}

#[cfg(test)]
mod tests {
    use production_core::vehicle::{Category, Usage};

    use super::*;

    #[test]
    fn a_model_fills_what_was_left_out_and_overrules_only_what_it_alone_knows() {
        let model = VehicleModel {
            code: "BDZ1600FV7160".into(),
            brand: "大众".into(),
            series: "朗逸".into(),
            factory_model: "FV7160".into(),
            displacement_cc: Some(1_598),
            power_kw: None,
            seats: 5,
            curb_weight_kg: Decimal::from(1_280),
            tonnage_t: None,
            fuel: Fuel::Petrol,
            plug_in: false,
            new_price: Fen(12_000_000),
            imported: false,
            energy_saving: true,
            hull_risk_key: "H".into(),
            hull_pure_risk: None,
            depreciation_class: "passenger".into(),
        };
        let mut stated =
            VehicleFacts::new(Category::BusUnder6, Usage::PrivateFamily, Fuel::Petrol, 5);
        stated.new_price = Some(Fen(11_000_000));
        stated.imported = true;
        let facts = model.complete(&stated);
        assert_eq!(facts.new_price, Some(Fen(11_000_000)));
        assert_eq!(facts.displacement_cc, Some(1_598));
        assert!(!facts.imported && facts.energy_saving_listed);
        assert_eq!(model.complete(&facts), facts);
    }
}

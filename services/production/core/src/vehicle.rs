//! What a vehicle is: category, use, fuel, police status and the technical facts rating needs.
//!
//! Facts are as the quote stated them (or the model library and the police corrected them); they
//! are stored with the quote and are a published format. Nothing here judges them: see `rules`.

use std::ops::Not;

use jiff::civil::Date;
use kernel::Fen;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use crate::coded_enum;

coded_enum! {
    /// Vehicle category (车辆种类).
    ///
    /// Source: `tariffs/vehicle_class_codes.csv`.
    pub enum Category ("vehicle category") {
        BusUnder6 = "11", "6座以下客车", "passenger vehicle < 6 seats";
        Bus6To10 = "12", "6座至10座以下客车", "6 to < 10 seats";
        Bus10To20 = "13", "10座至20座以下客车", "10 to < 20 seats";
        Bus20To36 = "14", "20座至36座以下客车", "20 to < 36 seats";
        Bus36AndOver = "15", "36座及以上客车", "36+ seats";
        TruckUnder2 = "21", "2吨以下货车", "truck < 2 t";
        Truck2To5 = "22", "2吨至5吨以下货车", "truck 2 to < 5 t";
        Truck5To10 = "23", "5吨至10吨以下货车", "truck 5 to < 10 t";
        Truck10AndOver = "24", "10吨及以上货车", "truck 10 t and above";
        TrailerUnder2 = "25", "2吨以下挂车", "trailer < 2 t";
        Trailer2To5 = "26", "2吨至5吨以下挂车", "trailer 2 to < 5 t";
        Trailer5To10 = "27", "5吨至10吨以下挂车", "trailer 5 to < 10 t";
        Trailer10AndOver = "28", "10吨及以上挂车", "trailer 10 t and above";
        BeijingLowSpeed = "29", "三轮/低速货车(北京)", "three-wheel / low-speed (Beijing use)";
        Special1 = "30", "特种车一", "special vehicle type 1 (tankers)";
        Special1Trailer = "31", "特种车一挂车", "special 1 trailer";
        Special2 = "40", "特种车二", "special vehicle type 2";
        Special2Trailer = "41", "特种车二挂车", "special 2 trailer";
        Special3 = "50", "特种车三", "special vehicle type 3";
        Special3Trailer = "51", "特种车三挂车", "special 3 trailer";
        Special4 = "60", "特种车四(集装箱拖头)", "special vehicle type 4 (container tractor)";
        MotorcycleTo50 = "71", "摩托车50CC及以下", "motorcycle <= 50 cc";
        Motorcycle50To250 = "72", "摩托车50CC至250CC(含)", "motorcycle > 50 and <= 250 cc";
        MotorcycleOver250 = "73", "摩托车250CC以上及侧三轮", "motorcycle > 250 cc and side-car";
        DualTractorTo14 = "81", "兼用型拖拉机14.7KW及以下", "dual-use tractor <= 14.7 kW";
        DualTractorOver14 = "82", "兼用型拖拉机14.7KW以上", "dual-use tractor > 14.7 kW";
        HaulTractorTo14 = "91", "运输型拖拉机14.7KW及以下", "transport tractor <= 14.7 kW";
        HaulTractorOver14 = "92", "运输型拖拉机14.7KW以上", "transport tractor > 14.7 kW";
        LowSpeedTruck = "93", "低速载货汽车", "low-speed truck";
        ThreeWheeler = "94", "三轮汽车", "three-wheeled vehicle";
    }
}

/// The families the categories fall into.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Family {
    /// Passenger vehicles, cars included (客车).
    Bus,
    /// Goods vehicles, low-speed and three-wheeled ones included (货车).
    Truck,
    /// Goods trailers (挂车); those of special vehicles count as special.
    Trailer,
    /// Special vehicles and their trailers (特种车).
    Special,
    /// Motorcycles (摩托车).
    Motorcycle,
    /// Tractors (拖拉机).
    Tractor,
}

impl Category {
    /// The family.
    pub const fn family(self) -> Family {
        use Category as C;
        match self {
            C::BusUnder6 | C::Bus6To10 | C::Bus10To20 | C::Bus20To36 | C::Bus36AndOver => {
                Family::Bus
            }
            C::TruckUnder2
            | C::Truck2To5
            | C::Truck5To10
            | C::Truck10AndOver
            | C::BeijingLowSpeed
            | C::LowSpeedTruck
            | C::ThreeWheeler => Family::Truck,
            C::TrailerUnder2 | C::Trailer2To5 | C::Trailer5To10 | C::Trailer10AndOver => {
                Family::Trailer
            }
            C::Special1
            | C::Special1Trailer
            | C::Special2
            | C::Special2Trailer
            | C::Special3
            | C::Special3Trailer
            | C::Special4 => Family::Special,
            C::MotorcycleTo50 | C::Motorcycle50To250 | C::MotorcycleOver250 => Family::Motorcycle,
            C::DualTractorTo14
            | C::DualTractorOver14
            | C::HaulTractorTo14
            | C::HaulTractorOver14 => Family::Tractor,
        }
    }

    /// Seats `[from, to)` the category stands for; `None` when seats do not define it.
    pub const fn seats(self) -> Option<(u16, u16)> {
        match self {
            Category::BusUnder6 => Some((1, 6)),
            Category::Bus6To10 => Some((6, 10)),
            Category::Bus10To20 => Some((10, 20)),
            Category::Bus20To36 => Some((20, 36)),
            Category::Bus36AndOver => Some((36, u16::MAX)),
            _ => None,
        }
    }

    /// Tonnes `[from, to)` the category stands for; `None` when the load does not define it.
    pub const fn tonnes(self) -> Option<(u16, u16)> {
        match self {
            Category::TruckUnder2 | Category::TrailerUnder2 => Some((0, 2)),
            Category::Truck2To5 | Category::Trailer2To5 => Some((2, 5)),
            Category::Truck5To10 | Category::Trailer5To10 => Some((5, 10)),
            Category::Truck10AndOver | Category::Trailer10AndOver => Some((10, u16::MAX)),
            _ => None,
        }
    }

    /// Whether this is a trailer (25-28, 31, 41, 51): no compulsory cover since 2013-03-01.
    pub const fn is_trailer(self) -> bool {
        matches!(
            self,
            Category::TrailerUnder2
                | Category::Trailer2To5
                | Category::Trailer5To10
                | Category::Trailer10AndOver
                | Category::Special1Trailer
                | Category::Special2Trailer
                | Category::Special3Trailer
        )
    }
}

coded_enum! {
    /// Use of the vehicle (使用性质).
    ///
    /// Source: `tariffs/usage_codes.csv`.
    pub enum Usage ("usage") {
        Undistinguished = "000", "不区分营业/非营业", "not distinguished";
        Commercial = "100", "营业", "commercial (generic)";
        TaxiRental = "101", "出租租赁", "taxi / rental";
        CityBus = "102", "城市公交", "city bus";
        Coach = "103", "公路客运", "highway coach";
        CommercialTruck = "104", "营业货车", "commercial truck";
        CommercialTrailer = "106", "营业挂车", "commercial trailer";
        NonCommercial = "200", "非营业", "non-commercial (generic)";
        PrivateFamily = "210", "家庭自用", "private family";
        Enterprise = "220", "企业", "enterprise";
        Government = "230", "机关", "government / institution";
        NonCommercialTruck = "240", "非营业货车", "non-commercial truck";
        NonCommercialTrailer = "250", "非营业挂车", "non-commercial trailer";
        DualTractor = "310", "兼用型(拖拉机)", "dual-use (tractor)";
        HaulTractor = "320", "运输型(拖拉机)", "transport (tractor)";
        RideHailing = "101N", "网约车(预约出租客运)", "ride-hailing; real platforms file it under commercial taxi/rental with a sub flag";
    }
}

impl Usage {
    /// Commercial, not commercial, or `None` where the list does not say.
    pub const fn is_commercial(self) -> Option<bool> {
        match self {
            Usage::Commercial
            | Usage::TaxiRental
            | Usage::CityBus
            | Usage::Coach
            | Usage::CommercialTruck
            | Usage::CommercialTrailer
            | Usage::RideHailing => Some(true),
            Usage::NonCommercial
            | Usage::PrivateFamily
            | Usage::Enterprise
            | Usage::Government
            | Usage::NonCommercialTruck
            | Usage::NonCommercialTrailer => Some(false),
            Usage::Undistinguished | Usage::DualTractor | Usage::HaulTractor => None,
        }
    }

    /// The use tariffs know: ride-hailing is rated as taxi and rental.
    pub const fn rated_as(self) -> Usage {
        match self {
            Usage::RideHailing => Usage::TaxiRental,
            other => other,
        }
    }
}

coded_enum! {
    /// Fuel as the registration certificate states it (燃料种类).
    ///
    /// Source: `tariffs/platform_code_lists.csv`, list `fuel_type`.
    pub enum Fuel ("fuel type") {
        Petrol = "A", "汽油", "petrol";
        Diesel = "B", "柴油", "diesel";
        Electric = "C", "电", "battery electric";
        MixedOil = "D", "混合油", "mixed oil";
        NaturalGas = "E", "天然气", "natural gas";
        Lpg = "F", "液化石油气", "LPG";
        Methanol = "L", "甲醇", "methanol";
        Ethanol = "M", "乙醇", "ethanol";
        Solar = "N", "太阳能", "solar";
        Hybrid = "O", "混合动力", "hybrid";
        Hydrogen = "P", "氢", "hydrogen";
        Biofuel = "Q", "生物燃料", "biofuel";
        None = "Y", "无", "none (trailer)";
        Other = "Z", "其他", "other";
    }
}

impl Fuel {
    /// Whether the fuel alone proves a new-energy vehicle: battery electric or hydrogen.
    ///
    /// A hybrid may or may not be plug-in, so `O` alone proves nothing: ask
    /// [`VehicleFacts::is_new_energy`].
    pub const fn is_new_energy(self) -> bool {
        matches!(self, Fuel::Electric | Fuel::Hydrogen)
    }
}

coded_enum! {
    /// State of the vehicle in the register of the traffic police (机动车状态).
    ///
    /// Source: `tariffs/platform_code_lists.csv`, list `police_vehicle_status`.
    pub enum PoliceStatus ("police vehicle status") {
        Normal = "A", "正常", "normal";
        MovedOut = "B", "转出", "moved out";
        Stolen = "C", "被盗抢", "stolen";
        Suspended = "D", "停驶", "suspended";
        Deregistered = "E", "注销", "deregistered";
        ViolationPending = "G", "违法未处理", "violation pending";
        Customs = "H", "海关监管", "customs supervision";
        AccidentPending = "I", "事故未处理", "accident pending";
        Suspect = "J", "嫌疑车", "suspect";
        Sealed = "K", "查封", "sealed";
        Impounded = "L", "暂扣", "impounded";
        ForcedDeregistered = "M", "强制注销", "forced deregistration";
        HitAndRun = "N", "事故逃逸", "hit and run";
        Locked = "O", "锁定", "locked";
        Scrapped = "P", "达到报废标准公告牌证作废", "scrap standard reached";
        InspectionOverdue = "Q", "逾期未检验", "inspection overdue";
    }
}

coded_enum! {
    /// Where the vehicle is registered, seen from the region of the quote (外地车标志).
    ///
    /// Source: `tariffs/platform_code_lists.csv`, list `ecdemic_flag`.
    pub enum EcdemicFlag ("ecdemic flag") {
        Local = "0", "本地车", "local";
        OtherProvince = "1", "外地车", "other province";
        HongKongMacao = "2", "港澳车", "HK/Macao";
    }
}

/// What rating and the rules need to know of one vehicle.
///
/// Every combination is representable; contradictions are findings of the rules, because the
/// caller must hear all of them at once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct VehicleFacts {
    /// 车辆种类.
    pub category: Category,
    /// 使用性质.
    pub usage: Usage,
    /// 燃料种类.
    pub fuel: Fuel,
    /// Chargeable from outside: plug-in hybrid or range extender (插电式含增程式).
    #[serde(default, skip_serializing_if = "Not::not")]
    pub plug_in: bool,
    /// Seats approved on the registration certificate, the driver's included (核定载客).
    pub seats: u16,
    /// Approved load in tonnes (核定载质量).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tonnage_t: Option<Decimal>,
    /// Kerb weight in kilograms (整备质量).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub curb_weight_kg: Option<Decimal>,
    /// Displacement in cubic centimetres (排量).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub displacement_cc: Option<u32>,
    /// Rated power in kilowatts (功率).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub power_kw: Option<Decimal>,
    /// Day of manufacture (出厂日期).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub made_on: Option<Date>,
    /// Day of first registration (初次登记日期); empty for a car not yet registered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_registered_on: Option<Date>,
    /// Day on the purchase invoice; the vehicle tax of a new vehicle starts with its month.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub invoiced_on: Option<Date>,
    /// Not yet registered (新车标志).
    #[serde(default, skip_serializing_if = "Not::not")]
    pub new_vehicle: bool,
    /// Price of the same vehicle new, tax included (新车购置价).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub new_price: Option<Fen>,
    /// Model code of the industry's model library (行业车型编码).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model_code: Option<String>,
    /// Made abroad: its VIN need not carry a check digit.
    #[serde(default, skip_serializing_if = "Not::not")]
    pub imported: bool,
    /// On the list of energy-saving vehicles: half the vehicle tax (节能车船目录).
    #[serde(default, skip_serializing_if = "Not::not")]
    pub energy_saving_listed: bool,
    /// Registered here, in another province, or in Hong Kong or Macao.
    #[serde(default = "local")]
    pub ecdemic: EcdemicFlag,
    /// Motorcycle with a side-car (侧三轮): rated in the highest motorcycle class.
    #[serde(default, skip_serializing_if = "Not::not")]
    pub side_car: bool,
}

fn local() -> EcdemicFlag {
    EcdemicFlag::Local
}

impl VehicleFacts {
    /// The least a vehicle can be known by; everything else empty, local and not new.
    pub fn new(category: Category, usage: Usage, fuel: Fuel, seats: u16) -> VehicleFacts {
        VehicleFacts {
            category,
            usage,
            fuel,
            plug_in: false,
            seats,
            tonnage_t: None,
            curb_weight_kg: None,
            displacement_cc: None,
            power_kw: None,
            made_on: None,
            first_registered_on: None,
            invoiced_on: None,
            new_vehicle: false,
            new_price: None,
            model_code: None,
            imported: false,
            energy_saving_listed: false,
            ecdemic: EcdemicFlag::Local,
            side_car: false,
        }
    }

    /// Whether this is a new-energy vehicle (新能源汽车): battery electric, fuel cell or plug-in.
    ///
    /// Source: 新能源汽车生产企业及产品准入管理规定, art. 3. A hybrid that cannot be charged
    /// from outside is an ordinary fuel vehicle.
    pub fn is_new_energy(&self) -> bool {
        self.fuel.is_new_energy() || self.plug_in
    }

    /// Battery electric: no displacement, and for a passenger car no vehicle-tax item.
    pub fn is_pure_electric(&self) -> bool {
        self.fuel == Fuel::Electric && !self.plug_in
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hybrid_is_new_energy_only_when_it_plugs_in() {
        let of = |fuel, plug_in| {
            let mut car = VehicleFacts::new(Category::BusUnder6, Usage::PrivateFamily, fuel, 5);
            car.plug_in = plug_in;
            car.is_new_energy()
        };
        let judged = [(Fuel::Hybrid, false), (Fuel::Hybrid, true), (Fuel::Electric, false)]
            .map(|(fuel, plug_in)| of(fuel, plug_in));
        assert_eq!(judged, [false, true, true]);
        assert!(of(Fuel::Hydrogen, false) && !of(Fuel::Petrol, false));
    }

    #[test]
    fn stored_facts_read_back_and_old_ones_without_new_fields_too() {
        let short = r#"{"category":"11","usage":"210","fuel":"A","seats":5}"#;
        let facts: VehicleFacts = serde_json::from_str(short).unwrap();
        assert_eq!(
            facts,
            VehicleFacts::new(Category::BusUnder6, Usage::PrivateFamily, Fuel::Petrol, 5)
        );
        // What is not so is not written.
        let text = serde_json::to_string(&facts).unwrap();
        assert_eq!(text, r#"{"category":"11","usage":"210","fuel":"A","seats":5,"ecdemic":"0"}"#);
        assert_eq!(serde_json::from_str::<VehicleFacts>(&text).unwrap(), facts);
        let plugged = VehicleFacts { plug_in: true, power_kw: Some(Decimal::from(81)), ..facts };
        let text = serde_json::to_string(&plugged).unwrap();
        assert!(text.contains(r#""plugIn":true"#) && text.contains(r#""powerKw":"81""#), "{text}");
        assert_eq!(serde_json::from_str::<VehicleFacts>(&text).unwrap(), plugged);
        let unknown = serde_json::from_str::<Category>(r#""99""#).unwrap_err().to_string();
        assert_eq!(unknown, r#""99" is not a known vehicle category"#);
    }
}

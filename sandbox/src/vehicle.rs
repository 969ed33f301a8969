//! One vehicle as police, model library and tax authority know it: what tests and demos load.
//!
//! A record is written by chaining from [`VehicleRecord::private_car`]; every field is public, for
//! a counterparty may say anything.

use jiff::Timestamp;
use jiff::civil::Date;
use kernel::Fen;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A number plate and its kind.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Plate {
    /// For example `京A12345`.
    pub number: String,
    /// 号牌种类 by GA/T 16.7, for example `02`.
    pub kind: String,
}

impl Plate {
    /// A plate.
    pub fn new(number: impl Into<String>, kind: impl Into<String>) -> Plate {
        Plate { number: number.into(), kind: kind.into() }
    }
}

/// What a driver did wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum Misdeed {
    /// General violation (一般违法).
    General,
    /// Wrong way and the like (逆行).
    WrongWay,
    /// Running a red light (闯红灯).
    RedLight,
    /// Licence does not fit the vehicle, or is suspended (准驾不符, 暂扣期驾驶).
    LicenceMismatch,
    /// Driving after drinking (饮酒后驾驶).
    DrinkDriving,
    /// Driving while drunk (醉酒后驾驶).
    DrunkDriving,
    /// Speeding by less than half the limit (超速未达50%).
    SpeedingUnder50,
    /// Speeding by half the limit or more (超速50%以上).
    SpeedingFrom50,
}

/// A violation in the register of the traffic police.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Violation {
    /// Number of the event (违法编号).
    pub violation_no: String,
    /// What was done.
    pub kind: Misdeed,
    /// When.
    pub at: Timestamp,
    /// Where.
    pub place: String,
    /// When it was decided; empty while pending.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decided_at: Option<Timestamp>,
}

/// Vehicle tax paid for one year.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Receipt {
    /// Number of the tax document (完税凭证号).
    pub receipt_no: String,
    /// Calendar year it was paid for.
    pub year: i16,
    /// When.
    pub paid_on: Date,
    /// How much.
    pub amount: Fen,
    /// Name of the tax authority.
    pub authority: String,
    /// Its code.
    pub authority_code: String,
}

/// Vehicle tax still owed for an earlier year.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Arrears {
    /// Calendar year.
    pub year: i16,
    /// Unpaid tax, without late fee.
    pub unpaid: Fen,
    /// Last day it could be paid without late fee.
    pub due_on: Date,
}

/// How far a relief goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum ReliefKind {
    /// Nothing to pay (免税).
    Exempt,
    /// Part to pay (减税).
    Reduced,
}

/// A documented relief from vehicle tax.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Relief {
    /// Exempt or reduced.
    pub kind: ReliefKind,
    /// Reason code (减免税原因代码).
    pub reason_code: String,
    /// Share of the tax that is not levied, for example `0.5`; 1 when exempt.
    #[schema(value_type = String, example = "0.5")]
    pub proportion: Decimal,
    /// Number of the document (减免税凭证号).
    pub document_no: String,
    /// Name of the tax authority.
    pub authority: String,
    /// Its code.
    pub authority_code: String,
    /// First day.
    pub from: Date,
    /// First day after; empty while open-ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<Date>,
}

/// Everything the three counterparties know of one vehicle.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct VehicleRecord {
    /// Key of the record.
    pub vin: String,
    /// Whether the police have it in their register; an unregistered new car is unknown to them.
    #[serde(default = "yes")]
    pub registered: bool,
    /// Plate, when it has one.
    #[serde(default)]
    pub plate: Option<Plate>,
    /// Engine number.
    pub engine_no: String,
    /// Name of the owner.
    pub owner_name: String,
    /// 使用性质, for example `210`.
    pub use_type: String,
    /// Brand.
    pub brand: String,
    /// Code in the model library.
    pub model_code: String,
    /// Seats, the driver's included.
    pub seats: u16,
    /// 整备质量 in kilograms.
    pub curb_weight_kg: u32,
    /// 核定载质量 in kilograms.
    #[serde(default)]
    pub load_kg: Option<u32>,
    /// 排量 in cubic centimetres.
    #[serde(default)]
    pub displacement_cc: Option<u32>,
    /// 功率 in kilowatts.
    #[serde(default)]
    pub power_kw: Option<Decimal>,
    /// 燃料种类, for example `A`.
    pub fuel: String,
    /// 出厂日期.
    pub made_on: Date,
    /// 初次登记日期.
    #[serde(default)]
    pub first_registered_on: Option<Date>,
    /// 机动车状态, `A` to `Q`.
    pub status: String,
    /// Last transfer of ownership.
    #[serde(default)]
    pub transferred_on: Option<Date>,
    /// Last inspection.
    #[serde(default)]
    pub last_checked_on: Option<Date>,
    /// Day it must be scrapped (强制报废期止).
    #[serde(default)]
    pub scrap_on: Option<Date>,
    /// Violations, past and future: the police tell those up to the time of the question.
    #[serde(default)]
    pub violations: Vec<Violation>,
    /// Years of vehicle tax already paid elsewhere.
    #[serde(default)]
    pub receipts: Vec<Receipt>,
    /// Years of vehicle tax owed.
    #[serde(default)]
    pub arrears: Vec<Arrears>,
    /// Documented reliefs.
    #[serde(default)]
    pub reliefs: Vec<Relief>,
}

fn yes() -> bool {
    true
}

impl VehicleRecord {
    /// A registered private petrol car of 5 seats and 1,598 cc without plate, violations or tax
    /// records.
    pub fn private_car(vin: impl Into<String>) -> VehicleRecord {
        VehicleRecord {
            vin: vin.into(),
            registered: true,
            plate: None,
            engine_no: "EA211000001".into(),
            owner_name: "王小明".into(),
            use_type: "210".into(),
            brand: "大众牌".into(),
            model_code: "BDZ1600FV7160".into(),
            seats: 5,
            curb_weight_kg: 1_280,
            load_kg: None,
            displacement_cc: Some(1_598),
            power_kw: Some(Decimal::new(81, 0)),
            fuel: "A".into(),
            made_on: Date::constant(2019, 12, 1),
            first_registered_on: Some(Date::constant(2020, 1, 15)),
            status: "A".into(),
            transferred_on: None,
            last_checked_on: None,
            scrap_on: None,
            violations: Vec::new(),
            receipts: Vec::new(),
            arrears: Vec::new(),
            reliefs: Vec::new(),
        }
    }

    /// Gives it a plate.
    pub fn plated(mut self, number: &str, kind: &str) -> VehicleRecord {
        self.plate = Some(Plate::new(number, kind));
        self
    }

    /// Names its owner.
    pub fn owned_by(mut self, name: &str) -> VehicleRecord {
        self.owner_name = name.into();
        self
    }

    /// Names its engine.
    pub fn with_engine(mut self, engine_no: &str) -> VehicleRecord {
        self.engine_no = engine_no.into();
        self
    }

    /// Sets its 使用性质.
    pub fn used_as(mut self, use_type: &str) -> VehicleRecord {
        self.use_type = use_type.into();
        self
    }

    /// Takes brand, seats, weights, displacement, power and fuel from the model library's entry.
    pub fn of_model(mut self, model: &crate::models::Model) -> VehicleRecord {
        self.model_code = model.code.clone();
        self.brand = format!("{}牌", model.brand);
        self.seats = model.seats;
        self.curb_weight_kg = model.curb_weight_kg;
        self.load_kg = model.load_kg;
        self.displacement_cc = model.displacement_cc;
        self.power_kw = model.power_kw;
        self.fuel = model.fuel.clone();
        self
    }

    /// Sets the days it was made and first registered.
    pub fn registered_on(mut self, made_on: Date, first_registered_on: Date) -> VehicleRecord {
        self.made_on = made_on;
        self.first_registered_on = Some(first_registered_on);
        self
    }

    /// Takes it out of the police register: a new car on the dealer's floor.
    pub fn not_yet_registered(mut self) -> VehicleRecord {
        self.registered = false;
        self.plate = None;
        self.first_registered_on = None;
        self
    }

    /// Sets its 机动车状态.
    pub fn in_status(mut self, status: &str) -> VehicleRecord {
        self.status = status.into();
        self
    }

    /// Transfers it.
    pub fn transferred_on(mut self, day: Date, owner_name: &str) -> VehicleRecord {
        self.transferred_on = Some(day);
        self.owned_by(owner_name)
    }

    /// Adds a decided violation; its number follows from VIN and position.
    pub fn with_violation(mut self, kind: Misdeed, at: Timestamp) -> VehicleRecord {
        let tail: String = self.vin.chars().skip(11).collect();
        let violation_no = format!("WF{tail}{:03}", self.violations.len() + 1);
        let place = "长安街".into();
        let decided_at = Some(at);
        self.violations.push(Violation { violation_no, kind, at, place, decided_at });
        self
    }

    /// Adds a paid year.
    pub fn with_receipt(mut self, receipt: Receipt) -> VehicleRecord {
        self.receipts.push(receipt);
        self
    }

    /// Adds an owed year.
    pub fn with_arrears(mut self, arrears: Arrears) -> VehicleRecord {
        self.arrears.push(arrears);
        self
    }

    /// Adds a relief.
    pub fn with_relief(mut self, relief: Relief) -> VehicleRecord {
        self.reliefs.push(relief);
        self
    }
}

//! The quote message as it comes in. Every field is optional here; what must be there is a rule
//! (S02), reported together with everything else that is wrong.

use serde::Deserialize;
use utoipa::ToSchema;

/// 投保查询: ask for compulsory cover, commercial cover, or both.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = QuoteRequest)]
pub struct QuoteBody {
    /// Region of the policy, six-digit GB/T 2260; the caller's branch region when absent.
    #[schema(example = "110000")]
    pub region: Option<String>,
    /// The vehicle.
    pub vehicle: Option<VehicleBody>,
    /// 车主.
    pub owner: Option<PartyBody>,
    /// 投保人.
    pub applicant: Option<PartyBody>,
    /// 被保险人.
    pub insured: Option<PartyBody>,
    /// Named drivers; as many as `driverCount` says.
    pub drivers: Option<Vec<PartyBody>>,
    /// How many drivers are named.
    pub driver_count: Option<u16>,
    /// 交强险, when asked for.
    pub compulsory: Option<CompulsoryBody>,
    /// 商业险, when asked for.
    pub commercial: Option<CommercialBody>,
    /// 车船税; the plain case when absent.
    pub tax: Option<TaxBody>,
    /// What the insurer computed itself; any difference is refused with its rule.
    pub declared: Option<DeclaredBody>,
}

/// The vehicle of a message.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Vehicle)]
pub struct VehicleBody {
    /// 车架号: VIN of 17 characters, or a shorter frame number with `shortFrame`.
    #[schema(example = "LSVAM4187C2184847")]
    pub frame_no: Option<String>,
    /// RACK_NO_FLAG: an old or imported vehicle with a frame number under 17 characters.
    pub short_frame: Option<bool>,
    /// 发动机号.
    #[schema(example = "CFB123456")]
    pub engine_no: Option<String>,
    /// 号牌; empty for a new car without one.
    #[schema(example = "京A12345")]
    pub plate: Option<String>,
    /// 号牌种类.
    #[schema(example = "02")]
    pub plate_kind: Option<String>,
    /// 车辆种类.
    #[schema(example = "11")]
    pub category: Option<String>,
    /// 使用性质.
    #[schema(example = "210")]
    pub usage: Option<String>,
    /// 燃料种类.
    #[schema(example = "A")]
    pub fuel: Option<String>,
    /// Chargeable from outside.
    pub plug_in: Option<bool>,
    /// 核定载客.
    #[schema(example = 5)]
    pub seats: Option<u16>,
    /// 核定载质量, tonnes.
    pub tonnage_t: Option<String>,
    /// 整备质量, kilograms.
    #[schema(example = "1280")]
    pub curb_weight_kg: Option<String>,
    /// 排量, cubic centimetres.
    #[schema(example = 1595)]
    pub displacement_cc: Option<u32>,
    /// 功率, kilowatts.
    pub power_kw: Option<String>,
    /// 出厂日期, `yyyy-MM-dd`.
    pub made_on: Option<String>,
    /// 初次登记日期; empty only for a new vehicle.
    #[schema(example = "2021-03-01")]
    pub first_registered_on: Option<String>,
    /// Day on the purchase invoice of a new vehicle.
    pub invoiced_on: Option<String>,
    /// 新车标志.
    pub new_vehicle: Option<bool>,
    /// 新车购置价; the model library's price when absent.
    pub new_price: Option<String>,
    /// 行业车型编码.
    pub model_code: Option<String>,
    /// Made abroad.
    pub imported: Option<bool>,
    /// On the list of energy-saving vehicles.
    pub energy_saving_listed: Option<bool>,
    /// 外地车标志.
    pub ecdemic: Option<String>,
    /// 侧三轮.
    pub side_car: Option<bool>,
    /// Why the use differs from the police registration.
    pub usage_reason: Option<String>,
    /// 过户车: ownership passed to somebody else since the last policy.
    pub transferred: Option<bool>,
    /// 过户日期.
    pub transferred_on: Option<String>,
}

/// A person or organisation.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Party)]
pub struct PartyBody {
    /// Full name.
    #[schema(example = "张三丰")]
    pub name: Option<String>,
    /// `person` or `organisation`; a person when absent.
    pub holder: Option<String>,
    /// 证件类型.
    #[schema(example = "01")]
    pub certificate_kind: Option<String>,
    /// 证件号码.
    #[schema(example = "11010519491231002X")]
    pub certificate_no: Option<String>,
    /// 手机号.
    #[schema(example = "13800001234")]
    pub mobile: Option<String>,
}

/// Compulsory cover asked for.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Compulsory)]
pub struct CompulsoryBody {
    /// `yyyyMMddHH` in China, or RFC 3339.
    #[schema(example = "2026120100")]
    pub start: Option<String>,
    /// The same; a year after `start` when absent. Hour 24 ends a day.
    pub end: Option<String>,
    /// `temporaryEntry`, `temporaryRoadUse`, `nearScrapping` or `regulator`.
    pub short_term: Option<String>,
    /// Reasons not to float that the history does not show: `07`, `09`, `10`.
    pub no_float: Option<Vec<String>>,
}

/// Commercial cover asked for.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Commercial)]
pub struct CommercialBody {
    /// `yyyyMMddHH` in China, or RFC 3339.
    #[schema(example = "2026120100")]
    pub start: Option<String>,
    /// The same; a year after `start` when absent.
    pub end: Option<String>,
    /// 自主定价系数.
    #[schema(example = "0.85")]
    pub autonomous_coefficient: Option<String>,
    /// 附加费用率; the cap when absent.
    pub expense_ratio: Option<String>,
    /// Deductible chosen for own damage, yuan a loss.
    pub hull_deductible: Option<String>,
    /// The covers.
    pub covers: Option<Vec<CoverBody>>,
}

/// One cover asked for.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Cover)]
pub struct CoverBody {
    /// Code of the cover: `M01` hull, `M02` third party, `M03` occupants, `X..`, `N..`.
    #[schema(example = "M02")]
    pub coverage_code: Option<String>,
    /// `driver` or `passenger`, for occupants.
    pub part: Option<String>,
    /// 限额, for occupants per seat.
    #[schema(example = "1000000.00")]
    pub limit_amount: Option<String>,
    /// Seats insured.
    pub seats: Option<u16>,
    /// 绝对免赔率, percent: 5, 10, 15 or 20.
    pub deductible_pct: Option<u8>,
    /// 协商实际价值.
    pub agreed_value: Option<String>,
    /// Days of compensation.
    pub days: Option<u16>,
    /// Compensation a day.
    pub daily: Option<String>,
    /// Code of the main cover this one hangs on.
    pub linked: Option<String>,
    /// How often a service may be called on.
    pub times: Option<u16>,
}

/// Vehicle tax of a message.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Tax)]
pub struct TaxBody {
    /// Tax item when the category does not settle it, for example `wheeledMachinery`.
    pub item: Option<String>,
    /// Number of the receipt for this year.
    pub receipt_no: Option<String>,
    /// Authority that issued receipt or document.
    pub authority: Option<String>,
    /// Year of the receipt.
    pub receipt_year: Option<i16>,
    /// Whether the region writes `W` instead of `P` for a paid year.
    pub paid_variant: Option<bool>,
    /// Code of an exemption or reduction.
    pub derate_code: Option<String>,
    /// Its document.
    pub derate_document: Option<String>,
    /// Earlier years still unpaid.
    pub unpaid_years: Option<Vec<i16>>,
    /// 拒缴.
    pub refused: Option<bool>,
}

/// What the insurer computed itself.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Declared)]
pub struct DeclaredBody {
    /// Compulsory base premium.
    pub compulsory_base: Option<String>,
    /// Compulsory premium.
    pub compulsory_premium: Option<String>,
    /// Code of the accident float, for example `E3`.
    pub accident_code: Option<String>,
    /// Vehicle tax.
    pub tax: Option<String>,
    /// No-claim coefficient.
    pub ncd: Option<String>,
    /// Violation coefficient.
    pub violation: Option<String>,
    /// Commercial premium.
    pub commercial_premium: Option<String>,
}

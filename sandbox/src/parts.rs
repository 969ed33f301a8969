//! Parts (配件) of the model library: what they cost by rights, and the operation's words.

use kernel::Fen;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// So many parts may be asked at once.
pub const MOST_PARTS: usize = 100;

/// One part of the library.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Part {
    /// Code of the vehicle's maker (原厂编码, OE号).
    pub code: String,
    /// 配件名称.
    pub name: String,
    /// Models it fits (行业车型编码); empty fits all.
    #[serde(default)]
    pub model_codes: Vec<String>,
    /// Reference price of one piece, tax included.
    pub price: Fen,
    /// What the price is for.
    pub brand_class: BrandClass,
}

/// Who made a part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum BrandClass {
    /// 原厂件: under the vehicle maker's brand.
    Original,
    /// 品牌件: under the brand of a parts maker.
    Branded,
    /// 适用件: fits, under no brand of note.
    Fitting,
    /// 再制造件.
    Remanufactured,
}

/// Asks what parts cost.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PartsQuery {
    /// 行业车型编码; a part that does not fit it is unknown. Empty asks for any model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model_code: Option<String>,
    /// 原厂编码, compared as written.
    #[schema(max_items = 100)]
    pub codes: Vec<String>,
}

/// What the parts cost.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PartsAnswer {
    /// One for each code asked, in that order.
    pub parts: Vec<PricedPart>,
}

/// What one part costs.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PricedPart {
    /// As asked.
    pub code: String,
    /// Empty when the library does not know the part, or not for that model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<Reference>,
}

/// A reference price.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Reference {
    /// 配件名称.
    pub name: String,
    /// Price of one piece in yuan, tax included.
    pub price: Fen,
    /// What the price is for.
    pub brand_class: BrandClass,
}

/// The parts the library is born with, for models of its catalogue. Codes and prices are made up,
/// of a plausible form and size.
pub fn catalogue() -> Vec<Part> {
    use BrandClass::{Branded, Fitting, Original, Remanufactured};
    const LAVIDA: &[&str] = &["BDZ1600FV7160", "BDZ1400FV7140"];
    const LEVIN: &[&str] = &["BFT1500GTM715", "BFT1800GTM718"];
    const X5: &[&str] = &["BBM3000IMPX5"];
    const HAN: &[&str] = &["BBY0000BYD7009"];
    const MODEL_3: &[&str] = &["BTS0000TSL7000"];
    let part = |code: &str, name: &str, models: &[&str], yuan: i64, brand_class| Part {
        code: code.into(),
        name: name.into(),
        model_codes: models.iter().map(|&model| model.into()).collect(),
        price: Fen(yuan * 100),
        brand_class,
    };
    vec![
        part("18D807217A", "前保险杠皮", LAVIDA, 620, Original),
        part("18D807421B", "后保险杠皮", LAVIDA, 580, Original),
        part("18D941005C", "左前大灯总成", LAVIDA, 1_150, Original),
        part("18D941006C", "右前大灯总成", LAVIDA, 1_150, Original),
        part("18D821105", "左前翼子板", LAVIDA, 460, Original),
        part("18D845099", "前风挡玻璃", LAVIDA, 780, Branded),
        part("18D121253R", "水箱", LAVIDA, 540, Remanufactured),
        part("5211902990", "前保险杠皮", LEVIN, 690, Original),
        part("8111002L40", "右前大灯总成", LEVIN, 1_480, Original),
        part("51118069171", "前保险杠皮", X5, 7_860, Original),
        part("63117933339", "左前激光大灯总成", X5, 18_900, Original),
        part("HA2803101", "前保险杠皮", HAN, 1_320, Original),
        part("109123400A", "前保险杠皮", MODEL_3, 1_750, Original),
        part("JY6540RH21", "雨刮片", &[], 68, Fitting),
    ]
}

//! The vehicle model library (车型库) about parts (配件): what one piece costs by rights.
//!
//! Budget: [`Settings::parts_budget`](super::Settings::parts_budget) for all codes of a call
//! together, asked a hundred at a time, at most two attempts of 500 ms each; breaker and
//! connections are those of the model look-up. Degradation: a part without an answer is like one
//! the library does not know, with a notice. Contract: `openapi/sandbox-models.json`.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use base_http::Notice;
use base_http::outbound::{Outbound, OutboundError, Request};
use kernel::Fen;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use crate::outside::{departs, notice};

/// So many parts are asked in one message.
const AT_ONCE: usize = 100;

/// Longer texts are no part codes and are not asked.
const LONGEST_CODE: usize = 64;

/// What a part costs by rights.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PartPrice {
    /// Reference price of one piece, tax included; above zero.
    pub price: Fen,
    /// What the price is for.
    pub brand_class: BrandClass,
}

/// Who made a part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
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

/// What the library said of the parts asked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PartPrices {
    /// The parts it knows, by code as asked; what is missing is unknown.
    pub known: BTreeMap<String, PartPrice>,
    /// Why some or all codes were left without an answer: kind of failure, as in
    /// [`base_http::outbound::OutboundError::kind`]. `None` when all were answered.
    pub unanswered: Option<&'static str>,
}

impl PartPrices {
    /// The reference of a part; `None` when it is unknown.
    pub fn of(&self, code: &str) -> Option<PartPrice> {
        self.known.get(code).copied()
    }

    /// What the insurer ought to know of the answer.
    pub fn notice(&self) -> Option<Notice> {
        let detail = "车型库未应答配件价格 the model library did not answer about parts; prices \
                      without a reference are not compared";
        self.unanswered.map(|_| notice("N2141", detail.into()))
    }
}

/// What was found before a failure, and the failure.
pub(crate) struct Asked {
    pub(crate) known: BTreeMap<String, PartPrice>,
    pub(crate) failure: Option<OutboundError>,
}

/// Asks for every code once, a hundred at a time, until one message fails or the budget is spent.
pub(crate) async fn ask(
    library: &Outbound,
    model_code: Option<&str>,
    codes: &[String],
    budget: Duration,
) -> Asked {
    let deadline = Instant::now() + budget;
    let sensible = |code: &&str| !code.is_empty() && code.len() <= LONGEST_CODE;
    let codes: BTreeSet<&str> = codes.iter().map(String::as_str).filter(sensible).collect();
    let codes: Vec<&str> = codes.into_iter().collect();
    let mut known = BTreeMap::new();
    for codes in codes.chunks(AT_ONCE) {
        let left = deadline.saturating_duration_since(Instant::now());
        match ask_some(library, model_code, codes, left).await {
            Ok(more) => known.extend(more),
            Err(failure) => return Asked { known, failure: Some(failure) },
        }
    }
    Asked { known, failure: None }
}

async fn ask_some(
    library: &Outbound,
    model_code: Option<&str>,
    codes: &[&str],
    budget: Duration,
) -> Result<Vec<(String, PartPrice)>, OutboundError> {
    let request = Request::post("/models/parts", &wire::Query { model_code, codes })?.repeatable();
    let answer = library.call::<wire::Answer>(&request, budget).await?;
    let priced = answer.parts.into_iter().filter_map(|part| Some((part.code, part.reference?)));
    let asked = |(code, _): &(String, PartPrice)| codes.contains(&code.as_str());
    let priced: Vec<(String, PartPrice)> = priced.filter(asked).collect();
    if priced.iter().any(|(_, reference)| reference.price <= Fen::ZERO) {
        return Err(departs(library, "a price that is not above zero"));
    }
    Ok(priced)
}

/// The contract's own words.
mod wire {
    use super::{Deserialize, PartPrice, Serialize};

    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    pub(super) struct Query<'a> {
        #[serde(skip_serializing_if = "Option::is_none")]
        pub(super) model_code: Option<&'a str>,
        pub(super) codes: &'a [&'a str],
    }

    #[derive(Deserialize)]
    pub(super) struct Answer {
        pub(super) parts: Vec<Part>,
    }

    #[derive(Deserialize)]
    pub(super) struct Part {
        pub(super) code: String,
        pub(super) reference: Option<PartPrice>,
    }
}

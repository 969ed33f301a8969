//! Who sold a policy and for how much: the terms agreed with the pre-confirmation.

use jiff::Timestamp;
use kernel::{Fen, time};
use production_core::region::Region;
use production_core::rule::{Findings, RuleId};
use production_core::rules::distribution::{self, Channel, Licence, LicenceKind};
use production_core::rules::format;
use production_rating::Parameter;
use production_rating::Tariff;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::quote::read;
use crate::store::quote::QuoteRecord;

/// Channel, intermediary and commission of a message.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Fee)]
pub struct FeeBody {
    /// 销售渠道: `01` direct, `02` individual agent, `03` professional agency, `04` part-time
    /// agency, `05` broker, `06` telephone, `07` online, `08` cross-selling.
    #[schema(example = "03")]
    pub channel: Option<String>,
    /// Name of the intermediary.
    pub intermediary: Option<String>,
    /// `1` practice certificate, `2` agency, `3` part-time agency, `4` broker.
    #[schema(example = "2")]
    pub licence_kind: Option<String>,
    /// 许可证号.
    pub licence_no: Option<String>,
    /// First day the licence holds.
    pub licence_from: Option<String>,
    /// Last day the licence holds.
    pub licence_to: Option<String>,
    /// 代理合同号.
    pub contract_no: Option<String>,
    /// Commission ratio of the compulsory premium.
    #[schema(example = "0.04")]
    pub compulsory_ratio: Option<String>,
    /// Commission ratio of the commercial premium.
    #[schema(example = "0.10")]
    pub commercial_ratio: Option<String>,
}

/// Terms of sale. Stored with the proposal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FeeTerms {
    /// Sales channel.
    pub channel: Channel,
    /// Name of the intermediary.
    #[serde(default)]
    pub intermediary: Option<String>,
    /// Its licence.
    #[serde(default)]
    pub licence: Option<Licence>,
    /// 代理合同号.
    #[serde(default)]
    pub contract_no: Option<String>,
    /// Commission of the compulsory premium.
    #[serde(default)]
    pub compulsory: Option<Commission>,
    /// Commission of the commercial premium.
    #[serde(default)]
    pub commercial: Option<Commission>,
}

/// A commission: premium × ratio, rounded to the fen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Commission {
    /// In `[0, 1)`.
    pub ratio: Decimal,
    /// The amount.
    pub amount: Fen,
}

impl FeeTerms {
    /// Commission in all; `None` on overflow.
    pub fn amount(&self) -> Option<Fen> {
        Fen::sum(self.compulsory.iter().chain(&self.commercial).map(|one| one.amount))
    }
}

/// Reads the terms of a quote's sale and holds them to L29 and L30. Direct sale without
/// commission when nothing is said.
pub(crate) fn read(
    body: Option<&FeeBody>,
    record: &QuoteRecord,
    tariff: &Tariff,
    now: Timestamp,
    found: &mut Findings,
) -> Option<FeeTerms> {
    let empty = FeeBody::default();
    let body = body.unwrap_or(&empty);
    let channel = match body.channel.as_deref() {
        None => Channel::Direct,
        Some(code) => read::word(code, RuleId::L30, "/fee/channel", found)?,
    };
    let licence = read_licence(body, found);
    distribution::licence(channel, licence.as_ref(), time::day_of(now), "/fee/licenceNo", found);
    let mut commission =
        |ratio: &Option<String>, premium: Option<Fen>, cap: Parameter, at: &str| {
            let ratio = read::decimal(ratio, RuleId::F11, at, found)?;
            format::rate(ratio, at, found);
            let cap = self::cap(tariff, cap, record.region, now);
            distribution::commission(ratio, cap, None, at, found);
            let Some(premium) = premium else {
                found.add(RuleId::L29, at, "there is no such premium in this quote; leave it out");
                return None;
            };
            Some(Commission { ratio, amount: premium.at_rate(ratio)? })
        };
    let compulsory = commission(
        &body.compulsory_ratio,
        record.compulsory.map(|part| part.premium),
        Parameter::CompulsoryCommissionCap,
        "/fee/compulsoryRatio",
    );
    let commercial = commission(
        &body.commercial_ratio,
        record.commercial.map(|part| part.premium),
        Parameter::CommercialCommissionCap,
        "/fee/commercialRatio",
    );
    if channel == Channel::Direct && (compulsory.is_some() || commercial.is_some()) {
        found.add(
            RuleId::L29,
            "/fee/channel",
            "a direct sale pays no commission; name the channel",
        );
    }
    Some(FeeTerms {
        channel,
        intermediary: body.intermediary.clone(),
        licence,
        contract_no: body.contract_no.clone(),
        compulsory,
        commercial,
    })
}

/// The legal cap of a commission in a region on the day of `at`; none where no row is in force.
pub(crate) fn cap(tariff: &Tariff, cap: Parameter, region: Region, at: Timestamp) -> Decimal {
    tariff
        .parameter(cap, region, false, time::day_of(at))
        .and_then(|row| row.max.or(row.value))
        .unwrap_or(Decimal::ONE)
}

fn read_licence(body: &FeeBody, found: &mut Findings) -> Option<Licence> {
    let number = body.licence_no.clone()?;
    let kind: Option<LicenceKind> = match body.licence_kind.as_deref() {
        Some(code) => read::word(code, RuleId::L30, "/fee/licenceKind", found),
        None => read::missing("/fee/licenceKind", found),
    };
    let mut day = |value: &Option<String>, at: &str| match value.as_deref() {
        Some(raw) => format::day(raw, at, found),
        None => read::missing(at, found),
    };
    let from = day(&body.licence_from, "/fee/licenceFrom");
    let to = day(&body.licence_to, "/fee/licenceTo");
    Some(Licence { kind: kind?, number, from: from?, to: to? })
}

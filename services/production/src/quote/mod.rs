//! 投保查询: from a message to premiums, and the query code they can be had under.
//!
//! A quote reads (history of all insurers, kept outside answers), asks outside what is not fresh,
//! rates with pure code, and writes one row. Nothing is open while the outside is asked; the read
//! and the write of many calls are one read and one write.

pub mod answer;
pub mod check;
pub(crate) mod checks;
pub mod claims;
pub(crate) mod flow;
pub mod read;
mod record;
pub mod wire;

use production_core::party::Party;
use production_core::plate::Plate;
use serde::{Deserialize, Serialize};

use crate::outside::Source;

pub use checks::Duplicate;
pub use record::RecordQuote;

/// What tells a vehicle from others beside its frame number. Stored with quotes and versions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct VehicleIdentity {
    /// Its plate; `None` for a new car without one.
    #[serde(default)]
    pub plate: Option<Plate>,
    /// Engine number, normalised.
    pub engine_no: String,
    /// Blind index of the owner, hexadecimal.
    #[serde(default)]
    pub owner_index: String,
}

/// The people and organisations of a policy: personal data, sealed at rest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Parties {
    /// 车主.
    pub owner: Party,
    /// 投保人.
    pub applicant: Party,
    /// 被保险人.
    pub insured: Party,
    /// Named drivers.
    #[serde(default)]
    pub drivers: Vec<Party>,
}

impl Parties {
    /// What an owner is recognised by: the certificate number, or the name without one.
    pub fn owner_mark(&self) -> &str {
        let certificate = self.owner.certificate.as_ref();
        certificate.map_or(self.owner.name.as_str(), |certificate| certificate.number())
    }
}

/// What a quote assumed of outside systems; asked again before the confirmation.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Assumed {
    /// The sources that did not answer.
    #[serde(default)]
    pub sources: Vec<Source>,
    /// Violations were asked for from this day on.
    #[serde(default)]
    pub violations_since: Option<jiff::civil::Date>,
    /// Calendar year of the vehicle tax asked for.
    #[serde(default)]
    pub tax_year: Option<i16>,
}

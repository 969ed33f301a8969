//! Persons and organisations of an answer.

use production_core::party::Party;
use serde::Serialize;
use utoipa::ToSchema;

use crate::lookup::Shown;
use crate::quote::Parties;

/// A person or organisation of a policy.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = PartyView)]
pub struct PartyView {
    /// `owner`, `applicant`, `insured` or `driver`.
    pub role: &'static str,
    /// Name; a person's is masked to its first character.
    #[schema(example = "李*")]
    pub name: String,
    /// 证件类型.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub certificate_kind: Option<&'static str>,
    /// 证件号码; masked to three and four characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub certificate_no: Option<String>,
    /// 手机号; masked in the middle.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mobile: Option<String>,
}

/// All parties in the order owner, applicant, insured, drivers.
pub(crate) fn views(parties: &Parties, shown: Shown) -> Vec<PartyView> {
    let named = [&parties.owner, &parties.applicant, &parties.insured];
    named.into_iter().chain(&parties.drivers).map(|party| view(party, shown)).collect()
}

fn view(party: &Party, shown: Shown) -> PartyView {
    let whole = shown == Shown::Whole;
    let certificate = party.certificate.as_ref();
    PartyView {
        role: party.role.name(),
        name: if whole { party.name.clone() } else { party.masked_name() },
        certificate_kind: certificate.map(|certificate| certificate.kind().code()),
        certificate_no: certificate.map(|certificate| {
            if whole { certificate.number().to_owned() } else { certificate.masked() }
        }),
        mobile: party
            .mobile
            .as_ref()
            .map(|mobile| if whole { mobile.as_str().to_owned() } else { mobile.masked() }),
    }
}

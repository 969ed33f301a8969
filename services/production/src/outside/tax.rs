//! The tax authority (税务): evidence of vehicle tax, and declarations of what was withheld.
//!
//! Budget: what the caller grants, at most two attempts of 500 ms. Degradation: an older snapshot
//! stands in; without one the year counts as unpaid, nothing as owed and no relief as granted,
//! unless the insurer states otherwise. A declaration that cannot be delivered is deferred: its
//! number makes it safe to send again. Contract: `openapi/sandbox-tax.json`.

use std::time::Duration;

use base_http::outbound::{Outbound, OutboundError, Request};
use jiff::civil::Date;
use kernel::Fen;
use production_core::frame::FrameNo;
use production_core::insurer::InsurerCode;
use production_core::number::PlatformNumber;
use production_core::plate::Plate;
use production_rating::{TaxCondition, TaxDerate, TaxInput, TaxReceipt};
use serde::{Deserialize, Serialize};

use crate::outside::answer::{Question, Snapshot};

/// What the tax authority is asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TaxQuestion {
    /// The vehicle.
    pub frame: FrameNo,
    /// Calendar year.
    pub year: i16,
}

impl Question for TaxQuestion {}

/// An earlier year still owed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OwedYear {
    /// Calendar year.
    pub year: i16,
    /// Unpaid tax as the tax authority has it, without late fee.
    pub unpaid: Fen,
    /// Last day it could be paid without late fee.
    pub due_on: Date,
}

/// What the tax authority knows of a vehicle and year.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TaxEvidence {
    /// The year is paid.
    pub paid: Option<TaxReceipt>,
    /// Earlier years still owed, earliest first.
    pub owed: Vec<OwedYear>,
    /// Exemptions and reductions that touch the year.
    pub derates: Vec<TaxDerate>,
}

impl TaxEvidence {
    /// `stated` with the authority's word where it has one: a receipt, years owed, a derate. What
    /// the insurer states beyond that stays, for paper receipts exist.
    pub fn complete(&self, stated: &TaxInput) -> TaxInput {
        let mut input = stated.clone();
        input.paid = self.paid.clone().or(input.paid);
        input.derate = self.derates.first().cloned().or(input.derate);
        for owed in &self.owed {
            if !input.unpaid_years.contains(&owed.year) {
                input.unpaid_years.push(owed.year);
            }
        }
        input.unpaid_years.sort_unstable();
        input
    }
}

/// A dated answer of the tax authority.
pub type TaxSnapshot = Snapshot<TaxQuestion, TaxEvidence>;

/// What was withheld with one compulsory policy.
#[derive(Clone, Debug)]
pub struct TaxDeclaration {
    /// Who withheld it.
    pub insurer: InsurerCode,
    /// The policy it is printed on.
    pub confirm_no: PlatformNumber,
    /// The vehicle.
    pub frame: FrameNo,
    /// Its plate.
    pub plate: Option<Plate>,
    /// Calendar year.
    pub year: i16,
    /// Where the tax stands.
    pub condition: TaxCondition,
    /// Who paid. Personal data.
    pub payer_name: String,
    /// When it was collected.
    pub collected_on: Date,
    /// The year's tax.
    pub tax_due: Fen,
    /// Tax of earlier years.
    pub arrears: Fen,
    /// Late fee.
    pub late_fee: Fen,
    /// Sum of the three.
    pub total: Fen,
}

/// What became of a declaration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Withholding {
    /// Taken.
    Registered {
        /// 税务登记号.
        registration_no: String,
        /// 完税凭证号; `None` when nothing was collected.
        receipt_no: Option<String>,
    },
    /// Not delivered: to be sent again under the same number until it is.
    Deferred {
        /// Kind of failure.
        why: &'static str,
    },
    /// Refused for good: somebody has to look at it.
    Refused {
        /// The authority's word, for example `already-paid`.
        code: String,
    },
}

/// The connector.
#[derive(Clone)]
pub(crate) struct Tax {
    outbound: Outbound,
}

impl Tax {
    pub(crate) fn new(outbound: Outbound) -> Tax {
        Tax { outbound }
    }

    pub(crate) async fn ask(
        &self,
        question: &TaxQuestion,
        budget: Duration,
    ) -> Result<TaxEvidence, OutboundError> {
        let query = wire::EvidenceQuery { vin: question.frame.as_str(), year: question.year };
        let request = Request::post("/tax/evidence", &query)?.repeatable();
        let evidence = self.outbound.call::<wire::Evidence>(&request, budget).await?;
        let mut owed: Vec<OwedYear> = evidence.arrears.into_iter().map(owed).collect();
        owed.sort_by_key(|owed| owed.year);
        Ok(TaxEvidence {
            paid: evidence.receipt.map(|receipt| TaxReceipt {
                number: receipt.receipt_no,
                authority: receipt.authority,
                year: receipt.year,
                variant: false,
            }),
            owed,
            derates: evidence.reliefs.into_iter().map(derate).collect(),
        })
    }

    /// Sends the declaration under `number`; the same number may be sent again.
    pub(crate) async fn declare(
        &self,
        number: &PlatformNumber,
        declaration: &TaxDeclaration,
        budget: Duration,
    ) -> Withholding {
        let sent = async {
            let request = Request::put(path(number), &written(declaration))?;
            self.outbound.call::<wire::Registration>(&request, budget).await
        };
        match sent.await {
            Ok(wire::Registration { registration_no, receipt_no }) => {
                Withholding::Registered { registration_no, receipt_no }
            }
            Err(error) => refused_or_deferred(error),
        }
    }

    /// Takes the declaration back; one that never arrived is as good as taken back.
    pub(crate) async fn take_back(
        &self,
        number: &PlatformNumber,
        budget: Duration,
    ) -> Result<(), OutboundError> {
        let request = Request::delete(path(number));
        match self.outbound.call::<Option<serde::de::IgnoredAny>>(&request, budget).await {
            Ok(_) => Ok(()),
            Err(OutboundError::Status { status, .. }) if status == http::StatusCode::NOT_FOUND => {
                Ok(())
            }
            Err(error) => Err(error),
        }
    }
}

fn path(number: &PlatformNumber) -> String {
    format!("/tax/declarations/{number}")
}

fn refused_or_deferred(error: OutboundError) -> Withholding {
    let why = error.kind();
    match error {
        OutboundError::Status { status, body, .. } if status.is_client_error() => {
            // Too many requests is the one refusal that passes.
            if status == http::StatusCode::TOO_MANY_REQUESTS {
                return Withholding::Deferred { why };
            }
            let refusal = serde_json::from_slice::<wire::Refusal>(&body);
            let code = refusal.map_or_else(|_| status.as_str().to_owned(), |refusal| refusal.code);
            Withholding::Refused { code }
        }
        _ => Withholding::Deferred { why },
    }
}

fn owed(arrears: wire::Arrears) -> OwedYear {
    OwedYear { year: arrears.year, unpaid: arrears.unpaid, due_on: arrears.due_on }
}

fn derate(relief: wire::Relief) -> TaxDerate {
    TaxDerate {
        code: relief.reason_code,
        document: relief.document_no,
        authority: relief.authority,
    }
}

fn written(declaration: &TaxDeclaration) -> wire::Declaration<'_> {
    wire::Declaration {
        insurer: declaration.insurer.to_string(),
        confirm_no: declaration.confirm_no.to_string(),
        vin: declaration.frame.as_str(),
        plate: declaration
            .plate
            .as_ref()
            .map(|plate| wire::Plate { number: plate.number(), kind: plate.kind().code() }),
        year: declaration.year,
        condition: declaration.condition,
        payer_name: &declaration.payer_name,
        collected_on: declaration.collected_on,
        tax_due: declaration.tax_due,
        arrears: declaration.arrears,
        late_fee: declaration.late_fee,
        total: declaration.total,
    }
}

/// The contract's own words.
mod wire {
    use super::{Date, Deserialize, Fen, Serialize, TaxCondition};

    #[derive(Serialize)]
    pub(super) struct EvidenceQuery<'a> {
        pub(super) vin: &'a str,
        pub(super) year: i16,
    }

    #[derive(Deserialize)]
    pub(super) struct Evidence {
        pub(super) receipt: Option<Receipt>,
        pub(super) arrears: Vec<Arrears>,
        pub(super) reliefs: Vec<Relief>,
    }

    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    pub(super) struct Receipt {
        pub(super) receipt_no: String,
        pub(super) year: i16,
        pub(super) authority: String,
    }

    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    pub(super) struct Arrears {
        pub(super) year: i16,
        pub(super) unpaid: Fen,
        pub(super) due_on: Date,
    }

    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    pub(super) struct Relief {
        pub(super) reason_code: String,
        pub(super) document_no: String,
        pub(super) authority: String,
    }

    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    pub(super) struct Declaration<'a> {
        pub(super) insurer: String,
        pub(super) confirm_no: String,
        pub(super) vin: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        pub(super) plate: Option<Plate<'a>>,
        pub(super) year: i16,
        pub(super) condition: TaxCondition,
        pub(super) payer_name: &'a str,
        pub(super) collected_on: Date,
        pub(super) tax_due: Fen,
        pub(super) arrears: Fen,
        pub(super) late_fee: Fen,
        pub(super) total: Fen,
    }

    #[derive(Serialize)]
    pub(super) struct Plate<'a> {
        pub(super) number: &'a str,
        pub(super) kind: &'a str,
    }

    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    pub(super) struct Registration {
        pub(super) registration_no: String,
        pub(super) receipt_no: Option<String>,
    }

    #[derive(Deserialize)]
    pub(super) struct Refusal {
        pub(super) code: String,
    }
}

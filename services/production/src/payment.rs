//! 支付登记: the money of a proposal, before anything is confirmed (见费出单).

use base_http::{Call, Done, EventDraft, Notice, Problem, Reply};
use http::StatusCode;
use jiff::Timestamp;
use pg::{Command, Tx};
use production_core::number::{NumberKind, PlatformNumber};
use production_core::quote::{Payment, QuoteStage};
use production_core::rule::{Findings, RuleId};
use production_core::rules::format::{self, Edge};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::Production;
use crate::error::ProductionError;
use crate::pre_confirm::{number, refused};
use crate::quote::{checks, read};
use crate::sealed;
use crate::store::proposal::{self, PaymentRecord};

/// 支付登记: that the money came, how and from whom.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = PaymentRequest)]
pub struct PaymentBody {
    /// Number the insurer or its bank knows the payment by; used once for a code.
    #[schema(example = "POS-2026-000017")]
    pub reference: Option<String>,
    /// Exactly the payable amount.
    #[schema(example = "1085.00")]
    pub amount: Option<String>,
    /// `bank_transfer`, `card`, `pos`, `mobile`, `cash` or `cheque`.
    #[schema(example = "pos")]
    pub method: Option<String>,
    /// When it was received: RFC 3339 or `yyyyMMddHHmm` in China; now when absent.
    pub paid_at: Option<String>,
    /// Who paid. Stored sealed.
    pub payer_name: Option<String>,
    /// From which account. Stored sealed.
    pub payer_account: Option<String>,
}

#[derive(Serialize)]
struct Payer<'a> {
    name: &'a Option<String>,
    account: &'a Option<String>,
}

/// A payment read from its message.
#[derive(Clone, Debug)]
pub(crate) struct ReadPayment {
    pub(crate) method: &'static str,
    pub(crate) payment: Payment,
    payer_name: Option<String>,
    payer_account: Option<String>,
}

impl ReadPayment {
    /// As it is stored, for `for_no`.
    pub(crate) async fn record(
        &self,
        production: &Production,
        call: &Call,
        for_no: PlatformNumber,
    ) -> Result<PaymentRecord, ProductionError> {
        let payer = Payer { name: &self.payer_name, account: &self.payer_account };
        let payer_sealed = if payer.name.is_some() || payer.account.is_some() {
            Some(production.sealer.seal(call.caller.tenant, sealed::PAYER, &payer).await?)
        } else {
            None
        };
        Ok(PaymentRecord {
            payment_id: production.spine.ids().next(call.received_at),
            tenant: call.caller.tenant,
            for_no,
            method: self.method,
            payer_sealed,
            payment: self.payment.clone(),
        })
    }
}

/// Reads a payment message, naming every fault. `signed` allows negative amounts: money given
/// back with an endorsement.
pub(crate) fn read_payment(
    body: &PaymentBody,
    signed: format::Sign,
    now: Timestamp,
) -> Result<ReadPayment, Problem> {
    const METHODS: [&str; 6] = ["bank_transfer", "card", "pos", "mobile", "cash", "cheque"];
    let mut found = Findings::new();
    let reference = read::text(&body.reference, "/reference", &mut found).map(str::to_owned);
    if reference.as_ref().is_some_and(|reference| reference.chars().count() > 64) {
        found.add(RuleId::S02, "/reference", "a payment reference has at most 64 characters");
    }
    let amount = match body.amount.as_deref() {
        Some(raw) => format::money(raw, signed, "/amount", &mut found),
        None => read::missing("/amount", &mut found),
    };
    let method = read::text(&body.method, "/method", &mut found).and_then(|method| {
        let known = METHODS.iter().find(|known| **known == method).copied();
        if known.is_none() {
            let text = format!("method is none of {}", METHODS.join(", "));
            found.add(RuleId::S02, "/method", text);
        }
        known
    });
    let paid_at = match body.paid_at.as_deref() {
        Some(raw) => format::instant(raw, Edge::Start, "/paidAt", &mut found),
        None => Some(now),
    };
    if paid_at.is_some_and(|at| now < at) {
        found.add(RuleId::F09, "/paidAt", "the payment lies in the future");
    }
    match (reference, amount, method, paid_at) {
        (Some(reference), Some(amount), Some(method), Some(paid_at)) if !found.rejects() => {
            Ok(ReadPayment {
                method,
                payment: Payment { amount, reference, paid_at },
                payer_name: body.payer_name.clone(),
                payer_account: body.payer_account.clone(),
            })
        }
        _ => Err(Problem::invalid(read::errors(found.split().0))),
    }
}

impl Production {
    /// Registers the money of a pre-confirmed quote.
    pub async fn register_payment(
        &self,
        call: Call,
        query_code: &str,
        body: PaymentBody,
    ) -> Result<Reply, Problem> {
        let query_no = number(self, &call, query_code, NumberKind::Query)?;
        let payment = read_payment(&body, format::Sign::Unsigned, call.received_at)?;
        let record = payment.record(self, &call, query_no).await?;
        let command = RegisterPayment { record, now: call.received_at };
        let notices: Vec<Notice> = checks::unknown(&call.unknown).collect();
        self.spine
            .run(call, &command, |()| {
                let told = serde_json::json!({
                    "queryCode": query_no,
                    "stage": "paid",
                    "paid": command.record.payment.amount,
                    "reference": command.record.payment.reference,
                    "paidAt": command.record.payment.paid_at,
                });
                let mut view = told.clone();
                checks::noting(&mut view, &notices);
                let slot = query_no.slot().0;
                Done::json(StatusCode::OK, &view, slot, query_no.to_string()).telling(EventDraft {
                    kind: "production.payment.registered",
                    subject: query_no.to_string(),
                    data: told,
                })
            })
            .await
    }
}

/// Registers the money of a proposal.
pub(crate) struct RegisterPayment {
    pub(crate) record: PaymentRecord,
    pub(crate) now: Timestamp,
}

impl Command for RegisterPayment {
    const NAME: &'static str = "quote.payment";
    type Out = ();
    type Error = ProductionError;

    async fn apply(&self, tx: &mut Tx) -> Result<(), ProductionError> {
        let query_no = self.record.for_no;
        let standing = proposal::lock(tx, &[query_no]).await?.pop();
        let standing =
            standing.ok_or_else(|| ProductionError::not_found("pre-confirmation of", query_no))?;
        match standing.stage.pay(self.record.payment.clone(), self.now).map_err(refused)? {
            QuoteStage::Paid { payment, .. } => {
                proposal::insert_payment(tx, &self.record, self.now).await?;
                proposal::set_paid(tx, query_no, &payment).await
            }
            _ => Err(ProductionError::Corrupt("proposal")),
        }
    }
}

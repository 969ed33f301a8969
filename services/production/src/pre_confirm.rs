//! 投保预确认: freezes premium, tax and fee of a quote; and its cancellation.

use base_http::{Call, Done, EventDraft, Naming, Problem, Reply};
use http::StatusCode;
use jiff::{SignedDuration, Timestamp};

use pg::{Command, Tx};
use production_core::claim::corrected;
use production_core::number::{NumberKind, PlatformNumber};
use production_core::quote::{Amounts, QuoteError, QuoteStage};
use production_core::rule::{Findings, RuleId};
use production_core::rules::format;
use production_rating::RatingInput;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::Production;
use crate::error::{self, ProductionError};
use crate::fee::{self, FeeBody, FeeTerms};
use crate::identity::IdentityBody;
use crate::lookup::shown_record;
use crate::outside::{Ask, Rated, Verdict};
use crate::quote::flow::{json, quoted_tax};
use crate::quote::{Assumed, VehicleIdentity, checks, read};
use crate::store::identity::{self, PassedCheck};
use crate::store::known;
use crate::store::proposal::{self, ProposalRecord};
use crate::store::quote::{self, QuoteRecord};

/// How long frozen amounts wait for their money and the confirmation.
pub(crate) const HOLD: SignedDuration = SignedDuration::from_hours(48);

/// 投保预确认: what was agreed beside the quote.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = PreConfirmRequest)]
pub struct PreConfirmBody {
    /// Channel, intermediary and commission; direct sale without commission when absent.
    pub fee: Option<FeeBody>,
    /// Checks of identity made before the sale, where the region demands them (rule L31).
    pub identity: Option<IdentityBody>,
}

/// Frozen amounts.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PreConfirmView {
    /// The quote.
    pub query_code: String,
    /// `pre_confirmed`.
    pub stage: &'static str,
    /// Echo these in the confirmation, to the fen.
    pub amounts: AmountsView,
    /// Premiums and tax together: the payment to register.
    pub payable: kernel::Fen,
    /// First instant at which the frozen amounts are no longer good.
    #[schema(value_type = String, format = DateTime)]
    pub valid_until: Timestamp,
    /// Outside systems still to be asked before the confirmation.
    pub assumed: Vec<&'static str>,
    /// What a person should see.
    pub notices: Vec<base_http::Notice>,
}

/// The amounts of a pre-confirmation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Amounts)]
pub struct AmountsView {
    /// Compulsory premium.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub compulsory: Option<kernel::Fen>,
    /// Commercial premium.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub commercial: Option<kernel::Fen>,
    /// Vehicle tax withheld.
    pub tax: kernel::Fen,
    /// Commission agreed.
    pub fee: kernel::Fen,
}

impl From<Amounts> for AmountsView {
    fn from(amounts: Amounts) -> AmountsView {
        AmountsView {
            compulsory: amounts.compulsory,
            commercial: amounts.commercial,
            tax: amounts.tax,
            fee: amounts.fee,
        }
    }
}

/// Reads a platform number of a path: of the right kind and of the caller's insurer. A number of
/// another insurer is not there, as far as the caller may know.
pub(crate) fn number(
    production: &Production,
    call: &Call,
    raw: &str,
    kind: NumberKind,
) -> Result<PlatformNumber, Problem> {
    let insurer = production.insurer_of(call)?;
    let mut found = Findings::new();
    let number = format::platform_number(raw, kind, Some(insurer), "/path", &mut found);
    match number {
        Some(number) if !found.rejects() => Ok(number),
        _ => Err(Problem::invalid(read::errors(found.split().0))),
    }
}

impl Production {
    /// Freezes the amounts of a quote.
    pub async fn pre_confirm(
        &self,
        call: Call,
        query_code: &str,
        body: PreConfirmBody,
    ) -> Result<Reply, Problem> {
        let query_no = number(self, &call, query_code, NumberKind::Query)?;
        let record = self.own_quote(&call, query_no).await?;
        let mut found = Findings::new();
        let tariff = self.book.of_version(&record.tariff_version).await?;
        let terms = fee::read(body.fee.as_ref(), &record, &tariff, call.received_at, &mut found);
        let identity = body.identity.as_ref();
        let passed =
            self.identity_checks(&call, record.region, identity, call.received_at, &mut found);
        let Some(terms) = terms.filter(|_| !found.rejects()) else {
            return Err(Problem::invalid(read::errors(found.split().0)));
        };
        let (assumed, mut notices) = self.second_look(&record, call.received_at).await?;
        notices.extend(read::notices(found.split().1));
        notices.extend(checks::unknown(&call.unknown));
        let command = PreConfirm { record, terms, passed, assumed, now: call.received_at };
        self.spine
            .run(call, &command, |(amounts, until)| {
                let view = PreConfirmView {
                    query_code: query_no.to_string(),
                    stage: "pre_confirmed",
                    amounts: amounts.into(),
                    payable: amounts.payable().unwrap_or_default(),
                    valid_until: until,
                    assumed: command.assumed.sources.iter().map(|source| source.name()).collect(),
                    notices: notices.clone(),
                };
                let slot = query_no.slot().0;
                Done::json(StatusCode::OK, &view, slot, query_no.to_string()).telling(EventDraft {
                    kind: "production.quote.pre_confirmed",
                    subject: query_no.to_string(),
                    data: serde_json::json!({ "payable": view.payable }),
                })
            })
            .await
    }

    /// Gives a pre-confirmation up; registered money is to be given back.
    pub async fn cancel_pre_confirm(&self, call: Call, query_code: &str) -> Result<Reply, Problem> {
        let query_no = number(self, &call, query_code, NumberKind::Query)?;
        let command = CancelPreConfirm { query_no, now: call.received_at };
        self.spine
            .run(call, &command, |refund| {
                let view = serde_json::json!({
                    "queryCode": query_no,
                    "stage": "pre_confirm_cancelled",
                    "refund": refund.map(|payment| payment.amount),
                });
                let slot = query_no.slot().0;
                Done::json(StatusCode::OK, &view, slot, query_no.to_string()).telling(EventDraft {
                    kind: "production.quote.pre_confirm_cancelled",
                    subject: query_no.to_string(),
                    data: view,
                })
            })
            .await
    }

    /// An own quote; its challenge, if it has one, answered.
    pub(crate) async fn own_quote(
        &self,
        call: &Call,
        query_no: PlatformNumber,
    ) -> Result<QuoteRecord, ProductionError> {
        let mut tx = self.spine.db().begin(pg::Scope::of(call.caller.tenant)).await?;
        let found = quote::find(&mut tx, &[query_no]).await?.pop();
        let record = found.ok_or_else(|| ProductionError::not_found("quote", query_no))?;
        if record.challenge.is_some() && !quote::is_answered(&mut tx, query_no).await? {
            let detail = format!("POST /v1/quotes/{query_no}/check with the digits of the image");
            return Err(ProductionError::breaks(RuleId::S08, &error::CHALLENGE_OPEN, detail));
        }
        Ok(record)
    }

    /// Asks outside again where the quote had to assume. Answers what is still assumed.
    pub(crate) async fn second_look(
        &self,
        record: &QuoteRecord,
        now: Timestamp,
    ) -> Result<(Assumed, Vec<base_http::Notice>), Problem> {
        let corrupt = |_| ProductionError::Corrupt("quote");
        let assumed: Assumed = serde_json::from_str(&record.outside).map_err(corrupt)?;
        if assumed.sources.is_empty() {
            return Ok((assumed, Vec::new()));
        }
        let input: RatingInput = serde_json::from_str(&record.input).map_err(corrupt)?;
        let identity: VehicleIdentity = serde_json::from_str(&record.vehicle).map_err(corrupt)?;
        let ask = Ask {
            frame: record.frame.clone(),
            plate: identity.plate,
            violations_since: assumed.violations_since,
            model_code: input.vehicle.model_code.clone(),
            tax_year: assumed.tax_year,
        };
        let rated = Rated {
            at: record.quoted_at,
            facts: &input.vehicle,
            violations: input.history.violations.as_deref(),
            tax: input.tax.as_ref(),
        };
        let known = self.history.of(&record.frame).await?;
        let rechecked = self.outside.recheck(&ask, &rated, self.opened(&known.kept).await).await;
        if let Some(fresh) = self.fresh(&rechecked.consulted).await? {
            let mut conn = self.spine.db().pool().acquire().await.map_err(ProductionError::from)?;
            known::keep(&mut conn, &[(&record.frame, &fresh)], now).await?;
        }
        let names = |sources: &[crate::outside::Source]| {
            sources.iter().map(|source| source.name()).collect::<Vec<_>>().join(", ")
        };
        match rechecked.verdict {
            Verdict::Clear => Ok((Assumed::default(), Vec::new())),
            Verdict::Deferred(sources) => {
                Ok((Assumed { sources, ..assumed }, rechecked.consulted.notices))
            }
            Verdict::Changed(sources) => Err(ProductionError::refused(
                &error::QUOTE_STALE,
                format!("{} now says otherwise than was rated; quote again", names(&sources)),
            )
            .into()),
            Verdict::Barred(status) => Err(ProductionError::breaks(
                RuleId::L24,
                &error::VEHICLE_BARRED,
                format!("the police report status {} ({})", status.code(), status.name_en()),
            )
            .into()),
            Verdict::Unavailable(source) => Err(ProductionError::refused(
                &error::OUTSIDE_UNAVAILABLE,
                format!("{} must answer before this step; come again", source.name()),
            )
            .into()),
        }
    }
}

/// Freezes the amounts of a quote.
struct PreConfirm {
    record: QuoteRecord,
    terms: FeeTerms,
    passed: Vec<PassedCheck>,
    assumed: Assumed,
    now: Timestamp,
}

impl Command for PreConfirm {
    const NAME: &'static str = "quote.pre_confirm";
    type Out = (Amounts, Timestamp);
    type Error = ProductionError;

    async fn apply(&self, tx: &mut Tx) -> Result<(Amounts, Timestamp), ProductionError> {
        let record = &self.record;
        let standing = proposal::lock(tx, &[record.query_no]).await?.pop();
        let again = standing.is_some();
        self.still_counts(tx).await?;
        let stage = match standing {
            Some(proposal) => proposal.stage,
            None if !quote::superseded(tx, &[record]).await?.is_empty() => {
                QuoteStage::quoted(record.expires_at)
                    .supersede(record.quoted_at)
                    .map_err(refused)?
            }
            None => QuoteStage::quoted(record.expires_at),
        };
        let amounts = Amounts {
            compulsory: record.compulsory.map(|part| part.premium),
            commercial: record.commercial.map(|part| part.premium),
            tax: quoted_tax(record),
            fee: self.terms.amount().ok_or(ProductionError::Corrupt("fee"))?,
        };
        let QuoteStage::PreConfirmed { amounts, until } =
            stage.pre_confirm(amounts, HOLD, self.now).map_err(refused)?
        else {
            return Err(ProductionError::Corrupt("proposal"));
        };
        let proposal = ProposalRecord {
            query_no: record.query_no,
            tenant: record.tenant,
            stage: QuoteStage::PreConfirmed { amounts, until },
            pre_confirmed_at: self.now,
            fee: json(&self.terms)?,
            recheck: json(&self.assumed)?,
        };
        if again || !proposal::insert(tx, &proposal, &amounts, until).await? {
            // Two pre-confirmations raced: the other one stands.
            return Err(refused(QuoteError::WrongStage {
                action: "pre-confirm",
                stage: "pre_confirmed",
            }));
        }
        identity::insert(tx, record.query_no, record.tenant, &self.passed, self.now).await?;
        Ok((amounts, until))
    }
}

impl PreConfirm {
    /// Refuses a quote that counted a claim which is something else by now. What was counted is held
    /// against what is known, not times against each other: a correction may have been on its way
    /// while the quote looked.
    async fn still_counts(&self, tx: &mut Tx) -> Result<(), ProductionError> {
        let record = &self.record;
        let input: RatingInput =
            serde_json::from_str(&record.input).map_err(|_| ProductionError::Corrupt("quote"))?;
        let seen = &input.history.claims;
        if seen.is_empty() {
            return Ok(());
        }
        let known = known::claims(tx.conn(), &record.frame).await?;
        match corrected(seen, &known) {
            None => Ok(()),
            Some(claim) => {
                let number = PlatformNumber::parse(&claim.claim_code);
                let number = number.map_err(|_| ProductionError::Corrupt("quote"))?;
                let happened = "which this quote counted, was corrected, or reopened and closed anew; quote again";
                Err(ProductionError::Names {
                    code: &error::QUOTE_STALE,
                    rule: None,
                    detail: format!("a claim, {happened}"),
                    naming: Box::new(Naming {
                        records: vec![shown_record(&record.frame, number)],
                        detail: format!("claim {number}, {happened}"),
                        more: None,
                    }),
                })
            }
        }
    }
}

struct CancelPreConfirm {
    query_no: PlatformNumber,
    now: Timestamp,
}

impl Command for CancelPreConfirm {
    const NAME: &'static str = "quote.pre_confirm_cancel";
    type Out = Option<production_core::quote::Payment>;
    type Error = ProductionError;

    async fn apply(&self, tx: &mut Tx) -> Result<Self::Out, ProductionError> {
        let standing = proposal::lock(tx, &[self.query_no]).await?.pop();
        let standing = standing
            .ok_or_else(|| ProductionError::not_found("pre-confirmation of", self.query_no))?;
        match standing.stage.cancel(self.now).map_err(refused)? {
            QuoteStage::PreConfirmCancelled { refund, .. } => {
                proposal::set_cancelled(tx, self.query_no, self.now).await?;
                Ok(refund)
            }
            _ => Err(ProductionError::Corrupt("proposal")),
        }
    }
}

/// A life cycle's refusal as the caller reads it.
pub(crate) fn refused(error: QuoteError) -> ProductionError {
    let code = match &error {
        QuoteError::Used => &error::QUOTE_USED,
        QuoteError::Expired(_) => &error::QUOTE_EXPIRED,
        QuoteError::Superseded(_) => &error::QUOTE_SUPERSEDED,
        QuoteError::Unpaid { .. } => &error::NOT_PAID,
        QuoteError::WrongPayment { .. } | QuoteError::Echo { .. } => &error::AMOUNT_DIFFERS,
        QuoteError::WrongStage { .. } | QuoteError::Overflow => &error::WRONG_STAGE,
    };
    ProductionError::breaks(error.rule(), code, error.to_string())
}

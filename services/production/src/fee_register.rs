//! 费用登记: the channel, intermediary and commission a policy was sold with, and their change (Z08).
//!
//! What is registered is what was agreed with the pre-confirmation, or less (报行合一): a fee that
//! says otherwise than the filed terms is refused. Rows are added, never changed; the last stands.

use base_http::{Call, Done, EventDraft, Notice, Problem, Reply};
use http::StatusCode;
use jiff::Timestamp;
use kernel::Fen;
use pg::{Command, Tx};
use production_core::history::PolicyClass;
use production_core::number::{NumberKind, PlatformNumber};
use production_core::rule::{Findings, RuleId};
use production_core::rules::distribution::{self, Channel};
use production_core::rules::format;
use production_rating::{Parameter, Tariff};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::Production;
use crate::error::{self, ProductionError};
use crate::fee::{self, Commission, FeeBody, FeeTerms, cap};
use crate::lookup::Shown;
use crate::pre_confirm::number;
use crate::quote::{checks, read};
use crate::store::fee::FeeRecord;
use crate::store::policy::PolicyRecord;
use crate::store::quote::{QuoteRecord, QuotedProduct};
use crate::store::{fee as store, policy, proposal, quote};

/// 费用登记.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = FeeRegistrationRequest)]
pub struct RegisterFeeBody {
    /// Channel, intermediary and the ratio of the policy's own line; as agreed with the
    /// pre-confirmation when absent.
    pub fee: Option<FeeBody>,
}

/// 手续费比例变更 (Z08).
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = FeeChangeRequest)]
pub struct ChangeFeeBody {
    /// Commission ratio from now on, in `[0, 1)`.
    #[schema(example = "0.03")]
    pub ratio: Option<String>,
    /// Why it is changed.
    pub reason: Option<String>,
}

/// A registered fee.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct FeeView {
    /// 0 for the registration, then one more for each change.
    pub sequence: i32,
    /// 销售渠道.
    pub channel: &'static str,
    /// Name of the intermediary.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub intermediary: Option<String>,
    /// Kind of its licence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub licence_kind: Option<&'static str>,
    /// 许可证号.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub licence_no: Option<String>,
    /// 代理合同号.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub contract_no: Option<String>,
    /// Commission ratio.
    #[schema(value_type = String, example = "0.04")]
    pub ratio: Decimal,
    /// Premium it was applied to.
    pub premium: Fen,
    /// Commission: `premium × ratio`, rounded to the fen.
    pub amount: Fen,
    /// Why it was changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Who registered it.
    pub client: String,
    /// When.
    #[schema(value_type = String, format = DateTime)]
    pub registered_at: Timestamp,
}

/// The registered fees of a policy.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct FeesView {
    /// Confirm code of the policy.
    pub confirm_code: String,
    /// `compulsory` or `commercial`.
    pub class: &'static str,
    /// What stands; absent before the registration.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub current: Option<FeeView>,
    /// The registration and every change, in order.
    pub history: Vec<FeeView>,
}

impl From<&FeeRecord> for FeeView {
    fn from(fee: &FeeRecord) -> FeeView {
        FeeView {
            sequence: fee.sequence,
            channel: fee.channel.code(),
            intermediary: fee.intermediary.clone(),
            licence_kind: fee.licence.as_ref().map(|licence| licence.kind.code()),
            licence_no: fee.licence.as_ref().map(|licence| licence.number.clone()),
            contract_no: fee.contract_no.clone(),
            ratio: fee.ratio.normalize(),
            premium: fee.premium,
            amount: fee.amount,
            reason: fee.reason.clone(),
            client: fee.client.clone(),
            registered_at: fee.registered_at,
        }
    }
}

impl FeesView {
    fn of(confirm_no: PlatformNumber, class: PolicyClass, history: &[FeeRecord]) -> FeesView {
        FeesView {
            confirm_code: confirm_no.to_string(),
            class: class.name(),
            current: history.last().map(FeeView::from),
            history: history.iter().map(FeeView::from).collect(),
        }
    }
}

impl Production {
    /// Registers the fee of a policy, once.
    pub async fn register_fee(
        &self,
        call: Call,
        confirm_code: &str,
        body: RegisterFeeBody,
    ) -> Result<Reply, Problem> {
        let confirm_no = number(self, &call, confirm_code, NumberKind::Confirm)?;
        let Sold { policy, quote, terms, tariff } = self.sold(&call, confirm_no).await?;
        let terms = match &body.fee {
            None => terms,
            Some(fee) => {
                let mut found = Findings::new();
                // Licence and cap are those of the day the policy was issued.
                let read = fee::read(Some(fee), &quote, &tariff, policy.issued_at, &mut found);
                if let Some(read) = &read {
                    within_agreed(read, &terms, policy.facts.class, &mut found);
                }
                match read.filter(|_| !found.rejects()) {
                    Some(read) => read,
                    None => return Err(Problem::invalid(read::errors(found.split().0))),
                }
            }
        };
        let command =
            RegisterFee { confirm_no, terms, client: client(&call), now: call.received_at };
        let notices: Vec<Notice> = checks::unknown(&call.unknown).collect();
        let event = "production.fee.registered";
        self.spine.run(call, &command, |fee| told(&fee, event, StatusCode::CREATED, &notices)).await
    }

    /// Changes the commission ratio of a registered fee (Z08).
    pub async fn change_fee(
        &self,
        call: Call,
        confirm_code: &str,
        body: ChangeFeeBody,
    ) -> Result<Reply, Problem> {
        let confirm_no = number(self, &call, confirm_code, NumberKind::Confirm)?;
        let mut found = Findings::new();
        let ratio = match &body.ratio {
            None => read::missing("/ratio", &mut found),
            some => read::decimal(some, RuleId::F11, "/ratio", &mut found),
        };
        if let Some(ratio) = ratio {
            format::rate(ratio, "/ratio", &mut found);
        }
        let reason = read::text(&body.reason, "/reason", &mut found).map(str::to_owned);
        let Sold { policy, tariff, .. } = self.sold(&call, confirm_no).await?;
        let (Some(ratio), Some(reason)) = (ratio, reason) else {
            return Err(Problem::invalid(read::errors(found.split().0)));
        };
        let cap = cap(&tariff, parameter(policy.facts.class), policy.region, policy.issued_at);
        distribution::commission(ratio, cap, None, "/ratio", &mut found);
        if found.rejects() {
            return Err(Problem::invalid(read::errors(found.split().0)));
        }
        let command =
            ChangeFee { confirm_no, ratio, reason, client: client(&call), now: call.received_at };
        let notices: Vec<Notice> = checks::unknown(&call.unknown).collect();
        let event = "production.fee.changed";
        self.spine.run(call, &command, |fee| told(&fee, event, StatusCode::OK, &notices)).await
    }

    /// The registered fees of a policy.
    pub async fn read_fees(&self, call: Call, confirm_code: &str) -> Result<Reply, Problem> {
        let confirm_no = number(self, &call, confirm_code, NumberKind::Confirm)?;
        let mut tx = self.begin(&call).await?;
        let policy = policy::find(&mut tx, confirm_no).await?;
        let history = store::history(&mut tx, confirm_no).await?;
        drop(tx);
        let view = FeesView::of(confirm_no, policy.facts.class, &history);
        let slot = confirm_no.slot().0;
        let done = Done::json(StatusCode::OK, &view, slot, confirm_no.to_string());
        self.answer(call, Shown::Masked, done).await
    }

    /// How a policy was sold. Its quote carries this policy's product alone, with the premium as
    /// last endorsed, and its terms the commission of this product alone.
    async fn sold(&self, call: &Call, confirm_no: PlatformNumber) -> Result<Sold, ProductionError> {
        let corrupt = || ProductionError::Corrupt("proposal");
        let mut tx = self.begin(call).await?;
        let policy = policy::find(&mut tx, confirm_no).await?;
        let quote = quote::find(&mut tx, &[policy.query_no]).await?.pop().ok_or_else(corrupt)?;
        let proposal = proposal::find(&mut tx, &[policy.query_no]).await?.pop();
        drop(tx);
        let agreed = proposal.ok_or_else(corrupt)?.fee;
        let terms: FeeTerms = serde_json::from_str(&agreed).map_err(|_| corrupt())?;
        let tariff = self.book.of_version(&quote.tariff_version).await?;
        let product = QuotedProduct { period: policy.facts.period, premium: policy.premium };
        let only = |class| (policy.facts.class == class).then_some(product);
        let (compulsory, commercial) = match policy.facts.class {
            PolicyClass::Compulsory => (terms.compulsory, None),
            PolicyClass::Commercial => (None, terms.commercial),
        };
        Ok(Sold {
            quote: QuoteRecord {
                compulsory: only(PolicyClass::Compulsory),
                commercial: only(PolicyClass::Commercial),
                ..quote
            },
            terms: FeeTerms { compulsory, commercial, ..terms },
            policy,
            tariff,
        })
    }
}

struct Sold {
    policy: PolicyRecord,
    quote: QuoteRecord,
    terms: FeeTerms,
    tariff: std::sync::Arc<Tariff>,
}

fn client(call: &Call) -> String {
    call.caller.client.to_string()
}

/// Parameter of the legal cap.
fn parameter(class: PolicyClass) -> Parameter {
    match class {
        PolicyClass::Compulsory => Parameter::CompulsoryCommissionCap,
        PolicyClass::Commercial => Parameter::CommercialCommissionCap,
    }
}

/// The commission of one policy's terms.
fn commission(terms: &FeeTerms) -> Option<Commission> {
    terms.compulsory.or(terms.commercial)
}

/// L29: no more than was agreed with the pre-confirmation, where a commission was agreed.
fn within_agreed(read: &FeeTerms, agreed: &FeeTerms, class: PolicyClass, found: &mut Findings) {
    let (Some(read), Some(agreed)) = (commission(read), commission(agreed)) else { return };
    let at = match class {
        PolicyClass::Compulsory => "/fee/compulsoryRatio",
        PolicyClass::Commercial => "/fee/commercialRatio",
    };
    distribution::commission(read.ratio, Decimal::ONE, Some(agreed.ratio), at, found);
}

fn told(fee: &FeeRecord, kind: &'static str, status: StatusCode, notices: &[Notice]) -> Done {
    let mut view = serde_json::json!({
        "confirmCode": fee.confirm_no,
        "class": fee.class.name(),
        "current": FeeView::from(fee),
    });
    checks::noting(&mut view, notices);
    let slot = fee.confirm_no.slot().0;
    Done::json(status, &view, slot, fee.confirm_no.to_string()).telling(EventDraft {
        kind,
        subject: fee.confirm_no.to_string(),
        data: serde_json::json!({
            "class": fee.class.name(),
            "channel": fee.channel.code(),
            "ratio": fee.ratio.normalize(),
            "amount": fee.amount,
            "sequence": fee.sequence,
        }),
    })
}

struct RegisterFee {
    confirm_no: PlatformNumber,
    terms: FeeTerms,
    client: String,
    now: Timestamp,
}

impl Command for RegisterFee {
    const NAME: &'static str = "fee.register";
    type Out = FeeRecord;
    type Error = ProductionError;

    async fn apply(&self, tx: &mut Tx) -> Result<FeeRecord, ProductionError> {
        let policy = policy::lock(tx, self.confirm_no).await?;
        if !store::history(tx, self.confirm_no).await?.is_empty() {
            let detail = "change its ratio with POST …/fee/change instead";
            return Err(ProductionError::refused(&error::FEE_REGISTERED, detail));
        }
        let ratio = commission(&self.terms).map_or(Decimal::ZERO, |commission| commission.ratio);
        let fee = FeeRecord {
            confirm_no: self.confirm_no,
            tenant: policy.tenant,
            sequence: 0,
            class: policy.facts.class,
            channel: self.terms.channel,
            intermediary: self.terms.intermediary.clone(),
            licence: self.terms.licence.clone(),
            contract_no: self.terms.contract_no.clone(),
            ratio,
            premium: policy.premium,
            amount: amount(policy.premium, ratio)?,
            reason: None,
            client: self.client.clone(),
            registered_at: self.now,
        };
        store::insert(tx, &fee).await?;
        Ok(fee)
    }
}

struct ChangeFee {
    confirm_no: PlatformNumber,
    ratio: Decimal,
    reason: String,
    client: String,
    now: Timestamp,
}

impl Command for ChangeFee {
    const NAME: &'static str = "fee.change";
    type Out = FeeRecord;
    type Error = ProductionError;

    async fn apply(&self, tx: &mut Tx) -> Result<FeeRecord, ProductionError> {
        let policy = policy::lock(tx, self.confirm_no).await?;
        let Some(standing) = store::history(tx, self.confirm_no).await?.pop() else {
            let detail = "register it first with POST …/fee";
            return Err(ProductionError::refused(&error::FEE_UNREGISTERED, detail));
        };
        changeable(standing.channel, &policy)?;
        let fee = FeeRecord {
            sequence: standing.sequence + 1,
            ratio: self.ratio,
            premium: policy.premium,
            amount: amount(policy.premium, self.ratio)?,
            reason: Some(self.reason.clone()),
            client: self.client.clone(),
            registered_at: self.now,
            ..standing
        };
        store::insert(tx, &fee).await?;
        Ok(fee)
    }
}

/// L29 (Z08): agents' and brokers' commissions alone, and not in Shenzhen or Xiamen.
fn changeable(channel: Channel, policy: &PolicyRecord) -> Result<(), ProductionError> {
    let mut found = Findings::new();
    distribution::commission_change(channel, policy.region, "/ratio", &mut found);
    if found.rejects() {
        return Err(ProductionError::Invalid(read::errors(found.split().0)));
    }
    Ok(())
}

fn amount(premium: Fen, ratio: Decimal) -> Result<Fen, ProductionError> {
    premium.at_rate(ratio).ok_or(ProductionError::Corrupt("fee"))
}

//! Money the platform collects and gives back itself (保费代收、退费): what is owed for a quote or an
//! endorsement, and that it moved.

use jiff::Timestamp;
use kernel::{Fen, TenantId};
use pg::{Command, Scope, Tx};
use production_core::endorsement::{Difference, Stage};
use production_core::history::PolicyClass;
use production_core::number::{NumberKind, PlatformNumber};
use production_core::quote::{Amounts, Payment, QuoteStage};
use production_core::region::Region;
use rust_decimal::Decimal;

use crate::Production;
use crate::endorsement::steps::{MoveEndorsement, Step};
use crate::error::ProductionError;
use crate::fee::FeeTerms;
use crate::payment::RegisterPayment;
use crate::store::endorsement::{self, EndorsementRecord};
use crate::store::fee;
use crate::store::policy::{self, PolicyRecord};
use crate::store::proposal::{self, PaymentRecord};

/// Money that moved for a quote or an endorsement.
#[derive(Clone, Debug)]
pub struct MoneyMoved {
    /// Whose.
    pub tenant: TenantId,
    /// Query code or amend query code, as written.
    pub code: String,
    /// All that came; negative when it went back.
    pub amount: Fen,
    /// The payment order; used once for a code.
    pub reference: String,
    /// When the bank settled it.
    pub paid_at: Timestamp,
}

/// What became of money that moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Registered {
    /// It is registered.
    Now,
    /// It was registered before.
    Before,
    /// More is to go back first; nothing is registered.
    NotAllYet,
}

/// What a quote or an endorsement waits for, and for whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AwaitedMoney {
    /// How much.
    pub amounts: Amounts,
    /// Where it was quoted.
    pub region: Region,
    /// Licence of the intermediary that sells it.
    pub intermediary: Option<String>,
}

/// What goes back to the customer with an endorsement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwedBack {
    /// How much, as more than nothing; the commission at the ratio agreed with the sale.
    pub amounts: Amounts,
    /// What the money of its policy was owed for: its quote and its endorsements.
    pub collected_for: Vec<PlatformNumber>,
}

impl Production {
    /// What a tenant's quote or endorsement waits for at `now`; `None` when it is not pre-confirmed,
    /// costs nothing, or is paid already.
    pub async fn awaited_money(
        &self,
        tenant: TenantId,
        code: &str,
        now: Timestamp,
    ) -> Result<Option<AwaitedMoney>, ProductionError> {
        let Ok(no) = PlatformNumber::parse(code) else { return Ok(None) };
        let mut tx = self.spine.db().begin(Scope::of(tenant)).await?;
        match no.kind() {
            NumberKind::Query => awaited_by_quote(&mut tx, no, now).await,
            NumberKind::AmendQuery => awaited_by_endorsement(&mut tx, no, now).await,
            _ => Ok(None),
        }
    }

    /// What goes back with a tenant's endorsement; `None` when it is not confirmed, gives nothing
    /// back, or all of it is registered as given back.
    pub async fn owed_back(
        &self,
        tenant: TenantId,
        amend_code: &str,
        now: Timestamp,
    ) -> Result<Option<OwedBack>, ProductionError> {
        let no = PlatformNumber::parse(amend_code).ok();
        let Some(no) = no.filter(|no| no.kind() == NumberKind::AmendQuery) else { return Ok(None) };
        let mut tx = self.spine.db().begin(Scope::of(tenant)).await?;
        let Some(record) = find_endorsement(&mut tx, no).await? else { return Ok(None) };
        let Stage::Confirmed { terms, .. } = record.stage.clone().at(now) else { return Ok(None) };
        let total = terms.difference.total().unwrap_or_default();
        if Fen::ZERO <= total || record.money.is_some() {
            return Ok(None);
        }
        let policy = policy::find(&mut tx, record.confirm_no).await?;
        let agreed = Sale::agreed(&mut tx, &policy).await?;
        let back = Difference {
            premium: Fen(-terms.difference.premium.0),
            tax: Fen(-terms.difference.tax.0),
        };
        let endorsements = endorsement::of_policy(&mut tx, record.confirm_no, None).await?;
        let mut collected_for = vec![policy.query_no];
        collected_for.extend(endorsements.iter().map(|endorsement| endorsement.amend_no));
        Ok(Some(OwedBack { amounts: agreed.amounts(policy.facts.class, back)?, collected_for }))
    }

    /// Registers money the platform moved, as [`Production::register_payment`] and
    /// [`Production::register_endorsement_payment`] do what an insurer moved itself. The same money
    /// again changes nothing. Refuses ([`ProductionError::Refused`], [`ProductionError::NotFound`])
    /// what nobody waits for.
    pub async fn register_moved(
        &self,
        money: &MoneyMoved,
        now: Timestamp,
    ) -> Result<Registered, ProductionError> {
        let unknown = || ProductionError::not_found("pre-confirmation of", &money.code);
        let no = PlatformNumber::parse(&money.code).map_err(|_| unknown())?;
        let record = PaymentRecord {
            payment_id: self.spine.ids().next(now),
            tenant: money.tenant,
            for_no: no,
            method: "bank_transfer",
            payer_sealed: None,
            payment: Payment {
                amount: money.amount,
                reference: money.reference.clone(),
                paid_at: money.paid_at,
            },
        };
        let scope = Scope::of(money.tenant);
        match no.kind() {
            NumberKind::Query => {
                let command = RegisterForQuote(RegisterPayment { record, now });
                self.spine.db().run(scope, &command).await
            }
            NumberKind::AmendQuery => {
                self.spine.db().run(scope, &RegisterForEndorsement { record, now }).await
            }
            _ => Err(unknown()),
        }
    }
}

async fn awaited_by_quote(
    tx: &mut Tx,
    query_no: PlatformNumber,
    now: Timestamp,
) -> Result<Option<AwaitedMoney>, ProductionError> {
    let Some(standing) = proposal::find(tx, &[query_no]).await?.pop() else { return Ok(None) };
    let terms = agreed_terms(&standing.fee)?;
    let QuoteStage::PreConfirmed { amounts, .. } = standing.stage.at(now) else { return Ok(None) };
    let intermediary = terms.licence.map(|licence| licence.number);
    Ok(Some(AwaitedMoney { amounts, region: query_no.area(), intermediary }))
}

async fn awaited_by_endorsement(
    tx: &mut Tx,
    amend_no: PlatformNumber,
    now: Timestamp,
) -> Result<Option<AwaitedMoney>, ProductionError> {
    let Some(record) = find_endorsement(tx, amend_no).await? else { return Ok(None) };
    let Stage::PreConfirmed { terms, .. } = record.stage.at(now) else { return Ok(None) };
    if terms.difference.total().unwrap_or_default() <= Fen::ZERO {
        return Ok(None);
    }
    let policy = policy::find(tx, record.confirm_no).await?;
    let sale = Sale::standing(tx, &policy).await?;
    let amounts = sale.amounts(policy.facts.class, terms.difference)?;
    Ok(Some(AwaitedMoney { amounts, region: policy.region, intermediary: sale.licence_no }))
}

/// An own endorsement by its amend query code, where there is one.
async fn find_endorsement(
    tx: &mut Tx,
    amend_no: PlatformNumber,
) -> Result<Option<EndorsementRecord>, ProductionError> {
    match endorsement::find(tx, amend_no).await {
        Ok(record) => Ok(Some(record)),
        Err(ProductionError::NotFound { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Who sold a policy, and for how much of its premium.
struct Sale {
    ratio: Decimal,
    licence_no: Option<String>,
}

impl Sale {
    /// As agreed with the pre-confirmation.
    async fn agreed(tx: &mut Tx, policy: &PolicyRecord) -> Result<Sale, ProductionError> {
        let proposal = proposal::find(tx, &[policy.query_no]).await?.pop();
        let terms = agreed_terms(&proposal.ok_or(ProductionError::Corrupt("proposal"))?.fee)?;
        let commission = match policy.facts.class {
            PolicyClass::Compulsory => terms.compulsory,
            PolicyClass::Commercial => terms.commercial,
        };
        Ok(Sale {
            ratio: commission.map_or(Decimal::ZERO, |commission| commission.ratio),
            licence_no: terms.licence.map(|licence| licence.number),
        })
    }

    /// As last registered; as agreed before the first registration.
    async fn standing(tx: &mut Tx, policy: &PolicyRecord) -> Result<Sale, ProductionError> {
        match fee::history(tx, policy.confirm_no).await?.pop() {
            Some(fee) => {
                Ok(Sale { ratio: fee.ratio, licence_no: fee.licence.map(|licence| licence.number) })
            }
            None => Sale::agreed(tx, policy).await,
        }
    }

    /// Premium, tax and the commission of that premium.
    fn amounts(&self, class: PolicyClass, sum: Difference) -> Result<Amounts, ProductionError> {
        let fee = sum.premium.at_rate(self.ratio).ok_or(ProductionError::Corrupt("fee"))?;
        let only = |line| (class == line).then_some(sum.premium);
        Ok(Amounts {
            compulsory: only(PolicyClass::Compulsory),
            commercial: only(PolicyClass::Commercial),
            tax: sum.tax,
            fee,
        })
    }
}

fn agreed_terms(fee: &str) -> Result<FeeTerms, ProductionError> {
    serde_json::from_str(fee).map_err(|_| ProductionError::Corrupt("fee of a proposal"))
}

/// Registers a payment unless it was registered before, be its quote confirmed since or not.
struct RegisterForQuote(RegisterPayment);

impl Command for RegisterForQuote {
    const NAME: &'static str = "quote.collected";
    type Out = Registered;
    type Error = ProductionError;

    async fn apply(&self, tx: &mut Tx) -> Result<Registered, ProductionError> {
        let record = &self.0.record;
        let standing = proposal::lock(tx, &[record.for_no]).await?.pop();
        let known = standing.as_ref().and_then(|standing| match &standing.stage {
            QuoteStage::Paid { payment, .. } | QuoteStage::Confirmed { payment, .. } => {
                Some(payment)
            }
            _ => None,
        });
        if known.is_some_and(|payment| payment.reference == record.payment.reference) {
            return Ok(Registered::Before);
        }
        self.0.apply(tx).await?;
        Ok(Registered::Now)
    }
}

/// Registers money of an endorsement unless it was registered before; what goes back, when all of
/// it has.
struct RegisterForEndorsement {
    record: PaymentRecord,
    now: Timestamp,
}

impl Command for RegisterForEndorsement {
    const NAME: &'static str = "endorsement.moved";
    type Out = Registered;
    type Error = ProductionError;

    async fn apply(&self, tx: &mut Tx) -> Result<Registered, ProductionError> {
        let (amend_no, payment) = (self.record.for_no, &self.record.payment);
        let standing = endorsement::lock(tx, amend_no).await?;
        let known = standing.money.as_ref().map(|money| &money.payment);
        if known.is_some_and(|known| known.reference == payment.reference) {
            return Ok(Registered::Before);
        }
        let payable = standing.terms.difference.total().unwrap_or_default();
        if payment.amount < Fen::ZERO && payable < payment.amount {
            return Ok(Registered::NotAllYet);
        }
        let step = Step::Pay(Box::new(self.record.clone()));
        MoveEndorsement { amend_no, step, now: self.now }.apply(tx).await?;
        Ok(Registered::Now)
    }
}

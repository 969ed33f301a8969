//! Premiums: collected for a pre-confirmed quote or endorsement, registered with it.
//!
//! Insurers that collect themselves register the money by hand; here the platform collects it. What
//! is to be paid is asked of whoever keeps the policies; when the bank has settled all of it, the
//! money is registered there, again and again until that is known to be done. Money that is no
//! longer waited for goes back at once, as the mirror of what came.

use base_http::{Call, Done, FieldError, Problem, Reply};
use futures::future::BoxFuture;
use http::StatusCode;
use jiff::Timestamp;
use kernel::{Fen, Ids, TenantId};
use pg::{Command, Scope, Tx};
use production_core::region::Region;
use rust_decimal::Decimal;
use serde::Deserialize;
use utoipa::ToSchema;

use super::booking::transfer_id;
use super::order::{Direction, OrderId, OrderPurpose, Share, ShareOf};
use super::payee::{BankAccount, BankAccountBody, SealedAccount};
use super::refund::{Refund, Wanted};
use super::remittance::{self, Payee};
use super::split::Payable;
use super::store::Order;
use super::view::{OrderView, order_id};
use super::{Counterparty, OrderDraft, order, store};
use crate::error::{ClearingError, WRONG_ORDER};
use crate::{Clearing, HOUSE};

/// Share of the compulsory premium that goes to the social assistance fund, in basis points, by
/// region; a parameter of the platform.
pub const FUND_RATE: &str = "clearing.fund_rate_bp";
/// Without a parameter: 1 %, from memory of 道路交通事故社会救助基金管理办法 (2021) art. 6, which leaves
/// the rate to the ministries.
const USUAL_FUND_RATE_BP: u32 = 100;
/// Orders told of in one round.
const ROUND: i64 = 50;

/// Money that moved for a quote or an endorsement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MoneyMoved {
    /// Whose.
    pub participant: TenantId,
    /// Query code or amend query code.
    pub code: String,
    /// All that came; negative when it went back.
    pub amount: Fen,
    /// Names it; used once for a code.
    pub reference: String,
    /// When the bank settled the last of it.
    pub paid_at: Timestamp,
}

/// What became of money that moved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Registration {
    /// It is registered, now or before; or it is not all of it yet.
    Done,
    /// Nobody waits for it: why, in a sentence.
    Refused(String),
}

/// What a quote or an endorsement waits for, and whose the parts are that are not the insurer's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Awaited {
    /// How much.
    pub payable: Payable,
    /// The region whose tax office and fund get their shares.
    pub region: Region,
    /// Licence of the intermediary. Without one no commission is withheld.
    pub intermediary: Option<String>,
}

/// What goes back to the customer with an endorsement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwedBack {
    /// How much of what.
    pub payable: Payable,
    /// What the money of the policy was collected for: its query code and its amend query codes.
    pub collected_for: Vec<String>,
}

/// Whoever keeps the policies did not answer.
#[derive(Debug, thiserror::Error)]
#[error("the policies cannot be reached")]
pub struct PoliciesError(#[source] pub Box<dyn std::error::Error + Send + Sync>);

/// Whoever keeps quotes, policies and their endorsements.
pub trait Policies: Send + Sync + 'static {
    /// What a participant's quote or endorsement waits for, by query code or amend query code;
    /// `None` when it waits for no money.
    fn awaited<'a>(
        &'a self,
        participant: TenantId,
        code: &'a str,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<Option<Awaited>, PoliciesError>>;

    /// What goes back with a participant's endorsement, by amend query code; `None` when it is not
    /// confirmed, gives nothing back, or all of it is registered as given back.
    fn owed_back<'a>(
        &'a self,
        participant: TenantId,
        amend_code: &'a str,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<Option<OwedBack>, PoliciesError>>;

    /// Registers money; the same again is the same.
    fn register<'a>(
        &'a self,
        money: &'a MoneyMoved,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<Registration, PoliciesError>>;
}

/// The collection of a premium: of a quote or of an endorsement.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = PremiumCollectionRequest)]
pub struct PremiumBody {
    /// Code of the pre-confirmed quote.
    #[schema(example = "01PICC320026123450000000000017")]
    pub query_code: Option<String>,
    /// Or the amend query code of the pre-confirmed endorsement.
    pub amend_code: Option<String>,
    /// Whose account pays.
    pub payer: BankAccountBody,
}

impl PremiumBody {
    /// The one code it names.
    fn code(&self) -> Result<&str, FieldError> {
        match (self.query_code.as_deref(), self.amend_code.as_deref()) {
            (Some(code), None) | (None, Some(code)) => Ok(code),
            (None, None) => Err(FieldError::at("/queryCode", "name a quote, or an amendCode")),
            (Some(_), Some(_)) => {
                Err(FieldError::at("/amendCode", "one of queryCode and amendCode, not both"))
            }
        }
    }
}

impl Clearing {
    /// Orders the collection of all that a pre-confirmed quote or endorsement waits for.
    pub async fn collect_premium(
        &self,
        call: Call,
        order_text: &str,
        body: PremiumBody,
    ) -> Result<Reply, Problem> {
        let (id, participant) = (order_id(order_text)?, call.caller.tenant);
        let (code, payer) = match (body.code(), BankAccount::read(&body.payer, "/payer")) {
            (Ok(code), Ok(payer)) => (code.to_owned(), payer),
            (code, payer) => {
                let mut found = payer.err().unwrap_or_default();
                found.extend(code.err());
                return Err(Problem::invalid(found));
            }
        };
        let (shares, payees) = match self.ordered_before(&call, id).await? {
            Some(shares) => (shares, Vec::new()),
            None => self.shares_awaited(&call, &code).await?,
        };
        let sum = Fen::sum(shares.iter().map(|share| share.amount));
        let sum = sum.ok_or(ClearingError::Corrupt("premium"))?;
        let draft = OrderDraft {
            order_id: id,
            direction: Direction::Collect,
            purpose: OrderPurpose::Premium { code, shares },
            participant,
            counterparty: Counterparty::Given(payer.seal(&self.keys, participant).await?),
            amount: sum,
            reference: id.end_to_end(),
        };
        let command = Collect { draft, payees, now: call.received_at, ids: self.spine.ids() };
        let run = self
            .spine
            .run(call, &command, |view| Done::json(StatusCode::ACCEPTED, &view, 0, order_text));
        run.await
    }

    /// The shares of an order that was placed: nobody may wait any more when it is repeated.
    async fn ordered_before(
        &self,
        call: &Call,
        id: OrderId,
    ) -> Result<Option<Vec<Share>>, ClearingError> {
        let mut tx = self.open(call).await?;
        let shares = store::shares(&mut tx, id).await?;
        let shares: Vec<Share> = shares.into_iter().map(|(share, _)| share).collect();
        Ok((!shares.is_empty()).then_some(shares))
    }

    async fn shares_awaited(
        &self,
        call: &Call,
        code: &str,
    ) -> Result<(Vec<Share>, Vec<Payee>), Problem> {
        let (participant, now) = (call.caller.tenant, call.received_at);
        let awaited = self.policies.awaited(participant, code, now).await;
        let awaited = awaited.map_err(|error| Problem::store(&error))?;
        let waits = "no own quote or endorsement of this code waits for money";
        let awaited = awaited.ok_or_else(|| ClearingError::refused(&WRONG_ORDER, waits))?;
        let payee = |of| match of {
            ShareOf::Commission => {
                awaited.intermediary.as_deref().and_then(|licence| Payee::of(of, licence))
            }
            of => Payee::of(of, awaited.region.code()),
        };
        let mut payable = awaited.payable;
        if payee(ShareOf::Commission).is_none() {
            payable.commission = Fen::ZERO;
        }
        let split = payable.split(self.fund_rate(call)).filter(|split| !split.is_empty());
        let bears = "the premium does not bear the commission and the fund's share, or premium and \
                     tax go different ways";
        let split = split.ok_or_else(|| ClearingError::refused(&WRONG_ORDER, bears))?;
        let (mut shares, mut payees) = (Vec::new(), Vec::new());
        for (of, amount) in split {
            let owner = match (of, payee(of)) {
                (ShareOf::Premium, _) => participant,
                (_, Some(payee)) => {
                    let owner = payee.owner();
                    payees.push(payee);
                    owner
                }
                (_, None) => return Err(ClearingError::Corrupt("region of a quote").into()),
            };
            shares.push(Share { owner, of, amount });
        }
        Ok((shares, payees))
    }

    /// Share of the compulsory premium that is the fund's.
    pub(super) fn fund_rate(&self, call: &Call) -> Decimal {
        let (participant, region) = (call.caller.tenant, &call.caller.region);
        let rate = self.parameters.number(FUND_RATE, participant, region, call.received_at);
        Decimal::new(i64::from(rate.unwrap_or(USUAL_FUND_RATE_BP)), 4)
    }

    /// Registers what was collected or given back in full where the policies are; how many orders
    /// are done with.
    pub async fn tell_policies(&self, now: Timestamp) -> usize {
        let untold = async {
            let mut tx = self.spine.db().begin(Scope::of(HOUSE)).await?;
            store::untold(&mut tx, ROUND).await
        };
        let untold = match untold.await {
            Ok(untold) => untold,
            Err(error) => {
                let error = base_http::problem::Chain(&error);
                tracing::warn!(%error, "cannot look for premiums that moved; later");
                return 0;
            }
        };
        let mut done = 0;
        for moved in untold {
            match self.tell_policy(&moved, now).await {
                Ok(()) => done += 1,
                Err(error) => tracing::warn!(payment.order = %moved.id,
                    error = %base_http::problem::Chain(&*error),
                    "the money of order {} is not registered yet", moved.id),
            }
        }
        done
    }

    async fn tell_policy(
        &self,
        order: &Order,
        now: Timestamp,
    ) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        let money = match order.amend_code.as_deref() {
            None => MoneyMoved {
                participant: order.participant,
                code: order.about.clone(),
                amount: order.amount,
                reference: order.id.end_to_end(),
                paid_at: order.moved_at,
            },
            Some(amend_code) => self.given_back(order, amend_code).await?,
        };
        // Nothing is open meanwhile; after a crash the same money is registered again.
        let refund = match self.policies.register(&money, now).await? {
            Registration::Done => None,
            Registration::Refused(why) if order.direction == Direction::PayOut => {
                tracing::warn!(payment.order = %order.id, why,
                    "the refund of order {} is not registered with {}", order.id, money.code);
                None
            }
            Registration::Refused(why) => {
                tracing::warn!(payment.order = %order.id, why,
                    "the money of order {} goes back", order.id);
                let (participant, sealed) = (order.participant, &order.payee_sealed);
                let account = super::payee::open(&self.keys, participant, sealed).await?;
                Some(account.seal(&self.keys, participant).await?)
            }
        };
        let told = Told { of: order.id, refund, now, ids: self.spine.ids() };
        Ok(self.spine.db().run(Scope::of(HOUSE), &told).await?)
    }

    /// All that went back with an endorsement so far, under the name of its first refund.
    async fn given_back(
        &self,
        order: &Order,
        amend_code: &str,
    ) -> Result<MoneyMoved, Box<dyn std::error::Error + Send + Sync>> {
        let mut tx = self.spine.db().begin(Scope::of(HOUSE)).await?;
        let back = store::settled_back(&mut tx, order.participant, amend_code).await?;
        let first = back.first().map_or(order.id, |(id, _)| *id);
        let sum = Fen::sum(back.iter().map(|(_, amount)| *amount));
        Ok(MoneyMoved {
            participant: order.participant,
            code: amend_code.to_owned(),
            amount: Fen(-sum.ok_or(ClearingError::Corrupt("refunds"))?.0),
            reference: first.end_to_end(),
            paid_at: order.moved_at,
        })
    }
}

struct Collect<'a> {
    draft: OrderDraft,
    payees: Vec<Payee>,
    now: Timestamp,
    ids: &'a Ids,
}

impl Command for Collect<'_> {
    const NAME: &'static str = "payment.collect_premium";
    type Out = OrderView;
    type Error = ClearingError;

    async fn apply(&self, tx: &mut Tx) -> Result<OrderView, ClearingError> {
        let id = order(tx, &self.draft, self.now, self.ids).await?;
        remittance::note(tx, &self.payees).await?;
        let placed = store::find(tx, id).await?;
        let placed = placed.ok_or(ClearingError::Corrupt("payment order"))?;
        OrderView::whole(tx, placed, self.now).await
    }
}

struct Told<'a> {
    of: OrderId,
    refund: Option<SealedAccount>,
    now: Timestamp,
    ids: &'a Ids,
}

impl Command for Told<'_> {
    const NAME: &'static str = "payment.told";
    type Out = ();
    type Error = ClearingError;

    async fn apply(&self, tx: &mut Tx) -> Result<(), ClearingError> {
        store::set_told(tx, self.of, self.now).await?;
        if let Some(payee) = &self.refund {
            let id = OrderId(transfer_id(&format!("refund/{}", self.of)).0);
            let (of, payee, wanted) = (self.of, payee.clone(), Wanted::Left);
            let back = Refund { id, of, wanted, payee, now: self.now, ids: self.ids };
            back.order(tx).await?;
        }
        Ok(())
    }
}

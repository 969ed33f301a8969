//! Premiums: collected for a pre-confirmed quote, registered where the quote is, given back.
//!
//! Insurers that collect themselves register the money by hand; here the platform collects it. What
//! is to be paid is asked of whoever keeps the quotes; when the bank has settled all of it, the money
//! is registered there, again and again until that is known to be done. Money the quote no longer
//! waits for goes back at once, as the mirror of what came.

use base_http::{Call, FieldError, Problem, Reply};
use futures::future::BoxFuture;
use jiff::Timestamp;
use kernel::{Fen, Ids, TenantId};
use pg::{Command, Scope, Tx};
use production_core::region::Region;
use rust_decimal::Decimal;
use serde::Deserialize;
use utoipa::ToSchema;

use super::booking::transfer_id;
use super::order::{Direction, OrderId, OrderPurpose, Share, ShareOf, Stage};
use super::payee::{BankAccount, BankAccountBody, SealedAccount};
use super::remittance::{self, Payee};
use super::split::{Payable, mirror};
use super::store::Order;
use super::view::{OrderView, amount, order_id};
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

/// Money that came for a quote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MoneyCame {
    /// Whose quote.
    pub participant: TenantId,
    /// The quote.
    pub query_code: String,
    /// All of it.
    pub amount: Fen,
    /// Names it; used once for a quote.
    pub reference: String,
    /// When the bank settled it.
    pub paid_at: Timestamp,
}

/// What became of money that came for a quote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Registration {
    /// It is registered, now or before.
    Done,
    /// The quote does not wait for it: why, in a sentence.
    Refused(String),
}

/// What a quote waits for, and whose the parts are that are not the insurer's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Awaited {
    /// How much.
    pub payable: Payable,
    /// The region whose tax office and fund get their shares.
    pub region: Region,
    /// Licence of the intermediary. Without one no commission is withheld.
    pub intermediary: Option<String>,
}

/// Whoever keeps the quotes did not answer.
#[derive(Debug, thiserror::Error)]
#[error("the quotes cannot be reached")]
pub struct QuotesError(#[source] pub Box<dyn std::error::Error + Send + Sync>);

/// Whoever keeps the quotes.
pub trait Quotes: Send + Sync + 'static {
    /// What a participant's quote waits for; `None` when it waits for no money.
    fn awaited<'a>(
        &'a self,
        participant: TenantId,
        query_code: &'a str,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<Option<Awaited>, QuotesError>>;

    /// Registers money; the same again is the same.
    fn register<'a>(
        &'a self,
        money: &'a MoneyCame,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<Registration, QuotesError>>;
}

/// The collection of a premium.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = PremiumCollectionRequest)]
pub struct PremiumBody {
    /// Code of the pre-confirmed quote.
    pub query_code: String,
    /// Whose account pays.
    pub payer: BankAccountBody,
}

/// A refund.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = RefundRequest)]
pub struct RefundBody {
    /// The order that collected the money.
    pub of: String,
    /// All that is left when absent.
    #[schema(example = "620.75")]
    pub amount: Option<String>,
}

impl Clearing {
    /// Orders the collection of all that a pre-confirmed quote waits for.
    pub async fn collect_premium(
        &self,
        call: Call,
        order_text: &str,
        body: PremiumBody,
    ) -> Result<Reply, Problem> {
        let (id, participant) = (order_id(order_text)?, call.caller.tenant);
        let payer = BankAccount::read(&body.payer, "/payer").map_err(Problem::invalid)?;
        let (shares, payees) = match self.ordered_before(&call, id).await? {
            Some(shares) => (shares, Vec::new()),
            None => self.shares_awaited(&call, &body.query_code).await?,
        };
        let sum = Fen::sum(shares.iter().map(|share| share.amount));
        let sum = sum.ok_or(ClearingError::Corrupt("premium"))?;
        let draft = OrderDraft {
            order_id: id,
            direction: Direction::Collect,
            purpose: OrderPurpose::Premium { query_code: body.query_code, shares },
            participant,
            counterparty: Counterparty::Given(payer.seal(&self.keys, participant).await?),
            amount: sum,
            reference: id.end_to_end(),
        };
        let command = Collect { draft, payees, now: call.received_at, ids: self.spine.ids() };
        let run = self.spine.run(call, &command, |view| {
            base_http::Done::json(http::StatusCode::ACCEPTED, &view, 0, order_text)
        });
        run.await
    }

    /// The shares of an order that was placed: the quote may no longer wait when it is repeated.
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
        query_code: &str,
    ) -> Result<(Vec<Share>, Vec<Payee>), Problem> {
        let (participant, now) = (call.caller.tenant, call.received_at);
        let awaited = self.quotes.awaited(participant, query_code, now).await;
        let awaited = awaited.map_err(|error| Problem::store(&error))?;
        let waits = "no own quote of this code waits for money";
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
        let rate = self.parameters.number(FUND_RATE, participant, &call.caller.region, now);
        let rate = Decimal::new(i64::from(rate.unwrap_or(USUAL_FUND_RATE_BP)), 4);
        let split = payable.split(rate).filter(|split| !split.is_empty());
        let bears = "the premium does not bear the commission and the fund's share";
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

    /// Orders that a collection goes back to its payer, all or part of what is left of it.
    pub async fn refund(
        &self,
        call: Call,
        order_text: &str,
        body: RefundBody,
    ) -> Result<Reply, Problem> {
        let (id, of) = (order_id(order_text)?, order_id(&body.of)?);
        let mut found = Vec::new();
        let back = body.amount.as_deref().map(|text| amount(text, "/amount", &mut found));
        if id == of {
            found.push(FieldError::at("/of", "a refund has an id of its own"));
        }
        if !found.is_empty() {
            return Err(Problem::invalid(found));
        }
        let participant = call.caller.tenant;
        // Who paid is sealed with the participant's own key; nobody may write another payee here.
        let mut tx = self.open(&call).await?;
        let collected = store::find(&mut tx, of).await?;
        drop(tx);
        let collected = collected.filter(|known| known.participant == participant);
        let collected =
            collected.ok_or_else(|| ClearingError::not_found("payment order", &body.of))?;
        let account = super::payee::open(&self.keys, participant, &collected.payee_sealed).await?;
        let payee = account.seal(&self.keys, participant).await?;
        let command = Refund { id, of, back, payee, now: call.received_at, ids: self.spine.ids() };
        let run = self.spine.run(call, &command, |view| {
            base_http::Done::json(http::StatusCode::ACCEPTED, &view, 0, order_text)
        });
        run.await
    }

    /// Registers what was collected in full where the quotes are; how many orders are done with.
    pub async fn tell_quotes(&self, now: Timestamp) -> usize {
        let untold = async {
            let mut tx = self.spine.db().begin(Scope::of(HOUSE)).await?;
            store::untold(&mut tx, ROUND).await
        };
        let untold = match untold.await {
            Ok(untold) => untold,
            Err(error) => {
                let error = base_http::problem::Chain(&error);
                tracing::warn!(%error, "cannot look for collected premiums; later");
                return 0;
            }
        };
        let mut done = 0;
        for collected in untold {
            match self.tell_quote(&collected, now).await {
                Ok(()) => done += 1,
                Err(error) => tracing::warn!(payment.order = %collected.id,
                    error = %base_http::problem::Chain(&*error),
                    "collected premium {} is not registered yet", collected.id),
            }
        }
        done
    }

    async fn tell_quote(
        &self,
        collected: &Order,
        now: Timestamp,
    ) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        let money = MoneyCame {
            participant: collected.participant,
            query_code: collected.about.clone(),
            amount: collected.amount,
            reference: collected.id.end_to_end(),
            paid_at: collected.moved_at,
        };
        // Nothing is open meanwhile; after a crash the same money is registered again.
        let refund = match self.quotes.register(&money, now).await? {
            Registration::Done => None,
            Registration::Refused(why) => {
                tracing::warn!(payment.order = %collected.id, why,
                    "the money of order {} goes back", collected.id);
                let (participant, sealed) = (collected.participant, &collected.payee_sealed);
                let account = super::payee::open(&self.keys, participant, sealed).await?;
                Some(account.seal(&self.keys, participant).await?)
            }
        };
        let told = Told { of: collected.id, refund, now, ids: self.spine.ids() };
        Ok(self.spine.db().run(Scope::of(HOUSE), &told).await?)
    }
}

/// Orders a refund: the shares of `of` less what went back before give in their measure.
async fn refund(
    tx: &mut Tx,
    (id, of): (OrderId, OrderId),
    back: Option<Fen>,
    payee: SealedAccount,
    now: Timestamp,
    ids: &Ids,
) -> Result<OrderId, ClearingError> {
    let collected = store::lock(tx, of).await?;
    let collected = collected.ok_or_else(|| ClearingError::not_found("payment order", of))?;
    let wrong = |detail: &str| ClearingError::refused(&WRONG_ORDER, detail);
    if collected.purpose != "premium" || collected.stage != Stage::Settled {
        return Err(wrong("only a premium that was collected in full goes back"));
    }
    // Repeated, it is what it was: what is left now is less.
    let before = store::find(tx, id).await?;
    let shares = match before {
        Some(known) if known.purpose == "refund" && known.about == of.to_string() => {
            if back.is_some_and(|back| back != known.amount) {
                return Err(ClearingError::refused(
                    &crate::error::ORDER_TAKEN,
                    format!("refund {id} is of another amount"),
                ));
            }
            store::shares(tx, id).await?.into_iter().map(|(share, _)| share).collect()
        }
        _ => {
            let mut left: Vec<Share> =
                store::shares(tx, of).await?.into_iter().map(|(share, _)| share).collect();
            for (gone, amount) in store::refunded(tx, of).await? {
                for share in left.iter_mut().filter(|share| share.of == gone) {
                    share.amount = Fen(share.amount.0 - amount.0);
                }
            }
            let whole = Fen::sum(left.iter().map(|share| share.amount)).unwrap_or_default();
            mirror(&left, back.unwrap_or(whole))
                .ok_or_else(|| wrong("more is to go back than is left of the premium"))?
        }
    };
    let amount = Fen::sum(shares.iter().map(|share| share.amount)).unwrap_or_default();
    let draft = OrderDraft {
        order_id: id,
        direction: Direction::PayOut,
        purpose: OrderPurpose::Refund { of, shares },
        participant: collected.participant,
        counterparty: Counterparty::Given(payee),
        amount,
        reference: id.end_to_end(),
    };
    order(tx, &draft, now, ids).await
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

struct Refund<'a> {
    id: OrderId,
    of: OrderId,
    back: Option<Fen>,
    payee: SealedAccount,
    now: Timestamp,
    ids: &'a Ids,
}

impl Command for Refund<'_> {
    const NAME: &'static str = "payment.refund";
    type Out = OrderView;
    type Error = ClearingError;

    async fn apply(&self, tx: &mut Tx) -> Result<OrderView, ClearingError> {
        let (ids, payee) = (self.ids, self.payee.clone());
        let id = refund(tx, (self.id, self.of), self.back, payee, self.now, ids).await?;
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
            refund(tx, (id, self.of), None, payee.clone(), self.now, self.ids).await?;
        }
        Ok(())
    }
}

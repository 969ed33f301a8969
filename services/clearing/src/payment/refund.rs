//! Premiums given back (退费): to whoever paid, share by share.
//!
//! A refund names the collection it comes out of. Of how much it is, says the insurer, or the
//! endorsement that gives money back: then the tax office gives the tax, and fund and intermediary
//! give their parts of the premium alone.

use base_http::{Call, Done, FieldError, Problem, Reply};
use http::StatusCode;
use jiff::Timestamp;
use kernel::{Fen, Ids};
use pg::{Command, Tx};
use serde::Deserialize;
use utoipa::ToSchema;

use super::order::{Direction, OrderId, OrderPurpose, Share, ShareOf, Stage};
use super::payee::SealedAccount;
use super::split::{mirror, part};
use super::view::{OrderView, amount, order_id};
use super::{Counterparty, OrderDraft, order, store};
use crate::Clearing;
use crate::error::{ClearingError, ORDER_TAKEN, WRONG_ORDER};

/// A refund.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = RefundRequest)]
pub struct RefundBody {
    /// The order that collected the money.
    pub of: String,
    /// All that is left when absent, or what the endorsement gives back.
    #[schema(example = "620.75")]
    pub amount: Option<String>,
    /// Amend query code of the confirmed endorsement, surrender or revocation that gives the money
    /// back, in place of an amount.
    pub amend_code: Option<String>,
}

/// How much of a collection goes back.
#[derive(Clone, Debug)]
pub(super) enum Wanted {
    /// All that is left.
    Left,
    /// So much, each share in its measure.
    Amount(Fen),
    /// What an endorsement gives back, as far as this collection has it.
    Endorsement(Endorsement),
}

/// An endorsement that gives back.
#[derive(Clone, Debug)]
pub(super) struct Endorsement {
    amend_code: String,
    gives: Gives,
}

/// What an endorsement gives back.
#[derive(Clone, Debug)]
enum Gives {
    /// What it owes.
    Owed(Owed),
    /// Nothing any more: its order is expected to have been placed before.
    PlacedBefore,
}

/// What an endorsement owes its customer.
#[derive(Clone, Debug)]
struct Owed {
    /// How much, by share.
    due: Vec<(ShareOf, Fen)>,
    /// What the money of its policy was collected for.
    collected_for: Vec<String>,
}

impl Clearing {
    /// Orders that a collection goes back to its payer: all that is left of it, a part, or what an
    /// endorsement gives back.
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
        if back.is_some() && body.amend_code.is_some() {
            let text = "the endorsement says how much; leave one of amount and amendCode out";
            found.push(FieldError::at("/amount", text));
        }
        if !found.is_empty() {
            return Err(Problem::invalid(found));
        }
        let participant = call.caller.tenant;
        // Who paid is sealed with the participant's own key; nobody may write another payee here.
        let mut tx = self.open(&call).await?;
        let collected = store::find(&mut tx, of).await?;
        let placed = store::find(&mut tx, id).await?.is_some();
        drop(tx);
        let collected = collected.filter(|known| known.participant == participant);
        let collected =
            collected.ok_or_else(|| ClearingError::not_found("payment order", &body.of))?;
        let account = super::payee::open(&self.keys, participant, &collected.payee_sealed).await?;
        let payee = account.seal(&self.keys, participant).await?;
        let wanted = match (back, body.amend_code) {
            (None, None) => Wanted::Left,
            (Some(back), _) => Wanted::Amount(back),
            (None, Some(amend_code)) => {
                Wanted::Endorsement(self.endorsement(&call, amend_code, placed).await?)
            }
        };
        let (now, ids) = (call.received_at, self.spine.ids());
        let command = Refund { id, of, wanted, payee, now, ids };
        let run = self
            .spine
            .run(call, &command, |view| Done::json(StatusCode::ACCEPTED, &view, 0, order_text));
        run.await
    }

    /// What an endorsement gives back. One whose order was placed may owe nothing any more when the
    /// order is repeated.
    async fn endorsement(
        &self,
        call: &Call,
        amend_code: String,
        placed: bool,
    ) -> Result<Endorsement, Problem> {
        let (participant, now) = (call.caller.tenant, call.received_at);
        let owed = self.policies.owed_back(participant, &amend_code, now).await;
        let owed = match owed.map_err(|error| Problem::store(&error))? {
            Some(owed) => owed,
            None if placed => return Ok(Endorsement { amend_code, gives: Gives::PlacedBefore }),
            None => {
                let owes = "no own endorsement of this code is confirmed and owes its customer \
                            money that is not registered as given back";
                return Err(ClearingError::refused(&WRONG_ORDER, owes).into());
            }
        };
        let split = owed.payable.split(self.fund_rate(call));
        let ways = "premium and tax of the endorsement go different ways; give them back yourself \
                    and register it";
        let due = split.ok_or_else(|| ClearingError::refused(&WRONG_ORDER, ways))?;
        let gives = Gives::Owed(Owed { due, collected_for: owed.collected_for });
        Ok(Endorsement { amend_code, gives })
    }
}

/// Orders a refund.
pub(super) struct Refund<'a> {
    pub(super) id: OrderId,
    pub(super) of: OrderId,
    pub(super) wanted: Wanted,
    pub(super) payee: SealedAccount,
    pub(super) now: Timestamp,
    pub(super) ids: &'a Ids,
}

impl Refund<'_> {
    /// Orders it: the shares of the collection less what went back before give.
    pub(super) async fn order(&self, tx: &mut Tx) -> Result<OrderId, ClearingError> {
        let of = self.of;
        let mut others = Vec::new();
        if let Wanted::Endorsement(Endorsement { gives: Gives::Owed(owed), .. }) = &self.wanted {
            // Two refunds of one endorsement out of two collections wait for each other.
            others = store::collections(tx, &owed.collected_for).await?;
            store::hold(tx, &others).await?;
            others.retain(|other| *other != of);
        }
        let collected = store::lock(tx, of).await?;
        let collected = collected.ok_or_else(|| ClearingError::not_found("payment order", of))?;
        if collected.purpose != "premium" || collected.stage != Stage::Settled {
            return Err(wrong("only a premium that was collected in full goes back"));
        }
        // Repeated, it is what it was: what is left now is less.
        let shares = match store::find(tx, self.id).await? {
            Some(known) if known.purpose == "refund" && known.about == of.to_string() => {
                self.is_the_same(&known)?;
                store::shares(tx, self.id).await?.into_iter().map(|(share, _)| share).collect()
            }
            _ => self.shares(tx, &collected, &others).await?,
        };
        let amount = Fen::sum(shares.iter().map(|share| share.amount)).unwrap_or_default();
        let amend_code = match &self.wanted {
            Wanted::Endorsement(endorsement) => Some(endorsement.amend_code.clone()),
            _ => None,
        };
        let draft = OrderDraft {
            order_id: self.id,
            direction: Direction::PayOut,
            purpose: OrderPurpose::Refund { of, amend_code, shares },
            participant: collected.participant,
            counterparty: Counterparty::Given(self.payee.clone()),
            amount,
            reference: self.id.end_to_end(),
        };
        order(tx, &draft, self.now, self.ids).await
    }

    fn is_the_same(&self, known: &store::Order) -> Result<(), ClearingError> {
        let same = match &self.wanted {
            Wanted::Left => known.amend_code.is_none(),
            Wanted::Amount(back) => known.amend_code.is_none() && *back == known.amount,
            Wanted::Endorsement(wanted) => known.amend_code.as_ref() == Some(&wanted.amend_code),
        };
        let other = || format!("refund {} is of another amount", self.id);
        if same { Ok(()) } else { Err(ClearingError::refused(&ORDER_TAKEN, other())) }
    }

    async fn shares(
        &self,
        tx: &mut Tx,
        collected: &store::Order,
        others: &[OrderId],
    ) -> Result<Vec<Share>, ClearingError> {
        let left = left_of(tx, self.of).await?;
        let whole = Fen::sum(left.iter().map(|share| share.amount)).unwrap_or_default();
        let more = || wrong("more is to go back than is left of the premium");
        match &self.wanted {
            Wanted::Left => mirror(&left, whole).ok_or_else(more),
            Wanted::Amount(back) => mirror(&left, *back).ok_or_else(more),
            Wanted::Endorsement(endorsement) => match &endorsement.gives {
                Gives::PlacedBefore => {
                    let detail = format!("order {} is another", self.id);
                    Err(ClearingError::refused(&ORDER_TAKEN, detail))
                }
                Gives::Owed(owed) => {
                    let of = (collected, endorsement.amend_code.as_str());
                    owed.shares(tx, of, &left, others).await
                }
            },
        }
    }
}

impl Owed {
    /// What a collection with these shares `left` gives of it, beside the `others` of the policy.
    async fn shares(
        &self,
        tx: &mut Tx,
        (collected, amend_code): (&store::Order, &str),
        left: &[Share],
        others: &[OrderId],
    ) -> Result<Vec<Share>, ClearingError> {
        if !self.collected_for.contains(&collected.about) {
            return Err(wrong("the order collected no money of the endorsement's policy"));
        }
        let taken = store::given_back(tx, (collected.participant, amend_code)).await?;
        let mut elsewhere = Vec::new();
        for other in others {
            elsewhere.extend(left_of(tx, *other).await?);
        }
        let none_left = "all that the endorsement gives back is ordered, or the order has nothing \
                         left of it";
        part(&self.due, &taken, left, &elsewhere).ok_or_else(|| wrong(none_left))
    }
}

fn wrong(detail: &str) -> ClearingError {
    ClearingError::refused(&WRONG_ORDER, detail)
}

/// The shares of a collection less what went back.
async fn left_of(tx: &mut Tx, of: OrderId) -> Result<Vec<Share>, ClearingError> {
    let shares = store::shares(tx, of).await?.into_iter().map(|(share, _)| share);
    let mut left: Vec<Share> = shares.collect();
    for (gone, amount) in store::refunded(tx, of).await? {
        for share in left.iter_mut().filter(|share| share.of == gone) {
            share.amount = Fen(share.amount.0 - amount.0);
        }
    }
    Ok(left)
}

impl Command for Refund<'_> {
    const NAME: &'static str = "payment.refund";
    type Out = OrderView;
    type Error = ClearingError;

    async fn apply(&self, tx: &mut Tx) -> Result<OrderView, ClearingError> {
        let id = self.order(tx).await?;
        let placed = store::find(tx, id).await?;
        let placed = placed.ok_or(ClearingError::Corrupt("payment order"))?;
        OrderView::whole(tx, placed, self.now).await
    }
}

//! Payments (支付): orders to the bank, and what their money does to the books.
//!
//! An order is committed here before the bank hears of it, under an id its client made; the bank is
//! told by a background sender, never inside a transaction, and always under the same id, so that it
//! may be told again. What the bank says, be it the answer, a signed notice or a statement line, goes
//! through one door ([`hear`]), which books the difference to what was known in the same
//! transaction. What the operator books by hand for an order the bank was told is one more word. Pay-outs reserve their money when they are ordered.

pub mod advance;
pub mod bank;
pub mod booking;
mod by_hand;
pub mod funds;
pub mod iso20022;
pub mod notice;
pub mod order;
pub mod payee;
pub mod premium;
pub mod reconcile;
pub mod refund;
pub mod remittance;
pub mod serve;
pub mod split;
pub mod store;
pub mod view;

use clearing_ledger::{AccountId, Chain, Currency, CycleId, Limits, NewAccount, Purpose, Transfer};
use jiff::{SignedDuration, Timestamp};
use kernel::{Fen, Ids, TenantId};
use pg::{Tx, failure};

use crate::HOUSE;
use crate::error::{ClearingError, NO_BANK_ACCOUNT, NOT_ENOUGH_FUNDS, ORDER_TAKEN, WRONG_ORDER};
use crate::ledger;
use crate::outbox::{self, Fact};
use crate::settlement::{self, account_of};
use booking::Bookable;
use order::{
    Contradiction, Direction, OrderId, OrderPurpose, Report, Share, ShareOf, Stage, is_reference,
};
use payee::SealedAccount;
use store::Order;

/// The purpose of money that belongs to a cycle.
const SETTLEMENT_FUNDS: &str = "settlement_funds";

/// How long an order under way is left alone after the bank's last word before the bank is asked.
pub const ASK_AFTER: SignedDuration = SignedDuration::from_secs(60);

/// Who is on the other side of an order.
#[derive(Clone, Debug)]
pub enum Counterparty {
    /// The account the participant registered for itself.
    Registered,
    /// Another account.
    Given(SealedAccount),
}

/// What is ordered.
#[derive(Clone, Debug)]
pub struct OrderDraft {
    /// Made by the client: the same id and draft is the same order.
    pub order_id: OrderId,
    /// Which way the money goes.
    pub direction: Direction,
    /// What for.
    pub purpose: OrderPurpose,
    /// On whose behalf; the draft's account is sealed with its key.
    pub participant: TenantId,
    /// The other side.
    pub counterparty: Counterparty,
    /// More than nothing.
    pub amount: Fen,
    /// What stands on the statement: up to 35 of the basic set of ISO 20022.
    pub reference: String,
}

/// From where a word of the bank came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The answer to a call of ours.
    Answer,
    /// A notice the bank sent.
    Notice,
    /// A line of its statement.
    Statement,
    /// What the operator read off its statement.
    Operator,
}

impl Source {
    /// As it is stored.
    pub const fn code(self) -> &'static str {
        match self {
            Source::Answer => "answer",
            Source::Notice => "notice",
            Source::Statement => "statement",
            Source::Operator => "operator",
        }
    }
}

/// What came of a word of the bank.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hearing {
    /// It was heard before under the same name.
    Known,
    /// It cannot be true; it is kept and moved nothing.
    Contradicts(Contradiction),
    /// It is true; it may still have changed nothing.
    Heard {
        /// Where the order stands.
        stage: Stage,
        /// What it booked as moved.
        settled: Fen,
        /// What it booked as gone back.
        returned: Fen,
    },
}

/// Commits an order; the bank hears of it afterwards.
///
/// Works for the clearing house and the owners of the shares too from then on. The same draft
/// again is the same order. Refuses with `E4300` when the id names another order, `E4301` without a
/// registered account, `E4302` when the money of a pay-out is not there, `E4304` when the draft
/// cannot be carried out.
pub async fn order(
    tx: &mut Tx,
    draft: &OrderDraft,
    now: Timestamp,
    ids: &Ids,
) -> Result<OrderId, ClearingError> {
    let shares = draft.purpose.shares(draft.participant, draft.amount);
    check(draft, &shares)?;
    let owners = shares.iter().map(|share| share.owner);
    tx.work_also_for(owners.chain([HOUSE, draft.participant])).await?;
    let digest = digest(draft, &shares);
    if let Some(known) = store::lock(tx, draft.order_id).await? {
        return if known.body_digest == digest {
            Ok(known.id)
        } else {
            Err(ClearingError::refused(&ORDER_TAKEN, format!("order {} is another", known.id)))
        };
    }
    let payee = match &draft.counterparty {
        Counterparty::Given(account) => account.clone(),
        Counterparty::Registered => {
            let found = store::registered_account(tx, draft.participant).await?;
            let missing = "the participant has registered no account to pay to or collect from";
            found.ok_or_else(|| ClearingError::refused(&NO_BANK_ACCOUNT, missing))?
        }
    };
    let order = Order {
        id: draft.order_id,
        participant: draft.participant,
        direction: draft.direction,
        purpose: draft.purpose.code().to_owned(),
        about: draft.purpose.about(),
        amend_code: draft.purpose.amend_code().map(str::to_owned),
        amount: draft.amount,
        reference: draft.reference.clone(),
        payee_sealed: payee.sealed,
        payee_masked: payee.masked,
        body_digest: digest,
        ordered_at: now,
        stage: Stage::Ordered,
        bank_ref: None,
        sent_at: None,
        moved_at: now,
        attempts: 0,
    };
    let awaited = matches!(
        draft.purpose,
        OrderPurpose::Premium { .. } | OrderPurpose::Refund { amend_code: Some(_), .. }
    );
    store::insert(tx, &order, !awaited).await.map_err(|error| {
        match failure::constraint(&error) {
            Some("payment_order_pkey") => failure::start_over(),
            _ => error,
        }
    })?;
    let bank = house_account(tx, Purpose::Bank, now).await?;
    let mut with_accounts = Vec::with_capacity(shares.len());
    for share in shares {
        with_accounts.push((share, account_for(tx, &share, now).await?));
    }
    store::insert_shares(tx, order.id, &with_accounts).await?;
    let amounts = amounts(&with_accounts);
    let bookable = Bookable { order: order.id, direction: order.direction, bank, shares: &amounts };
    let reserved = post(tx, booking::reserve(&bookable), now, ids).await?;
    reserved.map_err(|refusal| {
        ClearingError::refused(
            &NOT_ENOUGH_FUNDS,
            format!("the money cannot be reserved: {refusal}"),
        )
    })?;
    Ok(order.id)
}

/// Hears what the bank says of an order and books what it changes. The transaction works for the
/// clearing house; `notice_id` names the word within its source, and is heard once.
pub async fn hear(
    tx: &mut Tx,
    order: OrderId,
    (source, notice_id): (Source, &str),
    report: &Report,
    now: Timestamp,
    ids: &Ids,
) -> Result<Hearing, ClearingError> {
    let found = store::lock(tx, order).await?;
    let mut order = found.ok_or_else(|| ClearingError::not_found("payment order", order))?;
    let cycle = cycle_of(&order)?;
    if let Some(cycle) = cycle {
        // Before any account, as everybody does who settles it.
        settlement::hold(tx, cycle).await?;
    }
    if store::is_heard(tx, order.id, source, notice_id).await? {
        return Ok(Hearing::Known);
    }
    let heard = match order.stage.clone().hear(order.amount, &report.word) {
        Ok(heard) => heard,
        Err(contradiction) => {
            let why = Some(contradiction.code());
            store::insert_report(tx, order.id, (source, notice_id), report, why, now).await?;
            reconcile::open::contradicted(tx, &order, &report.word, now, ids).await?;
            tracing::error!(payment.order = %order.id, payment.why = contradiction.code(),
                "the bank contradicts itself about order {}", order.id);
            return Ok(Hearing::Contradicts(contradiction));
        }
    };
    store::insert_report(tx, order.id, (source, notice_id), report, None, now).await?;
    let shares = amounts(&store::shares(tx, order.id).await?);
    let bank = house_account(tx, Purpose::Bank, now).await?;
    let bookable = Bookable { order: order.id, direction: order.direction, bank, shares: &shares };
    let corrupt = |_| ClearingError::Corrupt("booking of a payment");
    post(tx, booking::settled(&bookable, &heard), now, ids).await?.map_err(corrupt)?;
    if post(tx, booking::returned(&bookable, &heard, None), now, ids).await?.is_err() {
        // Its owner has spent the money the bank took back: until it is made good, the house
        // bears it where everybody looks.
        let suspense = Some(house_account(tx, Purpose::Suspense, now).await?);
        post(tx, booking::returned(&bookable, &heard, suspense), now, ids)
            .await?
            .map_err(corrupt)?;
    }
    let (settled, returned) = (heard.settled.added(), heard.returned.added());
    let has_moved = heard.stage != order.stage;
    order.stage = heard.stage;
    order.bank_ref = report.bank_ref.clone().or(order.bank_ref);
    if has_moved {
        order.moved_at = now;
    }
    if let Some(cycle) = cycle.filter(|_| settled > Fen::ZERO) {
        tell_settlement(tx, cycle, &order, settled, now, ids).await?;
    }
    if has_moved && order.stage.is_over() {
        tell_end(tx, &order, now, ids).await?;
    }
    let due_at = (!order.stage.is_over()).then(|| now.checked_add(ASK_AFTER).unwrap_or(now));
    store::save(tx, &order, due_at).await?;
    tracing::info!(payment.order = %order.id, payment.stage = order.stage.code(),
        payment.settled_fen = settled.0, payment.returned_fen = returned.0,
        "order {} is {}", order.id, order.stage.code());
    Ok(Hearing::Heard { stage: order.stage, settled, returned })
}

/// Tells the participant how its order ended. The bank's reason may be any text and stays out.
async fn tell_end(
    tx: &mut Tx,
    order: &Order,
    now: Timestamp,
    ids: &Ids,
) -> Result<(), ClearingError> {
    let kind = match order.stage {
        Stage::Rejected { .. } => "clearing.payment.rejected",
        Stage::Returned { .. } => "clearing.payment.returned",
        _ => "clearing.payment.settled",
    };
    let mut data = serde_json::json!({
        "purpose": order.purpose,
        "about": order.about,
        "direction": order.direction.code(),
        "amount": order.amount,
        "settled": order.stage.settled(order.amount),
        "returned": order.stage.returned(),
    });
    if let (Some(amend_code), Some(data)) = (&order.amend_code, data.as_object_mut()) {
        data.insert("amendCode".to_owned(), amend_code.as_str().into());
    }
    let subject = order.id.0.to_string();
    let fact = Fact { to: order.participant, kind, slot: 0, subject, data };
    outbox::tell(tx, order.id.0, &[fact], now, ids).await
}

/// Tells the cycle that money for it moved. Money the cycle no longer waits for stays on the
/// participant's account.
async fn tell_settlement(
    tx: &mut Tx,
    cycle: CycleId,
    order: &Order,
    settled: Fen,
    now: Timestamp,
    ids: &Ids,
) -> Result<(), ClearingError> {
    let (participant, id) = (order.participant, order.id.0);
    match settlement::funds_arrived(tx, cycle, participant, id, settled, now, ids).await {
        Ok(_) => Ok(()),
        Err(error @ (ClearingError::NotFound { .. } | ClearingError::Refused { .. })) => {
            tracing::warn!(payment.order = %id, %error, "no cycle waits for the money of order {id}");
            Ok(())
        }
        Err(error) => Err(error),
    }
}

/// The cycle an order's money belongs to, if it belongs to one.
fn cycle_of(order: &Order) -> Result<Option<CycleId>, ClearingError> {
    if order.purpose != SETTLEMENT_FUNDS {
        return Ok(None);
    }
    let cycle = order.about.parse().map(CycleId);
    cycle.map(Some).map_err(|_| ClearingError::Corrupt("payment order"))
}

/// Refuses a draft that cannot be carried out as written.
fn check(draft: &OrderDraft, shares: &[Share]) -> Result<(), ClearingError> {
    let wrong = |detail: &str| Err(ClearingError::refused(&WRONG_ORDER, detail));
    if draft.amount <= Fen::ZERO {
        return wrong("an order is for more than nothing");
    }
    if !is_reference(&draft.reference) {
        return wrong("a reference is 1 to 35 characters of the basic set of ISO 20022");
    }
    if !draft.purpose.allows(draft.direction) {
        return wrong("money for this purpose does not go this way");
    }
    if draft.purpose.about().len() > 64 {
        return wrong("what an order is about has at most 64 characters");
    }
    let positive = shares.iter().all(|share| share.amount > Fen::ZERO);
    let sum = Fen::sum(shares.iter().map(|share| share.amount));
    if !positive || sum != Some(draft.amount) {
        return wrong("the shares are not positive or do not add up to the amount");
    }
    Ok(())
}

/// Of everything that makes a draft the same draft.
fn digest(draft: &OrderDraft, shares: &[Share]) -> Vec<u8> {
    let payee = match &draft.counterparty {
        Counterparty::Registered => "registered".to_owned(),
        Counterparty::Given(account) => hex(&account.digest),
    };
    let mut text = format!(
        "{}\n{}\n{}\n{}\n{}\n{}\n{payee}",
        draft.direction,
        draft.purpose.code(),
        draft.purpose.about(),
        draft.participant,
        draft.amount.0,
        draft.reference
    );
    if let Some(amend_code) = draft.purpose.amend_code() {
        text.push_str(&format!("\nfor {amend_code}"));
    }
    for share in shares {
        text.push_str(&format!("\n{} {} {}", share.owner, share.of, share.amount.0));
    }
    crypto::sha256(text.as_bytes()).0.to_vec()
}

fn hex(bytes: &[u8; 32]) -> String {
    crypto::Digest(*bytes).to_string()
}

fn amounts(shares: &[(Share, AccountId)]) -> Vec<(AccountId, Fen)> {
    shares.iter().map(|(share, account)| (*account, share.amount)).collect()
}

/// Does one chain; the first refusal in it that says why.
pub(crate) async fn post(
    tx: &mut Tx,
    transfers: Vec<Transfer>,
    now: Timestamp,
    ids: &Ids,
) -> Result<Result<(), clearing_ledger::Refusal>, ClearingError> {
    let Ok(chain) = Chain::of(transfers) else { return Ok(Ok(())) };
    let outcomes = ledger::settle(tx, &[chain], now, ids).await?;
    let mut refusals = outcomes.into_iter().flatten().filter_map(Result::err).collect::<Vec<_>>();
    refusals.sort_by_key(|refusal| *refusal == clearing_ledger::Refusal::Linked);
    Ok(refusals.first().map_or(Ok(()), |refusal| Err(*refusal)))
}

/// The clearing house's account for a purpose.
pub(crate) async fn house_account(
    tx: &mut Tx,
    purpose: Purpose,
    now: Timestamp,
) -> Result<AccountId, ClearingError> {
    account(tx, HOUSE, purpose, Limits::default(), now).await
}

/// The account a share lies in. Advances may overdraw it, they are owed until recovered; and so may
/// what goes back after it was paid on, until the next remittance.
pub(crate) async fn account_for(
    tx: &mut Tx,
    share: &Share,
    now: Timestamp,
) -> Result<AccountId, ClearingError> {
    let cap = match share.of {
        ShareOf::Settlement | ShareOf::Premium => Some(Fen::ZERO),
        ShareOf::Tax | ShareOf::Fund | ShareOf::Commission | ShareOf::Advance => None,
    };
    let limits = Limits { net_debit_cap: cap, net_credit_cap: None };
    account(tx, share.owner, purpose_of(share.of), limits, now).await
}

/// What the account of a share is for.
pub(crate) fn purpose_of(of: ShareOf) -> Purpose {
    match of {
        ShareOf::Settlement => Purpose::Settlement,
        ShareOf::Premium => Purpose::Premium,
        ShareOf::Tax => Purpose::Tax,
        ShareOf::Fund => Purpose::Fund,
        ShareOf::Commission => Purpose::Commission,
        ShareOf::Advance => Purpose::Advance,
    }
}

async fn account(
    tx: &mut Tx,
    participant: TenantId,
    purpose: Purpose,
    limits: Limits,
    now: Timestamp,
) -> Result<AccountId, ClearingError> {
    let id = account_of(participant, purpose, None);
    let currency = Currency::CNY;
    let wanted = NewAccount { id, participant, purpose, currency, cycle: None, limits };
    ledger::open_all(tx, &[wanted], now).await?;
    Ok(id)
}

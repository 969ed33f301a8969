//! Makes remittances: on the operator's word, by the clock, and again when the bank did not pay.
//!
//! Whoever makes one holds the payee, then the accounts the money moves between, so that of two at
//! once one counts and the other finds what it did.

use std::collections::BTreeSet;

use base_http::{Call, Done, FieldError, Problem, Reply};
use clearing_ledger::{Account, AccountId, Purpose};
use http::StatusCode;
use jiff::Timestamp;
use jiff::civil::Date;
use kernel::{Fen, Ids, time};
use pg::{Command, Scope, Tx};
use serde::Deserialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::payees::payee_named;
use super::store::{self, KnownPayee, Registered, Remittance};
use super::view::RemittanceView;
use super::{Gathered, Payee, due_on, end_of, rest, through};
use crate::error::{ClearingError, NO_BANK_ACCOUNT, REMITTANCE_STAGE};
use crate::ledger::{self, Cursor};
use crate::payment::booking::transfer_id;
use crate::payment::order::{Direction, OrderId, OrderPurpose, Share};
use crate::payment::store::{self as orders, Order};
use crate::payment::{Counterparty, OrderDraft, account_for, house_account, order};
use crate::{Clearing, HOUSE};

/// Remittances made by the clock in one round.
const ROUND: i64 = 50;

/// A remittance.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = RemittanceRequest)]
pub struct RemitBody {
    /// `tax`, `fund` or `commission`.
    #[schema(example = "tax")]
    pub share_of: String,
    /// A region for tax and fund, a licence for commissions.
    #[schema(example = "320000")]
    pub payee: String,
    /// The last day it holds, in China; a day that is over.
    #[schema(value_type = String, format = Date)]
    pub through: Date,
}

impl Clearing {
    /// Remits to a payee what gathered to the end of a day; the same day again is the same.
    pub async fn remit(&self, call: Call, body: RemitBody) -> Result<Reply, Problem> {
        let payee = payee_named(&body.share_of, &body.payee)?;
        if time::day_of(call.received_at) <= body.through {
            let detail = "a remittance holds days that are over";
            return Err(Problem::invalid(vec![FieldError::at("/through", detail)]));
        }
        let command = Remit {
            payee,
            through: body.through,
            by: call.caller.client.to_string(),
            now: call.received_at,
            ids: self.spine.ids(),
        };
        let run = self.spine.run(call, &command, |view: RemittanceView| {
            let subject = view.remittance_id.to_string();
            Done::json(StatusCode::ACCEPTED, &view, 0, subject)
        });
        run.await
    }

    /// Orders again what the bank did not pay of a payee's latest remittance.
    pub async fn retry_remittance(&self, call: Call, remittance: &str) -> Result<Reply, Problem> {
        let id = super::view::remittance_id(remittance)?;
        let command = Retry { id, now: call.received_at, ids: self.spine.ids() };
        let run = self
            .spine
            .run(call, &command, |view| Done::json(StatusCode::ACCEPTED, &view, 0, remittance));
        run.await
    }

    /// Makes the remittances whose period is over; how many were made.
    pub async fn remit_due(&self, now: Timestamp) -> usize {
        let due = async {
            let mut tx = self.spine.db().begin(Scope::of(HOUSE)).await?;
            store::due(&mut tx, time::day_of(now), ROUND).await
        };
        let due = match due.await {
            Ok(due) => due,
            Err(error) => {
                let error = base_http::problem::Chain(&error);
                tracing::warn!(%error, "cannot look for remittances that are due; later");
                return 0;
            }
        };
        let mut made = 0;
        for KnownPayee { payee, .. } in due {
            let command = RemitDue { payee: &payee, now, ids: self.spine.ids() };
            match self.spine.db().run(Scope::of(HOUSE), &command).await {
                Ok(is_made) => made += usize::from(is_made),
                Err(error) => tracing::error!(payee.share = payee.share().code(),
                    payee.code = payee.code(), error = %base_http::problem::Chain(&error),
                    "{} of {} is not remitted yet", payee.share().name_en(), payee.code()),
            }
        }
        made
    }
}

/// A remittance on the operator's word.
struct Remit<'a> {
    payee: Payee,
    through: Date,
    by: String,
    now: Timestamp,
    ids: &'a Ids,
}

impl Command for Remit<'_> {
    const NAME: &'static str = "payment.remit";
    type Out = RemittanceView;
    type Error = ClearingError;

    async fn apply(&self, tx: &mut Tx) -> Result<RemittanceView, ClearingError> {
        tx.work_also_for([HOUSE]).await?;
        let (known, registered) = hold_payee(tx, &self.payee).await?;
        let made = match store::of_day(tx, &known.payee, self.through).await? {
            Some(made) => made,
            None => {
                let last = store::latest(tx, &known.payee).await?;
                if let Some(last) = last.as_ref().filter(|last| self.through < last.through) {
                    let detail = format!("it is remitted through {} already", last.through);
                    return Err(ClearingError::refused(&REMITTANCE_STAGE, detail));
                }
                let by = (self.by.as_str(), self.now, self.ids);
                let counted = count(tx, &known, last.as_ref(), self.through, by).await?;
                save(tx, (counted, &registered), self.now, self.ids).await?
            }
        };
        RemittanceView::whole(tx, made, self.now).await
    }
}

/// A remittance by the clock.
struct RemitDue<'a> {
    payee: &'a Payee,
    now: Timestamp,
    ids: &'a Ids,
}

impl Command for RemitDue<'_> {
    const NAME: &'static str = "payment.remit_due";
    type Out = bool;
    type Error = ClearingError;

    async fn apply(&self, tx: &mut Tx) -> Result<bool, ClearingError> {
        let (known, registered) = hold_payee(tx, self.payee).await?;
        let today = time::day_of(self.now);
        let is_due = known.due_on.is_some_and(|day| day <= today);
        let Some(through) = through(registered.period, today).filter(|_| is_due) else {
            return Ok(false);
        };
        store::set_due(tx, &known.payee, due_on(registered.period, today)).await?;
        let last = store::latest(tx, &known.payee).await?;
        if last.as_ref().is_some_and(|last| through <= last.through) {
            return Ok(false);
        }
        let by = ("commonwheel", self.now, self.ids);
        let counted = count(tx, &known, last.as_ref(), through, by).await?;
        if counted.lines.is_empty() && counted.remittance.remitted.amount == Fen::ZERO {
            return Ok(false);
        }
        save(tx, (counted, &registered), self.now, self.ids).await?;
        Ok(true)
    }
}

/// The latest remittance of a payee once more.
struct Retry<'a> {
    id: Uuid,
    now: Timestamp,
    ids: &'a Ids,
}

impl Command for Retry<'_> {
    const NAME: &'static str = "payment.retry_remittance";
    type Out = RemittanceView;
    type Error = ClearingError;

    async fn apply(&self, tx: &mut Tx) -> Result<RemittanceView, ClearingError> {
        tx.work_also_for([HOUSE]).await?;
        let unknown = || ClearingError::not_found("remittance", self.id);
        let made = store::find(tx, self.id).await?.ok_or_else(unknown)?;
        let (known, registered) = hold_payee(tx, &made.payee).await?;
        let refused = |detail: String| ClearingError::refused(&REMITTANCE_STAGE, detail);
        let latest = store::latest(tx, &known.payee).await?;
        if let Some(later) = latest.filter(|latest| latest.id != made.id) {
            let detail = format!("what was left of it went with the one through {}", later.through);
            return Err(refused(detail));
        }
        let tried = tried(tx, made.id).await?;
        if let Some(open) = tried.iter().find(|order| !order.stage.is_over()) {
            return Err(refused(format!("order {} is under way", open.id)));
        }
        let moved = Fen::sum(tried.iter().map(Order::net));
        let moved = moved.ok_or(ClearingError::Corrupt("payment order"))?;
        let account = hold_account(tx, &known.payee, self.now).await?;
        let free = fen(account.balance.net_credit())?.minus(account.balance.debits_pending);
        let free = free.ok_or(ClearingError::Corrupt("balance"))?;
        let left = rest(made.remitted.amount, moved, free);
        let left = left.ok_or_else(|| refused("nothing is left to pay of it".to_owned()))?;
        pay(tx, (&made, &registered), (left, tried.len()), self.now, self.ids).await?;
        RemittanceView::whole(tx, made, self.now).await
    }
}

/// A remittance that was worked out, and its source payments.
struct Counted {
    remittance: Remittance,
    lines: Vec<(OrderId, Fen)>,
}

/// Works out what a payee, who is held, is paid through a day. Nothing is written but that its
/// account is there.
async fn count(
    tx: &mut Tx,
    known: &KnownPayee,
    last: Option<&Remittance>,
    through: Date,
    (by, now, ids): (&str, Timestamp, &Ids),
) -> Result<Counted, ClearingError> {
    let corrupt = || ClearingError::Corrupt("sum of a remittance");
    let account = hold_account(tx, &known.payee, now).await?;
    let since = last.map_or(Cursor::before(Timestamp::UNIX_EPOCH), |last| last.last);
    let end = end_of(through).ok_or_else(corrupt)?;
    let booked = store::booked(tx, account.id, since, end).await?;
    let sum = |of: fn(&(OrderId, Fen, Fen)) -> Fen| Fen::sum(booked.iter().map(of));
    let gathered = Gathered {
        lines: sum(|(_, before, _)| *before).ok_or_else(corrupt)?,
        later: sum(|(_, _, later)| *later).ok_or_else(corrupt)?,
        net: fen(account.balance.net_credit())?,
        reserved: account.balance.debits_pending,
        under_way: store::under_way(tx, &known.payee).await?,
    };
    let remitted = gathered.remit().ok_or_else(corrupt)?;
    // Bookings of a server whose clock is behind may still come before the end: they lie after this
    // place and go with the next.
    let seen = store::last_before(tx, account.id, end).await?;
    let remittance = Remittance {
        id: ids.next(now),
        payee: known.payee.clone(),
        payee_name: known.registered.as_ref().map(|one| one.name.clone()).unwrap_or_default(),
        through,
        last: seen.map_or(since, |seen| seen.max(since)),
        lines: gathered.lines,
        remitted,
        run_by: by.to_owned(),
        run_at: now,
    };
    let lines = booked.into_iter().map(|(order, moved, _)| (order, moved));
    let lines = lines.filter(|(_, moved)| *moved != Fen::ZERO).collect();
    Ok(Counted { remittance, lines })
}

/// Writes a remittance and orders its payment, if it pays anything.
async fn save(
    tx: &mut Tx,
    (Counted { remittance, lines }, registered): (Counted, &Registered),
    now: Timestamp,
    ids: &Ids,
) -> Result<Remittance, ClearingError> {
    store::insert(tx, &remittance).await?;
    store::insert_lines(tx, &remittance, &lines).await?;
    let amount = remittance.remitted.amount;
    if Fen::ZERO < amount {
        pay(tx, (&remittance, registered), (amount, 0), now, ids).await?;
    }
    tracing::info!(remittance.id = %remittance.id, remittance.amount_fen = amount.0,
        remittance.lines = lines.len(), "remitted {} of {} through {}",
        remittance.payee.share().name_en(), remittance.payee.code(), remittance.through);
    Ok(remittance)
}

/// Orders a payment of a remittance, after so many tries.
async fn pay(
    tx: &mut Tx,
    (remittance, registered): (&Remittance, &Registered),
    (amount, tries): (Fen, usize),
    now: Timestamp,
    ids: &Ids,
) -> Result<(), ClearingError> {
    let (payee, id) = (&remittance.payee, remittance.id);
    let account = orders::registered_account(tx, payee.owner()).await?;
    let account = account.ok_or(ClearingError::Corrupt("payee"))?;
    let share = Share { owner: payee.owner(), of: payee.share(), amount };
    let draft = OrderDraft {
        order_id: attempt_id(id, tries),
        direction: Direction::PayOut,
        purpose: OrderPurpose::Remittance { remittance_id: id, share },
        participant: registered.keeper,
        counterparty: Counterparty::Given(account),
        amount,
        reference: format!("REMIT {} {}", payee.share(), remittance.through),
    };
    order(tx, &draft, now, ids).await?;
    Ok(())
}

/// The orders that pay a remittance, in the order in which they were tried.
pub(super) async fn tried(tx: &mut Tx, remittance: Uuid) -> Result<Vec<Order>, ClearingError> {
    let mut tried = Vec::new();
    while let Some(order) = orders::find(tx, attempt_id(remittance, tried.len())).await? {
        tried.push(order);
    }
    Ok(tried)
}

/// Names the order that pays a remittance after so many tries.
fn attempt_id(remittance: Uuid, tries: usize) -> OrderId {
    OrderId(transfer_id(&format!("remittance/{remittance}/{tries}")).0)
}

/// Holds a payee, and what the operator registered of it.
async fn hold_payee(tx: &mut Tx, payee: &Payee) -> Result<(KnownPayee, Registered), ClearingError> {
    let known = store::lock_payee(tx, payee).await?;
    let known = known.ok_or_else(|| ClearingError::not_found("payee", payee.code()))?;
    let registered = known.registered.clone().ok_or_else(|| {
        let detail = format!("payee {} is not registered", payee.code());
        ClearingError::refused(&NO_BANK_ACCOUNT, detail)
    })?;
    Ok((known, registered))
}

/// Holds the account of a payee and that of the bank: nobody books on them meanwhile, and they are
/// locked in the order in which everybody locks them.
async fn hold_account(
    tx: &mut Tx,
    payee: &Payee,
    now: Timestamp,
) -> Result<Account, ClearingError> {
    let none = Share { owner: payee.owner(), of: payee.share(), amount: Fen::ZERO };
    let id: AccountId = account_for(tx, &none, now).await?;
    let bank = house_account(tx, Purpose::Bank, now).await?;
    let held = ledger::hold(tx, &BTreeSet::from([id, bank])).await?;
    let held = held.into_iter().find(|account| account.id == id);
    held.ok_or(ClearingError::Corrupt("account of a payee"))
}

fn fen(amount: i128) -> Result<Fen, ClearingError> {
    i64::try_from(amount).map(Fen).map_err(|_| ClearingError::Corrupt("balance"))
}

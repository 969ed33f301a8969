//! Money the operator saw move for an order of funds.
//!
//! An order the bank was told has one story: what the operator read off the statement is one more
//! word about it, cumulative like the bank's, so whichever comes second is known. An order the bank
//! was never told is booked by itself, and the bank is not told of it any more. What cannot be true
//! beside what was said before moves nothing and opens a case. Money that came under no order's
//! name lies in suspense; it is taken from its case.

use base_http::{Call, Done, FieldError, Problem, Reply};
use clearing_ledger::{CycleId, Purpose};
use http::StatusCode;
use jiff::Timestamp;
use kernel::{Fen, Ids, TenantId};
use pg::{Command, Tx, failure};
use uuid::Uuid;

use super::order::{OrderId, Report, Stage, Word};
use super::reconcile::open;
use super::store::Order;
use super::{Hearing, Source, cycle_of, hear, house_account, store};
use crate::error::{ClearingError, FUNDS_OTHER};
use crate::settlement::view::FundsView;
use crate::settlement::{self, Direction, FundsBody, HeldOrder};
use crate::{Clearing, HOUSE};

impl Clearing {
    /// Books money that moved at the bank for an order of a cycle.
    pub async fn record_funds(
        &self,
        call: Call,
        cycle: &str,
        order: &str,
        body: FundsBody,
    ) -> Result<Reply, Problem> {
        let amount = body.amount.filter(|amount| Fen::ZERO < *amount).ok_or_else(|| {
            Problem::invalid(vec![FieldError::at("/amount", "say how much moved")])
        })?;
        let unknown = |_| ClearingError::not_found("order of funds", order);
        let command = RecordFunds {
            cycle: settlement::cycle_id(cycle)?,
            order: order.parse().map_err(unknown)?,
            amount,
            case: body.case_id,
            tenant: call.caller.tenant,
            by: call.caller.client.to_string(),
            now: call.received_at,
            ids: self.spine.ids(),
        };
        let answer = |view: FundsView| {
            let is_booked = view.case_id.is_none();
            let status = if is_booked { StatusCode::OK } else { StatusCode::ACCEPTED };
            Done::json(status, &view, 0, view.order_id.to_string())
        };
        self.spine.run(call, &command, answer).await
    }
}

struct RecordFunds<'a> {
    cycle: CycleId,
    order: Uuid,
    amount: Fen,
    case: Option<Uuid>,
    tenant: TenantId,
    by: String,
    now: Timestamp,
    ids: &'a Ids,
}

impl RecordFunds<'_> {
    /// Adds the operator's word to what was said of an order; the case of it, when it cannot be
    /// true.
    async fn say(&self, tx: &mut Tx, told: &Order) -> Result<Option<Uuid>, ClearingError> {
        let before = store::said_by_operator(tx, told.id).await?;
        let total = before.plus(self.amount).filter(|total| *total <= told.amount);
        let total = total.ok_or_else(|| {
            let left = Fen(told.amount.0 - before.0);
            let detail = format!("{left} yuan of order {} were not booked by hand", told.id);
            ClearingError::refused(&FUNDS_OTHER, detail)
        })?;
        let report = Report { bank_ref: None, word: Word::Settled { total }, at: self.now };
        let name = self.ids.next(self.now).to_string();
        let name = (Source::Operator, name.as_str());
        match hear(tx, told.id, name, &report, self.now, self.ids).await? {
            Hearing::Contradicts(_) => open::of_contradicted(tx, told.participant, told.id).await,
            Hearing::Known | Hearing::Heard { .. } => Ok(None),
        }
    }

    /// Books money the bank was never told to move.
    async fn book(&self, tx: &mut Tx, held: HeldOrder) -> Result<(), ClearingError> {
        let of_house = if self.case.is_some() { Purpose::Suspense } else { Purpose::Bank };
        house_account(tx, of_house, self.now).await?;
        if let Some(case) = self.case {
            let comes_in = held.order.direction == Direction::Collect;
            let moved = if comes_in { self.amount } else { Fen(-self.amount.0) };
            let (about, who) = ((self.order, moved), (self.tenant, self.by.as_str()));
            open::take(tx, case, about, who, self.now).await?;
        }
        settlement::record_moved(tx, held, of_house, self.amount, self.now, self.ids).await?;
        Ok(())
    }
}

impl Command for RecordFunds<'_> {
    const NAME: &'static str = "payment.record_funds";
    type Out = FundsView;
    type Error = ClearingError;

    async fn apply(&self, tx: &mut Tx) -> Result<FundsView, ClearingError> {
        tx.work_also_for([HOUSE]).await?;
        let told = store::lock(tx, OrderId(self.order)).await?;
        let held = settlement::hold_order(tx, self.cycle, self.order).await?;
        let case_id = match told {
            // Under the cycle's lock: it was placed since the look above, and must be locked first.
            None if store::find(tx, OrderId(self.order)).await?.is_some() => {
                return Err(failure::start_over().into());
            }
            None => self.book(tx, held).await.map(|()| None)?,
            Some(told) if cycle_of(&told)? != Some(self.cycle) => {
                return Err(ClearingError::not_found("order of funds", self.order));
            }
            // Other money, from elsewhere, after the bank will do no more.
            Some(told) if self.case.is_some() && has_failed(&told.stage) => {
                self.book(tx, held).await.map(|()| None)?
            }
            Some(told) if self.case.is_some() => {
                let detail = format!(
                    "the bank has order {} or did it: correct the case with this order",
                    told.id
                );
                return Err(ClearingError::refused(&FUNDS_OTHER, detail));
            }
            Some(told) => self.say(tx, &told).await?,
        };
        let now = settlement::hold_order(tx, self.cycle, self.order).await?;
        let view = settlement::funds_view(tx, &now.order).await?;
        Ok(FundsView { case_id, ..view })
    }
}

/// Whether the bank ended an order without all of its money.
fn has_failed(stage: &Stage) -> bool {
    matches!(stage, Stage::Rejected { .. } | Stage::Returned { .. })
}

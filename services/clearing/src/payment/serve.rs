//! Orders on their way: sent to the bank, and asked for when it is silent.
//!
//! An order that is due is taken for a minute, and counts as sent from then on: after a crash
//! nobody can say whether the bank has it, so it is sent again under the same id, which the bank
//! does once. Nothing is open while the bank is asked. An order that was sent but has not moved for
//! [`STUCK_AFTER`] is stuck: it is asked for ever more seldom and listed for the operator.

use std::time::Duration;

use base_http::problem::Chain;
use jiff::{SignedDuration, Timestamp};
use pg::{Command, Scope, Tx};
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use super::bank::{BankError, Instruction};
use super::order::{OrderId, Stage};
use super::store::Order;
use super::{Hearing, Source, payee, store};
use crate::error::ClearingError;
use crate::{Clearing, HOUSE};

/// An order that has not moved for so long is stuck (卡单).
pub const STUCK_AFTER: SignedDuration = SignedDuration::from_mins(30);

/// Orders of one round.
const ROUND: i64 = 50;
/// How often a round is made.
const EVERY: Duration = Duration::from_secs(1);
/// For how long a server has an order to itself.
const LEASE: SignedDuration = SignedDuration::from_secs(60);
/// Longest wait before the bank is asked again.
const LONGEST_WAIT: SignedDuration = SignedDuration::from_hours(1);

impl Clearing {
    /// Sends and asks for what is due at `now`; how many orders the bank had a word about.
    ///
    /// A store that fails ends the round; what it took comes back by itself.
    pub async fn serve_orders(&self, now: Timestamp) -> usize {
        let lease = now.checked_add(LEASE).unwrap_or(now);
        let due = match self.spine.db().run(house(), &TakeDue { now, lease }).await {
            Ok(due) => due,
            Err(error) => {
                tracing::warn!(error = %Chain(&error), "cannot look for payment orders; later");
                return 0;
            }
        };
        let mut heard = 0;
        for order in due {
            match self.serve_order(order, now).await {
                Ok(true) => heard += 1,
                Ok(false) => {}
                Err(error) => tracing::error!(payment.order = %order, error = %Chain(&error),
                    "payment order {order} cannot be served; later"),
            }
        }
        heard
    }

    /// Serves, round after round, until `stop`.
    pub async fn keep_serving_orders(self, stop: CancellationToken) {
        let mut ticks = interval(EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while stop.run_until_cancelled(ticks.tick()).await.is_some() {
            self.take_left_statements(self.spine.now()).await;
            self.place_funds(self.spine.now()).await;
            self.serve_orders(self.spine.now()).await;
            self.tell_policies(self.spine.now()).await;
            self.remit_due(self.spine.now()).await;
        }
    }

    async fn serve_order(&self, id: OrderId, now: Timestamp) -> Result<bool, ClearingError> {
        let mut tx = self.spine.db().begin(house()).await?;
        let order = store::find(&mut tx, id).await?;
        drop(tx);
        let Some(order) = order.filter(|order| !order.stage.is_over()) else { return Ok(false) };
        if is_stuck(&order, now) {
            tracing::warn!(payment.order = %id, payment.stage = order.stage.code(),
                "payment order {id} has not moved since {}", order.moved_at);
        }
        // Nothing is open while the bank is asked.
        match self.word_about(&order).await {
            Ok(Some(report)) => {
                // The same answer again is the same word; another one is another.
                let name = format!("{:?}", report.word);
                let name = crypto::sha256(name.as_bytes()).to_string();
                let hearing = self.hear(id, (Source::Answer, &name), &report).await?;
                if !matches!(hearing, Hearing::Heard { .. }) {
                    self.put_off(&order, now).await?;
                }
                Ok(true)
            }
            Ok(None) => self.put_off(&order, now).await.map(|()| false),
            Err(error @ (BankError::NotAccepted | BankError::OtherContents)) => {
                tracing::error!(payment.order = %id, error = %Chain(&error),
                    "the bank will not hear of order {id}");
                self.put_off(&order, now).await.map(|()| false)
            }
            Err(error) => {
                tracing::warn!(payment.order = %id, error = %Chain(&error),
                    "the bank has no word about order {id} yet");
                self.put_off(&order, now).await.map(|()| false)
            }
        }
    }

    /// Sends an order the bank has not acknowledged; asks about one it has.
    async fn word_about(&self, order: &Order) -> Result<Option<super::order::Report>, BankError> {
        if !matches!(order.stage, Stage::Ordered | Stage::Sent) {
            return self.bank.ask(order.id).await;
        }
        let opened = payee::open(&self.keys, order.participant, &order.payee_sealed).await;
        let account = opened.map_err(|error| BankError::Unreachable(Box::new(error)))?;
        let instruction = Instruction {
            order: order.id,
            direction: order.direction,
            between_institutions: order.purpose == "settlement_funds",
            amount: order.amount,
            reference: order.reference.clone(),
            account,
            ordered_at: order.ordered_at,
        };
        self.bank.send(&instruction).await
    }

    async fn put_off(&self, order: &Order, now: Timestamp) -> Result<(), ClearingError> {
        let until = after(order.attempts, now);
        self.spine.db().run(house(), &PutOff { order: order.id, until }).await
    }
}

/// Whether somebody should look at an order.
pub fn is_stuck(order: &Order, now: Timestamp) -> bool {
    !order.stage.is_over()
        && order.moved_at.checked_add(STUCK_AFTER).is_ok_and(|patience| patience <= now)
}

fn house() -> Scope {
    Scope::of(HOUSE)
}

/// When the bank is asked again after so many attempts: 30 s, doubled each time, an hour at most.
fn after(attempts: i32, now: Timestamp) -> Timestamp {
    let doublings = u32::try_from(attempts.saturating_sub(1)).unwrap_or(0).min(10);
    let wait = SignedDuration::from_secs(30 << doublings).min(LONGEST_WAIT);
    now.checked_add(wait).unwrap_or(Timestamp::MAX)
}

struct TakeDue {
    now: Timestamp,
    lease: Timestamp,
}

impl Command for TakeDue {
    const NAME: &'static str = "payment.take_due";
    type Out = Vec<OrderId>;
    type Error = ClearingError;

    async fn apply(&self, tx: &mut Tx) -> Result<Vec<OrderId>, ClearingError> {
        store::take_due(tx, self.now, self.lease, ROUND).await
    }
}

struct PutOff {
    order: OrderId,
    until: Timestamp,
}

impl Command for PutOff {
    const NAME: &'static str = "payment.put_off";
    type Out = ();
    type Error = ClearingError;

    async fn apply(&self, tx: &mut Tx) -> Result<(), ClearingError> {
        store::put_off(tx, self.order, self.until).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_silent_bank_is_asked_ever_more_seldom_but_at_least_every_hour() {
        let now = Timestamp::UNIX_EPOCH;
        let waits = [1, 2, 3, 7, 8, 40].map(|attempts| after(attempts, now).as_second());
        assert_eq!(waits, [30, 60, 120, 1_920, 3_600, 3_600]);
    }
}

//! Orders the bank for what cycles call for.
//!
//! A reconciler: wanted is what settlement ordered and is still open, seen is what has a payment
//! order of the same id. It takes no hint about what changed; a participant without a registered
//! bank account is left for the next round, and for the rule of its cycle when its time is up.

use clearing_ledger::CycleId;
use jiff::Timestamp;
use kernel::{Fen, Ids, TenantId};
use pg::{Command, Scope, Tx};

use super::order::{Direction, OrderId, OrderPurpose};
use super::{Counterparty, OrderDraft, order, store};
use crate::error::ClearingError;
use crate::{Clearing, HOUSE, settlement};

/// Orders placed in one round.
const ROUND: i64 = 100;

/// Money a cycle calls for.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// Names the order of funds, and the payment order.
    pub order: OrderId,
    /// The cycle.
    pub cycle: CycleId,
    /// From or to whom.
    pub participant: TenantId,
    /// Which way.
    pub direction: Direction,
    /// How much.
    pub amount: Fen,
}

impl Clearing {
    /// Places payment orders for what cycles call for; how many were placed.
    pub async fn place_funds(&self, now: Timestamp) -> usize {
        let wanted = async {
            let mut tx = self.spine.db().begin(Scope::of(HOUSE)).await?;
            store::wanted_funds(&mut tx, ROUND).await
        };
        let wanted = match wanted.await {
            Ok(wanted) => wanted,
            Err(error) => {
                let error = base_http::problem::Chain(&error);
                tracing::warn!(%error, "cannot look for funds of cycles; later");
                return 0;
            }
        };
        let mut placed = 0;
        for wanted in wanted {
            let scope = Scope::of_all([HOUSE, wanted.participant]);
            let place = PlaceFunds { wanted: &wanted, now, ids: self.spine.ids() };
            match self.spine.db().run(scope, &place).await {
                Ok(is_new) => placed += usize::from(is_new),
                Err(error) => tracing::warn!(payment.order = %wanted.order,
                    error = %base_http::problem::Chain(&error),
                    "funds of cycle {} are not ordered yet", wanted.cycle),
            }
        }
        placed
    }
}

struct PlaceFunds<'a> {
    wanted: &'a Wanted,
    now: Timestamp,
    ids: &'a Ids,
}

impl Command for PlaceFunds<'_> {
    const NAME: &'static str = "payment.place_funds";
    type Out = bool;
    type Error = ClearingError;

    async fn apply(&self, tx: &mut Tx) -> Result<bool, ClearingError> {
        let Wanted { order: id, cycle, participant, direction, amount } = *self.wanted;
        // What is booked by hand meanwhile is not told to the bank as well.
        let is_told = store::lock(tx, id).await?.is_some();
        if is_told || !settlement::hold_order(tx, cycle, id.0).await?.is_untouched() {
            return Ok(false);
        }
        let draft = OrderDraft {
            order_id: id,
            direction,
            purpose: OrderPurpose::SettlementFunds { cycle_id: cycle.0 },
            participant,
            counterparty: Counterparty::Registered,
            amount,
            reference: id.end_to_end(),
        };
        order(tx, &draft, self.now, self.ids).await?;
        Ok(true)
    }
}

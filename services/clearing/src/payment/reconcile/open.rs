//! Cases as other rooms use them: words that contradict each other become one, and money in
//! suspense that is known after all is taken from one.

use jiff::Timestamp;
use kernel::{Fen, Ids, TenantId};
use pg::{Tx, failure};
use uuid::Uuid;

use super::case::Action;
use super::store::{self, Manner, Step};
use super::{Break, BreakKind};
use crate::error::{CASE_STAGE, ClearingError, FUNDS_OTHER};
use crate::payment::order::{Direction, OrderId, Word};
use crate::payment::store::Order;

/// Opens the case of an order about which somebody said what cannot be true. An order has one,
/// however often that happens.
pub(crate) async fn contradicted(
    tx: &mut Tx,
    order: &Order,
    said: &Word,
    now: Timestamp,
    ids: &Ids,
) -> Result<(), ClearingError> {
    let way = |net: i64| Fen(if order.direction == Direction::Collect { net } else { -net });
    let said = match said {
        Word::Accepted => 0,
        Word::Settled { total } => total.0,
        Word::Rejected { settled, .. } => settled.0,
        Word::Returned { settled, returned, .. } => settled.0.saturating_sub(returned.0),
    };
    let found = Break {
        kind: BreakKind::Contradiction,
        about: order.id.to_string(),
        line: None,
        ours: Some(way(order.stage.settled(order.amount).0 - order.stage.returned().0)),
        bank: Some(way(said)),
        insurer: store::legs::of_insurers(tx, &[order.id]).await?.remove(&order.id),
    };
    store::open_case(tx, ids.next(now), order.participant, &found, now).await?;
    Ok(())
}

/// Names the case of an order that was contradicted.
pub(crate) async fn of_contradicted(
    tx: &mut Tx,
    participant: TenantId,
    order: OrderId,
) -> Result<Option<Uuid>, ClearingError> {
    store::case_of(tx, participant, BreakKind::Contradiction, &order.to_string()).await
}

/// Corrects the case of money that named no order: all of it leaves suspense, once, for `order`; the
/// caller books it. `moved` is positive for money that came in, and must be what the case is about.
pub(crate) async fn take(
    tx: &mut Tx,
    case_id: Uuid,
    (order, moved): (Uuid, Fen),
    (tenant, by): (TenantId, &str),
    now: Timestamp,
) -> Result<(), ClearingError> {
    let case = store::cases(tx, Some(case_id), None, 1).await?.pop();
    let case = case.filter(|case| case.found.line.is_some());
    let case =
        case.ok_or_else(|| ClearingError::not_found("case of money in suspense", case_id))?;
    let bank = case.found.bank.unwrap_or_default();
    if bank != moved {
        let detail = format!("the bank moved {} yuan in this case", bank.yuan());
        return Err(ClearingError::refused(&FUNDS_OTHER, detail));
    }
    let stage = case.stage()?.act(Action::Correct, by);
    stage.map_err(|refusal| ClearingError::refused(&CASE_STAGE, refusal.to_string()))?;
    let why = format!("booked for order {order}");
    let step = Step { action: Action::Correct, by: by.to_owned(), why, at: now };
    let written = store::insert_step(tx, (case_id, case.steps.len() + 1), tenant, &step).await;
    written.map_err(|error| match failure::constraint(&error) {
        Some("reconciliation_step_pkey") => failure::start_over(),
        _ => error,
    })?;
    store::end_suspense(tx, &case, Manner::Funds, Some(order), now).await
}

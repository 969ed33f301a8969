//! Money in suspense: of lines of the bank that name no order.
//!
//! It lies there until its case says which order it is for, or that it is written off, and it leaves
//! once. For an order it goes back to the bank's account and is heard like any line of that order, so
//! what the order knew of it already is not booked again.

use clearing_ledger::{Action, Amount, Currency, Movement, Purpose, Reason, Reference, Transfer};
use jiff::Timestamp;
use kernel::{Fen, Ids};
use pg::Tx;

use super::said_of;
use super::store::{self, Case, Manner};
use crate::error::{ClearingError, OTHER_MONEY};
use crate::payment::booking::transfer_id;
use crate::payment::iso20022::StatementLine;
use crate::payment::order::{Direction, OrderId, Report};
use crate::payment::{Hearing, Source, hear, house_account, post, store as orders};

/// Books a line that names no order of ours where everybody looks for it.
pub(super) async fn suspend(
    tx: &mut Tx,
    line: &StatementLine,
    now: Timestamp,
    ids: &Ids,
) -> Result<(), ClearingError> {
    let bank = house_account(tx, Purpose::Bank, now).await?;
    let suspense = house_account(tx, Purpose::Suspense, now).await?;
    let (debit, credit) = if line.amount > Fen::ZERO { (bank, suspense) } else { (suspense, bank) };
    let amount = Fen(line.amount.0.saturating_abs());
    let transfer = Transfer {
        id: transfer_id(&format!("bank_line/{}", line.entry_ref)),
        action: Action::Post(Movement { debit, credit, amount, currency: Currency::CNY }),
        reason: Reason::parse("payment.suspended").expect("a word"),
        reference: reference(&line.entry_ref)?,
    };
    let posted = post(tx, vec![transfer], now, ids).await?;
    posted.map_err(|_| ClearingError::Corrupt("booking of a statement line"))
}

/// Books the money of a case for the order it belongs to, as one more line of it. Refuses with
/// `E4311` when that cannot be true beside what else is known of the order.
pub(super) async fn book(
    tx: &mut Tx,
    case: &Case,
    order: OrderId,
    now: Timestamp,
    ids: &Ids,
) -> Result<(), ClearingError> {
    let (entry_ref, moved) = case.suspended().ok_or(ClearingError::Corrupt("case in suspense"))?;
    // Held before its lines are added up: who brings it another line waits.
    let known = orders::lock(tx, order).await?;
    let known = known.ok_or_else(|| ClearingError::not_found("payment order", order))?;
    store::end_suspense(tx, case, Manner::Heard, Some(order.0), now).await?;
    let lines: Vec<StatementLine> =
        store::lines_of(tx, &[order]).await?.into_iter().map(|(_, line)| line).collect();
    let report = Report { bank_ref: None, word: said_of(known.direction, &lines), at: now };
    let name = format!("case/{}", case.case_id);
    // Before the money leaves suspense: a cycle is held before any account.
    match hear(tx, order, (Source::Statement, &name), &report, now, ids).await? {
        Hearing::Contradicts(why) => {
            let detail = format!(
                "{} yuan do not fit order {order}, which {} {} yuan and is {}: {why}; name another \
                 order, or propose to write them off",
                moved.yuan(),
                if known.direction == Direction::Collect { "collects" } else { "pays out" },
                known.amount.yuan(),
                known.stage.code()
            );
            return Err(ClearingError::refused(&OTHER_MONEY, detail));
        }
        Hearing::Known | Hearing::Heard { .. } => {}
    }
    let back = Transfer {
        id: transfer_id(&format!("unsuspended/{entry_ref}")),
        action: Action::Correct {
            original: transfer_id(&format!("bank_line/{entry_ref}")),
            amount: Amount::All,
        },
        reason: Reason::parse("payment.unsuspended").expect("a word"),
        reference: reference(entry_ref)?,
    };
    let posted = post(tx, vec![back], now, ids).await?;
    posted.map_err(|_| ClearingError::Corrupt("money in suspense"))
}

/// The money of a case is the house's, or its loss.
pub(super) async fn write_off(
    tx: &mut Tx,
    case: &Case,
    now: Timestamp,
    ids: &Ids,
) -> Result<(), ClearingError> {
    let Some((_, moved)) = case.suspended() else { return Ok(()) };
    store::end_suspense(tx, case, Manner::WrittenOff, None, now).await?;
    let suspense = house_account(tx, Purpose::Suspense, now).await?;
    let fee = house_account(tx, Purpose::Fee, now).await?;
    let (debit, credit) = if moved > Fen::ZERO { (suspense, fee) } else { (fee, suspense) };
    let amount = Fen(moved.0.saturating_abs());
    let transfer = Transfer {
        id: transfer_id(&format!("write_off/{}", case.case_id)),
        action: Action::Post(Movement { debit, credit, amount, currency: Currency::CNY }),
        reason: Reason::parse("payment.written_off").expect("a word"),
        reference: Reference::parse(&case.case_id.to_string()).expect("36 characters"),
    };
    let posted = post(tx, vec![transfer], now, ids).await?;
    posted.map_err(|_| ClearingError::Corrupt("write-off"))
}

/// The bank's reference of a line, as far as transfers carry it.
fn reference(entry_ref: &str) -> Result<Reference, ClearingError> {
    let graphic = entry_ref.chars().filter(char::is_ascii_graphic).take(64);
    let reference = Reference::parse(&graphic.collect::<String>());
    reference.map_err(|_| ClearingError::Corrupt("statement line"))
}

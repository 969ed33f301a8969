//! Funds: money is collected from who owes, and when all of it is there, paid out to who is owed.
//!
//! What is ordered is read from the position accounts, never carried along: after something left
//! the cycle, or part of the money came in, the same reading says what is still to be ordered.

use clearing_ledger::{Action, Currency, CycleId, Limits, Movement, NewAccount, Purpose};
use crypto::SigningKey;
use jiff::Timestamp;
use kernel::{Fen, Ids, TenantId};
use pg::Tx;
use production_core::coded_enum;
use uuid::Uuid;

use super::cycle::{Cycle, CycleStage};
use super::departure::{self, submit, transfer};
use super::scheme::OnFailure;
use super::{account_of, milestone, named, store};
use crate::HOUSE;
use crate::error::{self, ClearingError};
use crate::ledger;

coded_enum! {
    /// Which way ordered money goes.
    pub enum Direction ("direction of funds") {
        Collect = "collect", "收款", "from a participant to the platform's bank account";
        PayOut = "pay_out", "付款", "from the platform's bank account to a participant";
    }
}

coded_enum! {
    /// How an order of funds ended.
    pub enum FundsOutcome ("outcome of an order of funds") {
        Done = "done", "已完成", "the money moved";
        Withdrawn = "withdrawn", "已撤回", "the position changed and another order took its place";
        Collateral = "collateral", "保证金代偿", "the participant's collateral paid";
    }
}

coded_enum! {
    /// What was done about a participant that did not pay.
    pub enum Remedy ("remedy of a failure") {
        Collateral = "collateral", "保证金代偿", "its collateral paid what it owed";
        Unwound = "unwound", "撤出批次", "its items left the cycle and the rest was netted anew";
    }
}

/// Money ordered for a cycle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FundsOrder {
    /// Names it; the payment order has the same id.
    pub order_id: Uuid,
    /// For which cycle.
    pub cycle: CycleId,
    /// From or to whom.
    pub participant: TenantId,
    /// Which way.
    pub direction: Direction,
    /// How much.
    pub amount: Fen,
    /// How much of it moved.
    pub arrived: Fen,
    /// When it was ordered.
    pub ordered_at: Timestamp,
    /// When it must have moved.
    pub due_at: Timestamp,
    /// How it ended.
    pub outcome: Option<FundsOutcome>,
}

impl FundsOrder {
    /// What was paid towards the position with it.
    pub(super) fn paid(&self) -> Fen {
        match (self.direction, self.outcome) {
            (Direction::Collect, Some(FundsOutcome::Collateral)) => self.amount,
            (Direction::Collect, _) => self.arrived,
            (Direction::PayOut, _) => Fen(0),
        }
    }

    /// What has still to move; `None` when it ended.
    pub fn open(&self) -> Option<Fen> {
        if self.outcome.is_some() { None } else { self.amount.minus(self.arrived) }
    }
}

/// Orders what the positions of a cycle call for, in place of what was ordered before and is no
/// longer right; when nobody owes anything, goes on at once. The caller holds the cycle's row.
pub(super) async fn order(
    tx: &mut Tx,
    cycle: &Cycle,
    now: Timestamp,
    ids: &Ids,
) -> Result<(), ClearingError> {
    let ordered = store::funds::of_cycle(tx, cycle.id).await?;
    let mut wanted = Vec::new();
    for account in ledger::accounts_of_cycle(tx, cycle.id).await? {
        let owed = Fen(i64::try_from(-account.balance.net_credit())
            .map_err(|_| ClearingError::Corrupt("position"))?);
        let of_them = || ordered.iter().filter(|order| order.participant == account.participant);
        let open = of_them().find(|order| order.outcome.is_none());
        if open.is_some_and(|open| open.open() == Some(owed)) {
            continue;
        }
        if let Some(open) = open {
            store::funds::end(tx, open.order_id, FundsOutcome::Withdrawn, now).await?;
            let ended = FundsOrder { outcome: Some(FundsOutcome::Withdrawn), ..open.clone() };
            milestone::funds_ended(tx, cycle, &ended, now, ids).await?;
        }
        if Fen(0) < owed {
            let attempt = of_them().count();
            wanted.push(new_order(
                cycle,
                account.participant,
                Direction::Collect,
                owed,
                (attempt, now),
            ));
        }
    }
    store::funds::insert(tx, &wanted).await?;
    milestone::funds_ordered(tx, cycle, &wanted, now, ids).await?;
    store::cycle::set_funds_ordered(tx, cycle.id, now).await?;
    let ordered_at = cycle.funds_ordered_at.or(Some(now));
    complete(tx, &Cycle { funds_ordered_at: ordered_at, ..cycle.clone() }, now, ids).await
}

fn new_order(
    cycle: &Cycle,
    participant: TenantId,
    direction: Direction,
    amount: Fen,
    (attempt, now): (usize, Timestamp),
) -> FundsOrder {
    let mut name = b"clearing.funds/".to_vec();
    name.extend_from_slice(cycle.id.0.as_bytes());
    name.extend_from_slice(participant.0.as_bytes());
    name.extend_from_slice(format!("/{}/{attempt}", direction.code()).as_bytes());
    FundsOrder {
        order_id: named(&name),
        cycle: cycle.id,
        participant,
        direction,
        amount,
        arrived: Fen(0),
        ordered_at: now,
        due_at: cycle.funds_by(now),
        outcome: None,
    }
}

/// An order of funds whose cycle is held until the transaction ends.
#[derive(Clone, Debug)]
pub struct HeldOrder {
    cycle: Cycle,
    /// The order.
    pub order: FundsOrder,
}

impl HeldOrder {
    /// Whether it is open and nothing of it moved.
    pub fn is_untouched(&self) -> bool {
        self.order.outcome.is_none() && self.order.arrived == Fen(0)
    }

    fn open(&self) -> Result<Fen, ClearingError> {
        let id = self.order.order_id;
        match self.order.outcome {
            None => Ok(self.order.open().unwrap_or(Fen(0))),
            Some(outcome) => {
                let detail = format!("order {id} has ended: {}", outcome.code());
                Err(ClearingError::refused(&error::FUNDS_OTHER, detail))
            }
        }
    }
}

/// Holds a cycle until the transaction ends: nobody else moves its money meanwhile. Whoever also
/// locks a payment order does that before, whoever moves money does that after.
pub async fn hold(tx: &mut Tx, cycle: CycleId) -> Result<(), ClearingError> {
    store::cycle::lock_cycle(tx, cycle).await.map(drop)
}

/// Holds the cycle of an order of funds, and finds the order.
pub async fn hold_order(
    tx: &mut Tx,
    cycle: CycleId,
    order: Uuid,
) -> Result<HeldOrder, ClearingError> {
    let cycle = store::cycle::lock_cycle(tx, cycle).await?;
    let mut found = store::funds::of_cycle(tx, cycle.id).await?.into_iter();
    let found = found.find(|found| found.order_id == order);
    let order = found.ok_or_else(|| ClearingError::not_found("order of funds", order))?;
    Ok(HeldOrder { cycle, order })
}

/// Takes note that money of an order moved at the bank and stands on, or left, the participant's
/// `settlement` account: whoever calls has booked that. What a participant owed is paid from that
/// account to its position; when the last has paid, everybody who is owed is paid from the
/// positions, which are zero then, and paying out is ordered.
pub async fn funds_arrived(
    tx: &mut Tx,
    cycle: CycleId,
    participant: TenantId,
    order: Uuid,
    amount: Fen,
    now: Timestamp,
    ids: &Ids,
) -> Result<FundsOrder, ClearingError> {
    let held = hold_order(tx, cycle, order).await?;
    if held.order.participant != participant {
        return Err(ClearingError::not_found("order of funds", order));
    }
    must_be_open_for(&held, amount)?;
    arrived(tx, held, amount, now, ids).await
}

fn must_be_open_for(held: &HeldOrder, amount: Fen) -> Result<(), ClearingError> {
    let left = held.open()?;
    if amount <= Fen(0) || left < amount {
        let detail = format!("{left} yuan of order {} have still to move", held.order.order_id);
        return Err(ClearingError::refused(&error::FUNDS_OTHER, detail));
    }
    Ok(())
}

async fn arrived(
    tx: &mut Tx,
    HeldOrder { cycle, mut order }: HeldOrder,
    amount: Fen,
    now: Timestamp,
    ids: &Ids,
) -> Result<FundsOrder, ClearingError> {
    let arrived = order.arrived.plus(amount).ok_or(ClearingError::Corrupt("order of funds"))?;
    if order.direction == Direction::Collect {
        let (id, before) = (order.order_id, order.arrived.0);
        let id = named(format!("clearing.funds/{id}/{before}").as_bytes());
        let position = account_of(order.participant, Purpose::Position, Some(cycle.id));
        let settlement = account_of(order.participant, Purpose::Settlement, None);
        let paid = post_of(settlement, position, amount);
        submit(tx, &[transfer(id, paid, "cycle.collected", &cycle)?], now, ids).await?;
    }
    order.arrived = arrived;
    store::funds::set_arrived(tx, order.order_id, arrived).await?;
    if arrived == order.amount {
        order.outcome = Some(FundsOutcome::Done);
        store::funds::end(tx, order.order_id, FundsOutcome::Done, now).await?;
        milestone::funds_ended(tx, &cycle, &order, now, ids).await?;
        complete(tx, &cycle, now, ids).await?;
    }
    Ok(order)
}

/// Goes on when an order ended: pays who is owed when nobody owes any more, and marks the cycle.
async fn complete(
    tx: &mut Tx,
    cycle: &Cycle,
    now: Timestamp,
    ids: &Ids,
) -> Result<(), ClearingError> {
    let ordered = store::funds::of_cycle(tx, cycle.id).await?;
    if ordered.iter().any(|order| order.outcome.is_none()) {
        return Ok(());
    }
    if cycle.stage() == CycleStage::FundsOrdered {
        let accounts = ledger::accounts_of_cycle(tx, cycle.id).await?;
        let mut owed = Vec::new();
        for account in accounts.iter().filter(|account| account.balance.net_credit() != 0) {
            let net = i64::try_from(account.balance.net_credit());
            let net = Fen(net.map_err(|_| ClearingError::Corrupt("position"))?);
            if net < Fen(0) {
                return Err(ClearingError::Corrupt("position: owed and not ordered"));
            }
            owed.push((account.participant, net));
        }
        let participants: Vec<TenantId> =
            owed.iter().map(|(participant, _)| *participant).collect();
        open_settlement_accounts(tx, &participants, now).await?;
        let mut pay = Vec::with_capacity(owed.len());
        let mut orders = Vec::with_capacity(owed.len());
        for (participant, amount) in owed {
            let attempt = ordered.iter().filter(|order| order.participant == participant).count();
            let order = new_order(cycle, participant, Direction::PayOut, amount, (attempt, now));
            let position = account_of(participant, Purpose::Position, Some(cycle.id));
            let settlement = account_of(participant, Purpose::Settlement, None);
            let id = named(format!("clearing.due/{}", order.order_id).as_bytes());
            pay.push(transfer(id, post_of(position, settlement, amount), "cycle.due", cycle)?);
            orders.push(order);
        }
        submit(tx, &pay, now, ids).await?;
        store::funds::insert(tx, &orders).await?;
        store::cycle::set_settled(tx, cycle.id, now).await?;
        let everybody = accounts.iter().map(|account| account.participant);
        milestone::settled(tx, cycle, everybody, now, ids).await?;
        milestone::funds_ordered(tx, cycle, &orders, now, ids).await?;
        if !orders.is_empty() {
            return Ok(());
        }
    }
    store::cycle::set_reconciled(tx, cycle.id, now).await?;
    Ok(())
}

/// Does what the cycle's rule says about a participant that did not pay in time: its collateral
/// pays when it suffices, else everything of it leaves the cycle and the rest is netted anew.
pub async fn fail(
    tx: &mut Tx,
    cycle: CycleId,
    participant: TenantId,
    (note, client): (&str, &str),
    now: Timestamp,
    (ids, key): (&Ids, &SigningKey),
) -> Result<Remedy, ClearingError> {
    let cycle = store::cycle::lock_cycle(tx, cycle).await?;
    cycle.must_be(&[CycleStage::FundsOrdered], "handle a failure in")?;
    let ordered = store::funds::of_cycle(tx, cycle.id).await?.into_iter();
    let mut ordered = ordered.filter(|order| order.participant == participant);
    let order = ordered.find(|order| order.open().is_some());
    let order = order.ok_or_else(|| {
        ClearingError::not_found("open order of funds of this insurer in cycle", cycle.id)
    })?;
    if now < order.due_at {
        let detail = format!("the money of order {} is due at {}", order.order_id, order.due_at);
        return Err(ClearingError::refused(&error::NOT_DUE, detail));
    }
    let owed = order.open().unwrap_or(Fen(0));
    let collateral = account_of(participant, Purpose::Collateral, None);
    let secured = ledger::account(tx, collateral).await?;
    let secured = secured.map_or(0, |account| account.balance.net_credit());
    let pays = cycle.scheme.on_failure == OnFailure::Collateral && i128::from(owed.0) <= secured;
    let remedy = if pays { Remedy::Collateral } else { Remedy::Unwound };
    store::funds::insert_failure(tx, (cycle.id, participant), owed, remedy, (note, client), now)
        .await?;
    milestone::failed(tx, &cycle, participant, remedy, now, ids).await?;
    match remedy {
        Remedy::Collateral => {
            let id = named(format!("clearing.collateral/{}", order.order_id).as_bytes());
            let position = account_of(participant, Purpose::Position, Some(cycle.id));
            let paid = post_of(collateral, position, owed);
            submit(tx, &[transfer(id, paid, "cycle.collateral", &cycle)?], now, ids).await?;
            store::funds::end(tx, order.order_id, FundsOutcome::Collateral, now).await?;
            let ended = FundsOrder { outcome: Some(FundsOutcome::Collateral), ..order };
            milestone::funds_ended(tx, &cycle, &ended, now, ids).await?;
            complete(tx, &cycle, now, ids).await?;
        }
        Remedy::Unwound => {
            departure::unwind(tx, &cycle, participant, note, now, (ids, key)).await?;
            self::order(tx, &cycle, now, ids).await?;
        }
    }
    Ok(remedy)
}

/// Books money that moved for an order the bank was never told, between the participant and an
/// account of the house (`bank`, or `suspense` where it was booked before), and goes on from there.
pub async fn record_moved(
    tx: &mut Tx,
    held: HeldOrder,
    of_house: Purpose,
    amount: Fen,
    now: Timestamp,
    ids: &Ids,
) -> Result<FundsOrder, ClearingError> {
    must_be_open_for(&held, amount)?;
    let order = &held.order;
    open_settlement_accounts(tx, &[order.participant], now).await?;
    let house = account_of(HOUSE, of_house, None);
    let settlement = account_of(order.participant, Purpose::Settlement, None);
    let movement = match order.direction {
        Direction::Collect => post_of(house, settlement, amount),
        Direction::PayOut => post_of(settlement, house, amount),
    };
    let id = named(format!("clearing.bank/{}/{}", order.order_id, order.arrived.0).as_bytes());
    submit(tx, &[transfer(id, movement, "bank.moved", &held.cycle)?], now, ids).await?;
    arrived(tx, held, amount, now, ids).await
}

/// Books collateral a participant left with the platform. `deposit` names the transfer.
pub async fn deposit_collateral(
    tx: &mut Tx,
    participant: TenantId,
    deposit: Uuid,
    amount: Fen,
    now: Timestamp,
    ids: &Ids,
) -> Result<i128, ClearingError> {
    open_settlement_accounts(tx, &[], now).await?;
    let collateral = account_of(participant, Purpose::Collateral, None);
    let secured = NewAccount {
        id: collateral,
        participant,
        purpose: Purpose::Collateral,
        currency: Currency::CNY,
        cycle: None,
        // It pays out what was left there and no more.
        limits: Limits { net_debit_cap: Some(Fen(0)), net_credit_cap: None },
    };
    ledger::open_all(tx, &[secured], now).await?;
    let movement = post_of(account_of(HOUSE, Purpose::Bank, None), collateral, amount);
    let booked = clearing_ledger::Transfer {
        id: clearing_ledger::TransferId(deposit),
        action: movement,
        reason: clearing_ledger::Reason::parse("collateral.deposit")
            .map_err(|_| ClearingError::Corrupt("reason"))?,
        reference: clearing_ledger::Reference::parse("")
            .map_err(|_| ClearingError::Corrupt("reference"))?,
    };
    submit(tx, &[clearing_ledger::Chain::one(booked)], now, ids).await?;
    let account = ledger::account(tx, collateral).await?;
    Ok(account.map_or(0, |account| account.balance.net_credit()))
}

/// Opens the house's bank account and the settlement accounts of `participants`.
async fn open_settlement_accounts(
    tx: &mut Tx,
    participants: &[TenantId],
    now: Timestamp,
) -> Result<(), ClearingError> {
    let account = |participant, purpose| NewAccount {
        id: account_of(participant, purpose, None),
        participant,
        purpose,
        currency: Currency::CNY,
        cycle: None,
        limits: Limits::default(),
    };
    let own = participants.iter().map(|&participant| account(participant, Purpose::Settlement));
    let wanted: Vec<NewAccount> =
        std::iter::once(account(HOUSE, Purpose::Bank)).chain(own).collect();
    Ok(ledger::open_all(tx, &wanted, now).await?)
}

fn post_of(
    debit: clearing_ledger::AccountId,
    credit: clearing_ledger::AccountId,
    amount: Fen,
) -> Action {
    Action::Post(Movement { debit, credit, amount, currency: Currency::CNY })
}

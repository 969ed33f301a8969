//! Cycles: opened by the first item or by the close of the one before, closed once.

use std::collections::BTreeSet;

use clearing_ledger::CycleId;
use jiff::Timestamp;
use jiff::civil::Date;
use kernel::{Ids, calendar};
use pg::Tx;
use production_core::coded_enum;

use super::scheme::{Division, Scheme};
use super::store;
use crate::error::{self, ClearingError};
use crate::ledger;

coded_enum! {
    /// How far a cycle has come.
    pub enum CycleStage ("stage of a cycle") {
        Open = "open", "归集中", "items are posted to it";
        Closed = "closed", "已截止", "no item comes in any more";
        Stated = "stated", "已发对账单", "both sides were told what it comes to";
        FundsOrdered = "funds_ordered", "已发划款指令", "everybody agreed and money was ordered";
        Settled = "settled", "已清算", "every position is zero";
        Reconciled = "reconciled", "已对平", "every order of money ended";
    }
}

/// A settlement cycle (清算批次).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cycle {
    /// Names it.
    pub id: CycleId,
    /// A region of the platform, or `000000`.
    pub region: String,
    /// The cover it is for; empty when it is for all.
    pub cover: String,
    /// Counted from 1 within region and cover.
    pub number: i32,
    /// When it opened.
    pub opened_at: Timestamp,
    /// When it is to be closed.
    pub due_at: Option<Timestamp>,
    /// When it was closed.
    pub closed_at: Option<Timestamp>,
    /// When its statements were sent.
    pub stated_at: Option<Timestamp>,
    /// When money was first ordered.
    pub funds_ordered_at: Option<Timestamp>,
    /// When every position was zero.
    pub settled_at: Option<Timestamp>,
    /// When every order of money had ended.
    pub reconciled_at: Option<Timestamp>,
    /// Public holidays as they were listed when its statements were sent; none before.
    pub rest_days: BTreeSet<Date>,
    /// How it is settled: as it was when it opened.
    pub scheme: Scheme,
}

/// A cycle that was closed, and the one that follows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Closed {
    /// No item comes in any more.
    pub closed: Cycle,
    /// Open from now on; `None` when the scheme divides items in another way by now, and the next
    /// item opens what it needs.
    pub next: Option<Cycle>,
}

impl Cycle {
    /// The first of a region's `cover`, opened at `now`.
    pub(super) fn open(id: CycleId, scheme: &Scheme, cover: &str, now: Timestamp) -> Cycle {
        Cycle {
            id,
            region: scheme.region.clone(),
            cover: cover.to_owned(),
            number: 1,
            opened_at: now,
            due_at: scheme.due_at(now),
            closed_at: None,
            stated_at: None,
            funds_ordered_at: None,
            settled_at: None,
            reconciled_at: None,
            rest_days: BTreeSet::new(),
            scheme: scheme.clone(),
        }
    }

    /// When the time to confirm what was sent at `sent_at` is over: the end in China of its last
    /// day, which is a working day.
    pub fn confirm_by(&self, sent_at: Timestamp) -> Timestamp {
        calendar::end_of_days(sent_at, self.scheme.confirm_days, &self.rest_days)
    }

    /// When money ordered at `ordered_at` must be there: the end in China of a working day.
    pub fn funds_by(&self, ordered_at: Timestamp) -> Timestamp {
        calendar::end_of_days(ordered_at, self.scheme.funds_days, &self.rest_days)
    }

    /// How far it has come.
    pub fn stage(&self) -> CycleStage {
        let reached = [
            (self.reconciled_at, CycleStage::Reconciled),
            (self.settled_at, CycleStage::Settled),
            (self.funds_ordered_at, CycleStage::FundsOrdered),
            (self.stated_at, CycleStage::Stated),
            (self.closed_at, CycleStage::Closed),
        ];
        let last = reached.into_iter().find(|(at, _)| at.is_some());
        last.map_or(CycleStage::Open, |(_, stage)| stage)
    }

    /// Refuses unless it has come exactly so far.
    pub(super) fn must_be(&self, stages: &[CycleStage], action: &str) -> Result<(), ClearingError> {
        let stage = self.stage();
        if stages.contains(&stage) {
            return Ok(());
        }
        let detail = format!("cannot {action} a cycle that is {}", stage.code());
        Err(ClearingError::refused(&error::CYCLE_STAGE, detail))
    }
}

/// Closes an open cycle and opens the next under the scheme in force at `now`. Waits for
/// transactions that are posting to it and makes later ones wait, until the caller's transaction
/// ends: nothing else belongs into it. The transaction's scope holds [`crate::HOUSE`].
pub async fn close(
    tx: &mut Tx,
    cycle: CycleId,
    now: Timestamp,
    ids: &Ids,
) -> Result<Closed, ClearingError> {
    let found = store::cycle::cycle(tx, cycle).await?;
    let found = found.ok_or_else(|| ClearingError::not_found("cycle", cycle))?;
    store::cycle::lock_scope_alone(tx, &found.region, &found.cover).await?;
    // Only now: another may have closed it before the scope was free.
    let found = store::cycle::cycle(tx, cycle).await?.ok_or(ClearingError::Corrupt("cycle"))?;
    found.must_be(&[CycleStage::Open], "close")?;
    // Servers' clocks differ: a cycle does not end before it began.
    let now = now.max(found.opened_at);
    store::cycle::set_closed(tx, cycle, now).await?;
    // Caps are for what is posted; what settlement takes back or moves is not held against them.
    ledger::lift_debit_caps(tx, cycle, now).await?;
    let scheme = store::scheme::scheme_at(tx, &found.region, now).await?;
    let scheme = scheme.ok_or(ClearingError::Corrupt("scheme"))?;
    let divided_alike = (scheme.division == Division::Overall) == found.cover.is_empty();
    let next = divided_alike.then(|| Cycle {
        number: found.number + 1,
        ..Cycle::open(CycleId(ids.next(now)), &scheme, &found.cover, now)
    });
    if let Some(next) = &next {
        store::cycle::insert_cycle(tx, next).await?;
    }
    Ok(Closed { closed: Cycle { closed_at: Some(now), ..found }, next })
}

//! Steps that depend on the way a loss is settled: asked about together, in the order of arrival.

use pg::Tx;
use production_core::claim::{PaidForOthers, StepFacts};

use super::board::Board;
use super::{Decided, RecordStep, Taken};
use crate::claim::lock::{self, How, Settling};
use crate::error::ProductionError;
use crate::store::claim::ClaimRow;

/// A step to be taken when nobody settles the loss another way.
pub(super) struct Asking {
    pub(super) member: usize,
    pub(super) taken: Taken,
    pub(super) case: ClaimRow,
}

/// The way a step brings its case on, when it changes it: a closing as 互碰自赔 takes that one, and what a
/// case pays for another's vehicle from its own cover goes the direct one. A report changes none.
pub(super) fn way(command: &RecordStep, board: &Board, after: &ClaimRow) -> Option<How> {
    let before = &board.cases.get(&after.claim_no)?.row.case;
    match &command.read.facts {
        StepFacts::Close(close) => close.mutual.then_some(How::Mutually),
        StepFacts::Survey(_)
        | StepFacts::Assess(_)
        | StepFacts::Adjust(_)
        | StepFacts::Cancel(_) => {
            let (paid, before) = (after.case.paid_for_others()?, before.paid_for_others());
            let again = before.as_ref().is_none_or(|before| *before != PaidForOthers::default());
            (before.as_ref() != Some(&paid)).then_some(How::Directly { paid, again })
        }
        _ => None,
    }
}

/// Takes the steps whose ways are free: an accident is settled one way.
pub(super) async fn settle(
    set: &[&RecordStep],
    board: &mut Board,
    asking: Vec<(Asking, Settling)>,
    tx: &mut Tx,
) -> Result<Vec<(usize, Result<Decided, ProductionError>)>, ProductionError> {
    let (asking, settling): (Vec<Asking>, Vec<Settling>) = asking.into_iter().unzip();
    let Some(first) = asking.first().map(|asking| set[asking.member]) else {
        return Ok(Vec::new());
    };
    let others = first.locks.settle(tx, &settling, first.now).await?;
    let outcome = |((asking, settling), other): ((Asking, &Settling), Option<lock::Taken>)| {
        let Asking { member, taken, case } = asking;
        let decided = match other {
            Some(other) => Err(lock::goes_another_way(&settling.how, other)),
            None => {
                board.keep(set[member], &taken, case);
                Ok(Decided::Taken(Box::new(taken)))
            }
        };
        (member, decided)
    };
    Ok(asking.into_iter().zip(&settling).zip(others).map(outcome).collect())
}
